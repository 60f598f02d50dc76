"""Several LDAP servers: no lookup fails while one of them is good, and nothing
that one of them does holds up anybody else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from conftest import Dicts
from faults import (BUSY, INVALID_CREDENTIALS, UNAVAILABLE, FakeLdap, Pipeline,
                    binds_with, fake, refer, refused, result, searches_with,
                    unreachable, SEARCH_RESULT)
from sandbox import DEADLINE_SECS, Dict, Log, Sandbox, wait_for
from taps import LdapTap

DNS_HOST = "127.0.10.53"


@pytest.fixture
def tap2(sandbox: Sandbox) -> Iterator[LdapTap]:
    """A second server: another relay in front of ldap1."""
    host, port = sandbox.env["LDAP1_URI"].removeprefix("ldap://").split(":")
    relay = LdapTap((host, int(port)))
    yield relay
    relay.close()


@pytest.fixture
def pipeline(sandbox: Sandbox) -> Iterator[Callable[[Dict], Pipeline]]:
    with contextlib.ExitStack() as stack:
        def connect(asked: Dict) -> Pipeline:
            return stack.enter_context(contextlib.closing(
                Pipeline(sandbox, asked.name)))
        yield connect


def users(count: int, word: str = "u") -> list[str]:
    """Nobody knows them: each is one search."""
    return [f"{word}{number}" for number in range(count)]


def found(reply: str) -> bool:
    return reply.startswith("O")


def failed(reply: str) -> bool:
    return reply.startswith("F")


# --- the first one is bad from the beginning

BAD = {
    "refused": refused,
    "unreachable": unreachable,
    "silent": lambda: fake(lambda *_: None),
    "closes": lambda: fake(lambda *_: b""),
    "no TLS": lambda: fake(lambda *_: b"", "ldaps"),
    "silent in TLS": lambda: fake(lambda *_: None, "ldaps"),
    "bind fails": lambda: fake(binds_with(INVALID_CREDENTIALS)),
    "bind unavailable": lambda: fake(binds_with(UNAVAILABLE)),
    "silent to searches": lambda: fake(searches_with(lambda _: None)),
    "busy": lambda: fake(searches_with(
        lambda message: result(message, SEARCH_RESULT, BUSY))),
    "referral": lambda: fake(searches_with(refer)),
    "garbage": lambda: fake(searches_with(
        lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)),
    "closes at searches": lambda: fake(searches_with(lambda _: b"")),
}


@pytest.mark.parametrize("kind", BAD)
def test_the_first_is_bad(sandbox: Sandbox, dicts: Dicts, log: Log, pipeline,
                          kind: str) -> None:
    with BAD[kind]() as uri:
        asked = dicts.make(uris=f"{uri} {sandbox.env['LDAP1_URI']}")
        client = pipeline(asked)
        client.start(["bob", *users(20)])
        first, *rest = client.replies(21)
        assert found(first), first
        assert rest == ["N"] * 20
        assert not failed(client.home("carol"))
        # Once, not with each lookup.
        client.start(users(20, "v"))
        assert client.replies(20) == ["N"] * 20
        lines = log.lines(uri, "trying the next server")
        assert len(lines) == 1, lines


# --- it was good before

def test_killed_with_many_in_flight(dicts: Dicts, tap: LdapTap, tap2: LdapTap,
                                    log: Log, pipeline) -> None:
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}", timeout="20s")
    client = pipeline(asked)
    assert found(client.home("bob"))
    tap.hold()
    client.start(users(100))
    wait_for(lambda: tap.home_searches("u99"))
    tap.close()
    assert client.replies(100) == ["N"] * 100
    assert tap2.home_searches("u99") == 1
    assert len(log.lines(tap.uri, "trying the next server")) == 1


def test_hung_with_many_in_flight(dicts: Dicts, tap: LdapTap, tap2: LdapTap,
                                  log: Log, pipeline) -> None:
    """It is left early enough for the next one to answer before the
    deadline."""
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}", timeout="6s")
    client = pipeline(asked)
    assert found(client.home("bob"))
    tap.hold()
    client.start(users(100))
    assert client.replies(100) == ["N"] * 100
    assert len(log.lines(tap.uri, "No answer to anything",
                         "trying the next server")) == 1
    # It is known: nobody waits any more.
    start = time.monotonic()
    for user in users(20, "v"):
        assert client.home(user) == "N"
    assert time.monotonic() - start < 3


def test_slow_search_does_not_condemn_a_server(dicts: Dicts, tap2: LdapTap,
                                               pipeline) -> None:
    """One search that takes longer than its deadline, while others have
    answers."""
    def answer(message: bytes) -> bytes | None:
        return None if b"slow" in message \
            else result(message, SEARCH_RESULT, 0)
    server = FakeLdap(searches_with(answer))
    asked = dicts.make(uris=f"{server.uri} {tap2.uri}", home_negative_ttl="0")
    slow, client = pipeline(asked), pipeline(asked)
    assert client.home("first") == "N"
    slow.start(["slow"])
    end = time.monotonic() + 2.5
    number = 0
    while time.monotonic() < end:
        number += 1
        assert client.home(f"u{number}") == "N"
        time.sleep(0.05)
    assert failed(slow.reply())
    assert client.home("last") == "N"
    assert server.accepted == 1
    assert tap2.accepted == 0
    server.close()


def test_back_to_the_preferred_one(dicts: Dicts, tap: LdapTap, tap2: LdapTap,
                                   log: Log, pipeline) -> None:
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}")
    client = pipeline(asked)
    assert found(client.home("bob"))
    tap.hold()
    assert client.home("u1") == "N"
    assert tap2.home_searches("u1") == 1
    tap.release()
    log.wait(tap.uri, "answers again")
    # While it goes back and forth nothing is lost.
    assert client.home("u2") == "N"
    assert tap.home_searches("u2") == 1
    assert not tap2.home_searches("u2")
    assert len(log.lines(tap.uri, "answers again")) == 1


def test_not_back_before_searches_are_answered(dicts: Dicts, tap: LdapTap,
                                               tap2: LdapTap, log: Log,
                                               pipeline) -> None:
    """Binding is not enough."""
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}", timeout="1s")
    client = pipeline(asked)
    goes_on = threading.Event()
    tap.on_search = lambda _: goes_on.wait()
    for number in range(3):
        assert client.home(f"u{number}") == "N"
    # It is tried.
    wait_for(lambda: tap.binds >= 3)
    assert not log.lines(tap.uri, "answers again")
    assert client.home("v1") == "N"
    assert tap2.home_searches("v1") == 1
    tap.on_search = lambda _: None
    goes_on.set()
    log.wait(tap.uri, "answers again")
    assert client.home("v2") == "N"
    assert tap.home_searches("v2") == 1
    assert len(log.lines(tap.uri, "trying the next server")) == 1


def test_one_after_the_other(dicts: Dicts, tap: LdapTap, tap2: LdapTap,
                             sandbox: Sandbox, pipeline) -> None:
    asked = dicts.make(
        uris=f"{tap.uri} {tap2.uri} {sandbox.env['LDAP1_URI']}")
    client = pipeline(asked)
    assert client.home("u1") == "N"
    tap.close()
    assert client.home("u2") == "N"
    assert tap2.home_searches("u2")
    tap2.close()
    assert client.home("u3") == "N"
    assert found(client.home("bob"))


# --- all of them

def test_all_down(dicts: Dicts, tap: LdapTap, tap2: LdapTap, sandbox: Sandbox,
                  ldap1, pipeline) -> None:
    """Nobody waits for the deadline, and nobody is asked all the time."""
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}", timeout="30s",
                       home_ttl="0", home_negative_ttl="0")
    client = pipeline(asked)
    assert found(client.home("bob"))
    # The relays end each connection when there is no server behind.
    ldap1()
    start = time.monotonic()
    for user in users(50):
        assert failed(client.home(user))
    assert time.monotonic() - start < 10
    accepted = tap.accepted
    time.sleep(2)
    # 50, 100, 200, ... ms
    assert tap.accepted - accepted < 20
    sandbox.start("ldap1")
    wait_for(lambda: found(client.home("bob")))


def test_all_hung(dicts: Dicts, tap: LdapTap, tap2: LdapTap,
                  pipeline) -> None:
    asked = dicts.make(uris=f"{tap.uri} {tap2.uri}")
    client = pipeline(asked)
    assert found(client.home("bob"))
    tap.hold()
    tap2.hold()
    assert failed(client.home("u1"))
    # Sooner or later both are known to be.
    wait_for(lambda: failed(client.home("u2")))
    start = time.monotonic()
    for user in users(20):
        assert failed(client.home(user))
    assert time.monotonic() - start < 10
    tap.release()
    tap2.release()
    wait_for(lambda: client.home("u3") == "N")


# --- connections

def test_every_connection_binds(dicts: Dicts, tap: LdapTap, pipeline) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="0")
    client = pipeline(asked)
    for number in range(1, 4):
        assert found(client.home("bob"))
        assert tap.accepted == tap.binds == number
        tap.cut()


def test_idle_connection_is_closed(dicts: Dicts, tap: LdapTap,
                                   pipeline) -> None:
    asked = dicts.make(uris=tap.uri, idle_timeout="500ms", home_ttl="0")
    client = pipeline(asked)
    assert found(client.home("bob"))
    assert tap.accepted == 1
    wait_for(lambda: tap.ended == 1)
    assert found(client.home("bob"))
    assert tap.accepted == tap.binds == 2


# --- nothing blocks

@contextlib.contextmanager
def silent_dns() -> Iterator[str]:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((DNS_HOST, 53))
    server.settimeout(30)
    try:
        yield "ldap://ldap.stalled.test"
    finally:
        server.close()


@contextlib.contextmanager
def silent_starttls() -> Iterator[str]:
    with fake(lambda *_: None) as uri:
        yield uri


STALLED = {
    "DNS": (silent_dns, {}),
    "TCP connect": (unreachable, {}),
    "StartTLS": (silent_starttls, {"starttls": "yes"}),
    "TLS handshake": (lambda: fake(lambda *_: None, "ldaps"), {}),
    "bind": (lambda: fake(lambda *_: None), {}),
    "search": (lambda: fake(searches_with(lambda _: None)), {}),
}


@pytest.mark.parametrize("kind", STALLED)
def test_stalled(dicts: Dicts, pipeline, kind: str) -> None:
    """Others are answered meanwhile, and the stalled one ends at its
    deadline. How fast the others are is what tests/bench measures."""
    stall, settings = STALLED[kind]
    other = pipeline(dicts.make(home_ttl="1h"))
    assert found(other.home("bob"))
    with stall() as uri:
        stalled = pipeline(dicts.make(uris=uri, timeout="6s", **settings))
        start = time.monotonic()
        stalled.start(["bob"])
        for _ in range(20):
            for _ in range(20):
                assert found(other.home("bob"))
            # One that asks the directory.
            assert not failed(other.home("carol"))
        assert time.monotonic() - start < 5
        assert failed(stalled.reply())
        assert 1 < time.monotonic() - start < 6 + DEADLINE_SECS
