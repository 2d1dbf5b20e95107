"""Access control entries: one entry's values, and its bytes both ways.

Knows: the ACE structures of MS-DTYP 2.4.4.  Must not know: what an entry grants, or where it stands in a list.

Every known type is one of two shapes: header, mask, SID, data; or the same with object GUIDs before the SID.  What
follows the SID (a condition, a resource attribute, padding) is kept as it is.  A type with another shape, or unknown,
is *opaque*: its mask is 0, its SID is S-1-0-0 and its data is the whole body, so that nothing is lost or guessed.
"""

from __future__ import annotations

from sidewall.nt.errors import DescriptorError
from sidewall.nt.sid import Sid
from sidewall.nt.wellknown import NULL
from sidewall.record import Record

ACCESS_ALLOWED = 0x00
ACCESS_DENIED = 0x01
SYSTEM_AUDIT = 0x02
SYSTEM_ALARM = 0x03
ACCESS_ALLOWED_COMPOUND = 0x04
ACCESS_ALLOWED_OBJECT = 0x05
ACCESS_DENIED_OBJECT = 0x06
SYSTEM_AUDIT_OBJECT = 0x07
SYSTEM_ALARM_OBJECT = 0x08
ACCESS_ALLOWED_CALLBACK = 0x09
ACCESS_DENIED_CALLBACK = 0x0A
ACCESS_ALLOWED_CALLBACK_OBJECT = 0x0B
ACCESS_DENIED_CALLBACK_OBJECT = 0x0C
SYSTEM_AUDIT_CALLBACK = 0x0D
SYSTEM_ALARM_CALLBACK = 0x0E
SYSTEM_AUDIT_CALLBACK_OBJECT = 0x0F
SYSTEM_ALARM_CALLBACK_OBJECT = 0x10
SYSTEM_MANDATORY_LABEL = 0x11
SYSTEM_RESOURCE_ATTRIBUTE = 0x12
SYSTEM_SCOPED_POLICY_ID = 0x13
SYSTEM_PROCESS_TRUST_LABEL = 0x14
SYSTEM_ACCESS_FILTER = 0x15

OBJECT_TYPES = frozenset({0x05, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x0F, 0x10})
CALLBACK_TYPES = frozenset(range(0x09, 0x11))
ALLOW_TYPES = frozenset({0x00, 0x04, 0x05, 0x09, 0x0B})
DENY_TYPES = frozenset({0x01, 0x06, 0x0A, 0x0C})
KNOWN_TYPES = frozenset(range(0x16)) - {ACCESS_ALLOWED_COMPOUND}

OBJECT_INHERIT = 0x01
CONTAINER_INHERIT = 0x02
NO_PROPAGATE_INHERIT = 0x04
INHERIT_ONLY = 0x08
INHERITED = 0x10
CRITICAL = 0x20
SUCCESSFUL_ACCESS = 0x40  # of an audit entry
TRUST_PROTECTED_FILTER = 0x40  # of an access filter
FAILED_ACCESS = 0x80

OBJECT_TYPE_PRESENT = 0x1
INHERITED_OBJECT_TYPE_PRESENT = 0x2

HEADER = 4  # type, flags, size
NO_GUID = ""


class Ace(Record):
    """One entry.  ``type`` and ``flags`` are bytes, ``mask`` 32 bits; ``data`` are the bytes after the SID.

    ``object_type`` and ``inherited_object_type`` are lower-case GUIDs without braces, ``""`` where not present; they
    belong to the types in `OBJECT_TYPES` only.
    """

    type: int
    flags: int = 0
    mask: int
    sid: Sid
    data: bytes = b""
    object_type: str = NO_GUID
    inherited_object_type: str = NO_GUID

    @property
    def opaque(self) -> bool:
        """Whether the type's shape is not known, so that ``data`` is the whole body."""
        return self.type not in KNOWN_TYPES

    def to_bytes(self) -> bytes:
        """The packet.  Raises DescriptorError if the values do not fit into one."""
        body = self.data if self.opaque else self._body()
        size = HEADER + len(body)
        if size & 3 or size > 0xFFFF:
            raise DescriptorError(f"an ACE of {size} bytes: its size is a multiple of 4 below 65536",
                                  hint="pad the ACE's data with zero bytes, or make it shorter")
        if not (0 <= self.type <= 0xFF and 0 <= self.flags <= 0xFF):
            raise DescriptorError(f"ACE type {self.type} or flags {self.flags} is not a byte", hint="use the constants")
        return bytes((self.type, self.flags)) + size.to_bytes(2, "little") + body

    def _body(self) -> bytes:
        if not 0 <= self.mask < 1 << 32:
            raise DescriptorError(f"ACE mask {self.mask} does not fit into 32 bits", hint="use the constants")
        guids = b""
        if self.type in OBJECT_TYPES:
            present = OBJECT_TYPE_PRESENT if self.object_type else 0
            present |= INHERITED_OBJECT_TYPE_PRESENT if self.inherited_object_type else 0
            guids = present.to_bytes(4, "little") + guid_to_bytes(self.object_type)
            guids += guid_to_bytes(self.inherited_object_type)
        elif self.object_type or self.inherited_object_type:
            raise DescriptorError(f"an ACE of type {self.type} has no object GUIDs", hint="use an object ACE type")
        return self.mask.to_bytes(4, "little") + guids + self.sid.to_bytes() + self.data

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, limit: int = -1) -> Ace:
        """The ACE that begins at ``offset`` and ends before ``limit`` (-1: the end).  Raises DescriptorError."""
        left = (len(data) if limit < 0 else limit) - offset
        if offset < 0 or left < HEADER:
            raise DescriptorError(f"an ACE needs {HEADER} bytes, {max(left, 0)} are left", offset=offset,
                                  hint="the ACL's count or an ACE's size is wrong, or the data is cut off")
        kind, flags, size = data[offset], data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "little")
        if size < HEADER or size & 3 or size > left:
            raise DescriptorError(f"ACE size {size} is not a multiple of 4 from {HEADER} to the {left} bytes left",
                                  offset=offset + 2, hint="the data is damaged or cut off")
        end = offset + size
        at = offset + HEADER
        if kind not in KNOWN_TYPES:
            return cls(type=kind, flags=flags, mask=0, sid=NULL, data=data[at:end])
        _need(at, 4, end, "a mask")
        mask = int.from_bytes(data[at : at + 4], "little")
        at += 4
        guids = [NO_GUID, NO_GUID]
        if kind in OBJECT_TYPES:
            _need(at, 4, end, "object flags")
            present = int.from_bytes(data[at : at + 4], "little")
            if present & ~3:
                raise DescriptorError(f"object ACE flags 0x{present:x} hold more than the bits 1 and 2", offset=at,
                                      hint="the data is damaged, or of a Windows that is newer than this model")
            at += 4
            for index in (0, 1):
                if present & (1 << index):
                    _need(at, 16, end, "a GUID")
                    guids[index] = guid_from_bytes(data[at : at + 16])
                    at += 16
        sid = Sid.from_bytes(data, at, end)
        rest = at + 8 + 4 * data[at + 1]
        return cls(type=kind, flags=flags, mask=mask, sid=sid, data=data[rest:end],
                   object_type=guids[0], inherited_object_type=guids[1])


def _need(at: int, count: int, end: int, what: str) -> None:
    if at + count > end:
        raise DescriptorError(f"{what} needs {count} bytes, the ACE has {end - at} left", offset=at,
                              hint="the ACE's size or type is wrong")


def guid_to_bytes(guid: str) -> bytes:
    """The packet of MS-DTYP 2.3.4.2; nothing for ``""``.  Raises DescriptorError."""
    if not guid:
        return b""
    parts = guid.split("-")
    digits = "".join(parts)
    if [len(part) for part in parts] != [8, 4, 4, 4, 12] or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise DescriptorError(f"not a GUID: {guid[:60]!r}", hint="a GUID reads 01234567-89ab-cdef-0123-456789abcdef")
    raw = bytes.fromhex(digits)
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]


def guid_from_bytes(raw: bytes) -> str:
    """Sixteen bytes as lower-case text without braces."""
    digits = (raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
