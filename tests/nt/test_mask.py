"""Access masks: generic mapping by type of object, words for people.

Knows: MS-DTYP 2.4.3 and the documented rights of winnt.h.  Must not know: entries.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.nt import mask as bits
from sidewall.nt.errors import NtError
from sidewall.nt.mask import MAPPINGS, describe, map_generic, mapping_of

KINDS = sorted(MAPPINGS)
MASKS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("kind", "generic", "meaning"),
    [
        ("file", bits.GENERIC_READ, 0x120089),
        ("file", bits.GENERIC_WRITE, 0x120116),
        ("file", bits.GENERIC_EXECUTE, 0x1200A0),
        ("file", bits.GENERIC_ALL, 0x1F01FF),
        ("directory", bits.GENERIC_ALL, 0x1F01FF),
        ("key", bits.GENERIC_READ, 0x20019),
        ("key", bits.GENERIC_WRITE, 0x20006),
        ("key", bits.GENERIC_ALL, 0xF003F),
        ("process", bits.GENERIC_READ | bits.GENERIC_EXECUTE, 0x121411),
        ("thread", bits.GENERIC_READ | bits.GENERIC_EXECUTE, 0x121848),
        ("desktop", bits.GENERIC_ALL, 0xF01FF),
        ("window_station", bits.GENERIC_ALL, 0xF037F),
        ("file", bits.GENERIC_READ | 0x40, 0x1200C9),
        ("file", 0x12345, 0x12345),
    ],
)
def test_generic_rights_mean_what_the_type_says(kind: str, generic: int, meaning: int) -> None:
    assert map_generic(generic, mapping_of(kind)) == meaning


@pytest.mark.parametrize("kind", KINDS)
def test_all_holds_the_other_three_and_no_generic_bit(kind: str) -> None:
    mapping = MAPPINGS[kind]
    assert (mapping.read | mapping.write | mapping.execute) & ~mapping.all == 0
    assert mapping.all & bits.GENERIC_BITS == 0


@settings(deadline=None)
@given(MASKS, st.sampled_from(KINDS))
def test_mapping_is_idempotent_and_keeps_every_other_bit(mask: int, kind: str) -> None:
    mapped = map_generic(mask, MAPPINGS[kind])
    assert mapped & bits.GENERIC_BITS == 0
    assert mapped & mask == mask & ~bits.GENERIC_BITS
    assert map_generic(mapped, MAPPINGS[kind]) == mapped


@settings(deadline=None)
@given(MASKS, MASKS, st.sampled_from(KINDS))
def test_mapping_a_union_is_the_union_of_the_mappings(one: int, other: int, kind: str) -> None:
    mapping = MAPPINGS[kind]
    assert map_generic(one | other, mapping) == map_generic(one, mapping) | map_generic(other, mapping)


@settings(deadline=None)
@given(MASKS, st.sampled_from(KINDS))
def test_every_bit_has_a_word(mask: int, kind: str) -> None:
    words = describe(mask, kind)
    if mask == MAPPINGS[kind].all:
        assert words == "all access"
        return
    count = 0
    for word in words.split(" | "):
        count += bin(int(word, 16)).count("1") if word.startswith("0x") else word != "nothing"
    assert count == bin(mask).count("1")


def test_the_constants_are_those_of_the_documents() -> None:
    standard = "DELETE READ_CONTROL WRITE_DAC WRITE_OWNER SYNCHRONIZE"
    assert [getattr(bits, name) for name in standard.split()] == [0x10000 << bit for bit in range(5)]
    generic = "GENERIC_ALL GENERIC_EXECUTE GENERIC_WRITE GENERIC_READ"
    assert [getattr(bits, name) for name in generic.split()] == [0x10000000 << bit for bit in range(4)]
    assert (bits.ACCESS_SYSTEM_SECURITY, bits.MAXIMUM_ALLOWED) == (0x1000000, 0x2000000)
    assert (bits.STANDARD_RIGHTS_REQUIRED, bits.STANDARD_RIGHTS_ALL) == (0xF0000, 0x1F0000)
    file = """READ_DATA WRITE_DATA APPEND_DATA READ_EA WRITE_EA EXECUTE DELETE_CHILD READ_ATTRIBUTES WRITE_ATTRIBUTES"""
    assert [getattr(bits, f"FILE_{name}") for name in file.split()] == [1 << bit for bit in range(9)]
    directory = "LIST_DIRECTORY ADD_FILE ADD_SUBDIRECTORY TRAVERSE"
    assert [getattr(bits, f"FILE_{name}") for name in directory.split()] == [1, 2, 4, 32]
    assert bits.FILE_MODIFY == bits.FILE_ALL_ACCESS & ~(bits.FILE_DELETE_CHILD | bits.WRITE_DAC | bits.WRITE_OWNER)
    assert bits.FILE_READ_AND_EXECUTE == bits.FILE_GENERIC_READ | bits.FILE_GENERIC_EXECUTE
    assert (bits.NO_WRITE_UP, bits.NO_READ_UP, bits.NO_EXECUTE_UP) == (1, 2, 4)


@pytest.mark.parametrize(("kind", "masks"), [
    ("event", "20001 20002 120000 1f0003"), ("mutant", "20001 20000 120000 1f0001"),
    ("semaphore", "20001 20002 120000 1f0003"), ("section", "20005 20002 20008 f001f"),
    ("directory_object", "20003 2000c 20003 f000f"), ("symbolic_link", "20001 20000 20001 f0001"),
    ("process", "20410 20bea 121001 1fffff"), ("thread", "20048 20437 121800 1fffff"),
    ("job", "20004 2000b 120000 1f003f"), ("token", "20008 200e0 20000 f01ff"),
    ("desktop", "20041 200be 20100 f01ff"), ("window_station", "20303 2001c 20060 f037f"),
    ("service", "2008d 20002 20170 f01ff"), ("service_manager", "20014 20022 20009 f003f"),
    ("key", "20019 20006 20019 f003f"), ("pipe", "120089 120116 1200a0 1f01ff"),
])
def test_every_mapping_is_the_published_one(kind: str, masks: str) -> None:
    mapping = MAPPINGS[kind]
    assert [mapping.read, mapping.write, mapping.execute, mapping.all] == [int(mask, 16) for mask in masks.split()]


def test_words() -> None:
    assert describe(0x120001) == "FILE_READ_DATA | READ_CONTROL | SYNCHRONIZE"
    assert describe(0x42, "directory") == "FILE_ADD_FILE | FILE_DELETE_CHILD"
    assert describe(0x80, "key") == "0x80"
    assert describe(0) == "nothing"
    assert describe(0x1F01FF) == "all access"
    with pytest.raises(NtError, match="no generic mapping") as caught:
        describe(1, "teapot")
    assert "file" in caught.value.hint
