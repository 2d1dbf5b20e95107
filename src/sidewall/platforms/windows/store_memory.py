"""A machine's files in memory, behind the same questions: what a person may do there is decided by the access check.

Knows: ``nt.tree``, ``nt.access_check``, ``nt.inherit`` for what is made in a directory.  Must not know: plans,
journals.  Follows MS-FSA 2.1.5.1 for the rights that opening takes.

Whoever tries failures gives ``enter``: it is called before each call with its name and path, and may raise instead.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.descriptor import (
    SE_DACL_AUTO_INHERIT_REQ,
    SE_DACL_AUTO_INHERITED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
)
from sidewall.nt.inherit import made_by
from sidewall.nt.operations import Place, create_in, open_file
from sidewall.nt.token import SE_GROUP_OWNER
from sidewall.nt.tree import Node, Tree, fold, split
from sidewall.platforms.windows.store import (
    DENIED,
    EXISTS,
    FULL,
    LINK,
    MISSING,
    VOLUME,
    Identity,
    StoreError,
    Traits,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token
    from sidewall.nt.tree import Walk

WRITTEN = SE_DACL_PRESENT | SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED
LOOKING = bits.READ_CONTROL | bits.FILE_READ_ATTRIBUTES
_WORDS = {"mount-point": "junction"}


class Disk:
    """The files that several stores see: a tree, changed in place, and a counter of what was made."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.made = 0


class MemoryStore:
    """See ``store.SecurityStore``: the disk as the owner of ``token`` sees it."""

    def __init__(self, disk: Disk, token: Token, enter: Callable[[str, str], object] | None = None) -> None:
        self.disk = disk
        self.token = token
        self._enter = enter

    def enter(self, call: str, path: str) -> None:
        """A call is made."""
        if self._enter is not None:
            self._enter(call, path)

    def open(self, path: str, *, change: bool) -> MemoryObject:
        self.enter("open", path)
        walk = self._walk(path)
        if walk.node is None:
            raise StoreError(f"{path} does not exist", why=MISSING, path=path)
        return self.opened(path, walk.node, walk.parent, change)

    def opened(self, path: str, node: Node, parent: Node | None, change: bool) -> MemoryObject:
        """An object that was found.  Raises StoreError where its descriptor does not let it be opened."""
        wanted = LOOKING | (bits.WRITE_DAC if change else 0)
        above = None if parent is None else _place(parent)
        if node.sd is None or not open_file(_place(node), above, self.token, wanted).certain:
            raise StoreError(f"access to {path} is denied", why=DENIED, path=path, hint="look at it with icacls")
        return MemoryObject(self, path, node, change)

    def make(self, path: str, *, directory: bool, descriptor: SecurityDescriptor) -> Identity:
        self.enter("make", path)
        walk = self._walk(path)
        if walk.node is not None:
            raise StoreError(f"{path} exists", why=EXISTS, path=path)
        if walk.parent is None:
            raise StoreError(f"the directory of {path} does not exist", why=MISSING, path=path)
        if not create_in(_place(walk.parent), self.token, directory=directory).certain:
            raise StoreError(f"nothing may be made at {path}", why=DENIED, path=path)
        self.disk.made += 1
        node = Node(id=f"made-{self.disk.made}", directory=directory,
                    sd=made_by(self.token, walk.parent.sd, descriptor, container=directory))
        self.disk.tree = self.disk.tree.with_node(walk.parent, path.rpartition("\\")[2], node)
        return self.identity(path, node)

    def remove(self, path: str, identity: Identity) -> bool:
        self.enter("remove", path)
        walk = self._walk(path)
        node, parent = walk.node, walk.parent
        if node is None or parent is None or self.identity(path, node) != identity:
            return False
        if self.disk.tree.entries.get(node.id):
            raise StoreError(f"{path} is not empty", why=FULL, path=path)
        if not open_file(_place(node), _place(parent), self.token, bits.DELETE).certain:
            raise StoreError(f"{path} may not be removed", why=DENIED, path=path)
        self.disk.tree = self.disk.tree.without(parent, path.rpartition("\\")[2])
        return True

    def identity(self, path: str, node: Node) -> Identity:
        """Volume and object, as the digits that a real store gives."""
        return Identity(volume=fold(split(path)[0]).encode().hex(), file=node.id.encode("utf-8", "replace").hex())

    def _walk(self, path: str) -> Walk:
        root, names = split(path)
        if fold(root) not in self.disk.tree.roots:
            raise StoreError(f"the volume {root} is not there", why=VOLUME, path=path)
        walk = self.disk.tree.walk(path, follow_last=False)
        if walk.crossed:
            raise StoreError(f"{walk.crossed[0]} is a reparse point on the way to {path}", why=LINK, path=path,
                             hint="name the place that it leads to")
        if walk.unknown or (walk.node is None and len(walk.chain) < len(names)):
            raise StoreError(f"{path} does not exist", why=MISSING, path=path)
        return walk


class MemoryObject:
    """See ``store.SecurityObject``."""

    def __init__(self, store: MemoryStore, path: str, node: Node, change: bool) -> None:
        self._store = store
        self._path = path
        self._id = node.id
        self._change = change
        self.traits = Traits(identity=store.identity(path, node), directory=node.directory, links=node.links,
                             reparse=_WORDS.get(node.reparse, node.reparse))

    @property
    def path(self) -> str:
        return self._path

    def descriptor(self) -> SecurityDescriptor:
        self._store.enter("descriptor", self._path)
        found = self._node().sd
        assert found is not None  # what has none is not opened
        return found

    def write_dacl(self, descriptor: SecurityDescriptor) -> None:
        self._store.enter("write", self._path)
        if not self._change:
            raise StoreError(f"{self._path} was opened to be looked at", why=DENIED, path=self._path)
        node = self._node()
        assert node.sd is not None
        control = node.sd.control & ~(WRITTEN | SE_DACL_AUTO_INHERIT_REQ) | descriptor.control & WRITTEN
        after = node.sd.replace(dacl=descriptor.dacl, control=control)
        self._store.disk.tree = self._store.disk.tree.with_descriptors({self._id: after})

    def write_owner(self, owner: Sid) -> None:
        self._store.enter("own", self._path)
        node, token = self._node(), self._store.token
        assert node.sd is not None
        mine = owner == token.user or any(group.sid == owner and group.attributes & SE_GROUP_OWNER
                                          for group in token.groups)
        if not mine or not open_file(_place(node), None, token, bits.WRITE_OWNER).certain:
            raise StoreError(f"{self._path} may not be taken over", why=DENIED, path=self._path)
        self._store.disk.tree = self._store.disk.tree.with_descriptors({self._id: node.sd.replace(owner=owner)})

    def names(self) -> tuple[str, ...]:
        return tuple([name for name, _ in self._children()])

    def directories(self) -> tuple[str, ...]:
        """The names in a directory of directories that are nothing but that: no reparse point of any kind."""
        return tuple([name for name, node in self._children() if node.directory and not node.reparse])

    def _children(self) -> list[tuple[str, Node]]:
        self._store.enter("names", self._path)
        node = self._node()
        place = _place(node)
        if not open_file(place, None, self._store.token, bits.FILE_LIST_DIRECTORY).certain:
            raise StoreError(f"{self._path} may not be listed", why=DENIED, path=self._path)
        return list(self._store.disk.tree.children(node))

    def child(self, name: str, *, change: bool) -> MemoryObject:
        path = f"{self._path.rstrip(chr(92))}\\{name}"
        self._store.enter("child", path)
        node = self._node()
        for known, found in self._store.disk.tree.children(node):
            if fold(known) == fold(name):
                return self._store.opened(path, found, node, change)
        raise StoreError(f"{path} does not exist", why=MISSING, path=path)

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _node(self) -> Node:
        return self._store.disk.tree.nodes[self._id]


def _place(node: Node) -> Place:
    return Place(sd=node.sd, directory=node.directory, links=node.links, read_only=node.read_only)


__all__ = ["Disk", "MemoryObject", "MemoryStore"]
