"""The passes over a DACL: the walk for one set of SIDs, for a wanted mask or for the maximum, and who needs which.

Knows: MS-DTYP 2.5.3.2, its walk in order; the order-blind rule of its MAXIMUM_ALLOWED is not followed, because tests
that are run on Windows refute it: the first entry that names a bit decides this bit.
Must not know: labels and privileges.

A restricted token is judged by two passes that must both grant, a write-restricted one by the second only if a write is
asked for, an AppContainer by one more, over its package and capabilities, where only allowing entries count.
"""

from __future__ import annotations

from sidewall.nt.access_check_answer import Step
from sidewall.nt.ace import ACCESS_ALLOWED, ACCESS_DENIED, INHERIT_ONLY
from sidewall.nt.mask import ACCESS_SYSTEM_SECURITY, GENERIC_BITS, MAXIMUM_ALLOWED, map_generic
from sidewall.nt.wellknown import OWNER_RIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import TypeAlias

    from sidewall.nt.acl import Acl
    from sidewall.nt.mask import GenericMapping
    from sidewall.nt.sid import Sid

    Entry: TypeAlias = tuple[int, bool, int, Sid]  # index, allows, mask without generic bits, SID
    Sids: TypeAlias = AbstractSet[Sid]

# No entry grants or denies these: a privilege alone opens the SACL, and the other is a question, not a right.
_NOT_OF_ENTRIES = ~(ACCESS_SYSTEM_SECURITY | MAXIMUM_ALLOWED)


def effective(acl: Acl, mapping: GenericMapping) -> tuple[list[Entry], bool, int]:
    """The entries that count for the object itself, whether one of them is for OWNER RIGHTS, and what is not modelled.

    The last is the index of the first entry of a type that this model refuses to judge, -1 if there is none.
    """
    entries: list[Entry] = []
    owner_rights = False
    for index, ace in enumerate(acl.aces):
        if ace.flags & INHERIT_ONLY:
            continue
        kind = ace.type
        if kind != ACCESS_ALLOWED and kind != ACCESS_DENIED:
            return entries, owner_rights, index
        mask = ace.mask
        if mask & GENERIC_BITS:
            mask = map_generic(mask, mapping)
        sid = ace.sid
        if sid == OWNER_RIGHTS:
            owner_rights = True
        entries.append((index, kind == ACCESS_ALLOWED, mask & _NOT_OF_ENTRIES, sid))
    return entries, owner_rights, -1


def wanted(entries: list[Entry], left: int, allow: Sids, deny: Sids, name: str, trace: list[Step] | None) -> int:
    """The bits of ``left`` that this pass does not grant; 0 means that it grants all.

    ``allow`` are the SIDs for which allowing entries count, ``deny`` those for which denying ones do.
    """
    for index, allows, mask, sid in entries:
        if not mask & left:
            continue
        if allows:
            if sid in allow:
                if trace is not None:
                    trace.append(Step(step=name, bits=mask & left, ace=index, sid=sid, note="allowed"))
                left &= ~mask
                if not left:
                    return 0
        elif sid in deny:
            if trace is not None:
                trace.append(Step(step=name, bits=mask & left, ace=index, sid=sid, note="denied"))
            return left
    if left and trace is not None:
        trace.append(Step(step=name, bits=left, note="granted by no entry"))
    return left


def maximum(entries: list[Entry], granted: int, allow: Sids, deny: Sids, name: str, trace: list[Step] | None) -> int:
    """All that this pass grants, ``granted`` from the start included."""
    denied = 0
    for index, allows, mask, sid in entries:
        if allows:
            if sid in allow:
                new = mask & ~(denied | granted)
                if new and trace is not None:
                    trace.append(Step(step=name, bits=new, ace=index, sid=sid, note="allowed"))
                granted |= new
        elif sid in deny:
            new = mask & ~(denied | granted)
            if new and trace is not None:
                trace.append(Step(step=name, bits=new, ace=index, sid=sid, note="denied"))
            denied |= new
    return granted
