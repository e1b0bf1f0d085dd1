# SPDX-License-Identifier: Apache-2.0
"""What the manager costs beside the work itself, at two threads.

    bench/run manager [--rows jobs,...] [--rounds N] [--quick] [--out FILE]

The inner loops are tests/manager/manager_timer.c, through the public header; each round is a process of its own.
"""
import argparse
import datetime
import json
import os
import shutil
import subprocess
import time

import embedding
import evictions
import report
import rows
from ours import mm_bench
from sides import CACHE, note
from texts import make_texts

HANDOFF_BAR, CPU_BAR, HIT_BAR = 1.5, 10, 3  # times a hand-off; microseconds a job, a hit
RELOAD_BAR, BATCH_BAR = 2, 0.85  # times reading and writing the bytes; of one batch's throughput
CALLERS, READERS = 8, 64
MODELS, ROOM = 10, 3
MIB = 2.0**20
COMMIT = "0" * 40


def parse():
    parser = argparse.ArgumentParser(prog="bench/run manager", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated: " + ", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each row (default 7)")
    parser.add_argument("--quick", action="store_true", help="three rounds, shorter ones")
    parser.add_argument("--mm", default="build/mm", help="our program")
    parser.add_argument("--timer", default="build/tests/manager/manager_timer", help="the program with the loops")
    parser.add_argument("--model", default=embedding.MINILM, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", default="bench/MANAGER.md", help="where the table goes")
    options = parser.parse_args()
    options.row_names = [name for name in options.rows.split(",") if name]
    if not set(options.row_names) <= set(ROWS):
        parser.error("unknown rows; there are " + ", ".join(ROWS))
    return options


class Bench:
    """The rows that were judged, and what they were made of; remarks are watch_machine's."""

    def __init__(self, options):
        self.options, self.mm = options, os.path.abspath(options.mm)
        self.minilm = os.path.abspath(embedding.minilm(options.model))
        self.rounds = 3 if options.quick else options.rounds
        self.remarks, self.read_gbps = [], None
        self.judged, self.details = [], []

    def remark(self, text):
        self.remarks.append(text)
        note(text)

    def length(self, whole):
        return whole // 4 if self.options.quick else whole

    def ask(self, *arguments, settings=None, lines="", threads=rows.THREADS):
        """The JSON objects that the timer prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MM_")}
        ours = {"MM_CPU_THREADS": str(threads), "MM_OFFLINE": "true", "MM_WORKER_POOL__MODEL_IDLE_TIMEOUT": "-1"}
        done = subprocess.run([self.options.timer, *map(str, arguments)], input=lines, capture_output=True, text=True,
                              env={**kept, **ours, **(settings or {})}, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench: {self.options.timer} {arguments[0]}: {done.stderr.strip() or done.returncode}")
        if done.stderr.strip():
            self.remark(f"{arguments[0]}: {done.stderr.strip().splitlines()[0]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def judge(self, title, bar, measured, met):
        self.judged.append({"title": title, "bar": bar, "measured": measured, "met": met})

    def detail(self, title, head, lines):
        self.details += [f"### {title}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        self.details += [f"| {' | '.join(line)} |" for line in lines] + [""]

    def rate_of_reads(self):
        """Bytes a second."""
        answer = mm_bench(self.mm, ["--peak"], rows.THREADS)
        if not isinstance(answer, dict):
            raise SystemExit(f"bench: {answer}")
        self.read_gbps = answer["read_gbps"]
        return answer["read_gbps"] * 1e9


def spread(values, unit="", digits=1):
    return f"{report.median(values):.{digits}f}{unit} (from {min(values):.{digits}f} to {max(values):.{digits}f})"


# ---- Jobs ----------------------------------------------------------------------------------------

def one_caller(bench):
    """A job's time less what its Result says it computed, against a bare hand-off in the same process."""
    lines = []
    for kind, words in (("name", "a Hub name"), ("folder", "a folder")):
        found = [bench.ask("overhead", kind, bench.length(40), threads=1)[0] for _ in range(bench.rounds)]
        ratios = [one["beside_us"] / one["handoff_us"] for one in found]
        if kind == "name":
            ratio = report.median(ratios)
            bench.judge("one caller, a job less its work", f"at most {HANDOFF_BAR} x a bare hand-off",
                        f"{ratio:.2f} x ({report.median([one['beside_us'] for one in found]):.1f} to "
                        f"{report.median([one['handoff_us'] for one in found]):.1f} us)", ratio <= HANDOFF_BAR)
        lines.append([words] + [spread([one[key] for one in found], " us")
                                for key in ("job_us", "compute_us", "beside_us", "handoff_us")] + [spread(ratios, " x", 2)])
    bench.detail("One caller", ["model by", "job", "its work", "the rest", "bare hand-off", "rest / hand-off"], lines)


def many_callers(bench):
    lines = []
    for kind, words in (("name", "a Hub name"), ("folder", "a folder")):
        found = [bench.ask("callers", kind, CALLERS, bench.length(4000), 3, threads=1)[0] for _ in range(bench.rounds)]
        least = [one["compute_together_us"] / CALLERS for one in found]
        costs = [one["cpu_us"] - work for one, work in zip(found, least)]
        if kind == "name":
            cost = report.median(costs)
            bench.judge(f"{CALLERS} callers at once, processor time of a job less its work", f"at most {CPU_BAR} us",
                        f"{cost:.1f} us", cost <= CPU_BAR)
        lines.append([words, spread([one["cpu_us"] for one in found], " us"), spread(least, " us"), spread(costs, " us"),
                      f"{report.median([1e6 / one['wall_us'] for one in found]):,.0f}"])
    bench.detail(f"{CALLERS} callers at once", ["model by", "processor time a job", "its work", "the rest", "jobs a second"],
                 lines)


def jobs(bench):
    one_caller(bench)
    many_callers(bench)


# ---- The cache -----------------------------------------------------------------------------------

def name_on_hub(folder):
    """The folder as a model of a models_dir, and that."""
    hub = os.path.abspath(os.path.join(CACHE, "manager-hub"))
    model = os.path.join(hub, "models--bench--minilm")
    shutil.rmtree(hub, ignore_errors=True)
    os.makedirs(os.path.join(model, "refs"))
    os.makedirs(os.path.join(model, "snapshots"))
    os.symlink(folder, os.path.join(model, "snapshots", COMMIT))
    with open(os.path.join(model, "refs", "main"), "w", encoding="ascii") as file:
        file.write(COMMIT)
    return "bench/minilm", hub


def hits(bench):
    folder = bench.minilm
    name, hub = name_on_hub(folder)
    lines = []
    for model, words in ((name, "a Hub name"), (folder, "a folder")):
        calls = bench.length(20000 if model == name else 4000)
        found = [bench.ask("hits", model, calls, 3, settings={"MM_MODELS_DIR": hub})[0]["cpu_us"] for _ in range(bench.rounds)]
        if model == name:
            cost = report.median(found)
            bench.judge("a text that the cache has, 384 values", f"at most {HIT_BAR} us of processor time", f"{cost:.2f} us",
                        cost <= HIT_BAR)
        lines.append([words, f"{calls * 3:,}", spread(found, " us", 2)])
    bench.detail("A text that the cache has", ["model by", "calls a round", "processor time a call"], lines)


# ---- Models that come and go ---------------------------------------------------------------------

def reload(bench):
    lines = []
    large = os.path.abspath(embedding.bert_large(bench.minilm))
    for title, folder, target in (("MiniLM", bench.minilm, 30), ("BERT-large F16 file", large, 600)):
        rate = bench.rate_of_reads()
        found = bench.ask("reload", folder, bench.rounds, rows.THREADS)[0]
        size = os.path.getsize(os.path.join(folder, "model.safetensors"))
        limit = (size + found["bytes"]) / rate * 1e3
        whole = [a + b for a, b in zip(found["release_ms"], found["preload_ms"])]
        passes, took = report.median(found["passes_ms"]), report.median(whole)
        bench.judge(f"{title}, release and load again", f"at most {RELOAD_BAR} x reading and writing the bytes",
                    f"{took / passes:.2f} x ({took:.1f} to {passes:.1f} ms; {limit:.1f} ms at the rate of reads)",
                    took <= RELOAD_BAR * passes)
        bench.judge(f"{title}, release and load again", f"at most {target} ms", f"{took:.1f} ms", took <= target)
        lines.append([title, f"{size / MIB:.0f} and {found['bytes'] / MIB:.0f} MiB"]
                     + [spread(found[name], " ms") for name in ("release_ms", "preload_ms", "first_ms", "passes_ms")]
                     + [f"{limit:.1f} ms"])
    bench.detail("Release and load again", ["model", "file, packed", "release", "load all", "load for one text, answered",
                                            "bytes read and written", "the same at the rate of reads"], lines)


def small_models(folder):
    """As many folders with the same files: models of their own to the manager."""
    root = os.path.abspath(os.path.join(CACHE, "manager-models"))
    shutil.rmtree(root, ignore_errors=True)
    names = []
    for number in range(MODELS):
        names.append(os.path.join(root, str(number)))
        os.makedirs(names[-1])
        for entry in os.listdir(folder):
            os.symlink(os.path.join(folder, entry), os.path.join(names[-1], entry))
    return names


def budget(bench, models):
    """Settings whose budget has room for so many models like MiniLM and not for one more."""
    bytes_ = bench.ask("reload", bench.minilm, 1, rows.THREADS)[0]["bytes"]
    return {"MM_MEMORY__CPU_BYTES": str(int(bytes_ * (models + 0.5)))}


def stream(bench):
    names = small_models(bench.minilm)
    drawn = evictions.draw(MODELS, bench.length(600), seed=21)
    begun = time.monotonic()
    answers = bench.ask("stream", *names, settings=budget(bench, ROOM), lines="\n".join(map(str, drawn)))
    took = time.monotonic() - begun
    found = evictions.Evictions(answers, names, ROOM)
    title = f"{MODELS} models, room for {ROOM}, {len(drawn)} requests"
    bench.judge(title, "no request fails", f"{found.failures} of {found.requests} failed",
                found.failures == 0 and found.requests == len(drawn))
    bench.judge(title, "who costs least goes", f"{found.clear + found.open} of {found.clear + found.open + len(found.wrong)}",
                not found.wrong)
    for wrong in found.wrong[:5]:
        bench.remark(f"{title}: {wrong}")
    rate = [hits_ / len(drawn) for hits_ in (found.hits(), evictions.hits_of_recent(drawn, ROOM),
                                            evictions.hits_of_foresight(drawn, ROOM))]
    bench.detail(title, ["loads", "hits", "hits if the one unused for longest went", "with foresight",
                         "evictions: of the one that costs least", "of one of those that may", "against the policy", "time"],
                 [[str(found.loads)] + [f"{part * 100:.1f} %" for part in rate]
                  + [str(found.clear), str(found.open), str(len(found.wrong)), f"{took:.1f} s"]])


def swaps(bench):
    names = small_models(bench.minilm)
    alone = bench.ask("reload", names[0], bench.rounds, rows.THREADS)[0]
    quiet = report.median([a + b for a, b in zip(alone["release_ms"], alone["first_ms"])])
    lines = []
    for models, room in ((2, 1), (4, 2)):
        found = [bench.ask("swaps", CALLERS, bench.length(100), *names[:models], settings=budget(bench, room))[0]
                 for _ in range(min(bench.rounds, 3))]
        failures, jobs_ = (sum(one[key] for one in found) for key in ("failures", "jobs"))
        bench.judge(f"{models} models, room for {room}, {CALLERS} callers at once", "no request fails",
                    f"{failures} of {jobs_} failed", failures == 0)
        each = [one["whole_ms"] / one["loads"] for one in found]
        lines.append([f"{models}, {room}", str(report.median([one["loads"] for one in found])), spread(each, " ms"),
                      f"{quiet:.1f} ms"] + [spread([one[key] for one in found], " ms")
                                            for key in ("median_ms", "p99_ms", "longest_ms")])
    bench.detail(f"More models than memory, {CALLERS} callers at once",
                 ["models, room for", "loads", "time a load, with all that was answered", "one release and first text alone",
                  "median of a request", "99th of 100", "longest"], lines)


# ---- Texts together ------------------------------------------------------------------------------

def batching(bench):
    path = os.path.join(CACHE, "manager-texts.txt")
    texts = make_texts(11, bench.length(16 * READERS), 5, 14)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(texts) + "\n")
    found = bench.ask("batching", bench.minilm, path, READERS, bench.rounds)[0]
    whole, single = (report.median(found[name]) for name in ("batch_ms", "callers_ms"))
    bench.judge(f"MiniLM, {READERS} callers with a text each at a time", f"{BATCH_BAR * 100:.0f} % of one request's throughput",
                f"{whole / single * 100:.1f} %", whole / single >= BATCH_BAR)
    bench.detail(f"{READERS} callers with a text each at a time", ["texts", "in one request", "by the callers"],
                 [[f"{found['texts']:,}", spread(found["batch_ms"], " ms"), spread(found["callers_ms"], " ms")]])


ROWS = {"jobs": jobs, "hits": hits, "reload": reload, "batching": batching, "stream": stream, "swaps": swaps}

METHOD = f"""\
Everything goes through the public header (tests/manager/manager_timer.c); medians of the rounds count, each round but those of
loads and batches is a process of its own.

A job is a request for the vector of one token id, of a toy model of a few kilobytes, with the cache off: nothing is tokenised,
and what is left of work is what the Result calls compute_ms, from when a worker takes the job until its vector is there. One
caller: the time of the call less that, against a hand-off between two threads there and back with a mutex and two condition
variables, in blocks by turns. {CALLERS} callers: processor time of the process a job, less an eighth of what one request with eight such
texts computes. That is the least the work of a job can be; what smaller batches compute more counts as overhead. Jobs run on one
thread: a second one, waiting for its part of so small a work, would only add its own time. By a folder's name each request looks
whether the folder is still the same; by a name of the Hub none does. Bars are for the latter.

Release and load again: mm_model_release and a pre-load, which packs all weights, the file being in the page cache. The bytes of
the file are read once by two threads and as many as are packed written once to fresh memory, in the same process, between the
loads. The last column has the same bytes at the rate of `mm bench --peak`, which is without the cost of getting fresh memory.

{MODELS} models are folders with the files of MiniLM. Their requests come from one caller, drawn from a seed, the n-th most popular
model 1/n as often as the first; bench/evictions.py computes from times and log who had to go."""


def document(bench):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    options = bench.options
    command = f"bench/run manager --rows {options.rows} --rounds {options.rounds}{' --quick' if options.quick else ''}"
    version = subprocess.run([bench.mm, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    parts = ["# Manager benchmark", "", f"Written by `{command}` on {date}.", "", report.machine(bench),
             f"- ours: {version}", "", table(bench), ""]
    if bench.remarks:
        parts += ["Remarks of this run:", "", *[f"- {remark}" for remark in bench.remarks], ""]
    return "\n".join(parts + ["## How", "", METHOD, "", "## All figures", ""] + bench.details).rstrip() + "\n"


def table(bench):
    return "\n".join(["| work (2 threads) | bar | measured | met |", "|---|---|---|---|"] + [
        f"| {row['title']} | {row['bar']} | {row['measured']} | {report.met_text(row)} |" for row in bench.judged])


def main():
    options = parse()
    embedding.pin(rows.THREADS)
    start, before = time.monotonic(), embedding.cpu_used()
    bench = Bench(options)
    for name in options.row_names:
        note("row " + name)
        ROWS[name](bench)
        print(table(bench), flush=True)
    embedding.watch_machine(bench, start, before)
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(document(bench))
    note("written: " + options.out)


if __name__ == "__main__":
    main()
