"""imap_referral_fallback = proxy, on imap1: clients that do not follow
referrals read their mail through Dovecot's proxy."""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Iterator

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import Sandbox, at_once, wait_for
from wire import LOGINS, Imap, Reply

# One more listener, for those who follow.
FOLLOWERS_PORT = 10144
ANOTHER_PORT = f"""
service imap-login {{
  inet_listener followers {{
    port = {FOLLOWERS_PORT}
  }}
}}
"""
FALLBACK = {
    "imap_referral_fallback": "proxy",
    "imap_referral_followers": f"port={FOLLOWERS_PORT}, "
                               "listener=127.0.10.1:10145, "
                               "server_name=*.follow.example.org, "
                               "client=127.99.0.0/16, id.name=*pine*",
    # The sandbox's certificates are its own.
    "imap_referral_proxy_tls": "starttls-any-cert",
}

BOB_LOGGED_IN = dovecot.LOGGED_IN + "<bob>"

# What is given to us with these, nobody else can use.
NOT_FORWARDED = ["CRAM-MD5", "SCRAM-SHA-256"]
FORWARDED = [name for name in LOGINS if name not in NOT_FORWARDED
             and not name.startswith("SCRAM")]


@pytest.fixture(scope="module", autouse=True)
def fallback(sandbox: Sandbox, module_config: Config) -> Config:
    module_config.edit(referral=FALLBACK, dovecot=ANOTHER_PORT)
    return module_config


@pytest.fixture
def changed(sandbox: Sandbox, fallback: Config) -> Iterator[Config]:
    """Other settings for one test."""
    changes = Config(sandbox, 1)
    yield changes
    changes.restore()


def referral(sandbox: Sandbox, mechanism: str = "PLAIN") -> str:
    host = sandbox.address(2)[0]
    return (f"NO [REFERRAL imap://bob;AUTH={mechanism}@{sandbox.server(2)}/] "
            f"Use IMAP server {host} for this account.")


def expect_bobs_mail(sandbox: Sandbox, client: Imap, reply: Reply) -> None:
    assert reply.status == "OK", reply
    assert b"REFERRAL imap" not in client.received
    client.ok("SELECT INBOX")
    fetched = client.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    assert any("Welcome to imap2" in line for line in fetched.untagged)


def expect_proxied(sandbox: Sandbox, client: Imap) -> None:
    expect_bobs_mail(sandbox, client, client.login("bob", sandbox.password))


def expect_referred(sandbox: Sandbox, client: Imap) -> None:
    assert client.login("bob", sandbox.password).tagged == referral(sandbox)


# --- who is proxied

@pytest.mark.parametrize("mechanism", FORWARDED)
@pytest.mark.parametrize("tls", [False, True], ids=["plain port", "TLS port"])
def test_password_is_forwarded(sandbox: Sandbox, mechanism: str,
                               tls: bool) -> None:
    login, _ = LOGINS[mechanism]
    log = sandbox.log(2)
    with sandbox.imap(1, tls) as client:
        expect_bobs_mail(sandbox, client,
                         login(client, "bob", sandbox.password))
    # TLS is between the two, as the setting says.
    assert "TLS" in log.wait(BOB_LOGGED_IN)


def test_imaplib_reads_its_mail(sandbox: Sandbox) -> None:
    client = imaplib.IMAP4(*sandbox.address(1), timeout=30)
    client.login("bob", sandbox.password)
    client.select("INBOX", readonly=True)
    _, data = client.fetch("1", "(BODY.PEEK[TEXT])")
    assert b"your INBOX on imap2" in data[0][1]
    client.logout()


@pytest.mark.parametrize("mechanism", NOT_FORWARDED)
def test_secret_that_cannot_be_forwarded(sandbox: Sandbox,
                                         mechanism: str) -> None:
    login, name = LOGINS[mechanism]
    with sandbox.imap() as client:
        assert login(client, "bob", sandbox.password).tagged == \
            referral(sandbox, name)


def test_wrong_password(sandbox: Sandbox) -> None:
    log = sandbox.log(2)

    def check(mechanism: str) -> None:
        login, _ = LOGINS[mechanism]
        with sandbox.imap() as client:
            reply = login(client, "bob", "wrong")
            assert reply.tagged.startswith("NO [AUTHENTICATIONFAILED]")
            assert b"REFERRAL imap" not in client.received
    at_once(check, LOGINS)
    # Nor did the other server hear of it.
    assert not log.lines("bob")


def test_home_here_needs_no_proxy(sandbox: Sandbox) -> None:
    log = sandbox.log(1)
    with sandbox.session("alice") as client:
        client.ok("SELECT INBOX")
    assert not log.lines("proxying", "alice")


def test_no_home_logs_in_here(sandbox: Sandbox) -> None:
    assert sandbox.login("dave").status == "OK"


def test_home_by_name(sandbox: Sandbox, directory: Directory) -> None:
    """The servers of the sandbox know each other's names."""
    directory.set_home("dave", "imap2.example.org:10143")
    log = sandbox.log(2)

    def proxied() -> bool:
        assert sandbox.login("dave").status == "OK"
        return bool(log.lines(dovecot.LOGGED_IN + "<dave>"))
    wait_for(proxied)


def test_home_name_that_does_not_exist(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        reply = client.login("erin", sandbox.password)
        assert reply.tagged.startswith("NO [UNAVAILABLE]")


def test_guests_are_proxied_home(sandbox: Sandbox,
                                 directory: Directory) -> None:
    """Who does not follow does not come here for a shared mailbox."""
    def follower() -> str:
        with sandbox.imap(port=FOLLOWERS_PORT) as client:
            return client.login("bob", sandbox.password).status

    dn = directory.add_mailbox("Shared/local",
                               mailHost=sandbox.address(1)[0])
    wait_for(lambda: follower() == "OK")
    with sandbox.imap() as client:
        expect_proxied(sandbox, client)
    directory.delete(dn)
    wait_for(lambda: follower() == "NO")


# --- who is not

def test_follower_by_port(sandbox: Sandbox) -> None:
    with sandbox.imap(port=FOLLOWERS_PORT) as client:
        expect_referred(sandbox, client)


def test_follower_by_listener(sandbox: Sandbox, changed: Config) -> None:
    changed.edit(referral={"imap_referral_followers":
                           "listener=127.0.10.1:10143"})
    with sandbox.imap() as client:
        expect_referred(sandbox, client)
    with sandbox.imap(port=FOLLOWERS_PORT) as client:
        expect_proxied(sandbox, client)


def test_follower_by_client_network(sandbox: Sandbox) -> None:
    for source, expect in (("127.99.1.2", expect_referred),
                           ("127.98.1.2", expect_proxied)):
        with Imap(*sandbox.address(1), source=source) as client:
            expect(sandbox, client)


def test_follower_by_imap_id(sandbox: Sandbox) -> None:
    for name, expect in (("Alpine", expect_referred),
                         ("Thunderbird", expect_proxied)):
        with sandbox.imap() as client:
            client.ok(f'ID ("name" "{name}" "version" "1")')
            expect(sandbox, client)


def test_follower_by_tls_server_name(sandbox: Sandbox) -> None:
    for name, expect in (("imap.follow.example.org", expect_referred),
                         ("imap.example.org", expect_proxied)):
        with Imap(*sandbox.address(1, tls=True), sandbox.tls_context(),
                  server_name=name) as client:
            expect(sandbox, client)


def test_default_is_to_refer_everybody(sandbox: Sandbox,
                                       changed: Config) -> None:
    changed.edit(referral={"imap_referral_fallback": None,
                           "imap_referral_followers": None})
    with sandbox.imap() as client:
        expect_referred(sandbox, client)


# --- the connection between the two

@pytest.mark.parametrize("port, tls", [(10143, "no"),
                                       (10993, "tls-any-cert")])
def test_tls_to_the_home_server(sandbox: Sandbox, changed: Config,
                                port: int, tls: str) -> None:
    changed.edit(referral={"imap_referral_proxy_tls": tls,
                           "imap_referral_proxy_port": str(port)})
    log = sandbox.log(2)
    with sandbox.imap() as client:
        expect_proxied(sandbox, client)
    assert ("TLS" in log.wait(BOB_LOGGED_IN)) == (tls != "no")


def test_certificate_is_checked(sandbox: Sandbox, changed: Config) -> None:
    """The default: no password goes to whoever answers there."""
    changed.edit(referral={"imap_referral_proxy_tls": None})
    log = sandbox.log(2)
    with sandbox.imap() as client:
        reply = client.login("bob", sandbox.password)
        assert reply.status == "NO", reply
        assert client.command("SELECT INBOX").status == "BAD"
    assert not log.lines(BOB_LOGGED_IN)


def test_home_server_is_down(sandbox: Sandbox) -> None:
    sandbox.stop("imap2")
    try:
        with sandbox.imap() as client:
            reply = client.login("bob", sandbox.password)
            assert reply.tagged.startswith("NO [UNAVAILABLE]")
            # Nor is bob let in here.
            assert client.command("SELECT INBOX").status == "BAD"
    finally:
        sandbox.start("imap2")


def test_directory_is_down(sandbox: Sandbox, ldap1) -> None:
    ldap1()
    wait_for(lambda: "UNAVAILABLE" in sandbox.login("bob").tagged)
    with sandbox.imap(port=FOLLOWERS_PORT) as client:
        assert "UNAVAILABLE" in client.login("bob", sandbox.password).tagged
        assert b"REFERRAL imap" not in client.received
    sandbox.start("ldap1")
    wait_for(lambda: sandbox.login("bob").status == "OK")


def test_client_goes_away_while_proxied(sandbox: Sandbox) -> None:
    log = sandbox.log(2)
    with sandbox.imap() as client:
        expect_proxied(sandbox, client)
        client.sock.shutdown(socket.SHUT_RDWR)
    log.wait("imap(bob)", "Connection closed")
