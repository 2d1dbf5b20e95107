"""Descriptors by chance: of every type of entry and every byte, or only of what has an SDDL text.

Knows: the shapes of the model's values.  Must not know: how they are written or read.
"""

from __future__ import annotations

import random

from tests.nt.dice_conditions import ConditionDice, claim_bytes, condition_bytes

from sidewall.nt import ace as aces
from sidewall.nt import descriptor as bits
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sid import Sid

SIDS = (
    "S-1-1-0", "S-1-3-0", "S-1-3-4", "S-1-5-11", "S-1-5-18", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-5-0-4242",
    "S-1-15-2-1", "S-1-15-3-1024-1-2-3-4-5-6-7-8", "S-1-16-4096", "S-1-17-1", "S-1-5-21-1-2-3-1001", "S-1-5-80-0",
    "S-1-0-0", "S-1-0x12A05F200-30", "S-1-4294967295-4294967295",
)
MASKS = (0, 1, 2, 4, 0x40, 0x1F01FF, 0x1301BF, 0x1200A9, 0x120089, 0xF003F, 0x20019, 0x10000000, 0xE0010000, 0xFFFFFFFF)
GUIDS = ("", "bf967aba-0de6-11d0-a285-00aa003049e2", "00112233-4455-6677-8899-aabbccddeeff")
SAYABLE = tuple(sorted(aces.KNOWN_TYPES - {0x0C, 0x0E, 0x0F, 0x10}))
DACL_BITS = (bits.SE_DACL_PROTECTED, bits.SE_DACL_AUTO_INHERITED, bits.SE_DACL_AUTO_INHERIT_REQ)


class DescriptorDice:
    """Everything follows from ``luck``."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.conditions = ConditionDice(luck)

    def sid(self) -> Sid:
        if self.luck.random() < 0.8:
            return Sid(self.luck.choice(SIDS))
        numbers = [self.luck.randrange(1 << 32) for _ in range(self.luck.randint(1, 15))]
        return Sid.of(self.luck.randrange(1 << 48), *numbers)

    def entry(self) -> Ace:
        """Any entry that fits into a packet."""
        kind = self.luck.choice((*sorted(aces.KNOWN_TYPES), 0x04, 0x16, 0xFF))
        data = self.luck.randbytes(4 * self.luck.randint(0, 4))
        if kind not in aces.KNOWN_TYPES:
            return Ace(type=kind, flags=self.luck.randrange(256), mask=0, sid=Sid("S-1-0-0"), data=data)
        return self._entry(kind, data)

    def sayable_entry(self) -> Ace:
        """An entry that has an SDDL text from which it comes back."""
        kind = self.luck.choice(SAYABLE)
        data = b""
        if kind == aces.SYSTEM_RESOURCE_ATTRIBUTE:
            data = claim_bytes(self.conditions.claim())
        elif kind in aces.CALLBACK_TYPES:
            data = condition_bytes(self.conditions.tree())
        return self._entry(kind, data, guid=kind == aces.ACCESS_ALLOWED_OBJECT)

    def _entry(self, kind: int, data: bytes, guid: bool = False) -> Ace:
        object_type = inherited = ""
        if kind in aces.OBJECT_TYPES:
            object_type = self.luck.choice(GUIDS[guid:])
            inherited = self.luck.choice(GUIDS)
        flags = self.luck.choice((0, 0, 3, 0x10, 0x13, 0x0B, 0x40, 0xC0, self.luck.randrange(256)))
        mask = self.luck.choice(MASKS) if self.luck.random() < 0.7 else self.luck.randrange(1 << 32)
        return Ace(type=kind, flags=flags, mask=mask, sid=self.sid(), data=data, object_type=object_type,
                   inherited_object_type=inherited)

    def acl(self, sayable: bool) -> Acl:
        make = self.sayable_entry if sayable else self.entry
        entries = tuple(make() for _ in range(self.luck.choice((0, 1, 1, 2, 3, 6))))
        by_types = 4 if any(entry.type in aces.OBJECT_TYPES for entry in entries) else 2
        return Acl(aces=entries, revision=by_types if sayable else self.luck.choice((2, 3, 4)))

    def descriptor(self, sayable: bool = False) -> SecurityDescriptor:
        control = sum(self.luck.sample(DACL_BITS, self.luck.randint(0, 3)))
        present = self.luck.random() < 0.2
        dacl = None if present or self.luck.random() < 0.2 else self.acl(sayable)
        control |= bits.SE_DACL_PRESENT if present else 0
        sacl = self.acl(sayable) if self.luck.random() < 0.5 else None
        if sacl is not None or self.luck.random() < 0.1:
            control |= bits.SE_SACL_PRESENT | sum(self.luck.sample(DACL_BITS, self.luck.randint(0, 3))) << 1
        if dacl is None and not present:
            control &= ~sum(DACL_BITS)  # flags of a list that is not there have no place in a text
        if not sayable:
            control |= self.luck.randrange(1 << 15)
        return SecurityDescriptor(
            owner=self.sid() if self.luck.random() < 0.8 else None,
            group=self.sid() if self.luck.random() < 0.8 else None,
            dacl=dacl, sacl=sacl, control=control, rm_control=0 if sayable else self.luck.randrange(256),
        )
