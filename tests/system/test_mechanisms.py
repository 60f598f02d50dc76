"""Home server referrals after mechanisms that need no password: EXTERNAL,
OAUTHBEARER, XOAUTH2, GSSAPI. Those with a password are in test_login.py."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dovecot
from conftest import Config, Directory
from identity import Authority, Issuer, Realm
from sandbox import Sandbox, at_once, wait_for
from test_login import SKIP, expect_referral, expect_refused
from wire import Imap, Reply, b64

KDC_HOST, KDC_PORT, IMPOSTOR_PORT = "127.0.10.11", 10088, 10089

# Nobody knows them but Kerberos, the directory, and a userdb that knows
# everybody: frank is at home on imap2, grace is at home nowhere.
STRANGERS = ("frank", "grace")


def make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    folder.chmod(0o755)
    return folder


class Means:
    """All that people may prove who they are with, and what looks like it.
    What ends in `login` returns the connection and the answer."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self.folder = folder
        self.authority = Authority(make_folder(folder, "authority"))
        self.other_authority = Authority(make_folder(folder, "other"))
        self.issuer = Issuer(make_folder(folder, "issuer"))
        self.other_issuer = Issuer(make_folder(folder, "other-issuer"))
        # Another KDC of the same name, which knows nobody's real key.
        self.realm = Realm(make_folder(folder, "realm"), KDC_HOST, KDC_PORT)
        try:
            self.impostor = Realm(make_folder(folder, "impostor"), KDC_HOST,
                                  IMPOSTOR_PORT)
        except BaseException:
            self.realm.close()
            raise

    def close(self) -> None:
        self.realm.close()
        self.impostor.close()

    def fill(self) -> None:
        for realm in (self.realm, self.impostor):
            for user in ("alice", "bob", *STRANGERS):
                realm.add_person(user)
            for number in (1, 2):
                keytab = self.keytab(number) if realm is self.realm \
                    else self.folder / "unused"
                realm.add_service(service(number), keytab)

    def keytab(self, number: int) -> Path:
        return self.folder / f"keytab{number}"

    def configure(self, config: Config, number: int) -> None:
        users = config.dovecot.with_name("users")
        home = config.dovecot.with_name("mail")
        again = (dovecot.CONTINUE, "skip = authenticated")
        config.edit(
            passdbs=dovecot.no_password(dovecot.CONTINUE,
                                        dovecot.only_for("external"))
            + dovecot.tokens(self.issuer.folder, *again)
            + dovecot.passwd_file(users, *again),
            dovecot=dovecot.mechanisms("external", "oauthbearer", "xoauth2",
                                       "gssapi")
            + dovecot.client_certificates(str(self.authority.certificate))
            + dovecot.environment(KRB5_CONFIG=self.realm.config,
                                  KRB5RCACHENAME="none:")
            + f"auth_krb5_keytab = {self.keytab(number)}\n"
            "auth_gssapi_hostname = \"$ALL\"\n"
            + dovecot.static_userdb("mail", "mail", str(home)))

    # --- logins

    def external_login(self, user: str, number: int = 1,
                       authority: Authority | None = None,
                       as_user: str = "") -> tuple[Imap, Reply]:
        context = ssl.create_default_context(
            cafile=self._sandbox.env["TLS_CA"])
        context.check_hostname = False
        if user:
            context.load_cert_chain(
                *(authority or self.authority).person(user))
        client = Imap(*self._sandbox.address(number, tls=True), context)
        return client, client.external(as_user)

    def oauthbearer_login(self, user: str, number: int = 1,
                          token: str | None = None) -> tuple[Imap, Reply]:
        client = self._sandbox.imap(number, tls=True)
        return client, client.oauthbearer(
            user, token or self.issuer.token(user))

    def xoauth2_login(self, user: str, number: int = 1,
                      token: str | None = None) -> tuple[Imap, Reply]:
        client = self._sandbox.imap(number, tls=True)
        return client, client.xoauth2(
            user, token or self.issuer.token(user))

    def gssapi_login(self, user: str, number: int = 1,
                     realm: Realm | None = None, as_user: str = "",
                     to: int = 0) -> tuple[Imap, Reply]:
        context = (realm or self.realm).context(user, service(to or number))
        client = self._sandbox.imap(number)
        return client, client.gssapi(as_user or user, context)

    def without_ticket(self) -> tuple[Imap, Reply]:
        client = self._sandbox.imap(1)
        return client, client.command("AUTHENTICATE GSSAPI",
                                      [b64(b"no ticket")] * 3)


def service(number: int) -> str:
    return f"imap/imap{number}.example.org"


@pytest.fixture(scope="module")
def means(sandbox: Sandbox) -> Iterator[Means]:
    folder = make_folder(Path(sandbox.env["SANDBOX_DIR"]), "means")
    changes = [Config(sandbox, number) for number in (1, 2)]
    kit = Means(sandbox, folder)
    try:
        kit.fill()
        for number, config in enumerate(changes, 1):
            kit.keytab(number).chmod(0o644)
            kit.configure(config, number)
        yield kit
    finally:
        for config in changes:
            config.restore()
        kit.close()
        shutil.rmtree(folder)


MECHANISMS = {
    "EXTERNAL": Means.external_login,
    "OAUTHBEARER": Means.oauthbearer_login,
    "XOAUTH2": Means.xoauth2_login,
    "GSSAPI": Means.gssapi_login,
}


@pytest.fixture(params=MECHANISMS)
def mechanism(request: pytest.FixtureRequest) -> str:
    return request.param


# --- who has proven to be the user

def test_home_elsewhere_is_referred(sandbox: Sandbox, means: Means,
                                    mechanism: str) -> None:
    client, reply = MECHANISMS[mechanism](means, "bob")
    with client:
        expect_referral(reply, "bob", mechanism, sandbox.server(2))
        # Still there, and not logged in.
        assert client.command("SELECT INBOX").status == "BAD"
        assert client.command("NOOP").status == "OK"


def test_home_here_logs_in(means: Means, mechanism: str) -> None:
    client, reply = MECHANISMS[mechanism](means, "alice")
    with client:
        assert reply.status == "OK", reply
        client.ok("SELECT INBOX")


def test_guest_logs_in_where_shared_mailboxes_are(
        sandbox: Sandbox, means: Means, mechanism: str) -> None:
    client, reply = MECHANISMS[mechanism](means, "alice", 2)
    with client:
        assert reply.status == "OK", reply
        client.ok("SELECT Shared/sales")
        assert client.command("SELECT INBOX").tagged == \
            sandbox.mailbox_referral("alice", 1, "INBOX")


def test_nobody_logs_in_while_the_directory_is_down(
        sandbox: Sandbox, means: Means,
        ldap1: Callable[[], None]) -> None:
    ldap1()
    # What was cached a moment ago may still be used.
    for user in ("alice", "bob"):
        wait_for(lambda: "UNAVAILABLE" in sandbox.login(user).tagged)

    def check(who: tuple[str, str]) -> None:
        user, mechanism = who
        client, reply = MECHANISMS[mechanism](means, user)
        with client:
            expect_refused(client, reply)
            assert dovecot.says_unavailable(mechanism, reply), reply
            assert client.command("SELECT INBOX").status == "BAD"
    # One after the other with Kerberos: its client is not made for threads.
    at_once(check, [(user, mechanism) for mechanism in MECHANISMS
                    if mechanism != "GSSAPI" for user in ("alice", "bob")])
    for user in ("alice", "bob"):
        check((user, "GSSAPI"))


# --- who has not

WRONG = {
    "no certificate": lambda means: means.external_login(""),
    "certificate of another authority": lambda means: means.external_login(
        "bob", authority=means.other_authority),
    "certificate of somebody else": lambda means: means.external_login(
        "alice", as_user="bob"),
    "forged token": lambda means: means.oauthbearer_login(
        "bob", token=means.other_issuer.token("bob")),
    "expired token": lambda means: means.oauthbearer_login(
        "bob", token=means.issuer.token("bob", -60)),
    "token of somebody else": lambda means: means.oauthbearer_login(
        "bob", token=means.issuer.token("alice")),
    "no token": lambda means: means.oauthbearer_login("bob", token="nothing"),
    "XOAUTH2: forged token": lambda means: means.xoauth2_login(
        "bob", token=means.other_issuer.token("bob")),
    "XOAUTH2: expired token": lambda means: means.xoauth2_login(
        "bob", token=means.issuer.token("bob", -60)),
    "XOAUTH2: token of somebody else": lambda means: means.xoauth2_login(
        "bob", token=means.issuer.token("alice")),
    "ticket of another realm": lambda means: means.gssapi_login(
        "bob", realm=means.impostor),
    "ticket of somebody else": lambda means: means.gssapi_login(
        "alice", as_user="bob"),
    "ticket for another server": lambda means: means.gssapi_login(
        "bob", to=2),
    "no ticket": lambda means: means.without_ticket(),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_proof_is_refused(means: Means, wrong: str) -> None:
    expect_nothing_told(means, wrong)


def expect_nothing_told(means: Means, wrong: str) -> None:
    client, reply = WRONG[wrong](means)
    with client:
        expect_refused(client, reply)
        assert client.command("SELECT INBOX").status == "BAD"


# --- whom only Kerberos knows

@pytest.fixture
def strangers(directory: Directory) -> None:
    frank, grace = STRANGERS
    directory.add_person(frank, mailHost="127.0.10.2")
    directory.add_person(grace)


def test_who_is_unknown_to_all_passdbs_is_referred(
        sandbox: Sandbox, means: Means, strangers: None) -> None:
    client, reply = means.gssapi_login("frank")
    with client:
        expect_referral(reply, "frank", "GSSAPI", sandbox.server(2))


def test_who_is_unknown_to_all_passdbs_logs_in_at_home(
        means: Means, strangers: None) -> None:
    client, reply = means.gssapi_login("grace")
    with client:
        assert reply.status == "OK", reply


def test_who_is_unknown_to_all_passdbs_and_the_directory_is_down(
        sandbox: Sandbox, means: Means, strangers: None,
        directory: Directory, ldap1: Callable[[], None]) -> None:
    ldap1()
    wait_for(lambda: "UNAVAILABLE" in sandbox.login("dave").tagged)
    for user in STRANGERS:
        client, reply = means.gssapi_login(user)
        with client:
            assert "UNAVAILABLE" in reply.tagged, reply
    sandbox.start("ldap1")
    directory.connect()


def test_a_passdb_fails(sandbox: Sandbox, means: Means, config: Config,
                        strangers: None) -> None:
    """As one that asks a server which is down."""
    script = means.folder / "fails.lua"
    script.write_text("""
function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, ""
end
""")
    config.edit(passdbs=dovecot.lua(script, dovecot.CONTINUE))
    client, reply = means.gssapi_login("frank")
    with client:
        expect_referral(reply, "frank", "GSSAPI", sandbox.server(2))


# --- `skip = unauthenticated` is missing

@pytest.fixture(scope="module")
def unguarded(sandbox: Sandbox, means: Means) -> Iterator[Config]:
    changes = Config(sandbox, 1)
    changes.edit(remove=SKIP)
    yield changes
    changes.restore()


@pytest.mark.parametrize("wrong", WRONG)
def test_without_skip_no_wrong_proof_is_accepted(
        means: Means, unguarded: Config, wrong: str) -> None:
    expect_nothing_told(means, wrong)


def test_without_skip_no_home_elsewhere_is_logged_in(
        means: Means, unguarded: Config, mechanism: str) -> None:
    client, reply = MECHANISMS[mechanism](means, "bob")
    with client:
        assert reply.status == "NO", reply


def test_certificate_after_starttls(sandbox: Sandbox, means: Means) -> None:
    for authority, user in ((means.authority, "bob"),
                            (means.other_authority, "bob")):
        context = sandbox.tls_context()
        context.load_cert_chain(*authority.person(user))
        with sandbox.imap() as client:
            client.ok("STARTTLS")
            client.start_tls(context)
            reply = client.external("")
            if authority is means.authority:
                expect_referral(reply, user, "EXTERNAL", sandbox.server(2))
            else:
                expect_refused(client, reply)


# --- clients that do not follow referrals

def test_fallback(sandbox: Sandbox, means: Means, config: Config,
                  mechanism: str) -> None:
    """Tokens are handed on to the home server. Nobody but us can use the
    rest."""
    config.edit(referral={"imap_referral_fallback": "proxy",
                          "imap_referral_proxy_tls": "starttls-any-cert"})
    client, reply = MECHANISMS[mechanism](means, "bob")
    with client:
        if mechanism in ("EXTERNAL", "GSSAPI"):
            expect_referral(reply, "bob", mechanism, sandbox.server(2))
            return
        assert reply.status == "OK", reply
        client.ok("SELECT INBOX")
        fetched = client.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        assert any("Welcome to imap2" in line for line in fetched.untagged)
