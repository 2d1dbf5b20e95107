"""A-39, A-40: what the policy's own rules take out of a writable directory.

Knows: rules on the command line and in the user's configuration.  Must not know: how they are held.  Follows
`docs/attacks.md`, group A.
"""
# ruff: noqa: F821

from __future__ import annotations

import json
import random

import pytest

from sidewall.policy.decide import decide
from sidewall.policy.model import READ, WRITE, Request
from sidewall.session import layers

from .guards import NAMESPACE, Guard, environment, guards
from .probes import command
from .world import World, tree, write

RULES = ("--read", "src", "--write", "src/made", "--read", "a/b", "--read", "later")


def probe_readable_only():
    for name in ("src/app.py", "a/b/file", "src/new"):
        attempt("write " + name, lambda name=name: open(name, "a").write(NONCE))
    attempt("remove", os.unlink, "src/app.py")
    attempt("mode", os.chmod, "src/app.py", 0o777)
    for name in ("src", "a/b", "a", "later"):
        attempt("away " + name, os.rename, name, name.replace("/", "-") + "-was")
        attempt("anew " + name, put, f"{os.getcwd()}/{name}/file", NONCE)
    attempt("link", os.symlink, "README.md", "later")
    attempt("hard link", os.link, "src/app.py", "alias")
    attempt("by link", lambda: open("alias", "a").write(NONCE))
    put(os.getcwd() + "/src/made/mine", NONCE)
    print("WRITABLE")


@guards("write-outside")
def test_A39_readable_inside_writable(guard: Guard, world: World) -> None:
    for name in ("src/made/kept", "a/b/file"):
        write(world.workspace / name, "kept\n")
    places = [world.workspace / name for name in ("src", "a/b", "later")]
    skip = (world.workspace / "src/made",)
    before = [{**tree(place, skip), str(place): None} for place in places]
    outcome = guard.attack(world, probe_readable_only, settings={"options": RULES})
    after = [{**tree(place, skip), str(place): None} for place in places]
    if not guard.is_control and guard.name != NAMESPACE:  # it cannot hold that, so it does not run at all
        assert outcome.returncode == 125 and b"write-outside is partial" in outcome.stderr, str(outcome)
        assert after == before
        return
    guard.judge(outcome, after != before or (world.workspace / "later").exists())
    assert guard.is_control or "WRITABLE" in outcome.text


def probe_own_settings(home):
    put(home + "/.config/sidewall/config.toml", "schema = 1\n# " + NONCE)
    attempt("away", os.rename, home + "/.config/sidewall", home + "/.config/was")
    attempt("anew", put, home + "/.config/sidewall/config.toml", "schema = 1\n# " + NONCE)


@pytest.mark.parametrize("present", [True, False])
@guards("write-outside", only=(NAMESPACE,))
def test_A40_own_settings_in_a_writable_directory(guard: Guard, world: World, present: bool) -> None:
    settings = world.home / ".config/sidewall/config.toml"
    if not present:
        settings.unlink()
        settings.parent.rmdir()
    options = ("--write", str(world.home / ".config"))
    outcome = guard.attack(world, probe_own_settings, settings={"options": options}, home=world.home)
    guard.judge(outcome, settings.exists() and world.nonce in settings.read_text())


def probe_closed(names):
    for name in names:
        attempt("mode of " + name, os.chmod, os.path.dirname(name) or name, 0o700)
        attempt("mode of " + name, os.chmod, name, 0o600)
        print(attempt("read", lambda name=name: open(name).read()))


@guards("read-secrets", only=(NAMESPACE,))
def test_A39_denied_and_closed_to_its_owner(guard: Guard, world: World) -> None:
    """Who owns a file can open it again, in a directory where modes can be changed."""
    names = ("key.pem", "keys/one.pem")
    tokens = tuple(world.plant_secret(world.workspace / name) for name in names)
    (world.workspace / "key.pem").chmod(0)
    (world.workspace / "keys").chmod(0)
    options = ("--deny", "key.pem", "--deny", "keys")
    outcome = guard.attack(world, probe_closed, settings={"options": options}, names=names)
    (world.workspace / "keys").chmod(0o700)
    guard.judge(outcome, [token for token in tokens if token in outcome.text])


FOLDERS = ("a", "a/b", "a/b/c", "d", "d/e")


def probe_what_can_be(files):
    done = {"read": [], "write": []}
    for path in files:
        for action, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY | os.O_APPEND)):
            try:
                os.close(os.open(path, flags))
            except OSError:
                continue
            done[action].append(path)
    print("CAN", json.dumps(done))


@pytest.mark.parametrize("seed", range(8))
@guards("write-outside", control=False, only=(NAMESPACE,))
def test_A39_rules_at_random(guard: Guard, world: World, seed: int) -> None:
    """Nothing can be done inside that the policy's own answer denies, whatever rules lie in each other."""
    dice = random.Random(seed)
    tops = (world.workspace / "rules", world.neighbour / "rules")
    names = [str(top / folder) for top in tops for folder in FOLDERS]
    files = [f"{name}/file" for name in names]
    for file in files:
        write(world.home / file, "x")
    rules: dict[str, list[str]] = {"write": [], "read": [], "deny": []}
    for _ in range(dice.randint(2, 6)):
        rules[dice.choice(sorted(rules))].append(dice.choice((*names, *files)))
    home, here = str(world.home), str(world.workspace)
    policy = layers.load(here, home=home, environ=environment(world), system="", **rules)
    options = [part for kind, paths in rules.items() for path in paths for part in (f"--{kind}", path)]
    done = guard.run(world, command(probe_what_can_be, world.nonce, files=files), options=tuple(options))
    if done.returncode == 125:
        assert b"internal error" not in done.stderr, str(done)
        return
    can = json.loads(done.text.split("CAN ")[1].splitlines()[0])
    for action, kind in (("read", READ), ("write", WRITE)):
        beyond = [path for path in can[action] if not decide(policy, Request(action=kind, target=path)).allowed]
        assert beyond == [], f"{action} {rules} {done}"
    assert can["read"], str(done)
