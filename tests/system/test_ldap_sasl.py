"""Who the driver is to LDAP servers by SASL: EXTERNAL, and GSSAPI with a real
KDC."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Dicts
from faults import Pipeline
from identity import REALM, Realm
from sandbox import DEADLINE_SECS, Log, Sandbox, wait_for
from slapd import HOST as SLAPD_HOST, PORT as SLAPD_PORT, Slapd
from taps import LdapTap
from test_ldap_tls import Certificates, certificates  # noqa: F401

KDC_HOST, KDC_PORT = "127.0.10.12", 10088
# Of the service in Kerberos: the relay in front of slapd.
LDAP_HOST = "127.0.0.1"
BASE = "dc=kerberos"
READER, PROXY = f"cn=reader,{BASE}", f"cn=proxy,{BASE}"
# Who we are: one may read, and one may act as the other.
PRINCIPAL, ACTS_AS = "imap/reader.example.org", "imap/proxy.example.org"
SHORT_LIVED = "imap/short.example.org"
# In the sandbox's directory
REFERRAL_DN = "cn=referral,ou=services,dc=example,dc=org"
NO_BIND = {"bind_dn": None, "password_file": None}

SLAPD_SETTINGS = f"""
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/misc.schema
sasl-host {LDAP_HOST}
sasl-realm {REALM}
authz-policy to
authz-regexp "^uid=imap/(reader|short)\\\\.example\\\\.org(,cn=[^,]+)?,cn=gssapi,cn=auth$" "{READER}"
authz-regexp "^uid=imap/proxy\\\\.example\\\\.org(,cn=[^,]+)?,cn=gssapi,cn=auth$" "{PROXY}"
access to dn.subtree="ou=people,{BASE}" by dn.exact="{READER}" read by * none
"""

LDIF = f"""
dn: {BASE}
objectClass: domain
dc: kerberos

dn: {READER}
objectClass: organizationalRole
cn: reader

dn: {PROXY}
objectClass: organizationalRole
cn: proxy
authzTo: dn.exact:{READER}

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

""" + "".join(f"""
dn: uid={user},ou=people,{BASE}
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
uid: {user}
cn: Person
sn: Person
mailHost: imap2.example.org:143

""" for user in ("zoe", "yan"))
HOME = "imap://imap2.example.org/"


def ldap1_log(sandbox: Sandbox) -> Log:
    return Log(Path(sandbox.env["SANDBOX_DIR"]) / "ldap1" / "log")


# --- EXTERNAL

def test_external_by_ldapi(sandbox: Sandbox, dicts: Dicts) -> None:
    log = ldap1_log(sandbox)
    asked = dicts.make(uris=sandbox.env["LDAP1_LDAPI"], **NO_BIND,
                       sasl_mechanism="EXTERNAL")
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
    log.wait("BIND", REFERRAL_DN, "mech=EXTERNAL")


@pytest.fixture
def own_certificate(sandbox: Sandbox,
                    certificates: Certificates) -> dict[str, str]:  # noqa: F811
    """Settings with a certificate of ours, by an authority that ldap1
    knows."""
    folder = Path(sandbox.env["SANDBOX_DIR"])
    certificate, key = certificates.make("referral", "127.0.10.1", ca=(
        folder / "ca.crt", folder / "ca.key"))
    return {"tls_cert_file": str(certificate), "tls_key_file": str(key),
            "tls_ca_file": sandbox.env["TLS_CA"]}


@pytest.mark.parametrize("starttls", ["no", "yes"])
def test_external_by_certificate(sandbox: Sandbox, dicts: Dicts, starttls: str,
                                 own_certificate: dict[str, str]) -> None:
    log = ldap1_log(sandbox)
    uri = sandbox.env["LDAP1_TLS_URI"] if starttls == "no" \
        else sandbox.env["LDAP1_URI"].replace("127.0.10.9",
                                              "ldap1.example.org")
    asked = dicts.make(uris=uri, starttls=starttls, **own_certificate,
                       **NO_BIND, sasl_mechanism="EXTERNAL")
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
    log.wait("BIND", REFERRAL_DN, "mech=EXTERNAL")


def test_certificate_beside_a_password(sandbox: Sandbox, dicts: Dicts,
                                       own_certificate: dict[str, str]) -> None:
    assert dicts.make(uris=sandbox.env["LDAP1_TLS_URI"],
                      **own_certificate).home("bob")


def test_external_of_a_stranger(sandbox: Sandbox, dicts: Dicts, log: Log,
                                certificates: Certificates) -> None:  # noqa: F811
    """Its authority is one that ldap1 does not know."""
    certificate, key = certificates.make("stranger", "127.0.10.1")
    uri = sandbox.env["LDAP1_TLS_URI"]
    asked = dicts.make(uris=uri, **NO_BIND, sasl_mechanism="EXTERNAL",
                       tls_cert_file=str(certificate), tls_key_file=str(key),
                       tls_ca_file=sandbox.env["TLS_CA"])
    assert asked.fails("home", "bob")
    log.wait(uri)


def test_external_may_not_act_as_others(sandbox: Sandbox, dicts: Dicts,
                                        log: Log) -> None:
    uri = sandbox.env["LDAP1_LDAPI"]
    asked = dicts.make(uris=uri, **NO_BIND, sasl_mechanism="EXTERNAL",
                       sasl_authzid=f"dn:{sandbox.env['LDAP_ADMIN_DN']}")
    assert asked.fails("home", "bob")
    log.wait(uri, "SASL bind (EXTERNAL) failed")


# --- GSSAPI

class Kerberos:
    def __init__(self, sandbox: Sandbox) -> None:
        self.folder = Path(sandbox.env["SANDBOX_DIR"]) / "kerberos"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        (self.folder / "realm").mkdir()
        (self.folder / "realm").chmod(0o755)
        self.realm = Realm(self.folder / "realm", KDC_HOST, KDC_PORT)
        self.keytab = self.folder / "keytab"
        try:
            for name in (PRINCIPAL, ACTS_AS, SHORT_LIVED):
                self.realm.add_service(name, self.keytab)
            self.realm.set_max_life(SHORT_LIVED, 4)
            self.keytab.chmod(0o644)
            ldap_keytab = self.folder / "ldap-keytab"
            self.realm.add_service(f"ldap/{LDAP_HOST}", ldap_keytab)
            os.environ.update(KRB5_KTNAME=str(ldap_keytab),
                              KRB5_CONFIG=str(self.realm.config),
                              KRB5RCACHENAME="none:")
            self.slapd = Slapd(sandbox, "kerberos", BASE, SLAPD_SETTINGS, LDIF)
        except BaseException:
            self.realm.close()
            raise
        finally:
            for name in ("KRB5_KTNAME", "KRB5_CONFIG", "KRB5RCACHENAME"):
                os.environ.pop(name, None)

    def close(self) -> None:
        self.slapd.stop()
        self.realm.close()
        shutil.rmtree(self.folder)

    def settings(self, tap: LdapTap, principal: str = PRINCIPAL,
                 **settings: str | None) -> dict[str, str | None]:
        return {"uris": tap.uri, "base": BASE, **NO_BIND,
                "sasl_mechanism": "GSSAPI", "krb5_principal": principal,
                "krb5_keytab": str(self.keytab), **settings}


@pytest.fixture(scope="module")
def kerberos(sandbox: Sandbox, module_config: Config,
             dicts: Dicts) -> Iterator[Kerberos]:
    made = Kerberos(sandbox)
    module_config.edit(dovecot=dovecot.environment(
        KRB5_CONFIG=made.realm.config))
    yield made
    made.close()


@pytest.fixture
def slapd_tap() -> Iterator[LdapTap]:
    relay = LdapTap((SLAPD_HOST, SLAPD_PORT))
    yield relay
    relay.close()


def test_gssapi(dicts: Dicts, kerberos: Kerberos, slapd_tap: LdapTap) -> None:
    asked = dicts.make(**kerberos.settings(slapd_tap))
    assert asked.home("zoe") == HOME
    assert slapd_tap.accepted == 1


def test_every_connection_binds(dicts: Dicts, kerberos: Kerberos,
                                slapd_tap: LdapTap) -> None:
    """With one ticket."""
    asked = dicts.make(**kerberos.settings(slapd_tap), home_ttl="0")
    assert asked.home("zoe") == HOME
    before = kerberos.realm.requests()
    for number in range(2, 4):
        slapd_tap.cut()
        assert asked.home("zoe") == HOME
        assert slapd_tap.accepted == number
    assert kerberos.realm.requests() == before


def test_acts_as_another(dicts: Dicts, kerberos: Kerberos,
                         slapd_tap: LdapTap) -> None:
    """By itself it may read nobody."""
    assert dicts.make(**kerberos.settings(slapd_tap, ACTS_AS)).home("zoe") \
        is None
    asked = dicts.make(**kerberos.settings(slapd_tap, ACTS_AS,
                                           sasl_authzid=f"dn:{READER}"))
    assert asked.home("zoe") == HOME


def test_may_not_act_as_another(dicts: Dicts, kerberos: Kerberos,
                                slapd_tap: LdapTap, log: Log) -> None:
    asked = dicts.make(**kerberos.settings(slapd_tap,
                                           sasl_authzid=f"dn:{PROXY}"))
    assert asked.fails("home", "zoe")
    log.wait(slapd_tap.uri, "SASL bind (GSSAPI) failed")


def test_expired_ticket_is_renewed(dicts: Dicts, kerberos: Kerberos,
                                   slapd_tap: LdapTap) -> None:
    asked = dicts.make(**kerberos.settings(slapd_tap, SHORT_LIVED,
                                           timeout="20s"), home_ttl="0")
    assert asked.home("zoe") == HOME
    before = kerberos.realm.requests()
    time.sleep(5)
    slapd_tap.cut()
    assert asked.home("zoe") == HOME
    assert kerberos.realm.requests() > before


def test_key_that_is_not_in_the_keytab(dicts: Dicts, kerberos: Kerberos,
                                       slapd_tap: LdapTap, log: Log) -> None:
    asked = dicts.make(**kerberos.settings(slapd_tap, "imap/other.example.org"))
    assert asked.fails("home", "zoe")
    log.wait(slapd_tap.uri, "imap/other.example.org", str(kerberos.keytab))
    assert not slapd_tap.binds


def test_keytab_that_does_not_exist(dicts: Dicts, kerberos: Kerberos,
                                    slapd_tap: LdapTap, log: Log) -> None:
    asked = dicts.make(**kerberos.settings(slapd_tap,
                                           krb5_keytab="/nonexistent"))
    assert asked.fails("home", "zoe")
    log.wait(slapd_tap.uri, "/nonexistent")


def test_kdc_that_says_nothing(sandbox: Sandbox, dicts: Dicts,
                               kerberos: Kerberos,
                               slapd_tap: LdapTap) -> None:
    """Others are answered meanwhile, and who needs it fails at the
    deadline."""
    with contextlib.ExitStack() as stack:
        def connect(name: str) -> Pipeline:
            return stack.enter_context(contextlib.closing(
                Pipeline(sandbox, name)))
        other = connect(dicts.make(home_ttl="1h").name)
        assert other.home("bob").startswith("O")
        asked = dicts.make(**kerberos.settings(slapd_tap), timeout="6s")
        stalled = connect(asked.name)
        kerberos.realm.signal(signal.SIGSTOP)
        stack.callback(kerberos.realm.signal, signal.SIGCONT)
        start = time.monotonic()
        stalled.start(["zoe"])
        for _ in range(400):
            assert other.home("bob").startswith("O")
        assert time.monotonic() - start < 5
        assert stalled.reply().startswith("F")
        assert 1 < time.monotonic() - start < 6 + DEADLINE_SECS
        kerberos.realm.signal(signal.SIGCONT)
        wait_for(lambda: asked.fails("home", "zoe") is None)


# --- settings

@pytest.mark.parametrize("settings, expectation", [
    ({"sasl_mechanism": "PLAIN"}, "EXTERNAL"),
    ({"sasl_mechanism": "EXTERNAL"}, "neither referral_ldap_bind_dn"),
    ({"sasl_mechanism": "EXTERNAL", **NO_BIND}, "referral_ldap_tls_cert_file"),
    ({"sasl_mechanism": "GSSAPI", **NO_BIND}, "referral_ldap_krb5_principal"),
], ids=str)
def test_wrong_settings(dicts: Dicts, log: Log,
                        settings: dict[str, str | None],
                        expectation: str) -> None:
    asked, path = dicts.take(**settings)
    assert expectation in dicts.complaint(asked, path, log)
