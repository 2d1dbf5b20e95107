"""The world after a plan's edits: which descriptor every file and directory then has.

Knows: the steps of a plan that change descriptors, ``nt.edit`` (one list), ``nt.inherit`` (what comes down).
Must not know: what a descriptor grants, what the policy wants.  Follows Win32's "Automatic Propagation of Inheritable
ACEs".

An edit that reaches the tree goes on to what lies below, stops at protected lists and reparse points, and leaves files
with several names alone.  What a plan must not touch, and touches all the same, is told as a fault.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt import edit
from sidewall.nt.inherit import reinherit
from sidewall.nt.sddl import parse
from sidewall.plan.windows_steps import TREE, AclEdit, Placeholder, PrivateTemp
from sidewall.plan.world import APP_LINK, DIRECTORY, FILE, LEADING, Entry, Index, holder, place
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.ace import Ace
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.plan.steps import Plan, Step
    from sidewall.plan.world import Volume, World

_POINTS = (*LEADING, APP_LINK)
"""What a file of a cloud drive is not: to whoever walks a tree that is a file."""
OWN_DIRECTORY = "sidewall-own-directory"
"""Stands for the random name of the private directory."""


class Fault(Record):
    """A step that the world does not allow as it stands: where, and why."""

    path: str
    reason: str


class Node:
    """One entry after the edits, and what lies in it.  Mutable while the edits are made."""

    __slots__ = ("children", "descriptor", "entry", "made", "parent", "volume")

    def __init__(self, entry: Entry, parent: Node | None, volume: Volume, *, made: str = "") -> None:
        self.entry = entry
        self.descriptor = entry.descriptor
        self.parent = parent
        self.volume = volume
        self.made = made
        self.children: list[Node] = []

    @property
    def path(self) -> str:
        """Where it lies."""
        return self.entry.path


class After:
    """A world with a plan's edits.  ``faults`` are the steps that cannot or must not be carried out on it."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.faults: list[Fault] = []
        self.nodes: dict[str, Node] = {}
        self._came: dict[tuple[int, int, bool], tuple[SecurityDescriptor, SecurityDescriptor, SecurityDescriptor]] = {}
        self._made: dict[str, SecurityDescriptor] = {}
        self._index = Index(world)
        for entry in world.entries:
            self._add(entry, "")
        for step in plan.steps:
            self._carry_out(step)

    def node(self, path: str) -> Node | None:
        """The entry at this path; None when there is none, also after the edits."""
        return self.nodes.get(place(path))

    def _add(self, entry: Entry, made: str) -> Node | None:
        above = holder(entry.path)
        parent = self.nodes.get(place(above)) if above else None
        volume = self._index.volume(entry.path)
        if volume is None or (above and parent is None):
            self.faults.append(Fault(path=entry.path, reason=f"its directory {above} is not in the world"))
            return None
        node = Node(entry, parent, volume, made=made)
        if parent is not None:
            parent.children.append(node)
        self.nodes[place(entry.path)] = node
        return node

    def _carry_out(self, step: Step) -> None:
        if isinstance(step, AclEdit):
            self._edit(step)
        elif isinstance(step, Placeholder):
            if self.node(step.path) is not None:
                self.faults.append(Fault(path=step.path, reason="a placeholder is to be made, and something is there"))
            else:
                self._add(Entry(path=step.path, kind=DIRECTORY if step.directory else FILE,
                                descriptor=self._new(step.sddl)), "placeholder")
        elif isinstance(step, PrivateTemp):
            path = step.parent.rstrip("\\") + "\\" + OWN_DIRECTORY
            if self.node(path) is None and self.node(step.parent) is not None:
                self._add(Entry(path=path, kind=DIRECTORY, descriptor=self._new(step.sddl)), "own")

    def _new(self, sddl: str) -> SecurityDescriptor:
        """The descriptor of what the user's side makes for the cell: the user is its owner if the text names none."""
        if sddl not in self._made:
            made, user = parse(sddl), self.world.accounts.user
            self._made[sddl] = made.replace(owner=made.owner or user, group=made.group or user)
        return self._made[sddl]

    def _edit(self, step: AclEdit) -> None:
        node = self.node(step.path)
        if node is None:
            self.faults.append(Fault(path=step.path, reason="its list is to be changed, and it is not in the world"))
            return
        if reason := untouchable(node):
            self.faults.append(Fault(path=step.path, reason=reason))
            return
        before = node.descriptor
        if before is None:
            return
        try:
            node.descriptor = after = gained(before, step.aces)
        except edit.EditError as error:
            self.faults.append(Fault(path=step.path, reason=error.message))
            return
        if step.reach == TREE and after is not before:
            self._propagate(node)

    def _propagate(self, top: Node) -> None:
        waiting = [top]
        while waiting:
            above = waiting.pop()
            if above.descriptor is None:
                continue
            for node in above.children:
                entry = node.entry
                if stops(entry) or node.descriptor is None or node.made:
                    continue
                came = self._reinherited(node.descriptor, above.descriptor, entry.container)
                if came is node.descriptor:
                    continue
                node.descriptor = came
                if entry.container:
                    waiting.append(node)

    def _reinherited(self, own: SecurityDescriptor, above: SecurityDescriptor, container: bool) -> SecurityDescriptor:
        key = (id(own), id(above), container)
        known = self._came.get(key)
        if known is None:
            came = reinherit(own, above, container=container)
            known = self._came[key] = (own, above, own if came == own else came)
        return known[2]


def stops(entry: Entry) -> bool:
    """Whether nothing is carried on to this entry: it leads elsewhere, or its descriptor is that of other names too."""
    return entry.reparse in _POINTS or (entry.links > 1 and not entry.container)


def untouchable(node: Node) -> str:
    """Why no plan may write this entry's descriptor, as a phrase; '' when it may."""
    entry = node.entry
    if not node.volume.acls:
        return f"the volume {node.volume.root} ({node.volume.filesystem}) keeps no descriptors"
    if node.volume.remote:
        return f"the volume {node.volume.root} lies on another machine"
    if node.parent is None:
        return "it is the root of a volume"
    if entry.reparse in _POINTS:
        return f"it is a reparse point ({entry.reparse})"
    if entry.links > 1 and not entry.container:
        return f"it has {entry.links} names, and its descriptor is that of all of them"
    if entry.descriptor is None:
        return f"its descriptor could not be read ({entry.problem})"
    if entry.descriptor.dacl is None:
        return "it has no DACL, and to give it one would close it to everybody else"
    return ""


def gained(descriptor: SecurityDescriptor, wanted: tuple[Ace, ...]) -> SecurityDescriptor:
    """The descriptor with these explicit entries as well; the same object when it has them all.

    Raises EditError for a list that cannot be edited so that the edit can be undone.
    """
    change = edit.smallest(descriptor, [
        edit.Want(kind=edit.DENY if ace.type == aces.ACCESS_DENIED else edit.ALLOW, sid=ace.sid, mask=ace.mask,
                  flags=ace.flags) for ace in wanted])
    return descriptor if change.empty else edit.apply(descriptor, change).sd
