"""Installing a seccomp filter, and the notifications of the calls that it hands to the keeper.

Knows: seccomp(2), seccomp_unotify(2), Documentation/userspace-api/seccomp_filter.rst.
Must not know: which calls a filter refuses (``bpf.filters`` does).
"""

from __future__ import annotations

import os
import struct

from sidewall.platforms.linux import native
from sidewall.platforms.linux.syscalls import call, libc

SET_MODE_FILTER = 1
FLAG_NEW_LISTENER = 1 << 3
FLAG_WAIT_KILLABLE_RECV = 1 << 5

IOCTL_NOTIF_RECV = 0xC0502100
IOCTL_NOTIF_SEND = 0xC0182101
IOCTL_NOTIF_ID_VALID = 0x40082102

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")


_PROGRAM = struct.Struct("@HP")
"""struct sock_fprog: length in instructions, address."""


def install(program: bytes, *, listen: bool) -> int:
    """Installs the filter in this thread, for good; with ``listen`` the descriptor of its notifications, else -1.

    Needs no_new_privs.  Raises OSError.
    """
    buffer = native.buffer(len(program), program)
    prog = _PROGRAM.pack(len(program) // 8, native.addressof(buffer))
    if not listen:
        call("seccomp", SET_MODE_FILTER, 0, prog)
        return -1
    try:
        # A signal must not restart a call that the keeper is carrying out for a program (Linux 5.19 and later).
        return call("seccomp", SET_MODE_FILTER, FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV, prog)
    except OSError as error:
        if error.errno != 22:
            raise
        return call("seccomp", SET_MODE_FILTER, FLAG_NEW_LISTENER, prog)


def receive(listener: int) -> tuple[int, int, tuple[int, ...]] | None:
    """The next notification: (id, pid of the thread in our view, six arguments); None when its sender is gone."""
    buffer = native.buffer(_NOTIFICATION.size)
    if libc.ioctl(listener, native.ulong(IOCTL_NOTIF_RECV), buffer) == -1:
        return None
    fields = _NOTIFICATION.unpack(buffer.raw)
    return fields[0], fields[1], tuple(fields[6:12])


def valid(listener: int, identity: int) -> bool:
    """Whether the thread of this notification still waits, so that its pid is still its own."""
    cookie = struct.pack("=Q", identity)
    return bool(libc.ioctl(listener, native.ulong(IOCTL_NOTIF_ID_VALID), cookie) == 0)


def respond(listener: int, identity: int, errno: int) -> None:
    """Ends the call with 0, or with an errno.  A sender that is gone is no error."""
    libc.ioctl(listener, native.ulong(IOCTL_NOTIF_SEND), _RESPONSE.pack(identity, 0, -errno, 0))


def borrow_descriptor(thread: int, number: int) -> int:
    """A duplicate of descriptor ``number`` of a thread's process (pidfd_getfd(2)).  Raises OSError."""
    try:
        pidfd = os.pidfd_open(thread)
    except OSError:
        # Before Linux 6.9 a pidfd is of a thread-group leader only.
        pidfd = os.pidfd_open(group_leader(thread))
    try:
        return call("pidfd_getfd", pidfd, number, 0)
    finally:
        os.close(pidfd)


def group_leader(thread: int) -> int:
    """The process id of a thread, in our view.  Raises OSError when it is gone."""
    with open(f"/proc/{thread}/status", "rb") as status:
        for line in status:
            if line.startswith(b"Tgid:"):
                return int(line[5:])
    raise ProcessLookupError(3, "no such thread")
