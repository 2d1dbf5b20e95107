"""Tells which objects a real object store has.

Knows: loose objects, the tables of pack indexes (gitformat-pack(5), version 2), alternates.  Must not know: the layer
of a cell; nothing that a cell wrote is read here.
"""

from __future__ import annotations

import os
import re
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.gitfiles import HostTree

_LOOSE = re.compile(r"[0-9a-f]{38}|[0-9a-f]{62}")
_MOST_PACKS = 256


class Lookup:
    """The objects below ``objects`` (a path) of ``host``.  Methods raise OSError."""

    def __init__(self, host: HostTree, objects: str) -> None:
        self._host = host
        self._path = objects
        self._tables: list[tuple[int, tuple[int, ...]]] | None = None
        self._unknown = False

    def release(self) -> None:
        """Closes what is kept open between two lookups, and forgets which packs there were."""
        for fd, _ in self._tables or ():
            os.close(fd)
        self._tables = None

    def has(self, oid: str) -> bool:
        """Is this object (hexadecimal) in the real store?  True as well where that cannot be told: alternates."""
        if self._host.stat(f"{self._path}/{oid[:2]}/{oid[2:]}") is not None:
            return True
        name = bytes.fromhex(oid)
        for fd, fanout in self._index_tables():
            bucket = _bucket(fd, fanout, name[0], len(name))
            place = bucket.find(name)
            while place >= 0 and place % len(name):
                place = bucket.find(name, place + 1)
            if place >= 0:
                return True
        return self._unknown

    def missing(self, names: list[bytes]) -> list[bytes]:
        """Those of the sorted binary ``names`` that the real store lacks."""
        lacking: list[bytes] = []
        known: set[bytes] = set()
        first = -1
        for name in names:
            if name[0] != first:
                first = name[0]
                known = self._known(first, len(name))
            if name not in known:
                lacking.append(name)
        return lacking

    def _known(self, first: int, size: int) -> set[bytes]:
        """Every object of the real store whose name begins with this byte."""
        try:
            fan = f"{first:02x}"
            known = {bytes.fromhex(fan + name) for name, _ in self._host.listing(f"{self._path}/{fan}")
                     if _LOOSE.fullmatch(name)}
        except OSError:
            known = set()
        for fd, fanout in self._index_tables():
            bucket = _bucket(fd, fanout, first, size)
            known.update(bucket[i:i + size] for i in range(0, len(bucket), size))
        return known

    def _index_tables(self) -> list[tuple[int, tuple[int, ...]]]:
        """(descriptor, fan-out table) of each pack index of the real store."""
        if self._tables is None:
            self._tables = []
            alternates = self._host.stat(f"{self._path}/info/alternates")
            self._unknown = alternates is not None and alternates.st_size > 0
            try:
                names = [name for name, _ in self._host.listing(f"{self._path}/pack") if name.endswith(".idx")]
            except OSError:
                names = []
            self._unknown = self._unknown or len(names) > _MOST_PACKS
            for name in names[:_MOST_PACKS]:
                fd, _ = self._host.open(f"{self._path}/pack/{name}")
                head = os.pread(fd, 1032, 0)
                if head[:8] == b"\xfftOc\0\0\0\2" and len(head) == 1032:
                    self._tables.append((fd, struct.unpack_from(">256I", head, 8)))
                else:
                    # Version 1 is not read: whatever is asked for may be in it.
                    os.close(fd)
                    self._unknown = True
        return self._tables


def _bucket(fd: int, fanout: tuple[int, ...], first: int, size: int) -> bytes:
    """The names in an index that begin with one byte, end to end."""
    low = fanout[first - 1] if first else 0
    return os.pread(fd, (fanout[first] - low) * size, 1032 + low * size)
