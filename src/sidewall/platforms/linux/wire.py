"""What owner, keeper and init say to each other: one message a packet, descriptors beside it, replies of fixed shape.

Knows: unix(7) ancillary data, the reply's layout.  Must not know: what a command is.  Free of ctypes, because the
owner's side of a short command must start within milliseconds.

Owner to init: marshal of (name, arguments...); larger ones in a memory file announced by ``M``.  Init to owner, once
commands run: only ``REPLY``, on the command's own status descriptor.
"""

from __future__ import annotations

import _socket
import struct

REPLY = struct.Struct("<iiqqqq")
"""kind, pid or errno, wait status or which argument failed, user and system microseconds, peak resident KiB."""

STARTED, FAILED, ENDED = 1, 2, 3
OF_PROGRAM, OF_DIRECTORY = 0, 1
LARGEST_MESSAGE = 48 << 10
ROOM = 60 << 10

_DESCRIPTOR_ROOM = _socket.CMSG_SPACE(4 * 64)


def send(sock: _socket.socket, data: bytes, descriptors: tuple[int, ...] | list[int] = ()) -> None:
    """One message with descriptors (unix(7), SCM_RIGHTS).  Raises OSError."""
    if descriptors:
        packed = struct.pack(f"{len(descriptors)}i", *descriptors)
        sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    else:
        sock.send(data)


def receive(sock: _socket.socket, size: int = ROOM) -> tuple[bytes, list[int]]:
    """One message and its descriptors, close-on-exec; b'' when the other side is gone.  Raises OSError."""
    data, ancillary, _flags, _address = sock.recvmsg(size, _DESCRIPTOR_ROOM, _socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, packed in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            count = len(packed) // 4
            descriptors.extend(struct.unpack(f"{count}i", packed[: count * 4]))
    return data, descriptors
