"""Looks for repositories and settings that came into the writable roots since the cell was made, and deals with them.

Knows: which of them are new, in which order they are dealt with, which were told of before.  Must not know: how a root
is looked through (``watch_scan``), how a repository is made harmless (``watch_fresh``), when to look (``watch``).

What was dealt with is looked at again each time: a later command may have changed it.
"""

from __future__ import annotations

import os
import time

from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_aside import Round
from sidewall.platforms.linux.watch_restore import NOTICED
from sidewall.platforms.linux.watch_scan import TICK_NS, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch import Root
    from sidewall.platforms.linux.watch_fresh import Cleaner
    from sidewall.platforms.linux.watch_notices import Notices
    from sidewall.platforms.linux.watch_restore import Restorer
    from sidewall.platforms.linux.watch_scan import Survey

_SETTLED_SECONDS = 2.0
"""What is still being made, as by `git clone`, has mostly been made after this time; if not, it loses nothing that a
plain repository has."""
_MOST_TOLD = 8
_MOST_IN_VAIN = 16
"""So often it is tried to listen in a tree of which no notice could say enough."""


class Search:
    """The search in the roots of one watcher, which have been looked through before (``Root.before``).

    ``mounted`` are absolute paths that mounts hold.  ``each``: new files with a protected name are taken away.
    ``since_ns`` is when the cell was made.
    """

    def __init__(self, roots: list[Root], names: tuple[str, ...], mounted: frozenset[str], *, each: bool,
                 since_ns: int) -> None:
        self._roots = roots
        self._rounds = [Round(root.fd, since_ns - TICK_NS) for root in roots]
        self._names = names
        self._mounted = mounted
        self._each = each
        # What new settings stay where they are, may also be repositories; what mounts hold is not.
        self._held = [None if each else _below(root.path, mounted) | root.before.names for root in roots]
        self._first_seen: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()
        self._notices: Notices | None = None
        self._nothing = self._quiet = False
        self._in_vain = 0

    def unchanged(self) -> bool:
        """Whether ``look`` would find nothing to deal with, since it found nothing and nothing changed since then."""
        return self._quiet and self._notices is not None and self._notices.quiet() and not any(
            _arrived(root) for root in self._roots)

    def look(self, since_ns: int = 0) -> bool:
        """Looks through the roots; whether there is anything to deal with, or to say.  ``since_ns``: see ``survey``."""
        now = time.monotonic()
        seen: dict[str, float] = {}
        noticed: set[str] = set()
        anything = False
        notices = None if since_ns else self._listen()
        for root, others, held in zip(self._roots, self._rounds, self._held, strict=True):
            before = root.before
            root.last = found = survey(root.fd, self._names, before=before, last=root.last,
                                       since_ns=since_ns, notices=notices, held=held)
            if not since_ns:
                others.go_on(found, notices)
            found.git |= others.found.git
            found.bare |= others.found.bare
            repositories = {*self._new(root, found.git - before.git), *self._new(root, found.bare - before.bare)}
            settings = self._new(root, found.names - before.names)
            for path in (*repositories, *settings):
                absolute = root.absolute(path)
                seen[absolute] = self._first_seen.get(absolute, now)
            # Whatever was told of before: what is now a repository may have been only a closed directory then.
            anything |= bool(repositories) or (self._each and bool(settings))
            noticed.update([root.absolute(path) for path in (*settings, *(found.closed - before.closed))])
            if before.complete and not found.complete:
                noticed.add(root.path)
        self._first_seen = seen
        anything |= not noticed.issubset([path for path, _reason in self._told])
        self._remember(anything, notices)
        return anything or any(_arrived(root) for root in self._roots)

    def _listen(self) -> Notices | None:
        """From the second look on, if the first found nothing: short runs have none."""
        if self._notices is None:
            if not self._nothing or self._in_vain >= _MOST_IN_VAIN or not all(
                    root.before.complete for root in self._roots):
                return None
            from sidewall.platforms.linux.watch_notices import Notices

            try:
                self._notices = Notices([root.fd for root in self._roots])
            except (OSError, ValueError):
                self._in_vain = _MOST_IN_VAIN
                return None
        kept: set[int] = set()
        if self._notices.full:
            for found in (*[root.last for root in self._roots], *[others.found for others in self._rounds]):
                if found is not None:
                    kept.update([heard[0] for heard in (*found.heard.values(), *found.heard_before.values())])
        if self._in_vain < _MOST_IN_VAIN and self._notices.begin(kept):
            return self._notices
        self.stop_listening(wait=False)
        return None

    def _remember(self, anything: bool, notices: Notices | None) -> None:
        self._nothing = not anything
        self._quiet = False
        if notices is None:
            return
        found = [root.last for root in self._roots if root.last is not None]
        certain = all(each.certain and each.complete and not each.closed for each in found) and all(
            others.found.certain for others in self._rounds)
        self._in_vain = 0 if certain else self._in_vain + 1
        self._quiet = certain and not anything and all(others.quiet for others in self._rounds) and all(
            len(each.heard) == len(each.searched) for each in found)

    def stop_listening(self, *, wait: bool = True) -> None:
        """Lets go of the notices, for good; ``wait``: until the kernel has done that.  Idempotent."""
        self._quiet = False
        self._in_vain = _MOST_IN_VAIN
        if self._notices is not None:
            self._notices.close(wait=wait)
            self._notices = None

    def deal(self, restorer: Restorer, cleaner: Cleaner, *, calm: bool) -> None:
        """Deals with what the last ``look`` found; unless it is ``calm``, with what an earlier one had found too."""
        limit = time.monotonic() - (0.0 if calm else _SETTLED_SECONDS)
        found = [(root, root.last) for root in self._roots if root.last is not None]
        before = len(restorer.held)
        for root in self._roots:
            for path, was in root.awaited:
                with restorer.guard(root.absolute(path)):
                    place = root.at(path)
                    if place is not None:
                        restorer.check(*place, was, root.absolute(path))
        for root, now in found:
            for path in self._ripe(root, now.git - root.before.git, limit):
                self._entry(root, path, restorer, cleaner, files=False)
            for path in self._ripe(root, now.bare - root.before.bare, limit):
                with restorer.guard(root.absolute(path)):
                    _bare(root, path, restorer, cleaner)
        # Files called .git come last: by now every directory that they may rightly name was looked after.
        for root, now in found:
            for path in self._ripe(root, now.git - root.before.git, limit):
                self._entry(root, path, restorer, cleaner, files=True)
            for path in self._ripe(root, now.names - root.before.names, limit):
                with restorer.guard(root.absolute(path)):
                    self._name(root, path, restorer)
            self._tell(root, now, restorer)
            root.tree.release()
        if not restorer.final:
            # What is only noticed is said once, and at the end.
            restorer.held[before:] = [held for held in restorer.held[before:]
                                      if held.action != NOTICED or (held.path, held.reason) not in self._told]
            self._told.update([(held.path, held.reason) for held in restorer.held[before:] if held.action == NOTICED])

    def _new(self, root: Root, paths: set[str]) -> list[str]:
        return [path for path in sorted(paths) if root.absolute(path) not in self._mounted]

    def _ripe(self, root: Root, paths: set[str], limit: float) -> list[str]:
        return [path for path in self._new(root, paths) if self._first_seen.get(root.absolute(path), limit) <= limit]

    def _entry(self, root: Root, path: str, restorer: Restorer, cleaner: Cleaner, *, files: bool) -> None:
        with restorer.guard(root.absolute(path)):
            place = root.at(path)
            if place is not None:
                cleaner.anything(*place, root.absolute(path), files=files)

    def _name(self, root: Root, path: str, restorer: Restorer) -> None:
        place = root.at(path)
        if place is None:
            return
        if self._each:
            restorer.take(*place, root.absolute(path), "it was not there before")
        else:
            restorer.say(NOTICED, root.absolute(path), "a new file that steers later runs; look at it")

    def _tell(self, root: Root, now: Survey, restorer: Restorer) -> None:
        for path in sorted(now.closed - root.before.closed)[:_MOST_TOLD]:
            restorer.say(NOTICED, root.absolute(path), "was closed to you, so it was not looked through")
        for path in sorted(now.opened)[:_MOST_TOLD]:
            restorer.say(NOTICED, root.absolute(path), "was closed to you; it was opened, to be looked through")
        if root.before.complete and not now.complete:
            restorer.say(NOTICED, root.path, "has very many directories now: not all were looked through for new "
                         "files that steer later runs")


def _below(root: str, paths: frozenset[str]) -> frozenset[str]:
    """Those of some absolute paths that lie below a root, relative to it."""
    above = root.rstrip("/") + "/"
    return frozenset([path[len(above):] for path in paths if path.startswith(above)])


def _arrived(root: Root) -> bool:
    """Whether a place that git is told to look at is there now, and was not when the cell was made."""
    try:
        for path, _ in root.awaited:
            place = root.at(path)
            if place is not None and record.look(*place) is not None:
                return True
        return False
    except OSError:
        return True
    finally:
        root.tree.release()


def _bare(root: Root, path: str, restorer: Restorer, cleaner: Cleaner) -> None:
    """A directory that git takes for a repository since this cell."""
    place = root.at(path)
    if place is None:
        return
    if not root.before.saw(path):
        cleaner.entry(*place, root.absolute(path))
        return
    # The user's own directory, made to look like one: without HEAD it is none, and nothing else is touched.
    fd = record.open_directory(*place)
    try:
        restorer.take(fd, "HEAD", f"{root.absolute(path)}/HEAD", "it made a repository of this directory")
    finally:
        os.close(fd)
