"""The owner's end of a runner: started, known for who it is, asked, listened to.

Knows: in which order a runner comes to be trusted with anything, what answers it may give.  Must not know: how it is
logged on (``launch`` comes from outside), what a command is (``account_cell``).

The runner is in the owner's job before its first instruction, so it ends with the owner; its process and its thread are
closed to the account that it runs as.  What it says is checked as if it were said by a command: an answer that was not
to come ends it.
"""

from __future__ import annotations

import _thread
import os
import time

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.sddl import parse
from sidewall.plan.windows_unenforced import FACILITIES, Unenforced
from sidewall.platforms.frames import FrameError
from sidewall.platforms.windows import jobs, runner_pipe
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.constants_process import INFINITE, WAIT_OBJECT_0
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION, TOKEN_ADJUST_DEFAULT
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.runner_guard import default_for, guarded
from sidewall.platforms.windows.runner_pipe import Pipe, PipeGone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from sidewall.nt.sid import Sid
    from sidewall.platforms.frames import Frame
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started

    class Launch(Protocol):
        """Starts the runner with these words after its name, in the account: suspended, its process and its thread with
        the list ``runner_guard.guarded``."""

        def __call__(self, *words: str) -> Started: ...


ANSWER_SECONDS = 90.0
"""The longest answer comes with the end of the program that tries the token."""
HINT = "`sidewall doctor` looks at the machine"


class Unable(MachineError):
    """The runner could not do what it was asked for, and says why."""


def start(api: Api, launch: Launch, job: Handle, owner: Sid, account: Sid) -> Runner:
    """A runner that is known for what it is.  Raises MachineError; then nothing of it is left."""
    name, closed = runner_pipe.new_name(), parse(guarded(owner))
    pipe = runner_pipe.make(api, name, owner, account)
    try:
        started = launch(name, str(os.getpid()), owner)
    except BaseException:
        pipe.close()
        raise
    try:
        for handle in (started.process, started.thread):
            check(api, handle, closed)
        _guard_what_it_makes(api, started.process, owner)
        api.kernel32.AssignProcessToJobObject(job, started.process)
        api.kernel32.ResumeThread(started.thread)
        runner_pipe.accept(api, pipe, started.process, started.process_id)
        talk = Pipe(api, pipe)
    except BaseException:
        try:
            kill(api, started)
        finally:
            pipe.close()
        raise
    runner = Runner(api, started, talk)
    try:
        runner.greet(account)
    except BaseException:
        runner.close()
        raise
    return runner


def check(api: Api, handle: Handle, meant: SecurityDescriptor) -> None:
    """Whether a process or a thread is closed to the account that it runs as.  Raises MachineError when it is not."""
    try:
        found = SecurityDescriptor.from_bytes(api.advapi32.GetKernelObjectSecurity(handle, DACL_SECURITY_INFORMATION))
    except NtError as error:
        raise MachineError(f"{handle.what} has no access list that reads: {error.message}", hint=HINT) from None
    if found.dacl is None or meant.dacl is None or found.dacl.aces != meant.dacl.aces:
        raise MachineError(f"{handle.what} keeps another access list than it was given: commands of the sandbox could "
                           "take it over", hint=HINT)


def _guard_what_it_makes(api: Api, process: Handle, owner: Sid) -> None:
    """The same for what it makes before its first line, where the account's token lets us; it does so itself then."""
    dacl = parse(default_for(owner)).dacl
    assert dacl is not None
    try:
        with api.advapi32.OpenProcessToken(process, TOKEN_ADJUST_DEFAULT) as token:
            api.advapi32.SetTokenDefaultDacl(token, dacl.to_bytes())
    except ApiError:
        return


def kill(api: Api, started: Started) -> None:
    """Ends a process that was started, waits for its end and closes its handles.  Raises Win32Error."""
    try:
        if api.kernel32.WaitForSingleObject(started.process, 0) != WAIT_OBJECT_0:
            api.kernel32.TerminateProcess(started.process, jobs.KILLED)
            api.kernel32.WaitForSingleObject(started.process, int(jobs.PATIENCE * 1000))
    finally:
        started.close()


class Runner:
    """One runner.  Asked by one thread until ``listen``; after that ``send`` is for any thread."""

    def __init__(self, api: Api, started: Started, pipe: Pipe) -> None:
        self._api = api
        self._started = started
        self._pipe = pipe
        self._decoder = says.decoder(says.RUNNER)
        self._frames: list[Frame] = []
        self._nonce = ""
        self._sending = _thread.allocate_lock()
        self._listening = _thread.allocate_lock()
        self._state = _thread.allocate_lock()
        self._ended = self._abandoned = False
        self._listener = 0

    @property
    def process(self) -> Handle:
        """Its process."""
        return self._started.process

    def greet(self, account: Sid) -> None:
        """Finds out who it is: by what the system says of its end of the pipe, and by a word that it has to say back.

        Raises MachineError.
        """
        word = os.urandom(16).hex()
        self.send(says.made(says.HELLO, version=says.VERSION, nonce=word))
        head = self._answer(says.GREETING)
        found = runner_pipe.user_of_client(self._api, self._pipe.handle)
        if found != account or head["echo"] != word:
            raise MachineError(f"the sandbox's runner is {found}, and not the account {account}", hint=HINT)
        if head["version"] != says.VERSION:
            raise MachineError("the sandbox's runner is of another version of Sidewall", hint="run `sidewall setup`")
        self._nonce = head["nonce"]

    def ask(self, kind: str, answer: str, **head: Any) -> tuple[Unenforced, ...]:
        """Has it do one thing before commands; what of that does not hold.  Raises Unable, MachineError."""
        echo = {"echo": self._nonce} if kind == says.SETUP else {}
        self.send(says.made(kind, **echo, **head))
        told = self._answer(answer + says.UNABLE)
        if "message" in told:
            raise Unable("in the sandbox's account: " + says.shown(told["message"], 2000),
                         hint=says.shown(told["hint"], 1000))
        if any(facility not in FACILITIES for facility, _ in told["missing"]):
            raise FrameError("the runner names a facility that there is not")
        return tuple([Unenforced(facility=facility, reason=says.shown(reason)) for facility, reason in told["missing"]])

    def _answer(self, among: str) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self._frames:
            data = self._pipe.receive(max(0, int((deadline - time.monotonic()) * 1000)))
            if not data:
                self._api.kernel32.WaitForSingleObject(self.process, 1000)
                raise runner_pipe.ended(self._api, self.process)
            self._frames += self._decoder.feed(data)
        if len(self._frames) > 1:
            raise FrameError("the runner says more than it was asked")
        return says.checked(self._frames.pop(), says.RUNNER, among=among)

    def send(self, data: bytes) -> None:
        """One frame.  Raises PipeGone."""
        with self._sending:
            self._pipe.send(data)

    def listen(self, heard: Callable[[Frame], bool], over: Callable[[str], object]) -> None:
        """From now on every frame goes to ``heard``, in a thread of its own, until that says False or raises
        FrameError; ``over`` is then told why ('': the pipe has ended)."""
        self._listening.acquire()
        _thread.start_new_thread(self._listen, (heard, over))

    def _listen(self, heard: Callable[[Frame], bool], over: Callable[[str], object]) -> None:
        self._listener = _thread.get_ident()
        try:
            over(self._heard(heard))
        finally:
            with self._state:
                self._ended, abandoned = True, self._abandoned
            self._listening.release()
            if abandoned:
                self._pipe.close()

    def _heard(self, heard: Callable[[Frame], bool]) -> str:
        try:
            while data := self._pipe.receive(INFINITE):
                if not all(heard(frame) for frame in self._decoder.feed(data)):
                    return ""
        except FrameError as error:
            return f"the sandbox's runner said what it must not: {error.message}"
        except PipeGone as error:
            return error.message
        return ""

    def give(self, handle: Handle) -> int:
        """One of our handles, with the same rights, as one that the runner can pass on.  Raises Win32Error."""
        return self._api.kernel32.DuplicateHandleTo(self.process, handle, inherit=True)

    def take_back(self, value: int) -> None:
        """Closes one that the runner was not told of.  Raises Win32Error when the runner has ended."""
        from sidewall.platforms.windows.constants_process import DUPLICATE_CLOSE_SOURCE

        self._api.kernel32.DuplicateHandleFrom(self.process, value, options=DUPLICATE_CLOSE_SOURCE).close()

    def leave(self) -> Started:
        """Ends the conversation and not the process, which is the caller's from now on.  Not after ``listen``."""
        self._pipe.close()
        return self._started

    def close(self) -> None:
        """Ends it, if it has not ended, and gives everything back.  Idempotent."""
        if self.process.closed:
            return
        try:
            # Its end is the pipe's, so whoever listens comes back.
            if self._api.kernel32.WaitForSingleObject(self.process, 0) != WAIT_OBJECT_0:
                self._api.kernel32.TerminateProcess(self.process, jobs.KILLED)
                self._api.kernel32.WaitForSingleObject(self.process, int(jobs.PATIENCE * 1000))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Gives back the pipe and the process."""
        # A cell that nobody else wants any more is closed by the thread that listens.
        if not self._listening.acquire(timeout=0 if self._listener == _thread.get_ident() else jobs.PATIENCE):
            with self._state:
                self._abandoned = not self._ended
        if not self._abandoned:  # else whoever still reads from it gives it back
            self._pipe.close()
        self._started.close()


__all__ = ["Launch", "Runner", "Unable", "check", "kill", "start"]
