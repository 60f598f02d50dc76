"""Many clients at once: tests/load, with fewer of them."""

from __future__ import annotations

import pytest

from load import MODES, Load, summary
from sandbox import Sandbox

# How many, and how often after the first time: starting a process for each
# takes longer than all the rest.
SIZES = {"one client a process": (40, 0), "many clients a process": (100, 1)}


@pytest.mark.parametrize("mode", MODES)
def test_everybody_gets_the_right_answer(sandbox: Sandbox, mode: str) -> None:
    load = Load(sandbox, *SIZES[mode])
    with load.prepared():
        problems = load.run(mode, print)
    assert not problems, "\n".join(summary(problems))
