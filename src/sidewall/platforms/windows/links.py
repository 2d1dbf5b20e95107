"""What a reparse point says: which kind it is, and where a link leads.

Knows: REPARSE_DATA_BUFFER (MS-FSCC 2.1.2), how the object manager writes a target.  Must not know: files, the policy.
"""

from __future__ import annotations

from sidewall.platforms.windows.constants_files import IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK

NAME_SURROGATE = 0x20000000
"""A tag with this bit stands for another entry; without it (cloud files, compression) the file is here."""
_RELATIVE = 1
_OBJECTS = "\\??\\"


class UnknownLink(ValueError):
    """It leads somewhere, and this cannot tell where."""


def target(data: bytes) -> tuple[str, bool]:
    """Where a link leads, and whether that counts from the directory in which it stands.

    An absolute target begins with a drive (``C:\\``), with ``\\\\server\\share`` or with ``\\\\?\\`` and a volume.
    Raises UnknownLink for another kind of link, and for data that are damaged.
    """
    tag = int.from_bytes(data[:4], "little")
    length = int.from_bytes(data[4:6], "little")
    relative = False
    if tag == IO_REPARSE_TAG_SYMLINK:
        relative = bool(int.from_bytes(data[16:20], "little") & _RELATIVE)
        names = 20
    elif tag == IO_REPARSE_TAG_MOUNT_POINT:
        names = 16
    else:
        raise UnknownLink(f"a reparse point of kind 0x{tag:08X}")
    start = names + int.from_bytes(data[8:10], "little")
    end = start + int.from_bytes(data[10:12], "little")
    if not names <= start < end <= min(len(data), 8 + length) or (end - start) % 2:
        raise UnknownLink("damaged")
    text = data[start:end].decode("utf-16-le", "surrogatepass")
    if "\0" in text:
        raise UnknownLink("damaged")
    if relative:
        return text, True
    if not text.startswith(_OBJECTS):
        raise UnknownLink(f"to {text}")
    rest = text[len(_OBJECTS):]
    if rest[:4].upper() == "UNC\\":
        return "\\\\" + rest[4:], False
    if rest[1:3] == ":\\":
        return rest, False
    if rest[:7].lower() == "volume{":
        return "\\\\?\\" + rest, False
    raise UnknownLink(f"to {text}")


__all__ = ["NAME_SURROGATE", "UnknownLink", "target"]
