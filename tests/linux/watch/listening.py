"""Who of this process listens to directories, and to how many; a repository to be found.

Knows: what Linux says of a process's descriptors.  Must not know: what is looked for, or when.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sidewall.platforms.linux.watch import Watcher

HEAD = "ref: refs/heads/main\n"


def listeners() -> list[str]:
    """Descriptors of this process that notices come from."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify":
                found.append(name)
        except FileNotFoundError:
            continue
    return found


def gone() -> bool:
    """Whether there is no listener any more, or soon: one is given up while a command is waited for."""
    deadline = time.monotonic() + 30
    while listeners() and time.monotonic() < deadline:
        time.sleep(0.001)
    return not listeners()


def watches() -> int:
    """How many directories this process listens to."""
    return sum(Path(f"/proc/self/fdinfo/{name}").read_text().count("inotify wd:") for name in listeners())


def idle(watcher: Watcher, most: int = 10) -> bool:
    """Looks until nothing has to be looked at any more; whether it comes to that."""
    for _ in range(most):
        assert not watcher.look()
        assert watcher._search is not None
        if watcher._search.unchanged():
            return True
    return False


def bare(place: Path) -> None:
    """A git directory that steers git."""
    for name in ("objects", "refs"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "HEAD").write_text(HEAD)
    (place / "config").write_text("[core]\n\tfsmonitor = evil\n")
