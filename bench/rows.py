# SPDX-License-Identifier: Apache-2.0
"""What the benchmark times: one row a kind of work, each with its bars. report.py turns the numbers into judgements."""
import json
import os
import statistics
import sys
import time

import numpy as np

from modeldir import ModelDir
from ours import Ours, find_number, first_vector, mm_bench
from peers import BATCHES
from sides import CACHE, HERE, Failed, Worker, cpu_seconds, digest, note
from texts import text_sets

THREADS = 2
SETTLE = 0.3  # seconds before a side is timed: OpenMP threads of the one before spin for up to 0.2 s
LARGE_BATCHES = (1, 4, 8)

ST, ORT, OV, CT2 = "sentence-transformers", "onnxruntime", "openvino", "ctranslate2"
F32_SIDES = [(OV, "f32"), (ORT, "f32"), (CT2, "f32"), (ST, "f32")]
BF16_SIDES = [(OV, "bf16"), (ST, "bf16")]
INT8_SIDES = [(ORT, "int8"), (CT2, "int8")]

# kind, model, type, texts, sides, bars. A bar is (what it is measured against, factor): "best" the fastest side of the
# row, a peer's name that peer, "limit" the share of the machine's limit.
ROWS = {
    "short-f32": ("batch", "minilm", "f32", "short", F32_SIDES, [("best", 1.1), (ST, 2.0), ("limit", 0.88)]),
    "mixed-f32": ("batch", "minilm", "f32", "mixed", F32_SIDES, [("best", 1.1), (ST, 2.0), ("limit", 0.88)]),
    "query-f32": ("query", "minilm", "f32", "query", F32_SIDES, [("best", 1.3)]),
    "short-bf16": ("batch", "minilm", "bf16", "short", BF16_SIDES, [(OV, 1.2), (ST, 2.2), ("limit", 0.78)]),
    "mixed-bf16": ("batch", "minilm", "bf16", "mixed", BF16_SIDES, [(OV, 1.2), (ST, 2.2), ("limit", 0.78)]),
    "query-bf16": ("query", "minilm", "bf16", "query", BF16_SIDES + F32_SIDES + INT8_SIDES, [("best", 1.3)]),
    "large-f32": ("batch", "large", "f32", "mixed64", F32_SIDES, [("best", 1.15)]),
    "large-bf16": ("batch", "large", "bf16", "mixed64", BF16_SIDES, [("best", 1.15)]),
    "start-minilm": ("start", "minilm", "f32", "query", F32_SIDES, [("best", 4.0)]),
    "start-large": ("start", "large", "f32", "query", F32_SIDES, [("best", 2.0)]),
    "memory": ("memory", None, None, "query", [], []),
}

TITLES = {
    "short-f32": "MiniLM f32, 1,000 short sentences", "mixed-f32": "MiniLM f32, 300 mixed lengths",
    "query-f32": "MiniLM f32, one 20-token query", "short-bf16": "MiniLM bf16, 1,000 short sentences",
    "mixed-bf16": "MiniLM bf16, 300 mixed lengths", "query-bf16": "MiniLM bf16, one 20-token query",
    "large-f32": "BERT-large f32, 64 mixed lengths", "large-bf16": "BERT-large bf16, 64 mixed lengths",
    "start-minilm": "MiniLM, process start to first vector",
    "start-large": "BERT-large F16 file, process start to first vector",
}

# What a cold start may choose between, beside the peer's plain way.
START_SETTINGS = {
    ST: [{}], CT2: [{"streams": 1}], ORT: [{"streams": 1}, {"streams": 1, "fast_start": True}],
    OV: [{"streams": 1}, {"streams": 1, "blob_cache": True}],
}


def uses_model(name, model):
    return ROWS[name][1] == model or name == "memory"


def has_bf16():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        return "avx512_bf16" in file.read()


class Bench:
    """Runs rows. Workers of one model stay alive between rows; a row of another model ends them."""

    def __init__(self, options, models, tuned):
        self.options, self.models, self.tuned = options, models, tuned
        self.texts = text_sets(options.quick)
        self.workers, self.workers_model = {}, None
        self.dirs = {name: ModelDir(source) for name, (source, _) in models.items()}
        self.mm = os.path.abspath(options.mm) if os.path.exists(options.mm) else None
        self.remarks, self.peak_reason = [], None
        self.read_gbps = None
        if self.mm is None:
            self.remark(f"our side is left out: no {options.mm}")

    def remark(self, text):
        """Said once on the terminal and kept for RESULTS.md."""
        if text not in self.remarks:
            self.remarks.append(text)
            note(text)

    def run(self, name):
        """The results of a row: one dict, for `memory` one a model and type; none when the machine cannot."""
        kind, model, dtype, texts, sides, bars = ROWS[name]
        if dtype == "bf16" and not has_bf16():
            self.remark("the bf16 rows are left out: the processor has no avx512_bf16")
            return []
        if kind == "memory":
            return self.memory_rows()
        if self.options.no_peers:
            sides = []
        action = {"batch": self.batch_row, "query": self.query_row, "start": self.start_row}[kind]
        row = {"name": name, "title": TITLES[name], "kind": kind, "model": model, "dtype": dtype, "bars": bars}
        action(row, self.texts[texts], sides)
        return [row]

    def rounds(self, model):
        few, many = (2, 3) if self.options.quick else (3, 5)
        return self.options.rounds or (few if model == "large" else many)

    # --- sides ---------------------------------------------------------------------------------------------------

    def worker(self, model, peer, dtype):
        if self.workers_model != model:
            self.end_workers()
            self.workers_model = model
        if (peer, dtype) not in self.workers:
            source, converted = self.models[model]
            self.workers[peer, dtype] = Worker(peer, dtype, source, converted, THREADS)
        return self.workers[peer, dtype]

    def end_workers(self):
        for worker in self.workers.values():
            worker.close()
        self.workers = {}

    close = end_workers

    def setting(self, model, worker, texts, batches):
        """The peer's best setting for these texts: tuned once and remembered by versions, processor and texts."""
        key = (model, worker.name, digest(texts, list(batches), versions_key()))
        setting = None if self.options.retune else self.tuned.get(*key)
        if setting is None:
            finals = 0 if model == "large" or self.options.quick or len(texts) == 1 else 2
            answer = worker.ask("tune", texts=texts, batches=list(batches), finals=finals)
            setting = answer["setting"]
            self.tuned.put(setting, *key)
            note(f"{worker.name}: best of {len(answer['tried'])} settings {setting}")
        return setting

    def reference(self, model, texts):
        """sentence-transformers f32 vectors of the texts, remembered."""
        source = self.dirs[model].path
        stat = os.stat(os.path.join(source, "model.safetensors"))
        key = digest(texts, stat.st_size, stat.st_mtime_ns, versions_key())
        path = os.path.join(CACHE, f"reference-{key}.npy")
        if not os.path.exists(path):
            self.worker(model, ST, "f32").ask("run", texts=texts, setting={"batch": 16}, save=path)
        return np.load(path)

    def peer_sides(self, row, texts, sides, batches):
        """Workers ready to be timed: tuned, warm, their vectors compared. A peer that fails is left out with a remark."""
        ready = []
        for peer, dtype in sides:
            try:
                worker = self.worker(row["model"], peer, dtype)
                setting = self.setting(row["model"], worker, texts, batches)
                path = os.path.join(CACHE, "vectors.npy")
                judged = self.judged_texts(row, texts)
                worker.ask("run", texts=judged, setting=setting, save=path)
                side = {"setting": setting, "rounds": [], **self.quality(row, judged, np.load(path))}
                row["sides"][worker.name] = side
                ready.append((worker, side))
            except Failed as failure:
                self.remark(f"{row['name']}: left out {failure}")
        return ready

    def judged_texts(self, row, texts):
        """What a side is warmed and its vectors are compared with; a whole pass of BERT-large would take too long."""
        return self.texts["quality"] if row["kind"] == "query" else texts[::4] if row["model"] == "large" else texts

    def quality(self, row, texts, vectors):
        if self.options.no_peers:
            return {"cosine": None}
        return {"cosine": cosine_min(vectors, self.reference(row["model"], texts))}

    def our_quality(self, row, ours, texts):
        judged = self.judged_texts(row, texts)
        _, data = ours.ask(ours.line(judged))
        return self.quality(row, judged, np.asarray(data["embeddings"], dtype=np.float32))

    def watch_idle(self, row, busy, action):
        """Run action and note how much of a core the other sides used meanwhile: it should be nothing."""
        idle = [w.process.pid for w in self.workers.values() if w is not busy]
        if busy is not row.get("_ours") and row.get("_ours"):
            idle.append(row["_ours"].process.pid)
        time.sleep(SETTLE)
        start, before = time.perf_counter(), sum(cpu_seconds(pid) for pid in idle)
        result = action()
        used = sum(cpu_seconds(pid) for pid in idle) - before
        # A tick is 10 ms: short measurements cannot tell less than that.
        if used > 0.02:
            row["idle"] = max(row.get("idle", 0.0), used / (time.perf_counter() - start))
        return result

    def peak(self, row):
        """Product peak of the row's type, GFLOP/s, measured now: `mm bench --peak`, else torch's oneDNN."""
        why = f"no {self.options.mm}"
        if self.mm and self.peak_reason is None:
            answer = mm_bench(self.mm, ["--peak"], THREADS)
            if isinstance(answer, dict) and answer.get(row["dtype"] + "_gflops"):
                self.read_gbps = answer.get("read_gbps") or self.read_gbps
                row["peaks"].append(answer[row["dtype"] + "_gflops"])
                return
            why = answer if isinstance(answer, str) else f"no {row['dtype']}_gflops in what it printed"
        if self.options.no_peers:
            return
        if self.peak_reason is None:
            self.peak_reason = why
            self.remark(f"`mm bench --peak` is not to be had ({why}): the limit comes from torch's oneDNN products")
        peer, dtype = ST, "f32"
        answer = self.worker(row["model"], peer, dtype).ask("peak", dtype=row["dtype"], threads=THREADS)
        row["peaks"].append(answer["gflops"])

    def start_ours(self, row):
        if self.mm is None:
            return None
        return Ours(self.mm, model_argument(self.dirs[row["model"]].path), row["dtype"], THREADS)

    # --- rows ----------------------------------------------------------------------------------------------------

    def batch_row(self, row, texts, sides):
        row.update(sides={}, peaks=[], flops=self.flops(row["model"], texts), texts=len(texts))
        batches = LARGE_BATCHES if row["model"] == "large" else (BATCHES[2:] if self.options.quick else BATCHES)
        ready = self.peer_sides(row, texts, sides, batches)
        ours = row["_ours"] = self.start_ours(row)
        try:
            if ours:
                line = ours.line(texts)
                row["ours"] = {"rounds": [], "total": [], "compute": [], **self.our_quality(row, ours, texts)}
                ours.ask(line)
            for _ in range(self.rounds(row["model"])):
                time.sleep(SETTLE)
                self.peak(row)
                if ours:
                    seconds, data = self.watch_idle(row, ours, lambda: ours.ask(line))
                    row["ours"]["rounds"].append(seconds)
                    row["ours"]["total"].append(data["timing"]["total_ms"] / 1000)
                    row["ours"]["compute"].append(data["timing"]["compute_ms"] / 1000)
                for worker, side in ready:
                    answer = self.watch_idle(
                        row, worker, lambda w=worker, s=side: w.ask("run", texts=texts, setting=s["setting"])
                    )
                    side["rounds"].append(answer["seconds"])
        finally:
            del row["_ours"]
            if ours:
                ours.close()

    def query_row(self, row, texts, sides):
        """Bursts of single queries; ours by `mm bench` inside the process, and by `mm task` with its transport."""
        row.update(sides={}, peaks=[], flops=self.flops(row["model"], texts), texts=1)
        ready = self.peer_sides(row, texts, sides, (1,))
        ours = row["_ours"] = self.start_ours(row)
        burst = 20 if self.options.quick else 60
        try:
            if ours:
                line = ours.line(texts)
                row["ours"] = {"rounds": [], "total": [], "transport": [], **self.our_quality(row, ours, texts)}
                for _ in range(burst):
                    ours.ask(line)
            for worker, side in ready:
                worker.ask("latency", text=texts[0], count=burst, setting=side["setting"])
            for _ in range(self.rounds(row["model"])):
                time.sleep(SETTLE)
                self.peak(row)
                if ours:
                    self.our_queries(row, ours, line, burst, texts[0])
                for worker, side in ready:
                    answer = self.watch_idle(row, worker, lambda w=worker, s=side: w.ask(
                        "latency", text=texts[0], count=burst, setting=s["setting"]))
                    side["rounds"].append(answer["median"])
        finally:
            del row["_ours"]
            if ours:
                ours.close()

    def our_queries(self, row, ours, line, burst, text):
        answers = self.watch_idle(row, ours, lambda: [ours.ask(line) for _ in range(burst)])
        row["ours"]["transport"].append(statistics.median(seconds for seconds, _ in answers))
        total = statistics.median(data["timing"]["total_ms"] for _, data in answers) / 1000
        row["ours"]["total"].append(total)
        time.sleep(SETTLE)
        model = model_argument(self.dirs[row["model"]].path)
        how = ["--text", text, "--dtype", row["dtype"], "--rounds", "0", "--queries", str(2 * burst)]
        answer = mm_bench(self.mm, [model, *how], THREADS)
        median = find_number(answer, ("median_ms",))
        if median is None:
            why = answer if isinstance(answer, str) else "no median_ms in what it printed"
            self.remark(f"our single query is judged by timing.total_ms: {why}")
            median = total * 1000
        row["ours"]["rounds"].append(median / 1000)

    def start_row(self, row, texts, sides):
        """Process start to first vector, us and each peer in turn; the first round only warms the page cache."""
        row.update(sides={}, peaks=[], texts=1)
        source, converted = self.models[row["model"]]
        self.end_workers()
        commands = []
        for peer, dtype in sides:
            for setting in START_SETTINGS[peer]:
                label = " ".join([peer, dtype] + [key for key, value in setting.items() if value is True])
                arguments = [peer, source, converted, dtype, str(THREADS), json.dumps(dict(setting, batch=1)), texts[0]]
                command = [sys.executable, os.path.join(HERE, "worker.py"), "--first", *arguments]
                row["sides"][label] = {"setting": setting, "rounds": [], "cosine": None}
                commands.append((row["sides"][label], command, b"", dict(os.environ, OMP_NUM_THREADS=str(THREADS))))
        if self.mm:
            row["ours"] = {"rounds": [], "cosine": None}
            request = {"task_data": texts, "task_type": "embedding", "model_name": model_argument(source),
                       "device": "cpu", "dtype": row["dtype"]}
            environment = dict(os.environ, MM_CPU_THREADS=str(THREADS))
            line = (json.dumps(request) + "\n").encode()
            commands.insert(0, (row["ours"], [self.mm, "task"], line, environment))
        for turn in range(self.rounds(row["model"]) + 1):
            for side, command, line, environment in commands:
                seconds = first_vector(command, line, environment)
                if turn > 0:
                    side["rounds"].append(seconds)

    def memory_rows(self):
        """Resident bytes of `mm task` after its first answer against 1.15 x weights + 48 MiB."""
        results = []
        self.end_workers()
        for model in self.models:
            for dtype in ["f32"] + (["bf16"] if has_bf16() else []):
                if self.mm is None:
                    continue
                ours = Ours(self.mm, model_argument(self.dirs[model].path), dtype, THREADS)
                try:
                    ours.ask(ours.line(self.texts["query"]))
                    memory = ours.memory()
                finally:
                    ours.close()
                weights = self.dirs[model].weight_count() * (2 if dtype == "bf16" else 4)
                bound = weights * 1.15 + 48 * 2**20
                title = f"{'MiniLM' if model == 'minilm' else 'BERT-large F16 file'} {dtype}, memory after the first answer"
                results.append({"name": f"memory-{model}-{dtype}", "title": title, "kind": "memory", "bound": bound,
                                "weights": weights, **memory})
        return results

    def flops(self, model, texts):
        tokenizer = self.dirs[model].tokenizer()
        return self.dirs[model].flops([len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)])


def model_argument(path):
    """A relative folder needs its ./ to be one in `model_name`."""
    return path if path.startswith(("/", "./", "../")) else "./" + path


def cosine_min(vectors, reference):
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    return float(((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).min())


def versions_key():
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        model = next((line for line in cpuinfo if line.startswith("model name")), "")
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as requirements:
        return model + requirements.read()
