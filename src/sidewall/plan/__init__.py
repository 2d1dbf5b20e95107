"""Room: policy and host facts become an ordered list of typed steps and a guarantee report.  Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts import LinuxFacts
    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy


def compile(policy: Policy, facts: LinuxFacts | WindowsFacts, *, tier: str = "auto") -> Plan:
    """The plan for this policy on the machine that the facts are about, whatever this one is.

    ``tier`` is ``auto`` (the strongest that the machine gives) or a tier's name.
    Raises GuaranteeError when a required guarantee cannot be enforced in full, or the tier cannot be had; PolicyError
    and MachineError for a path that cannot be placed.
    """
    from sidewall.plan.facts import LinuxFacts

    if isinstance(facts, LinuxFacts):
        from sidewall.plan import linux

        return linux.compile(policy, facts, tier)
    from sidewall.plan import windows

    return windows.compile(policy, facts, tier)
