"""``python -m sidewall.nt FILE.jsonl ...``: judge vectors of the Windows security model, on any machine.

Knows: files, lines, what is printed, exit codes.  Must not know: the format of a vector (`vectors` does).

Each mismatch is printed with the trace of the model's answer; the last line counts.  Exit code 0 if every vector
passed, 1 on a mismatch, 2 if a line is not a vector, or a file cannot be read, or holds none.  ``-`` is standard input.
"""

from __future__ import annotations

import sys

from sidewall.nt.vectors import judge_line
from sidewall.nt.vectors_fields import VectorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from sidewall.nt.vectors import Judgement

USAGE = "usage: python -m sidewall.nt FILE.jsonl ...    ('-' is standard input)"
LONGEST = 1 << 20


def main(names: list[str]) -> int:
    """Judge every file; the exit code."""
    if not names or any(name.startswith("-") and name != "-" for name in names):
        print(USAGE, file=sys.stderr if "--help" not in names else sys.stdout)
        return 0 if "--help" in names else 2
    judged: list[Judgement] = []
    faults = 0
    for name in names:
        try:
            if name == "-":
                faults += _judge_stream(sys.stdin.buffer, name, judged)
            else:
                with open(name, "rb") as stream:
                    faults += _judge_stream(stream, name, judged)
        except OSError as error:
            _complain(f"{name}: cannot be read: {error.strerror}", "give a file of vectors, one JSON object a line")
            faults += 1
    failed = sum(not each.passed for each in judged)
    if not judged and not faults:
        _complain(f"no vectors in {', '.join(names)}", "give a file of vectors, one JSON object a line")
        faults += 1
    print(summary(judged, faults))
    return 2 if faults else 1 if failed else 0


def _judge_stream(stream: BinaryIO, name: str, judged: list[Judgement]) -> int:
    """Judge each line, print mismatches and faults; the number of lines that are no vectors."""
    faults = 0
    for number, line in _lines(stream):
        try:
            if len(line) > LONGEST:
                raise VectorError(f"longer than {LONGEST} bytes", line=number, hint="one JSON object a line")
            result = judge_line(line.decode(), number)
        except UnicodeDecodeError as error:
            faults += 1
            _complain(f"{name}: line {number}: not UTF-8 at byte {error.start}", "vectors are UTF-8")
        except VectorError as error:
            faults += 1
            _complain(f"{name}: {error.message}", error.hint)
        else:
            judged.append(result)
            if not result.passed:
                group = f", {result.confidence}" if result.confidence else ""
                print(f"{name}: line {number}: {result.id} ({result.kind}{group})")
                print(f"    expected {result.expected}")
                print(f"    got      {result.got}")
                for step in result.trace:
                    print(f"        {step}")
    return faults


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; of one that is too long only as much as shows that it is."""
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        yield_it = line.strip()
        whole = line.endswith(b"\n")
        while len(line) > LONGEST and not whole:
            rest = stream.readline(LONGEST)
            whole = not rest or rest.endswith(b"\n")
        if yield_it:
            yield number, line


def summary(judged: list[Judgement], faults: int = 0) -> str:
    """One line of counts: all, by kind, and apart from them those that nobody else confirmed."""
    parts = [f"{len(judged)} vectors: {_share(judged)} passed"]
    kinds = sorted({each.kind for each in judged})
    parts += [f"{kind} {_share([each for each in judged if each.kind == kind])}" for kind in kinds]
    for group in sorted({each.confidence for each in judged if each.unconfirmed}):
        parts.append(f"of them {group} {_share([each for each in judged if each.confidence == group])}")
    if faults:
        parts.append(f"and {faults} that could not be judged")
    return "; ".join(parts)


def _share(judged: list[Judgement]) -> str:
    return f"{sum(each.passed for each in judged)}/{len(judged)}"


def _complain(message: str, hint: str) -> None:
    print(f"sidewall.nt: {message}" + (f" ({hint})" if hint else ""), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
