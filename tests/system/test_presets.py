"""One setting for each product whose directory keeps homes and mailboxes in
its own attributes: against a slapd that has these names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Dicts
from sandbox import TOP, Sandbox
from slapd import Slapd

BASE = "dc=product,dc=test"

# Under the OIDs of examples: it is the names that count.
ATTRIBUTE = ("attributetype ( 2.25.1.1.{number} NAME '{name}' "
             "EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )")
CLASS = ("objectclass ( 2.25.1.2.{number} NAME '{name}' SUP top {kind} "
         "MAY ( {may} ) )")


def schema(attributes: list[str], classes: dict[str, tuple[str, str]]) -> str:
    """Attributes, and classes with their kind and what they may have."""
    return "\n".join(
        [ATTRIBUTE.format(number=number, name=name)
         for number, name in enumerate(attributes)]
        + [CLASS.format(number=number, name=name, kind=kind, may=may)
           for number, (name, (kind, may)) in enumerate(classes.items())])


ROOT = f"""dn: {BASE}
objectClass: organization
objectClass: dcObject
o: Product
dc: product
"""


def entry(rdn: str, classes: list[str], **attributes: str) -> str:
    name, value = rdn.split("=")
    lines = [f"dn: {rdn},{BASE}", *(f"objectClass: {one}" for one in classes),
             f"{name}: {value}"]
    for attribute, values in attributes.items():
        lines += [f"{attribute}: {one}" for one in values.split("|")]
    return "\n" + "\n".join(lines) + "\n"


def person(uid: str, more: str = "", **attributes: str) -> str:
    return entry(f"uid={uid}", ["inetOrgPerson", *more.split()],
                 cn="Person", sn="Person", **attributes)


def labeled(name: str, uri: str) -> str:
    """A shared mailbox of a product that has none."""
    return entry(f"cn={name}", ["applicationProcess", "labeledURIObject"],
                 labeledURI=uri)


SALES = "imap://imap2.product.test/Shared/sales"
LABELED = labeled("sales", SALES)
# Neither is a mailbox, nor names it a home.
HOME_PAGE = person("web", "", labeledURI="http://www.product.test/~web")

# Schema, entries, homes, mailboxes.
PRODUCTS: dict[str, tuple[str, str, dict[str, str | None], dict[str, str]]] = {
    "native": (
        f"include {TOP}/src/schema/imap-referral.schema",
        person("bob", "imapReferralUser",
               imapHomeServer="imap3.product.test 20|imap2.product.test 10")
        + person("erin", "imapReferralUser", imapLoginReferral="offer",
                 imapHomeServer="imap://imap3.product.test/")
        + entry("cn=1", ["applicationProcess", "imapSharedMailbox"],
                imapMailboxName="Shared/sales", imapMailboxURI=SALES)
        + entry("cn=2", ["applicationProcess", "imapSharedMailbox"],
                imapMailboxName="Shared/hr",
                imapHomeServer="imap3.product.test"),
        {"bob": "imap://imap2.product.test/ imap://imap3.product.test/",
         "erin": "offer imap://imap3.product.test/", "web": None},
        {"Shared/sales": SALES,
         "Shared/hr": "imap://imap3.product.test/Shared/hr"}),
    "labeleduri": (
        "",
        person("bob", labeledURI="http://www.product.test/~bob"
               "|imap://imap2.product.test/ imap-home"
               "|imap://imap1.product.test/Notes my notes")
        + person("erin", labeledURI="imap://imap3.product.test/ imap-home 2"
                 "|imap://imap2.product.test/ imap-home 1")
        + person("carol", labeledURI="imap://imap3.product.test") + LABELED,
        {"bob": "imap://imap2.product.test/",
         "erin": "imap://imap2.product.test/ imap://imap3.product.test/",
         "carol": "imap://imap3.product.test/", "web": None},
        {"Shared/sales": SALES}),
    "laser": (
        "include /etc/ldap/schema/misc.schema",
        person("bob", "inetLocalMailRecipient", mailHost="imap2.product.test")
        + entry("cn=Shared\\2Fhr", ["applicationProcess",
                                    "inetLocalMailRecipient"],
                mailHost="imap3.product.test").replace(
                    "cn: Shared\\2Fhr", "cn: Shared/hr") + LABELED,
        {"bob": "imap://imap2.product.test/", "web": None},
        {"Shared/sales": SALES,
         "Shared/hr": "imap://imap3.product.test/Shared/hr"}),
    "kolab": (
        schema(["kolabHomeServer", "kolabTargetFolder"],
               {"kolabInetOrgPerson": ("AUXILIARY", "kolabHomeServer"),
                "kolabSharedFolder": ("STRUCTURAL", "cn $ kolabHomeServer $ "
                                      "kolabTargetFolder")}),
        person("bob", "kolabInetOrgPerson", mail="bob@product.test",
               kolabHomeServer="imap2.product.test")
        + entry("cn=sales", ["kolabSharedFolder"],
                kolabHomeServer="imap2.product.test",
                kolabTargetFolder="shared/sales@product.test")
        + entry("cn=hr", ["kolabSharedFolder"],
                kolabHomeServer="imap3.product.test"),
        {"bob": "imap://imap2.product.test/",
         "bob@product.test": "imap://imap2.product.test/", "web": None},
        {"sales": "imap://imap2.product.test/shared/sales%40product.test",
         "hr": "imap://imap3.product.test/hr"}),
    "sun": (
        schema(["mailHost", "mailAlternateAddress"],
               {"inetMailUser": ("AUXILIARY",
                                 "mailHost $ mailAlternateAddress"),
                "inetMailGroup": ("AUXILIARY", "mailHost")}),
        person("bob", "inetMailUser", mail="bob@product.test",
               mailHost="imap2.product.test",
               mailAlternateAddress="b.brown@product.test")
        # A list: no mailbox.
        + entry("cn=list", ["applicationProcess", "inetMailGroup"],
                mailHost="imap3.product.test") + LABELED,
        {"bob": "imap://imap2.product.test/",
         "bob@product.test": "imap://imap2.product.test/",
         "b.brown@product.test": "imap://imap2.product.test/", "web": None},
        {"Shared/sales": SALES}),
    "zimbra": (
        schema(["zimbraMailHost", "zimbraMailDeliveryAddress",
                "zimbraMailAlias"],
               {"zimbraAccount": ("AUXILIARY", "zimbraMailHost $ "
                                  "zimbraMailDeliveryAddress $ "
                                  "zimbraMailAlias")}),
        person("bob", "zimbraAccount", zimbraMailHost="imap2.product.test",
               zimbraMailDeliveryAddress="bob@product.test",
               zimbraMailAlias="robert@product.test|rob@product.test")
        + LABELED,
        {"bob": "imap://imap2.product.test/",
         "bob@product.test": "imap://imap2.product.test/",
         "rob@product.test": "imap://imap2.product.test/", "web": None},
        {"Shared/sales": SALES}),
    "exchange": (
        schema(["msExchHomeServerName", "sAMAccountName",
                "userPrincipalName"],
               {"user": ("AUXILIARY", "msExchHomeServerName $ "
                         "sAMAccountName $ userPrincipalName")}),
        entry("cn=Bob Brown", ["person", "user"], sn="Brown",
              sAMAccountName="bob", userPrincipalName="bob@product.test",
              msExchHomeServerName="/o=Org/ou=Exchange Administrative Group "
              "(X)/cn=Configuration/cn=Servers/cn=IMAP2")
        + entry("cn=Carol Clark", ["person", "user"], sn="Clark",
                sAMAccountName="carol",
                msExchHomeServerName="CN=imap3,CN=Servers,CN=Configuration,"
                "DC=product,DC=test") + LABELED,
        {"bob": "imap://imap2.product.test/",
         "bob@product.test": "imap://imap2.product.test/",
         "carol": "imap://imap3.product.test/", "web": None},
        {"Shared/sales": SALES}),
}

# Besides what the preset is the default of.
MORE = {"exchange": {"home_domain": "product.test"}}


@pytest.fixture(params=PRODUCTS, scope="module")
def product(request: pytest.FixtureRequest, sandbox: Sandbox) \
        -> Iterator[tuple[str, Slapd]]:
    text, entries, _, _ = PRODUCTS[request.param]
    server = Slapd(sandbox, request.param, BASE, text,
                   ROOT + entries + HOME_PAGE)
    yield request.param, server
    server.stop()


def _settings(product: tuple[str, Slapd]) -> dict[str, str | None]:
    name, server = product
    return {**server.settings, "default_port": "143", **MORE.get(name, {})}


def test_homes_and_mailboxes(dicts: Dicts,
                             product: tuple[str, Slapd]) -> None:
    _, _, homes, mailboxes = PRODUCTS[product[0]]
    asked = dicts.make(preset=product[0], **_settings(product))
    for user, home in homes.items():
        assert asked.home(user) == home, user
    assert asked.home("nobody") is None
    assert asked.mailboxes() == mailboxes
    for name, location in mailboxes.items():
        assert asked.mailbox(name) == location
        assert asked.mailbox(f"{name}/x") == f"{location}/x"


def test_each_setting_can_be_overridden(dicts: Dicts,
                                        product: tuple[str, Slapd]) -> None:
    """With the preset before and behind it in the file."""
    home = {"home_filter": "(cn=%{user})", "home_attribute": "description",
            "home_value": "server"}
    mailboxes = {"mailbox_filter": "(description=*)",
                 "mailbox_uri_attribute": "seeAlso",
                 "mailbox_host_attribute": "description",
                 "mailbox_name_attribute": "l"}
    server = product[1]
    server.add(entry("cn=override", ["applicationProcess"],
                     description="imap9.product.test", l="Shared/override"))
    for settings in ({"preset": product[0], **home, **mailboxes},
                     {**home, **mailboxes, "preset": product[0]}):
        asked = dicts.make(**{**_settings(product), "home_domain": None,
                              **settings})
        assert asked.home("override") == "imap://imap9.product.test/"
        assert asked.mailboxes() == {
            "Shared/override": "imap://imap9.product.test/Shared/override"}
    server.delete(f"cn=override,{BASE}")


def test_our_schema_is_added_to_a_running_server(sandbox: Sandbox,
                                                 dicts: Dicts) -> None:
    """As the administrator of one that is configured by cn=config does."""
    _, entries, homes, mailboxes = PRODUCTS["native"]
    server = Slapd(sandbox, "live", BASE, "", ROOT)
    try:
        server.add(TOP / "src" / "schema" / "imap-referral.ldif", "cn=config")
        server.add(entries.strip() + "\n")
        asked = dicts.make(preset="native", **server.settings,
                           default_port="143")
        for user, home in homes.items():
            assert asked.home(user) == home, user
        assert asked.mailboxes() == mailboxes
    finally:
        server.stop()


WRONG = {
    "preset": ("referral_ldap_preset = Lotus", "labeleduri.*zimbra"),
    "home value": ("referral_ldap_home_value = url", "labeled"),
    "home domain": ("referral_ldap_home_domain = a b", "domain"),
    "target attribute": ("referral_ldap_mailbox_target_attribute = a b",
                         "attribute"),
}


@pytest.mark.parametrize("line, expectation", WRONG.values(), ids=WRONG)
def test_wrong_settings_line(dicts: Dicts, log, line: str,
                             expectation: str) -> None:
    dicts.expect_complaint(log, line, expectation)
