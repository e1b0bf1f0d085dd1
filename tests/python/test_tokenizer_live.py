# SPDX-License-Identifier: Apache-2.0
"""`mm tokenize` against the tokenizers library itself, on texts nobody chose."""
import json
import random
import sys

from mm_program import MINILM, ROOT, run
from tokenizers import Tokenizer

sys.path.insert(0, str(ROOT / "tests/golden"))
import texts  # noqa: E402


def test_ids_and_offsets_of_noise():
    library = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    library.no_truncation()
    library.no_padding()
    lines = texts.noise(random.Random(20260101), 1500)
    done = run("tokenize", MINILM / "tokenizer.json", "--jsonl", lines=[{"text": line} for line in lines])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), done.stderr
    for line, answer in zip(lines, answers):
        theirs = library.encode(line)
        flat = [position for pair in theirs.offsets for position in pair]
        assert (answer["ids"], answer["offsets"]) == (theirs.ids, flat), repr(line)
