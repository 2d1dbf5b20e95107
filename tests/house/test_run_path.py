"""What ``sidewall run`` may import before its child starts: no more than the pinned list.

Knows: how to look into another interpreter's list of modules.  Must not know: what the modules do.

The clock would be a bad judge on a shared machine; the list of modules is the same everywhere.  An audit hook
(sys.addaudithook) writes the list down whenever the program sends a message with descriptors: the last such message
before the child runs is the one that starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PINNED = Path(__file__).with_name("run_path_modules.txt")

# Each of these would cost more than all that is pinned.
HEAVY = {
    "argparse", "asyncio", "collections", "dataclasses", "enum", "functools", "importlib.metadata", "json", "logging",
    "msgspec", "pathlib", "re", "rich", "socket", "ssl", "subprocess", "tempfile", "tomllib", "typing",
}  # fmt: skip

RECORDER = """
import posix, sys

def note(event, arguments, owner=posix.getpid(), flags=posix.O_CREAT | posix.O_WRONLY | posix.O_TRUNC):
    if event == "socket.sendmsg" and posix.getpid() == owner and not posix.access(STARTED, posix.F_OK):
        listing = posix.open(LISTING, flags, 0o600)
        posix.write(listing, "\\n".join(sorted(sys.modules)).encode())
        posix.close(listing)

sys.addaudithook(note)
"""

# As if the first module of the way imported one more.
INTRUDER = """
def intrude(event, arguments):
    if event == "import" and arguments[0] == "sidewall.cli.run":
        import colorsys

sys.addaudithook(intrude)
"""


def imported(tmp_path: Path, *words: str, beside: str = "") -> set[str]:
    """The modules that a run of Sidewall has imported when its command starts, without the interpreter's own.

    ``beside`` is a piece of program that the interpreter runs at its start.
    """
    workspace, home = tmp_path / "work", tmp_path / "home"
    workspace.mkdir()
    home.mkdir()
    listing, started = tmp_path / "modules", workspace / "started"
    recorder = f"LISTING, STARTED = {os.fspath(listing)!r}, {os.fspath(started)!r}\n{RECORDER}{beside}"
    (tmp_path / "sitecustomize.py").write_text(recorder)
    environ = {**os.environ, "PYTHONPATH": os.fspath(tmp_path), "HOME": os.fspath(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in [name for name in environ if name.startswith(("SIDEWALL_", "XDG_"))]:
        del environ[name]
    # As the console script does it; ``-m`` would bring ``runpy`` and all that this imports.
    entry = "from sidewall.cli.main import entry; entry()"
    argv = [sys.executable, "-c", entry, "run", *words, "--", "touch", "started"]
    done = subprocess.run(argv, cwd=workspace, env=environ, capture_output=True, text=True, timeout=60)
    if done.returncode == 125 and "no tier can confine" in done.stderr:
        pytest.skip(f"no sandbox on this machine: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert started.exists()
    names = [sys.executable, "-c", "import sys; print(*sys.modules)"]
    own = subprocess.run(names, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return set(listing.read_text().split()) - set(own.stdout.split())


def pinned() -> set[str]:
    lines = PINNED.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


@pytest.mark.parametrize("words", [(), ("--timeout", "30", "--deny", "secret")], ids=["plain", "options"])
def test_the_way_to_the_child_imports_what_is_pinned(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = imported(tmp_path, *words)
    assert "sidewall.cli.run" in found, "the recorder saw nothing"
    unexpected = sorted(found - pinned())
    assert not unexpected, f"imported before the child starts, and not in {PINNED.name}: {', '.join(unexpected)}"


def test_one_module_more_is_seen(tmp_path: Path) -> None:
    assert imported(tmp_path, beside=INTRUDER) - pinned() == {"colorsys"}


def test_nothing_heavy_is_pinned() -> None:
    assert not pinned() & HEAVY
