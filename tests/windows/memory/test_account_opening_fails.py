"""A cell of the account tier opened on a Windows in memory, each call of the owner's made to fail once.

The runner's side of the conversation is played: it answers each frame as the protocol says, and every program that it
would start is refused what it tries.  Everything else is as in ``test_openings_fail``: an error of ours, nothing left.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
from tests.windows.memory import cells
from tests.windows.memory.filters import Filters
from tests.windows.memory.players import Pending, Player
from tests.windows.memory.security import Userenv
from tests.windows.memory.test_failures import chosen
from tests.windows.memory.test_openings_fail import HOME, Scene, attempt, plan, said_well
from tests.windows.memory.windows import Person, Watched

from sidewall.errors import GuaranteeError
from sidewall.nt import wellknown as known
from sidewall.nt.sddl import parse
from sidewall.nt.token import Token
from sidewall.plan.windows_steps import Accounts, Environment, Job, NetworkFilters, TokenRecipe
from sidewall.plan.windows_unenforced import RUNNER
from sidewall.platforms.windows import backend, filtering_values, runner_hands, store_win32, wfp
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.account_opening import AccountOpening
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.opening import step
from sidewall.platforms.windows.prototypes import LAST
from sidewall.platforms.windows.runner_guard import guarded
from sidewall.platforms.windows.runner_parts import Parts
from sidewall.platforms.windows.startup import Started, StartInfo


class Owner(cells.Programs):
    """kernel32 for the owner of a runner."""

    player: Player
    program: cells.Program

    def CreateProcessW(self, info: StartInfo) -> Started:
        """As ``runner_parent`` has it made: closed from the first moment."""
        self.program.list = parse(guarded(self.state.own.user)).to_bytes()
        self.state.programs.append(self.program)
        return Started(process=cells._handle(self.program, "the runner"),
                       thread=cells._handle(self.program, "its thread"), process_id=5000, thread_id=5001)

    def CreateNamedPipeW(self, name: str, open_mode: int, pipe_mode: int, **_: Any) -> Handle:
        return self.handle("the pipe")

    def StartConnect(self, pipe: Handle) -> Pending:
        return Pending()

    def GetNamedPipeClientProcessId(self, pipe: Handle) -> int:
        return 5000

    def GetCurrentThread(self) -> Handle:
        return Borrowed(-2, "this thread")

    def CreateEventW(self) -> Handle:
        return self.handle("an event")

    def StartWrite(self, handle: Handle, data: bytes, *, event: Handle) -> Pending:
        self.player.told(data)
        return Pending(len(data))

    def StartRead(self, handle: Handle, size: int, *, event: Handle) -> Pending:
        return Pending(player=self.player)

    def AssignProcessToJobObject(self, job: Any, process: Any) -> None:
        process.thing.jobs = (job.thing,)

    def ResumeThread(self, thread: Any) -> None:
        return

    def _end(self, job: Any) -> None:
        super()._end(job)
        self._over()

    def TerminateProcess(self, process: Any, code: int) -> None:
        super().TerminateProcess(process, code)
        self._over()

    def _over(self) -> None:
        with self.player.changed:
            self.player.running = self.program.running
            self.player.changed.notify_all()

    def EnumProcesses(self) -> tuple[int, ...]:
        return ()

    def StartReadChanges(self, *_: object) -> Any:
        raise failure("ReadDirectoryChangesW", LAST, 50)


class Logon(cells.Tokens):
    """advapi32 for the owner of a runner; ``acting`` while it acts as somebody else."""

    acting = False

    def SetKernelObjectSecurity(self, handle: Any, what: int, descriptor: bytes) -> None:
        handle.thing.list = descriptor

    def GetKernelObjectSecurity(self, handle: Any, what: int) -> bytes:
        found: bytes = handle.thing.list
        return found

    def ImpersonateNamedPipeClient(self, pipe: Handle) -> None:
        self.acting = True

    def RevertToSelf(self) -> None:
        self.acting = False

    def OpenThreadToken(self, thread: Handle, access: int) -> Handle:
        return cells._handle([Token(user=step_of().use_sid, groups=())], "the client's token")


def step_of() -> Accounts:
    found = step(plan("account"), Accounts)
    assert found is not None
    return found


class AccountScene(Scene):
    """A set-up machine and one runner."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("token", monkeypatch)
        self.plan = plan("account")
        self.state.pid = os.getpid()
        filters = step(self.plan, NetworkFilters)
        assert filters is not None
        for one in filters.filters:
            made = filtering_values.build_filter(wfp.lowered(self.state.own.user, one))
            kept = filtering_values.read_filter(made.structure)
            self.windows.objects[kept.key] = (kept, parse("D:(A;;FA;;;WD)"))
        monkeypatch.setattr(store_win32, "Win32Store", lambda api: self.process.store)
        self.player = Player(str(step_of().use_sid))
        self.program = cells.Program(Token(user=known.EVERYONE, groups=()), StartInfo(command_line="runner"), ())
        person = Person(self.state.own.user, HOME)
        person.token = self.state.own
        self.api = self.state.api(HOME)
        owner, self.logon = Owner(self.state, person), Logon(self.state, person)
        owner.player, owner.program = self.player, self.program
        self.api.kernel32 = self.api.ntdll = Watched(owner, self.windows)
        self.api.advapi32 = Watched(self.logon, self.windows)
        self.api.fwpuclnt = Watched(Filters(self.windows, person), self.windows)

    def open_account(self) -> AccountCell:
        def launch(*words: str) -> Started:
            made: Started = self.api.kernel32.CreateProcessW(self.program.info)
            return made

        opening = AccountOpening(self.api, self.plan, lambda accounts: launch)
        return backend._opened(opening, lambda: self.process.lists)

    def picture(self) -> dict[str, Any]:
        """Directories of the state stay: the next cell has its notes there."""
        found = super().picture()
        base = f"{HOME}\\AppData\\Local\\sidewall".upper()
        found["files"] = {path: one for path, one in found["files"].items()
                          if one[1] is not None or not path.startswith(base)}
        return {**found, "acting": self.logon.acting}


def test_an_opening_of_which_a_call_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = AccountScene(monkeypatch)
    before = scene.picture()
    cell = scene.open_account()
    calls = list(scene.windows.calls)
    opened = len(calls) - calls[::-1].index("StartWrite")  # what is said last; then a thread listens
    assert scene.picture() != before
    cell.close()
    assert cell.last_held == () and scene.picture() == before
    failed = 0
    for number in [one for one in chosen(calls[:opened]) if one < opened]:
        scene = AccountScene(monkeypatch)
        before = scene.picture()
        scene.windows.fail_at = number
        where = f"call {number} ({calls[number]})"
        made, error = attempt(scene.open_account)
        if error is not None:
            failed += 1
            assert said_well(error, calls[number]), (where, error.message, error.hint)
        else:
            assert made is not None
            made.close()
        after = scene.picture()
        assert after == before, (where, {key for key in before if before[key] != after[key]})
    assert failed > 50
    assert {"FwpmFilterGetByKey0", "CreateProcessW", "GetKernelObjectSecurity", "AssignProcessToJobObject",
            "ImpersonateNamedPipeClient", "StartWrite", "StartRead", "MoveFileExW"} <= set(calls)


@pytest.mark.parametrize("call", ["TerminateJobObject", "WaitForSingleObject", "QueryInformationJobObject"])
def test_a_close_of_which_a_call_fails_undoes_the_rest(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = AccountScene(monkeypatch)
    before = scene.picture()
    cell = scene.open_account()
    real, failures = getattr(Owner, call), list[str]()

    def fails(self: Owner, *given: Any) -> Any:
        if not failures:
            failures.append(call)
            raise failure(call, LAST, 1450)
        return real(self, *given)

    monkeypatch.setattr(Owner, call, fails)
    _, error = attempt(cell.close)
    assert error is None or said_well(error, call)
    assert scene.picture() == before
    assert failures


def test_a_runner_that_found_its_threads_open_opens_no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = AccountScene(monkeypatch)
    before = scene.picture()
    scene.player.missing = [[RUNNER, "its threads were open"]]
    with pytest.raises(GuaranteeError, match="its threads were open") as caught:
        scene.open_account()
    assert {"write-outside", "privileges"} <= set(caught.value.guarantees)
    assert scene.picture() == before


@pytest.mark.parametrize(("opened", "redirectable"), [(0, False), (2, False), (0, True)])
def test_a_runner_says_what_it_found(opened: int, redirectable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = AccountScene(monkeypatch)
    recipe, job = step(scene.plan, TokenRecipe), step(scene.plan, Job)
    variables = step(scene.plan, Environment)
    assert recipe is not None and job is not None and variables is not None
    api: Any = cells.machine(recipe, HOME).api(HOME)
    monkeypatch.setattr(Userenv, "CreateEnvironmentBlock", lambda *given: {}, raising=False)
    guard: Any = SimpleNamespace(opened=opened, redirectable=redirectable)
    hands = runner_hands.WindowsHands(api, guard)
    found = hands.prepare(Parts(recipe=recipe, job=job, desktop=None, environment=variables))
    hands.close()
    assert [one.facility for one in found] == [RUNNER] * bool(opened or redirectable)
