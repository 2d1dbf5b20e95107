"""Limits that a policy sets hold for commands, and a cell at its limits still answers.

Knows: setrlimit(2), pid namespaces.  Must not know: which mechanism holds a limit.
"""

from __future__ import annotations

import os
import signal

import pytest

from sidewall.errors import MachineError
from sidewall.policy.model import Limits

from .place import PYTHON, Opened, Place


def limited(place: Place, tier: str, **limits: int) -> Opened:
    return place.open(tier, limits=Limits(**limits))


def mechanism(cell: Opened) -> tuple[str, str, str]:
    (line,) = [line for line in cell.plan.guarantees if line.name == "limits"]
    return line.level, line.mechanism, line.reason


def fork_all() -> None:
    import os
    import time

    count = 0
    try:
        while count < 1000:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            count += 1
    except OSError as error:
        print(count, error.errno, flush=True)
    else:
        print(count, 0, flush=True)


def test_processes(place: Place, namespace: str) -> None:
    cell = limited(place, namespace, processes=40)
    if mechanism(cell)[0] != "enforced":
        pytest.skip(mechanism(cell)[2])
    child = cell.start([PYTHON, "-c", "import time; time.sleep(60)"])
    said = cell.python(fork_all).output.split()
    assert int(said[0]) < 40 and said[1] == "11"
    with pytest.raises(BlockingIOError):
        for _ in range(60):
            cell.start(["sleep", "60"]).close()
    child.signal(signal.SIGKILL)
    assert child.wait(10) is not None
    child.close()
    assert cell.run("echo alive").output == "alive\n"
    cell.close()


def test_a_limit_leaves_room_for_that_many(place: Place, namespace: str) -> None:
    cell = limited(place, namespace, processes=40)
    for _ in range(330):
        # Until the numbers begin anew.
        cell.run(["true"])
    said = cell.run("for n in $(seq 30); do sleep 0.3 & done; wait; echo done | cat").output
    assert said == "done\n"


def test_a_fork_bomb_ends_with_its_cell(place: Place, namespace: str) -> None:
    cell = limited(place, namespace, processes=60)
    if mechanism(cell)[0] != "enforced":
        pytest.skip(mechanism(cell)[2])
    child = cell.start("f() { f | f & }; f; sleep 60")
    child.wait(0.3)
    cell.close()
    child.close()
    assert place.open(namespace).run("echo alive").output == "alive\n"


def test_memory(place: Place, tier: str) -> None:
    cell = limited(place, tier, memory_bytes=128 << 20)
    take = "import sys; x = bytearray(int(sys.argv[1]) << 20); print(len(x) >> 20)"
    assert cell.run([PYTHON, "-c", take, "32"]).output == "32\n"
    done = cell.run([PYTHON, "-c", take, "256"])
    assert done.returncode != 0 and "256\n" not in done.output
    assert cell.run("echo alive").output == "alive\n"


def test_too_little_memory_for_anything_is_said(place: Place, tier: str) -> None:
    with pytest.raises(MachineError) as caught:
        limited(place, tier, memory_bytes=4096)
    assert caught.value.hint


def test_file_size(place: Place, tier: str) -> None:
    cell = limited(place, tier, file_bytes=100_000)
    fill = "head -c 200000 /dev/zero >"
    done = cell.run(f"{fill} large; echo $?; wc -c < large; trap '' XFSZ; {fill} large2")
    assert "153\n100000\n" in done.output
    assert (place.work / "large").stat().st_size == (place.work / "large2").stat().st_size == 100_000
    assert cell.run("head -c 90000 /dev/zero > small && wc -c < small").output == "90000\n"


def test_open_files(place: Place, tier: str) -> None:
    cell = limited(place, tier, open_files=64)
    count = "import os\nn = 0\ntry:\n while True: os.dup(0); n += 1\nexcept OSError as e: print(n, e.errno)"
    opened, errno = map(int, cell.run([PYTHON, "-c", count]).output.split())
    assert opened <= 61 and errno == 24
    assert cell.run("ulimit -n; ulimit -Hn; ulimit -n 65").output.split()[:2] == ["64", "64"]


def test_more_commands_than_open_files(place: Place, tier: str) -> None:
    """Then a start fails, and what runs goes on."""
    cell = limited(place, tier, open_files=32)
    running = []
    with pytest.raises(OSError) as caught:
        for _ in range(60):
            running.append(cell.start(["sleep", "60"]))
    assert caught.value.errno == 24 and len(running) >= 8
    for child in running:
        child.signal(signal.SIGKILL)
        end = child.wait(10)
        assert end is not None and end.returncode == -signal.SIGKILL
        child.close()
    for _ in range(60):
        assert cell.run("echo alive").output == "alive\n"
    assert len(os.listdir("/proc/self/fd")) < 200


def test_a_command_cannot_raise_its_limits(place: Place, tier: str) -> None:
    cell = limited(place, tier, open_files=64, file_bytes=1 << 20, memory_bytes=512 << 20)
    raise_all = (
        "import resource as r\n"
        "for n in (r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_DATA, r.RLIMIT_CORE):\n"
        " h = r.getrlimit(n)[1]\n"
        " try: r.setrlimit(n, (h, h + 1))\n"
        " except (ValueError, OSError): pass\n"
        " if r.getrlimit(n)[1] > h: print('DID', n)\n"
        "print('end')"
    )
    assert cell.run([PYTHON, "-c", raise_all]).output == "end\n"


def test_what_is_limited_is_reported(place: Place, tier: str) -> None:
    level, how, why = mechanism(limited(place, tier, processes=0))
    assert (level, why) == ("enforced", "")
    level, how, why = mechanism(limited(place, tier, processes=0, file_bytes=1 << 20, memory_bytes=1 << 30))
    assert "RLIMIT_FSIZE" in how and ("RLIMIT_DATA" in how or "cgroup" in how)
    if tier == "landlock":
        level, _, why = mechanism(limited(place, tier, processes=10))
        assert level == "partial" and "processes" in why


def watch_all() -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    made = 0
    while made < 100_000 and libc.inotify_init1(0) >= 0:
        made += 1
    try:
        with open("/proc/sys/user/max_inotify_instances", "w") as setting:
            setting.write("100000")
    except OSError:
        pass
    while made < 100_000 and libc.inotify_init1(0) >= 0:
        made += 1
    with open("/proc/sys/user/max_inotify_watches") as setting:
        print(made, setting.read().strip(), flush=True)


def test_half_of_what_the_user_may_watch_is_left(place: Place, namespace: str) -> None:
    """Editors outside need it: without a bound a command could have all that is the user's."""
    most = {}
    for name in ("instances", "watches"):
        with open(f"/proc/sys/fs/inotify/max_user_{name}", encoding="ascii") as setting:
            most[name] = int(setting.read())
    cell = place.open(namespace, limits=Limits(open_files=most["instances"] + 100))
    instances, watches = map(int, cell.python(watch_all).output.split())
    assert 0 < instances <= most["instances"] // 2
    assert 0 < watches <= most["watches"] // 2
    cell.close()
    with open("/proc/sys/fs/inotify/max_user_instances", encoding="ascii") as setting:
        assert int(setting.read()) == most["instances"]
