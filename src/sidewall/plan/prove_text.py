"""Proofs and answers about paths in words and as plain data.

Knows: how a finding, a proof and an answer are said, line by line.  Must not know: colours, terminals, how anything was
found.  Pure: the command line paints what is returned here, ``--json`` prints the dictionaries.
"""

from __future__ import annotations

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.plan.prove_findings import Finding, Proof
    from sidewall.plan.prove_path import PathAnswer, Question

SCHEMA = 1
KINDS = 6
"""So many kinds of shortfalls are told; all are in the data."""

HEAD, BAD, GOOD, WARN, PLAIN, DIM = "bold", "bad", "ok", "warn", "", "dim"
"""What a line is, in the words that the command line paints by."""


class Line(Record):
    """One line: how deep it is indented, what it says, what it is."""

    text: str
    depth: int = 0
    style: str = PLAIN


def proof_lines(proof: Proof) -> tuple[Line, ...]:
    """What the proof found: disagreements with one trace a kind, what will not work, what was not judged."""
    lines = [Line(text=f"proved on {proof.entries} files and directories, {proof.checks} questions", style=HEAD),
             Line(text=proof.world, depth=1, style=DIM)]
    for fault in proof.faults:
        lines.append(Line(text=f"cannot be carried out: {fault.path}: {fault.reason}", depth=1, style=BAD))
    for (guarantee, operation), found in _merged(proof.disagreements).items():
        weak = guarantee not in proof.overstated
        lines += _finding(guarantee, operation, found, WARN if weak else BAD)
    if not proof.disagreements:
        lines.append(Line(text="a command can do nothing there that the policy forbids", depth=1, style=GOOD))
    lines += [Line(text=f"{name} is not enforced, though the plan says so", depth=1, style=BAD)
              for name in proof.overstated]
    lines += _shortfalls(proof)
    if proof.unjudged:
        lines.append(Line(text=f"not judged, for their names have no certain meaning: {_some(proof.unjudged)}", depth=1,
                          style=WARN))
    lines += [Line(text=f"not public: {text}", depth=1, style=DIM) for text in proof.unsettled]
    return tuple(lines)


def _merged(found: tuple[Finding, ...]) -> dict[tuple[str, str], list[Finding]]:
    """Findings that differ only in the descriptor, together."""
    merged: dict[tuple[str, str], list[Finding]] = {}
    for each in found:
        merged.setdefault((each.guarantee, each.operation), []).append(each)
    return merged


def _finding(guarantee: str, operation: str, found: list[Finding], style: str) -> list[Line]:
    count = sum(each.count for each in found)
    first = found[0]
    told = f"{guarantee}: {operation} cannot be ruled out: {_some(first.paths, count)}"
    lines = [Line(text=told, depth=1, style=style), Line(text=f"policy: {first.policy}", depth=2),
             Line(text=f"by the permissions of {first.through}", depth=2)]
    if first.unsure:
        lines.append(Line(text=f"the model cannot judge: {first.unsure}", depth=2))
    return lines + [Line(text=text, depth=3, style=DIM) for text in first.trace]


def _shortfalls(proof: Proof) -> list[Line]:
    merged: dict[str, list[Finding]] = {}
    for each in proof.shortfalls:
        merged.setdefault(each.operation, []).append(each)
    if not merged:
        return []
    lines = [Line(text="allowed by the policy, refused by the machine", depth=1, style=HEAD)]
    for operation, found in list(merged.items())[:KINDS]:
        paths = tuple(dict.fromkeys(path for each in found for path in each.paths))
        lines.append(Line(text=f"{operation}: {_some(paths, sum(each.count for each in found))}", depth=2))
    if len(merged) > KINDS:
        lines.append(Line(text=f"and {len(merged) - KINDS} other operations", depth=2))
    return lines


def _some(paths: tuple[str, ...], count: int = 0) -> str:
    rest = max(count, len(paths)) - min(3, len(paths))
    return ", ".join(paths[:3]) + (f" and {rest} more" if rest else "")


def proof_dict(proof: Proof) -> dict[str, Any]:
    """The proof as plain data."""
    return {"schema": SCHEMA, "clean": proof.clean, "sound": proof.sound, **proof.to_dict()}


def path_lines(answer: PathAnswer) -> tuple[Line, ...]:
    """Everything about one path."""
    lines = [Line(text=f"{answer.path}  ({answer.kind})" if answer.kind else answer.path, style=HEAD)]
    lines += [Line(text=note, depth=1, style=WARN) for note in answer.notes]
    if answer.nearest and not answer.kind:
        lines.append(Line(text=f"nearest: {answer.nearest}", depth=1))
    if answer.plan:
        lines.append(Line(text=f"the plan {answer.plan[0]}", depth=1))
        lines += [Line(text=text, depth=2, style=DIM) for text in answer.plan[1:]]
    for question in answer.questions:
        lines += _question(question)
    if answer.sddl:
        lines.append(Line(text=f"permissions: {answer.sddl}", depth=1, style=DIM))
    return tuple(lines)


def verdict(question: Question) -> tuple[str, str]:
    """What is to be said of policy and machine together, and what it is."""
    if question.guarantee:
        sure = "is" if question.machine == "yes" else "may be"
        return f"{sure}, against the policy ({question.guarantee})", BAD
    if question.policy and question.machine == "yes":
        return "yes", GOOD
    return (f"the policy allows it, the machine: {question.machine}", WARN) if question.policy else ("no", GOOD)


def _question(question: Question) -> list[Line]:
    text, style = verdict(question)
    lines = [Line(text=f"{question.name}: {text}", depth=1, style=style),
             Line(text=f"policy: {question.reason}", depth=2)]
    if question.trace:
        lines.append(Line(text=f"machine: {question.machine}, by the permissions of {question.through}", depth=2))
        lines += [Line(text=text, depth=3, style=DIM) for text in question.trace]
    return lines


def path_dict(answer: PathAnswer) -> dict[str, Any]:
    """The answer as plain data."""
    return {"schema": SCHEMA, **answer.to_dict()}

