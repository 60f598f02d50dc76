"""Relays that sit between two programs, count what passes and misbehave on
demand: in front of slapd, and in front of the dict socket."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

LDAP_BIND, LDAP_SEARCH = 0x60, 0x63
PAGED_RESULTS = b"1.2.840.113556.1.4.319"


class Relay:
    """Accepts connections and copies bytes to and from the target. What
    subclasses see of each direction is whole messages."""

    def __init__(self, listener: socket.socket,
                 connect: Callable[[], socket.socket]) -> None:
        self._listener = listener
        self._connect = connect
        self._lock = threading.Lock()
        self._answering = threading.Event()
        self._answering.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        self.accepted = 0
        # Connections that the client has ended.
        self.ended = 0
        listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    # --- for tests

    def hold(self) -> None:
        """Keep all answers back, as a hung server does."""
        self._answering.clear()

    def release(self) -> None:
        self._answering.set()

    def cut(self) -> None:
        """Close all connections; new ones are accepted as before."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                _shut(sock)

    def close(self) -> None:
        self._closed = True
        _shut(self._listener)
        self._listener.close()
        self.cut()
        self.release()

    # --- for subclasses

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """Whole messages at the start of buffer, and the rest."""
        raise NotImplementedError

    def request(self, message: bytes) -> None:
        """A whole message has come from the client."""

    # ---

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            for source, target, from_client in ((client, server, True),
                                                (server, client, False)):
                threading.Thread(target=self._copy, daemon=True,
                                 args=(source, target, from_client)).start()

    def _copy(self, source: socket.socket, target: socket.socket,
              from_client: bool) -> None:
        buffer = b""
        try:
            while data := source.recv(65536):
                if from_client:
                    messages, buffer = self.split(buffer + data)
                    for message in messages:
                        self.request(message)
                else:
                    self._answering.wait()
                target.sendall(data)
        except OSError:
            pass
        if from_client:
            self.ended += 1
        _shut(source)
        _shut(target)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class LdapTap(Relay):
    """A relay in front of slapd."""

    def __init__(self, target: tuple[str, int]) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        # Called with each search before slapd gets to see it.
        self.on_search: Callable[[bytes], None] = lambda _: None
        super().__init__(listener, lambda: socket.create_connection(target))

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        messages = []
        while (size := _ber_size(buffer)) and len(buffer) >= size:
            messages.append(buffer[:size])
            buffer = buffer[size:]
        return messages, buffer

    def request(self, message: bytes) -> None:
        self.requests.append(message)
        if _ldap_operation(message) == LDAP_SEARCH:
            self.on_search(message)

    @property
    def binds(self) -> int:
        return len(self._operations(LDAP_BIND))

    def searches(self, *parts: bytes) -> list[bytes]:
        """Searches so far that contain all of the parts."""
        return [message for message in self._operations(LDAP_SEARCH)
                if all(part in message for part in parts)]

    def home_searches(self, user: str) -> int:
        return len(self.searches(_ber_strings(b"uid", user.encode())))

    def loads(self) -> list[bytes]:
        """The paged searches: those that load the map of mailboxes."""
        return self.searches(PAGED_RESULTS)

    def _operations(self, operation: int) -> list[bytes]:
        return [message for message in list(self.requests)
                if _ldap_operation(message) == operation]


def is_later_page(search: bytes) -> bool:
    """Whether a paged search goes on where another has ended: its control,
    the last part of it, then holds a cookie (RFC 2696)."""
    return PAGED_RESULTS in search and not search.endswith(b"\x04\x00")


def _ber_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Length that is encoded at `at`, and where its content begins."""
    if len(data) <= at:
        return None
    if data[at] < 0x80:
        return data[at], at + 1
    end = at + 1 + (data[at] & 0x7f)
    if len(data) < end:
        return None
    return int.from_bytes(data[at + 1:end], "big"), end


def _ber_size(data: bytes) -> int | None:
    decoded = _ber_length(data, 1)
    return sum(decoded) if decoded else None


def _ldap_operation(message: bytes) -> int:
    """Tag of the operation, which follows the message's number."""
    decoded = _ber_length(message, 1)
    assert decoded is not None and message[decoded[1]] == 0x02
    return message[decoded[1] + 2 + message[decoded[1] + 1]]


def _ber_strings(*values: bytes) -> bytes:
    return b"".join(b"\x04" + bytes([len(value)]) + value
                    for value in values)


class DictTap(Relay):
    """A relay in front of dict-async's socket."""

    def __init__(self, path: Path, target: str) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        # The mail user, whoever that is, has to get at it.
        os.chmod(path, 0o666)
        self.path = path
        self.lines: list[bytes] = []

        def connect() -> socket.socket:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(target)
            return sock
        super().__init__(listener, connect)

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        *lines, rest = buffer.split(b"\n")
        return lines, rest

    def request(self, message: bytes) -> None:
        self.lines.append(message)

    def keys(self) -> Iterator[str]:
        """Keys asked for so far, lookups and iterations."""
        for line in list(self.lines):
            if found := re.match(rb"[LI](?:\d+\t\d+\t)?([^\t]*)", line):
                yield found.group(1).decode()

    def asked(self, use: Callable[[], object]) -> list[bytes]:
        """The lookups and iterations that a function causes."""
        before = len(self.lines)
        use()
        return [line for line in self.lines[before:]
                if line[:1] in (b"L", b"I")]

    def close(self) -> None:
        super().close()
        self.path.unlink(missing_ok=True)
