"""What of a git directory is recorded and put back: everything in it that makes git run a program or look elsewhere.

Knows: gitrepository-layout(5), linked worktrees, git directories of submodules.
Must not know: how an entry is put back; what is done with a repository that the cell made (``watch_fresh``).

Objects, references, the index and logs are not here: they may change, but no link may come among them
(``watch_links``), nor a path into the index that leads elsewhere (``watch_state``).  Linked worktrees and submodules
may come and go as well, so of those only what is there is compared, and what is new is looked at like any new
repository.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_record import ALL, Recorded, Recorder, Rule, open_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_fresh import Cleaner
    from sidewall.platforms.linux.watch_links import Links
    from sidewall.platforms.linux.watch_restore import Restorer
    from sidewall.platforms.linux.watch_state import State

HOOKS = Rule(comes=True, samples=True)
INFO = Rule(comes=True, ignored=frozenset(("refs",)))
GIT = Rule({
    "config": ALL, "config.worktree": ALL, "commondir": ALL, "gitdir": ALL, "hooks": HOOKS, "info": INFO,
    "branches": Rule(comes=True), "remotes": Rule(comes=True),
    "objects": Rule({"info": Rule({"alternates": ALL, "http-alternates": ALL}, comes=True),
                     "pack": Rule({}, comes=True)}, comes=True),
    **{name: Rule({}, comes=True) for name in ("refs", "logs", "modules", "worktrees")}})
"""``Rule({}, comes=True)``: a directory that may hold anything, but may not become a link."""

WORKTREE = Rule({"commondir": ALL, "gitdir": ALL, "config.worktree": ALL, "modules": Rule({}, comes=True)}, comes=True)
"""``worktrees/<id>``: removed by ``git worktree remove``, so its absence is nothing to put right."""

MOST_MODULES = 256
DEEPEST_MODULE = 4


class Repository:
    """A git directory, or a file or link called ``.git``, as it was; ``path`` is absolute.

    Submodules' git directories and linked worktrees' parts below it are repositories of their own.
    """

    __slots__ = ("_links", "_state", "complete", "modules", "path", "was", "worktrees")

    def __init__(self, recorder: Recorder, above: int, name: str, path: str, depth: int = 0,
                 rule: Rule = GIT) -> None:
        """Records the entry ``name`` of the directory ``above``.  Raises OSError when it cannot be looked at."""
        self.path = path
        self.modules: dict[str, Repository] = {}
        self.worktrees: dict[str, Repository] = {}
        self._links: Links | None = None
        self._state: State | None = None
        self.was = recorder.record(above, name, rule)
        self.complete = recorder.complete
        if self.was.kind != record.DIRECTORY:
            return
        fd = os.open(name, record.OPEN_DIRECTORY, dir_fd=above)
        tree = gitfiles.Tree(fd)
        try:
            from sidewall.platforms.linux.watch_state import State

            self._state = State()
            self._state.record(fd)
            if not depth:
                # With all that is below it: submodules and linked worktrees too.
                from sidewall.platforms.linux.watch_links import Links

                self._links = Links()
                self._links.record(fd)
                self.complete &= self._links.complete
            for module in modules(tree, depth):
                parent, last = tree.at(module)
                self.modules[module] = Repository(recorder, parent, last, f"{path}/{module}", depth + 1)
                self.complete &= self.modules[module].complete
            for worktree in worktrees(tree):
                parent, last = tree.at(worktree)
                self.worktrees[worktree] = Repository(recorder, parent, last, f"{path}/{worktree}", depth + 1, WORKTREE)
        finally:
            tree.release()
            os.close(fd)

    def check(self, restorer: Restorer, above: int, name: str, cleaner: Cleaner, depth: int = 0,
              config: int = -1) -> None:
        """Puts back what differs, and makes harmless what came into it.  ``config`` is a descriptor of the git
        directory with the configuration, for a linked worktree's part.  Raises OSError."""
        restorer.check(above, name, self.was, self.path, strict=True)
        cleaner.looked_after.add(self.path)
        if self.was.kind != record.DIRECTORY:
            return
        fd = open_directory(above, name)
        tree = gitfiles.Tree(fd)
        try:
            for module in modules(tree, depth):
                parent, last = tree.at(module)
                known = self.modules.get(module)
                if known is not None:
                    known.check(restorer, parent, last, cleaner, depth + 1)
                else:
                    cleaner.module(parent, last, f"{self.path}/{module}", depth + 1)
            for worktree in worktrees(tree):
                parent, last = tree.at(worktree)
                known = self.worktrees.get(worktree)
                if known is not None:
                    _moved(parent, last, known.was, cleaner)
                    known.check(restorer, parent, last, cleaner, depth + 1, fd)
                else:
                    cleaner.worktree(parent, last, f"{self.path}/{worktree}", depth + 1, fd)
            if self._links is not None:
                self._links.sweep(fd, self.path, restorer, objects=restorer.final)
            if self._state is not None:
                self._state.check(fd, self.path, restorer, config=config if config >= 0 else fd)
        finally:
            tree.release()
            os.close(fd)


def modules(tree: gitfiles.Tree, depth: int) -> list[str]:
    """The git directories below ``modules``, whose names may be several directories deep, and whatever else there is
    no directory: a link would lead git as well as a directory does."""
    found: list[str] = []
    waiting = ["modules"] if depth < DEEPEST_MODULE else []
    for directory in waiting:
        for name, mode in _entries(tree, directory):
            path = f"{directory}/{name}"
            if stat.S_ISREG(mode):
                continue
            if not stat.S_ISDIR(mode) or _is_git(tree, path):
                found.append(path)
            elif len(waiting) < MOST_MODULES:
                waiting.append(path)
        if len(found) >= MOST_MODULES:
            break
    return found


def worktrees(tree: gitfiles.Tree) -> list[str]:
    """The entries of ``worktrees``, of any kind."""
    return [f"worktrees/{name}" for name, _mode in _entries(tree, "worktrees")]


def _entries(tree: gitfiles.Tree, directory: str) -> list[tuple[str, int]]:
    """Names and modes of the first entries of a directory; none where there is no directory."""
    found: list[tuple[str, int]] = []
    try:
        with os.scandir(tree.directory(directory)) as entries:
            for entry in entries:
                if len(found) >= MOST_MODULES:
                    break
                found.append((entry.name, entry.stat(follow_symlinks=False).st_mode))
    except OSError:
        return found
    return found


def _is_git(tree: gitfiles.Tree, path: str) -> bool:
    try:
        return tree.stat(f"{path}/HEAD") is not None
    except OSError:
        return True


def _moved(above: int, name: str, was: Recorded, cleaner: Cleaner) -> None:
    """``git worktree move`` writes another path into ``gitdir``: believed as far as a new worktree's would be."""
    known = was.children.get("gitdir")
    if known is None or known.kind != record.FILE:
        return
    try:
        fd = open_directory(above, name)
    except OSError:
        return
    try:
        found = record.read(fd, "gitdir", 8192)
    finally:
        os.close(fd)
    if found is not None and found[0] != known.data and cleaner.leads_to_worktree(found[0]):
        known.data = found[0]
        known.mode = stat.S_IMODE(found[1].st_mode)
        known.see(found[1])
