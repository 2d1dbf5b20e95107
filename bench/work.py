"""File-heavy work: does a file cost more inside?

Knows: how to make the trees that the work is done on.  Must not know: how the figures are printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.commands import LOOP
from bench.measure import Contender, interleave
from bench.peers import ROOT, Library, Program, silent
from sidewall import Sandbox

FILES = 5000
CHURN = 20000
PEERS = 7
"""Rounds of a peer; bare and Sidewall, which are close to each other, take all."""
_CHURN = f"""
import os
os.mkdir("churn")
for number in range({CHURN}):
    os.close(os.open(f"churn/{{number}}", os.O_CREAT | os.O_WRONLY | os.O_EXCL))
for number in range({CHURN}):
    os.unlink(f"churn/{{number}}")
os.rmdir("churn")
"""

WORK: tuple[tuple[str, tuple[str, ...]], ...] = (
    (f"git status, {FILES:,} files", ("git", "status", "--porcelain")),
    (f"{CHURN:,} creates and deletes", (sys.executable, "-I", "-S", "-c", _CHURN)),
    ("a wheel build", (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "wheels", "-c")),
    ("300 × /bin/true in sh", LOOP),
)


def make_tree(workspace: str) -> None:
    """A repository with ``FILES`` committed files, and this project's own sources for the wheel."""
    root = Path(workspace)
    for number in range(FILES):
        directory = root / "files" / f"{number % 100:02}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number}.txt").write_text(f"file {number}\n" * 8)
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    for name in (".vscode", ".claude"):  # what most projects have of the protected names
        (root / name).mkdir()
        (root / name / "settings.json").write_text("{}\n")
    (root / ".gitignore").write_text("__pycache__/\nwheels/\nchurn/\n")
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    # No collection of garbage in the background: it would take a processor while the first things are timed.
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0",
                "-c", "maintenance.auto=false")  # fmt: skip
    for argv in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "tree"), ("status",)):
        subprocess.run(["git", *argv], cwd=workspace, check=True, env=environ, stdout=subprocess.DEVNULL)


def rows(
    sandbox: Sandbox, workspace: str, programs: Sequence[Program], libraries: Sequence[Library], rounds: int
) -> dict[str, list[Contender]]:
    """Every piece of work in every contender."""
    results = {}
    for title, argv in WORK:
        contenders = [
            Contender("bare", partial(silent, argv, workspace)),
            Contender("sidewall", partial(inside, sandbox, argv)),
            *(Contender(library.name, partial(library.run, argv), most=PEERS) for library in libraries),
            *(Contender(program.name, partial(program.run, argv, workspace), most=PEERS) for program in programs),
        ]
        interleave(contenders, rounds=rounds, warm=1)
        results[title] = contenders
    return results


def inside(sandbox: Sandbox, argv: Sequence[str]) -> None:
    """The counterpart of ``silent`` in an open session.  Raises CalledProcessError."""
    sandbox.run(
        list(argv), check=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
