"""Windows as a backend: facts, cells, recovery.

Knows: which tier is opened how, where the access lists' journal lies.  Must not know: sessions, how a cell is made
(``token_opening``, ``account_opening``).  An error undoes what was done.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError
from sidewall.plan import windows_steps as steps
from sidewall.plan.steps import UNCONFINED
from sidewall.plan.windows import with_everyone
from sidewall.platforms.windows import api as apis
from sidewall.platforms.windows import lease, tokens
from sidewall.platforms.windows.opening import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.steps import Plan
    from sidewall.plan.windows_unenforced import Unenforced
    from sidewall.platforms.windows.account_cell import AccountCell
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.cell import TokenCell
    from sidewall.platforms.windows.lease import AccessLists
    from sidewall.platforms.windows.runner_owner import Launch
    from sidewall.policy.model import Policy

    C = TypeVar("C", covariant=True)

    class Making(Protocol[C]):
        """A cell under way."""

        def cell(self, lists: Callable[[], AccessLists]) -> C: ...

        def undo(self) -> None: ...

TOKEN_TIERS = (steps.TOKEN, steps.TOKEN_STRICT, UNCONFINED)


class WindowsBackend:
    """See ``contract.Backend``.  Safe to use from several threads.

    ``launch`` says how a runner is started for a plan's accounts; without it, by logging the account on.
    """

    def __init__(self, api: Api | None = None, lists: AccessLists | None = None,
                 launch: Callable[[steps.Accounts], Launch] | None = None) -> None:
        self._api = api if api is not None else apis.native()
        self._lists = lists
        self._launch = launch
        self._tried: dict[str, tuple[Unenforced, ...]] = {}

    def prepare(self) -> None:
        """See ``contract.Backend.prepare``: there is nothing that could be made ready before its policy is known."""

    def facts(self, policy: Policy, *, tier: str = "auto") -> WindowsFacts:
        """See ``contract.Backend.facts``."""
        from sidewall.platforms.windows import facts

        return facts.gather(self._api, policy, tier, self._tried, self._placeholders())

    def apply(self, plan: Plan) -> TokenCell | AccountCell:
        """See ``contract.Backend.apply``."""
        if plan.tier == steps.ACCOUNT:
            return self._account_cell(plan)
        if plan.tier in TOKEN_TIERS:
            from sidewall.platforms.windows import token_opening

            return _opened(token_opening.TokenOpening(self._api, plan), self._machine_lists)
        raise MachineError(f"the tier {plan.tier} cannot be opened by this backend", hint="use --tier token")

    def _account_cell(self, plan: Plan) -> AccountCell:
        """A cell of the account tier.  Where no program starts, the plan is made lower if that is about Everyone."""
        from sidewall.platforms.windows import account_opening, runner_owner

        launch = self._launcher()
        try:
            return _opened(account_opening.AccountOpening(self._api, plan, launch), self._machine_lists)
        except runner_owner.Unable as error:
            from sidewall.platforms.windows import findings, start_trial

            if start_trial.needs_already(plan):
                raise
            found = start_trial.find_out(start_trial.starting(self._api, plan, launch), error)
            self._keep_start(plan, found)
            if found != findings.EVERYONE:
                raise  # it was passing: the same works when it is tried again
            plan = with_everyone(plan)
        return _opened(account_opening.AccountOpening(self._api, plan, launch), self._machine_lists)

    def try_start(self, plan: Plan) -> str:
        """Whether programs start in the account tier without Everyone as a restricting SID, found out by a plan of that
        tier and kept: a word of ``findings``.  Raises MachineError where that cannot be found out."""
        from sidewall.platforms.windows import start_trial

        found = start_trial.find_out(start_trial.starting(self._api, plan, self._launcher()))
        self._keep_start(plan, found)
        return found

    def start_known(self, facts: WindowsFacts) -> str:
        """What was found out about that on this build, for these accounts; '' when nobody tried."""
        from sidewall.platforms.windows import findings

        return findings.start_of(self._api, self._home(), facts.build, facts.group)

    def _launcher(self) -> Callable[[steps.Accounts], Launch]:
        if self._launch is None:
            from sidewall.platforms.windows import logon

            self._launch = logon.native(self._api)
        return self._launch

    def _keep_start(self, plan: Plan, found: str) -> None:
        """What cannot be kept is found out again by the next cell that needs it."""
        from sidewall.platforms.windows import findings

        accounts = step(plan, steps.Accounts)
        assert accounts is not None  # every plan of that tier has one
        with tokens.own(self._api) as token:
            user, home = tokens.read(self._api, token).user, self._api.userenv.GetUserProfileDirectoryW(token)
        try:
            findings.keep_start(self._api, home, self._api.ntdll.RtlGetVersion()[2], accounts.group_sid, user, found)
        except MachineError:
            return

    def look_again(self) -> None:
        """Forgets which places were found open to many, so that ``facts`` looks for them.  Raises Win32Error."""
        from sidewall.platforms.windows import findings, open_places_kept

        findings.forget(self._api, self._home(), open_places_kept.NAME)

    def recover(self) -> tuple[str, ...]:
        """See ``contract.Backend.recover``."""
        from sidewall.platforms.windows import facts, orphans, ownership_notes, runner_parent, temporary

        with runner_parent.Kept(self._api, self._home()) as kept:
            ended = orphans.end(self._api, self._home() + orphans.PLACE, kept)
        done = tuple([f"ended process {number}, which a sandbox that crashed had started" for number in ended])
        parent = facts.temporary_parent(self._home())
        done += temporary.recover(self._api, parent) if parent else ()
        done += tuple([f"left {one.path}: {one.reason}" for one in ownership_notes.recovered(self._api, self._home())])
        return (*done, *(self._machine_lists().recover() if self._journalled() else ()))

    def _home(self) -> str:
        """The user's profile, as the system knows it and not as a variable says."""
        with tokens.own(self._api) as token:
            return self._api.userenv.GetUserProfileDirectoryW(token)

    def _journalled(self) -> bool:
        """Whether any access list was ever changed for this user."""
        return self._lists is not None or os.path.isdir(lease.directory(self._home()))

    def _placeholders(self) -> frozenset[str]:
        return self._machine_lists().placeholders() if self._journalled() else frozenset()

    def _machine_lists(self) -> AccessLists:
        """The machine's access lists with their journal."""
        if self._lists is None:
            from sidewall.platforms.windows import acls

            self._lists = acls.native(self._api, lease.directory(self._home()))
        return self._lists


def _opened(opening: Making[C], lists: Callable[[], AccessLists]) -> C:
    try:
        return opening.cell(lists)
    except BaseException:
        opening.undo()
        raise


__all__ = ["WindowsBackend", "step"]
