"""Processes that attempts without a sandbox leave: known by a variable, told to stop by the scene, or else ended.

Knows: Linux: proc(5), pidfd_open(2).  Must not know: what an attempt is about.

A variable and not the command line tells them: a command line names the scene also when somebody only looks at it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from sidewall.errors import MachineError

assert sys.platform != "win32"  # type checkers stop here too

VARIABLE = "SIDEWALL_VERIFY"
"""What attempts without a sandbox find set to the name of their scene; what they start inherits it."""
_STOPS, _ENDS = 3.0, 3.0
_LOOKS = 2
"""What forks and exits all the time may be missed by one look, and not by the next."""


def marked(unique: str) -> list[int]:
    """Process numbers of this scene's attempts, of those that this user may see."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and _bears(int(name), unique):
            found.append(int(name))
    return found


def wait(unique: str, *, stops: float = _STOPS, ends: float = _ENDS) -> None:
    """Returns when none of a scene's processes is left.  They have been told to stop; after ``stops`` seconds each is
    killed.  Raises MachineError when one is there ``ends`` seconds later."""
    began = time.monotonic()
    clean = 0
    while clean < _LOOKS:
        left = marked(unique)
        clean = 0 if left else clean + 1
        late = time.monotonic() - began - stops
        if left and late >= ends:
            raise MachineError(f"processes of an attempt cannot be ended: {', '.join(map(str, left))}",
                               hint="end them by hand")
        if late >= 0:
            for process in left:
                _kill(process, unique)
        time.sleep(0.005)


def _bears(process: int, unique: str) -> bool:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            return f"{VARIABLE}={unique}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def _kill(process: int, unique: str) -> None:
    """Kills a process, and no other that has its number by now."""
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return
    try:
        if _bears(process, unique):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(descriptor)
