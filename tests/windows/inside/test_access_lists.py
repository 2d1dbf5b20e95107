"""The store and the journal of access lists on a running Windows; the lists themselves where the system keeps them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.errors import MachineError
from sidewall.nt.ace import Ace
from sidewall.nt.sddl import format as text
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import TREE, AclEdit, Placeholder
from sidewall.platforms.windows.acls import native
from sidewall.platforms.windows.api import native as windows
from sidewall.platforms.windows.journal import ProcessOwners, on_disk
from sidewall.platforms.windows.journal_records import Made, Owner, State
from sidewall.platforms.windows.store import EXISTS, FULL, MISSING, VOLUME, StoreError
from sidewall.platforms.windows.store_win32 import Win32Store
from sidewall.policy import profiles
from sidewall.policy.paths import WINDOWS

OPEN_TO_ALL = parse("D:P(A;;FA;;;WD)")
NOBODY = Sid("S-1-5-21-11-22-33-4444")


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A directory with a file of two names, and a name of many characters."""
    real = os.path.realpath(tmp_path)
    Path(real, "one.txt").write_text("x")
    os.link(real + "\\one.txt", real + "\\two.txt")
    Path(real, "한국어 😀 " + "x" * 100).mkdir()
    return real


def why(path: str) -> str:
    with pytest.raises(StoreError) as caught:
        Win32Store(windows()).open(path, change=False)
    return caught.value.why


def test_what_is_open_tells_what_it_is(place: str) -> None:
    store = Win32Store(windows())
    with store.open(place, change=True) as here:
        assert here.traits.directory and not here.traits.leads
        assert sorted(here.names()) == sorted(os.listdir(place))
        identities = set()
        for name in here.names():
            with here.child(name, change=True) as child:
                identities.add(child.traits.identity)
                assert child.traits.shared == name.endswith(".txt")
                assert child.descriptor().owner is not None
        assert len(identities) == 2  # two names are one file
        with store.open(place, change=False) as again:
            assert again.traits == here.traits
    assert why(place + "\\none") == why(place + "\\none\\deeper") == MISSING
    assert why("Q:\\somewhere") == VOLUME


def test_only_a_root_is_opened_by_its_path(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is held can become a junction in its place: a path that leads through it may lead elsewhere."""
    api, by_path, below = windows(), [], []
    kernel, ntdll = type(api.kernel32), type(api.ntdll)
    opens, creates = kernel.CreateFileW, ntdll.NtCreateFile

    def opened(self: object, path: str, *values: object, **named: object) -> object:
        by_path.append(path)
        return opens(self, path, *values, **named)

    def created(self: object, name: str, *values: object, **named: object) -> object:
        below.append((name, named.get("directory") is not None))
        return creates(self, name, *values, **named)

    monkeypatch.setattr(kernel, "CreateFileW", opened)
    monkeypatch.setattr(ntdll, "NtCreateFile", created)
    monkeypatch.setattr(kernel, "CreateDirectoryW", None)
    store = Win32Store(api)
    with store.open(place, change=True) as here:
        assert sorted(here.names()) == sorted(os.listdir(place))
        for name in here.names():
            here.child(name, change=True).close()
    for directory in (True, False):
        assert store.remove(place + "\\new", store.make(place + "\\new", directory=directory, descriptor=OPEN_TO_ALL))
    assert {len(path.removeprefix("\\\\?\\")) for path in by_path} == {len("C:\\")}
    assert len(below) > 20 and all(held and "\\" not in name for name, held in below)


def test_a_directory_that_became_another_is_still_the_one_that_was_opened(place: str, tmp_path: Path) -> None:
    """What its name leads to by then is nobody's business: on Windows nobody could rename it either."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one.txt").write_text("the user's own")
    store = Win32Store(windows())
    with store.open(place, change=True) as here, store.open(str(outside) + "\\one.txt", change=False) as own:
        assert "one.txt" in here.names()
        try:
            os.rename(place, place + "-moved")
            os.rename(outside, place)
        except PermissionError:
            pass
        with here.child("one.txt", change=True) as child:
            assert child.traits.identity != own.traits.identity


def test_a_placeholder_is_made_once_and_removed_only_while_it_is_empty_and_ours(place: str) -> None:
    store, path = Win32Store(windows()), place + "\\held"
    for directory in (True, False):
        identity = store.make(path, directory=directory, descriptor=OPEN_TO_ALL)
        with pytest.raises(StoreError) as caught:
            store.make(path, directory=directory, descriptor=OPEN_TO_ALL)
        assert caught.value.why == EXISTS
        inside = Path(path, "x") if directory else Path(path)
        inside.write_text("something")
        with pytest.raises(StoreError) as caught:
            store.remove(path, identity)
        assert caught.value.why == FULL
        if directory:
            inside.unlink()
        else:
            inside.write_text("")
        assert not store.remove(path, identity.replace(file="0" * 32))
        assert store.remove(path, identity)
        assert not os.path.lexists(path)
        assert not store.remove(path, identity)


def test_the_journal_lies_on_this_disk_and_one_holds_it(tmp_path: Path) -> None:
    owners = ProcessOwners(windows())
    me = owners.own()
    assert owners.alive(me)
    assert not owners.alive(Owner(pid=me.pid, created=me.created + 1))
    assert not owners.alive(Owner(pid=4_000_004, created=1))
    journal = on_disk(str(tmp_path / "state"))
    made = Made(lease="a", owner=me, policy="p", path="C:\\한국어", directory=True, sddl="D:P")
    with journal.hold():
        journal.append([made])
        journal.append([made.replace(path="C:\\two")])
        state = journal.read()
        assert [one.path for one in state.made] == ["C:\\한국어", "C:\\two"]
        journal.replace(state)
        assert journal.read() == state
        journal.replace(State())
    assert os.listdir(tmp_path / "state") == ["access-lists.lock"]


def test_a_plan_is_in_force_and_undone_or_refused_with_nothing_left(place: str, tmp_path: Path) -> None:
    """Where the system does not keep lists (Wine), what is read back is not what was written, and that stops it."""
    store = Win32Store(windows())

    def listed() -> dict[str, str]:
        found = {}
        for path in (place, place + "\\one.txt", place + "\\" + max(os.listdir(place), key=len)):
            with store.open(path, change=False) as here:
                found[path] = text(here.descriptor())
        return found

    before, names = listed(), sorted(os.listdir(place))
    steps = (Placeholder(path=place + "\\held", directory=True, sddl="D:P(A;;FA;;;WD)"),
             AclEdit(path=place, purposes=("grant",), aces=(Ace(type=0, flags=3, mask=0x1301BF, sid=NOBODY),),
                     reach=TREE))
    policy = profiles.build(":workspace", workspace=place, home="C:\\Users\\nobody", flavour=WINDOWS)
    lists = native(windows(), str(tmp_path.parent / (tmp_path.name + "-state")))
    plan = Plan(platform="windows", tier="token", policy=policy, steps=steps, guarantees=())
    told, applied = "", None
    try:
        applied = lists.apply(plan)
    except MachineError as error:
        told = error.message
    if applied is None:
        assert "does not say what was written to it" in told
    else:
        assert NOBODY in listed()[place + "\\" + max(os.listdir(place), key=len)]
        assert NOBODY not in listed()[place + "\\one.txt"]
        assert applied.release() == ()
    assert listed() == before
    assert sorted(os.listdir(place)) == names
    assert lists.recover() == ()
