"""The demo, on a network of its own: its servers have the same addresses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import TOP

# Beside what may be running there.
FOLDER = Path("/run/dovecot-imap-referral-demo")
# Makes a network with nothing but a loopback interface.
OWN_NETWORK = ["unshare", "--net", "--pid", "--fork", "--kill-child",
               "--mount-proc", "sh", "-euc", 'ip link set lo up; eval "$0"']


@pytest.fixture(scope="module")
def output() -> Iterator[str]:
    """What it has printed, and then the command by which it says that it is
    stopped; nothing of it is left running."""
    env = {**os.environ, "REFERRAL_SANDBOX_DIR": str(FOLDER)}
    if subprocess.run([*OWN_NETWORK, "true"], check=False).returncode != 0:
        pytest.skip("no network of our own can be made here")
    script = (f"'{TOP}/tests/demo.sh' | tee /dev/stderr | tail -n 1 | "
              "grep '^  REFERRAL_.* stop$' | "
              "env -u REFERRAL_SANDBOX_DIR sh -eu")
    done = subprocess.run([*OWN_NETWORK, script], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    yield done.stdout
    shutil.rmtree(FOLDER, ignore_errors=True)


def test_ends_where_it_should(output: str) -> None:
    assert "3. An administrator moves alice to imap3" in output
    assert "4. imap1 is taken out of service" in output
    assert "S: * BYE [REFERRAL imap://127.0.10.2:10143/] This server" in output
    assert "Now try it yourself" in output
    assert "demo: " not in output


def test_says_who_lives_where_before_anything_happens(output: str) -> None:
    before = output.partition("\n1. ")[0]
    assert re.search(r"^  imap1 .*\balice\b", before, re.MULTILINE)
    assert re.search(r"^  imap2 .*\bbob\b.*\bShared/sales\b", before,
                     re.MULTILINE)
    assert re.search(r"^  imap3 .*\bcarol\b", before, re.MULTILINE)


def test_hints_are_commands_that_are_there(output: str) -> None:
    hints = [line.split() for line in
             output.partition("Now try it yourself")[2].splitlines()
             if line.startswith("  ")]
    assert len(hints) == 4
    for words in hints:
        command = next(word for word in words if "=" not in word)
        assert shutil.which(command), words


def test_stops_as_it_says(output: str) -> None:
    assert f"REFERRAL_SANDBOX_DIR={FOLDER} " in output
    assert not FOLDER.exists()
