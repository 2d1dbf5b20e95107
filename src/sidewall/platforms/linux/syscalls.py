"""System calls that Python has no function for, by number, through libc's ``syscall``.

Knows: numbers, structures, errno.  Must not know: what a call is good for; its users do.
Follows the kernel's UAPI headers; every number from 424 on is the same on all architectures.
"""

from __future__ import annotations

import os
import struct

from sidewall.platforms.linux import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100
AT_REMOVEDIR = 0x200

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_SAME_EVERYWHERE = {
    "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "pidfd_open": 434, "close_range": 436, "openat2": 437, "pidfd_getfd": 438, "mount_setattr": 442,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446,
}
_BY_MACHINE = {
    "x86_64": {"clone": 56, "seccomp": 317, "signalfd4": 289, "capset": 126, "keyctl": 250},
    "aarch64": {"clone": 220, "seccomp": 277, "signalfd4": 74, "capset": 91, "keyctl": 219},
}
MACHINE = os.uname().machine
NUMBERS = {**_SAME_EVERYWHERE, **_BY_MACHINE.get(MACHINE, {})}

libc = native.Library()
_syscall = native.function("syscall", result="l")


def bound(name: str, kinds: str) -> Callable[..., int]:
    """One system call with arguments of these kinds (``native.KINDS``), for what is called often.

    The function gives the result, or raises OSError whose ``filename`` is the call's name; ENOSYS for an unknown
    architecture.
    """
    number = NUMBERS.get(name)
    if number is None:
        return lambda *_arguments: call(name)
    function = native.function("syscall", "l" + kinds, "l")

    def carry_out(*arguments: Any) -> int:
        result: int = function(number, *arguments)
        if result == -1:
            _failed(name)
        return result

    return carry_out


def _failed(name: str) -> None:
    error = native.get_errno()
    raise OSError(error, os.strerror(error), name)


def call(name: str, *arguments: Any) -> int:
    """One system call; the result, or OSError whose ``filename`` is the call's name.

    Integers are passed as C long (so that negative numbers and 64-bit flags are right), bytes and structures by
    address, None as a null pointer.  Raises OSError with the kernel's errno; ENOSYS for an unknown architecture.
    """
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(38, os.strerror(38), name)
    values = [native.long(value) if isinstance(value, int) else value for value in arguments]
    result = _syscall(native.long(number), *values)
    if result == -1:
        _failed(name)
    return int(result)


def check(result: int, name: str) -> int:
    """Result of a libc function that sets errno; raises OSError named for the call."""
    if result == -1:
        _failed(name)
    return result


_HOW = struct.Struct("=QQQ")
"""struct open_how, openat2(2): flags, mode and resolve, 64 bits each."""

_openat2 = bound("openat2", "lssl")
_prctl = native.function("prctl", "iLLLL")


def openat2(directory: int, path: str | bytes, flags: int, *, resolve: int, mode: int = 0) -> int:
    """openat2(2): a descriptor.  O_CLOEXEC is always added.  Raises OSError, EAGAIN only when it stays with it."""
    how = _HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    for _ in range(_AGAIN):
        try:
            return _openat2(directory, os.fsencode(path), how, _HOW.size)
        except BlockingIOError:
            continue
    return _openat2(directory, os.fsencode(path), how, _HOW.size)


_AGAIN = 1000
"""A name with ``..`` below a root is refused while anything on the machine is renamed or mounted, and asks for another
try (openat2(2), "EAGAIN").  Whoever renames all the time only makes his own programs wait."""


def prctl(option: int, *arguments: int) -> int:
    """prctl(2) with missing arguments as 0.  Raises OSError."""
    return check(_prctl(option, *(*arguments, 0, 0, 0, 0)[:4]), "prctl")


def errno_name(number: int) -> str:
    """``EACCES`` for 13; the number's text when it has no name."""
    import errno

    return errno.errorcode.get(number, str(number))
