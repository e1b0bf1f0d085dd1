# SPDX-License-Identifier: Apache-2.0
"""The official client takes the double for a Hub, and shares a cache with mm in both directions."""
import json
import subprocess
import sys

import pytest

from hub_double import TOKEN
from hub_fixtures import check_cache, embedding, hub, mm, model_files  # noqa: F401

pytest.importorskip("huggingface_hub", reason="huggingface_hub is missing: run scripts/setup test")
NAME = "org/model"

# In a process of its own, since the library reads its settings when it is imported.
SCRIPT = """
import json, sys
import huggingface_hub
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache, _CACHED_NO_EXIST
name, cache, action = sys.argv[1:4]
try:
    if action == "snapshot":
        answer = snapshot_download(name, cache_dir=cache)
    elif action == "local snapshot":
        answer = snapshot_download(name, cache_dir=cache, local_files_only=True)
    elif action == "local file":
        answer = hf_hub_download(name, sys.argv[4], cache_dir=cache, local_files_only=True)
    elif action == "known missing":
        answer = try_to_load_from_cache(name, sys.argv[4], cache_dir=cache) is _CACHED_NO_EXIST
    elif action == "tokens":
        answer = huggingface_hub.utils.get_stored_tokens()
    elif action == "token":
        answer = huggingface_hub.get_token()
    elif action == "login":
        answer = huggingface_hub.login(token=sys.argv[4])
    elif action == "scan":
        info = huggingface_hub.scan_cache_dir(cache)
        answer = {"warnings": [str(warning) for warning in info.warnings],
                  "repos": [[repo.repo_id, sorted(repo.refs), repo.nb_files] for repo in info.repos]}
except Exception as error:
    answer = {"error": type(error).__name__}
print(json.dumps(answer))
"""


@pytest.fixture
def client(hub, mm):
    def call(name, cache, action, *words, **environment):
        run = subprocess.run([sys.executable, "-c", SCRIPT, name, str(cache), action, *words],
                             capture_output=True, text=True, timeout=120, cwd=mm.folder,
                             env={**mm.environment, **environment})
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)
    return call


def test_client_downloads_from_the_double(hub, mm, client):
    repository = hub.add(NAME, model_files())
    hub.page_size = 4
    client(NAME, mm.cache, "snapshot")
    check_cache(mm.repository(NAME), repository, wanted=model_files())


@pytest.mark.parametrize("access,token,error", [
    ("private", "", "RepositoryNotFoundError"), ("gated", "", "GatedRepoError"),
    ("gated", "hf_noaccess", "GatedRepoError"), ("private", TOKEN, None), ("gated", TOKEN, None)])
def test_client_is_refused_by_the_double(hub, mm, client, access, token, error):
    hub.add(NAME, model_files(), access=access)
    answer = client(NAME, mm.cache, "snapshot", **({"HF_TOKEN": token} if token else {}))
    assert (answer.get("error") if isinstance(answer, dict) else None) == error


def test_client_finds_what_mm_pulled(hub, mm, client):
    repository = hub.add(NAME, model_files())
    mm.pull(NAME)
    hub.close()
    for path in model_files(extras=False):
        found = client(NAME, mm.cache, "local file", path)
        with open(found, "rb") as file:
            assert file.read() == repository.file(path).data
    snapshot = client(NAME, mm.cache, "local snapshot")
    assert snapshot == str(mm.repository(NAME) / "snapshots" / repository.head)
    assert client(NAME, mm.cache, "known missing", "generation_config.json") is True
    scan = client(NAME, mm.cache, "scan")
    assert scan == {"warnings": [], "repos": [[NAME, ["main"], len(model_files(extras=False))]]}


def test_client_goes_on_where_mm_stopped(hub, mm, client):
    repository = hub.add(NAME, model_files())
    mm.pull(NAME)
    hub.requests.clear()
    client(NAME, mm.cache, "snapshot")
    check_cache(mm.repository(NAME), repository, wanted=model_files())
    assert not [path for path in hub.paths("cdn:") if repository.file("model.safetensors").etag in path]


def test_mm_finds_what_the_client_pulled(hub, mm, client):
    repository = hub.add(NAME, model_files())
    client(NAME, mm.cache, "snapshot")
    hub.requests.clear()
    answer = mm.pull(NAME)
    assert answer["downloaded_bytes"] == 0 and answer["revision"] == repository.head
    assert not hub.paths("resolve")
    result, = mm.task(embedding(NAME), HF_HUB_OFFLINE="1")
    assert result["success"] and result["data"]["revision"] == repository.head


def test_mm_reads_the_users_own_cache(hub, mm, client):
    repository = hub.add(NAME, model_files())
    client(NAME, mm.folder / "home/hub", "snapshot")
    hub.close()
    result, = mm.task(embedding(NAME))
    assert result["success"] and result["data"]["revision"] == repository.head
    assert not mm.cache.exists()
