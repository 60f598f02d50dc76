"""A slapd of a test's own, with the schema of a product that keeps its data in
other attributes than the sandbox's directory, or configured by cn=config."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.parse
from pathlib import Path

from sandbox import Sandbox, wait_for

PORT = 10389
# The sandbox's servers have others.
HOST = "127.0.10.40"
ADMIN_PASSWORD = "secret"

CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
{schema}
modulepath /usr/lib/ldap
moduleload back_mdb
loglevel 0
access to * by * read
database config
rootdn cn=config
rootpw {password}
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw {password}
directory {folder}/database
maxsize 16777216
dbnosync
"""


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert path, name
    return path


class Slapd:
    """Listens until it is stopped. Everybody may read everything."""

    def __init__(self, sandbox: Sandbox, name: str, base: str,
                 schema: str = "", ldif: str = "") -> None:
        self.base = base
        self.uri = f"ldap://{HOST}:{PORT}"
        self.folder = Path(sandbox.env["SANDBOX_DIR"]) / f"slapd-{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "database").mkdir(parents=True)
        (self.folder / "slapd.d").mkdir()
        config = self.folder / "slapd.conf"
        config.write_text(CONFIG.format(schema=schema, base=base,
                                        folder=self.folder,
                                        password=ADMIN_PASSWORD))
        # AppArmor ties the system's one to the folders of the system.
        self._binary = self.folder / "slapd"
        shutil.copy(_program("slapd"), self._binary)
        if ldif:
            (self.folder / "data.ldif").write_text(ldif)
            self._run(_program("slapadd"), "-q", "-f", config,
                      "-l", self.folder / "data.ldif")
        # cn=config of the same, for those that change it.
        self._run(_program("slaptest"), "-f", config,
                  "-F", self.folder / "slapd.d")
        self._start()

    @property
    def ldapi(self) -> str:
        return "ldapi://" + urllib.parse.quote(str(self.folder / "ldapi"),
                                               safe="")

    @property
    def settings(self) -> dict[str, str | None]:
        """Of a dict that asks it."""
        return {"uris": self.uri, "base": self.base, "bind_dn": None,
                "password_file": None}

    @staticmethod
    def _run(*args: str | Path) -> str:
        done = subprocess.run([str(arg) for arg in args], text=True,
                              stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _start(self) -> None:
        # A file: nobody would read a pipe.
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-F", self.folder / "slapd.d",
                 "-h", f"{self.uri}/ {self.ldapi}", "-d", "none"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, f"{self.uri}")

    def _answers(self) -> bool:
        assert self._process.poll() is None, \
            (self.folder / "log").read_text(errors="replace")
        try:
            socket.create_connection((HOST, PORT), timeout=1).close()
        except OSError:
            return False
        return True

    def add(self, ldif: str | Path, dn: str | None = None) -> None:
        """ldapadd, by the administrator of the data or of cn=config."""
        path = ldif
        if isinstance(ldif, str):
            path = self.folder / "more.ldif"
            path.write_text(ldif)
        self._run(_program("ldapadd"), "-x", "-H", self.uri,
                  "-D", dn or f"cn=admin,{self.base}", "-w", ADMIN_PASSWORD,
                  "-f", path)

    def delete(self, dn: str) -> None:
        self._run(_program("ldapdelete"), "-x", "-H", self.uri,
                  "-D", f"cn=admin,{self.base}", "-w", ADMIN_PASSWORD, dn)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
