#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the folders of tests/text/data whose tokenizers are made of files older than
tokenizer.json, and what `transformers` makes of texts with them.

    python3 tests/text/make_older.py [NAME...]     (needs transformers and sentencepiece)

Each folder holds a small vocabulary of its own and what a repository has beside it; the results are
those of the class that tokenizer_config.json names.
"""
import json
import pathlib
import random
import sys
import tempfile

from transformers import AutoTokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

import make_fixtures
import spiece
from charsmap import RULES, charsmap
from make_fixtures import DATA, FEW, FRONT, SPACE, TEXTS, spiece_pieces
from tokenizers import normalizers, pre_tokenizers

MAP = charsmap(RULES)
PAD_FIRST = [("<pad>", 0.0, spiece.CONTROL), ("</s>", 0.0, spiece.CONTROL),
             ("<unk>", 0.0, spiece.UNKNOWN)]
CLS_SEP = [("[CLS]", 0.0, spiece.CONTROL), ("[SEP]", 0.0, spiece.CONTROL)]
WORDS = ["he", "ll", "hell", "hello", SPACE + "t", "he" + SPACE, SPACE + "the", "in", "ing", "qu",
         "ick", SPACE + "hello", "ck", "\"\\", "caf", "\u00e9\u00e8", SPACE + "w", SPACE * 2, "or"]


def unigram(front=FRONT, **options):
    return spiece.model(spiece_pieces(front), charsmap=MAP, **options)


def bpe_pieces(front=FRONT):
    """Words, then their letters and a few others; scores fall by one, as SentencePiece has it."""
    letters = sorted(set("".join(WORDS)) | set("aouwrxyT.,!\u4e2d"))
    return front + [(text, -float(i), spiece.NORMAL) for i, text in enumerate(WORDS + letters)]


def bpe(front=FRONT, **options):
    return spiece.model(bpe_pieces(front), spiece.BPE, charsmap=MAP, **options)


def merges(front, back, suffix=""):
    """vocab.json and merges.txt of a BPE model over ByteLevel's letters."""
    words = [word for text in FEW
             for word, _ in pre_tokenizers.ByteLevel(False).pre_tokenize_str(text)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab, pairs = make_fixtures.train(words, alphabet, 430 if suffix else 330, "", suffix)
    inner = [token for token in vocab if token not in make_fixtures.SPECIALS]
    if suffix:
        inner = list(dict.fromkeys(inner + [letter + suffix for letter in alphabet]))
    ids = {token: i for i, token in enumerate(front + inner + back)}
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in pairs]
    return {"vocab.json": ids, "merges.txt": "\n".join(lines) + "\n"}


def bert_merges():
    """The same for words of characters, "</w>" behind the last."""
    words = [word for text in FEW for word, _ in pre_tokenizers.BertPreTokenizer()
             .pre_tokenize_str(normalizers.BertNormalizer().normalize_str(text))]
    vocab, pairs = make_fixtures.train(words, "", 200, "", "</w>")
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in pairs]
    return {"vocab.json": {token: i for i, token in enumerate(["<unk>", *vocab])},
            "merges.txt": "\n".join(lines) + "\n"}


def named(name, **config):
    return {"tokenizer_config.json": {"tokenizer_class": name, **config}}


def nllb_ids():
    """The ids that NLLB's models were trained with: without them the library puts <mask> first."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    places = list(range(4)) + list(range(len(bpe_pieces()) + 1, 1000))
    tokens = dict(zip(places, tokens + FAIRSEQ_LANGUAGE_CODES + ["<mask>"]))
    flags = {"rstrip": False, "single_word": False, "special": True}
    return {"additional_special_tokens": FAIRSEQ_LANGUAGE_CODES, "added_tokens_decoder": {
        place: {"content": token, "lstrip": token == "<mask>", "normalized": token == "<mask>",
                **flags} for place, token in tokens.items()}}


END = "<|endoftext|>"
def numbered(pieces, front=(), back=()):
    """A vocab.json for pieces, in another order, which lacks some and has others."""
    own = [text for text, _, kind in pieces if kind == spiece.NORMAL]
    kept = [text for i, text in enumerate(reversed(own)) if i % 11 != 3]
    return {token: i for i, token in enumerate(dict.fromkeys([*front, *kept, *back]))}


M2M100 = ["<s>", "<pad>", "</s>", "<unk>"]
OTHERS = ["\u672c", SPACE + "\u0443\u0436\u0435", "\u8a9e\u306e", ">>fra<<", ">>deu<<", "<pad>"]
# The SentencePiece library looks for these settings.
SETTINGS = {"add_dummy_prefix": True, "remove_extra_whitespaces": True, "escape_whitespaces": True}
FOLDERS = {
    "numbered-marian": {
        "source.spm": unigram(ids=(0, 1, 2, -1), **SETTINGS),
        "target.spm": unigram(ids=(0, 1, 2, -1), **SETTINGS),
        "vocab.json": numbered(spiece_pieces(FRONT), ["</s>", "<unk>"], OTHERS),
        **named("MarianTokenizer", source_lang="en", target_lang="de")},
    "numbered-m2m100": {
        "sentencepiece.bpe.model": bpe(**SETTINGS), "vocab.json": numbered(bpe_pieces(), M2M100),
        **named("M2M100Tokenizer", src_lang="fr")},
    "numbered-m2m100-special": {
        "sentencepiece.bpe.model": unigram(**SETTINGS),
        "vocab.json": numbered(spiece_pieces(FRONT), M2M100),
        "special_tokens_map.json": {
            "additional_special_tokens": [f"__{code}__" for code in CODES["m2m100"]]},
        "config.json": {"model_type": "m2m_100"}},
    "spiece-mbart": {"sentencepiece.bpe.model": unigram(), **named("MBartTokenizer")},
    "spiece-mbart50": {"sentencepiece.bpe.model": unigram(),
                       **named("MBart50TokenizerFast", src_lang="de_DE")},
    "spiece-xlnet": {"spiece.model": unigram([
        ("<unk>", 0.0, spiece.UNKNOWN), ("<s>", 0.0, spiece.CONTROL), ("</s>", 0.0, spiece.CONTROL),
        ("<cls>", 0.0, spiece.CONTROL), ("<sep>", 0.0, spiece.CONTROL),
        ("<pad>", 0.0, spiece.CONTROL), ("<mask>", 0.0, spiece.CONTROL),
        ("<eod>", 0.0, spiece.USER_DEFINED), ("<eop>", 0.0, spiece.USER_DEFINED)]),
        "config.json": {"model_type": "xlnet"}},
    "spiece-pegasus": {"spiece.model": unigram(PAD_FIRST, ids=(2, -1, 1, 0)),
                       **named("PegasusTokenizer")},
    "spiece-deberta": {"spm.model": unigram(
        [("[PAD]", 0.0, spiece.CONTROL), *CLS_SEP, ("[UNK]", 0.0, spiece.UNKNOWN)],
        ids=(3, 1, 2, 0)), **named("DebertaV2Tokenizer")},
    "spiece-rembert": {"sentencepiece.model": unigram(
        [("<pad>", 0.0, spiece.CONTROL), ("<unk>", 0.0, spiece.UNKNOWN), *CLS_SEP,
         ("[MASK]", 0.0, spiece.USER_DEFINED)], ids=(1, 2, 3, 0)), **named("RemBertTokenizer")},
    "spiece-bigbird": {"spiece.model": unigram(
        [("<pad>", 0.0, spiece.CONTROL), ("</s>", 0.0, spiece.CONTROL), ("<s>", 0.0, spiece.CONTROL),
         ("<unk>", 0.0, spiece.UNKNOWN), *CLS_SEP, ("[MASK]", 0.0, spiece.USER_DEFINED)],
        ids=(3, 2, 1, 0)), **named("BigBirdTokenizer")},
    "spiece-reformer": {"spiece.model": bpe(
        [("</s>", 0.0, spiece.CONTROL), ("<s>", 0.0, spiece.CONTROL),
         ("<unk>", 0.0, spiece.UNKNOWN)], ids=(2, 1, 0, -1)), **named("ReformerTokenizer")},
    "spiece-nllb": {"sentencepiece.bpe.model": bpe(), **named("NllbTokenizer", **nllb_ids())},
    "spiece-nllb-legacy": {"sentencepiece.bpe.model": bpe(), **named(
        "NllbTokenizer", src_lang="fra_Latn", legacy_behaviour=True, **nllb_ids())},
    "merges-clip": {**merges([], ["<|startoftext|>", END], "</w>"), **named("CLIPTokenizer")},
    "merges-qwen2": {**merges([], []), **named(
        "Qwen2Tokenizer", additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        eos_token="<|im_end|>", pad_token=END)},
    "merges-deberta": {**merges(["[CLS]", "[PAD]", "[SEP]", "[UNK]"], ["[MASK]"]),
                       **named("DebertaTokenizer")},
    "merges-codegen": {**merges([], [END]), **named("CodeGenTokenizer", add_prefix_space=True)},
    "merges-neox": {**merges([END, "<|padding|>"], []), **named("GPTNeoXTokenizer")},
    "merges-gpt1": {**bert_merges(), **named("OpenAIGPTTokenizer")},
    "merges-blenderbot": {**merges(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
                          **named("BlenderbotTokenizer")},
}


def write_files(folder, files):
    make_fixtures.fresh(folder)
    for name, content in files.items():
        if not isinstance(content, (bytes, str)):
            content = json.dumps(content) + "\n"
        if isinstance(content, str):
            content = content.encode()
        (folder / name).write_bytes(content)


def single(tokenizer, text):
    made = tokenizer(text, return_token_type_ids=True)
    ids = made["input_ids"]
    case = {"kind": "single", "text": text, "ids": ids,
            "ids_plain": tokenizer(text, add_special_tokens=False)["input_ids"],
            "decoded": tokenizer.decode(ids, skip_special_tokens=True),
            "decoded_all": tokenizer.decode(ids)}
    if tokenizer.is_fast:
        encoding = made.encodings[0]
        case["type_ids"] = encoding.type_ids
        case["offsets"] = make_fixtures.flat(encoding.offsets)
    return case


def pair(tokenizer, a, b):
    made = tokenizer(a, b)
    case = {"kind": "pair", "a": a, "b": b, "ids": made["input_ids"]}
    if tokenizer.is_fast:
        case["type_ids"] = made.encodings[0].type_ids
        case["offsets"] = make_fixtures.flat(made.encodings[0].offsets)
    return case


def truncated(tokenizer, text, length):
    windows = tokenizer(text, truncation=True, max_length=length,
                        return_overflowing_tokens=True).encodings
    return {"kind": "trunc", "a": text, "max_length": length, "stride": 0,
            "strategy": "longest_first", "direction": "right", "ids": windows[0].ids,
            "overflow": [window.ids for window in windows[1:]]}


OWN_TEXTS = [">>fra<< hello the", ">>xyz<<hello", ">>fra<<", " >>fra<< he", "he >>deu<< the", ">> he << x",
             "</s>>>fra<< hello </s> the", "__de__ hello__fr__ the __xx__", "hello<unk>world <pad> x",
             "\u2581hello \u2581\u2581 the\u2581", "a\u0300\u0301 \u0041\u030a \uff21\uff22 \u0085x\u2028y"]


def cases(tokenizer, seed):
    rng = random.Random(seed)
    for text in TEXTS if tokenizer.is_fast else OWN_TEXTS + TEXTS:
        yield single(tokenizer, text)
    for _ in range(6):
        yield pair(tokenizer, rng.choice(TEXTS), rng.choice(TEXTS[1:]))  # "" is no pair
    for _ in range(4 if tokenizer.is_fast else 0):
        yield truncated(tokenizer, rng.choice(TEXTS[5:]), rng.randrange(4, 14))
    size = len(tokenizer)
    for _ in range(8):
        ids = [rng.randrange(size) for _ in range(rng.randrange(10))]
        yield {"kind": "decode", "ids": ids,
               "decoded": tokenizer.decode(ids, skip_special_tokens=True),
               "decoded_all": tokenizer.decode(ids)}


def read(name, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if name != "spiece-rembert":
        return tokenizer
    # From the .model alone the library forgets [CLS] and [SEP]; not so from what it saves then.
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save_pretrained(saved)
        return AutoTokenizer.from_pretrained(saved)


def main():
    for seed, (name, files) in enumerate(FOLDERS.items(), 300):
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        folder = DATA / name
        write_files(folder, files)
        tokenizer = read(name, folder)
        print(name, type(tokenizer).__name__, len(tokenizer))
        with open(folder / "golden.jsonl", "w", encoding="ascii") as file:
            for case in cases(tokenizer, seed):
                file.write(json.dumps(case, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
