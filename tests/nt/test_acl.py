"""Canonical order of entries: seen, made, and told apart from other orders.

Knows: Win32's "Order of ACEs in a DACL".  Must not know: what is granted.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.nt import ace as aces
from sidewall.nt import sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import REVISION, REVISION_DS, Acl
from sidewall.nt.errors import DescriptorError
from sidewall.nt.sid import Sid


def dacl(text: str) -> Acl:
    acl = sddl.parse("D:" + text).dacl
    assert acl is not None
    return acl


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", True),
        ("(A;;FA;;;WD)", True),
        ("(D;;FA;;;WD)(A;;FA;;;WD)", True),
        ("(A;;FA;;;WD)(D;;FA;;;WD)", False),
        ("(A;;FA;;;WD)(D;ID;FA;;;WD)", True),
        ("(A;;FA;;;WD)(A;ID;FA;;;WD)(D;ID;FA;;;WD)(A;ID;FA;;;BU)", True),
        ("(A;ID;FA;;;WD)(A;;FA;;;WD)", False),
        ("(D;ID;FA;;;WD)(D;;FA;;;WD)", False),
        ("(OD;;CR;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)(OA;;CR;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)", True),
        ("(OA;;CR;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)(OD;;CR;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)", False),
        ("(A;;FA;;;WD)(XD;;FA;;;WD;(Member_of {SID(BA)}))", False),
        ("(A;IO;FA;;;WD)(D;IO;FA;;;WD)", False),
    ],
)
def test_order_is_judged(text: str, canonical: bool) -> None:
    acl = dacl(text)
    assert acl.is_canonical() is canonical
    assert acl.canonical().is_canonical()
    assert (acl.canonical() == acl) is canonical


def test_among_equals_the_order_stays() -> None:
    acl = dacl("(A;ID;FA;;;BU)(A;;FA;;;BU)(D;;FA;;;BA)(A;;FA;;;WD)(D;ID;FA;;;WD)(D;;FA;;;SY)")
    assert acl.canonical() == dacl("(D;;FA;;;BA)(D;;FA;;;SY)(A;;FA;;;BU)(A;;FA;;;WD)(A;ID;FA;;;BU)(D;ID;FA;;;WD)")


def test_revisions_and_sizes_at_their_limits() -> None:
    assert (REVISION, REVISION_DS) == (2, 4)
    for revision in (2, 3, 4):
        packet = Acl(revision=revision).to_bytes()
        assert packet == bytes([revision, 0, 8, 0, 0, 0, 0, 0])
        assert Acl.from_bytes(packet).revision == revision
    for wrong in (0, 1, 5, 255):
        with pytest.raises(DescriptorError):
            Acl.from_bytes(bytes([wrong, 0, 8, 0, 0, 0, 0, 0]))
    filling = Ace(type=0xFF, mask=0, sid=Sid("S-1-0-0"), data=bytes(65532 - 8 - 4))
    full = Acl(aces=(filling,))
    assert len(full.to_bytes()) == 65532
    assert Acl.from_bytes(full.to_bytes()) == full
    for more in (4, 8, 4096):
        with pytest.raises(DescriptorError):
            Acl(aces=(filling, filling.replace(data=bytes(more - 4)))).to_bytes()
    assert len(filling.replace(data=bytes(65532 - 4)).to_bytes()) == 65532
    with pytest.raises(DescriptorError):
        filling.replace(data=bytes(65536 - 4)).to_bytes()


@pytest.mark.parametrize("offset", [-8, -1, 1, 4, 8, 9])
def test_an_offset_outside_is_refused(offset: int) -> None:
    with pytest.raises(DescriptorError):
        Acl.from_bytes(bytes([2, 0, 8, 0, 0, 0, 0, 0]), offset)
    with pytest.raises(DescriptorError):
        Ace.from_bytes(bytes([0xFF, 0, 4, 0]), offset)


ENTRIES = st.builds(
    Ace,
    type=st.sampled_from([aces.ACCESS_ALLOWED, aces.ACCESS_DENIED, aces.ACCESS_DENIED_CALLBACK]),
    flags=st.sampled_from([0, aces.INHERITED, aces.INHERIT_ONLY, aces.INHERITED | aces.OBJECT_INHERIT]),
    mask=st.integers(0, 3),
    sid=st.sampled_from([Sid("S-1-1-0"), Sid("S-1-5-18")]),
)


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=8).map(tuple), st.sampled_from([2, 4]))
def test_canonical_order_is_a_permutation_made_once(entries: tuple[Ace, ...], revision: int) -> None:
    acl = Acl(aces=entries, revision=revision)
    ordered = acl.canonical()
    assert ordered.is_canonical()
    assert ordered.canonical() == ordered
    assert ordered.revision == revision
    assert sorted(map(repr, ordered.aces)) == sorted(map(repr, entries))
    if acl.is_canonical():
        assert ordered == acl
