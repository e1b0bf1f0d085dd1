#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Give bart-g2p-en-us, a small BART that pronounces English words, the tokenizer.json that its folder lacks.

    examples/models/make_g2p.py MODEL FOLDER

Its vocabulary is in its config.json: an id means a letter in the source and a sound in what is written. One tokenizer has
one vocabulary, so this one has the sounds, and a normalizer turns each letter into the sound with the same id. Copies the
model to FOLDER, the tokenizer beside it. Needs nothing but Python.
"""
import json
import shutil
import sys
from pathlib import Path

SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]  # the ids 0 to 3
UNKNOWN = "\ufffd"


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def tokenizer_of(config):
    letters, sounds = (config[name][len(SPECIALS):] for name in ("grapheme_chars", "phoneme_chars"))
    # There are more letters than sounds; the last ones stay themselves, and are never written.
    pieces = SPECIALS + list(sounds) + list(letters[len(sounds):])
    assert len(set(pieces)) == len(pieces) <= config["vocab_size"]
    only_letters = "[^" + "".join("\\" + letter if letter in "-.'" else letter for letter in letters) + "]"
    normalizers = [replace({"Regex": only_letters}, UNKNOWN)]
    normalizers += [replace({"String": letter}, sound) for letter, sound in zip(letters, sounds) if letter != sound]
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    begin, end = ({"id": name, "ids": [SPECIALS.index(name)], "tokens": [name]} for name in ("<s>", "</s>"))
    one = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
           {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [dict(token, id=i, content=name) for i, name in enumerate(SPECIALS)],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False},
        "post_processor": {"type": "TemplateProcessing", "single": one,
                           "pair": one + [{"Sequence": {"id": "B", "type_id": 0}}, one[2]],
                           "special_tokens": {"<s>": begin, "</s>": end}},
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {piece: i for i, piece in enumerate(pieces)}, "unk_token": "<unk>"},
    }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(model / name, folder / name)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_of(config), ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>",
         "unk_token": "<unk>"}), encoding="utf-8")


if __name__ == "__main__":
    main()
