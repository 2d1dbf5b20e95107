"""netapi32: local accounts and groups of this machine.

Knows: the calls of "Network Management" for users and local groups.  Must not know: which accounts there are to be.
Members of groups are named by SID; every list is read to its end.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import layouts_accounts as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.dll import Dll, Function
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Protocol
else:
    Protocol = object

NAME = "netapi32.dll"
PROTOTYPES = """
NET_API_STATUS NetUserAdd(PWSTR servername, DWORD level, BYTE* buf, DWORD* parm_err);
NET_API_STATUS NetUserDel(PWSTR servername, PWSTR username);
NET_API_STATUS NetUserGetInfo(PWSTR servername, PWSTR username, DWORD level, BYTE** bufptr);
NET_API_STATUS NetUserSetInfo(PWSTR servername, PWSTR username, DWORD level, BYTE* buf, DWORD* parm_err);
NET_API_STATUS NetUserEnum(PWSTR servername, DWORD level, FLAGS filter, BYTE** bufptr, DWORD prefmaxlen,
    DWORD* entriesread, DWORD* totalentries, DWORD* resume_handle);
NET_API_STATUS NetUserGetLocalGroups(PWSTR servername, PWSTR username, DWORD level, FLAGS flags, BYTE** bufptr,
    DWORD prefmaxlen, DWORD* entriesread, DWORD* totalentries);
NET_API_STATUS NetUserModalsGet(PWSTR servername, DWORD level, BYTE** bufptr);
NET_API_STATUS NetLocalGroupAdd(PWSTR servername, DWORD level, BYTE* buf, DWORD* parm_err);
NET_API_STATUS NetLocalGroupDel(PWSTR servername, PWSTR groupname);
NET_API_STATUS NetLocalGroupGetInfo(PWSTR servername, PWSTR groupname, DWORD level, BYTE** bufptr);
NET_API_STATUS NetLocalGroupAddMembers(PWSTR servername, PWSTR groupname, DWORD level, BYTE* buf, DWORD totalentries);
NET_API_STATUS NetLocalGroupDelMembers(PWSTR servername, PWSTR groupname, DWORD level, BYTE* buf, DWORD totalentries);
NET_API_STATUS NetLocalGroupGetMembers(PWSTR servername, PWSTR localgroupname, DWORD level, BYTE** bufptr,
    DWORD prefmaxlen, DWORD* entriesread, DWORD* totalentries, ULONG_PTR* resumehandle);
NET_API_STATUS NetLocalGroupEnum(PWSTR servername, DWORD level, BYTE** bufptr, DWORD prefmaxlen, DWORD* entriesread,
    DWORD* totalentries, ULONG_PTR* resumehandle);
NET_API_STATUS NetApiBufferFree(PVOID Buffer);
"""

MORE_DATA = 234


class User(Record):
    """An account.  ``flags`` are UF_*; ``expires`` TIMEQ_FOREVER or seconds since 1970; ``bad_passwords`` counts up to
    the lock-out."""

    name: str
    sid: bytes
    full_name: str
    comment: str
    flags: int
    password_age: int
    password_expired: bool
    bad_passwords: int
    expires: int


class PasswordPolicy(Record):
    """What this machine asks: least length, greatest age (seconds, TIMEQ_FOREVER for none), when it locks an account
    (0: never), for how many seconds."""

    minimum_length: int
    maximum_age: int
    lockout_threshold: int
    lockout_seconds: int


class Netapi32(Protocol):
    """Accounts and groups.  Every call raises NetError."""

    def NetUserAdd(self, name: str, password: str, *, comment: str = "",
                   flags: int = constants.UF_SCRIPT | constants.UF_NORMAL_ACCOUNT) -> None:
        """Makes an account."""

    def NetUserDel(self, name: str) -> None:
        """Removes it; its profile stays (userenv's ``DeleteProfileW``)."""

    def NetUserGetInfo(self, name: str) -> User:
        """Reads it; NERR_UserNotFound when there is none."""

    def SetUserPassword(self, name: str, password: str) -> None:
        """NetUserSetInfo 1003.  What the account protected by DPAPI with its old password is lost."""

    def SetUserComment(self, name: str, comment: str) -> None:
        """NetUserSetInfo 1007."""

    def SetUserFlags(self, name: str, flags: int) -> None:
        """NetUserSetInfo 1008: UF_*; without UF_LOCKOUT a locked account is free again."""

    def SetUserFullName(self, name: str, full_name: str) -> None:
        """NetUserSetInfo 1011."""

    def NetUserEnum(self) -> tuple[tuple[str, str, int], ...]:
        """Name, comment and flags of every local account."""

    def NetUserGetLocalGroups(self, name: str, *, indirect: bool = True) -> tuple[str, ...]:
        """The local groups that it is in."""

    def NetUserModalsGet(self) -> PasswordPolicy:
        """What this machine asks of passwords."""

    def NetLocalGroupAdd(self, name: str, *, comment: str = "") -> None:
        """Makes a local group."""

    def NetLocalGroupDel(self, name: str) -> None:
        """Removes it."""

    def NetLocalGroupGetInfo(self, name: str) -> str:
        """Its comment; NERR_GroupNotFound when there is none."""

    def NetLocalGroupEnum(self) -> tuple[tuple[str, str], ...]:
        """Name and comment of every local group."""

    def NetLocalGroupAddMembers(self, name: str, sids: Sequence[bytes]) -> None:
        """Puts accounts in; ERROR_MEMBER_IN_ALIAS when one is in already."""

    def NetLocalGroupDelMembers(self, name: str, sids: Sequence[bytes]) -> None:
        """Takes accounts out; ERROR_MEMBER_NOT_IN_ALIAS when one is not in."""

    def NetLocalGroupGetMembers(self, name: str) -> tuple[bytes, ...]:
        """The SIDs of its members."""


class NativeNetapi32:
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll

    def _give(self, function: Function, *values: Any, buffer: Any, tail: tuple[Any, ...] = (None,)) -> None:
        function(None, *values, memory.pointer(buffer, ctypes.c_uint8), *tail)

    def _ask(self, function: Function, values: tuple[Any, ...], layout: Any, copy: Any) -> Any:
        """Reads one structure, copies what is wanted, frees it."""
        place = ctypes.POINTER(ctypes.c_uint8)()
        function(None, *values, ctypes.byref(place))
        try:
            return copy(ctypes.cast(place, ctypes.POINTER(layout)).contents)
        finally:
            self._dll.NetApiBufferFree(ctypes.cast(place, ctypes.c_void_p))

    def _list(self, function: Function, head: tuple[Any, ...], layout: Any, resume: Any) -> Iterator[Any]:
        """Structures of a list that comes in parts; each is valid until the next is asked for."""
        while True:
            place: Any = ctypes.POINTER(ctypes.c_uint8)()
            count, total = ctypes.c_uint32(), ctypes.c_uint32()
            tail = () if resume is None else (ctypes.byref(resume),)
            values = (None, *head, ctypes.byref(place), constants.MAX_PREFERRED_LENGTH, ctypes.byref(count),
                      ctypes.byref(total), *tail)
            code = function.code(*values)
            try:
                if code not in (0, MORE_DATA):
                    raise function.error(code, *values)
                if place:
                    yield from memory.items(layout, ctypes.addressof(place.contents), count.value)
            finally:
                if place:
                    self._dll.NetApiBufferFree(ctypes.cast(place, ctypes.c_void_p))
            if code != MORE_DATA or resume is None:
                return

    def NetUserAdd(self, name: str, password: str, *, comment: str = "",
                   flags: int = constants.UF_SCRIPT | constants.UF_NORMAL_ACCOUNT) -> None:
        texts = [memory.wide(name), memory.wide(password), memory.wide(comment)]
        user = layouts.USER_INFO_1(usri1_priv=constants.USER_PRIV_USER, usri1_flags=flags)
        user.usri1_name, user.usri1_password, user.usri1_comment = [ctypes.addressof(text) for text in texts]
        # The message names the account, which is not among the arguments.
        try:
            self._named(self._dll.NetUserAdd, name, 1, user)
        finally:
            ctypes.memset(texts[1], 0, len(texts[1]))

    def _named(self, function: Function, name: str, level: int, buffer: Any) -> None:
        code = function.code(None, level, memory.pointer(buffer, ctypes.c_uint8), None)
        if code:
            from sidewall.platforms.windows.errors import failure, quoted
            from sidewall.platforms.windows.prototypes import NET

            raise failure(function.prototype.name, NET, code, arguments=(("name", quoted(name)),), target=name)

    def NetUserDel(self, name: str) -> None:
        self._dll.NetUserDel(None, name)

    def NetUserGetInfo(self, name: str) -> User:
        def copy(info: layouts.USER_INFO_4) -> User:
            return User(
                name=memory.text_at(info.usri4_name), sid=memory.sid_at(info.usri4_user_sid),
                full_name=memory.text_at(info.usri4_full_name), comment=memory.text_at(info.usri4_comment),
                flags=info.usri4_flags, password_age=info.usri4_password_age,
                password_expired=bool(info.usri4_password_expired), bad_passwords=info.usri4_bad_pw_count,
                expires=info.usri4_acct_expires,
            )  # fmt: skip

        user: User = self._ask(self._dll.NetUserGetInfo, (name, 4), layouts.USER_INFO_4, copy)
        return user

    def SetUserPassword(self, name: str, password: str) -> None:
        text = memory.wide(password)
        try:
            self._give(self._dll.NetUserSetInfo, name, 1003, buffer=layouts.USER_INFO_1003(ctypes.addressof(text)))
        finally:
            ctypes.memset(text, 0, len(text))

    def SetUserComment(self, name: str, comment: str) -> None:
        text = memory.wide(comment)
        self._give(self._dll.NetUserSetInfo, name, 1007, buffer=layouts.USER_INFO_1007(ctypes.addressof(text)))

    def SetUserFlags(self, name: str, flags: int) -> None:
        self._give(self._dll.NetUserSetInfo, name, 1008, buffer=layouts.USER_INFO_1008(flags))

    def SetUserFullName(self, name: str, full_name: str) -> None:
        text = memory.wide(full_name)
        self._give(self._dll.NetUserSetInfo, name, 1011, buffer=layouts.USER_INFO_1011(ctypes.addressof(text)))

    def NetUserEnum(self) -> tuple[tuple[str, str, int], ...]:
        listed = self._list(self._dll.NetUserEnum, (1, constants.FILTER_NORMAL_ACCOUNT), layouts.USER_INFO_1,
                            ctypes.c_uint32())
        return tuple([
            (memory.text_at(user.usri1_name), memory.text_at(user.usri1_comment), int(user.usri1_flags))
            for user in listed
        ])  # fmt: skip

    def NetUserGetLocalGroups(self, name: str, *, indirect: bool = True) -> tuple[str, ...]:
        flags = constants.LG_INCLUDE_INDIRECT if indirect else 0
        listed = self._list(self._dll.NetUserGetLocalGroups, (name, 0, flags), layouts.LOCALGROUP_USERS_INFO_0, None)
        return tuple([memory.text_at(group.lgrui0_name) for group in listed])

    def NetUserModalsGet(self) -> PasswordPolicy:
        def lengths(info: layouts.USER_MODALS_INFO_0) -> tuple[int, int]:
            return info.usrmod0_min_passwd_len, info.usrmod0_max_passwd_age

        def lockout(info: layouts.USER_MODALS_INFO_3) -> tuple[int, int]:
            return info.usrmod3_lockout_threshold, info.usrmod3_lockout_duration

        least, age = self._ask(self._dll.NetUserModalsGet, (0,), layouts.USER_MODALS_INFO_0, lengths)
        threshold, seconds = self._ask(self._dll.NetUserModalsGet, (3,), layouts.USER_MODALS_INFO_3, lockout)
        return PasswordPolicy(minimum_length=least, maximum_age=age, lockout_threshold=threshold,
                              lockout_seconds=seconds)

    def NetLocalGroupAdd(self, name: str, *, comment: str = "") -> None:
        texts = [memory.wide(name), memory.wide(comment)]
        self._named(self._dll.NetLocalGroupAdd, name, 1,
                    layouts.LOCALGROUP_INFO_1(*[ctypes.addressof(text) for text in texts]))

    def NetLocalGroupDel(self, name: str) -> None:
        self._dll.NetLocalGroupDel(None, name)

    def NetLocalGroupGetInfo(self, name: str) -> str:
        def comment(info: layouts.LOCALGROUP_INFO_1) -> str:
            return memory.text_at(info.lgrpi1_comment)

        found: str = self._ask(self._dll.NetLocalGroupGetInfo, (name, 1), layouts.LOCALGROUP_INFO_1, comment)
        return found

    def NetLocalGroupEnum(self) -> tuple[tuple[str, str], ...]:
        listed = self._list(self._dll.NetLocalGroupEnum, (1,), layouts.LOCALGROUP_INFO_1, ctypes.c_size_t())
        return tuple([(memory.text_at(group.lgrpi1_name), memory.text_at(group.lgrpi1_comment)) for group in listed])

    def _members(self, function: Function, name: str, sids: Sequence[bytes]) -> None:
        texts = [ctypes.create_string_buffer(sid, len(sid)) for sid in sids]
        array = (layouts.LOCALGROUP_MEMBERS_INFO_0 * max(len(sids), 1))()
        for entry, text in zip(array, texts, strict=False):
            entry.lgrmi0_sid = ctypes.addressof(text)
        self._give(function, name, 0, buffer=array, tail=(len(sids),))

    def NetLocalGroupAddMembers(self, name: str, sids: Sequence[bytes]) -> None:
        self._members(self._dll.NetLocalGroupAddMembers, name, sids)

    def NetLocalGroupDelMembers(self, name: str, sids: Sequence[bytes]) -> None:
        self._members(self._dll.NetLocalGroupDelMembers, name, sids)

    def NetLocalGroupGetMembers(self, name: str) -> tuple[bytes, ...]:
        listed = self._list(self._dll.NetLocalGroupGetMembers, (name, 0), layouts.LOCALGROUP_MEMBERS_INFO_0,
                            ctypes.c_size_t())
        return tuple([memory.sid_at(member.lgrmi0_sid) for member in listed])


def native(dll: Dll) -> Netapi32:
    """netapi32 of this machine."""
    return NativeNetapi32(dll)


__all__ = ["NAME", "PROTOTYPES", "NativeNetapi32", "Netapi32", "PasswordPolicy", "User", "native"]
