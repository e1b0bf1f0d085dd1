#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the first inputs of the fuzzers: corpus/FUZZER/seed-NN, one per form and per broken rule.

Fuzzing adds more files beside them, named by their hash; this script touches only seed-*
and made-*.
"""
import ast
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def write(fuzzer, seeds, name="seed"):
    folder = HERE / "corpus" / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}-*"):
        old.unlink()
    for number, seed in enumerate(seeds):
        data = seed if isinstance(seed, bytes) else seed.encode()
        (folder / f"{name}-{number:02}").write_bytes(data)


def file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


SEPARATOR = b"\xff\0\xff"  # between the files of a folder


def failing(seed, number):
    """The input with that allocation failing."""
    return (seed if isinstance(seed, bytes) else seed.encode()) + b"\0#%d" % number


def tensor(dtype, shape, begin, end, **more):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


def safetensors():
    bits = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
            "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
            "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
            "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, width in bits.items():
        header["t." + name] = tensor(name, [2, 4], at, at + width)
        at += width
    yield file(header, bytes(range(at % 256)) + bytes(at - at % 256))
    for name, width in bits.items():
        yield file({"t": tensor(name, [20], 0, width * 20 // 8)}, b"\x3c" * (width * 20 // 8))
    yield file({})
    yield file(b"{}      ")
    yield file({"s": tensor("F32", [], 0, 4), "z": tensor("F32", [0, 3], 4, 4)}, b"\0\0\x80?")
    yield file({"b": tensor("U8", [2], 1, 3), "a": tensor("U8", [1], 0, 1)}, b"abc")
    yield file({"\u00e9\u20ac\U0001f600": tensor("F16", [1] * 8, 0, 2, extra={"x": [1]})}, b"\0<")
    yield file({"n" * 300: 1})
    yield file({"\u20ac" * 100: tensor("XX", [1], 0, 1)}, b"a")
    # The rules, broken one by one.
    yield b""
    yield b"\x01\0\0"
    yield struct.pack("<Q", 100000001) + b"{}"
    yield struct.pack("<Q", 2**64 - 1) + b"{}"
    yield struct.pack("<Q", 3) + b"{}"
    yield file(b" {}")
    yield file(b"{")
    yield file(b"{\"\xff\": 1}")
    yield file(b'{"a": 1, "a": 2}')
    yield file({"__metadata__": {"a": 1}})
    yield file({"__metadata__": [1]})
    yield file({"__metadata__": None})
    yield file({"t": 1})
    yield file({"t": {}})
    yield file({"t": {"dtype": "U8"}})
    yield file({"t": {"dtype": "U8", "shape": [1]}}, b"a")
    yield file({"t": tensor("U8", ["1"], 0, 1)}, b"a")
    yield file({"t": tensor("U8", [-1], 0, 1)}, b"a")
    yield file({"t": tensor("U8", [1] * 9, 0, 1)}, b"a")
    yield file({"t": tensor("U8", [2**32, 2**32], 0, 1)}, b"a")
    yield file({"t": tensor("F64", [2**61], 0, 0)})
    yield file({"t": tensor("U8", [10**25], 0, 0)})
    yield file({"t": tensor("F4", [3], 0, 1)}, b"a")
    yield file({"t": tensor("U8", [1], 1, 0)}, b"a")
    yield file({"t": tensor("U8", [2], 0, 2)}, b"a")
    yield file({"t": tensor("F32", [1], 0, 3)}, b"abc")
    yield file({"t": tensor("U8", [1], 1, 2)}, b"ab")
    yield file({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"abc")
    yield file({"a": tensor("U8", [1], 0, 1)}, b"ab")


def texts():
    yield from ["", "{}", "[]", "null", "true", "false", '"x"', "-0", "0.5", "1e10", "-1.5E-3",
                "9223372036854775807", "9223372036854775808", "1e999", "1e-999",
                '{"model_max_length": 1000000000000000019884624838656, "s": "\\"\\\\"}',
                "[-99999999999999999999,12345678901234567890.5,12345678901234567890e2]",
                '"\\u0000\\u00e9\\ud83d\\ude00\\n\\/"', '"\\ud800"', '"\u00e9\u20ac\U0001f600"',
                '{"a": {"b": [1, [2, [3, {"c": null}]]]}, "d": [true, false]}', '{"a":1,"a":2}',
                "[1,]", "{} x", "[" * 3000, "\ufeff{}", '"\n"', "01", "nul", "'a'", "[NaN]"]
    yield b"\"\xff\""
    yield b"\"\xc3\""
    yield b"\xed\xa0\x80"


def configs():
    config = {"model_type": "bert", "hidden_size": 384, "layer_norm_eps": 1e-12,
              "hidden_act": "gelu", "is_decoder": False, "architectures": ["BertModel"],
              "id2label": {"0": "LABEL_0"}, "torch_dtype": None}
    yield json.dumps(config, indent=2)
    yield json.dumps({"d_model": 512, "layer_norm_eps": 0})
    for key, value in [("model_type", 5), ("hidden_size", "384"), ("hidden_size", 0),
                       ("hidden_size", 1e3), ("layer_norm_eps", "x"), ("layer_norm_eps", 2),
                       ("hidden_act", []), ("is_decoder", 1), ("hidden_size", None),
                       ("hidden_size", 10**30), ("model_type", "a\0b")]:
        yield json.dumps({**config, key: value})
    yield from ["", "[]", "{", "{} {}"]
    for number in range(1, 40, 8):
        yield failing(json.dumps(config), number)


def checkpoints():
    one = file({"a": tensor("F32", [1], 0, 4)}, bytes(4))
    two = file({"b": tensor("F16", [1], 0, 2), "c": tensor("I8", [2, 1], 2, 4)}, bytes(4))

    def folder(index="", single=b"", pickle="", other=""):
        text = index if isinstance(index, str) else json.dumps(index)
        return SEPARATOR.join([text.encode(), one, two, single, pickle.encode(), other.encode()])
    both = {"a": "one.safetensors", "b": "two.safetensors"}
    good = folder({"metadata": {"total_size": 8}, "weight_map": both})
    yield good
    for number in range(1, 50, 8):
        yield failing(good, number)
    for text in ["[]", "{", "{} {}"]:
        yield folder(text)
    for weight_map in [[], {}, None, {"a": 1}, {"a": ""}, {"a": "../one.safetensors"},
                       {"a": "/one"}, {"a": ".."}, {"a": "x\\y"}, {"a": "one.safetensors\0"},
                       {"a": "three.safetensors"}, {"a": "two.safetensors"}, {"b": "two.safetensors"},
                       {"n" * 200: "one.safetensors"}, {"\u20ac" * 100: "one.safetensors"},
                       {"a": "model.safetensors.index.json"}, {"a": "one.safetensors"},
                       {"c": "two.safetensors", **both}]:
        yield folder({"weight_map": weight_map})
    for header, size in [({"a": tensor("F32", [1], 0, 4), "b": tensor("I8", [1], 4, 5)}, 5),
                         ({"a": tensor("F32", [1], 0, 4), "b": tensor("F64", [1], 4, 12)}, 12),
                         ({"a": tensor("F16", [1], 0, 2), "b": tensor("F32", [2, 0], 2, 2)}, 2),
                         ({"a": tensor("F32", [], 0, 4)}, 4),
                         ({}, 0), ({"a" * 200: tensor("F64", [1], 0, 8)}, 8), ({"a": 1}, 0)]:
        yield folder(single=file(header, bytes(size)))
    for number in range(1, 20, 6):
        yield failing(folder(single=one), number)
    yield folder(pickle="x")
    yield folder(other="x")
    yield folder()
    for number in range(1, 12, 4):
        yield failing(folder(), number)


def modules():
    chain = [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
             for i, (path, kind) in enumerate([
                 ("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"),
                 ("3_LayerNorm", "LayerNorm"), ("", "Dropout"), ("4_Normalize", "Normalize")])]
    pooling = {"word_embedding_dimension": 384, "pooling_mode_cls_token": False,
               "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True,
               "pooling_mode_mean_sqrt_len_tokens": True, "pooling_mode_weightedmean_tokens": True,
               "pooling_mode_lasttoken": True, "include_prompt": False}
    limits = {"max_seq_length": 128, "do_lower_case": True,
              "tokenizer_args": {"model_max_length": 64}}
    prompts = {"__version__": {"sentence_transformers": "6.2.0"}, "truncate_dim": 64,
               "prompts": {"query": "query: ", "document": "", "other": None},
               "default_prompt_name": "query", "similarity_fn_name": "cosine"}

    def parts(*values):
        return "\0".join(v if isinstance(v, str) else json.dumps(v) for v in values)
    yield parts(chain, pooling, limits, prompts)
    yield parts(chain[:2], {"pooling_mode": "mean"}, {"max_seq_length": None}, {"prompts": {}})
    yield parts(chain[:2], {"pooling_mode": ["cls", "max", "lasttoken"]}, {}, {})
    yield parts("", "", "", "")
    for change in [{"type": 1}, {"path": ".."}, {"path": "/x"}, {"path": "a/../b"},
                   {"path": "a\\b"}, {"path": "a\0b"}, {"type": "x.CNN"}, {"path": "a/b"}]:
        yield parts([chain[0], {**chain[1], **change}])
    for order in [[], [chain[1]], [chain[0]], [chain[0], chain[0]], [chain[0], chain[2]],
                  chain * 8, {}, 5, [chain[0], chain[2], chain[1]]]:
        yield parts(order)
    for value in [{"pooling_mode": []}, {"pooling_mode": "x"}, {"pooling_mode": 1},
                  {"pooling_mode": ["mean"] * 17}, {"include_prompt": 1}, [],
                  {"pooling_mode_cls_token": "yes"}]:
        yield parts("", value)
    for value in [{"max_seq_length": 0}, {"max_seq_length": "128"}, {"do_lower_case": 1}, [],
                  {"processor_kwargs": {"model_max_length": 10**30}}]:
        yield parts("", "", value)
    for value in [{"prompts": []}, {"prompts": {"a": 1}}, {"prompts": {"a": "x\0y"}},
                  {"default_prompt_name": "a"}, {"default_prompt_name": "query"},
                  {"truncate_dim": 0}, {"truncate_dim": None}, {"prompts": None}]:
        yield parts("", "", "", value)


def generation_settings():
    every = {"max_length": 20, "max_new_tokens": 9, "min_length": 2, "min_new_tokens": 3, "num_beams": 4,
             "num_return_sequences": 2, "early_stopping": True, "length_penalty": 2.0, "repetition_penalty": 1.3,
             "encoder_repetition_penalty": 1.1, "no_repeat_ngram_size": 3, "encoder_no_repeat_ngram_size": 2,
             "do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "typical_p": 0.5,
             "epsilon_cutoff": 0.01, "eta_cutoff": 0.02, "top_h": 0.3, "renormalize_logits": True,
             "remove_invalid_values": True, "forced_bos_token_id": 0, "forced_eos_token_id": [2, 3],
             "suppress_tokens": [5], "begin_suppress_tokens": [6, 7], "bad_words_ids": [[5], [6, 7]],
             "sequence_bias": [[[8], -1.0], [[9, 10], 2]], "exponential_decay_length_penalty": [3, 1.2]}
    ids = {"decoder_start_token_id": 1, "bos_token_id": 0, "eos_token_id": [2, 3], "pad_token_id": 1}
    tasks = {"task_specific_params": {"task": {"prefix": "x: ", "num_beams": 2, "max_length": 12}}}

    def parts(*values):
        return SEPARATOR.join(b"" if v is None else v if isinstance(v, bytes) else json.dumps(v).encode() for v in values)
    yield parts({**ids, **every}, tasks, {"seed": 5, "stop": ["a", "bc"]})
    yield parts(None, {**ids, **every, **tasks, "force_bos_token_to_be_generated": True}, {"stop": "x"})
    yield parts(ids, {}, every)
    yield parts(ids, {}, {name: None for name in every})
    yield parts(None, {"bos_token_id": 4}, {})
    yield parts(None, {}, {})
    yield parts(ids, None, None)
    for bad in [b"", b"[]", b"{", b"5", b"{\"num_beams\": 1e999}", b"{\"a\": \"\xc3\"}"]:
        yield parts(bad, ids, bad)
    for call in [{"max_length": 1}, {"max_length": 65}, {"max_length": 20, "min_length": 30}, {"min_new_tokens": 40},
                 {"num_return_sequences": 2}, {"num_beams": 2, "num_return_sequences": 3}, {"temperature": 0.5},
                 {"top_k": 3}, {"early_stopping": True}, {"early_stopping": "never", "num_beams": 2},
                 {"early_stopping": "soon"}, {"do_sample": True, "temperature": 0}, {"do_sample": True, "typical_p": 0},
                 {"suppress_tokens": [7], "forced_bos_token_id": 7}, {"suppress_tokens": [100]}, {"suppress_tokens": []},
                 {"suppress_tokens": [-1]}, {"forced_bos_token_id": 100}, {"eos_token_id": 2**40}, {"bad_words_ids": []},
                 {"bad_words_ids": [[]]}, {"bad_words_ids": [5]}, {"sequence_bias": [[[1]]]}, {"sequence_bias": [[[1], "x"]]},
                 {"exponential_decay_length_penalty": [1]}, {"exponential_decay_length_penalty": [1, 0]},
                 {"stop": ""}, {"stop": []}, {"stop": ["a"] * 65}, {"stop": "x" * 1025}, {"stop": 5}, {"seed": 2**60},
                 {"num_beam_groups": 2}, {"num_beam_groups": 1}, {"guidance_scale": 1.5}, {"constraints": []},
                 {"unknown": 1}, {"do_sample": 1}, {"length_penalty": 1e9}, {"max_length": 2.5}]:
        yield parts(ids, {}, call)
        yield parts({**ids, **call}, {}, {})
    yield parts(None, {**ids, "task_specific_params": {"task": {"num_beams": -4}}}, {})
    for number in range(1, 90, 4):
        yield failing(parts({**ids, **every}, tasks, {"seed": 5, "stop": ["a", "bc"]}), number)


def requests():
    whole = {"task_type": "embedding", "model_name": "org/name", "task_data": ["a", "b\0c", ""],
             "num_workers": 2, "device": "cuda:0", "keep_alive": -0.5, "revision": "main",
             "dtype": "bf16", "timeout_ms": 100, "priority": "bulk", "truncate": "error",
             "return_ids": True, "id": "x", "prompt": "", "prompt_name": "query",
             "input_role": "document", "normalize": False, "dimensions": 8, "max_length": 4,
             "use_cache": None, "op": "task"}
    least = {name: whole[name] for name in ("task_type", "model_name")}
    yield json.dumps(whole)
    yield json.dumps({**least, "task_data": "text", "id": -7})
    yield json.dumps({**least, "task_data": None, "num_workers": None, "keep_alive": 3})
    yield json.dumps({**least, "input_ids": [[1, 2, 3], [], [4]]})
    yield json.dumps({"op": "release", "model_name": "m", "id": 1})
    yield json.dumps({"op": "release"})
    yield json.dumps({"op": "release", "model_name": "a\0b"})
    yield json.dumps({"op": "status", "id": "s"})
    yield json.dumps({"op": "status", "more": 1})
    yield json.dumps({"op": 5})
    for change in [{"task_data": 5}, {"task_data": ["a", 5]}, {"input_ids": 1}, {"input_ids": [1]},
                   {"input_ids": [[-1]]}, {"input_ids": [["a"]]}, {"input_ids": [[2**31]]},
                   {"task_data": [], "input_ids": []}, {"task_data": "a", "unknown\"\\": 1},
                   {"task_data": "a", "device": "tpu"}, {"task_data": "a", "task_type": "rerank"},
                   {"task_data": "a", "task_type": "text_generation"},
                   {"task_data": "a", "normalize": 1}, {"task_data": "a", "num_workers": 1.5},
                   {"task_data": "a", "num_workers": 0}, {"task_data": "a", "keep_alive": "1"},
                   {"task_data": "a", "timeout_ms": 1e300}, {"task_data": "a", "prompt": "a\0"},
                   {"task_data": "a", "id": []}, {"task_data": "a", "id": 2**70},
                   {"task_data": "a", "model_name": ""}, {"task_data": "a", "dtype": "f64"},
                   {"task_data": "a", "task_type": None}, {"task_data": "a", "model_name": None},
                   {"task_data": "a" * 300}, {"task_data": ["x"] * 40}]:
        yield json.dumps({**least, **change})
    yield b'{"task_type": "embedding", "model_name": "m", "task_data": ["a,[", "b\\"", "x\xc3("]}'
    yield b'{"task_data": "\xff"}'
    yield b'{"task_data": ["a", "\\ud800"], "id": {"task_data": ["\xff"]}}'
    yield b'{"a": ["\xff"], "task_data": []}'
    for text in ["", "5", "[]", "{", "{}", '{"id": "only"}']:
        yield text
    yield "\0# comment\nA=1\r\n export B = two words # more\nC='x\ny'\nD=\"a\\n\\\"b\" # c\nE=\n"
    yield "\0A"
    yield "\0A='x"
    yield "\0A='x' y"


NUMBERS = ["-1e-5", "1E+300", "0.1e-400", "123456789012345678901234567890.5", "-0.0", "1e400", "-7",
           "0.30000000000000004", "4.9e-324", "1.", "01", "-", "1e", "2.5E-3"]


def numbers():
    yield from NUMBERS
    yield from ["", " 1", "18446744073709551615", "18446744073709551616", "0.18446744073709551616",
                "1.7976931348623157e308", "1.7976931348623159e308", "0e999", "1e-99999999999999999999",
                "1e25", "3.141592653589793", "5e-324", "0.1x", "1e+", "-1.5e-310", "1234567890e-700"]


def tokenizers():
    """tokenizer.json: the patterns of the differential test, scores in all forms, stored options, and
    models that say nothing of their type."""
    source = (HERE.parent / "text" / "test_regex_differential.py").read_text(encoding="utf-8")
    lists = {node.targets[0].id: node.value for node in ast.parse(source).body
             if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    empty = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
             "post_processor": None, "decoder": None}
    words = {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"}
    for name in ["FIXED", "REFUSED", "NOT_BUILT"]:
        for pattern in ast.literal_eval(lists[name]):
            split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
                     "invert": False}
            yield json.dumps({**empty, "pre_tokenizer": split, "model": words})
    for score in NUMBERS:
        model = '{"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", %s], ["ab", -2.5]]}'
        yield json.dumps({**empty, "model": 0}).replace('"model": 0', '"model": ' + model % score)
    for strategy in ["LongestFirst", "OnlyFirst", "OnlySecond", "None"]:
        for direction in ["Left", "Right", "Up"]:
            cut = {"max_length": 5, "stride": 1, "strategy": strategy, "direction": direction}
            pad = {"strategy": {"Fixed": 7}, "direction": direction, "pad_to_multiple_of": 4,
                   "pad_id": 1, "pad_type_id": 1, "pad_token": "a"}
            yield json.dumps({**empty, "truncation": cut, "padding": pad, "model": words})
    for pad in [{"strategy": "BatchLongest"}, {"strategy": {"Fixed": -1}}, {"strategy": "x"}, [], 5]:
        yield json.dumps({**empty, "truncation": pad, "padding": pad, "model": words})
    vocab = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "##b": 4}
    for model in [{"vocab": vocab, "merges": ["a b"]}, {"vocab": vocab, "merges": [["a", "b"]]},
                  {"vocab": [["<unk>", 0], ["a", -1]], "unk_id": 0, "byte_fallback": True},
                  {"vocab": vocab, "continuing_subword_prefix": "##", "unk_token": "<unk>"},
                  {"vocab": vocab, "unk_token": "<unk>"}, {"vocab": vocab, "merges": ["a"]},
                  {"vocab": vocab, "merges": [["a"]]}, {"vocab": vocab, "merges": ["a c"]},
                  {"vocab": vocab, "merges": [["a", "b", "c"]]}, {"vocab": vocab, "merges": [5]},
                  {"vocab": [["<unk>"]]}, {"vocab": []}, {}, {"type": "Unknown"}, {"type": 1},
                  {"type": "BPE", "vocab": []}]:
        yield json.dumps({**empty, "model": model})
    yield from merges(empty, vocab)
    yield from tries(empty)
    pad = {"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None, "pad_id": 1,
           "pad_type_id": 1, "pad_token": "a"}
    for change in [{}, {"strategy": {}}, {"strategy": {"Fixed": "1"}}, {"strategy": "Longest"},
                   {"direction": None}, {"direction": 1}, {"pad_to_multiple_of": -1}, {"pad_id": None},
                   {"pad_type_id": "x"}, {"pad_token": None}, {"pad_token": 5}]:
        yield json.dumps({**empty, "padding": {**pad, **change}, "model": words})
    cut = {"max_length": 5, "stride": 1, "strategy": "OnlyFirst", "direction": "Left"}
    for change in [{"max_length": None}, {"max_length": -1}, {"stride": "x"}, {"strategy": None},
                   {"strategy": 1}]:
        yield json.dumps({**empty, "truncation": {**cut, **change}, "model": words})
    whole = json.dumps({**empty, "truncation": cut, "padding": pad, "model": words})
    for number in range(1, 80, 20):
        yield failing(whole, number)


def merges(empty, vocab):
    """Merges in every wrong form; json.dumps would not write some of them."""
    for text in ['["a b" "a b"]', '["a b"] x', '["a b",]', '"a b"', '[["a", "b"] ["a", "b"]]',
                 '[["a" "b"]]', '[["a", "b"', '["x b"]', '["a x"]', '["b a"]', '[["a", "\\u0062"]]',
                 '["a \\u0062"]', '["#version: 1", "a b"]', '["a b", ["a", "b"]]', "[ ]", "[ [ ] ]"]:
        model = '{"type": "BPE", "vocab": %s, "merges": %s}' % (json.dumps(vocab), text)
        yield json.dumps({**empty, "model": 0}).replace('"model": 0', '"model": ' + model)
    model = {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]]}
    whole = json.dumps({**empty, "model": model}).replace('"a", "b"]', '"\\u0061", "\\u0062"]')
    for number in range(1, 60, 20):
        yield failing(whole, number)


def tries(empty):
    """Unigram with many letters, at the beginning and behind one."""
    letters = [chr(c) for c in [*range(33, 127), *range(0x100, 0x140), 0x4E2D, 0x1F600]]
    pieces = [["<unk>", 0.0]] + [[text, -1.5] for text in letters] + \
        [["a" + text, -2.5] for text in letters]
    whole = json.dumps({**empty, "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces}})
    yield whole
    for number in range(1, 60, 20):
        yield failing(whole, number)


if __name__ == "__main__":
    write("fuzz_tokenizer_json", tokenizers(), "made")
    write("fuzz_safetensors", safetensors())
    write("fuzz_json", texts())
    write("fuzz_config", configs())
    write("fuzz_checkpoint", checkpoints())
    write("fuzz_json_number", numbers())
    write("fuzz_modules", modules())
    write("fuzz_generation_settings", generation_settings())
    write("fuzz_request", requests())
