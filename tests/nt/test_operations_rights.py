"""Operations that change a descriptor, traversal, traces, and how three values are joined: MS-FSA 2.1.5.16."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nt.places import CAP, NOTHING, TOKEN, USER, WORLD, place, sure, to_all

from sidewall.nt import mask as bits
from sidewall.nt import operations, sddl
from sidewall.nt.access_check_answer import DENIED
from sidewall.nt.errors import NtError
from sidewall.nt.operations import Place
from sidewall.nt.operations_answer import (
    LINK_RIGHT,
    Outcome,
    all_of,
    any_of,
    assumed,
    denied,
    granted,
    unknown,
)
from sidewall.nt.sid import Sid
from sidewall.nt.token import LOW, SE_GROUP_ENABLED, SE_GROUP_OWNER, Group, Token

OPEN = to_all(0x1F01FF)
ADD = bits.SYNCHRONIZE

# security, traversal

@pytest.mark.parametrize(("part", "right"), [
    ("dacl", bits.WRITE_DAC), ("owner", bits.WRITE_OWNER), ("group", bits.WRITE_OWNER), ("label", bits.WRITE_OWNER),
])
def test_each_part_of_a_descriptor_has_its_right(part: str, right: int) -> None:
    through = place(OPEN, directory=True)
    assert sure(operations.set_security(place(to_all(right)), through, TOKEN, part))
    assert not sure(operations.set_security(place(to_all(0x1F01FF & ~right)), through, TOKEN, part))


def test_a_sacl_wants_a_privilege() -> None:
    file = place(to_all(0x11F01FF))
    assert not sure(operations.set_security(file, None, TOKEN, "sacl"))
    secure = TOKEN.replace(privileges=frozenset({"SeSecurityPrivilege"}))
    assert sure(operations.set_security(file, None, secure, "sacl"))
    with pytest.raises(NtError) as caught:
        operations.set_security(file, None, TOKEN, "name")
    assert "dacl" in caught.value.hint


def test_who_may_become_owner() -> None:
    admins = Sid("S-1-5-32-544")
    file = place(to_all(bits.WRITE_OWNER))
    owning = TOKEN.replace(groups=(Group(sid=WORLD), Group(sid=admins, attributes=SE_GROUP_ENABLED | SE_GROUP_OWNER)))
    plain = TOKEN.replace(groups=(Group(sid=WORLD), Group(sid=admins)))
    refused = TOKEN.replace(groups=(Group(sid=WORLD), Group(sid=admins, attributes=0x10 | SE_GROUP_OWNER)))
    for token, owner, expected in (
        (TOKEN, USER, True), (TOKEN, admins, False), (owning, admins, True), (plain, admins, False),
        (refused, admins, False), (TOKEN.replace(user_deny_only=True), USER, False), (owning, WORLD, False),
        (TOKEN.replace(privileges=frozenset({"SeRestorePrivilege"})), admins, True),
    ):
        assert sure(operations.set_security(file, None, token, "owner", owner=owner)) is expected
        assert not sure(operations.set_security(place(NOTHING), None, token, "owner", owner=owner))


def test_a_label_above_the_own_level() -> None:
    file = place(to_all(bits.WRITE_OWNER))
    for level, expected in ((LOW, True), (TOKEN.integrity, True), (0x3000, False)):
        assert sure(operations.set_security(file, None, TOKEN, "label", level=level)) is expected
    relabel = TOKEN.replace(privileges=frozenset({"SeRelabelPrivilege"}))
    assert sure(operations.set_security(file, None, relabel, "label", level=0x3000))


def test_traversal_is_skipped_by_its_privilege() -> None:
    ways = (place(to_all(0x20), directory=True), place(to_all(0x1), directory=True))
    assert sure(operations.traverse(ways[:1], TOKEN))
    assert not sure(operations.traverse(ways, TOKEN))
    assert sure(operations.traverse(ways, TOKEN.replace(privileges=frozenset({"SeChangeNotifyPrivilege"}))))
    assert sure(operations.traverse((), TOKEN))


def test_traces_hold_the_steps_only_when_asked() -> None:
    above = place(to_all(0x40), directory=True)
    quiet = operations.open_file(place(NOTHING), above, TOKEN, bits.DELETE)
    told = operations.open_file(place(NOTHING), above, TOKEN, bits.DELETE, trace=True)
    assert [part.answer.trace for part in quiet.parts if part.answer] == [()] * len(quiet.parts)
    assert all(part.answer is not None and part.answer.trace for part in told.parts)
    assert "FILE_DELETE_CHILD" in "\n".join(told.explain())
    assert len(told.explain()) > len(quiet.explain())


def every_operation(file: Place, parent: Place, token: Token, **how: bool) -> list[Outcome]:
    there = parent.replace(sd=sddl.parse("O:BAG:BAD:" + to_all(0x2 | ADD)))
    return [
        operations.check("x", file, token, bits.DELETE, **how),
        operations.open_file(file, parent, token, bits.DELETE, **how),
        operations.open_file(file, parent, token, bits.MAXIMUM_ALLOWED, **how),
        operations.create_in(parent, token, **how), operations.overwrite_file(file, parent, token, **how),
        operations.delete_file(file, parent, token, **how), operations.set_security(file, parent, token, "dacl", **how),
        operations.rename_file(file, parent, there, token, **how),
    ]


def answers(outcome: Outcome) -> list[object]:
    mine = [] if outcome.answer is None else [outcome.answer]
    return mine + [answer for part in outcome.parts for answer in answers(part)]


def test_privileges_and_traces_are_off_unless_asked_for() -> None:
    file, parent = place(NOTHING), place(NOTHING, directory=True)
    strong = TOKEN.replace(privileges=frozenset({"SeRestorePrivilege", "SeBackupPrivilege"}))
    for quiet, told in zip(every_operation(file, parent, strong), every_operation(
            file, parent, strong, backup_intent=True, trace=True), strict=True):
        assert not quiet.possible, quiet.what
        assert told.possible, told.what
        assert answers(quiet)
        assert not any(answer.trace for answer in answers(quiet))  # type: ignore[attr-defined]
        assert all(answer.trace for answer in answers(told))  # type: ignore[attr-defined]
    for outcome, expected in ((operations.link_file(file, parent, TOKEN), False),
                              (operations.link_file(file, parent, TOKEN, trace=True), True),
                              (operations.traverse((parent,), TOKEN), False),
                              (operations.traverse((parent,), TOKEN, trace=True), True)):
        assert [bool(answer.trace) for answer in answers(outcome)] == [expected]  # type: ignore[attr-defined]


def test_reasons_are_given_for_refusals() -> None:
    file = place(to_all(0x1))
    least = operations.open_file(file, place(NOTHING, directory=True), TOKEN, bits.MAXIMUM_ALLOWED | 0x2)
    assert (least.desired, least.joined, least.granted) == (bits.MAXIMUM_ALLOWED | 0x2, "any", False)
    assert least.reason
    assert not operations.open_file(file, None, TOKEN, bits.MAXIMUM_ALLOWED).reason
    for outcome in (
        operations.open_file(place(OPEN, read_only=True), None, TOKEN, 0x2),
        operations.open_file(place(OPEN, write_protected=True), None, TOKEN, 0x2),
        operations.open_file(Place(), None, TOKEN, 0x2), operations.open_file(Place(remote=True), None, TOKEN, 0x2),
        operations.delete_file(place(OPEN, directory=True), None, TOKEN, empty=False),
        operations.link_file(place(OPEN, directory=True), file, TOKEN),
        operations.set_security(place(OPEN), None, TOKEN, "owner", owner=CAP),
        operations.set_security(place(OPEN), None, TOKEN, "label", level=0x4000),
        operations.rename_file(file, None, place(OPEN, directory=True), TOKEN),
    ):
        assert outcome.reason, outcome.what
        assert outcome.what
    assert operations.create_in(place(OPEN, acls=False), TOKEN).descriptor is None
    for kind, directory in (("file", False), ("directory", True)):
        node = place(OPEN, directory=directory)
        assert operations.delete_file(node, None, TOKEN).what == f"delete the {kind}"
        assert operations.rename_file(node, None, node, TOKEN).what == f"rename the {kind}"
        assert operations.create_in(node, TOKEN, directory=directory).what == f"create a {kind} in"


# how answers are put together

OUTCOMES = (granted("a"), denied("b"), unknown("c", "?"), assumed(granted("d"), LINK_RIGHT),
            denied("e").replace(possible=True))


@given(st.lists(st.sampled_from(OUTCOMES), max_size=5))
@settings(max_examples=150, deadline=None)
def test_three_values_are_joined_soundly(parts: list[Outcome]) -> None:
    every, some = all_of("all", tuple(parts)), any_of("any", tuple(parts))
    for joined in (every, some):
        assert not joined.certain or joined.granted
        assert not joined.granted or joined.possible
        assert joined.possible or joined.verdict == DENIED
    assert every.certain == all(part.certain for part in parts)
    assert every.possible == all(part.possible for part in parts)
    assert some.certain == any(part.certain for part in parts)
    assert some.possible == any(part.possible for part in parts)
    assert every.granted == all(part.granted for part in parts)
    assert some.granted == any(part.granted for part in parts)
    assert (every.verdict == DENIED) == any(part.verdict == DENIED for part in parts)
    assert (some.verdict == DENIED) == all(part.verdict == DENIED for part in parts)
