"""The three tiers on the worlds beside this file: what holds, and the holes that are known and must be seen.

Knows: the worlds, what each tier is known to leave open.  Must not know: how a proof is made.
"""

from __future__ import annotations

import pytest

from sidewall.errors import GuaranteeError, MachineError
from sidewall.nt.inherit import reinherit
from sidewall.plan.guarantees import ENFORCED, OPEN, PARTIAL, by_name
from sidewall.plan.prove import Prover, prove, require
from sidewall.plan.prove_access import Judge
from sidewall.plan.prove_tree import After

from .make_worlds import WORLDS
from .proving import TIERS, finding, load, plan_for, policy_for, proof_of, told

SANE = ("windows11", "developer-tools", "data-drive", "repository", "onedrive")
"""Machines as they are delivered and used, without places that everybody may empty."""
HARD = ("write-outside", "metadata-outside", "read-secrets")
PROFILE = "C:\\Users\\dev"
CRYPTO = "C:\\ProgramData\\Microsoft\\Crypto"


@pytest.mark.parametrize("name", WORLDS)
def test_what_inherits_has_inherited_what_its_directory_hands_down(name: str) -> None:
    """The generator of the worlds and the model of inheritance know nothing of each other, and agree."""
    after = After(load(name), plan_for(load("repository"), "token").replace(steps=()))
    compared = 0
    for node in after.nodes.values():
        above = node.parent.descriptor if node.parent is not None else None
        if above is None or node.descriptor is None:
            continue
        compared += 1
        assert reinherit(node.descriptor, above, container=node.entry.container) == node.descriptor, node.path
    assert compared > 8 and not after.faults


@pytest.mark.parametrize("name", SANE)
def test_the_account_tier_holds_all_that_lies_outside(name: str) -> None:
    proof = proof_of(load(name), "account")
    # All may list the names of the machine's keys, none may read the keys; no plan edits what is the system's.
    listed = {("list", path) for path in (CRYPTO, CRYPTO + "\\RSA", CRYPTO + "\\RSA\\MachineKeys")}
    assert told(proof, *HARD) == (listed if name == "windows11" else set())
    report = by_name(proof.guarantees)
    assert [report[each].level for each in HARD[:2]] == [ENFORCED] * 2
    assert report["read-secrets"].level == (PARTIAL if name == "windows11" else ENFORCED)
    assert not proof.faults and proof.checks > 200 and not {*proof.overstated} & {*HARD}
    require(proof, ("write-outside", "metadata-outside", "privileges"))


@pytest.mark.parametrize("name", SANE)
def test_the_account_without_its_restricting_sids_opens_nothing_of_the_user(name: str) -> None:
    """The two halves hold alone where it matters most: should the token be taken as a whole, the profile stays shut."""
    world = load(name)
    plan = plan_for(world, "account")
    prover = Prover(plan, After(world, plan))
    prover.judge = Judge(prover.judge.token.replace(restricting=None, write_restricted=False))
    for node in tuple(prover.after.nodes.values()):
        prover.ask(node)
    found = [path for each in prover.disagreements.findings() if each.guarantee in HARD for path in each.paths]
    assert not [path for path in found if path.startswith((PROFILE, "C:\\Users\\anna"))]


def test_a_world_of_many_files_asks_few_access_checks() -> None:
    """Descriptors are few where files are many: each is checked once for each mask."""
    world = load("windows11")
    (folder,) = [each for each in world.entries if each.path == PROFILE + "\\src\\other"]
    (leaf,) = [each for each in world.entries if each.path == PROFILE + "\\src\\other\\main.c"]
    more = []
    for number in range(200):
        more.append(folder.replace(path=f"{folder.path}\\{number}"))
        more += [leaf.replace(path=f"{folder.path}\\{number}\\{name}.c") for name in range(19)]
    large = world.replace(entries=world.entries + tuple(more))
    plan = plan_for(world, "token")
    prover = Prover(plan, After(large, plan))
    for node in tuple(prover.after.nodes.values()):
        prover.ask(node)
    assert prover.checks > 30_000 and prover.judge.asked < 300


@pytest.mark.parametrize("name", SANE)
def test_the_strict_token_holds_the_profile(name: str) -> None:
    proof = proof_of(load(name), "token-strict")
    assert {path for _, path in told(proof, *HARD) if path.startswith(PROFILE)} == set()
    assert not [path for _, path in told(proof, "read-secrets") if not path.startswith(CRYPTO)] and proof.sound


def test_the_strict_token_writes_where_all_users_may() -> None:
    proof = proof_of(load("windows11"), "token-strict")
    assert {path.removesuffix("\\sidewall-new-file") for _, path in told(proof, "write-outside")} == {
        "C:\\Windows\\Temp", "C:\\ProgramData", "C:\\ProgramData\\regid.1991-06.com.microsoft",
        CRYPTO + "\\RSA\\MachineKeys"}
    found = finding(proof, "create file", "C:\\Windows\\Temp\\sidewall-new-file")
    assert found.through == "C:\\Windows\\Temp" and "users (S-1-5-32-545)" in " ".join(found.trace)
    assert by_name(proof.guarantees)["write-outside"].level == PARTIAL
    assert proof_of(load("data-drive"), "token-strict").broken() == ("protected-names",)


def test_the_hole_of_the_token_tier_is_seen() -> None:
    """FILE_DELETE_CHILD of the user's own directories is not asked of the restricting SIDs."""
    proof = proof_of(load("windows11"), "token")
    assert {operation for operation, path in told(proof, "write-outside") if path.startswith(PROFILE)} == {
        "delete", "rename away", "rename over"}
    # Everyone is a restricting SID there, and may write in one directory of a new Windows.
    assert {path for _, path in told(proof, "write-outside") if not path.startswith(PROFILE)} == {
        CRYPTO + "\\RSA\\MachineKeys\\sidewall-new-file"}
    found = finding(proof, "delete", PROFILE + "\\Documents")
    assert (found.through, found.mask) == (PROFILE, 0x40)
    assert "FILE_DELETE_CHILD" in found.trace[-2] and "restricting SIDs are not asked" in found.trace[-1]
    assert sum(each.count for each in proof.disagreements if each.operation == "delete") >= 50
    assert ("delete", PROFILE + "\\src\\app\\.git") in told(proof, "protected-names")
    assert ("read", PROFILE + "\\.ssh\\id_ed25519") in told(proof, "read-secrets")
    report = by_name(proof.guarantees)
    assert report["write-outside"].level == PARTIAL and report["read-secrets"].level == OPEN and proof.sound


def test_a_required_guarantee_that_the_proof_contradicts_refuses() -> None:
    proof = proof_of(load("windows11"), "token")
    with pytest.raises(GuaranteeError, match=r"write-outside: .* cannot be ruled out") as caught:
        require(proof, ("write-outside", "network-egress", "privileges"))
    assert caught.value.guarantees == ("write-outside",) and caught.value.exit_code == 125
    assert "account tier" in caught.value.hint and "--require network-egress,privileges" in caught.value.hint
    require(proof, ("network-egress", "privileges"))


@pytest.mark.parametrize("tier", TIERS)
def test_a_volume_without_descriptors_is_open_to_all(tier: str) -> None:
    proof = proof_of(load("memory-stick"), tier)
    assert {("write", "E:\\photos\\1.jpg"), ("delete", "E:\\photos"), ("create file", "E:\\sidewall-new-file")} <= told(
        proof, "write-outside")
    assert ("change DACL", "E:\\photos") not in told(proof) and ("delete", "E:\\") not in told(proof)
    assert by_name(proof.guarantees)["write-outside"].level == PARTIAL
    assert "keeps no descriptors" in finding(proof, "write", "E:\\photos\\1.jpg").trace[0]


def test_what_everybody_owns_stays_open_in_every_tier() -> None:
    world = load("shared-tools")
    strict, account = proof_of(world, "token-strict"), proof_of(world, "account")
    assert ("write", "C:\\exchange\\list.csv") in told(strict, "write-outside")
    # Full Control for Everyone holds FILE_DELETE_CHILD, which no restricting SID is asked for.
    assert told(account, "write-outside") == {(operation, "C:\\exchange\\list.csv")
                                             for operation in ("delete", "rename away", "rename over")}
    # Modify for Authenticated Users does not: the tools stay whole though the account may sign in.
    assert not [path for _, path in told(account) if path.startswith("C:\\tools")]


def test_files_of_an_earlier_session_are_found_where_they_were_moved_to() -> None:
    proof = proof_of(load("earlier-account"), "account")
    found = finding(proof, "change DACL", PROFILE + "\\src\\moved\\report.txt")
    assert found.guarantee == "write-outside" and any(line.startswith("owner ") for line in found.trace)
    assert by_name(proof.guarantees)["write-outside"].level == PARTIAL
    with pytest.raises(GuaranteeError, match=r"report\.txt: change DACL") as caught:
        require(proof, ("write-outside",))
    assert "report.txt" in caught.value.hint


def test_a_private_directory_of_an_earlier_session_cannot_be_rewritten() -> None:
    world = load("earlier-account")
    assert ("use by the user", PROFILE + "\\src\\app\\build\\pytest-0\\sidewall-new-file") in {
        (each.operation, path) for each in proof_of(world, "account").shortfalls for path in each.paths}
    # Its list is protected, so no grant reaches it, and its owner keeps full control: which is told.
    proof = proof_of(world, "account")
    assert ("change DACL", PROFILE + "\\src\\app\\build\\pytest-0") in told(proof, "protected-names")


@pytest.mark.parametrize("tier", TIERS)
def test_a_workspace_of_the_administrators_is_refused(tier: str) -> None:
    with pytest.raises(MachineError, match="belongs to S-1-5-32-544") as caught:
        plan_for(load("administrators-root"), tier)
    assert "icacls" in caught.value.hint


@pytest.mark.parametrize("tier", ["account", "token-strict"])
def test_files_with_several_names_keep_the_permissions_of_their_store(tier: str) -> None:
    world = load("repository")
    after = After(world, plan_for(world, tier))
    linked = [node for node in after.nodes.values() if node.entry.links > 1]
    assert len(linked) == 6 and not after.faults
    assert all(node.descriptor is node.entry.descriptor for node in linked)
    proof = prove(plan_for(world, tier), world)
    refused = {path for each in proof.shortfalls if each.operation == "write" for path in each.paths}
    assert {node.path for node in linked if "node_modules" in node.path} <= refused


def test_files_that_are_only_in_the_cloud_are_files() -> None:
    world = load("onedrive")
    after = After(world, plan_for(world, "account"))
    for name in ("chapter1.tex", "figures.zip"):
        node = after.node(f"{world.workspace}\\{name}")
        assert node is not None and node.descriptor is not None and node.descriptor != node.entry.descriptor
    refused = {path for each in prove(plan_for(world, "account"), world).shortfalls for path in each.paths
               if each.operation == "write"}
    assert refused == set()


def test_a_read_only_policy_leaves_the_workspace_alone() -> None:
    world = load("repository")
    policy = policy_for(world, name=":read-only")
    proof = prove(plan_for(world, "account", policy=policy), world)
    assert proof.clean and proof.sound
    hole = prove(plan_for(world, "token", policy=policy), world)
    assert finding(hole, "delete", PROFILE + "\\AppData").count >= 2 and not hole.clean and hole.sound
