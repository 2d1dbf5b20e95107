"""A real repository, seen by some commands through a real overlay, and the carrier between the two.

Knows: git, unshare(1), ``GitCarry``.  Must not know: how the carrier works.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("overlayfs is Linux", allow_module_level=True)

from sidewall.platforms.contract import Held
from sidewall.platforms.linux.gitcarry import GitCarry, Limits

EVIL = 'test -n "$MARKER" && touch "$MARKER"; cat'
"""A shell command that an attacker would like the user's git to start."""

INSIDE = Path(__file__).with_name("inside.py")


class World:
    """``work`` is the workspace with its repository; commands run ``outside`` or ``inside`` of the layer over it.

    ``marker`` is a file that ``EVIL`` makes when git starts it outside; inside the variable is not set.
    """

    def __init__(self, base: Path, *, limits: Limits | None = None, prepare: str = "", name: str = "work") -> None:
        self.base = base
        self.work = base / name
        self.git = self.work / ".git"
        self.marker = base / "marker"
        self.canary = base / "canary"
        self.canary.write_text("untouched\n")
        home = base / "home"
        home.mkdir(exist_ok=True)
        (home / ".gitconfig").write_text(
            "[user]\n name = A U Thor\n email = author@example.com\n[init]\n defaultBranch = main\n"
            "[safe]\n directory = *\n[protocol \"file\"]\n allow = always\n[advice]\n detachedHead = false\n")
        self.environment = {
            "HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "MARKER": str(self.marker)}
        self.limits = limits
        self.work.mkdir()
        if prepare:
            self.shell(prepare)
        self._child: subprocess.Popen[bytes] | None = None
        self.carry: GitCarry | None = None

    def open(self) -> World:
        """Puts the layer in place and makes the carrier."""
        store = self.base / "store"
        store.mkdir(exist_ok=True)
        # The tests' own interpreter may lie where only root of the host may look.
        python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
        mine, theirs = socket.socketpair()
        mine.settimeout(60)
        self._link = mine
        self._child = subprocess.Popen(
            ["unshare", "-Urm", python, "-I", "-S", str(INSIDE), str(theirs.fileno()), str(self.git),
             str(store), str(self.canary)], pass_fds=[theirs.fileno()], env=self.environment)
        theirs.close()
        data, descriptors, _, _ = socket.recv_fds(mine, 4096, 1)
        if not descriptors:
            self.close()
            pytest.skip(f"no user namespace with overlayfs: {data.decode() or 'unshare failed'}")
        self._reader = mine.makefile("r", encoding="utf-8")
        host = os.open(self.git, os.O_PATH | os.O_DIRECTORY)
        self.carry = GitCarry(host, git_dir=str(self.git), roots=(str(self.base),), limits=self.limits)
        self.carry.over(descriptors[0])
        return self

    def close(self) -> None:
        if self.carry is not None:
            self.carry.close()
        if self._child is not None:
            self._link.close()
            if hasattr(self, "_reader"):
                self._reader.close()
            self._child.wait(timeout=30)

    def outside(self, *argv: str, directory: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(argv, cwd=directory or self.work, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        text = done.stdout.decode("utf-8", "replace")
        assert not check or done.returncode == 0, text
        return text

    def shell(self, script: str) -> str:
        return self.outside("sh", "-ec", script)

    def inside(self, script: str, *, directory: Path | None = None, check: bool = True) -> str:
        """Runs a shell script in the layer's view."""
        environment = {key: value for key, value in self.environment.items() if key != "MARKER"}
        request = [["sh", "-ec", script], str(directory or self.work), environment]
        self._link.sendall(json.dumps(request).encode() + b"\n")
        code, text = json.loads(self._reader.readline())
        assert not check or code == 0, text
        return str(text)

    def settle(self) -> tuple[Held, ...]:
        assert self.carry is not None
        return self.carry.settle()

    def run(self, script: str, *, check: bool = True) -> tuple[Held, ...]:
        """One command inside, then the carrier as a session does it: only when it thinks that there is something."""
        self.inside(script, check=check)
        assert self.carry is not None
        return self.carry.settle() if self.carry.dirty() else ()

    def fresh(self) -> tuple[Held, ...] | None:
        """What a session does before a command: a fresh view when the host changed something."""
        assert self.carry is not None
        if not self.carry.stale():
            return None
        told = self.carry.refresh()
        self._link.sendall(b'"remount"\n')
        assert json.loads(self._reader.readline()) == 0
        return told

    def agree(self, *, index: bool = True) -> None:
        """Both views tell the same, the real repository is whole, and nothing ran outside."""
        words = ["git log --all --graph --format=%H%d", "git for-each-ref", "git symbolic-ref -q HEAD || true",
                 "git rev-parse HEAD", "git stash list", "git reflog", *(
                     ("git status --porcelain=v2 --branch", "git ls-files --stage") if index else ())]
        script = "; ".join(f"echo '$ {word}'; {word}" for word in words)
        assert self.shell(script) == self.inside(script)
        self.whole()

    def whole(self) -> None:
        checked = self.outside("git", "fsck", "--strict", "--no-dangling")
        assert "error" not in checked and "missing" not in checked, checked
        assert not self.marker.exists()
        assert self.canary.read_text() == "untouched\n"
        left = [str(path) for path in self.git.rglob("*") if path.name.endswith(".lock") or path.name[:4] == "tmp_"]
        assert left == []

    def everyday(self) -> None:
        """What a user does outside afterwards; no program of the cell may run."""
        self.outside("sh", "-c", "; ".join((
            "git status", "git log -p --all", "git diff", "git add -A", "git commit --allow-empty -m outside",
            "git fetch --all", "git gc", "git branch -a", "git stash list", "git submodule status",
            "git worktree list", "git rebase --continue", "git am --continue", "git cherry-pick --continue",
            "git blame f")), check=False)
        assert not self.marker.exists()
        assert self.canary.read_text() == "untouched\n"


BEGIN = """
git init -q
echo one > f; mkdir d; echo two > d/g
git add .; git commit -qm first
echo three >> f; git commit -qam second
git branch topic; git tag v1
"""


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds; ends them afterwards."""
    made: list[World] = []

    def make(prepare: str = BEGIN, **options: object) -> World:
        if shutil.which("git") is None or shutil.which("unshare") is None:
            pytest.skip("needs git and unshare")
        base = tmp_path / f"w{len(made)}"
        base.mkdir()
        world = World(base, prepare=prepare, **options)  # type: ignore[arg-type]
        made.append(world)
        return world.open()

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    """A world with two commits, a second branch and a tag."""
    return worlds()
