"""Cells for tests: opened with a policy of their own, driven without a session.

Knows: the backend, the contract.  Must not know: what a test looks for.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

from sidewall.plan import compile as compile_plan
from sidewall.platforms.contract import Exit
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.backend import WindowsBackend
from sidewall.platforms.windows.cell import TokenCell
from sidewall.platforms.windows.children import EndingChild
from sidewall.policy import profiles
from sidewall.policy.model import Policy
from sidewall.session.system import POLLIN, pipe, poll

Cell: TypeAlias = TokenCell | AccountCell

SECONDS = 60.0
"""The deadline of every process here."""
PYTHON = sys.executable
BACKEND = WindowsBackend()


def on_wine() -> bool:
    """Whether this Windows is Wine."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def policy(workspace: str, **changes: Any) -> Policy:
    """The usual policy for a workspace; nothing is required unless it is said."""
    home = os.path.realpath(os.environ["USERPROFILE"])
    made = profiles.build(changes.pop("profile", ":workspace"), workspace=workspace, home=home, flavour="windows")
    return made.replace(**{"require": (), **changes})


def opened(workspace: str, *, tier: str = "token", **changes: Any) -> TokenCell:
    """An open cell."""
    about = policy(workspace, **changes)
    made = BACKEND.apply(compile_plan(about, BACKEND.facts(about, tier=tier), tier=tier))
    assert isinstance(made, TokenCell)
    return made


def start(cell: Cell, *argv: str, env: Mapping[bytes, bytes] | None = None, cwd: str | None = None,
          stdin: int = -1, stdout: int = -1, stderr: int = -1) -> EndingChild:
    """Starts a command; -1 is the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        streams = [null if fd < 0 else fd for fd in (stdin, stdout, stderr)]
        return cell.spawn(argv, cwd=cwd, env=usual() if env is None else env, stdin=streams[0], stdout=streams[1],
                          stderr=streams[2])
    finally:
        os.close(null)


def run(cell: Cell, *argv: str, env: Mapping[bytes, bytes] | None = None, cwd: str | None = None,
        data: bytes = b"") -> tuple[Exit, bytes, bytes]:
    """Runs a command to its end: how it ended, its output, its errors."""
    ends = [pipe() for _ in range(3)]
    (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = ends
    try:
        child = start(cell, *argv, env=env, cwd=cwd, stdin=theirs_in, stdout=theirs_out, stderr=theirs_err)
    except BaseException:
        for fd in (ours_in, ours_out, ours_err):
            os.close(fd)
        raise
    finally:
        for fd in (theirs_in, theirs_out, theirs_err):
            os.close(fd)
    if data:
        os.write(ours_in, data)
    os.close(ours_in)
    try:
        out, err = read_to_end(ours_out), read_to_end(ours_err)
        return ended(child), out, err
    finally:
        child.close()
        os.close(ours_out)
        os.close(ours_err)


def read_to_end(fd: int) -> bytes:
    """All that comes, until nobody writes any more or the deadline."""
    data = bytearray()
    deadline = time.monotonic() + SECONDS
    poller = poll()
    poller.register(fd, POLLIN)
    while poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        block = os.read(fd, 65536)
        if not block:
            return bytes(data)
        data += block
    raise AssertionError(f"it still writes after {SECONDS} s: {bytes(data[-200:])!r}")


def ended(child: EndingChild) -> Exit:
    """How it ended; fails when it has not by the deadline."""
    end = child.wait(SECONDS)
    if end is None:
        child.signal(9, tree=True)
        raise AssertionError(f"process {child.pid} did not end in {SECONDS} s")
    return end


_usual: dict[bytes, bytes] = {}


def usual() -> dict[bytes, bytes]:
    """The variables of a command that says nothing of them: the same object each time."""
    if not _usual:
        _usual.update({b"PATH": os.environ["PATH"].encode(), b"PYTHONUTF8": b"1", b"PYTHONIOENCODING": b"utf-8"})
    return _usual
