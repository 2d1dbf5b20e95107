"""What the whole suite shares: long tests first, so that two workers end together; a kind word about skipped lanes.

Knows: pytest's hooks.  Must not know: any test.
"""

from __future__ import annotations

import gc
import sys

import pytest

collect_ignore = [] if sys.platform == "win32" else ["windows/inside"]
"""What only a Windows Python can run; ``windows/test_lane.py`` has it run by one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``lane`` run a part of the suite again and take long: they start first."""
    items.sort(key=lambda item: item.get_closest_marker("lane") is None)


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
