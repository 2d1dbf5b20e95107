"""The audit log's files: one a month and user, one event a line, each line chained to the one before it.

Knows: files, locks, the chain.  Must not know: what an event means.

A line is ``{"schema":1,"seq":N,"ts":"...","prev":"...",<the event>}``; ``prev`` is the SHA-256 of the bytes of the
line before it without its newline, over the border between two files too, so a line that is changed, dropped or put in
breaks the chain.  Lines dropped at the very end cannot be seen from the log alone: ``sidewall log --verify`` prints
the last line's hash, to be kept elsewhere.

The directory is the user's own (0700) and outside of what a command can write; files are opened without following a
link.  One ``write`` carries a whole append, and a short one (a full disk) is taken back.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from sidewall.audit.events import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from hashlib import sha256

    from sidewall.audit.events import Event
else:
    try:  # hashlib itself loads OpenSSL: three milliseconds for one hash
        if sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256
    except ImportError:  # a Python that was built without them
        from hashlib import sha256

SCHEMA = 1
GENESIS = "0" * 64
SUFFIX = ".jsonl"
LOCK_SECONDS = 2.0

_HEAD = b'{"schema":%d,"seq":' % SCHEMA
_OWN = 0o777 if sys.platform == "win32" else 0o700
"""A new directory's mode.  On Windows it inherits the profile's list: of 0o700 Python makes one that, where a user's
process is an administrator's, leaves out the user himself."""
_EXACT = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_appending = _thread.allocate_lock()


def enabled(environ: Mapping[str, str]) -> bool:
    """Whether this user wants a log: yes, unless ``SIDEWALL_AUDIT`` is ``off``, ``no``, ``false`` or ``0``."""
    return environ.get("SIDEWALL_AUDIT", "").lower() not in ("off", "no", "false", "0")


def directory(environ: Mapping[str, str]) -> str:
    """The directory of the log for this user; it need not exist.  Absolute."""
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
        return os.path.join(base, "sidewall", "state", "audit")
    base = environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # the base directory specification: a relative one is to be ignored
        home = environ.get("HOME", "")
        base = (home if home.startswith("/") else os.path.expanduser("~")) + "/.local/state"
    return os.path.join(base, "sidewall", "audit")


def files(where: str) -> list[str]:
    """Names of the log's files in ``where``, oldest first.  Raises OSError."""
    return sorted(name for name in os.listdir(where) if _is_month(name))


def _is_month(name: str) -> bool:
    year, dash, month = name[:4], name[4:5], name[5:7]
    return name[7:] == SUFFIX and dash == "-" and year.isdigit() and month.isdigit()


def digest(line: bytes) -> str:
    """The SHA-256 of a line without its newline, in hexadecimal."""
    return sha256(line).hexdigest()


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nine decimals."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:09}Z"


def append(events: Iterable[Event], where: str) -> None:
    """Writes the events as consecutive lines at the end of the log in directory ``where``, making it if need be.

    Safe from several threads and processes at once.  Raises OSError: nothing was written then.
    """
    now = time.time_ns()
    _own_directory(where)
    with _appending:
        names = files(where)
        name = max([*names[-1:], timestamp(now)[:7] + SUFFIX])  # a clock set back must not fork the chain
        descriptor = os.open(os.path.join(where, name), os.O_RDWR | os.O_APPEND | os.O_CREAT | _EXACT, 0o600)
        try:
            _lock(descriptor)
            _write(descriptor, _chained(events, now, *_end(descriptor, where, names, name)))
        finally:
            os.close(descriptor)


def _own_directory(where: str) -> None:
    try:
        status = os.lstat(where)
    except FileNotFoundError:
        missing = [where]
        while not os.path.isdir(parent := os.path.dirname(missing[-1])):
            missing.append(parent)
        for path in reversed(missing):
            try:
                os.mkdir(path, _OWN)
            except FileExistsError:
                continue  # another run was quicker
        status = os.lstat(where)
    if sys.platform == "win32":
        return  # the profile directory's access list holds
    if status.st_mode & 0o170000 != 0o040000:
        raise NotADirectoryError(20, "not a directory of its own", where)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(1, "belongs to another user, or others can write it", where)


def _lock(descriptor: int) -> None:
    """Waits for the other writers; they hold the lock for well under a millisecond.  Released on close."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            if sys.platform == "win32":
                import msvcrt

                os.lseek(descriptor, 0x7FFF0000, os.SEEK_SET)  # beyond the data: locks bind readers there
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)


def _end(descriptor: int, where: str, names: list[str], name: str) -> tuple[str, int, bool]:
    """The last line's hash, the next number, and whether that line lacks its newline (its writer was cut short)."""
    lines, torn = _last_lines(descriptor)
    if not lines:
        older = [other for other in names if other < name]
        if older:
            previous = os.open(os.path.join(where, older[-1]), os.O_RDONLY | _EXACT)
            try:
                lines, _ = _last_lines(previous)
            finally:
                os.close(previous)
        torn = False
    if not lines:
        return GENESIS, 0, False
    return digest(lines[-1]), next((number(line) + 1 for line in reversed(lines) if number(line) >= 0), 0), torn


def _last_lines(descriptor: int) -> tuple[list[bytes], bool]:
    """The last two lines (fewer if the file is shorter), oldest first, and whether the last lacks its newline."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    window = 8192
    while True:
        start = max(0, size - window)
        os.lseek(descriptor, start, os.SEEK_SET)
        data = b""
        while len(data) < size - start and (block := os.read(descriptor, size - start - len(data))):
            data += block
        torn = not data.endswith(b"\n")
        lines = data.split(b"\n")
        if not torn:
            lines.pop()
        if start == 0:
            return lines[-2:] if data else [], torn and bool(data)
        if len(lines) > 2:
            return lines[-2:], torn
        window *= 4


def number(line: bytes) -> int:
    """The ``seq`` of a line, -1 when it is not one of ours."""
    if not line.startswith(_HEAD):
        return -1
    digits = line[len(_HEAD):len(_HEAD) + 20].partition(b",")[0]
    return int(digits) if digits.isdigit() else -1


def _chained(events: Iterable[Event], now: int, previous: str, sequence: int, torn: bool) -> bytes:
    stamp = timestamp(now)
    lines = [b"\n"] if torn else []
    for event in events:
        head = f'{{"schema":{SCHEMA},"seq":{sequence},"ts":"{stamp}","prev":"{previous}",'
        line = (head + dumps(event)[1:]).encode("ascii")
        lines += [line, b"\n"]
        previous = digest(line)
        sequence += 1
    return b"".join(lines)


def _write(descriptor: int, data: bytes) -> None:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    written = os.write(descriptor, data) if data else 0
    if written != len(data):
        os.ftruncate(descriptor, size)
        raise OSError(28, "no room for the whole event")
