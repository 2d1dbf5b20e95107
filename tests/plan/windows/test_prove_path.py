"""One path explained: policy and machine beside each other, with what decides, in words and as data.

Knows: ``plan.prove_path`` and ``plan.prove_text``.  Must not know: the command line.
"""

from __future__ import annotations

import json

import pytest

from sidewall.errors import PolicyError
from sidewall.plan import prove_text
from sidewall.plan.prove import prove
from sidewall.plan.prove_path import NO, PERHAPS, YES, PathAnswer, Question, explain_path

from .proving import GROUP, OFFLINE, OWN, OWN_FILE, directory, file, load, plan_for, small

HOME = "C:\\Users\\dev"
NAMES = ["readable", "writable", "deletable", "movable", "replaceable", "attributes changeable",
         "permissions changeable", "owner changeable"]


def ask(name: str, tier: str, path: str) -> PathAnswer:
    world = load(name)
    return explain_path(plan_for(world, tier), world, path)


def question(answer: PathAnswer, name: str) -> Question:
    (found,) = [each for each in answer.questions if each.name == name]
    return found


def test_a_file_of_the_workspace_may_be_used_and_not_taken_over() -> None:
    answer = ask("windows11", "account", HOME + "\\src\\app\\src\\main.py")
    assert (answer.kind, [each.name for each in answer.questions]) == ("file", NAMES)
    assert [each.machine for each in answer.questions] == [YES] * 6 + [NO] * 2
    assert [each.policy for each in answer.questions] == [True] * 6 + [False] * 2
    assert not any(each.guarantee for each in answer.questions) and answer.sddl.startswith("O:S-1-5-21-")
    write = question(answer, "writable")
    assert "the sandbox's group" in write.trace[1]
    assert "restricted pass" in write.trace[2] and "this policy" in write.trace[2]


def test_a_secret_is_closed_to_the_account_and_open_to_the_token() -> None:
    closed = ask("windows11", "account", HOME + "\\.ssh\\id_ed25519")
    assert {each.machine for each in closed.questions} == {NO}
    assert "where credentials lie" in question(closed, "readable").reason
    opened = ask("windows11", "token", HOME + "\\.ssh\\id_ed25519")
    assert {each.name: each.guarantee for each in opened.questions if each.machine == YES} == {
        "readable": "read-secrets", "deletable": "write-outside", "movable": "write-outside",
        "replaceable": "write-outside"}
    gone = question(opened, "deletable")
    assert gone.through == HOME + "\\.ssh" and "FILE_DELETE_CHILD" in gone.trace[-2]
    assert prove_text.verdict(gone) == ("is, against the policy (write-outside)", prove_text.BAD)


def test_a_directory_is_writable_when_something_can_be_put_in_it() -> None:
    answer = ask("windows11", "account", HOME + "\\src\\app\\.git\\hooks")
    held = question(answer, "writable")
    assert (held.policy, held.machine) == (False, NO) and "<a new file>" in held.reason
    assert "entry 1 of" in held.trace[1] and "denies the sandbox's group" in held.trace[1]
    assert any(line.startswith("changes its list (protect)") for line in answer.plan)
    assert any("deny the sandbox's group" in line and "FILE_DELETE_CHILD" in line for line in answer.plan)


def test_what_is_not_there_is_asked_of_the_nearest_directory() -> None:
    inside = ask("windows11", "account", HOME + "\\src\\app\\new.txt")
    assert (inside.kind, inside.nearest) == ("", HOME + "\\src\\app")
    assert [(each.name, each.policy, each.machine) for each in inside.questions] == [
        ("can be made (file)", True, YES), ("can be made (directory)", True, YES)]
    deep = ask("windows11", "account", HOME + "\\Documents\\a\\b")
    assert deep.nearest == HOME + "\\Documents" and len(deep.notes) == 2
    assert {each.machine for each in deep.questions} == {NO}
    away = ask("windows11", "account", "Z:\\nothing")
    assert away.questions == () and away.notes == ("nothing of its volume is in the world",)


def test_a_held_name_that_is_absent_is_the_plan_s_own() -> None:
    answer = ask("windows11", "account", HOME + "\\src\\app\\.VSCODE")
    assert answer.path == HOME + "\\src\\app\\.vscode" and "so that nothing else takes its name" in answer.notes[0]
    assert answer.plan == ("makes it, empty, for the time of the cell",)
    assert {each.machine for each in answer.questions if each.name != "readable"} == {NO}


def test_links_and_files_with_several_names_are_said_to_be_such() -> None:
    link = ask("repository", "account", HOME + "\\src\\app\\node_modules\\left-pad")
    assert "junction" in link.notes[0] and "left-pad@1.3.0" in link.notes[0]
    assert [each.name for each in link.questions] == [
        "deletable", "movable", "attributes changeable", "permissions changeable", "owner changeable"]
    linked = ask("repository", "account", HOME + "\\src\\app\\node_modules\\.pnpm\\left-pad@1.3.0\\0.js")
    assert "it has 2 names" in linked.notes[0] and linked.plan[0].startswith("leaves it alone: it has several names")
    assert question(linked, "writable").machine == NO and question(linked, "writable").policy
    assert prove_text.verdict(question(linked, "writable"))[1] == prove_text.WARN


def test_a_path_behind_a_link_is_explained_where_it_lies() -> None:
    answer = ask("windows11", "token", HOME + "\\Application Data\\Microsoft")
    assert answer.path == HOME + "\\AppData\\Roaming\\Microsoft" and answer.kind == "directory"
    assert answer.notes == (HOME + "\\Application Data\\Microsoft leads here by a link",)
    lost = ask("developer-tools", "token", HOME + "\\scoop\\apps\\ripgrep\\current\\rg.exe")
    assert (lost.kind, lost.nearest) == ("", HOME + "\\scoop\\apps\\ripgrep")
    world = small(directory("C:\\Users\\u\\away", OWN, reparse="symlink", target="..\\x"))
    unknown = explain_path(plan_for(world, "account"), world, "C:\\Users\\u\\away\\f")
    assert unknown.questions == () and "where that leads is not known" in unknown.notes[0]


def test_what_cannot_be_judged_is_not_ruled_out() -> None:
    odd = OWN_FILE + "(XA;;FR;;;WD;(Member_of {SID(BA)}))"
    world = small(file("C:\\Users\\u\\odd", odd), {"path": "C:\\Users\\u\\x", "kind": "file", "problem": "ERROR_X"})
    plan = plan_for(world, "account")
    for path in ("C:\\Users\\u\\odd", "C:\\Users\\u\\x"):
        answer = explain_path(plan, world, path)
        assert {each.machine for each in answer.questions} == {PERHAPS}
        assert prove_text.verdict(question(answer, "deletable")) == (
            "may be, against the policy (write-outside)", prove_text.BAD)


def test_one_bit_of_what_programs_ask_for_is_not_nothing() -> None:
    world = small(file("C:\\Users\\u\\f", OWN_FILE + f"(A;;0x4;;;{GROUP})(A;;0x4;;;{OFFLINE})"))
    answer = explain_path(plan_for(world, "account"), world, "C:\\Users\\u\\f")
    assert (question(answer, "writable").machine, question(answer, "deletable").machine) == (PERHAPS, NO)


def test_what_moves_with_its_directory_is_said_to() -> None:
    work = "C:\\Users\\u\\w"
    world = small(directory(work + "\\lib", OWN), directory(work + "\\lib\\.vscode", OWN))
    plan = plan_for(world, "account")
    loose = plan.replace(steps=tuple([step for step in plan.steps if getattr(step, "path", "") != work + "\\lib"]))
    assert explain_path(plan, world, work + "\\lib\\.vscode").notes == ()
    assert explain_path(loose, world, work + "\\lib\\.vscode").notes == (
        f"it moves with {work}\\lib, which a command may write and can move",)


@pytest.mark.parametrize("path", ["", "a\\b", "C:\\a\0b", "\\\\?\\GLOBALROOT\\x", "C:\\con"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(PolicyError):
        ask("windows11", "account", path)


def test_words_and_data_say_the_same() -> None:
    answer = ask("windows11", "token", HOME + "\\.ssh\\id_ed25519")
    lines = prove_text.path_lines(answer)
    text = "\n".join(line.text for line in lines)
    data = json.loads(json.dumps(prove_text.path_dict(answer)))
    assert data["schema"] == 1 and data["path"] == answer.path
    for asked in data["questions"]:
        assert f"{asked['name']}: " in text and asked["reason"] in text and all(line in text for line in asked["trace"])
    assert {line.style for line in lines} >= {prove_text.BAD, prove_text.GOOD, prove_text.HEAD}


@pytest.mark.parametrize(("world", "tier"), [
    ("windows11", "token"), ("memory-stick", "account"), ("repository", "account")])
def test_a_proof_in_words_names_every_kind_of_disagreement(world: str, tier: str) -> None:
    proof = prove(plan_for(load(world), tier), load(world))
    text = "\n".join(line.text for line in prove_text.proof_lines(proof))
    assert all(f"{each.guarantee}: {each.operation} cannot be ruled out" in text for each in proof.disagreements)
    assert all(f"{name} is not enforced, though the plan says so" in text for name in proof.overstated)
    data = json.loads(json.dumps(prove_text.proof_dict(proof)))
    assert len(data["disagreements"]) == len(proof.disagreements) and data["clean"] is False
    assert data["disagreements"][0]["trace"] and data["sound"] == proof.sound


def test_a_clean_proof_says_so() -> None:
    world = load("repository")
    plan = plan_for(world, "account")
    proof = prove(plan, world).replace(disagreements=(), shortfalls=(), unjudged=("C:\\x~1",))
    text = [line.text for line in prove_text.proof_lines(proof)]
    assert "a command can do nothing there that the policy forbids" in text
    assert any("not judged" in line and "C:\\x~1" in line for line in text)
