# SPDX-License-Identifier: Apache-2.0
"""What the benchmark needs to know of a sentence-transformers folder. Light: the cold-start runs import it."""
import json
import os
import struct


def read_json(path, default=None):
    if not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class ModelDir:
    """Pooling, limits and sizes of one folder."""

    def __init__(self, path):
        self.path = path
        self.config = read_json(os.path.join(path, "config.json"))
        modules = read_json(os.path.join(path, "modules.json"), [])
        self.normalize = any(module["type"].endswith("Normalize") for module in modules)
        pooling = read_json(os.path.join(path, "1_Pooling", "config.json"), {})
        self.cls = bool(pooling.get("pooling_mode_cls_token"))
        limits = read_json(os.path.join(path, "sentence_bert_config.json"), {})
        self.max_length = limits.get("max_seq_length") or self.config["max_position_embeddings"]
        self.hidden = self.config["hidden_size"]
        self.layers = self.config["num_hidden_layers"]
        self.heads = self.config["num_attention_heads"]

    def tokenizer(self):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(os.path.join(self.path, "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    def flops(self, token_counts):
        """2 x multiply-adds of the linear and attention products over real tokens: no padding, no pooler."""
        inner = self.config["intermediate_size"]
        linear = self.layers * (4 * self.hidden * self.hidden + 2 * self.hidden * inner)
        attention = self.layers * 2 * self.hidden
        return 2 * sum(linear * n + attention * n * n for n in token_counts)

    def weight_count(self):
        """Elements of all floating-point tensors in model.safetensors, from its header."""
        with open(os.path.join(self.path, "model.safetensors"), "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        total = 0
        for name, tensor in header.items():
            if name != "__metadata__" and tensor["dtype"] in ("F64", "F32", "F16", "BF16"):
                count = 1
                for size in tensor["shape"]:
                    count *= size
                total += count
        return total
