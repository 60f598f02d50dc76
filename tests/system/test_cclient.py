"""A real client follows our referrals: c-client, which is in Alpine, UW IMAP
and PHP. It ends on the other server and reads a message there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Directory
from sandbox import Sandbox, wait_for

SOURCE = Path(__file__).with_name("cclient.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/usr/include/c-client/c-client.h").exists():
        pytest.skip("there is no c-client library, as in Debian 13")
    path = tmp_path_factory.mktemp("cclient") / "cclient"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", path,
                    SOURCE, "-lc-client"], check=True)
    return path


class Run:
    """What the client has printed."""

    def __init__(self, program: Path, sandbox: Sandbox, user: str,
                 mailbox: str, *options: str) -> None:
        host, port = sandbox.address(1)
        done = subprocess.run([program, f"{host}:{port}", user,
                               sandbox.password, mailbox, *options],
                              stdout=subprocess.PIPE, text=True, timeout=60,
                              check=False)
        self.status = done.returncode
        self.output = done.stdout
        self.lines = done.stdout.splitlines()

    def starting(self, word: str) -> list[str]:
        return [line.removeprefix(word + " ") for line in self.lines
                if line.startswith(word + " ")]


@pytest.fixture(params=["authenticate", "command"])
def way(request: pytest.FixtureRequest) -> str:
    """How c-client logs in."""
    return request.param


def test_follows_a_login_referral(program: Path, sandbox: Sandbox,
                                  way: str) -> None:
    run = Run(program, sandbox, "bob", "INBOX", way)
    assert run.status == 0, run.output
    url, = run.starting("referral")
    # The last mechanism that it tried is PLAIN in both ways.
    assert url == f"login imap://bob;AUTH=PLAIN@{sandbox.server(2)}/"
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(2) + "/")
    assert run.starting("subject") == ["Welcome to imap2"]
    assert "Hello bob, this message is in your INBOX on imap2." in run.lines


def test_follows_a_select_referral(program: Path, sandbox: Sandbox,
                                   way: str) -> None:
    run = Run(program, sandbox, "alice", "Shared/sales", way)
    assert run.status == 0, run.output
    url, = run.starting("referral")
    assert url == f"select imap://alice;AUTH=*@{sandbox.server(2)}" \
        "/Shared/sales"
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(2) + "/")
    assert opened.endswith("}Shared/sales")
    assert run.starting("subject") == ["Offer for the harbour office"]
    assert "Who calls them back?" in run.lines


def test_follows_to_a_name_that_is_not_ascii(program: Path,
                                             sandbox: Sandbox) -> None:
    run = Run(program, sandbox, "alice", "Shared/B&APw-ro &- co")
    assert run.status == 0, run.output
    assert len(run.starting("referral")) == 1
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(3) + "/")
    assert run.starting("subject") == ["Keys"]


def test_stays_where_there_is_no_referral(program: Path, sandbox: Sandbox,
                                          way: str) -> None:
    for mailbox, subject in (("INBOX", None),
                             ("Shared/local", "Coffee machine")):
        run = Run(program, sandbox, "alice", mailbox, way)
        assert run.status == 0, run.output
        assert not run.starting("referral")
        opened, = run.starting("opened")
        assert opened.startswith("{" + sandbox.server(1) + "/")
        if subject:
            assert run.starting("subject") == [subject]


def test_follows_an_administrators_change(program: Path, sandbox: Sandbox,
                                          directory: Directory) -> None:
    """dave has an INBOX on every server."""
    for number in (2, 3):
        directory.set_home("dave", sandbox.address(number)[0])
        # Until the cache has forgotten what was before.
        wait_for(lambda: f"@{sandbox.server(number)}/" in
                 sandbox.login("dave").tagged)
        run = Run(program, sandbox, "dave", "INBOX")
        assert run.status == 0, run.output
        assert run.starting("subject") == [f"Welcome to imap{number}"]


def test_is_not_referred_with_a_wrong_password(program: Path,
                                               sandbox: Sandbox) -> None:
    host, port = sandbox.address(1)
    done = subprocess.run([program, f"{host}:{port}", "bob", "wrong",
                           "INBOX", "command"], stdout=subprocess.PIPE,
                          text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "referral" not in done.stdout
    assert sandbox.address(2)[0] not in done.stdout
