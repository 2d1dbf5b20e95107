"""advapi32: names and SIDs of accounts, and the rights that the local security authority keeps for them.

Knows: the calls of "LSA Policy Functions" and the look-up of accounts.  Must not know: which accounts there are to be.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import layouts_security as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.handles import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL LookupAccountNameW(PWSTR lpSystemName, PWSTR lpAccountName, PSID Sid, DWORD* cbSid, PWSTR ReferencedDomainName,
    DWORD* cchReferencedDomainName, INT* peUse);
BOOL LookupAccountSidW(PWSTR lpSystemName, PSID Sid, PWSTR Name, DWORD* cchName, PWSTR ReferencedDomainName,
    DWORD* cchReferencedDomainName, INT* peUse);
NTSTATUS LsaOpenPolicy(LSA_UNICODE_STRING* SystemName, LSA_OBJECT_ATTRIBUTES* ObjectAttributes, FLAGS DesiredAccess,
    LSA_HANDLE* PolicyHandle);
NTSTATUS LsaAddAccountRights(LSA_HANDLE PolicyHandle, PSID AccountSid, LSA_UNICODE_STRING* UserRights,
    DWORD CountOfRights);
NTSTATUS LsaRemoveAccountRights(LSA_HANDLE PolicyHandle, PSID AccountSid, BOOLEAN AllRights,
    LSA_UNICODE_STRING* UserRights, DWORD CountOfRights);
NTSTATUS LsaEnumerateAccountRights(LSA_HANDLE PolicyHandle, PSID AccountSid, LSA_UNICODE_STRING** UserRights,
    DWORD* CountOfRights);
NTSTATUS LsaEnumerateAccountsWithUserRight(LSA_HANDLE PolicyHandle, LSA_UNICODE_STRING* UserRight, PVOID* Buffer,
    DWORD* CountReturned);
NTSTATUS LsaFreeMemory(PVOID Buffer);
NTSTATUS LsaClose(LSA_HANDLE ObjectHandle);
"""

LONGEST_SID = 68
LONGEST_NAME = 512
OBJECT_NAME_NOT_FOUND = 0xC0000034
"""STATUS_OBJECT_NAME_NOT_FOUND: an account without rights is unknown to the authority."""

NO_MORE_ENTRIES = 0x8000001A
"""STATUS_NO_MORE_ENTRIES: no account has the right."""


class AccountCalls(Protocol):
    """Names and rights.  Look-ups raise Win32Error, calls of the authority StatusError."""

    def LookupAccountNameW(self, name: str) -> tuple[bytes, str, int]:
        """An account's SID, its domain, what it is (SidTypeUser ...); ERROR_NONE_MAPPED when there is none.

        Names of the domain are found too: ask for ``MACHINE\\name`` where a local account is meant.
        """

    def LookupAccountSidW(self, sid: bytes) -> tuple[str, str, int]:
        """A SID's name, its domain, what it is."""

    def LsaOpenPolicy(self, access: int) -> Handle:
        """The policy of this machine."""

    def LsaAddAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str]) -> None:
        """Gives an account rights (``SeDenyNetworkLogonRight`` ...)."""

    def LsaRemoveAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str], *, every: bool = False) -> None:
        """Takes rights from it, or all of them and its entry too; one that has none is no error."""

    def LsaEnumerateAccountRights(self, policy: Handle, sid: bytes) -> tuple[str, ...]:
        """The rights of an account."""

    def LsaEnumerateAccountsWithUserRight(self, policy: Handle, right: str) -> tuple[bytes, ...]:
        """The SIDs of all accounts with a right."""


class RightList:
    """Names of rights as an array for Windows, which must not outlive this object."""

    def __init__(self, names: Sequence[str]) -> None:
        self._texts = [memory.wide(name) for name in names]
        self.array = (layouts.LSA_UNICODE_STRING * max(len(names), 1))()
        for entry, text, name in zip(self.array, self._texts, names, strict=False):
            entry.Length = len(name.encode("utf-16-le"))
            entry.MaximumLength = entry.Length + 2
            entry.Buffer = ctypes.addressof(text)


class NativeAccounts:
    """Those calls on the real DLL."""

    _dll: Dll

    def LookupAccountNameW(self, name: str) -> tuple[bytes, str, int]:
        sid, size = ctypes.create_string_buffer(LONGEST_SID), ctypes.c_uint32(LONGEST_SID)
        domain, length = ctypes.create_unicode_buffer(LONGEST_NAME), ctypes.c_uint32(LONGEST_NAME)
        use = ctypes.c_int32()
        self._dll.LookupAccountNameW(None, name, sid, ctypes.byref(size), domain, ctypes.byref(length),
                                     ctypes.byref(use))
        return memory.sid_at(ctypes.addressof(sid)), domain.value, use.value

    def LookupAccountSidW(self, sid: bytes) -> tuple[str, str, int]:
        name, size = ctypes.create_unicode_buffer(LONGEST_NAME), ctypes.c_uint32(LONGEST_NAME)
        domain, length = ctypes.create_unicode_buffer(LONGEST_NAME), ctypes.c_uint32(LONGEST_NAME)
        use = ctypes.c_int32()
        self._dll.LookupAccountSidW(None, sid, name, ctypes.byref(size), domain, ctypes.byref(length),
                                    ctypes.byref(use))
        return name.value, domain.value, use.value

    def LsaOpenPolicy(self, access: int) -> Handle:
        policy = ctypes.c_void_p()
        attributes = layouts.LSA_OBJECT_ATTRIBUTES(ctypes.sizeof(layouts.LSA_OBJECT_ATTRIBUTES))
        self._dll.LsaOpenPolicy(None, ctypes.byref(attributes), access, ctypes.byref(policy))
        return Handle(policy.value or 0, self._dll.LsaClose, "this machine's security policy")

    def LsaAddAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str]) -> None:
        listed = RightList(rights)
        self._dll.LsaAddAccountRights(policy, sid, listed.array, len(rights))

    def LsaRemoveAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str], *, every: bool = False) -> None:
        listed = RightList(rights)
        values = (policy, sid, every, listed.array, len(rights))
        code = self._dll.LsaRemoveAccountRights.code(*values)
        if code not in (0, OBJECT_NAME_NOT_FOUND):
            raise self._dll.LsaRemoveAccountRights.error(code, *values)

    def LsaEnumerateAccountRights(self, policy: Handle, sid: bytes) -> tuple[str, ...]:
        found, count = ctypes.POINTER(layouts.LSA_UNICODE_STRING)(), ctypes.c_uint32()
        values = (policy, sid, ctypes.byref(found), ctypes.byref(count))
        code = self._dll.LsaEnumerateAccountRights.code(*values)
        if code == OBJECT_NAME_NOT_FOUND:
            return ()
        if code:
            raise self._dll.LsaEnumerateAccountRights.error(code, *values)
        try:
            entries = [found[index] for index in range(count.value)]
            return tuple([memory.counted_text_at(entry.Buffer, entry.Length) for entry in entries])
        finally:
            self._dll.LsaFreeMemory(ctypes.cast(found, ctypes.c_void_p))

    def LsaEnumerateAccountsWithUserRight(self, policy: Handle, right: str) -> tuple[bytes, ...]:
        found, count = ctypes.c_void_p(), ctypes.c_uint32()
        listed = RightList([right])
        values = (policy, listed.array, ctypes.byref(found), ctypes.byref(count))
        code = self._dll.LsaEnumerateAccountsWithUserRight.code(*values)
        if code == NO_MORE_ENTRIES:
            return ()
        if code:
            raise self._dll.LsaEnumerateAccountsWithUserRight.error(code, *values)
        try:
            entries = memory.items(layouts.LSA_ENUMERATION_INFORMATION, found.value, count.value)
            return tuple([memory.sid_at(entry.Sid) for entry in entries])
        finally:
            self._dll.LsaFreeMemory(found)


__all__ = ["PROTOTYPES", "AccountCalls", "NativeAccounts"]
