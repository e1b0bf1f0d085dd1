# SPDX-License-Identifier: Apache-2.0
"""Our side of the benchmark: `mm task` as a long-lived process, `mm bench`, and what the kernel says of their memory."""
import fcntl
import json
import os
import subprocess
import time

F_SETPIPE_SZ = 1031


class Ours:
    """One `mm task` process; a request line in, a Result line out."""

    def __init__(self, mm, model, dtype, threads):
        self.model = model
        self.dtype = dtype
        environment = dict(os.environ, MM_CPU_THREADS=str(threads))
        self.process = subprocess.Popen(
            [mm, "task"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
        )
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                fcntl.fcntl(pipe, F_SETPIPE_SZ, 1 << 20)
            except OSError:
                pass  # a smaller pipe only costs our own side time

    def request(self, **fields):
        fields.update(model_name=self.model, device="cpu", dtype=self.dtype)
        return (json.dumps(fields) + "\n").encode()

    def line(self, texts):
        return self.request(task_data=texts, task_type="embedding", use_cache=False)

    def generation_line(self, sources, beams, tokens):
        return self.request(input_ids=sources, task_type="text_generation", return_ids=True, num_beams=beams,
                            do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens)

    def ask(self, line):
        """(seconds from the first byte written to the last one read, the Result's data)."""
        start = time.perf_counter()
        view = memoryview(line)
        while view:
            view = view[self.process.stdin.write(view):]
        chunks = []
        while True:
            chunk = os.read(self.process.stdout.fileno(), 1 << 20)
            if not chunk:
                raise RuntimeError(f"mm task ended with status {self.process.wait()}")
            chunks.append(chunk)
            if chunk.endswith(b"\n"):
                break
        seconds = time.perf_counter() - start
        result = json.loads(b"".join(chunks))
        if not result.get("success"):
            raise RuntimeError("mm task: " + json.dumps(result.get("error", result)))
        return seconds, result["data"]

    def memory(self):
        """Resident and anonymous bytes of the process; resident less anonymous is what is mapped from files."""
        fields = {}
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            for entry in file.readlines()[1:]:
                name, _, rest = entry.partition(":")
                fields[name] = int(rest.split()[0]) * 1024
        return {"resident": fields["Rss"], "anonymous": fields["Anonymous"]}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def mm_bench(mm, arguments, threads):
    """The JSON object that `mm bench ... --json` prints, or a string: why there is none."""
    command = [mm, "bench", *arguments, "--json"]
    environment = dict(os.environ, MM_CPU_THREADS=str(threads))
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as failure:
        return f"{mm}: {failure.strerror}"
    try:
        if done.returncode == 0:
            return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        pass
    last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    return f"`mm bench {arguments[0]}` ended with status {done.returncode}: {last[:120]}"


def find_number(value, names):
    """The first number under one of `names`, at any depth of a JSON object."""
    if not isinstance(value, dict):
        return None
    for name in names:
        if isinstance(value.get(name), (int, float)):
            return float(value[name])
    for inner in value.values():
        found = find_number(inner, names)
        if found is not None:
            return found
    return None


def first_vector(command, line, environment):
    """Seconds from the start of a process to the end of its first line that holds a vector."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    process.stdin.write(line)
    process.stdin.flush()
    seconds = None
    for answer in process.stdout:
        if answer.startswith(b"vector ") or b'"embeddings"' in answer:
            seconds = time.perf_counter() - start
            break
    process.stdin.close()
    process.stdout.read()
    status = process.wait()
    if seconds is None:
        raise RuntimeError(f"{os.path.basename(command[0])} ended with status {status} and without a vector")
    return seconds
