"""Output pipes that background processes still hold when the command that started them has returned.

Knows: descriptors and one thread.  Must not know: cells, policies.
``npm run dev &`` must neither die of a broken pipe nor block on a full one because the call that started it is over.
So the reading ends are kept for the sandbox's life and what arrives is dropped, at a pace that costs no processor to
speak of.  The thread is there only while such pipes are.
"""

from __future__ import annotations

import os
import threading
import time

from sidewall.session.system import POLLIN, pipe, poll, set_blocking

DROP = 1 << 16
PACE = 0.01
"""Seconds between two rounds: a process that floods its pipe is slowed down to some megabytes a second."""


class Leftovers:
    """The kept reading ends; ``adopt`` gives one away for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fds: set[int] = set()
        self._wake = -1
        self._closed = False
        self._thread: threading.Thread | None = None

    def adopt(self, fd: int) -> None:
        """Takes over ``fd`` and reads it until its end."""
        with self._lock:
            if self._closed:
                os.close(fd)
                return
            set_blocking(fd, False)
            self._fds.add(fd)
            if self._wake >= 0:
                os.write(self._wake, b"+")
                return
            listen, self._wake = pipe()
            self._thread = threading.Thread(target=self._run, args=(listen,), name="sidewall-leftovers", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes every pipe.  Idempotent."""
        with self._lock:
            self._closed = True
            thread = self._thread
            if self._wake >= 0:
                os.write(self._wake, b"-")
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __len__(self) -> int:
        return len(self._fds)

    def _run(self, listen: int) -> None:
        while True:
            poller = poll()
            poller.register(listen, POLLIN)
            with self._lock:
                if self._closed or not self._fds:
                    for fd in (*self._fds, listen, self._wake):
                        os.close(fd)
                    self._fds.clear()
                    self._wake = -1
                    return
                for fd in self._fds:
                    poller.register(fd, POLLIN)
            for fd, _event in poller.poll():
                if fd == listen:
                    os.read(listen, DROP)
                elif not _drop(fd):
                    with self._lock:
                        self._fds.discard(fd)
                        os.close(fd)
                else:
                    time.sleep(PACE)


def _drop(fd: int) -> bool:
    try:
        return bool(os.read(fd, DROP))
    except BlockingIOError:
        return True
    except OSError:
        return False
