"""What a command leaves to init dies with it when it is killed; what an earlier or another command left does not.

Knows: how a process becomes a daemon.  Must not know: how init tells whose it was.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from sidewall.platforms.linux.cell import LinuxChild

from .place import Opened, Place, children

DAEMON = "(setsid sh -c 'sleep {0} & echo ok > ready-{0}' > /dev/null 2>&1 < /dev/null &)"


@pytest.fixture
def cell(place: Place, tier: str) -> Opened:
    return place.open(tier)


def daemon(place: Place, seconds: int) -> None:
    """Waits until the daemon that sleeps for so long has lost its parents."""
    ready = place.work / f"ready-{seconds}"
    deadline = time.monotonic() + 10
    while not ready.exists():
        assert time.monotonic() < deadline, f"{ready} did not come"
        time.sleep(0.01)
    time.sleep(0.05)


def sleeping(cell: Opened) -> list[int]:
    """For how long processes of the cell sleep; looked at from outside."""
    found, queue = [], [cell.keeper]
    while queue:
        for pid in children(queue.pop()):
            queue.append(pid)
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == b"sleep":
                found.append(int(words[1]))
    return sorted(found)


def kill(child: LinuxChild) -> None:
    child.signal(signal.SIGKILL, tree=True)
    end = child.wait(10)
    assert end is not None and end.returncode == -signal.SIGKILL
    child.close()


def test_a_daemon_is_killed_with_the_command_that_started_it(cell: Opened, place: Place) -> None:
    cell.run(DAEMON.format(41))
    daemon(place, 41)
    child = cell.start(DAEMON.format(42) + "; sleep 43")
    daemon(place, 42)
    assert sleeping(cell) == [41, 42, 43]
    kill(child)
    deadline = time.monotonic() + 5
    while sleeping(cell) != [41]:
        assert time.monotonic() < deadline, sleeping(cell)
        time.sleep(0.02)
    assert cell.run("echo alive").output == "alive\n"


def test_what_may_be_another_commands_is_left(cell: Opened, place: Place) -> None:
    child = cell.start("sleep 44")
    other = cell.start(DAEMON.format(45) + "; sleep 46")
    daemon(place, 45)
    kill(child)
    assert sleeping(cell) == [45, 46]
    kill(other)
