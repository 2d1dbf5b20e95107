"""Structures of processes, jobs, pipes and consoles, as ``winbase.h``, ``winnt.h`` and ``wincon.h`` have them.

Knows: fields, in order, with types of fixed width.  Must not know: any function.  Strings are plain pointers here:
whoever fills one in keeps the text alive.
"""

from __future__ import annotations

from ctypes import POINTER as pointer_to
from ctypes import (
    Structure,
    Union,
    c_int16,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)


class FILETIME(Structure):
    """100 nanoseconds since 1601."""

    _fields_ = [("dwLowDateTime", c_uint32), ("dwHighDateTime", c_uint32)]


class SECURITY_ATTRIBUTES(Structure):
    """Descriptor and inheritance of a new object."""

    _fields_ = [("nLength", c_uint32), ("lpSecurityDescriptor", c_void_p), ("bInheritHandle", c_int32)]


class STARTUPINFOW(Structure):
    """How a process starts."""

    _fields_ = [
        ("cb", c_uint32), ("lpReserved", c_void_p), ("lpDesktop", c_void_p), ("lpTitle", c_void_p), ("dwX", c_uint32),
        ("dwY", c_uint32), ("dwXSize", c_uint32), ("dwYSize", c_uint32), ("dwXCountChars", c_uint32),
        ("dwYCountChars", c_uint32), ("dwFillAttribute", c_uint32), ("dwFlags", c_uint32), ("wShowWindow", c_uint16),
        ("cbReserved2", c_uint16), ("lpReserved2", pointer_to(c_uint8)), ("hStdInput", c_void_p),
        ("hStdOutput", c_void_p), ("hStdError", c_void_p),
    ]


class STARTUPINFOEXW(Structure):
    """... with a list of attributes."""

    _fields_ = [("StartupInfo", STARTUPINFOW), ("lpAttributeList", c_void_p)]


class PROCESS_INFORMATION(Structure):
    """A started process."""

    _fields_ = [("hProcess", c_void_p), ("hThread", c_void_p), ("dwProcessId", c_uint32), ("dwThreadId", c_uint32)]


class PROCESS_MEMORY_COUNTERS(Structure):
    """Bytes of memory of a process."""

    _fields_ = [
        ("cb", c_uint32), ("PageFaultCount", c_uint32), ("PeakWorkingSetSize", c_size_t), ("WorkingSetSize", c_size_t),
        ("QuotaPeakPagedPoolUsage", c_size_t), ("QuotaPagedPoolUsage", c_size_t),
        ("QuotaPeakNonPagedPoolUsage", c_size_t), ("QuotaNonPagedPoolUsage", c_size_t), ("PagefileUsage", c_size_t),
        ("PeakPagefileUsage", c_size_t),
    ]


class PROCESS_BASIC_INFORMATION(Structure):
    """What NtQueryInformationProcess gives first; ``PebBaseAddress`` is an address in the other process."""

    _fields_ = [
        ("ExitStatus", c_int32), ("PebBaseAddress", c_void_p), ("AffinityMask", c_size_t), ("BasePriority", c_int32),
        ("UniqueProcessId", c_size_t), ("InheritedFromUniqueProcessId", c_size_t),
    ]


class IO_COUNTERS(Structure):
    """Operations and bytes of a job."""

    _fields_ = [
        ("ReadOperationCount", c_uint64), ("WriteOperationCount", c_uint64), ("OtherOperationCount", c_uint64),
        ("ReadTransferCount", c_uint64), ("WriteTransferCount", c_uint64), ("OtherTransferCount", c_uint64),
    ]


class JOBOBJECT_BASIC_LIMIT_INFORMATION(Structure):
    """Limits of a job; times in 100 nanoseconds."""

    _fields_ = [
        ("PerProcessUserTimeLimit", c_int64), ("PerJobUserTimeLimit", c_int64), ("LimitFlags", c_uint32),
        ("MinimumWorkingSetSize", c_size_t), ("MaximumWorkingSetSize", c_size_t), ("ActiveProcessLimit", c_uint32),
        ("Affinity", c_size_t), ("PriorityClass", c_uint32), ("SchedulingClass", c_uint32),
    ]


class JOBOBJECT_EXTENDED_LIMIT_INFORMATION(Structure):
    """... with memory, in bytes."""

    _fields_ = [
        ("BasicLimitInformation", JOBOBJECT_BASIC_LIMIT_INFORMATION), ("IoInfo", IO_COUNTERS),
        ("ProcessMemoryLimit", c_size_t), ("JobMemoryLimit", c_size_t), ("PeakProcessMemoryUsed", c_size_t),
        ("PeakJobMemoryUsed", c_size_t),
    ]


class JOBOBJECT_BASIC_ACCOUNTING_INFORMATION(Structure):
    """Processor time and processes of a job."""

    _fields_ = [
        ("TotalUserTime", c_int64), ("TotalKernelTime", c_int64), ("ThisPeriodTotalUserTime", c_int64),
        ("ThisPeriodTotalKernelTime", c_int64), ("TotalPageFaultCount", c_uint32), ("TotalProcesses", c_uint32),
        ("ActiveProcesses", c_uint32), ("TotalTerminatedProcesses", c_uint32),
    ]


class JOBOBJECT_BASIC_PROCESS_ID_LIST(Structure):
    """Who is in a job; the list goes on behind the structure."""

    _fields_ = [
        ("NumberOfAssignedProcesses", c_uint32), ("NumberOfProcessIdsInList", c_uint32),
        ("ProcessIdList", c_size_t * 1),
    ]


class JOBOBJECT_ASSOCIATE_COMPLETION_PORT(Structure):
    """Where a job's messages go."""

    _fields_ = [("CompletionKey", c_void_p), ("CompletionPort", c_void_p)]


class _Offset(Structure):
    _fields_ = [("Offset", c_uint32), ("OffsetHigh", c_uint32)]


class _Place(Union):
    _anonymous_ = ("Anonymous",)
    _fields_ = [("Anonymous", _Offset), ("Pointer", c_void_p)]


class OVERLAPPED(Structure):
    """An operation under way."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("Internal", c_size_t), ("InternalHigh", c_size_t), ("Anonymous", _Place), ("hEvent", c_void_p)]


class THREADENTRY32(Structure):
    """A thread of some process."""

    _fields_ = [
        ("dwSize", c_uint32), ("cntUsage", c_uint32), ("th32ThreadID", c_uint32), ("th32OwnerProcessID", c_uint32),
        ("tpBasePri", c_int32), ("tpDeltaPri", c_int32), ("dwFlags", c_uint32),
    ]


class COORD(Structure):
    """Columns and rows."""

    _fields_ = [("X", c_int16), ("Y", c_int16)]


class SMALL_RECT(Structure):
    """A rectangle of a console, all four sides in it."""

    _fields_ = [("Left", c_int16), ("Top", c_int16), ("Right", c_int16), ("Bottom", c_int16)]


class CONSOLE_SCREEN_BUFFER_INFO(Structure):
    """Size, cursor and window of a console."""

    _fields_ = [
        ("dwSize", COORD), ("dwCursorPosition", COORD), ("wAttributes", c_uint16), ("srWindow", SMALL_RECT),
        ("dwMaximumWindowSize", COORD),
    ]


class CONSOLE_READCONSOLE_CONTROL(Structure):
    """Which keys end a read from a console."""

    _fields_ = [
        ("nLength", c_uint32), ("nInitialChars", c_uint32), ("dwCtrlWakeupMask", c_uint32),
        ("dwControlKeyState", c_uint32),
    ]


class OSVERSIONINFOW(Structure):
    """The true version of Windows."""

    _fields_ = [
        ("dwOSVersionInfoSize", c_uint32), ("dwMajorVersion", c_uint32), ("dwMinorVersion", c_uint32),
        ("dwBuildNumber", c_uint32), ("dwPlatformId", c_uint32), ("szCSDVersion", c_uint16 * 128),
    ]


class _Icon(Union):
    _fields_ = [("hIcon", c_void_p), ("hMonitor", c_void_p)]


class SHELLEXECUTEINFOW(Structure):
    """A program that the shell starts, elevated for one."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [
        ("cbSize", c_uint32), ("fMask", c_uint32), ("hwnd", c_void_p), ("lpVerb", c_void_p), ("lpFile", c_void_p),
        ("lpParameters", c_void_p), ("lpDirectory", c_void_p), ("nShow", c_int32), ("hInstApp", c_void_p),
        ("lpIDList", c_void_p), ("lpClass", c_void_p), ("hkeyClass", c_void_p), ("dwHotKey", c_uint32),
        ("Anonymous", _Icon), ("hProcess", c_void_p),
    ]
