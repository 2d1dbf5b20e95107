"""Host facts out of worlds: what a plan is told about a machine that is only a file.

Knows: ``plan.world_facts``.  Must not know: what a plan makes of the facts.
"""

from __future__ import annotations

from sidewall.nt import mask
from sidewall.plan import facts as kinds
from sidewall.plan import world_facts
from sidewall.plan.facts_windows import PathFact, WindowsFacts
from sidewall.policy.model import DENY, READ, WRITE, FileRule

from .proving import (
    GIVEN,
    GROUP,
    LOGON,
    OFFLINE,
    ONLINE,
    OWN,
    SYSTEM,
    USER,
    directory,
    file,
    load,
    policy_for,
    small,
)

HOME, WORK = "C:\\Users\\u", "C:\\Users\\u\\w"


def fact(facts: WindowsFacts, path: str) -> PathFact:
    (found,) = [each for each in facts.paths if each.path == path]
    return found


def test_who_is_who() -> None:
    world = small()
    facts = world_facts.facts(world, policy_for(world))
    assert (facts.user, facts.group, facts.logon, facts.home) == (USER, GROUP, LOGON, HOME)
    assert facts.offline is not None and facts.online is not None
    assert (facts.offline.sid, facts.online.sid) == (OFFLINE, ONLINE)
    assert facts.offline.name.endswith("-off") and facts.online.name.endswith("-on")
    assert facts.filtering.present


def test_a_machine_without_accounts_has_none() -> None:
    world = small()
    bare = world.replace(accounts=world.accounts.replace(offline=None, online=None, group=None))
    facts = world_facts.facts(bare, policy_for(bare))
    assert facts.offline is None and facts.online is None and facts.group is None and facts.filtering.present == ()


def test_paths_of_the_policy_and_all_above_them() -> None:
    world = small(file(WORK + "\\a"))
    facts = world_facts.facts(world, policy_for(world, (READ, WORK + "\\a"), (DENY, "C:\\Users\\u\\gone\\deep")))
    assert {"C:\\", "C:\\Users", HOME, WORK, WORK + "\\a", HOME + "\\gone"} <= {each.path for each in facts.paths}
    assert fact(facts, WORK).kind == kinds.DIRECTORY and fact(facts, WORK).real == WORK
    assert fact(facts, WORK + "\\a").kind == kinds.FILE
    assert fact(facts, HOME + "\\gone\\deep").kind == kinds.MISSING and fact(facts, HOME + "\\gone").real == ""


def test_links_are_followed_to_where_they_lead() -> None:
    world = small(
        directory(HOME + "\\real"), file(HOME + "\\real\\f"),
        directory(HOME + "\\way", reparse="junction", target=HOME + "\\real"),
        directory(HOME + "\\loop", reparse="junction", target=HOME + "\\loop"),
        directory(HOME + "\\nowhere", reparse="symlink"),
        directory(HOME + "\\relative", reparse="symlink", target="real"))
    policy = policy_for(world, (READ, HOME + "\\way\\f"), *((READ, f"{HOME}\\{name}") for name in (
        "loop", "nowhere", "relative")))
    facts = world_facts.facts(world, policy)
    through = fact(facts, HOME + "\\way\\f")
    assert (through.real, through.kind, through.reparse) == (HOME + "\\real\\f", kinds.FILE, "")
    way = fact(facts, HOME + "\\way")
    assert (way.real, way.reparse) == (HOME + "\\real", "junction")
    assert [fact(facts, f"{HOME}\\{name}").real for name in ("loop", "nowhere", "relative")] == ["", "", ""]


def test_who_may_read_and_who_may_edit_comes_from_the_access_check() -> None:
    world = small(
        directory(HOME + "\\open", OWN + "(A;;FR;;;BU)"), directory(HOME + "\\alien", SYSTEM),
        directory(HOME + "\\null", f"O:{USER}G:{USER}D:NO_ACCESS_CONTROL"),
        directory(HOME + "\\odd", f"O:{USER}G:{USER}D:(A;;FA;;;{USER})(D;;FW;;;BG)"),
        {"path": HOME + "\\locked", "kind": "directory", "problem": "ERROR_ACCESS_DENIED"})
    names = ("open", "alien", "null", "odd", "locked")
    facts = world_facts.facts(world, policy_for(world, *((READ, f"{HOME}\\{name}") for name in names)))
    found = {name: fact(facts, f"{HOME}\\{name}") for name in names}
    assert [found[name].shared for name in names] == [True, False, True, False, False]
    assert [found[name].editable for name in names] == [True, False, True, True, False]
    assert "no DACL" in found["null"].problem and "canonical" in found["odd"].problem
    assert found["locked"].problem == "ERROR_ACCESS_DENIED" and found["alien"].owner == "S-1-5-18"
    assert facts.home_private


def test_protected_names_git_directories_and_special_files_below_the_workspace() -> None:
    world = load("repository")
    facts = world_facts.facts(world, policy_for(world))
    base = world.workspace
    there = {each.path for each in facts.protected if each.kind != kinds.MISSING}
    assert there == {base + "\\.vscode", base + "\\packages\\web\\.vscode"}
    assert base + "\\.envrc" in {each.path for each in facts.protected if each.kind == kinds.MISSING}
    git = {each.path: each for each in facts.git}
    assert set(git) == {base + "\\.git", base + "\\lib\\.git"}
    assert git[base + "\\.git"].common == base + "\\.git" and git[base + "\\lib\\.git"].problem
    listings = {each.path: dict(each.entries) for each in facts.listings}
    assert listings[base + "\\.git"]["hooks"] == kinds.DIRECTORY and listings[base + "\\.git"]["HEAD"] == kinds.FILE
    assert "lib" in listings[base + "\\.git\\modules"]
    assert len(facts.linked) == 3 and all("node_modules" in path for path in facts.linked)
    assert facts.reparses == (base + "\\node_modules\\left-pad",)


def test_patterns_match_files_of_the_world() -> None:
    world = load("repository")
    policy = policy_for(world)
    rule = FileRule(path=f"{world.workspace}\\**\\*.json", access=DENY, source=GIVEN, glob=True)
    facts = world_facts.facts(world, policy.replace(files=(*policy.files, rule)))
    assert {path.rpartition("\\")[2] for path in facts.matches} == {"tasks.json", "settings.json", "package.json"}
    assert set(facts.matches) <= {each.path for each in facts.paths}


def test_tools_are_where_programs_lie_in_the_profile() -> None:
    world = load("developer-tools")
    tools = set(world_facts.facts(world, policy_for(world)).tools)
    home = "C:\\Users\\dev\\"
    assert {home + ".cargo\\bin", home + "AppData\\Roaming\\npm", home + "scoop\\shims"} <= tools
    assert all(path.startswith(home) for path in tools)


def test_wide_places_are_told_by_their_tops() -> None:
    facts = world_facts.facts(load("shared-tools"), policy_for(load("shared-tools")))
    wide = {(each.path, each.who): each.mask for each in facts.wide}
    assert wide["C:\\exchange", "S-1-1-0"] & mask.FILE_DELETE_CHILD
    assert ("C:\\exchange\\list.csv", "S-1-1-0") not in wide
    assert wide["C:\\tools", "S-1-5-11"] & (mask.FILE_ADD_FILE | mask.FILE_DELETE_CHILD) == mask.FILE_ADD_FILE
    assert wide["C:\\", "S-1-5-11"] == mask.FILE_ADD_SUBDIRECTORY


def test_volumes_are_told() -> None:
    world = load("memory-stick")
    stick = [each for each in world_facts.facts(world, policy_for(world)).volumes if each.root == "E:\\"]
    assert [(each.filesystem, each.acls, each.remote) for each in stick] == [("exFAT", False, False)]


def test_writable_rules_open_more_roots() -> None:
    world = small(directory("C:\\Users\\u\\x"), directory("C:\\Users\\u\\x\\.idea"))
    facts = world_facts.facts(world, policy_for(world, (WRITE, "C:\\Users\\u\\x")))
    assert "C:\\Users\\u\\x\\.idea" in {each.path for each in facts.protected if each.kind == kinds.DIRECTORY}
