"""Which file a program's name means, on trees in memory."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest

from sidewall.platforms.windows import lookup
from sidewall.platforms.windows.lookup import ALIAS, DIRECTORY, FILE, NOTHING

HERE = "C:\\work\\project"
TREE = {
    "c:\\windows\\system32\\cmd.exe": FILE, "c:\\windows\\system32\\where.exe": FILE,
    "c:\\users\\dev\\appdata\\local\\microsoft\\windowsapps\\python.exe": ALIAS,
    "c:\\users\\dev\\appdata\\local\\microsoft\\windowsapps\\winget.exe": ALIAS,
    "c:\\python\\python.exe": FILE, "c:\\python\\scripts": DIRECTORY,
    "c:\\nodejs\\npm": FILE, "c:\\nodejs\\npm.cmd": FILE, "c:\\nodejs\\node.exe": FILE,
    "c:\\work\\project\\git.cmd": FILE, "c:\\work\\project\\tool.bat": FILE, "c:\\work\\project\\sub\\x.exe": FILE,
    "c:\\work\\project\\readme.txt": FILE, "c:\\work\\project\\build": DIRECTORY, "c:\\work\\other.exe": FILE,
    "c:\\git\\git.exe": FILE, "\\\\server\\share\\t.exe": FILE, "c:\\root.exe": FILE,
}
PATH = ";".join((
    "", ".", "relative\\bin", "C:\\Users\\dev\\AppData\\Local\\Microsoft\\WindowsApps", "C:\\Windows\\System32",
    '"C:\\Python"', "C:/nodejs", "C:\\git", "\\\\server\\share"))


def look(path: str) -> str:
    return TREE.get(path.lower(), NOTHING)


def find(name: str, variables: Mapping[str, str] | None = None) -> lookup.Program:
    return lookup.find(name, {"PATH": PATH} if variables is None else variables, HERE, look)


@pytest.mark.parametrize(("name", "path"), [
    ("cmd", "C:\\Windows\\System32\\cmd.exe"), ("CMD.EXE", "C:\\Windows\\System32\\CMD.EXE"),
    ("python", "C:\\Python\\python.exe"), ("node", "C:\\nodejs\\node.exe"), ("t", "\\\\server\\share\\t.exe"),
    ("git", "C:\\git\\git.exe"), (".\\sub\\x", "C:\\work\\project\\sub\\x.exe"),
    ("sub/x.exe", "C:\\work\\project\\sub\\x.exe"), ("..\\other", "C:\\work\\other.exe"),
    ("C:\\git\\git", "C:\\git\\git.exe"), ("C:/git/../git/git.exe", "C:\\git\\git.exe"),
    ("\\root.exe", "C:\\root.exe"), ("\\\\server\\share\\t.exe", "\\\\server\\share\\t.exe"),
    ("c:sub\\x.exe", "C:\\work\\project\\sub\\x.exe"),
])
def test_found(name: str, path: str) -> None:
    program = find(name)
    assert program.path.lower() == path.lower() and not program.batch


def test_a_batch_file_is_told_apart() -> None:
    assert find("npm") == lookup.Program(path="C:\\nodejs\\npm.cmd", batch=True)
    assert find(".\\tool").batch
    assert lookup.find("C:\\x.BAT. ", {}, HERE, lambda path: FILE).batch


def test_nothing_is_taken_from_the_current_directory_unless_it_is_named() -> None:
    assert find("git").path == "C:\\git\\git.exe"
    with pytest.raises(FileNotFoundError):
        find("tool")
    with pytest.raises(FileNotFoundError):
        find("git", {"PATH": ".;;sub;C:work\\project"})


def test_an_alias_of_a_store_app_is_passed_over() -> None:
    assert find("python").path == "C:\\Python\\python.exe"
    with pytest.raises(PermissionError, match="store app") as caught:
        find("winget")
    assert caught.value.filename == "winget"


@pytest.mark.parametrize("name", ["nothing", ".\\nothing", "C:\\nothing\\at.exe", "", "..", "sub\\"])
def test_nothing_there(name: str) -> None:
    with pytest.raises((FileNotFoundError, PermissionError)) as caught:
        find(name)
    assert caught.value.filename == name


def test_what_is_there_and_no_program() -> None:
    with pytest.raises(PermissionError):
        find(".\\build")
    with pytest.raises(OSError) as caught:
        find(".\\readme.txt")
    assert caught.value.errno == errno.ENOEXEC


def test_endings_are_those_of_the_environment() -> None:
    with pytest.raises(FileNotFoundError):
        find("npm", {"PATH": "C:\\nodejs\\other", "PATHEXT": ".EXE"})
    assert find("npm", {"PATH": PATH, "PATHEXT": ".EXE;.CMD"}).path.lower() == "c:\\nodejs\\npm.cmd"
    assert find("npm", {"PATH": PATH, "PATHEXT": ".EXE"}).path == "C:\\nodejs\\npm"


def test_without_a_path_the_system_s_own_programs_are_found() -> None:
    assert find("cmd", {"SYSTEMROOT": "C:\\Windows"}).path.lower() == "c:\\windows\\system32\\cmd.exe"
    with pytest.raises(FileNotFoundError):
        find("cmd", {})
    with pytest.raises(FileNotFoundError):
        find("cmd", {"PATH": "", "SYSTEMROOT": "C:\\Windows"})


def test_each_directory_is_looked_into_once() -> None:
    assert lookup.search_path({"PATH": 'C:\\a;"C:\\a";D:/b;\\c;C:;x:y;\\\\;\\\\s\\t'}) == ["C:\\a", "D:/b", "\\\\s\\t"]


def test_the_disk(tmp_path: object) -> None:
    assert lookup.look_at_disk(f"{tmp_path}/none") == NOTHING
    assert lookup.look_at_disk("a\0b") == NOTHING
