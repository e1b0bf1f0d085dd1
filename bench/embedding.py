# SPDX-License-Identifier: Apache-2.0
"""Embeddings against other engines, at two threads, in one interleaved run; see rows.py for what is timed and judged.

Each side is a process of its own that lives for the whole row: us, peer A, peer B, us, ... Medians of the rounds count.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

import report
import rows
from sides import CACHE, HERE, Store, note

MINILM = "build/models/all-MiniLM-L6-v2"
BERT_LARGE = os.path.join(CACHE, "bert-large")


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(rows.ROWS), help="comma-separated: " + ", ".join(rows.ROWS))
    parser.add_argument("--rounds", type=int, default=0, help="rounds a row (default 5, BERT-large 3, quick 3 and 2)")
    parser.add_argument("--quick", action="store_true", help="a sixth of the texts, fewer settings of the peers tried")
    parser.add_argument("--mm", default="build/mm", help="our program")
    parser.add_argument("--model", default=MINILM, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--no-peers", action="store_true", help="our side only: shares of the limit, no ratios")
    parser.add_argument("--retune", action="store_true", help="look for the peers' best settings again")
    parser.add_argument("--out", help="where the table goes (default bench/RESULTS.md after a whole run)")
    options = parser.parse_args()
    options.row_names = [name for name in options.rows.split(",") if name]
    unknown = [name for name in options.row_names if name not in rows.ROWS]
    if unknown:
        parser.error("unknown rows: " + ", ".join(unknown))
    return options


def child(script, *arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", os.path.join(HERE, script), *arguments], check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {script} ended with status {done.returncode}")


def minilm(folder):
    """The folder of MiniLM, which scripts/setup makes."""
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        sys.exit(f"bench: {folder}: no model.safetensors; run scripts/setup")
    os.makedirs(CACHE, exist_ok=True)
    return folder


def bert_large(tokenizer_folder):
    """The folder of a BERT-large, made once."""
    if not os.path.exists(BERT_LARGE):
        note("writing a BERT of 24 x 1024 with random weights")
        child("make_bert_large.py", tokenizer_folder, BERT_LARGE)
    return BERT_LARGE


def prepare(options):
    """The two models and what the peers read, made once. Answers {name: (source, converted)}."""
    models = {"minilm": (minilm(options.model), os.path.join(CACHE, "minilm"))}
    if any(rows.uses_model(name, "large") for name in options.row_names):
        models["large"] = (bert_large(options.model), os.path.join(CACHE, "large"))
    if not options.no_peers:
        for source, converted in models.values():
            child("convert.py", source, converted)
    return models


def pin(threads):
    """A larger machine is cut to as many cores as threads: each side and the limit then have the same."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        sys.exit(f"bench: needs {threads} cores, this process may use {len(cores)}")
    os.sched_setaffinity(0, cores[:threads])


def cpu_used():
    """(seconds of processor time the whole machine used, those that this process and its ended children used)."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(value) for value in file.readline().split()[1:9]]
    busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return busy, sum(usage.ru_utime + usage.ru_stime for usage in usages)


def watch_machine(bench, start, before):
    """What others used of the cores meanwhile: with more than a little, the numbers are not to be trusted."""
    after = cpu_used()
    others = (after[0] - before[0]) - (after[1] - before[1])
    part = max(0.0, others) / ((time.monotonic() - start) * os.cpu_count())
    if part > 0.02:
        bench.remark(f"the machine was not quiet: others used {part * 100:.0f} % of its cores during the run")


def main():
    options = parse()
    pin(rows.THREADS)
    start, before = time.monotonic(), cpu_used()
    bench = rows.Bench(options, prepare(options), Store(os.path.join(CACHE, "tuned.json")))
    results = []
    for name in options.row_names:
        note("row " + name)
        for result in bench.run(name):
            results.append(result)
            print(report.row_text(result), flush=True)
    bench.close()
    watch_machine(bench, start, before)
    with open(os.path.join(CACHE, "last.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    text = report.document(results, options, bench)
    whole = not options.quick and not options.no_peers and set(options.row_names) == set(rows.ROWS)
    out = options.out or ("bench/RESULTS.md" if whole else os.path.join(CACHE, "RESULTS.md"))
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)
    print()
    print(report.table(results))
    note("written: " + out)


if __name__ == "__main__":
    main()
