"""SIDs: text and bytes, both ways, and what is refused.

Knows: MS-DTYP 2.4.2.  Must not know: descriptors.
"""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.nt.errors import DescriptorError, SidError
from sidewall.nt.sid import Sid

SUBAUTHORITIES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15)
AUTHORITIES = st.sampled_from([0, 1, 5, 15, 2**32 - 1, 2**32, 2**48 - 1]) | st.integers(0, 2**48 - 1)
NUMBERS = st.tuples(AUTHORITIES, SUBAUTHORITIES)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("S-1-5-32-544", "S-1-5-32-544"),
        ("s-1-5-32-0x220", "S-1-5-32-544"),
        ("S-1-0X5-0X20-0X220", "S-1-5-32-544"),
        ("S-1-281474976710655-1", "S-1-0xFFFFFFFFFFFF-1"),
        ("S-1-0x000000000005-32-544", "S-1-5-32-544"),
        ("S-1-0x00012a05f200-30", "S-1-0x12A05F200-30"),
        ("S-1-5000000000-30", "S-1-0x12A05F200-30"),
        ("S-1-4294967295-0", "S-1-4294967295-0"),
        ("S-1-4294967296-0", "S-1-0x100000000-0"),
    ],
)
def test_text_becomes_canonical(text: str, canonical: str) -> None:
    assert Sid(text) == canonical
    assert Sid.parse(text) == canonical
    assert Sid.from_bytes(Sid(text).to_bytes()) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "S", "S-", "S-1", "S-1-5", "S-1-5-", "S-1--5", "S-2-5-32", "S-01-5-32", "X-1-5-32", "S-1-5-0x", "S-1-5-0xg",
        "S-1-5-4294967296", "S-1-5-0x100000000", "S-1-0x1000000000000-1", "S-1-281474976710656-1", "S-1-5-032",
        "S-1-5-+1", "S-1-5-1_0", "S-1-5- 1", "S-1-5-\u0661", "S-1-5-\u00b2", "S-1-5" + "-1" * 16,
        "S-1-5" + "-1" * 100_000, "S-1-" + "9" * 100_000 + "-1", "S-1-5-" + "9" * 100_000,
        "S-1-0x" + "f" * 100_000 + "-1", "S-1-5-9999999999999999", "S-1-999999999999999-1",
    ],
    ids=lambda text: text[:24],
)
def test_what_is_no_sid_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SidError) as caught:
        Sid(text)
    assert caught.value.hint
    assert len(str(caught.value)) < 300


def test_no_other_character_passes_for_a_digit() -> None:
    for character in map(chr, range(0x250)):
        for start, digits in (("S-1-5-3", "0123456789-"), ("S-1-5-0x3", "0123456789abcdefABCDEF-")):
            if character not in digits:
                with pytest.raises(SidError):
                    Sid(start + character)


@pytest.mark.parametrize("numbers", [(-1, 1), (2**48, 1), (5,), (5, -1), (5, 2**32), (5, *range(16))])
def test_numbers_that_make_no_sid_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(SidError):
        Sid.of(*numbers)


@settings(deadline=None)
@given(NUMBERS)
def test_numbers_text_and_bytes_are_one(numbers: tuple[int, list[int]]) -> None:
    authority, subauthorities = numbers
    sid = Sid.of(authority, *subauthorities)
    assert (sid.revision, sid.authority, sid.subauthorities) == (1, authority, tuple(subauthorities))
    assert sid.rid == subauthorities[-1]
    assert Sid(str(sid)) == sid
    packet = sid.to_bytes()
    assert packet == bytes([1, len(subauthorities)]) + authority.to_bytes(6, "big") + b"".join(
        number.to_bytes(4, "little") for number in subauthorities
    )
    assert Sid.from_bytes(b"??" + packet + b"??", 2) == sid
    assert Sid.from_bytes(packet, 0, len(packet)) == sid
    with pytest.raises(DescriptorError):
        Sid.from_bytes(packet, 0, len(packet) - 1)


@pytest.mark.parametrize(
    ("packet", "offset"),
    [
        (b"", 0),
        (bytes.fromhex("01010000000000"), 0),
        (bytes.fromhex("0201000000000005 20000000"), 0),
        (bytes.fromhex("0100000000000005"), 1),
        (bytes.fromhex("0110000000000005") + bytes(64), 1),
        (bytes.fromhex("0102000000000005 20000000"), 0),
    ],
)
def test_bytes_that_are_no_sid_are_refused_at_their_place(packet: bytes, offset: int) -> None:
    with pytest.raises(DescriptorError) as caught:
        Sid.from_bytes(packet)
    assert caught.value.offset == offset
    assert caught.value.hint
    with pytest.raises(DescriptorError) as caught:
        Sid.from_bytes(b"\xff\xff\xff\xff" + packet, 4)
    assert caught.value.offset == 4 + offset
    with pytest.raises(DescriptorError):
        Sid.from_bytes(packet, -1)


def test_a_sid_is_its_text_wherever_texts_are_compared() -> None:
    sid = Sid("S-1-5-18")
    assert sid in {"S-1-5-18"}
    assert {sid: 1}["S-1-5-18"] == 1
    assert Sid(sid) is sid
    assert repr(sid) == "Sid('S-1-5-18')"
    assert str(sid.child(7)) == "S-1-5-18-7"
    assert pickle.loads(pickle.dumps(sid)) == sid
    assert type(pickle.loads(pickle.dumps(sid))) is Sid
