"""Asks the running kernel: installs a filter in a child of its own and makes calls there.  Run as a program.

Knows: prctl(2), seccomp(2), syscall(2) by ctypes.  Must not know: Sidewall; nothing of it is imported.

Reads one JSON list of questions from standard input, writes one JSON list of answers.  A question is ``program``
(hexadecimal, null for no filter), ``calls`` (lists of a number and its arguments) and ``flags`` of seccomp(2); its
answer is ``installed`` (errno, 0 when it was), ``outcomes`` (errno of each call made, 0 when it succeeded) and
``status`` (how the child ended, as from waitpid).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import select
import signal
import sys
import time

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG = 4, 38, 1
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_NUMBER = {"x86_64": 317, "aarch64": 277}[platform.machine()]
SECONDS = 20

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def call(number: int, arguments: list[int]) -> int:
    """errno of one system call, 0 when it succeeded; the number is cut to the 32 bits that the kernel reads."""
    words = [ctypes.c_ulong(argument & 0xFFFFFFFFFFFFFFFF) for argument in arguments]
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(ctypes.c_int(number & 0xFFFFFFFF).value), *words)
    return ctypes.get_errno() if result == -1 else 0


def child(question: dict[str, object], out: int) -> None:
    """Never returns: installs, calls, and writes each answer as a line, so that a death loses only what follows."""
    os.setsid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    # With or without a filter: landlock_restrict_self and others answer by it.
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        os._exit(3)
    installed = 0
    if question["program"] is not None:
        program = bytes.fromhex(question["program"])
        prog = SockFprog(len(program) // 8, program)
        address = ctypes.addressof(prog)
        installed = call(SECCOMP_NUMBER, [SECCOMP_SET_MODE_FILTER, question.get("flags", 0), address])
    os.write(out, b"%d\n" % installed)
    if not installed:
        for number, *arguments in question["calls"]:
            os.write(out, b"%d\n" % call(number, arguments))
    os._exit(0)


def ask(question: dict[str, object]) -> dict[str, object]:
    """Forks a child for one question, bounds its time, and collects what it wrote."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            child(question, writer)
        finally:
            os._exit(4)
    os.close(writer)
    deadline = time.monotonic() + SECONDS
    received = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            break
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        received += chunk
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    lines = [int(line) for line in received.split()]
    return {"installed": lines[0] if lines else -1, "outcomes": lines[1:], "status": status}


if __name__ == "__main__":
    json.dump([ask(question) for question in json.load(sys.stdin)], sys.stdout)
