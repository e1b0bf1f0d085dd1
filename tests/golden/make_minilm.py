# SPDX-License-Identifier: Apache-2.0
"""Write minilm.npz: what sentence-transformers makes of many texts with the real MiniLM.

    .venv-reference/bin/python tests/golden/make_minilm.py

texts: UTF-8 JSON list; ids: all token ids in a row; lengths: ids per text; embeddings: float32,
each text encoded alone.
"""
import json
from pathlib import Path

import numpy as np
import reference
import texts

HERE = Path(__file__).resolve().parent
MODEL = HERE.parents[1] / "build/models/all-MiniLM-L6-v2"


def main():
    lines = texts.many()
    model = reference.load(MODEL)
    ids = reference.token_ids(model, lines)
    embeddings = reference.encode(model, lines)
    np.savez_compressed(
        HERE / "minilm.npz",
        texts=np.frombuffer(json.dumps(lines).encode(), np.uint8),
        ids=np.concatenate([np.asarray(row, np.int32) for row in ids]),
        lengths=np.asarray([len(row) for row in ids], np.int32),
        embeddings=embeddings.astype(np.float32))
    print(len(lines), "texts,", sum(map(len, ids)), "tokens, longest", max(map(len, ids)))


if __name__ == "__main__":
    main()
