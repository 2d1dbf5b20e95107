"""Access masks: the bits by object type, generic mapping, words for people.

Knows: MS-DTYP 2.4.3 and winnt.h's object-specific rights.  Must not know: who holds a right.
"""

from __future__ import annotations

from sidewall.nt.errors import NtError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DELETE = 0x00010000
READ_CONTROL = 0x00020000
WRITE_DAC = 0x00040000
WRITE_OWNER = 0x00080000
SYNCHRONIZE = 0x00100000
STANDARD_RIGHTS_REQUIRED = 0x000F0000
STANDARD_RIGHTS_ALL = 0x001F0000
ACCESS_SYSTEM_SECURITY = 0x01000000
MAXIMUM_ALLOWED = 0x02000000
GENERIC_ALL = 0x10000000
GENERIC_EXECUTE = 0x20000000
GENERIC_WRITE = 0x40000000
GENERIC_READ = 0x80000000
GENERIC_BITS = 0xF0000000

FILE_READ_DATA = FILE_LIST_DIRECTORY = 0x1
FILE_WRITE_DATA = FILE_ADD_FILE = 0x2
FILE_APPEND_DATA = FILE_ADD_SUBDIRECTORY = 0x4
FILE_READ_EA = 0x8
FILE_WRITE_EA = 0x10
FILE_EXECUTE = FILE_TRAVERSE = 0x20
FILE_DELETE_CHILD = 0x40
FILE_READ_ATTRIBUTES = 0x80
FILE_WRITE_ATTRIBUTES = 0x100
FILE_GENERIC_READ = 0x120089
FILE_GENERIC_WRITE = 0x120116
FILE_GENERIC_EXECUTE = 0x1200A0
FILE_ALL_ACCESS = 0x1F01FF
FILE_READ_AND_EXECUTE = 0x1200A9
FILE_MODIFY = 0x1301BF  # what the property page calls Modify: all but DELETE_CHILD, WRITE_DAC, WRITE_OWNER

KEY_READ = KEY_EXECUTE = 0x20019
KEY_WRITE = 0x20006
KEY_ALL_ACCESS = 0xF003F

NO_WRITE_UP = 0x1
NO_READ_UP = 0x2
NO_EXECUTE_UP = 0x4


class GenericMapping(Record):
    """What the four generic rights mean for one type of object: four masks without generic bits."""

    read: int
    write: int
    execute: int
    all: int


def _mapping(read: int, write: int, execute: int, every: int) -> GenericMapping:
    return GenericMapping(read=read, write=write, execute=execute, all=every)


_FILE = _mapping(FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE, FILE_ALL_ACCESS)

MAPPINGS: Mapping[str, GenericMapping] = {
    "file": _FILE,
    "directory": _FILE,
    "pipe": _FILE,
    "key": _mapping(KEY_READ, KEY_WRITE, KEY_EXECUTE, KEY_ALL_ACCESS),
    "event": _mapping(0x20001, 0x20002, 0x120000, 0x1F0003),
    "mutant": _mapping(0x20001, 0x20000, 0x120000, 0x1F0001),
    "semaphore": _mapping(0x20001, 0x20002, 0x120000, 0x1F0003),
    "section": _mapping(0x20005, 0x20002, 0x20008, 0xF001F),
    "directory_object": _mapping(0x20003, 0x2000C, 0x20003, 0xF000F),
    "symbolic_link": _mapping(0x20001, 0x20000, 0x20001, 0xF0001),
    "process": _mapping(0x20410, 0x20BEA, 0x121001, 0x1FFFFF),
    "thread": _mapping(0x20048, 0x20437, 0x121800, 0x1FFFFF),
    "job": _mapping(0x20004, 0x2000B, 0x120000, 0x1F003F),
    "token": _mapping(0x20008, 0x200E0, 0x20000, 0xF01FF),  # winnt.h's TOKEN_READ, _WRITE, _EXECUTE, _ALL_ACCESS
    "desktop": _mapping(0x20041, 0x200BE, 0x20100, 0xF01FF),
    "window_station": _mapping(0x20303, 0x2001C, 0x20060, 0xF037F),
    "service": _mapping(0x2008D, 0x20002, 0x20170, 0xF01FF),
    "service_manager": _mapping(0x20014, 0x20022, 0x20009, 0xF003F),
}
"""Object type to its mapping."""


def map_generic(mask: int, mapping: GenericMapping) -> int:
    """``mask`` with its generic bits replaced by what they mean: the kernel's RtlMapGenericMask."""
    if not mask & GENERIC_BITS:
        return mask
    mapped = mask & ~GENERIC_BITS
    if mask & GENERIC_READ:
        mapped |= mapping.read
    if mask & GENERIC_WRITE:
        mapped |= mapping.write
    if mask & GENERIC_EXECUTE:
        mapped |= mapping.execute
    if mask & GENERIC_ALL:
        mapped |= mapping.all
    return mapped


_COMMON = {
    DELETE: "DELETE", READ_CONTROL: "READ_CONTROL", WRITE_DAC: "WRITE_DAC", WRITE_OWNER: "WRITE_OWNER",
    SYNCHRONIZE: "SYNCHRONIZE", ACCESS_SYSTEM_SECURITY: "ACCESS_SYSTEM_SECURITY",
    MAXIMUM_ALLOWED: "MAXIMUM_ALLOWED", GENERIC_ALL: "GENERIC_ALL", GENERIC_EXECUTE: "GENERIC_EXECUTE",
    GENERIC_WRITE: "GENERIC_WRITE", GENERIC_READ: "GENERIC_READ",
}


def _bits(words: str) -> dict[int, str]:
    return {1 << bit: word for bit, word in enumerate(words.split()) if word != "-"}


_OWN: Mapping[str, Mapping[int, str]] = {
    "file": _bits("FILE_READ_DATA FILE_WRITE_DATA FILE_APPEND_DATA FILE_READ_EA FILE_WRITE_EA FILE_EXECUTE"
                  " FILE_DELETE_CHILD FILE_READ_ATTRIBUTES FILE_WRITE_ATTRIBUTES"),
    "directory": _bits("FILE_LIST_DIRECTORY FILE_ADD_FILE FILE_ADD_SUBDIRECTORY FILE_READ_EA FILE_WRITE_EA"
                       " FILE_TRAVERSE FILE_DELETE_CHILD FILE_READ_ATTRIBUTES FILE_WRITE_ATTRIBUTES"),
    "pipe": _bits("FILE_READ_DATA FILE_WRITE_DATA FILE_CREATE_PIPE_INSTANCE FILE_READ_EA FILE_WRITE_EA FILE_EXECUTE"
                  " FILE_DELETE_CHILD FILE_READ_ATTRIBUTES FILE_WRITE_ATTRIBUTES"),
    "key": _bits("KEY_QUERY_VALUE KEY_SET_VALUE KEY_CREATE_SUB_KEY KEY_ENUMERATE_SUB_KEYS KEY_NOTIFY KEY_CREATE_LINK"
                 " - - KEY_WOW64_64KEY KEY_WOW64_32KEY"),
    "event": _bits("EVENT_QUERY_STATE EVENT_MODIFY_STATE"),
    "mutant": _bits("MUTANT_QUERY_STATE"),
    "semaphore": _bits("SEMAPHORE_QUERY_STATE SEMAPHORE_MODIFY_STATE"),
    "section": _bits("SECTION_QUERY SECTION_MAP_WRITE SECTION_MAP_READ SECTION_MAP_EXECUTE SECTION_EXTEND_SIZE"),
    "directory_object": _bits("DIRECTORY_QUERY DIRECTORY_TRAVERSE DIRECTORY_CREATE_OBJECT"
                              " DIRECTORY_CREATE_SUBDIRECTORY"),
    "symbolic_link": _bits("SYMBOLIC_LINK_QUERY"),
    "process": _bits("PROCESS_TERMINATE PROCESS_CREATE_THREAD PROCESS_SET_SESSIONID PROCESS_VM_OPERATION"
                     " PROCESS_VM_READ PROCESS_VM_WRITE PROCESS_DUP_HANDLE PROCESS_CREATE_PROCESS PROCESS_SET_QUOTA"
                     " PROCESS_SET_INFORMATION PROCESS_QUERY_INFORMATION PROCESS_SUSPEND_RESUME"
                     " PROCESS_QUERY_LIMITED_INFORMATION PROCESS_SET_LIMITED_INFORMATION"),
    "thread": _bits("THREAD_TERMINATE THREAD_SUSPEND_RESUME THREAD_ALERT THREAD_GET_CONTEXT THREAD_SET_CONTEXT"
                    " THREAD_SET_INFORMATION THREAD_QUERY_INFORMATION THREAD_SET_THREAD_TOKEN THREAD_IMPERSONATE"
                    " THREAD_DIRECT_IMPERSONATION THREAD_SET_LIMITED_INFORMATION THREAD_QUERY_LIMITED_INFORMATION"
                    " THREAD_RESUME"),
    "job": _bits("JOB_OBJECT_ASSIGN_PROCESS JOB_OBJECT_SET_ATTRIBUTES JOB_OBJECT_QUERY JOB_OBJECT_TERMINATE"
                 " JOB_OBJECT_SET_SECURITY_ATTRIBUTES JOB_OBJECT_IMPERSONATE"),
    "token": _bits("TOKEN_ASSIGN_PRIMARY TOKEN_DUPLICATE TOKEN_IMPERSONATE TOKEN_QUERY TOKEN_QUERY_SOURCE"
                   " TOKEN_ADJUST_PRIVILEGES TOKEN_ADJUST_GROUPS TOKEN_ADJUST_DEFAULT TOKEN_ADJUST_SESSIONID"),
    "desktop": _bits("DESKTOP_READOBJECTS DESKTOP_CREATEWINDOW DESKTOP_CREATEMENU DESKTOP_HOOKCONTROL"
                     " DESKTOP_JOURNALRECORD DESKTOP_JOURNALPLAYBACK DESKTOP_ENUMERATE DESKTOP_WRITEOBJECTS"
                     " DESKTOP_SWITCHDESKTOP"),
    "window_station": _bits("WINSTA_ENUMDESKTOPS WINSTA_READATTRIBUTES WINSTA_ACCESSCLIPBOARD WINSTA_CREATEDESKTOP"
                            " WINSTA_WRITEATTRIBUTES WINSTA_ACCESSGLOBALATOMS WINSTA_EXITWINDOWS - WINSTA_ENUMERATE"
                            " WINSTA_READSCREEN"),
    "service": _bits("SERVICE_QUERY_CONFIG SERVICE_CHANGE_CONFIG SERVICE_QUERY_STATUS SERVICE_ENUMERATE_DEPENDENTS"
                     " SERVICE_START SERVICE_STOP SERVICE_PAUSE_CONTINUE SERVICE_INTERROGATE"
                     " SERVICE_USER_DEFINED_CONTROL"),
    "service_manager": _bits("SC_MANAGER_CONNECT SC_MANAGER_CREATE_SERVICE SC_MANAGER_ENUMERATE_SERVICE"
                             " SC_MANAGER_LOCK SC_MANAGER_QUERY_LOCK_STATUS SC_MANAGER_MODIFY_BOOT_CONFIG"),
}


def mapping_of(kind: str) -> GenericMapping:
    """The generic mapping of an object type by its name.  Raises NtError for a type that has none here."""
    mapping = MAPPINGS.get(kind)
    if mapping is None:
        raise NtError(f"no generic mapping is known for objects of type {kind!r}",
                      hint="known types: " + ", ".join(sorted(MAPPINGS)))
    return mapping


def describe(mask: int, kind: str = "file") -> str:
    """The bits' names joined by `` | ``, ``"all access"``, ``"nothing"``; unnamed bits as one hexadecimal number.

    Raises NtError for an unknown type of object.
    """
    if mask == mapping_of(kind).all:
        return "all access"
    names, rest = [], mask
    for bit, name in (*_OWN[kind].items(), *_COMMON.items()):
        if mask & bit:
            names.append(name)
            rest &= ~bit
    if rest:
        names.append(f"0x{rest:x}")
    return " | ".join(names) or "nothing"
