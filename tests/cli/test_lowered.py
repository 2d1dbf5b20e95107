"""A promise that is lowered while a cell is made: the user hears of it, in the words of other warnings.

Knows: the report of a run, plans of both platforms.  Must not know: how a cell is made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.plan.windows.machines import compiled, policy

from sidewall.cli.report import Report
from sidewall.errors import GuaranteeError
from sidewall.plan.guarantees import OPEN, by_name
from sidewall.platforms.windows.opening import Opening

if TYPE_CHECKING:
    from sidewall.plan.steps import Plan

LOST = "no program starts in a job with limits on windows and clipboard"
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


def without_ui(plan: Plan) -> Plan:
    """What becomes of a plan of Windows when jobs that limit windows do not nest."""
    opening = Opening(cast("Any", None), plan)
    opening._no_ui(LOST)
    return opening._plan


@pytest.mark.parametrize("tier", ["account", "token", "token-strict"])
@pytest.mark.parametrize("warned", [True, False])
def test_windows_that_are_not_limited(tier: str, warned: bool, capfd: pytest.CaptureFixture[str]) -> None:
    plan = compiled(tier=tier)
    report = Report("", "")
    report.planned(plan, warn=warned)
    capfd.readouterr()
    after = without_ui(plan)
    report.applied(after)
    line = by_name(after.guarantees)["desktop"]
    assert line.level == OPEN and LOST in line.reason
    assert capfd.readouterr().err == f"sidewall: warning: desktop is open: {line.reason}\n"
    report.applied(after)
    assert capfd.readouterr().err == ""


def test_one_that_is_required_is_no_warning() -> None:
    """Nothing runs with less: the run is refused."""
    plan = compiled(policy())
    lines = [line.replace(required=True) if line.name == "desktop" else line for line in plan.guarantees]
    with pytest.raises(GuaranteeError, match=LOST):
        without_ui(plan.replace(guarantees=tuple(lines)))


@pytest.mark.skipif(sys.platform != "linux", reason="a cell of Linux")
def test_a_run(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"),
                   "XDG_CONFIG_HOME": str(tmp_path / "config")}
    (tmp_path / "w").mkdir()
    done = subprocess.run([sys.executable, "-c", RUNS, "--", "echo", "out"], cwd=tmp_path / "w", env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "out\n"), done.stderr
    assert done.stderr == "sidewall: warning: desktop is open: tried in vain\n"
