"""Network filters: a plan's become the engine's, are compared by what they do, and belong to one user each."""

from __future__ import annotations

import pytest
from tests.windows.memory.windows import ANN, BOB, Windows

from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan import windows_network
from sidewall.platforms.windows import constants_filtering as constants
from sidewall.platforms.windows import filtering_values as values
from sidewall.platforms.windows import wfp
from sidewall.platforms.windows.errors import FilteringError

OFFLINE, ONLINE = Sid("S-1-5-21-1-2-3-1011"), Sid("S-1-5-21-1-2-3-1012")
WANTED = wfp.wanted(ANN, OFFLINE, ONLINE)


def test_numbers_of_the_plan_are_microsofts() -> None:
    assert windows_network.LOOPBACK == constants.FWP_CONDITION_FLAG_IS_LOOPBACK
    assert windows_network.RAW_ENDPOINT == constants.FWP_CONDITION_FLAG_IS_RAW_ENDPOINT


def test_every_filter_goes_through_its_structure_and_back() -> None:
    for one in WANTED:
        built = values.build_filter(one)
        assert values.read_filter(built.structure) == one


def test_each_has_a_key_of_its_own() -> None:
    both = (*WANTED, *wfp.wanted(BOB, OFFLINE, ONLINE))
    assert len({one.key for one in both}) == len(both)
    assert len({one.name for one in WANTED}) == len(WANTED)


def test_every_filter_is_about_one_account() -> None:
    sids = {parse(windows_network.MATCH.format(sid)).to_bytes() for sid in (OFFLINE, ONLINE)}
    for one in WANTED:
        who = [each for each in one.conditions if each.field == constants.FIELDS["ALE_USER_ID"]]
        assert len(who) == 1 and who[0].value.data in sids
        assert one.flags & constants.FWPM_FILTER_FLAG_PERSISTENT


@pytest.mark.parametrize("change", ["layer", "action", "weight", "flags", "conditions", "disabled", "sublayer"])
def test_a_filter_that_does_something_else_is_not_there(change: str) -> None:
    for one in WANTED[:8]:
        other = {
            "layer": one.replace(layer=constants.LAYERS["ALE_AUTH_LISTEN_V4"]),
            "action": one.replace(action=constants.FWP_ACTION_PERMIT + constants.FWP_ACTION_BLOCK - one.action),
            "weight": one.replace(weight=one.weight - 1), "flags": one.replace(flags=0),
            "conditions": one.replace(conditions=one.conditions[1:]), "disabled": one.replace(flags=one.flags | 0x20),
            "sublayer": one.replace(sublayer=wfp.PROVIDER),
        }[change]
        assert not wfp.same(other, one)


def test_order_and_form_do_not_matter() -> None:
    for one in WANTED:
        turned = tuple(reversed([
            each.replace(value=each.value.replace(data=parse("O:LSG:SYD:" + windows_network.MATCH.format(
                OFFLINE if "offline" in one.name else ONLINE).partition("D:")[2]).to_bytes()))
            if each.value.type == constants.FWP_SECURITY_DESCRIPTOR_TYPE else each for each in one.conditions]))
        assert wfp.same(one.replace(conditions=turned, flags=one.flags | 0x40), one)


def test_all_or_nothing() -> None:
    windows = Windows()
    admin = windows.machine(elevated=True)
    windows.calls.clear()
    wfp.add(admin.api, WANTED)
    calls = len(windows.calls)
    for number in range(calls):
        fresh = Windows()
        fresh.fail_at = number
        try:
            wfp.add(fresh.machine(elevated=True).api, WANTED)
        except FilteringError:
            assert fresh.objects == {}
        else:
            assert number == -1, f"{windows.calls[number]} failed and nobody was told"
    assert wfp.present(windows.machine().api, WANTED) == tuple([one.name for one in WANTED]), "every user may look"


def test_the_last_user_takes_the_frame_along() -> None:
    windows = Windows()
    admin = windows.machine(elevated=True).api
    wfp.add(admin, WANTED)
    wfp.add(admin, wfp.wanted(BOB, OFFLINE, ONLINE))
    assert wfp.remove(admin, ANN) == len(WANTED)
    assert wfp.frame(admin) == ("provider", "sublayer")
    assert {one.description for one in wfp.listed(admin)} == {f"Sandbox accounts of {BOB}"}
    assert wfp.remove(admin, BOB) == len(WANTED)
    assert windows.objects == {} and wfp.remove(admin, BOB) == 0
