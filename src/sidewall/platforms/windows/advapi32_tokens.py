"""advapi32: access tokens, read, duplicated, restricted and set.

Knows: the calls of "Authorization Functions" on tokens, and where a token's answers point.  Must not know: which token
a plan asks for.  SIDs and access control lists go in and out as bytes; ``nt`` reads them.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import layouts_security as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.startup import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL OpenProcessToken(HANDLE ProcessHandle, FLAGS DesiredAccess, HANDLE* TokenHandle);
BOOL OpenThreadToken(HANDLE ThreadHandle, FLAGS DesiredAccess, BOOL OpenAsSelf, HANDLE* TokenHandle);
BOOL GetTokenInformation(HANDLE TokenHandle, INT TokenInformationClass, PVOID TokenInformation,
    DWORD TokenInformationLength, DWORD* ReturnLength);
BOOL SetTokenInformation(HANDLE TokenHandle, INT TokenInformationClass, PVOID TokenInformation,
    DWORD TokenInformationLength);
BOOL DuplicateTokenEx(HANDLE hExistingToken, FLAGS dwDesiredAccess, SECURITY_ATTRIBUTES* lpTokenAttributes,
    INT ImpersonationLevel, INT TokenType, HANDLE* phNewToken);
BOOL CreateRestrictedToken(HANDLE ExistingTokenHandle, FLAGS Flags, DWORD DisableSidCount,
    SID_AND_ATTRIBUTES* SidsToDisable, DWORD DeletePrivilegeCount, LUID_AND_ATTRIBUTES* PrivilegesToDelete,
    DWORD RestrictedSidCount, SID_AND_ATTRIBUTES* SidsToRestrict, HANDLE* NewTokenHandle);
BOOL AdjustTokenPrivileges(HANDLE TokenHandle, BOOL DisableAllPrivileges, TOKEN_PRIVILEGES* NewState,
    DWORD BufferLength, TOKEN_PRIVILEGES* PreviousState, DWORD* ReturnLength);
BOOL LookupPrivilegeValueW(PWSTR lpSystemName, PWSTR lpName, LUID* lpLuid);
BOOL LookupPrivilegeNameW(PWSTR lpSystemName, LUID* lpLuid, PWSTR lpName, DWORD* cchName);
ANSWER IsTokenRestricted(HANDLE TokenHandle);
BOOL CheckTokenMembership(HANDLE TokenHandle, PSID SidToCheck, BOOL* IsMember);
BOOL ImpersonateLoggedOnUser(HANDLE hToken);
BOOL ImpersonateNamedPipeClient(HANDLE hNamedPipe);
BOOL RevertToSelf();
"""

NOT_ALL_ASSIGNED, INSUFFICIENT_BUFFER, BAD_LENGTH = 1300, 122, 24


class TokenCalls(Protocol):
    """Tokens.  Every call raises Win32Error."""

    def OpenProcessToken(self, process: Handle, access: int) -> Handle:
        """The token of a process."""

    def OpenThreadToken(self, thread: Handle, access: int, *, as_self: bool = True) -> Handle:
        """The token that a thread wears while it impersonates; ERROR_NO_TOKEN when it wears none."""

    def TokenUser(self, token: Handle) -> bytes:
        """The SID of whom it is."""

    def TokenGroups(self, token: Handle, kind: int = constants.TokenGroups) -> tuple[tuple[bytes, int], ...]:
        """SIDs and attributes: TokenGroups, TokenRestrictedSids or TokenLogonSid."""

    def TokenPrivileges(self, token: Handle) -> tuple[tuple[int, int], ...]:
        """LUIDs and attributes of its privileges."""

    def TokenSid(self, token: Handle, kind: int) -> bytes:
        """One SID: TokenOwner, TokenPrimaryGroup or TokenIntegrityLevel."""

    def TokenNumber(self, token: Handle, kind: int) -> int:
        """One number: TokenType, TokenElevation, TokenElevationType, TokenSessionId, TokenIsAppContainer ..."""

    def TokenDefaultDacl(self, token: Handle) -> bytes | None:
        """The list that new objects get, None for none."""

    def TokenLinkedToken(self, token: Handle) -> Handle:
        """The other half of an administrator's two tokens."""

    def TokenStatistics(self, token: Handle) -> layouts.TOKEN_STATISTICS:
        """Numbers that tell tokens and logons apart."""

    def SetTokenDefaultDacl(self, token: Handle, acl: bytes) -> None:
        """Sets the list that new objects get."""

    def SetTokenIntegrityLevel(self, token: Handle, sid: bytes) -> None:
        """Lowers the integrity level."""

    def SetTokenOwner(self, token: Handle, sid: bytes) -> None:
        """Sets who owns new objects."""

    def DuplicateTokenEx(self, token: Handle, access: int, *, level: int = constants.SecurityImpersonation,
                         kind: int = constants.TokenPrimary, security: bytes | None = None) -> Handle:
        """A copy, primary or for impersonation."""

    def CreateRestrictedToken(self, token: Handle, flags: int, *, disable: Sequence[bytes] = (),
                              delete: Sequence[int] = (), restrict: Sequence[bytes] = ()) -> Handle:
        """A copy with SIDs for denying only, privileges (LUIDs) gone, restricting SIDs added.

        That the call succeeds proves nothing: read the result.
        """

    def AdjustTokenPrivileges(self, token: Handle, changes: Sequence[tuple[int, int]]) -> None:
        """Sets attributes of privileges (LUIDs); raises ERROR_NOT_ALL_ASSIGNED when the token lacks one."""

    def LookupPrivilegeValueW(self, name: str) -> int:
        """The LUID of a privilege on this machine."""

    def LookupPrivilegeNameW(self, luid: int) -> str:
        """Its name."""

    def IsTokenRestricted(self, token: Handle) -> bool:
        """Whether it has restricting SIDs."""

    def CheckTokenMembership(self, token: Handle | None, sid: bytes) -> bool:
        """Whether a SID is enabled in an impersonation token (None: in the thread's own)."""

    def ImpersonateLoggedOnUser(self, token: Handle) -> None:
        """This thread wears the token until ``RevertToSelf``."""

    def ImpersonateNamedPipeClient(self, pipe: Handle) -> None:
        """This thread wears the token of a pipe's client."""

    def RevertToSelf(self) -> None:
        """This thread is itself again."""


def luid_of(number: int) -> layouts.LUID:
    """A LUID as a structure."""
    return layouts.LUID(number & 0xFFFFFFFF, number >> 32)


def number_of(luid: layouts.LUID) -> int:
    """A LUID as one number."""
    return int(luid.HighPart) << 32 | int(luid.LowPart)


class NativeTokens:
    """Those calls on the real DLL."""

    _dll: Dll
    _kernel: Dll

    def _own(self, value: int | None, what: str) -> Handle:
        return Handle(value or 0, self._kernel.CloseHandle, what)

    def OpenProcessToken(self, process: Handle, access: int) -> Handle:
        token = ctypes.c_void_p()
        self._dll.OpenProcessToken(process, access, ctypes.byref(token))
        return self._own(token.value, f"the token of {process.what}")

    def OpenThreadToken(self, thread: Handle, access: int, *, as_self: bool = True) -> Handle:
        token = ctypes.c_void_p()
        self._dll.OpenThreadToken(thread, access, as_self, ctypes.byref(token))
        return self._own(token.value, f"the token of {thread.what}")

    def _information(self, token: Handle, kind: int) -> ctypes.Array[ctypes.c_char]:
        query, room, needed = self._dll.GetTokenInformation, 256, ctypes.c_uint32()
        while True:
            buffer = ctypes.create_string_buffer(room)
            values = (token, kind, buffer, room, ctypes.byref(needed))
            code = query.code(*values)
            if not code:
                return buffer
            if code not in (INSUFFICIENT_BUFFER, BAD_LENGTH) or needed.value <= room:
                raise query.error(code, *values)
            room = needed.value

    def _structure(self, token: Handle, kind: int, layout: Any, size: int) -> Any:
        """Reads a structure of fixed size, which some classes insist on."""
        structure = layout()
        self._dll.GetTokenInformation(token, kind, ctypes.byref(structure), size, ctypes.byref(ctypes.c_uint32()))
        return structure

    def TokenUser(self, token: Handle) -> bytes:
        buffer = self._information(token, constants.TokenUser)
        return memory.sid_at(layouts.TOKEN_USER.from_buffer(buffer).User.Sid)

    def TokenGroups(self, token: Handle, kind: int = constants.TokenGroups) -> tuple[tuple[bytes, int], ...]:
        buffer = self._information(token, kind)
        listed = layouts.TOKEN_GROUPS.from_buffer(buffer)
        groups = memory.items(layouts.SID_AND_ATTRIBUTES, listed.Groups, listed.GroupCount)
        return tuple([(memory.sid_at(group.Sid), int(group.Attributes)) for group in groups])

    def TokenPrivileges(self, token: Handle) -> tuple[tuple[int, int], ...]:
        buffer = self._information(token, constants.TokenPrivileges)
        listed = layouts.TOKEN_PRIVILEGES.from_buffer(buffer)
        entries = memory.items(layouts.LUID_AND_ATTRIBUTES, listed.Privileges, listed.PrivilegeCount)
        return tuple([(number_of(entry.Luid), int(entry.Attributes)) for entry in entries])

    def TokenSid(self, token: Handle, kind: int) -> bytes:
        buffer = self._information(token, kind)  # the SID's address is the first field of all three structures
        return memory.sid_at(layouts.TOKEN_OWNER.from_buffer(buffer).Owner)

    def TokenNumber(self, token: Handle, kind: int) -> int:
        return int(self._structure(token, kind, ctypes.c_uint32, 4).value)

    def TokenDefaultDacl(self, token: Handle) -> bytes | None:
        buffer = self._information(token, constants.TokenDefaultDacl)
        dacl = layouts.TOKEN_DEFAULT_DACL.from_buffer(buffer).DefaultDacl
        return memory.acl_at(ctypes.addressof(dacl.contents)) if dacl else None

    def TokenLinkedToken(self, token: Handle) -> Handle:
        linked = self._structure(token, constants.TokenLinkedToken, layouts.TOKEN_LINKED_TOKEN, 8)
        return self._own(linked.LinkedToken, f"the token linked to {token.what}")

    def TokenStatistics(self, token: Handle) -> layouts.TOKEN_STATISTICS:
        layout = layouts.TOKEN_STATISTICS
        size = ctypes.sizeof(layout)
        found: layouts.TOKEN_STATISTICS = self._structure(token, constants.TokenStatistics, layout, size)
        return found

    def SetTokenDefaultDacl(self, token: Handle, acl: bytes) -> None:
        given = layouts.TOKEN_DEFAULT_DACL(memory.bytes_of(acl, layouts.ACL))
        self._dll.SetTokenInformation(token, constants.TokenDefaultDacl, ctypes.byref(given), ctypes.sizeof(given))

    def SetTokenIntegrityLevel(self, token: Handle, sid: bytes) -> None:
        listed = memory.SidList([(sid, 0x20)])  # SE_GROUP_INTEGRITY
        size = ctypes.sizeof(layouts.TOKEN_MANDATORY_LABEL) + len(sid)
        self._dll.SetTokenInformation(token, constants.TokenIntegrityLevel, listed.array, size)

    def SetTokenOwner(self, token: Handle, sid: bytes) -> None:
        listed = memory.SidList([(sid, 0)])
        size = ctypes.sizeof(layouts.TOKEN_OWNER)
        self._dll.SetTokenInformation(token, constants.TokenOwner, listed.array, size)

    def DuplicateTokenEx(self, token: Handle, access: int, *, level: int = constants.SecurityImpersonation,
                         kind: int = constants.TokenPrimary, security: bytes | None = None) -> Handle:
        made = ctypes.c_void_p()
        self._dll.DuplicateTokenEx(token, access, Security(security).argument, level, kind, ctypes.byref(made))
        return self._own(made.value, f"a copy of {token.what}")

    def CreateRestrictedToken(self, token: Handle, flags: int, *, disable: Sequence[bytes] = (),
                              delete: Sequence[int] = (), restrict: Sequence[bytes] = ()) -> Handle:
        disabled = memory.SidList([(sid, 0) for sid in disable])
        restricting = memory.SidList([(sid, 0) for sid in restrict])
        deleted = (layouts.LUID_AND_ATTRIBUTES * max(len(delete), 1))()
        for entry, luid in zip(deleted, delete, strict=False):
            entry.Luid = luid_of(luid)
        made = ctypes.c_void_p()
        self._dll.CreateRestrictedToken(
            token, flags, disabled.count, disabled.argument, len(delete), deleted if delete else None,
            restricting.count, restricting.argument, ctypes.byref(made))
        return self._own(made.value, f"a restricted copy of {token.what}")

    def AdjustTokenPrivileges(self, token: Handle, changes: Sequence[tuple[int, int]]) -> None:
        size = layouts.TOKEN_PRIVILEGES.Privileges.offset + ctypes.sizeof(layouts.LUID_AND_ATTRIBUTES) * len(changes)
        buffer = ctypes.create_string_buffer(max(size, ctypes.sizeof(layouts.TOKEN_PRIVILEGES)))
        listed = layouts.TOKEN_PRIVILEGES.from_buffer(buffer)
        listed.PrivilegeCount = len(changes)
        entries = memory.items(layouts.LUID_AND_ATTRIBUTES, listed.Privileges, len(changes))
        for entry, (luid, attributes) in zip(entries, changes, strict=True):
            entry.Luid, entry.Attributes = luid_of(luid), attributes
        values = (token, False, ctypes.byref(listed), 0, None, None)
        self._dll.AdjustTokenPrivileges(*values)
        # It succeeds when it could set but some of them, and says so in the last error alone.
        if self._dll.last_error() == NOT_ALL_ASSIGNED:
            raise self._dll.AdjustTokenPrivileges.error(NOT_ALL_ASSIGNED, *values)

    def LookupPrivilegeValueW(self, name: str) -> int:
        luid = layouts.LUID()
        self._dll.LookupPrivilegeValueW(None, name, ctypes.byref(luid))
        return number_of(luid)

    def LookupPrivilegeNameW(self, luid: int) -> str:
        buffer, size = ctypes.create_unicode_buffer(256), ctypes.c_uint32(256)
        self._dll.LookupPrivilegeNameW(None, ctypes.byref(luid_of(luid)), buffer, ctypes.byref(size))
        return buffer.value

    def IsTokenRestricted(self, token: Handle) -> bool:
        return bool(self._dll.IsTokenRestricted(token))

    def CheckTokenMembership(self, token: Handle | None, sid: bytes) -> bool:
        answer = ctypes.c_int32()
        self._dll.CheckTokenMembership(token, sid, ctypes.byref(answer))
        return bool(answer.value)

    def ImpersonateLoggedOnUser(self, token: Handle) -> None:
        self._dll.ImpersonateLoggedOnUser(token)

    def ImpersonateNamedPipeClient(self, pipe: Handle) -> None:
        self._dll.ImpersonateNamedPipeClient(pipe)

    def RevertToSelf(self) -> None:
        self._dll.RevertToSelf()


__all__ = ["PROTOTYPES", "NativeTokens", "TokenCalls"]
