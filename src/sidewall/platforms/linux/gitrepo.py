"""Carries one git directory, its linked working trees and its submodules from the layer of a cell to the host.

Knows: in which order a repository may change so that it is whole at every moment: objects, references, then what
points at those, removals last.  Must not know: the formats (``gitrules``), locks and conflicts (``gitledger``).
"""

from __future__ import annotations

import os
import re
import stat

from sidewall.platforms.linux import gitconfig, gitfiles, gitinflate, gitlook, gitobjects, gitrules, gitwrite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.gitledger import Ledger

_SKELETON = ("objects/info", "objects/pack", "refs/heads", "refs/tags")
_MODULE_DEPTH = 5
_NEEDED = "objects that it needs stayed inside"


class Repository:
    """The git directory ``prefix`` ('' or a path that ends in ``/``); ``owner`` has the objects of a linked working
    tree's part, and is None for a git directory of its own."""

    def __init__(self, ledger: Ledger, prefix: str, owner: Repository | None = None) -> None:
        self._ledger = ledger
        self._prefix = prefix
        self._owner = owner
        self._parts: dict[str, Repository] = {}
        self._modules: dict[str, Repository] = {}
        self._base: list[tuple[str, bytes]] = []
        self._left_out: tuple[str, ...] = ()
        self._look: gitlook.Look | None = None
        self._store: gitobjects.Store | None = None
        self._hash = ""
        self._writer = gitwrite.Writer(ledger, prefix, owner._prefix if owner else prefix, self._has)

    # Looking.

    def reset(self) -> None:
        """Forgets the last look, here and below: what does not turn up in the next one is not there any more."""
        self._look = None
        for child in (*self._parts.values(), *self._modules.values()):
            child.reset()

    def collect(self, *, hidden: bool = False) -> None:
        """Reads what may be carried.  ``hidden``: a directory above was made anew inside."""
        ledger, here = self._ledger, self._prefix.rstrip("/")
        existing = ledger.host.stat(here if self._owner else self._prefix + "HEAD")
        new = existing is None
        if not new and hidden:
            ledger.report.held(here, "it was made anew inside; nothing is carried")
            return
        if new and not self._prepare(here):
            return
        if self._owner is None and self._store is None:
            if not new:
                config = ledger.read_outside(self._prefix + "config", gitconfig.SIZE_LIMIT)
                found = re.search(rb"(?im)^\s*objectformat\s*=\s*\"?sha256", config)
                self._hash = "sha256" if found else "sha1"
            self._store = gitobjects.Store(ledger.host, ledger.upper, self._prefix + "objects", self._hash,
                                           ledger.limits, ledger.report.held)
        self._writer.hash_name = self._owner._hash if self._owner else self._hash
        look = gitlook.Look(ledger, self._prefix, self._writer.hash_name, self._has, part=self._owner is not None,
                            new=new)
        look.run()
        if not look.intact:
            return
        self._look = look
        for path, st in look.inner.items():
            if path.endswith("modules"):
                self._collect_modules(path, st, 0, hidden=False)
            else:
                self._collect_parts(path, st)

    def _has(self, oid: str) -> bool:
        store = (self._owner or self)._store
        return store is not None and store.lookup.has(oid)

    def _prepare(self, here: str) -> bool:
        """Makes ready what a git directory needs that is not outside yet; False when it may not be carried."""
        ledger = self._ledger
        self._base = []
        try:
            if ledger.upper.stat(self._prefix + "HEAD") is None:
                return False
            if self._owner is not None:
                common, _ = ledger.upper.read(self._prefix + "commondir", gitrules.TEXT_LIMIT)
                gitdir, _ = ledger.upper.read(self._prefix + "gitdir", gitrules.TEXT_LIMIT)
                problem = gitrules.worktree_gitdir(gitdir, ledger.roots)
                if common.rstrip(b"\n") != b"../..":
                    problem = "its commondir file does not point to this repository"
                if problem:
                    ledger.report.held(here, problem)
                    return False
                self._base = [("gitdir", gitdir), ("commondir", b"../..\n")]
                return True
            if not self._vacant(here):
                ledger.report.held(here, "there is something else of that name outside")
                return False
            text, _ = ledger.upper.read(self._prefix + "config", gitconfig.SIZE_LIMIT)
            directory = os.path.join(ledger.git_dir, os.fsencode(here)) if here else ledger.git_dir
            clean, self._left_out = gitconfig.sanitize(text, directory=directory, roots=ledger.roots)
            self._hash = "sha256" if b"\tobjectformat = \"sha256\"" in clean else "sha1"
            self._base = [("config", clean)]
            return True
        except gitconfig.Rejected as error:
            ledger.report.held(here, f"its config: {error}")
        except (OSError, gitfiles.Refused):
            # It is still being made: config and the rest come before git gives it a HEAD, but not for sure.
            ledger.retry = True
        return False

    def _vacant(self, here: str) -> bool:
        """Is there nothing outside yet, or only what an earlier attempt of ours left?"""
        host = self._ledger.host
        if self._ledger.agreed(self._prefix + "config") or host.stat(here) is None:
            return True
        return not here and not host.listing(here)

    def _collect_parts(self, path: str, st: os.stat_result) -> None:
        """Linked working trees: those in the layer, and those that are gone from it."""
        ledger = self._ledger
        gone: set[str] = set(self._parts)
        shown: set[str] = set()
        everything = gitfiles.whiteout(st)
        if not everything:
            everything = ledger.upper.opaque(path)
            for name, inner in ledger.listing(path):
                full = f"{path}/{name}"
                shown.add(full)
                if gitfiles.whiteout(inner):
                    gone.add(full)
                elif stat.S_ISDIR(inner.st_mode) and gitrules.component(os.fsencode(name)):
                    gone.discard(full)
                    part = self._parts.setdefault(full, Repository(ledger, full + "/", self))
                    part.collect(hidden=everything)
                else:
                    ledger.report.held(full, "not a linked working tree's directory")
        if ledger.partial or self._look is None:
            return
        if everything:
            gone |= {f"{path}/{name}" for name in self._writer.outside_parts()} - shown
        self._look.removals += sorted(gone)
        for full in gone:
            self._parts.pop(full, None)

    def _collect_modules(self, path: str, st: os.stat_result, depth: int, *, hidden: bool) -> None:
        """Git directories of submodules, whose names may have several components."""
        ledger = self._ledger
        if gitfiles.whiteout(st):
            if ledger.host.stat(path) is not None:
                ledger.report.held(path, "removed inside the sandbox only")
            return
        if depth > _MODULE_DEPTH or not stat.S_ISDIR(st.st_mode):
            ledger.report.held(path, "not a submodule's git directory")
            return
        hidden = hidden or ledger.upper.opaque(path)
        for name, inner in ledger.listing(path):
            full = f"{path}/{name}"
            if not stat.S_ISDIR(inner.st_mode) or not gitrules.component(os.fsencode(name)):
                if not gitfiles.whiteout(inner) or ledger.host.stat(full) is not None:
                    ledger.report.held(full, "not a submodule's git directory, or removed inside only")
            elif ledger.host.stat(full + "/HEAD") is not None or ledger.upper.stat(full + "/HEAD") is not None:
                module = self._modules.setdefault(full, Repository(ledger, full + "/"))
                module.collect(hidden=hidden)
            else:
                self._collect_modules(full, inner, depth + 1, hidden=hidden)

    # Carrying.

    def carry(self, budget: gitinflate.Budget) -> None:
        """Writes what ``collect`` found, here and in the submodules."""
        try:
            if self._look is not None and self._start():
                self._carry_here(budget)
        finally:
            if self._store is not None:
                self._store.lookup.release()
        for module in self._modules.values():
            module.carry(budget)

    def _start(self) -> bool:
        """Makes the directory and the files without which git would not take it for one of its own."""
        ledger, here = self._ledger, self._prefix.rstrip("/")
        base, self._base = self._base, []
        if not base:
            return True
        try:
            for name in _SKELETON if self._owner is None else ("",):
                ledger.host.make_directory((self._prefix + name).rstrip("/"))
            for name, data in base:
                ledger.put(self._prefix + name, data)
        except (OSError, gitfiles.Refused) as error:
            ledger.retry = True
            ledger.report.held(here, f"cannot be made: {getattr(error, 'strerror', None) or error}")
            return False
        left = f"; left out of its config: {', '.join(self._left_out)}" if self._left_out else ""
        ledger.report.carried(here, "new" + left)
        return True

    def _carry_here(self, budget: gitinflate.Budget) -> None:
        store, ledger = self._store, self._ledger
        if store is None:
            return
        count = store.carry(budget, ledger.started_ns - 50_000_000)
        for path, st in store.watched.items():
            ledger.note(path, st)
        ledger.retry = ledger.retry or store.busy
        if count:
            ledger.report.carried(self._prefix + "objects", f"{count} file{'s' if count > 1 else ''}")
        family = [self, *(part for part in self._parts.values() if part._look is not None and part._start())]
        looks = [(one._writer, one._look) for one in family if one._look is not None]
        changes = [change for _, look in looks for change in look.changes]
        if store.short:
            for change in changes:
                ledger.report.held(change.path, _NEEDED)
            return
        heads = {change.path: change.data for change in changes if change.kind == "head"}
        late = [(writer, change) for writer, look in looks for change in writer.update(look)]
        for writer, look in looks:
            writer.remove_all(look, heads)
        # What a removed reference stood in the way of, and a HEAD whose branch came only now.
        for writer, change in late:
            writer.write_late(change, heads)
