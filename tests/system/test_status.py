"""What the driver says of itself, and how it is told to forget."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import Dicts, Directory
from sandbox import Dict, Sandbox, wait_for
from taps import LdapTap

SALES = "Shared/sales"

# README promises this order.
WORDS = ["server", "state", "requests", "hits", "misses", "stale", "failures",
         "homes", "homes_mode", "searches",
         "mailboxes", "mailboxes_mode", "mailboxes_age",
         "servers", "servers_mode", "servers_age",
         "servers_server", "servers_state"]


def numbers(asked: Dict, *names: str) -> list[int]:
    status = asked.status()
    return [int(status[name]) for name in names]


# --- status

def test_words(dicts: Dicts) -> None:
    asked = dicts.make()
    assert [word.split("=")[0]
            for word in asked.word("status").split()][:len(WORDS)] == WORDS


def test_nothing_is_asked_for_it(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri)
    for _ in range(3):
        status = asked.status()
    assert status["server"] == tap.uri
    assert status["state"] == "disconnected"
    assert status["requests"] == status["searches"] == "0"
    assert status["mailboxes"] == status["mailboxes_age"] == "-"
    assert tap.accepted == 0


def test_homes_are_counted(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1h", home_negative_ttl="1h",
                       timeout="1s")
    names = "requests", "hits", "misses", "failures", "homes", "searches"
    assert asked.home("bob")
    assert numbers(asked, *names) == [1, 0, 1, 0, 1, 1]
    assert asked.home("bob")
    assert asked.home("nobody") is None
    assert asked.home("nobody") is None
    assert numbers(asked, *names) == [4, 2, 2, 0, 2, 2]
    assert asked.status()["state"] == "connected"
    tap.hold()
    assert asked.fails("home", "carol")
    assert numbers(asked, *names) == [5, 2, 2, 1, 2, 3]
    tap.release()


def test_maps_are_counted(dicts: Dicts, sandbox: Sandbox) -> None:
    asked = dicts.make(mailbox_refresh="1h", server_refresh="1h")
    assert asked.mailbox(SALES)
    status = asked.status()
    assert status["mailboxes"] == str(len(asked.mailboxes()))
    assert status["mailboxes_mode"] == "timed"
    assert int(status["mailboxes_age"]) < 3600
    # Nobody has asked for a server.
    assert status["servers"] == "-"
    assert asked.mailbox("Shared/none") is None
    assert asked.get("server", sandbox.server(2)) is None
    status = asked.status()
    assert int(status["servers"]) >= 3
    assert status["requests"] == "4"
    assert int(status["hits"]) + int(status["misses"]) == 4
    assert int(status["hits"]) >= 2


def test_stale_answers_are_counted(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1ms", timeout="500ms",
                       stale_time="1h")
    assert asked.home("bob")
    assert numbers(asked, "misses", "stale", "failures") == [1, 0, 0]
    tap.hold()
    assert asked.home("bob")
    assert asked.home("bob")
    assert asked.fails("home", "carol")
    assert numbers(asked, "misses", "stale", "failures") == [1, 2, 1]
    tap.release()


def test_state_when_nobody_can_be_asked(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri)
    assert asked.home("bob")
    assert asked.status()["state"] == "connected"
    tap.close()
    assert asked.fails("home", "carol")
    assert asked.status()["state"] == "failed"


def test_status_while_the_server_hangs(sandbox: Sandbox, dicts: Dicts) -> None:
    with sandbox.hung_ldap1():
        asked = dicts.make(timeout="30s", connect_timeout="30s")
        waiting = [asked.start("home", "bob"), asked.start("mailbox", SALES)]
        # It is there before them, which have half a minute.
        wait_for(lambda: asked.status()["requests"] == "2")
        status = asked.status()
        assert status["hits"] == status["misses"] == status["failures"] == "0"
        assert status["state"] == "connecting"
        assert asked.flush()
    for lookup in waiting:
        assert lookup.result()


def test_one_search_for_many_who_ask(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, timeout="30s", home_ttl="1h")
    assert asked.home("alice")
    tap.hold()
    lookups = [asked.start("home", "bob") for _ in range(10)]
    wait_for(lambda: asked.status()["requests"] == "11")
    tap.release()
    assert len({lookup.result() for lookup in lookups}) == 1
    assert tap.home_searches("bob") == 1
    assert numbers(asked, "searches", "misses") == [2, 11]


# --- flush

def test_flush_of_homes(sandbox: Sandbox, dicts: Dicts,
                        directory: Directory) -> None:
    asked = dicts.make(home_ttl="1h", home_negative_ttl="1h")
    directory.add_person("mover", mailHost="imap2.example.org")
    assert asked.home("mover") == "imap://imap2.example.org:10143/"
    assert asked.home("later") is None
    directory.set(directory.person("mover"), mailHost="imap3.example.org")
    directory.add_person("later", mailHost="imap3.example.org")
    assert asked.home("mover") == "imap://imap2.example.org:10143/"
    assert asked.home("later") is None
    assert asked.flush().split()[0] == "homes=2"
    assert asked.status()["homes"] == "0"
    for user in ("mover", "later"):
        assert asked.home(user) == "imap://imap3.example.org:10143/"
    assert asked.flush().split()[0] == "homes=2"
    assert asked.flush().split()[0] == "homes=0"


def test_flush_of_maps(sandbox: Sandbox, dicts: Dicts,
                       directory: Directory) -> None:
    asked = dicts.make(mailbox_refresh="1h", server_refresh="1h")
    assert asked.flush().split()[:3] == ["homes=0", "mailboxes=-",
                                         "servers=-"]
    assert asked.mailbox("Shared/flushed") is None
    assert asked.get("server", "flushed.example.org") is None
    directory.add_mailbox("Shared/flushed", mailHost="imap2.example.org")
    assert asked.mailbox("Shared/flushed") is None
    assert asked.flush().split()[:3] == ["homes=0", "mailboxes=reload",
                                         "servers=reload"]
    # Nobody gets the old ones any more.
    assert asked.mailbox("Shared/flushed")
    assert asked.get("server", "flushed.example.org") is None


def test_flush_while_the_server_hangs(dicts: Dicts, tap: LdapTap) -> None:
    """What was on its way is not kept."""
    asked = dicts.make(uris=tap.uri, timeout="30s", home_ttl="1h")
    assert asked.home("alice")
    tap.hold()
    before = asked.start("home", "bob")
    wait_for(lambda: tap.home_searches("bob") == 1)
    assert asked.flush().split()[0] == "homes=1"
    after = asked.start("home", "bob")
    wait_for(lambda: tap.home_searches("bob") == 2)
    tap.release()
    assert before.result() == after.result() == asked.home("bob")
    assert tap.home_searches("bob") == 2


def test_only_who_may_use_the_socket(sandbox: Sandbox,
                                     referral_dict: Dict) -> None:
    """As for all keys; the sandbox runs as root."""
    path = sandbox.env["DICT_SOCKET1"]
    assert referral_dict.flush()
    done = subprocess.run(
        [sys.executable, "-c", "import socket, sys\n"
         "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path],
        user="nobody", group="nogroup", extra_groups=[], cwd="/",
        stderr=subprocess.PIPE, text=True, check=False)
    assert "PermissionError" in done.stderr


def test_names_are_no_keys(dicts: Dicts, directory: Directory) -> None:
    """Users and mailboxes may be called like that."""
    directory.add_person("flush", mailHost="imap2.example.org")
    directory.add_mailbox("status", mailHost="imap2.example.org")
    asked = dicts.make(home_ttl="1h")
    assert asked.home("flush") == "imap://imap2.example.org:10143/"
    assert asked.mailbox("status") == "imap://imap2.example.org:10143/status"
    assert asked.status()["homes"] == "1"
