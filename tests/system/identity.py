"""Who vouches for people by other means than passwords: a little certificate
authority, an issuer of OAuth tokens, a Kerberos realm."""

from __future__ import annotations

import base64
import hmac
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import gssapi

from sandbox import DEADLINE_SECS, wait_for

REALM = "EXAMPLE.ORG"


def _run(*command: str | Path, **options: object) -> None:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False,
                          timeout=DEADLINE_SECS, **options)
    assert done.returncode == 0, (command, done.stdout)


# --- certificates

class Authority:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = folder / "openssl.cnf"
        self._config.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        self.certificate, self._key = self._make(
            "authority", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=keyCertSign,cRLSign")
        self.certificate.chmod(0o644)

    def _make(self, name: str, *options: str | Path) -> tuple[Path, Path]:
        certificate = self._folder / f"{name}.crt"
        key = self._folder / f"{name}.key"
        if not certificate.exists():
            _run("openssl", "req", "-x509", "-config", self._config,
                 "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", certificate,
                 "-subj", f"/CN={name}", "-days", "2", *options)
        return certificate, key

    def person(self, name: str) -> tuple[Path, Path]:
        """Certificate and key."""
        return self._make(name, "-CA", self.certificate, "-CAkey", self._key,
                          "-addext", "basicConstraints=CA:FALSE")


# --- tokens

class Issuer:
    """Issues JSON Web Tokens (RFC 7519), signed by HMAC."""

    def __init__(self, folder: Path) -> None:
        self._key = os.urandom(32)
        self.folder = folder
        path = folder / "default" / "HS256" / "default"
        path.parent.mkdir(parents=True)
        path.write_bytes(base64.b64encode(self._key))

    def token(self, user: str, lives_secs: int = 3600) -> str:
        now = int(time.time())
        parts = [{"alg": "HS256", "typ": "JWT"},
                 {"sub": user, "iat": now - 7200, "exp": now + lives_secs}]
        signed = ".".join(_url64(json.dumps(part).encode()) for part in parts)
        return signed + "." + _url64(
            hmac.digest(self._key, signed.encode(), "sha256"))


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# --- tickets

class Realm:
    """A KDC in the foreground, with all that it has in the folder."""

    PASSWORD = "secret"

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self.config = folder / "krb5.conf"
        self._environment = {
            **os.environ, "KRB5_CONFIG": str(self.config),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        self.config.write_text(f"""
[libdefaults]
  default_realm = {REALM}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
  {REALM} = {{
    kdc = {host}:{port}
  }}
""")
        (folder / "kdc.conf").write_text(f"""
[kdcdefaults]
  kdc_listen = {host}:{port}
  kdc_tcp_listen = {host}:{port}
[realms]
  {REALM} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/kadm5.acl
  }}
[logging]
  kdc = FILE:{folder}/kdc.log
""")
        self._administer("kdb5_util", "create", "-s", "-P", self.PASSWORD,
                         "-r", REALM)
        with open(folder / "output", "wb") as output:
            self._kdc = subprocess.Popen(
                [_program("krb5kdc"), "-n"], env=self._environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            wait_for(lambda: self._answers(host, port), "KDC")
        except BaseException:
            self.close()
            raise

    def _administer(self, program: str, *args: str | Path) -> None:
        _run(_program(program), *args, env=self._environment)

    def _answers(self, host: str, port: int) -> bool:
        assert self._kdc.poll() is None, \
            (self._folder / "output").read_text()
        try:
            socket.create_connection((host, port), DEADLINE_SECS).close()
        except ConnectionRefusedError:
            return False
        return True

    def close(self) -> None:
        self._kdc.terminate()
        self._kdc.wait(DEADLINE_SECS)

    def add_person(self, name: str) -> None:
        self._administer("kadmin.local", "-r", REALM, "addprinc",
                         "-pw", self.PASSWORD, name)

    def add_service(self, name: str, keytab: Path) -> None:
        self._administer("kadmin.local", "-r", REALM, "addprinc", "-randkey",
                         name)
        self._administer("kadmin.local", "-r", REALM, "ktadd", "-k", keytab,
                         name)

    def set_max_life(self, name: str, secs: int) -> None:
        """Of its tickets."""
        self._administer("kadmin.local", "-r", REALM, "modprinc",
                         "-maxlife", f"{secs} seconds", name)

    def requests(self) -> int:
        """That the KDC has had so far."""
        return (self._folder / "kdc.log").read_text().count("_REQ ")

    def signal(self, number: int) -> None:
        self._kdc.send_signal(number)

    def context(self, user: str, service: str) -> gssapi.SecurityContext:
        """What the client of somebody who has typed the password begins a
        login with. It goes on without asking the KDC."""
        cache = self._folder / f"tickets-{user}"
        environment = {**self._environment, "KRB5CCNAME": f"FILE:{cache}"}
        if not cache.exists():
            _run("kinit", user, input=f"{self.PASSWORD}\n", env=environment)
        _run("kvno", service, env=environment)
        os.environ["KRB5_CONFIG"] = str(self.config)
        return gssapi.SecurityContext(
            name=gssapi.Name(f"{service}@{REALM}",
                             gssapi.NameType.kerberos_principal),
            creds=gssapi.Credentials(usage="initiate",
                                     store={"ccache": f"FILE:{cache}"}),
            mech=gssapi.MechType.kerberos, usage="initiate")


def _program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{name} is not installed"
    return path
