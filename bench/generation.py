# SPDX-License-Identifier: Apache-2.0
"""Text generation against transformers and CTranslate2, at two threads, in one interleaved run.

    bench/run generation [--models t5-base,...] [--rounds N] [--quick] [--no-peers] [--out FILE]

The models have the shapes of published ones and random weights (tests/reference/make_seq2seq.py); they are made for the run,
one at a time, and deleted after it (t5-large needs 6 GB for a while). Every side gets the same token ids and writes exactly as
many tokens. Sides are processes that live for a whole model; medians count.
"""
import argparse
import datetime
import json
import os
import random
import shutil
import subprocess
import sys
import time

import report
import rows
from embedding import cpu_used, pin, watch_machine
from limits import FLOAT, Seq2SeqLimit
from modeldir import read_json
from ours import Ours, mm_bench
from sides import CACHE, HERE, Failed, Worker, note

MODELS = ["t5-small", "t5-base", "t5-large", "bart-large-cnn"]
PEERS = [("ctranslate2-generation", "f32"), ("transformers", "f32")]
TOKENS = 64
# Per work: what it is called, the lengths of its sources, beams, tokens written, the bars (as in rows.py).
WORK = {
    "one": (f"one source of 200 tokens, greedy, {TOKENS} tokens", [200], 1, TOKENS,
            [("ctranslate2", 1.5), ("transformers", 3.0)]),
    "first": ("one source of 200 tokens, the first token", [200], 1, 1, [("best", 1.4)]),
    "beams": (f"8 sources of 96 to 320 tokens, 4 beams, {TOKENS} tokens", list(range(96, 321, 32)), 4, TOKENS,
              [("ctranslate2", 2.0), ("transformers", 3.5)]),
}
BANDWIDTH_BAR = 0.75  # of the limit of reading a step's weights, greedy
NAMES = {"ctranslate2-generation": "ctranslate2", "transformers": "transformers"}


def parse():
    parser = argparse.ArgumentParser(prog="bench/run generation", description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS[1:]), help="comma-separated: " + ", ".join(MODELS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each work (default 5)")
    parser.add_argument("--quick", action="store_true", help="two rounds of each work")
    parser.add_argument("--mm", default="build/mm", help="our program")
    parser.add_argument("--no-peers", action="store_true", help="our side only")
    parser.add_argument("--out", default="bench/GENERATION.md", help="where the table goes")
    options = parser.parse_args()
    options.models = [name for name in options.models.split(",") if name]
    if not set(options.models) <= set(MODELS):
        parser.error("unknown models; there are " + ", ".join(MODELS))
    return options


class Run:
    """What watch_machine and report need of a benchmark."""

    def __init__(self, options):
        self.mm = os.path.abspath(options.mm)
        self.remarks, self.read_gbps = [], None

    def remark(self, text):
        if text not in self.remarks:
            self.remarks.append(text)
            note(text)


def make_model(name):
    source = os.path.join(CACHE, name)
    shutil.rmtree(source, ignore_errors=True)
    script = os.path.join(HERE, "../tests/reference/make_seq2seq.py")
    note("writing a model of the shape of " + name)
    subprocess.run([sys.executable, "-W", "ignore", script, source, name], check=True, stderr=subprocess.DEVNULL)
    if name.startswith("bart"):
        add_older_keys(os.path.join(source, "config.json"))
    return source


def add_older_keys(path):
    """Published BARTs say where their norms are, and CTranslate2 wants to read it; today's transformers leaves it out."""
    config = read_json(path)
    config.update(normalize_before=False, normalize_embedding=True, add_final_layer_norm=False)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def convert(source, converted):
    code = ("import sys; from ctranslate2.converters import TransformersConverter as C; "
            "C(sys.argv[1]).convert(sys.argv[2], quantization='float32', force=True)")
    note("converting it for ctranslate2")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, source, os.path.join(converted, "ctranslate2")],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed("converting: " + (done.stderr.strip().splitlines() or ["no message"])[-1])


def sources_of(work, vocabulary):
    random_ = random.Random(5)
    return [[random_.randrange(4, vocabulary) for _ in range(length)] for length in WORK[work][1]]


class Model:
    """One model's sides, and a row for each work with what they took: report.py judges it like a row of embedding."""

    def __init__(self, run, options, name):
        self.run, self.options, self.name = run, options, name
        self.source = make_model(name)
        self.converted = os.path.join(CACHE, name + "-converted")
        config = read_json(os.path.join(self.source, "config.json"))
        self.vocabulary, self.limit = config["vocab_size"], Seq2SeqLimit(config)
        self.sides, self.rows = {}, {}

    def open_sides(self):
        self.sides["ours"] = Ours(self.run.mm, os.path.abspath(self.source), "f32", rows.THREADS)
        for peer, dtype in [] if self.options.no_peers else PEERS:
            try:
                if peer.startswith("ctranslate2"):
                    convert(self.source, self.converted)
                self.sides[f"{NAMES[peer]} {dtype}"] = Worker(peer, dtype, self.source, self.converted, rows.THREADS)
            except Failed as failure:
                self.run.remark(f"{self.name}: left out {NAMES[peer]}: {failure}")

    def close(self):
        for side in self.sides.values():
            side.close()
        shutil.rmtree(self.source, ignore_errors=True)
        shutil.rmtree(self.converted, ignore_errors=True)

    def new_row(self, work):
        title, lengths, beams, tokens, bars = WORK[work]
        self.rows[work] = {
            "name": work, "title": f"{self.name}: {title}", "kind": "generation", "dtype": "f32", "bars": bars,
            "parts": self.limit.parts(lengths, beams, tokens), "peaks": [], "reads": [], "sides": {}, "ids": {},
        }
        return self.rows[work]

    def ask(self, side, work):
        _, _, beams, tokens, _ = WORK[work]
        sources = sources_of(work, self.vocabulary)
        if side == "ours":
            seconds, data = self.sides[side].ask(self.sides[side].generation_line(sources, beams, tokens))
            found = data["output_ids"]
        else:
            answer = self.sides[side].ask("generate", sources=sources, beams=beams, tokens=tokens)
            seconds, found = answer["seconds"], answer["sequences"]
        assert all(len(ids) == tokens for ids in found), (self.name, side, work)
        return seconds, found

    def measure_machine(self, row):
        """The rates of products and reads, measured now."""
        answer = mm_bench(self.run.mm, ["--peak"], rows.THREADS)
        if not isinstance(answer, dict):
            self.run.remark(f"no limits: {answer}")
            return
        row["peaks"].append(answer["f32_gflops"])
        row["reads"].append(answer["read_gbps"])

    def measure(self, work):
        """Each side once to warm up, then in turn."""
        row = self.new_row(work)
        for number in range((2 if self.options.quick else self.options.rounds) + 1):
            if number > 0:
                time.sleep(rows.SETTLE)
                self.measure_machine(row)
            for side in list(self.sides):
                time.sleep(rows.SETTLE)
                try:
                    seconds, found = self.ask(side, work)
                except Failed as failure:
                    self.run.remark(f"{row['title']}: left out {side}: {failure}")
                    del self.sides[side]
                    continue
                row["ids"][side] = found
                if number > 0:
                    self.add_round(row, side, seconds)

    def add_round(self, row, side, seconds):
        new = {"rounds": [], "cosine": None, "setting": {}}
        kept = row.setdefault("ours", new) if side == "ours" else row["sides"].setdefault(side, new)
        kept["rounds"].append(seconds)

    def times(self, work, side):
        row = self.rows.get(work, {})
        kept = row.get("ours") if side == "ours" else row.get("sides", {}).get(side)
        return kept["rounds"] if kept else []

    def reads(self):
        return [rate for row in self.rows.values() for rate in row["reads"]]

    def reading_share(self, side):
        """Least time to read a step's weights, over the time of a greedy step."""
        whole, first = (report.median(self.times(work, side)) for work in ("one", "first"))
        rate = report.median(self.reads())
        if not whole or not first or not rate or whole <= first:
            return None
        return FLOAT * self.limit.step_weights / (rate * 1e9) / ((whole - first) / (TOKENS - 1))


def judge(model):
    """The bars of a model as report.judge has them, with the titles of their works."""
    part = model.reading_share("ours")
    judged = [{"title": f"{model.name}: a greedy step",
               "bar": f"{BANDWIDTH_BAR * 100:.0f} % of the limit of reading {FLOAT * model.limit.step_weights / 1e6:.0f} MB",
               "measured": report.share_text(part), "share": "-", "way": "share",
               "met": None if part is None else part >= BANDWIDTH_BAR}]
    for row in model.rows.values():
        judged += [dict(bar, title=row["title"]) for bar in report.judge(row)]
    return judged


def rate_text(values, unit):
    return f"{report.median(values):.1f} {unit} (from {min(values):.1f} to {max(values):.1f})" if values else "not measured"


def details(model):
    lines = []
    for work, row in model.rows.items():
        least = report.least_time(row)
        lines += [f"### {row['title']}", "",
                  f"Limit {report.time_text(least)}: {sum(flops for flops, _ in row['parts']) / 1e9:,.1f} GFLOP of products at "
                  f"{rate_text(row['peaks'], 'GFLOP/s')}, {sum(read for _, read in row['parts']) / 1e9:,.2f} GB of reads at "
                  f"{rate_text(row['reads'], 'GB/s')}.", "",
                  "| side | median | fastest and slowest round | to ours | same ids as ours | share of the limit | "
                  "share of the reading limit, a greedy step |", "|---|---|---|---|---|---|---|"]
        ours = report.median(model.times(work, "ours"))
        for side in sorted(row["ids"], key=lambda name: report.median(model.times(work, name)) or 0):
            times = model.times(work, side)
            if not times or not ours:
                continue
            same = sum(a == b for a, b in zip(row["ids"][side], row["ids"]["ours"]))
            reading = report.share_text(model.reading_share(side)) if work == "one" else "-"
            lines.append(f"| {'**ours**' if side == 'ours' else side} | {report.time_text(report.median(times))} | "
                         f"{report.time_text(min(times))} to {report.time_text(max(times))} | "
                         f"{report.median(times) / ours:.2f} x | {same} of {len(row['ids'][side])} | "
                         f"{report.share_text(report.share(row, report.median(times)))} | {reading} |")
        lines.append("")
    return "\n".join(lines)


METHOD = """\
Models have the shapes of the published ones and random weights, in f32. All sides run at two threads, each a process of its
own for the whole model; rounds are interleaved (us, CTranslate2, transformers, us, ...), medians count. All get the same token
ids and write exactly so many tokens. A peer is timed inside its process from token ids to token ids, ours over `mm task` from
the first byte of the request to the last of the Result.

The limit of a work is the sum of its parts (bench/limits.py). Encoding: 2 x the multiply-adds of the linear and attention
products over real tokens, the keys and values of cross-attention included, divided by the best packed product rate. A step:
the same for its rows, or the bytes of the weights it reads and of its caches of keys and values, divided by the rate of reading
memory, whichever takes longer. `mm bench --peak` measures both rates between the rounds. A ratio also counts as met at 85 % of
the limit; the last column says which way a bar was met. A greedy step's time is that of 64 tokens less that of the first, by
63; its limit of reading has the weights alone. CTranslate2 searches beams in a way of its own, so that its ids may differ
there."""


def document(models, run, options):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    command = f"bench/run generation --models {','.join(model.name for model in models)} --rounds {options.rounds}"
    parts = ["# Generation benchmark", "", f"Written by `{command}{' --quick' if options.quick else ''}` on {date}.", "",
             report.machine(run), report.versions(run), "",
             "| work (2 threads) | bar | measured | our share of the limit | met |", "|---|---|---|---|---|"]
    parts += [f"| {bar['title']} | {bar['bar']} | {bar['measured']} | {bar['share']} | {report.met_text(bar)} |"
              for model in models for bar in judge(model)]
    if run.remarks:
        parts += ["", "Remarks of this run:", "", *[f"- {remark}" for remark in run.remarks]]
    parts += ["", "## How", "", METHOD, "", "## Every side", ""] + [details(model) for model in models]
    return "\n".join(parts).rstrip() + "\n"


def main():
    options = parse()
    pin(rows.THREADS)
    os.makedirs(CACHE, exist_ok=True)
    start, before = time.monotonic(), cpu_used()
    run, models = Run(options), []
    for name in options.models:
        model = Model(run, options, name)
        models.append(model)
        try:
            model.open_sides()
            for work in WORK:
                model.measure(work)
        finally:
            model.close()
        run.read_gbps = report.median(model.reads()) or run.read_gbps
        print(details(model), flush=True)
        # After each model: a run takes long, and one that is broken off has the others' figures.
        watch_machine(run, start, before)
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(document(models, run, options))
    note("written: " + options.out)


if __name__ == "__main__":
    main()
