"""The sandbox's accounts and their group: made, found again, renewed, removed.

Knows: what marks an account as ours (name and comment), which errors mean "there is none".  Must not know: where its
password is kept, rights, filters.

The comment says whose account it is and which generation its password has; it is written before the password, so that
whoever has an older password knows it.  An account of our name with another comment is somebody's, and is not touched.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import LOWEST_RID, PREFIX
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.netapi32 import User

ACCOUNT_COMMENT, GROUP_COMMENT = "Sidewall sandbox account of ", "Sidewall sandbox group of "
_GENERATION = ", generation "
FLAGS = (constants.UF_SCRIPT | constants.UF_NORMAL_ACCOUNT | constants.UF_DONT_EXPIRE_PASSWD
         | constants.UF_PASSWD_CANT_CHANGE)
NO_USER, NO_GROUP = (2221, 1317), (2220, 1376)
NONE_MAPPED, MEMBER_IN_ALIAS = 1332, 1378


def comment(owner: Sid, generation: int) -> str:
    """What the account list of Windows shows."""
    return f"{ACCOUNT_COMMENT}{owner}{_GENERATION}{generation}"


def read_comment(text: str) -> tuple[str, int] | None:
    """Whose account it is (a SID's text) and the generation of its password; None for a comment that is not ours."""
    if not text.startswith(ACCOUNT_COMMENT):
        return None
    owner, mark, number = text[len(ACCOUNT_COMMENT):].partition(_GENERATION)
    return (owner, int(number)) if mark and number.isascii() and number.isdigit() else None


def find(api: Api, name: str) -> User | None:
    """The account, None when there is none.  Raises NetError."""
    try:
        return api.netapi32.NetUserGetInfo(name)
    except ApiError as error:
        if error.code in NO_USER:
            return None
        raise


def find_group(api: Api, name: str) -> str | None:
    """The comment of a group, None when there is none.  Raises NetError."""
    try:
        return api.netapi32.NetLocalGroupGetInfo(name)
    except ApiError as error:
        if error.code in NO_GROUP:
            return None
        raise


def group_sid(api: Api, name: str) -> Sid | None:
    """The SID of a local group, None when there is none.  Raises Win32Error."""
    try:
        sid, _, use = api.advapi32.LookupAccountNameW(name)
    except ApiError as error:
        if error.code == NONE_MAPPED:
            return None
        raise
    return Sid.from_bytes(sid) if use == constants.SidTypeAlias else None


def holder(api: Api, sid: Sid) -> str | None:
    """Who has this SID, as domain and name; None when nobody has it.  Raises Win32Error when that cannot be known."""
    try:
        name, domain, _ = api.advapi32.LookupAccountSidW(sid.to_bytes())
    except ApiError as error:
        if error.code == NONE_MAPPED:
            return None
        raise
    return f"{domain}\\{name}" if domain else name


def of_this_machine(api: Api, sid: Sid) -> bool:
    """Whether a SID is one that this machine gives to accounts that are made on it.  Raises NetError.

    A domain's account is nobody's too while no controller of the domain can be asked.
    """
    if sid.rid < LOWEST_RID:
        return False
    for name, _, _ in api.netapi32.NetUserEnum():
        found = find(api, name)
        if found is not None:
            # All of them have the machine's SID before their own number.
            local = Sid.from_bytes(found.sid)
            return (sid.authority, sid.subauthorities[:-1]) == (local.authority, local.subauthorities[:-1])
    return False


def owner_sid(owner: str) -> Sid | None:
    """The SID that a comment names, None for a text that is none."""
    try:
        return Sid(owner)
    except NtError:
        return None


def check_ours(found: User, owner: Sid) -> int:
    """The generation of an account that is there.  Raises MachineError when it is not this user's sandbox account."""
    told = read_comment(found.comment)
    if told is None or told[0] != owner:
        raise MachineError(f"there is an account {found.name} that is not Sidewall's (its comment is "
                           f"{found.comment!r}); it was not touched",
                           hint="let an administrator look at it: rename or remove it, then run `sidewall setup`")
    return told[1]


def check_group(text: str, name: str, owner: Sid) -> None:
    """Raises MachineError when a group that is there is not this user's."""
    if text != GROUP_COMMENT + owner:
        raise MachineError(f"there is a group {name} that is not Sidewall's (its comment is {text!r}); it was not "
                           "touched", hint="let an administrator look at it: rename or remove it, then run "
                                           "`sidewall setup`")


def make_group(api: Api, name: str, owner: Sid) -> None:
    """Raises NetError."""
    api.netapi32.NetLocalGroupAdd(name, comment=GROUP_COMMENT + owner)


def make(api: Api, name: str, password: str, owner: Sid, generation: int) -> None:
    """Raises NetError."""
    api.netapi32.NetUserAdd(name, password, comment=comment(owner, generation), flags=FLAGS)


def renew(api: Api, name: str, password: str, owner: Sid, generation: int) -> None:
    """A new password, and flags as if newly made: enabled, not locked.  Raises NetError."""
    api.netapi32.SetUserComment(name, comment(owner, generation))
    api.netapi32.SetUserPassword(name, password)
    api.netapi32.SetUserFlags(name, FLAGS)


def join(api: Api, group: str, account: Sid) -> None:
    """Puts an account into its group; one that is in stays in.  Raises NetError."""
    try:
        api.netapi32.NetLocalGroupAddMembers(group, [account.to_bytes()])
    except ApiError as error:
        if error.code != MEMBER_IN_ALIAS:
            raise


def members(api: Api, group: str) -> tuple[Sid, ...]:
    """The members of a group, none of one that is not there.  Raises NetError."""
    try:
        return tuple([Sid.from_bytes(sid) for sid in api.netapi32.NetLocalGroupGetMembers(group)])
    except ApiError as error:
        if error.code in NO_GROUP:
            return ()
        raise


def remove(api: Api, name: str, owner: Sid) -> bool:
    """Removes the account, if it is there and this user's; whether it was there.  Raises NetError, MachineError."""
    found = find(api, name)
    if found is None:
        return False
    check_ours(found, owner)
    api.netapi32.NetUserDel(name)
    return True


def remove_group(api: Api, name: str, owner: Sid) -> bool:
    """Removes the group, if it is there and this user's; whether it was there.  Raises NetError, MachineError."""
    found = find_group(api, name)
    if found is None:
        return False
    check_group(found, name, owner)
    api.netapi32.NetLocalGroupDel(name)
    return True


def disable(api: Api, name: str) -> None:
    """From now on nobody can log on as this account.  Raises NetError."""
    api.netapi32.SetUserFlags(name, FLAGS | constants.UF_ACCOUNTDISABLE)


def all_of_ours(api: Api) -> tuple[tuple[str, str], ...]:
    """Name and owner (a SID's text) of every sandbox account on the machine.  Raises NetError."""
    told = [(name, read_comment(text)) for name, text, _ in api.netapi32.NetUserEnum() if name.startswith(PREFIX)]
    return tuple([(name, found[0]) for name, found in told if found is not None])


def all_groups(api: Api) -> tuple[tuple[str, str], ...]:
    """Name and owner (a SID's text) of every sandbox group on the machine.  Raises NetError."""
    return tuple([(name, text[len(GROUP_COMMENT):]) for name, text in api.netapi32.NetLocalGroupEnum()
                  if name.startswith(PREFIX) and text.startswith(GROUP_COMMENT)])


__all__ = ["FLAGS", "all_groups", "all_of_ours", "check_group", "check_ours", "comment", "disable", "find",
           "find_group", "group_sid", "holder", "join", "make", "make_group", "members", "of_this_machine", "owner_sid",
           "read_comment", "remove", "remove_group", "renew"]
