"""What is taken away can be found again, wherever the state directory lies, and nothing else is left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidewall.platforms.linux import watch_quarantine

Quarantined = Callable[[], dict[str, str]]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory on another file system."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    made = Path(tempfile.mkdtemp(prefix="sidewall-test-", dir=shm))
    monkeypatch.setenv("XDG_STATE_HOME", str(made))
    yield made
    shutil.rmtree(made)


def populate(directory: Path) -> None:
    (directory / "a/b").mkdir(parents=True)
    (directory / "a/file").write_text("evil")
    (directory / "a/file").chmod(0o750)
    (directory / "a/link").symlink_to("/etc/passwd")
    (directory / "a/b").chmod(0o500)


def check(directory: Path) -> None:
    assert (directory / "a/file").read_text() == "evil"
    assert os.access(directory / "a/file", os.X_OK)
    assert os.readlink(directory / "a/link") == "/etc/passwd"
    assert (directory / "a/b").is_dir()


def taken(state: Path) -> dict[str, Path]:
    (origins,) = state.glob("sidewall/quarantine/*/origins")
    rows = [line.split("\t") for line in origins.read_text().splitlines()]
    return {path: origins.parent / name for name, path in rows}


def test_it_says_what_came_from_where_and_is_closed_to_others(workspace: Path, tmp_path: Path, watch) -> None:
    (workspace / ".claude").mkdir()
    watcher = watch()
    assert not (tmp_path / "state/sidewall/quarantine").exists()
    populate(workspace / ".vscode")
    (workspace / ".claude/.vscode").write_text("another")
    held = watcher.compare()
    found = taken(tmp_path / "state")
    check(found[f"{workspace}/.vscode"])
    assert found[f"{workspace}/.claude/.vscode"].read_text() == "another"
    assert all(str(found[item.path]) in item.reason for item in held)
    (directory,) = (tmp_path / "state/sidewall/quarantine").iterdir()
    assert directory.stat().st_mode & 0o077 == 0
    assert sorted(os.listdir(directory)) == ["1-.vscode", "2-.vscode", "origins"]


def test_every_cell_has_its_own(workspace: Path, tmp_path: Path, watch) -> None:
    watcher, other = watch(), watch()
    (workspace / ".vscode").write_text("one")
    watcher.compare()
    (workspace / ".vscode").write_text("two")
    other.compare()
    places = sorted((tmp_path / "state/sidewall/quarantine").glob("*/1-.vscode"))
    assert sorted(place.read_text() for place in places) == ["one", "two"]


def test_across_file_systems_it_is_copied_then_removed(workspace: Path, elsewhere: Path, watch) -> None:
    (workspace / ".mcp.json").write_text("{}")
    watcher = watch()
    populate(workspace / ".vscode")
    (workspace / ".envrc").symlink_to("/etc/passwd")
    (workspace / ".mcp.json").write_text("evil")
    assert len(watcher.compare(final=True)) == 3
    found = taken(elsewhere)
    check(found[f"{workspace}/.vscode"])
    assert os.readlink(found[f"{workspace}/.envrc"]) == "/etc/passwd"
    assert found[f"{workspace}/.mcp.json"].read_text() == "evil"
    assert os.listdir(workspace) == [".mcp.json"]


def test_what_cannot_be_copied_is_renamed_where_it_is(workspace: Path, elsewhere: Path, watch,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_quarantine, "MOST_ENTRIES", 3)
    (workspace / ".claude").mkdir()
    watcher = watch()
    populate(workspace / ".claude/commands")
    os.mkfifo(workspace / ".envrc")
    held = watcher.compare()
    assert len(held) == 2
    assert watcher.compare(final=True) == ()
    (aside,) = os.listdir(workspace / ".claude")
    assert aside.startswith(".sidewall-aside-")
    assert f"{workspace}/.claude/{aside}" in {item.reason.rpartition(" ")[2] for item in held}
    check(workspace / ".claude" / aside)
    assert not os.path.lexists(workspace / ".envrc")
    assert [name for directory in elsewhere.glob("sidewall/quarantine/*") for name in os.listdir(directory)] == []


@pytest.mark.parametrize("state", ["/proc/nowhere", "/dev/null/x"])
def test_without_a_state_directory_nothing_is_lost(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch,
                                                   state: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    (workspace / ".mcp.json").write_text("{}")
    watcher = watch()
    populate(workspace / ".vscode")
    (workspace / ".mcp.json").write_text("evil")
    assert {item.action for item in watcher.compare()} == {"put back"}
    assert (workspace / ".mcp.json").read_text() == "{}"
    aside = [name for name in os.listdir(workspace) if name.startswith(".sidewall-aside-")]
    assert len(aside) == 2
    assert watcher.compare(final=True) == ()


def test_a_full_disk_says_so_and_leaves_no_scrap(workspace: Path, watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on a file's size stands for a disk that takes no more."""
    import resource
    import signal

    (workspace / ".envrc").write_text("x" * 8192)
    watcher = watch()
    (workspace / ".envrc").unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        (held,) = watcher.compare()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert (held.action, held.path) == ("noticed", f"{workspace}/.envrc")
    assert "File too large" in held.reason
    assert os.listdir(workspace) == []
    (held,) = watcher.compare()
    assert held.action == "put back"
    assert (workspace / ".envrc").read_text() == "x" * 8192
