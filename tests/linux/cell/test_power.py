"""What a command and the processes around it cannot do or read: capabilities, privileges, memory, environment.

Knows: proc(5), capabilities(7), ptrace(2).  Must not know: how power is given up.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.platforms.linux.syscalls import NUMBERS

from .place import PYTHON, Opened, Place, children, status

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cell(place: Place, tier: str) -> Opened:
    return place.open(tier)


def test_no_capability_and_none_to_come(cell: Opened) -> None:
    lines = cell.run(["cat", "/proc/self/status"]).output.splitlines()
    said = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    held = {name: said[name] for name in said if name.startswith("Cap")}
    if cell.plan.tier == "landlock" and os.geteuid() != 0:
        # An ordinary user's bounding set says what a set-uid program could give; no new privileges, so none does.
        held.pop("CapBnd")
    assert set(held.values()) == {"0" * 16}
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")


def read_secure_bits() -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    print(libc.prctl(27, 0, 0, 0, 0), libc.prctl(39, 0, 0, 0, 0))


def test_root_is_nobody_special_for_ever(cell: Opened) -> None:
    bits, no_new_privileges = map(int, cell.python(read_secure_bits).output.split())
    assert no_new_privileges == 1
    if cell.plan.tier == "namespace" or os.geteuid() == 0:
        assert bits == 0xEF


def refused_calls(numbers: dict[str, int]) -> None:
    import ctypes
    import os

    libc = ctypes.CDLL(None, use_errno=True)
    calls = {
        "unshare a user namespace": lambda: libc.unshare(0x10000000),
        "unshare mounts": lambda: libc.unshare(0x00020000),
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "unmount": lambda: libc.umount2(b"/proc", 2),
        "change root": lambda: libc.chroot(b"/tmp"),
        "a new mount": lambda: libc.syscall(numbers["fsopen"], b"tmpfs", 0),
        "a copy of a mount": lambda: libc.syscall(numbers["open_tree"], -100, b"/", 1),
        "attributes of a mount": lambda: libc.syscall(numbers["mount_setattr"], -100, b"/", 0, None, 0),
        "trace the first process": lambda: libc.ptrace(16, 1, None, None),
        "a key": lambda: libc.syscall(numbers["keyctl"], 0, -3, 1),
        "the host's name": lambda: libc.sethostname(b"owned", 5),
        "another user": lambda: libc.setresuid(12345, 12345, 12345),
        "bpf": lambda: libc.syscall(321 if os.uname().machine == "x86_64" else 280, 0, None, 0),
    }
    for name, call in calls.items():
        if call() != -1:
            print("DID", name)
    print("end")


def test_calls_that_need_power_are_refused(cell: Opened) -> None:
    said = cell.python(refused_calls, dict(NUMBERS)).output
    assert said == "end\n"


def read_first_process() -> None:
    import ctypes
    import os

    ways = {"open": lambda path: os.read(os.open(path, os.O_RDONLY), 64), "link": os.readlink}
    names = ("environ", "mem", "maps", "fd/0", "fd/4", "root/etc/passwd", "cwd", "exe", "stack", "map_files", "io")
    for name in names:
        for way, action in ways.items():
            try:
                print("DID", name, way, action("/proc/1/" + name))
            except OSError:
                continue
    for descriptor in range(16):
        try:
            print("DID", os.readlink(f"/proc/1/fd/{descriptor}"))
        except OSError:
            continue
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(1)
    number = 438
    for descriptor in range(16):
        if libc.syscall(number, pidfd, descriptor, 0) >= 0:
            print("DID take descriptor", descriptor)
    print("end")


def test_the_first_process_is_closed_to_commands(place: Place, namespace: str) -> None:
    said = place.open(namespace).python(read_first_process).output
    assert said == "end\n"


def test_the_first_process_does_not_die_of_a_signal(place: Place, namespace: str) -> None:
    cell = place.open(namespace)
    cell.run("for n in $(seq 1 64); do kill -$n 1; done 2>/dev/null; true")
    assert cell.run("echo alive").output == "alive\n"


def test_keeper_and_init_are_closed_to_the_user(cell: Opened) -> None:
    """No process of the same user reads what they know; root may read all."""
    cell.run("true")
    for pid in (cell.keeper, cell.init):
        if os.geteuid() != 0:
            for name in ("mem", "environ", "maps"):
                with pytest.raises(PermissionError):
                    Path(f"/proc/{pid}/{name}").read_bytes()
        else:
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
            assert Path(f"/proc/{pid}/environ").read_bytes() in (b"", b"LC_CTYPE=C.UTF-8\0")


def in_memory(pid: int, token: bytes) -> list[str]:
    """Mappings of a process in which the token is."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, access, *rest = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if access[0] == "r" and "[v" not in line:
                try:
                    memory.seek(start)
                    if token in memory.read(end - start):
                        found.append(f"{span} {rest[-1:]}")
                except OSError:
                    continue
    return found


FORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from sidewall.platforms.linux import spare
made = spare.Spare(spare.USUAL, fork=True)
made.report()
print(made.pid, flush=True)
sys.stdin.read()
made.discard()
"""


def test_a_forked_spare_forgets_the_environment(namespace: str) -> None:
    """The command line forks its cell process: what the user's environment holds must not be found in it."""
    token = secrets.token_hex(16)
    environ = {"API_TOKEN": token, "PATH": os.environ.get("PATH", ""), "HOME": "/", "A": "x" * 100 + token}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", FORKER, os.fspath(ROOT / "src")], env=environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin is not None and process.stdout is not None
        keeper = int(process.stdout.readline())
        pids = [keeper, *children(keeper)]
        assert len(pids) == 2
        if os.geteuid() == 0:
            assert in_memory(process.pid, token.encode()), "the search finds nothing at all"
            assert not any(in_memory(pid, token.encode()) for pid in pids)
            assert {Path(f"/proc/{pid}/environ").read_bytes().strip(b"\0") for pid in pids} == {b""}
        else:
            # The keeper is closed to the user from the beginning, init as soon as it has its plan.
            with pytest.raises(PermissionError):
                Path(f"/proc/{keeper}/mem").read_bytes()
            assert not in_memory(pids[1], token.encode())
    finally:
        process.communicate("", timeout=20)
    assert process.returncode == 0
    assert not status(keeper)


def test_a_started_spare_never_had_it(place: Place, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = secrets.token_hex(16)
    monkeypatch.setenv("API_TOKEN", token)
    cell = place.open(tier)
    assert cell.run("env").output.count(token) == 0
    if os.geteuid() == 0:
        assert not in_memory(cell.keeper, token.encode())
        assert not in_memory(cell.init, token.encode())


def test_what_one_command_was_told_another_does_not_read(place: Place, namespace: str) -> None:
    """Init keeps the last environment to start the next command with it; no command reads init."""
    cell = place.open(namespace)
    token = secrets.token_hex(16)
    assert cell.run('echo "$MINE"', env=cell.environment({b"MINE": token.encode()})).output.strip() == token
    assert token not in cell.run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null").output


def test_the_kernels_own_files_are_sealed(place: Place, namespace: str) -> None:
    cell = place.open(namespace)
    settings = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness")
    for path in (*settings, "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"):
        if os.path.exists(path):
            before = Path(path).read_bytes() if path in settings else b""
            assert cell.run(f"echo 1 > {path}").returncode != 0
            assert not before or Path(path).read_bytes() == before
    for name in ("kcore", "kmsg", "kallsyms"):
        assert cell.run(f"head -c 10 /proc/{name} 2>/dev/null").output == ""


def test_devices_are_few(place: Place, namespace: str) -> None:
    cell = place.open(namespace)
    found = set(cell.run("find /dev -type c -o -type b").output.split())
    assert found <= {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "pts/ptmx")}
    assert cell.run("mknod /tmp/node c 1 3").returncode != 0
    assert cell.run("echo x > /dev/new || touch /dev/null2").returncode != 0
    assert cell.run([PYTHON, "-c", "import os; print(len(os.urandom(8)))"]).output == "8\n"
