"""Asks the kernel which unix sockets listen in this network namespace: sock_diag(7).

Knows: the request and the reply of unix_diag.  Must not know: who may connect to what.
"""

from __future__ import annotations

import _socket
import os
import struct

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


def bound_to(found: os.stat_result) -> list[int]:
    """The listening sockets of this namespace that lie at this file, by the inode numbers under which /proc/<pid>/fd
    shows them; none where the kernel does not tell."""
    device = os.major(found.st_dev) << 20 | os.minor(found.st_dev)
    try:
        return [number for place, number in _listening() if place == (found.st_ino & 0xFFFFFFFF, device)]
    except OSError:
        return []


def _listening() -> list[tuple[tuple[int, int], int]]:
    """((inode and device of the file), inode of the socket) of each listening socket that has a file."""
    request = _REQUEST.pack(_socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_VFS, 0, 0)
    asked = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
    found: list[tuple[tuple[int, int], int]] = []
    try:
        asked.settimeout(5.0)
        asked.send(_HEAD.pack(_HEAD.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + request)
        while True:
            data = asked.recv(1 << 17)
            at = 0
            while at + _HEAD.size <= len(data):
                length, kind, *_rest = _HEAD.unpack_from(data, at)
                if kind in (_ERROR, _DONE) or length < _HEAD.size:
                    return found
                found += _entry(data[at + _HEAD.size : at + length])
                at += length + 3 & ~3
    finally:
        asked.close()


def _entry(data: bytes) -> list[tuple[tuple[int, int], int]]:
    number = _ENTRY.unpack_from(data)[4]
    at = _ENTRY.size + 8
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind == _VFS:
            return [(_PLACE.unpack_from(data, at + _ATTRIBUTE.size), number)]
        at += max(length, _ATTRIBUTE.size) + 3 & ~3
    return []
