"""A directory with more mailboxes than slapd hands out at once: its size limit
of 500 entries does not stop us, or is named in the log with the remedy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from big_slapd import ADDRESS, PORT, Slapd
from conftest import Dicts
from sandbox import Log, Sandbox, wait_for
from taps import LdapTap

USERS, MAILBOXES = 2000, 3000

REMEDY = "size limit"


@pytest.fixture(scope="module")
def slapd(sandbox: Sandbox) -> Iterator[Slapd]:
    server = Slapd(sandbox, USERS, MAILBOXES)
    yield server
    server.close()


@pytest.fixture
def settings(slapd: Slapd) -> dict[str, str]:
    """Of a dict with that slapd, without live updates."""
    return {"uris": slapd.uri, "mailbox_base": slapd.mailbox_base,
            "mailbox_filter": "(ou=*)", "mailbox_refresh": "1h"}


@pytest.fixture
def limited(slapd: Slapd, settings: dict[str, str]) -> dict[str, str]:
    """The same for somebody whom slapd shows 500 entries, and no more in
    further pages."""
    password = slapd.folder / "limited-password"
    password.write_text(f"{slapd.LIMITED_PASSWORD}\n")
    password.chmod(0o644)
    slapd.folder.chmod(0o755)
    return settings | {"bind_dn": slapd.limited_dn,
                       "password_file": str(password)}


def url(sandbox: Sandbox, slapd: Slapd, number: int) -> str:
    return (f"imap://{sandbox.server(number % 3 + 1)}/"
            f"{slapd.mailboxes[number]}")


def test_pages(sandbox: Sandbox, dicts: Dicts, slapd: Slapd,
               settings: dict[str, str]) -> None:
    asked = dicts.make(mailbox_page_size="200", **settings)
    before = slapd.searches()
    assert asked.mailbox(slapd.mailboxes[0]) == url(sandbox, slapd, 0)
    last = MAILBOXES - 1
    assert asked.mailbox(slapd.mailboxes[last]) == url(sandbox, slapd, last)
    # Each counting is one itself; after the last full page comes an empty one.
    pages = MAILBOXES // 200
    assert pages <= slapd.searches() - before - 1 <= pages + 1

    rows = asked.mailboxes()
    assert list(rows) == sorted(slapd.mailboxes)
    assert rows[slapd.mailboxes[1234]] == url(sandbox, slapd, 1234)


def test_limit_of_all_pages(dicts: Dicts, slapd: Slapd, log: Log,
                            limited: dict[str, str]) -> None:
    asked = dicts.make(mailbox_page_size="200", **limited)
    failure = asked.fails("mailbox", slapd.mailboxes[0])
    # Nothing is said of a part of them.
    assert failure and REMEDY in failure
    assert asked.fails("mailbox", "Shared/nothing")
    line = log.wait(REMEDY)
    assert slapd.limited_dn in line and "raise" in line


def test_mailbox_limit(dicts: Dicts, slapd: Slapd, log: Log,
                       settings: dict[str, str]) -> None:
    asked = dicts.make(mailbox_limit=str(MAILBOXES - 1), **settings)
    assert asked.fails("mailbox", slapd.mailboxes[0])
    log.wait(str(MAILBOXES - 1), "referral_ldap_mailbox_limit")
    asked = dicts.make(mailbox_limit=str(MAILBOXES), **settings)
    assert asked.mailbox(slapd.mailboxes[0])


def test_homes_are_not_limited(sandbox: Sandbox, dicts: Dicts, slapd: Slapd,
                               limited: dict[str, str]) -> None:
    """Each is a search of its own, and few of them are remembered."""
    relay = LdapTap((ADDRESS, PORT))
    try:
        limited["uris"] = relay.uri
        asked = dicts.make(home_base=f"ou=people,{slapd.base}",
                           home_cache_size="10", home_ttl="1h", **limited)
        users = slapd.users[:20]
        for number, user in enumerate(users):
            assert asked.home(user) == \
                f"imap://{sandbox.server(number % 3 + 1)}/"
        assert asked.home(users[-1]) and asked.home(users[0])
        assert relay.home_searches(users[-1]) == 1
        assert relay.home_searches(users[0]) == 2
    finally:
        relay.close()


def test_live_falls_back_to_pages(sandbox: Sandbox, dicts: Dicts,
                                  slapd: Slapd, log: Log,
                                  settings: dict[str, str]) -> None:
    """A live search has no pages: where the server's limit ends it, the
    mailboxes are loaded in pages all the same, and it is said once."""
    settings["mailbox_refresh"] = "1s"
    asked = dicts.make(live="maps", **settings)
    assert asked.mailbox(slapd.mailboxes[0]) == url(sandbox, slapd, 0)
    last = MAILBOXES - 1
    assert asked.mailbox(slapd.mailboxes[last]) == url(sandbox, slapd, last)
    assert len(asked.mailboxes()) == MAILBOXES
    log.wait(slapd.uri, REMEDY)
    # Loaded again and again.
    before = slapd.searches()
    wait_for(lambda: slapd.searches() - before > 20)
    assert len(log.lines(slapd.uri, REMEDY)) == 1
