"""Sessions of several policies on the same places, beginning, ending and crashing in any order.

Nobody's living grant is undone by another; what the last one leaves is what there was.
"""

from __future__ import annotations

from functools import cache, partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plan.windows import proving
from tests.windows import acl_scenes as scenes
from tests.windows.acl_machines import Killed, Machine, Process, changed, texts
from tests.windows.acl_scenes import WORK

from sidewall.errors import MachineError
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import AclEdit, Placeholder
from sidewall.platforms.windows.acls import Applied


@cache
def policies() -> tuple[Plan, ...]:
    """Plans that overlap: the same twice over with another private name, a part, what lies beside, another tier."""
    world = scenes.little_world()
    names = ((".vscode", ".envrc"), (".vscode",), (".envrc", ".cursor"))
    made = [proving.plan_for(world, tier, policy=proving.policy_for(world, *rules, protected=held))
            for tier, rules, held in (
                ("account", (), names[0]), ("account", (("write", WORK + "\\src"),), names[1]),
                ("token", (), names[2]), ("account", (("deny", WORK + "\\src"),), names[0]))]
    return tuple(made)


def in_force(machine: Machine, plan: Plan) -> None:
    """Every entry that a plan wants is in its place, and every name that it holds is held."""
    for step in plan.steps:
        if isinstance(step, AclEdit):
            node = machine.disk.tree.get(step.path)
            assert node is not None and node.sd is not None and node.sd.dacl is not None
            for ace in step.aces:
                assert ace in node.sd.dacl.aces, (step.path, ace)
        elif isinstance(step, Placeholder):
            assert machine.disk.tree.get(step.path) is not None, step.path


def reached(machine: Machine, plan: Plan) -> None:
    """What a plan grants on a directory has come to what lies in it."""
    for step in plan.steps:
        if isinstance(step, AclEdit) and step.reach == "tree":
            for path in (WORK + "\\src\\main.py", WORK + "\\moved"):
                node = machine.disk.tree.get(path)
                if not path.startswith(step.path + "\\") or node is None or node.sd is None:
                    continue
                assert node.sd.dacl is not None
                sids = {ace.sid for ace in node.sd.dacl.aces}
                assert {ace.sid for ace in step.aces if ace.flags & 1} <= sids, path


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from("begin begin end crash die others".split()), st.integers(0, 400)),
                max_size=9))
def test_any_order_of_sessions(acts: list[tuple[str, int]]) -> None:
    machine, untouched = Machine.of(scenes.little_world()), Machine.of(scenes.little_world())
    open_cells: list[tuple[Process, Applied, Plan]] = []
    for act, number in acts:
        if act in ("begin", "die"):
            process, plan = machine.process(), policies()[number % 4]
            process.die_at = process.calls + 1 + number // 4 if act == "die" else 0
            try:
                open_cells.append((process, process.lists.apply(plan), plan))
            except Killed:
                pass
            if act == "die":
                process.kill()
                open_cells = [each for each in open_cells if each[0] is not process]
        elif act == "others":
            path = (WORK, WORK + "\\src", WORK + "\\src\\main.py", WORK + "\\.vscode")[number % 4]
            for each in (machine, untouched):
                each.edit(path, partial(scenes.explicit, mask=0x120089 | number % 7))
        elif open_cells:
            process, applied, _ = open_cells.pop(number % len(open_cells))
            if act == "end":
                assert applied.release() == ()
            else:
                process.kill()
        for _, _, plan in open_cells:
            in_force(machine, plan)
            reached(machine, plan)
    for _, applied, _ in open_cells:
        assert applied.release() == ()
    machine.process().lists.recover()
    assert changed(machine.disk, texts(untouched.disk)) == {}
    assert machine.log == b""


def test_a_crash_is_undone_by_the_next_start_and_not_by_the_end_of_another() -> None:
    machine = Machine.of(scenes.little_world())
    before = texts(machine.disk)
    crashed = machine.process()
    crashed.lists.apply(policies()[0])
    living = machine.process()
    applied = living.lists.apply(policies()[2])
    crashed.kill()
    lines = machine.process().lists.recover()
    assert f"took back the entries of a sandbox from the access list of {WORK}" in lines
    in_force(machine, policies()[2])
    assert machine.process().lists.recover() == ()
    applied.release()
    assert changed(machine.disk, before) == {}


def test_uninstalling_takes_back_what_living_sessions_hold() -> None:
    machine = Machine.of(scenes.little_world())
    before = texts(machine.disk)
    applied = [machine.process().lists.apply(plan) for plan in policies()]
    assert machine.process().lists.undo_all() == ()
    assert changed(machine.disk, before) == {}
    assert machine.log == b""
    assert [each.release() for each in applied] == [(), (), (), ()]


def test_a_lease_that_has_ended_is_not_alive_because_its_process_is() -> None:
    machine = Machine.of(scenes.little_world())
    before = texts(machine.disk)
    one = machine.process()
    first, second = one.lists.apply(policies()[0]), one.lists.apply(policies()[1])
    third = one.lists.apply(policies()[0])
    first.release()
    in_force(machine, policies()[0])
    third.release()
    in_force(machine, policies()[1])
    second.release()
    assert changed(machine.disk, before) == {}


def test_a_placeholder_of_one_cell_is_held_for_the_other_as_well() -> None:
    machine = Machine.of(scenes.little_world())
    first = machine.process().lists.apply(policies()[0])
    process = machine.process()
    assert process.lists.placeholders() == {WORK + "\\.envrc", WORK + "\\.git"}
    second = process.lists.apply(policies()[2])
    first.release()
    assert machine.disk.tree.get(WORK + "\\.envrc") is not None
    second.release()
    assert machine.disk.tree.get(WORK + "\\.envrc") is None
    assert process.lists.placeholders() == frozenset()


def test_who_waits_too_long_is_told_for_whom() -> None:
    machine = Machine.of(scenes.little_world())
    machine.holder = 99
    with pytest.raises(MachineError, match="another process of sidewall") as caught:
        machine.process().lists.apply(policies()[0])
    assert caught.value.hint
