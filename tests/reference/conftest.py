# SPDX-License-Identifier: Apache-2.0
import os
import random
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/golden"), str(ROOT / "tests/reference")]

SEED = int(os.environ.get("MM_SEED", time.time()))


def pytest_report_header():
    return f"fresh texts: MM_SEED={SEED}"


def pytest_terminal_summary(terminalreporter):
    """What tests measured, also where they passed."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture
def fresh():
    """Makes texts nobody has seen before; MM_SEED brings them back."""
    import texts

    def make(count, longest=12):
        random_ = random.Random(SEED)
        lines = texts.noise(random_, count // 3)
        for _ in range(count // 3):
            lines.append(texts.script_text(random_, texts.SCRIPTS[random_.choice(sorted(texts.SCRIPTS))]))
        while len(lines) < count:
            lines.append(" ".join(texts.sentence(random_) for _ in range(random_.randint(1, longest))))
        return lines

    return make
