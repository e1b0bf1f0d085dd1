# SPDX-License-Identifier: Apache-2.0
"""Keeping house: mm models rm and verify, mm login, caches without links."""
import json
import os
import stat

import pytest

from hub_double import TOKEN
from hub_fixtures import check_cache, embedding, hub, mm, model_files  # noqa: F401
from test_double import client  # noqa: F401

NAME = "org/model"


@pytest.fixture
def repository(hub):
    return hub.add(NAME, model_files())


def answer(mm, *words, status=0, **environment):
    code, out, err = mm.run(*words, "--json", **environment)
    assert code == status, out + err
    return json.loads(out)


# ---- mm models rm ------------------------------------------------------------------------------

def test_remove(hub, mm, repository):
    pulled = mm.pull(NAME)
    removed = answer(mm, "models", "rm", NAME)
    assert removed == {"model_name": NAME, "revision": None, "snapshots": 1,
                       "freed_bytes": pulled["bytes"] + len(repository.head)}
    assert not mm.repository(NAME).exists() and not list(mm.cache.rglob("*.tmp"))
    assert answer(mm, "models", "rm", NAME, status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    mm.pull(NAME)
    check_cache(mm.repository(NAME), repository)


def test_remove_a_revision(hub, mm, repository):
    mm.pull(NAME)
    first = repository.head
    second = repository.commit("v2", {**model_files(), "config.json": b'{"other": 1}'})
    mm.pull(f"{NAME}@v2")
    removed = answer(mm, "models", "rm", f"{NAME}@v2")
    assert removed["freed_bytes"] == len(b'{"other": 1}') and removed["snapshots"] == 1
    folder = mm.repository(NAME)
    assert not (folder / "refs/v2").exists() and not (folder / "snapshots" / second).exists()
    assert not (folder / ".no_exist" / second).exists()
    check_cache(folder, repository, wanted=model_files(extras=False))
    answer(mm, "models", "rm", f"{NAME}@{first}")
    assert not folder.exists(), "nothing was left"


def test_remove_bare_names(hub, mm):
    hub.add("sentence-transformers/mini", model_files())
    hub.add("bare", model_files())
    mm.pull("mini")
    mm.pull("bare")
    assert answer(mm, "models", "rm", "mini")["model_name"] == "sentence-transformers/mini"
    assert answer(mm, "models", "rm", "bare")["model_name"] == "bare"
    assert answer(mm, "models", "list")["models"] == []


def test_remove_follows_no_links(hub, mm, repository):
    mm.pull(NAME)
    victim = mm.folder / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    (mm.repository(NAME) / "snapshots" / repository.head / "link").symlink_to(victim)
    (mm.repository(NAME) / "blobs/link").symlink_to(victim)
    answer(mm, "models", "rm", NAME)
    assert (victim / "file").read_text() == "precious" and not mm.repository(NAME).exists()


@pytest.mark.parametrize("words", [["rm", "../x"], ["rm", "./x"], ["rm", "a/../b"], ["rm", f"{NAME}@../.."],
                                   ["verify", "/x"]])
def test_names_that_are_none(hub, mm, words):
    assert answer(mm, "models", *words, status=1)["error"]["code"] == "INVALID_PARAMETER"


@pytest.mark.parametrize("words", [["rm"], ["rm", "a", "b"], ["list", "a"], ["remove", "a"]])
def test_usage(mm, words):
    assert mm.run("models", *words)[0] == 2


def test_the_users_own_cache_is_only_read(hub, mm, client, repository):
    client(NAME, mm.folder / "home/hub", "snapshot")
    assert answer(mm, "models", "rm", NAME, status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    assert answer(mm, "models", "list")["models"][0]["complete"] is True


def test_remove_what_the_client_pulled(hub, mm, client, repository):
    client(NAME, mm.cache, "snapshot")
    answer(mm, "models", "rm", f"{NAME}@main")
    assert not mm.repository(NAME).exists()


# ---- mm models verify --------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["model.safetensors", "config.json", "1_Pooling/config.json"])
def test_verify(hub, mm, repository, path):
    pulled = mm.pull(NAME)
    whole = answer(mm, "models", "verify", NAME)
    assert whole["good"] is True
    model, = whole["models"]
    assert model["problems"] == [] and model["unchecked"] == 0
    assert model["files"] == pulled["files"] and model["bytes"] == pulled["bytes"]
    blob = mm.repository(NAME) / "blobs" / repository.file(path).etag
    with open(blob, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    broken = answer(mm, "models", "verify", f"{NAME}@main", status=1)
    assert broken["good"] is False
    problem, = broken["models"][0]["problems"]
    assert problem["file"] == path and "is not the blob's name" in problem["problem"]
    status, out, err = mm.run("models", "verify")
    assert status == 1 and out.startswith("bad ") and path in out and f"mm models rm {NAME}@" in err
    blob.unlink()
    assert answer(mm, "models", "verify", status=1)["models"][0]["problems"] == [
        {"file": path, "problem": "its blob is missing"}]


def test_verify_what_is_not_there(hub, mm, repository):
    assert answer(mm, "models", "verify") == {"good": True, "models": []}
    mm.pull(NAME)
    assert answer(mm, "models", "verify", "org/none", status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    assert answer(mm, "models", "verify", f"{NAME}@v1", status=1)["error"]["code"] == "MODEL_NOT_FOUND"
    assert len(answer(mm, "models", "verify", f"{NAME}@{repository.head}")["models"]) == 1


def test_verify_what_the_client_pulled(hub, mm, client, repository):
    client(NAME, mm.cache, "snapshot")
    model, = answer(mm, "models", "verify")["models"]
    assert model["files"] == len(model_files()) and model["problems"] == []


def test_last_use(hub, mm, repository):
    mm.pull(NAME)
    blob = mm.repository(NAME) / "blobs" / repository.file("model.safetensors").etag
    for path in (mm.repository(NAME) / "blobs").iterdir():
        os.utime(path, (1_000_000_000, path.stat().st_mtime))
    os.utime(blob, (1_500_000_000, blob.stat().st_mtime))
    model, = answer(mm, "models", "list")["models"]
    assert model["last_used"] == 1_500_000_000
    assert "2017-07-1" in mm.run("models")[1]


# ---- Without links -----------------------------------------------------------------------------

def check_plain(folder, repository):
    snapshot = folder / "snapshots" / repository.head
    for path, data in model_files(extras=False).items():
        assert not (snapshot / path).is_symlink() and (snapshot / path).read_bytes() == data
    assert (folder / "refs/main").read_text() == repository.head


def test_without_links(hub, mm, client, repository):
    files = {**model_files(), "merges.txt": model_files()["config.json"]}  # twice the same content
    repository = hub.add(NAME, files)
    mm.pull(NAME, HF_HUB_DISABLE_SYMLINKS="1")
    check_plain(mm.repository(NAME), repository)
    assert not list((mm.repository(NAME) / "blobs").iterdir())
    hub.requests.clear()
    assert mm.pull(NAME, HF_HUB_DISABLE_SYMLINKS="1")["downloaded_bytes"] == 0
    assert mm.pull(NAME)["downloaded_bytes"] == 0, "it is as good as with links"
    check_plain(mm.repository(NAME), repository)
    model, = answer(mm, "models", "verify")["models"]
    assert model["unchecked"] == model["files"]
    hub.close()
    assert mm.task(embedding(NAME))[0]["success"]
    assert client(NAME, mm.cache, "local file", "model.safetensors").endswith("model.safetensors")


def test_what_the_client_pulled_without_links(hub, mm, client, repository):
    client(NAME, mm.cache, "snapshot", HF_HUB_DISABLE_SYMLINKS="1")
    check_plain(mm.repository(NAME), repository)
    assert mm.pull(NAME)["downloaded_bytes"] == 0
    assert mm.task(embedding(NAME), HF_HUB_OFFLINE="1")[0]["success"]


# ---- mm login ----------------------------------------------------------------------------------

def login(mm, token, status=0, **environment):
    code, out, err = mm.run("login", "--json", stdin=token.encode(), **environment)
    assert code == status, out + err
    assert token.strip() not in out + err or not token.strip(), "a token was shown"
    return json.loads(out)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_login(hub, mm):
    hub.add(NAME, model_files(), access="private")
    home = mm.folder / "home"
    said = login(mm, f" {TOKEN}\n")
    assert said == {"user": "somebody", "token_name": "laptop", "path": str(home / "token")}
    assert (home / "token").read_text() == TOKEN
    assert (home / "stored_tokens").read_text() == f"[laptop]\nhf_token = {TOKEN}\n\n"
    assert mode(home / "token") == mode(home / "stored_tokens") == 0o600 and mode(home) == 0o700
    mm.pull(NAME)


def test_login_is_refused(hub, mm):
    assert login(mm, "hf_wrong\n", status=1)["error"]["code"] == "MODEL_ACCESS_DENIED"
    assert login(mm, "\n", status=1)["error"]["code"] == "INVALID_PARAMETER"
    assert login(mm, f"{TOKEN}\n", status=1, HF_HUB_OFFLINE="1")["error"]["code"] == "OFFLINE"
    assert not (mm.folder / "home").exists()
    assert mm.run("login", TOKEN)[0] == 2 and mm.run("login")[0] == 2


def test_login_keeps_other_tokens(hub, mm):
    home = mm.folder / "home"
    home.mkdir()
    (home / "stored_tokens").write_text("[zebra]\nhf_token = hf_z\n\n[laptop]\nhf_token = hf_old\n\n"
                                        "[bee]\nhf_token = hf_b\nrefresh_token = r\n\n")
    login(mm, TOKEN)
    assert (home / "stored_tokens").read_text() == (
        "[bee]\nhf_token = hf_b\nrefresh_token = r\n\n"
        f"[laptop]\nhf_token = {TOKEN}\n\n[zebra]\nhf_token = hf_z\n\n")


def test_login_into_a_file_of_ones_own(hub, mm):
    login(mm, TOKEN, HF_TOKEN_PATH=str(mm.folder / "secrets/hub"))
    assert (mm.folder / "secrets/hub").read_text() == TOKEN
    assert (mm.folder / "secrets/stored_tokens").exists()


@pytest.mark.parametrize("name", ["evil]\nhf_token = x", "[a]", "", "Ünïcode"])
def test_names_of_tokens(hub, mm, client, name):
    hub.token_name = name
    login(mm, TOKEN)
    stored = client(NAME, mm.cache, "tokens")
    assert list(stored.values()) == [TOKEN]


def test_the_client_reads_what_login_wrote(hub, mm, client):
    login(mm, TOKEN)
    assert client(NAME, mm.cache, "tokens") == {"laptop": TOKEN}
    assert client(NAME, mm.cache, "token") == TOKEN


def test_login_writes_what_the_client_writes(hub, mm, client):
    client(NAME, mm.cache, "login", TOKEN)
    files = {path.name: path.read_bytes() for path in (mm.folder / "home").iterdir() if path.is_file()}
    modes = {path.name: mode(path) for path in (mm.folder / "home").iterdir() if path.is_file()}
    assert set(files) == {"token", "stored_tokens"}
    for name in files:
        (mm.folder / "home" / name).unlink()
    login(mm, TOKEN)
    assert {name: (mm.folder / "home" / name).read_bytes() for name in files} == files
    assert {name: mode(mm.folder / "home" / name) for name in files} == modes
