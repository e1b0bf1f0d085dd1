# SPDX-License-Identifier: Apache-2.0
import json

from conftest import find_model, lines_of


def test_texts_and_decode(mm, model):
    first, second = lines_of(mm("tokenize", model, "hello world", "x"))
    count = len(first["ids"])
    assert count > 2 and second["ids"][0] == first["ids"][0]
    for key in ["type_ids", "attention_mask", "tokens"]:
        assert len(first[key]) == count
    assert len(first["offsets"]) == 2 * count
    bare = lines_of(mm("tokenize", model, "hello world", "--no-special-tokens"))[0]
    assert bare["ids"] == first["ids"][1:-1]
    (text,) = lines_of(mm("tokenize", model, "--decode", *map(str, first["ids"]),
                          "--no-special-tokens"))
    assert text["text"].replace(" ", "") == "helloworld"
    assert lines_of(mm("tokenize", model, stdin=b"hello world\nx"))[:2] == [first, second]
    assert mm("tokenize", model, "--decode", "1x", status=2).stdout == b""


def test_pairs(mm, model):
    (pair,) = lines_of(mm("tokenize", model, "one", "--pair", "two"))
    assert set(pair["type_ids"]) == {0, 1}


def test_jsonl_answers_each_line_and_goes_on(mm, model):
    lines = [b'{"text": "hello", "add_special_tokens": false}', b"{", b'{"text": "\xff"}', b"",
             b'{"ids": ["a"]}', b'{"txt": "a"}', b"[]",
             b'{"text": "one", "pair": "two"}', b'{"text": ""}',
             b'{"text": "a\\u0000b \\ud83d\\ude00"}']
    run = mm("tokenize", model, "--jsonl", stdin=b"\n".join(lines), status=1)
    answers = lines_of(run)
    assert len(answers) == len(lines)
    assert ["error" in answer for answer in answers] == [False, *[True] * 6, *[False] * 3]
    for answer in answers:
        if "error" in answer:
            assert set(answer["error"]) == {"code", "message", "details"}
    ids = answers[0]["ids"]
    question = json.dumps({"ids": ids, "skip_special_tokens": True}).encode()
    assert lines_of(mm("tokenize", model, "--jsonl", stdin=question)) == [{"text": "hello"}]


def jsonl(mm, model, *objects, status=0):
    lines = "\n".join(json.dumps(o) for o in objects).encode()
    return lines_of(mm("tokenize", model, "--jsonl", stdin=lines, status=status))


def test_jsonl_truncation_and_windows(mm, model):
    text = "one two three four five"
    limit = {"max_length": 4, "stride": 1}
    full, cut, left, off = jsonl(
        mm, model, {"text": text}, {"text": text, "truncation": limit},
        {"text": text, "truncation": {**limit, "direction": "left"}},
        {"text": text, "truncation": False})
    assert off == full and "overflow" not in full
    cls, *ids, sep = full["ids"]
    assert cut["ids"] == [cls, *ids[:2], sep] and cut["offsets"] == full["offsets"][:6] + [0, 0]
    assert left["ids"] == [cls, *ids[-2:], sep]
    assert cut["overflow"] == [[cls, *ids[i:i + 2], sep] for i in range(1, len(ids) - 1)]
    assert left["overflow"] == cut["overflow"][-2::-1] + [cut["ids"]]
    (pair,) = jsonl(mm, model, {"text": text, "pair": text, "truncation": {
        "max_length": len(ids) + 4, "strategy": "only_second"}})
    assert pair["ids"] == [cls, *ids, sep, ids[0], sep]


def test_jsonl_padding_and_batches(mm, model):
    texts = ["one two three", "", "four"]
    padding = {"pad_id": 1, "pad_type_id": 2, "pad_token": "<p>"}
    alone, batch, left, fixed = jsonl(
        mm, model, {"texts": texts}, {"texts": texts, "padding": padding},
        {"texts": texts, "padding": {**padding, "direction": "left", "pad_to_multiple_of": 8}},
        {"text": "four", "padding": {"length": 20}})
    ids = [one["ids"] for one in alone["batch"]]
    assert ids == [one["ids"] for one in jsonl(mm, model, *[{"text": t} for t in texts])]
    longest = max(map(len, ids))
    for plain, padded in zip(alone["batch"], batch["batch"]):
        missing = longest - len(plain["ids"])
        assert padded == {
            "ids": plain["ids"] + [1] * missing, "type_ids": plain["type_ids"] + [2] * missing,
            "attention_mask": plain["attention_mask"] + [0] * missing,
            "tokens": plain["tokens"] + ["<p>"] * missing,
            "offsets": plain["offsets"] + [0, 0] * missing}
    wide = -(-longest // 8) * 8
    for plain, padded in zip(alone["batch"], left["batch"]):
        missing = wide - len(plain["ids"])
        assert padded["ids"] == [1] * missing + plain["ids"]
        assert padded["attention_mask"] == [0] * missing + plain["attention_mask"]
    assert len(fixed["ids"]) == 20 and fixed["tokens"][-1] == "[PAD]"
    assert jsonl(mm, model, {"texts": []}) == [{"batch": []}]


def test_jsonl_options_as_stored(mm, model, tmp_path):
    stored = json.loads((find_model() / "tokenizer.json").read_text())
    stored["truncation"] = {"direction": "Left", "max_length": 4, "strategy": "LongestFirst",
                            "stride": 0}
    stored["padding"] = {"strategy": {"Fixed": 6}, "direction": "Right", "pad_id": 0,
                         "pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "[PAD]"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(stored))
    question = {"text": "one two three"}
    plain, cut, padded = jsonl(mm, path, question, {**question, "truncation": True},
                               {**question, "truncation": True, "padding": True})
    cls, *ids, sep = plain["ids"]
    assert cut["ids"] == [cls, *ids[-2:], sep]
    assert padded["ids"] == cut["ids"] + [0, 0] and padded["attention_mask"] == [1] * 4 + [0] * 2


def test_jsonl_cleaning_up(mm, model):
    (text,) = jsonl(mm, model, {"text": "a ' b"})
    plain, clean = jsonl(mm, model, {"ids": text["ids"]},
                         {"ids": text["ids"], "clean_up_tokenization_spaces": True})
    assert clean["text"] == plain["text"].replace(" ' ", "'")


def test_a_limit_of_nothing(mm, model):
    """As the reference library: below the special tokens nothing is cut, without them all is."""
    text = {"text": "one two three"}
    nothing = {"truncation": {"max_length": 0}}
    whole, uncut, cut = jsonl(mm, model, text, {**text, **nothing},
                              {**text, **nothing, "add_special_tokens": False})
    assert uncut["ids"] == whole["ids"] and not uncut["overflow"]
    assert cut["ids"] == [] and cut["overflow"] == [whole["ids"][1:-1]]


def test_jsonl_options_that_are_wrong(mm, model):
    text = {"text": "one two three"}
    cases = [
        ({**text, "truncation": {"max_length": 3, "stride": 1}}, "stride"),
        ({**text, "truncation": {"max_length": 3, "stride": 2}}, "stride"),
        ({**text, "truncation": {"max_length": 3, "strategy": "only_second"}}, "pair"),
        ({**text, "truncation": {"max_length": -1}}, "max_length"),
        ({**text, "truncation": {"stride": 0}}, "max_length"),
        ({**text, "truncation": {"max_length": 3, "side": "left"}}, "side"),
        ({**text, "truncation": {"max_length": 3, "direction": "up"}}, "direction"),
        ({**text, "truncation": {"max_length": 3, "strategy": 1}}, "strategy"),
        ({**text, "truncation": 5}, "truncation"),
        ({**text, "padding": "longest"}, "padding"),
        ({**text, "padding": {"pad": 1}}, "pad"),
        ({**text, "padding": {"pad_id": -1}}, "pad_id"),
        ({**text, "padding": {"pad_token": 1}}, "pad_token"),
        ({**text, "padding": {"length": 1 << 40}}, "padding"),
        ({"texts": ["a", 1]}, "texts"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a"], "pair": "b"}, "pair"),
    ]
    answers = jsonl(mm, model, *[case for case, _ in cases], text, status=1)
    assert "ids" in answers.pop()
    for (case, word), answer in zip(cases, answers):
        assert answer["error"]["code"] == "INVALID_PARAMETER", case
        assert word in answer["error"]["message"], case


def test_jsonl_offsets_are_code_points(mm, model):
    (answer,) = lines_of(mm("tokenize", model, "--jsonl",
                            stdin='{"text": "\U0001F600 hello", "add_special_tokens": false}'.encode()))
    assert answer["offsets"][-1] == len("\U0001F600 hello")


def test_jsonl_answers_before_more_input(mm, model):
    process = mm.start("tokenize", model, "--jsonl")
    for text in ["a", "b"]:
        process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
        process.stdin.flush()
        assert "ids" in json.loads(process.stdout.readline())
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_many_lines(mm, model):
    count = 20_000
    answers = lines_of(mm("tokenize", model, "--jsonl", stdin=b'{"text": "some words"}\n' * count))
    assert len(answers) == count and all(answer == answers[0] for answer in answers)


def test_tokenizer_files(mm, model):
    expected = lines_of(mm("tokenize", model, "some text"))
    assert lines_of(mm("tokenize", f"{model}/tokenizer.json", "some text")) == expected
    if (find_model() / "vocab.txt").exists():
        assert lines_of(mm("tokenize", f"{model}/vocab.txt", "some text"))[0]["ids"]


def test_failures(mm, model):
    run = mm("tokenize", "./missing", "a", status=1)
    assert run.stdout == b"" and b"mm: error: " in run.stderr
    (answer,) = lines_of(mm("tokenize", model, b"\xff", status=1))
    assert answer["error"]["code"] == "INVALID_REQUEST"
    good, bad = lines_of(mm("tokenize", model, stdin=b"good\n\xff", status=1))
    assert "ids" in good and "error" in bad


def test_lines_of_every_length_around_the_buffer(mm, model):
    """Reads are 64 KiB: newlines fall just before, on and behind the end of one."""
    sizes = [65535, 65536, 65537, 1, 131070, 131072, 131073, 2, 1_100_000, 3]
    lines = [b'{"text": "' + b" " * (size - 13) + b'a"}' if size > 13 else b"x" * size
             for size in sizes]
    answers = lines_of(mm("tokenize", model, "--jsonl", stdin=b"\n".join(lines), status=1))
    assert ["error" in answer for answer in answers] == [size <= 13 for size in sizes]
    expected = lines_of(mm("tokenize", model, "a"))[0]
    assert all(answer["ids"] == expected["ids"] for answer in answers if "ids" in answer)
