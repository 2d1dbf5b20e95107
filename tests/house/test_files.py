"""The house rules that a machine can check on every file: length, opening, words.

Knows: the tree as git lists it, or as it lies there.  Must not know: what the files do.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400

# The brackets keep this file from finding itself.
UNFINISHED = re.compile(r"\b(T[O]DO|FI[X]ME|X[X]X|HA[C]K)\b")
CANNOT_FAIL = re.compile(r"\b(assert Tru[e]|xfai[l]|NotImplementedErro[r])\b")


def tracked(*suffixes: str) -> list[Path]:
    """Files of the project: what git tracks; without git, what lies in the project's own directories."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    names = done.stdout.split("\0") if done.returncode == 0 else []
    paths = [ROOT / name for name in names if name] or [
        path for place in ("src", "tests", "bench", "demo", "scripts", "docs") for path in (ROOT / place).rglob("*")
    ]
    return sorted(path for path in paths if path.suffix in suffixes and path.is_file())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PYTHON = tracked(".py")


def test_the_tree_was_found() -> None:
    assert {"src/sidewall/errors.py", "tests/house/test_files.py"} <= {name_of(path) for path in PYTHON}


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_no_file_is_longer_than_people_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_every_file_opens_by_saying_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip() and path.name != "_version.py":
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no docstring"


PLAIN = ("__init__.py", "_version.py")
SOURCES = [path for path in PYTHON if name_of(path).startswith("src/") and path.name not in PLAIN]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_what_it_must_not_know(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "must not know" in text.lower(), f"{name_of(path)}: the docstring draws no border"


@pytest.mark.parametrize("path", tracked(".py", ".sh", ".toml", ".md", ".yml"), ids=name_of)
def test_nothing_is_left_for_later(path: Path) -> None:
    found = UNFINISHED.search(path.read_text(encoding="utf-8"))
    assert found is None, f"{name_of(path)} holds {found and found[0]}"


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_no_test_that_cannot_fail(path: Path) -> None:
    found = CANNOT_FAIL.search(path.read_text(encoding="utf-8"))
    assert found is None, f"{name_of(path)} holds {found and found[0]}"


def test_the_lock_file_names_no_server() -> None:
    assert "://" not in (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
