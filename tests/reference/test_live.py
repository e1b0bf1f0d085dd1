# SPDX-License-Identifier: Apache-2.0
"""Our vectors against those of sentence-transformers, computed here and now on fresh texts."""
import json
from pathlib import Path

import make_bert_large
import numpy as np
import pytest
import reference
from mm_program import MINILM, ROOT, cosine, embed, processor_has

SHARED = ROOT.parent / "shared/golden"
FAMILIES = {"bert", "distilbert", "mpnet"}


def embedding_folders(parent):
    for golden in sorted(parent.glob("*/golden.json")):
        if json.loads(golden.read_text(encoding="utf-8"))["kind"] != "embedding":
            continue
        config = golden.parent / "config.json"
        if config.exists() and json.loads(config.read_text())["model_type"] in FAMILIES:
            yield golden.parent


FOLDERS = [*embedding_folders(ROOT / "tests/golden/models"), *embedding_folders(SHARED)]
if not SHARED.exists():
    print(f"{SHARED} is not there: only the models of this repository are compared")


def compare(folder, texts, bound=2e-6, double=False, **parameters):
    """Ids equal; vectors within `bound` of the reference, relative to its norm."""
    model = reference.load(folder)
    ours = embed(folder, texts, return_ids=True, use_cache=False, timeout=3000, **parameters)
    prompt = reference.prompt_of(model, "encode", {})
    assert ours["input_ids"] == reference.token_ids(model, texts, prompt)
    theirs = reference.encode(model.double() if double else model, texts)
    distance = np.abs(theirs - ours["embeddings"]).max(-1)
    relative = distance / np.maximum(np.linalg.norm(theirs, axis=-1), 1e-6)
    cosines = cosine(theirs, ours["embeddings"])
    print(f"{Path(folder).name}: cosine {cosines.min():.9f}, largest difference {relative.max():.2e}")
    assert cosines.min() >= (0.999999 if bound < 1e-3 else 0.9995)
    assert relative.max() <= bound


def test_real_minilm(fresh):
    compare(MINILM, fresh(240, longest=30))


@pytest.mark.skipif(not processor_has("avx512_bf16") and not processor_has("amx_bf16"),
                    reason="this processor has no bf16 instructions")
def test_real_minilm_bf16(fresh):
    compare(MINILM, fresh(120, longest=30), bound=0.02, dtype="bf16")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_small_models(fresh, folder):
    compare(folder, fresh(60), double=True)


@pytest.mark.parametrize("form", ["cls", "mean"])
def test_bert_large(fresh, tmp_path, form):
    folder = tmp_path / f"bert-large-{form}"
    make_bert_large.write(folder, form)
    compare(folder, fresh(24, longest=20), double=True)
    # Two gigabytes of files are not left for later.
    for file in folder.glob("*.safetensors"):
        file.unlink()
