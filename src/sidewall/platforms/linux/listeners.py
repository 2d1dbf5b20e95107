"""Asks the kernel which unix sockets listen in a network namespace, and where: sock_diag(7).

Knows: the request and the reply of unix_diag.  Must not know: who may connect to what.
"""

from __future__ import annotations

import _socket
import _thread
import struct

ENOENT, EOPNOTSUPP = 2, 95
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLM_F_REQUEST_DUMP = 0x301
_LISTENING = 1 << 10
_SHOW_VFS, _VFS = 2, 1
_ERROR, _DONE = 2, 3

_HEAD = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIIII")
_ENTRY = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_PLACE = struct.Struct("=II")


def question() -> _socket.socket:
    """A socket to ask by: it tells of the network namespace it was made in, whoever asks.  Raises OSError."""
    return _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)


class Listeners:
    """The listening unix sockets of one network namespace.  Safe to use from several threads."""

    def __init__(self, asked: _socket.socket) -> None:
        self._asked = asked
        self._one = _thread.allocate_lock()
        asked.settimeout(5.0)

    def bound_to(self, inode: int, device: int) -> list[int]:
        """Those that lie at this file, by the inode numbers under which /proc/<pid>/fd shows them.  ``device`` is the
        file system's own number (as in mountinfo), which is not what stat(2) says on each.  Raises OSError."""
        with self._one:
            return [number for place, number in self._all() if place == (inode & 0xFFFFFFFF, device)]

    def _all(self) -> list[tuple[tuple[int, int], int]]:
        """((inode and device of the file), inode of the socket) of each listening socket that has a file."""
        request = _REQUEST.pack(_socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_VFS, 0, 0)
        found: list[tuple[tuple[int, int], int]] = []
        self._asked.send(_HEAD.pack(_HEAD.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0)
                         + request)
        while True:
            data = self._asked.recv(1 << 17)
            at = 0
            while at + _HEAD.size <= len(data):
                length, kind, *_rest = _HEAD.unpack_from(data, at)
                if kind == _ERROR:
                    raise OSError(EOPNOTSUPP, "this kernel does not tell")
                if kind == _DONE or length < _HEAD.size:
                    return found
                found += _entry(data[at + _HEAD.size : at + length])
                at += length + 3 & ~3


def device_of(mount: int, thread: int) -> int:
    """The number of the file system that a mount of this thread's shows (proc(5), mountinfo).  Raises OSError."""
    wanted = b"%d " % mount
    with open(f"/proc/{thread}/mountinfo", "rb") as table:
        for line in table:
            if line.startswith(wanted):
                major, minor = line.split(b" ", 3)[2].split(b":")
                return int(major) << 20 | int(minor)
    raise OSError(ENOENT, "no such mount")


def _entry(data: bytes) -> list[tuple[tuple[int, int], int]]:
    number = _ENTRY.unpack_from(data)[4]
    at = _ENTRY.size + 8
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind == _VFS:
            return [(_PLACE.unpack_from(data, at + _ATTRIBUTE.size), number)]
        at += max(length, _ATTRIBUTE.size) + 3 & ~3
    return []
