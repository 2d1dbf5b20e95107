"""What a cell could leave on the machine, looked at from outside; and waiting for it to be gone.

Knows: /proc, mounts, control groups, the state directory.  Must not know: how a cell is made.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

from sidewall.platforms.linux import spare

from .place import Place, children, status

PROGRAM = b"sidewall.platforms.linux.init"


def cell_processes(owner: int) -> set[int]:
    """Keepers and inits whose owner this is, by their command line."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            words = _read(f"/proc/{name}/cmdline").split(b"\0")
            if b"%d" % owner in words and any(PROGRAM in word for word in words):
                found.add(int(name))
    return found


def with_nonce(nonce: str) -> set[int]:
    """Processes in whose environment the nonce is."""
    mark = nonce.encode()
    return {
        int(name) for name in os.listdir("/proc") if name.isdigit() and mark in _read(f"/proc/{name}/environ")
    }


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def groups() -> set[str]:
    """Control groups of cells that are no more: they are named for their keepers."""
    found = set()
    for directory, names, _files in os.walk("/sys/fs/cgroup"):
        for name in names:
            head, _, keeper = name.partition("-")
            # Beside them are groups that tests make to find theirs in (``sidewall-test-...``).
            if head == "sidewall" and keeper.isdigit() and not os.path.exists(f"/proc/{keeper}"):
                found.add(os.path.join(directory, name))
    return found


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Mode and size of everything below a directory, by its path there."""
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        found[os.fspath(path.relative_to(root))] = (info.st_mode, 0 if path.is_dir() else info.st_size)
    return found


class Machine:
    """A picture of everything that a cell could leave behind."""

    def __init__(self, place: Place, *, temporary: Path, owner: int = 0) -> None:
        no_spares()
        gc.collect()
        self.mounts = Path("/proc/self/mountinfo").read_text()
        self.groups = groups()
        self.home = tree(place.home)
        self.temporary = tree(temporary)
        self.state = [
            name
            for name in tree(place.state)
            if name.startswith(("sidewall/leases/", "sidewall/tmp/")) and name != "sidewall/leases/mutex"
        ]
        self.descriptors = sorted(os.readlink(f"/proc/self/fd/{name}").split(":")[0] for name in _descriptors())
        self.threads = len(os.listdir("/proc/self/task"))
        self.children = set(children(os.getpid()))
        self.cells = cell_processes(owner or os.getpid())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Machine) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def differs(self, other: Machine) -> dict[str, tuple[object, object]]:
        """What is not the same, by name, for a failing test to show."""
        pairs = {name: (mine, other.__dict__[name]) for name, mine in self.__dict__.items()}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _descriptors() -> list[str]:
    names = os.listdir("/proc/self/fd")
    return [name for name in names if os.path.lexists(f"/proc/self/fd/{name}")]


def no_spares() -> None:
    """Ends the cell processes that wait for the next cell."""
    while spare._pool:
        spare._pool.pop().discard()


def gone(pids: set[int] | list[int], seconds: float = 10.0) -> None:
    """Waits until none of these processes runs; a zombie that is not ours to wait for does not."""
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if status(pid).get("State", "Z")[0] not in "ZX"]:
        assert time.monotonic() < deadline, [(pid, status(pid).get("Name"), status(pid).get("State")) for pid in left]
        time.sleep(0.01)
