"""``python -m bench``: runs every measurement and writes docs/performance.md.

Knows: the order of the measurements and the bounds.  Must not know: how one is taken or printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import commands, machine, peers, report, shell, windows_model, work
from bench.measure import Contender, added, ratio
from sidewall import Sandbox

BALLAST = 500 << 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="rounds of one command; the others follow")
    parser.add_argument("--output", default=os.fspath(peers.ROOT / "docs" / "performance.md"))
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="measure the peers too")
    arguments = parser.parse_args()
    with workspace_on_tmpfs() as workspace:
        text = measure(workspace, max(2, arguments.rounds), with_peers=arguments.peers)
    Path(arguments.output).write_text(text)
    print(text)
    return 0


def measure(workspace: str, rounds: int, *, with_peers: bool) -> str:
    """Everything, in one process, and the page about it."""
    about = machine.describe(workspace)
    say(f"making a tree of {work.FILES} files")
    work.make_tree(workspace)
    # Some peers make and remove names in their workspace at each start: news for whoever looks after another one's.
    beside = workspace + "-of-peers"
    os.mkdir(beside)
    work.make_tree(beside)
    # Before a cell of ours stands: the names that it holds are there for its time only.
    programs = peers.programs(workspace, masks(workspace)) if with_peers else []
    libraries = peers.libraries(workspace) if with_peers else []
    others = peers.programs(beside, masks(beside)) if with_peers else []
    modules = peers.libraries(beside) if with_peers else []
    tables: dict[str, list[Contender]] = {}
    with Sandbox(workspace=workspace) as sandbox:
        sandbox.run(["true"], check=True)
        one = partial(commands.one_command, sandbox, workspace, beside)
        say("one command in an open session")
        alone = one(commands.TRUE, others, modules, rounds)
        say("the same from 8 threads")
        crowd = commands.from_threads(sandbox, workspace, 8, 10, max(2, rounds // 10))
        say("300 processes in one command, and work on files")
        done = work.rows(sandbox, workspace, programs, libraries, max(2, rounds // 10))
        say("the same command while this process holds 500 MB")
        ballast = b"\x01" * BALLAST
        heavy = one(commands.TRUE, [], modules, max(2, rounds // 2))
        del ballast
    say("opening a cell")
    opened = commands.opening(workspace, beside, others, max(2, rounds // 5))
    say("the command line")
    started = shell.start_up(workspace, beside, others, max(2, rounds // 5))
    tables["One `true` from a process"] = alone
    tables["The same while the process holds 500 MB"] = heavy
    tables["80 × `true` from 8 threads"] = crowd
    tables["A new cell and its first command"] = opened
    tables["`sidewall run -- true` from a shell"] = started
    loop = done["300 × /bin/true in sh"]
    native = next((program.name for program in programs if program.name == "codex"), "codex")
    targets = [
        report.Target("one command, to bare", ratio(alone, "sidewall", "bare"), 1.15),
        report.Target("... with 500 MB held", ratio(heavy, "sidewall", "bare"), 1.15),
        report.Target("... from 8 threads", ratio(crowd, "sidewall", "bare"), 1.15),
        report.Target("... 300 processes inside", ratio(loop, "sidewall", "bare"), 1.15),
        report.Target("a new cell, to bwrap", ratio(opened, "sidewall", "bwrap"), 3),
        report.Target("... with a spare init", ratio(opened, "sidewall, spare", "bwrap"), 1.2),
        report.Target("a cell's memory", commands.cell_mib(workspace), 12, "MiB"),
        report.Target("`sidewall run -- true`, to codex", ratio(started, "sidewall", native), 0.6),
    ]
    start = added(alone)
    targets += [
        report.Target(f"{title}, beyond the start", ratio(each, "sidewall", "bare", less=start), 1.05)
        for title, each in done.items()
        if each is not loop
    ]
    say("access checks of the Windows model")
    checks = windows_model.microseconds(windows_model.questions())
    targets.append(report.Target("an access check of the Windows model", checks, 10, "µs"))
    versions = [(peer.name, peer.version) for peer in (*programs, *libraries)]
    return report.page(about, versions, targets, tables, done)


def masks(workspace: str) -> list[tuple[str, str]]:
    """What our own plan hides and keeps from writing, for the peers that can do the same."""
    explain = [sys.executable, "-m", "sidewall", "explain", "--json"]
    plan = json.loads(subprocess.run(explain, cwd=workspace, check=True, capture_output=True).stdout)
    found: list[tuple[str, str]] = []
    for step in plan["steps"]:
        if step["step"] == "Protect":
            found.append((step["path"], "keep"))
        elif step["step"] in ("Mask", "Hide"):
            parent = step.get("parent", "")
            paths = [os.path.join(parent, name) for name in step["names"]] if parent else [step["path"]]
            found += [(path, "dir" if os.path.isdir(path) else "file") for path in paths]
    return [(path, kind) for path, kind in found if os.path.exists(path) and not os.path.islink(path)]


@contextlib.contextmanager
def workspace_on_tmpfs() -> Iterator[str]:
    """An empty directory below the user's cache; as root on a tmpfs, so that no disk is measured."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sidewall-bench-", dir=base) as directory:
        mounted = os.getuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "bench", directory]).returncode == 0
        try:
            workspace = os.path.join(directory, "workspace")
            os.mkdir(workspace)
            yield workspace
        finally:
            if mounted:
                subprocess.run(["umount", "-l", directory], check=True)


def say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
