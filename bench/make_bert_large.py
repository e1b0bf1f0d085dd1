# SPDX-License-Identifier: Apache-2.0
"""Write a BERT-large (24 x 1024) with random weights as a sentence-transformers folder with one F16 safetensors file.

The form is mxbai-embed-large's: CLS pooling, no normalisation. The tokenizer is copied from a folder with the BERT
uncased vocabulary. usage: make_bert_large.py TOKENIZER_DIR OUT_DIR
"""
import json
import os
import shutil
import sys

import torch
from transformers import BertConfig, BertModel


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)


def main(tokenizer_dir, out_dir):
    torch.manual_seed(20)
    config = BertConfig(
        vocab_size=30522, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
    )
    model = BertModel(config, add_pooling_layer=True).eval()
    # Fresh BERT weights (std 0.02, unit norms, zero biases) leave every text almost the same vector. Wider products
    # and biases that are not zero make the comparison of vectors mean something.
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0.0, 0.05)
            elif "LayerNorm" in name:
                weight.normal_(1.0, 0.1)
            elif weight.dim() == 2 and "embeddings" not in name:
                weight.normal_(0.0, 0.04)
    partial = out_dir + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.half().save_pretrained(partial)
    # Files on the Hub have this key; transformers 5 no longer writes it, and CTranslate2's converter asks for it.
    with open(os.path.join(partial, "config.json"), encoding="utf-8") as file:
        written = json.load(file)
    write_json(os.path.join(partial, "config.json"), dict(written, position_embedding_type="absolute"))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if os.path.exists(os.path.join(tokenizer_dir, name)):
            shutil.copy(os.path.join(tokenizer_dir, name), partial)
    kinds = "sentence_transformers.models."
    write_json(os.path.join(partial, "modules.json"), [
        {"idx": 0, "name": "0", "path": "", "type": kinds + "Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": kinds + "Pooling"},
    ])
    write_json(os.path.join(partial, "1_Pooling", "config.json"), {
        "word_embedding_dimension": 1024, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })
    write_json(os.path.join(partial, "sentence_bert_config.json"), {"max_seq_length": 512, "do_lower_case": False})
    shutil.rmtree(out_dir, ignore_errors=True)
    os.rename(partial, out_dir)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
