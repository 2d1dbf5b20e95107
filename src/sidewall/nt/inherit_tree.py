"""Automatic propagation over a modelled tree: what SetNamedSecurityInfo does to everything below a directory.

Knows: Win32's "Automatic Propagation of Inheritable ACEs", and where its outcome cannot be foretold.
Must not know: why a descriptor is changed, or what anything grants.

Two things differ from Windows on purpose.  A reparse point is never descended, nor changed itself: following one would
stamp what lies elsewhere.  And what Windows would do, but nobody outside can foretell byte for byte, is *named*: the
tree that results is then the likely one, and a plan that has to be proved refuses it.
"""

from __future__ import annotations

from sidewall.nt import descriptor as bits
from sidewall.nt.ace import ALLOW_TYPES, DENY_TYPES, INHERITED
from sidewall.nt.inherit import FILE, reinherit
from sidewall.nt.tree import Tree, TreeError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.acl import Acl
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.mask import GenericMapping

PROTECTED = "protected"
REPARSE_POINT = "reparse-point"
STOPS = {
    PROTECTED: "its list is protected: nothing comes down to it, nor below it",
    REPARSE_POINT: "a reparse point is neither changed nor descended",
}

NOT_CAPTURED = "not-captured"
NULL_DACL = "null-dacl"
NOT_CONVERTED = "not-auto-inherited"
ORDER = "explicit-behind-inherited"
SEVERAL_LINKS = "several-links"
OBJECT_ENTRY = "object-entry"
DOUBTS = {
    NOT_CAPTURED: "its descriptor is not known, so nothing below it is either",
    NULL_DACL: "it has no DACL and is open to all; an inherited entry closes it, and undoing that leaves it empty",
    NOT_CONVERTED: "its list was never inherited automatically; Windows first guesses which entries were",
    ORDER: "an explicit entry stands behind an inherited one of the other kind; Windows protects such a list",
    SEVERAL_LINKS: "it has several names and one descriptor: it changes under all of them",
    OBJECT_ENTRY: "its parent hands down an entry for one type of object only",
}


class Change(Record):
    """One object whose descriptor propagation changes."""

    path: str
    id: str
    before: SecurityDescriptor
    after: SecurityDescriptor


class Remark(Record):
    """A path and a key of `STOPS` or `DOUBTS`."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {(STOPS | DOUBTS)[self.why]}"


class Propagation(Record):
    """The tree after propagation; what changed, where it stopped, and where Windows' own result is not certain."""

    tree: Tree
    changes: tuple[Change, ...] = ()
    stops: tuple[Remark, ...] = ()
    doubts: tuple[Remark, ...] = ()


def propagate(tree: Tree, path: str, *, sacl: bool = False, mapping: GenericMapping = FILE) -> Propagation:
    """Hand down the descriptor of the directory at ``path``, which has been changed already, to all that is below it.

    ``sacl`` hands down its SACL (labels and audit entries) in place of its DACL.  Where nothing is changed, and nothing
    doubtful, before an edit of ``path``, the tree is settled: what is edited, propagated, undone and propagated again
    is byte for byte what it was.

    Raises TreeError if there is no such directory, or if its descriptor is not known.
    """
    start = tree.get(path)
    if start is None or not start.directory or start.reparse:
        raise TreeError(f"{path!r} is not a directory of the tree", hint="propagation starts at a plain directory")
    if start.sd is None:
        raise TreeError(f"the descriptor of {path!r} was not captured", hint="capture it, or start elsewhere")
    now: dict[str, SecurityDescriptor] = {start.id: start.sd}
    changes: dict[str, Change] = {}
    stops: list[Remark] = []
    doubts: list[Remark] = []
    stack = [(path.removesuffix("\\"), start)]
    while stack:
        prefix, parent = stack.pop()
        above = now[parent.id]
        for name, node in tree.children(parent):
            where = f"{prefix}\\{name}"
            if node.reparse:
                stops.append(Remark(path=where, why=REPARSE_POINT))
                continue
            before = now.get(node.id, node.sd)
            if before is None:
                doubts.append(Remark(path=where, why=NOT_CAPTURED))
                continue
            if before.control & (bits.SE_SACL_PROTECTED if sacl else bits.SE_DACL_PROTECTED):
                stops.append(Remark(path=where, why=PROTECTED))
                continue
            after = reinherit(before, above, container=node.directory, mapping=mapping, sacl=sacl)
            doubts += [Remark(path=where, why=why) for why in _doubts(before, after, above, node.links, sacl)]
            if after != before:
                first = changes[node.id].before if node.id in changes else before
                changes[node.id] = Change(path=where, id=node.id, before=first, after=after)
            now[node.id] = after
            if node.directory:
                stack.append((where, node))
    real = tuple(change for change in changes.values() if change.after != change.before)
    return Propagation(tree=tree.with_descriptors({change.id: change.after for change in real}), changes=real,
                       stops=tuple(stops), doubts=tuple(doubts))


def _doubts(before: SecurityDescriptor, after: SecurityDescriptor, above: SecurityDescriptor, links: int,
            sacl: bool) -> list[str]:
    found = []
    mine, handed = (before.sacl, above.sacl) if sacl else (before.dacl, above.dacl)
    if links > 1 and after != before:
        found.append(SEVERAL_LINKS)
    if mine is None:
        if not sacl and after != before:
            found.append(NULL_DACL)
    else:
        if mine.aces and not before.control & (bits.SE_SACL_AUTO_INHERITED if sacl else bits.SE_DACL_AUTO_INHERITED):
            found.append(NOT_CONVERTED)
        if _moves(mine):
            found.append(ORDER)
    if handed is not None and any(ace.inherited_object_type for ace in handed.aces):
        found.append(OBJECT_ENTRY)
    return found


def _moves(acl: Acl) -> bool:
    """Whether explicit entries cannot go before the inherited ones without an allow and a deny changing places."""
    allowed = denied = moves = False
    for ace in acl.aces:
        if ace.flags & INHERITED:
            allowed |= ace.type in ALLOW_TYPES
            denied |= ace.type in DENY_TYPES
        else:
            moves |= (ace.type in DENY_TYPES and allowed) or (ace.type in ALLOW_TYPES and denied)
    return moves
