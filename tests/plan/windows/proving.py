"""What tests of proofs share: the worlds beside them, plans for these, and small worlds of a few lines.

Knows: the worlds' places, how a plan is made of one.  Must not know: what a proof should find.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sidewall import plan as planning
from sidewall.plan import world_facts, world_format
from sidewall.plan.prove import prove
from sidewall.plan.prove_findings import Finding, Proof
from sidewall.plan.steps import Plan
from sidewall.plan.world import World
from sidewall.policy import profiles
from sidewall.policy.model import COMMAND_LINE, FileRule, Policy, Source

HERE = Path(__file__).parent / "worlds"
TIERS = ("account", "token-strict", "token")
GIVEN = Source(layer=COMMAND_LINE, key="--test")

MACHINE = "S-1-5-21-10-20-30"
USER, OFFLINE, ONLINE, GROUP = (f"{MACHINE}-{rid}" for rid in (1001, 1010, 1011, 1012))
LOGON = "S-1-5-5-0-99"
HEAD: dict[str, Any] = {
    "world": 1, "origin": "modelled", "about": "a test", "home": "C:\\Users\\u", "workspace": "C:\\Users\\u\\w",
    "user": USER, "groups": ["S-1-1-0", "S-1-5-32-545", "S-1-5-11", "S-1-5-4"], "logon": LOGON, "machine": MACHINE,
    "offline": OFFLINE, "online": ONLINE, "group": GROUP}
SYSTEM = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
OWN = f"O:{USER}G:{USER}D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;{USER})"
OWN_FILE = f"O:{USER}G:{USER}D:AI(A;ID;FA;;;SY)(A;ID;FA;;;{USER})"
BASE: tuple[dict[str, Any], ...] = (
    {"path": "C:\\", "kind": "directory", "sddl": SYSTEM + "(A;OICI;0x1200a9;;;BU)"},
    {"path": "C:\\Users", "kind": "directory", "sddl": SYSTEM + "(A;;0x1200a9;;;BU)"},
    {"path": "C:\\Users\\u", "kind": "directory", "sddl": SYSTEM + f"(A;OICI;FA;;;{USER})"},
    {"path": "C:\\Users\\u\\w", "kind": "directory", "sddl": OWN},
)


@cache
def load(name: str) -> World:
    """A world beside the tests."""
    return world_format.parse((HERE / f"{name}.jsonl").read_bytes(), file=name)


def directory(path: str, sddl: str = OWN, **fields: Any) -> dict[str, Any]:
    return {"path": path, "kind": "directory", "sddl": sddl, **fields}


def file(path: str, sddl: str = OWN_FILE, **fields: Any) -> dict[str, Any]:
    return {"path": path, "kind": "file", "sddl": sddl, **fields}


def small(*entries: dict[str, Any], volumes: tuple[dict[str, Any], ...] = (), **head: Any) -> World:
    """A world with a workspace at ``C:\\Users\\u\\w``, and these lines besides."""
    rows = [HEAD | head, {"volume": "C:\\"}, *volumes, *BASE, *entries]
    return world_format.parse("\n".join(map(json.dumps, rows)).encode())


def policy_for(world: World, *rules: tuple[str, str], name: str = ":workspace", **changes: Any) -> Policy:
    """A profile's policy in the world's workspace; ``rules`` are (access, path) pairs; nothing is required."""
    policy = profiles.build(name, workspace=world.workspace, home=world.home, flavour="windows")
    more = tuple([FileRule(path=path, access=access, source=GIVEN) for access, path in rules])
    return policy.replace(files=policy.files + more, require=(), **changes)


def plan_for(world: World, tier: str, *rules: tuple[str, str], policy: Policy | None = None) -> Plan:
    """The plan of a tier for this world."""
    chosen = policy or policy_for(world, *rules)
    return planning.compile(chosen, world_facts.facts(world, chosen), tier=tier)


def proof_of(world: World, tier: str, *rules: tuple[str, str]) -> Proof:
    return prove(plan_for(world, tier, *rules), world)


def told(proof: Proof, *guarantees: str) -> set[tuple[str, str]]:
    """(operation, path) of every disagreement about these guarantees (all when none is named)."""
    return {(each.operation, path) for each in proof.disagreements for path in each.paths
            if not guarantees or each.guarantee in guarantees}


def finding(proof: Proof, operation: str, path: str) -> Finding:
    """The one disagreement about this operation on this path."""
    (found,) = [each for each in proof.disagreements if each.operation == operation and path in each.paths]
    return found
