"""What is special below writable roots: protected names, git directories, links, what deny patterns match.

Knows: how a tree is looked through without following a link.  Must not know: descriptors, handles (``facts_paths``).
Bounded: a workspace is looked through so far and no further, and it is said when that was not all.
"""

from __future__ import annotations

import os

from sidewall.plan import facts as kinds
from sidewall.plan.facts import GitFact, Listing
from sidewall.plan.world import LEADING, place
from sidewall.platforms.windows.constants_files import FILE_ATTRIBUTE_REPARSE_POINT
from sidewall.platforms.windows.win32_paths import reparse_kind, verbatim
from sidewall.policy import paths
from sidewall.policy.model import DENY
from sidewall.policy.protect import GIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.plan.facts_windows import PathFact
    from sidewall.policy.model import Policy

MOST_DIRECTORIES, MOST_FOR_PATTERNS = 1500, 20_000
UNSEARCHED = frozenset(("node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", ".pytest_cache"))


class Below:
    """One policy's roots.  ``see`` gives the fact of a path."""

    def __init__(self, policy: Policy, roots: list[str], see: Callable[[str], PathFact]) -> None:
        self._policy = policy
        self._see = see
        self._roots = roots
        self._names = {place(name) for name in policy.protected}
        self.protected: dict[str, PathFact] = {}
        self.git: list[GitFact] = []
        self.listings: dict[str, Listing] = {}
        self.reparses: list[str] = []

    def scan(self, root: str) -> bool:
        """Looks through one root, breadth first; False when it was too large."""
        queue = [root]
        complete = True
        for count, directory in enumerate(queue):
            if count >= MOST_DIRECTORIES:
                complete = False
                break
            for name, path, kind in entries(directory):
                if name.lower() == GIT:
                    self._git(path, kind)
                elif place(name) in self._names:
                    self.protected[place(path)] = self._see(path)
                elif kind == kinds.SYMLINK:
                    self.reparses.append(path)
                elif kind == kinds.DIRECTORY and name.lower() not in UNSEARCHED:
                    queue.append(path)
        for name in self._policy.protected:
            path = f"{root}\\{name}"
            if place(path) not in self.protected:
                self.protected[place(path)] = self._see(path)
        return complete

    def _git(self, path: str, kind: str) -> None:
        self._see(path)
        if kind == kinds.DIRECTORY:
            self.git.append(GitFact(path=path, kind=kind, common=path))
            self.list_git(path)
        elif kind == kinds.FILE:
            self.git.append(GitFact(path=path, kind=kind, problem="its git directory lies elsewhere, where commits are "
                                    "not possible unless it is the workspace's own"))
        else:
            self.git.append(GitFact(path=path, kind=kinds.SYMLINK, problem="it leads elsewhere"))

    def list_git(self, path: str) -> None:
        """The entries of a git directory that a plan asks for."""
        for directory in (path, path + "\\objects", path + "\\objects\\info"):
            if self._see(directory).kind == kinds.DIRECTORY:
                rows = []
                for name, entry, kind in entries(directory):
                    rows.append((name, kind))
                    if not directory.endswith("\\objects"):
                        self._see(entry)
                self.listings[place(directory)] = Listing(path=directory, entries=tuple(rows))

    def matching(self) -> tuple[tuple[str, ...], bool]:
        """What the deny patterns match now, and whether everything there was looked at."""
        rules = [rule.path for rule in self._policy.files if rule.access == DENY and rule.glob]
        if not rules:
            return (), True
        from sidewall.policy.globs import Pattern

        patterns = [Pattern(rule, paths.WINDOWS) for rule in rules]
        starts = self._roots + ["\\".join(pattern.literal) for pattern in patterns if len(pattern.literal) > 1]
        found: dict[str, None] = {}
        seen: set[str] = set()
        complete = True
        for number, start in enumerate(starts):
            queue = [start]
            for count, directory in enumerate(queue):
                if count >= MOST_FOR_PATTERNS:
                    complete &= number >= len(self._roots)
                    break
                if place(directory) in seen:
                    continue
                seen.add(place(directory))
                for _, path, kind in entries(directory):
                    if any(pattern.matches(path) for pattern in patterns):
                        found[path] = None
                        self._see(path)
                    elif kind == kinds.DIRECTORY:
                        queue.append(path)
        return tuple(found), complete


def entries(directory: str) -> list[tuple[str, str, str]]:
    """(name, path, kind) of what is in a directory; SYMLINK is whatever leads elsewhere.  Empty when it is closed."""
    rows = []
    try:
        with os.scandir(verbatim(directory)) as listed:
            for entry in listed:
                info = entry.stat(follow_symlinks=False)
                leads = (getattr(info, "st_file_attributes", 0) & FILE_ATTRIBUTE_REPARSE_POINT
                         and reparse_kind(getattr(info, "st_reparse_tag", 0)) in LEADING)
                kind = kinds.SYMLINK if leads else kinds.DIRECTORY if entry.is_dir() else kinds.FILE
                rows.append((entry.name, f"{directory.rstrip(os.sep)}\\{entry.name}", kind))
    except OSError:
        return rows
    return rows


__all__ = ["MOST_DIRECTORIES", "UNSEARCHED", "Below", "entries"]
