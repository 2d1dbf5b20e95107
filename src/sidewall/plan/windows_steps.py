"""The vocabulary of a Windows plan: typed steps, in the order in which a backend carries them out.

Knows: names and shapes of steps.  Must not know: how a step is done (``platforms.windows``), or what a descriptor then
grants (``nt``, ``plan.prove``).  Pure data, printable, testable anywhere; the words are those of the Win32 reference.

A step is carried out once, in order; a step that fails stops the plan, what was done is undone, and nothing runs.
"""

from __future__ import annotations

from sidewall.nt.ace import ACCESS_DENIED
from sidewall.plan.steps import Step
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.nt.ace import Ace
    from sidewall.nt.edit import Want
    from sidewall.nt.sid import Sid

ACCOUNT, TOKEN, TOKEN_STRICT = "account", "token", "token-strict"

GRANT, READ, PASSAGE, PROTECT, PIN, DENY_READ = "grant", "read", "passage", "protect", "pin", "deny-read"
PURPOSES = (GRANT, READ, PASSAGE, PROTECT, PIN, DENY_READ)

SELF, TREE = "self", "tree"


class AclEdit(Step):
    """The DACL of ``path`` gains these explicit ``aces``, in canonical order; nothing else of it changes.  There is one
    edit a path.

    ``purposes`` are words of ``PURPOSES``.  ``reach``: ``self`` writes this descriptor alone (a handle, no
    propagation); ``tree`` carries inheritable ACEs on to what lies below, never through a reparse point, never into a
    file with several names.  ``directory`` is what the path is.  A backend opens the object without following links
    and compares before it writes.
    """

    path: str
    purposes: tuple[str, ...]
    aces: tuple[Ace, ...]
    reach: str = SELF
    directory: bool = True

    def wants(self) -> tuple[Want, ...]:
        """The same entries as ``nt.edit`` wants them."""
        from sidewall.nt.edit import ALLOW, DENY, Want

        return tuple([Want(kind=DENY if one.type == ACCESS_DENIED else ALLOW, sid=one.sid, mask=one.mask,
                           flags=one.flags) for one in self.aces])

    def to_dict(self) -> dict[str, Any]:
        """As every record's; each ACE has ``kind`` (allow, deny), ``sid``, ``mask`` and ``flags``."""
        aces = [{"kind": want.kind, "sid": str(want.sid), "mask": want.mask, "flags": want.flags}
                for want in self.wants()]
        return {**super().to_dict(), "aces": aces}


class Placeholder(Step):
    """``path`` does not exist and must not come to be: an empty file or directory, made for the time of the cell with
    this protected DACL (SDDL), so that nothing is inherited."""

    path: str
    directory: bool
    sddl: str


class Refused(Step):
    """``path`` is not touched, and ``reason`` says why; what the policy grants there is not granted."""

    path: str
    reason: str


class Accounts(Step):
    """The two accounts and the group, which must be there; ``use`` is the name of the one that runs this cell.

    ``denied_rights`` are account rights (LSA) that set-up takes from both.
    """

    group: str
    offline: str
    online: str
    use: str
    group_sid: Sid
    use_sid: Sid
    denied_rights: tuple[str, ...]


class TokenRecipe(Step):
    """``CreateRestrictedToken`` and what is set on the result.

    ``base`` is ``user`` or ``account``: whose token is restricted.  ``user`` and ``groups`` (SID, attributes) are of
    that token before.  ``flags`` are of the call; ``disable`` become deny-only; ``restricting`` is the list of
    restricting SIDs.  ``default_dacl`` is SDDL; ``integrity`` a mandatory level (RID).  ``privileges`` are those that
    stay.  What results is a value too: ``windows_token.result``.
    """

    base: str
    user: Sid
    groups: tuple[tuple[Sid, int], ...]
    flags: int
    disable: tuple[Sid, ...]
    restricting: tuple[Sid, ...]
    default_dacl: str
    integrity: int
    privileges: tuple[str, ...]


class Condition(Record):
    """One condition of a filter: a field of the layer, ``equal``, ``range``, ``mask`` or ``flags`` (all set), and
    numbers; for ``ALE_USER_ID`` the value is the SDDL of a descriptor."""

    field: str
    match: str
    value: str | tuple[int, ...]


class Filter(Record):
    """One filter of the Windows Filtering Platform: ``layer`` without its prefix, ``block`` or permit; the heavier
    ``weight`` (0 to 15) decides.  All conditions must hold."""

    name: str
    layer: str
    block: bool
    weight: int
    conditions: tuple[Condition, ...]


class NetworkFilters(Step):
    """The filters that set-up made for the account ``sid``; found again before the cell, or nothing runs.

    ``ports`` is the reserved range on the loopback interface, both ends in it.
    """

    sid: Sid
    ports: tuple[int, int]
    filters: tuple[Filter, ...]


class PrivateTemp(Step):
    """A directory of the cell's own in ``parent``, of a random name, with this protected DACL (SDDL); removed with
    the cell."""

    parent: str
    sddl: str


class Environment(Step):
    """``floor`` are variables without which programs do not start: set where the command has none.  ``forced`` are set
    whatever it has.  ``own`` are names whose values are those of the account that runs the cell.  ``temporary`` are
    names that get the private directory.  ``safe`` are directories that git is told are safe, though another account
    owns what is in them."""

    floor: tuple[tuple[str, str], ...]
    forced: tuple[tuple[str, str], ...]
    own: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ("TEMP", "TMP")
    safe: tuple[str, ...] = ()


class Desktop(Step):
    """A window station and a desktop of the cell's own, with these DACLs (SDDL).

    The station has no name: names are for administrators, the system gives one by logon session.
    """

    station: str
    desktop: str


class Job(Step):
    """One job object from the first instruction on: limit flags as in ``winnt.h``, bounds (0: none).  No breakaway is
    allowed.  Each command has a job of its own in it, and a job within a job has no limits on windows."""

    flags: int
    processes: int = 0
    memory_bytes: int = 0


class Ownership(Step):
    """What the account makes below ``roots`` belongs to ``owner`` in the end."""

    roots: tuple[str, ...]
    owner: Sid


__all__ = ["ACCOUNT", "PURPOSES", "TOKEN", "TOKEN_STRICT", "Accounts", "AclEdit", "Condition", "Desktop",
           "Environment", "Filter", "Job", "NetworkFilters", "Ownership", "Placeholder", "PrivateTemp", "Refused",
           "TokenRecipe"]
