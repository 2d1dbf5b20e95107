"""The whole of it on this machine: every probe bites without a sandbox, the real one holds, a false one is found out.

Knows: ``verify`` and what a machine looks like.  Must not know: how a tier holds anything.

Each run takes some seconds and is looked at from every side in one test: workers share no fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidewall.errors import GuaranteeError, MachineError
from sidewall.policy.model import DENY, WRITE, FileRule, Limits, Policy
from sidewall.session import layers
from sidewall.verify.probe import WORKS, catalogue
from sidewall.verify.report import BROKEN, EFFECT, HELD, HOLDS, NOTHING, Report
from sidewall.verify.runner import verify
from sidewall.verify.scene import TOKEN_VARIABLE

from .liar import liar, weaker
from .remains import remains

MAY_LACK = {
    "an address that is not a loopback one": ("L-072 own", "L-076 own", "L-077 own", "LX-21 own", "L-072 route"),
    "IPv6": ("L-074 six", "L-078 six"),
    "a 32-bit entry, multipath TCP": ("L-059 entry", "L-063 paths"),
    "a file system with attributes": ("L-015 attribute", "L-007 flags", "LX-17 unnamed"),
    "what containers and hardened kernels refuse": (
        "L-043 key", "LX-23 counter", "L-101 ring", "L-101 trace", "L-102 user", "L-102 mount", "L-049 memory",
        "L-103 gain", "L-103 filter", "L-103 capabilities"),
    "the GNU C library": ("LX-21 library",),
    "git": ("L-141 commit",),
}
"""What some machines do not have, or refuse to everybody; there these probes say that they show nothing, and why."""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """The default policy, for a workspace that ``verify`` has to leave alone."""
    (tmp_path / "mine").write_text("mine")
    return layers.load(os.fspath(tmp_path), require=(), environ={}, system="")


def tried(policy: Policy, **settings: object) -> Report:
    """A report, on a machine that has such a sandbox, and nothing left of it."""
    try:
        report = verify(policy, **settings)  # type: ignore[arg-type]
    except (GuaranteeError, MachineError) as error:
        if "tier" in str(error):
            pytest.skip(f"this machine does not give it: {error}")
        raise
    assert remains(os.getpid(), Path(policy.workspace).parent) == []
    assert TOKEN_VARIABLE not in os.environ
    assert (Path(policy.workspace) / "mine").read_text() == "mine"
    assert [path.name for path in Path(policy.workspace).iterdir()] == ["mine"]
    return report


def every_control_bit(report: Report) -> None:
    excused = {name for names in MAY_LACK.values() for name in names}
    lacking = [result for result in report.results if result.outcome == NOTHING and result.id not in excused]
    assert not lacking, [(result.id, result.said) for result in lacking]


@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_what_is_promised_holds(policy: Policy, tier: str) -> None:
    report = tried(policy, tier=tier)
    assert report.tier == tier
    assert {result.id for result in report.results} == {probe.id for probe in catalogue("linux")}
    every_control_bit(report)
    assert report.ok, [(result.id, result.said) for result in report.results if result.wrong]
    verdicts = {verdict.name: verdict for verdict in report.verdicts}
    assert all(verdict.verdict == (HOLDS if verdict.level == "enforced" else f"{verdict.level} as said")
               for verdict in verdicts.values())
    assert verdicts["write-outside"].verdict == verdicts["network-egress"].verdict == HOLDS
    assert all(result.outcome == EFFECT for result in report.works if not result.excuse)
    if verdicts["metadata-outside"].level == "open":
        # What a tier says it does not hold, it does not: the report is no prettier and no uglier than the machine.
        assert verdicts["metadata-outside"].effect == 6


def test_a_sandbox_that_only_says_so_is_found_out(policy: Policy) -> None:
    report = tried(policy, opener=liar)
    every_control_bit(report)
    # Time and output are limited by the session itself, whatever the cell is.
    held = {result.id for result in report.results if result.outcome == HELD}
    assert held == {"L-098 time", "A-21 output"}
    assert not report.ok
    promised = [verdict for verdict in report.verdicts if verdict.level == "enforced" and verdict.name != "limits"]
    assert len(promised) >= 8
    assert {verdict.verdict for verdict in promised} == {BROKEN}


def opened(policy: Policy) -> Policy:
    rules = tuple(FileRule(path=os.path.join(os.path.dirname(policy.workspace), name), access=WRITE)
                  for name in ("outside", "neighbour", "home"))
    return policy.replace(files=(*policy.files, *rules))


def readable(policy: Policy) -> Policy:
    kept = tuple(rule for rule in policy.files if rule.access != DENY)
    return policy.replace(files=kept)


@pytest.mark.parametrize(("guarantee", "change"), [
    ("write-outside", opened),
    ("read-secrets", readable),
    ("network-host-loopback", lambda policy: policy.replace(network=policy.network.replace(mode="on"))),
    ("network-egress", lambda policy: policy.replace(network=policy.network.replace(mode="on"))),
    ("name-resolution", lambda policy: policy.replace(network=policy.network.replace(mode="on"))),
    ("protected-names", lambda policy: policy.replace(protected=())),
    ("limits", lambda policy: policy.replace(limits=Limits())),
])
def test_a_sandbox_of_a_wider_policy_is_found_out(policy: Policy, guarantee: str,
                                                  change: Callable[[Policy], Policy]) -> None:
    if guarantee == "read-secrets" and os.geteuid() == 0:
        policy = policy.replace(require=("read-secrets",))  # for root it is partial otherwise
    probes = [probe for probe in catalogue("linux") if probe.guarantee == guarantee]
    report = tried(policy, probes=probes, opener=weaker(change))
    (verdict,) = report.verdicts
    assert verdict.effect
    if verdict.level == "enforced" and guarantee != "limits":
        assert verdict.verdict == BROKEN


def test_what_the_policy_allows_is_no_breach(policy: Policy) -> None:
    online = policy.replace(network=policy.network.replace(mode="on"))
    probes = [probe for probe in catalogue("linux") if probe.guarantee in ("network-egress", "network-host-loopback")]
    report = tried(online, probes=probes)
    assert {verdict.name: verdict.verdict for verdict in report.verdicts} == {
        "network-egress": "allowed by the policy", "network-host-loopback": "open as said"}
    assert report.ok
    assert report.policy == ":workspace, network on"


def test_a_profile_that_reads_all_and_one_that_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for profile, verdict in ((":full-read", "allowed by the policy"), (":read-only", HOLDS)):
        policy = layers.load(os.fspath(tmp_path), profile=profile, require=("read-secrets",), environ={}, system="")
        report = tried(policy, guarantees=["read-secrets"])
        assert report.ok, [(result.id, result.said) for result in report.results if result.wrong]
        secrets = [result for result in report.results if result.guarantee == "read-secrets"]
        # A link from one mount to another cannot be made, whatever may be read.
        keys = [result for result in secrets if result.id not in ("L-051 environment", "L-042 hard-link")]
        assert {result.outcome for result in keys} == {EFFECT if profile == ":full-read" else HELD}
        assert all(result.excuse for result in keys) is (profile == ":full-read")
        assert report.verdicts[0].verdict in (verdict, HOLDS)
        idle = [result.id for result in report.works if result.excuse == "the policy makes the workspace read-only"]
        assert bool(idle) is (profile == ":read-only")


def test_nothing_is_confined_and_nothing_is_promised(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    policy = layers.load(os.fspath(tmp_path), profile=":unconfined", environ={}, system="")
    report = tried(policy, guarantees=["write-outside", "privileges", "desktop"])
    every_control_bit(report)
    assert report.ok and {verdict.verdict for verdict in report.verdicts} == {"open as said"}
    assert {result.outcome for result in report.results} <= {EFFECT, NOTHING}
    assert [result.guarantee for result in report.results].count(WORKS) >= 8
