"""Is Everyone needed to start a program: what the tries say together, in the model and by outcomes.

Knows: the order of the tries, a token's model, plans.  Must not know: how a runner is started (that runs under Wine).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.plan.windows.machines import ANN, HOME, compiled, line, machine, not_set_up, policy, repository

from sidewall.errors import GuaranteeError, MachineError
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.plan import windows as planning
from sidewall.plan.facts_windows import Wide, WindowsFacts
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.platforms.windows import setup_finish, start_trial
from sidewall.platforms.windows.findings import EVERYONE, PLAIN
from sidewall.platforms.windows.logon import LogonRefused
from sidewall.platforms.windows.runner_owner import Unable
from sidewall.policy.model import Policy

FIRST = Unable("the first", hint="look")


class Tries:
    """Starts that go as they are told to, in order."""

    def __init__(self, *ways: Exception | None) -> None:
        self.ways = list(ways)
        self.asked: list[bool] = []

    def __call__(self, everyone: bool) -> None:
        self.asked.append(everyone)
        way = self.ways.pop(0)
        if way is not None:
            raise way


WITHOUT, WITH = False, True


@pytest.mark.parametrize(("ways", "found", "asked"), [
    ((None,), PLAIN, [WITHOUT]),
    ((FIRST, None, Unable("again")), EVERYONE, [WITHOUT, WITH, WITHOUT]),
    ((FIRST, None, None), PLAIN, [WITHOUT, WITH, WITHOUT]),
])  # fmt: skip
def test_what_the_tries_say(ways: tuple[Exception | None, ...], found: str, asked: list[bool]) -> None:
    tries = Tries(*ways)
    assert start_trial.find_out(tries) == found
    assert tries.asked == asked
    if isinstance(ways[0], Unable):
        after = Tries(*ways[1:])
        assert start_trial.find_out(after, ways[0]) == found
        assert after.asked == asked[1:]


def test_where_nothing_starts_the_first_error_is_told() -> None:
    with pytest.raises(Unable) as caught:
        start_trial.find_out(Tries(FIRST, Unable("the second")))
    assert caught.value is FIRST


@pytest.mark.parametrize("error", [
    LogonRefused("no", final=True), MachineError("the runner does not answer"), GuaranteeError("filters are gone"),
    OSError("no room"),
])
@pytest.mark.parametrize("before", [(), (FIRST,), (FIRST, None)])
def test_what_is_not_about_starting_goes_through(error: Exception, before: tuple[Exception | None, ...]) -> None:
    """Nothing is concluded, whichever try it comes at."""
    with pytest.raises(type(error)) as caught:
        start_trial.find_out(Tries(*before, error))
    assert caught.value is error


def machine_where(needs: str) -> Callable[[bool], None]:
    """In the model: every program writes to one object of the system before its first line, with this access list."""
    plan = compiled(tier="account")

    def attempt(everyone: bool) -> None:
        tried = start_trial.with_everyone(plan) if everyone else plan
        (recipe,) = [step for step in tried.steps if isinstance(step, TokenRecipe)]
        answer = access_check(parse(f"O:SYG:SYD:{needs}"), result(recipe), 0x2, MAPPINGS["file"])
        if not answer.certain:
            raise Unable("STATUS_DLL_INIT_FAILED")

    return attempt


@pytest.mark.parametrize(("needs", "found"), [
    ("(A;;0x3;;;WD)(A;;0x3;;;RC)", PLAIN), ("(A;;0x3;;;WD)(A;;0x3;;;WR)", PLAIN), ("(A;;0x3;;;WD)", EVERYONE),
])
def test_it_is_found_out_in_the_model(needs: str, found: str) -> None:
    assert start_trial.find_out(machine_where(needs)) == found


@pytest.mark.parametrize("needs", ["(A;;FA;;;SY)", "(A;;FA;;;BU)"])
def test_a_machine_on_which_neither_starts(needs: str) -> None:
    with pytest.raises(Unable, match="DLL_INIT"):
        start_trial.find_out(machine_where(needs))


def rest(plan: Plan) -> Plan:
    return plan.replace(digest="", notes=())


@pytest.mark.parametrize("audited", [True, False])
def test_the_lowered_plan_is_the_plan_of_such_a_machine(audited: bool) -> None:
    """What a cell does when it finds out is what the next plan, made from the fact, says from the start."""
    before = compiled(tier="account", audited=audited, **repository())
    after = compiled(tier="account", audited=audited, needs_everyone=True, **repository())
    lowered = planning.with_everyone(before)
    assert lowered.digest == after.digest != before.digest
    assert rest(lowered).steps == rest(after).steps
    # What could be done about the rest is said as before.
    assert lowered.guarantees == after.guarantees
    assert line(lowered, "write-outside").level == line(lowered, "metadata-outside").level == "partial"
    assert start_trial.needs_already(lowered) and not start_trial.needs_already(before)


def test_what_was_not_enforced_is_not_promised_again() -> None:
    from sidewall.plan.windows_unenforced import RESTRICTING, Unenforced

    lost = (Unenforced(facility=RESTRICTING, reason="no"),)
    lowered = planning.with_everyone(compiled(tier="account", unenforced=lost))
    assert line(lowered, "write-outside").level == "open"


def test_a_policy_that_requires_what_is_lost_does_not_run() -> None:
    plan = compiled(policy(), tier="account", require=("write-outside",))
    with pytest.raises(GuaranteeError) as caught:
        planning.with_everyone(plan)
    assert caught.value.guarantees == ("write-outside",) and "Everyone" in str(caught.value)
    assert "--require" in caught.value.hint


def test_what_everyone_may_write_is_then_named() -> None:
    wide = (Wide(path=r"D:\all", who=known.EVERYONE, mask=0x2), Wide(path=r"D:\mine", who=ANN, mask=0x2))
    assert line(compiled(tier="account", wide=wide), "write-outside").level == "enforced"
    reason = line(compiled(tier="account", wide=wide, needs_everyone=True), "write-outside").reason
    assert r"D:\all" in reason and r"D:\mine" not in reason


class Settled:
    """The backend of a machine that was set up; ``way`` is what a try there comes to."""

    def __init__(self, way: str | Exception, known: str = "", **changes: Any) -> None:
        self.way, self.known, self.changes = way, known, changes
        self.tried = 0

    def facts(self, policy: Policy, *, tier: str) -> WindowsFacts:
        assert tier == "account"
        assert not [rule for rule in policy.files if rule.access == "write"], "nothing is to be written"
        return machine(policy, **self.changes)

    def start_known(self, facts: WindowsFacts) -> str:
        return self.known

    def try_start(self, plan: Plan) -> str:
        self.tried += 1
        assert plan.tier == "account"
        if isinstance(self.way, Exception):
            raise self.way
        return self.way


OPEN = Wide(path=r"C:\ProgramData\x", who=known.USERS, mask=0x40)


@pytest.mark.parametrize(("backend", "told"), [
    (Settled(PLAIN), ["a program starts"]), (Settled(EVERYONE), ["Everyone"]), (Settled(PLAIN, known=PLAIN), []),
    (Settled(PLAIN, known=EVERYONE, wide=(OPEN,)), []), (Settled(PLAIN, wide=(OPEN,)), ["starts", r"ProgramData\x"]),
    (Settled(PLAIN, audited=False, unaudited="not complete"), ["starts", "not complete"]),
    (Settled(PLAIN, wide=tuple([OPEN.replace(path=f"C:\\{one}") for one in range(9)])), ["starts", "and 5 more"]),
])  # fmt: skip
def test_set_up_finds_out_what_nobody_knew(backend: Settled, told: list[str]) -> None:
    found = setup_finish.look(backend, HOME)
    assert len(found) == len(told) and all(word in line for word, line in zip(told, found, strict=True))
    assert backend.tried == (not backend.known)


@pytest.mark.parametrize(("backend", "word"), [
    (Settled(FIRST), "the first"), (Settled(LogonRefused("no logon", final=True)), "no logon"),
    (Settled(PLAIN, **not_set_up()), "account tier cannot be used"),
    (Settled(PLAIN, seclogon="disabled"), "seclogon"),
])  # fmt: skip
def test_set_up_tells_why_nothing_would_run(backend: Settled, word: str) -> None:
    with pytest.raises(MachineError, match=word):
        setup_finish.look(backend, HOME)
