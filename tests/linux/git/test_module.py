"""Submodules: a git directory that a cell made gets a configuration of ours, one that exists keeps its own.

Knows: what git reads from a submodule's git directory when the user runs ``git status`` in the outer repository.
Must not know: how the carrier works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.linux.git.conftest import World

EVIL = "sh -c 'test -n \"$MARKER\" && touch \"$MARKER\"; cat'"
OUTER = """
git init -q ../far/library; cd ../far/library; echo lib > lib; git add lib; git commit -qm lib
cd ../../work; git init -q; git submodule --quiet add ../far/library sub; git commit -qm sub
"""
FRESH = OUTER + "git submodule --quiet deinit -f sub; rm -rf .git/modules sub; mkdir sub\n"


@pytest.fixture
def outer(worlds: Callable[..., World]) -> World:
    """A repository whose submodule was never cloned here."""
    world = worlds(FRESH)
    assert world.carry is not None
    world.carry._roots = (str(world.work),)
    return world


def settings(world: World, module: str = "sub") -> str:
    return world.outside("git", "config", "--file", str(world.git / "modules" / module / "config"), "--list")


def test_an_evil_configuration_is_made_anew(outer: World) -> None:
    told = outer.run(
        "git submodule --quiet update --init; C=.git/modules/sub/config;"
        f"for k in core.fsmonitor core.sshCommand core.pager core.editor diff.external filter.x.clean alias.status "
        f"core.hooksPath core.attributesFile remote.origin.uploadpack remote.origin.receivepack remote.origin.proxy "
        f"credential.helper gpg.program submodule.x.update include.path core.alternateRefsCommand core.gitProxy "
        f"uploadpack.packObjectsHook remote.origin.vcs; do git config --file $C $k \"{EVIL}\"; done;"
        "printf '#!/bin/sh\\ntest -n \"$MARKER\" && touch \"$MARKER\"\\n' > .git/modules/sub/hooks/post-checkout;"
        "chmod +x .git/modules/sub/hooks/post-checkout; cp .git/modules/sub/hooks/post-checkout "
        ".git/modules/sub/hooks/pre-commit; echo '* filter=x diff=x' > .git/modules/sub/info/attributes")
    assert "core.fsmonitor" in next(one.reason for one in told if one.path == ".git/modules/sub")
    assert {line.partition("=")[0] for line in settings(outer).splitlines()} == {
        "core.repositoryformatversion", "core.filemode", "core.bare", "core.logallrefupdates", "core.worktree",
        "remote.origin.url", "remote.origin.fetch", "branch.main.remote", "branch.main.merge"}
    assert not (outer.git / "modules/sub/hooks").exists()
    assert not (outer.git / "modules/sub/info").exists()
    for words in ("git status; git diff; git fetch; git commit -q --allow-empty -m x; git checkout -q HEAD~1; git gc",):
        outer.outside("sh", "-c", words, directory=outer.work / "sub")
    outer.everyday()


def test_an_address_that_runs_something_is_left_out(outer: World) -> None:
    told = outer.run("git submodule --quiet update --init; "
                     "git config --file .git/modules/sub/config remote.origin.url 'ext::sh -c touch% $MARKER'")
    assert "remote.origin.url" in next(one.reason for one in told if one.path == ".git/modules/sub")
    assert "remote.origin.url" not in settings(outer)
    outer.everyday()


@pytest.mark.parametrize("change", ["core.worktree ../../hooks", "extensions.worktreeConfig true"])
def test_a_module_that_would_be_another_repository_stays_inside(outer: World, change: str) -> None:
    told = outer.run(f"git submodule --quiet update --init; git config --file .git/modules/sub/config {change}",
                     check=False)
    assert [one.action for one in told if one.path == ".git/modules/sub"] == ["held"]
    assert not (outer.git / "modules").exists()
    outer.everyday()


def test_names_of_modules_that_mean_something_else(outer: World) -> None:
    outer.inside("git clone -q --bare ../far/library one")
    for name in ("hooks", "config", "-x", ".x", "x.lock", "a/hooks", "objects", "info/x", "a/b.", "modules"):
        told = outer.run(f"rm -rf .git/modules; mkdir -p -- \"$(dirname -- .git/modules/{name})\"; "
                         f"cp -r -- one .git/modules/{name}")
        assert [one for one in told if one.action == "held"], name
        assert not (outer.git / "modules").exists(), name
    outer.everyday()


def test_an_existing_module_keeps_its_configuration(worlds: Callable[..., World]) -> None:
    world = worlds(OUTER)
    before = settings(world)
    told = world.run("cd sub; echo more >> lib; git commit -qam more; cd ..; git commit -qam bump; "
                     f"git -C sub config core.fsmonitor \"{EVIL}\"; "
                     "printf '#!/bin/sh\\ntest -n \"$MARKER\" && touch \"$MARKER\"\\n' > "
                     ".git/modules/sub/hooks/pre-commit; chmod +x .git/modules/sub/hooks/pre-commit; "
                     "echo ../../../evil > .git/modules/sub/commondir")
    assert settings(world) == before
    assert {".git/modules/sub/config", ".git/modules/sub/hooks/pre-commit", ".git/modules/sub/commondir"} <= {
        one.path for one in told if one.action == "held"}
    assert world.outside("git", "log", "-1", "--format=%s", directory=world.work / "sub") == "more\n"
    world.outside("git", "commit", "-q", "--allow-empty", "-m", "mine", directory=world.work / "sub")
    world.everyday()


def test_an_existing_module_is_not_replaced(worlds: Callable[..., World]) -> None:
    world = worlds(OUTER)
    head = (world.git / "modules/sub/HEAD").read_bytes()
    refs = sorted(str(path) for path in (world.git / "modules/sub").rglob("*"))
    told = world.run("rm -rf .git/modules/sub sub; git init -q --bare .git/modules/sub; "
                     f"git config --file .git/modules/sub/config core.fsmonitor \"{EVIL}\"")
    assert [one.action for one in told if one.path.startswith(".git/modules")] == ["held"]
    assert (world.git / "modules/sub/HEAD").read_bytes() == head
    assert sorted(str(path) for path in (world.git / "modules/sub").rglob("*")) == refs
    told = world.run("rm -rf .git/modules; mkdir -p .git/modules/sub; cp .git/HEAD .git/modules/sub/")
    assert not [one for one in told if one.action == "carried" and "modules" in one.path]
    assert sorted(str(path) for path in (world.git / "modules/sub").rglob("*")) == refs


def test_a_module_is_not_put_around_another(worlds: Callable[..., World]) -> None:
    world = worlds(OUTER.replace("add ../far/library sub", "add --name deep/sub ../far/library sub"))
    told = world.run("git init -q --bare evil; cp -r evil/. .git/modules/deep/")
    assert not [one for one in told if one.action == "carried"]
    assert sorted(path.name for path in (world.git / "modules/deep").iterdir()) == ["sub"]
    world.everyday()
