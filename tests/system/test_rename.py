"""RENAME answers with a pair of URLs if one of its names is remote (RFC 2193
4.3): the old one, the new one, each with the server that it is on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import dovecot
from conftest import Config
from sandbox import Sandbox, wait_for
from test_mailbox import SALES
from wire import Imap, quoted

OFFICE = "Shared/B&APw-ro &- co"


class Half(NamedTuple):
    """A name as clients write it, the server that it is on, and the name as
    in URLs if that is another."""

    name: str
    server: int
    written: str = ""

    def url(self, sandbox: Sandbox, user: str) -> str:
        return (f"imap://{user};AUTH=*@{sandbox.server(self.server)}/"
                f"{self.written or self.name}")


def pair(sandbox: Sandbox, old: Half, new: Half, here: int = 1,
         user: str = "alice") -> str:
    """The tagged line, without the tag."""
    named = old.server if old.server != here else new.server
    return (f"NO [REFERRAL {old.url(sandbox, user)} {new.url(sandbox, user)}]"
            f" This folder is on IMAP server {sandbox.address(named)[0]}.")


def rename(client: Imap, old: str, new: str) -> str:
    return client.command(b"RENAME %s %s" % (quoted(old), quoted(new))).tagged


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[Imap]:
    """alice, who has a mailbox of her own, with one message."""
    with sandbox.own_mailbox("mine") as client:
        yield client


# --- in all directions

PAIRS = {
    "remote, remote, one server":
        (Half("Shared/sales/2026", 2), Half("Shared/sales/2025", 2)),
    "remote, remote, two servers":
        (Half("Shared/sales/2026", 2),
         Half(OFFICE + "/2026", 3, "Shared/B%C3%BCro%20%26%20co/2026")),
    "two servers, the other way":
        (Half(OFFICE, 3, "Shared/B%C3%BCro%20%26%20co"),
         Half("Shared/sales/B&APw-ro", 2, "Shared/sales/B%C3%BCro")),
    "remote, private": (Half(SALES, 2), Half("sales", 1)),
    "private, remote": (Half("mine", 1), Half("Shared/sales/mine", 2)),
    "shared, remote": (Half("Shared/local", 1), Half("Shared/sales/l", 2)),
    "itself": (Half(SALES, 2), Half(SALES, 2)),
    "below itself": (Half(SALES, 2), Half("Shared/sales/2026/old", 2)),
    "above itself": (Half("Shared/sales/2026", 2), Half(SALES, 2)),
    # What the directory does not place goes with the old name.
    "remote, not placed": (Half(SALES, 2), Half("Shared/sold", 2)),
    "not placed, third server":
        (Half(OFFICE, 3, "Shared/B%C3%BCro%20%26%20co"),
         Half("Shared/a b", 3, "Shared/a%20b")),
    "remote, INBOX": (Half(SALES, 2), Half("INBOX", 1)),
    "remote, below INBOX": (Half(SALES, 2), Half("INBOX/sales", 1)),
    "INBOX, remote": (Half("INBOX", 1), Half("Shared/sales/in", 2)),
    # Other users' mailboxes are where their owners are.
    "owner, same owner":
        (Half("Users/bob/Projects", 2), Half("Users/bob/Archive", 2)),
    "owner, other owner":
        (Half("Users/bob/Projects", 2), Half("Users/carol/Projects", 3)),
    "owner, private": (Half("Users/bob/Projects", 2), Half("projects", 1)),
    "owner, own": (Half("Users/bob/Projects", 2),
                   Half("Users/alice/Projects", 1)),
    "owner, shared": (Half("Users/carol/x", 3), Half("Shared/sales/x", 2)),
    "shared, owner": (Half(SALES, 2), Half("Users/carol/sales", 3)),
    "private, owner": (Half("mine", 1), Half("Users/bob/mine", 2)),
    "local, owner": (Half("Shared/local", 1), Half("Users/bob/local", 2)),
    "owner, not placed": (Half("Users/carol/x", 3), Half("Shared/x", 3)),
}


@pytest.mark.parametrize("old, new", PAIRS.values(), ids=PAIRS)
def test_pair(sandbox: Sandbox, alice: Imap, old: Half, new: Half) -> None:
    reply = alice.command(b"RENAME %s %s" % (quoted(old.name),
                                             quoted(new.name)))
    assert reply.tagged == pair(sandbox, old, new)
    assert not reply.untagged
    alice.ok("NOOP")


@pytest.mark.parametrize("old, new", [
    (Half("INBOX", 1), Half("sales", 1)),
    (Half("Drafts", 1), Half("Old drafts", 1, "Old%20drafts")),
    (Half("Drafts", 1), Half("Drafts/2020", 1)),
    (Half(SALES, 2), Half("sales", 1)),
    (Half("sales", 1), Half("Shared/sales/new", 2)),
    (Half("Drafts", 1), Half(OFFICE, 3, "Shared/B%C3%BCro%20%26%20co")),
], ids=["INBOX", "private", "below itself", "local to home",
        "home to local", "home to a third"])
def test_guest(sandbox: Sandbox, old: Half, new: Half) -> None:
    """alice at imap2, where her own mailboxes are remote."""
    with sandbox.session("alice", 2) as guest:
        assert rename(guest, old.name, new.name) == \
            pair(sandbox, old, new, here=2)
        guest.ok("NOOP")


# --- names in all forms

OFFICE_PAIR = (Half(OFFICE, 3, "Shared/B%C3%BCro%20%26%20co"),
               Half("Shared/B&APw-ro 2", 3, "Shared/B%C3%BCro%202"))


def test_names_as_literals(sandbox: Sandbox, alice: Imap) -> None:
    old, new = (half.name.encode() for half in OFFICE_PAIR)
    reply = alice.command(b"RENAME {%d}" % len(old),
                          [old + b" {%d}" % len(new), new])
    assert reply.tagged == pair(sandbox, *OFFICE_PAIR)
    assert len(reply.continuations) == 2
    alice.ok("NOOP")


def test_names_as_literals_without_waiting(sandbox: Sandbox,
                                           alice: Imap) -> None:
    old, new = (half.name.encode() for half in OFFICE_PAIR)
    alice.send(b"a RENAME {%d+}\r\n%s {%d+}\r\n%s\r\nb NOOP\r\n"
               % (len(old), old, len(new), new))
    reply = alice.reply(b"a")
    assert reply.tagged == pair(sandbox, *OFFICE_PAIR)
    assert not reply.continuations
    assert alice.reply(b"b").status == "OK"


@pytest.mark.skipif(dovecot.UTF8_ACCEPT is None,
                    reason="Dovecot 2.3 has no UTF8=ACCEPT")
def test_names_in_utf8(sandbox: Sandbox, alice: Imap,
                       config: Config) -> None:
    config.edit(dovecot=dovecot.UTF8_ACCEPT or "")
    with sandbox.session("alice") as client:
        client.ok("ENABLE UTF8=ACCEPT")
        if "mUTF-7" in client.command(
                'STATUS "Shared/Büro & co" (MESSAGES)').tagged:
            pytest.skip("this Dovecot has mUTF-7 in spite of UTF8=ACCEPT")
        assert rename(client, "Shared/Büro & co", "Shared/Büro 2") == \
            pair(sandbox, *OFFICE_PAIR)


@pytest.mark.parametrize("new, written", [
    ("Shared/sales/100%", "Shared/sales/100%25"),
    ("Shared/sales/a]b", "Shared/sales/a%5Db"),
    ('Shared/sales/a"b', "Shared/sales/a%22b"),
    ("Shared/sales/a;UID=1", "Shared/sales/a%3BUID%3D1"),
])
def test_name_cannot_break_out_of_its_url(sandbox: Sandbox, alice: Imap,
                                          new: str, written: str) -> None:
    assert rename(alice, "mine", new) == \
        pair(sandbox, Half("mine", 1), Half(new, 2, written))


def test_pipelined(sandbox: Sandbox, alice: Imap) -> None:
    alice.send(b"a RENAME Shared/sales sales\r\nb SELECT INBOX\r\n"
               b"c RENAME mine Shared/sales/mine\r\nd CHECK\r\n")
    assert alice.reply(b"a").tagged == \
        pair(sandbox, Half(SALES, 2), Half("sales", 1))
    assert alice.reply(b"b").status == "OK"
    assert alice.reply(b"c").tagged == \
        pair(sandbox, Half("mine", 1), Half("Shared/sales/mine", 2))
    assert alice.reply(b"d").status == "OK"


# --- nothing changes here

def test_old_mailbox_stays_selected(sandbox: Sandbox, alice: Imap) -> None:
    alice.ok("SELECT mine")
    assert rename(alice, "mine", "Shared/sales/mine") == \
        pair(sandbox, Half("mine", 1), Half("Shared/sales/mine", 2))
    assert "A message of the tests." in \
        alice.ok("FETCH 1 BODY.PEEK[]").untagged[0]
    alice.ok("CLOSE")


def _mailboxes(folder: Path) -> list[Path]:
    """Maildirs, and what is in them but for Dovecot's own files."""
    return sorted(path for path in folder.rglob("*")
                  if path.name == "cur" or path.parent.name in ("cur", "new"))


def _view(client: Imap, folder: Path) -> list[object]:
    return [[re.sub(r" ?\\(Un)?[Mm]arked", "", line)
             for line in client.ok(command).untagged]
            for command in ('LIST "" "*"', 'LSUB "" "*"',
                            "STATUS mine (MESSAGES UIDNEXT UIDVALIDITY)",
                            "STATUS Shared/local (MESSAGES UIDNEXT)")] \
        + [_mailboxes(folder / "mail"), _mailboxes(folder / "shared")]


def test_nothing_changes_here(sandbox: Sandbox, alice: Imap) -> None:
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "imap1"
    alice.ok("SUBSCRIBE mine")
    # Naming a user makes a namespace to be listed, by Dovecot's own doing.
    for user in ("alice", "bob", "carol"):
        alice.command(f"STATUS Users/{user}/x (MESSAGES)")
    before = _view(alice, folder)
    for old, new in PAIRS.values():
        assert "[REFERRAL" in rename(alice, old.name, new.name)
    assert _view(alice, folder) == before
    alice.ok("UNSUBSCRIBE mine")


# --- Dovecot's own answers

OWN = {
    "nonexistent": ("no-such", "other", "NO [NONEXISTENT]"),
    "nonexistent, remote": ("no-such", "Shared/sales/new", "NO "),
    "name is taken": ("mine", "INBOX", "NO [ALREADYEXISTS]"),
    "itself": ("mine", "mine", "NO [ALREADYEXISTS]"),
    "across namespaces": ("mine", "Shared/mine", "NO [CANNOT]"),
    "into private": ("Shared/local", "local", "NO [CANNOT]"),
    "INBOX to shared": ("INBOX", "Shared/inbox", "NO "),
    "below itself": ("Shared/local", "Shared/local/x", "NO "),
    "shared, nonexistent": ("Shared/no-such", "Shared/x",
                            "NO [NONEXISTENT]"),
    "shared, name is taken": ("Shared/no-such", "Shared/local", "NO "),
}


@pytest.mark.parametrize("old, new, answer", OWN.values(),
                         ids=OWN)
def test_error_is_dovecots_own(alice: Imap, old: str, new: str,
                                  answer: str) -> None:
    tagged = rename(alice, old, new)
    assert tagged.startswith(answer)
    assert "REFERRAL" not in tagged and "UNAVAILABLE" not in tagged
    alice.ok("STATUS mine (MESSAGES)")
    alice.ok("STATUS Shared/local (MESSAGES)")


@pytest.mark.parametrize("names", [
    ("mine", "other"), ("Shared/local", "Shared/other")],
    ids=["private", "shared"])
def test_two_local_names(alice: Imap, names: tuple[str, str]) -> None:
    old, new = names
    assert rename(alice, old, new).startswith("OK ")
    assert rename(alice, old, new).startswith("NO [NONEXISTENT]")
    assert rename(alice, new, old).startswith("OK ")
    alice.ok(f"STATUS {old} (MESSAGES)")


@pytest.mark.parametrize("arguments", [
    "", " {}", " {} (x)", " ({}) x", " {} {{x}}", ' {} "x'])
def test_bad_syntax_is_dovecots_own(alice: Imap, arguments: str) -> None:
    remote, local = (alice.command("RENAME" + arguments.format(name))
                     for name in (SALES, "no-such"))
    assert remote.status == local.status == "BAD"
    assert "REFERRAL" not in remote.tagged
    alice.ok("NOOP")


# --- settings, and no directory

def test_local_half_has_this_servers_public_name(
        sandbox: Sandbox, alice: Imap, config: Config) -> None:
    config.edit(referral={
        "imap_referral_server": "imap1.example.org",
        "imap_referral_aliases": sandbox.server(1)})
    with sandbox.session("alice") as client:
        server, host = sandbox.server(2), sandbox.address(2)[0]
        remote = f"imap://alice;AUTH=*@{server}/Shared/sales"
        local = "imap://alice;AUTH=*@imap1.example.org/mine"
        text = f"This folder is on IMAP server {host}."
        assert rename(client, SALES, "mine") == \
            f"NO [REFERRAL {remote} {local}] {text}"
        assert rename(client, "mine", f"{SALES}/mine") == \
            f"NO [REFERRAL {local} {remote}/mine] {text}"


def test_a_pair_also_where_all_urls_are_given(
        sandbox: Sandbox, alice: Imap, config: Config) -> None:
    """Clients that see more than two could not tell old from new."""
    config.edit(referral={"imap_referral_urls": "all"})
    with sandbox.session("alice") as client:
        assert rename(client, SALES, "mine") == \
            pair(sandbox, Half(SALES, 2), Half("mine", 1))


def test_directory_is_down(sandbox: Sandbox, alice: Imap, ldap1) -> None:
    ldap1()
    sandbox.end_dict()
    wait_for(lambda: "UNAVAILABLE" in rename(alice, SALES, "sales"))
    for old, new in ((SALES, "Shared/sold"), ("mine", "Shared/sales/mine"),
                     ("Shared/local", "Shared/other"), ("mine", "Shared/x"),
                     ("INBOX", "Users/bob/x"), ("Users/bob/x", "mine")):
        tagged = rename(alice, old, new)
        assert tagged.startswith("NO [UNAVAILABLE]"), (old, new)
        assert "REFERRAL" not in tagged
    # Two names that are here, whatever the directory says.
    assert rename(alice, "mine", "other").startswith("OK ")
    assert rename(alice, "other", "mine").startswith("OK ")
