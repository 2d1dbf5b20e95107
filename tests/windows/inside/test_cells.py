"""Commands in a cell: codes, streams, names, handles, jobs, what is left behind.

In the token tier the owner starts them, in the account tier a runner does; a session must not see which.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

import msvcrt

from tests.windows.inside import runners
from tests.windows.inside.cells import BACKEND, PYTHON, SECONDS, ended, on_wine, opened, pipe, run, start

from sidewall.errors import CellGone
from sidewall.platforms.windows import dll
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.cell import TokenCell
from sidewall.platforms.windows.children import EndingChild
from sidewall.session.readiness import POLLIN, Poller

OpenedCell: TypeAlias = TokenCell | AccountCell
NAME = "빈 칸 🐈 & (1)"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("w") / NAME
    made.mkdir()
    return os.path.realpath(made)


@pytest.fixture(scope="module", params=["token", "account"])
def cell(request: pytest.FixtureRequest, workspace: str) -> Iterator[OpenedCell]:
    made = opened(workspace) if request.param == "token" else runners.opened(workspace)
    yield made
    made.close()
    assert made.last_held == ()


@pytest.fixture
def token_cell(workspace: str) -> Iterator[TokenCell]:
    made = opened(workspace)
    yield made
    made.close()


def said(cell: OpenedCell, *argv: str, **given: Any) -> object:
    """What a Python says as JSON."""
    end, out, err = run(cell, *argv, **given)
    assert (end.returncode, err) == (0, b""), err
    return json.loads(out)


@pytest.mark.parametrize(("word", "code"), [("0", 0), ("7", 7), ("255", 255), ("-1", 0xFFFFFFFF),
                                            ("-1073741819", 0xC0000005)])
def test_exit_codes_of_32_bits_pass(cell: OpenedCell, word: str, code: int) -> None:
    child = start(cell, "cmd", "/c", f"exit {word}")
    assert ended(child).returncode == code
    assert ended(child).returncode == code
    child.close()


def test_three_streams(cell: OpenedCell) -> None:
    end, out, err = run(cell, PYTHON, "-c", "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d[::-1]);"
                        "sys.stderr.buffer.write(b'oops'); sys.exit(3)", data=b"abc\0\r\n\xff")
    assert (end.returncode, out, err) == (3, b"\xff\n\r\0cba", b"oops")
    assert end.user_seconds + end.system_seconds >= 0


def test_one_descriptor_for_two_streams(cell: OpenedCell) -> None:
    reading, writing = pipe()
    child = start(cell, "cmd", "/c", "echo out& echo err 1>&2", stdout=writing, stderr=writing)
    os.close(writing)
    assert ended(child).returncode == 0
    assert os.read(reading, 100).split() == [b"out", b"err"]
    child.close()
    os.close(reading)


ARGUMENTS = ["", "a b", 'say "x"', "ends\\", "dir with\\", '\\"', "한글 🐈", "%PATH%", "100%", "a&b|c>d", "^", "!x!",
             "*"]


def test_arguments_arrive_as_they_are(cell: OpenedCell) -> None:
    assert said(cell, PYTHON, "-c", "import json,sys; print(json.dumps(sys.argv[1:]))", *ARGUMENTS) == ARGUMENTS


def test_arguments_of_a_batch_file_arrive_as_they_are(cell: OpenedCell, workspace: str) -> None:
    script = os.path.join(workspace, "tell me.cmd")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f'@"{PYTHON}" -c "import json,sys; print(json.dumps(sys.argv[1:]))" %*\r\n')
    given = [each for each in ARGUMENTS if "한" not in each]  # cmd.exe reads a batch file in a code page
    assert said(cell, script, *given) == given
    assert said(cell, ".\\tell me", *given) == given
    assert not os.path.exists(os.path.join(workspace, "d"))
    with pytest.raises(OSError) as caught:
        start(cell, script, "a\nwhoami")
    assert caught.value.errno == errno.EINVAL


def test_a_line_for_cmd_keeps_its_quotation_marks(cell: OpenedCell) -> None:
    end, out, _ = run(cell, "cmd", "/c", 'echo "a & b" & echo c')
    assert (end.returncode, [line.strip() for line in out.splitlines()]) == (0, [b'"a & b"', b"c"])


def test_names_that_are_not_ascii(cell: OpenedCell, workspace: str) -> None:
    told = said(cell, PYTHON, "-c", "import json,os; open('파일 🐈.txt','w').close();"
                "print(json.dumps([os.getcwd(), os.environ['이름']]))", env={
                    b"PATH": b"", "이름".encode(): "값 🐈".encode(), b"PYTHONUTF8": b"1"})
    assert told == [workspace, "값 🐈"]
    assert os.path.exists(os.path.join(workspace, "파일 🐈.txt"))


def test_a_directory_to_start_in(cell: OpenedCell, workspace: str) -> None:
    os.makedirs(os.path.join(workspace, "sub dir"), exist_ok=True)
    assert said(cell, PYTHON, "-c", "import json,os; print(json.dumps(os.getcwd()))", cwd="sub dir") == os.path.join(
        workspace, "sub dir")
    with pytest.raises(FileNotFoundError) as missing:
        start(cell, "cmd", "/c", "exit", cwd="none")
    assert missing.value.filename == os.path.join(workspace, "none")
    with open(os.path.join(workspace, "file"), "w", encoding="utf-8"):
        pass
    with pytest.raises(NotADirectoryError):
        start(cell, "cmd", "/c", "exit", cwd="file")


def test_programs_are_found_in_path_only(cell: OpenedCell, workspace: str) -> None:
    with open(os.path.join(workspace, "evil.cmd"), "w", encoding="utf-8") as file:
        file.write("@exit 66\r\n")
    with pytest.raises(FileNotFoundError) as caught:
        start(cell, "evil")
    assert caught.value.filename == "evil"
    child = start(cell, ".\\evil")
    assert ended(child).returncode == 66
    child.close()
    if not on_wine():  # its cmd.exe does not know NoDefaultCurrentDirectoryInExePath
        assert run(cell, "cmd", "/c", "evil")[0].returncode != 66


def test_what_is_no_program(cell: OpenedCell, workspace: str) -> None:
    with open(os.path.join(workspace, "text.txt"), "w", encoding="utf-8") as file:
        file.write("hello")
    with open(os.path.join(workspace, "not.exe"), "w", encoding="utf-8") as file:
        file.write("hello")
    for name in (".\\text.txt", ".\\not.exe"):
        with pytest.raises(OSError) as caught:
            start(cell, name)
        assert caught.value.errno == errno.ENOEXEC
    with pytest.raises(PermissionError):
        start(cell, workspace)
    with pytest.raises(ValueError, match="empty"):
        cell.spawn([], cwd=None, env={}, stdin=0, stdout=1, stderr=2)
    with pytest.raises(ValueError, match="null"):
        start(cell, "cmd", "a\0b")


def test_the_floor_of_the_environment(cell: OpenedCell) -> None:
    told = said(cell, PYTHON, "-c", "import json,os; print(json.dumps(dict(os.environ)))", env={})
    assert isinstance(told, dict)
    assert {"SYSTEMROOT", "COMSPEC", "PATHEXT", "NODEFAULTCURRENTDIRECTORYINEXEPATH", "TEMP"} <= told.keys()
    assert "USERPROFILE" in told
    assert told["TEMP"] == os.fsdecode(cell.environment[b"TEMP"]) != os.environ["TEMP"]


def test_no_other_handle_is_inherited(cell: OpenedCell) -> None:
    reading, writing = pipe()
    os.set_inheritable(writing, True)
    handle = msvcrt.get_osfhandle(writing)
    code = f"import msvcrt,os; os.write(msvcrt.open_osfhandle({handle}, os.O_WRONLY), b'leak')"
    end, _, err = run(cell, PYTHON, "-c", code)
    os.close(writing)
    assert end.returncode == 1 and b"OSError" in err
    assert os.read(reading, 10) == b""
    os.close(reading)


TREE = ("import subprocess,sys,time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(p.pid, flush=True); time.sleep(600)")


def alive(pid: int) -> bool:
    from sidewall.platforms.windows import api
    from sidewall.platforms.windows.constants_process import PROCESS_QUERY_LIMITED_INFORMATION, STILL_ACTIVE
    from sidewall.platforms.windows.errors import Win32Error

    kernel = api.native().kernel32
    try:
        with kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, pid) as process:
            return kernel.GetExitCodeProcess(process) == STILL_ACTIVE
    except Win32Error:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def tree(cell: OpenedCell) -> tuple[EndingChild, int]:
    reading, writing = pipe()
    child = start(cell, PYTHON, "-c", TREE, stdout=writing)
    os.close(writing)
    poller = Poller()
    poller.register(reading, POLLIN)
    assert poller.poll(SECONDS * 1000)
    pid = int(os.read(reading, 100))
    os.close(reading)
    return child, pid


def test_a_tree_is_killed_as_a_whole(cell: OpenedCell) -> None:
    child, pid = tree(cell)
    assert child.wait(0.05) is None and alive(pid)
    child.signal(9, tree=True)
    assert ended(child).returncode == 1
    assert gone(pid)
    child.signal(9, tree=True)
    child.close()


def test_one_command_s_tree_and_no_other(cell: OpenedCell) -> None:
    other, kept = tree(cell)
    child, pid = tree(cell)
    child.signal(15, tree=True)
    assert gone(pid) and alive(kept)
    assert other.wait(0) is None
    other.signal(9)
    assert ended(other).returncode == 1
    assert alive(kept), "what a command left running belongs to the cell"
    other.close()
    assert alive(kept)
    child.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.CTRL_C_EVENT, signal.CTRL_BREAK_EVENT])
def test_interrupted(cell: OpenedCell, number: int) -> None:
    child = start(cell, PYTHON, "-c", "import time; time.sleep(600)")
    child.signal(number, tree=True)
    assert ended(child).returncode == 0xC000013A
    child.close()


def test_status_tells_the_end_to_whoever_polls(cell: OpenedCell) -> None:
    reading, writing = pipe()
    child = start(cell, PYTHON, "-c", "import sys; sys.stdin.read()", stdin=reading)
    os.close(reading)
    poller = Poller()
    poller.register(child.status_fd, POLLIN)
    assert poller.poll(30) == []
    os.close(writing)
    assert poller.poll(SECONDS * 1000) == [(child.status_fd, POLLIN)]
    assert child.wait(0) is not None
    child.close()
    child.close()


def test_many_at_once(cell: OpenedCell) -> None:
    codes: list[int] = []

    def one(number: int) -> None:
        end, out, _ = run(cell, "cmd", "/c", f"echo {number}& exit {number}")
        if out.strip() == str(number).encode():
            codes.append(end.returncode)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(codes) == list(range(1, 9))


def test_a_command_costs_one_create_process(token_cell: TokenCell) -> None:
    calls: list[str] = []
    env = {b"PATH": os.environ["PATH"].encode()}
    for _ in range(2):
        calls.clear()
        dll.trace = lambda library, function: calls.append(function)
        try:
            child = start(token_cell, "cmd", "/c", "exit 0", env=env)
            assert ended(child).returncode == 0
            child.close()
        finally:
            dll.trace = None
        assert calls.count("CreateProcessAsUserW") == 1
        assert set(calls) == {
            "CreateJobObjectW", "CreatePipe", "DuplicateHandle", "InitializeProcThreadAttributeList",
            "UpdateProcThreadAttribute", "CreateProcessAsUserW", "DeleteProcThreadAttributeList", "CloseHandle",
            "WaitForSingleObject", "GetExitCodeProcess", "GetProcessTimes", "K32GetProcessMemoryInfo",
        }  # fmt: skip
    assert len(calls) < 30


def test_a_closed_cell_ends_everything_and_leaves_nothing(workspace: str) -> None:
    made = opened(workspace)
    temporary = os.fsdecode(made.environment[b"TEMP"])
    assert os.path.isdir(temporary)
    child, pid = tree(made)
    deep = "\\\\?\\" + temporary + "\\d" * 3 + "\\" + "x" * 200 + "\\" + "y" * 200
    code = f"import os; p = {deep!r}; os.makedirs(p); open(p + '\\\\f','w').close(); os.chmod(p + '\\\\f', 0o444)"
    end, _, err = run(made, PYTHON, "-c", code)
    assert end.returncode == 0, err
    made.close()
    assert gone(pid) and not os.path.exists(temporary)
    assert made.last_held == ()
    with pytest.raises(CellGone):
        child.wait(SECONDS)
    with pytest.raises(CellGone):
        start(made, "cmd")
    child.close()
    made.close()


def test_cells_side_by_side(workspace: str) -> None:
    codes: list[int] = []

    def one(number: int) -> None:
        made = opened(workspace)
        try:
            codes.append(run(made, "cmd", "/c", f"exit {number}")[0].returncode)
        finally:
            made.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in (11, 12, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(codes) == [11, 12, 13]


OWNER = ("import os,sys; from tests.windows.inside.cells import opened, start, PYTHON; cell = opened(sys.argv[1]);"
         "child = start(cell, PYTHON, '-c', 'import time; time.sleep(600)');"
         "print(child.pid, os.fsdecode(cell.environment[b'TEMP']), flush=True); sys.stdin.read()")


def test_everything_ends_with_its_owner_whatever_way_that_ends(workspace: str) -> None:
    owner = subprocess.Popen([PYTHON, "-c", OWNER, workspace], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        assert owner.stdout is not None
        pid, temporary = owner.stdout.readline().decode().split(None, 1)
        assert alive(int(pid))
    finally:
        owner.kill()
        owner.communicate(timeout=SECONDS)
    assert gone(int(pid))
    assert f"removed {temporary.strip()}" in BACKEND.recover()
