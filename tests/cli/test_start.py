"""What ``sidewall run`` imports before its command starts, and from where: speed and safety by the list.

Knows: import logs.  Must not know: clocks; a list that grows is a start that slows.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

STANDARD_LIBRARY = {
    "__future__", "_ctypes", "_sha2", "_sha256", "_signal", "_socket", "_struct", "ctypes", "ctypes._endian", "errno",
    "fcntl", "gc", "marshal", "posix", "runpy", "select", "struct", "termios", "time",
}
"""All that may be imported beyond what a bare interpreter has: C modules, and the few that cost next to nothing."""

TOO_SLOW = {"argparse", "asyncio", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib", "json",
            "logging", "msgspec", "pathlib", "re", "rich", "selectors", "signal", "socket", "subprocess", "tempfile",
            "threading", "tomllib", "typing"}


def imported(cli: Cli, *words: str) -> list[str]:
    """Modules imported by one run, in order, without those of a bare interpreter."""
    def log(argv: list[str]) -> list[str]:
        done = subprocess.run(argv, cwd=cli.workspace, env=cli.environment(PYTHONPROFILEIMPORTTIME="1"), timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        return [line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines()
                if line.startswith("import time:") and not line.endswith("imported package")]

    bare = set(log([sys.executable, "-P", "-c", "import runpy"]))
    return [name for name in log([*cli.argv, *words]) if name not in bare]


def test_run_imports_what_is_on_the_list_and_nothing_else(sidewall: Cli) -> None:
    names = imported(sidewall, "run", "--", "true")
    assert "sidewall.cli.run" in names and "sidewall.platforms.linux.backend" in names
    foreign = {name for name in names if name.partition(".")[0] != "sidewall"}
    assert foreign <= STANDARD_LIBRARY
    assert not {name.partition(".")[0] for name in names} & TOO_SLOW


CLOSED = ("sidewall.config", "sidewall.session.sandbox", "sidewall.session.denials", "sidewall.policy.merge",
          "sidewall.cli.parser", "sidewall.cli.verbs", "sidewall.cli.terminal", "sidewall.cli.status")


def test_a_plain_run_leaves_rooms_closed(sidewall: Cli) -> None:
    names = imported(sidewall, "run", "--", "true")
    assert not [name for name in names if name.startswith(CLOSED)]


HOSTILE = "import os\nos.write(2, b'HOSTILE')\nraise SystemExit(66)\n"
SHADOWED = ("sidewall", "os", "json", "argparse", "rich", "msgspec", "tomllib", "difflib", "traceback", "_socket",
            "site", "sitecustomize", "encodings", "ctypes", "select", "fcntl")


@pytest.mark.parametrize("words", [("run", "--", "true"), ("check", "x"), ("doctor",), ("run", "--nonsense")],
                         ids=" ".join)
@pytest.mark.parametrize("launch", ["module", "script"])
def test_nothing_is_imported_from_the_workspace(sidewall: Cli, words: tuple[str, ...], launch: str) -> None:
    for name in SHADOWED:
        (sidewall.workspace / f"{name}.py").write_text(HOSTILE)
    script = Path(sys.executable).parent / "sidewall"
    if launch == "script" and not script.exists():
        pytest.skip("the console script is not installed")
    argv = sidewall.argv if launch == "module" else [str(script)]
    done = subprocess.run([*argv, *words], cwd=sidewall.workspace, env=sidewall.environment(), capture_output=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    assert b"HOSTILE" not in done.stderr and done.returncode != 66


def test_relative_places_leave_the_import_path(sidewall: Cli) -> None:
    (sidewall.workspace / "src").mkdir()
    for name in ("json", "rich", "difflib", "src/json", "src/rich", "src/argparse"):
        (sidewall.workspace / f"{name}.py").write_text(HOSTILE)
    code = ("import sys; here = sys.argv.pop(1); sys.path[:0] = ['', '.', here, here + '/src']\n"
            "from sidewall.cli.main import entry; entry()")
    done = subprocess.run([sys.executable, "-P", "-c", code, str(sidewall.workspace), "check", "x", "--json"],
                          cwd=sidewall.workspace, env=sidewall.environment(), capture_output=True, timeout=60)
    assert b"HOSTILE" not in done.stderr and done.returncode == 0


def test_an_unforeseen_error_is_one_line_and_125(sidewall: Cli) -> None:
    code = ("from sidewall.cli import main\n"
            "def broken(words): raise ZeroDivisionError('by \\x1b[2J zero')\n"
            "main.main = broken; main.entry()")

    def start(**env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-P", "-c", code], cwd=sidewall.workspace, timeout=60,
                              env=sidewall.environment(**env), capture_output=True)

    done = start()
    assert done.returncode == 125
    error, hint = done.stderr.splitlines()
    assert error.startswith(b"sidewall: error: internal error: ZeroDivisionError: by \\x1b[2J zero")
    assert hint.startswith(b"sidewall: hint: ")
    assert b"Traceback" in start(SIDEWALL_DEBUG="1").stderr


def test_errors_survive_a_closed_standard_error(sidewall: Cli) -> None:
    line = " ".join([*sidewall.argv, "run", "--nonsense", "2>&-"])
    done = subprocess.run(["sh", "-c", line], cwd=sidewall.workspace, env=sidewall.environment(), timeout=60)
    assert done.returncode == 2
