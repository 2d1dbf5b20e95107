"""How an attack gets into the sandbox: the source of a function, the helpers it needs, and its arguments, as `-c` text.

Knows: Python source and system call numbers.  Must not know: the judge.  Each probe says ATTACK-START first, so that
silence is never taken for a refusal, and ATTACK-END last.  A probe is a function in a test file; it runs under
``python -I -S`` with the names of `PRELUDE` and imports all else by itself.
"""

from __future__ import annotations

import inspect
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from typing import Any

PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
ARCHITECTURE = platform.machine()
X86 = ARCHITECTURE == "x86_64"

_X86_64 = {
    "ptrace": 101, "mount": 165, "init_module": 175, "add_key": 248, "request_key": 249, "keyctl": 250,
    "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313,
    "renameat2": 316, "bpf": 321, "userfaultfd": 323, "shmget": 29, "shmat": 30, "socket": 41, "clone": 56,
    "swapoff": 168, "quotactl": 179, "syslog": 103, "delete_module": 176, "ioctl": 16,
    "setpriority": 141, "ioprio_set": 251,
}  # fmt: skip
_GENERIC = {
    "ptrace": 117, "mount": 40, "init_module": 105, "add_key": 217, "request_key": 218, "keyctl": 219,
    "unshare": 97, "perf_event_open": 241, "fanotify_init": 262, "prlimit64": 261, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273,
    "renameat2": 276, "bpf": 280, "userfaultfd": 282, "shmget": 194, "shmat": 196, "socket": 198, "clone": 220,
    "swapoff": 225, "quotactl": 60, "syslog": 116, "delete_module": 106, "ioctl": 29,
    "setpriority": 140, "ioprio_set": 30,
}  # fmt: skip
_EVERYWHERE = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435, "openat2": 437,
    "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443, "fchmodat2": 452, "setxattrat": 463,
    "open_tree_attr": 467, "file_setattr": 469,
}  # fmt: skip
NR = {**(_X86_64 if X86 else _GENERIC), **_EVERYWHERE}

PRELUDE = """
import ctypes, errno, json, os, sys
P = json.loads(sys.argv[1])
NR = P.pop("NR")
print("ATTACK-START", P["nonce"], flush=True)
NONCE = P.pop("nonce")
"""


def attempt(label, action, *args, **kwargs):  # type: ignore[no-untyped-def]
    """In the sandbox: take one step and say what came of it; a refusal never ends the probe."""
    try:
        result = action(*args, **kwargs)
    except Exception as error:
        number = getattr(error, "errno", None)
        print("REFUSED", label, errno.errorcode.get(number, number), error, flush=True)  # noqa: F821
        return None
    print("DID", label, flush=True)
    return True if result is None else result


def put(path, text):  # type: ignore[no-untyped-def]
    """In the sandbox: make or replace a file, with its parents."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def syscall(name, *args):  # type: ignore[no-untyped-def]
    """In the sandbox: one system call, by name or number; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)  # noqa: F821
    libc.syscall.restype = ctypes.c_long  # noqa: F821
    number = NR[name] if isinstance(name, str) else name
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in args]  # noqa: F821
    result = libc.syscall(ctypes.c_long(number), *values)  # noqa: F821
    if result == -1:
        code = ctypes.get_errno()  # noqa: F821
        raise OSError(code, os.strerror(code))
    return result


def int80(number, *args):  # type: ignore[no-untyped-def]
    """In the sandbox, x86-64: a system call through the 32-bit entry; every pointer must lie below 4 GiB."""
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)  # noqa: F821
    libc.mmap.restype = ctypes.c_void_p  # noqa: F821
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]  # noqa: F821
    page = libc.mmap(None, 4096, 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, -1, 0)
    # push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; movsxd rax, eax; pop rbx; ret
    code = bytes.fromhex("53 89f8 89f3 87ca cd80 4863c0 5b c3")
    ctypes.memmove(page, code, len(code))  # noqa: F821
    call = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_uint32] * 4)(page)  # noqa: F821
    result = call(number, *args, *[0] * (3 - len(args)))
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def low_memory(data):  # type: ignore[no-untyped-def]
    """In the sandbox, x86-64: a copy of the bytes below 4 GiB; the address."""
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)  # noqa: F821
    libc.mmap.restype = ctypes.c_void_p  # noqa: F821
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]  # noqa: F821
    page = libc.mmap(None, 65536, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, -1, 0)
    ctypes.memmove(page, data, len(data))  # noqa: F821
    return page


def ring(*entries):  # type: ignore[no-untyped-def]
    """In the sandbox: run submission entries (64 bytes each) one after the other on an io_uring; their results."""
    import mmap
    import struct

    params = ctypes.create_string_buffer(120)  # noqa: F821
    descriptor = syscall("io_uring_setup", 8, params)
    tail, array = struct.unpack_from("I", params, 44)[0], struct.unpack_from("I", params, 64)[0]
    head, done = struct.unpack_from("I", params, 80)[0], struct.unpack_from("I", params, 100)[0]
    queue = mmap.mmap(descriptor, 4096, mmap.MAP_SHARED, 3, offset=0)
    work = mmap.mmap(descriptor, 4096, mmap.MAP_SHARED, 3, offset=0x10000000)
    results = []
    for index, entry in enumerate(entries):
        work[index * 64 : index * 64 + 64] = entry(results) if callable(entry) else entry
        struct.pack_into("I", queue, array + 4 * index, index)
        struct.pack_into("I", queue, tail, index + 1)
        syscall("io_uring_enter", descriptor, 1, 1, 1, None, 0)
        seen = struct.unpack_from("I", queue, head)[0]
        results.append(struct.unpack_from("Qi", queue, done + 16 * seen)[1])
        struct.pack_into("I", queue, head, seen + 1)
    return results


def flipping(texts):  # type: ignore[no-untyped-def]
    """In the sandbox: shared memory in which another process puts one text after the other; address and a stopper."""
    import mmap
    import signal

    area = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))  # noqa: F821
    ctypes.memmove(address, texts[0], len(texts[0]))  # noqa: F821
    child = os.fork()
    while child == 0:
        for text in texts:
            ctypes.memmove(address, text, len(text))  # noqa: F821

    def stop():  # type: ignore[no-untyped-def]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        area.close()  # kept until now by this function, so that the address stays valid

    return address, stop


HELPERS: tuple[Callable[..., Any], ...] = (attempt, put, syscall)


def source(probe: Callable[..., None], *helpers: Callable[..., Any]) -> str:
    """The text to run: prelude, helpers, the probe, and its call with the parameters of ``sys.argv[1]``."""
    parts = [PRELUDE, *(inspect.getsource(function) for function in (*HELPERS, *helpers, probe))]
    return "\n".join((*parts, f"{probe.__name__}(**P)", 'print("ATTACK-END", NONCE, flush=True)'))


def command(probe: Callable[..., None], nonce: str, *helpers: Callable[..., Any], **parameters: object) -> list[str]:
    """The argv of a probe; parameters are anything JSON can say (paths become text)."""
    text = json.dumps({"nonce": nonce, "NR": NR, **parameters}, default=os.fspath)
    return [PYTHON, "-I", "-S", "-c", source(probe, *helpers), text]
