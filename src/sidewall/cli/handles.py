"""What the command's standard streams are joined to on Windows: a pipe of the caller's, a pipe that we relay, or a
pseudo console.

Knows: which of the three, and why.  Must not know: what goes through.  What ``streams`` is on POSIX.

* All three of ours are consoles (or ``--tty``): a pseudo console of the command's own.  With a handle of ours it could
  write keys into our console, and the shell from which we were started would run them.
* A file, a console, any device: a pipe in between.  The handle would be a way round the access lists, to all that it
  was opened for.
* Standard error goes to a pipe: a pipe in between too, so that the end of it can explain a failure.  If standard output
  is the same pipe or file (``2>&1``), both take that way, or their order would be lost.
* The server's end of a pipe, as `other | sidewall run` gives one for input: a pipe in between, for who has that end may
  act as the process at the other one (``platforms.windows.input_pipe``).
* Else, pipes and sockets: as they are, at no cost.
"""

from __future__ import annotations

import os
import sys

from sidewall.cli.relay import Relay, standard_input
from sidewall.platforms.windows import input_pipe
from sidewall.platforms.windows.api import native
from sidewall.platforms.windows.constants_files import FILE_TYPE_CHAR, FILE_TYPE_PIPE
from sidewall.platforms.windows.descriptors import handle_of
from sidewall.platforms.windows.errors import ApiError, MissingFunction

assert sys.platform == "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.cli.console import Console
    from sidewall.platforms.contract import Child
    from sidewall.platforms.windows.api import Api


class Streams:
    """The three descriptors to start a command with, and the relays between them and ours."""

    def __init__(self, *, tty: bool, kept: int) -> None:
        self.stdin, self.stdout, self.stderr = 0, 1, 2
        self.terminal: Console | None = None
        self.flows: tuple[Relay, ...] = ()
        self.inward: Relay | None = None
        self._kept = kept
        self._passed: list[int] = []
        self._api = native()
        if tty or all(is_console(self._api, descriptor) for descriptor in (0, 1, 2)):
            from sidewall.cli.console import Console

            self.terminal = Console(self._api)
        else:
            self._relay()

    def _relay(self) -> None:
        shared = self._same(1, 2)
        flows = []
        if not self._passes(0):
            self.stdin, target = input_pipe.pair(self._api)
            self._passed.append(self.stdin)
            self.inward = Relay(target, read=standard_input, owned_target=True)
        if not self._passes(1) and not shared:
            source, self.stdout = self._pipe()
            flows.append(Relay(1, source=source))
        source, self.stderr = self._pipe()
        flows.append(Relay(2, source=source, kept=self._kept))
        if shared:
            self.stdout = self.stderr
        self.flows = tuple(flows)

    def _pipe(self) -> tuple[int, int]:
        source, passed = os.pipe()
        self._passed.append(passed)
        return source, passed

    def _passes(self, descriptor: int) -> bool:
        """Whether the caller's handle may be the command's."""
        try:
            handle = handle_of(descriptor)
            return (self._api.kernel32.GetFileType(handle) == FILE_TYPE_PIPE
                    and not input_pipe.is_server(self._api, handle))
        except (ApiError, OSError):
            return False

    def _same(self, one: int, other: int) -> bool:
        try:
            if self._api.kernelbase.CompareObjectHandles(handle_of(one), handle_of(other)):
                return True
        except (MissingFunction, OSError):
            pass  # before Windows 10, or closed
        a, b = os.fstat(one), os.fstat(other)
        return bool(a.st_ino) and (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)

    @property
    def size(self) -> tuple[int, int] | None:
        """(rows, columns) of the pseudo console that the command is to get, if any."""
        return self.terminal.size() if self.terminal else None

    def attach(self, child: Child) -> None:
        """The command has started: takes the console, and lets go of what only the command is to hold."""
        for descriptor in self._passed:
            os.close(descriptor)
        self._passed.clear()
        if self.terminal is not None:
            self.inward, outward = self.terminal.attach(child, kept=self._kept)
            self.flows = (outward,)
            return
        for relay in (*self.flows, *((self.inward,) if self.inward is not None else ())):
            relay.start()

    def tail(self) -> bytes:
        """The end of what went to standard error (or to the console)."""
        return self.flows[-1].last_bytes() if self.flows else b""

    def restore(self) -> None:
        """The console as it was.  Idempotent."""
        if self.terminal is not None:
            self.terminal.restore()


def is_console(api: Api, descriptor: int) -> bool:
    """Whether a descriptor is a console's; the null device, which the run-time calls a terminal too, is none."""
    try:
        handle = handle_of(descriptor)
        if api.kernel32.GetFileType(handle) != FILE_TYPE_CHAR:
            return False
        api.kernel32.GetConsoleMode(handle)
    except (ApiError, OSError):
        return False
    return True
