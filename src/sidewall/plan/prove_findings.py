"""What a proof finds: differences between a machine and a policy, gathered by kind, and what they do to a report.

Knows: the shapes of findings, and how a report is lowered by them.  Must not know: how a difference is found
(``prove``), or how it is printed (``prove_text``).
"""

from __future__ import annotations

from sidewall.plan.guarantees import ENFORCED, PARTIAL, Guarantee
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sidewall.plan.prove_tree import Fault

SHOWN = 12
"""So many paths of one kind are named; the others are counted."""


class Finding(Record):
    """One way in which the machine differs from the policy, and the paths that differ in this way.

    ``guarantee`` is the promise that is broken ('' for a shortfall).  ``policy`` is the policy's sentence about the
    first of ``paths``, of which there are ``count``, not all named.  ``through`` is the file or directory whose
    descriptor decides, ``mask`` the bits asked of it, ``unsure`` why the model cannot judge it ('' when it can);
    ``trace`` tells how the access check came to its answer.
    """

    guarantee: str
    operation: str
    policy: str
    through: str
    mask: int
    unsure: str = ""
    trace: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    count: int = 0


class Proof(Record):
    """What was found in a world of so many ``entries`` by so many ``checks``.

    ``guarantees`` is the plan's report, lowered where a disagreement shows that it says too much (``overstated``);
    ``faults`` are steps that the world does not allow; ``unjudged`` paths whose names have no certain meaning;
    ``unsettled`` what no descriptor can decide and no policy speaks of.
    """

    tier: str
    digest: str
    world: str
    entries: int
    checks: int
    disagreements: tuple[Finding, ...]
    shortfalls: tuple[Finding, ...]
    guarantees: tuple[Guarantee, ...]
    overstated: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    unjudged: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether the command can do nothing that the policy forbids, as far as the world reaches."""
        return not self.disagreements and not self.faults

    @property
    def sound(self) -> bool:
        """Whether the plan's report says no more than is true in this world."""
        return not self.overstated and not self.faults

    def broken(self) -> tuple[str, ...]:
        """The guarantees that disagreements contradict, each once."""
        return tuple(dict.fromkeys(each.guarantee for each in self.disagreements))


class Collector:
    """Findings by kind.  A kind is found once, with its trace, and then only counted."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[Finding, list[str], list[int]]] = {}

    def add(self, kind: Hashable, path: str, make: Callable[[], Finding], count: int = 1) -> None:
        """One path of this kind (or ``count``, of which one is named); ``make`` tells of the first."""
        known = self._found.get(kind)
        if known is None:
            known = self._found[kind] = (make(), [], [0])
        known[2][0] += count
        if len(known[1]) < SHOWN:
            known[1].append(path)

    def findings(self) -> tuple[Finding, ...]:
        """All of them, what breaks ``write-outside`` first."""
        made = [finding.replace(paths=tuple(paths), count=count[0]) for finding, paths, count in self._found.values()]
        return tuple(sorted(made, key=lambda each: each.guarantee != "write-outside"))


def overstated(report: tuple[Guarantee, ...], found: tuple[Finding, ...]) -> tuple[str, ...]:
    """The guarantees that the report calls enforced, and a finding shows not to be."""
    broken = {each.guarantee for each in found}
    return tuple([line.name for line in report if line.level == ENFORCED and line.name in broken])


def lowered(report: tuple[Guarantee, ...], found: tuple[Finding, ...]) -> tuple[Guarantee, ...]:
    """The report, in which what a finding contradicts is no longer called enforced."""
    first: dict[str, Finding] = {}
    for each in found:
        first.setdefault(each.guarantee, each)
    return tuple([
        line.replace(level=PARTIAL, reason="; ".join(filter(None, (said(first[line.name]), line.reason))))
        if line.name in first and line.level == ENFORCED else line for line in report])


def said(finding: Finding) -> str:
    """A disagreement as a phrase: ``C:\\Users\\x\\notes.txt: delete cannot be ruled out``."""
    more = f" (and {finding.count - 1} more)" if finding.count > 1 else ""
    return f"{finding.paths[0]}: {finding.operation} cannot be ruled out{more}"
