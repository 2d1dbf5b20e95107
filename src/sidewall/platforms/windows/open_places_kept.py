"""What a search for places that are open to many found, kept for a day and looked at again where something changed.

Knows: the file it is kept in, what makes a finding too old.  Must not know: how a search goes (``open_places``), where
it begins (``open_places_starts``), plans.

A finding of a start is good for ``GOOD_SECONDS`` and while the directory itself is as it was, what was found open is
still open in the same way, and Windows is of the same build; else that start is looked at again, and no other.  So a
run costs one look at each start, and a search once a day.  The file is the user's alone: a command of the account tier
cannot reach it, one of a token tier can delete it at the most, and then all is looked at again.
"""

from __future__ import annotations

from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.plan.facts_windows import Wide
from sidewall.plan.world import place
from sidewall.platforms.windows import findings
from sidewall.platforms.windows.open_places import Section
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.open_places import Start

GOOD_SECONDS = 24 * 3600
NAME = "open-places"
HEAD = "sidewall-open-places-1"
INCOMPLETE = "the search for directories that are open to all users was not complete"


class Kept(Record):
    """Findings of one ``user`` on one ``build``, a section a start."""

    build: int
    user: str
    sections: tuple[Section, ...] = ()


class Found(Record):
    """All that is known of places that are open to many.  ``missing`` says what of it is not known, '' when nothing
    is; ``notes`` are for people."""

    places: tuple[Wide, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = ()


def renewed(kept: Kept | None, build: int, user: str, starts: Iterable[Start], now: int,
            same: Callable[[Start, Section], bool], look: Callable[[Start], Section]) -> Kept:
    """Findings of every start: those that are still good, the others by ``look``.

    ``same`` says whether the machine still shows what a section says.
    """
    known: dict[tuple[str, int], Section] = {}
    if kept is not None and (kept.build, kept.user) == (build, user):
        known = {(place(one.path), one.depth): one for one in kept.sections}
    sections = []
    for start in starts:
        found = known.get((place(start.path), start.depth))
        good = found is not None and 0 <= now - found.when < GOOD_SECONDS and same(start, found)
        sections.append(found if good and found is not None else look(start))
    return Kept(build=build, user=user, sections=tuple(sections))


def told(kept: Kept) -> Found:
    """The findings, for a plan and for people."""
    left = [one.left for one in kept.sections if one.left]
    unread = sum(one.unread for one in kept.sections)
    notes = []
    if unread:
        example = next(one.example for one in kept.sections if one.unread)
        notes.append(f"{unread} directories were not asked who may write there, since you may not read their access "
                     f"lists ({example}): whoever is granted Full Control, or Modify, could read them")
    missing = f"{INCOMPLETE} (not looked at: {left[0]}" + (", and more)" if len(left) > 1 else ")") if left else ""
    return Found(places=tuple([row for one in kept.sections for row in one.places]), missing=missing,
                 notes=tuple(notes))


def read(api: Api, home: str) -> Kept | None:
    """What is kept; None where there is nothing that can be used.  Raises nothing of ours."""
    data = findings.read(api, home, NAME)
    return None if data is None else parse(data)


def write(api: Api, home: str, kept: Kept, user: Sid) -> None:
    """Keeps it, whole or not at all.  Raises Win32Error."""
    findings.write(api, home, NAME, packed(kept), user)


def packed(kept: Kept) -> bytes:
    """The file."""
    lines = [_line(HEAD, kept.build, kept.user)]
    for one in kept.sections:
        lines.append(_line("start", one.path, one.depth, one.stamp, one.when, one.left, one.unread, one.example))
        lines += [_line("open", row.path, row.who, row.mask) for row in one.places]
    return b"\n".join(lines)


def parse(data: bytes) -> Kept | None:
    """The contents of a file; None for one that is damaged, or of another version."""
    made: list[Section] = []
    try:
        head, *lines = [_fields(line) for line in data.split(b"\n")]
        if head[0] != HEAD:
            return None
        for kind, *fields in lines:
            if kind == "open":
                path, who, mask = fields
                last = made[-1]
                made[-1] = last.replace(places=(*last.places, Wide(path=path, who=Sid(who), mask=int(mask))))
                continue
            path, depth, stamp, when, left, unread, example = fields
            made.append(Section(path=path, depth=int(depth), stamp=stamp, when=int(when), left=left,
                                unread=int(unread), example=example))
        return Kept(build=int(head[1]), user=head[2], sections=tuple(made))
    except (ValueError, IndexError, NtError):
        return None


def _line(*fields: object) -> bytes:
    """Fields between tabs; a name of a file may hold anything, so what is not plain is escaped."""
    return b"\t".join([str(field).encode("unicode_escape") for field in fields])


def _fields(line: bytes) -> list[str]:
    return [field.decode("unicode_escape") for field in line.split(b"\t")]


__all__ = ["GOOD_SECONDS", "NAME", "Found", "Kept", "packed", "parse", "read", "renewed", "told", "write"]
