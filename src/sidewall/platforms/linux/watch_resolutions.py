"""Resolutions of conflicts that a command records: git replays them, and copies the files that their list names.

Knows: that the next `git commit` outside reads every path in ``MERGE_RR`` (with `..`, through links) into ``rr-cache``,
from where a later command reads it, and that a merge puts what is recorded there into the user's files.
Must not know: which git directories there are.
Follows: git-rerere(1).  What the user had stays.  The rest is taken away, and git goes on without.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux.watch_record import LARGEST_FILE, look, open_directory, read, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_record import Signature
    from sidewall.platforms.linux.watch_restore import Restorer

    Known = tuple[Signature, bytes | None]
    """A file as it was; with its content when a further change might not show in its change time."""

LIST, STORE = "MERGE_RR", "rr-cache"
MOST_RESOLUTIONS = 10_000
MOST_VARIANTS = 1000
"""Files of one resolution; git keeps a few."""
MOST_TAKEN = 64
"""More new resolutions than this, with none of the user's beside them, go as one directory."""


class Resolutions:
    """The recorded resolutions of one git directory that were there before; none where nothing was recorded."""

    __slots__ = ("_complete", "_list", "_resolutions")

    def __init__(self) -> None:
        self._list: Known | None = None
        self._resolutions: dict[str, dict[str, Known]] = {}
        self._complete = True

    def record(self, fd: int) -> None:
        """Remembers what there is in the git directory ``fd``; that is the user's.  Never raises OSError."""
        try:
            self._list = _known(fd, LIST)
            status = look(fd, STORE)
            if status is None or not stat.S_ISDIR(status.st_mode):
                return
            store = open_directory(fd, STORE)
            try:
                names = os.listdir(store)
                self._complete = len(names) <= MOST_RESOLUTIONS
                for name in names[:MOST_RESOLUTIONS]:
                    self._resolutions[name] = _files(store, name)
            finally:
                os.close(store)
        except OSError:
            self._complete = False

    def check(self, fd: int, path: str, restorer: Restorer) -> None:
        """Takes away what came or changed since.  ``path`` is what people call the git directory.  Never raises
        OSError."""
        with restorer.guard(f"{path}/{LIST}"):
            status = look(fd, LIST)
            if status is not None and status.st_size and not _same(fd, LIST, self._list):
                restorer.take(fd, LIST, f"{path}/{LIST}", "git would copy the files that it names")
        with restorer.guard(f"{path}/{STORE}"):
            self._store(fd, f"{path}/{STORE}", restorer)

    def _store(self, fd: int, where: str, restorer: Restorer) -> None:
        status = look(fd, STORE)
        if status is None:
            return
        reason = "a later merge would put what is recorded there into your files"
        if stat.S_ISDIR(status.st_mode):
            store = open_directory(fd, STORE)
            try:
                unwelcome = [name for name in os.listdir(store) if self._unwelcome(store, name, restorer)]
                if len(unwelcome) <= MOST_TAKEN or self._resolutions or not self._complete:
                    for name in unwelcome:
                        self._resolutions.pop(name, None)
                        restorer.take(store, name, f"{where}/{name}", reason)
                    return
            finally:
                os.close(store)
        restorer.take(fd, STORE, where, reason)

    def _unwelcome(self, store: int, name: str, restorer: Restorer) -> bool:
        known = self._resolutions.get(name)
        if known is None:
            return self._complete and not restorer.quarantine.took_aside(name)
        if all(_same(store, f"{name}/{child}" if child else name, seen) for child, seen in known.items()):
            return False
        now = _files(store, name)
        if now.keys() == known.keys() and all(_same(store, f"{name}/{child}", seen)
                                              for child, seen in known.items() if child):
            # Something came into it and went again.
            self._resolutions[name] = now
            return False
        return True


def _files(store: int, name: str) -> dict[str, Known]:
    """One resolution: its directory as '', and its files.  Raises OSError."""
    status = look(store, name)
    if status is None:
        return {}
    found: dict[str, Known] = {"": (signature(status), None)}
    if stat.S_ISDIR(status.st_mode):
        inner = open_directory(store, name)
        try:
            for child in os.listdir(inner)[:MOST_VARIANTS]:
                seen = _known(inner, child)
                if seen is not None:
                    found[child] = seen
        finally:
            os.close(inner)
    return found


def _known(above: int, name: str) -> Known | None:
    status = look(above, name)
    if status is None:
        return None
    content = None if settled(status) else read(above, name, LARGEST_FILE)
    return signature(status), None if content is None else content[0]


def _same(above: int, path: str, known: Known | None) -> bool:
    """Whether an entry is what it was.  Of a path of two names the first may have become a link meanwhile: then what
    is looked at has another inode."""
    if known is None:
        return False
    seen, content = known
    status = look(above, path)
    if status is None or signature(status) != seen:
        return False
    if content is None:
        return True
    found = read(above, path, LARGEST_FILE)
    return found is not None and found[0] == content
