"""What every open cell on Windows is, whoever starts its commands: settled after each, ended as a whole, undone.

Knows: the cell's job, what is looked for after a command, what is undone at the end.  Must not know: how a command is
started, sessions.  Safe to use from several threads.
"""

from __future__ import annotations

import _thread
import os
import time

from sidewall.errors import MachineError
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import environment, jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sidewall.plan.steps import Plan
    from sidewall.plan.windows_steps import Environment
    from sidewall.platforms.contract import Attempt
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.children import EndingChild
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.watch import Watcher

MOMENT = 0.1
"""Seconds that a process whose end was seen may still count as one of its job's."""
CONSOLE_SECONDS = 3.0
"""Seconds that the host of its console has to follow it.  On Wine that one is a process of the job too, and a busy
machine lets it wait."""


class OpenCell:
    """See ``contract.Cell``.  ``undo`` are called at the end, the last first; each says what it could not undo.

    ``ours`` is how many processes of the job are no commands.
    """

    root_fd = -1
    ours = 0

    def __init__(self, api: Api, plan: Plan, *, job: Handle, variables: Environment | None, temporary: str,
                 watcher: Watcher | None, undo: Sequence[Callable[[], tuple[Held, ...]]]) -> None:
        self.api = api
        self.plan = plan
        self.closed = False
        self.last_held: tuple[Held, ...] = ()
        self._job = job
        self._variables = variables
        self._temporary = temporary
        self.environment: Mapping[bytes, bytes] = environment.own(variables, temporary)
        self._watcher = watcher
        self._settling = _thread.allocate_lock()
        self._staying: frozenset[int] = frozenset()
        """Hosts of consoles that were waited for and stayed: that is not done twice."""
        self._undo = list(undo)
        self._starting = _thread.allocate_lock()
        self.children: set[EndingChild] = set()
        """Those whose end was not seen yet."""

    def _words(self, argv: Sequence[str | bytes], cwd: str | bytes | None) -> tuple[list[str], str]:
        """A command's words and the directory that it starts in.  Raises ValueError for what no command can be."""
        words = [os.fsdecode(word) for word in argv]
        if not words:
            raise ValueError("argv is empty")
        workspace = self.plan.policy.workspace
        directory = workspace if cwd is None else os.path.join(workspace, os.fsdecode(cwd))
        if "\0" in directory or any("\0" in word for word in words):
            raise ValueError("embedded null byte")
        return words, directory

    def settle(self) -> tuple[Held, ...]:
        """See ``contract.Cell.settle``."""
        watcher = self._watcher
        if watcher is None:
            return ()
        with self._settling, self._starting:
            # Nobody can start anything until this is done.
            return () if self.closed else watcher.settle(self._calm)

    def _calm(self) -> bool:
        """Whether no process of the cell runs.  What follows a command whose end was seen is waited for; what goes on
        for its own sake is not."""
        began = time.monotonic()
        patience = 0.0 if any(not child.awaited(0.0) for child in tuple(self.children)) else MOMENT
        while jobs.running(self.api, self._job) > self.ours:
            waited = time.monotonic() - began
            if waited >= patience:
                hosts = jobs.console_hosts(self.api, self._job, self.ours) if patience else frozenset[int]()
                if not hosts - self._staying:
                    return False
                if waited >= CONSOLE_SECONDS:
                    self._staying |= hosts
                    return False
            time.sleep(jobs.PAUSE)
        return True

    def attempts(self) -> tuple[Attempt, ...]:
        """See ``contract.Cell.attempts``: nothing in these tiers sees a refusal."""
        return ()

    def close(self) -> None:
        """See ``contract.Cell.close``."""
        with self._starting:
            if self.closed:
                return
            self.closed = True
        held: list[Held] = []
        try:
            held += self._leave()
            if not jobs.end(self.api, self._job):
                held.append(Held(action="left", path="a process", reason="it was killed and has not ended"))
            for child in tuple(self.children):
                child.awaited(jobs.PATIENCE)
            if self._watcher is not None:
                with self._settling:
                    held += self._watcher.settle(lambda: True)
        finally:
            if self._watcher is not None:
                self._watcher.close()
            try:
                self._job.close()
                self._give_back()
            finally:
                held += undo_all(self._undo)
                self.last_held = tuple(held)

    def _leave(self) -> tuple[Held, ...]:
        """What only those can undo who are ended next; what was left."""
        return ()

    def _give_back(self) -> None:
        """What commands were started with."""

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            try:
                self.close()
            except Exception:
                return


def undo_all(undo: Sequence[Callable[[], tuple[Held, ...]]]) -> list[Held]:
    """Calls each, the last first, whatever happens to the others.  Raises MachineError, after all of them."""
    held: list[Held] = []
    failed: MachineError | None = None
    for one in reversed(undo):
        try:
            held += one()
        except MachineError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return held


__all__ = ["OpenCell", "undo_all"]
