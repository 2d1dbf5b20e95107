"""userenv: users' profiles and environments.

Knows: the calls of "User Profiles Functions".  Must not know: whose profile it is.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_security import PI_NOUI
from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_accounts import PROFILEINFOW
from sidewall.platforms.windows.startup import environment_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "userenv.dll"
PROTOTYPES = """
BOOL LoadUserProfileW(HANDLE hToken, PROFILEINFOW* lpProfileInfo);
BOOL UnloadUserProfile(HANDLE hToken, HANDLE hProfile);
BOOL CreateEnvironmentBlock(PVOID* lpEnvironment, HANDLE hToken, BOOL bInherit);
BOOL DestroyEnvironmentBlock(PVOID lpEnvironment);
BOOL DeleteProfileW(PWSTR lpSidString, PWSTR lpProfilePath, PWSTR lpComputerName);
BOOL GetUserProfileDirectoryW(HANDLE hToken, PWSTR lpProfileDir, DWORD* lpcchSize);
BOOL GetProfilesDirectoryW(PWSTR lpProfileDir, DWORD* lpcchSize);
"""

LONGEST = 32_768


class Userenv(Protocol):
    """Profiles.  Every call raises Win32Error."""

    def LoadUserProfileW(self, token: Handle, user: str) -> Handle:
        """Loads the registry of a user, and makes the profile at the first time; closing unloads it.

        The token must stay open until then.
        """

    def CreateEnvironmentBlock(self, token: Handle | None, *, inherit: bool = False) -> dict[str, str]:
        """The variables with which a session of the user (None: only the machine's) begins."""

    def DeleteProfileW(self, sid: str) -> None:
        """Removes a profile that is not loaded: files and registry.  ``sid`` is a SID's text."""

    def GetUserProfileDirectoryW(self, token: Handle) -> str:
        """A user's home."""

    def GetProfilesDirectoryW(self) -> str:
        """Where all homes are, ``C:\\Users``."""


class NativeUserenv:
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll

    def LoadUserProfileW(self, token: Handle, user: str) -> Handle:
        name = memory.wide(user)
        profile = PROFILEINFOW(ctypes.sizeof(PROFILEINFOW), PI_NOUI, ctypes.addressof(name))
        self._dll.LoadUserProfileW(token, ctypes.byref(profile))
        return Handle(profile.hProfile, lambda value: self._dll.UnloadUserProfile(token, value),
                      f"the profile of {user}")

    def CreateEnvironmentBlock(self, token: Handle | None, *, inherit: bool = False) -> dict[str, str]:
        block = ctypes.c_void_p()
        self._dll.CreateEnvironmentBlock(ctypes.byref(block), token, inherit)
        try:
            return environment_of(_block_at(block.value or 0))
        finally:
            self._dll.DestroyEnvironmentBlock(block)

    def DeleteProfileW(self, sid: str) -> None:
        self._dll.DeleteProfileW(sid, None, None)

    def GetUserProfileDirectoryW(self, token: Handle) -> str:
        buffer, size = ctypes.create_unicode_buffer(LONGEST), ctypes.c_uint32(LONGEST)
        self._dll.GetUserProfileDirectoryW(token, buffer, ctypes.byref(size))
        return buffer.value

    def GetProfilesDirectoryW(self) -> str:
        buffer, size = ctypes.create_unicode_buffer(LONGEST), ctypes.c_uint32(LONGEST)
        self._dll.GetProfilesDirectoryW(buffer, ctypes.byref(size))
        return buffer.value


def _block_at(place: int) -> bytes:
    """A copy of an environment block: texts up to an empty one."""
    lines: list[str] = []
    while line := memory.text_at(place):
        lines.append(line)
        place += 2 * (len(line.encode("utf-16-le", "surrogatepass")) // 2 + 1)
    return "".join([line + "\0" for line in lines] + ["\0"]).encode("utf-16-le", "surrogatepass")


def native(dll: Dll) -> Userenv:
    """userenv of this machine."""
    return NativeUserenv(dll)


__all__ = ["NAME", "PROTOTYPES", "NativeUserenv", "Userenv", "native"]
