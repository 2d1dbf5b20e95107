"""What an installed Sidewall consists of: the command, the module, the marker for type checkers, the version.

Knows: the packaging metadata.  Must not know: what any verb does.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import sidewall

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_console_script_is_the_command_line() -> None:
    (script,) = (
        entry for entry in metadata.entry_points(group="console_scripts") if entry.name == "sidewall"
    )
    assert script.value == PROJECT["project"]["scripts"]["sidewall"]
    assert callable(script.load())


@pytest.mark.parametrize("words", [["-m", "sidewall", "--version"], ["-m", "sidewall", "--help"]], ids=" ".join)
def test_the_module_answers(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "sidewall" in done.stdout


def test_the_version_is_one() -> None:
    assert metadata.version("sidewall") == sidewall.__version__


def test_type_checkers_are_told() -> None:
    assert (Path(sidewall.__file__).parent / "py.typed").is_file()


def test_public_names_exist_and_import_lazily() -> None:
    assert sidewall.__all__
    for name in sidewall.__all__:
        assert getattr(sidewall, name) is not None
    code = "import sys, sidewall; sys.exit('asyncio' in sys.modules or 'subprocess' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_every_room_stands_under_a_rule() -> None:
    """A package below ``sidewall`` that no import-linter contract names would be outside all rules."""
    named = {
        module
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        for key in ("source_modules", "forbidden_modules", "modules")
        for module in contract.get(key, ())
    }
    rooms = {f"sidewall.{path.parent.name}" for path in Path(sidewall.__file__).parent.glob("*/__init__.py")}
    assert rooms <= {".".join(module.split(".")[:2]) for module in named}
