"""Processes of accounts in memory: made by a logon or from another process, with access lists, jobs and a pipe.

Knows: which list an object gets, what a process has of its parent, what the runner's program does first and says.  Must
not know: in which order anybody calls.  Mixed into kernel32 and advapi32 of this Windows.

What stands in no document is a switch of the Windows: whether the user may open the account's token, and whether a
process that is made from another starts with that one's default list.
"""

from __future__ import annotations

import _thread
import itertools
from types import SimpleNamespace
from typing import Any

from tests.windows.memory.players import Pending, Player
from tests.windows.memory.windows import Facade, Windows

from sidewall.errors import MachineError
from sidewall.nt.access_check import access_check
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, map_generic
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows import runner_pipe
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.layouts_process import JOBOBJECT_EXTENDED_LIMIT_INFORMATION
from sidewall.platforms.windows.prototypes import LAST, STATUS
from sidewall.platforms.windows.runner_guard import Guard
from sidewall.platforms.windows.startup import AttributeList, Started, StartInfo

KILL_ON_CLOSE = 0x2000
LOADER = 2
"""Threads that the loader makes before a program's first line."""
LOGON_DACL = "D:(A;;GA;;;{account})(A;;GA;;;SY)(A;;GXGR;;;S-1-5-5-0-4711)"
"""The default list of an interactive logon's token."""
_numbers = itertools.count(5000, 8)


class ProcessHandle(Handle):
    """A process, its first thread or its token: ``number`` 0 is the caller's own."""

    __slots__ = ("kind", "number")
    number: int
    kind: str


class JobHandle(Handle):
    __slots__ = ("job",)
    job: Job


class Job:
    def __init__(self, name: str | None) -> None:
        self.name, self.handles = name, 0
        self.limits: Any = None


class Process:
    """``made`` are its objects: itself, its first thread, then those of the loader."""

    def __init__(self, token: Token, default: Acl, jobs: list[Job], line: str, parent: int) -> None:
        self.token, self.default, self.jobs, self.line, self.parent = token, default, list(jobs), line, parent
        self.number = next(_numbers)
        self.made: list[tuple[str, SecurityDescriptor]] = []
        self.redirectable = False
        """What a runner found of its drive letters."""

    def default_list(self, kind: str) -> SecurityDescriptor:
        aces = tuple([ace.replace(mask=map_generic(ace.mask, MAPPINGS[kind])) for ace in self.default.aces])
        return SecurityDescriptor(owner=self.token.user, group=self.token.user, dacl=Acl(aces=aces))


def logged_on(windows: Windows, token: Token, line: str, parent: int = 4000) -> Process:
    """A new process with the lists of its logon."""
    default = parse(LOGON_DACL.format(account=token.user)).dacl
    assert default is not None
    made = Process(token, default, [], line, parent)
    made.made = [(kind, made.default_list(kind)) for kind in ("process", "thread")]
    return _there(windows, made)


def _there(windows: Windows, made: Process) -> Process:
    windows.details[made.number] = made
    windows.processes[made.number] = made.token.user
    return made


def started(made: Process) -> Started:
    def handle(kind: str) -> ProcessHandle:
        opened = ProcessHandle(made.number, lambda value: None, f"{kind} of {made.number}")
        opened.number, opened.kind = made.number, kind
        return opened

    return Started(process=handle("process"), thread=handle("thread"), process_id=made.number,
                   thread_id=made.number + 1)


def end(windows: Windows, number: int) -> None:
    windows.processes.pop(number, None)
    gone = windows.details.pop(number, None)
    if gone is not None:
        if all(one.token.user != gone.token.user for one in windows.details.values()):
            windows.drives.pop(gone.token.user, None)
        for player in windows.players.values():
            player.over(gone.number)
        windows.ended(number)


def drives(windows: Windows, user: Sid) -> SecurityDescriptor:
    """The directory of drive letters of an account's logon session, as a logon makes it or as it was changed."""
    made: SecurityDescriptor = windows.drives.setdefault(user, parse(
        f"O:{user}G:{user}D:(A;;0xf000f;;;SY)(A;;0xf000f;;;BA)(A;;0xf000f;;;{user})"))
    return made


class Inside:
    """kernel32 and advapi32 for the first lines of the runner's program."""

    def __init__(self, windows: Windows, process: Process) -> None:
        self.windows, self.process = windows, process
        self.kernel32 = self.advapi32 = self.ntdll = self

    def NtOpenDirectoryObject(self, name: str, access: int) -> Handle:
        assert name == "\\??"
        user = self.process.token.user
        if not access_check(drives(self.windows, user), self.process.token, access,
                            MAPPINGS["directory_object"]).certain:
            raise failure("NtOpenDirectoryObject", STATUS, 0xC0000022)
        return Borrowed(0, "the drives")

    def _may(self, call: str, at: int, access: int) -> None:
        kind, descriptor = self.process.made[at]
        if not access_check(descriptor, self.process.token, access, MAPPINGS[kind]).certain:
            raise failure(call, LAST, 5)

    def GetCurrentProcess(self) -> Handle:
        return Borrowed(-1, "this process")

    def OpenProcessToken(self, process: Handle, access: int) -> Handle:
        return Handle(1, lambda value: None, "its token")

    def TokenUser(self, token: Handle) -> bytes:
        return self.process.token.user.to_bytes()

    def TokenGroups(self, token: Handle, kind: int = 2) -> tuple[tuple[bytes, int], ...]:
        return ()

    def TokenDefaultDacl(self, token: Handle) -> bytes:
        return self.process.default.to_bytes()

    def TokenPrivileges(self, token: Handle) -> tuple[tuple[int, int], ...]:
        return ()

    def TokenSid(self, token: Handle, kind: int) -> bytes:
        return Sid.of(16, 0x2000).to_bytes()

    def TokenNumber(self, token: Handle, kind: int) -> int:
        return 0

    def IsTokenRestricted(self, token: Handle) -> bool:
        return False

    def SetTokenDefaultDacl(self, token: Handle, dacl: bytes) -> None:
        self.process.default = Acl.from_bytes(dacl)
        self.windows.happened("SetTokenDefaultDacl inside")

    def Threads(self, process_id: int) -> tuple[int, ...]:
        own = _thread.get_native_id()
        return (own, *[own + at for at in range(2, len(self.process.made))])

    def OpenThread(self, access: int, number: int) -> Handle:
        at = number - _thread.get_native_id()
        self._may("OpenThread", at, access)
        return Handle(at, lambda value: None, f"thread {number}")

    def GetKernelObjectSecurity(self, thread: Handle, which: int) -> bytes:
        return SecurityDescriptor(dacl=self.process.made[thread.value][1].dacl).to_bytes()

    def SetKernelObjectSecurity(self, thread: Handle, which: int, data: bytes) -> None:
        if not thread.value:
            user = self.process.token.user
            dacl = SecurityDescriptor.from_bytes(data).dacl
            self.windows.drives[user] = drives(self.windows, user).replace(dacl=dacl)
            return
        kind, before = self.process.made[thread.value]
        self.process.made[thread.value] = kind, before.replace(dacl=SecurityDescriptor.from_bytes(data).dacl)
        self.windows.happened("SetKernelObjectSecurity inside")


class Processes(Facade):
    """Jobs, starts and the pipe, of kernel32."""

    def CreateJobObjectW(self, *, name: str | None = None, security: bytes | None = None) -> Handle:
        job = Job(name)
        if name is not None:
            assert security is not None and name not in self.windows.jobs
            self.windows.jobs[name] = job
        return self._job(job)

    def OpenJobObjectW(self, access: int, name: str) -> Handle:
        if name not in self.windows.jobs:
            raise failure("OpenJobObjectW", LAST, 2, target=name)
        return self._job(self.windows.jobs[name])

    def _job(self, job: Job) -> Handle:
        def close(value: int) -> None:
            job.handles -= 1
            if not job.handles:
                if job.limits is not None and job.limits.BasicLimitInformation.LimitFlags & KILL_ON_CLOSE:
                    self._end(job)
                self.windows.jobs.pop(job.name or "", None)

        job.handles += 1
        made = JobHandle(1, close, f"job {job.name}")
        made.job = job
        return made

    def _end(self, job: Job) -> None:
        for one in [one for one in self.windows.details.values() if job in one.jobs]:
            end(self.windows, one.number)

    def SetInformationJobObject(self, job: Any, limits: Any) -> None:
        job.job.limits = limits

    def QueryInformationJobObject(self, job: Any, kind: type[Any]) -> Any:
        if kind is JOBOBJECT_EXTENDED_LIMIT_INFORMATION:
            return job.job.limits
        return SimpleNamespace(ActiveProcesses=sum(job.job in one.jobs for one in self.windows.details.values()))

    def AssignProcessToJobObject(self, job: Any, process: Any) -> None:
        self.windows.details[process.number].jobs.append(job.job)

    def IsProcessInJob(self, process: Any, job: Any) -> bool:
        return process.number in self.windows.details and job.job in self.windows.details[process.number].jobs

    def ProcThreadAttributeList(self, *, parent: Handle | None = None, **_: Any) -> AttributeList:
        assert parent is not None
        return AttributeList(1, lambda value: None, "attributes", (parent,))

    def CreateProcessW(self, info: StartInfo) -> Started:
        assert info.attributes is not None and info.security is not None and not info.inherit
        parent = self.windows.details.get(info.attributes.kept[0].number)  # type: ignore[attr-defined]
        if parent is None:
            raise failure("CreateProcessW", LAST, 87)
        wanted = parse(LOGON_DACL.format(account=parent.token.user)).dacl
        default = parent.default if self.windows.inherits_default else wanted
        assert default is not None
        made = Process(parent.token, default, parent.jobs, info.command_line, parent.number)
        own = SecurityDescriptor.from_bytes(info.security).replace(owner=self.person.user, group=self.person.user)
        made.made = [("process", own), ("thread", own)]
        self.windows.started.append(info)
        return started(_there(self.windows, made))

    def ResumeThread(self, thread: Any) -> int:
        process = self.windows.details[thread.number]
        process.made += [("thread", process.default_list("thread")) for _ in range(LOADER)]
        words = process.line.split()
        name = next((word for word in words if word.startswith(runner_pipe.PREFIX)), "")
        if name:
            self.windows.happened("the loader")
            try:
                guard = Guard(Inside(self.windows, process), self.person.user)  # type: ignore[arg-type]
                if words[-1] == says.STAYS:
                    guard.close_drives(self.person.user)
                process.redirectable = guard.redirectable
                guard.close()
            except MachineError:
                end(self.windows, process.number)
                return 1
            self.windows.players[name] = Player(str(process.token.user), process.number)
        return 1

    def CreateEventW(self) -> Handle:
        return self.handle("an event")

    def StartConnect(self, pipe: Handle) -> Pending:
        return Pending()

    def WaitForMultipleObjects(self, handles: Any, milliseconds: int) -> int:
        return 1

    def DisconnectNamedPipe(self, pipe: Handle) -> None:
        return

    def _player(self, pipe: Handle) -> Player:
        return self.windows.players[pipe.what.removeprefix("pipe ")]

    def GetNamedPipeClientProcessId(self, pipe: Handle) -> int:
        return self._player(pipe).number

    def StartWrite(self, pipe: Handle, data: bytes, *, event: Handle) -> Pending:
        self._player(pipe).told(data)
        return Pending(len(data))

    def StartRead(self, pipe: Handle, size: int, *, event: Handle) -> Pending:
        return Pending(player=self._player(pipe))

    def GetCurrentThread(self) -> Handle:
        return Borrowed(-2, "this thread")


class Lists(Facade):
    """Lists of processes and threads, tokens of whoever is at the end of a pipe, of advapi32."""

    def _made(self, handle: ProcessHandle) -> tuple[Process, int]:
        return self.windows.details[handle.number], 0 if handle.kind == "process" else 1

    def SetKernelObjectSecurity(self, handle: Any, what: int, data: bytes) -> None:
        process, at = self._made(handle)
        kind, before = process.made[at]
        process.made[at] = kind, before.replace(dacl=SecurityDescriptor.from_bytes(data).dacl)

    def SetTokenDefaultDacl(self, token: Any, dacl: bytes) -> None:
        if not self.windows.token_is_open:
            raise failure("SetTokenDefaultDacl", LAST, 5)
        self.windows.details[token.number].default = Acl.from_bytes(dacl)

    def ImpersonateNamedPipeClient(self, pipe: Handle) -> None:
        self.windows.acting = self.windows.players[pipe.what.removeprefix("pipe ")].number

    def RevertToSelf(self) -> None:
        self.windows.acting = 0

    def OpenThreadToken(self, thread: Handle, access: int) -> Handle:
        made = ProcessHandle(1, lambda value: None, "the client's token")
        made.number, made.kind = self.windows.acting, "token"
        return made


__all__ = ["Inside", "Job", "Lists", "Process", "ProcessHandle", "Processes", "end", "logged_on", "started"]
