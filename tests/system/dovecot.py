"""What Dovecot 2.3 and 2.4 want written differently."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

from wire import Reply

VERSION = subprocess.run(["dovecot", "--version"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout.split()[0]
IS_2_3 = VERSION.startswith("2.3.")

# How a configuration begins.
HEAD = "" if IS_2_3 else ("dovecot_config_version = 2.4.0\n"
                          "dovecot_storage_version = 2.4.0\n")

# No login before STARTTLS.
STARTTLS_ONLY = "ssl = required" if IS_2_3 \
    else "ssl = required\nauth_allow_cleartext = no"

# How imap-login says that a user has logged in.
LOGGED_IN = "Login: user=" if IS_2_3 else "Logged in: user="

# The line that loads our mail plugin.
LOADS_MAIL_PLUGIN = ("mail_plugins = $mail_plugins imap_referral" if IS_2_3
                     else "imap_referral = yes")

# Names are in UTF-8 for clients that ask for it.
UTF8_ACCEPT = None if IS_2_3 else "mail_utf8_extensions = yes"

# Clients that idle are kept without a process of their own.
HIBERNATES = """
imap_hibernate_timeout = 1s
service imap {
  unix_listener imap-master {
    user = dovecot
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
"""

# What COMPRESS needs: 2.4 has it built in.
COMPRESSES = ("protocol imap {\n  mail_plugins = $mail_plugins imap_zlib\n}"
              if IS_2_3 else "")


def imap_process_serves(count: int) -> str:
    """Configuration of one imap process for everybody, and so many of them at
    once."""
    no_limit = (("service_count", 0) if IS_2_3
                else ("restart_request_count", "unlimited"))
    return ("service imap {\n  process_limit = 1\n"
            f"  client_limit = {count}\n  %s = %s\n}}\n" % no_limit)


def _dict(name: str, uri: str, settings: str) -> str:
    if IS_2_3:
        return f"dict {{\n  {name} = {uri}\n}}\n"
    return f"dict_server {{\n  dict {name} {{\n{settings}\n  }}\n}}\n"


def ldap_dict(name: str, path: Path) -> str:
    """Configuration of a dict with our driver and a settings file."""
    return _dict(name, f"referral-ldap:{path}",
                 f"driver = referral-ldap\n!include {path}")


def file_dict(name: str, path: Path) -> str:
    return _dict(name, f"file:{path}", f"driver = file\nfile_path = {path}")


def proxy_dict(name: str, socket: Path, target: str) -> str:
    """A dict that asks the dict of the name `target` at another socket."""
    return _dict(name, f"proxy:{socket}:{target}",
                 f"driver = proxy\nproxy_name = {target}\n"
                 f"proxy_socket_path = {socket}")


def doveadm_dict(socket: str, name: str) -> tuple[str, str]:
    """A configuration for doveadm, and what its command `dict` then takes
    for the dict of this name at the socket. It says all: what a test has done
    to a server's configuration shall not matter."""
    config = HEAD + "log_path = /dev/stderr\nssl = no\n"
    if IS_2_3:
        return config, f"proxy:{socket}:{name}"
    # Any setting that has a dict in it.
    return (f"{config}mail_attribute {{\n  dict proxy {{\n"
            f"    name = {name}\n    socket_path = {socket}\n  }}\n}}\n",
            "mail_attribute")


def place_of_setting(path: Path, line: int, name: str) -> str:
    """How a message says where the wrong setting is, as a pattern. 2.4 checks
    values when it has read all files: then there is only the name."""
    place = rf"{re.escape(str(path))}\D{{1,10}}{line}\b"
    return place if IS_2_3 else rf"{place}|\b{re.escape(name)}\b"


def complaint_of_missing_file(path: Path) -> str:
    """2.4 names the line with the !include."""
    return str(path) if IS_2_3 else "No matches"


def proxy_passdb(host: str, port: int) -> str:
    """Configuration of a proxy that leaves passwords to the server behind."""
    fields = ("proxy=y", f"host={host}", f"port={port}", "nopassword=y")
    if IS_2_3:
        return ("disable_plaintext_auth = no\npassdb {\n  driver = static\n"
                f"  args = {' '.join(fields)}\n}}\n")
    return ("auth_allow_cleartext = yes\npassdb static {\n  fields {\n"
            + "".join(f"    {field}\n" for field in fields) + "  }\n}\n")


# What a passdb before ours needs.
CONTINUE = "result_success = continue"


def only_for(mechanism: str) -> str:
    """Line of a passdb."""
    return f"mechanisms = {mechanism}" if IS_2_3 \
        else f"mechanisms_filter = {mechanism}"



def _passdb(name: str, driver: str, settings: list[str],
            rules: tuple[str, ...]) -> str:
    head = "passdb" if IS_2_3 else f"passdb {name}"
    lines = [f"driver = {driver}", *settings, *rules]
    return f"{head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def passwd_file(path: Path | str, *rules: str,
                name: str = "passwd-file") -> str:
    """Configuration of a passdb, as all of the following."""
    return _passdb(name, "passwd-file", [
        f"args = {path}" if IS_2_3 else f"passwd_file_path = {path}"], rules)


def no_password(*rules: str, name: str = "no-password") -> str:
    """Accepts everybody."""
    return _passdb(name, "static", [
        "args = nopassword=y" if IS_2_3
        else "fields {\n    nopassword = yes\n  }"], rules)


def lua(script: Path, *rules: str, name: str = "lua") -> str:
    """Runs in the process auth-worker."""
    return _passdb(name, "lua", [
        f"args = file={script} blocking=yes" if IS_2_3
        else f"lua_file = {script}"], rules)


def ldap(folder: Path, uri: str, base: str, reader: tuple[str, str],
         *rules: str, bind: bool) -> str:
    """Asks the directory for the password, or checks it by a bind."""
    dn, password = reader
    yes = "yes" if bind else "no"
    if not IS_2_3:
        fields = "    user = %{ldap:uid}\n" + \
            ("" if bind else "    password = %{ldap:userPassword}\n")
        return (f"ldap_uris = {uri}\nldap_base = {base}\n"
                f"ldap_auth_dn = {dn}\nldap_auth_dn_password = {password}\n"
                + _passdb("ldap", "ldap", [
                    "ldap_filter = (uid=%{user})", f"ldap_bind = {yes}",
                    "default_password_scheme = PLAIN",
                    f"fields {{\n{fields}  }}"], rules))
    settings = folder / "passdb-ldap.conf.ext"
    attributes = "uid=user" + ("" if bind else ",userPassword=password")
    settings.write_text(f"uris = {uri}\nbase = {base}\ndn = {dn}\n"
                        f"dnpass = {password}\nauth_bind = {yes}\n"
                        f"pass_filter = (uid=%u)\npass_attrs = {attributes}\n"
                        "default_pass_scheme = PLAIN\n")
    return _passdb("ldap", "ldap", [f"args = {settings}"], rules)


# Names as they come, in lower case and without a domain.
USERNAME_FORMAT = "auth_username_format = " + (
    "%Ln" if IS_2_3 else "%{user | username | lower}")

# What is right and wrong is remembered.
CACHE = ("auth_cache_size = 1M\nauth_cache_ttl = 1 hour\n"
         "auth_cache_negative_ttl = 1 hour\n")


def tokens(folder: Path, *rules: str) -> str:
    """Checks OAuth tokens of the form JWT by the keys in the folder. 2.4 needs
    no passdb for that."""
    if not IS_2_3:
        return f"""
oauth2 {{
  introspection_mode = local
  username_attribute = sub
}}
oauth2_local_validation {{
  dict fs {{
    fs posix {{
      prefix = {folder}/
    }}
  }}
}}
"""
    settings = folder / "oauth2.conf.ext"
    settings.write_text("introspection_mode = local\n"
                        "username_attribute = sub\n"
                        f"local_validation_key_dict = fs:posix:prefix={folder}/"
                        "\n")
    settings.chmod(0o644)
    return _passdb("oauth2", "oauth2", [
        f"args = {settings}", "mechanisms = oauthbearer xoauth2"], rules)


# The word of `doveadm auth test -x` for the protocol.
AUTH_PROTOCOL = "service" if IS_2_3 else "protocol"

# All protocols that Dovecot has, on the ports of OTHER_PORTS.
OTHER_PORTS = {"submission": 10587, "sieve": 14190, "lmtp": 10024}
OTHER_PROTOCOLS = f"""
protocols = imap pop3 lmtp submission sieve
service submission-login {{
  inet_listener submission {{
    port = {OTHER_PORTS["submission"]}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {OTHER_PORTS["sieve"]}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {OTHER_PORTS["lmtp"]}
  }}
}}
submission_relay_host = 127.0.0.1
submission_backend_capabilities = 8BITMIME
"""


def says_unavailable(mechanism: str, reply: Reply) -> bool:
    """With tokens 2.4 says it only in its explanation."""
    if not IS_2_3 and mechanism in ("OAUTHBEARER", "XOAUTH2"):
        explanation = base64.b64decode(reply.continuations[-1][2:])
        return b"500" in explanation or b"internal_failure" in explanation
    return reply.tagged.startswith("NO [UNAVAILABLE]")


def mechanisms(*more: str) -> str:
    """Configuration with these beside the usual ones."""
    return ("auth_mechanisms = plain login cram-md5 scram-sha-1 "
            f"scram-sha-256 {' '.join(more)}\n")


def client_certificates(authority: str) -> str:
    """The certificate says who the user is; none is needed to connect."""
    if IS_2_3:
        return (f"ssl_ca = <{authority}\nssl_verify_client_cert = yes\n"
                "ssl_require_crl = no\nauth_ssl_username_from_cert = yes\n")
    return (f"ssl_server {{\n  ca_file = {authority}\n"
            "  request_client_cert = yes\n  require_crl = no\n}\n"
            "auth_ssl_username_from_cert = yes\n")


def environment(**variables: object) -> str:
    """Variables for all processes."""
    if IS_2_3:
        words = " ".join(f"{name}={value}"
                         for name, value in variables.items())
        return f"import_environment = $import_environment {words}\n"
    return ("import_environment {\n"
            + "".join(f"  {name} = {value}\n"
                      for name, value in variables.items()) + "}\n")


def static_userdb(user: str, group: str, home: str) -> str:
    """Configuration of a userdb that knows everybody."""
    if IS_2_3:
        return ("userdb {\n  driver = static\n"
                f"  args = uid={user} gid={group} home={home}/%u\n}}\n")
    return ("userdb static {\n  fields {\n"
            f"    uid = {user}\n    gid = {group}\n"
            f"    home = {home}/%{{user}}\n  }}\n}}\n")


def namespace(name: str, prefix: str, *settings: str) -> str:
    """Configuration of a public namespace with no mailbox of its own."""
    nothing = ("  location = fail::LAYOUT=none\n" if IS_2_3 else
               "  mail_driver = fail\n  mailbox_list_layout = none\n")
    return (f"namespace {name} {{\n  type = public\n  separator = /\n"
            f"  prefix = {prefix}\n  subscriptions = no\n{nothing}"
            + "".join(f"  {setting}\n" for setting in settings) + "}\n")


def separator_dot(*more: str) -> str:
    """Configuration that gives all namespaces of the sandbox, and more of
    them by the names in their prefixes, another separator."""
    user = "%%u" if IS_2_3 else "$user"
    prefixes = {"inbox": "", "shared": "Shared.", "users": f"Users.{user}.",
                **{name.lower(): f"{name}." for name in more}}
    return "".join(f"namespace {name} {{\n  separator = .\n"
                   f"  prefix = {prefix}\n}}\n"
                   for name, prefix in prefixes.items())


# Plugins that everybody has beside ours, in mail_plugins of all processes and
# of imap. (2.3 crashes with both fts_squat and imap_sieve.)
PLUGINS = ["acl", "quota", "virtual", "notify", "mail_log", "fts",
           *(["fts_xapian", "zlib"] if IS_2_3
             else ["fts_flatcurve", "mail_compress"])]
IMAP_PLUGINS = ["imap_acl", "imap_quota", "imap_sieve"]

PLUGIN_SETTINGS = """
plugin {
  mail_log_events = delete expunge copy save mailbox_create mailbox_rename
  fts = xapian
  fts_xapian = partial=3 full=20
  fts_autoindex = yes
  zlib_save = gz
}
""" if IS_2_3 else """
mail_log_events = delete expunge copy save mailbox_create mailbox_rename
fts_autoindex = yes
fts flatcurve {
}
language_filters = normalizer-icu snowball stopwords
language_tokenizers = generic email-address
language en {
  default = yes
  filters = lowercase
}
mail_compress_write_method = gz
"""


def mail_plugins(everywhere: list[str], imap: list[str]) -> str:
    """Configuration that loads these mail plugins and no others."""
    return (f"mail_plugins = {' '.join(everywhere)}\nprotocol imap {{\n"
            f"  mail_plugins = {' '.join(everywhere + imap)}\n}}\n")


def namespace_at(name: str, driver: str, path: Path, layout: str = "",
                 **settings: str) -> str:
    """Configuration of where the mailboxes of a namespace are."""
    if IS_2_3:
        settings["location"] = f"{driver}:{path}" + \
            (f":LAYOUT={layout}" if layout else "")
    else:
        settings |= {"mail_driver": driver, "mail_path": str(path)}
        if layout:
            settings["mailbox_list_layout"] = layout
    return (f"namespace {name} {{\n"
            + "".join(f"  {key} = {value}\n"
                      for key, value in settings.items()) + "}\n")


def login_service(clients: int, one_a_process: bool) -> str:
    """Configuration of login processes for so many clients at a time: a new
    process for each of them, or two that live on."""
    if one_a_process:
        count, limit, available = "1", 1, 0
        processes = clients
    else:
        count = "0" if IS_2_3 else "unlimited"
        limit = clients
        processes = available = 2
    name = "service_count" if IS_2_3 else "restart_request_count"
    return (f"service imap-login {{\n  {name} = {count}\n"
            f"  client_limit = {limit}\n  process_limit = {processes}\n"
            f"  process_min_avail = {available}\n}}\n")
