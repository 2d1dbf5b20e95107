"""The cell of one sandbox: made at first use, once, whoever comes first; ended once, whatever way the sandbox goes.

Knows: which policy, when to open and close, what all commands of a sandbox share.  Must not know: how a command's
output is read, or any platform.
"""

from __future__ import annotations

import os
import threading
import weakref

from sidewall.errors import CellGone, UsageError
from sidewall.platforms.contract import Cell
from sidewall.policy.environ import filter_environ
from sidewall.policy.model import WRITE, FileRule
from sidewall.session import system
from sidewall.session.leftovers import Leftovers
from sidewall.session.trail import Trail, trail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from sidewall.plan.facts import LinuxFacts
    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.guarantees import Guarantee
    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy

    Opener: TypeAlias = Callable[[Policy, str], Cell]
    """Makes a cell from a policy and a tier's name."""
    Facts: TypeAlias = LinuxFacts | WindowsFacts

CLOSED_HINT = "make a new Sandbox; a closed one stays closed"


def machine_cell(policy: Policy, tier: str) -> Cell:
    """A cell of this machine's own backend.

    Raises:
        GuaranteeError: something that the policy requires cannot be enforced here; nothing was started.
        MachineError: the machine did not do its part; nothing is left behind.
    """
    from sidewall.platforms import detect

    backend = detect.backend()
    return backend.apply(_planned(policy, backend.facts(policy, tier=tier), tier))


def _planned(policy: Policy, facts: Facts, tier: str) -> Plan:
    """The plan, which follows from these three and nothing else: who opens one sandbox after another in a workspace
    that stays as it is gets the one of the last time.  Raises as ``plan.compile``."""
    global _last
    last = _last
    if last is not None and last[1] == facts and last[0] == policy and last[2] == tier:
        return last[3]
    from sidewall.plan import compile as compile_plan

    plan = compile_plan(policy, facts, tier=tier)
    _last = policy, facts, tier, plan
    return plan


_last: tuple[Policy, Facts, str, Plan] | None = None


class Opening:
    """Shared by a sandbox's methods and its processes.  ``resolve`` gives the policy when it is first needed.

    ``cell``, ``environment`` (the variables of commands that bring none; never changed once there), ``null`` (an open
    descriptor of the null device), ``guarantees`` and ``session_id`` are there while the sandbox is open.
    """

    def __init__(self, resolve: Callable[[], Policy], tier: str, opener: Opener | None,
                 audit: bool | str | os.PathLike[str] = False) -> None:
        self._resolve = resolve
        self._audit = audit
        self._tier = tier
        self._opener = opener or machine_cell
        self._lock = threading.Lock()
        self._closed = False
        self._owner = 0
        self._end: Callable[[], object] | None = None
        self._policy: Policy | None = None
        self._shared: Policy | None = None
        self._root = -1
        self.cell: Cell | None = None
        self.environment: dict[bytes, bytes] = {}
        self.null = -1
        self.guarantees: tuple[Guarantee, ...] = ()
        self.session_id = ""
        self.leftovers = Leftovers()
        self.trail: Trail | None = None

    @property
    def policy(self) -> Policy:
        """The policy in force, resolved at first use.  Raises PolicyError."""
        policy = self._policy
        if policy is None:
            policy = self._policy = self._resolve()
        return policy

    def ready(self) -> Cell:
        """The open cell; opens it at the first call.

        Raises:
            CellGone: the sandbox is closed.
            UsageError: this process is a fork of the one that opened the sandbox.
            PolicyError, MachineError: as opening raises them.
        """
        cell = self.cell
        if cell is None:
            return self._open()
        if os.getpid() != self._owner:
            raise UsageError("this sandbox belongs to the process that opened it, not to its fork",
                             hint="open a Sandbox in the new process")
        return cell

    def _open(self) -> Cell:
        with self._lock:
            if self._closed:
                raise CellGone("the sandbox is closed", hint=CLOSED_HINT)
            if self.cell is not None:
                return self.cell
            policy = self.policy
            environment = filter_environ(policy.environ, system.environment())
            log = trail(self._audit, policy)
            session_id = os.urandom(8).hex()
            opened = null_devices()
            try:
                opened.append(system.root())
                cell = self._opener(policy, self._tier)
            except BaseException:
                _close(opened)
                raise
            leftovers = Leftovers()
            if log is not None:
                try:
                    log.opened(session_id, cell.plan)
                except BaseException:
                    _end(os.getpid(), cell, leftovers, opened, None)
                    raise
            self._end = weakref.finalize(self, _end, os.getpid(), cell, leftovers, opened, log)
            self.trail = log
            self.null, self._root = opened[-2:]
            self.leftovers = leftovers
            chosen = {os.path.normcase(os.fsencode(name)) for name, _ in policy.environ.set}
            for name, value in cell.environment.items():
                if os.path.normcase(name) not in chosen:
                    environment[name] = value
            self.environment = environment
            self.guarantees = cell.plan.guarantees
            self.session_id = session_id
            self._owner = os.getpid()
            self.cell = cell
            return cell

    def view(self) -> tuple[Policy, int]:
        """For file operations: the policy to ask, and a descriptor of the root to start from (-1: Windows has none).

        A cell that does not lend its own root shows its commands other directories at ``private`` paths than the host
        has there, so nothing at these may be touched from outside, but for a temporary directory that both see.
        """
        cell, policy = self.ready(), self.policy
        if cell.root_fd >= 0:
            return policy, cell.root_fd
        if self._shared is None:
            rules = policy.files
            temporary = os.fsdecode(cell.environment.get(system.TEMPORARY, b""))
            if temporary and temporary not in policy.private:
                rules += (FileRule(path=temporary, access=WRITE),)
            self._shared = policy.replace(files=rules, private=())
        return self._shared, self._root

    def kill(self) -> None:
        """Ends the cell and all its processes; the next use opens a new one.  No error if there is none."""
        with self._lock:
            end, self._end, self.cell, self._shared = self._end, None, None, None
        if end is not None:
            end()

    def close(self) -> None:
        """Ends the cell for good.  Idempotent, and the second of two callers waits for nothing."""
        self._closed = True
        self.kill()


def null_devices() -> list[int]:
    """Descriptors of the null device; the last is none of the standard streams.

    Where the caller has closed a standard stream, the null device takes its place for the sandbox's life: else a pipe
    of ours would get its number, and be taken for standard output by whoever prints, or by a command.
    """
    opened: list[int] = []
    while not opened or opened[-1] <= 2:
        opened.append(os.open(os.devnull, os.O_RDWR | getattr(os, "O_CLOEXEC", 0)))
    return opened


def _end(owner: int, cell: Cell, leftovers: Leftovers, descriptors: list[int], log: Trail | None) -> None:
    if os.getpid() != owner:
        return
    try:
        cell.close()
    finally:
        leftovers.close()
        _close(descriptors)
        if log is not None:
            log.closed()


def _close(descriptors: list[int]) -> None:
    for fd in descriptors:
        if fd >= 0:
            os.close(fd)
