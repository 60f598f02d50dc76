"""The sandbox as the tests see it: its command, its environment, its files."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dovecot
from wire import Imap, Reply

TOP = Path(__file__).resolve().parents[2]
PROGRAM = TOP / "tests" / "sandbox"

# Far above what anything takes; waiting ends as soon as it is true.
DEADLINE_SECS = 30

# Whatever else goes wrong, a login or command on a remote name must have
# its answer within this time: 2.5 s for the process that asks, 2 s and a half
# in which Dovecot holds failed logins back, and a second for a busy machine.
ANSWER_SECS = 6

# For whoever needs a message.
MESSAGE = (b"From: alice@example.org\r\nSubject: Test\r\n\r\n"
           b"A message of the tests.\r\n")

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str = "",
             deadline: float = DEADLINE_SECS) -> T:
    """Wait until the condition is true and return its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, \
            f"not within {deadline} s: {what or condition}; last: {value!r}"
        time.sleep(0.05)


def at_once(function: Callable[[T], object], items: Iterable[T]) -> None:
    """Call the function for all items at the same time: Dovecot holds back
    the answer to a failed login for 2 s."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(function, items))


def short(name: str | bytes) -> str:
    """A parameter as part of a test's name."""
    return ascii(name)[:30]


@dataclass
class Server:
    address: str
    pid: int | None
    up: bool


def children(master: int, name: str) -> list[int]:
    """The processes of this Dovecot that it calls by this name."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        # auth leaves a space there when it has once said how busy it is.
        title = command.split(b"\0")[0].rstrip()
        if parent == master and title == b"dovecot/" + name.encode():
            pids.append(int(stat.parent.name))
    return pids


class Log:
    """What a server has logged since this object was made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = path.stat().st_size if path.exists() else 0

    def text(self) -> str:
        if not self.path.exists():
            return ""
        with open(self.path, "rb") as stream:
            stream.seek(self.start)
            return stream.read().decode(errors="backslashreplace")

    def lines(self, *parts: str) -> list[str]:
        return [line for line in self.text().splitlines()
                if all(part in line for part in parts)]

    def wait(self, *parts: str) -> str:
        """The first line that has all of the parts."""
        return wait_for(lambda: self.lines(*parts),
                        f"{parts} in {self.path}")[0]


class Sandbox:
    def __init__(self) -> None:
        self.env: dict[str, str] = {}

    def run(self, *args: str, check: bool = True) -> str:
        done = subprocess.run([PROGRAM, *args], text=True, timeout=180,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0 or not check, \
            f"tests/sandbox {' '.join(args)}:\n{done.stdout}"
        return done.stdout

    def start(self, *names: str) -> None:
        self.run("start", *names)

    @contextlib.contextmanager
    def starting(self, name: str) -> Iterator[None]:
        """A server that may not come up; it is stopped afterwards."""
        process = subprocess.Popen([PROGRAM, "start", name],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            self.stop(name)
            process.wait()

    def stop(self, *names: str) -> None:
        self.run("stop", *names)

    def restart(self, *names: str) -> None:
        self.stop(*names)
        self.start(*names)

    def load_env(self) -> None:
        words = shlex.split(self.run("env"), comments=True)
        self.env = dict(word.split("=", 1) for word in words if "=" in word)

    def status(self) -> dict[str, Server]:
        servers = {}
        for line in self.run("status", check=False).splitlines():
            name, address, *rest = line.split()
            pid = next((int(word) for word in rest if word.isdigit()), None)
            servers[name] = Server(address, pid, "up" in rest)
        return servers

    # --- people and servers

    @property
    def password(self) -> str:
        return self.env["USER_PASSWORD"]

    def address(self, number: int, tls: bool = False) -> tuple[str, int]:
        port = "TLS_PORT" if tls else "PORT"
        return (self.env[f"IMAP{number}_HOST"],
                int(self.env[f"IMAP{number}_{port}"]))

    def server(self, number: int) -> str:
        """host[:port] as it stands in a URL."""
        host, port = self.address(number)
        return host if port == 143 else f"{host}:{port}"

    def imap(self, number: int = 1, tls: bool = False,
             port: int | None = None, greeting: bool = True) -> Imap:
        host, usual_port = self.address(number, tls)
        return Imap(host, port or usual_port,
                    self.tls_context() if tls else None, greeting=greeting)

    def tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.env["TLS_CA"])
        # The certificate's names are not what is tested here.
        context.check_hostname = False
        return context

    def session(self, user: str, number: int = 1) -> Imap:
        """A connection on which the user has logged in."""
        client = self.imap(number)
        reply = client.login(user, self.password)
        assert reply.status == "OK", reply
        return client

    @contextlib.contextmanager
    def own_mailbox(self, name: str) -> Iterator[Imap]:
        """alice, who has a mailbox of her own, with one message."""
        with self.session("alice") as client:
            client.command(f"DELETE {name}")
            client.ok(f"CREATE {name}")
            assert client.append(name, MESSAGE).status == "OK"
            yield client
        # Whatever that connection is good for by now.
        with self.session("alice") as client:
            client.ok(f"DELETE {name}")

    def login(self, user: str, number: int = 1,
              password: str | None = None) -> Reply:
        with self.imap(number) as client:
            return client.login(user, password or self.password)

    def mailbox_referral(self, user: str, number: int, mailbox: str) -> str:
        """The tagged line, without the tag, for a mailbox that is there.
        The name is written as in URLs."""
        return (f"NO [REFERRAL imap://{user};AUTH=*@{self.server(number)}/"
                f"{mailbox}] This folder is on IMAP server "
                f"{self.address(number)[0]}.")

    # --- processes

    def log(self, number: int = 1) -> Log:
        return Log(Path(self.env[f"IMAP{number}_LOG"]))

    def dict_pids(self, number: int = 1) -> list[int]:
        return self.pids("dict", number)

    def pids(self, name: str, number: int = 1) -> list[int]:
        """The processes of a server that Dovecot calls by this name."""
        master = self.status()[f"imap{number}"].pid
        return children(master, name) if master else []

    def end_dict(self, number: int = 1) -> None:
        """End dict-async; the next lookup gets a new one, with nothing in
        its memory."""
        for pid in wait_for(lambda: self.dict_pids(number), "dict-async"):
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: pid not in self.dict_pids(number))

    @contextlib.contextmanager
    def hung_dict(self) -> Iterator[None]:
        """dict-async of imap1 takes connections, and says nothing."""
        pids = wait_for(self.dict_pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def hung_ldap1(self) -> Iterator[None]:
        """ldap1 takes connections, and says nothing."""
        pid = self.status()["ldap1"].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
            self.wait_until_asked_again()

    def wait_until_asked_again(self) -> None:
        """Until the servers do not wait any more before they try the LDAP
        server again; they have a connection for each kind of answer."""
        servers = self.status()
        for number in (1, 2, 3):
            if not servers[f"imap{number}"].up:
                continue
            asked = Dict(self, number=number)
            for kind, name in (("home", "alice"), ("mailbox", "Shared/sales"),
                               ("server", self.server(number))):
                wait_for(lambda: asked.fails(kind, name) is None)

    # --- the dict

    def doveadm_dict(self, command: str, *args: str | bytes,
                     user: str = "alice", name: str = "imap_referral",
                     number: int = 1) -> subprocess.Popen[bytes]:
        """`doveadm dict` with a dict of a server."""
        text, target = dovecot.doveadm_dict(self.env[f"DICT_SOCKET{number}"],
                                            name)
        config = Path(self.env["SANDBOX_DIR"]) / f"doveadm-{number}-{name}"
        config.write_text(text)
        return subprocess.Popen(
            ["doveadm", "-c", config, "-f", "tab", "dict", command,
             "-u", user, target, *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def dict_key(kind: str, name: str | bytes) -> bytes:
    """As dict_escape_string() does."""
    raw = name.encode() if isinstance(name, str) else name
    escaped = raw.replace(b"\\", b"\\\\").replace(b"/", b"\\|")
    return b"shared/imap-referral/%s/%s" % (kind.encode(), escaped)


class DictFailure(Exception):
    """The dict could not be asked."""


class Lookup:
    """A lookup that is under way: many of them can be at once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def result(self) -> str | None:
        """The value, or None if there is none; raises DictFailure."""
        out, err = self._process.communicate(timeout=DEADLINE_SECS * 2)
        text = err.decode(errors="replace")
        if self._process.returncode == 0:
            return out.decode().strip()
        if "doesn't exist" in text:
            return None
        raise DictFailure(text)


class Dict:
    """A dict of a server, asked by the keys of the contract."""

    def __init__(self, sandbox: Sandbox, name: str = "imap_referral",
                 number: int = 1) -> None:
        self._sandbox = sandbox
        self.name = name
        self._dict = {"name": name, "number": number}

    def start(self, kind: str, name: str | bytes,
              user: str = "alice") -> Lookup:
        return Lookup(self._sandbox.doveadm_dict(
            "get", dict_key(kind, name), user=user, **self._dict))

    def get(self, kind: str, name: str | bytes,
            user: str = "alice") -> str | None:
        return self.start(kind, name, user).result()

    def home(self, user: str | bytes) -> str | None:
        return self.get("home", user)

    def mailbox(self, name: str | bytes, user: str = "alice") -> str | None:
        return self.get("mailbox", name, user)

    def word(self, key: str) -> str:
        """The value of a key that is not about the directory: status or
        flush."""
        value = Lookup(self._sandbox.doveadm_dict(
            "get", f"shared/imap-referral/{key}", **self._dict)).result()
        assert value
        return value

    def status(self) -> dict[str, str]:
        words = [word.split("=", 1) for word in self.word("status").split()]
        return {name: value for name, value in words}

    def flush(self) -> str:
        return self.word("flush")

    def fails(self, kind: str, name: str | bytes) -> str | None:
        """The message if a lookup fails, else None."""
        try:
            self.get(kind, name)
        except DictFailure as failure:
            return str(failure)
        return None

    def finds_nothing(self, kind: str, name: str | bytes) -> bool:
        """Not found, or refused: both are right for what cannot be a name."""
        try:
            return self.get(kind, name) is None
        except DictFailure:
            return True

    def mailboxes(self, user: str = "alice") -> dict[str, str]:
        """All rows, by mailbox name."""
        process = self._sandbox.doveadm_dict(
            "iter", "shared/imap-referral/mailbox/", user=user, **self._dict)
        out, err = process.communicate(timeout=DEADLINE_SECS * 2)
        if process.returncode != 0:
            raise DictFailure(err.decode(errors="replace"))
        rows = {}
        for line in out.decode().splitlines()[1:]:
            key, value = line.split("\t")
            name = key.removeprefix("shared/imap-referral/mailbox/")
            name = name.replace("\\|", "/").replace("\\\\", "\\")
            assert name not in rows, f"twice: {name}"
            rows[name] = value
        return rows


def set_line(path: Path, name: str, value: str | None) -> None:
    """Set a `name = value` line of a settings file; None removes it."""
    kept = [line for line in path.read_text().splitlines()
            if not re.match(rf"\s*{re.escape(name)}\s*=", line)]
    if value is not None:
        kept.append(f"{name} = {value}")
    path.write_text("\n".join(kept) + "\n")
