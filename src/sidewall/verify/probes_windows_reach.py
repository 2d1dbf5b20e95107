"""Probes for Windows that are about what can be reached: network, resolvers, pipes, processes, the desktop.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.  Follows: docs/attacks-windows.md.
"""

from __future__ import annotations

from sidewall.verify.probe import Probe
from sidewall.verify.probes_network import egress, loopback, resolvers
from sidewall.verify.probes_windows_files import CALL

NETWORK = [
    *egress("W-NET-01 own", "W-NET-02 own", "W-NET-02 multicast", "W-NET-02 broadcast", "W-NET-01 route"),
    *loopback("W-NET-01 connect", "W-NET-01 six", "W-NET-02 loopback", "W-NET-02 six"),
    *resolvers("W-NET-04 query", "W-NET-04 tcp", "W-NET-04 own"),
]

_MAPPING = """
import mmap
with mmap.mmap(-1, 65536, tagname=mapping) as shared_memory:
    shared_memory[64 * number:64 * number + len(nonce)] = nonce.encode()
"""
_SLOT = """
import _winapi
_winapi.WriteFile(_winapi.CreateFile(mailslot, 0x40000000, 1, 0, 3, 0, 0), nonce.encode())
"""

PIPES = [
    Probe(id="W-SEC-05 pipe", guarantee="unix-sockets-and-pipes", what="a named pipe of another program",
          effect="received pipe", program="open(pipe, 'wb', buffering=0).write(nonce.encode())"),
    Probe(id="W-IPC-03 slot", guarantee="unix-sockets-and-pipes", what="a mailslot of another program",
          effect="received mailslot", program=_SLOT),
    Probe(id="W-IPC-03 memory", guarantee="unix-sockets-and-pipes", what="write into another program's shared memory",
          effect="received mapping", program=_MAPPING),
]

OPEN = """
def process(rights):
    return call("kernel32", "OpenProcess", rights, 0, victim, result=ctypes.c_void_p)
"""
"""``process(rights)``: a handle of the victim."""
_READ = """
space, size = ctypes.create_string_buffer(64), ctypes.c_size_t()
call("kernel32", "ReadProcessMemory", process(0x10), place, space, 64, ctypes.byref(size))
print(space.value.decode())
"""
_WRITE = """
data, size = ctypes.create_string_buffer(nonce.encode()), ctypes.c_size_t()
call("kernel32", "WriteProcessMemory", process(0x28), place, data, len(nonce), ctypes.byref(size))
"""
_DUPLICATE = """
got = ctypes.c_void_p()
me = ctypes.c_void_p(-1)
call("kernel32", "DuplicateHandle", process(0x40), held, me, ctypes.byref(got), 0, 0, 2)
space, size = ctypes.create_string_buffer(100), wintypes.DWORD()
call("kernel32", "SetFilePointerEx", got.value, 0, None, 0)
call("kernel32", "ReadFile", got.value, space, 100, ctypes.byref(size), None)
print(space.value.decode())
"""


def _process(row: str, what: str, program: str, effect: str) -> Probe:
    return Probe(id=row, guarantee="outside-processes", what=what, program=program, effect=effect, source=CALL + OPEN)


PROCESSES = [
    _process("W-PRC-10 end", "end a process outside", "os.kill(victim, 9)", "ended"),
    _process("W-PRC-01 memory", "read another process's memory", _READ, "printed victim"),
    _process("W-PRC-02 memory", "write into another process's memory", _WRITE, "memory"),
    _process("W-PRC-04 handle", "take an open file out of another process", _DUPLICATE, "printed held"),
    _process("W-PRC-10 priority", "change another process's priority",
             "call('kernel32', 'SetPriorityClass', process(0x200), 0x40)", "tuned"),
]

_MESSAGE = """
window = call("user32", "FindWindowW", None, title, result=ctypes.c_void_p)
call("user32", "PostMessageW", window, 0x8001, number, 0)
"""
_TITLES = """
found = []
@ctypes.WINFUNCTYPE(wintypes.BOOL, ctypes.c_void_p, ctypes.c_void_p)
def look(window, _):
    space = ctypes.create_unicode_buffer(300)
    ctypes.WinDLL("user32").InternalGetWindowText(ctypes.c_void_p(window), space, 300)
    found.append(space.value)
    return True
call("user32", "EnumWindows", look, 0)
print(found)
"""
_DESKTOP = """
thread = ctypes.WinDLL("kernel32").GetCurrentThreadId()
mine = call("user32", "GetThreadDesktop", thread, result=ctypes.c_void_p)
space, size = ctypes.create_unicode_buffer(300), wintypes.DWORD()
call("user32", "GetUserObjectInformationW", mine, 2, space, 600, ctypes.byref(size))
told() if space.value == desktop else print(space.value)
"""

DESKTOP = [
    Probe(id="W-IPC-06 message", guarantee="desktop", what="send a message to a window of the user's", source=CALL,
          effect="received window", program=_MESSAGE),
    Probe(id="W-SEC-07 titles", guarantee="desktop", what="read the titles of the user's windows", source=CALL,
          effect="printed title", program=_TITLES),
    Probe(id="W-IPC-06 desktop", guarantee="desktop", what="be on the user's desktop", source=CALL, effect="told",
          program=_DESKTOP),
]

PROBES = (*NETWORK, *PIPES, *PROCESSES, *DESKTOP)
