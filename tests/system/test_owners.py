"""Other users' mailboxes: where their owners are at home, unless the
directory lists them. For alice at imap1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conftest import Config, Directory
from sandbox import Dict, Sandbox, wait_for
from taps import DictTap
from wire import Imap

PROJECTS = "Users/bob/Projects"
MESSAGE = b"From: alice@example.org\r\nSubject: Test\r\n\r\nFor bob.\r\n"


@pytest.fixture
def one_message(sandbox: Sandbox) -> Iterator[Imap]:
    """alice, who has selected a mailbox of her own with one message."""
    with sandbox.own_mailbox("tests") as client:
        client.ok("SELECT tests")
        yield client


@pytest.fixture(scope="module")
def shared_by_dave(sandbox: Sandbox) -> Iterator[str]:
    """A mailbox at imap1. The directory names no home for dave."""
    with sandbox.session("dave") as client:
        client.ok("CREATE Projects")
        client.ok("SETACL Projects alice lrswipkxtea")
        assert client.append("Projects", MESSAGE).status == "OK"
    yield "Users/dave/Projects"
    with sandbox.session("dave") as client:
        client.ok("DELETE Projects")


# --- every command, with the owner's home elsewhere

COMMANDS = [
    "SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "DELETE {}",
    "CREATE {}", "APPEND {} {{5}}", "GETACL {}", "SETACL {} alice lr",
    "DELETEACL {} alice", "MYRIGHTS {}", "LISTRIGHTS {} alice",
    "GETQUOTAROOT {}", "GETMETADATA {} /shared/comment",
    'SETMETADATA {} (/shared/comment "x")',
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command(sandbox: Sandbox, alice: Imap, command: str) -> None:
    reply = alice.command(command.format(PROJECTS))
    assert reply.tagged == sandbox.mailbox_referral("alice", 2, PROJECTS)
    assert not reply.continuations and not reply.untagged
    alice.ok("NOOP")


@pytest.mark.parametrize("command", ["COPY 1", "UID COPY 1", "MOVE 1",
                                     "UID MOVE 1"])
def test_copy_and_move(sandbox: Sandbox, one_message: Imap,
                       command: str) -> None:
    reply = one_message.command(f"{command} {PROJECTS}")
    assert reply.tagged == sandbox.mailbox_referral("alice", 2, PROJECTS)
    assert not reply.untagged
    assert len(one_message.ok("FETCH 1:* FLAGS").untagged) == 1


def test_rename(sandbox: Sandbox, one_message: Imap) -> None:
    """From there, to there and within there: pairs of URLs."""
    there, here = (f"imap://alice;AUTH=*@{sandbox.server(number)}/"
                   for number in (2, 1))
    for old, new, urls in (
            (PROJECTS, "Users/bob/New",
             f"{there}{PROJECTS} {there}Users/bob/New"),
            (PROJECTS, "new", f"{there}{PROJECTS} {here}new"),
            ("tests", PROJECTS, f"{here}tests {there}{PROJECTS}")):
        assert one_message.command(f"RENAME {old} {new}").tagged == \
            f"NO [REFERRAL {urls}] This folder is on IMAP server " \
            f"{sandbox.address(2)[0]}."
    assert "tests" in one_message.ok('LIST "" "*"').listed()


def test_append_with_literal_plus(sandbox: Sandbox, alice: Imap) -> None:
    alice.send(f"a APPEND {PROJECTS} {{5+}}\r\n12345\r\n"
               "b NOOP\r\n".encode())
    assert alice.reply(b"a").tagged == \
        sandbox.mailbox_referral("alice", 2, PROJECTS)
    assert alice.reply(b"b").status == "OK"


def test_subscribe(alice: Imap) -> None:
    alice.ok(f"SUBSCRIBE {PROJECTS}")
    assert PROJECTS in alice.ok('RLSUB "" "*"').listed("LSUB")
    assert PROJECTS not in alice.ok('LSUB "" "*"').listed("LSUB")
    assert PROJECTS not in alice.ok('LIST (SUBSCRIBED) "" "*"').listed()
    alice.ok(f"UNSUBSCRIBE {PROJECTS}")
    assert PROJECTS not in alice.ok('RLSUB "" "*"').listed("LSUB")


@pytest.mark.parametrize("name, number, in_url", [
    ("Users/bob", 2, "Users/bob"),
    ("Users/bob/INBOX", 2, "Users/bob/INBOX"),
    ("Users/bob/Projects/2026", 2, "Users/bob/Projects/2026"),
    ("Users/bob/B&APw-ro", 2, "Users/bob/B%C3%BCro"),
    ("Users/carol/Projects", 3, "Users/carol/Projects"),
])
def test_name(sandbox: Sandbox, alice: Imap, name: str, number: int,
              in_url: str) -> None:
    for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)"):
        assert alice.command(command).tagged == \
            sandbox.mailbox_referral("alice", number, in_url)


def test_nothing_is_made_here(sandbox: Sandbox, alice: Imap) -> None:
    alice.command(f"CREATE {PROJECTS}")
    assert PROJECTS not in alice.ok('LIST "" "*"').listed()
    with sandbox.session("bob", 2) as client:
        assert "Projects" not in client.ok('LIST "" "*"').listed()


def test_the_referral_leads_there(sandbox: Sandbox) -> None:
    """As a guest, alice opens what bob has shared."""
    with sandbox.session("bob", 2) as client:
        client.ok("CREATE Projects")
        client.ok("SETACL Projects alice lr")
        assert client.append("Projects", MESSAGE).status == "OK"
    with sandbox.session("alice", 2) as guest:
        assert "* 1 EXISTS" in guest.ok(f"SELECT {PROJECTS}").untagged
    with sandbox.session("bob", 2) as client:
        client.ok("DELETE Projects")


# --- owners

def test_owner_without_a_home(alice: Imap, shared_by_dave: str) -> None:
    assert "* 1 EXISTS" in alice.ok(f"SELECT {shared_by_dave}").untagged
    alice.ok(f"STATUS {shared_by_dave} (MESSAGES)")
    assert alice.append(shared_by_dave, MESSAGE).status == "OK"
    alice.ok(f"MYRIGHTS {shared_by_dave}")
    alice.ok("STORE 1:* +FLAGS (\\Seen)")


def test_owner_at_home_here(sandbox: Sandbox, alice: Imap,
                            directory: Directory,
                            shared_by_dave: str) -> None:
    directory.set_home("dave", sandbox.address(1)[0])
    wait_for(lambda: Dict(sandbox).home("dave"))
    alice.ok(f"SELECT {shared_by_dave}")
    alice.ok(f"STATUS {shared_by_dave} (MESSAGES)")
    assert alice.command("SELECT Users/dave/nonexistent").referral is None


def test_owner_moves(sandbox: Sandbox, alice: Imap, directory: Directory,
                     shared_by_dave: str) -> None:
    alice.ok(f"SELECT {shared_by_dave}")
    directory.set_home("dave", sandbox.address(3)[0])
    wait_for(lambda: alice.command(f"SELECT {shared_by_dave}").tagged ==
             sandbox.mailbox_referral("alice", 3, shared_by_dave))


@pytest.mark.parametrize("name", ["Users/nobody", "Users/nobody/x",
                                  "Users/nobody/INBOX", "Users/*/x",
                                  "Users/b)(uid=*/x", "Users//x"])
def test_unknown_owner_is_dovecots_own(alice: Imap, name: str) -> None:
    for command in ("SELECT", "EXAMINE", "DELETE", "SUBSCRIBE", "CREATE"):
        reply = alice.command(f'{command} "{name}"')
        assert reply.status in ("NO", "BAD")
        assert reply.referral is None
        assert "UNAVAILABLE" not in reply.tagged
        assert "This folder is" not in reply.tagged
    assert alice.command('STATUS "{name}" (MESSAGES)').status == "NO"


@pytest.mark.parametrize("name", ["Users", "Users/"])
def test_no_owner(alice: Imap, name: str) -> None:
    reply = alice.command(f'SELECT "{name}"')
    assert reply.status in ("NO", "BAD") and reply.referral is None


@pytest.mark.parametrize("name", ["Users/alice", "Users/alice/INBOX",
                                  "Users/alice/x"])
def test_the_user_herself_at_home(alice: Imap, name: str) -> None:
    for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)"):
        assert alice.command(command).referral is None


def test_the_user_herself_as_a_guest(sandbox: Sandbox) -> None:
    """At home, and nowhere else."""
    with sandbox.session("alice", 2) as guest:
        reply = guest.command("SELECT Users/alice/Projects")
        assert reply.status == "NO"
        assert reply.referral in (
            None, f"imap://alice;AUTH=*@{sandbox.server(1)}/"
            "Users/alice/Projects")


def test_guest_and_an_owner_at_a_third_server(sandbox: Sandbox) -> None:
    with sandbox.session("alice", 2) as guest:
        assert guest.command("SELECT Users/carol/Projects").tagged == \
            sandbox.mailbox_referral("alice", 3, "Users/carol/Projects")
        # bob is at home there, dave nowhere.
        for owner in ("bob", "dave"):
            reply = guest.command(f"SELECT Users/{owner}/Projects")
            assert reply.status == "NO" and reply.referral is None


@pytest.mark.parametrize("command", COMMANDS)
def test_owner_at_a_server_without_shared_mailboxes(
        alice: Imap, command: str) -> None:
    """alice would not be let in there, but sent back here, for ever."""
    reply = alice.command(command.format("Users/erin/Projects"))
    assert reply.without_times == "NO [NOPERM] This folder is on IMAP " \
        "server imap9.example.org."
    assert not reply.continuations and not reply.untagged
    alice.ok("NOOP")


def test_the_first_shared_mailbox_there(sandbox: Sandbox, alice: Imap,
                                        directory: Directory) -> None:
    directory.add_mailbox("Shared/nine", mailHost="imap9.example.org")
    wait_for(lambda: alice.command("SELECT Users/erin/x").tagged ==
             f"NO [REFERRAL imap://alice;AUTH=*@imap9.example.org:"
             f"{sandbox.address(1)[1]}/Users/erin/x] This folder is on IMAP "
             "server imap9.example.org.")


def test_the_directory_lists_the_mailbox(sandbox: Sandbox, alice: Imap,
                                         directory: Directory) -> None:
    """Then it is there, wherever its owner is."""
    directory.add_mailbox(PROJECTS, mailHost=sandbox.address(3)[0])
    wait_for(lambda: alice.command(f"SELECT {PROJECTS}").tagged ==
             sandbox.mailbox_referral("alice", 3, PROJECTS))
    assert alice.command("SELECT Users/bob/Other").tagged == \
        sandbox.mailbox_referral("alice", 2, "Users/bob/Other")
    assert alice.command(f"SELECT {PROJECTS}/2026").tagged == \
        sandbox.mailbox_referral("alice", 3, f"{PROJECTS}/2026")


def test_the_directory_lists_the_mailbox_here(
        sandbox: Sandbox, alice: Imap, directory: Directory) -> None:
    directory.add_mailbox(PROJECTS, mailHost=sandbox.address(1)[0])
    wait_for(lambda: alice.command(f"SELECT {PROJECTS}").referral is None)
    assert alice.command("SELECT Users/bob/Other").referral


# --- lists

def test_lists_have_no_owners(sandbox: Sandbox) -> None:
    """That somebody exists is no reason to list."""
    with sandbox.session("alice") as client:
        for command in ('LIST "" "Users/*"', 'RLIST "" "Users/*"',
                        'LIST (REMOTE) "" "Users/*"', 'RLIST "" "Users/%"'):
            # Except for those who have shared mailboxes here.
            assert not [name for name in client.ok(command).listed()
                        if not name.startswith("Users/dave")
                        and name != "Users"]


def test_mailboxes_shared_here_are_listed(alice: Imap,
                                          shared_by_dave: str) -> None:
    alice.ok(f"STATUS {shared_by_dave} (MESSAGES)")
    for command in ("LIST", "RLIST", "LIST (REMOTE)"):
        rows = alice.ok(f'{command} "" "Users/dave/*"').listed()
        assert set(rows) == {shared_by_dave}
        assert r"\Remote" not in rows[shared_by_dave]


def test_status_in_a_list(sandbox: Sandbox, alice: Imap,
                          directory: Directory, shared_by_dave: str) -> None:
    """Of one that is still here when its owner has moved."""
    list_status = 'LIST "" "*" RETURN (STATUS (MESSAGES))'
    alice.ok(f"STATUS {shared_by_dave} (MESSAGES)")
    assert f"* STATUS {shared_by_dave} " in "\n".join(
        alice.ok(list_status).untagged)
    for host in (sandbox.address(2)[0], "imap9.example.org"):
        directory.set_home("dave", host)
        wait_for(lambda: host in
                 alice.command(f"STATUS {shared_by_dave} (MESSAGES)").tagged)
        reply = alice.ok(list_status)
        assert shared_by_dave in reply.listed()
        assert not [line for line in reply.untagged
                    if line.startswith(("* NO", f"* STATUS {shared_by_dave}"))]


# --- the setting

def test_switched_off(sandbox: Sandbox, config: Config,
                      directory: Directory) -> None:
    """Nobody sees by it who exists."""
    config.edit(referral={"imap_referral_owners": "no"})
    with sandbox.session("alice") as client:
        for command in ("SELECT {}", "STATUS {} (MESSAGES)", "GETACL {}",
                        "APPEND {} {{5}}"):
            answers = {
                client.command(command.format(f"Users/{name}/Projects"))
                .without_times.replace(name, "NAME")
                for name in ("bob", "erin", "nobody")}
            assert len(answers) == 1
            assert "REFERRAL" not in answers.pop()
        # The directory may list some of them.
        directory.add_mailbox(PROJECTS, mailHost=sandbox.address(2)[0])
        wait_for(lambda: client.command(f"SELECT {PROJECTS}").tagged ==
                 sandbox.mailbox_referral("alice", 2, PROJECTS))


# --- what it costs

def home_lookups(tap: DictTap, use: Callable[[], object]) -> list[bytes]:
    return [line for line in tap.asked(use) if b"/home/" in line]


def test_a_burst_asks_once(sandbox: Sandbox, config: Config,
                           dict_tap: DictTap) -> None:
    config.edit(referral={"imap_referral_cache_ttl": "1h"})

    def burst(client: Imap) -> None:
        for number in range(20):
            assert client.command(
                f"SELECT Users/bob/Folder{number}").referral
            assert client.command(
                f"STATUS {PROJECTS} (MESSAGES)").referral

    with sandbox.session("alice") as client:
        asked = home_lookups(dict_tap, lambda: burst(client))
        assert [b"/bob" in line for line in asked] == [True]
        assert not home_lookups(dict_tap, lambda: burst(client))


def test_without_owners_no_home_is_asked_for(
        sandbox: Sandbox, config: Config, dict_tap: DictTap) -> None:
    config.edit(referral={"imap_referral_owners": "no"})
    with sandbox.session("alice") as client:
        assert not home_lookups(
            dict_tap, lambda: client.command(f"SELECT {PROJECTS}"))


def test_lists_ask_for_no_owner(sandbox: Sandbox, config: Config,
                                dict_tap: DictTap) -> None:
    config.edit()
    with sandbox.session("alice") as client:
        client.command(f"STATUS {PROJECTS} (MESSAGES)")
        for command in ('LIST "" "*"', 'RLIST "" "*"', 'LSUB "" "*"'):
            assert not home_lookups(dict_tap, lambda: client.ok(command))


# --- the directory cannot be asked

def test_directory_is_down(sandbox: Sandbox, alice: Imap,
                           ldap1: Callable[[], None],
                           shared_by_dave: str) -> None:
    ldap1()
    # With nothing in memory there is nothing to answer from.
    sandbox.end_dict()
    wait_for(lambda: "UNAVAILABLE" in
             alice.command(f"SELECT {PROJECTS}").tagged)
    for command in (*COMMANDS, "SELECT {}"):
        reply = alice.command(command.format(shared_by_dave))
        assert reply.tagged.startswith("NO [UNAVAILABLE]"), command
        assert not reply.continuations
    sandbox.start("ldap1")
    wait_for(lambda: alice.command(f"SELECT {shared_by_dave}").status == "OK")
