"""Writing lists one object at a time, and going through what lies below a directory without following anything.

Knows: ``nt.inherit``, the store; that a list is compared before it is written and read back afterwards.
Must not know: plans, journals, why entries come or go.  Follows Win32's "Automatic Propagation of Inheritable ACEs",
but for two things: a reparse point is neither changed nor descended, and a file with several names is left alone.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SE_DACL_PROTECTED
from sidewall.nt.inherit import reinherit
from sidewall.platforms.windows.store import DENIED, MISSING, StoreError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias, TypeVar

    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.platforms.windows.store import Identity, SecurityObject

    C = TypeVar("C")
    Below: TypeAlias = Callable[[SecurityObject, C], C | None]

MANY = 64
"""So many objects of a directory are open at once: what is written down of them takes one wait for the disk."""


class Carried(Record):
    """A descriptor on its way down: what stands there without the entries that are carried, and with them."""

    without: SecurityDescriptor
    with_them: SecurityDescriptor
    identity: Identity | None = None


class Unsettled(Record):
    """An object that propagation changes in more than the entries which are carried: ``before`` and ``settled``."""

    path: str
    identity: Identity
    before: SecurityDescriptor
    settled: SecurityDescriptor


def same_list(left: SecurityDescriptor, right: SecurityDescriptor) -> bool:
    """Whether two descriptors' DACLs hold the same entries, in whatever order, and are both protected or not."""
    if (left.control ^ right.control) & SE_DACL_PROTECTED or (left.dacl is None) != (right.dacl is None):
        return False
    if left.dacl is None or right.dacl is None:
        return True
    return sorted([ace.to_bytes() for ace in left.dacl.aces]) == sorted([ace.to_bytes() for ace in right.dacl.aces])


def write(target: SecurityObject, wanted: SecurityDescriptor) -> None:
    """Stores a DACL and reads it back.  Raises StoreError, or MachineError when something else is there then."""
    target.write_dacl(wanted)
    found = target.descriptor()
    if not same_list(found, wanted):
        from sidewall.nt.sddl import format as text

        raise MachineError(f"the access list of {target.path} does not say what was written to it: it is {text(found)}",
                           hint="the file system does not keep access lists, or another program changes them just now")


def carry(top: SecurityObject, start: Carried, announce: Callable[[Sequence[Unsettled]], None],
          skip: Callable[[str, StoreError], None]) -> None:
    """Carries a directory's new list to all that is below it, each list written where it changes and nowhere else.

    ``announce`` is told what has to be written down before it is changed; ``skip`` what could not be opened or
    changed: it raises, or the object and what lies in it stay as they are.  Raises StoreError, MachineError.
    """
    chain = _Chain(top)
    waiting: list[tuple[tuple[str, ...], Carried]] = [((), start)]
    try:
        while waiting:
            names, carried = waiting.pop()
            directory = chain.down(names)
            if directory is None:
                continue
            found = directory.names()
            for at in range(0, len(found), MANY):
                for name, below in _some(directory, found[at : at + MANY], carried, announce, skip):
                    waiting.append(((*names, name), below))
                    chain.expect((*names, name), below.identity)
    finally:
        chain.close()


class _Chain:
    """The directories from ``top`` down to where the walk is, each held open, so that none is moved meanwhile."""

    def __init__(self, top: SecurityObject) -> None:
        self._top = top
        self._open: list[tuple[str, SecurityObject]] = []
        self._expected: dict[tuple[str, ...], Identity | None] = {}

    def expect(self, names: tuple[str, ...], identity: Identity | None) -> None:
        """What was written at these names must be what is opened there."""
        self._expected[names] = identity

    def down(self, names: tuple[str, ...]) -> SecurityObject | None:
        """The directory at these names; None when it is gone by now.  Raises MachineError when another is there."""
        common = 0
        while common < min(len(names), len(self._open)) and self._open[common][0] == names[common]:
            common += 1
        while len(self._open) > common:
            self._open.pop()[1].close()
        for name in names[common:]:
            above = self._open[-1][1] if self._open else self._top
            try:
                self._open.append((name, above.child(name, change=False)))
            except StoreError as error:
                if error.why == MISSING:
                    return None
                raise
        here = self._open[-1][1] if self._open else self._top
        if names and here.traits.identity != self._expected.pop(names):
            raise MachineError(f"{here.path} was replaced while its access list was changed",
                               hint="nothing runs then; start again when nobody renames directories there")
        return here

    def close(self) -> None:
        """Gives all back."""
        _close([each for _, each in self._open])


def _some(directory: SecurityObject, names: tuple[str, ...], carried: Carried,
          announce: Callable[[Sequence[Unsettled]], None],
          skip: Callable[[str, StoreError], None]) -> list[tuple[str, Carried]]:
    """The list carried to these names; the directories among them, with what they hand down."""
    opened: list[SecurityObject] = []
    changed: list[tuple[str, SecurityObject, Carried]] = []
    unsettled: list[Unsettled] = []
    try:
        for name in names:
            child = _child(directory, name, skip)
            if child is None:
                continue
            opened.append(child)
            if child.traits.leads or child.traits.shared:
                continue
            before, container = child.descriptor(), child.traits.directory
            after = reinherit(before, carried.with_them, container=container)
            if after == before:
                continue
            settled = reinherit(before, carried.without, container=container)
            if settled != before:
                unsettled.append(Unsettled(path=child.path, identity=child.traits.identity, before=before,
                                           settled=settled))
            carries = Carried(without=settled, with_them=after, identity=child.traits.identity)
            changed.append((name, child, carries))
        if unsettled:
            announce(unsettled)
        below = []
        for name, child, carries in changed:
            try:
                write(child, carries.with_them)
            except StoreError as error:
                if error.why == MISSING:
                    continue
                skip(child.path, error)
                continue
            if child.traits.directory:
                below.append((name, carries))
        return below
    finally:
        _close(opened)


def _child(directory: SecurityObject, name: str, skip: Callable[[str, StoreError], None]) -> SecurityObject | None:
    try:
        return directory.child(name, change=True)
    except StoreError as error:
        if error.why == MISSING:
            return None
        refused = error
    try:
        # What need not be changed need not be changeable: links, and what is protected.
        with directory.child(name, change=False) as seen:
            protected = bool(seen.descriptor().control & SE_DACL_PROTECTED)
            if protected or seen.traits.leads or seen.traits.shared:
                return None
    except StoreError as error:
        if error.why == MISSING:
            return None
    skip(f"{directory.path.rstrip(chr(92))}\\{name}", refused)
    return None


def descend(top: SecurityObject, start: C, visit: Callable[[SecurityObject, C], C | None],
            skip: Callable[[str, StoreError], None]) -> None:
    """Calls ``visit`` with everything below ``top``, a directory before what is in it, no reparse point entered.

    What it returns for a directory goes on to what is in that; None: nothing does.  ``visit`` gets objects that can be
    changed where that is allowed, else that can only be looked at.  Raises what ``visit`` and ``skip`` raise.
    """
    stack: list[tuple[SecurityObject, list[str], C]] = [(top, _names(top, skip), start)]
    try:
        while stack:
            above, names, context = stack[-1]
            if not names:
                stack.pop()
                if above is not top:
                    above.close()
                continue
            name = names.pop()
            child = _either(above, name, skip)
            if child is None:
                continue
            below: C | None = None
            try:
                below = visit(child, context)
            except StoreError as error:
                if error.why != MISSING:
                    skip(child.path, error)
            finally:
                if below is None or child.traits.leads or not child.traits.directory:
                    child.close()
            if below is not None and child.traits.directory and not child.traits.leads:
                stack.append((child, [], below))
                stack[-1][1].extend(_names(child, skip))
    finally:
        _close([above for above, _, _ in stack if above is not top])


def _either(above: SecurityObject, name: str, skip: Callable[[str, StoreError], None]) -> SecurityObject | None:
    for change in (True, False):
        try:
            return above.child(name, change=change)
        except StoreError as error:
            if error.why == MISSING:
                return None
            if not change or error.why != DENIED:
                skip(f"{above.path.rstrip(chr(92))}\\{name}", error)
                return None
    return None


def _names(directory: SecurityObject, skip: Callable[[str, StoreError], None]) -> list[str]:
    try:
        return list(directory.names())
    except StoreError as error:
        if error.why != MISSING:
            skip(directory.path, error)
        return []


def _close(objects: list[SecurityObject]) -> None:
    for each in reversed(objects):
        each.close()


__all__ = ["Carried", "Unsettled", "carry", "descend", "same_list", "write"]
