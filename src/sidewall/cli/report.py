"""How one run is told: to the user on standard error, to the audit log, to the status file, as an exit code.

Knows: the shapes of these four.  Must not know: how the command was run.
"""

from __future__ import annotations

import os
import time

from sidewall.cli.failure import INTERRUPTED, NOT_EXECUTABLE, NOT_FOUND, TIMED_OUT, clean, say
from sidewall.errors import SidewallError
from sidewall.plan.guarantees import ENFORCED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sidewall.audit.events import Event
    from sidewall.cli.status import StatusFile
    from sidewall.plan.guarantees import Guarantee
    from sidewall.plan.steps import Plan
    from sidewall.platforms.contract import Held

MOST_NOTES = 20
"""A command can have thousands of things put back: they must not push everything else off the screen."""


def _warn(line: Guarantee) -> None:
    if line.level != ENFORCED:
        say("warning", f"{line.name} is {line.level}" + (f": {line.reason}" if line.reason else ""))


class Report:
    """Collects what is known of one run.  Raises UsageError when the status file cannot be written."""

    def __init__(self, workspace: str, status_path: str) -> None:
        self._session = os.urandom(8).hex()
        self._began = time.monotonic()
        self._plan: Plan | None = None
        self._audit = ""
        self._status: StatusFile | None = None
        if status_path:
            from sidewall.cli.status import StatusFile

            self._status = StatusFile(status_path, workspace)

    def planned(self, plan: Plan, *, warn: bool) -> None:
        """The plan is known; ``warn``: nothing was required, so the user hears what does not hold."""
        self._plan = plan
        for line in plan.guarantees if warn else ():
            _warn(line)

    def applied(self, plan: Plan) -> None:
        """The cell stands, by this plan: the user hears of each promise that was lowered while it was made."""
        before = {line.name: line.level for line in self._plan.guarantees} if self._plan is not None else {}
        self._plan = plan
        for line in plan.guarantees:
            if line.level != before.get(line.name, line.level):
                _warn(line)

    def started(self, argv: Sequence[str]) -> None:
        """The command is being started: the log says so before anything else can go wrong."""
        from sidewall.audit import events, jsonl

        plan = self._plan
        if plan is None or not jsonl.enabled(os.environ):
            return
        self._audit = jsonl.directory(os.environ)
        whole = os.environ.get("SIDEWALL_AUDIT_ARGV", "") not in ("", "0")
        self._log(events.session_open(self._session, plan), events.command(self._session, argv, arguments=whole))

    def _log(self, *what: Event) -> None:
        if not self._audit:
            return
        from sidewall.audit import jsonl

        try:
            jsonl.append(what, self._audit)
        except OSError as error:
            say("warning", f"cannot write the audit log in {self._audit}: {error.strerror}")
            self._audit = ""

    def held(self, acts: Sequence[Held]) -> None:
        """What the trusted side did to the workspace, as far as the user should know."""
        told = [act for act in acts if act.action not in QUIET]
        for act in told[:MOST_NOTES]:
            say("note", f"{act.action} {act.path}" + (f": {act.reason}" if act.reason else ""))
        if len(told) > MOST_NOTES:
            say("note", f"... and {len(told) - MOST_NOTES} more such things")

    def ended(self, returncode: int, *, seconds: float, timeout: float, denials: Sequence[Any], line: str,
              lost: str = "") -> int:
        """The command has ended; ``timeout`` is the time-out that killed it, 0 for none; ``line`` the denials in one
        line; ``lost`` why output could not be written.  The exit code: no success if output is gone."""
        from sidewall.audit import events

        if timeout:
            say("error", f"timed out after {timeout:g} s: the command and all it started were killed")
        if lost:
            say("error", f"the output could not be written: {lost}")
        if line:
            say("denied", line)
        told = [denial.to_dict() for denial in denials]
        self._log(events.command_exit(self._session, returncode=returncode, seconds=seconds,
                                      timed_out=bool(timeout), denials=told),
                  events.session_close(self._session))
        code = TIMED_OUT if timeout else returncode if returncode >= 0 else 128 - returncode
        code = code or int(bool(lost))
        self._write(code, returncode=returncode, timed_out=bool(timeout), denials=told)
        return code

    def not_started(self, argv: Sequence[str], error: OSError) -> int:
        """The program could not be started: 127 when there is none, else 126."""
        name = argv[0]
        missing = error.errno == 2
        if missing and "/" in name and os.path.exists(name):
            what, hint = f"{name}: cannot be started inside the sandbox", _present(name)
        elif missing:
            what, hint = f"{name}: command not found", ""
        else:
            what, hint = f"{name}: cannot be executed: {error.strerror}", ""
        say("error", what)
        if hint:
            say("hint", hint)
        from sidewall.audit import events

        self._log(events.session_close(self._session, error=what))
        code = NOT_FOUND if missing else NOT_EXECUTABLE
        self._write(code, error={"kind": type(error).__name__, "message": clean(what), "hint": hint})
        return code

    def failed(self, error: SidewallError) -> None:
        """The sandbox failed; the error itself is told at the door."""
        from sidewall.audit import events

        self._log(events.session_close(self._session, error=str(error)))
        self._write(error.exit_code, error={"kind": type(error).__name__, "message": str(error), "hint": error.hint})

    def interrupted(self) -> None:
        """The user had enough before the command ran."""
        self._write(INTERRUPTED, error={"kind": "KeyboardInterrupt", "message": "interrupted", "hint": ""})

    def _write(self, code: int, *, returncode: int = 0, timed_out: bool = False, denials: Sequence[Any] = (),
               error: dict[str, str] | None = None) -> None:
        if self._status is None:
            return
        from sidewall.audit.events import dumps
        from sidewall.cli.status import SCHEMA

        status, self._status = self._status, None
        plan = self._plan
        try:
            status.write(dumps({
                "schema": SCHEMA,
                "exit_code": code,
                "signal": -returncode if returncode < 0 else None,
                "timed_out": timed_out,
                "error": error,
                "session": self._session,
                "plan": plan.digest if plan else None,
                "tier": plan.tier if plan else None,
                "guarantees": {line.name: line.level for line in plan.guarantees} if plan else {},
                "denials": list(denials),
                "duration_seconds": round(time.monotonic() - self._began, 6),
            }))
        except SidewallError as failure:
            say("error", str(failure))
            say("hint", failure.hint)


QUIET = ("carried",)
"""Acts of the trusted side that are what the user wanted in the first place."""


def _present(name: str) -> str:
    return f"it exists outside: sidewall check {name} says whether the policy hides it, else its interpreter is missing"
