"""The runner's conversation: the owner's frames one after another, and what is answered to each.

Knows: which frame may come when, what an answer is, which commands there are.  Must not know: how a token is made or a
command started (``Hands`` does that), any function of Windows.

A frame that does not belong where it comes ends the conversation, and with it the runner.  Answers are written by many
threads, one at a time: a command's own thread tells how it ended.
"""

from __future__ import annotations

import _thread

from sidewall.errors import SidewallError
from sidewall.nt.sid import Sid
from sidewall.platforms.frames import FrameError
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows import runner_parts
from sidewall.platforms.windows.commands import End
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from sidewall.plan.windows_unenforced import Unenforced
    from sidewall.platforms.frames import Frame
    from sidewall.platforms.windows.runner_parts import Parts
else:
    Protocol = object

LATER = says.SIGNAL + says.RESIZE + says.FORGET + says.RETURN
LONGEST_MESSAGE, LONGEST_HINT, LONGEST_NAME = 2000, 1000, 2000
LONGEST_REASON, MOST_REASONS = 250, 16
"""So much that a frame of any characters (twelve bytes each at the most) is within what the owner takes."""


class Order(Record):
    """One command.  ``stdio`` are three handles of this process, or ``terminal`` is (rows, columns, keys, screen)."""

    argv: tuple[str, ...]
    directory: str
    variables: bytes
    stdio: tuple[int, int, int] | None
    terminal: tuple[int, int, int, int] | None


class Running(Protocol):
    """A command that was started."""

    pid: int

    def watch(self, told: Callable[[End], object]) -> None:
        """Calls ``told`` once, in a thread of its own, when it has ended."""

    def signal(self, code: int, tree: bool) -> None:
        """Ends it, or it and all that it started, with this exit code; nothing when it has ended."""

    def resize(self, rows: int, columns: int) -> None:
        """Its terminal's size."""

    def forget(self) -> None:
        """Nobody will ask about it again; it goes on."""


class Hands(Protocol):
    """Who does what the owner asks for.  Raises SidewallError, OSError."""

    user: str
    restricted: bool

    def prepare(self, parts: Parts) -> tuple[Unenforced, ...]:
        """Makes token, job and desktop; what does not hold of them."""

    def probe(self, target: str) -> tuple[Unenforced, ...]:
        """Starts a program with that token that tries to write ``target``; what does not hold of it."""

    def finish(self) -> tuple[Unenforced, ...]:
        """Waits for it."""

    def private(self, path: str) -> None:
        """Where the commands' private directory is."""

    def start(self, order: Order) -> Running:
        """Starts a command; its handles are given back in any case."""

    def give_back(self, empty: Sequence[str], places: Sequence[str], user: Sid) -> tuple[int, str]:
        """Ends every command, removes the directories ``empty``, lets the user into ``places``; how much could not be
        done, and why the first of it."""


class Channel(Protocol):
    """A stream of bytes.  Raises MachineError when the other end is gone."""

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes: ...


class Service:
    """One conversation.  ``nonce`` is a word that the owner has to say back."""

    def __init__(self, channel: Channel, hands: Hands, nonce: str) -> None:
        self._channel = channel
        self._hands = hands
        self._nonce = nonce
        self._writing = _thread.allocate_lock()
        self._commands: dict[int, Running] = {}
        self._highest = 0
        self._variables = b""
        self._due = says.HELLO
        """Which frames may come next."""

    def serve(self) -> None:
        """Until the owner's end.  Raises FrameError for a frame that must not be, MachineError when nobody listens."""
        decoder = says.decoder(says.OWNER)
        while data := self._channel.receive():
            for frame in decoder.feed(data):
                self._one(frame)
        if decoder.inside:
            raise FrameError("the owner ended in the middle of a frame")

    def _one(self, frame: Frame) -> None:
        head = says.checked(frame, says.OWNER, among=self._due)
        kind = frame.kind
        if kind == says.HELLO:
            self._hello(head)
        elif kind == says.START:
            self._start(head, frame.raw)
        elif kind in (says.SIGNAL, says.RESIZE, says.FORGET):
            self._about(kind, head)
        elif kind == says.PRIVATE:
            self._hands.private(head["path"])
            self._due = says.START + LATER
        elif kind == says.RETURN:
            self._return(head)
        else:
            self._ready(kind, head)

    def _say(self, kind: str, **head: Any) -> None:
        data = says.made(kind, **head)
        with self._writing:
            self._channel.send(data)

    def _hello(self, head: dict[str, Any]) -> None:
        self._say(says.GREETING, version=says.VERSION, nonce=self._nonce, echo=head["nonce"], user=self._hands.user,
                  restricted=self._hands.restricted)
        if head["version"] != says.VERSION:
            raise FrameError(f"the owner speaks version {head['version']}, and the runner {says.VERSION}")
        self._due = says.SETUP

    def _ready(self, kind: str, head: dict[str, Any]) -> None:
        """Before any command: token, job and desktop, then a program that tries them."""
        answers = {says.SETUP: (says.MADE, says.TRY), says.TRY: (says.TRYING, says.TRIED),
                   says.TRIED: (says.DONE, says.PRIVATE)}
        if kind == says.SETUP and head["echo"] != self._nonce:
            raise FrameError("the owner does not say back what it was told")
        try:
            if kind == says.SETUP:
                missing = self._hands.prepare(runner_parts.read(head))
            else:
                missing = self._hands.probe(head["target"]) if kind == says.TRY else self._hands.finish()
        except FrameError:
            raise
        except (SidewallError, OSError) as error:
            message = error.message if isinstance(error, SidewallError) else error.strerror or str(error)
            self._say(says.UNABLE, message=_plain(message, LONGEST_MESSAGE),
                      hint=_plain(getattr(error, "hint", ""), LONGEST_HINT))
            return  # the same may be asked again: the owner tries with other limits
        answer, self._due = answers[kind]
        lacks = [[one.facility, _plain(one.reason, LONGEST_REASON)] for one in dict.fromkeys(missing)]
        if len(lacks) > MOST_REASONS:
            raise FrameError("there is more missing than can be said")
        self._say(answer, missing=lacks)

    def _start(self, head: dict[str, Any], raw: bytes) -> None:
        number = head["id"]
        if number <= self._highest:
            raise FrameError("the owner uses the number of a command again")
        self._highest = number
        if head["fresh"]:
            self._variables = raw
        elif raw:
            raise FrameError("the owner sends variables that are not to be used")
        if not head["argv"] or (head["stdio"] is None) == (head["terminal"] is None):
            raise FrameError("the owner asks for a command without a word, or without one kind of streams")
        stdio, terminal = head["stdio"], head["terminal"]
        order = Order(argv=tuple(head["argv"]), directory=head["directory"], variables=self._variables,
                      stdio=tuple(stdio) if stdio else None, terminal=tuple(terminal) if terminal else None)
        try:
            running = self._hands.start(order)
        except (SidewallError, OSError, ValueError) as error:
            self._say(says.FAILED, **_failure(number, error))
            return
        self._commands[number] = running
        self._say(says.STARTED, id=number, pid=running.pid)
        running.watch(lambda end: self._ended(number, end))

    def _return(self, head: dict[str, Any]) -> None:
        """The last that is asked for, once or several times: no command starts any more."""
        self._due = LATER
        try:
            user = Sid(head["user"])
        except SidewallError:
            raise FrameError("the owner names a user that is none") from None
        try:
            count, first = self._hands.give_back(head["empty"], head["places"], user)
        except (SidewallError, OSError) as error:
            count, first = 1, error.message if isinstance(error, SidewallError) else error.strerror or str(error)
        self._say(says.RETURNED, count=count, first=_plain(first, LONGEST_MESSAGE))

    def _ended(self, number: int, end: End) -> None:
        try:
            self._say(says.ENDED, id=number, code=end.code, user=end.user, system=end.system, peak=end.peak)
        except SidewallError:
            return  # nobody listens any more: the reading thread sees that too

    def _about(self, kind: str, head: dict[str, Any]) -> None:
        running = self._commands.get(head["id"])
        if running is None:
            return  # it never started, or was forgotten
        if kind == says.SIGNAL:
            running.signal(head["code"], head["tree"])
        elif kind == says.RESIZE:
            running.resize(head["rows"], head["columns"])
        else:
            del self._commands[head["id"]]
            running.forget()


def _failure(number: int, error: BaseException) -> Mapping[str, Any]:
    """Why a command did not start, as the owner is told."""
    code, winerror, file, message = 0, 0, "", str(error)
    if isinstance(error, OSError):
        code = error.errno or 0
        winerror = getattr(error, "winerror", None) or 0
        file = error.filename if isinstance(error.filename, str) else ""
        message = error.strerror or message
    elif isinstance(error, SidewallError):
        message = error.message
    return {"id": number, "errno": min(max(code, 0), 4096), "winerror": winerror & 0xFFFFFFFF,
            "message": _plain(message, LONGEST_MESSAGE), "file": _plain(file, LONGEST_NAME)}


def _plain(text: str, most: int) -> str:
    return text.replace("\0", "")[:most]


__all__ = ["Channel", "Hands", "Order", "Running", "Service"]
