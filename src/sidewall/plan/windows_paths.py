"""Which paths of a Windows plan are granted, denied, held, passed through, and which are refused and why.

Knows: how a policy's file rules become edits of access lists, placeholders and refusals.  Must not know: how an edit is
made, git directories (``windows_git``).  Pure: paths are compared as text; where they really lie comes in as facts.

The machine's own access lists do most of the work: another account cannot read the user's profile, nobody can write
the system's directories.  So only what must differ from them is edited: writable roots, what is held or denied inside
them, what must be readable though its owner keeps it to himself.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, MachineError, PolicyError
from sidewall.plan import facts as kinds
from sidewall.plan.facts_windows import PathFact
from sidewall.plan.windows_edits import Edits, key
from sidewall.plan.windows_git import lay_out_git
from sidewall.plan.windows_layout import Layout
from sidewall.plan.windows_refuse import LEADING, Refusal, as_edit, as_root, untouchable
from sidewall.plan.windows_steps import GRANT, TOKEN
from sidewall.policy import paths, protect, secrets
from sidewall.policy.model import COMMAND_LINE, DENY, READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.policy.model import FileRule, Policy

_STRICTNESS = (DENY, READ, WRITE)
_NAMED = 100


def lay_out(policy: Policy, facts: WindowsFacts, tier: str, capability: Sid, group: Sid | None) -> Layout:
    """Places every path.  ``group`` is None in the token tiers.

    Raises:
        PolicyError: a writable root that was asked for by name is refused, or does not exist.
        MachineError: it cannot be granted on this machine (volume, owner).
        GuaranteeError: deny patterns were not followed to their end.
    """
    trustees = (capability,) if group is None else (group, capability)
    layout = Layout(policy, facts, tier, Edits(trustees, None if group is None else facts.user))
    _roots(layout)
    if tier != TOKEN:
        _readable(layout)
    _narrower(layout)
    _patterns(layout)
    _protected(layout)
    lay_out_git(layout)
    if tier != TOKEN:
        _passages(layout)
    _left_alone(layout)
    if tier != TOKEN:
        layout.notes.append(f"of {facts.home} only what is granted can be read inside: writable directories, "
                            "directories of programs, and what read rules name")
    if not facts.scanned:
        layout.notes.append("a writable directory is too large to look through: protected names deep inside it were "
                            "not all found")
    layout.notes += facts.notes
    return layout


def _rules(policy: Policy, access: str) -> list[FileRule]:
    """The rules of one access in order of the path, without those on whose very place a stricter one stands."""
    strictest: dict[tuple[str, ...], int] = {}
    for rule in policy.files:
        if not rule.glob:
            rank = _STRICTNESS.index(rule.access)
            strictest[key(rule.path)] = min(rank, strictest.get(key(rule.path), rank))
    rules = [rule for rule in policy.files if rule.access == access and not rule.glob
             and strictest[key(rule.path)] == _STRICTNESS.index(access)]
    return sorted(rules, key=lambda rule: (key(rule.path), rule.path))


def _roots(layout: Layout) -> None:
    policy, facts = layout.policy, layout.facts
    names = protect.Names(policy.protected, policy.git, paths.WINDOWS)
    for rule in _rules(policy, WRITE):
        named = rule.source.layer == COMMAND_LINE or key(rule.path) == key(policy.workspace)
        found = layout.fact(rule.path)
        if found is None or found.kind == kinds.MISSING:
            if named:
                raise PolicyError(f"the writable directory {rule.path} does not exist",
                                  hint="Create it, or drop the rule.")
            layout.notes.append(f"the writable directory {rule.path} does not exist and was left out")
            continue
        if found.reparse in LEADING:
            found = layout.fact(found.real) or found
        refusal = as_root(found, facts)
        if refusal is not None:
            if named:
                wrong = MachineError if refusal.machine else PolicyError
                raise wrong(f"{rule.path} cannot be made writable: it {refusal.reason}", hint=refusal.hint)
            layout.refuse(rule.path, refusal)
            layout.notes.append(f"{rule.path} is not writable: it {refusal.reason}")
            continue
        outer = layout.root_of(found.real)
        if outer is not None:
            below = paths.parts(found.real, paths.WINDOWS)[len(key(outer.real)) :]
            if names.holding(below):
                # An explicit grant there would outrank the deny that it inherits.
                layout.refuse(rule.path, Refusal(reason=f"lies below {names.holding(below)}, which stays as it is"))
                continue
        layout.roots.append(found)
        layout.granted.append((key(found.real), WRITE))
        layout.edits.grant(found.real, found.kind == kinds.DIRECTORY)


def _readable(layout: Layout) -> None:
    """Reading that the owner of a place keeps to himself: of readable rules, and of where programs are started from."""
    facts = layout.facts
    # Sidewall's own places have access lists of their own.
    wanted = [layout.fact(rule.path) for rule in _rules(layout.policy, READ) if not secrets.is_own(rule.source)]
    tools = [layout.fact(path) or _guess(layout, path) for path in facts.tools]
    for found in (*wanted, *tools):
        if found is None or found.kind == kinds.MISSING or found.shared or layout.reached(found.real or found.path):
            continue
        if _denied(layout, found.real):
            continue
        refusal = as_edit(found, facts)
        if refusal is not None:
            layout.refuse(found.path, refusal)
            layout.notes.append(f"{found.path} stays unreadable inside: it {refusal.reason}")
            continue
        layout.granted.append((key(found.real), READ))
        layout.edits.read(found.real, found.kind == kinds.DIRECTORY)


def _guess(layout: Layout, path: str) -> PathFact:
    """A directory of which nothing is known is as open to reading as the nearest one above of which something is."""
    place = key(path)
    above = (layout.known.get(place[:length]) for length in range(len(place) - 1, 0, -1))
    nearest = next((found for found in above if found is not None), None)
    return PathFact(path=path, kind=kinds.DIRECTORY, real=path, shared=nearest is not None and nearest.shared)


def _denied(layout: Layout, path: str) -> bool:
    """Whether the most specific rule about a path denies it."""
    place = key(path)
    holding = [rule for rule in layout.policy.files if not rule.glob and place[: len(key(rule.path))] == key(rule.path)]
    holding.sort(key=lambda rule: (len(key(rule.path)), rule.access == DENY))
    return bool(holding) and holding[-1].access == DENY


def _narrower(layout: Layout) -> None:
    """Rules that deny, or that deny writing only, where something above is granted or anybody may read."""
    policy = layout.policy
    for access in (DENY, READ):
        for rule in _rules(policy, access):
            path = layout.real(rule.path)
            found = layout.fact(path) or layout.fact(rule.path)
            inside = layout.root_of(path) is not None
            if access == READ and not inside:
                continue
            if found is None or found.kind == kinds.MISSING:
                _absent(layout, rule, path, inside, found)
            elif access == READ or layout.tier == TOKEN:
                if inside and not layout.edits.has(path, GRANT) and not layout.hold(found, path):
                    layout.weak_names.append(path)
            elif layout.reached(path) or found.shared:
                _deny(layout, found, path)


def _absent(layout: Layout, rule: FileRule, path: str, inside: bool, found: PathFact | None) -> None:
    """A rule about what does not exist: held by a placeholder where its directory does, inside a writable root.

    Not so the built-in list of secrets: its names are of many programs, which outside go on making them.
    """
    if inside and rule.source != secrets.SOURCE:
        parent = layout.fact(paths.parent(path, paths.WINDOWS))
        if parent is not None and parent.kind == kinds.DIRECTORY:
            layout.place(path, seen=rule.access == READ)
            return
    if rule.access == DENY and (inside or layout.reached(path) or found is None):
        layout.weak_secrets.append(path)


def _deny(layout: Layout, found: PathFact, path: str) -> None:
    refusal = as_edit(found, layout.facts)
    if refusal is not None:
        layout.refuse(path, refusal)
        layout.weak_secrets.append(path)
        return
    layout.edits.deny(path, found.kind == kinds.DIRECTORY)
    layout.note_held(path)


def _patterns(layout: Layout) -> None:
    facts = layout.facts
    if not facts.expanded:
        raise GuaranteeError("the deny patterns match in more directories than are looked through, so they cannot be "
                             "held", guarantees=("read-secrets",),
                             hint="deny the directories that hold such files, or begin the pattern deeper")
    for path in facts.matches:
        found = layout.fact(path)
        if found is None:
            layout.weak_secrets.append(path)
        elif layout.tier == TOKEN:
            if layout.root_of(path) is not None and not layout.hold(found):
                layout.weak_names.append(path)
        elif layout.reached(path) or found.shared:
            _deny(layout, found, path)
    layout.weak_secrets += [rule.path for rule in layout.policy.files if rule.access == DENY and rule.glob]


def _protected(layout: Layout) -> None:
    """Names that stay as they are, present and absent."""
    roots = {key(root.real) for root in layout.roots}
    for found in layout.facts.protected:
        names = paths.parts(found.path, paths.WINDOWS)
        if found.kind == kinds.MISSING:
            if key(found.path)[:-1] in roots and names[-1].lower() not in protect.ONLY_PRESENT:
                layout.place(found.path)
        elif not layout.hold(found, found.path):
            layout.weak_names.append(found.path)


def _passages(layout: Layout) -> None:
    """Directories above what is granted: programs look at each of them on the way.  Never a profile's own."""
    facts = layout.facts
    home_met = False
    for place, _ in layout.granted:
        above = next((found.real for found in layout.known.values() if key(found.real or found.path) == place), "")
        names = paths.parts(above, paths.WINDOWS) if above else ()
        for length in range(len(names) - 1, 1, -1):
            path = names[0] + "\\".join(names[1:length])
            home_met = home_met or key(path) == key(facts.home)
            found = layout.fact(path)
            if found is None or found.shared or layout.reached(path) or untouchable(path, facts.home) is not None:
                continue
            refusal = as_edit(found, facts)
            if refusal is None:
                layout.edits.passage(path)
            else:
                layout.refuse(path, refusal)
    if home_met and layout.tier != TOKEN:
        layout.notes.append(f"the access list of {facts.home} itself is never changed: programs that look at every "
                            "directory above a file (realpath of Node) are refused there; a workspace outside the "
                            "profile has no such limit")


def _left_alone(layout: Layout) -> None:
    """What no grant is carried into: the first of each kind by name, all by number.  A backend finds them itself."""
    for path in layout.facts.linked[:_NAMED]:
        layout.refused.setdefault(path, "has several names, and its permissions are those of all of them")
    for path in layout.facts.reparses[:_NAMED]:
        layout.refused.setdefault(path, "is a reparse point, and nothing is carried on through it")
    if layout.facts.linked:
        count = len(layout.facts.linked)
        layout.notes.append(f"{count} file(s) in writable directories have several names (package stores) and keep the "
                            "permissions of their store: not writable inside, and readable where the store is")
