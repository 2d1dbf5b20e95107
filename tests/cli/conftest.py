"""A workspace and a home of their own for each test, and the command line as a real process.

Knows: how to start ``sidewall``.  Must not know: what is tested with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEADLINE = 60.0


class Cli:
    """``sidewall`` in ``workspace`` with a home, state and configuration of its own."""

    def __init__(self, base: Path) -> None:
        self.workspace = base / "workspace"
        self.home = base / "home"
        self.audit = self.home / ".local" / "state" / "sidewall" / "audit"
        for path in (self.workspace, self.home):
            path.mkdir()

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", "sidewall"]

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items()
                if name in ("PATH", "LANG", "PYTHONPATH", "TERM") or name.startswith("LC_")}
        return {**kept, "HOME": str(self.home), **extra}

    def __call__(self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None,
                 stdin: bytes | None = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.argv, *words], input=stdin, capture_output=True, timeout=DEADLINE,
                              cwd=cwd or self.workspace, env=self.environment(**(env or {})))

    def start(self, *words: str, **settings: object) -> subprocess.Popen[bytes]:
        given: dict[str, object] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                                    "cwd": self.workspace, "env": self.environment(), **settings}
        return subprocess.Popen([*self.argv, *words], **given)  # type: ignore[call-overload,no-any-return]

    def events(self) -> list[dict[str, object]]:
        lines = [line for path in sorted(self.audit.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
        return [json.loads(line) for line in lines]


@pytest.fixture
def sidewall(tmp_path: Path) -> Cli:
    return Cli(tmp_path)
