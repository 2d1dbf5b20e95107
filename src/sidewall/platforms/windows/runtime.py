"""The private copy of Python from which the sandbox's accounts run: made once a version, looked at before each use.

Knows: where it lies, who may do what with it, how one that is old or changed is told.  Must not know: what is in it
(``runtime_files``), how a process is started (``logon``).

It lies in the user's profile, where nobody but the user, the system and administrators write, and the sandbox's group
may read and execute it; that group passes the directories above by the right to bypass traverse checking, which a
command's token keeps.  Only the user could have changed it, who is trusted more than what runs in it: so sizes, times
and numbers of files are compared at each use, and contents where these differ.

A version has a directory of its own, and counts from the moment when its manifest gets its name: what a crash leaves
has none.  While ``Runtime`` is open its interpreter cannot be deleted, and then nothing else of it is.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import orphans, private_file, runtime_files
from sidewall.platforms.windows.errors import ApiError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.machine import Caller, Machine
    from sidewall.platforms.windows.runtime_files import Contents

PARENT, PLACE = r"\AppData\Local\sidewall", orphans.PLACE
MANIFEST = "manifest"
SCHEMA = 1
_WHAT = 0x5
"""OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION."""
_LOOK = 0x20000 | 0x80 | 0x100000
"""READ_CONTROL, FILE_READ_ATTRIBUTES and SYNCHRONIZE."""
_EPOCH = 116_444_736_000_000_000
_LINK = constants.FILE_ATTRIBUTE_REPARSE_POINT


class Runtime(Record):
    """A version that is good, and held: a context manager.  ``python`` and ``start`` are full paths of interpreter and
    program; ``directory`` is one that the account can enter."""

    directory: str
    python: str
    start: str
    hold: Handle

    def close(self) -> None:
        """From now on it may be removed, unless a process runs from it.  Idempotent."""
        if not self.hold.closed:
            self.hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def sddl(owner: Sid, group: Sid, *, directory: bool = False) -> str:
    """User, system and administrators may do everything; the sandbox's group reads and executes."""
    flags = "OICI" if directory else ""
    full = "".join([f"(A;{flags};FA;;;{sid})" for sid in (owner, "SY", "BA")])
    return f"O:{owner}D:P{full}(A;{flags};0x1200a9;;;{group})"


def obstacle() -> str:
    """Why no copy can be made of this Python, for people; '' when one can."""
    try:
        runtime_files.here()
    except MachineError as error:
        return f"{error}; {error.hint}"
    return ""


def ready(machine: Machine, caller: Caller, group: Sid) -> Runtime:
    """The copy of this Python for the sandbox's ``group``, made if there is none.  Raises MachineError.

    Old versions that nobody uses go.
    """
    from sidewall.platforms.windows import runtime_removal as removal

    found = find(machine, caller, group)
    if found is None:
        contents = runtime_files.gather(runtime_files.here(), package())
        make(machine, caller, group, contents)
        found = find(machine, caller, group)
        if found is None:
            raise MachineError(f"{caller.home}{PLACE} does not keep files and access lists as they were written",
                               hint="the profile must lie on a local NTFS volume, and no other program may change what "
                                    "lies there")
        removal.clean(machine, caller)
    return found


def package() -> str:
    """The directory of ``sidewall``."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def find(machine: Machine, caller: Caller, group: Sid, *, lists: bool = True) -> Runtime | None:
    """A version that was made of this Python and these modules, unchanged since; None when there is none.

    ``lists``: its access lists are looked at too.  Raises Win32Error.
    """
    place = caller.home + PLACE
    for name in reversed(private_file.names(machine.api, place) or ()):
        directory = f"{place}\\{name}"
        told = manifest(machine.api, directory)
        if told is None or not _current(told["origins"]):
            continue
        try:
            held = _held(machine, directory)
        except ApiError:
            continue
        if _unchanged(machine, directory, told["files"], sddl(caller.user, group) if lists else "",
                      sddl(caller.user, group, directory=True) if lists else ""):
            _used(machine, f"{directory}\\{MANIFEST}")
            return held
        held.close()
    return None


def _held(machine: Machine, directory: str) -> Runtime:
    python = f"{directory}\\{runtime_files.PROGRAM}"
    # A handle that reads no data would not keep anybody from deleting.
    hold = machine.api.kernel32.CreateFileW(
        python, _LOOK | 0x1, constants.OPEN_EXISTING, share=constants.FILE_SHARE_READ,
        flags=constants.FILE_FLAG_OPEN_REPARSE_POINT)
    return Runtime(directory=directory, python=python, start=f"{directory}\\{runtime_files.START}", hold=hold)


def manifest(api: Api, directory: str) -> dict[str, Any] | None:
    """What a version says of itself: ``files`` and ``origins`` by name; None for one that is not finished."""
    import marshal

    try:
        data = private_file.read(api, f"{directory}\\{MANIFEST}")
        told = marshal.loads(data) if data else None
    except (SidewallError, ValueError, EOFError, TypeError):
        return None
    whole = isinstance(told, dict) and told.get("schema") == SCHEMA
    return told if whole else None


def _current(origins: dict[str, tuple[int, ...]]) -> bool:
    """Whether what it was made of is what is there, and what this process runs from."""
    here = os.path.normcase(package())
    if not any(os.path.normcase(path).startswith(here + os.sep) for path in origins):
        return False
    return all(_stamp(path) == tuple(stamp) for path, stamp in origins.items())


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _numbers(found: Any) -> tuple[int, ...]:
    written = found.ftLastWriteTime
    return (found.nFileSizeHigh << 32 | found.nFileSizeLow, written.dwHighDateTime << 32 | written.dwLowDateTime,
            found.nFileIndexHigh << 32 | found.nFileIndexLow)


def _unchanged(machine: Machine, directory: str, files: dict[str, tuple[Any, ...]], one: str, all_of_it: str) -> bool:
    """Whether a version has these files and no others, each as it was made and with these access lists."""
    api = machine.api
    try:
        listed = private_file.names(api, directory)
        if listed is None or {name.lower() for name in listed} != {MANIFEST, *[name.lower() for name in files]}:
            return False
        if all_of_it and not _guarded(api, directory, all_of_it):
            return False
        return all(_same(api, f"{directory}\\{name}", told, one) for name, told in files.items())
    except ApiError:
        return False


def _guarded(api: Api, directory: str, wanted: str) -> bool:
    with api.kernel32.CreateFileW(directory, _LOOK, constants.OPEN_EXISTING,
                                  flags=constants.FILE_FLAG_BACKUP_SEMANTICS
                                  | constants.FILE_FLAG_OPEN_REPARSE_POINT) as opened:
        leads = api.kernel32.GetFileInformationByHandle(opened).dwFileAttributes & _LINK
        return not leads and _lists(api, opened, wanted)


def _lists(api: Api, opened: Handle, wanted: str) -> bool:
    meant = parse(wanted)
    found = SecurityDescriptor.from_bytes(api.advapi32.GetKernelObjectSecurity(opened, _WHAT))
    return (found.owner == meant.owner and found.dacl is not None and meant.dacl is not None
            and found.dacl.aces == meant.dacl.aces)


def _same(api: Api, path: str, told: tuple[Any, ...], wanted: str) -> bool:
    numbers, digest = tuple(told[0]), told[1]
    with api.kernel32.CreateFileW(path, _LOOK | 0x1, constants.OPEN_EXISTING, share=constants.FILE_SHARE_READ,
                                  flags=constants.FILE_FLAG_OPEN_REPARSE_POINT) as opened:
        found = api.kernel32.GetFileInformationByHandle(opened)
        if found.dwFileAttributes & _LINK or found.nNumberOfLinks != 1 or (wanted and not _lists(api, opened, wanted)):
            return False
        return _numbers(found) == numbers or _digest(api, opened) == digest


def _digest(api: Api, opened: Handle) -> bytes:
    import hashlib

    state = hashlib.sha256()
    while piece := api.kernel32.ReadFile(opened, 1 << 20):
        state.update(piece)
    return state.digest()


def _used(machine: Machine, path: str) -> None:
    """Notes that it is used: once a day is enough for its age to be known."""
    try:
        if machine.clock() - age(machine.api, path) > 86_400:
            os.utime(path)
    except (OSError, ApiError):
        return  # it is made anew when it was taken for old


def age(api: Api, path: str) -> float:
    """When it was written, in seconds since 1970.  Raises Win32Error."""
    with api.kernel32.CreateFileW(path, _LOOK, constants.OPEN_EXISTING, flags=constants.FILE_FLAG_BACKUP_SEMANTICS
                                  | constants.FILE_FLAG_OPEN_REPARSE_POINT) as opened:
        return (_numbers(api.kernel32.GetFileInformationByHandle(opened))[1] - _EPOCH) / 1e7


def make(machine: Machine, caller: Caller, group: Sid, contents: Contents) -> str:
    """A new version of these contents; its directory.  Raises MachineError, with nothing left of it."""
    import hashlib
    import marshal

    from sidewall.platforms.windows import runtime_removal as removal

    api = machine.api
    state = hashlib.sha256()
    digests = {}
    for one in contents.files:
        digests[one.name] = hashlib.sha256(one.data).digest()
        state.update(one.name.encode("utf-8") + b"\0" + digests[one.name])
    origins = {path: _stamp(path) for path in contents.origins}
    for above in (PARENT, PLACE):
        private_file.make_directory(api, caller.home + above, caller.user)
    # The random part: one that is damaged and in use is in nobody's way.
    directory = f"{caller.home}{PLACE}\\{state.hexdigest()[:16]}-{os.urandom(4).hex()}"
    api.kernel32.CreateDirectoryW(directory, security=parse(sddl(caller.user, group, directory=True)).to_bytes())
    try:
        security = parse(sddl(caller.user, group)).to_bytes()
        files = {one.name: (_write(api, f"{directory}\\{one.name}", one.data, security), digests[one.name])
                 for one in contents.files}
        told = marshal.dumps({"schema": SCHEMA, "origins": origins, "files": files})
        _write(api, f"{directory}\\{MANIFEST}.new", told, parse(private_file.sddl(caller.user)).to_bytes())
        api.kernel32.MoveFileExW(f"{directory}\\{MANIFEST}.new", f"{directory}\\{MANIFEST}",
                                 constants.MOVEFILE_WRITE_THROUGH)
    except BaseException:
        try:
            removal.remove(api, directory)
        except ApiError:
            pass  # it has no manifest, and goes when it is an hour old
        raise
    return directory


def _write(api: Api, path: str, data: bytes, security: bytes) -> tuple[int, ...]:
    """Writes a new file to the disk; its numbers."""
    with api.kernel32.CreateFileW(path, 0xC0000000, constants.CREATE_NEW, share=0, security=security) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[api.kernel32.WriteFile(file, bytes(rest[:1 << 20])):]
        api.kernel32.FlushFileBuffers(file)
    # Once it is closed: only then its time is the one that stays.
    with api.kernel32.CreateFileW(path, _LOOK, constants.OPEN_EXISTING) as file:
        return _numbers(api.kernel32.GetFileInformationByHandle(file))


__all__ = ["MANIFEST", "PARENT", "PLACE", "Runtime", "age", "find", "make", "manifest", "obstacle", "package", "ready",
           "sddl"]
