"""A few calls of Windows on files, carried out on this system's: handles are descriptors, links are reparse points.

Knows: what the real calls do with an open directory and one name.  Must not know: what is tested.  ``meanwhile`` is
called before each call, with its name and its target: whatever else happens on a machine happens there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import StatusError, Win32Error
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_files import FILE_DISPOSITION_INFO_EX

if sys.platform == "win32":
    pytest.skip("files of POSIX stand for those of Windows there; here tests/windows/inside has real ones",
                allow_module_level=True)

_CODES = {errno.ENOENT: 2, errno.ENOTEMPTY: 145, errno.EACCES: 5, errno.EPERM: 5, errno.EBUSY: 32}
_STATUS = {errno.ENOENT: 0xC0000034, errno.EACCES: 0xC0000022, errno.ENOTDIR: 0xC0000103}


class Entry(NamedTuple):
    """As ``kernel32_files.DirectoryEntry``, as far as it is wanted."""

    name: str


class Attributes(NamedTuple):
    """FILE_ATTRIBUTE_TAG_INFO."""

    FileAttributes: int


class PosixFiles:
    """Stands for ``Api``: its ``kernel32`` and its ``ntdll`` are itself."""

    def __init__(self, meanwhile: Callable[[str, str], None] = lambda call, target: None) -> None:
        self.kernel32 = self.ntdll = self
        self.meanwhile = meanwhile
        self._places: dict[int, tuple[int, str]] = {}
        self.asked: list[str] = []

    def CreateFileW(self, path: str, access: int, disposition: int, *, share: int, flags: int) -> Handle:
        assert flags & constants.FILE_FLAG_OPEN_REPARSE_POINT
        self.asked.append("CreateFileW")
        self.meanwhile("CreateFileW", path)
        above, name = os.path.split(path)
        try:
            holder = os.open(above, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            raise Win32Error("CreateFileW", call="CreateFileW", code=_CODES[error.errno or 0], target=path) from None
        try:
            return self._opened(holder, name, path)
        except OSError as error:
            raise Win32Error("CreateFileW", call="CreateFileW", code=_CODES[error.errno or 0], target=path) from None
        finally:
            os.close(holder)

    def NtCreateFile(self, name: str, access: int, *, directory: Handle, options: int, attributes: int) -> Handle:
        assert options & constants.FILE_OPEN_REPARSE_POINT and attributes & constants.OBJ_DONT_REPARSE
        self.asked.append("NtCreateFile")
        self.meanwhile("NtCreateFile", f"{directory.what}/{name}")
        try:
            if not name:
                return Handle(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory.value), os.close,
                              directory.what)
            return self._opened(directory.value, name, f"{directory.what}/{name}")
        except OSError as error:
            code = _STATUS[error.errno or 0]
            raise StatusError("NtCreateFile", call="NtCreateFile", code=code, target=name) from None

    def _opened(self, holder: int, name: str, what: str) -> Handle:
        opened = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=holder)
        self._places[opened] = (os.dup(holder), name)

        def close(value: int) -> None:
            os.close(self._places.pop(value)[0])
            os.close(value)

        return Handle(opened, close, what)

    def GetFileInformationByHandleEx(self, handle: Handle, kind: type[Any]) -> Attributes:
        mode = os.fstat(handle.value).st_mode
        found = constants.FILE_ATTRIBUTE_REPARSE_POINT if stat.S_ISLNK(mode) else 0
        return Attributes(found | (constants.FILE_ATTRIBUTE_DIRECTORY if stat.S_ISDIR(mode) else 0))

    def DirectoryEntries(self, directory: Handle) -> tuple[Entry, ...]:
        self.meanwhile("DirectoryEntries", directory.what)
        return tuple([Entry(name) for name in os.listdir(directory.value)])

    def SetFileInformationByHandle(self, handle: Handle, information: Any) -> None:
        """Deletes what is open, under whatever name of its directory it has now."""
        self.meanwhile("SetFileInformationByHandle", handle.what)
        assert information.Flags if isinstance(information, FILE_DISPOSITION_INFO_EX) else information.DeleteFile
        holder, name = self._places[handle.value]
        own, mode = os.fstat(handle.value), os.fstat(handle.value).st_mode
        for each in [name, *os.listdir(f"/proc/self/fd/{holder}")]:
            try:
                if os.path.samestat(os.stat(each, dir_fd=holder, follow_symlinks=False), own):
                    (os.rmdir if stat.S_ISDIR(mode) else os.unlink)(each, dir_fd=holder)
                    return
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Win32Error("delete", call="SetFileInformationByHandle", code=_CODES[error.errno or 0],
                                 target=handle.what) from None
