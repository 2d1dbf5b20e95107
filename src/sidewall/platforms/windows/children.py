"""What every started command is to a session on Windows: something that ends, and whose end can be waited for.

Knows: the contract's ``Child``, as far as it does not matter who started the command.  Must not know: processes, jobs,
runners.  Safe to use from several threads.
"""

from __future__ import annotations

import _thread
import os
import time

from sidewall.errors import CellGone
from sidewall.platforms.contract import Exit
from sidewall.platforms.windows import descriptors, jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.commands import End
    from sidewall.platforms.windows.conpty import Ends

INTERRUPTS = (0, 1, 2)
"""CTRL_C_EVENT and CTRL_BREAK_EVENT, as ``signal`` numbers them on Windows, and SIGINT."""
INTERRUPTED = 0xC000013A
"""STATUS_CONTROL_C_EXIT, the exit code of what Ctrl-C ended."""
SLICE = 0.2
"""Seconds for which the main thread waits at a time: between two of them Python sees that Ctrl-C was typed."""
GONE = "the sandbox has ended while a command was running"


class EndingChild:
    """One command; see ``contract.Child``.  Who started it calls ``ended`` once."""

    def __init__(self, pid: int, terminal: Ends | None, status: tuple[int, int]) -> None:
        """``status`` are the two ends of a pipe, to read from and to write to."""
        self._terminal = terminal
        self.pid = pid
        self.master_fd = terminal.screen_fd if terminal is not None else -1
        self.keys_fd = terminal.keys_fd if terminal is not None else -1
        self.status_fd, self._telling = status
        self._exit: Exit | None = None
        self._gone = ""
        self._running = _thread.allocate_lock()
        self._running.acquire()

    def ended(self, end: End | None, gone: str = "") -> None:
        """Notes how it ended, and tells whoever waits.  ``gone`` says why the cell ended under it ('': it did not)."""
        if end is not None:
            self._exit = Exit(returncode=end.code, user_seconds=end.user / 1e7, system_seconds=end.system / 1e7,
                              max_rss_bytes=end.peak)
        self._gone = gone or ("" if end is not None else GONE)
        self._running.release()
        telling, self._telling = self._telling, -1
        try:
            os.write(telling, b"x")
        except OSError:
            pass  # nobody waits for it any more
        os.close(telling)

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See ``contract.Child.wait``."""
        if not self.awaited(timeout):
            return None
        if self._gone:
            raise CellGone(self._gone, hint="open a new one")
        return self._exit

    def awaited(self, timeout: float | None) -> bool:
        """Waits for the end, for at most ``timeout`` seconds; whether it has come."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = SLICE if until is None else max(0.0, until - time.monotonic())
            if self._running.acquire(timeout=min(left, SLICE)):
                self._running.release()
                return True
            if left <= 0.0:
                return False

    def signal(self, number: int, *, tree: bool = False) -> None:
        """See ``contract.Child.signal``."""
        if number in INTERRUPTS and self._terminal is not None:
            self._terminal.interrupt()
        elif self._exit is None:
            self._kill(INTERRUPTED if number in INTERRUPTS else jobs.KILLED, tree)

    def _kill(self, code: int, tree: bool) -> None:
        """Ends the command, or its whole tree, with this exit code."""
        raise AssertionError("whoever starts commands says how they are ended")

    def close(self) -> None:
        """See ``contract.Child.close``."""
        if self._terminal is not None:
            self._terminal.close()
        status, self.status_fd = self.status_fd, -1
        self.master_fd = self.keys_fd = -1
        if status >= 0:
            os.close(status)


def status_pipe(api: Api) -> tuple[int, int]:
    """A pipe as two descriptors, to read from and to write to.  Raises Win32Error."""
    reading, writing = api.kernel32.CreatePipe()
    return descriptors.reading(reading), descriptors.writing(writing)


__all__ = ["GONE", "INTERRUPTED", "INTERRUPTS", "EndingChild", "status_pipe"]
