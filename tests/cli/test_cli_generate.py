# SPDX-License-Identifier: Apache-2.0
"""mm generate: what comes out is what transformers generates with the same folder."""
import json
import os
import pty
import re
import subprocess

import pytest

from conftest import LIMIT, ROOT, lines_of

GOLDEN = json.loads((ROOT / "tests/golden/models/seq2seq-t5/golden.json").read_text(encoding="utf-8"))
TEXTS = [entry["text"] for entry in GOLDEN["inputs"]]


def expected(index, **parameters):
    """The texts of the run of one input with these parameters."""
    (run,) = [run for run in GOLDEN["runs"]
              if run["inputs"] == [index] and run["params"] == parameters]
    return run["text"]


def data_of(run):
    (result,) = lines_of(run)
    assert result["success"] is True
    return result["data"]


def test_one_text_gives_single_values(mm, writer):
    run = mm("generate", writer, TEXTS[0], "--device", "cpu")
    data = data_of(run)
    assert data["generated_text"] == expected(0)[0]
    assert data["finish_reason"] == "length" and data["truncated"] is False
    assert data["input_tokens"] == len(GOLDEN["inputs"][0]["input_ids"]) and data["output_tokens"] == 20
    assert "scores" not in data and run.stderr == b""


def test_texts_from_arguments_file_and_stdin_are_the_same(mm, writer):
    body = "\n".join(TEXTS[:3]).encode()
    (mm.folder / "texts.txt").write_bytes(body + b"\n")
    want = [expected(i)[0] for i in range(3)]
    assert data_of(mm("generate", writer, *TEXTS[:3]))["generated_text"] == want
    assert data_of(mm("generate", writer, "--file", "texts.txt"))["generated_text"] == want
    assert data_of(mm("generate", writer, stdin=body))["generated_text"] == want
    run = mm("generate", writer, "--format", "text", stdin=body)
    assert run.stdout.decode() == "".join(text + "\n" for text in want)


def test_flags_reach_the_model(mm, writer):
    tried = 0
    for run in GOLDEN["runs"]:
        if len(run["inputs"]) != 1 or not run["params"] or "eos_token_id" in run["params"] or tried > 12:
            continue  # a request cannot name end tokens
        flags = []
        for name, value in run["params"].items():
            flags.append(f"--{name.replace('_', '-')}={value if isinstance(value, str) else json.dumps(value)}")
        data = data_of(mm("generate", writer, TEXTS[run["inputs"][0]], *flags))
        found = data["generated_text"]
        assert (found if isinstance(found, list) else [found]) == run["text"], run["params"]
        tried += 1
    assert tried > 5


def test_stream_gives_the_text(mm, writer):
    for flags in [["--device", "cpu"], ["--device", "cpu", "--num-beams", "2"]]:
        whole = mm("generate", writer, TEXTS[1], "--format", "text", *flags)
        run = mm("generate", writer, TEXTS[1], "--stream", *flags)
        assert run.stdout == whole.stdout and len(run.stdout) > 20 and run.stderr == b""


def test_stream_comes_while_it_is_written(mm, writer):
    process = mm.start("generate", writer, TEXTS[0], "--stream", "--max-new-tokens", "16000")
    begun = process.stdout.read(16)
    assert len(begun) == 16 and process.poll() is None
    process.stdout.close()  # a reader that has enough ends it
    assert process.wait(timeout=60) in (141, -13)
    process.stdin.close()
    process.stderr.close()


def test_sequences_ids_and_scores(mm, writer):
    data = data_of(mm("generate", writer, TEXTS[0], "--num-beams", "4", "--num-return-sequences", "2",
                      "--return-ids", "--max-new-tokens", "5"))
    assert len(data["generated_text"]) == len(data["scores"]) == len(data["output_ids"]) == 2
    assert data["scores"][0] >= data["scores"][1]
    assert data["input_ids"] == [GOLDEN["inputs"][0]["input_ids"]]


def test_sampling_is_repeatable(mm, writer):
    flags = ["--do-sample", "--top-k", "20", "--temperature", "0.8", "--num-return-sequences", "3"]
    texts = [data_of(mm("generate", writer, TEXTS[0], *flags, "--seed", str(seed)))["generated_text"]
             for seed in [7, 7, 8]]
    assert texts[0] == texts[1] != texts[2] and len(set(texts[0])) > 1


def test_a_stop_text_ends_it(mm, writer):
    whole = expected(1)[0]
    stop = whole[8:10]
    data = data_of(mm("generate", writer, TEXTS[1], "--stop", stop))
    assert data["generated_text"] == whole[:whole.index(stop)] and data["finish_reason"] == "stop"


@pytest.mark.parametrize("flags, code", [
    (["--num-beams", "2", "--num-return-sequences", "3"], "INVALID_PARAMETER"),
    (["--task", "summarization"], "INVALID_PARAMETER"),
    (["--suppress-tokens", "[100000]"], "INVALID_PARAMETER"),
])
def test_failures_are_results(mm, writer, flags, code):
    (result,) = lines_of(mm("generate", writer, "a text", *flags, status=1))
    assert result["error"]["code"] == code
    run = mm("generate", writer, "a text", *flags, "--format", "text", status=1)
    assert run.stdout == b"" and b"mm: error: " in run.stderr


def test_a_model_that_does_not_write(mm, model):
    (result,) = lines_of(mm("generate", model, "a text", status=1))
    assert result["error"]["code"] == "INVALID_TASK_TYPE"
    assert result["error"]["details"]["task_types"] == ["embedding"]


@pytest.mark.parametrize("words, message", [
    ([], "no model"),
    (["./m", "a", "--num-beams", "0"], "num_beams"),
    (["./m", "a", "--bad-words-ids", "5"], "bad_words_ids"),
    (["./m", "a", "--normalize"], "unknown option"),
    (["./m", "a", "--file", "b"], "not both"),
    (["./m", "a", "b", "--stream"], "one text"),
    (["./m", "a", "--stream", "--format", "json"], "not --format json"),
    (["./m", "a", "--num-return-sequences", "2", "--num-beams", "2", "--stream"], "one sequence"),
])
def test_usage(mm, words, message):
    run = mm("generate", *words, status=2)
    assert message in run.stderr.decode() and run.stdout == b""


def terminal(mm, *words):
    """A run whose stderr is a terminal: the process, and the terminal's other side."""
    ours, its = pty.openpty()
    process = subprocess.Popen([mm.path, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=its,
                               cwd=mm.folder, env=mm.environment)
    os.close(its)
    return process, ours


def test_a_long_generation_shows_on_a_terminal_how_far_it_is(mm, writer):
    process, ours = terminal(mm, "generate", writer, *TEXTS[:2] * 4, "--device", "cpu", "--max-new-tokens", "16000",
                             "--num-beams", "1")
    shown = b""
    while not re.search(rb"\r\x1b\[K0 of 8 texts, \d+ tokens, \d+ tokens/s", shown):
        shown += os.read(ours, 4096)  # for as long as it takes
    process.kill()
    process.communicate()
    os.close(ours)


def test_a_short_generation_leaves_a_terminal_alone(mm, writer):
    process, ours = terminal(mm, "generate", writer, TEXTS[0], "--device", "cpu", "--max-new-tokens", "1")
    out, _ = process.communicate(timeout=LIMIT)
    assert json.loads(out)["success"]
    with pytest.raises(OSError):  # nothing came before the other side was closed
        assert not os.read(ours, 4096)
    os.close(ours)
