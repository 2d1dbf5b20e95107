"""kernel32: job objects and the port where a job's messages arrive.

Knows: the calls of "Job Objects" and "I/O Completion Ports".  Must not know: which limits a policy asks for.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import layouts_process as layouts
from sidewall.platforms.windows.constants_process import (
    JobObjectAssociateCompletionPortInformation,
    JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList,
    JobObjectExtendedLimitInformation,
)
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.kernel32_objects import CURRENT_PROCESS
from sidewall.platforms.windows.prototypes import INVALID_HANDLE
from sidewall.platforms.windows.startup import Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from sidewall.platforms.windows.dll import Dll

    S = TypeVar("S", bound=ctypes.Structure)
else:
    Protocol = object

PROTOTYPES = """
HANDLE CreateJobObjectW(SECURITY_ATTRIBUTES* lpJobAttributes, PWSTR lpName);
HANDLE OpenJobObjectW(DWORD dwDesiredAccess, BOOL bInheritHandle, PWSTR lpName);
BOOL AssignProcessToJobObject(HANDLE hJob, HANDLE hProcess);
BOOL SetInformationJobObject(HANDLE hJob, INT JobObjectInformationClass, PVOID lpJobObjectInformation,
    DWORD cbJobObjectInformationLength);
BOOL QueryInformationJobObject(HANDLE hJob, INT JobObjectInformationClass, PVOID lpJobObjectInformation,
    DWORD cbJobObjectInformationLength, DWORD* lpReturnLength);
BOOL TerminateJobObject(HANDLE hJob, DWORD uExitCode);
BOOL IsProcessInJob(HANDLE ProcessHandle, HANDLE JobHandle, BOOL* Result);
HANDLE CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort, ULONG_PTR CompletionKey,
    DWORD NumberOfConcurrentThreads);
BOOL GetQueuedCompletionStatus(HANDLE CompletionPort, DWORD* lpNumberOfBytesTransferred, ULONG_PTR* lpCompletionKey,
    OVERLAPPED** lpOverlapped, DWORD dwMilliseconds);
"""

CLASSES: dict[type[ctypes.Structure], int] = {
    layouts.JOBOBJECT_BASIC_ACCOUNTING_INFORMATION: JobObjectBasicAccountingInformation,
    layouts.JOBOBJECT_ASSOCIATE_COMPLETION_PORT: JobObjectAssociateCompletionPortInformation,
    layouts.JOBOBJECT_EXTENDED_LIMIT_INFORMATION: JobObjectExtendedLimitInformation,
}
"""Which class of information a structure is."""

TIMED_OUT, MORE_DATA = 258, 234


class KernelJobs(Protocol):
    """Jobs.  Every call raises Win32Error."""

    def CreateJobObjectW(self, *, name: str | None = None, security: bytes | None = None) -> Handle:
        """A new job, with this self-relative descriptor."""

    def OpenJobObjectW(self, access: int, name: str) -> Handle:
        """A job by its name, while somebody has it open."""

    def AssignProcessToJobObject(self, job: Handle, process: Handle) -> None:
        """Puts a running process into a job."""

    def SetInformationJobObject(self, job: Handle, information: ctypes.Structure) -> None:
        """Sets what the structure is for: one of ``CLASSES``."""

    def QueryInformationJobObject(self, job: Handle, kind: type[S]) -> S:
        """Reads a structure of ``CLASSES``."""

    def JobProcesses(self, job: Handle) -> tuple[int, ...]:
        """The numbers of the processes in a job."""

    def TerminateJobObject(self, job: Handle, exit_code: int) -> None:
        """Ends all processes of a job and of the jobs in it."""

    def IsProcessInJob(self, process: Handle | None, job: Handle | None) -> bool:
        """Whether a process (None: this one) is in a job (None: in any)."""

    def CreateIoCompletionPort(self) -> Handle:
        """A new port, for messages of jobs."""

    def GetQueuedCompletionStatus(self, port: Handle, milliseconds: int) -> tuple[int, int, int] | None:
        """One message: its number (JOB_OBJECT_MSG_*), the key of the job, the process; None after the time."""


class NativeJobs:
    """Those calls on the real DLL."""

    _dll: Dll

    def CreateJobObjectW(self, *, name: str | None = None, security: bytes | None = None) -> Handle:
        value = self._dll.CreateJobObjectW(Security(security).argument, name)
        return Handle(value, self._dll.CloseHandle, f"job {name}" if name else "a job")

    def OpenJobObjectW(self, access: int, name: str) -> Handle:
        return Handle(self._dll.OpenJobObjectW(access, False, name), self._dll.CloseHandle, f"job {name}")

    def AssignProcessToJobObject(self, job: Handle, process: Handle) -> None:
        self._dll.AssignProcessToJobObject(job, process)

    def SetInformationJobObject(self, job: Handle, information: ctypes.Structure) -> None:
        size = ctypes.sizeof(information)
        self._dll.SetInformationJobObject(job, CLASSES[type(information)], ctypes.byref(information), size)

    def QueryInformationJobObject(self, job: Handle, kind: type[S]) -> S:
        information = kind()
        size = ctypes.sizeof(information)
        self._dll.QueryInformationJobObject(job, CLASSES[kind], ctypes.byref(information), size, None)
        return information

    def JobProcesses(self, job: Handle) -> tuple[int, ...]:
        room = 64
        offset = layouts.JOBOBJECT_BASIC_PROCESS_ID_LIST.ProcessIdList.offset
        query = self._dll.QueryInformationJobObject
        while True:
            buffer = ctypes.create_string_buffer(offset + 8 * room)
            values = (job, JobObjectBasicProcessIdList, buffer, len(buffer), None)
            code = query.code(*values)
            if code not in (0, MORE_DATA):
                raise query.error(code, *values)
            listed = layouts.JOBOBJECT_BASIC_PROCESS_ID_LIST.from_buffer(buffer)
            if not code and listed.NumberOfProcessIdsInList >= listed.NumberOfAssignedProcesses:
                numbers = (ctypes.c_size_t * listed.NumberOfProcessIdsInList).from_buffer(buffer, offset)
                return tuple(numbers)
            room = max(2 * room, listed.NumberOfAssignedProcesses + 8)

    def TerminateJobObject(self, job: Handle, exit_code: int) -> None:
        self._dll.TerminateJobObject(job, exit_code & 0xFFFFFFFF)

    def IsProcessInJob(self, process: Handle | None, job: Handle | None) -> bool:
        answer = ctypes.c_int32()
        self._dll.IsProcessInJob(CURRENT_PROCESS if process is None else process, job, ctypes.byref(answer))
        return bool(answer.value)

    def CreateIoCompletionPort(self) -> Handle:
        value = self._dll.CreateIoCompletionPort(INVALID_HANDLE, None, 0, 1)
        return Handle(value, self._dll.CloseHandle, "a completion port")

    def GetQueuedCompletionStatus(self, port: Handle, milliseconds: int) -> tuple[int, int, int] | None:
        message, key = ctypes.c_uint32(), ctypes.c_size_t()
        # For a job's message the place of the OVERLAPPED holds the number of the process.
        process = ctypes.POINTER(layouts.OVERLAPPED)()
        values = (port, ctypes.byref(message), ctypes.byref(key), ctypes.byref(process), milliseconds)
        code = self._dll.GetQueuedCompletionStatus.code(*values)
        if code == TIMED_OUT:
            return None
        if code:
            raise self._dll.GetQueuedCompletionStatus.error(code, *values)
        return message.value, key.value, ctypes.cast(process, ctypes.c_void_p).value or 0


__all__ = ["CLASSES", "PROTOTYPES", "KernelJobs", "NativeJobs"]
