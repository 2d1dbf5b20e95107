"""A plan's access lists applied and released: exactly what the model says, and nothing of it afterwards."""

from __future__ import annotations

import pytest
from tests.plan.windows import proving
from tests.windows import acl_scenes as scenes
from tests.windows.acl_machines import Machine, changed, command_token, paths, texts
from tests.windows.acl_scenes import WORK

from sidewall.errors import MachineError
from sidewall.nt.sddl import format as text
from sidewall.nt.sddl import parse
from sidewall.plan.prove_tree import After
from sidewall.plan.windows_steps import AclEdit, Placeholder

WORLDS = sorted(path.stem for path in proving.HERE.glob("*.jsonl"))


def modelled(machine: Machine, after: After) -> list[tuple[str, str, str]]:
    """Where the machine is not what the model says."""
    found = []
    for node in after.nodes.values():
        here = machine.disk.tree.get(node.path)
        if node.descriptor is None or node.made == "own":
            continue
        if here is None or here.sd is None or text(here.sd) != text(node.descriptor):
            found.append((node.path, text(node.descriptor), "-" if here is None or here.sd is None else text(here.sd)))
    return found


@pytest.mark.parametrize("tier", proving.TIERS)
@pytest.mark.parametrize("name", WORLDS)
def test_each_world_becomes_what_was_proved_and_then_what_it_was(name: str, tier: str) -> None:
    world = proving.load(name)
    try:
        plan = proving.plan_for(world, tier)
    except MachineError:
        assert name == "administrators-root"
        return
    machine = Machine.of(world)
    before = texts(machine.disk)
    applied = machine.process().lists.apply(plan)
    assert modelled(machine, After(world, plan)) == []
    # Somebody else's directory, which the user can neither see nor change.
    unreadable = {proving.load(name).workspace + "\\build\\pytest-0"} if name == "earlier-account" else set()
    assert paths(applied.left) <= unreadable
    assert len(changed(machine.disk, before)) > 10
    assert machine.log
    held = applied.release()
    assert changed(machine.disk, before) == {}
    assert machine.log == b""
    assert paths(held) <= unreadable
    assert applied.release() == ()


@pytest.mark.parametrize("index", range(5))
def test_everything_that_lists_trip_over_becomes_what_was_proved(index: int) -> None:
    plan = scenes.plans()[index]
    machine = Machine.of(scenes.world())
    before = texts(machine.disk)
    applied = machine.process().lists.apply(plan)
    assert modelled(machine, After(scenes.world(), plan)) == []
    assert applied.release() == ()
    assert changed(machine.disk, before) == {}


def test_what_must_not_be_touched_is_not() -> None:
    machine = Machine.of(scenes.world())
    process = machine.process()
    process.lists.apply(scenes.plan())
    written = {path for call, path in process.done if call == "write"}
    assert WORK in written and WORK + "\\deep\\er\\x" in written
    for path in ("\\link", "\\stored", "\\sealed", "\\sealed\\y"):
        assert WORK + path not in written
    asked = {path for _, path in process.done}
    assert not [path for path in asked if path.startswith((WORK + "\\link\\", WORK + "\\sealed\\"))]


def test_a_second_session_of_the_same_policy_writes_no_list() -> None:
    machine = Machine.of(scenes.world())
    before = texts(machine.disk)
    first = machine.process().lists.apply(scenes.plan())
    during = texts(machine.disk)
    process = machine.process()
    second = process.lists.apply(scenes.plan())
    assert [call for call, _ in process.done if call in ("write", "make", "remove")] == []
    assert changed(machine.disk, during) == {}
    assert first.release() == ()
    assert changed(machine.disk, during) == {}
    assert second.release() == ()
    assert changed(machine.disk, before) == {}
    assert machine.log == b""


def test_a_plan_that_changes_no_list_leaves_no_trace_in_the_journal() -> None:
    plan = scenes.plan()
    steps = tuple([step for step in plan.steps if not isinstance(step, (AclEdit, Placeholder))])
    process = Machine.of(scenes.world()).process()
    assert process.lists.apply(plan.replace(steps=steps)).release() == ()
    assert process.done == []


def test_an_entry_that_the_user_has_given_is_neither_doubled_nor_taken_away() -> None:
    plan = scenes.plan()
    step = next(one for one in plan.steps if isinstance(one, AclEdit) and one.path == WORK)
    given = step.aces[-2]
    machine = Machine.of(scenes.world())
    machine.edit(WORK, lambda sd: sd.replace(dacl=sd.dacl.replace(aces=(given, *sd.dacl.aces))))  # type: ignore[union-attr]
    before = texts(machine.disk)
    applied = machine.process().lists.apply(plan)
    node = machine.disk.tree.get(WORK)
    assert node is not None and node.sd is not None and node.sd.dacl is not None
    assert node.sd.dacl.aces.count(given) == 1
    applied.release()
    assert changed(machine.disk, before) == {}


def test_what_others_change_meanwhile_stays() -> None:
    machine, untouched = Machine.of(scenes.world()), Machine.of(scenes.world())
    applied = machine.process().lists.apply(scenes.plan())
    for path in (WORK, WORK + "\\src\\main.py", WORK + "\\moved", WORK + "\\.git\\hooks", WORK + "\\open"):
        for each in (machine, untouched):
            each.edit(path, scenes.explicit)
    assert applied.release() == ()
    # A list that somebody gave to what had none is a list; what it had inherited with ours is not the sandbox's.
    assert set(changed(machine.disk, texts(untouched.disk))) <= {WORK + "\\open"}


@pytest.mark.parametrize("whose", ["user", "command"])
@pytest.mark.parametrize("where", ["", "\\src", "\\deep\\er", "\\.git\\objects"])
def test_what_is_made_in_a_cell_is_in_the_end_as_if_there_had_been_none(where: str, whose: str) -> None:
    machine, untouched = Machine.of(scenes.world()), Machine.of(scenes.world())
    plan = scenes.plan()
    applied = machine.process().lists.apply(plan)
    maker = machine.token if whose == "user" else command_token(plan)
    for each in (machine, untouched):
        each.create(f"{WORK}{where}\\made", maker, directory=True)
        each.create(f"{WORK}{where}\\made\\file", maker)
    applied.release()
    assert changed(machine.disk, texts(untouched.disk)) == {}


def test_what_is_made_in_a_directory_that_was_never_inherited_into_names_no_sandbox() -> None:
    machine = Machine.of(scenes.world())
    plan = scenes.plan()
    applied = machine.process().lists.apply(plan)
    machine.create(WORK + "\\old\\made", command_token(plan))
    applied.release()
    node = machine.disk.tree.get(WORK + "\\old\\made")
    assert node is not None and node.sd is not None and node.sd.dacl is not None
    ours = {ace.sid for step in plan.steps if isinstance(step, AclEdit) for ace in step.aces} - {proving.USER}
    assert not ours.intersection(ace.sid for ace in node.sd.dacl.aces)


def test_a_file_moved_into_the_workspace_keeps_what_it_inherited_elsewhere() -> None:
    machine = Machine.of(scenes.world())
    applied = machine.process().lists.apply(scenes.plan())
    tree = machine.disk.tree
    source, target = tree.get("C:\\Users\\u\\lib"), tree.get(WORK)
    moved = tree.get("C:\\Users\\u\\lib\\a.py")
    assert source is not None and target is not None and moved is not None and moved.sd is not None
    machine.disk.tree = tree.without(source, "a.py").with_node(target, "a.py", moved)
    applied.release()
    kept = machine.disk.tree.get(WORK + "\\a.py")
    assert kept is not None and kept.sd == moved.sd


def test_a_placeholder_into_which_something_was_put_is_handed_over() -> None:
    machine = Machine.of(scenes.world())
    plan = scenes.plan()
    applied = machine.process().lists.apply(plan)
    path = next(step.path for step in plan.steps if isinstance(step, Placeholder))
    machine.create(path + "\\settings", machine.token)
    held = applied.release()
    assert path in paths(held)
    node = machine.disk.tree.get(path)
    assert node is not None and node.sd is not None
    assert text(node.sd) == proving.OWN
    assert machine.log == b""


def test_what_is_not_what_the_plan_saw_stops_it_with_nothing_changed() -> None:
    plan = scenes.plan()
    place = next(step.path for step in plan.steps if isinstance(step, Placeholder))
    machine = Machine.of(scenes.world())
    machine.create(place, machine.token, directory=True)
    before = texts(machine.disk)
    with pytest.raises(MachineError, match="something is there now") as caught:
        machine.process().lists.apply(plan)
    assert caught.value.hint
    assert changed(machine.disk, before) == {} and machine.log == b""


@pytest.mark.parametrize(("name", "changes", "words"), [
    ("\\.vscode", {"reparse": "mount-point", "target": "C:\\Windows"}, "reparse point"),
    ("\\.git\\config", {"links": 2}, "has 2 names"),
    ("\\.git\\config", {"directory": True}, "is a directory now"),
    ("\\.vscode", {"sd": parse(f"O:{proving.USER}G:{proving.USER}D:NO_ACCESS_CONTROL")}, "NULL DACL"),
    ("", {"reparse": "symlink", "target": "C:\\"}, "reparse point"),
])  # fmt: skip
def test_a_place_that_was_exchanged_is_refused(name: str, changes: dict[str, object], words: str) -> None:
    machine = Machine.of(scenes.world())
    node = machine.disk.tree.get(WORK + name)
    above = machine.disk.tree.get((WORK + name).rpartition("\\")[0])
    assert node is not None and above is not None
    machine.disk.tree = machine.disk.tree.with_node(above, (WORK + name).rpartition("\\")[2],
                                                    node.replace(**changes))
    before = texts(machine.disk)
    with pytest.raises(MachineError, match=words):
        machine.process().lists.apply(scenes.plan())
    assert changed(machine.disk, before) == {}


def test_a_deny_that_does_not_reach_everything_stops_the_plan_and_a_grant_goes_on() -> None:
    alien = parse("O:SYG:SYD:AI(A;ID;FA;;;SY)(A;ID;0x120089;;;WD)")
    machine = Machine.of(scenes.world())
    machine.edit(WORK + "\\src\\main.py", lambda sd: alien)
    applied = machine.process().lists.apply(scenes.plan())
    assert paths(applied.left) == {WORK + "\\src\\main.py"}
    applied.release()
    machine.edit(WORK + "\\.vscode\\settings.json", lambda sd: alien)
    before = texts(machine.disk)
    with pytest.raises(MachineError, match=r"settings\.json is denied"):
        machine.process().lists.apply(scenes.plan())
    assert changed(machine.disk, before) == {}


def test_a_file_system_that_forgets_lists_is_noticed() -> None:
    machine = Machine.of(scenes.world())
    process = machine.process()
    before = texts(machine.disk)

    def forgetful(call: str, path: str) -> None:
        if call == "descriptor" and process.done and process.done[-1] == ("write", path):
            machine.edit(path, lambda sd: parse(before[path]))
        process.enter(call, path)

    process.store._enter = forgetful
    with pytest.raises(MachineError, match="does not say what was written to it"):
        process.lists.apply(scenes.plan())


def test_the_state_directory_must_not_be_writable_inside() -> None:
    process = Machine.of(scenes.world()).process()
    process.lists._directory = WORK.lower() + "\\.state"
    with pytest.raises(MachineError, match="lies in the writable directory"):
        process.lists.apply(scenes.plan())
    assert process.done == []
