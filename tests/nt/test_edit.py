"""Edits of a DACL: what they add, what they refuse, and how little is enough.  Win32, "Order of ACEs in a DACL"."""

from __future__ import annotations

import pytest

from sidewall.nt import edit, sddl
from sidewall.nt.access_check import access_check
from sidewall.nt.ace import CONTAINER_INHERIT, INHERIT_ONLY, NO_PROPAGATE_INHERIT, OBJECT_INHERIT, Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_PRESENT, SecurityDescriptor
from sidewall.nt.edit import ALLOW, DENY, Edit, EditError, Want
from sidewall.nt.errors import NtError
from sidewall.nt.mask import FILE_MODIFY, GENERIC_ALL, MAPPINGS
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token

CAP = Sid("S-1-5-21-71-72-73-1")
OTHER = Sid("S-1-5-21-71-72-73-2")
DOWN = OBJECT_INHERIT | CONTAINER_INHERIT
GRANT = Want(kind=ALLOW, sid=CAP, mask=FILE_MODIFY, flags=DOWN)
REFUSE = Want(kind=DENY, sid=CAP, mask=0xD0156, flags=DOWN)
GRANT_TEXT = f"(A;OICI;0x1301bf;;;{CAP})"
REFUSE_TEXT = f"(D;OICI;DCLCRPDTCRSDWDWO;;;{CAP})"


def made(text: str, *wants: Want, **options: object) -> str:
    sd = sddl.parse(text)
    done = edit.apply(sd, edit.smallest(sd, wants, **options))  # type: ignore[arg-type]
    assert not done.missing
    return sddl.format(done.sd)


@pytest.mark.parametrize(("before", "after"), [
    ("D:", f"D:{REFUSE_TEXT}{GRANT_TEXT}"),
    ("D:(A;;FA;;;SY)", f"D:{REFUSE_TEXT}{GRANT_TEXT}(A;;FA;;;SY)"),
    ("D:(D;;FW;;;BG)(A;;FA;;;SY)", f"D:{REFUSE_TEXT}(D;;FW;;;BG){GRANT_TEXT}(A;;FA;;;SY)"),
    ("D:PAI(A;ID;FA;;;SY)", f"D:PAI{REFUSE_TEXT}{GRANT_TEXT}(A;ID;FA;;;SY)"),
    ("O:BAG:BAD:AI(D;ID;FW;;;BG)", f"O:BAG:BAD:AI{REFUSE_TEXT}{GRANT_TEXT}(D;ID;FW;;;BG)"),
])
def test_entries_go_where_canonical_order_wants_them(before: str, after: str) -> None:
    assert made(before, GRANT, REFUSE) == after


@pytest.mark.parametrize("there", [
    GRANT_TEXT, f"(A;OICI;FA;;;{CAP})", f"(A;OICI;0x1301bf;;;{CAP})(A;;FA;;;SY)",
])
def test_what_is_covered_is_not_added(there: str) -> None:
    assert edit.smallest(sddl.parse("D:" + there), (GRANT,)).empty


@pytest.mark.parametrize("there", [
    f"(A;OICIID;0x1301bf;;;{CAP})",  # inherited: it goes when the parent's goes
    f"(A;OICIIO;0x1301bf;;;{CAP})", f"(A;CI;0x1301bf;;;{CAP})", f"(A;OICINP;0x1301bf;;;{CAP})",
    f"(A;OICI;0x1200a9;;;{CAP})", f"(A;OICI;0x1301bf;;;{OTHER})", f"(D;OICI;0x1301bf;;;{CAP})",
    f"(XA;OICI;0x1301bf;;;{CAP};(Member_of{{SID(BA)}}))",
])
def test_what_is_less_does_not_cover(there: str) -> None:
    found = edit.smallest(sddl.parse("D:" + there), (GRANT,))
    assert found.added == (GRANT.ace(),)
    assert not found.removed


def test_several_wants_that_are_equal_make_one_entry() -> None:
    assert made("D:", GRANT, GRANT) == f"D:{GRANT_TEXT}"


def test_only_takes_away_what_else_the_sid_has() -> None:
    before = f"D:AI(D;;WD;;;{CAP})(A;;FA;;;SY)(A;OICI;FA;;;{CAP})(A;;FR;;;{OTHER})(A;ID;FR;;;{CAP})"
    assert made(before, GRANT, only=(CAP,)) == f"D:AI{GRANT_TEXT}(A;;FA;;;SY)(A;;FR;;;{OTHER})(A;ID;FR;;;{CAP})"


def test_only_keeps_one_of_two_equal_entries() -> None:
    assert made(f"D:{GRANT_TEXT}{GRANT_TEXT}(A;;FA;;;SY)", GRANT, only=(CAP,)) == f"D:{GRANT_TEXT}(A;;FA;;;SY)"
    assert made(f"D:{GRANT_TEXT}", GRANT, only=(CAP,), shared=False) == f"D:{GRANT_TEXT}"


def test_an_own_copy_beside_an_equal_entry_and_back() -> None:
    sd = sddl.parse(f"D:(A;;FA;;;SY){GRANT_TEXT}")
    mine = edit.smallest(sd, (GRANT,), shared=False)
    there = edit.apply(sd, mine).sd
    assert sddl.format(there) == f"D:{GRANT_TEXT}(A;;FA;;;SY){GRANT_TEXT}"
    assert edit.undo(there, mine).sd == sd
    # Somebody takes his own away in the meantime: ours goes too, and nothing is left.
    without = sddl.parse(f"D:{GRANT_TEXT}(A;;FA;;;SY)")
    assert sddl.format(edit.undo(without, mine).sd) == "D:(A;;FA;;;SY)"


def test_an_equal_entry_that_somebody_adds_later_stays() -> None:
    sd = sddl.parse("D:(A;;FA;;;SY)")
    mine = edit.smallest(sd, (GRANT,))
    for changed in (f"D:{GRANT_TEXT}{GRANT_TEXT}(A;;FA;;;SY)", f"D:{GRANT_TEXT}(A;;FA;;;SY){GRANT_TEXT}"):
        back = edit.undo(sddl.parse(changed), mine)
        assert back.sd.dacl is not None
        assert back.sd.dacl.aces.count(GRANT.ace()) == 1
        assert not back.missing


def test_what_others_took_away_is_told_and_not_taken_elsewhere() -> None:
    sd = sddl.parse("D:(A;;FA;;;SY)")
    mine = edit.smallest(sd, (GRANT, REFUSE))
    # SetEntriesInAcl of somebody else merged our grant into a wider one: that is not ours any more.
    now = sddl.parse(f"D:{REFUSE_TEXT}(A;OICI;FA;;;{CAP})(A;;FA;;;SY)")
    back = edit.undo(now, mine)
    assert back.missing == (GRANT.ace(),)
    assert sddl.format(back.sd) == f"D:(A;OICI;FA;;;{CAP})(A;;FA;;;SY)"


@pytest.mark.parametrize("gone", [SecurityDescriptor(), SecurityDescriptor(control=SE_DACL_PRESENT)])
def test_undo_where_the_dacl_is_gone_closes_nothing(gone: SecurityDescriptor) -> None:
    sd = sddl.parse(f"D:(A;OICI;FA;;;{CAP})")
    mine = edit.smallest(sd, (GRANT,), only=(CAP,))
    back = edit.undo(gone, mine)
    assert back.sd == gone
    assert back.missing == (GRANT.ace(),)
    assert [ace.mask for ace in back.left] == [0x1F01FF]
    with pytest.raises(EditError):
        edit.apply(gone, mine)


@pytest.mark.parametrize(("text", "why"), [
    ("O:BA", "no-dacl"), ("S:(ML;;NW;;;LW)", "no-dacl"), ("D:NO_ACCESS_CONTROL", "null-dacl"),
    ("D:(A;;FA;;;SY)(D;;FW;;;BG)", "order"),
    ("D:(A;ID;FA;;;SY)(A;;FA;;;BA)", "order"),
])
def test_what_cannot_be_edited_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(EditError) as caught:
        edit.smallest(sddl.parse(text), (GRANT,))
    assert caught.value.why == why
    assert caught.value.hint
    with pytest.raises(EditError):
        edit.editable(sddl.parse(text))


def test_a_conditional_entry_of_an_exact_sid_is_refused() -> None:
    sd = sddl.parse(f"D:(XA;;FA;;;{CAP};(Member_of{{SID(BA)}}))")
    with pytest.raises(EditError) as caught:
        edit.smallest(sd, (GRANT,), only=(CAP,))
    assert caught.value.why == "entry"


@pytest.mark.parametrize("entry", [
    Ace(type=0, mask=0x1, sid=CAP, data=b"\0\0\0\0"),  # bytes behind the SID: nobody knows what for
    Ace(type=5, mask=0x1, sid=CAP), Ace(type=9, mask=0x1, sid=CAP, data=b"artx"),
])
def test_only_plain_entries_of_an_exact_sid_are_taken_away(entry: Ace) -> None:
    sd = SecurityDescriptor(dacl=Acl(aces=(entry,), revision=4))
    with pytest.raises(EditError) as caught:
        edit.smallest(sd, (), only=(CAP,))
    assert caught.value.why == "entry"
    assert "0" in str(caught.value)
    for untouched in (entry.replace(sid=OTHER), entry.replace(flags=0x10)):
        assert edit.smallest(sd.replace(dacl=Acl(aces=(untouched,), revision=4)), (), only=(CAP,)).empty
    covering = entry.replace(mask=0x1F01FF, flags=DOWN)
    sd = SecurityDescriptor(dacl=Acl(aces=(covering,), revision=4))
    assert edit.smallest(sd, (GRANT,)).added == (GRANT.ace(),)
    assert edit.apply(sd, edit.smallest(sd, (GRANT,))).sd.dacl == Acl(aces=(GRANT.ace(), covering), revision=4)


def test_a_list_out_of_order_keeps_its_order_when_asked() -> None:
    before = "D:(A;;FA;;;SY)(D;;FW;;;BG)(A;;FR;;;BU)"
    after = made(before, GRANT, REFUSE, preserve_order=True)
    assert after == f"D:{REFUSE_TEXT}(A;;FA;;;SY)(D;;FW;;;BG){GRANT_TEXT}(A;;FR;;;BU)"
    sd = sddl.parse(before)
    mine = edit.smallest(sd, (GRANT, REFUSE), preserve_order=True)
    assert edit.undo(sddl.parse(after), mine).sd == sd


@pytest.mark.parametrize("want", [
    GRANT.replace(mask=0), GRANT.replace(mask=GENERIC_ALL), GRANT.replace(mask=1 << 32), GRANT.replace(kind="audit"),
    GRANT.replace(flags=INHERIT_ONLY), GRANT.replace(flags=NO_PROPAGATE_INHERIT), GRANT.replace(flags=0x10 | DOWN),
    GRANT.replace(mask=0x02000000), GRANT.replace(mask=-1),
])
def test_a_want_that_windows_would_write_otherwise_is_refused(want: Want) -> None:
    with pytest.raises(EditError) as caught:
        edit.smallest(sddl.parse("D:"), (want,))
    assert caught.value.why == "want"


def test_words_of_a_want_and_a_want_for_one_object() -> None:
    assert (ALLOW, DENY) == ("allow", "deny")  # they are written down in plans
    assert made("D:", Want(kind="allow", sid=CAP, mask=0x1)) == f"D:(A;;CC;;;{CAP})"


def test_unmet_says_what_is_not_reached_yet() -> None:
    sd = sddl.parse(f"D:(A;;FR;;;{CAP})")
    assert edit.unmet(sd, (GRANT,)) == (GRANT.ace(),)
    assert len(edit.unmet(sd, (GRANT,), only=(CAP,))) == 2
    assert edit.unmet(sddl.parse(f"D:{GRANT_TEXT}"), (GRANT,), only=(CAP,)) == ()


def test_an_edit_reads_back_from_a_journal() -> None:
    sd = sddl.parse(f"D:(A;OICI;FA;;;{CAP})(XA;;FA;;;WD;(Member_of{{SID(BA)}}))")
    mine = edit.smallest(sd, (GRANT, REFUSE), only=(CAP,))
    assert Edit.from_json(mine.to_json()) == mine
    assert mine.inverse().inverse() == mine


@pytest.mark.parametrize("pairs", [
    None, "=", [["=", "00"]], [["?", ""]], [["="]], [["+", 5]], [["+", "zz"]], [["+", "0000080001000000"]], {"a": 1},
])
def test_a_damaged_journal_is_refused(pairs: object) -> None:
    with pytest.raises(NtError) as caught:
        Edit.from_json(pairs)
    assert caught.value.hint
    assert not isinstance(caught.value, EditError) or caught.value.why == "entry"


def test_a_grant_and_a_deny_do_what_they_say() -> None:
    """The edit is right by the access check too, whatever allows were there before."""
    sd = sddl.parse("O:BAG:BAD:AI(A;;FA;;;WD)(A;ID;FA;;;WD)")
    token = Token(user=CAP)
    with_deny = edit.apply(sd, edit.smallest(sd, (REFUSE,))).sd
    for bit in (0x2, 0x4, 0x10, 0x40, 0x100, 0x10000, 0x40000, 0x80000):
        assert not access_check(with_deny, token, bit, MAPPINGS["file"]).possible
    closed = sddl.parse("O:BAG:BAD:AI(A;;FA;;;SY)(D;ID;FA;;;WD)")
    with_grant = edit.apply(closed, edit.smallest(closed, (GRANT,))).sd
    assert access_check(with_grant, token, FILE_MODIFY, MAPPINGS["file"]).certain
    assert not access_check(with_grant, token, 0x40, MAPPINGS["file"]).possible


@pytest.mark.parametrize(("before", "now", "after"), [
    # what comes back goes behind the entry that it stood behind, but never before a deny that is new there
    ("(D;;FW;;;BG){m}(A;;FR;;;BU)", "(D;;FW;;;BG)(D;;FX;;;BG)(A;;FR;;;BU)", "(D;;FW;;;BG)(D;;FX;;;BG){m}(A;;FR;;;BU)"),
    ("(A;;FR;;;BU){m}(A;ID;FA;;;SY)", "(A;;FR;;;BU)(A;;FX;;;BU)(A;ID;FA;;;SY)",
     "(A;;FR;;;BU){m}(A;;FX;;;BU)(A;ID;FA;;;SY)"),
    ("{m}(A;;FR;;;BU)", "(D;;FX;;;BG)", "(D;;FX;;;BG){m}"),
    ("{m}(A;;FR;;;BU)", "(D;;FX;;;BG)(A;ID;FA;;;SY)(A;ID;FR;;;SY)", "(D;;FX;;;BG){m}(A;ID;FA;;;SY)(A;ID;FR;;;SY)"),
    ("{m}(A;;FR;;;BU)", "(A;;FX;;;BU)(A;;FR;;;BU)", "(A;;FX;;;BU){m}(A;;FR;;;BU)"),
    ("{m}{n}(A;;FR;;;BU)", "(A;ID;FA;;;SY)", "{m}{n}(A;ID;FA;;;SY)"),
    ("(A;;FR;;;BU){m}{n}", "(A;;FR;;;BU)(A;ID;FA;;;SY)", "(A;;FR;;;BU){m}{n}(A;ID;FA;;;SY)"),
])
def test_where_an_entry_that_was_taken_away_comes_back(before: str, now: str, after: str) -> None:
    mine = {"m": f"(A;;FX;;;{CAP})", "n": f"(A;;FW;;;{CAP})"}
    taken = edit.smallest(sddl.parse("D:" + before.format(**mine)), (), only=(CAP,))
    back = edit.undo(sddl.parse("D:" + now), taken)
    assert sddl.format(back.sd) == sddl.format(sddl.parse("D:" + after.format(**mine)))
