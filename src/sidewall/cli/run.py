"""``sidewall run`` and ``sidewall shell``: policy, plan, cell, command, end.

Knows: the order of these.  Must not know: how any of them works.

Every module that is imported here before the command starts is paid for by each run: the tests pin the list.  The
door has asked the backend for a spare init process before it imported this file, so both overlap.
"""

from __future__ import annotations

import os
import sys
import time

from sidewall import plan as planner
from sidewall.cli.choice import policy_for, seconds, workspace
from sidewall.cli.options import RUN, SHELL
from sidewall.cli.report import Report
from sidewall.cli.scan import HELP, environment, scan, together
from sidewall.errors import SidewallError, UsageError
from sidewall.policy.environ import filter_environ

if sys.platform == "win32":
    from sidewall.cli.control import Supervisor
    from sidewall.cli.handles import Streams
    from sidewall.session.command import windows_shell
else:
    from sidewall.cli.streams import Streams
    from sidewall.cli.supervise import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sidewall.plan.steps import Plan
    from sidewall.platforms.contract import Attempt, Backend, Cell
    from sidewall.policy.model import Policy

TAIL = 65536
"""Bytes of error output that are kept for explaining a failure."""


def main(backend: Backend, name: str, words: Sequence[str], wake: int) -> int:
    """Runs one command; the exit code.  ``wake`` is where signals are read.  Raises SidewallError when the sandbox
    failed."""
    table = SHELL if name == SHELL.name else RUN
    given, argv = scan(table.options, words)
    if HELP in given:
        from sidewall.cli.parser import help_text

        sys.stdout.write(help_text(name))
        return 0
    chosen = together(environment(table.options, os.environ, os.pathsep), given)
    run = Run(backend, workspace(), chosen, command(name, chosen, argv), wake)
    return run.main(tty=name == "shell" or "tty" in chosen)


def command(name: str, chosen: Mapping[str, Any], argv: list[str]) -> list[str]:
    """The argument vector that the words of the command line mean.  Raises UsageError."""
    line = chosen.get("command")
    if name == "shell":
        if argv:
            raise UsageError(f"shell takes no command: {argv[0]}", hint="sidewall run -- COMMAND runs one command")
        if sys.platform == "win32":
            return [windows_shell()]
        return [os.environ.get("SHELL") or "/bin/sh", "-i"]
    if line is not None:
        if sys.platform == "win32":
            if argv:
                raise UsageError(f"--command takes no arguments beside its line: {argv[0]}",
                                 hint="write them into the line")
            return [windows_shell(), "/d", "/c", line]
        return ["/bin/sh", "-c", line, "sh", *argv]
    if not argv:
        raise UsageError("no command given", hint="sidewall run [OPTIONS] -- COMMAND [ARGUMENTS]")
    if not argv[0]:
        raise UsageError("the command's name is empty", hint="sidewall run [OPTIONS] -- COMMAND [ARGUMENTS]")
    return argv


class Run:
    """One command in a cell of its own."""

    def __init__(self, backend: Backend, workspace: str, chosen: Mapping[str, Any], argv: list[str],
                 wake: int) -> None:
        self._backend = backend
        self._workspace = workspace
        self._chosen = chosen
        self._argv = argv
        self._wake = wake
        self._timeout = seconds(chosen["timeout"]) if "timeout" in chosen else 0.0
        self._report = Report(workspace, chosen.get("status_file", ""))

    def main(self, *, tty: bool) -> int:
        """The exit code.  Raises SidewallError when the sandbox failed; the status file says so then."""
        try:
            return self._run(tty)
        except SidewallError as error:
            self._report.failed(error)
            raise
        except KeyboardInterrupt:
            self._report.interrupted()
            raise

    def _run(self, tty: bool) -> int:
        policy = policy_for(self._chosen, self._workspace)
        tier = self._chosen.get("tier", "auto")
        plan = planner.compile(policy, self._backend.facts(policy, tier=tier), tier=tier)
        self._report.planned(plan, warn=self._chosen.get("require") == "none")
        limits = [bound for bound in (self._timeout, policy.limits.wall_seconds) if bound]
        self._timeout = min(limits, default=0.0)
        cell = self._backend.apply(plan)
        try:
            self._report.applied(cell.plan)
            streams = Streams(tty=tty, kept=TAIL)
            try:
                return self._command(cell, policy, streams)
            finally:
                streams.restore()
        finally:
            cell.close()

    def _command(self, cell: Cell, policy: Policy, streams: Streams) -> int:
        began = time.monotonic()
        size = streams.size
        waiting = Supervisor(streams, wake=self._wake, timeout=self._timeout)
        # From before the start: a signal that comes while the command starts is for the command.
        waiting.listen()
        try:
            child = cell.spawn(self._argv, cwd=None, env=variables(policy, cell), stdin=streams.stdin,
                               stdout=streams.stdout, stderr=streams.stderr, terminal=size, confirm=size is not None)
        except BaseException as error:
            waiting.leave()
            if not isinstance(error, OSError):
                raise
            self._report.started(self._argv)
            return self._report.not_started(self._argv, error)
        try:
            streams.attach(child)
            waiting.begin(child)
            self._report.started(self._argv)  # while the command starts: the log costs it no time
            try:
                end = waiting.wait()
            except OSError as error:
                return self._report.not_started(self._argv, error)
            attempts = cell.attempts()
            cell.close()
            waiting.drain()
        finally:
            waiting.leave()
            streams.restore()
        took = time.monotonic() - began
        self._report.held(getattr(cell, "last_held", ()))
        return self._report.ended(
            end.returncode, lost=waiting.lost(), seconds=took, timeout=self._timeout if waiting.timed_out else 0.0,
            **self._denials(cell.plan, end.returncode, streams.tail(), attempts))

    def _denials(self, plan: Plan, returncode: int, tail: bytes, attempts: Sequence[Attempt]) -> dict[str, Any]:
        if not returncode:
            return {"denials": (), "line": ""}
        from sidewall.plan.steps import LANDLOCK
        from sidewall.session import denials

        found = denials.explain(plan.policy, returncode, tail, attempts, self._workspace,
                                loopback=plan.tier != LANDLOCK)
        return {"denials": found, "line": denials.one_line(found)}


def variables(policy: Policy, cell: Cell) -> dict[bytes, bytes]:
    """What the policy lets through of our environment; the cell's own (its temporary directory) goes before that,
    what the policy sets before both."""
    passed = filter_environ(policy.environ, os.environ)
    chosen = {os.path.normcase(name) for name, _ in policy.environ.set}
    found = {os.fsencode(name): os.fsencode(value) for name, value in passed.items()}
    found.update({name: value for name, value in cell.environment.items()
                  if os.path.normcase(os.fsdecode(name)) not in chosen})
    return found
