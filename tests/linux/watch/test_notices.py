"""A look is left out when the kernel says that nothing changed, and never else.

Knows: by which calls names come and go.  Must not know: what is done about what was found; how much is listened to.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidewall.platforms.linux import watch_aside, watch_notices, watch_record, watch_search

from .listening import HEAD, bare, gone, idle, listeners, watches

TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


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


def test_a_place_that_is_waited_for_where_nobody_listens(tree: Path, watch, looked: list[str]) -> None:
    (tree / ".git/inner").mkdir(parents=True)
    watcher = watch(each=False, places=(f"{tree}/.git/inner/hooks",))
    assert idle(watcher)
    (tree / ".git/inner/hooks").mkdir()
    assert watcher.look()
    assert [item.path for item in watcher.deal(calm=True)] == [f"{tree}/.git/inner/hooks"]


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


def test_a_repository_of_the_users_among_packages(tree: Path, watch, looked: list[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none of the new ones, until something in it is touched."""
    monkeypatch.setattr(watch_search, "TICK_NS", 0)
    bare(tree / "node_modules/x/.git")
    time.sleep(0.05)
    watcher = watch(each=False)
    assert not idle(watcher, 5)
    time.sleep(0.05)
    (tree / "node_modules/x/.git/hooks").mkdir()
    assert watcher.look()


def test_where_it_is_in_vain_it_is_given_up(tree: Path, watch, looked: list[str],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    bare(tree / "looks")
    (tree / "looks/HEAD").write_text("none")
    watcher = watch(each=False)
    assert not idle(watcher, 10)
    assert len(listeners()) == 1
    assert not idle(watcher, 10)
    assert gone()


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


def test_a_round_that_is_not_done(tree: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has not come, nobody listens."""
    monkeypatch.setattr(watch_aside, "SLICE_SECONDS", 0.0)
    watcher = watch(each=False)
    assert not idle(watcher, 4)
    bare(tree / "node_modules/x/lib/.git")
    assert any(watcher.look() for _ in range(5))


@pytest.fixture
def old(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree when it was not changed for so long that directories are known again."""
    monkeypatch.setattr(watch_record, "_TICK_NS", 20_000_000)
    (tree / "d/e/file").write_text("")
    time.sleep(0.05)
    return tree


def test_what_is_listened_to_is_not_listened_to_again(old: Path, watch, looked: list[str],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = watch(each=False)
    assert idle(watcher)
    monkeypatch.setattr(watch_notices, "PORTION", 1)
    (old / "d/e/file").chmod(0o600)
    assert not watcher.look()
    assert watcher.look() is False
    assert idle(watcher, 1)


def test_who_was_told_listens_again(old: Path, watch, looked: list[str]) -> None:
    """Another mode of a file cannot be seen at its directory, whose watch is used up by the notice."""
    watcher = watch(each=False)
    for name in (".envrc", ".mcp.json"):
        assert idle(watcher)
        (old / "d/e/file").chmod(0o600)
        assert idle(watcher)
        (old / "d/e" / name).write_text("")
        assert watcher.look()
        watcher.deal(calm=True)


@pytest.mark.parametrize(("place", "inner"), [("a/b", "c"), ("node_modules/x", "lib")])
def test_under_a_known_name_there_is_another(old: Path, watch, looked: list[str], place: str, inner: str) -> None:
    """What lies below is not told that it was moved."""
    (old.parent / "another" / inner).mkdir(parents=True)
    time.sleep(0.05)
    watcher = watch(each=False)
    assert idle(watcher)
    swap(old / place, old.parent / "another")
    assert idle(watcher)
    bare(old / place / inner / ".git")
    assert watcher.look()


@pytest.mark.parametrize("place", ["a/b/c", "node_modules/x/lib"])
def test_what_comes_just_before_it_is_listened_to(old: Path, watch, looked: list[str], place: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_search, "TICK_NS", 0)
    real = watch_notices.Notices.add
    watcher = watch(each=False)
    assert not watcher.look()

    def add(self: watch_notices.Notices, above: int, name: str, path: str, *more: Any, **named: Any) -> None:
        if path == place and not (old / place / ".git").exists():
            bare(old / place / ".git")
        real(self, above, name, path, *more, **named)

    monkeypatch.setattr(watch_notices.Notices, "add", add)
    assert watcher.look()
    assert [item.path for item in watcher.deal(calm=True)] == [f"{old}/{place}/.git/config"]


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
