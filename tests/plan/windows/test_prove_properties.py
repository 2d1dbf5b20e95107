"""Narrowing a policy never makes a plan grant more; widening a descriptor never makes a proof find less.

Knows: what makes a policy narrower.  Must not know: how a plan holds it.
"""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidewall.errors import MachineError, PolicyError
from sidewall.nt.ace import ACCESS_ALLOWED, ACCESS_DENIED, Ace
from sidewall.nt.sid import Sid
from sidewall.plan.prove import Prover, prove
from sidewall.plan.prove_tree import After, gained
from sidewall.plan.steps import Plan
from sidewall.plan.world import World
from sidewall.policy.model import DENY, READ, WRITE, FileRule, Policy

from .proving import GIVEN, TIERS, load, plan_for, policy_for, told

WORK = "C:\\Users\\dev\\src\\app"
INSIDE = tuple(f"{WORK}\\{name}" for name in (
    "src", "lib", "packages", "packages\\web", "package.json", "src\\main.py", "node_modules", "new", ".git\\objects",
    ".git\\HEAD", "lib\\new", ".vscode", ".git"))
HOME = "C:\\Users\\dev"
OUTSIDE = tuple(f"{HOME}\\{name}" for name in (
    "src\\app-fix", "src\\app-fix\\main.py", "AppData\\Local\\pnpm", "AppData\\Local\\pnpm\\store\\v10"))
PATTERNS = (f"{WORK}\\**\\*.json", f"{WORK}\\src\\**", "C:\\Users\\dev\\**\\*.py")


def rule(access: str, path: str) -> FileRule:
    return FileRule(path=path, access=access, source=GIVEN, glob="*" in path)


def granted(plan: Plan, world: World) -> dict[str, int]:
    """What cannot be ruled out of every entry of the world, after the plan's edits."""
    prover = Prover(plan, After(world, plan))
    found = {}
    for entry in world.entries:
        node = prover.after.node(entry.path)
        assert node is not None
        found[entry.path] = prover.bounds(node).upper
    return found


ROOTS = st.lists(st.sampled_from(OUTSIDE), max_size=2, unique=True)


@st.composite
def narrowings(draw: st.DrawFn) -> tuple[str, Policy, Policy]:
    """A tier, a policy, and one that allows no more."""
    world = load("repository")
    tier = draw(st.sampled_from(TIERS))
    roots = [path for path in draw(ROOTS) if not any(path.startswith(other + "\\") for other in OUTSIDE)]
    base = [rule(WRITE, path) for path in roots]
    base += [rule(DENY, path) for path in draw(st.lists(st.sampled_from(INSIDE + PATTERNS), max_size=2, unique=True))]
    wide = policy_for(world).replace(files=policy_for(world).files + tuple(base))
    files = list(wide.files)
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.integers(0, 3)):
            case 0:
                files.append(rule(DENY, draw(st.sampled_from(INSIDE + OUTSIDE + PATTERNS))))
            case 1:
                files.append(rule(READ, draw(st.sampled_from(INSIDE))))
            case 2 if roots:
                gone = draw(st.sampled_from(roots))
                files = [each for each in files if each != rule(WRITE, gone)]
            case _:
                files = [each.replace(access=READ) if each.access == WRITE and draw(st.booleans()) else each
                         for each in files]
    git = draw(st.sampled_from(("commit", "read-only")))
    names = wide.protected + tuple(draw(st.lists(st.sampled_from(("lib", "web", "package.json")), max_size=1)))
    return tier, wide, wide.replace(files=tuple(files), git=git, protected=names)


@settings(max_examples=25, deadline=None)
@given(narrowings())
def test_a_narrower_policy_grants_no_more(given_: tuple[str, Policy, Policy]) -> None:
    tier, wide, narrow = given_
    world = load("repository")
    try:
        more = granted(plan_for(world, tier, policy=wide), world)
        less = granted(plan_for(world, tier, policy=narrow), world)
    except (PolicyError, MachineError):
        assume(False)
        return
    assert {path: hex(bits & ~more[path]) for path, bits in less.items() if bits & ~more[path]} == {}


@settings(max_examples=12, deadline=None)
@given(narrowings())
def test_what_a_narrower_policy_takes_away_is_not_found_to_be_allowed(given_: tuple[str, Policy, Policy]) -> None:
    """Outside of what no access list can hold, no narrower policy makes a new hole outside the workspace."""
    tier, wide, narrow = given_
    world = load("repository")
    try:
        before = prove(plan_for(world, tier, policy=wide), world)
        after = prove(plan_for(world, tier, policy=narrow), world)
    except (PolicyError, MachineError):
        assume(False)
        return
    if tier == "account":
        outside = {pair for pair in told(after, "write-outside", "read-secrets") if not pair[1].startswith(WORK)}
        assert outside <= told(before)
    assert not after.faults


SIDS = st.sampled_from(["S-1-1-0", "S-1-5-32-545", "S-1-5-11", "S-1-5-21-1004336348-1177238915-682003330-1010",
                        "S-1-5-21-1004336348-1177238915-682003330-1012"])
MASKS = st.sampled_from([0x1, 0x2, 0x4, 0x40, 0x100, 0x10000, 0x40000, 0x80000, 0x1200A9, 0x1301BF, 0x1F01FF])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TIERS), SIDS, MASKS, st.booleans(), st.data())
def test_an_entry_more_moves_the_proof_one_way(tier: str, sid: str, mask: int, allow: bool,
                                               data: st.DataObject) -> None:
    """An allowing entry anywhere outside never removes a disagreement, a denying one never adds any."""
    world = load("onedrive")
    at = data.draw(st.integers(0, len(world.entries) - 1))
    entry = world.entries[at]
    assert entry.descriptor is not None
    more_aces = (Ace(type=ACCESS_ALLOWED if allow else ACCESS_DENIED, mask=mask, sid=Sid(sid)),)
    changed = world.replace(entries=(
        *world.entries[:at], entry.replace(descriptor=gained(entry.descriptor, more_aces)), *world.entries[at + 1 :]))
    plan = plan_for(world, tier)
    before, after = granted(plan, world), granted(plan, changed)
    less, more = (before, after) if allow else (after, before)
    assert not {path for path, bits in less.items() if bits & ~more[path]}
