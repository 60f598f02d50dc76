"""Alpine, as a person uses it: it follows referrals by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Config
from sandbox import TOP, Sandbox, wait_for
from test_mailbox import SALES
from wire import Imap

PINERC = TOP / "tests" / "sandbox.d" / "pinerc"


class Alpine:
    """Alpine on a terminal that is not there."""

    def __init__(self, sandbox: Sandbox, folder: Path,
                 user: str = "alice") -> None:
        self._sandbox = sandbox
        self._user = user
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        pinerc = folder / "pinerc"
        pinerc.write_text(
            PINERC.read_text()
            .replace("@IMAP1@", f"{sandbox.server(1)}/user={user}")
            .replace("@TLS_CA@", sandbox.env["TLS_CA"])
            # It asks once for each server then.
            .replace("disable-password-caching,\n\t", ""))
        self._run("new-session", "-d", "-x", "100", "-y", "40", "alpine",
                  "-i", "-p", str(pinerc),
                  env={**os.environ, "HOME": str(folder),
                       "TERM": "xterm", "LC_ALL": "C.UTF-8"})

    def _run(self, *args: str, **options: object) -> str:
        return subprocess.run([*self._tmux, *args], check=True, text=True,
                              stdout=subprocess.PIPE, **options).stdout

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def see(self, *texts: str) -> str:
        """Wait until all of these are on the screen. Returns the screen."""
        try:
            wait_for(lambda: all(text in self.screen() for text in texts))
        except AssertionError:
            raise AssertionError(f"{texts} not in:\n{self.screen()}") from None
        return self.screen()

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def answer(self, prompt: str, text: str) -> None:
        self.see(prompt)
        self._run("send-keys", "-l", text)
        self.press("Enter")

    def give_password(self, number: int) -> None:
        """When a server asks for it. What follows "EN" may be covered by
        what is going on."""
        host, port = self._sandbox.address(number)
        self.answer(f"HOST: [{host}]:{port}  USER: {self._user}  EN",
                    self._sandbox.password)

    def go_to(self, text: str) -> None:
        """Where the list shows this, by the command WhereIs."""
        self.press("w")
        self.answer("Word to search for", text)
        self.see("Found on line")

    def open(self, *names: str) -> None:
        """A folder, or only a level of folders, from the folder list."""
        self.press("l")
        self.see("FOLDER LIST")
        for name in names:
            self.go_to(name)
            self.press("Enter")
            self.see("Dir: " if name == "Shared" else "Folder: ")

    def save_to(self, name: str) -> None:
        """The message, which is not deleted thereby."""
        self.press("s")
        self.see("SAVE Msg", "^R No Delete")
        self.press("C-r")
        self.answer("SAVE (no delete) Msg", name)

    def close(self) -> None:
        self._run("kill-server")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    for name in ("alpine", "tmux"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def alpine(sandbox: Sandbox, tmp_path: Path) -> Iterator[Alpine]:
    with contextlib.closing(Alpine(sandbox, tmp_path)) as client:
        client.give_password(1)
        client.see("Folder: INBOX", "Welcome to imap1")
        yield client


@pytest.fixture
def sales(sandbox: Sandbox) -> Iterator[Imap]:
    """alice at imap2, with Shared/sales selected, which stays as it is."""
    with sandbox.session("alice", 2) as client:
        client.ok(f"SELECT {SALES}")
        before = client.ok("UID SEARCH ALL").untagged[0].split()[2:]
        yield client
        client.command("NOOP")
        after = client.ok("UID SEARCH ALL").untagged[0].split()[2:]
        for uid in set(after) - set(before):
            client.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        client.ok("EXPUNGE")


def test_folder_list_has_remote_folders(alpine: Alpine) -> None:
    alpine.open("Shared")
    alpine.see("Dir: Shared/", "local", "sales", "Büro & co")


def test_read_in_a_remote_folder(alpine: Alpine) -> None:
    alpine.open("Shared", "sales")
    alpine.give_password(2)
    alpine.see("Folder: Shared/sales", "Bob Brown", "harbour office")
    # The cursor is on the last message.
    alpine.press("v")
    alpine.see("MESSAGE TEXT", "I do, this afternoon.")
    alpine.press("p")
    alpine.see("MESSAGE TEXT", "Who calls them back?")


def _found(client: Imap, subject: str) -> list[str]:
    client.ok("NOOP")
    return client.ok(f'SEARCH SUBJECT "{subject}"').untagged[0].split()[2:]


def test_save_into_a_remote_folder(alpine: Alpine, sales: Imap) -> None:
    """By COPY, which is referred."""
    alpine.press("v")
    alpine.see("MESSAGE TEXT", "this message is in your INBOX on imap1.")
    alpine.save_to(SALES)
    alpine.give_password(2)
    found = wait_for(lambda: _found(sales, "Welcome to imap1"))
    text = sales.ok(f"FETCH {found[0]} BODY.PEEK[TEXT]").untagged[0]
    assert "Hello alice, this message is in your INBOX on imap1." in text
    alpine.see("Hello alice")


def test_enter_a_folder_that_is_here(alpine: Alpine) -> None:
    alpine.open("Shared", "local")
    alpine.see("Folder: Shared/local", "Coffee machine")


def test_follow_at_the_login(sandbox: Sandbox, tmp_path: Path) -> None:
    """Refused at imap1, bob's client goes to imap2, after having asked for
    the password several times."""
    with contextlib.closing(Alpine(sandbox, tmp_path, "bob")) as client:
        def answered() -> bool:
            screen = client.screen()
            if "USER: bob  EN" in screen:
                client.press(*sandbox.password, "Enter")
            return "Folder: INBOX" in screen and "Welcome to imap2" in screen
        wait_for(answered)


@pytest.mark.parametrize("name, value", [
    # BYE before the refusal
    ("imap_referral_login_bye", "yes"),
    # The OK says that bob's home is imap2.
    ("imap_referral_login", "offer"),
])
def test_follow_after_one_password_for_each_server(
        sandbox: Sandbox, config: Config, tmp_path: Path, name: str,
        value: str) -> None:
    config.edit(referral={name: value})
    with contextlib.closing(Alpine(sandbox, tmp_path, "bob")) as client:
        client.give_password(1)
        client.give_password(2)
        client.see("Folder: INBOX", "Welcome to imap2")
