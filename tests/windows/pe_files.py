"""Programs of Windows as small as their import table: for tests of what reads one.

Knows: the "PE Format" specification.  Must not know: what reads it.
"""

from __future__ import annotations

from collections.abc import Sequence

HEADER, RAW, ADDRESS = 0x80, 0x400, 0x2000


def program(names: Sequence[str], *, wide: bool = True, sections: int = 3, tail: bytes = b"", subsystem: int = 2
            ) -> bytes:
    """A file that is linked to these DLLs; ``wide``: of 64 bits.  The table lies in the last section."""
    table_size = 20 * (len(names) + 1)
    texts, places = b"", []
    for name in names:
        places.append(ADDRESS + table_size + len(texts))
        texts += name.encode("ascii") + b"\0"
    table = b"".join([bytes(12) + place.to_bytes(4, "little") + b"\x01\0\0\0" for place in places]) + bytes(20)
    body = table + texts
    directories = [(0, 0), (ADDRESS if names else 0, table_size), *[(0, 0)] * 14]
    optional = (0x20B if wide else 0x10B).to_bytes(2, "little") + bytes(66) + subsystem.to_bytes(2, "little")
    optional += bytes((112 if wide else 96) - 74) + (16).to_bytes(4, "little")
    optional += b"".join([at.to_bytes(4, "little") + size.to_bytes(4, "little") for at, size in directories])
    coff = b"\x64\x86" + sections.to_bytes(2, "little") + bytes(12) + len(optional).to_bytes(2, "little") + bytes(2)
    heads = b""
    for index in range(sections):
        last = index == sections - 1
        at, size, raw = (ADDRESS, len(body), RAW) if last else (0x1000 + 16 * index, 16, 0x300)
        heads += bytes(8) + b"".join([value.to_bytes(4, "little") for value in (size, at, size, raw)]) + bytes(16)
    start = b"MZ" + bytes(0x3A) + HEADER.to_bytes(4, "little")
    data = start.ljust(HEADER, b"\0") + b"PE\0\0" + coff + optional + heads
    assert len(data) <= RAW
    return data.ljust(RAW, b"\0") + body + tail


__all__ = ["program"]
