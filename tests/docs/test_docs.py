# SPDX-License-Identifier: Apache-2.0
"""The documentation tells the truth: its commands run, its C compiles, its files exist."""
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from mm_program import BUILD, ROOT

# docs/CLI.md is run by tests/cli/test_cli_docs.py.
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/**/*.md")]
               if page.name != "CLI.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language):
    return [(page, body) for page in PAGES
            for found, body in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands():
    for page, body in blocks("sh"):
        for line in body.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield pytest.param(line, id=f"{page.name}: {line[:50]}")


def make_targets():
    return set(re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"),
                          re.MULTILINE))


@pytest.mark.parametrize("line", commands())
def test_command(line, tmp_path):
    """mm runs; what takes minutes (make, CI) must at least exist."""
    words = shlex.split(line)
    program = words[0]
    if program == "make":
        targets = " ".join(make_targets()).split()
        named = [word for word in words[1:] if "=" not in word]
        assert set(named) <= set(targets), f"no such target in the Makefile: {line}"
    elif "build/mm" in line:
        run = subprocess.run(["bash", "-c", f"set -eo pipefail; {line}"], cwd=ROOT, text=True,
                             capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip()
    else:
        assert os.access(ROOT / program, os.X_OK), f"{program} is no program of this repository"


@pytest.mark.parametrize("source", [pytest.param(body, id=page.name) for page, body in blocks("c")])
def test_c_example(source, tmp_path):
    (tmp_path / "example.c").write_text(source, encoding="utf-8")
    subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include",
                    tmp_path / "example.c", "-o", tmp_path / "example", f"-L{BUILD}",
                    "-lmodelmanager", f"-Wl,-rpath,{BUILD}"], check=True)
    run = subprocess.run([tmp_path / "example"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and run.stdout and not run.stderr, run.stderr


def mentioned_files():
    name = re.compile(r"`((?:include|src|tests|scripts|docs|cmake|\.ci)/[\w./-]+|[A-Z]+\.md)`")
    for page in PAGES:
        for path in sorted(set(name.findall(page.read_text(encoding="utf-8")))):
            yield pytest.param(page, path, id=f"{page.name}: {path}")


@pytest.mark.parametrize("page,path", mentioned_files())
def test_mentioned_file_exists(page, path):
    if "NAME" in path or "LAYER" in path:
        return
    assert (ROOT / path).exists() or (page.parent / path).exists()
