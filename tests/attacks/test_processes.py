"""L-089 to L-104: survivors, processes outside, and the kernel's surface.

Knows: processes, signals, memory of others, rarely needed calls.  Must not know: how they are held back.  Follows
`docs/attacks.md`, group L5.  Survivors carry the nonce in their environment or command line; the judge scans for it.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .guards import CONTROL, LANDLOCK, NAMESPACE, Guard, guards
from .outside import Victim, survivors, sweep
from .probes import NR, PYTHON, command
from .world import World

SURVIVORS, PROCESSES, PRIVILEGES = guards("survivors"), guards("outside-processes"), guards("privileges")

STUBBORN = """
import os, signal, sys, time
for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
for turn in range(600):
    with open("heart-" + sys.argv[1], "a") as file: file.write("x")
    time.sleep(0.05)
"""
HOPPER = """
import os, sys, time
end = time.monotonic() + 8
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    if os.getpid() % 3 == 0: os.setsid()
    with open("heart-" + sys.argv[1], "a") as file: file.write("x")
    time.sleep(0.01)
"""


def detach(text, times=1):
    """In the sandbox: start a program in a session of its own, by a double fork, with the nonce in its environment."""
    for _ in range(times):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                null = os.open("/dev/null", os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(null, number)
                os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", text, NONCE], {"MARK": NONCE})
            os._exit(0)
        os.wait()


def probe_detach(text, times, linger=0):
    import time

    detach(text, times)
    time.sleep(0.3)
    print("DETACHED", flush=True)
    time.sleep(linger)


def judge_survivors(guard: Guard, world: World, outcome: object) -> None:
    """Nobody with our nonce is left, and nothing in the workspace goes on changing."""
    found = survivors(world.nonce, patience=0.2 if guard.is_control else 5)
    heart = world.workspace / f"heart-{world.nonce}"
    size = heart.stat().st_size if heart.exists() else 0
    time.sleep(0.2)
    beats = heart.exists() and heart.stat().st_size != size
    sweep(world.nonce)
    guard.judge(outcome, found or beats)  # type: ignore[arg-type]


@SURVIVORS
def test_L089_daemon(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_detach, detach, text=STUBBORN, times=1)
    judge_survivors(guard, world, outcome)


@SURVIVORS
def test_L090_hoppers(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_detach, detach, text=HOPPER, times=4)
    judge_survivors(guard, world, outcome)


@SURVIVORS
def test_L092_background_jobs(guard: Guard, world: World) -> None:
    loop = f"nohup sh -c 'while :; do sleep 1; done' {world.nonce} >/dev/null 2>&1"
    script = f"echo ATTACK-START {world.nonce}; ({loop} &) ; setsid {loop} & {loop} & disown -a; sleep 0.2"
    outcome = guard.run(world, ["bash", "-c", script])
    judge_survivors(guard, world, outcome)


@SURVIVORS
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=["kill", "term", "hup"])
def test_L098_only_the_launcher_is_killed(guard: Guard, world: World, number: int) -> None:
    inner = command(probe_detach, world.nonce, detach, text=STUBBORN, times=2, linger=60)
    running = guard.start(world, inner)
    running.until("DETACHED")
    os.kill(running.process.pid, number)
    if number != signal.SIGKILL and guard.is_control:
        running.process.wait(timeout=10)
    outcome = running.finish()
    judge_survivors(guard, world, outcome)


@SURVIVORS
def test_L098_time_out(guard: Guard, world: World) -> None:
    inner = command(probe_detach, world.nonce, detach, text=STUBBORN, times=2, linger=60)
    if guard.is_control:
        inner = ["timeout", "1", *inner]
    outcome = guard.run(world, inner, options=("--timeout", "1"))
    assert outcome.returncode == 124, str(outcome)
    judge_survivors(guard, world, outcome)


def probe_memory_file(pid, address):
    with open(f"/proc/{pid}/mem", "r+b", 0) as file:
        file.seek(address)
        print(file.read(16))
        file.seek(address)
        file.write(NONCE.encode()[:16])


def probe_process_vm(pid, address):
    text = ctypes.create_string_buffer(NONCE.encode()[:16])
    local = (ctypes.c_size_t * 2)(ctypes.addressof(text), 16)
    remote = (ctypes.c_size_t * 2)(address, 16)
    syscall("process_vm_writev", pid, local, 1, remote, 1, 0)


def probe_ptrace(pid, address):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    for request in (16, 0x4206):  # ATTACH, SEIZE
        if libc.ptrace(request, pid, None, None) == 0:
            if request == 0x4206:
                libc.ptrace(0x4207, pid, None, None)
            os.waitpid(pid, 0x40000000)
            libc.ptrace(4, pid, address, int.from_bytes(NONCE.encode()[:8], "little"))
            libc.ptrace(17, pid, None, None)
            return
        print("REFUSED", errno.errorcode.get(ctypes.get_errno()))


def probe_signal(pid, address):
    import signal

    attempt("kill", os.kill, pid, signal.SIGUSR1)
    attempt("queue", lambda: ctypes.CDLL(None).sigqueue(pid, signal.SIGUSR1, 0))
    descriptor = attempt("pidfd", os.pidfd_open, pid)
    if descriptor:
        attempt("pidfd_send", signal.pidfd_send_signal, descriptor, signal.SIGUSR1)
    attempt("owner", signal_by_owner, pid)


def signal_by_owner(pid):
    """In the sandbox: make the kernel send the signal, as the owner of a pipe that becomes readable."""
    import fcntl
    import signal

    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
    fcntl.fcntl(reader, 10, signal.SIGUSR1)
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writer, b"x")


def probe_limits(pid, address):
    import resource

    attempt("prlimit", resource.prlimit, pid, resource.RLIMIT_NOFILE, (16, 16))
    attempt("setpriority", os.setpriority, os.PRIO_PROCESS, pid, 15)
    attempt("affinity", os.sched_setaffinity, pid, {0})
    attempt("oom", lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"))


ON_VICTIM = {
    "L-091 mem": (probe_memory_file, ()),
    "L-095 ptrace": (probe_ptrace, ()),
    "L-096 signal": (probe_signal, (signal_by_owner,)),
    "L-099 process_vm_writev": (probe_process_vm, ()),
}


@PROCESSES
@pytest.mark.parametrize("row", ON_VICTIM)
def test_on_a_process_outside(guard: Guard, world: World, victim: Victim, row: str) -> None:
    probe, helpers = ON_VICTIM[row]
    outcome = guard.attack(world, probe, *helpers, pid=victim.pid, address=victim.address)
    guard.judge(outcome, victim.changed())


@PROCESSES
def test_L094_limits_of_a_process_outside(guard: Guard, world: World, victim: Victim) -> None:
    cpus = os.sched_getaffinity(victim.pid)
    outcome = guard.attack(world, probe_limits, pid=victim.pid, address=victim.address)
    changed = victim.changed() or os.sched_getaffinity(victim.pid) != cpus
    guard.judge(outcome, changed)


def probe_whole_user():
    for which, name in ((2, "setpriority"), (3, "ioprio_set")):  # the user, whom 0 names as well
        attempt(name, syscall, name, which, 0, 1 if which == 2 else 3 << 13)
        attempt(name + " by number", syscall, name, which, os.getuid(), 1 if which == 2 else 3 << 13)


@guards("outside-processes", control=False)  # it would slow down everything that this user runs
def test_L094_priority_of_all_processes_of_the_user(guard: Guard, world: World, victim: Victim) -> None:
    before = io_priority(victim.pid)
    outcome = guard.attack(world, probe_whole_user)
    guard.judge(outcome, victim.changed() or io_priority(victim.pid) != before)


def io_priority(pid: int) -> int:
    """Class and level of a process, ioprio_get(2)."""
    number = NR["ioprio_set"] + 1
    return int(ctypes.CDLL(None).syscall(number, 1, pid))


def probe_steal(pid, numbers):
    descriptor = syscall("pidfd_open", pid, 0)
    for number in numbers:
        got = attempt("getfd", syscall, "pidfd_getfd", descriptor, number, 0)
        if got:
            print(os.pread(got, 4096, 0))
            attempt("write", os.pwrite, got, NONCE.encode(), 0)


@PROCESSES
def test_L093_steal_descriptors(guard: Guard, world: World, victim: Victim) -> None:
    outcome = guard.attack(world, probe_steal, pid=victim.pid, numbers=[victim.canary_fd, victim.secret_fd])
    guard.judge(outcome, world.leaked(outcome.stdout) + world.changed())


KERNEL_FILES = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper",
    "/proc/sys/fs/binfmt_misc/register", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/hostname", "/proc/kcore",
    "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs", "/dev/mem", "/dev/kmem", "/dev/port",
    "/sys/power/state", "/proc/sys/kernel/ns_last_pid", "/proc/1/oom_score_adj", "/proc/irq/default_smp_affinity",
    "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/sys/user/max_user_namespaces",
)  # fmt: skip


def probe_open_for_writing(paths):
    for path in paths:
        attempt("open " + path, os.open, path, os.O_WRONLY)


@PRIVILEGES
def test_L097_kernel_files(guard: Guard, world: World) -> None:
    """Opened, never written: no control of this machine may change it."""
    devices = [str(path) for path in Path("/dev").iterdir() if path.is_block_device()]
    outcome = guard.attack(world, probe_open_for_writing, paths=[*KERNEL_FILES, *devices])
    if guard.is_control and os.geteuid():
        pytest.skip("an ordinary user opens none of these, sandbox or not")
    own = "DID open /proc/1/oom_score_adj"  # in a PID namespace that is the sandbox's own first process
    opened = [line for line in outcome.text.splitlines() if line.startswith("DID") and line != own]
    guard.judge(outcome, opened)


def probe_helper(secret):
    for pid in {1, os.getppid()}:
        for name in ("mem", "environ", "maps", "fd/0", "root", "cwd"):
            path = f"/proc/{pid}/{name}"
            read = (lambda: os.listdir(path)) if os.path.isdir(path) else (lambda: open(path, "rb").read(1))
            attempt(f"HELPER {pid} {name}", read)
        attempt("environ", lambda: print(open(f"/proc/{pid}/environ").read()))
        descriptor = attempt("pidfd", syscall, "pidfd_open", pid, 0)
        if descriptor:
            for number in range(12):
                attempt(f"HELPER {pid} getfd", syscall, "pidfd_getfd", descriptor, number, 0)
        libc = ctypes.CDLL(None, use_errno=True)
        if pid != 1:
            print("DID HELPER ptrace" if libc.ptrace(0x4206, pid, None, None) == 0 else "REFUSED ptrace")


@guards("privileges", only=(NAMESPACE, LANDLOCK))
def test_L100_the_sandboxs_own_helper(guard: Guard, world: World) -> None:
    token = f"TOKEN-{world.nonce}-launcher"
    settings = {"env": {"LAUNCHER_PASSWORD": token}}
    inner = command(probe_helper, world.nonce, secret=token)
    if guard.is_control:
        inner = [PYTHON, "-c", "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)", *inner]
    outcome = guard.run(world, inner, **settings)
    inside = {"root", "cwd"} if guard.name == LANDLOCK else set()  # without a namespace of its own these are the host's
    reached = [line for line in outcome.text.splitlines() if line.startswith("DID HELPER")]
    reached = [line for line in reached if line.split()[-1] not in inside]
    guard.judge(outcome, reached or token in outcome.text)


def probe_set_user_id(program):
    attempt("run", os.spawnv, os.P_WAIT, program, [program, "-u"])


def probe_ask_for_password():
    import subprocess
    import time

    child = subprocess.Popen(["su"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.5)
    print(*(line for line in open(f"/proc/{child.pid}/status") if line.startswith("Uid")))
    child.kill()


@pytest.mark.parametrize("guard", [CONTROL, NAMESPACE, LANDLOCK], indirect=True)
def test_L104_set_user_id(guard: Guard, world: World) -> None:
    """As root: a program that becomes another user.  As a user: `su`, which is root while it asks."""
    if os.geteuid():
        if not shutil.which("su"):
            pytest.skip("there is no set-uid program here: su is not installed")
        outcome = guard.attack(world, probe_ask_for_password)
        users = next((line.split() for line in outcome.text.splitlines() if "Uid:" in line), ["", "", "none"])
        guard.judge(outcome, users[2] == "0")
        return
    program = world.base / "become"
    shutil.copy(shutil.which("id") or "/usr/bin/id", program)
    os.chown(program, 65534, 65534)
    program.chmod(0o6755)
    world.base.chmod(0o755)
    outcome = guard.attack(world, probe_set_user_id, program=program)
    guard.judge(outcome, "65534" in outcome.text.split())


def test_sweep_leaves_nobody(world: World) -> None:
    """The judge's own tool: a process with the nonce is found, and gone after the sweep."""
    subprocess.Popen([PYTHON, "-c", "import time; time.sleep(60)", world.nonce], start_new_session=True)
    assert survivors(world.nonce, patience=0)
    sweep(world.nonce)
    assert not survivors(world.nonce, patience=1)
