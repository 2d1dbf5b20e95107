"""What is found out about this machine: places that are open to everybody, and whether a program starts.

Under Wine the search and its file are real; the runners are real, and do not start programs where a test wants that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners
from tests.windows.inside.cells import run

from sidewall.nt import wellknown as known
from sidewall.nt.mask import FILE_DELETE_CHILD
from sidewall.nt.sddl import parse
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.platforms.windows import (
    dll,
    facts,
    facts_open,
    findings,
    open_places_kept,
    open_places_starts,
    readiness,
    tokens,
)
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.backend import WindowsBackend, step
from sidewall.platforms.windows.handles import ledger
from sidewall.platforms.windows.open_places import Start
from sidewall.platforms.windows.store_win32 import Win32Store

API = runners.REAL
USER = runners.user()
PICKY = os.path.join(os.path.dirname(__file__), "picky_runner.py")
OPEN = f"O:{USER}G:{USER}D:P(A;OICI;FA;;;{USER})(A;OICI;FA;;;SY)(A;OICI;FA;;;WD)"
SHUT = f"O:{USER}G:{USER}D:P(A;OICI;FA;;;{USER})(A;OICI;FA;;;SY)"


def make(path: str, sddl: str) -> None:
    API.kernel32.CreateDirectoryW(path)
    # Wine lets a mask take from a list that a directory is made with.
    with Win32Store(API).open(path, change=True) as made:
        made.write_dacl(parse(sddl))


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A profile whose findings are nobody else's."""
    where = os.path.realpath(tmp_path) + r"\home"
    os.makedirs(where + r"\AppData\Local")
    return where


def variables() -> dict[str, str]:
    with tokens.own(API) as token:
        found: dict[str, str] = API.userenv.CreateEnvironmentBlock(token)
    return found


def gathered(home: str, *, search: bool = True) -> open_places_kept.Found:
    return facts_open.gather(API, USER, home, variables(), 26100, search=search)


def asked(home: str, calls: list[str]) -> open_places_kept.Found:
    """The same, with the calls that it takes."""
    dll.trace = lambda library, function: calls.append(function)
    try:
        return gathered(home)
    finally:
        dll.trace = None


def test_this_machine_is_looked_through_and_what_was_found_is_kept(home: str) -> None:
    place = variables()["ProgramData"] + rf"\sidewall-test-{os.getpid()}"
    opened = len(ledger.open)
    assert "nobody looked" in gathered(home, search=False).missing
    make(place, OPEN)
    try:
        first: list[str] = []
        found = asked(home, first)
        (row,) = [one for one in found.places if one.path == place and one.who == known.EVERYONE]
        assert row.mask & FILE_DELETE_CHILD
        # What is known is not looked for again, and without a search as good as with one.
        second: list[str] = []
        assert asked(home, second).places == found.places == gathered(home, search=False).places
        lists = "GetKernelObjectSecurity"
        assert second.count(lists) == len({one.path for one in found.places}) < first.count(lists)
    finally:
        os.rmdir(place)
    assert not [one for one in gathered(home).places if one.path == place]
    assert len(ledger.open) == opened


@pytest.fixture
def looked_at(home: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """One directory that is looked through, three levels deep."""
    place = home + r"\looked"
    make(place, SHUT)
    monkeypatch.setattr(facts_open, "starts", lambda *_: (Start(path=place, depth=3),))
    return place


def places(home: str) -> set[str]:
    return {one.path for one in gathered(home).places}


def test_a_change_is_noticed(home: str, looked_at: str) -> None:
    assert places(home) == set()
    make(looked_at + r"\a", OPEN)
    assert places(home) == {looked_at + r"\a"}
    os.rmdir(looked_at + r"\a")
    make(looked_at + r"\a", SHUT)
    assert places(home) == set()
    # What comes to be deeper is seen on the next day, or when everything is looked at again.
    make(looked_at + r"\a\b", OPEN)
    assert places(home) == set()
    findings.forget(API, home, open_places_kept.NAME)
    assert places(home) == {looked_at + r"\a\b"}


def test_names_of_all_kinds_are_kept(home: str, looked_at: str) -> None:
    names = {looked_at + "\\" + name for name in ("일 터", "x" * 200, "🐈 ' %PATH%")}
    for path in names:
        make(path, OPEN)
    assert places(home) == places(home) == names


def test_what_cannot_be_kept_is_said(home: str, looked_at: str) -> None:
    os.makedirs(os.path.dirname(findings.directory(home)))
    Path(findings.directory(home)).write_bytes(b"")
    assert "cannot be kept" in gathered(home).notes[-1]


def test_drives_are_found() -> None:
    roots = [one.path for one in open_places_starts.drives(API)]
    assert API.kernel32.GetWindowsDirectoryW()[:3] in roots
    starts = open_places_starts.starts(API, r"C:\users\nobody", {"ProgramData": "nonsense", "PUBLIC": r"\\server\x"})
    assert {r"C:\Users\Public", r"C:\ProgramData"} <= {one.path for one in starts if one.path[:2] == "C:"}
    assert not {"nonsense", r"\\server\x"} & {one.path for one in starts}


def test_it_is_a_fact_where_accounts_are_set_up(home: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    about, made = runners.policy(place), runners.backend(runners.Launcher())
    there = home + r"\looked"
    make(there, OPEN)
    monkeypatch.setattr(facts_open, "starts", lambda *_: (Start(path=there, depth=3), Start(path=place, depth=3)))
    monkeypatch.setattr(facts.runtime, "obstacle", lambda: "")
    assert not made.facts(about).audited, "nobody looks where there are no accounts"
    monkeypatch.setattr(facts, "_accounts", lambda *_: readiness.AccountFacts(group=runners.GROUP))
    assert not made.facts(about, tier="token").audited, "nor for a tier that does not promise it"
    make(place + r"\inside", OPEN)
    found = made.facts(about)
    assert found.audited and {one.path for one in found.wide} == {there}, "what may be written anyway is no hole"
    made.look_again()
    assert not made.facts(about, tier="token").audited
    assert not found.needs_everyone
    findings.keep_start(API, home, found.build, runners.GROUP, USER, findings.EVERYONE)
    assert made.facts(about).needs_everyone


class Machine:
    """A machine on which programs start with Everyone among the restricting SIDs only, and what was tried there."""

    def __init__(self, home: str) -> None:
        self.notes = home + r"\notes"
        self.launcher = runners.Launcher("-X", "utf8", PICKY, self.notes)
        self.backend: WindowsBackend = runners.backend(self.launcher)
        self.home = home

    @property
    def tries(self) -> list[str]:
        return Path(self.notes).read_text(encoding="ascii").split()

    def known(self) -> str:
        return findings.start_of(API, self.home, API.ntdll.RtlGetVersion()[2], runners.GROUP)


@pytest.fixture
def place(home: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace; what is found out goes into a profile of the test's own."""
    real = runners.Claimed.__getattr__

    class Userenv:
        def __getattr__(self, name: str) -> Any:
            return getattr(API.userenv, name)

        def GetUserProfileDirectoryW(self, token: Any) -> str:
            return home

    monkeypatch.setattr(runners.Claimed, "__getattr__",
                        lambda self, name: Userenv() if name == "userenv" else real(self, name))
    os.mkdir(home + r"\w")
    return home + r"\w"


def test_a_cell_finds_out_that_everyone_is_needed(home: str, place: str) -> None:
    machine, opened = Machine(home), len(ledger.open)
    cell = machine.backend.apply(runners.plan(place))
    assert isinstance(cell, AccountCell)
    recipe = step(cell.plan, TokenRecipe)
    assert recipe is not None and recipe.restricting[-1] == known.EVERYONE
    assert run(cell, "cmd", "/c", "exit 7")[0].returncode == 7
    cell.close()
    assert machine.tries == ["without", "with", "without", "with"]
    assert machine.known() == findings.EVERYONE
    assert len(ledger.open) == opened


def test_a_group_that_the_plan_does_not_know_is_there_for_denying_only(place: str) -> None:
    """This user is in groups that no sandbox account is in."""
    recipe = step(runners.plan(place), TokenRecipe)
    assert recipe is not None and recipe.base == "account"
    with tokens.own(API) as base, tokens.make(API, base, recipe) as made:
        before, after = tokens.read(API, base), tokens.read(API, made)
    strangers = tokens.strangers(before.groups, recipe)
    assert strangers and {sid for sid, bits in after.groups if bits & 0x10} >= set(strangers)
    assert tokens.strangers(after.groups, recipe) == ()
