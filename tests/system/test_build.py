"""The build from a clean checkout: one autoreconf, then a folder for each
kind of build. Nothing is written into the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import TOP


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, as git has it, after autoreconf."""
    copy = tmp_path_factory.mktemp("source")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=TOP,
                            stdout=subprocess.PIPE, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        if name and (TOP / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, target)
    _run(["autoreconf", "-i"], copy)
    return copy


def _run(command: list[str], where: Path, check: bool = True,
         **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=where, text=True,
                          env={**os.environ, **variables},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    assert done.returncode == 0 or not check, \
        f"{' '.join(command)}:\n{done.stdout[-5000:]}"
    return done


def _jobs() -> str:
    return f"-j{os.cpu_count() or 1}"


def test_build_and_install(source: Path, tmp_path: Path) -> None:
    """Out of tree, without a warning, every module where it belongs."""
    _run([str(source / "configure")], tmp_path)
    made = _run(["make", "V=1", _jobs()], tmp_path)
    assert "warning:" not in made.stdout
    # Nobody has to ask for the warnings.
    compiled = [line for line in made.stdout.splitlines()
                if " -c " in line and ".c" in line]
    assert compiled
    for line in compiled:
        assert "-Wall" in line and "-Wextra" in line
    _run(["make", "install", f"DESTDIR={tmp_path}/root"], tmp_path)
    installed = {path.name: path for path in (tmp_path / "root").rglob("*.so")}
    for name, folder, uses_ldap in (
            ("libdict_referral_ldap.so", "dict", True),
            ("libauthdb_imap_referral.so", "auth", False),
            ("lib00_imap_referral_plugin.so", "modules", False)):
        path = installed[name]
        assert path.parent.name == folder
        needed = _run(["readelf", "-d", str(path)], tmp_path).stdout
        assert ("libldap" in needed) == uses_ldap


@pytest.mark.parametrize("variables, options, package", [
    ({}, ["--with-dovecot=/nonexistent"], "dovecot-dev"),
    # The header is there, but says that it is not.
    ({"ac_cv_header_ldap_h": "no"}, [], "libldap-dev"),
], ids=["dovecot", "libldap"])
def test_configure_names_the_missing_package(
        source: Path, tmp_path: Path, variables: dict[str, str],
        options: list[str], package: str) -> None:
    done = _run([str(source / "configure"), *options], tmp_path, check=False,
                **variables)
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    # One sentence, and the last thing that is said.
    assert package in lines[-1]
    assert len([line for line in lines if package in line]) == 1


def test_distcheck(source: Path, tmp_path: Path) -> None:
    _run([str(source / "configure")], tmp_path)
    before = _modules()
    _run(["make", "distcheck", _jobs()], tmp_path)
    # It has left Dovecot's own folder alone.
    assert _modules() == before


def _modules() -> set[tuple[str, float]]:
    return {(str(path), path.stat().st_mtime)
            for path in Path("/usr/lib/dovecot").rglob("*.so")}


def test_licence() -> None:
    text = (TOP / "COPYING").read_text()
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "Version 2.1, February 1999" in text
