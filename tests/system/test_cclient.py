"""A real client follows our referrals: c-client, which is in Alpine, UW IMAP
and PHP. It ends on the other server and reads a message there, or does there
what it was told to do."""

from __future__ import annotations

import imaplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Config, Directory
from sandbox import Sandbox, wait_for
from wire import Imap, quoted

SOURCE = Path(__file__).with_name("cclient.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/usr/include/c-client/c-client.h").exists():
        pytest.skip("there is no c-client library, as in Debian 13")
    path = tmp_path_factory.mktemp("cclient") / "cclient"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", path,
                    SOURCE, "-lc-client"], check=True)
    return path


class Run:
    """What the client has printed."""

    def __init__(self, program: Path, sandbox: Sandbox, user: str,
                 mailbox: str, *options: str,
                 port: int | None = None) -> None:
        host, usual_port = sandbox.address(1)
        port = port or usual_port
        done = subprocess.run([program, f"{host}:{port}", user,
                               sandbox.password, mailbox, *options],
                              stdout=subprocess.PIPE, text=True, timeout=60,
                              check=False)
        self.status = done.returncode
        self.output = done.stdout
        self.lines = done.stdout.splitlines()

    def starting(self, word: str) -> list[str]:
        return [line.removeprefix(word + " ") for line in self.lines
                if line.startswith(word + " ")]


@pytest.fixture(params=["authenticate", "command"])
def way(request: pytest.FixtureRequest) -> str:
    """How c-client logs in."""
    return request.param


def test_follows_a_login_referral(program: Path, sandbox: Sandbox,
                                  way: str) -> None:
    run = Run(program, sandbox, "bob", "INBOX", way)
    assert run.status == 0, run.output
    url, = run.starting("referral")
    # The last mechanism that it tried is PLAIN in both ways.
    assert url == f"login imap://bob;AUTH=PLAIN@{sandbox.server(2)}/"
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(2) + "/")
    assert run.starting("subject") == ["Welcome to imap2"]
    assert "Hello bob, this message is in your INBOX on imap2." in run.lines


def test_is_asked_once(program: Path, sandbox: Sandbox, config: Config) -> None:
    """A refused AUTHENTICATE is tried three times, unless there is a BYE."""
    run = Run(program, sandbox, "bob", "INBOX", "authenticate")
    *asked, last = run.starting("password")
    # With each of two mechanisms, and then by the other server.
    assert asked == ["0", "1", "2"] * 2 and last == "0"
    config.edit(referral={"imap_referral_login_bye": "yes"})
    for way in ("authenticate", "command"):
        run = Run(program, sandbox, "bob", "INBOX", way)
        assert run.status == 0, run.output
        assert run.starting("password") == ["0", "0"]
        assert len(run.starting("referral")) == 1
        assert run.starting("subject") == ["Welcome to imap2"]


def test_one_attribute_for_both_kinds_of_clients(
        program: Path, sandbox: Sandbox, config: Config,
        directory: Directory) -> None:
    """imap_referral_fallback: c-client comes by a listener for clients that
    follow, imaplib by another, and both read the same mail."""
    config.edit(referral={"imap_referral_fallback": "proxy",
                          "imap_referral_followers": "port=10144",
                          "imap_referral_proxy_tls": "starttls-any-cert"},
                dovecot="service imap-login {\n  inet_listener followers {\n"
                "    port = 10144\n  }\n}")
    host, port = sandbox.address(1)
    for number in (2, 3):
        directory.set_home("dave", sandbox.address(number)[0])

        def follows() -> Run | None:
            run = Run(program, sandbox, "dave", "INBOX", port=10144)
            assert run.status == 0, run.output
            opened, = run.starting("opened")
            return run if sandbox.server(number) in opened else None
        run = wait_for(follows)
        assert run.starting("subject") == [f"Welcome to imap{number}"]
        client = imaplib.IMAP4(host, port, timeout=30)
        client.login("dave", sandbox.password)
        client.select("INBOX", readonly=True)
        _, data = client.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert f"Welcome to imap{number}".encode() in data[0][1]
        client.logout()


def test_follows_an_offer(program: Path, sandbox: Sandbox, config: Config,
                          way: str) -> None:
    """In the OK of a login that has succeeded."""
    config.edit(referral={"imap_referral_login": "offer"})
    run = Run(program, sandbox, "bob", "INBOX", way)
    assert run.status == 0, run.output
    url, = run.starting("referral")
    assert url == f"login-ok imap://bob;AUTH=*@{sandbox.server(2)}/"
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(2) + "/")
    assert run.starting("subject") == ["Welcome to imap2"]


def test_follows_a_select_referral(program: Path, sandbox: Sandbox,
                                   way: str) -> None:
    run = Run(program, sandbox, "alice", "Shared/sales", way)
    assert run.status == 0, run.output
    url, = run.starting("referral")
    assert url == f"select imap://alice;AUTH=*@{sandbox.server(2)}" \
        "/Shared/sales"
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(2) + "/")
    assert opened.endswith("}Shared/sales")
    assert run.starting("subject") == ["Offer for the harbour office"]
    assert "Who calls them back?" in run.lines


def test_follows_to_a_name_that_is_not_ascii(program: Path,
                                             sandbox: Sandbox) -> None:
    run = Run(program, sandbox, "alice", "Shared/B&APw-ro &- co")
    assert run.status == 0, run.output
    assert len(run.starting("referral")) == 1
    opened, = run.starting("opened")
    assert opened.startswith("{" + sandbox.server(3) + "/")
    assert run.starting("subject") == ["Keys"]


def test_stays_where_there_is_no_referral(program: Path, sandbox: Sandbox,
                                          way: str) -> None:
    for mailbox, subject in (("INBOX", None),
                             ("Shared/local", "Coffee machine")):
        run = Run(program, sandbox, "alice", mailbox, way)
        assert run.status == 0, run.output
        assert not run.starting("referral")
        opened, = run.starting("opened")
        assert opened.startswith("{" + sandbox.server(1) + "/")
        if subject:
            assert run.starting("subject") == [subject]


def test_follows_an_administrators_change(program: Path, sandbox: Sandbox,
                                          directory: Directory) -> None:
    """dave has an INBOX on every server."""
    for number in (2, 3):
        directory.set_home("dave", sandbox.address(number)[0])
        # Until the cache has forgotten what was before.
        wait_for(lambda: f"@{sandbox.server(number)}/" in
                 sandbox.login("dave").tagged)
        run = Run(program, sandbox, "dave", "INBOX")
        assert run.status == 0, run.output
        assert run.starting("subject") == [f"Welcome to imap{number}"]


def test_is_not_referred_with_a_wrong_password(program: Path,
                                               sandbox: Sandbox) -> None:
    host, port = sandbox.address(1)
    done = subprocess.run([program, f"{host}:{port}", "bob", "wrong",
                           "INBOX", "command"], stdout=subprocess.PIPE,
                          text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "referral" not in done.stdout
    assert sandbox.address(2)[0] not in done.stdout


# --- what it does where it was referred to

MESSAGE = "Subject: Test\r\n\r\nText.\r\n"
ELSEWHERE = "Shared/sales/of c-client"


def act(program: Path, sandbox: Sandbox, mailbox: str, action: str,
        argument: str = "", kind: str = "") -> Run:
    """alice at imap1 does something, with one referral if a kind is given."""
    run = Run(program, sandbox, "alice", mailbox, "command", action, argument)
    assert run.status == 0 and "done" in run.lines, run.output
    kinds = [line.split()[0] for line in run.starting("referral")]
    assert kinds == ([kind] if kind else []), run.output
    return run


@pytest.fixture
def target(sandbox: Sandbox) -> Iterator[Imap]:
    """alice at imap2, where she is a guest and has a mailbox to try with."""
    with sandbox.session("alice", 2) as client:
        _remove_all(client)
        client.ok(b"CREATE " + quoted(ELSEWHERE))
        yield client
        _remove_all(client)


def _remove_all(client: Imap) -> None:
    client.command("UNSELECT")
    for name in (ELSEWHERE, ELSEWHERE + " 2"):
        client.command(b"UNSUBSCRIBE " + quoted(name))
        client.command(b"DELETE " + quoted(name))


def _messages(client: Imap, name: str) -> int | None:
    """How many there are, or None if there is no such mailbox."""
    reply = client.command(b"STATUS %s (MESSAGES)" % quoted(name))
    if reply.status == "NO":
        assert reply.referral is None
        return None
    return int(reply.untagged[0].rstrip(")").split()[-1])


def test_status(program: Path, sandbox: Sandbox, target: Imap) -> None:
    assert target.append(ELSEWHERE, MESSAGE.encode()).status == "OK"
    run = act(program, sandbox, ELSEWHERE, "status", kind="status")
    assert run.starting("status") == ["1"]


def test_create_and_delete(program: Path, sandbox: Sandbox,
                           target: Imap) -> None:
    act(program, sandbox, ELSEWHERE, "delete", kind="delete")
    assert _messages(target, ELSEWHERE) is None
    act(program, sandbox, ELSEWHERE, "create", kind="create")
    assert _messages(target, ELSEWHERE) == 0


def test_rename(program: Path, sandbox: Sandbox, target: Imap) -> None:
    assert target.append(ELSEWHERE, MESSAGE.encode()).status == "OK"
    act(program, sandbox, ELSEWHERE, "rename", ELSEWHERE + " 2", "rename")
    assert _messages(target, ELSEWHERE) is None
    assert _messages(target, ELSEWHERE + " 2") == 1


def test_append(program: Path, sandbox: Sandbox, target: Imap) -> None:
    act(program, sandbox, ELSEWHERE, "append", MESSAGE, "append")
    assert _messages(target, ELSEWHERE) == 1
    target.ok(b"SELECT " + quoted(ELSEWHERE))
    assert "Text." in target.ok("FETCH 1 BODY[TEXT]").untagged[0]


def test_copy(program: Path, sandbox: Sandbox, target: Imap) -> None:
    act(program, sandbox, ELSEWHERE, "copy", "Shared/local", "copy")
    target.ok(b"SELECT " + quoted(ELSEWHERE))
    assert "Coffee machine" in \
        target.ok("FETCH 1 BODY[HEADER]").untagged[0]


def test_copy_from_there(program: Path, sandbox: Sandbox,
                         target: Imap) -> None:
    """A referral for each, of two kinds."""
    run = Run(program, sandbox, "alice", "Shared/B&APw-ro &- co", "command",
              "copy", "Shared/sales")
    kinds = [line.split()[0] for line in run.starting("referral")]
    assert kinds[:2] == ["select", "copy"], run.output
    with sandbox.session("carol", 3) as carol:
        carol.ok('SELECT "Shared/B&APw-ro &- co"')
        found = carol.ok('SEARCH SUBJECT "harbour office"').untagged[0]
        assert found != "* SEARCH"
        carol.ok(f"STORE {found.split()[2]} +FLAGS (\\Deleted)")
        carol.ok("EXPUNGE")


def test_subscriptions(program: Path, sandbox: Sandbox, target: Imap,
                       config: Config) -> None:
    config.edit(referral={"imap_referral_subscriptions": "refer"})
    name = f'"/" "{ELSEWHERE}"'
    act(program, sandbox, ELSEWHERE, "subscribe", kind="subscribe")
    assert name in " ".join(target.ok('LSUB "" "*"').untagged)
    act(program, sandbox, ELSEWHERE, "unsubscribe", kind="unsubscribe")
    assert name not in " ".join(target.ok('LSUB "" "*"').untagged)


def test_subscriptions_that_are_kept_here(program: Path,
                                          sandbox: Sandbox) -> None:
    act(program, sandbox, "Shared/sales", "subscribe")
    run = act(program, sandbox, "Shared/*", "lsub")
    assert run.starting("lsub") == ["- Shared/sales"]
    act(program, sandbox, "Shared/sales", "unsubscribe")
    assert not act(program, sandbox, "Shared/*", "lsub").starting("lsub")


def test_list(program: Path, sandbox: Sandbox) -> None:
    """c-client sends RLIST to servers that have the capability."""
    run = act(program, sandbox, "Shared/%", "list")
    assert sorted(run.starting("list")) == [
        "- Shared/B&APw-ro &- co", "- Shared/local", "- Shared/sales"]


def test_nothing_of_it_was_here(program: Path, sandbox: Sandbox,
                                target: Imap) -> None:
    with sandbox.session("alice") as client:
        before = client.ok('LIST "" "*"').untagged
        act(program, sandbox, ELSEWHERE, "delete", kind="delete")
        act(program, sandbox, ELSEWHERE, "create", kind="create")
        act(program, sandbox, ELSEWHERE, "append", MESSAGE, "append")
        act(program, sandbox, ELSEWHERE, "rename", ELSEWHERE + " 2", "rename")
        assert client.ok('LIST "" "*"').untagged == before
