# SPDX-License-Identifier: Apache-2.0
"""Write an encoder-decoder of a published model's shape with random weights in a float32 file.

    .venv-reference/bin/python tests/reference/make_seq2seq.py FOLDER t5-small|t5-base|t5-large|bart-large-cnn

The weights are shaped so that greedy decoding does not repeat itself: all sublayers together add
about as much as the embedding holds, so that the next token depends on the last one too; the last
norm's weights have random signs, so that a token does not call for itself through the tied
vocabulary; and the last feed-forward adds the most, since without a function in between two tokens
would call for each other. The tokenizer reads "w12 w7" as the ids 12 and 7; special ids have the usual names.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import (AutoModelForSeq2SeqLM, BartConfig, GenerationConfig, T5Config)

T5_NAMES = ["<pad>", "</s>", "<unk>"]
BART_NAMES = ["<s>", "<pad>", "</s>", "<unk>"]
T5_IDS = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
SHAPES = {
    "t5-small": lambda: T5Config(vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6,
                                 num_heads=8, **T5_IDS),
    "t5-base": lambda: T5Config(vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12,
                                num_heads=12, **T5_IDS),
    "t5-large": lambda: T5Config(vocab_size=32128, d_model=1024, d_kv=64, d_ff=4096, num_layers=24,
                                 num_heads=16, **T5_IDS),
    "bart-large-cnn": lambda: BartConfig(vocab_size=50264, d_model=1024, encoder_layers=12,
                                         decoder_layers=12, encoder_ffn_dim=4096,
                                         decoder_ffn_dim=4096, encoder_attention_heads=16,
                                         decoder_attention_heads=16, decoder_start_token_id=2,
                                         forced_eos_token_id=None),
}
SEED = 7
LEAVING = ("Attention.o.weight", "wo.weight", "out_proj.weight", "fc2.weight")


def shape_weights(model, generator):
    """T5 does not scale its scores, so that its queries are smaller, as in its own initialisation."""
    layers = getattr(model.config, "num_layers", None) or model.config.decoder_layers
    loud = (f"decoder.block.{layers - 1}.layer.2.DenseReluDense.wo.weight",
            f"decoder.layers.{layers - 1}.fc2.weight")
    last = "decoder.final_layer_norm.weight" if model.config.model_type == "t5" else \
        f"decoder.layers.{model.config.decoder_layers - 1}.final_layer_norm.weight"
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.normal_(generator=generator)
            if "shared" in name or "relative_attention_bias" in name:
                continue
            if "norm" in name and name.endswith("weight"):
                parameter.mul_(0.1).add_(1)
                if name.endswith(last):
                    signs = torch.rand(parameter.shape, generator=generator) < 0.5
                    parameter[signs] *= -1
            elif parameter.dim() == 2 and "embed_positions" not in name:
                parameter.mul_(parameter.shape[1] ** -0.5)
                if name.endswith(loud):
                    parameter.mul_(4)
                elif name.endswith(LEAVING):
                    parameter.mul_((3 * layers) ** -0.5)
                if name.endswith("Attention.q.weight"):
                    parameter.mul_(model.config.d_kv ** -0.5)
            else:
                parameter.mul_(0.2 if parameter.dim() == 2 else 0.05)  # positions; biases


def write_tokenizer(folder, size, special):
    words = {special[i] if i < len(special) else f"w{i}": i for i in range(size)}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
        "decoder": None, "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}}),
        encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>",
         "unk_token": "<unk>", "bos_token": "<s>" if "<s>" in special else None}), encoding="utf-8")


def write(folder, shape, seed=SEED):
    folder.mkdir(parents=True)
    config = SHAPES[shape]()
    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
    model = model.to_empty(device="cpu").eval()
    model.tie_weights()
    shape_weights(model, torch.Generator().manual_seed(seed))
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.zero_()
    ids = ("decoder_start_token_id", "pad_token_id", "eos_token_id")
    model.generation_config = GenerationConfig(**{key: getattr(config, key) for key in ids})
    model.save_pretrained(folder)
    write_tokenizer(folder, config.vocab_size, T5_NAMES if config.model_type == "t5" else BART_NAMES)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
