"""One program started as every command will be, before any command: does the file system refuse it what it should?

Knows: a line of cmd.exe that tries to write where the plan grants nothing.  Must not know: policies, which place that
is (``probe_place``): in the account tier a runner starts the program, and the owner looks what came of it.

The kernel's access check is asked elsewhere (``selftest``); here the whole way is tried, from CreateProcess to the file
system: the token that the process really has, the jobs it is in, the write that must not succeed.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError
from sidewall.plan.windows_unenforced import JOB_KILL, Unenforced
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import environment, jobs, process, tokens
from sidewall.platforms.windows.constants_process import WAIT_OBJECT_0
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.prototypes import STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.windows_steps import Environment, TokenRecipe
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started

MILLISECONDS = 20_000
VARIABLE = "SIDEWALL_PROBE"
FATAL = 0xC0000000
"""Exit codes from here on are the kernel's: the program did not come to its first line."""


class Probe:
    """A started probe.  ``finish`` waits for its end and gives what does not hold; ``close`` ends it."""

    def __init__(self, api: Api, token: Handle, recipe: TokenRecipe, job: Handle, desktop: str | None,
                 target: str, variables: Environment | None, system: str) -> None:
        """Starts it; it tries to write the file ``target``.

        Raises MachineError, and OSError when no program can be started with this token.
        """
        self._api = api
        self._missing: list[Unenforced] = []
        self._process: Started | None = None
        self._null = -1
        try:
            self._null = os.open(os.devnull, os.O_RDWR)
            shell = f"{system}\\{process.SHELL}"
            # A name of a user may have anything in it; what a variable holds is not read as a part of the line.
            line = process.Line(application=shell, line=f'{process.SHELL} /d /v:off /s /c "echo x> "%{VARIABLE}%""')
            composed = environment.compose({VARIABLE.encode(): target.encode("utf-8", "surrogatepass")}, variables, "")
            own = api.kernel32.CreateJobObjectW()
            with own:
                started = self._process = process.start(
                    api, token, line, composed, system, stdio=(self._null,) * 3, jobs=(job, own), desktop=desktop,
                    suspended=True)
                self._inspect(started, recipe, job, own)
            api.kernel32.ResumeThread(started.thread)
        except BaseException:
            self.close()
            raise

    def _inspect(self, started: Started, recipe: TokenRecipe, job: Handle, own: Handle) -> None:
        """Before its first instruction."""
        kernel = self._api.kernel32
        with self._api.advapi32.OpenProcessToken(started.process, constants.TOKEN_QUERY) as token:
            self._missing += tokens.verify(tokens.read(self._api, token), recipe)
        if not kernel.IsProcessInJob(started.process, job) or not kernel.IsProcessInJob(started.process, own):
            self._missing.append(Unenforced(facility=JOB_KILL, reason="a new process is not in the job that it was "
                                            "started in"))

    def finish(self) -> tuple[Unenforced, ...]:
        """What does not hold.  Raises MachineError when the program did not run."""
        kernel, started = self._api.kernel32, self._process
        assert started is not None
        if kernel.WaitForSingleObject(started.process, MILLISECONDS) != WAIT_OBJECT_0:
            raise MachineError(f"a program that was started to try the sandbox did not end in {MILLISECONDS // 1000} s",
                               hint="try again; a virus scanner may hold up every new program")
        code = kernel.GetExitCodeProcess(started.process)
        if code >= FATAL:
            told = failure("the start of a program in the sandbox", STATUS, code)
            hint = told.hint or "try --tier token; `sidewall doctor` looks at the machine"
            raise MachineError(told.message, hint=hint)
        return tuple(dict.fromkeys(self._missing))

    def close(self) -> None:
        """Ends it.  Idempotent."""
        started, self._process = self._process, None
        try:
            if (started is not None
                    and self._api.kernel32.WaitForSingleObject(started.process, 0) != WAIT_OBJECT_0):
                self._api.kernel32.TerminateProcess(started.process, jobs.KILLED)
                self._api.kernel32.WaitForSingleObject(started.process, MILLISECONDS)
        finally:
            # What could not be ended here ends with the cell's job.
            if started is not None:
                started.close()
            if self._null >= 0:
                os.close(self._null)
                self._null = -1


__all__ = ["Probe"]
