"""Waiting for one command on Windows: its end, its streams, the console's control events, its time.

Knows: threads, control events, a clock.  Must not know: policies, denials, exit codes.  What ``supervise`` is on POSIX.
Follows: "SetConsoleCtrlHandler" and "HandlerRoutine" of the Win32 reference.

The command has a console of its own, so no event of ours reaches it by itself.  Ctrl-C goes to the whole tree as an
interrupt; Ctrl-Break, and the end of the console, of the session or of the machine, end the tree: there is no signal
that a program without our console could be sent.  Everything that happens is told by one byte in a pipe.

If the thread that waits is ended from outside while others of this process go on, nobody would be told any more, and
the job of the command would stay open.  Wine does that on Ctrl-Break; so the thread is looked at, and all ends with it.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from sidewall.platforms.windows import constants_process as constants
from sidewall.platforms.windows.api import native

assert sys.platform == "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.cli.handles import Streams
    from sidewall.platforms.contract import Child, Exit
    from sidewall.platforms.windows.handles import Handle

INTERRUPT, KILL = 2, 9
SYNCHRONIZE = 0x100000
BROKEN = 125
"""Exit code when the thread that waits was ended: what ``run`` gives for a fault of its own."""
STILL_SECONDS = 2.0
LAST_SECONDS = 10.0
"""How long the end of the console is held up for giving everything back; Windows itself waits five seconds."""
_ENDED, _FAILED, _TIME = 255, 254, 253
_ENDING = (constants.CTRL_CLOSE_EVENT, constants.CTRL_LOGOFF_EVENT, constants.CTRL_SHUTDOWN_EVENT)


class Supervisor:
    """Waits for a child while the relays of ``streams`` run; kills the tree after ``timeout`` seconds (0: never).

    Use: ``listen``, start the child, ``begin``, ``wait``.
    Control events are listened to from ``listen`` to ``leave``.  ``wake`` is for systems with signals.
    """

    _child: Child

    def __init__(self, streams: Streams, *, wake: int = -1, timeout: float = 0) -> None:
        self.timed_out = False
        self._streams = streams
        self._flows = streams.flows
        self._inward = streams.inward
        self._timeout = timeout
        self._told, self._tell = os.pipe()
        self._leave: Callable[[], None] | None = None
        self._over = _thread.allocate_lock()
        self._over.acquire()
        self._error: BaseException | None = None
        self._exit: Exit | None = None

    def lost(self) -> str:
        """Why output is gone that could not be written: nobody tells here."""
        return ""

    def listen(self) -> None:
        """From here on control events are for the command."""
        self._leave = native().kernel32.OnControl(self._control)

    def begin(self, child: Child) -> None:
        """This child was started, and its time runs."""
        self._child = child
        self._flows = self._streams.flows
        self._inward = self._streams.inward

    def leave(self) -> None:
        """Control events are ours again.  Idempotent."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def _control(self, event: int) -> bool:
        self._say(event)
        if event in _ENDING:
            self._over.acquire(timeout=LAST_SECONDS)  # when this returns, the process ends
        return True

    def _say(self, what: int) -> None:
        try:
            os.write(self._tell, bytes([what]))
        except OSError:  # over already
            pass

    def wait(self) -> Exit:
        """Until the command has ended.  Raises CellGone."""
        kernel = native().kernel32
        looking = _thread.allocate_lock()
        with kernel.CreateEventW() as stop, kernel.OpenThread(SYNCHRONIZE, _thread.get_native_id()) as waiting:
            looking.acquire()
            _thread.start_new_thread(self._outlive, (waiting, stop, looking))
            try:
                return self._waited()
            finally:
                kernel.SetEvent(stop)
                looking.acquire()  # what it waits for is not closed under it

    def _waited(self) -> Exit:
        _thread.start_new_thread(self._await, ())
        if self._timeout:
            _thread.start_new_thread(self._count, (time.monotonic() + self._timeout,))
        while self._exit is None:
            for what in os.read(self._told, 64):
                if what == _FAILED and self._error is not None:
                    raise self._error
                self._happened(what)
        if self._inward is not None:
            self._inward.finish()
        return self._exit

    def _happened(self, what: int) -> None:
        if what == constants.CTRL_C_EVENT:
            self._child.signal(INTERRUPT, tree=True)
        elif what == constants.CTRL_BREAK_EVENT or what in _ENDING:
            self._child.signal(KILL, tree=True)
        elif what == _TIME and self._exit is None:
            self.timed_out = True
            self._child.signal(KILL, tree=True)

    def _await(self) -> None:
        try:
            self._exit = self._child.wait()
        except BaseException as error:
            self._error = error
            self._say(_FAILED)
        else:
            self._say(_ENDED)

    def _outlive(self, waiting: Handle, stop: Handle, looking: _thread.LockType) -> None:
        """Ends this process, and with it the job of the command, when the thread ends that waits for it."""
        if native().kernel32.WaitForMultipleObjects((stop, waiting), constants.INFINITE) != constants.WAIT_OBJECT_0:
            os._exit(BROKEN)
        looking.release()

    def _count(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 3600.0))
        self._say(_TIME)

    def drain(self) -> None:
        """Waits for what the command left in its streams: to their end, or until nothing comes any more.

        To be called when nothing writes any longer (the cell is closed).
        """
        for flow in self._flows:
            if not flow.join(STILL_SECONDS):
                return
