"""The access check for tokens below an object's label, and for AppContainers.

Knows: mandatory integrity as it is documented, and where the documents contradict each other.
Must not know: how a label's bits are computed.
"""

from __future__ import annotations

import pytest

from sidewall.nt import sddl
from sidewall.nt.access_check import access_check
from sidewall.nt.access_check_answer import (
    APPCONTAINER_LABEL,
    CANNOT_PROVE,
    LABEL_READ_EXECUTE,
    WHOLE_REQUEST,
    Answer,
)
from sidewall.nt.labels import label_of, level_name
from sidewall.nt.mask import (
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
INSIDE = FREE.replace(package=PACKAGE, capabilities=(CAPABILITY,), integrity=LOW)

MINE = f"O:{USER}G:BA"


def check(text: str, desired: int, token: Token, kind: str = "file") -> Answer:
    return access_check(sddl.parse(text), token, desired, MAPPINGS[kind], trace=True)


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
    assert label_of(None) == (MEDIUM, 1, -1)


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
