"""File-system operations by the descriptors of object and parent: MS-FSA 2.1.5.1, 2.1.5.15, KB Q238018."""

from __future__ import annotations

import pytest
from tests.nt.places import CONDITIONAL_DENY, NOTHING, TOKEN, USER, place, sure, to_all

from sidewall.nt import mask as bits
from sidewall.nt import operations, sddl
from sidewall.nt.access_check_answer import DENIED, GRANTED
from sidewall.nt.operations import Place
from sidewall.nt.operations_answer import (
    IN_PLACE,
    LINK_RIGHT,
    READ_ONLY_DELETE,
    REPLACE_DIRECTORY,
    SYNCHRONIZE_NEW_PARENT,
)
from sidewall.nt.token import LOW

# open

@pytest.mark.parametrize(("file", "parent", "desired", "expected"), [
    (NOTHING, bits.FILE_DELETE_CHILD, bits.DELETE, True),
    (NOTHING, 0x1F01FF & ~bits.FILE_DELETE_CHILD, bits.DELETE, False),
    (to_all(bits.DELETE, "D"), bits.FILE_DELETE_CHILD, bits.DELETE, True),  # Q238018: in spite of a deny
    (NOTHING, bits.FILE_LIST_DIRECTORY, bits.FILE_READ_ATTRIBUTES, True),
    (NOTHING, bits.FILE_LIST_DIRECTORY, bits.FILE_READ_ATTRIBUTES | bits.SYNCHRONIZE, False),  # SYNCHRONIZE has no way
    (to_all(bits.SYNCHRONIZE), bits.FILE_LIST_DIRECTORY, bits.FILE_READ_ATTRIBUTES | bits.SYNCHRONIZE, True),
    (NOTHING, bits.FILE_LIST_DIRECTORY | bits.FILE_DELETE_CHILD, bits.DELETE | bits.FILE_READ_ATTRIBUTES, True),
    (NOTHING, bits.FILE_DELETE_CHILD, bits.DELETE | bits.FILE_READ_ATTRIBUTES, False),
    (to_all(bits.FILE_READ_ATTRIBUTES), bits.FILE_DELETE_CHILD, bits.DELETE | bits.FILE_READ_ATTRIBUTES, True),
    (to_all(bits.DELETE), bits.FILE_LIST_DIRECTORY, bits.DELETE | bits.FILE_READ_ATTRIBUTES, True),
    (to_all(bits.DELETE), 0x20, bits.DELETE, True),
    (NOTHING, 0x1F01FF, bits.FILE_READ_DATA, False),
    (NOTHING, 0x1F01FF, bits.WRITE_DAC, False),
    (NOTHING, 0x1F01FF, bits.GENERIC_READ, False),
    (to_all(bits.FILE_GENERIC_READ), 0x20, bits.GENERIC_READ, True),
])
def test_what_the_parent_lends(file: str, parent: int, desired: int, expected: bool) -> None:
    above = place(to_all(parent), directory=True)
    outcome = operations.open_file(place(file), above, TOKEN, desired)
    assert sure(outcome) is expected
    assert outcome.explain()
    alone = operations.open_file(place(file), None, TOKEN, desired)
    assert not alone.granted or expected


def test_answers_say_what_was_asked() -> None:
    file, folder = place(to_all(0x1), path=r"C:\f"), place(NOTHING, directory=True, path=r"C:\d")
    asked = operations.open_file(file, None, TOKEN, 0x21)
    assert (asked.what, asked.path, asked.desired) == ("open the file for FILE_READ_DATA | FILE_EXECUTE", r"C:\f", 0x21)
    asked = operations.open_file(folder, folder, TOKEN, bits.DELETE | bits.SYNCHRONIZE)
    assert asked.what == "open the directory for DELETE | SYNCHRONIZE"
    assert (asked.desired, asked.mask, asked.lower, asked.upper) == (bits.DELETE | bits.SYNCHRONIZE, 0, 0, 0)
    assert [part.what for part in asked.parts] == [asked.what, "the parent's FILE_DELETE_CHILD"]
    lending = place(to_all(0x40), directory=True, path="C:\\")
    asked = operations.open_file(file, lending, TOKEN, bits.DELETE | 0x1)
    assert (asked.mask, asked.lower, asked.upper) == (bits.DELETE | 0x1,) * 3
    assert asked.joined == "any"
    through = asked.parts[1]
    assert (through.what, through.joined) == ("through the parent", "all")
    assert len(asked.parts) == 2
    assert [part.what for part in through.parts] == [
        "the parent's FILE_DELETE_CHILD", "open the file for FILE_READ_DATA"]
    most = operations.open_file(file, None, TOKEN, bits.MAXIMUM_ALLOWED)
    assert most.what == "open the file for all that is granted"
    assert most.desired == bits.MAXIMUM_ALLOWED
    bare = operations.check("x", file, TOKEN.replace(privileges=frozenset({"SeBackupPrivilege"})), 0x20)
    assert not bare.possible
    assert bare.answer is not None
    assert bare.answer.trace == ()


def test_the_read_only_attribute_stops_data_writes_of_files_alone() -> None:
    for directory in (False, True):
        file = place(to_all(0x1F01FF), read_only=True, directory=directory)
        for desired in (bits.FILE_WRITE_DATA, bits.FILE_APPEND_DATA, bits.GENERIC_WRITE, 0x1F01FF):
            assert sure(operations.open_file(file, None, TOKEN, desired)) is directory
        for desired in (bits.FILE_READ_DATA, bits.DELETE, bits.FILE_WRITE_ATTRIBUTES, bits.WRITE_DAC):
            assert sure(operations.open_file(file, None, TOKEN, desired))


def test_maximum_holds_what_the_parent_lends() -> None:
    above = place(to_all(bits.FILE_DELETE_CHILD | bits.FILE_LIST_DIRECTORY), directory=True)
    for aces, mask in ((NOTHING, 0), (to_all(0x3), 0x3), (to_all(0x10083), 0x10083)):
        outcome = operations.open_file(place(aces), above, TOKEN, bits.MAXIMUM_ALLOWED)
        assert (outcome.lower, outcome.mask, outcome.upper) == (mask | 0x10080,) * 3
        assert sure(outcome)
    assert not sure(operations.open_file(place(NOTHING), None, TOKEN, bits.MAXIMUM_ALLOWED))
    # Specific rights beside it must be in the result.
    for asked, expected in ((bits.DELETE, True), (0x1, True), (0x2, False), (bits.DELETE | 0x2, False)):
        outcome = operations.open_file(place(to_all(0x1)), above, TOKEN, bits.MAXIMUM_ALLOWED | asked)
        assert sure(outcome) is expected
        assert not expected or outcome.mask == 0x10081
        assert (outcome.reason == "") is expected
    outcome = operations.open_file(place(to_all(0x1)), None, TOKEN, bits.MAXIMUM_ALLOWED | bits.DELETE)
    assert not sure(outcome)


def test_maximum_where_nothing_or_not_all_is_known() -> None:
    for file, verdict, mask in ((Place(acls=False), GRANTED, 0x1F01FF), (Place(), "cannot-prove", 0),
                                (Place(remote=True), "cannot-prove", 0)):
        outcome = operations.open_file(file, None, TOKEN, bits.MAXIMUM_ALLOWED)
        assert (outcome.verdict, outcome.mask, outcome.lower, outcome.upper) == (verdict, mask, mask, 0x1F01FF)
    lent = operations.open_file(place(NOTHING), Place(directory=True), TOKEN, bits.MAXIMUM_ALLOWED)
    assert (lent.verdict, lent.possible, lent.upper) == ("cannot-prove", True, 0x10080)
    assert operations.open_file(place(NOTHING), None, TOKEN, bits.MAXIMUM_ALLOWED).verdict == DENIED


def test_what_the_object_decides_alone_is_one_check() -> None:
    above = place(to_all(0x41), directory=True)
    for file, desired in ((place(to_all(bits.DELETE)), bits.DELETE), (place(NOTHING), 0x1), (place(NOTHING), 0x20000)):
        outcome = operations.open_file(file, above, TOKEN, desired)
        assert (outcome.parts, outcome.joined) == ((), "")
        assert outcome.answer is not None


def test_maximum_with_rights_that_a_privilege_gives_by_name() -> None:
    for privilege, right in (("SeTakeOwnershipPrivilege", bits.WRITE_OWNER), ("SeSecurityPrivilege", 0x1000000)):
        holder = TOKEN.replace(privileges=frozenset({privilege}))
        for above in (None, place(to_all(0x40), directory=True)):
            asked = bits.MAXIMUM_ALLOWED | right
            outcome = operations.open_file(place(to_all(0x1)), above, holder, asked)
            assert sure(outcome)
            assert outcome.mask == 0x1 | right | (0 if above is None else bits.DELETE)
            assert not operations.open_file(place(to_all(0x1)), above, TOKEN, asked).possible


def test_maximum_on_a_read_only_file_has_no_data_writes() -> None:
    outcome = operations.open_file(place(to_all(0x1F01FF), read_only=True), None, TOKEN, bits.MAXIMUM_ALLOWED)
    assert outcome.mask == 0x1F01FF & ~(0x2 | 0x4 | 0x40)


def test_what_cannot_be_judged_is_neither_granted_nor_denied() -> None:
    closed = place(NOTHING, directory=True)
    for file in (place(CONDITIONAL_DENY), Place(), place(to_all(0x1F01FF), remote=True)):
        for above in (None, closed):
            outcome = operations.open_file(file, above, TOKEN, bits.DELETE)
            assert (outcome.verdict, outcome.possible, outcome.certain) == ("cannot-prove", True, False)
            most = operations.open_file(file, above, TOKEN, bits.MAXIMUM_ALLOWED)
            assert (most.verdict, most.possible, most.certain) == ("cannot-prove", True, False)
    # ... but one sure way is enough.
    assert sure(operations.open_file(place(CONDITIONAL_DENY), place(to_all(0x40), directory=True), TOKEN, bits.DELETE))
    assert sure(operations.open_file(Place(acls=False), closed, TOKEN, bits.FILE_WRITE_DATA))
    doubtful = operations.open_file(place(NOTHING), Place(directory=True), TOKEN, bits.DELETE)
    assert (doubtful.verdict, doubtful.possible) == ("cannot-prove", True)


def test_a_write_protected_volume_takes_no_change() -> None:
    file = place(to_all(0x1F01FF), write_protected=True)
    for desired in (0x2, 0x4, 0x10, 0x40, 0x100, bits.DELETE, bits.WRITE_DAC, bits.WRITE_OWNER):
        assert not sure(operations.open_file(file, place(to_all(0x1F01FF), directory=True), TOKEN, desired))
    assert sure(operations.open_file(file, None, TOKEN, bits.FILE_GENERIC_READ))
    outcome = operations.open_file(file, None, TOKEN, bits.MAXIMUM_ALLOWED)
    assert not outcome.mask & 0x46


@pytest.mark.parametrize(("privilege", "gives", "not_gives"), [
    ("SeBackupPrivilege", (0x120089, 0x20, 0x1000000), (0x2, bits.DELETE, bits.WRITE_DAC)),
    ("SeRestorePrivilege", (0x120116, bits.DELETE, bits.WRITE_DAC, bits.WRITE_OWNER), (0x1, 0x20)),
])
def test_backup_intent_counts_only_with_the_privilege(privilege: str, gives: tuple[int, ...],
                                                      not_gives: tuple[int, ...]) -> None:
    file, token = place(NOTHING), TOKEN.replace(privileges=frozenset({privilege}))
    for desired in gives:
        assert sure(operations.open_file(file, None, token, desired, backup_intent=True))
        assert not sure(operations.open_file(file, None, token, desired))
        assert not sure(operations.open_file(file, None, TOKEN, desired, backup_intent=True))
    for desired in not_gives:
        assert not sure(operations.open_file(file, None, token, desired, backup_intent=True))


# create, overwrite, delete

def test_create_wants_the_right_for_its_kind() -> None:
    for directory, right, other in ((False, 0x2, 0x4), (True, 0x4, 0x2)):
        assert sure(operations.create_in(place(to_all(right), directory=True), TOKEN, directory=directory))
        assert not sure(operations.create_in(place(to_all(0x1F01FF & ~right)), TOKEN, directory=directory))
        assert not sure(operations.create_in(place(to_all(other)), TOKEN, directory=directory))


def test_create_tells_the_new_descriptor() -> None:
    parent = place("(A;;0x2;;;WD)(A;OI;FR;;;CO)(A;CI;FX;;;CO)", directory=True)
    for directory, mask in ((False, 0x120089), (True, 0x1200A0)):
        made = operations.create_in(parent, TOKEN, directory=directory).descriptor
        assert made is not None
        assert made.owner == USER
        assert made.dacl is not None
        effective = [ace for ace in made.dacl.aces if not ace.flags & 0x8]
        assert [(ace.sid, ace.mask) for ace in effective] == [(USER, mask)]
    low = operations.create_in(parent, TOKEN.replace(integrity=LOW)).descriptor
    assert low is not None
    assert low.sacl is not None
    assert operations.create_in(Place(acls=False), TOKEN).descriptor is None
    assert operations.create_in(Place(), TOKEN).descriptor is None


def test_audit_entries_at_creation_want_a_privilege() -> None:
    parent = place(to_all(0x2), directory=True)
    audit = sddl.parse("D:(A;;FA;;;WD)S:(AU;SA;FA;;;WD)")
    assert not sure(operations.create_in(parent, TOKEN, creator=audit))
    secure = TOKEN.replace(privileges=frozenset({"SeSecurityPrivilege"}))
    assert sure(operations.create_in(parent, secure, creator=audit))
    for text in ("S:(ML;;NW;;;LW)", "D:(A;;FA;;;WD)", "S:"):
        assert sure(operations.create_in(parent, TOKEN, creator=sddl.parse(text)))


def test_overwrite_and_supersede() -> None:
    for rights, overwrite, supersede in ((0x112, True, False), (0x10112, True, True), (0x12, False, False),
                                         (0x102, False, False), (0x110, False, False)):
        file = place(to_all(rights))
        assert sure(operations.overwrite_file(file, None, TOKEN)) is overwrite
        assert sure(operations.overwrite_file(file, None, TOKEN, supersede=True)) is supersede
    through = place(to_all(0x40), directory=True)
    assert sure(operations.overwrite_file(place(to_all(0x112)), through, TOKEN, supersede=True))


def test_delete() -> None:
    closed = place(NOTHING, directory=True)
    mine = place(to_all(bits.DELETE))
    assert sure(operations.delete_file(mine, closed, TOKEN))
    assert sure(operations.delete_file(mine.replace(directory=True), closed, TOKEN))
    assert not sure(operations.delete_file(mine.replace(directory=True), closed, TOKEN, empty=False))
    assert sure(operations.delete_file(mine, closed, TOKEN, empty=False))  # a file is never "not empty"
    assert not sure(operations.delete_file(place(NOTHING), closed, TOKEN))
    doubted = operations.delete_file(mine.replace(read_only=True), closed, TOKEN)
    assert (doubted.verdict, doubted.certain, doubted.readings) == (GRANTED, False, (READ_ONLY_DELETE,))
    assert not sure(operations.delete_file(place(NOTHING, read_only=True), closed, TOKEN))


# rename, link

OPEN = to_all(0x1F01FF)
ADD = bits.SYNCHRONIZE


@pytest.mark.parametrize(("directory", "new_parent", "expected"), [
    (False, 0x2 | ADD, True), (False, 0x4 | ADD, False), (True, 0x4 | ADD, True), (True, 0x2 | ADD, False),
    (False, 0x1F01FD, False), (True, 0x1F01FB, False),
])
def test_rename_wants_delete_and_the_new_parent(directory: bool, new_parent: int, expected: bool) -> None:
    there = place(to_all(new_parent), directory=True)
    here = place(NOTHING, directory=True)
    file = place(to_all(bits.DELETE), directory=directory)
    assert sure(operations.rename_file(file, here, there, TOKEN)) is expected
    kept = place(to_all(0x1F01FF & ~bits.DELETE), directory=directory)
    assert not sure(operations.rename_file(kept, here, there, TOKEN))
    through = place(to_all(bits.FILE_DELETE_CHILD), directory=True)
    assert sure(operations.rename_file(place(NOTHING, directory=directory), through, there, TOKEN)) is expected


def test_rename_without_synchronize_on_the_new_parent_is_assumed() -> None:
    outcome = operations.rename_file(place(OPEN), None, place(to_all(0x2), directory=True), TOKEN)
    assert (outcome.verdict, outcome.certain, outcome.readings) == (GRANTED, False, (SYNCHRONIZE_NEW_PARENT,))


def test_a_new_name_in_the_same_directory() -> None:
    closed = place(NOTHING, directory=True)
    outcome = operations.rename_file(place(OPEN), closed, closed, TOKEN, in_place=True)
    assert (outcome.verdict, outcome.possible, outcome.certain) == ("cannot-prove", True, False)
    assert IN_PLACE in outcome.readings
    assert not sure(operations.rename_file(place(NOTHING), closed, closed, TOKEN, in_place=True))
    assert not sure(operations.rename_file(place(OPEN), closed, closed, TOKEN))
    assert sure(operations.rename_file(place(OPEN), closed, place(OPEN, directory=True), TOKEN, in_place=True))


def test_rename_over_something() -> None:
    there = place(to_all(0x2 | ADD), directory=True)
    rename = operations.rename_file
    assert sure(rename(place(OPEN), None, there, TOKEN, target=place(to_all(bits.DELETE))))
    assert not sure(rename(place(OPEN), None, there, TOKEN, target=place(to_all(0x1F01FF & ~bits.DELETE))))
    lending = place(to_all(0x2 | 0x40 | ADD), directory=True)
    assert sure(rename(place(OPEN), None, lending, TOKEN, target=place(NOTHING)))
    guarded = rename(place(OPEN), None, there, TOKEN, target=place(OPEN, read_only=True))
    assert (guarded.verdict, guarded.certain, guarded.readings) == (GRANTED, False, (READ_ONLY_DELETE,))
    over = rename(place(OPEN), None, there, TOKEN, target=place(OPEN, directory=True))
    assert (over.verdict, over.possible, over.readings) == (DENIED, True, (REPLACE_DIRECTORY,))


def test_hard_links() -> None:
    there = place(to_all(0x2 | ADD), directory=True)
    assert sure(operations.link_file(place(to_all(bits.FILE_WRITE_ATTRIBUTES)), there, TOKEN))
    assumed_one = operations.link_file(place(NOTHING), there, TOKEN)  # MS-FSA names no right on the file
    assert place(OPEN).links == 1
    assert (assumed_one.verdict, assumed_one.certain, assumed_one.readings) == (GRANTED, False, (LINK_RIGHT,))
    assert not sure(operations.link_file(place(OPEN), place(to_all(0x4 | ADD), directory=True), TOKEN))
    assert not sure(operations.link_file(place(OPEN, directory=True), there, TOKEN))
    assert not sure(operations.link_file(place(OPEN, links=1024), there, TOKEN))
    assert sure(operations.link_file(place(OPEN, links=1023), there, TOKEN))
    assert sure(operations.link_file(place(OPEN), there, TOKEN, target=place(to_all(bits.DELETE))))
    assert not sure(operations.link_file(place(OPEN), there, TOKEN, target=place(NOTHING)))


def test_privileges_do_not_open_the_new_parent() -> None:
    """The I/O manager opens it itself, without backup intent."""
    token = TOKEN.replace(privileges=frozenset({"SeRestorePrivilege", "SeBackupPrivilege"}))
    closed = place(NOTHING, directory=True)
    assert not sure(operations.rename_file(place(OPEN), None, closed, token, backup_intent=True))
    assert not sure(operations.link_file(place(OPEN), closed, token))
