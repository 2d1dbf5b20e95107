"""The pages about Windows agree with the suite: rows are there once, tests that they name exist, the rest says so.

Knows: the pages as text, the suite as source.  Must not know: what a row means.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/attacks-windows.md"
SERIES = {"TOK": 10, "PRC": 12, "FSN": 12, "LNK": 12, "WWR": 10, "REG": 6, "SEC": 10, "DEP": 16, "IPC": 9, "NET": 14,
          "LAU": 10, "DEL": 6}
NOT_VERIFIED = "needs a real Windows: not verified"
OF_WINE = "tests/windows/inside/"


def rows() -> list[tuple[str, str, str, str]]:
    """Row, what is tried, what has to come of it, what shows it."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("W-"):
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


@cache
def defined(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_row_is_there_once() -> None:
    wanted = [f"W-{series}-{number:02d}" for series, most in SERIES.items() for number in range(1, most + 1)]
    assert sorted(row for row, *_ in rows()) == sorted(wanted)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_names_tests_that_exist_or_says_that_it_is_not_verified(row: tuple[str, str, str, str]) -> None:
    _, tried, wanted, shown = row
    assert tried and wanted
    named = re.findall(r"`([^`]+)`", shown)
    if not named:
        assert shown == NOT_VERIFIED
        return
    files = [name.partition("::")[0] for name in named]
    assert not [name for name in named if name.partition("::")[2] not in defined(name.partition("::")[0])]
    kinds = {"Wine" if file.startswith(OF_WINE) else "model" for file in files}
    assert shown.startswith(" and ".join(sorted(kinds)) + ": ")


@pytest.mark.parametrize("page", ["docs/windows.md", "docs/attacks-windows.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|scripts|src|\.github|docs)/[\w./-]+)(?:::\w+)?`", text)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
