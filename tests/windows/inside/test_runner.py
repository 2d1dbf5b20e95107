"""A cell of the account tier from the owner's side: what a command costs, what is left, what ends with what.

Commands themselves are tried in ``test_cells``, in this tier too.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners
from tests.windows.inside.cells import BACKEND, PYTHON, SECONDS, ended, on_wine, run, start
from tests.windows.inside.test_cells import alive, gone, tree

from sidewall.errors import CellGone, GuaranteeError, MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import dll, logon, machine, runner_guard, runtime, runtime_files
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.constants_process import PROCESS_ALL_ACCESS
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.handles import ledger

KERNEL = runners.REAL.kernel32


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("w") / "일 터 🐈"
    made.mkdir()
    return os.path.realpath(made)


@pytest.fixture(scope="module")
def launcher() -> runners.Launcher:
    return runners.Launcher()


@pytest.fixture(scope="module")
def cell(workspace: str, launcher: runners.Launcher) -> Iterator[AccountCell]:
    made = runners.opened(workspace, launcher)
    yield made
    made.close()
    assert made.last_held == ()


def handles(pid: int) -> int:
    """How many handles a process has."""
    count = ctypes.c_uint32()
    with KERNEL.OpenProcess(PROCESS_ALL_ACCESS, pid) as process:
        assert ctypes.WinDLL("kernel32").GetProcessHandleCount(ctypes.c_void_p(process.value), ctypes.byref(count))
    return count.value


def runner_of(launcher: runners.Launcher) -> int:
    assert launcher.started is not None
    return launcher.started.process_id


@pytest.mark.parametrize("code", [259, 0xC0000005])
def test_codes_that_mean_something_else_elsewhere(cell: AccountCell, code: int) -> None:
    exits = f"import ctypes; ctypes.WinDLL('kernel32').ExitProcess({code})"
    assert run(cell, PYTHON, "-c", exits)[0].returncode == code


def test_a_path_of_more_than_260_characters(cell: AccountCell) -> None:
    code = ("import os; p = '\\\\\\\\?\\\\' + os.environ['TEMP'] + '\\\\' + '긴' * 200 + '\\\\' + 'y' * 100;"
            "os.makedirs(p); open(p + '\\\\f', 'w').close(); print(len(p), os.path.exists(p + '\\\\f'))")
    end, out, err = run(cell, PYTHON, "-c", code)
    assert (end.returncode, err) == (0, b"")
    assert int(out.split()[0]) > 300 and out.split()[1] == b"True"


def test_the_account_s_own_variables_and_what_git_is_told(cell: AccountCell, workspace: str) -> None:
    code = ("import os; print(os.environ['USERPROFILE'], [os.environ['GIT_CONFIG_VALUE_%d' % n] for n in"
            " range(int(os.environ['GIT_CONFIG_COUNT']))].count(os.getcwd().replace(os.sep, '/')), sep='\\n')")
    env = {b"PATH": b"", b"USERPROFILE": b"C:\\not\\mine", b"PYTHONUTF8": b"1", b"GIT_CONFIG_COUNT": b"1",
           b"GIT_CONFIG_KEY_0": b"user.name", b"GIT_CONFIG_VALUE_0": b"me"}
    end, out, err = run(cell, PYTHON, "-c", code, env=env)
    assert (end.returncode, err) == (0, b"")
    assert out.decode().splitlines() == [os.environ["USERPROFILE"], "1"]


def test_a_hundred_commands_leave_no_handle(cell: AccountCell, launcher: runners.Launcher) -> None:
    def once(number: int) -> None:
        child = start(cell, "cmd", "/c", f"exit {number}")
        assert ended(child).returncode == number
        child.close()
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                start(cell, "no-such-program")
            with pytest.raises(NotADirectoryError):
                start(cell, "cmd", cwd=__file__)

    once(0)
    before, ours = handles(runner_of(launcher)), handles(os.getpid())
    for number in range(20):
        once(number)  # five starts each, four of them failing after the handles were given
    assert handles(runner_of(launcher)) <= before + 2
    assert handles(os.getpid()) <= ours + 2


def test_what_cannot_be_asked_for_gives_back_what_it_took(cell: AccountCell, launcher: runners.Launcher) -> None:
    before = handles(runner_of(launcher))
    with pytest.raises(OSError, match="too long") as caught:
        start(cell, "cmd", "x" * 70_000)
    assert caught.value.filename == "cmd"
    with pytest.raises(OSError):
        cell.spawn(["cmd"], cwd=None, env={}, stdin=0, stdout=1, stderr=12345)
    with pytest.raises(ValueError, match="variable"):
        cell.spawn(["cmd"], cwd=None, env={b"a=b": b""}, stdin=0, stdout=1, stderr=2)
    assert handles(runner_of(launcher)) == before
    assert run(cell, "cmd", "/c", "exit 3")[0].returncode == 3


def test_a_command_costs_one_create_process_on_either_side(workspace: str, tmp_path: Path) -> None:
    listing = tmp_path / "calls"
    program = os.path.join(os.path.dirname(__file__), "traced_runner.py")
    cell = runners.opened(workspace, runners.Launcher(program, str(listing)))
    env, calls = {b"PATH": os.environ["PATH"].encode()}, list[str]()
    try:
        for _ in range(2):
            calls.clear()
            before = len(listing.read_text().splitlines())
            dll.trace = lambda library, function: calls.append(function)
            try:
                child = start(cell, "cmd", "/c", "exit 0", env=env)
                assert ended(child).returncode == 0
                child.close()
            finally:
                dll.trace = None
            inside = listing.read_text().splitlines()[before:]
        assert set(calls) <= {"DuplicateHandle", "CreatePipe", "WriteFile", "ReadFile", "WaitForSingleObject",
                              "GetOverlappedResult", "CloseHandle"}
        assert (calls.count("DuplicateHandle"), calls.count("WriteFile"), calls.count("CreatePipe")) == (3, 2, 1)
        assert inside.count("CreateProcessAsUserW") == 1
        assert set(inside) <= {
            "ReadFile", "WriteFile", "GetOverlappedResult", "WaitForSingleObject", "CreateJobObjectW",
            "InitializeProcThreadAttributeList", "UpdateProcThreadAttribute", "CreateProcessAsUserW",
            "DeleteProcThreadAttributeList", "CloseHandle", "GetExitCodeProcess", "GetProcessTimes",
            "K32GetProcessMemoryInfo", "SetTokenInformation",
        }  # fmt: skip
        assert inside.count("SetTokenInformation") == 2  # new objects are the command's while it starts
        assert len(calls) < 25 and len(inside) < 35
    finally:
        cell.close()


def test_the_runner_is_closed_to_its_own_account(cell: AccountCell, launcher: runners.Launcher) -> None:
    meant = parse(runner_guard.guarded(runners.user())).dacl
    with KERNEL.OpenProcess(PROCESS_ALL_ACCESS, runner_of(launcher)) as process:
        data = runners.REAL.advapi32.GetKernelObjectSecurity(process, DACL_SECURITY_INFORMATION)
    found = SecurityDescriptor.from_bytes(data).dacl
    assert meant is not None and found is not None and found.aces == meant.aces


def test_a_cell_whose_last_user_is_its_own_listener_gives_the_pipe_back(workspace: str,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that hears the end of the runner is then the one that closes the cell: it does not wait for itself."""
    launcher, before = runners.Launcher(), dict(ledger.open)
    cells = [runners.opened(workspace, launcher)]
    over = threading.Event()
    ending = AccountCell.over

    def last(self: AccountCell, why: str) -> None:
        cells.clear()
        ending(self, why)
        del self
        over.set()

    monkeypatch.setattr(AccountCell, "over", last)
    with KERNEL.OpenProcess(PROCESS_ALL_ACCESS, runner_of(launcher)) as process:
        KERNEL.TerminateProcess(process, 1)
    assert over.wait(SECONDS)
    deadline = time.monotonic() + SECONDS
    while ledger.open != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ledger.open == before


def test_a_killed_runner_ends_the_cell_and_what_ran_in_it(workspace: str) -> None:
    launcher, before = runners.Launcher(), dict(ledger.open)
    made = runners.opened(workspace, launcher)
    temporary = os.fsdecode(made.environment[b"TEMP"])
    child, below = tree(made)
    with KERNEL.OpenProcess(PROCESS_ALL_ACCESS, runner_of(launcher)) as process:
        KERNEL.TerminateProcess(process, 0xBAD)
    with pytest.raises(CellGone, match="0xbad"):
        child.wait(SECONDS)
    assert gone(child.pid) and gone(below)
    with pytest.raises(CellGone):
        start(made, "cmd", "/c", "exit 0")
    child.signal(9, tree=True)
    child.close()
    made.close()
    assert not os.path.exists(temporary) and made.last_held == ()
    assert ledger.open == before


OWNER = ("import os,sys; from tests.windows.inside import runners;"
         "from tests.windows.inside.cells import start, PYTHON;"
         "launcher = runners.Launcher(); cell = runners.opened(sys.argv[1], launcher);"
         "child = start(cell, PYTHON, '-c', 'import time; time.sleep(600)');"
         "print(launcher.started.process_id, child.pid, os.fsdecode(cell.environment[b'TEMP']), flush=True);"
         "sys.stdin.read()")


def test_runner_and_commands_end_with_their_owner_whatever_way_that_ends(workspace: str) -> None:
    owner = subprocess.Popen([PYTHON, "-c", OWNER, workspace], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={**os.environ, "PYTHONPATH": os.pathsep.join([runners.HERE, *sys.path])})
    try:
        assert owner.stdout is not None
        runner, pid, temporary = owner.stdout.readline().decode().split(None, 2)
        assert alive(int(pid)) and alive(int(runner))
    finally:
        owner.kill()
        owner.communicate(timeout=SECONDS)
    assert gone(int(pid)) and gone(int(runner))
    assert f"removed {temporary.strip()}" in BACKEND.recover()


def test_a_cell_that_nobody_wants_any_more_ends(workspace: str) -> None:
    import gc

    launcher = runners.Launcher()
    made = runners.opened(workspace, launcher)
    pid = runner_of(launcher)
    assert alive(pid)
    del made
    gc.collect()
    assert gone(pid)


def test_closing_while_commands_start(workspace: str) -> None:
    made, told = runners.opened(workspace), []

    def one() -> None:
        try:
            child = start(made, "cmd", "/c", "ping -n 30 127.0.0.1 > nul")
            try:
                child.wait(SECONDS)
            finally:
                child.close()
        except CellGone:
            told.append("gone")

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    made.close()
    for thread in threads:
        thread.join(SECONDS)
    assert told == ["gone"] * 4 and not made.children


def test_no_filter_no_cell(workspace: str) -> None:
    launcher, wanted = runners.Launcher(), runners.engine()
    name = runners.plan(workspace).steps[1].filters[0].name  # type: ignore[attr-defined]
    wanted.filters = {key: one for key, one in wanted.filters.items() if one.name != name}
    for filters in (wanted, runners.Engine()):
        with pytest.raises(GuaranteeError, match="network filters are gone") as caught:
            runners.backend(launcher, filters).apply(runners.plan(workspace))
        assert caught.value.guarantees == ("network-egress",)
    assert launcher.started is None


@pytest.mark.skipif(not on_wine(), reason="where everything is enforced nothing is refused")
def test_what_this_kernel_does_not_do_is_said_by_the_runner(workspace: str) -> None:
    launcher, before = runners.Launcher(), dict(ledger.open)
    promising = runners.plan(workspace)
    every = tuple([one.replace(level="enforced") for one in promising.guarantees])
    with pytest.raises(GuaranteeError, match="made a token without restricting SIDs") as caught:
        runners.backend(launcher).apply(promising.replace(guarantees=every))
    assert "write-outside" in caught.value.guarantees and "read-secrets" in caught.value.guarantees
    assert gone(runner_of(launcher)) and ledger.open == before


def test_a_program_that_does_not_start_is_said(workspace: str) -> None:
    """The runner says that it cannot, and the owner says what came."""
    without = "from sidewall.platforms.windows import process; process.SHELL = 'none.exe';"
    runs = ("import sys; from sidewall.platforms.windows import api, runner;"
            "sys.exit(runner.main(sys.argv[1:], api.native()))")
    launcher, before = runners.Launcher("-c", without + runs), dict(ledger.open)
    with pytest.raises(MachineError, match="in the sandbox's account"):
        runners.backend(launcher).apply(runners.plan(workspace))
    assert gone(runner_of(launcher)) and ledger.open == before


def test_the_private_copy_of_python_is_enough_for_it(workspace: str, tmp_path: Path) -> None:
    """Every way through the runner, with nothing but what is in the copy and the few variables of a logon."""
    (tmp_path / "home" / "AppData" / "Local").mkdir(parents=True)
    here = machine.native()
    caller = here.caller().replace(home=os.path.realpath(tmp_path / "home"))
    runtime.make(here, caller, runners.GROUP, runtime_files.gather(runtime_files.here(), runtime.package()))
    copy = runtime.find(here, caller, runners.GROUP, lists=False)
    assert copy is not None
    with copy:
        launcher = runners.Launcher(*runtime_files.FLAGS, copy.start, python=copy.python,
                                    variables=logon.variables(runners.REAL))
        made = runners.opened(workspace, launcher)
        try:
            assert run(made, "cmd", "/c", "echo 한& exit 7")[0].returncode == 7
            child, below = tree(made)
            child.signal(9, tree=True)
            assert ended(child).returncode == 1 and gone(below)
            child.close()
            with pytest.raises(FileNotFoundError):
                start(made, "no-such-program")
            with pytest.raises(PermissionError):
                start(made, workspace)
            script = os.path.join(workspace, "some script.cmd")
            with open(script, "w", encoding="ascii") as file:
                file.write("@exit %1\r\n")
            assert run(made, script, "42")[0].returncode == 42
            private = os.fsdecode(made.environment[b"TEMP"])
            assert made._leaving is not None
            assert (made._leaving.leave([private]), made._leaving.let_in([workspace])) == ("", "")
            assert not os.path.exists(private)
        finally:
            made.close()
        assert gone(runner_of(launcher))


GUARDED = """
import _thread, sys, time
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import api, constants_security, runner_guard
numbers, lock = [], _thread.allocate_lock()
lock.acquire()
def wait():
    numbers.append(_thread.get_native_id())
    lock.acquire(); lock.release()
_thread.start_new_thread(wait, ())
while not numbers: time.sleep(0.01)
made = api.native()
runner_guard.Guard(made, Sid(sys.argv[1])).close()
for number in numbers:
    with made.kernel32.OpenThread(0x20000, number) as thread:
        data = made.advapi32.GetKernelObjectSecurity(thread, constants_security.DACL_SECURITY_INFORMATION)
    print([(str(ace.sid), hex(ace.mask)) for ace in SecurityDescriptor.from_bytes(data).dacl.aces])
lock.release()
"""


def test_what_the_runner_has_before_its_first_line_is_closed_to_its_account(tmp_path: Path) -> None:
    """The loader makes threads; whoever may open one of them may make it do anything."""
    script = tmp_path / "guarded.py"
    script.write_text(GUARDED)
    me = runners.user()
    done = subprocess.run([PYTHON, str(script), me], capture_output=True, text=True, timeout=SECONDS,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join([runners.HERE, *sys.path])})
    assert done.stdout.strip() == str([("S-1-5-18", "0x1fffff"), (str(me), "0x1fffff"), ("S-1-3-4", "0x20000")]), done
