"""Protected names that a command makes deep in a workspace."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import PYTHON, ended, opened, pipe, run, start

from sidewall.platforms.windows import dll
from sidewall.platforms.windows.cell import TokenCell


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
