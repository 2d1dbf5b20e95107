"""A slice of the fuzzing of every parser: by chance anew each time; the number that is printed repeats a failure.

Knows: the fuzzer beside it.  Must not know: any format.  ``make nt-fuzz`` runs the whole ten minutes.
"""

from __future__ import annotations

import random

from tests.nt.fuzz import TARGETS, Fuzzer, run

ROUNDS = 400


def test_damaged_input_is_a_value_or_one_clear_error() -> None:
    seed = random.randrange(1 << 32)
    fuzzer = Fuzzer(seed)
    run(fuzzer, lambda rounds: rounds >= ROUNDS)
    assert not fuzzer.failures, f"seed {seed}: {fuzzer.failures[:3]!r}"
    for name in TARGETS:
        refused = [kind for kind in fuzzer.seen[name] if kind.startswith("refused")]
        assert fuzzer.tried[name] == ROUNDS
        assert fuzzer.accepted[name] > 0, f"seed {seed}: nothing was accepted by {name}"
        assert len(refused) >= 3, f"seed {seed}: {name} refused in {len(refused)} ways only"


def test_the_fuzzer_sees_a_parser_that_breaks() -> None:
    """The same run over parsers that crash, that hang, and that say nothing clear."""
    from sidewall.nt.errors import SddlError

    def unclear(_text: str) -> str:
        raise SddlError("two\nlines")

    def crashing(text: str) -> str:
        return text[1_000_000]

    for check, word in ((unclear, "not clear"), (crashing, "IndexError")):
        fuzzer = Fuzzer(1)
        TARGETS["sid"], kept = (check, TARGETS["sid"][1]), TARGETS["sid"]
        try:
            run(fuzzer, lambda rounds: rounds >= 2)
        finally:
            TARGETS["sid"] = kept
        assert [word in what for name, what, _ in fuzzer.failures if name == "sid"] == [True, True]
