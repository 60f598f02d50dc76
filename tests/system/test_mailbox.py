"""Mailbox referrals (RFC 2193), mostly for alice at imap1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from conftest import Config, Directory
from sandbox import MESSAGE, Dict, Sandbox, short, wait_for
from taps import DictTap, LdapTap
from wire import Imap, quoted

SALES = "Shared/sales"


@pytest.fixture
def one_message(sandbox: Sandbox) -> Iterator[Imap]:
    """alice, who has selected a mailbox of her own with one message."""
    with sandbox.own_mailbox("tests") as client:
        client.ok("SELECT tests")
        yield client


# --- every command

REMOTE = {
    "on another server": (SALES, 2, "Shared/sales"),
    "below a listed one": ("Shared/sales/2026", 2, "Shared/sales/2026"),
    "deep below it": ("Shared/sales/no/such", 2, "Shared/sales/no/such"),
    "not only ASCII": ("Shared/B&APw-ro &- co", 3,
                       "Shared/B%C3%BCro%20%26%20co"),
}


@pytest.fixture(params=REMOTE.values(), ids=REMOTE)
def remote(request: pytest.FixtureRequest,
           sandbox: Sandbox) -> tuple[str, str]:
    """A name as clients write it, and the answer for alice."""
    name, server, in_url = request.param
    return name, sandbox.mailbox_referral("alice", server, in_url)


@pytest.mark.parametrize("command", ["SELECT", "EXAMINE", "DELETE",
                                     "CREATE"])
def test_command_with_a_name(alice: Imap, remote: tuple[str, str],
                             command: str) -> None:
    name, answer = remote
    reply = alice.command(f'{command} "{name}"')
    assert reply.tagged == answer
    assert not reply.untagged
    alice.ok("NOOP")


def test_status(alice: Imap, remote: tuple[str, str]) -> None:
    name, answer = remote
    reply = alice.command(f'STATUS "{name}" (MESSAGES UIDNEXT)')
    assert reply.tagged == answer
    assert not reply.untagged


def test_append_is_refused_before_the_literal(
        alice: Imap, remote: tuple[str, str]) -> None:
    name, answer = remote
    reply = alice.command(f'APPEND "{name}" {{5}}')
    # No `+`: clients that got one would lose the message.
    assert not reply.continuations
    assert reply.tagged == answer
    # The literal was never sent, and is not waited for.
    alice.ok("NOOP")


@pytest.mark.parametrize("options", ["", r" (\Seen)",
                                     ' "05-Jan-2026 10:00:00 +0000"',
                                     r' (\Seen) "05-Jan-2026 10:00:00 +0000"'])
def test_append_with_options(sandbox: Sandbox, alice: Imap,
                             options: str) -> None:
    reply = alice.command(f"APPEND {SALES}{options} {{5}}")
    assert not reply.continuations
    assert reply.tagged == sandbox.mailbox_referral("alice", 2, SALES)
    alice.ok("NOOP")


def test_append_with_literal_plus_eats_the_literal(
        alice: Imap, remote: tuple[str, str]) -> None:
    name, answer = remote
    # What is in the literal looks like a command: it must not be one.
    alice.send(f'a APPEND "{name}" {{14+}}\r\nx SELECT INBOX\r\n'
               "b NOOP\r\n".encode())
    reply = alice.reply(b"a")
    assert reply.tagged == answer
    assert not reply.continuations
    assert alice.reply(b"b").status == "OK"
    assert b"x OK" not in alice.received and b"x BAD" not in alice.received
    assert alice.command("FETCH 1 FLAGS").status == "BAD"


def test_append_with_a_large_literal_plus(sandbox: Sandbox,
                                          alice: Imap) -> None:
    message = MESSAGE + b"x" * 1_000_000
    alice.send(b"a APPEND %s {%d+}\r\n%s\r\nb NOOP\r\n" % (
        quoted(SALES), len(message), message))
    assert alice.reply(b"a").tagged == sandbox.mailbox_referral("alice", 2,
                                                                SALES)
    assert alice.reply(b"b").status == "OK"


def test_several_messages_in_one_append(sandbox: Sandbox,
                                        alice: Imap) -> None:
    alice.send(b"a APPEND %s {5+}\r\n12345 {5+}\r\n12345\r\nb NOOP\r\n"
               % quoted(SALES))
    assert alice.reply(b"a").tagged == sandbox.mailbox_referral("alice", 2,
                                                                SALES)
    assert alice.reply(b"b").status == "OK"


@pytest.mark.parametrize("command", ["COPY 1", "UID COPY 1", "MOVE 1",
                                     "UID MOVE 1"])
def test_copy_and_move(one_message: Imap, remote: tuple[str, str],
                       command: str) -> None:
    name, answer = remote
    reply = one_message.command(f'{command} "{name}"')
    assert reply.tagged == answer
    assert not reply.untagged
    # It is still here, and the mailbox still selected.
    fetched = one_message.ok("FETCH 1 (FLAGS BODY.PEEK[])")
    assert "A message of the tests." in fetched.untagged[0]
    assert "\\Deleted" not in fetched.untagged[0]


def test_create_below_a_remote_mailbox(sandbox: Sandbox,
                                       alice: Imap) -> None:
    for name in ("Shared/sales/new", "Shared/sales/new/"):
        assert alice.command(f"CREATE {name}").tagged == \
            sandbox.mailbox_referral("alice", 2, "Shared/sales/new")


def test_nothing_remote_was_made_here(alice: Imap) -> None:
    alice.command("CREATE Shared/sales/other")
    listed = " ".join(alice.ok('LIST "" "*"').untagged)
    assert "Shared/sales/other" not in listed


def test_name_as_a_literal(sandbox: Sandbox, alice: Imap) -> None:
    assert alice.command(b"SELECT {12}", [b"Shared/sales"]).tagged == \
        sandbox.mailbox_referral("alice", 2, SALES)


def test_pipelined_commands(sandbox: Sandbox, alice: Imap) -> None:
    alice.send(b"a SELECT Shared/sales\r\nb SELECT INBOX\r\n"
               b"c STATUS Shared/sales (MESSAGES)\r\nd NOOP\r\n")
    answer = sandbox.mailbox_referral("alice", 2, SALES)
    assert alice.reply(b"a").tagged == answer
    assert alice.reply(b"b").status == "OK"
    assert alice.reply(b"c").tagged == answer
    assert alice.reply(b"d").status == "OK"


# --- the selected mailbox

def _select_after(client: Imap, name: str) -> tuple[list[str], str, str]:
    """Select a mailbox with INBOX selected; what the client sees then."""
    client.ok("SELECT INBOX")
    reply = client.command(f"SELECT {name}")
    assert reply.status == "NO"
    return (reply.untagged, client.command("FETCH 1 FLAGS").without_times,
            client.command("CLOSE").without_times)


def test_a_failed_select_closes_as_dovecot_does(sandbox: Sandbox,
                                                alice: Imap) -> None:
    referred = _select_after(alice, SALES)
    missing = _select_after(alice, "nonexistent")
    assert referred == missing
    assert referred[1].startswith("BAD")


def test_status_leaves_the_selected_mailbox(alice: Imap) -> None:
    alice.ok("SELECT INBOX")
    alice.command(f"STATUS {SALES} (MESSAGES)")
    alice.ok("CHECK")


# --- local ones

def test_local_mailbox_in_the_same_namespace(alice: Imap) -> None:
    alice.ok("SELECT Shared/local")


def test_nonexistent_mailbox_is_dovecots_own(alice: Imap) -> None:
    for name in ("Shared/nonexistent", "Shared/salesmen", "nonexistent"):
        reply = alice.command(f"SELECT {name}")
        assert reply.status == "NO"
        assert "REFERRAL" not in reply.tagged
        assert "UNAVAILABLE" not in reply.tagged


def test_append_to_a_nonexistent_mailbox(alice: Imap) -> None:
    reply = alice.command("APPEND Shared/nonexistent {5}")
    assert reply.tagged.startswith("NO [TRYCREATE]")


@pytest.mark.parametrize("user, number", [("bob", 2), ("carol", 3)])
def test_mailbox_on_this_server_is_local(sandbox: Sandbox, user: str,
                                         number: int) -> None:
    """imap2 is the first of its URLs, imap3 the second."""
    with sandbox.session(user, number) as client:
        reply = client.ok(f"SELECT {SALES}")
        assert any(line.endswith(" EXISTS") for line in reply.untagged)
        client.ok(f"STATUS {SALES} (MESSAGES)")


def test_directory_wins_over_a_local_mailbox(sandbox: Sandbox, alice: Imap,
                                             directory: Directory) -> None:
    alice.ok("SELECT Shared/local")
    directory.add_mailbox("Shared/local", mailHost=sandbox.address(2)[0])
    wait_for(lambda: alice.command("SELECT Shared/local").status != "OK")
    assert alice.command("SELECT Shared/local").tagged == \
        sandbox.mailbox_referral("alice", 2, "Shared/local")
    assert alice.command("DELETE Shared/local").status == "NO"
    directory.delete(directory.mailbox("Shared/local"))
    wait_for(lambda: alice.command("SELECT Shared/local").status == "OK")


def test_a_moved_mailbox(sandbox: Sandbox, alice: Imap,
                         directory: Directory) -> None:
    dn = directory.find("(&(objectClass=labeledURIObject)(cn=sales))")
    host, port = sandbox.address(3)
    directory.set(dn, labeledURI=f"imap://{host}:{port}/{SALES}")
    wait_for(lambda: alice.command(f"SELECT {SALES}").tagged ==
             sandbox.mailbox_referral("alice", 3, SALES))


# --- guests: at home elsewhere, here for a shared mailbox

GUEST_COMMANDS = ["SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)",
                  "APPEND {} {{5}}", "CREATE {}", "DELETE {}"]


@pytest.mark.parametrize("command", GUEST_COMMANDS)
@pytest.mark.parametrize("name", ["INBOX", "Drafts", "Archive/2020"])
def test_personal_mailboxes_of_a_guest_are_at_home(
        sandbox: Sandbox, name: str, command: str) -> None:
    with sandbox.session("alice", 2) as guest:
        reply = guest.command(command.format(name))
        if (name, command) == ("INBOX", "DELETE {}"):
            # Wrong everywhere, and Dovecot says so before it asks us.
            assert reply.status == "NO"
            return
        assert reply.tagged == sandbox.mailbox_referral("alice", 1, name)
        assert not reply.continuations
        guest.ok("NOOP")


@pytest.mark.parametrize("command", ["COPY", "UID COPY", "MOVE", "UID MOVE"])
def test_guest_copies_home(sandbox: Sandbox, command: str) -> None:
    with sandbox.session("alice", 2) as guest:
        guest.ok("SELECT Shared/sales")
        messages = guest.ok("SEARCH ALL").untagged
        assert guest.command(f"{command} 1:* INBOX").tagged == \
            sandbox.mailbox_referral("alice", 1, "INBOX")
        assert guest.ok("SEARCH ALL").untagged == messages


def test_guest_reads_the_shared_mailbox(sandbox: Sandbox) -> None:
    with sandbox.session("alice", 2) as guest:
        guest.ok("SELECT Shared/sales")
        fetched = guest.ok("FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert "Offer for the harbour office" in fetched.untagged[0]
        guest.ok("SELECT Shared/sales/2026")
        assert guest.append("Shared/sales", MESSAGE).status == "OK"


def test_guest_is_referred_to_a_third_server(sandbox: Sandbox) -> None:
    with sandbox.session("alice", 2) as guest:
        assert guest.command('SELECT "Shared/B&APw-ro &- co"').tagged == \
            sandbox.mailbox_referral("alice", 3,
                                     "Shared/B%C3%BCro%20%26%20co")


# --- names that cost nothing

@pytest.fixture(scope="module")
def personal_names(sandbox: Sandbox) -> Iterator[None]:
    with sandbox.session("alice") as client:
        client.command('CREATE "Archive"')
        client.command('CREATE "Archive/2020"')
    yield
    with sandbox.session("alice") as client:
        client.command('DELETE "Archive/2020"')
        client.command('DELETE "Archive"')


def _use_personal_mailboxes(client: Imap) -> None:
    for name in ("INBOX", "Archive/2020"):
        assert client.append(name, MESSAGE).status == "OK"
        client.ok(f'STATUS "{name}" (MESSAGES)')
        client.ok(f'EXAMINE "{name}"')
        client.ok(f'SELECT "{name}"')
        client.ok("COPY 1 Archive")
        client.ok("UID COPY 1:* Archive")
        client.ok("MOVE 1 Archive")
        client.ok(f'SUBSCRIBE "{name}"')
        client.ok(f'UNSUBSCRIBE "{name}"')
    client.ok('CREATE "Archive/2021"')
    client.ok('RENAME "Archive/2021" "Archive/2022"')
    client.ok('DELETE "Archive/2022"')
    client.command("SELECT nonexistent")


def _list_mailboxes(client: Imap) -> None:
    client.ok('LIST "" "*"')
    client.ok('LSUB "" "*"')
    client.ok('LIST "" "%" RETURN (CHILDREN)')
    client.ok('LIST "" "Shared/%"')


@pytest.mark.parametrize("use", [_use_personal_mailboxes, _list_mailboxes],
                         ids=["using", "listing"])
def test_personal_mailboxes_cost_no_lookup(
        sandbox: Sandbox, config: Config, dict_tap: DictTap, tap: LdapTap,
        personal_names: None, use: Callable[[Imap], None]) -> None:
    config.edit(
        ldap={"referral_ldap_uris": tap.uri,
              "referral_ldap_mailbox_refresh": "1h",
              "referral_ldap_home_ttl": "1h"})
    with sandbox.session("alice") as client:
        # The taps do see what there is to be seen.
        wait_for(lambda: client.command(f"SELECT {SALES}").referral)
        assert r"shared/imap-referral/mailbox/Shared\|sales" in \
            dict_tap.keys()
        assert tap.searches()
        asked, searched = len(list(dict_tap.keys())), len(tap.searches())
        use(client)
        assert list(dict_tap.keys())[asked:] == []
        assert len(tap.searches()) == searched


def test_pattern_makes_private_mailboxes_eligible(
        sandbox: Sandbox, config: Config, directory: Directory,
        personal_names: None) -> None:
    for name in ("Archive/2020", "Archive", "Other"):
        directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    with sandbox.session("alice") as client:
        # By default they are not asked about, whatever the directory says.
        wait_for(lambda: Dict(sandbox).mailbox("Other"))
        client.ok("SELECT Archive/2020")
    config.edit(referral={"imap_referral_mailboxes": "Archive/*"})
    with sandbox.session("alice") as client:
        assert client.command("SELECT Archive/2020").tagged == \
            sandbox.mailbox_referral("alice", 2, "Archive/2020")
        client.ok("SELECT Archive")
        client.ok("SELECT INBOX")
        assert "REFERRAL" not in client.command("SELECT Other").tagged


def test_several_patterns(sandbox: Sandbox, config: Config,
                          directory: Directory) -> None:
    for name in ("Old/1", "Old/1/2", "Team/a/b", "INBOX"):
        directory.add_mailbox(name, mailHost=sandbox.address(2)[0])
    # Dovecot expands variables in plugin settings, so % is written twice.
    config.edit(referral={"imap_referral_mailboxes": "Old/%%, Team/*"})
    with sandbox.session("alice") as client:
        for name in ("Old/1", "Team/a/b"):
            assert client.command(f"SELECT {name}").tagged == \
                sandbox.mailbox_referral("alice", 2, name)
        assert "REFERRAL" not in client.command("SELECT Old/1/2").tagged
        client.ok("SELECT INBOX")


# --- capability

def test_capability_after_login(sandbox: Sandbox) -> None:
    with sandbox.imap() as client:
        reply = client.login("alice", sandbox.password)
        told = " ".join([reply.tagged, *reply.untagged])
        assert "MAILBOX-REFERRALS" in re.split(r"[ \]]", told)
        listed = client.ok("CAPABILITY").untagged[0].split()
        assert listed.count("MAILBOX-REFERRALS") == 1


# --- odd names

ODD = {
    "star": b"Shared/*", "prefix": b"Shared/sal*", "percent": b"Shared/%",
    "brackets": b"Shared/(sales)", "filter": b"Shared/sales)(cn=*",
    "backslash": b"Shared/\\73ales", "hex star": b"Shared/\\2a",
    "only the prefix": b"Shared/", "two slashes": b"Shared//sales",
    "dots": b"Shared/../Shared/sales", "control": b"Shared/sales\x01",
    "CR LF": b"Shared/sales\r\nx", "long": b"Shared/" + b"x" * 10000,
    "long level": b"Shared/" + b"/x" * 5000,
    "invalid UTF-8": b"Shared/\xff\xfe", "truncated UTF-8": b"Shared/sales\xc3",
    "raw UTF-8": "Shared/Büro & co".encode(),
    "invalid mUTF-7": b"Shared/&sales", "bad mUTF-7": b"Shared/&AAA&-",
    "needless mUTF-7": b"Shared/&AHM-ales",
    "surrogate mUTF-7": b"Shared/&2AA-", "tilde": b"~alice/sales",
    "empty": b"", "sharp": b"#shared/sales",
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
@pytest.mark.parametrize("command", [b"SELECT %s", b"STATUS %s (MESSAGES)",
                                     b"DELETE %s", b"SUBSCRIBE %s"],
                         ids=["SELECT", "STATUS", "DELETE", "SUBSCRIBE"])
def test_odd_name_finds_nothing(sandbox: Sandbox, alice: Imap, name: bytes,
                                command: bytes) -> None:
    literal = b"{%d+}\r\n%s" % (len(name), name)
    reply = alice.command(command % literal)
    assert reply.referral is None
    if not command.startswith(b"SUBSCRIBE"):
        assert reply.status in ("NO", "BAD"), reply
    alice.ok("NOOP")
    assert alice.command(f"SELECT {SALES}").tagged == \
        sandbox.mailbox_referral("alice", 2, SALES)


@pytest.mark.parametrize("name", [b"Shared/sales/\xff", b"Shared/sales/&x",
                                  b"Shared/sales/" + b"x" * 10000,
                                  b"Shared/sales/a\r\nb",
                                  b"Shared/sales/] x", b"Shared/sales/%2f",
                                  b"Shared/sales//"],
                         ids=["UTF-8", "mUTF-7", "long", "CR LF", "bracket",
                              "percent", "slashes"])
def test_odd_name_below_a_remote_one(sandbox: Sandbox, alice: Imap,
                                     name: bytes) -> None:
    """It may be referred, if what is then sent is a well-formed line."""
    tag = alice.tag()
    alice.send(b"%s SELECT {%d+}\r\n%s\r\n" % (tag, len(name), name))
    reply = alice.reply(tag)
    assert reply.status in ("NO", "BAD")
    if reply.referral is not None:
        assert re.fullmatch(
            rf"imap://alice;AUTH=\*@{re.escape(sandbox.server(2))}/"
            r"Shared/sales/(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+",
            reply.referral)
        assert reply.tagged == \
            f"NO [REFERRAL {reply.referral}] This folder is on IMAP " \
            f"server {sandbox.address(2)[0]}."
    alice.ok("NOOP")


def test_name_with_nul(sandbox: Sandbox, alice: Imap) -> None:
    # To Dovecot a literal ends at the NUL, also that of a local mailbox.
    alice.ok(b"SELECT {14+}\r\nShared/local\0x")
    assert alice.command(b"SELECT {14+}\r\nShared/sales\0x").tagged == \
        sandbox.mailbox_referral("alice", 2, SALES)
    reply = alice.command(b'SELECT "Shared/sales\0x"')
    assert reply.status in ("NO", "BAD") and reply.referral is None


@pytest.mark.parametrize("name", [
    "*", "Shared/*", "Shared/sal*", r"Shared/\73ales", "Shared/sales)(cn=*",
    "Shared", "shared/sales", "Shared/sale", "Shared/saless", "sales",
    "Shared/" + "x" * 10000, "x/" * 10000,
], ids=short)
def test_dict_finds_no_such_mailbox(referral_dict: Dict, name: str) -> None:
    assert referral_dict.finds_nothing("mailbox", name)
    assert referral_dict.mailbox(SALES) is not None
