"""What git is told to take from the workspace is found, wherever it is told and however it is spelled.

Knows: git-config(1), githooks(5).  Must not know: how a place is held.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the steering of Linux", allow_module_level=True)

from sidewall.plan import facts as fact
from sidewall.plan.facts import GitFact
from sidewall.platforms.linux import steering
from sidewall.policy.protect import HOOKS

Found = Callable[..., dict[str, str]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """``found(config, repository, roots)``: what is to be held, relative to the first directory, and of which kind."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    work = tmp_path / "work"
    (work / "lib").mkdir(parents=True)
    for repository in (work, work / "lib"):
        (repository / ".git/hooks").mkdir(parents=True)

    def find(config: str, repository: str = ".", roots: tuple[str, ...] = (".",)) -> dict[str, str]:
        top = work / repository
        (top / ".git/config").write_text(config)
        git = GitFact(path=os.path.normpath(top / ".git"), kind=fact.DIRECTORY, common=os.path.normpath(top / ".git"))
        writable = tuple(os.path.normpath(work / each) for each in roots)
        told = steering.places([git], os.fspath(tmp_path / "home"), writable)
        return {os.path.relpath(each.path, work): each.kind for each in told}

    return find


def hooks(directory: str = ".") -> dict[str, str]:
    return {os.path.normpath(f"{directory}/{name}"): fact.MISSING for name in HOOKS}


def test_hooks_in_the_working_tree_are_held_one_by_one(found: Found, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "tools").mkdir()
    (work / "update").mkdir()
    (work / "post-merge").write_text("#!/bin/sh\n")
    (work / "pre-push").symlink_to("tools/push")
    (work / "around").symlink_to(".")
    (work / "unrelated").symlink_to("/etc")
    there = {**hooks(), "update": fact.DIRECTORY, "post-merge": fact.FILE, "pre-push": fact.SYMLINK,
             "tools/push": fact.MISSING}
    for value in (".", "tools/..", "./", os.fspath(work), "lib/../tools/.."):
        assert found(f"[core]\n\thooksPath = {value}\n") == there, value
    for value in ("around", "around/", "around/lib/.."):
        assert found(f"[core]\n\thooksPath = {value}\n") == {**there, "around": fact.SYMLINK}, value


def test_hooks_around_a_repository_inside(found: Found) -> None:
    assert found("[core]\nhooksPath = ..\n", "lib") == hooks()
    assert found("[core]\nhooksPath = .\n", "lib") == hooks("lib")
    assert found("[core]\nhooksPath = ..\n", "lib", ("lib",)) == {}, "it is not writable"
    assert found("[core]\nhooksPath = ../..\n", "lib") == {}, "it is not writable"


def test_hooks_at_another_writable_directory(found: Found, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert found("[core]\nhooksPath = ../other\n", roots=(".", "../other")) == hooks("../other")
    assert found("[core]\nhooksPath = ../other\n") == {}


def test_hooks_in_the_git_directory_itself(found: Found) -> None:
    assert found("[core]\nhooksPath = .git\n") == hooks(".git")
    assert found("[core]\nhooksPath = .git/hooks\n") == {".git/hooks": fact.DIRECTORY}


def test_a_link_on_the_way_is_held_with_the_place_to_which_the_system_goes(found: Found, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "deep/er/hooks").mkdir(parents=True)
    for name, target in {"link": "deep/er", "second": "link", "out": "../away", "round": "round",
                         "deep/er/hooks/pre-push": "../../../second/push"}.items():
        (work / name).symlink_to(target)
    (tmp_path / "away").symlink_to("work/deep")
    for value, there in {
        "link/hooks": {"link": fact.SYMLINK, "deep/er/hooks": fact.DIRECTORY, "second": fact.SYMLINK,
                       "deep/er/push": fact.MISSING},
        # By its letters it is `hooks`; git opens `deep/hooks`.
        "link/../hooks": {"link": fact.SYMLINK, "deep/hooks": fact.MISSING},
        "second/x": {"second": fact.SYMLINK, "link": fact.SYMLINK, "deep/er/x": fact.MISSING},
        "out/x": {"out": fact.SYMLINK, "deep/x": fact.MISSING},
        "out/../x": {"out": fact.SYMLINK, "x": fact.MISSING},
        "round/x": {"round": fact.SYMLINK},
    }.items():
        assert found(f"[core]\nhooksPath = {value}\n") == there, value


def test_programs_of_configured_hooks(found: Found, tmp_path: Path) -> None:
    (tmp_path / "work/check").write_text("#!/bin/sh\n")
    assert found('[hook "lint"]\n\tevent = pre-commit\n\tcommand = ./check --all\n') == {"check": fact.FILE}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_git_gives_samples_of_is_on_the_list() -> None:
    templates = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, timeout=20,
                                    check=True).stdout.strip(), "../../share/git-core/templates/hooks")
    samples = {path.name.removesuffix(".sample") for path in templates.glob("*.sample")}
    assert samples <= HOOKS
