"""Protected names that a command makes deep in a workspace."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import PYTHON, SECONDS, ended, opened, pipe, run, start

from sidewall.platforms.windows import api, dll, jobs
from sidewall.platforms.windows import opened as opened_cells
from sidewall.platforms.windows.cell import TokenCell
from sidewall.platforms.windows.constants_process import PROCESS_ALL_ACCESS, WAIT_OBJECT_0
from sidewall.platforms.windows.handles import Handle


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    os.makedirs(tmp_path / "deep" / "er")
    os.makedirs(tmp_path / "old" / ".vscode")
    return os.path.realpath(tmp_path)


@pytest.fixture
def cell(workspace: str) -> Iterator[TokenCell]:
    made = opened(workspace)
    yield made
    made.close()


def test_a_protected_name_is_put_away_and_said(cell: TokenCell, workspace: str) -> None:
    run(cell, "cmd", "/c", "mkdir deep\\er\\.VSCode & mkdir deep\\.claude & echo x> deep\\.claude\\settings.json")
    held = {act.path.lower(): act for act in cell.settle()}
    assert held.keys() == {os.path.join(workspace, "deep", name).lower() for name in (r"er\.vscode", ".claude")}
    assert all(act.action == "put back" for act in held.values())
    assert not os.path.exists(os.path.join(workspace, "deep", ".claude"))
    aside = held[os.path.join(workspace, "deep", ".claude").lower()].reason.rpartition("moved to ")[2]
    assert Path(aside, "settings.json").read_text("utf-8").strip() == "x"
    assert os.path.isdir(os.path.join(workspace, "old", ".vscode"))
    assert cell.settle() == ()


def test_what_still_runs_is_waited_for(cell: TokenCell, workspace: str) -> None:
    reading, writing = pipe()
    child = start(cell, PYTHON, "-c", "import sys; sys.stdin.read()", stdin=reading)
    os.close(reading)
    run(cell, "cmd", "/c", "mkdir deep\\.idea")
    assert cell.settle() == ()
    assert os.path.isdir(os.path.join(workspace, "deep", ".idea"))
    os.close(writing)
    ended(child)
    child.close()
    assert [act.path for act in cell.settle()] == [os.path.join(workspace, "deep", ".idea")]


class SlowConsole:
    """A command that makes ``deep\\.idea`` and ends, and the host of its console, which does nothing until it may.  On
    a system where that is no process of the job there is nothing to hold up."""

    def __init__(self, cell: TokenCell) -> None:
        reading, writing = pipe()
        told, telling = pipe()
        child = start(cell, PYTHON, "-c", "import os; print('begun', flush=True); input(); os.mkdir('deep/.idea')",
                      stdin=reading, stdout=telling)
        os.close(reading)
        os.close(telling)
        assert os.read(told, 100).strip() == b"begun"
        os.close(told)
        self.kernel = api.native().kernel32
        self.job: Handle = cell._job
        self.hosts = [self.kernel.OpenProcess(PROCESS_ALL_ACCESS, number)
                      for number in jobs.console_hosts(api.native(), self.job, 1)]
        self._each("NtSuspendProcess")
        os.write(writing, b"\r\n")
        os.close(writing)
        ended(child)
        child.close()

    def _each(self, what: str) -> None:
        for host in self.hosts:
            assert getattr(ctypes.WinDLL("ntdll"), what)(ctypes.c_void_p(host.value)) == 0

    def go(self) -> None:
        self._each("NtResumeProcess")
        for host in self.hosts:
            assert self.kernel.WaitForSingleObject(host, int(SECONDS * 1000)) == WAIT_OBJECT_0
            host.close()


def test_the_console_of_a_command_may_take_its_time_to_go(cell: TokenCell, workspace: str) -> None:
    slow = SlowConsole(cell)
    later = threading.Timer(4 * opened_cells.MOMENT, slow.go)
    later.start()
    assert [act.path for act in cell.settle()] == [os.path.join(workspace, "deep", ".idea")]
    later.join()


def test_a_console_that_stays_is_waited_for_once(cell: TokenCell, workspace: str, monkeypatch: pytest.MonkeyPatch
                                                 ) -> None:
    slow = SlowConsole(cell)
    if slow.hosts:
        for seconds in (0.3, 3600.0):
            monkeypatch.setattr(opened_cells, "CONSOLE_SECONDS", seconds)
            assert cell.settle() == ()
    slow.go()
    assert [act.path for act in cell.settle()] == [os.path.join(workspace, "deep", ".idea")]


def test_the_end_of_the_cell_looks_too(workspace: str) -> None:
    made = opened(workspace)
    run(made, "cmd", "/c", "mkdir deep\\.idea")
    made.close()
    assert [act.path for act in made.last_held] == [os.path.join(workspace, "deep", ".idea")]


def test_nothing_is_looked_through_when_no_name_changed(cell: TokenCell, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cell, "cmd", "/c", "exit 0")
    cell.settle()
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail(f"looks at {path}"))
    calls: list[str] = []
    dll.trace = lambda library, function: calls.append(function)
    try:
        assert cell.settle() == ()
    finally:
        dll.trace = None
    assert calls == ["WaitForSingleObject"]


def test_it_is_put_away_below_open_directories(cell: TokenCell, workspace: str, monkeypatch: pytest.MonkeyPatch
                                               ) -> None:
    """A path that leads through the workspace may lead elsewhere by then: only the volume's root is opened by one."""
    by_path: list[str] = []
    kernel = type(api.native().kernel32)
    opens = kernel.CreateFileW

    def opened_by(self: object, path: str, *values: object, **named: object) -> object:
        by_path.append(path)
        return opens(self, path, *values, **named)

    run(cell, "cmd", "/c", "mkdir deep\\er\\.idea")
    monkeypatch.setattr(kernel, "CreateFileW", opened_by)
    monkeypatch.setattr(os, "rename", None)
    (held,) = cell.settle()
    assert held.action == "put back" and os.path.isdir(held.reason.rpartition("moved to ")[2])
    assert by_path and {len(path.removeprefix("\\\\?\\")) for path in by_path} == {len("C:\\")}
