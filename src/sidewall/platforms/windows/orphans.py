"""What was logged on and no owner has any more, found by what it is and ended: it never came into its owner's job.

Knows: a private copy of Python, processes and who started them.  Must not know: accounts, cells, notes of either;
``kept`` says which processes are still somebody's though their starter is gone (``runner_parent.Kept``).

Who is logged on is started suspended, closed to its account, and put into its owners' job, which ends it with them.
An owner that is killed between the first and the last of these leaves a process that has not run an instruction.
Nobody has to have noted it: a program of the copy whose starter is gone, and that is nobody's, is one.  Until it is
closed only its own account may open it, from then on only the owner's user: so both look, the user before the account
is logged on and what was logged on when it has started.  Numbers are used again: everything is asked of one handle,
and a starter that is younger than what it is said to have started is another process.
"""

from __future__ import annotations

import os

from sidewall.platforms.windows.constants_process import (
    PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_TERMINATE,
    STILL_ACTIVE,
)
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

PLACE = r"\AppData\Local\sidewall\runtime"
"""Where the copies of a user lie, below the profile."""
NOBODY = 87
"""ERROR_INVALID_PARAMETER: no process has this number."""
KILLED = 1
SECONDS = 5.0
SYNCHRONIZE = 0x100000


def end(api: Api, place: str, kept: Callable[[Handle], bool]) -> tuple[int, ...]:
    """Ends those whose program lies below ``place`` and that this process may end; their numbers.

    Raises nothing of ours: what cannot be looked at is not one that could be ended from here.
    """
    rights = PROCESS_TERMINATE | SYNCHRONIZE
    return tuple([number for number in _numbers(api) if _each(api, number, place, kept, rights)])


def find(api: Api, place: str, kept: Callable[[Handle], bool]) -> tuple[int, ...]:
    """The numbers of those that this process may see.  Raises nothing of ours."""
    return tuple([number for number in _numbers(api) if _each(api, number, place, kept, 0)])


def own_place(api: Api) -> str:
    """Where this process's program lies, if it is that of a copy; else ''.  Raises Win32Error."""
    image = api.kernel32.QueryFullProcessImageNameW(api.kernel32.GetCurrentProcess())
    at = image.lower().find(PLACE.lower() + "\\")
    return image[:at + len(PLACE)] if at >= 0 else ""


def _numbers(api: Api) -> tuple[int, ...]:
    try:
        found = api.kernel32.EnumProcesses()
    except ApiError:
        return ()
    return tuple([number for number in found if number and number != os.getpid()])


def _each(api: Api, number: int, place: str, kept: Callable[[Handle], bool], rights: int) -> bool:
    """Whether it is one; with rights to end it, whether it was one and has been ended."""
    kernel = api.kernel32
    try:
        with kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | rights, number) as process:
            image = kernel.QueryFullProcessImageNameW(process)
            if not image.lower().startswith(place.lower() + "\\") or not _left_alone(api, process) or kept(process):
                return False
            if rights:
                kernel.TerminateProcess(process, KILLED)
                kernel.WaitForSingleObject(process, int(SECONDS * 1000))
            return True
    except ApiError:
        return False


def _left_alone(api: Api, process: Handle) -> bool:
    """Whether who started it is gone.  Who may not be asked is there.  Raises Win32Error."""
    kernel = api.kernel32
    if kernel.GetExitCodeProcess(process) != STILL_ACTIVE:
        return False  # it has ended, and somebody has it open
    starter, born = api.ntdll.ParentProcessId(process), kernel.GetProcessTimes(process)[0]
    if not starter:
        return False
    try:
        with kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, starter) as found:
            return kernel.GetExitCodeProcess(found) != STILL_ACTIVE or kernel.GetProcessTimes(found)[0] > born
    except ApiError as error:
        return error.code == NOBODY


__all__ = ["PLACE", "end", "find", "own_place"]
