"""What the whole suite shares: long tests first, so that two workers end together; a kind word about skipped lanes.

Knows: pytest's hooks.  Must not know: any test.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
import time
from pathlib import Path

import pytest

collect_ignore = [] if sys.platform == "win32" else ["windows/inside"]
"""What only a Windows Python can run; ``windows/test_lane.py`` has it run by one."""


class Survivor:
    """A process of a command that leaves a sign if it still runs when it is asked, however slow the machine is.  What
    its shell says of a child that was killed a moment earlier is nobody's business."""

    script = ("(n=0; while [ ! -e asked ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n+1)); done; "
              "[ ! -e asked ] || touch survived) 2> /dev/null")

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace

    def survives(self) -> bool:
        """Asks, and waits for an answer for longer than one takes."""
        (self.workspace / "asked").touch()
        deadline = time.monotonic() + 0.6
        while time.monotonic() < deadline and not (self.workspace / "survived").exists():
            time.sleep(0.02)
        return (self.workspace / "survived").exists()


@pytest.fixture
def survivor(workspace: Path) -> Survivor:
    """What runs on in the background of a command in ``workspace``, unless something ends it."""
    return Survivor(workspace)


def pytest_configure() -> None:
    """A shell that starts this in the background has it ignore interrupts, and all that the tests start with it; and a
    caller who wants no compiled files would have thousands of programs compile the same modules again and again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    usually = {"SIGINT": signal.default_int_handler, "SIGQUIT": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    for name, usual in usually.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``lane`` run a part of the suite again and take minutes: each worker starts with its share of them.

    Workers are dealt equal runs of the list, in order, and take from each other's ends later (xdist's "worksteal").
    """
    lanes = [item for item in items if item.get_closest_marker("lane") is not None]
    lanes.sort(key=lambda item: "windows" not in item.path.parts)  # the longest, with a set-up of its own
    others = iter([item for item in items if item.get_closest_marker("lane") is None])
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    total, dealt = len(items), list[pytest.Item]()
    for number in range(workers):
        room = (total - len(dealt)) // (workers - number)
        own = lanes[number::workers]
        dealt += own
        dealt += itertools.islice(others, max(0, room - len(own)))
    dealt += others
    items[:] = dealt


def pytest_collection_finish() -> None:
    """Thousands of tests stay in memory to the end, and so does what Microsoft's description says: to look through all
    that for garbage, again and again, was a quarter of the whole time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what this machine could not run: one line a directory of tests, above the reasons."""
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        lane = "/".join(report.nodeid.split("::")[0].split("/")[:2])
        skipped[lane] = skipped.get(lane, 0) + 1
    if skipped:
        told = ", ".join(f"{lane} ({count})" for lane, count in sorted(skipped.items()))
        terminalreporter.write_line(f"lanes with skipped tests, reasons below: {told}", yellow=True)
