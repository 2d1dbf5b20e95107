"""Probes have their effect without a sandbox; inside, what is not enforced is seen to have it too, from outside."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.commands import probes
from tests.windows.inside.cells import on_wine


@pytest.mark.timeout(300)
def test_attacks_have_an_effect_outside_and_what_is_promised_holds() -> None:
    told, wrong = probes.judged("token", ("W-FSN-01 write", "W-WWR-08 settings", "W-PRC-08 outlive", "workspace"))
    assert wrong == []
    assert {one["without"] for one in told.values()} == {"effect"}
    # The job ends what a command leaves, and a protected name that came to be is put away; Wine can do both.
    assert told["W-PRC-08 outlive"]["inside"] == "none"
    assert told["W-WWR-08 settings"]["inside"] == "none"
    # Without restricting SIDs the outside is open, and the report says so.
    assert told["W-FSN-01 write"]["inside"] == ("effect" if on_wine() else "none")
    assert told["W-FSN-01 write"]["level"] == ("open" if on_wine() else "partial")
