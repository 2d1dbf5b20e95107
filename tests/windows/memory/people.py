"""The two sides of a set-up in one test: the user's process, and the helper in a thread, with queues for a pipe.

Knows: who is who.  Must not know: what is set up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from tests.windows.memory.windows import ANN, FAULTS, Windows

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.platforms.traces import Removed
from sidewall.platforms.windows import exchange, provision, readiness, setup, status, uninstall
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.prototypes import LAST

SECONDS = 30


class End:
    """One end of a pipe.  None is its end."""

    def __init__(self, incoming: queue.Queue[bytes | None], outgoing: queue.Queue[bytes | None]) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def send(self, data: bytes) -> None:
        self._outgoing.put(data)

    def receive(self) -> bytes:
        data = self._incoming.get(timeout=SECONDS)
        if data is None:
            raise MachineError("the other side is gone")
        return data

    def close(self) -> None:
        self._outgoing.put(None)


def consenting(windows: Windows, user: Sid = ANN, administrator: Sid | None = None) -> Callable[..., Any]:
    """A person who says yes to the prompt; the helper runs as that user elevated, or as somebody else (over the
    shoulder)."""

    def elevate(machine: Any, action: str, keep: Any) -> Removed:
        there: queue.Queue[bytes | None] = queue.Queue()
        back: queue.Queue[bytes | None] = queue.Queue()
        ours, theirs = End(back, there), End(there, back)

        def helper() -> None:
            try:
                asked = exchange.requested(theirs.receive())
                exchange.serve(windows.machine(administrator or user, elevated=True), user, asked, theirs)
            except MachineError:
                pass
            finally:
                theirs.close()

        thread = threading.Thread(target=helper)
        thread.start()
        try:
            return exchange.ask(ours, action, keep)
        finally:
            ours.close()
            thread.join(SECONDS)
            assert not thread.is_alive()

    return elevate


def refusing(machine: Any, action: str, keep: Any) -> Removed:
    raise failure("ShellExecuteExW", LAST, 1223)


def set_up(windows: Windows, user: Sid = ANN) -> setup.Outcome:
    return setup.run(windows.machine(user), consenting(windows, user))


def lacking(windows: Windows, user: Sid = ANN) -> tuple[str, ...]:
    machine = windows.machine(user)
    return readiness.lacking(readiness.gather(machine, machine.caller()))


def traces(windows: Windows, user: Sid = ANN) -> set[tuple[str, str]]:
    """As an administrator sees them in the user's own session."""
    found = status.look(windows.machine(user, elevated=True))
    assert not found.unseen
    return {(one.kind, one.name) for one in found.traces}


def take_away(windows: Windows, user: Sid = ANN) -> Removed:
    return uninstall.run(windows.machine(user), consenting(windows, user))


__all__ = ["FAULTS", "consenting", "lacking", "provision", "refusing", "set_up", "take_away", "traces"]
