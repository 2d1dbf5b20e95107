"""Nothing of a scene stays: what is left is seen, what was told to stop is waited for, what does not stop is ended.

Knows: scenes, and what their owners can leave.  Must not know: what is attacked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.verify import leftovers, scene_linux, strays
from sidewall.verify import scene as scenes

from .remains import remains

SLEEP = "import time; print(flush=True); time.sleep(60)"
SECONDS = 20


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test starts; they end with it."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.communicate(timeout=SECONDS)


def start(started: list[subprocess.Popen[bytes]], source: str, *words: str, mark: str = "") -> subprocess.Popen[bytes]:
    environ = {"PATH": os.environ["PATH"], **({strays.VARIABLE: mark} if mark else {})}
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", source, *words], env=environ,
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    started.append(process)
    assert process.stdout is not None and process.stdout.readline() == b"\n"
    return process


def test_whatever_stays_is_seen(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    mine = os.getpid()
    unique = leftovers.name(leftovers.fresh("/"))
    assert remains(mine, tmp_path) == []
    files = [tmp_path / f".{unique}", Path(tempfile.gettempdir(), unique), Path("/dev/shm", f"{unique}-x")]
    try:
        for file in files:
            file.touch()
        named = start(started, SLEEP, f"/home/.{unique}/stop")
        marked = start(started, SLEEP, mark=unique)
        assert remains(mine, tmp_path) == sorted([*map(os.fspath, files), f"process {named.pid}",
                                                  f"process {marked.pid}"])
        assert remains(1, tmp_path) == []
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def test_a_scene_is_its_owners_from_beginning_to_end(tmp_path: Path) -> None:
    with scenes.make(os.fspath(tmp_path)) as scene:
        scene.victims(2)
        seen = "\n".join(remains(os.getpid(), tmp_path))
        wanted = [scene.base, os.path.join(tempfile.gettempdir(), scene.targets["unique"]), "/dev/shm/", "process ",
                  "socket @"]
        wanted += [] if "key" in scene.absent else ["key "]
        assert [each for each in wanted if each not in seen] == [], seen
    assert remains(os.getpid(), tmp_path) == []


def running(process: int) -> bool:
    """Whether it is there, and not only its number until somebody collects it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_victims_end_with_the_scene_however_soon_that_is(tmp_path: Path) -> None:
    for _ in range(5):
        with scenes.make(os.fspath(tmp_path)) as scene:
            victims = scene.victims(40)
        assert [each for each in victims if running(each)] == []


LEAVES = """
import os, time
if os.fork() == 0:
    os.setsid()
    print(flush=True)
    os.closerange(0, 3)
    end = time.monotonic() + 20
    while {until} and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    os._exit(0)
"""


def test_what_was_told_to_stop_has_stopped_when_the_scene_is_gone(tmp_path: Path) -> None:
    scene = scenes.make(os.fspath(tmp_path))
    source = LEAVES.format(until=f"not os.path.exists({scene.base!r} + '/stop')")
    subprocess.run([sys.executable, "-I", "-S", "-c", source], env=scene.environ(), timeout=SECONDS, check=True,
                   stdout=subprocess.PIPE)
    assert len(strays.marked(scene.targets["unique"])) == 1
    scene.close()
    assert strays.marked(scene.targets["unique"]) == [] and remains(os.getpid(), tmp_path) == []


def test_what_does_not_stop_is_ended_and_nobody_else_is(tmp_path: Path,
                                                         started: list[subprocess.Popen[bytes]]) -> None:
    unique = leftovers.name(leftovers.fresh(os.fspath(tmp_path)))
    stubborn = start(started, f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEP}", mark=unique)
    another = start(started, SLEEP, mark=leftovers.name(leftovers.fresh(os.fspath(tmp_path))))
    looking = start(started, SLEEP, f"ls {tmp_path}/.{unique}")
    began = time.monotonic()
    strays.wait(unique, stops=0.05)
    assert stubborn.wait(SECONDS) == -9
    assert time.monotonic() - began >= 0.05
    assert another.poll() is None and looking.poll() is None


def test_a_killed_owners_scene_goes_with_its_processes(tmp_path: Path,
                                                       started: list[subprocess.Popen[bytes]]) -> None:
    source = (f"import sys; sys.path[:0] = {sys.path!r}\n"
              "from sidewall.verify import scene\n"
              f"made = scene.make({os.fspath(tmp_path)!r}); made.victims(1)\n{SLEEP}")
    owner = start(started, source)
    base = next(tmp_path.glob(f".{leftovers.owned(owner.pid)}*"))
    source = f"import os, time; print(flush=True)\nwhile not os.path.exists('{base}/stop'): time.sleep(0.01)"
    left = start(started, source, mark=leftovers.name(os.fspath(base)))
    assert len(remains(owner.pid, tmp_path)) > 3
    leftovers.sweep(os.fspath(tmp_path))
    assert base.is_dir() and left.poll() is None  # its owner lives
    owner.kill()
    owner.wait(SECONDS)
    leftovers.sweep(os.fspath(tmp_path))
    assert left.wait(SECONDS) == 0
    assert remains(owner.pid, tmp_path) == []


def test_a_key_is_forgotten_by_name(tmp_path: Path) -> None:
    with scenes.make(os.fspath(tmp_path)) as scene:
        if "key" in scene.absent:
            pytest.skip(scene.absent["key"])
        unique = scene.targets["unique"]
        assert len([each for each in remains(os.getpid()) if each.startswith("key ") and unique in each]) == 1
        scene_linux.forget(unique)
        assert [each for each in remains(os.getpid()) if each.startswith("key ")] == []
