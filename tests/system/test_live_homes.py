"""referral_ldap_live = all: homes are cached for an hour, and yet forgotten as
soon as they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from conftest import Dicts, Directory
from sandbox import Dict, DictFailure, Log, Sandbox, wait_for
from slapd import Slapd
from taps import LdapTap

HOUR = {"live": "all", "home_ttl": "1h", "home_negative_ttl": "1h"}
NOT_LIVE = "Homes cannot be live"


def url(number: int) -> str:
    return f"imap://imap{number}.example.org:10143/"


def host(number: int) -> str:
    return f"imap{number}.example.org"


def wait_until_live(asked: Dict) -> Dict:
    """It is started by the first who asks."""
    assert not asked.fails("home", "alice")
    wait_for(lambda: asked.status()["homes_mode"] == "live")
    return asked


@pytest.fixture
def asked(dicts: Dicts, tap: LdapTap) -> Dict:
    return wait_until_live(dicts.make(uris=tap.uri, **HOUR))


def test_a_change_is_seen(asked: Dict, directory: Directory) -> None:
    directory.add_person("mover", mailHost=host(1))
    for number in (2, 3, 1, 2):
        wait_for(lambda: asked.home("mover"))
        directory.set(directory.person("mover"), mailHost=host(number))
        wait_for(lambda: asked.home("mover") == url(number))


def test_a_new_user_is_seen(asked: Dict, directory: Directory) -> None:
    assert asked.home("later") is None
    assert asked.home("later") is None
    directory.add_person("later", mailHost=host(2))
    wait_for(lambda: asked.home("later") == url(2))


def test_a_user_who_goes_is_seen(asked: Dict, directory: Directory) -> None:
    directory.add_person("goer", mailHost=host(2))
    assert asked.home("goer") == url(2)
    directory.delete(directory.person("goer"))
    wait_for(lambda: asked.home("goer") is None)


def test_a_home_that_comes_and_goes_is_seen(asked: Dict,
                                            directory: Directory) -> None:
    """The entry is there, and was seen, all the time."""
    dn = directory.add_person("guest")
    assert asked.home("guest") is None
    directory.set_home("guest", host(2))
    wait_for(lambda: asked.home("guest") == url(2))
    directory.set(dn, mailHost=[])
    wait_for(lambda: asked.home("guest") is None)


def test_another_name_is_seen(asked: Dict, directory: Directory) -> None:
    """The entry stays, and is somebody else's."""
    dn = directory.add(f"cn=renamed,ou=people,{directory.base}",
                       ["inetOrgPerson", "inetLocalMailRecipient"],
                       {"cn": "renamed", "sn": "x", "uid": "before",
                        "mailHost": host(2)})
    assert asked.home("before") == url(2)
    assert asked.home("after") is None
    directory.set(dn, uid="after")
    wait_for(lambda: asked.home("before") is None)
    assert asked.home("after") == url(2)


def test_others_stay_in_the_cache(asked: Dict, tap: LdapTap,
                                  directory: Directory) -> None:
    directory.add_person("mover", mailHost=host(1))
    wait_for(lambda: asked.home("mover"))
    assert asked.home("bob") == asked.home("bob")
    searches = tap.home_searches("bob")
    for number in (2, 3, 1, 2):
        directory.set(directory.person("mover"), mailHost=host(number))
        wait_for(lambda: asked.home("mover") == url(number))
        assert asked.home("bob")
    assert tap.home_searches("bob") == searches


def test_nothing_is_searched_for_twice(asked: Dict, tap: LdapTap) -> None:
    assert asked.home("bob")
    searches = len(tap.searches())
    for _ in range(3):
        assert asked.home("bob")
    assert len(tap.searches()) == searches


def test_searches_in_flight_while_it_changes(asked: Dict,
                                             directory: Directory) -> None:
    """However both fall together, the last value is what stays."""
    directory.add_person("mover", mailHost=host(1))
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            asked.home("mover")
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(30):
            directory.set(directory.person("mover"),
                          mailHost=host(1 + round_ % 3))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    directory.set(directory.person("mover"), mailHost=host(2))
    wait_for(lambda: asked.home("mover") == url(2))
    for _ in range(3):
        assert asked.home("mover") == url(2)


def test_changes_while_the_connection_is_lost(asked: Dict, tap: LdapTap,
                                              directory: Directory) -> None:
    directory.add_person("mover", mailHost=host(1))
    wait_for(lambda: asked.home("mover"))
    for number in (2, 3):
        # Nobody tells: what comes is kept back.
        tap.hold()
        directory.set(directory.person("mover"), mailHost=host(number))
        tap.cut()
        tap.release()
        wait_for(lambda: not asked.fails("home", "mover")
                 and asked.home("mover") == url(number))
        wait_for(lambda: asked.status()["homes_mode"] == "live")


def test_ldap_restarts(sandbox: Sandbox, dicts: Dicts, directory: Directory,
                       ldap1: Callable[[], None]) -> None:
    asked = wait_until_live(dicts.make(stale_time="1h", **HOUR))
    directory.add_person("mover", mailHost=host(1))
    wait_for(lambda: asked.home("mover") == url(1))
    ldap1()
    wait_for(lambda: asked.status()["homes_mode"] == "timed")
    # Within its TTL, and nobody can say that it is wrong.
    assert asked.home("mover") == url(1)
    sandbox.start("ldap1")
    directory.connect()
    wait_for(lambda: asked.status()["homes_mode"] == "live")
    directory.set(directory.person("mover"), mailHost=host(2))
    wait_for(lambda: not asked.fails("home", "mover")
             and asked.home("mover") == url(2))


def test_flush_while_live(asked: Dict) -> None:
    assert asked.home("bob")
    assert int(asked.flush().split()[0].removeprefix("homes=")) >= 1
    assert asked.status()["homes_mode"] == "live"
    assert asked.home("bob")


@pytest.mark.parametrize("live", ["no", "maps"])
def test_not_live(sandbox: Sandbox, dicts: Dicts, directory: Directory,
                  log: Log, live: str) -> None:
    asked = dicts.make(**{**HOUR, "live": live})
    directory.add_person("mover", mailHost=host(1))
    assert asked.home("mover") == url(1)
    directory.set(directory.person("mover"), mailHost=host(2))
    time.sleep(1)
    assert asked.home("mover") == url(1)
    assert asked.status()["homes_mode"] == "timed"
    # Dicts of other tests may be without their servers by now.
    assert not log.lines(NOT_LIVE, sandbox.env["LDAP1_URI"])


# --- where it is not to be had

@pytest.fixture
def plain_slapd(sandbox: Sandbox) -> Iterator[Slapd]:
    """Without the overlay syncprov."""
    base = "dc=plain,dc=test"
    server = Slapd(sandbox, "plain", base,
                   "include /etc/ldap/schema/misc.schema",
                   f"dn: {base}\nobjectClass: organization\n"
                   "objectClass: dcObject\no: Plain\ndc: plain\n\n"
                   f"dn: uid=bob,{base}\nobjectClass: inetOrgPerson\n"
                   "objectClass: inetLocalMailRecipient\nuid: bob\n"
                   f"cn: Bob\nsn: Bob\nmailHost: {host(2)}\n")
    yield server
    server.stop()


def test_server_without_syncprov(dicts: Dicts, plain_slapd: Slapd,
                                 log: Log) -> None:
    asked = dicts.make(**{**HOUR, **plain_slapd.settings,
                          "home_ttl": "1ms"})
    assert asked.home("bob") == url(2)
    log.wait(NOT_LIVE, "syncprov")
    assert asked.home("bob") == url(2)
    assert asked.home("nobody") is None
    assert asked.status()["homes_mode"] == "timed"
    assert len(log.lines(NOT_LIVE, "syncprov")) == 1


def test_more_homes_than_the_size_limit(dicts: Dicts, directory: Directory,
                                        log: Log) -> None:
    """A live search has no pages: the reader may have 500 entries."""
    for number in range(510):
        directory.add_person(f"many{number}", mailHost=host(2))
    asked = dicts.make(**{**HOUR, "home_ttl": "1ms"})
    assert asked.home("many7") == url(2)
    log.wait(NOT_LIVE, "size limit")
    assert asked.home("many509") == url(2)
    assert asked.status()["homes_mode"] == "timed"
    assert len(log.lines(NOT_LIVE, "size limit")) == 1


def test_all_servers_down_at_the_start(sandbox: Sandbox, dicts: Dicts,
                                       directory: Directory,
                                       ldap1: Callable[[], None]) -> None:
    ldap1()
    asked = dicts.make(**HOUR)
    with pytest.raises(DictFailure):
        asked.home("bob")
    sandbox.start("ldap1")
    directory.connect()
    wait_for(lambda: asked.status()["homes_mode"] == "live")
    directory.add_person("mover", mailHost=host(1))
    wait_for(lambda: asked.home("mover") == url(1))
    directory.set(directory.person("mover"), mailHost=host(2))
    wait_for(lambda: asked.home("mover") == url(2))
