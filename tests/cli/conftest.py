# SPDX-License-Identifier: Apache-2.0
"""What the tests of the program share: the program, a model, and a folder in which both are at hand."""
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120  # seconds for one call


def find_program():
    given = os.environ.get("MM_BINARY")
    return Path(given) if given else Path(os.environ.get("MM_BUILD_DIR", ROOT / "build")) / "mm"


def find_model():
    """A small BERT with a tokenizer.json: committed, shared, or the real one of the demo."""
    candidates = [*sorted((ROOT / "tests/golden/models").glob("*")),
                  ROOT / "../shared/golden/bert-mean-normalize",
                  ROOT / "build/models/all-MiniLM-L6-v2"]
    for folder in candidates:
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except OSError:
            continue
        if config.get("model_type") == "bert" and (folder / "tokenizer.json").exists() \
                and (folder / "model.safetensors").exists():
            return folder.resolve()
    return None


def clean_environment():
    """The tester's own settings must not decide what the tests see."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("MM_", "HF_"))}


class Program:
    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.environment = {**clean_environment(), "HF_HUB_OFFLINE": "1", "PATH": f"{path.parent}:{os.environ['PATH']}"}

    def __call__(self, *words, stdin=b"", environment=None, status=0):
        """Runs it; checks the exit status, unless that is None."""
        run = subprocess.run([self.path, *words], input=stdin, capture_output=True, timeout=LIMIT,
                             cwd=self.folder, env={**self.environment, **(environment or {})})
        if status is not None:
            assert run.returncode == status, run.stderr.decode(errors="replace")
        return run

    def start(self, *words):
        # A shell that runs the tests in the background has them ignore SIGINT, and mm with them.
        return subprocess.Popen([self.path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=self.folder, env=self.environment,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def shell(self, script):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True,
                              timeout=LIMIT, cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL)


@pytest.fixture
def mm(tmp_path):
    path = find_program().resolve()
    assert path.exists(), f"{path} is missing: build first"
    return Program(path, tmp_path)


@pytest.fixture
def model(tmp_path):
    """"./all-MiniLM-L6-v2" in the working folder; the model behind it may be a smaller one."""
    folder = find_model()
    if folder is None:
        pytest.skip("no model: neither tests/golden/models nor build/models (make demo) is there")
    (tmp_path / "all-MiniLM-L6-v2").symlink_to(folder)
    return "./all-MiniLM-L6-v2"


@pytest.fixture
def writer(tmp_path):
    """"./flan-t5-small" in the working folder: a T5 of random weights that writes nonsense."""
    (tmp_path / "flan-t5-small").symlink_to(ROOT / "tests/golden/models/seq2seq-t5")
    return "./flan-t5-small"


def lines_of(run):
    """The JSON values of stdout, one a line; also checks that each line is whole."""
    text = run.stdout.decode("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]
