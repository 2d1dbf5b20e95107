"""A cell that confines nothing: the contract of ``platforms.contract`` on plain child processes of this one.

Knows: ``subprocess``, pidfd, pseudo terminals, /proc.  Must not know: the session.  An independent implementation, so
that every test of the session runs on it and on the machine's own cell, and a difference shows whose fault it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from sidewall.errors import CellGone
from sidewall.plan.guarantees import OPEN, Guarantee
from sidewall.plan.steps import UNCONFINED, Plan
from sidewall.platforms.contract import Attempt, Exit, Held
from sidewall.policy.model import GUARANTEES, Policy


class BareChild:
    """One process, waited for by its pidfd."""

    def __init__(self, cell: BareCell, process: subprocess.Popen[bytes], master: int) -> None:
        self._cell = cell
        self._process = process
        self._lock = threading.Lock()
        self._exit: Exit | None = None
        self.pid = process.pid
        self.status_fd = os.pidfd_open(process.pid)
        self.master_fd = self.keys_fd = master

    def wait(self, timeout: float | None = None) -> Exit | None:
        if self._exit is None:
            poller = select.poll()
            poller.register(self.status_fd, select.POLLIN)
            if not poller.poll(None if timeout is None else max(0.0, timeout) * 1000):
                return None
        with self._lock:
            if self._exit is None:
                _, status, usage = os.wait4(self.pid, 0)
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self._exit = Exit(returncode=self._process.returncode, user_seconds=usage.ru_utime,
                                  system_seconds=usage.ru_stime, max_rss_bytes=usage.ru_maxrss << 10)
        if self._cell.closed and self._exit.returncode == -signal.SIGKILL:
            raise CellGone("the sandbox has ended while a command was running")
        return self._exit

    def signal(self, number: int, *, tree: bool = False) -> None:
        with self._lock:
            if self._exit is None:
                if tree:
                    signal_family(self.pid, number)
                else:
                    os.kill(self.pid, number)

    def resize(self, rows: int, columns: int) -> None:
        if self.master_fd >= 0:
            fcntl.ioctl(self.master_fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        for fd in (self.status_fd, self.master_fd):
            if fd >= 0:
                os.close(fd)
        self.status_fd = self.master_fd = self.keys_fd = -1


class BareCell:
    """Children of this process, each in a session of its own."""

    root_fd = -1
    environment: Mapping[bytes, bytes] = {b"TMPDIR": b"/tmp"}

    def __init__(self, policy: Policy) -> None:
        report = tuple(Guarantee(name=name, level=OPEN, mechanism="none") for name in GUARANTEES)
        self.plan = Plan(platform="any", tier=UNCONFINED, policy=policy, steps=(), guarantees=report)
        self.closed = False
        self._sessions: list[int] = []
        self._children: list[BareChild] = []

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes], stdin: int,
              stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> BareChild:
        if self.closed:
            raise CellGone("the sandbox has ended")
        directory = self.plan.policy.workspace if cwd is None else cwd
        if terminal is None:
            process = subprocess.Popen(argv, cwd=directory, env=env, stdin=stdin, stdout=stdout, stderr=stderr,
                                       start_new_session=True)
            master = -1
        else:
            master, slave = pty.openpty()
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *terminal, 0, 0))
            try:
                process = subprocess.Popen(argv, cwd=directory, env=env, stdin=slave, stdout=slave, stderr=slave,
                                           start_new_session=True,
                                           preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            except BaseException:
                os.close(master)
                raise
            finally:
                os.close(slave)
        self._sessions.append(process.pid)
        child = BareChild(self, process, master)
        self._children.append(child)
        return child

    def settle(self) -> tuple[Held, ...]:
        return ()

    def attempts(self) -> tuple[Attempt, ...]:
        return ()

    def close(self) -> None:
        self.closed = True
        for session in self._sessions:
            signal_family(session, signal.SIGKILL)
        for child in self._children:
            with contextlib.suppress(ChildProcessError, CellGone, ValueError, OSError):
                child.wait(5.0)


def family(root: int) -> list[int]:
    """``root``, the processes of its session, and all their descendants, as far as they are there."""
    parents: dict[int, int] = {}
    found = {root} if Path(f"/proc/{root}").exists() else set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(fields[1])
            if int(fields[3]) == root and fields[0] != b"Z":
                found.add(int(entry.name))
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return sorted(found)


def signal_family(root: int, number: int) -> None:
    """Signals all of them, and those that were forked meanwhile, until there are no new ones."""
    told: set[int] = set()
    while new := set(family(root)) - told:
        for pid in sorted(new, key=lambda pid: pid != root):  # the root first: else a shell reports its child's death
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        told |= new


def opener(policy: Policy, tier: str) -> BareCell:
    """What ``Sandbox(opener=...)`` wants."""
    return BareCell(policy)
