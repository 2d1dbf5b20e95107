"""A cell of the account tier, made in order, each part tried before the next.

Knows: what must be true before anything runs in such a cell.  Must not know: sessions, how the account is logged on.
Order: the filters are found again; the runner is started, in the cell's job, and is who it should be; in the account it
makes token, desktop and job and reads them back; a program tries what must not succeed; access lists change; the
private directory is made; then commands may run.  Whatever the plan promises and this machine does not do stops it.

The program that tries the token tries to write where the group of the account may and the token's restricting SIDs may
not: the account itself is one of these, so a directory of its own would prove nothing.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, MachineError
from sidewall.plan import windows_steps as steps
from sidewall.platforms.windows import (
    jobs,
    ownership_notes,
    runner_owner,
    runner_parts,
    tokens,
)
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.account_cell import AccountCell
from sidewall.platforms.windows.account_leaving import Leaving
from sidewall.platforms.windows.opening import Opening, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.nt.sid import Sid
    from sidewall.plan.steps import Plan
    from sidewall.platforms.contract import Held
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.lease import AccessLists
    from sidewall.platforms.windows.ownership import Unlock
    from sidewall.platforms.windows.runner_owner import Launch, Runner

KILL_ON_CLOSE, NO_ERROR_BOX = 0x2000, 0x400
SETUP = "run `sidewall setup`"


class AccountOpening(Opening):
    """See ``Opening``.  ``launch`` starts the runner for the plan's Accounts step."""

    def __init__(self, api: Api, plan: Plan, launch: Callable[[steps.Accounts], Launch]) -> None:
        super().__init__(api, plan)
        self._launch = launch
        self._runner: Runner | None = None
        self._returns: Callable[[Unlock], tuple[Held, ...]] | None = None

    def cell(self, lists: Callable[[], AccessLists]) -> AccountCell:
        """All of it, in order.  ``lists`` gives the access lists, if they are needed.  Raises MachineError."""
        accounts, recipe = step(self._plan, steps.Accounts), step(self._plan, steps.TokenRecipe)
        limits, variables = step(self._plan, steps.Job), step(self._plan, steps.Environment)
        if accounts is None or recipe is None or limits is None or variables is None:
            raise MachineError("a plan for an account names no account, token, job or variables",
                               hint="make the plan anew")
        with tokens.own(self._api) as token:
            user = tokens.read(self._api, token).user
            home = self._api.userenv.GetUserProfileDirectoryW(token)
        self._filters(user)
        ownership_notes.recovered(self._api, home)
        # The whole cell, the runner too: the last handle is ours, so it ends with us.
        self._job, lost = jobs.make(self._api, steps.Job(flags=KILL_ON_CLOSE | NO_ERROR_BOX))
        self._missing += lost
        runner = self._runner = runner_owner.start(self._api, self._launch(accounts), self._job, user,
                                                   accounts.use_sid)
        parts = runner_parts.Parts(recipe=recipe, job=limits, desktop=step(self._plan, steps.Desktop),
                                   environment=variables)
        self._missing += runner.ask(says.SETUP, says.MADE, **runner_parts.told(parts))
        self._refuse_beyond()
        self._try(runner, user, accounts.group_sid)
        self._lists(lists)
        self._private()
        self._missing += [*runner.ask(says.TRIED, says.DONE), *self._tried_in()]
        self._refuse_beyond()
        self._owning(accounts.use_sid, home)
        self._watch()
        runner.send(says.made(says.PRIVATE, path=self._temporary))
        made = AccountCell(self._api, self._plan, runner, job=self._job, variables=variables,
                           temporary=self._temporary, watcher=self._watcher, undo=self._undo,
                           leaving=Leaving(runner, user), give_back=self._returns, abandoned=self._abandoned())
        self._job = self._runner = None
        return made

    def _owning(self, account: Sid, home: str) -> None:
        """What commands make becomes the user's before the access lists go, so it is noted from here on."""
        wanted = step(self._plan, steps.Ownership)
        if wanted is not None:
            from sidewall.platforms.windows import ownership_notes as notes
            from sidewall.platforms.windows.journal import ProcessOwners
            from sidewall.platforms.windows.ownership import Owners
            from sidewall.platforms.windows.store_win32 import Win32Store

            place = notes.directory(home)
            store, processes = Win32Store(self._api), ProcessOwners(self._api)
            noted = notes.note(self._api, place, processes, wanted, account, wanted.owner)
            owners = Owners(self._api, store, wanted, account, lambda: notes.forget(self._api, noted))
            self._undo.append(owners.give_back)
            api = self._api

            def give_back(unlock: Unlock) -> tuple[Held, ...]:
                # What this account made in cells that crashed, and closed to the user, is opened here too.
                return (*owners.give_back(unlock),
                        *notes.recover(api, place, processes, store, account=account, unlock=unlock))

            self._returns = give_back

    def _abandoned(self) -> Callable[[], tuple[str, ...]]:
        """Private directories of cells that crashed: what the account made there may be closed to the user."""
        from sidewall.platforms.windows import temporary

        api, parent = self._api, self._temporary.rpartition("\\")[0]
        return lambda: temporary.abandoned(api, parent) if parent else ()

    def _filters(self, user: Sid) -> None:
        """The filters of the plan are there now, and say what they should: set-up made them, and anybody who is an
        administrator can have removed them since."""
        from sidewall.platforms.windows import wfp
        from sidewall.platforms.windows.errors import ApiError

        wanted = step(self._plan, steps.NetworkFilters)
        if wanted is None:
            return
        try:
            there = wfp.present(self._api, tuple([wfp.lowered(user, one) for one in wanted.filters]))
        except ApiError as error:
            raise GuaranteeError(f"the network filters of the account cannot be seen: {error.message}",
                                 guarantees=("network-egress",), hint=error.hint or SETUP) from error
        lost = sorted({one.name for one in wanted.filters} - set(there))
        if lost:
            raise GuaranteeError(f"{len(lost)} of the account's {len(wanted.filters)} network filters are gone "
                                 f"({lost[0]})", guarantees=("network-egress",), hint=SETUP)

    def _try(self, runner: Runner, user: Sid, group: Sid) -> None:
        """A program with the token, as every command will be started."""
        self._missing += runner.ask(says.TRY, says.TRYING, target=self._try_in(user, group))

    def _undo_own(self) -> None:
        if self._runner is not None:
            self._runner.close()


__all__ = ["AccountOpening"]
