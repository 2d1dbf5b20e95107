"""The access check: may this token have this access to an object with this descriptor?

Knows: the order of the steps: mapping, mandatory label, privileges, owner, the passes over the DACL.
Must not know: files, parents or trees (`operations` does).
Follows MS-DTYP 2.5.3.2 and 2.5.3.3 where tests that are run on Windows do not refute them; docs/nt-model.md names each
decision and its source.

Three answers: granted, denied, cannot prove.  The third is for what the documents leave open or what lies outside the
model: conditional, object and compound entries, central policies, trust labels, access filters.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt.access_check_answer import (
    ACCESS_DENIED,
    CANNOT_PROVE,
    DENIED,
    GRANTED,
    INVALID_SECURITY_DESCR,
    MAXIMUM_WRITE_RESTRICTED,
    NOTHING_REQUESTED,
    OPEN_QUESTION,
    OUTSIDE_MODEL,
    OWNER_READ_CONTROL,
    PRIVILEGE_NOT_HELD,
    PROCESS_WRITE_MASK,
    SUCCESS,
    Answer,
    Step,
)
from sidewall.nt.access_check_passes import effective
from sidewall.nt.access_check_readings import OWNER_BITS, Passes, write_mask
from sidewall.nt.labels import ALL_BITS, UNLIMITED, label_of, level_name, mandatory
from sidewall.nt.mask import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_TRAVERSE,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
    map_generic,
)
from sidewall.nt.token import MEDIUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.access_check_passes import Entry
    from sidewall.nt.acl import Acl
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.mask import GenericMapping
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token

__all__ = ["access_check", "backup_rights", "write_mask"]

_JUDGED_ELSEWHERE = (aces.SYSTEM_SCOPED_POLICY_ID, aces.SYSTEM_PROCESS_TRUST_LABEL)

_TAKES_OWNERSHIP = frozenset({"SeTakeOwnershipPrivilege", "SeRelabelPrivilege"})

# What FILE_OPEN_FOR_BACKUP_INTENT gives to a holder of SeBackupPrivilege, and of SeRestorePrivilege.
_BACKUP = FILE_GENERIC_READ | FILE_TRAVERSE | ACCESS_SYSTEM_SECURITY
_RESTORE = FILE_GENERIC_WRITE | DELETE | WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY


def backup_rights(token: Token) -> int:
    """The bits that an open for backup gives before any check (MS-FSA 2.1.5.1): ``previously_granted`` of the check."""
    granted = _BACKUP if "SeBackupPrivilege" in token.privileges else 0
    return granted | (_RESTORE if "SeRestorePrivilege" in token.privileges else 0)


def access_check(
    sd: SecurityDescriptor, token: Token, desired: int, mapping: GenericMapping, *,
    previously_granted: int = 0, trace: bool = False,
) -> Answer:
    """Whether ``token`` gets ``desired`` on an object with descriptor ``sd``, of a type with generic ``mapping``.

    ``desired`` is an access mask; generic bits and MAXIMUM_ALLOWED may be in it.  ``previously_granted`` are bits that
    were given already and are not judged again (`backup_rights`).  With ``trace`` the answer holds its steps.
    """
    steps: list[Step] | None = [] if trace else None
    request = map_generic(desired, mapping)
    asked = request & ~MAXIMUM_ALLOWED
    if steps is not None:
        steps.append(Step(step="request", bits=request, note=f"0x{desired:x} with generic bits mapped"))
    entries: list[Entry] | None = None
    owner_rights, unjudged = False, -1
    if sd.dacl is not None:
        entries, owner_rights, unjudged = effective(sd.dacl, mapping)
    sacl = sd.sacl
    owner = sd.owner
    if not request or owner is None or sd.group is None or unjudged >= 0 or _judged_elsewhere(sacl) >= 0:
        return _unjudged(sd, request, mapping, unjudged, steps)

    limits = UNLIMITED
    if sacl is not None or token.integrity < MEDIUM:
        limits = mandatory(sacl, token, mapping)
        if limits is not UNLIMITED:
            if steps is not None:
                steps.append(_label_step(sacl, token, limits[1]))
            if lost := asked & ~limits[1] & ~previously_granted:
                return _denied(f"the mandatory label takes away 0x{lost:x}", steps)

    # Privileges: what they give leaves the request before the DACL is asked.
    given = previously_granted
    if asked & ACCESS_SYSTEM_SECURITY & ~given:
        if "SeSecurityPrivilege" not in token.privileges:
            return _denied("ACCESS_SYSTEM_SECURITY needs SeSecurityPrivilege", steps, PRIVILEGE_NOT_HELD)
        given |= ACCESS_SYSTEM_SECURITY
    if asked & WRITE_OWNER and not _TAKES_OWNERSHIP.isdisjoint(token.privileges):
        given |= WRITE_OWNER
    left = asked & ~given

    passes = Passes(entries, owner, token, mapping, owner_rights, steps)
    if steps is not None:
        _tell_given(given, passes, owner, steps)
    if request & MAXIMUM_ALLOWED:
        return _maximum(passes, left, given, limits, steps)
    refused = passes.refused_by(left)
    if refused:
        readings = passes.readings(left)
        return _denied(refused, steps, readings=readings, upper=asked if readings else 0)
    if asked & ~limits[0] & ~previously_granted:
        return _open(0, asked, (limits[2],), steps)
    return _granted(asked, asked, asked, (), steps)


def _maximum(passes: Passes, left: int, given: int, limits: tuple[int, int, str], steps: list[Step] | None) -> Answer:
    """All that can be had; what was asked for by name must be in it."""
    certain, best, widest = passes.most(left)
    readings: list[str] = []
    if certain != widest:
        readings.append(MAXIMUM_WRITE_RESTRICTED)
        if (widest ^ best) & READ_CONTROL:
            readings.append(OWNER_READ_CONTROL)
        if (widest ^ best) & ~READ_CONTROL:
            readings.append(PROCESS_WRITE_MASK)
    surely, at_most, question = limits
    lower = _with_named(certain & surely, left, given)
    mask = _with_named(best & at_most, left, given)
    upper = _with_named(widest & at_most, left, given)
    if not mask:
        return _denied("nothing, or not all that was asked for by name, can be granted", steps, upper=upper,
                       readings=tuple(readings) if upper else ())
    if mask & ~surely & ~given:
        return _open(lower, upper, (question, *readings), steps)
    return _granted(lower, mask, upper, tuple(readings), steps)


def _with_named(bound: int, left: int, given: int) -> int:
    """What is granted, the bits that were given before included; nothing if a bit that was named is missing."""
    return 0 if left & ~bound else bound | given


def _judged_elsewhere(sacl: Acl | None) -> int:
    """The index of the first entry that limits access by rules outside this model, -1 if there is none."""
    for index, ace in enumerate(() if sacl is None else sacl.aces):
        newer = ace.type >= aces.SYSTEM_ACCESS_FILTER
        if (newer or ace.type in _JUDGED_ELSEWHERE) and not ace.flags & aces.INHERIT_ONLY:
            return index
    return -1


def _unjudged(sd: SecurityDescriptor, request: int, mapping: GenericMapping, found: int,
              steps: list[Step] | None) -> Answer:
    if not request:
        status, reason = NOTHING_REQUESTED, "no access is asked for"
    elif sd.owner is None or sd.group is None:
        status, reason = INVALID_SECURITY_DESCR, "the descriptor has no owner or no group"
    else:
        where = f"entry {found} of the DACL" if found >= 0 else f"entry {_judged_elsewhere(sd.sacl)} of the SACL"
        status, reason = OUTSIDE_MODEL, f"{where} is of a type that this model does not judge"
    upper = (request & ~MAXIMUM_ALLOWED) | (mapping.all if request & MAXIMUM_ALLOWED else 0)
    return Answer(verdict=CANNOT_PROVE, mask=0, lower=0, upper=upper or ALL_BITS, status=status, reason=reason,
                  trace=tuple(steps or ()))


def _open(lower: int, upper: int, questions: tuple[str, ...], steps: list[Step] | None) -> Answer:
    return Answer(verdict=CANNOT_PROVE, mask=0, lower=lower, upper=upper, status=OPEN_QUESTION,
                  reason="the answer is not public", readings=questions, trace=tuple(steps or ()))


def _denied(reason: str, steps: list[Step] | None, status: str = ACCESS_DENIED, *, readings: tuple[str, ...] = (),
            upper: int = 0) -> Answer:
    if steps is not None or readings:
        return Answer(verdict=DENIED, mask=0, lower=0, upper=upper, status=status, reason=reason, readings=readings,
                      trace=tuple(steps or ()))
    return _REPEATED.get(reason) or _remember(
        reason, Answer(verdict=DENIED, mask=0, lower=0, upper=0, status=status, reason=reason))


def _granted(lower: int, mask: int, upper: int, readings: tuple[str, ...], steps: list[Step] | None) -> Answer:
    if steps is not None or readings:
        return Answer(verdict=GRANTED, mask=mask, lower=lower, upper=upper, status=SUCCESS, readings=readings,
                      trace=tuple(steps or ()))
    return _REPEATED.get(mask) or _remember(
        mask, Answer(verdict=GRANTED, mask=mask, lower=lower, upper=upper, status=SUCCESS))


# Making an answer costs as much as finding it, and nearly all are one of a few: by mask, or by reason of denial.
_REPEATED: dict[int | str, Answer] = {}


def _remember(key: int | str, answer: Answer) -> Answer:
    if len(_REPEATED) < 4096:
        _REPEATED[key] = answer
    return answer


def _label_step(sacl: Acl | None, token: Token, allowed: int) -> Step:
    level, policy, index = label_of(sacl)
    note = f"token {level_name(token.integrity)}, object {level_name(level)}, policy 0x{policy:x}: these bits are left"
    return Step(step="mandatory label", bits=allowed, ace=index, note=note)


def _tell_given(given: int, passes: Passes, owner: Sid, steps: list[Step]) -> None:
    if given:
        steps.append(Step(step="privileges", bits=given, note="given before the DACL is asked"))
    if passes.owned:
        steps.append(Step(step="owner", bits=OWNER_BITS, sid=owner, note="given to the owner"))
    elif passes.unlisted:
        steps.append(Step(step="owner", sid=owner, note="is the token's, but not among its restricting SIDs"))
    if passes.entries is None:
        steps.append(Step(step="no DACL", note="grants all, except to an AppContainer"))
