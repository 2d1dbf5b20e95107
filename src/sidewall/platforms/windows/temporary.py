"""The private temporary directory of a cell: made with the plan's access list, removed with all that is in it.

Knows: how a tree is removed on Windows while a virus scanner still holds a file of it.  Must not know: policies.

The name says which process made it, so that what a crashed one left is known as nobody's.  It goes when the next cell
is closed, where no command waits for it.
"""

from __future__ import annotations

import os
import time

from sidewall.nt.mask import SYNCHRONIZE
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import trees
from sidewall.platforms.windows.constants_process import PROCESS_QUERY_LIMITED_INFORMATION, WAIT_OBJECT_0
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.windows_steps import PrivateTemp
    from sidewall.platforms.windows.api import Api

PREFIX = "sidewall-cell-"
PATIENCE, PAUSE = 2.0, 0.05
"""Seconds for which removing is tried again, and between two tries."""
_INVALID_PARAMETER = 87
"""What OpenProcess says when there is none of this number."""


def make(api: Api, step: PrivateTemp) -> str:
    """A new directory with the step's access list from its first moment; its path.  Raises Win32Error."""
    pid = os.getpid()
    path = f"{step.parent}\\{PREFIX}{pid}-{_birth(api, pid):x}-{os.urandom(6).hex()}"
    api.kernel32.CreateDirectoryW(path, security=parse(step.sddl).to_bytes())
    return path


def remove(api: Api, path: str, *, patience: float = PATIENCE) -> str:
    """Removes it with all that is in it, and follows no link; '' or why something is left, for people."""
    deadline = time.monotonic() + patience
    while True:
        failures = trees.remove(api, path)
        if not failures:
            return ""
        if time.monotonic() > deadline or not any(failure.passing for failure in failures):
            return failures[0].why
        time.sleep(PAUSE)


def recover(api: Api, parent: str, *, patience: float = PATIENCE) -> tuple[str, ...]:
    """Removes what processes left in ``parent`` that are no more; what was removed, one line each."""
    done = []
    for path in abandoned(api, parent):
        left = remove(api, path, patience=patience)
        done.append(f"removed {path}" if not left else f"could not remove all of {path}: {left}")
    return tuple(done)


def abandoned(api: Api, parent: str) -> tuple[str, ...]:
    """Private directories in ``parent`` whose processes are no more."""
    try:
        names = [name for name in os.listdir(parent) if name.startswith(PREFIX)]
    except OSError:
        return ()
    found = []
    for name in names:
        pid, _, rest = name[len(PREFIX):].partition("-")
        if pid.isdigit() and not _alive(api, int(pid), rest.partition("-")[0]):
            found.append(f"{parent}\\{name}")
    return tuple(found)


def _birth(api: Api, pid: int) -> int:
    with api.kernel32.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, pid) as process:
        return api.kernel32.GetProcessTimes(process)[0]


def _alive(api: Api, pid: int, birth: str) -> bool:
    """Whether the process that the name speaks of runs.

    Numbers of processes are used again, and one that has ended stays to be seen while somebody has it open.
    """
    try:
        with api.kernel32.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, pid) as process:
            same = f"{api.kernel32.GetProcessTimes(process)[0]:x}" == birth
            return same and api.kernel32.WaitForSingleObject(process, 0) != WAIT_OBJECT_0
    except ApiError as error:
        return error.code != _INVALID_PARAMETER


__all__ = ["PREFIX", "abandoned", "make", "recover", "remove"]
