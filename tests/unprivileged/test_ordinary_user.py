"""Root's run of the suite runs the core again as an ordinary user: most of what can go wrong differs between the two.

Knows: how to give another user a checkout and an interpreter that it can use.  Must not know: what is tested.

The user has a number and no name (nothing is added to the machine's accounts), a home of its own below ``/home``,
and an interpreter of the same version, since the compiled packages are taken over as they are.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What does not depend on the user is left out: the controls, which show that an attack bites without a sandbox, and
# whatever works on values only.
LANES = {
    "attacks, namespace tier": ("tests/attacks", "-k", "not -control and not -landlock"),
    "attacks, landlock tier": (
        "tests/attacks/test_files.py", "tests/attacks/test_processes.py", "tests/attacks/test_secrets_ipc.py",
        "tests/attacks/test_sockets.py", "-k", "not -control and not -namespace",
    ),
    "session": ("tests/session", "tests/cli", "-k", "not bare"),
    "cells": ("tests/linux/cell", "tests/linux/watch", "tests/verify/test_sandbox.py::test_what_is_promised_holds"),
    "git": ("tests/linux/git/test_use.py", "tests/linux/git/test_both_sides.py", "tests/linux/git/test_attack.py"),
}  # fmt: skip
MINUTES = 8  # a deadline for what hangs; each lane takes one or two
LEFT_OUT = ("mypy", "mypyc", "*__mypyc.*", "ruff", "pip", "win32more", "impacket", "__pycache__")

pytestmark = [
    pytest.mark.lane,
    pytest.mark.slow,
    pytest.mark.timeout(MINUTES * 60 + 30),
    pytest.mark.skipif(os.geteuid() != 0, reason="the whole suite runs as an ordinary user already"),
]


class Visitor(NamedTuple):
    """Another user: its number, its home, its checkout, its interpreter and where that finds packages."""

    uid: int
    home: Path
    checkout: Path
    python: str
    path: str

    def run(self, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        environ = {
            "HOME": os.fspath(self.home), "USER": "visitor", "LOGNAME": "visitor", "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": self.path,
        }  # fmt: skip
        return subprocess.run(
            [self.python, *words], user=self.uid, group=self.uid, extra_groups=[], cwd=self.checkout, env=environ,
            capture_output=True, text=True, errors="replace", timeout=seconds, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def free_uid() -> int:
    """A user number that no account and no process has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            taken.add(process.stat().st_uid)
        except OSError:
            continue
    # Workers run at once: each takes numbers of its own.
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
    return next(uid for uid in range(23000 + 100 * worker, 60000) if uid not in taken)


def interpreters() -> list[str]:
    """Interpreters of this version that another user may reach."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [getattr(sys, "_base_executable", sys.executable)]
    found += [f"/usr/bin/{name}", f"/usr/local/bin/{name}", "/usr/bin/python3"]
    return [path for path in dict.fromkeys(found) if os.path.exists(path)]


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    base = "/home" if os.access("/home", os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix="sidewall-visitor-", dir=base))
    try:
        checkout = home / "checkout"
        ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for name in ("src", "tests", "docs"):
            shutil.copytree(ROOT / name, checkout / name, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", checkout)
        packages = home / "packages"
        for place in dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")):
            shutil.copytree(place, packages, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        for path in packages.glob("*sidewall*"):
            if path.suffix == ".pth":  # it leads into a checkout that this user may not be able to read
                path.unlink()
        uid = free_uid()
        for directory, _, files in os.walk(home):
            os.chown(directory, uid, uid)
            for file in files:
                os.chown(os.path.join(directory, file), uid, uid, follow_symlinks=False)
        path = os.pathsep.join(map(os.fspath, (checkout / "src", packages)))
        for python in interpreters():
            made = Visitor(uid, home, checkout, python, path)
            try:
                if made.run("-c", "import pytest, msgspec, hypothesis, sidewall").returncode == 0:
                    break
            except OSError:  # not executable for that user
                continue
        else:
            pytest.skip(f"no Python {sys.version_info.major}.{sys.version_info.minor} that another user can run")
        yield made
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("lane", list(LANES))
def test_the_core_as_an_ordinary_user(visitor: Visitor, lane: str) -> None:
    base = tempfile.mkdtemp(prefix="sidewall-visitor-tmp-")
    os.chown(base, visitor.uid, visitor.uid)
    try:
        words = ("-m", "pytest", "-q", "--basetemp", f"{base}/t", *LANES[lane])
        done = visitor.run(*words, seconds=MINUTES * 60)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    assert done.returncode == 0, f"as user {visitor.uid}:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert " passed" in done.stdout.splitlines()[-1]


def test_the_visitor_is_ordinary(visitor: Visitor) -> None:
    done = visitor.run("-c", "import os; print(os.geteuid(), os.getgroups(), os.access('/root', os.R_OK))")
    assert done.stdout.split() == [str(visitor.uid), "[]", "False"]
