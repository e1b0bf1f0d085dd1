# SPDX-License-Identifier: Apache-2.0
"""Encoder-decoders against transformers, computed here and now: published shapes, and small models
of fresh seeds."""
import json
import random
import shutil
import subprocess

import make_generation
import make_seq2seq
import numpy as np
import pytest
import torch
from conftest import SEED
from mm_program import BUILD, ROOT
from transformers import AutoModelForSeq2SeqLM

STEPS, SOURCE = 16, 120
# Of a value's size: float32 on either side leaves about 1e-6 a layer.
STATES_BOUND, LOGITS_BOUND = 2e-5, 1e-4


def trace(folder, ids, start, hidden, vocabulary, out):
    """Our encoder states and the logits of each greedy step."""
    subprocess.run([BUILD / "tests/models/seq2seq_trace", folder, out, str(start), str(STEPS),
                    *map(str, ids)], check=True, timeout=3000)
    values = np.fromfile(out, np.float32)
    states = len(ids) * hidden
    return values[:states].reshape(-1, hidden), values[states:].reshape(STEPS, vocabulary)


def distance(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.sqrt((theirs ** 2).mean()))


@pytest.mark.parametrize("shape", sorted(make_seq2seq.SHAPES))
def test_published_shapes(shape, record_property):
    """Gigabytes, so one at a time, and deleted afterwards."""
    folder = ROOT / ".cache/reference" / shape
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make_seq2seq.write(folder, shape)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
        config = model.config
        ids = [random.Random(SEED).randrange(4, config.vocab_size) for _ in range(SOURCE)]
        inputs = torch.tensor([ids])
        with torch.no_grad():
            states = model.get_encoder()(inputs).last_hidden_state[0].numpy()
            out = model.generate(inputs, num_beams=1, do_sample=False, min_new_tokens=STEPS,
                                 max_new_tokens=STEPS, return_dict_in_generate=True,
                                 output_logits=True)
        del model
        logits = torch.cat(out.logits).numpy()
        generated = out.sequences[0, 1:].tolist()
        ours, our_logits = trace(folder, ids, config.decoder_start_token_id, config.d_model,
                                 config.vocab_size, folder / "trace")
        top = np.sort(logits, axis=-1)[:, -2:]
        gap = float((top[:, 1] - top[:, 0]).min())
        record_property(shape, f"encoder states within {distance(ours, states):.1e} of their size, "
                        f"logits within {np.abs(our_logits - logits).max():.1e}, smallest gap of "
                        f"the best two {gap:.1e}, {len(set(generated))} of {STEPS} tokens differ")
        assert len(set(generated)) >= STEPS // 2
        assert our_logits.argmax(-1).tolist() == generated
        assert distance(ours, states) <= STATES_BOUND
        assert distance(our_logits, logits) <= LOGITS_BOUND
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def generate(folder, requests):
    """Our ids for each (source, parameters)."""
    lines = "".join(json.dumps({"sources": [ids], "parameters": parameters}) + "\n"
                    for ids, parameters in requests)
    done = subprocess.run([BUILD / "tests/tasks/generation_timer", folder, "2"], input=lines,
                          text=True, capture_output=True, check=True, timeout=3000)
    return [json.loads(line)["sequences"] for line in done.stdout.splitlines()[1:]]


def cut(ids, settings):
    """Without the start token, and what a batch of sequences is filled up with."""
    ids = ids[1:]
    ends = settings.eos_token_id
    for i, token in enumerate(ids):
        if token in (ends if isinstance(ends, list) else [ends]):
            return ids[:i + 1]
    return ids


@pytest.mark.parametrize("name", sorted(make_generation.CASES))
def test_small_models(name, tmp_path, record_property):
    """Kept is what float32 and float64 of the library agree on."""
    torch.set_num_threads(1)
    folder = tmp_path / name
    folder.mkdir()
    make_generation.build(folder, name, seed=SEED)
    load = AutoModelForSeq2SeqLM.from_pretrained
    models = [load(folder, dtype=torch.float32).eval(), load(folder).double().eval()]
    random_ = random.Random(SEED)
    vocabulary = min(models[0].config.vocab_size, models[0].lm_head.out_features)
    likely = random_.sample(range(20, vocabulary), 3)
    calls = [call for call in make_generation.calls(likely) if "eos_token_id" not in call]
    requests, expected = [], []
    for call in calls:
        source = [random_.randrange(20, vocabulary) for _ in range(random_.randint(1, 60))] + [2]
        found = [make_generation.generate(model, torch.tensor([source]), call)[0]
                 for model in models]
        if found[0] == found[1]:
            requests.append((source, call))
            expected.append([cut(ids, models[0].generation_config) for ids in found[1]])
    record_property(name, f"{len(requests)} of {len(calls)} calls compared, seed {SEED}")
    assert len(requests) > len(calls) // 2
    for ours, theirs, request in zip(generate(folder, requests), expected, requests, strict=True):
        assert ours == theirs, request
