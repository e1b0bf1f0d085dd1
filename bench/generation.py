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
import struct
import subprocess
import sys
import time

import report
import rows
from embedding import cpu_used, pin, watch_machine
from modeldir import read_json
from ours import Ours, mm_bench
from sides import CACHE, HERE, Failed, Worker, note

MODELS = ["t5-small", "t5-base", "t5-large", "bart-large-cnn"]
PEERS = [("ctranslate2-generation", "f32"), ("transformers", "f32")]
TOKENS = 64
# Per work: what it is called, the lengths of its sources, beams, tokens written, the bars.
WORK = {
    "one": (f"one source of 200 tokens, greedy, {TOKENS} tokens", [200], 1, TOKENS, [("ctranslate2", 1.5)]),
    "first": ("one source of 200 tokens, the first token", [200], 1, 1, []),
    "beams": (f"8 sources of 96 to 320 tokens, 4 beams, {TOKENS} tokens", list(range(96, 321, 32)), 4, TOKENS, []),
}
BANDWIDTH_BAR = 0.75
NAMES = {"ctranslate2-generation": "ctranslate2", "transformers": "transformers"}


def parse():
    parser = argparse.ArgumentParser(prog="bench/run generation", description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS[1:]), help="comma-separated: " + ", ".join(MODELS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each work (default 5)")
    parser.add_argument("--quick", action="store_true", help="two rounds, without the beams")
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
    return source


def convert(source, converted):
    code = ("import sys; from ctranslate2.converters import TransformersConverter as C; "
            "C(sys.argv[1]).convert(sys.argv[2], quantization='float32', force=True)")
    note("converting it for ctranslate2")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, source, os.path.join(converted, "ctranslate2")],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed("converting: " + (done.stderr.strip().splitlines() or ["no message"])[-1])


def step_bytes(source):
    """Weights that a step has to read, in bytes: the decoder's matrices but for the keys and values of the source,
    which are made once, and the vocabulary's."""
    with open(os.path.join(source, "model.safetensors"), "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    once = ("EncDecAttention.k", "EncDecAttention.v", "encoder_attn.k_proj", "encoder_attn.v_proj")
    total = 0
    for name, tensor in header.items():
        if name == "__metadata__" or len(tensor["shape"]) != 2 or any(part in name for part in once):
            continue
        inside = ".".join(name.split(".")[:-1])
        if "decoder." in name and "embed" not in inside and "bias" not in inside or "shared" in name:
            total += 4 * tensor["shape"][0] * tensor["shape"][1]
    return total


def sources_of(work, vocabulary):
    random_ = random.Random(5)
    return [[random_.randrange(4, vocabulary) for _ in range(length)] for length in WORK[work][1]]


class Model:
    """One model's sides and what they took."""

    def __init__(self, run, options, name):
        self.run, self.options, self.name = run, options, name
        self.source = make_model(name)
        self.converted = os.path.join(CACHE, name + "-converted")
        self.vocabulary = read_json(os.path.join(self.source, "config.json"))["vocab_size"]
        self.bytes = step_bytes(self.source)
        self.sides, self.read_gbps = {}, []
        self.times = {}  # (work, side): seconds
        self.ids = {}  # (work, side): what it wrote

    def open_sides(self):
        self.sides["ours"] = Ours(self.run.mm, os.path.abspath(self.source), "f32", rows.THREADS)
        for peer, dtype in [] if self.options.no_peers else PEERS:
            try:
                if peer.startswith("ctranslate2"):
                    convert(self.source, self.converted)
                self.sides[NAMES[peer]] = Worker(peer, dtype, self.source, self.converted, rows.THREADS)
            except Failed as failure:
                self.run.remark(f"{self.name}: left out {NAMES[peer]}: {failure}")

    def close(self):
        for side in self.sides.values():
            side.close()
        shutil.rmtree(self.source, ignore_errors=True)
        shutil.rmtree(self.converted, ignore_errors=True)

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

    def measure(self, works):
        """Each side once to warm up, then in turn."""
        for work in works:
            for number in range((2 if self.options.quick else self.options.rounds) + 1):
                if number > 0 and work == "one":
                    answer = mm_bench(self.run.mm, ["--peak"], rows.THREADS)
                    if isinstance(answer, dict) and answer.get("read_gbps"):
                        self.read_gbps.append(answer["read_gbps"])
                for side in list(self.sides):
                    time.sleep(rows.SETTLE)
                    try:
                        seconds, found = self.ask(side, work)
                    except Failed as failure:
                        self.run.remark(f"{self.name}, {WORK[work][0]}: left out {side}: {failure}")
                        del self.sides[side]
                        continue
                    self.ids[work, side] = found
                    if number > 0:
                        self.times.setdefault((work, side), []).append(seconds)

    def bandwidth_share(self, side):
        """Least time to read a step's weights, over the time of a step."""
        whole, first = (report.median(self.times.get((work, side), [])) for work in ("one", "first"))
        gbps = report.median(self.read_gbps)
        if not whole or not first or not gbps or whole <= first:
            return None
        return self.bytes / (gbps * 1e9) / ((whole - first) / (TOKENS - 1))


def judge(model):
    """(bar, measured, met) for each bar of a model."""
    judged = []
    part = model.bandwidth_share("ours")
    judged.append((f"a step at {BANDWIDTH_BAR * 100:.0f} % of the limit of reading its {model.bytes / 1e6:.0f} MB",
                   report.share_text(part), None if part is None else part >= BANDWIDTH_BAR))
    for work, (title, _, _, _, bars) in WORK.items():
        ours = report.median(model.times.get((work, "ours"), []))
        for peer, factor in bars:
            theirs = report.median(model.times.get((work, peer), []))
            if not ours or not theirs:
                judged.append((f"{factor:g} x {peer}: {title}", "not measured", None))
            else:
                judged.append((f"{factor:g} x {peer}: {title}", f"{theirs / ours:.2f} x", theirs / ours >= factor))
    return judged


def details(model):
    lines = [f"### {model.name}", "", "| work | side | median | fastest and slowest round | to ours | same ids as ours | "
             "share of the reading limit |", "|---|---|---|---|---|---|---|"]
    for work, (title, *_) in WORK.items():
        ours = report.median(model.times.get((work, "ours"), []))
        for (name, side), times in sorted(model.times.items(), key=lambda entry: report.median(entry[1])):
            if name != work:
                continue
            same = sum(a == b for a, b in zip(model.ids[work, side], model.ids[work, "ours"]))
            part = report.share_text(model.bandwidth_share(side)) if work == "one" else "-"
            lines.append(f"| {title} | {'**ours**' if side == 'ours' else side} | {report.time_text(report.median(times))} | "
                         f"{report.time_text(min(times))} to {report.time_text(max(times))} | "
                         f"{report.median(times) / ours:.2f} x | {same} of {len(model.ids[work, side])} | {part} |")
    return "\n".join(lines) + "\n"


METHOD = """\
Models have the shapes of the published ones and random weights, in f32. All sides run at two threads, each a process of its
own for the whole model; rounds are interleaved (us, CTranslate2, transformers, us, ...), medians count. All get the same token
ids and write exactly so many tokens. A peer is timed inside its process from token ids to token ids, ours over `mm task` from
the first byte of the request to the last of the Result. A step's time is that of 64 tokens less that of the first, by 63; its
limit is to read the decoder's weights and the vocabulary once at the rate that `mm bench --peak` reads memory with, between the
rounds. CTranslate2 searches beams in a way of its own, so that its ids may differ there."""


def document(models, run, options):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    command = f"bench/run generation --models {','.join(options.models)} --rounds {options.rounds}"
    parts = ["# Generation benchmark", "", f"Written by `{command}{' --quick' if options.quick else ''}` on {date}.", "",
             report.machine(run), report.versions(run), "", "| model | bar | measured | met |", "|---|---|---|---|"]
    for model in models:
        parts += [f"| {model.name} | {bar} | {measured} | {report.met_text(met)} |" for bar, measured, met in judge(model)]
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
            model.measure([work for work in WORK if not (options.quick and work == "beams")])
        finally:
            model.close()
        run.read_gbps = report.median(model.read_gbps) or run.read_gbps
        print(details(model), flush=True)
    watch_machine(run, start, before)
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(document(models, run, options))
    note("written: " + options.out)


if __name__ == "__main__":
    main()
