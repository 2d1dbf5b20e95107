"""What holds for every policy and every request, on both flavours of paths.

Knows: the documented order of rules, told once more here as plainly as can be.  Must not know: how ``decide`` is built.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.policy import globs, hosts, paths
from sidewall.policy.connect import deciding
from sidewall.policy.decide import decide
from sidewall.policy.model import DENY, READ, WRITE, FileRule, Policy, Request
from sidewall.policy.paths import WINDOWS
from sidewall.policy.protect import Names

from . import dice as own
from .dice import Dice

STRICTNESS = (DENY, READ, WRITE)
ALLOWING = {READ: (READ, WRITE), WRITE: (WRITE,)}


def plainly(policy: Policy, request: Request) -> bool:
    """The answer for a path by looking at every rule."""
    flavour, allowing, place = policy.flavour, ALLOWING[request.action], request.target
    private = [FileRule(path=name, access=WRITE) for name in policy.private]
    git = [FileRule(path=name, access=WRITE) for name in policy.gitdirs]
    if any(globs.covers(rule.path, place, flavour) for rule in policy.files if rule.glob):
        return False
    covering = [rule for rule in (*policy.files, *private, *git) if not rule.glob
                and paths.is_within(place, rule.path, flavour, wide=rule.access not in allowing)]
    best = min(covering, key=lambda rule: (-paths.depth(rule.path, flavour), STRICTNESS.index(rule.access)),
               default=None)
    if best is None:
        return request.action == READ
    if best.access not in allowing or request.action == READ:
        return best.access in allowing
    roots = [rule for rule in covering if rule in policy.files and rule.access == WRITE]
    written = paths.depth(best.path, flavour) in [paths.depth(rule.path, flavour) for rule in roots]
    if best in private and best not in git and not written:
        return True
    names = Names(policy.protected, policy.git, flavour)
    parts = paths.parts(place, flavour)
    for rule in git:
        rest = parts[paths.depth(rule.path, flavour) + 1 :]
        if paths.is_within(place, rule.path, flavour) and names.holding_git(rest):
            return False
    if not written:
        return True
    outermost = min(paths.depth(rule.path, flavour) for rule in roots)
    return not names.holding(parts[outermost + 1 :])


@given(dice=own.dice)
@settings(max_examples=600, deadline=None)
def test_the_answer_is_the_documented_one(dice: Dice) -> None:
    policy = dice.policy()
    for _ in range(12):
        request = dice.file_request()
        assert decide(policy, request).allowed == plainly(policy, request), (policy, request)


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_the_order_of_rules_is_irrelevant(dice: Dice) -> None:
    policy = dice.policy()
    other = policy.replace(files=dice.shuffled(policy.files),
                           network=policy.network.replace(hosts=dice.shuffled(policy.network.hosts)))
    asked = [dice.request() for _ in range(12)]
    assert [decide(policy, request) for request in asked] == [decide(other, request) for request in asked]


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_one_more_denial_allows_nothing_more(dice: Dice) -> None:
    policy = dice.policy()
    stricter = policy.replace(
        files=(*policy.files, dice.file_rule().replace(access=DENY)),
        network=policy.network.replace(hosts=(*policy.network.hosts, dice.host_rule().replace(allow=False))),
    )
    asked = [dice.request() for _ in range(12)]
    denied = [request for request in asked if not decide(policy, request).allowed]
    assert [request for request in denied if decide(stricter, request).allowed] == []


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_what_can_be_written_can_be_read(dice: Dice) -> None:
    policy = dice.policy()
    places = [dice.place() for _ in range(12)]
    for place in places:
        if decide(policy, Request(action=WRITE, target=place)).allowed:
            assert decide(policy, Request(action=READ, target=place)).allowed, (policy, place)


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_of_two_rules_one_decides(dice: Dice) -> None:
    """Specificity is total: two rules never both outrank each other, nor neither."""
    pair = (dice.file_rule(), dice.file_rule())
    policy = dice.policy().replace(private=(), gitdirs=(), protected=(), git="commit", files=pair)
    request = Request(action=READ, target=dice.place())
    found = decide(policy, request)
    alone = [decide(policy.replace(files=(rule,)), request) for rule in pair]
    said = [each.allowed for each in alone if each.rule is not None]
    assert (found.rule is None) == (not said)
    assert not said or found.allowed in said


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_the_case_of_letters_opens_nothing_on_windows(dice: Dice) -> None:
    dice.flavour = WINDOWS
    policy = dice.policy()
    for _ in range(12):
        request = dice.file_request()
        other = Request(action=request.action, target=request.target.upper())
        if paths.key(request.target, WINDOWS) == paths.key(other.target, WINDOWS):
            assert decide(policy, request).allowed or not decide(policy, other).allowed, (policy, request)


@given(dice=own.dice, action=st.sampled_from(("read", "write", "connect")), target=st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_text_gets_an_answer(dice: Dice, action: str, target: str) -> None:
    decision = decide(dice.policy(), Request(action=action, target=target))
    assert decision.reason
    assert decision.kind != "invalid" or not decision.allowed


@given(dice=own.dice, target=st.text(alphabet="aAéß~1.: \\/?*<COMNUL$@", max_size=20))
@settings(max_examples=200, deadline=None)
def test_an_answer_on_windows_holds_for_the_normal_form_too(dice: Dice, target: str) -> None:
    dice.flavour = WINDOWS
    policy = dice.policy()
    for text in (target, "C:\\a\\" + target):
        decision = decide(policy, Request(action="write", target=text))
        if decision.kind != "invalid":
            plain = paths.normalise(text, WINDOWS)
            assert decide(policy, Request(action="write", target=plain)).allowed == decision.allowed


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_the_most_specific_host_rule_decides(dice: Dice) -> None:
    rules = tuple(dice.host_rule() for _ in range(dice.random.randint(0, 6)))
    host, port = dice.one(own.HOSTS), dice.one((22, 80, 443))
    matching = [rule for rule in rules if hosts.match(rule.pattern, host, port, any_port=not rule.allow)]
    found = deciding(rules, hosts.host(host), port)
    if not matching:
        assert found is None
        return
    ranks = [hosts.specificity(hosts.parse(rule.pattern)) for rule in matching]
    best = [rule for rule, rank in zip(matching, ranks, strict=True) if rank == max(ranks)]
    assert found is not None
    assert found.allow == all(rule.allow for rule in best)
