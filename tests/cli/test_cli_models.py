# SPDX-License-Identifier: Apache-2.0
"""The trained models that write: that of examples/models, and a real BART where it is at hand."""
import json
import random
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, lines_of

sys.path.insert(0, str(ROOT / "examples/models"))
from in_words import in_words  # noqa: E402

REAL = ROOT / "../shared/models/bart-g2p-en-us"


@pytest.fixture
def numbers(mm):
    (mm.folder / "numbers").symlink_to(ROOT / "examples/models/numbers")
    return "./numbers"


def unseen():
    """Numbers that the model never saw in training: a seventh of all."""
    chance = random.Random(3)
    drawn = (chance.randrange(10 ** chance.randint(1, 6)) for _ in range(2000))
    return sorted({number for number in drawn if number % 7 == 3})[:150] + [999996]


def answers(mm, model, texts, *flags):
    run = mm("generate", model, "--device", "cpu", *flags, stdin="\n".join(texts).encode())
    (result,) = lines_of(run)
    return result["data"]["generated_text"]


def test_numbers_it_never_saw_are_said_in_words(mm, numbers):
    figures = unseen()
    said = answers(mm, numbers, map(str, figures), "--task", "number_to_words")
    assert said == [in_words(figure) for figure in figures]


def test_words_are_written_as_numbers(mm, numbers):
    figures = unseen()
    written = answers(mm, numbers, map(in_words, figures), "--task", "words_to_number")
    assert written == [str(figure) for figure in figures]


def test_the_best_of_several_beams_is_right_and_the_others_are_others(mm, numbers):
    found = answers(mm, numbers, ["1984"], "--task", "number_to_words", "--num-beams", "4", "--num-return-sequences", "4")
    assert found[0] == in_words(1984) and len(set(found)) == 4


def test_an_unknown_task_is_answered_with_those_there_are(mm, numbers):
    (result,) = lines_of(mm("generate", numbers, "1", "--task", "sing", status=1))
    assert "number_to_words" in result["error"]["message"] and "words_to_number" in result["error"]["message"]


@pytest.fixture
def speaker(mm):
    if not REAL.is_dir():
        pytest.skip(f"no {REAL}")
    subprocess.run([sys.executable, ROOT / "examples/models/make_g2p.py", REAL, mm.folder / "g2p"], check=True)
    return "./g2p"


def test_a_real_bart_pronounces(mm, speaker):
    run = mm("generate", speaker, "hello", "--device", "cpu", "--return-ids", "--num-beams", "4", "--num-return-sequences",
             "2", "--max-length", "20")
    (result,) = lines_of(run)
    data = result["data"]
    assert data["input_ids"] == [[1, 12, 52, 16, 16, 54, 2]]
    assert data["output_ids"] == [[1, 12, 45, 32, 16, 6, 2], [1, 12, 31, 16, 45, 6, 2]]
    assert data["generated_text"] == ["h\u02c8\u025blO", "h\u0259l\u02c8O"]
    assert data["scores"] == pytest.approx([-0.008681, -0.466664], abs=1e-5)
    words = answers(mm, speaker, ["world", "manager", "na\u00efve"])
    assert words[:2] == ["w\u02c8\u025c\u0279ld", "m\u02c8\u00e6n\u026a\u02a4\u0259\u0279"] and len(words) == 3


def test_its_letters_are_those_of_its_configuration(mm, speaker):
    letters = json.loads((REAL / "config.json").read_text(encoding="utf-8"))["grapheme_chars"]
    (found,) = lines_of(mm("tokenize", speaker, letters[4:] + "\u0259"))
    assert found["ids"] == [1, *range(4, len(letters)), 3, 2]


def test_the_demo_writes(mm):
    if not (ROOT / "build/models/all-MiniLM-L6-v2/model.safetensors").exists():
        pytest.skip("no build/models/all-MiniLM-L6-v2: run scripts/setup models")
    checkout = mm.folder / "checkout"
    (checkout / "build/models").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    (checkout / "examples").symlink_to(ROOT / "examples")
    (checkout / "build/mm").symlink_to(mm.path)
    (checkout / "build/models/all-MiniLM-L6-v2").symlink_to((ROOT / "build/models/all-MiniLM-L6-v2").resolve())
    if REAL.is_dir():
        (mm.folder / "shared").symlink_to(REAL.parents[1].resolve())
    run = subprocess.run(["scripts/demo"], cwd=checkout, capture_output=True, text=True, env=mm.environment, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "To change a forgotten password" in run.stdout
    assert "one thousand nine hundred and eighty-four  1984" in run.stdout
    assert ("Words as they sound" in run.stdout) == REAL.is_dir()
