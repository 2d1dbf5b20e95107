"""``python -m bench.windows_model``: how many access checks of the Windows model one core answers in a second.

Knows: the vectors that are shipped with the tests, as a sample of what is asked.  Must not know: how a check is made.

Descriptors and tokens are parsed before, as a plan parses them once and asks them thousands of questions.  Each round
asks every question of a group once; the time is the processor's, so that other work on the machine is not counted.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers import ROOT
from sidewall.nt import sddl
from sidewall.nt.access_check import access_check
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, MAXIMUM_ALLOWED, GenericMapping
from sidewall.nt.token import Token

VECTORS = ROOT / "tests" / "nt" / "data" / "vectors.jsonl"
ROUNDS = 60


@dataclass(frozen=True)
class Question:
    """One access check."""

    sd: SecurityDescriptor
    token: Token
    desired: int
    mapping: GenericMapping


def questions() -> list[Question]:
    """Every access check among the vectors."""
    vectors = map(json.loads, VECTORS.read_text(encoding="utf-8").splitlines())
    return [
        Question(sddl.parse(vector["sd"]), Token.from_json(vector["token"]), int(vector["desired"], 16),
                 MAPPINGS[vector.get("mapping", "file")])
        for vector in vectors if vector["kind"] == "access"
    ]


def groups(every: Sequence[Question]) -> dict[str, list[Question]]:
    """The questions by what makes them dear."""
    return {
        "all access vectors": list(every),
        "unrestricted tokens": [each for each in every if each.token.restricting is None],
        "restricted tokens": [each for each in every if each.token.restricting is not None
                              and not each.token.write_restricted],
        "write-restricted tokens": [each for each in every if each.token.write_restricted],
        "MAXIMUM_ALLOWED": [each for each in every if each.desired & MAXIMUM_ALLOWED],
        "with a label or an AppContainer": [each for each in every if each.sd.sacl is not None
                                            or each.token.integrity != 0x2000 or each.token.package is not None],
    }


def microseconds(asked: Sequence[Question], *, trace: bool = False, rounds: int = ROUNDS) -> float:
    """Median over the rounds of the processor time of one check, in microseconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for each in asked:
            access_check(each.sd, each.token, each.desired, each.mapping, trace=trace)
        times.append((time.process_time() - start) / len(asked))
    return statistics.median(times) * 1e6


def main() -> int:
    every = questions()
    microseconds(every, rounds=5)
    print("| access checks | in the sample | µs each | a second |\n| --- | --- | --- | --- |")
    for name, asked in groups(every).items():
        each = microseconds(asked)
        print(f"| {name} | {len(asked)} | {each:.1f} | {1e6 / each:,.0f} |")
    each = microseconds(every, trace=True)
    print(f"| all, with a trace | {len(every)} | {each:.1f} | {1e6 / each:,.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
