"""Texts, SIDs and lists in memory that Windows wrote or will read.

Knows: UTF-16 text ended by a zero, the length of a SID (MS-DTYP 2.4.2.2).  Must not know: any function.

What is read from an address is copied at once: the memory is somebody else's and is freed by whoever called.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.errors import CallError
from sidewall.platforms.windows.layouts_security import SID_AND_ATTRIBUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

Text = ctypes.c_wchar_p
LONGEST = 1 << 20
"""Units of a text after which its end is not looked for any more."""


def wide(text: str) -> ctypes.Array[ctypes.c_char]:
    """Memory with a text and its zero.  Raises CallError for a text with a zero in it, which would end there."""
    if "\0" in text:
        raise CallError(f"a text for Windows has a zero in it, at character {text.index(chr(0))}")  # it may be secret
    return ctypes.create_string_buffer(text.encode("utf-16-le", "surrogatepass") + b"\0")


def pointer(memory: Any, kind: Any) -> Any:
    """A typed pointer to memory, which the caller keeps."""
    return ctypes.cast(ctypes.byref(memory), ctypes.POINTER(kind))


def bytes_of(data: bytes, kind: Any) -> Any:
    """A typed pointer to a copy of bytes; the copy lives as long as the pointer."""
    return ctypes.cast(ctypes.create_string_buffer(data, max(len(data), 1)), ctypes.POINTER(kind))


def text_at(place: int | None) -> str:
    """The text at an address, '' for none."""
    if not place:
        return ""
    units: list[bytes] = []
    while len(units) < LONGEST:
        unit = ctypes.string_at(place + 2 * len(units), 2)
        if unit == b"\0\0":
            break
        units.append(unit)
    return b"".join(units).decode("utf-16-le", "surrogatepass")


def counted_text_at(place: int | None, length: int) -> str:
    """The text of ``length`` bytes at an address."""
    return ctypes.string_at(place, length).decode("utf-16-le", "surrogatepass") if place and length else ""


def sid_at(place: int | None) -> bytes:
    """The SID at an address, b'' for none."""
    return ctypes.string_at(place, 8 + 4 * ctypes.string_at(place, 2)[1]) if place else b""


def acl_at(place: int | None) -> bytes:
    """The access control list at an address, b'' for none."""
    return ctypes.string_at(place, int.from_bytes(ctypes.string_at(place, 4)[2:], "little")) if place else b""


def items(kind: Any, first: Any, count: int) -> Any:
    """``count`` structures that lie one after the other from ``first`` on (a structure or an address)."""
    if not count:
        return ()
    return (kind * count).from_address(first if isinstance(first, int) else ctypes.addressof(first))


class SidList:
    """SIDs and attributes as an array for Windows, which must not outlive this object."""

    def __init__(self, sids: Sequence[tuple[bytes, int]]) -> None:
        self._memory = [ctypes.create_string_buffer(sid, len(sid)) for sid, _ in sids]
        self.count = len(sids)
        self.array = (SID_AND_ATTRIBUTES * max(self.count, 1))()
        for entry, memory, (_, attributes) in zip(self.array, self._memory, sids, strict=False):
            entry.Sid = ctypes.addressof(memory)
            entry.Attributes = attributes

    @property
    def argument(self) -> Any:
        """The array, or None for an empty one."""
        return self.array if self.count else None


__all__ = ["LONGEST", "SidList", "Text", "acl_at", "bytes_of", "counted_text_at", "items", "pointer", "sid_at",
           "text_at", "wide"]
