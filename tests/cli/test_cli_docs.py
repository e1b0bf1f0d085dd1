# SPDX-License-Identifier: Apache-2.0
"""Everything that the documentation and the help tell people to type works as it stands there."""
import re
import subprocess

import pytest

from conftest import ROOT, find_model, find_program, lines_of
from hub_double import TOKEN, HubDouble

DOCUMENT = ROOT / "docs/CLI.md"
TEXTS = "The cat sits on the mat.\nHow do I reset my password?\nRain is expected tomorrow.\n"


def document_examples():
    return re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"),
                      re.MULTILINE | re.DOTALL)


def help_examples():
    program = find_program()
    if not program.exists():
        return []
    found = []
    for command in ["embed", "generate", "task", "tokenize", "inspect", "pull", "models", "login", "bench"]:
        text = subprocess.run([program, command, "--help"], capture_output=True, check=True,
                              text=True).stdout
        found += [line.strip() for line in text.split("\nExamples:\n")[1].splitlines()]
    return found


@pytest.fixture
def hub():
    """What the examples download lies on a double of the Hub."""
    double = HubDouble()
    folder = find_model()
    if folder:
        double.add("sentence-transformers/all-MiniLM-L6-v2",
                   {str(path.relative_to(folder)): path.read_bytes()
                    for path in folder.rglob("*") if path.is_file()})
    yield double
    double.close()


@pytest.fixture
def desk(mm, model, writer, hub):
    mm.environment.update(HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url, HF_HOME=str(mm.folder / "home"))
    (mm.folder / "texts.txt").write_text(TEXTS)
    (mm.folder / "token.txt").write_text(TOKEN)
    (mm.folder / "requests.jsonl").write_text(
        f'{{"task_type": "embedding", "model_name": "{model}", "task_data": "a"}}\n' * 3)
    return mm


def test_the_document_has_examples():
    assert len(document_examples()) > 10


@pytest.mark.parametrize("script", document_examples())
def test_document(desk, script):
    run = desk.shell(script)
    assert run.returncode == 0, run.stderr.decode()
    progress = re.compile(rb'^\{"file": .*\n', re.MULTILINE)
    assert progress.sub(b"", run.stderr) == b"" or b"warning" in run.stderr


@pytest.mark.parametrize("script", help_examples())
def test_help(desk, script):
    if "--dtype bf16" in script:
        # Needs a processor with bf16; the flag is what is tested.
        script = script.replace("bf16", "f32")
    if "models rm" in script:
        script = f"mm pull all-MiniLM-L6-v2 && {script}"
    if script == "mm login":
        script += " < token.txt"
    # Speed is not the point here.
    if "mm bench ./" in script:
        script += " --rounds 1 --queries 1"
    run = desk.shell(script)
    assert run.returncode == 0, run.stderr.decode()
    if script.startswith(("mm embed", "mm generate")) and "--format text" not in script \
            and "--stream" not in script and "--output" not in script:
        assert lines_of(run)[0]["success"] is True


def test_the_document_names_every_command_and_option(mm):
    text = DOCUMENT.read_text(encoding="utf-8")
    for command in ["embed", "generate", "task", "tokenize", "inspect", "pull", "models", "login", "bench"]:
        assert f"## mm {command}" in text
        options = mm(command, "--help").stdout.decode().split("Options:")[1].split("Parameters")[0]
        for option in re.findall(r"^  (--[\w-]+)", options, re.MULTILINE):
            assert f"`{option}" in text, f"{command} {option}"
