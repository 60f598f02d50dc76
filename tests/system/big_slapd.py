"""A slapd with many users and shared mailboxes."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ldap3

from sandbox import TOP, Sandbox, wait_for

ADDRESS = "127.0.10.30"
PORT = 10389

# To start, to load.
DEADLINE_SECS = 120


class Slapd:
    """A slapd of its own with many users and mailboxes: the sandbox's ldap1
    with another database, and quiet. There is somebody else who may read, for
    whom the size limit of 500 is one for all pages."""

    LIMITED_PASSWORD = "secret-of-limited"

    def __init__(self, box: Sandbox, users: int, mailboxes: int) -> None:
        self._env = box.env
        self.base = box.env["LDAP_BASE"]
        self.users = [f"u{number:07}" for number in range(users)]
        self.mailboxes = [f"Shared/group{number // 100}/folder{number:07}"
                          for number in range(mailboxes)]
        self.uri = f"ldap://{ADDRESS}:{PORT}"
        self.mailbox_base = f"ou=many,{self.base}"
        self.limited_dn = f"cn=limited,ou=services,{self.base}"
        self.folder = Path(box.env["SANDBOX_DIR"]) / "bench"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        config = self.folder / "slapd.conf"
        database = self.folder / "database"
        database.mkdir()
        original = Path(self._env["LDAP1_CONF"])
        text = original.read_text()
        limits = re.search(r"(?m)^limits .*$", text)
        assert limits
        for pattern, line in (
                (r"directory .*", f"directory {database}"),
                (r"maxsize .*", f"maxsize {4 << 30}"),
                (r"index uid .*", "index uid,ou eq,pres"),
                (r"pidfile .*|argsfile .*", ""),
                (r"limits .*", limits[0] + "\n" + limits[0]
                 .replace("cn=referral,", "cn=limited,")
                 .replace("size.prtotal=unlimited", "size.prtotal=500"))):
            text = re.sub(rf"(?m)^{pattern}$", lambda _, to=line: to, text)
        config.write_text(text)
        ldif = self.folder / "directory.ldif"
        with open(ldif, "w", encoding="utf-8") as stream:
            stream.writelines(self._entries())
        subprocess.run([_program("slapadd"), "-q", "-f", config, "-l", ldif],
                       check=True, stdout=subprocess.DEVNULL)
        ldif.unlink()
        for path in (database, *database.iterdir()):
            shutil.chown(path, "openldap", "openldap")
        process = subprocess.Popen(
            [original.parent / "slapd", "-f", config, "-h", self.uri,
             "-d", "0", "-u", "openldap", "-g", "openldap"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_for(lambda: _accepts(ADDRESS, PORT), "slapd", DEADLINE_SECS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return process

    def _entries(self) -> Iterator[str]:
        # People, mailboxes, servers and services as in the sandbox.
        directory = TOP / "tests" / "sandbox.d" / "directory.ldif"
        yield directory.read_text() + "\n"
        for number, user in enumerate(self.users):
            yield (f"dn: uid={user},ou=people,{self.base}\n"
                   "objectClass: inetOrgPerson\n"
                   "objectClass: inetLocalMailRecipient\n"
                   f"uid: {user}\ncn: User {user}\nsn: {user}\n"
                   f"mail: {user}@example.org\n"
                   f"mailHost: 127.0.10.{number % 3 + 1}\n\n")
        yield (f"dn: {self.limited_dn}\n"
               "objectClass: applicationProcess\n"
               "objectClass: simpleSecurityObject\n"
               f"cn: limited\nuserPassword: {self.LIMITED_PASSWORD}\n\n")
        yield (f"dn: {self.mailbox_base}\n"
               "objectClass: organizationalUnit\nou: many\n\n")
        for number, name in enumerate(self.mailboxes):
            part = "some" if number % 10 == 0 else "other"
            yield (f"dn: cn=m{number},{self.mailbox_base}\n"
                   "objectClass: applicationProcess\n"
                   "objectClass: labeledURIObject\n"
                   f"cn: m{number}\nou: {part}\n"
                   f"labeledURI: imap://127.0.10.{number % 3 + 1}:10143/"
                   f"{name}\n\n")

    def connect(self) -> ldap3.Connection:
        return ldap3.Connection(
            ldap3.Server(self.uri, get_info=ldap3.NONE),
            self._env["LDAP_ADMIN_DN"], self._env["LDAP_ADMIN_PASSWORD"],
            auto_bind=True, raise_exceptions=True)

    def searches(self) -> int:
        """How many there have been, without those that ask for that."""
        with self.connect() as connection:
            connection.search("cn=Search,cn=Operations,cn=Monitor",
                              "(objectClass=*)", ldap3.BASE,
                              attributes=["monitorOpCompleted"])
            return int(connection.entries[0].monitorOpCompleted.value)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """It takes connections and requests, and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_SECS)
        shutil.rmtree(self.folder)


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{name} is not installed"
    return path


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), DEADLINE_SECS).close()
    except ConnectionRefusedError:
        return False
    return True
