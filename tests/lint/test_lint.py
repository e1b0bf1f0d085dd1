# SPDX-License-Identifier: Apache-2.0
"""scripts/lint finds what it is there to find: every rule fails on a copy that breaks it."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = ROOT / "scripts/lint"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def lint(root, *rules):
    return subprocess.run([sys.executable, LINT, "--root", root, *rules],
                          capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    """The parts that lint reads, free to be spoiled."""
    for folder in ("src", "include"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / ".clang-format", tmp_path)
    return tmp_path


def write(root, name, text, spdx=SPDX):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spdx + text, encoding="utf-8")


def test_the_repository_is_clean():
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


LONG_FUNCTION = "int mm_long(void) {\n" + "    ;\n" * 61 + "    return 0;\n}\n"

BROKEN = [
    # layers: down the list is forbidden, as is any layer but base for a front end
    ("layers", "src/base/zz.c", '#include "text/tokenizer.h"\n', "base must not include text/"),
    ("layers", "src/text/zz.c", '#include "compute/backend.h"\n', "text must not include compute/"),
    ("layers", "src/checkpoint/zz.c", '#include "compute/backend.h"\n',
     "checkpoint must not include compute/"),
    ("layers", "src/compute/zz.c", '#include "models/model.h"\n', "compute must not include models/"),
    ("layers", "src/compute/cpu/zz.c", '#  include "models/model.h"\n',
     "compute must not include models/"),
    ("layers", "src/models/zz.c", '#include "manager/manager.h"\n',
     "models must not include manager/"),
    ("layers", "src/manager/zz.c", '#include "cli/zz.h"\n', "manager must not include cli/"),
    ("layers", "src/cli/zz.c", '#include "models/model.h"\n', "cli must not include models/"),
    ("layers", "src/text/zz.c", '#include "../models/model.h"\n', "instead of climbing"),
    ("layers", "src/models/zz.c", "#include <dnnl.h>\n", "is for src/compute/cpu/ alone"),
    ("layers", "src/manager/zz.c", "#include <curl/curl.h>\n", "is for src/hub/ alone"),
    ("layers", "src/extra/zz.c", "int mm_zz;\n", "src/extra is no layer"),
    ("layers", "include/modelmanager/zz.h", '#include "base/error.h"\n', "a public header"),
    ("names", "src/text/memory.h", "", "same file name"),
    ("format", "src/base/zz.c", "int  mm_zz( void ) ;\n", "clang-format"),
    ("lengths", "src/base/zz.c", "int mm_zz;\n" * 600, "601 lines"),
    ("lengths", "tests/base/zz.c", "int mm_zz;\n" * 600, "601 lines"),
    ("lengths", "src/base/zz.c", LONG_FUNCTION, "mm_long has 62 lines"),
    ("lengths", "src/base/zz.c", 'int a = sizeof("}");\n' + LONG_FUNCTION, "mm_long has 62 lines"),
    ("calls", "src/base/zz.c", "void f(char *a) { strcpy(a, a); }\n", "strcpy"),
    ("calls", "src/base/zz.c", "void f(void) { sprintf(a, b); }\n", "sprintf"),
    ("calls", "src/base/zz.c", "int f(char *a) { return atoi(a); }\n", "atoi"),
    ("calls", "src/base/zz.c", "void *f(void) { return malloc (1); }\n", "malloc"),
    ("calls", "src/cli/zz.c", "void f(void *a) { free(a); }\n", "free"),
    ("calls", "src/base/zz.c", "void f(void) { exit(1); }\n", "exit"),
    ("calls", "src/text/zz.c", 'void f(void) { printf("x"); }\n', "printf"),
    ("headers", "include/modelmanager/zz.h", "size_t mm_zz(void);\n", "alone as c:"),
    ("headers", "include/modelmanager/zz.h", "int mm_zz(int *new);\n", "alone as c++:"),
    ("leftovers", "src/base/zz.c", "// TODO later\n", "TODO"),
    ("leftovers", "src/base/zz.c", "// see /home/someone/x\n", "/home/someone/"),
]


@pytest.mark.parametrize("rule,name,text,message", BROKEN,
                         ids=[f"{rule}-{index}" for index, (rule, *_) in enumerate(BROKEN)])
def test_rule_fails_on(copy, rule, name, text, message):
    clean = lint(copy, rule)
    assert clean.returncode == 0, clean.stdout
    write(copy, name, text)
    run = lint(copy, rule)
    assert run.returncode == 1
    assert f"{name}:" in run.stdout and f" {rule}: " in run.stdout and message in run.stdout


@pytest.mark.parametrize("name", ["src/base/zz.c", "src/base/zz.h", "scripts/zz.py",
                                  "CMakeLists.txt"])
def test_missing_licence_line_fails(copy, name):
    write(copy, name, "\n", spdx="")
    run = lint(copy, "spdx")
    assert run.returncode == 1 and f"{name}:1: spdx:" in run.stdout


def test_what_is_allowed_passes(copy):
    write(copy, "src/text/zz.c",
          '#include "text/tokenizer.h"\n'
          '#include "base/error.h"\n'
          "// printf( and malloc( in a comment\n"
          'const char *mm_zz = "exit(1) // \\" {";\n'
          "void mm_f(struct x *x) {\n    x->free(x);\n}\n")
    run = lint(copy, "layers", "calls", "lengths", "spdx", "names")
    assert run.returncode == 0, run.stdout


def test_unknown_rule_is_a_usage_error():
    assert lint(ROOT, "no-such-rule").returncode == 2
