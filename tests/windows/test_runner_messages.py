"""What owner and runner may say: every field checked, the plan's parts read back equal or refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.nt.sid import Sid
from sidewall.plan.windows_steps import Desktop, Environment, Job, TokenRecipe
from sidewall.platforms.frames import Frame, FrameError
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows import runner_parts
from sidewall.platforms.windows.runner_parts import Parts

ME = Sid("S-1-5-21-1-2-3-1001")
SIDS = st.sampled_from([Sid("S-1-1-0"), Sid("S-1-5-32-545"), ME, Sid("S-1-5-21-9-9-9-9")])
NAMES = st.text(st.characters(exclude_characters="\0"), max_size=12)
NUMBERS = st.integers(0, 2**32 - 1)
PAIRS = st.lists(st.tuples(NAMES, NAMES), max_size=3).map(tuple)
PARTS = st.builds(
    lambda **given: Parts(**given),
    recipe=st.builds(
        lambda **given: TokenRecipe(base="account", user=ME, default_dacl=f"D:(A;;GA;;;{ME})(A;;RC;;;OW)", **given),
        groups=st.lists(st.tuples(SIDS, NUMBERS), max_size=3).map(tuple), flags=NUMBERS,
        disable=st.lists(SIDS, max_size=3).map(tuple), restricting=st.lists(SIDS, max_size=3).map(tuple),
        integrity=NUMBERS, privileges=st.lists(NAMES, max_size=2).map(tuple)),
    job=st.builds(lambda **given: Job(**given), flags=NUMBERS, processes=NUMBERS,
                  memory_bytes=st.integers(0, 2**63 - 1)),
    desktop=st.none() | st.just(Desktop(station=f"D:P(A;;0x2037f;;;{ME})", desktop="D:P(A;;0x200ff;;;SY)")),
    environment=st.builds(lambda **given: Environment(**given), floor=PAIRS, forced=PAIRS,
                          own=st.lists(NAMES, max_size=3).map(tuple), safe=st.lists(NAMES, max_size=2).map(tuple)),
)
ONE = Parts(
    recipe=TokenRecipe(base="account", user=ME, groups=((ME, 7),), flags=13, disable=(), restricting=(ME,),
                       default_dacl="D:(A;;GA;;;SY)", integrity=8192, privileges=("SeChangeNotifyPrivilege",)),
    job=Job(flags=0x2400), desktop=Desktop(station="D:P", desktop="D:P"),
    environment=Environment(floor=(("a", "b"),), forced=()))


def through(parts: Parts) -> dict[str, Any]:
    """The head of the frame that the runner reads."""
    data = says.made(says.SETUP, echo="n", **runner_parts.told(parts))
    (frame,) = says.decoder(says.OWNER).feed(data)
    return says.checked(frame, says.OWNER)


@given(PARTS)
def test_parts_are_read_as_they_were_written(parts: Parts) -> None:
    assert runner_parts.read(through(parts)) == parts


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a head something stands."""
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [one for name in value for one in places(value[name], (*path, name))]
    if isinstance(value, list):
        return found + [one for number, item in enumerate(value) for one in places(item, (*path, number))]
    return found


@pytest.mark.parametrize("wrong", [True, -1, 1 << 70, 1.5, [], [[]], {}, {"a": 1}, "S-1-x", "a\0b", "x" * 70_000])
def test_anything_else_in_any_place_is_refused_or_is_another_part(wrong: Any) -> None:
    head = through(ONE)
    del head["echo"]
    for path in places(head):
        other = copy.deepcopy(head)
        inner: Any = other
        for step in path[:-1]:
            inner = inner[step]
        before = inner[path[-1]]
        inner[path[-1]] = wrong
        if not all(says.OWNER[says.SETUP][name](other[name]) for name in other):
            continue  # refused before it is looked into
        try:
            found = runner_parts.read(other)
        except FrameError:
            continue
        # Only text for text, or an empty list for a list, can be another plan.
        assert type(before) is type(wrong) and (found == ONE) == (before == wrong)


def test_a_field_more_or_less_is_refused() -> None:
    for name in ("recipe", "job", "desktop", "environment"):
        for change in ({"more": 1}, None):
            head = through(ONE)
            if change is None:
                head[name].popitem()
            else:
                head[name].update(change)
            with pytest.raises(FrameError, match="fields"):
                runner_parts.read(head)


GOOD: dict[str, dict[str, Any]] = {
    says.HELLO: {"version": 1, "nonce": "n"}, says.TRY: {"target": "C:\\x"}, says.TRIED: {},
    says.PRIVATE: {"path": "C:\\x"}, says.SIGNAL: {"id": 1, "code": 1, "tree": False},
    says.START: {"id": 1, "argv": ["a"], "directory": "C:\\", "fresh": True, "stdio": [4, 8, 12], "terminal": None},
    says.RESIZE: {"id": 1, "rows": 24, "columns": 80}, says.FORGET: {"id": 1},
    says.RETURN: {"empty": ["C:\\t"], "places": [], "user": "S-1-1-0"}, says.RETURNED: {"count": 0, "first": ""},
    says.GREETING: {"version": 1, "nonce": "n", "echo": "n", "user": "S-1-1-0", "restricted": False},
    says.MADE: {"missing": []}, says.TRYING: {"missing": [["files", "why"]]}, says.DONE: {"missing": []},
    says.UNABLE: {"message": "m", "hint": ""}, says.STARTED: {"id": 1, "pid": 4},
    says.FAILED: {"id": 1, "errno": 2, "winerror": 2, "message": "m", "file": "f"},
    says.ENDED: {"id": 1, "code": 0xFFFFFFFF, "user": 0, "system": 0, "peak": 0},
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_field_of_every_message_is_checked(kind: str) -> None:
    shapes = says.OWNER if kind in says.OWNER else says.RUNNER
    assert says.checked(Frame(kind=kind, head=GOOD[kind]), shapes) == GOOD[kind]
    for name in GOOD[kind]:
        less = {field: value for field, value in GOOD[kind].items() if field != name}
        for head in (less, {**GOOD[kind], name: object()}, {**GOOD[kind], name: -1}, {**GOOD[kind], "more": 1}):
            with pytest.raises(FrameError):
                says.checked(Frame(kind=kind, head=head), shapes)
        if type(GOOD[kind][name]) is int:
            for value in (True, "1", 2**64):
                with pytest.raises(FrameError):
                    says.checked(Frame(kind=kind, head={**GOOD[kind], name: value}), shapes)
    if kind != says.START:
        with pytest.raises(FrameError, match="bytes after"):
            says.checked(Frame(kind=kind, head=GOOD[kind], raw=b"x"), shapes)
    with pytest.raises(FrameError, match="was to come"):
        says.checked(Frame(kind=kind, head=GOOD[kind]), shapes, among="?")


def test_every_kind_has_a_shape_and_each_side_its_own() -> None:
    assert set(GOOD) | {says.SETUP} == set(says.OWNER) | set(says.RUNNER)
    assert not set(says.OWNER) & set(says.RUNNER)


def test_the_runner_is_given_little_room() -> None:
    with pytest.raises(FrameError):
        says.decoder(says.RUNNER).feed((says.MOST_FROM_RUNNER + 1).to_bytes(4, "little"))


@given(st.text(max_size=60))
def test_what_is_shown_is_one_line_that_no_terminal_obeys(told: str) -> None:
    line = says.shown(told, 50)
    assert line.isprintable() and len(line) <= 53
    assert says.shown("한 🐈 ok") == "한 🐈 ok"
