"""File operations of a sandbox, done by the host itself on descriptors, each allowed or denied by the policy.

Knows: what reading, writing, listing and removing mean.  Must not know: cells, platforms.
Relative paths count from the workspace.  Where the cell lends a descriptor of its root, paths mean what they mean to
its commands: their temporary directory, their view of what is hidden.  Kernel interfaces (``/proc``, ``/sys``) are left
to commands: the host's own power would show more there than a command may see.
"""

from __future__ import annotations

import errno
import os
import stat

from sidewall.record import Record
from sidewall.session import system
from sidewall.session.walk import READ_BIT, WRITE_BIT, Place, check, permitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.policy.model import Policy
    from sidewall.session.command import PathLike
    from sidewall.session.opening import Opening

FILE, DIRECTORY, LINK, OTHER = "file", "directory", "link", "other"
CHUNK = 1 << 20


class FileStatus(Record):
    """An entry of a directory.  ``kind``: file, directory, link, other; ``size`` in bytes; times in nanoseconds."""

    name: str
    path: str
    kind: str
    size: int
    mode: int
    modified_ns: int

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind == DIRECTORY


class FileOperations:
    """The file operations of ``Sandbox``.  All raise AccessDenied where the policy denies, else what ``os`` raises."""

    _opening: Opening

    def read_bytes(self, path: PathLike) -> bytes:
        """The whole content of a regular file."""
        with self._place(path) as place:
            place.check("read")
            with os.fdopen(_open_regular(place, os.O_RDONLY, READ_BIT), "rb") as file:
                return file.read()

    def write_bytes(self, path: PathLike, data: bytes) -> None:
        """Writes a regular file anew, in place, through links; makes it and its missing parents."""
        with self._place(path) as place:
            place.check("write")
            _make_parents(place)
            if place.status is None:
                place.writable_directory()
            fd = _open_regular(place, os.O_WRONLY | os.O_CREAT, WRITE_BIT)
            try:
                os.ftruncate(fd, 0)
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[os.write(fd, rest[:CHUNK]):]
            finally:
                os.close(fd)

    def stat(self, path: PathLike, *, follow: bool = True) -> FileStatus:
        """What an entry is; of a link's target, or with ``follow=False`` of the link."""
        with self._place(path, follow=follow) as place:
            place.check("read")
            name = os.path.basename(os.fsdecode(path).rstrip("/")) or "/"
            return _status(name, self._absolute(path), place.present())

    def list(self, path: PathLike = ".") -> tuple[FileStatus, ...]:
        """The entries of a directory, by name; a link is a link."""
        shown = self._absolute(path)
        with self._place(path) as place:
            place.check("read")
            status = place.present()
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), shown)
            permitted(status, READ_BIT, shown)
            fd = place.open(os.O_RDONLY)
            try:
                with os.scandir(fd) as entries:
                    found = [_status(entry.name, os.path.join(shown, entry.name), entry.stat(follow_symlinks=False))
                             for entry in entries]
            finally:
                os.close(fd)
        return tuple(sorted(found, key=lambda entry: entry.name))

    def exists(self, path: PathLike) -> bool:
        """Whether there is something at ``path`` that may be read; a dangling link is nothing."""
        try:
            with self._place(path) as place:
                place.check("read")
                return place.status is not None
        except (PermissionError, NotADirectoryError):
            return False

    def mkdir(self, path: PathLike, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes a directory, by default with its missing parents, and content with one that is there."""
        with self._place(path) as place:
            place.check("write")
            if place.status is not None:
                if exist_ok and stat.S_ISDIR(place.status.st_mode):
                    return
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._absolute(path))
            if not parents and len(place.missing) > 1:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._absolute(path))
            _make_parents(place)
            place.writable_directory()
            os.mkdir(place.name, dir_fd=place.parent)

    def remove(self, path: PathLike) -> None:
        """Removes a file, a link itself, or a directory with all that is in it.

        Nothing is removed when something in it may not be, such as a protected name.

        Raises:
            ValueError: it is the workspace, or holds it.
        """
        with self._place(path, follow=False) as place:
            status = place.present()
            workspace = self._opening.policy.workspace
            if place.path == workspace or workspace.startswith(place.path.rstrip("/") + "/"):
                raise ValueError(f"{place.path} holds the workspace and cannot be removed")
            place.check("write")
            _removable(place.parent, status, place.path)
            if stat.S_ISDIR(status.st_mode):
                for child in _children(place):
                    check(place.policy, "write", child)
                _remove_tree(place.policy, place.parent, place.name, place.path)
            else:
                os.unlink(place.name, dir_fd=place.parent)

    def realpath(self, path: PathLike) -> str:
        """The path without links, dots and double slashes; components that are not there stay as they are."""
        with self._place(path) as place:
            return place.path

    def _absolute(self, path: PathLike) -> str:
        return os.path.join(self._opening.policy.workspace, os.fsdecode(path))

    def _place(self, path: PathLike, *, follow: bool = True) -> Place:
        policy, root = self._opening.view()
        return Place(policy, root, self._absolute(path), follow=follow)


def _open_regular(place: Place, flags: int, bits: int) -> int:
    if place.status is not None:
        if stat.S_ISDIR(place.status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place.path)
        permitted(place.status, bits, place.path)
    elif not flags & os.O_CREAT:
        place.present()
    fd = place.open(flags)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", place.path)
    return fd


def _make_parents(place: Place) -> None:
    for name in place.missing[:-1]:
        place.writable_directory()
        try:
            os.mkdir(name, dir_fd=place.parent)
        except FileExistsError:
            pass
        place.descend(name)
    if place.missing:
        place.name, place.missing = place.missing[-1], place.missing[-1:]


def _remove_tree(policy: Policy, parent: int, name: str, path: str) -> None:
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(name, flags, dir_fd=parent)
    try:
        with os.scandir(fd) as entries:
            inside = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        for entry, status in inside:
            here = f"{path}/{entry}"
            check(policy, "write", here)
            _removable(fd, status, here)
            if stat.S_ISDIR(status.st_mode):
                _remove_tree(policy, fd, entry, here)
            else:
                os.unlink(entry, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)


def _children(place: Place) -> Iterator[str]:
    pending = [(place.open(os.O_RDONLY), place.path)]
    try:
        while pending:
            fd, path = pending.pop()
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        here = f"{path}/{entry.name}"
                        yield here
                        if entry.is_dir(follow_symlinks=False):
                            flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
                            pending.append((os.open(entry.name, flags, dir_fd=fd), here))
            finally:
                os.close(fd)
    finally:
        for fd, _path in pending:
            os.close(fd)


def _removable(parent: int, status: os.stat_result, path: str) -> None:
    """Checks the bits, and the restricted-deletion bit, of the directory that holds an entry."""
    holder = os.fstat(parent)
    permitted(holder, WRITE_BIT | 1, path)
    caller = system.user()
    if holder.st_mode & stat.S_ISVTX and caller and caller[0] not in (status.st_uid, holder.st_uid):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def _status(name: str, path: str, status: os.stat_result) -> FileStatus:
    mode = status.st_mode
    kind = (FILE if stat.S_ISREG(mode) else DIRECTORY if stat.S_ISDIR(mode) else LINK if stat.S_ISLNK(mode) else OTHER)
    return FileStatus(name=name, path=path, kind=kind, size=status.st_size, mode=mode,
                      modified_ns=status.st_mtime_ns)


FileStatus.__module__ = "sidewall"
