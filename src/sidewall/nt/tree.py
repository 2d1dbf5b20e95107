"""A modelled file tree: objects, their names, reparse points and volumes; immutable.

Knows: what a Windows path and a directory entry are, that an object may have several names and one descriptor.
Must not know: who may do what (`operations` does), or where the world was captured.

An object is found by identity, not by name: a hard link changes nothing about the descriptor, and an entry that a tree
does not hold is *unknown*, never "absent", unless its directory was captured in full.
"""

from __future__ import annotations

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HOPS = 63
"""How many reparse points Windows follows in one path (Win32, "Reparse Points and File Operations")."""

LINKS = ("symlink", "mount-point")
"""Reparse tags that name another path; any other belongs to a driver whose doing is not modelled."""


class TreeError(NtError):
    """A path or an object does not fit into a modelled tree."""


class Volume(Record):
    """``root`` is ``C:\\`` or ``\\\\server\\share\\``; ``acls``: it stores descriptors (NTFS, ReFS; not FAT)."""

    root: str
    acls: bool = True
    remote: bool = False
    read_only: bool = False


class Node(Record):
    """An object.  ``sd`` None: not captured.  ``links`` is the count that the file system reports, names known or not.

    ``reparse`` is ``""``, a tag of `LINKS` or another name of a tag; ``target`` the absolute path that one of `LINKS`
    names, ``""`` if it is not known.  ``whole``: every entry of this directory is in the tree.
    """

    id: str
    sd: SecurityDescriptor | None = None
    directory: bool = False
    links: int = 1
    reparse: str = ""
    target: str = ""
    read_only: bool = False
    whole: bool = True


class Item(Record):
    """What `Tree.build` takes: one name of an object.  Items with the same ``file_id`` are names of one object."""

    path: str
    sd: SecurityDescriptor | None = None
    directory: bool = False
    links: int = 1
    reparse: str = ""
    target: str = ""
    read_only: bool = False
    whole: bool = True
    file_id: str = ""


class Walk(Record):
    """A path, walked.  ``chain`` holds the objects from the volume's root to the last one found, links resolved.

    ``node`` is the last object; None if the name does not exist (``missing`` is it) or cannot be known
    (``unknown`` says why).  ``crossed`` are the links that were followed, ``passed`` the directories whose
    FILE_TRAVERSE counts, those before a link included.  ``chain`` is empty where the parent does not exist either.
    """

    path: str
    names: tuple[str, ...] = ()
    chain: tuple[Node, ...] = ()
    node: Node | None = None
    missing: str = ""
    unknown: str = ""
    crossed: tuple[str, ...] = ()
    passed: tuple[Node, ...] = ()

    @property
    def parent(self) -> Node | None:
        """The directory that holds the last name, whether that name exists or not; None for a root or unknown."""
        if self.missing:
            return self.chain[-1] if self.chain else None
        return self.chain[-2] if len(self.chain) > 1 else None


def split(path: str) -> tuple[str, tuple[str, ...]]:
    """``C:\\a\\b`` as ``("C:\\\\", ("a", "b"))``; a stream's name after a colon is dropped, as its file is meant.

    Raises TreeError for a path that is not absolute, or that holds ``.`` or ``..``.
    """
    text = path.replace("/", "\\")
    if text[:2] == "\\\\":
        server, _, rest = text[2:].partition("\\")
        share, _, rest = rest.partition("\\")
        if not server or not share or server in ".?":
            raise TreeError(f"{path!r} is not a path of a share", hint=r"give \\server\share\name or C:\name")
        root = f"\\\\{server}\\{share}\\"
    elif len(text) > 2 and text[0].isascii() and text[0].isalpha() and text[1:3] == ":\\":
        root, rest = text[0].upper() + ":\\", text[3:]
    else:
        raise TreeError(f"{path!r} is not an absolute Windows path", hint=r"give C:\name or \\server\share\name")
    names = [name for name in rest.split("\\") if name]
    if names and ":" in names[-1]:
        names[-1] = names[-1].partition(":")[0]
    for name in names:
        if name in (".", "..") or ":" in name or not name:
            raise TreeError(f"{path!r} holds the name {name!r}", hint="resolve the path first")
    return root, tuple(names)


def join(root: str, names: Iterable[str]) -> str:
    """The path of names below a root, without a backslash at its end unless it is the root itself."""
    return root + "\\".join(names)


def fold(name: str) -> str:
    """A name as a directory compares it: upper case, one character for one (the table of a volume knows no other)."""
    if name.isascii():
        return name.upper()
    return "".join(upper if len(upper := char.upper()) == 1 else char for char in name)


class Tree:
    """Objects and names.  Every change makes a new tree; what did not change is shared.

    ``nodes``: id to object; ``entries``: id of a directory to its entries, folded name to (name, id).
    """

    __slots__ = ("entries", "nodes", "roots", "volumes")

    def __init__(self, nodes: Mapping[str, Node], entries: Mapping[str, Mapping[str, tuple[str, str]]],
                 roots: Mapping[str, str], volumes: Mapping[str, Volume]) -> None:
        self.nodes = nodes
        self.entries = entries
        self.roots = roots
        self.volumes = volumes

    @classmethod
    def build(cls, items: Iterable[Item], volumes: Iterable[Volume] = ()) -> Tree:
        """A tree from names.  A directory above an item that is no item itself is there, but nothing is known of it.

        Raises TreeError for a path given twice, a name below a file, or two items of one object that disagree.
        """
        nodes: dict[str, Node] = {}
        entries: dict[str, dict[str, tuple[str, str]]] = {}
        roots: dict[str, str] = {}
        known = {fold(volume.root): volume for volume in volumes}
        for item in sorted(items, key=lambda each: len(split(each.path)[1])):
            root, names = split(item.path)
            known.setdefault(fold(root), Volume(root=root))
            at = roots.setdefault(fold(root), fold(root))
            if at not in nodes:
                nodes[at] = Node(id=at, directory=True, whole=False)
                entries[at] = {}
            if not names:
                nodes[at] = _node(item, at)
                continue
            for depth, name in enumerate(names[:-1], 1):
                found = entries[at].get(fold(name))
                if found is None:
                    inner = fold(join(root, names[:depth]))
                    nodes[inner] = Node(id=inner, directory=True, whole=False)
                    entries[at][fold(name)] = (name, inner)
                    entries[inner] = {}
                    found = (name, inner)
                at = found[1]
                if at not in entries:
                    raise TreeError(f"{item.path!r} lies below a file", hint="mark what is above it as a directory")
            key = item.file_id or fold(join(root, names))
            made = _node(item, key)
            if fold(names[-1]) in entries[at]:
                raise TreeError(f"{item.path!r} is given twice", hint="names differ in more than case")
            if nodes.setdefault(key, made) != made:
                raise TreeError(f"{item.path!r} and another name of object {item.file_id!r} disagree",
                                hint="give one descriptor, one link count and one kind for an object")
            entries[at][fold(names[-1])] = (names[-1], key)
            if item.directory:
                entries.setdefault(key, {})
        return cls(nodes, entries, roots, known)

    def volume(self, path: str) -> Volume | None:
        """The volume that a path is written on (links in it are not followed)."""
        return self.volumes.get(fold(split(path)[0]))

    def children(self, node: Node) -> Iterator[tuple[str, Node]]:
        """Names and objects of a directory, in the order in which they were given."""
        for name, key in self.entries.get(node.id, {}).values():
            yield name, self.nodes[key]

    def paths(self) -> Iterator[tuple[str, Node]]:
        """Every path with its object, a directory before its content; an object with two names comes twice."""
        for folded, key in self.roots.items():
            volume = self.volumes[folded]
            yield volume.root, self.nodes[key]
            stack = [(volume.root, key)]
            while stack:
                prefix, at = stack.pop()
                for name, inner in self.entries.get(at, {}).values():
                    yield prefix + name, self.nodes[inner]
                    if inner in self.entries:
                        stack.append((prefix + name + "\\", inner))

    def names_of(self, node: Node) -> tuple[str, ...]:
        """Every path of an object that the tree knows."""
        return tuple(path for path, each in self.paths() if each.id == node.id)

    def get(self, path: str) -> Node | None:
        """The object at exactly this name (a link itself, not what it points to); None if there is none."""
        return self.walk(path, follow_last=False).node

    def walk(self, path: str, *, follow_last: bool = True) -> Walk:
        """Walk a path as the object manager and the file system do, following links whose target is known.

        Raises TreeError for a path that is not absolute.
        """
        root, names = split(path)
        crossed: tuple[str, ...] = ()
        passed: tuple[Node, ...] = ()
        while True:
            key = self.roots.get(fold(root))
            if key is None:
                return Walk(path=path, unknown=f"nothing of the volume {root} was captured", crossed=crossed,
                            passed=passed)
            leg = self._leg(root, names, follow_last)
            passed += leg.passed
            if not leg.crossed:
                return leg.replace(path=path, crossed=crossed, passed=passed)
            link, target = leg.chain[-1], leg.chain[-1].target
            if link.reparse not in LINKS or not target or len(crossed) == HOPS:
                where = f"{leg.crossed[0]} is a reparse point ({link.reparse}) that cannot be followed here"
                return leg.replace(path=path, crossed=crossed, passed=passed, unknown=where)
            crossed += leg.crossed
            root, head = split(target)
            names = (*head, *leg.names)

    def _leg(self, root: str, names: tuple[str, ...], follow_last: bool) -> Walk:
        """Walk up to the first link to be followed: it is ``chain[-1]`` then, ``names`` what is left behind it."""
        chain = [self.nodes[self.roots[fold(root)]]]
        for index, name in enumerate(names):
            here, last = chain[-1], index + 1 == len(names)
            passed = tuple(chain)
            if not here.directory:
                return Walk(path="", names=names, missing=name, passed=passed)
            found = self.entries[here.id].get(fold(name))
            if found is None:
                hole = "" if here.whole else f"{join(root, names[:index])} was not captured in full"
                return Walk(path="", names=names, chain=passed if last else (), missing=name, unknown=hole,
                            passed=passed)
            chain.append(self.nodes[found[1]])
            if chain[-1].reparse and (follow_last or not last):
                return Walk(path="", names=names[index + 1 :], chain=tuple(chain), passed=passed,
                            crossed=(join(root, names[: index + 1]),))
        return Walk(path="", names=names, chain=tuple(chain), node=chain[-1], passed=tuple(chain[:-1]))

    def below(self, path: str) -> Iterator[tuple[str, Node]]:
        """Paths and objects below a directory, not through reparse points; each directory before its content."""
        start = self.get(path)
        stack = [] if start is None or start.reparse else [(path.removesuffix("\\"), start)]
        while stack:
            prefix, node = stack.pop()
            for name, inner in self.children(node):
                yield f"{prefix}\\{name}", inner
                if inner.directory and not inner.reparse:
                    stack.append((f"{prefix}\\{name}", inner))

    def with_descriptors(self, changes: Mapping[str, SecurityDescriptor | None]) -> Tree:
        """The tree with other descriptors, by object id.  Raises TreeError for an object that is not in it."""
        nodes = dict(self.nodes)
        for key, sd in changes.items():
            if key not in nodes:
                raise TreeError(f"there is no object {key!r}", hint="take ids from the tree's own nodes")
            nodes[key] = nodes[key].replace(sd=sd)
        return Tree(nodes, self.entries, self.roots, self.volumes)

    def with_node(self, directory: Node, name: str, node: Node) -> Tree:
        """The tree with one name more (or another object under it): a new object, a hard link, or what moved there.

        Raises TreeError if ``directory`` is none.
        """
        if directory.id not in self.entries:
            raise TreeError(f"{directory.id} is not a directory", hint="give a directory of this tree")
        entries = dict(self.entries)
        entries[directory.id] = {**entries[directory.id], fold(name): (name, node.id)}
        if node.directory:
            entries.setdefault(node.id, {})
        return Tree({**self.nodes, node.id: node}, entries, self.roots, self.volumes)

    def without(self, directory: Node, name: str) -> Tree:
        """The tree without one name.  Raises TreeError if the name is not there."""
        held = self.entries.get(directory.id, {})
        if fold(name) not in held:
            raise TreeError(f"{directory.id} has no entry {name!r}", hint="look it up first")
        rest = {key: entry for key, entry in held.items() if key != fold(name)}
        return Tree(self.nodes, {**self.entries, directory.id: rest}, self.roots, self.volumes)


def _node(item: Item, key: str) -> Node:
    return Node(id=key, sd=item.sd, directory=item.directory, links=item.links, reparse=item.reparse,
                target=item.target, read_only=item.read_only, whole=item.whole)
