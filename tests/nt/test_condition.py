"""Conditions and resource attributes: the bytes that Windows makes, the text that Windows writes, and what is refused.

Knows: MS-DTYP 2.4.4.17, 2.4.10.1 and 2.5.1.1.  Must not know: what a condition evaluates to.
"""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nt.dice_conditions import ConditionDice, Tree, claim_bytes, condition_bytes

from sidewall.nt import attribute, condition, sddl
from sidewall.nt.errors import SddlError

LUCK = st.randoms(use_true_random=False)


def entry(condition_text: str) -> str:
    return f"D:(XA;;FA;;;WD;{condition_text})"


def data_of(text: str, part: str = "dacl") -> bytes:
    data = getattr(sddl.parse(text), part).aces[0].data
    assert isinstance(data, bytes)
    return data


@settings(deadline=None)
@given(LUCK)
def test_any_style_of_a_condition_has_the_bytes_that_windows_makes(luck: random.Random) -> None:
    dice = ConditionDice(luck)
    tree = dice.tree()
    data = condition_bytes(tree)
    assert data_of(entry(dice.text(tree))) == data
    assert data_of(entry(condition.format(data))) == data


@settings(deadline=None)
@given(LUCK)
def test_any_style_of_a_resource_attribute_has_its_bytes(luck: random.Random) -> None:
    dice = ConditionDice(luck)
    claim = dice.claim()
    data = claim_bytes(claim)
    assert data_of(f"S:(RA;;;;;WD;{dice.claim_text(claim)})", "sacl") == data
    assert data_of(f"S:(RA;;;;;WD;{attribute.format(data)})", "sacl") == data


@pytest.mark.parametrize(("text", "written"), [
    ('(@User.Title=="PM")', '(@USER.Title == "PM")'),
    ("(a)", "(a)"),
    ("(((a)))", "(a)"),
    ("(a&&b||c&&d)", "(((a) && (b)) || ((c) && (d)))"),
    ("(a||b||c)", "(((a) || (b)) || (c))"),
    ("(a||(b||c))", "((a) || ((b) || (c)))"),
    ("(!(a&&b))", "(!((a) && (b)))"),
    ("(! ( !(a)) && b)", "((!(!(a))) && (b))"),
    ("(exists a && NOT_EXISTS @device.b)", "((Exists a) && (Not_Exists @DEVICE.b))"),
    ("(Member_of{SID(BA)})", "(Member_of {SID(BA)})"),
    ("(member_OF_any SID(S-1-5-32-544))", "(Member_of_any SID(BA))"),
    ("(Member_of((SID(BA))))", "(Member_of SID(BA))"),
    ("(Member_of{SID(BA),SID(s-1-1-0)}&&@Device.x)", "((Member_of {SID(BA), SID(WD)}) && (@DEVICE.x))"),
    ("(a any_of {1,-2 , +0x3,04})", "(a Any_of {1, -2, +0x3, 04})"),
    ("(a==##1#2)", "(a == #0102)"),
    ("(a==#102)", "(a == #0102)"),
    ("(a==0xffffffffffffffff)", "(a == 0xffffffffffffffff)"),
    ("(a==-0x8000000000000000)", "(a == -0x8000000000000000)"),
    ("(@user.two%0020words == @resource.%00fc)", "(@USER.two%0020words == @RESOURCE.%00fc)"),
    ("(@user.%0041 == 1)", "(@USER.A == 1)"),
    ("(@user.ü == 1)", "(@USER.%00fc == 1)"),
    ("(WIN://SYSAPPID Contains \"x\")", "(WIN://SYSAPPID Contains \"x\")"),
])
def test_conditions_are_written_as_windows_writes_them(text: str, written: str) -> None:
    assert condition.format(data_of(entry(text))) == written
    assert data_of(entry(written)) == data_of(entry(text))


@pytest.mark.parametrize("text", [
    "", "()", "(", "(a", "(a))", "a", "(a b)", "(a &&)", "(&& a)", "(a & b)", "(a == )", "(== 1)",
    "(a == b)", "(a = 1)",
    "(1 == )", "(!a)", "(!)", "(! Member_of{SID(BA)})", "(a == !(b))", "(Exists)", "(Exists 1 2)",
    "(Member_of)",
    "(Member_of @User.a)", "(Member_of_AnySID(BA))", "(Member_of {SID(BA)", "(Member_of SID(BA)",
    "(Member_of {SID(BA) SID(WD)})",
    "(Member_of SID(nobody))", "(Member_of SID(DA))", "(a == \"x)", "(a == {1, {2}})",
    "(a == {1,})", "(a == 0x)", "(a == 09)",
    "(a == +-1)", "(a == 9223372036854775808000)", "(a == 18446744073709551616)", "(a == -9223372036854775809)",
    "(a == +9223372036854775808)", "(@ == 1)", "(@User == 1)", "(@User. == 1)", "(@Group.a == 1)", "(@User.50% == 1)",
    "(@User.%00g0 == 1)", "(a == 1 == 2)", "(a == 1) && (b)", "(a Contains)",
])
def test_what_is_no_condition_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(SddlError) as caught:
        sddl.parse(entry(text))
    assert 15 <= caught.value.position <= len(entry(text))
    assert caught.value.hint


def test_depth_is_limited_alike_in_text_and_bytes() -> None:
    for opening, closing in (("(", ")"), ("!(", ")")):
        for depth in (20, 89):
            text = "(" + opening * depth + "a" + closing * depth + ")"
            assert condition.format(data_of(entry(text)))
        with pytest.raises(SddlError, match="nested"):
            sddl.parse(entry("(" + opening * 5000 + "a" + closing * 5000 + ")"))
    with pytest.raises(SddlError, match="nested"):
        sddl.parse(entry("(Member_of " + "(" * 5000 + "SID(BA)" + ")" * 5001))
    chain = "(" + " && ".join("a" for _ in range(90)) + ")"
    assert condition.format(data_of(entry(chain))).count("&&") == 89
    with pytest.raises(SddlError, match="nested"):
        sddl.parse(entry("(" + " && ".join("a" for _ in range(5000)) + ")"))
    attribute_a = b"\xf8\x02\0\0\0a\0"
    for leaf in (attribute_a, attribute_a + b"\x87", attribute_a + ONE + b"\x80", ONE + b"\x89"):
        for deeper in (b"\xa2", attribute_a + b"\xa0", attribute_a + b"\x87\xa1"):
            written = condition.format(b"artx" + leaf + deeper * 89)
            assert data_of(entry(written)).rstrip(b"\0") == b"artx" + leaf + deeper * 89
            with pytest.raises(SddlError, match="nested"):
                condition.format(b"artx" + leaf + deeper * 90)
    for hostile in (attribute_a + b"\xa2" * 60_000, attribute_a + (attribute_a + b"\xa0") * 8000):
        with pytest.raises(SddlError, match="nested"):
            condition.format(b"artx" + hostile)


A, ONE = b"\xf8\x02\0\0\0a\0", b"\x04" + bytes([1, 0, 0, 0, 0, 0, 0, 0, 3, 2])


@pytest.mark.parametrize("code", [
    b"", b"\0\0\0\0", ONE, A + A, A + ONE, b"\xa0", A + b"\xa0", b"\x80", ONE + b"\xa2",
    ONE + A + b"\x80", A + A + b"\x80",
    A + ONE + b"\xa0", A + b"\x89", ONE + b"\x87", A + b"\x77", A + b"\0\x01", b"\xf8\xff\0\0\0", b"\xf8\x01\0\0\0a",
    b"\xf8\0\0\0\0", b"\xf9\0\0\0\0", b"\xf8\x02\0\0\0 \0", b"\xf8\x0c\0\0\0" + "Exists".encode("utf-16-le"),
    A + b"\x10\x02\0\0\0\"\0\x80", A + b"\x10\x03\0\0\0abc\x80", A + b"\x10\xff\xff\xff\xff\x80", A + b"\x04\x01\x80",
    A + ONE[:9] + b"\x07\x02\x80", A + ONE[:9] + b"\x03\x09\x80", A + b"\x51\x04\0\0\0abcd\x80",
    A + b"\x51\x10\0\0\0" + bytes([1, 1, 0, 0, 0, 0, 0, 1]) + bytes(8) + b"\x80",
    A + b"\x50\x05\0\0\0\x50\0\0\0\0\x80", A + b"\x50\x01\0\0\0\x80\x80", A + b"\x50\x02\0\0\0\x04\x01\x80",
    A + ONE + b"\x80" + ONE + b"\x80",
], ids=lambda code: code.hex()[:24])
def test_bytes_without_a_text_are_refused(code: bytes) -> None:
    with pytest.raises(SddlError) as caught:
        condition.format(b"artx" + code)
    assert "bytes" in caught.value.hint


def test_integers_of_every_width_are_written() -> None:
    for code in (1, 2, 3, 4):
        for number in (0, 5, -5):
            data = b"artx" + A + bytes([code]) + struct.pack("<q", number) + bytes([3, 2]) + b"\x80"
            assert condition.format(data) == f"(a == {number})"
    assert condition.format(b"artx" + A + b"\x04" + struct.pack("<q", -5) + bytes([1, 3]) + b"\x80") == "(a == -0x5)"


@pytest.mark.parametrize("text", [
    "", "()", '("a")', '("a",TI)', '("a",TI,)', '("a",TZ,0)', "(a,TI,0)", '("",TI,0)', '("a" TI,0)', '("a",TI,0,)',
    '("a",TI,0,x)',
    '("a",TI,0,9223372036854775808)', '("a",TI,0,-9223372036854775809)', '("a",TU,0,-1)',
    '("a",TB,0,2)', '("a",TS,0,x)',
    '("a",TS,0,"x)', '("a",TD,0,nobody)', '("a",TD,0,DA)', '("a",TI,-1)', '("a",TI,4294967296)', '("%0000",TI,0)',
    '("a",TS,0,"\0")', '("a",TI,0,1', '("a",TI,0,1)x',
])
def test_what_is_no_resource_attribute_is_refused(text: str) -> None:
    with pytest.raises(SddlError) as caught:
        sddl.parse(f"S:(RA;;;;;WD;{text})")
    assert caught.value.position >= 13
    assert caught.value.hint


def claim(values: tuple[object, ...] = (), kind: str = "TS") -> bytearray:
    return bytearray(claim_bytes(("name", kind, 0, values)))


def test_resource_attributes_in_other_layouts_are_read_by_their_offsets() -> None:
    tree: Tree = ("name", "TI", 0, (1, -2))
    start = struct.pack("<IHHIIII", 56, 1, 0, 0, 2, 40, 32)
    moved = start + bytes(8) + struct.pack("<qq", -2, 1) + bytes(8) + "name\0".encode("utf-16-le")
    assert attribute.format(moved) == attribute.format(claim_bytes(tree)) == '("name",TI,0x0,1,-2)'


def test_damaged_resource_attributes_are_refused() -> None:
    for kind, values in (("TS", ("text",)), ("TX", (b"\1\2\3",)), ("TD", ("BA",)), ("TU", (7,))):
        whole = claim(values, kind)
        assert attribute.format(bytes(whole))
        for at, byte in ((0, 0xFF), (4, 9), (12, 0xFF), (16, 0xFF)):
            broken = whole.copy()
            broken[at] = byte
            with pytest.raises(SddlError):
                attribute.format(bytes(broken))
        for length in range(0, 28, 2):
            with pytest.raises(SddlError):
                attribute.format(bytes(whole[:length]))
        # The value alone is cut: a name that is whole stands before it.
        for length in range(len(whole.rstrip(b"\0")) - 1, 30, -1):
            with pytest.raises(SddlError):
                attribute.format(bytes(whole[:length]))
    two = claim((1,), "TB")
    two[-8] = 2
    with pytest.raises(SddlError):
        attribute.format(bytes(two))
    for unsayable in (claim(('"',)), claim((b"",), "TX"), claim_bytes(("", "TI", 0, ()))):
        with pytest.raises(SddlError):
            attribute.format(bytes(unsayable))


def test_values_that_overlap_cannot_fill_the_memory() -> None:
    count = 5_000
    start = struct.pack("<IHHII", 16 + 4 * count, 3, 0, 0, count) + struct.pack("<I", 16 + 4 * count) * count
    assert attribute.format(start + "x\0".encode("utf-16-le")).count('"x"') == 1 + count
    with pytest.raises(SddlError, match="overlap"):
        attribute.format(start + ("x" * 20_000 + "\0").encode("utf-16-le"))
