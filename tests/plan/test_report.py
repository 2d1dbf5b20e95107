"""The guarantee report: complete, in order, and never worse on a better machine.

Knows: the words for a level.  Must not know: how a mechanism works.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.plan import facts as fact
from sidewall.plan.facts import PathFact
from sidewall.plan.guarantees import ENFORCED, LEVELS, OPEN, PARTIAL, by_name, in_order, unmet
from sidewall.plan.steps import Hide, Mask, Plan
from sidewall.policy.model import GUARANTEES, Limits, Network

from .machines import HOME, WORK, Disk, compiled, deny, git, line, of, policy, refused


def rank(level: str) -> int:
    """Higher is better."""
    return -LEVELS.index(level)


MACHINES = st.fixed_dictionaries({
    "landlock": st.integers(0, 12), "kernel": st.sampled_from([(5, 12), (5, 14), (6, 8), (6, 14), (7, 0)]),
    "uid": st.sampled_from([0, 1000]), "notify": st.booleans(), "overlay": st.sampled_from(["", "EINVAL"]),
    "scanned": st.booleans(),
    "cgroup": st.sampled_from([("", ()), ("/group", ("memory",)), ("/group", ("memory", "pids"))]),
    "refused": st.sampled_from(["", "EPERM", "mount proc: EPERM"]),
})  # fmt: skip
POLICIES = st.builds(
    lambda mode, memory, processes: policy(
        network=Network(mode=mode), limits=Limits(memory_bytes=memory, processes=processes)
    ),
    st.sampled_from(["off", "on"]), st.sampled_from([0, 1 << 30]), st.sampled_from([0, 10, 4096]),
)  # fmt: skip


def made(about: Any, facts: dict[str, Any], **changes: Any) -> Plan:
    told = {**facts, **changes}
    told["delegated"], told["controllers"] = told.pop("cgroup")
    if told["refused"]:
        told |= refused(told["refused"])
        told["landlock"] = max(1, told["landlock"])
    return compiled(about, **told)


@settings(deadline=None, max_examples=40)
@given(POLICIES, MACHINES)
def test_every_guarantee_once_in_order(about: Any, facts: dict[str, Any]) -> None:
    plan = made(about, facts)
    assert tuple(entry.name for entry in plan.guarantees) == GUARANTEES
    for entry in plan.guarantees:
        assert entry.level in LEVELS
        assert entry.mechanism
        # Whatever is missing is said.
        assert entry.level == ENFORCED or entry.reason


BETTER: list[tuple[str, list[Any]]] = [
    ("kernel", [(5, 12), (5, 14), (6, 8), (6, 14), (7, 0)]),
    ("cgroup", [("", ()), ("/group", ("memory",)), ("/group", ("memory", "pids"))]),
    ("scanned", [False, True]),
    ("notify", [False, True]),
    ("overlay", ["EINVAL", ""]),
    ("refused", ["EPERM", ""]),
]


@settings(deadline=None, max_examples=40)
@given(POLICIES, MACHINES, st.integers(0, 11))
def test_a_newer_landlock_lowers_nothing(about: Any, facts: dict[str, Any], abi: int) -> None:
    lower, higher = made(about, facts, landlock=abi), made(about, facts, landlock=abi + 1)
    for name, entry in by_name(lower.guarantees).items():
        assert rank(line(higher, name).level) >= rank(entry.level), name


@settings(deadline=None, max_examples=40)
@given(POLICIES, MACHINES, st.sampled_from(BETTER), st.data())
def test_a_better_machine_lowers_nothing(about: Any, facts: dict[str, Any], which: Any, data: st.DataObject) -> None:
    name, values = which
    step = data.draw(st.integers(0, len(values) - 2))
    worse, better = (made(about, facts, **{name: value}) for value in values[step : step + 2])
    for guarantee, entry in by_name(worse.guarantees).items():
        assert rank(line(better, guarantee).level) >= rank(entry.level), (name, guarantee)


def test_the_report_in_words() -> None:
    """What each tier promises on the newest machine, to the user of the default policy."""
    strong = {entry.name: entry.level for entry in compiled().guarantees}
    assert set(strong.values()) == {ENFORCED}
    weak = {entry.name: entry.level for entry in compiled(**refused()).guarantees}
    assert weak == {
        **dict.fromkeys(GUARANTEES, ENFORCED), "metadata-outside": OPEN, "protected-names": PARTIAL,
        "outside-processes": PARTIAL, "survivors": PARTIAL, "limits": PARTIAL,
    }  # fmt: skip


@pytest.mark.parametrize("abi", [1, 2, 3, 5, 6, 9])
def test_outside_processes_without_namespaces(abi: int) -> None:
    found = line(compiled(landlock=abi, **refused()), "outside-processes")
    assert found.level == (PARTIAL if abi >= 6 else OPEN) and found.remedy


def test_the_hosts_loopback_with_the_network_on() -> None:
    for changes in ({}, refused()):
        found = line(compiled(policy(network=Network(mode="on")), **changes), "network-host-loopback")
        assert found.level == OPEN and "off" in found.remedy


def test_secrets_behind_masks_are_partial() -> None:
    """A mask on a file ends with the file; what cannot be read at all needs none."""
    readable = Disk({"/etc/shadow": "file"})
    found = line(compiled(disk=readable), "read-secrets")
    assert found.level == PARTIAL and "/etc/shadow" in found.reason
    facts = {item.path: item for item in readable.paths(policy())}
    facts["/etc/shadow"] = facts["/etc/shadow"].replace(readable=False)
    assert line(compiled(disk=readable, paths=tuple(facts.values())), "read-secrets").level == ENFORCED


def test_secrets_of_the_system_are_held_where_that_is_required() -> None:
    disk = Disk({"/etc/shadow": "file", "/etc/security/opasswd": "file", "/var/lib/x": "dir",
                 "/etc/ssl/private": "dir"})  # fmt: skip
    loose = line(compiled(disk=disk, uid=0), "read-secrets")
    assert loose.level == PARTIAL and "require it" in loose.remedy
    plan = compiled(disk=disk, uid=0, require=("read-secrets",))
    found = line(plan, "read-secrets")
    assert found.level == ENFORCED and "/etc" in found.reason
    hidden = {f"{step.parent}/{name}" for step in of(plan, Hide) for name in step.names}
    # What is there, what may come to be, and what may come to be with its directory.
    assert {"/etc/shadow", "/etc/security/opasswd", "/etc/krb5.keytab", "/etc/wireguard", "/etc/docker",
            "/var/lib/sss", "/etc/ssl/private"} <= hidden  # fmt: skip
    assert not [step for step in of(plan, Mask) if step.path.startswith(("/etc", "/var"))]
    assert not [step for step in of(plan, Hide) if step.parent in ("/", "/run", "/proc", "/sys", "/dev")]


def test_what_an_ordinary_user_cannot_read_is_not_put_together_anew() -> None:
    disk = Disk({"/etc/shadow": "file", "/etc/sudoers": "file"})
    facts = {item.path: item for item in disk.paths(policy())}
    facts["/etc/shadow"] = facts["/etc/shadow"].replace(readable=False)
    facts["/etc/sudoers"] = facts["/etc/sudoers"].replace(readable=False)
    plan = compiled(disk=disk, paths=tuple(facts.values()), require=("read-secrets",))
    assert line(plan, "read-secrets").level == ENFORCED
    assert not [step for step in of(plan, Hide) if step.parent.startswith("/etc")]


def test_tasks_as_root() -> None:
    bound = policy(limits=Limits(processes=50))
    for known, level in ((True, ENFORCED), (False, PARTIAL)):
        found = line(compiled(bound, uid=0, last_pid=known), "limits")
        assert found.level == level and ("300" in found.reason) == (not known)


def test_patterns_are_partial_even_before_they_match() -> None:
    about = policy(":workspace", deny(f"{HOME}/**/.env", glob=True))
    for changes in ({}, refused()):
        found = line(compiled(about, **changes), "read-secrets")
        assert found.level == PARTIAL and "**/.env" in found.reason


def test_a_secret_in_a_writable_root() -> None:
    about, disk = policy(":workspace", deny(f"{WORK}/key")), Disk({f"{WORK}/key": "file"})
    assert line(compiled(about, disk), "read-secrets").level == PARTIAL
    found = line(compiled(about, disk, **refused()), "read-secrets")
    assert found.level == PARTIAL and f"{WORK}/key" in found.reason and "Landlock" in found.reason


@pytest.mark.parametrize("kind", [fact.FILE, fact.SYMLINK])
def test_names_that_a_rename_outside_frees_are_partial(kind: str) -> None:
    held = PathFact(path=f"{WORK}/.envrc", kind=kind, real=f"{WORK}/.envrc")
    found = line(compiled(protected=(held,)), "protected-names")
    assert found.level == PARTIAL and ".envrc" in found.reason
    assert line(compiled(protected=(held.replace(kind=fact.DIRECTORY),)), "protected-names").level == ENFORCED


def test_a_workspace_that_was_not_looked_through() -> None:
    plan = compiled(scanned=False)
    assert line(plan, "protected-names").level == PARTIAL
    assert any("too many directories" in note for note in plan.notes)


def test_repositories_that_are_not_trusted_are_told() -> None:
    plan = compiled(git=(git(f"{WORK}/.git", fact.FILE, problem="its gitfile leads to a hidden path"),))
    assert any("hidden path" in note for note in plan.notes)


def test_a_git_directory_that_cannot_be_kept_read_only_is_told() -> None:
    about = policy(git="read-only")
    assert "read-only" not in line(compiled(about), "protected-names").reason
    assert "read-only" in line(compiled(about, **refused()), "protected-names").reason
    assert "read-only" not in line(compiled(**refused()), "protected-names").reason


def test_a_program_that_could_be_changed_is_told() -> None:
    for place, told in ((f"{WORK}/.venv", True), ("/opt/sidewall", False)):
        assert (place in line(compiled(own=(place,), **refused()), "protected-names").reason) == told


def test_unmet_and_order() -> None:
    plan = compiled(**refused())
    report = tuple(entry.replace(required=True) for entry in plan.guarantees)
    assert {entry.name for entry in unmet(report)} == {entry.name for entry in report if entry.level != ENFORCED}
    assert in_order(tuple(reversed(report))) == report
