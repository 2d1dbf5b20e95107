"""Where a policy's paths lie in a Linux cell: writable roots, hidden names, protected names, git directories.

Knows: how rules on paths become binds, compositions and allow-lists.  Must not know: this machine (``LinuxFacts``).

Secrets are held by composition: the directory that holds a secret is put together anew from its other entries.  A
mask on the file itself would vanish when another program replaces the file by rename, and could not cover a file
that does not exist yet.  Inside a writable root no composition is possible; there a mask is all there is.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, PolicyError
from sidewall.plan import facts as fact
from sidewall.plan.facts import LinuxFacts, PathFact
from sidewall.plan.steps import (
    LANDLOCK,
    NAMESPACE,
    GitOverlay,
    Hide,
    HostPorts,
    HostSocket,
    Mask,
    Pin,
    Placeholder,
    Protect,
    Step,
    Writable,
)
from sidewall.policy import protect
from sidewall.policy.model import DENY, GIT_COMMIT, READ, WRITE, FileRule, Policy

_REQUIRED = "read-secrets"
_COVERED = ("/tmp", "/var/tmp", "/run")
_SYSTEM = ("/etc", "/usr", "/var", "/opt", "/boot", "/proc", "/sys", "/dev", "/run", "/nix", "/gnu", "/snap")
"""Directories whose entries are replaced while a cell stands (a snapshot of them would grow old), or that have very
many: composed only where the guarantee is required, and then never these:"""
_LIVING = ("/proc", "/sys", "/dev", "/run", "/nix", "/gnu")


class Layout:
    """What ``lay_out`` found, for the steps and for the report."""

    def __init__(self) -> None:
        self.writable: list[Writable] = []
        self.readonly: list[Protect] = []
        self.bare_places: list[str] = []
        self.shown: list[str] = []
        self.hides: list[Hide] = []
        self.masks: list[Mask] = []
        self.protects: list[Protect] = []
        self.placeholders: list[Placeholder] = []
        self.pins: list[Pin] = []
        self.sockets: list[HostSocket] = []
        self.ports: list[HostPorts] = []
        self.git: list[GitOverlay] = []
        self.readable: tuple[str, ...] = ()
        self.held: tuple[str, ...] = ()
        self.places: tuple[str, ...] = ()
        self.weak_secrets: list[str] = []
        self.bare_secrets: list[str] = []
        self.loose_secrets = False
        self.snapshots: list[str] = []
        self.weak_names: list[str] = []
        self.git_problem = ""
        self.notes: tuple[str, ...] = ()


def is_within(path: str, root: str) -> bool:
    """Whether ``path`` is ``root`` or lies below it; both absolute and normal."""
    return path == root or root == "/" or path.startswith(root + "/")


def lay_out(policy: Policy, facts: LinuxFacts, tier: str) -> Layout:
    """Places every path.  Raises PolicyError for a writable root that is not a directory or does not exist."""
    policy = policy.replace(files=(*policy.files, *[FileRule(path=path, access=DENY) for path in facts.aliases]))
    layout = Layout()
    known = {path.path: path for path in facts.paths}
    places = fact.Places(known)
    notes = list(facts.notes)
    readable, closed = _places(policy, places, READ), _places(policy, places, DENY)
    _writable_roots(policy, known, readable | closed, layout, notes)
    denied = _denied(policy, known, places)
    roots = [root.path for root in layout.writable]
    below_roots = tuple([root.rstrip("/") + "/" for root in roots])
    narrowed = [path for path in readable if path in roots or path.startswith(below_roots)]
    if narrowed:
        from sidewall.plan import linux_readonly

        linux_readonly.place(narrowed, known, layout, tier, notes)
    composed = []
    composable: dict[str, bool] = {}
    snapshots = tier == NAMESPACE and _REQUIRED in policy.require
    for path in denied:
        inside = path in roots or path.startswith(below_roots)
        if tier == LANDLOCK:
            # Reading a root cannot be had without reading all in it; elsewhere what is not listed is not readable.
            layout.bare_secrets += [path] if inside else []
            layout.bare_places += [path] if inside else []
        elif inside:
            # A command may change the mode of what is its user's.
            if exists(path, known, closed=True):
                layout.masks.append(Mask(path=path))
            layout.weak_secrets.append(path)
        elif path != policy.home and _composable(path, policy.home, composable):
            composed.append(path)
        elif snapshots and _in_snapshot(path) and (facts.uid == 0 or exists(path, known)):
            # Nobody asked for more than the user's rights where these hide it already.
            composed.append(path)
        elif exists(path, known):
            layout.masks.append(Mask(path=path))
            if known[path].kind != fact.DIRECTORY:
                # A mask on a directory lasts: programs replace files by rename, not directories.
                layout.weak_secrets.append(path)
                layout.loose_secrets |= _in_snapshot(path)
    if not facts.expanded:
        raise GuaranteeError("the deny patterns match in more directories than are looked through, so they cannot be "
                             "held", guarantees=("read-secrets",),
                             hint="deny the directories that hold such files, or begin the pattern deeper")
    layout.masks += [Mask(path=path) for path in facts.matches]
    if tier == LANDLOCK:
        bare = [path for path in facts.matches if any(is_within(path, root) for root in roots)]
        layout.bare_secrets += bare
        layout.bare_places += bare
    layout.weak_secrets += [rule.path for rule in policy.files if rule.access == DENY and rule.glob]
    _compose(composed, known, layout)
    _shown(policy, known, places, closed, denied, facts.own, layout)
    if tier == LANDLOCK:
        from sidewall.plan import linux_cover

        layout.readable = linux_cover.readable(policy, facts, known, denied)
        # The interpreter is needed wherever it lies, also where a directory above may be entered but not read.
        layout.readable += tuple([
            path for path in facts.own if not any(is_within(path, place) for place in layout.readable)
            and not any(is_within(path, name) or is_within(name, path) for name in (*denied, *facts.matches))])
    _git(policy, facts, tier, layout, notes)
    if policy.network.unix_sockets or policy.network.loopback_ports:
        from sidewall.plan import linux_reach

        found = linux_reach.reach(policy, facts, tier, roots, denied)
        layout.sockets, layout.ports = found.sockets, found.ports
        notes += found.notes
    if tier == NAMESPACE:
        _protected(policy, facts, layout, notes)
        still = (*layout.protects, *layout.readonly)
        layout.pins = _pins(roots, [*(step.path for step in still), *(step.path for step in layout.git),
                                    *(step.real for step in layout.sockets if step.held)])
    layout.held = tuple(step.path for step in layout.protects) + tuple(step.path for step in layout.git)
    layout.places = tuple([found.path for found in facts.steering])
    if not facts.scanned:
        notes.append("the workspace has too many directories to look through: protected names deep inside it were "
                     "not all found")
    layout.notes = tuple(notes)
    return layout


def _pins(roots: list[str], held: list[str]) -> list[Pin]:
    """Every directory between a writable root and what is held deep in it, the outer ones first: were one of them
    renamed, what is held would move along with it, and another could take its place."""
    between = {above for path in held for above in _above(path)
               if any(is_within(above, root) and above != root for root in roots)}
    return [Pin(path=path) for path in sorted(between, key=lambda path: path.split("/"))]


def exists(path: str, known: dict[str, PathFact], *, closed: bool = False) -> bool:
    """Whether a mask is wanted: it exists, the user could read it (or it is ``closed`` all the same), and it is no
    link to another place (there, where it really lies, it is masked too)."""
    found = known.get(path)
    return (found is not None and found.kind != fact.MISSING and found.real == path
            and (closed or found.readable))


def in_system(path: str) -> bool:
    """Whether only the administrator changes what lies beside ``path``."""
    parent = path.rpartition("/")[0]
    return any(is_within(parent, top) for top in _SYSTEM)


def _composable(path: str, home: str, known: dict[str, bool]) -> bool:
    """``known`` keeps the answer for what lies in one directory."""
    parent = path.rpartition("/")[0]
    if is_within(path, home):
        return True
    if parent not in known:
        known[parent] = not (parent == "" or in_system(path))
    return known[parent]


def _in_snapshot(path: str) -> bool:
    parent = path.rpartition("/")[0]
    return parent != "" and not any(is_within(parent, top) for top in _LIVING)


def _writable_roots(policy: Policy, known: dict[str, PathFact], narrowed: frozenset[str], layout: Layout,
                    notes: list[str]) -> None:
    taken: set[str] = set()
    rules = [rule for rule in policy.files if rule.access == WRITE]
    for rule in sorted(rules, key=lambda item: item.path):
        found = known.get(rule.path)
        if found is None or found.kind == fact.MISSING:
            if rule.source.layer == "command line" or rule.path == policy.workspace:
                raise PolicyError(f"writable root {rule.path!r} does not exist ({_origin(rule.source)})",
                                  hint="create the directory, or drop the rule")
            notes.append(f"writable root {rule.path} does not exist and was left out ({_origin(rule.source)})")
            continue
        if found.kind not in (fact.DIRECTORY, fact.FILE, fact.SYMLINK):
            raise PolicyError(f"writable root {rule.path!r} is neither a directory nor a file",
                              hint="name the directory that holds it")
        if found.real in narrowed:
            notes.append(f"{rule.path} stays as it is: a stricter rule is about it too ({_origin(rule.source)})")
        elif found.real not in taken:
            taken.add(found.real)
            layout.writable.append(Writable(path=found.real, device=found.device, inode=found.inode))
    layout.writable.sort(key=lambda step: step.path)


def _places(policy: Policy, places: fact.Places, access: str) -> frozenset[str]:
    """Where what the rules of this access name really lies."""
    rules = [rule for rule in policy.files if rule.access == access and not rule.glob]
    return frozenset([places.really(rule.path) for rule in rules])


def _origin(source: object) -> str:
    layer = getattr(source, "layer", "")
    file = getattr(source, "file", "")
    key = getattr(source, "key", "")
    return " ".join(part for part in (layer, file, key) if part)


def _denied(policy: Policy, known: dict[str, PathFact], places: fact.Places) -> list[str]:
    """Denied paths, as named and where they really lie, without those below another."""
    names: set[str] = set()
    for rule in policy.files:
        if rule.access == DENY and not rule.glob:
            path = rule.path
            parent, _, name = path.rpartition("/")
            names.add(path)
            names.add(f"{places.really(parent)}/{name}")
            if path in known:
                names.add(places.really(path))
    for found in known.values():
        # A link in a denied directory leads to the secret itself.
        if (found.kind == fact.FILE and found.real != found.path and found.path.rpartition("/")[0] in names
                and is_within(found.real, policy.home)):
            names.add(found.real)
    opened = {places.really(rule.path) for rule in policy.files if rule.access != DENY}
    counted: dict[str, bool] = {}
    kept = []
    for name in sorted(names):
        parent = name.rpartition("/")[0]
        if parent not in counted:
            counted[parent] = _counts(name, names, opened)
        if counted[parent]:
            kept.append(name)
    return kept


def _counts(name: str, names: set[str], opened: set[str]) -> bool:
    """Whether a denied path, and each beside it, must be looked after: nothing above it is denied, or what is nearer is
    readable again."""
    for above in _above(name):
        if above in opened:
            return True
        if above in names:
            return False
    return True


def _above(path: str) -> list[str]:
    """Every directory above ``path``, the nearest first, but for the root."""
    found = []
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        found.append(path)
        at = path.rfind("/")
    return found


def _compose(paths: list[str], known: dict[str, PathFact], layout: Layout) -> None:
    """One ``Hide`` for each directory that holds denied names.  Where that does not exist, the first name on the way
    that does not is hidden: it may come to be.  A parent that is a link is not composed; its target is."""
    by_parent: dict[str, set[str]] = {}
    missing: dict[str, tuple[str, str]] = {}
    for path in paths:
        start, _, name = path.rpartition("/")
        if start not in missing:
            missing[start] = _missing(start, known)
        parent, absent = missing[start]
        found = known.get(parent)
        if found is not None and found.kind == fact.DIRECTORY and found.real == parent:
            by_parent.setdefault(parent, set()).add(absent or name)
    for parent in sorted(by_parent):
        layout.hides.append(Hide(parent=parent, names=tuple(sorted(by_parent[parent]))))
        if any(is_within(parent, top) for top in _SYSTEM):
            layout.snapshots.append(parent)


def _missing(path: str, known: dict[str, PathFact]) -> tuple[str, str]:
    """The nearest to a directory that exists, and the first name on the way from there that does not ('' if all do)."""
    absent = ""
    found = known.get(path)
    while (found is None or found.kind == fact.MISSING) and path:
        path, _, absent = path.rpartition("/")
        found = known.get(path)
    return path, absent


def _shown(policy: Policy, known: dict[str, PathFact], places: fact.Places, closed: frozenset[str],
           denied: list[str], own: tuple[str, ...], layout: Layout) -> None:
    """What a private directory or a composition would take away though the policy lets it be read."""
    roots = [root.path for root in layout.writable]
    wanted = [policy.home] if any(is_within(policy.home, top) for top in _COVERED) else []
    # The interpreter that a caller knows by ``sys.executable`` works inside too, wherever it lies.
    wanted += [path for path in own if any(is_within(path, top) and path != top for top in _COVERED)
               and not any(is_within(path, root) for root in roots)]
    hidden = frozenset(denied)
    for rule in policy.files:
        if rule.access == READ and not rule.glob:
            path = places.really(rule.path)
            covered = any(is_within(path, top) and path != top for top in _COVERED)
            if covered or path in hidden or not hidden.isdisjoint(_above(path)):
                wanted.append(path)
    for path in sorted(set(wanted).difference(denied, roots, closed)):
        found = known.get(path)
        if found is None or found.kind != fact.MISSING:
            layout.shown.append(path)


def _git(policy: Policy, facts: LinuxFacts, tier: str, layout: Layout, notes: list[str]) -> None:
    roots = tuple(root.path for root in layout.writable)
    seen: set[str] = set()
    for found in facts.git:
        if found.problem:
            notes.append(f"{found.path}: {found.problem}")
            layout.git_problem = layout.git_problem or found.problem
        if tier != NAMESPACE:
            continue
        if not any(is_within(found.path, root) for root in roots):
            continue
        if layout.readonly:
            from sidewall.plan import linux_readonly

            if linux_readonly.holds(layout, found.path):
                continue
        writes = policy.git == GIT_COMMIT and not facts.overlay and bool(found.common)
        if writes and found.common not in seen:
            seen.add(found.common)
            layout.git.append(GitOverlay(path=found.common, roots=roots))
        if found.kind == fact.SYMLINK:
            layout.weak_names.append(found.path)
        elif found.kind == fact.FILE or not writes:
            layout.protects.append(Protect(path=found.path))
    if policy.git == GIT_COMMIT and facts.overlay and tier == NAMESPACE and facts.git:
        layout.git_problem = f"this kernel makes no private overlay ({facts.overlay}): .git is read-only"
        notes.append(layout.git_problem)
    known = {found.path for found in facts.git}
    if tier == NAMESPACE and policy.workspace in roots and f"{policy.workspace}/.git" not in known:
        layout.placeholders.append(Placeholder(root=policy.workspace, name=".git"))
        if policy.git == GIT_COMMIT and not facts.overlay:
            layout.git.append(GitOverlay(path=f"{policy.workspace}/.git", roots=roots, fresh=True))
        else:
            layout.protects.append(Protect(path=f"{policy.workspace}/.git"))


def _protected(policy: Policy, facts: LinuxFacts, layout: Layout, notes: list[str]) -> None:
    roots = {root.path for root in layout.writable}
    named = {found.path for found in facts.protected}
    steering = [found for found in facts.steering if found.path not in named or found.kind == fact.MISSING]
    for found in (*facts.protected, *steering):
        if not any(is_within(found.path, above) for above in roots):
            continue
        root, _, name = found.path.rpartition("/")
        if found.kind == fact.MISSING:
            if found in facts.steering and (root not in roots or name in protect.HOOKS):
                layout.weak_names.append(found.path)
            elif root in roots and (name not in protect.ONLY_PRESENT or found in facts.steering):
                if Protect(path=found.path) in layout.protects:
                    continue
                layout.placeholders.append(Placeholder(root=root, name=name))
                layout.protects.append(Protect(path=found.path))
        elif found.kind == fact.SYMLINK:
            layout.weak_names.append(found.path)
            notes.append(f"{found.path} is a symbolic link: it is compared and put back after each command")
        else:
            layout.protects.append(Protect(path=found.path))
            if found.kind == fact.FILE:
                layout.weak_names.append(found.path)


__all__ = ["Layout", "Step", "exists", "in_system", "is_within", "lay_out"]
