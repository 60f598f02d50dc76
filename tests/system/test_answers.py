"""What the directory's answers about mailboxes turn into, for how long an
imap process keeps them, and what there is when it gets none."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Config, Directory
from sandbox import (ANSWER_SECS, MESSAGE, Dict, Log, Sandbox,
                     wait_for)
from taps import DictTap
from wire import Imap

SALES, OFFICE = "Shared/sales", "Shared/B&APw-ro &- co"


# --- kept answers

BURST = ["SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)",
         "APPEND {} {{5}}", "CREATE {}/new", "SUBSCRIBE {}",
         "UNSUBSCRIBE {}", "DELETE {}", "GETACL {}", "MYRIGHTS {}",
         "GETQUOTAROOT {}", "RENAME {} {}", "GETMETADATA {} /shared/comment"]


def lookups(tap: DictTap, use: Callable[[], object], name: str) -> int:
    """Of the name itself."""
    key = b"mailbox/" + name.replace("/", r"\|").encode()
    return len([line for line in tap.asked(use)
                if line.split(b"\t")[0].endswith(key)])


def burst(client: Imap, name: str) -> None:
    for command in BURST:
        client.command(command.format(name, name))


@pytest.mark.parametrize("ttl, least, most", [
    ("1h", 1, 1),
    # Long enough for a burst, which may begin at the end of it.
    (None, 1, 2),
    ("0", len(BURST) - 3, 3 * len(BURST)),
])
def test_a_burst_asks_once(sandbox: Sandbox, config: Config,
                           dict_tap: DictTap, ttl: str | None,
                           least: int, most: int) -> None:
    config.edit(referral={"imap_referral_cache_ttl": ttl})
    with sandbox.session("alice") as client:
        assert least <= lookups(dict_tap, lambda: burst(client, SALES),
                                SALES) <= most


def test_not_found_is_an_answer_too(sandbox: Sandbox, config: Config,
                                    dict_tap: DictTap) -> None:
    config.edit(referral={"imap_referral_cache_ttl": "1h"})
    name = "Shared/nonexistent"

    def use(client: Imap) -> None:
        for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)",
                        f"GETACL {name}", f"DELETE {name}"):
            assert client.command(command).status == "NO"

    with sandbox.session("alice") as client:
        assert lookups(dict_tap, lambda: use(client), name) == 1


def test_a_local_mailbox(sandbox: Sandbox, config: Config,
                         dict_tap: DictTap) -> None:
    """Without the answers that are kept for the next command."""
    config.edit(referral={"imap_referral_cache_ttl": "0"})
    with sandbox.session("alice") as client:
        for command, most in (("STATUS Shared/local (MESSAGES UIDNEXT)", 2),
                              ("SELECT Shared/local", 1),
                              ("EXAMINE Shared/local", 1)):
            assert 1 <= lookups(dict_tap, lambda: client.ok(command),
                                "Shared/local") <= most, command


def test_the_selected_mailbox_is_asked_about_no_more(
        sandbox: Sandbox, config: Config, dict_tap: DictTap) -> None:
    config.edit(referral={"imap_referral_cache_ttl": "0"})
    with sandbox.session("alice") as client:
        client.ok("SELECT Shared/local")

        def use() -> None:
            client.ok("FETCH 1:* (FLAGS BODY.PEEK[])")
            client.ok(r"STORE 1 +FLAGS (\Flagged)")
            client.ok(r"STORE 1 -FLAGS (\Flagged)")
            client.ok("SEARCH ALL")
            client.ok("STATUS Shared/local (MESSAGES)")
            client.ok("NOOP")
            client.ok("CHECK")
            client.ok("CLOSE")

        assert not dict_tap.asked(use)


def test_kept_for_its_time(sandbox: Sandbox, config: Config,
                           directory: Directory) -> None:
    config.edit(referral={"imap_referral_cache_ttl": "1h"})
    dn = directory.add_mailbox("Shared/mover",
                               mailHost=sandbox.address(2)[0])
    with sandbox.session("alice") as client:
        wait_for(lambda: Dict(sandbox).mailbox("Shared/mover"))
        old = client.command("SELECT Shared/mover").tagged
        assert old == sandbox.mailbox_referral("alice", 2, "Shared/mover")
        directory.set(dn, mailHost=sandbox.address(3)[0])
        wait_for(lambda: sandbox.server(3) in
                 (Dict(sandbox).mailbox("Shared/mover") or ""))
        assert client.command("SELECT Shared/mover").tagged == old
    # Another process has not been told before.
    with sandbox.session("alice") as client:
        assert client.command("SELECT Shared/mover").tagged == \
            sandbox.mailbox_referral("alice", 3, "Shared/mover")


def test_a_change_shows_when_the_time_is_over(
        sandbox: Sandbox, alice: Imap, directory: Directory) -> None:
    name = "Shared/local"
    alice.ok(f"STATUS {name} (MESSAGES)")
    directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    # Also though it is opened again and again in the meantime.
    wait_for(lambda: alice.command(f"STATUS {name} (MESSAGES)").tagged ==
             sandbox.mailbox_referral("alice", 2, name))
    directory.delete(directory.mailbox(name))
    wait_for(lambda: alice.command(f"STATUS {name} (MESSAGES)").status
             == "OK")


def test_many_names(sandbox: Sandbox, alice: Imap) -> None:
    """What is kept is bounded, whatever a client asks for."""
    for number in range(2000):
        alice.send(b"x%d STATUS Shared/sales/%d (MESSAGES)\r\n"
                   % (number, number))
    for number in range(2000):
        assert alice.reply(b"x%d" % number).tagged == \
            sandbox.mailbox_referral("alice", 2, f"Shared/sales/{number}")
    assert alice.command("SELECT Shared/local").status == "OK"


# --- several servers

def url(sandbox: Sandbox, number: int, name: str) -> str:
    return f"imap://alice;AUTH=*@{sandbox.server(number)}/{name}"


@pytest.mark.parametrize("setting, numbers", [
    (None, (2,)), ("first", (2,)), ("all", (2, 3))])
def test_urls(sandbox: Sandbox, config: Config, setting: str | None,
              numbers: tuple[int, ...]) -> None:
    config.edit(referral={"imap_referral_urls": setting})
    with sandbox.session("alice") as client:
        for name in (SALES, "Shared/sales/2026"):
            urls = " ".join(url(sandbox, number, name) for number in numbers)
            for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)",
                            f"APPEND {name} {{5}}", f"CREATE {name}",
                            f"GETACL {name}"):
                assert client.command(command).tagged == \
                    f"NO [REFERRAL {urls}] This folder is on IMAP server " \
                    f"{sandbox.address(2)[0]}.", command
        # One server, one URL.
        assert client.command(f'SELECT "{OFFICE}"').tagged == \
            sandbox.mailbox_referral("alice", 3,
                                     "Shared/B%C3%BCro%20%26%20co")


@pytest.mark.parametrize("setting", ["first", "all"])
def test_order_of_preference(sandbox: Sandbox, config: Config,
                             directory: Directory, setting: str) -> None:
    config.edit(referral={"imap_referral_urls": setting})
    name = "Shared/ranked"
    directory.add_mailbox(name, labeledURI=[
        f"imap://{sandbox.server(2)}/{name} 20",
        f"imap://{sandbox.server(3)}/{name} 5",
        f"imap://imap9.example.org/{name} 100"])
    urls = [url(sandbox, 3, name), url(sandbox, 2, name),
            f"imap://alice;AUTH=*@imap9.example.org/{name}"]
    with sandbox.session("alice") as client:
        wait_for(lambda: client.command(f"SELECT {name}").referral ==
                 (" ".join(urls) if setting == "all" else urls[0]))


@pytest.mark.parametrize("setting", ["first", "all"])
def test_a_replica_here_is_local(sandbox: Sandbox, config: Config,
                                 directory: Directory, setting: str) -> None:
    """However little it is preferred."""
    config.edit(referral={"imap_referral_urls": setting})
    name = "Shared/local"
    directory.add_mailbox(name, labeledURI=[
        f"imap://{sandbox.server(number)}/{name} {10 * preference}"
        for preference, number in enumerate((2, 3, 1))])
    wait_for(lambda: Dict(sandbox).mailbox(name))
    with sandbox.session("alice") as client:
        client.ok(f"SELECT {name}")
        client.ok(f"STATUS {name} (MESSAGES)")
        assert client.append(name, MESSAGE).status == "OK"


# --- this server, whatever it is called

SERVER, ALIASES = "imap1.example.org:10143", \
    "alias.example.org other.example.org:2143 192.0.2.1"
OURS = ["imap1.example.org:10143", "IMAP1.Example.ORG:10143",
        "alias.example.org:10143", "other.example.org:2143",
        "192.0.2.1:10143",
        # What the client has connected to.
        "127.0.10.1:10143"]
OTHERS = ["imap1.example.org:2000", "imap1.example.org", "127.0.10.2:10143",
          "imap10.example.org:10143", "alias.example.org:2143",
          "example.org:10143"]


def test_never_to_this_server(sandbox: Sandbox, config: Config,
                              directory: Directory, log: Log) -> None:
    config.edit(referral={"imap_referral_server": SERVER,
                          "imap_referral_aliases": ALIASES})
    for number, server in enumerate(OURS + OTHERS):
        name = f"Shared/at{number}"
        directory.add_mailbox(
            name, labeledURI=f"imap://{server}/{name}")
    last = len(OURS + OTHERS) - 1
    wait_for(lambda: Dict(sandbox).mailbox(f"Shared/at{last}"))
    with sandbox.session("alice") as client:
        for number, server in enumerate(OURS + OTHERS):
            name = f"Shared/at{number}"
            for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)",
                            f"APPEND {name} {{5}}", f"GETACL {name}"):
                reply = client.command(command)
                assert reply.status == "NO"
                assert (reply.referral is None) == (server in OURS), server
            listed = name in client.ok(f'RLIST "" {name}').listed()
            assert listed == (server not in OURS)
            # It is asked about, and found to be here.
            if server in OURS:
                log.wait(f"Mailbox {name} is here")


def test_never_to_the_tls_port_of_this_server(
        sandbox: Sandbox, directory: Directory) -> None:
    host, port = sandbox.address(1, tls=True)
    directory.add_mailbox("Shared/tls",
                          labeledURI=f"imap://{host}:{port}/Shared/tls")
    wait_for(lambda: Dict(sandbox).mailbox("Shared/tls"))
    with sandbox.imap(tls=True) as client:
        assert client.login("alice", sandbox.password).status == "OK"
        assert client.command("SELECT Shared/tls").referral is None


# --- the directory cannot be asked

def unavailable(client: Imap, command: str) -> bool:
    start = time.monotonic()
    reply = client.command(command)
    assert time.monotonic() - start < ANSWER_SECS
    assert not reply.continuations
    return reply.tagged.startswith("NO [UNAVAILABLE]")


def use_own_mailboxes(client: Imap) -> None:
    start = time.monotonic()
    client.ok("SELECT INBOX")
    client.ok("FETCH 1:* FLAGS")
    client.ok("STATUS INBOX (MESSAGES)")
    client.ok('LIST "" "*"')
    client.ok('LSUB "" "*"')
    assert client.append("INBOX", MESSAGE).status == "OK"
    client.ok("NOOP")
    assert time.monotonic() - start < 1


def test_directory_is_down(sandbox: Sandbox, ldap1: Callable[[], None]
                           ) -> None:
    answer = sandbox.mailbox_referral("alice", 2, SALES)
    with sandbox.session("alice") as client:
        assert client.command(f"SELECT {SALES}").tagged == answer
        ldap1()
        # With nothing in memory there is nothing to answer from.
        sandbox.end_dict()
        wait_for(lambda: unavailable(client, f"SELECT {SALES}"))
        for command in (f"SELECT {SALES}", f"STATUS {SALES} (MESSAGES)",
                        f"APPEND {SALES} {{5}}", f"DELETE {SALES}",
                        f"CREATE {SALES}/new", f"SUBSCRIBE {SALES}",
                        f"RENAME {SALES} {SALES}2", f"RENAME {SALES} new",
                        f"RENAME INBOX {SALES}2", f"GETACL {SALES}",
                        f"MYRIGHTS {SALES}", f"GETQUOTAROOT {SALES}",
                        f"GETMETADATA {SALES} /shared/comment",
                        "SELECT Shared/local", "GETACL Shared/local"):
            assert unavailable(client, command), command
        client.ok("SELECT INBOX")
        for command in (f"COPY 1 {SALES}", f"UID MOVE 1:* {SALES}"):
            assert unavailable(client, command), command
        use_own_mailboxes(client)
        sandbox.start("ldap1")
        wait_for(lambda: client.command(f"SELECT {SALES}").tagged == answer)


def test_directory_goes_away(sandbox: Sandbox, ldap1: Callable[[], None]
                             ) -> None:
    """The old answer or a failure; a listed mailbox never becomes local."""
    answer = sandbox.mailbox_referral("alice", 2, SALES)
    with sandbox.session("alice") as client:
        assert client.command(f"SELECT {SALES}").tagged == answer
        ldap1()
        end = time.monotonic() + 4  # several refreshes
        while time.monotonic() < end:
            tagged = client.command(f"SELECT {SALES}").tagged
            assert tagged == answer or \
                tagged.startswith("NO [UNAVAILABLE]")
            client.ok("SELECT INBOX")
        sandbox.start("ldap1")
        wait_for(lambda: client.command(f"SELECT {SALES}").tagged == answer)


@contextlib.contextmanager
def gone(sandbox: Sandbox) -> Iterator[None]:
    """There is no socket, and no connection."""
    path = Path(sandbox.env["DICT_SOCKET1"])
    aside = path.with_name("dict-aside")
    path.rename(aside)
    try:
        for pid in sandbox.dict_pids():
            os.kill(pid, signal.SIGTERM)
        yield
    finally:
        aside.rename(path)


@contextlib.contextmanager
def refusing(sandbox: Sandbox) -> Iterator[None]:
    """There is a socket, and nobody behind it."""
    path = Path(sandbox.env["DICT_SOCKET1"])
    aside = path.with_name("dict-aside")
    path.rename(aside)
    path.touch(mode=0o666)
    try:
        for pid in sandbox.dict_pids():
            os.kill(pid, signal.SIGTERM)
        yield
    finally:
        aside.rename(path)


BROKEN = {"hung": Sandbox.hung_dict, "gone": gone, "refusing": refusing}
State = Callable[[Sandbox], contextlib.AbstractContextManager[None]]


@pytest.mark.parametrize("state", BROKEN.values(), ids=BROKEN)
def test_dict_process_is_broken(sandbox: Sandbox, state: State) -> None:
    with sandbox.session("alice") as client, \
            sandbox.session("dave") as other:
        client.ok("SELECT Shared/local")
        assert client.command(f"STATUS {SALES} (MESSAGES)").referral
        with state(sandbox):
            # What imap has just been told it may still know.
            wait_for(lambda: unavailable(client,
                                         f"STATUS {SALES} (MESSAGES)"))
            for command in (f"STATUS {SALES} (MESSAGES)",
                            f"APPEND {SALES} {{5}}",
                            "STATUS Shared/nonexistent (MESSAGES)",
                            f"GETACL {SALES}", f"COPY 1 {SALES}"):
                assert unavailable(client, command), command
            # It is selected, and nothing is asked about it.
            client.ok("FETCH 1:* FLAGS")
            use_own_mailboxes(client)
            use_own_mailboxes(other)
        wait_for(lambda: client.command(f"SELECT {SALES}").referral)
        client.ok("SELECT Shared/local")


def test_nobody_waits_for_another(sandbox: Sandbox) -> None:
    """Whoever uses other mailboxes does not notice."""
    with sandbox.session("alice") as waiting, \
            sandbox.session("alice") as client, sandbox.hung_dict():
        waiting.send(f"a SELECT {SALES}/x\r\nb NOOP\r\n".encode())
        use_own_mailboxes(client)
        assert waiting.reply(b"a").tagged.startswith("NO [UNAVAILABLE]")
        assert waiting.reply(b"b").status == "OK"


def test_status_of_all_waits_once(sandbox: Sandbox, alice: Imap) -> None:
    """Not for each mailbox."""
    names = [f"Shared/wait{number}" for number in range(8)]
    for name in names:
        alice.ok(f"CREATE {name}")
    with sandbox.hung_dict():
        wait_for(lambda: unavailable(alice, "STATUS Shared/wait0 (MESSAGES)"))
        start = time.monotonic()
        reply = alice.ok('LIST "" "Shared/*" RETURN (STATUS (MESSAGES))')
        assert time.monotonic() - start < ANSWER_SECS
        assert set(names) <= set(reply.listed())
        assert not [line for line in reply.untagged
                    if line.startswith("* NO")]
    wait_for(lambda: alice.command("STATUS Shared/wait0 (MESSAGES)").status
             == "OK")
    for name in names:
        alice.ok(f"DELETE {name}")


@pytest.fixture
def uncached(sandbox: Sandbox, config: Config,
             dict_tap: DictTap) -> Iterator[Imap]:
    """alice, for whom every command asks, and is seen to."""
    config.edit(referral={"imap_referral_cache_ttl": "0"})
    with sandbox.session("alice") as client:
        assert client.command(f"SELECT {SALES}").referral
        yield client


def test_late_answers_are_nobodys(sandbox: Sandbox, uncached: Imap,
                                  dict_tap: DictTap) -> None:
    """They come when something else has been asked."""
    dict_tap.hold()
    assert unavailable(uncached, f"SELECT {SALES}")
    assert unavailable(uncached, "SELECT Shared/local")
    dict_tap.release()
    wait_for(lambda: uncached.command(f'SELECT "{OFFICE}"').referral)
    for _ in range(3):
        assert uncached.command(f'SELECT "{OFFICE}"').tagged == \
            sandbox.mailbox_referral("alice", 3,
                                     "Shared/B%C3%BCro%20%26%20co")
        uncached.ok("SELECT Shared/local")
        assert uncached.command(f"SELECT {SALES}").tagged == \
            sandbox.mailbox_referral("alice", 2, SALES)


def test_connection_breaks_in_the_middle(sandbox: Sandbox, uncached: Imap,
                                         dict_tap: DictTap) -> None:
    dict_tap.hold()
    before = len(dict_tap.lines)
    uncached.send(f"a SELECT {SALES}\r\nb NOOP\r\n".encode())
    wait_for(lambda: len(dict_tap.lines) > before)
    dict_tap.cut()
    dict_tap.release()
    reply = uncached.reply(b"a")
    assert reply.status == "NO"
    assert reply.referral or "UNAVAILABLE" in reply.tagged
    assert uncached.reply(b"b").status == "OK"
    wait_for(lambda: uncached.command(f"SELECT {SALES}").tagged ==
             sandbox.mailbox_referral("alice", 2, SALES))
