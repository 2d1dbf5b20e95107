"""What the account closed to the user, as Python's own directories are: the account lets him in, and he takes it over.

On a disk in memory that lets nobody do what he may not.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.plan.windows.proving import GROUP, OFFLINE, USER
from tests.windows.acl_machines import Machine, command_token, texts
from tests.windows.acl_scenes import WORK, plan, world

from sidewall.nt.sddl import format as text
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.nt.tree import Node
from sidewall.platforms.windows import returning, trees
from sidewall.platforms.windows.errors import Win32Error
from sidewall.platforms.windows.ownership import MOST_TOLD, give_back
from sidewall.platforms.windows.store import StoreError
from sidewall.platforms.windows.store_memory import MemoryStore

OWNER, ACCOUNT = Sid(USER), Sid(OFFLINE)
PYTHONS = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"
"""What Python 3.12.4 and later gives a directory of mode 0o700."""
SHUT, INSIDE, FILE = f"{WORK}\\tmp1", f"{WORK}\\tmp1\\한 😀", f"{WORK}\\tmp1\\한 😀\\f"


def whole() -> Token:
    """The token of the runner: the account's, not restricted."""
    groups = tuple([Group(sid=Sid(sid)) for sid in (GROUP, "S-1-1-0", "S-1-5-32-545", "S-1-5-11")])
    return Token(user=ACCOUNT, groups=groups, primary_group=ACCOUNT)


def made(sddl: str = PYTHONS) -> Machine:
    """A directory with such a list, and in it what inherits from it."""
    machine = Machine.of(world())
    machine.process().lists.apply(plan())
    machine.create(SHUT, command_token(plan()), directory=True)
    machine.edit(SHUT, lambda found: parse(f"O:{ACCOUNT}G:{ACCOUNT}{sddl}"))
    machine.create(INSIDE, command_token(plan()), directory=True)
    machine.create(FILE, command_token(plan()))
    return machine


def unlocking(machine: Machine, asked: list[str] | None = None, until: float = 1e9,
              clock: Callable[[], float] = lambda: 0.0) -> Callable[[Sequence[str]], str]:
    def unlock(paths: Sequence[str]) -> str:
        if asked is not None:
            asked.extend(paths)
        store = MemoryStore(machine.disk, whole())
        return returning.let_in(store, paths, OWNER, ACCOUNT, until=until, clock=clock)[1]

    return unlock


def owners(machine: Machine) -> dict[str, Sid | None]:
    return {path: node.sd.owner for path, node in machine.disk.tree.paths() if node.sd is not None}


def users(machine: Machine) -> MemoryStore:
    return MemoryStore(machine.disk, machine.token)


@pytest.mark.parametrize("names", [None, ("tmp1", "tmp1\\한 😀", "tmp1\\한 😀\\f")])
def test_what_the_user_cannot_open_becomes_his(names: tuple[str, ...] | None) -> None:
    machine, asked = made(), list[str]()
    held = give_back(users(machine), WORK, OWNER, ACCOUNT, names)
    assert {one.path for one in held} == {SHUT}, "without the account nobody can"
    assert "takeown" in held[0].reason
    others = {path: told for path, told in texts(machine.disk).items() if not path.startswith(SHUT)}
    assert give_back(users(machine), WORK, OWNER, ACCOUNT, names, unlocking(machine, asked)) == ()
    assert asked == [SHUT], "one place, and nothing that the user can open"
    assert {owners(machine)[path] for path in (SHUT, INSIDE, FILE)} == {OWNER}
    with users(machine).open(SHUT, change=True) as found:
        assert found.names() == ("한 😀",)
        assert text(found.descriptor()).endswith(f"D:P(A;OICI;FA;;;{OWNER}){PYTHONS[3:]}")
    with pytest.raises(StoreError):
        MemoryStore(machine.disk, whole()).open(SHUT, change=True)
    with users(machine).open(FILE, change=True):
        assert others == {path: told for path, told in texts(machine.disk).items() if not path.startswith(SHUT)}


@pytest.mark.parametrize("sddl", ["D:P", "D:P(D;OICI;FA;;;{0})(A;OICI;FA;;;OW)", "D:P(A;OICI;FR;;;{0})(A;OICI;FA;;;OW)",
                                  "D:P(A;OICIIO;FA;;;{0})(A;OICI;FA;;;OW)"])
def test_whatever_list_a_command_gave_it(sddl: str) -> None:
    machine = made(sddl.format(OWNER))
    assert give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlocking(machine)) == ()
    assert ACCOUNT not in owners(machine).values()
    with users(machine).open(SHUT, change=True) as found:
        assert found.names() == ("한 😀",)


def test_what_is_not_the_accounts_own_is_not_opened() -> None:
    machine = made()
    theirs = parse("O:BAG:BAD:P(A;OICI;FA;;;BA)(A;;WD;;;S-1-1-0)")
    machine.edit(FILE, lambda _: theirs)
    held = give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlocking(machine))
    node = machine.disk.tree.get(FILE)
    assert {one.path for one in held} == {FILE} and node is not None and node.sd == theirs


def test_no_link_is_followed_and_no_second_name_is_opened() -> None:
    machine = made()
    outside = "C:\\Users\\u\\lib\\planted"
    machine.create(outside, command_token(plan()))
    sealed = parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;FA;;;OW)")
    machine.edit(outside, lambda _: sealed)
    above = machine.disk.tree.get(SHUT)
    assert above is not None
    link = Node(id="link", directory=True, reparse="mount-point", target="C:\\Users\\u\\lib", sd=sealed)
    machine.disk.tree = machine.disk.tree.with_node(above, "lead", link)
    above = machine.disk.tree.get(SHUT)
    assert above is not None
    twice = Node(id="twice", directory=False, links=2, sd=sealed)
    machine.disk.tree = machine.disk.tree.with_node(above, "twice", twice)
    held = give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlocking(machine))
    assert {one.path for one in held} == {f"{SHUT}\\twice"}
    after = owners(machine)
    assert after[outside] == ACCOUNT and texts(machine.disk)[outside] == text(sealed)
    assert after[f"{SHUT}\\lead"] == OWNER


def test_an_account_that_may_not_is_said_with_a_remedy() -> None:
    machine = made("D:P(A;OICI;RC;;;OW)")
    (held,) = give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlocking(machine))
    assert held.path == SHUT and held.action == "left"
    assert "in the sandbox's account" in held.reason and "takeown" in held.reason


@pytest.mark.parametrize("passing", [False, True])
def test_what_the_account_cannot_remove_it_opens_unless_that_passes(monkeypatch: pytest.MonkeyPatch,
                                                                    passing: bool) -> None:
    machine, tried = made(), list[str]()

    def remove(api: object, path: str, *, until: float) -> list[trees.Failure]:
        tried.append(path)
        error = Win32Error("x", call="NtCreateFile", code=32 if passing else 5, target=path)
        return [trees.Failure(path, error)]

    monkeypatch.setattr(trees, "remove", remove)
    monkeypatch.setattr(returning, "Places", lambda api: MemoryStore(machine.disk, whole()))
    above = f"{WORK}\\src\\private"
    machine.create(above, machine.token, directory=True)
    machine.create(f"{above}\\tmp1", command_token(plan()), directory=True)
    machine.edit(f"{above}\\tmp1", lambda found: parse(f"O:{ACCOUNT}G:{ACCOUNT}{PYTHONS}"))
    assert returning.all_of(None, [above], [], OWNER, ACCOUNT) == (0, "")  # type: ignore[arg-type]
    assert tried == [above]
    held = give_back(users(machine), above, OWNER, ACCOUNT, None)
    assert [one.path for one in held] == ([f"{above}\\tmp1"] if passing else [])


def test_it_ends_in_time_and_at_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, ticks = made(), itertools.count()
    unlock = unlocking(machine, until=1, clock=lambda: float(next(ticks)))
    (held,) = give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlock)
    assert returning.TIME in held.reason
    monkeypatch.setattr(returning, "MOST", 2)
    store = MemoryStore(made().disk, whole())
    count, first = returning.let_in(store, [SHUT], OWNER, ACCOUNT, until=1e9)
    assert (count, first) == (1, f"{FILE}: {returning.NUMBER}")


def test_a_failure_at_any_call_is_said_and_the_rest_is_done() -> None:
    calls: list[tuple[str, str]] = []
    machine = made()
    returning.let_in(MemoryStore(machine.disk, whole(), lambda *call: calls.append(call)), [SHUT], OWNER, ACCOUNT,
                     until=1e9)
    for number in range(len(calls)):
        machine, left = made(), itertools.count()

        def fails(call: str, path: str, left: itertools.count[int] = left, number: int = number) -> None:
            if next(left) == number:
                raise StoreError(f"{call} fails", path=path)

        count, first = returning.let_in(MemoryStore(machine.disk, whole(), fails), [SHUT], OWNER, ACCOUNT, until=1e9)
        assert count == 1 and "fails" in first
        assert len(give_back(users(machine), WORK, OWNER, ACCOUNT, None)) <= 1
        assert give_back(users(machine), WORK, OWNER, ACCOUNT, None, unlocking(machine)) == ()
    assert len(calls) > 8


def test_many_closed_places_are_asked_for_in_one_go_and_told_in_few_lines() -> None:
    machine, asked = made(), list[str]()
    sealed = parse(f"O:{ACCOUNT}G:{ACCOUNT}D:P(A;;RC;;;OW)")
    names = [f"f{number}" for number in range(3 * MOST_TOLD)]
    for name in names:
        machine.create(f"{WORK}\\{name}", command_token(plan()))
        machine.edit(f"{WORK}\\{name}", lambda _: sealed)
    held = give_back(users(machine), WORK, OWNER, ACCOUNT, names, unlocking(machine, asked))
    assert len(held) == MOST_TOLD + 1 and set(asked) == {f"{WORK}\\{name}" for name in names}


@pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX stand for those of Windows there")
def test_removing_ends_in_time_and_leaves_the_rest(tmp_path: Path) -> None:
    from tests.windows.posix_files import PosixFiles

    made = tmp_path / "made"
    (made / "a").mkdir(parents=True)
    assert trees.remove(PosixFiles(), str(made), until=0.0) == []  # type: ignore[arg-type]
    assert (made / "a").exists()
    assert trees.remove(PosixFiles(), str(made)) == []  # type: ignore[arg-type]
    assert not made.exists()
