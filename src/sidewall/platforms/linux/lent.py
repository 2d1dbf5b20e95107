"""Unix sockets of the host that a policy lets be reached: which one a name or a thing inside stands for.

Knows: the listed names, where they really lie, the mounts that show them.  Must not know: policy.

What a program calls a socket decides nothing but which listed one it means: the connection is then made to that one,
by its real name and from outside, where no symbolic link is followed (RESOLVE_NO_SYMLINKS), or, in a writable root, to
the very thing that was there when the cell was made.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ECONNREFUSED = 111


class Lent:
    """``names`` are (listed name, real path); ``mounts`` (mount id, real path, whether held in a writable root)."""

    def __init__(self, names: list[tuple[bytes, bytes]], mounts: list[tuple[int, bytes, bool]]) -> None:
        self._by_name = dict(names)
        self._by_name.update({real: real for _name, real in names})
        self._reals = sorted({real for _name, real in names if real.startswith(b"/")})
        self._mounts = {mount: (real, held) for mount, real, held in mounts}

    def abstract(self, name: bytes) -> bool:
        """Whether an abstract name is listed."""
        return b"@" + name in self._by_name

    def named(self, path: bytes) -> bytes:
        """The real path of the listed socket that has this absolute, normal name; b'' when none."""
        return self._by_name.get(path, b"")

    def connect(self, target: int, mount: int, connect: Callable[[bytes], int]) -> int | None:
        """Connects if ``target`` (an O_PATH descriptor of what the program means, on that mount) is a listed socket.

        The errno, 0 for success; None when it is not listed.  Raises OSError.
        """
        real, held = self._mounts.get(mount, (b"", False))
        if held:
            return connect(b"/proc/self/fd/%d" % target)
        if real:
            return self.connect_by_name(real, connect)
        # Without mounts, and where the server has made its socket anew since the cell was made.
        meant = os.fstat(target)
        for real in self._reals:
            try:
                found = os.lstat(real)
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (meant.st_dev, meant.st_ino):
                return self.connect_by_name(real, connect)
        return None

    def connect_by_name(self, real: bytes, connect: Callable[[bytes], int]) -> int:
        """Connects to a listed socket.  The errno, 0 for success.  Raises OSError, ELOOP for a link on the way."""
        target = syscalls.openat2(syscalls.AT_FDCWD, real, os.O_PATH,
                                  resolve=syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS)
        try:
            if not stat.S_ISSOCK(os.fstat(target).st_mode):
                return ECONNREFUSED
            return connect(b"/proc/self/fd/%d" % target)
        finally:
            os.close(target)
