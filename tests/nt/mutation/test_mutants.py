"""The mutants themselves: which errors are made, that their names are stable, that the list of survivors is in date.

Knows: a few lines of code and what can go wrong in them.  Must not know: the model.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.nt.mutation.__main__ import ROOT, listed
from tests.nt.mutation.mutants import mutants
from tests.nt.mutation.targets import TARGETS

ROOM = ROOT / "src" / "sidewall" / "nt"


def bodies(code: str) -> set[str]:
    """What becomes of the one line in a function."""
    source = f"def f(a, b, c):\n    {code}\n"
    return {"; ".join(ast.unparse(ast.parse(each.source).body[0]).splitlines()[1:]).strip() for each in mutants(source)}


@pytest.mark.parametrize(("code", "expected"), [
    ("return a == b", {"return a != b", "pass"}),
    ("return a < b", {"return a <= b", "return a >= b", "pass"}),
    ("return a not in b", {"return a in b", "pass"}),
    ("return a and b", {"return a or b", "return a", "return b", "pass"}),
    ("return a & ~b", {"return a | ~b", "return a", "return ~b", "return a & b", "pass"}),
    ("return a if b else c", {"return a", "return c", "pass"}),
    ("return 7", {"return 8", "pass"}),
    ("return True", {"return False", "pass"}),
    ("return 'word'", {"return 'word?'", "pass"}),
    ("return 'a sentence'", {"pass"}),
    ("return f'{a} text'", {"pass"}),
    ("a |= b", {"pass"}),
    ("return {a, b}", {"return {b}", "return {a}", "pass"}),
    ("return not a", {"return a", "pass"}),
])
def test_the_errors_that_are_made(code: str, expected: set[str]) -> None:
    assert bodies(code) == expected


def test_a_condition_is_turned_round_and_its_body_mutated() -> None:
    assert {"if not a:;         return b", "if a:;         pass"} == bodies("if a: return b")


def test_texts_types_and_imports_are_left_alone() -> None:
    source = '"""Text."""\nimport os\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    x = 1\n'
    assert mutants(source + 'class A:\n    """Text."""\n    __slots__ = ("a",)\n    field: int\n') == []


def test_names_are_unique_and_say_where() -> None:
    source = "class A:\n    def f(self):\n        return 1\n    def g(self):\n        return (1, 1)\n"
    source += "def g():\n    return 1\n"
    found = mutants(source)
    assert [each.name for each in found if "return" not in each.name] == [
        "A.f: 1 -> 2", "A.g: 1 -> 2", "A.g: 1 -> 2 #2", "g: 1 -> 2",
    ]
    assert {each.name.split(":")[0] for each in mutants(source, within="A.g")} == {"A.g"}
    assert len({each.name for each in found}) == len(found)
    second = next(each for each in found if each.name == "A.g: 1 -> 2 #2")
    assert "return (1, 2)" in second.source


def test_every_listed_survivor_exists_and_has_a_reason() -> None:
    entries = [entry.partition(":") for target in TARGETS.values() for entry in target.modules]
    names = {
        f"{module}: {mutant.name}" for module, _, within in entries
        for mutant in mutants((ROOM / f"{module}.py").read_text(encoding="utf-8"), within=within)
    }
    known = listed()
    assert not set(known) - names
    assert all(known.values())


@pytest.mark.slow
def test_a_mutant_is_killed_by_the_tests_of_its_target() -> None:
    only = "labels: level_name"
    done = subprocess.run([sys.executable, "-m", "tests.nt.mutation", "access", "--only", only], cwd=ROOT, timeout=110,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.fspath(Path(ROOT))})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "access: 1 mutants, 1 killed, 0 survived, 0 unexpected\n"
