"""Undoing what cells changed in access lists: at release, after a crash, at uninstalling; the same way each time.

Knows: what is recorded, which policies are still needed, how our entries are told from everybody else's.
Must not know: who asks, plans, processes, how the journal lies on disk.

Nothing here depends on how far a cell got: an entry is taken away where it is, and where it is not nothing happens, so
undoing can itself be broken off and begun again.  What others changed meanwhile stays.  Below a directory our entries
are found by what it handed down, so also on what was made there since; on a list that only happens to hold an equal
entry there is none too many, and that is left alone.
"""

from __future__ import annotations

from sidewall.nt import edit as edits
from sidewall.nt.ace import INHERITED
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_AUTO_INHERITED, SE_DACL_PRESENT
from sidewall.nt.edit import Edit
from sidewall.nt.edit_merge import ADD, KEEP, REMOVE, Mark, common
from sidewall.nt.inherit import child_flags, inherited, reinherit
from sidewall.nt.sddl import parse
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import propagation
from sidewall.platforms.windows.journal_records import Edited, Made, Settled, State
from sidewall.platforms.windows.store import DENIED, FULL, MISSING, StoreError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from sidewall.errors import MachineError
    from sidewall.nt.ace import Ace
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.platforms.windows.store import Identity, SecurityObject, SecurityStore

    Marks: TypeAlias = tuple[Mark, ...]

CONTROL = SE_DACL_PRESENT | SE_DACL_AUTO_INHERITED
"""The control bits that propagation changes."""
TRIES = 3
"""How often what lies below a directory is gone through again, when something in it could not be undone."""
ANOTHER = "another object is there now: what was changed has been moved away or replaced"


class Undone(Record):
    """``state`` is what is left to be undone, or still needed; ``lines`` what was undone; ``held`` what was not.

    ``stuck`` are identities whose edits could not be undone and will be tried again.
    """

    state: State
    lines: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    stuck: tuple[str, ...] = ()


def reconcile(store: SecurityStore, state: State, needed: frozenset[str]) -> Undone:
    """Undoes everything that no policy of ``needed`` holds; grants before what denies, as they came last.

    What cannot be undone now stays recorded and is told.  Raises nothing but what is no MachineError of the store.
    """
    work = _Undoing(store, state, needed)
    for entry in reversed(state.edits):
        work.edit(entry)
    for settled in reversed(state.settled):
        work.settled(settled)
    for made in reversed(state.made):
        work.made(made)
    return work.result()


def between(before: SecurityDescriptor, after: SecurityDescriptor) -> Edit:
    """The edit that leads from one descriptor's list to the other's."""
    old = before.dacl.aces if before.dacl is not None else ()
    new = after.dacl.aces if after.dacl is not None else ()
    script: list[Mark] = []
    left = right = 0
    for kept_old, kept_new in [*common(old, new), (len(old), len(new))]:
        script += [Mark(op=REMOVE, ace=ace) for ace in old[left:kept_old]]
        script += [Mark(op=ADD, ace=ace) for ace in new[right:kept_new]]
        if kept_old < len(old):
            script.append(Mark(op=KEEP, ace=old[kept_old]))
        left, right = kept_old + 1, kept_new + 1
    return Edit(script=tuple(script))


def controls(before: SecurityDescriptor, after: SecurityDescriptor) -> tuple[int, int]:
    """The control bits of both that propagation changes."""
    return before.control & CONTROL, after.control & CONTROL


def ours_at(state: State, identity: Identity, found: SecurityDescriptor, *, tree: bool) -> tuple[list[Ace], list[Ace]]:
    """The entries of this list that were added by us, and those of them that can be shared: for an edit that reaches
    the tree only what was carried on to it."""
    left = list(found.dacl.aces) if found.dacl is not None else []
    ours: list[Ace] = []
    shared: list[Ace] = []
    for entry in state.edits:
        if entry.identity != identity:
            continue
        for ace in entry.edit.added:
            if ace in left:
                left.remove(ace)
                ours.append(ace)
                if entry.tree or not tree:
                    shared.append(ace)
    return ours, shared


class _Undoing:
    """One pass over what is recorded."""

    def __init__(self, store: SecurityStore, state: State, needed: frozenset[str]) -> None:
        self._store = store
        self._state = state
        self._needed = needed
        self._edits: list[Edited] = []
        self._settled: list[Settled] = []
        self._made: list[Made] = []
        self._lines: list[str] = []
        self._held: list[Held] = []
        self._stuck: list[str] = []
        self._restored: set[str] = set()
        self._retry = False
        self._gone: set[str] = set()
        self._loose: dict[str, list[Settled]] = {}
        for one in reversed(state.settled):
            if not any(each.tree and each.policy in needed and _holds(each, one) for each in state.edits):
                self._loose.setdefault(str(one.identity), []).append(one)

    def result(self) -> Undone:
        """What came of it."""
        left = self._state.replace(edits=tuple(reversed(self._edits)), settled=tuple(reversed(self._settled)),
                                   made=tuple(reversed(self._made)))
        return Undone(state=left, lines=tuple(self._lines), held=tuple(self._held), stuck=tuple(self._stuck))

    def edit(self, entry: Edited) -> None:
        """Takes back what one edit added, but for what a living policy holds."""
        if entry.policy in self._needed:
            self._edits.append(entry)
            return
        kept = [ace for one in self._state.edits if one.policy in self._needed and one.identity == entry.identity
                for ace in one.holds]
        gone = tuple([Mark(op=KEEP if mark.op == ADD and mark.ace in kept else mark.op, ace=mark.ace)
                      for mark in entry.edit.script])
        if any(mark.op == ADD for mark in gone):
            target = self._open(entry)
            if target is None:
                return
            with target:
                try:
                    self._retry = False
                    self._take_back(target, entry, Edit(script=gone))
                except StoreError as error:
                    self._later(entry, error)
                    return
            if self._retry and entry.tries < TRIES:
                self._edits.append(entry.replace(tries=entry.tries + 1))
                self._stuck.append(str(entry.identity))
                return
            self._lines.append(f"took back the entries of a sandbox from the access list of {entry.path}")
        rest = tuple([Mark(op=ADD if mark.op == ADD and mark.ace in kept else KEEP, ace=mark.ace)
                      for mark in entry.edit.script if mark.op != ADD or mark.ace in kept])
        if any(mark.op == ADD for mark in rest):
            self._edits.append(entry.replace(edit=Edit(script=rest), holds=()))

    def _open(self, entry: Edited | Settled) -> SecurityObject | None:
        """The object of an entry; None when there is nothing to be undone, or it must wait."""
        try:
            target = self._store.open(entry.path, change=True)
        except StoreError as error:
            if error.why == MISSING:
                self._leave(entry.path, "it is not there any more")
            else:
                self._later(entry, error)
            return None
        if target.traits.identity != entry.identity:
            target.close()
            self._leave(entry.path, ANOTHER)
            return None
        return target

    def _later(self, entry: Edited | Settled | Made, error: MachineError) -> None:
        """It stays recorded, and is told."""
        if isinstance(entry, Edited):
            self._edits.append(entry)
            self._stuck.append(str(entry.identity))
        elif isinstance(entry, Settled):
            self._settled.append(entry)
        else:
            self._made.append(entry)
        self._leave(entry.path, error.message)

    def _leave(self, path: str, reason: str) -> None:
        self._held.append(Held(action="left", path=path, reason=reason))

    def _skip(self, path: str, error: StoreError) -> None:
        """Something below that could not be seen to: who has no right to it will have none the next time either."""
        self._retry |= error.why != DENIED
        self._leave(path, error.message)

    def _take_back(self, target: SecurityObject, entry: Edited, gone: Edit) -> None:
        before = target.descriptor()
        after = edits.undo(before, gone).sd
        if after != before:
            propagation.write(target, after)
        if not (entry.tree and entry.directory) or after.dacl is None:
            return
        # The list as it was with our entries, though an earlier try may have taken them away already.
        full = edits.apply(after, gone).sd
        down = between(after, full).script
        if any(mark.op == ADD for mark in _handed(down, target, container=True, marked=True)):
            propagation.descend(target, down, self._below, self._skip)

    def _below(self, child: SecurityObject, above: Marks) -> Marks | None:
        """One object below a list that lost entries: it loses what it had of them.  What it handed down itself."""
        container = child.traits.directory
        down = _handed(above, child, container=container, marked=True)
        if not any(mark.op == ADD for mark in down):
            return None
        before = child.descriptor()
        after = before
        # Where a directory's list was never inherited automatically, what is made in it has unmarked copies.
        for marks in (down, _handed(above, child, container=container, marked=False)):
            ours = _without_doubles(before, marks)
            if _has(before, ours):
                after = edits.undo(before, Edit(script=ours)).sd
                break
        back = after
        for settled in self._loose.get(str(child.traits.identity), ()):
            back = _restored(back, settled)
        try:
            if back != before:
                propagation.write(child, back)
            if back != after:
                self._restored.add(str(child.traits.identity))
        except StoreError as error:
            if error.why == MISSING:
                return None
            self._skip(child.path, error)
        if not container or after.dacl is None:
            return down
        # What comes down further is what this directory hands down: its own entries too.
        return between(after, edits.apply(after, Edit(script=down)).sd).script

    def settled(self, entry: Settled) -> None:
        """Gives an object back the inherited entries that it had."""
        above = [one for one in self._edits if one.tree and _holds(one, entry)]
        if above:
            # It is needed so, or what is above could not be undone yet.
            self._settled.append(entry)
            return
        if str(entry.identity) in self._restored:
            return
        target = self._open(entry)
        if target is None:
            return
        with target:
            try:
                before = target.descriptor()
                after = _restored(before, entry)
                if after != before:
                    propagation.write(target, after)
            except StoreError as error:
                self._later(entry, error)

    def made(self, made: Made) -> None:
        """Removes a placeholder that nobody needs any more."""
        wanted = any(one.policy in self._needed and one.path.upper() == made.path.upper() and one is not made
                     for one in self._state.made)
        edited = made.identity is not None and any(one.identity == made.identity for one in self._edits)
        if made.policy in self._needed or (edited and not wanted):
            self._made.append(made)
            return
        if wanted or made.path.upper() in self._gone:
            return
        try:
            identity = made.identity or self._intended(made)
            if identity is None:
                return
            if self._store.remove(made.path, identity):
                self._gone.add(made.path.upper())
                self._lines.append(f"removed the placeholder {made.path}")
            else:
                self._leave(made.path, "the placeholder is not there any more, or another object is")
        except StoreError as error:
            if error.why == MISSING:
                return
            if error.why == FULL:
                self._hand_over(made)
            else:
                self._later(made, error)

    def _intended(self, made: Made) -> Identity | None:
        """What was made just before a crash, which is known by its list; None when nothing was."""
        with self._store.open(made.path, change=False) as found:
            ours = propagation.same_list(found.descriptor(), parse(made.sddl))
            return found.traits.identity if ours and found.traits.directory == made.directory else None

    def _hand_over(self, made: Made) -> None:
        """Something was put into a placeholder: it is the user's now, with the list that it would have."""
        parent = made.path.rpartition("\\")[0]
        try:
            with self._store.open(parent, change=False) as above, self._store.open(made.path, change=True) as target:
                if made.identity is not None and target.traits.identity != made.identity:
                    self._leave(made.path, ANOTHER)
                    return
                before, handing = target.descriptor(), above.descriptor()
                bare = before.replace(dacl=Acl(), control=SE_DACL_PRESENT)
                propagation.write(target, reinherit(bare, handing, container=made.directory))
        except StoreError as error:
            self._later(made, error)
            return
        self._gone.add(made.path.upper())
        self._leave(made.path, "something was put into the placeholder: it stays, with its directory's permissions")


def _holds(edit: Edited, settled: Settled) -> bool:
    """Whether an object lies below the directory of an edit."""
    return settled.path.upper().startswith(edit.path.upper().rstrip("\\") + "\\")


def _handed(above: Sequence[Mark], child: SecurityObject, *, container: bool, marked: bool) -> Marks:
    """The entries that come down to a child, each with the mark of the entry that hands it down."""
    found: list[Mark] = []
    owner = group = None
    for mark in above:
        if child_flags(mark.ace.flags, container=container) is None:
            continue
        if owner is None:
            sd = child.descriptor()
            owner, group = sd.owner, sd.group
        found += [Mark(op=mark.op, ace=ace) for ace in inherited(Acl(aces=(mark.ace,)), container=container,
                                                                owner=owner, group=group, marked=marked)]
    return tuple(found)


def _has(descriptor: SecurityDescriptor, marks: Marks) -> bool:
    """Whether a list holds our entries: of each more than its directory hands down anyway.  They came all at once."""
    aces = descriptor.dacl.aces if descriptor.dacl is not None else ()
    kept = [mark.ace for mark in marks if mark.op == KEEP]
    added = [mark.ace for mark in marks if mark.op == ADD]
    return bool(added) and all(aces.count(ace) > kept.count(ace) for ace in added)


def _without_doubles(descriptor: SecurityDescriptor, marks: Marks) -> Marks:
    """The marks but for entries of ours that the directory hands down anyway, where the list has no second one: some
    file systems keep one of each when something is made."""
    aces = descriptor.dacl.aces if descriptor.dacl is not None else ()
    kept = [mark.ace for mark in marks if mark.op == KEEP]
    return tuple([mark for mark in marks
                  if mark.op != ADD or mark.ace not in kept or aces.count(mark.ace) > kept.count(mark.ace)])


def _restored(found: SecurityDescriptor, entry: Settled) -> SecurityDescriptor:
    """The list with what it had inherited before; what others changed since stays.

    What is recorded may never have been done, or have been undone already, or somebody has made the directory hand
    down its list again: then it is not what was settled, and nothing is done.
    """
    if _inherited(entry.edit, ADD) != [ace for ace in (found.dacl or Acl()).aces if ace.flags & INHERITED]:
        return found
    result = edits.undo(found, entry.edit).sd
    if result.control & CONTROL == entry.control[1]:
        result = result.replace(control=result.control & ~CONTROL | entry.control[0])
    if entry.bare and result.dacl is not None and not result.dacl.aces:
        return result.replace(dacl=None, control=result.control & ~CONTROL | entry.control[0])
    return result


def _inherited(edit: Edit, side: str) -> list[Ace]:
    """The inherited entries of the list after an edit (``ADD``) or before it (``REMOVE``)."""
    return [mark.ace for mark in edit.script if mark.op in (KEEP, side) and mark.ace.flags & INHERITED]


__all__ = ["Undone", "between", "controls", "ours_at", "reconcile"]
