"""Imports straight from compiled files: what they give, and that anything odd is left to the import system.

Knows: the layout of a compiled file (PEP 552).  Must not know: which modules are imported that way.
"""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

import sidewall.bytecode

ASK = """
import sys
sys.path.append(sys.argv[1])
from sidewall import bytecode
bytecode.install()
import sidewall.single, sidewall.group.inner
for module in (sidewall.single, sidewall.group, sidewall.group.inner):
    spec = module.__spec__
    print(module.__name__, module.VALUE, type(spec.loader).__name__, module.__package__)
    assert spec.origin == module.__file__ == spec.loader.get_filename(module.__name__)
    assert spec.origin == module.who.__code__.co_filename
    assert spec.cached == module.__cached__
    assert (spec.submodule_search_locations is None) == (module is not sidewall.group)
    assert "VALUE" in spec.loader.get_source(module.__name__)
    assert spec.loader.get_code(module.__name__).co_filename == spec.origin
"""
NAMES = ("sidewall.single", "sidewall.group", "sidewall.group.inner")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package of the same name with a module, a package and a module in that, all compiled."""
    (tmp_path / "sidewall/group").mkdir(parents=True)
    (tmp_path / "sidewall/__init__.py").write_text("")
    shutil.copy(sidewall.bytecode.__file__, tmp_path / "sidewall")
    for place in ("single.py", "group/__init__.py", "group/inner.py"):
        write(tmp_path / "sidewall" / place, 1)
    asked(tmp_path)
    return tmp_path


def write(file: Path, value: int) -> None:
    file.write_text(f"VALUE = {value}\n\ndef who(): return __name__\n")


def asked(tree: Path, *options: str) -> list[tuple[str, str]]:
    """What each module says its value is, and whether its compiled file was taken as it is."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([sys.executable, "-S", *options, "-c", ASK, os.fspath(tree)], env=environ, cwd="/",
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    found = []
    for line, name in zip(done.stdout.splitlines(), NAMES, strict=True):
        module, value, loader, package = line.split()
        assert (module, package) == (name, name if name == "sidewall.group" else name.rpartition(".")[0])
        found.append((value, "quick" if loader == "_Loader" else "usual"))
    return found


def test_compiled_files_are_taken_as_they_are(tree: Path) -> None:
    assert asked(tree) == [("1", "quick")] * 3


def test_a_changed_source_is_compiled_anew(tree: Path) -> None:
    single = tree / "sidewall/single.py"
    was = single.stat()
    write(single, 22)
    os.utime(single, ns=(was.st_atime_ns, was.st_mtime_ns))
    inner = tree / "sidewall/group/inner.py"
    write(inner, 3)
    os.utime(inner, (was.st_atime + 60, was.st_mtime + 60))
    assert asked(tree) == [("22", "usual"), ("1", "quick"), ("3", "usual")]
    assert asked(tree) == [("22", "quick"), ("1", "quick"), ("3", "quick")]


@pytest.mark.parametrize("spoil", [
    lambda data: b"",
    lambda data: data[:10],
    lambda data: data[:-1],
    lambda data: b"\0\0\r\n" + data[4:],
    lambda data: data[:16] + b"\xff" * (len(data) - 16),
    lambda data: data[:16] + marshal.dumps(1),
    lambda data: data[:4] + b"\x01\0\0\0" + data[8:],
], ids=["empty", "part of the head", "cut off", "another magic number", "garbage", "no code", "checked by hash"])
def test_a_compiled_file_that_is_not_as_it_should_be_is_left_alone(tree: Path, spoil: object) -> None:
    compiled = Path(cache_from_source(os.fspath(tree / "sidewall/single.py")))
    data = compiled.read_bytes()
    assert callable(spoil)
    compiled.write_bytes(spoil(data))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    find = ("import sys; sys.path.append(sys.argv[1]); from sidewall import bytecode; import sidewall\n"
            "print(bytecode._Finder.find_spec('sidewall.single', sidewall.__path__))")
    done = subprocess.run([sys.executable, "-S", "-B", "-c", find, os.fspath(tree)], env=environ, cwd="/",
                          capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "None\n"


def test_without_a_source_nothing_is_taken(tree: Path) -> None:
    """As the import system has it: what is left of a module that is gone is no module."""
    (tree / "sidewall/group/inner.py").unlink()
    with pytest.raises(AssertionError, match=r"ModuleNotFoundError.*sidewall\.group\.inner"):
        asked(tree)


@pytest.mark.parametrize("options", [("-O",), ("-X", "pycache_prefix=PREFIX")], ids=["optimized", "elsewhere"])
def test_where_other_compiled_files_are_wanted_it_stays_out(tree: Path, options: tuple[str, ...]) -> None:
    chosen = [option.replace("PREFIX", os.fspath(tree / "cache")) for option in options]
    assert [loader for _value, loader in asked(tree, *chosen)] == ["usual"] * 3


@pytest.mark.parametrize("hide", ["sys.modules['_frozen_importlib_external'] = None",
                                  "sys.modules['_imp'] = type(sys)('_imp')"], ids=["importlib", "a name in _imp"])
def test_where_the_import_system_is_another_it_stays_out(tree: Path, hide: str) -> None:
    """What it is made of belongs to the interpreter, and another version may not have it."""
    find = (f"import sys; sys.path.append(sys.argv[1]); {hide}\n"
            "from sidewall import bytecode; bytecode.install()\n"
            "import sidewall.single; print(sidewall.single.VALUE, bytecode._Finder in sys.meta_path)")
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", find, os.fspath(tree)], cwd="/",
                          capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "1 False\n"


def test_other_packages_are_none_of_its_business() -> None:
    finder = sidewall.bytecode._Finder
    assert finder.find_spec("sidewall") is None
    assert finder.find_spec("sidewalls.cli", ["/nowhere"]) is None
    assert finder.find_spec("sidewall.absent", list(sidewall.__path__)) is None
