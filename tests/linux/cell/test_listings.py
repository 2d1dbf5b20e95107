"""Listings of directories, kept from one cell to the next: whatever changed in between is seen.

Knows: directories and their change times.  Must not know: what a protected name is for.

A directory that changed in the last tenth of a second is listed again anyway; the tests wait that out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.platforms.linux import listings
from sidewall.platforms.linux.listings import Listings
from sidewall.platforms.linux.watch_scan import survey

NAMES = frozenset((".git", ".vscode"))
SETTLED_SECONDS = 0.15


@pytest.fixture(autouse=True)
def as_if_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "_kept", {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two levels of directories, long unchanged, on a file system that keeps change times."""
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "file").write_text("")
    (root / ".vscode").mkdir()
    (root / "link").symlink_to("a")
    if root.stat().st_dev not in listings._sound_devices():
        pytest.skip("the temporary directory lies on a file system of whose change times nothing is known")
    time.sleep(SETTLED_SECONDS)
    return root


def everything(root: Path) -> dict[str, tuple[list[str], list[str]]]:
    """What a new look finds, by directory; kept for the next."""
    looked = Listings(os.fspath(root), NAMES)
    found: dict[str, tuple[list[str], list[str]]] = {}
    waiting = [os.fspath(root)]
    for path in waiting:
        below, named = looked.of(path)
        found[os.path.relpath(path, root)] = (sorted(below), sorted(named))
        waiting += [f"{path}/{name}" for name in below]
    looked.keep()
    return found


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that are really listed from now on."""
    seen: list[str] = []

    def noting(real: Callable[[int], object]) -> Callable[[int], object]:
        def noted(fd: int) -> object:
            seen.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
            return real(fd)

        return noted

    monkeypatch.setattr(listings.os, "scandir", noting(os.scandir))
    monkeypatch.setattr(listings.os, "listdir", noting(os.listdir))
    return seen


def test_what_is_unchanged_is_not_listed_again(root: Path, listed: list[str]) -> None:
    first = everything(root)
    assert first == {".": (["a"], [".vscode"]), "a": (["b"], []), "a/b": ([], [])}
    assert sorted(listed) == ["a", "b", "root"]
    listed.clear()
    assert everything(root) == first
    assert listed == []


def test_what_came_is_seen_wherever_it_came(root: Path, listed: list[str]) -> None:
    everything(root)
    listed.clear()
    (root / "a/b/.git").mkdir()
    assert everything(root)["a/b"] == ([], [".git"])
    assert listed == ["b"]


def test_what_went_or_became_something_else_is_seen(root: Path) -> None:
    everything(root)
    (root / "a/b").rmdir()
    (root / "a/b").symlink_to("/")
    (root / ".vscode").rmdir()
    assert everything(root) == {".": (["a"], []), "a": ([], [])}


def test_a_directory_in_the_place_of_another_is_another(root: Path) -> None:
    """Also with the same modification time, which anybody can set; the change time cannot be."""
    other = root.parent / "other"
    (other / "b/.git").mkdir(parents=True)
    everything(root)
    was = (root / "a").stat()
    (root / "a").rename(root.parent / "aside")
    other.rename(root / "a")
    os.utime(root / "a", ns=(was.st_atime_ns, was.st_mtime_ns))
    assert everything(root)["a/b"] == ([], [".git"])


def test_a_change_is_seen_though_the_modification_time_is_put_back(root: Path) -> None:
    everything(root)
    was = (root / "a").stat()
    (root / "a/.vscode").touch()
    os.utime(root / "a", ns=(was.st_atime_ns, was.st_mtime_ns))
    assert everything(root)["a"] == (["b"], [".vscode"])


def test_what_has_just_changed_is_not_relied_on(root: Path, listed: list[str]) -> None:
    """A second change within the clock's tick leaves the change time as it is."""
    (root / "a/new").mkdir()
    everything(root)
    listed.clear()
    everything(root)
    assert {"a", "new"} <= set(listed)
    assert "b" not in listed


def test_a_link_is_not_followed_into_a_directory(root: Path) -> None:
    looked = Listings(os.fspath(root), NAMES)
    assert looked.of(f"{root}/link") == ([], [])
    assert looked.of(f"{root}/absent") == ([], [])
    assert looked.of(f"{root}/file") == ([], [])


@pytest.mark.parametrize("counted", [True, False], ids=["by link count", "by entries"])
def test_a_directory_without_directories(root: Path, counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way it is listed: files with a protected name, links, and what a repository is known by."""
    monkeypatch.setattr(listings, "_SOUND", dict.fromkeys(listings._SOUND, counted))
    monkeypatch.setattr(listings, "_known", (b"", {}))
    for name in (".git", "commondir", "a file"):
        (root / "a/b" / name).write_text("")
    (root / "a/b/.vscode").symlink_to("/")
    time.sleep(SETTLED_SECONDS)
    assert everything(root)["a/b"] == ([], [".git", ".vscode"])
    made = listings.made(os.fspath(root), NAMES)
    assert "a" in made and "a/b" not in made
    (root / "a/b/c").mkdir()
    assert everything(root)["a/b"] == (["c"], [".git", ".vscode"])


def test_other_names_have_listings_of_their_own(root: Path) -> None:
    everything(root)
    looked = Listings(os.fspath(root), frozenset(("file",)))
    below, named = looked.of(os.fspath(root))
    assert (sorted(below), named) == ([".vscode", "a"], ["file"])


def test_an_unknown_file_system_is_listed_each_time(
        root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "_SOUND", {b"fuse.storage": True})
    monkeypatch.setattr(listings, "_known", (b"", {}))
    first = everything(root)
    assert everything(root) == first
    assert sorted(listed) == ["a", "a", "b", "b", "root", "root"]


def test_the_watcher_takes_them_and_finds_what_it_finds_alone(root: Path, listed: list[str]) -> None:
    for place in ("a/.git", "a/b/.vscode", "bare/objects", "bare/refs"):
        (root / place).mkdir(parents=True)
    (root / "bare/HEAD").write_text("ref: refs/heads/main\n")
    time.sleep(SETTLED_SECONDS)
    names = (".vscode",)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        alone = survey(fd, names)
        everything(root)
        taken = listings.made(os.fspath(root), NAMES)
        (root / "a/b/.git").mkdir()
        listed.clear()
        found = survey(fd, names, made=taken)
        assert sorted(set(listed)) == ["b", "bare"]
    finally:
        os.close(fd)
    assert alone.bare == {"bare"}
    assert found.git == alone.git | {"a/b/.git"}
    for part in ("names", "bare", "directories", "searched", "aside", "complete", "certain"):
        assert getattr(found, part) == getattr(alone, part), part
    assert {path: known for path, known in found.listed.items() if path != "a/b"} == {
        path: known for path, known in alone.listed.items() if path != "a/b"}


def test_only_so_many_roots_are_kept(tmp_path: Path) -> None:
    for number in range(2 * listings._MOST_ROOTS):
        (tmp_path / f"{number}").mkdir()
        everything(tmp_path / f"{number}")
        everything(tmp_path / "0")
    roots = [key[0] for key in listings._kept]
    assert len(roots) == listings._MOST_ROOTS
    assert roots[-1] == f"{tmp_path}/0"
