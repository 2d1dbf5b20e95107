"""A second sandbox of an account opens while a hostile command of the first runs, on a Windows in memory.

After each call of the owner's, and after each step that a program takes by itself, the command tries to open every
process and thread of its account for anything but reading the list; the model of Windows' access check answers, in the
reading that is best for the attacker.  What no document says is tried both ways.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.windows.memory import processes
from tests.windows.memory.people import set_up
from tests.windows.memory.test_logon import copied, step
from tests.windows.memory.windows import ANN, BOB, GROUPS, Windows

from sidewall.errors import MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.mask import MAPPINGS, READ_CONTROL
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import SE_GROUP_LOGON_ID, Group, Token
from sidewall.plan.windows_sids import account_names
from sidewall.plan.windows_token import USUAL
from sidewall.platforms.windows import (
    credentials,
    logon,
    orphans,
    private_file,
    runner_guard,
    runner_owner,
    runner_parent,
    runtime_removal,
    status,
)
from sidewall.platforms.windows.handles import Borrowed
from sidewall.platforms.windows.layouts_process import JOBOBJECT_EXTENDED_LIMIT_INFORMATION
from sidewall.platforms.windows.startup import Started

GROUP, OFFLINE, ONLINE = account_names(ANN)
CAPABILITY = Sid("S-1-5-21-9-9-9-9999")
LOGON = Sid("S-1-5-5-0-4711")
BITS = [1 << bit for bit in range(21) if 1 << bit != READ_CONTROL]
HOME = r"C:\Users\ann"
NOTES = HOME + credentials.DIRECTORY

__all__ = ["copied"]


@pytest.fixture
def windows() -> Windows:
    made = Windows()
    set_up(made)
    made.logons.clear()
    return made


class Attacker:
    """A command of the account, made by a runner of its first cell: in that one's jobs."""

    def __init__(self, windows: Windows, runner: Started) -> None:
        self.windows = windows
        cell = windows.details[runner.process_id]
        user = cell.token.user
        groups = tuple([Group(sid=sid, attributes=USUAL) for sid in (*GROUPS, windows.groups[GROUP][0])])
        token = Token(user=user, groups=groups, write_restricted=True,
                      restricting=(CAPABILITY, user, known.RESTRICTED, known.ALIASES["WR"]))
        self.process = processes.Process(token, cell.default, cell.jobs, "command", cell.number)
        self.process.made = [("process", parse(
            f"O:{user}G:{user}D:(A;;0x1fffff;;;SY)(A;;0x1fffff;;;{user})(A;;RC;;;OW)"))]
        windows.details[self.process.number] = self.process
        windows.processes[self.process.number] = user
        self.opened: list[tuple[str, str, int]] = []
        self.looked = 0
        windows.happened = self.look

    def look(self, call: str) -> None:
        if self.process.number not in self.windows.details:
            return
        self.looked += 1
        for process in self.windows.details.values():
            if process is self.process:
                continue
            for kind, descriptor in (*process.made, ("directory_object", processes.drives(
                    self.windows, self.process.token.user))):
                bits = BITS if kind != "directory_object" else runner_guard.CHANGING
                if any(access_check(descriptor, self.process.token, bit, MAPPINGS[kind]).possible for bit in bits):
                    self.opened.append((call, kind, process.number))


@contextlib.contextmanager
def cell(windows: Windows, name: str = OFFLINE) -> Iterator[Started]:
    """A runner that is known for what it is, as every cell has one."""
    accounts = step(windows, name)
    api = windows.machine().api
    launched: list[Started] = []

    def launcher(*words: str) -> Started:
        machine = windows.machine()
        launched.append(logon.launcher(machine, machine.caller(), accounts)(*words))
        return launched[0]

    with api.kernel32.CreateJobObjectW() as job:
        api.kernel32.SetInformationJobObject(job, limits())
        runner = runner_owner.start(api, launcher, job, ANN, accounts.use_sid)
        try:
            yield launched[0]
        finally:
            runner.close()


def limits() -> JOBOBJECT_EXTENDED_LIMIT_INFORMATION:
    made = JOBOBJECT_EXTENDED_LIMIT_INFORMATION()
    made.BasicLimitInformation.LimitFlags = processes.KILL_ON_CLOSE
    return made


@pytest.mark.parametrize("token_is_open", [True, False])
def test_a_command_never_opens_anything_of_a_cell_that_opens_beside_its_own(windows: Windows, token_is_open: bool
                                                                           ) -> None:
    windows.token_is_open = token_is_open
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        with cell(windows) as second, cell(windows):
            assert windows.details[second.process_id].parent == windows.details[first.process_id].parent
        assert windows.logons == [OFFLINE]
        assert attacker.opened == [] and attacker.looked > 100
        # The other account is another matter: it has a process of its own, which the command cannot open either way.
        with cell(windows, ONLINE):
            assert windows.logons == [OFFLINE, ONLINE]
        assert attacker.opened == []
    assert windows.details == {} and windows.jobs == {}


def test_a_logon_while_it_runs_would_be_its_chance(windows: Windows) -> None:
    """So the attacker sees what there is to see."""
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        made = processes.logged_on(windows, windows.details[first.process_id].token, "another")
        attacker.look("a logon")
        assert {(kind, number) for _, kind, number in attacker.opened} == {("process", made.number),
                                                                          ("thread", made.number)}


def test_drive_letters_of_a_logon_are_anybodys_until_they_are_closed(windows: Windows) -> None:
    """A command that redirects one says which files the next runner loads."""
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        attacker.look("closed")
        assert attacker.opened == [] and not windows.details[first.process_id].redirectable
        before = windows.drives.pop(attacker.process.token.user)
        attacker.look("as a logon makes it")
        assert {kind for _, kind, _ in attacker.opened} == {"directory_object"}
        with cell(windows) as second:
            assert windows.details[second.process_id].redirectable, "a runner sees it, and says so"
        lookup = 0x3
        assert access_check(before, attacker.process.token, lookup, MAPPINGS["directory_object"]).certain


def test_a_windows_that_gives_each_process_the_list_of_a_logon_opens_the_loaders_threads(windows: Windows) -> None:
    """Which the runner finds, and says: ``Guard.opened``."""
    windows.inherits_default = windows.token_is_open = False
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        with cell(windows) as second:
            assert {(kind, number) for _, kind, number in attacker.opened} == {("thread", second.process_id)}
    assert {call for call, _, _ in attacker.opened} <= {"the loader", "SetTokenDefaultDacl inside",
                                                       "SetKernelObjectSecurity inside"}


def test_the_process_stays_as_long_as_any_cell_and_no_longer(windows: Windows) -> None:
    with contextlib.ExitStack() as second:
        with cell(windows) as first:
            parent = windows.details[first.process_id].parent
            second.enter_context(cell(windows))
        assert parent in windows.details and first.process_id not in windows.details
        with cell(windows) as third:
            assert windows.details[third.process_id].parent == parent
    assert parent not in windows.details and windows.jobs == {}
    with cell(windows):
        assert windows.logons == [OFFLINE, OFFLINE]


def test_an_owner_of_another_logon_session_is_refused_and_nobody_logs_on(windows: Windows,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    machine_of = windows.machine

    def elsewhere(user: Sid = ANN, **named: object) -> object:
        made = machine_of(user, **named)  # type: ignore[arg-type]
        person = made.api.advapi32._facade.person  # type: ignore[attr-defined]
        person.token = person.token.replace(groups=(*person.token.groups, Group(
            sid=LOGON, attributes=USUAL | SE_GROUP_LOGON_ID)))
        return made

    with cell(windows) as first:
        attacker = Attacker(windows, first)
        with monkeypatch.context() as other:
            other.setattr(windows, "machine", elsewhere)
            with pytest.raises(MachineError, match="another logon session") as caught, cell(windows):
                pass
        assert caught.value.hint == runner_parent.CLOSE
        assert windows.logons == [OFFLINE] and attacker.opened == []


def test_a_process_that_somebody_ended_is_not_replaced_while_commands_run(windows: Windows,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_parent, "PATIENCE", 0.0)
    monkeypatch.setattr(runner_parent, "PAUSE", 0.0)
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        processes.end(windows, windows.details[first.process_id].parent)
        with pytest.raises(MachineError, match="has ended before its sandboxes") as caught, cell(windows):
            pass
        assert caught.value.hint == runner_parent.CLOSE
        assert windows.logons == [OFFLINE] and attacker.opened == []
    with cell(windows):
        assert windows.logons == [OFFLINE, OFFLINE]


@pytest.mark.parametrize("change", ["number", "born", "open"])
def test_another_process_with_its_number_is_not_taken(windows: Windows, change: str, monkeypatch: pytest.MonkeyPatch
                                                      ) -> None:
    """One that a command started, say: of the same job, and with whatever list it likes."""
    monkeypatch.setattr(runner_parent, "PATIENCE", 0.0)
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        path = runner_parent.path_of(NOTES, windows.accounts[OFFLINE].sid)
        api = windows.machine().api
        note = runner_parent.read(api, path)
        assert note is not None
        number = attacker.process.number
        told = {"number": note.replace(process=number), "born": note.replace(born=note.born + 1),
                "open": note.replace(process=number, born=number)}[change]
        if change == "open":  # for it the list alone decides
            attacker.process.made[0] = ("process", processes.logged_on(
                windows, attacker.process.token, "x").made[0][1].replace(owner=ANN, group=ANN))
        runner_parent.write(api, NOTES, ANN, windows.accounts[OFFLINE].sid, told)
        with pytest.raises(MachineError), cell(windows):
            pass
        assert windows.logons == [OFFLINE]


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b'{"job": 1, "process": 2, "born": 3, "session": ""}',
                                  b'{"job": "Global\\\\other", "process": 2, "born": 3, "session": ""}'])
def test_a_note_that_cannot_be_read_stops_every_logon(windows: Windows, data: bytes) -> None:
    with cell(windows):
        path = runner_parent.path_of(NOTES, windows.accounts[OFFLINE].sid).upper()
        windows.files[path].data = data
        with pytest.raises(MachineError, match="cannot be read") as caught, cell(windows):
            pass
        assert "remove that file" in caught.value.hint and windows.logons == [OFFLINE]
        with runner_parent.Kept(windows.machine().api, HOME) as kept:
            assert kept(Borrowed(1, "any process")), "and keeps every process from being ended"


def test_its_note_and_its_job_are_for_the_user_alone(windows: Windows) -> None:
    with cell(windows) as first:
        attacker = Attacker(windows, first)
        sid = windows.accounts[OFFLINE].sid
        note = windows.files[runner_parent.path_of(NOTES, sid).upper()]
        for token in (attacker.process.token, windows.details[windows.details[first.process_id].parent].token,
                      windows.machine(BOB).api.kernel32._facade.person.token):  # type: ignore[attr-defined]
            assert not any(access_check(note.descriptor, token, bit, MAPPINGS["file"]).possible for bit in BITS)


def test_what_is_looked_for_as_left_behind_is_not_what_a_cell_has(windows: Windows) -> None:
    """Its starter may be gone: the next owner has it."""
    with contextlib.ExitStack() as second:
        with cell(windows) as first:
            parent = windows.details[first.process_id].parent
            runner = second.enter_context(cell(windows)).process_id
        copies = [path for path in windows.files if path.endswith("PYTHONW.EXE")]
        windows.left = {parent: copies[0], runner: copies[0]}
        assert not any(one.kind == "process" for one in status.look(windows.machine()).traces)
        api = windows.machine().api
        with runner_parent.Kept(api, HOME) as kept:
            assert orphans.find(api, HOME + orphans.PLACE, kept) == ()
        assert orphans.find(api, HOME + orphans.PLACE, lambda process: False) == (parent,)
        done, _ = runtime_removal.uninstall(api, HOME)
        assert not any("ended" in line for line in done) and {parent, runner} <= windows.details.keys()


def test_what_an_owner_left_who_was_killed_while_he_logged_on_is_ended_before_the_next_logon(windows: Windows) -> None:
    """A process with the account's whole token, whose first thread may still be open to the account."""
    with cell(windows):
        pass
    account, = [one for name, one in windows.accounts.items() if name == OFFLINE]
    left = processes.logged_on(windows, Token(user=account.sid, groups=()), "left")
    windows.left[left.number] = next(path for path in windows.files if path.endswith("PYTHONW.EXE"))
    order: list[str] = []
    windows.ended = lambda number: order.append("ended" if number == left.number else "other")
    windows.happened = lambda call: order.append(call) if call == "CreateProcessWithLogonW" else None
    with cell(windows):
        assert order[:2] == ["ended", "CreateProcessWithLogonW"]


def test_its_note_is_one_of_the_files_that_uninstall_removes(windows: Windows) -> None:
    with cell(windows):
        machine = windows.machine()
        path = runner_parent.path_of(NOTES, windows.accounts[OFFLINE].sid)
        assert path.lower() in [one.lower() for one in credentials.files_of(machine, HOME)]
        assert private_file.read(machine.api, path)
