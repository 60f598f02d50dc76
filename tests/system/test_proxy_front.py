"""A Dovecot that is a proxy in front of imap1: 2.4 follows the referrals of the
servers behind it, 2.3 passes them on to the client."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import Log, Sandbox, wait_for
from wire import Imap

HOST = "127.0.10.4"

only_2_4 = pytest.mark.skipif(
    dovecot.IS_2_3, reason="a proxy of Dovecot 2.3 follows no referrals")
only_2_3 = pytest.mark.skipif(
    not dovecot.IS_2_3, reason="a proxy of Dovecot 2.4 follows referrals")


class Front:
    """Any user and password will do: imap1 checks them."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._port = sandbox.address(1)[1]
        folder.mkdir(exist_ok=True)
        self.log = Log(folder / "log")
        config = folder / "dovecot.conf"
        config.write_text(f"""{dovecot.HEAD}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = {HOST}
service imap-login {{
  inet_listener imap {{
    port = {self._port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
ssl = no
{dovecot.proxy_passdb(*sandbox.address(1))}""")
        self._process = subprocess.Popen(["dovecot", "-F", "-c", config])
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.text()
        try:
            self.imap().close()
            return True
        except (OSError, EOFError):
            return False

    def imap(self) -> Imap:
        return Imap(HOST, self._port)

    def expect_home(self, user: str, number: int) -> None:
        """The user logs in here and gets what is there."""
        with self.imap() as client:
            assert client.login(user, self._sandbox.password).status == "OK"
            client.ok("SELECT INBOX")
            found = client.ok(f'SEARCH SUBJECT "Welcome to imap{number}"')
            assert found.untagged != ["* SEARCH"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def front(sandbox: Sandbox) -> Iterator[Front]:
    made = Front(sandbox, Path(sandbox.env["SANDBOX_DIR"]) / "front")
    yield made
    made.stop()


@pytest.fixture
def home_by_name(sandbox: Sandbox, directory: Directory) -> Iterator[None]:
    """dave's home is imap3, by its name."""
    imap3 = Config(sandbox, 3)
    imap3.edit(referral={"imap_referral_aliases": "imap3.example.org"})
    directory.set_home("dave", "imap3.example.org")
    wait_for(lambda: "@imap3.example.org:" in sandbox.login("dave").tagged)
    yield
    imap3.restore()


@pytest.fixture
def by_address(sandbox: Sandbox, config: Config) -> None:
    config.edit(referral={"imap_referral_login_address": "yes"})


def test_home_behind_the_front(front: Front) -> None:
    front.expect_home("dave", 1)


def test_wrong_password(front: Front) -> None:
    for user in ("alice", "bob"):
        with front.imap() as client:
            reply = client.login(user, "wrong")
            assert reply.tagged.startswith("NO [AUTHENTICATIONFAILED]")


@only_2_4
def test_front_follows(front: Front) -> None:
    front.expect_home("bob", 2)


@only_2_4
def test_front_does_not_follow_to_a_name(front: Front,
                                         home_by_name: None) -> None:
    with front.imap() as client:
        assert client.login("dave", "secret").status == "NO"


@only_2_4
def test_front_follows_to_a_name_given_as_address(
        front: Front, home_by_name: None, by_address: None) -> None:
    front.expect_home("dave", 3)


@only_2_3
def test_front_passes_on(sandbox: Sandbox, front: Front) -> None:
    with front.imap() as client:
        assert client.login("bob", sandbox.password).referral == \
            f"imap://bob;AUTH=PLAIN@{sandbox.server(2)}/"


def test_name_given_as_address(sandbox: Sandbox, home_by_name: None,
                               by_address: None) -> None:
    assert sandbox.login("dave").referral == \
        f"imap://dave;AUTH=PLAIN@{sandbox.server(3)}/"


def test_name_without_an_address(sandbox: Sandbox, by_address: None,
                                 log: Log) -> None:
    """erin's home does not exist."""
    assert sandbox.login("erin").tagged.startswith("NO [UNAVAILABLE]")
    assert "erin" in log.wait("Error:", "address")
