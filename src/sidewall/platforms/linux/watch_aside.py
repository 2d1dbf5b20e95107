"""Goes through directories of packages, and what was passed over, while a cell is open: a little with each look.

Knows: which directories a search does not go into, how far the round has come.  Must not know: what is done about what
is found; how one directory is looked at (``watch_scan``).

There may be a hundred thousand of them, which cannot be looked through after a command.  So each look goes on for some
milliseconds from where the last one stopped, and when the round is done the next begins.  It finds repositories only,
and of those the ones that were touched since the cell was made; the look at the end goes through all of it once more.
"""

from __future__ import annotations

import time

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.watch_scan import DEEPEST, MOST_ASIDE, STORES, Survey, aside, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.platforms.linux.watch_notices import Notices

SLICE_SECONDS = 0.005


class Round:
    """One root's directories that are gone through aside.  ``found`` are the repositories; it only grows.

    ``root`` is a descriptor of the root, which stays the caller's.  ``quiet``: a whole round found what it found, and
    there was no notice from any of the directories since it came there: another would find the same.
    """

    def __init__(self, root: int, since_ns: int) -> None:
        self.found = Survey()
        self._tree = gitfiles.Tree(root)
        self._since_ns = since_ns
        self._walk: Iterator[None] = iter(())
        self._going = False
        self._tops: list[tuple[str, list[str]]] = []
        self._heard = False
        self.quiet = False

    def go_on(self, survey: Survey, notices: Notices | None = None) -> bool:
        """Goes on for a moment, in a round that begins with what ``survey``, the last search, passed over; whether the
        round is done.  With ``notices`` none is begun that would find what the last one did.  Never raises OSError."""
        until = time.monotonic() + SLICE_SECONDS
        tops = _tops(survey)
        # One that has begun goes to its end in any case: else who touches something again and again could stop it.
        self._heard &= notices is not None and tops == self._tops and not self._touched(notices.touched)
        self.quiet &= self._heard
        if self.quiet:
            return True
        if not self._going:
            self._tops = tops
            self._heard = notices is not None
            self.found.heard_before, self.found.heard = self.found.heard, {}
            self.found.certain = True
            self._walk = self._directories(tops, notices)
        try:
            for _ in self._walk:
                if time.monotonic() >= until:
                    self._going = True
                    return False
            self._going = False
            self.quiet = self._heard and self.found.certain
            return True
        finally:
            self._tree.release()

    def _touched(self, watches: set[int] | None) -> bool:
        return watches is None or (len(watches) > 0 and any(
            watch in watches for watch, _seen, _generation in self.found.heard.values()))

    def _directories(self, tops: list[tuple[str, list[str]]], notices: Notices | None) -> Iterator[None]:
        count = 0
        waiting = list(tops)
        for parent, children in waiting:
            for child in children:
                count += 1
                path = join(parent, child)
                if count > MOST_ASIDE or path.count("/") >= DEEPEST:
                    self._heard = False
                    break
                try:
                    above = self._tree.directory(parent)
                    below = aside(above, child, path, self._since_ns, self.found, notices)
                except OSError:
                    self._heard = False
                    break
                self._heard &= path in self.found.heard
                if below:
                    waiting.append((path, below))
                yield


def _tops(survey: Survey) -> list[tuple[str, list[str]]]:
    """What a search passed over, by the directory that holds it."""
    passed: dict[str, list[str]] = {}
    for path in survey.aside:
        parent, _, name = path.rpartition("/")
        passed.setdefault(parent, []).append(name)
    return [*passed.items(), *[(path, sorted(STORES)) for path in sorted(survey.bare)]]
