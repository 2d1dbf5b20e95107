"""What the owner asks of the runner at the end: how it is asked, what an answer is, and that nobody waits for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sidewall.nt.sid import Sid
from sidewall.platforms.frames import Frame, FrameError
from sidewall.platforms.windows import account_leaving
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.account_leaving import Leaving
from sidewall.platforms.windows.runner_pipe import PipeGone

ME = Sid("S-1-5-21-1-2-3-1001")


class Runner:
    """Answers each request in a thread of its own with what it was given; nothing for None."""

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.leaving = Leaving(self, ME)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        (frame,) = says.decoder(says.OWNER).feed(data)
        self.asked.append(says.checked(frame, says.OWNER, among=says.RETURN))
        answer = self.answers.pop(0)
        if answer is not None:
            threading.Thread(target=lambda: self.leaving.heard(Frame(kind=says.RETURNED, head=answer))).start()


def test_what_is_asked_and_what_is_said_of_the_answer() -> None:
    runner = Runner({"count": 0, "first": ""}, {"count": 1, "first": "C:\\x: denied\x1b[2J"},
                    {"count": 3, "first": "C:\\y: why"})
    assert runner.leaving.leave(["C:\\t"]) == ""
    assert runner.leaving.let_in(["C:\\x"]) == "C:\\x: denied?[2J", "nothing that a terminal obeys"
    assert runner.leaving.let_in(["C:\\y"]) == "C:\\y: why, and 2 more"
    assert [(one["empty"], one["places"], one["user"]) for one in runner.asked] == [
        (["C:\\t"], [], str(ME)), ([], ["C:\\x"], str(ME)), ([], ["C:\\y"], str(ME))]


def test_many_places_are_asked_for_in_frames_that_fit() -> None:
    places = [f"C:\\{number}" for number in range(700)] + ["C:\\" + "🐈" * 30_000 for _ in range(20)]
    runner = Runner(*[{"count": 0, "first": ""}] * 40)
    assert runner.leaving.let_in(places) == ""
    assert [path for one in runner.asked for path in one["places"]] == places
    assert max(len(one["places"]) for one in runner.asked) <= says.MOST_PLACES


def test_a_runner_that_does_not_answer_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_leaving, "SECONDS", 0.2)
    runner = Runner(None)
    assert runner.leaving.leave([]) == account_leaving.SLOW
    assert runner.leaving.let_in(["C:\\x"]) == account_leaving.SLOW and len(runner.asked) == 1


def test_a_runner_that_ends_while_it_is_asked() -> None:
    runner = Runner(None)
    threading.Timer(0.05, runner.leaving.over).start()
    assert runner.leaving.leave([]) == account_leaving.GONE
    assert runner.leaving.leave([]) == account_leaving.GONE and len(runner.asked) == 1


def test_a_pipe_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(data: bytes) -> None:
        raise PipeGone("the pipe has ended")

    runner = Runner()
    monkeypatch.setattr(runner, "send", send)
    assert runner.leaving.leave([]) == "the pipe has ended"


def test_who_hears_the_answers_does_not_wait_for_one() -> None:
    """The last who wants a cell may be the thread that listens."""
    runner = Runner()
    assert not runner.leaving.heard(Frame(kind=says.ENDED, head={}))
    assert runner.leaving.leave([]) == account_leaving.GONE and not runner.asked


@pytest.mark.parametrize("head", [{"count": 0, "first": ""}, {"count": -1, "first": ""}, {"count": 0}])
def test_an_answer_that_nobody_asked_for_or_that_is_none(head: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        Runner().leaving.heard(Frame(kind=says.RETURNED, head=head))
