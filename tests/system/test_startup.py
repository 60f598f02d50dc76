"""The directory takes a server out of service: imap1 closes itself (RFC 2221
section 4.2), and nobody is sent to it any more."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import ANSWER_SECS, Log, Sandbox, at_once, wait_for
from wire import Imap

CLOSED = "* BYE [UNAVAILABLE] This server is closed. Try again later."


def bye(sandbox: Sandbox, number: int = 2) -> str:
    return (f"* BYE [REFERRAL imap://{sandbox.server(number)}/] This server "
            f"is closed. Use IMAP server {sandbox.address(number)[0]}.")


def greeting(sandbox: Sandbox, tls: bool = False) -> str:
    with sandbox.imap(tls=tls) as client:
        return client.greeting


def is_open(sandbox: Sandbox) -> bool:
    return greeting(sandbox).startswith("* OK [CAPABILITY ")


def close(sandbox: Sandbox, directory: Directory, state: str = "drain",
          number: int | None = 2) -> None:
    """Until new connections see it."""
    directory.set_server_state(1, state,
                               sandbox.server(number) if number else None)
    wanted = bye(sandbox, number) if number else CLOSED
    wait_for(lambda: greeting(sandbox) == wanted)


@pytest.fixture(scope="module", params=["one client a process",
                                        "many clients a process"])
def service(request: pytest.FixtureRequest,
            module_config: Config) -> Iterator[str]:
    """Both ways in which Dovecot runs its login processes."""
    module_config.edit(dovecot=dovecot.login_service(
        100, one_a_process=request.param == "one client a process"))
    yield request.param
    module_config.restore()


# --- on all ports

@pytest.mark.parametrize("state", ["drain", "down"])
def test_bye_in_place_of_the_greeting(sandbox: Sandbox, directory: Directory,
                                      service: str, state: str) -> None:
    close(sandbox, directory, state)
    for tls in (False, True):
        start = time.monotonic()
        with sandbox.imap(tls=tls) as client:
            assert client.greeting == bye(sandbox)
            # Closed in an orderly way: no reset, no TLS error.
            with pytest.raises(EOFError):
                client.line()
        assert time.monotonic() - start < ANSWER_SECS


def test_many_connections_at_once(sandbox: Sandbox, directory: Directory,
                                  service: str) -> None:
    def check(tls: bool) -> None:
        assert greeting(sandbox, tls) == bye(sandbox)
    close(sandbox, directory)
    at_once(check, [False, True] * 30)


def test_open_again(sandbox: Sandbox, directory: Directory,
                    service: str) -> None:
    """An administrator's change, and back."""
    assert is_open(sandbox)
    close(sandbox, directory)
    directory.set_server_state(1, "active")
    wait_for(lambda: is_open(sandbox))
    assert sandbox.login("alice").status == "OK"


def test_commands_before_the_greeting(sandbox: Sandbox,
                                      directory: Directory,
                                      service: str) -> None:
    """They wait for it, and are answered if there is one. A process that has
    just started may say first that it waits for another one."""
    for tls in (False, True):
        with sandbox.imap(tls=tls, greeting=False) as client:
            client.send(b"a NOOP\r\nb LOGIN alice "
                        + sandbox.password.encode() + b"\r\nc NOOP\r\n")
            assert client.reply(b"a").untagged[-1] \
                .startswith("* OK [CAPABILITY ")
            assert client.reply(b"b").status == "OK"
            assert client.reply(b"c").status == "OK"
    close(sandbox, directory)
    for tls in (False, True):
        with sandbox.imap(tls=tls, greeting=False) as client:
            # Not a byte of it is answered.
            client.send(b"a LOGIN alice wrong\r\n")
            with pytest.raises((EOFError, ConnectionResetError)):
                client.reply(b"a")
            assert client.received.decode().splitlines()[-1] == bye(sandbox)


def test_port_with_starttls_only(sandbox: Sandbox, directory: Directory,
                                 config: Config) -> None:
    config.edit(dovecot=dovecot.STARTTLS_ONLY)
    with sandbox.imap() as client:
        assert "LOGINDISABLED" in client.greeting
    close(sandbox, directory)


# --- successors

def test_no_successor(sandbox: Sandbox, directory: Directory) -> None:
    close(sandbox, directory, number=None)


def test_several_successors(sandbox: Sandbox, directory: Directory) -> None:
    """The preferred one."""
    directory.set_server_state(1, "drain", [f"{sandbox.server(2)} 20",
                                            f"{sandbox.server(3)} 10"])
    wait_for(lambda: greeting(sandbox) == bye(sandbox, 3))


def test_successor_that_is_this_server(sandbox: Sandbox,
                                       directory: Directory) -> None:
    """Never a referral to ourselves."""
    directory.set_server_state(1, "drain", sandbox.server(1))
    wait_for(lambda: greeting(sandbox) == CLOSED)
    directory.set_server_state(1, "drain", [f"{sandbox.server(1)} 1",
                                            f"{sandbox.server(2)} 2"])
    wait_for(lambda: greeting(sandbox) == bye(sandbox))


@pytest.mark.parametrize("value", [
    "imap2.example.org]\r\n* OK injected", "a%0D%0Ab", "x]y", "%zz",
    "imap2.example.org\n", "-", "a b c"])
def test_successor_that_is_no_server(sandbox: Sandbox, directory: Directory,
                                     value: str) -> None:
    """Nothing that a directory value holds breaks out of the line."""
    directory.set_server_state(1, "drain", value)
    wait_for(lambda: greeting(sandbox) == CLOSED)


def test_ipv6_successor(sandbox: Sandbox, directory: Directory) -> None:
    directory.set_server_state(1, "drain", "[2001:db8::1]:143")
    wait_for(lambda: greeting(sandbox) ==
             "* BYE [REFERRAL imap://[2001:db8::1]/] This server is closed. "
             "Use IMAP server 2001:db8::1.")


def test_server_by_an_alias(sandbox: Sandbox, directory: Directory,
                            config: Config) -> None:
    config.edit(referral={"imap_referral_aliases": "old.example.org"})
    directory.set(directory.server("imap1"), cn=["imap1", "old.example.org"],
                  imapServerState="drain")
    wait_for(lambda: greeting(sandbox) == CLOSED)


# --- who is there already

def test_drain_lets_clients_work_on(sandbox: Sandbox,
                                    directory: Directory) -> None:
    with sandbox.imap() as client, sandbox.session("alice") as session:
        close(sandbox, directory)
        session.ok("SELECT INBOX")
        assert client.login("alice", sandbox.password).status == "OK"
        client.ok("SELECT INBOX")


def test_down_refuses_logins(sandbox: Sandbox, directory: Directory) -> None:
    host = sandbox.address(2)[0]
    clients = [sandbox.imap() for _ in range(5)]
    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.enter_context(client)
        close(sandbox, directory, "down")
        for client, user in zip(clients, ("alice", "dave")):
            assert client.login(user, sandbox.password).tagged == (
                f"NO [REFERRAL imap://{user};AUTH=PLAIN@{sandbox.server(2)}/] "
                f"Use IMAP server {host} for this account.")
        assert clients[2].login("alice", "wrong").tagged.startswith(
            "NO [AUTHENTICATIONFAILED]")
        # And those who are at home elsewhere go there.
        assert sandbox.server(3) in clients[3].login(
            "carol", sandbox.password).tagged
        close(sandbox, directory, "down", None)
        assert clients[4].login("alice", sandbox.password).tagged \
            .startswith("NO [UNAVAILABLE]")


# --- who is not told

def test_trusted_networks(sandbox: Sandbox, directory: Directory,
                          config: Config) -> None:
    """Health checks."""
    config.edit(dovecot="login_trusted_networks = 127.99.0.0/16")
    close(sandbox, directory)
    with Imap(*sandbox.address(1), source="127.99.1.1") as client:
        assert client.greeting.startswith("* OK [CAPABILITY ")
        assert client.login("alice", sandbox.password).status == "OK"


def test_other_protocols(sandbox: Sandbox, directory: Directory) -> None:
    close(sandbox, directory)
    with Imap(sandbox.address(1)[0],
              int(sandbox.env["IMAP1_POP3_PORT"])) as client:
        assert client.greeting.startswith("+OK")


# --- the directory cannot be asked

def expect_open(sandbox: Sandbox, log: Log) -> None:
    for tls in (False, True):
        start = time.monotonic()
        assert greeting(sandbox, tls).startswith("* OK [CAPABILITY ")
        assert time.monotonic() - start < ANSWER_SECS
    log.wait("imap-login", "Error", "whether this server is in service failed")


def test_ldap_server_is_down(sandbox: Sandbox, ldap1, service: str,
                             log: Log) -> None:
    """Open: a server that nobody can connect to helps nobody. Logins are
    another matter."""
    sandbox.restart("imap1")
    ldap1()
    sandbox.end_dict()
    expect_open(sandbox, log)
    sandbox.start("ldap1")
    wait_for(lambda: sandbox.login("alice").status == "OK")


def test_ldap_server_hangs(sandbox: Sandbox, service: str, log: Log) -> None:
    sandbox.restart("imap1")
    with sandbox.hung_ldap1():
        sandbox.end_dict()
        expect_open(sandbox, log)
    wait_for(lambda: sandbox.login("alice").status == "OK")


def test_dict_process_hangs(sandbox: Sandbox, service: str, log: Log) -> None:
    sandbox.restart("imap1")
    sandbox.login("alice")
    with sandbox.hung_dict():
        expect_open(sandbox, log)


def test_there_is_no_socket(sandbox: Sandbox, config: Config,
                            log: Log) -> None:
    config.edit(dovecot="service dict-async {\n"
                "  unix_listener login/imap-referral {\n    mode = 0\n  }\n}")
    expect_open(sandbox, log)


def test_client_that_does_not_wait(sandbox: Sandbox, service: str) -> None:
    """It is gone before there is an answer."""
    sandbox.login("alice")
    log = sandbox.log(1)
    with sandbox.hung_dict():
        for tls in (False, True):
            with sandbox.imap(greeting=False, tls=tls):
                pass
    # Its end is logged, in whatever words.
    wait_for(lambda: len(log.lines("imap-login: Info: ", "session=")) >= 2)
    assert is_open(sandbox)


def test_tls_handshake_that_does_not_come(sandbox: Sandbox,
                                          directory: Directory,
                                          service: str) -> None:
    """Nothing is sent to it in the clear, and others are not kept waiting."""
    close(sandbox, directory)
    host, port = sandbox.address(1, tls=True)
    with Imap(host, port, greeting=False, deadline=1) as client:
        with pytest.raises(TimeoutError):
            client.line()
        assert greeting(sandbox, tls=True) == bye(sandbox)
        # Until it does come.
        client.sock.settimeout(30)
        client.start_tls(sandbox.tls_context())
        assert client.line().decode() == bye(sandbox)


# --- those who are sent elsewhere

def wait_for_login(sandbox: Sandbox, user: str, answer: str) -> None:
    wait_for(lambda: answer in sandbox.login(user).tagged)


def test_home_server_is_drained(sandbox: Sandbox,
                                directory: Directory) -> None:
    """bob goes to the successor of imap2 at once."""
    directory.set_server_state(2, "drain", sandbox.server(3))
    wait_for_login(sandbox, "bob", f"@{sandbox.server(3)}/]")


def test_home_server_has_no_successor(sandbox: Sandbox,
                                      directory: Directory) -> None:
    """It says itself what the matter is."""
    directory.set_server_state(2, "down")
    wait_for(lambda: sandbox.imap(2).greeting == CLOSED)
    wait_for_login(sandbox, "bob", f"@{sandbox.server(2)}/]")


def test_one_successor_only(sandbox: Sandbox, directory: Directory) -> None:
    """No search along a chain that could be a circle."""
    directory.set_server_state(3, "drain", sandbox.server(2))
    directory.set_server_state(2, "drain", sandbox.server(3))
    wait_for_login(sandbox, "bob", f"@{sandbox.server(3)}/]")
    wait_for_login(sandbox, "carol", f"@{sandbox.server(2)}/]")


def test_this_server_is_the_successor(sandbox: Sandbox,
                                      directory: Directory) -> None:
    directory.set_server_state(2, "down", sandbox.server(1))
    wait_for(lambda: sandbox.login("bob").status == "OK")
    with sandbox.imap() as client:
        assert client.login("bob", sandbox.password).status == "OK"
        # Not as a guest: this is where the mail is now.
        client.ok("SELECT INBOX")
