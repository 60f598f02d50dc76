"""What has nothing to do with other servers is as it is without the plugin:
the same commands are sent to the same Dovecot with and without it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import dovecot
from conftest import Config
from sandbox import Sandbox
from wire import Imap, quoted

FIRST = (b"From: alice@example.org\r\nTo: bob@example.org\r\n"
         b"Subject: First\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
         b"Message-ID: <first@example.org>\r\n\r\nOne of the two.\r\n")
SECOND = (b"From: bob@example.org\r\nTo: alice@example.org\r\n"
          b"Subject: =?utf-8?q?B=C3=BCro?=\r\n"
          b"Date: Tue, 06 Jan 2026 10:00:00 +0000\r\n"
          b"In-Reply-To: <first@example.org>\r\n"
          b"Message-ID: <second@example.org>\r\n\r\nThe other one.\r\n")
DATE = '"05-Jan-2026 10:00:00 +0000"'


def append(mailbox: str, message: bytes, options: str = "") -> bytes:
    return b"APPEND %s%s {%d+}\r\n%s" % (
        quoted(mailbox), f" {options}".encode() if options else b"",
        len(message), message)


# {} is a prefix that both kinds of mailboxes are tried with.
MAILBOX_COMMANDS = [
    # make some
    'CREATE "{}One"', 'CREATE "{}One/Two"', 'CREATE "{}Three/"',
    'CREATE "{}Gr&APwA3w-e &- co"', 'CREATE "{}One"', 'CREATE "{}Four"',
    'SUBSCRIBE "{}One"', 'SUBSCRIBE "{}Four"', 'SUBSCRIBE "{}Nowhere"',
    # list them
    'LIST "" "{}*"', 'LIST "" "{}%"', 'LIST "" "{}One"', 'LIST "{}" "%"',
    'LIST "{}" ""', 'LIST "" "{}Nowhere"', 'LIST "" "{}One/%"',
    'LSUB "" "{}*"', 'LSUB "" "{}%"', 'XLIST "" "{}*"',
    'LIST (SUBSCRIBED) "" "{}*"', 'LIST (SUBSCRIBED REMOTE) "" "{}Four"',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" "{}%"',
    'LIST "" ("{}O*" "{}T%") RETURN (CHILDREN)',
    'LIST "" "{}*" RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)',
    'LIST "" "{}*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))',
    'LIST () "" "{}One"', 'LIST (RECURSIVEMATCH) "" "*"',
    # fill them
    append("{}One", FIRST), append("{}One", SECOND, r"(\Seen) " + DATE),
    append("{}Nowhere", FIRST), 'APPEND "{}Nowhere" {5}',
    append("{}One", b""),
    # look at them
    'STATUS "{}One" (MESSAGES RECENT UIDNEXT UNSEEN SIZE)',
    'STATUS "{}One" (HIGHESTMODSEQ)', 'STATUS "{}Nowhere" (MESSAGES)',
    'STATUS "{}One" (NOSUCH)', 'EXAMINE "{}One"', 'SELECT "{}Nowhere"',
    'FETCH 1 FLAGS', 'SELECT "{}One" (CONDSTORE)',
    "FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODY)",
    "FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "FETCH 2 BODY[TEXT]",
    "FETCH 1 BODYSTRUCTURE", "FETCH 99 FLAGS", "FETCH 1 NOSUCH",
    "UID FETCH 1:* (FLAGS)", "FETCH 1 BINARY.SIZE[1]",
    "SEARCH ALL", "SEARCH UNSEEN", "SEARCH SUBJECT First", "SEARCH NOSUCH",
    "UID SEARCH BODY other", "SEARCH RETURN (MIN MAX COUNT) ALL",
    "SEARCH RETURN (SAVE) FROM bob", "FETCH $ FLAGS",
    "SORT (SUBJECT) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL",
    "SORT RETURN (COUNT) (DATE) UTF-8 ALL",
    # change them
    r"STORE 1 +FLAGS (\Flagged $Label)", r"STORE 1:2 -FLAGS (\Seen)",
    r"STORE 2 FLAGS.SILENT (\Answered)", "STORE 1 +FLAGS (\\Recent)",
    'COPY 1 "{}Four"', 'UID COPY 1:2 "{}Four"', 'COPY 1 "{}Nowhere"',
    'COPY 1:* "{}Gr&APwA3w-e &- co"', 'MOVE 2 "{}Four"',
    'UID MOVE 1 "{}Nowhere"', r"STORE 1 +FLAGS (\Deleted)", "EXPUNGE",
    'STATUS "{}Four" (MESSAGES UNSEEN)', "UNSELECT", 'SELECT "{}Four"',
    r"STORE 1 +FLAGS (\Deleted)", "UID EXPUNGE 1", "CHECK", "CLOSE",
    # name them
    'RENAME "{}One" "{}Five"', 'RENAME "{}Nowhere" "{}Six"',
    'RENAME "{}Five" "{}Four"', 'RENAME "{}Five" "{}Five/Six"',
    'LIST "" "{}*"', 'LSUB "" "{}*"',
    # rights, quota, annotations
    'GETACL "{}Four"', 'MYRIGHTS "{}Four"', 'LISTRIGHTS "{}Four" bob',
    'SETACL "{}Four" bob lr', 'GETACL "{}Four"', 'DELETEACL "{}Four" bob',
    'SETACL "{}Four" bob +w', 'GETACL "{}Nowhere"', 'MYRIGHTS "{}Nowhere"',
    'GETQUOTAROOT "{}Four"', 'GETQUOTAROOT "{}Nowhere"',
    'GETMETADATA "{}Four" /private/comment',
    'SETMETADATA "{}Four" (/private/comment "A note")',
    'GETMETADATA (DEPTH infinity) "{}Four" (/private /shared/comment)',
    'SETMETADATA "{}Four" (/private/comment NIL)',
    'GETMETADATA "{}Nowhere" /private/comment',
    'SETMETADATA "{}Nowhere" (/private/comment "x")',
    # events
    'NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) '
    '(mailboxes "{}Four" (MessageNew MessageExpunge))',
    append("{}Four", FIRST), "NOOP",
    'NOTIFY SET STATUS (mailboxes "{}Four" (MessageNew MessageExpunge))',
    "NOTIFY NONE", 'SELECT "{}Four"', "IDLE", "UNSELECT",
    # end them
    'UNSUBSCRIBE "{}One"', 'UNSUBSCRIBE "{}Four"',
    'UNSUBSCRIBE "{}Nowhere"', 'DELETE "{}Nowhere"', 'DELETE "{}Five"',
    'DELETE "{}Five/Two"', 'DELETE "{}Four"', 'DELETE "{}Four"',
    'DELETE "{}Gr&APwA3w-e &- co"', 'DELETE "{}Three"', 'LIST "" "{}*"',
]

OTHER_COMMANDS = [
    "NAMESPACE", "NOOP", "ID NIL", 'ID ("name" "tests")', "ENABLE CONDSTORE",
    "ENABLE NOSUCH", 'LIST "" ""', 'LIST "" "*"', 'LIST "" "%"',
    'LSUB "" "*"', 'LIST "" "Users/%"', 'LIST "" INBOX', 'GETQUOTA ""',
    'GETQUOTA "User quota"', "SETQUOTA x (STORAGE 1)", "SELECT INBOX",
    'GETMETADATA "" /shared/comment', 'RENAME INBOX "Old inbox"',
    'DELETE INBOX', 'CREATE INBOX', 'DELETE "Old inbox"', "RENAME x",
    'RENAME "Shared/local" "moved"', 'RENAME "nowhere" "Shared/new"',
    "SELECT", "STATUS INBOX", "APPEND", "NOSUCH", "LIST", 'LSUB ""',
    'LIST "" "unfinished', "SELECT Users", "SELECT Users/dave",
    "STATUS Users/dave/nowhere (MESSAGES)", "SELECT Users/nobody/x",
    "SUBSCRIBE Users/nobody/x", "MYRIGHTS Users/dave/x",
    'GENURLAUTH "imap://alice@127.0.10.1/INBOX;UID=1" INTERNAL',
    'URLFETCH "imap://alice@127.0.10.1/INBOX;UID=1"', "RESETKEY",
    "CATENATE", 'APPEND INBOX CATENATE (URL "/INBOX;UID=99")',
    "SELECT INBOX", "SEARCH ALL", "CLOSE", "COMPRESS NOSUCH", "CANCELUPDATE",
    "UNAUTHENTICATE", "STARTTLS", "LOGIN alice secret", "LOGOUT",
]


def record(sandbox: Sandbox) -> list[str]:
    """What the server says to all of that, but for what always differs."""
    said = []
    with sandbox.session("alice") as client:
        for prefix in ("", "Shared/"):
            for command in MAILBOX_COMMANDS:
                raw = command if isinstance(command, bytes) \
                    else command.encode()
                said += converse(client, raw.replace(b"{}", prefix.encode()))
        for text in OTHER_COMMANDS:
            said += converse(client, text.encode())
    return said


def converse(client: Imap, command: bytes) -> list[str]:
    tag = client.tag()
    client.send(tag + b" " + command + b"\r\n")
    reply = client.reply(tag)
    lines = [f"C: {command.decode()}", *reply.untagged]
    if reply.continuations:
        client.send(b"DONE\r\n" if command == b"IDLE" else b"12345\r\n")
        lines += reply.continuations
        reply = client.reply(tag)
        lines += reply.untagged
    return [normalized(line) for line in [*lines, reply.without_times]]


# Numbers and times of mailboxes that were made a little later.
DIFFERENT = [
    (r"UIDVALIDITY \d+", "UIDVALIDITY N"),
    (r"((?:APPENDUID|COPYUID) )\d+", r"\1N"),
    (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]", "[time]"),
    # Whether there is new mail depends on how long ago it came.
    (r" ?\\(?:Un)?Marked\b", ""),
    # What the plugin is there for.
    (r" MAILBOX-REFERRALS\b", ""),
]


def normalized(line: str) -> str:
    for pattern, replacement in DIFFERENT:
        line = re.sub(pattern, replacement, line)
    return line


def test_same_answers(sandbox: Sandbox, config: Config) -> None:
    with Mail(sandbox) as mail:
        mail.reset()
        ours = record(sandbox)
        mail.reset()
        config.edit(remove=dovecot.LOADS_MAIL_PLUGIN)
        with sandbox.session("alice") as client:
            # It is gone.
            assert client.command("SELECT Shared/sales").referral is None
        own = record(sandbox)
        config.restore()
    for number, (our_line, own_line) in enumerate(zip(ours, own)):
        assert our_line == own_line, ours[number - 5:number + 1]
    assert len(ours) == len(own)
    assert len([line for line in own if line.startswith("C: ")]) > 200


class Mail:
    """All mailboxes of imap1, as they were before the test."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        folder = Path(sandbox.env["SANDBOX_DIR"]) / "imap1"
        self._kept = {folder / name: folder / f"{name}-kept"
                      for name in ("mail", "shared")}

    def __enter__(self) -> Mail:
        self._sandbox.stop("imap1")
        for path, kept in self._kept.items():
            copy(path, kept)
        return self

    def reset(self) -> None:
        self._sandbox.stop("imap1")
        for path, kept in self._kept.items():
            copy(kept, path)
        self._sandbox.start("imap1")

    def __exit__(self, *_: object) -> None:
        self.reset()
        for kept in self._kept.values():
            shutil.rmtree(kept)


def copy(source: Path, target: Path) -> None:
    """A folder with owners and times, in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)
