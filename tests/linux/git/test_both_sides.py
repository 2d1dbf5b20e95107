"""The user works outside while commands run inside: nobody's work is lost, and git's locks are respected.

Knows: git, ``GitCarry``'s reports.  Must not know: how it notices.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.linux.git.conftest import World


def conflicts(told: tuple[object, ...]) -> list[str]:
    """Of references; their logs have the same fate."""
    return sorted(one.path for one in told if one.action == "conflict"  # type: ignore[attr-defined]
                  and "/logs/" not in one.path)  # type: ignore[attr-defined]


def test_a_branch_that_both_move_stays_as_the_user_left_it(world: World) -> None:
    time.sleep(0.05)
    world.shell("echo mine > mine; git add mine; git commit -qm mine")
    mine = world.shell("git rev-parse main").strip()
    world.inside("git update-ref refs/heads/main $(git commit-tree -p HEAD -m theirs HEAD:)")
    theirs = world.inside("git rev-parse main").strip()
    told = world.settle()
    assert ".git/refs/heads/main" in conflicts(told)
    assert theirs in next(one.reason for one in told if one.path == ".git/refs/heads/main")
    assert world.shell("git rev-parse main").strip() == mine
    # What was made inside is not lost: the commit is there, under the name that was reported.
    world.shell(f"git branch rescued {theirs}")
    world.whole()
    assert world.settle() == ()


def test_after_an_agreement_the_next_change_of_the_host_counts(world: World) -> None:
    world.run("git branch b; git branch c")
    time.sleep(0.05)
    world.shell("git branch -f b HEAD~1; git branch -D c")
    told = world.run("git branch -f b v1~1; git branch -f c HEAD~1; git branch d")
    # Both made the same of b; c is gone outside.
    assert conflicts(told) == [".git/refs/heads/c"]
    assert world.shell("git rev-parse b") == world.shell("git rev-parse HEAD~1")
    assert "  c\n" not in world.shell("git branch")
    assert "  d\n" in world.shell("git branch")
    world.whole()


def test_what_the_host_made_is_not_removed(world: World) -> None:
    world.run("git branch dir/one")
    time.sleep(0.05)
    world.shell("git branch dir/mine; git branch topic2; git update-ref refs/heads/topic HEAD~1")
    told = world.run("rm -r .git/refs/heads/dir .git/logs/refs/heads/dir; rm .git/refs/heads/topic; git branch dir")
    assert ".git/refs/heads/topic" in conflicts(told)
    assert {"  dir/mine\n", "  topic\n", "  topic2\n"} <= set(world.shell("git branch").splitlines(keepends=True))
    world.whole()


def test_logs_that_both_write_keep_the_lines_of_the_host(world: World) -> None:
    world.run("git commit -q --allow-empty -m 1")
    time.sleep(0.05)
    world.shell("git commit -q --allow-empty -m mine; git commit -q --allow-empty -m again")
    before = (world.git / "logs/HEAD").read_text()
    told = world.run("git commit -q --allow-empty -m theirs")
    assert (world.git / "logs/HEAD").read_text() == before
    assert ".git/refs/heads/main" in conflicts(told)
    world.whole()


def test_a_lock_of_the_host_is_waited_for(world: World) -> None:
    locks = [world.git / f"{name}.lock" for name in ("refs/heads/main", "index", "HEAD", "refs/heads/topic")]
    head = world.shell("git rev-parse HEAD")
    world.inside("echo a > a; git add a; git commit -qm a; git checkout -q -b new; git branch -D topic")
    for lock in locks:
        lock.touch()
    told = world.settle()
    assert {one.reason for one in told if one.action == "held"} >= {"another git holds its lock"}
    assert world.shell("git rev-parse HEAD") == head
    for lock in locks:
        assert lock.exists()
        lock.unlink()
    assert world.carry is not None and world.carry.dirty()
    world.settle()
    world.agree()


def test_git_outside_and_the_carrier_exclude_each_other(world: World) -> None:
    """Both write the same index and branches as fast as they can; the repository stays whole."""
    stop = world.base / "stop"
    world.inside("git branch b; git commit -q --allow-empty -m 0; git tag t; echo 0 > n; git add n")
    world.settle()
    loop = subprocess.Popen(
        ["sh", "-c", (f"while [ ! -e {stop} ]; do git update-ref refs/heads/b HEAD~1; git update-index --refresh -q; "
                     "git update-ref refs/heads/b HEAD; git pack-refs --all; sleep 0.01; done")],
        cwd=world.work, env=world.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # Locks of the host are seen through the layer, so git inside may have to try again.
    again = "for i in 1 2 3 4 5 6 7 8 9; do %s && break; rm -f .git/*.lock .git/refs/heads/*.lock; done; "
    try:
        for number in range(8):
            world.inside(f"echo {number} > n; {again % 'git add n'} {again % f'git commit -qm {number}'}"
                         + again % f"git branch b{number}", check=False)
            world.settle()
    finally:
        stop.touch()
        loop.wait(timeout=30)
    for _ in range(3):
        world.settle()
    world.whole()
    names = set(world.inside("git for-each-ref --format='%(refname)' 'refs/heads/b?*'").split())
    assert names
    assert names == set(world.shell("git for-each-ref --format='%(refname)' 'refs/heads/b?*'").split())


def test_commands_that_go_on_while_the_carrier_looks(world: World) -> None:
    """A reference is carried only with all that it needs, at whatever moment the carrier looks."""
    stop, ended = world.base / "stop", world.base / "ended"
    world.inside(f"(set +e; i=0; while [ ! -e {stop} ] && [ $i -lt 200 ]; do i=$((i+1)); echo $i > n; git add n; "
                 "git commit -qm $i; git branch -f side; git pack-refs --all; git branch -D side; done; "
                 f"touch {ended}) >../log 2>&1 &")
    try:
        for _ in range(20):
            world.settle()
            checked = world.outside("git", "fsck", "--strict", "--no-dangling")
            assert "error" not in checked and "missing" not in checked, checked
    finally:
        stop.touch()
    deadline = time.monotonic() + 30
    while not ended.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.settle()
    world.agree()


def test_files_that_change_while_they_are_read(world: World) -> None:
    """Good and bad content take turns; what is outside is good at every moment."""
    stop = world.base / "stop"
    world.inside(f"cp .git/refs/heads/main ../good; printf 'ref: ../../evil\\n' > ../bad; "
                 f"(i=0; while [ ! -e {stop} ] && [ $i -lt 3000 ]; do i=$((i+1)); cat ../bad > .git/refs/heads/t; "
                 "cat ../good > .git/refs/heads/t; done) >/dev/null 2>&1 &")
    good = world.shell("git rev-parse main")
    try:
        for _ in range(60):
            world.settle()
            path = world.git / "refs/heads/t"
            assert not path.exists() or path.read_text() == good
    finally:
        stop.touch()
    world.whole()


def test_unreadable_files_and_directories(worlds: Callable[..., World]) -> None:
    world = worlds()
    told = world.run("git branch closed; chmod 000 .git/refs/heads/closed; git branch open; mkdir .git/refs/shut; "
                     "cp .git/refs/heads/main .git/refs/shut/x; chmod 000 .git/refs/shut")
    assert "  open\n" in world.shell("git branch")
    if os.geteuid():
        assert {".git/refs/heads/closed", ".git/refs/shut"} <= {one.path for one in told if one.action == "held"}
    world.inside("chmod 755 .git/refs/shut; chmod 644 .git/refs/heads/closed")
    world.settle()
    world.agree()


def quiet(world: World) -> None:
    """Until no fresh view is wanted: a change of a moment ago counts as one that another may have followed."""
    deadline = time.monotonic() + 30
    while world.fresh() is not None:
        assert time.monotonic() < deadline, "a fresh view is wanted again and again, and nobody changes anything"
        time.sleep(0.06)


def test_the_user_and_the_cell_take_turns(world: World) -> None:
    """What the user does between two commands is seen by the next one, and neither is in the other's way."""
    quiet(world)
    for number in range(4):
        time.sleep(0.06)
        world.shell(f"echo {number} > mine; git add mine; git commit -qm outside{number}; git branch -f b{number}; "
                    "git branch -D topic; git branch topic; git stash list; git tag -f t")
        assert world.fresh() == ()
        world.agree()
        told = world.run(f"echo {number} > theirs; git add theirs; git commit -qm inside{number}; git branch -f t; "
                         "git branch -D topic; git checkout -q -B side; git checkout -q main; git branch topic main~1")
        assert [one for one in told if one.action != "carried"] == []
        world.agree()
    assert world.shell("git log --format=%s -8").split() == [
        word for number in (3, 2, 1, 0) for word in (f"inside{number}", f"outside{number}")]
    quiet(world)
    world.inside("git log; git status")
    world.settle()
    world.agree()


def test_a_fresh_view_takes_nothing_from_the_cell(world: World) -> None:
    world.run("git branch both; git branch mine; git branch gone; git worktree add -q ../tree")
    time.sleep(0.06)
    world.shell("git branch -f both HEAD~1; git branch -D gone; git worktree remove ../tree; git branch -D tree")
    world.inside("git branch -f both $(git commit-tree -p HEAD -m theirs HEAD:); git branch unseen")
    theirs = world.inside("git rev-parse both")
    assert conflicts(world.fresh() or ()) == [".git/refs/heads/both"]
    assert world.inside("git rev-parse both") == theirs
    time.sleep(0.06)
    world.fresh()
    assert world.inside("git rev-parse both") == theirs
    assert "gone" not in world.inside("git branch")
    assert "unseen" in world.shell("git branch")
    assert world.shell("git branch | grep -v both") == world.inside("git branch | grep -v both")
    world.whole()


def test_references_that_the_host_packed_are_not_gone(world: World) -> None:
    world.run("git commit -q --allow-empty -m 1; git branch b")
    time.sleep(0.06)
    world.shell("git gc -q --prune=now")
    assert not (world.git / "refs/heads/main").exists()
    told = world.run("git commit -q --allow-empty -m 2")
    assert {one.action for one in told} == {"carried"}
    assert world.fresh() == ()
    world.agree()
    told = world.run("git branch -D b")
    assert {one.action for one in told} == {"carried"}
    world.agree()


def test_a_lock_that_was_seen_once_is_forgotten(world: World) -> None:
    (world.git / "index.lock").touch()
    assert "index.lock" in world.inside("echo 1 > n; git add n", check=False)
    (world.git / "index.lock").unlink()
    assert world.fresh() is not None
    world.run("git add n; git commit -qm n")
    world.agree()
