"""What holds for every descriptor, token and request.

Knows: the rules told bit by bit (`plain_access`).  Must not know: how the check walks.
"""

from __future__ import annotations

from hypothesis import given, settings

from sidewall.nt import ace as aces
from sidewall.nt.access_check import access_check, write_mask
from sidewall.nt.access_check_answer import Answer
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, MAXIMUM_ALLOWED
from sidewall.nt.token import Group, Token

from . import dice_access as own
from .dice_access import SIDS, AccessDice
from .plain_access import plainly

FILE = MAPPINGS["file"]
KINDS = ("file", "key", "event", "mutant", "section", "directory_object", "process", "thread", "token", "desktop")
many = settings(max_examples=250, deadline=None)


def within(first: int, second: int) -> bool:
    return not first & ~second


def no_more(narrow: Answer, wide: Answer) -> bool:
    """Whether one answer grants no more than another, in every reading."""
    return within(narrow.mask, wide.mask) and within(narrow.lower, wide.lower) and within(narrow.upper, wide.upper)


def check(sd: SecurityDescriptor, token: Token, desired: int) -> Answer:
    return access_check(sd, token, desired, FILE)


@given(number=own.numbers)
@many
def test_the_walk_comes_to_what_each_bit_says(number: int) -> None:
    dice = AccessDice(number)
    for _ in range(10):
        inside = dice.chance(0.3)
        sd = dice.descriptor(SIDS + own.PACKAGES if inside else SIDS)
        if dice.chance(0.4):
            sd = sd.replace(sacl=dice.label())
        token = dice.token(package=float(inside), integrity=0.5)
        kind = "file" if inside else dice.random.choice(KINDS)
        desired = dice.desired()
        answer = access_check(sd, token, desired, MAPPINGS[kind], trace=dice.chance(0.5))
        assert (answer.verdict, answer.mask, answer.lower) == plainly(sd, token, desired, kind)


@given(number=own.numbers)
@many
def test_the_three_masks_lie_within_each_other(number: int) -> None:
    dice = AccessDice(number)
    sd, desired = dice.descriptor(), dice.desired()
    sd = sd.replace(sacl=dice.label((1, 3, 2, 4, 7, 0)) if dice.chance(0.5) else None)
    kind = dice.random.choice(KINDS)
    answer = access_check(sd, dice.token(package=0.2, integrity=0.5), desired, MAPPINGS[kind])
    assert within(answer.lower, answer.mask or answer.upper)
    assert within(answer.mask, answer.upper)
    assert bool(answer.readings) == (answer.lower != answer.upper)
    assert answer.granted == bool(answer.mask)


@given(number=own.numbers)
@many
def test_a_deny_more_never_grants(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(package=0.2), dice.desired()
    entries = () if sd.dacl is None else sd.dacl.aces
    place = dice.random.randint(0, len(entries))
    deny = dice.ace().replace(type=aces.ACCESS_DENIED)
    if deny.sid == own.OWNER_RIGHTS and not deny.flags & aces.INHERIT_ONLY:
        deny = deny.replace(sid=own.USER)  # an entry for OWNER RIGHTS takes more than its own bits away: tested apart
    closed = sd.replace(dacl=Acl(aces=(*entries[:place], deny, *entries[place:])))
    assert no_more(check(closed, token, desired), check(sd, token, desired))


@given(number=own.numbers)
@many
def test_a_deny_for_owner_rights_never_grants_either(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(), dice.desired()
    if sd.dacl is None:
        return
    deny = dice.ace(flags=False).replace(type=aces.ACCESS_DENIED, sid=own.OWNER_RIGHTS)
    assert no_more(check(sd.replace(dacl=Acl(aces=(deny, *sd.dacl.aces))), token, desired), check(sd, token, desired))


@given(number=own.numbers)
@many
def test_an_allow_more_never_denies(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(package=0.2), dice.desired()
    if sd.dacl is None:
        return
    place = dice.random.randint(0, len(sd.dacl.aces))
    allow = dice.ace(flags=False).replace(type=aces.ACCESS_ALLOWED, sid=dice.random.choice(SIDS))
    opened = sd.replace(dacl=Acl(aces=(*sd.dacl.aces[:place], allow, *sd.dacl.aces[place:])))
    assert no_more(check(sd, token, desired), check(opened, token, desired))


@given(number=own.numbers)
@many
def test_a_restricting_list_never_grants_more(number: int) -> None:
    dice = AccessDice(number)
    sd, free, desired = dice.descriptor(), dice.token(restricted=0, package=0.2, integrity=0.2), dice.desired()
    wide = check(sd, free, desired)
    bound = free.replace(restricting=dice.restricting())
    writes = bound.replace(write_restricted=True)
    assert no_more(check(sd, bound, desired), wide)
    assert no_more(check(sd, writes, desired), wide)
    assert within(check(sd, bound, desired).lower, check(sd, writes, desired).lower)


@given(number=own.numbers)
@many
def test_an_entry_less_in_the_restricting_list_never_grants_but_by_losing_a_deny(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(restricted=1), dice.desired()
    assert token.restricting is not None
    if sd.dacl is not None:
        allows = tuple(ace for ace in sd.dacl.aces if ace.type == aces.ACCESS_ALLOWED)
        sd = sd.replace(dacl=Acl(aces=allows))
    shorter = token.replace(restricting=token.restricting[1:])
    assert no_more(check(sd, shorter, desired), check(sd, token, desired))


@given(number=own.numbers)
@many
def test_a_lower_level_never_grants_more(number: int) -> None:
    dice = AccessDice(number)
    sd = dice.descriptor().replace(sacl=dice.label((1, 2, 4, 7)))
    token, desired = dice.token(), dice.desired()
    low, high = sorted(dice.random.choices(own.LEVELS, k=2))
    below, above = check(sd, token.replace(integrity=low), desired), check(sd, token.replace(integrity=high), desired)
    assert within(below.lower, above.lower)
    assert within(below.upper, above.upper)


@given(number=own.numbers)
@many
def test_a_group_that_is_only_for_denies_grants_no_more(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(restricted=0.3), dice.desired()
    if not token.groups:
        return
    chosen = dice.random.randrange(len(token.groups))
    groups = list(token.groups)
    groups[chosen] = Group(sid=groups[chosen].sid, attributes=0x10)
    assert no_more(check(sd, token.replace(groups=tuple(groups)), desired), check(sd, token, desired))
    assert no_more(check(sd, token.replace(user_deny_only=True), desired), check(sd, token, desired))


@given(number=own.numbers)
@many
def test_entries_that_are_only_handed_down_do_nothing(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(), dice.desired()
    if sd.dacl is None:
        return
    extra = dice.ace().replace(flags=aces.INHERIT_ONLY | aces.CONTAINER_INHERIT)
    place = dice.random.randint(0, len(sd.dacl.aces))
    more = sd.replace(dacl=Acl(aces=(*sd.dacl.aces[:place], extra, *sd.dacl.aces[place:])))
    assert check(more, token, desired) == check(sd, token, desired)


@given(number=own.numbers)
@many
def test_the_maximum_is_what_can_be_had(number: int) -> None:
    """All bits of the maximum are granted together, and no bit that can be had alone is missing from it."""
    dice = AccessDice(number)
    sd, token = dice.descriptor(), dice.token(package=0.2)
    token = token.replace(privileges=frozenset())
    most = check(sd, token, MAXIMUM_ALLOWED)
    if most.lower:
        assert check(sd, token, most.lower).certain
    if not token.write_restricted and most.granted:
        assert check(sd, token, most.mask).granted
    for bit in (1 << number for number in range(21)):
        alone = check(sd, token, bit)
        if FILE.all & bit or sd.dacl is not None:
            assert within(alone.mask & FILE.all, most.mask)
            assert within(alone.upper & FILE.all, most.upper)


@given(number=own.numbers)
@many
def test_a_trace_changes_nothing(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(package=0.2, integrity=0.3), dice.desired()
    traced = access_check(sd, token, desired, FILE, trace=True)
    assert traced.trace
    assert traced.replace(trace=()) == check(sd, token, desired)


@given(number=own.numbers)
@many
def test_bits_given_before_are_not_asked_for_again(number: int) -> None:
    dice = AccessDice(number)
    sd, token, desired = dice.descriptor(), dice.token(integrity=0.2), dice.desired(most=0) & 0xFFFFFF or 1
    before = dice.mask() & 0xFFFFFF
    answer = access_check(sd, token, desired, FILE, previously_granted=before)
    rest = desired & ~before
    assert answer.granted == (not rest or check(sd, token, rest).granted)


def test_the_write_masks_are_the_measured_ones() -> None:
    expected = {
        "file": 0x10D0116, "key": 0x10D0006, "event": 0x10D0002, "semaphore": 0x10D0002, "section": 0x10D0002,
        "mutant": 0x10D0000, "directory_object": 0x10D000C, "process": 0x10D0BEA, "thread": 0x10D0437,
    }
    assert {kind: write_mask(MAPPINGS[kind]) for kind in expected} == expected
