"""Proves a Windows plan on a world: what the command's token could do there must be what the policy says.

Knows: how descriptors after the plan's edits, the plan's token and ``policy.decide`` are brought together, and which
guarantee a difference breaks.  Must not know: how a finding is printed (``prove_text``), or any machine.

For every file and directory of the world each operation is asked about: by the object's own descriptor, by that of its
directory (FILE_DELETE_CHILD), and by every directory above that a command might move away with all that is in it.
Where Windows' answer is not public, what cannot be ruled out counts as possible; where the model cannot judge, too.

A difference that gives the command more than the policy is a *disagreement*, and one on a required guarantee refuses
the plan.  A difference that gives it less is a *shortfall*: something will not work, nothing is lost.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, InternalError
from sidewall.nt.inherit import made_by
from sidewall.nt.mask import FILE_MODIFY, WRITE_DAC, WRITE_OWNER
from sidewall.nt.token import Group, Token
from sidewall.plan import probes
from sidewall.plan.probes import OBJECT, Operation
from sidewall.plan.prove_access import NO_LIST, UNREAD, Bounds, Judge
from sidewall.plan.prove_findings import Collector, Finding, Proof, lowered, overstated, said
from sidewall.plan.prove_trace import Teller
from sidewall.plan.prove_tree import After
from sidewall.plan.windows_steps import ACCOUNT, TokenRecipe
from sidewall.plan.windows_token import result
from sidewall.plan.world import LEADING
from sidewall.policy.decide import prepared
from sidewall.policy.protect import GIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.plan.prove_tree import Node
    from sidewall.plan.steps import Plan
    from sidewall.plan.world import Accounts, World
    from sidewall.policy.model import Decision

_RENAME = probes.named(probes.RENAME, container=True)
_HANDED_OVER = "use by the user"
_NO_NODE = Bounds(upper=0)
_NTFS = (probes.HARD_LINK, probes.TURN)
"""Operations that file systems without descriptors do not know."""


def prove(plan: Plan, world: World) -> Proof:
    """Compares what the plan's token could do in the world with the plan's policy.

    Raises InternalError for a plan without a token, SddlError for one with a descriptor that is none.
    """
    after = After(world, plan)
    prover = Prover(plan, after)
    for node in tuple(after.nodes.values()):
        prover.ask(node)
    disagreements = prover.disagreements.findings()
    return Proof(
        tier=plan.tier, digest=plan.digest, world=world.about, entries=len(after.nodes), checks=prover.checks,
        disagreements=disagreements, shortfalls=prover.shortfalls.findings(), faults=tuple(after.faults),
        guarantees=lowered(plan.guarantees, disagreements), overstated=overstated(plan.guarantees, disagreements),
        unjudged=tuple(prover.unjudged), unsettled=(probes.UNSETTLED_LINK,) if prover.creates else (),
    )


def require(proof: Proof, required: tuple[str, ...]) -> None:
    """Refuses a plan that the proof contradicts.

    Raises GuaranteeError when a disagreement breaks a required guarantee, or a step cannot be carried out as it stands.
    """
    if proof.faults:
        fault = proof.faults[0]
        more = f" (and {len(proof.faults) - 1} more)" if len(proof.faults) > 1 else ""
        raise GuaranteeError(f"the plan cannot be carried out: {fault.path}: {fault.reason}{more}",
                             hint="make the plan again from the machine as it is now")
    names = tuple([name for name in proof.broken() if name in required])
    if not names:
        return
    first = {each.guarantee: each for each in reversed(proof.disagreements)}
    told = "; ".join(f"{name}: {said(first[name])}" for name in names)
    drop = f"drop it from 'require': --require {','.join(name for name in required if name not in names) or 'none'}"
    better = "use the account tier" if proof.tier != ACCOUNT else f"take the rights away from {first[names[0]].through}"
    raise GuaranteeError(f"required but not enforced in the {proof.tier} tier: {told}", guarantees=names,
                         hint=f"{better}, or {drop}")


def token_of(plan: Plan) -> Token:
    """The token of the plan's commands.  Raises InternalError when the plan has none."""
    for step in plan.steps:
        if isinstance(step, TokenRecipe):
            token = result(step)
            # An object must have a group; which one it is opens nothing here.
            return token if token.primary_group is not None else token.replace(primary_group=token.user)
    raise InternalError(f"the plan for {plan.platform} has no token, and cannot be proved")


def user_of(accounts: Accounts) -> Token:
    """The real user's token, as far as files are concerned."""
    return Token(user=accounts.user, groups=tuple([Group(sid=sid) for sid in (*accounts.groups, accounts.logon)]))


def guarantee_of(operation: Operation, decision: Decision) -> str:
    """The promise that is broken when the operation is possible and the decision does not allow it."""
    if operation.asks == "read":
        return "read-secrets"
    if decision.kind == "protected" or decision.allowed:
        return "protected-names"
    return "metadata-outside" if operation.metadata else "write-outside"


def operations_of(node: Node) -> tuple[Operation, ...]:
    """What is asked about the entry: nobody removes a volume's root, or changes descriptors where there are none."""
    found = probes.operations(node.entry.container, node.entry.reparse in LEADING, not node.children)
    if node.parent is None:
        found = tuple([each for each in found if each.name not in (probes.DELETE, probes.RENAME)])
    if not node.volume.acls:
        found = tuple([each for each in found if each.asks != "dacl" and each.name not in _NTFS])
    return found


class Prover:
    """One plan on one world, asked about one entry after the other."""

    def __init__(self, plan: Plan, after: After) -> None:
        self.after = after
        self.judge, self.user = Judge(token_of(plan)), Judge(user_of(after.world.accounts))
        self.teller = Teller(after.world.accounts, plan)
        self.rules = prepared(plan.policy)
        self.disagreements, self.shortfalls = Collector(), Collector()
        self.unjudged: list[str] = []
        self.checks = 0
        self.creates = False
        self._names = (*plan.policy.protected, GIT)
        self._movers: dict[int, Node | None] = {}
        self._born: dict[tuple[int, bool], tuple[SecurityDescriptor, SecurityDescriptor]] = {}

    def bounds(self, node: Node | None) -> Bounds:
        """What the token can possibly get of the entry."""
        if node is None:
            return _NO_NODE
        if not node.volume.acls:
            return NO_LIST
        return UNREAD if node.descriptor is None else self.judge.bounds(node.descriptor)

    def ask(self, node: Node) -> None:
        """All operations on one entry, and what may come to be in it."""
        if node.made == "own":
            return
        reads, writes = self.rules.file("read", node.path), self.rules.file("write", node.path)
        if "invalid" in (reads.kind, writes.kind):
            self.unjudged.append(node.path)
            return
        mine, above = self.bounds(node).upper, self.bounds(node.parent).upper
        for operation in operations_of(node):
            self.checks += 1
            decision = reads if operation.asks == "read" else writes
            allowed = decision.allowed and operation.asks != "dacl"
            way = probes.open_ways(operation, mine, above)
            if way and not allowed:
                need = way[0]
                through = node if need.on == OBJECT or node.parent is None else node.parent
                self._tell(guarantee_of(operation, decision), operation.name, node.path, decision, through, need.mask)
            elif allowed and operation.typical:
                self._work(node, operation, decision)
        if not writes.allowed:
            self._moves(node, writes)
        if node.entry.container and node.entry.reparse not in LEADING:
            self._creations(node, mine)

    def _tell(self, guarantee: str, operation: str, path: str, decision: Decision, through: Node, mask: int,
              count: int = 1) -> None:
        """A disagreement.  Of one descriptor the same is told once."""
        bounds = self.bounds(through)

        def make() -> Finding:
            possible = bounds.upper & mask
            return Finding(guarantee=guarantee, operation=operation, policy=decision.reason, through=through.path,
                           mask=possible, unsure=bounds.unsure, trace=self.trace(through, possible))

        self.disagreements.add((guarantee, operation, id(through.descriptor), bounds), path, make, count)

    def trace(self, node: Node, mask: int) -> tuple[str, ...]:
        """How the access check answers for one of these bits of the entry, line by line."""
        if not node.volume.acls:
            return (f"the volume {node.volume.root} ({node.volume.filesystem}) keeps no descriptors",)
        if node.descriptor is None:
            return (f"{UNREAD.unsure} ({node.entry.problem})",)
        return self.tell(self.judge, node.descriptor, mask & -mask, node.entry.container)

    def tell(self, judge: Judge, descriptor: SecurityDescriptor, mask: int, directory: bool) -> tuple[str, ...]:
        """How an access check goes, for people."""
        return self.teller.lines(judge.answer(descriptor, mask), descriptor, judge.token, directory=directory)

    def _work(self, node: Node, operation: Operation, decision: Decision) -> None:
        """Whether what the policy allows is granted, as programs ask for it."""
        descriptor = node.descriptor
        if descriptor is None or self.judge.works(descriptor, operation.typical):
            return

        def make() -> Finding:
            return Finding(guarantee="", operation=operation.name, policy=decision.reason, through=node.path,
                           mask=operation.typical,
                           trace=self.tell(self.judge, descriptor, operation.typical, node.entry.container))

        self.shortfalls.add((operation.name, id(descriptor)), node.path, make)

    def _moves(self, node: Node, decision: Decision) -> None:
        """What must stay as it is must not go away with a directory above it."""
        self.checks += 1
        mover = self.mover(node.parent)
        if mover is None:
            return
        need = probes.open_ways(_RENAME, self.bounds(mover).upper, self.bounds(mover.parent).upper)[0]
        through = mover if need.on == OBJECT or mover.parent is None else mover.parent
        self._tell(guarantee_of(_RENAME, decision), probes.MOVE_ABOVE, node.path, decision, through, need.mask)

    def mover(self, node: Node | None) -> Node | None:
        """The nearest directory from here up that the policy lets be written and the token can move away.

        A directory that must stay and can be moved is a disagreement of its own.
        """
        passed = []
        found: Node | None = None
        while node is not None:
            if id(node) in self._movers:
                found = self._movers[id(node)]
                break
            passed.append(node)
            movable = node.parent is not None and probes.open_ways(
                _RENAME, self.bounds(node).upper, self.bounds(node.parent).upper)
            if movable and self.rules.file("write", node.path).allowed:
                found = node
                break
            node = node.parent
        self._movers.update((id(each), found) for each in passed)
        return found

    def _creations(self, node: Node, mine: int) -> None:
        """What may come to be in the directory: any name, a protected name, and what the command may do to it then."""
        base = node.path.rstrip("\\") + "\\"
        decision = self.rules.file("write", base + probes.NEW_NAME)
        made: Operation | None = None
        for operation in probes.CREATIONS:
            self.checks += 1
            way = probes.open_ways(operation, mine, 0)
            if way:
                made = operation
            if way and not decision.allowed:
                self._tell(guarantee_of(operation, decision), operation.name, base + probes.NEW_NAME, decision, node,
                           way[0].mask)
            elif decision.allowed:
                self._work(node, operation, decision)
        if made is None or not decision.allowed:
            return
        self.creates = True
        absent = [name for name in self._names if self.after.node(base + name) is None]
        for name in absent:
            held = self.rules.file("write", base + name)
            if not held.allowed:
                self._tell("protected-names", made.name, base + name, held, node, made.ways[0][0].mask, len(absent))
                break
        if node.descriptor is not None:
            for container in (False, True):
                self._newborn(node, node.descriptor, container, decision)

    def _newborn(self, node: Node, descriptor: SecurityDescriptor, container: bool, decision: Decision) -> None:
        """What a command makes belongs to it: it must not be able to change that descriptor, and the user must."""
        self.checks += 1
        key = (id(descriptor), container)
        if key not in self._born:
            self._born[key] = (descriptor, made_by(self.judge.token, descriptor, container=container))
        born = self._born[key][1]
        path = node.path.rstrip("\\") + "\\" + probes.NEW_NAME
        steering = self.judge.bounds(born).upper & (WRITE_DAC | WRITE_OWNER)
        if steering:
            def rewritten() -> Finding:
                return Finding(
                    guarantee="protected-names", operation=probes.CHANGE_DACL, through=path, mask=steering,
                    policy=f"{path}: what a command makes stays under the rules of its directory",
                    trace=self.tell(self.judge, born, steering & -steering, container))

            self.disagreements.add((probes.CHANGE_DACL, id(descriptor)), path, rewritten)
        if not self.user.works(born, FILE_MODIFY):
            def locked() -> Finding:
                return Finding(guarantee="", operation=_HANDED_OVER, policy=decision.reason, through=path,
                               mask=FILE_MODIFY, trace=self.tell(self.user, born, FILE_MODIFY, container))

            self.shortfalls.add((_HANDED_OVER, id(descriptor)), path, locked)
