"""The window station that all cells of one logon session share, on a Windows in memory: in any order of cells.

Who may use it is asked of the model of Windows' access check.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from tests.plan.windows import machines
from tests.windows.memory.desktops import STATION, User
from tests.windows.memory.windows import ANN, BOB, Windows

from sidewall.nt.access_check import access_check
from sidewall.nt.mask import MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan import windows_session
from sidewall.plan.windows_steps import Desktop
from sidewall.plan.windows_token import USUAL
from sidewall.plan.windows_unenforced import Unenforced
from sidewall.platforms.windows import desktops, logon, turns
from sidewall.platforms.windows.desktops import Surroundings
from sidewall.platforms.windows.handles import Handle

ACCOUNTS = (Sid("S-1-5-21-1111-2222-3333-1010"), Sid("S-1-5-21-1111-2222-3333-1011"))
FACTS = machines.machine(machines.policy()).replace(user=ANN)
TOKEN: Desktop = windows_session.desktop(FACTS, None)


def opened(windows: Windows, kind: str) -> Surroundings:
    """What a cell of a tier asks for: the user's own token, or a program of one of the accounts."""
    api: Any = windows.machine().api
    if kind != "token":
        return logon.surroundings_for(api, ANN, ACCOUNTS[kind == "online"], turns.of_caller(api))
    made = desktops.make(api, TOKEN, turns.of_caller(api))
    assert isinstance(made, Surroundings), made
    return made


def may(windows: Windows, token: Token, mask: int) -> bool:
    made = windows.stations[STATION].replace(owner=ANN, group=ANN)
    return access_check(made, token, mask, MAPPINGS["window_station"]).granted


@pytest.mark.parametrize("order", list(itertools.permutations(("token", "offline", "online"))))
def test_cells_of_all_tiers_are_open_at_once_in_any_order(order: tuple[str, ...]) -> None:
    windows = Windows()
    made = [opened(windows, kind) for kind in (*order, *order)]
    assert [one.missing for one in made] == [()] * 6
    users = [Token(user=account, groups=()) for account in ACCOUNTS]
    users.append(Token(user=ANN, groups=(Group(sid=FACTS.logon, attributes=USUAL),)))
    assert desktops.STATION_USE == windows_session.STATION_USE
    for token in users:
        assert may(windows, token, windows_session.STATION_USE)
    assert not any(may(windows, token, 0x40000) for token in users[:2]), "an account does not change who may use it"
    assert not may(windows, Token(user=BOB, groups=()), 0x1), "nobody else is let in"
    dacl = windows.stations[STATION].dacl
    assert dacl is not None and len(dacl.aces) == 5, "each entry is there once"
    for one in made:
        one.close()
    assert not windows.desktops


@pytest.mark.parametrize(("entry", "why"), [
    ("(A;;0xf033f;;;S-1-5-21-9-9-9-1001)", "open to others"), ("(A;;0x6037f;;;WD)", "open to others"),
    ("(A;;GA;;;WD)", "open to others"), ("(A;;0x2037f;;;WD)", "open to others"),
     ("(D;;0x1;;;WD)", "open to others"),
])
def test_a_station_that_somebody_else_may_change_is_said(entry: str, why: str) -> None:
    windows = Windows()
    windows.stations[STATION] = parse(f"D:P(A;;0xf033f;;;{ANN}){entry}")
    made = opened(windows, "token")
    made.close()
    assert [why in one.reason for one in made.missing] == [True]


def test_a_station_that_takes_no_entry_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whose new entry another process wrote over at the same moment."""
    windows = Windows()
    opened(windows, "offline").close()
    monkeypatch.setattr(User, "SetUserObjectSecurity", lambda *given: None)
    made = opened(windows, "token")
    made.close()
    assert ["keeps no access list" in one.reason for one in made.missing] == [True]


@pytest.mark.parametrize("first", ["token", "offline"])
def test_two_that_add_to_the_list_at_once_both_stand_in_it(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for his turn reads the list again: another process has just written it."""
    monkeypatch.setattr(desktops, "_merging", contextlib.nullcontext())  # each process has its own
    windows = Windows()
    made = [opened(windows, "online")]
    api: Any = windows.machine().api
    take, came = turns.of_caller(api), list[str]()

    def turn() -> Handle:
        if not came:
            came.append(first)
            made.append(opened(windows, first))
        return take()

    made.append(logon.surroundings_for(api, ANN, BOB, turn))
    dacl = windows.stations[STATION].dacl
    assert dacl is not None and came
    inside = str(FACTS.logon) if first == "token" else str(ACCOUNTS[0])
    assert {inside, str(ACCOUNTS[1]), str(BOB)} <= {str(ace.sid) for ace in dacl.aces}
    for one in made:
        assert one.missing == ()
        one.close()


def test_runners_of_one_account_share_the_station_of_its_logon_session() -> None:
    """The second finds that of the first, which lets the account use it and not say who else may."""
    windows, account = Windows(), ACCOUNTS[0]
    made = []
    for _ in range(3):
        api: Any = windows.machine(account).api
        wanted = windows_session.desktop(FACTS, account)
        made.append(desktops.make(api, wanted))
    assert all(isinstance(one, Surroundings) and one.missing == () for one in made)
    dacl = windows.stations[STATION].dacl
    assert dacl is not None and len(dacl.aces) == 3
    assert isinstance(desktops.make(windows.machine(BOB).api, wanted), Unenforced), "nobody else gets in"
    for one in made:
        assert isinstance(one, Surroundings)
        one.close()
