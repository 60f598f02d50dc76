"""Live updates (RFC 4533): a change of the directory is seen at once, without
polling; and what happens when they do not work, or not any more."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configuration import Config
from conftest import Dicts, Directory
from sandbox import Dict, Log, Sandbox, wait_for
from taps import LdapTap

NAME = "Shared/live"
# Whatever is seen is not seen because of these.
NO_POLLING = {"mailbox_refresh": "1h", "server_refresh": "1h"}

SYNC = b"1.3.6.1.4.1.4203.1.9.1.1"


def has_cookie(search: bytes) -> bool:
    """Whether a live search goes on where another one has ended: its control
    is the last part of it, and ends with the mode if it has no cookie."""
    return not search.endswith(b"\x0a\x01\x03")


def make(dicts: Dicts, **settings: str | None) -> Dict:
    return dicts.make(**{"live": "maps", **NO_POLLING, **settings})


def seconds_until(condition: Callable[[], object]) -> float:
    begin = time.monotonic()
    wait_for(condition)
    return time.monotonic() - begin


def mode(asked: Dict, what: str = "mailboxes") -> str:
    """What the status says: live, timed, stale or -"""
    return asked.status()[f"{what}_mode"]


def is_live(asked: Dict) -> bool:
    return mode(asked) == "live"


# --- changes are seen

def test_mailbox_changes(dicts: Dicts, directory: Directory,
                         record_property: Callable[..., None]) -> None:
    """It comes, moves, gets another name, and goes. Asking needs a process
    each time: that is most of what is measured."""
    asked = make(dicts)
    assert asked.mailbox(NAME) is None
    assert is_live(asked)

    took = []
    dn = directory.add_mailbox("live", labeledURI=f"imap://h1/{NAME}")
    took.append(seconds_until(lambda: asked.mailbox(NAME)
                              == f"imap://h1/{NAME}"))
    assert asked.mailboxes()[NAME] == f"imap://h1/{NAME}"
    directory.set(dn, labeledURI=f"imap://h2/{NAME}")
    took.append(seconds_until(lambda: asked.mailbox(f"{NAME}/x")
                              == f"imap://h2/{NAME}/x"))
    directory.set(dn, labeledURI=f"imap://h2/{NAME}2")
    took.append(seconds_until(lambda: asked.mailbox(NAME) is None))
    assert asked.mailbox(f"{NAME}2") == f"imap://h2/{NAME}2"
    directory.delete(dn)
    took.append(seconds_until(lambda: asked.mailbox(f"{NAME}2") is None))
    record_property("seconds", took)


def test_entry_that_is_no_mailbox_any_more(
        dicts: Dicts, directory: Directory) -> None:
    """It is still there, but the filter does not find it any more."""
    dn = directory.add_mailbox("live", labeledURI=f"imap://h1/{NAME}")
    asked = make(dicts)
    assert asked.mailbox(NAME)
    directory.set(dn, objectClass=["applicationProcess"], labeledURI=[])
    wait_for(lambda: asked.mailbox(NAME) is None)


def test_one_of_several_entries(dicts: Dicts, directory: Directory) -> None:
    """Each of them names a place: what one says does not change the other."""
    directory.add_mailbox("live1", labeledURI=f"imap://h1/{NAME} 10")
    dn = directory.add_mailbox("live2", labeledURI=f"imap://h2/{NAME} 5")
    asked = make(dicts)
    assert asked.mailbox(NAME) == f"imap://h2/{NAME} imap://h1/{NAME}"
    directory.set(dn, labeledURI=f"imap://h1/{NAME} 5")
    # The same place twice is one.
    wait_for(lambda: asked.mailbox(NAME) == f"imap://h1/{NAME}")
    directory.delete(dn)
    directory.add_mailbox("live3", labeledURI=f"imap://h3/{NAME} 20")
    wait_for(lambda: asked.mailbox(NAME)
             == f"imap://h1/{NAME} imap://h3/{NAME}")


def test_server_changes(dicts: Dicts, directory: Directory,
                        sandbox: Sandbox,
                        record_property: Callable[..., None]) -> None:
    asked = make(dicts)
    server = sandbox.server(2)
    assert asked.get("server", server) is None
    assert mode(asked, "servers") == "live"
    directory.set_server_state(2, "drain", sandbox.server(3))
    record_property("seconds", seconds_until(
        lambda: asked.get("server", server)
        == f"drain imap://{sandbox.server(3)}/"))
    directory.set_server_state(2, "down")
    wait_for(lambda: asked.get("server", server) == "down")
    directory.set_server_state(2, "active")
    wait_for(lambda: asked.get("server", server) is None)


def test_sessions_see_it(sandbox: Sandbox, directory: Directory,
                         every_server: None,
                         record_property: Callable[..., None]) -> None:
    """IMAP processes that run on all servers, and keep what they are told for
    a second; and new logins."""
    sessions = [sandbox.session(user, number)
                for user, number in (("alice", 1), ("alice", 1), ("bob", 2),
                                     ("carol", 3))]
    try:
        for client in sessions:
            assert "REFERRAL" not in client.command(f"SELECT {NAME}").tagged
        directory.add_mailbox(
            "live", labeledURI=f"imap://imap9.example.org/{NAME}")
        record_property("seconds", seconds_until(lambda: all(
            "REFERRAL" in client.command(f"SELECT {NAME}").tagged
            for client in sessions)))
    finally:
        for client in sessions:
            client.close()


@pytest.fixture
def every_server(sandbox: Sandbox) -> Iterator[None]:
    """No server polls."""
    configs = [Config(sandbox, number) for number in (1, 2, 3)]
    try:
        for config in configs:
            config.edit(ldap={f"referral_ldap_{name}": value
                              for name, value in NO_POLLING.items()})
        yield
    finally:
        for config in configs:
            config.restore()


def test_nothing_is_polled(dicts: Dicts, directory: Directory,
                           tap: LdapTap) -> None:
    """One search for each map, and no other, though they could be loaded
    again each second."""
    asked = make(dicts, uris=tap.uri, mailbox_refresh="1s",
                 server_refresh="1s")
    assert asked.mailbox("Shared/sales")
    assert asked.get("server", "imap1:143") is None
    assert len(tap.searches(SYNC)) == 2
    time.sleep(2.5)
    directory.add_mailbox("live", labeledURI=f"imap://h1/{NAME}")
    wait_for(lambda: asked.mailbox(NAME))
    assert len(tap.searches()) == 2
    assert not tap.loads()


# --- interruptions

def test_disconnect(dicts: Dicts, directory: Directory,
                    tap: LdapTap) -> None:
    """What has changed meanwhile comes afterwards, and nothing else."""
    gone = directory.add_mailbox("live1", labeledURI=f"imap://h1/{NAME}1")
    moved = directory.add_mailbox("live2", labeledURI=f"imap://h1/{NAME}2")
    # So many that changes are few.
    for number in range(20):
        directory.add_mailbox(f"more{number}",
                              labeledURI=f"imap://h1/{NAME}/{number}")
    asked = make(dicts, uris=tap.uri)
    assert asked.mailbox(f"{NAME}1")
    searches = len(tap.searches(SYNC))

    tap.hold()
    tap.cut()
    directory.delete(gone)
    directory.set(moved, labeledURI=f"imap://h2/{NAME}2")
    directory.add_mailbox("live3", labeledURI=f"imap://h3/{NAME}3")
    tap.release()
    wait_for(lambda: asked.mailbox(f"{NAME}3") == f"imap://h3/{NAME}3")
    assert asked.mailbox(f"{NAME}2") == f"imap://h2/{NAME}2"
    assert asked.mailbox(f"{NAME}1") is None
    assert asked.mailbox(f"{NAME}/7") == f"imap://h1/{NAME}/7"
    again = tap.searches(SYNC)[searches:]
    assert again and all(has_cookie(search) for search in again)


def test_restart(dicts: Dicts, directory: Directory, sandbox: Sandbox,
                 log: Log) -> None:
    """slapd does not remember then what was deleted, and says instead what is
    still there."""
    directory.add_mailbox("live1", labeledURI=f"imap://h1/{NAME}1")
    asked = make(dicts)
    assert asked.mailbox(f"{NAME}1")
    for _ in range(2):
        sandbox.restart("ldap1")
        wait_for(lambda: not asked.fails("mailbox", NAME) and is_live(asked))
        assert asked.mailbox(f"{NAME}1") == f"imap://h1/{NAME}1"
    directory.connect()
    directory.add_mailbox("live2", labeledURI=f"imap://h2/{NAME}2")
    wait_for(lambda: asked.mailbox(f"{NAME}2"))
    directory.delete(directory.mailbox("live1"))
    wait_for(lambda: asked.mailbox(f"{NAME}1") is None)
    assert not log.lines("Error: ", "garbage")
    sandbox.wait_until_asked_again()


def slapd_conf(sandbox: Sandbox, change: Callable[[str], str]) -> None:
    """Restart ldap1 with another configuration."""
    path = Path(sandbox.env["LDAP1_CONF"])
    sandbox.stop("ldap1")
    path.write_text(change(path.read_text()))
    sandbox.start("ldap1")


@pytest.fixture
def change_slapd(sandbox: Sandbox, directory: Directory
                 ) -> Iterator[Callable[[Callable[[str], str]], None]]:
    def change_it(change: Callable[[str], str]) -> None:
        slapd_conf(sandbox, change)
        directory.connect()

    before = Path(sandbox.env["LDAP1_CONF"]).read_text()
    yield change_it
    change_it(lambda _: before)
    sandbox.wait_until_asked_again()


def without_syncprov(conf: str) -> str:
    changed, count = re.subn(r"(?m)^(overlay )?syncprov.*\n", "", conf)
    assert count >= 3
    return changed


def with_size_limit(conf: str) -> str:
    """As slapd's default is, only smaller: paged searches may find more."""
    changed, count = re.subn(r"size\.soft=\d+ size\.hard=\d+",
                             "size.soft=2 size.hard=2", conf)
    assert count == 1
    return changed


@pytest.mark.parametrize("change, remedy", [
    pytest.param(without_syncprov, "overlay syncprov", id="no overlay"),
    pytest.param(with_size_limit, "size limit", id="size limit"),
])
def test_timed_instead(dicts: Dicts, directory: Directory, sandbox: Sandbox,
                       log: Log, tap: LdapTap,
                       change: Callable[[str], str], remedy: str,
                       change_slapd: Callable[..., None]) -> None:
    """Maps are loaded again and again then, which is said once, with what the
    administrator can do; and when that is done they are live again."""
    change_slapd(change)
    for number in range(3):
        directory.add_mailbox(f"live{number}",
                              labeledURI=f"imap://h1/{NAME}{number}")
    asked = make(dicts, uris=tap.uri, mailbox_refresh="1s")
    assert asked.mailbox(f"{NAME}1") == f"imap://h1/{NAME}1"
    assert mode(asked) == "timed"
    line = log.wait("No live updates of the mailboxes", tap.uri, remedy)
    assert "Info: " in line
    directory.add_mailbox("live", labeledURI=f"imap://h2/{NAME}")
    wait_for(lambda: asked.mailbox(NAME) == f"imap://h2/{NAME}")
    # Live is tried again and again in the meantime.
    time.sleep(2)
    assert len(log.lines("No live updates of the mailboxes", tap.uri)) == 1
    assert not log.lines("Loading the mailboxes failed", tap.uri)

    before = Path(sandbox.env["LDAP1_CONF"]).read_text()
    restored = before.replace("size.soft=2 size.hard=2",
                              "size.soft=500 size.hard=500")
    if "overlay syncprov" not in restored:
        restored = restored.replace(
            "# Sends changes", "overlay syncprov\nsyncprov-sessionlog 100\n"
            "# Sends changes")
    change_slapd(lambda _: restored)
    wait_for(lambda: is_live(asked))
    log.wait("Live updates of the mailboxes work again")


def test_directory_set_up_anew(dicts: Dicts, directory: Directory,
                               sandbox: Sandbox) -> None:
    """The server does not know the cookie: nothing that was there before is
    taken to be there now."""
    directory.add_mailbox("live", labeledURI=f"imap://h1/{NAME}")
    asked = make(dicts)
    assert asked.mailbox(NAME)
    sandbox.stop("ldap1", "ldap2")
    for name in ("1", "2"):
        folder = Path(sandbox.env[f"LDAP{name}_CONF"]).parent
        (folder / "database-filled").unlink()
    sandbox.start("ldap1", "ldap2")
    directory.connect()
    wait_for(lambda: not asked.fails("mailbox", NAME) and is_live(asked))
    assert asked.mailbox(NAME) is None
    assert asked.mailbox("Shared/sales")
    directory.add_mailbox("live2", labeledURI=f"imap://h1/{NAME}2")
    wait_for(lambda: asked.mailbox(f"{NAME}2"))


# --- nobody can be asked

def test_stopped_server(dicts: Dicts, sandbox: Sandbox,
                        ldap1: Callable[[], None]) -> None:
    """A map that cannot be known to be right any more is none."""
    asked = make(dicts)
    assert asked.mailbox("Shared/sales")
    ldap1()
    wait_for(lambda: asked.fails("mailbox", "Shared/sales"))
    assert asked.fails("mailbox", "Shared/local")
    sandbox.start("ldap1")
    wait_for(lambda: not asked.fails("mailbox", "Shared/sales"))
    wait_for(lambda: is_live(asked))


@pytest.mark.parametrize("live", ["no", "maps"])
def test_stale_map(dicts: Dicts, sandbox: Sandbox, directory: Directory,
                   log: Log, live: str, tap: LdapTap,
                   ldap1: Callable[[], None]) -> None:
    asked = make(dicts, uris=tap.uri, live=live, stale_time="1h",
                 mailbox_refresh="1s", server_refresh="1s")
    server = sandbox.server(1)
    assert asked.mailbox("Shared/sales")
    assert asked.get("server", server) is None
    ldap1()
    wait_for(lambda: mode(asked) == "stale")
    for _ in range(3):
        assert asked.mailbox("Shared/sales")
        assert asked.mailbox("Shared/local") is None
        assert asked.mailboxes()
        assert asked.get("server", server) is None
    assert len(log.lines("Warning: ", "giving stale answers", "mailboxes",
                         tap.uri)) == 1
    sandbox.start("ldap1")
    directory.connect()
    wait_for(lambda: mode(asked) != "stale")
    log.wait("Info: ", "mailboxes: no more stale answers")
    directory.add_mailbox("live", labeledURI=f"imap://h1/{NAME}")
    wait_for(lambda: asked.mailbox(NAME))


def test_stale_map_for_a_time(dicts: Dicts, ldap1: Callable[[], None]
                              ) -> None:
    asked = make(dicts, stale_time="10s")
    assert asked.mailbox("Shared/sales")
    ldap1()
    wait_for(lambda: mode(asked) == "stale")
    assert asked.mailbox("Shared/sales")
    assert int(asked.status()["stale"]) >= 1
    wait_for(lambda: asked.fails("mailbox", "Shared/sales"))
    assert asked.fails("mailbox", "Shared/local")
