"""The dict driver `referral-ldap` in dict-async, asked through doveadm."""

from __future__ import annotations

import threading
import time
import urllib.parse
from pathlib import Path

import pytest

import dovecot
from conftest import Dicts, Directory
from sandbox import Dict, DictFailure, Sandbox, wait_for
from taps import LdapTap, is_later_page

SALES = "Shared/sales"


# --- the contract

def test_home(sandbox: Sandbox, referral_dict: Dict) -> None:
    for number, user in enumerate(("alice", "bob", "carol"), 1):
        assert referral_dict.home(user) == f"imap://{sandbox.server(number)}/"


def test_home_of_nobody(referral_dict: Dict) -> None:
    assert referral_dict.home("dave") is None
    assert referral_dict.home("nobody") is None


def test_mailbox_on_two_servers(sandbox: Sandbox,
                                referral_dict: Dict) -> None:
    assert referral_dict.mailbox(SALES) == \
        f"imap://{sandbox.server(2)}/Shared/sales " \
        f"imap://{sandbox.server(3)}/Shared/sales"


def test_mailbox_by_host_and_name(sandbox: Sandbox,
                                  referral_dict: Dict) -> None:
    assert referral_dict.mailbox("Shared/Büro & co") == \
        f"imap://{sandbox.server(3)}/Shared/B%C3%BCro%20%26%20co"


@pytest.mark.parametrize("rest, in_url", [
    ("2026", "2026"), ("a/b/c", "a/b/c"), ("x y", "x%20y"),
    ("ü", "%C3%BC"), ("50%", "50%25")])
def test_inferior(sandbox: Sandbox, referral_dict: Dict, rest: str,
                  in_url: str) -> None:
    assert referral_dict.mailbox(f"{SALES}/{rest}") == " ".join(
        f"imap://{sandbox.server(number)}/{SALES}/{in_url}"
        for number in (2, 3))


def test_longest_ancestor_wins(sandbox: Sandbox, referral_dict: Dict,
                               directory: Directory) -> None:
    directory.add_mailbox("Shared/sales/2025",
                          mailHost=sandbox.address(3)[0])
    wanted = f"imap://{sandbox.server(3)}/Shared/sales/2025/may"
    wait_for(lambda: referral_dict.mailbox("Shared/sales/2025/may")
             == wanted)
    assert referral_dict.mailbox("Shared/sales/2025x") == " ".join(
        f"imap://{sandbox.server(number)}/Shared/sales/2025x"
        for number in (2, 3))


@pytest.mark.parametrize("name", ["Shared", "Shared/sale", "Shared/salesx",
                                  "Shared/local", "INBOX", "sales"])
def test_mailbox_that_is_not_listed(referral_dict: Dict, name: str) -> None:
    assert referral_dict.mailbox(name) is None


def test_iterate(sandbox: Sandbox, referral_dict: Dict) -> None:
    rows = {name: referral_dict.mailbox(name)
            for name in (SALES, "Shared/Büro & co")}
    # Other tests have had mailboxes of their own.
    wait_for(lambda: referral_dict.mailboxes() == rows)


def test_servers_with_shared_mailboxes(sandbox: Sandbox,
                                       referral_dict: Dict) -> None:
    for number in (2, 3):
        assert referral_dict.get("shares", sandbox.server(number)) == \
            f"imap://{sandbox.server(number)}/"
    for server in (sandbox.server(1), sandbox.address(2)[0], "nowhere:143"):
        wait_for(lambda: referral_dict.get("shares", server) is None)


def test_other_keys_are_not_found(sandbox: Sandbox) -> None:
    for key in ("shared/imap-referral/nonsense/x", "shared/else",
                "shared/imap-referral/home/", "shared/imap-referral/mailbox/",
                "shared/imap-referral/"):
        process = sandbox.doveadm_dict("get", key)
        out, _ = process.communicate()
        assert process.returncode != 0 and not out.strip()


def test_dict_cannot_be_written(sandbox: Sandbox,
                                referral_dict: Dict) -> None:
    process = sandbox.doveadm_dict("set", "shared/imap-referral/home/bob",
                                   "imap://x/")
    process.communicate()
    assert process.returncode != 0
    assert referral_dict.home("bob") == f"imap://{sandbox.server(2)}/"


# --- where values come from

@pytest.mark.parametrize("value, wanted", [
    ("imap2.example.org", "imap://imap2.example.org:10143/"),
    ("IMAP2.Example.ORG", "imap://imap2.example.org:10143/"),
    ("imap2.example.org:143", "imap://imap2.example.org/"),
    ("imap2.example.org:1", "imap://imap2.example.org:1/"),
    ("imap2.example.org:65535", "imap://imap2.example.org:65535/"),
    ("imap://imap2.example.org:1143/", "imap://imap2.example.org:1143/"),
    ("IMAP://imap2.example.org:1143", "imap://imap2.example.org:1143/"),
    ("192.0.2.7", "imap://192.0.2.7:10143/"),
    ("[2001:db8::1]:1143", "imap://[2001:db8::1]:1143/"),
    ("imap://[2001:DB8::1]:1143/", "imap://[2001:db8::1]:1143/"),
])
def test_value(dicts: Dicts, directory: Directory, value: str,
               wanted: str) -> None:
    directory.add_person("test", mailHost=value)
    assert dicts.make(default_port="10143").home("test") == wanted


def test_default_port(dicts: Dicts) -> None:
    for port, written in (("143", ""), ("1234", ":1234"), (None, "")):
        assert dicts.make(default_port=port).home("erin") == \
            f"imap://imap9.example.org{written}/"


def test_home_by_labeled_uri(dicts: Dicts, directory: Directory) -> None:
    """Level one of the schemas: nothing to be loaded into the server."""
    directory.add_person("test", labeledURI=[
        "imap://imap3.example.org/ 20", "imap://imap2.example.org/ 10"])
    assert dicts.make(home_attribute="labeledURI").home("test") == \
        "imap://imap2.example.org/ imap://imap3.example.org/"


def test_settings_of_homes(sandbox: Sandbox, dicts: Dicts,
                           directory: Directory) -> None:
    base = sandbox.env["LDAP_BASE"]
    directory.add_person("test", mail="test@example.org",
                         employeeNumber="imap2.example.org:143")
    found = dicts.make(home_base=f"ou=people,{base}", home_scope="onelevel",
                       home_filter="(mail=%{username}@%{domain})",
                       home_attribute="employeeNumber")
    assert found.home("test@example.org") == "imap://imap2.example.org/"
    assert found.home("test@example.com") is None
    # The person is below the base, not the base itself or elsewhere.
    for base_dn, scope in ((f"ou=people,{base}", "base"),
                           (base, "onelevel"),
                           (f"ou=mailboxes,{base}", "subtree")):
        assert dicts.make(home_base=base_dn,
                          home_scope=scope).home("bob") is None
    assert dicts.make(home_base=directory.person("bob"),
                      home_scope="base").home("bob") is not None


def test_settings_of_mailboxes(sandbox: Sandbox, dicts: Dicts,
                               directory: Directory) -> None:
    directory.add_mailbox("unused", ou="Shared/other",
                          l="imap2.example.org:143")
    directory.add_mailbox("both", ou="Shared/by host",
                          l="imap2.example.org:143",
                          description="imap://imap3.example.org/Shared/uri")
    found = dicts.make(
        mailbox_base=f"ou=mailboxes,{sandbox.env['LDAP_BASE']}",
        mailbox_scope="onelevel", mailbox_filter="(l=*)",
        mailbox_uri_attribute="description", mailbox_host_attribute="l",
        mailbox_name_attribute="ou")
    assert found.mailboxes() == {
        "Shared/other": "imap://imap2.example.org/Shared/other",
        "Shared/uri": "imap://imap3.example.org/Shared/uri"}


def test_people_are_no_mailboxes(sandbox: Sandbox, referral_dict: Dict,
                                 directory: Directory) -> None:
    uri = f"imap://{sandbox.server(2)}/Shared/"
    directory.add(directory.person("test"),
                  ["inetOrgPerson", "labeledURIObject",
                   "inetLocalMailRecipient"],
                  {"cn": "Shared/by host", "sn": "x",
                   "labeledURI": uri + "person", "mailHost": "127.0.10.2"})
    directory.add(directory.person("test2"),
                  ["account", "posixAccount", "inetLocalMailRecipient"],
                  {"cn": "Shared/account", "uidNumber": "1",
                   "gidNumber": "1", "homeDirectory": "/",
                   "mailHost": "127.0.10.2"})
    # Written last: who sees this one has seen the others.
    directory.add_mailbox("last", labeledURI=uri + "last")
    wait_for(lambda: referral_dict.mailbox("Shared/last"))
    assert set(referral_dict.mailboxes()) == {
        SALES, "Shared/Büro & co", "Shared/last"}


# --- cache

def test_home_is_cached(dicts: Dicts, tap: LdapTap) -> None:
    cached = dicts.make(uris=tap.uri, home_ttl="1h")
    assert cached.home("bob") == cached.home("bob") is not None
    assert tap.home_searches("bob") == 1
    assert cached.home("carol") != cached.home("bob")
    assert tap.home_searches("carol") == 1
    assert tap.home_searches("bob") == 1


def test_absence_is_cached(dicts: Dicts, tap: LdapTap) -> None:
    cached = dicts.make(uris=tap.uri, home_negative_ttl="1h",
                        home_ttl="1s")
    assert cached.home("nobody") is None
    assert cached.home("nobody") is None
    assert tap.home_searches("nobody") == 1


def test_ttls_end(dicts: Dicts, tap: LdapTap, directory: Directory) -> None:
    cached = dicts.make(uris=tap.uri, home_ttl="500ms",
                        home_negative_ttl="1h")
    directory.add_person("test", mailHost="imap2.example.org")
    assert cached.home("test") == "imap://imap2.example.org:10143/"
    directory.set(directory.person("test"), mailHost="imap3.example.org")
    wait_for(lambda: cached.home("test")
             == "imap://imap3.example.org:10143/")

    cached = dicts.make(uris=tap.uri, home_ttl="1h",
                        home_negative_ttl="500ms")
    assert cached.home("later") is None
    directory.add_person("later", mailHost="imap2.example.org")
    wait_for(lambda: cached.home("later"))


def test_failures_are_not_cached(dicts: Dicts, tap: LdapTap) -> None:
    cached = dicts.make(uris=tap.uri, home_ttl="1h", home_negative_ttl="1h",
                        timeout="1s")
    tap.hold()
    assert cached.fails("home", "bob")
    tap.release()
    wait_for(lambda: not cached.fails("home", "bob"))
    assert cached.home("bob")


def test_cache_is_bounded(dicts: Dicts, tap: LdapTap) -> None:
    cached = dicts.make(uris=tap.uri, home_ttl="1h", home_cache_size="2")
    for user in ("alice", "bob", "carol"):
        assert cached.home(user)
    for user in ("alice", "bob", "carol"):
        cached.home(user)
    # Two of them fit.
    searches = sum(tap.home_searches(user)
                   for user in ("alice", "bob", "carol"))
    assert 4 <= searches <= 6


def test_mailboxes_cost_no_search(dicts: Dicts, tap: LdapTap) -> None:
    loaded = dicts.make(uris=tap.uri, mailbox_refresh="1h")
    assert loaded.mailbox(SALES)
    searches = len(tap.searches())
    assert loaded.mailbox(f"{SALES}/2026")
    assert loaded.mailbox("Shared/nonexistent") is None
    assert loaded.mailboxes()
    assert len(tap.searches()) == searches
    assert not tap.searches(b"nonexistent")


# --- many at once, deadlines, reconnecting

USERS = [f"user{number}" for number in range(30)]


@pytest.fixture
def users(directory: Directory) -> list[str]:
    for number, user in enumerate(USERS, 1):
        directory.add_person(user, mailHost=f"imap{number}.example.org:143")
    return USERS


def _start_all(asked: Dict) -> list[tuple[str, object]]:
    return [(f"imap://imap{number}.example.org/", asked.start("home", user))
            for number, user in enumerate(USERS, 1)]


def test_searches_share_one_connection(dicts: Dicts, tap: LdapTap,
                                       users: list[str]) -> None:
    asked = dicts.make(uris=tap.uri, timeout="30s", home_ttl="1h",
                       mailbox_refresh="1h")
    # Connected and bound, the map loaded.
    assert asked.home("bob") and asked.mailbox(SALES)
    tap.hold()
    lookups = _start_all(asked)
    # All of them are on their way before the first is answered.
    wait_for(lambda: all(tap.home_searches(user) for user in users))
    tap.release()
    for wanted, lookup in lookups:
        assert lookup.result() == wanted
    assert tap.accepted == 1
    assert tap.binds == 1
    assert all(tap.home_searches(user) == 1 for user in users)


def test_requests_wait_for_one_connect(dicts: Dicts, tap: LdapTap,
                                       users: list[str]) -> None:
    """Nothing is connected when they come."""
    asked = dicts.make(uris=tap.uri, timeout="30s")
    tap.hold()
    lookups = _start_all(asked)
    wait_for(lambda: tap.binds)
    tap.release()
    for wanted, lookup in lookups:
        assert lookup.result() == wanted
    assert tap.accepted == 1
    assert tap.binds == 1


def test_many_logins_at_once(sandbox: Sandbox) -> None:
    clients = [(sandbox.imap(), user) for user in ("alice", "bob", "carol",
                                                   "dave", "erin") * 10]
    wanted = {"alice": "OK", "dave": "OK", "bob": "NO", "carol": "NO",
              "erin": "NO"}
    for client, user in clients:
        client.send(f"a LOGIN {user} {sandbox.password}\r\n".encode())
    for client, user in clients:
        reply = client.reply(b"a")
        assert reply.status == wanted[user], (user, reply)
        if reply.status == "NO":
            assert reply.referral
            assert reply.referral.startswith(f"imap://{user};AUTH=PLAIN@")
        client.close()


def test_requests_are_resent_on_a_new_connection(dicts: Dicts, tap: LdapTap,
                                                 users: list[str]) -> None:
    asked = dicts.make(uris=tap.uri, timeout="30s", mailbox_refresh="1h")
    assert asked.home("bob") and asked.mailbox(SALES)
    tap.hold()
    lookups = _start_all(asked)
    wait_for(lambda: all(tap.home_searches(user) for user in users))
    tap.cut()
    tap.release()
    for wanted, lookup in lookups:
        assert lookup.result() == wanted
    assert tap.accepted == 2
    assert tap.binds == 2


def test_idle_disconnect_is_not_noticed(dicts: Dicts, tap: LdapTap) -> None:
    asked = dicts.make(uris=tap.uri, home_ttl="1h")
    assert asked.home("bob")
    tap.cut()
    assert asked.home("carol")
    assert asked.home("alice")


def test_server_restarts(sandbox: Sandbox, referral_dict: Dict,
                         ldap1) -> None:
    assert referral_dict.home("bob")
    ldap1()
    wait_for(lambda: referral_dict.fails("home", "bob"))
    sandbox.start("ldap1")
    wait_for(lambda: not referral_dict.fails("home", "bob"))
    assert referral_dict.home("bob") == f"imap://{sandbox.server(2)}/"
    assert referral_dict.mailbox(SALES)


def _seconds(function) -> float:
    start = time.monotonic()
    function()
    return time.monotonic() - start


@pytest.mark.parametrize("timeout, longest", [(None, 4), ("300ms", 2)],
                         ids=["default", "300ms"])
def test_deadline(dicts: Dicts, tap: LdapTap, timeout: str | None,
                  longest: float) -> None:
    """The default is 2 s. Beyond the deadline there is doveadm's start."""
    asked = dicts.make(uris=tap.uri, timeout=timeout, home_ttl="1h")
    tap.hold()
    # Binding hangs.
    for kind, name in (("home", "bob"), ("mailbox", SALES)):
        assert _seconds(lambda: asked.fails(kind, name)) < longest
        assert asked.fails(kind, name)
    tap.release()
    wait_for(lambda: not asked.fails("home", "bob"))
    tap.hold()
    # Searching hangs.
    for user in ("alice", "carol"):
        assert _seconds(lambda: asked.fails("home", user)) < longest
        assert asked.fails("home", user)
    # What is known already is not touched.
    assert asked.home("bob")
    tap.release()
    wait_for(lambda: not asked.fails("home", "carol"))


def test_refused_connection_fails_at_once(dicts: Dicts,
                                          tap: LdapTap) -> None:
    tap.close()
    asked = dicts.make(uris=tap.uri, timeout="30s")
    assert _seconds(lambda: asked.fails("home", "bob")) < 10
    assert asked.fails("home", "bob")
    assert asked.fails("mailbox", SALES)


def test_a_hung_search_does_not_hold_up_others(dicts: Dicts, tap: LdapTap,
                                               sandbox: Sandbox) -> None:
    asked = dicts.make(uris=tap.uri, timeout="10s")
    tap.hold()
    waiting = asked.start("home", "bob")
    wait_for(lambda: tap.accepted)
    # Another directory in the same process.
    other = dicts.make()
    assert _seconds(lambda: other.home("bob")) < 5
    tap.release()
    assert waiting.result()


# --- how to bind and connect

def test_ldapi(sandbox: Sandbox, dicts: Dicts) -> None:
    socket_uri = sandbox.env["LDAP1_LDAPI"]
    if not socket_uri.startswith("ldapi://"):
        socket_uri = "ldapi://" + urllib.parse.quote(socket_uri, safe="")
    asked = dicts.make(uris=socket_uri)
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
    assert asked.mailbox(SALES)


def test_ldapi_socket_that_does_not_exist(dicts: Dicts, log) -> None:
    uri = "ldapi://%2Fno%2Fsuch%2Fsocket"
    assert dicts.make(uris=uri).fails("home", "bob")
    log.wait(uri)


def _password_file(sandbox: Sandbox, name: str, content: str) -> Path:
    real = Path(sandbox.env["LDAP_PASSWORD_FILE"])
    path = real.with_name(name)
    path.write_text(content)
    path.chmod(0o644)
    return path


def test_wrong_password(sandbox: Sandbox, dicts: Dicts, log) -> None:
    path = _password_file(sandbox, "wrong", "not the password\n")
    asked = dicts.make(password_file=str(path))
    failure = asked.fails("home", "bob")
    assert failure
    line = log.wait("nvalid credentials")
    assert "not the password" not in line + failure
    assert asked.fails("mailbox", SALES)
    path.unlink()


def test_password_is_the_first_line(sandbox: Sandbox, dicts: Dicts) -> None:
    password = Path(sandbox.env["LDAP_PASSWORD_FILE"]).read_text()
    first = password.splitlines()[0]
    for number, content in enumerate((first, f"{first}\n",
                                      f"{first}\r\n# changed in May\n")):
        path = _password_file(sandbox, f"password{number}", content)
        assert dicts.make(password_file=str(path)).home("bob")
        path.unlink()


def test_password_file_that_does_not_exist(dicts: Dicts, log) -> None:
    asked = dicts.make(password_file="/no/such/password-file")
    assert asked.fails("home", "bob")
    log.wait("/no/such/password-file")


def test_password_is_in_no_log(sandbox: Sandbox, referral_dict: Dict) -> None:
    password = Path(sandbox.env["LDAP_PASSWORD_FILE"]).read_text()
    everything = Path(sandbox.env["IMAP1_LOG"]).read_bytes()
    assert password.splitlines()[0].encode() not in everything


# --- the map of mailboxes

def _add_many(directory: Directory, count: int = 50) -> dict[str, str]:
    """Mailboxes, with what the dict is to say of them."""
    rows = {}
    for number in range(count):
        name = f"Shared/many/{number}"
        directory.add_mailbox(name, mailHost="imap2.example.org:143")
        rows[name] = f"imap://imap2.example.org/{name}"
    return rows


def test_load_is_paged(dicts: Dicts, tap: LdapTap,
                       directory: Directory) -> None:
    rows = _add_many(directory)
    loaded = dicts.make(uris=tap.uri, mailbox_page_size="10",
                        mailbox_refresh="1h")
    for name in ("Shared/many/0", "Shared/many/49"):
        assert loaded.mailbox(name) == rows[name]
    assert len(tap.loads()) >= 5
    listed = loaded.mailboxes()
    assert rows.items() <= listed.items()
    assert len(listed) == len(rows) + 2


def test_more_than_the_servers_size_limit(sandbox: Sandbox, dicts: Dicts,
                                          directory: Directory) -> None:
    # slapd ends an ordinary search after 500 entries.
    rows = _add_many(directory, 600)
    listed = dicts.make().mailboxes()
    assert rows.items() <= listed.items()


def test_changes_are_seen(sandbox: Sandbox, referral_dict: Dict,
                          directory: Directory) -> None:
    name = "Shared/new"
    assert referral_dict.mailbox(name) is None
    dn = directory.add_mailbox(name, mailHost="imap2.example.org:143")
    wait_for(lambda: referral_dict.mailbox(name)
             == "imap://imap2.example.org/Shared/new")
    assert name in referral_dict.mailboxes()
    directory.set(dn, mailHost="imap3.example.org:143")
    wait_for(lambda: referral_dict.mailbox(name)
             == "imap://imap3.example.org/Shared/new")
    directory.delete(dn)
    wait_for(lambda: referral_dict.mailbox(name) is None)
    assert name not in referral_dict.mailboxes()


def test_first_request_waits_for_the_load(dicts: Dicts, tap: LdapTap,
                                          directory: Directory) -> None:
    rows = _add_many(directory, 30)
    loaded = dicts.make(uris=tap.uri, timeout="30s", mailbox_page_size="5")
    in_load = threading.Event()
    go_on = threading.Event()

    def stop_in_the_middle(_: bytes) -> None:
        if len(tap.loads()) == 3:
            in_load.set()
            go_on.wait(30)
    tap.on_search = stop_in_the_middle
    names = ["Shared/many/0", "Shared/many/29"]
    lookups = [loaded.start("mailbox", name) for name in names]
    assert in_load.wait(30)
    # Of a half-loaded map nothing is told, in particular not "not found".
    lookups.append(loaded.start("mailbox", "Shared/many/15"))
    names.append("Shared/many/15")
    go_on.set()
    for name, lookup in zip(names, lookups):
        assert lookup.result() == rows[name]


def test_old_answers_while_loading(dicts: Dicts, tap: LdapTap,
                                   directory: Directory) -> None:
    rows = _add_many(directory, 30)
    loaded = dicts.make(uris=tap.uri, timeout="30s", mailbox_page_size="5",
                        mailbox_refresh="1s")
    assert loaded.mailbox("Shared/many/29")
    # In the middle of some later load.
    in_load = threading.Event()
    go_on = threading.Event()
    first = len(tap.loads())

    def stop_in_the_middle(_: bytes) -> None:
        if len(tap.loads()) == first + 10:
            in_load.set()
            go_on.wait(30)
    tap.on_search = stop_in_the_middle
    assert in_load.wait(30)
    try:
        for name in ("Shared/many/0", "Shared/many/15", "Shared/many/29"):
            assert loaded.mailbox(name) == rows[name]
        assert rows.items() <= loaded.mailboxes().items()
    finally:
        go_on.set()


def test_a_load_that_fails_changes_nothing(dicts: Dicts, tap: LdapTap,
                                           directory: Directory) -> None:
    rows = _add_many(directory, 30)
    loaded = dicts.make(uris=tap.uri, mailbox_page_size="5",
                        mailbox_refresh="1s", timeout="1s")
    names = ("Shared/many/0", "Shared/many/15", "Shared/many/29")
    for name in names:
        assert loaded.mailbox(name) == rows[name]

    cuts = 0

    def cut(message: bytes) -> None:
        nonlocal cuts
        if is_later_page(message):
            cuts += 1
            tap.cut()
    tap.on_search = cut

    def check() -> bool:
        for name in names:
            try:
                assert loaded.mailbox(name) == rows[name]
            except DictFailure:
                pass
        return cuts >= 3
    wait_for(check)
    tap.on_search = lambda _: None
    directory.add_mailbox("Shared/many/new", mailHost="imap2.example.org")
    wait_for(lambda: not loaded.fails("mailbox", "Shared/many/new")
             and loaded.mailbox("Shared/many/new"))


def test_a_first_load_that_fails_is_a_failure(dicts: Dicts, tap: LdapTap,
                                              directory: Directory) -> None:
    _add_many(directory, 30)
    tap.on_search = lambda message: tap.cut() \
        if is_later_page(message) else None
    loaded = dicts.make(uris=tap.uri, mailbox_page_size="5", timeout="1s")
    for name in ("Shared/many/0", "Shared/many/29", "Shared/none"):
        assert loaded.fails("mailbox", name)
    with pytest.raises(DictFailure):
        loaded.mailboxes()


def test_the_search_base_is_missing(sandbox: Sandbox, dicts: Dicts) -> None:
    """The server's noSuchObject is not an empty directory."""
    wrong = f"ou=nowhere,{sandbox.env['LDAP_BASE']}"
    assert dicts.make(mailbox_base=wrong).fails("mailbox", SALES)
    assert dicts.make(home_base=wrong).fails("home", "bob")


# --- wrong settings

WRONG = {
    "unknown setting": ("referral_ldap_colour = red", "[Uu]nknown"),
    # These are not for us to explain where Dovecot reads the file.
    "other prefix": ("uris = ldap://localhost",
                     "referral_ldap_" if dovecot.IS_2_3 else "[Uu]nknown"),
    "no equals sign": ("referral_ldap_timeout 2s",
                       "=" if dovecot.IS_2_3 else "Expecting"),
    "time": ("referral_ldap_timeout = soon", r"\bms\b|second"),
    "time without unit": ("referral_ldap_home_ttl = 5 parsecs",
                          r"\bms\b|second"),
    "negative time": ("referral_ldap_home_ttl = -1s", r"\bms\b|second"),
    "port": ("referral_ldap_default_port = 70000", "65535"),
    "port 0": ("referral_ldap_default_port = 0", "65535"),
    "port name": ("referral_ldap_default_port = imap", "65535"),
    "number": ("referral_ldap_mailbox_page_size = many", "number"),
    "page size 0": ("referral_ldap_mailbox_page_size = 0", "1"),
    "scheme": ("referral_ldap_uris = http://localhost", "ldap://"),
    "no scheme": ("referral_ldap_uris = localhost", "ldap://"),
    "uri port": ("referral_ldap_uris = ldap://localhost:99999",
                 "ldap://|65535"),
    "scope": ("referral_ldap_home_scope = sideways", "subtree"),
    "filter": ("referral_ldap_home_filter = (uid=%{user}", "filter"),
    "filter variable": ("referral_ldap_home_filter = (uid=%{usr})",
                        r"%\{user\}"),
    "filter, old variable": ("referral_ldap_home_filter = (uid=%u)",
                             r"%\{user\}"),
    "mailbox filter": ("referral_ldap_mailbox_filter = cn=*)", "filter"),
    "attribute": ("referral_ldap_home_attribute = mail host", "attribute"),
}


@pytest.mark.parametrize("line, expectation", WRONG.values(), ids=WRONG)
def test_wrong_settings_line(dicts: Dicts, log, line: str,
                             expectation: str) -> None:
    dicts.expect_complaint(log, line, expectation)


@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
@pytest.mark.parametrize("name, expectation", [("uris", "ldap://"),
                                               ("base", "dc=")])
def test_required_setting_is_missing(dicts: Dicts, log, name: str,
                                     expectation: str,
                                     value: str | None) -> None:
    asked, path = dicts.take(**{name: value})
    message = dicts.complaint(asked, path, log)
    assert f"referral_ldap_{name}" in message and expectation in message


def test_settings_file_does_not_exist(dicts: Dicts, log) -> None:
    asked, path = dicts.take()
    path.unlink()
    assert dovecot.complaint_of_missing_file(path) in \
        dicts.complaint(asked, path, log)


def test_comments_blank_lines_and_spaces(sandbox: Sandbox,
                                         dicts: Dicts) -> None:
    asked, path = dicts.take()
    path.write_text("# comment\n\n   # another\n\t\n" + "".join(
        f"  {line.replace(' = ', '=', 1)}  \n"
        for line in path.read_text().splitlines()))
    dicts.reload()
    assert asked.home("bob") == f"imap://{sandbox.server(2)}/"
