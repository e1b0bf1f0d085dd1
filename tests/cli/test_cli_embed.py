# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess

import numpy as np
import pytest

from conftest import lines_of

TEXTS = ["one text", "another, longer text", "Ünïcödé \N{SNOWMAN} 文字", ""]


def vectors_of(run):
    (result,) = lines_of(run)
    assert result["success"] is True
    return np.array(result["data"]["embeddings"], dtype=np.float32)


def test_one_result_line(mm, model):
    run = mm("embed", model, "a text", "--device", "cpu")
    (result,) = lines_of(run)
    data = result["data"]
    assert result["success"] is True
    assert len(data["embeddings"]) == 1 and len(data["embeddings"][0]) == data["dimension"]
    assert data["device"] == "cpu" and data["truncated"] == [False] and data["tokens"][0] > 2
    assert run.stderr == b""


def test_texts_from_arguments_file_and_stdin_are_the_same(mm, model):
    body = "\n".join(TEXTS[:3]).encode()
    (mm.folder / "texts.txt").write_bytes(body + b"\n")
    expected = vectors_of(mm("embed", model, *TEXTS[:3]))
    assert np.array_equal(vectors_of(mm("embed", model, "--file", "texts.txt")), expected)
    assert np.array_equal(vectors_of(mm("embed", model, stdin=body)), expected)
    assert np.array_equal(vectors_of(mm("embed", model, "--file", "-", stdin=body)), expected)
    windows = body.replace(b"\n", b"\r\n") + b"\r\n"
    assert np.array_equal(vectors_of(mm("embed", model, stdin=windows)), expected)


def test_npy_holds_the_same_numbers(mm, model):
    expected = vectors_of(mm("embed", model, *TEXTS))
    mm("embed", model, *TEXTS, "--format", "npy", "--output", "vectors.npy")
    stored = np.load(mm.folder / "vectors.npy")
    assert stored.dtype == np.float32 and stored.flags["C_CONTIGUOUS"]
    assert np.array_equal(stored, expected)
    run = mm("embed", model, *TEXTS, "--format", "npy")
    assert run.stdout == (mm.folder / "vectors.npy").read_bytes()
    assert run.stdout[:8] == b"\x93NUMPY\x01\x00"
    assert (10 + int.from_bytes(run.stdout[8:10], "little")) % 64 == 0


def test_no_texts_give_an_empty_result(mm, model):
    (result,) = lines_of(mm("embed", model, stdin=b""))
    assert result["success"] is True and result["data"]["embeddings"] == []
    run = mm("embed", model, "--format", "npy", "--output", "none.npy", stdin=b"")
    assert run.stdout == b"" and np.load(mm.folder / "none.npy").shape[0] == 0


def test_flags_reach_the_model(mm, model):
    plain = vectors_of(mm("embed", model, "a text"))
    cut = vectors_of(mm("embed", model, "a text", "--dimensions", "3"))
    assert np.array_equal(cut, plain[:, :3])
    unit = vectors_of(mm("embed", model, "a text", "--dimensions", "3", "--normalize"))
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(unit, vectors_of(
        mm("embed", model, "a text", "--dimensions=3", "--normalize=true", "--set", "cpu_threads=1")))
    prompted = vectors_of(mm("embed", model, "text", "--prompt", "a "))
    assert np.array_equal(prompted, plain)
    (result,) = lines_of(mm("embed", model, "a b c d e f g", "--max-length", "4", "--return-ids",
                            "--id", "seven"))
    assert result["data"]["truncated"] == [True] and result["data"]["tokens"] == [4]
    assert len(result["data"]["input_ids"][0]) == 4
    assert "seven" in json.dumps(result)


def test_dash_dash_ends_the_flags(mm, model):
    run = mm("embed", model, "--", "--not-a-flag", "-x")
    assert len(lines_of(run)[0]["data"]["embeddings"]) == 2


@pytest.mark.parametrize("words, code", [
    (["./missing", "a"], "MODEL_NOT_FOUND"),
    (["MODEL", "a", "--prompt-name", "none-of-that-name"], "INVALID_PARAMETER"),
    (["MODEL", "a " * 5000, "--truncate", "error"], "INPUT_TOO_LONG"),
    (["MODEL", b"\xff\xfe"], "INVALID_REQUEST"),
])
def test_failures_are_results(mm, model, words, code):
    run = mm("embed", *[model if word == "MODEL" else word for word in words], status=1)
    (result,) = lines_of(run)
    assert result["success"] is False and result["error"]["code"] == code
    assert result["error"]["message"] and isinstance(result["error"]["details"], dict)


def test_bad_text_is_named_by_index(mm, model):
    (result,) = lines_of(mm("embed", model, stdin=b"good\nb\xe4d\n", status=1))
    assert result["error"]["code"] == "INVALID_REQUEST" and result["error"]["details"]["index"] == 1


def test_failures_with_npy_keep_stdout_empty(mm, model):
    run = mm("embed", "./missing", "a", "--format", "npy", status=1)
    assert run.stdout == b"" and b"mm: error: " in run.stderr
    run = mm("embed", "./missing", "a", "--output", "result.json", status=1)
    assert run.stdout == b"" and b"mm: error: " in run.stderr
    assert not (mm.folder / "result.json").exists()
    run = mm("embed", model, "a", "--output", "no/such/folder", status=1)
    assert b"no/such/folder" in run.stderr
    run = mm("embed", model, "--file", "no-such-file", status=1)
    assert b"no-such-file" in run.stdout


def test_a_directory_without_dot_slash_gets_a_hint(mm, model):
    run = mm("embed", model[2:], "a", status=1)
    assert b"write " + model.encode() in run.stderr


def test_stdout_that_cannot_be_written(mm, model):
    run = mm.shell(f"mm embed {model} a >&-")
    assert run.returncode == 1 and b"standard output" in run.stderr
    if os.path.exists("/dev/full"):
        run = mm.shell(f"mm embed {model} a > /dev/full")
        assert run.returncode == 1 and b"standard output" in run.stderr
    # A reader that has gone is no news.
    read_end, write_end = os.pipe()
    os.close(read_end)
    run = subprocess.run([mm.path, "embed", model, "a", "--device", "cpu"], stdout=write_end,
                         stderr=subprocess.PIPE, cwd=mm.folder, env=mm.environment, timeout=120)
    os.close(write_end)
    assert run.returncode == 141 and run.stderr == b""


def test_missing_stderr_does_not_get_into_the_result(mm, model):
    run = mm.shell(f"mm embed {model} a 2>&-")
    assert run.returncode == 0 and len(lines_of(run)) == 1
