"""Security identifiers: text and bytes.

Knows: the structure of a SID, MS-DTYP 2.4.2.  Must not know: which SID means whom (`wellknown` does).

A `Sid` *is* its canonical text.  An access check compares SIDs and looks them up in sets and nothing else, and a
subclass of ``str`` does both at the speed of C; a record of numbers would compare field by field in Python.
"""

from __future__ import annotations

from sidewall.nt.errors import DescriptorError, SidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

REVISION = 1
MAX_SUBAUTHORITIES = 15
HEAD = 8  # revision, count, six bytes of authority

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_SHAPE = "a SID reads S-1-AUTHORITY-N[-N...], for instance S-1-5-32-544"


class Sid(str):
    """An immutable SID, equal to its canonical text: ``Sid("s-1-0x5-32-0x220") == "S-1-5-32-544"``.

    The authority is decimal below 2**32, else hexadecimal with upper-case digits and no leading zeros, as Windows
    writes it: equal SIDs are equal texts.  The twelve digits of MS-DTYP 2.4.2.1 are read as well.

    Raises:
        SidError: the text is not a SID.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if text.__class__ is cls:
            return text  # immutable, so the same will do
        return cls.of(*_read(text))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The SID that ``text`` names; the constructor by its field-standard name.  Raises SidError."""
        return cls(text)

    @classmethod
    def of(cls, authority: int, *subauthorities: int) -> Self:
        """A SID from its numbers: 48-bit authority, one to fifteen 32-bit subauthorities.  Raises SidError."""
        if not 0 <= authority < 1 << 48:
            raise SidError(f"SID authority {authority} does not fit into 48 bits", hint=_SHAPE)
        if not 1 <= (count := len(subauthorities)) <= MAX_SUBAUTHORITIES:
            raise SidError(f"a SID has 1 to {MAX_SUBAUTHORITIES} subauthorities, not {count}", hint=_SHAPE)
        for number in subauthorities:
            if not 0 <= number < 1 << 32:
                raise SidError(f"SID subauthority {number} does not fit into 32 bits", hint=_SHAPE)
        head = str(authority) if authority < 1 << 32 else f"0x{authority:X}"
        return str.__new__(cls, "-".join(("S-1", head, *map(str, subauthorities))))

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0, limit: int = -1) -> Self:
        """The SID that begins at ``offset`` and ends before ``limit`` (-1: the end of the data).

        What follows it is not looked at.  Raises DescriptorError.
        """
        limit = len(data) if limit < 0 else limit
        end = offset + HEAD
        if not 0 <= offset <= limit - HEAD:
            raise DescriptorError(f"a SID needs {HEAD} bytes, {max(limit - offset, 0)} are left", offset=offset,
                                  hint="the data is cut off, or an offset in it is wrong")
        if data[offset] != REVISION:
            raise DescriptorError(f"SID revision {data[offset]} is not {REVISION}", offset=offset,
                                  hint="there is no SID here: an offset or a size before it is wrong")
        count = data[offset + 1]
        if not 1 <= count <= MAX_SUBAUTHORITIES:
            raise DescriptorError(f"a SID has 1 to {MAX_SUBAUTHORITIES} subauthorities, not {count}",
                                  offset=offset + 1, hint="a SID without subauthorities has no text and names nobody")
        if end + 4 * count > limit:
            raise DescriptorError(f"a SID of {HEAD + 4 * count} bytes does not fit into the {limit - offset} left",
                                  offset=offset, hint="the data is cut off, or an offset in it is wrong")
        return cls.of(int.from_bytes(data[offset + 2 : end], "big"),
                      *[int.from_bytes(data[at : at + 4], "little") for at in range(end, end + 4 * count, 4)])

    def to_bytes(self) -> bytes:
        """The packet of MS-DTYP 2.4.2.2: 8 bytes and 4 for each subauthority."""
        subs = self.subauthorities
        return b"".join((bytes((REVISION, len(subs))), self.authority.to_bytes(6, "big"),
                         *[number.to_bytes(4, "little") for number in subs]))

    @property
    def revision(self) -> int:
        """Always 1: there is no other."""
        return REVISION

    @property
    def authority(self) -> int:
        """The 48-bit identifier authority, 5 for nearly all."""
        return int(self.split("-", 3)[2], 0)

    @property
    def subauthorities(self) -> tuple[int, ...]:
        """The 32-bit numbers after the authority, at least one."""
        return tuple(map(int, self.split("-")[3:]))

    @property
    def rid(self) -> int:
        """The last subauthority: an account's number in its domain, a label's level."""
        return int(self.rpartition("-")[2])

    def child(self, rid: int) -> Self:
        """This SID with one more subauthority: an account of a domain.  Raises SidError."""
        return type(self).of(self.authority, *self.subauthorities, rid)

    def __repr__(self) -> str:
        return f"Sid({str.__repr__(self)})"

    def __reduce__(self) -> tuple[type[Sid], tuple[str]]:
        return (type(self), (str(self),))


def _read(text: str) -> tuple[int, ...]:
    parts = text.split("-", MAX_SUBAUTHORITIES + 3)  # more parts than a SID has are one too many all the same
    if len(parts) < 4 or parts[0] not in ("S", "s"):
        raise SidError(f"not a SID: {_shown(text)}", hint=_SHAPE)
    if parts[1] != "1":
        raise SidError(f"SID revision {_shown(parts[1])} in {_shown(text)} is not 1", hint=_SHAPE)
    return _number(parts[2], 48, text), *[_number(part, 32, text) for part in parts[3:]]


def _number(part: str, bits: int, text: str) -> int:
    """A part of a SID: decimal without leading zeros, or hexadecimal, as Windows reads both everywhere in a SID."""
    digits = part[2:] if part[:2] in ("0x", "0X") else ""
    if digits and len(digits) <= 12 and _HEXADECIMAL.issuperset(digits):
        number = int(digits, 16)
    # str.isdigit alone would let other scripts' digits through, and int() takes underscores and blanks.  A leading zero
    # is forbidden by MS-DTYP 2.4.2.1, and not all readers agree whether it means octal.
    elif part.isascii() and part.isdigit() and len(part) <= 15 and (part[0] != "0" or part == "0"):
        number = int(part)
    else:
        number = -1
    if not 0 <= number < 1 << bits:
        raise SidError(f"{_shown(part)} in SID {_shown(text)} is not a number below 2**{bits}", hint=_SHAPE)
    return number


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
