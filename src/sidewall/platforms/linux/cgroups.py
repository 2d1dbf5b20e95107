"""Control groups, version 2: is a directory delegated to us, and one group for a cell.

Knows: Documentation/admin-guide/cgroup-v2.rst.  Must not know: policy.  The keeper removes the group at the end.
"""

from __future__ import annotations

import os

MOUNT = "/sys/fs/cgroup"


def own_path() -> str:
    """The directory of this process's cgroup in the unified hierarchy, or ''."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("0::"):
                    path = line[3:].strip()
                    return (MOUNT + path).rstrip("/") if os.path.exists(f"{MOUNT}/cgroup.controllers") else ""
    except OSError:
        return ""
    return ""


def delegated() -> tuple[str, tuple[str, ...]]:
    """A directory in which this user may make groups with controllers, and those controllers; ('', ()) when none.

    A group with processes of its own cannot give controllers to children, so the parent's are looked at too.
    """
    path = own_path()
    for candidate in (path, os.path.dirname(path)) if path else ():
        try:
            with open(f"{candidate}/cgroup.subtree_control", encoding="ascii") as enabled:
                controllers = tuple(name for name in enabled.read().split() if name in ("memory", "pids"))
        except OSError:
            continue
        if controllers and os.access(candidate, os.W_OK) and os.access(f"{candidate}/cgroup.procs", os.W_OK):
            return candidate, controllers
    return "", ()


def make(parent: str, name: str, settings: tuple[tuple[str, str], ...]) -> str:
    """Makes a group and sets its limits; its path.  Raises OSError; on an error the group is gone again."""
    path = f"{parent}/{name}"
    os.mkdir(path, 0o755)
    try:
        for file, value in settings:
            with open(f"{path}/{file}", "w", encoding="ascii") as setting:
                setting.write(value)
    except OSError:
        os.rmdir(path)
        raise
    return path


def enter(path: str, pid: int) -> None:
    """Moves a process (and so its later children) into a group.  Raises OSError."""
    with open(f"{path}/cgroup.procs", "w", encoding="ascii") as processes:
        processes.write(str(pid))
