"""Timing: contenders take turns, so that whatever else the machine does falls on all of them alike.

Knows: how to time calls fairly.  Must not know: what is called.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Contender:
    """A name and the call that is timed; ``reset`` runs before each call, untimed.  ``most`` bounds its rounds: some
    peers take a second for what takes others a few milliseconds."""

    name: str
    call: Callable[[], object]
    reset: Callable[[], object] | None = None
    how: str = ""
    most: int = 0
    seconds: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def milliseconds(self) -> float:
        """Median, in milliseconds."""
        return statistics.median(self.seconds) * 1e3

    @property
    def slow(self) -> float:
        """The 95th percentile, in milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1e3


def interleave(contenders: Sequence[Contender], *, rounds: int, warm: int = 2) -> list[Contender]:
    """Times every contender once a round, each round starting with another one; returns those that never failed.

    A contender that raises is left out from then on and says why in ``failure``: one broken peer must not cost the
    figures of the others.
    """
    for number in range(-warm, rounds):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            if contender.failure or 0 < contender.most <= len(contender.seconds):
                continue
            try:
                if contender.reset:
                    contender.reset()
                start = time.perf_counter()
                contender.call()
                elapsed = time.perf_counter() - start
            except Exception as error:
                contender.failure = reason(error)
                continue
            if number >= 0:
                contender.seconds.append(elapsed)
    return [contender for contender in contenders if not contender.failure]


def reason(error: Exception) -> str:
    """Why a contender was left out, in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit code {error.returncode}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def ratio(contenders: Sequence[Contender], name: str, base: str, *, less: float = 0.0) -> float:
    """Median of ``name``, ``less`` these milliseconds, over median of ``base``; not a number when one is missing."""
    medians = {contender.name: contender.milliseconds for contender in contenders if contender.seconds}
    if name not in medians or base not in medians:
        return float("nan")
    return (medians[name] - less) / medians[base]


def added(contenders: Sequence[Contender], name: str = "sidewall", base: str = "bare") -> float:
    """By how many milliseconds the median of ``name`` is above that of ``base``; 0 when not, or one is missing."""
    both = ratio(contenders, name, base)
    medians = {contender.name: contender.milliseconds for contender in contenders if contender.seconds}
    return max(0.0, (both - 1) * medians[base]) if both == both else 0.0
