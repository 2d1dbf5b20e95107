"""The process from which runners are made, with real processes: found by other owners, gone with the last of them.

Wine logs nobody on and keeps nobody from opening a process: what is looked at here is that the functions do what they
say to real processes and jobs; who may open what is the model's (``tests/windows/test_runner_parent.py``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners
from tests.windows.inside.cells import SECONDS, run
from tests.windows.inside.test_cells import alive, gone

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import credentials, runner, runner_owner, runner_parent
from sidewall.platforms.windows.constants_process import CREATE_NEW_CONSOLE, CREATE_SUSPENDED
from sidewall.platforms.windows.constants_security import DACL_SECURITY_INFORMATION
from sidewall.platforms.windows.errors import StatusError
from sidewall.platforms.windows.handles import ledger
from sidewall.platforms.windows.runner_guard import DRIVES, drives, guarded
from sidewall.platforms.windows.startup import Started, StartInfo, environment_block

KERNEL = runners.REAL.kernel32
ME = runners.user()
LINE = [sys.executable, "-X", "utf8", runner.__file__]
PATH = os.pathsep.join([runners.HERE, *sys.path])


def info(*words: str) -> StartInfo:
    return StartInfo(command_line=subprocess.list2cmdline([*LINE, *words]), application=sys.executable,
                     flags=CREATE_SUSPENDED | CREATE_NEW_CONSOLE, show=0,
                     environment=environment_block({**os.environ, "PYTHONPATH": PATH}))


class Logon:
    """A logon that gives what it starts no list."""

    def __init__(self) -> None:
        self.started: list[int] = []

    def __call__(self, *words: str) -> Started:
        made: Started = KERNEL.CreateProcessW(info(*words))
        self.started.append(made.process_id)
        return made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    before = dict(ledger.open)
    made = tmp_path / "home"
    os.makedirs(made / "AppData" / "Local")
    yield os.path.realpath(made)
    assert ledger.open == before


def taken(home: str, log_on: Logon, session: str = "S-1-5-5-0-1") -> runner_parent.Parent:
    return runner_parent.taken(runners.REAL, home, ME, ME, session, log_on)


def test_one_logon_serves_every_owner_and_nothing_outlives_the_last(home: str) -> None:
    log_on = Logon()
    first = taken(home, log_on)
    second = taken(home, log_on)
    assert len(log_on.started) == 1
    number, = log_on.started
    first.close()
    assert alive(number), "the other one has it"
    with pytest.raises(MachineError, match="another logon session") as caught:
        taken(home, log_on, "S-1-5-5-0-2")
    assert "close the other" in caught.value.hint and len(log_on.started) == 1
    second.close()
    assert gone(number)
    third = taken(home, log_on)
    assert len(log_on.started) == 2
    third.close()
    assert gone(log_on.started[-1])


def test_a_runner_that_is_made_from_it_is_closed_and_ends_with_it(home: str) -> None:
    parent = taken(home, Logon())
    made = parent.start(info("nothing"))
    for handle in (made.process, made.thread):
        found = SecurityDescriptor.from_bytes(runners.REAL.advapi32.GetKernelObjectSecurity(
            handle, DACL_SECURITY_INFORMATION))
        assert found.dacl is not None and found.dacl.aces == parse(guarded(ME)).dacl.aces  # type: ignore[union-attr]
    assert runners.REAL.ntdll.ParentProcessId(made.process) == runner_parent.read(
        runners.REAL, runner_parent.path_of(home + credentials.DIRECTORY, ME)).process  # type: ignore[union-attr]
    number = made.process_id
    made.close()
    parent.close()
    assert gone(number), "it never ran, and nobody had it in another job"


def test_it_closes_the_drive_letters_of_its_logon_session(home: str) -> None:
    """Wine has one such directory for everybody, keeps its list, and lets everybody in nevertheless."""
    parent = taken(home, Logon())
    with runners.REAL.ntdll.NtOpenDirectoryObject(DRIVES, 0x20000) as found:
        kept = SecurityDescriptor.from_bytes(runners.REAL.advapi32.GetKernelObjectSecurity(
            found, DACL_SECURITY_INFORMATION))
    parent.close()
    assert kept.dacl is not None and kept.dacl.aces == parse(drives(ME, ME)).dacl.aces  # type: ignore[union-attr]
    with pytest.raises(StatusError, match="NtOpenDirectoryObject failed: STATUS_OBJECT_NAME_NOT_FOUND") as caught:
        runners.REAL.ntdll.NtOpenDirectoryObject("\\no such directory", 1)
    assert "desired access 0x1" in caught.value.message


def test_a_cell_runs_commands_by_a_runner_of_it(home: str, tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    parent = taken(home, Logon())

    class Launcher(runners.Launcher):
        def launch(self, *words: str) -> Started:
            return parent.start(info(*words))

    cell = runners.opened(os.path.realpath(workspace), Launcher())
    assert run(cell, "cmd", "/c", "exit 5")[0].returncode == 5
    cell.close()
    parent.close()


OWNER = ("import sys; from tests.windows.inside import test_runner_parent as t;"
         "log_on = t.Logon(); made = t.taken(sys.argv[1], log_on);"
         "print(*log_on.started, 'end', flush=True); sys.stdin.read()")


def test_an_owner_that_is_killed_takes_it_along_unless_another_process_has_it(home: str) -> None:
    def owner() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", OWNER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env={**os.environ, "PYTHONPATH": PATH})

    owners = [owner()]
    try:
        number = int(_line(owners[0])[0])
        owners.append(owner())
        assert _line(owners[1]) == ["end"], "it logs nobody on"
        owners[0].kill()
        owners[0].wait(SECONDS)
        mine = taken(home, Logon())
        owners[1].kill()
        owners[1].wait(SECONDS)
        assert alive(number)
        with runner_parent.Kept(runners.REAL, home) as kept:
            assert not kept(KERNEL.GetCurrentProcess())
        mine.close()
        assert gone(number)
    finally:
        for each in owners:
            each.kill()
            each.communicate()


def test_when_it_was_ended_while_sandboxes_are_open_nobody_logs_on(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log_on = Logon()
    parent = taken(home, log_on)
    runner_owner.kill(runners.REAL, parent.start(info("nothing")))
    with KERNEL.OpenProcess(1, log_on.started[0]) as process:
        KERNEL.TerminateProcess(process, 1)
    assert gone(log_on.started[0])
    with monkeypatch.context() as short, pytest.raises(MachineError, match="has ended before its") as caught:
        short.setattr(runner_parent, "PATIENCE", 0.2)
        taken(home, log_on)
    assert caught.value.hint == runner_parent.CLOSE and len(log_on.started) == 1
    parent.close()
    taken(home, log_on).close()
    assert len(log_on.started) == 2


def _line(owner: subprocess.Popen[bytes]) -> list[str]:
    assert owner.stdout is not None
    return owner.stdout.readline().decode("ascii").split()
