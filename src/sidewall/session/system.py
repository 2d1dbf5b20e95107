"""The calls of the operating system that the session needs and that not every one has under these names.

Knows: which are missing where.  Must not know: what they are used for.
On Windows, where no backend lends descriptors to poll, each of them says so when it is used.
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if sys.platform == "win32":
    POLLIN = POLLOUT = 0

    def poll() -> Any:
        """Raises MachineError."""
        raise MachineError("descriptors cannot be polled on Windows", hint="use Linux in this release")

    def set_blocking(fd: int, blocking: bool) -> None:
        """Raises MachineError."""
        poll()

    def user() -> tuple[int, tuple[int, ...]] | None:
        """None: permission bits mean nothing here."""
        return None

    def environment() -> dict[bytes, bytes]:
        """The process's variables, in UTF-8."""
        return {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
else:
    from os import set_blocking as set_blocking
    from select import POLLIN as POLLIN
    from select import POLLOUT as POLLOUT
    from select import poll as poll

    def user() -> tuple[int, tuple[int, ...]] | None:
        """The effective user, and the effective and supplementary groups."""
        return os.geteuid(), (os.getegid(), *os.getgroups())

    def environment() -> dict[bytes, bytes]:
        """The process's variables as they are."""
        return dict(os.environb)
