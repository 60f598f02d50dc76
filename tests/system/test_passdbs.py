"""Every order and kind of passdbs before ours: who has proven to be the user is
referred, and nobody else is told anything. imap1 is home of alice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from sandbox import Sandbox, at_once, wait_for
from test_login import (EVERYBODY, expect_referral, expect_refused,
                        wait_for_referral)
from wire import LOGINS, Reply

AGAIN = (dovecot.CONTINUE, "skip = authenticated")

# What a passdb that never sees the password can be asked for.
CLEARTEXT = ["LOGIN command", "PLAIN", "PLAIN with initial response", "LOGIN"]

SCRIPT = """
function auth_passdb_lookup(request)
  for user in string.gmatch("alice bob carol dave erin", "%a+") do
    if request.user == user then
      return dovecot.auth.PASSDB_RESULT_OK, {password = "{PLAIN}secret"}
    end
  end
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""
end

-- So that what is found is cached.
function auth_passdb_get_cache_key()
  return CACHE_KEY
end
"""


@dataclass
class World:
    """Where the passdbs find who is who."""

    sandbox: Sandbox
    config: Config
    folder: Path

    @property
    def users(self) -> Path:
        return self.config.dovecot.with_name("users")

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path

    def ldap(self, bind: bool) -> str:
        env = self.sandbox.env
        return dovecot.ldap(
            self.folder, env["LDAP1_URI"], env["LDAP_BASE"],
            (env["LDAP_ADMIN_DN"], env["LDAP_ADMIN_PASSWORD"]),
            dovecot.CONTINUE, bind=bind)

    def lua(self) -> str:
        key = "%u" if dovecot.IS_2_3 else "%{user}"
        return dovecot.lua(self.file("passdb.lua", SCRIPT.replace(
            "CACHE_KEY", f'"{key}"')), dovecot.CONTINUE)


def several(world: World) -> str:
    """carol is in both, with another password in the first."""
    first = world.file("first", "carol:{PLAIN}other::::::\n")
    return dovecot.passwd_file(first, dovecot.CONTINUE, name="first") + \
        dovecot.passwd_file(world.users, *AGAIN)


# The passdbs before ours, further configuration, and the mechanisms.
Chain = tuple[Callable[[World], str], str, list[str]]
CHAINS: dict[str, Chain] = {
    "several": (several, "", list(LOGINS)),
    "blocking": (World.lua, "", list(LOGINS)),
    "blocking, cache": (World.lua, dovecot.CACHE, list(LOGINS)),
    "ldap": (lambda world: world.ldap(False), "", list(LOGINS)),
    "ldap, cache": (lambda world: world.ldap(False), dovecot.CACHE,
                    list(LOGINS)),
    "ldap binds": (lambda world: world.ldap(True), "", CLEARTEXT),
    "ldap binds, cache": (lambda world: world.ldap(True), dovecot.CACHE,
                          CLEARTEXT),
}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[World]:
    folder = Path(sandbox.env["SANDBOX_DIR"]) / "passdbs"
    folder.mkdir()
    folder.chmod(0o755)
    administrator = Directory(sandbox.env)
    for user in ("alice", "bob", "carol", "dave", "erin"):
        administrator.set(administrator.person(user),
                          userPassword=sandbox.password)
    yield World(sandbox, Config(sandbox, 1), folder)
    administrator.connect()
    administrator.restore()
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=CHAINS)
def mechanisms(world: World,
               request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Those that work with a chain of passdbs, which is there for the test."""
    passdbs, more, names = CHAINS[request.param]
    world.config.edit(passdbs=passdbs(world), dovecot=more)
    yield names
    world.config.restore()


def login(sandbox: Sandbox, mechanism: str, user: str,
          password: str = "") -> Reply:
    with sandbox.imap() as client:
        reply = LOGINS[mechanism][0](client, user,
                                     password or sandbox.password)
        if reply.status == "OK":
            client.ok("SELECT INBOX")
        elif reply.referral is None:
            expect_refused(client, reply)
        return reply


def expect_all_right(sandbox: Sandbox, mechanism: str) -> None:
    """More than once: what has been remembered changes nothing."""
    for _ in range(3):
        expect_referral(login(sandbox, mechanism, "bob"), "bob",
                        LOGINS[mechanism][1], sandbox.server(2))
        assert login(sandbox, mechanism, "alice").status == "OK"


def expect_wrong(sandbox: Sandbox, mechanism: str, user: str) -> None:
    reply = login(sandbox, mechanism, user, "wrong")
    assert reply.tagged.startswith("NO [AUTHENTICATIONFAILED]"), reply


def test_right_password(sandbox: Sandbox, world: World,
                        mechanisms: list[str]) -> None:
    log = sandbox.log(1)
    for mechanism in mechanisms:
        expect_all_right(sandbox, mechanism)
    cached = dovecot.CACHE in world.config.dovecot.read_text()
    assert bool(log.lines("auth", "cache hit")) == cached


def test_wrong_password(sandbox: Sandbox, mechanisms: list[str]) -> None:
    at_once(lambda who: expect_wrong(sandbox, *who),
            [(mechanism, user) for mechanism in mechanisms
             for user in EVERYBODY])
    # And the right one after it, and the other way round.
    for mechanism in mechanisms:
        expect_all_right(sandbox, mechanism)
    at_once(lambda mechanism: expect_wrong(sandbox, mechanism, "bob"),
            mechanisms)


def test_a_moved_user(sandbox: Sandbox, mechanisms: list[str],
                      directory: Directory) -> None:
    """Nothing remembers a home longer than its TTL."""
    directory.set_home("bob", sandbox.address(3)[0])
    wait_for_referral(sandbox, "bob", sandbox.server(3))
    for mechanism in mechanisms:
        expect_referral(login(sandbox, mechanism, "bob"), "bob",
                        LOGINS[mechanism][1], sandbox.server(3))
    directory.set_home("bob", sandbox.address(1)[0])
    wait_for(lambda: sandbox.login("bob").status == "OK")
    for mechanism in mechanisms:
        assert login(sandbox, mechanism, "bob").status == "OK"


def test_the_directory_is_down(sandbox: Sandbox, mechanisms: list[str],
                               ldap1: Callable[[], None]) -> None:
    expect_all_right(sandbox, "PLAIN")
    ldap1()
    for user in ("alice", "bob"):
        wait_for(lambda: "UNAVAILABLE" in sandbox.login(user).tagged)

    def check(who: tuple[str, str]) -> None:
        reply = login(sandbox, *who)
        assert reply.tagged.startswith("NO [UNAVAILABLE]"), (who, reply)
    at_once(check, [(mechanism, user) for mechanism in mechanisms
                    for user in ("alice", "bob", "dave")])
    sandbox.start("ldap1")
    wait_for(lambda: sandbox.login("alice").status == "OK")
    wait_for_referral(sandbox, "bob", sandbox.server(2))


def test_password_of_the_first_passdb(sandbox: Sandbox,
                                      world: World) -> None:
    try:
        world.config.edit(passdbs=several(world))
        for mechanism in CLEARTEXT:
            for password in ("other", sandbox.password):
                expect_referral(login(sandbox, mechanism, "carol", password),
                                "carol", LOGINS[mechanism][1],
                                sandbox.server(3))
        at_once(lambda mechanism: expect_wrong(sandbox, mechanism, "carol"),
                CLEARTEXT)
    finally:
        world.config.restore()


@pytest.mark.parametrize("cache", ["", dovecot.CACHE],
                         ids=["no cache", "cache"])
def test_username_format(sandbox: Sandbox, config: Config,
                         cache: str) -> None:
    """The URL has the name that Dovecot and the directory know."""
    config.edit(dovecot=f"{dovecot.USERNAME_FORMAT}\n{cache}")
    for mechanism in LOGINS:
        for name in ("bob", "BOB", "Bob@Example.ORG"):
            expect_referral(login(sandbox, mechanism, name), "bob",
                            LOGINS[mechanism][1], sandbox.server(2))
        assert login(sandbox, mechanism, "Alice@example.org").status == "OK"
    at_once(lambda mechanism: expect_wrong(sandbox, mechanism,
                                           "Bob@Example.ORG"), LOGINS)


# --- what the log says at the start

WARNING = "result_success = continue"
LATE = "has to come after"


def warnings(sandbox: Sandbox, config: Config, **edit: str) -> list[str]:
    log = sandbox.log(1)
    config.edit(**edit)
    # By then auth has started.
    sandbox.login("dave")
    return log.lines("auth: Warning:", "passdb")


def test_a_passdb_does_not_continue(sandbox: Sandbox,
                                    config: Config) -> None:
    users = config.dovecot.with_name("users")
    line, = warnings(
        sandbox, config,
        passdbs=dovecot.no_password("username_filter = nobody",
                                    name="silent")
        + dovecot.passwd_file(users, *AGAIN))
    assert WARNING in line
    assert ("passdb static" if dovecot.IS_2_3 else "passdb silent") in line


def test_passdbs_that_need_not_continue(sandbox: Sandbox,
                                        config: Config) -> None:
    users = config.dovecot.with_name("users")
    none = config.dovecot.with_name("none")
    none.write_text("")
    none.chmod(0o644)
    assert warnings(
        sandbox, config,
        passdbs=dovecot.passwd_file(none, "deny = yes", name="denied")
        + dovecot.passwd_file(none, "master = yes", name="masters")
        + dovecot.passwd_file(none, "result_success = return-fail",
                              name="refused")
        + dovecot.passwd_file(users, "result_success = continue-ok"),
        dovecot=dovecot.passwd_file(none, name="after")) == []


def test_ours_comes_first(sandbox: Sandbox, config: Config) -> None:
    users = config.dovecot.with_name("users")
    line, = warnings(sandbox, config, passdbs="",
                     dovecot=dovecot.passwd_file(users))
    assert LATE in line


def test_nothing_to_warn_of(sandbox: Sandbox, config: Config) -> None:
    assert warnings(sandbox, config, dovecot="# as it was") == []
