"""What was found out about this machine and takes too long to find out each time: small files of the user's own.

Knows: where they lie, whether programs of the account tier start without Everyone as a restricting SID.  Must not know:
how anything is found out (``facts_open``, ``start_trial``).

What does not read counts as not known: then it is found out again.
"""

from __future__ import annotations

import time

from sidewall.errors import MachineError
from sidewall.platforms.windows import private_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api

NAME = "findings"
STARTS = "starts"
PLAIN, EVERYONE = "plain", "everyone"
"""A program starts without Everyone; it starts with Everyone only."""
LARGEST = 1 << 22
_HEAD = "sidewall-starts-1"


def directory(home: str) -> str:
    """Where findings of a user about his machine lie."""
    return rf"{home}\AppData\Local\sidewall\state\{NAME}"


def read(api: Api, home: str, name: str) -> bytes | None:
    """One of the files; None where there is none that can be read.  Raises nothing of ours."""
    try:
        return private_file.read(api, f"{directory(home)}\\{name}", largest=LARGEST)
    except MachineError:
        return None


def write(api: Api, home: str, name: str, data: bytes, user: Sid) -> None:
    """Puts one of the files there, whole or not at all.  Raises Win32Error."""
    where = directory(home)
    state = where.rpartition("\\")[0]
    for above in (state.rpartition("\\")[0], state):
        private_file.make_directory(api, above, user)
    private_file.write(api, where, name, data, user)


def forget(api: Api, home: str, name: str) -> None:
    """Takes one of the files away, so that it is found out again.  Raises Win32Error."""
    private_file.remove(api, f"{directory(home)}\\{name}")


def start_of(api: Api, home: str, build: int, group: Sid | None) -> str:
    """Whether programs start without Everyone, found out on this build for the accounts of this group; '' when nobody
    tried."""
    lines = (read(api, home, STARTS) or b"").decode("ascii", "replace").split("\n")
    fits = len(lines) == 5 and lines[:3] == [_HEAD, str(build), str(group)] and lines[3] in (PLAIN, EVERYONE)
    return lines[3] if fits else ""


def keep_start(api: Api, home: str, build: int, group: Sid, user: Sid, outcome: str) -> None:
    """Keeps it.  Raises Win32Error."""
    text = "\n".join([_HEAD, str(build), group, outcome, str(int(time.time()))])
    write(api, home, STARTS, text.encode("ascii"), user)


__all__ = ["EVERYONE", "NAME", "PLAIN", "STARTS", "directory", "forget", "keep_start", "read", "start_of", "write"]
