"""``sidewall explain``: the plan for this workspace and what it promises here, before anything runs.

Knows: how a plan is printed.  Must not know: how one is made.
"""

from __future__ import annotations

import os

from sidewall.cli import paint
from sidewall.cli.choice import policy_for, workspace
from sidewall.cli.options import RULES
from sidewall.cli.scan import environment, together
from sidewall.errors import GuaranteeError, UsageError
from sidewall.plan import explain
from sidewall.plan.guarantees import in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from rich.table import Table

    from sidewall.plan.guarantees import Guarantee
    from sidewall.plan.steps import Plan


def chosen(arguments: Namespace) -> dict[str, Any]:
    """The policy's options out of the environment and the command line."""
    given = {option.key: value for option in RULES if (value := getattr(arguments, option.key, None))}
    return together(environment(RULES, os.environ, os.pathsep), given)


def plan_for(options: dict[str, Any]) -> tuple[Plan, GuaranteeError | None]:
    """The plan that ``run`` with the same options would carry out, and why it would not.  Raises SidewallError."""
    from sidewall import plan as planner
    from sidewall.platforms import detect

    policy = policy_for(options, workspace())
    tier = options.get("tier", "auto")
    facts = detect.backend().facts(policy, tier=tier)
    try:
        return planner.compile(policy, facts, tier=tier), None
    except GuaranteeError as error:
        plan = planner.compile(policy.replace(require=()), facts, tier=tier)
        report = tuple(line.replace(required=line.name in policy.require) for line in plan.guarantees)
        return plan.replace(policy=policy, guarantees=report), error


def main(arguments: Namespace) -> int:
    """Prints the plan.  Raises SidewallError; for a required guarantee that cannot be enforced, after the plan."""
    if arguments.world or arguments.platform == "windows":
        from sidewall.cli import explain_windows

        return explain_windows.main(arguments)
    for name in ("workspace", "path"):
        if getattr(arguments, name):
            raise UsageError(f"{name} {getattr(arguments, name)!r} is about another machine, and none was given",
                             hint="name it: --platform windows --world FILE; for this machine: sidewall check PATH")
    plan, refusal = plan_for(chosen(arguments))
    print_plan(plan, as_json=arguments.json)
    if refusal is not None:
        raise refusal
    return 0


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """The plan for programs, for people, or for pipes."""
    if as_json:
        paint.print_json(explain.to_dict(plan))
    elif paint.painted():
        _paint(plan)
    else:
        paint.print_lines(explain.text(plan))


def _paint(plan: Plan) -> None:
    console = paint.console()
    head = paint.table("", "")
    for name, value in (("policy", plan.policy.name), ("workspace", plan.policy.workspace),
                        ("network", plan.policy.network.mode), ("tier", f"{plan.tier} ({plan.platform})"),
                        ("digest", plan.digest)):
        head.add_row(paint.styled(name, "dim"), paint.styled(value))
    console.print(head)
    console.print()
    body = paint.table("", "")
    for number, entry in enumerate(explain.entries(plan), 1):
        body.add_row(paint.styled(str(number), "dim"), paint.styled(entry.title))
        for detail in entry.details:
            body.add_row("", paint.styled("  " + detail, "dim"))
    console.print(body)
    console.print()
    console.print(guarantee_table(plan.guarantees))
    for note in plan.notes:
        console.print(paint.styled(note, "yellow"))


def guarantee_table(report: tuple[Guarantee, ...]) -> Table:
    """The guarantee report for people; ``*`` marks what the policy requires."""
    made = paint.table("guarantee", "", "level", "by")
    for line in in_order(report):
        made.add_row(paint.styled(line.name), paint.styled("*" if line.required else ""),
                     paint.styled(line.level, line.level), paint.styled(line.mechanism))
        for extra in (line.reason, line.remedy):
            if extra:
                made.add_row("", "", "", paint.styled(extra, "dim"))
    return made
