"""Parse and format are inverse: texts and packets of any descriptor, and of texts in any style.

Knows: the properties only.  Must not know: any single rule of the formats.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nt.dice_descriptors import DescriptorDice

from sidewall.nt import ace as aces
from sidewall.nt import descriptor as bits
from sidewall.nt import sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import MADE, SecurityDescriptor, order_of
from sidewall.nt.errors import DescriptorError, NtError, SddlError

LUCK = st.randoms(use_true_random=False)
ORDERS = st.permutations(MADE).map(tuple)
SILENT = (bits.SE_OWNER_DEFAULTED, bits.SE_GROUP_DEFAULTED, bits.SE_DACL_DEFAULTED, bits.SE_SACL_DEFAULTED,
          bits.SE_RM_CONTROL_VALID, bits.SE_DACL_TRUSTED, bits.SE_SERVER_SECURITY)
PLAIN = frozenset({aces.ACCESS_ALLOWED, aces.ACCESS_DENIED, aces.SYSTEM_MANDATORY_LABEL})


@settings(deadline=None)
@given(LUCK, ORDERS)
def test_a_packet_comes_back_as_its_value_and_byte_for_byte(luck: random.Random, order: tuple[str, ...]) -> None:
    value = DescriptorDice(luck).descriptor()
    packet = value.to_bytes(order)
    assert SecurityDescriptor.from_bytes(packet) == value
    assert SecurityDescriptor.from_bytes(packet).to_bytes(order) == packet
    assert SecurityDescriptor.from_bytes(packet).to_bytes(order_of(packet)) == packet


@settings(deadline=None)
@given(LUCK)
def test_lists_and_entries_come_back_byte_for_byte(luck: random.Random) -> None:
    acl = DescriptorDice(luck).acl(sayable=False)
    packet = acl.to_bytes()
    assert Acl.from_bytes(packet) == acl
    assert Acl.from_bytes(b"before" + packet + b"behind", 6) == acl
    for entry in acl.aces:
        assert Ace.from_bytes(entry.to_bytes()) == entry


@settings(deadline=None)
@given(LUCK)
def test_a_text_comes_back_as_its_value_and_its_bytes(luck: random.Random) -> None:
    value = DescriptorDice(luck).descriptor(sayable=True)
    text = sddl.format(value)
    again = sddl.parse(text)
    assert again == value
    assert again.to_bytes() == value.to_bytes()
    assert sddl.format(again) == text


@settings(deadline=None)
@given(LUCK)
def test_what_a_text_leaves_out_does_not_change_it(luck: random.Random) -> None:
    """Defaulted bits, the resource manager's byte, a list's revision, padding behind entries."""
    value = DescriptorDice(luck).descriptor(sayable=True)
    text = sddl.format(value)
    more = {"control": value.control | sum(luck.sample(SILENT, 3)), "rm_control": luck.randrange(256)}
    if value.dacl is not None:
        entries = tuple(entry.replace(data=entry.data or bytes(4)) if entry.type in PLAIN else entry
                        for entry in value.dacl.aces)
        more["dacl"] = value.dacl.replace(aces=entries, revision=luck.choice((2, 3, 4)))
    other = value.replace(**more)
    assert sddl.format(other) == text
    assert SecurityDescriptor.from_bytes(other.to_bytes()) == other


def outcome(function: Callable[[Any], SecurityDescriptor], given_value: object) -> SecurityDescriptor | NtError:
    try:
        return function(given_value)
    except NtError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_descriptor_or_an_error(data: bytes) -> None:
    found = outcome(SecurityDescriptor.from_bytes, data)
    if isinstance(found, SecurityDescriptor):
        assert SecurityDescriptor.from_bytes(found.to_bytes()) == found
    else:
        assert isinstance(found, DescriptorError)
        assert found.hint
        assert 0 <= found.offset <= len(data)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="OGDS:()APIRXW;0x1-5\"@{}=&|!, \ud800é", max_size=60))
def test_any_text_is_a_descriptor_or_an_error(text: str) -> None:
    found = outcome(sddl.parse, text)
    if isinstance(found, SecurityDescriptor):
        assert sddl.parse(sddl.format(found)) == found
    else:
        assert isinstance(found, SddlError)
        assert found.hint
        assert 0 <= found.position <= len(text)
