"""The page about proofs agrees with the code: its capture is one, its tables are complete.

Knows: docs/prove.md.  Must not know: how anything is proved.
"""

from __future__ import annotations

import re
from pathlib import Path

from sidewall.plan import probes, world_format
from sidewall.plan.world import REPARSE, Index

from .make_worlds import WORLDS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "prove.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[str]:
    """The rows of the first table after a heading."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in part.splitlines() if line.startswith("|")][2:]


def test_the_capture_of_the_page_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    world = world_format.parse(text.encode())
    index = Index(world)
    linked = index.entry(world.workspace + "\\lib.js")
    assert linked is not None and linked.links == 2 and world.accounts.group is not None


def test_every_field_is_described() -> None:
    cells = " ".join(row.split("|")[1] for row in rows("Captures"))
    assert set(re.findall(r"`(\w+)`", cells)) == set(world_format.KEYS)
    (words,) = [row for row in rows("Captures") if "`reparse`" in row.split("|")[1]]
    assert set(REPARSE) <= set(re.findall(r"`(\w+)`", words))


def test_every_operation_is_in_the_table() -> None:
    table = " ".join(row.split("|")[1] for row in rows("What is asked"))
    asked = {each.name for each in (*probes.operations(True, empty=True), *probes.operations(False), *probes.CREATIONS)}
    assert all(name in table for name in asked | {probes.MOVE_ABOVE})


def test_every_world_has_its_row() -> None:
    assert len(rows("What is found")) == len(WORLDS)
