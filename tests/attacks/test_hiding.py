"""L-122 to L-125 once more: hidden from whoever looks through the workspace, though git and editors find it by name.

Knows: how a directory can be used that cannot be listed.  Must not know: who looks, or when.  Follows
`docs/attacks.md`, group L7.
"""
# ruff: noqa: F821

from __future__ import annotations

import pytest

from .guards import LANDLOCK, NAMESPACE, Guard, guards
from .test_protected import HELPERS
from .world import World, write

RESTORED = guards("protected-names-restored")
CLOSED = {"itself": {"d/e": 0o311}, "all above": {"d/e": 0o111, "d": 0o311}, "the repository": {"d/e/.git": 0o311}}


def probe_closed_repository(config, hook, modes):
    import subprocess

    print(subprocess.run(["git", "init", "-q", "d/e"], capture_output=True, timeout=20))
    attempt("config", lambda: open("d/e/.git/config", "a").write(config))
    write_hooks("d/e/.git/hooks", hook)
    for name, mode in modes.items():
        attempt("close " + name, os.chmod, name, mode)


@RESTORED
@pytest.mark.parametrize("way", CLOSED)
def test_L123_in_directories_that_cannot_be_listed(guard: Guard, world: World, way: str) -> None:
    settings = {"config": world.evil_config(), "hook": world.evil_hook(), "modes": CLOSED[way]}
    outcome = guard.attack(world, probe_closed_repository, *HELPERS, **settings)
    guard.judge(outcome, world.use_git(world.workspace / "d/e"))


def probe_closed_settings():
    attempt("write", lambda: open("package/.claude/settings.json", "w").write(NONCE))
    attempt("over", lambda: (open("fresh", "w").write(NONCE), os.rename("fresh", "package/.claude/settings.json")))
    for name in ("package/.claude", "package"):
        attempt("close", os.chmod, name, 0o311)


@guards("protected-names-restored", only=(NAMESPACE, LANDLOCK))
def test_L124_in_directories_that_cannot_be_listed(guard: Guard, world: World) -> None:
    settings = world.workspace / "package/.claude/settings.json"
    write(settings, "{}\n")
    outcome = guard.attack(world, probe_closed_settings)
    guard.judge(outcome, world.nonce in settings.read_text())


def probe_repository_in_settings(config, hook):
    import subprocess

    print(subprocess.run(["git", "init", "-q", "d/.vscode/e"], capture_output=True, timeout=20))
    attempt("config", lambda: open("d/.vscode/e/.git/config", "a").write(config))
    write_hooks("d/.vscode/e/.git/hooks", hook)


@RESTORED
def test_L123_in_settings_that_are_new(guard: Guard, world: World) -> None:
    """New settings are only told of, where they are not taken away: what else is in them counts all the same."""
    outcome = guard.attack(world, probe_repository_in_settings, *HELPERS, config=world.evil_config(),
                           hook=world.evil_hook())
    inner = world.workspace / "d/.vscode/e"
    guard.judge(outcome, inner.exists() and world.use_git(inner))
