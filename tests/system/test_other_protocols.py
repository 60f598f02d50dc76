"""POP3, submission, ManageSieve, LMTP and doveadm are left alone: bob, at home
on imap2, uses them at imap1, whether the directory answers or not."""

from __future__ import annotations

import poplib
import shutil
import smtplib
import socket
from collections.abc import Callable, Iterator

import pytest

import dovecot
from conftest import Config
from sandbox import DEADLINE_SECS, MESSAGE, Sandbox, wait_for
from wire import b64


@pytest.fixture(scope="module")
def server(sandbox: Sandbox) -> Iterator[Sandbox]:
    config = Config(sandbox, 1)
    home = config.dovecot.parent / "mail" / "bob"
    existed = home.exists()
    config.edit(dovecot=dovecot.OTHER_PROTOCOLS)
    yield sandbox
    config.restore()
    if not existed:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["directory", "no directory"])
def box(server: Sandbox, ldap1: Callable[[], None],
        request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "no directory":
        ldap1()
        wait_for(lambda: "UNAVAILABLE" in server.login("bob").tagged)
    return server


def doveadm(box: Sandbox, *args: str) -> str:
    return box.run("run", "imap1", "doveadm", "-c", box.env["DOVECONF1"],
                   *args)


def test_pop3(box: Sandbox) -> None:
    pop3 = poplib.POP3(box.address(1)[0], int(box.env["IMAP1_POP3_PORT"]),
                       timeout=DEADLINE_SECS)
    pop3.user("bob")
    assert pop3.pass_(box.password).startswith(b"+OK")
    pop3.quit()


def test_submission(box: Sandbox) -> None:
    with smtplib.SMTP(box.address(1)[0], dovecot.OTHER_PORTS["submission"],
                      timeout=DEADLINE_SECS) as smtp:
        # Raises unless it is accepted.
        code, _ = smtp.login("bob", box.password)
        assert code == 235


def test_submission_wrong_password(server: Sandbox) -> None:
    with smtplib.SMTP(server.address(1)[0], dovecot.OTHER_PORTS["submission"],
                      timeout=DEADLINE_SECS) as smtp, \
            pytest.raises(smtplib.SMTPAuthenticationError) as failure:
        smtp.login("bob", "wrong")
    assert b"127.0.10.2" not in failure.value.smtp_error


def test_managesieve(box: Sandbox) -> None:
    address = (box.address(1)[0], dovecot.OTHER_PORTS["sieve"])
    with socket.create_connection(address, DEADLINE_SECS) as connection, \
            connection.makefile("rwb") as stream:

        def read_response() -> bytes:
            while True:
                line = stream.readline()
                if line.startswith((b"OK", b"NO", b"BYE")) or not line:
                    return line

        assert read_response().startswith(b"OK")
        secret = b64(f"\0bob\0{box.password}".encode())
        stream.write(b'AUTHENTICATE "PLAIN" "%s"\r\n' % secret)
        stream.flush()
        assert read_response().startswith(b"OK")
        stream.write(b"LISTSCRIPTS\r\n")
        stream.flush()
        assert read_response().startswith(b"OK")


def test_lmtp(box: Sandbox) -> None:
    def count() -> int:
        return int(doveadm(box, "-f", "flow", "mailbox", "status", "-u",
                           "bob", "messages", "INBOX")
                   .rpartition("messages=")[2])

    before = count()
    with smtplib.LMTP(box.address(1)[0], dovecot.OTHER_PORTS["lmtp"],
                      timeout=DEADLINE_SECS) as lmtp:
        assert lmtp.sendmail("alice@example.org", ["bob"], MESSAGE) == {}
    assert count() == before + 1


@pytest.mark.parametrize("protocol", ["pop3", "smtp", "sieve", "lmtp"])
def test_doveadm_auth_test(box: Sandbox, protocol: str) -> None:
    said = doveadm(box, "auth", "test", "-x",
                   f"{dovecot.AUTH_PROTOCOL}={protocol}", "bob",
                   box.password)
    assert "auth succeeded" in said
    assert "host=" not in said and "nologin" not in said, said


def test_doveadm_user(box: Sandbox) -> None:
    assert "home" in doveadm(box, "user", "bob")


def test_doveadm_mailbox_list(box: Sandbox) -> None:
    assert "INBOX" in doveadm(box, "mailbox", "list", "-u", "bob").split()
