"""Merging an edit into a list that others have changed: three-way, entry by entry.

Knows: sequences of entries, their common subsequence, their rank in canonical order.
Must not know: what an entry means.  Follows no document; the rank is that of Win32's "Order of ACEs in a DACL".
"""

from __future__ import annotations

from sidewall.nt.ace import DENY_TYPES, INHERITED, Ace
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

KEEP = "="
ADD = "+"
REMOVE = "-"


class Mark(Record):
    """An entry of the list before or after an edit; ``op`` is `KEEP`, `ADD` or `REMOVE`."""

    op: str
    ace: Ace


def to_json(script: tuple[Mark, ...]) -> list[list[str]]:
    """A script as pairs of texts."""
    return [[mark.op, mark.ace.to_bytes().hex()] for mark in script]


def of_json(pairs: object) -> tuple[Mark, ...] | None:
    """The script of pairs of texts; None if the pairs are none.  Raises DescriptorError for bytes that are no entry."""
    if not isinstance(pairs, (list, tuple)):
        return None
    script = []
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or pair[0] not in (KEEP, ADD, REMOVE):
            return None
        try:
            script.append(Mark(op=pair[0], ace=Ace.from_bytes(bytes.fromhex(pair[1]))))
        except (TypeError, ValueError):
            return None
    return tuple(script)


def merge(current: tuple[Ace, ...], script: tuple[Mark, ...]) -> tuple[tuple[Ace, ...], tuple[Ace, ...]]:
    """``current`` with the script's changes made, and the entries to be removed that are not there.

    Each entry that the script removes goes away once: where its neighbours say it is, else anywhere.  Each that it
    adds goes behind the entry that is before it in the script, as far as that is still there, and never before a new
    entry that belongs before it in canonical order.
    """
    base = [index for index, mark in enumerate(script) if mark.op != ADD]
    place: dict[int, int] = {}  # of an entry of the script, where it is in `current`
    for left, right in common([script[index].ace for index in base], current):
        place[base[left]] = right
    gone: set[int] = set()
    missing: list[Ace] = []
    for index, mark in enumerate(script):
        if mark.op != REMOVE:
            continue
        if index not in place:
            taken = gone.union(place.values())
            found = next((at for at, ace in enumerate(current) if ace == mark.ace and at not in taken), None)
            if found is None:
                missing.append(mark.ace)
                continue
            gone.add(found)
        else:
            gone.add(place[index])
    return _insert(current, script, place, gone), tuple(missing)


def _insert(current: tuple[Ace, ...], script: tuple[Mark, ...], place: dict[int, int],
            gone: set[int]) -> tuple[Ace, ...]:
    gaps: dict[int, list[Ace]] = {}  # new entries by the index in `current` that they go before
    behind = 0  # nothing new goes before what the script has already passed
    for index, mark in enumerate(script):
        if mark.op != ADD:
            behind = max(behind, place[index] + 1 if index in place else 0)
            continue
        limit = next((place[later] for later in range(index + 1, len(script)) if later in place), len(current))
        at = behind
        if not any(earlier in place for earlier in range(index)):
            # No entry before it is left: as near to the one behind it as the order allows.
            at = max(behind, limit)
            while at > behind and rank(current[at - 1]) > rank(mark.ace):
                at -= 1
        while at < limit and rank(current[at]) < rank(mark.ace):
            at += 1
        gaps.setdefault(at, []).append(mark.ace)
        behind = at
    result: list[Ace] = []
    for at, ace in enumerate(current):
        result += gaps.get(at, ())
        if at not in gone:
            result.append(ace)
    return (*result, *gaps.get(len(current), ()))


def rank(ace: Ace) -> int:
    """0 for an explicit deny, 1 for another explicit entry, 2 for an inherited one."""
    if ace.flags & INHERITED:
        return 2
    return 0 if ace.type in DENY_TYPES else 1


def common(left: Sequence[Ace], right: Sequence[Ace]) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence; of several, the one that is furthest to the front."""
    start, end = 0, 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    rows, columns = left[start : len(left) - end], right[start : len(right) - end]
    lengths = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        for j in range(len(columns) - 1, -1, -1):
            if rows[i] == columns[j]:
                lengths[i][j] = lengths[i + 1][j + 1] + 1
            else:
                lengths[i][j] = max(lengths[i + 1][j], lengths[i][j + 1])
    pairs = [(index, index) for index in range(start)]
    i = j = 0
    while i < len(rows) and j < len(columns):
        if rows[i] == columns[j]:
            pairs.append((start + i, start + j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs + [(len(left) - end + index, len(right) - end + index) for index in range(end)]
