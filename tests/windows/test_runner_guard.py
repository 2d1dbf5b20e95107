"""Who may do what to a runner, its pipe and its commands, asked of the model of Windows' access check.

A command is of the runner's own account, which is one of its restricting SIDs: that these objects belong to the account
must help it to nothing.
"""

from __future__ import annotations

import _thread
from types import SimpleNamespace
from typing import Any

import pytest
from tests.plan.windows import machines

from sidewall.errors import MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, READ_CONTROL
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_steps import ACCOUNT, Accounts, TokenRecipe
from sidewall.plan.windows_token import USUAL, result
from sidewall.platforms.windows import runner_guard, runner_pipe, selftest, tokens
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import STATUS, WIN32

PLAN = machines.compiled(tier=ACCOUNT)
RECIPE: TokenRecipe = machines.of(PLAN, TokenRecipe)[0]
ACCOUNTS: Accounts = machines.of(PLAN, Accounts)[0]
USER = next(one.owner for one in PLAN.steps if hasattr(one, "owner"))
COMMAND = result(RECIPE)
RUNNER = Token(user=RECIPE.user, groups=COMMAND.groups, privileges=frozenset(RECIPE.privileges))
OWNER = Token(user=USER, groups=(Group(sid=known.USERS, attributes=USUAL), Group(sid=known.EVERYONE, attributes=USUAL)))
OTHER = OWNER.replace(user=Sid("S-1-5-21-4-4-4-1044"))
BITS = [1 << bit for bit in range(21) if 0x1FFFFF & 1 << bit]


def owned(sddl: str, owner: Sid) -> SecurityDescriptor:
    return parse(f"O:{owner}G:{owner}{sddl}")


def allowed(token: Token, descriptor: SecurityDescriptor, kind: str) -> int:
    """Every right that some reading of the rules may grant."""
    return sum(bit for bit in BITS if access_check(descriptor, token, bit, MAPPINGS[kind]).possible)


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_a_command_may_read_the_descriptor_of_its_runner_and_no_more(kind: str) -> None:
    guarded = owned(runner_guard.guarded(USER), RECIPE.user)
    assert allowed(COMMAND, guarded, kind) == READ_CONTROL
    assert allowed(RUNNER, guarded, kind) == READ_CONTROL
    assert allowed(OTHER, guarded, kind) == 0
    assert allowed(OWNER, guarded, kind) == 0x1FFFFF


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_without_that_list_a_command_could_take_its_runner_over(kind: str) -> None:
    usual = owned(f"D:(A;;GA;;;{RECIPE.user})(A;;GA;;;SY)", RECIPE.user)
    assert allowed(COMMAND, usual, kind) == 0x1FFFFF
    # Without the entry for OWNER RIGHTS the account could give itself the rest.
    unowned = owned(runner_guard.guarded(USER).replace("(A;;RC;;;OW)", ""), RECIPE.user)
    assert allowed(COMMAND, unowned, kind) & 0x40000


@pytest.mark.parametrize("kind", ["process", "thread", "job", "event", "token"])
def test_what_a_runner_makes_is_closed_to_commands(kind: str) -> None:
    made = owned(runner_guard.default_for(USER), RECIPE.user)
    assert allowed(COMMAND, made, kind) == READ_CONTROL
    assert access_check(made, OWNER, MAPPINGS[kind].all, MAPPINGS[kind]).certain


@pytest.mark.parametrize("kind", ["process", "thread", "token"])
def test_a_command_opens_what_it_starts_with(kind: str) -> None:
    """With the runner's own list for new objects it could not open its own token, which most programs do."""
    own = owned(RECIPE.default_dacl, RECIPE.user)
    assert access_check(own, COMMAND, MAPPINGS[kind].all, MAPPINGS[kind]).certain
    closed = owned(runner_guard.default_for(USER), RECIPE.user)
    assert not access_check(closed, COMMAND, 0x8, MAPPINGS["token"]).possible


def test_the_pipe_is_for_the_owner_and_the_account() -> None:
    pipe = parse(runner_pipe.sddl(USER, RECIPE.user)).replace(group=USER)
    another_instance = 0x4
    assert access_check(pipe, RUNNER, runner_pipe.TALK, MAPPINGS["pipe"]).certain
    assert not access_check(pipe, RUNNER, another_instance, MAPPINGS["pipe"]).possible
    assert not access_check(pipe, RUNNER, 0x40000, MAPPINGS["pipe"]).possible
    assert allowed(OTHER, pipe, "pipe") == 0
    far = OWNER.replace(groups=(*OWNER.groups, Group(sid=known.ALIASES["NU"], attributes=USUAL)))
    assert not access_check(pipe, far, 0x1, MAPPINGS["pipe"]).possible
    assert access_check(pipe, OWNER, MAPPINGS["pipe"].all, MAPPINGS["pipe"]).certain


def test_a_kernel_without_restricting_sids_is_found_out_in_this_tier_too() -> None:
    """Though the account is one of them, so that what only the account is granted shows nothing."""
    without = COMMAND.replace(restricting=None, write_restricted=False)

    def found(token: Token) -> set[str]:
        return {case.facility for case in selftest.cases(RECIPE)
                if access_check(parse(case.sddl), token, case.mask, MAPPINGS["file"]).granted
                and not access_check(parse(case.sddl), COMMAND, case.mask, MAPPINGS["file"]).certain}

    assert "restricting" in found(without)
    assert found(COMMAND) == set()
    assert ACCOUNTS.group_sid in {sid for sid, _ in RECIPE.groups}


class Threads:
    """A process of the account whose threads were born before its first line, with these lists; every opening is asked
    of the model."""

    def __init__(self, *lists: str, keeps: bool = False, owner: Sid = RECIPE.user) -> None:
        own = _thread.get_native_id()
        self.lists = {own + 1 + number: owned(sddl, owner) for number, sddl in enumerate(lists)}
        self.keeps = keeps

    def Threads(self, process_id: int) -> tuple[int, ...]:
        return (_thread.get_native_id(), *self.lists, 999_999_999)

    def OpenThread(self, access: int, number: int) -> Handle:
        target = str(number)
        if number not in self.lists:
            raise failure("OpenThread", WIN32, runner_guard.NO_SUCH_THREAD, target=target)
        if not access_check(self.lists[number], RUNNER, access, MAPPINGS["thread"]).certain:
            raise failure("OpenThread", WIN32, runner_guard.DENIED, target=target)
        return Handle(number, lambda value: None, f"thread {number}")

    def GetKernelObjectSecurity(self, thread: Handle, which: int) -> bytes:
        return SecurityDescriptor(dacl=self.lists[thread.value].dacl).to_bytes()

    def SetKernelObjectSecurity(self, thread: Handle, which: int, data: bytes) -> None:
        if not self.keeps:
            self.lists[thread.value] = self.lists[thread.value].replace(dacl=SecurityDescriptor.from_bytes(data).dacl)


class Standing:
    """The same process's token, which takes what it is given."""

    def __init__(self, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel32, self.advapi32, self.ntdll = threads, self, self
        self.drives = owned(runner_guard.drives(USER, RECIPE.user), RECIPE.user)
        self.given = Acl()
        self.GetKernelObjectSecurity = threads.GetKernelObjectSecurity
        self.SetKernelObjectSecurity = threads.SetKernelObjectSecurity
        monkeypatch.setattr(tokens, "own", lambda api: Handle(7, lambda value: None, "a token"))
        monkeypatch.setattr(tokens, "read", lambda api, token: SimpleNamespace(dacl=self.given))

    def NtOpenDirectoryObject(self, name: str, access: int) -> Handle:
        if not access_check(self.drives, RUNNER, access, MAPPINGS["directory_object"]).certain:
            raise failure("NtOpenDirectoryObject", STATUS, runner_guard.ACCESS_DENIED)
        return Handle(8, lambda value: None, name)

    def SetTokenDefaultDacl(self, token: Handle, data: bytes) -> None:
        self.given = Acl.from_bytes(data)


BORN_OPEN = f"D:(A;;0x1fffff;;;{RECIPE.user})(A;;0x1fffff;;;SY)"
BORN_CLOSED = f"D:(A;;0x1fffff;;;SY)(A;;0x1fffff;;;{USER})(A;;RC;;;OW)"


def test_threads_that_were_born_before_the_first_line_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were born closed keep the runner itself out, too: that is no fault."""
    threads = Threads(BORN_OPEN, BORN_CLOSED)
    there: Any = Standing(threads, monkeypatch)
    guard = runner_guard.Guard(there, USER)
    guard.close()
    assert [allowed(COMMAND, one, "thread") for one in threads.lists.values()] == [READ_CONTROL] * 2
    assert guard.opened == 1, "it says so"


@pytest.mark.parametrize("sddl", ["D:(A;;RC;;;OW)", "D:(A;;0x1fffff;;;SY)(A;;0x121848;;;BA)(A;;RC;;;OW)"])
@pytest.mark.parametrize("owner", [RECIPE.user, known.SYSTEM])
def test_a_thread_that_somebody_else_made_is_no_fault(monkeypatch: pytest.MonkeyPatch, owner: Sid, sddl: str) -> None:
    """A virus scanner's: its list cannot be read then, and need not be."""
    threads = Threads(BORN_CLOSED, sddl, owner=owner)
    there: Any = Standing(threads, monkeypatch)
    guard = runner_guard.Guard(there, USER)
    guard.close()
    assert guard.opened == 0
    assert all(allowed(COMMAND, one, "thread") & ~READ_CONTROL == 0 for one in threads.lists.values())


@pytest.mark.parametrize("right", runner_guard.RIGHTS)
@pytest.mark.parametrize("whom", [str(RECIPE.user), "OW", str(ACCOUNTS.group_sid), "WD"])
def test_a_thread_that_is_open_and_cannot_be_closed_stops_it(monkeypatch: pytest.MonkeyPatch, right: int, whom: str
                                                             ) -> None:
    """Nor one whose list may be written, and stays as it is."""
    sddl = f"D:(A;;0x1fffff;;;SY)(A;;{right:#x};;;{whom})" + ("" if whom == "OW" else "(A;;RC;;;OW)")
    there: Any = Standing(Threads(BORN_CLOSED, sddl, keeps=True), monkeypatch)
    with pytest.raises(MachineError, match="could take it over"):
        runner_guard.Guard(there, USER)


def test_a_thread_that_keeps_its_list_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = Standing(Threads(BORN_OPEN, keeps=True), monkeypatch)
    with pytest.raises(MachineError, match="keeps another access list"):
        runner_guard.Guard(there, USER)


@pytest.mark.parametrize("right", [0, *runner_guard.CHANGING])
def test_each_right_that_redirects_a_drive_letter_is_seen(right: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = Standing(Threads(BORN_CLOSED), monkeypatch)
    there.drives = owned(f"D:(A;;{0x20003 | right:#x};;;{RECIPE.user})(A;;RC;;;OW)", RECIPE.user)
    guard = runner_guard.Guard(there, USER)
    guard.close()
    assert guard.redirectable == bool(right)


def test_its_owner_may_look_drive_letters_up_and_no_more() -> None:
    made = owned(runner_guard.drives(USER, RECIPE.user), RECIPE.user)
    for token in (COMMAND, RUNNER):
        assert access_check(made, token, 0x3, MAPPINGS["directory_object"]).certain
        assert not any(access_check(made, token, bit, MAPPINGS["directory_object"]).possible
                       for bit in runner_guard.CHANGING)
    unowned = owned(runner_guard.drives(USER, RECIPE.user).replace("(A;;RC;;;OW)", ""), RECIPE.user)
    assert access_check(unowned, COMMAND, 0x40000, MAPPINGS["directory_object"]).possible, "else he gives it himself"
