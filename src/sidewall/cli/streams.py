"""What the command's standard streams are joined to: ours as they are, a pipe that we relay, or a pseudo terminal.

Knows: which of the three, and why.  Must not know: what goes through.

* All three of ours are terminals (or ``--tty``): a pseudo terminal of the command's own, so that it has a controlling
  terminal and none of ours.  Not when one is redirected: ``2>errors`` must get what belongs there.
* A file or a terminal of the host's: a pipe in between.  Its descriptor would be a way round the read-only mounts, to
  the file's mode, owner and times, and through a terminal to what is typed there.  A directory is refused.
* Standard error goes to a file or pipe: a pipe in between too, so that the end of it can explain a failure.  If
  standard output is the same file (``2>&1``), both take that way, or their order would be lost.
* Else (pipes, sockets, the null device): as they are, at no cost.
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
        self._passed: list[int] = []
        on_terminal = [os.isatty(descriptor) for descriptor in (0, 1, 2)]
        if tty or all(on_terminal):
            from sidewall.cli.terminal import Terminal

            self.terminal = Terminal()
        else:
            self._relay()

    def _relay(self) -> None:
        from sidewall.cli.flow import Flow

        flows = []
        if _is_host_object(0):
            flows += self._relay_input()
        shared = _same(1, 2)
        if _is_host_object(1) and not shared:
            source, self.stdout = self._pipe()
            flows.append(Flow(source, 1))
        if not os.isatty(2) or _is_host_object(2):
            source, self.stderr = self._pipe()
            flows.append(Flow(source, 2, kept=self._kept))
            if shared:
                self.stdout = self.stderr
        self.flows = tuple(flows)

    def _relay_input(self) -> list[Flow]:
        from sidewall.cli.flow import Flow

        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            # In the background we may not read the terminal, and would be stopped for trying.
            self.stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            self._passed.append(self.stdin)
            return []
        self.stdin, target = os.pipe()
        self._passed.append(self.stdin)
        os.set_blocking(target, False)
        return [Flow(0, target, owned_target=True, inward=True)]

    def _pipe(self) -> tuple[int, int]:
        source, passed = os.pipe()
        os.set_blocking(source, False)
        self._passed.append(passed)
        return source, passed

    @property
    def size(self) -> tuple[int, int] | None:
        """(rows, columns) of the pseudo terminal that the command is to get, if any."""
        return self.terminal.size() if self.terminal else None

    def attach(self, child: Child) -> None:
        """The command has started: takes the terminal, and lets go of what only the command is to hold."""
        for descriptor in self._passed:
            os.close(descriptor)
        self._passed.clear()
        if self.terminal is not None:
            self.flows = self.terminal.attach(child.master_fd, kept=self._kept)

    def tail(self) -> bytes:
        """The end of what went to standard error (or to the terminal); empty when it did not go by us."""
        return self.flows[-1].last_bytes() if self.flows else b""

    def restore(self) -> None:
        """The terminal as it was.  Idempotent."""
        if self.terminal is not None:
            self.terminal.restore()


def _is_host_object(descriptor: int) -> bool:
    """Whether it is a file or a terminal of the host.  Raises UsageError for a directory, which would open all that is
    below it."""
    mode = os.fstat(descriptor).st_mode & 0o170000
    if mode == 0o040000:
        from sidewall.errors import UsageError

        raise UsageError(f"standard stream {descriptor} is a directory: a command could reach everything below it",
                         hint="redirect it from a file or from /dev/null")
    return mode == 0o100000 or (mode in (0o020000, 0o060000) and not _same_as_null(descriptor))


def _same_as_null(descriptor: int) -> bool:
    return os.fstat(descriptor).st_rdev == os.makedev(1, 3)


def _same(one: int, other: int) -> bool:
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino, a.st_rdev) == (b.st_dev, b.st_ino, b.st_rdev)
