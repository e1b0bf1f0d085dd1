# SPDX-License-Identifier: Apache-2.0
"""`mm tokenize` against the `tokenizers` wheel: random tokenizers over random texts.

Reproducible: the seeds are fixed. DIFFERENTIAL_ROUNDS=1000 makes it a long run.
"""
import base64
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from charsmap import RULES, charsmap  # noqa: E402

tokenizers = pytest.importorskip("tokenizers", reason="the tokenizers wheel is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get(
    "MM_BINARY", pathlib.Path(os.environ.get("MM_BUILD_DIR", ROOT / "build")) / "mm"))
ROUNDS = int(os.environ.get("DIFFERENTIAL_ROUNDS", "12"))

if not PROGRAM.exists():
    pytest.skip(f"{PROGRAM} is not built", allow_module_level=True)

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
COMMON = "abcdefghij ABC.,!-[]<>#"
ODD = [chr(c) for c in range(0x20, 0x7F)] + list("\t\n\r\x00\x01\x7f\x85\xa0\xad") + list(
    "éÉèàüßİıſΣςσŁłøØæ中国語かきゴガ가각힣각😀👩🏽ﬁﷺ\u0301\u0300\u0327\u0323\u0331\u20d0\u0345\u0308"
    "\u302e\u302f\u3099\u309a\u08d4\u08e1\u1ab0\u1dfa\u200b\u200c\u200d\ufeff\ufffd\ufe0f\u2028"
    "\u3000\u1680\u180e\U0001f1e6\U0001d165\U0001d16d\U0001d15e\U0002f800\uf900\u2126\u212b\u1e9b"
    "\u0344\u0958\u0f73\u0f75\u0f81\u0132\U00011938\U00011935\U00011930\U0001133b\u09be\u0bbe"
    "\u1b35\u0dcf\u0cd5\u0cc6\u0cc2")
# No two have the same normalized content: which of them is found is chance in the reference.
ADDED = ["[MASK]", "[CLS]", "<tok>", "ab", "a b", "é", "  x", "[M", "[MASK]a", "!!", "中", "hello",
         "ß.", "Σ"]
LETTERS = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


class Maker:
    """Everything random comes from here."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def flip(self, chance=0.5):
        return self.rng.random() < chance

    def character(self):
        kind = self.rng.random()
        if kind < 0.55:
            return self.rng.choice(COMMON)
        if kind < 0.95:
            return self.rng.choice(ODD)
        code = self.rng.randrange(0x110000 if self.flip(0.3) else 0x3000)
        return chr(code) if not 0xD800 <= code <= 0xDFFF else "\ud7ff"

    def text(self):
        length = self.rng.choice([0, 1, 2, 3, 5, 8, 13, 30, 60])
        text = "".join(self.character() for _ in range(length))
        for _ in range(self.rng.choice([0, 0, 1, 2])):
            at = self.rng.randrange(len(text) + 1)
            text = text[:at] + self.rng.choice(ADDED + ["É", "<TOK>"]) + text[at:]
        return text

    def vocabulary(self):
        tokens = SPECIALS + list("abcdefghijABC.,!-[]<>#012中éかガ가ᄀie\u0301") + \
            ["##" + c for c in "abcdefghijeé\u0301\u0307ᅡ"] + \
            ["ab", "abc", "##bc", "##cd", "cd", "hello", "##lo", "i\u0307", "x", "xy"] + \
            ["<0x61>", "<0xC3>", "<0xa9>", "<0x+5>", "<0x-1>", "<0xF0>", "<0x9F>", "|"] + \
            [self.character() for _ in range(60)] + ["##" + self.character() for _ in range(60)]
        return {token: i for i, token in enumerate(dict.fromkeys(tokens))}

    def bpe(self):
        """Random merges over the alphabet of bytes, most of it or of the texts' characters."""
        kind = self.rng.choice(["bytes", "bytes", "some bytes", "characters"])
        prefix, suffix = "", ""
        if kind == "characters":
            prefix, suffix = self.rng.choice([("", ""), ("##", ""), ("", "</w>"), ("##", "</w>")])
            base = list("abcdefghij ABC.,!-中é▁") + ["\u0301"]
        else:
            base = [c for c in LETTERS if kind == "bytes" or self.flip(0.8)]
        tokens = dict.fromkeys(SPECIALS + base + [prefix + c for c in base] +
                               [c + suffix for c in base] + [prefix + c + suffix for c in base])
        left = ["a", "b", "c", "Ġ", "Ġa", "l", "."] if kind != "characters" else ["a", "b", "c", " "]
        right = ["b", "c", "a", "l", "Ġ", "."] if kind != "characters" else ["b", "c", "a", "é"]
        left = [c for c in left if c in tokens]
        right = [prefix + c + s for c in right for s in {"", suffix} if prefix + c + s in tokens]
        merges = []
        for _ in range(self.rng.choice([0, 5, 60])):
            first, second = self.rng.choice(left), self.rng.choice(right)
            made = first + second[len(prefix):]
            tokens[made] = None
            merges.append([first, second])
            if not (suffix and made.endswith(suffix)):
                left.append(made)
            if prefix + made in tokens or not prefix:
                right.append(prefix + made)
        fallback = self.flip(0.3)
        if fallback:
            tokens.update(dict.fromkeys(f"<0x{byte:02X}>" for byte in range(256)
                                        if self.flip(0.97)))
        if self.flip(0.3):
            merges = [" ".join(merge) for merge in merges if " " not in "".join(merge)]
        vocab = {token: i for i, token in enumerate(tokens)}
        return {"type": "BPE", "vocab": vocab, "merges": merges, "dropout": None,
                "unk_token": self.rng.choice([None, "[UNK]", "[UNK]"]),
                "continuing_subword_prefix": prefix or None, "end_of_word_suffix": suffix or None,
                "fuse_unk": self.flip(), "byte_fallback": fallback and not prefix and not suffix,
                "ignore_merges": self.flip(0.3)}

    def unigram(self):
        """Scores of many digits, ties, and now and then a token that comes twice."""
        tokens = ["a", "b", "c", "ab", "abc", "▁", "▁▁", "▁a", "a▁", "_", "_a", "é", "e", "\u0301", "中",
                  "  ", "hello", "lo", "fi", "TM", "x"] + [self.character() for _ in range(60)]
        tokens += [self.rng.choice(tokens) + self.rng.choice(tokens) for _ in range(60)]
        if self.flip(0.4):
            tokens += [f"<0x{byte:02X}>" for byte in range(256) if self.flip(0.98)]
        if self.flip(0.8):
            tokens = list(dict.fromkeys(tokens))
        scores = [self.rng.choice([-1.0, -2, -2.0122928619384766, 0.5, -self.rng.uniform(1, 12),
                                   -self.rng.uniform(1, 12), -self.rng.random() * 1e-7])
                  for _ in tokens]
        vocab = [[token, 0] for token in SPECIALS] + [list(row) for row in zip(tokens, scores)]
        return {"type": "Unigram", "unk_id": 1, "vocab": vocab, "byte_fallback": self.flip()}

    def precompiled(self):
        rules = {source: target for source, target in RULES.items() if self.flip(0.8)}
        for _ in range(self.rng.choice([0, 30])):
            source = "".join(self.character() for _ in range(self.rng.choice([1, 1, 2, 3])))
            if "\0" not in source:
                # Never nothing: the library finds an added token that becomes "" everywhere.
                rules[source] = "".join(self.character() for _ in range(self.rng.randrange(1, 4))
                                        ).replace("\0", "x")
        return {"type": "Precompiled",
                "precompiled_charsmap": base64.b64encode(charsmap(rules or RULES)).decode()}

    def metaspace(self):
        return {"type": "Metaspace", "replacement": self.rng.choice("▁▁▁_é"), "split": self.flip(0.7),
                "prepend_scheme": self.rng.choice(["always", "first", "never"])}

    def unigram_tokenizer(self):
        splitter, normalizer = self.metaspace(), self.precompiled()
        if self.flip():
            splitter = {"type": "Sequence", "pretokenizers": [self.pre_tokenizer(1), splitter]}
        if self.flip(0.4):
            parts = [self.normalizer(1), normalizer]
            self.rng.shuffle(parts)
            normalizer = {"type": "Sequence", "normalizers": parts}
        return {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": self.added_tokens(),
                "normalizer": normalizer if self.flip(0.8) else None,
                "pre_tokenizer": splitter if self.flip(0.8) else None,
                "post_processor": self.post_processor(),
                "decoder": self.metaspace() if self.flip(0.8) else self.decoder(),
                "model": self.unigram()}

    def byte_level(self):
        return {"type": "ByteLevel", "add_prefix_space": self.flip(), "trim_offsets": self.flip(),
                "use_regex": self.flip(0.8)}

    def normalizer(self, depth=0):
        kind = self.rng.choice(
            ["BertNormalizer"] * 4 + ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents",
                                      "Strip", "Replace", "Prepend", "Nmt", "ByteLevel"] + ["Sequence"] * (2 - depth))
        made = {"type": kind}
        if kind == "BertNormalizer":
            made.update(clean_text=self.flip(), handle_chinese_chars=self.flip(),
                        strip_accents=self.rng.choice([None, True, False]), lowercase=self.flip())
        elif kind == "Strip":
            made.update(strip_left=self.flip(), strip_right=self.flip())
        elif kind == "Replace":
            made.update(pattern={"String": self.rng.choice(["a", "ab", " ", "  ", "è", ".."])},
                        content=self.rng.choice(["", "x", " ", "yé", "中"]))
        elif kind == "Prepend":
            made.update(prepend=self.rng.choice(["a", "▁", "xy", "é"]))
        elif kind == "Sequence":
            made.update(normalizers=[self.normalizer(depth + 1)
                                     for _ in range(self.rng.randrange(4))])
        return made

    def pre_tokenizer(self, depth=0):
        kind = self.rng.choice(["BertPreTokenizer"] * 4 + ["WhitespaceSplit", "Punctuation", "Digits",
                                                           "CharDelimiterSplit", "Whitespace",
                                                           "UnicodeScripts", "FixedLength",
                                                           "ByteLevel"] +
                               ["Sequence"] * (2 - depth))
        made = {"type": kind}
        if kind == "Punctuation":
            made.update(behavior=self.rng.choice(BEHAVIORS))
        elif kind == "Digits":
            made.update(individual_digits=self.flip())
        elif kind == "ByteLevel":
            made = self.byte_level()
        elif kind == "FixedLength":
            made.update(length=self.rng.randrange(1, 9))
        elif kind == "CharDelimiterSplit":
            made.update(delimiter=self.rng.choice(["a", " ", "中"]))
        elif kind == "Sequence":
            made.update(pretokenizers=[self.pre_tokenizer(depth + 1)
                                       for _ in range(self.rng.randrange(4))])
        return made

    def special_part(self):
        return {"SpecialToken": {"id": self.rng.choice(["[CLS]", "[SEP]"]),
                                 "type_id": self.rng.randrange(3)}}

    def template(self):
        def sequence(name):
            return {"Sequence": {"id": name, "type_id": self.rng.randrange(3)}}

        def some():
            return [self.special_part() for _ in range(self.rng.randrange(3))]

        first, second = self.rng.sample(["A", "B"], 2)
        return {"type": "TemplateProcessing", "single": some() + [sequence("A")] + some(),
                "pair": some() + [sequence(first)] + some() + [sequence(second)] + some(),
                "special_tokens": {
                    "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                    "[SEP]": {"id": "[SEP]", "ids": [3, 4], "tokens": ["[SEP]", "[MASK]"]}}}

    def post_processor(self, depth=0):
        kind = self.rng.choice(["Bert", "Roberta", "Template", "ByteLevel"] +
                               ["none", "Sequence"] * (1 - depth))
        if kind == "none":
            return None
        if kind == "Bert":
            return {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
        if kind == "Template":
            return self.template()
        if kind == "Sequence":
            return {"type": "Sequence",
                    "processors": [self.post_processor(1) for _ in range(self.rng.randrange(4))]}
        trims = {"trim_offsets": self.flip(), "add_prefix_space": self.flip()}
        if kind == "ByteLevel":
            return {"type": "ByteLevel", "use_regex": True, **trims}
        return {"type": "RobertaProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2], **trims}

    def truncation(self):
        made = {"max_length": self.rng.randrange(1, 16)}
        if self.flip():
            made["stride"] = self.rng.randrange(4)
        if self.flip():
            made["strategy"] = self.rng.choice(["longest_first", "only_first", "only_second"])
        if self.flip():
            made["direction"] = self.rng.choice(["left", "right"])
        return made

    def padding(self):
        choices = {"direction": ["left", "right"], "pad_id": range(5), "pad_type_id": range(3),
                   "pad_token": ["[PAD]", "x"], "length": range(20), "pad_to_multiple_of": range(9)}
        return {name: self.rng.choice(values) for name, values in choices.items() if self.flip()}

    def decoder(self, depth=0):
        kind = self.rng.choice(["WordPiece", "WordPiece", "Fuse", "Replace", "BPEDecoder",
                                "ByteFallback", "CTC"] +
                               ["Sequence", "none"] * (1 - depth))
        made = {"type": kind}
        if kind == "none":
            return None
        if kind == "WordPiece":
            made.update(prefix=self.rng.choice(["##", "##", "a"]), cleanup=self.flip())
        elif kind == "Replace":
            made.update(pattern={"String": self.rng.choice(["a", "##", "é", " "])},
                        content=self.rng.choice(["", " ", "q"]))
        elif kind == "BPEDecoder":
            made.update(suffix=self.rng.choice(["##", "a", "é", ""]))
        elif kind == "CTC":
            made.update(pad_token=self.rng.choice(["[PAD]", "a", ""]), cleanup=self.flip(),
                        word_delimiter_token=self.rng.choice(["|", "!", "##", ""]))
        elif kind == "Sequence":
            made.update(decoders=[self.decoder(1) for _ in range(self.rng.randrange(4))])
        return made

    def added_tokens(self):
        contents = self.rng.sample(ADDED, self.rng.choice([0, 2, 5]))
        return [{"id": self.rng.randrange(300), "content": content, "single_word": self.flip(0.4),
                 "lstrip": self.flip(0.4), "rstrip": self.flip(0.4),
                 "normalized": self.flip(0.4), "special": self.flip(0.4)} for content in contents]

    def tokenizer(self):
        if self.flip(0.3):
            return self.bpe_tokenizer()
        if self.flip(0.3):
            return self.unigram_tokenizer()
        model = {"type": self.rng.choice(["WordPiece"] * 3 + ["WordLevel"]),
                 "vocab": self.vocabulary(), "unk_token": "[UNK]"}
        if model["type"] == "WordPiece":
            model.update(continuing_subword_prefix=self.rng.choice(["##"] * 4 + [""]),
                         max_input_chars_per_word=self.rng.choice([100, 100, 5, 1]))
        return {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": self.added_tokens(),
                "normalizer": self.normalizer() if self.flip(0.9) else None,
                "pre_tokenizer": self.pre_tokenizer() if self.flip(0.9) else None,
                "post_processor": self.post_processor(), "decoder": self.decoder(), "model": model}

    def bpe_tokenizer(self):
        splitter = self.byte_level()
        if self.flip(0.4):
            splitter = {"type": "Sequence", "pretokenizers": [self.pre_tokenizer(1), splitter]}
        post = self.byte_level() if self.flip() else self.post_processor()
        return {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": self.added_tokens(),
                "normalizer": self.normalizer() if self.flip(0.4) else None,
                "pre_tokenizer": splitter if self.flip(0.8) else None, "post_processor": post,
                "decoder": self.byte_level() if self.flip(0.8) else self.decoder(),
                "model": self.bpe()}


def ask(path, requests):
    # MM_ variables are settings of the program, the tester's own included.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MM_")}
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([str(PROGRAM), "tokenize", str(path), "--jsonl"], input=lines.encode(),
                          capture_output=True, timeout=120, check=False, env=environment)
    answers = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    assert len(answers) == len(requests), done.stderr.decode()
    return answers


def members(encoding, request):
    made = {"ids": encoding.ids, "type_ids": encoding.type_ids,
            "attention_mask": encoding.attention_mask,
            "offsets": [value for pair in encoding.offsets for value in pair]}
    if "truncation" in request:
        made["overflow"] = [window.ids for window in encoding.overflowing]
    return made


def expect(reference, request):
    if "ids" in request:
        return {"text": reference.decode(request["ids"],
                                         skip_special_tokens=request["skip_special_tokens"])}
    special = request["add_special_tokens"]
    try:
        if "truncation" in request:
            reference.enable_truncation(**request["truncation"])
        if "padding" in request:
            reference.enable_padding(**request["padding"])
        if "texts" in request:
            return {"batch": [members(encoding, request) for encoding in reference.encode_batch(
                request["texts"], add_special_tokens=special)]}
        return members(reference.encode(request["text"], request.get("pair"),
                                        add_special_tokens=special), request)
    except BaseException as error:  # a panic of the library is none of its Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return {"error": str(error)}
    finally:
        reference.no_truncation()
        reference.no_padding()


def pick(answer, expected):
    """Of the answer what is expected, errors without their words."""
    if "bad split" in expected.get("error", ""):
        return None, None  # the library crashes over its added tokens, and any answer is as good
    if "error" in expected or "error" in answer:
        return "error" in answer, "error" in expected
    if "batch" in expected:
        return ([{key: one.get(key) for key in want}
                 for one, want in zip(answer["batch"], expected["batch"], strict=True)],
                expected["batch"])
    return {key: answer.get(key) for key in expected}, expected


def make_requests(maker, size):
    for _ in range(25):
        request = {"text": maker.text(), "add_special_tokens": maker.flip(0.7)}
        if maker.flip(0.25):
            request["pair"] = maker.text()
        if maker.flip(0.4):
            request["truncation"] = maker.truncation()
        if maker.flip(0.3):
            request["padding"] = maker.padding()
        if maker.flip(0.1):
            request.pop("pair", None)
            request["texts"] = [request.pop("text")] + [maker.text() for _ in range(3)]
        yield request
    for _ in range(10):
        yield {"ids": [maker.rng.randrange(size + 10) for _ in range(maker.rng.randrange(12))],
               "skip_special_tokens": maker.flip()}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_same_as_the_reference(seed, tmp_path):
    maker = Maker(seed)
    for round_number in range(5):
        made = maker.tokenizer()
        path = tmp_path / f"tokenizer{round_number}.json"
        path.write_text(json.dumps(made), encoding="ascii")
        reference = tokenizers.Tokenizer.from_file(str(path))
        requests = list(make_requests(maker, len(made["model"]["vocab"])))
        for request, answer in zip(requests, ask(path, requests)):
            got, expected = pick(answer, expect(reference, request))
            assert got == expected, json.dumps({"file": str(path), "request": request})


@pytest.mark.parametrize("name", ["bert-uncased", "bert-cased", "added", "vocab-cased"])
def test_shown_tokens(name):
    """The text of each token is the vocabulary's."""
    folder = ROOT / "tests/text/data" / name
    vocabulary = json.loads((folder.parent / "bert-cased/tokenizer.json").read_text())["model"]["vocab"]
    answer, = ask(folder, [{"text": "the fox jumps", "add_special_tokens": True}])
    assert answer["tokens"] == ["[CLS]", "the", "fox", "jump", "##s", "[SEP]"]
    assert [vocabulary[token] for token in answer["tokens"]] == answer["ids"]
