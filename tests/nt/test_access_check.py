"""The access check by hand: the normal pass, owners, privileges, statuses, what is refused, what a trace says.

Knows: the documents' own examples, and the attacks that the sandbox must foresee.
Must not know: how the walk is built.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from sidewall.nt import sddl
from sidewall.nt.access_check import _REPEATED, access_check, backup_rights
from sidewall.nt.access_check_answer import (
    CANNOT_PROVE,
    DENIED,
    GRANTED,
    QUESTIONS,
    Answer,
    Step,
)
from sidewall.nt.ace import INHERIT_ONLY, Ace
from sidewall.nt.acl import Acl
from sidewall.nt.mask import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_DELETE_CHILD,
    FILE_GENERIC_READ,
    FILE_GENERIC_WRITE,
    FILE_READ_DATA,
    FILE_TRAVERSE,
    FILE_WRITE_DATA,
    GENERIC_READ,
    GENERIC_WRITE,
    MAPPINGS,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
    WRITE_OWNER,
)
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token

USER = Sid("S-1-5-21-1-2-3-1001")
ADMINISTRATORS = Sid("S-1-5-32-544")
MEMBER = Token(user=USER, groups=tuple(Group(sid=Sid(text)) for text in ("S-1-1-0", "S-1-5-11", "S-1-5-32-545")))
FILTERED = MEMBER.replace(groups=(*MEMBER.groups, Group(sid=ADMINISTRATORS, attributes=0x10)))
FOREIGN = "O:BAG:BA"
MINE = f"O:{USER}G:BA"


def check(text: str, desired: int, token: Token = MEMBER, kind: str = "file", *, trace: bool = False,
          before: int = 0) -> Answer:
    return access_check(sddl.parse(text), token, desired, MAPPINGS[kind], trace=trace, previously_granted=before)


def test_a_grant_holds_what_was_asked_for_and_no_more() -> None:
    answer = check(FOREIGN + "D:(A;;FA;;;WD)", FILE_READ_DATA)
    assert (answer.verdict, answer.mask, answer.lower, answer.upper) == (GRANTED, 1, 1, 1)
    assert answer.granted
    assert answer.certain
    assert answer.possible
    assert answer.status == "success"


def test_a_denial_holds_nothing() -> None:
    answer = check(FOREIGN + "D:(A;;FR;;;WD)", FILE_GENERIC_READ | FILE_WRITE_DATA)
    assert (answer.verdict, answer.mask, answer.lower, answer.upper) == (DENIED, 0, 0, 0)
    assert answer.status == "access_denied"
    assert "normal pass" in answer.reason
    assert not answer.possible
    assert not answer.certain


@pytest.mark.parametrize(("dacl", "desired", "granted"), [
    ("(D;;0x2;;;WD)(A;;FA;;;WD)", 0x1, True),
    ("(D;;0x2;;;WD)(A;;FA;;;WD)", 0x3, False),
    ("(A;;FA;;;WD)(D;;FA;;;WD)", 0x3, True),  # the order decides, "deny wins" is only the usual order
    ("(A;;0x1;;;WD)(D;;0x3;;;WD)(A;;0x2;;;WD)", 0x1, True),
    ("(A;;0x1;;;WD)(D;;0x3;;;WD)(A;;0x2;;;WD)", 0x3, False),
    ("(A;;0x1;;;WD)(A;;0x2;;;AU)", 0x3, True),
    ("(A;IO;FA;;;WD)", 0x1, False),
    ("(A;OICI;FA;;;WD)", 0x1, True),
    ("(D;IO;FA;;;WD)(A;;FA;;;WD)", 0x1, True),
    ("(A;;FA;;;CO)", 0x1, False),  # CREATOR OWNER in an effective entry is nobody
    ("(A;;GR;;;WD)", FILE_GENERIC_READ, True),
    ("(A;;GR;;;WD)", FILE_READ_DATA | FILE_WRITE_DATA, False),
    ("(A;;0x1301bf;;;WD)", FILE_DELETE_CHILD, False),
    ("(A;;0x1301bf;;;WD)", DELETE, True),
    ("(A;;0x12019f;;;WD)", GENERIC_READ | GENERIC_WRITE, True),
    ("(A;;0x120116;;;WD)", GENERIC_READ | GENERIC_WRITE, False),
    ("(D;;0x0;;;WD)(A;;FR;;;WD)", 0x1, True),
])
def test_entries_are_read_in_order(dacl: str, desired: int, granted: bool) -> None:
    assert check(f"{FOREIGN}D:{dacl}", desired).granted is granted


def test_no_dacl_and_a_null_dacl_grant_all_an_empty_one_nothing() -> None:
    anonymous = Token(user=Sid("S-1-5-7"))
    for text in (FOREIGN, FOREIGN + "D:NO_ACCESS_CONTROL"):
        assert check(text, FILE_ALL_ACCESS, anonymous).certain
        assert check(text, MAXIMUM_ALLOWED, anonymous).mask == FILE_ALL_ACCESS
        assert check(text, MAXIMUM_ALLOWED, kind="key").mask == 0xF003F
        assert check(text, MAXIMUM_ALLOWED | 0x200).mask == FILE_ALL_ACCESS | 0x200
    assert not check(FOREIGN + "D:", FILE_READ_DATA).possible


@pytest.mark.parametrize(("state", "allowed", "denied"), [
    (0x7, True, True), (0x4, True, True), (0x10, False, True), (0x14, False, True), (0x0, False, False),
    (0x3, False, False),
])
def test_a_groups_state_says_which_entries_count(state: int, allowed: bool, denied: bool) -> None:
    token = Token(user=USER, groups=(Group(sid=Sid("S-1-1-0")), Group(sid=ADMINISTRATORS, attributes=state)))
    assert check(FOREIGN + "D:(A;;FR;;;BA)", FILE_READ_DATA, token).granted is allowed
    assert check(FOREIGN + "D:(D;;FR;;;BA)(A;;FR;;;WD)", FILE_READ_DATA, token).granted is not denied


def test_a_user_that_is_only_for_denies() -> None:
    token = MEMBER.replace(user_deny_only=True)
    assert not check(f"{FOREIGN}D:(A;;FR;;;{USER})", FILE_READ_DATA, token).granted
    assert not check(f"{FOREIGN}D:(D;;FR;;;{USER})(A;;FR;;;WD)", FILE_READ_DATA, token).granted
    assert not check(f"{MINE}D:", READ_CONTROL, token).granted
    assert check(f"{FOREIGN}D:(A;;FR;;;WD)", FILE_READ_DATA, token).granted


def test_an_owner_reads_and_rewrites_the_dacl_and_nothing_else() -> None:
    assert check(MINE + "D:", READ_CONTROL | WRITE_DAC).granted
    for bit in (WRITE_OWNER, DELETE, FILE_READ_DATA, 0x100000):
        assert not check(MINE + "D:", bit).possible
    assert check(MINE + "D:(D;;FA;;;WD)", WRITE_DAC).granted  # no deny takes it from the owner
    assert check("O:BUG:BAD:", WRITE_DAC).granted  # a group that is in the token owns too


def test_a_filtered_administrator_does_not_own_what_administrators_own() -> None:
    assert not check(FOREIGN + "D:", WRITE_DAC, FILTERED).possible


def test_owner_rights_take_the_place_of_what_owners_have() -> None:
    read_control = MINE + "D:(A;;RC;;;OW)(A;;0x1301bf;;;WD)"
    assert check(read_control, READ_CONTROL).granted
    assert not check(read_control, WRITE_DAC).possible
    assert check(MINE + "D:(A;OICIIO;RC;;;OW)", WRITE_DAC).granted  # only handed down: does nothing here
    assert not check(MINE + "D:(D;;0x1;;;OW)", WRITE_DAC).possible  # a deny of another bit does
    assert check(MINE + "D:(A;;0x1;;;OW)", 0x1).granted
    assert not check(FOREIGN + "D:(A;;0x1;;;OW)", 0x1).possible
    assert not check(MINE + "D:(D;;0x1;;;OW)(A;;0x1;;;WD)", 0x1).possible
    assert check(FOREIGN + "D:(D;;0x1;;;OW)(A;;0x1;;;WD)", 0x1).granted
    assert not check(FOREIGN + "D:(D;;0x1;;;OW)(A;;0x1;;;WD)", 0x1, FILTERED).possible


def test_owner_rights_as_a_group_of_the_token_open_nothing() -> None:
    forged = MEMBER.replace(groups=(*MEMBER.groups, Group(sid=Sid("S-1-3-4"))), restricting=(Sid("S-1-3-4"),))
    assert not check(FOREIGN + "D:(A;;FA;;;OW)", FILE_READ_DATA, forged).possible
    assert not check(FOREIGN + "D:(A;;FA;;;OW)(A;;FA;;;WD)", FILE_READ_DATA, forged).possible
    assert check(FOREIGN + "D:(D;;FA;;;OW)(A;;FA;;;WD)", FILE_READ_DATA, forged.replace(restricting=None)).granted


@pytest.mark.parametrize("name", ["SeTakeOwnershipPrivilege", "SeRelabelPrivilege"])
def test_taking_ownership_is_a_privilege_that_no_deny_stops(name: str) -> None:
    holder = MEMBER.replace(privileges=frozenset({name}))
    closed = FOREIGN + "D:(D;;FA;;;WD)"
    assert check(closed, WRITE_OWNER, holder).mask == WRITE_OWNER
    assert not check(closed, WRITE_OWNER).granted
    assert not check(closed, WRITE_OWNER | FILE_READ_DATA, holder).granted
    assert not check(closed, MAXIMUM_ALLOWED, holder).granted  # the maximum does not count it
    assert check(closed, MAXIMUM_ALLOWED | WRITE_OWNER, holder).mask == WRITE_OWNER
    assert check(FOREIGN + "D:(A;;WO;;;WD)", WRITE_OWNER).granted


def test_the_sacl_is_opened_by_a_privilege_alone() -> None:
    holder = MEMBER.replace(privileges=frozenset({"SeSecurityPrivilege"}))
    for text in (FOREIGN, FOREIGN + "D:NO_ACCESS_CONTROL", FOREIGN + "D:(A;;0x11f01ff;;;WD)"):
        answer = check(text, ACCESS_SYSTEM_SECURITY | FILE_READ_DATA)
        assert (answer.verdict, answer.status) == (DENIED, "privilege_not_held")
        assert check(text, MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY).status == "privilege_not_held"
        assert check(text, ACCESS_SYSTEM_SECURITY | FILE_READ_DATA, holder).mask == ACCESS_SYSTEM_SECURITY | 1
        assert check(text, MAXIMUM_ALLOWED).mask == FILE_ALL_ACCESS
        most = check(text, MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY, holder)
        assert most.mask == FILE_ALL_ACCESS | ACCESS_SYSTEM_SECURITY
    assert check(FOREIGN + "D:", ACCESS_SYSTEM_SECURITY, holder).certain
    assert not check(FOREIGN + "D:", ACCESS_SYSTEM_SECURITY | FILE_READ_DATA, holder).possible


def test_backup_and_restore_count_only_where_the_open_says_so() -> None:
    backup = MEMBER.replace(privileges=frozenset({"SeBackupPrivilege"}))
    restore = MEMBER.replace(privileges=frozenset({"SeRestorePrivilege"}))
    closed = FOREIGN + "D:"
    assert backup_rights(MEMBER) == 0
    assert not check(closed, FILE_GENERIC_READ, backup).possible
    assert check(closed, FILE_GENERIC_READ, backup, before=backup_rights(backup)).certain
    assert not check(closed, FILE_WRITE_DATA, backup, before=backup_rights(backup)).possible
    assert check(closed, FILE_GENERIC_WRITE | DELETE | WRITE_DAC | WRITE_OWNER, restore,
                 before=backup_rights(restore)).certain
    assert not check(closed, FILE_READ_DATA, restore, before=backup_rights(restore)).possible
    assert check(closed, ACCESS_SYSTEM_SECURITY, backup, before=backup_rights(backup)).certain
    assert backup_rights(backup) == FILE_GENERIC_READ | FILE_TRAVERSE | ACCESS_SYSTEM_SECURITY
    assert backup_rights(restore) == 0x11F0116
    assert backup_rights(MEMBER.replace(privileges=backup.privileges | restore.privileges)) == 0x11F01BF
    assert check(closed, MAXIMUM_ALLOWED, backup, before=backup_rights(backup)).mask == backup_rights(backup)
    low = MEMBER.replace(integrity=0x1000)  # what is given before is not judged by the label either
    assert check(closed, FILE_WRITE_DATA, low, before=FILE_WRITE_DATA).certain
    up = check(closed + "S:(ML;;NR;;;HI)", MAXIMUM_ALLOWED, backup, before=backup_rights(backup))
    assert (up.verdict, up.mask, up.lower) == (GRANTED, backup_rights(backup), backup_rights(backup))


@pytest.mark.parametrize(("dacl", "desired", "mask"), [
    ("(A;;0x1;;;WD)(A;;0x120116;;;BU)", MAXIMUM_ALLOWED, 0x120117),
    ("(A;;0x12008b;;;WD)(D;;0x2;;;WD)", MAXIMUM_ALLOWED, 0x12008B),  # a deny behind the grant does nothing
    ("(D;;0x2;;;WD)(A;;0x12008b;;;WD)", MAXIMUM_ALLOWED, 0x120089),
    ("(A;;0x1;;;WD)", MAXIMUM_ALLOWED | 0x2, 0),
    ("(A;;0x3;;;WD)", MAXIMUM_ALLOWED | 0x2, 0x3),
    ("(A;;GR;;;WD)", MAXIMUM_ALLOWED | GENERIC_READ, FILE_GENERIC_READ),
    ("(A;;FA;;;SY)", MAXIMUM_ALLOWED, 0),
    ("", MAXIMUM_ALLOWED, 0),
])
def test_the_maximum(dacl: str, desired: int, mask: int) -> None:
    answer = check(f"{FOREIGN}D:{dacl}", desired)
    assert (answer.mask, answer.lower, answer.upper) == (mask, mask, mask)
    assert answer.verdict == (GRANTED if mask else DENIED)


def test_the_owners_rights_are_in_the_maximum() -> None:
    assert check(MINE + "D:(D;;0x60000;;;WD)(A;;0x1;;;WD)", MAXIMUM_ALLOWED).mask == READ_CONTROL | WRITE_DAC | 1


def test_nothing_asked_for_is_no_question() -> None:
    answer = check(FOREIGN + "D:(A;;FA;;;WD)", 0)
    assert (answer.verdict, answer.status) == (CANNOT_PROVE, "nothing_requested")
    assert (answer.possible, answer.upper) == (True, 0xFFFFFFFF)


@pytest.mark.parametrize("text", ["G:BAD:(A;;FA;;;WD)", "O:BAD:(A;;FA;;;WD)", "D:(A;;FA;;;WD)"])
def test_a_descriptor_without_owner_or_group_is_none(text: str) -> None:
    answer = check(text, FILE_READ_DATA)
    assert (answer.verdict, answer.status) == (CANNOT_PROVE, "invalid_security_descr")
    assert answer.possible
    assert not answer.certain


@pytest.mark.parametrize("kind", [0x02, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B, 0x0C, 0x11, 0x12, 0x13, 0x16, 0x7F, 0xFF])
def test_entries_outside_the_model_are_refused_wherever_they_stand(kind: int) -> None:
    plain = sddl.parse(FOREIGN + "D:(A;;FA;;;WD)(D;;FA;;;WD)")
    assert plain.dacl is not None
    strange = Ace(type=kind, mask=1, sid=Sid("S-1-1-0"))
    for place in range(3):
        entries = (*plain.dacl.aces[:place], strange, *plain.dacl.aces[place:])
        answer = access_check(plain.replace(dacl=Acl(aces=entries)), MEMBER, 0x1, MAPPINGS["file"])
        assert (answer.verdict, answer.status) == (CANNOT_PROVE, "outside_model")
        assert answer.reason == f"entry {place} of the DACL is of a type that this model does not judge"
        assert (answer.mask, answer.lower, answer.upper) == (0, 0, 0x1)
        handed_down = (*plain.dacl.aces[:place], strange.replace(flags=INHERIT_ONLY), *plain.dacl.aces[place:])
        assert access_check(plain.replace(dacl=Acl(aces=handed_down)), MEMBER, 0x1, MAPPINGS["file"]).granted
    most = access_check(plain.replace(dacl=Acl(aces=(strange,))), MEMBER, MAXIMUM_ALLOWED, MAPPINGS["file"])
    assert (most.verdict, most.upper) == (CANNOT_PROVE, FILE_ALL_ACCESS)
    write = access_check(plain.replace(dacl=Acl(aces=(strange,))), MEMBER, 0x2, MAPPINGS["file"], trace=True)
    assert (write.upper, [step.step for step in write.trace]) == (0x2, ["request"])


@pytest.mark.parametrize(("kind", "refused"), [
    (0x13, True), (0x14, True), (0x15, True), (0x16, True), (0xFE, True), (0x02, False), (0x0D, False), (0x12, False),
])
def test_what_else_limits_access_is_refused_what_only_audits_is_not(kind: int, refused: bool) -> None:
    entry = Ace(type=kind, flags=0x40, mask=0x1F01FF, sid=Sid("S-1-1-0"))
    audit = Ace(type=2, flags=0x40, mask=0x1F01FF, sid=Sid("S-1-1-0"))
    sd = sddl.parse(FOREIGN + "D:(A;;FR;;;WD)").replace(sacl=Acl(aces=(audit, entry)))
    answer = access_check(sd, MEMBER, FILE_READ_DATA, MAPPINGS["file"])
    assert answer.verdict == (CANNOT_PROVE if refused else GRANTED)
    assert not refused or answer.reason == "entry 1 of the SACL is of a type that this model does not judge"
    alone = access_check(sd.replace(sacl=Acl(aces=(entry,))), MEMBER, FILE_READ_DATA, MAPPINGS["file"])
    assert alone.verdict == answer.verdict
    handed_down = sd.replace(sacl=Acl(aces=(audit, entry.replace(flags=INHERIT_ONLY))))
    assert access_check(handed_down, MEMBER, FILE_READ_DATA, MAPPINGS["file"]).granted


def test_the_trace_names_step_entry_sid_and_bits() -> None:
    token = MEMBER.replace(restricting=(USER,), privileges=frozenset({"SeTakeOwnershipPrivilege"}))
    text = f"{MINE}D:(D;;0x2;;;WD)(A;;FR;;;WD)(A;;0x120080;;;{USER})(A;;0x1;;;{USER})"
    answer = check(text, FILE_READ_DATA | 0x80 | WRITE_DAC | WRITE_OWNER, token, trace=True)
    assert answer.granted
    assert [(step.step, step.ace, step.sid, step.bits) for step in answer.trace] == [
        ("request", -1, None, 0xC0081),
        ("privileges", -1, None, WRITE_OWNER),
        ("owner", -1, USER, READ_CONTROL | WRITE_DAC),
        ("normal pass", 1, "S-1-1-0", 0x81),
        ("restricted pass", 2, USER, 0x80),
        ("restricted pass", 3, USER, 0x1),
    ]
    denied = check(text, FILE_READ_DATA | FILE_WRITE_DATA, token, trace=True)
    assert [(step.ace, step.bits, step.note) for step in denied.trace[-1:]] == [(0, 0x2, "denied")]
    wide = check(FOREIGN + "D:(A;;0x5;;;WD)(D;;0xe;;;WD)", 0x3, trace=True)
    assert [(step.ace, step.bits, step.note) for step in wide.trace[1:]] == [(0, 0x1, "allowed"), (1, 0x2, "denied")]
    missing = check(FOREIGN + "D:(A;;0x1;;;WD)", 0x21, trace=True)
    assert str(missing.trace[-1]) == "normal pass 0x20: granted by no entry"


def test_the_trace_of_the_maximum_says_who_gave_each_bit() -> None:
    answer = check(FOREIGN + "D:(A;;0x3;;;WD)(D;;0x6;;;WD)(D;;0x7;;;AU)(A;;0x7;;;BU)", MAXIMUM_ALLOWED, trace=True)
    assert answer.mask == 0x3
    assert [(step.ace, step.bits, step.note) for step in answer.trace if step.ace >= 0] == [
        (0, 0x3, "allowed"), (1, 0x4, "denied"),
    ]


def test_an_answer_explains_itself() -> None:
    answer = check(FOREIGN + "D:(A;;FR;;;WD)", FILE_WRITE_DATA, trace=True)
    assert answer.explain() == [
        "denied (access_denied) mask 0x0: the normal pass does not grant the request",
        "request 0x2: 0x2 with generic bits mapped",
        "normal pass 0x2: granted by no entry",
    ]
    assert str(Step(step="x", bits=1, ace=0, sid=USER)) == f"x ACE 0 {USER} 0x1"
    writes = MEMBER.replace(restricting=(), write_restricted=True)
    most = check(FOREIGN + "D:(A;;FA;;;WD)", MAXIMUM_ALLOWED, writes)
    name = most.readings[0]
    assert most.explain() == [
        "granted (success) mask 0x1200e9", "between 0x0 and 0x1200e9", f"open: {QUESTIONS[name]} ({name})",
    ]
    doubtful = check(f"{MINE}D:", READ_CONTROL, writes).explain()
    assert doubtful[0].startswith("denied (access_denied) mask 0x0: the normal pass")
    assert doubtful[1] == "between 0x0 and 0x20000"
    quiet = check(FOREIGN, MAXIMUM_ALLOWED, writes)
    assert quiet.explain() == ["granted (success) mask 0x1f01ff"]
    last = check(FOREIGN, FILE_READ_DATA, trace=True).trace[-1]
    assert str(last) == "no DACL 0x0: grants all, except to an AppContainer"


def test_the_trace_without_a_dacl() -> None:
    assert [step.step for step in check(MINE, FILE_READ_DATA, trace=True).trace] == ["request", "owner", "no DACL"]
    assert [step.step for step in check(FOREIGN, FILE_READ_DATA, trace=True).trace] == ["request", "no DACL"]


def test_the_trace_names_an_owner_that_is_not_listed() -> None:
    limited = MEMBER.replace(restricting=(ADMINISTRATORS,))
    assert str(check(MINE + "D:", READ_CONTROL, limited, trace=True).trace[1]) == (
        f"owner {USER} 0x0: is the token's, but not among its restricting SIDs"
    )


def test_answers_that_are_given_again_and_again_are_made_once() -> None:
    for text in (FOREIGN + "D:(A;;FR;;;WD)", FOREIGN + "D:"):
        assert check(text, FILE_READ_DATA) is check(text, FILE_READ_DATA)
        assert check(text, FILE_READ_DATA, trace=True) is not check(text, FILE_READ_DATA)


def test_only_so_many_answers_are_kept() -> None:
    sd = sddl.parse(FOREIGN)
    try:
        for mask in range(1, 5000):
            assert access_check(sd, MEMBER, mask, MAPPINGS["file"]).mask == mask
        assert len(_REPEATED) == 4096
    finally:
        _REPEATED.clear()


def test_the_words_are_those_that_the_documentation_explains() -> None:
    assert (GRANTED, DENIED, CANNOT_PROVE) == ("granted", "denied", "cannot-prove")
    assert sorted(QUESTIONS) == [
        "label-no-read-up-no-execute-up", "maximum-allowed-of-write-restricted", "medium-label-and-appcontainer",
        "owner-read-control-of-write-restricted", "write-mask-of-processes-and-threads",
        "write-restricted-judges-whole-request",
    ]
    page = (Path(__file__).parents[2] / "docs" / "nt-model.md").read_text(encoding="utf-8")
    assert not [word for word in (GRANTED, DENIED, CANNOT_PROVE, *QUESTIONS) if f"`{word}`" not in page]


def test_a_token_stays_a_value_after_it_was_asked() -> None:
    fresh, used = MEMBER.replace(integrity=0x2000), MEMBER.replace()
    assert check(FOREIGN + "D:(A;;FR;;;WD)", FILE_READ_DATA, used).granted
    assert used == fresh
    assert hash(used) == hash(fresh)
    assert pickle.loads(pickle.dumps(used)) == fresh
    assert used.replace(user_deny_only=True).sids.allow == used.sids.allow - {USER}
