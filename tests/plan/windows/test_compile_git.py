"""Git directories in a Windows plan: what a commit writes is granted, what steers git is held.

Knows: the layout of repositories.  Must not know: any file's content.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall.nt import mask
from sidewall.plan import facts as kinds
from sidewall.plan.facts_windows import GitFact, Listing
from sidewall.plan.steps import Plan, Watch
from sidewall.plan.windows_edits import FILLING, MODIFY, STAYING, WRITING
from sidewall.plan.windows_steps import AclEdit, Placeholder, Refused, TokenRecipe
from sidewall.policy import gitdir

from .machines import (
    ANN,
    GIT_ENTRIES,
    GROUP,
    HOME,
    WORK,
    Disk,
    aces,
    compiled,
    edit,
    line,
    of,
    policy,
    repository,
)

ALL = 3
NEW = 11
TIERS = ("account", "token", "token-strict")
GIT = WORK + r"\.git"
MAIN = r"D:\main\.git"
STEERING = ("config", "hooks", "info", "description")


def capability(plan: Plan) -> str:
    return str(of(plan, TokenRecipe)[0].restricting[0])


def placed(plan: Plan) -> dict[str, Placeholder]:
    return {step.path: step for step in of(plan, Placeholder)}


@pytest.mark.parametrize("tier", TIERS)
def test_commits_work_and_what_steers_git_is_held(tier: str) -> None:
    plan = compiled(tier=tier, **repository())
    cap = capability(plan)
    for name, kind in GIT_ENTRIES:
        found = aces(plan, f"{GIT}\\{name}")
        flags = ALL if kind == kinds.DIRECTORY else 0
        assert (("deny", cap, WRITING, flags) in found) == (name in STEERING), name
        assert (name in STEERING) == (not gitdir.writable((name,)) and name not in ("objects", "refs"))
    # Directories whose content changes stay where they are themselves.
    for path in (GIT, GIT + r"\objects", GIT + r"\refs", GIT + r"\objects\info"):
        whom = {GROUP, cap} if tier == "account" else {cap}
        denied = [ace for ace in aces(plan, path) if ace[3] == 0]
        assert {who for _, who, _, _ in denied} == whom and all(ace[0] == "deny" for ace in denied)
        for rights in (mask.DELETE, mask.FILE_WRITE_ATTRIBUTES):
            assert {who for _, who, bits, _ in denied if bits & rights} == whom
        assert not [ace for ace in denied if ace[2] & (mask.FILE_ADD_FILE | mask.FILE_ADD_SUBDIRECTORY)]
    for name in ("index", "HEAD", "logs"):
        assert edit(plan, f"{GIT}\\{name}") is None, "it inherits the workspace's grant"


def test_names_that_steer_git_and_are_absent() -> None:
    plan = compiled(**repository(without=("hooks", "info")))
    held = placed(plan)
    for name in ("branches", "hooks", "info", "modules", "remotes", "worktrees"):
        assert held[f"{GIT}\\{name}"].directory
    for name in (r"config.worktree", r"objects\info\alternates", r"objects\info\http-alternates"):
        assert not held[f"{GIT}\\{name}"].directory
    # git would take an empty one for a broken repository.
    assert f"{GIT}\\commondir" not in held
    assert line(plan, "protected-names").level == "partial"
    assert "commondir" in line(plan, "protected-names").reason
    (watched,) = [step for step in of(plan, Watch) if step.roots == (GIT,)]
    assert watched.names == ("commondir", "rr-cache", "MERGE_RR") and watched.each
    assert "read-only" in line(plan, "protected-names").remedy


def test_alternates_that_are_there_are_held() -> None:
    listings = (Listing(path=GIT, entries=GIT_ENTRIES),
                Listing(path=GIT + r"\objects\info", entries=(("alternates", kinds.FILE), ("packs", kinds.FILE))))
    plan = compiled(**{**repository(), "listings": listings})
    assert ("deny", GROUP, WRITING, 0) in aces(plan, GIT + r"\objects\info\alternates")
    assert GIT + r"\objects\info\http-alternates" in placed(plan)
    none = compiled(**{**repository(), "listings": listings[:1]})
    assert placed(none)[GIT + r"\objects\info"].directory


@pytest.mark.parametrize("tier", TIERS)
def test_read_only_git(tier: str) -> None:
    plan = compiled(policy(git="read-only"), tier=tier, **repository())
    assert ("deny", capability(plan), WRITING, ALL) in aces(plan, GIT)
    assert not [step for step in of(plan, AclEdit) if step.path.startswith(GIT + "\\")]
    assert "commondir" not in line(plan, "protected-names").reason


def test_no_repository_yet() -> None:
    for git in ("commit", "read-only"):
        plan = compiled(policy(git=git))
        assert placed(plan)[GIT].directory
        assert "commondir" not in line(plan, "protected-names").reason


def test_a_repository_deeper_down() -> None:
    deep = WORK + r"\libs\one\.git"
    plan = compiled(disk=Disk({WORK + r"\libs\one": "dir"}), **repository(deep))
    assert ("deny", GROUP, WRITING, 0) in aces(plan, deep + r"\config")
    for path in (WORK + r"\libs", WORK + r"\libs\one", deep):
        assert [ace for ace in aces(plan, path) if ace[:2] == ("deny", GROUP) and ace[2] & mask.DELETE]
    assert GIT in placed(plan)


def worktree(**changes: Any) -> Plan:
    """A linked worktree: the workspace's ``.git`` is a file, its repository lies on another drive."""
    own = MAIN + r"\worktrees\demo"
    told: dict[str, Any] = {
        "git": (GitFact(path=GIT, kind=kinds.FILE, common=MAIN),),
        "listings": (
            Listing(path=MAIN, entries=(*GIT_ENTRIES, ("worktrees", kinds.DIRECTORY))),
            Listing(path=own, entries=(("HEAD", kinds.FILE), ("index", kinds.FILE), ("commondir", kinds.FILE),
                                       ("gitdir", kinds.FILE), ("logs", kinds.DIRECTORY))),
            Listing(path=MAIN + r"\objects\info", entries=()),
        ), **changes,
    }  # fmt: skip
    disk = Disk({GIT: "file", MAIN: "dir", own: "dir"})
    return compiled(policy(gitdirs=(MAIN, own)), disk, **told)


def test_a_repository_outside_the_workspace() -> None:
    plan = worktree()
    cap = capability(plan)
    assert ("deny", GROUP, WRITING, 0) in aces(plan, GIT), "the pointer stays"
    # Nothing is carried into the directory: new entries are granted, and each existing one that may be written.
    found = edit(plan, MAIN)
    assert found is not None and found.reach == "self"
    assert {("allow", GROUP, FILLING, 0), ("allow", cap, MODIFY, NEW), ("allow", ANN, mask.FILE_ALL_ACCESS, NEW),
            ("deny", cap, STAYING, 0)} <= aces(plan, MAIN)  # fmt: skip
    assert ("allow", cap, MODIFY, ALL) in aces(plan, MAIN + r"\objects")
    assert ("allow", cap, MODIFY, 0) in aces(plan, MAIN + r"\index")
    assert ("deny", cap, WRITING, ALL) in aces(plan, MAIN + r"\hooks")
    assert not [ace for ace in aces(plan, r"D:\main") if ace[0] == "allow" and ace[2] & WRITING]


def test_the_worktrees_own_directory_is_granted_below_what_is_held() -> None:
    plan = worktree()
    own = MAIN + r"\worktrees\demo"
    assert ("deny", GROUP, WRITING, ALL) in aces(plan, MAIN + r"\worktrees")
    assert ("allow", GROUP, FILLING, 0) in aces(plan, own)
    for name, writes in (("HEAD", True), ("index", True), ("commondir", False), ("gitdir", False)):
        found = aces(plan, f"{own}\\{name}")
        assert (("allow", GROUP, MODIFY, 0) in found) == writes
        assert (("deny", GROUP, WRITING, 0) in found) != writes


def test_a_submodules_directory_is_granted_below_what_is_held() -> None:
    module = GIT + r"\modules\lib"
    told = repository(extra=(("modules", kinds.DIRECTORY),))
    told["git"] = (*told["git"], GitFact(path=WORK + r"\lib\.git", kind=kinds.FILE, common=module))
    told["listings"] = (*told["listings"], Listing(path=module, entries=GIT_ENTRIES))
    plan = compiled(disk=Disk({WORK + r"\lib\.git": "file"}), **told)
    assert ("deny", GROUP, WRITING, ALL) in aces(plan, GIT + r"\modules")
    assert ("allow", GROUP, FILLING, 0) in aces(plan, module)
    assert ("allow", GROUP, MODIFY, ALL) in aces(plan, module + r"\objects")
    assert ("deny", GROUP, WRITING, 0) in aces(plan, module + r"\config")
    assert ("deny", GROUP, WRITING, 0) in aces(plan, WORK + r"\lib\.git")


def test_a_repository_that_cannot_be_trusted_is_read_only() -> None:
    bad = GitFact(path=GIT, kind=kinds.DIRECTORY, problem="commondir leads elsewhere")
    plan = compiled(git=(bad,))
    assert ("deny", GROUP, WRITING, ALL) in aces(plan, GIT)
    assert any("leads elsewhere" in note for note in plan.notes)
    assert "leads elsewhere" in line(plan, "protected-names").reason


def test_a_git_directory_of_which_nothing_is_known_is_read_only() -> None:
    told = {**repository(), "listings": ()}
    plan = compiled(**told)
    assert ("deny", GROUP, WRITING, ALL) in aces(plan, GIT)
    assert any("only be read" in note for note in plan.notes)


def test_a_repository_that_belongs_to_somebody_else() -> None:
    told = repository()
    disk = Disk({GIT: {"editable": False, "owner": "S-1-5-32-544"}})
    plan = compiled(disk=disk, **told)
    assert edit(plan, GIT) is None
    assert any(step.path == GIT and "S-1-5-32-544" in step.reason for step in of(plan, Refused))
    assert GIT in line(plan, "protected-names").reason
    assert line(plan, "protected-names").level == "partial"


def test_a_linked_git_directory_is_not_held() -> None:
    link = GitFact(path=GIT, kind=kinds.SYMLINK, problem="a symbolic link")
    plan = compiled(git=(link,))
    assert edit(plan, GIT) is None and GIT in line(plan, "protected-names").reason


def test_a_link_inside_a_git_directory_is_said() -> None:
    plan = compiled(**repository(extra=(("hooks2", kinds.SYMLINK),)))
    assert edit(plan, GIT + r"\hooks2") is None
    assert r"\hooks2" in line(plan, "protected-names").reason


def test_several_names_of_a_config_file() -> None:
    path = GIT + r"\config"
    plan = compiled(disk=Disk({path: {"kind": kinds.FILE, "links": 2}}), **repository())
    assert edit(plan, path) is None
    assert any(step.path == path and "2 names" in step.reason for step in of(plan, Refused))


def test_the_home_directory_is_never_a_git_directory_to_edit() -> None:
    plan = compiled(policy(gitdirs=(HOME,)), git=(), listings=(Listing(path=HOME, entries=GIT_ENTRIES),))
    assert edit(plan, HOME) is None
    assert any("only be read" in note for note in plan.notes)
