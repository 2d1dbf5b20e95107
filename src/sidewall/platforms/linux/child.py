"""The owner's handle on one command: wait, signal, resize.

Knows: what init says on a command's status descriptor.  Must not know: how a command is started (``cell``).
"""

from __future__ import annotations

import os
import select

from sidewall.errors import CellGone
from sidewall.platforms.contract import Exit
from sidewall.platforms.linux import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.cell import LinuxCell

GONE = "the sandbox has ended"
TERMINAL = -1
"""The channel of a command whose status descriptor is its own and is not used again."""


class LinuxChild:
    """One command; see ``contract.Child``."""

    def __init__(self, cell: LinuxCell, token: int, pid: int, channel: int, status: int, master: int,
                 names: tuple[bytes, bytes]) -> None:
        self._cell = cell
        self._token = token
        self._channel = channel
        self._silent = False
        self._names = names
        self.pid = pid
        self.status_fd = status
        self.master_fd = self.keys_fd = master
        self._exit: Exit | None = None
        self._failure: OSError | None = None

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See ``contract.Child.wait``."""
        if self._exit is None and self._failure is None:
            if timeout is not None:
                poll = select.poll()
                poll.register(self.status_fd, select.POLLIN)
                # poll(2) takes milliseconds as an int: 24 days are for ever.
                if not poll.poll(min(max(0, timeout), 2_000_000) * 1000):
                    return None
            self._look_at_end()
        if self._failure is not None:
            raise self._failure
        return self._exit

    def _look_at_end(self) -> None:
        """Reads how it ended, and leaves that in place: others may wait for the same descriptor to become readable."""
        data = wire.peek(self.status_fd, wire.REPLY.size)
        self._cell.running.discard(self._token)
        if len(data) != wire.REPLY.size:
            raise CellGone(GONE + " while a command was running", hint="open a new one")
        kind, value, status, user, system, resident = wire.REPLY.unpack(data)
        if kind == wire.FAILED:
            self._silent = value != wire.EMFILE
            self._failure = not_started(value, self._names[status])
        else:
            self._silent = True
            self._exit = Exit(returncode=os.waitstatus_to_exitcode(status), user_seconds=user / 1e6,
                              system_seconds=system / 1e6, max_rss_bytes=resident << 10)

    def signal(self, number: int, *, tree: bool = False) -> None:
        """See ``contract.Child.signal``."""
        if self._exit is None:
            try:
                self._cell.tell(("signal", self._token, int(number), tree), ())
            except CellGone:
                return

    def resize(self, rows: int, columns: int) -> None:
        """See ``contract.Child.resize``."""
        if self.master_fd >= 0:
            resize(self.master_fd, (rows, columns))

    def close(self) -> None:
        """See ``contract.Child.close``."""
        if self.master_fd >= 0:
            os.close(self.master_fd)
        status, self.status_fd = self.status_fd, -1
        self.master_fd = self.keys_fd = -1
        # Should it run on, then only init knows.
        self._cell.running.discard(self._token)
        if status >= 0:
            if self._silent and self._channel != TERMINAL:
                # The last word, which was only looked at.
                os.read(status, wire.REPLY.size)
                self._cell.release(self._channel, status)
            else:
                os.close(status)


def not_started(errno: int, name: bytes) -> OSError:
    """FileNotFoundError, PermissionError and the like, as subprocess.Popen raises them."""
    return OSError(errno, os.strerror(errno), os.fsdecode(name))


def resize(master: int, size: tuple[int, int]) -> None:
    """Gives a terminal this many rows and columns."""
    import termios

    termios.tcsetwinsize(master, size)
