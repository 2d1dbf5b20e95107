"""user32: window stations and desktops.

Knows: the calls of "Window Station and Desktop Functions".  Must not know: what is to be seen there.

Loading this DLL connects the process to a window station; in session 0 without one that fails.  Nothing loads it before
a desktop is made.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.constants_security import UOI_NAME
from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.startup import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "user32.dll"
PROTOTYPES = """
HWINSTA GetProcessWindowStation();
BOOL SetProcessWindowStation(HWINSTA hWinSta);
HWINSTA CreateWindowStationW(PWSTR lpwinsta, FLAGS dwFlags, FLAGS dwDesiredAccess, SECURITY_ATTRIBUTES* lpsa);
HWINSTA OpenWindowStationW(PWSTR lpszWinSta, BOOL fInherit, FLAGS dwDesiredAccess);
BOOL CloseWindowStation(HWINSTA hWinSta);
HDESK CreateDesktopW(PWSTR lpszDesktop, PWSTR lpszDevice, DEVMODEW* pDevmode, FLAGS dwFlags, FLAGS dwDesiredAccess,
    SECURITY_ATTRIBUTES* lpsa);
HDESK OpenDesktopW(PWSTR lpszDesktop, FLAGS dwFlags, BOOL fInherit, FLAGS dwDesiredAccess);
BOOL CloseDesktop(HDESK hDesktop);
HDESK GetThreadDesktop(DWORD dwThreadId);
BOOL GetUserObjectInformationW(HANDLE hObj, INT nIndex, PVOID pvInfo, DWORD nLength, DWORD* lpnLengthNeeded);
BOOL GetUserObjectSecurity(HANDLE hObj, DWORD* pSIRequested, PSECURITY_DESCRIPTOR pSID, DWORD nLength,
    DWORD* lpnLengthNeeded);
BOOL SetUserObjectSecurity(HANDLE hObj, DWORD* pSIRequested, PSECURITY_DESCRIPTOR pSID);
"""

INSUFFICIENT_BUFFER = 122


class User32(Protocol):
    """Window stations and desktops.  Every call raises Win32Error."""

    def GetProcessWindowStation(self) -> Handle:
        """This process's window station, borrowed."""

    def SetProcessWindowStation(self, station: Handle) -> None:
        """Makes it this process's; a desktop is made in the current one."""

    def CreateWindowStationW(self, name: str | None, access: int, *, flags: int = 0, security: bytes | None = None,
                             inherit: bool = False) -> Handle:
        """A new window station, or the one of this name; without a name the logon session names it."""

    def OpenWindowStationW(self, name: str, access: int, *, inherit: bool = False) -> Handle:
        """Opens one."""

    def CreateDesktopW(self, name: str, access: int, *, security: bytes | None = None,
                       inherit: bool = False) -> Handle:
        """A new desktop of the current window station, or the one of this name."""

    def OpenDesktopW(self, name: str, access: int, *, inherit: bool = False) -> Handle:
        """Opens one."""

    def GetThreadDesktop(self, thread_id: int) -> Handle:
        """A thread's desktop, borrowed."""

    def UserObjectName(self, handle: Handle) -> str:
        """GetUserObjectInformationW(UOI_NAME)."""

    def GetUserObjectSecurity(self, handle: Handle, what: int) -> bytes:
        """Parts of the descriptor, self-relative."""

    def SetUserObjectSecurity(self, handle: Handle, what: int, descriptor: bytes) -> None:
        """Sets them."""


class NativeUser32:
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll

    def GetProcessWindowStation(self) -> Handle:
        return Borrowed(self._dll.GetProcessWindowStation(), "this process's window station")

    def SetProcessWindowStation(self, station: Handle) -> None:
        self._dll.SetProcessWindowStation(station)

    def CreateWindowStationW(self, name: str | None, access: int, *, flags: int = 0, security: bytes | None = None,
                             inherit: bool = False) -> Handle:
        value = self._dll.CreateWindowStationW(name, flags, access, Security(security, inherit).argument)
        return Handle(value, self._dll.CloseWindowStation, f"window station {name or 'of this logon session'}")

    def OpenWindowStationW(self, name: str, access: int, *, inherit: bool = False) -> Handle:
        value = self._dll.OpenWindowStationW(name, inherit, access)
        return Handle(value, self._dll.CloseWindowStation, f"window station {name}")

    def CreateDesktopW(self, name: str, access: int, *, security: bytes | None = None,
                       inherit: bool = False) -> Handle:
        value = self._dll.CreateDesktopW(name, None, None, 0, access, Security(security, inherit).argument)
        return Handle(value, self._dll.CloseDesktop, f"desktop {name}")

    def OpenDesktopW(self, name: str, access: int, *, inherit: bool = False) -> Handle:
        return Handle(self._dll.OpenDesktopW(name, 0, inherit, access), self._dll.CloseDesktop, f"desktop {name}")

    def GetThreadDesktop(self, thread_id: int) -> Handle:
        return Borrowed(self._dll.GetThreadDesktop(thread_id), f"the desktop of thread {thread_id}")

    def UserObjectName(self, handle: Handle) -> str:
        buffer, needed = ctypes.create_string_buffer(1024), ctypes.c_uint32()
        self._dll.GetUserObjectInformationW(handle, UOI_NAME, buffer, len(buffer), ctypes.byref(needed))
        return buffer.raw[: needed.value].decode("utf-16-le", "surrogatepass").rstrip("\0")

    def GetUserObjectSecurity(self, handle: Handle, what: int) -> bytes:
        query, room, needed, asked = self._dll.GetUserObjectSecurity, 512, ctypes.c_uint32(), ctypes.c_uint32(what)
        while True:
            buffer = ctypes.create_string_buffer(room)
            values = (handle, ctypes.byref(asked), buffer, room, ctypes.byref(needed))
            code = query.code(*values)
            if not code:
                return buffer.raw[: needed.value]
            if code != INSUFFICIENT_BUFFER or needed.value <= room:
                raise query.error(code, *values)
            room = needed.value

    def SetUserObjectSecurity(self, handle: Handle, what: int, descriptor: bytes) -> None:
        self._dll.SetUserObjectSecurity(handle, ctypes.byref(ctypes.c_uint32(what)), descriptor)


def native(dll: Dll) -> User32:
    """user32 of this machine."""
    return NativeUser32(dll)


__all__ = ["NAME", "PROTOTYPES", "NativeUser32", "User32", "native"]
