# SPDX-License-Identifier: Apache-2.0
"""mm inspect and mm tokenize of a model that is not here get no more of it than they need; a request
that waits for a download shows on a terminal how far it is."""
import json
import os
import pty
import random
import subprocess

import pytest

from hub_fixtures import MODELS, embedding, find_program, hub, mm, model_files  # noqa: F401

NAME = "org/model"


@pytest.fixture
def repository(hub):
    return hub.add(NAME, model_files())


def inspect(mm, name, status=0):
    code, out, err = mm.run("inspect", name, "--json")
    assert code == status, out + err
    return json.loads(out)


# ---- Tokenising --------------------------------------------------------------------------------

def test_tokenize_gets_no_weights(hub, mm, repository):
    status, out, err = mm.run("tokenize", NAME, "a text")
    assert status == 0, err
    local = mm.run("tokenize", str(MODELS / "bert-mean-normalize"), "a text")[1]
    assert out == local
    assert not hub.paths("safetensors")
    assert not (mm.repository(NAME) / "snapshots" / repository.head / "model.safetensors").exists()
    hub.requests.clear()
    assert mm.run("tokenize", NAME, "a text")[1] == local
    assert not hub.requests, "what is here is not asked about"
    model, = json.loads(mm.run("models", "--json")[1])["models"]
    assert model["complete"] is False
    result, = mm.task(embedding(NAME))
    assert result["success"] and hub.paths("safetensors"), "the rest comes when it is needed"
    assert not hub.paths("resolve.*tokenizer.json")


def test_tokenize_without_weights_that_could_be_run(hub, mm):
    files = {path: data for path, data in model_files().items() if not path.endswith(".safetensors")}
    hub.add(NAME, files)
    assert mm.run("tokenize", NAME, "a text")[0] == 0


def test_tokenize_what_is_not_there(hub, mm):
    status, _, err = mm.run("tokenize", "org/none", "a text")
    assert status == 1 and "there is no model org/none" in err
    status, _, err = mm.run("tokenize", "org/none", "a text", HF_HUB_OFFLINE="1")
    assert status == 1 and "offline" in err


# ---- Inspecting --------------------------------------------------------------------------------

@pytest.mark.parametrize("model", ["bert-mean-normalize", "bert-sharded"])
def test_inspect_gets_no_weights(hub, mm, model):
    large = {**model_files(model)}
    repository = hub.add(NAME, large)
    seen = inspect(mm, NAME)
    assert seen["model_name"] == NAME and seen["revision"] == repository.head
    assert not mm.cache.exists(), "nothing is kept of a look"
    assert not [name for name in os.listdir("/tmp") if name.startswith("mm-inspect-")]
    mm.pull(NAME)
    here = inspect(mm, NAME)
    assert seen.pop("fingerprint") is None and len(here.pop("fingerprint")) == 64
    assert here == seen, "as if it were here"


def test_inspect_asks_for_headers(hub, mm):
    """A large file: a header, and weights that are never asked for."""
    import struct
    rest = random.Random(3).randbytes(8 << 20)
    header = json.dumps({"a": {"dtype": "F32", "shape": [len(rest) // 4], "data_offsets": [0, len(rest)]},
                         **{"__metadata__": {"fill": "x" * 300_000}}}).encode()
    files = model_files()
    files["model.safetensors"] = struct.pack("<Q", len(header)) + header + rest
    hub.add(NAME, files)
    assert inspect(mm, NAME)["parameters"] == len(rest) // 4
    ranges = [headers["Range"] for host, _, headers in hub.requests if host == "cdn"]
    assert ranges == ["bytes=0-262143", f"bytes=262144-{8 + len(header) - 1}"]


@pytest.mark.parametrize("content", [b"", b"short", bytes(8), b"\xff" * 64, (1 << 30).to_bytes(8, "little") + bytes(64)])
def test_inspect_lying_headers(hub, mm, content):
    hub.add(NAME, {**model_files(), "model.safetensors": content})
    assert inspect(mm, NAME, status=1)["error"]["code"] == "MODEL_CORRUPT"


def test_inspect_from_a_server_without_ranges(hub, mm):
    hub.add(NAME, {**model_files(), "model.safetensors": bytes(1 << 20)})
    hub.rule("cdn:", "data", times=99, ignore_range=True)
    error = inspect(mm, NAME, status=1)["error"]
    assert error["code"] == "DOWNLOAD_FAILED" and "mm pull" in error["message"]


def test_inspect_what_is_not_there(hub, mm):
    assert inspect(mm, "org/none", status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    asked = len(hub.requests)
    assert inspect(mm, "./none", status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    assert len(hub.requests) == asked


# ---- Progress ----------------------------------------------------------------------------------

def on_terminal(mm, *words, stdin=b""):
    """stdout, and what a terminal for stderr got."""
    parent, child = pty.openpty()
    process = subprocess.Popen([find_program().resolve(), *words], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=child, cwd=mm.folder, env=mm.environment)
    os.close(child)
    shown = b""
    process.stdin.write(stdin)
    process.stdin.close()
    try:
        while piece := os.read(parent, 65536):
            shown += piece
    except OSError:  # the other side is closed
        pass
    os.close(parent)
    out = process.stdout.read()
    assert process.wait(60) == 0, shown
    return out.decode(), shown.decode()


@pytest.mark.parametrize("words,stdin", [
    (["pull", NAME], b""), (["embed", NAME, "a text"], b""), (["tokenize", NAME, "a text"], b""),
    (["task"], json.dumps(embedding(NAME)).encode() + b"\n")])
def test_bars_on_a_terminal(hub, mm, repository, words, stdin):
    hub.bytes_per_second = 1_500_000
    _, shown = on_terminal(mm, *words, stdin=stdin)
    frames = [frame for frame in shown.replace("\r\n", "\n").split("\r") if "%" in frame]
    assert len(frames) >= (1 if "tokenize" in words else 3)
    if "tokenize" not in words:
        assert any("left" in frame for frame in frames) and any("model.safetensors" in frame for frame in frames)
    assert "100%" in frames[-1] and "MB/s" in frames[-1] and frames[-1].endswith("\n")
    assert max(map(len, frames)) < 130


def test_no_bars_for_what_is_here(hub, mm, repository):
    mm.pull(NAME)
    assert on_terminal(mm, "embed", NAME, "a text", "--device", "cpu")[1] == ""


def test_no_lines_but_the_result_without_a_terminal(hub, mm, repository):
    _, out, err = mm.run("embed", NAME, "a text", "--device", "cpu")
    assert json.loads(out)["success"] and err == ""
