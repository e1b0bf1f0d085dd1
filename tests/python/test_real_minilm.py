# SPDX-License-Identifier: Apache-2.0
"""The real all-MiniLM-L6-v2 against what sentence-transformers makes of 372 texts."""
import json

import numpy as np
import pytest
from mm_program import MINILM, ROOT, cosine, embed, embedding, processor_has, task

needs_bf16 = pytest.mark.skipif(not processor_has("avx512_bf16") and not processor_has("amx_bf16"),
                                reason="this processor has no bf16 instructions")


@pytest.fixture(scope="module")
def reference():
    stored = np.load(ROOT / "tests/golden/minilm.npz")
    ends = np.cumsum(stored["lengths"])
    return {
        "texts": json.loads(stored["texts"].tobytes()),
        "ids": [part.tolist() for part in np.split(stored["ids"], ends[:-1])],
        "embeddings": stored["embeddings"],
    }


@pytest.fixture(scope="module")
def ours(reference):
    return embed(MINILM, reference["texts"], return_ids=True, use_cache=False)


def test_token_ids_are_equal(reference, ours):
    wrong = [(text, theirs, mine) for text, theirs, mine
             in zip(reference["texts"], reference["ids"], ours["input_ids"], strict=True)
             if theirs != mine]
    assert not wrong, f"{len(wrong)} texts differ, the first: {wrong[0]}"


def test_lengths_and_truncation(reference, ours):
    assert ours["tokens"] == [len(ids) for ids in reference["ids"]]
    assert sum(ours["truncated"]) >= 30
    assert all(count == 256 for count, cut in zip(ours["tokens"], ours["truncated"]) if cut)


def test_f32_vectors(reference, ours):
    theirs, mine = reference["embeddings"], ours["embeddings"]
    assert mine.shape == theirs.shape == (372, 384)
    assert cosine(theirs, mine).min() >= 0.999999
    assert np.abs(theirs - mine).max() <= 2e-6


@needs_bf16
def test_bf16_vectors(reference):
    mine = embed(MINILM, reference["texts"], dtype="bf16", use_cache=False)
    assert mine["dtype"] == "bf16"
    assert cosine(reference["embeddings"], mine["embeddings"]).min() >= 0.9995


@pytest.mark.parametrize("dtype", ["f32", pytest.param("bf16", marks=needs_bf16)])
def test_the_same_bits_in_any_company(reference, dtype):
    texts = reference["texts"][::7]
    more = {"dtype": dtype, "use_cache": False}
    alone = [embedding(MINILM, [text], **more) for text in texts]
    results = task(embedding(MINILM, texts, **more), embedding(MINILM, texts[::-1], **more),
                   embedding(MINILM, reference["texts"], **more), *alone,
                   arguments=["--set", "worker_pool.num_workers=2"])
    assert all(result["success"] for result in results)
    vectors = [np.asarray(result["data"]["embeddings"], np.float32) for result in results]
    assert np.array_equal(vectors[0], vectors[1][::-1])
    assert np.array_equal(vectors[0], vectors[2][::7])
    assert np.array_equal(vectors[0], np.concatenate(vectors[3:]))


def test_known_answers():
    texts = ["What is Deep Learning?", "A man is eating food.",
             "A man is eating a piece of bread.", "The girl is carrying a baby."]
    vectors = embed(MINILM, texts)["embeddings"]
    assert np.allclose(vectors[0][:3], [-0.0778514, -0.0332804, 0.0197434], atol=1e-6)
    assert cosine(vectors[1], vectors[2]) == pytest.approx(0.7553, abs=1e-4)
    assert cosine(vectors[1], vectors[3]) == pytest.approx(-0.1050, abs=1e-4)
