"""What opening a cell has in common in all tiers of Windows: what was made so far, and how all of it is given back.

Knows: access lists, the private directory, what is looked for after commands; that nothing runs with less than the plan
says.  Must not know: how a token or a runner is made.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, MachineError
from sidewall.plan import windows_steps as steps
from sidewall.plan.steps import Watch
from sidewall.plan.windows_unenforced import RESTRICTING, Unenforced, beyond
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import tokens
from sidewall.platforms.windows.opened import undo_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from sidewall.nt.sid import Sid
    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.lease import AccessLists
    from sidewall.platforms.windows.probe_place import Place
    from sidewall.platforms.windows.watch import Watcher

    S = TypeVar("S")


def step(plan: Plan, kind: type[S]) -> S | None:
    """The plan's step of this kind, None when it has none."""
    return next((one for one in plan.steps if isinstance(one, kind)), None)


class Opening:
    """What was made for a cell that is being opened; ``undo`` gives all of it back."""

    def __init__(self, api: Api, plan: Plan) -> None:
        self._api = api
        self._plan = plan
        self._undo: list[Callable[[], tuple[Held, ...]]] = []
        self._job: Handle | None = None
        self._place: Place | None = None
        self._missing: list[Unenforced] = []
        self._temporary = ""
        self._watcher: Watcher | None = None
        self._held: Callable[[], frozenset[str]] = frozenset

    def _try_in(self, owner: Sid, whom: Sid) -> str:
        """A name that nothing in the sandbox may make; ``whom`` may, as far as that is the account's or user's own."""
        from sidewall.platforms.windows import probe_place

        wanted = step(self._plan, steps.PrivateTemp)
        if wanted is None:
            raise MachineError("a plan for a token names no place for a private directory", hint="make the plan anew")
        self._place = probe_place.Place(self._api, wanted.parent, owner, whom)
        return self._place.target

    def _tried_in(self) -> tuple[Unenforced, ...]:
        """What does not hold, once the program has ended that tried to make it."""
        assert self._place is not None
        missing = self._place.missing()
        place, self._place = self._place, None
        if place.close():
            # Tried again when the cell ends, and said if it is still there.
            self._undo.append(lambda: tuple([Held(action="left", path=place.directory, reason=why)
                                             for why in (place.close(),) if why]))
        return missing

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
        from sidewall.platforms.windows import ownership_notes

        with tokens.own(self._api) as token:
            home = self._api.userenv.GetUserProfileDirectoryW(token)
        # The journal undoes the lists of crashed cells next.
        ownership_notes.recovered(self._api, home)
        self._held = lists().placeholders
        self._undo.append(lists().apply(self._plan).release)

    def _private(self) -> None:
        from sidewall.platforms.windows import temporary

        wanted = step(self._plan, steps.PrivateTemp)
        if wanted is not None:
            path = self._temporary = temporary.make(self._api, wanted)
            self._undo.append(lambda: _removed(self._api, path, wanted.parent))

    def _watch(self) -> None:
        """Last: what the cell itself made is not to be found."""
        wanted = tuple([one for one in self._plan.steps if isinstance(one, Watch)])
        if any(one.roots for one in wanted):
            from sidewall.platforms.windows.watch import Watcher

            self._watcher = Watcher(self._api, wanted, self._held)

    def undo(self) -> None:
        """Gives back what was made, the last first, whatever happens to one of them.  Raises MachineError, after all
        of it."""
        if self._watcher is not None:
            self._watcher.close()
        if self._place is not None:
            self._place.close()
        try:
            self._undo_own()
        finally:
            try:
                if self._job is not None:
                    self._job.close()
            finally:
                undo_all(self._undo)

    def _undo_own(self) -> None:
        """What a tier has of its own."""


def _removed(api: Api, path: str, parent: str) -> tuple[Held, ...]:
    from sidewall.platforms.windows import temporary

    left = temporary.remove(api, path)
    # What a crashed process left: one try, since the next cell has another.
    temporary.recover(api, parent, patience=0)
    return (Held(action="left", path=path, reason=left),) if left else ()


__all__ = ["Opening", "step"]
