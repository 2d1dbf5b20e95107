"""Are the sandbox accounts fit for use: found out from the machine each time, never from a note that they once were.

Knows: which facts of a plan speak of accounts.  Must not know: how anything is repaired (``setup``), tiers.

Nothing is tried here: a logon with a password that does not fit counts towards a lock-out, so what does not fit is
known from the account's own data.  What a user may not ask counts as missing where that is the safe side (filters) and
as unknown where only a logon would tell (policies).
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.plan.facts_windows import (
    CREDENTIAL_GOOD,
    CREDENTIAL_MISSING,
    CREDENTIAL_STALE,
    CREDENTIAL_UNREADABLE,
    AccountFact,
    Filtering,
)
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import accounts, credentials, error_names, rights, wfp
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.prototypes import LAST
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.platforms.windows.credentials import Refused, Stored, Unreadable
    from sidewall.platforms.windows.machine import Caller, Machine
    from sidewall.platforms.windows.netapi32 import User

PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"
_GONE = (1722, 1753, 1764)
"""The engine does not run, or there is none."""


class AccountFacts(Record):
    """What of ``WindowsFacts`` is about the accounts, by the same names."""

    group: Sid | None = None
    offline: AccountFact | None = None
    online: AccountFact | None = None
    logon_forbidden: str = ""
    filtering: Filtering = Filtering()


def gather(machine: Machine, caller: Caller) -> AccountFacts:
    """The facts for this user.  Changes nothing.  Raises MachineError."""
    api = machine.api
    group_name, *names = account_names(caller.user)
    grouped = accounts.find_group(api, group_name) == accounts.GROUP_COMMENT + caller.user
    if not grouped and all(accounts.find(api, name) is None for name in names):
        return AccountFacts()
    group = accounts.group_sid(api, group_name)
    known, refused = _known(machine, caller), credentials.refusals(machine, caller)
    offline, online = [account(machine, name, caller.user, group_name, known, refused) for name in names]
    used = offline.sid or online.sid
    return AccountFacts(group=group, offline=offline, online=online,
                        logon_forbidden=rights.forbidden(api, used, group) if used is not None else "",
                        filtering=filtering(machine, caller.user, offline.sid, online.sid))


def _known(machine: Machine, caller: Caller) -> dict[str, Stored | Unreadable]:
    try:
        return credentials.known(machine, caller)
    except MachineError as error:
        return {name: credentials.Unreadable(name=name, reason=str(error))
                for name in account_names(caller.user)[1:]}


def account(machine: Machine, name: str, owner: Sid, group: str,
            known: Mapping[str, Stored | Unreadable], refused: Mapping[Sid, Refused] | None) -> AccountFact:
    """What is to be known of one account; ``refused`` None: nobody knows what was refused.  Raises NetError."""
    found = accounts.find(machine.api, name)
    if found is None:
        return AccountFact(name=name, in_group=False, credential=CREDENTIAL_MISSING)
    sid = Sid.from_bytes(found.sid)
    return AccountFact(
        name=name, sid=sid, disabled=bool(found.flags & constants.UF_ACCOUNTDISABLE),
        locked=bool(found.flags & constants.UF_LOCKOUT), expired=_expired(machine, found),
        in_group=sid in accounts.members(machine.api, group),
        credential=state(machine, found, owner, known.get(name)), profile=profile(machine, sid),
        refused=_refused(sid, known.get(name), refused),
    )  # fmt: skip


def _refused(sid: Sid, known: Stored | Unreadable | None, refused: Mapping[Sid, Refused] | None) -> str:
    """Why Windows did not log the account on with the password that is stored, '' when it was not asked or did."""
    if refused is None:
        return "a note of refused logons that cannot be read"
    one = refused.get(sid)
    if one is None or not isinstance(known, credentials.Stored) or known.generation != one.generation:
        return ""
    name, words = error_names.name_of(LAST, one.code)
    return f"{words}: {name} ({one.code})" if name else f"error {one.code}"


def _expired(machine: Machine, found: User) -> bool:
    return found.password_expired or bool(found.flags & constants.UF_PASSWORD_EXPIRED) or (
        found.expires != constants.TIMEQ_FOREVER and found.expires <= machine.clock())


def state(machine: Machine, found: User, owner: Sid, known: Stored | Unreadable | None) -> str:
    """A word of ``facts_windows.CREDENTIALS``."""
    if known is None:
        return CREDENTIAL_MISSING
    if isinstance(known, credentials.Unreadable):
        return CREDENTIAL_UNREADABLE
    told = accounts.read_comment(found.comment)
    changed = machine.clock() - found.password_age
    if (known.sid != Sid.from_bytes(found.sid) or told is None or told != (owner, known.generation)
            or changed > known.changed + credentials.SLACK_SECONDS):
        return CREDENTIAL_STALE
    return CREDENTIAL_GOOD


def profile(machine: Machine, sid: Sid) -> str:
    """The profile directory of an account, '' before its first logon.  Raises Win32Error."""
    value = machine.registry.value(f"{PROFILES}\\{sid}", "ProfileImagePath")
    return value if isinstance(value, str) else ""


def filtering(machine: Machine, user: Sid, offline: Sid | None, online: Sid | None) -> Filtering:
    """Which of the accounts' filters are there.  Raises nothing: what cannot be seen is not there."""
    if offline is None or online is None:
        return Filtering()
    try:
        return Filtering(present=wfp.present(machine.api, wfp.wanted(user, offline, online)))
    except ApiError as error:
        return Filtering(running=error.code not in _GONE)


def troubles(one: AccountFact) -> tuple[str, ...]:
    """What keeps an account that is there from being logged on, each as the rest of a sentence about it."""
    told = {
        "is disabled": one.disabled, "is locked out": one.locked, "has an expired password": one.expired,
        "is not in its group": not one.in_group,
        "has a password that is not known here": one.credential == CREDENTIAL_MISSING,
        "has a stored password that cannot be read": one.credential == CREDENTIAL_UNREADABLE,
        "has another password than the stored one": one.credential == CREDENTIAL_STALE,
        f"was refused its last logon ({one.refused})": bool(one.refused),
    }
    return tuple([words for words, so in told.items() if so])


def lacking(facts: AccountFacts) -> tuple[str, ...]:
    """What keeps the account tier from working, for people; nothing when it would work."""
    if facts.group is None and facts.offline is None:
        return ("the sandbox accounts are not set up",)
    found = [] if facts.group is not None else ["the sandbox group is gone"]
    for one in (facts.offline, facts.online):
        if one is None or one.sid is None:
            found.append(f"the account {one.name if one else ''} was deleted")
            continue
        found += [f"the account {one.name} {words}" for words in troubles(one)]
    if facts.logon_forbidden:
        found.append(f"a policy refuses the accounts an interactive logon ({facts.logon_forbidden})")
    if not facts.filtering.running:
        found.append("the base filtering engine (BFE) does not run")
    elif facts.offline is not None and facts.online is not None and facts.offline.sid and facts.online.sid:
        every = wfp.wanted(facts.offline.sid, facts.offline.sid, facts.online.sid)
        lost = len({one.name for one in every} - set(facts.filtering.present))
        if lost:
            found.append(f"{lost} of {len(every)} network filters are missing, or cannot be seen")
    return tuple(found)


__all__ = ["PROFILES", "AccountFacts", "account", "filtering", "gather", "lacking", "profile", "state", "troubles"]
