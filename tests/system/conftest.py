"""Fixtures: the sandbox, changes to its configuration and to its directory
that are undone after the test, and a look at the logs after each test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import ldap3
import pytest

import dovecot
from configuration import Config
from sandbox import Dict, Log, Sandbox, set_line, wait_for
from taps import DictTap, LdapTap
from wire import Imap

# What a server logs when one of its processes has crashed.
CRASH = re.compile(r"Panic:|killed with signal|Raw backtrace|"
                   r"AddressSanitizer|runtime error:")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "kills: ends processes of a server by a signal itself")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    box = Sandbox()
    # One that somebody is using is used, and left running.
    found = any(server.up for server in box.status().values())
    box.start()
    box.load_env()
    yield box
    if not found:
        box.stop()


@pytest.fixture(autouse=True)
def nothing_crashes(request: pytest.FixtureRequest) -> Iterator[None]:
    if "sandbox" not in request.fixturenames:
        yield
        return
    box = request.getfixturevalue("sandbox")
    logs = [box.log(number) for number in (1, 2, 3)]
    yield
    if request.node.get_closest_marker("kills"):
        return
    for log in logs:
        bad = [line for line in log.text().splitlines()
               if CRASH.search(line)]
        assert not bad, bad


@pytest.fixture
def alice(sandbox: Sandbox) -> Iterator[Imap]:
    """At imap1, her home."""
    with sandbox.session("alice") as client:
        yield client


@pytest.fixture
def log(sandbox: Sandbox) -> Log:
    """What imap1 logs from here on."""
    return sandbox.log(1)


@pytest.fixture
def referral_dict(sandbox: Sandbox) -> Dict:
    """imap1's dict."""
    return Dict(sandbox)


# --- configuration

@pytest.fixture
def config(sandbox: Sandbox) -> Iterator[Config]:
    """imap1's configuration."""
    changes = Config(sandbox, 1)
    yield changes
    changes.restore()


@pytest.fixture(scope="module")
def module_config(sandbox: Sandbox) -> Iterator[Config]:
    """The same for all tests of a file: one restart only."""
    changes = Config(sandbox, 1)
    yield changes
    changes.restore()


# --- the directory

class Directory:
    """The directory's administrator, who undoes everything at the end."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self.base = env["LDAP_BASE"]
        self.connect()
        self._undo: list[Callable[[], object]] = []
        self._added: set[str] = set()
        # Whether what the servers find there by default was changed.
        self.touched = False

    def connect(self) -> None:
        """Also once more, when ldap1 has been down."""
        self._connection = ldap3.Connection(
            ldap3.Server(self._env["LDAP1_URI"], get_info=ldap3.NONE),
            self._env["LDAP_ADMIN_DN"], self._env["LDAP_ADMIN_PASSWORD"],
            auto_bind=True, raise_exceptions=True)

    def person(self, uid: str) -> str:
        return (f"uid={ldap3.utils.dn.escape_rdn(uid)},"
                f"ou=people,{self.base}")

    def mailbox(self, name: str) -> str:
        return (f"cn={ldap3.utils.dn.escape_rdn(name)},"
                f"ou=mailboxes,{self.base}")

    def find(self, filter_text: str) -> str:
        """DN of the one entry that matches."""
        self._connection.search(self.base, filter_text)
        entry, = self._connection.entries
        return entry.entry_dn

    def add(self, dn: str, classes: list[str],
            attributes: dict[str, str | bytes | list[str]]) -> str:
        self._connection.add(dn, classes, attributes)
        self._added.add(dn)
        self._undo.append(lambda: self._connection.delete(dn))
        return dn

    def add_person(self, uid: str,
                   **attributes: str | bytes | list[str]) -> str:
        classes = ["inetOrgPerson"]
        if "mailHost" in attributes:
            classes.append("inetLocalMailRecipient")
        return self.add(self.person(uid), classes,
                        {"uid": uid, "cn": "Person", "sn": "Person",
                         **attributes})

    def add_mailbox(self, name: str,
                    **attributes: str | bytes | list[str]) -> str:
        classes = ["applicationProcess"]
        if "mailHost" in attributes:
            classes.append("inetLocalMailRecipient")
        if "labeledURI" in attributes:
            classes.append("labeledURIObject")
        return self.add(self.mailbox(name), classes,
                        {"cn": name, **attributes})

    def delete(self, dn: str) -> None:
        """Only of what this test has added."""
        self._connection.delete(dn)

    def set(self, dn: str, **attributes: str | bytes | list[str]) -> None:
        """Replace attributes; classes are set like any other."""
        self.touched = self.touched or dn not in self._added
        names = list(attributes)
        self._connection.search(dn, "(objectClass=*)", ldap3.BASE,
                                attributes=names)
        before = self._connection.response[0]["raw_attributes"]
        self._connection.modify(dn, {
            name: [(ldap3.MODIFY_REPLACE, _values(value))]
            for name, value in attributes.items()})
        self._undo.append(lambda: self._connection.modify(dn, {
            name: [(ldap3.MODIFY_REPLACE, before.get(name, []))]
            for name in names}))

    def set_home(self, uid: str, host: str | bytes) -> None:
        """What an administrator does to move a user."""
        dn = self.person(uid)
        self._connection.search(dn, "(objectClass=*)", ldap3.BASE,
                                attributes=["objectClass"])
        classes = list(self._connection.entries[0].objectClass)
        if "inetLocalMailRecipient" not in classes:
            classes.append("inetLocalMailRecipient")
        self.set(dn, objectClass=classes, mailHost=host)

    def server(self, name: str) -> str:
        return f"cn={name},ou=servers,{self.base}"

    def set_server_state(self, number: int, state: str,
                         successor: str | list[str] | None = None) -> None:
        """What an administrator does to take a server out of service."""
        self.set(self.server(f"imap{number}"), imapServerState=state,
                 imapHomeServer=successor or [])

    def restore(self) -> None:
        for undo in reversed(self._undo):
            try:
                undo()
            except ldap3.core.exceptions.LDAPNoSuchObjectResult:
                # The test has removed it itself.
                pass
        self._undo.clear()
        self._connection.unbind()


def _values(value: str | bytes | list[str]) -> list[str | bytes]:
    return list(value) if isinstance(value, list) else [value]


@pytest.fixture
def directory(sandbox: Sandbox) -> Iterator[Directory]:
    administrator = Directory(sandbox.env)
    yield administrator
    administrator.restore()
    if administrator.touched:
        wait_until_as_before(sandbox)


def wait_until_as_before(sandbox: Sandbox) -> None:
    """Until the servers' caches have forgotten what a test has changed."""
    servers = sandbox.status()
    for number in (1, 2, 3):
        if not servers[f"imap{number}"].up:
            continue
        asked = Dict(sandbox, number=number)
        for user, home in (("alice", 1), ("bob", 2), ("dave", None)):
            url = f"imap://{sandbox.server(home)}/" if home else None
            wait_for(lambda: asked.home(user) == url)
        wait_for(lambda: len((asked.mailbox("Shared/sales") or "").split())
                 == 2)
        wait_for(lambda: asked.mailbox("Shared/local") is None)
        for other in (1, 2, 3):
            wait_for(lambda: asked.get("server", sandbox.server(other))
                     is None)


@pytest.fixture
def ldap1(sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """Stops ldap1 when called; it runs again after the test."""
    yield lambda: sandbox.stop("ldap1")
    sandbox.start("ldap1")
    sandbox.wait_until_asked_again()


# --- relays

@pytest.fixture
def tap(sandbox: Sandbox) -> Iterator[LdapTap]:
    """A relay in front of ldap1."""
    uri = urllib.parse.urlsplit(sandbox.env["LDAP1_URI"])
    assert uri.hostname
    relay = LdapTap((uri.hostname, uri.port or 389))
    yield relay
    relay.close()


@pytest.fixture
def dict_tap(sandbox: Sandbox, config: Config) -> Iterator[DictTap]:
    """A relay between all that ask imap1's dict and the driver. imap1 has
    yet to be restarted with it, by config.edit()."""
    relay = DictTap(Path(sandbox.env["SANDBOX_DIR"]) / "dict-tap",
                    sandbox.env["DICT_SOCKET1"])
    config.write(dovecot=dovecot.ldap_dict("behind_the_tap", config.ldap)
                 + dovecot.proxy_dict("imap_referral", relay.path,
                                      "behind_the_tap"))
    yield relay
    config.restore()
    relay.close()


# --- more dicts

class Dicts:
    """Dicts with configurations of their own, on imap1: declared before the
    server starts, written when a test takes one. So a test needs no restart,
    and gets a driver that has nothing in its memory."""

    COUNT = 300

    def __init__(self, sandbox: Sandbox, config: Config) -> None:
        self._sandbox = sandbox
        self._config = config
        self._numbers = iter(range(self.COUNT))
        self._paths = [config.ldap.with_name(f"case{number}.conf.ext")
                       for number in range(self.COUNT)]
        for path in self._paths:
            self._write_default(path)
        config.edit(dovecot="".join(
            dovecot.ldap_dict(f"case{number}", path)
            for number, path in enumerate(self._paths)))

    def _write_default(self, path: Path) -> None:
        # As readable for dict-async as the one it stands for.
        owner = self._config.ldap.stat()
        shutil.copy(self._config.ldap, path)
        os.chown(path, owner.st_uid, owner.st_gid)

    def make(self, **settings: str | None) -> Dict:
        """A dict with the sandbox's settings but for these; names are given
        without `referral_ldap_`. Nothing is live unless they say so."""
        asked, _ = self.take(**settings)
        self.reload()
        return asked

    def take(self, **settings: str | None) -> tuple[Dict, Path]:
        """The same before reload(), with the path of its settings file."""
        number = next(self._numbers)
        path = self._paths[number]
        for name, value in {"live": "no", **settings}.items():
            set_line(path, f"referral_ldap_{name}", value)
        return Dict(self._sandbox, f"case{number}"), path

    def reload(self) -> None:
        """2.4 reads these files with its own configuration, 2.3's driver
        when it is asked for the first time."""
        if dovecot.IS_2_3:
            return
        before = self._sandbox.dict_pids()
        os.kill(self._sandbox.status()["imap1"].pid, signal.SIGHUP)
        wait_for(lambda: set(self._sandbox.dict_pids()) - set(before))

    def complaint(self, asked: Dict, path: Path, log: Log) -> str:
        """What the administrator reads who has written wrong settings."""
        if dovecot.IS_2_3:
            assert asked.fails("home", "bob")
            return log.wait(str(path))
        config = path.with_suffix(".conf")
        config.write_text(dovecot.HEAD + dovecot.ldap_dict("test", path))
        done = self._sandbox.run("run", "imap1", "doveconf", "-c", config,
                                 check=False)
        # The next reload() is for another test.
        self._write_default(path)
        config.unlink()
        assert "Fatal: " in done
        return done

    def expect_complaint(self, log: Log, line: str, expectation: str) -> None:
        """A line that is refused, with file, line and what is expected."""
        asked, path = self.take()
        name = line.split()[0]
        lines = [old for old in path.read_text().splitlines()
                 if not re.match(rf"{name}\b", old)]
        # Not the last line: a message about the end of the file would not do.
        path.write_text("\n".join([*lines, line, "# end"]) + "\n")
        message = self.complaint(asked, path, log)
        place = re.search(dovecot.place_of_setting(path, len(lines) + 1, name),
                          message)
        assert place and re.search(expectation, message[place.end():])

    def remove(self) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def dicts(sandbox: Sandbox, module_config: Config) -> Iterator[Dicts]:
    made = Dicts(sandbox, module_config)
    yield made
    made.remove()
