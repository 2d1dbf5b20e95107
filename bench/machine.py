"""The machine's description, for the head of the table.

Knows: where Linux says what it is.  Must not know: what is measured.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_VERSION = 1


def describe(workspace: str) -> list[tuple[str, str]]:
    """(what, value) pairs."""
    return [
        ("processor", f"{processor()}, {os.cpu_count()} cores"),
        ("memory", f"{memory_gib():.0f} GiB"),
        ("kernel", platform.release()),
        ("system", distribution()),
        ("Landlock ABI", str(landlock_abi())),
        ("Python", platform.python_version()),
        ("user", "root" if os.getuid() == 0 else "an ordinary user"),
        ("workspace on", file_system(workspace)),
        ("load at the start", f"{os.getloadavg()[0]:.1f}"),
    ]


def processor() -> str:
    """The processor's name as the kernel prints it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib() -> float:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def distribution() -> str:
    """The distribution's name and version."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def landlock_abi() -> int:
    """The kernel's newest Landlock version; 0 without Landlock."""
    call = ctypes.CDLL(None).syscall
    return max(0, int(call(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def file_system(path: str) -> str:
    """The type of the file system that holds ``path``."""
    best, kind = "", "?"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        mount = left.split()[4]
        if (path + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind


def descendants_pss_kib(pid: int) -> int:
    """The proportional set size of every descendant of ``pid``, in KiB.  Needs to be allowed to read it (root)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    total, queue = 0, list(children.get(pid, ()))
    while queue:
        current = queue.pop()
        queue += children.get(current, ())
        for line in Path(f"/proc/{current}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total
