"""kernel32 in memory: files with access lists, one pipe of a name, processes."""

from __future__ import annotations

import types
from typing import Any

from tests.windows.memory import processes
from tests.windows.memory.processes import ProcessHandle
from tests.windows.memory.security import process_list
from tests.windows.memory.windows import Facade, File

from sidewall.nt import wellknown as known
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.kernel32_files import SHARE_ALL, DirectoryEntry
from sidewall.platforms.windows.prototypes import LAST

ADD_FILE, ADD_DIRECTORY, DELETE, DELETE_CHILD = 0x2, 0x4, 0x10000, 0x40
READS, WRITES = 0xA0000021, 0x50000006
"""Accesses for which a handle must be shared, by FILE_SHARE_READ and FILE_SHARE_WRITE; one with none of them and not
DELETE is in nobody's way."""
PROTECTED = r"\\.\pipe\ProtectedPrefix\Administrators" + "\\"
EPOCH = 116_444_736_000_000_000


def _together(access: int, share: int) -> bool:
    """Whether a handle with this access may be open beside one that shares this much."""
    return not ((access & READS and not share & constants.FILE_SHARE_READ)
                or (access & WRITES and not share & constants.FILE_SHARE_WRITE)
                or (access & DELETE and not share & constants.FILE_SHARE_DELETE))


class OpenFile(Handle):
    __slots__ = ("at", "file")
    file: File
    at: int


class Kernel(processes.Processes, Facade):
    def GetCurrentProcess(self) -> Handle:
        return Borrowed(-1, "this process")

    def GetWindowsDirectoryW(self) -> str:
        return r"C:\Windows"

    def GetSystemDirectoryW(self) -> str:
        return r"C:\Windows\System32"

    def EnumProcesses(self) -> tuple[int, ...]:
        return (0, 4, *self.windows.processes)

    def OpenProcess(self, access: int, process_id: int) -> Handle:
        if process_id not in self.windows.processes:
            raise failure("OpenProcess", LAST, 87)
        if (process_id not in self.windows.left and not self.person.debugging
                and not self.person.may(process_list(self.windows, process_id), access, "process")):
            raise failure("OpenProcess", LAST, 5)
        made = ProcessHandle(1, lambda value: None, f"process {process_id}")
        made.number, made.kind = process_id, "process"
        return made

    def QueryFullProcessImageNameW(self, process: Any) -> str:
        return self.windows.left.get(process.number, r"C:\Windows\explorer.exe")

    def GetExitCodeProcess(self, process: Any) -> int:
        return 259 if process.number in self.windows.processes else 1

    def GetProcessTimes(self, process: Any) -> tuple[int, int, int, int]:
        number = getattr(process, "number", 0)
        return number if number in self.windows.details else 1, 0, 0, 0

    def ParentProcessId(self, process: Any) -> int:
        made = self.windows.details.get(process.number)
        return made.parent if made is not None else 4000

    def TerminateProcess(self, process: Any, exit_code: int) -> None:
        if process.number in self.windows.details:
            processes.end(self.windows, process.number)
            return
        self.windows.processes.pop(process.number, None)
        self.windows.ended(process.number)

    def WaitForSingleObject(self, handle: Any, milliseconds: int) -> int:
        runs = isinstance(handle, ProcessHandle) and handle.number in self.windows.details
        return 0x102 if runs else 0

    def CreateNamedPipeW(self, name: str, open_mode: int, pipe_mode: int, **_: Any) -> Handle:
        if name.startswith(PROTECTED) and not self.person.elevated:
            raise failure("CreateNamedPipeW", LAST, 5, target=name)
        if name in self.windows.pipes:
            raise failure("CreateNamedPipeW", LAST, 5, target=name)
        self.windows.pipes.add(name)
        return self.handle(f"pipe {name}", lambda value: self.windows.pipes.discard(name))

    def _find(self, call: str, path: str) -> File:
        found = self.windows.files.get(path.upper())
        if found is None:
            parent = path.upper().rpartition("\\")[0]
            raise failure(call, LAST, 2 if parent in self.windows.files else 3, target=path)
        return found

    def _may(self, call: str, file: File, mask: int, path: str) -> None:
        if not self.person.may(file.descriptor, mask, "file"):
            raise failure(call, LAST, 5, target=path)

    def _parent(self, call: str, path: str) -> File:
        parent = self.windows.files.get(path.upper().rpartition("\\")[0])
        if parent is None:
            raise failure(call, LAST, 3, target=path)
        return parent

    def _make(self, call: str, path: str, security: bytes | None, data: bytes | None) -> File:
        parent = self._parent(call, path)
        self._may(call, parent, ADD_FILE if data is not None else ADD_DIRECTORY, path)
        if path.upper() in self.windows.files:
            raise failure(call, LAST, 80 if data is not None else 183, target=path)
        own = SecurityDescriptor.from_bytes(security) if security else parent.descriptor
        made = File(own.replace(owner=own.owner or self.person.user, group=own.group or known.USERS), data,
                    self.windows.now)
        self.windows.files[path.upper()] = made
        return made

    def CreateFileW(self, path: str, access: int, disposition: int, *, share: int = SHARE_ALL,
                    security: bytes | None = None, **_: Any) -> Handle:
        if disposition == constants.CREATE_NEW:
            file = self._make("CreateFileW", path, security, b"")
        else:
            file = self._find("CreateFileW", path)
            self._may("CreateFileW", file, access, path)
        entry = (access, share) if access & (READS | WRITES | DELETE) else (0, SHARE_ALL)
        for other, shared in file.opens:
            if not _together(entry[0], shared) or not _together(other, entry[1]):
                raise failure("CreateFileW", LAST, 32, target=path)
        file.opens.append(entry)
        opened = OpenFile(1, lambda value: file.opens.remove(entry), path)
        opened.file, opened.at = file, 0
        return opened

    def ReadFile(self, handle: Any, size: int) -> bytes:
        data: bytes = handle.file.data[handle.at:handle.at + size]
        handle.at += len(data)
        return data

    def WriteFile(self, handle: Any, data: bytes) -> int:
        part = data[:100] if len(data) < 10_000 else data  # a disk may take less than it is given
        handle.file.data += part
        handle.file.written = self.windows.now
        return len(part)

    def FlushFileBuffers(self, handle: Handle) -> None:
        return

    def GetFileInformationByHandle(self, handle: Any) -> Any:
        file: File = handle.file
        written = EPOCH + int(file.written * 1e7)
        return types.SimpleNamespace(
            dwFileAttributes=file.attributes, nNumberOfLinks=file.links, nFileSizeHigh=0,
            nFileSizeLow=len(file.data or b""), nFileIndexHigh=0, nFileIndexLow=file.number,
            ftLastWriteTime=types.SimpleNamespace(dwHighDateTime=written >> 32, dwLowDateTime=written & 0xFFFFFFFF))

    def MoveFileExW(self, old: str, new: str, flags: int) -> None:
        file = self._find("MoveFileExW", old)
        self._may("MoveFileExW", file, DELETE, old)
        there = self.windows.files.get(new.upper())
        if there is not None:
            self._may("MoveFileExW", there, DELETE, new)
        self.windows.files[new.upper()] = self.windows.files.pop(old.upper())

    def DeleteFileW(self, path: str) -> None:
        file = self._find("DeleteFileW", path)
        if not self.person.may(file.descriptor, DELETE, "file"):
            self._may("DeleteFileW", self._parent("DeleteFileW", path), DELETE_CHILD, path)
        if file.running:
            raise failure("DeleteFileW", LAST, 5, target=path)
        if any(not shared & constants.FILE_SHARE_DELETE for _, shared in file.opens):
            raise failure("DeleteFileW", LAST, 32, target=path)
        del self.windows.files[path.upper()]

    def CreateDirectoryW(self, path: str, *, security: bytes | None = None) -> None:
        self._make("CreateDirectoryW", path, security, None)

    def RemoveDirectoryW(self, path: str) -> None:
        self._find("RemoveDirectoryW", path)
        if any(one.startswith(path.upper() + "\\") for one in self.windows.files):
            raise failure("RemoveDirectoryW", LAST, 145, target=path)
        del self.windows.files[path.upper()]

    def DirectoryEntries(self, directory: Any) -> tuple[DirectoryEntry, ...]:
        start = directory.what.upper() + "\\"
        return tuple([DirectoryEntry(name=one[len(start):].lower(), attributes=0, tag=0, size=0, written=0)
                      for one in self.windows.files if one.startswith(start) and "\\" not in one[len(start):]])
