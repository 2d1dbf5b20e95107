"""A command that has been started: its identity, its signals, its end; what blocking and asyncio code share.

Knows: how to start a command with pipes or a terminal, what follows its end.  Must not know: how one waits or reads.
"""

from __future__ import annotations

import os
import threading
import time

from sidewall.session import command, outcome, terminal
from sidewall.session.streams import DEVNULL, Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.platforms.contract import Exit
    from sidewall.session.changes import Change
    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.denials import Denial
    from sidewall.session.opening import Opening
    from sidewall.session.streams import Stream

KILL, TERMINATE = 9, 15


class Started:
    """``args``; ``pid`` inside the cell; ``returncode``, None while it runs, negative for a signal.

    After its end: ``usage`` (``Exit``), ``changes`` (what Sidewall put back or carried over), ``denials``.
    """

    returncode: int | None = None
    usage: Exit | None = None
    changes: tuple[Change, ...] = ()
    denials: tuple[Denial, ...] = ()

    def __init__(self, opening: Opening, args: Arguments, *, cwd: PathLike | None,
                 env: Mapping[str, str] | Mapping[bytes, bytes] | None, stdin: Stream, stdout: Stream, stderr: Stream,
                 shell: bool, tty: bool | tuple[int, int]) -> None:
        """Starts it.  ``_ends`` are our descriptors of its standard streams, -1 where there is none."""
        self.args = args
        self._opening = opening
        self._lock = threading.Lock()
        words = command.vector(args, shell=shell)
        size = terminal.size(tty)
        self._cell = opening.ready()
        self._cwd = command.directory(cwd, opening.policy.workspace)
        environ = opening.environment if env is None else command.environment(env)
        if size is not None:
            stdin = stdout = stderr = DEVNULL
        stdio = Stdio(stdin, stdout, stderr, opening.null)
        first, second, third = stdio.child
        try:
            self._child = self._cell.spawn(words, cwd=self._cwd, env=environ, stdin=first, stdout=second,
                                           stderr=third, terminal=size)
        except BaseException:
            stdio.close()
            raise
        stdio.spawned()
        self._began = time.monotonic()
        self._number = 0
        if opening.trail is not None:
            try:
                self._number = opening.trail.started(words)
            except BaseException:
                self._child.signal(KILL, tree=True)
                stdio.close()
                raise
        self.pid = self._child.pid
        self._on_terminal = size is not None
        self._ends = (stdio.stdin, stdio.stdout, stdio.stderr)
        if size is not None:
            self._ends = (os.dup(self._child.keys_fd), os.dup(self._child.master_fd), -1)

    def _finish(self, end: Exit) -> None:
        """What follows the end, once.  Raises MachineError when settling or the audit log fails."""
        with self._lock:
            if self.returncode is not None:
                return
            self.usage = end
            try:
                self.changes, attempts = outcome.settle(self._cell)
                self.denials = outcome.explain(self._opening, end.returncode, attempts, self._cwd)
                if self._opening.trail is not None:
                    self._opening.trail.ended(self._number, end.returncode, time.monotonic() - self._began,
                                              denials=self.denials)
            finally:
                self.returncode = end.returncode

    def _explain(self, *streams: bytes | None) -> None:
        """Adds what the output tells about a failure."""
        if self.returncode:
            told = outcome.explain(self._opening, self.returncode, (), self._cwd, *streams)
            self.denials = told + tuple([denial for denial in self.denials if denial not in told])

    def send_signal(self, signal: int, *, tree: bool = False) -> None:
        """Sends a signal to the process, with ``tree`` also to all that it has started.  No error if it has ended."""
        if self.returncode is None:
            self._child.signal(int(signal), tree=tree)

    def terminate(self) -> None:
        """Sends SIGTERM to the process."""
        self.send_signal(TERMINATE)

    def kill(self) -> None:
        """Sends SIGKILL to the process and all that it has started."""
        self.send_signal(KILL, tree=True)

    def resize(self, rows: int, columns: int) -> None:
        """Tells the terminal, and by it the command, its new size.  Raises ValueError without a terminal."""
        if not self._on_terminal:
            raise ValueError("the command has no terminal")
        self._child.resize(*terminal.checked(rows, columns))

    def __del__(self) -> None:
        child = getattr(self, "_child", None)
        if child is not None:
            child.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: returncode: {self.returncode} args: {self.args!r}>"


Started.__module__ = "sidewall"
