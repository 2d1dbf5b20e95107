"""A command's three standard streams on the host's side: pipes, what is read from them, and for how long.

Knows: descriptors, polling, limits on output.  Must not know: cells, policies, text.
Output over its limit is read and dropped, so that a command never blocks on a reader that has enough.  A call returns
when its direct child has ended and what that had written is read; a grandchild that holds the pipe gets ``DRAIN``
seconds to close it.
"""

from __future__ import annotations

import os
import time

from sidewall.session.system import POLLIN, POLLOUT, input_pipe, pipe, poll, set_blocking, write
from sidewall.session.terminal import read_or_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from sidewall.platforms.contract import Child

    Stream: TypeAlias = int | Any | None
    """None, PIPE, STDOUT, DEVNULL, a descriptor, or an object with ``fileno()``."""

PIPE, STDOUT, DEVNULL = -1, -2, -3
"""The numbers that ``subprocess`` gives these names."""

DRAIN = 0.5
CHUNK = 1 << 16


class Stdio:
    """Descriptors for one command, and our ends of the pipes among them (-1: no pipe).

    ``null`` is an open descriptor of the null device, lent.  Use: make, spawn with ``child``, ``spawned()``; on an
    error at any time ``close()``.
    """

    __slots__ = ("_theirs", "child", "stderr", "stdin", "stdout")

    def __init__(self, stdin: Stream, stdout: Stream, stderr: Stream, null: int) -> None:
        self.stdin = self.stdout = self.stderr = -1
        self._theirs: list[int] = []
        try:
            if stdin == PIPE:
                first, self.stdin = input_pipe()
                self._theirs.append(first)
            else:
                first = null if stdin is None else descriptor(stdin, null)
            if stdout == PIPE:
                self.stdout, second = pipe()
                self._theirs.append(second)
            else:
                second = inherited(1, null) if stdout is None else descriptor(stdout, null)
            if stderr == PIPE:
                self.stderr, third = pipe()
                self._theirs.append(third)
            elif stderr == STDOUT:
                third = second
            else:
                third = inherited(2, null) if stderr is None else descriptor(stderr, null)
        except BaseException:
            self.close()
            raise
        self.child = (first, second, third)

    def spawned(self) -> None:
        """Closes the command's ends, which it has by now."""
        for fd in self._theirs:
            os.close(fd)
        self._theirs = []

    def forget(self, fd: int) -> None:
        """Gives one of our ends away: it is not closed here any more."""
        if fd == self.stdout:
            self.stdout = -1
        elif fd == self.stderr:
            self.stderr = -1

    def close(self) -> None:
        """Closes everything that was opened here and is still ours."""
        self.spawned()
        for fd in (self.stdin, self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)
        self.stdin = self.stdout = self.stderr = -1


def descriptor(stream: Stream, null: int) -> int:
    """The descriptor that a stream argument means.

    Raises:
        ValueError: a negative number that means nothing here.
        TypeError: an object without ``fileno()``.
    """
    if isinstance(stream, int):
        if stream >= 0:
            return stream
        if stream == DEVNULL:
            return null
        raise ValueError(f"{stream} is no stream")
    fileno = getattr(stream, "fileno", None)
    if fileno is None:
        raise TypeError(f"{type(stream).__name__} is no stream: it has no fileno()")
    return int(fileno())


def inherited(fd: int, null: int) -> int:
    """``fd``, or the null device where the caller has it closed."""
    try:
        os.get_inheritable(fd)
    except OSError:
        return null
    return fd


class Sink:
    """Bytes from one pipe, up to ``limit`` (0: no limit); the rest is dropped and ``truncated`` set."""

    __slots__ = ("_chunks", "_room", "ended", "fd", "truncated")

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.truncated = False
        self.ended = False
        self._chunks: list[bytes] = []
        self._room = limit if limit > 0 else 1 << 62

    def read(self) -> bool:
        """Reads once, when the descriptor is ready.  False: the pipe's end."""
        data = read_or_end(self.fd, CHUNK)
        if not data:
            self.ended = True
            return False
        self.add(data)
        return True

    def add(self, data: bytes) -> None:
        """Keeps what there is room for."""
        if len(data) <= self._room:
            self._chunks.append(data)
            self._room -= len(data)
        else:
            if self._room:
                self._chunks.append(data[:self._room])
                self._room = 0
            self.truncated = True

    def value(self) -> bytes:
        """All that was kept."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""


class Feed:
    """Bytes for a command's standard input; the descriptor is ours to close when they are written or not wanted."""

    __slots__ = ("_rest", "fd")

    def __init__(self, fd: int, data: bytes | memoryview) -> None:
        self.fd = fd
        self._rest = memoryview(data).cast("B")
        set_blocking(fd, False)

    def write(self) -> bool:
        """Writes what the pipe takes now.  False: no more to do, the descriptor is closed."""
        try:
            while self._rest:
                self._rest = self._rest[write(self.fd, self._rest):]
        except BlockingIOError:
            return True
        except OSError:
            # Nobody reads any more, for which Windows has two errors.
            pass
        self.close()
        return False

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def pump(child: Child, sinks: list[Sink], feed: Feed | None, deadline: float | None) -> bool:
    """Moves bytes until the child has ended and its output is read.  False: ``deadline`` (monotonic) came first.

    A sink whose pipe has ended leaves ``sinks``; one that is still held by a grandchild stays in it.
    """
    poller = poll()
    status = child.status_fd
    poller.register(status, POLLIN)
    open_sinks = {sink.fd: sink for sink in sinks}
    for fd in open_sinks:
        poller.register(fd, POLLIN)
    if feed is not None and feed.fd >= 0:
        poller.register(feed.fd, POLLOUT)
    ended = False
    while not ended or open_sinks:
        wait = None
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                return ended
            wait = left * 1000 + 1
        for fd, _event in poller.poll(wait):
            if fd == status:
                ended = True
                poller.unregister(status)
                deadline = time.monotonic() + DRAIN
            elif fd in open_sinks:
                if not open_sinks[fd].read():
                    poller.unregister(fd)
                    sinks.remove(open_sinks.pop(fd))
            elif feed is not None and not feed.write():
                poller.unregister(fd)
    return True
