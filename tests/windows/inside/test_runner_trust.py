"""Owner and runner: who is at the other end of the pipe, and what becomes of one that says what it must not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners
from tests.windows.inside.cells import SECONDS, run, start
from tests.windows.inside.false_runner import GREETING_LIES
from tests.windows.inside.test_cells import gone

from sidewall.errors import CellGone, MachineError
from sidewall.nt.sid import Sid
from sidewall.platforms.frames import encode
from sidewall.platforms.windows import account_cell, runner, runner_pipe
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows.account_cell import AccountCell, AccountChild
from sidewall.platforms.windows.constants_process import CREATE_NO_WINDOW, CREATE_SUSPENDED
from sidewall.platforms.windows.errors import Win32Error
from sidewall.platforms.windows.handles import Handle, ledger
from sidewall.platforms.windows.runner_owner import Runner
from sidewall.platforms.windows.startup import Started, StartInfo

KERNEL = runners.REAL.kernel32
FALSE = os.path.join(os.path.dirname(__file__), "false_runner.py")
SYSTEM = Sid("S-1-5-18")
MILLISECONDS = int(SECONDS * 1000)


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    return os.path.realpath(tmp_path)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    before = dict(ledger.open)
    yield
    assert ledger.open == before


def opened(workspace: str, launcher: runners.Launcher) -> AccountCell:
    made = runners.backend(launcher).apply(runners.plan(workspace))
    assert isinstance(made, AccountCell)
    return made


class Before(runners.Launcher):
    """Somebody else opens the pipe first, and stays or goes."""

    def __init__(self, *, stays: bool) -> None:
        super().__init__()
        self.stays = stays
        self.other: Handle | None = None

    def launch(self, *words: str) -> Started:
        self.other = KERNEL.CreateFileW(words[0], runner_pipe.TALK, files.OPEN_EXISTING, share=0)
        if not self.stays:
            self.other.close()
        return super().launch(*words)


@pytest.mark.parametrize("stays", [True, False])
def test_who_connects_first_and_is_not_the_runner_is_sent_away(workspace: str, stays: bool, nothing_left: None
                                                               ) -> None:
    launcher = Before(stays=stays)
    made = opened(workspace, launcher)
    assert run(made, "cmd", "/c", "exit 4")[0].returncode == 4
    if stays:
        assert launcher.other is not None
        assert KERNEL.ReadFile(launcher.other, 10) == b""
        launcher.other.close()
    made.close()


def test_a_name_that_is_taken_is_not_used(workspace: str, monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    name, me, launcher = runner_pipe.new_name(), runners.user(), runners.Launcher()
    monkeypatch.setattr(runner_pipe, "new_name", lambda: name)
    with runner_pipe.make(runners.REAL, name, me, me), pytest.raises(Win32Error):
        opened(workspace, launcher)
    assert launcher.started is None


class Server:
    """An owner of a runner, as far as the test goes."""

    def __init__(self, *, process: int | None = None, owner: Sid | None = None) -> None:
        me = runners.user()
        self.name = runner_pipe.new_name()
        self.pipe = runner_pipe.make(runners.REAL, self.name, me, me)
        self.started = runners.Launcher().launch(self.name, str(process or os.getpid()), owner or me)
        KERNEL.ResumeThread(self.started.thread)

    def talk(self) -> runner_pipe.Pipe:
        runner_pipe.accept(runners.REAL, self.pipe, self.started.process, self.started.process_id)
        return runner_pipe.Pipe(runners.REAL, self.pipe)

    def code(self) -> int:
        assert KERNEL.WaitForSingleObject(self.started.process, MILLISECONDS) == 0, "the runner goes on"
        return int(KERNEL.GetExitCodeProcess(self.started.process))

    def close(self) -> None:
        self.started.close()
        if not self.pipe.closed:
            self.pipe.close()


@pytest.mark.parametrize("wrong", [{"process": 4}, {"owner": SYSTEM}])
def test_a_runner_serves_nobody_but_its_owner(wrong: dict[str, object], nothing_left: None) -> None:
    server = Server(**wrong)  # type: ignore[arg-type]
    assert server.code() == runner.REFUSED
    server.close()


def test_a_command_line_that_is_none() -> None:
    me = str(runners.user())
    for words in ([], ["a", "1", me], [runner_pipe.new_name(), "x", me], [runner_pipe.new_name(), "1", "nobody"]):
        assert runner.main(words, runners.REAL) == runner.USAGE


HELLO = says.made(says.HELLO, version=says.VERSION, nonce="n")
BEFORE_COMMANDS = {
    "no frame": b"\xff" * 40, "a command at once": encode(says.START, {"id": 1}),
    "another word": HELLO + says.made(says.SETUP, echo="x", recipe={}, job={}, desktop=None, environment={}),
}


@pytest.mark.parametrize("said", BEFORE_COMMANDS.values(), ids=BEFORE_COMMANDS)
def test_a_runner_ends_when_its_owner_says_what_it_must_not(said: bytes, nothing_left: None) -> None:
    server = Server()
    pipe = server.talk()
    pipe.send(said)
    assert server.code() == runner.BROKEN
    pipe.close()
    server.close()


def test_a_runner_ends_with_the_pipe(nothing_left: None) -> None:
    server = Server()
    pipe = server.talk()
    pipe.send(HELLO)
    assert pipe.receive(MILLISECONDS)
    pipe.close()
    assert server.code() == runner.DONE
    server.close()


@pytest.mark.parametrize("lie", [*GREETING_LIES, "two answers", "an unknown facility"])
def test_a_runner_that_lies_before_commands_opens_no_cell(workspace: str, lie: str, nothing_left: None) -> None:
    launcher = runners.Launcher(FALSE, lie)
    with pytest.raises(MachineError) as caught:
        opened(workspace, launcher)
    assert "\x1b" not in str(caught.value)
    assert launcher.started is not None and gone(launcher.started.process_id)


@pytest.mark.parametrize("lie", ["an end", "cut off"])
def test_a_runner_that_ends_ends_its_cell(workspace: str, lie: str, nothing_left: None) -> None:
    launcher = runners.Launcher(FALSE, lie)
    made = opened(workspace, launcher)
    with pytest.raises(CellGone, match="runner has ended, with exit code") as caught:
        start(made, "cmd", "/c", "exit 0")
    assert str(caught.value).endswith("0x9" if lie == "an end" else "0x0")
    with pytest.raises(CellGone):
        start(made, "cmd", "/c", "exit 0")
    made.close()
    assert launcher.started is not None and gone(launcher.started.process_id)


class Script(runner_pipe.Pipe):
    """A pipe at whose other end the test sits: what is put into ``coming`` is read, until the process has ended."""

    def __init__(self, process: Handle) -> None:
        self.handle, self.process = process, process
        self.coming: Queue[bytes] = Queue()
        self.gone: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.gone.append(data)
        while not self.coming.empty():
            time.sleep(0)
        self.coming.put(self.answer)

    answer = b""

    def receive(self, milliseconds: int = 0) -> bytes:
        while KERNEL.WaitForSingleObject(self.process, 0) != 0:
            try:
                if data := self.coming.get(timeout=0.01):
                    return data
            except Empty:
                continue
        return b""

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def spoken(workspace: str) -> Iterator[tuple[AccountCell, Script]]:
    """A cell whose runner is a process that does nothing, for which the test speaks."""
    system = KERNEL.GetSystemDirectoryW()
    started = KERNEL.CreateProcessW(StartInfo(command_line="cmd", application=system + "\\cmd.exe",
                                              flags=CREATE_SUSPENDED | CREATE_NO_WINDOW))
    job = KERNEL.CreateJobObjectW()
    KERNEL.AssignProcessToJobObject(job, started.process)
    script = Script(started.process)
    plan = runners.plan(workspace)
    cell = AccountCell(runners.REAL, plan, Runner(runners.REAL, started, script), job=job, variables=None,
                       temporary="", watcher=None, undo=())
    yield cell, script
    cell.close()
    assert gone(started.process_id) and not cell.children


STARTED = says.made(says.STARTED, id=1, pid=4)
END = {"id": 1, "code": 0, "user": 0, "system": 0, "peak": 0}
LIES = {
    "an end of what never began": says.made(says.ENDED, **END | {"id": 77}),
    "an end before a beginning": says.made(says.ENDED, **END),
    "begun twice": STARTED * 2,
    "ended twice": STARTED + says.made(says.ENDED, **END) * 2,
    "a code that is none": STARTED + says.made(says.ENDED, **END | {"code": -1}),
    "a process that is none": says.made(says.STARTED, id=1, pid=True),
    "a kind of the owner's": encode(says.START, {}),
    "an answer to nothing": says.made(says.MADE, missing=[]),
    "a frame of no end": (1 << 31).to_bytes(4, "little"),
    "no frame": b"\xff" * 64,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_runner_that_lies_about_a_command_ends_its_cell(spoken: tuple[AccountCell, Script], lie: bytes,
                                                          nothing_left: None) -> None:
    cell, script = spoken
    script.answer = lie
    with pytest.raises(CellGone, match="said what it must not"):
        child = start(cell, "cmd")
        try:
            child.wait(SECONDS)
            start(cell, "cmd")
        finally:
            child.close()
    with pytest.raises(CellGone, match="said what it must not"):
        start(cell, "cmd")


def test_a_start_that_is_interrupted_is_ended(spoken: tuple[AccountCell, Script], monkeypatch: pytest.MonkeyPatch,
                                              nothing_left: None) -> None:
    def interrupted(child: AccountChild, seconds: float) -> bool:
        raise KeyboardInterrupt

    cell, script = spoken
    monkeypatch.setattr(AccountChild, "started", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(cell, "cmd")
    told = [frame for data in script.gone for frame in says.decoder(says.OWNER).feed(data)]
    assert [frame.kind for frame in told] == [says.START, says.SIGNAL, says.FORGET]
    assert says.checked(told[1], says.OWNER) == {"id": 1, "code": 1, "tree": True}


def test_what_a_runner_says_reaches_no_terminal(spoken: tuple[AccountCell, Script]) -> None:
    cell, script = spoken
    script.answer = says.made(says.FAILED, id=1, errno=2, winerror=2, message="a\x1b[2Jb", file="C:\\x\x07")
    with pytest.raises(FileNotFoundError) as caught:
        start(cell, "cmd")
    assert (caught.value.strerror, caught.value.filename) == ("a?[2Jb", "C:\\x?")


def test_a_runner_that_does_not_answer_is_ended(workspace: str, monkeypatch: pytest.MonkeyPatch, nothing_left: None
                                                ) -> None:
    monkeypatch.setattr(account_cell, "START_SECONDS", 0.2)
    launcher = runners.Launcher(FALSE, "nothing")
    made = opened(workspace, launcher)
    with pytest.raises(CellGone, match="does not answer"):
        start(made, "cmd")
    assert launcher.started is not None and gone(launcher.started.process_id)
    made.close()


def test_a_runner_that_does_not_end_a_command_is_ended(workspace: str, monkeypatch: pytest.MonkeyPatch,
                                                       nothing_left: None) -> None:
    monkeypatch.setattr(account_cell, "KILL_SECONDS", 0.2)
    launcher = runners.Launcher(FALSE, "a start and no more")
    made = opened(workspace, launcher)
    child = start(made, "cmd")
    child.signal(9, tree=True)
    with pytest.raises(CellGone, match="does not end"):
        child.wait(SECONDS)
    child.close()
    made.close()


def test_a_runner_that_ends_at_once_is_named_with_its_code(workspace: str, nothing_left: None) -> None:
    with pytest.raises(MachineError, match="exit code 9 ") as caught:
        opened(workspace, runners.Launcher("-c", "raise SystemExit(9)"))
    assert caught.value.hint


def test_a_runner_that_does_not_connect_is_ended(workspace: str, monkeypatch: pytest.MonkeyPatch, nothing_left: None
                                                 ) -> None:
    monkeypatch.setattr(runner_pipe, "CONNECT_SECONDS", 0.3)
    launcher, begun = runners.Launcher("-c", "import time; time.sleep(600)"), time.monotonic()
    with pytest.raises(MachineError, match="does not connect"):
        opened(workspace, launcher)
    assert launcher.started is not None and gone(launcher.started.process_id)
    assert time.monotonic() - begun < SECONDS


def test_a_start_that_fails_leaves_no_pipe(workspace: str, nothing_left: None) -> None:
    class Failing(runners.Launcher):
        def launch(self, *words: str) -> Started:
            raise MachineError("the account cannot be logged on")

    with pytest.raises(MachineError, match="cannot be logged on"):
        opened(workspace, Failing())
