"""The proof's own quick questions, against the model of file-system operations, which walks each of them by itself.

Knows: ``plan.probes``, ``nt.operations_tree``.  Must not know: policies.
"""

from __future__ import annotations

from functools import cache

import pytest

from sidewall.nt.operations_tree import Actor
from sidewall.nt.tree import Item, Tree, Volume
from sidewall.plan import probes
from sidewall.plan.prove import Prover, operations_of, token_of
from sidewall.plan.prove_tree import After, Node
from sidewall.plan.world import LEADING

from .proving import TIERS, load, plan_for

WORLDS = ("windows11", "repository", "data-drive", "shared-tools", "earlier-account", "memory-stick", "onedrive",
          "developer-tools")
LINK = {"junction": "mount-point", "symlink": "symlink"}


@cache
def machine(name: str, tier: str) -> tuple[Prover, After, Actor]:
    world = load(name)
    plan = plan_for(world, tier)
    after = After(world, plan)
    # Each entry is asked about as it stands: a link is not followed, and nobody looks whether a directory is empty.
    items = [Item(path=node.path, sd=node.descriptor, directory=node.entry.container, links=node.entry.links,
                  reparse=LINK.get(node.entry.reparse, ""), target=node.entry.target) for node in after.nodes.values()]
    volumes = [Volume(root=each.root, acls=each.acls, remote=each.remote) for each in world.volumes]
    return Prover(plan, after), after, Actor(Tree.build(items, volumes), token_of(plan))


def possible(prover: Prover, node: Node, name: str) -> bool:
    """What the proof says."""
    asked = {each.name: each for each in (*operations_of(node), *probes.CREATIONS)}
    upper, above = prover.bounds(node).upper, prover.bounds(node.parent).upper
    return bool(probes.open_ways(asked[name], upper, above))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", WORLDS)
def test_opening_for_one_right(name: str, tier: str) -> None:
    prover, after, actor = machine(name, tier)
    for node in after.nodes.values():
        for bit in (1 << number for number in (0, 1, 2, 4, 5, 6, 8, 17, 18, 19)):
            ours = bool(prover.bounds(node).upper & bit)
            assert actor.open(node.path, bit, follow=False).possible == ours, (node.path, hex(bit))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", WORLDS)
def test_deleting_and_moving_away(name: str, tier: str) -> None:
    prover, after, actor = machine(name, tier)
    workspace = load(name).workspace
    compared = 0
    for node in after.nodes.values():
        if node.parent is None:
            continue
        if not node.children:
            compared += 1
            assert actor.delete(node.path).possible == possible(prover, node, probes.DELETE), node.path
        if node.path == workspace or workspace.startswith(node.path + "\\") or node.volume.root != workspace[:3]:
            continue
        # Into the workspace, where every tier may make files and directories.
        moved = actor.rename(node.path, workspace + "\\moved-here")
        assert moved.possible == possible(prover, node, probes.RENAME), node.path
    assert compared > 5


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ["windows11", "repository", "shared-tools", "earlier-account"])
def test_renaming_over_and_linking(name: str, tier: str) -> None:
    prover, after, actor = machine(name, tier)
    world = load(name)
    (source,) = [path for path in (world.workspace + "\\README.md",) if after.node(path) is not None]
    for node in after.nodes.values():
        if node.entry.container or node.path == source or node.parent is None:
            continue
        over = actor.rename(source, node.path)
        if over.possible:
            assert possible(prover, node, probes.REPLACE), node.path
        strict = node.descriptor is not None and possible(prover, node, probes.HARD_LINK)
        linked = actor.link(node.path, world.workspace + "\\linked-here")
        # Where the kernel asks no right of the file the link is always possible: said once, as not public.
        assert linked.possible and (linked.certain <= strict), node.path


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", WORLDS)
def test_making_files_and_directories(name: str, tier: str) -> None:
    prover, after, actor = machine(name, tier)
    for node in after.nodes.values():
        if not node.entry.container or node.entry.reparse in LEADING:
            continue
        path = node.path.rstrip("\\") + "\\" + probes.NEW_NAME
        for operation, directory in ((probes.CREATE_FILE, False), (probes.CREATE_DIRECTORY, True)):
            ours = possible(prover, node, operation)
            assert actor.create(path, directory=directory).possible == ours, path


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ["windows11", "earlier-account", "shared-tools"])
def test_changing_the_descriptor(name: str, tier: str) -> None:
    prover, after, actor = machine(name, tier)
    for node in after.nodes.values():
        if node.entry.reparse in LEADING:
            continue
        for operation, part in ((probes.CHANGE_DACL, "dacl"), (probes.CHANGE_OWNER, "owner")):
            assert actor.set_security(node.path, part).possible == possible(prover, node, operation), node.path
