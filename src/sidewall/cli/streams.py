"""What the command's standard streams are joined to: ours as they are, a pipe that we relay, or a pseudo terminal.

Knows: which of the three, and why.  Must not know: what goes through.

* All three of ours are terminals (or ``--tty``): a pseudo terminal of the command's own, so that it has a controlling
  terminal and none of ours.  Not when one is redirected: ``2>errors`` must get what belongs there.
* Standard error goes to a file or pipe: one of ours in between, so that the end of it can explain a failure.  If
  standard output is the same file (``2>&1``), both take that way, or their order would be lost.
* Else: as they are, at no cost.
"""

from __future__ import annotations

import os
import sys

assert sys.platform != "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.cli.flow import Flow
    from sidewall.cli.terminal import Terminal
    from sidewall.platforms.contract import Child


class Streams:
    """The three descriptors to start a command with, and what has to be turned while it runs."""

    def __init__(self, *, tty: bool, kept: int) -> None:
        self.stdin, self.stdout, self.stderr = 0, 1, 2
        self.terminal: Terminal | None = None
        self.flows: tuple[Flow, ...] = ()
        self._kept = kept
        self._passed = -1
        on_terminal = [os.isatty(descriptor) for descriptor in (0, 1, 2)]
        if tty or all(on_terminal):
            from sidewall.cli.terminal import Terminal

            self.terminal = Terminal()
        elif not on_terminal[2]:
            self._relay()

    def _relay(self) -> None:
        from sidewall.cli.flow import Flow

        source, self._passed = os.pipe()
        os.set_blocking(source, False)
        self.stderr = self._passed
        if _same(1, 2):
            self.stdout = self._passed
        self.flows = (Flow(source, 2, kept=self._kept),)

    @property
    def size(self) -> tuple[int, int] | None:
        """(rows, columns) of the pseudo terminal that the command is to get, if any."""
        return self.terminal.size() if self.terminal else None

    def attach(self, child: Child) -> None:
        """The command has started: takes the terminal, and lets go of what only the command is to hold."""
        if self._passed >= 0:
            os.close(self._passed)
            self._passed = -1
        if self.terminal is not None:
            self.flows = self.terminal.attach(child.master_fd, kept=self._kept)

    def tail(self) -> bytes:
        """The end of what went to standard error (or to the terminal); empty when it did not go by us."""
        return self.flows[-1].last_bytes() if self.flows else b""

    def restore(self) -> None:
        """The terminal as it was.  Idempotent."""
        if self.terminal is not None:
            self.terminal.restore()


def _same(one: int, other: int) -> bool:
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino, a.st_rdev) == (b.st_dev, b.st_ino, b.st_rdev)
