"""Which cells stand in the same directories, and what has come into them since.

Knows: the list of the user's open watchers (a file for each, locked while it is open), when something was made.
Must not know: what is watched.
Follows: flock(2), statx(2).

A cell that opens while another one stands may meet what a command of that one has just made, before it was made
harmless.  To the second it would be the user's, and be put back each time the first takes it away.  A birth time, which
nobody can set, tells it from what was there before both.
"""

from __future__ import annotations

import os
import struct

from sidewall.errors import MachineError
from sidewall.platforms.linux.lease import state_directory, state_path
from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY

PLACE = "watchers"
"""The list's directory, below the state directory."""
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST = 64
_LONGEST = 1 << 16
_TICK_NS = 100_000_000
_NOFOLLOW = 0x100
_BIRTH_TIME = 0x800
_BIRTH = struct.Struct("=qI")


class Standing:
    """The entry of one watcher of the directories ``roots`` (absolute), which began at ``began_ns``.

    ``since_ns``: when the first of the others began that stand in the same directories, as birth times count; 0 when
    there is none.  Where the state directory cannot be written there is no entry.
    """

    def __init__(self, roots: tuple[str, ...], began_ns: int) -> None:
        self.since_ns = 0
        self._fd = -1
        self._path = ""
        self._process = os.getpid()
        try:
            import fcntl

            directory = os.path.join(state_path(), PLACE)
            path = os.path.join(directory, f"{self._process}-{os.urandom(6).hex()}")
            try:
                self._fd = os.open(path, _NEW, 0o600)
            except FileNotFoundError:
                state_directory()
                os.makedirs(directory, mode=0o700, exist_ok=True)
                self._fd = os.open(path, _NEW, 0o600)
            self._path = path
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(self._fd, b"\0".join([b"%d" % began_ns, *map(os.fsencode, roots)]), 0)
            others = [began for began in self._others(directory, roots) if began <= began_ns]
            self.since_ns = min(others) - _TICK_NS if others else 0
        except (MachineError, OSError):
            return

    def _others(self, directory: str, roots: tuple[str, ...]) -> list[int]:
        import fcntl

        found: list[int] = []
        for name in os.listdir(directory)[:_MOST]:
            path = os.path.join(directory, name)
            if path == self._path:
                continue
            try:
                fd = os.open(path, _OLD)
            except OSError:
                continue
            try:
                text = os.pread(fd, _LONGEST, 0)
                try:
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    if text:
                        # Its owner is gone.  One that is empty is just being made.
                        os.unlink(path)
                    continue
                except BlockingIOError:
                    began, *theirs = text.split(b"\0")
                if began.isdigit() and any(_meet(os.fsdecode(one), root) for one in theirs for root in roots):
                    found.append(int(began))
            finally:
                os.close(fd)
        return found

    def close(self) -> None:
        """Idempotent; in a forked copy of the process the entry stays the original's."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                if os.getpid() == self._process:
                    os.unlink(self._path)
            except OSError:
                pass  # somebody tidied the state directory
            os.close(fd)


def tidy() -> None:
    """Removes the entries whose owners are gone, also one that was not yet written."""
    import fcntl

    directory = os.path.join(state_path(), PLACE)
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        try:
            fd = os.open(path, _OLD)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            os.unlink(path)
        except OSError:
            continue
        finally:
            os.close(fd)


def _meet(one: str, other: str) -> bool:
    one, other = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(other) or other.startswith(one)


def made_since(above: int, name: str, since_ns: int) -> bool:
    """Whether a directory that git works in was made, or made to be one, after a time.

    Of a file nothing can be said: whoever saves one replaces it, and so does who puts it back.
    """
    try:
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
    except OSError:
        return False
    try:
        return _born_since(fd, ".", since_ns) or _born_since(fd, "commondir", since_ns) or (
            _born_since(fd, "objects", since_ns) and _born_since(fd, "refs", since_ns))
    finally:
        os.close(fd)


def is_new(above: int, name: str, since_ns: int) -> bool:
    """Whether the directory itself was made after a time."""
    return _born_since(above, name, since_ns)


def _born_since(above: int, name: str, since_ns: int) -> bool:
    """Whether an entry was made after a time; False where there is none, and where the system does not say."""
    # Late: it is dear, and mostly there is no other cell.
    from sidewall.platforms.linux import native

    try:
        statx = native.function("statx", "isiLp")
    except AttributeError:
        return False
    status = native.buffer(256)
    if statx(above, os.fsencode(name), _NOFOLLOW, _BIRTH_TIME, status):
        return False
    if not struct.unpack_from("=I", status.raw)[0] & _BIRTH_TIME:
        return False
    seconds, nanoseconds = _BIRTH.unpack_from(status.raw, 80)
    return bool(seconds * 1_000_000_000 + nanoseconds >= since_ns)
