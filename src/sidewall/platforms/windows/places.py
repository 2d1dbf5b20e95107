"""From a path to an open directory and a name in it, one component at a time, following links by our own hand.

Knows: NtCreateFile below an open directory, reparse points, final paths.  Must not know: policies, why something is
looked up.  It is ``platforms.places.Place`` on Windows.
Follows: "NtCreateFile", "GetFinalPathNameByHandle" and "Reparse Points" of the Win32 reference.

A command inside may swap a component for a link at any moment.  So every component is opened below the directory that
is open already, never by a path, and no open follows a link (OBJ_DONT_REPARSE): a link's target is read and walked like
any path, and a network path is asked about before its server hears of it.  What is asked about is the path that the
system has for what is open (short names, case and mapped drives are gone by then), again after the last open.  A file
with a second name is not written: the other one may lie where nothing may be written.
"""

from __future__ import annotations

import errno
import os

from sidewall.errors import PolicyError
from sidewall.nt.mask import (
    DELETE,
    FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES,
    FILE_READ_DATA,
    FILE_WRITE_DATA,
    SYNCHRONIZE,
)
from sidewall.platforms.places import Status
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import descriptors, links
from sidewall.platforms.windows.errors import ApiError, StatusError
from sidewall.platforms.windows.layouts_files import (
    FILE_ATTRIBUTE_TAG_INFO,
    FILE_DISPOSITION_INFO,
    FILE_DISPOSITION_INFO_EX,
)
from sidewall.policy import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sidewall.platforms.places import Check
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

LINKS = 40
DIRECTORY, REGULAR, LINK = 0o040777, 0o100666, 0o120777
_EPOCH = 116_444_736_000_000_000  # 1970 in 100 nanoseconds since 1601
_LOOK = FILE_READ_ATTRIBUTES | SYNCHRONIZE
_AS_IT_IS = (constants.FILE_OPEN_REPARSE_POINT | constants.FILE_OPEN_FOR_BACKUP_INTENT
             | constants.FILE_SYNCHRONOUS_IO_NONALERT)
_NO_LINKS = constants.OBJ_CASE_INSENSITIVE | constants.OBJ_DONT_REPARSE
_GONE = (0xC0000034, 0xC000003A, 0xC000000F)  # STATUS_OBJECT_NAME_NOT_FOUND, _PATH_NOT_FOUND, STATUS_NO_SUCH_FILE


class WindowsPlace:
    """See ``platforms.places.Place``.  ``follow``: a link in the last place is followed."""

    def __init__(self, api: Api, path: str, check: Check, *, follow: bool = True) -> None:
        self._api = api
        self._check = check
        self._asked = path
        self._held: list[Handle] = []
        self._entry: Handle | None = None
        self.status: Status | None = None
        self.missing: tuple[str, ...] = ()
        try:
            self._walk(self._enter(path), follow)
            self.path = self._real()
        except ApiError as error:
            self.close()
            raise self._as_python(error) from None
        except BaseException:
            self.close()
            raise

    def check(self, action: str) -> None:
        """See ``platforms.places.Place``."""
        self._check(action, self.path)

    def present(self) -> Status:
        """See ``platforms.places.Place``."""
        if self.status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._asked)
        return self.status

    def open_regular(self, *, write: bool) -> int:
        """See ``platforms.places.Place``."""
        new = self.status is None
        if new and not write:
            self.present()
        if self.status is not None and self.status.st_mode == DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.path)
        access = _LOOK | (FILE_WRITE_DATA if write else FILE_READ_DATA) | (DELETE if new else 0)
        try:
            file = self._open(self.missing[-1] if new else self._name(), access, new=new)
            with file:
                self._settled(file, new=new, write=write)
                return descriptors.writing(file) if write else descriptors.reading(file)
        except ApiError as error:
            raise self._as_python(error) from None

    def _open(self, name: str, access: int, *, new: bool) -> Handle:
        """The entry itself; one that a file system driver completes (cloud files) as what it then is."""
        options = constants.FILE_NON_DIRECTORY_FILE | constants.FILE_SYNCHRONOUS_IO_NONALERT
        if self.status is None or self.status.st_mode == LINK or not self._completed:
            options |= constants.FILE_OPEN_REPARSE_POINT
        disposition = constants.FILE_CREATE if new else constants.FILE_OPEN
        return self._api.ntdll.NtCreateFile(name, access, directory=self._held[-1], disposition=disposition,
                                            options=options, attributes=_NO_LINKS)

    def _settled(self, file: Handle, *, new: bool, write: bool) -> None:
        """What was opened is what was asked about, or may be used as what it is.  Raises as ``Check``, and OSError."""
        kernel = self._api.kernel32
        information = kernel.GetFileInformationByHandle(file)
        linked = self._kind(file, information.dwFileAttributes)[0] == LINK
        if linked or kernel.GetFileType(file) != constants.FILE_TYPE_DISK:
            raise OSError(errno.EINVAL, "not a regular file", self.path)
        try:
            real = plain(kernel.GetFinalPathNameByHandleW(file))
            if paths.key(real, paths.WINDOWS) != paths.key(self.path, paths.WINDOWS):
                self._check("write" if write else "read", real)
        except BaseException:
            if new:
                self._delete(file)
            raise
        if write and information.nNumberOfLinks > 1:
            raise PermissionError(errno.EPERM, f"it has {information.nNumberOfLinks} names, and another of them may "
                                  "lie where nothing may be written", self.path)

    def entries(self) -> list[tuple[str, Status]]:
        """See ``platforms.places.Place``."""
        if self.present().st_mode != DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._asked)
        try:
            with self._directory(self._held[-1]) as directory:
                return self._inside(directory)
        except ApiError as error:
            raise self._as_python(error) from None

    def _directory(self, held: Handle, name: str = "", access: int = 0) -> Handle:
        return self._api.ntdll.NtCreateFile(name, _LOOK | FILE_LIST_DIRECTORY | access, directory=held,
                                            options=_AS_IT_IS | constants.FILE_DIRECTORY_FILE, attributes=_NO_LINKS)

    def _inside(self, directory: Handle) -> list[tuple[str, Status]]:
        return [(each.name, Status(st_mode=mode(each.attributes, each.tag), st_size=each.size,
                                   st_mtime_ns=(each.written - _EPOCH) * 100))
                for each in self._api.kernel32.DirectoryEntries(directory)]

    def make_parents(self) -> None:
        """See ``platforms.places.Place``."""
        try:
            for name in self.missing[:-1]:
                self._held.append(self._make(name, disposition=constants.FILE_OPEN_IF))
            self.missing = self.missing[-1:]
        except ApiError as error:
            raise self._as_python(error) from None

    def make_directory(self) -> None:
        """See ``platforms.places.Place``."""
        if self.status is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._asked)
        try:
            with self._make(self.missing[-1], disposition=constants.FILE_CREATE):
                return
        except ApiError as error:
            raise self._as_python(error) from None

    def _make(self, name: str, *, disposition: int) -> Handle:
        made = self._api.ntdll.NtCreateFile(name, _LOOK, directory=self._held[-1], disposition=disposition,
                                            options=_AS_IT_IS | constants.FILE_DIRECTORY_FILE, attributes=_NO_LINKS)
        if self._kind(made, self._api.kernel32.GetFileInformationByHandle(made).dwFileAttributes)[0] == LINK:
            made.close()
            raise NotADirectoryError(errno.ENOTDIR, "a link has taken its place", self._asked)
        return made

    def remove(self) -> None:
        """See ``platforms.places.Place``."""
        status = self.present()
        name = self._name()
        if self._entry is None and len(self._held) < 2:
            raise PermissionError(errno.EPERM, "the root of a volume cannot be removed", self.path)
        parent = self._held[-1] if self._entry is not None else self._held[-2]
        try:
            if status.st_mode == DIRECTORY:
                with self._directory(self._held[-1]) as directory:
                    self._ask_below(directory, self.path)
            self._remove(parent, name, self.path, status)
        except ApiError as error:
            raise self._as_python(error) from None

    def _ask_below(self, directory: Handle, path: str) -> None:
        for name, status in self._inside(directory):
            here = f"{path}\\{name}"
            self._check("write", here)
            if status.st_mode == DIRECTORY:
                with self._directory(directory, name) as inner:
                    self._ask_below(inner, here)

    def _remove(self, parent: Handle, name: str, path: str, status: Status) -> None:
        if status.st_mode != DIRECTORY:
            with self._api.ntdll.NtCreateFile(name, _LOOK | DELETE, directory=parent, options=_AS_IT_IS,
                                              attributes=_NO_LINKS) as file:
                self._delete(file)
            return
        with self._directory(parent, name, DELETE) as directory:
            for entry, found in self._inside(directory):
                here = f"{path}\\{entry}"
                self._check("write", here)
                self._remove(directory, entry, here, found)
            if self._entry is None and parent is self._held[-2]:
                self._held.pop().close()
            self._delete(directory)

    def _delete(self, file: Handle) -> None:
        """Its name is gone at once, or where a file system cannot do that, when the last handle is closed."""
        flags = (constants.FILE_DISPOSITION_FLAG_DELETE | constants.FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
                 | constants.FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE)
        try:
            self._api.kernel32.SetFileInformationByHandle(file, FILE_DISPOSITION_INFO_EX(flags))
        except ApiError:
            self._api.kernel32.SetFileInformationByHandle(file, FILE_DISPOSITION_INFO(True))

    def close(self) -> None:
        """See ``platforms.places.Place``."""
        if self._entry is not None:
            self._entry.close()
            self._entry = None
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _enter(self, path: str) -> list[str]:
        """Opens the root of an absolute path; the names below it, the last one first."""
        if path.startswith("\\\\?\\Volume{"):
            head, _, rest = path[4:].partition("\\")
            root, names = f"\\??\\{head}\\", paths.split_names(rest, paths.WINDOWS)
        else:
            if ":" in path[2:]:
                raise self._stream()
            try:
                root, *names = paths.parts(path, paths.WINDOWS)
            except PolicyError as error:
                raise OSError(errno.EINVAL, f"the path {error.message}", self._asked) from None
            if root.startswith("\\\\"):
                self._check("read", root)  # before its server hears of us
                root = f"\\??\\UNC\\{root[2:]}"
            else:
                root = f"\\??\\{root}"
        opened = self._api.ntdll.NtCreateFile(root, _LOOK, options=_AS_IT_IS | constants.FILE_DIRECTORY_FILE)
        while self._held:
            self._held.pop().close()
        self._held.append(opened)
        return names[::-1]

    def _walk(self, pending: list[str], follow: bool) -> None:
        followed = 0
        while pending:
            name = pending.pop()
            if name in (".", ".."):
                if name == ".." and len(self._held) > 1:
                    self._held.pop().close()
                continue
            if ":" in name:
                raise self._stream()
            try:
                found = self._api.ntdll.NtCreateFile(name, _LOOK, directory=self._held[-1], options=_AS_IT_IS,
                                                     attributes=_NO_LINKS)
            except StatusError as error:
                if error.code not in _GONE:
                    raise
                self.missing = (name, *reversed(pending))
                return
            try:
                information = self._api.kernel32.GetFileInformationByHandle(found)
                kind, self._completed = self._kind(found, information.dwFileAttributes)
                if kind == LINK and (pending or follow):
                    followed += 1
                    if followed > LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._asked)
                    pending += self._through(found)
                elif kind == DIRECTORY:
                    self._held.append(found)
                    continue
                elif pending:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._asked)
                else:
                    self._entry = found
                    written = information.ftLastWriteTime
                    self.status = Status(
                        st_mode=kind, st_size=information.nFileSizeHigh << 32 | information.nFileSizeLow,
                        st_mtime_ns=((written.dwHighDateTime << 32 | written.dwLowDateTime) - _EPOCH) * 100)
                    return
            finally:
                if self._entry is not found and (not self._held or self._held[-1] is not found):
                    found.close()
        self.status = Status(st_mode=DIRECTORY, st_size=0, st_mtime_ns=0)

    def _through(self, link: Handle) -> list[str]:
        """The names to walk in place of a link, the last one first; an absolute one begins at its root."""
        kernel = self._api.kernel32
        here = plain(kernel.GetFinalPathNameByHandleW(link))
        self._check("read", here)
        try:
            leads, relative = links.target(kernel.GetReparsePoint(link))
        except links.UnknownLink as error:
            raise OSError(errno.EINVAL, f"{here} is a link that is not followed: {error}", self._asked) from None
        return paths.split_names(leads, paths.WINDOWS)[::-1] if relative else self._enter(leads)

    _completed = False
    """Whether the last entry is a reparse point that a driver completes."""

    def _kind(self, file: Handle, attributes: int) -> tuple[int, bool]:
        """Mode, and whether a driver makes the file whole."""
        if not attributes & constants.FILE_ATTRIBUTE_REPARSE_POINT:
            return mode(attributes, 0), False
        tag = self._api.kernel32.GetFileInformationByHandleEx(file, FILE_ATTRIBUTE_TAG_INFO).ReparseTag
        return mode(attributes, tag), not tag & links.NAME_SURROGATE

    def _real(self) -> str:
        base = plain(self._api.kernel32.GetFinalPathNameByHandleW(self._entry or self._held[-1]))
        return base.rstrip("\\") + "\\" + "\\".join(self.missing) if self.missing else base

    def _name(self) -> str:
        return self.path.rpartition("\\")[2]

    def _stream(self) -> OSError:
        return OSError(errno.EINVAL, "a stream of a file cannot be named", self._asked)

    def _as_python(self, error: ApiError) -> OSError:
        code = error.code
        if isinstance(error, StatusError):
            code = self._api.ntdll.RtlNtStatusToDosError(code)
        return OSError(errno.EIO, error.message, self._asked, code)


def plain(final: str) -> str:
    """A final path as people and policies write it."""
    if final.startswith("\\\\?\\UNC\\"):
        return "\\\\" + final[8:]
    return final[4:] if final.startswith("\\\\?\\") and final[5:6] == ":" else final


def mode(attributes: int, tag: int) -> int:
    """The type and the permission bits that ``os.stat`` shows for such an entry."""
    if tag & links.NAME_SURROGATE:
        return LINK
    if attributes & constants.FILE_ATTRIBUTE_DIRECTORY:
        return DIRECTORY
    return REGULAR & ~0o222 if attributes & constants.FILE_ATTRIBUTE_READONLY else REGULAR


__all__ = ["WindowsPlace", "mode", "plain"]
