#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time our tokenizer against the `tokenizers` wheel: the same files and texts, one thread each, in turns.

    build/venv/bin/python bench/tokenizer_speed.py [--rounds N] [--megabytes N] [--text FILE] [--out FILE] [TOKENIZER...]

TOKENIZER is a tokenizer.json; without any, those of BERT, RoBERTa and T5 where ../shared has them, else small ones of
the tests. Ours is build/tests/text/tokenizer_timer. Both give the same ids, or the row says so. Each figure is of
processor time, which others on the machine disturb little, and the best of the rounds. `encode` is the wheel's
encode_batch_fast, which computes no offsets, of texts of about 2 KB; `offsets` its encode_batch. `load` is from the
file; a made one of more than 10 MB is loaded as well. `no blanks` sets one text of 10 MB without a blank against ten
of 1 MB, ours only.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # noqa: E402  (reads the environment)

import texts as bench_texts  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
TIMER = ROOT / "build/tests/text/tokenizer_timer"
TEXT_BYTES = 2000


def varied(rng, size):
    """Words that few others are like: as many new ones as a book has, and far more than a cache keeps."""
    parts = "ba de fi go lu ma ne pi ro su ta ve wo xe ya zu ch sh th st tr pl en er in on".split()
    words = ["".join(rng.choices(parts, k=rng.choice([1, 2, 2, 3, 3, 4]))) for _ in range(60000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    made = " ".join(rng.choices(words, weights, k=size // 5))
    return made.replace(" ba", ". Ba").replace(" st", ", st").replace(" en", "\nEn")[:size]


def scripts(rng, size):
    """Cyrillic, Greek, Chinese and accents, with few blanks."""
    alphabets = [(0x430, 0x44F), (0x3B1, 0x3C9), (0x4E00, 0x5200), (0xE0, 0xFE), (0x61, 0x7A)]
    made = []
    while len(made) < size // 14:
        low, high = rng.choice(alphabets)
        made.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(2, 9))))
    return " ".join(made)


def cut(text):
    encoded = text.encode().replace(b"\0", b" ")
    at = 0
    while at < len(encoded):
        end = min(at + TEXT_BYTES, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:
            end += 1
        yield encoded[at:end].decode()
        at = end


def make_texts(arguments):
    rng = random.Random(7)
    size = int(arguments.megabytes * 1e6)
    if arguments.text:
        yield "file", pathlib.Path(arguments.text).read_text(encoding="utf-8")[:size]
        return
    yield "english", bench_texts.make_text(rng, size // 6)
    yield "varied", varied(rng, size)
    yield "scripts", scripts(rng, size)


class Ours:
    def __init__(self, path, texts):
        self.process = subprocess.Popen([str(TIMER), str(path), texts], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def seconds(self, what):
        return int(self.ask(what)[0]) / 1e9

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Wheel:
    def __init__(self, path, texts):
        self.path, self.texts = str(path), texts
        self.tokenizer = self.open()

    def open(self):
        tokenizer = tokenizers.Tokenizer.from_file(self.path)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def seconds(self, what):
        start = time.process_time()
        if what == "load":
            made = tokenizers.Tokenizer.from_file(self.path)
            del made
        elif what == "offsets":
            self.tokenizer.encode_batch(self.texts)
        else:
            self.tokenizer.encode_batch_fast(self.texts)
        return time.process_time() - start

    def sum(self):
        value = 0xCBF29CE484222325
        for encoding in self.tokenizer.encode_batch_fast(self.texts):
            for number in encoding.ids:
                for byte in number.to_bytes(4, "little"):
                    value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        return f"{value:016x}"


def best(ours, wheel, what, rounds):
    times = [(ours.seconds(what), wheel.seconds(what)) for _ in range(rounds)]
    return min(mine for mine, _ in times), min(theirs for _, theirs in times)


def row(report, name, kind, what, ours, wheel, unit, ratio, note=""):
    report.append((name, kind, what, ours, wheel, unit, ratio, note))
    print(f"{name:20} {kind:8} {what:10} {ours:>9} {wheel:>9} {unit:5} {ratio:>6} {note}", flush=True)


def time_load(report, path, name, arguments):
    with tempfile.NamedTemporaryFile() as file:
        ours, wheel = Ours(path, file.name), Wheel(path, [])
        mine, theirs = best(ours, wheel, "load", arguments.rounds)
        ours.close()
    row(report, name, "", "load", f"{mine * 1e3:.1f}", f"{theirs * 1e3:.1f}", "ms", f"{theirs / mine:.2f}")


def time_text(report, path, kind, text, arguments):
    parts = list(cut(text))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(part.encode() + b"\0" for part in parts))
        file.flush()
        ours, wheel = Ours(path, file.name), Wheel(path, parts)
        same = arguments.unchecked or ours.ask("sum")[0] == wheel.sum()
        size = sum(len(part.encode()) for part in parts) / 1e6
        for what in ("encode", "offsets"):
            mine, theirs = best(ours, wheel, what, arguments.rounds)
            row(report, path.parent.name, kind, what, f"{size / mine:.1f}", f"{size / theirs:.1f}", "MB/s",
                f"{theirs / mine:.2f}", "" if same else "other ids")
        ours.close()


def time_without_blanks(report, path, arguments):
    """Ten times one megabyte, then ten megabytes in one piece: twice the time at most."""
    letters = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=10_000_000))
    seconds = []
    for pieces in ([letters[at:at + 1_000_000] for at in range(0, len(letters), 1_000_000)], [letters]):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"".join(piece.encode() + b"\0" for piece in pieces))
            file.flush()
            ours = Ours(path, file.name)
            seconds.append(min(ours.seconds("encode") for _ in range(min(arguments.rounds, 3))))
            ours.close()
    row(report, path.parent.name, "10 MB", "no blanks", f"{seconds[1] * 1e3:.0f}", f"{seconds[0] * 1e3:.0f}", "ms",
        f"{seconds[1] / seconds[0]:.2f}", "ours in one piece, ours in ten")


def large_file(folder):
    """A byte-level BPE file of more than 10 MB: 250,000 random merges."""
    rng = random.Random(7)
    tokens = [chr(code) for code in range(33, 127)]
    known, merges = set(tokens), []
    while len(merges) < 250_000:
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) <= 16 and left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    path = pathlib.Path(folder) / "tokenizer.json"
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    path.write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": byte_level,
        "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}}))
    return path


def default_tokenizers():
    shared = [ROOT.parent / "shared/tokenizers" / name for name in ("bert-uncased", "roberta", "t5")]
    small = [ROOT / "tests/text/data" / name for name in ("bert-uncased", "byte-bpe", "unigram-t5")]
    return [folder / "tokenizer.json" for folder in (shared if shared[0].exists() else small)]


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown(report, arguments):
    lines = ["# Tokenizers: throughput and loading", "",
             f"One thread of {processor()}; `tokenizers` {tokenizers.__version__}; processor time, the best of "
             f"{arguments.rounds} rounds in turns; {arguments.megabytes:g} MB of each text. Written by "
             "`bench/tokenizer_speed.py --out`, where the texts are described.", "",
             "| tokenizer | text | what | ours | the wheel | unit | ratio | |", "|---|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(line) + " |" for line in report]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=1, help="of each text")
    parser.add_argument("--text", help="a file to take instead of the made texts")
    parser.add_argument("--unchecked", action="store_true", help="do not compare the ids, which takes a while")
    parser.add_argument("--out", type=pathlib.Path, help="write the table there, as Markdown")
    parser.add_argument("tokenizers", nargs="*", type=pathlib.Path, metavar="TOKENIZER")
    arguments = parser.parse_args()
    if not TIMER.exists():
        sys.exit(f"{TIMER}: not built; run make")
    report, made = [], list(make_texts(arguments))
    print(f"{'tokenizer':20} {'text':8} {'':10} {'ours':>9} {'wheel':>9} {'':5} {'ratio':>6}", flush=True)
    for path in arguments.tokenizers or default_tokenizers():
        time_load(report, path, path.parent.name, arguments)
        for kind, text in made:
            time_text(report, path, kind, text, arguments)
        time_without_blanks(report, path, arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = large_file(folder)
        time_load(report, path, f"made, {path.stat().st_size / 1e6:.0f} MB", arguments)
    if arguments.out:
        arguments.out.write_text(markdown(report, arguments), encoding="utf-8")


if __name__ == "__main__":
    main()
