"""Protected names in a writable workspace: present, absent, links; and links that must not lead a mount astray.

Knows: what editors, agents and git act upon.  Must not know: how a name is held.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sidewall.plan import steps
from sidewall.platforms.linux import repositories
from sidewall.policy import protect
from sidewall.policy.model import WRITE

from .place import Opened, Place, rule, write

ABSENT = sorted(set(protect.DEFAULT) - protect.ONLY_PRESENT)
ATTACK = """
rm -rf "$1"; mkdir -p "$1" && echo evil > "$1/evil"; echo evil > "$1"; echo evil >> "$1"; mv "$1" moved
ln -sfn /tmp "$1"; mkdir other && echo evil > other/evil; mv -T other "$1"; mv --exchange -T other "$1"
truncate -s 0 "$1"; chmod 777 "$1"; touch "$1"; cp --remove-destination /etc/hostname "$1"; ln other/evil "$1"
find "$1" -type f -exec sh -c 'echo evil > {}' ';'
"""


def attack(cell: Opened, name: str) -> str:
    return cell.run(["/bin/sh", "-c", ATTACK, "sh", name]).output


def seen(path: Path) -> object:
    """A file's text, a link's target, a directory's tree; None for nothing."""
    if path.is_symlink():
        return ("link", os.readlink(path))
    if path.is_dir():
        return {child.name: seen(child) for child in path.iterdir()}
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("kind", ["directory", "file", "absent"])
def test_names_stay_as_they_were(place: Place, namespace: str, kind: str) -> None:
    for name in ABSENT if kind != "absent" else ():
        write(place.work / name / "inner" if kind == "directory" else place.work / name, "the user's\n")
    before = {name: seen(place.work / name) for name in ABSENT}
    cell = place.open(namespace)
    for name in ABSENT:
        said = attack(cell, name)
        expected = before[name] if kind != "absent" else {}
        assert seen(place.work / name) == expected, said
    cell.run("rm -rf moved other")
    cell.close()
    assert {name: seen(place.work / name) for name in ABSENT} == before


def test_names_in_subdirectories(place: Place, namespace: str) -> None:
    held = write(place.work / "a/b/.vscode/tasks.json", "{}\n")
    cell = place.open(namespace)
    attack(cell, "a/b/.vscode")
    assert held.read_text() == "{}\n"
    cell.run("mv a a2; mv a/b a/b2; rm -rf a; mkdir -p a/b/.vscode; echo evil > a/b/.vscode/tasks.json")
    assert held.read_text() == "{}\n"
    # Where the name never was it can be made; the end of the cell finds it.
    cell.run("mkdir -p fresh/.vscode; echo evil > fresh/.vscode/tasks.json")
    cell.close()
    assert held.read_text() == "{}\n"
    left = {path for path in place.work.rglob(".vscode/*") if path.read_text() != "{}\n"}
    told = {item.path for item in cell.cell.last_held}
    assert all(told & {os.fspath(path), os.fspath(path.parent)} for path in left)


def test_a_directory_on_the_way_to_a_name_can_be_worked_in(place: Place, namespace: str) -> None:
    write(place.work / "a/b/.vscode/tasks.json", "{}\n")
    write(place.work / "a/b/file")
    cell = place.open(namespace)
    script = "cd a/b && mv file new && mkdir sub && mv new sub/ && ln sub/new hard && mv hard .. && rm -r sub && ls .."
    said = cell.run(script).output
    assert said == "b\nhard\n"


def test_names_are_put_back_in_the_landlock_tier(place: Place, landlock: str) -> None:
    held = write(place.work / ".vscode/tasks.json", "{}\n")
    cell = place.open(landlock)
    cell.run("echo evil > .vscode/tasks.json; mkdir .claude; echo evil > .claude/settings.json")
    told = cell.cell.settle()
    assert held.read_text() == "{}\n"
    assert not (place.work / ".claude").exists()
    assert {os.path.basename(item.path) for item in told} >= {"tasks.json", ".claude"} or len(told) >= 2


@pytest.mark.parametrize("target", ["directory", "file", "nowhere", "itself", "ssh", "root"])
@pytest.mark.parametrize("name", [".vscode", ".mcp.json", ".git", "sidewall.toml"])
def test_a_hostile_link_leads_nothing_astray(place: Place, namespace: str, name: str, target: str) -> None:
    """A link that an earlier command left: what it leads to is neither covered nor held nor written nor removed."""
    there = {
        "directory": place.home / ".config", "file": place.home / ".bashrc", "nowhere": place.home / "nowhere",
        "itself": place.work / name, "ssh": place.home / ".ssh", "root": Path("/"),
    }[target]  # fmt: skip
    write(place.home / ".config/tool", "plain\n")
    write(place.home / ".bashrc", "# shell\n")
    write(place.home / ".ssh/key", "hidden\n")
    (place.work / name).symlink_to(there)
    before = seen(place.home / ".config"), seen(place.home / ".bashrc"), seen(place.home / ".ssh")
    cell = place.open(namespace)
    assert cell.run(f"cat {place.home}/.config/tool {place.home}/.bashrc").output == "plain\n# shell\n"
    script = 'echo evil > "$1"; echo evil > "$1"/evil; cat "$1"/key; rm -f "$1"/tool; mkdir "$1"/new'
    said = cell.run(["sh", "-c", script, "sh", name]).output
    assert "hidden" not in said
    cell.close()
    assert (seen(place.home / ".config"), seen(place.home / ".bashrc"), seen(place.home / ".ssh")) == before
    assert not (place.home / "nowhere").exists()
    assert (place.work / name).is_symlink() and os.readlink(place.work / name) == os.fspath(there)


def test_a_link_replaced_inside_is_put_back(place: Place, namespace: str) -> None:
    (place.work / ".vscode").symlink_to(place.home / "shared")
    cell = place.open(namespace)
    cell.run("rm .vscode && mkdir .vscode && echo evil > .vscode/tasks.json")
    cell.close()
    assert os.readlink(place.work / ".vscode") == os.fspath(place.home / "shared")


def test_a_workspace_behind_links(place: Place, tier: str) -> None:
    """The session resolves the workspace once; the plan writes what it really is."""
    (place.home / "by-link").symlink_to(place.work)
    (place.base / "home2").symlink_to(place.home)
    for named in (place.home / "by-link", place.base / "home2/work"):
        policy = place.policy()
        others = tuple(item for item in policy.files if item.path != policy.workspace)
        cell = place.open(tier, files=(*others, rule(WRITE, named)))
        roots = [step.path for step in cell.plan.steps if isinstance(step, steps.Writable)]
        if tier == "namespace":
            assert roots == [os.fspath(place.work)]
        assert cell.run("echo x > made && cat made").output == "x\n"
        assert cell.run(f"echo x > {place.home}/outside/made").returncode != 0
        cell.close()


def test_an_ancestor_that_becomes_a_link_is_not_followed(place: Place, namespace: str) -> None:
    plan = place.plan(namespace)
    place.work.rename(place.elsewhere / "work")
    place.work.symlink_to(place.elsewhere / "work")
    with pytest.raises(Exception, match="work"):
        place.backend.apply(plan)
    place.work.unlink()
    (place.elsewhere / "work").rename(place.work)
    (place.home).rename(place.base / "moved")
    (place.home).symlink_to(place.base / "moved")
    with pytest.raises(Exception, match="home"):
        place.backend.apply(plan)
    assert not list((place.base / "moved/work").iterdir())


def test_the_workspace_itself_stays(place: Place, namespace: str) -> None:
    cell = place.open(namespace)
    cell.run(f"cd /; rm -rf {place.work}; mv {place.work} {place.home}/elsewhere; rmdir {place.work}")
    assert place.work.is_dir()
    assert cell.run("echo x > made && cat made").output == "x\n"


def git(*words: str, cwd: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": os.fspath(cwd), "GIT_CONFIG_NOSYSTEM": "1"}
    for name in ("AUTHOR", "COMMITTER"):
        environ |= {f"GIT_{name}_NAME": "A", f"GIT_{name}_EMAIL": "a@example.invalid"}
    subprocess.run(["git", *words], cwd=cwd, env=environ, check=True, capture_output=True, timeout=30)


@pytest.fixture
def repository(place: Place) -> Path:
    main = place.home / "main"
    main.mkdir()
    git("init", "-q", cwd=main)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=main)
    return main


def look(path: Path, *hidden: Path) -> tuple[str, str]:
    found = repositories.examine(os.fspath(path), tuple(map(os.fspath, hidden)))
    return found.common, found.problem


def test_a_directory_is_its_own_repository(repository: Path) -> None:
    assert look(repository / ".git") == (os.fspath(repository / ".git"), "")


def test_a_linked_worktree_leads_to_its_repository(place: Place, repository: Path) -> None:
    git("worktree", "add", "-q", os.fspath(place.work / "tree"), cwd=repository)
    assert look(place.work / "tree/.git") == (os.fspath(repository / ".git"), "")


def test_a_submodule_leads_to_the_repository_around_it(place: Place, repository: Path) -> None:
    outer = place.work / "outer"
    outer.mkdir()
    git("init", "-q", cwd=outer)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", os.fspath(repository), "sub", cwd=outer)
    assert look(outer / "sub/.git") == (os.fspath(outer / ".git"), "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gitdir: {home}/.ssh\n", "hidden"), ("gitdir: ../.ssh\n", "hidden"), ("gitdir: {main}/.git\n", "point back"),
        ("gitdir: {home}/nowhere\n", "point back"), ("gitdir: \n", "point back"), ("gitdir: /\n", "point back"),
        ("", "not a gitfile"), ("gitdir:{main}/.git", "not a gitfile"), ("[core]\n", "not a gitfile"),
        ("gitdir: {main}/.git/worktrees/tree\n", "point back"), ("gitdir: /proc/self/cwd\n", "point back"),
    ],
)  # fmt: skip
def test_a_gitfile_that_is_not_answered_is_refused(place: Place, repository: Path, text: str, why: str) -> None:
    (place.home / ".ssh").mkdir()
    git("worktree", "add", "-q", os.fspath(place.elsewhere / "tree"), cwd=repository)
    path = write(place.work / ".git", text.format(home=place.home, main=repository))
    common, problem = look(path, place.home / ".ssh")
    assert common == "" and why in problem


def test_a_forged_answer_is_no_git_directory(place: Place) -> None:
    """Both files written by an earlier command: it leads to a place that is no repository."""
    fake = place.work / "fake"
    write(fake / "gitdir", f"{place.work}/.git\n")
    write(fake / "commondir", f"{place.home}/outside\n")
    write(place.work / ".git", "gitdir: fake\n")
    common, problem = look(place.work / ".git")
    assert common == "" and "no git directory" in problem


def test_odd_entries_are_refused(place: Place) -> None:
    (place.work / ".git").symlink_to("elsewhere")
    assert look(place.work / ".git")[1].startswith("is a symbolic link")
    (place.work / ".git").unlink()
    os.mkfifo(place.work / ".git")
    assert "neither" in look(place.work / ".git")[1]
    assert look(place.work / "missing")[1].startswith("cannot be looked at")
    # A gitfile whose target's files are pipes or links is not waited for and not followed.
    (place.work / ".git").unlink()
    (place.work / "fake").mkdir()
    os.mkfifo(place.work / "fake/gitdir")
    os.mkfifo(place.work / "fake/config")
    write(place.work / ".git", "gitdir: fake\n")
    assert "point back" in look(place.work / ".git")[1]


def test_a_refused_gitfile_is_read_only(place: Place, namespace: str) -> None:
    write(place.home / ".ssh/key", "hidden\n")
    path = write(place.work / ".git", f"gitdir: {place.home}/.ssh\n")
    cell = place.open(namespace)
    assert not [step for step in cell.plan.steps if isinstance(step, steps.GitOverlay)]
    said = cell.run("cat .git; echo evil > .git; rm -f .git; mv .git g; echo gitdir: /tmp > .git").output
    assert "hidden" not in said
    assert path.read_text() == f"gitdir: {place.home}/.ssh\n"
    assert any("hidden path" in note for note in cell.plan.notes)
