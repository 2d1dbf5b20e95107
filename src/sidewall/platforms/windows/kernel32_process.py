"""kernel32: processes and the attributes that they start with.

Knows: the calls of "Process and Thread Functions".  Must not know: tokens, accounts (advapi32), why a process starts.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.constants_process import (
    PROC_THREAD_ATTRIBUTE_CHILD_PROCESS_POLICY,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROC_THREAD_ATTRIBUTE_MITIGATION_POLICY,
    PROC_THREAD_ATTRIBUTE_PARENT_PROCESS,
    PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE,
)
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import FILETIME, PROCESS_MEMORY_COUNTERS
from sidewall.platforms.windows.startup import AttributeList, Start, Started, StartInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
BOOL CreateProcessW(PWSTR lpApplicationName, PWSTR lpCommandLine, SECURITY_ATTRIBUTES* lpProcessAttributes,
    SECURITY_ATTRIBUTES* lpThreadAttributes, BOOL bInheritHandles, FLAGS dwCreationFlags, PVOID lpEnvironment,
    PWSTR lpCurrentDirectory, STARTUPINFOW* lpStartupInfo, PROCESS_INFORMATION* lpProcessInformation);
BOOL InitializeProcThreadAttributeList(LPPROC_THREAD_ATTRIBUTE_LIST lpAttributeList, DWORD dwAttributeCount,
    DWORD dwFlags, SIZE_T* lpSize);
BOOL UpdateProcThreadAttribute(LPPROC_THREAD_ATTRIBUTE_LIST lpAttributeList, DWORD dwFlags, SIZE_T Attribute,
    PVOID lpValue, SIZE_T cbSize, PVOID lpPreviousValue, SIZE_T* lpReturnSize);
VOID DeleteProcThreadAttributeList(LPPROC_THREAD_ATTRIBUTE_LIST lpAttributeList);
HANDLE OpenProcess(FLAGS dwDesiredAccess, BOOL bInheritHandle, DWORD dwProcessId);
BOOL TerminateProcess(HANDLE hProcess, DWORD uExitCode);
BOOL GetExitCodeProcess(HANDLE hProcess, DWORD* lpExitCode);
COUNT GetProcessId(HANDLE Process);
BOOL GetProcessTimes(HANDLE hProcess, FILETIME* lpCreationTime, FILETIME* lpExitTime, FILETIME* lpKernelTime,
    FILETIME* lpUserTime);
BOOL QueryFullProcessImageNameW(HANDLE hProcess, DWORD dwFlags, PWSTR lpExeName, DWORD* lpdwSize);
BOOL ProcessIdToSessionId(DWORD dwProcessId, DWORD* pSessionId);
WAIT ResumeThread(HANDLE hThread);
BOOL K32GetProcessMemoryInfo(HANDLE Process, PROCESS_MEMORY_COUNTERS* ppsmemCounters, DWORD cb);
BOOL K32EnumProcesses(DWORD* lpidProcess, DWORD cb, DWORD* lpcbNeeded);
"""

LONG_PATH = 32_768
"""Characters of the longest path, its zero counted."""


class KernelProcesses(Protocol):
    """Processes.  Every call raises Win32Error."""

    def CreateProcessW(self, info: StartInfo) -> Started:
        """Starts a process with this process's own token."""

    def ProcThreadAttributeList(self, *, handles: Sequence[Handle] = (), jobs: Sequence[Handle] = (),
                                pseudo_console: Handle | None = None, parent: Handle | None = None,
                                mitigation: int | None = None, child_processes: int | None = None) -> AttributeList:
        """A list of attributes for one start, which the caller closes afterwards.

        ``handles`` are all that pass (they must be inheritable), ``jobs`` hold the process from its first instruction;
        from ``parent`` (PROCESS_CREATE_PROCESS) it has its token and its jobs.
        """

    def OpenProcess(self, access: int, process_id: int) -> Handle:
        """A handle of a running process."""

    def TerminateProcess(self, process: Handle, exit_code: int) -> None:
        """Ends a process at once."""

    def GetExitCodeProcess(self, process: Handle) -> int:
        """Its exit code, 0 to 2**32 - 1; STILL_ACTIVE may mean that it runs."""

    def GetProcessId(self, process: Handle) -> int:
        """Its number."""

    def GetProcessTimes(self, process: Handle) -> tuple[int, int, int, int]:
        """When it began and ended (100 ns since 1601), how long it was in the kernel and in its own code (100 ns)."""

    def QueryFullProcessImageNameW(self, process: Handle) -> str:
        """The path of its program."""

    def ProcessIdToSessionId(self, process_id: int) -> int:
        """The session of Remote Desktop Services that it belongs to."""

    def ResumeThread(self, thread: Handle) -> int:
        """Lets a thread go on that was started suspended; how often it was suspended before."""

    def PeakWorkingSet(self, process: Handle) -> int:
        """K32GetProcessMemoryInfo: the most memory that it had, in bytes."""

    def EnumProcesses(self) -> tuple[int, ...]:
        """The numbers of all processes."""


class NativeProcesses:
    """Those calls on the real DLL."""

    _dll: Dll

    def CreateProcessW(self, info: StartInfo) -> Started:
        start = Start(info)
        own = start.security.argument
        self._dll.CreateProcessW(info.application, start.line, own, own, info.inherit, start.flags,
                                 start.environment, info.directory, start.startup, ctypes.byref(start.result))
        return start.started(self._dll.CloseHandle)

    def ProcThreadAttributeList(self, *, handles: Sequence[Handle] = (), jobs: Sequence[Handle] = (),
                                pseudo_console: Handle | None = None, parent: Handle | None = None,
                                mitigation: int | None = None, child_processes: int | None = None) -> AttributeList:
        wanted: list[tuple[int, Any, int]] = []
        for attribute, listed in ((PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles), (PROC_THREAD_ATTRIBUTE_JOB_LIST, jobs)):
            if listed:
                array = (ctypes.c_void_p * len(listed))(*[handle.value for handle in listed])
                wanted.append((attribute, array, ctypes.sizeof(array)))
        if parent is not None:
            wanted.append((PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, ctypes.c_void_p(parent.value), 8))
        if mitigation is not None:
            wanted.append((PROC_THREAD_ATTRIBUTE_MITIGATION_POLICY, ctypes.c_uint64(mitigation), 8))
        if child_processes is not None:
            wanted.append((PROC_THREAD_ATTRIBUTE_CHILD_PROCESS_POLICY, ctypes.c_uint32(child_processes), 4))
        count = len(wanted) + (pseudo_console is not None)
        made = self._attribute_list(count, [value for _, value, _ in wanted])
        try:
            for attribute, value, size in wanted:
                self._update(made, attribute, ctypes.byref(value), size)
            if pseudo_console is not None:
                # The one attribute whose value is given itself and not by its address.
                self._update(made, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, pseudo_console.value, 8)
        except BaseException:
            made.close()
            raise
        return made

    def _attribute_list(self, count: int, kept: list[Any]) -> AttributeList:
        size = ctypes.c_size_t()
        # Always "fails": it tells how much memory is needed.
        self._dll.InitializeProcThreadAttributeList.code(None, count, 0, ctypes.byref(size))
        memory = ctypes.create_string_buffer(max(size.value, 1))
        self._dll.InitializeProcThreadAttributeList(memory, count, 0, ctypes.byref(size))
        close = self._dll.DeleteProcThreadAttributeList
        return AttributeList(ctypes.addressof(memory), close, "a list of attributes", [memory, *kept])

    def _update(self, made: AttributeList, attribute: int, value: Any, size: int) -> None:
        self._dll.UpdateProcThreadAttribute(made, 0, attribute, value, size, None, None)

    def OpenProcess(self, access: int, process_id: int) -> Handle:
        value = self._dll.OpenProcess(access, False, process_id)
        return Handle(value, self._dll.CloseHandle, f"process {process_id}")

    def TerminateProcess(self, process: Handle, exit_code: int) -> None:
        self._dll.TerminateProcess(process, exit_code & 0xFFFFFFFF)

    def GetExitCodeProcess(self, process: Handle) -> int:
        code = ctypes.c_uint32()
        self._dll.GetExitCodeProcess(process, ctypes.byref(code))
        return code.value

    def GetProcessId(self, process: Handle) -> int:
        return int(self._dll.GetProcessId(process))

    def GetProcessTimes(self, process: Handle) -> tuple[int, int, int, int]:
        times = (FILETIME(), FILETIME(), FILETIME(), FILETIME())
        self._dll.GetProcessTimes(process, *[ctypes.byref(time) for time in times])
        created, exited, kernel, user = [time.dwHighDateTime << 32 | time.dwLowDateTime for time in times]
        return created, exited, kernel, user

    def QueryFullProcessImageNameW(self, process: Handle) -> str:
        size = ctypes.c_uint32(LONG_PATH)
        buffer = ctypes.create_unicode_buffer(LONG_PATH)
        self._dll.QueryFullProcessImageNameW(process, 0, buffer, ctypes.byref(size))
        return buffer.value

    def ProcessIdToSessionId(self, process_id: int) -> int:
        session = ctypes.c_uint32()
        self._dll.ProcessIdToSessionId(process_id, ctypes.byref(session))
        return session.value

    def ResumeThread(self, thread: Handle) -> int:
        return int(self._dll.ResumeThread(thread))

    def PeakWorkingSet(self, process: Handle) -> int:
        counters = PROCESS_MEMORY_COUNTERS(ctypes.sizeof(PROCESS_MEMORY_COUNTERS))
        self._dll.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
        return int(counters.PeakWorkingSetSize)

    def EnumProcesses(self) -> tuple[int, ...]:
        room = 1024
        while True:
            numbers = (ctypes.c_uint32 * room)()
            needed = ctypes.c_uint32()
            self._dll.K32EnumProcesses(numbers, ctypes.sizeof(numbers), ctypes.byref(needed))
            # A full list may have been cut: the function does not say.
            if needed.value < ctypes.sizeof(numbers):
                return tuple(numbers[: needed.value // 4])
            room *= 2


__all__ = ["LONG_PATH", "PROTOTYPES", "KernelProcesses", "NativeProcesses"]
