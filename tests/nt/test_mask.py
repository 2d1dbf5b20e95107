"""Access masks: generic mapping by type of object, words for people.

Knows: MS-DTYP 2.4.3 and the documented rights of winnt.h.  Must not know: entries.
"""

from __future__ import annotations

import pytest
from hypothesis import given
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


@given(MASKS, st.sampled_from(KINDS))
def test_mapping_is_idempotent_and_keeps_every_other_bit(mask: int, kind: str) -> None:
    mapped = map_generic(mask, MAPPINGS[kind])
    assert mapped & bits.GENERIC_BITS == 0
    assert mapped & mask == mask & ~bits.GENERIC_BITS
    assert map_generic(mapped, MAPPINGS[kind]) == mapped


@given(MASKS, MASKS, st.sampled_from(KINDS))
def test_mapping_a_union_is_the_union_of_the_mappings(one: int, other: int, kind: str) -> None:
    mapping = MAPPINGS[kind]
    assert map_generic(one | other, mapping) == map_generic(one, mapping) | map_generic(other, mapping)


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


def test_words() -> None:
    assert describe(0x120001) == "FILE_READ_DATA | READ_CONTROL | SYNCHRONIZE"
    assert describe(0x42, "directory") == "FILE_ADD_FILE | FILE_DELETE_CHILD"
    assert describe(0x80, "key") == "0x80"
    assert describe(0) == "nothing"
    assert describe(0x1F01FF) == "all access"
    with pytest.raises(NtError, match="no generic mapping") as caught:
        describe(1, "teapot")
    assert "file" in caught.value.hint
