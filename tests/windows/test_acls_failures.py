"""Every call fails once, the process dies before every call: afterwards each list is what it was, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.windows import acl_scenes as scenes
from tests.windows.acl_machines import Killed, Machine, Process, changed, paths, texts
from tests.windows.acl_scenes import WORK

from sidewall.errors import MachineError
from sidewall.platforms.windows.acls import Lists
from sidewall.platforms.windows.store import DENIED, OTHER

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
OTHERS = (WORK, WORK + "\\src\\main.py", WORK + "\\moved", WORK + "\\old", WORK + "\\.vscode")


def cycle(process: Process) -> None:
    """One session from its beginning to its end."""
    process.lists.apply(scenes.little_plan()).release()


@cache
def calls() -> int:
    """How many calls that takes."""
    process = Machine.of(scenes.little_world()).process()
    cycle(process)
    return process.calls


def attempt(work: Callable[[Process], object], process: Process) -> str:
    """What became of it."""
    try:
        work(process)
    except Killed:
        return "killed"
    except MachineError:
        return "failed"
    return "done"


def recovered(machine: Machine) -> list[str]:
    """What the next start says; damage is told once."""
    lists: Lists = machine.process().lists
    told: list[str] = []
    try:
        told += lists.recover()
    except MachineError as error:
        told.append(error.message)
        told += lists.recover()
    return told


def others_change(*machines: Machine) -> None:
    """The same done by somebody else to a machine with a sandbox and to one without."""
    for machine in machines:
        for path in OTHERS:
            machine.edit(path, scenes.explicit)


@pytest.mark.parametrize("tear", [0, 40])
def test_a_process_that_dies_before_any_call_leaves_nothing_once_the_next_has_started(tear: int) -> None:
    for at in range(1, calls() + 1):
        machine, untouched = Machine.of(scenes.little_world()), Machine.of(scenes.little_world())
        process = machine.process()
        process.die_at, process.tear = at, tear
        assert attempt(cycle, process) == "killed"
        others_change(machine, untouched)
        recovered(machine)
        assert changed(machine.disk, texts(untouched.disk)) == {}, at
        assert machine.log == b"", at


@pytest.mark.parametrize("why", [OTHER, DENIED])
def test_a_call_that_fails_once_leaves_nothing_once_the_next_has_started(why: str) -> None:
    failures = 0
    for at in range(1, calls() + 1):
        machine = Machine.of(scenes.little_world())
        before = texts(machine.disk)
        process = machine.process()
        process.fail_at, process.why = at, why
        held: set[str] = set()

        def work(process: Process, held: set[str] = held) -> None:
            applied = process.lists.apply(scenes.little_plan())
            held.update(paths(applied.release()))

        failures += attempt(work, process) == "failed"
        # What somebody has no right to, he will have none to at the next start: it is told, and not tried for ever.
        process.kill()
        told = recovered(machine)
        left = set(changed(machine.disk, before))
        assert why == DENIED or not left, (at, left)
        named = held | {line.removeprefix("left ").partition(": ")[0] for line in told}
        assert all(any(f"{path}\\".startswith(f"{name}\\") for name in named) for path in left), (at, left, named)
        assert machine.log == b"", at
    assert failures > 30


@QUICK
@given(st.data())
def test_recovering_may_itself_be_broken_off_any_number_of_times(data: st.DataObject) -> None:
    machine, untouched = Machine.of(scenes.little_world()), Machine.of(scenes.little_world())
    process = machine.process()
    process.die_at = data.draw(st.integers(10, calls()))
    attempt(cycle, process)
    for _ in range(data.draw(st.integers(0, 3))):
        process = machine.process()
        process.die_at = data.draw(st.integers(1, calls()))
        attempt(lambda each: each.lists.recover(), process)
        process.kill()
    others_change(machine, untouched)
    recovered(machine)
    assert changed(machine.disk, texts(untouched.disk)) == {}
    assert machine.log == b""


@QUICK
@given(st.data())
def test_an_error_in_the_middle_is_undone_at_once(data: st.DataObject) -> None:
    machine = Machine.of(scenes.little_world())
    before = texts(machine.disk)
    process = machine.process()
    process.fail_at = data.draw(st.integers(1, calls() // 2))
    if attempt(lambda each: each.lists.apply(scenes.little_plan()), process) == "failed":
        assert changed(machine.disk, before) == {}
        assert machine.log == b""
