"""One function, called: values converted by its prototype, failures raised by name, wrong calls refused.

Knows: ``Dll`` and a library in memory.  Must not know: what the functions are for.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.errors import InternalError, MachineError, SystemCallError
from sidewall.platforms import windows
from sidewall.platforms.windows import api, dll, prototypes
from sidewall.platforms.windows.errors import CallError, MissingFunction, NetError, StatusError, Win32Error
from sidewall.platforms.windows.handles import Handle

from .behind import Behind, put

ROOM = Path(windows.__file__).parent


def test_a_failure_says_call_arguments_name_and_remedy() -> None:
    behind = Behind()

    def refuse(*_: object) -> int | None:
        behind.error = 5
        return None

    behind.functions["OpenProcess"] = refuse
    with pytest.raises(Win32Error) as caught:
        behind.api.kernel32.OpenProcess(0x1000, 321)
    error = caught.value
    assert str(error) == ("OpenProcess failed: ERROR_ACCESS_DENIED (5): access is denied "
                          "[desired access 0x1000, process id 321]")
    assert (error.call, error.code, error.name, error.errno) == ("OpenProcess", 5, "ERROR_ACCESS_DENIED", 5)
    assert error.hint
    assert isinstance(error, SystemCallError)
    assert isinstance(error, MachineError)


def test_the_target_is_what_the_call_was_about() -> None:
    behind = Behind()

    def refuse(*_: object) -> int:
        behind.error = 2
        return -1

    behind.functions["CreateFileW"] = refuse
    with pytest.raises(Win32Error) as caught:
        behind.api.kernel32.CreateFileW("C:\\Users\\한글 😀\\a b.txt", 0, 3)
    assert caught.value.target == "C:\\Users\\한글 😀\\a b.txt"
    assert "'C:\\Users\\한글 😀\\a b.txt'" in str(caught.value)


def test_a_password_is_in_no_message() -> None:
    behind = Behind()

    def refuse(*_: object) -> int:
        behind.error = 1326
        return 0

    behind.functions["LogonUserW"] = refuse
    with pytest.raises(Win32Error) as caught:
        behind.api.advapi32.LogonUserW("sandbox", ".", "hunter2hunter2")
    assert "hunter2" not in repr(caught.value) + str(caught.value.__dict__)
    assert "password (secret)" in str(caught.value)
    assert "sidewall setup" in caught.value.hint


def test_an_old_error_is_not_taken_for_a_new_one() -> None:
    behind = Behind(SetEvent=lambda _: 0)
    behind.error = 5
    event = Handle(1, lambda _: None, "an event")
    with event, pytest.raises(Win32Error, match=r"error 0: Windows gave no reason \[event of an event\]"):
        behind.api.kernel32.SetEvent(event)
    assert behind.api.dll("kernel32").SetEvent.code(1) == dll.UNSAID


@pytest.mark.parametrize(("status", "name"), [(0xC0000022, "STATUS_ACCESS_DENIED"), (0xC0000001, "")])
def test_a_status_is_unsigned_and_named(status: int, name: str) -> None:
    behind = Behind(RtlGetVersion=lambda _: status - 2**32)
    with pytest.raises(StatusError) as caught:
        behind.api.ntdll.RtlGetVersion()
    assert (caught.value.code, caught.value.name) == (status, name)
    assert f"0x{status:08X}" in str(caught.value)


def test_a_network_status_is_named() -> None:
    behind = Behind(NetUserDel=lambda *_: 2221)
    with pytest.raises(NetError, match="NERR_UserNotFound"):
        behind.api.netapi32.NetUserDel("nobody")


def test_wrong_calls_are_ours_and_call_nothing() -> None:
    behind = Behind(OpenProcess=lambda *_: 1, DeleteFileW=lambda _: 1)
    function = behind.api.dll("kernel32").OpenProcess
    with pytest.raises(CallError, match="takes 3 values, not 2"):
        function(1, 2)
    with pytest.raises(CallError, match="OpenProcess"):
        function("all", False, 3)
    with pytest.raises(CallError, match="DeleteFileW: file name has a zero in it, at character 4"):
        behind.api.kernel32.DeleteFileW("C:\\a\0b")
    assert issubclass(CallError, InternalError)
    assert behind.calls == ["load kernel32.dll"]


def test_a_password_that_cannot_be_passed_is_not_shown_either() -> None:
    behind = Behind(LogonUserW=lambda *_: 1, NetUserAdd=lambda *_: 0)
    for call in (lambda: behind.api.advapi32.LogonUserW("u", ".", "hunter2\0hunter2"),
                 lambda: behind.api.netapi32.NetUserAdd("u", "hunter2\0hunter2")):  # fmt: skip
        with pytest.raises(CallError, match="zero in it, at character 7") as caught:
            call()
        assert "hunter2" not in str(caught.value)


def test_a_closed_handle_calls_nothing() -> None:
    behind = Behind(SetEvent=lambda _: 1)
    event = Handle(1, lambda _: None, "an event")
    event.close()
    with pytest.raises(InternalError, match="an event is used after it was closed"):
        behind.api.kernel32.SetEvent(event)
    assert "SetEvent" not in behind.calls


def test_a_function_that_this_windows_lacks_is_named() -> None:
    behind = Behind()
    with Handle(1, lambda _: None, "a") as reading, Handle(2, lambda _: None, "b") as writing:
        with pytest.raises(MissingFunction, match="CreatePseudoConsole") as caught:
            behind.api.kernel32.CreatePseudoConsole(80, 25, reading, writing)
    assert "1809" in caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="this is Windows")
def test_elsewhere_a_library_is_missing_and_says_so() -> None:
    with pytest.raises(MissingFunction, match="part of Windows"):
        api.native().kernel32.GetSystemDirectoryW()


def test_a_library_is_loaded_by_its_first_call_and_by_no_other_facade() -> None:
    def system_directory(buffer: int, size: int) -> int:
        ctypes.memmove(buffer, ctypes.create_unicode_buffer("C:\\W"), ctypes.sizeof(ctypes.c_wchar) * 5)
        return 4

    behind = Behind(GetSystemDirectoryW=system_directory, CloseHandle=lambda _: 1)
    facades = [getattr(behind.api, name) for name in api.NAMES]
    assert len(set(map(id, facades))) == len(api.NAMES)
    assert behind.calls == []
    assert behind.api.kernel32.GetSystemDirectoryW() == "C:\\W"
    assert behind.calls == ["load kernel32.dll", "GetSystemDirectoryW"]
    assert "load user32.dll" not in behind.calls


def test_a_trace_sees_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(GetConsoleOutputCP=lambda: 65001, SetEvent=lambda _: 1)
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(dll, "trace", lambda library, function: seen.append((library, function)))
    assert behind.api.kernel32.GetConsoleOutputCP() == 65001
    assert behind.api.dll("kernel32").SetEvent.code(1) == 0
    assert seen == [("kernel32.dll", "GetConsoleOutputCP"), ("kernel32.dll", "SetEvent")]


def test_importing_every_module_loads_nothing_and_calls_nothing() -> None:
    modules = sorted(path.stem for path in ROOM.glob("*.py") if path.stem in {*api.NAMES, "api", "dll"})
    code = ("import sys, ctypes\n"
            "class Loaded(BaseException): pass\n"
            "def loading(*_, **__): raise Loaded\n"
            "ctypes.CDLL.__init__ = loading\n"
            + "".join(f"import sidewall.platforms.windows.{name}\n" for name in modules)
            + "from sidewall.platforms.windows import api\napi.native()\n"
            "sys.exit(bool({'typing', 're', 'enum', 'dataclasses', 'subprocess', 'collections'} & set(sys.modules)))")
    words = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOM.parents[2])!r})\n{code}"]
    done = subprocess.run(words, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def calls_of(path: Path) -> list[tuple[str, int]]:
    """Every call of a function by prototype in a file, with how many values it is given; starred ones are left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            raw = isinstance(owner, ast.Attribute) and owner.attr in ("_dll", "_kernel")
            if raw and not any(isinstance(value, ast.Starred) for value in node.args):
                found.append((node.func.attr, len(node.args)))
    return found


def test_every_call_by_prototype_has_the_right_number_of_values() -> None:
    known = {}
    for name in api.NAMES:
        text = importlib.import_module(f"sidewall.platforms.windows.{name}").PROTOTYPES
        for function, statement in prototypes.statements(text).items():
            assert function not in known, f"{function} is declared twice"
            known[function] = len(prototypes.read(statement).parameters)
    checked = 0
    for path in ROOM.glob("*.py"):
        for function, count in calls_of(path):
            if function not in ("last_error",):
                assert known.get(function) == count, f"{path.name}: {function}"
                checked += 1
    assert checked > 100


def test_meanings_of_parameters_read_well() -> None:
    said = {"lpszUserName": "user name", "dwProcessId": "process id", "cchReferencedDomainName":
            "length of referenced domain name", "servername": "servername", "hPC": "PC",
            "engineHandle": "engine handle",
            "phToken": "token", "StringSDRevision": "string SD revision", "buf": "buf"}  # fmt: skip
    assert {name: prototypes.meaning(name) for name in said} == said


def test_a_result_goes_to_the_place_that_was_given() -> None:
    def exit_code(process: int, place: int) -> int:
        assert process == 77
        put(place, ctypes.c_uint32, 0xC0000005)
        return 1

    behind = Behind(GetExitCodeProcess=exit_code)
    with Handle(77, lambda _: None, "process 1") as process:
        assert behind.api.kernel32.GetExitCodeProcess(process) == 0xC0000005
