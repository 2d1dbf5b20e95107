"""Copies of Python that go: old ones that nobody uses, unfinished ones, and on uninstall all of them.

Knows: that the interpreter goes first, which fails while it runs or is held, so that what is used stays whole.
Must not know: what is in a copy, or when one is good (``runtime``).
"""

from __future__ import annotations

from sidewall.platforms.windows import orphans, private_file, runner_parent, runtime, runtime_files
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.machine import Caller, Machine

KEPT_SECONDS = 7 * 86_400
"""For which a version that is not used stays: two installations of Sidewall do not remove each other's."""
UNFINISHED_SECONDS = 3600
DENIED, SHARED = 5, 32


def clean(machine: Machine, caller: Caller) -> tuple[str, ...]:
    """Removes versions that nobody uses: unfinished ones, and those that were not used for long; their directories."""
    api, gone = machine.api, []
    for directory in versions(api, caller.home):
        try:
            unfinished = runtime.manifest(api, directory) is None
            touched = runtime.age(api, directory if unfinished else f"{directory}\\{runtime.MANIFEST}")
            if machine.clock() - touched > (UNFINISHED_SECONDS if unfinished else KEPT_SECONDS):
                remove(api, directory)
                gone.append(directory)
        except ApiError:
            continue  # it is used, or another process removes it at this moment
    return tuple(gone)


def versions(api: Api, home: str) -> tuple[str, ...]:
    """The directories of all versions, finished or not.  Raises Win32Error."""
    return tuple([f"{home}{runtime.PLACE}\\{name}" for name in private_file.names(api, home + runtime.PLACE) or ()])


def remove(api: Api, directory: str) -> None:
    """Removes a version, its interpreter first: while it runs or is held that fails, and all of it stays."""
    private_file.remove(api, f"{directory}\\{runtime_files.PROGRAM}")
    for name in private_file.names(api, directory) or ():
        private_file.remove(api, f"{directory}\\{name}")
    api.kernel32.RemoveDirectoryW(directory)


def uninstall(api: Api, home: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Removes every version: what went, and what could not and why, one line each.  Raises nothing of ours."""
    with runner_parent.Kept(api, home) as kept:
        ended = orphans.end(api, home + runtime.PLACE, kept)
    done, left = [f"ended process {number}, which no sandbox had any more" for number in ended], []
    try:
        found = versions(api, home)
    except ApiError as error:
        return (), (f"{home}{runtime.PLACE}: {error}",)
    for directory in found:
        try:
            remove(api, directory)
            done.append(f"removed {directory}")
        except ApiError as error:
            why = "a sandbox runs from it" if error.code in (DENIED, SHARED) else str(error)
            left.append(f"{directory}: {why}")
    try:
        api.kernel32.RemoveDirectoryW(home + runtime.PLACE)
        done.append(f"removed {home}{runtime.PLACE}")
    except ApiError as error:
        if error.code not in private_file.NOT_THERE and not left:
            left.append(f"{home}{runtime.PLACE}: {error}")
    return tuple(done), tuple(left)


__all__ = ["clean", "remove", "uninstall", "versions"]
