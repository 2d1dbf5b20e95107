"""L-101 to L-104 and kin: what of the kernel can be reached from inside, and with which rights.

Knows: system calls that a command of a coding agent does not need.  Must not know: how they are held back.  Follows
`docs/attacks.md`, groups L5 and LX.  Each call is made with arguments that do nothing: what counts is who refuses.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .guards import NAMESPACE, SIDEWALL, Guard, environment, guards
from .probes import PYTHON, command
from .world import World

PRIVILEGES = guards("privileges")

# name: arguments with which the call, once it is let in, fails for another reason than permission
RARE_CALLS = {
    "bpf": (9999, 0, 0), "perf_event_open": (0, 0, -1, -1, 0), "userfaultfd": (0xFFFF,), "keyctl": (9999, 0, 0),
    "add_key": (0, 0, 0, 0, 0), "request_key": (0, 0, 0, 0), "io_uring_setup": (0, 0), "io_uring_enter": (-1, 0, 0, 0),
    "open_by_handle_at": (-1, 0, 0), "mount": (0, 0, 0, 0, 0), "open_tree": (-1, 0, 0), "move_mount": (-1, 0, -1, 0, 0),
    "fsopen": (0, 0), "fsmount": (-1, 0, 0), "fspick": (-1, 0, 0), "mount_setattr": (-1, 0, 0, 0, 0),
    "setns": (-1, 0), "fanotify_init": (0x200, 0), "finit_module": (-1, 0, 0), "delete_module": (0, 0),
    "quotactl_fd": (-1, 0, 0, 0), "process_vm_readv": (0, 0, 0, 0, 0, 9999), "pidfd_getfd": (-1, -1, 9999),
    "open_tree_attr": (-1, 0, 0, 0, 0),
}  # fmt: skip
# Harmless when it works, and of use to programs: refused or not, nothing of this list opens anything.
REFUSALS = ("EPERM", "EACCES", "ENOSYS")


def probe_calls(calls):
    for name, arguments in calls.items():
        try:
            syscall(name, *arguments)
            print("LET-IN", name, "success")
        except OSError as error:
            word = errno.errorcode[error.errno]
            print("KEPT-OUT" if word in ("EPERM", "EACCES", "ENOSYS") else "LET-IN", name, word)


@PRIVILEGES
def test_L101_rare_calls(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_calls, calls=RARE_CALLS)
    let_in = [line for line in outcome.text.splitlines() if line.startswith("LET-IN")]
    guard.judge(outcome, let_in)
    if not guard.is_control:
        assert outcome.text.count("KEPT-OUT") == len(RARE_CALLS), str(outcome)


@PRIVILEGES
@pytest.mark.parametrize("name", ["perf_event_open", "fanotify_init"])
def test_LX23_watching(guard: Guard, world: World, name: str) -> None:
    """inotify stays (build tools watch files); the calls that watch others do not."""
    outcome = guard.attack(world, probe_calls, calls={name: RARE_CALLS[name]})
    guard.judge(outcome, "LET-IN" in outcome.text)


def probe_namespaces():
    kinds = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "user and net": 0x50000000}
    for name, flags in kinds.items():
        if os.fork() == 0:
            attempt("unshare " + name, syscall, "unshare", flags)
            os._exit(0)
        os.wait()
        attempt("clone " + name, lambda: syscall("clone", flags | 17, 0, 0, 0, 0) == 0 and os._exit(0))
        block = ctypes.create_string_buffer(flags.to_bytes(8, "little") + bytes(24) + (17).to_bytes(8, "little"), 88)
        attempt("clone3 " + name, lambda: syscall("clone3", block, 88) == 0 and os._exit(0))


@PRIVILEGES
def test_L102_nested_namespaces(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_namespaces)
    made = sorted({line for line in outcome.text.splitlines() if line.startswith("DID")})
    guard.judge(outcome, made)


def probe_status():
    for line in open("/proc/self/status"):
        if line.startswith(("NoNewPrivs", "Seccomp", "Cap", "Groups")):
            print(line.strip())
    attempt("leave", lambda: ctypes.CDLL(None).prctl(38, 0, 0, 0, 0))


@guards("privileges", control=False)
def test_L103_no_new_privileges(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_status)
    facts = dict(line.split(":\t") for line in outcome.text.splitlines() if ":\t" in line)
    assert facts["NoNewPrivs"] == "1", str(outcome)
    assert facts["Seccomp"] == "2", str(outcome)
    names = ["CapInh", "CapPrm", "CapEff", "CapAmb"]
    # Without a user namespace only who has a capability can lower the bounding set; no_new_privs makes it idle.
    names += ["CapBnd"] if guard.name == NAMESPACE or os.geteuid() == 0 else []
    for name in names:
        assert int(facts[name], 16) == 0, f"{name}: {outcome}"


MANY_THREADS = """
import sys, threading, time, os
import sidewall
stop = threading.Event()
for _ in range(8):
    threading.Thread(target=stop.wait).start()
results = []
def one():
    results.append(sidewall.run(sys.argv[1:], stdout=-1, stderr=-2))
runners = [threading.Thread(target=one) for _ in range(4)]
for runner in runners: runner.start()
for runner in runners: runner.join()
stop.set()
for result in results:
    sys.stdout.write(result.stdout.decode() if isinstance(result.stdout, bytes) else result.stdout)
status = open("/proc/self/status").read()
print("LAUNCHER-FREE", "NoNewPrivs:\\t0" in status)
"""


def probe_each_thread(path):
    import threading

    gate = threading.Event()
    threads = [threading.Thread(target=gate.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for task in os.listdir("/proc/self/task"):
        text = open(f"/proc/self/task/{task}/status").read()
        print("FILTERED" if "Seccomp:\t2" in text and "NoNewPrivs:\t1" in text else "FREE-THREAD")
    attempt("write", lambda: open(path, "w").write(NONCE))
    gate.set()


def test_LX13_threads_of_the_launcher(world: World) -> None:
    """Restrictions bind the calling thread: a launcher with many threads must start clean children all the same."""
    inner = command(probe_each_thread, world.nonce, path=world.canary)
    done = subprocess.run(
        [sys.executable, "-P", "-c", MANY_THREADS, *inner],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = done.stdout.decode()
    assert text.count("ATTACK-END") == 4, (text, done.stderr)
    assert text.count("FILTERED") == 16 and "FREE-THREAD" not in text
    assert "LAUNCHER-FREE True" in text, "the caller itself was restricted"
    assert world.changed() == []


def probe_new_calls(path):
    import struct

    name = path.encode()
    times = struct.pack("QIIQIIQQI", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    attempt("fchmodat2", syscall, "fchmodat2", -100, name, 0o777, 0)
    value = ctypes.create_string_buffer(b"mark")
    block = struct.pack("QII", ctypes.addressof(value), 4, 0)
    attempt("setxattrat", syscall, "setxattrat", -100, name, 0, b"user.new", block, 16)
    attempt("file_setattr", syscall, "file_setattr", -100, name, struct.pack("QIIII", 0xC0, 0, 0, 0, 0), 24, 0)
    how = struct.pack("QQQ", os.O_WRONLY | os.O_TRUNC, 0, 0)
    attempt("openat2", syscall, "openat2", -100, name, how, 24)
    print(len(times))


@guards("metadata-outside")
def test_LX10_newer_calls(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_new_calls, path=world.canary), world.changed())


def probe_high_bits(families):
    for name, number in families.items():
        for extra in (1 << 32, 1 << 63, 0xFFFFFFFF << 32):
            value = ctypes.c_ulong((number | extra) & (1 << 64) - 1)
            attempt("high " + name, syscall, "socket", value, 0o2000003, 0)
            attempt("high " + name, syscall, "socket", value, 1 | 0o4000, 0)


@PRIVILEGES
def test_LX11_upper_halves_of_arguments(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_high_bits, families={"packet": 17, "vsock": 40, "alg": 38, "key": 15})
    if guard.is_control and "DID high" not in outcome.text:
        pytest.skip("this user and kernel open none of these families")
    guard.judge(outcome, "DID high" in outcome.text)


def probe_crash(limits):
    import resource

    for most in limits:
        attempt("raise", resource.setrlimit, resource.RLIMIT_CORE, (most, most))
        attempt("of its own", resource.prlimit, 0, resource.RLIMIT_CORE, (most, most))
    print("CORE", *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
    if os.fork() == 0:
        os.kill(os.getpid(), 11)
    print("STATUS", os.wait()[1], flush=True)


@PRIVILEGES
@pytest.mark.parametrize("row", ["L-139", "LX-20"])
def test_core_dumps(guard: Guard, world: World, row: str) -> None:
    # With no byte at all, the kernel still starts a handler that core_pattern names; with one it does not.
    outcome = guard.attack(world, probe_crash, limits=[-1] if row == "LX-20" else [-1, 0])
    status = next(int(line.split()[1]) for line in outcome.text.splitlines() if line.startswith("STATUS"))
    limited = "CORE 1 1" in outcome.text
    if row == "LX-20":
        # With a relative core_pattern the file lies in the workspace; a handler of the host is told by the flag alone,
        # and which limit it is started with is row L-139.
        guard.judge(outcome, bool(status & 0x80) or list(world.workspace.glob("core*")))
    else:
        guard.judge(outcome, not limited)


def probe_oom_score():
    path = "/proc/self/oom_score_adj"
    first = int(open(path).read())
    for value in (first - 1, -1000):
        attempt(f"oom {value}", lambda: os.write(os.open(path, os.O_WRONLY), str(max(value, -1000)).encode()))
        print("LOWERED" if int(open(path).read()) < first else "kept")


@PRIVILEGES
def test_LX22_out_of_memory_score(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_oom_score)
    if guard.is_control and "LOWERED" not in outcome.text:
        pytest.skip("without CAP_SYS_RESOURCE nobody lowers the score, sandbox or not")
    guard.judge(outcome, "LOWERED" in outcome.text)


DEVICES = (
    "uinput", "input/event0", "input/mice", "kvm", "fuse", "net/tun", "dri/card0", "dri/renderD128", "snd/seq",
    "video0", "loop-control", "loop0", "mapper/control", "sg0", "vhost-net", "vhost-vsock", "vsock", "hwrng", "kmsg",
    "mem", "port", "btrfs-control", "autofs", "userfaultfd", "zram0", "vda", "sda", "nvme0n1", "ttyS0", "tty0", "tty1",
    "vcs", "vcsa", "console", "cpu/0/msr", "udmabuf", "rfkill", "rtc0", "watchdog", "ppp", "vfio/vfio",
)  # fmt: skip


def probe_devices(names):
    for name in names:
        for flags in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY):
            attempt("device " + name, os.open, "/dev/" + name, flags | os.O_NONBLOCK | os.O_NOCTTY)
    for number in (0x6000, 0xFE00, 0x0700):
        attempt("device made", os.mknod, f"node-{number}", 0o60666, number)
        attempt("device made and opened", os.open, f"node-{number}", os.O_RDONLY)


@guards("privileges")
@pytest.mark.parametrize("row", ["LX-05", "LX-06", "LX-08"])
def test_device_nodes(guard: Guard, world: World, row: str) -> None:
    names = {"LX-05": DEVICES[:3], "LX-06": DEVICES[3:], "LX-08": ("fuse",)}[row]
    there = [name for name in names if os.access(f"/dev/{name}", os.R_OK) or os.access(f"/dev/{name}", os.W_OK)]
    if not there and guard.is_control:
        pytest.skip("this user can open no such device, sandbox or not")
    outcome = guard.attack(world, probe_devices, names=names)
    opened = sorted({line for line in outcome.text.splitlines() if line.startswith("DID device")})
    guard.judge(outcome, opened)


def test_this_machine_gives_a_tier(world: World) -> None:
    """Where no tier is given every test of this suite would skip: that must not pass for a success."""
    done = subprocess.run(
        [*SIDEWALL, "run", "--", PYTHON, "-c", "print('inside')"],
        env=environment(world),
        cwd=world.workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"inside\n"), done.stderr.decode()
