"""Job objects: one for the cell, which ends with its owner, and one in it for each command.

Knows: limits of jobs, what a job within a job cannot have, what is in one.  Must not know: which limits a policy asks
for, how a process is started.
Follows "Job Objects" and "Nested Jobs" of the Win32 reference.

The cell's job is killed when its last handle closes: our own end, whatever way it comes, is that.  A command's job has
no limits of its own: it is there so that one command's whole tree can be ended; what a command leaves running stays in
the cell's job when the command's is given back.
"""

from __future__ import annotations

import os
import time

from sidewall.plan.windows_unenforced import JOB_KILL, JOB_LIMITS, Unenforced
from sidewall.platforms.windows.constants_process import (
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_JOB_MEMORY,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    PROCESS_QUERY_LIMITED_INFORMATION,
)
from sidewall.platforms.windows.errors import Win32Error
from sidewall.platforms.windows.layouts_process import (
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.windows_steps import Job
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

KILLED = 1
"""The exit code of what is killed, as ``subprocess`` has it on Windows."""
PATIENCE, PAUSE = 10.0, 0.005
"""Seconds until killed processes are given up, and between two looks at them."""
CONSOLE_HOST = "conhost.exe"
NO_SUCH_PROCESS = 87


def make(api: Api, step: Job, *, name: str | None = None, security: bytes | None = None
         ) -> tuple[Handle, tuple[Unenforced, ...]]:
    """A new job, and what of the step it lacks when it is read back.  Raises Win32Error."""
    kernel = api.kernel32
    job = kernel.CreateJobObjectW(name=name, security=security)
    try:
        limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION()
        limits.BasicLimitInformation.LimitFlags = step.flags
        if step.flags & JOB_OBJECT_LIMIT_ACTIVE_PROCESS:
            limits.BasicLimitInformation.ActiveProcessLimit = step.processes
        if step.flags & JOB_OBJECT_LIMIT_JOB_MEMORY:
            limits.JobMemoryLimit = step.memory_bytes
        kernel.SetInformationJobObject(job, limits)
        missing = _limits_missing(api, job, step)
    except BaseException:
        job.close()
        raise
    return job, tuple(missing)


def _limits_missing(api: Api, job: Handle, step: Job) -> list[Unenforced]:
    got = api.kernel32.QueryInformationJobObject(job, JOBOBJECT_EXTENDED_LIMIT_INFORMATION)
    flags = got.BasicLimitInformation.LimitFlags
    missing = []
    if step.flags & ~flags & JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE:
        missing.append(Unenforced(facility=JOB_KILL, reason="the job forgets that it is to end with its owner"))
    lost = []
    if step.flags & JOB_OBJECT_LIMIT_ACTIVE_PROCESS:
        held = got.BasicLimitInformation.ActiveProcessLimit == step.processes
        lost += [] if held and flags & JOB_OBJECT_LIMIT_ACTIVE_PROCESS else ["processes"]
    if step.flags & JOB_OBJECT_LIMIT_JOB_MEMORY:
        # The kernel rounds to pages.
        held = step.memory_bytes - 65536 < got.JobMemoryLimit <= step.memory_bytes + 65536
        lost += [] if held and flags & JOB_OBJECT_LIMIT_JOB_MEMORY else ["memory"]
    if lost:
        missing.append(Unenforced(facility=JOB_LIMITS, reason=f"the job forgets its limit of {' and of '.join(lost)}"))
    return missing


def running(api: Api, job: Handle) -> int:
    """How many processes are in the job.  Raises Win32Error."""
    return int(api.kernel32.QueryInformationJobObject(job, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION).ActiveProcesses)


def console_hosts(api: Api, job: Handle, others: int) -> frozenset[int]:
    """The numbers of the processes in the job that run the system's program behind consoles; none when there are more
    than ``others`` besides.  It runs as whoever has the console, so it says nothing about what such a process does.

    Raises Win32Error.
    """
    kernel = api.kernel32
    program = os.path.join(kernel.GetSystemDirectoryW(), CONSOLE_HOST).lower()
    found = []
    for number in kernel.JobProcesses(job):
        try:
            with kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, number) as process:
                name = kernel.QueryFullProcessImageNameW(process)
        except Win32Error as error:
            if error.code == NO_SUCH_PROCESS:
                continue  # it has ended meanwhile
            name = ""
        if name.lower() == program:
            found.append(number)
        elif (others := others - 1) < 0:
            return frozenset()
    return frozenset(found)


def end(api: Api, job: Handle) -> bool:
    """Kills everything in the job and waits for its end; False when something is still there after ``PATIENCE``.

    Raises Win32Error.
    """
    api.kernel32.TerminateJobObject(job, KILLED)
    deadline = time.monotonic() + PATIENCE
    while running(api, job):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


__all__ = ["KILLED", "console_hosts", "end", "make", "running"]
