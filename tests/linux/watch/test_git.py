"""A repository that was there before, without mounts: what steers git is put back, git's own work is left alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Trap = Callable[[], tuple[Path, bool]]


def ordinary_work(repository: Path, git) -> None:
    (repository / "file").write_text("two\n")
    git(repository, "commit", "-qam", "two")
    git(repository, "checkout", "-qb", "side")
    (repository / "other").write_text("other\n")
    git(repository, "add", "other")
    git(repository, "stash")
    git(repository, "stash", "pop")
    git(repository, "commit", "-qm", "other")
    git(repository, "rebase", "-q", "main")
    git(repository, "tag", "v1")
    git(repository, "gc", "-q")


def test_ordinary_work_is_left_alone(repository: Path, git, watch) -> None:
    watcher = watch()
    ordinary_work(repository, git)
    assert watcher.compare() == ()
    assert watcher.compare(final=True) == ()
    assert git(repository, "status", "--porcelain") == ""


def test_worktrees_and_submodules_come_move_and_go(repository: Path, tmp_path: Path, git, watch) -> None:
    library = tmp_path / "library"
    shutil.copytree(repository, library)
    old = repository / "old"
    git(repository, "worktree", "add", "-q", "old")
    watcher = watch()
    git(repository, "worktree", "add", "-q", "new")
    git(repository, "worktree", "move", "old", "moved")
    assert watcher.compare() == ()
    git(repository / "new", "commit", "-q", "--allow-empty", "-m", "in the new one")
    assert watcher.compare(final=True) == ()
    assert git(repository / "new", "status", "--porcelain") == ""
    assert git(repository / "moved", "status", "--porcelain") == ""
    assert not old.exists()
    git(repository, "worktree", "remove", "new")
    git(repository, "worktree", "remove", "moved")
    assert watcher.compare(final=True) == ()
    assert not (repository / ".git/worktrees").exists()


def test_a_new_submodule_works_though_the_configuration_is_put_back(repository: Path, tmp_path: Path, git,
                                                                     watch) -> None:
    library = tmp_path / "library"
    shutil.copytree(repository, library)
    watcher = watch()
    git(repository, "submodule", "--quiet", "add", str(library), "vendor")
    held = watcher.compare(final=True)
    assert [item.path for item in held] == [f"{repository}/.git/config"]
    assert git(repository / "vendor", "status", "--porcelain") == ""
    assert (repository / "vendor/.git").is_file()


def evil_config(repository: Path, program: Path) -> str:
    return (f"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {program}\n\thooksPath = {program.parent}\n"
            f"[filter \"x\"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n"
            f"[diff]\n\texternal = {program}\n[alias]\n\tstatus = !{program}\n")


def config_in_place(repository: Path, program: Path) -> None:
    with open(repository / ".git/config", "a") as stream:
        stream.write(evil_config(repository, program))


def config_by_rename(repository: Path, program: Path) -> None:
    fresh = repository / ".git/config.lock"
    fresh.write_text(evil_config(repository, program))
    fresh.rename(repository / ".git/config")


def config_by_link(repository: Path, program: Path) -> None:
    (repository / "innocent").write_text(evil_config(repository, program))
    (repository / ".git/config").unlink()
    (repository / ".git/config").symlink_to("../innocent")


def config_of_worktree(repository: Path, program: Path) -> None:
    (repository / ".git/config.worktree").write_text(evil_config(repository, program))
    with open(repository / ".git/config", "a") as stream:
        stream.write("[extensions]\n\tworktreeConfig = true\n")


def new_hooks(repository: Path, program: Path) -> None:
    for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        shutil.copy(program, repository / ".git/hooks" / name)


def hooks_by_rename(repository: Path, program: Path) -> None:
    (repository / ".git/hooks").rename(repository / ".git/hooks.old")
    (repository / ".git/hooks").mkdir()
    new_hooks(repository, program)


def hooks_by_link(repository: Path, program: Path) -> None:
    (repository / "innocent").mkdir()
    shutil.rmtree(repository / ".git/hooks")
    (repository / ".git/hooks").symlink_to("../innocent")
    new_hooks(repository, program)


def commondir(repository: Path, program: Path) -> None:
    shutil.copytree(repository / ".git", repository / "other")
    (repository / "other/config").write_text(evil_config(repository, program))
    new_hooks(repository, program)
    (repository / ".git/commondir").write_text("../other\n")


def swapped_for_a_directory(repository: Path, program: Path) -> None:
    (repository / ".git").rename(repository / "aside")
    shutil.copytree(repository / "aside", repository / ".git")
    config_in_place(repository, program)
    new_hooks(repository, program)


def swapped_for_a_link(repository: Path, program: Path) -> None:
    swapped_for_a_directory(repository, program)
    (repository / ".git").rename(repository / "evil")
    (repository / ".git").symlink_to("evil")


def swapped_for_a_gitfile(repository: Path, program: Path) -> None:
    swapped_for_a_directory(repository, program)
    (repository / ".git").rename(repository / "evil")
    (repository / ".git").write_text("gitdir: evil\n")


def attributes(repository: Path, program: Path) -> None:
    config_in_place(repository, program)
    (repository / ".git/info/attributes").write_text("* filter=x diff=x\n")


ATTACKS = [config_in_place, config_by_rename, config_by_link, config_of_worktree, new_hooks, hooks_by_rename,
           hooks_by_link, commondir, swapped_for_a_directory, swapped_for_a_link, swapped_for_a_gitfile, attributes]


def active_hooks(repository: Path) -> list[str]:
    return sorted(name for name in os.listdir(repository / ".git/hooks") if not name.endswith(".sample"))


def host_works(repository: Path, git) -> None:
    git(repository, "status")
    (repository / "file").write_text("by the user\n")
    git(repository, "add", "-u", "file")
    git(repository, "commit", "-qm", "by the user")
    git(repository, "diff", "HEAD~1")
    git(repository, "checkout", "-qb", "fresh")
    git(repository, "gc", "-q")


@pytest.mark.parametrize("attack", ATTACKS)
def test_git_runs_nothing_of_it_afterwards(repository: Path, git, watch, trap: Trap, attack) -> None:
    program, _ran = trap()
    config = (repository / ".git/config").read_text()
    hooks = active_hooks(repository)
    watcher = watch()
    attack(repository, program)
    held = watcher.compare()
    assert held
    assert {item.action for item in held} == {"put back"}, held
    assert watcher.compare() == ()
    assert (repository / ".git/config").read_text() == config
    assert active_hooks(repository) == hooks
    assert git(repository, "mine").endswith("one\n")
    assert not trap()[1]
    assert {item.action for item in watcher.compare(final=True)} <= {"put back"}
    host_works(repository, git)
    assert not trap()[1]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attacks_are_real(repository: Path, git, trap: Trap, attack) -> None:
    """Without the watcher each of them has the next git of the user run the trap."""
    attack(repository, trap()[0])
    for arguments in (("status",), ("add", "-A"), ("commit", "-qam", "x"), ("checkout", "-qb", "fresh"), ("gc",)):
        git(repository, *arguments, check=False)
    assert trap()[1]


def test_attacks_on_a_submodule_and_a_worktree_are_undone(repository: Path, tmp_path: Path, git, watch,
                                                          trap: Trap) -> None:
    program, _ran = trap()
    library = tmp_path / "library"
    shutil.copytree(repository, library)
    git(repository, "submodule", "--quiet", "add", str(library), "vendor/lib")
    git(repository, "worktree", "add", "-q", "tree")
    git(repository, "commit", "-qm", "submodule")
    watcher = watch()
    module = repository / ".git/modules/vendor/lib"
    with open(module / "config", "a") as stream:
        stream.write(evil_config(repository, program))
    shutil.copy(program, module / "hooks/pre-commit")
    tree = repository / ".git/worktrees/tree"
    (tree / "commondir").write_text("../../../innocent\n")
    (tree / "gitdir").write_text("/etc/.git\n")
    (tree / "config.worktree").write_text(evil_config(repository, program))
    (repository / "tree/.git").write_text("gitdir: ../innocent\n")
    (repository / "vendor/lib/.git").write_text("gitdir: ../../innocent\n")
    assert {item.path for item in watcher.compare()} == {
        f"{module}/config", f"{module}/hooks/pre-commit", f"{tree}/commondir", f"{tree}/gitdir",
        f"{tree}/config.worktree", f"{repository}/tree/.git", f"{repository}/vendor/lib/.git"}
    for place in ("tree", "vendor/lib"):
        git(repository / place, "status")
        git(repository / place, "commit", "-q", "--allow-empty", "-m", "x")
    assert not trap()[1]
    assert watcher.compare(final=True) == ()


def test_a_module_that_is_a_link_and_a_forged_worktree_are_taken(repository: Path, git, watch) -> None:
    watcher = watch()
    (repository / ".git/modules").mkdir()
    (repository / ".git/modules/lib").symlink_to("../../innocent")
    forged = repository / ".git/worktrees/forged"
    forged.mkdir(parents=True)
    (forged / "commondir").write_text("../../../innocent\n")
    (forged / "gitdir").write_text(f"{repository}/tree/.git\n")
    (forged / "HEAD").write_text("ref: refs/heads/main\n")
    (repository / ".git/worktrees/link").symlink_to("/etc")
    assert len(watcher.compare()) == 3
    assert os.listdir(repository / ".git/modules") == []
    assert os.listdir(repository / ".git/worktrees") == []


def test_alternates_and_links_inside_are_put_right(repository: Path, git, watch) -> None:
    watcher = watch()
    (repository / ".git/objects/info/alternates").write_text("/somewhere/else\n")
    (repository / ".git/objects/info/http-alternates").write_text("http://example.invalid\n")
    (repository / ".git/branches").mkdir(exist_ok=True)
    (repository / ".git/branches/origin").write_text("ext::sh -c true\n")
    (repository / ".git/logs").rename(repository / "logs")
    (repository / ".git/logs").symlink_to("../logs")
    held = {item.path for item in watcher.compare()}
    inner = f"{repository}/.git"
    assert held == {f"{inner}/objects/info/alternates", f"{inner}/objects/info/http-alternates",
                    f"{inner}/branches/origin", f"{inner}/logs"}
    assert git(repository, "fsck") is not None


def test_a_link_that_was_there_before_stays(repository: Path, watch) -> None:
    """As ``git-new-workdir`` makes them."""
    (repository / ".git").rename(repository / "real")
    (repository / ".git").mkdir()
    for name in ("config", "hooks", "info", "objects", "refs", "HEAD"):
        (repository / ".git" / name).symlink_to(f"../real/{name}")
    watcher = watch()
    assert watcher.compare(final=True) == ()
    with open(repository / "real/config", "a") as stream:
        stream.write("[core]\n\tfsmonitor = evil\n")
    (repository / ".git/hooks").unlink()
    (repository / ".git/hooks").symlink_to("/etc")
    assert {item.path for item in watcher.compare()} == {f"{repository}/real/config", f"{repository}/.git/hooks"}
    assert os.readlink(repository / ".git/hooks") == "../real/hooks"


def test_a_removed_repository_keeps_what_the_user_set(repository: Path, watch) -> None:
    config = (repository / ".git/config").read_text()
    watcher = watch()
    shutil.rmtree(repository / ".git")
    (held,) = watcher.compare()
    assert (held.path, held.reason) == (f"{repository}/.git", "it was removed")
    assert (repository / ".git/config").read_text() == config
    assert os.access(repository / ".git/hooks/post-checkout", os.X_OK)
