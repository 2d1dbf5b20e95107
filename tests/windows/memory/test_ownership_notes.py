"""A cell that crashed left files of its account: the next one gives them back, and nothing of a living cell."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from tests.plan.windows.proving import OFFLINE, ONLINE, USER
from tests.windows.acl_machines import Killed, Machine, command_token
from tests.windows.acl_scenes import WORK, plan, world
from tests.windows.memory.windows import ANN, Windows

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_steps import Ownership
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import ownership_notes as notes
from sidewall.platforms.windows import returning
from sidewall.platforms.windows.journal_records import Owner
from sidewall.platforms.windows.opening import Opening
from sidewall.platforms.windows.store_memory import MemoryStore

ACCOUNT = Sid(OFFLINE)
STEP = Ownership(roots=(WORK,), owner=Sid(USER))
PLACE = notes.directory(r"C:\Users\ann")


class Processes:
    """This one is number ``pid``; the living ones are known."""

    def __init__(self, pid: int, *living: int) -> None:
        self.pid = pid
        self.living = {pid, *living}

    def own(self) -> Owner:
        return Owner(pid=self.pid, created=0x1234)

    def alive(self, owner: Owner) -> bool:
        return owner.pid in self.living and owner.created == 0x1234


def machine() -> Machine:
    made = Machine.of(world())
    made.process().lists.apply(plan())
    made.create(f"{WORK}\\src\\left", command_token(plan()))
    return made


def owner(made: Machine) -> Sid | None:
    node = made.disk.tree.get(f"{WORK}\\src\\left")
    assert node is not None and node.sd is not None
    return node.sd.owner


def recover(windows: Windows, made: Machine, processes: Processes) -> tuple[Held, ...]:
    return notes.recover(windows.machine().api, PLACE, processes, MemoryStore(made.disk, made.token))


def test_what_a_crashed_cell_left_is_given_back_once() -> None:
    windows, made = Windows(), machine()
    notes.note(windows.machine().api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
    assert recover(windows, made, Processes(11, 10)) == ()
    assert owner(made) == ACCOUNT, "that cell is open"
    assert recover(windows, made, Processes(11)) == ()
    assert owner(made) == STEP.owner
    assert not [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]


def test_another_process_of_the_same_number_is_another() -> None:
    windows, made = Windows(), machine()
    processes = Processes(10)
    path = notes.note(windows.machine().api, PLACE, processes, STEP, ACCOUNT, ANN)
    entry = windows.files.pop(path.upper())
    windows.files[path.upper().replace("10-1234", "10-9999")] = entry
    assert recover(windows, made, processes) == ()
    assert owner(made) == STEP.owner


def test_a_cell_that_ended_leaves_no_note() -> None:
    windows = Windows()
    api = windows.machine().api
    path = notes.note(api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
    assert path.upper() in windows.files
    notes.forget(api, path)
    assert path.upper() not in windows.files
    assert recover(windows, machine(), Processes(11)) == ()


@pytest.mark.parametrize("data", [b"", b"x", b"sidewall-owners-1", b"sidewall-owners-1\nS-1-1-0", b"\xff\xfe\n\n\n",
                                  b"sidewall-owners-1\nno sid\nneither\nC:\\Users\\u\\w"])
def test_what_is_no_note_does_nothing(data: bytes) -> None:
    windows, made = Windows(), machine()
    path = notes.note(windows.machine().api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
    windows.files[path.upper()].data = data
    assert recover(windows, made, Processes(11)) == ()
    assert owner(made) == ACCOUNT


def test_a_volume_that_is_not_connected_is_waited_for() -> None:
    """The note is what knows whose the files are: it stays until they can be seen to."""
    windows, made = Windows(), machine()
    notes.note(windows.machine().api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
    roots = made.disk.tree.roots
    volume = next(name for name in roots if WORK.lower().startswith(name.lower().rstrip("\\")))
    unplugged = roots.pop(volume)
    for _ in range(2):
        held, = recover(windows, made, Processes(11))
        assert held.path == WORK and "when it can be looked at" in held.reason and "volume" in held.reason
    roots[volume] = unplugged
    assert recover(windows, made, Processes(11)) == ()
    assert owner(made) == STEP.owner
    assert not [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]


def test_a_crash_at_any_step_of_giving_back_is_followed_by_another_go() -> None:
    """... and one after the lists were undone: the note is there until everything is the user's."""
    crashed = machine()
    crashed.create(f"{WORK}\\src\\left too", command_token(plan()))
    crashed.living.clear()
    undone = copy.copy(crashed)
    undone.disk = copy.copy(crashed.disk)
    undone.process().lists.recover()
    for before in (crashed, undone):
        number, died = 0, True
        while died:
            number += 1
            windows, made = Windows(), copy.copy(before)
            made.disk = copy.copy(before.disk)
            notes.note(windows.machine().api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
            calls = itertools.count(1)

            def dies(call: str, path: str, calls: Iterator[int] = calls, number: int = number) -> None:
                if next(calls) == number:
                    raise Killed

            try:
                notes.recover(windows.machine().api, PLACE, Processes(11), MemoryStore(made.disk, made.token, dies))
                died = False
            except Killed:
                assert [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]
            assert recover(windows, made, Processes(12)) == ()
            assert ACCOUNT not in {node.sd.owner for _, node in made.disk.tree.paths() if node.sd is not None}
            assert not [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]
        assert number > 10 and owner(before) == ACCOUNT


def test_what_an_account_owns_is_given_back_before_the_lists_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """With them goes the entry for OWNER RIGHTS; whoever opens the next cell, of any tier, keeps that order."""
    told: list[str] = []

    class Lists:
        def placeholders(self) -> frozenset[str]:
            return frozenset()

        def apply(self, about: object) -> object:
            told.append("lists")
            return SimpleNamespace(release=lambda: ())

    windows = Windows()
    api = windows.machine().api
    monkeypatch.setattr(notes, "recovered", lambda api, home: told.append(home))
    lists: Any = Lists()
    Opening(api, plan())._lists(lambda: lists)
    assert told == [r"C:\Users\ann", "lists"]


def test_a_note_stays_while_something_is_closed_to_the_user_that_its_account_can_open() -> None:
    windows, made = Windows(), machine()
    path = f"{WORK}\\src\\left"
    made.edit(path, lambda _: parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)"))
    api = windows.machine().api
    notes.note(api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
    asked: list[str] = []

    def unlock(paths: Sequence[str]) -> str:
        asked.extend(paths)
        store = MemoryStore(made.disk, Token(user=ACCOUNT, groups=(Group(sid=Sid("S-1-1-0")),)))
        return returning.let_in(store, paths, STEP.owner, ACCOUNT, until=float("inf"))[1]

    def again(account: Sid | None) -> tuple[Held, ...]:
        return notes.recover(api, PLACE, Processes(11), MemoryStore(made.disk, made.token), account=account,
                             unlock=unlock)

    for _ in range(2):
        held = recover(windows, made, Processes(11))
        assert [one.path for one in held] == [path] and "next sandbox" in held[0].reason
    assert [one.path for one in again(Sid(ONLINE))] == [path] and not asked, "another account is not asked"
    assert again(ACCOUNT) == () and asked == [path]
    assert owner(made) == STEP.owner
    assert not [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]


def test_a_failure_at_any_call_stops_nothing() -> None:
    for number in range(40):
        windows, made = Windows(), machine()
        api = windows.machine().api
        windows.fail_at = number
        try:
            notes.note(api, PLACE, Processes(10), STEP, ACCOUNT, ANN)
        except MachineError:
            pass
        recover(windows, made, Processes(11))
        windows.fail_at = -1
        recover(windows, made, Processes(11))
        names = [path for path in windows.files if path.startswith(PLACE.upper() + "\\")]
        assert not names, number
        windows.calls.clear()
