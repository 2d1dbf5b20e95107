"""File-system operations by path in a modelled tree: the object, its parent, every ancestor, every link on the way.

Knows: how a path leads to an object, and by which ways the object that is found under a name can be changed.
Must not know: what is wanted (a plan does), or which right an operation asks for (`operations` does).
Follows MS-FSA 2.1.5.1 (path walk, FILE_TRAVERSE), 2.1.5.10.37 (an empty directory becomes a reparse point).

By default an actor uses every privilege that its token holds, backup intent included: the question is what the token
*could* do.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt import operations as single
from sidewall.nt.operations import Place
from sidewall.nt.operations_answer import Outcome, all_of, any_of, denied, unknown
from sidewall.nt.tree import Volume, fold, join, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token
    from sidewall.nt.tree import Node, Tree, Walk

_CONTROL = (bits.WRITE_DAC, bits.WRITE_OWNER)


class Actor:
    """A token in a tree.  Answers are remembered, as both never change.

    ``backup_intent``: opens are made with it, so that SeBackup- and SeRestorePrivilege count.  ``trace``: each access
    check holds its steps.

    Every method raises TreeError for a path that is not absolute.
    """

    __slots__ = ("_how", "_seen", "token", "tree")

    def __init__(self, tree: Tree, token: Token, *, backup_intent: bool = True, trace: bool = False) -> None:
        self.tree = tree
        self.token = token
        self._how = {"backup_intent": backup_intent, "trace": trace}
        self._seen: dict[tuple[str, str, int], Outcome] = {}

    def open(self, path: str, desired: int, *, follow: bool = True) -> Outcome:
        """Open what exists at ``path``; ``follow`` False opens a link itself."""
        walk = self.tree.walk(path, follow_last=follow)
        return self._passing(walk, self._found(walk, f"open for 0x{desired:x}") or self._open(walk, desired))

    def create(self, path: str, *, directory: bool = False) -> Outcome:
        """Make a file or directory at a name that is free."""
        walk = self.tree.walk(path, follow_last=False)
        what = f"create the {'directory' if directory else 'file'}"
        if walk.node is not None:
            return denied(what, "the name is taken", path)
        if walk.parent is None:
            return unknown(what, walk.unknown, path) if walk.unknown else denied(what, "there is no parent", path)
        made = single.create_in(self._place(walk.parent, walk, path), self.token, directory=directory,
                                creator=None, **self._how)
        made = made.replace(what=what, path=path)
        if walk.unknown:
            free = unknown("find the name free", walk.unknown, path)
            made = all_of(what, (made, free), path).replace(descriptor=made.descriptor)
        return self._passing(walk, made)

    def delete(self, path: str) -> Outcome:
        """Delete the name ``path`` (a link itself, not its target)."""
        walk = self.tree.walk(path, follow_last=False)
        gone = self._found(walk, "delete")
        if gone is not None or walk.node is None:
            return gone or denied("delete", "it does not exist", path)
        node = walk.node
        if walk.parent is None:
            return denied("delete the directory", "it is a volume's root", path)
        full = node.directory and not node.reparse and bool(self.tree.entries[node.id])
        outcome = single.delete_file(self._place(node, walk, path), self._parent(walk, path), self.token,
                                     empty=not full, **self._how)
        if node.directory and not node.reparse and not node.whole and not full:
            maybe = unknown("find the directory empty", "it was not captured in full", path)
            outcome = all_of(outcome.what, (outcome, maybe), path)
        return self._passing(walk, outcome)

    def rename(self, path: str, to: str) -> Outcome:
        """Give what is at ``path`` the name ``to``, over what is there.  The descriptor moves along unchanged."""
        what = "rename"
        walk = self.tree.walk(path, follow_last=False)
        there = self.tree.walk(to, follow_last=False)
        refusal = self._found(walk, what) or self._target(walk, there, what, path, to)
        if refusal is not None or walk.node is None or there.parent is None:
            return refusal or denied(what, "there is no such directory", to)
        if walk.parent is None:
            return denied(what, "a volume's root has no name", path)
        if walk.node.directory and walk.node.id in {node.id for node in there.chain}:
            return denied(what, "a directory cannot be moved into itself", path)
        over = there.node if there.node is not None and there.node.id != walk.node.id else None
        outcome = single.rename_file(
            self._place(walk.node, walk, path), self._parent(walk, path), self._place(there.parent, there, to),
            self.token, target=None if over is None else self._place(over, there, to),
            in_place=there.parent.id == walk.parent.id, **self._how)
        return self._passing(there, self._passing(walk, outcome))

    def link(self, path: str, to: str) -> Outcome:
        """Make ``to`` one more name of the file at ``path``."""
        what = "link"
        walk = self.tree.walk(path)
        there = self.tree.walk(to, follow_last=False)
        refusal = self._found(walk, what) or self._target(walk, there, what, path, to)
        if refusal is not None or walk.node is None or there.parent is None:
            return refusal or denied(what, "there is no such directory", to)
        over = None if there.node is None else self._place(there.node, there, to)
        outcome = single.link_file(self._place(walk.node, walk, path), self._place(there.parent, there, to), self.token,
                                   target=over, trace=self._how["trace"])
        return self._passing(there, self._passing(walk, outcome))

    def set_security(self, path: str, part: str, *, owner: Sid | None = None, level: int | None = None) -> Outcome:
        """Change a part of the descriptor at ``path``: ``dacl``, ``owner``, ``group``, ``label`` or ``sacl``.

        Raises NtError for another part.
        """
        walk = self.tree.walk(path)
        found = self._found(walk, f"change the {part}")
        if found is not None or walk.node is None:
            return found or denied(f"change the {part}", "it does not exist", path)
        outcome = single.set_security(
            self._place(walk.node, walk, path), self._parent(walk, path), self.token, part, owner=owner, level=level,
            **self._how)
        return self._passing(walk, outcome)

    def control(self, path: str) -> Outcome:
        """Change the DACL or the owner: either gives everything else."""
        return any_of("take control of", tuple(self.open(path, right) for right in _CONTROL), path)

    def write(self, path: str) -> Outcome:
        """Change the content of the file at ``path``, or add an entry to the directory, through a handle on it."""
        return any_of("write", tuple(self.open(path, right) for right in (bits.FILE_WRITE_DATA, bits.FILE_APPEND_DATA)),
                      path)

    def vanish(self, path: str) -> Outcome:
        """Make the name ``path`` lead to nothing: delete it, or move it or a directory above it away."""
        ways = []
        for each in self._prefixes(path):
            walk = self.tree.walk(each, follow_last=False)
            if walk.node is not None and walk.parent is not None:
                gone = self._passing(walk, self._open(walk, bits.DELETE))
                ways.append(gone.replace(what="move or delete", path=each))
            elif walk.unknown:
                ways.append(unknown("move or delete", walk.unknown, each))
        return any_of("make the name lead nowhere", tuple(ways), path)

    def replace(self, path: str) -> Outcome:
        """Make the name ``path`` lead to something of the actor's own making, whether it exists now or not.

        Ways: free the name, or one above it, and create it anew; take control of a directory on the way; turn an empty
        directory on the way into a junction.  Through links, both the link and its target count.
        """
        ways = []
        for each in self._prefixes(path):
            walk = self.tree.walk(each, follow_last=False)
            if walk.unknown and walk.node is None:
                ways.append(unknown("replace", walk.unknown, each))
            elif walk.parent is not None:
                ways += self._ways(walk, each)
        return any_of("put something else under the name", tuple(ways), path)

    def change(self, path: str) -> Outcome:
        """Change what is read under ``path`` by any means: write it, take control of it, or replace it."""
        ways = [self.replace(path)]
        if self.tree.walk(path).node is not None:
            ways = [self.write(path), self.control(path), *ways]
        return any_of("change by any means", tuple(ways), path)

    def _ways(self, walk: Walk, path: str) -> list[Outcome]:
        """Ways to put something else under the last name of ``walk``, whose parent is known."""
        parent = walk.parent
        if parent is None:
            return []
        above = path.rpartition("\\")[0]
        place = self._place(parent, walk, above)

        def ask(what: str, *rights: int) -> list[Outcome]:
            return [single.check(what, place, self.token, right, **self._how) for right in rights]

        added = ask("add an entry", bits.FILE_ADD_FILE, bits.FILE_ADD_SUBDIRECTORY)
        anew = any_of("create it anew", tuple(added), above)
        parts = (anew,) if walk.node is None else (self._open(walk, bits.DELETE), anew)
        ways = [all_of("free the name and create it anew", parts, path), *ask("take control of", *_CONTROL)]
        if not self.tree.entries.get(parent.id) and walk.node is None:
            # FSCTL_SET_REPARSE_POINT wants either right, and a directory that is empty.
            ways += ask("turn the empty directory into a junction", bits.FILE_WRITE_DATA, bits.FILE_WRITE_ATTRIBUTES)
        return [self._passing(walk, way) for way in ways]

    def _prefixes(self, path: str) -> list[str]:
        """The path and every path above it, links replaced by their targets in turn; the volume's root is not moved."""
        found: dict[str, str] = {}
        waiting = [path]
        while waiting:
            root, names = split(waiting.pop())
            for depth in range(len(names), 0, -1):
                here = join(root, names[:depth])
                if fold(here) in found:
                    continue
                found[fold(here)] = here
                node = self.tree.get(here)
                if node is not None and node.reparse and node.target:
                    waiting.append(join(*_append(node.target, names[depth:])))
        return list(found.values())

    def _open(self, walk: Walk, desired: int) -> Outcome:
        node = walk.node
        if node is None:
            return denied(f"open for 0x{desired:x}", "it does not exist", walk.path)
        above = walk.parent
        key = (node.id, "" if above is None else above.id, desired)
        if key not in self._seen:
            self._seen[key] = single.open_file(
                self._place(node, walk, walk.path), self._parent(walk, walk.path), self.token, desired,
                **self._how)
        return self._seen[key]

    def _found(self, walk: Walk, what: str) -> Outcome | None:
        """Why the path leads to no object, if so."""
        if walk.node is not None:
            return None
        if walk.unknown:
            return unknown(what, walk.unknown, walk.path)
        return denied(what, f"{walk.missing or walk.path} does not exist", walk.path)

    def _target(self, walk: Walk, there: Walk, what: str, path: str, to: str) -> Outcome | None:
        """Why a new name cannot be given there, if so."""
        if there.unknown and there.parent is None:
            return unknown(what, there.unknown, to)
        if self._volume(walk, path).root != self._volume(there, to).root:
            return denied(what, "the new name is on another volume", path)
        return None

    def _passing(self, walk: Walk, outcome: Outcome) -> Outcome:
        if "SeChangeNotifyPrivilege" in self.token.privileges or not walk.passed:
            return outcome
        places = tuple(self._place(node, walk, node.id) for node in walk.passed)
        passed = single.traverse(places, self.token, trace=self._how["trace"])
        return all_of(outcome.what, (passed, outcome), outcome.path).replace(descriptor=outcome.descriptor)

    def _volume(self, walk: Walk, path: str) -> Volume:
        root = walk.chain[0].id if walk.chain else fold(split(path)[0])
        for volume in self.tree.volumes.values():
            if fold(volume.root) == root:
                return volume
        return Volume(root=root)

    def _parent(self, walk: Walk, path: str) -> Place | None:
        return None if walk.parent is None else self._place(walk.parent, walk, path.rpartition("\\")[0])

    def _place(self, node: Node, walk: Walk, path: str) -> Place:
        volume = self._volume(walk, path)
        return Place(sd=node.sd, directory=node.directory, read_only=node.read_only, links=node.links, path=path,
                     acls=volume.acls, remote=volume.remote, write_protected=volume.read_only)


def _append(path: str, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    root, head = split(path)
    return root, (*head, *names)
