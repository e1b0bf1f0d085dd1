#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/text/data: small tokenizers and what the reference library makes of texts.

    python3 tests/text/make_fixtures.py        (needs the `tokenizers` wheel)

Each folder NAME holds tokenizer.json, or vocab.txt with its neighbours, and golden.jsonl in the
form that tests/text/golden.c reads. The texts are made here; the results are the library's.
"""
import collections
import json
import pathlib
import random
import shutil

import spiece
from charsmap import RULES, charsmap
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, \
    processors

DATA = pathlib.Path(__file__).resolve().parent / "data"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the quick brown fox jump over lazy dog a an in on of to and is was not do don we it
token izer ##izer ##ization ##s ##ed ##ing ##er ##ly un ##believ ##able believe hello world good
bye night morning cafe naive resume strasse uber search engine vector model paper river stone
1 2 3 10 ##0 ##1 ##2 year day привет мир ##ами город 中 国 日 本 語 か ##き ア ##ア ガ 한국 ##어
é É ##é ü ß ı i ##i ü über café ς ##ς ﬁ fi 😀 👩 ##u n't 's""".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIGNS = list(".,;:!?'\"()[]<>#$%&*+-/=@^_`{|}~\\") + ["。", "、", "«", "—", "…", "¿", "€", "™"]


def vocabulary():
    tokens = SPECIALS + WORDS + list(LETTERS) + ["##" + c for c in LETTERS] + SIGNS
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


TEXTS = [
    "", " ", "   ", "\t\n\r", "a", ".", "...", "The quick brown fox jumps over the lazy dog.",
    "Hello, World! Unbelievable tokenizers; tokenization.", "don't won't can't it's we're",
    "CAFÉ café cafe\u0301 CAFE\u0301 Ｃａｆé", "naïve résumé Straße STRASSE ÜBER über u\u0308ber",
    "Привет, мир! Городами ПРИВЕТ", "日本語の中国 か\u3099ガがアア", "한국어 \u1112\u1161\u11ab국어",
    "İstanbul ISTANBUL ıi Iİ", "Σίσυφος ΣΊΣΥΦΟΣ ς σ", "ﬁne ﬂow ℌ ② ½ Å Å",
    "U+0000:\u0000:\u0001:\u007f:\u0085:\u00ad:\ufeff:\ufffd:", "a\u200bb\u200cc\u200dd\u2028e\u3000f\u00a0g",
    "👩\u200d👩\u200d👧 😀😀 🇩🇪 \U0001d15e", "שלום עולם مرحبا नमस्ते สวัสดี",
    "a\u0323\u0301\u0327 a\u0301\u0323\u0327 \u0301\u0301 \u302e\u0316\u302f \u08d4\u0323",
    "x" * 99, "x" * 100, "x" * 101, "é" * 120, "1234567890 10 2020 3.14 1,000 ٣٤ ⅷ",
    "[CLS] hello [SEP] world [MASK]", "[MASK][MASK] [mask]hello[MASK]x x[MASK]",
    "<new> <NEW><new>  <new>  x<new>y", "left  <l>  right <r>  both  <b>  end<b>",
    "word<w>word <w> <w>, <w>é _<w>", "Up UP up Lower LOWER lower", "a-b_c d.e/f g@h #1 $2 ^~`|<>=+",
    "  leading and trailing  ", "\u1e9b\u0323 \u0344 \u0f73 \u0958 \U0001133b \U0002f800",
    "##s ##ing token ##izer", "hello." * 30, "the " * 40, "not to do . , ! ? n't 's",
]


def added(content, **flags):
    return AddedToken(content, **flags)


def add_special(tokenizer):
    tokenizer.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t in SPECIALS])


def bert_template():
    return processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])


def wordpiece(normalizer, splitter, post, decoder, **options):
    tokenizer = Tokenizer(models.WordPiece(vocabulary(), unk_token="[UNK]", **options))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor, tokenizer.decoder = post, decoder
    add_special(tokenizer)
    return tokenizer


def bert(lowercase=True, **flags):
    return wordpiece(normalizers.BertNormalizer(lowercase=lowercase, **flags),
                     pre_tokenizers.BertPreTokenizer(), bert_template(), decoders.WordPiece())


def with_added():
    tokenizer = bert()
    tokenizer.add_tokens([
        added("<new>", normalized=True), added("<l>", lstrip=True, normalized=False),
        added("<r>", rstrip=True, normalized=False),
        added("<b>", lstrip=True, rstrip=True, normalized=True),
        added("<w>", single_word=True, normalized=False), added("UP", normalized=False),
        added("Lower", normalized=True), added("<new>  <", normalized=True),
        added("hello.h", normalized=False), added("É", normalized=False)])
    return tokenizer


def forms():
    return wordpiece(
        normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("``", '"'),
                              normalizers.Strip(), normalizers.Lowercase(),
                              normalizers.Replace("ll", "é"), normalizers.Prepend("a")]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                 pre_tokenizers.Punctuation("merged_with_next"),
                                 pre_tokenizers.Digits(individual_digits=True)]),
        processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
        decoders.Sequence([decoders.Replace("##", ""), decoders.Fuse(),
                           decoders.Strip("a", 1, 0)]),
        max_input_chars_per_word=12)


def accents():
    return wordpiece(
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]),
        pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "),
                                 pre_tokenizers.Punctuation("contiguous"),
                                 pre_tokenizers.Digits()]),
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)), decoders.WordPiece(cleanup=False),
        continuing_subword_prefix="")


def words():
    tokenizer = Tokenizer(models.WordLevel(vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFKD()
    tokenizer.pre_tokenizer = pre_tokenizers.Punctuation("removed")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous")])
    return tokenizer


def chained(*chain):
    """Several post-processors one after the other, and an added token with blanks in it."""
    tokenizer = words()
    tokenizer.add_tokens([added("<l>", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.post_processor = processors.Sequence(list(chain))
    return tokenizer


def chains():
    specials = [("[CLS]", 2), {"id": "[SEP]", "ids": [3, 4], "tokens": ["[SEP]", "[MASK]"]}]
    many = processors.TemplateProcessing(single="$A:4 [SEP]:5", pair="$B:1 [CLS]:2 $A:3 $B:0",
                                         special_tokens=specials)
    around = (("[SEP]", 3), ("[CLS]", 2))
    return {
        "chain-bert-template": chained(processors.BertProcessing(*around), many),
        "chain-templates": chained(many, many, processors.BertProcessing(*around)),
        "chain-trims": chained(processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
                               processors.RobertaProcessing(*around), processors.ByteLevel(),
                               bert_template())}


def merge(word, pair, made):
    out, at = [], 0
    while at < len(word):
        found = tuple(word[at:at + 2]) == pair
        out.append(made if found else word[at])
        at += 2 if found else 1
    return out


def train(words, alphabet, size, prefix, suffix):
    """The library's trainer orders some equal tokens by chance; this one does not."""
    words = [[(prefix if i else "") + c + (suffix if i == len(word) - 1 else "")
              for i, c in enumerate(word)] for word in words]
    tokens = dict.fromkeys(SPECIALS + sorted(set(alphabet).union(*words)))
    merges = []
    while len(tokens) < size and any(len(word) > 1 for word in words):
        pairs = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        made = pair[0] + pair[1][len(prefix):]
        words = [merge(word, pair, made) for word in words]
        tokens[made] = None
        merges.append(pair)
    return {token: i for i, token in enumerate(tokens)}, merges


def bpe(normalizer, splitter, post, decoder, size, alphabet=(), texts=tuple(TEXTS), **options):
    """A BPE model trained on texts; what only others have is unknown."""
    texts = [normalizer.normalize_str(text) if normalizer else text for text in texts]
    words = [word for text in texts for word, _ in splitter.pre_tokenize_str(text)] \
        if splitter else texts
    vocab, merges = train(words, alphabet, size, options.get("continuing_subword_prefix", ""),
                          options.get("end_of_word_suffix", ""))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, **options))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor, tokenizer.decoder = post, decoder
    add_special(tokenizer)
    return tokenizer


FEW = tuple(TEXTS[4:14])


def byte_bpe():
    tokenizer = bpe(None, pre_tokenizers.ByteLevel(add_prefix_space=False),
                    processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)), decoders.ByteLevel(),
                    420, pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([added("<new>", lstrip=True, normalized=False), added("UP")])
    return tokenizer


def byte_bpe_prefix():
    return bpe(normalizers.NFC(),
               pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                        pre_tokenizers.ByteLevel(add_prefix_space=True)]),
               processors.ByteLevel(trim_offsets=True, add_prefix_space=True),
               decoders.ByteLevel(), 500, pre_tokenizers.ByteLevel.alphabet(), ignore_merges=True)


def byte_bpe_partial():
    """Letters are missing, so bytes are dropped; and a normalizer that writes letters as well."""
    return bpe(normalizers.Sequence([normalizers.Lowercase(), normalizers.ByteLevel()]),
               pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
               processors.ByteLevel(trim_offsets=False), decoders.ByteLevel(), 150,
               texts=FEW)


def suffix_bpe():
    return bpe(normalizers.NFC(), pre_tokenizers.WhitespaceSplit(), bert_template(),
               decoders.Fuse(), 300, texts=FEW, unk_token="[UNK]", fuse_unk=False,
               end_of_word_suffix="</w>")


def prefix_bpe():
    return bpe(normalizers.NFC(), pre_tokenizers.BertPreTokenizer(), bert_template(),
               decoders.WordPiece(), 300, texts=FEW, unk_token="[UNK]", fuse_unk=True,
               continuing_subword_prefix="##")


def fallback_bpe():
    """As Llama's: no pre-tokenizer, so all merges are of one long word."""
    tokens = [f"<0x{byte:02X}>" for byte in range(256) if byte != 0xE3]
    tokenizer = bpe(normalizers.Sequence([normalizers.Prepend("\u2581"),
                                          normalizers.Replace(" ", "\u2581")]), None,
                    bert_template(), decoders.Sequence([decoders.Replace("\u2581", " "),
                                                        decoders.Fuse()]),
                    300, texts=FEW, unk_token="[UNK]")
    made = json.loads(tokenizer.to_str())
    model = made["model"]
    for token in tokens:
        model["vocab"][token] = len(model["vocab"])
    model.update(byte_fallback=True, fuse_unk=True,
                 merges=[" ".join(merge) for merge in model["merges"]])
    return Tokenizer.from_str(json.dumps(made))


SPACE = "\u2581"
PIECES = ["he", "l", "lo", "llo", "hello", "w", "or", "ld", "world", "th", "the", "qu", "ick", "bro", "wn",
          "un", "believ", "able", "token", "izer", "s", "ing", "ed", "a", "b", "c", "d", "e", "f",
          "g", "i", "o", "n", "r", "t", "1", "2", "1/2", "TM", "fi", ".", ",", "!", "aa", "aaa", "ba",
          "\u00e9", "caf\u00e9", "\u4e2d", "\u56fd", "\u043f\u0440\u0438", "\U0001f600", "<0xE2>", "<unk>"]


def pieces(seed, extra=()):
    """Scores of 17 digits and ties; each word with and without the sign of a blank."""
    rng = random.Random(seed)
    result = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), (SPACE, -2.5)]
    for piece in PIECES[:-1]:
        result += [(piece, -rng.uniform(3, 9)), (SPACE + piece, -rng.uniform(3, 9))]
    result += [("a" + SPACE, -4.0), ("xy", -3.0), ("x", -1.0), ("y", -2.0), (SPACE * 2, -3.25)]
    return result + [(piece, -rng.uniform(3, 9)) for piece in extra]


def unigram(normalizer, splitter, decoder, extra=(), post=None, **options):
    tokenizer = Tokenizer(models.Unigram(pieces(len(extra), extra), unk_id=0, **options))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoder
    if post:
        tokenizer.post_processor = post
    tokenizer.add_special_tokens([AddedToken("</s>", normalized=False, special=True)])
    tokenizer.add_tokens([added("<new>", normalized=True, rstrip=True)])
    return tokenizer


def unigram_t5():
    post = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>",
                                         special_tokens=[("</s>", 2)])
    return unigram(normalizers.Precompiled(charsmap(RULES)),
                   pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(),
                                            pre_tokenizers.Metaspace(prepend_scheme="always")]),
                   decoders.Metaspace(prepend_scheme="always"), post=post)


def unigram_bytes():
    every = [f"<0x{byte:02X}>" for byte in range(256)]
    return unigram(normalizers.Sequence([normalizers.Strip(), normalizers.Precompiled(
        charsmap(RULES))]), pre_tokenizers.Metaspace("_", prepend_scheme="first", split=False),
        decoders.Metaspace("_", prepend_scheme="never"), every + ["_", "_the"], byte_fallback=True)


def unigram_bare():
    return unigram(normalizers.NFKC(), None, None, ["\u0000", "ab" * 20, "hello world", "  "])


def fresh(folder):
    """An empty folder; make_older.py has others beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def flat(offsets):
    return [value for pair in offsets for value in pair]


def single(tokenizer, text):
    encoding = tokenizer.encode(text)
    return {"kind": "single", "text": text, "ids": encoding.ids,
            "ids_plain": tokenizer.encode(text, add_special_tokens=False).ids,
            "type_ids": encoding.type_ids, "offsets": flat(encoding.offsets),
            "decoded": tokenizer.decode(encoding.ids),
            "decoded_all": tokenizer.decode(encoding.ids, skip_special_tokens=False)}


def pair(tokenizer, a, b):
    try:
        encoding = tokenizer.encode(a, b)
    except BaseException as error:  # a panic of the library
        return {"kind": "pair", "a": a, "b": b, "error": str(error)[:120]}
    return {"kind": "pair", "a": a, "b": b, "ids": encoding.ids, "type_ids": encoding.type_ids,
            "offsets": flat(encoding.offsets)}


def random_truncation(rng):
    return {"max_length": rng.randrange(1, 14), "stride": rng.choice([0, 0, 1, 2, 5]),
            "strategy": rng.choice(["longest_first"] * 3 + ["only_first", "only_second"]),
            "direction": rng.choice(["left", "right"])}


def truncated(tokenizer, a, b, options):
    """An exception of the library, a panic included, is recorded as an error."""
    case = {"kind": "trunc", "a": a, **({} if b is None else {"b": b}), **options}
    try:
        tokenizer.enable_truncation(**options)
        encoding = tokenizer.encode(a, b) if b is not None else tokenizer.encode(a)
    except BaseException as error:
        return {**case, "error": str(error)[:120]}
    finally:
        tokenizer.no_truncation()
    return {**case, "ids": encoding.ids, "type_ids": encoding.type_ids,
            "offsets": flat(encoding.offsets), "overflow": [w.ids for w in encoding.overflowing]}


def padded(tokenizer, texts, rng):
    padding = {"direction": rng.choice(["left", "right"]), "pad_id": rng.randrange(4),
               "pad_type_id": rng.randrange(3), "pad_token": "[PAD]"}
    padding.update(rng.choice([{}, {"length": 9}, {"pad_to_multiple_of": 8},
                               {"length": 12, "pad_to_multiple_of": 5}]))
    tokenizer.enable_padding(**padding)
    encodings = tokenizer.encode_batch(texts)
    tokenizer.no_padding()
    return {"kind": "batch", "texts": texts, "padding": padding,
            "ids": [e.ids for e in encodings], "type_ids": [e.type_ids for e in encodings],
            "attention_mask": [e.attention_mask for e in encodings]}


def cases(tokenizer, seed):
    rng = random.Random(seed)
    for text in TEXTS:
        yield single(tokenizer, text)
    for _ in range(12):
        yield pair(tokenizer, rng.choice(TEXTS), rng.choice(TEXTS))
    for _ in range(24):
        other = rng.choice([None, rng.choice(TEXTS)])
        yield truncated(tokenizer, rng.choice(TEXTS[5:]), other, random_truncation(rng))
    for _ in range(3):
        yield padded(tokenizer, rng.sample(TEXTS, rng.randrange(1, 6)), rng)
    size = tokenizer.get_vocab_size()
    for _ in range(8):
        ids = [rng.randrange(size + 4) for _ in range(rng.randrange(10))]
        yield {"kind": "decode", "ids": ids, "decoded": tokenizer.decode(ids),
               "decoded_all": tokenizer.decode(ids, skip_special_tokens=False)}


def write_golden(folder, tokenizer, seed):
    with open(folder / "golden.jsonl", "w", encoding="ascii") as file:
        for case in cases(tokenizer, seed):
            file.write(json.dumps(case, separators=(",", ":")) + "\n")


def write_vocab_folder(folder, tokenizer, config, special_map=None, added_tokens=None):
    """The older form of a repository; `tokenizer` is what it must come to."""
    tokens = sorted(vocabulary().items(), key=lambda item: item[1])
    folder.joinpath("vocab.txt").write_text("".join(t + "\n" for t, _ in tokens), encoding="utf-8")
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    if special_map:
        folder.joinpath("special_tokens_map.json").write_text(json.dumps(special_map) + "\n")
    if added_tokens:
        folder.joinpath("added_tokens.json").write_text(json.dumps(added_tokens) + "\n")


def write_merges_folder(folder, tokenizer, config, special_map=None, added_tokens=None):
    """As write_vocab_folder, for the files of a BPE model."""
    model = json.loads(tokenizer.to_str())["model"]
    folder.joinpath("vocab.json").write_text(json.dumps(model["vocab"]) + "\n")
    lines = ["#version: 0.2"] + [" ".join(merge) for merge in model["merges"]]
    folder.joinpath("merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    if special_map:
        folder.joinpath("special_tokens_map.json").write_text(json.dumps(special_map) + "\n")
    if added_tokens:
        folder.joinpath("added_tokens.json").write_text(json.dumps(added_tokens) + "\n")


def merges_tokenizer(front, back, add_prefix_space, post, special):
    """What the files of a family come to; `post` makes the post-processor of the token ids."""
    words = [word for text in FEW
             for word, _ in pre_tokenizers.ByteLevel(False).pre_tokenize_str(text)]
    vocab, merges = train(words, pre_tokenizers.ByteLevel.alphabet(), 330, "", "")
    tokens = front + [token for token in vocab if token not in SPECIALS] + back
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  if isinstance(t, str) else t for t in special])
    tokenizer.post_processor = post({**ids, **tokenizer.get_vocab()})
    return tokenizer


def write_merges_folders():
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    roberta = merges_tokenizer(
        ["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"], False,
        lambda ids: processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]), True,
                                                 False),
        [mask, "<s>", "</s>", "<unk>", "<pad>"])
    fresh(DATA / "merges-roberta")
    write_merges_folder(DATA / "merges-roberta", roberta,
                        {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512},
                        {"mask_token": {"content": "<mask>", "lstrip": True, "normalized": False,
                                        "rstrip": False, "single_word": False}})
    write_golden(DATA / "merges-roberta", roberta, 103)
    gpt2 = merges_tokenizer(
        [], ["<|endoftext|>"], True,
        lambda ids: processors.TemplateProcessing(
            single="<|endoftext|>:0 $A:0",
            pair="<|endoftext|>:0 $A:0 <|endoftext|>:1 $B:1",
            special_tokens=[("<|endoftext|>", ids["<|endoftext|>"])]),
        ["<|endoftext|>", "<w>"])
    fresh(DATA / "merges-gpt2")
    write_merges_folder(DATA / "merges-gpt2", gpt2,
                        {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True,
                         "add_prefix_space": True, "pad_token": "<w>"}, None,
                        {"<w>": gpt2.token_to_id("<w>")})
    write_golden(DATA / "merges-gpt2", gpt2, 104)


def spiece_pieces(front):
    return front + [(text, spiece.score(value), spiece.NORMAL) for text, value in pieces(7)[3:]]


def read_back(tokenizer):
    """As a tokenizer.json of it would be read: the last bits of scores may change."""
    return Tokenizer.from_str(tokenizer.to_str())


def spiece_unigram(vocab, unknown, specials, single, pair, normalizer=None, masks=("<mask>",)):
    """What the tokenizer classes of transformers make; `specials` in the order of their ids."""
    tokenizer = Tokenizer(models.Unigram([(text, value) for text, value, *_ in vocab],
                                         unk_id=unknown))
    tokenizer.normalizer = normalizer or normalizers.Precompiled(charsmap(RULES))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True, lstrip=t in masks)
                                  for t in specials])
    ids = [(t, tokenizer.token_to_id(t)) for t in specials]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair,
                                                             special_tokens=ids)
    return read_back(tokenizer)


FRONT = [("<unk>", 0.0, spiece.UNKNOWN), ("<s>", 0.0, spiece.CONTROL),
         ("</s>", 0.0, spiece.CONTROL)]


def spiece_t5():
    own = spiece_pieces([("<pad>", 0.0, spiece.CONTROL), ("</s>", 0.0, spiece.CONTROL),
                         ("<unk>", 0.0, spiece.UNKNOWN)])
    extra = [(f"<extra_id_{i}>", 0.0) for i in (2, 1, 0)]
    tokenizer = spiece_unigram(own + extra, 2, ["<pad>", "</s>", "<unk>"] + [t for t, _ in extra],
                               "$A </s>", "$A </s> $B </s>")
    return tokenizer, "spiece.model", spiece.model(own, charsmap=charsmap(RULES),
                                                   ids=(2, -1, 1, 0)), \
        {"tokenizer_class": "T5TokenizerFast", "extra_ids": 3}, None


def spiece_xlmr():
    own = spiece_pieces(FRONT)
    vocab = [(t, 0.0) for t in ("<s>", "<pad>", "</s>", "<unk>")] + own[3:] + [("<mask>", 0.0)]
    tokenizer = spiece_unigram(vocab, 3, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                               "<s> $A </s>", "<s> $A </s> </s> $B </s>", masks=())
    return tokenizer, "sentencepiece.bpe.model", spiece.model(own, charsmap=charsmap(RULES)), \
        None, {"model_type": "xlm-roberta"}


def spiece_camembert():
    own = spiece_pieces(FRONT)
    vocab = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0),
             ("<unk>NOTUSED", -100.0)] + own[1:] + [("<mask>", 0.0)]
    tokenizer = spiece_unigram(vocab, 3, ["<pad>", "<unk>", "<s>", "</s>", "<mask>"],
                               "<s> $A </s>", "<s> $A </s> </s> $B </s>")
    return tokenizer, "sentencepiece.bpe.model", spiece.model(own, charsmap=charsmap(RULES)), \
        {"tokenizer_class": "CamembertTokenizer", "model_max_length": 512}, None


def spiece_albert():
    own = spiece_pieces([("<pad>", 0.0, spiece.CONTROL), ("<unk>", 0.0, spiece.UNKNOWN),
                         ("[CLS]", 0.0, spiece.CONTROL), ("[SEP]", 0.0, spiece.CONTROL),
                         ("[MASK]", 0.0, spiece.USER_DEFINED)])
    tokenizer = spiece_unigram(
        own, 1, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "[CLS]:0 $A:0 [SEP]:0",
        "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'),
                              normalizers.NFKD(), normalizers.StripAccents(),
                              normalizers.Lowercase()]), masks=())
    return tokenizer, "spiece.model", spiece.model(own, ids=(1, 2, 3, 0)), \
        {"tokenizer_class": "AlbertTokenizer"}, None


def spiece_llama():
    """Byte pieces and merges in the order of the pieces."""
    words = ["he", "ll", "ell", "hell", "hello", SPACE + "t", "he" + SPACE, SPACE + "the", "in",
             "ing", "qu", "ick", SPACE + "hello", "ck", "\n\n", "\"\\", "caf", "\u00e9\u00e8"]
    letters = sorted(set("".join(words)) | set("aouwrxy.,!\u4e2d"))
    own = FRONT + [(f"<0x{b:02X}>", 0.0, spiece.BYTE) for b in range(256)] + \
        [(text, -float(i), spiece.NORMAL) for i, text in enumerate(words + letters)]
    vocab = {text: i for i, (text, _, _) in enumerate(own)}
    merges = []
    for text in words:
        cuts = [(text[:i], text[i:]) for i in range(len(text) - 1, 0, -1)]
        merges += [cut for cut in cuts if cut[0] in vocab and cut[1] in vocab]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True)
                                  for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s>:0 $A:0 <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer, "tokenizer.model", spiece.model(own, spiece.BPE, byte_fallback=True), \
        {"legacy": True, "add_bos_token": True}, {"model_type": "llama"}


def write_spiece_folder(folder, made, seed):
    tokenizer, name, data, tokenizer_config, config = made
    fresh(folder)
    folder.joinpath(name).write_bytes(data)
    for file, value in (("tokenizer_config.json", tokenizer_config), ("config.json", config)):
        if value:
            folder.joinpath(file).write_text(json.dumps(value) + "\n")
    write_golden(folder, tokenizer, seed)


def main():
    made = {"bert-uncased": bert(), "bert-cased": bert(False),
            "bert-plain": bert(True, clean_text=False, handle_chinese_chars=False,
                               strip_accents=False),
            "added": with_added(), "forms": forms(), "accents": accents(), "words": words(),
            **chains(), "byte-bpe": byte_bpe(),
            "byte-bpe-prefix": byte_bpe_prefix(), "byte-bpe-partial": byte_bpe_partial(),
            "suffix-bpe": suffix_bpe(),
            "prefix-bpe": prefix_bpe(), "fallback-bpe": fallback_bpe(),
            "unigram-t5": unigram_t5(), "unigram-bytes": unigram_bytes(),
            "unigram-bare": unigram_bare()}
    for seed, (name, tokenizer) in enumerate(made.items()):
        folder = DATA / name
        fresh(folder)
        text = json.loads(tokenizer.to_str())
        if name == "fallback-bpe":  # the older form
            text["model"]["merges"] = [" ".join(merge) for merge in text["model"]["merges"]]
        folder.joinpath("tokenizer.json").write_text(json.dumps(text) + "\n", encoding="ascii")
        write_golden(folder, tokenizer, seed)
    cased = bert(False)
    fresh(DATA / "vocab-cased")
    write_vocab_folder(DATA / "vocab-cased", cased, {
        "tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 64})
    write_golden(DATA / "vocab-cased", cased, 101)
    older = bert()
    older.add_tokens([added("<new>", normalized=True)])
    older.add_special_tokens([added("<w>", normalized=False, special=True)])
    fresh(DATA / "vocab-older")
    size = len(vocabulary())
    write_vocab_folder(DATA / "vocab-older", older,
                       {"do_lower_case": True, "model_max_length": int(1e30)},
                       {"unk_token": "[UNK]", "mask_token": {"content": "[MASK]"},
                        "additional_special_tokens": ["<w>"]},
                       {"<w>": size + 1, "<new>": size})
    write_golden(DATA / "vocab-older", older, 102)
    write_merges_folders()
    for seed, make in enumerate((spiece_t5, spiece_xlmr, spiece_camembert, spiece_albert,
                                 spiece_llama), 200):
        write_spiece_folder(DATA / make.__name__.replace("_", "-"), make(), seed)


if __name__ == "__main__":
    main()
