"""Inflates what a stranger compressed, never more than is due, and applies deltas.

Knows: zlib streams, git's delta instructions (gitformat-pack(5)).  Must not know: packs, files, names of objects.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DELTA_LIMIT = 256 << 20
"""Bytes of an object that is made by deltas, or of which others are made."""

_CHUNK = 1 << 20


class Forged(Exception):
    """The pack or its index is broken, or holds something else than it says; the message says what."""


class Exhausted(Forged):
    """More content than is looked at in one go; the rest may be looked at later."""


class Budget:
    """How many bytes may still be inflated: small files can grow without end."""

    def __init__(self, full: int) -> None:
        self.full = self.left = full

    def take(self, count: int) -> None:
        """Counts ``count`` bytes.  Raises Exhausted when there were not as many left."""
        if count > self.left:
            raise Exhausted("more content than is checked at once")
        self.left -= count


def inflate(raw: Iterator[bytes], size: int, budget: Budget) -> Iterator[bytes]:
    """Pieces of exactly ``size`` bytes inflated from ``raw``, which must end where the stream ends.  Raises Forged."""
    budget.take(size)
    stream = zlib.decompressobj()
    total = 0
    try:
        for data in raw:
            while data and not stream.eof:
                # One byte more than is due, so that a longer stream shows.
                piece = stream.decompress(data, min(_CHUNK, size - total + 1))
                data = stream.unconsumed_tail
                total += len(piece)
                if total > size:
                    raise Forged("an object is longer than it says")
                if piece:
                    yield piece
            if stream.eof and (stream.unused_data or data):
                raise Forged("there is something behind an object")
    except zlib.error:
        raise Forged("an object cannot be inflated") from None
    if not stream.eof or total != size:
        raise Forged("an object is shorter than it says")


def apply_delta(base: bytes, delta: bytes, budget: Budget) -> bytes:
    """The object that ``delta`` makes from ``base``.  Raises Forged."""
    try:
        before, position = _size(delta, 0)
        after, position = _size(delta, position)
        if before != len(base) or after > DELTA_LIMIT:
            raise Forged("a delta does not fit its base")
        budget.take(after)
        pieces, total, end = [], 0, len(delta)
        while position < end and total <= after:
            command = delta[position]
            position += 1
            if command & 0x80:
                start = length = 0
                for bit in range(4):
                    if command & (1 << bit):
                        start |= delta[position] << (8 * bit)
                        position += 1
                for bit in range(3):
                    if command & (16 << bit):
                        length |= delta[position] << (8 * bit)
                        position += 1
                length = length or 0x10000
                piece = base[start:start + length]
            else:
                length = command
                piece = delta[position:position + length]
                position += length
            if not command or len(piece) != length:
                raise Forged("a delta has an unknown instruction, or reaches beyond its base")
            pieces.append(piece)
            total += length
    except IndexError:
        raise Forged("a delta is cut off") from None
    if total != after:
        raise Forged("a delta makes something of another size")
    return b"".join(pieces)


def _size(delta: bytes, position: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = delta[position]
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, position
