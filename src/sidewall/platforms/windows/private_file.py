"""One small file that nobody but its owner may read, written whole or not at all.

Knows: files by handles, the descriptor that a new one is born with.  Must not know: what is in it.

The file has its access list from its first moment, is on the disk before it gets its name, and is never read or
written through a link.
"""

from __future__ import annotations

import os
import time

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.kernel32_files import SHARE_ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

GENERIC_READ, GENERIC_WRITE, DELETE = 0x80000000, 0x40000000, 0x10000
NOT_THERE = (2, 3)
EXISTS = 183
TAKEN = (32, 80, 183)
"""Somebody has it open, or has just made it."""
LIST = 0x100001
"""FILE_LIST_DIRECTORY and SYNCHRONIZE."""
LARGEST = 1 << 16
PAUSE = 0.02


def sddl(owner: Sid, *, directory: bool = False) -> str:
    """Owner and system may do everything, nobody else anything."""
    flags = "OICI" if directory else ""
    return f"O:{owner}D:P(A;{flags};FA;;;{owner})(A;{flags};FA;;;SY)"


def read(api: Api, path: str, *, largest: int = LARGEST) -> bytes | None:
    """What is in it, None when it is not there.  Raises Win32Error, MachineError for a link or a huge file."""
    file = opened(api, path, GENERIC_READ)
    if file is None:
        return None
    with file:
        found = api.kernel32.GetFileInformationByHandle(file)
        if found.dwFileAttributes & constants.FILE_ATTRIBUTE_REPARSE_POINT or found.nNumberOfLinks != 1:
            raise MachineError(f"{path} is a link, or has several names: it is not read",
                               hint="remove it and run `sidewall setup`")
        data = b""
        while more := api.kernel32.ReadFile(file, LARGEST):
            data += more
            if len(data) > largest:
                raise MachineError(f"{path} is larger than anything that Sidewall writes there",
                                   hint="remove it and run `sidewall setup`")
        return data


def opened(api: Api, path: str, access: int, *, share: int = SHARE_ALL) -> Handle | None:
    """A file or directory as it is, no link followed in the last place; None when it is not there.

    Raises Win32Error.
    """
    try:
        return api.kernel32.CreateFileW(path, access, constants.OPEN_EXISTING, share=share,
                                        flags=constants.FILE_FLAG_BACKUP_SEMANTICS
                                        | constants.FILE_FLAG_OPEN_REPARSE_POINT)
    except ApiError as error:
        if error.code in NOT_THERE:
            return None
        raise


def make_directory(api: Api, path: str, owner: Sid) -> None:
    """Makes a directory of this kind unless there is one.  Raises Win32Error."""
    try:
        api.kernel32.CreateDirectoryW(path, security=parse(sddl(owner, directory=True)).to_bytes())
    except ApiError as error:
        if error.code != EXISTS:
            raise


def write(api: Api, directory: str, name: str, data: bytes, owner: Sid) -> None:
    """Puts the file into a directory, which is made when it is missing.  Raises Win32Error."""
    make_directory(api, directory, owner)
    path = f"{directory}\\{name}"
    passing = f"{path}.{os.urandom(6).hex()}"
    try:
        with api.kernel32.CreateFileW(passing, GENERIC_WRITE, constants.CREATE_NEW, share=0,
                                      flags=constants.FILE_FLAG_WRITE_THROUGH,
                                      security=parse(sddl(owner)).to_bytes()) as file:
            rest = data
            while rest:
                rest = rest[api.kernel32.WriteFile(file, rest):]
            api.kernel32.FlushFileBuffers(file)
        api.kernel32.MoveFileExW(passing, path, constants.MOVEFILE_REPLACE_EXISTING | constants.MOVEFILE_WRITE_THROUGH)
    except BaseException:
        remove(api, passing)
        raise


def hold(api: Api, directory: str, name: str, owner: Sid, seconds: float) -> Handle:
    """An empty file that one process at a time has open: until the handle is closed, or its process ends.

    Raises Win32Error, and MachineError when somebody else has it for so long.
    """
    make_directory(api, directory, owner)
    path, deadline = f"{directory}\\{name}", time.monotonic() + seconds
    while True:
        for disposition in (constants.OPEN_EXISTING, constants.CREATE_NEW):
            try:
                return api.kernel32.CreateFileW(path, GENERIC_READ, disposition, share=0,
                                                flags=constants.FILE_FLAG_OPEN_REPARSE_POINT,
                                                security=parse(sddl(owner)).to_bytes())
            except ApiError as error:
                if error.code not in NOT_THERE + TAKEN:
                    raise
        if time.monotonic() > deadline:
            raise MachineError(f"{path} is held by another process for more than {seconds:.0f} s",
                               hint="look which other sandbox is just starting, or end the program that holds it")
        time.sleep(PAUSE)


def remove(api: Api, path: str) -> bool:
    """Removes it; whether it was there.  Raises Win32Error."""
    try:
        api.kernel32.DeleteFileW(path)
    except ApiError as error:
        if error.code in NOT_THERE:
            return False
        raise
    return True


def names(api: Api, directory: str) -> tuple[str, ...] | None:
    """What is in a directory, None when it is not there.  Raises Win32Error."""
    there = opened(api, directory, LIST)
    if there is None:
        return None
    with there:
        return tuple(sorted([one.name for one in api.kernel32.DirectoryEntries(there) if one.name not in (".", "..")]))


__all__ = ["hold", "make_directory", "names", "opened", "read", "remove", "sddl", "write"]
