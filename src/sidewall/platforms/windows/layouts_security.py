"""Structures of tokens, privileges, SIDs and policies, as ``winnt.h``, ``ntsecapi.h`` and ``winternl.h`` have them.

Knows: fields, in order, with types of fixed width.  Must not know: any function; what is inside a SID, an ACL or a
descriptor (``nt`` does).  A list that goes on behind its structure is an array of one.
"""

from __future__ import annotations

from ctypes import POINTER as pointer_to
from ctypes import Structure, Union, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_void_p


class LUID(Structure):
    """A number that is unique until the machine starts again."""

    _fields_ = [("LowPart", c_uint32), ("HighPart", c_int32)]


class LUID_AND_ATTRIBUTES(Structure):
    """A privilege and its state."""

    _fields_ = [("Luid", LUID), ("Attributes", c_uint32)]


class SID_AND_ATTRIBUTES(Structure):
    """A group and its state."""

    _fields_ = [("Sid", c_void_p), ("Attributes", c_uint32)]


class TOKEN_USER(Structure):
    """TokenUser."""

    _fields_ = [("User", SID_AND_ATTRIBUTES)]


class TOKEN_GROUPS(Structure):
    """TokenGroups, TokenRestrictedSids, TokenLogonSid."""

    _fields_ = [("GroupCount", c_uint32), ("Groups", SID_AND_ATTRIBUTES * 1)]


class TOKEN_PRIVILEGES(Structure):
    """TokenPrivileges."""

    _fields_ = [("PrivilegeCount", c_uint32), ("Privileges", LUID_AND_ATTRIBUTES * 1)]


class TOKEN_OWNER(Structure):
    """TokenOwner."""

    _fields_ = [("Owner", c_void_p)]


class TOKEN_MANDATORY_LABEL(Structure):
    """TokenIntegrityLevel."""

    _fields_ = [("Label", SID_AND_ATTRIBUTES)]


class ACL(Structure):
    """The head of a list of access control entries."""

    _fields_ = [
        ("AclRevision", c_uint8), ("Sbz1", c_uint8), ("AclSize", c_uint16), ("AceCount", c_uint16), ("Sbz2", c_uint16),
    ]


class TOKEN_DEFAULT_DACL(Structure):
    """TokenDefaultDacl."""

    _fields_ = [("DefaultDacl", pointer_to(ACL))]


class TOKEN_LINKED_TOKEN(Structure):
    """TokenLinkedToken."""

    _fields_ = [("LinkedToken", c_void_p)]


class TOKEN_STATISTICS(Structure):
    """TokenStatistics."""

    _fields_ = [
        ("TokenId", LUID), ("AuthenticationId", LUID), ("ExpirationTime", c_int64), ("TokenType", c_int32),
        ("ImpersonationLevel", c_int32), ("DynamicCharged", c_uint32), ("DynamicAvailable", c_uint32),
        ("GroupCount", c_uint32), ("PrivilegeCount", c_uint32), ("ModifiedId", LUID),
    ]


class GENERIC_MAPPING(Structure):
    """What the generic rights mean for a kind of object."""

    _fields_ = [
        ("GenericRead", c_uint32), ("GenericWrite", c_uint32), ("GenericExecute", c_uint32), ("GenericAll", c_uint32),
    ]


class PRIVILEGE_SET(Structure):
    """Privileges that an access check used."""

    _fields_ = [("PrivilegeCount", c_uint32), ("Control", c_uint32), ("Privilege", LUID_AND_ATTRIBUTES * 1)]


class LSA_UNICODE_STRING(Structure):
    """A counted string of the local security authority; lengths in bytes."""

    _fields_ = [("Length", c_uint16), ("MaximumLength", c_uint16), ("Buffer", c_void_p)]


class LSA_OBJECT_ATTRIBUTES(Structure):
    """Reserved: all zeros."""

    _fields_ = [
        ("Length", c_uint32), ("RootDirectory", c_void_p), ("ObjectName", pointer_to(LSA_UNICODE_STRING)),
        ("Attributes", c_uint32), ("SecurityDescriptor", c_void_p), ("SecurityQualityOfService", c_void_p),
    ]


class LSA_ENUMERATION_INFORMATION(Structure):
    """One account that has a right."""

    _fields_ = [("Sid", c_void_p)]


class UNICODE_STRING(Structure):
    """A counted string of the kernel; lengths in bytes."""

    _fields_ = [("Length", c_uint16), ("MaximumLength", c_uint16), ("Buffer", c_void_p)]


class OBJECT_ATTRIBUTES(Structure):
    """A name below a directory that is open, and how it is looked up."""

    _fields_ = [
        ("Length", c_uint32), ("RootDirectory", c_void_p), ("ObjectName", pointer_to(UNICODE_STRING)),
        ("Attributes", c_uint32), ("SecurityDescriptor", c_void_p), ("SecurityQualityOfService", c_void_p),
    ]


class _Status(Union):
    _fields_ = [("Status", c_int32), ("Pointer", c_void_p)]


class IO_STATUS_BLOCK(Structure):
    """How an operation of the kernel ended."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("Anonymous", _Status), ("Information", c_size_t)]


class OBJECT_NAME_INFORMATION(Structure):
    """ObjectNameInformation; the text lies behind it."""

    _fields_ = [("Name", UNICODE_STRING)]


class USEROBJECTFLAGS(Structure):
    """UOI_FLAGS."""

    _fields_ = [("fInherit", c_int32), ("fReserved", c_int32), ("dwFlags", c_uint32)]
