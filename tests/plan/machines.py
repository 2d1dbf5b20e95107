"""Machines and disks as data: what a plan is compiled from, made up.

Knows: the shapes of host facts.  Must not know: the machine that the tests run on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidewall import plan as planning
from sidewall.plan import facts as fact
from sidewall.plan.facts import GitFact, LinuxFacts, Listing, PathFact
from sidewall.plan.guarantees import Guarantee, by_name
from sidewall.plan.steps import Plan, Step
from sidewall.policy import profiles
from sidewall.policy.model import DENY, FileRule, Policy, Source

HOME, WORK = "/home/ann", "/home/ann/work"
ALL_KINDS = ("user", "mount", "pid", "ipc", "uts", "cgroup", "net")
NEWEST = {
    "machine": "x86_64", "kernel": (6, 18), "uid": 1000, "landlock": 9, "kinds": ALL_KINDS, "refused": "",
    "overlay": "", "seccomp": True, "notify": True,
}  # fmt: skip

LINK = "-> "
KINDS = {"dir": fact.DIRECTORY, "file": fact.FILE}


class Disk:
    """A disk as a mapping from absolute path to ``dir``, ``file``, ``other`` or ``-> target``; directories above what
    is named exist."""

    def __init__(self, entries: Mapping[str, str] = {}) -> None:
        self.entries: dict[str, str] = {"/": "dir"}
        for path, kind in {HOME: "dir", WORK: "dir", **entries}.items():
            above = path.rpartition("/")[0]
            while above and above not in self.entries:
                self.entries.setdefault(above, "dir")
                above = above.rpartition("/")[0]
            self.entries[path] = kind

    def real(self, path: str, depth: int = 0) -> str:
        """Where the path really lies; '' when that does not exist."""
        if depth > 20:
            return ""
        at = ""
        names = [name for name in path.split("/") if name]
        for index, name in enumerate(names):
            if name == "..":
                at = at.rpartition("/")[0]
                continue
            at = f"{at}/{name}"
            kind = self.entries.get(at)
            if kind is None:
                return ""
            if kind.startswith(LINK):
                target = kind[len(LINK) :]
                base = target if target.startswith("/") else f"{at.rpartition('/')[0]}/{target}"
                return self.real("/".join([base, *names[index + 1 :]]), depth + 1)
        return at or "/"

    def look(self, path: str) -> PathFact:
        """The fact of one path, as ``platforms.linux.facts`` would tell it."""
        parent, _, name = path.rpartition("/")
        holder = self.real(parent or "/")
        own = self.entries.get(f"{holder.rstrip('/')}/{name}") if path != "/" else "dir"
        if own is None or not holder:
            return PathFact(path=path)
        real = self.real(path)
        if not real:
            return PathFact(path=path, kind=fact.SYMLINK)
        kind = KINDS.get(self.entries[real], fact.OTHER)
        return PathFact(path=path, kind=kind, real=real, device=1, inode=hash(real) & 0xFFFF, readable=True)

    def above(self, path: str) -> list[str]:
        """The path and every directory above it."""
        found = [path]
        while path.rpartition("/")[0]:
            path = path.rpartition("/")[0]
            found.append(path)
        return [*found, "/"]

    def paths(self, policy: Policy) -> tuple[PathFact, ...]:
        """What is looked at for a policy: its paths, what they really are, and all above."""
        wanted = [policy.home, policy.workspace, *(rule.path for rule in policy.files if not rule.glob)]
        seen: dict[str, PathFact] = {}
        for named in wanted:
            parent, _, name = named.rpartition("/")
            while parent and not self.real(parent):
                parent, _, above = parent.rpartition("/")
                name = f"{above}/{name}"
            for path in (named, self.real(named) or named, f"{self.real(parent or '/').rstrip('/')}/{name}"):
                for one in self.above(path):
                    seen.setdefault(one, self.look(one))
        return tuple(seen.values())

    def listings(self) -> tuple[Listing, ...]:
        """Every directory with its entries."""
        found: dict[str, list[tuple[str, str]]] = {path: [] for path, kind in self.entries.items() if kind == "dir"}
        for path, kind in self.entries.items():
            parent, _, name = path.rpartition("/")
            told = fact.SYMLINK if kind.startswith(LINK) else KINDS.get(kind, fact.OTHER)
            if path != "/":
                found[parent or "/"].append((name, told))
        return tuple(Listing(path=path, entries=tuple(sorted(rows))) for path, rows in sorted(found.items()))


def policy(name: str = ":workspace", *rules: FileRule, **changes: Any) -> Policy:
    """A policy of the user Ann; ``rules`` are added."""
    built = profiles.build(name, workspace=changes.pop("workspace", WORK), home=changes.pop("home", HOME))
    return built.replace(files=(*built.files, *rules), **changes)


def machine(about: Policy, disk: Disk | None = None, **changes: Any) -> LinuxFacts:
    """The newest machine, with these changes, asked about a policy."""
    disk = disk or Disk()
    told = {**NEWEST, "paths": disk.paths(about), "listings": disk.listings(), **changes}
    names = {item.path for item in told.get("protected", ())}
    roots = [disk.real(rule.path) for rule in about.files if rule.access == "write" and disk.real(rule.path)]
    wanted = [f"{root}/{name}" for root in roots for name in about.protected]
    missing = [PathFact(path=path) for path in wanted if path not in names]
    return LinuxFacts(**{**told, "protected": (*told.get("protected", ()), *missing)})


def refused(reason: str = "EPERM") -> dict[str, Any]:
    """Changes of a machine that refuses namespaces."""
    return {"kinds": (), "refused": reason, "overlay": "none"}


def compiled(about: Policy | None = None, disk: Disk | None = None, *, tier: str = "auto", **changes: Any) -> Plan:
    """A plan, whatever it leaves unmet."""
    about = about or policy()
    about = about.replace(require=changes.pop("require", ()))
    return planning.compile(about, machine(about, disk, **changes), tier=tier)


def of(plan: Plan, *kinds: type[Step]) -> list[Any]:
    """The steps of these types, in order."""
    return [step for step in plan.steps if isinstance(step, kinds)]


def line(plan: Plan, name: str) -> Guarantee:
    """One line of the report."""
    return by_name(plan.guarantees)[name]


def deny(path: str, *, glob: bool = False) -> FileRule:
    """A denying rule of the user's."""
    return FileRule(path=path, access=DENY, glob=glob, source=Source(layer="user"))


def git(path: str, kind: str = fact.DIRECTORY, common: str = "", problem: str = "") -> GitFact:
    """A ``.git`` that was found."""
    return GitFact(path=path, kind=kind, common=common or ("" if problem else path), problem=problem)
