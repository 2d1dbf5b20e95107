"""The owner's handle on a cell of the token tiers: it starts commands itself, each with the cell's token.

Knows: token, desktop, the command's own job.  Must not know: how they were made (``backend``), sessions.
Safe to use from several threads.  A command costs one CreateProcess, a job and a thread that waits for its end.
"""

from __future__ import annotations

import os

from sidewall.errors import CellGone
from sidewall.platforms.windows import environment, process
from sidewall.platforms.windows.children import GONE, EndingChild, status_pipe
from sidewall.platforms.windows.commands import Command, End
from sidewall.platforms.windows.conpty import Terminal
from sidewall.platforms.windows.opened import OpenCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sidewall.plan.steps import Plan
    from sidewall.plan.windows_steps import Environment
    from sidewall.platforms.contract import Held
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.environment import Variables
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started
    from sidewall.platforms.windows.watch import Watcher


class WindowsChild(EndingChild):
    """One command that the owner started; see ``contract.Child``."""

    def __init__(self, cell: TokenCell, started: Started, job: Handle, terminal: Terminal | None,
                 status: tuple[int, int]) -> None:
        super().__init__(started.process_id, terminal, status)
        self._cell = cell
        self._command = Command(cell.api, started, job, terminal)
        cell.children.add(self)
        self._command.watch(self._seen)

    def _seen(self, end: End) -> None:
        self.ended(end, GONE if self._cell.closed else "")
        self._cell.children.discard(self)

    def _kill(self, code: int, tree: bool) -> None:
        self._command.signal(code, tree)

    def resize(self, rows: int, columns: int) -> None:
        """See ``contract.Child.resize``."""
        self._command.resize(rows, columns)

    def close(self) -> None:
        """See ``contract.Child.close``."""
        super().close()
        self._command.forget()


class TokenCell(OpenCell):
    """See ``contract.Cell`` and ``OpenCell``."""

    def __init__(self, api: Api, plan: Plan, *, token: Handle | None, job: Handle, desktop: str | None, system: str,
                 variables: Environment | None, temporary: str, watcher: Watcher | None,
                 undo: Sequence[Callable[[], tuple[Held, ...]]]) -> None:
        super().__init__(api, plan, job=job, variables=variables, temporary=temporary, watcher=watcher, undo=undo)
        self._token = token
        self._desktop = desktop
        self._system = system
        self._composed: tuple[Mapping[bytes, bytes], Variables] | None = None

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes],
              stdin: int, stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> WindowsChild:
        """See ``contract.Cell.spawn``.  A start that fails raises here, whatever ``confirm`` says."""
        words, directory = self._words(argv, cwd)
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
                status = status_pipe(self.api)
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

    def _give_back(self) -> None:
        if self._token is not None:
            self._token.close()


__all__ = ["TokenCell", "WindowsChild"]
