"""Places that are open to many, looked for on disks in memory, against the model's word on what a token can change.

Knows: worlds, the store in memory, descriptors as installers leave them.  Must not know: how long a finding is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.windows.proving import GROUP, OFFLINE, USER, directory, file, load, policy_for, small
from tests.windows.acl_machines import disk_of

from sidewall import plan as planning
from sidewall.nt import wellknown as known
from sidewall.nt.access_check import access_check
from sidewall.nt.mask import FILE_DELETE_CHILD, MAPPINGS
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token
from sidewall.plan import world_facts
from sidewall.plan.facts_windows import Wide, WindowsFacts
from sidewall.plan.prove import user_of
from sidewall.plan.prove_access import Judge
from sidewall.plan.steps import Plan
from sidewall.plan.windows_edits import WRITING
from sidewall.plan.windows_report import holes
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.plan.world import World, place
from sidewall.platforms.windows import facts_open
from sidewall.platforms.windows.open_places import Budget, Search, Section, Start, writers
from sidewall.platforms.windows.store import OTHER, StoreError
from sidewall.platforms.windows.store_memory import MemoryStore

WORLDS = ("windows11", "shared-tools", "data-drive", "developer-tools", "repository", "onedrive")
SYSTEM = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
READ = "(A;OICI;0x1200a9;;;BU)"
ME = Sid(USER)


def search(world: World, *, stops: Iterable[str] = (), enter: Any = None, directories: int = 10_000) -> Search:
    user = user_of(world.accounts)
    return Search(MemoryStore(disk_of(world), user, enter), user.user, Budget(time.monotonic, directories),
                  frozenset(map(place, stops)))


def look(world: World, path: str = "C:\\", depth: int = 20, **options: Any) -> Section:
    return search(world, **options).look(Start(path=path, depth=depth), "", 7)


def facts(world: World, wide: tuple[Wide, ...], **changes: Any) -> WindowsFacts:
    return world_facts.facts(world, policy_for(world)).replace(wide=wide, **changes)


def planned(world: World, found: WindowsFacts) -> Plan:
    return planning.compile(policy_for(world).replace(require=()), found, tier="account")


def recipe_of(plan: Plan) -> TokenRecipe:
    (made,) = [step for step in plan.steps if isinstance(step, TokenRecipe)]
    return made


def paths(section: Section) -> set[str]:
    return {one.path for one in section.places}


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize("name", WORLDS)
def test_what_the_account_can_change_on_a_machine_is_found_and_nothing_else(name: str, everyone: bool) -> None:
    """Each directory that the model opens to the account's token lies in a place that is named, and each place that is
    named is open."""
    world = load(name)
    section = look(world)
    assert section.left == ""
    found = facts(world, section.places, needs_everyone=everyone)
    recipe = recipe_of(planned(world, found))
    named = {place(path) for path in holes(found, recipe)}
    judge, user = Judge(result(recipe)), Judge(user_of(world.accounts))
    open_to_it = set()
    for entry in world.entries:
        seen = entry.descriptor is not None and user.works(entry.descriptor, 0x20081)
        if entry.container and not entry.reparse and entry.path.startswith("C:") and seen:
            assert entry.descriptor is not None
            if judge.bounds(entry.descriptor).upper & WRITING:
                open_to_it.add(place(entry.path))
    assert named <= open_to_it
    covered = {path for path in open_to_it if any(f"{path}\\".startswith(f"{top}\\") for top in named)}
    assert covered == open_to_it
    if name == "shared-tools":
        assert named, "there is one to be found"


def test_public_is_open_to_interactive_logons_and_not_to_the_account() -> None:
    """What Windows grants below Public holds FILE_DELETE_CHILD; a group that only counts for denying opens nothing."""
    world = load("windows11")
    section = look(world, "C:\\Users\\Public", 3)
    (row,) = [one for one in section.places if one.who == known.INTERACTIVE]
    assert row.path == "C:\\Users\\Public\\Documents" and row.mask & FILE_DELETE_CHILD
    found = facts(world, section.places)
    recipe = recipe_of(planned(world, found))
    assert known.INTERACTIVE in recipe.disable and holes(found, recipe) == ()
    usual = recipe.replace(disable=tuple(sid for sid in recipe.disable if sid != known.INTERACTIVE))
    assert holes(found, usual) == (row.path,)


SIDS = ("WD", "BU", "AU", "IU", "RC", "WR", "SY", "BA", "OW", "CO", "BG", OFFLINE, GROUP, USER, "S-1-5-80-1-2-3-4-5")
MASKS = ("FA", "0x1301bf", "0x1301ff", "0x2", "0x4", "0x40", "0x10000", "0x40000", "GA", "GW", "0x1200a9", "0x100")
ENTRY = st.builds("({};{};{};;;{})".format, st.sampled_from("AAAD"), st.sampled_from(("", "OICI", "OICIIO", "CI")),
                  st.sampled_from(MASKS), st.sampled_from(SIDS))  # fmt: skip


@cache
def small_recipe(everyone: bool) -> tuple[WindowsFacts, TokenRecipe]:
    world = small()
    found = facts(world, (), needs_everyone=everyone)
    return found, recipe_of(planned(world, found))


@settings(deadline=None)
@given(entries=st.lists(ENTRY, max_size=6), owner=st.sampled_from(("SY", "BA", "WD", "BU", OFFLINE, USER)),
       everyone=st.booleans())  # fmt: skip
def test_no_list_of_any_shape_opens_a_directory_unnoticed(entries: list[str], owner: str, everyone: bool) -> None:
    descriptor = parse(f"O:{owner}G:BAD:{''.join(sorted(entries, key=lambda one: one[1] == 'A'))}")
    found, recipe = small_recipe(everyone)
    answer = access_check(descriptor, result(recipe), 0x2000000, MAPPINGS["file"])
    rows = tuple([Wide(path="C:\\x", who=sid, mask=bits) for sid, bits in writers(descriptor, ME).items()])
    if answer.upper & WRITING:
        assert holes(found.replace(wide=rows), recipe) == ("C:\\x",)
    assert not {row.who for row in rows} & {ME, known.SYSTEM, known.ADMINISTRATORS}


def test_a_directory_without_a_list_is_open_to_everyone() -> None:
    world = small(directory("C:\\bare", "O:BAG:BAD:NO_ACCESS_CONTROL"))
    assert look(world).places == (Wide(path="C:\\bare", who=known.EVERYONE, mask=WRITING),)


CONDITION = "(Exists WIN://SYSAPPID)"


@pytest.mark.parametrize(("entries", "found"), [
    (f"(XA;OICI;0x1200a9;;;BU;{CONDITION})", {}), (f"(XA;OICI;FA;;;BU;{CONDITION})", {known.USERS: WRITING}),
    (f"(XD;OICI;FA;;;BU;{CONDITION})(A;OICI;0x2;;;BU)", {known.USERS: 0x2}),
    (f"(XA;OICI;0x2;;;WD;{CONDITION})(D;;0x4;;;BU)(A;OICI;0x6;;;BU)", {known.EVERYONE: 0x2, known.USERS: 0x2}),
])  # fmt: skip
def test_a_condition_counts_as_it_grants_most(entries: str, found: dict[Sid, int]) -> None:
    """Where Windows keeps packages Users read by a condition: that is no place to write, but another one may be."""
    assert writers(parse(SYSTEM + entries), ME) == found


def test_of_a_tree_that_is_open_throughout_its_top_is_told() -> None:
    full = f"{SYSTEM}(A;OICI;FA;;;WD)"
    world = small(directory("C:\\x", full), directory("C:\\x\\a", full), directory("C:\\x\\a\\b", full),
                  directory("C:\\x\\more", full + "(A;OICI;FA;;;BU)"))
    assert [(one.path, one.who) for one in look(world).places] == [
        ("C:\\x", known.EVERYONE), ("C:\\x\\more", known.EVERYONE), ("C:\\x\\more", known.USERS)]


def test_two_groups_are_told_together_where_one_comes_to_the_other() -> None:
    """The group that grants the normal half stands above already; the other, deeper, makes a hole of both."""
    modify = f"{SYSTEM}(A;OICI;0x1301bf;;;AU)"
    world = small(directory("C:\\x", modify), directory("C:\\x\\y", modify + "(A;OICI;0x1301bf;;;RC)"))
    section = look(world)
    found = facts(world, section.places)
    assert holes(found, recipe_of(planned(world, found))) == ("C:\\x\\y",)


def test_only_so_deep_and_not_where_another_start_looks() -> None:
    full = f"{SYSTEM}(A;OICI;FA;;;BU)"
    world = small(*[directory(path, SYSTEM + READ) for path in ("C:\\a", "C:\\a\\b", "C:\\own")],
                  directory("C:\\a\\b\\c", full), directory("C:\\own\\x", full))
    assert paths(look(world, depth=2)) == {"C:\\own\\x"}
    assert paths(look(world, depth=3)) == {"C:\\own\\x", "C:\\a\\b\\c"}
    assert paths(look(world, depth=9, stops=["c:\\OWN"])) == {"C:\\a\\b\\c"}
    assert paths(look(world, "C:\\own", 1, stops=["C:\\own"])) == {"C:\\own\\x"}


@pytest.mark.parametrize("reparse", ["junction", "symlink"])
def test_nothing_leads_anywhere(reparse: str) -> None:
    full = f"{SYSTEM}(A;OICI;FA;;;BU)"
    world = small(directory("C:\\far", SYSTEM + READ), directory("C:\\far\\x", full),
                  directory("C:\\near", SYSTEM + READ), file("C:\\near\\file", full),
                  directory("C:\\near\\link", full, reparse=reparse, target="C:\\far"))
    assert paths(look(world, "C:\\near", 5)) == set()
    assert paths(look(world, "C:\\near\\link", 5)) == set()
    assert paths(look(world)) == {"C:\\far\\x"}


def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere() -> None:
    full = f"{SYSTEM}(A;OICI;FA;;;BU)"
    rows = (directory("C:\\far", SYSTEM + READ), directory("C:\\far\\x", SYSTEM + READ))
    before = small(*rows, directory("C:\\near", SYSTEM + READ))
    after = small(*rows, directory("C:\\near", full, reparse="junction", target="C:\\far"))
    disk = disk_of(before)

    def enter(call: str, path: str) -> None:
        if path == "C:\\near":
            disk.tree = disk_of(after).tree

    store = MemoryStore(disk, user_of(before.accounts), enter)
    section = Search(store, ME, Budget(time.monotonic), frozenset()).look(Start(path="C:\\", depth=3), "", 0)
    assert section.places == () and disk.tree.get("C:\\far") is not None


def test_what_one_account_was_granted_is_found() -> None:
    """Somebody let a sandbox's account write somewhere: both halves are that account's."""
    world = small(directory("C:\\x", f"{SYSTEM}{READ}(A;;0x2;;;{OFFLINE})"))
    section = look(world)
    found = facts(world, section.places)
    assert holes(found, recipe_of(planned(world, found))) == ("C:\\x",)


def test_what_may_not_be_read_is_counted() -> None:
    world = small(directory("C:\\closed", SYSTEM), directory("C:\\closed\\x", SYSTEM + READ),
                  directory("C:\\half", f"{SYSTEM}(A;;0x20080;;;BU)(A;;0x40;;;BU)"))
    section = look(world)
    # What may not be listed is looked at itself, and then counts too.
    assert (section.unread, section.example, section.left) == (2, "C:\\closed", "")
    assert paths(section) == {"C:\\half"}
    gone = look(world, "C:\\not-there")
    assert (gone.places, gone.unread, gone.left) == ((), 0, "")


def test_a_search_that_is_cut_off_says_where() -> None:
    world = load("windows11")
    whole, short = search(world), search(world, directories=5)
    whole.look(Start(path="C:\\", depth=9), "", 0)
    assert short.look(Start(path="C:\\", depth=9), "", 0).left.startswith("C:\\")
    assert short.look(Start(path="C:\\Users\\Public", depth=9), "", 0).left == "C:\\Users\\Public"
    late = Search(MemoryStore(disk_of(world), user_of(world.accounts)), ME,
                  Budget(iter([0.0, 1.0, 19.0, *[21.0] * 99]).__next__), frozenset())
    assert late.look(Start(path="C:\\", depth=9), "", 0).left


def test_a_directory_that_cannot_be_looked_at_is_told_and_the_others_are_looked_at() -> None:
    full = f"{SYSTEM}(A;OICI;FA;;;BU)"
    world = small(directory("C:\\busy", full), directory("C:\\other", full))

    def enter(call: str, path: str) -> None:
        if call == "child" and path == "C:\\busy":
            raise StoreError("it is in use", why=OTHER, path=path)

    section = look(world, enter=enter)
    assert section.left == "C:\\busy" and paths(section) == {"C:\\other"}


def test_a_bare_volume_is_open_as_a_whole() -> None:
    section = search(small()).look(Start(path="E:\\", depth=2, bare=True), "s", 3)
    assert section.places == (Wide(path="E:\\", who=known.EVERYONE, mask=WRITING),)
    assert (section.stamp, section.when) == ("s", 3)


def test_nothing_is_opened_for_a_change() -> None:
    calls = []
    look(load("windows11"), enter=lambda call, path: calls.append(call))
    assert set(calls) == {"open", "child", "names", "descriptor"}


def test_an_ordinary_token_of_a_group_is_what_is_asked_about() -> None:
    """One SID at a time: what another group is denied is granted all the same, which is the careful side."""
    descriptor = parse("O:BAG:BAD:(D;;FA;;;WD)(A;;FA;;;BU)")
    assert access_check(descriptor, Token(user=known.USERS), 0x2, MAPPINGS["file"]).certain
    assert writers(descriptor, ME) == {known.USERS: WRITING}


WIDE = Wide(path="C:\\x", who=known.EVERYONE, mask=WRITING)


@pytest.mark.parametrize(("sddl", "same"), [
    (SYSTEM + "(A;OICI;FA;;;WD)", True), (SYSTEM + READ, False), (SYSTEM + "(A;OICI;0x2;;;WD)", False),
    (SYSTEM + "(A;OICI;FA;;;WD)(A;;FA;;;BU)", False), ("O:BAG:BAD:NO_ACCESS_CONTROL", True),
])  # fmt: skip
def test_what_was_found_open_is_asked_about_again(sddl: str, same: bool) -> None:
    world = small(directory("C:\\x", sddl))
    store = MemoryStore(disk_of(world), user_of(world.accounts))
    start, found = Start(path="C:\\", depth=2), look(small(directory("C:\\x", SYSTEM + "(A;OICI;FA;;;WD)")))
    assert found.places == (WIDE,)
    assert facts_open.unchanged(store, ME, start, found) == same
    gone = MemoryStore(disk_of(small()), user_of(world.accounts))
    assert not facts_open.unchanged(gone, ME, start, found)
    assert facts_open.unchanged(gone, ME, start, found.replace(places=()))


def test_another_volume_under_the_same_letter_is_looked_at() -> None:
    store = MemoryStore(disk_of(small()), user_of(small().accounts))
    bare, listed = Start(path="E:\\", depth=2, bare=True), Start(path="E:\\", depth=2)
    of_bare, of_listed = search(small()).look(bare, "", 0), look(small(), "E:\\", 2).replace(left="")
    assert facts_open.unchanged(store, ME, bare, of_bare) and not facts_open.unchanged(store, ME, bare, of_listed)
    assert not facts_open.unchanged(store, ME, listed, of_bare)


def test_what_may_be_written_anyway_is_no_hole() -> None:
    at = [WIDE.replace(path=path) for path in (r"D:\w", r"D:\W\a", r"D:\wide", "D:\\", r"C:\Users\sw-off\x")]
    left = facts_open.outside(at, (r"d:\w", "", r"C:\Users\sw-off"))
    assert [one.path for one in left] == [r"D:\wide", "D:\\"]
    assert facts_open.outside(at, ("D:\\",)) == (at[-1],)
