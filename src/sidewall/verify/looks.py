"""Effects, seen from outside: what the words in ``Probe.effect`` mean, and what is seen when they are looked for.

Knows: files, processes and what listeners received.  Must not know: whether a sandbox was around the attempt.

A look is for one attempt: it counts what carries the attempt's nonce, or what was made for that attempt alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time

from sidewall.verify.probe import TOLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.verify.stage import Stage

PATIENCE = 0.05
"""Seconds that an effect which comes by itself (a message, the end of a process) may need inside.  Each is looked for
once more when the session has ended."""
MUCH_PATIENCE = 3.0
"""Seconds that it may need without a sandbox, where it has to come."""
_MOST = 1 << 20


def seen(effect: str, stage: Stage, patience: float = 0.0) -> bool:
    """Whether the attempt on this stage had its effect; what comes by itself is waited for, ``patience`` seconds.

    Raises KeyError for an effect that is none.
    """
    kind, _, about = effect.partition(" ")
    look, place = _KINDS[kind], stage.fill(about)
    deadline = time.monotonic() + (patience if kind in _BY_ITSELF else 0.0)
    while not look(stage, place):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def fingerprint(path: str) -> tuple[object, ...]:
    """What of a file or directory can be seen outside: type, mode, owner, times, attributes, content; () for none."""
    try:
        info = os.lstat(path)
    except OSError:
        return ()
    found: tuple[object, ...] = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns,
                                 getattr(info, "st_file_attributes", 0), *_extended(path))
    return (*found, info.st_size, _digest(path)) if stat.S_ISREG(info.st_mode) else found


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(_MOST)).digest()


if sys.platform == "linux":
    import fcntl

    _GET_FLAGS = 0x80086601

    def _extended(path: str) -> tuple[object, ...]:
        """Extended attributes and inode flags, as far as the file system has them."""
        try:
            found: list[object] = [os.getxattr(path, name) for name in sorted(os.listxattr(path))]
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ()
        try:
            found.append(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8)))
        except OSError:
            pass
        finally:
            os.close(descriptor)
        return tuple(found)
elif sys.platform == "win32":
    import ctypes

    _OWNER_GROUP_LIST = 7

    def _extended(path: str) -> tuple[object, ...]:
        """Owner, group and access list, as far as the file system has them."""
        security = ctypes.WinDLL("advapi32")
        space, size = ctypes.create_string_buffer(8192), ctypes.c_ulong()
        got = security.GetFileSecurityW(path, _OWNER_GROUP_LIST, space, len(space), ctypes.byref(size))
        return (space.raw[:size.value],) if got else ()


def _content(stage: Stage, path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return stage.nonce.encode() in file.read(_MOST)
    except OSError:
        return False


def _exists(stage: Stage, path: str) -> bool:
    return os.path.lexists(path)


def _gone(stage: Stage, path: str) -> bool:
    return not os.path.lexists(path)


def _changed(stage: Stage, path: str) -> bool:
    return fingerprint(path) != stage.before[path]


def _larger(stage: Stage, about: str) -> bool:
    path, _, size = about.rpartition(" ")
    try:
        return os.stat(path).st_size > int(size)
    except OSError:
        return False


def _output(stage: Stage, size: str) -> bool:
    return len(stage.output) > int(size)


def _printed(stage: Stage, name: str) -> bool:
    return stage.scene.secrets[name].encode() in stage.output


def _told(stage: Stage, _: str) -> bool:
    return f"{TOLD} {stage.nonce}".encode() in stage.output


def _received(stage: Stage, name: str) -> bool:
    return stage.scene.received(name, stage.nonce)


def _beats(stage: Stage, path: str) -> bool:
    """Somebody goes on writing: seen twice, some beats apart."""
    try:
        first = os.stat(path).st_size
        for _ in range(12):
            time.sleep(0.05)
            if os.stat(path).st_size > first:
                return True
    except OSError:
        pass
    return False


def _left(stage: Stage, _: str) -> bool:
    """The file that the program says it has left is there."""
    told = [line for line in stage.output.decode(errors="replace").splitlines() if line.startswith("LEFT ")]
    return bool(told) and os.path.lexists(told[0][5:])


def _ended(stage: Stage, _: str) -> bool:
    return not stage.scene.lives(stage)


def _memory(stage: Stage, _: str) -> bool:
    return stage.scene.written_into(stage)


def _tuned(stage: Stage, _: str) -> bool:
    return stage.scene.tuning(stage) != stage.tuning


_KINDS: dict[str, Callable[[Stage, str], bool]] = {
    "content": _content, "arrives": _content, "exists": _exists, "gone": _gone, "changed": _changed,
    "larger": _larger, "output": _output,
    "printed": _printed, "told": _told, "received": _received, "beats": _beats, "left": _left, "ended": _ended,
    "memory": _memory, "tuned": _tuned,
}
KINDS = tuple(_KINDS)
_BY_ITSELF = ("arrives", "received", "ended", "beats")
