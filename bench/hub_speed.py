#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time downloads from a static file server on this machine: mm pull, curl and sha256sum, hf download.

    build/venv/bin/python bench/hub_speed.py [--megabytes N] [--files N] [--rounds N] [--folder DIR] [--nginx PROGRAM]
                                             [--mm PROGRAM] [--out FILE]

nginx serves a repository of one file of N MB, and one of the same size in several files, as the Hub would: its API as
files, headers on the files themselves. In each round the three take turns, each into an empty folder of its own on
the same file system. Processor time is that of a side's own processes, without the server's. `curl` is one `curl -O` of the files, then one `sha256sum` of them, as careful people do it.
mm also writes all of it back to the disk (fsync) before a file gets its name; the others do not. Figures are the best
of the rounds. DIR (default: the temporary folder) says which disk is meant.
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMIT = "c" * 40

CONFIGURATION = """
daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}/www; {locations} }}
}}
"""
LOCATION = """
    location = /{name}/resolve/{commit}/{path} {{
      alias {file}; add_header X-Repo-Commit {commit}; add_header X-Linked-Etag '"{etag}"'; add_header X-Linked-Size {size};
    }}"""


def hashes(path):
    data = path.read_bytes()
    return hashlib.sha256(data).hexdigest(), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def make_repository(root, name, contents):
    """Files, and what the Hub's API says of them. Returns the server's locations."""
    folder = root / "files" / name
    folder.mkdir(parents=True)
    entries, locations = [], ""
    for path, data in contents.items():
        file = folder / path
        file.write_bytes(data)
        sha256, sha1 = hashes(file)
        large = path.endswith(".safetensors")
        entry = {"type": "file", "path": path, "size": len(data), "oid": sha1}
        if large:
            entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 134}
        entries.append(entry)
        locations += LOCATION.format(name=name, commit=COMMIT, path=path, file=file, etag=sha256 if large else sha1,
                                     size=len(data))
    info = json.dumps({"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in contents]})
    answers = root / "www/api/models" / name
    for path, text in (("revision/main", info), (f"revision/{COMMIT}", info), (f"tree/{COMMIT}", json.dumps(entries))):
        (answers / path).parent.mkdir(parents=True, exist_ok=True)
        (answers / path).write_text(text)
    return locations


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serve(root, nginx, locations):
    port = free_port()
    (root / "nginx.conf").write_text(CONFIGURATION.format(root=root, port=port, locations=locations))
    server = subprocess.Popen([nginx, "-e", str(root / "error.log"), "-c", str(root / "nginx.conf")])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.05)
    server.kill()
    sys.exit((root / "error.log").read_text())


def sides(arguments, url):
    """Name to a function that downloads a repository into a folder."""
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1",
                   "HF_HUB_DISABLE_TELEMETRY": "1"}
    hf = pathlib.Path(sys.executable).parent / "hf"

    def run(words, folder):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True,
                              env={**environment, "HF_HOME": str(folder / "home")})
        if done.returncode:
            sys.exit(f"{words[0]}: {done.stdout}{done.stderr}")

    def mm(name, paths, folder):
        run([arguments.mm, "pull", name, "--quiet", "--set", "models_dir=models"], folder)

    def curl(name, paths, folder):
        run(["curl", "-sS", "--remote-name-all", *[f"{url}/{name}/resolve/{COMMIT}/{path}" for path in paths]], folder)
        run(["sha256sum", *paths], folder)

    def hf_download(name, paths, folder):
        run([str(hf), "download", name, "--cache-dir", "models"], folder)

    found = {"mm pull": mm, "curl, sha256sum": curl}
    if hf.exists():
        found["hf download"] = hf_download
    else:
        print(f"no {hf}: `hf download` is left out", file=sys.stderr)
    return found


def processor_seconds():
    """Of all processes that were started and waited for; the server is still running."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_all(arguments, root, found, name, paths):
    """Name to the least seconds, and the least processor seconds."""
    best = {side: (float("inf"), float("inf")) for side in found}
    for _ in range(arguments.rounds):
        for side, function in found.items():
            folder = root / "work"
            folder.mkdir()
            os.sync()  # nobody pays for what another left to be written
            used, begun = processor_seconds(), time.perf_counter()
            function(name, paths, folder)
            taken = time.perf_counter() - begun, processor_seconds() - used
            best[side] = tuple(map(min, best[side], taken))
            shutil.rmtree(folder)
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder")
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--mm", default=str(ROOT / "build/mm"))
    parser.add_argument("--out")
    arguments = parser.parse_args()
    for program in (arguments.nginx, "curl", "sha256sum", arguments.mm):
        if not shutil.which(program):
            print(f"downloads are not timed: no {program}; install it, or say where it is", file=sys.stderr)
            return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        report(arguments, pathlib.Path(folder))


def report(arguments, root):
    size = arguments.megabytes * 1_000_000
    chance = random.Random(0)
    data = b"".join(chance.randbytes(1_000_000) for _ in range(arguments.megabytes))
    one = {"config.json": b"{}", "model.safetensors": data}
    many = {"config.json": b"{}", "model.safetensors.index.json": b""}
    weights = {}
    for i in range(arguments.files):
        path = f"model-{i + 1:05}-of-{arguments.files:05}.safetensors"
        many[path] = data[i * size // arguments.files:(i + 1) * size // arguments.files]
        weights[f"tensor{i}"] = path
    many["model.safetensors.index.json"] = json.dumps({"weight_map": weights}).encode()
    repositories = {"one file": ("bench/one", one), f"{arguments.files} files": ("bench/many", many)}
    locations = "".join(make_repository(root, name, contents) for name, contents in repositories.values())
    del data
    server, url = serve(root, arguments.nginx, locations)
    lines = ["# Downloads", "",
             f"{arguments.megabytes} MB from nginx on the same machine, {os.cpu_count()} cores ({platform.machine()}), the best "
             f"of {arguments.rounds} rounds in turns, in MB/s, and processor seconds. Written by `bench/hub_speed.py --out`.", "",
             "| repository | mm pull | curl, sha256sum | hf download | mm / curl | mm / hf | processor: mm | curl | hf |",
             "|---|---|---|---|---|---|---|---|---|"]
    try:
        found = sides(arguments, url)
        for label, (name, contents) in repositories.items():
            best = time_all(arguments, root, found, name, list(contents))
            rates = {side: arguments.megabytes / seconds for side, (seconds, _) in best.items()}
            mm, curl, hf = (rates.get(side) for side in ("mm pull", "curl, sha256sum", "hf download"))
            cells = [label, f"{mm:.0f}", f"{curl:.0f}", f"{hf:.0f}" if hf else "-", f"{mm / curl:.2f}",
                     f"{mm / hf:.2f}" if hf else "-", *(f"{used:.2f} s" for _, used in best.values())]
            cells += ["-"] * (9 - len(cells))
            lines.append(f"| {' | '.join(cells)} |")
    finally:
        server.terminate()
        server.wait()
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        pathlib.Path(arguments.out).write_text(text)


if __name__ == "__main__":
    main()
