"""The token that a plan's recipe asks for: made, then read back, since success of the call proves nothing.

Knows: CreateRestrictedToken, which part of a token each part of a recipe becomes.  Must not know: why a plan wants it,
what an access check makes of it (``selftest`` asks that).  Follows "Restricted Tokens" of the Win32 reference.
"""

from __future__ import annotations

from sidewall.nt import wellknown as known
from sidewall.nt.acl import Acl
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import (
    SE_GROUP_ENABLED,
    SE_GROUP_INTEGRITY,
    SE_GROUP_LOGON_ID,
    SE_GROUP_USE_FOR_DENY_ONLY,
)
from sidewall.plan.windows_unenforced import (
    DEFAULT_DACL,
    DENY_ONLY,
    INTEGRITY,
    PRIVILEGES,
    RESTRICTING,
    Unenforced,
)
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import ApiError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.plan.windows_steps import TokenRecipe
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

MANDATORY_LABEL = 16
"""SECURITY_MANDATORY_LABEL_AUTHORITY."""
ACCESS = (constants.TOKEN_QUERY | constants.TOKEN_DUPLICATE | constants.TOKEN_ASSIGN_PRIMARY
          | constants.TOKEN_ADJUST_DEFAULT)


UNKNOWN_QUESTION = (1, 50, 87, 120)
"""ERROR_INVALID_FUNCTION, _NOT_SUPPORTED, _INVALID_PARAMETER, _CALL_NOT_IMPLEMENTED."""


class TokenState(Record):
    """A token as the kernel tells it.  ``restricting`` is None where it has no such list; ``logon`` is its logon SID,
    None without one; ``dacl`` the default list, None for none."""

    user: Sid
    groups: tuple[tuple[Sid, int], ...]
    restricting: tuple[Sid, ...] | None
    privileges: tuple[str, ...]
    integrity: int
    logon: Sid | None
    dacl: Acl | None
    container: bool
    elevated: bool
    session: int


def own(api: Api) -> Handle:
    """This process's token, open for restricting it.  Raises Win32Error."""
    return api.advapi32.OpenProcessToken(api.kernel32.GetCurrentProcess(), ACCESS)


def of_client(api: Api, pipe: Handle) -> Handle:
    """The token of whoever is at the client's end of a pipe, once something was read from it; to be asked, no more.

    Raises Win32Error.
    """
    advapi = api.advapi32
    advapi.ImpersonateNamedPipeClient(pipe)
    try:
        token = advapi.OpenThreadToken(api.kernel32.GetCurrentThread(), constants.TOKEN_QUERY)
    except BaseException:
        advapi.RevertToSelf()
        raise
    try:
        advapi.RevertToSelf()
    except BaseException:
        token.close()
        # Once more: else this thread goes on as somebody else.
        advapi.RevertToSelf()
        raise
    return token


def make(api: Api, base: Handle, recipe: TokenRecipe) -> Handle:
    """A primary token by the recipe, from a token of whom it names.  Raises Win32Error, SddlError."""
    advapi = api.advapi32
    # DISABLE_MAX_PRIVILEGE makes the list of privileges meaningless where it works, and is replaced by it elsewhere.
    kept = {advapi.LookupPrivilegeValueW(name) for name in recipe.privileges}
    surplus = [luid for luid, _ in advapi.TokenPrivileges(base) if luid not in kept]
    groups = tuple([(Sid.from_bytes(sid), attributes) for sid, attributes in advapi.TokenGroups(base)])
    disable = dict.fromkeys((*recipe.disable, *strangers(groups, recipe)))
    made = advapi.CreateRestrictedToken(
        base, recipe.flags, disable=[sid.to_bytes() for sid in disable], delete=surplus,
        restrict=[sid.to_bytes() for sid in recipe.restricting])
    try:
        dacl = parse(recipe.default_dacl).dacl
        if dacl is not None:
            advapi.SetTokenDefaultDacl(made, dacl.to_bytes())
        if _integrity(api, made) > recipe.integrity:
            advapi.SetTokenIntegrityLevel(made, Sid.of(MANDATORY_LABEL, recipe.integrity).to_bytes())
    except BaseException:
        made.close()
        raise
    return made


def strangers(groups: tuple[tuple[Sid, int], ...], recipe: TokenRecipe) -> tuple[Sid, ...]:
    """Groups that an account's token uses and its recipe does not know: somebody put all users into them, or the
    account, and no plan has asked what is open to them.  None in the user's own token: a recipe for that has all."""
    if recipe.base != "account":
        return ()
    known_to_it = {sid for sid, _ in recipe.groups}
    return tuple([sid for sid, bits in groups
                  if bits & SE_GROUP_ENABLED and not bits & SE_GROUP_INTEGRITY and sid not in known_to_it
                  and bits & SE_GROUP_LOGON_ID != SE_GROUP_LOGON_ID])


def logon_of(api: Api, token: Handle) -> Sid | None:
    """The logon session that a token names, None without one.  Raises Win32Error."""
    return _logon([(Sid.from_bytes(sid), attributes) for sid, attributes in api.advapi32.TokenGroups(token)])


def _logon(groups: Sequence[tuple[Sid, int]]) -> Sid | None:
    return next((sid for sid, bits in groups if bits & SE_GROUP_LOGON_ID == SE_GROUP_LOGON_ID), None)


def read(api: Api, token: Handle) -> TokenState:
    """What the kernel says of a token.  Raises Win32Error."""
    advapi = api.advapi32
    groups = tuple([(Sid.from_bytes(sid), attributes) for sid, attributes in advapi.TokenGroups(token)])
    dacl = advapi.TokenDefaultDacl(token)
    return TokenState(
        user=Sid.from_bytes(advapi.TokenUser(token)), groups=groups, restricting=_restricting(api, token),
        privileges=tuple(sorted(advapi.LookupPrivilegeNameW(luid) for luid, _ in advapi.TokenPrivileges(token))),
        integrity=_integrity(api, token), logon=_logon(groups), dacl=Acl.from_bytes(dacl) if dacl else None,
        container=bool(advapi.TokenNumber(token, constants.TokenIsAppContainer)),
        elevated=bool(advapi.TokenNumber(token, constants.TokenElevation)),
        session=advapi.TokenNumber(token, constants.TokenSessionId),
    )


def _restricting(api: Api, token: Handle) -> tuple[Sid, ...] | None:
    try:
        listed = api.advapi32.TokenGroups(token, constants.TokenRestrictedSids)
    except ApiError as error:
        if error.code not in UNKNOWN_QUESTION:
            raise
        # A kernel that does not know the question does not restrict.
        return None
    if not listed and not api.advapi32.IsTokenRestricted(token):
        return None
    return tuple([Sid.from_bytes(sid) for sid, _ in listed])


def _integrity(api: Api, token: Handle) -> int:
    return Sid.from_bytes(api.advapi32.TokenSid(token, constants.TokenIntegrityLevel)).rid


def verify(state: TokenState, recipe: TokenRecipe) -> tuple[Unenforced, ...]:
    """What of the recipe the token lacks."""
    lacks: list[Unenforced] = []

    def lack(facility: str, reason: str) -> None:
        lacks.append(Unenforced(facility=facility, reason=reason))

    if state.restricting is None:
        lack(RESTRICTING, "the kernel made a token without restricting SIDs")
    elif set(state.restricting) - {known.WRITE_RESTRICTED} != set(recipe.restricting) - {known.WRITE_RESTRICTED}:
        # That SID may come with the flag of its name; it stands on what services mean for such tokens.
        lack(RESTRICTING, f"the token has {len(state.restricting)} restricting SIDs, and not those asked for")
    surplus = sorted(set(state.privileges) - set(recipe.privileges))
    if surplus:
        lack(PRIVILEGES, "the token kept privileges: " + ", ".join(surplus[:4]))
    attributes = dict(state.groups)
    for sid in recipe.disable:
        bits = attributes.get(sid, SE_GROUP_USE_FOR_DENY_ONLY)
        if bits & SE_GROUP_ENABLED or not bits & SE_GROUP_USE_FOR_DENY_ONLY:
            lack(DENY_ONLY, f"the token still uses the group {sid}")
            break
    unknown = strangers(state.groups, recipe)
    if unknown:
        lack(DENY_ONLY, f"the token uses the group {unknown[0]}, which the plan does not know")
    if state.integrity > recipe.integrity:
        lack(INTEGRITY, f"the token's integrity level is {state.integrity:#x}, not {recipe.integrity:#x}")
    wanted = parse(recipe.default_dacl).dacl
    if wanted is not None and (state.dacl is None or _entries(state.dacl) != _entries(wanted)):
        lack(DEFAULT_DACL, "the token has another default access list than it was given")
    return tuple(lacks)


def _entries(acl: Acl) -> list[tuple[int, int, str]]:
    return [(ace.type, ace.mask, str(ace.sid)) for ace in acl.aces]


__all__ = ["ACCESS", "TokenState", "logon_of", "make", "own", "read", "strangers", "verify"]
