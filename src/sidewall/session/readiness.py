"""Waiting for pipes on Windows, where descriptors cannot be polled: the few methods of ``select.poll`` that are used.

Knows: anonymous pipes (PeekNamedPipe, SetNamedPipeHandleState) by way of CPython's ``_winapi``, the half of
``subprocess`` that is written in C.  Must not know: what flows through a pipe.  Windows only.

Windows signals the end of an overlapped read and not that one would succeed, and anonymous pipes have no overlapped
reads.  So a pipe is asked again and again, at a pace that slows down from half a millisecond to eight.  Whoever writes
gets a turn every other millisecond and writes what the pipe takes.
"""

from __future__ import annotations

import os
import sys
import time

assert sys.platform == "win32"

import _winapi  # noqa: E402
import msvcrt  # noqa: E402

POLLIN, POLLOUT = 1, 4
SHORTEST, LONGEST, TURN = 0.0005, 0.008, 0.002
"""Seconds: between two looks at first, at last, and between two turns of a writer."""
ROOM = 1 << 16
"""Bytes that a pipe of ours takes before its writer has to wait."""
_NOWAIT = 1  # PIPE_NOWAIT
_SIZES = (ROOM, 4096, 512, 1)


class Poller:
    """What ``poll`` gives: ``register`` and ``unregister`` descriptors, then ``poll``."""

    def __init__(self) -> None:
        self._wanted: dict[int, int] = {}
        self._turns: dict[int, float] = {}

    def register(self, fd: int, events: int) -> None:
        """From now on ``fd`` is waited for; POLLIN, POLLOUT or both."""
        self._wanted[fd] = events

    def unregister(self, fd: int) -> None:
        """No longer.  Raises KeyError when it was not."""
        del self._wanted[fd]

    def poll(self, milliseconds: float | None = None) -> list[tuple[int, int]]:
        """(descriptor, event) for each that is ready: data or the end to read, a turn to write.  Empty: the time (None:
        for ever) is over."""
        until = None if milliseconds is None else time.monotonic() + milliseconds / 1000
        pause = SHORTEST
        while True:
            now = time.monotonic()
            ready = [(fd, POLLIN) for fd, events in self._wanted.items() if events & POLLIN and readable(fd)]
            for fd, events in self._wanted.items():
                if events & POLLOUT and now >= self._turns.get(fd, 0.0):
                    self._turns[fd] = now + TURN
                    ready.append((fd, POLLOUT))
            if ready or (until is not None and now >= until):
                return ready
            time.sleep(pause if until is None else max(0.0, min(pause, until - now)))
            pause = min(2 * pause, LONGEST)


def readable(fd: int) -> bool:
    """Whether a read returns at once: with data, with the end, or with an error.  What is no pipe never waits."""
    try:
        return bool(_winapi.PeekNamedPipe(msvcrt.get_osfhandle(fd), 0)[0])
    except OSError:
        return True


def pipe() -> tuple[int, int]:
    """A reading and a writing descriptor, in binary mode, that no process inherits."""
    reading, writing = _winapi.CreatePipe(None, ROOM)
    flags = os.O_BINARY | os.O_NOINHERIT
    return msvcrt.open_osfhandle(reading, os.O_RDONLY | flags), msvcrt.open_osfhandle(writing, os.O_WRONLY | flags)


def input_pipe() -> tuple[int, int]:
    """The same for a command's standard input: its end gives it no hold on who writes."""
    from sidewall.platforms.windows import input_pipe
    from sidewall.platforms.windows.api import native

    return input_pipe.pair(native())


def write_without_waiting(fd: int) -> None:
    """Makes ``write`` possible on the writing end of a pipe.  What is no pipe stays as it is."""
    try:
        _winapi.SetNamedPipeHandleState(msvcrt.get_osfhandle(fd), _NOWAIT, None, None)
    except OSError:
        return


def write(fd: int, data: bytes | bytearray | memoryview) -> int:
    """Writes what the pipe takes now; how much that was.

    A pipe that does not wait takes a piece whole or not at all.  Raises BlockingIOError when it takes nothing, OSError
    when nobody reads it.
    """
    handle = msvcrt.get_osfhandle(fd)
    for size in _SIZES:
        # os.write makes one error of a full pipe and of one that nobody reads.
        written, _pending = _winapi.WriteFile(handle, bytes(data[:size]))
        if written or not len(data):
            return written
    raise BlockingIOError(11, "the pipe is full")
