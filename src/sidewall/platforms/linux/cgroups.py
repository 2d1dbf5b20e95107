"""Control groups, version 2: is a directory delegated to us, and one group for a cell.

Knows: Documentation/admin-guide/cgroup-v2.rst.  Must not know: policy.  The keeper makes the group and removes it at
the end, so that an owner who is killed meanwhile leaves none; it is not in it itself: the group could not go then.
"""

from __future__ import annotations

import os
import time

EBUSY = 16
MOUNT = "/sys/fs/cgroup"
PREFIX = "sidewall-"
"""Before the keeper's process id: the name of a cell's group."""
_SWAP = "memory.swap.max"


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
    for candidate in places():
        try:
            with open(f"{candidate}/cgroup.subtree_control", encoding="ascii") as enabled:
                controllers = tuple(name for name in enabled.read().split() if name in ("memory", "pids"))
        except OSError:
            continue
        if controllers and os.access(candidate, os.W_OK) and os.access(f"{candidate}/cgroup.procs", os.W_OK):
            return candidate, controllers
    return "", ()


def make(path: str, settings: tuple[tuple[str, str], ...]) -> None:
    """Makes a group and sets its limits.  Raises OSError."""
    os.mkdir(path, 0o755)
    for file, value in settings:
        try:
            _write(f"{path}/{file}", value)
        except FileNotFoundError:
            # A kernel that does not swap has nothing to limit.
            if file != _SWAP:
                raise


def enter(path: str, pid: int) -> None:
    """Moves a process (and so its later children) into a group.  Raises OSError."""
    _write(f"{path}/cgroup.procs", str(pid))


def _write(path: str, text: str) -> None:
    # Not open(path, "w"), which would want to make what does not exist, and fail with another error.
    setting = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(setting, text.encode("ascii"))
    finally:
        os.close(setting)


def remove(path: str) -> None:
    """Removes a group whose processes have all been killed.  Raises OSError when it cannot be."""
    for _try in range(200):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError as error:
            # The last of them counts for a moment after it was waited for.
            if error.errno != EBUSY:
                raise
            time.sleep(0.01)
    os.rmdir(path)


def recover(parents: tuple[str, ...]) -> tuple[str, ...]:
    """Removes the empty groups below ``parents`` of cells whose keeper was killed; one line for each."""
    undone = []
    for parent in parents:
        try:
            names = os.listdir(parent)
        except OSError:
            continue
        for name in names:
            pid = name[len(PREFIX) :]
            if not name.startswith(PREFIX) or not pid.isdigit() or os.path.exists(f"/proc/{pid}"):
                continue
            try:
                os.rmdir(f"{parent}/{name}")
            except OSError:
                continue
            undone.append(f"removed the control group {parent}/{name}")
    return tuple(undone)


def places() -> tuple[str, ...]:
    """Where groups of cells can be: in this process's own group, or beside it."""
    path = own_path()
    return (path, os.path.dirname(path)) if path else ()
