"""One command that runs: its process and its job, until it has ended and nobody asks about it any more.

Knows: how an end is waited for and read, how a process or its whole tree is ended.  Must not know: how it was started,
who wants to know (the owner's own child, or the owner of a runner).  Safe to use from several threads.
"""

from __future__ import annotations

import _thread

from sidewall.platforms.windows.constants_process import INFINITE
from sidewall.platforms.windows.errors import ApiError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started

    class Screen(Protocol):
        """A terminal, as far as a command is concerned."""

        def resize(self, rows: int, columns: int) -> None: ...

        def end(self) -> None: ...


class End(Record):
    """How a command ended: exit code; times in units of 100 ns; the most memory that it had, in bytes."""

    code: int
    user: int = 0
    system: int = 0
    peak: int = 0


class Command:
    """A started process in a job of its own, and the terminal that ends with it, if there is one."""

    def __init__(self, api: Api, started: Started, job: Handle, terminal: Screen | None) -> None:
        self._api = api
        self._process = started.process
        self._job = job
        self._terminal = terminal
        self._lock = _thread.allocate_lock()
        self.pid = started.process_id

    def watch(self, told: Callable[[End], object]) -> None:
        """Calls ``told`` with its end, in a thread of its own, and ends its terminal after that."""
        _thread.start_new_thread(self._await, (told,))

    def _await(self, told: Callable[[End], object]) -> None:
        kernel = self._api.kernel32
        kernel.WaitForSingleObject(self._process, INFINITE)
        _, _, system, user = kernel.GetProcessTimes(self._process)
        end = End(code=kernel.GetExitCodeProcess(self._process), user=user, system=system,
                  peak=kernel.PeakWorkingSet(self._process))
        with self._lock:
            self._process.close()
        told(end)
        if self._terminal is not None:
            self._terminal.end()

    def signal(self, code: int, tree: bool) -> None:
        """Ends it, or it and all that it started, with this exit code; nothing when it has ended."""
        with self._lock:
            if self._process.closed or self._job.closed:
                return
            try:
                if tree:
                    self._api.kernel32.TerminateJobObject(self._job, code)
                else:
                    self._api.kernel32.TerminateProcess(self._process, code)
            except ApiError:
                return  # it is ending by itself

    def resize(self, rows: int, columns: int) -> None:
        """Its terminal's size; nothing without one."""
        if self._terminal is not None:
            self._terminal.resize(rows, columns)

    def forget(self) -> None:
        """Gives back its job: what it left running goes on, in the cell's.  Idempotent."""
        with self._lock:
            if not self._job.closed:
                self._job.close()


__all__ = ["Command", "End"]
