"""What came of the probes, beside what the plan had promised: a verdict for each guarantee.

Knows: outcomes and levels.  Must not know: how anything was tried.
"""

from __future__ import annotations

from sidewall.plan.guarantees import ENFORCED, in_order
from sidewall.record import Record
from sidewall.verify.probe import WORKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.plan.guarantees import Guarantee

HELD, EFFECT, NOTHING = "held", "effect", "nothing"
"""Outcomes: no effect inside, though one without a sandbox; an effect; nothing was shown."""

HOLDS, BROKEN, NOT_SHOWN, ALLOWED = "holds", "does not hold", "not shown", "allowed by the policy"
SCHEMA = 1


class Result(Record):
    """One probe: ``level`` is what its session promised, '' for what must work; ``said`` the reason in the program's
    last words, or why nothing is shown; ``excuse`` why an outcome of either kind says nothing about the sandbox."""

    id: str
    guarantee: str
    what: str
    outcome: str
    level: str = ""
    said: str = ""
    excuse: str = ""

    @property
    def wrong(self) -> bool:
        """Something promised did not hold, or what must work did not."""
        if self.excuse:
            return False
        if self.guarantee == WORKS:
            return self.outcome == HELD or (self.outcome == NOTHING and self.said.startswith("inside"))
        return self.outcome == EFFECT and self.level == ENFORCED


class Verdict(Record):
    """One guarantee: what was promised, the verdict in words, how many probes came out how; ``excused`` those of which
    no outcome would say anything about the sandbox."""

    name: str
    level: str
    verdict: str
    held: int
    effect: int
    nothing: int
    excused: int
    mechanism: str = ""
    reason: str = ""
    required: bool = False


class Report(Record):
    """``guarantees`` is the plan's report; ``policy`` a few words about the policy that was verified."""

    platform: str
    tier: str
    policy: str
    require: tuple[str, ...]
    guarantees: tuple[Guarantee, ...]
    results: tuple[Result, ...]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Everything that was promised held, and what must work did."""
        return not any(result.wrong for result in self.results)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """In the order of the guarantees, those that were tried."""
        found = []
        for line in in_order(self.guarantees):
            mine = [result for result in self.results if result.guarantee == line.name]
            if mine:
                found.append(_verdict(line, mine))
        return tuple(found)

    @property
    def works(self) -> tuple[Result, ...]:
        """What must work."""
        return tuple([result for result in self.results if result.guarantee == WORKS])

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``--json``."""
        probes: dict[str, list[dict[str, Any]]] = {}
        for result in self.results:
            told = {**result.to_dict(), "wrong": result.wrong}
            probes.setdefault(told.pop("guarantee"), []).append(told)
        return {
            "schema": SCHEMA, "ok": self.ok, "platform": self.platform, "tier": self.tier, "policy": self.policy,
            "require": list(self.require), "seconds": self.seconds,
            "guarantees": [{**verdict.to_dict(), "probes": probes[verdict.name]} for verdict in self.verdicts],
            "works": probes.get(WORKS, []),
        }


def _verdict(line: Guarantee, mine: list[Result]) -> Verdict:
    told = [result for result in mine if not result.excuse]
    held, effect, nothing = [sum(result.outcome == outcome for result in told) for outcome in (HELD, EFFECT, NOTHING)]
    if any(result.wrong for result in told):
        verdict = BROKEN
    elif not told:
        verdict = ALLOWED if any(result.outcome == EFFECT for result in mine) else NOT_SHOWN
    elif line.level != ENFORCED:
        verdict = f"{line.level} as said"
    else:
        verdict = HOLDS if held else NOT_SHOWN
    return Verdict(name=line.name, level=line.level, verdict=verdict, held=held, effect=effect, nothing=nothing,
                   excused=len(mine) - len(told), mechanism=line.mechanism, reason=line.reason, required=line.required)


def worth_telling(report: Report) -> tuple[Result, ...]:
    """The probes that a reader wants by name: what went wrong, what had an effect, what showed nothing."""
    return tuple([result for result in report.results
                  if result.wrong or result.excuse or result.outcome not in (HELD, EFFECT)
                  or (result.outcome == EFFECT and result.guarantee != WORKS)])


def sentence(result: Result) -> str:
    """What came of one probe, in words."""
    because = f": {result.said}" if result.said else ""
    if result.excuse:
        return f"no verdict: {result.excuse}"
    if result.guarantee == WORKS:
        return {EFFECT: "works", HELD: f"DOES NOT WORK{because}"}.get(
            result.outcome, ("DOES NOT WORK" if result.wrong else "shows nothing") + because)
    if result.outcome == EFFECT:
        return "HAD ITS EFFECT, and the report promised that it would not" if result.wrong \
            else f"had its effect; {result.guarantee} is {result.level} here"
    return {HELD: f"held{because}"}.get(result.outcome, f"shows nothing{because}")
