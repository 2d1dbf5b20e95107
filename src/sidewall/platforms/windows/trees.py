"""Removes a directory with all that is in it, below open handles.

Knows: NtCreateFile below an open directory, reparse points, deleting by handle.  Must not know: whose directory it is.
Follows: "NtCreateFile" and "FILE_DISPOSITION_INFO_EX" of the Win32 reference.

Somebody may still write there: a command of a neighbour that the same list lets in.  So what is looked at, listed and
deleted is always the same open object, found by one name below the open directory that was listed: a directory that
becomes a junction meanwhile is deleted as one, and nothing behind it is touched.
"""

from __future__ import annotations

import time

from sidewall.nt.mask import DELETE, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, SYNCHRONIZE
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.layouts_files import (
    FILE_ATTRIBUTE_TAG_INFO,
    FILE_DISPOSITION_INFO,
    FILE_DISPOSITION_INFO_EX,
)
from sidewall.platforms.windows.win32_paths import verbatim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

GONE = frozenset((2, 3, 0xC0000034, 0xC000003A, 0xC0000056))
"""ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND; STATUS_OBJECT_NAME_NOT_FOUND, _PATH_NOT_FOUND, STATUS_DELETE_PENDING."""
PASSING = frozenset((32, 145, 0xC0000043, 0xC0000101))
"""What a virus scanner or a late process causes: sharing violations, directories in which something is still open."""
FOR_EVER = float("inf")
_RUNS = ("SetFileInformationByHandle", 5)
"""A program's file while a process of it ends."""
_AS_IT_IS = (constants.FILE_OPEN_REPARSE_POINT | constants.FILE_OPEN_FOR_BACKUP_INTENT
             | constants.FILE_SYNCHRONOUS_IO_NONALERT)
_NO_LINKS = constants.OBJ_CASE_INSENSITIVE | constants.OBJ_DONT_REPARSE
_LOOK = FILE_READ_ATTRIBUTES | SYNCHRONIZE
_ITSELF = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
_SHARE = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE | constants.FILE_SHARE_DELETE


class Failure:
    """What could not be removed: ``path``, ``why`` for people, and whether that may be otherwise in a moment."""

    def __init__(self, path: str, error: ApiError) -> None:
        self.path = path
        self.why = f"{path}: {error.name or error.code} ({error.call})"
        self.passing = error.code in PASSING or (error.call, error.code) == _RUNS


class _Level:
    """A directory on the way down: open to be deleted, open to be listed, and the names in it that are still to do."""

    def __init__(self, api: Api, entry: Handle, path: str) -> None:
        self.entry = entry
        self.path = path
        self.listed = _below(api, entry, "", FILE_LIST_DIRECTORY | SYNCHRONIZE)
        try:
            self.names = [found.name for found in api.kernel32.DirectoryEntries(self.listed)]
        except BaseException:
            self.listed.close()
            raise

    def close(self) -> None:
        self.listed.close()
        self.entry.close()


def remove(api: Api, path: str, *, until: float = FOR_EVER) -> list[Failure]:
    """Removes what is at a path, a directory with all that is in it; what could not be removed.  Nothing there is no
    failure.  At ``until`` of the monotonic clock it ends, and what is still there stays."""
    failures: list[Failure] = []
    way: list[_Level] = []
    try:
        try:
            top = api.kernel32.CreateFileW(verbatim(path), _LOOK | DELETE, constants.OPEN_EXISTING, share=_SHARE,
                                           flags=_ITSELF)
            _enter(api, top, path, way)
        except ApiError as error:
            _failed(path, error, failures)
        while way and time.monotonic() < until:
            # Not by recursion: a command makes a tree as deep as it likes.
            here = way[-1]
            if here.names:
                name = here.names.pop()
                below = f"{here.path}\\{name}"
                try:
                    _enter(api, _below(api, here.listed, name, _LOOK | DELETE), below, way)
                except ApiError as error:
                    _failed(below, error, failures)
                continue
            way.pop()
            here.listed.close()
            with here.entry:
                try:
                    _delete(api, here.entry)
                except ApiError as error:
                    _failed(here.path, error, failures)
    finally:
        while way:
            way.pop().close()
    return failures


def _enter(api: Api, entry: Handle, path: str, way: list[_Level]) -> None:
    """Deletes what is open as ``entry`` (DELETE and FILE_READ_ATTRIBUTES), which is closed then; a directory only gets
    its place on the way.  Raises ApiError."""
    kept = False
    try:
        attributes = api.kernel32.GetFileInformationByHandleEx(entry, FILE_ATTRIBUTE_TAG_INFO).FileAttributes
        kind = attributes & (constants.FILE_ATTRIBUTE_DIRECTORY | constants.FILE_ATTRIBUTE_REPARSE_POINT)
        if kind == constants.FILE_ATTRIBUTE_DIRECTORY:
            way.append(_Level(api, entry, path))
            kept = True
        else:
            _delete(api, entry)
    finally:
        if not kept:
            entry.close()


def _below(api: Api, holder: Handle, name: str, access: int) -> Handle:
    return api.ntdll.NtCreateFile(name, access, directory=holder, options=_AS_IT_IS, attributes=_NO_LINKS)


def _delete(api: Api, entry: Handle) -> None:
    """Its name is gone at once, or where a file system cannot do that, when the last handle is closed."""
    flags = (constants.FILE_DISPOSITION_FLAG_DELETE | constants.FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
             | constants.FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE)
    try:
        api.kernel32.SetFileInformationByHandle(entry, FILE_DISPOSITION_INFO_EX(flags))
    except ApiError as error:
        if error.code in PASSING:
            raise
        api.kernel32.SetFileInformationByHandle(entry, FILE_DISPOSITION_INFO(True))


def _failed(path: str, error: ApiError, failures: list[Failure]) -> None:
    if error.code not in GONE:
        failures.append(Failure(path, error))


__all__ = ["Failure", "remove"]
