"""Account rights, by the local security authority: what set-up denies the accounts, and what a policy denies them.

Knows: names of rights, who holds them.  Must not know: how accounts are made.
"""

from __future__ import annotations

from sidewall.nt import wellknown as known
from sidewall.nt.sid import Sid
from sidewall.plan.windows import DENIED_RIGHTS
from sidewall.platforms.windows.constants_security import (
    POLICY_CREATE_ACCOUNT,
    POLICY_LOOKUP_NAMES,
    POLICY_VIEW_LOCAL_INFORMATION,
)
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api

LOOK = POLICY_VIEW_LOCAL_INFORMATION | POLICY_LOOKUP_NAMES
LOGON, NO_LOGON = "SeInteractiveLogonRight", "SeDenyInteractiveLogonRight"
POLICIES = {LOGON: '"Allow log on locally"', NO_LOGON: '"Deny log on locally"'}
"""What the policy editor calls them."""
_ANY_ACCOUNT = frozenset((known.EVERYONE, known.USERS, known.AUTHENTICATED_USERS, known.INTERACTIVE,
                          known.LOCAL_ACCOUNT, known.LOCAL))


def deny(api: Api, account: Sid) -> None:
    """Gives the account the rights that deny it what no sandbox needs.  Raises StatusError."""
    with api.advapi32.LsaOpenPolicy(LOOK | POLICY_CREATE_ACCOUNT) as policy:
        api.advapi32.LsaAddAccountRights(policy, account.to_bytes(), DENIED_RIGHTS)


def held(api: Api, account: Sid) -> tuple[str, ...]:
    """The rights of an account.  Raises StatusError; an ordinary user may not ask."""
    with api.advapi32.LsaOpenPolicy(LOOK) as policy:
        return api.advapi32.LsaEnumerateAccountRights(policy, account.to_bytes())


def drop(api: Api, account: Sid) -> None:
    """Takes all rights from an account, and its entry too.  Raises StatusError."""
    with api.advapi32.LsaOpenPolicy(LOOK | POLICY_CREATE_ACCOUNT) as policy:
        api.advapi32.LsaRemoveAccountRights(policy, account.to_bytes(), (), every=True)


def entries(api: Api) -> tuple[Sid, ...]:
    """The SIDs that hold what set-up denies: an account that was deleted by hand leaves its entry.

    Raises StatusError; an ordinary user may not ask.
    """
    with api.advapi32.LsaOpenPolicy(LOOK) as policy:
        sides = [{Sid.from_bytes(sid) for sid in api.advapi32.LsaEnumerateAccountsWithUserRight(policy, right)}
                 for right in DENIED_RIGHTS]
    return tuple(sorted(set.intersection(*sides)))


def forbidden(api: Api, account: Sid, group: Sid | None) -> str:
    """The policy that refuses the account an interactive logon, '' for none, or when this user may not ask."""
    ours = _ANY_ACCOUNT | {account} | ({group} if group is not None else set())
    try:
        with api.advapi32.LsaOpenPolicy(LOOK) as policy:
            refused = api.advapi32.LsaEnumerateAccountsWithUserRight(policy, NO_LOGON)
            allowed = api.advapi32.LsaEnumerateAccountsWithUserRight(policy, LOGON)
    except ApiError:
        return ""
    if ours.intersection([Sid.from_bytes(sid) for sid in refused]):
        return POLICIES[NO_LOGON]
    return "" if ours.intersection([Sid.from_bytes(sid) for sid in allowed]) else POLICIES[LOGON]


__all__ = ["DENIED_RIGHTS", "LOGON", "NO_LOGON", "POLICIES", "deny", "drop", "entries", "forbidden", "held"]
