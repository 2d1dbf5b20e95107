"""Machines for tests of access lists: a world's files in memory, processes that die, calls and disks that fail.

Knows: worlds, the store in memory, the journal's files.  Must not know: what a test expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.inherit import made_by
from sidewall.nt.sddl import format as text
from sidewall.nt.token import Token
from sidewall.nt.tree import Item, Node, Tree
from sidewall.plan.prove import token_of, user_of
from sidewall.plan.steps import Plan
from sidewall.plan.world import World
from sidewall.platforms.windows.acls import Lists
from sidewall.platforms.windows.journal import Journal
from sidewall.platforms.windows.journal_records import Owner
from sidewall.platforms.windows.store import OTHER, StoreError
from sidewall.platforms.windows.store_memory import Disk, MemoryStore

WORK = "C:\\Users\\u\\w"


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no clean-up either."""


def disk_of(world: World) -> Disk:
    """The world's files."""
    items = []
    for entry in world.entries:
        reparse = {"junction": "mount-point", "cloud": ""}.get(entry.reparse, entry.reparse)
        items.append(Item(path=entry.path, sd=entry.descriptor, directory=entry.container, links=entry.links,
                          reparse=reparse, target=entry.target, file_id=entry.identity))
    return Disk(Tree.build(items))


def texts(disk: Disk) -> dict[str, str]:
    """The SDDL of every path."""
    return {path: text(node.sd) for path, node in disk.tree.paths() if node.sd is not None}


@dataclass
class Machine:
    """A disk, a journal's files and processes on one machine."""

    disk: Disk
    token: Token
    log: bytes = b""
    kept: bytes = b""
    holder: int = 0
    living: set[int] = field(default_factory=set)
    started: int = 0

    @classmethod
    def of(cls, world: World) -> Machine:
        user = user_of(world.accounts)
        return cls(disk_of(world), user.replace(primary_group=user.user))

    def process(self) -> Process:
        self.started += 1
        self.living.add(self.started)
        return Process(self, self.started)

    def edit(self, path: str, change: Callable[[SecurityDescriptor], SecurityDescriptor]) -> None:
        """Somebody changes a list."""
        node = self.disk.tree.get(path)
        assert node is not None and node.sd is not None
        self.disk.tree = self.disk.tree.with_descriptors({node.id: change(node.sd)})

    def create(self, path: str, token: Token, *, directory: bool = False) -> Node:
        """Somebody makes a file or directory."""
        above = self.disk.tree.get(path.rpartition("\\")[0])
        assert above is not None
        self.disk.made += 1
        node = Node(id=f"made-{self.disk.made}", directory=directory,
                    sd=made_by(token, above.sd, container=directory))
        self.disk.tree = self.disk.tree.with_node(above, path.rpartition("\\")[2], node)
        return node

    def born_untouched(self, path: str, token: Token, before: Disk, *, directory: bool = False) -> str:
        """The descriptor that the same thing would have, had no sandbox ever been there."""
        above = before.tree.get(path.rpartition("\\")[0])
        assert above is not None
        return text(made_by(token, above.sd, container=directory))


class Process:
    """One process: its own view of the store and of the journal's files.  Counts its calls; fails or dies at one."""

    def __init__(self, machine: Machine, pid: int) -> None:
        self.machine = machine
        self.pid = pid
        self.calls = 0
        self.fail_at = 0
        self.die_at = 0
        self.tear = 0
        self.why = OTHER
        self.done: list[tuple[str, str]] = []
        self.journal = Journal(self, patience=0)
        self.store = MemoryStore(machine.disk, machine.token, self.enter)
        self.lists = Lists(self.store, self.journal, self)

    def enter(self, call: str, path: str) -> None:
        """Before each call."""
        if self.pid not in self.machine.living:
            raise Killed
        self.calls += 1
        if self.calls == self.die_at:
            self.kill()
            raise Killed
        if self.calls == self.fail_at:
            if call.startswith("journal"):
                raise OSError(28, "No space left on device")
            raise StoreError(f"{call} {path} fails", why=self.why, path=path)
        self.done.append((call, path))

    def kill(self) -> None:
        self.machine.living.discard(self.pid)
        if self.machine.holder == self.pid:
            self.machine.holder = 0

    # Files
    def read(self) -> bytes:
        self.enter("journal read", "")
        return self.machine.log

    def append(self, data: bytes) -> None:
        torn = self.calls + 1 == self.die_at
        try:
            self.enter("journal append", "")
        except Killed:
            if torn and self.tear:
                self.machine.log += data[: self.tear]
            raise
        if self.machine.log and not self.machine.log.endswith(b"\n"):
            self.machine.log += b"\n"
        self.machine.log += data

    def replace(self, data: bytes) -> None:
        self.enter("journal replace", "")
        self.machine.log = data

    def keep(self, data: bytes) -> str:
        self.enter("journal keep", "")
        self.machine.kept += data
        return "kept"

    def lock(self) -> Callable[[], object] | None:
        if self.machine.holder:
            return None
        self.machine.holder = self.pid
        return self._unlock

    def _unlock(self) -> None:
        if self.machine.holder == self.pid:
            self.machine.holder = 0

    # Owners
    def own(self) -> Owner:
        return Owner(pid=self.pid, created=7)

    def alive(self, owner: Owner) -> bool:
        return owner.pid in self.machine.living and owner.created == 7


def command_token(plan: Plan) -> Token:
    """The token of the plan's commands."""
    return token_of(plan)


def changed(disk: Disk, before: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Paths whose descriptor is another one, or that are only on one side."""
    after = texts(disk)
    return {path: (before.get(path, "-"), after.get(path, "-")) for path in {*before, *after}
            if before.get(path) != after.get(path)}


def paths(held: Iterable[Any]) -> set[str]:
    return {one.path for one in held}
