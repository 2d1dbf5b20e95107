"""A process with a session over SMB, which kills itself with SIGKILL before one of its calls.

Run as a program: port, the user's account, the journal's directory, a file with the plan, ``apply`` or ``release``, and
the number of the call.
Knows: the access lists' own code, nothing of it changed.  Must not know: what a test expects.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from tests.windows.samba.smb_store import Client, SmbStore

from sidewall.platforms.windows.acls import Lists
from sidewall.platforms.windows.journal import on_disk
from sidewall.platforms.windows.journal_records import Owner


class Processes:
    """``Owners`` by Linux's word."""

    def own(self) -> Owner:
        return Owner(pid=os.getpid(), created=self._created(os.getpid()))

    def alive(self, owner: Owner) -> bool:
        try:
            return self._created(owner.pid) == owner.created
        except OSError:
            return False

    def _created(self, pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] in "ZX":
            raise ProcessLookupError(pid)
        return int(fields[19])


def lists(client: Client, state: str, enter: object = None) -> Lists:
    """Access lists over SMB with a journal on this machine's disk."""
    return Lists(SmbStore(client, enter), on_disk(state), Processes())  # type: ignore[arg-type]


def main(port: str, user: str, state: str, plan: str, act: str, at: str) -> None:
    """See above."""
    left = [int(at) if act == "apply" else -1]

    def enter(_call: str, _path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    client = Client(int(port), user)
    applied = lists(client, state, enter).apply(pickle.loads(Path(plan).read_bytes()))
    if act == "release":
        left[0] = int(at)
    applied.release()
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
