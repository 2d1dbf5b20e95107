"""``sidewall verify``: the real sandbox of this machine is attacked, and what held is printed.

Knows: how a report is printed, which exit code it gives.  Must not know: what is tried, or how a verdict comes about.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile

from sidewall.cli import paint
from sidewall.cli.choice import policy_for, workspace
from sidewall.cli.explain import chosen
from sidewall.errors import MachineError
from sidewall.plan.guarantees import ENFORCED
from sidewall.session.layers import PROJECT_FILE
from sidewall.verify import report as reports
from sidewall.verify.probe import WORKS, catalogue
from sidewall.verify.probe import chosen as picked
from sidewall.verify.report import BROKEN, EFFECT, HOLDS, Report, Result, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import Any, NoReturn

    from sidewall.policy.model import Policy

BROKE = 1
_STYLES = {HOLDS: "ok", BROKEN: "bad"}


def main(arguments: Namespace) -> int:
    """Prints what held; exit code 1 when something promised did not, or what must work does not.

    Raises SidewallError: no sandbox could be made.
    """
    if arguments.list:
        return _list(arguments)
    from sidewall.verify import runner

    options = chosen(arguments)
    signal.signal(signal.SIGTERM, _ended)
    try:
        report = runner.verify(_policy(options), tier=options.get("tier", "auto"), guarantees=arguments.guarantee)
    except OSError as error:
        raise MachineError(f"what is to be attacked cannot be made: {error}",
                           hint="the home directory must be writable for you") from error
    if arguments.json:
        paint.print_json(report.to_dict())
    elif paint.painted():
        _paint(report)
    else:
        paint.print_lines(_plain(report))
    return 0 if report.ok else BROKE


def _ended(number: int, _: object) -> NoReturn:
    """Leaves as after an error, so that nothing stays behind."""
    raise SystemExit(128 + number)


def _policy(options: dict[str, Any]) -> Policy:
    """The policy that ``run`` has here.  Without a project's file it is that of any directory, so that it can be
    verified from the home directory as well, which cannot be a workspace."""
    here = workspace()
    if os.path.lexists(os.path.join(here, PROJECT_FILE)):
        return policy_for(options, here)
    with tempfile.TemporaryDirectory() as empty:
        return policy_for(options, empty)


def _list(arguments: Namespace) -> int:
    """The probes, without trying any."""
    probes = picked(catalogue(sys.platform), arguments.guarantee)
    if arguments.json:
        paint.print_json({"schema": reports.SCHEMA, "probes": [
            {"id": probe.id, "guarantee": probe.guarantee, "what": probe.what} for probe in probes]})
        return 0
    width = max(len(probe.id) for probe in probes)
    about = ""
    for probe in probes:
        if probe.guarantee != about:
            about = probe.guarantee
            paint.print_lines([about])
        paint.print_lines([f"  {probe.id:{width}}  {probe.what}"])
    return 0


def _head(report: Report) -> list[tuple[str, str]]:
    return [("policy", report.policy), ("tier", f"{report.tier} ({report.platform})"),
            ("required", ", ".join(report.require) or "none"),
            ("probes", f"{len(report.results)} in {report.seconds:.1f} s, each without a sandbox and inside one")]


def counts(verdict: Verdict) -> str:
    """How the probes of a guarantee came out."""
    parts = ((verdict.held, "held"), (verdict.effect, "had their effect"), (verdict.nothing, "showed nothing"),
             (verdict.excused, "without a verdict"))
    return ", ".join(f"{number} {word}" for number, word in parts if number)


def _works(results: Iterable[Result]) -> str:
    found = [result for result in results if not result.excuse]
    return f"{sum(result.outcome == EFFECT for result in found)} of {len(found)} work"


def _end(report: Report) -> str:
    wrong = [result for result in report.results if result.wrong]
    if wrong:
        return f"{len(wrong)} of {len(report.results)} probes ended otherwise than promised"
    if not any(result.level == ENFORCED and not result.excuse for result in report.results):
        return "nothing of what was tried is promised in full here"
    return "everything that was promised held"


def _plain(report: Report) -> list[str]:
    width = max((len(verdict.name) for verdict in report.verdicts), default=0)
    lines = [f"{name}: {value}" for name, value in _head(report)]
    for verdict in report.verdicts:
        mark = "*" if verdict.required else " "
        lines.append(f"{verdict.name:{width}} {mark} {verdict.level:8}  {verdict.verdict:16}  {counts(verdict)}")
    if report.works:
        lines.append(f"{WORKS:{width}}   {'':8}  {'':16}  {_works(report.works)}")
    lines += [f"  {result.id}, {result.what}: {reports.sentence(result)}" for result in reports.worth_telling(report)]
    return [*lines, _end(report)]


def _paint(report: Report) -> None:
    console = paint.console()
    head = paint.table("", "")
    for name, value in _head(report):
        head.add_row(paint.styled(name, "dim"), paint.styled(value))
    console.print(head)
    console.print()
    body = paint.table("guarantee", "", "level", "verdict", "probes")
    for verdict in report.verdicts:
        body.add_row(paint.styled(verdict.name), paint.styled("*" if verdict.required else ""),
                     paint.styled(verdict.level, verdict.level),
                     paint.styled(verdict.verdict, _STYLES.get(verdict.verdict, "warn")),
                     paint.styled(counts(verdict)))
    if report.works:
        body.add_row(paint.styled(WORKS), "", "", "", paint.styled(_works(report.works)))
    console.print(body)
    told = reports.worth_telling(report)
    if told:
        console.print()
        rows = paint.table("", "", "")
        for result in told:
            rows.add_row(paint.styled(result.id, "dim"), paint.styled(result.what),
                         paint.styled(reports.sentence(result), "bad" if result.wrong else "dim"))
        console.print(rows)
    console.print()
    mark = "ok" if report.ok else "bad"
    console.print(paint.styled(f"{paint.MARKS[mark]} {_end(report)}", mark))


__all__ = ["counts", "main"]
