"""L-112 to L-117, L-123 once more: links and submodules inside a repository, and races with what carries it over.

Knows: which files the user's git writes without looking whether they are links.  Must not know: how they are held
back.  Follows `docs/attacks.md`, group L7.
"""
# ruff: noqa: F821

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from .guards import CONTROL, LANDLOCK, NAMESPACE, Guard, environment, guards
from .probes import NR, PYTHON, source
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
    "L-113 commit graph": {"objects/info/commit-graph": "made-by-git"},
    "L-113 pack index": {"objects/pack/multi-pack-index": "made-by-git"},
}


@RESTORED
@pytest.mark.parametrize("row", LINKS)
def test_links_inside_the_git_directory(guard: Guard, world: World, row: str) -> None:
    """The user's next commit writes where the link leads."""
    outcome = guard.attack(world, probe_links_inside, outside=world.outside, names=LINKS[row])
    world.freeze()
    world.use_git()
    for words in ("fetch -q . HEAD", "pack-refs --all", "gc -q", "multi-pack-index write"):
        git(world.workspace, *words.split(), home=world.home, check=False)
    links = [name for name in LINKS[row] if (world.workspace / ".git" / name).is_symlink()]
    if guard.is_control:
        assert world.changed(), str(outcome)
    else:
        assert world.changed() == [] and links == [], str(outcome)


def probe_hard_links(outside):
    for name in ("COMMIT_EDITMSG", "FETCH_HEAD", "logs/HEAD"):
        attempt("remove", os.unlink, ".git/" + name)
        attempt("hard link " + name, os.link, outside + "/canary.txt", ".git/" + name)


@guards("write-outside")
def test_L114_hard_links_inside_the_git_directory(guard: Guard, world: World) -> None:
    """The user's next commit would write into another file of the user's."""
    outcome = guard.attack(world, probe_hard_links, outside=world.outside)
    canary = (world.outside / "canary.txt").read_bytes()
    world.use_git()
    git(world.workspace, "fetch", "-q", ".", "HEAD", home=world.home, check=False)
    assert ((world.outside / "canary.txt").read_bytes() != canary) == guard.is_control, str(outcome)


def probe_links_in_a_new_repository(outside):
    import subprocess

    for line in ("git init -q sub", "cd sub && echo x > x && git add x && git commit -qm x"):
        print(subprocess.run(["sh", "-c", line], capture_output=True, timeout=20))
    for name in ("COMMIT_EDITMSG", "logs/HEAD", "logs/refs/heads/main"):
        attempt("remove", os.unlink, "sub/.git/" + name)
        attempt("link " + name, os.symlink, f"{outside}/canary.txt", "sub/.git/" + name)


@RESTORED
def test_L113_links_in_a_new_repository(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_links_in_a_new_repository, outside=world.outside)
    world.freeze()
    world.use_git(world.workspace / "sub")
    assert bool(world.changed()) == guard.is_control, str(outcome)


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


def probe_index(hook):
    import hashlib
    import struct
    import subprocess

    def shell(line, data=b""):
        return subprocess.run(["sh", "-c", line], input=data, capture_output=True, timeout=20).stdout.decode().strip()

    shell("git init -q sub; cd sub; echo x > x; git add x; git commit -qm x")
    for place in (".", "sub"):
        oid = shell("cd " + place + "; git hash-object -w --stdin", hook.encode())
        body = b"DIRC" + struct.pack(">II", 2, 1)
        path = b".git/hooks/post-checkout"
        one = struct.pack(">10I", *[0] * 6, 0o100755, 0, 0, 0) + bytes.fromhex(oid)
        one += struct.pack(">H", len(path)) + path
        body += one + bytes(8 - len(one) % 8)
        attempt("remove", os.unlink, place + "/.git/index")
        with open(place + "/.git/index", "wb") as file:
            file.write(body + hashlib.sha1(body).digest())


@RESTORED
@pytest.mark.parametrize("folder", [".", "sub"])
def test_L123_an_index_that_names_a_hook(guard: Guard, world: World, folder: str) -> None:
    """`git checkout -- .` writes whatever path the index names."""
    outcome = guard.attack(world, probe_index, hook=world.evil_hook())
    for words in ("status", "checkout -- .", "checkout -q -b later"):
        git(world.workspace / folder, *words.split(), home=world.home, check=False)
    guard.judge(outcome, world.fired())


SESSION = """
import sys, sidewall
with sidewall.Sandbox(tier=sys.argv[1]) as box:
    racer = box.start(sys.argv[2:])
    for turn in range(25):
        try:
            box.run(["sh", "-c", f"echo {turn} > turn.txt; git add turn.txt; git commit -qm turn-{turn}"])
        except sidewall.MachineError as error:
            print("could not settle:", error)
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
        with open("count", "a") as file:
            file.write("x")


def race(guard: Guard, world: World, probe: Callable[..., None]) -> bytes:
    """Commands one after the other in one sandbox while a background process of it keeps swapping."""
    text = json.dumps({"nonce": world.nonce, "NR": NR, "outside": str(world.outside), "seconds": 20})
    racer = [PYTHON, "-I", "-S", "-c", "# RACER\n" + source(probe), text]
    done = subprocess.run(
        [sys.executable, "-P", "-c", SESSION, guard.name, *racer],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=80,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("guard", [NAMESPACE, LANDLOCK], indirect=True)
def test_L113_race_with_the_carrying_over(guard: Guard, world: World) -> None:
    """A background process swaps files and links while commands end and their commits are taken over."""
    said = race(guard, world, probe_flip)
    assert b"DONE" in said, said
    assert (world.workspace / "count").stat().st_size > 20, "nothing was swapped: the probe is broken"
    links = [str(path) for path in (world.workspace / ".git").rglob("*") if path.is_symlink()]
    world.use_git()
    assert world.changed() == [] and links == []
    assert "first" in git(world.workspace, "log", home=world.home)


def probe_flip_directories(outside, seconds):
    import time

    end = time.monotonic() + seconds
    names = (".claude", ".vscode", ".git/hooks", ".git/info", ".git")
    for number in range(len(names)):
        os.symlink(outside, f"to-outside-{number}")
    while time.monotonic() < end:
        count = 0
        for number, name in enumerate(names):
            try:
                with open(name + "/settings.json", "w") as file:
                    file.write(NONCE)
            except OSError:
                pass
            try:
                # Now the directory, now a link that leads out, under the same name.
                syscall("renameat2", -100, name.encode(), -100, f"to-outside-{number}".encode(), 2)
                count += 1
            except OSError:
                pass
        with open("count", "a") as file:
            file.write("x" * count)


@guards("write-outside", control=False)
def test_L117_race_with_the_putting_back(guard: Guard, world: World) -> None:
    """Who puts names back works with the user's rights: a link swapped in meanwhile must not lead it out."""
    for name in ("settings.json", "tasks.json", "config", "pre-commit.sample", "exclude", "HEAD"):
        (world.outside / name).write_text("the user's own\n")
    world.freeze()
    said = race(guard, world, probe_flip_directories)
    assert b"DONE" in said, said
    assert world.changed() == [], said
    swaps = (world.workspace / "count").stat().st_size
    assert swaps > 50 or guard.name == NAMESPACE, "nothing was swapped: the probe is broken"


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
