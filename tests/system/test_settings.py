"""Wrong settings stop the start, with a message that helps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dovecot
from conftest import Config
from sandbox import Log, Sandbox
from wire import Imap


def expect_no_start(sandbox: Sandbox, log: Log, path: Path, line: str,
                    expectation: str) -> None:
    """The message names file and line, and what should be there."""
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("# end\n")
    number = path.read_text().splitlines().index(line) + 1
    with sandbox.starting("imap1"):
        message = log.wait("Fatal: ")
        # And nobody gets in by mistake.
        try:
            with Imap(*sandbox.address(1), deadline=2) as client:
                assert client.login("bob", sandbox.password).status != "OK"
        except (OSError, EOFError):
            pass
    place = re.search(dovecot.place_of_setting(path, number,
                                               line.split()[0]), message)
    assert place and re.search(expectation, message[place.end():])


PLUGIN_WRONG = {
    "unknown setting": ("imap_referral_colour", "red", "[Uu]nknown"),
    "no home": ("imap_referral_no_home", "maybe", "refuse"),
    "URLs": ("imap_referral_urls", "some", r"\ball\b"),
    "subscriptions": ("imap_referral_subscriptions", "no", r"\brefer\b"),
    "owners": ("imap_referral_owners", "maybe", r"\byes\b"),
    "cache": ("imap_referral_cache_ttl", "soon", r"\bms\b|second"),
    "time": ("imap_referral_timeout", "soon", r"\bms\b|second"),
    "server": ("imap_referral_server", "not$a$host", "host"),
    "server as a URL": ("imap_referral_server", "imap://x/", "not a URL"),
    "aliases": ("imap_referral_aliases", "good.example.org bad$host",
                "host"),
}


@pytest.mark.parametrize("name, value, expectation", PLUGIN_WRONG.values(),
                         ids=PLUGIN_WRONG)
def test_wrong_plugin_setting(sandbox: Sandbox, config: Config, log: Log,
                              name: str, value: str,
                              expectation: str) -> None:
    sandbox.stop("imap1")
    config.write(referral={name: value})
    expect_no_start(sandbox, log, config.referral, f"{name} = {value}",
                    expectation)


def test_wrong_ldap_setting(sandbox: Sandbox, config: Config,
                            log: Log) -> None:
    """One of them; all the others: see the dict driver."""
    sandbox.stop("imap1")
    config.write(ldap={"referral_ldap_timeout": "soon"})
    expect_no_start(sandbox, log, config.ldap,
                    "referral_ldap_timeout = soon", r"\bms\b|second")


def test_ldap_settings_file_does_not_exist(sandbox: Sandbox, config: Config,
                                           log: Log) -> None:
    sandbox.stop("imap1")
    # For the sandbox, which would make a missing one anew.
    path = Path("/no/such/file.conf.ext")
    config.write(dovecot=dovecot.ldap_dict("imap_referral", path))
    with sandbox.starting("imap1"):
        assert dovecot.complaint_of_missing_file(path) in log.wait("Fatal: ")
