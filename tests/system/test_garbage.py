"""LDAP servers that answer what no LDAP server answers: the next one is asked,
memory stays bounded, and the log says once what is wrong."""

from __future__ import annotations

import functools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Dicts
from sandbox import Dict, Log, Sandbox, wait_for

# What a dict process may need at any time, however much is sent.
MEMORY_KB = 400 * 1024

BASE = b"dc=example,dc=org"

BIND, BIND_DONE = 0x60, 0x61
SEARCH, ENTRY, DONE, REFERENCE = 0x63, 0x64, 0x65, 0x73

LDAP_SUCCESS, LDAP_REFERRAL = 0, 10


# --- BER (RFC 4511 section 5.1)

def ber(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x84]) + size.to_bytes(4, "big") + content


def integer(value: int, tag: int = 0x02) -> bytes:
    return ber(tag, value.to_bytes(4, "big"))


def string(value: bytes) -> bytes:
    return ber(0x04, value)


def message(msgid: int, operation: bytes) -> bytes:
    return ber(0x30, integer(msgid), operation)


def done(msgid: int, code: int = LDAP_SUCCESS, *more: bytes,
         tag: int = DONE) -> bytes:
    return message(msgid, ber(tag, integer(code, 0x0a), string(b""),
                              string(b""), *more))


def entry_operation(name: bytes, attributes: dict[str, list[bytes]]) -> bytes:
    return ber(ENTRY, string(b"cn=%s,%s" % (name, BASE)),
               ber(0x30, *(ber(0x30, string(attribute.encode()),
                               ber(0x31, *map(string, values)))
                           for attribute, values in attributes.items())))


def entry(msgid: int, name: bytes, **attributes: list[bytes]) -> bytes:
    return message(msgid, entry_operation(name, attributes))


# It takes a while to make these.

@functools.cache
def with_values(count: int) -> bytes:
    return entry_operation(b"x", {"mailHost": [
        b"host%07d.example.org" % number for number in range(count)]})


@functools.cache
def with_attributes(count: int) -> bytes:
    return entry_operation(b"x", {f"a{number}": [b"value"]
                                  for number in range(count)})


# --- the server

Send = Callable[[bytes], None]
Answer = Callable[[Send, int], None]


class BadServer:
    """Lets everybody bind, and answers searches as it is told to. It hangs
    up if the answer's function returns."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.uri = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self.closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,),
                             daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as stream:
                while request := self._read(stream):
                    msgid, operation = request
                    if operation == BIND:
                        sock.sendall(done(msgid, tag=BIND_DONE))
                    elif operation == SEARCH:
                        self._answer(sock.sendall, msgid)
        except OSError:
            pass

    @staticmethod
    def _read(stream) -> tuple[int, int] | None:
        """Number and operation of a request."""
        head = stream.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        if size >= 0x80:
            size = int.from_bytes(stream.read(size & 0x7f), "big")
        content = stream.read(size)
        id_size = content[1]
        return (int.from_bytes(content[2:2 + id_size], "big"),
                content[2 + id_size])

    def close(self) -> None:
        self.closed.set()
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# --- what it answers

def garbage(send: Send, _: int) -> None:
    send(bytes(range(256)) * 64)


def text(send: Send, _: int) -> None:
    send(b"* OK This is an IMAP server.\r\n" * 100)


def half_a_message(send: Send, msgid: int) -> None:
    whole = entry(msgid, b"x", mailHost=[b"127.0.10.9"])
    send(whole[:len(whole) // 2])
    raise ConnectionError


def half_a_message_and_silence(send: Send, msgid: int) -> None:
    send(entry(msgid, b"x", mailHost=[b"127.0.10.9"] * 1000)[:50])


def hang_up(send: Send, msgid: int) -> None:
    raise ConnectionError


def another_number(send: Send, msgid: int) -> None:
    send(entry(msgid + 1000, b"x", mailHost=[b"127.0.10.9"]))
    send(done(msgid + 1000))


def number_of_nobody(send: Send, msgid: int) -> None:
    """Notices have it (RFC 4511 section 4.4)."""
    send(entry(0, b"x", mailHost=[b"127.0.10.9"]) + done(0))


def another_operation(send: Send, msgid: int) -> None:
    """The result of a bind."""
    send(done(msgid, tag=BIND_DONE))


def huge_length(send: Send, msgid: int) -> None:
    send(b"\x30\x84\x7f\xff\xff\xff" + integer(msgid) + b"\x64")


def huge_length_of_length(send: Send, _: int) -> None:
    send(b"\x30\xff" + b"\xff" * 127)


def huge_message(send: Send, msgid: int) -> None:
    """And all of it is there."""
    send(b"\x30\x84\x7f\xff\xff\xff" + integer(msgid))
    for _ in range(2000):
        send(b"\x64" * (1 << 20))


def deep_nesting(send: Send, msgid: int) -> None:
    nested = b""
    for _ in range(5000):
        nested = ber(0x30, nested)
    send(message(msgid, ber(ENTRY, nested)) + done(msgid))


def million_values(send: Send, msgid: int) -> None:
    send(message(msgid, with_values(1_000_000)) + done(msgid))


def million_attributes(send: Send, msgid: int) -> None:
    send(message(msgid, with_attributes(1_000_000)) + done(msgid))


def endless_entries(send: Send, msgid: int) -> None:
    block = b"".join(entry(msgid, b"x%d" % number, mailHost=[b"a.b" * 30])
                     for number in range(10_000))
    while True:
        send(block)


def endless_large_entries(send: Send, msgid: int) -> None:
    block = entry(msgid, b"x", cn=[b"x" * 1000] * 1000)
    while True:
        send(block)


def endless_references(send: Send, msgid: int) -> None:
    block = message(msgid, ber(REFERENCE, string(b"ldap://h/" + BASE))) * 10_000
    while True:
        send(block)


def slow_drip(send: Send, msgid: int) -> None:
    whole = entry(msgid, b"x", mailHost=[b"127.0.10.9"] * 1000)
    for byte in whole:
        send(bytes([byte]))
        time.sleep(0.1)


def referral(send: Send, msgid: int) -> None:
    """RFC 4511 section 4.1.10"""
    send(done(msgid, LDAP_REFERRAL, ber(0xa3, string(b"ldap://h/" + BASE))))


@dataclass
class Case:
    answer: Answer
    # In the log, where the next server is tried, and in the error where there
    # is none.
    says: str


LOST = r"Connection lost|Decoding error|Can't contact"
SILENT = r"No answer"
LARGE = r"larger than|too large"

CASES = [
    Case(garbage, LOST), Case(text, LOST),
    Case(half_a_message, LOST), Case(half_a_message_and_silence, SILENT),
    Case(hang_up, LOST),
    Case(another_number, SILENT), Case(number_of_nobody, f"{SILENT}|{LOST}"),
    Case(another_operation, "another operation"),
    Case(huge_length, f"{LARGE}|{LOST}"),
    Case(huge_length_of_length, LOST),
    Case(huge_message, f"{LARGE}|{LOST}"),
    Case(million_values, f"{LARGE}|{LOST}"),
    Case(million_attributes, f"{LARGE}|{LOST}"),
    Case(endless_entries, f"{LARGE}|{SILENT}|more entries"),
    Case(endless_large_entries, f"{LARGE}|{SILENT}|more entries"),
    Case(endless_references, f"{LARGE}|{SILENT}|references"),
    Case(slow_drip, SILENT),
    Case(referral, "Referral"),
]


@pytest.fixture(params=CASES, ids=lambda case: case.answer.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module", autouse=True)
def made() -> None:
    with_values(1_000_000)
    with_values(100_000)
    with_attributes(1_000_000)


@pytest.fixture
def bad(case: Case) -> Iterator[BadServer]:
    server = BadServer(case.answer)
    yield server
    server.close()


def peak_kb(box: Sandbox) -> int:
    """The most that a dict process has ever needed; one that ends meanwhile
    counts as none."""
    peak = 0
    for pid in box.dict_pids():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        if found := re.search(r"(?m)^VmHWM:\s+(\d+) kB", status):
            peak = max(peak, int(found[1]))
    return peak


def test_next_server_answers(sandbox: Sandbox, dicts: Dicts, log: Log,
                             bad: BadServer, case: Case) -> None:
    # More than usual: this server is slow on a busy machine.
    asked = dicts.make(uris=f"{bad.uri} {sandbox.env['LDAP1_URI']}",
                       timeout="6s")
    for user, number in (("bob", 2), ("alice", 1), ("carol", 3)):
        assert asked.home(user) == f"imap://{sandbox.server(number)}/"
    sales = asked.mailbox("Shared/sales")
    assert sales and sales.startswith(f"imap://{sandbox.server(2)}/")
    assert peak_kb(sandbox) < MEMORY_KB

    lines = log.lines(bad.uri, "trying the next server")
    # Homes and mailboxes; each kind of answer has a connection of its own.
    assert 1 <= len(lines) <= 3, lines
    assert all(re.search(case.says, line) for line in lines), lines


def test_no_other_server(sandbox: Sandbox, dicts: Dicts, bad: BadServer,
                         case: Case) -> None:
    """It is never taken for "not found"."""
    asked = dicts.make(uris=bad.uri)
    for kind, name in (("home", "bob"), ("home", "nobody"),
                       ("mailbox", "Shared/sales"),
                       ("mailbox", "Shared/nothing")):
        assert asked.fails(kind, name)
    assert peak_kb(sandbox) < MEMORY_KB


# --- answers that are none, but no reason to ask somebody else

def serve(answer: Answer) -> Iterator[BadServer]:
    server = BadServer(answer)
    yield server
    server.close()


@pytest.fixture
def nested() -> Iterator[BadServer]:
    yield from serve(deep_nesting)


def test_entry_that_cannot_be_read(sandbox: Sandbox, dicts: Dicts,
                                   nested: BadServer) -> None:
    """It is not one without a home."""
    asked = dicts.make(uris=nested.uri)
    assert asked.fails("home", "bob")
    assert asked.fails("mailbox", "Shared/sales")


def many_values(send: Send, msgid: int) -> None:
    send(message(msgid, with_values(100_000)) + done(msgid))


@pytest.fixture
def generous() -> Iterator[BadServer]:
    yield from serve(many_values)


def test_more_values_than_anybody_needs(sandbox: Sandbox, dicts: Dicts,
                                        generous: BadServer,
                                        log: Log) -> None:
    """It is no reason to ask another server: it would say the same."""
    asked = dicts.make(uris=generous.uri)
    value = asked.home("bob")
    assert value and len(value.split()) == 64
    log.wait("Skipping mailHost=", "more values")
    assert peak_kb(sandbox) < MEMORY_KB


def reference(send: Send, msgid: int) -> None:
    """RFC 4511 section 4.5.3: a part of the directory is elsewhere. Some
    servers say so with every answer."""
    send(message(msgid, ber(REFERENCE, string(b"ldap://h/ou=x," + BASE)))
         + entry(msgid, b"x", mailHost=[b"127.0.10.9"]) + done(msgid))


@pytest.fixture
def referring() -> Iterator[BadServer]:
    yield from serve(reference)


def test_references_are_not_followed(dicts: Dicts,
                                     referring: BadServer) -> None:
    asked = dicts.make(uris=referring.uri)
    assert asked.home("bob") == "imap://127.0.10.9:10143/"
