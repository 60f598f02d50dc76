"""TLS to LDAP servers: whom they are verified by, and that nothing is said
before that."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Dicts
from faults import FakeLdap, result
from sandbox import Log, Sandbox, wait_for
from taps import Relay

STARTTLS_RESPONSE, LDAP_EXTENDED = 0x78, 0x77


class Certificates:
    """An authority of the tests' own, which no server has a certificate of
    but those that it makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "openssl.cnf").write_text(
            "[req]\ndistinguished_name = dn\n[dn]\n")
        self.ca, self._ca_key = self._request(
            "ca", "-x509", "-days", "2",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=keyCertSign,cRLSign")

    def _run(self, *args: str | Path) -> None:
        done = subprocess.run(["openssl", *map(str, args)], text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout

    @staticmethod
    def _expired() -> tuple[str, ...]:
        """Options for a certificate of the past."""
        usage = subprocess.run(["openssl", "x509", "-help"], text=True,
                               stdout=subprocess.PIPE, check=False,
                               stderr=subprocess.STDOUT).stdout
        # Older ones take a negative number of days instead.
        return ("-not_before", "20200101000000Z", "-not_after",
                "20200102000000Z") if "-not_after" in usage \
            else ("-days", "-1")

    def _request(self, name: str, *options: str) -> tuple[Path, Path]:
        out, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        self._run("req", "-new", "-config", self._folder / "openssl.cnf",
                  "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-nodes", "-keyout", key, "-out", out,
                  "-subj", f"/CN={name}", *options)
        for path in (out, key):
            path.chmod(0o644)
        return out, key

    def make(self, name: str, address: str, expired: bool = False,
             ca: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
        """Certificate and key."""
        request, key = self._request(name)
        certificate = self._folder / f"{name}.pem"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{address}\n"
                              "basicConstraints=CA:FALSE\n")
        ca_certificate, ca_key = ca or (self.ca, self._ca_key)
        self._run("x509", "-req", "-in", request, "-CA", ca_certificate,
                  "-CAkey", ca_key, "-CAcreateserial",
                  "-CAserial", self._folder / f"{name}.srl",
                  *(self._expired() if expired else ("-days", "2")),
                  "-extfile", extensions, "-out", certificate)
        certificate.chmod(0o644)
        return certificate, key


@pytest.fixture(scope="module")
def certificates(sandbox: Sandbox) -> Iterator[Certificates]:
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "ldap-tls"
    folder.mkdir()
    folder.chmod(0o755)
    yield Certificates(folder)
    shutil.rmtree(folder)


class PlainRelay(Relay):
    """ldap1 under another address."""

    def __init__(self, target: tuple[str, int]) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        super().__init__(listener, lambda: socket.create_connection(target))

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        return [], b""


class TlsRelay(Relay):
    """TLS in front of slapd, with any certificate."""

    def __init__(self, target: tuple[str, int],
                 certificate: tuple[Path, Path]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldaps://127.0.0.1:{listener.getsockname()[1]}"
        self.said = b""
        super().__init__(context.wrap_socket(
            listener, server_side=True, do_handshake_on_connect=True),
            lambda: socket.create_connection(target))

    def split(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        return [buffer], b""

    def request(self, message: bytes) -> None:
        self.said += message


def ldap1(sandbox: Sandbox) -> tuple[str, int]:
    host, port = sandbox.env["LDAP1_URI"].removeprefix("ldap://").split(":")
    return host, int(port)


@pytest.fixture(params=["LDAPS", "StartTLS"])
def tls(request: pytest.FixtureRequest, sandbox: Sandbox) -> dict[str, str]:
    """Settings for a connection to ldap1 by name."""
    if request.param == "LDAPS":
        return {"uris": sandbox.env["LDAP1_TLS_URI"]}
    port = ldap1(sandbox)[1]
    return {"uris": f"ldap://ldap1.example.org:{port}", "starttls": "yes"}


def test_verified(sandbox: Sandbox, dicts: Dicts, tls: dict[str, str]) -> None:
    asked = dicts.make(**tls, tls_ca_file=sandbox.env["TLS_CA"])
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
    assert asked.mailbox("Shared/sales")


def test_authorities_in_a_folder(sandbox: Sandbox, dicts: Dicts,
                                 certificates: Certificates,
                                 tls: dict[str, str]) -> None:
    folder = certificates.ca.parent / "authorities"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    shutil.copy(sandbox.env["TLS_CA"], folder / "ca.pem")
    subprocess.run(["openssl", "rehash", folder], check=True,
                   stdout=subprocess.DEVNULL)
    assert dicts.make(**tls, tls_ca_dir=str(folder)).home("bob")


def test_all_on_one_connection(sandbox: Sandbox, dicts: Dicts,
                               certificates: Certificates) -> None:
    """Large answers as well, in both directions at once."""
    relay = TlsRelay(ldap1(sandbox), certificates.make("big", "127.0.0.1"))
    asked = dicts.make(uris=relay.uri, tls_ca_file=str(certificates.ca),
                       timeout="20s")
    assert asked.mailboxes()
    lookups = [asked.start("home", f"{'x' * 200}{number}")
               for number in range(20)]
    assert [lookup.result() for lookup in lookups] == [None] * 20
    assert relay.accepted == 1
    relay.close()


def test_wrong_authority(dicts: Dicts, log: Log, certificates: Certificates,
                         tls: dict[str, str]) -> None:
    asked = dicts.make(**tls, tls_ca_file=str(certificates.ca))
    assert asked.fails("home", "bob")
    log.wait(tls["uris"], "certificate", "referral_ldap_tls_ca_file")


def test_authorities_of_the_system(dicts: Dicts, log: Log,
                                   tls: dict[str, str]) -> None:
    """They do not know ours."""
    assert dicts.make(**tls).fails("home", "bob")
    log.wait(tls["uris"], "certificate", "referral_ldap_tls_ca_file")


def test_wrong_name(sandbox: Sandbox, dicts: Dicts, log: Log) -> None:
    """The certificate is ldap1's, the URI says something else."""
    relay = PlainRelay(ldap1(sandbox))
    asked = dicts.make(uris=relay.uri, starttls="yes",
                       tls_ca_file=sandbox.env["TLS_CA"])
    assert asked.fails("home", "bob")
    log.wait(relay.uri, "doesn't match", "127.0.0.1")
    relay.close()


@pytest.mark.parametrize("expired", [False, True])
def test_expired(sandbox: Sandbox, dicts: Dicts, log: Log,
                 certificates: Certificates, expired: bool) -> None:
    relay = TlsRelay(ldap1(sandbox), certificates.make(
        f"expired-{expired}", "127.0.0.1", expired=expired))
    asked = dicts.make(uris=relay.uri, tls_ca_file=str(certificates.ca))
    if expired:
        assert asked.fails("home", "bob")
        log.wait(relay.uri, "expired")
        # It has heard nothing: no password.
        assert not relay.said
    else:
        assert asked.home("bob")
        assert relay.said
    relay.close()


def test_next_server_after_a_wrong_certificate(
        sandbox: Sandbox, dicts: Dicts, log: Log,
        certificates: Certificates) -> None:
    relay = TlsRelay(ldap1(sandbox), certificates.make(
        "next", "127.0.0.1", expired=True))
    uris = f"{relay.uri} {sandbox.env['LDAP1_TLS_URI']}"
    both = certificates.ca.with_name("both.crt")
    both.write_text(certificates.ca.read_text()
                    + Path(sandbox.env["TLS_CA"]).read_text())
    both.chmod(0o644)
    asked = dicts.make(uris=uris, tls_ca_file=str(both))
    assert asked.home("bob")
    log.wait(relay.uri, "expired", "trying the next server")
    relay.close()


def test_not_verified_if_the_settings_say_so(
        sandbox: Sandbox, dicts: Dicts, certificates: Certificates) -> None:
    relay = TlsRelay(ldap1(sandbox), certificates.make(
        "any", "127.0.0.9", expired=True))
    assert dicts.make(uris=relay.uri, tls_verify="no").home("bob")
    relay.close()


def test_files_are_read_again(sandbox: Sandbox, dicts: Dicts, log: Log,
                              certificates: Certificates) -> None:
    path = certificates.ca.with_name("renewed.crt")
    shutil.copy(certificates.ca, path)
    asked = dicts.make(uris=sandbox.env["LDAP1_TLS_URI"],
                       tls_ca_file=str(path))
    assert asked.fails("home", "bob")
    path.write_text(Path(sandbox.env["TLS_CA"]).read_text())
    wait_for(lambda: not asked.fails("home", "bob"))


def test_file_that_does_not_exist(sandbox: Sandbox, dicts: Dicts,
                                  log: Log) -> None:
    asked = dicts.make(uris=sandbox.env["LDAP1_TLS_URI"],
                       tls_ca_file="/nonexistent/ca.crt")
    assert asked.fails("home", "bob")
    log.wait("referral_ldap_tls_ca_file", "/nonexistent/ca.crt")


# --- StartTLS

def test_starttls_is_refused(sandbox: Sandbox, dicts: Dicts, log: Log) -> None:
    """Never without TLS then."""
    said: list[int] = []

    def answer(operation: int, message: bytes) -> bytes | None:
        said.append(operation)
        return result(message, STARTTLS_RESPONSE, 2)
    server = FakeLdap(answer)
    asked = dicts.make(uris=server.uri, starttls="yes",
                       tls_ca_file=sandbox.env["TLS_CA"])
    assert asked.fails("home", "bob")
    log.wait(server.uri, "StartTLS failed", "Protocol error")
    assert set(said) == {LDAP_EXTENDED}
    server.close()


def test_data_behind_the_answer_to_starttls(sandbox: Sandbox, dicts: Dicts,
                                            log: Log) -> None:
    """Somebody in between puts in a message that would be taken for one that
    came through TLS."""
    server = FakeLdap(lambda _, message:
                      result(message, STARTTLS_RESPONSE, 0)
                      + result(message, 0x61, 0))
    asked = dicts.make(uris=server.uri, starttls="yes",
                       tls_ca_file=sandbox.env["TLS_CA"])
    assert asked.fails("home", "bob")
    log.wait(server.uri, "behind the answer to StartTLS")
    server.close()


# --- settings

@pytest.mark.parametrize("line, expectation", [
    ("referral_ldap_starttls = maybe", "no"),
    ("referral_ldap_tls_verify = maybe", "yes"),
    ("referral_ldap_tls_min_protocol = SSLv3", "TLSv1.2"),
])
def test_wrong_setting(dicts: Dicts, log: Log, line: str,
                       expectation: str) -> None:
    dicts.expect_complaint(log, line, expectation)
