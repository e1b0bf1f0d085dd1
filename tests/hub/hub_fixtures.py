# SPDX-License-Identifier: Apache-2.0
"""What the tests of downloading share: a double of the Hub, models to put there, and mm."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from hub_double import HubDouble

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/golden/models"
LIMIT = 120  # seconds for one call
EXTRAS = {"README.md": b"# A model\n", "pytorch_model.bin": b"a pickle", "onnx/model.onnx": b"onnx",
          "tf_model.h5": b"h5", ".gitattributes": b"*.bin filter=lfs\n"}


def find_program():
    given = os.environ.get("MM_BINARY")
    return Path(given) if given else Path(os.environ.get("MM_BUILD_DIR", ROOT / "build")) / "mm"


def model_files(name="bert-mean-normalize", extras=True):
    """The files of a small model as a repository has them, with some that nobody needs."""
    folder = MODELS / name
    files = {str(path.relative_to(folder)): path.read_bytes()
             for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "golden.json"}
    return {**files, **EXTRAS} if extras else files


class Program:
    """mm in a folder of its own, with the double as its Hub."""

    def __init__(self, hub, folder):
        self.hub, self.folder = hub, folder
        self.cache = folder / "data/models"
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("MM_", "HF_", "HUGGING", "TRANSFORMERS", "SSL_CERT"))
                            and not name.endswith("_CA_BUNDLE")
                            and not name.lower().endswith("_proxy")}
        self.environment.update(HF_ENDPOINT=hub.url, HF_HOME=str(folder / "home"),
                                HF_HUB_DOWNLOAD_TIMEOUT="2", HF_HUB_ETAG_TIMEOUT="2")

    def start(self, *words, **environment):
        return subprocess.Popen([find_program().resolve(), *words], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder,
                                env={**self.environment, **environment})

    def run(self, *words, stdin=b"", **environment):
        process = self.start(*words, **environment)
        out, err = process.communicate(stdin, timeout=LIMIT)
        return process.returncode, out.decode(), err.decode()

    def pull(self, *words, **environment):
        """The answer of a pull that works."""
        status, out, err = self.run("pull", *words, **environment)
        assert status == 0, out + err
        return json.loads(out)

    def fail(self, *words, **environment):
        """The error of a pull that does not."""
        status, out, err = self.run("pull", *words, **environment)
        assert status == 1, out + err
        assert "hf_" not in out + err, "a token was shown"
        return json.loads(out)["error"]

    def task(self, *requests, **environment):
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        _, out, err = self.run("task", stdin=lines.encode(), **environment)
        results = [json.loads(line) for line in out.splitlines()]
        assert len(results) == len(requests), err
        return results

    def repository(self, name):
        return self.cache / ("models--" + name.replace("/", "--"))


def embedding(model, **more):
    return {"task_type": "embedding", "model_name": model, "task_data": ["a text"],
            "device": "cpu", **more}


def check_cache(folder, repository, revision="main", wanted=None):
    """Every file that a model needs is there under its hash, linked relatively, and nothing else."""
    commit = repository.refs[revision]
    assert (folder / "refs" / revision).read_text() == commit
    snapshot = folder / "snapshots" / commit
    found = {str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if not path.is_dir()}
    if wanted is not None:
        assert found == set(wanted)
    for path in found:
        file = repository.commits[commit][path]
        link = os.readlink(snapshot / path)
        assert link == "../" * (2 + path.count("/")) + "blobs/" + file.etag
        assert (snapshot / path).read_bytes() == file.data
    blobs = {path.name for path in (folder / "blobs").iterdir()}
    assert not {name for name in blobs if "incomplete" in name}
    return snapshot


@pytest.fixture
def hub():
    double = HubDouble()
    yield double
    double.close()


@pytest.fixture
def mm(hub, tmp_path):
    assert find_program().exists(), "build first"
    return Program(hub, tmp_path)
