"""The guarantee report: one line a promise, with its level, the mechanism that carries it, and why not more.

Knows: the words.  Must not know: how a platform comes to a level (``plan.linux`` and ``plan.windows`` do).
"""

from __future__ import annotations

from sidewall.policy.model import GUARANTEES
from sidewall.record import Record

ENFORCED, PARTIAL, ADVISORY, OPEN = "enforced", "partial", "advisory", "open"
LEVELS = (ENFORCED, PARTIAL, ADVISORY, OPEN)


class Guarantee(Record):
    """``name`` from ``policy.model.GUARANTEES``; ``level`` from ``LEVELS``; ``reason`` says what is missing."""

    name: str
    level: str
    mechanism: str
    reason: str = ""
    remedy: str = ""
    required: bool = False


def by_name(report: tuple[Guarantee, ...]) -> dict[str, Guarantee]:
    """The report as a mapping from name to guarantee."""
    return {line.name: line for line in report}


def unmet(report: tuple[Guarantee, ...]) -> tuple[Guarantee, ...]:
    """The required guarantees that are not enforced in full: each of them stops the run."""
    return tuple(line for line in report if line.required and line.level != ENFORCED)


def in_order(report: tuple[Guarantee, ...]) -> tuple[Guarantee, ...]:
    """The report in the order of the design's list of guarantees."""
    return tuple(sorted(report, key=lambda line: GUARANTEES.index(line.name)))
