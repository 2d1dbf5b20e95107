"""Who may do what to a runner, its pipe and its commands, asked of the model of Windows' access check.

A command is of the runner's own account, which is one of its restricting SIDs: that these objects belong to the account
must help it to nothing.
"""

from __future__ import annotations

import pytest
from tests.plan.windows import machines

from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, READ_CONTROL
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_steps import ACCOUNT, Accounts, TokenRecipe
from sidewall.plan.windows_token import USUAL, result
from sidewall.platforms.windows import runner_guard, runner_pipe, selftest

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
