"""A workspace with a real repository, a state directory of its own, and a program that leaves a trace when it runs.

Knows: git's command line.  Must not know: how the watcher works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidewall.platforms.linux import watch_aside, watch_search
from sidewall.platforms.linux.watch import Watcher

NAMES = (".claude", ".envrc", ".mcp.json", ".vscode", "sidewall.toml")

Git = Callable[..., str]
Watch = Callable[..., Watcher]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the user or the machine; state and home below the test's directory."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A U Thor")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "author@example.invalid")


@pytest.fixture
def git() -> Git:
    """``git(directory, *arguments)``: what it prints; fails the test when git fails."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def run(directory: Path, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments],
                              cwd=directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty writable root."""
    made = tmp_path / "workspace"
    made.mkdir()
    return made


@pytest.fixture
def repository(workspace: Path, git: Git) -> Path:
    """The workspace as a repository with one commit, a hook and an own setting of the user."""
    git(workspace, "init", "-q")
    (workspace / "file").write_text("one\n")
    git(workspace, "add", "file")
    git(workspace, "commit", "-qm", "one")
    git(workspace, "config", "alias.mine", "log --oneline")
    hook = workspace / ".git/hooks/post-checkout"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    return workspace


@pytest.fixture
def watch(workspace: Path) -> Iterator[Watch]:
    """``watch(each=..., held=...)``: a watcher of the workspace; closed at the end, its descriptors counted."""
    made: list[Watcher] = []
    before = open_descriptors()

    def make(*, each: bool = True, held: tuple[str, ...] = (), roots: tuple[str, ...] = (),
             places: tuple[str, ...] = ()) -> Watcher:
        made.append(Watcher(roots or (str(workspace),), NAMES, held, each=each, places=places))
        return made[-1]

    yield make
    for watcher in made:
        watcher.close()
        watcher.close()
    # What earlier tests left to the collector may go meanwhile.
    assert open_descriptors() <= before


def open_descriptors() -> set[tuple[str, str]]:
    """Number and name of each that this process has open."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add((descriptor, os.readlink(f"/proc/self/fd/{descriptor}")))
        except FileNotFoundError:  # of the listing itself
            continue
    return found


@pytest.fixture
def trap(tmp_path: Path) -> Callable[[], tuple[Path, bool]]:
    """``trap()``: a program that leaves a trace when it runs, and whether it has run."""
    trace = tmp_path / "trace"
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\necho ran >> '{trace}'\nexit 0\n")
    program.chmod(0o755)
    return lambda: (program, trace.exists())


@pytest.fixture
def quarantined(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """``quarantined()``: what is in the quarantine, the path that each thing had -> where it is."""

    def read() -> dict[str, str]:
        found = {}
        for origins in (tmp_path / "state/sidewall/quarantine").glob("*/origins"):
            for line in origins.read_text().splitlines():
                name, _, path = line.partition("\t")
                found[path] = str(origins.parent / name)
        return found

    return read


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
