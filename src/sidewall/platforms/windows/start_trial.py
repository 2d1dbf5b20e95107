"""Does a program start in the account tier, or only with Everyone among its restricting SIDs?  Found out by trying.

Knows: how a start is tried, what the tries together say.  Must not know: what a plan makes of it (``plan.windows``
does), where the answer is kept (``findings``), how a runner is started.

A start is tried as it is for every cell: the account's runner, the plan's token, job and desktop, and one program.  It
is not about Everyone unless it fails without, works with, and fails again without: a scanner that held up the first
program, or a logon that was refused, says nothing.  The answer is kept with the build of Windows, since what programs
need to start comes with it; on another build it is tried anew, without Everyone first.
"""

from __future__ import annotations

from sidewall.nt.wellknown import EVERYONE as EVERYONE_SID
from sidewall.plan import windows_steps as steps
from sidewall.platforms.windows import runner_owner
from sidewall.platforms.windows.findings import EVERYONE, PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.runner_owner import Launch


def find_out(attempt: Callable[[bool], object], failed: runner_owner.Unable | None = None) -> str:
    """``PLAIN`` or ``EVERYONE``.  ``attempt(everyone)`` starts a program and raises Unable when that does not work;
    ``failed`` is what a first try without Everyone raised already.

    Raises what the first try did where a program starts in neither way; whatever else an attempt raises goes through.
    """
    if failed is None:
        try:
            attempt(False)
            return PLAIN
        except runner_owner.Unable as error:
            failed = error
    try:
        attempt(True)
    except runner_owner.Unable:
        raise failed from None
    try:
        attempt(False)
    except runner_owner.Unable:
        return EVERYONE
    return PLAIN


def starting(api: Api, plan: Plan, launch: Callable[[steps.Accounts], Launch]) -> Callable[[bool], None]:
    """How a start is tried for a plan of the account tier; nothing of a try stays."""

    def attempt(everyone: bool) -> None:
        from sidewall.platforms.windows.account_trial import StartTrial

        StartTrial(api, with_everyone(plan) if everyone else plan, launch).run()

    return attempt


def with_everyone(plan: Plan) -> Plan:
    """The plan's steps with Everyone as a restricting SID; to be tried, whatever it promises."""
    return plan.replace(steps=tuple([
        step.replace(restricting=(*step.restricting, EVERYONE_SID)) if isinstance(step, steps.TokenRecipe) else step
        for step in plan.steps]))


def needs_already(plan: Plan) -> bool:
    """Whether Everyone is among the plan's restricting SIDs, so that there is nothing to try."""
    return any(EVERYONE_SID in step.restricting for step in plan.steps if isinstance(step, steps.TokenRecipe))


__all__ = ["find_out", "needs_already", "starting", "with_everyone"]
