"""With mounts: only what they do not hold is looked at, once, when the cell has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sidewall.errors import MachineError
from sidewall.platforms.linux.watch import Watcher


def test_only_the_end_counts(workspace: Path, watch) -> None:
    (workspace / ".envrc").symlink_to("elsewhere")
    watcher = watch(each=False)
    (workspace / ".envrc").unlink()
    assert watcher.each is False
    assert watcher.compare() == ()
    (held,) = watcher.compare(final=True)
    assert (held.action, held.path) == ("put back", f"{workspace}/.envrc")
    assert os.readlink(workspace / ".envrc") == "elsewhere"


def test_links_and_files_that_no_mount_holds_are_put_back(workspace: Path, watch) -> None:
    (workspace / "sub").mkdir()
    (workspace / ".vscode").symlink_to("settings")
    (workspace / "sub/.mcp.json").write_text("{}")
    (workspace / "sub/.claude").mkdir()
    (workspace / "sub/.claude/settings.json").write_text("{}")
    watcher = watch(each=False)
    (workspace / ".vscode").unlink()
    (workspace / ".vscode").mkdir()
    (workspace / "sub/.mcp.json").write_text("evil")
    (workspace / "sub/.claude/settings.json").unlink()
    assert {item.path for item in watcher.compare(final=True)} == {
        f"{workspace}/{name}" for name in (".vscode", "sub/.mcp.json", "sub/.claude/settings.json")}
    assert os.readlink(workspace / ".vscode") == "settings"
    assert (workspace / "sub/.mcp.json").read_text() == "{}"


def test_the_users_own_edit_of_a_held_file_stays(workspace: Path, watch) -> None:
    """A mount kept commands from it, so whoever wrote it in place was outside."""
    file = workspace / ".mcp.json"
    file.write_text("{}")
    watcher = watch(each=False, held=(str(file), f"{workspace}/.vscode"))
    file.write_text("by the user")
    assert watcher.compare(final=True) == ()
    assert file.read_text() == "by the user"


def test_a_held_file_that_was_replaced_is_pointed_at(workspace: Path, watch) -> None:
    """A rename over a mount point takes the mount away: what came after may be a command's."""
    file = workspace / ".mcp.json"
    file.write_text("{}")
    watcher = watch(each=False, held=(str(file),))
    (workspace / "fresh").write_text("by whom?")
    (workspace / "fresh").rename(file)
    (held,) = watcher.compare(final=True)
    assert (held.action, held.path) == ("noticed", str(file))
    assert file.read_text() == "by whom?"


def test_new_names_deeper_down_are_pointed_at_and_stay(workspace: Path, git, watch) -> None:
    watcher = watch(each=False, held=tuple(f"{workspace}/{name}" for name in (".vscode", ".envrc", ".git")))
    for name in (".vscode", "packages/one/.vscode"):
        (workspace / name).mkdir(parents=True)
    (workspace / "packages/one/.envrc").write_text("export A=1\n")
    held = {item.path: (item.action, item.reason) for item in watcher.compare(final=True)}
    said = ("noticed", "a new file that steers later runs; look at it")
    assert held == {f"{workspace}/packages/one/{name}": said for name in (".vscode", ".envrc")}
    assert (workspace / "packages/one/.envrc").exists()


def test_held_git_directories_are_not_touched(workspace: Path, git, watch) -> None:
    git(workspace, "init", "-q")
    git(workspace, "init", "-q", "sub")
    fresh = f"{workspace}/later/.git"
    watcher = watch(each=False, held=(f"{workspace}/.git", f"{workspace}/sub/.git", fresh))
    for name in (".", "sub", "later"):
        git(workspace, "init", "-q", name)
        git(workspace / name, "config", "core.fsmonitor", "by the user or the carrier")
    (workspace / "later/tree").mkdir()
    (workspace / "later/tree/.git").write_text(f"gitdir: {workspace}/sub/.git/worktrees/tree\n")
    assert watcher.compare(final=True) == ()
    for name in (".", "sub", "later"):
        assert "carrier" in (workspace / name / ".git/config").read_text()


def test_a_bare_repository_that_no_mount_holds_is_put_back(workspace: Path, git, watch) -> None:
    git(workspace, "init", "-q", "--bare", "fixtures/bare.git")
    watcher = watch(each=False)
    git(workspace / "fixtures/bare.git", "config", "core.fsmonitor", "evil")
    (workspace / "fixtures/bare.git/hooks/post-receive").write_text("evil")
    assert {item.path for item in watcher.compare(final=True)} == {
        f"{workspace}/fixtures/bare.git/{name}" for name in ("config", "hooks/post-receive")}


def test_what_a_bounded_first_look_did_not_see_is_not_taken_for_new(workspace: Path, git, watch,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    from sidewall.platforms.linux import watch_scan

    monkeypatch.setattr(watch_scan, "MOST_DIRECTORIES", 5)
    for number in range(10):
        git(workspace, "init", "-q", f"d{number}/own")
        git(workspace / f"d{number}/own", "config", "core.fsmonitor", "the user's")
    monkeypatch.setattr(watch_scan, "TICK_NS", 0)
    time.sleep(0.05)
    watcher = watch(each=False)
    git(workspace, "init", "-q", "made")
    git(workspace / "made", "config", "core.fsmonitor", "evil")
    assert [item.path for item in watcher.compare(final=True)] == [f"{workspace}/made/.git/config"]
    for number in range(10):
        assert "the user's" in (workspace / f"d{number}/own/.git/config").read_text()


def test_roots_that_are_files_or_absent(workspace: Path, watch) -> None:
    (workspace / "file").write_text("x")
    assert watch(each=False, roots=(f"{workspace}/file",)).compare(final=True) == ()
    with pytest.raises(MachineError, match="No such file"):
        Watcher((f"{workspace}/gone",), (".vscode",), (), each=False)
    (workspace / "link").symlink_to(".")
    watcher = watch(each=True, roots=(f"{workspace}/link",))
    (workspace / ".vscode").mkdir()
    assert watcher.compare(final=True) == ()
    assert (workspace / ".vscode").exists()


def test_two_roots_are_both_looked_at(workspace: Path, git, watch) -> None:
    (workspace / "one").mkdir()
    (workspace / "two").mkdir()
    watcher = watch(each=True, roots=(f"{workspace}/one", f"{workspace}/two"))
    git(workspace, "init", "-q", "--separate-git-dir", f"{workspace}/two/apart.git", f"{workspace}/one/sub")
    git(workspace / "one/sub", "config", "core.fsmonitor", "evil")
    (workspace / "two/.vscode").mkdir()
    assert [item.path for item in watcher.compare()] == [f"{workspace}/two/.vscode"]
    assert [item.path for item in watcher.compare(final=True)] == [f"{workspace}/two/apart.git/config"]
    git(workspace / "one/sub", "status")


def test_what_a_cell_waits_for_imports_little() -> None:
    """The watcher is made before the first command starts."""
    code = ("import sys; import sidewall.platforms.linux.watch; "
            "heavy = {'re', 'typing', 'dataclasses', 'enum', 'json', 'pathlib', 'subprocess', 'collections', "
            "'sidewall.platforms.linux.watch_fresh', 'sidewall.platforms.linux.gitconfig', "
            "'sidewall.platforms.linux.watch_quarantine', 'sidewall.platforms.linux.watch_restore'}; "
            "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)")
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def due(watcher: Watcher) -> None:
    while not watcher.due():
        time.sleep(0.002)


@pytest.mark.parametrize("calm", [True, False])
def test_a_place_that_git_looks_at_is_emptied_soon_and_not_only_at_the_end(workspace: Path, watch, quarantined,
                                                                           calm: bool) -> None:
    (workspace / "tools").mkdir()
    places = tuple(f"{workspace}/{name}" for name in ("pre-commit", "tools/hooks", "no/such/place", "update"))
    (workspace / "update").mkdir()
    watcher = watch(each=False, places=places, held=(f"{workspace}/update",))
    assert watcher.look() is False and watcher.deal(calm=calm) == ()
    (workspace / "pre-commit").write_text("#!/bin/sh\n")
    (workspace / "update/mine").touch()  # what a mount holds is not looked at
    (workspace / "other").touch()
    due(watcher)
    assert watcher.look() is True
    (held,) = watcher.deal(calm=calm)
    assert (held.action, held.path) == ("put back", f"{workspace}/pre-commit")
    (workspace / "tools/hooks").mkdir()
    (workspace / "tools/hooks/post-merge").write_text("#!/bin/sh\n")
    (workspace / "no/such").mkdir(parents=True)
    (workspace / "no/such/place").symlink_to("/etc")
    due(watcher)
    assert watcher.look() is True
    assert {held.path for held in watcher.deal(calm=calm)} == {f"{workspace}/{name}" for name in (
        "tools/hooks", "no/such/place")}
    assert set(quarantined()) == set(places) - {f"{workspace}/update"}
    assert sorted(path.name for path in workspace.iterdir()) == ["no", "other", "tools", "update"]
    due(watcher)
    assert watcher.look() is False
    assert watcher.compare(final=True) == ()


def test_a_link_on_the_way_to_an_awaited_place_leads_nowhere(workspace: Path, tmp_path: Path, watch) -> None:
    outside = tmp_path / "outside"
    (outside / "hooks").mkdir(parents=True)
    watcher = watch(each=False, places=(f"{workspace}/tools/hooks",))
    (workspace / "tools").symlink_to(outside)
    assert watcher.look() is False
    assert watcher.compare(final=True) == () and (outside / "hooks").is_dir()
