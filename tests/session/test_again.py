"""Opening one sandbox after another in a workspace: whatever changed in between counts.

Knows: how to open a sandbox with this machine's own cell.  Must not know: what is remembered from one to the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.session.conftest import options

from sidewall import Sandbox
from sidewall.session import opening

SETTLED_SECONDS = 0.15
"""After that, what the file system says of a directory is relied on."""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace in which nothing has changed lately."""
    work = tmp_path / "work"
    (work / "deep/deeper").mkdir(parents=True)
    (work / "secret").write_text("hidden?")
    time.sleep(SETTLED_SECONDS)
    return work


@pytest.fixture
def run(work: Path) -> Callable[..., bool]:
    """Whether a command succeeds in a sandbox of its own."""
    given = options("machine")

    def once(script: str, **changes: object) -> bool:
        with Sandbox(workspace=work, **{**given, **changes}) as sandbox:
            return sandbox.run(["sh", "-c", script], capture_output=True).returncode == 0

    return once


def test_a_protected_name_that_came_is_held(work: Path, run: Callable[..., bool]) -> None:
    assert run("true") and run("true")
    (work / "deep/deeper/.vscode").mkdir()
    assert not run("echo x > deep/deeper/.vscode/settings.json")
    assert not run("mv deep/deeper deep/other")
    assert not any((work / "deep/deeper/.vscode").iterdir())


def test_one_that_went_is_not_held_any_more(work: Path, run: Callable[..., bool]) -> None:
    (work / "deep/deeper/.vscode").mkdir()
    time.sleep(SETTLED_SECONDS)
    assert not run("mv deep/deeper deep/other")
    (work / "deep/deeper/.vscode").rmdir()
    assert run("mv deep/deeper deep/other")


def test_a_repository_that_came_is_held(work: Path, run: Callable[..., bool]) -> None:
    assert run("true")
    (work / "deep/deeper/.git").mkdir()
    assert not run("rm -r deep/deeper/.git || mv deep/deeper/.git deep/away")
    assert (work / "deep/deeper/.git").is_dir()


def test_each_sandbox_has_its_own_rules(work: Path, run: Callable[..., bool]) -> None:
    for _turn in range(2):
        assert run("cat secret")
        assert not run("cat secret", deny=[work / "secret"])


def test_another_workspace_has_its_own_plan(work: Path, run: Callable[..., bool], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert run("echo x > mine")
    with Sandbox(workspace=other, **options("machine")) as sandbox:
        assert sandbox.run(["sh", "-c", "echo x > mine"]).returncode == 0
        assert sandbox.run(["sh", "-c", f"echo x > {work}/theirs"], capture_output=True).returncode != 0
    assert (other / "mine").exists() and not (work / "theirs").exists()


def test_the_plan_of_the_last_time_is_the_one_that_would_be_made(work: Path, run: Callable[..., bool],
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("true")
    policy, facts, tier, plan = opening._last or pytest.fail("nothing is kept")
    assert opening._planned(policy.replace(), facts.replace(), tier) is plan
    monkeypatch.setattr(opening, "_last", None)
    anew = opening._planned(policy, facts, tier)
    assert anew is not plan and anew == plan
