# SPDX-License-Identifier: Apache-2.0
"""mm pull against the double: what lands in the cache, and what happens when things go wrong."""
import json
import os

import pytest

from hub_double import TOKEN, git_sha1
from hub_fixtures import EXTRAS, check_cache, hub, mm, model_files  # noqa: F401

NAME = "org/model"


@pytest.fixture
def repository(hub):
    return hub.add(NAME, model_files())


# ---- What lands --------------------------------------------------------------------------------

def test_files(hub, mm, repository):
    answer = mm.pull(NAME)
    snapshot = check_cache(mm.repository(NAME), repository, wanted=model_files(extras=False))
    assert answer["model_name"] == NAME and answer["revision"] == repository.head
    assert os.path.samefile(mm.folder / answer["directory"], snapshot)
    assert answer["downloaded_bytes"] == answer["bytes"] == sum(map(len, model_files(extras=False).values()))
    assert not answer["from_cache"]
    assert (mm.cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    missing = mm.repository(NAME) / ".no_exist" / repository.head
    assert (missing / "generation_config.json").read_bytes() == b""
    assert not (missing / "config.json").exists()
    locks = {path.stem for path in (mm.cache / ".locks/models--org--model").iterdir()}
    assert locks == {path.name for path in (mm.repository(NAME) / "blobs").iterdir()}
    again = mm.pull(NAME)
    assert again["downloaded_bytes"] == 0 and again["bytes"] == answer["bytes"]


def test_shards(hub, mm):
    repository = hub.add(NAME, model_files("bert-sharded"))
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository, wanted=model_files("bert-sharded", extras=False))


def test_pages(hub, mm, repository):
    hub.page_size = 3
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository, wanted=model_files(extras=False))
    assert len(hub.paths("/tree/")) > 3


def test_revisions(hub, mm, repository):
    first = repository.head
    second = repository.commit("refs/pr/1", {**model_files(), "config.json": b'{"other": 1}'})
    assert mm.pull(f"{NAME}@refs/pr/1")["revision"] == second
    assert (mm.repository(NAME) / "refs/refs/pr/1").read_text() == second
    assert mm.pull(f"{NAME}@{first}")["revision"] == first
    assert not (mm.repository(NAME) / "refs/main").exists()
    third = repository.commit("main", {**model_files(), "config.json": b'{"third": 1}'})
    answer = mm.pull(NAME)
    assert answer["revision"] == third and answer["downloaded_bytes"] == len(b'{"third": 1}')


def test_bare_names(hub, mm):
    hub.add("sentence-transformers/mini", model_files())
    hub.add("bare", model_files())
    assert mm.pull("mini")["model_name"] == "sentence-transformers/mini"
    assert mm.pull("bare")["model_name"] == "bare"
    assert (mm.cache / "models--bare/refs/main").exists()


def test_renamed(hub, mm, repository):
    hub.renamed["org/old"] = NAME
    hub.add("org/old", model_files())
    assert mm.pull("org/old")["revision"] == repository.head


def test_progress_is_json_lines(hub, mm, repository):
    _, _, err = mm.run("pull", NAME)
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[-1]["bytes"] == lines[-1]["size"] and lines[-1]["files_done"] == lines[-1]["files"]
    assert mm.run("pull", NAME, "--quiet")[2] == ""


# ---- Tokens ------------------------------------------------------------------------------------

def test_token_goes_to_the_hub_only(hub, mm):
    repository = hub.add(NAME, model_files(), access="private")
    mm.pull(NAME, HF_TOKEN=f" {TOKEN}\n")
    check_cache(mm.repository(NAME), repository)
    for host, path, headers in hub.requests:
        assert ("Authorization" in headers) == (host == "hub"), path


@pytest.mark.parametrize("where", ["HUGGING_FACE_HUB_TOKEN", "file", "path", "dotenv"])
def test_token_places(hub, mm, where):
    hub.add(NAME, model_files(), access="gated")
    more = {}
    (mm.folder / "home").mkdir()
    if where == "file":
        (mm.folder / "home/token").write_text(TOKEN + "\n")
    elif where == "path":
        (mm.folder / "elsewhere").write_text(TOKEN)
        more["HF_TOKEN_PATH"] = str(mm.folder / "elsewhere")
    elif where == "dotenv":
        (mm.folder / ".env").write_text(f"HF_TOKEN={TOKEN}\n")
    else:
        more[where] = TOKEN
    mm.pull(NAME, **more)


def test_implicit_token_off(hub, mm, repository):
    mm.pull(NAME, HF_TOKEN="hf_wrong", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert not any("Authorization" in headers for _, _, headers in hub.requests)


@pytest.mark.parametrize("access,token,code,part", [
    ("public", "hf_wrong", "MODEL_ACCESS_DENIED", "settings/tokens"),
    ("gated", "", "MODEL_ACCESS_DENIED", "set HF_TOKEN"),
    ("gated", "hf_noaccess", "MODEL_ACCESS_DENIED", "has no access yet"),
    ("private", "", "MODEL_NOT_FOUND", "or it is private: then set HF_TOKEN"),
    ("private", "hf_noaccess", "MODEL_NOT_FOUND", "the token has no access"),
    ("disabled", "", "MODEL_ACCESS_DENIED", "disabled"),
])
def test_access(hub, mm, access, token, code, part):
    hub.add(NAME, model_files(), access=access)
    error = mm.fail(NAME, **({"HF_TOKEN": token} if token else {}))
    assert error["code"] == code and part in error["message"]
    if access == "gated":
        assert f"{hub.url}/{NAME}" in error["message"]


def test_not_there(hub, mm, repository):
    assert mm.fail("org/none")["code"] == "MODEL_NOT_FOUND"
    assert mm.fail("none")["code"] == "MODEL_NOT_FOUND"
    error = mm.fail(f"{NAME}@v9")
    assert error["code"] == "MODEL_NOT_FOUND" and "v9" in error["message"]


# ---- What cannot be run ------------------------------------------------------------------------

@pytest.mark.parametrize("files,part", [
    ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "pickle"),
    ({"model.gguf": b"x"}, "model.gguf"),
    ({"config.json": b"{}", "onnx/model.onnx": b"x"}, "model.onnx"),
    ({"README.md": b"x"}, "has no config.json"),
    ({"config.json": b"{}", "model.safetensors": b"x", "2_Dense/pytorch_model.bin": b"x",
      "modules.json": b'[{"path": "2_Dense"}]'}, "2_Dense/pytorch_model.bin"),
])
def test_nothing_to_run(hub, mm, files, part):
    hub.add(NAME, files)
    error = mm.fail(NAME)
    assert error["code"] == "MODEL_UNSUPPORTED" and part in error["message"]
    assert not hub.paths("resolve/.*(bin|gguf|onnx)")


# ---- Networks ----------------------------------------------------------------------------------

@pytest.mark.parametrize("rule", [
    ("revision/", "status", {"status": 503, "headers": {"Retry-After": "0"}}),
    ("tree/", "status", {"status": 429, "headers": {"Retry-After": "0"}}),
    ("revision/", "status", {"status": 429, "headers": {"RateLimit": '"api";r=0;t=0'}}),
    ("resolve", "status", {"status": 500}),
    ("cdn:", "status", {"status": 403, "message": "expired"}),
    ("cdn:", "data", {"cut": 1000}),
    ("cdn:", "data", {"cut": 1000, "stall": 3}),
    ("config.json", "data", {"cut": 10}),
    ("cdn:", "raw", {"bytes": b""}),
])
def test_trying_again(hub, mm, repository, rule):
    pattern, action, arguments = rule
    hub.rule(pattern, action, times=2, **arguments)
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] == answer["bytes"], "what was cut is gone on with"


def test_retry_after_is_kept(hub, mm, repository):
    hub.rule("revision/", "status", status=429, headers={"Retry-After": "2"})
    import time
    begun = time.monotonic()
    mm.pull(NAME)
    assert time.monotonic() - begun > 1.9


def test_a_server_without_ranges(hub, mm, repository):
    hub.rule("cdn:", "data", cut=5000)
    hub.rule("cdn:", "data", ignore_range=True)
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] == answer["bytes"] + 5000


def test_resume_from_an_earlier_run(hub, mm, repository):
    file = repository.file("model.safetensors")
    blobs = mm.repository(NAME) / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{file.etag}.incomplete").write_bytes(file.data[:7777])
    answer = mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)
    assert answer["downloaded_bytes"] == answer["bytes"] - 7777


@pytest.mark.parametrize("left", ["other bytes", "too long", "whole", "whole but wrong"])
def test_bad_leftovers(hub, mm, repository, left):
    file = repository.file("model.safetensors")
    blobs = mm.repository(NAME) / "blobs"
    blobs.mkdir(parents=True)
    content = {"other bytes": b"\0" * 5000, "too long": file.data + b"x", "whole": file.data,
               "whole but wrong": b"\0" * len(file.data)}[left]
    (blobs / f"{file.etag}.incomplete").write_bytes(content)
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


@pytest.mark.parametrize("host,path", [("cdn:", "model.safetensors"),
                                       ("[0-9a-f]{40}/config.json", "config.json")])
def test_wrong_content(hub, mm, repository, host, path):
    wrong = bytearray(repository.file(path).data)
    wrong[-1] ^= 1
    hub.rule(host, "data", times=99, data=bytes(wrong))
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "is not what the Hub's list says" in error["message"]
    assert not (mm.repository(NAME) / "refs/main").exists()
    assert not (mm.repository(NAME) / "blobs" / repository.file(path).etag).exists()
    hub.rules.clear()
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


def test_wrong_size(hub, mm, repository):
    repository.file("model.safetensors").size -= 1
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "longer than" in error["message"]
    repository.file("model.safetensors").size += 2
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "several times" in error["message"]


def test_disk_full(hub, mm, repository):
    repository.file("model.safetensors").size = 1 << 60
    error = mm.fail(NAME)
    assert error["code"] == "DISK_FULL" and "models_dir" in error["message"]
    assert not hub.paths("cdn:")


def test_folder_that_cannot_be_written(hub, mm, repository):
    (mm.folder / "file").write_text("")
    error = mm.fail(NAME, "--set", "models_dir=file/models")
    assert error["code"] == "DOWNLOAD_FAILED" and "file/models" in error["message"]


# ---- Hostile servers ---------------------------------------------------------------------------

@pytest.mark.parametrize("to,part", [
    ("file:///etc/passwd", "neither http nor https"),
    ("ftp://127.0.0.1/x", "neither http nor https"),
    ("SELF", "more than 10 times"),
    ("http://[", "an address that is none"),
])
@pytest.mark.parametrize("where", ["revision/", "cdn:"])
def test_redirects(hub, mm, repository, to, part, where):
    hub.rule(where, "redirect", times=99, to=to)
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and part in error["message"]


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/etc/evil", "a//b", "a\\b", "C:evil",
                                  "./a", "a/.", "line\nbreak", "", "x" * 2000])
def test_hostile_paths(hub, mm, repository, path):
    hub.extra_entries = [{"type": "file", "oid": git_sha1(b"x"), "size": 1, "path": path}]
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "list of files" in error["message"]
    assert not (mm.repository(NAME) / "snapshots").exists()


@pytest.mark.parametrize("entry", [
    {"oid": "../../../evil"}, {"oid": None}, {"size": -1}, {"size": "1"}, {"lfs": {"oid": "x", "size": 1}},
    {"type": None}, {"path": 1},
])
def test_hostile_entries(hub, mm, repository, entry):
    hub.extra_entries = [{"type": "file", "oid": git_sha1(b"x"), "size": 1, "path": "a", **entry}]
    assert mm.fail(NAME)["code"] == "DOWNLOAD_FAILED"


@pytest.mark.parametrize("files", [
    {"modules.json": b'[{"path": "../.."}]', "model.safetensors": b"x"},
    {"model.safetensors.index.json": b'{"weight_map": {"a": "../../evil.safetensors"}}'},
    {"model.safetensors.index.json": b'{"weight_map": {"a": "none.safetensors"}}'},
    {"model.safetensors.index.json": b'{"weight_map": {"a": "config.json"}}'},
    {"model.safetensors.index.json": b"not JSON"},
])
def test_hostile_guides(hub, mm, files):
    hub.add(NAME, {"config.json": b"{}", **files})
    assert mm.fail(NAME)["code"] == "MODEL_CORRUPT"


@pytest.mark.parametrize("action,arguments,part", [
    ("json", {"value": {"sha": "../../evil"}}, "does not answer like a Hub"),
    ("json", {"value": []}, "does not answer like a Hub"),
    ("raw", {"bytes": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot JSON!"}, "answer"),
    ("raw", {"bytes": b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"z" * 9000 + b"\r\n"
             + (b"X-Z: " + b"z" * 9000 + b"\r\n") * 40 + b"\r\n"}, "headers are too long"),
    ("raw", {"bytes": b"\x16\x03\x01 not HTTP\r\n\r\n"}, "no proper answer"),
])
def test_hostile_answers(hub, mm, repository, action, arguments, part):
    hub.rule("revision/", action, times=99, **arguments)
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and part in error["message"]


def test_list_that_goes_on_elsewhere(hub, mm, repository):
    hub.page_size = 3
    hub.link_host = hub.cdn_url
    error = mm.fail(NAME)
    assert error["code"] == "DOWNLOAD_FAILED" and "another host" in error["message"]
    assert not hub.paths("cdn:")


def test_bad_settings(hub, mm, repository):
    assert "HF_ENDPOINT" in mm.run("pull", NAME, HF_ENDPOINT="file:///x")[2]
    assert mm.fail(NAME, HF_TOKEN="a\nb")["code"] == "INVALID_PARAMETER"


# ---- Without a Hub -----------------------------------------------------------------------------

def test_offline(hub, mm, repository):
    error = mm.fail(NAME, HF_HUB_OFFLINE="1")
    assert error["code"] == "OFFLINE"
    assert mm.fail(NAME, "--set", "offline=true")["code"] == "OFFLINE"
    assert mm.fail(NAME, TRANSFORMERS_OFFLINE="YES")["code"] == "OFFLINE"
    assert not hub.requests
    mm.pull(NAME)
    assert mm.pull(NAME, HF_HUB_OFFLINE="1")["from_cache"] is True


def test_unreachable(hub, mm, repository):
    nowhere = "http://127.0.0.1:9"
    error = mm.fail(NAME, HF_ENDPOINT=nowhere)
    assert error["code"] == "DOWNLOAD_FAILED" and "cannot reach" in error["message"]
    mm.pull(NAME)
    answer = mm.pull(NAME, HF_ENDPOINT=nowhere)
    assert answer["from_cache"] is True and answer["revision"] == repository.head


# ---- mm models ---------------------------------------------------------------------------------

def test_models(hub, mm, repository):
    status, out, _ = mm.run("models", "--json")
    assert status == 0 and json.loads(out) == {"models": []}
    first = mm.pull(NAME)
    repository.commit("v2", {**model_files(), "config.json": b'{"other": 1}'})
    second = mm.pull(f"{NAME}@v2")
    (mm.repository(NAME) / "snapshots" / second["revision"] / "model.safetensors").unlink()
    hub.add("bare", model_files())
    mm.pull("bare")
    models = {(model["model_name"], model["revision"]): model for model
              in json.loads(mm.run("models", "--json")[1])["models"]}
    assert len(models) == 3
    model = models[NAME, first["revision"]]
    assert model["refs"] == "main" and model["complete"] is True
    assert model["bytes"] == first["bytes"] and os.path.samefile(mm.folder / model["directory"],
                                                                 mm.folder / first["directory"])
    assert models[NAME, second["revision"]]["complete"] is False
    lines = mm.run("models")[1].splitlines()
    assert len(lines) == 4 and any(line.startswith("bare ") for line in lines)
    assert mm.run("models", "remove")[0] == 2
