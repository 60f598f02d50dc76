"""Lists: remote mailboxes for those who ask for them (RFC 2193 section 5,
RFC 5258), and for nobody else. Mostly for alice at imap1."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import re
import sys
import termios
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import ANSWER_SECS, Dict, Sandbox, dict_key, short, wait_for
from taps import DictTap
from wire import Imap, Reply, quoted

SALES, OFFICE = "Shared/sales", "Shared/B&APw-ro &- co"

# What the directory lists here, and the servers in order of preference.
LISTED = {
    SALES: (2, 3),
    "Shared/Büro & co": (3,),
    # Its parents exist through it only.
    "Shared/eu/north/oslo": (2,),
    # Its parent is at imap1.
    "Shared/here/remote": (2,),
    # Also at imap1, with an inferior that is listed and one that is not.
    "Shared/both": (2,),
    "Shared/both/listed": (1,),
    "Shared/replica": (2, 1),
    # Not there.
    "Shared/lost": (1,),
    # Namespaces with nothing behind them.
    "Team/plans": (3,),
    "Team/plans/spring": (2,),
    "Kids/toys": (2,),
    "Hidden/secret": (2,),
    # In the private namespace, where imap_referral_mailboxes says Old/*.
    "Old/2020/may": (2,),
    "Other": (2,),
}
LISTED_BY_DEFAULT = (SALES, "Shared/Büro & co")
HELD = {
    1: ("Shared/here", "Shared/both", "Shared/both/listed",
        "Shared/both/unlisted", "Shared/replica"),
    2: ("Shared/eu/north/oslo", "Shared/here/remote", "Shared/both",
        "Shared/replica"),
}

REMOTE = {SALES, OFFICE, "Shared/eu/north/oslo", "Shared/here/remote",
          "Shared/both", "Team/plans", "Team/plans/spring", "Kids/toys",
          "Old/2020/may"}
# Through remote ones only.
PARENTS = {"Shared/eu", "Shared/eu/north", "Old", "Old/2020", "Kids"}
LOCAL = {"Shared/local", "Shared/here", "Shared/both/listed",
         "Shared/replica"}


@pytest.fixture(scope="module", autouse=True)
def scene(sandbox: Sandbox, module_config: Config) -> Iterator[None]:
    """All of that."""
    module_config.edit(
        referral={"imap_referral_mailboxes": "Old/*"},
        dovecot=dovecot.namespace("team", "Team/", "list = yes")
        + dovecot.namespace("kids", "Kids/", "list = children")
        + dovecot.namespace("hidden", "Hidden/", "list = no", "hidden = yes"))
    remove_leftovers(sandbox)
    with holding(sandbox), listing(sandbox):
        yield


def remove_leftovers(sandbox: Sandbox) -> None:
    """What other tests have left: here names are compared as a whole."""
    with sandbox.session("alice") as client:
        for name in client.ok('RLSUB "" "*"').listed("LSUB"):
            client.ok(f'UNSUBSCRIBE "{name}"')
        for name in sorted(client.ok('LIST "" "Shared/*"').listed(),
                           reverse=True):
            if name != "Shared/local":
                client.command(f'DELETE "{name}"')


@contextlib.contextmanager
def holding(sandbox: Sandbox) -> Iterator[None]:
    people = {1: "alice", 2: "bob"}
    for number, names in HELD.items():
        with sandbox.session(people[number], number) as client:
            for name in names:
                client.ok(f"CREATE {name}")
    yield
    for number, names in HELD.items():
        with sandbox.session(people[number], number) as client:
            for name in reversed(names):
                client.ok(f"DELETE {name}")


@contextlib.contextmanager
def listing(sandbox: Sandbox) -> Iterator[None]:
    administrator = Directory(sandbox.env)
    for name, numbers in LISTED.items():
        if name in LISTED_BY_DEFAULT:
            continue
        in_url = urllib.parse.quote(name)
        administrator.add_mailbox(name, labeledURI=[
            f"imap://{sandbox.server(number)}/{in_url} {preference}"
            for preference, number in enumerate(numbers)])
    wait_until_listed(sandbox, set(LISTED))
    yield
    administrator.connect()
    administrator.restore()
    wait_until_listed(sandbox, set(LISTED_BY_DEFAULT))


def wait_until_listed(sandbox: Sandbox, names: set[str]) -> None:
    for number in (1, 2, 3):
        wait_for(lambda: set(Dict(sandbox, number=number).mailboxes())
                 == names)


@pytest.fixture
def subscribed(alice: Imap) -> Iterator[Imap]:
    """Subscribed to remote mailboxes, and to a local one."""
    names = (SALES, "Shared/eu/north/oslo", "Shared/local")
    for name in names:
        alice.ok(f"SUBSCRIBE {name}")
    yield alice
    for name in names:
        alice.ok(f"UNSUBSCRIBE {name}")


def below(prefix: str, names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(prefix)}


def listed(client: Imap, command: str) -> dict[str, set[str]]:
    return client.ok(command).listed()


# --- names

LEVEL_1 = {SALES, OFFICE, "Shared/eu", "Shared/here", "Shared/both",
           "Shared/local", "Shared/replica"}
LISTS = {
    # wildcards
    '"" "Shared/%"': LEVEL_1,
    '"" "Shared/*"': below("Shared/", REMOTE | PARENTS | LOCAL),
    '"" "Shared/%/%"': {"Shared/eu/north", "Shared/here/remote",
                        "Shared/both/listed"},
    '"" "Shared/eu/*"': {"Shared/eu/north", "Shared/eu/north/oslo"},
    '"" "Shared/eu*"': {"Shared/eu", "Shared/eu/north",
                        "Shared/eu/north/oslo"},
    '"" "Shared/eu/%"': {"Shared/eu/north"},
    '"" "Shared/%/north"': {"Shared/eu/north"},
    '"" "Shared/%/%/%"': {"Shared/eu/north/oslo"},
    '"" "Shared/%/%/%/%"': set(),
    '"" "Shared/e%/n%"': {"Shared/eu/north"},
    '"" "Shared/s%s"': {SALES},
    '"" "Shared/s*s"': {SALES},
    '"" "*oslo"': {"Shared/eu/north/oslo"},
    '"" "*/oslo"': {"Shared/eu/north/oslo"},
    '"" "*r%h*o"': {"Shared/eu/north/oslo"},
    '"" "*r%o*o"': {OFFICE},
    '"" "Shared/*ot*"': {"Shared/both", "Shared/both/listed",
                         "Shared/here/remote"},
    '"" "Share%/sales"': {SALES},
    '"" "%/sales"': {SALES},
    '"" "%%/%%es"': {SALES},
    '"" "Sh*es"': {SALES},
    # exact names
    '"" Shared': {"Shared"},
    '"" Shared/sales': {SALES},
    '"" Shared/eu': {"Shared/eu"},
    '"" Shared/eu/north': {"Shared/eu/north"},
    '"" Shared/eu/north/oslo': {"Shared/eu/north/oslo"},
    '"" Shared/local': {"Shared/local"},
    '"" Shared/nosuch': set(),
    '"" Shared/lost': set(),
    '"" Shared/sale': set(),
    '"" Shared/sales2': set(),
    '"" Shared/SALES': set(),
    '"" shared/sales': set(),
    '"" Shared/both/unlisted': set(),
    '"" Other': set(),
    # not only ASCII
    f'"" "{OFFICE}"': {OFFICE},
    '"" "Shared/B%"': {OFFICE},
    '"" "Shared/B&APw-*"': {OFFICE},
    '"" "Shared/&APw-*"': set(),
    '"" "*&APw-ro &- c%"': {OFFICE},
    # reference name
    '"Shared/" "%"': LEVEL_1,
    '"Shared/" sales': {SALES},
    '"Shared/eu/" "%"': {"Shared/eu/north"},
    '"Shared/eu/" "*"': {"Shared/eu/north", "Shared/eu/north/oslo"},
    '"Shared/e" "%"': {"Shared/eu"},
    '"Team/" "%"': {"Team/plans"},
    # other namespaces
    '"" "Team/%"': {"Team/plans"},
    '"" "Team/*"': {"Team/plans", "Team/plans/spring"},
    '"" Team/plans': {"Team/plans"},
    '"" "Kids/%"': {"Kids/toys"},
    '"" Kids': {"Kids"},
    '"" "Hidden/%"': {"Hidden/secret"},
    '"" Hidden/secret': {"Hidden/secret"},
    '"" "Old/%"': {"Old/2020"},
    '"" "Old/*"': {"Old/2020", "Old/2020/may"},
    '"" Old': {"Old"},
    # several patterns
    '"" ("Shared/e%" "Team/*")': {"Shared/eu", "Team/plans",
                                  "Team/plans/spring"},
    '"" ("Shared/sales" "Shared/s%" "Shared/*les")': {SALES},
    '"" ("INBOX" "Shared/%/%")': {"INBOX", "Shared/eu/north",
                                  "Shared/here/remote", "Shared/both/listed"},
    '"Shared/" ("sales" "eu/%")': {SALES, "Shared/eu/north"},
    # private
    '"" INBOX': {"INBOX"},
    '"" inbox': {"INBOX"},
}


@pytest.mark.parametrize("arguments", LISTS, ids=short)
def test_rlist(alice: Imap, arguments: str) -> None:
    assert set(listed(alice, f"RLIST {arguments}")) == LISTS[arguments]


@pytest.mark.parametrize("arguments", LISTS, ids=short)
def test_list_remote(alice: Imap, arguments: str) -> None:
    assert set(listed(alice, f"LIST (REMOTE) {arguments}")) \
        == LISTS[arguments]


def test_without_the_list_index(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot="mailbox_list_index = no")
    with sandbox.session("alice") as client:
        for command in ("RLIST", "LIST (REMOTE)"):
            for arguments, names in LISTS.items():
                assert set(listed(client, f"{command} {arguments}")) \
                    == names, arguments


def test_everything(alice: Imap) -> None:
    local = set(listed(alice, 'LIST "" "*"'))
    # What the directory places elsewhere is no local mailbox.
    local -= {"Shared/both/unlisted"}
    for command in ("RLIST", "LIST (REMOTE)"):
        assert set(listed(alice, f'{command} "" "*"')) \
            == local | REMOTE | PARENTS


def test_first_level(alice: Imap) -> None:
    local = set(listed(alice, 'LIST "" "%"'))
    assert not local & {"Old", "Kids"}
    for command in ("RLIST", "LIST (REMOTE)"):
        assert set(listed(alice, f'{command} "" "%"')) \
            == local | {"Old", "Kids"}


@pytest.mark.parametrize("reference", [
    '""', "Shared/", "Shared/sales", "Shared/eu/", "Team/", "Hidden/",
    "nosuch"])
def test_root(alice: Imap, reference: str) -> None:
    """An empty pattern: the separator and the root of the name."""
    assert alice.ok(f'RLIST {reference} ""').untagged \
        == alice.ok(f'LIST {reference} ""').untagged


@pytest.mark.parametrize("literal", [b"{8}", b"{8+}"])
def test_pattern_as_a_literal(alice: Imap, literal: bytes) -> None:
    if literal == b"{8}":
        reply = alice.command(b'RLIST "" {8}', [b"Shared/%"])
    else:
        reply = alice.command(b'RLIST "" {8+}\r\nShared/%')
    assert reply.status == "OK"
    assert set(reply.listed()) == LEVEL_1


@pytest.mark.skipif(dovecot.UTF8_ACCEPT is None,
                    reason="2.3 has no UTF8=ACCEPT")
def test_utf8_accept(sandbox: Sandbox, config: Config) -> None:
    assert dovecot.UTF8_ACCEPT
    config.edit(dovecot=dovecot.UTF8_ACCEPT)
    with sandbox.session("alice") as client:
        client.ok('CREATE "Shared/B&APw-cher"')
        client.ok("ENABLE UTF8=ACCEPT")
        for command in ("RLIST", "LIST (REMOTE)"):
            # The first of them that know it write mUTF-7 all the same.
            assert set(listed(client, f'{command} "" "Shared/Bü%"')) in (
                {"Shared/Büro & co", "Shared/Bücher"},
                {OFFICE, "Shared/B&APw-cher"})
    with sandbox.session("alice") as client:
        client.ok('DELETE "Shared/B&APw-cher"')


def test_same_names_on_all_servers(sandbox: Sandbox) -> None:
    """RFC 2193 section 4."""
    expected = None
    for number in (1, 2, 3):
        with sandbox.session("alice", number) as client:
            names = listed(client, 'RLIST "" "Shared/%"')
            names.update(listed(client, 'RLIST "" "Shared/*"'))
        known = {name for name in names
                 if name in below("Shared/", REMOTE | PARENTS)
                 or name == "Shared/here"}
        assert known
        assert expected in (None, known), number
        expected = known


@pytest.mark.parametrize("user, number", [("bob", 2), ("carol", 3)])
def test_mailbox_of_this_server_is_no_remote_one(
        sandbox: Sandbox, user: str, number: int) -> None:
    with sandbox.session(user, number) as client:
        rows = listed(client, 'LIST (REMOTE) "" "Shared/%"')
    assert r"\Remote" not in rows[SALES]
    assert (r"\Remote" in rows[OFFICE]) == (number == 2)


# --- flags

# Of remote mailboxes nobody knows that they have no children.
def known(flags: set[str]) -> set[str]:
    return flags - {r"\HasNoChildren"}


@pytest.mark.parametrize("options", ["", " RETURN (CHILDREN)",
                                     " RETURN (SPECIAL-USE)",
                                     " RETURN (SUBSCRIBED CHILDREN)",
                                     " RETURN (STATUS (MESSAGES))"])
@pytest.mark.parametrize("selection", ["REMOTE", "remote"])
def test_remote_ones_are_marked(alice: Imap, selection: str,
                                options: str) -> None:
    rows = listed(alice, f'LIST ({selection}) "" "*"{options}')
    assert {name for name, flags in rows.items()
            if r"\Remote" in flags} == REMOTE


def test_rlist_does_not_mark_them(alice: Imap) -> None:
    rows = listed(alice, 'RLIST "" "*"')
    assert REMOTE <= set(rows)
    for name in REMOTE:
        assert known(rows[name]) <= {r"\HasChildren"}


CHILDREN = {
    "Shared": {r"\HasChildren"},
    "Shared/here": {r"\HasChildren"},
    "Shared/here/remote": set(),
    "Shared/eu": {r"\HasChildren", r"\NonExistent"},
    "Shared/eu/north": {r"\HasChildren", r"\NonExistent"},
    "Shared/eu/north/oslo": set(),
    "Shared/both": {r"\HasChildren"},
    "Shared/both/listed": {r"\HasNoChildren"},
    "Shared/replica": {r"\HasNoChildren"},
    "Shared/local": {r"\HasNoChildren"},
    "Team": {r"\HasChildren"},
    "Team/plans": {r"\HasChildren"},
    "Team/plans/spring": set(),
    "Kids": {r"\HasChildren", r"\NonExistent"},
    "Old": {r"\HasChildren", r"\NonExistent"},
    "Old/2020": {r"\HasChildren", r"\NonExistent"},
}
# Roots of namespaces are Dovecot's own.
ROOTS = {"Shared", "Team"}


@pytest.mark.parametrize("pattern", ["*", "exact"])
@pytest.mark.parametrize("name", CHILDREN)
def test_children(alice: Imap, name: str, pattern: str) -> None:
    """Whichever of them match the pattern."""
    pattern = name if pattern == "exact" else pattern
    extended = listed(alice, f'LIST (REMOTE) "" {pattern} '
                      'RETURN (CHILDREN)')[name]
    if name in REMOTE:
        extended = known(extended)
    assert extended - {r"\Remote"} - \
        ({r"\NonExistent"} if name in ROOTS else set()) == CHILDREN[name]
    old = listed(alice, f'RLIST "" {pattern}')[name]
    if name in REMOTE:
        old = known(old)
    assert {r"\NonExistent" if flag == r"\Noselect" else flag
            for flag in old} - \
        ({r"\NonExistent"} if name in ROOTS else set()) == CHILDREN[name]


def test_children_are_not_told_unasked(alice: Imap) -> None:
    """As Dovecot does it for local mailboxes."""
    rows = listed(alice, 'LIST (REMOTE) "" "Shared/%"')
    assert not rows["Shared/local"]
    assert r"\NonExistent" in rows["Shared/eu"]
    assert rows[SALES] == {r"\Remote"}


def test_no_children_for_those_who_do_not_ask(alice: Imap) -> None:
    alice.ok('RLIST "" "*"')
    assert listed(alice, 'LIST "" "Shared/here"')["Shared/here"] \
        == {r"\HasNoChildren"}


def test_special_use(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot="namespace inbox {\n  mailbox Sent {\n"
                "    auto = create\n    special_use = \\Sent\n  }\n}\n")
    with sandbox.session("alice") as client:
        rows = listed(client, 'LIST (REMOTE) "" "*" RETURN (SPECIAL-USE)')
        assert rows["Sent"] == {r"\Sent"}
        assert rows[SALES] == {r"\Remote"}
        # \Remote is none.
        assert set(listed(client, 'LIST (REMOTE SPECIAL-USE) "" "*"')) \
            == {"Sent"}
        assert r"\Sent" in listed(client, 'RLIST "" "*"')["Sent"]
        client.ok("DELETE Sent")


def statuses(reply: Reply) -> set[str]:
    """Names with a STATUS line."""
    return {found.group(1).strip('"') for line in reply.untagged
            if (found := re.match(r'\* STATUS ("[^"]*"|[^ ]*) ', line))}


def test_status_of_local_ones_only(alice: Imap) -> None:
    reply = alice.ok('LIST (REMOTE) "" "Shared/*" RETURN (STATUS (MESSAGES))')
    assert set(reply.listed()) == below("Shared/", REMOTE | PARENTS | LOCAL)
    assert statuses(reply) == LOCAL
    assert not [line for line in reply.untagged if line.startswith("* NO")]


def test_status_without_remote(alice: Imap) -> None:
    """Shared/both is here, and the directory places it elsewhere."""
    reply = alice.ok('LIST "" "Shared/*" RETURN (STATUS (MESSAGES))')
    assert LOCAL <= statuses(reply)
    assert "Shared/both" not in statuses(reply)
    assert not [line for line in reply.untagged if line.startswith("* NO")]


# --- subscriptions

@pytest.mark.parametrize("arguments, names", [
    ('"" "*"', {SALES, "Shared/eu/north/oslo", "Shared/local"}),
    ('"" "Shared/%"', {SALES, "Shared/eu", "Shared/local"}),
    ('"" "Shared/eu/%"', {"Shared/eu/north"}),
    ('"" "Shared/eu"', set()),
    ('"" Shared/sales', {SALES}),
    ('"" "*oslo"', {"Shared/eu/north/oslo"}),
    ('"Shared/" "s*"', {SALES}),
    ('"" "Team/*"', set()),
])
def test_rlsub(subscribed: Imap, arguments: str, names: set[str]) -> None:
    rows = subscribed.ok(f"RLSUB {arguments}").listed("LSUB")
    assert set(rows) == names
    for name, flags in rows.items():
        assert (r"\Noselect" in flags) == (name in PARENTS)
        assert r"\Remote" not in flags


def test_rlsub_shows_what_lsub_shows(alice: Imap) -> None:
    alice.ok("SUBSCRIBE INBOX")
    assert alice.ok('RLSUB "" "*"').listed("LSUB") \
        == alice.ok('LSUB "" "*"').listed("LSUB")
    alice.ok("UNSUBSCRIBE INBOX")


@pytest.mark.parametrize("options", ["REMOTE SUBSCRIBED",
                                     "SUBSCRIBED REMOTE"])
def test_subscribed_remote_ones(subscribed: Imap, options: str) -> None:
    assert listed(subscribed, f'LIST ({options}) "" "*"') == {
        SALES: {r"\Remote", r"\Subscribed"},
        "Shared/eu/north/oslo": {r"\Remote", r"\Subscribed"},
        "Shared/local": {r"\Subscribed"}}


def test_return_subscribed(subscribed: Imap) -> None:
    rows = listed(subscribed, 'LIST (REMOTE) "" "*" RETURN (SUBSCRIBED)')
    assert {name for name, flags in rows.items()
            if r"\Subscribed" in flags} \
        == {SALES, "Shared/eu/north/oslo", "Shared/local"}
    assert r"\Remote" in rows[SALES]


@pytest.mark.parametrize("pattern, names", [
    ("Shared/%", {SALES, "Shared/eu", "Shared/local"}),
    ("Shared/eu/%", {"Shared/eu/north"}),
    ("Shared/eu", {"Shared/eu"}),
])
def test_recursivematch(subscribed: Imap, pattern: str,
                        names: set[str]) -> None:
    rows = listed(subscribed, 'LIST (SUBSCRIBED RECURSIVEMATCH REMOTE) "" '
                  f'"{pattern}"')
    assert set(rows) == names
    for name, flags in rows.items():
        assert ("CHILDINFO" in flags) == (name in PARENTS)
        assert (r"\Subscribed" in flags) == (name not in PARENTS)
        assert (r"\Remote" in flags) == (name in REMOTE)


def test_recursivematch_needs_more_than_remote(alice: Imap) -> None:
    assert alice.command('LIST (RECURSIVEMATCH REMOTE) "" "*"').status \
        == "BAD"


# --- those who do not ask

PLAIN = ['LIST "" "*"', 'LIST "" "%"', 'LIST "" "Shared/%"',
         'LIST "" Shared/sales', 'LIST "" "Team/*"', 'LIST "" "Old/*"',
         'LIST "Shared/" "*"', 'LIST "" ("Shared/*" "%")',
         'LIST () "" "*"', 'LIST (SUBSCRIBED) "" "*"',
         'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
         'LIST (SUBSCRIBED RECURSIVEMATCH) "" "Shared/%"',
         'LIST "" "*" RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)',
         'LIST "" "*" RETURN (STATUS (MESSAGES))', 'XLIST "" "*"',
         'XLIST "" "Shared/%"']
ONLY_REMOTE = (REMOTE | PARENTS | {"Hidden/secret"}) - {"Shared/both"}


@pytest.mark.parametrize("command", PLAIN)
def test_plain_lists_show_no_remote_name(subscribed: Imap,
                                         command: str) -> None:
    # An answer with remote ones before it makes no difference.
    subscribed.ok('RLIST "" "*"')
    reply = subscribed.ok(command)
    assert not set(reply.listed()) & ONLY_REMOTE
    assert r"\Remote" not in " ".join(reply.untagged)


@pytest.mark.parametrize("pattern", ["*", "%", "Shared/%", "Shared/*",
                                     "Shared/sales"])
def test_lsub_shows_no_remote_name(subscribed: Imap, pattern: str) -> None:
    subscribed.ok('RLSUB "" "*"')
    rows = subscribed.ok(f'LSUB "" "{pattern}"').listed("LSUB")
    assert not set(rows) & ONLY_REMOTE


def test_subscription_of_a_mailbox_that_is_nowhere(alice: Imap) -> None:
    """LSUB keeps showing these: that is Dovecot's own."""
    alice.ok("CREATE Shared/gone")
    alice.ok("SUBSCRIBE Shared/gone")
    alice.ok("DELETE Shared/gone")
    assert "Shared/gone" in alice.ok('LSUB "" "*"').listed("LSUB")
    assert "Shared/gone" in alice.ok('RLSUB "" "*"').listed("LSUB")
    assert r"\NonExistent" in listed(
        alice, 'LIST (SUBSCRIBED) "" "*"')["Shared/gone"]
    alice.ok("UNSUBSCRIBE Shared/gone")


# --- syntax

@pytest.mark.parametrize("arguments", [
    "", ' ""', ' "" "x', ' ("" "*"', ' (FOO) "" "*"', ' "" "*" RETURN (FOO)',
    ' "" "*" extra', ' (RECURSIVEMATCH) "" "*"', ' "" ((x))', ' {5'])
@pytest.mark.parametrize("command", ["LIST", "LSUB"])
def test_bad_syntax(alice: Imap, command: str, arguments: str) -> None:
    own = alice.command(command + arguments)
    ours = alice.command(f"R{command}{arguments}")
    assert own.status == ours.status == "BAD"
    assert ours.without_times.replace("R" + command, command) \
        == own.without_times
    alice.ok("NOOP")
    assert set(listed(alice, 'RLIST "" "Shared/%"')) == LEVEL_1


@pytest.mark.parametrize("pattern", [
    b"&x", b"Shared/&", b"Shared/\xff*", b"*" * 1000, b"%/" * 500,
    b"Shared/" + b"*a" * 200, b"x" * 10000, b"Shared//%", b"/", b"//*",
    b"Shared/../*", b"~*", b"Shared/%\x01"], ids=short)
def test_odd_pattern(alice: Imap, pattern: bytes) -> None:
    start = time.monotonic()
    reply = alice.command(b'RLIST "" {%d+}\r\n%s' % (len(pattern), pattern))
    assert time.monotonic() - start < ANSWER_SECS
    own = alice.command(b'LIST "" {%d+}\r\n%s' % (len(pattern), pattern))
    assert reply.status == own.status
    assert set(own.listed()) - {"Shared/both/unlisted"} \
        <= set(reply.listed())
    assert set(listed(alice, 'RLIST "" "Shared/%"')) == LEVEL_1


def test_pipelined(alice: Imap) -> None:
    alice.send(b'a RLIST "" "Shared/%"\r\nb LIST "" "Shared/%"\r\n'
               b'c LIST (REMOTE) "" "Shared/%"\r\nd LSUB "" "*"\r\n'
               b'e RLIST "" "Shared/%"\r\nf LIST "" "Shared/%"\r\n')
    local = {"Shared/here", "Shared/both", "Shared/local", "Shared/replica"}
    for tag, names in ((b"a", LEVEL_1), (b"b", local), (b"c", LEVEL_1),
                       (b"d", set()), (b"e", LEVEL_1), (b"f", local)):
        assert set(alice.reply(tag).listed()) == names, tag


def test_with_a_selected_mailbox(alice: Imap) -> None:
    alice.ok("SELECT INBOX")
    assert set(listed(alice, 'RLIST "" "Shared/%"')) == LEVEL_1
    alice.ok("CHECK")


# --- guests

def test_inbox_of_a_guest(sandbox: Sandbox) -> None:
    with sandbox.session("alice", 2) as guest:
        assert listed(guest, 'LIST (REMOTE) "" INBOX') \
            == {"INBOX": {r"\Remote"}}
        assert "INBOX" in listed(guest, 'RLIST "" INBOX')
        rows = listed(guest, 'LIST (REMOTE) "" "Shared/%"')
        assert r"\Remote" not in rows[SALES]
        assert r"\Remote" in rows[OFFICE]


def test_inbox_at_home(alice: Imap) -> None:
    assert listed(alice, 'LIST (REMOTE) "" INBOX') == {"INBOX": set()}


# --- changes

def test_a_new_mailbox_shows_at_once(sandbox: Sandbox, alice: Imap,
                                     directory: Directory) -> None:
    assert not listed(alice, 'RLIST "" "Shared/new"')
    directory.add_mailbox("Shared/new", mailHost=sandbox.address(2)[0])
    wait_for(lambda: listed(alice, 'RLIST "" "Shared/new"'))
    directory.delete(directory.mailbox("Shared/new"))
    wait_for(lambda: not listed(alice, 'RLIST "" "Shared/new"'))


def test_created_and_deleted_local_ones(alice: Imap) -> None:
    alice.ok("CREATE Shared/fresh")
    assert "Shared/fresh" in listed(alice, 'RLIST "" "Shared/%"')
    alice.ok("DELETE Shared/fresh")
    assert "Shared/fresh" not in listed(alice, 'RLIST "" "Shared/%"')


def test_listed_mailbox_of_another_user(sandbox: Sandbox, alice: Imap,
                                        directory: Directory) -> None:
    """The directory may list these, too."""
    directory.add_mailbox("Users/bob/Team", mailHost=sandbox.address(2)[0])
    wait_for(lambda: Dict(sandbox).mailbox("Users/bob/Team"))
    alice.command("STATUS Users/bob/Team (MESSAGES)")
    rows = wait_for(lambda: listed(alice, 'LIST (REMOTE) "" "Users/bob/*"'))
    assert rows["Users/bob/Team"] == {r"\Remote"}
    assert "Users/bob/Team" not in listed(alice, 'LIST "" "*"')


ODD = {
    "100%": "Shared/100%", "a*b": "Shared/a*b", 'a"b': 'Shared/a"b',
    "a\\b": "Shared/a\\b", "(x)": "Shared/(x)", "{5}": "Shared/{5}",
    "a & b": "Shared/a &- b", "\U0001f600": "Shared/&2D3eAA-",
    "x" * 200: "Shared/" + "x" * 200, "a]b": "Shared/a]b",
    "NIL": "Shared/NIL", ".hidden": "Shared/.hidden",
}


def test_odd_names(sandbox: Sandbox, alice: Imap,
                   directory: Directory) -> None:
    """They are listed as they are, and can be opened by what is listed."""
    for name in ODD:
        directory.add_mailbox(f"Shared/{name}",
                              mailHost=sandbox.address(2)[0])
    wait_for(lambda: Dict(sandbox).mailbox(f"Shared/{[*ODD][-1]}"))
    rows = listed(alice, 'LIST (REMOTE) "" "Shared/%"')
    assert set(ODD.values()) <= set(rows)
    assert set(ODD.values()) <= set(listed(alice, 'RLIST "" "*"'))
    for name in ODD.values():
        assert r"\Remote" in rows[name]
        assert alice.command(b"SELECT " + quoted(name)).referral, name


# By name, and by URL.
IMPOSSIBLE = ["Shared//double", "/Shared/leading", "Shared/../up"]
IMPOSSIBLE_IN_URL = ["Shared/line%0D%0A* x", "Shared/control%01",
                     "Shared/nul%00", "Shared/%FF/bytes",
                     "Shared/" + "x" * 5000]


def test_impossible_names(sandbox: Sandbox, alice: Imap,
                          directory: Directory) -> None:
    for name in (*IMPOSSIBLE, "Shared/after"):
        directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    for number, in_url in enumerate(IMPOSSIBLE_IN_URL):
        directory.add_mailbox(f"Impossible {number}", labeledURI=(
            f"imap://{sandbox.server(2)}/{in_url}"))
    directory.add_mailbox("Shared/last", mailHost=sandbox.address(2)[0])
    wait_for(lambda: listed(alice, 'RLIST "" Shared/last'))
    lines = alice.ok('RLIST "" "*"').untagged
    for line in lines:
        assert re.fullmatch(r'\* LIST \([^)]*\) "/" [ -~]+', line)
    for word in ("double", "leading", "up", "xxx", "line", "control", "nul",
                 "bytes", "Impossible"):
        assert word not in "\n".join(lines)
    assert "Shared/after" in listed(alice, 'RLIST "" "*"')


def test_inbox_is_never_remote(sandbox: Sandbox, config: Config,
                               directory: Directory) -> None:
    config.edit(referral={"imap_referral_mailboxes": "*"})
    for name in ("INBOX", "INBOX/below"):
        directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    wait_for(lambda: Dict(sandbox).mailbox("INBOX/below"))
    with sandbox.session("alice") as client:
        rows = listed(client, 'LIST (REMOTE) "" "*"')
        assert rows["INBOX"] == set()
        assert rows["INBOX/below"] == {r"\Remote"}
        assert rows["Other"] == {r"\Remote"}
        client.ok("SELECT INBOX")
        assert client.command("SELECT INBOX/below").referral


@pytest.mark.parametrize("name", ["Team", "Shared"])
def test_mailbox_of_the_prefixs_name(sandbox: Sandbox, alice: Imap,
                                     directory: Directory, name: str) -> None:
    directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    wait_for(lambda: alice.command(f"SELECT {name}").referral)
    for pattern in (name, "%", "*", f"{name}*"):
        rows = listed(alice, f'LIST (REMOTE) "" "{pattern}"')
        assert rows[name] == {r"\Remote"}
        assert name in listed(alice, f'RLIST "" "{pattern}"')
    assert r"\Remote" not in listed(alice, f'LIST "" {name}')[name]


def test_other_format(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot=dovecot.namespace_at("inbox", "sdbox",
                                             Path("~/sdbox")))
    with sandbox.session("alice") as client:
        client.ok("CREATE Old")
        client.ok("CREATE Old/2020")
        client.ok("CREATE Old/2021")
        assert listed(client, 'LIST (REMOTE) "" "Old*" RETURN (CHILDREN)') \
            == {"Old": {r"\HasChildren"}, "Old/2020": {r"\HasChildren"},
                "Old/2021": {r"\HasNoChildren"},
                "Old/2020/may": {r"\Remote"}}
        assert set(listed(client, 'RLIST "" "Old/%"')) \
            == {"Old/2020", "Old/2021"}
        assert set(listed(client, 'RLIST "" "*may"')) == {"Old/2020/may"}
        assert listed(client, 'LIST "" "Old/2020"') \
            == {"Old/2020": {r"\HasNoChildren"}}
        for name in ("Old/2021", "Old/2020", "Old"):
            client.ok(f"DELETE {name}")


def test_separator(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot=dovecot.separator_dot("Team", "Kids", "Hidden"))
    with sandbox.session("alice") as client:
        rows = listed(client, 'LIST (REMOTE) "" "Shared.*"')
        assert {name for name, flags in rows.items()
                if r"\Remote" in flags} == {
            name.replace("/", ".") for name in below("Shared/", REMOTE)}
        assert set(listed(client, 'RLIST "" "Shared.eu.%"')) \
            == {"Shared.eu.north"}
        assert set(listed(client, 'RLIST "Shared." sales')) \
            == {"Shared.sales"}
        assert set(listed(client, 'RLIST "" "Old.%"')) == {"Old.2020"}
        assert client.ok('RLIST "" ""').untagged \
            == [r'* LIST (\Noselect) "." ""']


@pytest.fixture
def many(sandbox: Sandbox, config: Config) -> Iterator[set[str]]:
    """Names of remote mailboxes from another dict backend, more than fit
    into a buffer."""
    names = {f"Shared/{number:04}-{'x' * 200}" for number in range(2000)}
    table = Path(sandbox.env["SANDBOX_DIR"]) / "many"
    url = f"imap://{sandbox.server(2)}/"
    table.write_text("".join(
        f"{dict_key('mailbox', name).decode()}\n{url}{name}\n"
        for name in names))
    config.edit(dovecot=dovecot.file_dict("imap_referral", table))
    yield names
    config.restore()
    table.unlink()


def test_many_remote_mailboxes(sandbox: Sandbox, many: set[str]) -> None:
    with sandbox.session("alice") as client:
        for command in ("RLIST", "LIST (REMOTE)"):
            start = time.monotonic()
            rows = listed(client, f'{command} "" "Shared/*"')
            assert time.monotonic() - start < ANSWER_SECS
            assert many <= set(rows)
        assert not many & set(listed(client, 'LIST "" "*"'))
        client.ok("NOOP")


def unread(client: Imap) -> int:
    size = fcntl.ioctl(client.sock, termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder)


def test_slow_reader(sandbox: Sandbox, many: set[str]) -> None:
    """A list that waits for its client lets other commands be themselves."""
    name = next(iter(many))
    expected = {one for one in many if one.startswith("Shared/0")}
    count = 20
    with sandbox.session("alice") as client:
        client.ok(f"SUBSCRIBE {name}")
        for number in range(count):
            client.send(b'r%d RLIST "" "Shared/0*"\r\n'
                        b'l%d LSUB "" "*"\r\n' % (number, number))
        wait_for(lambda: unread(client) > 50000)
        rows: collections.Counter[str] = collections.Counter()
        tagged = set()
        while len(tagged) < 2 * count:
            line = client.line().decode()
            if line.startswith("* LIST "):
                rows[line.split(" ")[-1]] += 1
            else:
                tag, status, *_ = line.split()
                assert status == "OK", line
                tagged.add(tag)
        assert rows == {one: count for one in expected}
        client.ok(f"UNSUBSCRIBE {name}")


def test_client_goes_in_the_middle(sandbox: Sandbox, many: set[str]) -> None:
    for _ in range(5):
        with sandbox.session("alice") as client:
            client.send(b'a RLIST "" "*"\r\n' * 20)
    with sandbox.session("alice") as client:
        assert many <= set(listed(client, 'RLIST "" "Shared/*"'))


# --- what it costs

def iterations(lines: list[bytes]) -> int:
    return len([line for line in lines if line.startswith(b"I")])


FREE = {
    "LIST": 'LIST "" "*"',
    "LIST of shared ones": 'LIST "" "Shared/%"',
    "extended LIST": 'LIST "" ("Shared/*" "%") RETURN (CHILDREN)',
    "LSUB": 'LSUB "" "*"',
    "LIST (SUBSCRIBED)": 'LIST (SUBSCRIBED) "" "*"',
    "XLIST": 'XLIST "" "*"',
    "RLIST of a private one": 'RLIST "" INBOX',
    "RLIST of the root": 'RLIST "" ""',
    "LIST (REMOTE) of a private one": 'LIST (REMOTE) "" INBOX',
}
ONCE = ['RLIST "" "*"', 'RLIST "" "Shared/%"', 'RLIST "" Shared/sales',
        'LIST (REMOTE) "" "*"', 'LIST (REMOTE) "" ("Shared/*" "Team/*" "%")',
        'LIST (REMOTE SUBSCRIBED) "" "*"', 'RLSUB "" "*"',
        'LIST (REMOTE) "" "*" RETURN (CHILDREN SUBSCRIBED)']


def test_costs(sandbox: Sandbox, config: Config, dict_tap: DictTap) -> None:
    config.edit(referral={"imap_referral_mailboxes": None})
    with sandbox.session("alice") as client:
        client.ok("SUBSCRIBE Shared/local")
        # The tap does see what there is to be seen.
        wait_for(lambda: iterations(dict_tap.asked(
            lambda: client.ok('RLIST "" "*"'))))
        for command in FREE.values():
            assert not dict_tap.asked(lambda: client.ok(command)), command
        for command in ONCE:
            asked = dict_tap.asked(lambda: client.ok(command))
            assert len(asked) == iterations(asked) <= 1, command
        client.ok("UNSUBSCRIBE Shared/local")


def test_costs_with_remote_subscriptions(
        sandbox: Sandbox, config: Config, dict_tap: DictTap) -> None:
    config.edit()
    with sandbox.session("alice") as client:
        client.ok(f"SUBSCRIBE {SALES}")
        for command in ('LSUB "" "*"', 'LIST (SUBSCRIBED) "" "*"',
                        'LIST "" "*" RETURN (SUBSCRIBED)', 'LIST "" "*"'):
            asked = dict_tap.asked(lambda: client.ok(command))
            assert iterations(asked) == 0, command
        client.ok(f"UNSUBSCRIBE {SALES}")


# --- the directory cannot be asked

@pytest.fixture
def broken(request: pytest.FixtureRequest, sandbox: Sandbox
           ) -> Iterator[Callable[[], None]]:
    """Makes the directory or its dict fail when called."""
    def down() -> None:
        sandbox.stop("ldap1")
        # With nothing in memory there is nothing to answer from.
        sandbox.end_dict()

    with contextlib.ExitStack() as stack:
        def hung() -> None:
            stack.enter_context(sandbox.hung_dict())

        yield {"down": down, "hung": hung}[request.param]
    sandbox.start("ldap1")
    sandbox.wait_until_asked_again()


@pytest.mark.parametrize("broken", ["down", "hung"], indirect=True)
def test_local_ones_are_listed_at_least(
        subscribed: Imap, broken: Callable[[], None]) -> None:
    broken()
    wait_for(lambda: subscribed.command('RLIST "" "*"').status == "NO")
    for command, kind in (('RLIST "" "*"', "LIST"),
                          ('RLIST "" "Shared/%"', "LIST"),
                          ('LIST (REMOTE) "" "*"', "LIST"),
                          ('LIST (REMOTE SUBSCRIBED) "" "*"', "LIST"),
                          ('RLSUB "" "*"', "LSUB")):
        start = time.monotonic()
        reply = subscribed.command(command)
        assert time.monotonic() - start < ANSWER_SECS
        assert reply.tagged.startswith("NO [UNAVAILABLE]"), command
        assert "Shared/local" in reply.listed(kind)


def test_broken_off_in_the_middle(sandbox: Sandbox, config: Config,
                                  dict_tap: DictTap) -> None:
    config.edit()
    with sandbox.session("alice") as client:
        wait_for(lambda: SALES in client.command('RLIST "" "*"').listed())
        dict_tap.hold()
        before = len(dict_tap.lines)
        client.send(b'a RLIST "" "Shared/%"\r\nb LIST "" INBOX\r\n')
        wait_for(lambda: len(dict_tap.lines) > before)
        dict_tap.cut()
        dict_tap.release()
        reply = client.reply(b"a")
        # Asked again, or said to be incomplete.
        assert set(reply.listed()) == LEVEL_1 if reply.status == "OK" \
            else reply.tagged.startswith("NO [UNAVAILABLE]")
        assert "Shared/local" in reply.listed()
        assert set(client.reply(b"b").listed()) == {"INBOX"}
        wait_for(lambda: set(client.command('RLIST "" "Shared/%"').listed())
                 == LEVEL_1)


@pytest.mark.parametrize("broken", ["down", "hung"], indirect=True)
def test_plain_lists_do_not_need_it(subscribed: Imap,
                                    broken: Callable[[], None]) -> None:
    expected = subscribed.ok('LIST "" "*"').listed()
    broken()
    for command in ('LIST "" "*"', 'LIST "" "Shared/%"', 'RLIST "" ""'):
        start = time.monotonic()
        subscribed.ok(command)
        assert time.monotonic() - start < 1, command
    assert subscribed.ok('LIST "" "*"').listed() == expected
    # Nor do these; what may be remote is not shown.
    rows = subscribed.ok('LSUB "" "*"').listed("LSUB")
    assert set(rows) == {"Shared/local"}
    assert set(listed(subscribed, 'LIST (SUBSCRIBED) "" "*"')) \
        == {"Shared/local"}


def test_special_use_of_a_remote_mailbox(sandbox: Sandbox,
                                         config: Config) -> None:
    """What this server's settings say of it does not hide that it is remote."""
    config.edit(dovecot="namespace shared {\n  mailbox sales {\n"
                "    special_use = \\Archive\n  }\n}\n")
    with sandbox.session("alice") as client:
        assert r"\Remote" in listed(client, 'LIST (REMOTE) "" "*"')[SALES]


def test_inbox_is_listed_without_the_directory(sandbox: Sandbox,
                                               ldap1) -> None:
    with sandbox.session("alice") as client:
        ldap1()
        sandbox.end_dict()
        for command in ('RLIST "" "*"', 'LIST (REMOTE) "" "*"'):
            reply = client.command(command)
            assert reply.tagged.startswith("NO [UNAVAILABLE]"), command
            assert any(line.endswith(" INBOX") for line in reply.untagged)


def test_status_of_all_with_remote_ones_waits_once(sandbox: Sandbox) -> None:
    with sandbox.session("alice") as client:
        with sandbox.hung_dict():
            start = time.monotonic()
            reply = client.command(
                'LIST (REMOTE) "" "*" RETURN (STATUS (MESSAGES))')
            assert time.monotonic() - start < ANSWER_SECS
        assert reply.tagged.startswith("NO [UNAVAILABLE]")
        assert not [line for line in reply.untagged if "* NO" in line]
        wait_for(lambda: client.command(f"SELECT {SALES}").referral)


@pytest.mark.skipif(not dovecot.IS_2_3, reason="aliases are set up as 2.3 "
                    "wants it; what is tested is the same code")
def test_alias_of_a_namespace(sandbox: Sandbox, config: Config) -> None:
    """Another way to the same mailboxes, and so to the same servers."""
    shared = Path(sandbox.env["SANDBOX_DIR"]) / "imap1" / "shared"
    config.edit(dovecot=dovecot.namespace_at(
        "alias", "maildir", shared, type="public", prefix="Alias/",
        separator="/", subscriptions="no", list="yes",
        # 2.3 wants the prefix, 2.4 the name
        alias_for="Shared/" if dovecot.IS_2_3 else "shared"))
    with sandbox.session("alice") as client:
        referral = sandbox.mailbox_referral("alice", 2, SALES)
        assert client.command("SELECT Alias/sales").tagged == referral
        assert client.command("CREATE Alias/sales/x").tagged == \
            sandbox.mailbox_referral("alice", 2, f"{SALES}/x")
        assert client.command("SELECT Alias/local").referral is None
        assert r"\Remote" in listed(
            client, 'LIST (REMOTE) "" "Alias/*"')["Alias/sales"]
