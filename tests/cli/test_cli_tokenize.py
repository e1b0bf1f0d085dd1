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
