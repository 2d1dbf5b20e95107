"""Repositories that were something else when they were looked at: settings, a closed directory, one without a HEAD.

Knows: what git takes for a repository, which file systems tell less than others.  Must not know: when a look is made.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidewall.platforms.linux import watch_scan, watch_search
from sidewall.platforms.linux.watch_trust import counts_directories, keeps_times, tells_all

Trap = Callable[[], tuple[Path, bool]]

TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


def bare(place: Path, program: Path, head: str = "ref: refs/heads/main\n") -> None:
    """A directory that git works in, and obeys."""
    for name in ("objects", "refs"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
                                  f"\tworktree = {place.parent}\n\tfsmonitor = {program}\n")
    (place / "HEAD").write_text(head)


def host_works(directory: Path, git) -> None:
    for command in (["status"], ["add", "-A"], ["status"]):
        git(directory, *command, check=False)


def open_looks(watcher, most: int = 4) -> list[str]:
    """The paths that looks of an open cell do something about."""
    paths = []
    for _ in range(most):
        if watcher.look():
            paths += [held.path for held in watcher.deal(calm=True)]
    return paths


def test_git_obeys_such_a_directory(workspace: Path, git, trap: Trap) -> None:
    bare(workspace / "x", trap()[0])
    host_works(workspace / "x", git)
    assert trap()[1]


@pytest.mark.parametrize("place", ["deep/.vscode/.git", "deep/.vscode", "deep/.vscode/a/b/.git", "deep/.claude/x"])
@pytest.mark.parametrize("end", [False, True], ids=["open", "at the end"])
@TIERS
def test_where_new_settings_are(workspace: Path, git, watch, trap: Trap, each: bool, end: bool, place: str) -> None:
    (workspace / "deep").mkdir()
    watcher = watch(each=each)
    assert not watcher.look()
    bare(workspace / place, trap()[0])
    if end:
        assert watcher.compare(final=True)
    else:
        assert open_looks(watcher)
    if (workspace / place).exists():
        host_works((workspace / place).parent, git)
        host_works(workspace / place, git)
    assert not trap()[1]


def test_what_mounts_hold_is_not_looked_through(workspace: Path, watch) -> None:
    for name in (".vscode", ".claude", "deep/.vscode"):
        (workspace / name / "inner").mkdir(parents=True)
    watcher = watch(each=False, held=(str(workspace / ".vscode"), str(workspace / ".claude")))
    (workspace / "deep/.claude/inner").mkdir(parents=True)
    assert watcher.look()
    last = watcher._roots[0].last
    assert last is not None
    assert last.searched == {"", "deep", "deep/.claude", "deep/.claude/inner"}


@TIERS
def test_one_that_was_told_of_as_something_else(workspace: Path, git, watch, trap: Trap, each: bool,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """First there are too many directories, which is said; then the root itself is made to look like a repository."""
    monkeypatch.setattr(watch_scan, "MOST_AT_THE_END", 10)
    watcher = watch(each=each)
    for number in range(20):
        (workspace / f"d{number}").mkdir()
    assert open_looks(watcher) == [str(workspace)]
    bare(workspace, trap()[0])
    assert f"{workspace}/HEAD" in open_looks(watcher)
    host_works(workspace, git)
    assert not trap()[1]


@TIERS
def test_one_that_was_closed(workspace: Path, git, watch, trap: Trap, each: bool) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    watcher = watch(each=each)
    (workspace / "x").mkdir(mode=0)
    assert open_looks(watcher) == [str(workspace / "x")]
    (workspace / "x").chmod(0o755)
    bare(workspace / "x", trap()[0])
    assert open_looks(watcher)
    host_works(workspace / "x", git)
    assert not trap()[1]


@pytest.mark.parametrize("end", [False, True], ids=["open", "at the end"])
@TIERS
def test_one_that_gets_a_head_by_its_content(workspace: Path, git, watch, trap: Trap, each: bool, end: bool,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the content of HEAD was there before this cell, in a directory without a directory in it."""
    for module in (watch_scan, watch_search):
        monkeypatch.setattr(module, "TICK_NS", 0)
    place = workspace / "node_modules/x"
    bare(place, trap()[0], "nothing that git knows\n")
    for name in ("objects", "refs"):
        (place / name).rename(workspace / name)
        (place / name).symlink_to(f"../../{name}")
    time.sleep(0.02)
    watcher = watch(each=each)
    assert open_looks(watcher) == []
    time.sleep(0.02)  # a clock's tick
    (place / "HEAD").write_text("ref: refs/heads/main\n")
    if end:
        assert watcher.compare(final=True)
    else:
        assert open_looks(watcher)
    host_works(place, git)
    assert not trap()[1]


@pytest.mark.parametrize("place", ["logs/HEAD", "logs/refs/heads/main", "logs/refs", "refs/heads", "refs", "objects",
                                   "objects/info"])
def test_links_in_the_users_own_among_packages(repository: Path, git, watch, place: str,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Through them the user's next git would write elsewhere."""
    for module in (watch_scan, watch_search):
        monkeypatch.setattr(module, "TICK_NS", 0)
    git(repository, "init", "-q", "node_modules/a/b")
    git(repository / "node_modules/a/b", "commit", "-q", "--allow-empty", "-m", "one")
    inner = repository / "node_modules/a/b/.git"
    time.sleep(0.02)
    watcher = watch(each=False)
    assert watcher.compare(final=True) == ()
    time.sleep(0.02)  # a clock's tick
    target = inner / place
    target.rename(repository / "aside")
    target.symlink_to(repository / "aside")
    assert str(target) in [item.path for item in watcher.compare(final=True)]
    assert not target.is_symlink()


@pytest.fixture
def thread() -> Iterator[Callable[[], str]]:
    """``thread()``: the number of a new thread of this process."""
    end = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> str:
        threads.append(threading.Thread(target=end.wait))
        threads[-1].start()
        return str(threads[-1].native_id)

    yield start
    end.set()
    for each in threads:
        each.join()


def test_times_that_say_nothing_are_not_believed(thread: Callable[[], str]) -> None:
    """In /proc directories come and go without a trace in the times of the one above."""
    root = os.open("/proc/self/task", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.stat("/proc/self/task")
        time.sleep(0.15)
        first = watch_scan.survey(root, ())
        status = os.fstat(root)
        new = thread()
        now = os.fstat(root)
        assert (status.st_ctime_ns, status.st_ino, status.st_size) == (now.st_ctime_ns, now.st_ino, now.st_size)
        assert "" in first.listed
        assert new in watch_scan.survey(root, (), before=first, last=first).directories
    finally:
        os.close(root)


def test_what_is_known_of_file_systems(tmp_path: Path) -> None:
    fd = os.open("/proc", os.O_RDONLY)
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        assert not keeps_times(fd)
        assert not tells_all(fd)
        assert not counts_directories(fd, os.fstat(fd).st_dev)
        assert not counts_directories(here, os.fstat(fd).st_dev), "another file system below"
        if tells_all(here):
            assert keeps_times(here)
    finally:
        os.close(fd)
        os.close(here)
