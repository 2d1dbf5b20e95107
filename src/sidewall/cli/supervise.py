"""Waiting for one command: its end, its streams, our signals, its time.

Knows: descriptors, signals, a clock.  Must not know: policies, denials, exit codes.  POSIX only.

Signals are taken off a pipe (``set_wakeup_fd``), so nothing happens between two of their instructions.  The command
lives in a session of its own and never gets what the terminal sends to our group: what concerns the group (interrupt,
quit, hang-up, stop) goes to the whole tree, what was sent to a process (terminate, user signals) to the command alone.
``_signal`` is the C half of ``signal``, without the ``enum`` that costs more than the rest of this file.
"""

from __future__ import annotations

import os
import select
import sys
import time

from sidewall.platforms.contract import Exit

assert sys.platform != "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence

    from sidewall.cli.flow import Flow
    from sidewall.cli.streams import Streams
    from sidewall.platforms.contract import Child
else:
    import _signal

_GROUP = ("SIGINT", "SIGQUIT", "SIGHUP")
_SINGLE = ("SIGTERM", "SIGUSR1", "SIGUSR2")
_STILL_SECONDS = 2.0
_FOREGROUND_SECONDS = 0.2
_GRACE_SECONDS = 3.0
"""What a killed tree has to be gone; then its cell is ended, which nothing in it can hold up."""
_KILLED = Exit(returncode=-9)


class Supervisor:
    """Waits for a child while it turns the flows of ``streams``; kills the tree after ``timeout`` seconds (0: never).

    Use: ``listen``, start the child, ``begin``, ``wait``.
    Signals are listened to from ``listen`` to ``leave``; ``wake`` is the descriptor on which ``set_wakeup_fd`` tells
    them.
    """

    _child: Child

    def __init__(self, streams: Streams, *, wake: int, timeout: float = 0) -> None:
        self.timed_out = False
        self._streams = streams
        self._flows: list[Flow] = []
        self._terminal = streams.terminal
        self._timeout = timeout
        self._deadline = 0.0
        self._wake = wake
        self._before: list[tuple[int, object]] = []

    def listen(self) -> None:
        """From here on signals are for the command, also for one that is about to start: they wait in the pipe.  A
        signal that is ignored (nohup) stays so."""
        names = [*_GROUP, *_SINGLE, "SIGTSTP", "SIGCONT", *(["SIGWINCH"] if self._terminal else [])]
        for name in names:
            number = int(getattr(_signal, name))
            before = _signal.getsignal(number)
            if before != _signal.SIG_IGN:
                _signal.signal(number, _noted)
                self._before.append((number, before))

    def begin(self, child: Child) -> None:
        """This child was started, and its time runs."""
        self._child = child
        self._flows = list(self._streams.flows)
        self._deadline = time.monotonic() + self._timeout if self._timeout else 0.0

    def leave(self) -> None:
        """Signals are ours again.  Idempotent."""
        for number, before in self._before:
            _signal.signal(number, before if before is not None else _signal.SIG_DFL)  # type: ignore[arg-type]
        self._before.clear()

    def wait(self) -> Exit:
        """Until the command has ended, or long enough after it was killed: then the caller ends the cell.  Raises
        CellGone."""
        ended = False
        while not ended:
            ready = self._poll((self._child.status_fd, self._wake), self._patience())
            for flow in self._flows:
                flow.turn(ready)
            self._after_turn()
            if ready.get(self._wake):
                self._signals()
            if self._terminal is not None and self._terminal.behind:
                self._terminal.claim()
            if self._deadline and time.monotonic() >= self._deadline:
                if self.timed_out:
                    break
                self._deadline = time.monotonic() + _GRACE_SECONDS
                self.timed_out = True
                self._child.signal(_signal.SIGKILL, tree=True)
            ended = bool(ready.get(self._child.status_fd))
        for flow in self._flows:
            if flow.inward:
                flow.finish()
        if not ended:
            return _KILLED
        found = self._child.wait()
        assert found is not None  # without a time-out it comes back with the end only
        return found

    def drain(self) -> None:
        """Carries over what the command left in its streams: to their end, or until nothing comes any more.

        To be called when nothing writes any longer (the cell is closed).
        """
        if self._terminal is not None:
            # What is typed now is for nobody, and waiting for it would hold up the end.
            for flow in self._flows[:-1]:
                flow.held = True
                flow.pending.clear()
        while any(flow.interest() for flow in self._flows):
            patience = -1.0 if any(flow.pending for flow in self._flows) else _STILL_SECONDS
            ready = self._poll((), patience)
            if not ready:
                return
            for flow in self._flows:
                flow.turn(ready)
            self._after_turn()

    def lost(self) -> str:
        """Why output is gone that could not be written; '' when none is."""
        return next((flow.lost for flow in self._flows if flow.lost), "")

    def _after_turn(self) -> None:
        if self._terminal is not None:
            self._terminal.pass_end()
        if self._terminal is None:
            for flow in self._flows:
                if flow.broken and not flow.ended and not flow.inward:
                    flow.ended = True
                    os.close(flow.source)  # the pipe is ours: who writes into it must learn that nobody reads

    def _patience(self) -> float:
        patience = max(0.0, self._deadline - time.monotonic()) if self._deadline else -1.0
        if self._terminal is None or not self._terminal.behind:
            return patience
        return min(patience, _FOREGROUND_SECONDS) if self._deadline else _FOREGROUND_SECONDS

    def _poll(self, descriptors: Sequence[int], seconds: float) -> dict[int, int]:
        wanted = dict.fromkeys(descriptors, select.POLLIN)
        for flow in self._flows:
            for descriptor, events in flow.interest():
                wanted[descriptor] = wanted.get(descriptor, 0) | events
        poller = select.poll()
        for descriptor, events in wanted.items():
            poller.register(descriptor, events)
        return dict(poller.poll(None if seconds < 0 else int(seconds * 1000) + 1))

    def _signals(self) -> None:
        for number in os.read(self._wake, 256):
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if number == _signal.SIGTSTP:
            # The command's group is orphaned (its parent is in another session): the kernel drops SIGTSTP there.
            self._child.signal(_signal.SIGSTOP, tree=True)
            if self._terminal is not None:
                self._terminal.restore()
            os.kill(os.getpid(), _signal.SIGSTOP)
        elif number == _signal.SIGCONT:
            if self._terminal is not None:
                self._terminal.claim()
            self._child.signal(_signal.SIGCONT, tree=True)
        elif self._terminal is not None and number == _signal.SIGWINCH:
            self._terminal.resize()
        else:
            self._child.signal(number, tree=number in (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP))


def _noted(number: int, frame: object) -> None:
    """The pipe has the number already."""
