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

SLICE_SECONDS = 0.005


class Round:
    """One root's directories that are gone through aside.  ``found`` are the repositories; it only grows.

    ``root`` is a descriptor of the root, which stays the caller's.
    """

    def __init__(self, root: int, since_ns: int) -> None:
        self.found = Survey()
        self._tree = gitfiles.Tree(root)
        self._since_ns = since_ns
        self._walk: Iterator[None] = iter(())
        self._going = False

    def go_on(self, survey: Survey) -> bool:
        """Goes on for a moment, in a round that begins with what ``survey``, the last search, passed over; whether the
        round is done.  Never raises OSError."""
        until = time.monotonic() + SLICE_SECONDS
        if not self._going:
            self._walk = self._directories(_tops(survey))
        try:
            for _ in self._walk:
                if time.monotonic() >= until:
                    self._going = True
                    return False
            self._going = False
            return True
        finally:
            self._tree.release()

    def _directories(self, waiting: list[tuple[str, list[str]]]) -> Iterator[None]:
        count = 0
        for parent, children in waiting:
            for child in children:
                count += 1
                path = join(parent, child)
                if count > MOST_ASIDE or path.count("/") >= DEEPEST:
                    break
                try:
                    below = aside(self._tree.directory(parent), child, path, self._since_ns, self.found)
                except OSError:
                    break
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
