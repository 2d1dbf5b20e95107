"""kernel32: handles, waiting, events, and where Windows lies.

Knows: the calls of "Handle and Object Functions" and "Synchronization Functions".  Must not know: what they are for.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.constants_process import DUPLICATE_SAME_ACCESS, HANDLE_FLAG_INHERIT
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.startup import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL CloseHandle(HANDLE hObject);
BOOL DuplicateHandle(HANDLE hSourceProcessHandle, HANDLE hSourceHandle, HANDLE hTargetProcessHandle,
    HANDLE* lpTargetHandle, FLAGS dwDesiredAccess, BOOL bInheritHandle, FLAGS dwOptions);
BOOL SetHandleInformation(HANDLE hObject, FLAGS dwMask, FLAGS dwFlags);
BOOL GetHandleInformation(HANDLE hObject, DWORD* lpdwFlags);
HLOCAL LocalFree(HLOCAL hMem);
WAIT WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);
WAIT WaitForMultipleObjects(DWORD nCount, HANDLE* lpHandles, BOOL bWaitAll, DWORD dwMilliseconds);
HANDLE CreateEventW(SECURITY_ATTRIBUTES* lpEventAttributes, BOOL bManualReset, BOOL bInitialState, PWSTR lpName);
BOOL SetEvent(HANDLE hEvent);
BOOL ResetEvent(HANDLE hEvent);
COUNT GetSystemDirectoryW(PWSTR lpBuffer, DWORD uSize);
COUNT GetWindowsDirectoryW(PWSTR lpBuffer, DWORD uSize);
DWORD SetErrorMode(FLAGS uMode);
"""

MAX_PATH = 260
CURRENT_PROCESS, CURRENT_THREAD = 2**64 - 1, 2**64 - 2
"""The pseudo handles, as pointers."""


class KernelObjects(Protocol):
    """Handles, events and waiting.  Every call raises Win32Error."""

    def GetCurrentProcess(self) -> Handle:
        """The pseudo handle of this process; never given back."""

    def GetCurrentThread(self) -> Handle:
        """The pseudo handle of this thread; never given back."""

    def DuplicateHandle(self, source: Handle, *, access: int | None = None, inherit: bool = False) -> Handle:
        """Another handle of this process for the same object; ``access`` None: the same access."""

    def DuplicateHandleTo(self, process: Handle, source: Handle, *, access: int | None = None,
                          inherit: bool = False) -> int:
        """A handle in another process, as the number that it has there; that process closes it."""

    def DuplicateHandleFrom(self, process: Handle, value: int, *, options: int = DUPLICATE_SAME_ACCESS) -> Handle:
        """A handle of another process, by its number there, as one of this process."""

    def Received(self, value: int, what: str) -> Handle:
        """A handle that another process made in this one, by its number: ours to close from now on."""

    def SetHandleInherit(self, handle: Handle, inherit: bool) -> None:
        """SetHandleInformation with HANDLE_FLAG_INHERIT."""

    def GetHandleInherit(self, handle: Handle) -> bool:
        """GetHandleInformation: whether children inherit the handle."""

    def WaitForSingleObject(self, handle: Handle, milliseconds: int) -> int:
        """WAIT_OBJECT_0, WAIT_ABANDONED or WAIT_TIMEOUT."""

    def WaitForMultipleObjects(self, handles: Sequence[Handle], milliseconds: int, *, every: bool = False) -> int:
        """WAIT_OBJECT_0 plus the index of the first that is signalled, or WAIT_TIMEOUT; at most 64 handles."""

    def CreateEventW(self, *, manual: bool = True, signalled: bool = False, name: str | None = None,
                     security: bytes | None = None) -> Handle:
        """A new event, with this self-relative descriptor."""

    def SetEvent(self, event: Handle) -> None:
        """Signals an event."""

    def ResetEvent(self, event: Handle) -> None:
        """Takes the signal back."""

    def GetSystemDirectoryW(self) -> str:
        """``C:\\Windows\\System32``, from the system and not from the environment."""

    def GetWindowsDirectoryW(self) -> str:
        """``C:\\Windows``, from the system and not from the environment."""

    def SetErrorMode(self, mode: int) -> int:
        """Which failures show a box to nobody; children inherit it.  Gives the former mode."""


class NativeObjects:
    """Those calls on the real DLL."""

    _dll: Dll

    def _own(self, value: int, what: str) -> Handle:
        return Handle(value, self._dll.CloseHandle, what)

    def GetCurrentProcess(self) -> Handle:
        return Borrowed(CURRENT_PROCESS, "this process")

    def GetCurrentThread(self) -> Handle:
        return Borrowed(CURRENT_THREAD, "this thread")

    def _duplicate(self, source: Handle | int, source_process: Handle, target_process: Handle,
                   access: int | None, inherit: bool, options: int) -> int:
        result = ctypes.c_void_p()
        options |= DUPLICATE_SAME_ACCESS if access is None else 0
        self._dll.DuplicateHandle(source_process, source, target_process, ctypes.byref(result), access or 0, inherit,
                                  options)
        return result.value or 0

    def DuplicateHandle(self, source: Handle, *, access: int | None = None, inherit: bool = False) -> Handle:
        own = self.GetCurrentProcess()
        return self._own(self._duplicate(source, own, own, access, inherit, 0), source.what)

    def DuplicateHandleTo(self, process: Handle, source: Handle, *, access: int | None = None,
                          inherit: bool = False) -> int:
        return self._duplicate(source, self.GetCurrentProcess(), process, access, inherit, 0)

    def DuplicateHandleFrom(self, process: Handle, value: int, *, options: int = DUPLICATE_SAME_ACCESS) -> Handle:
        what = f"handle 0x{value:X} of {process.what}"
        return self._own(self._duplicate(value, process, self.GetCurrentProcess(), None, False, options), what)

    def Received(self, value: int, what: str) -> Handle:
        return self._own(value, what)

    def SetHandleInherit(self, handle: Handle, inherit: bool) -> None:
        self._dll.SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT if inherit else 0)

    def GetHandleInherit(self, handle: Handle) -> bool:
        flags = ctypes.c_uint32()
        self._dll.GetHandleInformation(handle, ctypes.byref(flags))
        return bool(flags.value & HANDLE_FLAG_INHERIT)

    def WaitForSingleObject(self, handle: Handle, milliseconds: int) -> int:
        return int(self._dll.WaitForSingleObject(handle, milliseconds))

    def WaitForMultipleObjects(self, handles: Sequence[Handle], milliseconds: int, *, every: bool = False) -> int:
        array = (ctypes.c_void_p * len(handles))(*[handle.value for handle in handles])
        return int(self._dll.WaitForMultipleObjects(len(handles), array, every, milliseconds))

    def CreateEventW(self, *, manual: bool = True, signalled: bool = False, name: str | None = None,
                     security: bytes | None = None) -> Handle:
        value = self._dll.CreateEventW(Security(security).argument, manual, signalled, name)
        return self._own(value, f"event {name}" if name else "an event")

    def SetEvent(self, event: Handle) -> None:
        self._dll.SetEvent(event)

    def ResetEvent(self, event: Handle) -> None:
        self._dll.ResetEvent(event)

    def GetSystemDirectoryW(self) -> str:
        buffer = ctypes.create_unicode_buffer(MAX_PATH)
        self._dll.GetSystemDirectoryW(buffer, MAX_PATH)
        return buffer.value

    def GetWindowsDirectoryW(self) -> str:
        buffer = ctypes.create_unicode_buffer(MAX_PATH)
        self._dll.GetWindowsDirectoryW(buffer, MAX_PATH)
        return buffer.value

    def SetErrorMode(self, mode: int) -> int:
        return int(self._dll.SetErrorMode(mode))


__all__ = ["CURRENT_PROCESS", "CURRENT_THREAD", "MAX_PATH", "PROTOTYPES", "KernelObjects", "NativeObjects"]
