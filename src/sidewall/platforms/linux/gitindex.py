"""Reads a git index that a cell wrote, refuses what is wrong in it and drops what would lie to the user.

Knows: gitformat-index(5), versions 2 to 4.  Must not know: any file system; it is given bytes.

Git trusts the paths in its index when it checks out, resets or stashes, and takes the cached trees in it for its next
commit.  So every path is checked, and of the extensions only those stay without which the entries cannot be read; git
makes the others again.
"""

from __future__ import annotations

import re
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Paths are searched all at once, each between NUL bytes: "/" divides components, "\\" does for other file systems.
_EMPTY_OR_DOTS = re.compile(rb"[\0/](?:\.\.?)?(?=[\0/])")
_DOT_GIT = re.compile(rb"(?i)[\0/\\](?:\.git|git~[0-9]+)[ .]*[\0/\\:]")
_MODES = frozenset((0o100644, 0o100755, 0o120000, 0o160000, 0o040000))
_KEPT = frozenset((b"link", b"sdir", b"REUC"))
_DROPPED = frozenset((b"TREE", b"UNTR", b"FSMN", b"EOIE", b"IEOT"))
_DIRECTORY = 0o040000


class Rejected(Exception):
    """Not an index that may be carried; the message says why."""


class Unknown(Rejected):
    """The same for its extensions only: the entries were checked, and are in order."""


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
    split = data.find(b"link", 12) >= 0
    try:
        position, paths, chunks = _entries(data, version, count, size, end, split=split)
    except (struct.error, IndexError, ValueError):
        raise Rejected("its entries are cut off") from None
    joined = b"\0".join((b"", *paths, b""))
    if paths and (_EMPTY_OR_DOTS.search(joined) or _DOT_GIT.search(joined)):
        raise Rejected("an entry has a path that leads out of the working tree or into a git directory")
    extensions, shared = _extensions(data, position, end, size)
    if len(paths) != count and not shared:
        raise Rejected("an entry has no path")
    body = data[:position] + extensions
    shape = hashlib.blake2b(b"\0".join(chunks) + extensions, digest_size=16)
    return Index(body + digest(body).digest(), shared, shape.digest())


def _entries(data: bytes, version: int, count: int, size: int, end: int, *, split: bool,
             ) -> tuple[int, list[bytes], list[bytes]]:
    """Where the extensions begin, the paths, and of each entry what is not about the file's status.

    A split index has entries without a path, which stand for those of the shared one.  Raises Rejected; ValueError,
    IndexError and struct.error where an entry is cut off.
    """
    fixed = struct.Struct(f">24xI12x{size}xH")
    unpack, length, find = fixed.unpack_from, fixed.size, data.find
    paths: list[bytes] = []
    chunks: list[bytes] = []
    position, name, stage = 12, b"", 0
    for _ in range(count):
        mode, flags = unpack(data, position)
        start, last, before = position + length, name, stage
        if flags & 0x4000:
            if version == 2:
                raise ValueError
            start += 2
        if version == 4:
            strip, begin = _varint(data, start)
            if strip > len(name):
                raise ValueError
            stop = find(b"\0", begin, end)
            name = name[:len(name) - strip] + data[begin:stop]
            after = stop + 1
        else:
            stop = find(b"\0", start, end)
            name = data[start:stop]
            after = position + ((stop - position + 8) & ~7)
        used = len(name)
        if stop < 0 or after > end or flags & 0xFFF != (used if used < 0xFFF else 0xFFF):
            raise ValueError
        stage = flags & 0x3000
        if mode not in _MODES:
            raise Rejected(f"an entry has the mode {mode:o}")
        if used or not split:
            if name <= last and (name < last or stage <= before) and paths:
                raise Rejected("its entries are out of order")
            if mode == _DIRECTORY and name[-1:] != b"/":
                raise Rejected("an entry for a directory without its slash")
            paths.append(name[:-1] if mode == _DIRECTORY else name)
        # Mode; object, flags and extended flags; path.
        chunks += (data[position + 24:position + 28], data[position + 40:start], name)
        position = after
    return position, paths, chunks


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


def _extensions(data: bytes, position: int, end: int, size: int) -> tuple[bytes, str]:
    """The extensions that stay, and the name of the shared index."""
    kept, shared = b"", ""
    while position < end:
        name = data[position:position + 4]
        if end - position < 8:
            raise Unknown("an extension is cut off")
        after = position + 8 + int(struct.unpack_from(">I", data, position + 4)[0])
        if after > end or name not in _KEPT | _DROPPED:
            raise Unknown("an extension is unknown or cut off")
        if name in _KEPT:
            kept += data[position:after]
        if name == b"link":
            shared = data[position + 8:position + 8 + size].hex()
        position = after
    return kept, shared if shared.strip("0") else ""
