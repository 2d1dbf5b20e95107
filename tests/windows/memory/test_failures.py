"""Each call of set-up and uninstall made to fail once, before or after its effect: nothing is left, or it is listed."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.windows.memory.people import lacking, set_up, take_away
from tests.windows.memory.windows import ANN, Windows

from sidewall.errors import MachineError, SidewallError
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import status

FIRST, LAST = 2, 1
"""How many occurrences of a call are tried: the filters are three dozen times the same."""


def chosen(calls: list[str]) -> list[int]:
    seen: Counter[str] = Counter()
    total = Counter(calls)
    picked = []
    for number, name in enumerate(calls):
        seen[name] += 1
        if seen[name] <= FIRST or seen[name] > total[name] - LAST:
            picked.append(number)
    return picked


def fresh() -> Windows:
    return Windows()


def damaged() -> Windows:
    """Set up, and then an account was deleted and a filter lost."""
    windows = Windows()
    set_up(windows)
    _, offline, _ = account_names(ANN)
    gone = windows.accounts.pop(offline)
    windows.groups[account_names(ANN)[0]][2].remove(gone.sid)
    del windows.objects[next(key for key, (one, _) in windows.objects.items() if hasattr(one, "conditions"))]
    windows.logons.clear()
    return windows


def calls_of(windows: Windows, action: object) -> list[str]:
    assert callable(action)
    windows.calls.clear()
    action(windows)
    return list(windows.calls)


BARE = {key: value for key, value in Windows().picture().items() if key != "rights"}


def bare(windows: Windows) -> bool:
    return {key: value for key, value in windows.picture().items() if key != "rights"} == BARE and len(
        windows.picture()["rights"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("start", [fresh, damaged])
def test_set_up_with_one_failure(start: object, after: bool) -> None:
    assert callable(start)
    calls = calls_of(start(), set_up)
    failed = 0
    for number in chosen(calls):
        windows = start()
        windows.calls.clear()
        windows.fail_at, windows.after = number, after
        where = f"call {number} ({calls[number]})"
        try:
            set_up(windows)
        except SidewallError as error:
            failed += 1
            silent = not str(error) or not error.hint
            assert not silent, where
        else:
            # A failure that set-up could do without: then all is well.
            windows.fail_at = -1
            assert lacking(windows) == (), where
        windows.fail_at = -1
        if start is fresh and lacking(windows):
            # One failure, and the roll-back worked: nothing is left, except what status names and uninstall removes.
            if not bare(windows):
                assert status.look(windows.machine(ANN, elevated=True)).traces, where
        again = set_up(windows)
        assert again.state == "ready" and lacking(windows) == (), where
        assert take_away(windows).left == (), where
        assert bare(windows), where
    assert failed > 20


def test_a_failed_set_up_leaves_nothing() -> None:
    """What fails in the administrator's half before its effect is taken back whole."""
    calls = calls_of(fresh(), set_up)
    begin, end = calls.index("CreateNamedPipeW"), len(calls) - calls[::-1].index("LogonUserW")
    tried = [number for number in chosen(calls) if begin <= number < end]
    assert len(tried) > 30
    for number in tried:
        windows = fresh()
        windows.fail_at = number
        try:
            set_up(windows)
        except MachineError:
            assert bare(windows), f"call {number} ({calls[number]})"


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_uninstall_with_one_failure(after: bool) -> None:
    windows = fresh()
    set_up(windows)
    calls = calls_of(windows, take_away)
    told = 0
    for number in chosen(calls):
        windows = fresh()
        set_up(windows)
        windows.calls.clear()
        windows.fail_at, windows.after = number, after
        where = f"call {number} ({calls[number]})"
        try:
            result = take_away(windows)
        except SidewallError:
            told += 1
        else:
            told += bool(result.left)
            # Silence means that nothing is left.
            assert result.left or bare(windows), where
        windows.fail_at = -1
        if not bare(windows):
            assert status.look(windows.machine(ANN, elevated=True)).traces, where
        assert take_away(windows).left == (), where
        assert bare(windows), where
    assert told > 15


def test_the_calls_are_many_kinds() -> None:
    kinds = set(calls_of(fresh(), set_up))
    assert {"NetUserAdd", "NetLocalGroupAdd", "NetLocalGroupAddMembers", "LsaAddAccountRights", "set_value",
            "FwpmFilterAdd0", "FwpmTransactionCommit0", "LogonUserW", "CryptProtectData", "MoveFileExW",
            "SetNamedSecurityInfoW"} <= kinds
