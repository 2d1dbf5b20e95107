"""What a sandbox writes to the audit log, and that it does not run unlogged when a log was asked for.

Knows: the log's reader.  Must not know: how a line is written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import sidewall
from sidewall import Sandbox
from sidewall.audit import reader


def test_each_command_is_logged(make: Callable[..., Sandbox], place: Path) -> None:
    sandbox = make(audit=place / "log")
    session = sandbox.run(["sh", "-c", "echo $0; exit 3", "a secret argument"], stdout=-1).session_id
    sandbox.start(["true"]).wait(30)
    with pytest.raises(sidewall.TimeoutExpired):
        sandbox.run(["sleep", "600"], timeout=0.1)
    with pytest.raises(FileNotFoundError):
        sandbox.run(["no-such-program"])
    sandbox.close()
    assert not reader.verify(str(place / "log")).problems
    events = list(reader.events(str(place / "log"), session=session))
    told = [(event["event"].rpartition(".")[2], event.get("number"), event.get("program"), event.get("returncode"))
            for event in events]
    names = [event["event"] for event in events]
    assert [entry[1:] for entry in told] == [(None, None, None), (1, "sh", None), (1, None, 3), (2, "true", None),
                                             (2, None, 0), (3, "sleep", None), (3, None, -9), (None, None, None)]
    assert names[1] == names[3] == names[5] and names[2] == names[4] == names[6] and names[0] != names[7]
    assert events[6]["timed_out"] is True and events[2]["timed_out"] is False
    assert set(events[0]["guarantees"]) == {line.name for line in sandbox._opening.guarantees}
    text = b"".join(file.read_bytes() for file in (place / "log").iterdir())
    assert b"secret argument" not in text


def test_nothing_is_logged_unless_asked(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    sandbox.run(["true"])
    assert not (place / "state/sidewall/audit").exists()


def test_the_users_own_log(make: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    with make(audit=True) as sandbox:
        sandbox.run(["true"])
    assert len(list(reader.events(str(place / "state/sidewall/audit")))) == 4


def test_a_log_that_commands_could_write_is_refused(make: Callable[..., Sandbox], workspace: Path) -> None:
    with pytest.raises(sidewall.UsageError):
        make(audit=workspace / "log").run(["true"])
    assert not (workspace / "log").exists()


@pytest.mark.usefixtures("descriptors")
def test_without_its_log_it_does_not_run(make: Callable[..., Sandbox], place: Path, workspace: Path) -> None:
    (place / "file").touch()
    sandbox = make(audit=place / "file" / "log")
    with pytest.raises(sidewall.MachineError) as caught:
        sandbox.run(["touch", "ran"])
    assert str(place / "file") in str(caught.value) and caught.value.hint
    assert not (workspace / "ran").exists()
    sandbox.close()
