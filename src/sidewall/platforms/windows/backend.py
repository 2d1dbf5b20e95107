"""Windows as a backend: facts, cells of the token tiers, recovery.

Knows: in which order a cell is made and what must be true before anything runs in it.  Must not know: sessions.
Order: the token is made and read back, a program tries what must not succeed, then access lists change, then commands
may run.  Whatever the plan promises and this kernel does not do stops it; an error undoes what was done.
"""

from __future__ import annotations

import os

from sidewall.errors import GuaranteeError, MachineError
from sidewall.plan import windows_steps as steps
from sidewall.plan.guarantees import unmet
from sidewall.plan.steps import UNCONFINED, Watch
from sidewall.plan.windows_unenforced import JOB_UI, RESTRICTING, Unenforced, beyond, lower
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import api as apis
from sidewall.platforms.windows import jobs, lease, tokens
from sidewall.platforms.windows.cell import TokenCell, undo_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.desktops import Surroundings
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.lease import AccessLists
    from sidewall.platforms.windows.probe import Place, Probe
    from sidewall.platforms.windows.watch import Watcher
    from sidewall.policy.model import Policy

    S = TypeVar("S")

TOKEN_TIERS = (steps.TOKEN, steps.TOKEN_STRICT, UNCONFINED)


class WindowsBackend:
    """See ``contract.Backend``.  Safe to use from several threads."""

    def __init__(self, api: Api | None = None, lists: AccessLists | None = None) -> None:
        self._api = api if api is not None else apis.native()
        self._lists = lists
        self._tried: dict[str, tuple[Unenforced, ...]] = {}

    def prepare(self) -> None:
        """See ``contract.Backend.prepare``: there is nothing that could be made ready before its policy is known."""

    def facts(self, policy: Policy, *, tier: str = "auto") -> WindowsFacts:
        """See ``contract.Backend.facts``."""
        from sidewall.platforms.windows import facts

        return facts.gather(self._api, policy, tier, self._tried, self._placeholders())

    def apply(self, plan: Plan) -> TokenCell:
        """See ``contract.Backend.apply``."""
        if plan.tier not in TOKEN_TIERS:
            raise MachineError(f"the tier {plan.tier} cannot be opened by this backend", hint="use --tier token")
        made = _Made(self._api, plan)
        try:
            return made.cell(self._machine_lists)
        except BaseException:
            made.undo()
            raise

    def recover(self) -> tuple[str, ...]:
        """See ``contract.Backend.recover``."""
        from sidewall.platforms.windows import facts, temporary

        parent = facts.temporary_parent(self._home())
        done = temporary.recover(self._api, parent) if parent else ()
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


def step(plan: Plan, kind: type[S]) -> S | None:
    """The plan's step of this kind, None when it has none."""
    return next((one for one in plan.steps if isinstance(one, kind)), None)


class _Made:
    """What was made for a cell that is being opened; ``undo`` gives all of it back."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._api = api
        self._plan = plan
        self._undo: list[Callable[[], tuple[Held, ...]]] = []
        self._token: Handle | None = None
        self._job: Handle | None = None
        self._surroundings: Surroundings | None = None
        self._probe: Probe | None = None
        self._place: Place | None = None
        self._missing: list[Unenforced] = []
        self._temporary = ""
        self._watcher: Watcher | None = None
        self._held: Callable[[], frozenset[str]] = frozenset

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
            self._missing += self._tried()
            self._refuse_beyond()
            self._watch()
        job, token, self._job, self._token = self._job, self._token, None, None
        return TokenCell(
            api, self._plan, token=token, job=job, desktop=self._surroundings.name if self._surroundings else None,
            system=system, variables=variables, temporary=self._temporary,
            watcher=self._watcher, undo=self._undo)

    def _confine(self, recipe: steps.TokenRecipe, variables: steps.Environment | None, system: str) -> None:
        """The token and the desktop, tried as far as that is possible while nothing on the machine has changed."""
        from sidewall.platforms.windows import desktops, probe, selftest

        api = self._api
        with tokens.own(api) as base:
            self._token = tokens.make(api, base, recipe)
        self._missing += selftest.check_token(api, self._token, recipe)
        windows = step(self._plan, steps.Desktop)
        if windows is not None:
            made = desktops.make(api, windows)
            if isinstance(made, Unenforced):
                self._missing.append(made)
            else:
                self._surroundings = made
                self._missing += made.missing
                self._undo.append(lambda: _closed(made))
        self._refuse_beyond()
        place = step(self._plan, steps.PrivateTemp)
        if place is None or self._job is None:
            raise MachineError("a plan for a token names no place for a private directory", hint="make the plan anew")
        desktop = self._surroundings.name if self._surroundings else None
        self._place = probe.Place(api, place.parent, recipe.user, recipe.user)
        target = self._place.target

        def start(token: Handle, job: Handle) -> Probe:
            return probe.Probe(api, token, recipe, job, desktop, target, variables, system)

        try:
            self._probe = start(self._token, self._job)
        except OSError:
            # The reference leaves open whether a job may lie in one that limits windows.
            self._without_ui()
            try:
                self._probe = start(self._token, self._job)
            except OSError as error:
                raise MachineError(f"no program starts with the sandbox's token: {error.strerror}",
                                   hint="try --tier token; `sidewall doctor` looks at the machine") from error

    def _tried(self) -> list[Unenforced]:
        """What the program found that was started to try the sandbox."""
        assert self._probe is not None and self._place is not None
        missing = [*self._probe.finish(), *self._place.missing()]
        self._probe.close()
        self._place.close()
        self._probe = self._place = None
        return missing

    def _without_ui(self) -> None:
        """Another job, without limits on windows and clipboard; what the plan says of that is lowered."""
        limits = step(self._plan, steps.Job)
        assert limits is not None and self._job is not None
        self._job.close()
        self._job = None
        self._job, _ = jobs.make(self._api, limits.replace(ui=0))
        lost = (Unenforced(facility=JOB_UI, reason="no program starts in a job with limits on windows and clipboard"),)
        report = lower(self._plan.guarantees, lost, self._plan.tier)
        if unmet(report):
            self._missing += lost
            self._refuse_beyond()
        self._plan = self._plan.replace(guarantees=report)

    def _refuse_beyond(self) -> None:
        """Nothing runs with less than the plan says."""
        names = beyond(self._plan.guarantees, tuple(self._missing), self._plan.tier)
        if names:
            told = "; ".join(dict.fromkeys(one.reason for one in self._missing))
            raise GuaranteeError(f"the plan promises {', '.join(names)}, and this machine does not do it: {told}",
                                 guarantees=names, hint="make the plan anew; `sidewall doctor` looks at the machine")

    def _lists(self, lists: Callable[[], AccessLists]) -> None:
        """The access lists, unless no check here looks at what they would say of the token."""
        wanted = any(isinstance(one, (steps.AclEdit, steps.Placeholder)) for one in self._plan.steps)
        if not wanted or any(one.facility == RESTRICTING for one in self._missing):
            return
        self._held = lists().placeholders
        self._undo.append(lists().apply(self._plan).release)

    def _private(self) -> None:
        from sidewall.platforms.windows import temporary

        wanted = step(self._plan, steps.PrivateTemp)
        if wanted is not None:
            path = self._temporary = temporary.make(self._api, wanted)
            self._undo.append(lambda: _removed(path))

    def _watch(self) -> None:
        """Last: what the cell itself made is not to be found."""
        wanted = tuple([one for one in self._plan.steps if isinstance(one, Watch)])
        if any(one.roots for one in wanted):
            from sidewall.platforms.windows.watch import Watcher

            self._watcher = Watcher(self._api, wanted, self._held)

    def undo(self) -> None:
        """Gives back what was made, the last first."""
        if self._watcher is not None:
            self._watcher.close()
        for tried in (self._probe, self._place):
            if tried is not None:
                tried.close()
        for handle in (self._job, self._token):
            if handle is not None:
                handle.close()
        undo_all(self._undo)


def _closed(made: Surroundings) -> tuple[Held, ...]:
    made.close()
    return ()


def _removed(path: str) -> tuple[Held, ...]:
    from sidewall.platforms.windows import temporary

    left = temporary.remove(path)
    return (Held(action="left", path=path, reason=left),) if left else ()


__all__ = ["WindowsBackend", "step"]
