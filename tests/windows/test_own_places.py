"""Sidewall and its interpreter in a virtual environment of the workspace: no command changes what runs next."""

from __future__ import annotations

import pytest
from tests.plan.windows import proving
from tests.plan.windows.proving import directory, file
from tests.windows.acl_machines import Machine, command_token
from tests.windows.acl_scenes import WORK

from sidewall import plan as planning
from sidewall.nt.operations_tree import Actor
from sidewall.plan import world_facts
from sidewall.plan.facts import DIRECTORY
from sidewall.plan.facts_windows import PathFact
from sidewall.platforms.windows import facts, runtime

VENV, PACKAGE = WORK + r"\.venv", WORK + r"\.venv\Lib\site-packages\sidewall"
PLACES = (VENV + r"\Scripts\python.exe", VENV + r"\pyvenv.cfg", PACKAGE + r"\platforms\windows\elevated.py",
          PACKAGE + r"\__init__.py")
ABOVE = (VENV, VENV + r"\Lib", VENV + r"\Lib\site-packages", PACKAGE, PACKAGE + r"\platforms")


def acting(tier: str, *, protected: bool) -> Actor:
    """A command in a cell whose plan knows, or does not know, what is its own."""
    world = proving.small(*[directory(path) for path in (*ABOVE, VENV + r"\Scripts", PACKAGE + r"\platforms\windows")],
                          *map(file, PLACES), directory(WORK + r"\src"), file(WORK + r"\src\main.py"))
    about = proving.policy_for(world)
    found = world_facts.facts(world, about)
    own = tuple([PathFact(path=path, kind=DIRECTORY, real=path, owner=found.user) for path in (VENV, PACKAGE)])
    plan = planning.compile(about, found.replace(protected=(*found.protected, *own) if protected else found.protected),
                            tier=tier)
    machine = Machine.of(world)
    machine.process().lists.apply(plan)
    return Actor(machine.disk.tree, command_token(plan), backup_intent=False)


@pytest.mark.parametrize("path", PLACES)
def test_no_command_changes_what_runs_next(path: str) -> None:
    actor = acting("account", protected=True)
    for outcome in (actor.write(path), actor.delete(path), actor.rename(path, WORK + r"\src\moved"),
                    actor.replace(path), actor.set_security(path, "dacl")):
        assert not outcome.possible, outcome.what
    assert actor.write(WORK + r"\src\main.py").certain, "the workspace itself is writable"
    assert actor.create(WORK + r"\src\new.py").certain


@pytest.mark.parametrize("path", ABOVE)
def test_no_directory_on_the_way_is_put_out_of_it_or_added_to(path: str) -> None:
    actor = acting("account", protected=True)
    for outcome in (actor.rename(path, WORK + r"\src\moved"), actor.delete(path),
                    actor.create(path + r"\sitecustomize.py"), actor.create(path + r"\version.dll")):
        assert not outcome.possible, outcome.what


def test_without_the_plans_knowledge_it_would_be_changed() -> None:
    assert acting("account", protected=False).write(PLACES[0]).certain


def test_own_places_are_the_package_and_both_ends_of_a_virtual_environment() -> None:
    import os
    import sys

    found = facts.own_places()
    assert os.path.realpath(runtime.package()) in found
    assert {os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)} <= set(found)
