"""What a private copy of Python consists of: from which installations it can be made, and nothing else is in it."""

from __future__ import annotations

import io
import marshal
import sys
import types
import zipfile
from pathlib import Path

import pytest
from tests.windows.pe_files import program

from sidewall.errors import MachineError
from sidewall.platforms.windows import pe, runtime, runtime_files

HERE = Path(runtime.package())
WHOLE = runtime_files.ROOTS


def install(base: Path, *, tag: str = "311", place: str = "DLLs", archive: bool = False) -> Path:
    """An installation whose library is this Python's own."""
    base.mkdir(parents=True, exist_ok=True)
    (base / "pythonw.exe").write_bytes(program([f"python{tag}.dll", "KERNEL32.dll"]))
    (base / f"python{tag}.dll").write_bytes(program(["VCRUNTIME140.dll", "ADVAPI32.dll"]))
    (base / "vcruntime140.dll").write_bytes(program(["KERNEL32.dll"]))
    (base / "python3.dll").write_bytes(program([]))
    there = base / place
    there.mkdir(exist_ok=True)
    (there / "_ctypes.pyd").write_bytes(program([f"python{tag}.dll", "libffi-8.dll", "ole32.dll"]))
    (there / "libffi-8.dll").write_bytes(program([]))
    (there / "_socket.pyd").write_bytes(program([]))
    if archive:
        (base / f"python{tag}.zip").write_bytes(b"PK\5\6" + bytes(18))
    else:
        library = Path(io.__file__).parent
        if sys.platform == "win32":  # a link asks for a privilege there
            import _winapi

            _winapi.CreateJunction(str(library), str(base / "Lib"))
        else:
            (base / "Lib").symlink_to(library)
    return base


FEW = ("sidewall.platforms.windows.pe", "encodings.utf_8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> runtime_files.Contents:
    """All that there is, from one installation."""
    return gathered(install(tmp_path_factory.mktemp("whole") / "base"), WHOLE)


def gathered(base: Path, roots: tuple[str, ...] = FEW) -> runtime_files.Contents:
    return runtime_files.gather(runtime_files.at(str(base), "311"), str(HERE), roots)


def archive_of(contents: runtime_files.Contents) -> zipfile.ZipFile:
    data = next(one.data for one in contents.files if one.name == runtime_files.ARCHIVE)
    return zipfile.ZipFile(io.BytesIO(data))


@pytest.mark.parametrize("place", ["DLLs", "."])
def test_the_files_are_those_that_are_needed(tmp_path: Path, place: str) -> None:
    contents = gathered(install(tmp_path / "base", place=place))
    assert [one.name for one in contents.files] == sorted((
        "pythonw.exe", "python311.dll", "vcruntime140.dll", "_ctypes.pyd", "libffi-8.dll", "modules.zip",
        "python311._pth", "runner.py"))
    path = next(one.data for one in contents.files if one.name == "python311._pth")
    assert path == b"modules.zip\n.\n", "the interpreter looks nowhere else, and imports no site"
    assert str(tmp_path / "base" / "pythonw.exe") in contents.origins


def test_nothing_of_the_outside_is_among_the_modules(whole: runtime_files.Contents) -> None:
    modules = set(whole.modules)
    assert set(WHOLE) <= modules
    for room in ("sidewall.session", "sidewall.cli", "sidewall.config", "sidewall.audit", "sidewall.platforms.linux"):
        assert not [name for name in modules if name == room or name.startswith(room + ".")]
    secrets = {"credentials", "setup", "elevated", "provision", "runtime", "logon", "journal"}
    assert not [name for name in modules if name.rpartition(".")[2] in secrets]
    library = {name for name in modules if not name.startswith("sidewall")}
    heavy = {"socket", "ssl", "subprocess", "asyncio", "logging", "typing", "dataclasses", "pathlib"}
    assert not library & heavy, "the program inside starts in a moment, and can do little"


def test_the_modules_are_on_the_list_and_no_others(whole: runtime_files.Contents) -> None:
    """Whoever lets the program inside import more, or less, says so by changing the list."""
    listed = (Path(__file__).parent / "runtime_modules.txt").read_text(encoding="utf-8").split()
    assert listed == sorted(listed)
    of_ours = [name for name in whole.modules if name.partition(".")[0] == "sidewall"]
    assert of_ours == [name for name in listed if name.partition(".")[0] == "sidewall"]
    if sys.version_info[:2] == (3, 11):  # each version imports in its own way; ours do not
        assert list(whole.modules) == listed


def test_every_module_is_compiled_code_without_a_path_of_the_user(whole: runtime_files.Contents) -> None:
    archive = archive_of(whole)
    assert len(archive.namelist()) > 30
    for name in archive.namelist():
        data = archive.read(name)
        assert data[4:8] == b"\1\0\0\0", "never compared with a source"
        code = marshal.loads(data[16:])
        assert isinstance(code, types.CodeType)
        assert str(HERE).encode() not in data and io.__file__.encode() not in data


def test_the_same_installation_gives_the_same_bytes(tmp_path: Path) -> None:
    base = install(tmp_path / "base")
    assert gathered(base) == gathered(base)


def test_a_late_import_of_ours_counts_and_one_for_type_checkers_does_not(tmp_path: Path) -> None:
    package = tmp_path / "sidewall"
    package.mkdir()
    (package / "__init__.py").write_text("def run():\n    import sidewall.public\n")
    for name in ("public", "late", "checked", "sub", "guarded"):
        (package / f"{name}.py").write_text("")
    (package / "entry.py").write_text(
        "from sidewall import sub\n\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    import sidewall.checked\n"
        "else:\n    import sidewall.guarded\n\n\ndef main():\n    import sidewall.late\n")
    base = install(tmp_path / "base")
    found = runtime_files.gather(runtime_files.at(str(base), "311"), str(package), ("sidewall.entry",))
    ours = {name for name in found.modules if name.startswith("sidewall")}
    assert ours == {"sidewall", "sidewall.entry", "sidewall.sub", "sidewall.late", "sidewall.guarded"}


def test_an_embeddable_package_has_its_library_in_an_archive(tmp_path: Path) -> None:
    contents = gathered(install(tmp_path / "base", place=".", archive=True))
    names = [one.name for one in contents.files]
    assert "python311.zip" in names
    path = next(one.data for one in contents.files if one.name == "python311._pth")
    assert path == b"modules.zip\npython311.zip\n.\n"
    assert all(name.startswith("sidewall") for name in archive_of(contents).namelist())


@pytest.mark.parametrize("name", ["pythonw.exe", "python311.dll", "DLLs/_ctypes.pyd"])
def test_an_installation_that_lacks_something(tmp_path: Path, name: str) -> None:
    base = install(tmp_path / "base")
    (base / name).unlink()
    with pytest.raises(MachineError, match=Path(name).name) as caught:
        gathered(base)
    assert "python.org" in caught.value.hint


def test_a_program_that_uses_another_interpreter(tmp_path: Path) -> None:
    base = install(tmp_path / "base")
    (base / "pythonw.exe").write_bytes(program(["python313.dll"]))
    with pytest.raises(MachineError, match=r"does not use python311\.dll"):
        gathered(base)


def test_what_runs_in_the_account_is_no_program_for_consoles(tmp_path: Path) -> None:
    """The system starts the host of a console with the account's whole token, open to commands of other cells."""
    base = install(tmp_path / "base")
    data = next(one.data for one in gathered(base).files if one.name == runtime_files.PROGRAM)
    assert pe.subsystem(data) == pe.WINDOWS_GUI
    (base / runtime_files.PROGRAM).write_bytes(program(["python311.dll"], subsystem=3))
    with pytest.raises(MachineError, match="for consoles"):
        gathered(base)


def test_the_stores_python_and_its_alias_are_named(tmp_path: Path) -> None:
    store = install(tmp_path / "Program Files" / "WindowsApps" / "PythonSoftwareFoundation.Python.3.11_3.11.2544")
    with pytest.raises(MachineError, match="Microsoft Store") as caught:
        runtime_files.at(str(store), "311")
    assert "--tier token" in caught.value.hint
    base = install(tmp_path / "base")
    (base / "pythonw.exe").write_bytes(b"")
    with pytest.raises(MachineError, match="alias"):
        runtime_files.at(str(base), "311")


def test_a_root_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"module sidewall\.nothing"):
        gathered(install(tmp_path / "base"), ("sidewall.nothing",))


@pytest.mark.skipif(sys.platform == "win32", reason="there it can be copied")
def test_a_python_that_is_not_of_windows_says_so() -> None:
    assert "pythonw.exe" in runtime.obstacle()
