"""One path of a world: may a command read, write, delete, move it, and what decides that.

Knows: which questions people ask about a path, and which operations of ``probes`` answer them.  Must not know: how an
answer is printed (``prove_text``), or any machine.
"""

from __future__ import annotations

from sidewall.nt import sddl
from sidewall.nt.ace import CONTAINER_INHERIT
from sidewall.nt.mask import describe
from sidewall.plan import probes
from sidewall.plan.probes import OBJECT
from sidewall.plan.prove import Prover, guarantee_of, operations_of
from sidewall.plan.prove_access import NO_LIST, UNREAD
from sidewall.plan.prove_tree import After
from sidewall.plan.windows_steps import AclEdit, Placeholder, Refused
from sidewall.plan.world import LEADING, Index, holder, place
from sidewall.policy.paths import WINDOWS, normalise
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.probes import Operation
    from sidewall.plan.prove_trace import Teller
    from sidewall.plan.prove_tree import Node
    from sidewall.plan.steps import Plan
    from sidewall.plan.world import World
    from sidewall.policy.model import Decision

YES, NO, PERHAPS = "yes", "no", "cannot be ruled out"
"""What the machine says; the last where Windows' answer is not public, where the model cannot judge, or where a part of
what programs ask for is granted."""

_QUESTIONS = (
    ("readable", (probes.READ, probes.LIST)), ("writable", (probes.WRITE, probes.CREATE_FILE)),
    ("deletable", (probes.DELETE,)), ("movable", (probes.RENAME,)), ("replaceable", (probes.REPLACE,)),
    ("attributes changeable", (probes.ATTRIBUTES,)), ("permissions changeable", (probes.CHANGE_DACL,)),
    ("owner changeable", (probes.CHANGE_OWNER,)),
)
"""What people call it, and the operations that answer."""
_ANY = "<a new file>"


class Question(Record):
    """One question: what the policy says and why; what the machine says, and by whose descriptor (``through``).

    ``guarantee`` is the promise that is broken when the machine gives more than the policy ('' when it does not).
    """

    name: str
    policy: bool
    reason: str
    machine: str
    through: str
    trace: tuple[str, ...]
    guarantee: str = ""


class PathAnswer(Record):
    """Everything about one path.

    ``kind`` is what is there ('' when the world has nothing there: then the questions are about making it in
    ``nearest``); ``sddl`` the descriptor after the plan's edits; ``plan`` what the plan does there; ``notes`` what else
    a person should know.
    """

    path: str
    kind: str
    nearest: str = ""
    sddl: str = ""
    questions: tuple[Question, ...] = ()
    plan: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def explain_path(plan: Plan, world: World, path: str) -> PathAnswer:
    """What a command of this plan could do to the path, and why.

    Raises PolicyError for a path that is none, InternalError for a plan without a token.
    """
    where = normalise(path, WINDOWS)
    after = After(world, plan)
    prover = Prover(plan, after)
    node = after.node(where)
    notes: tuple[str, ...] = ()
    if node is None:
        real = Index(world).follow(where)
        if not real:
            return PathAnswer(path=where, kind="", notes=("it lies behind a link, and where that leads is not known",))
        if real != where:
            notes = (f"{where} leads here by a link",)
            where, node = real, after.node(real)
    answer = _absent(prover, after, where) if node is None else _present(prover, node)
    return answer.replace(plan=_doings(plan, where, prover.teller), notes=notes + answer.notes)


def _present(prover: Prover, node: Node) -> PathAnswer:
    reads, writes = prover.rules.file("read", node.path), prover.rules.file("write", node.path)
    asked = {each.name: each for each in operations_of(node)}
    if node.entry.container and node.entry.reparse not in LEADING:
        asked |= {each.name: each for each in probes.CREATIONS}
    found = []
    for name, names in _QUESTIONS:
        operation = next((asked[each] for each in names if each in asked), None)
        if operation is None:
            continue
        decision = reads if operation.asks == "read" else writes
        if operation in probes.CREATIONS:
            decision = prover.rules.file("write", node.path.rstrip("\\") + "\\" + probes.NEW_NAME)
        found.append(_question(prover, node, name, operation, decision))
    entry = node.entry
    notes = []
    if entry.reparse:
        leads = f", which leads to {entry.target}" if entry.target else ""
        notes.append(f"it is a reparse point ({entry.reparse}){leads}"
                     + ("; what is read and written through it is decided there" if entry.reparse in LEADING else ""))
    if entry.links > 1 and not entry.container:
        notes.append(f"it has {entry.links} names; its permissions are those of all of them, and no plan changes them")
    if node.made == "placeholder":
        notes.append("it does not exist; the plan makes it, empty, so that nothing else takes its name")
    if node.made == "own":
        notes.append("it is the cell's own temporary directory")
    mover = None if writes.allowed else prover.mover(node.parent)
    if mover is not None:
        notes.append(f"it moves with {mover.path}, which a command may write and can move")
    text = sddl.format(node.descriptor) if node.descriptor is not None else ""
    return PathAnswer(path=node.path, kind=entry.kind, sddl=text, questions=tuple(found), notes=tuple(notes))


def _absent(prover: Prover, after: After, where: str) -> PathAnswer:
    """Of what is not there: whether it may come to be, as far as the nearest directory says."""
    above = holder(where)
    while above and after.node(above) is None:
        above = holder(above)
    node = after.node(above) if above else None
    if node is None:
        return PathAnswer(path=where, kind="", notes=("nothing of its volume is in the world",))
    notes = ["it is not in the world: it does not exist there, or was not captured"]
    if place(above) != place(holder(where)):
        notes.append(f"the directories between {node.path} and it are not in the world either; the answer is about the "
                     "first of them")
    questions: tuple[Question, ...] = ()
    if node.entry.container and node.entry.reparse not in LEADING:
        decision = prover.rules.file("write", where)
        questions = tuple([_question(prover, node, f"can be made ({kind})", operation, decision)
                           for kind, operation in zip(("file", "directory"), probes.CREATIONS, strict=True)])
    return PathAnswer(path=where, kind="", nearest=node.path, questions=questions, notes=tuple(notes))


def _question(prover: Prover, node: Node, name: str, operation: Operation, decision: Decision) -> Question:
    allowed = decision.allowed and operation.asks != "dacl"
    reason = decision.reason
    if operation.asks == "dacl" and decision.allowed:
        reason = f"{node.path}: a command never changes who may do what"
    creates = operation in probes.CREATIONS
    mine, above = prover.bounds(node), prover.bounds(None if creates else node.parent)
    way = probes.open_ways(operation, mine.upper, above.upper)
    reason = reason.replace(probes.NEW_NAME, _ANY)
    if not way:
        return Question(name=name, policy=allowed, reason=reason, machine=NO, through=node.path,
                        trace=_refusals(prover, node, operation))
    through = node if way[0].on == OBJECT or node.parent is None else node.parent
    bounds = prover.bounds(through)
    mask = (operation.typical or way[0].mask) if through is node else way[0].mask
    if bounds is NO_LIST:
        sure, trace = True, prover.trace(through, mask)
    elif bounds is UNREAD or through.descriptor is None or bounds.unsure:
        sure, trace = False, prover.trace(through, mask)
    else:
        sure = prover.judge.works(through.descriptor, mask)
        shown = mask if sure else bounds.upper & way[0].mask
        trace = prover.tell(prover.judge, through.descriptor, shown, through.entry.container)
    own = node.made == "own"
    return Question(name=name, policy=allowed or own, reason="it is the cell's own" if own else reason,
                    machine=YES if sure else PERHAPS, through=through.path, trace=trace,
                    guarantee="" if allowed or own else guarantee_of(operation, decision))


def _refusals(prover: Prover, node: Node, operation: Operation) -> tuple[str, ...]:
    """Why no way is open: the object's answer, then its directory's where that could have opened one."""
    lines: list[str] = []
    for way in operation.ways:
        need = way[0]
        at = node if need.on == OBJECT else node.parent
        if at is None or at.descriptor is None:
            continue
        mask = (operation.typical or need.mask) if at is node else need.mask
        told = prover.tell(prover.judge, at.descriptor, mask, at.entry.container)
        lines += told if at is node else [f"{at.path}: {line}" for line in told]
    return tuple(lines)


def _doings(plan: Plan, where: str, teller: Teller) -> tuple[str, ...]:
    """What the plan does at the path, in words."""
    said = []
    for step in plan.steps:
        if isinstance(step, AclEdit) and place(step.path) == place(where):
            reach = "and on to what lies below" if step.reach == "tree" else "of it alone"
            said.append(f"changes its list ({', '.join(step.purposes)}), {reach}")
            kind = "directory" if step.directory else "file"
            said += [f"{'deny' if ace.type else 'allow'} {teller.who(ace.sid)} {describe(ace.mask, kind)}"
                     + (", inherited by what lies below" if ace.flags & CONTAINER_INHERIT else "")
                     for ace in step.aces]
        elif isinstance(step, Placeholder) and place(step.path) == place(where):
            said.append("makes it, empty, for the time of the cell")
        elif isinstance(step, Refused) and place(step.path) == place(where):
            said.append(f"leaves it alone: it {step.reason}")
    return tuple(said)
