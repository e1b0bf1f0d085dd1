# SPDX-License-Identifier: Apache-2.0
"""Write models/NAME/: small random encoder-decoders with what transformers generates from texts.

    .venv-reference/bin/python tests/golden/make_generation.py [NAME...]

Each run records the arguments of generate() and all ids it gave. A run is kept only if float32 and
float64 agree on the ids; a folder's seed is its name.
"""
import json
import shutil
import sys
import zlib
from pathlib import Path

import make_models
import reference
import torch
from transformers import (AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig, GenerationConfig,
                          M2M100Config, MarianConfig, MBartConfig, MT5Config, PegasusConfig,
                          T5Config)

HERE = Path(__file__).resolve().parent
TEXTS = ["The cat sat on the mat.", "Twelve engineers measured the old bridge, and found it sound.",
         "x", "the baker repairs an old violin and the committee never trusts a solar panel today"]
SPECIAL = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
T5_SIZES = {"d_model": 48, "num_layers": 2, "num_heads": 4, "d_kv": 10, "d_ff": 72,
            "decoder_start_token_id": 1, "pad_token_id": 1, "eos_token_id": 2}
BART_SIZES = {"d_model": 48, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
              "decoder_attention_heads": 3, "encoder_ffn_dim": 80, "decoder_ffn_dim": 64,
              "max_position_embeddings": 80, **SPECIAL}
SMALL = {"d_model": 36, "encoder_ffn_dim": 40, "decoder_ffn_dim": 56}
# Per folder: what it shows, its configuration, its generation_config.json.
CASES = {
    "seq2seq-t5": ("T5: relu, tied and scaled logits",
                   lambda vocab: T5Config(vocab_size=vocab, **T5_SIZES), {}),
    "seq2seq-t5-gated": ("T5 v1.1: gated, a matrix of its own for the logits, uneven stacks",
                         lambda vocab: T5Config(
                             vocab_size=vocab, feed_forward_proj="gated-gelu",
                             num_decoder_layers=1, tie_word_embeddings=False, **T5_SIZES), {}),
    "seq2seq-mt5": ("mT5: tied, not scaled",
                    lambda vocab: MT5Config(vocab_size=vocab, **T5_SIZES), {}),
    "seq2seq-bart": ("BART: settings in generation_config.json",
                     lambda vocab: BartConfig(vocab_size=vocab, **BART_SIZES),
                     {"num_beams": 3, "length_penalty": 2.0, "no_repeat_ngram_size": 3,
                      "min_length": 6, "max_length": 18, "early_stopping": True,
                      "forced_bos_token_id": 0, "forced_eos_token_id": 2}),
    "seq2seq-mbart": ("mBART: pre-norm, scaled embeddings, a forced first token",
                      lambda vocab: MBartConfig(vocab_size=vocab, scale_embedding=True,
                                                **BART_SIZES), {"forced_bos_token_id": 7}),
    "seq2seq-pegasus-relu": ("Pegasus: pre-norm, sinusoidal positions, no norm of the embeddings",
                             lambda vocab: PegasusConfig(
                                 vocab_size=vocab, activation_function="relu",
                                 **{**BART_SIZES, "decoder_start_token_id": 9}),
                             {"max_length": 14}),
    "seq2seq-marian": ("Marian: post-norm, positions that are computed, scaled embeddings",
                       lambda vocab: MarianConfig(
                           vocab_size=vocab, activation_function="swish", scale_embedding=True,
                           **{**BART_SIZES, **SMALL, "decoder_start_token_id": 1}),
                       {"num_beams": 2, "max_length": 12, "bad_words_ids": [[1]]}),
    "seq2seq-marian-split": ("Marian: a vocabulary for each side, rows of odd length",
                             lambda vocab: MarianConfig(
                                 vocab_size=vocab, decoder_vocab_size=vocab - 60,
                                 share_encoder_decoder_embeddings=False,
                                 **{**BART_SIZES, **SMALL, "d_model": 33,
                                    "encoder_attention_heads": 3, "decoder_start_token_id": 1,
                                    "forced_eos_token_id": None}), {}),
    "seq2seq-m2m100": ("M2M100: pre-norm, computed positions behind a row for padding, odd length",
                       lambda vocab: M2M100Config(
                           vocab_size=vocab, **{**BART_SIZES, **SMALL, "d_model": 35,
                                                "encoder_attention_heads": 5,
                                                "decoder_attention_heads": 7}),
                       {"forced_bos_token_id": 13}),
}


def calls(likely):
    """The argument sets; `likely` are ids that the plain greedy runs give."""
    a, b, c = likely[:3]
    greedy = {"num_beams": 1}
    return [
        {}, greedy, {**greedy, "max_new_tokens": 7}, {**greedy, "max_length": 6},
        {**greedy, "min_length": 9, "max_length": 12},
        {**greedy, "min_new_tokens": 8, "max_new_tokens": 10},
        {**greedy, "no_repeat_ngram_size": 2, "max_new_tokens": 16},
        {**greedy, "no_repeat_ngram_size": 1, "max_new_tokens": 10},
        {**greedy, "repetition_penalty": 1.4, "max_new_tokens": 12},
        {**greedy, "repetition_penalty": 0.8, "max_new_tokens": 8},
        {**greedy, "encoder_repetition_penalty": 1.5, "max_new_tokens": 8},
        {**greedy, "encoder_no_repeat_ngram_size": 2, "max_new_tokens": 12},
        {**greedy, "bad_words_ids": [[a], [b, c]], "max_new_tokens": 8},
        {**greedy, "sequence_bias": [[[a], -6.0], [[b, c], 4.0]], "max_new_tokens": 8},
        {**greedy, "suppress_tokens": [a, c], "max_new_tokens": 8},
        {**greedy, "begin_suppress_tokens": [a], "max_new_tokens": 6},
        {**greedy, "forced_eos_token_id": 2, "max_new_tokens": 5},
        {**greedy, "forced_bos_token_id": 11, "max_new_tokens": 6},
        {**greedy, "exponential_decay_length_penalty": [3, 1.4], "max_new_tokens": 16},
        {"num_beams": 2, "max_new_tokens": 8},
        {"num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 9},
        {"num_beams": 3, "max_new_tokens": 12, "early_stopping": "never", "length_penalty": 1.0},
        {"num_beams": 4, "max_new_tokens": 12, "early_stopping": False, "length_penalty": 0.5},
        {"num_beams": 3, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3, "min_length": 5,
         "max_length": 14, "early_stopping": True, "length_penalty": 2.0},
        {**greedy, "max_new_tokens": 1},
        {**greedy, "forced_bos_token_id": 1, "max_new_tokens": 7},  # padding
        {**greedy, "suppress_tokens": [b, 20], "max_new_tokens": 11},
        {**greedy, "eos_token_id": [2, a], "max_new_tokens": 9},
        {**greedy, "forced_eos_token_id": [2, c], "max_new_tokens": 4},
        {**greedy, "min_new_tokens": 6, "max_new_tokens": 6, "repetition_penalty": 1.2},
        {**greedy, "no_repeat_ngram_size": 3, "repetition_penalty": 0.9, "max_new_tokens": 15},
        {"num_beams": 4, "num_return_sequences": 2, "early_stopping": True, "max_new_tokens": 9},
        {"num_beams": 5, "length_penalty": -1.0, "max_new_tokens": 8},
        {"num_beams": 6, "num_return_sequences": 3, "length_penalty": 0.0, "max_new_tokens": 7},
        {"num_beams": 2, "min_length": 7, "max_length": 11},
        {"num_beams": 3, "bad_words_ids": [[b], [c, a]], "max_new_tokens": 8},
        {"num_beams": 3, "suppress_tokens": [a, b], "max_new_tokens": 7},
        {"num_beams": 3, "forced_bos_token_id": 12, "forced_eos_token_id": 2, "max_length": 8},
        {"num_beams": 4, "encoder_no_repeat_ngram_size": 2, "max_new_tokens": 9},
        {"num_beams": 2, "encoder_repetition_penalty": 1.3, "max_new_tokens": 8},
        {"num_beams": 2, "repetition_penalty": 1.3, "max_new_tokens": 9},
        {"num_beams": 3, "sequence_bias": [[[c], 3.0], [[a, b], -5.0]], "max_new_tokens": 8},
        {"num_beams": 3, "exponential_decay_length_penalty": [2, 1.3], "max_new_tokens": 12},
        {"num_beams": 2, "begin_suppress_tokens": [a, b], "max_new_tokens": 6},
        {"num_beams": 4, "max_length": 4},
    ]


def randomise(model, generator):
    """Weights that keep every layer alive and give varied texts."""
    make_models.randomise(model, generator)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "shared" in name or "lm_head" in name or "embed_tokens" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        if hasattr(model, "final_logits_bias"):
            bias = model.final_logits_bias
            bias.copy_(torch.randn(bias.shape, generator=generator))


def build(folder, name, seed=None):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) if seed is None else seed)
    vocabulary = make_models.write_mpnet_tokenizer(folder)
    config = CASES[name][1](len(vocabulary))
    model = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32).eval()
    randomise(model, generator)
    if config.model_type == "t5" and not config.scale_decoder_outputs:
        model.lm_head.weight = torch.nn.Parameter(  # tied by the library whatever the file says
            torch.randn(model.lm_head.weight.shape, generator=generator))
        model.config.tie_word_embeddings = False
    settings = {key: getattr(config, key) for key in SPECIAL if getattr(config, key, None) is not None}
    model.generation_config = GenerationConfig(**settings, **CASES[name][2])
    model.save_pretrained(folder)


def generate(model, inputs, arguments):
    if "sequence_bias" in arguments:
        arguments = {**arguments, "sequence_bias":
                     [[list(ids), bias] for ids, bias in arguments["sequence_bias"]]}
    with torch.no_grad():
        out = model.generate(inputs, return_dict_in_generate=True, output_scores=True, **arguments)
    scores = getattr(out, "sequences_scores", None)
    return out.sequences.tolist(), None if scores is None else scores.tolist()


def first_step(model, inputs):
    start = torch.tensor([[model.generation_config.decoder_start_token_id]])
    with torch.no_grad():
        return model(input_ids=inputs, decoder_input_ids=start).logits[0, -1]


def make(name):
    folder = HERE / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder, name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    load = AutoModelForSeq2SeqLM.from_pretrained
    model32 = load(folder, dtype=torch.float32).eval()
    model64 = load(folder, dtype=torch.float32).double().eval()
    inputs, distances, likely = [], [], []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        step = [first_step(model, torch.tensor([ids])) for model in (model32, model64)]
        distances.append(float((step[0] - step[1]).abs().max()))
        inputs.append({"text": text, "input_ids": ids,
                       "first_logits16_f64": [float(f"{v:.12g}") for v in step[1][:16].tolist()],
                       "first_argmax": int(step[1].argmax())})
        likely += generate(model64, torch.tensor([ids]), {"num_beams": 1, "max_new_tokens": 6})[0][0][2:]
    special = {0, 1, 2, model64.generation_config.forced_bos_token_id}
    likely = [*[i for i in dict.fromkeys(likely) if i not in special], 20, 30, 40]
    runs, dropped = [], 0
    wanted = calls(likely)
    if max(i for source in inputs for i in source["input_ids"]) >= model64.lm_head.out_features:
        wanted = [call for call in wanted if not any(key.startswith("encoder_") for key in call)]
    for number, arguments in enumerate(wanted):
        for index in range(len(TEXTS)) if number < 2 else [number % len(TEXTS)]:
            ids = torch.tensor([inputs[index]["input_ids"]])
            found, scores = generate(model64, ids, arguments)
            found32, scores32 = generate(model32, ids, arguments)
            if found32 != found:
                dropped += 1
                continue
            run = {"inputs": [index], "params": arguments, "sequences": found,
                   "text": tokenizer.batch_decode(found, skip_special_tokens=True)}
            if scores:
                run["sequences_scores_f64"] = [float(f"{v:.12g}") for v in scores]
                run["max_abs_score_f32_vs_f64"] = float(
                    f"{max(abs(a - b) for a, b in zip(scores32, scores)):.3g}")
            runs.append(run)
    data = {"versions": reference.VERSIONS, "kind": "seq2seq", "case": CASES[name][0],
            "tolerance_observed": {"max_abs_logits_f32_vs_f64": max(distances)},
            "inputs": inputs, "runs": runs, "runs_dropped_as_unstable": dropped}
    (folder / "golden.json").write_text(
        json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(0o644)
    different = len({tuple(run["sequences"][0]) for run in runs})
    print(f"{name}: {len(runs)} runs, {different} different, {dropped} dropped, {distances}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or CASES:
        make(wanted)
