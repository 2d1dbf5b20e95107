"""Which DLLs a program or a DLL is linked to, and for which subsystem it is, read from the file itself.

Knows: the optional header and the import table of the "PE Format" specification (sections, data directories, import
directory table).  Must not know: where a DLL lies, or which file this is.  Pure: bytes in, names and numbers out.

A table that leads outside the file is an error and not an end: what is copied without a DLL that it needs does not
start.  Delay-loaded DLLs are not told: a program starts without them.
"""

from __future__ import annotations

IMPORT_DIRECTORY = 1
MOST = 1024
"""DLLs after which a table is taken for damaged."""
_MAGIC_64, _MAGIC_32 = 0x20B, 0x10B
WINDOWS_GUI = 2
"""IMAGE_SUBSYSTEM_WINDOWS_GUI: a program that the system starts no console for."""


class PEError(ValueError):
    """These bytes are no program and no DLL of Windows."""


def imports(data: bytes) -> tuple[str, ...]:
    """The names of the DLLs, as they are written, in the table's order.  Raises PEError."""
    try:
        return _imports(data)
    except (IndexError, UnicodeDecodeError) as error:
        raise PEError(f"a table leads outside the file: {error}") from None


def subsystem(data: bytes) -> int:
    """The subsystem that a program asks for.  Raises PEError."""
    try:
        return _number(data, _optional(data) + 68, 2)
    except IndexError as error:
        raise PEError(f"a table leads outside the file: {error}") from None


def _number(data: bytes, at: int, size: int = 4) -> int:
    if at < 0 or at + size > len(data):
        raise IndexError(f"{at:#x}")
    return int.from_bytes(data[at:at + size], "little")


def _optional(data: bytes) -> int:
    """Where the optional header begins."""
    header = _number(data, 0x3C) if data[:2] == b"MZ" else -1
    if header < 0 or data[header:header + 4] != b"PE\0\0":
        raise PEError("no PE header")
    magic = _number(data, header + 24, 2)
    if magic not in (_MAGIC_64, _MAGIC_32):
        raise PEError(f"an optional header of unknown kind {magic:#x}")
    return header + 24


def _imports(data: bytes) -> tuple[str, ...]:
    optional = _optional(data)
    header = optional - 24
    directories = optional + (112 if _number(data, optional, 2) == _MAGIC_64 else 96)
    if _number(data, directories - 4) <= IMPORT_DIRECTORY:
        return ()
    table = _number(data, directories + 8 * IMPORT_DIRECTORY)
    first = optional + _number(data, header + 20, 2)
    sections = [first + 40 * index for index in range(_number(data, header + 6, 2))]
    found: list[str] = []
    while table and len(found) < MOST:
        name = _number(data, _place(data, sections, table + 20 * len(found)) + 12)
        if not name:
            return tuple(found)
        at = _place(data, sections, name)
        found.append(data[at:data.index(b"\0", at)].decode("ascii") if b"\0" in data[at:] else _endless(at))
    if table:
        raise PEError("an import table without end")
    return ()


def _endless(at: int) -> str:
    raise IndexError(f"{at:#x}")


def _place(data: bytes, sections: list[int], address: int) -> int:
    """Where in the file a relative virtual address lies."""
    for section in sections:
        start, size = _number(data, section + 12), max(_number(data, section + 8), _number(data, section + 16))
        if start <= address < start + size:
            return _number(data, section + 20) + address - start
    raise IndexError(f"{address:#x}")


__all__ = ["WINDOWS_GUI", "PEError", "imports", "subsystem"]
