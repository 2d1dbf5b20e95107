"""advapi32: security descriptors of objects, their texts, and Windows' own access check.

Knows: the calls of "Authorization Functions" on descriptors.  Must not know: which entries a plan adds; what is inside
a descriptor (``nt`` does).  Descriptors go in and out self-relative, as bytes.

``SetKernelObjectSecurity`` writes one descriptor and nothing else.  ``SetSecurityInfo`` and ``SetNamedSecurityInfoW``
carry inheritable entries on to everything below a directory.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_security import SDDL_REVISION_1, SE_FILE_OBJECT
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_security import ACL, GENERIC_MAPPING, PRIVILEGE_SET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
WIN32_ERROR GetSecurityInfo(HANDLE handle, INT ObjectType, FLAGS SecurityInfo, PSID* ppsidOwner, PSID* ppsidGroup,
    ACL** ppDacl, ACL** ppSacl, PSECURITY_DESCRIPTOR* ppSecurityDescriptor);
WIN32_ERROR SetSecurityInfo(HANDLE handle, INT ObjectType, FLAGS SecurityInfo, PSID psidOwner, PSID psidGroup,
    ACL* pDacl, ACL* pSacl);
WIN32_ERROR GetNamedSecurityInfoW(PWSTR pObjectName, INT ObjectType, FLAGS SecurityInfo, PSID* ppsidOwner,
    PSID* ppsidGroup, ACL** ppDacl, ACL** ppSacl, PSECURITY_DESCRIPTOR* ppSecurityDescriptor);
WIN32_ERROR SetNamedSecurityInfoW(PWSTR pObjectName, INT ObjectType, FLAGS SecurityInfo, PSID psidOwner,
    PSID psidGroup, ACL* pDacl, ACL* pSacl);
BOOL GetKernelObjectSecurity(HANDLE Handle, FLAGS RequestedInformation, PSECURITY_DESCRIPTOR pSecurityDescriptor,
    DWORD nLength, DWORD* lpnLengthNeeded);
BOOL SetKernelObjectSecurity(HANDLE Handle, FLAGS SecurityInformation, PSECURITY_DESCRIPTOR SecurityDescriptor);
DWORD GetSecurityDescriptorLength(PSECURITY_DESCRIPTOR pSecurityDescriptor);
BOOL ConvertStringSecurityDescriptorToSecurityDescriptorW(PWSTR StringSecurityDescriptor, DWORD StringSDRevision,
    PSECURITY_DESCRIPTOR* SecurityDescriptor, DWORD* SecurityDescriptorSize);
BOOL ConvertSecurityDescriptorToStringSecurityDescriptorW(PSECURITY_DESCRIPTOR SecurityDescriptor,
    DWORD RequestedStringSDRevision, FLAGS SecurityInformation, PWSTR* StringSecurityDescriptor,
    DWORD* StringSecurityDescriptorLen);
BOOL ConvertSidToStringSidW(PSID Sid, PWSTR* StringSid);
BOOL ConvertStringSidToSidW(PWSTR StringSid, PSID* Sid);
BOOL AccessCheck(PSECURITY_DESCRIPTOR pSecurityDescriptor, HANDLE ClientToken, FLAGS DesiredAccess,
    GENERIC_MAPPING* GenericMapping, PRIVILEGE_SET* PrivilegeSet, DWORD* PrivilegeSetLength, DWORD* GrantedAccess,
    BOOL* AccessStatus);
"""

INSUFFICIENT_BUFFER = 122


class SecurityCalls(Protocol):
    """Descriptors.  Every call raises Win32Error."""

    def GetSecurityInfo(self, handle: Handle, kind: int, what: int) -> bytes:
        """Parts of an object's descriptor (SE_FILE_OBJECT ..., *_SECURITY_INFORMATION)."""

    def SetSecurityInfo(self, handle: Handle, kind: int, what: int, *, owner: bytes | None = None,
                        group: bytes | None = None, dacl: bytes | None = None, sacl: bytes | None = None) -> None:
        """Sets parts of it; on a directory inheritable entries are carried on to what lies below."""

    def GetNamedSecurityInfoW(self, name: str, what: int, *, kind: int = SE_FILE_OBJECT) -> bytes:
        """The same by name.  A path may lead elsewhere meanwhile: files are better asked by handle."""

    def SetNamedSecurityInfoW(self, name: str, what: int, *, kind: int = SE_FILE_OBJECT, owner: bytes | None = None,
                              group: bytes | None = None, dacl: bytes | None = None,
                              sacl: bytes | None = None) -> None:
        """The same by name."""

    def GetKernelObjectSecurity(self, handle: Handle, what: int) -> bytes:
        """Parts of the descriptor exactly as it is stored."""

    def SetKernelObjectSecurity(self, handle: Handle, what: int, descriptor: bytes) -> None:
        """Stores parts of a descriptor; nothing is carried on."""

    def DescriptorOf(self, sddl: str) -> bytes:
        """ConvertStringSecurityDescriptorToSecurityDescriptorW."""

    def SddlOf(self, descriptor: bytes, what: int) -> str:
        """ConvertSecurityDescriptorToStringSecurityDescriptorW."""

    def SidOf(self, text: str) -> bytes:
        """ConvertStringSidToSidW."""

    def TextOf(self, sid: bytes) -> str:
        """ConvertSidToStringSidW."""

    def AccessCheck(self, descriptor: bytes, token: Handle, desired: int,
                    mapping: tuple[int, int, int, int]) -> tuple[bool, int]:
        """Whether an impersonation token gets the access, and which mask it gets.

        ``mapping`` is what generic read, write, execute and all mean; ``desired`` has no generic bits.
        """


class NativeSecurity:
    """Those calls on the real DLL."""

    _dll: Dll
    _kernel: Dll

    def _taken(self, place: ctypes.c_void_p) -> bytes:
        """A copy of a descriptor that Windows allocated, and its memory freed."""
        try:
            return ctypes.string_at(place, self._dll.GetSecurityDescriptorLength(place.value))
        finally:
            self._kernel.LocalFree(place.value)

    def _asked(self, function: Any, target: Handle | str, kind: int, what: int) -> bytes:
        place = ctypes.c_void_p()
        function(target, kind, what, None, None, None, None, ctypes.byref(place))
        return self._taken(place)

    def GetSecurityInfo(self, handle: Handle, kind: int, what: int) -> bytes:
        return self._asked(self._dll.GetSecurityInfo, handle, kind, what)

    def SetSecurityInfo(self, handle: Handle, kind: int, what: int, *, owner: bytes | None = None,
                        group: bytes | None = None, dacl: bytes | None = None, sacl: bytes | None = None) -> None:
        self._dll.SetSecurityInfo(handle, kind, what, owner, group, _list(dacl), _list(sacl))

    def GetNamedSecurityInfoW(self, name: str, what: int, *, kind: int = SE_FILE_OBJECT) -> bytes:
        return self._asked(self._dll.GetNamedSecurityInfoW, name, kind, what)

    def SetNamedSecurityInfoW(self, name: str, what: int, *, kind: int = SE_FILE_OBJECT, owner: bytes | None = None,
                              group: bytes | None = None, dacl: bytes | None = None,
                              sacl: bytes | None = None) -> None:
        self._dll.SetNamedSecurityInfoW(name, kind, what, owner, group, _list(dacl), _list(sacl))

    def GetKernelObjectSecurity(self, handle: Handle, what: int) -> bytes:
        query, room, needed = self._dll.GetKernelObjectSecurity, 512, ctypes.c_uint32()
        while True:
            buffer = ctypes.create_string_buffer(room)
            values = (handle, what, buffer, room, ctypes.byref(needed))
            code = query.code(*values)
            if not code:
                return buffer.raw[: self._dll.GetSecurityDescriptorLength(buffer)]
            if code != INSUFFICIENT_BUFFER or needed.value <= room:
                raise query.error(code, *values)
            room = needed.value

    def SetKernelObjectSecurity(self, handle: Handle, what: int, descriptor: bytes) -> None:
        self._dll.SetKernelObjectSecurity(handle, what, descriptor)

    def DescriptorOf(self, sddl: str) -> bytes:
        place = ctypes.c_void_p()
        convert = self._dll.ConvertStringSecurityDescriptorToSecurityDescriptorW
        convert(sddl, SDDL_REVISION_1, ctypes.byref(place), None)
        return self._taken(place)

    def _text(self, function: Any, *values: Any) -> str:
        """Calls a function whose last argument is a place for a text that Windows allocates."""
        text = memory.Text()
        function(*values, ctypes.byref(text), *([None] if len(values) > 1 else []))
        try:
            return text.value or ""
        finally:
            self._kernel.LocalFree(ctypes.cast(text, ctypes.c_void_p).value)

    def SddlOf(self, descriptor: bytes, what: int) -> str:
        convert = self._dll.ConvertSecurityDescriptorToStringSecurityDescriptorW
        return self._text(convert, descriptor, SDDL_REVISION_1, what)

    def SidOf(self, text: str) -> bytes:
        place = ctypes.c_void_p()
        self._dll.ConvertStringSidToSidW(text, ctypes.byref(place))
        try:
            return memory.sid_at(place.value)
        finally:
            self._kernel.LocalFree(place.value)

    def TextOf(self, sid: bytes) -> str:
        return self._text(self._dll.ConvertSidToStringSidW, sid)

    def AccessCheck(self, descriptor: bytes, token: Handle, desired: int,
                    mapping: tuple[int, int, int, int]) -> tuple[bool, int]:
        granted, status, used = ctypes.c_uint32(), ctypes.c_int32(), ctypes.create_string_buffer(1024)
        size = ctypes.c_uint32(len(used))
        self._dll.AccessCheck(descriptor, token, desired, ctypes.byref(GENERIC_MAPPING(*mapping)),
                              memory.pointer(used, PRIVILEGE_SET), ctypes.byref(size), ctypes.byref(granted),
                              ctypes.byref(status))
        return bool(status.value), granted.value


def _list(acl: bytes | None) -> Any:
    return None if acl is None else memory.bytes_of(acl, ACL)


__all__ = ["PROTOTYPES", "NativeSecurity", "SecurityCalls"]
