"""What a watched name was when the cell was made: kind, content, mode, kept in memory.

Knows: which entries below a name count (``Rule``), how to record them within bounds, what tells that a file may have
changed.  Must not know: what is done about a change.
Follows: inode(7).  The change time of a file cannot be set back, but it ticks coarsely: a file that was changed just
before it was recorded is read again next time, since a further change in the same tick would not show.
"""

from __future__ import annotations

import os
import stat
import time

from sidewall.platforms.linux import gitfiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Signature = tuple[int, int, int, int]

FILE, LINK, DIRECTORY, ABSENT, UNREAD, OTHER = "file", "link", "directory", "absent", "unread", "other"
"""``UNREAD`` is a file that is too large to keep, or may not be read: only its signature is known."""

LARGEST_FILE = 1 << 20
MOST_ENTRIES = 500
MOST_BYTES = 32 << 20
DEEPEST = 32
_TICK_NS = 100_000_000
_COARSE_TICK_NS = 3_000_000_000

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Rule:
    """Which entries of a directory are watched.

    ``parts`` are names with a rule for each, None for every entry.  ``comes``: the directory itself may come and go,
    only what is in it counts.  ``ignored`` names, and with ``samples`` regular files named ``*.sample``, are nobody's
    business.
    """

    __slots__ = ("comes", "ignored", "parts", "samples")

    def __init__(self, parts: Mapping[str, Rule] | None = None, *, comes: bool = False,
                 ignored: frozenset[str] = frozenset(), samples: bool = False) -> None:
        self.parts = parts
        self.comes = comes
        self.ignored = ignored
        self.samples = samples

    def ignores(self, entry: os.DirEntry[str]) -> bool:
        """Whether this entry of the directory does not matter."""
        return entry.name in self.ignored or (
            self.samples and entry.name.endswith(".sample") and entry.is_file(follow_symlinks=False))


ALL = Rule()


class Recorded:
    """One entry as it was.  ``data`` is a file's content or a link's text; ``identity`` a directory's device and inode,
    None where there was no directory; ``whole``: every entry of the directory was recorded."""

    __slots__ = ("children", "data", "identity", "kind", "mode", "mtime", "owner", "rule", "seen", "settled", "whole")

    def __init__(self, rule: Rule, status: os.stat_result | None = None) -> None:
        self.rule = rule
        self.kind = ABSENT
        self.data = b""
        self.children: dict[str, Recorded] = {}
        self.identity: tuple[int, int] | None = None
        self.whole = True
        self.settled = False
        self.seen: Signature | None = None
        self.mode = self.mtime = 0
        self.owner = (-1, -1)
        if status is not None:
            self.kind = OTHER
            self.mode = stat.S_IMODE(status.st_mode)
            self.mtime = status.st_mtime_ns
            self.owner = (status.st_uid, status.st_gid)
            self.see(status)

    def see(self, status: os.stat_result) -> None:
        """Remembers this status as the one that goes with the recorded content."""
        self.seen = signature(status)
        self.settled = settled(status)

    @property
    def empty(self) -> bool:
        """Whether nothing is missed when nothing is there."""
        return self.kind == ABSENT or (
            self.kind == DIRECTORY and self.rule.comes and all(child.empty for child in self.children.values()))


def signature(status: os.stat_result) -> Signature:
    """What changes when a file is replaced, written, linked or given another mode."""
    return status.st_ino, status.st_ctime_ns, status.st_size, status.st_mode


def settled(status: os.stat_result) -> bool:
    """Whether any later change will show in the change time: some file systems count whole seconds, or two."""
    changed = status.st_ctime_ns
    return time.time_ns() - changed > (_TICK_NS if changed % 1_000_000 else _COARSE_TICK_NS)


def look(above: int, name: str) -> os.stat_result | None:
    """The status of an entry, not followed; None when there is none.  Raises OSError, such as PermissionError."""
    try:
        return os.stat(name, dir_fd=above, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read(above: int, name: str, limit: int = LARGEST_FILE) -> tuple[bytes, os.stat_result] | None:
    """A regular file's bytes and status; None when it is none, is larger than ``limit`` or cannot be read."""
    try:
        fd = os.open(name, _OPEN_FILE, dir_fd=above)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        return gitfiles.read_all(fd, status.st_size, limit), os.fstat(fd)
    except (OSError, gitfiles.Refused):
        return None
    finally:
        os.close(fd)


def open_directory(above: int, name: str) -> int:
    """A descriptor of a directory, never through a link; one that was closed to its owner is opened to them again.

    Raises OSError.
    """
    try:
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
        if os.fstat(fd).st_mode & 0o100 or os.geteuid() == 0:
            return fd
        os.close(fd)
    except PermissionError:
        pass
    grant(above, name)
    return os.open(name, OPEN_DIRECTORY, dir_fd=above)


def grant(above: int, name: str) -> None:
    """Gives the owner all rights on a directory, which a command may have taken from them.  Raises OSError."""
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        # chmod by this name reaches the object that is held, whatever the name means by now.
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(os.fstat(fd).st_mode) | 0o700)
    finally:
        os.close(fd)


def absent(rule: Rule) -> Recorded:
    """The record of something that is not there."""
    was = Recorded(rule)
    if rule.comes:
        was.kind = DIRECTORY
        was.children = {name: absent(inner) for name, inner in (rule.parts or {}).items()}
    return was


class Recorder:
    """Records names within bounds: so many entries a name, so many bytes in all."""

    def __init__(self) -> None:
        self._bytes = MOST_BYTES
        self._entries = 0
        self.complete = True

    def record(self, above: int, name: str, rule: Rule) -> Recorded:
        """The entry ``name`` of the directory ``above`` and what counts below it.

        ``complete`` says afterwards whether all of it was recorded.  Raises OSError when it cannot be looked at.
        """
        self._entries = MOST_ENTRIES
        self.complete = True
        return self._record(above, name, rule, 0)

    def _record(self, above: int, name: str, rule: Rule, depth: int) -> Recorded:
        status = look(above, name)
        if status is None:
            return absent(rule)
        self._entries -= 1
        was = Recorded(rule, status)
        if stat.S_ISREG(status.st_mode):
            found = read(above, name, min(LARGEST_FILE, self._bytes))
            was.kind = UNREAD if found is None else FILE
            if found is not None:
                was.data = found[0]
                was.see(found[1])
                self._bytes -= len(was.data)
        elif stat.S_ISLNK(status.st_mode):
            was.kind = LINK
            was.data = os.readlink(os.fsencode(name), dir_fd=above)
        elif stat.S_ISDIR(status.st_mode):
            was.kind = DIRECTORY
            was.identity = (status.st_dev, status.st_ino)
            self._below(above, name, was, depth)
        return was

    def _below(self, above: int, name: str, was: Recorded, depth: int) -> None:
        try:
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
        except OSError:
            was.whole = self.complete = False
            return
        try:
            if was.rule.parts is not None:
                for part, inner in was.rule.parts.items():
                    was.children[part] = self._record(fd, part, inner, depth + 1)
                return
            found: list[tuple[bool, str]] = []
            with os.scandir(fd) as entries:
                for entry in entries:
                    if len(found) >= self._entries or depth >= DEEPEST:
                        was.whole = self.complete = False
                        break
                    if not was.rule.ignores(entry):
                        found.append((entry.is_dir(follow_symlinks=False), entry.name))
            # Files before directories: where the bound is reached, what lies at the top was recorded.
            for _is_directory, child in sorted(found):
                if self._entries <= 0:
                    was.whole = self.complete = False
                    break
                was.children[child] = self._record(fd, child, ALL, depth + 1)
        except OSError:
            was.whole = self.complete = False
        finally:
            os.close(fd)
