"""Where things go that a command put under a name that steers later runs: out of reach, never deleted.

Knows: how an entry leaves its directory in one step, also for another file system.  Must not know: why it must go.

A directory of its own below the state directory is made when the first thing is taken; ``origins`` in it says where
each came from.  What cannot be moved there (the state directory cannot be written, too much for a copy) gets a name
beside its own that no program acts upon.
"""

from __future__ import annotations

import errno
import os
import stat

from sidewall.errors import MachineError
from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY, grant

MOST_ENTRIES = 5000
MOST_BYTES = 256 << 20
DEEPEST = 32
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class _TooMuch(Exception):
    """A tree is too large, or holds what cannot be copied."""


class Quarantine:
    """The quarantine of one cell.  ``path`` is its directory, '' until something was taken."""

    def __init__(self) -> None:
        self.path = ""
        self._fd = -1
        self._count = 0
        self._aside: set[str] = set()

    def took_aside(self, name: str) -> bool:
        """Whether an entry of this name was made by ``take``, in the directory that it was taken from."""
        return name in self._aside

    def take(self, above: int, name: str, path: str) -> str:
        """Moves the entry ``name`` of the directory ``above`` away; where it is now.  ``path`` is what people call it.

        The name is free afterwards.  Raises OSError, and the entry is where it was.
        """
        target = self._target(path)
        if target:
            try:
                self._rename(above, name, target)
                self._note(target, path)
                return f"{self.path}/{target}"
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EPERM):
                    raise
        aside = f".sidewall-aside-{os.urandom(8).hex()}"
        os.rename(name, aside, src_dir_fd=above, dst_dir_fd=above)
        self._aside.add(aside)
        if target:
            try:
                _copy(above, aside, self._fd, target, [MOST_ENTRIES, MOST_BYTES], 0)
            except (OSError, _TooMuch):
                _remove(self._fd, target)
            else:
                self._note(target, path)
                _remove(above, aside)
                return f"{self.path}/{target}"
        return f"{path.rpartition('/')[0]}/{aside}"

    def keep(self, above: int, name: str, path: str) -> str:
        """A second name in the quarantine for the regular file ``name``, which stays where it is; its path.

        Raises OSError when it can be neither linked nor copied there.
        """
        target = self._target(path)
        if not target:
            raise OSError(errno.ENOENT, "there is no quarantine")
        try:
            os.link(name, target, src_dir_fd=above, dst_dir_fd=self._fd, follow_symlinks=False)
        except OSError:
            try:
                _copy(above, name, self._fd, target, [1, MOST_BYTES], DEEPEST)
            except _TooMuch as error:
                _remove(self._fd, target)
                raise OSError(errno.EFBIG, str(error)) from None
        self._note(target, path)
        return f"{self.path}/{target}"

    def close(self) -> None:
        """Releases the descriptor; what was taken stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _rename(self, above: int, name: str, target: str) -> None:
        try:
            os.rename(name, target, src_dir_fd=above, dst_dir_fd=self._fd)
        except PermissionError as error:
            # A directory that moves elsewhere must be writable itself: its ".." changes.
            try:
                grant(above, name)
            except OSError:
                raise error from None
            os.rename(name, target, src_dir_fd=above, dst_dir_fd=self._fd)

    def _target(self, path: str) -> str:
        """A new name in the quarantine, which is made if need be; '' when it cannot be had."""
        if self._fd < 0 and not self._open():
            return ""
        self._count += 1
        last = path.rpartition("/")[2]
        return f"{self._count}-" + "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in last)[:60]

    def _open(self) -> bool:
        import time

        from sidewall.platforms.linux.lease import state_directory

        try:
            base = f"{state_directory()}/quarantine"
            os.makedirs(base, mode=0o700, exist_ok=True)
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            number = 1
            while True:
                path = f"{base}/{stamp}-{number}"
                try:
                    os.mkdir(path, 0o700)
                    break
                except FileExistsError:
                    number += 1
            self._fd = os.open(path, OPEN_DIRECTORY)
        except (OSError, MachineError):
            return False
        self.path = path
        return True

    def _note(self, target: str, path: str) -> None:
        line = os.fsencode(f"{target}\t{path}").replace(b"\n", b"\\n") + b"\n"
        try:
            fd = os.open("origins", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                         dir_fd=self._fd)
        except OSError:
            # The thing itself is safe; its number and its last name still tell what it is.
            return
        try:
            gitfiles.write_all(fd, line)
        finally:
            os.close(fd)


def _copy(above: int, name: str, into: int, target: str, left: list[int], depth: int) -> None:
    """Copies a file, a link or a tree; ``left`` are the entries and bytes that it may still take.

    Raises OSError, and _TooMuch beyond those bounds or for what is none of the three.
    """
    status = os.stat(name, dir_fd=above, follow_symlinks=False)
    left[0] -= 1
    if left[0] < 0 or depth > DEEPEST:
        raise _TooMuch("too many entries to copy")
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=above), target, dir_fd=into)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(above, name, into, target, left)
    elif stat.S_ISDIR(status.st_mode):
        grant(above, name)
        source = os.open(name, OPEN_DIRECTORY, dir_fd=above)
        try:
            os.mkdir(target, 0o700, dir_fd=into)
            inner = os.open(target, OPEN_DIRECTORY, dir_fd=into)
            try:
                with os.scandir(source) as entries:
                    for entry in entries:
                        _copy(source, entry.name, inner, entry.name, left, depth + 1)
            finally:
                os.close(inner)
        finally:
            os.close(source)
    else:
        raise _TooMuch("neither a file nor a directory")


def _copy_file(above: int, name: str, into: int, target: str, left: list[int]) -> None:
    source = os.open(name, _OPEN_FILE, dir_fd=above)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise _TooMuch("not a regular file")
        made = os.open(target, _CREATE, 0o600, dir_fd=into)
        try:
            while data := os.read(source, 1 << 20):
                left[1] -= len(data)
                if left[1] < 0:
                    raise _TooMuch("too many bytes to copy")
                gitfiles.write_all(made, data)
            os.fchmod(made, stat.S_IMODE(status.st_mode) & 0o777)
        finally:
            os.close(made)
    finally:
        os.close(source)


def _remove(above: int, name: str) -> None:
    """Removes an entry and all below it; what cannot be removed stays."""
    import shutil

    try:
        os.unlink(name, dir_fd=above)
    except FileNotFoundError:
        return
    except OSError:
        # Works on descriptors itself and follows no link.
        shutil.rmtree(name, ignore_errors=True, dir_fd=above)
