"""Servers that the directory takes out of service, and what else our schema
has, asked through doveadm."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable
from pathlib import Path

import ldap3
import pytest

from conftest import Dicts, Directory
from sandbox import Dict, Log, Sandbox, wait_for
from taps import LdapTap

# In the values of successors; others have the sandbox's port.
IMAP2 = "imap2.example.org:143"
IMAP3 = "imap3.example.org:143"


def add_server(directory: Directory, names: str | list[str],
               **attributes: str | list[str]) -> str:
    """An entry of its own, with these names."""
    names = [names] if isinstance(names, str) else names
    return directory.add(directory.server(names[0]),
                         ["applicationProcess", "imapServer"],
                         {"cn": names, **attributes})


# --- the sandbox's servers

def test_in_service(sandbox: Sandbox, referral_dict: Dict) -> None:
    for number in (1, 2, 3):
        assert referral_dict.get("server", sandbox.server(number)) is None
        assert referral_dict.get("server", f"imap{number}") is None
    assert referral_dict.get("server", "nowhere.example.org:993") is None


@pytest.mark.parametrize("state", ["drain", "down", "DRAIN"])
def test_an_administrators_change(sandbox: Sandbox, referral_dict: Dict,
                                  directory: Directory, state: str) -> None:
    directory.set_server_state(2, state, sandbox.server(3))
    wanted = f"{state.lower()} imap://{sandbox.server(3)}/"
    wait_for(lambda: referral_dict.get("server", sandbox.server(2))
             == wanted)
    # By all of its names, and at any port.
    host = sandbox.address(2)[0]
    for name in ("imap2", "IMAP2:993", host, f"{host}:993"):
        assert referral_dict.get("server", name) == wanted
    for number in (1, 3):
        assert referral_dict.get("server", sandbox.server(number)) is None
    # Set back, by another state or by none.
    directory.set_server_state(2, "active", sandbox.server(3))
    wait_for(lambda: referral_dict.get("server", "imap2") is None)
    directory.set_server_state(2, state)
    wait_for(lambda: referral_dict.get("server", "imap2") == state.lower())
    directory.set(directory.server("imap2"), imapServerState=[])
    wait_for(lambda: referral_dict.get("server", "imap2") is None)


def test_every_server_knows(sandbox: Sandbox, directory: Directory) -> None:
    directory.set_server_state(1, "down", sandbox.server(2))
    for number in (1, 2, 3):
        asked = Dict(sandbox, number=number)
        wait_for(lambda: asked.get("server", sandbox.server(1))
                 == f"down imap://{sandbox.server(2)}/")


# --- names, successors, states

def test_successors_by_preference(dicts: Dicts, directory: Directory) -> None:
    add_server(directory, "test", imapServerState="drain",
               imapHomeServer=[f"{IMAP3} 20", f"{IMAP2} 10",
                               "imap://[2001:DB8::1]:1143/ 30",
                               "imap9.example.org"])
    assert dicts.make().get("server", "test") == \
        "drain imap://imap9.example.org:10143/ imap://imap2.example.org/ " \
        "imap://imap3.example.org/ imap://[2001:db8::1]:1143/"


def test_ports(dicts: Dicts, directory: Directory) -> None:
    add_server(directory, ["test", "two.example.org:10143", "[2001:DB8::1]"],
               imapServerState="down")
    asked = dicts.make()
    for name in ("test", "test:143", "Test.:1", "two.example.org:10143",
                 "[2001:db8::1]:993", "2001:db8:0::1"):
        assert asked.get("server", name) == "down", name
    for name in ("two.example.org", "two.example.org:143", "test.example.org",
                 "[2001:db8::2]"):
        assert asked.get("server", name) is None, name


def test_the_worse_of_two_entries(dicts: Dicts, directory: Directory) -> None:
    add_server(directory, ["one", "test"], imapServerState="drain",
               imapHomeServer=IMAP3)
    add_server(directory, ["two", "test"], imapServerState="down",
               imapHomeServer=IMAP2)
    add_server(directory, ["three", "test"], imapServerState="active")
    asked = dicts.make()
    assert asked.get("server", "test") == "down imap://imap2.example.org/"
    assert asked.get("server", "one") == "drain imap://imap3.example.org/"
    assert asked.get("server", "three") is None


def most_by_one_process(lines: list[str]) -> int:
    """How many of the lines a single dict process has logged: there may be
    an older one that has yet to end."""
    pids = collections.Counter(
        found[1] for line in lines
        if (found := re.search(r" dict[^ (]*\((\d+)\)", line)))
    assert pids, lines
    return max(pids.values())


def test_unknown_state(sandbox: Sandbox, dicts: Dicts, directory: Directory,
                       log: Log, tap: LdapTap) -> None:
    # The dict of the sandbox logs it, too, once a client connects.
    sandbox.end_dict()
    dn = add_server(directory, "test", imapServerState="drained",
                    imapHomeServer=IMAP2)
    asked = dicts.make(uris=tap.uri, server_refresh="1s")
    assert asked.fails("server", "test")
    assert asked.get("server", "imap1") is None
    # Once, not at each refresh.
    seen = len(tap.loads())
    wait_for(lambda: len(tap.loads()) > seen + 3)
    lines = log.lines(dn)
    assert 1 <= most_by_one_process(lines) <= 2
    assert all("imapServerState='drained'" in line and "drain or down" in line
               for line in lines)


def test_bad_values_are_skipped(sandbox: Sandbox, dicts: Dicts,
                                directory: Directory, log: Log) -> None:
    sandbox.end_dict()
    bad = ["not$a$host", "imap://bad.example.org]/", "bad.example.org:0",
           "bad.example.org\r\n* BYE injected"]
    dn = add_server(directory, ["test", "The old one", "10.1"],
                    imapServerState="drain", imapHomeServer=[*bad, IMAP2])
    asked = dicts.make()
    assert asked.get("server", "test") == "drain imap://imap2.example.org/"
    for what, count in (("imapHomeServer=", len(bad)), ("cn=", 2)):
        lines = log.lines(dn, f"Skipping {what}")
        assert len({line.partition(what)[2] for line in lines}) == count
        # Once by each of the dicts that have been asked.
        assert most_by_one_process(lines) <= 2 * count
    assert not [line for line in log.text().splitlines()
                if line.startswith("* BYE")]


def test_settings_of_servers(sandbox: Sandbox, dicts: Dicts,
                             directory: Directory) -> None:
    """A directory without our schema, but with attributes for all of it."""
    base = f"ou=mailboxes,{sandbox.env['LDAP_BASE']}"
    directory.add(f"cn=test,{base}", ["device"],
                  {"cn": "test", "serialNumber": "old.example.org",
                   "description": "drain", "l": IMAP2})
    settings = {"server_filter": "(objectClass=device)",
                "server_name_attribute": "serialNumber",
                "server_state_attribute": "description",
                "server_home_attribute": "l"}
    found = "drain imap://imap2.example.org/"
    for where, scope, wanted in ((base, "onelevel", found),
                                 (base, "base", None),
                                 (directory.server("imap1"), "subtree", None),
                                 (None, None, found)):
        asked = dicts.make(server_base=where, server_scope=scope, **settings)
        assert asked.get("server", "old.example.org") == wanted
        assert asked.get("server", "test") is None


# --- loading

def test_schema_is_not_there(dicts: Dicts, log: Log) -> None:
    """As in a directory that has never heard of us: no servers, no failure."""
    asked = dicts.make(server_filter="(objectClass=imapServerOfNobody)",
                       server_state_attribute="noSuchState",
                       home_login_attribute="noSuchLogin")
    assert asked.get("server", "imap1") is None
    assert asked.home("bob")
    assert not log.lines("rror:", "servers")


def test_more_than_the_servers_size_limit(dicts: Dicts,
                                          directory: Directory) -> None:
    for number in range(600):
        add_server(directory, f"many{number}", imapServerState="down")
    asked = dicts.make()
    for number in (0, 250, 599):
        assert asked.get("server", f"many{number}") == "down"


def test_loads_are_paged(dicts: Dicts, directory: Directory, tap: LdapTap,
                         log: Log) -> None:
    """Those of servers and of mailboxes, at the same time: slapd keeps one
    cookie for each connection."""
    for number in range(20):
        add_server(directory, f"many{number}", imapServerState="down")
        directory.add_mailbox(f"Shared/many{number}", mailHost=IMAP2)
    asked = dicts.make(uris=tap.uri, mailbox_page_size="1", timeout="10s",
                       server_refresh="1s", mailbox_refresh="1s")
    lookups = [(asked.start("server", f"many{number}"),
                asked.start("mailbox", f"Shared/many{number}"))
               for number in (0, 19)]
    for number, (server, mailbox) in zip((0, 19), lookups):
        assert server.result() == "down"
        assert mailbox.result() == \
            f"imap://imap2.example.org/Shared/many{number}"
    wait_for(lambda: len(tap.searches(b"imapServerState")) > 60)
    assert not log.lines("Loading the")


def test_limit(dicts: Dicts, directory: Directory, log: Log) -> None:
    names = [f"many{number}" for number in range(20)]
    add_server(directory, names, imapServerState="down")
    # With the sandbox's own, by name and by address.
    assert dicts.make(server_limit="26").get("server", "many0") == "down"
    asked = dicts.make(server_limit="25")
    # A part of them is no answer.
    for name in ("many0", "nowhere.example.org"):
        assert asked.fails("server", name)
    log.wait("referral_ldap_server_limit")


def test_nothing_is_loaded_before_somebody_asks(dicts: Dicts,
                                                tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, server_refresh="1h")
    assert asked.home("bob") and asked.mailbox("Shared/sales")
    assert not tap.searches(b"imapServerState")
    assert asked.get("server", "imap1") is None
    assert asked.get("server", "imap2") is None
    assert len(tap.searches(b"imapServerState")) == 1


def test_directory_is_down(sandbox: Sandbox, referral_dict: Dict,
                           ldap1: Callable[[], None]) -> None:
    assert referral_dict.get("server", "imap1") is None
    ldap1()
    # Whether it is in service cannot be said.
    wait_for(lambda: referral_dict.fails("server", "imap1"))
    sandbox.start("ldap1")
    wait_for(lambda: not referral_dict.fails("server", "imap1"))
    assert referral_dict.get("server", "imap1") is None


def test_first_request_waits_for_the_load(dicts: Dicts, tap: LdapTap,
                                          directory: Directory) -> None:
    add_server(directory, "test", imapServerState="down")
    asked = dicts.make(uris=tap.uri, timeout="30s")
    tap.hold()
    lookup = asked.start("server", "test")
    wait_for(lambda: tap.binds)
    tap.release()
    assert lookup.result() == "down"


def test_deadline(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, timeout="300ms")
    tap.hold()
    assert asked.fails("server", "imap1")
    tap.release()
    wait_for(lambda: not asked.fails("server", "imap1"))


def test_maps_fail_by_themselves(sandbox: Sandbox, dicts: Dicts,
                                 log: Log) -> None:
    nowhere = f"ou=nowhere,{sandbox.env['LDAP_BASE']}"
    asked = dicts.make(server_base=nowhere)
    assert asked.fails("server", "imap1")
    log.wait("Loading the servers failed")
    assert asked.mailbox("Shared/sales") and asked.home("bob")
    asked = dicts.make(mailbox_base=nowhere)
    assert asked.fails("mailbox", "Shared/sales")
    assert asked.get("server", "imap1") is None and asked.home("bob")


# --- the rest of the schema

def add_user(directory: Directory, **attributes: str | list[str]) -> str:
    return directory.add(directory.person("test"),
                         ["inetOrgPerson", "inetLocalMailRecipient",
                          "imapReferralUser"],
                         {"cn": "x", "sn": "x", **attributes})


@pytest.mark.parametrize("word, before", [
    ("offer", "offer "), ("Refer", "refer "), (None, "")])
def test_how_a_login_is_answered(dicts: Dicts, tap: LdapTap,
                                 directory: Directory, word: str | None,
                                 before: str) -> None:
    add_user(directory, mailHost=IMAP2,
             **({"imapLoginReferral": word} if word else {}))
    asked = dicts.make(uris=tap.uri, home_ttl="1h")
    for _ in range(2):
        assert asked.home("test") == f"{before}imap://imap2.example.org/"
    # One search for both attributes, and both are cached.
    assert tap.home_searches("test") == 1


def test_unknown_answer_to_logins(sandbox: Sandbox, dicts: Dicts,
                                  directory: Directory, log: Log) -> None:
    sandbox.end_dict()
    dn = add_user(directory, mailHost=IMAP2, imapLoginReferral="proxy")
    asked = dicts.make(home_ttl="0s")
    for _ in range(3):
        assert asked.home("test") == "imap://imap2.example.org/"
    line, = log.lines(dn)
    assert "imapLoginReferral='proxy'" in line and "refer or offer" in line


def test_answer_to_logins_without_a_home(dicts: Dicts,
                                         directory: Directory) -> None:
    add_user(directory, imapLoginReferral="offer")
    assert dicts.make().home("test") is None


def test_answer_to_logins_by_another_attribute(
        dicts: Dicts, directory: Directory) -> None:
    add_user(directory, mailHost=IMAP2, employeeType="offer")
    asked = dicts.make(home_login_attribute="employeeType")
    assert asked.home("test") == "offer imap://imap2.example.org/"


def test_home_by_our_attribute(dicts: Dicts, directory: Directory) -> None:
    add_user(directory, imapHomeServer=[f"{IMAP3} 20", f"{IMAP2} 10"])
    asked = dicts.make(home_attribute="imapHomeServer")
    assert asked.home("test") == \
        "imap://imap2.example.org/ imap://imap3.example.org/"


def test_mailboxes_by_our_schema(sandbox: Sandbox, dicts: Dicts,
                                 directory: Directory) -> None:
    base = f"ou=mailboxes,{sandbox.env['LDAP_BASE']}"
    classes = ["applicationProcess", "imapSharedMailbox"]
    directory.add(f"cn=test1,{base}", classes,
                  {"imapMailboxName": "Shared/Büro", "imapHomeServer": IMAP2})
    directory.add(f"cn=test2,{base}", classes, {
        "imapMailboxName": "Shared/team",
        "imapMailboxURI": "imap://imap3.example.org/Shared/team",
        "imapMailboxReader": directory.person("alice")})
    asked = dicts.make(mailbox_filter="(objectClass=imapSharedMailbox)",
                       mailbox_uri_attribute="imapMailboxURI",
                       mailbox_host_attribute="imapHomeServer",
                       mailbox_name_attribute="imapMailboxName")
    assert asked.mailboxes() == {
        "Shared/Büro": "imap://imap2.example.org/Shared/B%C3%BCro",
        "Shared/team": "imap://imap3.example.org/Shared/team"}


def test_the_directory_refuses_what_makes_no_sense(
        sandbox: Sandbox, directory: Directory) -> None:
    refused = ldap3.core.exceptions.LDAPOperationResult
    with pytest.raises(refused):
        add_server(directory, "test", imapServerState=["drain", "down"])
    with pytest.raises(refused):
        add_user(directory, imapLoginReferral=["refer", "offer"])
    with pytest.raises(refused):
        directory.add(f"cn=test,ou=mailboxes,{sandbox.env['LDAP_BASE']}",
                      ["applicationProcess", "imapSharedMailbox"],
                      {"imapHomeServer": IMAP2})
    # No class for it.
    with pytest.raises(refused):
        directory.add_person("test", imapHomeServer=IMAP2)
