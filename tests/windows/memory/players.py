"""The runner's part in a conversation, played: it answers each frame as the protocol says.

Knows: frames.  Must not know: which Windows it is on.
"""

from __future__ import annotations

import threading
from typing import Any

from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.handles import Borrowed

ANSWERS = {says.HELLO: says.GREETING, says.SETUP: says.MADE, says.TRY: says.TRYING, says.TRIED: says.DONE,
           says.RETURN: says.RETURNED}


class Player:
    """The runner: what it says to what it is told, until it has ended."""

    def __init__(self, account: str, number: int = 0) -> None:
        self.account = account
        self.number = number
        self.running = True
        self.decoder = says.decoder(says.OWNER)
        self.changed = threading.Condition()
        self.waiting: list[bytes] = []
        self.missing: list[list[str]] = []
        """What of the plan's parts it says that it lacks."""

    def over(self, number: int) -> None:
        """The process with this number has ended."""
        with self.changed:
            self.running = self.running and number != self.number
            self.changed.notify_all()

    def told(self, data: bytes) -> None:
        for frame in self.decoder.feed(data):
            head = says.checked(frame, says.OWNER)
            answer = ANSWERS.get(frame.kind)
            fields: dict[str, Any] = {"missing": self.missing if answer == says.MADE else []}
            if answer == says.GREETING:
                fields = {"version": says.VERSION, "nonce": "n", "echo": head["nonce"], "user": self.account,
                          "restricted": False}
            elif answer == says.RETURNED:
                fields = {"count": 0, "first": ""}
            if answer:
                with self.changed:
                    self.waiting.append(says.made(answer, **fields))
                    self.changed.notify_all()


class Pending:
    """An operation that has ended, or ends when the runner says something or is no more."""

    event = Borrowed(1, "an event")

    def __init__(self, result: object = None, player: Player | None = None) -> None:
        self._result, self._player = result, player

    def __enter__(self) -> Pending:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def wait(self, milliseconds: int) -> bool:
        player = self._player
        if player is not None:
            with player.changed:
                player.changed.wait_for(lambda: player.waiting or not player.running, 20)
                self._result = player.waiting.pop(0) if player.waiting else b""
        return True

    def result(self) -> object:
        return self._result


__all__ = ["Pending", "Player"]
