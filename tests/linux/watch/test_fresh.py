"""Repositories that a command made: what git itself writes stays, what would run or lead astray is taken out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Trap = Callable[[], tuple[Path, bool]]

TIERS = pytest.mark.parametrize("each", [True, False], ids=["without mounts", "with mounts"])


@pytest.fixture
def upstream(tmp_path: Path, git) -> Path:
    """A repository outside the writable root."""
    made = tmp_path / "upstream"
    made.mkdir()
    git(made, "init", "-q")
    (made / "file").write_text("one\n")
    git(made, "add", "file")
    git(made, "commit", "-qm", "one")
    return made


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name not in ("config", "config.worktree")}


@TIERS
def test_clean_repositories_are_left_alone(workspace: Path, upstream: Path, git, watch, each: bool) -> None:
    watcher = watch(each=each)
    git(workspace, "clone", "-q", str(upstream), "clone")
    git(workspace, "clone", "-q", "--bare", str(upstream), "bare.git")
    git(workspace, "clone", "-q", "--sparse", str(upstream), "sparse")
    git(workspace, "init", "-q", "made")
    git(workspace / "made", "config", "user.email", "someone@example.invalid")
    git(workspace / "made", "config", "commit.gpgsign", "false")
    git(workspace / "made", "commit", "-q", "--allow-empty", "-m", "x")
    git(workspace / "made", "worktree", "add", "-q", "../tree")
    git(workspace / "made", "submodule", "--quiet", "add", str(upstream), "vendor/lib")
    git(workspace, "init", "-q", "--separate-git-dir", str(workspace / "apart.git"), "separate")
    before = contents(workspace)
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()
    assert watcher.compare(final=True) == ()
    assert contents(workspace) == before
    for name in ("clone", "sparse", "made", "tree", "made/vendor/lib", "separate"):
        git(workspace / name, "status", "--porcelain")
        git(workspace / name, "commit", "-q", "--allow-empty", "-m", "y")
    assert git(workspace / "clone", "remote", "get-url", "origin").strip() == str(upstream)
    git(workspace / "clone", "pull", "-q")
    assert git(workspace / "made", "config", "user.email") == "someone@example.invalid\n"
    assert git(workspace / "sparse", "config", "core.sparseCheckout") == "true\n"
    git(workspace / "bare.git", "log", "-1")


def config(inner: Path, program: Path) -> None:
    with open(inner / "config", "a") as stream:
        stream.write(f"[core]\n\tfsmonitor = {program}\n\thooksPath = {program.parent}\n[alias]\n\tx = !{program}\n")


def config_link(inner: Path, program: Path) -> None:
    shutil.move(inner / "config", inner.parent / "innocent")
    (inner / "config").symlink_to(inner.parent / "innocent")
    with open(inner.parent / "innocent", "a") as stream:
        stream.write(f"[core]\n\tfsmonitor = {program}\n")


def included(inner: Path, program: Path) -> None:
    (inner / "more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    with open(inner / "config", "a") as stream:
        stream.write("[include]\n\tpath = more\n")


def worktree_config(inner: Path, program: Path) -> None:
    with open(inner / "config", "a") as stream:
        stream.write("[extensions]\n\tworktreeConfig = true\n")
    (inner / "config.worktree").write_text(f"[core]\n\tfsmonitor = {program}\n")


def hook(inner: Path, program: Path) -> None:
    for name in ("pre-commit", "post-index-change", "reference-transaction"):
        shutil.copy(program, inner / "hooks" / name)


def hooks_link(inner: Path, program: Path) -> None:
    shutil.rmtree(inner / "hooks")
    (inner.parent / "scripts").mkdir()
    (inner / "hooks").symlink_to("../scripts")
    hook(inner, program)


def commondir(inner: Path, program: Path) -> None:
    shutil.copytree(inner, inner.parent / "common")
    config(inner.parent / "common", program)
    (inner / "commondir").write_text("../common\n")


def odd_syntax(inner: Path, program: Path) -> None:
    with open(inner / "config", "a") as stream:
        stream.write(f"[core] ; \\\n  fsmonitor=\"{program}\" ; x\n[CORE]fsmonitor={program}\n")


ATTACKS = [config, config_link, included, worktree_config, hook, hooks_link, commondir, odd_syntax]


def host_works(directory: Path, git) -> None:
    git(directory, "status", check=False)
    (directory / "fresh").write_text("x")
    git(directory, "add", "fresh", check=False)
    git(directory, "commit", "-qm", "x", check=False)


@TIERS
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_one_is_made_harmless(workspace: Path, git, watch, trap: Trap, attack, each: bool) -> None:
    watcher = watch(each=each)
    git(workspace, "init", "-q", "sub/made")
    attack(workspace / "sub/made/.git", trap()[0])
    held = watcher.compare(final=True)
    assert held
    assert {item.action for item in held} == {"put back"}
    host_works(workspace / "sub/made", git)
    assert not trap()[1]
    assert git(workspace / "sub/made", "log", "--format=%s") == "x\n"
    assert watcher.compare(final=True) == ()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attacks_are_real(workspace: Path, git, trap: Trap, attack) -> None:
    git(workspace, "init", "-q", "made")
    attack(workspace / "made/.git", trap()[0])
    host_works(workspace / "made", git)
    assert trap()[1]


def test_one_at_the_top_is_looked_after_at_each_command(workspace: Path, git, watch, trap: Trap) -> None:
    watcher = watch(each=True)
    git(workspace, "init", "-q")
    assert watcher.compare() == ()
    config(workspace / ".git", trap()[0])
    hook(workspace / ".git", trap()[0])
    git(workspace, "config", "user.name", "Someone")
    os.remove(trap()[0].parent / "trace") if trap()[1] else None
    assert watcher.compare()
    host_works(workspace, git)
    assert not trap()[1]
    assert git(workspace, "config", "user.name") == "Someone\n"


@TIERS
@pytest.mark.parametrize("target", ["../innocent", "/etc", "nowhere", "../evil"])
def test_a_gitfile_or_a_link_that_leads_astray_is_taken(workspace: Path, git, watch, trap: Trap, target: str,
                                                        each: bool) -> None:
    (workspace / "innocent/hooks").mkdir(parents=True)
    (workspace / "innocent/hooks/own").write_text("the user's")
    (workspace / "innocent/config").write_text("the user's")
    watcher = watch(each=each)
    git(workspace, "init", "-q", "made")
    hidden = workspace / "node_modules/evil"
    hidden.parent.mkdir()
    (workspace / "made/.git").rename(hidden)
    config(hidden, trap()[0])
    for name in ("file", "link"):
        (workspace / name).mkdir()
    target = "../node_modules/evil" if target == "../evil" else target
    (workspace / "file/.git").write_text(f"gitdir: {target}\n")
    (workspace / "link/.git").symlink_to(target)
    held = {item.path for item in watcher.compare(final=True)}
    # Among packages too a repository is made harmless: a file may lead to it then.
    inside = target == "../node_modules/evil"
    assert held == {f"{hidden}/config", f"{workspace}/link/.git"} | (set() if inside else {f"{workspace}/file/.git"})
    assert (workspace / "innocent/config").read_text() == "the user's"
    assert (workspace / "innocent/hooks/own").exists()
    host_works(workspace / "file", git)
    host_works(workspace / "link", git)
    assert not trap()[1]


@TIERS
def test_a_bare_repository_without_the_name_is_made_harmless(workspace: Path, git, watch, trap: Trap,
                                                              each: bool) -> None:
    watcher = watch(each=each)
    git(workspace, "init", "-q", "--bare", "assets")
    config(workspace / "assets", trap()[0])
    with open(workspace / "assets/config", "a") as stream:
        stream.write(f"[core]\n\tbare = false\n\tworktree = {workspace}/assets\n")
    assert [item.path for item in watcher.compare(final=True)] == [f"{workspace}/assets/config"]
    git(workspace / "assets", "status")
    assert not trap()[1]


@TIERS
def test_a_directory_of_the_user_made_to_look_like_one(workspace: Path, git, watch, each: bool) -> None:
    for name in ("", "data/"):
        (workspace / f"{name}hooks").mkdir(parents=True)
        (workspace / f"{name}hooks/deploy").write_text("the user's")
        (workspace / f"{name}config").write_text("the user's")
    watcher = watch(each=each)
    for name in ("", "data/"):
        (workspace / f"{name}objects").mkdir()
        (workspace / f"{name}refs").mkdir()
        (workspace / f"{name}HEAD").write_text("ref: refs/heads/main\n")
    assert {item.path for item in watcher.compare(final=True)} == {f"{workspace}/HEAD", f"{workspace}/data/HEAD"}
    # What lies below such a directory is looked at all the same.
    git(workspace, "init", "-q", "objects/made")
    hook(workspace / "objects/made/.git", workspace / "hooks/deploy")
    (workspace / "HEAD").write_text("ref: refs/heads/main\n")
    assert len(watcher.compare(final=True)) == 4
    assert (workspace / "hooks/deploy").read_text() == "the user's"
    assert (workspace / "data/config").read_text() == "the user's"


@TIERS
def test_what_redirects_objects_and_attributes_is_taken(workspace: Path, tmp_path: Path, git, watch,
                                                         each: bool) -> None:
    git(workspace, "init", "-q", "old")
    victim = tmp_path / "victim"
    victim.mkdir()
    watcher = watch(each=each, held=(f"{workspace}/old/.git",))
    git(workspace, "clone", "-q", "--shared", "old", "shared")
    git(workspace, "init", "-q", "made")
    inner = workspace / "made/.git"
    (inner / "objects/info/alternates").write_text(f"{victim}\n")
    (inner / "objects/info/http-alternates").write_text("http://example.invalid/\n")
    (inner / "info/attributes").write_text("* filter=x\n")
    (inner / "refs/heads").rmdir()
    (inner / "refs/heads").symlink_to(victim)
    (inner / "objects/pack").rmdir()
    (inner / "objects/pack").symlink_to(victim)
    held = {item.path for item in watcher.compare(final=True)}
    assert held - {f"{workspace}/shared/.git/config"} == {
        f"{inner}/{name}" for name in ("objects/info/alternates", "objects/info/http-alternates", "info/attributes",
                                       "refs/heads", "objects/pack")}
    git(workspace / "shared", "status")
    git(workspace / "made", "gc", "-q")
    assert os.listdir(victim) == []


@TIERS
def test_hostile_modules_and_worktrees_of_a_new_one(workspace: Path, git, watch, trap: Trap, each: bool) -> None:
    watcher = watch(each=each)
    git(workspace, "init", "-q", "made")
    inner = workspace / "made/.git"
    git(workspace, "init", "-q", "--bare", str(inner / "modules/a/b"))
    config(inner / "modules/a/b", trap()[0])
    (workspace / "made/b").mkdir()
    (workspace / "made/b/.git").write_text("gitdir: ../.git/modules/a/b\n")
    (inner / "worktrees/x").mkdir(parents=True)
    (inner / "worktrees/x/commondir").write_text("../../modules/a/b\n")
    (inner / "worktrees/x/HEAD").write_text("ref: refs/heads/main\n")
    (workspace / "made/x").mkdir()
    (workspace / "made/x/.git").write_text("gitdir: ../.git/worktrees/x\n")
    held = {item.path for item in watcher.compare(final=True)}
    assert held == {f"{inner}/modules/a/b/config", f"{inner}/worktrees/x", f"{workspace}/made/x/.git"}
    for name in ("b", "x"):
        host_works(workspace / "made" / name, git)
    assert not trap()[1]


@TIERS
def test_an_unchanged_directory_is_not_read_again_but_what_is_in_it_is(workspace: Path, git, watch, each: bool) -> None:
    """Directories that were at rest for a while when the cell was made."""
    (workspace / "a/b/c").mkdir(parents=True)
    (workspace / "data/objects").mkdir(parents=True)
    (workspace / "data/refs").mkdir()
    (workspace / "data/HEAD").write_text("notes\n")
    time.sleep(0.2)
    watcher = watch(each=each)
    assert watcher.compare(final=True) == ()
    git(workspace, "init", "-q", "a/b/c/made")
    hook(workspace / "a/b/c/made/.git", workspace / "data/HEAD")
    (workspace / "a/b/.envrc").write_text("evil")
    (workspace / "data/HEAD").write_text("ref: refs/heads/main\n")
    inner = f"{workspace}/a/b/c/made/.git/hooks"
    assert {item.path for item in watcher.compare(final=True)} == {
        f"{inner}/pre-commit", f"{inner}/post-index-change", f"{inner}/reference-transaction",
        f"{workspace}/a/b/.envrc", f"{workspace}/data/HEAD"}
