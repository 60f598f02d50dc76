"""Shared mailboxes that exist for their readers only."""

from __future__ import annotations

import re

import ldap3
import pytest

from conftest import Config, Dicts, Directory
from sandbox import Dict, DictFailure, Sandbox, wait_for
from taps import LdapTap

GROUP_SEARCH = b"memberUid"


def add_mailbox(directory: Directory, name: str, *readers: str,
                host: str = "imap2.example.org") -> str:
    classes = ["applicationProcess", "imapSharedMailbox"]
    attributes: dict[str, str | list[str]] = {
        "cn": name.replace("/", "-"), "imapMailboxName": name,
        "imapMailboxURI": f"imap://{host}/{name}"}
    if readers:
        attributes["imapMailboxReader"] = list(readers)
    return directory.add(directory.mailbox(name.replace("/", "-")), classes,
                         attributes)


def add_group(directory: Directory, name: str, object_class: str,
              **attributes: str | list[str]) -> str:
    base = directory.person("x").partition(",")[2]
    return directory.add(f"cn={ldap3.utils.dn.escape_rdn(name)},{base}",
                         [object_class], {"cn": name, **attributes})


# What makes the tests' dicts find these, and nothing else.
NATIVE = {"preset": "native", "readers": "yes", "default_port": "143"}


@pytest.fixture
def groups(directory: Directory) -> dict[str, str]:
    """One of each kind, with alice in it, and one without her."""
    alice, bob = directory.person("alice"), directory.person("bob")
    return {
        "names": add_group(directory, "names", "groupOfNames",
                           member=[alice, bob]),
        "unique": add_group(directory, "unique", "groupOfUniqueNames",
                            uniqueMember=alice),
        "posix": add_group(directory, "posix", "posixGroup",
                           gidNumber="5000", memberUid="alice"),
        "others": add_group(directory, "others", "groupOfNames", member=bob),
        # The way to write a group of nobody.
        "empty": add_group(directory, "empty", "groupOfNames", member=""),
    }


@pytest.fixture
def mailboxes(directory: Directory, groups: dict[str, str]) -> set[str]:
    """One for each way to name a reader. Returns those that alice may see."""
    visible = {"all": (), "alice": (directory.person("alice"),),
               "spelled": (directory.person("alice").upper(),),
               **{kind: (groups[kind],)
                  for kind in ("names", "unique", "posix")}}
    hidden = {"bob": (directory.person("bob"),),
              "others": (groups["others"],), "empty": (groups["empty"],),
              "nobody": (f"cn=nobody,{directory.person('x')}",)}
    for name, readers in {**visible, **hidden}.items():
        add_mailbox(directory, f"Shared/{name}", *readers)
    return {f"Shared/{name}" for name in visible}


def test_users_and_groups(dicts: Dicts, mailboxes: set[str]) -> None:
    asked = dicts.make(**NATIVE)
    rows = asked.mailboxes("alice")
    assert set(rows) == mailboxes
    for name in mailboxes:
        location = f"imap://imap2.example.org/{name}"
        assert rows[name] == location
        assert asked.mailbox(name) == location
        assert asked.mailbox(f"{name}/x/y") == f"{location}/x/y"
    for name in ("bob", "others", "empty", "nobody"):
        assert asked.mailbox(f"Shared/{name}") is None
        assert asked.mailbox(f"Shared/{name}/x") is None
    assert set(asked.mailboxes("bob")) == {
        f"Shared/{name}" for name in ("all", "bob", "names", "others")}
    # No person of the directory.
    assert set(asked.mailboxes("eve")) == {"Shared/all"}
    assert asked.mailbox("Shared/alice", "eve") is None


def test_all_see_all_unless_that_is_set(dicts: Dicts,
                                        mailboxes: set[str]) -> None:
    asked = dicts.make(**{**NATIVE, "readers": None})
    assert mailboxes < set(asked.mailboxes("eve"))
    assert asked.mailbox("Shared/bob", "alice")


def test_names_of_users_and_anyone(dicts: Dicts,
                                   directory: Directory) -> None:
    """In an attribute that may hold anything, or of a group that is a mailbox
    itself."""
    def add(name: str, *readers: str) -> None:
        dn = directory.add_mailbox(name, labeledURI=f"imap://a/{name}")
        directory.set(dn, description=list(readers))
    add("Shared/alice", "alice", "bob")
    add("Shared/bob", "bob")
    add("Shared/anyone", "bob", "anyone")
    posix = add_group(directory, "posix", "posixGroup", gidNumber="5001",
                      memberUid="alice")
    directory.set(posix, objectClass=["posixGroup", "labeledURIObject"],
                  labeledURI="imap://a/Shared/posix")
    asked = dicts.make(readers="yes", preset="labeleduri",
                       reader_attributes="description memberUid")
    names = {name for name in asked.mailboxes("alice")
             if name.startswith("Shared/") and name != "Shared/sales"}
    assert {"Shared/alice", "Shared/anyone", "Shared/posix"} <= names
    assert "Shared/bob" not in names
    names = set(asked.mailboxes("eve"))
    assert "Shared/anyone" in names
    assert not names & {"Shared/alice", "Shared/bob", "Shared/posix"}


def test_an_ancestor_does_not_stand_for_it(dicts: Dicts,
                                           directory: Directory) -> None:
    add_mailbox(directory, "Shared/top")
    add_mailbox(directory, "Shared/top/hidden", directory.person("bob"))
    asked = dicts.make(**NATIVE)
    assert asked.mailbox("Shared/top/x") == \
        "imap://imap2.example.org/Shared/top/x"
    assert asked.mailbox("Shared/top/hidden") is None
    assert asked.mailbox("Shared/top/hidden/x") is None
    assert asked.mailbox("Shared/top/hidden", "bob")


def test_who_has_odd_names(dicts: Dicts, directory: Directory) -> None:
    """Names and DNs in the filter for groups stay names and DNs."""
    users = ["a*", "a)(uid=*", "a\\2a", 'a,"b"+c', "b\u00fcro <x>", "#a b"]
    add_mailbox(directory, "Shared/all")
    for number, user in enumerate(users):
        person = directory.add_person(user)
        group = add_group(directory, f"odd {number}, \\ + \"x\"",
                          "groupOfNames", member=person)
        add_mailbox(directory, f"Shared/{number}", group)
    asked = dicts.make(**NATIVE)
    for number, user in enumerate(users):
        assert set(asked.mailboxes(user)) == {"Shared/all",
                                              f"Shared/{number}"}, user
    for user in ("*", "a", "a)", "a)(uid=", "(uid=*)"):
        assert set(asked.mailboxes(user)) == {"Shared/all"}, user


def test_number_of_searches(dicts: Dicts, directory: Directory,
                            tap: LdapTap) -> None:
    """Two for each user, however many mailboxes; none where they decide
    nothing."""
    add_mailbox(directory, "Shared/all")
    asked = dicts.make(**{**NATIVE, "uris": tap.uri, "home_ttl": "1h",
                          "mailbox_refresh": "1h"})

    def searches(user: str) -> tuple[int, int]:
        return tap.home_searches(user), len([
            search for search in tap.searches(GROUP_SEARCH)
            if f"uid={user},".encode() in search])
    # There are no readers.
    assert asked.mailbox("Shared/all") and asked.mailboxes()
    assert searches("alice") == (0, 0)

    group = add_group(directory, "names", "groupOfNames",
                      member=[directory.person("alice")])
    for number in range(50):
        add_mailbox(directory, f"Shared/{number}", group)
    asked = dicts.make(**{**NATIVE, "uris": tap.uri, "home_ttl": "1h",
                          "mailbox_refresh": "1h"})
    assert asked.mailbox("Shared/all")
    assert searches("alice") == (0, 0)
    for lookup in [asked.start("mailbox", f"Shared/{number}")
                   for number in range(10)]:
        assert lookup.result()
    assert len(asked.mailboxes()) == 51
    assert searches("alice") == (1, 1)
    assert len(asked.mailboxes("bob")) == 1
    assert asked.mailbox("Shared/1", "bob") is None
    assert searches("bob") == (1, 1) and searches("alice") == (1, 1)


def test_who_cannot_be_asked(dicts: Dicts, directory: Directory,
                             tap: LdapTap) -> None:
    """Neither there nor not there; what is there for all stays so."""
    add_mailbox(directory, "Shared/all")
    add_mailbox(directory, "Shared/alice", directory.person("alice"))
    asked = dicts.make(**{**NATIVE, "uris": tap.uri, "timeout": "1s",
                          "mailbox_refresh": "1h", "home_ttl": "1ms"})
    assert asked.mailbox("Shared/all")
    # The groups are not told.
    tap.on_search = lambda message: tap.cut() \
        if GROUP_SEARCH in message else None
    assert asked.fails("mailbox", "Shared/alice")
    assert asked.fails("mailbox", "Shared/alice/x")
    with pytest.raises(DictFailure):
        asked.mailboxes()
    tap.on_search = lambda _: None
    wait_for(lambda: not asked.fails("mailbox", "Shared/alice"))
    assert asked.mailbox("Shared/alice") is not None
    assert asked.mailbox("Shared/alice", "bob") is None


def test_two_entries_of_one_mailbox(dicts: Dicts,
                                    directory: Directory) -> None:
    """Each says something to its own readers."""
    add_mailbox(directory, "Shared/two", directory.person("alice"))
    directory.add(directory.mailbox("other"),
                  ["applicationProcess", "imapSharedMailbox"],
                  {"cn": "other", "imapMailboxName": "Shared/two",
                   "imapMailboxURI": "imap://imap3.example.org/Shared/two",
                   "imapMailboxReader": directory.person("bob")})
    asked = dicts.make(**NATIVE)
    assert asked.mailbox("Shared/two") == \
        "imap://imap2.example.org/Shared/two"
    assert asked.mailbox("Shared/two", "bob") == \
        "imap://imap3.example.org/Shared/two"
    assert asked.mailbox("Shared/two", "carol") is None


@pytest.mark.parametrize("live", ["no", "maps"])
def test_a_change_is_seen(dicts: Dicts, directory: Directory,
                          groups: dict[str, str], live: str) -> None:
    """Of the mailbox's readers, and of a group's members."""
    dn = add_mailbox(directory, "Shared/x", groups["others"])
    asked = dicts.make(**{
        **NATIVE, "live": live, "home_ttl": "1s",
        "mailbox_refresh": "1s" if live == "no" else "1h"})
    assert asked.mailbox("Shared/x") is None
    directory.set(groups["others"], member=[directory.person("alice")])
    wait_for(lambda: asked.mailbox("Shared/x"))
    wait_for(lambda: asked.mailbox("Shared/x", "bob") is None)
    directory.set(dn, imapMailboxReader=directory.person("carol"))
    wait_for(lambda: asked.mailbox("Shared/x") is None)
    assert asked.mailbox("Shared/x", "carol")


def _without_name(answer: str, name: str) -> str:
    """Nor the times that Dovecot 2.3 ends it with."""
    return re.sub(r" \([\d. +]* secs\)", "", answer).replace(name, "")


def test_clients_see_only_theirs(sandbox: Sandbox, config: Config,
                                 directory: Directory) -> None:
    """Over IMAP: no list has it, and no command gives it away."""
    group = add_group(directory, "names", "groupOfNames",
                      member=[directory.person("alice")])
    add_mailbox(directory, "Shared/secret", group, host=sandbox.server(2))
    config.edit(ldap={"referral_ldap_readers": "yes",
                      "referral_ldap_preset": "native"})
    wait_for(lambda: Dict(sandbox).mailbox("Shared/secret"))
    with sandbox.session("alice") as client:
        assert "Shared/secret" in client.ok('RLIST "" "*"').listed()
        assert client.command("SELECT Shared/secret").tagged == \
            sandbox.mailbox_referral("alice", 2, "Shared/secret")
    with sandbox.session("dave") as client:
        for command in ('RLIST "" "*"', 'LIST (REMOTE) "" "*"',
                        'RLIST "" "Shared/secret"'):
            assert "Shared/secret" not in client.ok(command).listed()
        for name in ("Shared/secret", "Shared/secret/x"):
            reply = client.command(f"SELECT {name}")
            unknown = client.command("SELECT Shared/no-such-one")
            assert reply.status == "NO" and "REFERRAL" not in reply.tagged
            assert _without_name(reply.tagged, name) == \
                _without_name(unknown.tagged, "Shared/no-such-one")


def test_clients_of_whom_the_groups_are_not_known(
        sandbox: Sandbox, config: Config, directory: Directory,
        tap: LdapTap) -> None:
    group = add_group(directory, "names", "groupOfNames",
                      member=[directory.person("alice")])
    add_mailbox(directory, "Shared/secret", group, host=sandbox.server(2))
    add_mailbox(directory, "Shared/all", host=sandbox.server(2))
    tap.on_search = lambda message: tap.cut() \
        if GROUP_SEARCH in message else None
    config.edit(ldap={"referral_ldap_readers": "yes",
                      "referral_ldap_preset": "native",
                      "referral_ldap_uris": tap.uri})
    wait_for(lambda: not Dict(sandbox).fails("mailbox", "Shared/all"))
    with sandbox.session("alice") as client:
        assert "[UNAVAILABLE]" in client.command("SELECT Shared/secret").tagged
        assert client.command("SELECT Shared/all").tagged == \
            sandbox.mailbox_referral("alice", 2, "Shared/all")


WRONG = {
    "readers": ("referral_ldap_readers = true", "no, yes"),
    "attributes": ("referral_ldap_reader_attributes = a, b", "attributes"),
    "group filter": ("referral_ldap_reader_group_filter = "
                     "(objectClass=groupOfNames)", r"%\{user_dn\}"),
    "group filter variable": ("referral_ldap_reader_group_filter = "
                              "(member=%{mailbox})", r"%\{user_dn\}"),
    "group base": ("referral_ldap_reader_group_base = groups", "DN"),
}


@pytest.mark.parametrize("line, expectation", WRONG.values(), ids=WRONG)
def test_wrong_settings_line(dicts: Dicts, log, line: str,
                             expectation: str) -> None:
    dicts.expect_complaint(log, line, expectation)
