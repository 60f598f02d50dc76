"""ldap2 is a replica of ldap1, and live updates go on at it when ldap1 is
not there."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator

import ldap3
import pytest

from conftest import Dicts, Directory
from sandbox import Dict, Sandbox, wait_for
from taps import LdapTap

NAME = "Shared/replicated"
SYNC = b"1.3.6.1.4.1.4203.1.9.1.1"


def entries(sandbox: Sandbox, number: int) -> dict[str, list[object]]:
    """What the server has that was not made by itself; by DN."""
    env = sandbox.env
    with ldap3.Connection(
            ldap3.Server(env[f"LDAP{number}_URI"], get_info=ldap3.NONE),
            env["LDAP_ADMIN_DN"], env["LDAP_ADMIN_PASSWORD"],
            auto_bind=True) as connection:
        connection.search(env["LDAP_BASE"], "(objectClass=*)",
                          attributes=["*", "entryUUID", "entryCSN"])
        return {entry["dn"]: sorted(
                    (name.lower(), sorted(values))
                    for name, values in entry["raw_attributes"].items())
                for entry in connection.response}


def test_replica(sandbox: Sandbox, directory: Directory) -> None:
    assert entries(sandbox, 1) == entries(sandbox, 2)
    dn = directory.add_mailbox("replicated", labeledURI=f"imap://h1/{NAME}")
    wait_for(lambda: dn in entries(sandbox, 2))
    directory.set(dn, labeledURI=f"imap://h2/{NAME}")
    wait_for(lambda: entries(sandbox, 1) == entries(sandbox, 2))
    directory.delete(dn)
    wait_for(lambda: dn not in entries(sandbox, 2))


def test_replica_catches_up(sandbox: Sandbox, directory: Directory) -> None:
    """start returns when it has what ldap1 has."""
    gone = directory.add_mailbox("gone", labeledURI=f"imap://h1/{NAME}")
    sandbox.stop("ldap2")
    directory.delete(gone)
    dn = directory.add_mailbox("replicated", labeledURI=f"imap://h1/{NAME}")
    sandbox.start("ldap2")
    found = entries(sandbox, 2)
    assert dn in found and gone not in found
    assert found == entries(sandbox, 1)


def test_replica_is_not_written(sandbox: Sandbox) -> None:
    env = sandbox.env
    with ldap3.Connection(
            ldap3.Server(env["LDAP2_URI"], get_info=ldap3.NONE),
            env["LDAP_ADMIN_DN"], env["LDAP_ADMIN_PASSWORD"],
            auto_bind=True, auto_referrals=False) as connection:
        assert not connection.add(f"cn=x,ou=mailboxes,{env['LDAP_BASE']}",
                                  ["applicationProcess"])
        assert connection.result["description"] == "referral"


def _tap(sandbox: Sandbox, number: int) -> LdapTap:
    uri = urllib.parse.urlsplit(sandbox.env[f"LDAP{number}_URI"])
    assert uri.hostname and uri.port
    return LdapTap((uri.hostname, uri.port))


@pytest.fixture
def taps(sandbox: Sandbox) -> Iterator[list[LdapTap]]:
    made = [_tap(sandbox, 1), _tap(sandbox, 2)]
    yield made
    for tap in made:
        tap.close()


def make(dicts: Dicts, taps: list[LdapTap]) -> Dict:
    return dicts.make(live="maps", uris=" ".join(tap.uri for tap in taps),
                      mailbox_refresh="1h", server_refresh="1h")


def is_live(asked: Dict) -> bool:
    return asked.status()["mailboxes_mode"] == "live"


def has_cookie(search: bytes) -> bool:
    return not search.endswith(b"\x0a\x01\x03")


def test_live_goes_on_at_the_replica(
        dicts: Dicts, directory: Directory, taps: list[LdapTap]) -> None:
    """With everything from there: the cookie is for the server that it came
    from only. Nothing is refused or forgotten in between."""
    dn = directory.add_mailbox("replicated", labeledURI=f"imap://h1/{NAME}")
    asked = make(dicts, taps)
    wait_for(lambda: asked.mailbox(NAME) == f"imap://h1/{NAME}")
    assert is_live(asked)
    assert taps[0].searches(SYNC) and not taps[1].searches(SYNC)

    taps[0].close()
    wait_for(lambda: taps[1].searches(SYNC))
    # Whenever it is asked.
    for _ in range(3):
        assert asked.mailbox(NAME) == f"imap://h1/{NAME}"
        assert asked.mailbox("Shared/sales")
        assert asked.mailbox("Shared/local") is None
    wait_for(lambda: is_live(asked))
    assert not has_cookie(taps[1].searches(SYNC)[0])
    directory.set(dn, labeledURI=f"imap://h2/{NAME}")
    wait_for(lambda: asked.mailbox(NAME) == f"imap://h2/{NAME}")
    directory.delete(dn)
    wait_for(lambda: asked.mailbox(NAME) is None)


def test_killed_server(dicts: Dicts, sandbox: Sandbox, directory: Directory,
                       ldap1: Callable[[], None]) -> None:
    """ldap1 itself ends. What it had is still answered, by ldap2; and what it
    says when it is there again."""
    dn = directory.add_mailbox("replicated", labeledURI=f"imap://h1/{NAME}")
    env = sandbox.env
    asked = dicts.make(live="maps", mailbox_refresh="1h", server_refresh="1h",
                       uris=f"{env['LDAP1_URI']} {env['LDAP2_URI']}")
    assert asked.mailbox(NAME)
    wait_for(lambda: dn in entries(sandbox, 2))
    ldap1()
    for _ in range(5):
        assert asked.mailbox(NAME) == f"imap://h1/{NAME}"
        assert asked.mailbox("Shared/local") is None
    wait_for(lambda: is_live(asked)
             and asked.status()["server"] == env["LDAP2_URI"])
    sandbox.start("ldap1")
    directory.connect()
    directory.set(dn, labeledURI=f"imap://h2/{NAME}")
    wait_for(lambda: asked.mailbox(NAME) == f"imap://h2/{NAME}")
    wait_for(lambda: asked.status()["server"] == env["LDAP1_URI"])
    wait_for(lambda: is_live(asked))
    directory.delete(dn)
    wait_for(lambda: asked.mailbox(NAME) is None)
