"""The page ``docs/performance.md``: figures in, Markdown out.

Knows: how the tables read.  Must not know: how anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Contender, ratio

HEAD = """# Performance

Written by `make bench`; do not edit.  Contenders take turns within one run, so the ratios mean more than the
milliseconds.  *bare* is the same command without any sandbox.  `make bench-peers` installs the peers; what is not
installed is not in the tables.  Every peer got a policy as near to Sidewall's default as it can express: read all but
the secrets, write the workspace and a temporary directory, no network.

Rows called *floor* confine nothing.  A session's commands are started by a resident process, since namespaces,
Landlock and filters are that one's: `floor` is a pair of messages and a start.  A cell of a library's caller begins as
a fresh interpreter, so that nothing of the caller is in it: `floor` is that interpreter's start and end.  No cheaper
sandbox brings a figure below its floor, only giving up what the row says.
"""


@dataclass(frozen=True)
class Target:
    """A bound that Sidewall sets itself: ``measured`` must not be above ``limit``."""

    what: str
    measured: float
    limit: float
    unit: str = "×"

    @property
    def verdict(self) -> str:
        """``yes``, ``no``, or ``not measured``."""
        if math.isnan(self.measured):
            return "not measured"
        return "yes" if self.measured <= self.limit else "**no**"


def page(
    machine: Sequence[tuple[str, str]], versions: Sequence[tuple[str, str]], targets: Sequence[Target],
    tables: Mapping[str, Sequence[Contender]], work: Mapping[str, Sequence[Contender]],
) -> str:  # fmt: skip
    """The whole page."""
    parts = [HEAD, "## The machine\n", grid(("", ""), machine)]
    if versions:
        parts += ["Peers: " + ", ".join(f"{name} {version}" for name, version in versions) + ".\n"]
    parts += ["## What was aimed at\n", grid(("", "measured", "at most", "reached"), map(target_cells, targets))]
    for title, contenders in tables.items():
        parts += [f"## {title}\n", table(contenders)]
    parts += ["## Work on files\n", "Ratio to bare; in brackets what is added, start included, in milliseconds.\n"]
    parts += [work_table(work)]
    return "\n".join(parts)


def target_cells(target: Target) -> tuple[str, ...]:
    """One row of the table of targets."""
    number = "–" if math.isnan(target.measured) else f"{target.measured:.2f} {target.unit}"
    return (target.what, number, f"{target.limit:g} {target.unit}", target.verdict)


def table(contenders: Sequence[Contender]) -> str:
    """Median, 95th percentile and ratio of each contender, quickest first; then who failed, and of what."""
    ranked = sorted((each for each in contenders if not each.failure), key=lambda each: each.milliseconds)
    rows = [
        (each.name, f"{each.milliseconds:.2f}", f"{each.slow:.2f}", times(ratio(ranked, each.name, "bare")), each.how)
        for each in ranked
    ]
    failed = [f"{each.name} failed: {each.failure}." for each in contenders if each.failure]
    return grid(("", "median ms", "p95 ms", "to bare", "how"), rows) + "".join(f"\n{line}\n" for line in failed)


def work_table(work: Mapping[str, Sequence[Contender]]) -> str:
    """One column a piece of work, one row a contender."""
    names = list(dict.fromkeys(each.name for contenders in work.values() for each in contenders))
    rows = []
    for name in names:
        cells = [name]
        for contenders in work.values():
            each = next((one for one in contenders if one.name == name), None)
            base = next(one for one in contenders if one.name == "bare")
            if each is None or each.failure or base.failure:
                cells.append("failed" if each is not None else "–")
            elif name == "bare":
                cells.append(f"{each.milliseconds:.1f} ms")
            else:
                added = each.milliseconds - base.milliseconds
                cells.append(f"{times(each.milliseconds / base.milliseconds)} ({added:+.0f})")
        rows.append(tuple(cells))
    return grid(("", *work), rows)


def times(number: float) -> str:
    """A ratio as people write it."""
    return f"{number:.2f} ×" if number < 10 else f"{number:.0f} ×"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]] | map[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
