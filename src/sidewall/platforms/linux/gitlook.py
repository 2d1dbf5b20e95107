"""Looks through the layer over one git directory and collects what may be carried.

Knows: where each kind of file lies in a git directory, a linked working tree's part and a submodule's; what counts as
a removal.  Must not know: how the real directory is changed (``gitrepo``).

What is read here is read before the objects are looked at, so that every object a reference needs was there before.
"""

from __future__ import annotations

import os
import re
import stat

from sidewall.platforms.linux import gitfiles, gitindex, gitrules, gitsequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.linux.gitledger import Ledger

_DEPTH = 16
_SHARED_INDEX = re.compile(r"sharedindex\.([0-9a-f]{40}|[0-9a-f]{64})")
_BUILT = ("refs", "refs/heads", "refs/tags", "objects", "HEAD")
_LOG_LEVELS = ("logs", "logs/refs", "logs/refs/heads", "logs/refs/remotes")


class Change:
    """A file to be written outside: its path, its kind (as in ``gitrules``), its content."""

    def __init__(self, path: str, kind: str, data: bytes, signature: tuple[int, ...]) -> None:
        self.path = path
        self.kind = kind
        self.data = data
        self.signature = signature
        self.start = 0
        """Of a log: as many bytes are the same outside already; only the rest is new."""
        self.index: gitindex.Index | None = None


class Look:
    """One look at the git directory ``prefix`` ('' or a path that ends in ``/``).  ``known`` tells which objects (by
    hexadecimal name) are outside.

    ``part`` is true for a linked working tree's directory, which has no objects of its own.  ``new`` is true when
    nothing of it is outside yet.  Afterwards ``intact`` tells whether it still is a git directory, ``changes`` and
    ``removals`` (paths) what is to be done, ``groups`` the same for interrupted operations, ``inner`` the directories
    of modules and working trees that were seen.
    """

    def __init__(self, ledger: Ledger, prefix: str, hash_name: str, known: Callable[[str], bool], *, part: bool,
                 new: bool) -> None:
        self._ledger = ledger
        self._prefix = prefix
        self._hash = hash_name
        self._known = known
        self._part = part
        self._new = new
        self.intact = True
        self.changes: list[Change] = []
        self.removals: list[str] = []
        self.groups: dict[str, tuple[list[Change], list[str]]] = {}
        self.inner: dict[str, os.stat_result] = {}
        self.names: dict[str, os.stat_result] = {}

    def run(self) -> None:
        """Looks at everything but objects, and at what lies in ``inner``."""
        here = self._prefix.rstrip("/")
        self.names = dict(self._ledger.listing(here))
        if not self._new and self._dismantled():
            self.intact = False
            self._ledger.report.held(here, "the repository was taken apart or made anew inside; nothing is carried")
            return
        # Packed references come last: a loose one that vanished before this moment is found there.
        for name in sorted(self.names, key=lambda name: name == "packed-refs"):
            self._top(name, self.names[name])

    def _dismantled(self) -> bool:
        if self._prefix and self._ledger.upper.opaque(self._prefix[:-1]):
            return True
        for name in () if self._part else _BUILT:
            path = self._prefix + name
            st = self.names.get(name) if "/" not in name else self._ledger.upper.stat(path)
            if st is None:
                continue
            if gitfiles.whiteout(st) or (name != "HEAD" and (
                    not stat.S_ISDIR(st.st_mode) or self._ledger.upper.opaque(path))):
                return True
        return False

    def _top(self, name: str, st: os.stat_result) -> None:
        path = self._prefix + name
        kind = gitrules.FILES.get(name) or (gitrules.WORKTREE_FILES if self._part else gitrules.SHARED_FILES).get(name)
        directory = stat.S_ISDIR(st.st_mode)
        if kind is not None:
            # A lock that was made inside may be taken away again, one of the user's may not.
            own = name == "locked" and self._ledger.agreed(path)
            self._file(path, st, kind, removable=own or name not in gitrules.UNDELETABLE)
        elif name in gitrules.GROUPS:
            self._group(name, st)
        elif name == "refs" and directory:
            self._references("refs", 0)
        elif name == "logs" and directory:
            self._logs("logs", 0)
        elif not self._part and name in ("worktrees", "modules") and (directory or gitfiles.whiteout(st)):
            self.inner[path] = st
        elif _SHARED_INDEX.fullmatch(name) and not gitfiles.whiteout(st):
            self._file(path, st, "index", removable=False)
        elif (name == "objects" and not self._part) or gitrules.quiet(name) or name.startswith("sharedindex."):
            pass
        elif not self._new or name not in ("config", "commondir", "gitdir"):
            self.leave(name, st, 0)

    def leave(self, name: str, st: os.stat_result, depth: int) -> None:
        """Reports what stays inside, down to the files that differ from those outside."""
        path = self._prefix + name
        if gitrules.quiet(name):
            return
        if stat.S_ISDIR(st.st_mode) and depth < 4:
            for below, inner in self._ledger.listing(path, watch=False):
                self.leave(f"{name}/{below}", inner, depth + 1)
            return
        if gitfiles.whiteout(st):
            if self._ledger.host.stat(path) is not None:
                self._ledger.report.held(path, "removed inside the sandbox only")
            return
        if self._ledger.settled(path, st):
            return
        if stat.S_ISREG(st.st_mode) and st.st_size <= gitrules.TEXT_LIMIT:
            try:
                data, st = self._ledger.upper.read(path, gitrules.TEXT_LIMIT)
            except (OSError, gitfiles.Refused):
                data = b""
            template = self._new and name == "info/exclude" and not re.search(rb"(?m)^[^#\n]", data)
            if template or self._ledger.same_outside(path, data):
                return
        self._ledger.report.held(path, gitrules.reason(name))
        self._ledger.taken(path, gitfiles.signature(st))

    def _file(self, path: str, st: os.stat_result, kind: str, *, removable: bool) -> None:
        self._ledger.seen.add(path)
        if self._ledger.settled(path, st):
            return
        if gitfiles.whiteout(st):
            if removable:
                self.removals.append(path)
            elif self._ledger.host.stat(path) is not None:
                self._ledger.report.held(path, "removed inside the sandbox only")
            return
        change = self.read(path, kind)
        if change is not None:
            self.changes.append(change)

    def read(self, path: str, kind: str) -> Change | None:
        """A file of the layer, checked; None when it stays inside, which is reported."""
        ledger = self._ledger
        limit = {"index": ledger.limits.index_bytes, "log": ledger.limits.log_bytes,
                 "packed-refs": ledger.limits.log_bytes}.get(kind, gitrules.TEXT_LIMIT)
        signature: tuple[int, ...] = ()
        try:
            data, st = ledger.upper.read(path, limit)
            signature = gitfiles.signature(st)
            change = Change(path, kind, data, signature)
            if kind == "index":
                change.index = gitindex.read(data, self._hash)
                change.data = change.index.data
                self._check_shared(path, data)
                return change
            if kind == "log":
                outside = ledger.read_outside(path, limit)
                change.start = len(outside) if data.startswith(outside) else 0
                data = data[change.start:]
            problem = gitrules.check(kind, data)
            if not problem and path == self._prefix + "shallow" and not self._new:
                problem = self._cuts_history(data)
            if not problem:
                return change
        except gitfiles.Busy as error:
            ledger.retry = True
            ledger.report.held(path, str(error))
            return None
        except (gitfiles.Refused, gitindex.Rejected) as error:
            problem = str(error)
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        ledger.report.held(path, problem)
        if signature:
            ledger.taken(path, signature)
        return None

    def _check_shared(self, path: str, data: bytes) -> None:
        match = _SHARED_INDEX.fullmatch(path.rpartition("/")[2])
        if match is not None and not data.endswith(bytes.fromhex(match.group(1))):
            raise gitindex.Rejected("a shared index under a wrong name")

    def _cuts_history(self, data: bytes) -> str:
        """A boundary at a commit that the host has in full would make all before it unreachable there."""
        before = set(self._ledger.read_outside(self._prefix + "shallow", gitrules.TEXT_LIMIT).split())
        for oid in set(data.split()) - before:
            if self._known(oid.decode("ascii")):
                return "it would cut off history that exists outside"
        return ""

    def _references(self, directory: str, depth: int) -> None:
        path = self._prefix + directory
        entries = self._ledger.listing(path)
        for name, st in entries:
            below = f"{directory}/{name}"
            full = self._prefix + below
            if self._part and below.split("/")[1] not in ("bisect", "worktree", "rewritten"):
                self._ledger.report.held(full, gitrules.reason(below))
            elif stat.S_ISDIR(st.st_mode):
                if depth < _DEPTH:
                    self._references(below, depth + 1)
                else:
                    self._ledger.report.held(full, "too deep")
            elif gitfiles.whiteout(st):
                self._ledger.seen.add(full)
                if below == "refs/remotes":
                    self._ledger.report.held(full, "removed inside the sandbox only")
                elif not self._ledger.settled(full, st):
                    self.removals.append(full)
            else:
                problem = "" if name.endswith(".lock") else gitrules.refname(os.fsencode(below))
                if problem:
                    self._ledger.report.held(full, problem)
                elif not name.endswith(".lock"):
                    self._file(full, st, "ref", removable=True)
        if depth and self._ledger.upper.opaque(path):
            self.removals += self._hidden(path, {name for name, _ in entries})

    def _logs(self, directory: str, depth: int) -> None:
        path = self._prefix + directory
        opaque = self._ledger.upper.opaque(path)
        if opaque and directory in _LOG_LEVELS and self._ledger.host.stat(path) is not None:
            self._ledger.report.held(path, "the logs were removed inside the sandbox only")
            self._ledger.partial = True
            return
        entries = self._ledger.listing(path, watch=False)
        for name, st in entries:
            below = f"{directory}/{name}"
            full = self._prefix + below
            if stat.S_ISDIR(st.st_mode) and depth < _DEPTH:
                self._logs(below, depth + 1)
            elif below in _LOG_LEVELS:
                self._ledger.report.held(full, "the logs were removed inside the sandbox only")
            elif below == "logs/HEAD" or not gitrules.refname(os.fsencode(below[5:])):
                if gitfiles.whiteout(st) and below == "logs/HEAD":
                    self._ledger.report.held(full, "removed inside the sandbox only")
                else:
                    self._file(full, st, "log", removable=True)
            elif not name.endswith(".lock") and not gitfiles.whiteout(st):
                self._ledger.report.held(full, "not the log of a reference that may be carried")
        if depth and opaque:
            self.removals += self._hidden(path, {name for name, _ in entries})

    def _hidden(self, path: str, shown: set[str]) -> list[str]:
        """What an opaque directory of the layer hides was removed, unless it came to be outside afterwards."""
        try:
            outside = self._ledger.host.listing(path)
        except (OSError, gitfiles.Refused):
            return []
        hidden = [f"{path}/{name}" for name, st in outside if name not in shown and not name.endswith(".lock")
                  and (stat.S_ISDIR(st.st_mode) or not self._ledger.young(f"{path}/{name}", st))]
        self._ledger.seen.update(hidden)
        return hidden

    def _group(self, name: str, st: os.stat_result) -> None:
        """All of an interrupted operation's files, or none of them."""
        path = self._prefix + name
        if gitfiles.whiteout(st):
            if not self._ledger.settled(path, st):
                self.removals.append(path)
            return
        changes: list[Change] = []
        removals: list[str] = []
        problem = "" if stat.S_ISDIR(st.st_mode) else "not a directory"
        entries = [] if problem else self._ledger.listing(path)
        for below, inner in entries:
            full = f"{path}/{below}"
            self._ledger.seen.add(full)
            if gitfiles.whiteout(inner):
                removals.append(full)
            elif not problem and not below.endswith(".lock"):
                try:
                    data, inner = self._ledger.upper.read(full, self._ledger.limits.log_bytes)
                    problem = gitsequence.check(name, below, data)
                    changes.append(Change(full, "group", data, gitfiles.signature(inner)))
                except (OSError, gitfiles.Refused) as error:
                    problem = f"{below} cannot be read: {getattr(error, 'strerror', None) or error}"
        if problem:
            self._ledger.report.held(path, problem)
            return
        if self._ledger.upper.opaque(path):
            removals += self._hidden(path, {below for below, _ in entries})
        self.groups[name] = (changes, removals)
