# SPDX-License-Identifier: Apache-2.0
"""One peer in one process. JSON lines: a request a line on stdin, an answer a line on stdout.

{"op": "load", "peer", "source", "converted", "dtype", "threads"}   {"op": "tune", "texts", "batches", "finals"}
{"op": "generate", "sources", "beams", "tokens"}   (token ids to token ids, by a peer of generators.py)
{"op": "run", "texts", "setting", "save"?}   {"op": "latency", "text", "count", "setting"}   {"op": "peak", "dtype"}
`texts` is a list. Times are seconds from texts to a numpy array. With --first PEER SOURCE CONVERTED DTYPE THREADS SETTING
TEXT the process prints one vector and ends: the cold start.
"""
import json
import os
import sys
import time

import numpy as np

from generators import GENERATORS
from peers import PEERS


def timed(action):
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def tune(peer, texts, batches, finals):
    """Every setting on a third of the texts (a small pass first: it loads and compiles), the best few on all of them."""
    part = texts[::3] if len(texts) >= 30 else texts[::max(1, len(texts) // 8)]
    tried = []
    for setting in peer.settings(batches):
        peer.encode(part[:2], setting)
        repeats = 30 if len(texts) == 1 else 1
        seconds = float(np.median([timed(lambda: peer.encode(part, setting))[0] for _ in range(repeats)]))
        tried.append((seconds, setting))
    tried.sort(key=lambda pair: pair[0])
    best = tried[0]
    if finals > 1:
        again = []
        for _, setting in tried[:finals]:
            peer.encode(texts, setting)
            again.append((timed(lambda: peer.encode(texts, setting))[0], setting))
        best = min(again, key=lambda pair: pair[0])
    return {"setting": best[1], "tried": [[round(seconds, 4), setting] for seconds, setting in tried]}


def latency(peer, text, count, setting):
    times = [timed(lambda: peer.encode([text], setting))[0] for _ in range(count)]
    return {"median": float(np.median(times)), "best": min(times)}


def peak(dtype, threads):
    """Best product rate at K = N = 1024 through torch's oneDNN: the stand-in while `mm bench --peak` is not there."""
    import torch
    import torch.utils.mkldnn

    torch.set_num_threads(threads)
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    best = 0.0
    with torch.inference_mode():
        weight = torch.randn(1024, 1024).to(kind)
        layer = torch.nn.Linear(1024, 1024, bias=False).to(kind)
        packed = torch.utils.mkldnn.to_mkldnn(layer) if kind == torch.float32 else layer
        for rows in (512, 2048, 4096):
            source = torch.randn(rows, 1024).to(kind)
            dense = source.to_mkldnn() if kind == torch.float32 else source
            for action in (lambda: packed(dense), lambda: source @ weight):
                for _ in range(12):
                    best = max(best, 2.0 * rows * 1024 * 1024 / timed(action)[0] / 1e9)
    return {"gflops": best}


def answer(state, request):
    op = request["op"]
    if op == "load":
        kind = PEERS.get(request["peer"]) or GENERATORS[request["peer"]]
        state["peer"] = kind(request["source"], request["converted"], request["dtype"], request["threads"])
        return {"threads": request["threads"]}
    if op == "peak":
        return peak(request["dtype"], request["threads"])
    peer = state["peer"]
    if op == "generate":
        seconds, found = timed(lambda: peer.generate(request["sources"], request["beams"], request["tokens"]))
        return {"seconds": seconds, "sequences": found}
    if op == "tune":
        return tune(peer, request["texts"], request["batches"], request["finals"])
    if op == "latency":
        return latency(peer, request["text"], request["count"], request["setting"])
    if op == "run":
        seconds, vectors = timed(lambda: peer.encode(request["texts"], request["setting"]))
        if request.get("save"):
            np.save(request["save"], vectors)
        return {"seconds": seconds}
    raise ValueError("unknown op " + op)


def serve():
    # The libraries print as they like: the protocol keeps the real stdout for itself.
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    state = {}
    for line in sys.stdin:
        try:
            result = answer(state, json.loads(line))
        except Exception as failure:  # whatever a peer throws is that peer's answer
            result = {"failed": f"{type(failure).__name__}: {failure}"}
        lines.write(json.dumps(result) + "\n")
        lines.flush()


def first(name, source, converted, dtype, threads, setting, text):
    peer = PEERS[name](source, converted, dtype, int(threads))
    vector = peer.encode([text], json.loads(setting))[0]
    print("vector", " ".join(repr(float(value)) for value in vector), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--first":
        first(*sys.argv[2:])
    else:
        serve()
