"""Starts the program that becomes a cell, and reads its first report.

Knows: how to start it with two sockets and nothing else; the pool of those that wait.  Must not know: plans.

A library's caller is never forked: the program is a fresh interpreter, made by posix_spawn(3) (vfork), so that its
start does not depend on the caller's size and nothing of the caller's memory or environment is in it.  The command
line, which is itself a fresh and small process, forks at its very beginning instead: that saves the second start of
an interpreter, and the child wipes the only thing in its memory that is the user's, the environment.
"""

from __future__ import annotations

import _socket
import marshal
import os
import sys
import time

from sidewall.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USUAL = ("user", "mount", "pid", "ipc", "uts", "cgroup", "net")
_BOOT = ("import gc, sys; gc.disable(); sys.path.append(sys.argv.pop(1)); "
         "from sidewall import bytecode; bytecode.install(); "
         "from sidewall.platforms.linux.init import main; main(int(sys.argv[1]), sys.argv[2])")
_SECONDS = 30.0
_FRESH_SECONDS = 0.1
"""How long a look at the mount table counts."""


def interpreter() -> str:
    """The interpreter to run inside: the one behind a virtual environment.  Raises MachineError."""
    for path in (getattr(sys, "_base_executable", ""), sys.executable):
        if path and os.access(path, os.X_OK):
            return str(path)
    raise MachineError("cannot find this program's Python interpreter (sys.executable is empty)",
                       hint="set sys.executable to the path of a Python 3.11 or later")


class Spare:
    """A started cell process that waits for its plan."""

    def __init__(self, kinds: tuple[str, ...], *, fork: bool = False) -> None:
        self.kinds = kinds
        self.owner = os.getpid()
        self._report: dict[str, Any] | None = None
        self.mounts = mount_table()
        self.given_back = -_FRESH_SECONDS
        mode = _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
        self.administration, theirs = _socket.socketpair(_socket.AF_UNIX, mode, 0)
        self.control, its_control = _socket.socketpair(_socket.AF_UNIX, mode, 0)
        try:
            start = self._fork if fork else self._spawn
            self.pid = start(theirs.fileno(), its_control.fileno())
        except OSError as error:
            self.administration.close()
            self.control.close()
            raise MachineError(f"cannot start a process for the cell: {error.strerror}",
                               hint="check the limit on processes (ulimit -u)") from None
        finally:
            theirs.close()
            its_control.close()

    def _spawn(self, administration: int, control: int) -> int:
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        program = interpreter()
        high = max(administration, control) + 1
        # First out of the way of 0 to 4, then into place: any of them may be closed or in use in the caller.
        actions = [
            (os.POSIX_SPAWN_DUP2, administration, high + 5), (os.POSIX_SPAWN_DUP2, control, high + 6),
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0), (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2), (os.POSIX_SPAWN_DUP2, high + 5, 3), (os.POSIX_SPAWN_DUP2, high + 6, 4),
        ]
        return os.posix_spawn(
            program, [program, "-I", "-S", "-c", _BOOT, package, str(self.owner), ",".join(self.kinds)],
            {"LC_CTYPE": "C.UTF-8"}, file_actions=actions)

    def _fork(self, administration: int, control: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            high = max(administration, control) + 1
            os.dup2(administration, high + 5)
            os.dup2(control, high + 6)
            null = os.open("/dev/null", os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            os.dup2(high + 5, 3)
            os.dup2(high + 6, 4)
            from sidewall.platforms.linux import init

            init.wipe_environment()
            init.main(self.owner, ",".join(self.kinds))
        finally:
            os._exit(1)

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
                                   hint=f"try: {interpreter()} -I -S -c 'import _ctypes'")
            if data[:1] == b"E":
                from sidewall.platforms.linux import answers

                self.discard()
                raise answers.failed(data)
            self._report = marshal.loads(data)
        return self._report

    def discard(self) -> None:
        """Ends an unused spare and waits for it."""
        self.administration.close()
        self.control.close()
        reap(self.pid)


def mount_table() -> bytes:
    """What is mounted here now.  A spare sees what was mounted when it was made; a later change makes it useless."""
    with open("/proc/self/mountinfo", "rb") as table:
        return table.read()


_pool: list[Spare] = []


def prepare(kinds: tuple[str, ...] = USUAL, *, fork: bool = False) -> None:
    """Keeps one spare ready.  ``fork`` only from a small process without threads (see above)."""
    if not any(spare.kinds == kinds and spare.owner == os.getpid() for spare in _pool):
        _pool.append(Spare(kinds, fork=fork))


def take(kinds: tuple[str, ...]) -> Spare:
    """A spare with these namespaces: from the pool if one fits, else a new one."""
    # list.pop is atomic: two threads never take the same spare.
    while _pool:
        try:
            spare = _pool.pop()
        except IndexError:
            break
        if spare.owner == os.getpid():
            fresh = time.monotonic() - spare.given_back < _FRESH_SECONDS
            if spare.kinds == kinds and (fresh or spare.mounts == mount_table()):
                return spare
            spare.discard()
    return Spare(kinds)


def give_back(spare: Spare) -> None:
    """Returns an unused spare, just taken, to the pool."""
    spare.given_back = time.monotonic()
    _pool.append(spare)


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
