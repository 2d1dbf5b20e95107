"""The fact of a Windows machine that takes the longest to find: which places are open to many.

Knows: the search, what was kept of the last one, the clock.  Must not know: which of the places is a hole in which
token; the plan finds that out.
"""

from __future__ import annotations

import time

from sidewall.errors import MachineError
from sidewall.nt.wellknown import EVERYONE
from sidewall.plan.facts_windows import Wide
from sidewall.plan.windows_edits import WRITING
from sidewall.plan.world import place
from sidewall.platforms.windows import open_places_kept as kept
from sidewall.platforms.windows.open_places import Budget, Search, Section, Start, writers
from sidewall.platforms.windows.open_places_starts import stamp, starts
from sidewall.platforms.windows.store import StoreError
from sidewall.platforms.windows.store_win32 import Win32Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.open_places import Store


def gather(api: Api, user: Sid, home: str, variables: Mapping[str, str], build: int, *, search: bool) -> kept.Found:
    """What is known of places that are open to many.

    ``search``: what is not known, or too old, is looked for, and kept; without it that is said to be missing.
    ``variables`` are the system's own.  Raises nothing of ours: what keeps it from being found is missing, too.
    """
    before = kept.read(api, home)
    if before is None and not search:
        return kept.Found(missing="nobody looked for directories that are open to all users")
    begin = starts(api, home, variables)
    store, now = Win32Store(api), int(time.time())
    searching = Search(store, user, Budget(time.monotonic), frozenset([place(one.path) for one in begin]))

    def look(start: Start) -> Section:
        seen = stamp(api, start)  # before: what changes meanwhile is looked at again
        if not search:
            return Section(path=start.path, depth=start.depth, stamp=seen, when=now, left=start.path)
        return searching.look(start, seen, now)

    def same(start: Start, section: Section) -> bool:
        return section.stamp == stamp(api, start) and unchanged(store, user, start, section)

    after = kept.renewed(before, build, user, begin, now, same, look)
    found = kept.told(after)
    if search and after != before:
        try:
            kept.write(api, home, after, user)
        except MachineError as error:
            kept_not = f"what was found of open directories cannot be kept, so each run looks for them: {error}"
            found = found.replace(notes=(*found.notes, kept_not))
    return found


def unchanged(store: Store, user: Sid, start: Start, section: Section) -> bool:
    """Whether what was found open at a start is open to the same, by the same rights."""
    if start.bare:
        return section.places == (Wide(path=start.path, who=EVERYONE, mask=WRITING),)
    there: dict[str, dict[Sid, int]] = {}
    for row in section.places:
        there.setdefault(row.path, {})[row.who] = row.mask
    for path, found in there.items():
        try:
            with store.open(path, change=False) as opened:
                if writers(opened.descriptor(), user) != found:
                    return False
        except StoreError:
            return False
    return True


def outside(places: Iterable[Wide], inside: Iterable[str]) -> tuple[Wide, ...]:
    """The places that do not lie in one of these directories: those may be written, or are the sandbox's own."""
    tops = [place(path) for path in inside if path]
    return tuple([one for one in places
                  if not any(place(one.path) == top or place(one.path).startswith(top + "\\") for top in tops)])


__all__ = ["gather", "outside", "unchanged"]
