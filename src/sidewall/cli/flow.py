"""Bytes from one descriptor to another, unchanged and in order, without ever blocking the loop that turns it.

Knows: readiness, partial writes, ends.  Must not know: whose bytes they are.

Neither end is made non-blocking when it belongs to someone else (that flag is shared with every process that holds the
file), so a target that can block is written only when it is ready, and then no more than a pipe takes at once.
"""

from __future__ import annotations

import os

EPIPE = 32
READ, WRITE = 1, 4  # POLLIN and POLLOUT, which POSIX fixes nowhere and every Unix has at these values
_BLOCK = 65536
_PIPE_BUF = 4096
_REGULAR, _KIND = 0o100000, 0o170000


class Flow:
    """One direction.  ``kept`` bytes of what went by last stay in ``tail``.

    ``ended``: the source has no more.  ``broken``: the target takes no more; the source must be closed by the owner,
    so that who writes into it learns of that, or with ``discards`` it is read on for nothing, so that nobody waits.
    ``lost`` then says why, if bytes are gone that somebody wanted (a full disk).
    ``held``: nothing is to be read for now.  ``inward``: it goes into the command, and its target (ours) is closed
    after the last byte.
    """

    def __init__(self, source: int, target: int, *, kept: int = 0, owned_target: bool = False,
                 discards: bool = False, inward: bool = False) -> None:
        self.inward = inward
        self.source = source
        self.target = target
        self.ended = False
        self.broken = False
        self.held = False
        self.lost = ""
        self.pending = bytearray()
        self.tail = bytearray()
        self.last = -1
        self._kept = kept
        self._discards = discards
        regular = os.fstat(target).st_mode & _KIND == _REGULAR
        self._at_once = _BLOCK if regular or owned_target else _PIPE_BUF

    def interest(self) -> tuple[tuple[int, int], ...]:
        """What to poll for: (descriptor, events) pairs."""
        wanted = []
        if self._reads():
            wanted.append((self.source, READ))
        if self.pending and not self.broken:
            wanted.append((self.target, WRITE))
        return tuple(wanted)

    def turn(self, ready: dict[int, int]) -> None:
        """Moves what can be moved now; ``ready`` maps descriptors to the events that ``poll`` reported."""
        if ready.get(self.source, 0) & ~WRITE and self._reads():
            self._read()
        if ready.get(self.target, 0) & ~READ and self.pending:
            self._write()
        if self.inward and (self.broken or (self.ended and not self.pending)):
            self.finish()

    def finish(self) -> None:
        """Nothing more goes into the command.  Idempotent."""
        self.held = True
        self.pending.clear()
        if self.inward and self.target >= 0:
            os.close(self.target)
            self.target = -1

    def _reads(self) -> bool:
        return len(self.pending) < _BLOCK and not (self.ended or self.held or (self.broken and not self._discards))

    def _read(self) -> None:
        try:
            data = os.read(self.source, _BLOCK)
        except BlockingIOError:
            return
        except OSError:  # EIO: every process has closed the terminal's other side
            data = b""
        if not data:
            self.ended = True
            return
        if self.broken:
            return
        self.pending += data
        self.last = data[-1]
        if self._kept:
            self.tail += data
            if len(self.tail) > 2 * self._kept:
                del self.tail[:-self._kept]

    def _write(self) -> None:
        try:
            del self.pending[:os.write(self.target, self.pending[:self._at_once])]
        except BlockingIOError:
            return
        except OSError as error:
            self.broken = True
            self.pending.clear()
            if error.errno != EPIPE and not self.inward:
                self.lost = error.strerror or str(error)

    def last_bytes(self) -> bytes:
        """The tail, at most as long as was asked for."""
        return bytes(self.tail[-self._kept:]) if self._kept else b""
