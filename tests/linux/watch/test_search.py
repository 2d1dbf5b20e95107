"""Repositories and settings that commands make deeper down, while the cell stays open: found and dealt with early."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import Sandbox
from sidewall.platforms.contract import Held
from sidewall.platforms.linux import watch as watch_module
from sidewall.platforms.linux import watch_aside, watch_scan, watch_search

Trap = Callable[[], tuple[Path, bool]]

TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


def hostile(inner: Path, program: Path) -> None:
    with open(inner / "config", "a") as stream:
        stream.write(f"[core]\n\tfsmonitor = {program}\n\thooksPath = {program.parent}\n")
    for name in ("pre-commit", "post-index-change"):
        shutil.copy(program, inner / "hooks" / name)
    (inner / "logs").mkdir(exist_ok=True)
    (inner / "logs/HEAD").unlink(missing_ok=True)
    (inner / "logs/HEAD").symlink_to(program)


def host_works(directory: Path, git) -> None:
    git(directory, "status")
    git(directory, "commit", "-q", "--allow-empty", "-m", "x")


@TIERS
def test_a_new_repository_is_dealt_with_each_time(workspace: Path, git, watch, trap: Trap, each: bool) -> None:
    (workspace / "old/place").mkdir(parents=True)
    program = trap()[0]
    before = program.read_bytes()
    watcher = watch(each=each)
    assert not watcher.look()
    assert watcher.compare() == ()
    for turn in range(3):
        for place in ("fresh/er/made", "old/place/made"):
            if not turn:
                git(workspace, "init", "-q", place)
            hostile(workspace / place / ".git", program)
        assert watcher.look()
        held = watcher.deal(calm=True)
        assert {item.action for item in held} == {"put back"}
        assert len(held) == 8, held
        assert watcher.look()
        assert watcher.deal(calm=True) == ()
        for place in ("fresh/er/made", "old/place/made"):
            host_works(workspace / place, git)
    assert not trap()[1]
    assert program.read_bytes() == before
    shutil.rmtree(workspace / "fresh")
    shutil.rmtree(workspace / "old/place/made")
    assert not watcher.look()
    assert watcher.compare(final=True) == ()


@TIERS
def test_what_is_being_made_is_left_until_it_is_older(workspace: Path, git, watch, trap: Trap, each: bool,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = watch(each=each)
    git(workspace, "init", "-q", "made")
    hostile(workspace / "made/.git", trap()[0])
    assert watcher.look()
    assert watcher.deal(calm=False) == ()
    assert (workspace / "made/.git/hooks/pre-commit").exists()
    monkeypatch.setattr(watch_search, "_SETTLED_SECONDS", 0.0)
    assert watcher.look()
    assert len(watcher.deal(calm=False)) == 4
    assert not (workspace / "made/.git/hooks/pre-commit").exists()


@TIERS
def test_new_settings(workspace: Path, watch, each: bool) -> None:
    (workspace / "deep").mkdir()
    watcher = watch(each=each)
    (workspace / "deep/.vscode").mkdir()
    (workspace / "deep/.vscode/tasks.json").write_text("{}")
    assert watcher.look()
    (held,) = watcher.deal(calm=True)
    assert (held.path, held.action) == (f"{workspace}/deep/.vscode", "put back" if each else "noticed")
    assert (workspace / "deep/.vscode").exists() != each
    # It is said once, and again at the end if it is still there.
    assert not watcher.look()
    assert len(watcher.compare(final=True)) == (0 if each else 1)


def submodule(workspace: Path, place: str, git) -> Path:
    """A new repository that the index of the outer one names, so that `git status` there looks into it."""
    git(workspace, "init", "-q", place)
    git(workspace / place, "commit", "-q", "--allow-empty", "-m", "one")
    git(workspace, "add", "-f", place)
    return workspace / place / ".git"


ASIDE = ("node_modules/x", "node_modules/@a/b/node_modules/c/d", ".venv/src/x", "a/__pycache__/x", "own.git/refs/x")


@TIERS
def test_repositories_where_nobody_else_looks(repository: Path, git, watch, trap: Trap, each: bool) -> None:
    program = trap()[0]
    git(repository, "init", "-q", "--bare", "own.git")
    watcher = watch(each=each)
    for place in ASIDE:
        hostile(submodule(repository, place, git), program)
    git(repository, "init", "-q", "--bare", "node_modules/y/bare")
    hostile(repository / "node_modules/y/bare", program)
    held = watcher.compare(final=True)
    assert {item.action for item in held} == {"put back"}
    assert len(held) == 4 * (len(ASIDE) + 1), held
    git(repository, "status")
    git(repository, "commit", "-qm", "all")
    for place in (*ASIDE, "node_modules/y/bare"):
        git(repository / place, "log", check=False)
    assert not trap()[1]


@TIERS
def test_those_are_found_while_the_cell_is_open(repository: Path, git, watch, trap: Trap, each: bool,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """What came behind the round is found by the next."""
    monkeypatch.setattr(watch_aside, "SLICE_SECONDS", 60.0)
    git(repository, "init", "-q", "--bare", "own.git")
    for number in range(20):
        (repository / f"node_modules/p{number}/lib").mkdir(parents=True)
    watcher = watch(each=each)
    held: list[Held] = []
    for places in (ASIDE, ("node_modules/p0/late",)):
        for place in places:
            hostile(submodule(repository, place, git), trap()[0])
        for _ in range(2):
            held += watcher.compare()
            watcher.look()
            held += watcher.deal(calm=True)
    assert len(held) == 4 * (len(ASIDE) + 1), held
    git(repository, "status")
    git(repository, "commit", "-qm", "all")
    assert not trap()[1]
    assert watcher.compare(final=True) == ()


def test_a_round_takes_a_little_of_each_look(repository: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (repository / f"node_modules/p{number}/lib").mkdir(parents=True)
    watcher = watch(each=True)
    seen: list[str] = []
    real = watch_aside.aside

    def counted(above: int, name: str, path: str, *more: Any) -> list[str]:
        seen.append(path)
        return real(above, name, path, *more)

    monkeypatch.setattr(watch_aside, "aside", counted)
    monkeypatch.setattr(watch_aside, "SLICE_SECONDS", 0.0)
    for _ in range(30):
        before = len(seen)
        watcher.look()
        assert len(seen) - before == 1
    monkeypatch.setattr(watch_aside, "SLICE_SECONDS", 60.0)
    watcher.look()
    assert len(seen) == len(set(seen)) == 101


@TIERS
def test_repositories_beyond_what_is_looked_through(repository: Path, git, watch, trap: Trap, each: bool,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_scan, "MOST_DIRECTORIES", 10)
    for number in range(30):
        (repository / f"d{number}/e").mkdir(parents=True)
    watcher = watch(each=each)
    for number in (0, 15, 29):
        hostile(submodule(repository, f"d{number}/e/new", git), trap()[0])
    assert len([item for item in watcher.compare(final=True) if item.action == "put back"]) == 12
    git(repository, "status")
    assert not trap()[1]


def test_the_users_own_among_packages_stay(repository: Path, git, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = submodule(repository, "node_modules/a/b/c", git)
    git(inner.parent, "config", "core.editor", "mine")
    monkeypatch.setattr(watch_scan, "TICK_NS", 0)
    time.sleep(0.05)
    watcher = watch(each=False)
    assert watcher.compare(final=True) == ()
    time.sleep(0.05)
    (inner / "hooks/post-commit").write_text("")
    assert [item.path for item in watcher.compare(final=True)] == [f"{inner}/config", f"{inner}/hooks/post-commit"]


@TIERS
def test_a_long_head_is_one(workspace: Path, git, watch, trap: Trap, each: bool) -> None:
    """Git reads the beginning of it."""
    (workspace / "sub").mkdir()
    watcher = watch(each=each)
    git(workspace, "init", "-q", "--bare", "model")
    for name in ("objects", "refs"):
        (workspace / "sub" / name).mkdir()
    (workspace / "sub/HEAD").write_bytes(b"ref: refs/heads/main\n" + bytes(9000))
    (workspace / "sub/config").write_text(f"[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = {trap()[0]}\n")
    assert [item.path for item in watcher.compare(final=True)] == [f"{workspace}/sub/HEAD"]
    git(workspace / "sub", "status", check=False)
    assert not trap()[1]


@TIERS
def test_clean_work_is_left_alone(workspace: Path, tmp_path: Path, git, watch, each: bool) -> None:
    git(tmp_path, "init", "-q", "upstream")
    git(tmp_path / "upstream", "commit", "-q", "--allow-empty", "-m", "one")
    watcher = watch(each=each)
    git(workspace, "clone", "-q", str(tmp_path / "upstream"), "clone")
    git(workspace, "init", "-q", "made")
    git(workspace / "made", "commit", "-q", "--allow-empty", "-m", "one")
    git(workspace, "clone", "-q", str(tmp_path / "upstream"), "node_modules/x/clone")
    assert watcher.look()
    assert watcher.deal(calm=True) == ()
    git(workspace / "made", "worktree", "add", "-q", "../tree")
    git(workspace / "made", "worktree", "add", "-q", "../node_modules/other")
    git(workspace / "made", "submodule", "--quiet", "add", str(tmp_path / "upstream"), "lib")
    git(workspace / "made", "commit", "-qm", "lib")
    assert watcher.look()
    assert watcher.deal(calm=True) == ()
    git(workspace / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()
    assert git(workspace / "made/lib", "status", "--porcelain") == ""


def test_a_gitfile_to_the_users_own_repository_stays(repository: Path, git, watch) -> None:
    """Of a linked worktree that a command adds to a repository that was there before."""
    watcher = watch(each=True)
    git(repository, "worktree", "add", "-q", "deep/tree")
    assert watcher.compare() == ()
    assert watcher.look()
    assert watcher.deal(calm=True) == ()
    git(repository / "deep/tree", "status")
    (repository / "deep/tree/.git").write_text("gitdir: ../../innocent\n")
    watcher.look()
    assert [item.path for item in watcher.deal(calm=True)] == [f"{repository}/deep/tree/.git"]


def test_how_often(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes a millisecond is due again after fifty, however much there is to look at."""
    now = [100.0]
    monkeypatch.setattr(watch_module.time, "monotonic", lambda: now[0])
    watcher = watch(each=False)
    real = watch_search.survey

    def slow(*words: object, **named: object) -> object:
        now[0] += 0.001
        return real(*words, **named)

    monkeypatch.setattr(watch_search, "survey", slow)
    assert not watcher.due()
    now[0] += 0.021
    assert watcher.due()
    watcher.look()
    assert not watcher.due()
    now[0] += 0.049
    assert not watcher.due()
    now[0] += 0.002
    assert watcher.due()


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_while_the_sandbox_is_open(tmp_path: Path, git, trap: Trap, tier: str) -> None:
    """The user's git in a repository that a command made runs nothing of it, though the sandbox is still open."""
    work = tmp_path / "work"
    (work / "old").mkdir(parents=True)
    program = trap()[0]
    (work / "evil").write_text(f"[core]\n\tfsmonitor = {program}\n[alias]\n\tx = !{program}\n")
    try:
        box = Sandbox(workspace=work, tier=tier)
        with box:
            told = [change.path for change in box.run(
                ["sh", "-ec", "git init -q old/made; cat evil >> old/made/.git/config"], timeout=60).changes]
            deadline = time.monotonic() + 30
            while "fsmonitor" in (work / "old/made/.git/config").read_text():
                assert time.monotonic() < deadline
                told += [change.path for change in box.run(["true"], timeout=60).changes]
            git(work / "old/made", "status")
            assert any(path.endswith("old/made/.git/config") for path in told)
            again = box.run(["git", "-C", "old/made", "status"], timeout=60, stdout=subprocess.DEVNULL)
            assert again.returncode == 0
    except sidewall.MachineError as error:
        pytest.skip(f"no such tier here: {error}")
    assert not trap()[1]


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_while_something_goes_on(tmp_path: Path, git, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in the background keeps nothing from being dealt with, once it is older."""
    monkeypatch.setattr(watch_search, "_SETTLED_SECONDS", 0.2)
    work = tmp_path / "work"
    (work / "old").mkdir(parents=True)
    try:
        with Sandbox(workspace=work, tier=tier) as box, box.start(["sleep", "60"]) as background:
            box.run(["sh", "-ec", "git init -q old/made; git -C old/made config alias.x '!evil'"], timeout=60)
            deadline = time.monotonic() + 30
            while "evil" in (work / "old/made/.git/config").read_text():
                assert time.monotonic() < deadline
                box.run(["sleep", "0.02"], timeout=60)
            assert background.poll() is None
            background.kill()
    except sidewall.MachineError as error:
        pytest.skip(f"no such tier here: {error}")
    assert os.path.isdir(work / "old/made/.git")
