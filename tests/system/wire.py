"""An IMAP client that hides nothing: every byte sent and received is ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
import socket
import ssl
from dataclasses import dataclass, field

import gssapi

# A reply later than this means a hung server, not a slow one.
DEADLINE_SECS = 30

_source_numbers = itertools.count(1)


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def quoted(name: str | bytes) -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + escaped + b'"'


@dataclass
class Reply:
    """What a server sent up to the tagged line; lines without CRLF."""

    tagged: str
    untagged: list[str] = field(default_factory=list)
    continuations: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.tagged.split(" ", 1)[0]

    @property
    def without_times(self) -> str:
        """The tagged line without what it took."""
        return re.sub(r" \([\d.+ ]+ secs\)\.$", ".", self.tagged)

    @property
    def referral(self) -> str | None:
        """The text within [REFERRAL ...], as far as the first bracket."""
        found = re.search(r"\[REFERRAL ([^\]]*)\]", self.tagged)
        return found.group(1) if found else None

    def listed(self, kind: str = "LIST") -> dict[str, set[str]]:
        """Names and flags of LIST or LSUB lines, each name once. A CHILDINFO
        counts as a flag; whether there is new mail does not."""
        rows: dict[str, set[str]] = {}
        for line in self.untagged:
            found = re.fullmatch(
                rf'\* {kind} \(([^)]*)\) (?:"[^"]*"|NIL) '
                r'("(?:\\.|[^"\\])*"|\{\d+\}\r\n.*?|[^ ]+)'
                r'(?: \("?(CHILDINFO)"? \(.*\)\))?', line, re.DOTALL)
            if found is None:
                continue
            name = found.group(2)
            if name.startswith('"'):
                name = re.sub(r"\\(.)", r"\1", name[1:-1])
            elif name.startswith("{"):
                name = name.split("\n", 1)[1]
            assert name not in rows, f"twice: {name} in {self.untagged}"
            rows[name] = set(found.group(1).split()) \
                - {r"\Marked", r"\UnMarked"}
            if found.group(3):
                rows[name].add("CHILDINFO")
        return rows


class Imap:
    """One connection. `received` keeps everything the server ever sent."""

    def __init__(self, host: str, port: int,
                 tls: ssl.SSLContext | None = None,
                 deadline: float = DEADLINE_SECS, source: str = "",
                 server_name: str | None = None,
                 greeting: bool = True) -> None:
        # A source address for each connection: failed logins of one test
        # must not slow down the next one (auth penalty by address).
        number = next(_source_numbers)
        source = source or f"127.20.{number // 250}.{number % 250 + 1}"
        sock = socket.create_connection((host, port), deadline,
                                        source_address=(source, 0))
        self.sock = tls.wrap_socket(sock, server_hostname=server_name) \
            if tls else sock
        self.received = b""
        self._buffer = b""
        self._tags = itertools.count(1)
        self.greeting = self.line().decode(errors="replace") \
            if greeting else ""

    def __enter__(self) -> Imap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_tls(self, tls: ssl.SSLContext) -> None:
        """After STARTTLS."""
        self.sock = tls.wrap_socket(self.sock)

    def close(self) -> None:
        self.sock.close()

    # --- bytes

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("connection closed by the server; it sent: "
                           + repr(self.received[-500:]))
        self.received += data
        self._buffer += data

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def line(self) -> bytes:
        """The next line, with the literals in it."""
        whole = b""
        while True:
            while b"\r\n" not in self._buffer:
                self._more()
            whole += self._take(self._buffer.index(b"\r\n"))
            self._take(2)
            literal = re.search(rb"\{(\d+)\}$", whole)
            if literal is None:
                return whole
            whole += b"\r\n" + self._take(int(literal.group(1)))

    # --- commands

    def tag(self) -> bytes:
        return b"t%d" % next(self._tags)

    def reply(self, tag: bytes,
              answers: list[bytes] | None = None) -> Reply:
        """Read until the tagged line; answer each `+` with the next of
        `answers`. A `+` with nothing left to say ends the read as well,
        with an empty tagged line."""
        answers = list(answers or [])
        result = Reply("")
        while True:
            line = self.line()
            text = line.decode(errors="surrogateescape")
            if line.startswith(tag + b" "):
                result.tagged = text[len(tag) + 1:]
                return result
            if line.startswith(b"+"):
                result.continuations.append(text)
                if not answers:
                    return result
                self.send(answers.pop(0) + b"\r\n")
            else:
                result.untagged.append(text)

    def command(self, command: str | bytes,
                answers: list[bytes] | None = None) -> Reply:
        raw = command.encode() if isinstance(command, str) else command
        tag = self.tag()
        self.send(tag + b" " + raw + b"\r\n")
        return self.reply(tag, answers)

    def ok(self, command: str | bytes,
           answers: list[bytes] | None = None) -> Reply:
        reply = self.command(command, answers)
        assert reply.status == "OK", (command, reply)
        return reply

    def append(self, mailbox: str, message: bytes) -> Reply:
        return self.command(b"APPEND %s {%d}" % (quoted(mailbox),
                                                 len(message)), [message])

    # --- authentication

    def login(self, user: str, password: str) -> Reply:
        return self.command(b"LOGIN %s %s" % (quoted(user),
                                              quoted(password)))

    def plain(self, user: str, password: str, as_user: str = "") -> Reply:
        secret = f"{as_user}\0{user}\0{password}".encode()
        return self.command("AUTHENTICATE PLAIN", [b64(secret)])

    def plain_initial(self, user: str, password: str) -> Reply:
        secret = f"\0{user}\0{password}".encode()
        return self.command(b"AUTHENTICATE PLAIN " + b64(secret))

    def sasl_login(self, user: str, password: str) -> Reply:
        return self.command("AUTHENTICATE LOGIN", [b64(user.encode()),
                                                   b64(password.encode())])

    def cram_md5(self, user: str, password: str) -> Reply:
        tag = self.tag()
        self.send(tag + b" AUTHENTICATE CRAM-MD5\r\n")
        first = self.reply(tag)
        if first.tagged:
            return first
        challenge = base64.b64decode(first.continuations[0][2:])
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        self.send(b64(f"{user} {digest}".encode()) + b"\r\n")
        return self.reply(tag)

    def _scram(self, hash_name: str, user: str, password: str) -> Reply:
        """RFC 5802 and RFC 7677, without channel binding."""
        tag = self.tag()
        bare = f"n={user},r=fixednonceofthetests"
        mechanism = hash_name.upper().replace("SHA", "SCRAM-SHA-").encode()
        self.send(tag + b" AUTHENTICATE " + mechanism + b" "
                  + b64(f"n,,{bare}".encode()) + b"\r\n")
        first = self.reply(tag)
        if first.tagged:
            return first
        server_first = base64.b64decode(first.continuations[0][2:]).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac(hash_name, password.encode(),
                                     base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", hash_name)
        without_proof = f"c=biws,r={fields['r']}"
        message = f"{bare},{server_first},{without_proof}".encode()
        stored_key = hashlib.new(hash_name, client_key).digest()
        signature = hmac.digest(stored_key, message, hash_name)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = without_proof.encode() + b",p=" + b64(proof)
        self.send(b64(final) + b"\r\n")
        # With success the server's own proof comes first, to be
        # acknowledged by an empty line.
        return self.reply(tag, [b""])

    def scram_sha_1(self, user: str, password: str) -> Reply:
        return self._scram("sha1", user, password)

    def scram_sha_256(self, user: str, password: str) -> Reply:
        return self._scram("sha256", user, password)

    def external(self, user: str = "") -> Reply:
        """RFC 4422: who we are is what the TLS certificate says."""
        return self.command("AUTHENTICATE EXTERNAL", [b64(user.encode())])

    def oauthbearer(self, user: str, token: str) -> Reply:
        """RFC 7628. A failure is explained first, and the explanation
        acknowledged by ^A."""
        data = f"n,a={user},\1auth=Bearer {token}\1\1".encode()
        return self.command("AUTHENTICATE OAUTHBEARER",
                            [b64(data), b64(b"\1")])

    def xoauth2(self, user: str, token: str) -> Reply:
        data = f"user={user}\1auth=Bearer {token}\1\1".encode()
        return self.command("AUTHENTICATE XOAUTH2", [b64(data), b""])

    def gssapi(self, user: str, context: gssapi.SecurityContext) -> Reply:
        """RFC 4752, without a security layer."""
        tag = self.tag()
        self.send(tag + b" AUTHENTICATE GSSAPI\r\n")
        reply = self.reply(tag)
        while not reply.tagged and not context.complete:
            token = base64.b64decode(reply.continuations[-1][2:])
            answer = context.step(token or None)
            self.send(b64(answer or b"") + b"\r\n")
            reply = self.reply(tag)
        if reply.tagged:
            return reply
        context.unwrap(base64.b64decode(reply.continuations[-1][2:]))
        answer = context.wrap(b"\1\0\0\0" + user.encode(), False).message
        self.send(b64(answer) + b"\r\n")
        return self.reply(tag)


# What a person may log in with, and the mechanism that Dovecot names in the
# URL of the referral.
LOGINS = {
    "LOGIN command": (Imap.login, "PLAIN"),
    "PLAIN": (Imap.plain, "PLAIN"),
    "PLAIN with initial response": (Imap.plain_initial, "PLAIN"),
    "LOGIN": (Imap.sasl_login, "LOGIN"),
    "CRAM-MD5": (Imap.cram_md5, "CRAM-MD5"),
    "SCRAM-SHA-1": (Imap.scram_sha_1, "SCRAM-SHA-1"),
    "SCRAM-SHA-256": (Imap.scram_sha_256, "SCRAM-SHA-256"),
}
