"""What a file-system operation answers: a verdict put together from access checks, and why.

Knows: how verdicts with doubts are combined by *and* and by *or*.  Must not know: which right an operation asks for.
Follows MS-FSA 2.1.5 for the words; the three-valued combination is this model's own.

A verdict is the best documented reading's.  ``possible`` says whether some reading lets the operation happen, and
``certain`` whether every reading does: what must not happen is proved by *not possible*, what must work by *certain*.
"""

from __future__ import annotations

from sidewall.nt.access_check_answer import CANNOT_PROVE, DENIED, GRANTED, QUESTIONS
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidewall.nt.access_check_answer import Answer, Verdict
    from sidewall.nt.descriptor import SecurityDescriptor

IN_PLACE = "rename-in-place-and-the-parent"
LINK_RIGHT = "right-on-the-file-for-a-hard-link"
SYNCHRONIZE_NEW_PARENT = "synchronize-on-the-new-parent"
READ_ONLY_DELETE = "read-only-attribute-and-delete"
REPLACE_DIRECTORY = "rename-over-an-empty-directory"

FILE_QUESTIONS = {
    IN_PLACE: "whether a new name in the same directory needs the right to add an entry there",
    LINK_RIGHT: "which right on the file a hard link needs (MS-FSA 2.1.5.15.7 names none; assumed: none)",
    SYNCHRONIZE_NEW_PARENT: "whether the open of the new parent needs SYNCHRONIZE too (assumed: no)",
    READ_ONLY_DELETE: "whether the read-only attribute stops this (newer calls ignore it; assumed: no)",
    REPLACE_DIRECTORY: "whether a rename may replace an empty directory (MS-FSA 2.1.5.15.12: no; newer calls: maybe)",
}
"""Where the documents leave an operation open, beside the questions of the access check itself."""


class Outcome(Record):
    """One check, or several put together.

    ``what`` says in words what was asked; ``path`` of which object, where one is known; ``desired`` and ``answer`` are
    those of an access check, where this is one.  ``parts`` are what it was put together from, ``joined`` how: ``all``,
    ``any`` or ``""``.  ``readings`` are names from `QUESTIONS` or `FILE_QUESTIONS` on which the answer depends.
    ``descriptor`` is that of an object that the operation would make.
    """

    what: str
    verdict: Verdict
    certain: bool
    possible: bool
    path: str = ""
    desired: int = 0
    mask: int = 0
    lower: int = 0
    upper: int = 0
    reason: str = ""
    readings: tuple[str, ...] = ()
    answer: Answer | None = None
    parts: tuple[Outcome, ...] = ()
    joined: str = ""
    descriptor: SecurityDescriptor | None = None

    @property
    def granted(self) -> bool:
        """Whether the best documented reading lets it happen."""
        return self.verdict == GRANTED

    def explain(self, depth: int = 0) -> list[str]:
        """Lines for people, parts indented below the whole."""
        where = f" {self.path}" if self.path else ""
        doubt = "" if self.certain or not self.possible else " (not certain)"
        head = f"{'  ' * depth}{self.what}{where}: {self.verdict}{doubt}" + (f": {self.reason}" if self.reason else "")
        lines = [head]
        if self.answer is not None:
            lines += [f"{'  ' * (depth + 1)}{line}" for line in self.answer.explain()]
        else:
            known = QUESTIONS | FILE_QUESTIONS
            lines += [f"{'  ' * (depth + 1)}open: {known[name]} ({name})" for name in self.readings if not self.parts]
        for part in self.parts:
            lines += part.explain(depth + 1)
        return lines


def of_answer(what: str, desired: int, answer: Answer, path: str = "") -> Outcome:
    """The outcome of one access check."""
    return Outcome(what=what, verdict=answer.verdict, certain=answer.certain, possible=answer.possible, path=path,
                   desired=desired, mask=answer.mask, lower=answer.lower, upper=answer.upper, reason=answer.reason,
                   readings=answer.readings, answer=answer)


def granted(what: str, reason: str = "", path: str = "", desired: int = 0) -> Outcome:
    """What happens in any case."""
    return Outcome(what=what, verdict=GRANTED, certain=True, possible=True, path=path, desired=desired, mask=desired,
                   lower=desired, upper=desired, reason=reason)


def denied(what: str, reason: str = "", path: str = "", desired: int = 0) -> Outcome:
    """What cannot happen at all."""
    return Outcome(what=what, verdict=DENIED, certain=False, possible=False, path=path, desired=desired, reason=reason)


def unknown(what: str, reason: str, path: str = "", desired: int = 0, readings: tuple[str, ...] = ()) -> Outcome:
    """What cannot be known: it is possible and not certain."""
    return Outcome(what=what, verdict=CANNOT_PROVE, certain=False, possible=True, path=path, desired=desired,
                   upper=desired, reason=reason, readings=readings)


def assumed(outcome: Outcome, reading: str) -> Outcome:
    """An outcome that rests on a reading: if it is granted, it is not certain."""
    if not outcome.possible:
        return outcome
    return outcome.replace(certain=False, lower=0, readings=_names((outcome.readings, (reading,))))


def all_of(what: str, parts: tuple[Outcome, ...], path: str = "") -> Outcome:
    """Each part is needed.  One that is impossible makes it so; of nothing it is granted."""
    verdicts = {part.verdict for part in parts}
    verdict: Verdict = DENIED if DENIED in verdicts else CANNOT_PROVE if CANNOT_PROVE in verdicts else GRANTED
    blame = next((part for part in parts if not part.possible), None)
    blame = blame or next((part for part in parts if part.verdict == verdict != GRANTED), None)
    return Outcome(
        what=what, verdict=verdict, certain=all(part.certain for part in parts),
        possible=all(part.possible for part in parts), path=path, reason="" if blame is None else _because(blame),
        readings=_names(part.readings for part in parts), parts=parts, joined="all",
    )


def any_of(what: str, parts: tuple[Outcome, ...], path: str = "") -> Outcome:
    """One part is enough; of nothing it is denied."""
    verdicts = {part.verdict for part in parts}
    verdict: Verdict = GRANTED if GRANTED in verdicts else CANNOT_PROVE if CANNOT_PROVE in verdicts else DENIED
    way = next((part for part in parts if part.certain), None)
    way = way or next((part for part in parts if part.verdict == verdict != DENIED), None)
    return Outcome(
        what=what, verdict=verdict, certain=any(part.certain for part in parts),
        possible=any(part.possible for part in parts), path=path,
        reason="no way is open" if way is None else _because(way),
        readings=_names(part.readings for part in parts if part.possible), parts=parts, joined="any",
    )


def _because(part: Outcome) -> str:
    where = f" {part.path}" if part.path else ""
    return f"{part.what}{where}" + (f": {part.reason}" if part.reason and not part.parts else "")


def _names(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))
