"""The start of a runner, call by call: what a command of another cell of its account could open, and when.

Its process and first thread have their list from the first moment.  Everything else that the start makes has the list
that the system gives it, by the account's default list of that moment; every opening is asked of the model of Windows'
access check.  Two answers stand in no document, and both are tried of each: whether the account's token lets the owner
change that default list, and whether the runner starts with its parent's, which is closed, or with that of a logon.
"""

from __future__ import annotations

import _thread
import os
from types import SimpleNamespace
from typing import Any

import pytest
from tests.plan.windows import machines
from tests.windows.test_runner_guard import BITS, COMMAND, RECIPE, RUNNER, USER

from sidewall.errors import MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, READ_CONTROL, map_generic
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_token import USUAL
from sidewall.platforms.windows import runner_guard, runner_owner, runner_pipe, tokens
from sidewall.platforms.windows.constants_process import WAIT_OBJECT_0
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.prototypes import STATUS, WIN32
from sidewall.platforms.windows.startup import Started

ACCOUNT, LOGON = RECIPE.user, machines.LOGON
OWNER = Token(user=USER, groups=tuple([Group(sid=sid, attributes=USUAL)
                                       for sid in (known.USERS, known.EVERYONE, LOGON)]))
OF_A_LOGON = f"D:(A;;GA;;;{ACCOUNT})(A;;GA;;;SY)(A;;GXGR;;;{LOGON})"
"""What the system puts into the token of an interactive logon."""
TOKENS = {"closed": f"D:(A;;0xf01ff;;;{ACCOUNT})(A;;0xf01ff;;;SY)(A;;0x20008;;;BA)", "for-the-session": OF_A_LOGON,
          "open": f"D:(A;;0xf01ff;;;{ACCOUNT})(A;;0xf01ff;;;SY)(A;;0xf01ff;;;{USER})"}
"""Lists that the token itself may have."""
FIRST = 5_000_000
"""The number of the first thread; those of the loader follow."""


def made(kind: str, dacl: Acl) -> tuple[str, SecurityDescriptor]:
    """An object of the account's without a list of its own."""
    aces = tuple([ace.replace(mask=map_generic(ace.mask, MAPPINGS[kind])) for ace in dacl.aces])
    return kind, SecurityDescriptor(owner=ACCOUNT, group=ACCOUNT, dacl=Acl(aces=aces))


def default(sddl: str) -> Acl:
    dacl = parse(sddl).dacl
    assert dacl is not None
    return dacl


class Machine:
    """A logon, and who acts: the owner, or the runner itself."""

    def __init__(self, token: str, loader: int = 2, *, inherits: bool = True) -> None:
        self.default = default(runner_guard.default_for(USER) if inherits else OF_A_LOGON)
        closed = parse(runner_guard.guarded(USER)).replace(owner=USER, group=USER)
        self.objects = {1: ("process", closed), FIRST: ("thread", closed)}
        self.token = parse(f"O:{ACCOUNT}G:{ACCOUNT}{token}")
        self.loader = loader
        self.ended = False
        self.opened = -1
        """How many open threads the runner found."""
        self.could: list[tuple[str, frozenset[int]]] = []
        """After each call of the owner's: what a command could open for more than reading the list."""

    def as_owner(self) -> Any:
        return Api(self, OWNER)

    def as_runner(self) -> Any:
        return Api(self, RUNNER)

    def open(self) -> frozenset[int]:
        return frozenset([number for number, (kind, descriptor) in self.objects.items()
                          if any(access_check(descriptor, COMMAND, bit, MAPPINGS[kind]).possible
                                 for bit in BITS if bit != READ_CONTROL)])


class Api:
    """The calls that a start makes, of one side."""

    def __init__(self, machine: Machine, actor: Token) -> None:
        self.machine, self.actor = machine, actor
        self.kernel32 = self.advapi32 = self.ntdll = self

    def _handle(self, number: int, what: str) -> Handle:
        return Handle(number, lambda value: None, what)

    def _ask(self, call: str, descriptor: SecurityDescriptor, access: int, kind: str) -> None:
        if not access_check(descriptor, self.actor, access, MAPPINGS[kind]).certain:
            raise failure(call, WIN32, runner_guard.DENIED)

    def _done(self, call: str) -> None:
        if self.actor is OWNER:
            self.machine.could.append((call, self.machine.open()))

    def NtOpenDirectoryObject(self, name: str, access: int) -> Handle:
        raise failure("NtOpenDirectoryObject", STATUS, runner_guard.ACCESS_DENIED)

    def GetCurrentProcess(self) -> Handle:
        return Borrowed(1, "this process")

    def OpenProcessToken(self, process: Handle, access: int) -> Handle:
        self._ask("OpenProcessToken", self.machine.token, access, "token")
        return self._handle(2, "the account's token")

    def SetTokenDefaultDacl(self, token: Handle, dacl: bytes) -> None:
        self.machine.default = Acl.from_bytes(dacl)
        self._done("SetTokenDefaultDacl")

    def GetKernelObjectSecurity(self, handle: Handle, what: int) -> bytes:
        self._done("GetKernelObjectSecurity")
        return SecurityDescriptor(dacl=self.machine.objects[handle.value][1].dacl).to_bytes()

    def SetKernelObjectSecurity(self, handle: Handle, what: int, descriptor: bytes) -> None:
        kind, before = self.machine.objects[handle.value]
        self.machine.objects[handle.value] = kind, before.replace(dacl=SecurityDescriptor.from_bytes(descriptor).dacl)
        self._done("SetKernelObjectSecurity")

    def AssignProcessToJobObject(self, job: Handle, process: Handle) -> None:
        self._done("AssignProcessToJobObject")

    def ResumeThread(self, thread: Handle) -> None:
        """The loader makes threads, long before the program's first line."""
        for number in range(self.machine.loader):
            self.machine.objects[FIRST + 1 + number] = made("thread", self.machine.default)
        self._done("ResumeThread")

    def Threads(self, process_id: int) -> tuple[int, ...]:
        assert process_id == os.getpid()
        return (_thread.get_native_id(), *[number for number in self.machine.objects if number > FIRST])

    def OpenThread(self, access: int, number: int) -> Handle:
        self._ask("OpenThread", self.machine.objects[number][1], access, "thread")
        return self._handle(number, f"thread {number}")

    def WaitForSingleObject(self, handle: Handle, milliseconds: int) -> int:
        return WAIT_OBJECT_0 if self.machine.ended else 0x102

    def TerminateProcess(self, process: Handle, code: int) -> None:
        self.machine.ended = True


class Stop(MachineError):
    """All that is looked at here has happened."""


def started(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> frozenset[int]:
    """Starts a runner up to its guard; what a command could open then."""
    api = machine.as_owner()
    found: list[frozenset[int]] = []
    assert machine.open() == frozenset(), "so its parent has it made"

    def launch(*words: str) -> Started:
        return Started(process=api._handle(1, "the runner"), thread=api._handle(FIRST, "its first thread"),
                       process_id=4242, thread_id=FIRST)

    def first_lines(*_: object) -> int:
        guard = runner_guard.Guard(machine.as_runner(), USER)
        guard.close()
        machine.opened = guard.opened
        found.append(machine.open())
        raise Stop("enough")

    monkeypatch.setattr(runner_pipe, "make", lambda *given: api._handle(3, "the pipe"))
    monkeypatch.setattr(runner_pipe, "accept", first_lines)
    monkeypatch.setattr(tokens, "read", lambda *given: SimpleNamespace(dacl=machine.default))
    with api._handle(4, "the job") as job, pytest.raises(Stop):
        runner_owner.start(api, launch, job, USER, Sid(ACCOUNT))
    assert machine.ended
    return found[0]


@pytest.mark.parametrize("inherits", [True, False])
@pytest.mark.parametrize("token", sorted(TOKENS))
def test_at_its_first_line_nothing_of_a_runner_is_open_to_commands(token: str, inherits: bool,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(TOKENS[token], inherits=inherits)
    assert started(machine, monkeypatch) == frozenset()


@pytest.mark.parametrize("token", sorted(TOKENS))
def test_nothing_is_open_until_then(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(TOKENS[token])
    started(machine, monkeypatch)
    calls = [call for call, _ in machine.could]
    assert calls[:2] == ["GetKernelObjectSecurity"] * 2, "looked at before anything else is done"
    assert calls[-2:] == ["AssignProcessToJobObject", "ResumeThread"]
    assert all(could == frozenset() for _, could in machine.could)
    assert machine.opened == 0


@pytest.mark.parametrize("token", sorted(TOKENS))
def test_a_windows_that_gives_it_the_list_of_a_logon_is_found_out(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the runner, which says so: then what the plan promises is refused."""
    machine = Machine(TOKENS[token], inherits=False)
    started(machine, monkeypatch)
    loader = frozenset() if token == "open" else frozenset((FIRST + 1, FIRST + 2))
    assert machine.could[-1] == ("ResumeThread", loader)
    assert ("SetTokenDefaultDacl" in [call for call, _ in machine.could]) == (token == "open")
    assert machine.opened == len(loader)


def test_a_process_that_keeps_the_list_of_its_logon_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(TOKENS["closed"])
    machine.objects[1] = made("process", default(OF_A_LOGON))
    assert machine.open() == {1}, "so a logon leaves it"
    monkeypatch.setattr(Api, "ResumeThread", lambda *given: pytest.fail("it ran"))
    monkeypatch.setattr(runner_pipe, "make", lambda *given: machine.as_owner()._handle(3, "the pipe"))
    api = machine.as_owner()
    with api._handle(4, "the job") as job, pytest.raises(MachineError, match="could take it over"):
        runner_owner.start(api, lambda *words: Started(
            process=api._handle(1, "the runner"), thread=api._handle(FIRST, "its first thread"), process_id=4242,
            thread_id=FIRST), job, USER, Sid(ACCOUNT))
    assert machine.ended
