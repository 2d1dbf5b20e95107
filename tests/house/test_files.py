"""The house rules that a machine can check on every file: length, opening, words.

Knows: the tree as git lists it, or as it lies there.  Must not know: what the files do.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

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
PLAIN = ("__init__.py", "_version.py")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def opening(path: Path) -> str:
    """The module's docstring, or nothing."""
    return ast.get_docstring(ast.parse(read(path), os.fspath(path))) or ""


def test_the_tree_was_found() -> None:
    assert {"src/sidewall/errors.py", "tests/house/test_files.py"} <= {name_of(path) for path in PYTHON}


def test_no_file_is_longer_than_people_read() -> None:
    lengths = {name_of(path): len(read(path).splitlines()) for path in PYTHON}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_every_file_opens_by_saying_what_it_is() -> None:
    described = (path for path in PYTHON if path.name != "_version.py" and read(path).strip())
    assert not [name_of(path) for path in described if not opening(path)]


def test_every_module_says_what_it_must_not_know() -> None:
    modules = [path for path in PYTHON if name_of(path).startswith("src/") and path.name not in PLAIN]
    assert modules
    assert not [name_of(path) for path in modules if "must not know" not in " ".join(opening(path).lower().split())]


def test_nothing_is_left_for_later() -> None:
    paths = tracked(".py", ".sh", ".toml", ".md", ".yml")
    assert not {name_of(path): found[0] for path in paths if (found := UNFINISHED.search(read(path)))}


def test_no_test_that_cannot_fail() -> None:
    assert not {name_of(path): found[0] for path in PYTHON if (found := CANNOT_FAIL.search(read(path)))}


def test_the_lock_file_names_no_server() -> None:
    assert "://" not in (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")


def test_what_a_windows_python_runs_makes_no_directory_with_a_list_of_its_own() -> None:
    """Of mkdir(mode=0o700) there comes a list of system, administrators and owner; elevated, administrators own it."""
    found = [f"{name_of(path)}:{node.lineno}" for path in PYTHON
             if name_of(path).startswith("src/") and "/linux" not in name_of(path) and "_linux" not in name_of(path)
             for node in ast.walk(ast.parse(read(path)))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and node.func.attr in ("mkdir", "makedirs")
             and any(isinstance(one, ast.Constant) and one.value == 0o700
                     for one in (*node.args, *[word.value for word in node.keywords]))]
    assert found == []
