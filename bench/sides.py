# SPDX-License-Identifier: Apache-2.0
"""Handles on the workers: start, ask, watch that the idle ones do not run. See worker.py for the protocol."""
import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(".cache", "bench")
TICK = os.sysconf("SC_CLK_TCK")


def note(text):
    print("bench:", text, file=sys.stderr, flush=True)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Failed(Exception):
    """A peer could not do what was asked; the row goes on without it and says so."""


class Worker:
    """One peer at one type, in its own process."""

    def __init__(self, peer, dtype, source, converted, threads):
        self.peer, self.dtype = peer, dtype
        self.name = f"{peer} {dtype}"
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(os.path.join(CACHE, "workers.log"), "ab"), text=True, env=environment,
        )
        self.ask("load", peer=peer, source=source, converted=converted, dtype=dtype, threads=threads)

    def ask(self, op, **fields):
        self.process.stdin.write(json.dumps(dict(fields, op=op)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name}: its process ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(f"{self.name}: {answer['failed']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Store:
    """Small results that outlive a run (tuned settings), in one JSON file."""

    def __init__(self, path):
        self.path = path
        self.values = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.values = json.load(file)

    def get(self, *key):
        return self.values.get(" ".join(key))

    def put(self, value, *key):
        self.values[" ".join(key)] = value
        with open(self.path + ".partial", "w", encoding="utf-8") as file:
            json.dump(self.values, file, indent=1)
        os.replace(self.path + ".partial", self.path)


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
