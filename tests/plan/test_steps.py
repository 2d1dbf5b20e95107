"""The steps of a plan: which there are, in which order, and the digest over them.

Knows: why one step must come before another.  Must not know: how a step is carried out.
"""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.plan import facts as fact
from sidewall.plan import linux
from sidewall.plan.facts import PathFact
from sidewall.plan.steps import (
    Devices,
    GitOverlay,
    Hide,
    Landlock,
    Loopback,
    Mask,
    Placeholder,
    Plan,
    PrivateDirectory,
    PrivateTmpfs,
    Privileges,
    Proc,
    Protect,
    ReadOnlyRoot,
    ResourceLimits,
    Seccomp,
    Show,
    Step,
    Unshare,
    Watch,
    Writable,
)
from sidewall.policy.model import READ, FileRule, Limits, Network

from .machines import HOME, WORK, Disk, compiled, deny, git, of, policy, refused

RICH = Disk({
    f"{HOME}/.ssh": "dir", f"{HOME}/.config/gh": "dir", f"{WORK}/.env": "file", f"{WORK}/.vscode": "dir",
    "/tmp/shown": "dir", "/etc/ssl/private": "dir",
})  # fmt: skip


def rich(**changes: object) -> Plan:
    """A plan with every kind of step."""
    about = policy(
        ":workspace", deny(f"{WORK}/.env"), FileRule(path="/tmp/shown", access=READ), limits=Limits(processes=100)
    )
    held = PathFact(path=f"{WORK}/.vscode", kind=fact.DIRECTORY, real=f"{WORK}/.vscode")
    found = {"protected": (held,), "git": (git(f"{WORK}/.git"), git(f"{WORK}/sub/.git", fact.FILE, problem="is odd"))}
    return compiled(about, RICH, **{**found, **changes})


ORDER: list[tuple[type[Step], type[Step]]] = [
    (Unshare, Loopback), (Unshare, ReadOnlyRoot), (Placeholder, ReadOnlyRoot), (ReadOnlyRoot, PrivateTmpfs),
    (PrivateTmpfs, Show), (PrivateTmpfs, Hide), (Hide, Writable), (Show, Writable), (Writable, GitOverlay),
    (Writable, Protect), (Writable, Mask), (Mask, Proc), (Proc, Devices), (Devices, ResourceLimits),
    (ResourceLimits, Privileges), (Privileges, Landlock), (Landlock, Seccomp), (Privileges, Seccomp), (Seccomp, Watch),
]  # fmt: skip


@pytest.mark.parametrize(("first", "then"), ORDER, ids=lambda kind: kind.__name__)
def test_order(first: type[Step], then: type[Step]) -> None:
    kinds = [type(step) for step in rich().steps]
    assert first in kinds and then in kinds
    last = len(kinds) - 1 - kinds[::-1].index(first)
    assert last < kinds.index(then)


def test_every_step_is_made_once_for_each_thing() -> None:
    plan = rich()
    assert len(set(plan.steps)) == len(plan.steps)
    for kind in (Unshare, Loopback, ReadOnlyRoot, Proc, Devices, ResourceLimits, Privileges, Landlock, Seccomp, Watch):
        assert len(of(plan, kind)) == 1


def test_the_landlock_tier_has_no_step_that_needs_a_mount() -> None:
    plan = rich(**refused())
    assert [type(step) for step in plan.steps] == [
        PrivateDirectory, ResourceLimits, Privileges, Landlock, Seccomp, Watch,
    ]  # fmt: skip
    (watch,) = of(plan, Watch)
    assert watch.each and watch.roots == (WORK,) and watch.held == ()


def test_shows_and_hides_go_from_the_top_down() -> None:
    disk = Disk({f"{HOME}/box/open/inner": "dir", f"{HOME}/.ssh": "dir"})
    about = policy(
        ":full-read", deny(f"{HOME}/box"), FileRule(path=f"{HOME}/box/open", access=READ),
        deny(f"{HOME}/box/open/inner/key"), deny(f"{HOME}/.ssh"),
    )  # fmt: skip
    views = [step.parent if isinstance(step, Hide) else step.path for step in of(compiled(about, disk), Show, Hide)]
    found = [path for path in views if path == HOME or "box" in path]
    assert found == [HOME, f"{HOME}/box/open", f"{HOME}/box/open/inner"]


def test_a_home_below_a_private_directory_is_shown_before_its_secrets_are_hidden() -> None:
    home, work = "/tmp/ann", "/tmp/ann/work"
    about = policy(home=home, workspace=work)
    plan = compiled(about, Disk({work: "dir", f"{home}/.ssh": "dir"}))
    views = of(plan, Show, Hide, Writable)
    assert views.index(Show(path=home)) < next(index for index, step in enumerate(views) if isinstance(step, Hide))
    hidden = next(step for step in views if isinstance(step, Hide) and step.parent == home)
    assert ".ssh" in hidden.names
    assert views.index(hidden) < next(index for index, step in enumerate(views) if isinstance(step, Writable))


@pytest.mark.parametrize("mode", ["off", "on"])
def test_network(mode: str) -> None:
    plan = compiled(policy(network=Network(mode=mode)))
    assert len(of(plan, Loopback)) == (mode == "off")
    weak = compiled(policy(network=Network(mode=mode)), **refused())
    assert of(weak, Seccomp)[0].inet == (mode == "on")
    assert bool(of(weak, Landlock)[0].net) == (mode == "off")
    assert of(weak, Seccomp)[0].unix == "none" and of(weak, Seccomp)[0].shares_host
    assert not of(plan, Seccomp)[0].shares_host


def test_sockets_without_notifications() -> None:
    (step,) = of(compiled(notify=False), Seccomp)
    assert (step.unix, step.mediate_unix) == ("none", False)
    (step,) = of(compiled(notify=True), Seccomp)
    assert (step.unix, step.mediate_unix) == ("mediated", True)


def test_landlock_writes_only_where_the_mounts_do() -> None:
    plan = rich()
    (step,) = of(plan, Landlock)
    granted = {path for path, _access in step.rules}
    roots = {root.path for root in of(plan, Writable)} | {overlay.path for overlay in of(plan, GitOverlay)}
    assert granted == roots | {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/dev"}
    assert dict(step.rules)["/dev"] & step.fs & ~(1 << 1 | 1 << 14 | 1 << 15) == 0


@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize("controllers", [(), ("memory",), ("memory", "pids")])
@pytest.mark.parametrize(
    ("kernel", "uid"), [((5, 12), 1000), ((5, 14), 1000), ((5, 14), 0), ((6, 14), 0), ((6, 14), 7)]
)
def test_limits(memory: int, controllers: tuple[str, ...], kernel: tuple[int, int], uid: int) -> None:
    about = policy(limits=Limits(processes=50, memory_bytes=memory, file_bytes=10, open_files=20))
    plan = compiled(about, kernel=kernel, uid=uid, controllers=controllers, delegated="/group" if controllers else "")
    (step,) = of(plan, ResourceLimits)
    bounds, settings_ = dict(step.rlimits), dict(step.settings)
    assert (bounds["core"], bounds["fsize"], bounds["nofile"]) == (1, 10, 20)
    if "pids" in controllers:
        assert settings_["pids.max"] == "50" and "nproc" not in bounds and step.tasks == 0
    else:
        # Init is counted too.
        assert bounds.get("nproc") == (51 if kernel >= (5, 14) and uid else None)
        assert step.tasks == (50 if kernel >= (6, 14) else 0)
    if "memory" in controllers and memory:
        assert settings_["memory.max"] == str(memory) and "data" not in bounds
    else:
        assert bounds.get("data", 0) == memory
    assert step.cgroup == ("/group" if settings_ else "")


def test_no_limits() -> None:
    (step,) = of(compiled(policy(limits=Limits(processes=0))), ResourceLimits)
    assert step == ResourceLimits(rlimits=(("core", 1),))


def test_the_digest_is_stable_and_tells_plans_apart() -> None:
    plan = rich()
    assert plan.digest == rich().digest == linux.digest(plan.steps)
    assert len(plan.digest) == 64 and int(plan.digest, 16) >= 0
    assert pickle.loads(pickle.dumps(plan)) == plan
    others = [
        rich(landlock=8), rich(notify=False), rich(overlay="EINVAL"), rich(machine="aarch64"), rich(protected=()),
        rich(git=()), compiled(), rich(**refused()), rich(kernel=(5, 14)),
    ]  # fmt: skip
    digests = [plan.digest, *(other.digest for other in others)]
    assert len(set(digests)) == len(digests)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 60))
def test_any_change_of_any_step_changes_the_digest(position: int) -> None:
    steps = list(rich().steps)
    position %= len(steps)
    without = tuple(step for index, step in enumerate(steps) if index != position)
    assert linux.digest(without) != linux.digest(tuple(steps))
    swapped = list(steps)
    swapped[position], swapped[position - 1] = swapped[position - 1], swapped[position]
    assert linux.digest(tuple(swapped)) != linux.digest(tuple(steps))


def test_names_that_are_no_text_have_a_digest() -> None:
    """A file name may be any bytes; they come as lone surrogates."""
    odd = f"{HOME}/od\udcffd"
    plan = compiled(policy(":workspace", deny(odd)), Disk({odd: "dir"}))
    assert any("\udcff" in "".join(step.names) for step in of(plan, Hide))
    assert len(plan.digest) == 64
