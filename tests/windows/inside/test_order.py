"""In which order a cell is made and unmade, on a Windows that claims to do everything.

Wine does what it is asked but for the token's restrictions and the desktop's list; here these are claimed on its
behalf, so that the backend goes all the way, to access lists that write down what is asked of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import BACKEND, on_wine, policy, run

from sidewall.errors import GuaranteeError, MachineError
from sidewall.nt.access_check import access_check
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS
from sidewall.plan import compile as compile_plan
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import AclEdit, TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import api, facts, probe_place, temporary
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.backend import WindowsBackend, step
from sidewall.platforms.windows.handles import ledger

if not on_wine():
    pytest.skip("here nothing has to be claimed", allow_module_level=True)

REAL: Any = api.native()


class Over:
    """Something else, but for what is replaced."""

    def __init__(self, below: object, **instead: object) -> None:
        self.__dict__.update(instead)
        self.below = below

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)


def claiming(recipe: TokenRecipe) -> Any:
    """This machine, which claims that tokens, jobs and desktops are as they were asked to be."""
    model = result(recipe)
    asked: dict[int, Any] = {}

    def groups(token: Any, kind: int = constants.TokenGroups) -> Any:
        if kind == constants.TokenRestrictedSids:
            return tuple([(sid.to_bytes(), 7) for sid in recipe.restricting])
        return REAL.advapi32.TokenGroups(token, kind)

    def sid(token: Any, kind: int) -> bytes:
        return bytes((constants.TokenIntegrityLevel == kind and MEDIUM) or REAL.advapi32.TokenSid(token, kind))

    def check(descriptor: bytes, token: Any, desired: int, mapping: Any) -> tuple[bool, int]:
        answer = access_check(SecurityDescriptor.from_bytes(descriptor), model, desired, MAPPINGS["file"])
        return answer.certain, answer.mask

    def set_job(job: Any, information: Any) -> None:
        asked[job.value, type(information)] = information
        REAL.kernel32.SetInformationJobObject(job, information)

    def query_job(job: Any, kind: Any) -> Any:
        return asked.get((job.value, kind)) or REAL.kernel32.QueryInformationJobObject(job, kind)

    made: dict[int, bytes] = {}

    def create(call: Any) -> Any:
        def function(*words: Any, security: bytes, **more: Any) -> Any:
            handle = call(*words, security=security, **more)
            made[handle.value] = security
            return handle
        return function

    return Over(
        REAL, advapi32=Over(REAL.advapi32, TokenGroups=groups, TokenSid=sid, AccessCheck=check),
        kernel32=Over(REAL.kernel32, SetInformationJobObject=set_job, QueryInformationJobObject=query_job),
        user32=Over(REAL.user32, CreateWindowStationW=create(REAL.user32.CreateWindowStationW),
                    CreateDesktopW=create(REAL.user32.CreateDesktopW),
                    GetUserObjectSecurity=lambda handle, what: made[handle.value]))


MEDIUM = bytes.fromhex("010100000000001000200000")


class Lists:
    """Access lists that write down what is asked of them."""

    def __init__(self, failing: str = "") -> None:
        self.told: list[str] = []
        self.failing = failing

    def apply(self, plan: Plan) -> Lists:
        self.told.append("apply")
        if self.failing == "apply":
            raise MachineError("the list of C:\\x cannot be written")
        return self

    def release(self) -> tuple[Held, ...]:
        self.told.append("release")
        if self.failing == "release":
            raise MachineError("the journal cannot be written")
        return (Held(action="left", path="C:\\x", reason="it has changed"),)

    def placeholders(self) -> frozenset[str]:
        return frozenset()

    def recover(self) -> tuple[str, ...]:
        self.told.append("recover")
        return ("undone",)


def left() -> list[str]:
    parent = facts.temporary_parent(os.environ["USERPROFILE"])
    return sorted(name for name in os.listdir(parent) if name.startswith(temporary.PREFIX))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    about = policy(os.path.realpath(tmp_path))
    made = compile_plan(about, BACKEND.facts(about, tier="token").replace(unenforced=()), tier="token")
    assert step(made, AclEdit) is not None
    return made


def backend(plan: Plan, lists: Lists) -> WindowsBackend:
    recipe = step(plan, TokenRecipe)
    assert recipe is not None
    return WindowsBackend(claiming(recipe), lists)


def test_a_program_that_writes_where_it_must_not_stops_it(plan: Plan) -> None:
    """Everything was claimed; the file system says otherwise."""
    lists, before, handles = Lists(), left(), dict(ledger.open)
    with pytest.raises(GuaranteeError, match="a program wrote where nothing is granted") as caught:
        backend(plan, lists).apply(plan)
    assert set(caught.value.guarantees) == {"write-outside", "metadata-outside", "protected-names"}
    assert lists.told == ["apply", "release"]
    assert left() == before and ledger.open == handles


def test_lists_are_there_before_a_command_and_go_after_the_last(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_place, "WRITTEN", "no\\such\\place")  # what stands for a refusal here
    lists, handles = Lists(), dict(ledger.open)
    cell = backend(plan, lists).apply(plan)
    assert lists.told == ["apply"]
    assert run(cell, "cmd", "/c", "exit 4")[0].returncode == 4
    cell.close()
    cell.close()
    assert lists.told == ["apply", "release"]
    assert [act.path for act in cell.last_held] == ["C:\\x"]
    assert ledger.open == handles


@pytest.mark.parametrize("failing", ["apply", "release"])
def test_a_list_that_fails_leaves_nothing_else_behind(plan: Plan, failing: str,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_place, "WRITTEN", "no\\such\\place")
    lists, before, handles = Lists(failing), left(), dict(ledger.open)
    with pytest.raises(MachineError, match="cannot be written"):
        backend(plan, lists).apply(plan).close()
    assert left() == before and ledger.open == handles


def test_lists_are_recovered(plan: Plan) -> None:
    lists = Lists()
    assert backend(plan, lists).recover()[-1] == "undone" and lists.told == ["recover"]
