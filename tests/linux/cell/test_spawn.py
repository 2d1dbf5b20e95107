"""Starting commands: what is passed on byte for byte, what fails as ``subprocess.Popen`` does, what is not inherited.

Knows: execve(2), the shell's exit codes.  Must not know: sessions.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sidewall.errors import CellGone

from .place import PATH, PYTHON, Opened, Place, children, write


@pytest.fixture
def cell(place: Place, tier: str) -> Opened:
    return place.open(tier)


def echo(cell: Opened, arguments: list[str | bytes]) -> bytes:
    code = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    return cell.run([PYTHON, "-I", "-S", "-c", code, *arguments]).output.encode(errors="surrogateescape")


def test_arguments_are_bytes(cell: Opened) -> None:
    given: list[str | bytes] = [b"\xff\xfe\x80", "", " ", "-n", "*", "$HOME", "a\nb", b"\xc3\xa9", "\udcff"]
    assert echo(cell, given) == b"\0".join(os.fsencode(argument) for argument in given)


def test_a_long_argument(cell: Opened) -> None:
    given: list[str | bytes] = [b"x" * 100_000]
    assert echo(cell, given) == given[0]


def test_many_arguments(cell: Opened) -> None:
    given: list[str | bytes] = [b"%d" % number + b"y" * 40 for number in range(2000)]
    assert echo(cell, given) == b"\0".join(os.fsencode(argument) for argument in given)


def test_too_long_an_argument_is_e2big(cell: Opened) -> None:
    with pytest.raises(OSError) as caught:
        cell.run(["/bin/echo", "x" * 200_000])
    assert caught.value.errno == 7
    assert cell.run("echo alive").output == "alive\n"


def test_environment_is_bytes_and_nothing_else(cell: Opened) -> None:
    given = {b"PATH": PATH, b"ODD": b"\xff\xfe", b"EMPTY": b"", b"\xfe": b"name", b"EQUAL": b"a=b"}
    output = cell.run(["/usr/bin/env", "-0"], env=given).output.encode(errors="surrogateescape")
    assert set(output.split(b"\0")[:-1]) == {name + b"=" + value for name, value in given.items()}


def test_an_environment_given_again_may_have_changed_with_it(cell: Opened) -> None:
    first, second = {b"PATH": PATH, b"A": b"1"}, {b"PATH": PATH, b"A": b"2"}
    said = [cell.run('echo "$A"', env=env).output for env in (first, first, second, first)]
    assert said == ["1\n", "1\n", "2\n", "1\n"]


def test_missing_program(cell: Opened) -> None:
    for program in ("no-such-program", "/no/such/program", "./nor-this", ""):
        with pytest.raises(FileNotFoundError) as caught:
            cell.start([program, "argument"])
        assert caught.value.filename == program


def test_directory_as_program(cell: Opened) -> None:
    with pytest.raises(PermissionError) as caught:
        cell.start(["/usr"])
    assert caught.value.filename == "/usr"


def test_not_executable(cell: Opened, place: Place) -> None:
    write(place.work / "data", "#!/bin/sh\n")
    with pytest.raises(PermissionError) as caught:
        cell.start(["./data"])
    assert caught.value.filename == "./data"


def test_not_executable_in_path_is_passed_over(cell: Opened, place: Place) -> None:
    write(place.work / "first" / "tool", "#!/bin/sh\necho first\n")
    write(place.work / "second" / "tool", "#!/bin/sh\necho second\n", mode=0o755)
    (place.work / "third" / "tool").mkdir(parents=True)
    path = b":".join(os.fsencode(place.work / name) for name in ("third", "first", "second"))
    assert cell.run(["tool"], env={b"PATH": path}).output == "second\n"
    with pytest.raises(PermissionError):
        cell.start(["tool"], env={b"PATH": os.fsencode(place.work / "first")})


def test_script_without_interpreter_line(cell: Opened, place: Place) -> None:
    write(place.work / "script", "echo run\n", mode=0o755)
    with pytest.raises(OSError) as caught:
        cell.start(["./script"])
    assert caught.value.errno == 8


def test_missing_and_wrong_directory(cell: Opened, place: Place) -> None:
    write(place.work / "file")
    with pytest.raises(FileNotFoundError) as missing:
        cell.start(["true"], cwd="nowhere")
    assert missing.value.filename == str(place.work / "nowhere")
    with pytest.raises(NotADirectoryError):
        cell.start(["true"], cwd=place.work / "file")
    assert cell.run("pwd").output == f"{place.work}\n"


def test_directory(cell: Opened, place: Place) -> None:
    odd = os.path.join(os.fsencode(place.work), b"od\xffd")
    os.mkdir(odd)
    assert cell.run("pwd", cwd=b"od\xffd").output.encode(errors="surrogateescape") == odd + b"\n"
    assert cell.run("pwd", cwd="/usr").output == "/usr\n"


def test_a_failed_start_unconfirmed_is_told_by_wait(cell: Opened) -> None:
    child = cell.start(["no-such-program"], confirm=False)
    with pytest.raises(FileNotFoundError) as caught:
        child.wait(10)
    assert caught.value.filename == "no-such-program"
    child.close()


def test_waiting(cell: Opened) -> None:
    child = cell.start("read line; exit 4", stdin=(pipe := os.pipe())[0])
    assert child.wait(0) is None and child.wait(0.01) is None
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(child.wait(1e9))) for _ in range(4)]
    for thread in threads:
        thread.start()
    os.write(pipe[1], b"go\n")
    for thread in threads:
        thread.join(20)
    assert [getattr(end, "returncode", None) for end in found] == [4] * 4
    # Who only watches the descriptor sees the end too, though others have heard of it.
    assert select.select([child.status_fd], [], [], 0)[0]
    assert child.wait() == child.wait(0) == found[0]
    child.close()
    failed = cell.start(["no-such-program"], confirm=False)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            failed.wait(10)
    failed.close()
    for descriptor in pipe:
        os.close(descriptor)


def test_what_popen_refuses_is_refused_before_anything_starts(cell: Opened) -> None:
    refused: list[tuple[list[str], dict[bytes, bytes]]] = [
        ([], {}), (["true", "a\0b"], {}), (["true"], {b"A=B": b""}), (["true"], {b"": b"x"}), (["true"], {b"A": b"\0"}),
    ]  # fmt: skip
    for argv, env in refused:
        with pytest.raises(ValueError):
            cell.start(argv, env={b"PATH": PATH, **env})
    with pytest.raises(ValueError):
        cell.start(["true"], cwd="a\0b")
    assert cell.run("echo alive").output == "alive\n"


def test_a_closed_stdio_descriptor_is_the_callers_error(cell: Opened) -> None:
    with pytest.raises(OSError) as caught:
        cell.start(["true"], stdin=1 << 20)
    assert caught.value.errno == 9 and not isinstance(caught.value, CellGone)
    assert cell.run("echo alive").output == "alive\n"


def test_exit_codes_and_signals(cell: Opened) -> None:
    assert [cell.run(f"exit {code}").returncode for code in (0, 1, 42, 127, 255)] == [0, 1, 42, 127, 255]
    assert cell.run("kill -TERM $$").returncode == -signal.SIGTERM
    assert cell.run("kill -KILL $$").returncode == -signal.SIGKILL
    assert cell.run("ulimit -c unlimited 2>/dev/null; kill -SEGV $$").returncode == -signal.SIGSEGV


def test_usage_is_the_commands_own(cell: Opened) -> None:
    def burn() -> None:
        import time

        heap = bytearray(60 << 20)
        while time.process_time() < 0.15:
            heap[0] = 1

    end = cell.python(burn).exit
    assert end.user_seconds + end.system_seconds >= 0.1
    assert end.max_rss_bytes >= 60 << 20
    assert cell.run(["true"]).exit.max_rss_bytes < 60 << 20


# Signals 32 and 33 are the C library's own; no program of its can reset them.
INTERNAL = 1 << 31 | 1 << 32


def test_no_signal_is_ignored_or_blocked_in_a_command(cell: Opened) -> None:
    assert int(cell.run("grep SigIgn /proc/self/status").output.split()[1], 16) & ~INTERNAL == 0
    assert int(cell.run("grep SigBlk /proc/self/status").output.split()[1], 16) == 0
    assert cell.run("yes | head -n 1; echo done").output == "y\ndone\n"


def test_umask_is_the_callers(place: Place, tier: str) -> None:
    before = os.umask(0o027)
    try:
        cell = place.open(tier)
    finally:
        os.umask(before)
    assert cell.run("umask; touch made").output == "0027\n"
    assert (place.work / "made").stat().st_mode & 0o777 == 0o640


def test_no_descriptor_of_the_caller_reaches_a_command(place: Place, tier: str) -> None:
    secret = write(place.elsewhere / "secret", "kept out\n")
    held = [os.open(secret, os.O_RDONLY) for _ in range(100)]
    for descriptor in held:
        os.set_inheritable(descriptor, True)
    try:
        cell = place.open(tier)
        assert cell.run("ls /proc/self/fd").output.split() == ["0", "1", "2", "3"]
        listed = os.listdir(f"/proc/{cell.init}/fd") if os.geteuid() == 0 else []
        assert len(listed) < 20
    finally:
        for descriptor in held:
            os.close(descriptor)


def test_a_caller_without_stdio(place: Place, tier: str) -> None:
    """Descriptors 0 to 2 are closed in the caller, so what it makes gets these numbers."""
    program = f"""
import os, sys
sys.path.insert(0, {os.fspath(Path(__file__).parents[3])!r})
from pathlib import Path
keep = os.dup(1)
for number in (0, 1, 2):
    os.close(number)
from tests.linux.cell.place import Place
place = Place(Path({os.fspath(place.base / "bare")!r}))
cell = place.open({tier!r})
said = [cell.run("echo $((6 * 7)); ls /proc/self/fd").output for _ in range(3)]
place.close()
os.write(keep, repr(said).encode())
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", *os.environ.get("PYTHONPATH", "").split(":")])}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == repr(["42\n0\n1\n2\n3\n"] * 3), done.stderr


def test_a_caller_that_ignores_the_end_of_children(place: Place, tier: str) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        cell = place.open(tier)
        assert cell.run("exit 3").returncode == 3
        cell.close()
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_forgotten_commands_cost_nothing(cell: Opened, namespace: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for turn in range(100):
        cell.start(["true"], confirm=bool(turn % 2)).close()
    assert cell.run("sleep 0.05").returncode == 0
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    if os.geteuid() == 0:
        assert len(os.listdir(f"/proc/{cell.init}/fd")) < 20


def test_from_many_threads(cell: Opened) -> None:
    wrong: list[object] = []

    def work(mine: int) -> None:
        for turn in range(10):
            done = cell.run(f"echo {mine}.{turn}; exit {mine}")
            if done[:2] != (mine, f"{mine}.{turn}\n"):
                wrong.append(done)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_a_signal_reaches_the_command_only(cell: Opened) -> None:
    child = cell.start("trap 'exit 5' USR1; sleep 30 & echo $! > pid; wait; wait")
    pid = wait_for(cell.plan.policy.workspace + "/pid")
    child.signal(signal.SIGUSR1)
    end = child.wait(10)
    assert end is not None and end.returncode == 5
    assert cell.run(f"kill -0 {pid}").returncode == 0
    assert cell.run(f"kill {pid}").returncode == 0
    child.close()


def wait_for(path: str) -> str:
    """The content of a file, once it has some."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if os.path.exists(path) and (text := Path(path).read_text().strip()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


def test_a_tree_is_killed_with_its_root(cell: Opened, place: Place) -> None:
    child = cell.start("(setsid sleep 31 & sleep 32 & echo ok > ready; wait) & wait")
    wait_for(os.fspath(place.work / "ready"))
    time.sleep(0.05)
    child.signal(signal.SIGKILL, tree=True)
    end = child.wait(10)
    assert end is not None and end.returncode == -signal.SIGKILL
    child.close()
    deadline = time.monotonic() + 5
    while left := sleeping(cell, ("31", "32")):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def sleeping(cell: Opened, seconds: tuple[str, ...]) -> list[str]:
    """Command lines of the cell's processes that sleep for so long; looked at from outside."""
    found, queue = [], [cell.keeper]
    while queue:
        for pid in children(queue.pop()):
            queue.append(pid)
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if line[0] == b"sleep" and line[1].decode() in seconds:
                found.append(line[1].decode())
    return found


def test_a_signal_to_a_group_that_ignores_it_changes_nothing_else(cell: Opened) -> None:
    child = cell.start("trap '' TERM; sleep 0.2; exit 6")
    time.sleep(0.05)
    child.signal(signal.SIGTERM)
    end = child.wait(10)
    assert end is not None and end.returncode == 6
    child.signal(signal.SIGTERM)
    child.close()


def test_background_processes_live_on(cell: Opened) -> None:
    said = cell.run("sleep 30 >/dev/null 2>&1 & echo $!").output.strip()
    assert cell.run(f"kill -0 {said} && kill {said}").returncode == 0


def test_orphans_are_waited_for(cell: Opened) -> None:
    for _ in range(10):
        cell.run("(sleep 0.01 &) ; true")
    deadline = time.monotonic() + 5
    while zombies := [pid for at in (cell.keeper, cell.init) for pid in children(at) if pid != cell.init]:
        assert time.monotonic() < deadline, zombies
        time.sleep(0.02)


def test_a_command_after_the_end_is_told_so(cell: Opened) -> None:
    child = cell.start("sleep 30")
    cell.close()
    with pytest.raises(CellGone):
        child.wait(10)
    with pytest.raises(CellGone):
        cell.start("true")
    child.close()
    cell.close()


def test_core_dumps_are_off_and_limits_are_the_callers(cell: Opened) -> None:
    assert cell.run("ulimit -c; ulimit -Hc").output == "0\n0\n"
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert cell.run("ulimit -n").output.strip() in (str(soft), "unlimited")


def test_no_new_session_member_is_shared(cell: Opened) -> None:
    """Each command leads a session of its own and has no terminal."""
    said = cell.run("cut -d' ' -f1,5,6,7 /proc/$$/stat; exec 3</dev/tty").output.split()
    assert said[0] == said[1] == said[2] and said[3] == "0"
    assert cell.run("exec 3</dev/tty").returncode != 0
