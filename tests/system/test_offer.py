"""A login's OK that refers (RFC 2221 section 4.1): at imap1 as a guest, bob is
told that his mailboxes are on imap2."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config
from sandbox import PROGRAM, Log, Sandbox, wait_for
from test_commands import hibernate, wake
from test_proxy_front import Front
from wire import LOGINS, Imap, Reply

# Users of imap1 whose home is imap2 by the fields that the password file has,
# and the names that they have there.
NAMES = {
    "short": "x",
    "address": "other@example.org",
    "odd": "J\u00f6/;AUTH=*]\"",
    "long": "x" * 1024,
    "long-and-encoded": "\u00fc" * 512,
}
# Those that cannot be, and what is wrong with them.
BAD_NAMES = {
    "control": (b"a\x01b", "control character"),
    "del": (b"a\x7f", "control character"),
    "bytes": (b"a\xff", "not UTF-8"),
    "too-long": (b"x" * 1025, "too long"),
}


def offer(sandbox: Sandbox, user: str = "bob") -> str:
    """The tagged line, without the tag. The user is written as in URLs."""
    return (f"OK [REFERRAL imap://{user};AUTH=*@{sandbox.server(2)}/] Your "
            f"mailboxes are on IMAP server {sandbox.address(2)[0]}.")


def expect_offer(sandbox: Sandbox, reply: Reply, user: str = "bob") -> None:
    """As it was, with the capabilities once."""
    assert reply.tagged == offer(sandbox, user)
    capability, = (line for line in reply.untagged
                   if line.startswith("* CAPABILITY "))
    assert {"IMAP4rev1", "IDLE", "MAILBOX-REFERRALS"} <= \
        set(capability.split())
    # With SCRAM there is the server's proof before.
    assert reply.untagged[-1] == capability


def expect_usual(reply: Reply) -> None:
    """Dovecot's own answer."""
    assert re.fullmatch(r"OK \[CAPABILITY IMAP4rev1 [^]]*\] Logged in",
                        reply.tagged)
    assert not reply.untagged


def expect_guest(sandbox: Sandbox, client: Imap, user: str = "bob") -> None:
    """One whose session goes on here."""
    assert client.command("SELECT INBOX").tagged == \
        sandbox.mailbox_referral(user, 2, "INBOX")
    client.ok("SELECT Shared/local")
    assert "Coffee machine" in \
        client.ok("FETCH 1 BODY.PEEK[HEADER]").untagged[0]


def expect_none(client: Imap) -> None:
    assert b"REFERRAL imap" not in client.received


def referred(sandbox: Sandbox, tls: bool = False) -> Imap:
    """bob at imap1, where he has been offered his home."""
    client = sandbox.imap(1, tls)
    expect_offer(sandbox, client.login("bob", sandbox.password))
    return client


def at_home(sandbox: Sandbox) -> Imap:
    """alice at imap1, her home: the answer is Dovecot's."""
    client = sandbox.imap()
    expect_usual(client.login("alice", sandbox.password))
    expect_none(client)
    return client


@pytest.fixture(scope="module", autouse=True)
def offers(sandbox: Sandbox, module_config: Config) -> Iterator[None]:
    users = module_config.dovecot.with_name("users")
    before = users.read_bytes()
    names = {user: name.encode() for user, name in NAMES.items()} \
        | {user: name for user, (name, _) in BAD_NAMES.items()}
    home = f"userdb_referral_home=imap://{sandbox.server(2)}/".encode()
    lines = [b"%s:{PLAIN}%s::::::userdb_referral_offer=%s %s\n" % (
        user.encode(), sandbox.password.encode(), name, home)
        for user, name in names.items()]
    lines.append(lines[0].replace(b"short", b"homeless").replace(home, b""))
    users.write_bytes(before + b"".join(lines))
    module_config.edit(referral={"imap_referral_login": "offer"})
    yield
    users.write_bytes(before)


@pytest.fixture(params=[False, True], ids=["plain port", "TLS port"])
def tls(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.mark.parametrize("mechanism", LOGINS)
def test_every_mechanism(sandbox: Sandbox, mechanism: str, tls: bool) -> None:
    login, _ = LOGINS[mechanism]
    with sandbox.imap(1, tls) as client:
        expect_offer(sandbox, login(client, "bob", sandbox.password))
        expect_guest(sandbox, client)


def test_starttls(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        client.ok("STARTTLS")
        client.start_tls(sandbox.tls_context())
        expect_offer(sandbox, client.login("bob", sandbox.password))
        expect_guest(sandbox, client)


def test_wrong_password(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        assert client.login("bob", "wrong").tagged.startswith(
            "NO [AUTHENTICATIONFAILED]")
        expect_none(client)


def test_who_is_at_home_gets_the_usual_answer(sandbox: Sandbox) -> None:
    with at_home(sandbox) as client:
        client.ok("SELECT INBOX")


def test_guest_without_an_offer_gets_the_usual_answer(
        sandbox: Sandbox) -> None:
    with sandbox.imap(2) as client:
        expect_usual(client.login("alice", sandbox.password))
        assert client.command("SELECT INBOX").referral


# --- capabilities

def test_capabilities_are_those_of_the_usual_answer(sandbox: Sandbox) -> None:
    usual = sandbox.login("alice").tagged
    with sandbox.imap() as client:
        told, = client.login("bob", sandbox.password).untagged
        assert usual == "OK [%s] Logged in" % told.removeprefix("* ")
        assert client.ok("CAPABILITY").untagged == [told]


@pytest.mark.parametrize("login", [Imap.login, Imap.plain_initial])
def test_client_that_has_asked_for_capabilities(sandbox: Sandbox,
                                                login) -> None:
    with sandbox.imap() as client:
        client.ok("CAPABILITY")
        expect_offer(sandbox, login(client, "bob", sandbox.password))
        expect_guest(sandbox, client)


# --- what else is sent

def test_commands_in_the_same_packet(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        client.send(b"a LOGIN bob %s\r\nb NOOP\r\nc SELECT Shared/local\r\n"
                    b"d SELECT INBOX\r\n" % sandbox.password.encode())
        expect_offer(sandbox, client.reply(b"a"))
        assert client.reply(b"b").status == "OK"
        assert client.reply(b"c").status == "OK"
        assert client.reply(b"d").tagged == \
            sandbox.mailbox_referral("bob", 2, "INBOX")


class Deflated:
    """A socket of a connection that is compressed (RFC 4978)."""

    def __init__(self, sock) -> None:
        self._sock = sock
        self._in = zlib.decompressobj(-15)
        self._out = zlib.compressobj(wbits=-15)

    def sendall(self, data: bytes) -> None:
        self._sock.sendall(self._out.compress(data)
                           + self._out.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, size: int) -> bytes:
        data = b""
        while not data:
            received = self._sock.recv(size)
            if not received:
                return b""
            data = self._in.decompress(received)
        return data

    def close(self) -> None:
        self._sock.close()


def compress(client: Imap) -> None:
    client.ok("COMPRESS DEFLATE")
    client.sock = Deflated(client.sock)


@pytest.fixture
def compresses(config: Config) -> None:
    if dovecot.COMPRESSES:
        config.edit(dovecot=dovecot.COMPRESSES)


def test_compress(sandbox: Sandbox, compresses: None, tls: bool) -> None:
    with referred(sandbox, tls) as client:
        compress(client)
        expect_guest(sandbox, client)
        client.ok("LOGOUT")


# --- what becomes of the process

def test_hibernation(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot=dovecot.HIBERNATES)
    with referred(sandbox) as client:
        client.ok("SELECT Shared/local")
        before = len(client.received)
        wake(client, hibernate(sandbox, client))
        client.ok("FETCH 1 FLAGS")
        client.ok("CAPABILITY")
        assert b"REFERRAL imap" not in client.received[before:]
        assert client.received[before:].count(b"* CAPABILITY") == 1
        expect_guest(sandbox, client)
        # Others are not told of it.
        at_home(sandbox).close()


def test_process_that_serves_again(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot=dovecot.imap_process_serves(1))
    pids = set()
    for _ in range(3):
        for login in (referred, at_home):
            with login(sandbox) as client:
                pids.update(wait_for(lambda: sandbox.pids("imap")))
                client.ok("LOGOUT")
    assert len(pids) == 1


def test_process_that_serves_several(sandbox: Sandbox,
                                     config: Config) -> None:
    config.edit(dovecot=dovecot.imap_process_serves(10))
    with referred(sandbox) as first, at_home(sandbox) as second, \
            referred(sandbox) as third:
        assert len(sandbox.pids("imap")) == 1
        expect_guest(sandbox, first)
        second.ok("SELECT INBOX")
        expect_guest(sandbox, third)


def test_other_plugins(sandbox: Sandbox, config: Config) -> None:
    config.edit(dovecot=dovecot.mail_plugins(
        dovecot.PLUGINS, [*dovecot.IMAP_PLUGINS, "imap_referral"])
        + dovecot.PLUGIN_SETTINGS)
    with referred(sandbox) as client:
        expect_guest(sandbox, client)
    at_home(sandbox).close()


# --- rawlog

@pytest.fixture
def rawlog(sandbox: Sandbox, config: Config,
           compresses: None) -> Iterator[Path]:
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "rawlog"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    config.edit(dovecot=f"protocol imap {{\n  rawlog_dir = {folder}\n}}")
    yield folder
    shutil.rmtree(folder)


def _logged(folder: Path) -> bytes:
    """What the servers have sent."""
    return b"".join(path.read_bytes() for path in folder.glob("*.out"))


@pytest.mark.parametrize("compressed", [False, True])
def test_rawlog_has_what_was_sent(sandbox: Sandbox, rawlog: Path,
                                  compressed: bool) -> None:
    with referred(sandbox) as client:
        if compressed:
            compress(client)
        expect_guest(sandbox, client)
        client.ok("LOGOUT")
    wait_for(lambda: b"OK Logout completed" in _logged(rawlog)
             or compressed and dovecot.IS_2_3)
    logged = _logged(rawlog)
    assert logged.count(offer(sandbox).encode()) == 1
    assert b"OK [CAPABILITY" not in logged
    assert logged.count(b"* CAPABILITY") == 1


# --- the name to log in with

@pytest.mark.parametrize("user", NAMES)
def test_name_that_is_offered(sandbox: Sandbox, user: str) -> None:
    with sandbox.imap() as client:
        expect_offer(sandbox, client.login(user, sandbox.password),
                     urllib.parse.quote(NAMES[user], ""))
        expect_guest(sandbox, client, user)


@pytest.mark.parametrize("user", BAD_NAMES)
def test_name_that_cannot_be_offered(sandbox: Sandbox, log: Log,
                                     user: str) -> None:
    _, reason = BAD_NAMES[user]
    with sandbox.imap() as client:
        expect_usual(client.login(user, sandbox.password))
        expect_none(client)
        log.wait("Error: ", user, reason, "referral_offer")
        expect_guest(sandbox, client, user)


def test_offer_without_a_home(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        expect_usual(client.login("homeless", sandbox.password))
        client.ok("SELECT INBOX")


# --- other ways to log in

def test_preauth(sandbox: Sandbox) -> None:
    """Nobody has logged in here: the greeting is Dovecot's."""
    done = subprocess.run(
        [PROGRAM, "run", "imap1", "doveadm", "-c", sandbox.env["DOVECONF1"],
         "exec", "imap", "-u", "short"], input="a LOGOUT\r\n", text=True,
        stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout.startswith("* PREAUTH [CAPABILITY IMAP4rev1 ")
    assert "REFERRAL imap" not in done.stdout


def test_proxy_in_front(sandbox: Sandbox) -> None:
    """It puts the capabilities in place of the referral, except for clients
    that have asked for them."""
    front = Front(sandbox, Path(sandbox.env["SANDBOX_DIR"]) / "front")
    try:
        with front.imap() as client:
            assert client.login("bob", sandbox.password).status == "OK"
            expect_guest(sandbox, client)
        with front.imap() as client:
            client.ok("CAPABILITY")
            expect_offer(sandbox, client.login("bob", sandbox.password))
            expect_guest(sandbox, client)
    finally:
        front.stop()
