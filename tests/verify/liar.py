"""Cells that do less than their plan says.

Knows: the contract of a cell, ``subprocess``.  Must not know: what is tried in them.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sidewall.plan.steps import Plan
from sidewall.platforms.contract import Attempt, Cell, Exit, Held
from sidewall.policy.model import Policy
from sidewall.session.opening import machine_cell


class Child:
    """A process without any sandbox."""

    master_fd = keys_fd = -1

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.status_fd = os.pidfd_open(process.pid)

    def wait(self, timeout: float | None = None) -> Exit | None:
        if not select.select([self.status_fd], [], [], timeout)[0]:
            return None
        return Exit(returncode=self._process.wait())

    def signal(self, number: int, *, tree: bool = False) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number) if tree else os.kill(self.pid, number)

    def resize(self, rows: int, columns: int) -> None:
        """There is no terminal."""

    def close(self) -> None:
        os.close(self.status_fd)


class Liar:
    """Has this machine's plan for the policy, and carries out nothing of it; it does not even end what runs in it."""

    root_fd = -1
    environment: Mapping[bytes, bytes] = {}
    last_held: tuple[Held, ...] = ()

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes], stdin: int,
              stdout: int, stderr: int, **_: Any) -> Child:
        # The variables too are those that the policy would have kept back.
        return Child(subprocess.Popen(argv, cwd=cwd or self.plan.policy.workspace, stdin=stdin, stdout=stdout,
                                      stderr=stderr, start_new_session=True, restore_signals=True))

    def settle(self) -> tuple[Held, ...]:
        return ()

    def attempts(self) -> tuple[Attempt, ...]:
        return ()

    def close(self) -> None:
        """Nothing ends."""


def liar(policy: Policy, tier: str) -> Any:
    """A cell that promises what the machine's own one would, without the limits that the session itself keeps."""
    cell = machine_cell(policy, tier)
    cell.close()
    return Liar(cell.plan)


def weaker(change: Callable[[Policy], Policy]) -> Callable[[Policy, str], Any]:
    """An opener of real cells of another policy, which say that they are of the one that was asked for."""

    def opener(policy: Policy, tier: str) -> Cell:
        told = machine_cell(policy, tier)
        told.close()
        cell = machine_cell(change(policy), tier)
        cell.plan = told.plan
        return cell

    return opener

