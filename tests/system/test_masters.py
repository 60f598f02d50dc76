"""Masters, who log in as somebody else: no referral, as the client would
present the master's password to the other server. imap1 is home of alice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import dovecot
from conftest import Config
from sandbox import Sandbox, at_once
from test_login import expect_referral, expect_refused
from wire import Imap, Reply

PASSWORD = "secret-of-admin"

# How a master says who is meant; the last argument is the master's password.
WAYS: dict[str, Callable[[Imap, str, str], Reply]] = {
    "LOGIN command": lambda client, user, password: client.login(
        f"{user}*admin", password),
    "PLAIN": lambda client, user, password: client.plain(
        f"{user}*admin", password),
    "PLAIN with authorization id": lambda client, user, password:
        client.plain("admin", password, user),
    "LOGIN": lambda client, user, password: client.sasl_login(
        f"{user}*admin", password),
    "CRAM-MD5": lambda client, user, password: client.cram_md5(
        f"{user}*admin", password),
    "SCRAM-SHA-256": lambda client, user, password: client.scram_sha_256(
        f"{user}*admin", password),
}


@pytest.fixture(scope="module", params=[[], [dovecot.CONTINUE]],
                ids=["return-ok", "continue"])
def masters(sandbox: Sandbox,
            request: pytest.FixtureRequest) -> Iterator[None]:
    config = Config(sandbox, 1)
    users = config.dovecot.with_name("users")
    file = config.dovecot.with_name("masters")
    file.write_text(f"admin:{{PLAIN}}{PASSWORD}::::::\n")
    file.chmod(0o644)
    config.edit(
        passdbs=dovecot.passwd_file(file, "master = yes", *request.param,
                                    name="masters")
        + dovecot.passwd_file(users, dovecot.CONTINUE),
        dovecot="auth_master_user_separator = *\n")
    yield
    config.restore()
    file.unlink()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_a_master_gets_no_referral(sandbox: Sandbox, masters: None, way: str,
                                   user: str) -> None:
    with sandbox.imap() as client:
        reply = WAYS[way](client, user, PASSWORD)
        assert reply.status == "OK", reply
        # The acl plugin lets masters read nothing.
        client.ok("NAMESPACE")


def test_wrong_password(sandbox: Sandbox, masters: None, way: str) -> None:
    def check(who: tuple[str, str]) -> None:
        user, password = who
        with sandbox.imap() as client:
            expect_refused(client, WAYS[way](client, user, password))
    # Not even the user's own.
    at_once(check, [(user, password) for user in ("alice", "bob", "nobody")
                    for password in ("wrong", sandbox.password)])


def test_who_is_no_master(sandbox: Sandbox, masters: None) -> None:
    for name, as_user in (("bob*alice", ""), ("alice", "bob")):
        with sandbox.imap() as client:
            expect_refused(client, client.plain(name, sandbox.password,
                                                as_user))


def test_everybody_else_as_before(sandbox: Sandbox, masters: None) -> None:
    expect_referral(sandbox.login("bob"), "bob", "PLAIN", sandbox.server(2))
    assert sandbox.login("alice").status == "OK"


def test_authorization_as_oneself(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        expect_referral(client.plain("bob", sandbox.password, "bob"), "bob",
                        "PLAIN", sandbox.server(2))
    with sandbox.imap() as client:
        reply = client.plain("alice", sandbox.password, "alice")
        assert reply.status == "OK", reply


def test_authorization_without_masters(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        expect_refused(client, client.plain("alice", sandbox.password,
                                            "bob"))


def test_masters_may_be_referred(sandbox: Sandbox, config: Config) -> None:
    """imap_referral_masters, for servers that have the same masters."""
    users = config.dovecot.with_name("users")
    file = config.dovecot.with_name("masters-too")
    file.write_text(f"admin:{{PLAIN}}{PASSWORD}::::::\n")
    file.chmod(0o644)
    config.edit(
        passdbs=dovecot.passwd_file(file, "master = yes", dovecot.CONTINUE,
                                    name="masters")
        + dovecot.passwd_file(users, dovecot.CONTINUE),
        dovecot="auth_master_user_separator = *\n",
        referral={"imap_referral_masters": "yes"})
    for login in WAYS.values():
        with sandbox.imap() as client:
            reply = login(client, "bob", PASSWORD)
            assert reply.referral and \
                reply.referral.startswith("imap://bob;AUTH="), reply
            assert reply.referral.endswith(f"@{sandbox.server(2)}/")
        with sandbox.imap() as client:
            assert login(client, "alice", PASSWORD).status == "OK"
    at_once(lambda login: refused(sandbox, login), WAYS.values())
    file.unlink()


def refused(sandbox: Sandbox, login: Callable[[Imap, str, str], Reply]) -> None:
    with sandbox.imap() as client:
        expect_refused(client, login(client, "bob", "wrong"))
