"""Reads a git index that a cell wrote, refuses what is wrong in it and drops what would lie to the user.

Knows: gitformat-index(5), versions 2 to 4.  Must not know: any file system; it is given bytes.

Git trusts the paths in its index when it checks out, resets or stashes, and takes the cached trees in it for its next
commit.  So every path is checked, and of the extensions only those stay without which the entries cannot be read; git
makes the others again.
"""

from __future__ import annotations

import operator
import re
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Boundaries: NUL between the joined paths, "/" between components, "\\" as what other file systems take for one.
_BAD_PATH = re.compile(
    rb"(?i)(?:^|[\0/])(?:\.\.?)?(?:[/\0]|$)|(?:^|[\0/\\])(?:\.git|git~[0-9]+)[ .]*(?:[/\\:\0]|$)")
_MODES = frozenset((0o100644, 0o100755, 0o120000, 0o160000, 0o040000))
_KEPT = frozenset((b"link", b"sdir", b"REUC"))
_DROPPED = frozenset((b"TREE", b"UNTR", b"FSMN", b"EOIE", b"IEOT"))
_DIRECTORY = 0o040000


class Rejected(Exception):
    """Not an index that may be carried; the message says why."""


class Index:
    """A checked index.

    ``data`` is what may be written: the entries, the extensions that matter, and a right checksum.  ``shared`` is the
    hexadecimal name of the shared index that it needs, or ''.  ``shape`` identifies modes, objects, flags and paths,
    without the file times, so that a mere refresh compares equal.
    """

    def __init__(self, data: bytes, shared: str, shape: bytes) -> None:
        self.data = data
        self.shared = shared
        self.shape = shape


def read(data: bytes, hash_name: str) -> Index:
    """Checks an index of a repository whose objects are named by ``sha1`` or ``sha256``.  Raises Rejected."""
    import hashlib

    digest: Callable[[bytes], Any] = hashlib.sha256 if hash_name == "sha256" else hashlib.sha1
    size = digest(b"").digest_size
    if len(data) < 12 + size or data[:4] != b"DIRC":
        raise Rejected("it is no index")
    trailer = data[-size:]
    # All zeros is what git writes with index.skipHash.
    if trailer != bytes(size) and digest(data[:-size]).digest() != trailer:
        raise Rejected("its checksum is wrong")
    version, count = struct.unpack_from(">II", data, 4)
    end = len(data) - size
    if version not in (2, 3, 4) or count * (44 + size) > end:
        raise Rejected("its header is wrong")
    try:
        position, names, facts = _entries(data, version, count, size, end)
    except (struct.error, IndexError, ValueError):
        raise Rejected("its entries are cut off") from None
    extensions, shared = _extensions(data, position, end, size)
    _check(names, facts, split=bool(shared))
    body = data[:position] + extensions
    shape = hashlib.blake2b(b"\0".join(names), digest_size=16)
    shape.update(repr(facts).encode() + extensions)
    return Index(body + digest(body).digest(), shared, shape.digest())


def _entries(data: bytes, version: int, count: int, size: int, end: int,
             ) -> tuple[int, list[bytes], list[tuple[int, bytes, int, int]]]:
    """Where the extensions begin, the paths, and (mode, object, flags, extended flags) of each entry."""
    fixed = struct.Struct(f">24xI12x{size}sH")
    unpack, length, find = fixed.unpack_from, fixed.size, data.find
    names: list[bytes] = []
    facts: list[tuple[int, bytes, int, int]] = []
    position, name = 12, b""
    for _ in range(count):
        mode, oid, flags = unpack(data, position)
        start, extended = position + length, 0
        if flags & 0x4000:
            if version == 2:
                raise ValueError
            extended = (data[start] << 8) | data[start + 1]
            start += 2
        if version == 4:
            strip, start = _varint(data, start)
            if strip > len(name):
                raise ValueError
            stop = find(b"\0", start, end)
            name = name[:len(name) - strip] + data[start:stop]
            after = stop + 1
        else:
            stop = find(b"\0", start, end)
            name = data[start:stop]
            after = position + ((stop - position + 8) & ~7)
            if data[stop:after].strip(b"\0"):
                raise ValueError
        if stop < 0 or after > end or flags & 0xFFF != min(len(name), 0xFFF):
            raise ValueError
        names.append(name)
        # Without the name's length, which another version of the format may not keep.
        facts.append((mode, oid, flags & 0xB000, extended))
        position = after
    return position, names, facts


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    position += 1
    value = byte & 0x7F
    while byte & 0x80:
        byte = data[position]
        position += 1
        value = ((value + 1) << 7) | (byte & 0x7F)
        if value > 1 << 20:
            raise ValueError
    return value, position


def _check(names: list[bytes], facts: list[tuple[int, bytes, int, int]], *, split: bool) -> None:
    """A split index has entries without a name, which stand for those of the shared one."""
    for name, (mode, *_) in zip(names, facts, strict=True):
        if mode not in _MODES or (mode == _DIRECTORY) != name.endswith(b"/"):
            raise Rejected(f"an entry has the mode {mode:o}")
    paths = [name.removesuffix(b"/") for name in names if name or not split]
    if paths and _BAD_PATH.search(b"\0".join(paths)):
        raise Rejected("an entry has a path that leads out of the working tree or into a git directory")
    order = [(name, flags & 0x3000) for name, (_, _, flags, _) in zip(names, facts, strict=True)]
    if not split and any(map(operator.ge, order, order[1:])):
        raise Rejected("its entries are out of order")


def _extensions(data: bytes, position: int, end: int, size: int) -> tuple[bytes, str]:
    """The extensions that stay, and the name of the shared index."""
    kept, shared = b"", ""
    while position < end:
        name = data[position:position + 4]
        if end - position < 8:
            raise Rejected("an extension is cut off")
        after = position + 8 + int(struct.unpack_from(">I", data, position + 4)[0])
        if after > end or name not in _KEPT | _DROPPED:
            raise Rejected("an extension is unknown or cut off")
        if name in _KEPT:
            kept += data[position:after]
        if name == b"link":
            shared = data[position + 8:position + 8 + size].hex()
        position = after
    return kept, shared if shared.strip("0") else ""
