"""What owner, keeper and init say to each other: one message a packet, descriptors beside it, replies of fixed shape.

Knows: unix(7) ancillary data, the reply's layout.  Must not know: what a command is.  Calls no C, because the
owner's side of a short command must start within milliseconds.

Owner to init: marshal of (name, arguments...); larger ones in a memory file announced by ``M``.  Init to owner, once
commands run: only ``REPLY``, on the command's own status descriptor.
"""

from __future__ import annotations

import _socket
import marshal
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REPLY = struct.Struct("<iiqqqq")
"""kind, pid or errno, wait status or which argument failed, user and system microseconds, peak resident KiB."""

STARTED, FAILED, ENDED, CALM = 1, 2, 3, 4
OF_PROGRAM, OF_DIRECTORY = 0, 1
EMFILE = 24
"""A failure after which the status descriptor of the command is not used again, on either side."""
LARGEST_MESSAGE = 48 << 10
ROOM = 60 << 10
IN_MEMORY = b"M"

_DESCRIPTOR_ROOM = _socket.CMSG_SPACE(4 * 64)


def send(sock: _socket.socket, data: bytes, descriptors: tuple[int, ...] | list[int] = ()) -> None:
    """One message with descriptors (unix(7), SCM_RIGHTS).  Raises OSError."""
    if descriptors:
        packed = struct.pack(f"{len(descriptors)}i", *descriptors)
        sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    else:
        sock.send(data)


def send_request(sock: _socket.socket, request: object, descriptors: tuple[int, ...] = ()) -> None:
    """One request of the owner: in the message itself, or in a memory file when it is larger than a message may be.

    Raises OSError.
    """
    data = marshal.dumps(request)  # type: ignore[arg-type]
    if len(data) <= LARGEST_MESSAGE:
        send(sock, data, descriptors)
        return
    memory = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(memory, view):]
        send(sock, IN_MEMORY, (memory, *descriptors))
    finally:
        os.close(memory)


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Two ends of a new connection that keeps the bounds of messages."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)


def is_calm(control: _socket.socket) -> bool:
    """Asks init whether no process but itself is in the cell, once it has started what it was told to before."""
    try:
        mine, theirs = pair()
    except OSError:
        return False
    try:
        try:
            send_request(control, ("calm",), (theirs.fileno(),))
        finally:
            theirs.close()
        return mine.recv(REPLY.size) == REPLY.pack(CALM, 0, 0, 0, 0, 0)
    except OSError:
        # The cell has ended: whoever uses it next is told.
        return False
    finally:
        mine.close()


def receive_request(sock: _socket.socket) -> tuple[Any, list[int]]:
    """One request and its descriptors; None when the owner is gone.  Only for what the owner sent.  Raises OSError."""
    data, descriptors = receive(sock)
    if not data:
        return None, descriptors
    if data == IN_MEMORY:
        memory = descriptors.pop(0)
        data = os.pread(memory, os.fstat(memory).st_size, 0)
        os.close(memory)
    return marshal.loads(data), descriptors


def receive(sock: _socket.socket, size: int = ROOM) -> tuple[bytes, list[int]]:
    """One message and its descriptors, close-on-exec; b'' when the other side is gone.  Raises OSError."""
    data, ancillary, _flags, _address = sock.recvmsg(size, _DESCRIPTOR_ROOM, _socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, packed in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            count = len(packed) // 4
            descriptors.extend(struct.unpack(f"{count}i", packed[: count * 4]))
    return data, descriptors


def peek(descriptor: int, size: int) -> bytes:
    """The next message of a packet socket, which stays there; b'' when the other side is gone.  Raises OSError."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, descriptor)
    try:
        return sock.recv(size, _socket.MSG_PEEK)
    finally:
        sock.detach()
