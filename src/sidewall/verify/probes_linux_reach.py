"""Probes for Linux that are about what can be reached: network, resolvers, sockets, processes, the desktop.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks.md.
"""

from __future__ import annotations

import platform

from sidewall.verify.probe import Probe
from sidewall.verify.probes_linux_files import SYSCALL
from sidewall.verify.probes_network import SEND, egress, loopback, resolvers


def _sent(row: str, guarantee: str, what: str, listener: str, program: str) -> Probe:
    return Probe(id=row, guarantee=guarantee, what=what, program=program, effect=f"received {listener}", source=SEND)


EGRESS = [
    *egress("L-072 own", "L-077 own", "L-077 multicast", "L-077 broadcast", "L-072 route"),
    _sent("L-076 own", "network-egress", "TCP to the machine's own address, connecting by sending", "own4",
          "send(IN, TCP, (address, own4), fast=True)"),
]
_MULTIPATH = """
line = socket.socket(IN, TCP, 262)
line.settimeout(2)
line.connect(("127.0.0.1", tcp4))
line.sendall(nonce.encode())
"""
LOOPBACK = [
    *loopback("L-072 loopback", "L-074 six", "L-077 loopback", "L-078 six"),
    _sent("L-073 mapped", "network-host-loopback", "TCP to ::ffff:127.0.0.1", "tcp4",
          "send(IN6, TCP, ('::ffff:127.0.0.1', tcp4))"),
    _sent("L-063 paths", "network-host-loopback", "multipath TCP to 127.0.0.1", "tcp4", _MULTIPATH),
    _sent("L-075 zero", "network-host-loopback", "TCP to 0.0.0.0", "tcp4", "send(IN, TCP, ('0.0.0.0', tcp4))"),
    _sent("L-076 loopback", "network-host-loopback", "TCP Fast Open to 127.0.0.1", "tcp4",
          "send(IN, TCP, ('127.0.0.1', tcp4), fast=True)"),
]

_OLD_ENTRY = """
import ctypes, mmap, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
# Below 4 GiB, where 32-bit pointers reach: code, then data.
page = libc.mmap(None, 8192, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, -1, 0)
# push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; movsxd rax, eax; pop rbx; ret
code = bytes.fromhex("53 89f8 89f3 87ca cd80 4863c0 5b c3")
ctypes.memmove(page, code, len(code))
entry = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_uint32] * 4)(page)
def call(*words):
    result = entry(*words)
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
where = struct.pack("=H", 2) + tcp4.to_bytes(2, "big") + socket.inet_aton("127.0.0.1") + bytes(8)
ctypes.memmove(page + 4096, where, 16)
ctypes.memmove(page + 4200, nonce.encode(), len(nonce))
line = call(359, 2, 1, 0)
call(362, line, page + 4096, 16)
call(4, line, page + 4200, len(nonce))
"""
"""A connection made by the 32-bit entry of x86 (``int 0x80``), whose calls have other numbers."""
if platform.machine() == "x86_64":
    LOOPBACK.append(_sent("L-059 entry", "network-host-loopback", "TCP by the 32-bit entry", "tcp4", _OLD_ENTRY))

_LIBRARY = """
import ctypes, struct
libc = ctypes.CDLL(None)
libc.__res_state.restype = ctypes.c_void_p
libc.__res_init()
state = libc.__res_state()
ctypes.memmove(state, struct.pack("=ii", 1, 1), 8)
server = struct.pack("=H", 2) + resolver.to_bytes(2, "big") + socket.inet_aton("127.0.0.1") + bytes(8)
ctypes.memmove(state + 16, struct.pack("=i", 1) + server, 20)
search = getattr(libc, "res_query", None) or getattr(libc, "__res_query")
search((nonce + ".invalid").encode(), 1, 1, ctypes.create_string_buffer(512), 512)
"""
"""The C library's own resolver, led to the scene's by its state (``resolv.h``): one try of one second."""

RESOLVERS = [
    *resolvers("LX-21 query", "LX-21 tcp", "LX-21 own"),
    _sent("LX-21 library", "name-resolution", "ask a resolver by the C library", "resolver", _LIBRARY),
    _sent("LX-21 cache", "name-resolution", "ask a resolver's unix socket", "cache", "send(UNIX, TCP, cache)"),
]

_SHARED_MEMORY = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
at = libc.shmat(segment, None, 0)
if at in (None, ctypes.c_void_p(-1).value):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
offset = 64 * number
ctypes.memmove(at + offset, nonce.encode(), len(nonce))
"""

SOCKETS = [
    _sent("L-081 path", "unix-sockets-and-pipes", "a unix socket by its path", "unix", "send(UNIX, TCP, unix)"),
    _sent("L-081 link", "unix-sockets-and-pipes", "a unix socket through a link in the workspace", "unix",
          "os.symlink(unix, here + '/u'); os.chdir(here); send(UNIX, TCP, 'u')"),
    _sent("L-079 abstract", "unix-sockets-and-pipes", "an abstract unix socket", "abstract",
          "send(UNIX, TCP, '\\0' + abstract)"),
    _sent("L-080 datagram", "unix-sockets-and-pipes", "a datagram unix socket", "dgram", "send(UNIX, UDP, dgram)"),
    _sent("L-070 agent", "unix-sockets-and-pipes", "the ssh agent that SSH_AUTH_SOCK names", "agent",
          "send(UNIX, TCP, os.environ.get('SSH_AUTH_SOCK', agent))"),
    Probe(id="L-049 memory", guarantee="unix-sockets-and-pipes", what="write into a System V memory segment",
          program=_SHARED_MEMORY, effect="received segment"),
]

_WRITE = """
data = ctypes.create_string_buffer(nonce.encode())
near = (ctypes.c_size_t * 2)(ctypes.addressof(data), len(nonce))
far = (ctypes.c_size_t * 2)(place, len(nonce))
syscall("process_vm_writev", victim, ctypes.byref(near), 1, ctypes.byref(far), 1, 0)
"""
_LISTING = """
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            print(open(f"/proc/{name}/cmdline").read())
        except OSError:
            pass
"""
_STEAL = """
handle = syscall("pidfd_open", victim, 0)
print(os.pread(syscall("pidfd_getfd", handle, held, 0), 100, 0).decode())
"""
_MEMORY = """
with open(f"/proc/{victim}/mem", "r+b", buffering=0) as memory_of:
    memory_of.seek(place)
    memory_of.write(nonce.encode())
"""

PROCESSES = [
    Probe(id="L-096 kill", guarantee="outside-processes", what="end a process outside", effect="ended",
          program="os.kill(victim, 9)"),
    Probe(id="L-096 handle", guarantee="outside-processes",
          what="end a process outside by a process descriptor", effect="ended",
          source=SYSCALL, program="syscall('pidfd_send_signal', syscall('pidfd_open', victim, 0), 9, None, 0)"),
    Probe(id="L-095 trace", guarantee="outside-processes", what="trace a process outside", effect="told",
          source=SYSCALL, program="syscall('ptrace', 0x4206, victim, 0, 0); told()"),
    Probe(id="L-091 memory", guarantee="outside-processes",
          what="write into another process's memory by /proc", effect="memory",
          program=_MEMORY),
    Probe(id="L-099 memory", guarantee="outside-processes", what="write into it by process_vm_writev",
          effect="memory", source=SYSCALL, program=_WRITE),
    Probe(id="L-093 descriptor", guarantee="outside-processes",
          what="take an open file out of another process",
          effect="printed held", source=SYSCALL, program=_STEAL),
    Probe(id="L-050 environment", guarantee="outside-processes", what="read another process's environment",
          effect="printed victim",
          program="print(open(f'/proc/{victim}/environ').read())"),
    Probe(id="L-053 listing", guarantee="outside-processes", what="list the command lines of others",
          effect="printed argument", program=_LISTING),
    Probe(id="L-094 priority", guarantee="outside-processes", what="change another process's priority",
          effect="tuned",
          program="os.setpriority(os.PRIO_PROCESS, victim, os.getpriority(os.PRIO_PROCESS, victim) + 3)"),
    Probe(id="L-094 limit", guarantee="outside-processes",
          what="change another process's limit on open files", effect="tuned",
          program="import resource; resource.prlimit(victim, resource.RLIMIT_NOFILE, "
                  "(64, resource.prlimit(victim, resource.RLIMIT_NOFILE)[1]))"),
]

_KEY = """
space = ctypes.create_string_buffer(200)
size = syscall("keyctl", 11, key, ctypes.addressof(space), 200, 0)
print(space.raw[:size].decode())
"""

DESKTOP = [
    _sent("L-056 bus", "desktop", "the session bus that the environment names", "bus",
          "send(UNIX, TCP, os.environ.get('DBUS_SESSION_BUS_ADDRESS', 'unix:path=' + bus).partition('=')[2])"),
    _sent("L-083 wayland", "desktop", "the compositor that WAYLAND_DISPLAY names", "wayland",
          "send(UNIX, TCP, os.environ.get('WAYLAND_DISPLAY', wayland))"),
    _sent("L-079 display", "desktop", "an X server by its abstract name", "display",
          "send(UNIX, TCP, '\\0' + display)"),
    Probe(id="LX-07 terminal", guarantee="desktop", what="write to the terminal of another shell",
          effect="received terminal",
          program="os.write(os.open(terminal, os.O_WRONLY | os.O_NOCTTY), nonce.encode() + b'\\n')"),
    Probe(id="L-043 key", guarantee="desktop", what="read a key of the user's keyring", effect="printed key",
          source=SYSCALL, program=_KEY),
]

PROBES = (*EGRESS, *LOOPBACK, *RESOLVERS, *SOCKETS, *PROCESSES, *DESKTOP)
