"""What a proof asks and how it finds it: one small world a question.

Knows: ``plan.prove`` and what it is made of.  Must not know: the worlds beside this file (``test_prove_worlds`` does).
"""

from __future__ import annotations

import pytest

from sidewall.errors import GuaranteeError, InternalError
from sidewall.nt.ace import Ace
from sidewall.nt.sid import Sid
from sidewall.plan import probes
from sidewall.plan.guarantees import ENFORCED, Guarantee, by_name
from sidewall.plan.probes import OBJECT, PARENT
from sidewall.plan.prove import prove, require, token_of
from sidewall.plan.prove_tree import OWN_DIRECTORY, After
from sidewall.plan.windows_steps import GRANT, TREE, AclEdit, Placeholder, TokenRecipe

from .proving import (
    GROUP,
    OFFLINE,
    OWN,
    OWN_FILE,
    SYSTEM,
    USER,
    directory,
    file,
    finding,
    plan_for,
    policy_for,
    proof_of,
    small,
    told,
)

HOME, WORK = "C:\\Users\\u", "C:\\Users\\u\\w"
HARD = ("write-outside", "metadata-outside", "read-secrets")


def test_a_small_machine_is_held_by_the_account_tier() -> None:
    proof = proof_of(small(file(HOME + "\\notes.txt"), directory(HOME + "\\.ssh"), file(WORK + "\\a.txt")), "account")
    assert told(proof, *HARD) == set() and not proof.faults and not {*proof.overstated} & {*HARD}
    assert proof.unsettled == (probes.UNSETTLED_LINK,)


@pytest.mark.parametrize(("rights", "operation", "guarantee"), [
    ("CC", "read", "read-secrets"), ("WP", "read", "read-secrets"), ("DC", "write", "write-outside"),
    ("LC", "write", "write-outside"), ("SD", "delete", "write-outside"), ("SD", "rename away", "write-outside"),
    ("SD", "rename over", "write-outside"), ("WD", "change DACL", "write-outside"),
    ("WO", "change owner", "write-outside"), ("0x100", "change attributes", "metadata-outside"),
    ("0x100", "hard link", "metadata-outside"), ("0x10", "change attributes", "metadata-outside"),
])
def test_each_right_on_a_secret_opens_its_operation(rights: str, operation: str, guarantee: str) -> None:
    """One bit for the group and the account's own restricting SID is enough, and nothing else comes with it."""
    open_to = f"(A;;{rights};;;{GROUP})(A;;{rights};;;{OFFLINE})"
    path = HOME + "\\.ssh\\id"
    proof = proof_of(small(directory(HOME + "\\.ssh"), file(path, OWN_FILE + open_to)), "account")
    found = finding(proof, operation, path)
    assert found.guarantee == guarantee and found.through == path and found.trace[0] == "granted"
    bit = {"CC": 1, "WP": 0x20, "DC": 2, "LC": 4, "SD": 0x10000, "WD": 0x40000, "WO": 0x80000}.get(rights, 0)
    assert found.mask == (bit or int(rights, 16))
    assert {each.mask for each in proof.disagreements if path in each.paths} == {found.mask}


def test_rights_of_the_account_alone_are_not_enough_to_write() -> None:
    """The restricting SIDs must be granted it too; reading is not asked of them."""
    path = HOME + "\\.ssh\\id"
    proof = proof_of(small(directory(HOME + "\\.ssh"), file(path, OWN_FILE + "(A;;FA;;;BU)")), "account")
    assert told(proof, *HARD) == {("read", path)}
    # The directory's FILE_DELETE_CHILD is no write to a write-restricted token.
    hole = proof_of(small(directory(HOME + "\\.ssh", OWN + "(A;;DT;;;BU)"), file(path)), "account")
    assert told(hole, *HARD) == {(name, path) for name in ("delete", "rename away", "rename over")}
    assert finding(hole, "delete", path).through == HOME + "\\.ssh"


def test_the_parent_and_every_directory_above_count() -> None:
    """A directory in the workspace that can be moved takes with it what must stay in it."""
    world = small(directory(WORK + "\\lib"), directory(WORK + "\\lib\\.vscode"),
                  file(WORK + "\\lib\\.vscode\\tasks.json"))
    plan = plan_for(world, "account")
    held = prove(plan, world)
    assert not [path for _, path in told(held, "protected-names") if path.startswith(WORK + "\\lib\\.vscode")]
    loose = plan.replace(steps=tuple([step for step in plan.steps if not (
        isinstance(step, AclEdit) and step.path == WORK + "\\lib")]))
    found = finding(prove(loose, world), probes.MOVE_ABOVE, WORK + "\\lib\\.vscode\\tasks.json")
    assert found.guarantee == "protected-names" and found.through == WORK + "\\lib" and found.count == 2


def test_a_workspace_that_can_be_moved_takes_its_protected_names_along() -> None:
    world = small(directory(WORK + "\\.vscode"))
    plan = plan_for(world, "account")
    assert not [pair for pair in told(prove(plan, world)) if pair[0] == probes.MOVE_ABOVE]
    unpinned = plan.replace(steps=tuple([
        step.replace(aces=tuple([ace for ace in step.aces if ace.type == 0])) if isinstance(step, AclEdit)
        and step.path == WORK else step for step in plan.steps]))
    assert finding(prove(unpinned, world), probes.MOVE_ABOVE, WORK + "\\.vscode").through == WORK


def test_full_control_for_the_sandbox_voids_the_denies_below() -> None:
    """A grant of all rights holds FILE_DELETE_CHILD; the proof says what that costs."""
    world = small(directory(WORK + "\\.vscode"), file(WORK + "\\.vscode\\tasks.json"))
    plan = plan_for(world, "account")
    full = {0x1301BF: 0x1F01FF}
    steps = [step.replace(aces=tuple([ace.replace(mask=full.get(ace.mask, ace.mask)) for ace in step.aces]))
             if isinstance(step, AclEdit) and step.path == WORK else step for step in plan.steps]
    worse = prove(plan.replace(steps=tuple(steps)), world)
    assert ("delete", WORK + "\\.vscode") in told(worse, "protected-names")
    assert ("delete", WORK + "\\.vscode") not in told(prove(plan, world))


def test_without_owner_rights_the_account_rewrites_what_it_made() -> None:
    world = small()
    plan = plan_for(world, "account")
    steps = [step.replace(aces=tuple([ace for ace in step.aces if ace.sid != "S-1-3-4"]))
             if isinstance(step, AclEdit) and step.path == WORK else step for step in plan.steps]
    found = finding(prove(plan.replace(steps=tuple(steps)), world), "change DACL", WORK + "\\" + probes.NEW_NAME)
    assert found.guarantee == "protected-names" and found.count == 2
    assert ("change DACL", WORK + "\\" + probes.NEW_NAME) not in told(prove(plan, world))


def test_what_the_command_makes_is_the_user_s_too() -> None:
    """Also where the workspace hands the user nothing down but what the plan adds."""
    work = "C:\\Users\\u\\bare"
    world = small(directory(work, f"O:{USER}G:{USER}D:PAI(A;;FA;;;{USER})(A;OICI;FA;;;SY)"), workspace=work)
    plan = plan_for(world, "account")
    steps = [step.replace(aces=tuple([ace for ace in step.aces if ace.sid != USER]))
             if isinstance(step, AclEdit) and step.path == work else step for step in plan.steps]
    assert not any(each.operation == "use by the user" for each in prove(plan, world).shortfalls)
    (locked,) = [each for each in prove(plan.replace(steps=tuple(steps)), world).shortfalls
                 if each.operation == "use by the user"]
    assert locked.paths == (work + "\\" + probes.NEW_NAME,) * 2 and locked.trace[0].startswith("denied")


def test_an_empty_directory_that_may_be_written_can_be_made_to_lead_elsewhere() -> None:
    open_to = f"(A;;0x100;;;{GROUP})(A;;0x100;;;{OFFLINE})"
    world = small(directory(HOME + "\\empty", OWN + open_to), directory(HOME + "\\full", OWN + open_to),
                  file(HOME + "\\full\\x"))
    proof = proof_of(world, "account")
    assert told(proof, "write-outside") == {(probes.TURN, HOME + "\\empty")}
    assert told(proof, "metadata-outside") == {("change attributes", HOME + "\\empty"),
                                              ("change attributes", HOME + "\\full")}


def test_a_descriptor_that_cannot_be_judged_or_read_counts_as_open() -> None:
    odd = OWN_FILE + f"(XA;;FR;;;{USER};(Member_of {{SID(BA)}}))"
    unread = {"path": HOME + "\\locked", "kind": "file", "problem": "ERROR_ACCESS_DENIED"}
    proof = proof_of(small(file(HOME + "\\odd", odd), unread), "account")
    found = finding(proof, "write", HOME + "\\odd")
    assert "does not judge" in found.unsure and "what cannot be judged counts as granted here" in found.trace
    locked = finding(proof, "delete", HOME + "\\locked")
    assert locked.unsure and "ERROR_ACCESS_DENIED" in locked.trace[0]
    assert by_name(proof.guarantees)["write-outside"].level != ENFORCED
    with pytest.raises(GuaranteeError):
        require(proof, ("write-outside",))


def test_a_null_dacl_is_open_and_an_empty_one_closed() -> None:
    null, empty = f"O:{USER}G:{USER}D:NO_ACCESS_CONTROL", f"O:{USER}G:{USER}D:P"
    proof = proof_of(small(file(HOME + "\\null", null), file(HOME + "\\empty", empty)), "account")
    assert ("write", HOME + "\\null") in told(proof, "write-outside")
    assert not [path for _, path in told(proof, *HARD) if path.endswith("\\empty")]


def test_a_low_label_on_a_file_changes_nothing_and_a_high_one_closes() -> None:
    open_to = f"(A;;DC;;;{GROUP})(A;;DC;;;{OFFLINE})"
    world = small(file(HOME + "\\low", OWN_FILE + open_to + "S:(ML;;NW;;;LW)"),
                  file(HOME + "\\high", OWN_FILE + open_to + "S:(ML;;NW;;;HI)"))
    assert told(proof_of(world, "account"), *HARD) == {("write", HOME + "\\low")}


def test_names_without_a_certain_meaning_are_listed_not_judged() -> None:
    proof = proof_of(small(file(HOME + "\\PROGRA~1", OWN_FILE + "(A;;FA;;;WD)"), file(HOME + "\\aux.h")), "account")
    assert set(proof.unjudged) == {HOME + "\\PROGRA~1", HOME + "\\aux.h"}


def test_what_lies_behind_a_link_is_judged_where_it_lies() -> None:
    open_to = f"(A;;0x1301bf;;;{GROUP})(A;;0x1301bf;;;{OFFLINE})"
    world = small(directory(HOME + "\\away", OWN + open_to, reparse="junction", target="C:\\Users"))
    operations = {operation for operation, path in told(proof_of(world, "account"), *HARD) if path == HOME + "\\away"}
    assert operations == {"delete", "rename away", "change attributes"}


def test_the_cell_s_own_directory_is_its_own() -> None:
    world = small(directory(HOME + "\\AppData"), directory(HOME + "\\AppData\\Local"),
                  directory(HOME + "\\AppData\\Local\\Temp"))
    plan = plan_for(world, "account")
    after = After(world, plan)
    own = after.node(HOME + "\\AppData\\Local\\Temp\\" + OWN_DIRECTORY)
    assert own is not None and own.made == "own" and own.descriptor is not None and own.descriptor.owner == USER
    assert told(prove(plan, world), *HARD) == set()


def test_protected_names_that_are_absent_count_in_every_directory() -> None:
    proof = proof_of(small(directory(WORK + "\\sub")), "account")
    found = [each for each in proof.disagreements if WORK + "\\sub\\.agents" in each.paths]
    assert len(found) == 1 and found[0].operation.startswith("create") and found[0].count > 10
    held = {path for _, path in told(proof) if path.startswith(WORK + "\\.vscode")}
    assert held == set()


def test_a_very_deep_tree_is_a_tree() -> None:
    """Hostile, and no reason to fail; deeper ones are no captures."""
    path, deep = WORK, []
    for _ in range(150):
        path += "\\d"
        deep.append(directory(path))
    world = small(*deep, directory(path + "\\.vscode"))
    plan = plan_for(world, "account", policy=policy_for(world).replace(protected=(".vscode",)))
    proof = prove(plan, world)
    assert proof.entries >= 150 and told(proof, *HARD) == set()


EDIT = AclEdit(path=HOME + "\\x", purposes=(GRANT,), reach=TREE, directory=False,
               aces=(Ace(type=0, mask=0x1301BF, sid=Sid(GROUP)),))


@pytest.mark.parametrize(("entry", "reason"), [
    (None, "it is not in the world"),
    (file(HOME + "\\x", links=2), "it has 2 names"),
    (file(HOME + "\\x", reparse="symlink", target="C:\\Users"), "it is a reparse point (symlink)"),
    ({"path": HOME + "\\x", "kind": "file", "problem": "ERROR_SHARING_VIOLATION"}, "ERROR_SHARING_VIOLATION"),
    (file(HOME + "\\x", f"O:{USER}G:{USER}D:NO_ACCESS_CONTROL"), "it has no DACL"),
    (file(HOME + "\\x", f"O:{USER}G:{USER}D:(A;;FR;;;WD)(D;;FW;;;BG)"), "canonical order"),
])
def test_steps_that_must_not_be_carried_out_refuse_the_plan(entry: dict[str, object] | None, reason: str) -> None:
    world = small(*([entry] if entry is not None else []))
    plan = plan_for(world, "account")
    proof = prove(plan.replace(steps=(EDIT, *plan.steps)), world)
    assert [fault.path for fault in proof.faults] == [HOME + "\\x"] and reason in proof.faults[0].reason
    assert not proof.clean and not proof.sound
    with pytest.raises(GuaranteeError, match="the plan cannot be carried out"):
        require(proof, ())


@pytest.mark.parametrize(("volume", "reason"), [
    ({"volume": "E:\\", "filesystem": "exFAT", "acls": False}, "keeps no descriptors"),
    ({"volume": "E:\\", "remote": True}, "on another machine"),
])
def test_volumes_that_no_plan_writes_to(volume: dict[str, object], reason: str) -> None:
    sddl = {} if "acls" in volume else {"sddl": SYSTEM}
    world = small({"path": "E:\\", "kind": "directory", **sddl}, volumes=(volume,))
    plan = plan_for(world, "account")
    proof = prove(plan.replace(steps=(EDIT.replace(path="E:\\"), *plan.steps)), world)
    assert reason in proof.faults[0].reason
    root = prove(plan.replace(steps=(EDIT.replace(path="C:\\"), *plan.steps)), world)
    assert root.faults[0].reason == "it is the root of a volume"


def test_a_placeholder_where_something_is_refuses_the_plan() -> None:
    world = small(file(WORK + "\\x"))
    plan = plan_for(world, "account")
    step = Placeholder(path=WORK + "\\X", directory=True, sddl="D:P(A;;FA;;;SY)")
    assert prove(plan.replace(steps=(step, *plan.steps)), world).faults[0].path == WORK + "\\X"


def test_a_report_that_says_too_much_is_lowered_and_named() -> None:
    world = small(file(HOME + "\\x", OWN_FILE + f"(A;;SD;;;{GROUP})(A;;SD;;;{OFFLINE})"))
    plan = plan_for(world, "account")
    says = Guarantee(name="write-outside", level=ENFORCED, mechanism="words", reason="first", required=True)
    proof = prove(plan.replace(guarantees=(says, *[each for each in plan.guarantees if each.name != says.name])), world)
    line = by_name(proof.guarantees)["write-outside"]
    assert (line.level, line.mechanism) == ("partial", "words") and "write-outside" in proof.overstated
    assert line.reason == f"{HOME}\\x: delete cannot be ruled out; first" and line.required


def test_a_plan_without_a_token_proves_nothing() -> None:
    plan = plan_for(small(), "account")
    with pytest.raises(InternalError, match="no token"):
        token_of(plan.replace(steps=tuple([step for step in plan.steps if not isinstance(step, TokenRecipe)])))


def test_ways_are_open_only_when_every_need_is_met() -> None:
    delete = probes.named(probes.DELETE, container=False)
    assert [need.on for need in probes.open_ways(delete, 0x10000, 0)] == [OBJECT]
    assert [need.on for need in probes.open_ways(delete, 0x1301BF & ~0x10000, 0x40)] == [PARENT]
    assert probes.open_ways(delete, 0x40, 0x10000) == ()
    with pytest.raises(KeyError):
        probes.named(probes.WRITE, container=True)


def test_later_edits_see_what_earlier_ones_handed_down() -> None:
    world = small(directory(WORK + "\\a"), file(WORK + "\\a\\f"), directory(WORK + "\\p", f"O:{USER}G:{USER}D:PAI"),
                  file(WORK + "\\p\\f"))
    plan = plan_for(world, "account")
    after = After(world, plan)
    reached = {path: [ace.sid for ace in node.descriptor.dacl.aces] for path in ("a", "a\\f", "p", "p\\f")
               if (node := after.node(f"{WORK}\\{path}")) is not None and node.descriptor is not None
               and node.descriptor.dacl is not None}
    assert GROUP in reached["a"] and GROUP in reached["a\\f"]
    assert GROUP not in reached["p"] and GROUP not in reached["p\\f"]
