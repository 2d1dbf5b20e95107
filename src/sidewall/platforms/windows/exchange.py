"""What the user's process and its elevated helper say to each other: one request, a few answers, over a checked pipe.

Knows: the messages, and the frames in which they travel.  Must not know: how a pipe is made or checked (``elevated``).

The request is one of two words; it carries no path, no name and no SID.  Passwords go over the pipe and over nothing
else, and the helper keeps what it made only when it is told that the user has them.
"""

from __future__ import annotations

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.sid import Sid
from sidewall.platforms.traces import Removed
from sidewall.platforms.windows import provision, removal
from sidewall.platforms.windows.credentials import Credential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from sidewall.platforms.windows.machine import Machine

    class Channel(Protocol):
        """Messages both ways.  Raises MachineError when the other side is gone or silent."""

        def send(self, data: bytes) -> None: ...

        def receive(self) -> bytes: ...


SETUP, UNINSTALL = "setup", "uninstall"
ACTIONS = (SETUP, UNINSTALL)
LARGEST = 1 << 16


def request(action: str) -> bytes:
    """The user's first message."""
    return action.encode("ascii")


def requested(data: bytes) -> str:
    """The action that a first message asks for.  Raises MachineError for anything else."""
    for action in ACTIONS:
        if data == request(action):
            return action
    raise MachineError("the set-up helper was asked for something that it does not do",
                       hint="run `sidewall setup` itself")


def _pack(message: dict[str, Any]) -> bytes:
    import json

    return json.dumps(message).encode("ascii")


def _unpack(data: bytes) -> dict[str, Any]:
    import json

    try:
        message = json.loads(data)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise MachineError("the other side of the set-up said what does not read", hint="run `sidewall setup` again")
    return message


def serve(machine: Machine, user: Sid, action: str, channel: Channel) -> bool:
    """The helper's side for ``user``, whom the helper found out itself; whether it succeeded.  Answers errors too."""

    def keep(made: tuple[Credential, ...]) -> None:
        channel.send(_pack({"credentials": [one.to_dict() for one in made]}))
        if _unpack(channel.receive()).get("kept") is not True:
            raise MachineError("the user's side could not keep the passwords", hint="run `sidewall setup` again")

    try:
        if action == SETUP:
            made = Removed(done=provision.provision(machine, user, keep))
        else:
            made = removal.remove(machine, user)
    except SidewallError as error:
        channel.send(_pack({"error": str(error), "hint": error.hint}))
        return False
    channel.send(_pack({"done": list(made.done), "left": list(made.left)}))
    return True


def ask(channel: Channel, action: str, keep: Callable[[tuple[Credential, ...]], object]) -> Removed:
    """The user's side: what was done and what is left.  ``keep`` stores credentials, and raises when it cannot.

    Raises MachineError: what the helper said, or that it is gone; what ``keep`` raises goes through, after the helper
    was told.
    """
    channel.send(request(action))
    message = _unpack(channel.receive())
    if "credentials" in message:
        try:
            keep(tuple([_credential(one) for one in message["credentials"]]))
        except BaseException:
            channel.send(_pack({"kept": False}))
            channel.receive()  # the helper has taken everything back when it answers
            raise
        channel.send(_pack({"kept": True}))
        message = _unpack(channel.receive())
    if "error" in message:
        raise MachineError(str(message["error"]), hint=str(message.get("hint", "")))
    return Removed(done=tuple([str(line) for line in message.get("done", ())]),
                           left=tuple([str(line) for line in message.get("left", ())]))


def _credential(told: dict[str, Any]) -> Credential:
    return Credential(name=str(told["name"]), sid=Sid(str(told["sid"])), password=str(told["password"]),
                      generation=int(told["generation"]), changed=int(told["changed"]))


__all__ = ["ACTIONS", "LARGEST", "SETUP", "UNINSTALL", "ask", "request", "requested", "serve"]
