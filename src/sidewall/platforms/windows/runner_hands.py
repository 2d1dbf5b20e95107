"""What the runner does with its own hands: token, desktop and job once, then a process for each command.

Knows: which facility does what.  Must not know: what is said over the pipe (``runner_service``), policies, lists of
files.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_unenforced import RUNNER, Unenforced
from sidewall.platforms.windows import desktops, environment, jobs, process, selftest, tokens
from sidewall.platforms.windows.commands import Command
from sidewall.platforms.windows.conpty import Console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.environment import Variables
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.probe import Probe
    from sidewall.platforms.windows.runner_guard import Guard
    from sidewall.platforms.windows.runner_parts import Parts
    from sidewall.platforms.windows.runner_service import Order


class WindowsHands:
    """See ``runner_service.Hands``."""

    def __init__(self, api: Api, guard: Guard) -> None:
        self._api = api
        self._guard = guard
        self._system = api.kernel32.GetSystemDirectoryW()
        with tokens.own(api) as base:
            state = tokens.read(api, base)
            self._account = api.userenv.CreateEnvironmentBlock(base)
        self.user: str = state.user
        self.restricted = state.restricting is not None
        self._parts: Parts | None = None
        self._token: Handle | None = None
        self._job: Handle | None = None
        self._desktop: desktops.Surroundings | None = None
        self._probe: Probe | None = None
        self._temporary = ""
        self._composed: tuple[bytes, Variables] | None = None

    def prepare(self, parts: Parts) -> tuple[Unenforced, ...]:
        """See ``runner_service.Hands.prepare``."""
        if parts.recipe.user != self.user:
            raise MachineError(f"the runner runs as {self.user}, and the plan is for {parts.recipe.user}")
        self._parts = parts
        self._give_back()
        with tokens.own(self._api) as base:
            self._token = tokens.make(self._api, base, parts.recipe)
        missing = list(selftest.check_token(self._api, self._token, parts.recipe))
        if self._guard.redirectable:
            missing.append(Unenforced(facility=RUNNER, reason="commands can say what a drive letter stands for, and so "
                                                              "which files a runner of their account loads"))
        if self._guard.opened:
            missing.append(Unenforced(facility=RUNNER, reason="the runner's threads were open to its account's other "
                                                              "commands when it started"))
        if parts.desktop is not None:
            # Nobody uses this logon session but runners of this account, whose plans all say the same here.
            made = desktops.make(self._api, parts.desktop)
            if isinstance(made, Unenforced):
                missing.append(made)
            else:
                self._desktop = made
                missing += made.missing
        self._job, lost = jobs.make(self._api, parts.job)
        return (*missing, *lost)

    def probe(self, target: str) -> tuple[Unenforced, ...]:
        """See ``runner_service.Hands.probe``."""
        from sidewall.platforms.windows.probe import Probe

        parts, token, job = self._ready()
        with self._guard.lifted(parts.recipe.default_dacl):
            self._probe = Probe(self._api, token, parts.recipe, job, self._name(), target, parts.environment,
                                self._system)
        return ()

    def finish(self) -> tuple[Unenforced, ...]:
        """See ``runner_service.Hands.finish``."""
        probe, self._probe = self._probe, None
        if probe is None:
            raise MachineError("no program was started that could be waited for")
        try:
            return probe.finish()
        finally:
            probe.close()

    def private(self, path: str) -> None:
        """See ``runner_service.Hands.private``."""
        self._temporary = path

    def start(self, order: Order) -> Command:
        """See ``runner_service.Hands.start``."""
        kernel = self._api.kernel32
        given = order.stdio if order.stdio is not None else order.terminal[2:] if order.terminal is not None else ()
        handles = [kernel.Received(value, "an end that the owner gave") for value in given]
        console: Console | None = None
        own: Handle | None = None
        try:
            parts, token, job = self._ready()
            variables = self._variables(order.variables)
            line = process.line(order.argv, variables, order.directory, self._system)
            if order.terminal is not None:
                rows, columns, *_ = order.terminal
                console = Console(self._api, rows, columns, handles[0], handles[1])
            own = kernel.CreateJobObjectW()
            with self._guard.lifted(parts.recipe.default_dacl):
                started = process.start_with(
                    self._api, token, line, variables, order.directory, stdio=handles if console is None else (),
                    jobs=(job, own), desktop=self._name(), console=console.handle if console is not None else None)
        except BaseException:
            if own is not None:
                own.close()
            if console is not None:
                console.end()
            raise
        finally:
            for handle in handles:
                handle.close()
        started.thread.close()
        return Command(self._api, started, own, console)

    def give_back(self, empty: Sequence[str], places: Sequence[str], user: Sid) -> tuple[int, str]:
        """See ``runner_service.Hands.give_back``."""
        if self._job is not None and not jobs.end(self._api, self._job):
            return 1, "a process of the sandbox was killed and has not ended"
        from sidewall.platforms.windows import returning

        return returning.all_of(self._api, empty, places, user, Sid(self.user))

    def close(self) -> None:
        """Ends every command and gives back what was made.  Idempotent."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        self._give_back()

    def _ready(self) -> tuple[Parts, Handle, Handle]:
        if self._parts is None or self._token is None or self._job is None:
            raise MachineError("the runner was not told what to make")
        return self._parts, self._token, self._job

    def _name(self) -> str | None:
        return self._desktop.name if self._desktop is not None else None

    def _variables(self, raw: bytes) -> Variables:
        known = self._composed
        if known is None or known[0] is not raw:
            parts, _, _ = self._ready()
            made = environment.compose(environment.unpacked(raw), parts.environment, self._temporary, self._account)
            known = self._composed = (raw, made)
        return known[1]

    def _give_back(self) -> None:
        for each in (self._job, self._token, self._desktop):
            if each is not None:
                each.close()
        self._job = self._token = self._desktop = None


__all__ = ["WindowsHands"]
