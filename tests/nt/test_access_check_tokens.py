"""The access check for tokens that are limited by restricting SIDs, write-restricted ones among them.

Knows: what the sandbox's own tokens look like and which holes they are known to have.
Must not know: how the passes are built.
"""

from __future__ import annotations

import pytest

from sidewall.nt import sddl
from sidewall.nt.access_check import access_check, write_mask
from sidewall.nt.access_check_answer import (
    DENIED,
    GRANTED,
    MAXIMUM_WRITE_RESTRICTED,
    OWNER_READ_CONTROL,
    PROCESS_WRITE_MASK,
    WHOLE_REQUEST,
    Answer,
)
from sidewall.nt.mask import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    FILE_ALL_ACCESS,
    FILE_DELETE_CHILD,
    FILE_GENERIC_EXECUTE,
    FILE_GENERIC_READ,
    FILE_READ_DATA,
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
from sidewall.nt.token import Group, Token

USER, CAP = Sid("S-1-5-21-1-2-3-1001"), Sid("S-1-5-21-71-72-73-1")
EVERYONE, USERS = Sid("S-1-1-0"), Sid("S-1-5-32-545")
FREE = Token(user=USER, groups=(Group(sid=EVERYONE), Group(sid=USERS)))
BOUND = FREE.replace(restricting=(CAP,))
WRITES = BOUND.replace(write_restricted=True)

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
