"""The seccomp filter of a cell: verdicts and parameters in, a classic BPF program out.

Knows: how verdicts by name become one program by number, and the rules on arguments.
Must not know: how a filter is installed, what the policy asked for beyond the parameters.
Follows: seccomp(2) (check the architecture, mind x32, compare 32 bits where the kernel does), clone(2), unshare(2),
socket(2), unix(7), netlink(7), ioctl_tty(2), personality(2).

The program finds the verdict by a binary search over ranges of numbers.  A verdict that reads no argument costs
nothing later: the kernel remembers, call by call, what is always allowed.  Arguments are compared as wide as the
kernel reads them: an ``int`` argument carries 32 bits, whatever stands above them.
"""

from __future__ import annotations

from sidewall.bpf import syscalls, verdicts
from sidewall.bpf.assemble import ALLOW, ARCH, ERRNO, JEQ, JGE, JSET, NR, USER_NOTIF, Assembler, high, low
from sidewall.errors import InternalError

NONE, MEDIATED, OPEN = "none", "mediated", "open"
UNIX_MODES = (NONE, MEDIATED, OPEN)

# Numbers of Linux, the same on both machines; the errno module has those of the machine that compiles the plan.
EPERM, EACCES, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 13, 38, 93, 97

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET = 1, 2, 5
SOCK_TYPE_MASK = 0xF
NETLINK_ROUTE = 0
# The default, ICMP (for ping, unprivileged), TCP, UDP, ICMPv6, multipath TCP.  Any other number would load a module.
IP_PROTOCOLS = (0, 1, 6, 17, 58, 262)

# clone(2): NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.  NEWTIME is not among them: clone takes those
# bits for the exit signal.
CLONE_NEW = 0x7E020000
# unshare(2): VM, FS, FILES, SIGHAND, THREAD, SYSVSEM.  A list of what is allowed, since unshare has flags of its own
# for namespaces (NEWTIME, an empty mount namespace) and gains new ones.
UNSHARE_ALLOWED = 0x00050F00

ADDR_NO_RANDOMIZE = 0x0040000
PERSONALITIES = (0, ADDR_NO_RANDOMIZE, 0xFFFFFFFF)

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8

# TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD: type into a terminal, paste on a console, take the console's output, change
# the line discipline (which loads modules).
IOCTL_REFUSED = (0x5412, 0x541C, 0x541D, 0x5423)

RLIMIT_CORE = 4

_ERRORS = {
    "done": 0,
    "eperm": EPERM,
    "eacces": EACCES,
    "enosys": ENOSYS,
    "eprotonosupport": EPROTONOSUPPORT,
    "eafnosupport": EAFNOSUPPORT,
}


def build(arch: str, *, inet: bool, unix: str, mediate_unix: bool, shares_host: bool = False) -> bytes:
    """The filter for ``arch`` (``x86_64`` or ``aarch64``), as an array of ``struct sock_filter``.

    ``inet``: sockets of the internet families may be made.  ``unix``: ``none`` (only socket pairs), ``mediated``
    (only sockets that must connect before they send, so that connect(2) can be watched) or ``open``.
    ``mediate_unix``: connect(2) of any family asks the listener of the filter.  ``shares_host``: the cell has no
    ipc and pid namespaces of its own, so what reaches other processes through them is refused too.

    Raises:
        MachineError: no system call table for this machine.
        InternalError: ``unix`` is none of the three words.
    """
    asked = (arch, inet, unix, mediate_unix, shares_host)
    if asked not in _built:
        _built[asked] = _build(arch, inet, unix, mediate_unix, shares_host)
    return _built[asked]


_built: dict[tuple[str, bool, str, bool, bool], bytes] = {}
"""There are a few dozen at most, and a process that opens many cells wants the same one."""


def _build(arch: str, inet: bool, unix: str, mediate_unix: bool, shares_host: bool) -> bytes:
    if unix not in UNIX_MODES:
        raise InternalError(f"seccomp filter: unix sockets {unix!r}, not one of {', '.join(UNIX_MODES)}")
    ranges = _ranges(arch, mediate_unix, shares_host)
    asm = Assembler()
    asm.load(ARCH)
    asm.branch(JEQ, syscalls.AUDIT_ARCH[arch], "", "enosys")
    asm.load(NR)
    _search(asm, ranges)
    _rules(asm)
    _core_limit(asm, shares_host)
    if shares_host:
        _own_process(asm)
    _sockets(asm, inet, unix)
    for label, error in _ERRORS.items():
        asm.label(label)
        asm.ret(ERRNO | error)
    asm.label("ask")
    asm.ret(USER_NOTIF)
    asm.label("allow")
    asm.ret(ALLOW)
    return asm.assemble()


def explain(arch: str) -> tuple[tuple[str, str], ...]:
    """(name, verdict) for every call that has a number on ``arch``, in the order of the numbers.

    The verdict is ``allow``, ``EPERM``, ``ENOSYS`` or a phrase about the arguments.  What has no number is ENOSYS.

    Raises:
        MachineError: no system call table for this machine.
    """
    words = dict.fromkeys(verdicts.EPERM, "EPERM")
    words.update(dict.fromkeys(verdicts.ENOSYS, "ENOSYS"))
    words.update(verdicts.BY_ARGUMENT)
    words[verdicts.MEDIATED] = "allow, or the keeper is asked where unix sockets are mediated"
    return tuple((name, words.get(name, "allow")) for name in syscalls.numbers(arch))


def _ranges(arch: str, mediate_unix: bool, shares_host: bool) -> list[tuple[int, str]]:
    """(first number, label) of each run of numbers with one verdict; the first starts at 0, the last has no end.

    x32 calls (bit 30 of the number) and numbers newer than the table fall into the last, which is ENOSYS.
    """
    numbers = syscalls.numbers(arch)
    special: dict[int, str] = {}
    for name in verdicts.EPERM:
        if name in numbers:
            special[numbers[name]] = "eperm"
    for name in verdicts.ENOSYS:
        if name in numbers:
            special[numbers[name]] = "enosys"
    for name in verdicts.BY_ARGUMENT:
        special[numbers[name]] = name
    if shares_host:
        for name in verdicts.SHARED_EPERM:
            special[numbers[name]] = "eperm"
        for name in verdicts.SHARED_FIRST_ZERO:
            special[numbers[name]] = "first zero"
        for name in verdicts.SHARED_SECOND_ZERO:
            special[numbers[name]] = f"own {name}"
    if mediate_unix:
        special[numbers[verdicts.MEDIATED]] = "ask"
    edges: dict[int, str] = {}
    for first, end in syscalls.spans(arch):
        edges[first] = "allow"
        edges[end] = "enosys"
    for number, label in special.items():
        following = number + 1
        if following not in special and following not in edges:
            edges[following] = "allow"
        edges[number] = label
    ranges: list[tuple[int, str]] = []
    for number in sorted(edges):
        if not ranges or ranges[-1][1] != edges[number]:
            ranges.append((number, edges[number]))
    return ranges


def _search(asm: Assembler, ranges: list[tuple[int, str]]) -> None:
    """Goes to the label of the range that A is in, by halving."""
    pending = [(0, len(ranges), "")]
    while pending:
        start, end, name = pending.pop()
        if name:
            asm.label(name)
        label = ranges[start][1]
        if end - start == 1:
            asm.jump(label)
            continue
        if end - start == 3:
            (number, island), (following, after) = ranges[start + 1 : end]
            if after == label and following == number + 1:
                asm.branch(JEQ, number, island, label)
                continue
        middle = (start + end) // 2
        lower, upper = label, ranges[middle][1]
        if end - middle > 1:
            upper = f"from {middle}"
            pending.append((middle, end, upper))
        if middle - start > 1:
            # Popped next, so it follows at once and needs no name.
            lower = ""
            pending.append((start, middle, ""))
        asm.branch(JGE, ranges[middle][0], upper, lower)


def _among(asm: Assembler, values: tuple[int, ...], then: str, otherwise: str) -> None:
    """Goes to ``then`` if A is one of ``values``, else to ``otherwise``."""
    for value in values[:-1]:
        asm.branch(JEQ, value, then)
    asm.branch(JEQ, values[-1], then, otherwise)


def _rules(asm: Assembler) -> None:
    """The calls that are decided by their arguments, but for sockets."""
    asm.label("clone")
    asm.load(low(0))
    asm.branch(JSET, CLONE_NEW, "eperm", "allow")

    asm.label("unshare")
    asm.load(high(0))
    asm.branch(JEQ, 0, "", "eperm")
    asm.load(low(0))
    asm.branch(JSET, ~UNSHARE_ALLOWED & 0xFFFFFFFF, "eperm", "allow")

    asm.label("personality")
    asm.load(low(0))
    _among(asm, PERSONALITIES, "allow", "eperm")

    # A listener of the command's own could answer for the keeper's, or keep the keeper from having one.
    asm.label("seccomp")
    asm.load(low(0))
    asm.branch(JEQ, SECCOMP_SET_MODE_FILTER, "", "allow")
    asm.load(low(1))
    asm.branch(JSET, SECCOMP_FILTER_FLAG_NEW_LISTENER, "eperm", "allow")

    asm.label("ioctl")
    asm.load(low(1))
    _among(asm, IOCTL_REFUSED, "eperm", "allow")


def _core_limit(asm: Assembler, shares_host: bool) -> None:
    """The limit on core dumps stays at the one byte at which the kernel starts no handler of the host's (core(5)):
    no byte at all would start it.  Programs that ask for none have that, so they are not told of an error."""
    asm.label("setrlimit")
    asm.load(low(0))
    asm.branch(JEQ, RLIMIT_CORE, "done", "allow")

    asm.label("prlimit64")
    if shares_host:
        asm.load(low(0))
        asm.branch(JEQ, 0, "", "eperm")
    asm.load(low(1))
    asm.branch(JEQ, RLIMIT_CORE, "", "allow")
    # Only looking: there is no new limit.
    for half in (high(2), low(2)):
        asm.load(half)
        asm.branch(JEQ, 0, "", "old limit")
    asm.jump("allow")
    # Asked for the old one too, it would be told something that is not there.
    asm.label("old limit")
    for half in (high(3), low(3)):
        asm.load(half)
        asm.branch(JEQ, 0, "", "eperm")
    asm.jump("done")


def _own_process(asm: Assembler) -> None:
    """Calls that may only mean the caller itself, which they name by 0."""
    asm.label("first zero")
    asm.load(low(0))
    asm.branch(JEQ, 0, "allow", "eperm")
    for name, user in verdicts.SHARED_SECOND_ZERO.items():
        asm.label(f"own {name}")
        asm.load(low(0))
        asm.branch(JEQ, user, "eperm")
        asm.load(low(1))
        asm.branch(JEQ, 0, "allow", "eperm")


def _sockets(asm: Assembler, inet: bool, unix: str) -> None:
    """socket(2) and socketpair(2)."""
    asm.label("socket")
    asm.load(low(0))
    asm.branch(JEQ, AF_UNIX, {NONE: "eacces", MEDIATED: "connected only", OPEN: "allow"}[unix])
    _among(asm, (AF_INET, AF_INET6), "internet" if inet else "eacces", "")
    asm.branch(JEQ, AF_NETLINK, "", "eafnosupport")
    # getaddrinfo(3) and getifaddrs(3) ask for routes; the other protocols are for administrators.
    asm.load(low(2))
    asm.branch(JEQ, NETLINK_ROUTE, "allow", "eperm")

    if inet:
        asm.label("internet")
        asm.load(low(1))
        asm.mask(SOCK_TYPE_MASK)
        _among(asm, (SOCK_STREAM, SOCK_DGRAM), "protocol", "eperm")
        asm.label("protocol")
        asm.load(low(2))
        _among(asm, IP_PROTOCOLS, "allow", "eprotonosupport")

    asm.label("socketpair")
    asm.load(low(0))
    asm.branch(JEQ, AF_UNIX, "allow" if unix == OPEN else "", "eafnosupport")
    if unix != OPEN:
        # A datagram socket sends to any socket's path without connect(2), even one of a pair; and Linux makes a
        # datagram socket of a raw one.
        asm.label("connected only")
        asm.load(low(1))
        asm.mask(SOCK_TYPE_MASK)
        _among(asm, (SOCK_STREAM, SOCK_SEQPACKET), "allow", "eacces")
