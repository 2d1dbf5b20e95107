"""On which file systems what a directory says of itself can be relied on.

Knows: which of them keep a change time that nobody can set, and count directories by links.  Must not know: what is
concluded from that.
Follows: statfs(2), stat(2).  Some have no change time of their own and show the other one, which a command sets as it
likes (vfat, sshfs); some say of every directory that it has two links.
"""

from __future__ import annotations

import os
import struct

from sidewall.platforms.linux import native

_EXT, _XFS, _BTRFS, _TMPFS, _RAMFS = 0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x858458F6
_OVERLAY, _F2FS, _ZFS, _BCACHEFS = 0x794C7630, 0xF2F52010, 0x2FC12FC1, 0xCA451A4E

_COUNTING = frozenset((_EXT, _XFS, _TMPFS, _RAMFS))
_TIMED = _COUNTING | {_BTRFS, _OVERLAY, _F2FS, _ZFS, _BCACHEFS}
_LOCAL = frozenset((_EXT, _XFS, _BTRFS, _TMPFS))

_fstatfs = native.function("fstatfs", "ip")


def keeps_times(fd: int) -> bool:
    """Whether each change of an entry shows in its change time, on the file system of this descriptor."""
    return _kind(fd) in _TIMED


def counts_directories(fd: int, device: int) -> bool:
    """Whether a directory of ``device`` with two links has no directory in it; ``fd`` is the one that holds it."""
    return os.fstat(fd).st_dev == device and _kind(fd) in _COUNTING


def tells_all(fd: int) -> bool:
    """Whether every change of a name goes through this kernel, which tells of it.  Not so in what other machines and
    programs share, and a layer does not tell of changes of what lies below it."""
    return _kind(fd) in _LOCAL


def _kind(fd: int) -> int:
    # struct statfs(2) begins with the type, a word.
    status = native.buffer(256)
    return int(struct.unpack_from("=L", status.raw)[0]) if _fstatfs(fd, status) == 0 else 0
