"""Logging on an account on a Windows in memory: what a program starts with, and every way in which a logon is refused.

A wrong password counts towards a lock-out, so the number of tries is what is looked at most.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.windows.memory.desktops import STATION
from tests.windows.memory.people import lacking, refusing, set_up
from tests.windows.memory.windows import ANN, Windows

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import account_names
from sidewall.plan.windows_steps import Accounts
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import (
    credentials,
    logon,
    private_file,
    readiness,
    runner_pipe,
    runtime,
    runtime_files,
    runtime_removal,
    setup,
    turns,
)
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.constants_process import CREATE_SUSPENDED
from sidewall.platforms.windows.runtime_files import Contents
from sidewall.platforms.windows.startup import Started, environment_of

GROUP, OFFLINE, ONLINE = account_names(ANN)
STALE = 3600


@pytest.fixture(autouse=True)
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of Python without a Python."""
    module = tmp_path / "sidewall" / "module.py"
    module.parent.mkdir()
    module.write_text("VALUE = 1\n")
    made = Contents(files=tuple([runtime_files.File(name=name, data=name.encode() * 50)
                                 for name in ("modules.zip", "pythonw.exe", "runner.py")]),
                    origins=(str(module),), modules=("sidewall.module",))
    monkeypatch.setattr(runtime, "package", lambda: str(module.parent))
    monkeypatch.setattr(runtime_files, "here", lambda: None)
    monkeypatch.setattr(runtime_files, "gather", lambda python, package: made)


@pytest.fixture(scope="module")
def ready() -> Windows:
    made = Windows()
    set_up(made)
    made.logons.clear()
    return made


@pytest.fixture
def windows(ready: Windows) -> Iterator[Windows]:
    made = copy.deepcopy(ready)
    yield made
    assert all(set(one.wide[:]) == {"\0"} for one in made.secrets), "no password is left in memory"


def step(windows: Windows, name: str = OFFLINE) -> Accounts:
    return Accounts(group=GROUP, offline=OFFLINE, online=ONLINE, use=name, group_sid=windows.groups[GROUP][0],
                    use_sid=windows.accounts[name].sid, denied_rights=())


def launch(windows: Windows, accounts: Accounts | None = None) -> Started:
    machine = windows.machine()
    return logon.launcher(machine, machine.caller(), accounts or step(windows))(r"\\.\pipe\x", "77", ANN)


def refused(windows: Windows, accounts: Accounts | None = None) -> logon.LogonRefused:
    with pytest.raises(logon.LogonRefused) as caught:
        launch(windows, accounts)
    assert caught.value.hint
    password = windows.accounts[OFFLINE].password if OFFLINE in windows.accounts else "no such account"
    assert password not in str(caught.value)
    return caught.value


def test_what_a_program_starts_with(windows: Windows) -> None:
    started = launch(windows)
    first, info = windows.started
    assert first.security is None and first.attributes is None, "a logon takes neither"
    assert first.replace(command_line="") == info.replace(command_line="", attributes=None, security=None)
    assert first.command_line.endswith(f" {ANN} {says.STAYS}") and runner_pipe.PREFIX in first.command_line
    assert windows.secrets
    assert windows.processes[started.process_id] == windows.accounts[OFFLINE].sid
    assert info.flags & CREATE_SUSPENDED and info.show == 0
    told = environment_of(info.environment)
    assert set(told) == {"SystemRoot", "windir", "SystemDrive", "ComSpec", "PATH"}
    assert "ann" not in repr(told).lower()
    assert info.command_line.endswith(rf"\\.\pipe\x 77 {ANN}") and " -I " in info.command_line
    assert all(one.password not in info.command_line for one in windows.accounts.values())
    station, _, desktop = info.desktop.partition("\\")
    account = windows.accounts[OFFLINE].sid
    for place in (windows.stations[station], windows.desktops[desktop]):
        assert place.dacl is not None
        named = {str(ace.sid) for ace in place.dacl.aces}
        assert account in named and "S-1-1-0" not in named
    assert windows.keys[f"{readiness.PROFILES}\\{account}".upper()]["ProfileImagePath"], "with its profile"
    started.close()
    assert not windows.desktops and not windows.files[info.application.upper()].opens


def test_it_is_made_once_and_logged_on_each_time(windows: Windows) -> None:
    for _ in range(2):
        launch(windows).close()
    assert windows.logons == [OFFLINE, OFFLINE]
    assert len(runtime_removal.versions(windows.machine().api, r"C:\Users\ann")) == 1


def test_set_up_makes_it_and_says_so_once(windows: Windows) -> None:
    for number in range(2):
        outcome = setup.run(windows.machine(), refusing, setup.copy_python)
        assert outcome.state == setup.READY
        assert [line for line in outcome.done if "copy of Python" in line] == list(outcome.done)
        assert len(outcome.done) == (0 if number else 1)
    launch(windows).close()
    assert len(runtime_removal.versions(windows.machine().api, r"C:\Users\ann")) == 1


def test_a_station_of_another_tier_lets_the_account_in_besides(windows: Windows) -> None:
    logon_sid = "S-1-5-5-0-4711"
    windows.stations[STATION] = parse(f"D:P(A;;0xf033f;;;{ANN})(A;;0x2033f;;;{logon_sid})")
    launch(windows).close()
    dacl = windows.stations[STATION].dacl
    assert dacl is not None
    assert {str(ace.sid) for ace in dacl.aces} >= {logon_sid, str(windows.accounts[OFFLINE].sid)}


def test_a_session_without_windows(windows: Windows) -> None:
    windows.windows_there = False
    with pytest.raises(MachineError, match="desktop") as caught:
        launch(windows)
    assert "token" in caught.value.hint and windows.logons == []


def changed_password(windows: Windows) -> None:
    """So that nothing shows it: within the slack of the clock."""
    windows.accounts[OFFLINE].password = "Another!Password-1-Another!Password-2"


def locked(windows: Windows) -> None:
    """Between the look and the logon."""
    windows.logon_error = 1909


def unlike(code: int) -> object:
    def change(windows: Windows) -> None:
        windows.logon_error = code

    return change


@pytest.mark.parametrize(("change", "code", "words"), [
    (changed_password, 1326, "another one than the stored one"), (locked, 1909, "locked out"),
    (unlike(1330), 1330, "expired"), (unlike(1907), 1907, "must be changed"), (unlike(1331), 1331, "disabled"),
    (unlike(1793), 1793, "expired"), (unlike(1385), 1385, "policy"), (unlike(1327), 1327, "policy"),
    (unlike(1329), 1329, "policy"),
])
def test_a_refusal_counts_once_and_is_never_tried_again(windows: Windows, change: object, code: int,
                                                        words: str) -> None:
    change(windows)  # type: ignore[operator]
    first = refused(windows)
    assert (first.code, first.final) == (code, True) and words in str(first) and str(code) in str(first)
    assert windows.logons == [OFFLINE]
    windows.logon_error = 0
    for _ in range(5):
        again = refused(windows)
        assert again.code == 0 and again.final and "refused its last logon" in str(again) and str(code) in str(again)
    assert windows.logons == [OFFLINE], "one try, whatever the account would say now"
    assert any(str(code) in line for line in lacking(windows)), "every later look knows"
    machine = windows.machine()
    facts = readiness.gather(machine, machine.caller())
    assert facts.offline is not None and str(code) in facts.offline.refused
    assert facts.online is not None and facts.online.refused == "", "the other account is another matter"
    set_up(windows)
    assert lacking(windows) == ()
    launch(windows).close()


@pytest.mark.parametrize(("code", "words"), [
    (1058, "disabled"), (1062, "seclogon"), (1060, "seclogon"), (1450, "no room"), (8, "no room"), (1455, "no room"),
])
def test_a_service_that_does_not_serve_says_nothing_of_the_account(windows: Windows, code: int, words: str) -> None:
    windows.service_error = code
    first = refused(windows)
    assert (first.code, first.final) == (code, False) and words in str(first)
    assert lacking(windows) == ()
    windows.service_error = 0
    launch(windows).close()


def test_an_hour_at_which_the_account_may_not_log_on(windows: Windows) -> None:
    windows.logon_error = 1328
    first = refused(windows)
    assert not first.final and "hour" in first.hint
    windows.logon_error = 0
    launch(windows).close()


@pytest.mark.parametrize(("how", "words"), [
    ("locked", "locked out"), ("disabled", "disabled"), ("expired", "expired"), ("stale", "another password"),
    ("generation", "another password"), ("out of the group", "not in its group"), ("deleted", "deleted"),
    ("made anew", "made anew"), ("no file", "not known here"), ("broken key", "cannot be read"),
])
def test_what_can_be_known_is_not_tried(windows: Windows, how: str, words: str) -> None:
    account, accounts = windows.accounts[OFFLINE], step(windows)
    if how == "locked":
        account.flags |= constants.UF_LOCKOUT
    elif how == "disabled":
        account.flags |= constants.UF_ACCOUNTDISABLE
    elif how == "expired":
        account.expired = True
    elif how == "stale":
        windows.now += STALE
        account.changed = windows.now
    elif how == "generation":
        account.comment = account.comment.replace(" 1", " 9") if " 1" in account.comment else account.comment + "9"
    elif how == "out of the group":
        windows.groups[GROUP][2].remove(account.sid)
    elif how == "deleted":
        del windows.accounts[OFFLINE]
    elif how == "made anew":
        account.sid = Sid("S-1-5-21-1111-2222-3333-4444")
    elif how == "no file":
        private_file.remove(windows.machine().api, credentials.path_of(r"C:\Users\ann"))
    else:
        windows.broken.add(ANN)
    told = refused(windows, accounts)
    assert words in str(told) and told.final and told.code == 0
    assert windows.logons == []


@pytest.mark.parametrize("code", [1326, 1909])
def test_two_processes_with_the_same_wrong_password_make_one_try_of_it(windows: Windows, code: int,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has its turn; it is refused, and says so before it lets go."""
    changed_password(windows)
    other = windows.machine()
    caller = other.caller()
    turn = private_file.hold(other.api, caller.home + credentials.DIRECTORY, turns.NAME, caller.user, 1.0)
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        assert windows.logons == [] and not waited, "it waits, and is woken by the other's end"
        waited.append(seconds)
        stored = credentials.known(other, caller)[OFFLINE]
        assert isinstance(stored, credentials.Stored)
        credentials.note_refusal(other, caller, credentials.Refused(sid=stored.sid, generation=stored.generation,
                                                                    code=code, when=1))
        turn.close()

    monkeypatch.setattr(private_file.time, "sleep", meanwhile)
    told = refused(windows)
    assert waited and windows.logons == [] and told.code == 0 and str(code) in str(told)


def test_a_turn_that_never_ends_is_told(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = windows.machine()
    caller = machine.caller()
    clock = itertools.count(0.0, 30.0)
    monkeypatch.setattr(private_file.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(private_file.time, "monotonic", lambda: next(clock))
    with (private_file.hold(machine.api, caller.home + credentials.DIRECTORY, turns.NAME, caller.user, 1.0),
          pytest.raises(MachineError, match="held by another process") as caught):
        launch(windows)
    assert windows.logons == [] and caught.value.hint
    launch(windows).close()


def test_the_turn_is_one_of_the_files_that_uninstall_removes(windows: Windows) -> None:
    launch(windows).close()
    machine = windows.machine()
    files = credentials.files_of(machine, machine.caller().home)
    assert any(path.endswith(turns.NAME) for path in files)


def test_a_note_that_cannot_be_read_stops_every_logon(windows: Windows) -> None:
    changed_password(windows)
    refused(windows)
    path = rf"C:\Users\ann{credentials.DIRECTORY}\{credentials.REFUSED}".upper()
    for data in (b"", b"{}", b"[", b'{"refused": [{"sid": "x"}]}'):
        windows.files[path].data = data
        assert "refused" in str(refused(windows))
    assert windows.logons == [OFFLINE]
    set_up(windows)
    assert path not in windows.files
    launch(windows).close()


def test_a_home_whose_path_does_not_fit_on_the_command_line(windows: Windows) -> None:
    machine = windows.machine()
    caller = machine.caller()
    with pytest.raises(MachineError, match="too long"):
        logon.launcher(machine, caller, step(windows))("x" * 1000)
    assert windows.logons == []


def test_nothing_is_left_of_a_failure_at_any_call(windows: Windows) -> None:
    launch(windows).close()
    before = len(windows.calls)
    launch(windows).close()
    calls = len(windows.calls) - before
    for number in range(calls):
        windows.fail_at = len(windows.calls) + number
        tries = len(windows.logons)
        try:
            launch(windows).close()
        except MachineError:
            pass
        windows.fail_at = -1
        assert len(windows.logons) - tries <= 1
        assert not windows.desktops
        assert not any(file.opens for file in windows.files.values())


def test_no_password_is_in_what_goes_wrong(windows: Windows) -> None:
    secret = windows.accounts[OFFLINE].password
    windows.accounts[OFFLINE].password = "Some-Thing!Else-1-Some-Thing!Else-2"
    with pytest.raises(logon.LogonRefused) as caught:
        launch(windows)
    error: BaseException | None = caught.value
    looked = 0
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            if "sidewall/platforms" in trace.tb_frame.f_code.co_filename.replace("\\", "/"):
                looked += 1
                assert all(secret not in repr(value) for value in trace.tb_frame.f_locals.values())
            trace = trace.tb_next
        error = error.__cause__
    assert looked > 2
