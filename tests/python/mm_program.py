# SPDX-License-Identifier: Apache-2.0
"""Calls build/mm the way a user does, for tests."""
import json
import os
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_BUILD_DIR", ROOT / "build"))
MM = BUILD / "mm"
MINILM = ROOT / "build/models/all-MiniLM-L6-v2"


def run(*arguments, lines=None, timeout=300):
    """Runs mm; `lines` are JSON values for its standard input. The tester's settings stay out."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MM_", "HF_"))}
    text = None if lines is None else "".join(json.dumps(line) + "\n" for line in lines)
    return subprocess.run([str(MM), *map(str, arguments)], input=text, text=True, cwd=ROOT,
                          capture_output=True, timeout=timeout, check=False,
                          env=environment)


def task(*requests, arguments=(), timeout=300):
    """The Results of requests in one `mm task`."""
    done = run("task", *arguments, lines=requests, timeout=timeout)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(requests), done.stderr
    return results


def embedding(model, texts, **parameters):
    return {"task_type": "embedding", "model_name": str(model), "task_data": texts,
            "device": "cpu", **parameters}


def embed(model, texts, timeout=300, **parameters):
    """The data of one embedding request, the vectors as float32 array."""
    result = task(embedding(model, texts, **parameters), timeout=timeout)[0]
    assert result["success"], result
    data = result["data"]
    data["embeddings"] = np.asarray(data["embeddings"], np.float32)
    return data


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def processor_has(flag):
    return flag in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
