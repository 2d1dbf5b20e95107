"""Cells of the token tiers opened and closed on a Windows in memory, each call made to fail once.

One failure is told as an error of ours or does no harm, and nothing of the cell is left: no handle, program, desktop,
directory, access list or record in the journal.  Where the failing call was to take something back, what is left is
gone after the next cell.  The file calls of the standard library are carried out on the same memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from tests.plan.windows import proving
from tests.windows.acl_machines import Machine, Process, texts
from tests.windows.acl_scenes import little_world
from tests.windows.memory import cells
from tests.windows.memory.test_failures import chosen

from sidewall.errors import InternalError, MachineError
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.platforms.windows import backend, handles, probe_place, process, temporary
from sidewall.platforms.windows.cell import TokenCell
from sidewall.platforms.windows.handles import Borrowed
from sidewall.platforms.windows.opening import step
from sidewall.platforms.windows.store import StoreError
from sidewall.platforms.windows.token_opening import TokenOpening

T = TypeVar("T")
HOME = "C:\\Users\\u"
TIERS = ("token", "token-strict")


@cache
def plan(tier: str) -> Plan:
    about = proving.policy_for(little_world(), protected=(".vscode", ".envrc"))
    return proving.plan_for(little_world(), tier, policy=about)


class Counted(Process):
    """The access lists' own calls are counted among all others."""

    windows: Any = None

    def enter(self, call: str, path: str) -> None:
        if self.windows is not None:
            number = len(self.windows.calls)
            self.windows.calls.append(call)
            if number == self.windows.fail_at:
                self.fail_at = self.calls + 1
        super().enter(call, path)


class Scene:
    """One machine; ``lists`` are the access lists of the process that acts."""

    def __init__(self, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan = plan(tier)
        recipe = step(self.plan, TokenRecipe)
        assert recipe is not None
        self.state = cells.machine(recipe, HOME)
        self.windows = self.state.windows
        self.files = Machine.of(little_world())
        self.process = self._process()
        state = self.state
        monkeypatch.setattr(temporary, "os", SimpleNamespace(getpid=lambda: state.pid, listdir=state.names,
                                                             urandom=os.urandom))
        monkeypatch.setattr(probe_place, "os", SimpleNamespace(path=SimpleNamespace(isdir=state.there,
                                                                                    exists=state.there)))
        monkeypatch.setattr(process, "handle_of", lambda descriptor: Borrowed(descriptor, "a descriptor"))

    def _process(self) -> Counted:
        self.files.started += 1
        self.files.living.add(self.files.started)
        made = Counted(self.files, self.files.started)
        made.windows = self.windows
        return made

    def open(self) -> TokenCell:
        return backend._opened(TokenOpening(self.state.api(HOME), self.plan), lambda: self.process.lists)

    def next(self) -> None:
        """Our process is gone, and another opens and closes a cell."""
        self.windows.fail_at = -1
        self.process.kill()
        self.process = self._process()
        self.state.pid += 1
        cell = self.open()
        cell.close()
        assert cell.last_held == ()

    def picture(self) -> dict[str, Any]:
        """All that a cell must not leave."""
        return {"handles": sorted(handles.ledger.open), "programs": len(self.state.running()),
                "descriptors": len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0,
                "leaked": list(handles.ledger.leaked),
                "files": {path: (one.descriptor, one.data, len(one.opens))
                          for path, one in self.windows.files.items()},
                "desktops": dict(self.windows.desktops), "station": self.state.station,
                "lists": texts(self.files.disk), "journal": self.files.log}


def recorded(tier: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int]:
    """The calls without a failure, and how many of them open the cell."""
    scene = Scene(tier, monkeypatch)
    before = scene.picture()
    cell = scene.open()
    opened = len(scene.windows.calls)
    assert scene.picture() != before
    cell.close()
    assert cell.last_held == () and scene.picture() == before
    return list(scene.windows.calls), opened


def attempt(action: Callable[[], T]) -> tuple[T | None, MachineError | None]:
    """What it gave, or the error that it raised; any other exception is one too many."""
    try:
        return action(), None
    except MachineError as error:
        return None, error


def said_well(error: MachineError, call: str) -> bool:
    """Whether it names the call and says what to do.  The store in memory gives no remedies; the real one's are those
    of the calls that it makes."""
    named = "journal" in error.message if call.startswith("journal") else call in error.message
    return named and bool(error.hint or isinstance(error, StoreError)) and not isinstance(error, InternalError)


@pytest.mark.parametrize("tier", TIERS)
def test_an_opening_of_which_a_call_fails_leaves_nothing(tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, opened = recorded(tier, monkeypatch)
    failed = 0
    for number in [one for one in chosen(calls) if one < opened]:
        scene = Scene(tier, monkeypatch)
        before = scene.picture()
        scene.windows.fail_at = number
        where = f"call {number} ({calls[number]})"
        cell, error = attempt(scene.open)
        if error is not None:
            failed += 1
            assert said_well(error, calls[number]), (where, error.message, error.hint)
        else:
            assert cell is not None
            cell.close()
            assert cell.last_held == (), where
        after = scene.picture()
        assert after == before, (where, {key for key in before if before[key] != after[key]})
    assert failed > 60


@pytest.mark.parametrize("tier", TIERS)
def test_a_close_of_which_a_call_fails_says_what_is_left_and_the_next_cell_takes_it(
        tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, opened = recorded(tier, monkeypatch)
    told = 0
    for number in [one for one in chosen(calls) if one >= opened]:
        scene = Scene(tier, monkeypatch)
        before = scene.picture()
        cell = scene.open()
        scene.windows.fail_at = number
        where = f"call {number} ({calls[number]})"
        _, error = attempt(cell.close)
        assert error is None or said_well(error, calls[number]), where
        said = error is not None or bool(cell.last_held)
        told += said
        after = scene.picture()
        kept = {key for key in before if before[key] != after[key]}
        assert said or not kept, (where, kept)
        assert kept <= {"files", "lists", "journal"}, (where, kept)
        scene.next()
        assert scene.picture() == before, where
    assert told > 3


def test_the_calls_are_many_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"CreateJobObjectW", "CreateRestrictedToken", "AccessCheck", "CreateWindowStationW", "CreateDesktopW",
            "CreateProcessAsUserW", "ResumeThread", "IsProcessInJob", "CreateDirectoryW", "NtCreateFile",
            "FindFirstChangeNotificationW", "TerminateJobObject", "journal append"} <= set(
                recorded("token", monkeypatch)[0])
