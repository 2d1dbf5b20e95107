"""Access control lists: entries in order, their bytes both ways, canonical order.

Knows: MS-DTYP 2.4.5, and the order that Win32's "Order of ACEs in a DACL" prefers.  Must not know: what is granted.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt.ace import Ace
from sidewall.nt.errors import DescriptorError
from sidewall.record import Record

REVISION = 2
REVISION_DS = 4  # needed by object entries
HEADER = 8  # revision, sbz1, size, count, sbz2


class Acl(Record):
    """Entries in the order in which Windows reads them.  An empty one grants nothing; no list at all grants all."""

    aces: tuple[Ace, ...] = ()
    revision: int = REVISION

    def is_canonical(self) -> bool:
        """Whether explicit denies come first, then explicit allows, then all that is inherited, in any order."""
        ranks = [_rank(entry) for entry in self.aces]
        return ranks == sorted(ranks)

    def canonical(self) -> Acl:
        """The same entries in canonical order; among equals the order stays as it was."""
        return self.replace(aces=tuple(sorted(self.aces, key=_rank)))

    def to_bytes(self) -> bytes:
        """The packet.  Raises DescriptorError if the entries do not fit into one."""
        body = b"".join(entry.to_bytes() for entry in self.aces)
        size = HEADER + len(body)
        if size > 0xFFFF:
            raise DescriptorError(f"an ACL of {size} bytes is longer than 65535", hint="use fewer entries, or groups")
        if self.revision not in (REVISION, 3, REVISION_DS):
            raise DescriptorError(f"ACL revision {self.revision} is not 2, 3 or 4", hint="use acl.REVISION")
        return b"".join((bytes((self.revision, 0)), size.to_bytes(2, "little"),
                         len(self.aces).to_bytes(2, "little"), b"\0\0", body))

    @classmethod
    def from_bytes(cls, data: bytes, offset: int = 0) -> Acl:
        """The ACL that begins at ``offset``; bytes after its last entry are slack and forgotten.

        Raises DescriptorError.
        """
        left = len(data) - offset
        if offset < 0 or left < HEADER:
            raise DescriptorError(f"an ACL needs {HEADER} bytes, {max(left, 0)} are left", offset=offset,
                                  hint="the data is cut off, or an offset in it is wrong")
        revision = data[offset]
        if revision not in (REVISION, 3, REVISION_DS):
            raise DescriptorError(f"ACL revision {revision} is not 2, 3 or 4", offset=offset,
                                  hint="there is no ACL here: an offset before it is wrong")
        size = int.from_bytes(data[offset + 2 : offset + 4], "little")
        if size < HEADER or size & 3 or size > left:
            raise DescriptorError(f"ACL size {size} is not a multiple of 4 from {HEADER} to the {left} bytes left",
                                  offset=offset + 2, hint="the data is damaged or cut off")
        count = int.from_bytes(data[offset + 4 : offset + 6], "little")
        at, entries = offset + HEADER, []
        for _ in range(count):
            entries.append(Ace.from_bytes(data, at, offset + size))
            at += int.from_bytes(data[at + 2 : at + 4], "little")
        return cls(aces=tuple(entries), revision=revision)


def _rank(entry: Ace) -> int:
    if entry.flags & aces.INHERITED:
        return 2
    return 0 if entry.type in aces.DENY_TYPES else 1
