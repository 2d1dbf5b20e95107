"""L-112 to L-114, L-123 once more: links and submodules inside a repository, and races with what carries it over.

Knows: which files the user's git writes without looking whether they are links.  Must not know: how they are held
back.  Follows `docs/attacks.md`, group L7.
"""
# ruff: noqa: F821

from __future__ import annotations

import subprocess
import sys

import pytest

from .guards import CONTROL, LANDLOCK, NAMESPACE, Guard, environment, guards
from .probes import PYTHON, source
from .test_protected import HELPERS
from .world import World, git

RESTORED = guards("protected-names-restored")


def probe_links_inside(outside, names):
    for name, target in names.items():
        path = ".git/" + name
        attempt("remove", os.unlink, path)
        attempt("directory", os.makedirs, os.path.dirname(path), exist_ok=True)
        attempt("link " + name, os.symlink, f"{outside}/{target}", path)


# what git opens for writing, or locks and replaces, through a link: each with the outside file that it would hit
LINKS = {
    "L-113 message": {"COMMIT_EDITMSG": "canary.txt"},
    "L-113 log": {"logs/HEAD": "canary.txt", "logs/refs/heads/main": "deep/below.txt"},
    "L-113 index": {"index": "made-by-git"},
    "L-113 fetch": {"FETCH_HEAD": "canary.txt"},
    "L-113 packed": {"packed-refs": "made-by-git"},
}


@RESTORED
@pytest.mark.parametrize("row", LINKS)
def test_links_inside_the_git_directory(guard: Guard, world: World, row: str) -> None:
    """The user's next commit writes where the link leads."""
    outcome = guard.attack(world, probe_links_inside, outside=world.outside, names=LINKS[row])
    world.freeze()
    world.use_git()
    for words in ("fetch -q . HEAD", "pack-refs --all"):
        git(world.workspace, *words.split(), home=world.home, check=False)
    links = [name for name in LINKS[row] if (world.workspace / ".git" / name).is_symlink()]
    if guard.is_control:
        assert world.changed(), str(outcome)
    elif guard.name == NAMESPACE:
        assert world.changed() == [] and links == [], str(outcome)
    else:
        assert world.changed() == [], f"{links} {outcome}"


def probe_new_submodule(config, hook):
    import subprocess

    # A commit of its own makes it a submodule in the eyes of the outer repository.
    for line in (
        "git init -q sub",
        "cd sub && echo x > x && git add x && git commit -qm x",
        "git add sub",
        "git -c core.fsmonitor= commit -qm sub",
    ):
        print(subprocess.run(["sh", "-c", line], capture_output=True, timeout=20))
    attempt("config", lambda: open("sub/.git/config", "a").write(config))
    write_hooks("sub/.git/hooks", hook)


@RESTORED
def test_L123_new_submodule(guard: Guard, world: World) -> None:
    """`git status` in the outer repository looks into it, by its own configuration."""
    outcome = guard.attack(world, probe_new_submodule, *HELPERS, config=world.evil_config(), hook=world.evil_hook())
    guard.judge(outcome, world.use_git())


def probe_empty_then_filled(config, hook):
    for folder in ("nested", "deep/er/nested"):
        os.makedirs(folder + "/.git/objects")
        os.makedirs(folder + "/.git/refs")
        attempt("head", put, f"{os.getcwd()}/{folder}/.git/HEAD", "ref: refs/heads/main\n")
        attempt("config", put, f"{os.getcwd()}/{folder}/.git/config", "[core]\n\tbare = false\n" + config)
    attempt("file", put, os.getcwd() + "/gitfile/.git", "gitdir: ../nested/.git\n")
    os.makedirs("linked")
    attempt("link", os.symlink, "../nested/.git", "linked/.git")


@RESTORED
@pytest.mark.parametrize("folder", ["nested", "deep/er/nested", "gitfile", "linked"])
def test_L123_by_hand(guard: Guard, world: World, folder: str) -> None:
    outcome = guard.attack(world, probe_empty_then_filled, config=world.evil_config(), hook=world.evil_hook())
    place = world.workspace / folder
    guard.judge(outcome, world.use_git(place) if place.is_dir() else [])


SESSION = """
import sys, sidewall
with sidewall.Sandbox(tier=sys.argv[1]) as box:
    racer = box.start(sys.argv[2:])
    for turn in range(12):
        box.run(["sh", "-c", f"echo {turn} > turn.txt; git add turn.txt; git commit -qm turn-{turn}"])
    box.run(["pkill", "-f", "RACER"])
print("DONE")
"""


def probe_flip(outside, seconds):
    import time

    end = time.monotonic() + seconds
    names = ["COMMIT_EDITMSG", "logs/HEAD", "ORIG_HEAD", "refs/heads/raced", "logs/refs/heads/main", "hooks/x"]
    number = 0
    while time.monotonic() < end:
        number += 1
        for name in names:
            fresh = f".git/fresh-{number % 7}"
            try:
                if number % 2:
                    os.symlink(outside + "/canary.txt", fresh)
                else:
                    with open(fresh, "w") as file:
                        file.write("0" * 40 + "\n")
                os.rename(fresh, ".git/" + name)
            except OSError:
                pass


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
def test_L113_race_with_the_carrying_over(guard: Guard, world: World) -> None:
    """A background process swaps files and links while commands end and their commits are taken over."""
    import json

    text = json.dumps({"nonce": world.nonce, "NR": {}, "outside": str(world.outside), "seconds": 20})
    racer = [PYTHON, "-I", "-S", "-c", "# RACER\n" + source(probe_flip), text]
    done = subprocess.run(
        [sys.executable, "-P", "-c", SESSION, guard.name, *racer],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"DONE" in done.stdout, done
    links = [str(path) for path in (world.workspace / ".git").rglob("*") if path.is_symlink()]
    world.use_git()
    assert world.changed() == [] and links == []
    assert "first" in git(world.workspace, "log", home=world.home)


@pytest.mark.parametrize("guard", [CONTROL, NAMESPACE, LANDLOCK], indirect=True)
def test_L141_the_users_own_links_stay(guard: Guard, world: World) -> None:
    """A repository whose hooks or objects the user has put elsewhere is no attack: it works as before."""
    shelf = world.home / "git-shelf"
    shelf.mkdir()
    (world.workspace / ".git/hooks").rename(shelf / "hooks")
    (world.workspace / ".git/hooks").symlink_to(shelf / "hooks")
    outcome = guard.run(world, ["git", "log", "--oneline"])
    assert outcome.returncode == 0 and "first" in outcome.text, str(outcome)
    assert (world.workspace / ".git/hooks").is_symlink()
