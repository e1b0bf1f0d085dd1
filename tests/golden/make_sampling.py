# SPDX-License-Identifier: Apache-2.0
"""Write what transformers makes of scores before a token is chosen, and where stop texts end a text:
models/sampling, models/logits-processors and models/stop-texts.

    .venv-reference/bin/python tests/golden/make_sampling.py

The processors and warpers are those that generate() itself builds from the parameters, in its order.
A run is kept only if float32 and float64 keep the same tokens.
"""
import json
import math
import random
from pathlib import Path
from types import SimpleNamespace

import reference
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig, GenerationMixin
from transformers.generation.stopping_criteria import StopStringCriteria

HERE = Path(__file__).resolve().parent
WARPERS = [
    {}, {"temperature": 0.35}, {"temperature": 3.0}, {"top_k": 1}, {"top_k": 2}, {"top_k": 7}, {"top_k": 50},
    {"top_p": 0.0}, {"top_p": 0.3}, {"top_p": 0.77}, {"top_p": 0.999}, {"min_p": 0.0}, {"min_p": 0.02},
    {"min_p": 0.3}, {"min_p": 1.0}, {"typical_p": 0.05}, {"typical_p": 0.5}, {"typical_p": 0.95},
    {"epsilon_cutoff": 0.002}, {"epsilon_cutoff": 0.1}, {"epsilon_cutoff": 0.9}, {"eta_cutoff": 0.002},
    {"eta_cutoff": 0.3}, {"eta_cutoff": 0.9}, {"top_h": 0.1}, {"top_h": 0.7}, {"top_h": 0.99},
    {"temperature": 0.7, "top_k": 20, "top_p": 0.9}, {"top_h": 0.8, "top_k": 5, "typical_p": 0.9},
    {"temperature": 1.3, "top_p": 0.95, "min_p": 0.05, "epsilon_cutoff": 0.004},
    {"temperature": 0.9, "top_h": 0.9, "top_k": 40, "top_p": 0.97, "min_p": 0.01, "typical_p": 0.96,
     "epsilon_cutoff": 0.0005, "eta_cutoff": 0.001},
]
PROCESSORS = [
    {"repetition_penalty": 0.7}, {"repetition_penalty": 2.5}, {"encoder_repetition_penalty": 1.7},
    {"encoder_repetition_penalty": 0.6, "repetition_penalty": 1.2}, {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 3}, {"encoder_no_repeat_ngram_size": 1},
    {"encoder_no_repeat_ngram_size": 2}, {"encoder_no_repeat_ngram_size": 3},
    {"bad_words_ids": [[5], [3], [7, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]},
    {"sequence_bias": [[[5], -3.5], [[7, 9], 2.25], [[9, 7, 8], 100.0], [[6], 1.0]]},
    {"min_length": 4}, {"min_new_tokens": 5}, {"min_length": 3, "min_new_tokens": 2},
    {"forced_bos_token_id": 8}, {"forced_eos_token_id": 3, "max_length": 5},
    {"forced_eos_token_id": [3, 6], "max_length": 9}, {"exponential_decay_length_penalty": [0, 1.5]},
    {"exponential_decay_length_penalty": [3, 0.9]}, {"suppress_tokens": [0, 3, 31]},
    {"begin_suppress_tokens": [4, 5]}, {"begin_suppress_tokens": [4, 5], "forced_bos_token_id": 8},
    {"remove_invalid_values": True, "suppress_tokens": [2], "bad_words_ids": [[9]]},
    {"no_repeat_ngram_size": 2, "remove_invalid_values": True, "exponential_decay_length_penalty": [1, 1.2]},
    {"sequence_bias": [[[9], 2.0]], "repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "bad_words_ids": [[11]],
     "min_length": 6, "exponential_decay_length_penalty": [2, 1.1], "suppress_tokens": [13],
     "begin_suppress_tokens": [14], "encoder_repetition_penalty": 1.1, "encoder_no_repeat_ngram_size": 4},
]
HISTORIES = [[2], [2, 8], [2, 5, 7, 9, 7], [2, 5, 7, 9, 5, 7, 9, 5], [2, 9, 9, 9, 9, 9, 9, 9, 9, 7]]
STOPS = [["e"], [" the"], ["cat sat"], ["at s", "zz"], ["xy", "ing"], [". "], ["nnot be"]]


def numbers(values):
    return [v if math.isfinite(v) else str(v) for v in (float(f"{v:.9g}") for v in values)]


def processors(params, eos, history=(2,), encoder=None):
    """What generate() would apply."""
    config = GenerationConfig(**{"max_length": 1000, "num_beams": 1, **params})
    for name, value in GenerationConfig()._get_default_generation_params().items():
        if getattr(config, name, None) is None and name != "top_k":
            setattr(config, name, value)
    config._eos_token_tensor = torch.tensor(eos)
    model = SimpleNamespace(config=SimpleNamespace(is_encoder_decoder=True),
                            _merge_criteria_processor_list=lambda own, more: own)
    return GenerationMixin._get_logits_processor(
        model, config, input_ids_seq_length=1, encoder_input_ids=encoder, device="cpu", model_kwargs={})


def warped(vector, params, eos, dtype, beams=1):
    scores = torch.tensor([vector], dtype=dtype)
    made = processors({"do_sample": True, "num_beams": beams, "top_k": None, **params}, eos)
    return made(torch.tensor([[2]]), scores)[0]


def make_sampling():
    chance = random.Random(11)
    vectors = {
        "normal97": [chance.gauss(0, 2.5) for _ in range(97)],
        "steep300": [chance.gauss(0, 6) for _ in range(300)],
        "even120": [chance.gauss(0, 0.05) for _ in range(120)],
        "masked40": [-math.inf if i % 3 == 0 else chance.gauss(-20, 3) for i in range(40)],
        "lone9": [-math.inf] * 4 + [1.25] + [-math.inf] * 4,
        "ties30": [float(i % 5) for i in range(30)],
    }
    vectors = {name: [float(f"{v:.7g}") for v in values] for name, values in vectors.items()}
    runs, beam_runs, dropped = [], [], 0
    for name, vector in vectors.items():
        for params in WARPERS:
            for eos in ([3], [3, 5, 6]):
                beams = 1 if eos == [3] else 4
                found = [warped(vector, params, eos, dtype, beams) for dtype in (torch.float32, torch.float64)]
                kept = [[i for i, v in enumerate(f.tolist()) if v > -math.inf] for f in found]
                if kept[0] != kept[1]:
                    dropped += 1
                    continue
                if beams == 1:
                    runs.append({"vector": name, "params": params, "kept": kept[1],
                                 "probabilities": numbers(found[1].softmax(-1).tolist())})
                else:
                    beam_runs.append({"vector": name, "params": params, "eos": eos, "kept": kept[1]})
    return {"kind": "sampling", "vectors": {n: numbers(v) for n, v in vectors.items()}, "runs": runs,
            "beam_sampling_runs": beam_runs, "runs_dropped_as_unstable": dropped}


def make_processors():
    chance = random.Random(12)
    logits = [float(f"{chance.gauss(0, 3):.7g}") for _ in range(32)]
    encoder, eos = [5, 7, 9, 7, 11, 5, 7, 3], [3, 6]
    runs = []
    for params in PROCESSORS:
        for history in HISTORIES:
            for logs in (False, True):
                scores = torch.tensor([logits], dtype=torch.float32)
                made = processors({"num_beams": 4 if logs else 1, **params}, eos, encoder=torch.tensor([encoder]))
                out = made(torch.tensor([history]), scores.log_softmax(-1) if logs else scores)
                runs.append({"previous_ids": history, "params": params, "scores_are_log_probs": logs,
                             "out": numbers(out[0].tolist())})
    return {"kind": "logits-processors", "logits": logits, "encoder_ids": encoder, "prompt_length": 1,
            "eos_token_id": eos, "runs": runs}


def make_stops():
    """Where StopStringCriteria ends what greedy search writes, and whole runs of generate()."""
    folders, chance = {}, random.Random(13)
    for name in ("seq2seq-bart", "seq2seq-t5"):
        folder = HERE / "models" / name
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = tokenizer("Twelve engineers measured the old bridge, and found it sound.")["input_ids"]
        inputs = torch.tensor([ids])
        plain = model.generate(inputs, num_beams=1, max_length=24, min_length=20)
        words = tokenizer.decode(plain[0], skip_special_tokens=True)
        stops = STOPS + [[words[at:at + size]] for at, size in ((4, 3), (9, 6), (1, 14), (20, 2))]
        runs = []
        for number, stop in enumerate(stops):
            for params in ({"num_beams": 1, "max_length": 24, "min_length": 20}, {"num_beams": 3, "max_length": 14}):
                if number < len(STOPS) and params["num_beams"] > 1 and number % 2:
                    continue
                try:
                    out = model.generate(inputs, stop_strings=stop, tokenizer=tokenizer, **params)
                except ValueError:  # no token of the vocabulary has part in it
                    continue
                runs.append({"params": {**params, "stop": stop}, "sequence": out[0].tolist()})
        checks = []
        vocabulary = sorted(i for i in tokenizer.get_vocab().values() if i not in tokenizer.all_special_ids)
        for _ in range(60):
            written = [chance.choice(vocabulary) for _ in range(6)]
            whole = tokenizer.decode(written)
            at = chance.randrange(len(whole))
            stop = whole[at:at + chance.randint(1, 8)]
            try:
                criterion = StopStringCriteria(tokenizer, [stop])
            except ValueError:
                continue
            ends = [n for n in range(1, 7) if bool(criterion(torch.tensor([written[:n]]), None)[0])]
            checks.append({"stop": stop, "ids": written, "first_end": ends[0] if ends else 0})
        folders[name] = {"input_ids": ids, "runs": runs, "checks": checks}
    return {"kind": "stop-texts", "folders": folders}


def write(name, data):
    folder = HERE / "models" / name
    folder.mkdir(exist_ok=True)
    path = folder / "golden.json"
    path.write_text(json.dumps({"versions": reference.VERSIONS, **data}, separators=(",", ":")) + "\n",
                    encoding="utf-8")
    path.chmod(0o644)
    print(f"{name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    write("sampling", make_sampling())
    write("logits-processors", make_processors())
    write("stop-texts", make_stops())
