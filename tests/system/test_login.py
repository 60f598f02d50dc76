"""Home server referrals at login (RFC 2221), on imap1: home of alice."""

from __future__ import annotations

import os
import poplib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import ANSWER_SECS, Dict, Sandbox, at_once, short, wait_for
from wire import LOGINS, Imap, Reply, b64

SKIP = "skip = unauthenticated"


def expect_referral(reply: Reply, user: str, mechanism: str,
                    server: str) -> None:
    host = server.rpartition(":")[0] if server[-1].isdigit() and \
        ":" in server else server
    assert reply.tagged == (
        f"NO [REFERRAL imap://{user};AUTH={mechanism}@{server}/] "
        f"Use IMAP server {host.strip('[]')} for this account.")


def expect_refused(client: Imap, reply: Reply) -> None:
    assert reply.status == "NO", reply
    assert b"REFERRAL imap" not in client.received
    assert b"127.0.10." not in client.received


def wait_for_referral(sandbox: Sandbox, user: str, server: str) -> Reply:
    """Wait until the cache has forgotten what was before."""
    return wait_for(lambda: reply if f"@{server}/]" in
                    (reply := sandbox.login(user)).tagged else None)


@pytest.fixture(params=[False, True], ids=["plain port", "TLS port"])
def tls(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(params=LOGINS)
def mechanism(request: pytest.FixtureRequest) -> str:
    return request.param


# --- the right password

def test_home_elsewhere_is_referred(sandbox: Sandbox, mechanism: str,
                                    tls: bool) -> None:
    login, name = LOGINS[mechanism]
    with sandbox.imap(1, tls) as client:
        reply = login(client, "bob", sandbox.password)
        expect_referral(reply, "bob", name, sandbox.server(2))
        # Still there, and not logged in.
        assert client.command("SELECT INBOX").status == "BAD"
        assert client.command("NOOP").status == "OK"


def test_home_here_logs_in(sandbox: Sandbox, mechanism: str,
                           tls: bool) -> None:
    login, _ = LOGINS[mechanism]
    with sandbox.imap(1, tls) as client:
        assert login(client, "alice", sandbox.password).status == "OK"
        client.ok("SELECT INBOX")


@pytest.mark.parametrize("user, number", [("alice", 1), ("bob", 2),
                                          ("carol", 3)])
def test_everybody_logs_in_at_home(sandbox: Sandbox, user: str,
                                   number: int) -> None:
    assert sandbox.login(user, number).status == "OK"


def test_host_that_does_not_exist_is_referred_to(sandbox: Sandbox) -> None:
    # Which servers exist is the directory's business.
    port = sandbox.server(2).partition(":")[2]
    expect_referral(sandbox.login("erin"), "erin", "PLAIN",
                    f"imap9.example.org:{port}")


def test_home_by_ipv6_address(sandbox: Sandbox,
                              directory: Directory) -> None:
    directory.set_home("dave", "[2001:db8::1]:1143")
    server = "[2001:db8::1]:1143"
    expect_referral(wait_for_referral(sandbox, "dave", server), "dave",
                    "PLAIN", server)


def test_port_143_is_not_written(sandbox: Sandbox,
                                 directory: Directory) -> None:
    directory.set_home("dave", "imap2.example.org:143")
    server = "imap2.example.org"
    expect_referral(wait_for_referral(sandbox, "dave", server), "dave",
                    "PLAIN", server)


def test_ipv6_address_without_a_port(sandbox: Sandbox,
                                     directory: Directory) -> None:
    directory.set_home("dave", "[2001:db8::1]:143")
    expect_referral(wait_for_referral(sandbox, "dave", "[2001:db8::1]"),
                    "dave", "PLAIN", "[2001:db8::1]")


@pytest.fixture
def users(config: Config) -> Iterator[Path]:
    """imap1's passwd-file."""
    path = config.dovecot.with_name("users")
    before = path.read_text()
    yield path
    path.write_text(before)


@pytest.mark.parametrize("template, name", [
    (None, "dave%40example.org"),
    ("%{username}", "dave"),
    ("x-%{username}%%%{domain}", "x-dave%25example.org"),
    ("%{domain} ] \"%{user}", "example.org%20%5d%20%22dave%40example.org"),
])
def test_name_at_the_home_server(sandbox: Sandbox, directory: Directory,
                                 config: Config, users: Path,
                                 template: str | None, name: str) -> None:
    users.write_text(users.read_text()
                     + "dave@example.org:{PLAIN}secret::::::\n")
    directory.set_home("dave", sandbox.address(2)[0])
    config.edit(referral={"imap_referral_login_user": template},
                ldap={"referral_ldap_home_filter": "(mail=%{user})"})
    expect_referral(sandbox.login("dave@example.org"), name, "PLAIN",
                    sandbox.server(2))
    with sandbox.imap() as client:
        expect_refused(client, client.login("dave@example.org", "wrong"))
    # The same at home, for mailboxes that are elsewhere.
    directory.set_home("dave", sandbox.address(1)[0])
    wait_for(lambda: sandbox.login("dave@example.org").status == "OK")
    with sandbox.session("dave@example.org") as client:
        referral = client.command("SELECT Shared/sales").referral
        assert referral and referral.lower() == (
            f"imap://{name};AUTH=*@{sandbox.server(2)}/Shared/sales").lower()


@pytest.mark.parametrize("login", ["plain", "plain_initial", "login"])
def test_bye_before_the_refusal(sandbox: Sandbox, config: Config,
                                login: str) -> None:
    """imap_referral_login_bye: nothing is left to ask a password for."""
    config.edit(referral={"imap_referral_login_bye": "yes"})
    with sandbox.imap() as client:
        reply = getattr(client, login)("bob", sandbox.password)
        expect_referral(reply, "bob", "PLAIN", sandbox.server(2))
        assert reply.untagged == [
            f"* BYE [REFERRAL imap://bob;AUTH=*@{sandbox.server(2)}/] "
            f"Use IMAP server {sandbox.address(2)[0]} for this account."]
        with pytest.raises(EOFError):
            client.line()
    # Nobody else hears of it.
    with sandbox.imap() as client:
        reply = getattr(client, login)("bob", "wrong")
        expect_refused(client, reply)
        assert not reply.untagged
        assert getattr(client, login)("alice", sandbox.password).status == "OK"


def test_capabilities_before_the_login(sandbox: Sandbox) -> None:
    for tls in (False, True):
        with sandbox.imap(tls=tls) as client:
            words = client.greeting.partition("[CAPABILITY ")[2] \
                .partition("]")[0].split()
            assert {"LOGIN-REFERRALS", "MAILBOX-REFERRALS"} <= set(words)
            asked = client.ok("CAPABILITY").untagged[0].split()
            assert {"LOGIN-REFERRALS", "MAILBOX-REFERRALS"} <= set(asked)


def test_alias_of_this_server_is_here(sandbox: Sandbox, config: Config,
                                      directory: Directory) -> None:
    config.edit(referral={"imap_referral_aliases":
                          "old.example.org mail.example.org:1143"})
    for host in ("old.example.org", "mail.example.org:1143"):
        directory.set_home("bob", host)
        wait_for(lambda: sandbox.login("bob").status == "OK")


def test_no_home_logs_in_here(sandbox: Sandbox) -> None:
    assert sandbox.login("dave").status == "OK"


def test_no_home_can_be_refused(sandbox: Sandbox, config: Config) -> None:
    config.edit(referral={"imap_referral_no_home": "refuse"})
    with sandbox.imap() as client:
        expect_refused(client, client.login("dave", sandbox.password))
    # All others as before.
    assert sandbox.login("alice").status == "OK"
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))


def test_a_moved_user_is_referred_at_the_next_login(
        sandbox: Sandbox, directory: Directory) -> None:
    assert sandbox.login("alice").status == "OK"
    directory.set_home("alice", sandbox.address(3)[0])
    server = sandbox.server(3)
    expect_referral(wait_for_referral(sandbox, "alice", server), "alice",
                    "PLAIN", server)
    # And home again.
    directory.set_home("alice", sandbox.address(1)[0])
    wait_for(lambda: sandbox.login("alice").status == "OK")


def test_pop3_is_not_affected(sandbox: Sandbox) -> None:
    pop3 = poplib.POP3(sandbox.address(1)[0],
                       int(sandbox.env["IMAP1_POP3_PORT"]), timeout=30)
    pop3.user("bob")
    assert pop3.pass_(sandbox.password).startswith(b"+OK")
    pop3.quit()


# --- a wrong password

EVERYBODY = ["alice", "bob", "carol", "dave", "erin", "nobody"]


def test_wrong_password(sandbox: Sandbox, mechanism: str) -> None:
    login, _ = LOGINS[mechanism]

    def check(user: str) -> None:
        with sandbox.imap() as client:
            reply = login(client, user, "wrong")
            expect_refused(client, reply)
            assert reply.tagged.startswith("NO [AUTHENTICATIONFAILED]")
    at_once(check, EVERYBODY)


# --- the directory cannot be asked

def expect_unavailable(sandbox: Sandbox, user: str, mechanism: str) -> None:
    login, _ = LOGINS[mechanism]
    with sandbox.imap() as client:
        start = time.monotonic()
        reply = login(client, user, sandbox.password)
        assert time.monotonic() - start < ANSWER_SECS
        expect_refused(client, reply)
        assert reply.tagged.startswith("NO [UNAVAILABLE]")


def expect_nobody_logs_in(sandbox: Sandbox) -> None:
    # What was cached a moment ago may still be used.
    for user in ("alice", "bob"):
        wait_for(lambda: "UNAVAILABLE" in sandbox.login(user).tagged)
    at_once(lambda who: expect_unavailable(sandbox, *who),
            [*(("alice", mechanism) for mechanism in LOGINS),
             *((user, "PLAIN") for user in ("bob", "carol", "dave"))])
    with sandbox.imap() as client:
        expect_refused(client, client.login("alice", "wrong"))


def expect_well_again(sandbox: Sandbox) -> None:
    wait_for(lambda: sandbox.login("alice").status == "OK")
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Processes that go on after the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def test_ldap_server_is_down(sandbox: Sandbox, ldap1) -> None:
    ldap1()
    expect_nobody_logs_in(sandbox)
    sandbox.start("ldap1")
    expect_well_again(sandbox)


def test_ldap_server_hangs(sandbox: Sandbox) -> None:
    with sandbox.hung_ldap1():
        expect_nobody_logs_in(sandbox)
    expect_well_again(sandbox)


def test_dict_process_hangs(sandbox: Sandbox) -> None:
    sandbox.login("alice")
    with sandbox.hung_dict():
        expect_nobody_logs_in(sandbox)
    expect_well_again(sandbox)


@pytest.mark.kills
def test_dict_process_dies_with_a_login_waiting(
        sandbox: Sandbox, stopped: list[int]) -> None:
    sandbox.login("alice")
    pids = sandbox.dict_pids()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
    with sandbox.imap() as client:
        client.send(b"a LOGIN bob " + sandbox.password.encode() + b"\r\n")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        reply = client.reply(b"a")
        # Dovecot may have started a new one in time.
        assert reply.status == "NO"
        assert "UNAVAILABLE" in reply.tagged or \
            reply.referral == f"imap://bob;AUTH=PLAIN@{sandbox.server(2)}/"
    expect_well_again(sandbox)


def test_there_is_no_dict_process(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot="service dict-async {\n  unix_listener dict-async {\n"
                "    mode = 0\n  }\n}")
    expect_nobody_logs_in(sandbox)
    # Nor does one of them wait for the other: auth must not block.
    at_once(lambda user: expect_unavailable(sandbox, user, "PLAIN"),
            ["alice", "bob", "carol", "dave"] * 4)


def test_another_dict_answers(sandbox: Sandbox, config: Config) -> None:
    # No LDAP: any backend with the same keys will do.
    table = config.ldap.with_name("table")
    table.write_text("shared/imap-referral/home/dave\n"
                     "imap://imap3.example.org/\n")
    table.chmod(0o644)
    try:
        config.edit(dovecot=dovecot.file_dict("imap_referral", table))
        expect_referral(sandbox.login("dave"), "dave", "PLAIN",
                        "imap3.example.org")
        # Not found.
        assert sandbox.login("bob").status == "OK"
    finally:
        table.unlink()


# --- guests

# Where shared mailboxes are, who is at home elsewhere has to be let in:
# otherwise a client would be sent back and forth between the two servers.

@pytest.mark.parametrize("user, home", [("alice", 1), ("carol", 3)])
def test_guest_logs_in_where_shared_mailboxes_are(
        sandbox: Sandbox, mechanism: str, user: str, home: int) -> None:
    login, _ = LOGINS[mechanism]
    with sandbox.imap(2) as client:
        assert login(client, user, sandbox.password).status == "OK"
        client.ok("SELECT Shared/sales")
        assert client.command("SELECT INBOX").tagged == \
            sandbox.mailbox_referral(user, home, "INBOX")


def test_guest_with_a_wrong_password(sandbox: Sandbox) -> None:
    def check(mechanism: str) -> None:
        with sandbox.imap(2) as client:
            login, _ = LOGINS[mechanism]
            expect_refused(client, login(client, "alice", "wrong"))
    at_once(check, LOGINS)


def test_referral_needs_no_mailboxes(sandbox: Sandbox,
                                     config: Config) -> None:
    """Where the mailboxes are may be unknown: where homes are is not."""
    config.edit(ldap={"referral_ldap_mailbox_limit": "1"})
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))


def test_dict_process_ends_with_a_login_waiting(sandbox: Sandbox) -> None:
    """In an orderly way, as at a reload. A crash is found in the log."""
    sandbox.login("alice")
    dict_pids = sandbox.dict_pids()
    assert dict_pids
    with sandbox.hung_ldap1(), sandbox.imap() as client:
        # Longer ago than the cache remembers: it has to wait for slapd.
        wait_for(lambda: "UNAVAILABLE" in sandbox.login("alice").tagged)
        client.send(f"a LOGIN bob {sandbox.password}\r\n".encode())
        for dict_pid in dict_pids:
            os.kill(dict_pid, signal.SIGTERM)
        assert "UNAVAILABLE" in client.reply(b"a").tagged
    expect_well_again(sandbox)


def test_no_guests(sandbox: Sandbox) -> None:
    changes = Config(sandbox, 2)
    try:
        changes.edit(referral={"imap_referral_guests": "no"})
        expect_referral(sandbox.login("alice", 2), "alice", "PLAIN",
                        sandbox.server(1))
        assert sandbox.login("bob", 2).status == "OK"
    finally:
        changes.restore()


def test_guests_are_let_in_with_the_first_shared_mailbox(
        sandbox: Sandbox, directory: Directory) -> None:
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))
    dn = directory.add_mailbox("Shared/local",
                               mailHost=sandbox.address(1)[0])
    wait_for(lambda: sandbox.login("bob").status == "OK")
    directory.delete(dn)
    expect_referral(wait_for_referral(sandbox, "bob", sandbox.server(2)),
                    "bob", "PLAIN", sandbox.server(2))


# --- `skip = unauthenticated` is missing

@pytest.fixture(scope="module")
def unguarded(sandbox: Sandbox) -> Iterator[Config]:
    changes = Config(sandbox, 1)
    changes.edit(remove=SKIP)
    yield changes
    changes.restore()


def test_without_skip_no_wrong_password_is_accepted(
        sandbox: Sandbox, unguarded: Config, mechanism: str) -> None:
    login, _ = LOGINS[mechanism]

    def check(user: str) -> None:
        with sandbox.imap() as client:
            expect_refused(client, login(client, user, "wrong"))
            assert client.command("SELECT INBOX").status == "BAD"
    at_once(check, EVERYBODY)


def test_without_skip_no_home_elsewhere_is_logged_in(
        sandbox: Sandbox, unguarded: Config, mechanism: str) -> None:
    login, _ = LOGINS[mechanism]
    with sandbox.imap() as client:
        assert login(client, "bob", sandbox.password).status == "NO"


def test_without_skip_the_log_names_the_line(sandbox: Sandbox,
                                             unguarded: Config,
                                             mechanism: str) -> None:
    login, _ = LOGINS[mechanism]
    log = sandbox.log(1)
    with sandbox.imap() as client:
        # Whom all passdbs before ours refuse, also if they are only asked for
        # a password to compare with.
        login(client, "nobody", "wrong")
    assert "Error:" in log.wait(SKIP)


# --- names

@pytest.mark.parametrize("home", [None, "127.0.10.2"])
def test_name_that_is_a_filter_pattern(sandbox: Sandbox,
                                       referral_dict: Dict,
                                       directory: Directory,
                                       home: str | None) -> None:
    """RFC 4515: every name is itself and matches nobody else."""
    name = r"st*r (1) \x"
    value = None
    if home:
        directory.add_person(name, mailHost=home)
        value = f"imap://{sandbox.server(2)}/"
        wait_for(lambda: referral_dict.home(name) == value)
    else:
        directory.add_person("star (1) x", mailHost="127.0.10.2")
        assert referral_dict.home(name) is None


@pytest.mark.parametrize("name", [
    "*", "al*", "*)(uid=*", "alice)(uid=*", "alice)", "(alice", "alice*",
    r"\61lice", r"\2a", "alice\\", "alice/", "/alice", "&(uid=alice)",
    "%{user}", "%u", "alice\n", "alice,ou=people", "x" * 10000,
], ids=short)
def test_name_finds_nobody(referral_dict: Dict, name: str) -> None:
    assert referral_dict.finds_nothing("home", name)
    assert referral_dict.home("bob") is not None


@pytest.mark.parametrize("name", [b"\xff\xfe", b"b\xc3", b"\xc0\xafbob",
                                  b"bob\xed\xa0\x80"], ids=short)
def test_name_that_is_not_utf8(referral_dict: Dict, name: bytes) -> None:
    assert referral_dict.finds_nothing("home", name)
    assert referral_dict.home("bob") is not None


def test_name_that_is_utf8(sandbox: Sandbox, referral_dict: Dict,
                           directory: Directory) -> None:
    directory.add_person("zoë/ñandú", mailHost="127.0.10.2")
    assert referral_dict.home("zoë/ñandú") == f"imap://{sandbox.server(2)}/"


NAMES = {
    "star": b"*", "prefix": b"al*", "brackets": b"a(li)ce",
    "filter": b"alice)(uid=*", "backslash": b"\\61lice", "NUL": b"ali\0ce",
    "NUL at the start": b"\0bob", "invalid UTF-8": b"al\xff\xfe",
    "control": b"bob\r\nx", "long": b"x" * 10000,
}


@pytest.mark.parametrize("command", ["LOGIN", "PLAIN"])
def test_login_with_odd_name(sandbox: Sandbox, command: str) -> None:
    at_once(lambda name: _login_with_odd_name(sandbox, command, name), NAMES)
    assert sandbox.login("alice").status == "OK"
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))


def _login_with_odd_name(sandbox: Sandbox, command: str, which: str) -> None:
    name, password = NAMES[which], sandbox.password.encode()
    with sandbox.imap() as client:
        try:
            if command == "LOGIN":
                reply = client.command(b"LOGIN {%d+}\r\n%s {%d+}\r\n%s" % (
                    len(name), name, len(password), password))
            else:
                reply = client.command(
                    "AUTHENTICATE PLAIN",
                    [b64(b"\0" + name + b"\0" + password)])
        except (EOFError, ConnectionError):
            # Too much for imap-login, which says so and closes.
            assert which == "long"
        else:
            assert reply.status in ("NO", "BAD"), (which, reply)
        assert b"REFERRAL imap" not in client.received, which
