"""Where a program that tries the sandbox must not be able to write, and whether it did.

Knows: a directory that a plan grants to nobody inside.  Must not know: the program (``probe``).
"""

from __future__ import annotations

import os

from sidewall.plan.windows_steps import PrivateTemp
from sidewall.plan.windows_unenforced import FILES, Unenforced
from sidewall.platforms.windows import temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api

WRITTEN = "written"


class Place:
    """A directory granted to ``whom``, not to what a sandbox is granted; a name in it that must not come to be."""

    def __init__(self, api: Api, parent: str, owner: Sid, whom: Sid) -> None:
        """Makes it.  ``parent`` is a directory of the user, ``owner``.  Raises Win32Error."""
        # Whatever the user's own temporary directory grants to others.
        also = f"(A;OICI;FA;;;{whom})" if whom != owner else ""
        dacl = f"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{owner}){also}"
        self._api = api
        self.directory = temporary.make(api, PrivateTemp(parent=parent, sddl=dacl))
        self.target = f"{self.directory}\\{WRITTEN}"

    def missing(self) -> tuple[Unenforced, ...]:
        """What does not hold, once the program has ended."""
        if not os.path.isdir(self.directory) or os.path.exists(f"{self.directory}\\{WRITTEN}"):
            return (Unenforced(facility=FILES, reason="a program wrote where nothing is granted to it"),)
        return ()

    def close(self) -> str:
        """Removes it; '' or why something is left, for people.  Idempotent."""
        return temporary.remove(self._api, self.directory)


__all__ = ["Place"]
