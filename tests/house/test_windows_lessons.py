"""`docs/windows-lessons.md` says what is so: each row is there once, each test that it names exists, counts are right.

Knows: the page as text, the suite as source.  Must not know: what a row means.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/windows-lessons.md"
CLASSES = ("prevented", "detected", "out of reach")
LAST = 92
MISSING = re.compile(r"\*not (?:measured|built)\*: (.{5,})$")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows() -> dict[int, list[str]]:
    """Number of the row to what went wrong, class, what is done, what shows it."""
    found: dict[int, list[str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        got = cells(line)
        if len(got) == 5 and got[0].isdigit():
            assert int(got[0]) not in found, f"row {got[0]} is there twice"
            found[int(got[0])] = got[1:]
    return found


def defined(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


ROWS = rows()


def test_every_row_is_there_once() -> None:
    assert sorted(ROWS) == list(range(1, LAST + 1))


@pytest.mark.parametrize("number", ROWS)
def test_a_row_says_what_is_done_and_what_shows_it(number: int) -> None:
    what, kind, done, shown = ROWS[number]
    assert kind in CLASSES
    assert re.search(r"\([^()]*\w[^()]*\)$", what), "it names where it was told"
    assert len(done.split()) >= 2
    named = re.findall(r"`([^`]+)`", shown)
    for name in named:
        file, _, function = name.partition("::")
        assert function in defined(ROOT / file), f"there is no {name}"
    assert named
    # What nothing shows yet is said to be so, with what is missing.
    assert ("*not" in shown) == bool(MISSING.search(shown))


def test_the_counts_are_right() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = {got[0]: int(got[2]) for line in text.splitlines() if len(got := cells(line)) == 3 and got[0] in CLASSES}
    assert told == {kind: sum(row[1] == kind for row in ROWS.values()) for kind in CLASSES}
    partly = sum(bool(MISSING.search(row[3])) for row in ROWS.values())
    assert f"{partly} rows have such words beside their tests" in " ".join(text.split())
