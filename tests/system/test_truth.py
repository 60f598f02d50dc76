"""Not found and cannot ask never mix. What was true once is answered only
while nobody can be asked, for a while, and the log says so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import dovecot
from configuration import Config
from conftest import Dicts, Directory
from sandbox import Dict, Log, Sandbox, wait_for
from taps import LdapTap

GIVING = "giving stale answers"
NO_MORE = "no more stale answers"


def expire() -> None:
    """Until homes with a TTL of 1 ms have expired."""
    time.sleep(0.1)


def test_stale_homes_while_ldap_is_down(
        sandbox: Sandbox, dicts: Dicts, ldap1: Callable[[], None],
        log: Log) -> None:
    asked = dicts.make(home_ttl="1ms", home_negative_ttl="1ms",
                       stale_time="1h")
    bob = f"imap://{sandbox.server(2)}/"
    assert asked.home("bob") == bob
    assert asked.home("nobody") is None
    expire()
    ldap1()
    for _ in range(3):
        assert asked.home("bob") == bob
        assert asked.home("nobody") is None
        # Not known, so this is not "not found".
        assert asked.fails("home", "carol")
        assert asked.fails("home", "unknown")
    assert len(log.lines(GIVING, "homes")) == 1
    assert not log.lines(NO_MORE)

    sandbox.start("ldap1")
    wait_for(lambda: not asked.fails("home", "carol"))
    log.wait(NO_MORE, "homes")
    assert asked.home("unknown") is None
    assert asked.home("bob") == bob
    assert len(log.lines(GIVING, "homes")) == 1
    assert len(log.lines(NO_MORE, "homes")) == 1


def test_stale_homes_while_ldap_hangs(dicts: Dicts, tap: LdapTap,
                                      log: Log) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1ms", stale_time="1h",
                       timeout="500ms")
    bob = asked.home("bob")
    assert bob
    tap.hold()
    for _ in range(3):
        assert asked.home("bob") == bob
    assert asked.fails("home", "carol")
    tap.release()
    wait_for(lambda: not asked.fails("home", "carol"))
    log.wait(NO_MORE, "homes")


def test_new_answers_as_soon_as_ldap_is_back(
        sandbox: Sandbox, dicts: Dicts, tap: LdapTap,
        directory: Directory) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1ms", home_negative_ttl="1ms",
                       stale_time="1h", timeout="500ms")
    directory.add_person("mover", mailHost="imap2.example.org")
    old = asked.home("mover")
    assert asked.home("later") is None
    expire()
    tap.hold()
    directory.set(directory.person("mover"), mailHost="imap3.example.org")
    directory.add_person("later", mailHost="imap2.example.org")
    assert asked.home("mover") == old
    assert asked.home("later") is None
    tap.release()
    wait_for(lambda: asked.home("mover")
             == "imap://imap3.example.org:10143/")
    assert asked.home("later") == "imap://imap2.example.org:10143/"


def test_stale_time_ends(dicts: Dicts, ldap1: Callable[[], None]) -> None:
    asked = dicts.make(home_ttl="1ms", stale_time="10s")
    assert asked.home("bob")
    ldap1()
    assert asked.home("bob")
    assert asked.status()["stale"] == "1"
    wait_for(lambda: asked.fails("home", "bob"))
    # It does not come back.
    for _ in range(3):
        assert asked.fails("home", "bob")


def test_no_stale_answers(dicts: Dicts, ldap1: Callable[[], None],
                          log: Log) -> None:
    asked = dicts.make(home_ttl="1ms", home_negative_ttl="1ms",
                       stale_time="0")
    assert asked.home("bob")
    assert asked.home("nobody") is None
    ldap1()
    assert asked.fails("home", "bob")
    assert asked.fails("home", "nobody")
    assert not log.lines(GIVING)


def test_valid_answers_are_not_stale(dicts: Dicts, log: Log,
                                     ldap1: Callable[[], None]) -> None:
    """Those within their TTL, that is."""
    asked = dicts.make(home_ttl="1h", stale_time="1h")
    assert asked.home("bob")
    ldap1()
    assert asked.home("bob")
    assert asked.status()["stale"] == "0"
    assert not log.lines(GIVING)


def _no(directory: Directory, reason: str) -> None:
    """The directory says no more where "mover" is."""
    dn = directory.person("mover")
    if reason == "broken value":
        directory.set(dn, mailHost="h_1")
    elif reason == "two entries":
        directory.add(f"uid=mover,ou=mailboxes,{directory.base}",
                      ["inetOrgPerson", "inetLocalMailRecipient"],
                      {"uid": "mover", "cn": "x", "sn": "x",
                       "mailHost": "imap3.example.org"})
    elif reason == "deleted":
        directory.delete(dn)


@pytest.mark.parametrize("reason", ["broken value", "two entries", "deleted"])
def test_what_the_directory_says_is_never_stale(
        dicts: Dicts, directory: Directory, tap: LdapTap,
        reason: str) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1ms", home_negative_ttl="1ms",
                       stale_time="1h", timeout="500ms")
    directory.add_person("mover", mailHost="imap2.example.org")
    assert asked.home("mover") == "imap://imap2.example.org:10143/"
    _no(directory, reason)
    expire()
    if reason == "deleted":
        assert asked.home("mover") is None
    else:
        assert asked.fails("home", "mover")
    expire()
    # From now on there is no older answer either.
    tap.hold()
    if reason == "deleted":
        assert asked.home("mover") is None
    else:
        assert asked.fails("home", "mover")
    tap.release()


def test_a_refusal_is_never_stale(dicts: Dicts, directory: Directory,
                                  log: Log) -> None:
    """The server says that there is no such base."""
    base = directory.add(f"ou=moved,{directory.base}", ["organizationalUnit"],
                         {"ou": "moved"})
    person = directory.add(f"uid=mover,{base}",
                           ["inetOrgPerson", "inetLocalMailRecipient"],
                           {"uid": "mover", "cn": "x", "sn": "x",
                            "mailHost": "imap2.example.org"})
    asked = dicts.make(home_base=base, home_ttl="1ms", stale_time="1h")
    assert asked.home("mover") == "imap://imap2.example.org:10143/"
    directory.delete(person)
    directory.delete(base)
    expire()
    for _ in range(3):
        assert "o such object" in (asked.fails("home", "mover") or "")
    assert asked.status()["stale"] == "0"
    assert not log.lines(GIVING)


def test_login_while_ldap_is_down(sandbox: Sandbox, config: Config,
                                  ldap1: Callable[[], None]) -> None:
    """With what is known the right people are let in, and the others sent
    away; whoever is not known gets neither."""
    config.edit(ldap={"referral_ldap_stale_time": "1h"})
    asked = Dict(sandbox)
    for user in ("alice", "bob"):
        assert asked.home(user)
    assert sandbox.login("alice").status == "OK"
    time.sleep(1.5)  # their TTL
    ldap1()
    wait_for(lambda: asked.fails("home", "carol"))
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
    referral = sandbox.login("bob").referral
    assert referral and referral.endswith(f"@{sandbox.server(2)}/")
    assert sandbox.login("alice").status == "OK"
    assert dovecot.says_unavailable("PLAIN", sandbox.login("carol"))
