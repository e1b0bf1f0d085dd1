# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts down is enough for a C program: through pkg-config, through CMake, and
with the archive."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_BUILD_DIR", ROOT / "build"))

PROGRAM = """\
#include <modelmanager/modelmanager.h>
#include <stdio.h>
int main(void) {
    puts(mm_version());
    return 0;
}
"""
PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(modelmanager REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE modelmanager::shared)
"""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


@pytest.fixture
def program(tmp_path):
    (tmp_path / "user.c").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


def libdir(prefix):
    return next(prefix.rglob("libmodelmanager.so")).parent


def pkg_config(prefix, *arguments):
    environment = dict(os.environ, PKG_CONFIG_PATH=str(libdir(prefix) / "pkgconfig"))
    return run("pkg-config", *arguments, "modelmanager", env=environment).split()


def test_files(prefix):
    assert (prefix / "bin/mm").exists()
    assert (prefix / "include/modelmanager/modelmanager.h").exists()
    assert (libdir(prefix) / "libmodelmanager.a").exists()
    assert not list(prefix.rglob("*.c"))


def test_shared_library_through_pkg_config(prefix, program):
    run("cc", "-std=c17", "-Wall", "-Werror", program / "user.c", "-o", program / "user",
        *pkg_config(prefix, "--cflags", "--libs"), f"-Wl,-rpath,{libdir(prefix)}")
    assert run(program / "user").strip() == pkg_config(prefix, "--modversion")[0]


def test_archive_through_pkg_config(prefix, program):
    flags = pkg_config(prefix, "--cflags", "--libs", "--static")
    flags = ["-l:libmodelmanager.a" if flag == "-lmodelmanager" else flag for flag in flags]
    run("cc", "-std=c17", program / "user.c", "-o", program / "user", *flags)
    assert run(program / "user").strip()


def test_cmake_package(prefix, program):
    (program / "CMakeLists.txt").write_text(PROJECT, encoding="utf-8")
    run("cmake", "-S", program, "-B", program / "b", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", program / "b")
    assert run(program / "b/user").strip()


def test_installed_program_runs(prefix):
    assert run(prefix / "bin/mm", "--version").strip()


def test_only_the_public_names_are_exported(prefix):
    names = run("nm", "-D", "--defined-only", "--format=posix", libdir(prefix) / "libmodelmanager.so")
    foreign = [line.split()[0] for line in names.splitlines()
               if not line.startswith("mm_") and line.split()[1] != "A"]
    assert not foreign
