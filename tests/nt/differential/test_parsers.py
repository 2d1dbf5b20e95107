"""Our parsers against three of other people's, on random texts and packets; each class of difference is named.

Knows: what the documents say where they differ.  Must not know: how any of them parses.

A difference is laid at the word or the entry it comes from; one that no class explains fails the test.  The number of
cases comes from ``SIDEWALL_DIFFERENTIAL_CASES``; a failure names the number that makes its case again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.nt.dice_descriptors import DescriptorDice

from sidewall.nt import ace as aces
from sidewall.nt import sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import MADE, SE_DACL_PRESENT, SE_SACL_PRESENT, SecurityDescriptor
from sidewall.nt.errors import DescriptorError
from sidewall.nt.sid import Sid

pytest.importorskip("impacket", reason="impacket is not installed (make setup installs it)")
pytest.importorskip("winacl", reason="winacl is not installed (make setup installs it)")
pytest.importorskip("sddl_parser", reason="sddl-parser is not installed (make setup installs it)")

from tests.nt.differential import other_parsers as others
from tests.nt.differential.dice_texts import DOMAIN, Case, EntryText, TextDice

CASES = int(os.environ.get("SIDEWALL_DIFFERENTIAL_CASES", "4000")) // 8  # their parsers are slow

# What the others do otherwise.  In every class but T7 and U7 MS-DTYP's grammar or tables decide against them; in these
# two Windows reads more than the grammar allows, and we read what Windows reads.
CLASSES = {
    "T1": "winacl: an alias of a built-in group is completed with a domain, or not known (MS-DTYP 2.4.2.4, 2.5.1.1)",
    "T2": "winacl: rights of several words, or none, are read as hexadecimal or refused (2.5.1.1: text-rights-string)",
    "T3": "winacl: decimal and octal masks are read as hexadecimal (2.5.1.1: ace-rights)",
    "T4": "winacl: a list's flags count for both lists, or are refused (2.5.1.1: acl-flag-string)",
    "T5": "winacl: an empty list, which grants nothing, is read as no list, which grants everything (2.4.5)",
    "T6": "winacl: types, flags and seventh fields that it does not know (2.5.1.1)",
    "T7": "winacl: no lower case, no hexadecimal numbers within a SID; Windows reads them",
    "T8": "winacl: a text must end with an entry (2.5.1.1: both lists, and their entries, are optional)",
    "U1": "sddl-parser: owner, group, DACL, SACL must come, in this order (2.5.1.1: optional; Windows: any order)",
    "U2": "sddl-parser: object GUIDs are refused (2.5.1.1: object-guid)",
    "U3": "sddl-parser: rights are added, not united, so that one named twice becomes another (2.4.3)",
    "U4": "sddl-parser: aliases without or with another SID (IS, CA, CD, DA, PA, RM, AS, MS, HO, SH; 2.4.2.4)",
    "U5": "sddl-parser: NR and NW change places (2.5.1.1; winnt.h: no-write-up is 1)",
    "U6": "sddl-parser: decimal and octal masks, and types and seventh fields that it does not know (2.5.1.1)",
    "U7": "sddl-parser: no lower case, no hexadecimal numbers within a SID; Windows reads them",
    "B1": "winacl, impacket: types of entries that they do not know",
    "B2": "winacl, impacket: a list counts although control says that it is not there (2.4.6: the DP and SP bits)",
    "B3": "impacket: a descriptor without a DACL loses its SACL (2.4.6)",
}

WINACL_ALIASES = set("AN AU BU CO IU NU PS RC SU SY WD DA DC DD DG DU EA CA PA SA RO LA LG".split())
SDDL_PARSER_ALIASES_WRONG = set("IS CA CD DA PA RM AS MS HO SH".split())
SDDL_PARSER_TYPES_LACK = {"OD", "AU", "AL"}  # it reads the A of the latter two and stops
SINGLE_WORDS = set("GR GW GX GA RC SD WD WO RP WP CC DC LC SW LO DT CR FA FX FW FR KA KR KX KW".split())


def plain(value: SecurityDescriptor) -> others.Plain:
    """Our value in the plain form."""
    def acl(found: Acl | None) -> list[others.Plain] | None:
        return None if found is None else [entry(one) for one in found.aces]

    def entry(one: Ace) -> others.Plain:
        return {"type": one.type, "flags": one.flags, "mask": one.mask, "sid": str(one.sid), "data": one.data,
                "object_type": one.object_type, "inherited_object_type": one.inherited_object_type}

    return {"owner": value.owner and str(value.owner), "group": value.group and str(value.group),
            "control": value.control | 0x8000, "dacl": acl(value.dacl), "sacl": acl(value.sacl)}


def differences(ours: others.Plain, theirs: others.Plain) -> Iterator[tuple[str, int, str]]:
    """(part, entry or -1, field) of everything that is not the same; SIDs are compared as numbers."""
    for part in ("owner", "group", "control"):
        if same_sid(ours[part]) != same_sid(theirs[part]):
            yield part, -1, part
    for part in ("dacl", "sacl"):
        one, other = ours[part], theirs[part]
        if one is None or other is None or len(one) != len(other):
            if one != other:
                yield part, -1, "list"
            continue
        for index, (mine, foreign) in enumerate(zip(one, other, strict=True)):
            for field, value in foreign.items():
                if same_sid(mine[field]) != same_sid(value):
                    yield part, index, field


def same_sid(value: Any) -> Any:
    """A SID in its canonical text; anything else as it is."""
    found = answer(Sid, value) if isinstance(value, str) and value.startswith("S-") else value
    return value if isinstance(found, Exception) else found


def answer(function: Callable[..., Any], *given: object) -> Any:
    """What the function returns, or what it raises: other people's parsers raise anything."""
    try:
        return function(*given)
    except Exception as error:
        return error


def words_of(case: Case) -> Iterator[EntryText]:
    for found in (case.dacl, case.sacl):
        yield from found[1] if found else ()


def entry_of(case: Case, part: str, index: int) -> EntryText:
    found = case.dacl if part == "dacl" else case.sacl
    assert found is not None
    return found[1][index]


def strange_sid(word: str) -> bool:
    return word in ("wd",) or word[:1] == "s" or "0x" in word


def winacl_reasons(case: Case) -> dict[str, bool]:
    """Class to whether the text holds what it is about."""
    entries = list(words_of(case))
    sids = [case.owner, case.group, *[entry.sid for entry in entries]]
    flags = [found[0] for found in (case.dacl, case.sacl) if found]
    return {
        "T1": any(len(word) == 2 and word not in WINACL_ALIASES for word in sids),
        "T2": any(winacl_mask(entry) == "T2" for entry in entries),
        "T3": any(winacl_mask(entry) == "T3" for entry in entries),
        "T4": any(flags),
        "T5": any(found is not None and not found[1] for found in (case.dacl, case.sacl)),
        "T6": any(entry.more or entry.type in ("TL", "FL", "OL", "ZA", "XA", "XD", "XU", "RA") or "TP" in entry.flags
                  or "CR" in entry.flags for entry in entries),
        "T8": not case.text().endswith(")"),
        "T7": any(map(strange_sid, sids)) or any(entry.rights == "ga" for entry in entries),
    }


def winacl_mask(entry: EntryText) -> str:
    if entry.rights in SINGLE_WORDS or entry.rights[:2] in ("0x", "0X"):
        return ""
    return "T3" if entry.rights[:1].isdigit() else "T2"


def winacl_explains(case: Case, part: str, index: int, field: str) -> str:
    """The class of one difference in a text, or nothing."""
    if part in ("owner", "group"):
        return "T1" if len(getattr(case, part)) == 2 and getattr(case, part) not in WINACL_ALIASES else ""
    if part == "control":
        return "T4" if winacl_reasons(case)["T4"] else ""
    if field == "list":
        found = case.dacl if part == "dacl" else case.sacl
        return "T5" if found is not None and not found[1] else ""
    entry = entry_of(case, part, index)
    if field == "mask":
        return winacl_mask(entry)
    if field == "sid":
        return "T1" if len(entry.sid) == 2 and entry.sid not in WINACL_ALIASES else ""
    return "T6" if entry.type == "ZA" else ""


def sddl_parser_reasons(case: Case) -> dict[str, bool]:
    entries = list(words_of(case))
    sids = [case.owner, case.group, *[entry.sid for entry in entries]]
    return {
        "U1": not case.owner or not case.group or case.dacl is None or (case.sacl is not None and case.sacl_first),
        "U2": any(entry.object_type or entry.inherited_object_type for entry in entries),
        "U3": any(sddl_parser_mask(entry) == "U3" for entry in entries),
        "U4": any(word in SDDL_PARSER_ALIASES_WRONG for word in sids),
        "U5": any(sddl_parser_mask(entry) == "U5" for entry in entries),
        "U6": any(entry.more or entry.type in SDDL_PARSER_TYPES_LACK
                  or (entry.rights[:1].isdigit() and entry.rights[:2] != "0x") for entry in entries),
        "U7": any(map(strange_sid, sids)) or any(entry.rights == "ga" for entry in entries),
    }


def sddl_parser_mask(entry: EntryText) -> str:
    if "NR" in entry.rights or "NW" in entry.rights:
        return "U5"
    words = [entry.rights[at : at + 2] for at in range(0, len(entry.rights), 2)]
    numbers = [sddl.RIGHTS.get(word, 0) for word in words]
    united = 0
    for number in numbers:
        united |= number
    return "U3" if sum(numbers) != united else ""


def sddl_parser_explains(case: Case, part: str, index: int, field: str) -> str:
    if part in ("owner", "group"):
        return "U4" if getattr(case, part) in SDDL_PARSER_ALIASES_WRONG else ""
    if field == "list":
        found = case.dacl if part == "dacl" else case.sacl
        return "U1" if found is not None and found[0].startswith("NO") else ""
    entry = entry_of(case, part, index) if index >= 0 else None
    if entry is not None and field == "mask":
        return sddl_parser_mask(entry)
    if entry is not None and field == "sid":
        return "U4" if entry.sid in SDDL_PARSER_ALIASES_WRONG else ""
    return ""


TEXTS: dict[str, tuple[Callable[[str, str], others.Plain], Callable[[Case], dict[str, bool]], Callable[..., str]]] = {
    "winacl": (others.winacl_text, winacl_reasons, winacl_explains),
    "sddl-parser": (others.sddl_parser_text, sddl_parser_reasons, sddl_parser_explains),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.timeout(60 + CASES / 50)
def test_texts(name: str) -> None:
    parse, reasons, explains = TEXTS[name]
    seed = random.randrange(1 << 32)
    luck = random.Random(seed)
    seen: Counter[str] = Counter()
    plain_cases = 0
    for number in range(CASES):
        case = TextDice(luck).case()
        text = case.text()
        ours = plain(sddl.parse(text, domain=Sid(DOMAIN)))
        possible = {key for key, holds in reasons(case).items() if holds}
        plain_cases += not possible
        theirs = answer(parse, text, DOMAIN)
        if isinstance(theirs, Exception):
            assert possible, f"seed {seed}, case {number}: {name} refuses {text!r}: {theirs!r}"
            seen.update(f"refused for {key} or others" for key in possible)
            continue
        found = {explains(case, *where): where for where in differences(ours, theirs)}
        assert "" not in found, f"seed {seed}, case {number}: {text!r}: {found['']}: {ours} {theirs}"
        for key in found:
            assert key in CLASSES
            seen[key] += 1
        seen["same"] += not found
    print(f"\n{name}, {CASES} texts: " + ", ".join(f"{key} {count}" for key, count in sorted(seen.items())))
    assert seen["same"] > CASES // 5
    assert plain_cases > CASES // 5, "texts that every parser must read alike"


# Packets.

WINACL_LACKS = {0x04, 0x08, 0x0E, 0x10} | set(range(0x14, 0x100))
IMPACKET_LACKS = {0x03, 0x04, 0x08, 0x0E, 0x10} | set(range(0x14, 0x100))
PACKETS: dict[str, tuple[Callable[[bytes], others.Plain], set[int]]] = {
    "winacl": (others.winacl_bytes, WINACL_LACKS),
    "impacket": (others.impacket_bytes, IMPACKET_LACKS),
}


def packet_explains(name: str, value: SecurityDescriptor, part: str, field: str) -> str:
    absent = {"dacl": SE_DACL_PRESENT, "sacl": SE_SACL_PRESENT}
    if field == "list" and part in absent and not value.control & absent[part]:
        return "B2"
    if name == "impacket" and part == "sacl" and field == "list" and value.dacl is None:
        return "B3"
    return ""


def damaged(packet: bytes, luck: random.Random) -> bytes:
    data = bytearray(packet)
    for _ in range(luck.randint(1, 3)):
        data[luck.randrange(len(data))] = luck.choice((0, 1, 2, 4, 5, 8, 0x14, 0x80, 0xFF, luck.randrange(256)))
    return bytes(data)


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.timeout(60 + CASES / 50)
def test_packets(name: str) -> None:
    """Whole ones, and damaged ones as far as we still read them."""
    parse, lacks = PACKETS[name]
    seed = random.randrange(1 << 32)
    luck = random.Random(seed)
    seen: Counter[str] = Counter()
    for number in range(CASES):
        dice = DescriptorDice(luck)
        order = tuple(luck.sample(MADE, 4))
        packet = dice.descriptor(sayable=luck.random() < 0.5).to_bytes(order)
        whole = luck.random() < 0.5
        if not whole:
            packet = damaged(packet, luck)
        value = answer(SecurityDescriptor.from_bytes, packet)
        if isinstance(value, Exception):
            assert isinstance(value, DescriptorError)
            assert not whole
            seen["we refuse"] += 1
            continue
        entries = [entry for acl in (value.dacl, value.sacl) if acl is not None for entry in acl.aces]
        where = f"seed {seed}, case {number}: {packet.hex()}"
        theirs = answer(parse, packet)
        if isinstance(theirs, Exception):
            hidden = not value.control & SE_DACL_PRESENT or not value.control & SE_SACL_PRESENT
            assert hidden or any(entry.type in lacks for entry in entries), f"{where}: {theirs!r}"
            seen["refused for B1 or B2"] += 1
            continue
        found = {packet_explains(name, value, part, field): (part, index, field)
                 for part, index, field in differences(plain(value), theirs)}
        assert "" not in found, f"{where}: {found['']}: {plain(value)} {theirs}"
        seen.update(found.keys() or ["same"])
    print(f"\n{name}, {CASES} packets: " + ", ".join(f"{key} {count}" for key, count in sorted(seen.items())))
    assert seen["same"] > CASES // 6


def test_every_type_that_both_know_was_compared() -> None:
    known = aces.KNOWN_TYPES - WINACL_LACKS
    assert len(known) >= 15
    for kind in known:
        data = b"artx" if kind in aces.CALLBACK_TYPES else b""
        entry = Ace(type=kind, mask=0x1F01FF, sid=Sid("S-1-5-32-544"), data=data)
        value = SecurityDescriptor(owner=Sid("S-1-5-18"), dacl=Acl(aces=(entry,)))
        for parse, lacks in PACKETS.values():
            if kind not in lacks:
                assert not list(differences(plain(value), parse(value.to_bytes())))
