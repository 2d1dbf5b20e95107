"""What the owner still asks of the runner at the end: that commands end, and that the account lets the user in.

Knows: the two frames of that, how long it may take.  Must not know: which places these are, what the runner does there
(``returning``).

The answer is a number and a text that is shown, and is believed in nothing: whoever asked looks at the places himself.
"""

from __future__ import annotations

import _thread
import time

from sidewall.errors import MachineError
from sidewall.platforms.frames import FrameError
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.children import SLICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sidewall.nt.sid import Sid
    from sidewall.platforms.frames import Frame
    from sidewall.platforms.windows.runner_owner import Runner

SECONDS = 45.0
"""For all that is asked at the end; then the runner is ended without."""
MOST_CHARACTERS = 1 << 18
"""Of the paths in one frame: each is twelve bytes at the most."""
GONE, SLOW = "the sandbox's runner has ended", "the sandbox's runner takes too long"


class Leaving:
    """Asked by one thread; answers come in another."""

    def __init__(self, runner: Runner, user: Sid) -> None:
        self._runner = runner
        self._user = user
        self._until = 0.0
        self._asked = False
        self._gone = ""
        self._listener = 0
        self._head: dict[str, Any] = {}
        self._answered = _thread.allocate_lock()
        self._answered.acquire()

    def heard(self, frame: Frame) -> bool:
        """Whether this frame is an answer.  Raises FrameError for one that nobody asked for."""
        self._listener = _thread.get_ident()
        if frame.kind != says.RETURNED:
            return False
        head = says.checked(frame, says.RUNNER, among=says.RETURNED)
        if not self._asked:
            raise FrameError("nothing was to be returned")
        self._asked = False
        self._head = head
        self._answered.release()
        return True

    def over(self) -> None:
        """Nothing more comes from the runner."""
        self._gone = self._gone or GONE

    def let_in(self, places: Sequence[str]) -> str:
        """Has the account let the user into places that are its own; '' or why it did not, for people."""
        told = ""
        waiting = list(places)
        while waiting:
            some, size = [waiting.pop(0)], 0
            while waiting and len(some) < says.MOST_PLACES and (size := size + len(waiting[0])) < MOST_CHARACTERS:
                some.append(waiting.pop(0))
            told = told or self._ask((), some)
        return told

    def leave(self, empty: Sequence[str]) -> str:
        """Ends every command and removes what the account may of these directories; '' or why something is left."""
        return self._ask(empty[:says.MOST_PLACES], ())

    def _ask(self, empty: Sequence[str], places: Sequence[str]) -> str:
        self._until = self._until or time.monotonic() + SECONDS
        if self._listener == _thread.get_ident():
            self._gone = GONE  # it was the last who wanted the cell, and waits for nobody but itself
        if self._gone:
            return self._gone
        self._asked = True
        try:
            self._runner.send(says.made(says.RETURN, empty=list(empty), places=list(places), user=str(self._user)))
        except (MachineError, FrameError) as error:
            self._gone = error.message
            return self._gone
        while not self._answered.acquire(timeout=SLICE):
            if not self._gone and time.monotonic() > self._until:
                self._gone = SLOW
            if self._gone:
                return self._gone
        count, first = self._head["count"], says.shown(self._head["first"])
        return f"{first}, and {count - 1} more" if count > 1 else first if count else ""


__all__ = ["Leaving"]
