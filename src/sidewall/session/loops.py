"""Readiness callbacks of an event loop, on platforms whose loop has them and on Windows, whose loop has none for pipes.

Knows: ``add_reader`` and its kin.  Must not know: what is read or written.
Follows: the documentation of ``asyncio.loop.add_reader``.
"""

from __future__ import annotations

import sys
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, Protocol

    class Readiness(Protocol):
        """The four methods of an event loop."""

        def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> Any:
            """Calls back whenever ``fd`` can be read."""

        def remove_reader(self, fd: int) -> bool:
            """No longer; whether it did."""

        def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> Any:
            """Calls back whenever ``fd`` may take something."""

        def remove_writer(self, fd: int) -> bool:
            """No longer; whether it did."""


def readiness(loop: asyncio.AbstractEventLoop) -> Readiness:
    """What tells on this loop that a descriptor is ready."""
    if sys.platform != "win32":
        return loop
    found = _threads.get(loop)
    if found is None:
        found = _threads[loop] = Threaded(loop)
    return found


class Threaded:
    """The same with one thread that polls; it is there only while something is waited for.

    A descriptor that is ready is not asked again before its callback has run, so a callback that reads once is called
    once for it, as by a loop of its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._lock = threading.Lock()
        self._callbacks: dict[tuple[int, int], tuple[Callable[..., object], tuple[Any, ...]]] = {}
        self._waiting: set[tuple[int, int]] = set()
        self._thread: threading.Thread | None = None

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """See ``Readiness``."""
        self._add((fd, _reading()), callback, args)

    def remove_reader(self, fd: int) -> bool:
        """See ``Readiness``."""
        return self._remove((fd, _reading()))

    def add_writer(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        """See ``Readiness``."""
        self._add((fd, _writing()), callback, args)

    def remove_writer(self, fd: int) -> bool:
        """See ``Readiness``."""
        return self._remove((fd, _writing()))

    def _add(self, key: tuple[int, int], callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        with self._lock:
            self._callbacks[key] = (callback, args)
            self._waiting.add(key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sidewall-readiness", daemon=True)
                self._thread.start()

    def _remove(self, key: tuple[int, int]) -> bool:
        with self._lock:
            self._waiting.discard(key)
            return self._callbacks.pop(key, None) is not None

    def _run(self) -> None:
        from sidewall.session.system import poll

        while True:
            with self._lock:
                if not self._callbacks:
                    self._thread = None
                    return
                waiting = list(self._waiting)
            poller = poll()
            events: dict[int, int] = {}
            for fd, event in waiting:
                events[fd] = events.get(fd, 0) | event
            for fd, wanted in events.items():
                poller.register(fd, wanted)
            for fd, event in poller.poll(_MILLISECONDS):
                self._tell((fd, event))

    def _tell(self, key: tuple[int, int]) -> None:
        loop = self._loop()
        with self._lock:
            self._waiting.discard(key)
        try:
            if loop is None:
                raise RuntimeError("the loop is gone")
            loop.call_soon_threadsafe(self._call, key)
        except RuntimeError:
            with self._lock:
                self._callbacks.clear()
                self._waiting.clear()

    def _call(self, key: tuple[int, int]) -> None:
        entry = self._callbacks.get(key)
        if entry is None:
            return
        callback, args = entry
        callback(*args)
        with self._lock:
            if key in self._callbacks:
                self._waiting.add(key)


_MILLISECONDS = 10
"""How long a descriptor that was added meanwhile waits for its first look."""
_threads: weakref.WeakKeyDictionary[Any, Threaded] = weakref.WeakKeyDictionary()


def _reading() -> int:
    from sidewall.session.system import POLLIN

    return POLLIN


def _writing() -> int:
    from sidewall.session.system import POLLOUT

    return POLLOUT
