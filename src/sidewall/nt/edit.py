"""Edits of a DACL: the smallest one that reaches what is wanted, and its exact inverse.

Knows: where an explicit entry belongs (Win32, "Order of ACEs in a DACL"), and how to find one's own entries again in a
list that others have changed since.  Must not know: why something is wanted, or what the entries grant.

An edit is a *script*: the entries of the list before and after, each marked as kept, added or removed.  Applying and
undoing are the same merge with the marks the other way round, so there is no second algorithm that could differ.  An
added entry is recognised by all its bytes and its place among its neighbours, each once: of two equal entries, one of
them somebody else's, exactly one is taken away.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_PRESENT, SecurityDescriptor
from sidewall.nt.edit_merge import ADD, KEEP, REMOVE, Mark, merge, of_json, to_json
from sidewall.nt.errors import NtError
from sidewall.nt.mask import GENERIC_BITS, MAXIMUM_ALLOWED
from sidewall.nt.sid import Sid
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ALLOW = "allow"
DENY = "deny"
_TYPES = {ALLOW: aces.ACCESS_ALLOWED, DENY: aces.ACCESS_DENIED}
_COMES_DOWN = aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT
_SCOPE = _COMES_DOWN | aces.NO_PROPAGATE_INHERIT | aces.INHERIT_ONLY


class EditError(NtError):
    """A list cannot be edited so that the edit can be undone exactly, or what is wanted makes no entry.

    ``why`` is a word: ``no-dacl``, ``null-dacl``, ``order``, ``entry`` or ``want``.
    """

    def __init__(self, message: str, *, why: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why


class Want(Record):
    """One explicit entry that is wanted: ``kind`` is `ALLOW` or `DENY`, ``flags`` say how it is inherited."""

    kind: str
    sid: Sid
    mask: int
    flags: int = 0

    def ace(self) -> Ace:
        """The entry.  Raises EditError for one that Windows would change when it is written."""
        if self.kind not in _TYPES:
            raise EditError(f"a wanted entry of kind {self.kind!r}", why="want", hint="use ALLOW or DENY")
        if self.mask <= 0 or self.mask & (GENERIC_BITS | MAXIMUM_ALLOWED) or self.mask >> 32:
            raise EditError(f"a wanted entry with the mask 0x{self.mask:x}", why="want",
                            hint="give the rights of the object type: generic rights are mapped when they are written")
        if self.flags & ~_SCOPE or (self.flags and not self.flags & _COMES_DOWN):
            raise EditError(f"a wanted entry with the flags 0x{self.flags:x}", why="want",
                            hint="give OBJECT_INHERIT or CONTAINER_INHERIT, with the others beside one of them")
        return Ace(type=_TYPES[self.kind], flags=self.flags, mask=self.mask, sid=self.sid)


class Edit(Record):
    """A change of one DACL, as `Mark`s in the order of the lists; nothing but this is needed to undo it."""

    script: tuple[Mark, ...]

    @property
    def added(self) -> tuple[Ace, ...]:
        """The entries that it adds."""
        return tuple(mark.ace for mark in self.script if mark.op == ADD)

    @property
    def removed(self) -> tuple[Ace, ...]:
        """The entries that it takes away."""
        return tuple(mark.ace for mark in self.script if mark.op == REMOVE)

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return all(mark.op == KEEP for mark in self.script)

    def inverse(self) -> Edit:
        """The edit that undoes it; the inverse of that is this one again."""
        other = {ADD: REMOVE, REMOVE: ADD, KEEP: KEEP}
        return Edit(script=tuple(Mark(op=other[mark.op], ace=mark.ace) for mark in self.script))

    def to_json(self) -> list[list[str]]:
        """Pairs of mark and entry in hexadecimal digits, for a journal."""
        return to_json(self.script)

    @classmethod
    def from_json(cls, pairs: object) -> Edit:
        """What `to_json` made.  Raises EditError or DescriptorError for anything else."""
        script = of_json(pairs)
        if script is None:
            raise EditError("not an edit of a DACL", why="entry", hint="give what Edit.to_json() returned")
        return cls(script=script)


class Edited(Record):
    """A descriptor after an edit.

    ``missing`` are entries that were to be taken away and are not there any more; ``left`` those that could not be
    put back, as the DACL itself is gone.
    """

    sd: SecurityDescriptor
    missing: tuple[Ace, ...] = ()
    left: tuple[Ace, ...] = ()


def smallest(sd: SecurityDescriptor, wants: Iterable[Want], *, only: Iterable[Sid] = (), shared: bool = True,
             preserve_order: bool = False) -> Edit:
    """The smallest edit after which the explicit entries of ``sd`` hold every want.

    A want is there already if one plain explicit entry of its kind and SID covers it: all its bits, everywhere it
    reaches.  ``only``: SIDs whose explicit entries must be the wants exactly; their others are taken away.
    ``shared`` False adds an entry of our own where somebody else's covers it.  ``preserve_order`` edits a list that
    is not in canonical order, and leaves that as it is: a deny goes first, an allow behind the last explicit deny.

    Raises:
        EditError: no DACL or a NULL one (any entry would close what is open to all), a list out of order, an entry of
            a SID of ``only`` that is not a plain one, or a want that makes no entry.
    """
    dacl = editable(sd, preserve_order=preserve_order)
    asked = list(dict.fromkeys(want.ace() for want in wants))
    exact = frozenset(only)
    entries = dacl.aces
    keep = [True] * len(entries)
    missing = list(asked)
    for index, ace in enumerate(entries):
        if ace.sid not in exact or ace.flags & aces.INHERITED:
            continue
        if ace.type not in _TYPES.values() or ace.data:
            raise EditError(f"entry {index} of {ace.sid} is not a plain allow or deny", why="entry",
                            hint="remove the conditional or object entry by hand first")
        if ace in missing:
            missing.remove(ace)
        else:
            keep[index] = False
    if shared:
        missing = [ace for ace in missing if ace.sid in exact or not any(covers(other, ace) for other in entries)]
    marks = [Mark(op=KEEP if kept else REMOVE, ace=ace) for kept, ace in zip(keep, entries, strict=True)]
    denies = [Mark(op=ADD, ace=ace) for ace in missing if ace.type == aces.ACCESS_DENIED]
    allows = [Mark(op=ADD, ace=ace) for ace in missing if ace.type == aces.ACCESS_ALLOWED]
    behind = 1 + max((index for index, ace in enumerate(entries)
                      if ace.type in aces.DENY_TYPES and not ace.flags & aces.INHERITED), default=-1)
    return Edit(script=(*denies, *marks[:behind], *allows, *marks[behind:]))


def editable(sd: SecurityDescriptor, *, preserve_order: bool = False) -> Acl:
    """The DACL of ``sd`` if it can be edited.  Raises EditError with the reason if not."""
    if not sd.control & SE_DACL_PRESENT:
        raise EditError("the object has no DACL", why="no-dacl",
                        hint="it is open to all: give it a DACL by hand, or leave it out")
    if sd.dacl is None:
        raise EditError("the object has a NULL DACL", why="null-dacl",
                        hint="it is open to all: give it a DACL by hand, or leave it out")
    if not preserve_order and not sd.dacl.is_canonical():
        raise EditError("the DACL is not in canonical order, so that a new entry may mean something else", why="order",
                        hint="put it in order with the property page or icacls, or ask for preserve_order")
    return sd.dacl


def covers(there: Ace, wanted: Ace) -> bool:
    """Whether an explicit entry that is there makes ``wanted`` needless: same kind and SID, no bit, no place less."""
    if there.type != wanted.type or there.sid != wanted.sid or there.data or there.flags & aces.INHERITED:
        return False
    return not wanted.mask & ~there.mask and not _reach(wanted.flags) & ~_reach(there.flags)


def _reach(flags: int) -> int:
    """Where an entry counts: itself 1, files in it 2, directories in it 4, files further down 8, directories 16."""
    here = 0 if flags & aces.INHERIT_ONLY else 1
    below = (2 if flags & aces.OBJECT_INHERIT else 0) | (4 if flags & aces.CONTAINER_INHERIT else 0)
    return here | below | (0 if flags & aces.NO_PROPAGATE_INHERIT else below << 2)


def apply(sd: SecurityDescriptor, edit: Edit) -> Edited:
    """Make the edit in ``sd``, which may have changed since the edit was planned.

    Raises EditError if ``sd`` has no DACL now.
    """
    editable(sd, preserve_order=True)
    return _edited(sd, edit)


def undo(sd: SecurityDescriptor, edit: Edit) -> Edited:
    """Take the edit back.  What others did to the list since then stays; where the DACL is gone, nothing is done."""
    back = edit.inverse()
    if sd.dacl is None:
        return Edited(sd=sd, missing=back.removed, left=back.added)
    return _edited(sd, back)


def _edited(sd: SecurityDescriptor, edit: Edit) -> Edited:
    dacl = sd.dacl or Acl()
    entries, missing = merge(dacl.aces, edit.script)
    return Edited(sd=sd.replace(dacl=dacl.replace(aces=entries)), missing=missing)


def unmet(sd: SecurityDescriptor, wants: Iterable[Want], *, only: Iterable[Sid] = ()) -> tuple[Ace, ...]:
    """What an edit would still have to add or take away; empty once the wants are reached.

    Raises EditError as `smallest` does.
    """
    edit = smallest(sd, wants, only=only, preserve_order=True)
    return edit.added + edit.removed
