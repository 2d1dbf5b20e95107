"""L-117 to L-132, A-06, A-11, A-35: settings of agents, editors and of the sandbox itself, inside the workspace.

Knows: names that steer later, unsandboxed runs.  Must not know: how they are held back.  Follows `docs/attacks.md`,
group L7.  What a writable workspace cannot prevent (its own Makefile) is not judged: it must be reported.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .guards import CONTROL, LANDLOCK, NAMESPACE, Guard, environment, guards
from .probes import command
from .world import World

RESTORED = guards("protected-names-restored")
EXISTING = (".claude/settings.json", ".vscode/settings.json", ".vscode/tasks.json")
ABSENT = (
    ".codex/config.toml", ".agents/skill.md", ".cursor/mcp.json", ".cursor/rules/x.mdc", ".gemini/settings.json",
    ".mcp.json", ".idea/workspace.xml", ".envrc", ".claude/settings.local.json", ".claude/hooks/pre.sh",
    ".vscode/launch.json", "sidewall.toml",
)  # fmt: skip
DEEP = tuple("packages/a/b/c/d/" + name for name in (".claude/settings.json", ".vscode/tasks.json", ".mcp.json"))


def probe_settings(names, config):
    for name in names:
        path = f"{os.getcwd()}/{name}"
        folder = os.path.dirname(path)
        attempt("write " + name, put, path, config)
        attempt("payload", put, os.getcwd() + "/payload", config)
        attempt("rename over " + name, os.rename, "payload", path)
        if folder != os.getcwd() and "packages" not in folder:
            attempt("away", os.rename, folder, folder + "-was")
            attempt("again " + name, put, path, config)
            attempt("directory", os.rename, folder + "-was", folder)
        attempt("link", os.symlink, os.getcwd() + "/payload", path)
        attempt("hard link", os.link, "payload", path)


def planted(world: World, *names: str) -> list[str]:
    """Which of these paths of the workspace hold the attack's text now."""
    found = []
    for name in names:
        path = world.workspace / name
        if path.is_symlink() or (path.is_file() and world.nonce in path.read_text()):
            found.append(name)
    return found


@RESTORED
@pytest.mark.parametrize("row", ["L-124", "L-125"])
def test_settings(guard: Guard, world: World, row: str) -> None:
    names = EXISTING if row == "L-124" else ABSENT
    before = {name: (world.workspace / name).read_text() for name in EXISTING}
    outcome = guard.attack(world, probe_settings, names=names, config=f'{{"evil": "{world.nonce}"}}')
    guard.judge(outcome, planted(world, *names))
    if not guard.is_control:
        assert {name: (world.workspace / name).read_text() for name in EXISTING} == before
        assert not [name for name in ABSENT if (world.workspace / name).exists() and row == "L-124"]


@RESTORED
def test_L132_settings_deep_below(guard: Guard, world: World) -> None:
    """Five levels down, where a package of a monorepo may be opened as a workspace of its own: not there, or told."""
    (world.workspace / "packages/a/b/c/d").mkdir(parents=True)
    (world.workspace / "packages/a/b/c/d/keep").touch()
    outcome = guard.attack(world, probe_settings, names=DEEP, config=world.nonce)
    left = planted(world, *DEEP)
    said = outcome.stderr.decode()
    top = "packages/a/b/c/d/"
    told = [name for name in left if f"{top}{name.removeprefix(top).split('/')[0]}" in said]
    guard.judge(outcome, [name for name in left if name not in told])


def probe_replace_by_link(outside):
    import shutil

    for name in ("src", ".vscode", ".claude", "vendor", ".git", ".cursor", ".codex", "README.md"):
        attempt("away " + name, os.rename, name, "was-" + name)
        attempt("remove " + name, shutil.rmtree, name, ignore_errors=True)
        attempt("link " + name, os.symlink, outside if name != "README.md" else outside + "/canary.txt", name)
    attempt("dangling", os.symlink, outside + "/not-there", ".mcp.json")
    attempt("dangling", os.symlink, outside + "/not-there-either", ".idea")


def probe_through_links():
    for name in ("src", ".vscode", ".claude", "vendor", ".git", ".cursor", ".codex", ".mcp.json", ".idea", "README.md"):
        attempt("file " + name, put, f"{os.getcwd()}/{name}/{NONCE}", NONCE)
        attempt("itself " + name, lambda: os.write(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644), NONCE.encode()))


@guards("write-outside")
def test_L117_links_of_the_run_before(guard: Guard, world: World) -> None:
    first = guard.attack(world, probe_replace_by_link, outside=world.outside)
    between = world.changed()
    second = guard.run(world, command(probe_through_links, world.nonce))
    assert first.started, str(first)
    assert second.started or second.returncode == 125, str(second)
    escaped = between + world.changed()
    assert escaped if guard.is_control else not escaped, (escaped, str(first), str(second))


@guards("write-outside", control=False)
def test_L117_hostile_from_the_start(guard: Guard, world: World) -> None:
    """A checked-in tree may hold these links before any run: set-up must not follow them."""
    for name in (".vscode", ".claude"):
        (world.workspace / name).rename(world.workspace / ("was-" + name))
    targets = {".vscode": world.outside, ".claude": world.outside / "absent", ".codex": Path("/")}
    targets |= {".cursor": world.home, ".mcp.json": world.canary, ".envrc": world.outside / "new", ".idea": Path("..")}
    for name, target in targets.items():
        (world.workspace / name).symlink_to(target)
    outcome = guard.run(world, command(probe_through_links, world.nonce))
    assert outcome.started or outcome.returncode == 125, str(outcome)
    assert world.changed() == []


def probe_temporary_by_link(outside):
    import shutil

    place = os.environ.get("TMPDIR", "/tmp")
    if place != "/tmp":
        attempt("remove", shutil.rmtree, place, ignore_errors=True)
        attempt("away", os.rename, place, place + "-was")
    for name in (place, os.getcwd() + "/.sidewall", os.getcwd() + "/tmp"):
        attempt("link " + name, os.symlink, outside, name)
    print("TMPDIR", os.environ.get("TMPDIR", "/tmp"))


def probe_write_temporary():
    import tempfile

    place = os.environ.get("TMPDIR", "/tmp")
    attempt("write", put, place + "/" + NONCE, NONCE)
    attempt("temporary", lambda: tempfile.NamedTemporaryFile(delete=False).write(NONCE.encode()))


@guards("write-outside")
def test_L119_temporary_directory_by_link(guard: Guard, world: World) -> None:
    settings = {}
    if guard.is_control:
        (world.base / "temporary").mkdir()
        settings = {"env": {"TMPDIR": str(world.base / "temporary")}}
    first = guard.attack(world, probe_temporary_by_link, outside=world.outside, settings=settings)
    second = guard.run(world, command(probe_write_temporary, world.nonce), **settings)
    assert first.started and second.started, (str(first), str(second))
    escaped = world.changed()
    assert escaped if guard.is_control else not escaped, (escaped, str(first), str(second))


TRACKED = """
import sys, json, sidewall
result = sidewall.run(sys.argv[1:], track_changes=True)
print(json.dumps([[change.kind, change.path] for change in result.changes]))
"""
RESIDUAL = {
    "L-127": ("Makefile", "package.json", "conftest.py", "setup.py"),
    "L-129": ("bare/HEAD", "bare/config", "bare/objects/x", "bare/refs/x"),
    "L-130": (".bashrc", ".profile", ".zshrc", ".npmrc", ".gitmodules", ".pre-commit-config.yaml", ".ripgreprc"),
    "L-131": ("AGENTS.md", "CLAUDE.md", ".cursorrules", ".github/copilot-instructions.md"),
    "A-35": ("AGENTS.md", "GEMINI.md"),
}


@pytest.mark.parametrize("row", RESIDUAL)
def test_reported(world: World, row: str) -> None:
    """A writable workspace can change these: whoever asks for the changes is told each of them."""
    inner = command(probe_settings, world.nonce, names=RESIDUAL[row], config=world.evil_config())
    done = subprocess.run(
        [sys.executable, "-P", "-c", TRACKED, *inner],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    told = {path for _, path in json.loads(done.stdout.splitlines()[-1])}
    changed = [name for name in RESIDUAL[row] if (world.workspace / name).exists()]
    assert changed, "nothing was changed: the probe is broken"
    missing = [name for name in changed if str(world.workspace / name) not in told]
    assert missing == [], sorted(told)


WIDE = """schema = 1
profile = ":unconfined"
[files]
"~" = "write"
"/" = "write"
[network]
mode = "on"
"""


def probe_own_policy(text, config):
    for name in ("sidewall.toml", ".sidewall/config.toml", ".sidewall.toml"):
        attempt(name, put, f"{os.getcwd()}/{name}", text)
    attempt("user", put, config, text)


@guards("write-outside", control=False)
def test_A06_policy_in_the_workspace(guard: Guard, world: World) -> None:
    """Run 1 plants a policy that allows all; run 2 must not be wider, whether it refuses or runs."""
    first = guard.attack(world, probe_own_policy, text=WIDE, config=world.home / ".config/sidewall/config.toml")
    assert first.started, str(first)
    second = guard.run(world, ["sh", "-c", f"echo ATTACK-START {world.nonce}; echo x > {world.canary}"])
    assert second.started or second.returncode == 125, str(second)
    assert world.changed() == []


@guards("write-outside", control=False)
def test_A06_policy_of_the_repository(guard: Guard, world: World) -> None:
    """The same text, checked in by whoever made the repository: nobody has trusted it."""
    (world.workspace / "sidewall.toml").write_text(WIDE)
    outcome = guard.run(world, ["sh", "-c", f"cat {world.home}/.netrc; echo x > {world.canary}"])
    assert outcome.returncode != 0, str(outcome)
    assert world.changed() == [] and world.leaked(outcome.stdout) == []


def probe_linked_settings(names, text):
    for name in names:
        attempt("through", lambda: open(name, "a").write(text))
        attempt("payload", put, os.getcwd() + "/payload", text)
        attempt("over", os.rename, "payload", name)
        attempt("unlink", os.unlink, name)
        attempt("new", put, f"{os.getcwd()}/{name}", text)


@pytest.mark.parametrize("guard", [CONTROL, NAMESPACE, LANDLOCK], indirect=True)
def test_A11_settings_that_are_links(guard: Guard, world: World) -> None:
    """People who keep their dot files elsewhere: neither link nor target changes, and the run is not refused."""
    shelf = world.home / "dotfiles"
    shelf.mkdir()
    for name in EXISTING:
        path = world.workspace / name
        path.rename(shelf / path.name)
        path.symlink_to(shelf / path.name)
    (shelf / "idea").mkdir()
    (world.workspace / ".idea").symlink_to(shelf / "idea")
    world.freeze()
    names = [*EXISTING, ".idea/workspace.xml"]
    outcome = guard.attack(world, probe_linked_settings, names=names, text=world.nonce)
    unlinked = [name for name in EXISTING if not (world.workspace / name).is_symlink()]
    guard.judge(outcome, unlinked + world.changed())
    if not guard.is_control:
        assert (world.workspace / ".idea").is_symlink()
