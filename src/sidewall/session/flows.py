"""A command's streams on an event loop: descriptors into a ``StreamReader``, a writer into a descriptor.

Knows: an event loop's readiness callbacks.  Must not know: cells, policies, processes.
Follows: the documentation of ``asyncio.StreamReader`` and ``asyncio.StreamWriter``.
"""

from __future__ import annotations

import asyncio
import os

from sidewall.session.loops import readiness
from sidewall.session.streams import CHUNK, DRAIN, Feed, Sink
from sidewall.session.system import set_blocking, write
from sidewall.session.terminal import read_or_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sidewall.platforms.contract import Child

HIGH_WATER = 1 << 16


class Inflow:
    """Feeds ``reader`` from ``fd``, which it owns, as fast as it is read; the loop's part of a transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, reader: asyncio.StreamReader) -> None:
        self._loop = readiness(loop)
        self._reader = reader
        self.fd = fd
        set_blocking(fd, False)
        reader.set_transport(self)  # type: ignore[arg-type]  # it calls no more than these two methods
        self._loop.add_reader(fd, self._ready)

    def _ready(self) -> None:
        try:
            data = read_or_end(self.fd, CHUNK)
        except BlockingIOError:
            return
        if data:
            self._reader.feed_data(data)
        else:
            self.close()

    def pause_reading(self) -> None:
        if self.fd >= 0:
            self._loop.remove_reader(self.fd)

    def resume_reading(self) -> None:
        if self.fd >= 0:
            self._loop.add_reader(self.fd, self._ready)

    def detach(self) -> int:
        """Gives the descriptor back (-1: it was at its end) and ends the reader."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            self._loop.remove_reader(fd)
            self._reader.feed_eof()
        return fd

    def close(self) -> None:
        """Ends the reader and closes the descriptor.  Idempotent."""
        fd = self.detach()
        if fd >= 0:
            os.close(fd)


class Outflow:
    """A command's standard input, with the methods of ``asyncio.StreamWriter``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = loop
        self._ready_on = readiness(loop)
        self._fd = fd
        self._buffer = bytearray()
        self._error: OSError | None = None
        self._closing = False
        self._waiters: list[asyncio.Future[None]] = []
        set_blocking(fd, False)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends bytes as the command takes them; see ``drain``."""
        if self._closing:
            raise RuntimeError("the stream is closed")
        if self._error is None:
            idle = not self._buffer
            self._buffer += data
            if idle and self._buffer:
                self._ready()
                if self._buffer:
                    self._ready_on.add_writer(self._fd, self._ready)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Sends all of these."""
        self.write(b"".join(lines))

    def _ready(self) -> None:
        try:
            while self._buffer:
                del self._buffer[:write(self._fd, self._buffer[:CHUNK])]
        except BlockingIOError:
            return self._release(HIGH_WATER)
        except OSError as error:
            self._error = error
            self._buffer.clear()
        self._ready_on.remove_writer(self._fd)
        if self._closing:
            self._shut()
        self._release(0)

    def _release(self, level: int) -> None:
        if len(self._buffer) <= level:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    def _shut(self) -> None:
        if self._fd >= 0:
            self._ready_on.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1

    async def drain(self) -> None:
        """Waits until little is left to send.

        Raises:
            BrokenPipeError, OSError: the command does not take any more.
        """
        if len(self._buffer) > HIGH_WATER:
            await self._wait()
        if self._error is not None:
            raise self._error

    async def _wait(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def can_write_eof(self) -> bool:
        """Always: ``write_eof`` is ``close``."""
        return True

    def write_eof(self) -> None:
        """The command sees the end of its input once all is sent."""
        self.close()

    def close(self) -> None:
        """The same as ``write_eof``.  Idempotent."""
        self._closing = True
        if not self._buffer:
            self._shut()

    def is_closing(self) -> bool:
        """Whether ``close`` was called."""
        return self._closing

    async def wait_closed(self) -> None:
        """Waits until all is sent, or not wanted any more."""
        if self._buffer:
            await self._wait()

    def abandon(self) -> None:
        """Closes at once; what is not sent is dropped."""
        self._closing = True
        self._buffer.clear()
        self._shut()
        self._release(0)


class AsyncPump:
    """``streams.pump`` on an event loop: ``done`` is True when the child has ended and its output is read.

    False: the deadline (seconds from now, None for none) came first.  ``stop`` takes everything off the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, child: Child, sinks: list[Sink], feed: Feed | None,
                 seconds: float | None) -> None:
        self.done: asyncio.Future[bool] = loop.create_future()
        self._loop = loop
        self._ready_on = readiness(loop)
        self._status = child.status_fd
        self._sinks = sinks
        self._feed = feed if feed is not None and feed.fd >= 0 else None
        self._open = {sink.fd for sink in sinks}
        self._ended = False
        self._timer: Any = None if seconds is None else loop.call_later(max(0.0, seconds), self._finish)
        self._ready_on.add_reader(self._status, self._end)
        for sink in list(sinks):
            self._ready_on.add_reader(sink.fd, self._read, sink)
        if self._feed is not None:
            self._ready_on.add_writer(self._feed.fd, self._write)

    def _end(self) -> None:
        self._ended = True
        self._ready_on.remove_reader(self._status)
        if self._timer is not None:
            self._timer.cancel()
        if self._open:
            self._timer = self._loop.call_later(DRAIN, self._finish)
        else:
            self._finish()

    def _read(self, sink: Sink) -> None:
        if not sink.read():
            self._ready_on.remove_reader(sink.fd)
            self._open.discard(sink.fd)
            self._sinks.remove(sink)
            if self._ended and not self._open:
                self._finish()

    def _write(self) -> None:
        feed = self._feed
        if feed is not None:
            fd = feed.fd
            if not feed.write():
                self._ready_on.remove_writer(fd)
                self._feed = None

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._ended)

    def stop(self) -> None:
        """Takes everything off the loop.  Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._ended:
            self._ready_on.remove_reader(self._status)
        for fd in self._open:
            self._ready_on.remove_reader(fd)
        self._open = set()
        if self._feed is not None:
            self._ready_on.remove_writer(self._feed.fd)
            self._feed = None
