"""A command at a terminal of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

PROGRAM = os.path.join(os.path.dirname(__file__), "on_terminal.py")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


@pytest.mark.parametrize("tier", ["token", "account"])
def test_keys_go_in_and_the_screen_comes_out(tmp_path: Path, tier: str) -> None:
    result = tmp_path / "result.json"
    (tmp_path / "work").mkdir()
    path = os.pathsep.join([os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "..")), *sys.path])
    done = subprocess.run([sys.executable, PROGRAM, os.path.realpath(tmp_path / "work"), str(result), tier],
                          timeout=120, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(result.read_text("utf-8"))
    shown = ESCAPES.sub("", told["shown"])
    assert told["code"] == 5, told
    assert ("True" in shown and "100" in shown) or "101" in shown
    assert "hello" in shown
    assert told["open"] == 0
