"""Two cells in one workspace: what a command of the first made is not the user's to the second.

Knows: what is made when.  Must not know: what either of them mounts.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.platforms.linux.watch_others import Standing

from .listening import bare

Trap = Callable[[], tuple[Path, bool]]

TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


@pytest.fixture(autouse=True)
def birth_times(tmp_path: Path) -> None:
    done = subprocess.run(["stat", "-c", "%W", str(tmp_path)], capture_output=True, text=True, timeout=20)
    if not done.stdout.strip().isdigit() or int(done.stdout) == 0:
        pytest.skip("this file system has no birth times")


def entries(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "state/sidewall/watchers")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the second ends last", "the first ends last"])
@TIERS
def test_what_the_first_made_is_new_to_the_second(workspace: Path, tmp_path: Path, git, watch, trap: Trap, each: bool,
                                                  order: tuple[int, int]) -> None:
    (workspace / "looks/objects").mkdir(parents=True)
    watchers = [watch(each=each)]
    for place in ("sub/.git", "bare"):
        bare(workspace / place)
        (workspace / place / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
                                                  f"\tworktree = {workspace}\n\tfsmonitor = {trap()[0]}\n")
    watchers.append(watch(each=each))
    for watcher in watchers:
        watcher.compare()
        watcher.look()
        watcher.deal(calm=True)
    for number in order:
        watchers[number].compare(final=True)
        watchers[number].close()
    for place in ("sub", "bare"):
        for command in (["status"], ["add", "-A"], ["status"]):
            git(workspace / place, *command, check=False)
    assert not trap()[1]
    assert (workspace / "bare/HEAD").exists(), "a repository that a command made stays one"
    assert entries(tmp_path) == []


@TIERS
def test_the_users_own_stays_though_it_is_used(repository: Path, git, watch, each: bool) -> None:
    git(repository, "init", "-q", "--bare", "own.git")
    git(repository, "worktree", "add", "-q", "tree")
    for place in (".", "own.git"):
        git(repository / place, "config", "core.editor", "mine")
    time.sleep(0.15)
    first = watch(each=each)
    for place in (".", "tree"):
        git(repository / place, "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "push", "-q", "own.git", "HEAD:refs/heads/main")
    git(repository / "own.git", "symbolic-ref", "HEAD", "refs/heads/other")
    second = watch(each=each)
    assert first.compare(final=True) == ()
    assert second.compare(final=True) == ()
    assert git(repository / "own.git", "config", "core.editor") == "mine\n"
    assert git(repository, "config", "core.editor") == "mine\n"


def test_a_directory_of_the_user_that_was_made_to_look_like_one(workspace: Path, watch) -> None:
    (workspace / "mine").mkdir()
    time.sleep(0.15)
    watch(each=True)
    bare(workspace / "mine")
    second = watch(each=True)
    held = second.compare(final=True)
    assert [item.path for item in held] == [f"{workspace}/mine/HEAD"]


def test_who_stands_where(tmp_path: Path) -> None:
    for name in ("a/b", "ab"):
        (tmp_path / name).mkdir(parents=True)
    began = time.time_ns()
    first = Standing((f"{tmp_path}/a",), began)
    assert first.since_ns == 0
    around = Standing((str(tmp_path),), began + 5)
    inside = Standing((f"{tmp_path}/elsewhere", f"{tmp_path}/a/b"), began + 7)
    assert 0 < around.since_ns == inside.since_ns <= began
    beside = Standing((f"{tmp_path}/ab",), began + 9)
    assert began - 1_000_000_000 < beside.since_ns <= began + 5
    around.close()
    apart = Standing((f"{tmp_path}/ab/c",), began + 11)
    assert beside.since_ns and apart.since_ns
    for one in (beside, apart):
        one.close()
    alone = Standing((f"{tmp_path}/ab",), began + 13)
    assert alone.since_ns == 0
    for one in (first, inside, alone, alone):
        one.close()
    assert entries(tmp_path) == []


def test_what_a_killed_owner_left_is_cleared(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        try:
            Standing((str(tmp_path),), 5)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert len(entries(tmp_path)) == 1
    standing = Standing((str(tmp_path),), 10)
    assert standing.since_ns == 0
    assert len(entries(tmp_path)) == 1
    pid = os.fork()
    if not pid:
        try:
            standing.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert len(entries(tmp_path)) == 1, "a copy of the process takes nothing away"
    standing.close()
    assert entries(tmp_path) == []


def test_without_a_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    standing = Standing((str(tmp_path),), 5)
    assert standing.since_ns == 0
    standing.close()
