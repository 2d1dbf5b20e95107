"""Protected names without mounts: recorded, compared after each command, put back, and what is new taken away."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.platforms.linux import watch_record, watch_restore

Quarantined = Callable[[], dict[str, str]]


def test_nothing_happened_nothing_is_said(repository: Path, watch) -> None:
    (repository / ".vscode").mkdir()
    (repository / ".vscode/tasks.json").write_text("{}")
    watcher = watch()
    (repository / "file").write_text("two\n")
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()


def test_changed_content_is_put_back_and_kept(workspace: Path, watch, quarantined: Quarantined) -> None:
    file = workspace / ".mcp.json"
    file.write_text("{}")
    os.utime(file, ns=(10**18, 10**18))
    watcher = watch()
    file.write_text("evil")
    (held,) = watcher.compare()
    assert (held.action, held.path) == ("put back", str(file))
    assert file.read_text() == "{}"
    assert file.stat().st_mtime_ns == 10**18
    kept = quarantined()[str(file)]
    assert Path(kept).read_text() == "evil"
    assert kept in held.reason
    assert watcher.compare() == ()
    assert os.listdir(workspace) == [".mcp.json"]


def test_a_change_of_the_same_size_in_the_same_instant_is_seen(workspace: Path, watch) -> None:
    """The change time ticks too coarsely to tell; the content does."""
    file = workspace / ".envrc"
    for round_ in range(20):
        file.write_text("good")
        watcher = watch()
        with open(file, "r+b") as stream:
            stream.write(b"evil")
        assert len(watcher.compare()) == 1, round_
        assert file.read_text() == "good"
        with open(file, "r+b") as stream:
            stream.write(b"evil")
        assert len(watcher.compare()) == 1, round_
        assert file.read_text() == "good"
        watcher.close()


@pytest.mark.parametrize("mode", [0o777, 0o000])
def test_a_changed_mode_is_put_back(workspace: Path, watch, mode: int) -> None:
    file = workspace / ".envrc"
    file.write_text("x")
    file.chmod(0o640)
    directory = workspace / ".claude"
    directory.mkdir(mode=0o750)
    (directory / "settings.json").write_text("{}")
    watcher = watch()
    file.chmod(mode)
    directory.chmod(mode)
    held = {item.path: item.reason for item in watcher.compare()}
    assert set(held) == {str(file), str(directory)}
    assert held[str(directory)] == "its mode was changed"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(directory.stat().st_mode) == 0o750
    assert watcher.compare(final=True) == ()


def test_removed_things_are_put_back(workspace: Path, watch) -> None:
    (workspace / ".vscode/deep/er").mkdir(parents=True)
    (workspace / ".vscode/deep/er/tasks.json").write_text("{}")
    (workspace / ".vscode/link").symlink_to("deep/er/tasks.json")
    (workspace / ".envrc").write_text("export A=1\n")
    watcher = watch()
    (workspace / ".envrc").unlink()
    (workspace / ".vscode/link").unlink()
    (workspace / ".vscode/deep/er/tasks.json").unlink()
    (workspace / ".vscode/deep/er").rmdir()
    held = {item.path for item in watcher.compare()}
    assert held == {f"{workspace}/{name}" for name in (".envrc", ".vscode/deep/er", ".vscode/link")}
    assert (workspace / ".vscode/link").read_text() == "{}"
    assert (workspace / ".envrc").read_text() == "export A=1\n"
    assert watcher.compare() == ()


def test_a_whole_directory_moved_aside_comes_back_itself(workspace: Path, watch, quarantined: Quarantined) -> None:
    settings = workspace / ".vscode"
    settings.mkdir()
    (settings / "tasks.json").write_text("{}")
    inode = settings.stat().st_ino
    watcher = watch()
    settings.rename(workspace / "aside")
    settings.mkdir()
    (settings / "tasks.json").write_text("evil")
    watcher.compare()
    assert settings.stat().st_ino == inode
    assert (settings / "tasks.json").read_text() == "{}"
    assert not (workspace / "aside").exists()
    assert (Path(quarantined()[str(settings)]) / "tasks.json").read_text() == "evil"
    assert watcher.compare() == ()


def test_a_reused_inode_is_not_taken_for_the_directory(workspace: Path, watch) -> None:
    settings = workspace / ".vscode"
    settings.mkdir()
    watcher = watch()
    settings.rmdir()
    other = workspace / "build"
    other.mkdir()
    (other / "artefact").write_text("x")
    watcher.compare()
    assert (other / "artefact").exists()
    assert settings.is_dir()
    assert os.listdir(settings) == []


def put_file(path: Path) -> None:
    path.write_text("evil")


def put_directory(path: Path) -> None:
    path.mkdir()
    (path / "inner").write_text("evil")
    path.chmod(0o555)


def put_link(path: Path) -> None:
    path.symlink_to("/etc")


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)


KINDS = [put_file, put_directory, put_link, put_fifo, put_socket]


@pytest.mark.parametrize("put", KINDS)
def test_what_newly_appears_is_taken_away(workspace: Path, watch, quarantined: Quarantined, put) -> None:
    (workspace / ".claude").mkdir()
    watcher = watch()
    put(workspace / ".vscode")
    put(workspace / ".claude/commands")
    held = watcher.compare()
    assert {item.path for item in held} == {f"{workspace}/.vscode", f"{workspace}/.claude/commands"}
    assert all(item.action == "put back" for item in held)
    assert not os.path.lexists(workspace / ".vscode")
    assert os.listdir(workspace / ".claude") == []
    assert set(quarantined()) == {f"{workspace}/.vscode", f"{workspace}/.claude/commands"}
    assert all(os.path.lexists(where) for where in quarantined().values())


@pytest.mark.parametrize("put", KINDS)
def test_anything_in_place_of_a_file_gives_way(workspace: Path, watch, put) -> None:
    file = workspace / ".envrc"
    file.write_text("good")
    (workspace / ".claude").symlink_to("elsewhere")
    watcher = watch()
    for name in (".envrc", ".claude"):
        (workspace / name).unlink()
        put(workspace / name)
    assert len(watcher.compare()) == 2
    assert file.read_text() == "good"
    assert not file.is_symlink()
    assert os.readlink(workspace / ".claude") == "elsewhere"
    assert watcher.compare(final=True) == ()


def test_deep_names_are_compared_and_new_ones_taken_at_the_end(workspace: Path, watch) -> None:
    deep = workspace / "packages/one/.vscode"
    deep.mkdir(parents=True)
    (deep / "tasks.json").write_text("{}")
    (workspace / "node_modules/dep/.vscode").mkdir(parents=True)
    watcher = watch()
    (deep / "tasks.json").write_text("evil")
    fresh = workspace / "packages/two/.mcp.json"
    fresh.parent.mkdir()
    fresh.write_text("evil")
    assert [item.path for item in watcher.compare()] == [f"{deep}/tasks.json"]
    assert fresh.exists()
    assert [item.path for item in watcher.compare(final=True)] == [str(fresh)]
    assert not fresh.exists()
    assert (workspace / "node_modules/dep/.vscode").is_dir()


def test_a_removed_directory_around_a_name_is_no_loss(workspace: Path, watch) -> None:
    deep = workspace / "sub/.vscode"
    deep.mkdir(parents=True)
    watcher = watch()
    deep.rmdir()
    (workspace / "sub").rmdir()
    assert watcher.compare(final=True) == ()
    assert os.listdir(workspace) == []


def test_a_flood_of_entries_costs_one_move(workspace: Path, watch, quarantined: Quarantined) -> None:
    settings = workspace / ".claude"
    (settings / "own").mkdir(parents=True)
    (settings / "own/settings.json").write_text("{}")
    watcher = watch()
    for number in range(3 * watch_restore.MANY):
        (settings / str(number)).write_text("evil")
    (settings / "own/settings.json").unlink()
    held = watcher.compare()
    assert str(settings) in {item.path for item in held}
    assert len(held) <= 3
    assert os.listdir(settings) == ["own"]
    assert (settings / "own/settings.json").read_text() == "{}"
    assert len(os.listdir(quarantined()[str(settings)])) == 3 * watch_restore.MANY + 1
    assert watcher.compare(final=True) == ()


def test_what_is_too_large_to_record_is_said(workspace: Path, watch) -> None:
    file = workspace / ".envrc"
    file.write_bytes(b"x" * (watch_record.LARGEST_FILE + 1))
    many = workspace / ".claude"
    many.mkdir()
    (many / "settings.json").write_text("{}")
    (many / "logs").mkdir()
    for number in range(watch_record.MOST_ENTRIES + 10):
        (many / f"logs/{number}").write_text("")
    watcher = watch()
    (first,) = watcher.compare()
    assert (first.action, first.path) == ("noticed", str(many))
    with open(file, "ab") as stream:
        stream.write(b"y")
    (many / "settings.json").write_text("evil")
    held = {item.path: item.action for item in watcher.compare()}
    assert held == {str(file): "noticed", f"{many}/settings.json": "put back"}
    assert watcher.compare() == ()


def test_an_unwritable_parent_does_not_save_a_change(workspace: Path, watch) -> None:
    inner = workspace / "sub"
    (inner / ".claude").mkdir(parents=True)
    (inner / ".envrc").write_text("good")
    watcher = watch()
    (inner / ".envrc").write_text("evil")
    (inner / ".claude").rmdir()
    inner.chmod(0o555)
    workspace.chmod(0o555)
    try:
        assert all(item.action == "put back" for item in watcher.compare())
        assert (inner / ".envrc").read_text() == "good"
        assert (inner / ".claude").is_dir()
        assert stat.S_IMODE(inner.stat().st_mode) == 0o555
    finally:
        workspace.chmod(0o755)
        inner.chmod(0o755)
