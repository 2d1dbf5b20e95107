"""The probes as data: whole, of the catalogue, and written so that they can be run.

Knows: the probes and the pages.  Must not know: any sandbox.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from sidewall.policy.model import GUARANTEES
from sidewall.verify import looks
from sidewall.verify.probe import WORKS, Probe, catalogue, chosen

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = {"linux": "attacks.md", "win32": "attacks-windows.md"}
EVERY = [(platform, probe) for platform in PLATFORMS for probe in catalogue(platform)]


def rows(page: str) -> set[str]:
    return set(re.findall(r"^\| ([A-Z]+(?:-[A-Z]+)?-\d+) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"),
                          re.MULTILINE))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_guarantee_is_attacked_in_three_ways_at_least(platform: str) -> None:
    number = Counter(probe.guarantee for probe in catalogue(platform))
    assert set(number) == {*GUARANTEES, WORKS}
    assert min(number.values()) >= 3
    assert sum(number.values()) >= 70


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_row_is_in_the_catalogue_and_every_name_is_its_own(platform: str) -> None:
    probes = catalogue(platform)
    assert not {probe.row for probe in probes} - rows(PLATFORMS[platform])
    assert len({probe.id for probe in probes}) == len(probes)
    assert all(len(probe.id.split()) == 2 and probe.what for probe in probes)


@pytest.mark.parametrize(("platform", "probe"), EVERY, ids=lambda value: getattr(value, "id", value))
def test_every_program_is_one(platform: str, probe: Probe) -> None:
    compile(f"{probe.source}\n{probe.program}", probe.id, "exec")
    kind, _, about = probe.effect.partition(" ")
    assert kind in looks.KINDS
    assert (kind == "told") == ("told()" in probe.program)
    assert set(re.findall(r"{(\w+)}", about)) <= {"outside", "here", "workspace", "home", "base", "nonce", "shared",
                                                  "memory", "root"}
    # What is looked for carries the attempt's own mark, or lies where no other attempt is.
    if kind in ("content", "arrives", "received"):
        assert "nonce" in f"{probe.source}{probe.program}" or "number" in probe.program


def test_those_of_one_guarantee_can_be_chosen_with_what_must_work() -> None:
    probes = catalogue("linux")
    some = chosen(probes, ["desktop"])
    assert {probe.guarantee for probe in some} == {"desktop", WORKS}
    assert chosen(probes, []) == probes
