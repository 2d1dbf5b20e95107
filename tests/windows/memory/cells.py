"""What the cells of the token tiers need of a Windows in memory: tokens, jobs, programs that run with a token.

Knows: which calls open such a cell.  Must not know: what a test expects.  Who may do what is asked of
``nt.access_check``: of a program that tries to write, by the token that it was started with.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from tests.windows.memory.desktops import User
from tests.windows.memory.kernel import ADD_FILE, Kernel, OpenFile
from tests.windows.memory.security import Advapi, Userenv
from tests.windows.memory.windows import Api, Facade, File, Person, Watched, Windows

from sidewall.nt.access_check import access_check
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.windows_token import WRITE_RESTRICTED
from sidewall.platforms.windows import constants_files, constants_security
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.kernel32_files import SHARE_ALL
from sidewall.platforms.windows.layouts_process import JOBOBJECT_EXTENDED_LIMIT_INFORMATION
from sidewall.platforms.windows.prototypes import LAST
from sidewall.platforms.windows.startup import AttributeList, Started, StartInfo, environment_of
from sidewall.platforms.windows.win32_paths import plain

KILL_ON_CLOSE = 0x2000
DISABLE_MAX_PRIVILEGE = 1
PRIVILEGES = {"SeShutdownPrivilege": 19, "SeChangeNotifyPrivilege": 23, "SeUndockPrivilege": 25}
MEDIUM = 0x2000
WAITS = 0x102


class Thing(Handle):
    """A handle of something: a token, a job, a program."""

    __slots__ = ("thing",)
    thing: Any


class Job:
    def __init__(self) -> None:
        self.limits: Any = None


class Program:
    def __init__(self, token: Token, info: StartInfo, jobs: Sequence[Job]) -> None:
        self.token, self.info, self.jobs = token, info, tuple(jobs)
        self.running = True
        self.code = 259
        self.list = b""


class State:
    """All programs that were started, the number of our own process, the station that it is in."""

    def __init__(self, windows: Windows, recipe: TokenRecipe) -> None:
        self.windows = windows
        self.pid = 4242
        self.programs: list[Program] = []
        self.station = "WinSta0"
        self.own = Token(user=recipe.user, groups=tuple([Group(sid=sid, attributes=bits)
                                                         for sid, bits in recipe.groups]),
                         privileges=frozenset(PRIVILEGES), integrity=MEDIUM, default_dacl=Acl())

    def api(self, home: str) -> Any:
        person = Person(self.own.user, home)
        person.token = self.own
        api = Api()
        kernel = Watched(Programs(self, person), self.windows)
        for name, made in (("kernel32", kernel), ("ntdll", kernel),
                           ("advapi32", Watched(Tokens(self, person), self.windows)),
                           ("userenv", Watched(Userenv(self.windows, person), self.windows)),
                           ("user32", Watched(Stations(self, person), self.windows))):
            setattr(api, name, made)
        return api

    def running(self) -> list[Program]:
        return [one for one in self.programs if one.running]

    def names(self, place: str) -> list[str]:
        """As ``os.listdir``."""
        start = place.upper() + "\\"
        return [one[len(start):].lower() for one in self.windows.files
                if one.startswith(start) and "\\" not in one[len(start):]]

    def there(self, path: str) -> bool:
        return path.upper() in self.windows.files


class _Of(Facade):
    def __init__(self, state: State, person: Person) -> None:
        super().__init__(state.windows, person)
        self.state = state


def _handle(thing: Any, what: str, close: Any = lambda value: None) -> Thing:
    made = Thing(1, close, what)
    made.thing = thing
    return made


class Stations(_Of, User):
    def SetProcessWindowStation(self, station: Any) -> None:
        self.state.station = "WinSta0" if isinstance(station, Borrowed) else station.name


class Tokens(_Of, Advapi):
    def OpenProcessToken(self, process: Any, access: int) -> Handle:
        program = getattr(process, "thing", None)
        return _handle([program.token if program else self.state.own], "a token")

    def LookupPrivilegeValueW(self, name: str) -> int:
        return PRIVILEGES[name]

    def LookupPrivilegeNameW(self, number: int) -> str:
        return next(name for name, luid in PRIVILEGES.items() if luid == number)

    def TokenPrivileges(self, token: Any) -> tuple[tuple[int, int], ...]:
        return tuple([(PRIVILEGES[name], 2) for name in sorted(token.thing[0].privileges)])

    def TokenGroups(self, token: Any, kind: int = constants_security.TokenGroups) -> tuple[tuple[bytes, int], ...]:
        model: Token = token.thing[0]
        if kind == constants_security.TokenRestrictedSids:
            return tuple([(sid.to_bytes(), 7) for sid in model.restricting or ()])
        return tuple([(group.sid.to_bytes(), group.attributes) for group in model.groups])

    def TokenUser(self, token: Any) -> bytes:
        user: Sid = token.thing[0].user
        return user.to_bytes()

    def TokenNumber(self, token: Any, kind: int) -> int:
        return 0

    def TokenSid(self, token: Any, kind: int) -> bytes:
        return Sid.of(16, token.thing[0].integrity).to_bytes()

    def TokenDefaultDacl(self, token: Any) -> bytes:
        dacl: Acl = token.thing[0].default_dacl
        return dacl.to_bytes()

    def IsTokenRestricted(self, token: Any) -> bool:
        return token.thing[0].restricting is not None

    def CreateRestrictedToken(self, token: Any, flags: int, *, disable: Sequence[bytes], delete: Sequence[int],
                              restrict: Sequence[bytes]) -> Handle:
        base: Token = token.thing[0]
        off = {Sid.from_bytes(sid) for sid in disable}
        kept = {name for name in base.privileges if PRIVILEGES[name] not in delete}
        if flags & DISABLE_MAX_PRIVILEGE:
            kept &= {"SeChangeNotifyPrivilege"}
        groups = tuple([Group(sid=one.sid, attributes=0x10 if one.sid in off else one.attributes)
                        for one in base.groups])
        return _handle([base.replace(groups=groups, privileges=frozenset(kept),
                                     restricting=tuple([Sid.from_bytes(sid) for sid in restrict]),
                                     write_restricted=bool(flags & WRITE_RESTRICTED))], "the cell's token")

    def SetTokenDefaultDacl(self, token: Any, dacl: bytes) -> None:
        token.thing[0] = token.thing[0].replace(default_dacl=Acl.from_bytes(dacl))

    def SetTokenIntegrityLevel(self, token: Any, level: bytes) -> None:
        token.thing[0] = token.thing[0].replace(integrity=Sid.from_bytes(level).rid)

    def DuplicateTokenEx(self, token: Any, access: int, **_: Any) -> Handle:
        return _handle(list(token.thing), "a copy of a token")

    def AccessCheck(self, descriptor: bytes, token: Any, desired: int, mapping: object) -> tuple[bool, int]:
        granted = access_check(SecurityDescriptor.from_bytes(descriptor), token.thing[0], desired,
                               MAPPINGS["file"]).granted
        return bool(granted), desired if granted else 0

    def CreateProcessAsUserW(self, token: Any, info: StartInfo) -> Started:
        assert info.attributes is not None
        program = Program(token.thing[0], info, [one.thing for one in info.attributes.kept[1]])  # type: ignore[index]
        self.state.programs.append(program)
        number = 6000 + len(self.state.programs)
        return Started(process=_handle(program, f"process {number}"), thread=_handle(program, f"thread of {number}"),
                       process_id=number, thread_id=number + 1)


class Programs(_Of, Kernel):
    def CreateJobObjectW(self, *, name: str | None = None, security: bytes | None = None) -> Handle:
        job = Job()

        def close(value: int) -> None:
            if job.limits is not None and job.limits.BasicLimitInformation.LimitFlags & KILL_ON_CLOSE:
                self._end(job)

        return _handle(job, "a job", close)

    def _end(self, job: Any) -> None:
        for program in self.state.running():
            if job in program.jobs:
                program.running, program.code = False, 1

    def SetInformationJobObject(self, job: Any, limits: Any) -> None:
        job.thing.limits = limits

    def QueryInformationJobObject(self, job: Any, kind: type[Any]) -> Any:
        if kind is JOBOBJECT_EXTENDED_LIMIT_INFORMATION:
            return job.thing.limits
        return SimpleNamespace(ActiveProcesses=sum(job.thing in one.jobs for one in self.state.running()))

    def TerminateJobObject(self, job: Any, code: int) -> None:
        self._end(job.thing)

    def IsProcessInJob(self, process: Any, job: Any) -> bool:
        return job.thing in process.thing.jobs

    def ProcThreadAttributeList(self, *, handles: Sequence[Handle] = (), jobs: Sequence[Handle] = (),
                                **_: Any) -> AttributeList:
        return AttributeList(1, lambda value: None, "attributes", (tuple(handles), tuple(jobs)))

    def DuplicateHandle(self, source: Handle, **_: Any) -> Handle:
        return self.handle("a copy")

    def ResumeThread(self, thread: Any) -> None:
        """A program that tries to write what it was told, and ends."""
        program: Program = thread.thing
        target = environment_of(program.info.environment or b"")["SIDEWALL_PROBE"]
        above = self.windows.files.get(target.rpartition("\\")[0].upper())
        if above is not None and access_check(above.descriptor, program.token, ADD_FILE, MAPPINGS["file"]).granted:
            self.windows.files[target.upper()] = File(above.descriptor, b"x")
        program.running, program.code = False, 1

    def OpenProcess(self, access: int, process_id: int) -> Handle:
        if process_id != self.state.pid:
            raise failure("OpenProcess", LAST, 87)
        return _handle(None, "this process")

    def TerminateProcess(self, process: Any, code: int) -> None:
        process.thing.running, process.thing.code = False, code

    def WaitForSingleObject(self, handle: Any, milliseconds: int) -> int:
        program = getattr(handle, "thing", None)
        return 0 if program is not None and not program.running else WAITS

    def GetExitCodeProcess(self, process: Any) -> int:
        return int(process.thing.code) if process.thing is not None else 259

    def FindFirstChangeNotificationW(self, path: str, events: int) -> Handle:
        return self.handle(f"changes below {path}")

    def FindNextChangeNotification(self, changes: Handle) -> None:
        return

    def CreateFileW(self, path: str, access: int, disposition: int, *, share: int = SHARE_ALL,
                    security: bytes | None = None, **_: Any) -> Handle:
        return super().CreateFileW(plain(path), access, disposition, share=share, security=security)

    def NtCreateFile(self, name: str, access: int, *, directory: Any, **_: Any) -> Handle:
        path = f"{directory.what}\\{name}" if name else directory.what
        return super().CreateFileW(path, access, constants_files.OPEN_EXISTING)

    def GetFileInformationByHandleEx(self, handle: Any, kind: type[Any]) -> Any:
        return SimpleNamespace(FileAttributes=handle.file.attributes)

    def SetFileInformationByHandle(self, handle: OpenFile, information: Any) -> None:
        """Deletes it."""
        path = handle.what.upper()
        if any(one.startswith(path + "\\") for one in self.windows.files):
            raise failure("SetFileInformationByHandle", LAST, 145, target=handle.what)
        self.windows.files.pop(path, None)


def machine(recipe: TokenRecipe, home: str) -> State:
    """A Windows on which a plan's user has a profile."""
    windows = Windows()
    own = parse(f"O:{recipe.user}G:{recipe.user}D:P(A;OICI;FA;;;{recipe.user})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)")
    for place in ("", r"\AppData", r"\AppData\Local", r"\AppData\Local\Temp"):
        windows.files[(home + place).upper()] = File(own, None)
    return State(windows, recipe)
