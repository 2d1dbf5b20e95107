"""Checks that every object in a pack is what its name says, and takes single objects out of one.

Knows: gitformat-pack(5), index version 2, deltas.  Must not know: where a pack comes from or goes to; it is given an
open file and the bytes of its index.

Git believes a pack's index: it does not hash what it reads from a pack.  A forged index would put other content under
a known name, and a later fetch of the real object would keep the forged one.  So no index of a cell is believed.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib

from sidewall.platforms.linux.gitinflate import DELTA_LIMIT, Budget, Forged, apply_delta, inflate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_STREAMED = 16 << 20
_DEPTH_LIMIT = 5000
_CHUNK = 1 << 20


class PackIndex:
    """The table of an index file: names in order, and where each object begins.  Raises Forged."""

    def __init__(self, data: bytes, hash_name: str) -> None:
        digest = hashlib.sha256 if hash_name == "sha256" else hashlib.sha1
        self.size = size = digest().digest_size
        if len(data) < 1032 + 2 * size or data[:8] != b"\xfftOc\0\0\0\2":
            raise Forged("not an index of version 2")
        if digest(data[:-size]).digest() != data[-size:]:
            raise Forged("the index has a wrong checksum")
        fanout = struct.unpack_from(">256I", data, 8)
        self.count = count = fanout[255]
        crc, offsets = 1032 + count * size, 1032 + count * (size + 4)
        large = offsets + count * 4
        if large + 2 * size > len(data) or (len(data) - 2 * size - large) % 8:
            raise Forged("the index has a wrong length")
        self.names = [data[1032 + i * size:1032 + (i + 1) * size] for i in range(count)]
        if any(self.names[i] >= self.names[i + 1] for i in range(count - 1)):
            raise Forged("the index is out of order")
        if list(fanout) != _fanout(self.names):
            raise Forged("the index has a wrong table")
        self.crcs = struct.unpack_from(f">{count}I", data, crc)
        wide = struct.unpack_from(f">{(len(data) - 2 * size - large) // 8}Q", data, large)
        try:
            self.offsets = [wide[value & 0x7FFFFFFF] if value & 0x80000000 else value
                            for value in struct.unpack_from(f">{count}I", data, offsets)]
        except IndexError:
            raise Forged("the index has a wrong table") from None
        self.pack_checksum = data[-2 * size:-size]


def _fanout(names: list[bytes]) -> list[int]:
    counts = [0] * 256
    for name in names:
        counts[name[0]] += 1
    total = 0
    for i, count in enumerate(counts):
        total += count
        counts[i] = total
    return counts


class Pack:
    """A pack open for reading at ``fd``, of ``length`` bytes, with its table.  Methods raise Forged and OSError."""

    def __init__(self, fd: int, length: int, table: PackIndex, hash_name: str, budget: Budget) -> None:
        self._fd = fd
        self._end = length - table.size
        self._table = table
        self._digest: Callable[..., Any] = hashlib.sha256 if hash_name == "sha256" else hashlib.sha1
        self._budget = budget
        self._places = dict(zip(table.names, table.offsets, strict=True))
        self._ends = dict(zip(ordered := sorted(table.offsets), [*ordered[1:], self._end], strict=True))

    def verify(self) -> None:
        """Every object against its name, every byte of the pack against the table."""
        head = os.pread(self._fd, 12, 0)
        if head != b"PACK" + struct.pack(">II", 2, self._table.count):
            raise Forged("the pack has a wrong header")
        starts = list(self._ends)
        if len(starts) != self._table.count or starts[:1] not in ([], [12]):
            raise Forged("the index has a wrong table")
        names = dict(zip(self._table.offsets, self._table.names, strict=True))
        crcs = dict(zip(self._table.offsets, self._table.crcs, strict=True))
        children: dict[int, list[int]] = {}
        roots: list[int] = []
        for offset in starts:
            kind, _, base, _ = self._head(offset)
            if kind in _KINDS:
                roots.append(offset)
            else:
                children.setdefault(base, []).append(offset)
            self._check_crc(offset, crcs[offset])
        done = 0
        for root in roots:
            done += self._verify_family(root, children, names)
        if done != len(starts):
            raise Forged("a delta has no base in the pack")

    def object(self, name: bytes) -> tuple[bytes, bytes]:
        """(kind, content) of one object, checked against its name."""
        chain: list[bytes] = []
        offset, live = self._places[name], 0
        while True:
            kind, size, base, start = self._head(offset)
            data = self._inflate(offset, start, size)
            if kind in _KINDS:
                break
            live += size
            chain.append(data)
            offset = base
            if len(chain) > _DEPTH_LIMIT or live > DELTA_LIMIT:
                raise Forged("a chain of deltas is too long")
        while chain:
            data = apply_delta(data, chain.pop(), self._budget)
        if self._name(_KINDS[kind], data) != name:
            raise Forged("an object is not what its name says")
        return _KINDS[kind], data

    def _verify_family(self, root: int, children: dict[int, list[int]], names: dict[int, bytes]) -> int:
        """One whole object and all that is made from it by deltas; how many those were."""
        kind, size, _, start = self._head(root)
        if root not in children and size > _STREAMED:
            self._verify_stream(root, start, size, _KINDS[kind], names[root])
            return 1
        done = 0
        pending = [(root, b"", 0)]
        while pending:
            offset, base, live = pending.pop()
            if offset == root:
                data = self._inflate(root, start, size)
            else:
                _, size, _, start = self._head(offset)
                data = apply_delta(base, self._inflate(offset, start, size), self._budget)
            if self._name(_KINDS[kind], data) != names[offset]:
                raise Forged("an object is not what its name says")
            done += 1
            live += len(data)
            if live > DELTA_LIMIT and offset in children:
                raise Forged("a chain of deltas is too large")
            pending += [(child, data, live) for child in children.get(offset, ())]
        return done

    def _name(self, kind: bytes, data: bytes) -> bytes:
        digest = self._digest(b"%s %d\0" % (kind, len(data)))
        digest.update(data)
        return bytes(digest.digest())

    def _head(self, offset: int) -> tuple[int, int, int, int]:
        """(kind, inflated size, where the base begins or 0, where the compressed data begins)."""
        data = os.pread(self._fd, 64, offset)
        try:
            byte = data[0]
            kind, size, shift, position = (byte >> 4) & 7, byte & 15, 4, 1
            while byte & 0x80:
                byte = data[position]
                size |= (byte & 0x7F) << shift
                shift += 7
                position += 1
            base = 0
            if kind == _OFS_DELTA:
                byte = data[position]
                back = byte & 0x7F
                while byte & 0x80:
                    position += 1
                    byte = data[position]
                    back = ((back + 1) << 7) | (byte & 0x7F)
                position += 1
                base = offset - back
            elif kind == _REF_DELTA:
                base = self._places.get(data[position:position + self._table.size], 0)
                position += self._table.size
        except IndexError:
            raise Forged("an object is cut off") from None
        if kind not in _KINDS and (kind not in (_OFS_DELTA, _REF_DELTA) or base not in self._ends):
            raise Forged("an object has no kind, or a base that is not in the pack")
        if position > len(data) or size > 1 << 40:
            raise Forged("an object is cut off")
        return kind, size, base, offset + position

    def _raw(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            data = os.pread(self._fd, min(_CHUNK, end - start), start)
            if not data:
                raise Forged("the pack is cut off")
            start += len(data)
            yield data

    def _check_crc(self, offset: int, expected: int) -> None:
        crc = 0
        for data in self._raw(offset, self._ends[offset]):
            crc = zlib.crc32(data, crc)
        if crc != expected:
            raise Forged("an object has a wrong check value")

    def _inflate(self, offset: int, start: int, size: int) -> bytes:
        """The whole content, at most what a delta may have."""
        if size > DELTA_LIMIT:
            raise Forged("an object is too large to be checked")
        return b"".join(inflate(self._raw(start, self._ends[offset]), size, self._budget))

    def _verify_stream(self, offset: int, start: int, size: int, kind: bytes, name: bytes) -> None:
        digest = self._digest(b"%s %d\0" % (kind, size))
        for piece in inflate(self._raw(start, self._ends[offset]), size, self._budget):
            digest.update(piece)
        if digest.digest() != name:
            raise Forged("an object is not what its name says")
