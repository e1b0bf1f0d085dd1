# SPDX-License-Identifier: Apache-2.0
"""examples/embed.c: the library from C, as the README shows it."""
import re
import subprocess

import pytest

from conftest import ROOT


def run(mm, *words):
    program = mm.path.parent / "examples" / "embed"
    return subprocess.run([program, *words], capture_output=True, timeout=120, cwd=mm.folder,
                          env=mm.environment)


def test_example(mm, model):
    same = run(mm, model, "a text", "a text")
    assert same.returncode == 0 and same.stdout == b"1.0000\n"
    other = run(mm, model, "a text", "something else altogether")
    assert other.returncode == 0 and -1 <= float(other.stdout) < 1


def test_example_failing(mm):
    failed = run(mm, "./missing", "a", "b")
    assert failed.returncode == 1 and failed.stdout == b"" and b"MODEL_NOT_FOUND" in failed.stderr
    assert run(mm).returncode == 2


def test_readme_shows_the_example():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = (ROOT / "examples/embed.c").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```c\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert shown in example


def readme_commands():
    """The lines for the shell that begin with build/mm or feed it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if "build/mm " in line]


@pytest.mark.parametrize("line", readme_commands())
def test_readme_commands(mm, model, line):
    done = mm.shell(line.replace("./build/models/all-MiniLM-L6-v2", model)
                    .replace("build/mm ", "mm "))
    assert done.returncode == 0 and done.stdout, done.stderr.decode()
