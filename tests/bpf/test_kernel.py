"""The filters in the running kernel: what it does with each call is what the simulator says.

Three witnesses.  First the filter's own answers, for any number and any arguments: a copy of the filter that never
lets a marked call through tells its verdict by the errno.  Then the real filter with real calls, whose arguments make
them fail before they do anything.  Last the entries for 32-bit programs, from a C program.
"""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.bpf import filters, syscalls
from sidewall.bpf.assemble import ACTION_MASK, ALLOW, ERRNO, JEQ, RET, USER_NOTIF, Assembler, K, low
from sidewall.bpf.simulate import check, run, seccomp_data, simulate

NARROW = {"inet": False, "unix": "none", "mediate_unix": False}
MEDIATED = {"inet": True, "unix": "mediated", "mediate_unix": True}
OPEN = {"inet": True, "unix": "open", "mediate_unix": False}
ENOSYS = 38

# Linux asks no filter about these, which only its own trampolines may make: others end by SIGILL.
UNFILTERED = dict.fromkeys(
    ("uretprobe", "uprobe"), "the kernel asks no filter, and ends who makes it by himself"
)

# The answers of the copy, outside the numbers that Linux gives to errors but within those that it lets through.
TOLD_ALLOW, TOLD_ASK = 4000, 4001
MARK = 0x51DE3A11


def telling(program):
    """A copy of the filter that answers each call whose sixth argument is MARK by its verdict, as an errno.

    No rule looks at a sixth argument, and no marked call is made.
    """
    asm = Assembler()
    asm.load(low(5))
    asm.branch(JEQ, MARK, "marked", "")
    asm.ret(ALLOW)
    asm.label("marked")
    asm.ret(ALLOW)
    gate = asm.assemble()[:-8]  # the filter itself stands where "marked" is
    told = {ALLOW: ERRNO | TOLD_ALLOW, USER_NOTIF: ERRNO | TOLD_ASK}
    words = []
    for code, jt, jf, k in check(program):
        words.append(code | jt << 16 | jf << 24 | (told.get(k, k) if code == RET | K else k) << 32)
    return gate + b"".join(word.to_bytes(8, "little") for word in words)


def told_by(verdict):
    """The errno that ``telling`` gives for a verdict."""
    if verdict in (ALLOW, USER_NOTIF):
        return TOLD_ALLOW if verdict == ALLOW else TOLD_ASK
    assert verdict & ACTION_MASK == ERRNO
    return verdict & 0xFFFF


def interesting(numbers, chance):
    """Calls whose arguments matter, in all their disguises."""
    flags = [0, 0o2000000, 0o4000, 1 << 32, 0xDEADBEEF00000000]
    families = [0, 1, 2, 3, 10, 15, 16, 17, 31, 38, 40, 44, 1 << 31, 0x10001]
    for family, kind, protocol in itertools.product(
        families, range(12), (0, 1, 6, 15, 17, 132, 262, 1 << 32)
    ):
        words = (family | chance.choice((0, 1 << 32, 1 << 63)), kind | chance.choice(flags), protocol)
        yield from ([numbers[name], *words, 0, 0] for name in ("socket", "socketpair"))
    for bit in range(64):
        for name in ("clone", "unshare", "personality"):
            for base in (0, 0x400, 0x3D0F00):
                yield [numbers[name], base | 1 << bit, 0, 0, 0, 0]
        yield [numbers["seccomp"], 1, 1 << bit, 0, 0, 0]
        yield [numbers["seccomp"], 1 << bit, 8, 0, 0, 0]
        for request in (0x5401, 0x5412, 0x541C, 0x541D, 0x5423):
            yield [numbers["ioctl"], 0, request | 1 << bit, 0, 0, 0]
    for persona in (0, 0xFFFFFFFF, 2**64 - 1, 0x40000, 0x440000, 8):
        yield [numbers["personality"], persona, 0, 0, 0, 0]


@pytest.mark.parametrize("parameters", [NARROW, MEDIATED, OPEN], ids=str)
def test_the_kernel_gives_each_call_the_simulated_verdict(ask_kernel, machine, parameters):
    program = filters.build(machine, **parameters)
    chance = random.Random(1)
    edges = (0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, 2**64 - 1)
    calls = list(interesting(syscalls.numbers(machine), chance))
    numbers = [*range(600), *(nr | 0x40000000 for nr in range(560)), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE]
    for nr in numbers:
        for _ in range(3):
            calls.append([nr, *(chance.choice((*edges, chance.getrandbits(64))) for _ in range(5))])
    unasked = {nr for name, nr in syscalls.numbers(machine).items() if name in UNFILTERED}
    calls = [[*call, MARK | chance.getrandbits(32) << 32] for call in calls if call[0] not in unasked]
    arch = syscalls.AUDIT_ARCH[machine]
    instructions = check(program)
    expected = [told_by(run(instructions, seccomp_data(arch, nr, args))) for nr, *args in calls]
    (answer,) = ask_kernel([{"program": telling(program).hex(), "calls": calls}])
    assert (answer["installed"], answer["status"]) == (0, 0)
    wrong = [
        (call, said, want)
        for call, said, want in zip(calls, answer["outcomes"], expected, strict=True)
        if said != want
    ]
    assert wrong == []
    # Every verdict that the filter has was met: EPERM, EACCES, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT, and the rest.
    common = {1, ENOSYS, 97, TOLD_ALLOW}
    own = [{13}, {13, 93, TOLD_ASK}, {93}][(NARROW, MEDIATED, OPEN).index(parameters)]
    assert set(expected) == common | own


# Calls that cannot be made in a test, even with arguments that are wrong.
NOT_MADE = {
    "exit": "ends the probe",
    "exit_group": "ends the probe",
    "rt_sigreturn": "ends the probe: there is no signal frame",
    "fork": "makes a second probe",
    "vfork": "makes a second probe",
    "pause": "never returns",
    "sync": "writes out the disks of the machine",
    "msgget": "makes a message queue that outlives the probe",
    **UNFILTERED,
}
# All ones is no descriptor, no address, no flags, no process and no signal that exists.
WRONG = [2**64 - 1] * 6


@pytest.mark.parametrize("parameters", [NARROW, MEDIATED, OPEN], ids=str)
def test_real_calls_fail_by_the_filter_or_as_they_would_without(ask_kernel, machine, parameters):
    program = filters.build(machine, **parameters)
    arch = syscalls.AUDIT_ARCH[machine]
    numbers = syscalls.numbers(machine)
    verdicts = {
        name: simulate(program, arch, nr, WRONG) for name, nr in numbers.items() if name not in NOT_MADE
    }
    for name, reason in NOT_MADE.items():
        print(f"not called: {name}: {reason}")
    open_calls = [name for name, verdict in verdicts.items() if verdict == ALLOW]
    shut_calls = [name for name, verdict in verdicts.items() if verdict != ALLOW]
    assert len(open_calls) > 200 and len(shut_calls) > 60
    questions = [
        {"program": None, "calls": [[numbers[name], *WRONG] for name in open_calls]},
        {"program": program.hex(), "calls": [[numbers[name], *WRONG] for name in open_calls]},
        {"program": program.hex(), "calls": [[numbers[name], *WRONG] for name in shut_calls]},
    ]
    bare, through, refused = ask_kernel(questions)
    assert [answer["status"] for answer in (bare, through, refused)] == [0, 0, 0]
    assert dict(zip(open_calls, through["outcomes"], strict=True)) == dict(
        zip(open_calls, bare["outcomes"], strict=True)
    )
    # Without a listener, a call that would be asked about is answered with ENOSYS.
    expected = {
        name: ENOSYS if verdicts[name] == USER_NOTIF else verdicts[name] & 0xFFFF for name in shut_calls
    }
    assert dict(zip(shut_calls, refused["outcomes"], strict=True)) == expected
    assert ("connect" in shut_calls) == parameters["mediate_unix"]


def test_what_is_needed_every_day_works_and_what_is_refused_would_have_worked(ask_kernel, machine):
    numbers = syscalls.numbers(machine)

    def call(name, *args):
        return [numbers[name], *args]

    unix_stream, unix_datagram = call("socket", 1, 1, 0), call("socket", 1, 2, 0)
    tcp, routes = call("socket", 2, 1, 0), call("socket", 16, 3, 0)
    calls = [unix_stream, unix_datagram, tcp, routes, call("unshare", 0x400), call("personality", 0xFFFFFFFF)]
    questions = [{"program": None, "calls": calls}]
    questions += [
        {"program": filters.build(machine, **parameters).hex(), "calls": calls}
        for parameters in (NARROW, MEDIATED, OPEN)
    ]
    bare, narrow, mediated, all_open = [answer["outcomes"] for answer in ask_kernel(questions)]
    if any(bare):
        pytest.skip(f"this machine refuses some of these calls by itself: {bare}")
    assert narrow == [13, 13, 13, 0, 0, 0]
    assert mediated == [0, 13, 0, 0, 0, 0]
    assert all_open == [0, 0, 0, 0, 0, 0]


def test_a_second_filter_stands_on_the_first_and_a_second_listener_does_not(ask_kernel, machine):
    program = filters.build(machine, **MEDIATED)
    nr = syscalls.numbers(machine)["seccomp"]
    # A null pointer for the program: EFAULT shows that the call went on to the kernel.
    calls = [[nr, 1, 0, 0], [nr, 1, 8, 0], [nr, 1, 0xDEADBEEF00000008, 0], [nr, 1, 0x18, 0]]
    bare, filtered = ask_kernel([{"program": p, "calls": calls} for p in (None, program.hex())])
    assert bare["outcomes"][:2] == [14, 14]
    assert filtered["outcomes"] == [14, 1, 1, 1]


@pytest.fixture(scope="module")
def entries(machine, tmp_path_factory):
    """The C program that makes 32-bit calls, as a function of a filter to its answers by call."""
    if machine != "x86_64":
        pytest.skip(f"int $0x80 is of x86_64, this is {machine}")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("entries")
    built = folder / "entries"
    source = Path(__file__).with_name("entries.c")
    done = subprocess.run(
        [compiler, "-O1", "-o", str(built), str(source)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    def make(program):
        path = folder / "filter"
        path.write_bytes(program or b"")
        done = subprocess.run(
            [str(built), str(path) if program else "-"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if program is None and (done.returncode < 0 or f" {-ENOSYS}\n" in done.stdout):
            pytest.skip("this kernel has no 32-bit entry")
        assert done.returncode == 0, (done.returncode, done.stderr)
        return {
            name: int(result) for name, result in (line.rsplit(" ", 1) for line in done.stdout.splitlines())
        }

    return make


@pytest.mark.parametrize("parameters", [NARROW, MEDIATED, OPEN], ids=str)
def test_the_32_bit_entry_is_shut(entries, parameters):
    bare = entries(None)
    assert bare["getpid"] == 0 and bare["socketcall(AF_UNIX,SOCK_DGRAM)"] >= 0
    filtered = entries(filters.build("x86_64", **parameters))
    assert filtered == dict.fromkeys(bare, -ENOSYS)


def test_a_process_below_the_filter_is_below_it_too(machine, tmp_path):
    """The filter is inherited over fork and exec: a shell started below it still has no internet sockets."""
    runner = tmp_path / "run.py"
    runner.write_text(
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "program = open(sys.argv[1], 'rb').read()\n"
        "class P(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('f', ctypes.c_char_p)]\n"
        "p = P(len(program) // 8, program)\n"
        "libc.prctl(38, 1, 0, 0, 0)\n"
        "if libc.prctl(22, 2, ctypes.byref(p), 0, 0): sys.exit(90)\n"
        "os.execv(sys.executable, [sys.executable, '-S', '-c', sys.argv[2]])\n"
    )
    (tmp_path / "filter").write_bytes(filters.build(machine, **NARROW))
    inner = (
        "import _socket, os, sys, threading\n"
        "thread = threading.Thread(target=print, args=('thread',), daemon=True); thread.start(); thread.join()\n"
        "print('child', os.waitstatus_to_exitcode(os.system('exit 7')), flush=True)\n"
        "try: _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)\n"
        "except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", str(runner), str(tmp_path / "filter"), inner],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, ["thread", "child", "7", "13"]), done.stderr
