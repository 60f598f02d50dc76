"""Many clients that connect and log in at once, while the directory is well
and while it is not: what tests/load and test_load.py run."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import multiprocessing
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dovecot
from configuration import Config
from sandbox import Dict, Log, Sandbox, children, wait_for

# Until then every client has its answer. Far above what it takes: a small
# machine needs a minute and more to start 1,000 login processes.
DEADLINE_SECS = 150

SLOW_SECS = 0.1

# Memory that a process may have gained in the rounds after the first one.
GROWTH_FACTOR = 1.2
GROWTH_KB = 4096
# A login process has a different share of the clients in each round. Its heap
# grows until it has once had most of them; after about ten rounds it stays.
LOGIN_GROWTH_FACTOR = 1.6

# How imap-login serves clients: the two that Dovecot's manual describes.
MODES = {"one client a process": True, "many clients a process": False}

DIRECTORY_ANSWERS = ("answers", "slow")
SITUATIONS = (*DIRECTORY_ANSWERS, "stopped", "gone")

# All users that are made for this begin so.
PREFIX = "load-"

# Nobody may log this.
BAD_LINE = re.compile(r"Panic:|Fatal:|Error:|killed with signal|"
                      r"Raw backtrace|client_limit")
# But these say that the directory is away, and to whom it mattered.
OUTAGE_LINE = re.compile(
    r" dict-async.*(Lookup|Loading the \w+) failed: |"
    r" (auth|imap-login).*: Looking up .* failed: ")

# What may come before the answer: the latter after 30 s, if for example imap
# has not been started until then.
UNTAGGED = ("* CAPABILITY ", "* OK Waiting for authentication ")


# --- clients

# The first of the kinds is the most frequent one.
ELSEWHERE, HERE, HOMELESS, NEW, WRONG = (
    "elsewhere", "here", "homeless", "new", "wrong")
KINDS = (ELSEWHERE, HERE, WRONG, ELSEWHERE, HOMELESS,
         ELSEWHERE, HERE, WRONG, ELSEWHERE, NEW)

REFERRED, LOGGED_IN, REFUSED, UNAVAILABLE = (
    "referred", "logged in", "refused", "unavailable")
RIGHT_ANSWERS = {ELSEWHERE: REFERRED, HERE: LOGGED_IN, HOMELESS: LOGGED_IN,
                 NEW: LOGGED_IN, WRONG: REFUSED}


@dataclass(frozen=True)
class Person:
    """A client, and who uses it. Everybody whose home is elsewhere has a home
    that nobody else has: what was meant for somebody else shows."""

    number: int
    # Somebody new in each round has never been asked about.
    round: int = 0

    @property
    def kind(self) -> str:
        return KINDS[self.number % len(KINDS)]

    @property
    def tls(self) -> bool:
        return self.number // len(KINDS) % 2 == 1

    @property
    def authenticates(self) -> bool:
        """By AUTHENTICATE PLAIN, not by LOGIN."""
        return self.number // len(KINDS) // 2 % 2 == 1

    @property
    def has_home_elsewhere(self) -> bool:
        # With a wrong password there is still something to give away.
        return self.kind in (ELSEWHERE, WRONG)

    @property
    def name(self) -> str:
        again = f"-{self.round}" if self.kind == NEW else ""
        return f"{PREFIX}{self.kind}-{self.number}{again}"

    @property
    def home(self) -> str:
        return f"{self.name}.example.org"

    @property
    def source(self) -> str:
        """An address for each client: Dovecot counts by address."""
        return f"127.21.{self.number // 250}.{self.number % 250 + 1}"

    def command(self, password: str) -> bytes:
        if self.kind == WRONG:
            password = "wrong"
        if not self.authenticates:
            return f"a LOGIN {self.name} {password}\r\n".encode()
        secret = base64.b64encode(f"\0{self.name}\0{password}".encode())
        return b"a AUTHENTICATE PLAIN " + secret + b"\r\n"

    def may_get(self, situation: str) -> set[str]:
        right = RIGHT_ANSWERS[self.kind]
        if situation in DIRECTORY_ANSWERS or self.kind == WRONG:
            return {right}
        # An answer that is in the cache still counts.
        return {UNAVAILABLE} if self.kind == NEW else {right, UNAVAILABLE}


@dataclass
class Outcome:
    """What a client got. `error` says what is wrong about it."""

    person: Person
    answer: str = ""
    error: str = ""
    greeting_secs: float = 0
    answer_secs: float = 0


class Client:
    def __init__(self, person: Person) -> None:
        self.outcome = Outcome(person)
        self._writer: asyncio.StreamWriter | None = None

    async def attend(self, load: Load, situation: str) -> None:
        """Connect, log in, and stay."""
        outcome = self.outcome
        try:
            await asyncio.wait_for(self._log_in(load), DEADLINE_SECS)
        except asyncio.TimeoutError:
            outcome.error = (f"no {self._waits_for} within {DEADLINE_SECS} s")
        except (OSError, EOFError, ValueError) as error:
            outcome.error = f"no {self._waits_for}: {error!r}"
        if not outcome.error and \
                outcome.answer not in outcome.person.may_get(situation):
            outcome.error = f"wrong answer: {outcome.answer}"

    async def _log_in(self, load: Load) -> None:
        outcome, person = self.outcome, self.outcome.person
        start = time.monotonic()
        self._waits_for = "connection"
        tls = {"ssl": load.tls, "ssl_handshake_timeout": DEADLINE_SECS} \
            if person.tls else {}
        reader, self._writer = await asyncio.open_connection(
            *load.sandbox.address(1, person.tls),
            local_addr=(person.source, 0), **tls)
        self._waits_for = "greeting"
        greeting = await reader.readuntil(b"\r\n")
        if not greeting.startswith(b"* OK [CAPABILITY "):
            raise ValueError(greeting)
        outcome.greeting_secs = time.monotonic() - start

        start = time.monotonic()
        self._waits_for = "answer"
        self._writer.write(person.command(load.sandbox.password))
        line = b"* "
        lines = []
        while line.startswith(b"* "):
            line = await reader.readuntil(b"\r\n")
            lines.append(line.decode(errors="replace").rstrip("\r\n"))
        outcome.answer = load.answer(person, lines)
        outcome.answer_secs = time.monotonic() - start

    def leave(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


# --- the directory

class SlowRelay:
    """A process in front of slapd that may keep each answer for a while: of
    its own, because the clients keep this one busy."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._context = multiprocessing.get_context("spawn")
        self._delay = self._context.Value("d", 0)
        with socket.create_server((target[0], 0)) as listener:
            self._address = listener.getsockname()
        self.uri = "ldap://{}:{}".format(*self._address)

    def start(self) -> None:
        self._process = self._context.Process(
            target=_run_relay, daemon=True,
            args=(self._address, self._target, self._delay))
        self._process.start()
        wait_for(self._accepts)

    def stop(self) -> None:
        """Connections are refused then, as by a server that is gone."""
        self._process.terminate()
        self._process.join()

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        self._delay.value = SLOW_SECS
        try:
            yield
        finally:
            self._delay.value = 0

    def _accepts(self) -> bool:
        try:
            socket.create_connection(self._address).close()
        except OSError:
            return False
        return True


def _run_relay(address: tuple[str, int], target: tuple[str, int],
               delay: multiprocessing.sharedctypes.Synchronized[float]
               ) -> None:
    async def copy(reader: asyncio.StreamReader,
                   writer: asyncio.StreamWriter,
                   due: Callable[[], float]) -> None:
        """Whatever the delay is, it does not add up for what follows."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            data = b"-"
            while data:
                when, data = await waiting.get()
                await asyncio.sleep(when - time.monotonic())
                writer.write(data)
            writer.close()

        sending = asyncio.create_task(send())
        data = b"-"
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            waiting.put_nowait((due(), data))
        await sending

    async def relay(reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = \
                await asyncio.open_connection(*target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            copy(reader, server_writer, time.monotonic),
            copy(server_reader, writer,
                 lambda: time.monotonic() + delay.value))

    async def serve() -> None:
        server = await asyncio.start_server(relay, *address)
        await server.serve_forever()

    # Whoever started this ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve())


# --- the whole

@dataclass
class Count:
    """What came out of a situation, over the rounds."""

    clients: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    greeting_secs: list[float] = field(default_factory=list)
    answer_secs: list[float] = field(default_factory=list)
    secs: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, outcomes: list[Outcome], secs: float) -> None:
        self.secs.append(secs)
        for outcome in outcomes:
            self.clients += 1
            if outcome.error:
                self.errors.append(f"{outcome.person.name}: {outcome.error}")
                continue
            self.answers[outcome.answer] += 1
            self.greeting_secs.append(outcome.greeting_secs)
            self.answer_secs.append(outcome.answer_secs)

    def __str__(self) -> str:
        answers = ", ".join(f"{self.answers[answer]} {answer}" for answer in
                            (REFERRED, LOGGED_IN, REFUSED, UNAVAILABLE))
        return (f"{self.clients} clients: {answers}, {len(self.errors)} wrong;"
                f" greeting {_times(self.greeting_secs)}, answer "
                f"{_times(self.answer_secs)}; a round {_times(self.secs)}")


def _times(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (max {max(seconds):.2f})" \
        if seconds else "never"


class Load:
    """imap1 and its directory, made ready for so many clients at once."""

    def __init__(self, sandbox: Sandbox, clients: int, rounds: int) -> None:
        self.sandbox = sandbox
        self.clients = clients
        # One more than this: the first one is for the caches and the heap.
        self.rounds = rounds
        self.tls = ssl.create_default_context(
            cafile=sandbox.env["TLS_CA"])
        self._config = Config(sandbox, 1)
        self._users = self._config.dovecot.with_name("users")
        self._relay = SlowRelay((sandbox.env["LDAP1_HOST"],
                                 int(sandbox.env["LDAP1_PORT"])))
        self._round = 0

    # --- what clients need

    def answer(self, person: Person, lines: list[str]) -> str:
        """What kind of answer it is; what is none of them is returned."""
        *untagged, tagged = lines
        if any(not line.startswith(UNTAGGED) for line in untagged):
            return repr(lines)
        if tagged == self._referral(person):
            return REFERRED
        for start, answer in (
                ("a OK [CAPABILITY ", LOGGED_IN),
                ("a NO [AUTHENTICATIONFAILED] ", REFUSED),
                ("a NO [UNAVAILABLE] ", UNAVAILABLE)):
            if tagged.startswith(start) and "imap:" not in tagged:
                return answer
        return repr(lines)

    def _referral(self, person: Person) -> str:
        port = self.sandbox.address(1)[1]
        return (f"a NO [REFERRAL imap://{person.name};AUTH=PLAIN@"
                f"{person.home}:{port}/] Use IMAP server {person.home} for "
                "this account.")

    # --- before and after

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """With the people in the directory and with passwords."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        users = self._users.read_bytes()
        self._relay.start()
        try:
            self._add_people()
            yield
        finally:
            self._relay.stop()
            self._users.write_bytes(users)
            self._ldap("ldapdelete", "-r", self._base)
            self._config.restore()
            for home in (self._users.parent / "mail").glob(f"{PREFIX}*"):
                shutil.rmtree(home)

    @property
    def _base(self) -> str:
        return f"ou=load,{self.sandbox.env['LDAP_BASE']}"

    def _ldap(self, program: str, *args: str, text: str = "") -> None:
        env = self.sandbox.env
        subprocess.run(
            [program, "-x", "-H", env["LDAP1_URI"], "-D",
             env["LDAP_ADMIN_DN"], "-w", env["LDAP_ADMIN_PASSWORD"], *args],
            input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def _add_people(self) -> None:
        entries = [f"dn: {self._base}\nobjectClass: organizationalUnit\n"
                   "ou: load\n"]
        names = []
        for number in range(self.clients):
            person = Person(number)
            rounds = len(MODES) * len(SITUATIONS) * (self.rounds + 1)
            names += [Person(number, again).name for again in
                      range(rounds if person.kind == NEW else 1)]
            if person.kind == NEW:
                continue
            host = person.home if person.has_home_elsewhere else \
                self.sandbox.address(1)[0]
            home = "" if person.kind == HOMELESS else \
                f"objectClass: inetLocalMailRecipient\nmailHost: {host}\n"
            entries.append(
                f"dn: uid={person.name},{self._base}\n"
                "objectClass: inetOrgPerson\n"
                f"uid: {person.name}\ncn: Person\nsn: Person\n{home}")
        self._ldap("ldapadd", text="\n".join(entries))
        with open(self._users, "a", encoding="utf-8") as stream:
            stream.writelines(f"{name}:{{PLAIN}}{self.sandbox.password}"
                              "::::::\n" for name in names)

    def _configuration(self, one_a_process: bool) -> str:
        # What a server for so many clients has, and logs that do not take
        # longer than what they are about. A login process counts each
        # connection that it has, to auth and to the master as well.
        room = self.clients * 2 + 100
        return (f"default_client_limit = {room * 2}\n"
                f"service imap {{\n  process_limit = {room}\n}}\n"
                + dovecot.login_service(room, one_a_process)
                + "auth_failure_delay = 0\n"
                "auth_debug = no\nauth_verbose = no\nmail_debug = no\n")

    # --- situations

    @contextlib.contextmanager
    def _situation(self, name: str) -> Iterator[None]:
        if name == "slow":
            with self._relay.slow():
                yield
        elif name == "stopped":
            pid = self.sandbox.status()["ldap1"].pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(pid, signal.SIGCONT)
        elif name == "gone":
            self._relay.stop()
            self.sandbox.stop("ldap1")
            try:
                yield
            finally:
                self.sandbox.start("ldap1")
                self._relay.start()
        else:
            yield

    def _wait_for_directory(self) -> None:
        """Until imap1 has it again, on both of its connections."""
        asked = Dict(self.sandbox)
        wait_for(lambda: asked.fails("home", "alice") is None)
        wait_for(lambda: asked.fails("server", self.sandbox.server(1)) is None)

    def _wait_until_left(self, one_a_process: bool) -> None:
        """Until Dovecot has seen that the clients are gone."""
        master = self._master()
        names = ["imap", "imap-login"] if one_a_process else ["imap"]
        wait_for(lambda: not any(children(master, name) for name in names))

    # --- processes

    def _master(self) -> int:
        pid = self.sandbox.status()["imap1"].pid
        assert pid is not None, "Dovecot has died"
        return pid

    def _processes(self, one_a_process: bool) -> dict[str, list[int]]:
        """Those that live on."""
        master = self._master()
        names = {"auth": "auth", "dict-async": "dict"}
        if not one_a_process:
            names["imap-login"] = "imap-login"
        return {"dovecot": [master],
                **{service: sorted(children(master, name))
                   for service, name in names.items()}}

    # --- rounds

    async def _clients(self, situation: str) -> list[Outcome]:
        clients = [Client(Person(number, self._round))
                   for number in range(self.clients)]
        await asyncio.gather(*(client.attend(self, situation)
                               for client in clients))
        # Nobody has made room for others before.
        for client in clients:
            client.leave()
        return [client.outcome for client in clients]

    def _log_errors(self, log: Log, situation: str) -> list[str]:
        bad = [line for line in log.text().splitlines()
               if BAD_LINE.search(line)]
        if situation not in DIRECTORY_ANSWERS:
            bad = [line for line in bad if not OUTAGE_LINE.search(line)]
        return [f"logged: {line}" for line in bad]

    def _try_situation(self, situation: str, one_a_process: bool,
                       count: Count) -> None:
        log = self.sandbox.log(1)
        start = time.monotonic()
        with self._situation(situation):
            outcomes = asyncio.run(self._clients(situation))
        secs = time.monotonic() - start
        self._round += 1
        self._wait_for_directory()
        self._wait_until_left(one_a_process)
        count.add(outcomes, secs)
        count.errors += self._log_errors(log, situation)

    def run(self, mode: str, tell: Callable[[str], None]) -> list[str]:
        """Tell what comes out, and return what does not hold."""
        one_a_process = MODES[mode]
        self._config.restore()
        self._config.edit(ldap={"referral_ldap_uris": self._relay.uri},
                          dovecot=self._configuration(one_a_process))
        self._wait_for_directory()
        counts = {situation: Count() for situation in SITUATIONS}
        processes = self._processes(one_a_process)
        memory = []
        for _ in range(self.rounds + 1):
            for situation, count in counts.items():
                self._try_situation(situation, one_a_process, count)
            now = self._processes(one_a_process)
            if now != processes:
                counts[situation].errors.append(
                    f"processes {processes} have become {now}")
                processes = now
                memory.clear()
            memory.append({name: [_resident_kb(pid) for pid in pids]
                           for name, pids in processes.items()})
        problems = []
        for situation, count in counts.items():
            tell(f"{mode}, {situation}: {count}")
            problems += [f"{mode}, {situation}: {error}"
                         for error in count.errors]
        grown = _compare_memory(memory[0], memory[-1])
        tell(f"{mode}, memory: {', '.join(grown)}")
        return problems + [f"{mode}, memory: {text}"
                           for text, much in grown.items() if much]


def _compare_memory(before: dict[str, list[int]],
                    after: dict[str, list[int]]) -> dict[str, bool]:
    """Of each process what it was and is, and whether that is too much."""
    def is_much(name: str, old: int, new: int) -> bool:
        factor = LOGIN_GROWTH_FACTOR if name == "imap-login" \
            else GROWTH_FACTOR
        return new > old * factor + GROWTH_KB

    return {f"{name} {old} -> {new} kB": is_much(name, old, new)
            for name in before for old, new in zip(before[name], after[name])}


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert found
    return int(found.group(1))


def summary(problems: list[str]) -> list[str]:
    """One of each kind: they are the same but for numbers."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(re.sub(r"\d+", "0", problem), []).append(problem)
    return [f"{len(alike)} times: {alike[0]}" if len(alike) > 1 else alike[0]
            for alike in kinds.values()]
