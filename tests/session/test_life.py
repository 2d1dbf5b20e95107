"""The life of a sandbox: opened once at first use, shared by threads, closed for good, owned by one process.

Knows: what may happen around a sandbox.  Must not know: how a cell is made.
"""

from __future__ import annotations

import gc
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import Policy, Sandbox
from sidewall.policy.model import WRITE, FileRule
from sidewall.session.opening import machine_cell


@pytest.fixture
def cells() -> list[Any]:
    """The cells that ``counted`` has opened."""
    return []


@pytest.fixture
def counted(how: dict[str, Any], cells: list[Any]) -> Callable[..., Any]:
    """An opener, slowed down so that a second opening would have the time to begin."""
    opener = how.get("opener", machine_cell)

    def one(policy: Policy, tier: str) -> Any:
        time.sleep(0.1)
        cells.append(opener(policy, tier))
        return cells[-1]

    return one


def test_making_one_does_nothing(workspace: Path) -> None:
    """Not even a missing workspace, a wrong tier or a file that is no policy matters before the first use."""
    events: list[str] = []
    recording = True
    sys.addaudithook(lambda name, _: events.append(name) if recording and name.split(".")[0] in (
        "open", "os", "subprocess", "socket", "ctypes") else None)
    made = [Sandbox(workspace="/no/such/place", tier="none such"), Sandbox("no-such.toml"), Sandbox(":none-such")]
    recording = False
    assert events == []
    for sandbox in made:
        with pytest.raises(sidewall.SidewallError):
            sandbox.run(["true"])
        sandbox.close()


def test_first_use_by_many_threads_makes_one_cell(make: Callable[..., Sandbox], counted: Any,
                                                  cells: list[Any]) -> None:
    sandbox = make(opener=counted)
    assert cells == []
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: sandbox.run(["sh", "-c", f"exit {number}"]).returncode, range(8)))
    assert (codes, len(cells)) == (list(range(8)), 1)


def test_eight_threads_at_once(sandbox: Sandbox) -> None:
    def work(number: int) -> list[bytes]:
        return [sandbox.run(["sh", "-c", f"cat; echo {number} {turn}; exit {turn}"], input=b"%d " % number,
                            capture_output=True).stdout for turn in range(12)]

    with ThreadPoolExecutor(8) as pool:
        for number, outputs in enumerate(pool.map(work, range(8))):
            assert outputs == [b"%d %d %d\n" % (number, number, turn) for turn in range(12)]


def test_closed_is_closed(sandbox: Sandbox) -> None:
    sandbox.run(["true"])
    sandbox.close()
    sandbox.close()
    for use in (lambda: sandbox.run(["true"]), lambda: sandbox.start(["true"]), lambda: sandbox.read_bytes("x"),
                lambda: sandbox.environment):
        with pytest.raises(sidewall.CellGone) as caught:
            use()
        assert caught.value.hint
    Sandbox(sandbox.policy).close()  # one that was never opened


def test_closing_ends_what_runs(sandbox: Sandbox) -> None:
    process = sandbox.start(["sleep", "600"])
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            sandbox.run(["sleep", "600"])
        except sidewall.CellGone as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    sandbox.close()
    thread.join(30)
    assert len(raised) == 1
    with pytest.raises(sidewall.CellGone):
        process.wait(30)


def test_kill_ends_everything_and_a_new_cell_follows(sandbox: Sandbox, survivor: Any) -> None:
    sandbox.run(["sh", "-c", f"{survivor.script} > /dev/null 2>&1 &"])
    first = sandbox.session_id
    sandbox.kill()
    sandbox.kill()
    assert sandbox.run(["echo", "again"], stdout=-1).stdout == b"again\n"
    assert sandbox.session_id != first
    assert not survivor.survives()


@pytest.mark.usefixtures("descriptors")
def test_a_forgotten_sandbox_is_closed(how: dict[str, Any], workspace: Path) -> None:
    sandbox = Sandbox(workspace=workspace, **how)
    process = sandbox.start(["sleep", "600"], stdout=None, stderr=None)
    ended = os.dup(process._child.status_fd)
    del sandbox, process
    gc.collect()
    assert select.select([ended], [], [], 30)[0]
    os.close(ended)


def test_a_fork_neither_uses_nor_ends_it(sandbox: Sandbox) -> None:
    sandbox.run(["true"])
    pid = os.fork()
    if not pid:
        code = 1
        try:
            sandbox.run(["true"])
        except sidewall.UsageError:
            sandbox.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox.run(["echo", "still"], stdout=-1).stdout == b"still\n"


def test_a_workspace_that_vanishes(sandbox: Sandbox, workspace: Path) -> None:
    sandbox.run(["true"])
    shutil.rmtree(workspace)
    try:
        outcome = str(sandbox.run(["pwd"], capture_output=True).returncode in (0, 1))  # a mount keeps it there
    except FileNotFoundError as error:
        outcome = error.filename
    assert outcome in ("True", str(workspace.resolve()))


def test_a_complete_policy(make: Callable[..., Sandbox], workspace: Path) -> None:
    base = make().policy
    policy = base.replace(files=(*base.files, FileRule(path=str(workspace / "no"), access="read")))
    (workspace / "no").mkdir()
    sandbox = make(policy, environ={"A": "b"}, limits=sidewall.Limits(output_bytes=3))
    assert sandbox.policy.environ.set[-1] == ("A", "b") and sandbox.policy.files == policy.files
    assert sandbox.run(["printf", "abcdef"], stdout=-1).stdout == b"abc"
    assert any(rule.access == WRITE for rule in sandbox.policy.files)
    for wrong in ({"write": ["/x"]}, {"profile": ":read-only"}, {"workspace": "/"}, {"network": "on"}):
        with pytest.raises(sidewall.UsageError):
            Sandbox(policy, **wrong)
    with pytest.raises(sidewall.UsageError):
        Sandbox(":workspace", profile=":read-only")


def test_one_shot(how: dict[str, Any], workspace: Path) -> None:
    given = {"workspace": workspace, **how}
    done = sidewall.run(["sh", "-c", "echo $A; pwd -P"], environ={"A": "b"}, capture_output=True, text=True, **given)
    assert done.stdout == f"b\n{workspace.resolve()}\n"
    with pytest.raises(subprocess.CalledProcessError):
        sidewall.run(["false"], check=True, **given)
