"""The access check for tokens that are limited: restricting SIDs, write-restricted, low integrity, AppContainers.

Knows: what the sandbox's own tokens look like and which holes they are known to have.
Must not know: how the passes are built.
"""

from __future__ import annotations

import pytest

from sidewall.nt import sddl
from sidewall.nt.access_check import access_check, write_mask
from sidewall.nt.access_check_answer import (
    APPCONTAINER_LABEL,
    CANNOT_PROVE,
    DENIED,
    GRANTED,
    LABEL_READ_EXECUTE,
    MAXIMUM_WRITE_RESTRICTED,
    OWNER_READ_CONTROL,
    PROCESS_WRITE_MASK,
    WHOLE_REQUEST,
    Answer,
)
from sidewall.nt.labels import label_of, level_name
from sidewall.nt.mask import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_DELETE_CHILD,
    FILE_GENERIC_EXECUTE,
    FILE_GENERIC_READ,
    FILE_READ_DATA,
    FILE_WRITE_ATTRIBUTES,
    FILE_WRITE_DATA,
    MAPPINGS,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    SYNCHRONIZE,
    WRITE_DAC,
    WRITE_OWNER,
    GenericMapping,
)
from sidewall.nt.sid import Sid
from sidewall.nt.token import HIGH, LOW, MEDIUM, SYSTEM, UNTRUSTED, Group, Token

USER, CAP = Sid("S-1-5-21-1-2-3-1001"), Sid("S-1-5-21-71-72-73-1")
EVERYONE, USERS = Sid("S-1-1-0"), Sid("S-1-5-32-545")
PACKAGE, CAPABILITY = Sid("S-1-15-2-11-12-13-14-15-16-17"), Sid("S-1-15-3-1024-1-2-3-4-5-6-7-8")
FREE = Token(user=USER, groups=(Group(sid=EVERYONE), Group(sid=USERS)))
BOUND = FREE.replace(restricting=(CAP,))
WRITES = BOUND.replace(write_restricted=True)
INSIDE = FREE.replace(package=PACKAGE, capabilities=(CAPABILITY,), integrity=LOW)

MINE = f"O:{USER}G:BA"
PROFILE = f"{MINE}D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{USER})"
WORKSPACE = f"{PROFILE}(A;;0x1301bf;;;{CAP})"


def check(text: str, desired: int, token: Token, kind: str = "file") -> Answer:
    return access_check(sddl.parse(text), token, desired, MAPPINGS[kind], trace=True)


def test_both_lists_must_grant() -> None:
    for desired in (FILE_READ_DATA, FILE_WRITE_DATA, READ_CONTROL, DELETE):
        assert not check(PROFILE, desired, BOUND).possible
        assert check(WORKSPACE, desired, BOUND).certain
    assert not check(f"O:BAG:BAD:(A;;FA;;;{CAP})", FILE_READ_DATA, BOUND).possible
    assert "restricting SIDs" in check(PROFILE, FILE_READ_DATA, BOUND).reason


def test_restricting_sids_have_no_attributes() -> None:
    token = FREE.replace(restricting=(USERS,), groups=(Group(sid=EVERYONE), Group(sid=USERS, attributes=0x10)))
    assert check("O:BAG:BAD:(A;;0x1;;;WD)(A;;0x1;;;BU)", 1, token).certain
    assert not check("O:BAG:BAD:(A;;0x1;;;WD)(D;;0x1;;;BU)", 1, token).possible


def test_a_deny_for_a_restricting_sid_holds_in_its_pass_only_if_it_comes_first() -> None:
    assert not check(f"{MINE}D:(D;;0x2;;;{CAP})(A;;FA;;;WD)(A;;FA;;;{CAP})", 2, BOUND).possible
    assert check(f"{MINE}D:(D;;0x2;;;{CAP})(A;;FA;;;WD)(A;;FA;;;{CAP})", 1, BOUND).certain
    assert check(f"{MINE}D:(A;;FA;;;WD)(A;;FA;;;{CAP})(D;;0x2;;;{CAP})", 2, BOUND).certain


def test_a_missing_dacl_grants_both_passes_an_empty_list_none() -> None:
    assert check(f"{MINE}D:NO_ACCESS_CONTROL", FILE_ALL_ACCESS, BOUND).certain
    assert not check(f"{MINE}D:(A;;FA;;;WD)", FILE_READ_DATA, FREE.replace(restricting=())).possible
    assert check(MINE, FILE_ALL_ACCESS, FREE.replace(restricting=(), write_restricted=True)).certain


def test_one_broad_restricting_sid_opens_all_that_it_can_open() -> None:
    wide = BOUND.replace(restricting=(CAP, EVERYONE))
    assert check(f"{MINE}D:(A;;FA;;;WD)", FILE_ALL_ACCESS, wide).certain
    assert check(PROFILE, FILE_WRITE_DATA, WRITES.replace(restricting=(CAP, USER))).certain


def test_an_owner_must_be_among_the_restricting_sids_too() -> None:
    closed = f"{MINE}D:"
    for limited in (BOUND, WRITES):
        assert not check(closed, WRITE_DAC, limited).possible
        assert check(closed, WRITE_DAC | READ_CONTROL, limited.replace(restricting=(CAP, USER))).certain
    assert not check(f"O:{CAP}G:BAD:", WRITE_DAC, BOUND).possible


def test_owner_rights_stand_for_the_owner_in_either_pass() -> None:
    text = f"{MINE}D:(A;;0x1;;;OW)"
    assert not check(text, 1, BOUND).possible
    assert check(text, 1, BOUND.replace(restricting=(USER,))).certain
    assert check(text, 1, WRITES).certain  # no write: the second pass is not asked
    assert check(f"{MINE}D:(A;;0x1;;;WD)(A;;0x1;;;OW)", 1, BOUND.replace(restricting=(USER,))).certain
    assert not check(f"{MINE}D:(A;;0x2;;;WD)(D;;0x2;;;OW)(A;;0x2;;;{CAP})(A;;0x2;;;{USER})", 2,
                     BOUND.replace(restricting=(USER,))).possible


def test_privileges_are_not_judged_by_the_second_pass() -> None:
    for limited in (BOUND, WRITES):
        holder = limited.replace(privileges=frozenset({"SeSecurityPrivilege", "SeTakeOwnershipPrivilege"}))
        assert check(f"{MINE}D:", ACCESS_SYSTEM_SECURITY | WRITE_OWNER, holder).certain
    holder = WRITES.replace(privileges=frozenset({"SeTakeOwnershipPrivilege"}))
    assert check(PROFILE, WRITE_OWNER | FILE_READ_DATA, holder).certain  # the write bit has left the request


@pytest.mark.parametrize("bit", [1 << number for number in range(21) if FILE_ALL_ACCESS >> number & 1])
def test_which_bits_a_write_restricted_token_is_stopped_at(bit: int) -> None:
    stopped = bool(bit & 0xD0116)
    assert check(PROFILE, bit, WRITES).granted is not stopped
    assert bool(write_mask(MAPPINGS["file"]) & bit) is stopped


def test_what_generic_read_or_execute_also_hold_is_no_write() -> None:
    mapping = GenericMapping(read=0x1, write=0xF, execute=0x2, all=0xF)
    assert write_mask(mapping) == 0x10D0000 | 0xC


def test_deleting_children_is_no_write() -> None:
    """The hole: a write-restricted token of the user can delete and move what the user can."""
    assert check(PROFILE, FILE_DELETE_CHILD, WRITES).certain
    assert not check(PROFILE, DELETE, WRITES).possible
    assert not check(PROFILE, FILE_DELETE_CHILD, BOUND).possible
    assert check(f"{MINE}D:(D;;0x40;;;{CAP})(A;;FA;;;{USER})", FILE_DELETE_CHILD, WRITES).certain  # does not help
    assert not check(f"{MINE}D:(D;;0x40;;;BU)(A;;FA;;;{USER})", FILE_DELETE_CHILD, WRITES).possible  # this does


def test_a_write_restricted_token_keeps_no_read_secret() -> None:
    assert check(PROFILE, FILE_GENERIC_READ | FILE_GENERIC_EXECUTE, WRITES).certain
    assert check(f"{MINE}D:(D;;FA;;;{CAP})(A;;FA;;;{USER})", FILE_GENERIC_READ, WRITES).certain


def test_a_write_restricted_token_without_a_list_writes_nowhere() -> None:
    for token in (WRITES.replace(restricting=()), WRITES.replace(restricting=None)):
        assert not check(f"{PROFILE}(A;;FA;;;WD)", FILE_WRITE_DATA, token).possible
        assert check(PROFILE, FILE_READ_DATA, token).certain


def test_a_grant_of_writes_alone_hangs_on_an_open_question() -> None:
    text = f"{PROFILE}(A;;0x10116;;;{CAP})"
    assert check(text, FILE_WRITE_DATA, WRITES).certain
    answer = check(text, FILE_WRITE_DATA | SYNCHRONIZE, WRITES)
    assert (answer.verdict, answer.readings) == (DENIED, (WHOLE_REQUEST,))
    assert answer.possible
    assert answer.upper == FILE_WRITE_DATA | SYNCHRONIZE
    assert not check(text, FILE_WRITE_DATA | SYNCHRONIZE, BOUND).possible
    assert not check(f"{PROFILE}(A;;0x10114;;;{CAP})", FILE_WRITE_DATA | SYNCHRONIZE, WRITES).possible
    owned = check(f"{MINE}D:(A;;0x100002;;;WD)(A;;0x2;;;{CAP})", READ_CONTROL | WRITE_DAC | SYNCHRONIZE | 2,
                  WRITES.replace(restricting=(CAP, USER)))
    assert (owned.verdict, owned.readings) == (DENIED, (WHOLE_REQUEST,))
    assert check(WORKSPACE, FILE_WRITE_DATA | SYNCHRONIZE, WRITES).certain  # Modify: the same in every reading


def test_an_owner_that_is_not_listed_may_yet_read_the_dacl() -> None:
    closed = f"{MINE}D:(A;;0x1;;;SY)"
    answer = check(closed, READ_CONTROL, WRITES)
    assert (answer.verdict, answer.readings, answer.upper) == (DENIED, (OWNER_READ_CONTROL,), READ_CONTROL)
    assert not check(closed, WRITE_DAC, WRITES).possible
    assert not check(closed, READ_CONTROL, BOUND).possible
    assert not check(f"{MINE}D:(A;;0x1;;;OW)", READ_CONTROL, WRITES).possible
    assert not check("O:BAG:BAD:(A;;0x1;;;SY)", READ_CONTROL, WRITES).possible
    both = check(f"{MINE}D:(A;;0x100002;;;{USER})(A;;0x2;;;{CAP})", READ_CONTROL | SYNCHRONIZE | 2, WRITES)
    assert both.readings == (OWNER_READ_CONTROL, WHOLE_REQUEST)  # each alone is not enough


def test_which_process_rights_are_writes_is_derived_not_known() -> None:
    process = f"{MINE}D:(A;;0x1fffff;;;{USER})"
    terminate, read, write = check(process, 0x1, WRITES, "process"), check(process, 0x10, WRITES, "process"), \
        check(process, 0x20, WRITES, "process")
    assert terminate.certain
    assert read.certain
    assert (write.verdict, write.readings) == (DENIED, (PROCESS_WRITE_MASK,))
    assert check(process, 0x1, WRITES, "thread").readings == (PROCESS_WRITE_MASK,)
    either = check(f"{process}(A;;0x20;;;{CAP})", SYNCHRONIZE | 0x20, WRITES, "process")
    assert either.readings == (PROCESS_WRITE_MASK, WHOLE_REQUEST)  # each alone is enough
    assert not check(process, DELETE, WRITES, "process").possible
    assert not check(process, 0x20, BOUND, "process").possible
    assert check(f"{MINE}D:(A;;0xf003f;;;{USER})", 0x2, WRITES, "key").readings == ()


def test_the_maximum_of_a_restricted_token_is_what_both_passes_grant() -> None:
    text = f"O:BAG:BAD:(A;;0x3;;;WD)(A;;0x6;;;{CAP})"
    answer = check(text, MAXIMUM_ALLOWED, BOUND)
    assert (answer.mask, answer.lower, answer.upper, answer.readings) == (2, 2, 2, ())


def test_the_maximum_of_a_write_restricted_token_has_bounds() -> None:
    text = f"O:BAG:BAD:(A;;0x1200ab;;;WD)(A;;0x6;;;{CAP})"
    answer = check(text, MAXIMUM_ALLOWED, WRITES)
    assert (answer.verdict, answer.lower, answer.mask, answer.upper) == (GRANTED, 0x2, 0x1200AB, 0x1200AB)
    assert answer.readings == (MAXIMUM_WRITE_RESTRICTED,)
    named = check(text, MAXIMUM_ALLOWED | FILE_READ_DATA, WRITES)
    assert (named.verdict, named.lower, named.mask) == (GRANTED, 0, 0x1200AB)
    refused = check(text, MAXIMUM_ALLOWED | 0x4, WRITES)
    assert (refused.verdict, refused.upper, refused.readings) == (DENIED, 0, ())
    same = check(f"O:BAG:BAD:(A;;0x3;;;WD)(A;;0x3;;;{CAP})", MAXIMUM_ALLOWED, WRITES)
    assert (same.lower, same.upper, same.readings) == (3, 3, ())


def test_the_maximum_of_an_owner_that_is_not_listed() -> None:
    answer = check(f"{MINE}D:(A;;0x3;;;WD)(A;;0x2;;;{CAP})", MAXIMUM_ALLOWED, WRITES)
    assert (answer.lower, answer.mask, answer.upper) == (2, 3, 3 | READ_CONTROL)
    assert answer.readings == (MAXIMUM_WRITE_RESTRICTED, OWNER_READ_CONTROL)
    only = check(f"{MINE}D:", MAXIMUM_ALLOWED, WRITES)
    assert (only.verdict, only.upper, only.status) == (DENIED, READ_CONTROL, "access_denied")
    assert check(f"{MINE}D:(A;;0x20001;;;WD)(A;;0x20001;;;{CAP})", MAXIMUM_ALLOWED, WRITES).readings == ()
    assert check(f"{MINE}D:(A;;0x1;;;WD)", MAXIMUM_ALLOWED, BOUND.replace(restricting=(EVERYONE,))).upper == 1
    process = check(f"O:BAG:BAD:(A;;0x30;;;WD)(A;;0x10;;;{CAP})", MAXIMUM_ALLOWED, WRITES, "process")
    assert (process.lower, process.mask, process.upper) == (0x10, 0x10, 0x30)
    assert process.readings == (MAXIMUM_WRITE_RESTRICTED, PROCESS_WRITE_MASK)


LABELS = {UNTRUSTED: "S-1-16-0", LOW: "LW", MEDIUM: "ME", HIGH: "HI", SYSTEM: "SI"}
ALL_FOR_ALL = "O:BAG:BAD:(A;;FA;;;WD)"


@pytest.mark.parametrize("level", LABELS)
@pytest.mark.parametrize("label", LABELS)
def test_no_write_up(level: int, label: int) -> None:
    token = FREE.replace(integrity=level)
    text = f"{ALL_FOR_ALL}S:(ML;;NW;;;{LABELS[label]})"
    below = level < label
    for bit in (FILE_WRITE_DATA, FILE_WRITE_ATTRIBUTES, FILE_DELETE_CHILD, DELETE, WRITE_DAC, WRITE_OWNER):
        answer = check(text, bit, token)
        assert answer.granted is not below
        assert answer.possible is not below
        assert check(text, bit | FILE_READ_DATA, token).granted is not below
    assert check(text, FILE_GENERIC_READ | FILE_GENERIC_EXECUTE | READ_CONTROL | SYNCHRONIZE, token).certain
    assert check(text, MAXIMUM_ALLOWED, token).mask == (0x1200A9 if below else FILE_ALL_ACCESS)
    assert check(text, FILE_WRITE_DATA, token.replace(no_write_up=False)).certain
    if below:
        assert "mandatory label" in check(text, FILE_WRITE_DATA, token).reason
        assert [step.step for step in check(text, FILE_WRITE_DATA, token).trace] == ["request", "mandatory label"]


def test_no_label_means_medium_and_no_write_up() -> None:
    assert not check(ALL_FOR_ALL, FILE_WRITE_DATA, FREE.replace(integrity=LOW)).possible
    assert check(ALL_FOR_ALL, FILE_GENERIC_READ, FREE.replace(integrity=UNTRUSTED)).certain
    assert check(ALL_FOR_ALL, FILE_WRITE_DATA, FREE).certain
    assert check(ALL_FOR_ALL + "S:(ML;OICIIO;NW;;;HI)", FILE_WRITE_DATA, FREE).certain
    assert not check(ALL_FOR_ALL + "S:(AU;SA;FA;;;WD)", FILE_WRITE_DATA, FREE.replace(integrity=LOW)).possible
    for policy in ("0x0", "0x8"):
        text = f"{ALL_FOR_ALL}S:(ML;;{policy};;;HI)"
        assert check(text, FILE_ALL_ACCESS, FREE.replace(integrity=LOW)).certain
    step = check(ALL_FOR_ALL, FILE_WRITE_DATA, FREE.replace(integrity=LOW)).trace[1]
    assert str(step) == "mandatory label 0x1200a9: token low, object medium, policy 0x1: these bits are left"


def test_reading_the_dacl_and_waiting_are_left_by_no_write_up_whatever_the_type() -> None:
    mapping = GenericMapping(read=0x1, write=0x2, execute=0x4, all=0x1F0007)
    sd, low = sddl.parse("O:BAG:BAD:(A;;0x1f0007;;;WD)"), FREE.replace(integrity=LOW)
    assert access_check(sd, low, MAXIMUM_ALLOWED, mapping).mask == 0x5 | READ_CONTROL | SYNCHRONIZE


def test_the_first_label_counts() -> None:
    assert check(ALL_FOR_ALL + "S:(ML;;NW;;;LW)(ML;;NW;;;HI)", FILE_WRITE_DATA, FREE).certain
    assert not check(ALL_FOR_ALL + "S:(ML;IO;NW;;;LW)(ML;;NW;;;HI)", FILE_WRITE_DATA, FREE).possible
    assert label_of(sddl.parse(ALL_FOR_ALL + "S:(ML;IO;NW;;;LW)(ML;;NWNR;;;HI)").sacl) == (HIGH, 3, 1)


def test_a_label_beats_missing_dacl_owner_and_taking_ownership() -> None:
    high = "S:(ML;;NW;;;HI)"
    assert not check(f"{MINE}D:NO_ACCESS_CONTROL{high}", FILE_WRITE_DATA, FREE).possible
    assert not check(f"{MINE}{high}", FILE_WRITE_DATA, FREE).possible
    assert not check(f"{MINE}D:{high}", WRITE_DAC, FREE).possible
    assert check(f"{MINE}D:{high}", READ_CONTROL, FREE).certain
    assert check(f"{MINE}D:{high}", MAXIMUM_ALLOWED, FREE).mask == READ_CONTROL
    taker = FREE.replace(privileges=frozenset({"SeTakeOwnershipPrivilege"}))
    assert not check(f"{MINE}D:{high}", WRITE_OWNER, taker).possible
    relabel = FREE.replace(privileges=frozenset({"SeRelabelPrivilege"}))
    assert check(f"{MINE}D:{high}", WRITE_OWNER, relabel).certain
    assert check(f"O:BAG:BAD:(A;;WO;;;WD){high}", MAXIMUM_ALLOWED, relabel).mask == WRITE_OWNER


@pytest.mark.parametrize("policy", ["NR", "NX", "NWNR", "NWNX", "NRNX", "NWNRNX"])
def test_labels_whose_masks_the_documents_contradict(policy: str) -> None:
    text = f"{ALL_FOR_ALL}S:(ML;;{policy};;;HI)"
    answer = check(text, FILE_READ_DATA, FREE)
    assert (answer.verdict, answer.status, answer.readings) == (CANNOT_PROVE, "open_question", (LABEL_READ_EXECUTE,))
    assert (answer.mask, answer.lower, answer.upper) == (0, 0, FILE_READ_DATA)
    assert check(text, FILE_READ_DATA, FREE.replace(integrity=HIGH)).certain
    assert not check(f"O:BAG:BAD:S:(ML;;{policy};;;HI)", FILE_READ_DATA, FREE).possible
    most = check(text, MAXIMUM_ALLOWED, FREE)
    assert (most.verdict, most.lower, most.upper) == (CANNOT_PROVE, 0, FILE_ALL_ACCESS)


def test_a_low_process_cannot_read_a_medium_one() -> None:
    text = f"{MINE}D:(A;;0x1fffff;;;WD)S:(ML;;NWNR;;;ME)"
    low = FREE.replace(integrity=LOW)
    for bit in (0x10, 0x400, 0x20, 0x8, 0x2, 0x40, DELETE, WRITE_DAC, 0x4):
        assert not check(text, bit, low, "process").possible
    for bit in (0x1, 0x1000, SYNCHRONIZE):
        assert check(text, bit, low, "process").certain
    assert check(text, READ_CONTROL, low, "process").verdict == CANNOT_PROVE
    most = check(text, MAXIMUM_ALLOWED, low, "process")
    assert (most.verdict, most.lower, most.upper) == (CANNOT_PROVE, 0x101001, 0x121001)
    assert (most.readings, most.mask) == ((LABEL_READ_EXECUTE,), 0)
    named = check(text, MAXIMUM_ALLOWED | READ_CONTROL, low, "process")
    assert (named.verdict, named.lower, named.upper) == (CANNOT_PROVE, 0, 0x121001)
    assert check(text, 0x10, FREE, "process").certain
    read_only_label = f"{MINE}D:(A;;0x1fffff;;;WD)S:(ML;;NR;;;ME)"
    assert check(read_only_label, 0x20, low, "process").certain
    assert not check(read_only_label, 0x10, low, "process").possible
    assert check(read_only_label, 0x4, low, "process").verdict == CANNOT_PROVE
    thread = f"{MINE}D:(A;;0x1fffff;;;WD)S:(ML;;NX;;;ME)"
    assert not check(thread, 0x1000, low, "thread").possible
    assert check(thread, 0x8, low, "thread").certain
    assert check(thread, SYNCHRONIZE, low, "thread").verdict == CANNOT_PROVE
    assert not check(text, 0x1, low, "thread").possible
    assert check(text, MAXIMUM_ALLOWED, low, "process").trace[1].bits == 0x121001
    assert check(read_only_label, MAXIMUM_ALLOWED, low, "process").trace[1].bits == 0xFFFFFBEF | 0x120000


def test_levels_have_names() -> None:
    assert [level_name(level) for level in (0, LOW, MEDIUM, 0x2100, HIGH, SYSTEM, 0x5000, 0x1234)] == [
        "untrusted", "low", "medium", "medium plus", "high", "system", "protected process", "0x1234",
    ]
    step = check(ALL_FOR_ALL + "S:(ML;;NW;;;HI)", FILE_READ_DATA, FREE).trace[1]
    assert (step.step, step.ace, step.bits) == ("mandatory label", 0, 0x1200A9)
    assert step.note == "token medium, object high, policy 0x1: these bits are left"


def test_an_appcontainer_needs_the_user_and_the_package() -> None:
    user, package = f"(A;;FA;;;{USER})", f"(A;;0x1200a9;;;{PACKAGE})"
    assert not check(f"O:BAG:BAD:{user}", 1, INSIDE).possible
    assert not check(f"O:BAG:BAD:{package}", 1, INSIDE).possible
    assert check(f"O:BAG:BAD:{user}{package}", 1, INSIDE).certain
    assert not check(f"O:BAG:BAD:{user}{package}", 2, INSIDE).possible
    assert "package" in check(f"O:BAG:BAD:{user}{package}", 2, INSIDE).reason
    assert check(f"O:BAG:BAD:{user}(A;;0x1;;;{CAPABILITY})", 1, INSIDE).certain
    assert not check(f"O:BAG:BAD:{user}(A;;0x1;;;{CAPABILITY})", 1, INSIDE.replace(capabilities=())).possible
    assert check(f"O:BAG:BAD:{user}{package}", MAXIMUM_ALLOWED, INSIDE).mask == 0x1200A9


@pytest.mark.parametrize(("sid", "lpac", "granted"), [
    ("S-1-15-2-1", False, True), ("S-1-15-2-1", True, False), ("S-1-15-2-2", False, True), ("S-1-15-2-2", True, True),
])
def test_all_packages(sid: str, lpac: bool, granted: bool) -> None:
    text = f"O:BAG:BAD:(A;;0x1200a9;;;BU)(A;;0x1200a9;;;{sid})"
    assert check(text, 0x1200A9, INSIDE.replace(lpac=lpac)).granted is granted


def test_no_dacl_and_ownership_open_nothing_to_an_appcontainer() -> None:
    for text in (MINE, f"{MINE}D:NO_ACCESS_CONTROL"):
        answer = check(text, FILE_READ_DATA, INSIDE)
        assert not answer.possible
        assert "AppContainer" in answer.reason
        assert not check(text, MAXIMUM_ALLOWED, INSIDE).possible
    assert not check(f"{MINE}D:", READ_CONTROL, INSIDE).possible
    assert not check(f"{MINE}D:", MAXIMUM_ALLOWED, INSIDE).possible
    assert check(f"{MINE}D:(A;;RC;;;{PACKAGE})", READ_CONTROL, INSIDE).certain
    assert check(MINE, 1, INSIDE.replace(restricting=(CAP,), write_restricted=True)).upper == 0
    secure = INSIDE.replace(privileges=frozenset({"SeTakeOwnershipPrivilege"}))
    assert check(MINE, WRITE_OWNER, secure).certain
    empty = check(f"{MINE}D:", WRITE_OWNER, secure)
    assert [step.step for step in empty.trace] == ["request", "privileges", "owner"]


def test_denies_for_a_package_do_not_count_those_for_the_user_do() -> None:
    assert check(f"O:BAG:BAD:(D;;0x1;;;{PACKAGE})(A;;0x1;;;WD)(A;;0x1;;;{PACKAGE})", 1, INSIDE).certain
    assert not check(f"O:BAG:BAD:(D;;0x1;;;WD)(A;;0x1;;;WD)(A;;0x1;;;{PACKAGE})", 1, INSIDE).possible


def test_medium_labels_do_not_bind_an_appcontainer_on_files() -> None:
    both = f"O:BAG:BAD:(A;;0x1f01ff;;;WD)(A;;0x1f01ff;;;{PACKAGE})"
    assert check(both, FILE_WRITE_DATA, INSIDE).certain
    assert check(f"{both}S:(ML;;NW;;;ME)", FILE_WRITE_DATA, INSIDE).certain
    assert not check(f"{both}S:(ML;;NW;;;HI)", FILE_WRITE_DATA, INSIDE).possible
    event = check(both, 0x2, INSIDE, "event")
    assert (event.verdict, event.readings) == (CANNOT_PROVE, (APPCONTAINER_LABEL,))
    assert check(both, 0x1, INSIDE, "event").certain
    assert not check(f"O:BAG:BAD:(A;;0x1f01ff;;;{PACKAGE})", 0x2, INSIDE, "event").possible
    assert not check(f"{both}S:(ML;;NW;;;HI)", 0x2, INSIDE, "event").possible


def test_a_restricted_appcontainer_is_judged_by_all_three() -> None:
    three = INSIDE.replace(restricting=(CAP,))
    every = f"O:BAG:BAD:(A;;0x1;;;WD)(A;;0x1;;;{CAP})(A;;0x1;;;{PACKAGE})"
    assert check(every, 1, three).certain
    assert not check(f"O:BAG:BAD:(A;;0x1;;;WD)(A;;0x1;;;{PACKAGE})", 1, three).possible
    writes = three.replace(write_restricted=True)
    text = f"O:BAG:BAD:(A;;0x100002;;;WD)(A;;0x2;;;{CAP})(A;;0x100002;;;{PACKAGE})"
    assert check(text, 0x100002, writes).readings == (WHOLE_REQUEST,)
    assert not check(text.replace(f"0x100002;;;{PACKAGE}", f"0x2;;;{PACKAGE}"), 0x100002, writes).possible
    assert check(text, MAXIMUM_ALLOWED, writes).upper == 0x100002
    assert check(f"{MINE}D:(A;;0x20001;;;{PACKAGE})", MAXIMUM_ALLOWED, writes).upper == READ_CONTROL
