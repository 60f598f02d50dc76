"""slapd loads our schema in both of its forms, and finds the same in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import TOP

SCHEMA = TOP / "src" / "schema"
LDAP_SCHEMA = Path("/etc/ldap/schema")

# Just enough for slapadd to make a configuration of.
CONFIG = """dn: cn=config
objectClass: olcGlobal
cn: config

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file://{core}

include: file://{ours}
"""


def _run(program: str, *args: str | Path) -> None:
    path = shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    assert path, program
    done = subprocess.run([path, *args], text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


def _definitions(folder: Path) -> list[str]:
    """What slapd has written down of our schema."""
    path, = folder.glob("cn=config/cn=schema/*imap-referral.ldif")
    lines = path.read_text().replace("\n ", "").splitlines()
    found = [re.sub(r"\{\d+\}", "", line, count=1) for line in lines
             if line.startswith(("olcAttributeTypes:", "olcObjectClasses:",
                                 "olcObjectIdentifier:"))]
    assert len(found) == 3 + 6 + 3
    return found


@pytest.fixture
def from_schema(tmp_path: Path) -> list[str]:
    folder = tmp_path / "from-schema"
    folder.mkdir()
    config = tmp_path / "slapd.conf"
    config.write_text(f"include {LDAP_SCHEMA}/core.schema\n"
                      f"include {SCHEMA}/imap-referral.schema\n")
    _run("slaptest", "-f", config, "-F", folder)
    return _definitions(folder)


@pytest.fixture
def from_ldif(tmp_path: Path) -> list[str]:
    folder = tmp_path / "from-ldif"
    folder.mkdir()
    config = tmp_path / "config.ldif"
    config.write_text(CONFIG.format(core=LDAP_SCHEMA / "core.ldif",
                                    ours=SCHEMA / "imap-referral.ldif"))
    _run("slapadd", "-n0", "-F", folder, "-l", config)
    return _definitions(folder)


def test_both_forms_are_the_same(from_schema: list[str],
                                 from_ldif: list[str]) -> None:
    assert from_schema == from_ldif


def test_beside_all_that_debian_ships(tmp_path: Path) -> None:
    """No name and no OID is defined twice."""
    folder = tmp_path / "slapd.d"
    folder.mkdir()
    config = tmp_path / "slapd.conf"
    names = ["core", "cosine", "inetorgperson", "nis", "misc", "collective",
             "corba", "duaconf", "dyngroup", "java", "openldap", "pmi"]
    config.write_text("".join(f"include {LDAP_SCHEMA}/{name}.schema\n"
                              for name in names)
                      + f"include {SCHEMA}/imap-referral.schema\n")
    _run("slaptest", "-f", config, "-F", folder)
    assert _definitions(folder)


def test_numbers_stay(from_schema: list[str]) -> None:
    """Directories out there have them: they never get another meaning."""
    root = "2.25.160894467606592262612505299367841530874"
    assert f"olcObjectIdentifier: imapReferral {root}" in from_schema
    numbers = dict(re.search(r"\( (\S+) NAME '(\w+)'", line).groups()[::-1]
                   for line in from_schema if " NAME " in line)
    assert numbers == {
        "imapHomeServer": "imapReferralAttribute:1",
        "imapMailboxName": "imapReferralAttribute:2",
        "imapMailboxURI": "imapReferralAttribute:3",
        "imapMailboxReader": "imapReferralAttribute:4",
        "imapServerState": "imapReferralAttribute:5",
        "imapLoginReferral": "imapReferralAttribute:6",
        "imapReferralUser": "imapReferralClass:1",
        "imapSharedMailbox": "imapReferralClass:2",
        "imapServer": "imapReferralClass:3"}
