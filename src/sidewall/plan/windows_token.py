"""The token that a command gets: a recipe for ``CreateRestrictedToken``, and the token that results, as values.

Knows: the flags of that call, restricting SIDs, what a default DACL is for.  Must not know: policies, paths, an API.
Follows Win32's "Restricted Tokens" and "SID Attributes in an Access Token".

* ``token``: write-restricted.  Reading stays the user's own; a write must be granted to the capability (or the logon
  session, or Everyone) too.  FILE_DELETE_CHILD is no write in that sense: names in the user's own directories go.
* ``token-strict``: restricted in full.  Everything, reading too, must be granted to one of the restricting SIDs; so
  Users and Everyone are among them, or no program would start, and where these may write the command may.
* ``account``: write-restricted, of another account.  Each half holds alone.  The account itself is a restricting SID:
  it has no rights of its own on the machine, and pipes and directories that only their owner may open work.
"""

from __future__ import annotations

from sidewall.nt import wellknown as known
from sidewall.nt.acl import Acl
from sidewall.nt.sddl import parse
from sidewall.nt.token import (
    MEDIUM,
    SE_GROUP_ENABLED,
    SE_GROUP_ENABLED_BY_DEFAULT,
    SE_GROUP_LOGON_ID,
    SE_GROUP_MANDATORY,
    SE_GROUP_USE_FOR_DENY_ONLY,
    Group,
    Token,
)
from sidewall.plan.windows_steps import ACCOUNT, TOKEN_STRICT, TokenRecipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.plan.facts_windows import WindowsFacts

DISABLE_MAX_PRIVILEGE, SANDBOX_INERT, LUA_TOKEN, WRITE_RESTRICTED = 0x1, 0x2, 0x4, 0x8
KEPT = ("SeChangeNotifyPrivilege",)
"""What DISABLE_MAX_PRIVILEGE leaves: without it every directory on the way would have to grant traversing."""
USUAL = SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED

POWERFUL = frozenset((
    known.ADMINISTRATORS, known.POWER_USERS, known.LOCAL_ADMINISTRATOR, *(known.ALIASES[name] for name in (
        "AO", "SO", "PO", "BO", "RE", "NO", "CY", "HA", "AA")),
))
"""Groups with rights over the machine; LUA_TOKEN disables some of them, here all are named."""
POWERFUL_DOMAIN = frozenset((498, 512, 516, 518, 519, 520, 521))
"""The same of a domain, by relative identifier: its administrators, controllers, schema and policy owners."""
ACCOUNT_GROUPS = (
    known.EVERYONE, known.USERS, known.INTERACTIVE, known.CONSOLE_LOGON, known.AUTHENTICATED_USERS,
    known.THIS_ORGANIZATION, known.LOCAL_ACCOUNT, known.LOCAL,
)
"""What the system adds to the token of an ordinary local account that is logged on interactively."""


def recipe(tier: str, facts: WindowsFacts, capability: Sid, account: Sid | None = None) -> TokenRecipe:
    """The token of a tier on this machine.  ``account`` is the sandbox account's SID, in the ``account`` tier only;
    the token tiers need ``facts.logon``."""
    flags = DISABLE_MAX_PRIVILEGE | LUA_TOKEN | (0 if tier == TOKEN_STRICT else WRITE_RESTRICTED)
    user, groups = facts.user, facts.groups
    if account is not None:
        user = account
        groups = tuple([(sid, USUAL) for sid in ACCOUNT_GROUPS])
        groups += ((facts.group, USUAL),) if facts.group is not None else ()
        # CreateProcessWithLogonW puts the caller's logon SID into the new token.
        groups += ((facts.logon, USUAL | SE_GROUP_LOGON_ID),) if facts.logon is not None else ()
    return TokenRecipe(
        base="user" if account is None else "account", user=user, groups=groups, flags=flags,
        disable=disabled(groups, (known.INTERACTIVE, facts.logon) if account is not None else ()),
        restricting=restricting(tier, facts, capability, account),
        default_dacl=default_dacl(account if account is not None else facts.logon),
        integrity=MEDIUM, privileges=KEPT,
    )


def restricting(tier: str, facts: WindowsFacts, capability: Sid, account: Sid | None = None) -> tuple[Sid, ...]:
    """The restricting SIDs of a tier: every one of them opens what grants it writing."""
    if tier == ACCOUNT and account is not None:
        # RESTRICTED and WRITE_RESTRICTED stand on the null device and on what services mean for confined programs.
        others = (known.EVERYONE,) if facts.needs_everyone else ()
        return (capability, account, known.RESTRICTED, known.WRITE_RESTRICTED, *others)
    logon = () if facts.logon is None else (facts.logon,)
    if tier == TOKEN_STRICT:
        return (capability, *logon, known.EVERYONE, known.USERS, known.RESTRICTED)
    return (capability, *logon, known.EVERYONE)


def disabled(groups: tuple[tuple[Sid, int], ...], also: tuple[Sid | None, ...]) -> tuple[Sid, ...]:
    """The groups that become deny-only: those with rights over the machine, and in another account's token ``also``.

    The caller's logon session, since the default DACL of the user's own processes names it.  INTERACTIVE, since Windows
    lets it delete whatever lies below Public, and by default start servers over COM; a logon by the scheduler or over
    SSH has not got it either, and programs run there.
    """
    return tuple([sid for sid, _ in groups if sid in POWERFUL or _of_domain(sid) or sid in also])


def _of_domain(sid: Sid) -> bool:
    return sid.startswith("S-1-5-21-") and sid.rid in POWERFUL_DOMAIN


def default_dacl(holder: Sid | None) -> str:
    """SDDL of what new objects without a DACL of their own get: all to ``holder``, and to their owner, as owner, the
    right to read the descriptor, so that none is rewritten.

    All to the system too, as in the list of every logon: its services (TLS, COM, error reports) open the process and
    the token of who calls them.  No token of ours holds its SID.
    """
    return f"D:(A;;GA;;;SY)(A;;GA;;;{holder})(A;;RC;;;OW)"


def result(made: TokenRecipe) -> Token:
    """The token that the recipe makes.  Raises SddlError for a default DACL that is none."""
    groups = tuple([Group(sid=sid, attributes=_deny_only(bits) if sid in made.disable else bits)
                    for sid, bits in made.groups])
    return Token(
        user=made.user, groups=groups, restricting=made.restricting,
        write_restricted=bool(made.flags & WRITE_RESTRICTED), privileges=frozenset(made.privileges),
        integrity=made.integrity, user_deny_only=made.user in made.disable,
        default_dacl=parse(made.default_dacl).dacl or Acl(),
    )


def _deny_only(bits: int) -> int:
    return (bits & ~(SE_GROUP_MANDATORY | SE_GROUP_ENABLED | SE_GROUP_ENABLED_BY_DEFAULT)) | SE_GROUP_USE_FOR_DENY_ONLY


__all__ = ["ACCOUNT_GROUPS", "DISABLE_MAX_PRIVILEGE", "KEPT", "LUA_TOKEN", "SANDBOX_INERT", "WRITE_RESTRICTED",
           "default_dacl", "disabled", "recipe", "restricting", "result"]
