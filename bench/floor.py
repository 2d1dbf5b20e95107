"""Floors: what each design costs before it confines anything.

Knows: how to start a command from a process that is there already.  Must not know: Sidewall.

A command of an open session is started by a resident process, since its namespaces and filters are that one's: the
caller asks and is told.  What such a pair of messages costs is no measure of the sandbox, so it is measured by itself.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_RESIDENT = """
import os, socket, sys
asked = socket.socket(fileno=int(sys.argv[1]))
while words := asked.recv(4096).split(b"\\0"):
    if not words[0]:
        break
    pid = os.posix_spawnp(words[0], words, os.environ)
    asked.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class Resident:
    """A process without any confinement that starts commands and says how they ended; ``cwd`` is theirs."""

    def __init__(self, cwd: str) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, "-I", "-S", "-c", _RESIDENT, str(theirs.fileno())]
            self._process = subprocess.Popen(words, cwd=cwd, pass_fds=[theirs.fileno()])

    def run(self, argv: Sequence[str]) -> None:
        """One command.  Raises CalledProcessError."""
        self._ours.send(b"\0".join(map(os.fsencode, argv)))
        code = int(self._ours.recv(16))
        if code:
            raise subprocess.CalledProcessError(code, list(argv))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._ours.close()
        self._process.wait(10)
