"""What listens is bounded, belongs to one process, ends with its cell, and does without what it cannot rely on.

Knows: the kernel's bounds on watches, forks, mounts.  Must not know: what is done about what was found.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sidewall
from sidewall import Sandbox
from sidewall.platforms.linux import watch as watch_module
from sidewall.platforms.linux import watch_notices, watch_record
from sidewall.platforms.linux.watch import Watcher

from .listening import bare, gone, idle, listeners, watches


def test_lost_notices(tree: Path, watch, looked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue runs over: all that was listened to is listened to anew, and what came meanwhile is found."""
    monkeypatch.setattr(watch_record, "_TICK_NS", 20_000_000)
    for name in ("a/other", "d/e/file"):
        (tree / name).write_text("")
    time.sleep(0.05)
    watcher = watch(each=False)
    assert idle(watcher)
    # This directory says everything it has to say, as none else does.
    monkeypatch.setattr(watch_notices, "_MASK", watch_notices._MASK & ~0x80000000)
    (tree / "a/file").chmod(0o640)
    assert idle(watcher)
    for number in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) + 1):
        os.chmod(tree / "a" / ("file", "other")[number % 2], 0o600)
    (tree / "d/e/file").chmod(0o600)
    bare(tree / "d/.git")
    assert watcher.look()
    assert watcher._search is not None
    assert watcher._search._notices is not None
    assert watcher._search._notices.touched is None
    (tree / "d/.git").rename(tree.parent / "away")
    assert idle(watcher)
    assert watches() == 13
    (tree / "d/e/.envrc").write_text("")
    assert watcher.look()


def test_watches_are_bounded(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_notices, "MOST_WATCHES", 20)
    for number in range(30):
        (workspace / f"d{number}").mkdir()
    watcher = watch(each=False)
    assert not watcher.look()
    assert not watcher.look()
    assert watches() == 20
    assert not idle(watcher, 3)
    assert gone()
    assert watch_notices._process.watches == 0
    (workspace / "d9/.envrc").write_text("")
    assert watcher.look()


def test_what_is_not_listened_to_among_packages(tree: Path, watch, looked: list[str],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_notices, "MOST_WATCHES", 11)
    watcher = watch(each=False)
    assert not idle(watcher, 3)
    assert gone()


def test_watches_of_what_went_make_room(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_notices, "MOST_WATCHES", 20)
    watcher = watch(each=False)
    (workspace.parent / "away").mkdir()
    assert idle(watcher)
    for turn in range(4):
        for number in range(10):
            (workspace / f"d{turn}-{number}").mkdir()
        assert idle(watcher)
        assert watches() <= 20
        for number in range(10):
            (workspace / f"d{turn}-{number}").rename(workspace.parent / f"away/{turn}-{number}")
        assert idle(watcher)
    assert watch_notices._process.watches == watches()


def test_the_process_takes_a_small_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many cells it has open."""
    (tmp_path / "d").mkdir()
    watchers = [Watcher((str(tmp_path / "d"),), (), (), each=False) for _ in range(12)]
    try:
        heard = [idle(watcher, 3) for watcher in watchers]
        most = min(8, int(Path("/proc/sys/fs/inotify/max_user_instances").read_text()) // 16)
        assert heard.count(True) == len(listeners()) == most
        (tmp_path / "d/e").mkdir()
        assert not any(watcher.look() for watcher in watchers)
        bare(tmp_path / "d/e/.git")
        assert all(watcher.look() for watcher in watchers)
    finally:
        for watcher in watchers:
            watcher.close()
    assert listeners() == []
    assert watch_notices._process.watches == 0


def test_before_the_last_look_it_is_let_go(tree: Path, watch, looked: list[str]) -> None:
    """The kernel takes its time for that, and the cell's processes end meanwhile."""
    watcher = watch(each=False)
    assert idle(watcher)
    watcher.get_ready()
    assert gone()
    assert not watcher.look()
    assert listeners() == []
    (tree / "a/.envrc").write_text("")
    assert [item.path for item in watcher.compare(final=True)] == [f"{tree}/a/.envrc"]


def test_copies_of_the_process_have_none(tree: Path, watch, looked: list[str]) -> None:
    watcher = watch(each=False)
    assert idle(watcher)
    pid = os.fork()
    if not pid:
        assert watcher._search is not None
        fine = not listeners() and not watcher._search.unchanged() and not watcher.look() and not listeners()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert watcher._search is not None
    assert watcher._search.unchanged()
    told = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, timeout=60)
    assert "inotify" not in told.stdout
    assert "mountinfo" not in told.stdout
    pid = os.fork()
    if not pid:
        (tree / "a/.envrc").write_text("")
        watcher.look()
        os._exit(0)
    os.waitpid(pid, 0)
    assert watcher.look()


def test_file_systems_that_others_change() -> None:
    proc = os.open("/proc", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="not supported"):
            watch_notices.Notices([proc])
    finally:
        os.close(proc)
    assert listeners() == []
    assert not watch_notices._process.open


_MOUNTS = f"""
import ctypes, os, sys, time
sys.path[:0] = {sys.path!r}
libc = ctypes.CDLL(None, use_errno=True)
user, group = os.getuid(), os.getgid()
if libc.unshare(0x10020000):
    sys.exit(77)
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {{user}} 1"), ("gid_map", f"0 {{group}} 1")):
    with open("/proc/self/" + name, "w") as stream:
        stream.write(text)
def mount(source, target, kind, flags):
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, None):
        sys.exit(77)
mount("none", "/", "", 0x44000)
from sidewall.platforms.linux import watch_notices, watch_record
from sidewall.platforms.linux.watch import Watcher
watch_record._TICK_NS = 20_000_000
root, other = sys.argv[1:]
def idle(watcher):
    for _ in range(10):
        assert not watcher.look()
        if watcher._search.unchanged():
            return True
    return False
watcher = Watcher((root,), (".envrc",), (), each=False)
assert idle(watcher)
time.sleep(0.05)
assert idle(watcher)
mount(root + "/a", other, "", 0x1000)
portion, watch_notices.PORTION = watch_notices.PORTION, 0
assert not idle(watcher), "nothing of what was known is believed"
watch_notices.PORTION = portion
assert idle(watcher)
open(other + "/b/.envrc", "w").close()
assert watcher.look()
watcher.deal(calm=True)
assert idle(watcher)
os.mkdir(other + "/b/covered")
assert idle(watcher)
mount("tmpfs", root + "/a/b/covered", "tmpfs", 0)
assert not watcher._search.unchanged()
open(root + "/a/b/covered/.envrc", "w").close()
assert watcher.look()
watcher.deal(calm=True)
assert not idle(watcher)
watcher.close()
"""


def test_mounts(tree: Path) -> None:
    """What is written through another mount is seen; what is mounted counts as a change, and is not relied on."""
    (tree.parent / "other").mkdir()
    done = subprocess.run([sys.executable, "-c", _MOUNTS, str(tree), str(tree.parent / "other")],
                          capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("no mounts for an ordinary user here")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_in_a_sandbox(tmp_path: Path, looked: list[str], tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_SHARE", 0)
    monkeypatch.setattr(watch_module, "_LEAST_SECONDS", 0.0)
    work = tmp_path / "work"
    (work / "deep/er").mkdir(parents=True)
    try:
        with Sandbox(workspace=work, tier=tier) as box:
            box.run(["true"], timeout=60)
            assert not listeners(), "a short run has none"
            for _ in range(5):
                box.run(["true"], timeout=60)
            assert len(listeners()) == 1
            looked.clear()
            for _ in range(5):
                assert box.run(["true"], timeout=60).changes == ()
            assert looked == []
            told = box.run(["mkdir", "-p", "deep/er/new/.vscode"], timeout=60).changes
            assert [change.path for change in told] == [f"{work}/deep/er/new/.vscode"]
            program = ["sh", "-ec", "git init -q deep/made; git -C deep/made config core.fsmonitor evil"]
            told = box.run(program, timeout=60).changes
            assert [change.path for change in told] == [f"{work}/deep/made/.git/config"]
    except sidewall.MachineError as error:
        pytest.skip(f"no such tier here: {error}")
    assert gone()
    assert watch_notices._process.watches == 0
