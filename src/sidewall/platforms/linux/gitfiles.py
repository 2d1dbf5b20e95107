"""Files below a directory descriptor, read and written so that neither side can lead the other anywhere.

Knows: openat(2) with O_NOFOLLOW one component at a time, overlayfs' marks in an upper directory (whiteouts), git's
lock protocol (``<name>.lock`` made exclusively, then renamed).  Must not know: what a git directory holds.

The tree of the cell is hostile: any entry may be a link, a FIFO, a socket, endless, or change while it is read.
"""

from __future__ import annotations

import errno
import os
import stat

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO is opened at once, a lease of the other side is not waited for, a terminal does not become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORIES = 48


class Refused(Exception):
    """This file is not taken; the message says why.  It will not be better at the next look."""


class Busy(Refused):
    """This file cannot be had now, but perhaps at the next look."""


def signature(st: os.stat_result) -> tuple[int, int, int, int]:
    """What changes whenever a file is replaced, written or linked: inode, size, mtime and ctime in nanoseconds."""
    return st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns


def whiteout(st: os.stat_result) -> bool:
    """Is this overlayfs' mark for an entry that was removed?"""
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


class Tree:
    """The tree below ``fd`` (a directory, O_PATH will do), which stays the caller's.

    Paths are relative, with ``/`` between components and '' for the top.  Methods raise OSError, ENOTDIR or ELOOP
    where a component is a link.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._open: dict[str, int] = {}

    def directory(self, path: str) -> int:
        """A descriptor of a directory, owned by the tree until ``release``."""
        found = self._open.get(path)
        if found is not None:
            return found
        if not path:
            found = os.open(".", _DIRECTORY, dir_fd=self.fd)
        else:
            above, _, name = path.rpartition("/")
            parent = self.directory(above)
            found = os.open(name, _DIRECTORY, dir_fd=parent)
        if len(self._open) >= _OPEN_DIRECTORIES:
            self.release()
        self._open[path] = found
        return found

    def release(self) -> None:
        """Closes the directories that are held open."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def at(self, path: str) -> tuple[int, str]:
        """The descriptor of the directory that holds ``path``, and its last component."""
        above, _, name = path.rpartition("/")
        return self.directory(above), name

    def stat(self, path: str) -> os.stat_result | None:
        """The entry itself, not followed; None when it or a directory above is not there."""
        try:
            above, name = self.at(path)
            return os.stat(name, dir_fd=above, follow_symlinks=False) if name else os.fstat(above)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def listing(self, path: str, limit: int = 200_000) -> list[tuple[str, os.stat_result]]:
        """Names in a directory with their own status.  Raises Refused when there are more than ``limit``."""
        listed = []
        with os.scandir(self.directory(path)) as found:
            for entry in found:
                try:
                    listed.append((entry.name, entry.stat(follow_symlinks=False)))
                except FileNotFoundError:
                    continue
                if len(listed) > limit:
                    raise Refused(f"more than {limit} entries in one directory")
        return listed

    def opaque(self, path: str) -> bool:
        """Does this upper directory hide all that is below it in the lower one?"""
        try:
            return os.getxattr(self.directory(path), "user.overlay.opaque") == b"y"
        except OSError:
            return False

    def open(self, path: str) -> tuple[int, os.stat_result]:
        """A descriptor, the caller's, of a regular file.  Raises Refused for anything else, Busy when leased."""
        above, name = self.at(path)
        try:
            fd = os.open(name, _FILE, dir_fd=above)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
                raise Refused("not a regular file") from None
            if error.errno == errno.EAGAIN:
                raise Busy("it is held open with a lease") from None
            raise
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode):
            os.close(fd)
            raise Refused("not a regular file")
        return fd, st

    def read(self, path: str, limit: int) -> tuple[bytes, os.stat_result]:
        """All bytes of a regular file of at most ``limit`` bytes.

        Raises Refused when it is larger or not regular, Busy when it changes while it is read.
        """
        fd, before = self.open(path)
        try:
            data = read_all(fd, before.st_size, limit)
            if signature(os.fstat(fd)) != signature(before):
                raise Busy("it changes while it is read")
            return data, before
        finally:
            os.close(fd)


def read_all(fd: int, size: int, limit: int) -> bytes:
    """What an open file holds, ``size`` bytes by its status.  Raises Refused beyond ``limit`` bytes."""
    if size > limit:
        raise Refused(f"larger than {limit} bytes")
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data
    chunks, total = [data], len(data)
    while data and total <= limit:
        data = os.read(fd, 1 << 20)
        chunks.append(data)
        total += len(data)
    if total > limit:
        raise Refused(f"larger than {limit} bytes")
    return b"".join(chunks)


def write_all(fd: int, data: bytes) -> None:
    """Writes every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


class HostTree(Tree):
    """The real git directory, which nothing in the cell can reach."""

    def make_directory(self, path: str) -> None:
        """Makes a directory and those above it where they are missing.  Raises OSError."""
        try:
            self.directory(path)
            return
        except FileNotFoundError:
            pass
        above, _, name = path.rpartition("/")
        self.make_directory(above)
        try:
            os.mkdir(name, 0o777, dir_fd=self.directory(above))
        except FileExistsError:
            pass

    def lock(self, path: str) -> int:
        """Takes git's lock on ``path``: a descriptor of the new ``<path>.lock``.  Raises Busy when git holds it."""
        above, name = self.at(path)
        try:
            return os.open(name + ".lock", _CREATE, 0o666, dir_fd=above)
        except FileExistsError:
            raise Busy("another git holds its lock") from None

    def unlock(self, path: str) -> None:
        """Gives the lock up and changes nothing."""
        above, name = self.at(path)
        try:
            os.unlink(name + ".lock", dir_fd=above)
        except FileNotFoundError:
            return

    def commit(self, path: str) -> os.stat_result:
        """Puts the locked file's new content in place; its status.  Raises OSError, and the lock stays."""
        above, name = self.at(path)
        os.rename(name + ".lock", name, src_dir_fd=above, dst_dir_fd=above)
        return os.stat(name, dir_fd=above, follow_symlinks=False)

    def append(self, path: str, size: int, data: bytes) -> os.stat_result | None:
        """Adds to a regular file that has ``size`` bytes, as git adds to a reflog; None when it has not."""
        above, name = self.at(path)
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        try:
            st = os.fstat(fd)
            if not stat.S_ISREG(st.st_mode) or st.st_size != size:
                return None
            write_all(fd, data)
            return os.fstat(fd)
        finally:
            os.close(fd)

    def temporary(self, directory: str, prefix: str) -> tuple[int, str]:
        """A new read-only file ``<prefix><random>`` open for reading and writing: (descriptor, path).

        With git's own prefixes ``tmp_obj_`` and ``tmp_pack_``, ``git gc`` removes what a crash leaves.
        """
        path = f"{directory}/{prefix}{os.urandom(8).hex()}"
        above, name = self.at(path)
        return os.open(name, _CREATE & ~os.O_WRONLY | os.O_RDWR, 0o444, dir_fd=above), path

    def publish(self, temporary: str, path: str) -> bool:
        """Gives a finished temporary file its name; False, and the file is gone, when the name is taken."""
        above, name = self.at(path)
        before = temporary.rpartition("/")[2]
        try:
            os.link(before, name, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)
        except FileExistsError:
            os.unlink(before, dir_fd=above)
            return False
        except OSError:
            # A file system without hard links.
            os.rename(before, name, src_dir_fd=above, dst_dir_fd=above)
            return True
        os.unlink(before, dir_fd=above)
        return True

    def remove(self, path: str) -> None:
        """Removes a file, or an empty directory.  Raises OSError."""
        above, name = self.at(path)
        try:
            os.unlink(name, dir_fd=above)
        except IsADirectoryError:
            self.release()
            above, name = self.at(path)
            os.rmdir(name, dir_fd=above)
