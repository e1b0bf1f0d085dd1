# SPDX-License-Identifier: Apache-2.0
"""Write a model of BERT-large's shape with random weights in an F16 file, tokenizer of MiniLM.

    .venv-reference/bin/python tests/reference/make_bert_large.py FOLDER cls|mean

cls: CLS pooling without Normalize, the form of mxbai-embed-large; mean: mean and Normalize, the
form of e5-large-v2.
"""
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/golden"))

import make_models  # noqa: E402
import torch  # noqa: E402
from transformers import BertConfig, BertModel  # noqa: E402

MINILM = ROOT / "build/models/all-MiniLM-L6-v2"


def write(folder, form, layers=24):
    folder.mkdir(parents=True)
    model = BertModel(BertConfig(vocab_size=30522, hidden_size=1024, num_hidden_layers=layers,
                                 num_attention_heads=16, intermediate_size=4096))
    make_models.randomise(model, torch.Generator().manual_seed(24))
    model.half().save_pretrained(folder)
    del model
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(MINILM / name, folder / name)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling"}]
    if form == "mean":
        modules.append({"idx": 2, "name": "2", "path": "2_Normalize",
                        "type": "sentence_transformers.models.Normalize"})
    make_models.write_json(folder / "modules.json", modules)
    make_models.write_json(folder / "sentence_bert_config.json",
                           {"max_seq_length": 512, "do_lower_case": False})
    (folder / "1_Pooling").mkdir()
    make_models.write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": 1024, "pooling_mode_cls_token": form == "cls",
        "pooling_mode_mean_tokens": form == "mean", "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False})


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
