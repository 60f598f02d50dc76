"""LDAP servers that misbehave, and a client that asks the dict for many things
at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import dovecot
from sandbox import DEADLINE_SECS, Sandbox
from taps import _ber_length, _ber_size, _ldap_operation, _shut

LDAP_BIND, LDAP_UNBIND, LDAP_SEARCH = 0x60, 0x42, 0x63
BIND_RESPONSE, SEARCH_RESULT = 0x61, 0x65
SUCCESS, REFERRAL, INVALID_CREDENTIALS, BUSY, UNAVAILABLE = 0, 10, 49, 51, 52

DICT_PROTOCOL = "3.2" if dovecot.IS_2_3 else "4.0"


def result(message: bytes, tag: int, code: int, rest: bytes = b"") -> bytes:
    """An LDAPResult (RFC 4511 section 4.1.9) for a request."""
    start = _ber_length(message, 1)[1]
    number = message[start:start + 2 + message[start + 1]]
    body = bytes([0x0a, 1, code]) + b"\x04\x00\x04\x00" + rest
    body = bytes([tag, len(body)]) + body
    return bytes([0x30, len(number) + len(body)]) + number + body


class FakeLdap:
    """Answers each message with what a function says: bytes; None is silence,
    b"" the end of the connection."""

    def __init__(self, answer: Callable[[int, bytes], bytes | None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,),
                             daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        buffer = b""
        try:
            while data := client.recv(65536):
                buffer += data
                while (size := _ber_size(buffer)) and len(buffer) >= size:
                    message, buffer = buffer[:size], buffer[size:]
                    # What is not LDAP is TLS.
                    operation = _ldap_operation(message) \
                        if message[0] == 0x30 else 0
                    answer = self._answer(operation, message)
                    if answer == b"":
                        _shut(client)
                    elif answer is not None:
                        client.sendall(answer)
        except OSError:
            pass
        client.close()

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        for client in self._clients:
            _shut(client)


def binds_with(code: int) -> Callable[[int, bytes], bytes | None]:
    return lambda operation, message: \
        result(message, BIND_RESPONSE, code) if operation == LDAP_BIND \
        else None


def searches_with(answer: Callable[[bytes], bytes | None]) \
        -> Callable[[int, bytes], bytes | None]:
    """Binds are well."""
    def both(operation: int, message: bytes) -> bytes | None:
        if operation == LDAP_BIND:
            return result(message, BIND_RESPONSE, SUCCESS)
        return answer(message) if operation == LDAP_SEARCH else None
    return both


def refer(message: bytes) -> bytes:
    url = b"ldap://ldap.example.com"
    return result(message, SEARCH_RESULT, REFERRAL,
                  bytes([0xa3, len(url) + 2, 0x04, len(url)]) + url)


@contextlib.contextmanager
def unreachable() -> Iterator[str]:
    """A URI whose packets are dropped, as by a firewall: the listener's queue
    is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    clients = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        clients.append(client)
    time.sleep(0.1)
    try:
        yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for sock in (*clients, listener):
            sock.close()


@contextlib.contextmanager
def refused() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    yield f"ldap://127.0.0.1:{port}"


@contextlib.contextmanager
def fake(answer: Callable[[int, bytes], bytes | None],
         scheme: str = "ldap") -> Iterator[str]:
    server = FakeLdap(answer)
    try:
        yield server.uri.replace("ldap:", scheme + ":")
    finally:
        server.close()


class Pipeline:
    """A connection to dict-async with many lookups on it at once."""

    def __init__(self, sandbox: Sandbox, name: str, number: int = 1) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_SECS)
        self._socket.connect(sandbox.env[f"DICT_SOCKET{number}"])
        self._stream = self._socket.makefile("rwb")
        major, minor = DICT_PROTOCOL.split(".")
        self._write(f"H{major}\t{minor}\t0\talice\t{name}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text.encode())
        self._stream.flush()

    def start(self, users: list[str]) -> None:
        """Ask for the homes of all of them."""
        self._write("".join(f"Lshared/imap-referral/home/{user}\talice\n"
                            for user in users))

    def _reply(self) -> tuple[int, str]:
        """Number of a lookup that was not answered at once, else 0; and
        O... found, N not found, F... failed."""
        while (line := self._stream.readline()).startswith(b"*"):
            pass
        assert line, "dict-async has closed the connection"
        number, fields = 0, line.decode().rstrip("\n").split("\t")
        if fields[0].startswith("+"):
            number = int(fields.pop(0)[1:])
        return number, fields[0]

    def reply(self) -> str:
        return self._reply()[1]

    def replies(self, count: int) -> list[str]:
        """In the order of the lookups, if none was answered at once."""
        return [text for _, text in sorted(self._reply()
                                           for _ in range(count))]

    def home(self, user: str) -> str:
        self.start([user])
        return self.reply()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
