"""Which processes are runners that no owner has any more, among any others and with numbers that are used again."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.platforms.windows import orphans
from sidewall.platforms.windows.constants_process import PROCESS_TERMINATE, STILL_ACTIVE
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.prototypes import LAST
from sidewall.record import Record

PLACE = r"C:\Users\ann" + orphans.PLACE
COPY, OTHER = PLACE + r"\3.11-abc\pythonw.exe", r"C:\Python311\python.exe"
DENIED = 5


class Process(Record):
    image: str = OTHER
    born: int = 100
    starter: int = 4
    over: bool = False
    closed: bool = False
    """Nobody here may open it."""
    kept: bool = False
    """It may be looked at, and not ended."""


class Machine:
    """Processes by their numbers; ``image`` is this one's own program."""

    def __init__(self, processes: dict[int, Process], image: str = OTHER) -> None:
        self.processes = {os.getpid(): Process(image=image, starter=9999), **processes}
        self.ended: list[int] = []
        self.kernel32: Any = self
        self.ntdll: Any = self

    def EnumProcesses(self) -> tuple[int, ...]:
        return (0, *self.processes)

    def OpenProcess(self, access: int, number: int) -> Handle:
        found = self.processes.get(number)
        if found is None:
            raise failure("OpenProcess", LAST, orphans.NOBODY)
        if found.closed or (found.kept and access & PROCESS_TERMINATE):
            raise failure("OpenProcess", LAST, DENIED)
        return Handle(number, lambda value: None, f"process {number}")

    def GetCurrentProcess(self) -> Handle:
        return Borrowed(os.getpid(), "this process")

    def QueryFullProcessImageNameW(self, process: Handle) -> str:
        return self.processes[process.value].image

    def GetExitCodeProcess(self, process: Handle) -> int:
        return 0 if self.processes[process.value].over else STILL_ACTIVE

    def GetProcessTimes(self, process: Handle) -> tuple[int, int, int, int]:
        return self.processes[process.value].born, 0, 0, 0

    def ParentProcessId(self, process: Handle) -> int:
        return self.processes[process.value].starter

    def TerminateProcess(self, process: Handle, code: int) -> None:
        self.ended.append(process.value)
        self.processes[process.value] = self.processes[process.value].replace(over=True)

    def WaitForSingleObject(self, process: Handle, milliseconds: int) -> int:
        return 0


def nobody(process: Handle) -> bool:
    return False


def found(processes: dict[int, Process]) -> tuple[int, ...]:
    made: Any = Machine(processes)
    assert orphans.end(made, PLACE, nobody) == tuple(made.ended)
    return tuple(made.ended)


LEFT = Process(image=COPY, born=100, starter=50)


@pytest.mark.parametrize(("owner", "is_one"), [
    (None, True), (Process(born=90), False), (Process(born=90, over=True), True),
    (Process(born=100), False), (Process(born=101), True), (Process(closed=True), False),
], ids=["gone", "runs", "has ended and is held", "the same moment", "another one by now", "not to be asked"])
def test_only_one_whose_starter_is_gone(owner: Process | None, is_one: bool) -> None:
    processes = {60: LEFT} if owner is None else {50: owner, 60: LEFT}
    made: Any = Machine(processes)
    assert orphans.find(made, PLACE, nobody) == ((60,) if is_one else ()) and made.ended == []
    assert found(processes) == ((60,) if is_one else ())


@pytest.mark.parametrize("other", [
    LEFT.replace(image=OTHER), LEFT.replace(image=PLACE + r"x\pythonw.exe"), LEFT.replace(starter=0),
    LEFT.replace(image=r"C:\Users\bob" + orphans.PLACE + r"\3.11-abc\pythonw.exe"), LEFT.replace(closed=True),
    LEFT.replace(kept=True), LEFT.replace(over=True),
])
def test_other_processes_are_left_alone(other: Process) -> None:
    assert found({60: other}) == ()


def test_however_its_path_is_written() -> None:
    assert found({60: LEFT.replace(image=COPY.upper())}) == (60,)


@given(st.dictionaries(st.integers(10, 40), st.builds(
    Process, image=st.sampled_from([COPY, OTHER]), born=st.integers(1, 6), starter=st.integers(0, 40),
    over=st.booleans(), closed=st.booleans()), max_size=12))
def test_who_has_a_living_owner_is_never_ended(processes: dict[int, Process]) -> None:
    ended = found(processes)
    for number, one in processes.items():
        starter = processes.get(one.starter)
        living = starter is not None and (starter.closed or (not starter.over and starter.born <= one.born))
        living = living and one.starter not in ended
        if one.image != COPY or living or one.closed or not one.starter:
            assert number not in ended
    # ... and one with none is, wherever it stands among the others.
    for number, one in processes.items():
        if one.image == COPY and one.starter and one.starter not in processes and not (one.over or one.closed):
            assert number in ended


def test_what_somebody_keeps_is_left_alone_though_its_starter_is_gone() -> None:
    made: Any = Machine({60: LEFT, 61: LEFT})
    assert orphans.find(made, PLACE, lambda process: process.value == 60) == (61,)
    assert orphans.end(made, PLACE, lambda process: process.value == 60) == (61,) == tuple(made.ended)


def test_a_process_that_is_no_copy_looks_for_none() -> None:
    ours: Any = Machine({}, image=OTHER)
    assert orphans.own_place(ours) == ""
    copied: Any = Machine({}, image=COPY)
    assert orphans.own_place(copied) == PLACE


def test_a_machine_that_lists_no_processes() -> None:
    made: Any = Machine({60: LEFT})

    def refused() -> tuple[int, ...]:
        raise failure("K32EnumProcesses", LAST, DENIED)

    made.EnumProcesses = refused
    assert orphans.end(made, PLACE, nobody) == orphans.find(made, PLACE, nobody) == ()
