"""What a cell whose owner and keeper were both killed leaves is undone at the next start, wherever that is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.platforms.linux import lease

PROGRAM = """
import os, sys, time
import sidewall
sandbox = sidewall.Sandbox(workspace=sys.argv[1])
sandbox.run(["true"])
print(os.getpid(), flush=True)
time.sleep(60)
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("name", ["crashed", "a\nb\\n\tc\u2028d\x0b\\"], ids=["plain", "breaks lines"])
def test_the_next_cell_anywhere_undoes_it(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    crashed, other = tmp_path / "home" / name, tmp_path / "home" / "other"
    for place in (crashed, other):
        place.mkdir(parents=True)
    owner = subprocess.Popen([sys.executable, "-P", "-c", PROGRAM, str(crashed)], stdout=subprocess.PIPE)
    try:
        owner.stdout.readline()
        keepers = children(owner.pid)
        for keeper in keepers:
            os.kill(keeper, signal.SIGKILL)
        owner.kill()
        owner.wait(30)
    finally:
        owner.kill()
        owner.stdout.close()
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{keeper}") for keeper in keepers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (crashed / ".vscode").is_dir(), "the crash left nothing, so this test shows nothing"
    done = subprocess.run([sys.executable, "-P", "-m", "sidewall", "run", "--", "true"], cwd=other, timeout=60)
    assert done.returncode == 0
    assert sorted(os.listdir(crashed)) == []


@given(st.text(st.sampled_from("ab/nt\\\n\t\r\u2028 \udc80")))
def test_a_path_in_the_journal_is_one_line_and_comes_back(path):
    line = lease._quoted(path)
    assert "\n" not in line and "\t" not in line
    assert lease._unquoted(line) == path
