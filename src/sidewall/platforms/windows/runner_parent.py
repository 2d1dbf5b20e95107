"""The process of an account from which all its runners are made, so that nobody logs on while its commands run.

Knows: how it is made once, found by the next owner, and how a runner is made from it.  Must not know: how the account
is logged on (``log_on`` comes from outside), what a runner does.  Follows "UpdateProcThreadAttribute"
(PROC_THREAD_ATTRIBUTE_PARENT_PROCESS) and "Job Objects" of the Win32 reference.

A logon takes no access list for the process that it makes, so until somebody has closed that process every command of
the account could open it.  A process that is made from another one has that one's token, and takes a list: there is no
moment at which it is open.  So one process is logged on, while no command of the account runs; it closes itself, says
who it is, and stays without doing anything.  Runners are made from it, by every owner of the same user.

It lies in a job that each of these owners has open and that ends with the last of them; runners are born in that job.
So where the job cannot be opened any more, nothing of it runs; and where it can, nobody logs on: whoever cannot use
what is in it is refused.  A note says how the job is called; only the user can read it, and its name cannot be guessed.
"""

from __future__ import annotations

import os
import time

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.plan.windows_steps import Job
from sidewall.platforms.windows import credentials, jobs, orphans, private_file, runner_owner
from sidewall.platforms.windows.constants_process import (
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOB_OBJECT_QUERY,
    PROCESS_CREATE_PROCESS,
    PROCESS_QUERY_INFORMATION,
    STILL_ACTIVE,
)
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.runner_guard import default_for, guarded
from sidewall.platforms.windows.runner_messages import STAYS
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.runner_owner import Launch
    from sidewall.platforms.windows.startup import Started, StartInfo

NOTE = f"{credentials.FILE}.parent-"
"""What the note is called, before the account's relative identifier."""
PREFIX = "Global\\sidewall-parent-"
"""In the namespace of all sessions: the same user may be logged on in two."""
NOBODY = (2,)
"""ERROR_FILE_NOT_FOUND: no job is called so."""
GONE = 87
READ_CONTROL = 0x20000
PATIENCE, PAUSE = 10.0, 0.05
"""Seconds for which a job may still be ending."""
CLOSE = "close the other sandboxes, then try again"


class Note(Record):
    """Where the process is: name of its job, its number, when it began (100 ns since 1601), its logon session."""

    job: str
    process: int
    born: int
    session: str


class Parent:
    """That process and its job, both open.  ``close`` gives them back; with the last owner the process ends."""

    def __init__(self, api: Api, process: Handle, job: Handle, owner: Sid) -> None:
        self._api = api
        self._process = process
        self._job = job
        self._closed = parse(guarded(owner)).to_bytes()

    def start(self, info: StartInfo) -> Started:
        """Starts a process with the account's token, closed to the account from its first moment.

        Raises Win32Error, MachineError; then there is no such process.
        """
        kernel = self._api.kernel32
        with kernel.ProcThreadAttributeList(parent=self._process) as attributes:
            started = kernel.CreateProcessW(info.replace(attributes=attributes, security=self._closed))
        try:
            if not kernel.IsProcessInJob(started.process, self._job):
                raise MachineError("Windows made a runner outside of the job that it has to end with",
                                   hint=runner_owner.HINT)
        except BaseException:
            runner_owner.kill(self._api, started)
            raise
        return started

    def close(self) -> None:
        """Idempotent."""
        for each in (self._process, self._job):
            if not each.closed:
                each.close()


def taken(api: Api, home: str, owner: Sid, account: Sid, session: str, log_on: Launch) -> Parent:
    """The account's process: found, or logged on where no command of the account runs.

    One caller of the user's at a time.  ``home`` is the user's profile directory; ``session`` says in which logon
    session the caller is; ``log_on`` starts the runner's program suspended, with whatever list the logon gives it.
    Raises MachineError, and what ``log_on`` raises; then nothing is left.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        found = _found(api, home + credentials.DIRECTORY, owner, account, session)
        if isinstance(found, Parent):
            return found
        if found is None:
            return _made(api, home, owner, account, session, log_on)
        if time.monotonic() > deadline:
            raise MachineError(f"{found}; a logon while its commands may run would let them take over what it makes",
                               hint=CLOSE)
        time.sleep(PAUSE)


def _found(api: Api, directory: str, owner: Sid, account: Sid, session: str) -> Parent | str | None:
    """It, or why one that may have commands cannot be used; None where there is none."""
    note = read(api, path_of(directory, account))
    job = _opened(api, note)
    if note is None or job is None:
        return None
    process: Handle | None = None
    try:
        if note.session != session:
            raise MachineError("a sandbox of yours with the same account is open in another logon session, and this "
                               "one cannot start programs there", hint=CLOSE)
        process = _process(api, note, job)
        if process is not None:
            runner_owner.check(api, process, parse(guarded(owner)))
    except BaseException:
        for each in (process, job):
            if each is not None:
                each.close()
        raise
    if process is None:
        job.close()
        return "the process from which the runners of the sandbox's account are made has ended before its sandboxes"
    return Parent(api, process, job, owner)


def _opened(api: Api, note: Note | None) -> Handle | None:
    try:
        return api.kernel32.OpenJobObjectW(JOB_OBJECT_QUERY, note.job) if note is not None else None
    except ApiError as error:
        if error.code not in NOBODY:
            raise
        return None


def _process(api: Api, note: Note, job: Handle) -> Handle | None:
    """The process, if it is the one that was noted and runs."""
    kernel = api.kernel32
    try:
        process = kernel.OpenProcess(PROCESS_CREATE_PROCESS | PROCESS_QUERY_INFORMATION | READ_CONTROL,
                                     note.process)
    except ApiError as error:
        if error.code != GONE:
            raise
        return None
    try:
        same = (kernel.GetProcessTimes(process)[0] == note.born and kernel.GetExitCodeProcess(process) == STILL_ACTIVE
                and kernel.IsProcessInJob(process, job))
    except BaseException:
        process.close()
        raise
    if same:
        return process
    process.close()
    return None


def _made(api: Api, home: str, owner: Sid, account: Sid, session: str, log_on: Launch) -> Parent:
    # One that an owner left who was killed in the middle of this; the one that is made now looks for those that only
    # the account may open.
    with Kept(api, home) as kept:
        orphans.end(api, home + orphans.PLACE, kept)
    name = PREFIX + os.urandom(16).hex()
    # What this job would lack, the cell's own job lacks too, of which that is told.
    job, _ = jobs.make(api, Job(flags=JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE), name=name,
                       security=parse(default_for(owner)).to_bytes())
    try:
        def launch(*words: str) -> Started:
            return _shut(api, log_on(*words, STAYS), owner)

        started = runner_owner.start(api, launch, job, owner, account).leave()
        try:
            note = Note(job=name, process=started.process_id, born=api.kernel32.GetProcessTimes(started.process)[0],
                        session=session)
            write(api, home + credentials.DIRECTORY, owner, account, note)
        except BaseException:
            runner_owner.kill(api, started)
            raise
    except BaseException:
        job.close()
        raise
    started.thread.close()
    return Parent(api, started.process, job, owner)


def _shut(api: Api, started: Started, owner: Sid) -> Started:
    """What a logon made, closed to the account."""
    try:
        for handle in (started.process, started.thread):
            api.advapi32.SetKernelObjectSecurity(handle, DACL_SECURITY_INFORMATION, parse(guarded(owner)).to_bytes())
    except BaseException:
        runner_owner.kill(api, started)
        raise
    return started


def path_of(directory: str, account: Sid) -> str:
    """Where the note of an account lies."""
    return f"{directory}\\{NOTE}{account.rid}"


def read(api: Api, path: str) -> Note | None:
    """A note, None when there is none.  Raises Win32Error, MachineError for one that does not read."""
    import json

    data = private_file.read(api, path)
    if data is None:
        return None
    try:
        told = json.loads(data)
        note = Note(job=told["job"], process=told["process"], born=told["born"], session=told["session"])
        if not (isinstance(note.job, str) and isinstance(note.session, str) and note.job.startswith(PREFIX)
                and type(note.process) is int and type(note.born) is int):
            raise ValueError("not of these kinds")
    except (ValueError, KeyError, TypeError) as error:
        raise MachineError(f"{path} cannot be read ({type(error).__name__}), so it is not known whether another "
                           "sandbox is open", hint="close every sandbox, then remove that file") from None
    return note


def write(api: Api, directory: str, owner: Sid, account: Sid, note: Note) -> None:
    """Puts the note there.  Raises Win32Error."""
    import json

    private_file.write(api, directory, NOTE + str(account.rid), json.dumps(note.to_dict()).encode("ascii"), owner)


class Kept:
    """Which processes lie in the job of such a process that somebody still has open: a context manager."""

    def __init__(self, api: Api, home: str) -> None:
        self._api = api
        self._jobs: list[Handle] = []
        self._unsure = False
        directory = home + credentials.DIRECTORY
        try:
            for name in private_file.names(api, directory) or ():
                if name.lower().startswith(NOTE) and name[len(NOTE):].isdigit():
                    self._open(f"{directory}\\{name}")
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def _open(self, path: str) -> None:
        try:
            job = _opened(self._api, read(self._api, path))
        except MachineError:
            self._unsure = True  # which one it is cannot be told, so every one may be
        else:
            self._jobs += [job] if job is not None else []

    def __call__(self, process: Handle) -> bool:
        """Whether a process is one of them, or may be.  Raises Win32Error."""
        return self._unsure or any(self._api.kernel32.IsProcessInJob(process, job) for job in self._jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for job in self._jobs:
            job.close()
        self._jobs = []


__all__ = ["NOTE", "Kept", "Note", "Parent", "path_of", "read", "taken", "write"]
