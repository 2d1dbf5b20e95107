"""The owner's handle on a cell of the token tiers: it starts commands itself, each with the cell's token.

Knows: token, jobs, desktop, what is undone at the end.  Must not know: how they were made (``backend``), sessions.
Safe to use from several threads.  A command costs one CreateProcess, a job and a thread that waits for its end.
"""

from __future__ import annotations

import _thread
import os
import time

from sidewall.errors import CellGone, MachineError
from sidewall.platforms.contract import Exit, Held
from sidewall.platforms.windows import descriptors, environment, jobs, process
from sidewall.platforms.windows.conpty import Terminal
from sidewall.platforms.windows.constants_process import INFINITE
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sidewall.plan.steps import Plan
    from sidewall.plan.windows_steps import Environment
    from sidewall.platforms.contract import Attempt
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.environment import Variables
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started
    from sidewall.platforms.windows.watch import Watcher

INTERRUPTS = (0, 1, 2)
"""CTRL_C_EVENT and CTRL_BREAK_EVENT, as ``signal`` numbers them on Windows, and SIGINT."""
INTERRUPTED = 0xC000013A
"""STATUS_CONTROL_C_EXIT, the exit code of what Ctrl-C ended."""
SLICE = 0.2
"""Seconds for which the main thread waits at a time: between two of them Python sees that Ctrl-C was typed."""
MOMENT = 0.1
"""Seconds that a process whose end was seen may still count as one of its job's."""
_GONE = "the sandbox has ended while a command was running"


class WindowsChild:
    """One command; see ``contract.Child``."""

    def __init__(self, cell: TokenCell, started: Started, job: Handle, terminal: Terminal | None,
                 status: tuple[int, int]) -> None:
        """``status`` are the two ends of a pipe, to read from and to write to."""
        self._api = cell.api
        self._cell = cell
        self._process = started.process
        self._job = job
        self._terminal = terminal
        self.pid = started.process_id
        self.master_fd = terminal.screen_fd if terminal is not None else -1
        self.keys_fd = terminal.keys_fd if terminal is not None else -1
        self.status_fd = status[0]
        self._exit: Exit | None = None
        self._gone = False
        self._lock = _thread.allocate_lock()
        self._running = _thread.allocate_lock()
        self._running.acquire()
        cell.children.add(self)
        _thread.start_new_thread(self._await, (status[1],))

    def _await(self, status: int) -> None:
        """In a thread of its own: waits for the end, notes how it was, tells it, gives the process back."""
        kernel = self._api.kernel32
        kernel.WaitForSingleObject(self._process, INFINITE)
        _, _, system, user = kernel.GetProcessTimes(self._process)
        end = Exit(returncode=kernel.GetExitCodeProcess(self._process), user_seconds=user / 1e7,
                   system_seconds=system / 1e7, max_rss_bytes=kernel.PeakWorkingSet(self._process))
        with self._lock:
            self._gone = self._cell.closed
            self._exit = end
            self._process.close()
        self._running.release()
        try:
            os.write(status, b"x")
        except OSError:
            pass  # nobody waits for it any more
        os.close(status)
        self._cell.children.discard(self)
        if self._terminal is not None:
            self._terminal.end()

    def wait(self, timeout: float | None = None) -> Exit | None:
        """See ``contract.Child.wait``."""
        if not self.awaited(timeout):
            return None
        if self._gone:
            raise CellGone(_GONE, hint="open a new one")
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
            return
        code = INTERRUPTED if number in INTERRUPTS else jobs.KILLED
        with self._lock:
            if self._exit is not None or self._job.closed:
                return
            try:
                if tree:
                    self._api.kernel32.TerminateJobObject(self._job, code)
                else:
                    self._api.kernel32.TerminateProcess(self._process, code)
            except ApiError:
                return  # it is ending by itself

    def resize(self, rows: int, columns: int) -> None:
        """See ``contract.Child.resize``."""
        if self._terminal is not None:
            self._terminal.resize(rows, columns)

    def close(self) -> None:
        """See ``contract.Child.close``."""
        if self._terminal is not None:
            self._terminal.close()
        status, self.status_fd = self.status_fd, -1
        self.master_fd = self.keys_fd = -1
        if status >= 0:
            os.close(status)
        with self._lock:
            if not self._job.closed:
                self._job.close()


class TokenCell:
    """See ``contract.Cell``.  ``undo`` are called at the end, the last first; each says what it could not undo."""

    root_fd = -1

    def __init__(self, api: Api, plan: Plan, *, token: Handle | None, job: Handle, desktop: str | None, system: str,
                 variables: Environment | None, temporary: str, watcher: Watcher | None,
                 undo: Sequence[Callable[[], tuple[Held, ...]]]) -> None:
        self.api = api
        self.plan = plan
        self.closed = False
        self.last_held: tuple[Held, ...] = ()
        self._token = token
        self._job = job
        self._desktop = desktop
        self._system = system
        self._variables = variables
        self._temporary = temporary
        self.environment: Mapping[bytes, bytes] = environment.own(variables, temporary)
        self._watcher = watcher
        self._settling = _thread.allocate_lock()
        self._undo = list(undo)
        self._composed: tuple[Mapping[bytes, bytes], Variables] | None = None
        self._starting = _thread.allocate_lock()
        self.children: set[WindowsChild] = set()
        """Those whose end was not seen yet."""

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes],
              stdin: int, stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> WindowsChild:
        """See ``contract.Cell.spawn``.  A start that fails raises here, whatever ``confirm`` says."""
        words = [os.fsdecode(word) for word in argv]
        if not words:
            raise ValueError("argv is empty")
        workspace = self.plan.policy.workspace
        directory = workspace if cwd is None else os.path.join(workspace, os.fsdecode(cwd))
        if "\0" in directory or any("\0" in word for word in words):
            raise ValueError("embedded null byte")
        # A session gives the same mapping again and again.
        known = self._composed
        if known is None or known[0] is not env:
            known = self._composed = (env, environment.compose(env, self._variables, self._temporary))
        line = process.line(words, known[1], directory, self._system)
        shown = Terminal(self.api, *terminal) if terminal is not None else None
        try:
            return self._start(line, known[1], directory, (stdin, stdout, stderr), shown)
        except BaseException:
            if shown is not None:
                shown.close()
                shown.end()
            raise

    def _start(self, line: process.Line, variables: Variables, directory: str, stdio: tuple[int, int, int],
               shown: Terminal | None) -> WindowsChild:
        with self._starting:
            if self.closed:
                raise CellGone("the sandbox has ended", hint="open a new one")
            job = self.api.kernel32.CreateJobObjectW()
            status = (-1, -1)
            try:
                status = _pipe(self.api)
                started = process.start(
                    self.api, self._token, line, variables, directory, stdio=None if shown is not None else stdio,
                    jobs=(self._job, job), desktop=self._desktop,
                    console=shown.console if shown is not None else None)
            except BaseException:
                job.close()
                for descriptor in status:
                    if descriptor >= 0:
                        os.close(descriptor)
                raise
            started.thread.close()
            return WindowsChild(self, started, job, shown, status)

    def settle(self) -> tuple[Held, ...]:
        """See ``contract.Cell.settle``."""
        watcher = self._watcher
        if watcher is None:
            return ()
        with self._settling, self._starting:
            # Nobody can start anything until this is done.
            return () if self.closed else watcher.settle(self._calm)

    def _calm(self) -> bool:
        """Whether no process of the cell runs.  One whose end was seen is still counted for a moment."""
        deadline = time.monotonic() + (0.0 if self.children else MOMENT)
        while jobs.running(self.api, self._job):
            if time.monotonic() >= deadline:
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
            if not jobs.end(self.api, self._job):
                held.append(Held(action="left", path="a process", reason="it was killed and has not ended"))
            for child in tuple(self.children):
                child.awaited(jobs.PATIENCE)
            if self._watcher is not None:
                with self._settling:
                    held += self._watcher.settle(lambda: True)
                    self._watcher.close()
        finally:
            self._job.close()
            if self._token is not None:
                self._token.close()
            held += undo_all(self._undo)
            self.last_held = tuple(held)

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


def _pipe(api: Api) -> tuple[int, int]:
    reading, writing = api.kernel32.CreatePipe()
    return descriptors.reading(reading), descriptors.writing(writing)


__all__ = ["TokenCell", "WindowsChild", "undo_all"]
