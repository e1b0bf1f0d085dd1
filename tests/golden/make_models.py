# SPDX-License-Identifier: Apache-2.0
"""Write models/NAME/: small random models with what sentence-transformers makes of texts.

    .venv-reference/bin/python tests/golden/make_models.py [NAME...]

Biases, norms and all tables are random, so a skipped one shows. A folder's seed is its name.
"""
import collections
import json
import shutil
import sys
import zlib
from pathlib import Path

import reference
import texts
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (AlbertConfig, AutoModel, AutoTokenizer, BertConfig, DistilBertConfig,
                          ElectraConfig, MPNetConfig, RobertaConfig, T5Config,
                          XLMRobertaConfig)

HERE = Path(__file__).resolve().parent
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                   "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
                   "sentencepiece.bpe.model")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MPNET_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def train_vocabulary(lowercase, size=600, special=SPECIAL):
    """Characters, words, and pieces of words, the most frequent first. (The library's trainer breaks
    ties by hash, so it gives another vocabulary each time.)"""
    normalize = normalizers.BertNormalizer(lowercase=lowercase).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words = collections.Counter(
        word for line in texts.many(seed=11) for word, _ in split(normalize(line)))
    letters, pieces = collections.Counter(), collections.Counter()
    for word, count in words.items():
        for letter in word[:30]:
            letters[letter] += count
        for length in range(2, min(len(word), 9) + 1):
            pieces[word[:length]] += count * length
            for start in range(1, min(len(word), 30) - length + 1):
                pieces["##" + word[start:start + length]] += count

    def ranked(counter, most):
        return sorted(counter, key=lambda item: (-counter[item], item))[:most]

    alphabet = ranked(letters, 170)
    learned = sorted(alphabet) + sorted("##" + letter for letter in alphabet)
    learned += ranked(pieces, size - len(special) - len(learned))
    return {token: index for index, token in enumerate([*special, *learned])}


def write_bert_tokenizer(folder, lowercase=True, with_file=True, max_length=512):
    vocabulary = train_vocabulary(lowercase)
    lines = sorted(vocabulary, key=vocabulary.get)
    (folder / "vocab.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase,
              "model_max_length": max_length, "strip_accents": None, "tokenize_chinese_chars": True,
              **dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], SPECIAL))}
    write_json(folder / "tokenizer_config.json", config)
    if not with_file:
        return vocabulary
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return vocabulary


def write_mpnet_tokenizer(folder):
    vocabulary = train_vocabulary(True, special=MPNET_SPECIAL)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.add_special_tokens(MPNET_SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512,
        "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>",
        "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"})
    return vocabulary


def copy_tokenizer(source):
    """The tokenizer files of a fixture of tests/text/data; answers a writer like those above."""
    def write(folder):
        for path in (HERE.parent / "text" / "data" / source).iterdir():
            if path.name != "golden.jsonl":
                shutil.copy(path, folder / path.name)
        return AutoTokenizer.from_pretrained(folder)
    return write


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def randomise(model, generator):
    """Every parameter, norms and biases too, at sizes that keep the layers alive."""
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if parameter.dim() == 2 and "embedding" not in name:
                parameter.copy_(noise * 1.3 / parameter.shape[1] ** 0.5)
            elif "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(1 + 0.4 * noise)
            else:
                parameter.copy_(noise * 0.35)


CONFIGS = {
    "bert": lambda size, vocab, **more: BertConfig(
        vocab_size=vocab, hidden_size=size, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=2 * size, max_position_embeddings=96, **more),
    "distilbert": lambda size, vocab, **more: DistilBertConfig(
        vocab_size=vocab, dim=size, n_layers=3, n_heads=4, hidden_dim=3 * size,
        max_position_embeddings=80, **more),
    "mpnet": lambda size, vocab, **more: MPNetConfig(
        vocab_size=vocab, hidden_size=size, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=2 * size, max_position_embeddings=98, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, layer_norm_eps=1e-5, **more),
    "roberta": lambda size, vocab, **more: RobertaConfig(
        vocab_size=vocab, hidden_size=size, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=2 * size, max_position_embeddings=98, type_vocab_size=1,
        layer_norm_eps=1e-5, pad_token_id=1, **more),
    "xlm-roberta": lambda size, vocab, **more: XLMRobertaConfig(
        vocab_size=vocab, hidden_size=size, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=2 * size, max_position_embeddings=98, type_vocab_size=1,
        layer_norm_eps=1e-5, pad_token_id=1, **more),
    "electra": lambda size, vocab, **more: ElectraConfig(
        vocab_size=vocab, embedding_size=size // 2, hidden_size=size, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=2 * size, max_position_embeddings=96, **more),
    "albert": lambda size, vocab, **more: AlbertConfig(
        vocab_size=vocab, embedding_size=size // 2, hidden_size=size, num_hidden_layers=4,
        num_hidden_groups=2, inner_group_num=2, num_attention_heads=4, intermediate_size=2 * size,
        max_position_embeddings=96, hidden_act="gelu_new", hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, **more),
    "t5": lambda size, vocab, **more: T5Config(
        vocab_size=vocab + 5, d_model=size, num_layers=2, num_heads=4, d_kv=10, d_ff=2 * size,
        relative_attention_num_buckets=16, relative_attention_max_distance=40, **more),
}


def write_transformer(folder, generator, family="bert", size=48, dtype=None, tokenizer=None,
                      shard=None, **more):
    tokenizer = tokenizer or (
        write_mpnet_tokenizer if family in ("mpnet", "t5") else write_bert_tokenizer)
    vocabulary = tokenizer(folder)
    config = CONFIGS[family](size, len(vocabulary), **more)
    model = AutoModel.from_config(config, dtype=torch.float32)
    randomise(model, generator)
    if dtype:
        model = model.to(dtype)
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))


def rename_as_of_old(folder):
    """The names of the first BERT files, with tensors no encoder needs."""
    path = folder / "model.safetensors"
    old = {}
    for name, tensor in load_file(path).items():
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        old[f"bert.{name}"] = tensor
    old["cls.predictions.bias"] = torch.zeros(7)
    old["bert.embeddings.position_ids"] = torch.arange(96)[None]
    save_file(old, path, metadata={"format": "pt"})


def assemble(folder, heads, max_length=64, lower=False, form="usual", **more):
    """Turn a transformers folder into a sentence-transformers one.

    `form` "usual" has the sentence_bert_config.json of most models on the Hub; "new" that of
    sentence-transformers 6, which leaves the length to tokenizer_config.json.
    """
    plain = folder.with_suffix(".plain")
    folder.rename(plain)
    transformer = Transformer(str(plain), model_kwargs={"dtype": "auto"})
    stack = SentenceTransformer(modules=[transformer, *heads], device="cpu", **more)
    stack.save_pretrained(str(folder), create_model_card=False)
    for kept in TOKENIZER_FILES:
        (folder / kept).unlink(missing_ok=True)
        if (plain / kept).exists():
            shutil.copy(plain / kept, folder / kept)
    if form == "usual":
        write_json(folder / "sentence_bert_config.json",
                   {"max_seq_length": max_length, "do_lower_case": lower})
    else:
        tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
        write_json(folder / "tokenizer_config.json",
                   {**tokenizer_config, "model_max_length": max_length})
    # As stored: saving again would rename tensors and join shards.
    for made in [*folder.glob("model*.safetensors*"), folder / "config.json"]:
        made.unlink()
    for stored in [*plain.glob("model*.safetensors*"), plain / "config.json"]:
        shutil.copy(stored, folder / stored.name)
    shutil.rmtree(plain)


def random_dense(generator, inputs, outputs, **more):
    dense = Dense(inputs, outputs, **more)
    randomise(dense, generator)
    return dense


def random_norm(generator, size):
    norm = LayerNorm(size)
    randomise(norm, generator)
    return norm


QUERY = {"query": "find what answers: ", "passage": "text: ", "topic": "name the subject of "}
# Per folder: what it shows, the transformer, the heads, the rest of sentence-transformers.
CASES = {
    "bert-mean-normalize": ("mean + Normalize, the MiniLM form", {"size": 64},
                            lambda g: [Pooling(64, "mean"), Normalize()], {}),
    "bert-cls": ("CLS without Normalize", {}, lambda g: [Pooling(48, "cls")],
                 {"form": "new", "max_length": 40}),
    "bert-oldnames": ("gamma and beta, prefix bert., vocab.txt alone, cased",
                      {"tokenizer": lambda f: write_bert_tokenizer(f, False, False)},
                      lambda g: [Pooling(48, "mean")], {}),
    "bert-f16": ("weights F16, CLS", {"dtype": torch.float16}, lambda g: [Pooling(48, "cls")], {}),
    "bert-bf16": ("weights BF16, mean + Normalize", {"dtype": torch.bfloat16},
                  lambda g: [Pooling(48, "mean"), Normalize()], {}),
    "bert-sharded": ("several shards and their index", {"shard": "100KB"},
                     lambda g: [Pooling(48, "mean")], {}),
    "bert-gelu-new": ("the tanh form of GELU, another epsilon",
                      {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5},
                      lambda g: [Pooling(48, "mean")], {}),
    "bert-odd-sizes": ("hidden 36, four heads of 9: nothing is a multiple of a vector", {"size": 36},
                       lambda g: [Pooling(36, "mean"), Normalize()], {}),
    "distilbert-mean": ("DistilBERT", {"family": "distilbert"}, lambda g: [Pooling(48, "mean")], {}),
    "mpnet-mean-normalize": ("MPNet: relative positions, offset, no token types",
                             {"family": "mpnet"}, lambda g: [Pooling(48, "mean"), Normalize()], {}),
    "roberta-mean": ("RoBERTa: positions start behind the padding id; vocab.json and merges.txt",
                     {"family": "roberta", "tokenizer": copy_tokenizer("merges-roberta")},
                     lambda g: [Pooling(48, "mean"), Normalize()], {}),
    "xlm-roberta-cls": ("XLM-RoBERTa; a SentencePiece file",
                        {"family": "xlm-roberta", "tokenizer": copy_tokenizer("spiece-xlmr")},
                        lambda g: [Pooling(48, "cls")], {}),
    "electra-cls": ("ELECTRA: narrow embeddings, projected", {"family": "electra"},
                    lambda g: [Pooling(48, "cls")], {}),
    "albert-mean": ("ALBERT: narrow embeddings, four steps over two groups of two layers",
                    {"family": "albert"}, lambda g: [Pooling(48, "mean"), Normalize()], {}),
    "t5-mean": ("T5's encoder out of a whole model: no position table, no biases",
                {"family": "t5"}, lambda g: [Pooling(48, "mean"), random_dense(
                    g, 48, 24, bias=False, activation_function=torch.nn.Identity()), Normalize()],
                {}),
    "t5-gated": ("the gated form of T5's feed-forward",
                 {"family": "t5", "feed_forward_proj": "gated-gelu"},
                 lambda g: [Pooling(48, "mean")], {}),
    "pool-max": ("largest of each component", {"size": 32}, lambda g: [Pooling(32, "max")], {}),
    "pool-meansqrt": ("sum over the root of the length", {"size": 32},
                      lambda g: [Pooling(32, "mean_sqrt_len_tokens")], {}),
    "pool-weightedmean": ("later tokens weigh more", {"size": 32},
                          lambda g: [Pooling(32, "weightedmean")], {}),
    "pool-lasttoken": ("the last token", {"size": 32}, lambda g: [Pooling(32, "lasttoken")], {}),
    "pool-cls-max-mean": ("three poolings side by side", {"size": 32},
                          lambda g: [Pooling(32, ("cls", "max", "mean"))], {}),
    "dense-tanh": ("Dense with bias and Tanh, then Normalize", {},
                   lambda g: [Pooling(48, "mean"), random_dense(g, 48, 20), Normalize()], {}),
    "dense-plain": ("two Dense without activation, one without bias", {"size": 32},
                    lambda g: [Pooling(32, "mean"), random_dense(
                        g, 32, 40, bias=False, activation_function=torch.nn.Identity()),
                               random_dense(g, 40, 24, activation_function=torch.nn.Identity())], {}),
    "layernorm-module": ("LayerNorm after pooling", {"size": 32},
                         lambda g: [Pooling(32, "mean"), random_norm(g, 32)], {}),
    "prompts": ("prompts, one of them by default", {"size": 32},
                lambda g: [Pooling(32, "mean"), Normalize()],
                {"prompts": QUERY, "default_prompt_name": "topic"}),
    "prompts-excluded": ("include_prompt false: the prompt is attended to, not pooled", {"size": 32},
                         lambda g: [Pooling(32, "mean", include_prompt=False)], {"prompts": QUERY}),
    "lower-case": ("do_lower_case over a cased tokenizer, 24 tokens at most",
                   {"size": 32, "tokenizer": lambda f: write_bert_tokenizer(f, False)},
                   lambda g: [Pooling(32, "mean")], {"max_length": 24, "lower": True}),
    "no-modules-json": ("no sentence-transformers files: mean of a plain DistilBERT",
                        {"family": "distilbert", "size": 32}, None, {}),
}
CALLS = {
    "bert-cls": [("encode", {}), ("encode", {"prompt": "Represent this: "}),
                 ("encode", {"normalize_embeddings": True, "truncate_dim": 16})],
    "prompts": [("encode", {}), ("encode_query", {}), ("encode_document", {}),
                ("encode", {"prompt_name": "passage"}), ("encode", {"prompt": ""})],
    "prompts-excluded": [("encode", {}), ("encode_query", {}), ("encode", {"prompt_name": "topic"})],
}


def make(name):
    case, transformer, heads, more = CASES[name]
    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    write_transformer(folder, generator, **transformer)
    if name == "bert-oldnames":
        rename_as_of_old(folder)
    if heads:
        assemble(folder, heads(generator), **more)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    data = reference.golden(folder, case, texts.FEW, CALLS.get(name, [("encode", {})]))
    (folder / "golden.json").write_text(
        json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{name}: {size // 1000} kB, f32 to f64 {data['tolerance_observed']}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or CASES:
        make(wanted)
