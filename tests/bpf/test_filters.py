"""What the filters say, by the simulator: every call of both machines, and the attacks on the arguments."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sidewall.errors
from sidewall.bpf import assemble as bpf
from sidewall.bpf import filters, syscalls, verdicts
from sidewall.bpf.assemble import ALLOW, ERRNO, USER_NOTIF
from sidewall.bpf.simulate import check, run, seccomp_data
from sidewall.errors import InternalError, MachineError

ARCHES = ("x86_64", "aarch64")
EPERM, ENOSYS = ERRNO | 1, ERRNO | 38
PARAMETERS = [
    {"inet": inet, "unix": unix, "mediate_unix": mediate}
    for inet, unix, mediate in itertools.product((False, True), filters.UNIX_MODES, (False, True))
]
PROGRAMS = {
    (arch, *parameters.values()): check(filters.build(arch, **parameters))
    for arch in ARCHES
    for parameters in PARAMETERS
}
HIGH = 0xDEADBEEF00000000


def constant(instructions, arch, nr):
    """The verdict as Linux works it out beforehand, knowing architecture and number only; None if it reads more."""
    a, here, steps = None, 0, 0
    known = {bpf.NR: nr, bpf.ARCH: syscalls.AUDIT_ARCH[arch]}
    tests = {bpf.JEQ: lambda k: a == k, bpf.JGE: lambda k: a >= k, bpf.JGT: lambda k: a > k}
    while True:
        code, jt, jf, k = instructions[here]
        here, steps = here + 1, steps + 1
        if code == bpf.RET | bpf.K:
            return k, steps
        if code == bpf.LD | bpf.W | bpf.ABS:
            if k not in known:
                return None, steps
            a = known[k]
        elif code == bpf.JMP | bpf.JA:
            here += k
        else:
            here += jt if tests[code & 0xF0](k) else jf


@pytest.mark.parametrize("arch", ARCHES)
def test_every_call_gets_the_verdict_that_explain_tells(arch):
    numbers = syscalls.numbers(arch)
    told = dict(filters.explain(arch))
    assert list(told) == list(numbers)
    plain = {"allow": ALLOW, "EPERM": EPERM, "ENOSYS": ENOSYS}
    for parameters in PARAMETERS:
        program = PROGRAMS[arch, *parameters.values()]
        for name, nr in numbers.items():
            verdict, steps = constant(program, arch, nr)
            if name == "connect":
                assert verdict == (USER_NOTIF if parameters["mediate_unix"] else ALLOW)
            elif told[name] in plain:
                # No argument is read, so that the kernel remembers the answer; and the way to it is short.
                assert (name, verdict) == (name, plain[told[name]])
                assert steps <= 12
            else:
                assert name in verdicts.BY_ARGUMENT
                assert verdict is None, name


def test_every_name_with_a_verdict_exists_and_has_one():
    groups = (verdicts.EPERM, verdicts.ENOSYS, tuple(verdicts.BY_ARGUMENT), (verdicts.MEDIATED,))
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names))
    known = {name for arch in ARCHES for name in syscalls.numbers(arch)}
    assert set(names) <= known
    for arch in ARCHES:
        assert {*verdicts.BY_ARGUMENT, verdicts.MEDIATED} <= set(syscalls.numbers(arch))


# Spelled out again here: a name that slips out of the tables of verdicts must not go unnoticed.
MUST_NOT = """
    mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr
    setns swapon swapoff reboot kexec_load kexec_file_load init_module finit_module delete_module acct quotactl
    quotactl_fd settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog bpf perf_event_open
    userfaultfd fanotify_init open_by_handle_at name_to_handle_at add_key request_key keyctl ptrace process_vm_readv
    process_vm_writev process_madvise pidfd_getfd kcmp lookup_dcookie vhangup mbind move_pages migrate_pages
    set_mempolicy set_mempolicy_home_node
"""
MUST_SEEM_ABSENT = "clone3 io_uring_setup io_uring_enter io_uring_register statmount listmount listns"
MUST_WORK = """
    read write openat close mmap mprotect munmap brk execve execveat exit_group wait4 waitid rt_sigreturn futex
    getrandom seccomp prctl landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret memfd_create
    vmsplice splice setuid setgid setresuid capset fchmod fchmodat mknodat fchownat utimensat kill tgkill
    pidfd_open pidfd_send_signal close_range openat2 statx epoll_pwait2 io_setup inotify_init1 sched_setaffinity
    setpriority prlimit64 bind listen accept4 connect sendto sendmsg recvmsg get_mempolicy rseq membarrier mseal
    file_setattr setxattrat
"""


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize(
    "args", [[0] * 6, [2**64 - 1] * 6, [1, 2, 3, 4, 5, 6]], ids=["zeros", "ones", "small"]
)
def test_the_lists_of_the_design_hold(verdict_on, arch, args):
    for name in MUST_NOT.split():
        assert (name, verdict_on(name, *args, arch=arch)) == (name, EPERM)
    for name in MUST_SEEM_ABSENT.split():
        assert (name, verdict_on(name, *args, arch=arch)) == (name, ENOSYS)
    for name in MUST_WORK.split():
        assert (name, verdict_on(name, *args, arch=arch)) == (name, ALLOW)


def test_x86_only_calls(verdict_on):
    for name in ("iopl", "ioperm", "nfsservctl"):
        assert verdict_on(name, 3) == EPERM
    for name in ("modify_ldt", "uselib", "ustat", "sysfs", "_sysctl", "create_module"):
        assert verdict_on(name) == ENOSYS
    for name in ("fork", "vfork", "arch_prctl", "open", "creat", "chmod", "mknod", "uretprobe"):
        assert verdict_on(name) == ALLOW


@settings(deadline=None)
@given(
    st.sampled_from(sorted(PROGRAMS)),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6),
)
def test_no_other_architecture_gets_through(key, arch, args):
    assume(arch != syscalls.AUDIT_ARCH[key[0]])
    for nr in (0, 1, 20, 39, 41, 102, 172, 359, 362):
        assert run(PROGRAMS[key], seccomp_data(arch, nr, args)) == ENOSYS


@pytest.mark.parametrize("key", sorted(PROGRAMS), ids=str)
def test_the_32_bit_entries_and_foreign_machines_get_enosys(key):
    own = syscalls.AUDIT_ARCH[key[0]]
    foreign = {*syscalls.AUDIT_ARCH.values(), 0x40000028, own ^ 0x40000000, own ^ 0x80000000, 0} - {own}
    for arch in foreign:
        for nr in range(480):
            assert run(PROGRAMS[key], seccomp_data(arch, nr, [1, 1, 0])) == ENOSYS


@pytest.mark.parametrize("key", sorted(PROGRAMS), ids=str)
def test_numbers_without_a_name_get_enosys(key):
    known = set(syscalls.numbers(key[0]).values())
    unknown = {nr for nr in range(1200) if nr not in known}
    x32 = {nr | 0x40000000 for nr in range(600)}
    odd = {-1, -(2**31), 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE}
    for nr in unknown | x32 | odd:
        assert run(PROGRAMS[key], seccomp_data(syscalls.AUDIT_ARCH[key[0]], nr, [1, 1, 0])) == ENOSYS


CLONE_NEW = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
CLONE_NEWTIME, EMPTY_MOUNT_NAMESPACE = 0x80, 0x100000
THREAD, FORK, VFORK = 0x3D0F00, 0x1200011, 0x4111


@given(st.sampled_from(ARCHES), st.integers(0, 2**64 - 1))
def test_clone_makes_no_namespace(verdict_on, arch, flags):
    refused = any(flags & bit for bit in CLONE_NEW)
    assert verdict_on("clone", flags, arch=arch) == (EPERM if refused else ALLOW)
    for bit in CLONE_NEW:
        assert verdict_on("clone", flags | bit, arch=arch) == EPERM


@pytest.mark.parametrize("flags", [THREAD, FORK, VFORK, 17, 0, 0x80000011])
def test_threads_and_processes_can_be_made(verdict_on, flags):
    assert verdict_on("clone", flags) == verdict_on("clone", flags | HIGH) == ALLOW


@given(st.sampled_from(ARCHES), st.integers(0, 2**64 - 1))
def test_unshare_takes_listed_flags_only(verdict_on, arch, flags):
    assert verdict_on("unshare", flags, arch=arch) == (ALLOW if flags & ~0x50F00 == 0 else EPERM)


def test_unshare_by_name(verdict_on):
    for flags in (0, 0x400, 0x200, 0x40000, 0x40600):
        assert verdict_on("unshare", flags) == ALLOW
    for bit in (*CLONE_NEW, CLONE_NEWTIME, EMPTY_MOUNT_NAMESPACE, 1 << 37, HIGH):
        assert verdict_on("unshare", bit) == verdict_on("unshare", bit | 0x400) == EPERM


def test_personality_keeps_to_the_harmless(verdict_on):
    for persona in (0, 0xFFFFFFFF, 0x40000):
        assert verdict_on("personality", persona) == verdict_on("personality", persona | HIGH) == ALLOW
    for persona in (0x400000, 0x440000, 8, 0x20000, 0x100000, 0xFFFFFFFE, 6):
        assert verdict_on("personality", persona) == EPERM


@pytest.mark.parametrize("request_", [0x5412, 0x541C, 0x541D, 0x5423])
def test_terminal_requests_are_refused_whatever_stands_above_32_bits(verdict_on, request_):
    for high in (0, HIGH, 1 << 32, 0xFFFFFFFF00000000):
        assert verdict_on("ioctl", 0, request_ | high, 0) == EPERM
    # The descriptor and the pointer do not matter, nor does another request with the same low half.
    assert verdict_on("ioctl", 2**64 - 1, request_, 2**64 - 1) == EPERM
    assert verdict_on("ioctl", request_, request_ | 0x80000, request_) == ALLOW


@pytest.mark.parametrize(
    "request_", [0x5401, 0x5402, 0x5413, 0x5414, 0x540E, 0x541B, 0x5421, 0x40086602, 0x80045430]
)
def test_ordinary_requests_work(verdict_on, request_):
    assert verdict_on("ioctl", 0, request_, 0) == ALLOW


def test_nested_filters_are_allowed_but_listeners_are_not(verdict_on):
    assert verdict_on("seccomp", 1, 0, 0x1000) == verdict_on("seccomp", 1, 1, 0x1000) == ALLOW
    assert verdict_on("seccomp", 2, 0, 0x1000) == verdict_on("seccomp", 3, 0, 0x1000) == ALLOW
    for flags in (8, 9, 0x18, 0x28, 8 | HIGH):
        assert (
            verdict_on("seccomp", 1, flags, 0x1000) == verdict_on("seccomp", 1 | HIGH, flags, 0x1000) == EPERM
        )


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("arch", ARCHES)
def test_the_same_question_gives_the_same_bytes_in_few_instructions(arch, parameters):
    program = filters.build(arch, **parameters)
    assert program == filters.build(arch, **parameters)
    assert len(program) <= 160 * 8


def test_a_wrong_question_is_an_error():
    with pytest.raises(MachineError, match="riscv64"):
        filters.build("riscv64", inet=True, unix="open", mediate_unix=False)
    with pytest.raises(InternalError, match="'some'"):
        filters.build("x86_64", inet=True, unix="some", mediate_unix=False)
    with pytest.raises(MachineError):
        filters.explain("i386")


def test_the_fast_path_imports_nothing():
    source = str(Path(sidewall.errors.__file__).parents[1])
    code = (
        "import sys, json; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); import sidewall.bpf.filters; "
        "json_modules = [m for m in sys.modules if m not in before]; print(json.dumps(json_modules))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, source], capture_output=True, timeout=60, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "sidewall.bpf.filters" in loaded
    assert not {name for name in loaded if not name.startswith("sidewall")} - {"__future__"}
    assert "sidewall.bpf.simulate" not in loaded


@pytest.mark.parametrize("shares_host", [False, True])
def test_the_limit_on_core_dumps_stays(shares_host):
    """Said to be done, so that programs which want none do not fail; what asks for the old one too is refused."""
    done, there, core, files = 0x00050000, 0x7FFF00000000, 4, 7
    for arch in ARCHES:
        audit, numbers = syscalls.AUDIT_ARCH[arch], syscalls.numbers(arch)
        program = check(filters.build(arch, inet=False, unix="none", mediate_unix=False, shares_host=shares_host))

        def verdict(name, *arguments, audit=audit, numbers=numbers, program=program):
            return run(program, seccomp_data(audit, numbers[name], (*arguments, *[0] * (6 - len(arguments)))))

        assert verdict("setrlimit", core, there) == verdict("setrlimit", 1 << 32 | core, there) == done
        assert verdict("setrlimit", files, there) == ALLOW
        assert verdict("prlimit64", 0, core, there, 0) == verdict("prlimit64", 0, core, 1, 0) == done
        assert verdict("prlimit64", 0, core, there, there) == verdict("prlimit64", 0, core, there, 1) == EPERM
        assert verdict("prlimit64", 0, core, 0, there) == verdict("prlimit64", 0, files, there, there) == ALLOW
        assert verdict("prlimit64", 5, core, there, 0) == (EPERM if shares_host else done)
        assert verdict("prlimit64", 5, core, 0, there) == (EPERM if shares_host else ALLOW)


def test_a_shared_host_is_out_of_reach():
    """Without ipc and pid namespaces of its own, a command may name no process but itself, and no shared key."""
    for arch in ARCHES:
        audit, numbers = syscalls.AUDIT_ARCH[arch], syscalls.numbers(arch)
        apart = check(filters.build(arch, inet=False, unix="none", mediate_unix=False))
        shared = check(filters.build(arch, inet=False, unix="none", mediate_unix=False, shares_host=True))

        def verdict(program, name, *arguments, audit=audit, numbers=numbers):
            return run(program, seccomp_data(audit, numbers[name], (*arguments, *[0] * (6 - len(arguments)))))

        for name in verdicts.SHARED_EPERM:
            assert verdict(apart, name, 1, 2, 3) == ALLOW
            assert verdict(shared, name, 1, 2, 3) == EPERM
        for name, own, other in (("prlimit64", (0, 7), (1, 7)), ("setpriority", (0, 0), (0, 5)),
                                 ("sched_setaffinity", (0, 8), (99, 8)), ("ioprio_set", (1, 0), (1, 5)),
                                 ("setpriority", (1, 0), (2, 0)), ("ioprio_set", (2, 0), (3, 0)),
                                 ("setpriority", (1, 0), (7 << 32 | 2, 0))):
            assert verdict(apart, name, *other) == ALLOW
            assert verdict(shared, name, *own) == ALLOW
            assert verdict(shared, name, *other) == EPERM
