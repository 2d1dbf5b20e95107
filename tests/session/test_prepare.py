"""``sidewall.prepare``: one process that waits, is used by the next sandbox, and does not outlive its owner.

Knows: how to list a process's children.  Must not know: what the process does while it waits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import sidewall

def children():
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as listed:
        return listed.read().split()

sidewall.prepare()
sidewall.prepare()
ready = children()
with sidewall.Sandbox(workspace=sys.argv[1]) as sandbox:
    tier = sandbox.run(["true"]) and next(line for line in sandbox.guarantees if line.name == "survivors").mechanism
    used = children()
after = children()
sidewall.prepare()
print(len(ready), used == ready or "pid namespace" not in tier, len(after), len(children()), *children(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kill", [False, True], ids=["exits", "is killed"])
def test_one_waits_is_used_and_ends_with_its_owner(tmp_path: Path, kill: bool) -> None:
    environ = {**os.environ, "HOME": os.fspath(tmp_path), "XDG_STATE_HOME": os.fspath(tmp_path / "state")}
    work = tmp_path / "work"
    work.mkdir()
    owner = subprocess.Popen([sys.executable, "-P", "-c", PROGRAM, os.fspath(work)], env=environ,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert owner.stdin and owner.stdout
    try:
        ready, same, after, again, spare = owner.stdout.readline().decode().split()
        assert (ready, same, after, again) == ("1", "True", "0", "1")
        if kill:
            owner.kill()
        owner.stdin.close()
        owner.wait(30)
    finally:
        owner.kill()
        owner.stdout.close()
    deadline = time.monotonic() + 20
    while alive(spare) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(spare)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
