# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of tokenizers against the `tokenizers` wheel: fixed and random patterns.

Reproducible: the seeds are fixed. DIFFERENTIAL_ROUNDS=1000 makes it a long run.
"""
import json
import os
import pathlib
import random
import subprocess

import pytest

tokenizers = pytest.importorskip("tokenizers", reason="the tokenizers wheel is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get(
    "MM_BINARY", pathlib.Path(os.environ.get("MM_BUILD_DIR", ROOT / "build")) / "mm"))
ROUNDS = int(os.environ.get("DIFFERENTIAL_ROUNDS", "12"))

if not PROGRAM.exists():
    pytest.skip(f"{PROGRAM} is not built", allow_module_level=True)

BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
CHARACTERS = list("aaabbcABsSkK019 _-.,'\n\r\t") + list(
    "éßſ\u212aıİΣσς中あア한٣½²①Ⅷ\u0301\u200d\u3000\x85\u2028👍🏽👩\U00016d63\U0001cc10ẞǅ")
# What the reference takes and PCRE2, or the reader, does not.
NOT_BUILT = [r"\g<1>(a)", r"(?~ab)", r"(?(?=a)b|c)", r"(?W:\w)", r"\x{41 42}", r"\cA", r"\y",
             r"(?<x>a)(?<x>b)", r"\p{InBasicLatin}", r"(?y{g}:a)"]
REFUSED = ["*a", "a|*", "(", "a)", "(?=a)*b", "^*a", "[]", "[^]", "[a", r"[a-\d]", r"[z-a]",
           r"\9", "[[:foo:]]", r"(?s:a)", "(?P<x>a)", r"\u00e", "(?<x>a)(b)\\1", "\\"]
FIXED = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", "", r"^", r"$", r"\b", r"\B", r"\X", r"\R", r"\N+", r"\O", ".",
    r"\A.|.\z", r"\w+\Z", r"\G\w", r"a\Kb", "a{2}?", "a{2}+", "a{,2}", "a{3,1}", "a{", "{", "a**",
    "a+?b", "(?m:a.b)", "(?x: a b # c\n)", "(?#c)a", "a(?i)b|k", "(?:a(?i)s|b)a", r"(a)(?i:\1)",
    r"(?<x>a)(b)\k<x>", r"(?<n>\w)\k'n'", "[]a]", "[a-]", "[a-c-e]", "[a-z&&[^aeiou]]", "[&&a]",
    "[^a&&b]", "[a[^b]]", r"[\b]", r"[^\W]", r"\W", r"[[:word:]]", r"\p{Word}", "[[:^alpha:]]",
    "[[:punct:]]", r"\p{Punct}", r"\p{^Lu}", r"\P{ l u }", r"\p{greek}|\p{Han}", r"\h+", r"[\h]",
    r"\H", r"(?i:\p{Lu})", r"(?i:[\p{Lu}])", "(?i:[^s])", "(?i:k)", "(?i:[a-z])", "(?i:é)", r"\x61",
    r"\x{4e2d}", r"\u4e2d", r"\141", r"\o{141}", r"\q\_\-", r"\pL", "(?<=a)b", "(?<!a|bc)b",
    "(?>a+)b", "a++b", "(?=a)", "(?!a)", "(?:a|b)?+b", "\u4e2d+|é", r"\s*[\r\n]",
]


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def text(self):
        return "".join(self.rng.choice(CHARACTERS)
                       for _ in range(self.rng.choice([1, 2, 3, 5, 8, 13, 30])))

    def member(self):
        return self.rng.choice([
            "a", "b", "a-c", "A-Z", "é", "中", r"\d", r"\s", r"\w", r"\S", r"\W", r"\p{L}", r"\p{Lu}",
            r"\P{N}", r"\p{^Mn}", r"\p{Han}", "[[:alnum:]]", "[[:^upper:]]", r"\-",
            "_", "[^ab]", "0-9", r"\n", "k", "s", r"\x{2000}-\x{3000}"])

    def one(self):
        kind = self.rng.random()
        if kind < 0.45:
            return self.rng.choice(["a", "b", "s", "k", "1", "é", "中", r"\.", "'", " ", r"\n", "ς",
                                    r"\x{301}"])
        if kind < 0.65:
            return self.rng.choice([".", r"\w", r"\W", r"\s", r"\S", r"\d", r"\h", r"\p{L}", r"\p{N}",
                                    r"\p{M}", r"\P{L}", r"\p{P}", r"\p{S}", r"\p{Cn}", r"\X", r"\R",
                                    r"\p{Hiragana}", r"\p{Lowercase}", r"\p{Emoji}"])
        members = "".join(self.member() for _ in range(self.rng.randrange(1, 4)))
        negated = "^" if self.rng.random() < 0.3 else ""
        if self.rng.random() < 0.15:
            members += "&&" + self.member()
        return f"[{negated}{members}]"

    def pattern(self, depth=0):
        parts = []
        for _ in range(self.rng.randrange(1, 4)):
            kind = self.rng.random()
            if depth < 2 and kind < 0.2:
                opening = self.rng.choice(["(", "(?:", "(?i:", "(?>", "(?m:"])
                part = f"{opening}{self.pattern(depth + 1)})"
            elif depth < 2 and kind < 0.27:
                part = f"({self.rng.choice(['?=', '?!'])}{self.pattern(depth + 1)})"
                parts.append(part)
                continue
            elif kind < 0.31:
                parts.append(self.rng.choice(["^", "$", r"\b", r"\B", r"\A", r"\z", "(?<=a)", r"(?<!\s)"]))
                continue
            else:
                part = self.one()
            if self.rng.random() < 0.4:
                part += self.rng.choice(["?", "*", "+", "{1,2}", "{2}", "{2,}", "{,2}"])
                part += self.rng.choice(["", "", "", "?", "+"])
            parts.append(part)
        pattern = "".join(parts)
        return pattern + ("|" + self.pattern(depth + 1) if self.rng.random() < 0.25 and depth < 3
                          else "")


def tokenizer(pattern, behavior, invert):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
            "normalizer": {"type": "Replace", "pattern": {"Regex": pattern}, "content": "<>"}
            if behavior is None else None,
            "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior,
                              "invert": invert} if behavior else
            {"type": "FixedLength", "length": 1},
            "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "<": 1, ">": 2}}}


def run(path, texts):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MM_")}
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    return subprocess.run([str(PROGRAM), "tokenize", str(path), "--jsonl"], input=lines.encode(),
                          capture_output=True, timeout=120, check=False, env=environment)


def compare(tmp_path, pattern, behavior, invert, texts):
    """Whether the reference takes the pattern; then all texts must come to the same."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer(pattern, behavior, invert)), encoding="ascii")
    try:
        reference = tokenizers.Tokenizer.from_file(str(path))
    except BaseException as error:  # a panic is no Exception
        assert run(path, texts).returncode != 0, f"{pattern!r} must be refused: {error}"
        return False
    done = run(path, texts)
    answers = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    assert len(answers) == len(texts), (pattern, done.stdout[:300], done.stderr.decode())
    for text, answer in zip(texts, answers):
        expected = reference.encode(text, add_special_tokens=True)
        got = (answer.get("ids"), answer.get("offsets"))
        assert got == (expected.ids, [value for pair in expected.offsets for value in pair]), \
            (pattern, behavior, invert, text, answer)
    return True


@pytest.mark.parametrize("number", range(len(FIXED)))
def test_fixed_patterns(number, tmp_path):
    maker = Maker(number)
    texts = ["".join(CHARACTERS), "ab sS ba aab\nab\n", "aaaa bbb", "".join(CHARACTERS[::-1])] + \
        [maker.text() for _ in range(30)]
    assert compare(tmp_path, FIXED[number], BEHAVIORS[number % 5], bool(number % 3 == 2), texts)
    assert compare(tmp_path, FIXED[number], None, False, texts)


@pytest.mark.parametrize("pattern", NOT_BUILT + REFUSED)
def test_refused_with_a_message(pattern, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tokenizer(pattern, "Removed", False)), encoding="ascii")
    done = run(path, ["a"])
    assert done.returncode == 1
    assert f'the pattern "{pattern}": ' in done.stderr.decode()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_patterns(seed, tmp_path):
    maker = Maker(seed)
    taken = 0
    for _ in range(20):
        texts = [maker.text() for _ in range(20)]
        behavior = maker.rng.choice(BEHAVIORS + [None])
        taken += compare(tmp_path, maker.pattern(), behavior, maker.rng.random() < 0.2, texts)
    assert taken > 10
