"""Vectors of the access check, asked of Windows itself: each is carried over to SIDs of the token that this runs with.

Knows: how a vector's token is had from one's own (CreateRestrictedToken, a lower integrity level, privileges switched
on), and how an answer of the kernel's AccessCheck compares with the model's.  Must not know: the open questions
(``windows_questions``).  Nothing on the machine is changed: descriptors and tokens exist in memory only.

A SID that the vector's token holds becomes one that this process's token holds; every other becomes an invented one, so
that groups of the runner's own that the vector does not know decide nothing.  The model is asked about the token that
the kernel made, as the kernel tells it, and not about the one that was wanted.
"""

from __future__ import annotations

from typing import Any

from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.access_check_answer import CANNOT_PROVE, Answer
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import GenericMapping, map_generic, mapping_of
from sidewall.nt.sid import Sid
from sidewall.nt.token import MEDIUM, SE_GROUP_INTEGRITY, SE_GROUP_LOGON_ID, Group, Token
from sidewall.nt.vectors_fields import descriptor, number
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import tokens
from sidewall.platforms.windows.api import Api
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.handles import Handle

KEPT = frozenset({
    known.OWNER_RIGHTS, known.PRINCIPAL_SELF, known.CREATOR_OWNER, known.CREATOR_GROUP, known.NULL,
    known.ALL_APPLICATION_PACKAGES, known.ALL_RESTRICTED_APPLICATION_PACKAGES,
})
"""They mean something by themselves, whoever asks."""
INVENTED = Sid("S-1-5-21-909-808-707")
AGREES, ANOTHER, DIFFERS, SILENT = "agrees", "another reading", "differs", "not judged by the model"


class LeftOut(Exception):
    """Why a vector cannot be asked here; the same words for the same reason, since they are counted."""


class Runner:
    """The token of this process.  Close it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.token = api.advapi32.OpenProcessToken(api.kernel32.GetCurrentProcess(), constants.TOKEN_ALL_ACCESS)
        self.state = tokens.read(api, self.token)
        self.privileges = {api.advapi32.LookupPrivilegeNameW(luid): luid
                           for luid, _ in api.advapi32.TokenPrivileges(self.token)}
        self.enabled = [sid for sid, bits in self.state.groups
                        if Group(sid=sid, attributes=bits).enabled and not bits & SE_GROUP_INTEGRITY]
        self.logons = {sid for sid, bits in self.state.groups if bits & SE_GROUP_LOGON_ID == SE_GROUP_LOGON_ID}

    def close(self) -> None:
        self.token.close()


class Wanted:
    """A token that is to be made from the runner's."""

    def __init__(self, *, disable: tuple[Sid, ...] = (), restrict: tuple[Sid, ...] | None = None,
                 write_restricted: bool = False, privileges: tuple[str, ...] = (), integrity: int = MEDIUM) -> None:
        self.disable, self.restrict, self.write_restricted = disable, restrict, write_restricted
        self.privileges, self.integrity = privileges, integrity


def names_of(runner: Runner, given: Token) -> dict[Sid, Sid]:
    """Each SID of a vector's token to one of the runner's.  Raises LeftOut."""
    if any(not group.enabled and not group.deny_only for group in given.groups):
        raise LeftOut("a group that is neither enabled nor for denying only")
    held = [group.sid for group in given.groups]
    if len(set(held)) != len(held) or given.user in held:
        raise LeftOut("a SID that is in the token twice")
    names = {given.user: runner.state.user}
    for sid in held:
        if sid in runner.enabled and sid != runner.state.user:
            names[sid] = sid
    if runner.logons:
        # One logon SID stands for another; it is not taken for anything else.
        names.update(dict(zip([sid for sid in held if sid.startswith("S-1-5-5-")], sorted(runner.logons),
                              strict=False)))
    free = [sid for sid in runner.enabled if sid not in names.values() and sid not in runner.logons]
    for sid in held:
        if sid not in names:
            if not free:
                raise LeftOut("more groups than the runner's token has")
            names[sid] = free.pop(0)
    return names


def carried(runner: Runner, sd: SecurityDescriptor, given: Token) -> tuple[SecurityDescriptor, Wanted]:
    """A vector's descriptor and token in SIDs of this machine.  Raises LeftOut."""
    if given.package is not None or given.capabilities:
        raise LeftOut("an AppContainer")
    if not given.no_write_up:
        raise LeftOut("a token without the mandatory policy")
    if given.restricting == () or (given.write_restricted and given.restricting is None):
        raise LeftOut("an empty list of restricting SIDs")
    if missing := given.privileges - runner.privileges.keys():
        raise LeftOut(f"the runner has no {min(missing)}")
    if given.integrity > runner.state.integrity:
        raise LeftOut("a higher integrity level than the runner's")
    names = names_of(runner, given)

    def named(sid: Sid) -> Sid:
        if sid in KEPT or sid.startswith("S-1-16-"):
            return sid
        if sid not in names:
            names[sid] = INVENTED.child(1000 + len(names))
        return names[sid]

    def renamed(acl: Acl | None) -> Acl | None:
        return None if acl is None else acl.replace(aces=tuple([one.replace(sid=named(one.sid)) for one in acl.aces]))

    made = sd.replace(owner=None if sd.owner is None else named(sd.owner), dacl=renamed(sd.dacl),
                      group=None if sd.group is None else named(sd.group), sacl=renamed(sd.sacl))
    disable = [named(group.sid) for group in given.groups if group.deny_only]
    disable += [runner.state.user] if given.user_deny_only else []
    # A level at which no label says anything need not be made, and a kernel without labels can still be asked.
    labelled = sd.sacl is not None or given.integrity < MEDIUM
    return made, Wanted(
        disable=tuple(disable), write_restricted=given.write_restricted, privileges=tuple(sorted(given.privileges)),
        restrict=None if given.restricting is None else tuple([named(sid) for sid in given.restricting]),
        integrity=given.integrity if labelled else runner.state.integrity)


class Made:
    """A token of the kernel's that can be asked about, and what the model is told of it.  Close it.

    Raises LeftOut where the kernel made another token than the one that was wanted, Win32Error where it made none.
    """

    def __init__(self, runner: Runner, wanted: Wanted) -> None:
        advapi = runner.api.advapi32
        self.api = runner.api
        flags = constants.WRITE_RESTRICTED if wanted.write_restricted else 0
        keep = {runner.privileges[name] for name in wanted.privileges}
        with advapi.CreateRestrictedToken(
            runner.token, flags, disable=[sid.to_bytes() for sid in wanted.disable],
            delete=[luid for luid in runner.privileges.values() if luid not in keep],
            restrict=[sid.to_bytes() for sid in wanted.restrict or ()],
        ) as primary:
            if wanted.integrity < runner.state.integrity:
                level = Sid.of(tokens.MANDATORY_LABEL, wanted.integrity)
                advapi.SetTokenIntegrityLevel(primary, level.to_bytes())
            if keep:
                advapi.AdjustTokenPrivileges(primary, [(luid, constants.SE_PRIVILEGE_ENABLED) for luid in keep])
            self.state = tokens.read(runner.api, primary)
            self._compare(wanted)
            on = {advapi.LookupPrivilegeNameW(luid) for luid, bits in advapi.TokenPrivileges(primary)
                  if bits & constants.SE_PRIVILEGE_ENABLED}
            self.handle = advapi.DuplicateTokenEx(primary, constants.TOKEN_ALL_ACCESS,
                                                  level=constants.SecurityIdentification,
                                                  kind=constants.TokenImpersonation)
        self.model = Token(
            user=self.state.user, groups=tuple([Group(sid=sid, attributes=bits) for sid, bits in self.state.groups]),
            restricting=self.state.restricting, write_restricted=wanted.write_restricted,
            privileges=frozenset(on), integrity=self.state.integrity,
            user_deny_only=self.state.user in wanted.disable,
        )  # fmt: skip

    def _compare(self, wanted: Wanted) -> None:
        state = self.state
        if set(wanted.restrict or ()) != set(state.restricting or ()) - {known.WRITE_RESTRICTED}:
            raise LeftOut("the kernel made a token without these restricting SIDs")
        if state.integrity != wanted.integrity:
            raise LeftOut("the kernel made a token of another integrity level")
        if set(state.privileges) - set(wanted.privileges) - {"SeChangeNotifyPrivilege"}:
            raise LeftOut("the kernel made a token with more privileges")
        attributes = dict(state.groups)
        if any(not Group(sid=sid, attributes=attributes[sid]).deny_only
               for sid in wanted.disable if sid in attributes):
            raise LeftOut("the kernel made a token that still uses a group for more than denying")

    def ask(self, sd: SecurityDescriptor, desired: int, mapping: GenericMapping) -> tuple[bool, int]:
        """The kernel's answer.  Raises Win32Error."""
        return ask(self.api, self.handle, sd, desired, mapping)

    def close(self) -> None:
        self.handle.close()


def ask(api: Api, token: Handle, sd: SecurityDescriptor, desired: int, mapping: GenericMapping) -> tuple[bool, int]:
    """AccessCheck: granted, and the mask.  Raises Win32Error."""
    generic = (mapping.read, mapping.write, mapping.execute, mapping.all)
    granted, mask = api.advapi32.AccessCheck(sd.to_bytes(), token, map_generic(desired, mapping), generic)
    return granted, mask if granted else 0


def compare(granted: bool, mask: int, answer: Answer) -> str:
    """The kernel's answer beside the model's: one of four words."""
    if answer.verdict == CANNOT_PROVE:
        return SILENT
    if granted == answer.granted and (not granted or mask == answer.mask):
        return AGREES
    got = mask if granted else 0
    within = not answer.lower & ~got and not got & ~answer.upper
    return ANOTHER if within and answer.readings else DIFFERS


def judge(runner: Runner, vector: dict[str, Any]) -> dict[str, Any]:
    """One vector, asked of the kernel and of the model.  Raises LeftOut."""
    sd, wanted = carried(runner, descriptor(vector, "sd"), Token.from_json(vector["token"]))
    mapping = mapping_of(vector.get("mapping", "file"))
    desired = number(vector["desired"], "desired")
    try:
        made = Made(runner, wanted)
    except ApiError as error:
        raise LeftOut(f"the token was refused: {error}") from None
    try:
        answer = access_check(sd, made.model, desired, mapping)
        try:
            granted, mask = made.ask(sd, desired, mapping)
            problem = ""
        except ApiError as error:
            granted, mask, problem = False, 0, error.name
    finally:
        made.close()
    verdict = compare(granted, mask, answer)
    if problem:
        verdict = AGREES if answer.status in problem.lower() else DIFFERS
    told: dict[str, Any] = {"id": vector.get("id", ""), "verdict": verdict, "granted": granted, "mask": hex(mask),
                            "model": {"verdict": answer.verdict, "mask": hex(answer.mask), "status": answer.status}}
    expected = vector["expect"]
    told["expected"] = granted is expected["granted"] if isinstance(expected, dict) else False
    if answer.readings:
        told["readings"] = list(answer.readings)
    if problem:
        told["error"] = problem
    return told
