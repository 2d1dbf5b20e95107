"""Structures of files, as ``fileapi.h`` and ``winbase.h`` have them.

Knows: fields, in order, with types of fixed width.  Must not know: any function.  Times are 100 nanoseconds since 1601,
sizes bytes.
"""

from __future__ import annotations

from ctypes import Structure, Union, c_int8, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

from sidewall.platforms.windows.layouts_process import FILETIME


class GUID(Structure):
    """A globally unique identifier; ``bytes_le`` of the text's bytes."""

    _fields_ = [("Data1", c_uint32), ("Data2", c_uint16), ("Data3", c_uint16), ("Data4", c_uint8 * 8)]


class FILE_ID_128(Structure):
    """A file's number on its volume."""

    _fields_ = [("Identifier", c_uint8 * 16)]


class FILE_ID_INFO(Structure):
    """Which file it is, whatever its name."""

    _fields_ = [("VolumeSerialNumber", c_uint64), ("FileId", FILE_ID_128)]


class FILE_BASIC_INFO(Structure):
    """Times and attributes."""

    _fields_ = [
        ("CreationTime", c_int64), ("LastAccessTime", c_int64), ("LastWriteTime", c_int64), ("ChangeTime", c_int64),
        ("FileAttributes", c_uint32),
    ]


class FILE_STANDARD_INFO(Structure):
    """Sizes, and how many names a file has."""

    _fields_ = [
        ("AllocationSize", c_int64), ("EndOfFile", c_int64), ("NumberOfLinks", c_uint32), ("DeletePending", c_uint8),
        ("Directory", c_uint8),
    ]


class FILE_ATTRIBUTE_TAG_INFO(Structure):
    """Attributes, and the kind of a reparse point."""

    _fields_ = [("FileAttributes", c_uint32), ("ReparseTag", c_uint32)]


class FILE_CASE_SENSITIVE_INFO(Structure):
    """Whether names in a directory differ by case."""

    _fields_ = [("Flags", c_uint32)]


class FILE_ID_BOTH_DIR_INFO(Structure):
    """One entry of a directory; the name lies at the end, the next entry NextEntryOffset bytes on."""

    _fields_ = [
        ("NextEntryOffset", c_uint32), ("FileIndex", c_uint32), ("CreationTime", c_int64), ("LastAccessTime", c_int64),
        ("LastWriteTime", c_int64), ("ChangeTime", c_int64), ("EndOfFile", c_int64), ("AllocationSize", c_int64),
        ("FileAttributes", c_uint32), ("FileNameLength", c_uint32), ("EaSize", c_uint32), ("ShortNameLength", c_int8),
        ("ShortName", c_uint16 * 12), ("FileId", c_int64), ("FileName", c_uint16 * 1),
    ]


class FILE_DISPOSITION_INFO(Structure):
    """Whether a file goes when its last handle is closed."""

    _fields_ = [("DeleteFile", c_uint8)]


class FILE_DISPOSITION_INFO_EX(Structure):
    """... at once, read-only or not."""

    _fields_ = [("Flags", c_uint32)]


class _Reserved(Structure):
    _fields_ = [("Reserved", c_uint32 * 8)]


class _Server(Structure):
    _fields_ = [("Capabilities", c_uint32)]


class _Share(Structure):
    _fields_ = [("Capabilities", c_uint32), ("ShareFlags", c_uint32)]


class _Smb2(Structure):
    _fields_ = [("Server", _Server), ("Share", _Share)]


class _Specific(Union):
    _fields_ = [("Smb2", _Smb2), ("Reserved", c_uint32 * 16)]


class FILE_REMOTE_PROTOCOL_INFO(Structure):
    """The file system protocol of a file on another machine."""

    _fields_ = [
        ("StructureVersion", c_uint16), ("StructureSize", c_uint16), ("Protocol", c_uint32),
        ("ProtocolMajorVersion", c_uint16), ("ProtocolMinorVersion", c_uint16), ("ProtocolRevision", c_uint16),
        ("Reserved", c_uint16), ("Flags", c_uint32), ("GenericReserved", _Reserved), ("ProtocolSpecific", _Specific),
    ]


class BY_HANDLE_FILE_INFORMATION(Structure):
    """What every file system tells, 64-bit numbers in halves."""

    _fields_ = [
        ("dwFileAttributes", c_uint32), ("ftCreationTime", FILETIME), ("ftLastAccessTime", FILETIME),
        ("ftLastWriteTime", FILETIME), ("dwVolumeSerialNumber", c_uint32), ("nFileSizeHigh", c_uint32),
        ("nFileSizeLow", c_uint32), ("nNumberOfLinks", c_uint32), ("nFileIndexHigh", c_uint32),
        ("nFileIndexLow", c_uint32),
    ]


class _Identity(Union):
    _fields_ = [("FileId", c_int64), ("ObjectId", GUID), ("ExtendedFileId", FILE_ID_128)]


class FILE_ID_DESCRIPTOR(Structure):
    """A file by its number."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("dwSize", c_uint32), ("Type", c_int32), ("Anonymous", _Identity)]


class _Replace(Union):
    _fields_ = [("ReplaceIfExists", c_uint8), ("Flags", c_uint32)]


class FILE_RENAME_INFO(Structure):
    """A new name; the text lies at the end."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [
        ("Anonymous", _Replace), ("RootDirectory", c_void_p), ("FileNameLength", c_uint32), ("FileName", c_uint16 * 1),
    ]
