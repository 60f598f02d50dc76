"""Changes to the configuration of the sandbox's servers."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox import Sandbox, set_line


class Config:
    """Changes the configuration of a server, which is restarted with it."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self._sandbox = sandbox
        self._name = f"imap{number}"
        env = sandbox.env
        self.dovecot = Path(env[f"DOVECONF{number}"])
        self.referral = Path(env[f"REFERRAL_CONF{number}"])
        self.ldap = Path(env[f"REFERRAL_LDAP_CONF{number}"])
        self._saved: dict[Path, bytes] = {}

    def _save(self, path: Path) -> None:
        self._saved.setdefault(path, path.read_bytes())

    def edit(self, referral: dict[str, str | None] | None = None,
             ldap: dict[str, str | None] | None = None,
             dovecot: str = "", remove: str = "",
             passdbs: str | None = None) -> None:
        """Set lines of the two settings files, append to Dovecot's
        configuration, remove a line of it wherever it is, and replace the
        passdb that checks passwords; stop before and start after."""
        self._sandbox.stop(self._name)
        self.write(referral, ldap, dovecot, remove, passdbs)
        self._sandbox.start(self._name)

    def write(self, referral: dict[str, str | None] | None = None,
              ldap: dict[str, str | None] | None = None,
              dovecot: str = "", remove: str = "",
              passdbs: str | None = None) -> None:
        """The same with the server stopped, or about to be."""
        for path, settings in ((self.referral, referral), (self.ldap, ldap)):
            for name, value in (settings or {}).items():
                self._save(path)
                set_line(path, name, value)
        if dovecot:
            self._save(self.dovecot)
            with open(self.dovecot, "a", encoding="utf-8") as stream:
                stream.write("\n" + dovecot + "\n")
        if remove:
            self._remove(remove)
        if passdbs is not None:
            self._save(self.dovecot)
            text, count = re.subn(r"(?ms)^passdb .*?^\}\n", lambda _: passdbs,
                                  self.dovecot.read_text(), count=1)
            assert count == 1, f"no passdb in {self.dovecot}"
            self.dovecot.write_text(text)

    def _remove(self, text: str) -> None:
        removed = False
        for path in self.dovecot.parent.rglob("*.conf"):
            lines = path.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.strip() != text]
            if kept != lines:
                self._save(path)
                path.write_text("".join(kept))
                removed = True
        assert removed, f"no line {text!r} below {self.dovecot.parent}"

    def restore(self) -> None:
        if not self._saved:
            return
        self._sandbox.stop(self._name)
        for path, content in self._saved.items():
            path.write_bytes(content)
        self._saved.clear()
        self._sandbox.start(self._name)
