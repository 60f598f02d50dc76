"""Beside other plugins, in other processes, and in namespaces of all kinds."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import Log, Sandbox, wait_for
from test_commands import ACL, METADATA, QUOTA, elsewhere, filled
from test_mailbox import SALES
from test_rename import Half, pair, rename
from wire import Imap

# Each answered with a referral for Shared/sales.
REFERRED = ["SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES UIDNEXT)",
            "DELETE {}", "CREATE {}", "CREATE {}/new", "CREATE {}/new/",
            "APPEND {} {5}", "APPEND {} CATENATE (TEXT {5}", "COPY 1 {}",
            "UID COPY 1:* {}", "MOVE 1 {}", "UID MOVE 1:* {}",
            *ACL, *METADATA, *QUOTA]


def listed(client: Imap, command: str) -> list[str]:
    """The names, sorted."""
    return sorted(line.split('" ', 1)[1].strip('"')
                  for line in client.ok(command).untagged
                  if line.startswith(("* LIST", "* LSUB")))


def expect_referral(sandbox: Sandbox, client: Imap, command: str,
                    name: str = SALES, in_url: str = SALES) -> None:
    """With a message selected, which is still here afterwards."""
    client.ok("SELECT mine")
    reply = client.command(filled(command, name))
    if "/new" in command:
        in_url += "/new"
    assert reply.tagged == sandbox.mailbox_referral("alice", 2, in_url)
    assert not reply.continuations
    assert not [line for line in reply.untagged if "[CLOSED]" not in line]
    if "[CLOSED]" in "".join(reply.untagged):
        client.ok("SELECT mine")
    assert "A message of the tests." in \
        client.ok("FETCH 1 BODY.PEEK[TEXT]").untagged[0]


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[Imap]:
    """alice, who has a mailbox of her own, with one message."""
    with sandbox.own_mailbox("mine") as client:
        yield client


# --- users of all kinds

def test_user_with_an_id_of_its_own(sandbox: Sandbox,
                                    config: Config) -> None:
    """As system users have: the imap process runs as nobody else's, and is let
    to the directory all the same."""
    home = Path(sandbox.env["SANDBOX_DIR"]) / "imap1" / "nobody"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    users = config.dovecot.with_name("users")
    before = users.read_bytes()
    owner = home.stat()
    users.write_bytes(before + b"nobody:{PLAIN}%s:%d:%d::%s::\n" % (
        sandbox.password.encode(), owner.st_uid, owner.st_gid,
        str(home).encode()))
    try:
        config.edit(dovecot="service imap {\n  process_limit = 1\n}")
        with sandbox.session("nobody") as client:
            pid, = sandbox.pids("imap")
            assert Path(f"/proc/{pid}").stat().st_uid == owner.st_uid
            assert client.command(f"SELECT {SALES}").tagged == \
                sandbox.mailbox_referral("nobody", 2, SALES)
    finally:
        users.write_bytes(before)
        shutil.rmtree(home)


# --- namespaces

def test_namespace_with_nothing_here(sandbox: Sandbox, config: Config,
                                     directory: Directory) -> None:
    """All that begins with the prefix is on other servers."""
    config.edit(dovecot=dovecot.namespace("remote", "Remote/", "list = yes"))
    directory.add_mailbox("Remote/box", mailHost=sandbox.address(2)[0])
    with sandbox.session("alice") as client:
        assert '"Remote/"' in client.ok("NAMESPACE").untagged[0]
        wait_for(lambda: client.command("SELECT Remote/box").referral)
        client.ok("SELECT INBOX")
        for command in ["STATUS {} (MESSAGES)", "DELETE {}", "CREATE {}",
                        "APPEND {} {5}", "COPY 1 {}", "SELECT {}",
                        *ACL, *METADATA, *QUOTA]:
            reply = client.command(filled(command, "Remote/box"))
            assert reply.tagged == \
                sandbox.mailbox_referral("alice", 2, "Remote/box"), command
            assert not reply.continuations
        assert rename(client, "Remote/box", "box") == \
            pair(sandbox, Half("Remote/box", 2), Half("box", 1))
        for command in ('RLIST "" "Remote/*"', 'LIST (REMOTE) "" "Remote/*"',
                        'RLIST "" "Remote/%"'):
            assert listed(client, command) == ["Remote/box"]
        assert "Remote/box" in listed(client, 'RLIST "" "*"')
        assert "Remote/box" not in listed(client, 'LIST "" "*"')
        client.ok("SUBSCRIBE Remote/box")
        assert "Remote/box" in listed(client, 'RLSUB "" "*"')
        client.ok("UNSUBSCRIBE Remote/box")
        # What the directory does not have is nowhere.
        for command in ("SELECT {}", "STATUS {} (MESSAGES)", "CREATE {}",
                        "APPEND {} {5}", "DELETE {}"):
            reply = client.command(filled(command, "Remote/no-such"))
            assert reply.status == "NO" and reply.referral is None
        client.ok("SELECT INBOX")


def test_separator_that_is_a_dot(sandbox: Sandbox, config: Config) -> None:
    """The directory's names have a slash all the same."""
    config.edit(dovecot=dovecot.separator_dot())
    with sandbox.own_mailbox("mine") as client:
        for command in REFERRED:
            if "/new" not in command:
                expect_referral(sandbox, client, command, "Shared.sales")
        expect_referral(sandbox, client, "SELECT {}", "Shared.sales.2026",
                        "Shared/sales/2026")
        expect_referral(sandbox, client, "SELECT {}", "Users.bob.a.b",
                        "Users/bob/a/b")
        expect_referral(sandbox, client, "CREATE {}", "Shared.sales.new.",
                        "Shared/sales/new")
        assert rename(client, "mine", "Shared.sales.a.b") == \
            pair(sandbox, Half("mine", 1), Half("Shared/sales/a/b", 2))
        for command in ('RLIST "" "Shared.*"', 'RLIST "" "Shared.%"',
                        'LIST (REMOTE) "" "Shared.%"'):
            assert listed(client, command) == \
                ["Shared.B&APw-ro &- co", "Shared.local", "Shared.sales"]
        assert listed(client, 'LIST "" "Shared.*"') == ["Shared.local"]
        client.ok("SELECT Shared.local")
        assert client.command("SELECT Shared/sales").referral is None


def test_layout_index(sandbox: Sandbox, config: Config) -> None:
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "imap1" / "by-index"
    folder.mkdir()
    os.chown(folder, Path(folder.parent / "shared").stat().st_uid, -1)
    config.edit(dovecot=dovecot.namespace_at("shared", "maildir", folder,
                                             "index"))
    with sandbox.own_mailbox("mine") as client:
        client.ok("CREATE Shared/here")
        client.ok("SELECT Shared/here")
        for command in REFERRED:
            expect_referral(sandbox, client, command)
        assert rename(client, SALES, "sales") == \
            pair(sandbox, Half(SALES, 2), Half("sales", 1))
        office = "Shared/B&APw-ro &- co"
        assert listed(client, 'RLIST "" "Shared/*"') == \
            [office, "Shared/here", SALES]
        assert listed(client, 'LIST "" "Shared/*"') == ["Shared/here"]
        client.ok("DELETE Shared/here")
        reply = client.command("SELECT Shared/no-such")
        assert reply.status == "NO" and reply.referral is None
    config.restore()
    shutil.rmtree(folder)


def test_namespace_that_is_not_listed(sandbox: Sandbox,
                                      config: Config) -> None:
    config.edit(dovecot="namespace shared {\n  list = no\n}")
    with sandbox.own_mailbox("mine") as client:
        for command in REFERRED:
            expect_referral(sandbox, client, command)
        # As Dovecot does with what is here.
        for pattern in ("*", "%", "Shared/*", "Shared/%", "*local"):
            here = "Shared/local" in listed(client, f'LIST "" "{pattern}"')
            for command in ("RLIST", "LIST (REMOTE)"):
                names = listed(client, f'{command} "" "{pattern}"')
                assert ("Shared/local" in names) == here
                if pattern != "*local":
                    assert (SALES in names) == here


# --- other plugins

FOLDED = {
    "first": ["imap_referral", *dovecot.PLUGINS],
    "last": [*dovecot.PLUGINS, "imap_referral"],
    "between": [*dovecot.PLUGINS[4:], "imap_referral",
                *dovecot.PLUGINS[:4]],
}
VIRTUAL = {
    "All": "INBOX\nmine\nShared/local\nShared/sales\nShared/sales/2026\n",
    "Patterns": "INBOX\nmi*\nShared/*\n",
}


@pytest.fixture(scope="module", params=FOLDED.values(), ids=FOLDED)
def loaded(request: pytest.FixtureRequest,
           sandbox: Sandbox) -> Iterator[None]:
    """All plugins are in all processes, and there are virtual mailboxes."""
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "imap1" / "virtual"
    folder.mkdir()
    for name, backends in VIRTUAL.items():
        (folder / name).mkdir()
        (folder / name / "dovecot-virtual").write_text(f"{backends}  ALL\n")
        shutil.chown(folder / name, "mail", "mail")
    shutil.chown(folder, "mail", "mail")
    config = Config(sandbox, 1)
    config.edit(dovecot=dovecot.mail_plugins(request.param,
                                             dovecot.IMAP_PLUGINS)
                + dovecot.PLUGIN_SETTINGS
                + dovecot.namespace_at("virtual", "virtual", folder,
                                       prefix="Virtual/", separator="/",
                                       subscriptions="no"))
    yield
    config.restore()
    shutil.rmtree(folder)


@pytest.mark.parametrize("command", REFERRED)
def test_row(sandbox: Sandbox, loaded: None, alice: Imap,
             command: str) -> None:
    expect_referral(sandbox, alice, command)


def test_append_with_literal_plus(sandbox: Sandbox, loaded: None,
                                  alice: Imap) -> None:
    for rest in (b"{5+}\r\n12345", b"{5+}\r\n12345 {3+}\r\nabc",
                 b"CATENATE (TEXT {5+}\r\n12345)"):
        alice.send(b"a APPEND Shared/sales %s\r\nb NOOP\r\n" % rest)
        assert alice.reply(b"a").tagged == \
            sandbox.mailbox_referral("alice", 2, SALES)
        assert alice.reply(b"b").status == "OK"


@pytest.mark.parametrize("old, new", [
    (Half(SALES, 2), Half("sales", 1)),
    (Half("mine", 1), Half("Shared/sales/mine", 2)),
    (Half(SALES, 2), Half("Shared/sales/old", 2)),
    (Half("Users/bob/x", 2), Half("Users/carol/x", 3)),
    (Half("Shared/local", 1), Half("Shared/sales/local", 2)),
], ids=["remote, local", "local, remote", "below itself", "owners",
        "shared, remote"])
def test_rename(sandbox: Sandbox, loaded: None, alice: Imap, old: Half,
                new: Half) -> None:
    assert rename(alice, old.name, new.name) == pair(sandbox, old, new)
    alice.ok("NOOP")


def test_subscriptions(loaded: None, alice: Imap) -> None:
    alice.ok(f"SUBSCRIBE {SALES}")
    assert SALES in listed(alice, 'RLSUB "" "*"')
    assert SALES not in listed(alice, 'LSUB "" "*"')
    alice.ok(f"UNSUBSCRIBE {SALES}")
    assert SALES not in listed(alice, 'RLSUB "" "*"')


def test_lists(loaded: None, alice: Imap) -> None:
    office = "Shared/B&APw-ro &- co"
    for command in ('RLIST "" "Shared/*"', 'LIST (REMOTE) "" "Shared/*"'):
        assert listed(alice, command) == [office, "Shared/local", SALES]
    assert listed(alice, 'LIST "" "Shared/*"') == ["Shared/local"]
    remote = [line for line in
              alice.ok('LIST (REMOTE) "" "*"').untagged if "\\Remote" in line]
    assert len(remote) == 2


def test_owners_mailbox(sandbox: Sandbox, loaded: None,
                        alice: Imap) -> None:
    for command in ("SELECT {}", "APPEND {} {5}", "GETACL {}"):
        assert alice.command(filled(command, "Users/bob/x")).tagged == \
            sandbox.mailbox_referral("alice", 2, "Users/bob/x")


def test_guest(sandbox: Sandbox, loaded: None) -> None:
    """bob, who is let in at imap1 if a mailbox is listed there, is not."""
    assert sandbox.login("bob").referral


def test_the_others_work(sandbox: Sandbox, loaded: None, alice: Imap,
                         log: Log) -> None:
    alice.ok("SELECT mine")
    alice.ok("COPY 1 Shared/local")
    log.wait("imap(alice)", "copy ", "Shared/local")
    assert alice.ok('SEARCH TEXT "message of the tests"').untagged == \
        ["* SEARCH 1"]
    alice.ok("SELECT Shared/local")
    found = alice.ok('SEARCH TEXT "message of the tests"').untagged[0]
    assert found != "* SEARCH"
    alice.ok(f"STORE {','.join(found.split()[2:])} +FLAGS (\\Deleted)")
    alice.ok("EXPUNGE")
    assert alice.ok("GETQUOTAROOT INBOX").untagged
    assert alice.ok("MYRIGHTS Shared/local").untagged


def _count(client: Imap, name: str) -> int:
    status, = client.ok(f"STATUS {name} (MESSAGES)").untagged
    return int(status.rstrip(")").split()[-1])


@pytest.mark.parametrize("name", VIRTUAL)
def test_virtual_mailbox_opens_with_what_is_here(loaded: None, alice: Imap,
                                                 name: str) -> None:
    count = sum(_count(alice, each)
                for each in ("INBOX", "mine", "Shared/local"))
    for command in ("SELECT", "EXAMINE"):
        reply = alice.ok(f"{command} Virtual/{name}")
        assert f"* {count} EXISTS" in reply.untagged
        assert not [line for line in reply.untagged if "* NO" in line]
        assert len(alice.ok("FETCH 1:* BODY.PEEK[HEADER]").untagged) == count
        assert alice.ok('SEARCH TEXT "message of the tests"').untagged != \
            ["* SEARCH"]
    assert _count(alice, f"Virtual/{name}") == count


@pytest.mark.parametrize("name", VIRTUAL)
def test_virtual_mailbox_without_what_is_also_here(
        loaded: None, alice: Imap, elsewhere: None, name: str) -> None:
    """The directory places Shared/local on another server."""
    reply = alice.ok(f"SELECT Virtual/{name}")
    count = _count(alice, "INBOX") + _count(alice, "mine")
    assert f"* {count} EXISTS" in reply.untagged


@pytest.mark.parametrize("name", VIRTUAL)
def test_copy_from_a_virtual_mailbox(sandbox: Sandbox, loaded: None,
                                     alice: Imap, name: str) -> None:
    alice.ok(f"SELECT Virtual/{name}")
    for command in ("COPY", "UID COPY"):
        assert alice.command(f"{command} 1 {SALES}").tagged == \
            sandbox.mailbox_referral("alice", 2, SALES)
        alice.ok("CHECK")


def test_virtual_mailboxes_while_the_directory_is_down(
        sandbox: Sandbox, loaded: None, alice: Imap, ldap1) -> None:
    ldap1()
    sandbox.end_dict()
    wait_for(lambda: "UNAVAILABLE" in alice.command(f"SELECT {SALES}").tagged)
    for name in VIRTUAL:
        alice.ok(f"SELECT Virtual/{name}")
        alice.ok("FETCH 1 FLAGS")
    sandbox.start("ldap1")
    wait_for(lambda: alice.command(f"STATUS {SALES} (MESSAGES)").referral)


# --- other processes

def deliver(sandbox: Sandbox, user: str, subject: str) -> list[str]:
    """Deliver by LMTP. Returns the answers."""
    answers = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(Path(sandbox.env["SANDBOX_DIR"]) / "imap1" / "run"
                         / "lmtp"))
        with sock.makefile("rwb", buffering=0) as stream:
            answers.append(stream.readline())
            for command in (b"LHLO tests", b"MAIL FROM:<tests@example.org>",
                            b"RCPT TO:<%s>" % user.encode(), b"DATA",
                            b"Subject: %s\r\n\r\nText for LMTP.\r\n."
                            % subject.encode(), b"QUIT"):
                stream.write(command + b"\r\n")
                while (line := stream.readline())[3:4] == b"-":
                    pass
                answers.append(line)
    return [answer.decode().strip() for answer in answers]


def doveadm(sandbox: Sandbox, *args: str) -> str:
    return sandbox.run("run", "imap1", "doveadm", "-c",
                       sandbox.env["DOVECONF1"], *args)


def test_lmtp(sandbox: Sandbox, loaded: None, alice: Imap,
              log: Log) -> None:
    answers = deliver(sandbox, "alice", "By LMTP")
    assert answers[5].startswith("250 "), answers
    alice.ok("SELECT INBOX")
    found = alice.ok('SEARCH SUBJECT "By LMTP"').untagged[0].split()[2:]
    assert found
    # A process of its own has indexed it.
    log.wait("indexer-worker(alice)")
    alice.ok(f"STORE {found[0]} +FLAGS (\\Deleted)")
    alice.ok("EXPUNGE")
    assert not [line for line in log.lines("Error:") if "FTS" not in line]


def test_doveadm(sandbox: Sandbox, loaded: None, alice: Imap) -> None:
    names = doveadm(sandbox, "mailbox", "list", "-u", "alice").splitlines()
    assert {"INBOX", "mine", "Shared/local"} <= set(names)
    assert SALES not in names
    text = doveadm(sandbox, "fetch", "-u", "alice", "text", "mailbox",
                   "mine")
    assert "A message of the tests." in text
    assert "messages=1" in doveadm(sandbox, "mailbox", "status", "-u",
                                   "alice", "messages", "mine")
    doveadm(sandbox, "mailbox", "create", "-u", "alice", "mine/below")
    doveadm(sandbox, "mailbox", "rename", "-u", "alice", "mine/below",
            "mine/other")
    doveadm(sandbox, "mailbox", "delete", "-u", "alice", "mine/other")
    for mailbox in ("INBOX", "mine", "Shared/local"):
        doveadm(sandbox, "index", "-u", "alice", mailbox)
    doveadm(sandbox, "acl", "get", "-u", "alice", "Shared/local")
    doveadm(sandbox, "quota", "get", "-u", "alice")


def test_indexer(sandbox: Sandbox, loaded: None, alice: Imap,
                 log: Log) -> None:
    doveadm(sandbox, "index", "-q", "-u", "alice", "mine")
    log.wait("indexer-worker(alice)")
    assert not [line for line in log.lines("Error:") if "FTS" not in line]
