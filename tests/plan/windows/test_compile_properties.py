"""Properties of Windows plans on any rules: what is granted is allowed, and a narrower policy grants no more.

Knows: how explicit and inherited ACEs are read, nearest first (written down here a second time, in a few lines, so that
the plan is not checked by itself).  Must not know: how the compiler comes to its edits.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall import plan as planning
from sidewall.nt import mask
from sidewall.nt.ace import ACCESS_DENIED, CONTAINER_INHERIT, INHERIT_ONLY, OBJECT_INHERIT
from sidewall.nt.sid import Sid
from sidewall.plan.guarantees import LEVELS, by_name
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import AclEdit, Placeholder, TokenRecipe
from sidewall.policy.decide import decide
from sidewall.policy.model import DENY, GUARANTEES, READ, WRITE, FileRule, Policy, Request

from .machines import GROUP, HOME, WORK, Disk, machine, of, policy, rule

DIRECTORIES = (
    WORK, WORK + r"\a", WORK + r"\a\b", WORK + r"\a\b\c", WORK + r"\d", HOME + r"\other", HOME + r"\other\x",
    HOME + r"\other\x\y", r"D:\data", r"D:\data\p", r"D:\data\p\q",
)  # fmt: skip
FILES = tuple(f"{path}\\f.txt" for path in DIRECTORIES)
DISK = Disk(dict.fromkeys(DIRECTORIES, "dir") | dict.fromkeys(FILES, "file"))
RULES = st.lists(
    st.builds(rule, st.sampled_from([*DIRECTORIES, *FILES]), st.sampled_from([WRITE, READ, DENY])), max_size=6
)
TIERS = st.sampled_from(["account", "token", "token-strict"])


def made(rules: list[FileRule], tier: str, protected: tuple[str, ...] = ()) -> tuple[Policy, Plan]:
    about = policy(":workspace", *rules).replace(protected=protected, require=())
    facts = machine(about, DISK).replace(protected=())
    return about, planning.compile(about, facts, tier=tier)


def granted(plan: Plan, sid: Sid, path: str) -> int:
    """The rights that the plan's ACEs give ``sid`` at ``path``: its own first, then what each directory above passes
    on; in each list denies before allows; the first ACE that names a bit decides it."""
    passed = OBJECT_INHERIT if path in FILES else CONTAINER_INHERIT
    edits = {step.path.upper(): step.aces for step in of(plan, AclEdit)}
    given = taken = 0
    at, own = path, True
    while at.count("\\"):
        for ace in edits.get(at.upper(), ()):
            if ace.sid != sid or (ace.flags & INHERIT_ONLY if own else not ace.flags & passed):
                continue
            if ace.type == ACCESS_DENIED:
                taken |= ace.mask & ~given
            else:
                given |= ace.mask & ~taken
        at, own = at.rpartition("\\")[0], False
    return given


def trustees(plan: Plan) -> tuple[Sid, ...]:
    capability = of(plan, TokenRecipe)[0].restricting[0]
    return (capability, GROUP) if plan.tier == "account" else (capability,)


@settings(deadline=None, max_examples=80)
@given(RULES, TIERS)
def test_writing_is_granted_exactly_where_it_is_allowed(rules: list[FileRule], tier: str) -> None:
    about, plan = made(rules, tier)
    held = {step.path for step in of(plan, Placeholder)}
    for path in (*DIRECTORIES, *FILES):
        allowed = decide(about, Request(action="write", target=path)).allowed
        for sid in trustees(plan):
            rights = granted(plan, sid, path)
            writes = bool(rights & (mask.FILE_WRITE_DATA | mask.FILE_APPEND_DATA))
            assert writes == allowed, f"{path}: {sid} has {rights:#x}"
            assert rights & (mask.WRITE_DAC | mask.WRITE_OWNER | mask.FILE_DELETE_CHILD) == 0
            if not allowed:
                assert rights & mask.DELETE == 0, f"{path} may be deleted"
    assert not held & set(DIRECTORIES)


@settings(deadline=None, max_examples=50)
@given(RULES, st.sampled_from(["account", "token-strict"]))
def test_reading_is_granted_only_where_it_is_allowed(rules: list[FileRule], tier: str) -> None:
    about, plan = made(rules, tier)
    for path in (*DIRECTORIES, *FILES):
        allowed = decide(about, Request(action="read", target=path)).allowed
        for sid in trustees(plan):
            rights = granted(plan, sid, path)
            if not allowed:
                assert rights & (mask.FILE_READ_DATA | mask.FILE_READ_EA) == 0, path


@settings(deadline=None, max_examples=50)
@given(RULES, RULES.filter(bool), TIERS)
def test_a_narrower_policy_grants_no_more(rules: list[FileRule], more: list[FileRule], tier: str) -> None:
    """Rules that only deny or only let read are added; nothing becomes writable or readable by that."""
    narrowing = [one.replace(access=READ if one.access == WRITE else one.access) for one in more]
    _about, wide = made(rules, tier)
    narrower, narrow = made([*rules, *narrowing], tier)
    for path in (*DIRECTORIES, *FILES):
        for before, after in zip(trustees(wide), trustees(narrow), strict=True):
            gained = granted(narrow, after, path) & ~granted(wide, before, path)
            # A rule that lets read what the owner keeps to himself gives reading, where reading is allowed at all.
            if decide(narrower, Request(action="read", target=path)).allowed:
                gained &= ~mask.FILE_READ_AND_EXECUTE
            # To go through a directory on the way is not to read it.
            gained &= ~(mask.FILE_TRAVERSE | mask.FILE_READ_ATTRIBUTES | mask.SYNCHRONIZE)
            assert gained == 0, f"{path}: {gained:#x} more"


@settings(deadline=None, max_examples=25)
@given(RULES, TIERS)
def test_the_order_and_the_case_of_rules_change_nothing(rules: list[FileRule], tier: str) -> None:
    _, plan = made(rules, tier)
    _, turned = made(rules[::-1], tier)
    assert plan.digest == turned.digest


@settings(deadline=None, max_examples=25)
@given(RULES, TIERS, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["off", "on"]))
def test_every_guarantee_once_in_order(rules: list[FileRule], tier: str, scanned: bool, audited: bool, private: bool,
                                       mode: str) -> None:
    about = policy(":workspace", *rules).replace(require=())
    about = about.replace(network=about.network.replace(mode=mode))
    facts = machine(about, DISK, scanned=scanned, audited=audited, home_private=private)
    plan = planning.compile(about, facts, tier=tier)
    assert tuple(entry.name for entry in plan.guarantees) == GUARANTEES
    for entry in plan.guarantees:
        assert entry.level in LEVELS and entry.mechanism
        # Whatever is missing is said.
        assert entry.level == "enforced" or entry.reason


@settings(deadline=None, max_examples=15)
@given(RULES)
def test_the_account_tier_is_never_worse_than_the_tokens(rules: list[FileRule]) -> None:
    def levels_of(tier: str) -> dict[str, int]:
        return {name: LEVELS.index(entry.level) for name, entry in by_name(made(rules, tier)[1].guarantees).items()}

    levels = {tier: levels_of(tier) for tier in ("account", "token", "token-strict")}
    for name in GUARANTEES:
        # Asking programs not to resolve names holds as little as a filter that a service goes around.
        if name != "name-resolution":
            assert levels["account"][name] <= min(levels["token"][name], levels["token-strict"][name]), name


@settings(deadline=None, max_examples=15)
@given(RULES)
def test_one_capability_a_plan_and_no_sid_of_many(rules: list[FileRule]) -> None:
    """However many roots there are, the token does not grow; no ACE names a group that others are in."""
    for tier in ("account", "token"):
        _, plan = made(rules, tier)
        (recipe,) = of(plan, TokenRecipe)
        assert len(recipe.restricting) <= 5
        named = {str(ace.sid) for step in of(plan, AclEdit) for ace in step.aces}
        assert len(named) <= (4 if tier == "account" else 1)
