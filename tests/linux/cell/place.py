"""A home, a workspace in it, and cells on them, driven without a session; every command has a deadline.

Knows: policy, plan, backend and cell, and how to read a command's output.  Must not know: what is tested.
"""

from __future__ import annotations

import ast
import inspect
import os
import select
import shutil
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sidewall import plan as planning
from sidewall.plan.steps import Plan
from sidewall.platforms.contract import Exit
from sidewall.platforms.linux.backend import LinuxBackend
from sidewall.platforms.linux.cell import LinuxCell
from sidewall.platforms.linux.child import LinuxChild
from sidewall.platforms.linux.spare import interpreter
from sidewall.policy import profiles
from sidewall.policy.model import DENY, READ, WRITE, FileRule, Policy

PATH = b"/usr/local/bin:/usr/bin:/bin"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or interpreter()
TIERS = ("namespace", "landlock")
SECONDS = 20.0


class Done(NamedTuple):
    """How a command ended, and all that it said."""

    returncode: int
    output: str
    exit: Exit


class Opened:
    """An open cell, and commands in it."""

    def __init__(self, cell: LinuxCell) -> None:
        self.cell = cell

    @property
    def plan(self) -> Plan:
        return self.cell.plan

    @property
    def keeper(self) -> int:
        """The keeper's process id here."""
        return self.cell._spare.pid

    @property
    def init(self) -> int:
        """The process id here of the cell's first process."""
        found = [pid for pid in children(self.keeper) if status(pid).get("State", "Z")[0] not in "ZX"]
        assert len(found) == 1, found
        return found[0]

    def environment(self, extra: Mapping[bytes, bytes] = {}) -> dict[bytes, bytes]:
        """What a command gets."""
        return {b"PATH": PATH, b"HOME": os.fsencode(self.plan.policy.home), **self.cell.environment, **extra}

    def start(
        self, argv: Sequence[str | bytes] | str, *, stdout: int = -1, stdin: int = -1, **options: Any
    ) -> LinuxChild:
        """A command that says nothing (unless told where); text is for the shell."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        env = options.pop("env", None)
        try:
            return self.cell.spawn(
                ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv,
                cwd=options.pop("cwd", None),
                env=self.environment() if env is None else env,
                stdin=null if stdin < 0 else stdin,
                stdout=null if stdout < 0 else stdout,
                stderr=null if stdout < 0 else stdout,
                **options,
            )
        finally:
            os.close(null)

    def run(self, argv: Sequence[str | bytes] | str, *, seconds: float = SECONDS, **options: Any) -> Done:
        """A command to its end, with its output; what still holds the pipe then is not waited for."""
        ours, theirs = os.pipe()
        try:
            child = self.start(argv, stdout=theirs, **options)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        output = b""
        try:
            poll = select.poll()
            poll.register(ours, select.POLLIN)
            poll.register(child.status_fd, select.POLLIN)
            deadline = time.monotonic() + seconds
            ended = False
            while not ended:
                ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
                ended = child.status_fd in ready
                if not ready:
                    child.signal(9, tree=True)
                    raise AssertionError(f"{argv!r} did not end within {seconds} seconds; it said {output!r}")
                if ours in ready:
                    block = os.read(ours, 65536)
                    output += block
                    if not block:
                        poll.unregister(ours)
            os.set_blocking(ours, False)
            output += drain(ours)
            end = child.wait(1)
            assert end is not None
            return Done(end.returncode, output.decode(errors="surrogateescape"), end)
        finally:
            child.close()
            os.close(ours)

    def python(self, function: Callable[..., None], *arguments: object, **options: Any) -> Done:
        """A function of the test, by its source, in a fresh interpreter inside."""
        return self.run([PYTHON, "-I", "-S", "-c", source(function, *arguments)], **options)

    def start_python(self, function: Callable[..., None], *arguments: object, **options: Any) -> LinuxChild:
        """The same, without waiting for its end."""
        return self.start([PYTHON, "-I", "-S", "-c", source(function, *arguments)], **options)

    def close(self) -> None:
        self.cell.close()


def source(function: Callable[..., None], *arguments: object) -> str:
    """A program that calls the function: its source, and its arguments as literals."""
    text = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(text)
    body = "\n".join(text.splitlines()[tree.body[0].lineno - 1 :])
    return f"{body}\n{function.__name__}({', '.join(map(repr, arguments))})\n"


def drain(descriptor: int) -> bytes:
    """What is left in a pipe that does not block."""
    heap = b""
    while True:
        try:
            block = os.read(descriptor, 65536)
        except BlockingIOError:
            return heap
        if not block:
            return heap
        heap += block


def status(pid: int) -> dict[str, str]:
    """``/proc/<pid>/status`` as a mapping; empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def children(parent: int) -> list[int]:
    """Direct children of a process, zombies among them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and status(int(name)).get("PPid") == str(parent):
            found.append(int(name))
    return found


class Place:
    """Directories of one test: ``home`` with ``work`` (the workspace) and ``outside``; ``elsewhere`` beside it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home = base / "home"
        self.work = self.home / "work"
        self.outside = self.home / "outside"
        self.elsewhere = base / "elsewhere"
        for directory in (self.work, self.outside, self.elsewhere):
            directory.mkdir(parents=True, exist_ok=True)
        self.state = base / "state"
        self.backend = LinuxBackend()
        self._open: list[Opened] = []

    def policy(self, profile: str = ":workspace", *, rules: tuple[FileRule, ...] = (), **changes: Any) -> Policy:
        """A policy for this place; ``rules`` are added to those of the profile."""
        built = profiles.build(profile, workspace=os.fspath(self.work), home=os.fspath(self.home))
        return built.replace(**{"files": (*built.files, *rules), "require": (), **changes})

    def plan(self, tier: str = "namespace", *, without: tuple[type, ...] = (), **options: Any) -> Plan:
        """A plan for a policy of this place; the steps of the types ``without`` are left out."""
        policy = self.policy(**options)
        plan = planning.compile(policy, self.backend.facts(policy, tier=tier), tier=tier)
        return plan.replace(steps=tuple(step for step in plan.steps if not isinstance(step, without)))

    def open(self, tier: str = "namespace", **options: Any) -> Opened:
        """A cell; closed when the test ends, if it has not closed it before."""
        opened = Opened(self.backend.apply(self.plan(tier, **options)))
        self._open.append(opened)
        return opened

    def close(self) -> None:
        for opened in self._open:
            opened.close()


def rule(access: str, path: Path | str, *, glob: bool = False) -> FileRule:
    """One rule on files."""
    assert access in (DENY, READ, WRITE)
    return FileRule(path=os.fspath(path), access=access, glob=glob)


def write(path: Path, text: str = "text\n", mode: int = 0o644) -> Path:
    """Makes a file with its parents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path
