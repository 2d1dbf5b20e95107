"""Ctrl-Break, the end of the console, its size: what becomes of the command.

Knows: control events, consoles.  Must not know: how a tree is ended.
Where this system does not send an event, what is registered for it is called as the system would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside.cells import opened, start
from tests.windows.inside.test_command_line import Survivor

from sidewall.cli.control import Supervisor
from sidewall.platforms.windows import constants_process as constants
from sidewall.session.system import POLLIN, pipe, poll

HERE = Path(__file__).parent
SECONDS = 60.0


def program(name: str, *words: str, workspace: Path) -> dict[str, object]:
    """What a program beside this one wrote down."""
    result = workspace.parent / "result.json"
    done = subprocess.run([sys.executable, HERE / name, *words], timeout=120, capture_output=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, object] = json.loads(result.read_text("utf-8"))
    return told


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = Path(os.path.realpath(tmp_path)) / "work"
    made.mkdir()
    return made


@pytest.mark.parametrize("event", [constants.CTRL_BREAK_EVENT, constants.CTRL_CLOSE_EVENT,
                                   constants.CTRL_LOGOFF_EVENT, constants.CTRL_SHUTDOWN_EVENT],
                         ids=["break", "close", "logoff", "shutdown"])
def test_an_event_ends_the_tree(workspace: Path, event: int) -> None:
    """The last three hold the system up until everything is given back: when they return, the process ends."""
    left = Survivor(workspace)
    cell = opened(str(workspace))
    reading, writing = pipe()
    supervisor = Supervisor(SimpleNamespace(flows=(), inward=None))  # type: ignore[arg-type]
    supervisor.listen()
    try:
        child = start(cell, *left.command, stdout=writing)
        os.close(writing)
        supervisor.begin(child)
        poller = poll()
        poller.register(reading, POLLIN)
        assert poller.poll(SECONDS * 1000) and os.read(reading, 5) == b"begun"
        handler = threading.Thread(target=supervisor._control, args=(event,), daemon=True)
        handler.start()
        assert supervisor.wait().returncode not in (0, 125)
        child.close()
        assert not left.lives()
        if event == constants.CTRL_BREAK_EVENT:
            handler.join(SECONDS)
            assert not handler.is_alive()
        else:
            assert handler.is_alive()
            supervisor._over.release()
            handler.join(SECONDS)
    finally:
        supervisor.leave()
        cell.close()
        os.close(reading)


def test_a_console_that_is_closed_ends_the_run(workspace: Path) -> None:
    left = Survivor(workspace)
    told = program("at_close.py", str(workspace), str(workspace.parent / "result.json"), *left.command,
                   workspace=workspace)
    assert told["begun"], told
    # Its code is not said: this system may end all that is at a console before any of it hears of the event.
    assert told["code"] is not None, told
    assert not left.lives()


def test_a_new_size_of_the_console_is_told(workspace: Path) -> None:
    told = program("at_size.py", str(workspace.parent / "result.json"), workspace=workspace)
    if told["now"] == told["before"]:
        pytest.skip("the console of this system keeps its size")
    assert told["told"] == [told["wanted"]], told


