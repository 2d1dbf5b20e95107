"""kernel32: the threads of a process.

Knows: the calls of "Tool Help Functions" and "Process and Thread Functions" on threads.  Must not know: why a thread is
looked for.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.constants_process import TH32CS_SNAPTHREAD
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import THREADENTRY32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
FILE_HANDLE CreateToolhelp32Snapshot(FLAGS dwFlags, DWORD th32ProcessID);
BOOL Thread32First(HANDLE hSnapshot, THREADENTRY32* lpte);
BOOL Thread32Next(HANDLE hSnapshot, THREADENTRY32* lpte);
HANDLE OpenThread(FLAGS dwDesiredAccess, BOOL bInheritHandle, DWORD dwThreadId);
"""

NO_MORE_FILES = 18


class KernelThreads(Protocol):
    """Threads.  Every call raises Win32Error."""

    def Threads(self, process_id: int) -> tuple[int, ...]:
        """The numbers of the threads that a process has now (CreateToolhelp32Snapshot)."""

    def OpenThread(self, access: int, thread_id: int) -> Handle:
        """A handle of a thread."""


class NativeThreads:
    """Those calls on the real DLL."""

    _dll: Dll

    def Threads(self, process_id: int) -> tuple[int, ...]:
        snapshot = self._dll.CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0)
        found = []
        with Handle(snapshot, self._dll.CloseHandle, "a list of threads") as listed:
            entry = THREADENTRY32(ctypes.sizeof(THREADENTRY32))
            call = self._dll.Thread32First
            while not (code := call.code(listed, ctypes.byref(entry))):
                if entry.th32OwnerProcessID == process_id:
                    found.append(entry.th32ThreadID)
                call = self._dll.Thread32Next
            if code != NO_MORE_FILES:
                raise call.error(code, listed, None)
        return tuple(found)

    def OpenThread(self, access: int, thread_id: int) -> Handle:
        value = self._dll.OpenThread(access, False, thread_id)
        return Handle(value, self._dll.CloseHandle, f"thread {thread_id}")


__all__ = ["PROTOTYPES", "KernelThreads", "NativeThreads"]
