#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time our tokenizer against the `tokenizers` wheel: the same files and texts, one thread each, in turns.

    build/venv/bin/python bench/tokenizer_speed.py [--rounds N] [--megabytes N] [--text FILE] TOKENIZER...

TOKENIZER is a tokenizer.json. Ours is build/tests/text/tokenizer_timer. Both give the same ids, or the row says
so. Each figure is of processor time, which others on the machine disturb little, and the best of the rounds. `encode` is the wheel's encode_batch_fast, which computes no offsets,
of texts of about 2 KB; `offsets` its encode_batch.
"""
import argparse
import os
import pathlib
import random
import subprocess
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


def run(path, kind, text, arguments):
    parts = list(cut(text))
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(part.encode() + b"\0" for part in parts))
        file.flush()
        ours, wheel = Ours(path, file.name), Wheel(path, parts)
        same = arguments.unchecked or ours.ask("sum")[0] == wheel.sum()
        size = sum(len(part.encode()) for part in parts) / 1e6
        for what in ("encode", "offsets"):
            mine, theirs = best(ours, wheel, what, arguments.rounds)
            print(f"{path.parent.name:24} {kind:8} {what:8} {size / mine:9.1f} {size / theirs:9.1f} MB/s "
                  f"{theirs / mine:6.2f}{'' if same else '   OTHER IDS'}", flush=True)
        ours.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=1, help="of each text")
    parser.add_argument("--text", help="a file to take instead of the made texts")
    parser.add_argument("--unchecked", action="store_true", help="do not compare the ids, which takes a while")
    parser.add_argument("tokenizers", nargs="+", type=pathlib.Path, metavar="TOKENIZER")
    arguments = parser.parse_args()
    print(f"{'tokenizer':24} {'text':8} {'':8} {'ours':>9} {'wheel':>9}       ratio", flush=True)
    made = list(make_texts(arguments))
    for path in arguments.tokenizers:
        with tempfile.NamedTemporaryFile() as file:
            ours, wheel = Ours(path, file.name), Wheel(path, [])
            mine, theirs = best(ours, wheel, "load", arguments.rounds)
            ours.close()
        print(f"{path.parent.name:24} {'':8} {'load':8} {mine * 1e3:9.1f} {theirs * 1e3:9.1f} ms   "
              f"{theirs / mine:6.2f}", flush=True)
        for kind, text in made:
            run(path, kind, text, arguments)


if __name__ == "__main__":
    main()
