"""Every git command that people and agents use, made inside, is there outside.

Knows: what the two views must agree on.  Must not know: how it is carried.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.linux.git.conftest import World

ADD = "echo new > n; git add n"
SCENARIOS = {
    "add": [ADD],
    "commit": [f"{ADD}; git commit -qm c"],
    "two commits": [f"{ADD}; git commit -qm c", "echo more >> n; git commit -qam d"],
    "amend": [f"{ADD}; git commit -qm c", "git commit -q --amend -m other"],
    "branches": ["git branch b", "git branch -f b HEAD~1", "git branch -m b c/d", "git branch -D c/d"],
    "a branch in place of a directory": ["git branch a/b", "git branch -m a/b a", "git branch -m a a/c"],
    "a deleted branch, then the same again": ["git branch -D topic", "git branch topic", "git branch -D topic"],
    "tags": ["git tag light", "git tag -a -m text heavy", "git tag -d light v1"],
    "checkout": ["git checkout -q -b new", f"{ADD}; git commit -qm c", "git checkout -q topic", "git checkout -q v1"],
    "reset": ["git reset -q --soft HEAD~1", "git reset -q --hard", "git reset -q --hard ORIG_HEAD"],
    "merge": ["git checkout -q topic; echo t > t; git add t; git commit -qm t", "git checkout -q main",
              "git merge -q --no-ff -m merged topic"],
    "a merge with a conflict": [
        "git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; git commit -qam m",
        "git merge topic || true", "echo both > f; git add f; git commit -qm merged"],
    "a merge given up": [
        "git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; git commit -qam m",
        "git merge topic || true", "git merge --abort"],
    "rebase": ["git checkout -q topic; echo t > t; git add t; git commit -qm t; git checkout -q main",
               f"{ADD}; git commit -qm c", "git checkout -q topic; git rebase -q main"],
    "a rebase with a conflict": [
        "git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; git commit -qam m",
        "git checkout -q topic; git rebase main || true", "echo both > f; git add f; git rebase --continue"],
    "a rebase given up": [
        "git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; git commit -qam m",
        "git checkout -q topic; git rebase --apply main || true", "git rebase --abort"],
    "cherry-pick": [
        "git checkout -q topic; echo t >> f; git commit -qam t; git checkout -q main; echo m >> f; git commit -qam m",
        "git cherry-pick topic || true", "git cherry-pick --abort"],
    "revert": ["git revert --no-edit HEAD", "git revert --no-edit HEAD~1 HEAD || true"],
    "am": ["git format-patch -q -1 -o ../p; git reset -q --hard HEAD~1", "git am -q ../p/*.patch"],
    "bisect": ["git bisect start HEAD HEAD~1", "git bisect reset"],
    "stash": ["echo z >> f; git stash -q", "echo y >> f; git stash -q", "git stash pop -q", "git checkout -q f",
              "git stash drop -q"],
    "notes": ["git notes add -m note", "git notes remove"],
    "pack-refs": ["git branch a; git branch b/c; git pack-refs --all", "git branch -D b/c", "git branch b/c"],
    "gc": [f"{ADD}; git commit -qm c", "git gc -q --prune=now", "echo more >> n; git commit -qam d; git gc -q"],
    "repack": [f"{ADD}; git commit -qm c; git repack -adq", "git commit -q --amend -m z; git repack -adfq"],
    "reflog": ["git reset -q --hard HEAD~1", "git reflog expire --expire=now --all"],
    "removed and moved files": ["git rm -q f", "git mv d/g h; git commit -qm moved"],
    "sparse index": ["git sparse-checkout set --sparse-index d || true", "git commit -q --allow-empty -m c"],
    "index version 4": ["git update-index --index-version 4", f"{ADD}; git commit -qm c"],
    "split index": ["git update-index --split-index; git status -s", f"{ADD}; git status -s", "git commit -qm c"],
    "odd names": ["printf x > 'a b'; printf y > \"$(printf 'n\\nl')\"; printf z > '\\303\\244'; git add .",
                  "git commit -qm odd"],
    "executable, link": ["echo x > x; chmod +x x; ln -s f l; git add x l", "git commit -qm modes"],
    "intent to add": ["echo x > x; git add -N x", "git add x; git commit -qm x"],
}


@pytest.mark.parametrize("steps", SCENARIOS.values(), ids=SCENARIOS)
def test_what_was_done_inside_is_done_outside(world: World, steps: list[str]) -> None:
    for step in steps:
        world.run(step)
        world.agree()
    held = [told for told in world.settle() if told.action != "carried"]
    assert held == []
    world.everyday()


def test_the_same_in_a_repository_with_sha256(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q --object-format=sha256; echo 1 > f; git add f; git commit -qm 1; git branch topic")
    for step in ("echo 2 >> f; git commit -qam 2", "git gc -q", "git checkout -q topic; echo 3 > g; git add g",
                 "git commit -qm 3; git repack -adq", "git branch -D main"):
        world.run(step)
        world.agree()


def test_fetch_and_pull_from_a_remote(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q ../origin; cd ../origin; echo 1 > f; git add f; git commit -qm 1; cd ../work; "
                   "git clone -q ../origin .")
    world.shell("cd ../origin; for i in 1 2 3; do echo $i >> f; git commit -qam $i; done; git branch side; git tag t")
    world.run("git fetch -q")
    world.agree()
    assert "origin/side" in world.shell("git branch -r")
    # More than transfer.unpackLimit objects: git keeps these as a pack.
    world.shell("cd ../origin; for i in $(seq 150); do echo $i > file$i; done; git add .; git commit -qm many")
    world.run("git pull -q")
    world.agree()
    assert len(list(world.git.glob("objects/pack/*.pack"))) == 1
    world.shell("cd ../origin; git branch -D side")
    world.run("git fetch -q --prune; git gc -q")
    world.agree()
    assert "origin/side" not in world.shell("git branch -r")
    world.everyday()


def test_a_deep_pack_of_deltas_is_checked_and_carried(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q ../origin; cd ../origin; seq 3000 > f; git add f; git commit -qm 0; cd ../work; "
                   "git clone -q ../origin .")
    world.shell("cd ../origin; for i in $(seq 60); do seq $i 3000 > f; seq $i > g$i; git add .; git commit -qm $i; "
                "done; git repack -adq --depth=60 --window=60")
    told = world.run("git fetch -q")
    assert any(one.path == ".git/objects" and one.reason == "2 files" for one in told)
    world.agree()


def test_linked_working_trees(world: World) -> None:
    world.run("git worktree add -q ../tree topic")
    world.agree()
    assert str(world.base / "tree") in world.outside("git", "worktree", "list")
    tree = world.base / "tree"
    world.inside("echo t > t; git add t; git commit -qm in-tree; git tag from-tree", directory=tree)
    world.settle()
    world.agree()
    assert world.outside("git", "status", "--porcelain", directory=tree) == ""
    assert "in-tree" in world.outside("git", "log", directory=tree)
    world.outside("git", "fsck", "--strict", directory=tree)
    world.run("git worktree lock ../tree --reason why")
    assert "locked" in world.outside("git", "worktree", "list", "--porcelain")
    world.run("git worktree unlock ../tree; git worktree add -q --detach ../other; git worktree remove ../tree")
    assert sorted(path.name for path in (world.git / "worktrees").iterdir()) == ["other"]
    world.run("git worktree remove ../other")
    assert not (world.git / "worktrees").exists() or not list((world.git / "worktrees").iterdir())
    world.agree()


def test_a_working_tree_made_outside_is_used_inside(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q; echo 1 > f; git add f; git commit -qm 1; git worktree add -q ../tree -b topic")
    tree = world.base / "tree"
    world.shell("sleep 0.01; git -C ../tree status")
    world.inside("echo 2 > f; git commit -qam 2; git checkout -q -b more", directory=tree)
    told = world.settle()
    assert not [one for one in told if one.action != "carried"]
    assert world.outside("git", "status", "--porcelain=v2", "--branch", directory=tree) == world.inside(
        "git status --porcelain=v2 --branch", directory=tree)
    world.agree()


SUBMODULE = """
git init -q ../library; cd ../library; echo lib > lib; git add lib; git commit -qm lib
git init -q ../inner; cd ../inner; echo inner > i; git add i; git commit -qm inner
cd ../library; git submodule --quiet add ../inner deps/inner; git commit -qm with-inner
cd ../work; git init -q; git submodule --quiet add ../library libs/one; git commit -qm sub
git submodule --quiet deinit -f libs/one; rm -rf .git/modules libs/one
"""


def test_a_submodule_is_cloned_inside_and_used_outside(worlds: Callable[..., World], tmp_path: object) -> None:
    world = worlds(SUBMODULE)
    # The remotes lie below a writable root of the world; from now on they may not.
    assert world.carry is not None
    world.carry._roots = (str(world.work),)
    told = world.run("git submodule --quiet update --init --recursive")
    shown = {(one.action, one.path) for one in told}
    assert ("carried", ".git/modules/libs/one") in shown
    assert ("carried", ".git/modules/libs/one/modules/deps/inner") in shown
    assert ("held", ".git/config") in shown
    module = world.work / "libs/one"
    for place in (module, module / "deps/inner"):
        words = "git status --porcelain=v2 --branch; git log --format=%H%d; git config core.worktree; git remote -v"
        assert world.outside("sh", "-c", words, directory=place) == world.inside(words, directory=place)
        world.outside("git", "fsck", "--strict", directory=place)
        assert not (place / world.outside("git", "rev-parse", "--git-path", "hooks", directory=place).strip()).exists()
    world.inside("echo change >> lib; git commit -qam change; git branch extra", directory=module)
    world.run("git commit -qam bump")
    world.agree()
    assert world.outside("git", "log", "--format=%s", "-1", directory=module) == "change\n"
    world.everyday()


def test_a_repository_made_inside(worlds: Callable[..., World]) -> None:
    world = worlds("mkdir .git")
    assert not world.carry.dirty()
    told = world.run("git init -q .; echo 1 > f; git add f; git commit -qm first; git branch b")
    assert next(one.path for one in told if one.action == "carried") == ".git"
    world.agree()
    assert sorted(path.name for path in world.git.iterdir()) == [
        "COMMIT_EDITMSG", "HEAD", "config", "index", "logs", "objects", "refs"]
    world.run("echo 2 >> f; git commit -qam second")
    world.agree()


def test_a_shallow_clone_is_deepened(worlds: Callable[..., World]) -> None:
    world = worlds("git init -q ../origin; cd ../origin; for i in 1 2 3 4 5; do echo $i > f; git add f; "
                   "git commit -qm $i; done; cd ../work; git clone -q --depth 2 file://$PWD/../origin .")
    world.run("git fetch -q --depth 3")
    world.agree()
    assert world.shell("git rev-list --count HEAD") == "3\n"
    world.run("git fetch -q --unshallow")
    world.agree()
    assert world.shell("git rev-list --count HEAD") == "5\n"


def test_objects_are_copies_and_read_only(world: World) -> None:
    world.run("echo unique > u; git add u; git commit -qm u")
    oid = world.shell("git rev-parse HEAD:u").strip()
    st = (world.git / "objects" / oid[:2] / oid[2:]).stat()
    assert st.st_mode & 0o222 == 0 and st.st_nlink == 1


def test_nothing_to_do_is_noticed_without_a_look(world: World) -> None:
    assert world.carry is not None
    world.inside("git log; cat .git/HEAD")
    assert not world.carry.dirty()
    assert world.settle() == ()
    world.run("echo 1 >> f; git commit -qam c")
    # Time stamps may be coarse: shortly after a change another look is right.
    subprocess.run(["sleep", "0.2"], check=True, timeout=10)
    world.settle()
    assert not world.carry.dirty()
    world.inside("git log; ls -R .git")
    assert not world.carry.dirty()
    for change in ("git add -A; echo 2 >> f; git add f", "git commit -qam d", "git commit -q --amend -m e",
                   "git reset -q HEAD~1", "git branch -f topic HEAD", "git checkout -q topic", "git tag new",
                   "git stash -q; git stash pop -q", "git branch -d main", "git update-ref refs/x/y HEAD",
                   "git worktree add -q ../tree"):
        subprocess.run(["sleep", "0.1"], check=True, timeout=10)
        world.settle()
        assert not world.carry.dirty(), change
        world.inside(change)
        assert world.carry.dirty(), change
    world.settle()
    world.agree(index=False)


def test_closing_twice_and_using_it_afterwards(world: World) -> None:
    assert world.carry is not None
    world.inside("git branch late")
    world.carry.close()
    world.carry.close()
    assert not world.carry.dirty()
    assert world.settle() == ()
    assert "late" not in world.shell("git branch")


def test_the_way_to_the_first_command_is_short() -> None:
    script = ("import sys; before = set(sys.modules); import sidewall.platforms.linux.gitcarry; "
              "print(*sorted(set(sys.modules) - before))")
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
                          check=True, capture_output=True, text=True, timeout=30)
    assert {name for name in done.stdout.split() if not name.startswith("sidewall")} <= {"time", "__future__"}
    assert not [name for name in done.stdout.split() if "linux.git" in name and not name.endswith("gitcarry")]
