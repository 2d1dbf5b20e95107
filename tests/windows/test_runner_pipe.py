"""The owner's end of a runner's pipe: who is taken, who is sent away, and that neither goes on without end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sidewall.errors import MachineError
from sidewall.platforms.windows import runner_pipe
from sidewall.platforms.windows.constants_process import WAIT_OBJECT_0
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import WIN32

RUNNER, STRANGER = 4711, 4712


class Connecting:
    """An operation that is over."""

    event: Any = None

    def wait(self, milliseconds: int) -> bool:
        return True

    def __enter__(self) -> Connecting:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Kernel:
    """Pipes to which these processes come, one after another; 0 is one that goes again at once."""

    def __init__(self, *clients: int, endless: int = 0) -> None:
        self._coming = itertools.chain(clients, itertools.repeat(endless)) if endless else iter(clients)
        self._here = 0
        self.sent_away = 0

    def StartConnect(self, pipe: Handle) -> Connecting:
        self._here = next(self._coming)
        if not self._here:
            raise failure("ConnectNamedPipe", WIN32, runner_pipe.CAME_AND_WENT)
        return Connecting()

    def GetNamedPipeClientProcessId(self, pipe: Handle) -> int:
        return self._here

    def DisconnectNamedPipe(self, pipe: Handle) -> None:
        self.sent_away += 1

    def WaitForMultipleObjects(self, handles: Any, milliseconds: int) -> int:
        return WAIT_OBJECT_0


def accepted(kernel: Kernel) -> int:
    api: Any = type("Api", (), {"kernel32": kernel})()
    with Handle(1, lambda value: None, "a pipe") as pipe, Handle(2, lambda value: None, "a process") as process:
        return runner_pipe.accept(api, pipe, process, RUNNER)


def test_only_the_process_that_was_started_is_taken() -> None:
    kernel = Kernel(STRANGER, 0, STRANGER, RUNNER, STRANGER)
    assert accepted(kernel) == 3 == kernel.sent_away


@pytest.mark.parametrize("who", [STRANGER, RUNNER + 4])
def test_whoever_comes_again_and_again_does_not_hold_it_up_for_ever(monkeypatch: pytest.MonkeyPatch, who: int) -> None:
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr(runner_pipe.time, "monotonic", lambda: next(clock))
    kernel = Kernel(endless=who)
    with pytest.raises(MachineError, match=rf"process {RUNNER}\) does not come to its pipe") as caught:
        accepted(kernel)
    assert kernel.sent_away > 10 and str(kernel.sent_away) in caught.value.message and caught.value.hint
