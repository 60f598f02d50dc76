"""The rest of the commands that name a mailbox: each is answered with a
referral if the mailbox is remote, and is Dovecot's own if it is not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import ANSWER_SECS, MESSAGE, Sandbox, wait_for
from taps import DictTap
from test_mailbox import REMOTE, SALES
from wire import Imap, Reply, quoted

# Name as clients write it, server, name as in URLs.
NAMES = REMOTE | {
    "other user's": ("Users/bob/Projects", 2, "Users/bob/Projects"),
}

ACL = ["GETACL {}", "SETACL {} bob lr", "SETACL {} bob +w", "MYRIGHTS {}",
       "LISTRIGHTS {} bob", "DELETEACL {} bob"]
METADATA = [
    'SETMETADATA {} (/private/comment "x" /private/vendor/a "y")',
    "GETMETADATA {} /private/comment",
    "GETMETADATA {} (/private/comment /shared/comment)",
    "GETMETADATA (MAXSIZE 100) {} /private/comment",
    "GETMETADATA (DEPTH infinity) {} (/private/vendor)",
    "GETMETADATA (MAXSIZE 1 DEPTH 1) {} (/private/comment /private/vendor)",
    "SETMETADATA {} (/private/comment NIL /private/vendor/a NIL)",
]
QUOTA = ["GETQUOTAROOT {}"]


def filled(command: str, name: str) -> bytes:
    """{} is the name, {}/x one below it."""
    before, below, after = re.split(r"\{\}([a-z/]*)", command)
    return before.encode() + quoted(name + below) + after.encode()


@pytest.fixture
def inbox(alice: Imap) -> Imap:
    """alice, who has a mailbox selected."""
    alice.ok("SELECT INBOX")
    return alice


@pytest.fixture
def one_message(sandbox: Sandbox) -> Iterator[Imap]:
    """alice, who has selected a mailbox of her own with one message."""
    with sandbox.own_mailbox("one") as client:
        client.ok("SELECT one")
        yield client


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def remote(request: pytest.FixtureRequest,
           sandbox: Sandbox) -> tuple[str, str]:
    """A name as clients write it, and the answer for alice."""
    name, server, in_url = request.param
    return name, sandbox.mailbox_referral("alice", server, in_url)


@pytest.fixture
def sales(sandbox: Sandbox) -> str:
    """The answer for alice and Shared/sales."""
    return sandbox.mailbox_referral("alice", 2, SALES)


# --- access rights, metadata, quota

@pytest.mark.parametrize("command", ACL + METADATA + QUOTA)
def test_command(inbox: Imap, remote: tuple[str, str], command: str) -> None:
    name, answer = remote
    reply = inbox.command(filled(command, name))
    assert reply.tagged == answer
    # What is here by the same name is not told.
    assert not reply.untagged
    # Nothing is left to be read, and the mailbox still selected.
    inbox.ok("CHECK")


@pytest.mark.parametrize("command", ACL + METADATA + QUOTA)
def test_name_as_a_literal(inbox: Imap, sales: str, command: str) -> None:
    before, after = command.split("{}")
    reply = inbox.command(before + "{12}", [(SALES + after).encode()])
    assert reply.tagged == sales
    assert not reply.untagged
    inbox.ok("CHECK")


@pytest.mark.parametrize("command, rest", [
    ("SETMETADATA {} (/private/comment", b"some text)"),
    ('SETMETADATA {} (/private/comment "x" /private/vendor/a', b"some text)"),
    ("GETMETADATA {} (/private/comment", b"/shared/a)"),
    ("LISTRIGHTS {}", b"some text"), ("SETACL {}", b"some text lr"),
    ("DELETEACL {}", b"some text"),
], ids=["one entry", "two entries", "GETMETADATA", "LISTRIGHTS", "SETACL",
        "DELETEACL"])
@pytest.mark.parametrize("plus", [False, True], ids=["sync", "LITERAL+"])
def test_literal_after_the_name(inbox: Imap, sales: str, plus: bool,
                                command: str, rest: bytes) -> None:
    start = command.format(SALES).encode()
    if plus:
        inbox.send(b"a %s {9+}\r\n%s\r\nb CHECK\r\n" % (start, rest))
        assert inbox.reply(b"a").tagged == sales
        checked = inbox.reply(b"b")
        # What was in the literal was no command.
        assert checked.status == "OK" and not checked.untagged
        return
    # It does not matter whether it asks for the literal first.
    assert inbox.command(start + b" {9}", [rest]).tagged == sales
    inbox.ok("CHECK")


def test_pipelined(inbox: Imap, sales: str) -> None:
    names = [b"%d" % number for number, _ in enumerate(ACL + METADATA)]
    inbox.send(b"".join(
        b"%s %s\r\nn%s CHECK\r\n" % (name, filled(command, SALES), name)
        for name, command in zip(names, ACL + METADATA)))
    lines: list[bytes] = []
    while len(lines) < 2 * len(names):
        lines.append(inbox.line())
    for name in names:
        assert b"%s %s" % (name, sales.encode()) in lines
        assert [line for line in lines if line.startswith(b"n%s OK" % name)]


@pytest.mark.parametrize("line", [b"x", b"x ", b"(", b"x y)", b"x y{", b"",
                                  b"x {5+}\r\n12345"])
def test_line_that_is_no_command(inbox: Imap, line: bytes) -> None:
    inbox.send(line + b"\r\nb CHECK\r\n")
    assert inbox.reply(b"b").status == "OK"


GUEST_COMMANDS = ["GETACL {}", "SETACL {} bob lr", "MYRIGHTS {}",
                  'SETMETADATA {} (/private/comment "x")',
                  "GETMETADATA {} /private/comment", "GETQUOTAROOT {}"]


@pytest.mark.parametrize("name", ["INBOX", "Drafts"])
@pytest.mark.parametrize("command", GUEST_COMMANDS)
def test_personal_mailbox_of_a_guest(sandbox: Sandbox, command: str,
                                     name: str) -> None:
    with sandbox.session("alice", 2) as guest:
        guest.ok(f"SELECT {SALES}")
        reply = guest.command(filled(command, name))
        assert reply.tagged == sandbox.mailbox_referral("alice", 1, name)
        assert not reply.untagged
        guest.ok("CHECK")


@pytest.mark.parametrize("command", GUEST_COMMANDS)
def test_where_the_mailbox_is(sandbox: Sandbox, command: str) -> None:
    """carol at imap3, which has a replica."""
    with sandbox.session("carol", 3) as client:
        client.ok(filled(command, SALES))
        client.command(f"DELETEACL {SALES} bob")
        client.command(f"SETMETADATA {SALES} (/private/comment NIL)")


# --- the same with local names is Dovecot's own

LOCAL_COMMANDS = ACL + METADATA + QUOTA + [
    "SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "UNSELECT",
    "SUBSCRIBE {}", "UNSUBSCRIBE {}", "COPY 1 {}", "SELECT INBOX",
    "COPY 1 {}", "UID COPY 1 {}", "MOVE 99 {}", "UID MOVE 99999 {}",
    'LIST "" {} RETURN (STATUS (MESSAGES))', "CREATE {}/x", "CREATE {}/x",
    "CREATE {}/y/", "DELETE {}/y", "DELETE {}/x", "DELETE {}/x",
    "APPEND {} CATENATE (URL /nonexistent/;UID=1)", "GETACL", "GETACL {} x",
    "SETACL {}", "SETACL {} bob zz", "MYRIGHTS", "LISTRIGHTS {}",
    "GETMETADATA {}", "GETMETADATA {} wrong", "SETMETADATA {} x",
    "GETQUOTAROOT", "GETQUOTAROOT ()",
]
LOCAL_NAMES = {"shared": "Shared/local", "private": "INBOX",
               "nonexistent": "Shared/no-such",
               "private, nonexistent": "no-such"}


def _answers(sandbox: Sandbox) -> dict[str, list[Reply]]:
    """To all commands in their order, by the name they were given."""
    with sandbox.session("alice") as client:
        return {name: [client.command(filled(command, name) if
                                      "{}" in command else command)
                       for command in LOCAL_COMMANDS]
                for name in LOCAL_NAMES.values()}


def _comparable(reply: Reply) -> list[str]:
    """Without times, and numbers that every message gets."""
    return [re.sub(r"\(\d+\.\d+ .* secs\)\.?|(?<=UIDNEXT )\d+"
                   r"|(?<=MESSAGES )\d+|\d+ (?=EXISTS|RECENT)"
                   r"|(?<=COPYUID )[\d :]+|(?<=HIGHESTMODSEQ )\d+"
                   r"|(?<=UNSEEN )\d+|(?<=STORAGE )\d+|[0-9a-f]{128}", "", line)
            for line in [*reply.untagged, reply.tagged]]


@pytest.fixture(scope="module")
def both_answers(sandbox: Sandbox) -> dict[str, list[tuple[Reply, Reply]]]:
    """Without our plugin, and with it."""
    config = Config(sandbox, 1)
    config.edit(remove=dovecot.LOADS_MAIL_PLUGIN)
    try:
        # 2.4 keeps an empty negative right of what is set and removed.
        _answers(sandbox)
        without = _answers(sandbox)
    finally:
        config.restore()
    ours = _answers(sandbox)
    return {name: list(zip(without[name], ours[name])) for name in ours}


@pytest.mark.parametrize("name", LOCAL_NAMES.values(), ids=LOCAL_NAMES)
def test_local_names_are_dovecots_own(
        both_answers: dict[str, list[tuple[Reply, Reply]]],
        name: str) -> None:
    for command, (without, ours) in zip(LOCAL_COMMANDS, both_answers[name]):
        assert _comparable(ours) == _comparable(without), command


# --- URLAUTH

URL = "imap://alice@{server}/{mailbox}/;UID=1;URLAUTH=user+alice"
TOKEN = ":internal:01086200ad4d89a51f15dc9661401f510b94082d96"


@pytest.fixture(scope="module")
def urlauth(sandbox: Sandbox, module_config: Config) -> Iterator[Imap]:
    """alice at an imap1 that has URLAUTH."""
    host, port = sandbox.address(1)
    module_config.edit(dovecot=f"imap_urlauth_host = {host}\n"
                               f"imap_urlauth_port = {port}")
    with sandbox.session("alice") as client:
        client.ok("SELECT INBOX")
        yield client
    module_config.restore()


def _url(sandbox: Sandbox, mailbox: str, number: int = 1) -> str:
    return URL.format(server=sandbox.server(number), mailbox=mailbox)


@pytest.mark.parametrize("name, number, in_url", NAMES.values(), ids=NAMES)
def test_genurlauth(sandbox: Sandbox, urlauth: Imap, name: str, number: int,
                    in_url: str) -> None:
    reply = urlauth.command(
        f'GENURLAUTH "{_url(sandbox, in_url)}" INTERNAL')
    assert reply.tagged == sandbox.mailbox_referral("alice", number, in_url)
    assert not reply.untagged
    urlauth.ok("CHECK")


def test_genurlauth_of_several(sandbox: Sandbox, urlauth: Imap,
                               sales: str) -> None:
    here, there = (_url(sandbox, name) for name in ("INBOX", SALES))
    for first, second in ((here, there), (there, here)):
        reply = urlauth.command(f'GENURLAUTH "{first}" INTERNAL '
                                f'"{second}" INTERNAL')
        assert reply.tagged == sales
        assert not reply.untagged
        urlauth.ok("CHECK")


def test_genurlauth_as_a_literal(sandbox: Sandbox, urlauth: Imap,
                                 sales: str) -> None:
    url = _url(sandbox, SALES).encode()
    urlauth.send(b"a GENURLAUTH {%d+}\r\n%s INTERNAL\r\nb CHECK\r\n"
                 % (len(url), url))
    assert urlauth.reply(b"a").tagged == sales
    assert urlauth.reply(b"b").status == "OK"


@pytest.mark.parametrize("mailbox", ["INBOX", "Shared/local"])
def test_genurlauth_of_a_local_mailbox(sandbox: Sandbox, urlauth: Imap,
                                       mailbox: str) -> None:
    urlauth.ok(f"SELECT {mailbox}")
    reply = urlauth.ok(f'GENURLAUTH "{_url(sandbox, mailbox)}" INTERNAL')
    url = reply.untagged[0].split()[-1].strip('"')
    fetched = urlauth.ok(f'URLFETCH "{url}"').untagged[0]
    assert "Subject: " in fetched


def test_genurlauth_that_is_wrong(sandbox: Sandbox, urlauth: Imap) -> None:
    for url in (_url(sandbox, "Shared/no-such"), _url(sandbox, SALES, 2),
                "imap://alice@x/", SALES, ""):
        reply = urlauth.command(f'GENURLAUTH "{url}" INTERNAL')
        assert reply.status == "BAD" and "REFERRAL" not in reply.tagged
    for mechanism in ("", " UNKNOWN"):
        reply = urlauth.command(
            f'GENURLAUTH "{_url(sandbox, SALES)}"{mechanism}')
        assert reply.status in ("BAD", "NO")
        urlauth.ok("CHECK")


@pytest.mark.parametrize("name, number, in_url", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("mechanism", ["", " INTERNAL"])
def test_resetkey(sandbox: Sandbox, urlauth: Imap, name: str, number: int,
                  in_url: str, mechanism: str) -> None:
    reply = urlauth.command(b"RESETKEY " + quoted(name)
                            + mechanism.encode())
    assert reply.tagged == sandbox.mailbox_referral("alice", number, in_url)
    assert not reply.untagged
    urlauth.ok("CHECK")


def test_resetkey_of_local_mailboxes(urlauth: Imap) -> None:
    for command in ("RESETKEY", "RESETKEY INBOX", "RESETKEY Shared/local"):
        urlauth.ok(command)
    reply = urlauth.command("RESETKEY Shared/no-such")
    assert reply.status == "NO" and "REFERRAL" not in reply.tagged


def test_urlfetch(sandbox: Sandbox, urlauth: Imap) -> None:
    for name in ("Shared/sales", "Shared/sales/2026", "Users/bob/Projects"):
        reply = urlauth.command(f'URLFETCH "{_url(sandbox, name)}{TOKEN}"')
        assert reply.status in ("OK", "NO")
        assert all(line.endswith(" NIL") for line in reply.untagged
                   if line.startswith("* URLFETCH"))
        assert "* BAD" not in " ".join(reply.untagged)
        urlauth.ok("CHECK")


# --- COPY, MOVE, REPLACE

COPIES = ["COPY", "UID COPY", "MOVE", "UID MOVE"]


def _still_there(client: Imap) -> None:
    fetched = client.ok("FETCH 1 (FLAGS BODY.PEEK[])").untagged[0]
    assert "A message of the tests." in fetched
    assert "\\Deleted" not in fetched


@pytest.mark.parametrize("command", COPIES)
@pytest.mark.parametrize("messages", ["1", "1:*", "*", "1,1"])
def test_copy_of_a_set(one_message: Imap, sales: str, command: str,
                       messages: str) -> None:
    assert one_message.command(f"{command} {messages} {SALES}").tagged == \
        sales
    _still_there(one_message)


@pytest.mark.parametrize("command", COPIES)
def test_copy_to_other_users_mailbox(sandbox: Sandbox, one_message: Imap,
                                     command: str) -> None:
    assert one_message.command(f"{command} 1 Users/bob/Projects").tagged == \
        sandbox.mailbox_referral("alice", 2, "Users/bob/Projects")
    _still_there(one_message)


@pytest.mark.parametrize("command", COPIES)
def test_copy_to_a_name_as_a_literal(one_message: Imap, sales: str,
                                     command: str) -> None:
    assert one_message.command(command + " 1 {12}",
                               [SALES.encode()]).tagged == sales
    assert one_message.command(
        f"{command} 1 {{12+}}\r\nShared/sales").tagged == sales
    _still_there(one_message)


@pytest.mark.parametrize("command", ["COPY", "UID COPY"])
def test_copy_from_a_shared_mailbox(alice: Imap, sales: str,
                                    command: str) -> None:
    alice.ok("EXAMINE Shared/local")
    assert alice.command(f"{command} 1 {SALES}").tagged == sales
    alice.ok("CHECK")


@pytest.mark.parametrize("command", COPIES)
def test_copy_without_a_selected_mailbox(alice: Imap, command: str) -> None:
    reply = alice.command(f"{command} 1 {SALES}")
    assert reply.status == "BAD" and "REFERRAL" not in reply.tagged


@pytest.mark.parametrize("command", COPIES)
def test_copy_to_a_nonexistent_mailbox(one_message: Imap,
                                       command: str) -> None:
    reply = one_message.command(f"{command} 1 Shared/no-such")
    assert reply.tagged.startswith("NO [TRYCREATE]")
    _still_there(one_message)


@pytest.fixture
def replacing(one_message: Imap) -> Imap:
    if "REPLACE" not in one_message.ok("CAPABILITY").untagged[0].split():
        pytest.skip("this Dovecot has no REPLACE")
    return one_message


@pytest.mark.parametrize("command", ["REPLACE 1", "UID REPLACE 1"])
def test_replace_is_refused_before_the_literal(
        replacing: Imap, remote: tuple[str, str], command: str) -> None:
    name, answer = remote
    reply = replacing.command(command.encode() + b" %s {5}" % quoted(name))
    assert not reply.continuations
    assert reply.tagged == answer
    _still_there(replacing)


def test_replace_with_literal_plus(replacing: Imap, sales: str) -> None:
    replacing.send(b"a REPLACE 1 %s (\\Seen) {14+}\r\nx SELECT INBOX\r\n"
                   b"b NOOP\r\n" % quoted(SALES))
    assert replacing.reply(b"a").tagged == sales
    assert replacing.reply(b"b").status == "OK"
    _still_there(replacing)


def test_replace_here(replacing: Imap) -> None:
    assert replacing.command(b"REPLACE 1 one {%d}" % len(MESSAGE),
                             [MESSAGE]).status == "OK"


# --- APPEND

# After the name, before the `+` that shall not come.
APPENDS = {
    "literal": "{5}", "flags": r"(\Seen $Junk) {5}",
    "date": '"05-Jan-2026 10:00:00 +0000" {5}', "empty": "{0}",
    "binary": "~{5}", "CATENATE TEXT": "CATENATE (TEXT {5}",
    "CATENATE with flags": r"(\Seen) CATENATE (TEXT {5}",
    "CATENATE URL, TEXT": 'CATENATE (URL "/INBOX/;UID=1" TEXT {5}',
    "quoted": '"text"', "huge": "{2000000000}",
}


@pytest.mark.parametrize("rest", APPENDS.values(), ids=APPENDS)
def test_append_is_refused_before_the_literal(
        inbox: Imap, remote: tuple[str, str], rest: str) -> None:
    name, answer = remote
    reply = inbox.command(b"APPEND %s %s" % (quoted(name), rest.encode()))
    assert not reply.continuations
    assert reply.tagged == answer
    inbox.ok("CHECK")


EATEN = {
    "literal": b"{14+}\r\nx SELECT one\r\n", "empty": b"{0+}\r\n",
    "binary": b"~{14+}\r\nx SELECT one\r\n",
    "several": b"{14+}\r\nx SELECT one\r\n (\\Seen) {3+}\r\nb N",
    "CATENATE": b"CATENATE (TEXT {14+}\r\nx SELECT one\r\n)",
    "CATENATE, several parts":
        b'CATENATE (URL "/INBOX/;UID=1" TEXT {3+}\r\nb N TEXT {0+}\r\n)',
    "several with CATENATE":
        b'{3+}\r\nb N CATENATE (TEXT {14+}\r\nx SELECT one\r\n'
        b' URL "/INBOX/;UID=1")',
    "CATENATE of URLs": b'CATENATE (URL "/INBOX/;UID=1")',
}


@pytest.mark.parametrize("rest", EATEN.values(), ids=EATEN)
def test_append_with_literal_plus_eats_it(inbox: Imap, sales: str,
                                          rest: bytes) -> None:
    """What is in it looks like a command: it must not be one."""
    inbox.send(b"a APPEND %s %s\r\nb CHECK\r\n" % (quoted(SALES), rest))
    reply = inbox.reply(b"a")
    assert reply.tagged == sales
    assert not reply.continuations and not reply.untagged
    assert inbox.reply(b"b").status == "OK"
    assert b"x " not in inbox.received.split(b"a NO")[1]


@pytest.mark.parametrize("parts, bad", [
    (b'URL "/Shared/sales/;UID=1"', "/Shared/sales/;UID=1"),
    (b'TEXT {3+}\r\nabc URL "/Shared/sales/;UID=1"', "/Shared/sales/;UID=1"),
    (b'URL "/Shared/sales/;UID=1" TEXT {3+}\r\nabc', "/Shared/sales/;UID=1"),
    (b'URL "/Users/bob/Projects/;UID=1"', "/Users/bob/Projects/;UID=1"),
    (b'URL "/Shared/no-such/;UID=1"', "/Shared/no-such/;UID=1"),
], ids=["alone", "after a text", "before a text", "other user's",
        "nonexistent"])
def test_catenate_of_a_remote_message(inbox: Imap, parts: bytes,
                                      bad: str) -> None:
    """A client that followed would append to the other server."""
    before = inbox.ok("STATUS INBOX (MESSAGES)").untagged
    inbox.send(b"a APPEND INBOX CATENATE (%s)\r\nb CHECK\r\n" % parts)
    reply = inbox.reply(b"a")
    assert reply.tagged.startswith(f"NO [BADURL {bad}] ")
    assert "REFERRAL" not in reply.tagged
    assert inbox.reply(b"b").status == "OK"
    assert inbox.ok("STATUS INBOX (MESSAGES)").untagged == before


def test_catenate_of_a_local_message(one_message: Imap) -> None:
    for source in ("one", "Shared/local"):
        one_message.ok("APPEND one CATENATE (URL "
                       f'"/{source}/;UID=1" TEXT {{3+}}\r\nabc)')


def test_append_to_local_mailboxes(one_message: Imap) -> None:
    one_message.ok("APPEND one {5}", [b"12345 (\\Seen) {3}", b"123"])
    one_message.ok('APPEND one "05-Jan-2026 10:00:00 +0000" {5+}\r\n12345')
    reply = one_message.command("APPEND Shared/no-such CATENATE (TEXT {5}")
    assert reply.tagged.startswith("NO [TRYCREATE]")


def test_append_of_wrong_syntax(alice: Imap) -> None:
    for arguments in ("", " ()", f" ({SALES}) {{5}}"):
        assert alice.command("APPEND" + arguments).status == "BAD"
        alice.ok("NOOP")


# --- CREATE

@pytest.mark.parametrize("name, number, in_url", [
    ("Shared/sales/new/", 2, "Shared/sales/new"),
    ("Shared/sales/2026/a/b/", 2, "Shared/sales/2026/a/b"),
    ("Shared/sales/", 2, SALES),
    ("Shared/B&APw-ro &- co/&AOQ-", 3, "Shared/B%C3%BCro%20%26%20co/%C3%A4"),
    ("Users/bob/New", 2, "Users/bob/New"),
    ("Users/bob/New/", 2, "Users/bob/New"),
])
def test_create_below_a_remote_mailbox(sandbox: Sandbox, inbox: Imap,
                                       name: str, number: int,
                                       in_url: str) -> None:
    before = inbox.ok('LIST "" "*"').untagged
    for options in ("", r" (USE (\Archive))"):
        reply = inbox.command(b"CREATE " + quoted(name) + options.encode())
        assert reply.tagged == \
            sandbox.mailbox_referral("alice", number, in_url)
        inbox.ok("CHECK")
    listed = inbox.ok('LIST "" "*"').untagged
    assert [line for line in listed if "Users/" not in line] == \
        [line for line in before if "Users/" not in line]


@pytest.mark.parametrize("name", ["Shared/new", "Shared/new/below",
                                  "Shared/local/new", "Shared/salesmen"])
def test_create_here(sandbox: Sandbox, alice: Imap, name: str) -> None:
    alice.ok(f"CREATE {name}")
    alice.ok(f"DELETE {name}")


# --- LIST RETURN (STATUS), NOTIFY

LISTS_WITH_STATUS = [
    'LIST "" "*" RETURN (STATUS (MESSAGES))',
    'LIST "" "Shared/%" RETURN (STATUS (MESSAGES UIDNEXT))',
    f'LIST "" {SALES} RETURN (STATUS (MESSAGES))',
    f'LIST "" ({SALES} Shared/local "Shared/B&APw-ro &- co") '
    "RETURN (STATUS (MESSAGES) CHILDREN)",
    'LIST (SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES))',
    'LIST (REMOTE) "" "*" RETURN (STATUS (MESSAGES))',
    'LIST (REMOTE) "" "Shared/*" RETURN (STATUS (MESSAGES))',
    'LIST (REMOTE SUBSCRIBED) "" "*" RETURN (STATUS (MESSAGES))',
    f'LIST (REMOTE) "" {SALES} RETURN (STATUS (MESSAGES))',
]


def _expect_no_status(client: Imap, command: str, *names: str) -> list[str]:
    """A list without complaints, and without STATUS of the names. Returns
    the STATUS lines."""
    reply = client.ok(command)
    assert not [line for line in reply.untagged
                if not line.startswith(("* LIST ", "* STATUS "))]
    status = [line for line in reply.untagged if line.startswith("* STATUS")]
    assert not [line for line in status if any(name in line
                                               for name in names)]
    return status


@pytest.mark.parametrize("command", LISTS_WITH_STATUS)
def test_list_with_status(inbox: Imap, command: str) -> None:
    # What is subscribed to is in the list, and has no STATUS either.
    for name in (SALES, "Shared/local"):
        inbox.command(f"SUBSCRIBE {name}")
    status = _expect_no_status(inbox, command, "sales", "B&APw-ro")
    if SALES + " " not in command.replace(f"({SALES}", ""):
        assert "Shared/local" in " ".join(status)
    for name in (SALES, "Shared/local"):
        inbox.command(f"UNSUBSCRIBE {name}")


@pytest.fixture
def elsewhere(sandbox: Sandbox, alice: Imap,
              directory: Directory) -> Iterator[None]:
    """The directory places Shared/local on another server."""
    def is_remote() -> bool:
        reply = alice.command("STATUS Shared/local (MESSAGES)")
        return reply.referral is not None
    dn = directory.add_mailbox("Shared/local",
                               mailHost=sandbox.address(2)[0])
    wait_for(is_remote)
    yield
    directory.delete(dn)
    wait_for(lambda: not is_remote())


def test_list_with_status_of_a_mailbox_that_is_also_here(
        alice: Imap, elsewhere: None) -> None:
    alice.command("SUBSCRIBE Shared/local")
    for command in LISTS_WITH_STATUS:
        _expect_no_status(alice, command, "Shared/local", "sales")
    alice.command("UNSUBSCRIBE Shared/local")
    alice.ok("NOOP")


NOTIFICATIONS = [
    "(mailboxes (Shared/sales Shared/local) (MessageNew MessageExpunge))",
    "(subtree (Shared Users/bob) (MessageNew MessageExpunge MailboxName))",
    "(mailboxes (Shared/sales/2026 Users/bob/Projects Shared/local) "
    "(MessageNew MessageExpunge FlagChange))",
]


def _deliver(sandbox: Sandbox) -> None:
    """A message comes to imap1's Shared/local, by no command of IMAP."""
    # Where the mail user can read it.
    message = Path(sandbox.env["SANDBOX_DIR"]) / "message"
    message.write_bytes(MESSAGE)
    sandbox.run("run", "imap1", "doveadm", "-c", sandbox.env["DOVECONF1"],
                "save", "-u", "alice", "-m", "Shared/local", str(message))


def _untagged_with(client: Imap, text: str) -> list[str]:
    """Untagged lines from now on, until there is one with the text."""
    lines: list[str] = []

    def come() -> bool:
        lines.extend(client.ok("NOOP").untagged)
        return any(text in line for line in lines)
    wait_for(come, text)
    return lines


@pytest.fixture
def delivery(sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """Delivers to Shared/local when called; it is gone after the test."""
    yield lambda: _deliver(sandbox)
    with sandbox.session("alice") as client:
        client.ok("SELECT Shared/local")
        found = client.ok("SEARCH SUBJECT Test").untagged[0].split()[2:]
        if found:
            client.ok(f"STORE {','.join(found)} +FLAGS.SILENT (\\Deleted)")
        client.ok("EXPUNGE")


@pytest.mark.parametrize("what", NOTIFICATIONS)
def test_notify(sandbox: Sandbox, inbox: Imap, delivery: Callable[[], None],
                what: str) -> None:
    reply = inbox.ok(f"NOTIFY SET STATUS {what}")
    assert not [line for line in reply.untagged
                if line.startswith("* NO") or "sales" in line]
    assert "* STATUS Shared/local" in " ".join(reply.untagged)
    delivery()
    lines = _untagged_with(inbox, "* STATUS Shared/local")
    assert not [line for line in lines
                if "sales" in line or "* NO" in line]
    inbox.ok("CHECK")
    inbox.ok("NOTIFY NONE")


def test_notify_of_remote_mailboxes_only(inbox: Imap) -> None:
    reply = inbox.command(f"NOTIFY SET STATUS (mailboxes ({SALES}) "
                          "(MessageNew MessageExpunge))")
    assert reply.status == "OK"
    assert not reply.untagged
    inbox.ok("CHECK")


def test_notify_of_a_mailbox_that_is_also_here(
        sandbox: Sandbox, inbox: Imap, elsewhere: None) -> None:
    for what in NOTIFICATIONS:
        assert not [line for line in
                    inbox.ok(f"NOTIFY SET STATUS {what}").untagged
                    if "* NO" in line or "* STATUS" in line]
        inbox.ok("CHECK")


def test_notify_asks_nothing_afterwards(
        sandbox: Sandbox, config: Config, dict_tap: DictTap,
        delivery: Callable[[], None]) -> None:
    config.edit()
    with sandbox.session("alice") as client:
        wait_for(lambda: client.command(f"SELECT {SALES}").referral)
        client.ok(f"NOTIFY SET {NOTIFICATIONS[0]}")
        asked = len(list(dict_tap.keys()))
        delivery()
        _untagged_with(client, "* STATUS Shared/local")
        assert list(dict_tap.keys())[asked:] == []


def test_notify_while_the_directory_is_down(
        sandbox: Sandbox, inbox: Imap, delivery: Callable[[], None], ldap1) -> None:
    inbox.ok(f"NOTIFY SET {NOTIFICATIONS[0]}")
    ldap1()
    sandbox.end_dict()
    delivery()
    lines = _untagged_with(inbox, "* STATUS Shared/local")
    assert "* NO" not in " ".join(lines)
    sandbox.start("ldap1")
    wait_for(lambda: inbox.command(f"STATUS {SALES} (MESSAGES)").referral)


# --- no directory, and names that cost nothing

def test_directory_is_down(sandbox: Sandbox, inbox: Imap, ldap1) -> None:
    ldap1()
    sandbox.end_dict()
    wait_for(lambda: "UNAVAILABLE" in
             inbox.command(f"STATUS {SALES} (MESSAGES)").tagged)
    for command in [*ACL, *METADATA, *QUOTA, "COPY 1 {}", "MOVE 1 {}",
                    "APPEND {} CATENATE (TEXT {5}", "CREATE {}/x/"]:
        for name in (SALES, "Shared/local", "Users/bob/Projects"):
            reply = inbox.command(filled(command, name))
            assert reply.tagged.startswith("NO [UNAVAILABLE]"), command
            assert not reply.untagged and not reply.continuations
            inbox.ok("CHECK")
    for command in [*ACL, *METADATA, *QUOTA]:
        inbox.ok(filled(command, "INBOX"))


def test_list_with_status_while_nobody_answers(sandbox: Sandbox,
                                               alice: Imap) -> None:
    """It waits once, not for each mailbox."""
    names = [f"Shared/local/{number}" for number in range(4)]
    for name in names:
        alice.ok(f"CREATE {name}")
    try:
        with sandbox.hung_dict():
            wait_for(lambda: "UNAVAILABLE" in
                     alice.command(f"SELECT {SALES}").tagged)
            start = time.monotonic()
            status = _expect_no_status(
                alice, 'LIST "" "*" RETURN (STATUS (MESSAGES))', "sales")
            assert time.monotonic() - start < ANSWER_SECS
            assert "INBOX" in " ".join(status)
    finally:
        wait_for(lambda: alice.command(f"SELECT {SALES}").referral)
        for name in names:
            alice.ok(f"DELETE {name}")


def test_private_names_cost_no_lookup(
        sandbox: Sandbox, config: Config, dict_tap: DictTap) -> None:
    host, port = sandbox.address(1)
    config.edit(dovecot=f"imap_urlauth_host = {host}\n"
                        f"imap_urlauth_port = {port}")
    with sandbox.session("alice") as client:
        wait_for(lambda: client.command(f"SELECT {SALES}").referral)
        asked = len(list(dict_tap.keys()))
        client.ok("SELECT INBOX")
        for command in ACL + METADATA + QUOTA:
            client.ok(filled(command, "INBOX"))
        client.ok('GETMETADATA "" /private/comment')
        client.ok('GETQUOTA "User quota"')
        client.ok("RESETKEY INBOX")
        client.ok(f'GENURLAUTH "{_url(sandbox, "INBOX")}" INTERNAL')
        client.ok("NOTIFY SET STATUS (personal (MessageNew MessageExpunge))")
        client.command("APPEND no-such CATENATE (URL /INBOX/;UID=1)")
        client.command("RENAME no-such other")
        client.ok("UNSELECT")
        assert list(dict_tap.keys())[asked:] == []


# --- hibernation

@pytest.fixture(scope="module")
def hibernates(sandbox: Sandbox) -> Iterator[None]:
    config = Config(sandbox, 1)
    config.edit(dovecot=dovecot.HIBERNATES)
    yield
    config.restore()


def hibernate(sandbox: Sandbox, client: Imap) -> bytes:
    """IDLE until the client has no process any more. Returns the tag."""
    assert wait_for(lambda: sandbox.pids("imap"), "imap process")
    tag = client.tag()
    client.send(tag + b" IDLE\r\n")
    assert client.reply(tag).continuations
    wait_for(lambda: not sandbox.pids("imap"), "hibernation")
    return tag


def wake(client: Imap, tag: bytes) -> None:
    client.send(b"DONE\r\n")
    assert client.reply(tag).status == "OK"


@pytest.mark.parametrize("selected", ["INBOX", "Shared/local"])
def test_after_hibernation_all_is_as_before(
        sandbox: Sandbox, hibernates: None, alice: Imap, sales: str,
        selected: str) -> None:
    capability = alice.ok("CAPABILITY").untagged
    assert "MAILBOX-REFERRALS" in capability[0].split()
    alice.ok(f"SELECT {selected}")
    tag = hibernate(sandbox, alice)
    wake(alice, tag)
    alice.ok("FETCH 1 FLAGS")
    assert alice.ok("CAPABILITY").untagged == capability
    for command in ACL + METADATA + ["STATUS {} (MESSAGES)", "COPY 1 {}",
                                     "APPEND {} {5}"]:
        reply = alice.command(filled(command, SALES))
        assert reply.tagged == sales
        assert not reply.continuations
    assert "[REFERRAL" in alice.command(f"RENAME {SALES} sales").tagged
    alice.ok("CHECK")
    assert alice.command(f"SELECT {SALES}").tagged == sales


def test_comes_back_while_the_directory_is_down(
        sandbox: Sandbox, hibernates: None, alice: Imap, ldap1) -> None:
    """The mailbox was found here before: nobody is asked again."""
    alice.ok("SELECT Shared/local")
    tag = hibernate(sandbox, alice)
    ldap1()
    sandbox.end_dict()
    start = time.monotonic()
    wake(alice, tag)
    alice.ok("FETCH 1 FLAGS")
    assert time.monotonic() - start < ANSWER_SECS
    sandbox.start("ldap1")
    wait_for(lambda: alice.command(f"STATUS {SALES} (MESSAGES)").referral)


def test_literal8_of_metadata(inbox: Imap, sales: str) -> None:
    """RFC 5464 allows it; what is in it is no command."""
    payload = b"x1 CREATE surprise      "
    inbox.send(b"a SETMETADATA %s (/private/comment ~{%d+}\r\n%s)\r\nb CHECK\r\n"
               % (SALES.encode(), len(payload), payload))
    assert inbox.reply(b"a").tagged == sales
    checked = inbox.reply(b"b")
    assert checked.status == "OK" and not checked.untagged
    assert not inbox.ok('LIST "" surprise').untagged


def test_quota_of_a_guest(sandbox: Sandbox) -> None:
    """It names no mailbox, and counts all that are here."""
    with sandbox.session("alice", 2) as guest:
        reply = guest.command('GETQUOTA "User quota"')
        assert reply.status == "OK", reply
        assert guest.append(SALES, b"Subject: quota\r\n\r\nx\r\n").status \
            == "OK"
        guest.ok(f"SELECT {SALES}")
        guest.ok(r'STORE * +FLAGS.SILENT (\Deleted)')
        guest.ok("EXPUNGE")


def test_rename_to_a_name_with_a_separator_behind(sandbox: Sandbox,
                                                  inbox: Imap) -> None:
    reply = inbox.command(f"RENAME {SALES} Shared/new/")
    assert reply.referral is not None
    assert reply.referral.split()[1].endswith("/Shared/new")
