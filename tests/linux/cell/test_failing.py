"""A cell that cannot be made: the error names the step, the path, the system's error and a remedy.

Knows: how to make each step fail for real.  Must not know: how init tells.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sysconfig
from pathlib import Path

import pytest
from tests.linux.cell.place import Place, rule

from sidewall.errors import MachineError, SystemCallError
from sidewall.platforms.linux import answers, stage
from sidewall.platforms.linux.spare import Spare
from sidewall.policy.model import DENY

LIBRARY = str(Path(sysconfig.get_paths()["stdlib"]).resolve())


def failure(place: Place, tier: str, **options: object) -> SystemCallError:
    with pytest.raises(SystemCallError) as caught:
        place.open(tier, **options)
    return caught.value


def test_the_interpreter_cannot_be_read_inside(place: Place, tier: str) -> None:
    error = failure(place, tier, rules=(rule(DENY, LIBRARY),))
    assert error.step == "interpreter" and error.call.startswith("import ")
    # What mounts hide is not there for root, and closed to everybody else.
    hidden = errno.ENOENT if tier == "namespace" and os.geteuid() == 0 else errno.EACCES
    assert error.target.startswith(LIBRARY) and error.errno == hidden
    assert f"{error.target}: {error.call}: {os.strerror(error.errno)} ({errno.errorcode[error.errno]})" in str(error)
    assert "the rule that denies" in error.hint


def test_the_workspace_is_replaced_meanwhile(place: Place, namespace: str) -> None:
    plan = place.plan(namespace)
    place.work.rename(place.home / "moved")
    place.work.mkdir()
    with pytest.raises(SystemCallError, match=r"was replaced|Stale") as caught:
        place.backend.apply(plan)
    assert (caught.value.step, caught.value.target) == ("writable", str(place.work))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_init_is_killed(place: Place, tier: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the memory killer, say, while it carries out the plan."""
    if tier == "namespace" and number != signal.SIGKILL:
        pytest.skip("the first process of a pid namespace takes no other from itself or outside")
    plan = place.plan(tier)
    real = answers.layers

    def kill(waiting: Spare) -> list[int]:
        pid = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children").read_text().split()[0]
        os.kill(int(pid), number)
        return real(waiting)

    monkeypatch.setattr(answers, "layers", kill)
    # It must not be done before: the plan comes after the signal.
    monkeypatch.setattr("sidewall.platforms.linux.backend._send", lambda *_words: None)
    with pytest.raises(MachineError, match=number.name) as caught:
        place.backend.apply(plan)
    assert ("memory" in caught.value.hint) == (number == signal.SIGKILL)


def test_the_keeper_is_killed_too(place: Place, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = place.plan(tier)
    monkeypatch.setattr("sidewall.platforms.linux.backend._send",
                        lambda waiting, *_words: os.kill(waiting.pid, signal.SIGKILL))
    with pytest.raises(MachineError, match="keeper ended") as caught:
        place.backend.apply(plan)
    assert "doctor" in caught.value.hint


@pytest.mark.parametrize(("error", "said"), [
    (OSError(errno.EPERM, "no", "prctl"), "step 'limits' /w: prctl: Operation not permitted (EPERM)"),
    (OSError(errno.ENOENT, "no", b"/etc/x"), "step 'limits' /etc/x: open: No such file or directory (ENOENT)"),
    (OSError(errno.EACCES, "no", "openat2", None, b"/y"), "step 'limits' /y: openat2: Permission denied (EACCES)"),
    (ValueError("odd"), "step 'limits' /w: ValueError: odd"),
])
def test_what_init_says_is_what_the_owner_hears(error: Exception, said: str) -> None:
    """Also in the place of its report, before there is a plan."""
    waiting = Spare(())
    waiting.control.close()
    waiting.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here = stage.Stage()
    here.at("limits", "/w")
    here.tell(theirs, error)
    theirs.close()
    here.tell(theirs, error)
    with pytest.raises(SystemCallError) as caught:
        waiting.report()
    assert str(caught.value) == f"cannot make the cell: {said}"
