"""The owner's handle on a cell of the account tier: it has the runner start commands, and is told how they end.

Knows: which commands it asked for, which handles a command gets, what the runner may say of which.  Must not know: how
the runner came to be (``runner_owner``), sessions.  Safe to use from several threads.

A command costs three handles in the runner and one frame; the runner starts one process.  Whatever the runner says that
it must not say ends the cell: numbers are those that were given out, text is shown and nothing else.
"""

from __future__ import annotations

import _thread
import errno
import os
import time

from sidewall.errors import CellGone, MachineError
from sidewall.platforms.frames import FrameError, encode
from sidewall.platforms.windows import environment, jobs
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.children import SLICE, EndingChild, status_pipe
from sidewall.platforms.windows.commands import End
from sidewall.platforms.windows.conpty import Ends
from sidewall.platforms.windows.descriptors import handle_of
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.opened import MOMENT, OpenCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from sidewall.plan.steps import Plan
    from sidewall.plan.windows_steps import Environment
    from sidewall.platforms.contract import Held
    from sidewall.platforms.frames import Frame
    from sidewall.platforms.windows.account_leaving import Leaving
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.ownership import Unlock
    from sidewall.platforms.windows.runner_owner import Runner
    from sidewall.platforms.windows.watch import Watcher

START_SECONDS, KILL_SECONDS = 60.0, 30.0
"""After these a runner that does not start, or does not end, what it was told to is ended itself."""
MOST_CELLS = 0x7FFF
CLOSED = "the sandbox has ended"


class AccountChild(EndingChild):
    """One command that the runner started; see ``contract.Child``."""

    def __init__(self, cell: AccountCell, number: int, terminal: Ends | None, status: tuple[int, int]) -> None:
        super().__init__(0, terminal, status)
        self._cell = cell
        self.number = number
        self.failed: Exception | None = None
        """Why it did not start."""
        self._begun = _thread.allocate_lock()
        self._begun.acquire()

    def begun(self, pid: int, failed: Exception | None = None) -> None:
        """Notes that it was started, or why not, and tells whoever waits for that."""
        self.pid, self.failed = pid, failed
        self._begun.release()

    def started(self, seconds: float) -> bool:
        """Waits until it was started or was not; whether that came within the time."""
        deadline = time.monotonic() + seconds
        while not self._begun.acquire(timeout=SLICE):
            if time.monotonic() > deadline:
                return False
        return True

    def _kill(self, code: int, tree: bool) -> None:
        self._cell.tell(says.SIGNAL, id=self.number, code=code, tree=tree)
        _thread.start_new_thread(self._see_it_end, ())

    def _see_it_end(self) -> None:
        if not self.awaited(KILL_SECONDS):
            self._cell.break_off("the sandbox's runner does not end what it was told to end")

    def resize(self, rows: int, columns: int) -> None:
        """See ``contract.Child.resize``."""
        if self._terminal is not None:
            self._cell.tell(says.RESIZE, id=self.number, rows=_cells(rows), columns=_cells(columns))

    def close(self) -> None:
        """See ``contract.Child.close``."""
        forgotten = self.status_fd < 0
        super().close()
        if not forgotten and self.failed is None:
            self._cell.tell(says.FORGET, id=self.number)


class AccountCell(OpenCell):
    """See ``contract.Cell`` and ``OpenCell``.  ``job`` holds the runner and all that it starts."""

    ours = 1

    def __init__(self, api: Api, plan: Plan, runner: Runner, *, job: Handle, variables: Environment | None,
                 temporary: str, watcher: Watcher | None, undo: Sequence[Callable[[], tuple[Held, ...]]],
                 leaving: Leaving | None = None,
                 give_back: Callable[[Unlock], tuple[Held, ...]] | None = None,
                 abandoned: Callable[[], Sequence[str]] = tuple) -> None:
        """``give_back`` makes the user's what the account made; ``abandoned`` are private directories of cells that
        crashed."""
        super().__init__(api, plan, job=job, variables=variables, temporary=temporary, watcher=watcher, undo=undo)
        self._runner = runner
        self._leaving = leaving
        self._returns = give_back
        self._abandoned = abandoned
        self._known = _thread.allocate_lock()
        self._starts: dict[int, AccountChild] = {}
        self._runs: dict[int, AccountChild] = {}
        self._number = 0
        self._broken = ""
        self._over = False
        self._packed: tuple[Mapping[bytes, bytes], bytes] | None = None
        self._sent: bytes | None = None
        _listen(self)

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes],
              stdin: int, stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> AccountChild:
        """See ``contract.Cell.spawn``.  A start that fails raises here, whatever ``confirm`` says."""
        words, directory = self._words(argv, cwd)
        known = self._packed
        if known is None or known[0] is not env:
            known = self._packed = (env, environment.packed(env))
        shown = Ends(self.api) if terminal is not None else None
        try:
            far = shown.far if shown is not None else (handle_of(stdin), handle_of(stdout), handle_of(stderr))
            child = self._order(words, directory, known[1], far, shown, terminal)
        except BaseException:
            if shown is not None:
                shown.close()
            raise
        finally:
            if shown is not None:
                shown.give_up_far()
        try:
            if not child.started(START_SECONDS):
                self.break_off("the sandbox's runner does not answer")
                child.started(START_SECONDS)
        except BaseException:
            # Ctrl-C: the caller never sees this command.  What the runner is told next comes after its start.
            self.tell(says.SIGNAL, id=child.number, code=jobs.KILLED, tree=True)
            child.close()
            raise
        if child.failed is not None:
            child.close()
            raise child.failed
        return child

    def _order(self, words: list[str], directory: str, variables: bytes, far: Sequence[Handle], shown: Ends | None,
               terminal: tuple[int, int] | None) -> AccountChild:
        """Sends the frame that asks for the command; the child whose start is under way."""
        with self._starting:
            self._refuse_when_gone()
            fresh = self._sent is not variables
            given: list[int] = []
            status = (-1, -1)
            self._number = number = self._number + 1
            try:
                for handle in far:
                    given.append(self._runner.give(handle))
                screen = [_cells(terminal[0]), _cells(terminal[1]), *given] if terminal is not None else None
                data = _fitting({"id": number, "argv": words, "directory": directory, "fresh": fresh,
                                 "stdio": given if screen is None else None, "terminal": screen},
                                variables if fresh else b"")
                status = status_pipe(self.api)
            except BaseException as error:
                self._take_back(given)
                if isinstance(error, ApiError):
                    self._refuse_when_gone()
                    raise OSError(errno.EBADF, error.message) from error
                raise
            child = AccountChild(self, number, shown, status)
            with self._known:
                over = self._over
                if not over:
                    self._starts[number] = child
                    self.children.add(child)
            if over:  # what came to an end meanwhile was told to those that were known then
                child.ended(None, self._broken or CLOSED)
                child.begun(0, CellGone(self._broken or CLOSED, hint="open a new one"))
                return child
            try:
                self._runner.send(data)
            except MachineError as error:
                self.break_off(error.message)
            else:
                self._sent = variables
            return child

    def _take_back(self, given: list[int]) -> None:
        for value in given:
            try:
                self._runner.take_back(value)
            except ApiError:
                return  # the runner has ended, and they with it

    def _refuse_when_gone(self) -> None:
        if self.closed or self._broken:
            raise CellGone(self._broken or CLOSED, hint="open a new one")

    def tell(self, kind: str, **head: Any) -> None:
        """A frame about a command; nothing when the cell has ended."""
        if self.closed or self._broken:
            return
        try:
            self._runner.send(says.made(kind, **head))
        except MachineError as error:
            self.break_off(error.message)

    def heard(self, frame: Frame) -> bool:
        """What the runner says of a command.  Raises FrameError for what it must not say."""
        head = says.checked(frame, says.RUNNER, among=says.STARTED + says.FAILED + says.ENDED)
        number = head["id"]
        if self.closed and frame.kind == says.ENDED:
            return True  # it was ended with the cell, and ``over`` says so
        with self._known:
            child = (self._runs if frame.kind == says.ENDED else self._starts).pop(number, None)
            if child is None:
                raise FrameError(f"command {number} cannot have come to that")
            if frame.kind == says.STARTED:
                self._runs[number] = child
            else:
                self.children.discard(child)
        if frame.kind == says.STARTED:
            child.begun(head["pid"])
        elif frame.kind == says.FAILED:
            child.ended(None)
            child.begun(0, _error(head))
        else:
            child.ended(End(code=head["code"], user=head["user"], system=head["system"], peak=head["peak"]))
        return True

    def over(self, why: str) -> None:
        """Nothing more comes from the runner."""
        if not self.closed:
            self.break_off(why or self._last_words())
        with self._known:
            self._over = True
            starting, running = tuple(self._starts.values()), tuple(self._runs.values())
            self._starts.clear()
            self._runs.clear()
        gone = self._broken or CLOSED + " while a command was running"
        for child in (*starting, *running):
            child.ended(None, gone)
            self.children.discard(child)
        for child in starting:
            child.begun(0, CellGone(gone, hint="open a new one"))

    def _last_words(self) -> str:
        try:
            self.api.kernel32.WaitForSingleObject(self._runner.process, 1000)
            code = self.api.kernel32.GetExitCodeProcess(self._runner.process)
        except (ApiError, MachineError):
            return "the sandbox's runner has ended"
        return f"the sandbox's runner has ended, with exit code {code:#x}"

    def break_off(self, why: str) -> None:
        """Ends the runner and all that it started; the cell is of no use any more."""
        with self._known:
            if self._broken or self.closed:
                return
            self._broken = why
        try:
            self.api.kernel32.TerminateJobObject(self._job, jobs.KILLED)
        except ApiError:
            return  # it is ending; its last handle ends what is left

    def _calm(self) -> bool:
        return not self._starts and super()._calm()

    def _leave(self) -> tuple[Held, ...]:
        """The account empties what the user cannot, and lets him into what it kept from him."""
        if self._broken or self._leaving is None:
            return ()
        self._leaving.leave([one for one in (self._temporary, *self._abandoned()) if one])
        until = time.monotonic() + MOMENT
        while jobs.running(self.api, self._job) > self.ours:
            if time.monotonic() > until:
                return ()  # commands first; what can be done without the runner is done then
            time.sleep(jobs.PAUSE)
        return self._returns(self._leaving.let_in) if self._returns is not None else ()

    def _give_back(self) -> None:
        self._runner.close()


def _listen(cell: AccountCell) -> None:
    """The listening thread does not keep a cell that nobody else wants any more."""
    from _weakref import ref

    there, leaving = ref(cell), cell._leaving

    def heard(frame: Frame) -> bool:
        if leaving is not None and leaving.heard(frame):
            return True
        cell = there()
        # One that is being forgotten still asks for the last things.
        return cell is None or cell.heard(frame)

    def over(why: str) -> None:
        if leaving is not None:
            leaving.over()
        cell = there()
        if cell is not None:
            cell.over(why)

    cell._runner.listen(heard, over)


def _cells(number: int) -> int:
    return max(1, min(number, MOST_CELLS))


def _fitting(head: dict[str, Any], raw: bytes) -> bytes:
    """The frame of a start.  Raises OSError for one that is too large for any command."""
    try:
        if all(check(head[name]) for name, check in says.OWNER[says.START].items()):
            return encode(says.START, head, raw)
    except FrameError:
        pass  # the whole is too long
    raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), head["argv"][0])


def _error(head: dict[str, Any]) -> Exception:
    """What a failed start raises here."""
    told = says.shown(head["message"], 2000)
    if not head["errno"]:
        return MachineError(told or "the sandbox's runner could not start the command",
                            hint="`sidewall doctor` looks at the machine")
    made = OSError(head["errno"], told, says.shown(head["file"], 4096) or None)
    if hasattr(made, "winerror") and head["winerror"]:
        made.winerror = head["winerror"]
    return made


__all__ = ["AccountCell", "AccountChild"]
