"""Does this kernel do what a plan rests on?  Asked of the kernel, not of its return codes.

Knows: which answers a token of a recipe must get, from the model of Windows (``nt.access_check``).  Must not know: a
policy's paths, what follows from an answer (``plan.windows_unenforced`` does).

A token is made as the plan will make it and read back; then the kernel's own AccessCheck is asked about descriptors
that exist in memory only: it must grant nothing that the model does not grant for certain.  Jobs and desktops are
made, read back and given back.  Nothing on the machine is changed and nothing is started.
"""

from __future__ import annotations

from sidewall.nt.access_check import access_check
from sidewall.nt.mask import FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE, MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.token import SE_GROUP_ENABLED
from sidewall.plan.windows_token import result
from sidewall.plan.windows_unenforced import DENY_ONLY, RESTRICTING, WRITE_RESTRICTED, Unenforced
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import desktops, jobs, tokens
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.windows_steps import Desktop, Job, TokenRecipe
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

FILE = MAPPINGS["file"]
MODIFY = 0x1301BF


class Case(Record):
    """One question to the kernel: ``sddl`` of an object, the access wanted, the facility that decides it."""

    facility: str
    sddl: str
    mask: int


def cases(recipe: TokenRecipe) -> tuple[Case, ...]:
    """Questions about a token of this recipe; what the right answers are, the model knows."""
    user, capability = recipe.user, recipe.restricting[0]
    own = f"O:{user}G:{user}"
    everything = f"(A;;{FILE_ALL_ACCESS:#x};;;{user})"
    granted = f"(A;;{MODIFY:#x};;;{capability})"
    asked = [
        Case(facility=RESTRICTING, sddl=f"{own}D:{everything}", mask=FILE_GENERIC_WRITE),
        Case(facility=RESTRICTING, sddl=f"{own}D:{everything}", mask=FILE_GENERIC_READ),
        Case(facility=RESTRICTING, sddl=f"{own}D:{everything}{granted}", mask=MODIFY),
        Case(facility=RESTRICTING, sddl=f"{own}D:{granted}", mask=MODIFY),
        Case(facility=RESTRICTING, mask=FILE_GENERIC_WRITE,
             sddl=f"{own}D:(D;;0x2;;;{capability}){everything}{granted}"),
        Case(facility=WRITE_RESTRICTED, sddl=f"O:SYG:SYD:{everything}", mask=FILE_GENERIC_READ),
        Case(facility=WRITE_RESTRICTED, sddl=f"O:SYG:SYD:{everything}", mask=0x2),
    ]
    # In the account tier the account itself is a restricting SID; what a group of its is granted must not do.
    others = [sid for sid, bits in recipe.groups if bits & SE_GROUP_ENABLED and sid not in recipe.disable
              and sid not in recipe.restricting]
    asked += [Case(facility=RESTRICTING, sddl=f"O:SYG:SYD:(A;;{FILE_ALL_ACCESS:#x};;;{sid})", mask=FILE_GENERIC_WRITE)
              for sid in others[:1]]
    for sid in recipe.disable:
        asked.append(Case(facility=DENY_ONLY, mask=FILE_GENERIC_READ,
                          sddl=f"O:SYG:SYD:(A;;{FILE_ALL_ACCESS:#x};;;{sid})(A;;{FILE_ALL_ACCESS:#x};;;{capability})"))
    return tuple(asked)


def check_token(api: Api, token: Handle, recipe: TokenRecipe) -> tuple[Unenforced, ...]:
    """What of the recipe does not hold for this token: what it lacks, and what the kernel grants it all the same.

    Raises Win32Error when the kernel does not answer.
    """
    missing = list(tokens.verify(tokens.read(api, token), recipe))
    known = {one.facility for one in missing}
    # What is not in the token need not be asked for: one cause is said once.
    known |= {WRITE_RESTRICTED} if RESTRICTING in known else set()
    model = result(recipe)
    mapping = (FILE.read, FILE.write, FILE.execute, FILE.all)
    kind, level = constants.TokenImpersonation, constants.SecurityIdentification
    access = constants.TOKEN_QUERY | constants.TOKEN_IMPERSONATE
    with api.advapi32.DuplicateTokenEx(token, access, level=level, kind=kind) as asking:
        for case in cases(recipe):
            if case.facility in known:
                continue
            descriptor = parse(case.sddl)
            expected = access_check(descriptor, model, case.mask, FILE)
            granted, _ = api.advapi32.AccessCheck(descriptor.to_bytes(), asking, case.mask, mapping)
            if granted and not expected.certain:
                missing.append(Unenforced(facility=case.facility, reason=_GRANTED[case.facility]))
    return tuple(dict.fromkeys(missing))


_GRANTED = {
    RESTRICTING: "the kernel's access check does not look at restricting SIDs",
    WRITE_RESTRICTED: "the kernel's access check does not look at restricting SIDs for writing",
    DENY_ONLY: "the kernel's access check grants by a group that is there for denying only",
}


def check(api: Api, recipe: TokenRecipe, job: Job, desktop: Desktop, turn: Callable[[], Handle]
          ) -> tuple[Unenforced, ...]:
    """Everything that can be tried without starting a program; ``turn`` as for ``desktops.make``.

    Raises Win32Error.
    """
    missing: list[Unenforced] = []
    with tokens.own(api) as base, tokens.make(api, base, recipe) as token:
        missing += check_token(api, token, recipe)
    made, lost = jobs.make(api, job)
    made.close()
    missing += lost
    surroundings = desktops.make(api, desktop, turn)
    if isinstance(surroundings, Unenforced):
        missing.append(surroundings)
    else:
        surroundings.close()
        missing += surroundings.missing
    return tuple(dict.fromkeys(missing))


__all__ = ["Case", "cases", "check", "check_token"]
