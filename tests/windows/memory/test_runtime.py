"""The private copy of Python on a Windows in memory: who may do what with it, which changes are noticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.windows.memory.windows import ANN, BOB, File, Person, Windows

from sidewall.errors import MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_token import USUAL
from sidewall.platforms.windows import private_file, runtime, runtime_files, runtime_removal
from sidewall.platforms.windows.runtime_files import Contents

GROUP = Sid("S-1-5-21-1111-2222-3333-1900")
ACCOUNT = Sid("S-1-5-21-1111-2222-3333-1901")
HOME = r"C:\Users\ann"
WRITING = 0x2 | 0x4 | 0x10 | 0x40 | 0x100 | 0x10000 | 0x40000 | 0x80000
"""Any bit that changes a file, a directory or a descriptor."""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module of ours from which a copy is made: it can be changed."""
    path = tmp_path / "sidewall" / "module.py"
    path.parent.mkdir()
    path.write_text("VALUE = 1\n")
    return path


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, module: Path) -> None:
    monkeypatch.setattr(runtime, "package", lambda: str(module.parent))


def contents(module: Path) -> Contents:
    return Contents(files=tuple([runtime_files.File(name=name, data=name.encode() * 700)
                                 for name in ("modules.zip", "pythonw.exe", "python311.dll", "runner.py")]),
                    origins=(str(module),), modules=("sidewall.module",))


def made(windows: Windows, module: Path) -> str:
    machine = windows.machine()
    return runtime.make(machine, machine.caller(), GROUP, contents(module))


def found(windows: Windows, group: Sid = GROUP) -> str | None:
    machine = windows.machine()
    there = runtime.find(machine, machine.caller(), group)
    if there is None:
        return None
    with there:
        return there.directory


def below(windows: Windows, directory: str) -> dict[str, File]:
    start = directory.upper()
    return {path: file for path, file in windows.files.items() if path == start or path.startswith(start + "\\")}


def inside() -> Person:
    person = Person(ACCOUNT, r"C:\Users\sandbox")
    groups = (GROUP, known.EVERYONE, known.USERS, known.AUTHENTICATED_USERS)
    person.token = Token(user=ACCOUNT, groups=tuple([Group(sid=sid, attributes=USUAL) for sid in groups]))
    return person


def test_it_is_found_again_and_only_where_nothing_changed(module: Path) -> None:
    windows = Windows()
    assert found(windows) is None
    directory = made(windows, module)
    assert found(windows) == directory
    before = len(windows.calls)
    assert found(windows) == directory
    assert not {"WriteFile", "CreateDirectoryW", "MoveFileExW"} & set(windows.calls[before:])
    assert "ReadFile" in windows.calls[before:], "the manifest"
    assert windows.calls[before:].count("ReadFile") == 2, "and no content of any file while its numbers are the same"


def test_the_account_reads_and_executes_and_changes_nothing(module: Path) -> None:
    windows = Windows()
    directory = made(windows, module)
    account, stranger = inside(), Person(BOB, r"C:\Users\bob")
    files = below(windows, directory)
    assert len(files) == 6
    for path, file in files.items():
        manifest = path.endswith("MANIFEST")
        assert account.may(file.descriptor, 0x1200A9, "file") is not manifest
        assert not any(account.may(file.descriptor, 1 << bit, "file") for bit in range(20) if WRITING >> bit & 1)
        assert not stranger.may(file.descriptor, 0x1, "file") and not stranger.may(file.descriptor, 0x20, "file")
        assert Person(ANN, HOME).may(file.descriptor, 0x1F01FF, "file")
        assert file.descriptor.owner == ANN, "no right of an owner is the account's"
    for above in (HOME + runtime.PLACE, HOME + runtime.PARENT):
        descriptor = windows.files[above.upper()].descriptor
        assert not any(account.may(descriptor, 1 << bit, "file") for bit in range(20))


def _append(file: File) -> None:
    assert file.data is not None
    file.data += b"x"


def _in_place(file: File) -> None:
    assert file.data is not None
    file.data, file.written = b"X" + file.data[1:], file.written + 1


def _linked(file: File) -> None:
    file.links = 2


def _reparse(file: File) -> None:
    file.attributes |= 0x400


def _opened_up(file: File) -> None:
    file.descriptor = parse(f"O:{ANN}D:P(A;;FA;;;{ANN})(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1301bf;;;{GROUP})")


def _given_away(file: File) -> None:
    file.descriptor = file.descriptor.replace(owner=ACCOUNT)


@pytest.mark.parametrize("change", [_append, _in_place, _linked, _reparse, _opened_up, _given_away])
@pytest.mark.parametrize("name", ["pythonw.exe", "python311.dll", "runner.py"])
def test_a_file_that_changed_is_never_used(module: Path, change: object, name: str) -> None:
    windows = Windows()
    directory = made(windows, module)
    change(windows.files[f"{directory}\\{name}".upper()])  # type: ignore[operator]
    assert found(windows) is None
    again = made(windows, module)
    assert again != directory and found(windows) == again


def test_other_numbers_with_the_same_content_are_good(module: Path) -> None:
    """A restored backup: other file numbers and times, the same bytes."""
    windows = Windows()
    directory = made(windows, module)
    file = windows.files[f"{directory}\\python311.dll".upper()]
    file.written, file.number = file.written + 10, 7
    assert found(windows) == directory


def test_a_file_that_was_put_beside_the_interpreter(module: Path) -> None:
    windows = Windows()
    directory = made(windows, module)
    windows.files[f"{directory}\\version.dll".upper()] = File(windows.files[directory.upper()].descriptor, b"MZ")
    assert found(windows) is None


def test_a_directory_that_others_may_write(module: Path) -> None:
    windows = Windows()
    directory = made(windows, module)
    windows.files[directory.upper()].descriptor = parse(f"O:{ANN}D:P(A;OICI;FA;;;{ANN})(A;OICI;FA;;;{GROUP})")
    assert found(windows) is None


def test_another_group_is_another_copy(module: Path) -> None:
    windows = Windows()
    made(windows, module)
    assert found(windows, Sid("S-1-5-21-1111-2222-3333-1950")) is None


@pytest.mark.parametrize("how", ["changed", "removed", "another installation"])
def test_a_newer_module_makes_it_old(module: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows()
    made(windows, module)
    if how == "changed":
        module.write_text("VALUE = 2\n")
        os.utime(module, (1, 1))
    elif how == "removed":
        module.unlink()
    else:
        monkeypatch.setattr(runtime, "package", lambda: str(module.parent.parent / "other"))
    assert found(windows) is None


def test_a_failure_at_any_call_leaves_nothing_that_counts(module: Path) -> None:
    windows = Windows()
    made(windows, module)
    calls = len(windows.calls)
    assert calls > 40
    for number in range(calls):
        broken = Windows()
        broken.fail_at, broken.after = number, number % 2 == 0
        machine = broken.machine()
        try:
            runtime.make(machine, machine.caller(), GROUP, contents(module))
        except MachineError:
            broken.fail_at = -1
            complete = [path for path in broken.files if path.endswith("\\MANIFEST")]
            assert found(broken) is None or complete, number
            good = made(broken, module)
            assert found(broken) is not None
            broken.now += 3 * 86_400
            runtime_removal.clean(machine, machine.caller())
            stay = {path.rpartition("\\")[0] for path in broken.files if path.endswith("\\MANIFEST")}
            assert good.upper() in stay and {one.upper() for one in runtime_removal.versions(machine.api, HOME)} == stay


def test_a_copy_that_runs_or_is_held_stays_whole(module: Path) -> None:
    windows = Windows()
    directory = made(windows, module)
    machine = windows.machine()
    there = runtime.find(machine, machine.caller(), GROUP)
    assert there is not None
    with there:
        windows.now += 30 * 86_400
        assert runtime_removal.clean(machine, machine.caller()) == ()
        done, left = runtime_removal.uninstall(machine.api, HOME)
        assert done == () and "a sandbox runs from it" in left[0]
    windows.files[f"{directory}\\pythonw.exe".upper()].running = 1
    assert runtime_removal.clean(machine, machine.caller()) == ()
    assert found(windows) == directory, "nothing of it is missing"
    windows.files[f"{directory}\\pythonw.exe".upper()].running = 0
    assert [path.upper() for path in runtime_removal.clean(machine, machine.caller())] == [directory.upper()]
    assert not below(windows, directory)


def test_a_copy_that_was_used_lately_is_not_removed_by_another_installation(module: Path) -> None:
    windows = Windows()
    made(windows, module)
    machine = windows.machine()
    windows.now += 6 * 86_400
    assert runtime_removal.clean(machine, machine.caller()) == ()
    windows.now += 2 * 86_400
    assert len(runtime_removal.clean(machine, machine.caller())) == 1


def test_uninstall_removes_all_of_it(module: Path) -> None:
    windows = Windows()
    made(windows, module)
    made(windows, module)
    windows.machine().api.kernel32.CreateDirectoryW(HOME + runtime.PLACE + r"\half", security=None)
    done, left = runtime_removal.uninstall(windows.machine().api, HOME)
    assert left == () and len(done) == 4
    assert not below(windows, HOME + runtime.PLACE)
    assert runtime_removal.uninstall(windows.machine().api, HOME) == ((), ())


@pytest.mark.parametrize("data", [b"", b"x", b"\xe3", b"{\x00\x00", b"N"])
def test_a_damaged_manifest_is_none(module: Path, data: bytes) -> None:
    windows = Windows()
    directory = made(windows, module)
    windows.files[f"{directory}\\manifest".upper()].data = data
    assert found(windows) is None


def test_a_volume_that_keeps_no_access_lists_is_refused(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows()
    machine = windows.machine()
    monkeypatch.setattr(runtime_files, "here", lambda: None)
    monkeypatch.setattr(runtime_files, "gather", lambda python, package: contents(module))
    everyone = parse(f"O:{ANN}D:(A;;FA;;;WD)").to_bytes()
    machine.api.advapi32._facade.GetKernelObjectSecurity = lambda handle, what: everyone  # type: ignore[attr-defined]
    with pytest.raises(MachineError, match="does not keep") as caught:
        runtime.ready(machine, machine.caller(), GROUP)
    assert "NTFS" in caught.value.hint


def test_ready_makes_it_once(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows()
    monkeypatch.setattr(runtime_files, "here", lambda: None)
    monkeypatch.setattr(runtime_files, "gather", lambda python, package: contents(module))
    machine = windows.machine()
    with runtime.ready(machine, machine.caller(), GROUP) as first:
        pass
    monkeypatch.setattr(runtime_files, "gather", None)
    with runtime.ready(machine, machine.caller(), GROUP) as second:
        assert second.directory.upper() == first.directory.upper()
        assert second.python == second.directory + r"\pythonw.exe"
    assert private_file.names(machine.api, HOME + runtime.PLACE) is not None
