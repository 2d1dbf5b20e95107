"""What a sandbox's account made becomes the user's: on a disk in memory that lets nobody do what he may not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.windows.proving import OFFLINE, USER
from tests.windows.acl_machines import Machine, command_token, texts
from tests.windows.acl_scenes import WORK, plan, world

from sidewall.nt import wellknown as known
from sidewall.nt.mask import WRITE_DAC
from sidewall.nt.operations import Place, open_file
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.tree import Node
from sidewall.platforms.windows.kernel32_changes import name_changes
from sidewall.platforms.windows.ownership import MOST_TOLD, give_back
from sidewall.platforms.windows.store_memory import MemoryStore

OWNER, ACCOUNT = Sid(USER), Sid(OFFLINE)
ROOT = WORK
NEW = (("out", True), ("out\\a.o", False), ("out\\deep", True), ("out\\deep\\b.o", False), ("src\\c.py", False),
       ("한국어 😀.txt", False))


def made() -> Machine:
    """A machine on which a plan's lists are applied and commands have made files."""
    machine = Machine.of(world())
    machine.process().lists.apply(plan())
    for name, directory in NEW:
        machine.create(f"{ROOT}\\{name}", command_token(plan()), directory=directory)
    return machine


def owners(machine: Machine) -> dict[str, Sid | None]:
    return {path: node.sd.owner for path, node in machine.disk.tree.paths() if node.sd is not None}


def back(machine: Machine, names: tuple[str, ...] | None,
         calls: list[tuple[str, str]] | None = None) -> tuple[str, ...]:
    noted = calls if calls is not None else []
    store = MemoryStore(machine.disk, machine.token, lambda call, path: noted.append((call, path)))
    return tuple([one.path for one in give_back(store, ROOT, OWNER, ACCOUNT, names)])


@pytest.mark.parametrize("names", [None, tuple(name for name, _ in NEW), ("out", "src\\c.py", "한국어 😀.txt")])
def test_all_that_was_made_is_the_users(names: tuple[str, ...] | None) -> None:
    machine = made()
    before = owners(machine)
    assert {path for path, owner in before.items() if owner == ACCOUNT} == {f"{ROOT}\\{name}" for name, _ in NEW}
    assert back(machine, names) == ()
    after = owners(machine)
    assert ACCOUNT not in after.values()
    assert {path: owner for path, owner in after.items() if before[path] != ACCOUNT} == {
        path: owner for path, owner in before.items() if owner != ACCOUNT}, "nobody else's owner changed"


def test_an_owner_could_open_it_up_once_the_cells_entries_are_gone_and_now_cannot() -> None:
    """Why this is done: the entry for OWNER RIGHTS goes with the cell."""
    for returned in (False, True):
        machine = Machine.of(world())
        applied = machine.process().lists.apply(plan())
        path = f"{ROOT}\\src\\planted"
        machine.create(path, command_token(plan()))
        if returned:
            assert back(machine, ("src\\planted",)) == ()
        applied.release()
        node = machine.disk.tree.get(path)
        assert node is not None
        found = open_file(Place(sd=node.sd, directory=False), None, command_token(plan()), WRITE_DAC)
        assert found.granted is not returned


def test_nothing_is_looked_at_when_no_name_came() -> None:
    machine = made()
    calls: list[tuple[str, str]] = []
    assert back(machine, (), calls) == ()
    assert calls == []


def test_only_what_came_is_looked_at() -> None:
    machine = made()
    calls: list[tuple[str, str]] = []
    assert back(machine, ("src\\c.py",), calls) == ()
    assert {path for _, path in calls} == {f"{ROOT}\\src\\c.py"}


def test_each_thing_is_looked_at_once() -> None:
    machine = made()
    calls: list[tuple[str, str]] = []
    back(machine, tuple([name for name, _ in NEW]), calls)
    owned = [path for call, path in calls if call == "own"]
    assert len(owned) == len(set(owned)) == len(NEW)


def test_a_name_that_went_again_is_nothing() -> None:
    machine = made()
    assert back(machine, ("gone", "out\\gone", "gone\\gone")) == ()


def test_no_link_is_followed() -> None:
    machine = made()
    outside = "C:\\Users\\u\\lib\\planted"
    machine.create(outside, command_token(plan()))
    above = machine.disk.tree.get(ROOT)
    assert above is not None
    link = Node(id="bad-link", directory=True, reparse="mount-point", target="C:\\Users\\u\\lib",
                sd=parse(f"O:{ACCOUNT}G:{ACCOUNT}D:(A;;FA;;;{OWNER})"))
    machine.disk.tree = machine.disk.tree.with_node(above, "lead", link)
    assert back(machine, ("lead", "lead\\planted")) == ()
    assert back(machine, None) == ()
    after = owners(machine)
    assert after[outside] == ACCOUNT, "what lies behind the link is not touched"
    assert after[f"{ROOT}\\lead"] == OWNER, "the link itself is a thing like others"


def test_a_file_with_several_names_is_left_alone_and_said() -> None:
    machine = made()
    above = machine.disk.tree.get(ROOT)
    assert above is not None
    linked = Node(id="twice", directory=False, links=2, sd=parse(f"O:{ACCOUNT}G:{ACCOUNT}D:(A;;FA;;;{OWNER})"))
    machine.disk.tree = machine.disk.tree.with_node(above, "one-of-two", linked)
    assert back(machine, ("one-of-two",)) == (f"{ROOT}\\one-of-two",)
    assert owners(machine)[f"{ROOT}\\one-of-two"] == ACCOUNT
    stored = owners(Machine.of(world()))[f"{ROOT}\\stored"]
    assert owners(machine)[f"{ROOT}\\stored"] == stored and back(made(), ("stored",)) == (), "the user's own is no news"


def test_what_the_user_may_not_take_over_is_named_and_stops_nothing() -> None:
    machine = made()
    sealed = parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;FA;;;{ACCOUNT})(A;;0x20080;;;{OWNER})")
    machine.edit(f"{ROOT}\\out\\a.o", lambda _: sealed)
    shut = parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;FA;;;{ACCOUNT})")
    machine.edit(f"{ROOT}\\out\\deep", lambda _: shut)
    store = MemoryStore(machine.disk, machine.token)
    held = give_back(store, ROOT, OWNER, ACCOUNT, ("out", "src\\c.py"))
    assert {one.path for one in held} == {f"{ROOT}\\out\\a.o", f"{ROOT}\\out\\deep"}
    assert all(one.reason and one.action == "left" for one in held)
    after = owners(machine)
    assert after[f"{ROOT}\\out"] == after[f"{ROOT}\\src\\c.py"] == OWNER


def test_what_is_left_is_told_in_few_lines() -> None:
    machine = made()
    sealed = parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;FA;;;{ACCOUNT})")
    names = [f"f{number}" for number in range(3 * MOST_TOLD)]
    for name in names:
        machine.create(f"{ROOT}\\{name}", command_token(plan()))
        machine.edit(f"{ROOT}\\{name}", lambda _: sealed)
    found = give_back(MemoryStore(machine.disk, machine.token), ROOT, OWNER, ACCOUNT, names)
    assert len(found) == MOST_TOLD + 1 and str(2 * MOST_TOLD) in found[-1].reason


def test_nobody_is_made_owner_but_by_himself() -> None:
    machine = made()
    before = texts(machine.disk)
    store = MemoryStore(machine.disk, machine.token)
    held = give_back(store, ROOT, known.ADMINISTRATORS, ACCOUNT, None)
    assert len(held) == len(NEW) and texts(machine.disk) == before


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.text(st.characters(codec="utf-8", exclude_characters="\0"),
                                                    min_size=1, max_size=9)), min_size=1, max_size=6), st.data())
def test_a_buffer_of_changes_reads_back_and_a_cut_one_is_an_error(changes: list[tuple[int, str]],
                                                                  data: st.DataObject) -> None:
    parts = []
    for action, name in changes:
        encoded = name.encode("utf-16-le")
        body = action.to_bytes(4, "little") + len(encoded).to_bytes(4, "little") + encoded
        parts.append(body + bytes(-len(body) % 4))
    whole = b"".join([((0 if part is parts[-1] else len(part) + 4).to_bytes(4, "little")) + part for part in parts])
    assert name_changes(whole) == tuple(changes)
    cut = whole[: data.draw(st.integers(0, len(whole) - 4 - len(changes[-1][1].encode("utf-16-le")) % 4))]
    if len(cut) < len(whole) - 3:
        with pytest.raises(ValueError, match="changed name"):
            name_changes(cut)
