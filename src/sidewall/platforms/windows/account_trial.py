"""One start of a program in the account tier for its own sake: no access list changes, no command runs, nothing stays.

Knows: the first half of opening a cell of that tier.  Must not know: what a start that fails means (``start_trial``).
"""

from __future__ import annotations

from sidewall.plan import windows_steps as steps
from sidewall.platforms.windows import jobs, runner_owner, runner_parts, tokens
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.account_opening import KILL_ON_CLOSE, NO_ERROR_BOX, AccountOpening
from sidewall.platforms.windows.opening import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.runner_owner import Launch


class StartTrial(AccountOpening):
    """See ``Opening``.  ``plan`` says which token, job and desktop; what it promises does not matter here."""

    def __init__(self, api: Api, plan: Plan, launch: Callable[[steps.Accounts], Launch]) -> None:
        super().__init__(api, plan.replace(guarantees=()), launch)

    def run(self) -> None:
        """Starts a program and waits for its end.

        Raises runner_owner.Unable when it does not start; MachineError, GuaranteeError when it could not be tried.
        """
        try:
            self._start_one()
        finally:
            self.undo()

    def _start_one(self) -> None:
        accounts, recipe = step(self._plan, steps.Accounts), step(self._plan, steps.TokenRecipe)
        limits, variables = step(self._plan, steps.Job), step(self._plan, steps.Environment)
        assert accounts is not None and recipe is not None and limits is not None and variables is not None
        with tokens.own(self._api) as token:
            user = tokens.read(self._api, token).user
        # The program is one of the account's: it runs under the account's filters, or not at all.
        self._filters(user)
        self._job, _ = jobs.make(self._api, steps.Job(flags=KILL_ON_CLOSE | NO_ERROR_BOX))
        self._runner = runner_owner.start(self._api, self._launch(accounts), self._job, user, accounts.use_sid)
        parts = runner_parts.Parts(recipe=recipe, job=limits, desktop=step(self._plan, steps.Desktop),
                                   environment=variables)
        self._runner.ask(says.SETUP, says.MADE, **runner_parts.told(parts))
        self._try(self._runner, user, accounts.group_sid)
        self._runner.ask(says.TRIED, says.DONE)


__all__ = ["StartTrial"]
