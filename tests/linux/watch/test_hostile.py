"""Trees made to hurt the one who looks: links to outside, swaps while it looks, pipes, depth, numbers, size."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.platforms.linux import watch_git, watch_scan


def photograph(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything about a tree that a stray act would change."""
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_ino, status.st_mode, status.st_ctime_ns, content)
    return found


@pytest.fixture
def canary(tmp_path: Path, git) -> Path:
    """A tree outside the root that looks just like what is watched inside, with what would be taken away."""
    made = tmp_path / "canary"
    made.mkdir()
    git(made, "init", "-q")
    (made / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    (made / ".vscode").mkdir()
    (made / ".vscode/tasks.json").write_text("the user's")
    (made / ".vscode/more.json").write_text("the user's")
    (made / ".envrc").write_text("the user's")
    return made


def fill(place: Path, git) -> None:
    """A repository and protected names, all watched."""
    place.mkdir(parents=True, exist_ok=True)
    git(place, "init", "-q")
    (place / ".vscode").mkdir()
    (place / ".vscode/tasks.json").write_text("{}")
    (place / ".envrc").write_text("good")


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("target", [".", ".vscode", ".git", ".git/hooks", ".git/modules"])
def test_a_directory_replaced_by_a_link_leads_nowhere(workspace: Path, canary: Path, git, watch, target: str,
                                                      final: bool, each: bool) -> None:
    place = workspace / "a/b"
    fill(place, git)
    watcher = watch(each=each)
    photo = photograph(canary)
    if os.path.lexists(place / target):
        shutil.rmtree(place / target)
    (place / target).symlink_to(canary / target)
    watcher.compare(final=final)
    watcher.compare(final=True)
    assert photograph(canary) == photo


@pytest.mark.parametrize("moved", ["a", "a/b"])
def test_a_parent_moved_outside_the_names_is_not_followed(workspace: Path, canary: Path, git, watch,
                                                           moved: str) -> None:
    fill(workspace / "a/b", git)
    watcher = watch()
    photo = photograph(canary)
    (workspace / moved).rename(workspace / "elsewhere")
    (workspace / moved).symlink_to(canary.parent if moved == "a" else canary)
    watcher.compare()
    watcher.compare(final=True)
    assert photograph(canary) == photo


@pytest.mark.parametrize("each", [True, False])
def test_swaps_while_it_looks_win_nothing(workspace: Path, canary: Path, git, watch, each: bool) -> None:
    """A command swaps directories for links, again and again, while comparisons run."""
    place = workspace / "sub"
    fill(place, git)
    watcher = watch(each=each)
    photo = photograph(canary)
    done = threading.Event()

    def swap() -> None:
        names = ("sub", "sub/.git", "sub/.vscode", "sub/.git/hooks", "fresh")
        number = 0
        while not done.is_set():
            number += 1
            path = workspace / names[number % len(names)]
            aside = workspace / f"aside{number}"
            try:
                path.rename(aside)
            except OSError:
                pass
            try:
                path.symlink_to(canary / path.relative_to(workspace).as_posix().partition("/")[2])
                path.unlink()
                (path / ".git").mkdir(parents=True) if path.name == "fresh" else None
                aside.rename(path)
                (path / "config").write_text("[core]\n\tfsmonitor = evil\n")
            except OSError:
                pass

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(60):
            watcher.compare(final=number % 3 == 0)
    finally:
        done.set()
        thread.join(30)
    watcher.compare(final=True)
    assert photograph(canary) == photo


def test_hard_links_are_cut_not_written_through(workspace: Path, tmp_path: Path, watch) -> None:
    """A second name of a file elsewhere must not receive what is put back."""
    (workspace / ".envrc").write_text("good")
    outside = tmp_path / "outside"
    outside.write_text("the user's")
    watcher = watch()
    (workspace / ".envrc").unlink()
    os.link(outside, workspace / ".envrc")
    watcher.compare()
    assert outside.read_text() == "the user's"
    assert (workspace / ".envrc").read_text() == "good"
    assert outside.stat().st_ino != (workspace / ".envrc").stat().st_ino


def test_a_held_open_file_cannot_write_later(workspace: Path, watch) -> None:
    """Touched but unchanged, the file becomes another one: who holds the old one open holds nothing."""
    file = workspace / ".envrc"
    file.write_text("good")
    watcher = watch()
    with open(file, "r+b") as stream:
        file.chmod(0o600)
        watcher.compare()
        stream.write(b"evil")
    assert file.read_text() == "good"
    assert watcher.compare(final=True) == ()


def test_pipes_and_endless_things_do_not_stop_it(workspace: Path, git, watch) -> None:
    git(workspace, "init", "-q")
    (workspace / ".mcp.json").write_text("{}")
    watcher = watch()
    config = (workspace / ".git/config").read_text()
    for name in (".git/config", ".mcp.json"):
        (workspace / name).unlink()
        os.mkfifo(workspace / name)
    os.mkfifo(workspace / "HEAD")
    (workspace / "objects").mkdir()
    (workspace / "refs").mkdir()
    with open(workspace / ".git/commondir", "wb") as stream:
        stream.truncate(1 << 40)
    (workspace / "new/.git").mkdir(parents=True)
    for name in ("config", "commondir", "hooks", "info"):
        os.mkfifo(workspace / "new/.git" / name)
    held = watcher.compare(final=True)
    assert {item.action for item in held} == {"put back"}
    assert len(held) == 7
    assert (workspace / ".git/config").read_text() == config
    assert os.listdir(workspace / "new/.git") == []


def test_depth_and_number_have_bounds(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_scan, "MOST_AT_THE_END", 300)
    watcher = watch(each=False)
    here = os.open(workspace, os.O_RDONLY)
    try:
        for _number in range(2000):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    (held,) = watcher.compare(final=True)
    assert (held.action, held.path) == ("noticed", str(workspace))
    for number in range(400):
        (workspace / f"many{number}").mkdir()
    (held,) = watcher.compare(final=True)
    assert held.action == "noticed"
    remove_deep(workspace)


def remove_deep(workspace: Path) -> None:
    """pytest's own removal would recurse too deep."""
    while os.path.isdir(workspace / "d/d"):
        (workspace / "d/d").rename(workspace / "e")
        (workspace / "d").rmdir()
        (workspace / "e").rename(workspace / "d")


def test_very_deep_things_under_a_protected_name_are_moved_whole(workspace: Path, watch,
                                                                  quarantined: Callable[[], dict[str, str]]) -> None:
    watcher = watch()
    (workspace / ".vscode").mkdir()
    for _number in range(1200):
        (workspace / ".vscode").rename(workspace / "d")
        (workspace / ".vscode").mkdir()
        (workspace / "d").rename(workspace / ".vscode/d")
    (held,) = watcher.compare()
    assert held.path == f"{workspace}/.vscode"
    assert not (workspace / ".vscode").exists()
    (where,) = quarantined().values()
    Path(where).rename(workspace / "d")
    remove_deep(workspace)


def test_very_many_modules_are_no_hiding_place(workspace: Path, git, watch) -> None:
    watcher = watch()
    git(workspace, "init", "-q", "made")
    modules = workspace / "made/.git/modules"
    for number in range(watch_git.MOST_MODULES + 20):
        (modules / f"m{number}").mkdir(parents=True)
        (modules / f"m{number}/HEAD").write_text("ref: refs/heads/main\n")
        (modules / f"m{number}/config").write_text("[core]\n\tfsmonitor = evil\n")
        (workspace / f"made/w{number}").mkdir()
        (workspace / f"made/w{number}/.git").write_text(f"gitdir: ../.git/modules/m{number}\n")
    watcher.compare(final=True)
    reachable = list((workspace / "made").glob("w*/.git"))
    for gitfile in reachable:
        module = gitfile.parent / gitfile.read_text()[8:].strip()
        assert "fsmonitor" not in (module / "config").read_text()
    assert len(reachable) == watch_git.MOST_MODULES


def test_names_that_are_no_text(workspace: Path, watch, quarantined: Callable[[], dict[str, str]]) -> None:
    (workspace / ".vscode").mkdir()
    watcher = watch()
    name = os.fsencode(workspace) + b"/.vscode/\xff\n\x1b[2J" + b"x" * 200
    with open(name, "wb") as stream:
        stream.write(b"evil")
    (held,) = watcher.compare()
    assert os.fsencode(held.path) == name
    assert os.listdir(workspace / ".vscode") == []
    assert len(list((workspace.parent / "state/sidewall/quarantine").glob("*/1-*"))) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_closed_directories_are_opened_and_hide_nothing(workspace: Path, git, watch) -> None:
    fill(workspace, git)
    (workspace / "a/.claude").mkdir(parents=True)
    (workspace / "a/.claude/settings.json").write_text("{}")
    (workspace / "mine").mkdir(mode=0)
    watcher = watch()
    (workspace / "a/.claude/settings.json").write_text("evil")
    (workspace / "a").chmod(0)
    (workspace / "b").mkdir()
    (workspace / "b/c").mkdir()
    (workspace / "b/c/.mcp.json").write_text("evil")
    git(workspace, "init", "-q", "b/c/d")
    (workspace / "b/c/d/.git/hooks/pre-commit").write_text("evil")
    for name, mode in (("b/c/d", 0), ("b/c", 0o311), ("b", 0o111)):  # git and editors need not list these
        (workspace / name).chmod(mode)
    (workspace / ".envrc").write_text("evil")
    (workspace / ".git/hooks/pre-commit").write_text("evil")
    (workspace / ".git/hooks").chmod(0)
    (workspace / ".git").chmod(0)
    try:
        held = {item.path: item.action for item in watcher.compare(final=True)}
    finally:
        (workspace / "mine").chmod(0o700)
    told = {f"{workspace}/{name}": "noticed" for name in ("b", "b/c", "b/c/d")}
    back = {f"{workspace}/{name}": "put back" for name in (
        ".envrc", "a/.claude/settings.json", "b/c/.mcp.json", "b/c/d/.git/hooks/pre-commit",
        ".git/hooks/pre-commit")}
    assert held == {**told, **back}
    assert not (workspace / ".git/hooks/pre-commit").exists()
    assert not (workspace / "b/c/d/.git/hooks/pre-commit").exists() and not (workspace / "b/c/.mcp.json").exists()
    assert (workspace / "a/.claude/settings.json").read_text() == "{}"
