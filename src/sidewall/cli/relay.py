"""Bytes from one descriptor to another by a thread, for systems whose descriptors cannot be polled.

Knows: threads, ends.  Must not know: whose bytes they are.  What ``flow`` is where there is ``poll``.

A thread that waits in a read cannot be told to stop: one that reads for the command's input is left behind, and ends
with this process.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 65536


class Relay:
    """One direction, from ``read`` to the descriptor ``target``; ``kept`` bytes of what went by last stay.

    ``read`` gives the next bytes, b'' at the end.  ``source`` is the descriptor below it when it is ours: it is closed
    at the end, and as soon as the target takes no more, so that who writes into it learns that nobody reads.  With
    ``discards`` it is read on for nothing instead.  ``owned_target``: the target is closed after the last byte.
    """

    def __init__(self, target: int, *, source: int = -1, read: Callable[[], bytes] | None = None, kept: int = 0,
                 owned_target: bool = False, discards: bool = False) -> None:
        self.target = target
        self._source = source
        self._read = read if read is not None else self._bytes
        self._kept = kept
        self._owned_target = owned_target
        self._discards = discards
        self._tail = bytearray()
        self._writing = False
        self._moved = 0
        self._lock = _thread.allocate_lock()
        self._ended = _thread.allocate_lock()
        self._ended.acquire()

    def start(self) -> None:
        """From here on the bytes go by."""
        _thread.start_new_thread(self._run, ())

    def finish(self) -> None:
        """Nothing more goes into the target: closes it if it is ours.  Idempotent."""
        with self._lock:
            target, self.target = self.target, -1
        if self._owned_target and target >= 0:
            os.close(target)

    def join(self, still: float) -> bool:
        """Waits until all went by; False when for ``still`` seconds nothing came that could be passed on."""
        while not self._ended.acquire(timeout=still):
            before, self._seen = self._seen, self._moved
            if before == self._moved and not self._writing:
                return False
        self._ended.release()
        return True

    _seen = -1

    def last_bytes(self) -> bytes:
        """The last bytes that went by, at most as many as were to be kept."""
        return bytes(self._tail[-self._kept:]) if self._kept else b""

    def _bytes(self) -> bytes:
        return os.read(self._source, BLOCK)

    def _run(self) -> None:
        try:
            while data := self._next():
                self._moved += len(data)
                if self._kept:
                    self._tail += data
                    if len(self._tail) > 2 * self._kept:
                        del self._tail[:-self._kept]
                if not self._pass(data) and not self._discards:
                    break
        finally:
            self.finish()
            if self._source >= 0:
                os.close(self._source)
            self._ended.release()

    def _next(self) -> bytes:
        try:
            return self._read()
        except OSError:  # the other end has gone in the middle of a write, or the console has
            return b""

    def _pass(self, data: bytes) -> bool:
        self._writing = True
        try:
            rest = memoryview(data)
            while rest:
                with self._lock:
                    target = self.target
                if target < 0:
                    return False
                rest = rest[os.write(target, rest):]
        except OSError:  # nobody reads any more
            self.finish()
            return False
        finally:
            self._writing = False
        return True


def standard_input() -> bytes:
    """For ``read``: what comes from our own standard input."""
    return os.read(0, BLOCK)
