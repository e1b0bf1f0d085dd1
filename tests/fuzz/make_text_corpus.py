#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the first inputs of the tokenizers' fuzzers: corpus/FUZZER/seed-NN.

Fuzzing adds more files beside them, named by their hash; this script touches only seed-*.
"""
import base64
import json
import pathlib
import sys

from make_corpus import SEPARATOR, failing, write

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "text"))
import spiece  # noqa: E402
from charsmap import RULES, charsmap  # noqa: E402

VOCAB = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "the": 3, "##s": 4, "a": 5, "b": 6, "##b": 7, "\u4e2d": 8,
         "\"\\\n\u00e9\U0001f600": 9, "": 10, "hello": 11}
WORDPIECE = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
             "max_input_chars_per_word": 10, "vocab": VOCAB}
LETTERS = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)]]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
              "use_regex": True}
BPE = {"type": "BPE", "unk_token": "[UNK]", "merges": [["h", "e"], ["l", "l"], ["he", "ll"],
                                                       ["\u0120", "a"], ["\u00c3", "\u00a9"]],
       "vocab": {token: i for i, token in enumerate(
           ["[UNK]", *LETTERS, "he", "ll", "hell", "\u0120a", "\u00c3\u00a9"])}}
WORDS = {"type": "BPE", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
         "end_of_word_suffix": "</w>", "merges": ["a ##b", "ab ##</w>"],
         "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "ab": 3, "##</w>": 4, "ab</w>": 5, "##": 6,
                   "<0xE4>": 7, "<0xB8>": 8, "<0xAD>": 9, "b</w>": 10}}
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
        "strip_accents": None, "lowercase": True}
SPECIALS = {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [2, 0], "tokens": ["[SEP]", "[UNK]"]}}
TEMPLATE = {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "B", "type_id": 1}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": SPECIALS}


def token(content, number, **flags):
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": number, "content": content, **{name: flags.get(name, False) for name in names}}


def tokenizer(**parts):
    return json.dumps({"version": "1.0", "added_tokens": [], "normalizer": None,
                       "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
                       "decoder": None, "model": WORDPIECE, **parts})


def normalizers():
    yield BERT
    for kind in ("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Nmt"):
        yield {"type": kind}
    yield {"type": "Strip", "strip_left": True, "strip_right": False}
    yield {"type": "Replace", "pattern": {"String": "a"}, "content": "bb"}
    yield {"type": "Replace", "pattern": {"Regex": "a"}, "content": "bb"}
    yield {"type": "Prepend", "prepend": "x"}
    yield {"type": "Sequence", "normalizers": [BERT, {"type": "Sequence", "normalizers": []},
                                               {"type": "NFC"}]}


def charsmaps():
    whole = charsmap(RULES)
    yield whole
    yield whole[:len(whole) // 2]
    yield whole[:40] + b"\xff\xff\xff\x7f" * 20 + whole[120:]
    yield b"\0\0\0\0"
    yield b"\x04\0\0\0\0\xfe\xff\x7fa\0"


def unigram(**parts):
    vocab = [["<unk>", 0], ["\u2581", -2.5], ["a", -1.25e0], ["ab", -3.0625], ["\u2581the", -4],
             ["e\u0301", -5], ["a", -2.01229286193847661], ["<0xE2>", -6], ["<0x80>", -6]]
    return {"type": "Unigram", "unk_id": 0, "vocab": vocab, **parts}


METASPACE = {"type": "Metaspace", "replacement": "\u2581"}


def unigrams():
    yield tokenizer(model=unigram(), pre_tokenizer=METASPACE, decoder=METASPACE)
    yield tokenizer(model=unigram(byte_fallback=True), pre_tokenizer=None)
    yield tokenizer(model=unigram(unk_id=None), pre_tokenizer=METASPACE)
    yield tokenizer(model=unigram(unk_id=9))
    yield tokenizer(model=unigram(vocab=[["a", 1e400]]))
    yield tokenizer(model=unigram(vocab=[["a"]]))
    for scheme in ("first", "never", "last"):
        for split in (True, False):
            yield tokenizer(model=unigram(), normalizer={"type": "Strip"}, decoder=METASPACE,
                            pre_tokenizer={**METASPACE, "prepend_scheme": scheme, "split": split})
    yield tokenizer(model=unigram(), pre_tokenizer={**METASPACE, "add_prefix_space": False})
    for data in charsmaps():
        yield tokenizer(model=unigram(), pre_tokenizer=METASPACE, normalizer={
            "type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()})


def sentencepiece():
    front = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    own = front + [(text, -float(i), kind) for i, (text, kind) in enumerate([
        ("\u2581", 1), ("a", 1), ("b", 1), ("ab", 1), ("\u2581a", 1), ("\u2581ab", 1), ("the", 1),
        ("[CLS]", 3), ("[SEP]", 3), ("user.*", 4), ("unused", 5), ("e\u0301", 1), ("\n\"", 1),
        ("<0xCC>", 6), ("[PAD]", 3), ("<sep>", 3), ("<cls>", 3), ("h", 1), ("e", 1), ("he", 1),
        ("t", 1), ("th", 1), ("<mask>", 4), ("<bos>", 3), ("<eos>", 3)])]
    good = spiece.model(own, charsmap=charsmap(RULES))
    for number in range(22):
        yield bytes([number]) + good
        yield bytes([number]) + spiece.model(own, spiece.BPE, byte_fallback=True)
    yield b"\0" + spiece.model(own, ids=(2, -1, 1, 0)) + \
        b'\0{"extra_ids": 3, "add_prefix_space": false, "eos_token": "</s>"}'
    yield b"\x06" + good + b'\0{"src_lang": "de_DE"}'
    yield b"\x06" + good + b'\0{"src_lang": "none"}'
    yield b"\x0e" + good + b'\0{"src_lang": "gl_ES", "additional_special_tokens": ["sl_SI", 5]}'
    yield b"\x0f" + good + b'\0{"src_lang": "zul_Latn", "legacy_behaviour": true}'
    yield b"\x0f" + good + b'\0{"legacy_behaviour": 1}'
    yield b"\x15" + spiece.model(own, ids=(2, -1, 1, 0))
    for number in range(1, 200, 25):
        for kind in (0, 6, 8, 15):
            yield failing(bytes([kind]) + good, number)
    yield b"\x08" + good + b'\0{"legacy": false, "add_eos_token": true}'
    yield b"\x07" + good + b'\0{"do_lower_case": true, "split_by_punct": true}'
    yield b"\x03" + good + b'\0{"keep_accents": true, "do_lower_case": 1}'
    yield b"\x0a" + spiece.model(own, add_dummy_prefix=0, remove_extra_whitespaces=0)
    yield b"\x0a" + spiece.model(own, 4)
    yield b"\x0a" + spiece.model(own, ids=(99, 1, 2, -1))
    for data in charsmaps():
        yield b"\x01" + spiece.model(own, charsmap=data)
    yield b"\x01" + good[:len(good) // 2]
    yield b"\x01" + b"\x0a\xff\xff\xff\xff\x0f" + good
    yield b"\x01" + spiece.number(9, 1 << 63) + spiece.varint(7 << 3 | 1) + b"12345678" + good
    yield b"\x01" + spiece.varint(1 << 3 | 3) + good
    yield b"\x01" + spiece.piece("a", float("nan"), 1)
    yield b"\x01" + spiece.chunk(1, spiece.chunk(1, b"\xff"))
    yield b"\x01"


def pre_tokenizers():
    yield {"type": "WhitespaceSplit"}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous",
                     "Other"):
        yield {"type": "Punctuation", "behavior": behavior}
    for individual in (False, True):
        yield {"type": "Digits", "individual_digits": individual}
    yield {"type": "CharDelimiterSplit", "delimiter": "e"}
    yield {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits"}]}
    yield {**BYTE_LEVEL, "add_prefix_space": True}
    yield {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, BYTE_LEVEL,
                                                 {**BYTE_LEVEL, "use_regex": False}]}
    yield {"type": "ByteLevel"}
    for kind in ("Whitespace", "UnicodeScripts", "FixedLength"):
        yield {"type": kind}
    yield {"type": "FixedLength", "length": 2}
    for pattern in ({"String": "a"}, {"String": ""}, {"Regex": r"\p{L}+|(?i:'s)|[^\s\d&&\W]"},
                    {"Regex": r"(?<x>a)\k<x>{1,2}|(?=b)\X|\b"}, {"Regex": "(a"}, {"Regex": "[[:alpha:]^-]"}):
        yield {"type": "Split", "pattern": pattern, "behavior": "Contiguous", "invert": False}


def post_processors():
    yield {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
    yield {"type": "RobertaProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1],
           "trim_offsets": True, "add_prefix_space": False}
    yield TEMPLATE
    yield {"type": "Sequence", "processors": [TEMPLATE]}
    yield BYTE_LEVEL
    yield {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]}
    yield {"type": "Sequence", "processors": [TEMPLATE, TEMPLATE]}


def decoders():
    yield {"type": "WordPiece", "prefix": "##", "cleanup": True}
    yield {"type": "Fuse"}
    yield BYTE_LEVEL
    yield {"type": "Replace", "pattern": {"String": "##"}, "content": ""}
    yield {"type": "Strip", "content": "a", "start": 1, "stop": 1}
    yield {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "CTC"}]}
    yield {"type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": True}
    yield {"type": "BPEDecoder", "suffix": "</w>"}
    yield {"type": "ByteFallback"}


def decoder_chains():
    blank = {"type": "Replace", "pattern": {"String": "a"}, "content": " "}
    bytes_and_fuse = [{"type": "ByteFallback"}, {"type": "Fuse"}]
    for chain in ([blank, *bytes_and_fuse, {"type": "Strip", "content": " ", "start": 1, "stop": 0}],
                  [*bytes_and_fuse, {"type": "Strip", "content": "b", "start": 2, "stop": 1}],
                  [BYTE_LEVEL, blank], [{"type": "BPEDecoder", "suffix": "</w>"}, *bytes_and_fuse],
                  [{"type": "Fuse"}, BYTE_LEVEL, {"type": "Fuse"}]):
        yield {"type": "Sequence", "decoders": chain}


def tokenizer_json():
    yield tokenizer(normalizer=BERT, post_processor=TEMPLATE, added_tokens=[
        token("[CLS]", 1, special=True), token("[SEP]", 2, special=True),
        token("[MASK]", 90, lstrip=True, special=True), token("<a>", 7, rstrip=True),
        token("AB", 8, normalized=True, single_word=True), token("<a>", 7, special=True),
        token("ab", 8, normalized=True)])
    for name, parts in (("normalizer", normalizers()), ("pre_tokenizer", pre_tokenizers()),
                        ("post_processor", post_processors()), ("decoder", decoders())):
        for part in parts:
            yield tokenizer(**{name: part})
    yield tokenizer(model={"type": "WordLevel", "unk_token": "[UNK]", "vocab": VOCAB})
    yield tokenizer(model={"unk_token": "[UNK]", "vocab": {"a": 4294967295, "[UNK]": 7}})
    yield tokenizer(model={"vocab": {}, "merges": []})
    yield tokenizer(model=BPE, pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL,
                    post_processor=BYTE_LEVEL)
    yield tokenizer(model={**BPE, "ignore_merges": True}, pre_tokenizer=BYTE_LEVEL,
                    normalizer={"type": "ByteLevel"})
    yield tokenizer(model=WORDS)
    yield tokenizer(model={**WORDS, "byte_fallback": True, "fuse_unk": True}, pre_tokenizer=None)
    yield tokenizer(model={**WORDS, "unk_token": None, "dropout": 0.0,
                           "continuing_subword_prefix": None, "merges": [["a", "b</w>"]]})
    for merges in (["a"], ["a  b"], [["a"]], [["a", "b", "c"]], [1], ["a ##b", ["a", "##b"]], {},
                   ["a z"], ["a \ud800"], ["#version: 0.2", "a ##b"], ["a a"]):
        yield tokenizer(model={**WORDS, "merges": merges})
    yield tokenizer(model={"vocab": [["a", -1.5]], "unk_id": 0})
    yield from unigrams()
    yield tokenizer(model={"type": "WordPiece", "vocab": {}})
    yield tokenizer(model=None)
    yield tokenizer(added_tokens=[{"id": 1}])
    yield tokenizer(version="2.0")
    yield "V[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nab\n##ab\n"
    yield '{"model": {"vocab": {"a": 1, "\\ud800": 2}}}'
    yield '{"model": {"vocab": {"a": 1, "b\\u00e9\\ud83d\\ude00\\t": 4294967296}}}'
    yield b'{"model": {"vocab": {"\xff": 1}}}'
    for chain in decoder_chains():
        yield tokenizer(model={**WORDS, "byte_fallback": True}, decoder=chain,
                        truncation={"max_length": 4, "stride": 1, "strategy": "LongestFirst"},
                        padding={"strategy": {"Fixed": 9}, "direction": "Left", "pad_id": 1,
                                 "pad_type_id": 0, "pad_token": "a"})


def vocab():
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nand\na\n##nd\n,\n"
    yield words
    yield words + "\0" + json.dumps({"do_lower_case": False, "strip_accents": True,
                                     "model_max_length": 512, "cls_token": "[CLS]",
                                     "tokenizer_class": "BertTokenizer"})
    yield words + "\0" + json.dumps({"model_max_length": int(1e30), "added_tokens_decoder": {
        "4": token("[MASK]", 4, special=True), "12": token("<a>", 12, lstrip=True)}})
    yield words + "\0{}\0" + json.dumps({"unk_token": {"content": "[UNK]", "lstrip": True},
                                         "additional_special_tokens": ["<a>"]}) + \
        "\0" + json.dumps({"<a>": 11, "<b>": 10})
    yield words + "\0" + json.dumps({"tokenizer_class": "MPNetTokenizer"})
    yield words + "\0" + json.dumps({"tokenizer_class": "FunnelTokenizer",
                                     "do_lower_case": "x"})
    yield "\xa0a\u3000\r\n\r\n\nb"
    yield "\0[]"
    yield ""
    for number in range(1, 120, 30):
        yield failing(words, number)


FILES = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
         "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model",
         "sentencepiece.bpe.model", "spm.model", "source.spm", "sentencepiece.model"]
PATHS = ["", "tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model",
         "tokenizer.model", "none.json", "none.txt", "none.model", "config.ini", "none"]


def folder(path="", **files):
    """The files under their names, with _ for each point; `path` is what is opened."""
    parts = [files.pop(name.replace(".", "_"), "") for name in FILES]
    assert not files
    parts = [part if isinstance(part, bytes) else
             (part if isinstance(part, str) else json.dumps(part)).encode() for part in parts]
    assert not any(SEPARATOR in part for part in parts)
    return bytes([PATHS.index(path)]) + SEPARATOR.join(parts)


def numbered():
    """Marian and M2M100: a SentencePiece file that cuts, a vocab.json that numbers."""
    own = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("\u2581", -1.0, 1), ("a", -2.0, 1),
           ("\u2581a", -3.0, 1), ("h", -4.0, 1), ("e", -4.0, 1), ("he", -5.0, 1), ("<a>", 0.0, 4),
           ("\u2581an", -6.0, 1), ("n", -7.0, 1), ("d", -7.0, 1), ("unused", -8.0, 5)]
    table = {text: i for i, (text, _, kind) in enumerate(own) if kind != 5}
    good = [spiece.model(own, charsmap=charsmap(RULES)), spiece.model(own, spiece.BPE)]
    for pieces in good:
        for number in (0, 40, 90, 150, 210):
            for seed in (folder(vocab_json={**table, "<pad>": 20}, source_spm=pieces,
                                config_json={"model_type": "marian"}),
                         folder("vocab.json", vocab_json=table, sentencepiece_bpe_model=pieces,
                                tokenizer_config_json={"tokenizer_class": "M2M100Tokenizer",
                                                       "src_lang": "de"})):
                yield failing(seed, number) if number else seed

    def change(pieces=good[0], vocabulary=table, **config):
        return folder(vocab_json=vocabulary, source_spm=pieces, tokenizer_config_json={
            "tokenizer_class": "MarianTokenizer", **config})
    yield change(separate_vocabs=True)
    yield change(separate_vocabs=1)
    yield change(tokenizer_class="M2M100Tokenizer", language_codes="wmt21", src_lang="ha")
    yield change(tokenizer_class="M2M100Tokenizer", src_lang="none")
    yield change(tokenizer_class="M2M100TokenizerFast", src_lang=5)
    yield change(tokenizer_class="M2M100Tokenizer", src_lang="x" * 100)
    yield change(tokenizer_class="Other")
    yield change(unk_token="none")
    yield change(vocabulary={})
    yield change(vocabulary="[]")
    yield change(vocabulary=b'{"\xff": 1}')
    yield change(vocabulary={"<unk>": 4000000000, "</s>": 1, "<pad>": 1})
    yield change(spiece.model(own, 4))
    yield change(spiece.model(own, ids=(99, 1, 2, -1)))
    yield change(spiece.model(own, ids=(-1, 1, 2, -1)))
    yield change(spiece.model(own, byte_fallback=True))
    yield change(spiece.model([], ids=(0, 1, 2, -1)))
    yield change(spiece.model(own, add_dummy_prefix=0, remove_extra_whitespaces=0))
    yield change(good[0][:40])
    yield folder(vocab_json=table, source_spm=good[0])


def files():
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nand\na\n##nd\n,\n"
    table = {name: i for i, name in enumerate(
        ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "he", "ll", "hell", "\u0120a", "<mask>"])}
    lines = "#version: 0.2\nh e\nl l\nhe ll\n\u0120 a\n"
    pieces = spiece.model([("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("\u2581", -1.0, 1),
                           ("a", -2.0, 1), ("\u2581a", -3.0, 1), ("h", -4.0, 1), ("e", -4.0, 1)])
    config = {"model_max_length": 512, "clean_up_tokenization_spaces": True,
              "cls_token": {"content": "[CLS]", "lstrip": True}, "unk_token": "[UNK]",
              "additional_special_tokens": ["<a>", {"content": "<b>", "rstrip": True}]}
    decoder = {"added_tokens_decoder": {"4": token("[MASK]", 4, special=True),
                                        "12": token("<a>", 12, lstrip=True)}}
    whole = [
        folder(tokenizer_json=tokenizer(), tokenizer_config_json=config,
               special_tokens_map_json={"sep_token": "[SEP]", "pad_token": None},
               added_tokens_json={"<c>": 21, "<a>": 20, "[CLS]": 1}),
        folder(tokenizer_json=tokenizer(), tokenizer_config_json={**config, **decoder}),
        folder(vocab_txt=words, tokenizer_config_json=config),
        folder("vocab.txt", vocab_txt=words, tokenizer_config_json={**config, **decoder}),
        folder(vocab_json=table, merges_txt=lines, config_json={"model_type": "roberta"}),
        folder("vocab.json", vocab_json=table, merges_txt=lines, config_json={"model_type": "gpt2"}),
        folder(spiece_model=pieces, config_json={"model_type": "t5"}),
        folder("tokenizer.model", tokenizer_model=pieces, config_json={"model_type": "llama"})]
    yield from whole
    for seed in whole:
        for number in range(1, 90, 30):
            yield failing(seed, number)
    yield folder("spiece.model", spiece_model=pieces)
    yield folder(sentencepiece_bpe_model=pieces, config_json={"model_type": "xlm-roberta"})
    yield folder(spm_model=pieces, config_json={"model_type": "deberta-v2"})
    yield folder(tokenizer_model=pieces[:20], config_json={"model_type": 5})
    yield folder(spiece_model=pieces, config_json="{")
    yield folder("tokenizer.json", tokenizer_json=tokenizer())
    yield folder("tokenizer.json", tokenizer_json="{")
    for path in PATHS[3:]:
        yield folder(path)
        yield folder(path, merges_txt=lines, tokenizer_json=tokenizer())
    for name in FILES[:4]:
        for text in ("{", "[]", '{"a": 1, "a": 2}'):
            yield folder(vocab_txt=words, **{name.replace(".", "_"): text})
    for change in ({"model_max_length": "x"}, {"model_max_length": 1e30}, {"model_max_length": -1},
                   {"clean_up_tokenization_spaces": 1}, {"cls_token": 5}, {"cls_token": {}},
                   {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": "x"},
                   {"additional_special_tokens": [5]}, {"added_tokens_decoder": {"x": 1, "1": {}}},
                   {"added_tokens_decoder": []}, {"mask_token": ""}):
        yield folder(tokenizer_json=tokenizer(), tokenizer_config_json={**config, **change})
    yield folder(tokenizer_json=tokenizer(model=WORDS), tokenizer_config_json={
        "clean_up_tokenization_spaces": True,
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True})
    yield folder(vocab_json=table)
    yield folder("vocab.json", vocab_json=table)
    yield folder(added_tokens_json={"<a>": "x"}, tokenizer_json=tokenizer())
    yield from numbered()
    yield b""


def merges():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "he", "ll", "hell", "\u0120a", "<mask>"]
    table = json.dumps({token: i for i, token in enumerate(tokens)})
    bare = json.dumps({token: i for i, token in enumerate(tokens[4:-1] + ["<|endoftext|>"])})
    lines = "#version: 0.2\nh e\nl l\nhe ll\n\u0120 a\n"
    mask = {"content": "<mask>", "lstrip": True, "normalized": False}
    configs = [{"tokenizer_class": name} for name in
               ("RobertaTokenizer", "BartTokenizerFast", "BlenderbotTokenizer", "CLIPTokenizer",
                "PreTrainedTokenizerFast", "DebertaTokenizer", "Qwen2TokenizerFast",
                "GPTNeoXTokenizer", "OpenAIGPTTokenizer", "CodeGenTokenizer", "TokenizersBackend")]
    configs += [{"add_prefix_space": True, "trim_offsets": False, "cls_token": "he"},
                {"add_bos_token": True, "add_eos_token": True, "bos_token": ""},
                {"add_prefix_space": 1}, {"cls_token": ""}, {"add_bos_token": "x"}]
    for config in configs:
        yield "\0".join([lines, table, json.dumps(config)])
    yield "\0".join([lines, bare])
    yield "\0".join([lines, bare, json.dumps({"tokenizer_class": "GPT2Tokenizer",
                                             "add_bos_token": True, "add_eos_token": True})])
    yield "\0".join([lines, table, "", json.dumps({"mask_token": mask}), json.dumps({"<a>": 332}),
                     json.dumps({"model_type": "roberta"})])
    for kind in ("xlm", "clip", "deberta", "qwen3", "mamba", "openai-gpt", "phi"):
        yield "\0".join([lines, table, "", "", "", json.dumps({"model_type": kind})])
    yield "\0".join([lines.replace("\n", "\r\n"), table])
    for bad in ("h e l\n", "h\n", "\n", "x y\n", "h  e\n", "o o\n", "#version"):
        yield "\0".join([bad, table])
    yield b"h \xff\0" + table.encode()
    yield lines + "\0{}"
    yield lines + "\0[]"
    yield lines
    yield "\0" + table
    yield ""
    for number in range(1, 120, 30):
        yield failing("\0".join([lines, bare]), number)


def encode():
    texts = ["Hello, The fox jumps!", "caf\u00e9 cafe\u0301 \u1e9b\u0323 \u0344", "\u4e2d\u56fd \uac00\u1100\u1161\u11a8",
             "[MASK] <new>  <l> <r>  <b> x<w> UP", "a\0b\tc\u200d\ufeff\ufffd", "\u302e\u0316\u08d4\u0301" * 20,
             "``ll`` 12 3.4", "\u0130\u03a3\u00df \ufb01\u2460", "x" * 130, "  "]
    for number, text in enumerate(texts):
        for kind in (*range(12), 15, 16, 17):
            yield bytes([kind, (number * 37 + kind) % 256]) + text.encode() + \
                (b"\xff" + texts[kind % 10].encode() if number % 2 else b"")
    for way in range(9):  # strides and strategies
        yield bytes([18 * way, 6 << 2 | 1]) + b"the and the and the\xffa the and a the"
        yield bytes([18 * way + 15, 5 << 2]) + b"he an the\xffa"
    yield b"\0\0a\xed\xa0\x80"


if __name__ == "__main__":
    write("fuzz_tokenizer_json", tokenizer_json())
    write("fuzz_tokenizer_vocab", vocab())
    write("fuzz_sentencepiece", sentencepiece())
    write("fuzz_tokenizer_merges", merges())
    write("fuzz_tokenizer_files", files())
    write("fuzz_encode", encode())
