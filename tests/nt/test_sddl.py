"""SDDL: what Windows reads and writes, and what is refused, at which character, with which remedy.

Knows: MS-DTYP 2.5.1, Win32's "ACE Strings", and how Windows answers where these leave a choice.
Must not know: what is granted.
"""

from __future__ import annotations

import pytest

from sidewall.nt import ace as aces
from sidewall.nt import descriptor as bits
from sidewall.nt import sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import REVISION, REVISION_DS, Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import SddlError
from sidewall.nt.sid import Sid

WORLD = Sid("S-1-1-0")
GUID = "bf967aba-0de6-11d0-a285-00aa003049e2"

AS_WINDOWS_WRITES_IT = [
    "",
    "O:BAG:SY",
    "O:S-1-5-21-1-2-3-1001G:S-1-5-21-1-2-3-513",
    "D:",
    "S:",
    "D:S:",
    "D:PARAI(A;;GA;;;SY)S:PARAI",
    "D:NO_ACCESS_CONTROL",
    "D:PAINO_ACCESS_CONTROLS:NO_ACCESS_CONTROL",
    "O:BAG:SYD:PAI(A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)S:AINO_ACCESS_CONTROL",
    "D:AI(D;OICINPIOID;0x1301bf;;;S-1-15-2-1-2)(A;OICIID;0x1301bf;;;AC)",
    "D:(A;;FR;;;WD)(A;;FW;;;WD)(A;;FX;;;WD)(A;;KA;;;WD)(A;;KR;;;WD)(A;;KW;;;WD)(A;;;;;WD)(A;;0x100000;;;WD)",
    "D:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWOGAGXGWGR;;;WD)",
    f"D:(OA;CI;CR;{GUID};;PS)(OD;;WP;;{GUID};PS)(OA;;RPWP;{GUID};{GUID};PS)",
    "S:(AU;OICISAFA;WDWO;;;WD)(AL;SA;FA;;;WD)(ML;OICI;NW;;;LW)(ML;;NWNRNX;;;ME)(SP;;;;;S-1-17-1)",
    "S:(TL;;0x200;;;S-1-19-512-4096)",
    f"S:(OU;CISA;WP;{GUID};;WD)(OL;FA;WP;{GUID};;WD)(FL;TP;FA;;;WD)(FL;CR;FA;;;WD)",
    "D:(A;;FA;;;S-1-0x12A05F200-1)",
]

AS_PEOPLE_WRITE_IT = [
    ("S:PD:", "D:S:P"),
    ("S:D:P", "D:PS:"),
    ("G:SYO:BA", "O:BAG:SY"),
    ("D:AIARP", "D:PARAI"),
    ("D:PPPAIAI", "D:PAI"),
    ("D:NO_ACCESS_CONTROLPAI", "D:PAINO_ACCESS_CONTROL"),
    ("O:s-1-5-18G:s-1-5-21-1D:", "O:SYG:S-1-5-21-1D:"),
    ("D:(a;oici;fagr;;;wd)", "D:(A;OICI;0x801f01ff;;;WD)"),
    ("D:(A;CIOI;GRGX;;;BU)", "D:(A;OICI;GXGR;;;BU)"),
    ("D:(A;OIOI;CCCC;;;BU)", "D:(A;OI;CC;;;BU)"),
    ("D:(A;;16;;;WD)(A;;020;;;WD)(A;;0x10;;;WD)", "D:(A;;RP;;;WD)(A;;RP;;;WD)(A;;RP;;;WD)"),
    ("D:(A;;0X10;;;WD)(A;;0;;;WD)(A;;0x0;;;WD)", "D:(A;;RP;;;WD)(A;;;;;WD)(A;;;;;WD)"),
    ("D:(A;;4294967295;;;WD)", "D:(A;;0xffffffff;;;WD)"),
    ("D:(A;;KX;;;WD)", "D:(A;;KR;;;WD)"),
    ("D:(OA;;CR;;;WD)", "D:(A;;CR;;;WD)"),
    ("D:(OD;;CR;;;WD)", "D:(OD;;CR;;;WD)"),
    (f"D:(OA;;CR;{GUID.upper()};;WD)", f"D:(OA;;CR;{GUID};;WD)"),
    ("D:(A;;FA;;;s-1-5-0x20-544)", "D:(A;;FA;;;BA)"),
    ("O:S-1-5-0x20-0x220D:", "O:BAD:"),
    ("O:S-1-2-0xDD:", "O:S-1-2-13D:"),
    (" O:BA  G:SY D: P AI (A; OICI; FA; ; ; WD ) (A;;FA;;;SY) S: ", "O:BAG:SYD:PAI(A;OICI;FA;;;WD)(A;;FA;;;SY)S:"),
    ("S:(ML;;0x1;;;S-1-16-4096)", "S:(ML;;NW;;;LW)"),
    ("S:(ML;;0x9;;;LW)", "S:(ML;;0x9;;;LW)"),
]


@pytest.mark.parametrize("text", AS_WINDOWS_WRITES_IT)
def test_what_windows_writes_comes_back(text: str) -> None:
    value = sddl.parse(text)
    assert sddl.format(value) == text
    assert SecurityDescriptor.from_bytes(value.to_bytes()) == value


@pytest.mark.parametrize(("text", "canonical"), AS_PEOPLE_WRITE_IT)
def test_what_people_write_becomes_what_windows_writes(text: str, canonical: str) -> None:
    assert sddl.format(sddl.parse(text)) == canonical


def test_every_flag_right_and_type_has_its_number() -> None:
    flags = "CI=2 OI=1 NP=4 IO=8 ID=16 SA=64 FA=128 TP=64 CR=32"
    rights = (
        "GR=80000000 GW=40000000 GX=20000000 GA=10000000 WO=80000 WD=40000 RC=20000 SD=10000 FA=1f01ff FX=1200a0"
        " FW=120116 FR=120089 KA=f003f KR=20019 KX=20019 KW=20006 CR=100 LO=80 DT=40 WP=20 RP=10 SW=8 LC=4 DC=2"
        " CC=1 NR=2 NW=1 NX=4"
    )
    types = "A=0 D=1 AU=2 AL=3 OA=5 OD=6 OU=7 OL=8 XA=9 XD=a ZA=b XU=d ML=11 RA=12 SP=13 TL=14 FL=15"
    assert {word: int(number) for word, number in (pair.split("=") for pair in flags.split())} == sddl.FLAGS
    assert {word: int(number, 16) for word, number in (pair.split("=") for pair in rights.split())} == sddl.RIGHTS
    assert {word: int(number, 16) for word, number in (pair.split("=") for pair in types.split())} == sddl.TYPES


def test_values_behind_a_text() -> None:
    value = sddl.parse(f"O:SYG:BAD:PAI(D;OICIID;FA;;;WD)S:AR(OU;SA;CR;{GUID};;WD)")
    assert (value.owner, value.group) == ("S-1-5-18", "S-1-5-32-544")
    assert value.control == (
        bits.SE_DACL_PRESENT | bits.SE_SACL_PRESENT | bits.SE_DACL_PROTECTED | bits.SE_DACL_AUTO_INHERITED
        | bits.SE_SACL_AUTO_INHERIT_REQ
    )
    inherited = aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT | aces.INHERITED
    entry = Ace(type=aces.ACCESS_DENIED, flags=inherited, mask=0x1F01FF, sid=WORLD)
    assert value.dacl == Acl(aces=(entry,), revision=REVISION)
    assert value.sacl is not None
    assert value.sacl.revision == REVISION_DS
    assert value.sacl.aces[0].object_type == GUID
    assert sddl.parse("D:NO_ACCESS_CONTROL") == SecurityDescriptor(control=bits.SE_DACL_PRESENT)


# (text, position of the fault, a word of the message)
WRONG = [
    ("x", 0, "no part"), ("d:", 0, "no part"), ("O:BAO:BA", 4, "given before"), ("D:D:", 2, "given before"),
    ("O:BA(A;;FA;;;WD)", 4, "no part"), ("D :", 0, "no part"), ("O:", 2, "missing"), ("O:B", 2, "neither"),
    ("O:ZZ", 2, "neither"), ("O:S-1", 2, "neither"), ("O:S-1-5", 2, "neither"),
    ("O:S-1-5-32-544-", 2, "neither"), ("D:Q", 2, "no flag"), ("D:A", 2, "no flag"), ("D:P:", 3, "no flag"),
    ("D:p", 2, "no flag"), ("D:NO_ACCESS_CONTROL(A;;FA;;;WD)", 19, "exclude"),
    ("D:(A;;FA;;;WD", 13, "does not end"), ("D:(A;;FA;;;WD))", 14, "no part"),
    ("D:(A;;FA;;;WD)P", 14, "no part"), ("D:(", 2, "fields"), ("D:()", 2, "fields"),
    ("D:(A;;FA;;WD)", 2, "fields"), ("D:((A;;FA;;;WD))", 2, "fields"), ("D:(A;;FA;;;)", 11, "missing"),
    ("D:(A;;FA;;;WD;)", 14, "seventh"), ("D:(A;;FA;;;WD;(a == 1))", 14, "seventh"),
    ("D:(Z;;FA;;;WD)", 3, "no type"), ("D:(;;FA;;;WD)", 3, "no type"),
    ("D:(A;OX;FA;;;WD)", 5, "'OX' is no flag"), ("D:(A;OICIX;FA;;;WD)", 9, "'X' is no flag"),
    ("D:(A;;FAZZ;;;WD)", 8, "'ZZ' is no right"), ("D:(A;;FAC;;;WD)", 8, "'C' is no right"),
    ("D:(A;;FA ;;;WD)", 8, "no right"), ("D:(A;;0x;;;WD)", 6, "not a mask"),
    ("D:(A;;0x1g;;;WD)", 6, "not a mask"), ("D:(A;;08;;;WD)", 6, "not a mask"),
    ("D:(A;;4294967296;;;WD)", 6, "not a mask"), ("D:(A;;0x100000000;;;WD)", 6, "not a mask"),
    ("D:(A;;-1;;;WD)", 6, "no right"), ("D:(A;;1_0;;;WD)", 6, "not a mask"),
    ("D:(A;;0x_1;;;WD)", 6, "not a mask"), ("D:(A;;1 ;;;WD)", 6, "not a mask"),
    ("D:(A;;\u0661;;;WD)", 6, "not a mask"), ("D:(A;;" + "1" * 5000 + ";;;WD)", 2, "fields"),
    ("D:(A;;" + "1" * 4000 + ";;;WD)", 6, "not a mask"), (f"D:(A;;FA;{GUID};;WD)", 9, "no object GUIDs"),
    (f"D:(OA;;FA;{{{GUID}}};;WD)", 10, "not a GUID"), ("D:(OA;;FA;;x;WD)", 11, "not a GUID"),
    (f"D:(OA;;FA; {GUID} ;;WD)", 11, "GUID"), ("D:(A;;FA;;;W D)", 11, "neither"),
    ("D:(A;;FA;;;BAD)", 11, "neither"), ("O:BA\0", 4, "no part"), ("D:(A;;FA;;;WD)\n", 14, "no part"),
]


@pytest.mark.parametrize(("text", "position", "word"), WRONG, ids=lambda value: str(value)[:30])
def test_what_is_no_sddl_is_refused_at_its_place(text: str, position: int, word: str) -> None:
    with pytest.raises(SddlError) as caught:
        sddl.parse(text)
    assert word in caught.value.message, caught.value.message
    assert caught.value.position == position, caught.value.message
    assert str(caught.value).startswith(f"character {position}: ")
    assert caught.value.hint
    assert len(str(caught.value)) < 250


def test_a_text_without_end_is_refused_at_once() -> None:
    assert sddl.parse(" " * sddl.LONGEST) == SecurityDescriptor()
    with pytest.raises(SddlError) as caught:
        sddl.parse(" " * (sddl.LONGEST + 1))
    assert caught.value.position == sddl.LONGEST
    for text in ("D:" + "P" * (1 << 21), "D:" + "(" * (1 << 21), "O:S-" + "1-" * (1 << 20)):
        with pytest.raises(SddlError) as caught:
            sddl.parse(text)
        assert caught.value.hint
    for text in ("D:" + "(A;;FA;;;WD)" * 8_000, "D:" + "P" * 100_000):
        assert sddl.format(sddl.parse(text))


@pytest.mark.parametrize("text", [
    "O:\u017fy", "O:\u017f-1-5-18", "D:(A;;FA;;;\u00df)", "D:(A;;FA;;;\u017fy)",
    "D:(\ufb02;;FA;;;WD)", "D:(A;\u0131o;FA;;;WD)",
    "D:(A;;\u017fd;;;WD)", 'D:(XA;;FA;;;WD;(@u\u017fer.a == 1))', "D:(XA;;FA;;;WD;(a == \u017fid(BA)))",
    'S:(RA;;;;;WD;("a",t\u017f,0,"x"))', "D:(A;;F\uff21;;;WD)",
])
def test_letters_that_only_look_or_fold_like_ascii_are_refused(text: str) -> None:
    with pytest.raises(SddlError):
        sddl.parse(text)


@pytest.mark.parametrize("entry", [
    Ace(type=0x04, mask=0, sid=WORLD),
    Ace(type=aces.ACCESS_DENIED_CALLBACK_OBJECT, mask=1, sid=WORLD, object_type=GUID),
    Ace(type=0x30, mask=0, sid=WORLD, data=b"data"),
    Ace(type=aces.ACCESS_ALLOWED, mask=1, sid=WORLD, data=b"data"),
    Ace(type=aces.ACCESS_ALLOWED_CALLBACK, mask=1, sid=WORLD, data=b"data"),
    Ace(type=aces.SYSTEM_RESOURCE_ATTRIBUTE, mask=1, sid=WORLD, data=b"data"),
], ids=lambda entry: f"{entry.type:02x}")
def test_what_sddl_cannot_say_is_refused(entry: Ace) -> None:
    with pytest.raises(SddlError) as caught:
        sddl.format(SecurityDescriptor(dacl=Acl(aces=(entry,))))
    assert "bytes" in caught.value.hint
    assert caught.value.position == -1


def test_padding_of_an_entry_says_nothing() -> None:
    padded = Ace(type=aces.ACCESS_ALLOWED, mask=1, sid=WORLD, data=bytes(8))
    assert sddl.ace_text(padded) == "(A;;CC;;;WD)"
    assert Ace.from_bytes(padded.to_bytes()) == padded


def test_what_the_text_leaves_out_is_what_windows_leaves_out() -> None:
    silent = bits.SE_OWNER_DEFAULTED | bits.SE_GROUP_DEFAULTED | bits.SE_DACL_DEFAULTED | bits.SE_SACL_DEFAULTED
    silent |= bits.SE_RM_CONTROL_VALID
    value = SecurityDescriptor(owner=WORLD, dacl=Acl(revision=4), control=silent, rm_control=7)
    assert sddl.format(value) == "O:WDD:"
