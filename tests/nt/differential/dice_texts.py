"""SDDL texts by chance, taken apart: what each word is stays known, so that a difference can be laid at its word.

Knows: the grammar of MS-DTYP 2.5.1.1.  Must not know: any parser.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.nt.dice_conditions import ConditionDice
from tests.nt.dice_descriptors import GUIDS, DescriptorDice

from sidewall.nt.wellknown import ALIASES, DOMAIN_ALIASES, MACHINE_ALIASES

DOMAIN = "S-1-5-21-10-20-30"
WORDS = "CC DC LC SW RP WP DT LO CR SD RC WD WO GA GX GW GR".split()
WHOLE = "FA FR FW FX KA KR KW KX".split()
FLAGS = "OI CI NP IO ID".split()
AUDIT_FLAGS = "SA FA CI ID TP CR".split()
DACL_TYPES = ("A", "A", "D", "OA", "OD", "XA", "XD", "ZA")
SACL_TYPES = ("AU", "ML", "AU", "RA", "SP", "TL", "FL", "OU", "XU", "AL", "OL")
ALL_ALIASES = sorted({*ALIASES, *DOMAIN_ALIASES, *MACHINE_ALIASES})


class EntryText(NamedTuple):
    """The words of an entry; ``more`` is the seventh field or nothing."""

    type: str
    flags: str
    rights: str
    object_type: str
    inherited_object_type: str
    sid: str
    more: str

    def text(self) -> str:
        return "(" + ";".join(self[:6]) + (f";{self.more}" if self.more else "") + ")"


class Case(NamedTuple):
    """The words of a descriptor; a list is (flags, entries) or None."""

    owner: str
    group: str
    dacl: tuple[str, tuple[EntryText, ...]] | None
    sacl: tuple[str, tuple[EntryText, ...]] | None
    sacl_first: bool

    def text(self) -> str:
        lists = [mark + found[0] + "".join(entry.text() for entry in found[1])
                 for mark, found in (("D:", self.dacl), ("S:", self.sacl)) if found]
        owner = f"O:{self.owner}" if self.owner else ""
        group = f"G:{self.group}" if self.group else ""
        return owner + group + "".join(reversed(lists) if self.sacl_first else lists)


class TextDice:
    """Everything follows from ``luck``."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.values = DescriptorDice(luck)
        self.conditions = ConditionDice(luck)

    def case(self) -> Case:
        plain = self.luck.random() < 0.4  # what every parser should read
        return Case(
            owner="" if not plain and self.luck.random() < 0.15 else self.sid(plain),
            group="" if not plain and self.luck.random() < 0.15 else self.sid(plain),
            dacl=None if not plain and self.luck.random() < 0.15 else self.acl(plain, sacl=False),
            sacl=self.acl(plain, sacl=True) if not plain and self.luck.random() < 0.4 else None,
            sacl_first=not plain and self.luck.random() < 0.1,
        )

    def sid(self, plain: bool) -> str:
        if plain:
            return self.luck.choice(["WD", "SY", "AU", "BU", "IU", "SU", "S-1-5-21-1-2-3-1001", "S-1-5-32-544"])
        roll = self.luck.random()
        if roll < 0.4:
            return self.luck.choice(ALL_ALIASES)
        if roll < 0.5:
            return self.luck.choice(["S-1-5-0x20-544", "S-1-0x12A05F200-30", "s-1-5-18", "wd"])
        return str(self.values.sid())

    def acl(self, plain: bool, *, sacl: bool) -> tuple[str, tuple[EntryText, ...]]:
        flags = "" if plain else self.luck.choice(["", "", "P", "AI", "PAI", "AIP", "AR", "PARAI", "NO_ACCESS_CONTROL"])
        count = 0 if flags.startswith("NO") else self.luck.choice([1, 2, 3] if plain else [0, 1, 1, 2, 3])
        return flags, tuple(self.entry(plain, sacl) for _ in range(count))

    def entry(self, plain: bool, sacl: bool) -> EntryText:
        kind = self.luck.choice(("A", "D") if plain else SACL_TYPES if sacl else DACL_TYPES)
        flags = self.luck.sample(AUDIT_FLAGS if sacl else FLAGS, self.luck.randint(0, 3))
        guids = ["", ""]
        if kind in ("OA", "OD", "OU", "OL", "ZA"):
            guids = [self.luck.choice(GUIDS[kind == "OA" :]), self.luck.choice(GUIDS)]
        more = ""
        if kind in ("XA", "XD", "ZA", "XU"):
            more = self.conditions.text(self.conditions.tree(1))
        elif kind == "RA":
            more = self.conditions.claim_text(self.conditions.claim())
        return EntryText(kind, "".join(flags), self.rights(plain, kind), *guids, self.sid(plain), more)

    def rights(self, plain: bool, kind: str) -> str:
        if kind == "ML":
            return self.luck.choice(["NW", "NR", "NX", "NWNR", "0x1"])
        roll = self.luck.random()
        if plain:
            return self.luck.choice([*WHOLE, *WORDS]) if roll < 0.5 else hex(self.luck.randrange(1 << 32))
        if roll < 0.3:
            return "".join(self.luck.sample(WORDS, self.luck.randint(2, 6)))
        if roll < 0.4:
            return "".join(self.luck.choices(WORDS + WHOLE, k=3))
        if roll < 0.5:
            return self.luck.choice(["16", "077", "0", "", "4294967295", "0xFFFFFFFF", "ga"])
        return self.luck.choice(WHOLE) if roll < 0.8 else hex(self.luck.randrange(1 << 32))
