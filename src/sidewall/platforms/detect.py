"""Chooses the backend for the running operating system.

Knows: the names of platforms.  Must not know: anything else about them.
"""

from __future__ import annotations

import sys

from sidewall.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.contract import Backend

def prepare(*, fork: bool = False) -> None:
    """Starts one spare cell process as early as possible, before anything heavier is imported.

    ``fork`` is for the command line only: a process that is small, has no threads and has just begun.
    """
    if sys.platform.startswith("linux"):
        from sidewall.platforms.linux import spare

        spare.prepare(fork=fork)


_chosen: list[Backend] = []


def backend() -> Backend:
    """The one backend of this process.  Raises MachineError on a platform without one."""
    if not _chosen:
        _chosen.append(_make())
    return _chosen[0]


def _make() -> Backend:
    if sys.platform == "win32":
        from sidewall.platforms.windows.backend import WindowsBackend

        return WindowsBackend()
    if not sys.platform.startswith("linux"):
        raise MachineError(f"no sandbox for the platform {sys.platform!r} in this release",
                           hint="use Linux or Windows")
    from sidewall.platforms.linux.backend import LinuxBackend

    return LinuxBackend()
