"""Variables in filters, bases and names: whatever is in a user's name or a
mailbox's name, it stays a name."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import ldap3
import pytest

from conftest import Dicts, Directory
from sandbox import Sandbox, short
from taps import LdapTap

HOST = "imap7.example.org"
HOME = f"imap://{HOST}/"
# Nobody else has that.
OURS = f"(mailHost={HOST})"

# What means something in filters (RFC 4515), in DNs (RFC 4514), in templates
# or in shells.
ODD = ["a*", "*", "a)(uid=*", "(", ")", "a\\", "\\2a", "a\\2a", "|(uid=x",
       "&", "!", "a,b", "a, b", "a+b", 'a"b', '"ab"', "a;b", "<a>", "#a",
       "a=b", "uid=a,dc=b", "=", ",", "+", "\\,", "%", "%%", "%{user}",
       "%{domain}", "%s%n", "b\u00fcro", "\u65e5\u672c", "\U0001f600", "a'b",
       "a b", "../a", "a:b", "$(a)", "`a`"]


@pytest.fixture
def domains(directory: Directory) -> Iterator[str]:
    """A base with a base for each domain in it."""
    base = directory.person("x").partition(",")[2]
    yield base


def add_domain(directory: Directory, base: str, domain: str) -> str:
    escaped = ldap3.utils.dn.escape_rdn(domain)
    return directory.add(f"ou={escaped},{base}", ["organizationalUnit"],
                         {"ou": domain})


def add_user(directory: Directory, base: str, uid: str,
             host: str = HOST) -> str:
    escaped = ldap3.utils.dn.escape_rdn(uid)
    return directory.add(f"uid={escaped},{base}",
                         ["inetOrgPerson", "inetLocalMailRecipient"],
                         {"uid": uid, "cn": "x", "sn": "x", "mailHost": host})


SETTINGS = {"default_port": "143"}


@pytest.mark.parametrize("user", ODD, ids=short)
def test_user_in_a_filter(dicts: Dicts, directory: Directory, domains: str,
                          user: str) -> None:
    """Found by its name, and nothing but it."""
    add_user(directory, domains, user)
    asked = dicts.make(**SETTINGS, home_base=domains,
                       home_filter="(&(objectClass=inetOrgPerson)"
                       "(uid=%{user})(mailHost=imap7.example.org))")
    assert asked.home(user) == HOME
    assert asked.home("x" + user) is None
    assert asked.home(user + "x") is None


def test_users_that_are_not_there(dicts: Dicts, directory: Directory,
                                  domains: str) -> None:
    add_user(directory, domains, "a")
    asked = dicts.make(**SETTINGS, home_base=domains,
                       home_filter="(&(uid=%{user})" + OURS + ")")
    for user in [*ODD, b"a\xff", b"\xc3", "a\nb", "a\r\n"]:
        assert asked.finds_nothing("home", user), user
    assert asked.home("a") == HOME


@pytest.mark.parametrize("user", ODD, ids=short)
def test_user_in_a_base(dicts: Dicts, directory: Directory, domains: str,
                        user: str) -> None:
    """The user's entry is the base: no other name leads there."""
    add_user(directory, domains, user)
    add_user(directory, domains, "other", "imap8.example.org")
    asked = dicts.make(**SETTINGS, home_base=f"uid=%{{user}},{domains}",
                       home_scope="base",
                       home_filter="(|(uid=%{user})(uid=*))")
    assert asked.home(user) == HOME
    assert asked.home("other") == "imap://imap8.example.org/"
    assert asked.home("x" + user) is None


@pytest.mark.parametrize("domain", ODD, ids=short)
def test_domain_in_a_base(dicts: Dicts, directory: Directory, domains: str,
                          domain: str) -> None:
    base = add_domain(directory, domains, domain)
    add_user(directory, base, "joe")
    other = add_domain(directory, domains, "other.example.org")
    add_user(directory, other, "joe", "imap8.example.org")
    asked = dicts.make(**SETTINGS, home_base=f"ou=%{{domain}},{domains}",
                       home_filter="(uid=%{username})")
    assert asked.home(f"joe@{domain}") == HOME
    assert asked.home("joe@other.example.org") == "imap://imap8.example.org/"
    assert asked.home(f"ann@{domain}") is None
    # Not an error: there is no such domain, and so no such user.
    assert asked.home("joe@nowhere.example.org") is None
    assert asked.home(f"joe@{domain}x") is None


def test_no_domain(dicts: Dicts, directory: Directory, domains: str,
                   tap: LdapTap) -> None:
    """Nobody to be found, and nothing to be asked."""
    base = add_domain(directory, domains, "example.org")
    add_user(directory, base, "joe")
    asked = dicts.make(**SETTINGS, uris=tap.uri,
                       home_base=f"ou=%{{domain}},{domains}",
                       home_filter="(uid=%{username})")
    assert asked.home("joe@example.org") == HOME
    searches = tap.home_searches("joe")
    for user in ("joe", "joe@", "@", "@example.org"):
        assert asked.home(user) is None
    assert tap.home_searches("joe") == searches


def test_syntax_of_a_domain(sandbox: Sandbox, dicts: Dicts) -> None:
    """dc is ASCII: what cannot be a DN there is no user either."""
    asked = dicts.make(home_base=f"dc=%{{domain}},{sandbox.env['LDAP_BASE']}")
    for domain in ("b\u00fccher.example", "a*", "a,b", " "):
        assert asked.home(f"joe@{domain}") is None


def test_a_base_that_is_wrong_for_all(sandbox: Sandbox,
                                      dicts: Dicts) -> None:
    """Nobody is there, and the administrator hears of it."""
    asked = dicts.make(home_base=f"ou=nowhere,{sandbox.env['LDAP_BASE']}")
    assert asked.fails("home", "joe@example.org")
    # So does %{hostname}, which is the same for all users.
    asked = dicts.make(
        home_base=f"ou=%{{hostname}},{sandbox.env['LDAP_BASE']}")
    assert asked.fails("home", "joe@example.org")


def test_hostname(sandbox: Sandbox, dicts: Dicts, directory: Directory,
                  domains: str) -> None:
    host = socket.gethostname()
    base = add_domain(directory, domains, host)
    add_user(directory, base, "joe")
    directory.add(f"cn=x,{base}", ["applicationProcess", "labeledURIObject"],
                  {"cn": "x", "l": host, "labeledURI": "imap://a/Shared/x"})
    asked = dicts.make(**SETTINGS, home_base=f"ou=%{{hostname}},{domains}",
                       mailbox_base=f"ou=%{{hostname}},{domains}",
                       mailbox_filter="(&(labeledURI=*)(l=%{hostname}))")
    assert asked.home("joe") == HOME
    assert asked.mailboxes() == {"Shared/x": "imap://a/Shared/x"}


# Names that mailboxes may have, and as they are written in URLs.
NAMES = {"plain": "plain", "a*": "a%2A", "a,b": "a%2Cb", 'a"b': "a%22b",
         "a\\b": "a%5Cb", "a(b)": "a%28b%29", "%{mailbox}": "%25%7Bmailbox%7D",
         "50%": "50%25", "b\u00fcro": "b%C3%BCro", "a&b": "a%26b",
         "a b": "a%20b", "a?b#c": "a%3Fb%23c", "a;b": "a%3Bb"}


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_mailbox_in_names(dicts: Dicts, directory: Directory,
                          name: str) -> None:
    """Here, and there."""
    directory.add_mailbox(name, mailHost=HOST)
    asked = dicts.make(**SETTINGS, mailbox_filter=OURS,
                       mailbox_name_template="Shared/%{mailbox}")
    assert asked.mailboxes() == {
        f"Shared/{name}": f"imap://{HOST}/Shared/{NAMES[name]}"}
    asked = dicts.make(**SETTINGS, mailbox_filter=OURS,
                       mailbox_name_template="Shared/%{mailbox}/100%%",
                       mailbox_target_template="user/%{mailbox}.x")
    assert asked.mailboxes() == {
        f"Shared/{name}/100%": f"imap://{HOST}/user/{NAMES[name]}.x"}


def test_target_of_an_attribute(dicts: Dicts, directory: Directory) -> None:
    for name, target in (("a", ["there/a"]), ("b", []),
                         ("c", ["z/c", "y/c"]), ("d", ["bad//d"])):
        dn = directory.add_mailbox(name, mailHost=HOST)
        directory.set(dn, description=target)
    settings = {**SETTINGS, "mailbox_filter": OURS,
                "mailbox_target_attribute": "description"}
    asked = dicts.make(**settings)
    assert asked.mailboxes() == {
        "a": f"imap://{HOST}/there/a", "b": f"imap://{HOST}/b",
        "c": f"imap://{HOST}/y/c"}
    # It is listed, but nobody knows where it is.
    assert asked.fails("mailbox", "d")
    asked = dicts.make(**settings,
                       mailbox_name_template="Shared/%{mailbox}",
                       mailbox_target_template="x/%{mailbox}")
    assert asked.mailboxes() == {
        "Shared/a": f"imap://{HOST}/x/there/a",
        "Shared/b": f"imap://{HOST}/x/b",
        "Shared/c": f"imap://{HOST}/x/y/c"}


def test_names_that_come_out_wrong(dicts: Dicts,
                                   directory: Directory) -> None:
    """They are left out, and said once; the others are there."""
    for name in ("good", "/bad", "bad/", "a//b"):
        directory.add_mailbox(name, mailHost=HOST)
    asked = dicts.make(**SETTINGS, mailbox_filter=OURS,
                       mailbox_name_template="Shared/%{mailbox}")
    assert set(asked.mailboxes()) == {"Shared/good"}


WRONG = {
    "no value": ("referral_ldap_home_filter = (%{user}=x)", "values"),
    "half an escape": (r"referral_ldap_home_filter = (uid=\2%{user})",
                       "hexadecimal"),
    "no filter": ("referral_ldap_home_filter = (&(uid=%{user})(x))",
                  "valid LDAP filter"),
    "no user": ("referral_ldap_home_filter = (l=%{hostname})",
                r"%\{user\}"),
    "mailbox in a home's filter": (
        "referral_ldap_home_filter = (uid=%{mailbox})", r"%\{user\}"),
    "user in a mailbox's filter": (
        "referral_ldap_mailbox_filter = (cn=%{user})", r"%\{hostname\}"),
    "user in a mailbox's base": (
        "referral_ldap_mailbox_base = ou=%{domain},dc=a", r"%\{hostname\}"),
    "DN in a home's base": (
        "referral_ldap_home_base = ou=x,%{user_dn}", r"%\{domain\}"),
    "RDN": ("referral_ldap_home_base = %{domain},dc=a", "values"),
    "half an escape in a DN": (
        r"referral_ldap_home_base = ou=\%{domain},dc=a", r"after each"),
    "percent": ("referral_ldap_home_base = ou=50%,dc=a", "%%"),
    "name": ("referral_ldap_mailbox_name_template = Shared/x",
             r"%\{mailbox\}"),
    "target": ("referral_ldap_mailbox_target_template = %{user}",
               r"%\{mailbox\}"),
}


@pytest.mark.parametrize("line, expectation", WRONG.values(), ids=WRONG)
def test_wrong_settings_line(dicts: Dicts, log, line: str,
                             expectation: str) -> None:
    dicts.expect_complaint(log, line, expectation)
