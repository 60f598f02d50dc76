"""Subscriptions of remote mailboxes: kept here, or at the mailbox's server,
whichever imap_referral_subscriptions says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conftest import Config, Directory
from sandbox import Sandbox, wait_for
from taps import DictTap
from wire import Imap

SALES = "Shared/sales"
# A name as clients write it.
REMOTE = {"on another server": SALES,
          "below a listed one": "Shared/sales/2026",
          "not only ASCII": "Shared/B&APw-ro &- co"}


@pytest.fixture(autouse=True)
def no_subscriptions(sandbox: Sandbox) -> Iterator[None]:
    """There are none afterwards."""
    yield
    with sandbox.session("alice") as client:
        for name in client.command('RLSUB "" "*"').listed("LSUB"):
            client.ok(f'UNSUBSCRIBE "{name}"')


def subscriptions(client: Imap, command: str = "RLSUB") -> set[str]:
    return set(client.ok(f'{command} "" "*"').listed("LSUB"))


# --- here

@pytest.mark.parametrize("name", REMOTE.values(), ids=REMOTE)
def test_subscribe(sandbox: Sandbox, alice: Imap, name: str) -> None:
    reply = alice.ok(f'SUBSCRIBE "{name}"')
    assert reply.referral is None and not reply.untagged
    assert subscriptions(alice) == {name}
    assert not subscriptions(alice, "LSUB")
    assert not alice.ok('LIST (SUBSCRIBED) "" "*"').listed()
    assert alice.ok('LIST (SUBSCRIBED REMOTE) "" "*"').listed() \
        == {name: {r"\Subscribed", r"\Remote"}}
    # And it lasts.
    with sandbox.session("alice") as later:
        assert subscriptions(later) == {name}
        assert not subscriptions(later, "LSUB")


@pytest.mark.parametrize("name", REMOTE.values(), ids=REMOTE)
def test_unsubscribe(alice: Imap, name: str) -> None:
    alice.ok(f'SUBSCRIBE "{name}"')
    reply = alice.ok(f'UNSUBSCRIBE "{name}"')
    assert reply.referral is None and not reply.untagged
    assert not subscriptions(alice)
    # As with a local mailbox.
    alice.ok(f'UNSUBSCRIBE "{name}"')


def test_subscribe_twice(alice: Imap) -> None:
    alice.ok(f"SUBSCRIBE {SALES}")
    alice.ok(f"SUBSCRIBE {SALES}")
    assert subscriptions(alice) == {SALES}


@pytest.mark.parametrize("name", ["INBOX", "Shared/local"])
def test_local_mailbox(alice: Imap, name: str) -> None:
    alice.ok(f"SUBSCRIBE {name}")
    for command in ("LSUB", "RLSUB"):
        assert subscriptions(alice, command) == {name}
    alice.ok(f"UNSUBSCRIBE {name}")
    for command in ("LSUB", "RLSUB"):
        assert not subscriptions(alice, command)


def test_nonexistent_mailbox_is_dovecots_own(alice: Imap) -> None:
    reply = alice.command("SUBSCRIBE Shared/nonexistent")
    assert reply.status == "NO" and reply.referral is None
    assert not subscriptions(alice)


def test_it_is_not_made_here(alice: Imap) -> None:
    alice.ok(f"SUBSCRIBE {SALES}")
    assert SALES not in alice.ok('LIST "" "*"').listed()
    assert alice.command(f"SELECT {SALES}").referral


def test_mailbox_leaves_the_directory(sandbox: Sandbox, alice: Imap,
                                      directory: Directory) -> None:
    """The subscription stays, as that of a deleted mailbox does."""
    directory.add_mailbox("Shared/brief", mailHost=sandbox.address(2)[0])
    wait_for(lambda: alice.command("SELECT Shared/brief").referral)
    alice.ok("SUBSCRIBE Shared/brief")
    assert not subscriptions(alice, "LSUB")
    directory.delete(directory.mailbox("Shared/brief"))
    wait_for(lambda: subscriptions(alice, "LSUB"))
    assert subscriptions(alice) == {"Shared/brief"}
    alice.ok("UNSUBSCRIBE Shared/brief")
    assert not subscriptions(alice)


def test_subscription_from_before_the_move(sandbox: Sandbox, alice: Imap,
                                           directory: Directory) -> None:
    """Of a mailbox that was here, and is elsewhere now."""
    alice.ok("CREATE Shared/mover")
    alice.ok("SUBSCRIBE Shared/mover")
    alice.ok("DELETE Shared/mover")
    assert subscriptions(alice, "LSUB") == {"Shared/mover"}
    directory.add_mailbox("Shared/mover", mailHost=sandbox.address(2)[0])
    wait_for(lambda: not subscriptions(alice, "LSUB"))
    assert subscriptions(alice) == {"Shared/mover"}


def test_subscribing_asks_once(sandbox: Sandbox, config: Config,
                               dict_tap: DictTap) -> None:
    config.edit()
    with sandbox.session("alice") as client:
        assert dict_tap.asked(
            lambda: client.ok("SUBSCRIBE Shared/sales/cost")) != []
        for command in ("SUBSCRIBE Shared/sales/2026",
                        "UNSUBSCRIBE Shared/sales/cost"):
            assert len(dict_tap.asked(lambda: client.ok(command))) <= 1
        for command in ("SUBSCRIBE INBOX", "UNSUBSCRIBE INBOX"):
            assert not dict_tap.asked(lambda: client.ok(command))
        client.ok("UNSUBSCRIBE Shared/sales/2026")


def test_directory_is_down(sandbox: Sandbox, alice: Imap,
                           ldap1: Callable[[], None]) -> None:
    for name in (SALES, "Shared/local", "INBOX"):
        alice.ok(f"SUBSCRIBE {name}")
    ldap1()
    # With nothing in memory there is nothing to answer from.
    sandbox.end_dict()
    wait_for(lambda: "UNAVAILABLE" in
             alice.command("SUBSCRIBE Shared/sales/2026").tagged)
    for name in (SALES, "Shared/local", "INBOX"):
        alice.ok(f"UNSUBSCRIBE {name}")
    alice.ok("SUBSCRIBE INBOX")
    sandbox.start("ldap1")
    wait_for(lambda: alice.command('RLSUB "" "*"').status == "OK")
    assert subscriptions(alice) == {"INBOX"}


@pytest.mark.parametrize("name", ["INBOX", "Drafts"])
def test_guest(sandbox: Sandbox, name: str) -> None:
    """A name that is remote as others are."""
    with sandbox.session("alice", 2) as guest:
        guest.ok(f"SUBSCRIBE {name}")
        assert name in subscriptions(guest)
        guest.ok(f"UNSUBSCRIBE {name}")
        assert name not in subscriptions(guest)


# --- refer

@pytest.fixture
def referring(sandbox: Sandbox, config: Config) -> None:
    """Also alice, who has subscribed to a mailbox before that."""
    with sandbox.session("alice") as client:
        client.ok(f"SUBSCRIBE {SALES}")
    config.edit(referral={"imap_referral_subscriptions": "refer"})


def test_referred(referring: None, sandbox: Sandbox, alice: Imap) -> None:
    alice.ok(f"UNSUBSCRIBE {SALES}")
    for command in ("SUBSCRIBE", "UNSUBSCRIBE"):
        for name, number, in_url in (
                (SALES, 2, "Shared/sales"),
                ("Shared/sales/2026", 2, "Shared/sales/2026"),
                ("Shared/B&APw-ro &- co", 3, "Shared/B%C3%BCro%20%26%20co")):
            reply = alice.command(f'{command} "{name}"')
            assert reply.tagged == \
                sandbox.mailbox_referral("alice", number, in_url)
            assert not reply.untagged
    assert not subscriptions(alice)
    for name in ("INBOX", "Shared/local"):
        alice.ok(f"SUBSCRIBE {name}")
        alice.ok(f"UNSUBSCRIBE {name}")
    alice.ok("UNSUBSCRIBE Shared/nonexistent")


def test_what_is_here_can_be_removed(referring: None, sandbox: Sandbox,
                                     alice: Imap) -> None:
    assert subscriptions(alice) == {SALES}
    alice.ok(f"UNSUBSCRIBE {SALES}")
    assert alice.command(f"UNSUBSCRIBE {SALES}").tagged == \
        sandbox.mailbox_referral("alice", 2, SALES)
    assert not subscriptions(alice)


def test_what_is_here_can_be_removed_without_the_directory(
        referring: None, sandbox: Sandbox, alice: Imap,
        ldap1: Callable[[], None]) -> None:
    ldap1()
    sandbox.end_dict()
    alice.ok(f"UNSUBSCRIBE {SALES}")
    # One that is not here may be there.
    wait_for(lambda: "UNAVAILABLE" in
             alice.command("UNSUBSCRIBE Shared/sales/2026").tagged)
