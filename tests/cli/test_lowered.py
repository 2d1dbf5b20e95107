"""A promise that is lowered while a cell is made: the user hears of it, in the words of other warnings.

Knows: the report of a run, plans of both platforms.  Must not know: how a cell is made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.plan.windows.machines import compiled

from sidewall.cli.report import Report
from sidewall.plan.guarantees import OPEN

LOST = "tried in vain"
RUNS = """
import os, sys
from sidewall.cli import run
from sidewall.plan.guarantees import OPEN
from sidewall.platforms.linux.backend import LinuxBackend

class Lowering(LinuxBackend):
    def apply(self, plan):
        cell = super().apply(plan)
        lines = [line.replace(level=OPEN, reason="tried in vain") if line.name == "desktop" else line
                 for line in plan.guarantees]
        cell.plan = plan.replace(guarantees=tuple(lines))
        return cell

sys.exit(run.main(Lowering(), "run", sys.argv[1:], os.pipe()[0]))
"""


@pytest.mark.parametrize("tier", ["account", "token", "token-strict"])
@pytest.mark.parametrize("warned", [True, False])
def test_a_promise_that_a_cell_does_not_keep(tier: str, warned: bool, capfd: pytest.CaptureFixture[str]) -> None:
    plan = compiled(tier=tier)
    report = Report("", "")
    report.planned(plan, warn=warned)
    capfd.readouterr()
    after = plan.replace(guarantees=tuple([
        line.replace(level=OPEN, reason=LOST) if line.name == "desktop" else line for line in plan.guarantees]))
    report.applied(after)
    assert capfd.readouterr().err == f"sidewall: warning: desktop is open: {LOST}\n"
    report.applied(after)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="a cell of Linux")
def test_a_run(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"),
                   "XDG_CONFIG_HOME": str(tmp_path / "config")}
    (tmp_path / "w").mkdir()
    done = subprocess.run([sys.executable, "-c", RUNS, "--", "echo", "out"], cwd=tmp_path / "w", env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "out\n"), done.stderr
    assert done.stderr == "sidewall: warning: desktop is open: tried in vain\n"
