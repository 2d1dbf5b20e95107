"""Finds the host facts of Linux.  Reads the machine and the paths that a policy names; changes nothing.

Knows: where a fact is found (``/proc``, ``/sys``, the file system, the spare's report).
Must not know: what follows from a fact (``plan`` does).
"""

from __future__ import annotations

import os
import stat
import sys

from sidewall.plan import facts as fact
from sidewall.plan.facts import GitFact, LinuxFacts, Listing, PathFact, SocketFact
from sidewall.platforms.linux import aliases, cgroups, lease, repositories, steering
from sidewall.platforms.linux.listings import Listings
from sidewall.policy.model import DENY, WRITE, FileRule, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_DIRECTORIES = 1500
"""How many directories of a workspace are looked through for nested repositories and protected names."""
MOST_FOR_PATTERNS = 20_000
"""How many are looked through for what a deny pattern matches: somebody asked for it."""

UNSEARCHED = frozenset(("node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", ".pytest_cache"))


def gather(policy: Policy, ask: Callable[[], dict[str, Any]], *, listings: bool) -> LinuxFacts:
    """Facts for this policy.  ``ask`` waits for what a started cell process says of the kernel: that comes last, so
    that the process can find it out meanwhile.  ``listings``: they are wanted, even if namespaces are not refused.
    """
    release = os.uname().release.split(".")
    machine = os.uname().machine
    others = aliases.other_names([rule.path for rule in policy.files if rule.access == DENY and not rule.glob])
    if others:
        policy = policy.replace(files=(*policy.files, *[FileRule(path=path, access=DENY) for path in others]))
    paths = _paths(policy)
    known = {item.path: item for item in paths}
    roots = [known[rule.path] for rule in policy.files if rule.access == WRITE and rule.path in known]
    protected: list[PathFact] = []
    git: list[GitFact] = []
    complete = True
    denied = _denied(policy)
    hidden = tuple([fact.really(path, known) for path in denied] + [
        fact.really(item.path, known) for item in paths
        if item.real != item.path and item.path not in denied and item.path.rpartition("/")[0] in denied])
    matches, expanded = _matches(policy, roots)
    for root in roots:
        if root.kind in (fact.DIRECTORY, fact.SYMLINK) and root.real:
            complete &= _look_through(root.real, policy.protected, protected, git, hidden)
    own_places = _own_places()
    protected += [own for own in own_places if any(own.path.startswith(root.real.rstrip("/") + "/")
                                                      for root in roots if root.real)]
    report = ask()
    listed = _listings((*hidden, *matches)) if listings or report["refused"] else []
    delegated, controllers = cgroups.delegated() if policy.limits.memory_bytes or policy.limits.processes else ("", ())
    return LinuxFacts(
        machine=machine, kernel=(int(release[0]), int("".join(c for c in release[1] if c.isdigit()) or 0)),
        uid=os.geteuid(), landlock=report["landlock"], kinds=tuple(report["kinds"]), refused=report["refused"],
        overlay=report["overlay"], seccomp=machine in ("x86_64", "aarch64"), notify=report["notify"],
        delegated=delegated, controllers=controllers, paths=tuple(paths), protected=tuple(protected), git=tuple(git),
        aliases=others,
        steering=tuple(steering.places(git, policy.home, tuple([root.real for root in roots if root.real]))),
        matches=matches, listings=tuple(listed), scanned=complete, expanded=expanded,
        own=tuple([own.path for own in own_places]), sockets=_sockets(policy),
        last_pid=os.path.exists("/proc/sys/kernel/ns_last_pid"))


def _sockets(policy: Policy) -> tuple[SocketFact, ...]:
    if not policy.network.unix_sockets:
        return ()
    from sidewall.platforms.linux import hostsockets

    return tuple([hostsockets.look(name) for name in policy.network.unix_sockets if not name.startswith("@")])


_own: list[PathFact] = []


def _own_places() -> list[PathFact]:
    """Where this program and its interpreter's environment lie: a command that could write there would be what the
    next ``sidewall`` runs.  They do not move while it runs."""
    if _own:
        return _own
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
    places = {os.path.join(package, "sidewall"), os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    _own.extend([PathFact(path=place, real=place, kind=fact.DIRECTORY) for place in sorted(places)])
    return _own


def _denied(policy: Policy) -> frozenset[str]:
    return frozenset(rule.path for rule in policy.files if rule.access == DENY and not rule.glob)


def _paths(policy: Policy) -> list[PathFact]:
    """The rules' paths and the directories that hold denied ones, each looked at once.

    Of a denied path that does not exist there is no fact, only of the nearest directory above it.
    """
    found: dict[str, PathFact] = {}
    nearest: dict[str, PathFact] = {}
    parents: dict[str, str] = {}
    listed: dict[str, frozenset[str] | None] = {}

    def see(path: str) -> PathFact:
        if path not in found:
            found[path] = look(path, parents)
        return found[path]

    def above(path: str) -> PathFact:
        if path not in nearest:
            nearest[path] = _existing(path, see)
        return nearest[path]

    see(policy.home)
    see(policy.workspace)
    for rule in policy.files:
        if rule.glob:
            continue
        if rule.access != DENY:
            see(rule.path)
            continue
        parent, _, name = rule.path.rpartition("/")
        parent = parent or "/"
        holder = above(parent)
        if holder.path != parent and holder.real == holder.path:
            continue
        if holder.real == parent and rule.path not in found:
            if parent not in listed:
                listed[parent] = _names(parent)
            names = listed[parent]
            if name not in names if names is not None else not os.path.lexists(rule.path):
                continue
        # A secret reached by a link lies elsewhere: the directory there is composed too.
        item = see(rule.path)
        for path in {item.real or item.path, f"{fact.really(parent, found)}/{name}"}:
            see(path)
            above(path.rpartition("/")[0] or "/")
        for path in _links(item):
            target = see(path)
            if target.kind == fact.FILE:
                see(target.real)
                see(target.real.rpartition("/")[0] or "/")
    return list(found.values())


def _names(directory: str) -> frozenset[str] | None:
    """What is in a directory; None where that may be entered but not read.

    Most secrets of the list are in a few directories and exist on no one machine: one look at each directory finds
    those that do.
    """
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return None


def _links(item: PathFact) -> list[str]:
    """Links that lie directly in a directory: of a secret kept elsewhere, as those do who keep their settings in a
    repository."""
    if item.kind != fact.DIRECTORY or not item.readable:
        return []
    try:
        with os.scandir(item.real) as entries:
            return [f"{item.path}/{entry.name}" for entry in entries if entry.is_symlink()]
    except PermissionError:  # it may be entered, not read, or opened again
        return []


def _existing(path: str, see: Callable[[str], PathFact]) -> PathFact:
    """The nearest directory above that exists, the path itself included; all on the way are seen."""
    item = see(path)
    while item.kind == fact.MISSING and path != "/":
        path = path.rpartition("/")[0] or "/"
        item = see(path)
    return item


def look(path: str, parents: dict[str, str]) -> PathFact:
    """One path.  A dangling or unreadable one is ``missing``; its links are resolved once, here.  ``parents`` keeps
    where directories really lie, from one call to the next."""
    try:
        info = os.lstat(path)
    except OSError:
        return PathFact(path=path)
    kind = _kind(info.st_mode)
    if kind == fact.SYMLINK:
        try:
            real = os.path.realpath(path, strict=True)
            info = os.stat(real)
        except OSError:
            return PathFact(path=path, kind=fact.SYMLINK)
        kind = _kind(info.st_mode)
    else:
        parent, _, name = path.rpartition("/")
        if parent not in parents:
            parents[parent] = os.path.realpath(parent or "/").rstrip("/")
        real = f"{parents[parent]}/{name}"
    # What is its user's, a command may open again: not every tier keeps it from changing a mode.
    readable = (info.st_uid == os.geteuid() or os.access(real, os.R_OK)
                or (kind == fact.DIRECTORY and os.access(real, os.X_OK)))
    return PathFact(path=path, kind=kind, real=real, device=info.st_dev, inode=info.st_ino, readable=readable)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return fact.DIRECTORY
    if stat.S_ISREG(mode):
        return fact.FILE
    return fact.SYMLINK if stat.S_ISLNK(mode) else fact.OTHER


def _look_through(root: str, names: tuple[str, ...], protected: list[PathFact], git: list[GitFact],
                  hidden: tuple[str, ...]) -> bool:
    """Finds protected names and git directories below a root, breadth first; False when it gave up."""
    # Another cell's placeholder is nothing of the user's, and goes with that cell unless this one holds it too.
    ours = lease.placeholders(root) if os.path.isdir(root) else frozenset()
    listed = Listings(root, frozenset((*names, ".git")))
    packages: list[str] = []
    queue = [root]
    for count, directory in enumerate(queue):
        if count >= MOST_DIRECTORIES:
            listed.keep()
            return False
        below, named = listed.of(directory)
        prefix = directory.rstrip("/") + "/"
        for name in named:
            if name in ours and directory == root:
                continue
            if name == ".git":
                git.append(repositories.examine(prefix + name, hidden))
            else:
                protected += _protected(prefix + name)
        for name in below:
            (packages if name in UNSEARCHED else queue).append(prefix + name)
    listed.keep()
    for directory in packages:
        _look_at_packages(directory, hidden, git)
    here = {item.path for item in protected}
    protected += [PathFact(path=f"{root}/{name}") for name in names if f"{root}/{name}" not in here]
    return True


def _look_at_packages(directory: str, hidden: tuple[str, ...], git: list[GitFact]) -> None:
    """Repositories of installed packages (``.venv/src/x``, ``node_modules/x``, ``node_modules/@y/x``): these are too
    large to be looked through, but a package that is a repository lies at a known depth."""
    waiting = [(directory, 0)]
    for place, depth in waiting:
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        continue
                    path = entry.path
                    if os.path.lexists(path + "/.git"):
                        git.append(repositories.examine(path + "/.git", hidden))
                    elif depth == 0 and (entry.name == "src" or entry.name.startswith("@")):
                        waiting.append((path, 1))
        except OSError:
            continue


def _protected(path: str) -> list[PathFact]:
    """The fact of a protected name that a listing has; none when it has just gone."""
    try:
        return [PathFact(path=path, real=path, kind=_kind(os.lstat(path).st_mode))]
    except OSError:
        return []


def _entry_kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return fact.SYMLINK
    return fact.DIRECTORY if entry.is_dir() else fact.FILE if entry.is_file() else fact.OTHER


def _matches(policy: Policy, roots: list[PathFact]) -> tuple[tuple[str, ...], bool]:
    """What the policy's deny globs match now: below the writable roots, and below where each glob begins; and whether
    everything there was looked at.  A link is none: whatever it leads to, no mask must follow it."""
    rules = [rule.path for rule in policy.files if rule.access == DENY and rule.glob]
    if not rules:
        return (), True
    from sidewall.policy import globs

    patterns = [globs.Pattern(rule) for rule in rules]
    starts = [root.real for root in roots if root.real]
    starts += ["/" + "/".join(pattern.literal[1:]) for pattern in patterns]
    found: dict[str, None] = {}
    seen = {"/proc", "/sys", "/dev"}
    below = tuple([start.rstrip("/") + "/" for start in starts[: len(roots)]])
    complete = True
    for start in starts:
        queue = [start]
        for count, directory in enumerate(queue):
            if count >= MOST_FOR_PATTERNS:
                # Outside the writable roots a pattern without a beginning goes on for ever; what the user keeps
                # beside the workspace is not what it was written for.
                complete &= not directory.startswith(below)
                break
            if directory in seen:
                continue
            seen.add(directory)
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        if entry.is_symlink():
                            continue
                        if any(pattern.matches(entry.path) for pattern in patterns):
                            found[entry.path] = None
                        elif entry.is_dir(follow_symlinks=False):
                            queue.append(entry.path)
            except OSError:
                continue
    return tuple(found), complete


def _listings(hidden: tuple[str, ...]) -> list[Listing]:
    """The entries of every directory above a hidden path: what a Landlock allow-list is made of."""
    ancestors = {"/"}
    for path in hidden:
        parts = path.split("/")[1:-1]
        for count in range(1, len(parts) + 1):
            ancestors.add("/" + "/".join(parts[:count]))
    found = []
    for path in sorted(ancestors):
        try:
            with os.scandir(path) as entries:
                rows = tuple(sorted((entry.name, _entry_kind(entry)) for entry in entries))
        except OSError:
            continue
        found.append(Listing(path=path, entries=rows))
    return found
