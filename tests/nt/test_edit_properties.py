"""Edit and inverse over random lists and random changes by others: byte-equal text, nothing else touched."""

from __future__ import annotations

import itertools
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.nt import edit, sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED, SecurityDescriptor
from sidewall.nt.edit import ALLOW, DENY, Edit, Want
from sidewall.nt.edit_merge import common, rank
from sidewall.nt.sid import Sid
from sidewall.nt.wellknown import ADMINISTRATORS, EVERYONE, SYSTEM, USERS

many = settings(max_examples=int(os.environ.get("SIDEWALL_NT_EXAMPLES", "100")), deadline=None)
OURS = (Sid("S-1-5-21-71-72-73-1"), Sid("S-1-5-21-71-72-73-2"))
OTHERS = (EVERYONE, SYSTEM, ADMINISTRATORS, USERS)
MASKS = (0x1, 0x2, 0x1200A9, 0x1301BF, 0x1F01FF, 0xD0156, 0x10000)
FLAGS = (0, 1, 2, 3, 3 | 4, 3 | 8, 1 | 8, 2 | 4 | 8)


def aces(sids: tuple[Sid, ...], kinds: tuple[int, ...] = (0, 1), inherited: int = 0) -> st.SearchStrategy[Ace]:
    return st.builds(lambda kind, flags, mask, sid: Ace(type=kind, flags=flags | inherited, mask=mask, sid=sid),
                     st.sampled_from(kinds), st.sampled_from(FLAGS), st.sampled_from(MASKS), st.sampled_from(sids))


def descriptors(sids: tuple[Sid, ...]) -> st.SearchStrategy[SecurityDescriptor]:
    """Canonical DACLs: explicit denies, explicit allows, inherited ones in any order."""
    return st.builds(
        lambda denies, allows, down, control: SecurityDescriptor(
            owner=SYSTEM, group=SYSTEM, dacl=Acl(aces=(*denies, *allows, *down)), control=control),
        st.lists(aces(sids, (1,)), max_size=3), st.lists(aces(sids, (0,)), max_size=4),
        st.lists(aces(sids, (0, 1), 0x10), max_size=4),
        st.sampled_from((0, SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED)),
    )


def wants() -> st.SearchStrategy[tuple[Want, ...]]:
    one = st.builds(lambda kind, sid, mask, flags: Want(kind=kind, sid=sid, mask=mask, flags=flags),
                    st.sampled_from((ALLOW, DENY)), st.sampled_from(OURS), st.sampled_from(MASKS),
                    st.sampled_from(FLAGS))
    return st.lists(one, max_size=4).map(tuple)


def text(sd: SecurityDescriptor, entries: list[Ace] | tuple[Ace, ...] | None = None) -> str:
    if entries is not None:
        sd = sd.replace(dacl=Acl(aces=tuple(entries)))
    return sddl.format(sd)


def entries_of(sd: SecurityDescriptor) -> tuple[Ace, ...]:
    assert sd.dacl is not None
    return sd.dacl.aces


@given(descriptors(OTHERS + OURS), wants(), st.sampled_from(((), OURS[:1], OURS)), st.booleans())
@many
def test_edit_reaches_its_wants_in_order_and_undoes_byte_for_byte(
    sd: SecurityDescriptor, wanted: tuple[Want, ...], only: tuple[Sid, ...], shared: bool,
) -> None:
    mine = edit.smallest(sd, wanted, only=only, shared=shared)
    there = edit.apply(sd, mine)
    assert not there.missing
    assert there.sd.dacl is not None
    assert there.sd.dacl.is_canonical()
    assert edit.unmet(there.sd, wanted, only=only) == ()
    explicit = {ace for ace in entries_of(there.sd) if not ace.flags & 0x10}
    for want in wanted:
        assert any(edit.covers(ace, want.ace()) for ace in explicit)
    for sid in only:
        assert {ace for ace in explicit if ace.sid == sid} == {want.ace() for want in wanted if want.sid == sid}
    back = edit.undo(there.sd, mine)
    assert text(back.sd) == text(sd)
    assert back.sd.to_bytes() == sd.to_bytes()
    assert not back.missing
    assert edit.apply(back.sd, mine).sd == there.sd
    assert Edit.from_json(mine.to_json()) == mine


@given(descriptors(OTHERS + OURS), wants(), st.sampled_from(((), OURS)))
@many
def test_the_edit_is_the_smallest(sd: SecurityDescriptor, wanted: tuple[Want, ...], only: tuple[Sid, ...]) -> None:
    mine = edit.smallest(sd, wanted, only=only)
    there = entries_of(edit.apply(sd, mine).sd)
    for ace in mine.added:
        without = list(there)
        without.remove(ace)
        missing = edit.unmet(sd.replace(dacl=Acl(aces=tuple(without))), wanted, only=only)
        covered = [other for other in without if edit.covers(other, ace)]
        assert missing or covered  # of two wants, one may make the other needless
    for ace in mine.removed:
        assert ace.sid in only
    if not mine.empty and not only:
        assert edit.unmet(sd, wanted)


@given(descriptors(OTHERS), wants(), st.data())
@many
def test_whatever_others_do_to_their_entries_is_kept(
    sd: SecurityDescriptor, wanted: tuple[Want, ...], data: st.DataObject,
) -> None:
    """Others delete, add, reorder and rewrite what is theirs, around our entries, and even take some of ours away."""
    mine = edit.smallest(sd, wanted)
    there = entries_of(edit.apply(sd, mine).sd)
    assert len(mine.added) == len(there) - len(entries_of(sd))
    theirs = data.draw(st.lists(aces(OTHERS, (0, 1)) | aces(OTHERS, (0, 1), 0x10), max_size=5))
    theirs += [ace for ace in there if ace not in mine.added and data.draw(st.booleans())]
    theirs = data.draw(st.permutations(theirs))
    ours = [ace for ace in there if ace in mine.added]
    stolen = [ace for ace in ours if data.draw(st.integers(0, 5)) == 0]
    ours = data.draw(st.permutations([ace for ace in ours if ace not in stolen]))
    # Where ours stand among theirs: any places at all.
    mixed: list[Ace] = list(theirs)
    for ace in ours:
        mixed.insert(data.draw(st.integers(0, len(mixed))), ace)
    control = data.draw(st.sampled_from((0, SE_DACL_PROTECTED, SE_DACL_AUTO_INHERITED)))
    now = sd.replace(dacl=Acl(aces=tuple(mixed)), control=control | 4)
    back = edit.undo(now, mine)
    assert text(back.sd) == text(now, theirs)
    assert sorted(map(repr, back.missing)) == sorted(map(repr, stolen))
    assert text(edit.undo(back.sd, mine).sd) == text(back.sd)


@given(st.lists(aces(OTHERS), max_size=5, unique=True), wants(), st.data())
@many
def test_equal_entries_of_others_stay_as_often_as_they_were_put(
    given_aces: list[Ace], wanted: tuple[Want, ...], data: st.DataObject,
) -> None:
    """Others put copies of our own entries anywhere: exactly ours go, and theirs stand where they put them."""
    sd = SecurityDescriptor(owner=SYSTEM, group=SYSTEM, dacl=Acl(aces=tuple(sorted(given_aces, key=rank))))
    mine = edit.smallest(sd, wanted)
    mixed = [(ace, False) for ace in entries_of(edit.apply(sd, mine).sd)]
    copies = 0
    for ace in mine.added:
        for _ in range(data.draw(st.integers(0, 2))):
            mixed.insert(data.draw(st.integers(0, len(mixed))), (ace, True))
            copies += 1
    now = sd.replace(dacl=Acl(aces=tuple(ace for ace, _ in mixed)))
    back = entries_of(edit.undo(now, mine).sd)
    assert len(back) == len(entries_of(sd)) + copies
    assert [ace for ace in back if ace not in mine.added] == list(entries_of(sd))
    for ace in mine.added:
        assert back.count(ace) == sum(1 for other, theirs in mixed if theirs and other == ace)
    if len(mine.added) == 1:
        assert list(back) == [ace for ace, theirs in mixed if theirs or ace not in mine.added]


@given(descriptors(OTHERS + OURS), wants(), st.data())
@many
def test_what_was_taken_away_comes_back_among_its_neighbours(
    sd: SecurityDescriptor, wanted: tuple[Want, ...], data: st.DataObject,
) -> None:
    """`only` takes entries of our SIDs away; others change theirs in canonical order; the inverse puts them back."""
    mine = edit.smallest(sd, wanted, only=OURS)
    there = list(entries_of(edit.apply(sd, mine).sd))
    kept = [ace for ace in there if ace in mine.added or data.draw(st.integers(0, 3))]
    for ace in data.draw(st.lists(aces(OTHERS, (0, 1)), max_size=3)):
        places = [at for at in range(len(kept) + 1) if all(rank(e) <= rank(ace) for e in kept[:at])
                  and all(rank(e) >= rank(ace) for e in kept[at:])]
        kept.insert(data.draw(st.sampled_from(places)), ace)
    back = edit.undo(sd.replace(dacl=Acl(aces=tuple(kept))), mine)
    entries = entries_of(back.sd)
    assert back.sd.dacl is not None
    assert back.sd.dacl.is_canonical()
    gone = list(mine.added)
    assert len(entries) == len(kept) - len(gone) + len(mine.removed)
    for ace in mine.removed:
        assert entries.count(ace) >= mine.removed.count(ace)
    # Everything that others left or made stands in the same order as before.
    rest = list(kept)
    for ace in gone:
        rest.remove(ace)
    assert _subsequence(rest, list(entries))
    # What came back and is left of the original list stands in the original's order.
    original = list(entries_of(sd))
    if len(set(original)) == len(original) and not any(ace in original for ace in _added_by_others(kept, there)):
        survivors = [ace for ace in original if ace in entries]
        assert [ace for ace in entries if ace in original] == survivors


def _added_by_others(kept: list[Ace], there: list[Ace]) -> list[Ace]:
    rest = list(there)
    return [ace for ace in kept if ace not in rest or rest.remove(ace)]  # type: ignore[func-returns-value]


def _subsequence(short: list[Ace], long: list[Ace]) -> bool:
    rest = iter(long)
    return all(ace in rest for ace in short)


@given(st.lists(aces(OTHERS[:2], (0,)), max_size=7), st.lists(aces(OTHERS[:2], (0,)), max_size=7))
@many
def test_common_is_a_longest_common_subsequence(left: list[Ace], right: list[Ace]) -> None:
    pairs = common(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(pairs))

    def longest(i: int, j: int) -> int:
        if i == len(left) or j == len(right):
            return 0
        if left[i] == right[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    assert len(pairs) == longest(0, 0)
