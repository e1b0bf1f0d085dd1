# SPDX-License-Identifier: Apache-2.0
"""The benchmark's least work of generating, against counts made by hand."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from limits import Seq2SeqLimit  # noqa: E402
import report  # noqa: E402

T5_BASE = {"model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12,
           "num_heads": 12}
BART = {"model_type": "bart", "vocab_size": 10, "d_model": 4, "encoder_layers": 1, "decoder_layers": 2,
        "encoder_ffn_dim": 3, "decoder_ffn_dim": 5}


def test_the_work_of_t5_base_is_that_counted_by_hand():
    limit = Seq2SeqLimit(T5_BASE)
    # a layer of the decoder: 6 x 768 x 768 + 2 x 768 x 3072 = 8,257,536; the vocabulary: 24,674,304
    assert limit.step_weights == 12 * 8257536 + 24674304
    # a layer of the encoder: 4 x 768 x 768 + 2 x 768 x 3072; two products of 768 a pair; two matrices a layer for the decoder
    assert limit.encoding([200]) == (2 * 12 * (200 * 7077888 + 200 * 200 * 1536 + 200 * 1179648), 0)


def test_the_work_of_a_small_bart_is_that_counted_by_hand():
    limit = Seq2SeqLimit(BART)
    assert limit.encoding([3]) == (2 * (3 * (4 * 16 + 2 * 12) + 9 * 8 + 3 * 2 * 32), 0)
    # second step, 2 beams of one source of 3 tokens: each row has the weights, 2 keys of its own and 3 of the source
    weights = 2 * (6 * 16 + 2 * 20) + 40
    assert limit.step([3], 2, 2) == (2 * (2 * weights + 2 * (2 + 3) * 16), 4 * (weights + (3 + 2 * 2) * 16))
    # in the first there is one row
    assert limit.step([3], 2, 1) == (2 * (weights + (1 + 3) * 16), 4 * (weights + (3 + 1) * 16))


def test_a_part_takes_the_longer_of_its_products_and_its_reads():
    row = {"parts": [(3e9, 0), (1e9, 4e9), (1e9, 1e9)], "peaks": [1.0], "reads": [2.0]}
    assert report.least_time(row) == 3 + 2 + 1
    assert report.share(row, 12.0) == 0.5
    assert report.least_time({"flops": 5e9, "peaks": [2.0]}) == 2.5
    assert report.least_time({"parts": [(1e9, 1e9)], "peaks": [1.0], "reads": []}) is None


@pytest.mark.parametrize("ours, met", [(0.4, "yes, by ratio"), (1.1, "yes, by share"), (2.0, "NO")])
def test_a_bar_says_which_way_it_was_met(ours, met):
    row = {"kind": "generation", "dtype": "f32", "bars": [("ctranslate2", 2.0)], "parts": [(1e9, 0)], "peaks": [1.0],
           "ours": {"rounds": [ours]}, "sides": {"ctranslate2 f32": {"rounds": [1.0], "cosine": None}}}
    assert [report.met_text(bar) for bar in report.judge(row)] == [met]
