"""Security descriptors: owner, group, two lists, control bits; the self-relative packet both ways.

Knows: MS-DTYP 2.4.6.  Must not know: texts (`sddl` does) or what is granted.
"""

from __future__ import annotations

from sidewall.nt.acl import Acl
from sidewall.nt.errors import DescriptorError
from sidewall.nt.sid import Sid
from sidewall.record import Record

TYPE_CHECKING = False

SE_OWNER_DEFAULTED = 0x0001
SE_GROUP_DEFAULTED = 0x0002
SE_DACL_PRESENT = 0x0004
SE_DACL_DEFAULTED = 0x0008
SE_SACL_PRESENT = 0x0010
SE_SACL_DEFAULTED = 0x0020
SE_DACL_TRUSTED = 0x0040
SE_SERVER_SECURITY = 0x0080
SE_DACL_AUTO_INHERIT_REQ = 0x0100
SE_SACL_AUTO_INHERIT_REQ = 0x0200
SE_DACL_AUTO_INHERITED = 0x0400
SE_SACL_AUTO_INHERITED = 0x0800
SE_DACL_PROTECTED = 0x1000
SE_SACL_PROTECTED = 0x2000
SE_RM_CONTROL_VALID = 0x4000
SE_SELF_RELATIVE = 0x8000

REVISION = 1
HEADER = 20
MADE = ("sacl", "dacl", "owner", "group")
"""The order of the parts in what Windows makes from values (MakeSelfRelativeSD, and the texts of SDDL)."""
QUERIED = ("owner", "group", "dacl", "sacl")
"""The order of the parts in what Windows returns when an object's security is queried."""

_FIELDS = (("owner", 4), ("group", 8), ("sacl", 12), ("dacl", 16))


class SecurityDescriptor(Record):
    """Values only.  ``control`` holds the SE_* bits without SE_SELF_RELATIVE, which is of the packet, not of the value.

    * no DACL: SE_DACL_PRESENT clear, ``dacl`` None; * a NULL DACL: set, and None; * an empty one: set, and ``Acl()``.
    A list that is given sets its bit by itself.  ``rm_control`` is the byte that a resource manager may use for itself.
    """

    owner: Sid | None = None
    group: Sid | None = None
    dacl: Acl | None = None
    sacl: Acl | None = None
    control: int = 0
    rm_control: int = 0

    if not TYPE_CHECKING:  # type checkers know the fields from the annotations

        def __init__(self, **values: object) -> None:
            super().__init__(**values)
            control = self.control & ~SE_SELF_RELATIVE
            if self.dacl is not None:
                control |= SE_DACL_PRESENT
            if self.sacl is not None:
                control |= SE_SACL_PRESENT
            self.__dict__["control"] = control

    def to_bytes(self, order: tuple[str, ...] = MADE) -> bytes:
        """The self-relative packet with its parts in ``order`` (`MADE`, `QUERIED` or what `order_of` says).

        Raises DescriptorError if the values do not fit into one.
        """
        if sorted(order) != sorted(MADE):
            raise DescriptorError(f"not an order of a descriptor's parts: {order!r}", hint="use MADE or QUERIED")
        if not (0 <= self.control <= 0xFFFF and 0 <= self.rm_control <= 0xFF):
            raise DescriptorError(f"control 0x{self.control:x} or 0x{self.rm_control:x} is too large", hint="use SE_*")
        offsets, parts, at = {}, [], HEADER
        for name in order:
            value: Sid | Acl | None = getattr(self, name)
            offsets[name] = 0 if value is None else at
            if value is not None:
                parts.append(value.to_bytes())
                at += len(parts[-1])
        head = bytes((REVISION, self.rm_control)) + (self.control | SE_SELF_RELATIVE).to_bytes(2, "little")
        return b"".join((head, *[offsets[name].to_bytes(4, "little") for name, _ in _FIELDS], *parts))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> SecurityDescriptor:
        """The values of a self-relative packet, whatever lies behind it.  Raises DescriptorError."""
        data = bytes(data)
        if len(data) < HEADER:
            raise DescriptorError(f"a descriptor needs {HEADER} bytes, there are {len(data)}", offset=0,
                                  hint="the data is cut off")
        if data[0] != REVISION:
            raise DescriptorError(f"descriptor revision {data[0]} is not {REVISION}", offset=0,
                                  hint="this is not a security descriptor")
        control = int.from_bytes(data[2:4], "little")
        if not control & SE_SELF_RELATIVE:
            raise DescriptorError(f"control 0x{control:04x} says that the descriptor is not self-relative", offset=2,
                                  hint="capture it self-relative: an absolute one holds addresses of a process")
        owner, group, sacl, dacl = (_offset(data, name, at, control) for name, at in _FIELDS)
        return cls(
            owner=Sid.from_bytes(data, owner) if owner else None,
            group=Sid.from_bytes(data, group) if group else None,
            dacl=Acl.from_bytes(data, dacl) if dacl else None,
            sacl=Acl.from_bytes(data, sacl) if sacl else None,
            control=control, rm_control=data[1],
        )


_PRESENT = {"dacl": SE_DACL_PRESENT, "sacl": SE_SACL_PRESENT}


def _offset(data: bytes, name: str, at: int, control: int) -> int:
    """Where a part lies; 0 if it is not there, or if control says that what is there does not count."""
    offset = int.from_bytes(data[at : at + 4], "little")
    needed = _PRESENT.get(name, 0)
    if not offset or (needed and not control & needed):
        return 0
    if offset < HEADER or offset & 3 or offset >= len(data):
        raise DescriptorError(f"offset {offset} of the {name} is not a multiple of 4 from {HEADER} to {len(data) - 1}",
                              offset=at, hint="the data is damaged or cut off")
    return offset


def order_of(data: bytes) -> tuple[str, ...]:
    """The order in which a packet's parts lie, for `to_bytes`; absent ones come first, where they make no difference.

    Raises DescriptorError if the packet is too short for a header.
    """
    if len(data) < HEADER:
        raise DescriptorError(f"a descriptor needs {HEADER} bytes, there are {len(data)}", offset=0,
                              hint="the data is cut off")
    offsets = {name: int.from_bytes(data[at : at + 4], "little") for name, at in _FIELDS}
    return tuple(sorted(MADE, key=lambda name: offsets[name]))
