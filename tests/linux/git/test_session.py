"""An open sandbox and its user, who both use git in the same repository: each sees what the other did.

Knows: ``sidewall.Sandbox``, git.  Must not know: how the view inside is made fresh.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sidewall
from sidewall import Sandbox

SECONDS = 60.0

Git = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the user's own configuration, which git inside and outside reads."""
    made = tmp_path / "home"
    made.mkdir()
    (made / ".gitconfig").write_text(
        "[user]\n name = A U Thor\n email = author@example.invalid\n[init]\n defaultBranch = main\n"
        "[alias]\n subjects = log --all --format=%s\n[gc]\n autoDetach = false\n[protocol \"file\"]\n allow = always\n"
        "[core]\n logAllRefUpdates = always\n[status]\n showUntrackedFiles = all\n")
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made / ".config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(made / ".state"))
    return made


@pytest.fixture
def work(tmp_path: Path, home: Path, git: Git) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    git("init -q; echo one > f; git add f; git commit -qm first; git branch topic; git tag v1", made)
    return made


@pytest.fixture
def git(home: Path) -> Git:
    """``git("words; git more", directory)``: the user's shell."""

    def run(words: str, directory: Path) -> str:
        done = subprocess.run(["sh", "-ec", f"git {words}"], cwd=directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextlib.contextmanager
def opened(work: Path) -> Iterator[Sandbox]:
    """A sandbox whose cell stands already; the first command would make it else."""
    with Sandbox(workspace=work, tier="namespace") as made:
        try:
            made._opening.ready()
        except sidewall.SidewallError as error:
            pytest.skip(f"no namespace tier here: {error}")
        yield made


@pytest.fixture
def box(work: Path) -> Iterator[Sandbox]:
    with opened(work) as made:
        yield made


def inside(box: Sandbox, words: str) -> str:
    done = box.run(["sh", "-ec", f"git {words}"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_each_sees_the_commits_of_the_other(box: Sandbox, work: Path, git: Git) -> None:
    expected = ["first"]
    for turn in range(3):
        git(f"commit -q --allow-empty -m outside{turn}", work)
        expected.insert(0, f"outside{turn}")
        assert inside(box, "log --format=%s").split() == expected
        done = box.run(["git", "commit", "-q", "--allow-empty", "-m", f"inside{turn}"], timeout=SECONDS)
        assert done.returncode == 0
        assert [change for change in done.changes if change.kind in ("conflict", "held", "noticed")] == []
        expected.insert(0, f"inside{turn}")
        assert git("log --format=%s", work).split() == expected
    assert git("subjects", work) == inside(box, "subjects")
    assert git("reflog", work) == inside(box, "reflog")
    assert git("status --porcelain", work) == inside(box, "status --porcelain") == ""
    git("fsck --strict", work)


def test_what_the_cell_knew_is_forgotten(box: Sandbox, work: Path, git: Git) -> None:
    """Files, the want of files and whole listings that git inside has seen, and that the user then changed."""
    assert inside(box, "for-each-ref --format='%(refname:short)'").split() == ["main", "topic", "v1"]
    assert inside(box, "show-ref --verify -q refs/heads/deep/new || echo none") == "none\n"
    git("branch deep/new; git branch -D topic; git tag v2; git commit -q --allow-empty -m two; git gc -q --prune=now",
        work)
    shown = inside(box, "for-each-ref --format='%(refname:short)'").split()
    assert shown == ["deep/new", "main", "v1", "v2"]
    assert inside(box, "log -1 --format=%s") == "two\n"
    git("checkout -q -b other; echo two > g; git add g", work)
    assert inside(box, "status --porcelain --branch").split() == ["##", "other", "A", "g"]
    (work / ".git/index.lock").touch()
    assert "index.lock" in inside(box, "add f 2>&1 || true; echo x > f; git add f 2>&1 || true")
    (work / ".git/index.lock").unlink()
    inside(box, "add f; git commit -qm three")
    assert git("log -1 --format=%s", work) == "three\n"


def test_before_the_first_command(work: Path, git: Git) -> None:
    """What the user commits after the opening is where the first command starts from; it is no conflict."""
    with opened(work) as box:
        git("commit -q --allow-empty -m outside", work)
        done = box.run(["git", "commit", "-q", "--allow-empty", "-m", "inside"], timeout=SECONDS)
        assert done.returncode == 0
        assert {change.kind for change in done.changes} == {"carried"}, done.changes
        assert git("log --format=%s", work).split() == ["inside", "outside", "first"]


def test_submodules_and_linked_worktrees(work: Path, tmp_path: Path, git: Git) -> None:
    git("clone -q . ../library; git submodule --quiet add ../library lib; git worktree add -q tree; git commit -qm lib",
        work)
    with opened(work) as box:
        for place in ("lib", "tree"):
            assert inside(box, f"-C {place} log -1 --format=%s") != "outside\n"
            git("commit -q --allow-empty -m outside", work / place)
            assert inside(box, f"-C {place} log -1 --format=%s") == "outside\n"
            inside(box, f"-C {place} commit -q --allow-empty -m inside")
            assert git("log -1 --format=%s", work / place) == "inside\n"


def test_while_something_runs_the_view_stays(box: Sandbox, work: Path, git: Git) -> None:
    """A background process could be a git that is at work: the fresh view comes when it has ended."""
    assert inside(box, "log --format=%s") == "first\n"
    with box.popen(["sleep", "60"]) as background:
        git("commit -q --allow-empty -m outside", work)
        box.run(["true"], timeout=SECONDS)
        assert background.poll() is None
        background.kill()
    deadline = time.monotonic() + SECONDS
    while inside(box, "log --format=%s") != "outside\nfirst\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_process_that_nobody_waits_for(box: Sandbox, work: Path, git: Git) -> None:
    """Its end is heard of by no one, and does not keep the view as it was."""
    box.start(["true"])
    inside(box, "log --format=%s")
    git("commit -q --allow-empty -m outside", work)
    deadline = time.monotonic() + SECONDS
    while inside(box, "log --format=%s") != "outside\nfirst\n":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_view_that_cannot_be_made_fresh(box: Sandbox, work: Path, git: Git) -> None:
    """Nothing fails, and it is said once."""
    inside(box, "log --format=%s")
    carry = box._opening.ready()._carries[0]
    handle, carry._handle = carry._handle, os.open("/dev/null", os.O_RDONLY)
    os.close(handle)
    told = []
    for turn in range(3):
        git(f"commit -q --allow-empty -m outside{turn}", work)
        told += box.run(["git", "status"], stdout=subprocess.DEVNULL, timeout=SECONDS).changes
    assert [(change.kind, change.path) for change in told if change.kind != "carried"] == [("noticed", f"{work}/.git")]


def test_a_conflict_stays_one(box: Sandbox, work: Path, git: Git) -> None:
    """Both moved the same branch: the user's stays outside, the cell's inside, and it is said."""
    inside(box, "branch both")
    waiting = "read line; git branch -f both $(git commit-tree -m theirs HEAD:)"
    with box.start(["sh", "-ec", waiting], stdin=subprocess.PIPE) as racing:
        git("branch -f both $(git commit-tree -m mine HEAD:)", work)
        done = racing.communicate(b"go\n", timeout=SECONDS)
        assert done is not None and racing.returncode == 0
        told = [change.path for change in racing.changes if change.kind == "conflict"]
    told += [change.path for change in box.run(["true"], timeout=SECONDS).changes if change.kind == "conflict"]
    assert ".git/refs/heads/both" in told
    assert git("log -1 --format=%s both", work) == "mine\n"
    assert inside(box, "log -1 --format=%s both") == "theirs\n"
    git("fsck --strict", work)


def test_from_many_threads(box: Sandbox, work: Path, git: Git) -> None:
    """Commands of several threads and the user's commits: nobody waits for ever, nothing breaks."""
    from concurrent.futures import ThreadPoolExecutor

    def look(_turn: int) -> int:
        return int(box.run(["git", "log", "-1", "--format=%s"], capture_output=True, timeout=SECONDS).returncode)

    with ThreadPoolExecutor(4) as pool:
        ends = pool.map(look, range(60))
        for turn in range(10):
            git(f"commit -q --allow-empty -m outside{turn}", work)
        assert set(ends) == {0}
    assert inside(box, "log -1 --format=%s") == "outside9\n"
    git("fsck --strict", work)


def test_many_directories_and_repositories(work: Path, git: Git) -> None:
    """Of those that are not looked at before each command, the next but some milliseconds knows."""
    git("".join(f"branch deep/{number}/x; git " for number in range(20)) + "init -q nested", work)
    git("commit -q --allow-empty -m first", work / "nested")
    with opened(work) as box:
        assert inside(box, "-C nested log --format=%s") == "first\n"
        time.sleep(0.06)
        git("branch -f deep/19/y; git -C nested commit -q --allow-empty -m second", work)
        time.sleep(0.06)
        assert "deep/19/y" in inside(box, "branch --list 'deep/19/*'")
        assert inside(box, "-C nested log -1 --format=%s") == "second\n"
