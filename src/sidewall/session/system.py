"""The calls of the operating system that the session needs and that not every one has under these names.

Knows: which are missing where.  Must not know: what they are used for.  On Windows ``readiness`` stands in for them.
"""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    from sidewall.session.readiness import POLLIN as POLLIN
    from sidewall.session.readiness import POLLOUT as POLLOUT
    from sidewall.session.readiness import Poller, write_without_waiting
    from sidewall.session.readiness import input_pipe as input_pipe
    from sidewall.session.readiness import pipe as pipe
    from sidewall.session.readiness import write as write

    poll = Poller
    TEMPORARY = b"TEMP"
    """The variable that names the directory for temporary files."""

    def root() -> int:
        """None to be had: each drive has its own."""
        return -1

    def set_blocking(fd: int, blocking: bool) -> None:
        """Of a pipe's writing end; reading never waits here, since it follows a look."""
        if not blocking:
            write_without_waiting(fd)

    def user() -> tuple[int, tuple[int, ...]] | None:
        """None: permission bits mean nothing here."""
        return None

    def environment() -> dict[bytes, bytes]:
        """The process's variables, in UTF-8."""
        return {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
else:
    from os import pipe as pipe
    from os import set_blocking as set_blocking
    from os import write as write
    from select import POLLIN as POLLIN
    from select import POLLOUT as POLLOUT
    from select import poll as poll

    TEMPORARY = b"TMPDIR"
    input_pipe = pipe

    def root() -> int:
        """A descriptor of the root directory, for looking paths up."""
        return os.open("/", getattr(os, "O_PATH", 0) | os.O_CLOEXEC)

    def user() -> tuple[int, tuple[int, ...]] | None:
        """The effective user, and the effective and supplementary groups."""
        return os.geteuid(), (os.getegid(), *os.getgroups())

    def environment() -> dict[bytes, bytes]:
        """The process's variables as they are."""
        return dict(os.environb)
