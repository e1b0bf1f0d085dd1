# SPDX-License-Identifier: Apache-2.0
"""The first task of a model of the Hub downloads it, and everything else goes on meanwhile."""
import json
import threading
import time

import pytest

from hub_fixtures import MODELS, check_cache, embedding, find_program, hub, mm, model_files  # noqa: F401

NAME = "org/model"


@pytest.fixture
def repository(hub):
    return hub.add(NAME, model_files())


class Session:
    """An `mm task` that answers requests as they finish, by id."""

    def __init__(self, mm, jobs=8, **environment):
        self.process = mm.start("task", "--jobs", str(jobs), **environment)
        self.results, self.arrived = {}, threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            result = json.loads(line)
            with self.arrived:
                self.results[result["id"]] = (time.monotonic(), result)
                self.arrived.notify_all()

    def send(self, request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def get(self, identifier, limit=60):
        with self.arrived:
            assert self.arrived.wait_for(lambda: identifier in self.results, limit), identifier
            return self.results[identifier][1]

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture
def session(mm):
    opened = Session(mm)
    yield opened
    opened.close()


def test_first_task_downloads(hub, mm, repository):
    hub.bytes_per_second = 2_000_000
    first, second = mm.task(embedding(NAME), embedding(NAME))
    assert first["success"] and second["success"], first
    assert first["data"]["revision"] == repository.head and first["data"]["model_name"] == NAME
    timing = first["data"]["timing"]
    assert timing["download_ms"] > 100 and timing["load_ms"] > 0
    assert timing["total_ms"] >= timing["download_ms"] + timing["load_ms"] - 1
    assert second["data"]["timing"]["download_ms"] == 0
    check_cache(mm.repository(NAME), repository, wanted=model_files(extras=False))
    local, = mm.task(embedding(str(MODELS / "bert-mean-normalize")))
    assert local["data"]["embeddings"] == first["data"]["embeddings"]
    hub.requests.clear()
    again, = mm.task(embedding(NAME))
    assert again["success"] and again["data"]["timing"]["download_ms"] == 0
    assert not hub.requests, "what is here is not asked about"


def test_bare_name_and_embed(hub, mm):
    hub.add("sentence-transformers/mini", model_files())
    status, out, _ = mm.run("embed", "mini", "a text")
    assert status == 0 and json.loads(out)["data"]["model_name"] == "sentence-transformers/mini"


def test_the_network_goes_after_the_first_call(hub, mm):
    """The real model where it is here, else a small one of its name."""
    name = "sentence-transformers/all-MiniLM-L6-v2"
    real = find_program().resolve().parent / "models/all-MiniLM-L6-v2"
    files = ({str(path.relative_to(real)): path.read_bytes() for path in real.rglob("*") if path.is_file()}
             if real.exists() else model_files())
    repository = hub.add(name, files)
    status, first, err = mm.run("embed", name, "hello", HF_HUB_DOWNLOAD_TIMEOUT="60")
    assert status == 0, first + err
    check_cache(mm.repository(name), repository)
    assert all(model["problems"] == [] for model
               in json.loads(mm.run("models", "verify", "--json")[1])["models"])
    hub.close()
    status, second, err = mm.run("embed", name, "hello")
    assert status == 0, second + err
    first, second = json.loads(first)["data"], json.loads(second)["data"]
    assert second["embeddings"] == first["embeddings"] and second["revision"] == repository.head
    assert first["timing"]["download_ms"] > 0 and second["timing"]["download_ms"] == 0


def test_one_download_for_many_callers(hub, mm, repository, session):
    hub.bytes_per_second = 1_000_000
    for number in range(8):
        session.send(embedding(NAME, id=f"{number}"))
    for number in range(8):
        assert session.get(f"{number}")["success"]
    assert len(hub.paths("cdn:")) == 1 and len(hub.paths("/revision/")) == 1


def test_other_models_go_on(hub, mm, repository, session):
    hub.bytes_per_second = 200_000
    session.send(embedding(NAME, id="slow"))
    while not hub.paths("cdn:"):
        time.sleep(0.01)
    session.send(embedding(str(MODELS / "distilbert-mean"), id="other"))
    assert session.get("other")["success"]
    assert "slow" not in session.results
    assert session.get("slow")["success"]


def test_timeout_stops_it_and_the_next_goes_on(hub, mm, repository, session):
    hub.bytes_per_second = 200_000
    begun = time.monotonic()
    session.send(embedding(NAME, id="late", timeout_ms=700))
    assert session.get("late")["error"]["code"] == "TIMEOUT"
    assert time.monotonic() - begun < 2
    time.sleep(0.5)
    file = repository.file("model.safetensors")
    left, = (mm.repository(NAME) / "blobs").glob(f"{file.etag}.incomplete")
    had = left.stat().st_size
    time.sleep(0.3)
    assert 0 < left.stat().st_size == had, "nobody waits for it any more"
    hub.bytes_per_second = 0
    session.send(embedding(NAME, id="next"))
    assert session.get("next")["success"]
    assert any(headers.get("Range") == f"bytes={had}-" for _, _, headers in hub.requests)


def test_one_of_two_waits_on(hub, mm, repository, session):
    hub.bytes_per_second = 400_000
    session.send(embedding(NAME, id="late", timeout_ms=300))
    session.send(embedding(NAME, id="patient"))
    assert session.get("late")["error"]["code"] == "TIMEOUT"
    assert session.get("patient")["success"]
    assert len(hub.paths("cdn:")) == 1


def test_release_ends_it(hub, mm, repository, session):
    hub.bytes_per_second = 100_000
    session.send(embedding(NAME, id="waits"))
    while not hub.paths("cdn:"):
        time.sleep(0.01)
    session.send({"op": "status", "id": "status"})
    model, = session.get("status")["data"]["models"]
    assert (model["model_name"], model["state"], model["queued"]) == (NAME, "resolving", 1)
    session.send({"op": "release", "model_name": NAME, "id": "release"})
    assert session.get("release")["data"]["released"] is True
    assert session.get("waits")["error"]["code"] == "RELEASED"


def test_failure_is_told_to_all_and_cools_down(hub, mm, session):
    session.send(embedding("org/none", id="first"))
    assert session.get("first")["error"]["code"] == "MODEL_NOT_FOUND"
    session.send(embedding("org/none", id="second"))
    error = session.get("second")["error"]
    assert error["code"] == "MODEL_NOT_FOUND" and "tried again in" in error["message"]
    assert len(hub.paths("/revision/")) == 1
    session.send({"op": "status", "id": "status"})
    model, = session.get("status")["data"]["models"]
    assert model["model_name"] == "org/none" and model["state"] == "failed"
    assert 0 < error["details"]["retry_after_s"] <= 1
    hub.add("org/none", model_files())
    time.sleep(error["details"]["retry_after_s"])
    session.send(embedding("org/none", id="third"))
    assert session.get("third")["success"]


@pytest.mark.parametrize("environment,code", [
    ({"HF_HUB_OFFLINE": "1"}, "OFFLINE"), ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "DOWNLOAD_FAILED"),
    ({"HF_TOKEN": "hf_wrong"}, "MODEL_ACCESS_DENIED")])
def test_errors(hub, mm, repository, environment, code):
    result, = mm.task(embedding(NAME), **environment)
    assert result["error"]["code"] == code and "hf_" not in json.dumps(result)


def test_end_of_input_while_it_downloads(hub, mm, repository):
    """The manager ends although a download runs whose caller has gone."""
    hub.bytes_per_second = 50_000
    results = mm.task(embedding(NAME, timeout_ms=500))
    assert results[0]["error"]["code"] == "TIMEOUT"


@pytest.mark.parametrize("model,missing", [
    ("bert-sharded", "model-00002-of-00003.safetensors"), ("bert-mean-normalize", "1_Pooling/config.json"),
    ("bert-mean-normalize", "model.safetensors")])
def test_a_half_snapshot_is_completed(hub, mm, model, missing):
    """As the Python library leaves one when it is interrupted: the ref is there, a file is not."""
    repository = hub.add(NAME, model_files(model))
    mm.pull(NAME)
    (mm.repository(NAME) / "snapshots" / repository.head / missing).unlink()
    (mm.repository(NAME) / "blobs" / repository.file(missing).etag).unlink()
    result, = mm.task(embedding(NAME))
    assert result["success"] and result["data"]["timing"]["download_ms"] > 0
    check_cache(mm.repository(NAME), repository, wanted=model_files(model, extras=False))
