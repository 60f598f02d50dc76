"""The fuzz targets, each for a few seconds: tests/fuzz/run runs them longer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox import TOP

FUZZ = TOP / "tests" / "fuzz"
TARGETS = sorted(path.stem.removeprefix("fuzz-")
                 for path in FUZZ.glob("fuzz-*.c"))

SECONDS = 3
# Until they are built, or have ended. A small machine compiles for a while.
DEADLINE_SECS = 600


def run(*args: str | Path) -> str:
    done = subprocess.run([FUZZ / "run", *args], text=True, check=False,
                          timeout=DEADLINE_SECS, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    run("0")


@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str) -> None:
    seeds = FUZZ / "seeds" / target
    assert any(seeds.iterdir()), "it begins with something that is right"
    assert "inputs: " in run(str(SECONDS), target)
