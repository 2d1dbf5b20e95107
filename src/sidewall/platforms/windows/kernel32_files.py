"""kernel32: files by handle, their numbers, names, volumes and reparse points.

Knows: the calls of "File Management Functions" and "Volume Management Functions".  Must not know: what may be touched.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import layouts_files as layouts
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.kernel32_process import LONG_PATH
from sidewall.platforms.windows.layouts_process import OVERLAPPED
from sidewall.platforms.windows.startup import Security
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeVar

    from sidewall.platforms.windows.dll import Dll

    S = TypeVar("S", bound=ctypes.Structure)
else:
    Protocol = object

PROTOTYPES = """
FILE_HANDLE CreateFileW(PWSTR lpFileName, FLAGS dwDesiredAccess, FLAGS dwShareMode,
    SECURITY_ATTRIBUTES* lpSecurityAttributes, DWORD dwCreationDisposition, FLAGS dwFlagsAndAttributes,
    HANDLE hTemplateFile);
FILE_HANDLE OpenFileById(HANDLE hVolumeHint, FILE_ID_DESCRIPTOR* lpFileId, FLAGS dwDesiredAccess, FLAGS dwShareMode,
    SECURITY_ATTRIBUTES* lpSecurityAttributes, FLAGS dwFlagsAndAttributes);
BOOL GetFileInformationByHandle(HANDLE hFile, BY_HANDLE_FILE_INFORMATION* lpFileInformation);
BOOL GetFileInformationByHandleEx(HANDLE hFile, INT FileInformationClass, PVOID lpFileInformation, DWORD dwBufferSize);
BOOL SetFileInformationByHandle(HANDLE hFile, INT FileInformationClass, PVOID lpFileInformation, DWORD dwBufferSize);
COUNT GetFinalPathNameByHandleW(HANDLE hFile, PWSTR lpszFilePath, DWORD cchFilePath, FLAGS dwFlags);
BOOL GetVolumeInformationByHandleW(HANDLE hFile, PWSTR lpVolumeNameBuffer, DWORD nVolumeNameSize,
    DWORD* lpVolumeSerialNumber, DWORD* lpMaximumComponentLength, DWORD* lpFileSystemFlags,
    PWSTR lpFileSystemNameBuffer, DWORD nFileSystemNameSize);
BOOL GetVolumePathNameW(PWSTR lpszFileName, PWSTR lpszVolumePathName, DWORD cchBufferLength);
DWORD GetDriveTypeW(PWSTR lpRootPathName);
DWORD GetFileType(HANDLE hFile);
COUNT GetLongPathNameW(PWSTR lpszShortPath, PWSTR lpszLongPath, DWORD cchBuffer);
BOOL DeviceIoControl(HANDLE hDevice, FLAGS dwIoControlCode, PVOID lpInBuffer, DWORD nInBufferSize, PVOID lpOutBuffer,
    DWORD nOutBufferSize, DWORD* lpBytesReturned, OVERLAPPED* lpOverlapped);
BOOL CreateDirectoryW(PWSTR lpPathName, SECURITY_ATTRIBUTES* lpSecurityAttributes);
BOOL RemoveDirectoryW(PWSTR lpPathName);
BOOL DeleteFileW(PWSTR lpFileName);
BOOL MoveFileExW(PWSTR lpExistingFileName, PWSTR lpNewFileName, FLAGS dwFlags);
ATTRIBUTES GetFileAttributesW(PWSTR lpFileName);
BOOL SetFileAttributesW(PWSTR lpFileName, FLAGS dwFileAttributes);
BOOL LockFileEx(HANDLE hFile, FLAGS dwFlags, DWORD dwReserved, DWORD nNumberOfBytesToLockLow,
    DWORD nNumberOfBytesToLockHigh, OVERLAPPED* lpOverlapped);
BOOL UnlockFileEx(HANDLE hFile, DWORD dwReserved, DWORD nNumberOfBytesToUnlockLow, DWORD nNumberOfBytesToUnlockHigh,
    OVERLAPPED* lpOverlapped);
FILE_HANDLE FindFirstFileNameW(PWSTR lpFileName, DWORD dwFlags, DWORD* StringLength, PWSTR LinkName);
BOOL FindNextFileNameW(HANDLE hFindStream, DWORD* StringLength, PWSTR LinkName);
BOOL FindClose(HANDLE hFindFile);
"""

CLASSES: dict[type[ctypes.Structure], int] = {
    layouts.FILE_BASIC_INFO: constants.FileBasicInfo,
    layouts.FILE_STANDARD_INFO: constants.FileStandardInfo,
    layouts.FILE_DISPOSITION_INFO: constants.FileDispositionInfo,
    layouts.FILE_DISPOSITION_INFO_EX: constants.FileDispositionInfoEx,
    layouts.FILE_ATTRIBUTE_TAG_INFO: constants.FileAttributeTagInfo,
    layouts.FILE_REMOTE_PROTOCOL_INFO: constants.FileRemoteProtocolInfo,
    layouts.FILE_ID_INFO: constants.FileIdInfo,
    layouts.FILE_CASE_SENSITIVE_INFO: constants.FileCaseSensitiveInfo,
}
"""Which class of information a structure is."""

NO_MORE_FILES, HANDLE_EOF, LOCK_VIOLATION, IO_PENDING = 18, 38, 33, 997
SHARE_ALL = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE | constants.FILE_SHARE_DELETE


class DirectoryEntry(Record):
    """A name in a directory.  ``tag`` is a reparse point's kind, else 0; ``written`` 100 nanoseconds since 1601."""

    name: str
    attributes: int
    tag: int
    size: int
    written: int


class Volume(Record):
    """A volume: the ``flags`` say whether it keeps access control lists (FILE_PERSISTENT_ACLS)."""

    label: str
    serial: int
    longest_name: int
    flags: int
    file_system: str


class KernelFiles(Protocol):
    """Files.  Every call raises Win32Error."""

    def CreateFileW(self, path: str, access: int, disposition: int, *, share: int = SHARE_ALL, flags: int = 0,
                    security: bytes | None = None, inherit: bool = False) -> Handle:
        """Opens or makes a file; a directory needs FILE_FLAG_BACKUP_SEMANTICS.

        FILE_FLAG_OPEN_REPARSE_POINT opens a link itself and not where it leads, for the last name only.
        """

    def OpenFileById(self, volume: Handle, number: bytes, access: int, *, share: int = SHARE_ALL,
                     flags: int = 0) -> Handle:
        """Opens a file by the 16 bytes of its number; ``volume`` is any file of the same volume."""

    def GetFileInformationByHandle(self, file: Handle) -> layouts.BY_HANDLE_FILE_INFORMATION:
        """What every file system tells."""

    def GetFileInformationByHandleEx(self, file: Handle, kind: type[S]) -> S:
        """Reads a structure of ``CLASSES``."""

    def SetFileInformationByHandle(self, file: Handle, information: ctypes.Structure) -> None:
        """Sets what the structure is for."""

    def RenameByHandle(self, file: Handle, path: str, *, replace: bool = False) -> None:
        """SetFileInformationByHandle(FileRenameInfo): moves what is open to a full path."""

    def GetFinalPathNameByHandleW(self, file: Handle, *, flags: int = 0) -> str:
        """The path that really is open, with its prefix (``\\\\?\\``)."""

    def GetVolumeInformationByHandleW(self, file: Handle) -> Volume:
        """The volume on which the file is."""

    def DirectoryEntries(self, directory: Handle) -> tuple[DirectoryEntry, ...]:
        """GetFileInformationByHandleEx(FileIdBothDirectoryInfo): all names in it, but for ``.`` and ``..``.

        The handle needs FILE_LIST_DIRECTORY.
        """

    def GetVolumePathNameW(self, path: str) -> str:
        """The root of the volume of a path."""

    def GetDriveTypeW(self, root: str) -> int:
        """DRIVE_FIXED, DRIVE_REMOTE ..., of a volume's root."""

    def GetFileType(self, file: Handle) -> int:
        """FILE_TYPE_DISK, FILE_TYPE_CHAR or FILE_TYPE_PIPE."""

    def GetLongPathNameW(self, path: str) -> str:
        """The path with no 8.3 names in it; the file must be there."""

    def GetReparsePoint(self, file: Handle) -> bytes:
        """FSCTL_GET_REPARSE_POINT: tag, length and data of a link that is open itself."""

    def CreateDirectoryW(self, path: str, *, security: bytes | None = None) -> None:
        """Makes a directory, with this self-relative descriptor from the first moment."""

    def RemoveDirectoryW(self, path: str) -> None:
        """Removes an empty directory, or a link to one."""

    def DeleteFileW(self, path: str) -> None:
        """Removes a file's name, or a link."""

    def MoveFileExW(self, old: str, new: str, flags: int) -> None:
        """Renames."""

    def GetFileAttributesW(self, path: str) -> int:
        """FILE_ATTRIBUTE_*, of a link itself."""

    def SetFileAttributesW(self, path: str, attributes: int) -> None:
        """Sets them."""

    def LockFileEx(self, file: Handle, *, exclusive: bool = True, wait: bool = True) -> bool:
        """Locks the whole file; False when somebody else holds it and ``wait`` is false."""

    def UnlockFileEx(self, file: Handle) -> None:
        """Unlocks it."""

    def FileNames(self, path: str) -> tuple[str, ...]:
        """FindFirstFileNameW: all names of a file, each without its volume."""


class NativeFiles:
    """Those calls on the real DLL."""

    _dll: Dll

    def CreateFileW(self, path: str, access: int, disposition: int, *, share: int = SHARE_ALL, flags: int = 0,
                    security: bytes | None = None, inherit: bool = False) -> Handle:
        value = self._dll.CreateFileW(path, access, share, Security(security, inherit).argument, disposition, flags,
                                      None)
        return Handle(value, self._dll.CloseHandle, path)

    def OpenFileById(self, volume: Handle, number: bytes, access: int, *, share: int = SHARE_ALL,
                     flags: int = 0) -> Handle:
        named = layouts.FILE_ID_DESCRIPTOR(ctypes.sizeof(layouts.FILE_ID_DESCRIPTOR), constants.ExtendedFileIdType)
        named.ExtendedFileId.Identifier[:] = list(number)
        value = self._dll.OpenFileById(volume, ctypes.byref(named), access, share, None, flags)
        return Handle(value, self._dll.CloseHandle, f"file number {number.hex()} beside {volume.what}")

    def GetFileInformationByHandle(self, file: Handle) -> layouts.BY_HANDLE_FILE_INFORMATION:
        information = layouts.BY_HANDLE_FILE_INFORMATION()
        self._dll.GetFileInformationByHandle(file, ctypes.byref(information))
        return information

    def GetFileInformationByHandleEx(self, file: Handle, kind: type[S]) -> S:
        information = kind()
        size = ctypes.sizeof(information)
        self._dll.GetFileInformationByHandleEx(file, CLASSES[kind], ctypes.byref(information), size)
        return information

    def SetFileInformationByHandle(self, file: Handle, information: ctypes.Structure) -> None:
        size = ctypes.sizeof(information)
        self._dll.SetFileInformationByHandle(file, CLASSES[type(information)], ctypes.byref(information), size)

    def RenameByHandle(self, file: Handle, path: str, *, replace: bool = False) -> None:
        name = path.encode("utf-16-le", "surrogatepass")
        place = layouts.FILE_RENAME_INFO.FileName.offset
        buffer = ctypes.create_string_buffer(max(place + len(name) + 2, ctypes.sizeof(layouts.FILE_RENAME_INFO)))
        information = layouts.FILE_RENAME_INFO.from_buffer(buffer)
        information.ReplaceIfExists = replace
        information.FileNameLength = len(name)
        ctypes.memmove(ctypes.addressof(buffer) + place, name, len(name))
        self._dll.SetFileInformationByHandle(file, constants.FileRenameInfo, buffer, len(buffer))

    def GetFinalPathNameByHandleW(self, file: Handle, *, flags: int = 0) -> str:
        room = 512
        while True:
            buffer = ctypes.create_unicode_buffer(room)
            length = int(self._dll.GetFinalPathNameByHandleW(file, buffer, room, flags))
            if length < room:
                return buffer.value
            room = length + 1

    def GetVolumeInformationByHandleW(self, file: Handle) -> Volume:
        label, system = ctypes.create_unicode_buffer(261), ctypes.create_unicode_buffer(261)
        serial, longest, flags = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_uint32()
        self._dll.GetVolumeInformationByHandleW(file, label, 261, ctypes.byref(serial), ctypes.byref(longest),
                                                ctypes.byref(flags), system, 261)
        return Volume(label=label.value, serial=serial.value, longest_name=longest.value, flags=flags.value,
                      file_system=system.value)

    def DirectoryEntries(self, directory: Handle) -> tuple[DirectoryEntry, ...]:
        kind, buffer = constants.FileIdBothDirectoryRestartInfo, ctypes.create_string_buffer(1 << 16)
        found: list[DirectoryEntry] = []
        while True:
            values = (directory, kind, buffer, len(buffer))
            code = self._dll.GetFileInformationByHandleEx.code(*values)
            if code == NO_MORE_FILES:
                return tuple(found)
            if code:
                raise self._dll.GetFileInformationByHandleEx.error(code, *values)
            found += _entries(buffer)
            kind = constants.FileIdBothDirectoryInfo

    def GetVolumePathNameW(self, path: str) -> str:
        buffer = ctypes.create_unicode_buffer(LONG_PATH)
        self._dll.GetVolumePathNameW(path, buffer, LONG_PATH)
        return buffer.value

    def GetDriveTypeW(self, root: str) -> int:
        return int(self._dll.GetDriveTypeW(root))

    def GetFileType(self, file: Handle) -> int:
        return int(self._dll.GetFileType(file))

    def GetLongPathNameW(self, path: str) -> str:
        buffer = ctypes.create_unicode_buffer(LONG_PATH)
        self._dll.GetLongPathNameW(path, buffer, LONG_PATH)
        return buffer.value

    def GetReparsePoint(self, file: Handle) -> bytes:
        buffer = ctypes.create_string_buffer(constants.MAXIMUM_REPARSE_DATA_BUFFER_SIZE)
        number = ctypes.c_uint32()
        self._dll.DeviceIoControl(file, constants.FSCTL_GET_REPARSE_POINT, None, 0, buffer, len(buffer),
                                  ctypes.byref(number), None)
        return buffer.raw[: number.value]

    def CreateDirectoryW(self, path: str, *, security: bytes | None = None) -> None:
        self._dll.CreateDirectoryW(path, Security(security).argument)

    def RemoveDirectoryW(self, path: str) -> None:
        self._dll.RemoveDirectoryW(path)

    def DeleteFileW(self, path: str) -> None:
        self._dll.DeleteFileW(path)

    def MoveFileExW(self, old: str, new: str, flags: int) -> None:
        self._dll.MoveFileExW(old, new, flags)

    def GetFileAttributesW(self, path: str) -> int:
        return int(self._dll.GetFileAttributesW(path))

    def SetFileAttributesW(self, path: str, attributes: int) -> None:
        self._dll.SetFileAttributesW(path, attributes)

    def LockFileEx(self, file: Handle, *, exclusive: bool = True, wait: bool = True) -> bool:
        flags = constants.LOCKFILE_EXCLUSIVE_LOCK if exclusive else 0
        flags |= 0 if wait else constants.LOCKFILE_FAIL_IMMEDIATELY
        values: tuple[Any, ...] = (file, flags, 0, 0xFFFFFFFF, 0xFFFFFFFF, ctypes.byref(OVERLAPPED()))
        code = self._dll.LockFileEx.code(*values)
        if code in (LOCK_VIOLATION, IO_PENDING) and not wait:
            return False
        if code:
            raise self._dll.LockFileEx.error(code, *values)
        return True

    def UnlockFileEx(self, file: Handle) -> None:
        self._dll.UnlockFileEx(file, 0, 0xFFFFFFFF, 0xFFFFFFFF, ctypes.byref(OVERLAPPED()))

    def FileNames(self, path: str) -> tuple[str, ...]:
        buffer, length = ctypes.create_unicode_buffer(LONG_PATH), ctypes.c_uint32(LONG_PATH)
        found = self._dll.FindFirstFileNameW(path, 0, ctypes.byref(length), buffer)
        names = [buffer.value]
        with Handle(found, self._dll.FindClose, f"the names of {path}") as search:
            while True:
                length.value = LONG_PATH
                values = (search, ctypes.byref(length), buffer)
                code = self._dll.FindNextFileNameW.code(*values)
                if code == HANDLE_EOF:
                    return tuple(names)
                if code:
                    raise self._dll.FindNextFileNameW.error(code, *values)
                names.append(buffer.value)


def _entries(buffer: ctypes.Array[ctypes.c_char]) -> list[DirectoryEntry]:
    found, at = [], 0
    while True:
        entry = layouts.FILE_ID_BOTH_DIR_INFO.from_buffer(buffer, at)
        start = at + layouts.FILE_ID_BOTH_DIR_INFO.FileName.offset
        name = buffer.raw[start : start + entry.FileNameLength].decode("utf-16-le", "surrogatepass")
        if name not in (".", ".."):
            reparse = entry.FileAttributes & constants.FILE_ATTRIBUTE_REPARSE_POINT
            # For a reparse point this field has its tag (MS-FSCC 2.4.17).
            found.append(DirectoryEntry(name=name, attributes=entry.FileAttributes, tag=entry.EaSize if reparse else 0,
                                        size=entry.EndOfFile, written=entry.LastWriteTime))
        if not entry.NextEntryOffset:
            return found
        at += entry.NextEntryOffset


__all__ = ["CLASSES", "PROTOTYPES", "SHARE_ALL", "DirectoryEntry", "KernelFiles", "NativeFiles", "Volume"]
