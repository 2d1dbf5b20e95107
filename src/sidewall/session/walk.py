"""From a path to a held directory and a name in it, one component at a time, following links by our own hand.

Knows: POSIX path resolution, permission bits, how the file system makes, opens and removes what is at the end.  Must
not know: why.  It is ``platforms.places.Place`` on POSIX.
Follows: path_resolution(7).  A command inside may swap a component for a link at any moment, so every component is
opened without following and held; a link is read and walked like any path, and where it really leads is what the
policy is asked about.  A privileged caller gets no more than the permission bits give its user, since the sandbox's
commands have no privilege to override them.
"""

from __future__ import annotations

import errno
import os
import stat

from sidewall.session import system
from sidewall.session.types import AccessDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from sidewall.platforms.places import Check

LINKS = 40
KERNEL_INTERFACES = ("/proc", "/sys")
HOLD = getattr(os, "O_PATH", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
READ_BIT, WRITE_BIT, SEARCH_BIT = 4, 2, 1
DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Place:
    """Where a path leads, with the directory that holds it; a context manager.

    ``path`` is what it really is, absolute; ``parent`` a descriptor of the directory that holds ``name`` ('' for the
    root itself); ``status`` the entry's, None if it is not there; ``missing`` the components from ``name`` on that are
    not there.

    Raises:
        AccessDenied: a link on the way may not be read.
        NotADirectoryError, PermissionError, OSError: as the kernel's own resolution does.
    """

    def __init__(self, root: int, path: str, check: Check, *, follow: bool = True) -> None:
        self._check = check
        self._asked = path
        self._names: list[str] = []
        self._held: list[tuple[int, os.stat_result]] = [(root, os.fstat(root))]
        self.name = ""
        self.status: os.stat_result | None = None
        self.missing: tuple[str, ...] = ()
        try:
            self._walk(_parts(path), follow)
            reachable(self.path)
        except BaseException:
            self.close()
            raise

    @property
    def parent(self) -> int:
        return self._held[-1][0]

    @property
    def path(self) -> str:
        return "/" + "/".join([*self._names, *(self.missing or ([self.name] if self.name else ()))])

    def _walk(self, pending: list[str], follow: bool) -> None:
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                self._up()
                continue
            permitted(self._held[-1][1], SEARCH_BIT, self._asked)
            try:
                fd = os.open(name, HOLD, dir_fd=self.parent)
            except FileNotFoundError:
                self._absent([name, *reversed(pending)])
                return
            try:
                status = os.fstat(fd)
                if stat.S_ISLNK(status.st_mode) and (pending or follow):
                    links += 1
                    if links > LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._asked)
                    here = "/" + "/".join([*self._names, name])
                    reachable(here)
                    self._check("read", here)
                    target = os.readlink("", dir_fd=fd)
                    if target.startswith("/"):
                        while self._names:
                            self._up()
                    pending += _parts(target)
                elif stat.S_ISDIR(status.st_mode):
                    self._names.append(name)
                    self._held.append((fd, status))
                    fd = -1
                elif pending:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._asked)
                else:
                    self.name, self.status = name, status
            finally:
                if fd >= 0:
                    os.close(fd)
        if self.status is None:
            self.status = self._held[-1][1]
            if self._names:
                self.name = self._names.pop()
                os.close(self._held.pop()[0])

    def _up(self) -> None:
        if self._names:
            self._names.pop()
            os.close(self._held.pop()[0])

    def _absent(self, rest: list[str]) -> None:
        """What follows a missing component cannot be looked up: only its text counts."""
        missing: list[str] = []
        for part in rest:
            if part != "..":
                missing.append(part)
            elif missing:
                missing.pop()
            else:
                self._up()
        self.missing = tuple(missing)
        if missing:
            self.name = missing[0]
        else:
            self._walk([], False)

    def check(self, action: str) -> None:
        """Asks the policy about this place.  Raises AccessDenied."""
        self._check(action, self.path)

    def present(self) -> os.stat_result:
        """The entry's status.  Raises FileNotFoundError."""
        if self.status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._asked)
        return self.status

    def open(self, flags: int, mode: int = 0o666) -> int:
        """Opens the entry itself, following nothing; a directory is opened as itself.

        Raises:
            OSError: as ``os.open`` does, ``filename`` being the path as asked for.
        """
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            return os.open(self.name or ".", flags, mode, dir_fd=self.parent)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, self._asked) from None

    def writable_directory(self) -> None:
        """Checks the bits for adding or removing an entry of ``parent``.  Raises PermissionError."""
        permitted(self._held[-1][1], WRITE_BIT | SEARCH_BIT, self._asked)

    def descend(self, name: str) -> None:
        """Holds the directory ``name`` of the present one.  Raises NotADirectoryError, OSError."""
        fd = os.open(name, HOLD | getattr(os, "O_DIRECTORY", 0), dir_fd=self.parent)
        self._held.append((fd, os.fstat(fd)))
        self._names.append(name)

    def open_regular(self, *, write: bool) -> int:
        """See ``platforms.places.Place``."""
        if self.status is not None:
            if stat.S_ISDIR(self.status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self.path)
            permitted(self.status, WRITE_BIT if write else READ_BIT, self.path)
        elif write:
            self.writable_directory()
        else:
            self.present()
        fd = self.open(os.O_WRONLY | os.O_CREAT if write else os.O_RDONLY)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", self.path)
        return fd

    def entries(self) -> list[tuple[str, os.stat_result]]:
        """See ``platforms.places.Place``."""
        status = self.present()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._asked)
        permitted(status, READ_BIT, self._asked)
        fd = self.open(os.O_RDONLY)
        try:
            return _inside(fd)
        finally:
            os.close(fd)

    def make_parents(self) -> None:
        """See ``platforms.places.Place``."""
        for name in self.missing[:-1]:
            self.writable_directory()
            try:
                os.mkdir(name, dir_fd=self.parent)
            except FileExistsError:
                pass
            self.descend(name)
        if self.missing:
            self.name, self.missing = self.missing[-1], self.missing[-1:]

    def make_directory(self) -> None:
        """See ``platforms.places.Place``."""
        self.writable_directory()
        os.mkdir(self.name, dir_fd=self.parent)

    def remove(self) -> None:
        """See ``platforms.places.Place``."""
        status = self.present()
        _removable(self.parent, status, self.path)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(self.name, dir_fd=self.parent)
            return
        for path in self._below():
            self._check("write", path)
        self._remove_tree(self.parent, self.name, self.path)

    def _below(self) -> Iterator[str]:
        pending = [(self.open(os.O_RDONLY), self.path)]
        try:
            while pending:
                fd, path = pending.pop()
                try:
                    for name, status in _inside(fd):
                        here = f"{path}/{name}"
                        yield here
                        if stat.S_ISDIR(status.st_mode):
                            pending.append((os.open(name, DIRECTORY, dir_fd=fd), here))
                finally:
                    os.close(fd)
        finally:
            for fd, _path in pending:
                os.close(fd)

    def _remove_tree(self, parent: int, name: str, path: str) -> None:
        fd = os.open(name, DIRECTORY, dir_fd=parent)
        try:
            for entry, status in _inside(fd):
                here = f"{path}/{entry}"
                self._check("write", here)
                _removable(fd, status, here)
                if stat.S_ISDIR(status.st_mode):
                    self._remove_tree(fd, entry, here)
                else:
                    os.unlink(entry, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=parent)

    def close(self) -> None:
        """Gives back the descriptors, but for the root's."""
        while len(self._held) > 1:
            os.close(self._held.pop()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def reachable(path: str) -> None:
    """Raises AccessDenied for what is the kernel's and not a file system's."""
    for interface in KERNEL_INTERFACES:
        if path == interface or path.startswith(interface + "/"):
            raise AccessDenied("reach", path, None, f"{path} cannot be reached: {interface} is the kernel's interface",
                               hint="run a command in the sandbox that reads it")


def _inside(fd: int) -> list[tuple[str, os.stat_result]]:
    with os.scandir(fd) as entries:
        return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]


def _removable(parent: int, status: os.stat_result, path: str) -> None:
    """Checks the bits, and the restricted-deletion bit, of the directory that holds an entry."""
    holder = os.fstat(parent)
    permitted(holder, WRITE_BIT | SEARCH_BIT, path)
    caller = system.user()
    if holder.st_mode & stat.S_ISVTX and caller and caller[0] not in (status.st_uid, holder.st_uid):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def permitted(status: os.stat_result, bits: int, path: str) -> None:
    """Checks permission bits for a caller whom the kernel would not refuse.  Raises PermissionError."""
    caller = system.user()
    if caller is None or caller[0] != 0:
        return
    if status.st_uid == 0:
        given = status.st_mode >> 6
    elif status.st_gid in caller[1]:
        given = status.st_mode >> 3
    else:
        given = status.st_mode
    if bits & ~given:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
