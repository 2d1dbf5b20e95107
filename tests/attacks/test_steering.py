"""A-08: what the user's own configuration of git takes from the workspace.

Knows: the ways in which git is told to find hooks, programs and configuration there.  Must not know: how they are held.
Follows `docs/attacks.md`, group A.  The judge uses the user's own git afterwards, with the user's configuration.
"""
# ruff: noqa: F821

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .guards import NAMESPACE, Guard, guards
from .world import World, git, write

HOOK = "#!/bin/sh\nexit 0\n"


def set_up(world: World, key: str, value: str, *files: str, scope: str = "--local", where: str = ".") -> None:
    """The user tells git, and has what git is told of in the repository ``where``."""
    for name in files:
        write(world.workspace / where / name, HOOK, mode=0o755)
    git(world.workspace / where, "config", scope, key, value, home=world.home)


def linked(world: World, link: str, target: str, file: str) -> None:
    """A link in the git directory that leads into the working tree."""
    write(world.workspace / file, HOOK, mode=0o755)
    place = world.workspace / ".git" / link
    if place.is_dir():
        shutil.rmtree(place)
    place.symlink_to(target)


WAYS: dict[str, tuple[Callable[[World], None], str, str]] = {
    "a directory": (lambda world: set_up(world, "core.hooksPath", "tools/hooks", "tools/hooks/pre-commit"),
                    "tools/hooks/{}", "."),
    "absent at the top": (lambda world: set_up(world, "core.hooksPath", ".githooks"), ".githooks/{}", "."),
    "absent deep down": (lambda world: set_up(world, "core.hooksPath", "tools/hooks"), "tools/hooks/{}", "."),
    "by its whole name": (lambda world: set_up(world, "core.hooksPath", str(world.workspace / "tools/hooks"),
                                               "tools/hooks/pre-commit"), "tools/hooks/{}", "."),
    "for all repositories": (lambda world: set_up(world, "core.hooksPath", ".githooks", ".githooks/pre-commit",
                                                  scope="--global"), ".githooks/{}", "."),
    "of a repository inside": (lambda world: set_up(world, "core.hooksPath", "hooks.d", "hooks.d/pre-commit",
                                                    where="vendor/lib"), "vendor/lib/hooks.d/{}", "vendor/lib"),
    "the working tree itself": (lambda world: set_up(world, "core.hooksPath", "tools/..", "pre-commit", "tools/x"),
                                "{}", "."),
    "the working tree by its whole name": (lambda world: set_up(world, "core.hooksPath", str(world.workspace)),
                                           "{}", "."),
    "what is around a repository inside": (lambda world: set_up(world, "core.hooksPath", str(world.workspace),
                                                                where="vendor/lib"), "{}", "vendor/lib"),
    "by a link on the way": (lambda world: (set_up(world, "core.hooksPath", "way/hooks", "tools/hooks/pre-commit"),
                                            (world.workspace / "way").symlink_to("tools")), "way/hooks/{}", "."),
    "by a link": (lambda world: linked(world, "hooks", "../hooks.d", "hooks.d/pre-commit"), "hooks.d/{}", "."),
    "one of them by a link": (lambda world: linked(world, "hooks/pre-commit", "../../scripts/check", "scripts/check"),
                              "scripts/check", "."),
    "a program": (lambda world: set_up(world, "core.fsmonitor", "scripts/watch", "scripts/watch"),
                  "scripts/watch", "."),
    "configuration": (lambda world: set_up(world, "include.path", "../common.config", "common.config"),
                      "common.config", "."),
}  # fmt: skip


def probe_told(names, above, config, hook):
    for name in above:
        attempt("away", os.rename, name, name + "-was")
    for name in names:
        text = config if name.endswith("config") else hook
        attempt("remove", os.unlink, name)
        attempt("write", put, f"{os.getcwd()}/{name}", text)
        attempt("mode", os.chmod, name, 0o755)
        put(os.getcwd() + "/fresh", text)
        os.chmod("fresh", 0o755)
        attempt("over", os.rename, "fresh", name)


@guards("protected-names-restored")
@pytest.mark.parametrize("way", WAYS)
def test_A08_what_git_is_told_to_take_from_the_workspace(guard: Guard, world: World, way: str) -> None:
    prepare, names, where = WAYS[way]
    prepare(world)
    world.freeze()
    named = [names.format(hook) for hook in ("pre-commit", "post-commit", "post-checkout")] if "{" in names else [names]
    above = [str(path) for path in Path(named[0]).parents if path not in Path(where, "x").parents]
    settings = {"config": world.evil_config(), "hook": world.evil_hook()}
    outcome = guard.attack(world, probe_told, names=named, above=above, **settings)
    guard.judge(outcome, world.use_git(world.workspace / where))
    held = [name for name in named if os.path.exists(world.workspace / name)]
    if guard.name == NAMESPACE and way != "absent deep down":
        assert all(world.nonce not in Path(world.workspace / name).read_text() for name in held), str(outcome)


@guards("protected-names-restored", control=False)
def test_git_works_inside_where_hooks_are_taken_from_the_working_tree(guard: Guard, world: World) -> None:
    set_up(world, "core.hooksPath", str(world.workspace), "post-merge")
    script = ["sh", "-c", "echo more >> README.md && git commit -qam more && ls && git status --short"]
    done = guard.run(world, script)
    assert done.returncode == 0, str(done)
    assert not {"pre-commit", "post-commit", "update"} & set(done.text.split())
    assert "more" in git(world.workspace, "log", "-1", home=world.home)
