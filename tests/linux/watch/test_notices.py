"""A look is left out when the kernel says that nothing changed, and never else.

Knows: what notices are there and which are bounded.  Must not know: what is done about what was found.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import Sandbox
from sidewall.platforms.linux import watch as watch_module
from sidewall.platforms.linux import watch_aside, watch_notices, watch_search
from sidewall.platforms.linux.watch import Watcher

HEAD = "ref: refs/heads/main\n"
TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


def listeners() -> list[str]:
    """Descriptors of this process that notices come from."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify":
                found.append(name)
        except FileNotFoundError:
            continue
    return found


def watches() -> int:
    """How many directories this process listens to."""
    return sum(Path(f"/proc/self/fdinfo/{name}").read_text().count("inotify wd:") for name in listeners())


def idle(watcher: Watcher, most: int = 10) -> bool:
    """Looks until nothing has to be looked at any more; whether it comes to that."""
    for _ in range(most):
        assert not watcher.look()
        assert watcher._search is not None
        if watcher._search.unchanged():
            return True
    return False


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked through since: a root, or a directory aside."""
    found: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            found.append(name)
            return real(*words, **named)

        return call

    monkeypatch.setattr(watch_search, "survey", counted("root", watch_search.survey))
    monkeypatch.setattr(watch_aside, "aside", counted("aside", watch_aside.aside))
    monkeypatch.setattr(watch_aside, "SLICE_SECONDS", 60.0)
    return found


@pytest.fixture
def tree(workspace: Path) -> Path:
    for name in ("a/b/c", "d/e", "node_modules/x/lib", "node_modules/y", "looks/objects", "looks/refs"):
        (workspace / name).mkdir(parents=True)
    (workspace / "a/file").write_text("one\n")
    return workspace


@TIERS
def test_nothing_is_looked_at_while_nothing_changes(tree: Path, watch, looked: list[str], each: bool) -> None:
    watcher = watch(each=each)
    assert not listeners()
    assert not watcher.look()
    assert not listeners(), "a short run has none"
    assert idle(watcher)
    assert watches() == 13
    looked.clear()
    (tree / "a/file").write_text("two\n")
    os.utime(tree / "a/b", (1, 1), dir_fd=None)
    assert not watcher.look()
    assert "root" in looked
    assert idle(watcher)
    looked.clear()
    with open(tree / "a/file", "a") as stream:
        stream.write("three\n")
    for _ in range(20):
        assert not watcher.look()
    assert looked == []
    assert watcher.compare(final=True) == ()
    assert "root" in looked, "the last look is always one"


def swap(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def bare(place: Path) -> None:
    for name in ("objects", "refs"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "HEAD").write_text(HEAD)
    (place / "config").write_text("[core]\n\tfsmonitor = evil\n")


def elsewhere(tree: Path) -> Path:
    """Outside of the root, on the same file system."""
    made = tree.parent / "elsewhere"
    bare(made / "deep/.git")
    (made / "settings").write_text("")
    (made / "deep/HEAD").write_text(HEAD)
    return made


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "made": lambda tree, _: bare(tree / "a/b/.git"),
    "made in a directory made a moment ago": lambda tree, _: bare(tree / "a/b/new/er/.git"),
    "moved in": lambda tree, other: (other / "deep").rename(tree / "d/deep"),
    "moved in over an empty directory": lambda tree, other: (other / "deep").rename(tree / "a/b/c"),
    "moved to its place": lambda tree, other: ((tree / "a/b").rename(other / "b"),
                                               (other / "deep").rename(tree / "a/b")),
    "exchanged": lambda tree, other: swap(tree / "a/b", other / "deep"),
    "a hard link": lambda tree, other: os.link(other / "settings", tree / "a/b/.envrc"),
    "a hard link that makes a repository": lambda tree, other: os.link(other / "deep/HEAD", tree / "looks/HEAD"),
    "a file without a name that gets one": lambda tree, _: named_late(tree / "a/b"),
    "a bare repository": lambda tree, _: bare(tree / "d/e"),
    "a directory made to look like one": lambda tree, _: (tree / "looks/HEAD").write_text(HEAD),
    "a link": lambda tree, other: (tree / "a/.git").symlink_to(other / "deep/.git"),
    "a file that leads elsewhere": lambda tree, _: (tree / "a/.git").write_text("gitdir: /elsewhere\n"),
    "settings": lambda tree, _: (tree / "d/.vscode").mkdir(),
    "among packages": lambda tree, _: bare(tree / "node_modules/x/lib/.git"),
    "among packages, bare": lambda tree, _: bare(tree / "node_modules/y"),
    "in new packages": lambda tree, _: bare(tree / "d/node_modules/z/.git"),
    "by a descriptor": lambda tree, _: by_descriptor(tree / "a/b"),
}


def named_late(directory: Path) -> None:
    fd = os.open(directory, os.O_TMPFILE | os.O_WRONLY)
    named = ctypes.CDLL(None).linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, os.fsencode(directory / ".mcp.json"),
                                     0x400)
    os.close(fd)
    assert named == 0


def by_descriptor(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    directory.rename(directory.with_name("moved"))
    os.mkdir(".vscode", dir_fd=fd)
    os.close(fd)


@pytest.mark.parametrize("plant", PLANTS)
def test_what_comes_is_found_at_once(tree: Path, watch, looked: list[str], plant: str) -> None:
    other = elsewhere(tree)
    watcher = watch(each=False)
    assert idle(watcher)
    PLANTS[plant](tree, other)
    assert watcher.look(), plant
    assert watcher.deal(calm=True), plant


@pytest.mark.parametrize("plant", PLANTS)
def test_what_comes_while_not_all_is_listened_to(tree: Path, watch, looked: list[str], plant: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_notices, "PORTION", 1)
    other = elsewhere(tree)
    watcher = watch(each=False)
    assert not idle(watcher, 4)
    PLANTS[plant](tree, other)
    assert watcher.look(), plant


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_directory_that_is_closed_and_opened(tree: Path, watch) -> None:
    watcher = watch(each=False)
    assert idle(watcher)
    (tree / "a/b").chmod(0)
    assert watcher.look()
    assert [item.path for item in watcher.deal(calm=True)] == [f"{tree}/a/b"]
    assert not idle(watcher, 3)
    (tree / "a/b").chmod(0o755)
    assert idle(watcher)


def test_it_is_looked_at_again_as_long_as_there_is_something(tree: Path, watch, looked: list[str]) -> None:
    """The content of a repository changes without a notice."""
    watcher = watch(each=False)
    assert idle(watcher)
    bare(tree / "a/b/.git")
    for _ in range(3):
        (tree / "a/b/.git/config").write_text("[core]\n\tfsmonitor = evil\n")
        assert watcher.look()
        assert [item.path for item in watcher.deal(calm=True)] == [f"{tree}/a/b/.git/config"]
    (tree / "a/b/.git").rename(tree.parent / "away")
    assert idle(watcher)


@pytest.mark.parametrize("place", ["looks", "node_modules/x"])
def test_a_head_that_may_become_one(tree: Path, watch, looked: list[str], place: str) -> None:
    """It is written through another name, which gives no notice where it lies."""
    bare(tree / place)
    (tree / place / "HEAD").write_text("none")
    os.link(tree / place / "HEAD", tree.parent / "other")
    watcher = watch(each=False)
    assert not idle(watcher, 5)
    (tree.parent / "other").write_text(HEAD)
    assert watcher.look()


def test_a_repository_of_the_users_among_packages(tree: Path, watch, looked: list[str]) -> None:
    bare(tree / "node_modules/x/.git")
    watcher = watch(each=False)
    for _ in range(3):
        watcher.look()
        watcher.deal(calm=True)
        assert watcher._search is not None
        assert not watcher._search.unchanged()


def test_where_it_is_in_vain_it_is_given_up(tree: Path, watch, looked: list[str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    bare(tree / "looks")
    (tree / "looks/HEAD").write_text("none")
    watcher = watch(each=False)
    assert not idle(watcher, 10)
    assert len(listeners()) == 1
    assert not idle(watcher, 10)
    assert listeners() == []


def test_a_round_among_packages_is_not_begun_again_for_what_happens_elsewhere(
        tree: Path, watch, looked: list[str]) -> None:
    watcher = watch(each=False)
    assert idle(watcher)
    looked.clear()
    (tree / "a/new").write_text("")
    assert idle(watcher)
    assert set(looked) == {"root"}
    (tree / "node_modules/x/new").write_text("")
    assert idle(watcher)
    assert "aside" in looked


def test_many_changes_are_one_notice(tree: Path, watch, looked: list[str]) -> None:
    """A queue that were full would be said to have lost something; this one does not come to that."""
    watcher = watch(each=False)
    assert idle(watcher)
    for number in range(999):
        (tree / f"a/{number}").write_text("")
    assert watcher._search is not None
    notices = watcher._search._notices
    assert notices is not None
    waiting = array.array("i", [0])
    fcntl.ioctl(notices._fd, termios.FIONREAD, waiting)
    assert 0 < waiting[0] < 100
    bare(tree / "a/999")
    assert watcher.look()


def test_lost_notices(tree: Path, monkeypatch: pytest.MonkeyPatch, workspace: Path, watch, looked: list[str]) -> None:
    """The queue runs over: all that was listened to is listened to anew, and what came meanwhile is found."""
    monkeypatch.setattr(watch_notices, "_MASK", watch_notices._MASK & ~0x80000000)
    watcher = watch(each=False)
    assert idle(watcher)
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (tree / "a/other").write_text("")
    for number in range(queue + 1):
        os.chmod(tree / "a" / ("file", "other")[number % 2], 0o600)
    bare(tree / "d/.git")
    assert watcher._search is not None
    notices = watcher._search._notices
    assert notices is not None
    assert watcher.look()
    assert notices.touched is None
    (tree / "d/.git").rename(tree.parent / "away")
    assert idle(watcher)
    assert watches() == 13
    (tree / "a/b/.envrc").write_text("")
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
    assert listeners() == []
    assert watch_notices._process.watches == 0
    (workspace / "d9/.envrc").write_text("")
    assert watcher.look()


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
import ctypes, os, sys
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
from sidewall.platforms.linux.watch import Watcher
root, other = sys.argv[1:]
def idle(watcher):
    for _ in range(10):
        assert not watcher.look()
        if watcher._search.unchanged():
            return True
    return False
watcher = Watcher((root,), (".envrc",), (), each=False)
assert idle(watcher)
mount(root + "/a", other, "", 0x1000)
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
    assert listeners() == []
