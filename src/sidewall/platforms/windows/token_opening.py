"""A cell of the token tiers, made in order, each part tried before the next.

Knows: what must be true before anything runs in such a cell.  Must not know: sessions, accounts.
Order: the token is made and read back, a program tries what must not succeed, then access lists change, then commands
may run.  Whatever the plan promises and this kernel does not do stops it.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.plan import windows_steps as steps
from sidewall.plan.windows_unenforced import Unenforced
from sidewall.platforms.windows import jobs, tokens
from sidewall.platforms.windows.cell import TokenCell
from sidewall.platforms.windows.opening import Opening, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.steps import Plan
    from sidewall.platforms.contract import Held
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.desktops import Surroundings
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.lease import AccessLists
    from sidewall.platforms.windows.probe import Probe


class TokenOpening(Opening):
    """See ``Opening``."""

    def __init__(self, api: Api, plan: Plan) -> None:
        super().__init__(api, plan)
        self._token: Handle | None = None
        self._surroundings: Surroundings | None = None
        self._probe: Probe | None = None

    def cell(self, lists: Callable[[], AccessLists]) -> TokenCell:
        """All of it, in order.  ``lists`` gives the access lists, if they are needed.  Raises MachineError."""
        api, limits = self._api, step(self._plan, steps.Job)
        assert limits is not None  # every plan of Windows has one
        self._job, lost = jobs.make(api, limits)
        self._missing += lost
        recipe = step(self._plan, steps.TokenRecipe)
        system = api.kernel32.GetSystemDirectoryW()
        variables = step(self._plan, steps.Environment)
        if recipe is not None:
            self._confine(recipe, variables, system)
        if self._probe is not None:
            self._lists(lists)
            self._private()
            self._missing += [*self._probe.finish(), *self._tried_in()]
            self._probe.close()
            self._probe = None
            self._refuse_beyond()
            self._watch()
        job, token, self._job, self._token = self._job, self._token, None, None
        return TokenCell(
            api, self._plan, token=token, job=job, desktop=self._surroundings.name if self._surroundings else None,
            system=system, variables=variables, temporary=self._temporary,
            watcher=self._watcher, undo=self._undo)

    def _confine(self, recipe: steps.TokenRecipe, variables: steps.Environment | None, system: str) -> None:
        """The token and the desktop, tried as far as that is possible while nothing on the machine has changed."""
        from sidewall.platforms.windows import desktops, probe, selftest, turns

        api = self._api
        with tokens.own(api) as base:
            self._token = tokens.make(api, base, recipe)
        self._missing += selftest.check_token(api, self._token, recipe)
        windows = step(self._plan, steps.Desktop)
        if windows is not None:
            made = desktops.make(api, windows, turns.of_caller(api))
            if isinstance(made, Unenforced):
                self._missing.append(made)
            else:
                self._surroundings = made
                self._missing += made.missing
                self._undo.append(lambda: _closed(made))
        self._refuse_beyond()
        target = self._try_in(recipe.user, recipe.user)
        desktop = self._surroundings.name if self._surroundings else None

        assert self._job is not None
        try:
            self._probe = probe.Probe(api, self._token, recipe, self._job, desktop, target, variables, system)
        except OSError as error:
            raise MachineError(f"no program starts with the sandbox's token: {error.strerror}",
                               hint="try --tier token; `sidewall doctor` looks at the machine") from error

    def _undo_own(self) -> None:
        try:
            if self._probe is not None:
                self._probe.close()
        finally:
            if self._token is not None:
                self._token.close()


def _closed(made: Surroundings) -> tuple[Held, ...]:
    made.close()
    return ()


__all__ = ["TokenOpening"]
