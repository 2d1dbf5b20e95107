"""Room: policy and host facts become an ordered list of typed steps and a guarantee report.  Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts import LinuxFacts
    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy


def compile(policy: Policy, facts: LinuxFacts, *, tier: str = "auto") -> Plan:
    """The plan for this policy on this machine.

    ``tier`` is ``auto`` (the strongest that the machine gives) or a tier's name.
    Raises GuaranteeError when a required guarantee cannot be enforced in full, or the tier cannot be had.
    """
    from sidewall.plan import linux

    return linux.compile(policy, facts, tier)
