"""Starts the program that becomes a cell, and reads its first report.

Knows: how to start a fresh interpreter with two sockets and nothing else.  Must not know: plans.
The caller is never forked: the child is made by posix_spawn(3) (vfork), so its start does not depend on the caller's
size, and nothing of the caller's memory or environment is in it.
"""

from __future__ import annotations

import marshal
import os
import sys

import _socket

from sidewall.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BOOT = ("import sys; sys.path.append(sys.argv.pop(1)); "
         "from sidewall.platforms.linux.init import main; main()")
_SECONDS = 30.0


def interpreter() -> str:
    """The interpreter to run inside: the one behind a virtual environment.  Raises MachineError."""
    for path in (getattr(sys, "_base_executable", ""), sys.executable):
        if path and os.access(path, os.X_OK):
            return str(path)
    raise MachineError("cannot find this program's Python interpreter (sys.executable is empty)",
                       hint="set sys.executable to the path of a Python 3.11 or later")


class Spare:
    """A started cell process that waits for its plan."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        self.owner = os.getpid()
        self._report: dict[str, Any] | None = None
        mode = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
        self.administration, theirs = _socket.socketpair(_socket.AF_UNIX, mode, 0)
        self.control, its_control = _socket.socketpair(_socket.AF_UNIX, mode, 0)
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        program = interpreter()
        high = max(theirs.fileno(), its_control.fileno()) + 1
        actions = [
            # First out of the way of 0 to 4, then into place: any of them may be closed or in use in the caller.
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), high + 5), (os.POSIX_SPAWN_DUP2, its_control.fileno(), high + 6),
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0), (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2), (os.POSIX_SPAWN_DUP2, high + 5, 3), (os.POSIX_SPAWN_DUP2, high + 6, 4),
        ]
        try:
            self.pid = os.posix_spawn(
                program, [program, "-I", "-S", "-c", _BOOT, package, str(self.owner), ",".join(kinds)],
                {"LC_CTYPE": "C.UTF-8"}, file_actions=actions)
        except OSError as error:
            self.administration.close()
            self.control.close()
            raise MachineError(f"cannot start {program}: {error.strerror}",
                               hint="check that the interpreter exists and that processes can be started") from None
        finally:
            theirs.close()
            its_control.close()

    def report(self) -> dict[str, Any]:
        """What the kernel lets this process do; waits for it the first time.  Raises MachineError."""
        if self._report is None:
            self.control.settimeout(_SECONDS)
            try:
                data = self.control.recv(1 << 16)
            except OSError as error:
                raise MachineError(f"the cell process did not report within {_SECONDS:.0f} seconds ({error})",
                                   hint="the machine may be overloaded; try again") from None
            finally:
                self.control.settimeout(None)
            if not data:
                self.discard()
                raise MachineError("the cell process ended before it could report",
                                   hint=f"try: {interpreter()} -I -S -c 'import ctypes'")
            self._report = marshal.loads(data)
        return self._report

    def discard(self) -> None:
        """Ends an unused spare and waits for it."""
        self.administration.close()
        self.control.close()
        reap(self.pid)


def reap(pid: int, seconds: float = 10.0) -> None:
    """Waits for a keeper that was told to end; kills it when it does not."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        pidfd = -1
    if pidfd >= 0:
        import select

        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        ended = poll.poll(seconds * 1000)
        os.close(pidfd)
        if not ended:
            try:
                os.kill(pid, 9)
            except OSError:
                pass
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        # The caller ignores SIGCHLD or waits for every child: it is reaped already.
        return
