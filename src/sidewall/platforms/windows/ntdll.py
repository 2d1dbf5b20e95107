"""ntdll, as far as it is documented: the true version, parents of processes, names of objects, files below a directory,
directories of objects.

Knows: the calls of ``winternl.h`` and of the driver kit that have a reference page.  Must not know: why one asks.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import layouts_security as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_files import (
    FILE_OPEN,
    FILE_SHARE_DELETE,
    FILE_SHARE_READ,
    FILE_SHARE_WRITE,
    OBJ_CASE_INSENSITIVE,
)
from sidewall.platforms.windows.constants_process import ObjectNameInformation, ProcessBasicInformation
from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import OSVERSIONINFOW, PROCESS_BASIC_INFORMATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "ntdll.dll"
PROTOTYPES = """
NTSTATUS NtQueryInformationProcess(HANDLE ProcessHandle, INT ProcessInformationClass, PVOID ProcessInformation,
    DWORD ProcessInformationLength, DWORD* ReturnLength);
NTSTATUS NtQueryObject(HANDLE Handle, INT ObjectInformationClass, PVOID ObjectInformation,
    DWORD ObjectInformationLength, DWORD* ReturnLength);
NTSTATUS NtCreateFile(HANDLE* FileHandle, FLAGS DesiredAccess, OBJECT_ATTRIBUTES* ObjectAttributes,
    IO_STATUS_BLOCK* IoStatusBlock, LONGLONG* AllocationSize, FLAGS FileAttributes, FLAGS ShareAccess,
    DWORD CreateDisposition, FLAGS CreateOptions, PVOID EaBuffer, DWORD EaLength);
NTSTATUS NtOpenDirectoryObject(HANDLE* DirectoryHandle, FLAGS DesiredAccess, OBJECT_ATTRIBUTES* ObjectAttributes);
NTSTATUS RtlGetVersion(OSVERSIONINFOW* lpVersionInformation);
DWORD RtlNtStatusToDosError(NTSTATUS_VALUE Status);
"""

SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE


class Ntdll(Protocol):
    """Every call raises StatusError."""

    def RtlGetVersion(self) -> tuple[int, int, int]:
        """Major, minor, build; no manifest changes it."""

    def ParentProcessId(self, process: Handle) -> int:
        """NtQueryInformationProcess: who started it; that number may be somebody else's by now."""

    def ObjectName(self, handle: Handle) -> str:
        """NtQueryObject: an object's name in the kernel's namespace, '' for none."""

    def NtCreateFile(self, name: str, access: int, *, directory: Handle | None = None, disposition: int = FILE_OPEN,
                     options: int = 0, share: int = SHARE_ALL, attributes: int = OBJ_CASE_INSENSITIVE,
                     file_attributes: int = 0, security: bytes | None = None) -> Handle:
        """Opens or makes a file by one name below a directory that is open, so that no link above it matters.

        With OBJ_DONT_REPARSE in ``attributes`` a link anywhere in the name is an error.
        """

    def NtOpenDirectoryObject(self, name: str, access: int) -> Handle:
        """A directory of the kernel's namespace by its full name."""

    def RtlNtStatusToDosError(self, status: int) -> int:
        """The Win32 error that says the same."""


class NativeNtdll:
    """The real DLL.  ``kernel`` is kernel32's, which closes."""

    def __init__(self, dll: Dll, kernel: Dll) -> None:
        self._dll = dll
        self._kernel = kernel

    def RtlGetVersion(self) -> tuple[int, int, int]:
        version = OSVERSIONINFOW(ctypes.sizeof(OSVERSIONINFOW))
        self._dll.RtlGetVersion(ctypes.byref(version))
        return version.dwMajorVersion, version.dwMinorVersion, version.dwBuildNumber

    def ParentProcessId(self, process: Handle) -> int:
        found = PROCESS_BASIC_INFORMATION()
        self._dll.NtQueryInformationProcess(process, ProcessBasicInformation, ctypes.byref(found), ctypes.sizeof(found),
                                            None)
        return int(found.InheritedFromUniqueProcessId)

    def ObjectName(self, handle: Handle) -> str:
        buffer, needed = ctypes.create_string_buffer(66_000), ctypes.c_uint32()
        self._dll.NtQueryObject(handle, ObjectNameInformation, buffer, len(buffer), ctypes.byref(needed))
        name = layouts.OBJECT_NAME_INFORMATION.from_buffer(buffer).Name
        return memory.counted_text_at(name.Buffer, name.Length)

    def NtCreateFile(self, name: str, access: int, *, directory: Handle | None = None, disposition: int = FILE_OPEN,
                     options: int = 0, share: int = SHARE_ALL, attributes: int = OBJ_CASE_INSENSITIVE,
                     file_attributes: int = 0, security: bytes | None = None) -> Handle:
        named = _Named(name, attributes, directory, security)
        found, status = ctypes.c_void_p(), layouts.IO_STATUS_BLOCK()
        values = (ctypes.byref(found), access, ctypes.byref(named.attributes), ctypes.byref(status), None,
                  file_attributes, share, disposition, options, None, 0)
        code = self._dll.NtCreateFile.code(*values)
        what = f"{directory.what}\\{name}" if directory is not None else name
        return self._opened("NtCreateFile", code, found, what, access)

    def NtOpenDirectoryObject(self, name: str, access: int) -> Handle:
        named, found = _Named(name, OBJ_CASE_INSENSITIVE), ctypes.c_void_p()
        code = self._dll.NtOpenDirectoryObject.code(ctypes.byref(found), access, ctypes.byref(named.attributes))
        return self._opened("NtOpenDirectoryObject", code, found, name, access)

    def _opened(self, call: str, code: int, found: ctypes.c_void_p, what: str, access: int) -> Handle:
        if code:
            from sidewall.platforms.windows.errors import failure, quoted
            from sidewall.platforms.windows.prototypes import STATUS

            raise failure(call, STATUS, code, target=what,
                          arguments=(("name", quoted(what)), ("desired access", f"0x{access:X}")))
        return Handle(found.value or 0, self._kernel.CloseHandle, what)

    def RtlNtStatusToDosError(self, status: int) -> int:
        return int(self._dll.RtlNtStatusToDosError(status - 2**32 if status >= 2**31 else status))


class _Named:
    """An ``OBJECT_ATTRIBUTES`` with what it points to."""

    def __init__(self, name: str, attributes: int, directory: Handle | None = None, security: bytes | None = None
                 ) -> None:
        self._text = memory.wide(name)
        length = len(name.encode("utf-16-le", "surrogatepass"))
        self._name = layouts.UNICODE_STRING(length, length + 2, ctypes.addressof(self._text))
        self._descriptor = ctypes.create_string_buffer(security, len(security)) if security else None
        self.attributes = layouts.OBJECT_ATTRIBUTES(
            ctypes.sizeof(layouts.OBJECT_ATTRIBUTES), None if directory is None else directory.value,
            ctypes.pointer(self._name), attributes, ctypes.addressof(self._descriptor) if self._descriptor else None,
            None)


def native(dll: Dll, kernel: Dll) -> Ntdll:
    """ntdll of this machine."""
    return NativeNtdll(dll, kernel)


__all__ = ["NAME", "PROTOTYPES", "NativeNtdll", "Ntdll", "native"]
