"""Reading the audit log: its events in order, and whether its chain holds.

Knows: the files and the chain that ``jsonl`` writes.  Must not know: how events are shown.
"""

from __future__ import annotations

import json
import os
import sys

from sidewall.audit.jsonl import GENESIS, digest, files, number
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Line(Record):
    """One line of the log: ``file`` its path, ``row`` from 1, ``data`` without the newline, ``whole`` if it had one."""

    file: str
    row: int
    data: bytes
    whole: bool = True


class Problem(Record):
    """What is wrong with one line.  ``serious`` is False for a line whose writer was cut short, if the line below it
    says so too."""

    file: str
    row: int
    what: str
    serious: bool = True


class Verification(Record):
    """What the chain says: ``head`` is the last line's hash, to be kept elsewhere against cuts at the end."""

    lines: int
    files: int
    first: int
    last: int
    head: str
    problems: tuple[Problem, ...] = ()

    @property
    def holds(self) -> bool:
        """No line was changed, dropped or put in between the first and the last."""
        return not any(problem.serious for problem in self.problems)


def lines(where: str) -> Iterator[Line]:
    """All lines of the log in directory ``where``, oldest first; none when it does not exist.  Raises OSError."""
    try:
        names = files(where)
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(where, name)
        with open(path, "rb") as stream:
            _wait_for_writers(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
            _release(stream.fileno())
            row = 0
            while stream.tell() < size and (data := stream.readline()):
                row += 1
                yield Line(file=path, row=row, data=data.removesuffix(b"\n"), whole=data.endswith(b"\n"))


def _wait_for_writers(descriptor: int) -> None:
    """Past the append that is under way, so that its half is not taken for a cut."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH)


def _release(descriptor: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def parse(line: Line) -> dict[str, Any] | None:
    """The event of a line; None when it is none."""
    try:
        event = json.loads(line.data)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def events(where: str, *, session: str = "", denied: bool = False, tail: int = 0) -> Iterator[dict[str, Any]]:
    """Events, oldest first; ``session`` is the start of a session's name, ``denied`` keeps exits with denials,
    ``tail`` the last so many of what is left.  Raises OSError."""
    chosen = _chosen(where, session, denied)
    if not tail:
        return chosen
    from collections import deque

    return iter(deque(chosen, maxlen=tail))


def _chosen(where: str, session: str, denied: bool) -> Iterator[dict[str, Any]]:
    for line in lines(where):
        event = parse(line)
        if event is None or not str(event.get("session", "")).startswith(session):
            continue
        if not denied or event.get("denials"):
            yield event


def verify(where: str) -> Verification:
    """Follows the chain through every file.  Raises OSError when the log cannot be read."""
    problems: list[Problem] = []
    previous = ""
    expected = first = -1
    count = 0
    seen: set[str] = set()
    for line in lines(where):
        count += 1
        seen.add(line.file)
        event = parse(line)
        if event is None:
            what = "not an event" if line.whole else "cut short: its writer was interrupted"
            problems.append(Problem(file=line.file, row=line.row, what=what))
        else:
            first = number(line.data) if first < 0 else first
            problems.extend(_faults(line, event, previous, expected))
            if event.get("prev") == previous and problems and _is_before(problems[-1], line):
                problems[-1] = problems[-1].replace(what="cut short: its writer was interrupted", serious=False)
        expected = _next(line, expected)
        previous = digest(line.data)
    last = expected - 1 if count else -1
    return Verification(lines=count, files=len(seen), first=first, last=last, head=previous or GENESIS,
                        problems=tuple(problems))


def _is_before(problem: Problem, line: Line) -> bool:
    """The problem is that of the line right above, and is that this one is no event."""
    return problem.file == line.file and problem.row == line.row - 1 and problem.what == "not an event"


def _next(line: Line, expected: int) -> int:
    found = number(line.data)
    return found + 1 if found >= 0 else expected


def _faults(line: Line, event: dict[str, Any], previous: str, expected: int) -> Iterator[Problem]:
    if previous and event.get("prev") != previous:
        yield Problem(file=line.file, row=line.row, what="does not follow the line before it: one of them was "
                      "changed, or a line was dropped or put in")
    elif expected >= 0 and event.get("seq") != expected:
        yield Problem(file=line.file, row=line.row, what=f"has number {event.get('seq')}, not {expected}")
    elif not previous and event.get("seq") == 0 and event.get("prev") != GENESIS:
        yield Problem(file=line.file, row=line.row, what="is the first line, but names one before it")
