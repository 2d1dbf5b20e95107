"""What a kernel does not do, and what becomes of the promises then; the questions that a token is asked."""

from __future__ import annotations

import pytest
from tests.plan.windows import machines

from sidewall.errors import GuaranteeError
from sidewall.nt.access_check import access_check
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import HIGH, Group, Token
from sidewall.plan import windows
from sidewall.plan import windows_unenforced as unenforced
from sidewall.plan.guarantees import ENFORCED, OPEN, by_name
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import ACCOUNT, TOKEN, TOKEN_STRICT, TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.plan.windows_unenforced import (
    FACILITIES,
    NOT_HERE,
    RESTRICTING,
    Unenforced,
    beyond,
    carried,
    lower,
)
from sidewall.platforms.windows import selftest, tokens
from sidewall.policy.model import GUARANTEES

FILE = MAPPINGS["file"]


def plan(tier: str, *missing: str, require: tuple[str, ...] = ()) -> Plan:
    policy = machines.policy(require=require)
    lacking = tuple([Unenforced(facility=name, reason=f"no {name}") for name in missing])
    return windows.compile(policy, machines.machine(policy, groups=machines.ADMIN_GROUPS, unenforced=lacking), tier)


@pytest.mark.parametrize("tier", [TOKEN, TOKEN_STRICT])
@pytest.mark.parametrize("facility", FACILITIES)
def test_what_rests_on_it_is_open_and_says_why(tier: str, facility: str) -> None:
    before, after = by_name(plan(tier).guarantees), by_name(plan(tier, facility).guarantees)
    for name in GUARANTEES:
        if name in carried(facility, tier):
            assert (after[name].level, after[name].reason) == (OPEN, f"{NOT_HERE}no {facility}")
        else:
            assert after[name] == before[name]


def test_a_required_one_stops_the_plan() -> None:
    assert by_name(plan(TOKEN, require=("privileges",)).guarantees)["privileges"].level == ENFORCED
    with pytest.raises(GuaranteeError, match=r"privileges is open: not enforced here: no integrity") as caught:
        plan(TOKEN, "integrity", require=("privileges",))
    assert caught.value.guarantees == ("privileges",)


def test_reading_rests_on_restricting_sids_only_where_it_is_restricted() -> None:
    assert "read-secrets" in carried(RESTRICTING, TOKEN_STRICT)
    assert "read-secrets" in carried(RESTRICTING, ACCOUNT)
    assert "read-secrets" not in carried(RESTRICTING, TOKEN)
    assert carried(unenforced.WRITE_RESTRICTED, TOKEN_STRICT) == ()


def test_what_a_plan_promises_beyond_the_machine() -> None:
    honest, other = plan(TOKEN), (Unenforced(facility=RESTRICTING, reason="x"),)
    assert set(beyond(honest.guarantees, other, TOKEN)) == {"write-outside", "metadata-outside", "protected-names"}
    assert beyond(lower(honest.guarantees, other, TOKEN), other, TOKEN) == ()
    assert beyond(honest.guarantees, (), TOKEN) == ()
    assert unenforced.lowered(honest.guarantees) == ()
    assert "write-outside" in unenforced.lowered(lower(honest.guarantees, other, TOKEN))


def recipe(tier: str) -> TokenRecipe:
    return next(step for step in plan(tier).steps if isinstance(step, TokenRecipe))


def granted(token: Token, case: selftest.Case) -> bool:
    return access_check(parse(case.sddl), token, case.mask, FILE).certain


@pytest.mark.parametrize("tier", [TOKEN, TOKEN_STRICT])
def test_every_kernel_that_ignores_a_part_of_the_recipe_is_found_out(tier: str) -> None:
    """The questions tell the model's token from each token that lacks something."""
    made = recipe(tier)
    right = result(made)

    def caught_by(token: Token) -> set[str]:
        return {case.facility for case in selftest.cases(made) if granted(token, case) and not granted(right, case)}

    assert caught_by(right) == set()
    assert RESTRICTING in caught_by(right.replace(restricting=None, write_restricted=False))
    enabled = tuple([Group(sid=sid, attributes=7) for sid, _ in made.groups])
    assert caught_by(right.replace(groups=enabled)) == {unenforced.DENY_ONLY}
    everyone = right.replace(restricting=(*made.restricting, made.user))
    assert RESTRICTING in caught_by(everyone)


def state(made: TokenRecipe, **changes: object) -> tokens.TokenState:
    model = result(made)
    whole = tokens.TokenState(
        user=model.user, groups=tuple([(group.sid, group.attributes) for group in model.groups]),
        restricting=model.restricting, privileges=tuple(sorted(model.privileges)), integrity=model.integrity,
        logon=None, dacl=model.default_dacl, container=False, elevated=False, session=1)
    return whole.replace(**changes)


def test_a_token_that_is_what_was_asked_for_lacks_nothing() -> None:
    for tier in (TOKEN, TOKEN_STRICT):
        made = recipe(tier)
        assert tokens.verify(state(made), made) == ()


@pytest.mark.parametrize(("changes", "facility"), [
    ({"restricting": None}, RESTRICTING), ({"restricting": ()}, RESTRICTING),
    ({"integrity": HIGH}, unenforced.INTEGRITY), ({"dacl": None}, unenforced.DEFAULT_DACL),
    ({"privileges": ("SeChangeNotifyPrivilege", "SeDebugPrivilege")}, unenforced.PRIVILEGES),
])
def test_what_a_token_lacks_is_named(changes: dict[str, object], facility: str) -> None:
    made = recipe(TOKEN)
    assert [one.facility for one in tokens.verify(state(made, **changes), made)] == [facility]


def test_a_group_that_is_still_used_is_named() -> None:
    made = recipe(TOKEN)
    used = tuple([(sid, 7) for sid, _ in made.groups])
    assert [one.facility for one in tokens.verify(state(made, groups=used), made)] == [unenforced.DENY_ONLY]


@pytest.mark.parametrize(("tier", "bits", "lacks"), [
    (ACCOUNT, 0x7, [unenforced.DENY_ONLY]), (ACCOUNT, 0x10, []), (ACCOUNT, 0x60, []), (ACCOUNT, 0xC0000007, []),
    (TOKEN, 0x7, []),
])  # fmt: skip
def test_a_group_that_no_plan_knows_of_is_not_used_by_an_account(tier: str, bits: int, lacks: list[str]) -> None:
    """Somebody put all users into a group: what is open to that was asked by nobody.  Labels and logons are none."""
    (made,) = [step for step in plan(tier).steps if isinstance(step, TokenRecipe)]
    stranger = Sid("S-1-5-21-1-1-1-1055")
    groups = (*[(one.sid, one.attributes) for one in result(made).groups], (stranger, bits))
    assert [one.facility for one in tokens.verify(state(made, groups=groups), made)] == lacks
    assert tokens.strangers(groups, made) == ((stranger,) if lacks else ())
