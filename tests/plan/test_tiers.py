"""Which tier a machine gives, and what happens where it gives less than is required.

Knows: kernels, containers and distributions as host facts.  Must not know: this machine.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall import plan as planning
from sidewall.errors import GuaranteeError, MachineError, UsageError
from sidewall.plan import linux, rights
from sidewall.plan.guarantees import ENFORCED
from sidewall.plan.steps import Landlock, Seccomp, Unshare
from sidewall.policy.model import GUARANTEES, Limits, Network

from .machines import ALL_KINDS, compiled, line, machine, of, policy, refused

ABIS = [*range(10), 17]
REFUSALS = ["EPERM", "EACCES", "ENOSPC", "EINVAL", "mount proc: EPERM", "mount tmpfs: EACCES", "loopback: EPERM"]


@pytest.mark.parametrize("abi", ABIS)
def test_the_namespace_tier_with_every_landlock(abi: int) -> None:
    plan = compiled(landlock=abi)
    assert plan.tier == "namespace"
    found = of(plan, Landlock)
    assert len(found) == (abi > 0)
    for step in found:
        assert step.abi == min(abi, rights.NEWEST)
        assert (step.fs & rights.READING, step.net) == (0, 0)
        assert bool(step.scope) == (abi >= 6)
    assert "Landlock" in line(plan, "write-outside").mechanism if abi else line(plan, "write-outside").reason


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("reason", REFUSALS)
def test_the_landlock_tier_where_namespaces_are_refused(abi: int, reason: str) -> None:
    if abi == 0:
        with pytest.raises(GuaranteeError, match="no tier") as caught:
            compiled(landlock=0, **refused(reason))
        assert reason in str(caught.value) and "no Landlock" in str(caught.value)
        assert caught.value.exit_code == 125 and caught.value.hint
        return
    plan = compiled(landlock=abi, **refused(reason))
    assert plan.tier == "landlock"
    assert not of(plan, Unshare)
    (step,) = of(plan, Landlock)
    assert step.abi == min(abi, rights.NEWEST)
    assert bool(step.fs & rights.TRUNCATE) == (abi >= 3)
    assert bool(step.fs & rights.REFER) == (abi >= 2)
    assert bool(step.fs & rights.IOCTL_DEV) == (abi >= 5)
    assert bool(step.net) == (abi >= 4)
    assert bool(step.scope) == (abi >= 6)
    assert line(plan, "write-outside").level == ("enforced" if abi >= 3 else "partial")


def test_no_right_is_asked_of_a_landlock_that_does_not_know_it() -> None:
    """The kernel refuses a ruleset with a bit that its ABI lacks (EINVAL)."""
    known = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
    for abi in range(1, 10):
        every = rights.writing(abi) | rights.READING
        assert every & ~known.get(abi, (1 << 16) - 1) == 0
        assert every == known.get(abi, (1 << 16) - 1)
        for plan in (compiled(landlock=abi), compiled(landlock=abi, tier="landlock")):
            (step,) = of(plan, Landlock)
            assert step.fs & ~every == 0
            # What a rule grants beyond what is handled is refused too; the backend cuts it to what is handled.
            assert all(access for _path, access in step.rules)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("EPERM", "unprivileged_userns"), ("EACCES", "apparmor_restrict"),
        ("mount proc: EPERM", "systempaths=unconfined"), ("ENOSPC", "max_user_namespaces"), ("ENOSYS", "5.12"),
        ("EINVAL", "5.12"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_remedy(reason: str, word: str) -> None:
    about = policy()
    assert word in linux.remedy(machine(about, **refused(reason)))
    with pytest.raises(GuaranteeError) as caught:
        compiled(tier="namespace", **refused(reason))
    assert reason in str(caught.value) and word in caught.value.hint
    assert linux.remedy(machine(about)) == ""


def test_old_kernels() -> None:
    """5.10 has neither mount_setattr(2) nor Landlock; 5.12 the first, 5.14 a limit on processes, 6.8 Landlock 4."""
    with pytest.raises(GuaranteeError) as caught:
        compiled(kernel=(5, 10), landlock=0, **refused("ENOSYS"))
    assert caught.value.exit_code == 125 and "5.12" in caught.value.hint
    for kernel, abi in (((5, 12), 0), ((5, 13), 1), ((5, 14), 1), ((5, 19), 2), ((6, 2), 3), ((6, 8), 4), ((6, 14), 6)):
        plan = compiled(kernel=kernel, landlock=abi)
        assert plan.tier == "namespace"
        assert line(plan, "write-outside").level == "enforced"
        assert line(plan, "limits").level == ("enforced" if kernel >= (5, 14) else "partial")


def test_without_seccomp_there_is_no_tier() -> None:
    for tier in ("auto", "namespace", "landlock"):
        with pytest.raises(GuaranteeError) as caught:
            compiled(seccomp=False, machine="riscv64", tier=tier)
        assert "seccomp" in str(caught.value) and "x86_64" in caught.value.hint


@pytest.mark.parametrize("word", ["", "best", "Namespace", "elevated", "unconfined", "kernel"])
def test_an_unknown_tier(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        compiled(tier=word)
    assert "auto, namespace, landlock" in caught.value.hint


def test_a_forced_tier() -> None:
    assert compiled(tier="landlock").tier == "landlock"
    assert compiled(tier="namespace").tier == "namespace"
    with pytest.raises(GuaranteeError, match="landlock tier cannot be had") as caught:
        compiled(tier="landlock", landlock=0)
    assert caught.value.exit_code == 125 and "--tier namespace" in caught.value.hint


def test_namespaces_that_were_not_asked_for() -> None:
    """Facts that were gathered for the landlock tier say nothing against namespaces, and nothing for them."""
    with pytest.raises(GuaranteeError, match="not asked for"):
        compiled(tier="namespace", kinds=())


@pytest.mark.parametrize("mode", ["off", "on"])
def test_the_namespaces_are_those_of_the_policy(mode: str) -> None:
    plan = compiled(policy(network=Network(mode=mode)))
    (step,) = of(plan, Unshare)
    assert set(step.kinds) == set(ALL_KINDS) - ({"net"} if mode == "on" else set())
    assert linux.kinds_for(policy(network=Network(mode=mode)), "auto") == step.kinds
    assert linux.kinds_for(policy(), "landlock") == ()


def test_the_proxy_is_not_there_yet() -> None:
    with pytest.raises(UsageError, match="proxy") as caught:
        compiled(policy(network=Network(mode="proxy")))
    assert "off" in caught.value.hint


def test_no_confinement_is_no_guarantee() -> None:
    plan = compiled(policy(":unconfined"), landlock=0, **refused())
    assert plan.tier == "unconfined"
    assert {entry.level for entry in plan.guarantees} == {"open"}
    assert not of(plan, Landlock, Seccomp, Unshare)
    with pytest.raises(GuaranteeError):
        compiled(policy(":unconfined"), require=("privileges",))


@pytest.mark.parametrize("name", ["metadata-outside", "protected-names", "outside-processes", "survivors"])
def test_what_is_required_and_cannot_be_enforced_stops(name: str) -> None:
    with pytest.raises(GuaranteeError) as caught:
        compiled(require=(name,), **refused("mount proc: EPERM"))
    error = caught.value
    assert isinstance(error, MachineError) and error.exit_code == 125
    assert error.guarantees == (name,)
    reason = line(compiled(**refused("mount proc: EPERM")), name).reason
    assert name in str(error) and reason in str(error) and "landlock tier" in str(error)
    assert error.hint
    assert compiled(require=(name,)).tier == "namespace"


def test_all_that_is_missing_is_named_and_how_to_do_without() -> None:
    with pytest.raises(GuaranteeError) as caught:
        compiled(policy(network=Network(mode="on")), require=("network-host-loopback", "limits"), kernel=(5, 12))
    assert caught.value.guarantees == ("network-host-loopback", "limits")
    with pytest.raises(GuaranteeError) as caught:
        compiled(policy(), require=("write-outside", "limits"), kernel=(5, 12))
    assert "systemd" in caught.value.hint or "--require write-outside" in caught.value.hint


def test_truncation_is_a_write() -> None:
    """By default a machine with Landlock 1 or 2 and no namespaces runs nothing."""
    about = policy()
    for abi in (1, 2):
        with pytest.raises(GuaranteeError, match="truncate"):
            planning.compile(about, machine(about, landlock=abi, **refused()))
    assert planning.compile(about, machine(about, landlock=3, **refused())).tier == "landlock"


def test_strict() -> None:
    about = policy(":strict")
    assert set(about.require) == set(GUARANTEES)
    plan = planning.compile(about, machine(about))
    assert all(entry.required and entry.level == ENFORCED for entry in plan.guarantees)
    with pytest.raises(GuaranteeError) as caught:
        planning.compile(about, machine(about, **refused()))
    assert {"metadata-outside", "protected-names", "survivors"} <= set(caught.value.guarantees)


KERNELS = [(5, 10), (5, 14), (6, 8), (6, 14), (7, 3)]


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(ABIS), st.sampled_from(["", *REFUSALS]), st.sampled_from(KERNELS), st.sampled_from([0, 1000]),
    st.booleans(), st.booleans(), st.sampled_from(["off", "on"]), st.sets(st.sampled_from(GUARANTEES)),
    st.integers(0, 1 << 32),
)  # fmt: skip
def test_never_less_than_required(
    abi: int, reason: str, kernel: tuple[int, int], uid: int, notify: bool, overlay: bool, mode: str,
    require: set[str], memory: int,
) -> None:  # fmt: skip
    """Whatever the machine: what is required is enforced in the plan, or there is no plan."""
    about = policy(network=Network(mode=mode), limits=Limits(memory_bytes=memory), require=tuple(require))
    changes = refused(reason) if reason else {"overlay": "" if overlay else "EINVAL"}
    facts = machine(about, landlock=abi, kernel=kernel, uid=uid, notify=notify, **changes)
    plan, stopped = None, None
    try:
        plan = planning.compile(about, facts)
    except GuaranteeError as error:
        stopped = error
    if plan is not None:
        assert all(entry.level == ENFORCED for entry in plan.guarantees if entry.required)
        assert {entry.name for entry in plan.guarantees if entry.required} == require
    else:
        assert stopped is not None and stopped.exit_code == 125 and stopped.hint
        assert set(stopped.guarantees) <= require
        assert stopped.guarantees or (reason and abi == 0)
