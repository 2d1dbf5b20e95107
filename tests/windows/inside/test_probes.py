"""Probes have their effect without a sandbox; inside, what is not enforced is seen to have it too, from outside."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import on_wine

from sidewall.session import layers
from sidewall.verify.leftovers import PREFIX
from sidewall.verify.probe import WORKS, catalogue
from sidewall.verify.report import EFFECT, HELD, NOTHING, Result
from sidewall.verify.runner import verify

SOME = (
    "W-FSN-01 write", "W-REG-01 value", "W-FSN-01 attributes", "W-SEC-06 environment", "W-WWR-08 settings",
    "W-NET-01 connect", "W-SEC-05 pipe", "W-IPC-03 slot", "W-IPC-03 memory", "W-PRC-10 end", "W-PRC-02 memory",
    "W-PRC-04 handle", "W-IPC-06 message", "W-IPC-06 desktop", "W-TOK-02 list", "W-PRC-08 outlive", "W-PRC-06 break",
    "W-TOK-04 wear", "W-PRC-03 parent", "W-SEC-02 decrypt", "W-SEC-03 credential", "W-FSN-08 names",
)
"""Some of each kind: under Wine every program takes a third of a second to start.  `sidewall verify` tries all."""
HOLDING = ("W-PRC-08 outlive", "W-PRC-06 break", "W-WWR-08 settings", "W-SEC-06 environment")


@pytest.mark.timeout(300)
def test_attacks_have_an_effect_outside_and_the_report_agrees(tmp_path: Path) -> None:
    policy = layers.load(os.fspath(tmp_path), require=(), environ={}, system="")
    every = {probe.id: probe for probe in catalogue("win32")}
    report = verify(policy, tier="token", probes=[every[name] for name in SOME])
    found: dict[str, Result] = {result.id: result for result in report.results}
    assert [result for result in report.results if result.outcome == NOTHING] == []
    assert report.ok
    assert {result.outcome for result in report.results if result.guarantee == WORKS} == {EFFECT}
    # The job ends what a command leaves, and a protected name that came to be is put away; Wine can do both.
    assert {name: found[name].outcome for name in HOLDING} == dict.fromkeys(HOLDING, HELD)
    # Without restricting SIDs the outside is open, and the report says so.
    for name in ("W-FSN-01 write", "W-REG-01 value", "W-FSN-01 attributes"):
        assert found[name].outcome == (EFFECT if on_wine() else HELD)
        assert found[name].level == ("open" if on_wine() else "partial")
    assert found["W-NET-01 connect"].outcome == EFFECT and found["W-NET-01 connect"].level == "open"
    assert not [name for name in os.listdir(Path.home()) if name.startswith(PREFIX)]
