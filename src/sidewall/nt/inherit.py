"""Inheritance: the descriptor of a new object, and what propagation makes of an old one.

Knows: MS-DTYP 2.5.3.4 where its text agrees with the tables that their owners run on Windows (flag table, the second
inherit-only entry, the default DACL), and Win32's "Automatic Propagation of Inheritable ACEs".
Must not know: trees (`inherit_tree` walks them), or what anything grants.

The pseudo code of MS-DTYP is not followed where those tables refute it: the parent entry's own INHERIT_ONLY plays no
part, ``CI,OI`` stays effective on a directory, and a second entry is made only where the first one lost something.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt import descriptor as bits
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import ACCESS_SYSTEM_SECURITY, MAPPINGS, NO_WRITE_UP, map_generic
from sidewall.nt.sid import Sid
from sidewall.nt.token import MEDIUM
from sidewall.nt.wellknown import CREATOR_GROUP, CREATOR_OWNER, NULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.mask import GenericMapping
    from sidewall.nt.token import Token

INHERITANCE = aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT | aces.NO_PROPAGATE_INHERIT | aces.INHERIT_ONLY
_COMES_DOWN = aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT
AUDIT_TYPES = frozenset({0x02, 0x03, 0x07, 0x08, 0x0D, 0x0E, 0x0F, 0x10})
RIGHTS_TYPES = (aces.ALLOW_TYPES | aces.DENY_TYPES | AUDIT_TYPES) - {aces.ACCESS_ALLOWED_COMPOUND}
"""Types whose mask holds rights of the object.  A label's mask is a policy, so it is never mapped."""

FILE = MAPPINGS["file"]


def child_flags(flags: int, *, container: bool) -> int | None:
    """The flags that a parent's entry has on a child, without INHERITED; None if it does not come down.

    What is not about inheritance (the audit bits) is kept.  INHERIT_ONLY in the result: not effective on this child.
    """
    kept = flags & ~(INHERITANCE | aces.INHERITED)
    if not container:
        return kept if flags & aces.OBJECT_INHERIT else None
    if flags & aces.CONTAINER_INHERIT:
        if flags & aces.NO_PROPAGATE_INHERIT:
            return kept
        return kept | flags & (aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT)
    if flags & aces.NO_PROPAGATE_INHERIT or not flags & aces.OBJECT_INHERIT:
        return None
    return kept | aces.OBJECT_INHERIT | aces.INHERIT_ONLY


def inherited(parent: Acl | None, *, container: bool, owner: Sid | None, group: Sid | None,
              mapping: GenericMapping = FILE, marked: bool = True) -> tuple[Ace, ...]:
    """The entries that a child gets from ``parent``, in the parent's order; ``marked`` adds INHERITED to each.

    ``owner`` and ``group`` stand in for CREATOR OWNER and CREATOR GROUP; where one is None the entry names the
    creator SID still, as no token holds that.
    """
    mark = aces.INHERITED if marked else 0
    result: list[Ace] = []
    for ace in () if parent is None else parent.aces:
        flags = child_flags(ace.flags, container=container)
        if flags is None:
            continue
        if flags & aces.INHERIT_ONLY:
            result.append(ace.replace(flags=flags | mark))
            continue
        mask, sid = _effective(ace, owner, group, mapping)
        if flags & aces.CONTAINER_INHERIT and (mask != ace.mask or sid != ace.sid):
            # The effective entry is for this object alone; the next level must get what was mapped or replaced.
            result.append(ace.replace(flags=flags & ~INHERITANCE | mark, mask=mask, sid=sid))
            result.append(ace.replace(flags=flags | aces.INHERIT_ONLY | mark))
        else:
            result.append(ace.replace(flags=flags | mark, mask=mask, sid=sid))
    return tuple(result)


def _effective(ace: Ace, owner: Sid | None, group: Sid | None, mapping: GenericMapping) -> tuple[int, Sid]:
    mask, sid = ace.mask, ace.sid
    if ace.type in RIGHTS_TYPES:
        # Audit entries may watch for ACCESS_SYSTEM_SECURITY, which no mapping's GenericAll contains.
        valid = mapping.all | (ACCESS_SYSTEM_SECURITY if ace.type in AUDIT_TYPES else 0)
        mask = map_generic(mask, mapping) & valid
        if sid == CREATOR_OWNER and owner is not None:
            sid = owner
        elif sid == CREATOR_GROUP and group is not None:
            sid = group
    return mask, sid


def explicit(given: Acl, mapping: GenericMapping = FILE) -> tuple[Ace, ...]:
    """The entries of a list that a creator (or a token's default DACL) gives: generic rights mapped where effective.

    Creator SIDs stay as they are: they are replaced on the way down only.
    """
    return tuple(
        ace.replace(mask=map_generic(ace.mask, mapping))
        if ace.type in RIGHTS_TYPES and not ace.flags & aces.INHERIT_ONLY else ace
        for ace in given.aces
    )


def child(parent: SecurityDescriptor | None, creator: SecurityDescriptor | None = None, *, container: bool,
          owner: Sid | None, group: Sid | None, mapping: GenericMapping = FILE, default_dacl: Acl | None = None,
          auto_inherit: bool | None = None, integrity: int = MEDIUM) -> SecurityDescriptor:
    """The descriptor of a new object below ``parent`` (None: an object that has no parent).

    ``creator`` is what the creating call gave, if anything; ``owner``, ``group``, ``default_dacl`` and ``integrity``
    are the token's (`made_by` takes them from one).  ``auto_inherit`` None does as Windows' I/O manager does: each
    list is inherited automatically if the parent's list says AUTO_INHERITED.
    """
    given = creator or SecurityDescriptor()
    owner = given.owner or owner
    group = given.group or group
    above = parent or SecurityDescriptor()
    dacl, dacl_bits = _dacl(above, given, container, owner, group, mapping, default_dacl,
                            _automatic(auto_inherit, above, bits.SE_DACL_AUTO_INHERITED))
    sacl, sacl_bits = _sacl(above, given, container, owner, group, mapping, integrity,
                            _automatic(auto_inherit, above, bits.SE_SACL_AUTO_INHERITED))
    return SecurityDescriptor(owner=owner, group=group, dacl=dacl, sacl=sacl, control=dacl_bits | sacl_bits)


def made_by(token: Token, parent: SecurityDescriptor | None, creator: SecurityDescriptor | None = None, *,
            container: bool, mapping: GenericMapping = FILE, auto_inherit: bool | None = None) -> SecurityDescriptor:
    """`child`, with owner, group, default DACL and integrity of ``token``.

    Where the token's primary group is not known the descriptor names S-1-0-0, as one without a group is not valid; no
    entry for CREATOR GROUP is replaced by it.
    """
    made = child(parent, creator, container=container, owner=token.owner or token.user, group=token.primary_group,
                 mapping=mapping, default_dacl=token.default_dacl, auto_inherit=auto_inherit, integrity=token.integrity)
    return made if made.group is not None else made.replace(group=NULL)


def _automatic(asked: bool | None, parent: SecurityDescriptor, bit: int) -> bool:
    return bool(parent.control & bit) if asked is None else asked


def _dacl(parent: SecurityDescriptor, given: SecurityDescriptor, container: bool, owner: Sid | None,
          group: Sid | None, mapping: GenericMapping, default: Acl | None, auto: bool) -> tuple[Acl | None, int]:
    from_parent = inherited(parent.dacl, container=container, owner=owner, group=group, mapping=mapping, marked=auto)
    present = given.control & bits.SE_DACL_PRESENT
    said = bits.SE_DACL_AUTO_INHERITED if auto else 0
    if not present or given.control & bits.SE_DACL_DEFAULTED:
        if from_parent:
            return _like(parent.dacl, from_parent), said
        if not present:
            return (None, 0) if default is None else (default.replace(aces=explicit(default, mapping)), 0)
    if given.dacl is None:
        # A NULL DACL was asked for: adding an entry would close it, and open is the pessimistic reading.
        return None, bits.SE_DACL_PRESENT
    protected = given.control & bits.SE_DACL_PROTECTED
    own = _own(explicit(given.dacl, mapping), auto=auto, protected=bool(protected))
    if protected or not auto:
        return given.dacl.replace(aces=own), protected
    # MS-DTYP 2.5.3.4.2: where the parent has nothing to hand down to anybody, the merge does not take place.
    merged = parent.dacl is not None and any(ace.flags & _COMES_DOWN for ace in parent.dacl.aces)
    return _like(given.dacl, own + from_parent, parent.dacl), said if merged else 0


def _own(own: tuple[Ace, ...], *, auto: bool, protected: bool) -> tuple[Ace, ...]:
    """What is kept of a creator's entries: inherited ones are the parent's business unless the list is protected."""
    if not auto:
        return own
    if protected:
        return tuple(ace.replace(flags=ace.flags & ~aces.INHERITED) for ace in own)
    return tuple(ace for ace in own if not ace.flags & aces.INHERITED)


def _sacl(parent: SecurityDescriptor, given: SecurityDescriptor, container: bool, owner: Sid | None,
          group: Sid | None, mapping: GenericMapping, integrity: int, auto: bool) -> tuple[Acl | None, int]:
    """Audit entries and the label are two things in one list: each is the creator's, else what the parent hands down.

    Without either, an object made below Medium gets its maker's level (Windows Integrity Mechanism Design).
    """
    from_parent = inherited(parent.sacl, container=container, owner=owner, group=group, mapping=mapping, marked=auto)
    above = [ace for ace in from_parent if ace.type == aces.SYSTEM_MANDATORY_LABEL]
    rest_above = tuple(ace for ace in from_parent if ace.type != aces.SYSTEM_MANDATORY_LABEL)
    protected = given.control & bits.SE_SACL_PROTECTED
    asked = () if given.sacl is None else _own(explicit(given.sacl, mapping), auto=auto, protected=bool(protected))
    label = [ace for ace in asked if ace.type == aces.SYSTEM_MANDATORY_LABEL]
    rest = tuple(ace for ace in asked if ace.type != aces.SYSTEM_MANDATORY_LABEL)
    if not given.control & bits.SE_SACL_PRESENT or (given.control & bits.SE_SACL_DEFAULTED and rest_above):
        rest = rest_above
    elif auto and not protected:
        rest += rest_above
    if not label and not protected:
        label = above
    if integrity < MEDIUM and not any(not ace.flags & aces.INHERIT_ONLY for ace in label):
        own = Ace(type=aces.SYSTEM_MANDATORY_LABEL, mask=NO_WRITE_UP, sid=Sid.of(16, integrity))
        label = [own, *label]
    found = rest + tuple(label)
    if not found and given.sacl is None:
        return None, given.control & bits.SE_SACL_PRESENT
    said = bits.SE_SACL_AUTO_INHERITED if auto and any(ace.flags & aces.INHERITED for ace in found) else 0
    return _like(given.sacl, found, parent.sacl), said | protected


def _like(first: Acl | None, entries: tuple[Ace, ...], second: Acl | None = None) -> Acl:
    revision = max((acl.revision for acl in (first, second) if acl is not None), default=Acl().revision)
    return Acl(aces=entries, revision=revision)


def reinherit(sd: SecurityDescriptor, parent: SecurityDescriptor, *, container: bool, mapping: GenericMapping = FILE,
              sacl: bool = False) -> SecurityDescriptor:
    """What automatic propagation makes of an existing child's DACL (``sacl``: of its SACL, labels included).

    A protected list stays.  Else inherited entries are dropped, explicit ones kept in their order, and what ``parent``
    hands down is appended.  No list, or an empty one, becomes a list of only the inherited ones; where everything goes
    the list is empty, not absent.
    """
    keep = bits.SE_SACL_PROTECTED if sacl else bits.SE_DACL_PROTECTED
    if sd.control & keep:
        return sd
    mine, above = (sd.sacl, parent.sacl) if sacl else (sd.dacl, parent.dacl)
    down = inherited(above, container=container, owner=sd.owner, group=sd.group, mapping=mapping)
    if mine is None and not down:
        return sd
    own = () if mine is None else tuple(ace for ace in mine.aces if not ace.flags & aces.INHERITED)
    made = _like(mine, own + down, above if down else None)
    if sacl:
        return sd.replace(sacl=made, control=sd.control | bits.SE_SACL_AUTO_INHERITED)
    return sd.replace(dacl=made, control=sd.control | bits.SE_DACL_AUTO_INHERITED)
