"""Values of the directory are not trusted."""

from __future__ import annotations

import re

import pytest

from conftest import Dicts, Directory
from sandbox import (Dict, DictFailure, Log, Sandbox, at_once, short,
                     wait_for)
from taps import LdapTap
from wire import LOGINS

# For an attribute that holds host[:port] or imap://host[:port]/
BAD_HOSTS = {
    "no host name": "not$a$host.example.org",
    "two dots": "bad..example.org",
    "dash": "-bad.example.org",
    "long label": "b" * 64 + ".example.org",
    "long name": "bad." * 70 + "example.org",
    "not IPv6": "[2001:db8::bad::1]",
    "not IPv4": "192.0.2.999",
    "open bracket": "[2001:db8::bad",
    "at sign": "alice@bad.example.org",
    "semicolon": "bad.example.org;AUTH=*",
    "control character": "bad.example.org\x01",
    "tab": "bad.example.org\tx",
    "delete": "bad\x7f.example.org",
    "CR LF": "bad.example.org\r\n* BYE injected",
    "CR LF in brackets": "[bad\r\n* BYE injected",
    "LF": "bad.example.org\n* BYE injected",
    "percent": "bad%2eexample.org",
    "percent with switch": "bad.example.org%2Fssl",
    "bracket": "bad.example.org]",
    "bracket and text": "bad.example.org/] injected [",
    "port 0": "bad.example.org:0",
    "port 65536": "bad.example.org:65536",
    "huge port": "bad.example.org:99999999999999999999",
    "negative port": "bad.example.org:-1",
    "port name": "bad.example.org:imap",
    "no port": "bad.example.org:",
    "two ports": "bad.example.org:143:143",
    "empty": "",
    "blank": "   ",
    "http": "http://bad.example.org/",
    "imaps": "imaps://bad.example.org/",
    "ldap": "ldap://bad.example.org/",
    "no scheme": "//bad.example.org/",
    "no host": "imap:///",
    "no host but a port": "imap://:143/",
    "no host but a user": "imap://alice@/",
    "uri, port": "imap://bad.example.org:70000/",
    "uri, percent": "imap://bad%2eexample.org/",
    "uri, CR LF": "imap://bad.example.org/\r\n* BYE injected",
    "uri, bracket": "imap://bad.example.org]/",
    "uri, host": "imap://not$a$host.example.org/",
}

# For an attribute that holds imap://host[:port]/mailbox. @ is the mailbox.
BAD_URIS = {
    "host": "imap://not$a$host.example.org/@",
    "two dots": "imap://bad..example.org/@",
    "control character": "imap://bad.example.org\x01/@",
    "control character in the path": "imap://bad.example.org/@\x01",
    "CR LF": "imap://bad.example.org\r\n* BYE injected/@",
    "CR LF in the path": "imap://bad.example.org/@\r\n* BYE injected",
    "encoded CR LF": "imap://bad.example.org/@%0D%0A*%20BYE%20injected",
    "encoded NUL": "imap://bad.example.org/@%00",
    "percent": "imap://bad%2eexample.org/@",
    "half an escape": "imap://bad.example.org/@%2",
    "bracket": "imap://bad.example.org]/@",
    "port 0": "imap://bad.example.org:0/@",
    "port 65536": "imap://bad.example.org:65536/@",
    "imaps": "imaps://bad.example.org/@",
    "no host": "imap:///@",
    "no host but a port": "imap://:143/@",
    "only a path": "/@",
    "encoded invalid UTF-8": "imap://bad.example.org/@%FF",
}

# Hosts in an attribute that is an IA5String, so slapd takes only ASCII.
BAD_HOSTS_UTF8 = {
    "not ASCII": "bäd.example.org",
    "full-width dot": "bad．example.org",
}


def expect_no_injection(log: Log) -> None:
    """Neither a line of its own in the log, nor a control character."""
    for line in log.text().splitlines():
        assert not line.startswith("* BYE")
    assert "injected\r" not in log.text()
    assert not re.search(r"[\x01-\x08\x0b-\x1f\x7f]",
                         "".join(line for line in log.lines("bad")))


# --- homes

@pytest.mark.parametrize("value", BAD_HOSTS.values(), ids=BAD_HOSTS)
def test_bad_home(dicts: Dicts, directory: Directory, log: Log,
                  value: str) -> None:
    dn = directory.add_person("test", mailHost=value)
    # A short TTL, so that the second time is a second search.
    asked = dicts.make(home_ttl="1ms", home_negative_ttl="1ms")
    failure = asked.fails("home", "test")
    assert failure, "a bad value is not `no value`"
    assert "bad" not in failure and "injected" not in failure
    assert asked.fails("home", "test")
    log.wait(dn)
    assert len(log.lines(dn)) == 1
    expect_no_injection(log)
    # Others are not touched.
    assert asked.home("bob")


@pytest.mark.parametrize("value", [*BAD_HOSTS_UTF8.values(),
                                   *[value for value in BAD_HOSTS.values()
                                     if value.strip()]],
                         ids=[*BAD_HOSTS_UTF8,
                              *[name for name in BAD_HOSTS
                                if BAD_HOSTS[name].strip()]])
def test_usable_second_home(dicts: Dicts, directory: Directory, log: Log,
                            value: str) -> None:
    dn = directory.add_person("test", labeledURI=[
        value, "imap://imap2.example.org/"])
    asked = dicts.make(home_attribute="labeledURI")
    assert asked.home("test") == "imap://imap2.example.org/"
    log.wait(dn)
    expect_no_injection(log)


def test_bad_homes_only(dicts: Dicts, directory: Directory) -> None:
    directory.add_person("test", labeledURI=["http://bad.example.org/",
                                             "imap:///"])
    assert dicts.make(home_attribute="labeledURI").fails("home", "test")


# The ones that could do most harm go over the wire as well.
ON_THE_WIRE = ["no host name", "CR LF", "CR LF in brackets", "LF", "percent",
               "bracket and text", "port 65536", "empty", "http", "no host",
               "control character", "uri, CR LF"]


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_login_with_a_bad_home(sandbox: Sandbox, directory: Directory,
                               log: Log, name: str) -> None:
    directory.set_home("dave", BAD_HOSTS[name])
    wait_for(lambda: sandbox.login("dave").status != "OK")

    def check(mechanism: str) -> None:
        login, _ = LOGINS[mechanism]
        with sandbox.imap() as client:
            reply = login(client, "dave", sandbox.password)
            assert reply.tagged.startswith("NO [UNAVAILABLE]")
            client.ok("NOOP")
            assert b"REFERRAL imap" not in client.received
            assert b"bad" not in client.received
            assert b"injected" not in client.received
            assert b"dc=example" not in client.received
    at_once(check, LOGINS)
    assert log.lines(directory.person("dave"))
    expect_no_injection(log)
    assert sandbox.login("alice").status == "OK"


# --- mailboxes

def expect_mailbox_failure(asked: Dict, name: str) -> None:
    for mailbox in (name, f"{name}/below"):
        failure = asked.fails("mailbox", mailbox)
        assert failure, "a bad value is not `no value`"
        assert "bad" not in failure.replace(name, "")
    assert asked.mailbox("Shared/sales")


@pytest.mark.parametrize("value", BAD_HOSTS.values(), ids=BAD_HOSTS)
def test_bad_host_of_a_mailbox(dicts: Dicts, directory: Directory, log: Log,
                               value: str) -> None:
    dn = directory.add_mailbox("Shared/test", mailHost=value)
    asked = dicts.make(mailbox_refresh="1h")
    expect_mailbox_failure(asked, "Shared/test")
    assert "Shared/test" not in asked.mailboxes()
    log.wait(dn)
    expect_no_injection(log)


@pytest.mark.parametrize("value", BAD_URIS.values(), ids=BAD_URIS)
def test_bad_uri_of_a_mailbox(dicts: Dicts, directory: Directory, log: Log,
                              value: str) -> None:
    dn = directory.add_mailbox("Shared/test",
                               labeledURI=value.replace("@", "Shared/test"))
    asked = dicts.make(mailbox_refresh="1h")
    expect_mailbox_failure(asked, "Shared/test")
    log.wait(dn)
    assert not [name for name in asked.mailboxes() if "test" in name]
    expect_no_injection(log)


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "ldap"])
def test_other_uri(dicts: Dicts, directory: Directory, log: Log,
                   scheme: str) -> None:
    """A web page is nothing bad, and no mailbox."""
    uri = f"{scheme}://www.example.org/Shared/test Our page"
    dn = directory.add_mailbox("Shared/page", labeledURI=[
        uri, "imap://imap2.example.org/Shared/good"])
    other = directory.add_mailbox("Shared/pages", labeledURI=uri)
    asked = dicts.make(mailbox_refresh="1h")
    assert asked.mailbox("Shared/good") == \
        "imap://imap2.example.org/Shared/good"
    for name in ("Shared/test", "Shared/page", "Shared/pages"):
        assert asked.mailbox(name) is None
    assert not log.lines(dn) and not log.lines(other)


@pytest.mark.parametrize("value", BAD_URIS.values(), ids=BAD_URIS)
def test_usable_second_uri(dicts: Dicts, directory: Directory, log: Log,
                           value: str) -> None:
    dn = directory.add_mailbox("Shared/test", labeledURI=[
        value.replace("@", "Shared/test"),
        "imap://imap2.example.org/Shared/test"])
    asked = dicts.make(mailbox_refresh="1h")
    assert asked.mailbox("Shared/test") == \
        "imap://imap2.example.org/Shared/test"
    assert asked.mailbox("Shared/test/x") == \
        "imap://imap2.example.org/Shared/test/x"
    log.wait(dn)
    expect_no_injection(log)


@pytest.mark.parametrize("name", [
    "Shared/test\x01", "Shared/test\r\n* BYE injected", "/", "Shared//test",
    "/Shared/test", "Shared/" + "x" * 10000], ids=short)
def test_bad_name_of_a_mailbox(sandbox: Sandbox, dicts: Dicts,
                               directory: Directory, log: Log,
                               name: str) -> None:
    """The entry is logged, and everything else works as before."""
    dn = directory.add(f"ou=badname,ou=mailboxes,{sandbox.env['LDAP_BASE']}",
                       ["organizationalUnit", "inetLocalMailRecipient"],
                       {"ou": "badname", "description": name,
                        "mailHost": "127.0.10.2"})
    asked = dicts.make(mailbox_refresh="1h",
                       mailbox_name_attribute="description")
    assert "Shared/sales" in asked.mailboxes()
    assert not [row for row in asked.mailboxes() if "test" in row]
    log.wait(dn)
    expect_no_injection(log)


def test_mailbox_without_a_name(dicts: Dicts, directory: Directory) -> None:
    directory.add_mailbox("Shared/test", mailHost="127.0.10.2")
    asked = dicts.make(mailbox_refresh="1h", mailbox_name_attribute="ou")
    assert list(asked.mailboxes()) == ["Shared/sales"]


def test_uri_of_a_server_only(dicts: Dicts, directory: Directory) -> None:
    """It does not say which mailbox."""
    directory.add_mailbox("Shared/test",
                          labeledURI="imap://imap2.example.org/")
    asked = dicts.make(mailbox_refresh="1h")
    assert "" not in asked.mailboxes()
    assert asked.mailbox("Shared/sales")


def test_a_bad_mailbox_is_logged_once(dicts: Dicts, directory: Directory,
                                      tap: LdapTap, log: Log) -> None:
    """Not at each refresh."""
    # An entry that other dicts do not find, as each of them would log it.
    dn = directory.add_mailbox("Shared/test",
                               description="not$a$host.example.org")
    asked = dicts.make(uris=tap.uri, mailbox_refresh="1s",
                       mailbox_filter="(&(cn=Shared/test)(description=*))",
                       mailbox_host_attribute="description")
    assert asked.fails("mailbox", "Shared/test")
    seen = len(tap.loads())
    wait_for(lambda: len(tap.loads()) > seen + 3)
    assert len(log.lines(dn)) == 1


WIRE_COMMANDS = ["SELECT {}", "STATUS {} (MESSAGES)", "CREATE {}/below",
                 "DELETE {}", "APPEND {} {{5}}", "SUBSCRIBE {}"]


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_commands_with_a_bad_mailbox(sandbox: Sandbox, directory: Directory,
                                     log: Log, name: str) -> None:
    # A name of its own, so that what is seen is not of the test before.
    mailbox = f"Shared/test{ON_THE_WIRE.index(name)}"
    dn = directory.add_mailbox(mailbox, mailHost=BAD_HOSTS[name])
    with sandbox.session("alice") as client:
        wait_for(lambda: "UNAVAILABLE" in
                 client.command(f"SELECT {mailbox}").tagged)
        for command in WIRE_COMMANDS:
            reply = client.command(command.format(mailbox))
            assert reply.tagged.startswith("NO [UNAVAILABLE]"), command
            assert not reply.continuations
        client.ok("NOOP")
        assert b"REFERRAL imap" not in client.received
        assert b"bad" not in client.received
        assert b"injected" not in client.received
        assert b"dc=example" not in client.received
        assert client.command("SELECT Shared/sales").referral
    assert log.lines(dn)
    expect_no_injection(log)


def test_many_bad_values_in_one_entry(dicts: Dicts, directory: Directory,
                                      log: Log) -> None:
    values = [f"http://bad{number}.example.org/x" for number in range(500)]
    directory.add_person("test", labeledURI=[*values,
                                             "imap://imap2.example.org/"])
    asked = dicts.make(home_attribute="labeledURI")
    assert asked.home("test") == "imap://imap2.example.org/"


def test_huge_value(dicts: Dicts, directory: Directory) -> None:
    directory.add_person("test", mailHost="x" * 100_000)
    with pytest.raises(DictFailure):
        dicts.make().home("test")


def test_two_entries_for_one_user(sandbox: Sandbox, dicts: Dicts,
                                  directory: Directory, log: Log) -> None:
    """Which of them is right cannot be known."""
    directory.add_person("test", mailHost="imap2.example.org")
    directory.add(f"uid=test,ou=mailboxes,{sandbox.env['LDAP_BASE']}",
                  ["inetOrgPerson", "inetLocalMailRecipient"],
                  {"uid": "test", "cn": "x", "sn": "x",
                   "mailHost": "imap3.example.org"})
    assert dicts.make().fails("home", "test")
    log.wait("test")
