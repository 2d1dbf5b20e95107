"""A cell leaves nothing: after a thousand commands, after fifty cells, after each kind of sudden death.

Knows: how the machine looked before.  Must not know: what the commands did.
"""

from __future__ import annotations

import ctypes
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.policy.protect import ONLY_PRESENT

from .conftest import refusal
from .machine import Machine, cell_processes, gone, no_spares, with_nonce
from .place import TIERS, Opened, Place, children, status

ROOT = Path(__file__).parents[3]
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever is written to the directory for temporary files is seen."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", os.fspath(directory))
    return directory


def test_a_thousand_commands(place: Place, tier: str, temporary: Path) -> None:
    place.open(tier).close()
    before = Machine(place, temporary=temporary)
    cell = place.open(tier)
    nonce = secrets.token_hex(8)
    env = cell.environment({b"NONCE": nonce.encode()})
    null = os.open("/dev/null", os.O_RDWR)
    for turn in range(1000):
        child = cell.cell.spawn(["true"], cwd=None, env=env, stdin=null, stdout=null, stderr=null, confirm=turn % 3 > 0)
        end = child.wait(20)
        assert end is not None and end.returncode == 0
        child.close()
    assert not with_nonce(nonce)
    assert not [pid for pid in children(cell.init) if status(pid).get("State", "")[:1] == "Z"]
    assert len(os.listdir("/proc/self/fd")) <= len(before.descriptors) + 12
    os.close(null)
    cell.close()
    after = Machine(place, temporary=temporary)
    assert after == before, before.differs(after)


def test_fifty_cells(place: Place, temporary: Path) -> None:
    tiers = [tier for tier in TIERS if not refusal(tier)]
    for tier in tiers:
        place.open(tier).close()
    before = Machine(place, temporary=temporary)
    nonce = secrets.token_hex(8)
    for turn in range(50):
        cell = place.open(tiers[turn % len(tiers)])
        assert cell.run("sleep 60 & echo up", env=cell.environment({b"NONCE": nonce.encode()})).output == "up\n"
        cell.close()
    after = Machine(place, temporary=temporary)
    assert after == before, before.differs(after)
    assert not with_nonce(nonce)


def test_a_cell_closed_at_once(place: Place, namespace: str) -> None:
    """The keeper may hear what to clean up only when all is over."""
    for _ in range(30):
        place.open(namespace).close()
        assert not list(place.work.iterdir())


def test_twenty_at_once_share_the_placeholders(place: Place, namespace: str, temporary: Path) -> None:
    place.open(namespace).close()
    before = Machine(place, temporary=temporary)
    cells: list[Opened] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                cells.append(place.open(namespace))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and len(cells) == 20
    random.Random(7).shuffle(cells)
    while cells:
        # Each that is left holds what it held when the others were there.
        tried = cells[-1].run("mkdir .vscode; touch .vscode/tasks.json .mcp.json/x; mkdir -p .git/hooks && echo hooks")
        assert not list((place.work / ".vscode").iterdir()), tried.output
        assert not list((place.work / ".git").iterdir())
        cells.pop().close()
    after = Machine(place, temporary=temporary)
    assert after == before, before.differs(after)


def test_the_last_cell_removes_what_a_wider_one_made(place: Place, namespace: str) -> None:
    names = [name for name in place.policy().protected if name not in ONLY_PRESENT]
    wide = place.open(namespace)
    narrow = place.open(namespace, protected=tuple(names[:2]))
    assert {entry.name for entry in place.work.iterdir()} >= set(names[:2])
    wide.close()
    assert narrow.run(f"mkdir {names[0]}").returncode != 0
    narrow.close()
    assert not list(place.work.iterdir())


def test_what_the_user_made_of_a_placeholder_stays(place: Place, namespace: str) -> None:
    cell = place.open(namespace)
    (place.work / ".vscode/settings.json").write_text("{}")
    (place.work / ".idea").rmdir()
    (place.work / ".idea").write_text("a file now")
    cell.close()
    assert {entry.name for entry in place.work.iterdir()} == {".vscode", ".idea"}
    assert (place.work / ".vscode/settings.json").read_text() == "{}"


def test_an_empty_directory_of_the_users_stays(place: Place, namespace: str) -> None:
    (place.work / ".vscode").mkdir()
    place.open(namespace).close()
    assert [entry.name for entry in place.work.iterdir()] == [".vscode"]


def test_a_failed_start_leaves_nothing(place: Place, namespace: str, temporary: Path) -> None:
    place.open(namespace).close()
    before = Machine(place, temporary=temporary)
    plan = place.plan(namespace)
    place.work.rename(place.home / "moved")
    place.work.mkdir()
    with pytest.raises(Exception, match="work"):
        place.backend.apply(plan)
    place.work.rmdir()
    (place.home / "moved").rename(place.work)
    after = Machine(place, temporary=temporary)
    assert after == before, before.differs(after)


@pytest.fixture
def orphans() -> Iterator[None]:
    """Whoever loses its parent becomes a child of the test, which can then see it end."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(0), 0, 0, 0)


def owner(place: Place, tier: str, nonce: str, way: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])}
    program = os.fspath(Path(__file__).with_name("owner.py"))
    process = subprocess.Popen(
        [sys.executable, program, os.fspath(place.base), tier, nonce, way],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def all_dead(pid: int, nonce: str) -> None:
    """Every process of a killed owner ends; those that became children of ours are waited for."""
    deadline = time.monotonic() + 10
    while True:
        left = cell_processes(pid) | with_nonce(nonce)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                left |= set(children(os.getpid()))
        except ChildProcessError:
            if not left:
                return
        assert time.monotonic() < deadline, [(one, status(one)) for one in left]
        time.sleep(0.005)


def test_the_owner_is_killed_at_random(place: Place, tier: str, temporary: Path, orphans: None) -> None:
    place.open(tier).close()
    before = Machine(place, temporary=temporary)
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    no_spares()
    for _ in range(6):
        nonce = secrets.token_hex(8)
        process = owner(place, tier, nonce, "loop")
        assert process.stdout is not None
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.wait(10)
        process.stdout.close()
        all_dead(process.pid, nonce)
    place.backend.recover()
    after = Machine(place, temporary=temporary)
    assert after == before, (seed, before.differs(after))


def told(process: subprocess.Popen[str]) -> tuple[int, int]:
    assert process.stdout is not None
    keeper, init = map(int, process.stdout.readline().split())
    return keeper, init


@pytest.mark.parametrize("victims", ["owner", "keeper", "init", "keeper and owner", "keeper, then owner"])
def test_a_death_during_a_command(
    place: Place, namespace: str, temporary: Path, orphans: None, victims: str
) -> None:
    place.open(namespace).close()
    before = Machine(place, temporary=temporary)
    nonce = secrets.token_hex(8)
    process = owner(place, namespace, nonce, "wait")
    keeper, init = told(process)
    assert len(with_nonce(nonce)) == 3
    assert (place.work / ".vscode").is_dir()
    pids = {"owner": [process.pid], "keeper": [keeper], "init": [init]}.get(victims, [keeper, process.pid])
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        if victims == "keeper, then owner":
            gone([keeper, init])
    if victims in ("keeper", "init"):
        gone(with_nonce(nonce) | {init})
        assert process.poll() is None
        process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()
    all_dead(process.pid, nonce)
    if "keeper" in victims:
        assert (place.work / ".vscode").is_dir()
        assert f"removed the placeholder {place.work}/.vscode" in place.backend.recover()
    assert not place.backend.recover()
    (place.work / "running").unlink()
    after = Machine(place, temporary=temporary)
    assert after == before, before.differs(after)


def test_a_keeper_killed_under_the_owner(place: Place, tier: str) -> None:
    """The owner learns of it at once, and closes as ever."""
    cell = place.open(tier)
    child = cell.start("sleep 60")
    os.kill(cell.keeper, signal.SIGKILL)
    if tier == "namespace":
        with pytest.raises(Exception, match="ended"):
            child.wait(10)
    cell.close()
    child.close()
    gone(cell_processes(os.getpid()))
    place.backend.recover()
    assert not list(place.work.iterdir())


def test_the_next_cell_takes_over_what_a_crash_left(place: Place, namespace: str, orphans: None) -> None:
    nonce = secrets.token_hex(8)
    process = owner(place, namespace, nonce, "wait")
    keeper, _init = told(process)
    for pid in (keeper, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()
    all_dead(process.pid, nonce)
    assert (place.work / ".vscode").is_dir()
    place.open(namespace).close()
    assert [entry.name for entry in place.work.iterdir()] == ["running"]


def test_a_kill_between_journal_and_directory(place: Place, namespace: str) -> None:
    """The journal is written first: what was only meant to be made, and was, is known."""
    cell = place.open(namespace)
    (journal,) = [path for path in (place.state / "sidewall/leases").iterdir() if path.name != "mutex"]
    cell.close()
    (place.work / ".vscode").mkdir()
    (place.work / ".idea").mkdir()
    journal.write_text(f"{place.work}\n.vscode\t?\n.claude\t?\n")
    assert place.backend.recover() == (f"removed the placeholder {place.work}/.vscode",)
    assert [entry.name for entry in place.work.iterdir()] == [".idea"]


def test_a_root_that_cannot_be_written_leaves_no_placeholder(place: Place, namespace: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is unwritable to root")
    plan = place.plan(namespace)
    place.work.chmod(0o555)
    try:
        with pytest.raises(Exception, match="protected name"):
            place.backend.apply(plan)
    finally:
        place.work.chmod(0o755)
    assert not list(place.work.iterdir())
    assert [path.name for path in (place.state / "sidewall/leases").iterdir()] == ["mutex"]


def test_a_fork_of_the_owner_ends_nothing(place: Place, tier: str) -> None:
    cell = place.open(tier)
    pid = os.fork()
    if pid == 0:
        try:
            cell.cell.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert cell.run("echo alive").output == "alive\n"


def test_a_spare_ends_with_its_owner(orphans: None) -> None:
    code = "from sidewall.platforms.linux import spare; spare.prepare(); s = spare._pool[0]; s.report(); print(s.pid)"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    gone([int(done.stdout)])
    no_spares()
