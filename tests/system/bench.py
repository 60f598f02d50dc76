"""How fast the directory layer is, against libldap and ldapsearch that ask the
same slapd for the same: what tests/bench/run and test_bench.py run.

All that is compared is measured in the same round, in another order each time:
trust the ratios, not the seconds."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ldap3

import dovecot
from big_slapd import DEADLINE_SECS, Slapd
from configuration import Config
from sandbox import Sandbox, set_line, wait_for

SOURCES = Path(__file__).resolve().parents[1] / "bench"

# Requests that are under way at a time.
IN_FLIGHT = 50

# One of ten mailboxes is found by the first filter, all by the second one.
SOME, ALL = "(ou=some)", "(ou=*)"

DICT_PROTOCOL = "3.2" if dovecot.IS_2_3 else "4.0"


class Tools:
    """The programs that ask, compiled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name, libraries in (("raw", ["-lldap", "-llber"]), ("ask", [])):
            subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O2",
                            "-o", folder / name, SOURCES / f"{name}.c",
                            *libraries], check=True)

    def raw(self, env: dict[str, str], slapd: Slapd,
            users: list[str]) -> float:
        """Seconds for libldap's searches for the users."""
        reader = f"cn=referral,ou=services,{slapd.base}"
        password = Path(env["LDAP_PASSWORD_FILE"]).read_text().strip()
        seconds, found = self._run("raw", slapd.uri, reader, password,
                                   f"ou=people,{slapd.base}", str(IN_FLIGHT),
                                   lines=users)
        assert found == len(users), (found, len(users))
        return seconds

    def ask(self, socket_path: str, name: str, keys: list[str],
            in_flight: int = IN_FLIGHT) -> float:
        """Seconds for lookups of keys, which are all found."""
        seconds, *counts = self._run("ask", socket_path, DICT_PROTOCOL, name,
                                     str(in_flight), lines=keys)
        assert counts == [len(keys), 0, 0], (counts, len(keys))
        return seconds

    def rows(self, socket_path: str, name: str, count: int) -> float:
        seconds, *counts = self._run("ask", socket_path, DICT_PROTOCOL, name,
                                     "list", "mailbox/", lines=[])
        assert counts == [count, 0, 0], (counts, count)
        return seconds

    def _run(self, program: str, *args: str,
             lines: list[str]) -> tuple[float, ...]:
        done = subprocess.run([self._folder / program, *args], check=False,
                              input="".join(f"{line}\n" for line in lines),
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, (args, done.stderr)
        seconds, *counts = done.stdout.split()
        return (float(seconds), *map(int, counts))


# --- results

@dataclass
class Row:
    """A line of the table: what was measured in each round."""

    what: str
    unit: str
    # At most; None: for your information.
    target: float | None
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        return self.target is None or self.median <= self.target

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        verdict = "" if self.target is None else (
            f"<= {self.target:g}{self.unit}  "
            + ("met" if self.met else "MISSED"))
        return (f"{self.what:<58}{self.median:>9.3f}{self.unit:<6}"
                f"{low:>9.3f} - {high:<9.3f}  {verdict}").rstrip()


class Table:
    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, what: str, value: float, unit: str = "x",
            target: float | None = None) -> None:
        self.rows.setdefault(what, Row(what, unit, target)) \
            .values.append(value)

    def __str__(self) -> str:
        head = (f"{'':<58}{'median':>9}{'':<6}{'lowest':>9} - {'highest':<9}"
                "  target")
        return "\n".join([head, *map(str, self.rows.values())])


# --- the benchmark

def key(kind: str, name: str) -> str:
    return f"{kind}/" + name.replace("\\", "\\\\").replace("/", "\\|")


class Bench:
    """users: how many are asked about in a round."""

    def __init__(self, box: Sandbox, rounds: int, users: int = 100_000,
                 mailboxes: int = 10_000, per_round: int = 10_000,
                 live: bool = True) -> None:
        self._box = box
        self._rounds = rounds
        self._users, self._mailboxes = users, mailboxes
        self._per_round = min(per_round, users // (rounds + 1))
        self.table = Table()
        # What a round loads anew has a dict of its own, and so has what is
        # never answered.
        self._loads = [f"bench-{what}{number}" for number in range(rounds)
                       for what in ("some", "all", "live")
                       if live or what != "live"]
        self._stalls = ["bench-connect", "bench-bind"]

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """With slapd, and with imap1's dict-async that has the dicts."""
        self._slapd = Slapd(self._box, self._users, self._mailboxes)
        config = Config(self._box, 1)
        try:
            self._tools = Tools(self._slapd.folder)
            with self._stalled_servers() as uris:
                self._write_dicts(config, uris)
                try:
                    yield
                finally:
                    config.restore()
        finally:
            self._slapd.close()

    @contextlib.contextmanager
    def _stalled_servers(self) -> Iterator[dict[str, str]]:
        """URIs of a server that takes no connections, and of one that takes
        them and answers nothing."""
        with contextlib.ExitStack() as stack:
            uris = {}
            for name in self._stalls:
                listener = stack.enter_context(socket.socket())
                listener.bind(("127.0.0.1", 0))
                listener.listen(0 if name == "bench-connect" else 1000)
                uris[name] = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
                # Who comes after these is neither accepted nor refused.
                for _ in range(8 if name == "bench-connect" else 0):
                    filler = stack.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(listener.getsockname())
            yield uris

    def _write_dicts(self, config: Config, uris: dict[str, str]) -> None:
        usual = {
            "uris": self._slapd.uri,
            "base": self._slapd.base,
            "home_base": f"ou=people,{self._slapd.base}",
            "home_ttl": "1h", "home_negative_ttl": "1h",
            "home_cache_size": str(self._users),
            "mailbox_base": self._slapd.mailbox_base,
            "mailbox_filter": ALL, "mailbox_refresh": "1h",
            "mailbox_limit": "1000000", "live": "no",
        }
        password = self._slapd.folder / "password"
        password.write_text(self._box.env["LDAP_ADMIN_PASSWORD"] + "\n")
        password.chmod(0o644)
        dicts = {"bench": usual}
        for number, name in enumerate(self._loads):
            # 2.4 takes dicts with the same settings for the same one.
            # A lookup has to wait for all of a load.
            dicts[name] = usual | {"mailbox_refresh": f"{7200 + number}s",
                                   "timeout": "60s"}
            if "some" in name:
                dicts[name]["mailbox_filter"] = SOME
            if "live" in name:
                # Without limits, which bound what is not loaded in pages.
                dicts[name] |= {"live": "maps",
                                "bind_dn": self._box.env["LDAP_ADMIN_DN"],
                                "password_file": str(password)}
        for name, uri in uris.items():
            dicts[name] = usual | {"uris": uri}
        text = ""
        for name, settings in dicts.items():
            path = self._slapd.folder / f"{name}.conf.ext"
            shutil.copy(config.ldap, path)
            owner = config.ldap.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
            for setting, value in settings.items():
                set_line(path, f"referral_ldap_{setting}", value)
            text += dovecot.ldap_dict(name, path)
        self._slapd.folder.chmod(0o755)
        config.edit(dovecot=f"{text}\nauth_debug = no\nmail_debug = no\n")

    # What is measured, in seconds

    def _ask(self, keys: list[str], name: str = "bench",
             in_flight: int = IN_FLIGHT) -> float:
        return self._tools.ask(self._box.env["DICT_SOCKET1"], name, keys,
                               in_flight)

    def _ldapsearch(self, filter_text: str) -> float:
        env = self._box.env
        start = time.monotonic()
        subprocess.run(
            ["ldapsearch", "-x", "-LLL", "-H", self._slapd.uri,
             "-D", f"cn=referral,ou=services,{self._slapd.base}",
             "-y", self._password_file(env), "-b", self._slapd.mailbox_base, "-E", "pr=500/noprompt", filter_text,
             "labeledURI", "mailHost", "cn"],
            stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - start

    def _password_file(self, env: dict[str, str]) -> Path:
        """ldapsearch takes the newline for a part of it."""
        path = self._slapd.folder / "reader-password"
        path.write_text(Path(env["LDAP_PASSWORD_FILE"]).read_text().strip())
        path.chmod(0o600)
        return path

    def _load(self, name: str) -> float:
        """Until a mailbox is found in a map that has yet to be loaded."""
        return self._ask([key("mailbox", self._slapd.mailboxes[0])], name)

    def _memory_kb(self) -> int:
        """Of all dict processes; those that end meanwhile have none."""
        total = 0
        for pid in self._box.dict_pids():
            with contextlib.suppress(OSError, ValueError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += sum(int(kb) for kb in re.findall(
                    r"(?m)^Private_\w+: +(\d+) kB", text))
        return total

    # The rounds

    def run(self, say: Callable[[str], None] = print) -> Table:
        # Everything is in slapd's memory then, and the dict process runs.
        self._tools.raw(self._box.env, self._slapd, self._slapd.users)
        wait_for(lambda: self._finds(key("mailbox", self._slapd.mailboxes[0])),
                 "mailboxes", DEADLINE_SECS)
        self._ldapsearch(ALL)
        for number in range(self._rounds):
            say(f"round {number + 1} of {self._rounds}")
            self._homes(number)
            self._loads_and_lists(number)
        self._stalled(say)
        self._live(say)
        return self.table

    def _homes(self, number: int) -> None:
        table = self.table
        users = self._slapd.users[number * self._per_round:
                                  (number + 1) * self._per_round]
        keys = [key("home", user) for user in users]
        mailboxes = [key("mailbox", random.choice(self._slapd.mailboxes))
                     for _ in users]
        seconds: dict[str, float] = {}
        searches: dict[str, int] = {}

        def dict_lookups(what: str, asked: list[str]) -> None:
            before = self._slapd.searches()
            seconds[what] = self._ask(asked)
            # with the one that has counted before
            searches[what] = self._slapd.searches() - before - 1

        def dict_homes() -> None:
            dict_lookups("uncached", keys)
            dict_lookups("cached", keys)

        def raw() -> None:
            seconds["raw"] = self._tools.raw(self._box.env, self._slapd,
                                             users)
        steps = [dict_homes, raw,
                 lambda: dict_lookups("mailbox", mailboxes)]
        random.shuffle(steps)
        for step in steps:
            step()
        raw_secs = seconds["raw"]
        count = len(users)
        table.add("raw libldap, 50 in flight", raw_secs / count * 1e6, " us")
        table.add("uncached homes, 50 in flight / raw libldap",
                  seconds["uncached"] / raw_secs, target=1.3)
        table.add("cached homes / raw libldap", seconds["cached"] / raw_secs,
                  target=0.2)
        table.add("mailboxes / raw libldap", seconds["mailbox"] / raw_secs,
                  target=0.2)
        table.add("searches for an uncached home",
                  searches["uncached"] / count, " ", 1)
        table.add("searches for a cached home", searches["cached"] / count,
                  " ", 0)
        table.add("searches for a mailbox", searches["mailbox"] / count,
                  " ", 0)

    def _loads_and_lists(self, number: int) -> None:
        table = self.table
        count = len(self._slapd.mailboxes)
        seconds: dict[str, float] = {}
        kilobytes: dict[str, float] = {}

        def load(what: str) -> None:
            before = self._memory_kb()
            seconds[what] = self._load(f"bench-{what}{number}")
            kilobytes[what] = self._memory_kb() - before

        def rows() -> None:
            seconds["rows"] = self._tools.rows(
                self._box.env["DICT_SOCKET1"], "bench", count)

        def search() -> None:
            seconds["search"] = self._ldapsearch(ALL)
        live = f"bench-live{number}" in self._loads
        steps = [rows, search, lambda: load("some"), lambda: load("all")]
        if live:
            steps.append(lambda: load("live"))
        random.shuffle(steps)
        for step in steps:
            step()
        search_secs = seconds["search"]
        table.add(f"ldapsearch of {count} mailboxes", search_secs * 1000,
                  " ms")
        table.add(f"list of {count} mailboxes / ldapsearch",
                  seconds["rows"] / search_secs, target=1.0)
        table.add(f"load of {count} mailboxes in pages / ldapsearch",
                  seconds["all"] / search_secs, target=1.5)
        if live:
            table.add(f"load of {count} mailboxes live / ldapsearch",
                      seconds["live"] / search_secs, target=1.5)
        table.add("load of 10 times as many mailboxes",
                  seconds["all"] / seconds["some"], target=12)
        table.add("memory for a mailbox",
                  max(0, kilobytes["all"]) * 1024 / count, " B")
        # Both maps are there now.
        names = [name for index, name in enumerate(self._slapd.mailboxes)
                 if index % 10 == 0]
        keys = [key("mailbox", random.choice(names))
                for _ in range(self._per_round)]
        # Short as they are, the machine's other work counts: the best of some.
        looked: dict[str, list[float]] = {"some": [], "all": []}
        for what in random.sample(["some", "all"] * 4, 8):
            looked[what].append(self._ask(keys, f"bench-{what}{number}"))
        table.add("lookup among 10 times as many mailboxes",
                  min(looked["all"]) / min(looked["some"]), target=1.5)

    def _stalled(self, say: Callable[[str], None]) -> None:
        """Cached lookups beside some that are stalled in another dict of the
        same process, against those without."""
        count = min(self._per_round, 5000)
        keys = [key("home", user) for user in self._slapd.users[:count]] * 2
        self._ask(keys)
        for number in range(self._rounds):
            say(f"stalls, round {number + 1} of {self._rounds}")
            for what, target in (("a connect", "bench-connect"),
                                 ("a bind", "bench-bind")):
                usual = self._ask(keys)
                with self._waiting(target, number):
                    stalled = self._ask(keys)
                self.table.add(f"cached homes while {what} stalls",
                               stalled / usual, target=2)
            usual = self._ask(keys)
            with self._slapd.stopped(), self._waiting("bench", number):
                stalled = self._ask(keys)
            self.table.add("cached homes while a search stalls",
                           stalled / usual, target=2)
            # Until the failure is over.
            wait_for(lambda: self._finds(
                key("home", self._slapd.users[-1 - number])))

    def _finds(self, asked: str) -> bool:
        try:
            self._ask([asked])
        except AssertionError:
            return False
        return True

    @contextlib.contextmanager
    def _waiting(self, name: str, number: int) -> Iterator[None]:
        """Lookups that nobody answers are under way."""
        users = [f"stalled{number}-{other}" for other in range(IN_FLIGHT)]
        process = subprocess.Popen(
            [self._slapd.folder / "ask", self._box.env["DICT_SOCKET1"],
             DICT_PROTOCOL, name, str(IN_FLIGHT)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert process.stdin
        process.stdin.write("".join(f"{key('home', user)}\n"
                                    for user in users).encode())
        process.stdin.close()
        time.sleep(0.1)
        try:
            yield
        finally:
            process.wait(DEADLINE_SECS)

    def _live(self, say: Callable[[str], None]) -> None:
        """From the change in the directory until the dict says it."""
        name = next((name for name in self._loads if "live" in name), None)
        if name is None:
            return
        mailbox = self._slapd.mailboxes[0]
        dn = f"cn=m0,{self._slapd.mailbox_base}"
        asked = key("mailbox", mailbox)
        client = DictClient(self._box.env["DICT_SOCKET1"], name)
        with client, self._slapd.connect() as connection:
            for number in range(self._rounds):
                say(f"live, round {number + 1} of {self._rounds}")
                host = f"h{number}.example.org"
                start = time.monotonic()
                connection.modify(dn, {"labeledURI": [(
                    ldap3.MODIFY_REPLACE, [f"imap://{host}/{mailbox}"])]})
                end = start + DEADLINE_SECS
                while host not in client.ask(asked):
                    assert time.monotonic() < end, "the change is not seen"
                self.table.add("from ldapmodify to the dict's answer",
                               (time.monotonic() - start) * 1000, " ms",
                               1000)


class DictClient:
    """A connection to dict-async, for one lookup at a time."""

    def __init__(self, path: str, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_SECS)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rwb")
        major, minor = DICT_PROTOCOL.split(".")
        self._stream.write(f"H{major}\t{minor}\t0\talice\t{name}\n".encode())

    def __enter__(self) -> DictClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def ask(self, asked: str) -> str:
        """The whole line of the reply."""
        self._stream.write(
            f"Lshared/imap-referral/{asked}\talice\n".encode())
        self._stream.flush()
        while (line := self._stream.readline()).startswith(b"*"):
            pass
        assert line, "dict-async has closed the connection"
        return line.decode()
