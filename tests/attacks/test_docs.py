"""`docs/attacks.md` and the suite say the same: every row is there, every test exists, every test is in the page.

Knows: the numbering of the rows.  Must not know: what a row means.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/attacks.md"
# Numbers of the catalogue's main list that were never given to a Linux row.
UNUSED = {4, 6, 11, 14, 21, 28, 41, 65, 67, 82, 84, 85, 115, 118, 120, 126, 128, 135}
WANTED = [f"L-{number:03d}" for number in range(1, 152) if number not in UNUSED]
WANTED += [f"LX-{number:02d}" for number in range(1, 26)] + [f"A-{number:02d}" for number in range(1, 41)]
VERDICTS = ("held", "held by namespace", "put back", "limited", "reported", "works", "not here")


def rows() -> list[tuple[str, str, list[str], str]]:
    """Row, what is tried, tests, verdict."""
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and re.fullmatch(r"(L|LX|A)-\d+", cells[1]):
            found.append((cells[1], cells[2], re.findall(r"`([^`]+)`", cells[3]), cells[4]))
    return found


def suite() -> dict[str, str]:
    """Every test function of the suite, with the source of its file."""
    found = {}
    for path in sorted(HERE.glob("test_*.py")):
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[f"{path.name}::{node.name}"] = text
    return found


def test_every_row_is_there_once() -> None:
    assert sorted(row for row, *_ in rows()) == sorted(WANTED)


def test_every_row_has_a_test_or_a_reason() -> None:
    known = suite()
    for row, what, tests, verdict in rows():
        word, _, reason = verdict.partition(":")
        assert what and verdict.startswith(VERDICTS), row
        if word == "not here":
            assert len(reason.split()) >= 3 and not tests, f"{row}: say why it is not tested"
            continue
        assert tests, f"{row} names no test"
        for test in tests:
            assert test in known, f"{row}: there is no {test}"


def test_every_test_names_its_row() -> None:
    """By the function's name (`test_L018_...`), or by the parameters of a table in the same file."""
    known = suite()
    named = {test: [row for row, _, tests, _ in rows() if test in tests] for test in known}
    for test, its_rows in named.items():
        plain = re.match(r"test_(LX|L|A)(\d+)_", test.split("::")[1])
        if plain:
            assert f"{plain[1]}-{plain[2]}" in its_rows or "below_tmp" in test or "_control" in test, test
        for row in its_rows:
            in_name = test.split("::")[1].startswith(f"test_{row.replace('-', '')}_")
            # A row without a test of its own is carried by the test of the row that it repeats.
            shared = row in ("LX-15", "LX-16")
            in_table = f'"{row}' in known[test] or f" {row}" in known[test]
            assert in_name or shared or in_table, f"{test} does not name {row}"
