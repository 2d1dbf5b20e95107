"""File operations of a sandbox on Windows: what a path really names is what is asked about."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall import AccessDenied, Sandbox
from sidewall.platforms.places import Place, place

NAMES = ["plain.txt", "with space & 'quote'.txt", "한글 파일.txt", "emoji 😀.txt", ".hidden", "~tilde", "a" * 90]

MORE_DATA = 234


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files").resolve()


@pytest.fixture(scope="module")
def workspace(base: Path) -> Path:
    made = base / "workspace"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def sandbox(workspace: Path, base: Path) -> Iterator[Sandbox]:
    (base / "secret").mkdir()
    (base / "secret" / "key").write_bytes(b"private")
    with Sandbox(workspace=workspace, require=(), tier="token", deny=[base / "secret"]) as made:
        assert made.guarantees  # opens it: what stays open until the end belongs to no test
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_written_and_read_back(sandbox: Sandbox, workspace: Path, name: str) -> None:
    sandbox.write_bytes(f"new/deeper/{name}", b"first, and longer")
    sandbox.write_bytes(f"new\\deeper\\{name}", b"second")
    assert sandbox.read_bytes(f"new/deeper/{name}") == b"second"
    assert (workspace / "new" / "deeper" / name).read_bytes() == b"second"
    found = sandbox.stat(f"new/deeper/{name}")
    assert (found.kind, found.size) == ("file", 6) and found.modified_ns > 1_500_000_000 * 10**9


def test_listed(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "list" / "inner").mkdir(parents=True)
    (workspace / "list" / "file").write_bytes(b"abc")
    found = sandbox.list("list")
    assert [(each.name, each.kind) for each in found] == [("file", "file"), ("inner", "directory")]
    assert found[0].size == 3 and found[1].is_dir
    with pytest.raises(NotADirectoryError):
        sandbox.list("list/file")
    for number in range(600):
        (workspace / "list" / "inner" / f"a rather long name of a file {number}").touch()
    assert len(sandbox.list("list/inner")) == 600


def test_long_paths(sandbox: Sandbox) -> None:
    deep = "\\".join(["d" * 60] * 8)
    try:
        sandbox.write_bytes(f"{deep}\\file", b"deep")
    except OSError as error:
        if error.winerror != MORE_DATA:
            raise
        pytest.skip(f"refused, since this system cannot say where so long a path leads: {error.strerror[:60]}")
    assert sandbox.read_bytes(f"{deep}\\file") == b"deep"
    assert len(sandbox.realpath(deep)) > 480
    sandbox.remove("d" * 60)
    assert not sandbox.exists(deep)


def test_what_lies_outside_is_not_written(sandbox: Sandbox, base: Path) -> None:
    with pytest.raises(AccessDenied):
        sandbox.write_bytes(base / "outside.txt", b"x")
    with pytest.raises(AccessDenied):
        sandbox.mkdir("../sub")
    with pytest.raises(AccessDenied):
        sandbox.read_bytes(base / "secret" / "key")
    assert not (base / "outside.txt").exists() and not (base / "sub").exists()
    assert not sandbox.exists(base / "secret" / "key")


@pytest.mark.parametrize("spelling", ["SECRET\\KEY", "secret\\.\\key", "secret\\sub\\..\\key", "secret\\key.",
                                      "secret\\key ", "\\secret//key"])
def test_other_spellings_of_a_denied_path(sandbox: Sandbox, base: Path, spelling: str) -> None:
    with pytest.raises((AccessDenied, FileNotFoundError)):
        sandbox.read_bytes(f"{base}\\{spelling}")


def test_short_names_are_asked_about_by_their_long_ones(sandbox: Sandbox, base: Path) -> None:
    import ctypes

    (base / "secret" / "a long name of a key.text").write_bytes(b"private")
    buffer = ctypes.create_unicode_buffer(1024)
    assert ctypes.windll.kernel32.GetShortPathNameW(f"{base}\\secret\\a long name of a key.text", buffer, 1024)
    if "~" not in buffer.value:
        pytest.skip("this volume makes no short names")
    with pytest.raises(AccessDenied) as caught:
        sandbox.read_bytes(buffer.value)
    assert caught.value.filename.endswith("a long name of a key.text")


def test_protected_names(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / ".git" / "hooks").mkdir(parents=True)
    for path in (".git/hooks/pre-commit", ".GIT/config", ".claude/settings.json", "sidewall.toml", "sub/.git/config"):
        with pytest.raises(AccessDenied):
            sandbox.write_bytes(path, b"evil")
    with pytest.raises(AccessDenied):
        sandbox.remove(".git")
    assert (workspace / ".git" / "hooks").is_dir() and not (workspace / ".git" / "config").exists()


def test_a_second_name_is_not_written(sandbox: Sandbox, workspace: Path, base: Path) -> None:
    (base / "other").write_bytes(b"mine")
    os.link(base / "other", workspace / "linked")
    with pytest.raises(PermissionError, match="2 names"):
        sandbox.write_bytes("linked", b"theirs")
    assert (base / "other").read_bytes() == b"mine"
    sandbox.remove("linked")
    assert (base / "other").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["file:stream", "file::$DATA", "dir:$I30:$INDEX_ALLOCATION", "NUL", "con.txt", "COM1",
                                  "sub\\LPT9.log"])
def test_streams_and_devices(sandbox: Sandbox, workspace: Path, name: str) -> None:
    before = sorted(os.listdir(workspace))
    with pytest.raises(OSError):
        sandbox.write_bytes(name, b"x")
    assert sorted(os.listdir(workspace)) == before


def test_directories(sandbox: Sandbox, workspace: Path) -> None:
    sandbox.mkdir("made/with/parents")
    assert (workspace / "made" / "with" / "parents").is_dir()
    sandbox.mkdir("made")
    with pytest.raises(FileExistsError):
        sandbox.mkdir("made", exist_ok=False)
    with pytest.raises(FileNotFoundError):
        sandbox.mkdir("not/there/yet", parents=False)
    with pytest.raises(IsADirectoryError):
        sandbox.read_bytes("made")
    with pytest.raises(NotADirectoryError):
        sandbox.stat("new/deeper/plain.txt/below") if (workspace / "new").exists() else sandbox.list("none")


def test_removed_with_all_that_is_in_it(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "tree" / "a" / "b").mkdir(parents=True)
    (workspace / "tree" / "a" / "read-only").write_bytes(b"x")
    os.chmod(workspace / "tree" / "a" / "read-only", 0o400)
    sandbox.remove("tree")
    assert not (workspace / "tree").exists()
    with pytest.raises(FileNotFoundError):
        sandbox.remove("tree")
    for path in (".", "..", "C:\\"):
        with pytest.raises((ValueError, PermissionError)):
            sandbox.remove(path)
    assert workspace.is_dir()


def test_an_entry_that_was_swapped_is_asked_about_again(base: Path) -> None:
    """What was found moves elsewhere before it is opened: the question is asked for where it is then."""
    (base / "here").mkdir(exist_ok=True)
    (base / "there").mkdir(exist_ok=True)
    (base / "here" / "file").write_bytes(b"one")
    asked: list[tuple[str, str]] = []

    def ask(action: str, path: str) -> None:
        asked.append((action, path))
        if "there" in path:
            raise AccessDenied(action, path, None, "no")

    found: Place
    with place(f"{base}\\here\\new", ask) as found:
        found.check("write")
        try:
            os.rename(base / "here", base / "there" / "here")
        except PermissionError:
            pytest.skip("this system keeps a directory in place while it is open")
        with pytest.raises(OSError) as caught:
            found.open_regular(write=True)
    if not isinstance(caught.value, AccessDenied):
        pytest.skip(f"refused, but this system cannot name what lies in a directory that was moved: {caught.value}")
    assert asked[-1] == ("write", f"{base}\\there\\here\\new")
    assert os.listdir(base / "there" / "here") == ["file"]
