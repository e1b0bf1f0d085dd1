# SPDX-License-Identifier: Apache-2.0
"""examples/embed.c: the library from C, through the shared library."""
import subprocess


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
