"""The runner's conversation as it is, over a socket pair, with commands of this system: order, answers, what ends it.

Knows: the frames of both sides.  Must not know: Windows; who prepares and starts stands in for it, with real processes.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.windows.test_runner_messages import ONE

from sidewall.errors import MachineError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_unenforced import RESTRICTING, Unenforced
from sidewall.platforms.frames import Frame, FrameError, encode
from sidewall.platforms.windows import environment, runner_parts
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.commands import End
from sidewall.platforms.windows.runner_parts import Parts
from sidewall.platforms.windows.runner_service import Order, Service

if sys.platform == "win32":
    pytest.skip("commands of a POSIX system are needed", allow_module_level=True)

SECONDS = 30.0
ME = str(ONE.recipe.user)


class Running:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process, self.pid, self.sizes = process, process.pid, list[tuple[int, int]]()

    def watch(self, told: Callable[[End], object]) -> None:
        threading.Thread(target=lambda: told(End(code=self.process.wait(SECONDS) & 0xFFFFFFFF))).start()

    def signal(self, code: int, tree: bool) -> None:
        self.process.kill()

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def forget(self) -> None:
        self.sizes.append((0, 0))


class Hands:
    """Starts commands of this system; notes what it was asked for."""

    user, restricted = ME, False

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.running: list[Running] = []
        self.failing: Exception | None = None

    def prepare(self, parts: Parts) -> tuple[Unenforced, ...]:
        self.told.append(parts)
        if self.failing is not None:
            raise self.failing
        return (Unenforced(facility=RESTRICTING, reason="why " + "x" * 1000),)

    def probe(self, target: str) -> tuple[Unenforced, ...]:
        self.told.append(target)
        return ()

    def finish(self) -> tuple[Unenforced, ...]:
        return ()

    def private(self, path: str) -> None:
        self.told.append(path)

    def give_back(self, empty: Sequence[str], places: Sequence[str], user: Sid) -> tuple[int, str]:
        self.told.append((empty, places, user))
        if self.failing is not None:
            raise self.failing
        for one in self.running:
            one.process.kill()
        return len(places), "".join(places)

    def start(self, order: Order) -> Running:
        self.told.append(order)
        assert order.stdio is not None
        try:
            made = Running(subprocess.Popen(order.argv, cwd=order.directory, stdin=order.stdio[0],
                                            stdout=order.stdio[1], stderr=order.stdio[2],
                                            env=environment.unpacked(order.variables)))
        finally:
            for fd in order.stdio:
                os.close(fd)
        self.running.append(made)
        return made


class Channel:
    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, data: bytes) -> None:
        try:
            self.end.sendall(data)
        except OSError as error:
            raise MachineError(str(error)) from None

    def receive(self) -> bytes:
        return self.end.recv(100)


class Talk:
    """The owner's side; ``over`` is how the service ended."""

    def __init__(self) -> None:
        self.mine, theirs = socket.socketpair()
        self.mine.settimeout(SECONDS)
        self.hands, self.over = Hands(), list[Exception | None]()
        self.decoder, self.frames = says.decoder(says.RUNNER), list[Frame]()
        self.service = Service(Channel(theirs), self.hands, "theirs")
        self.thread = threading.Thread(target=self._serve, args=(theirs,))
        self.thread.start()

    def _serve(self, theirs: socket.socket) -> None:
        try:
            self.service.serve()
            self.over.append(None)
        except Exception as error:
            self.over.append(error)
        finally:
            theirs.close()

    def say(self, kind: str, **head: Any) -> None:
        self.mine.sendall(says.made(kind, **head))

    def hear(self, kind: str) -> dict[str, Any]:
        while not self.frames:
            data = self.mine.recv(65536)
            assert data, f"the service has ended: {self.over}"
            self.frames += self.decoder.feed(data)
        frame = self.frames.pop(0)
        assert frame.kind == kind, frame
        return says.checked(frame, says.RUNNER)

    def ended(self) -> Exception | None:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        return self.over[0]

    def close(self) -> Exception | None:
        self.mine.close()
        return self.ended()

    def open(self) -> None:
        """All that comes before commands."""
        self.say(says.HELLO, version=says.VERSION, nonce="mine")
        assert self.hear(says.GREETING)["echo"] == "mine"
        self.say(says.SETUP, echo="theirs", **runner_parts.told(ONE))
        self.hear(says.MADE)
        self.say(says.TRY, target="C:\\x")
        self.hear(says.TRYING)
        self.say(says.TRIED)
        self.hear(says.DONE)
        self.say(says.PRIVATE, path="C:\\t")

    def start(self, number: int, *argv: str, out: int = -1, variables: bytes | None = b"A=1") -> None:
        ends = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
        if out >= 0:
            os.dup2(out, ends[1])
        head = {"id": number, "argv": list(argv), "directory": "/", "fresh": variables is not None, "stdio": ends,
                "terminal": None}
        self.mine.sendall(encode(says.START, head, variables or b""))


@pytest.fixture
def talk() -> Iterator[Talk]:
    made = Talk()
    yield made
    made.close()
    for one in made.hands.running:
        one.process.kill()
        one.process.wait(SECONDS)


def test_a_conversation(talk: Talk) -> None:
    talk.open()
    reading, writing = os.pipe()
    talk.start(1, "/bin/sh", "-c", "echo $A$B; exit 7", out=writing, variables=b"A=1\0B=2")
    talk.start(5, "/bin/sh", "-c", "echo $A$B", out=writing, variables=None)
    os.close(writing)
    heard = {}
    kinds = []
    for _ in range(4):
        while not talk.frames:
            talk.frames += talk.decoder.feed(talk.mine.recv(65536))
        frame = talk.frames.pop(0)
        head = says.checked(frame, says.RUNNER)
        kinds.append((head["id"], frame.kind))
        if frame.kind == says.ENDED:
            heard[head["id"]] = head["code"]
    assert heard == {1: 7, 5: 0} and talk.hands.told[:3] == [ONE, "C:\\x", "C:\\t"]
    assert kinds.index((1, says.STARTED)) < kinds.index((1, says.ENDED)) and (5, says.STARTED) in kinds
    with os.fdopen(reading) as out:
        assert sorted(out.read().split()) == ["12", "12"]
    assert talk.close() is None


def test_commands_are_signalled_resized_forgotten_by_number(talk: Talk) -> None:
    talk.open()
    talk.start(1, "/bin/sleep", "600")
    talk.hear(says.STARTED)
    for number in (1, 99):
        talk.say(says.RESIZE, id=number, rows=2, columns=3)
        talk.say(says.SIGNAL, id=number, code=1, tree=True)
        talk.say(says.FORGET, id=number)
    assert talk.hear(says.ENDED)["code"] == -9 & 0xFFFFFFFF
    talk.say(says.SIGNAL, id=1, code=1, tree=True)
    talk.start(2, "/bin/true")
    talk.hear(says.STARTED)
    assert talk.hands.running[0].sizes == [(2, 3), (0, 0)]


def test_a_start_that_fails_is_told_as_it_was_raised(talk: Talk) -> None:
    talk.open()
    talk.start(1, "/no/such/program")
    assert talk.hear(says.FAILED) == {"id": 1, "errno": 2, "winerror": 0, "message": os.strerror(2),
                                      "file": "/no/such/program"}
    talk.start(2, "/bin/true")
    talk.hear(says.STARTED)


def test_at_the_end_the_account_lets_the_user_in_and_starts_nothing_more(talk: Talk) -> None:
    talk.open()
    talk.start(1, "/bin/sleep", "600")
    talk.hear(says.STARTED)
    talk.say(says.RETURN, empty=["C:\\t"], places=[], user=ME)
    kinds = {}
    while len(kinds) < 2:
        while not talk.frames:
            talk.frames += talk.decoder.feed(talk.mine.recv(65536))
        frame = talk.frames.pop(0)
        kinds[frame.kind] = says.checked(frame, says.RUNNER)
    assert kinds[says.RETURNED] == {"count": 0, "first": ""} and kinds[says.ENDED]["code"]
    talk.say(says.FORGET, id=1)
    talk.say(says.RETURN, empty=[], places=["C:\\" + "🐈" * 3000], user=ME)
    told = talk.hear(says.RETURNED)
    assert told["count"] == 1 and len(told["first"]) == 2000
    for error in (MachineError("y" * 5000), OSError(5, "🐈" * 9000)):
        talk.hands.failing = error
        talk.say(says.RETURN, empty=[], places=[], user=ME)
        told = talk.hear(says.RETURNED)
        assert told["count"] == 1 and len(told["first"]) == 2000
    assert talk.hands.told[-1] == ([], [], ME)
    talk.start(2, "/bin/true")
    assert isinstance(talk.ended(), FrameError) and len(talk.hands.running) == 1


@pytest.mark.parametrize("change", [{"user": "nobody"}, {"user": 1}, {"empty": "C:\\"}, {"places": ["a\0"]},
                                    {"places": ["x"] * (says.MOST_PLACES + 1)}, {"more": 1}], ids=str)
def test_what_is_no_request_to_return_is_not_done(talk: Talk, change: dict[str, Any]) -> None:
    talk.open()
    talk.mine.sendall(encode(says.RETURN, {"empty": [], "places": [], "user": ME, **change}))
    assert isinstance(talk.ended(), FrameError) and talk.hands.told[-1] == "C:\\t"


def test_what_cannot_be_prepared_is_said_and_may_be_asked_again(talk: Talk) -> None:
    talk.say(says.HELLO, version=says.VERSION, nonce="mine")
    talk.hear(says.GREETING)
    talk.hands.failing = MachineError("no " + "y" * 5000, hint="do this")
    talk.say(says.SETUP, echo="theirs", **runner_parts.told(ONE))
    told = talk.hear(says.UNABLE)
    assert told["message"].startswith("no yy") and told["hint"] == "do this"
    talk.hands.failing = None
    talk.say(says.SETUP, echo="theirs", **runner_parts.told(ONE))
    ((facility, reason),) = talk.hear(says.MADE)["missing"]
    assert facility == RESTRICTING and reason.startswith("why x") and len(reason) == 250


def test_whatever_is_said_the_owner_has_room_for_it(talk: Talk) -> None:
    talk.open()
    talk.start(1, "/" + "🐈" * 900)
    told = talk.hear(says.FAILED)
    assert told["errno"] == errno.ENAMETOOLONG and told["file"].startswith("/🐈🐈")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk.hands, "start", raising(OSError(5, "🐈" * 9000, "🐈" * 9000)))
        talk.start(2, "/bin/true")
        assert len(talk.hear(says.FAILED)["message"]) == 2000
        patch.setattr(talk.hands, "start", raising(MachineError("🐈" * 9000)))
        talk.start(3, "/bin/true")
        assert talk.hear(says.FAILED)["errno"] == 0


def raising(error: Exception) -> Callable[[Order], Running]:
    def start(order: Order) -> Running:
        for fd in order.stdio or ():
            os.close(fd)
        raise error

    return start


OUT_OF_ORDER = {
    "a command first": (says.START, {"id": 1}),
    "no greeting": (says.SETUP, {"echo": "theirs", **runner_parts.told(ONE)}),
    "the last things": (says.RETURN, {"empty": ["C:\\"], "places": ["C:\\"], "user": ME}),
    "an answer": (says.ENDED, {"id": 1, "code": 0, "user": 0, "system": 0, "peak": 0}),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_what_does_not_come_first_ends_it(talk: Talk, name: str) -> None:
    kind, head = OUT_OF_ORDER[name]
    talk.mine.sendall(encode(kind, head))
    assert isinstance(talk.ended(), FrameError)
    assert not talk.hands.told


@pytest.mark.parametrize(("name", "change"), [
    ("echo", {"echo": "other"}), ("job", {"job": {}}), ("more", {"more": 1}), ("desktop", {"desktop": {"station": ""}}),
])
def test_a_plan_that_is_none_is_not_made(talk: Talk, name: str, change: dict[str, Any]) -> None:
    talk.say(says.HELLO, version=says.VERSION, nonce="mine")
    talk.hear(says.GREETING)
    talk.say(says.SETUP, **{"echo": "theirs", **runner_parts.told(ONE), **change})
    assert isinstance(talk.ended(), FrameError) and not talk.hands.told


def test_another_version_is_answered_and_left(talk: Talk) -> None:
    talk.say(says.HELLO, version=99, nonce="mine")
    assert talk.hear(says.GREETING)["version"] == says.VERSION
    assert "version 99" in str(talk.ended())


GOOD = {"id": 3, "argv": ["/bin/true"], "directory": "/", "fresh": True, "stdio": [1, 2, 3], "terminal": None}


@pytest.mark.parametrize("change", [
    {"id": 0}, {"id": True}, {"argv": []}, {"argv": ["a\0b"]}, {"argv": "sh"}, {"stdio": [1, 2]}, {"stdio": [1, 2, 0]},
    {"stdio": None}, {"terminal": [1, 1, 4, 4]}, {"stdio": [1, 2, 2**64]}, {"fresh": False}, {"fresh": 1},
    {"directory": None}, {"more": 1},
], ids=str)
def test_a_command_that_is_none_is_not_started(talk: Talk, change: dict[str, Any]) -> None:
    talk.open()
    talk.mine.sendall(encode(says.START, {**GOOD, **change}, b"A=1"))
    assert isinstance(talk.ended(), FrameError)
    assert not talk.hands.running


def test_a_number_is_used_once(talk: Talk) -> None:
    talk.open()
    talk.start(2, "/bin/true")
    talk.hear(says.STARTED)
    talk.start(1, "/bin/true")
    assert "again" in str(talk.ended())


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_bytes_of_any_kind_end_it_or_wait(pieces: list[bytes], when: int) -> None:
    made = Talk()
    if when == 0:
        made.open()
    for piece in pieces:
        try:
            made.mine.sendall(piece)
        except OSError:
            break
    over = made.close()
    assert over is None or isinstance(over, (FrameError, OSError))
    assert not made.hands.running


def test_an_owner_that_ends_in_the_middle_of_a_frame(talk: Talk) -> None:
    talk.mine.sendall(says.made(says.HELLO, version=1, nonce="n")[:-1])
    assert "middle" in str(talk.close())
