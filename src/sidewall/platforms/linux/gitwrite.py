"""Writes and removes the files of one git directory outside, in the order in which it stays whole.

Knows: which file needs which other one, what guards a removal.  Must not know: where a change comes from
(``gitlook``), locks and conflicts (``gitledger``).
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import gitfiles, gitledger, gitrules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.linux.gitledger import Ledger
    from sidewall.platforms.linux.gitlook import Change, Look

_RANKS = {"ref": 1, "packed-refs": 2, "log": 3, "index": 5, "head": 7}
_POINTERS = frozenset(("ref", "head", "oid", "oids", "log"))
_SHOWN = frozenset(("ref", "index", "head"))


class Writer:
    """Writes for the git directory ``prefix``; ``top`` is where its objects and branches are (another one for a
    linked working tree), ``has`` tells which objects are outside."""

    def __init__(self, ledger: Ledger, prefix: str, top: str, has: Callable[[str], bool]) -> None:
        self._ledger = ledger
        self._prefix = prefix
        self._top = top
        self._has = has
        self._mine: set[str] = set()
        self._packed_behind = False
        self.hash_name = "sha1"

    def update(self, look: Look) -> list[Change]:
        """Writes every change; returns those that have to wait for the removals."""
        late = []
        packed = look.names.get("packed-refs")
        if packed is not None:
            # Until this very version is outside, a loose reference that is gone inside may be all that there is of it.
            self._packed_behind = (not self._ledger.carried(self._prefix + "packed-refs", packed)
                                   and not any(change.kind == "packed-refs" for change in look.changes))
        grouped = [change for changes, _ in look.groups.values() for change in changes]
        for change in sorted([*look.changes, *grouped], key=self._rank):
            if self._write(change, late=True):
                late.append(change)
        return late

    def _rank(self, change: Change) -> int:
        if change.path == self._prefix + "shallow":
            return 0
        return _RANKS.get(change.kind, 4) - ("/sharedindex." in "/" + change.path)

    def _write(self, change: Change, *, late: bool) -> bool:
        """Writes one file; True when it should be tried again after the removals (``late`` says there is a later)."""
        ledger, path = self._ledger, change.path
        try:
            self._check_ready(change)
            wrote = self._put(change)
        except (NotADirectoryError, IsADirectoryError):
            if late:
                return True
            ledger.report.held(path, "another reference is in its way outside")
        except gitledger.Conflict as error:
            value = change.data.decode("ascii", "replace").strip()
            if path.rpartition("/")[2] not in gitrules.SCRATCH:
                ledger.report.conflict(path, f"{error}; inside it is {value}" if change.kind == "ref" else str(error))
            ledger.taken(path, change.signature)
        except gitfiles.Busy as error:
            if late and change.kind == "head":
                return True
            ledger.retry = True
            ledger.report.held(path, str(error))
        except gitfiles.Refused as error:
            ledger.report.held(path, str(error))
            ledger.taken(path, change.signature)
        except OSError as error:
            ledger.retry = True
            ledger.report.held(path, f"cannot be written: {error.strerror}")
        else:
            ledger.taken(path, change.signature, carried=True)
            self._mine.add(path)
            if wrote and change.kind in _SHOWN:
                ledger.report.carried(path)
            return False
        if change.kind == "packed-refs":
            self._packed_behind = True
        return False

    def _check_ready(self, change: Change) -> None:
        """Raises Busy while something that the change points to is not outside."""
        if change.kind == "index" and change.index is not None and change.index.shared:
            shared = f"{change.path.rpartition('/')[0]}/sharedindex.{change.index.shared}".lstrip("/")
            if self._ledger.host.stat(shared) is None:
                raise gitfiles.Busy("the shared index that it needs is not outside")
        if change.kind not in _POINTERS:
            return
        target = gitrules.symref_target(change.data)
        if target is None:
            for oid in gitrules.pointed_to(change.kind, change.data[change.start:]):
                if not self._has(oid):
                    raise gitfiles.Busy("it names an object that is not outside")
        elif change.kind == "head":
            where = self._top + os.fsdecode(target)
            inside = self._ledger.upper.stat(where)
            if (inside is not None and stat.S_ISREG(inside.st_mode) and self._ledger.host.stat(where) is None
                    and target not in self._packed()):
                raise gitfiles.Busy("the branch that it names stayed inside")

    def _packed(self) -> dict[bytes, bytes]:
        """The packed references outside."""
        data = self._ledger.read_outside(self._top + "packed-refs", self._ledger.limits.log_bytes)
        return gitrules.packed_refs(data) or {}

    def _put(self, change: Change) -> bool:
        ledger, path = self._ledger, change.path
        if change.kind == "log" and 0 < change.start < len(change.data) and ledger.append(path, change.start,
                                                                                          change.data):
            return True
        if change.index is not None:
            return ledger.put(path, change.data, self.hash_name, change.index.shape)
        if change.kind == "ref" and ledger.agreed(path) and ledger.host.stat(path) is None:
            packed = self._packed().get(os.fsencode(path[len(self._top):]), b"")
            return ledger.put(path, change.data, elsewhere=packed + b"\n")
        if change.kind != "packed-refs":
            return ledger.put(path, change.data)
        before, after = self._packed(), gitrules.packed_refs(change.data) or {}
        for name, oid in after.items():
            if before.get(name) != oid and not self._has(oid.decode("ascii")):
                raise gitfiles.Busy("it names an object that is not outside")
        wrote = ledger.put(path, change.data)
        for name in before.keys() - after.keys() if wrote else ():
            where = self._prefix + os.fsdecode(name)
            if ledger.host.stat(where) is None:
                ledger.report.carried(where, f"removed; it was {before[name].decode('ascii')}")
        self._packed_behind = False
        return wrote

    def remove_all(self, look: Look, pending: dict[str, bytes]) -> None:
        """Removes outside what was removed inside.  ``pending`` has the new content of each HEAD that changes."""
        removals = [*look.removals, *(path for _, paths in look.groups.values() for path in paths)]
        if not self._ledger.partial:
            # Carried by us, and in the layer no more: removed inside, though overlayfs left no mark.
            self._mine -= self._ledger.yielded
            removals += sorted(self._mine - self._ledger.seen)
        if not removals:
            return
        heads, packed = self._heads(pending), self._packed()
        for path in removals:
            self._remove(path, heads, packed)

    def _heads(self, pending: dict[str, bytes]) -> set[bytes]:
        """The branches that are checked out outside, once the changes at hand are written."""
        paths = [self._top + "HEAD", *(f"{self._top}worktrees/{name}/HEAD" for name in self.outside_parts())]
        found = (gitrules.symref_target(pending.get(path) or self._ledger.read_outside(path, 4096)) for path in paths)
        return {target for target in found if target}

    def outside_parts(self) -> list[str]:
        """Names of the linked working trees that are known outside."""
        try:
            return [name for name, _ in self._ledger.host.listing(self._top + "worktrees")]
        except (OSError, gitfiles.Refused):
            return []

    def _remove(self, path: str, heads: set[bytes], packed: dict[bytes, bytes]) -> None:
        """Removes a file or what a directory holds, each on its own; what is not removed is reported."""
        ledger = self._ledger
        below = path[len(self._prefix):]
        st = ledger.host.stat(path)
        if st is not None and stat.S_ISDIR(st.st_mode):
            if below.startswith("worktrees/"):
                self._remove_part(path)
                return
            try:
                for name, _ in ledger.host.listing(path):
                    self._remove(f"{path}/{name}", heads, packed)
                ledger.host.remove(path)
            except (OSError, gitfiles.Refused):
                return
            if below in gitrules.GROUPS:
                ledger.report.carried(path, "removed")
            return
        full = os.fsencode(below)
        if below.startswith("refs/") and self._prefix == self._top and st is not None:
            if self._packed_behind:
                ledger.report.held(path, "removed inside; packed references could not be carried, so it stays")
                return
            if full in heads and full not in packed:
                ledger.report.held(path, "removed inside; it is checked out outside, so it stays")
                return
        try:
            content = ledger.drop(path)
        except gitledger.Conflict as error:
            ledger.report.conflict(path, str(error))
        except gitfiles.Busy as error:
            ledger.retry = True
            ledger.report.held(path, str(error))
            return
        except (OSError, gitfiles.Refused) as error:
            ledger.report.held(path, f"cannot be removed: {getattr(error, 'strerror', None) or error}")
            return
        else:
            if content is not None and below.startswith("refs/") and full not in packed:
                ledger.report.carried(path, f"removed; it was {content.decode('ascii', 'replace').strip()}")
        self._mine.discard(path)
        ledger.taken(path, gitledger.GONE)

    def _remove_part(self, path: str) -> None:
        """A linked working tree that ``git worktree remove`` took away, when it is really gone outside too."""
        ledger = self._ledger
        gitdir = ledger.read_outside(path + "/gitdir", gitrules.TEXT_LIMIT)
        if gitrules.worktree_gitdir(gitdir, ledger.roots):
            ledger.report.held(path, "removed inside; its working tree is not below a writable root, so it stays")
        elif ledger.host.stat(path + "/locked") is not None and not ledger.agreed(path + "/locked"):
            ledger.report.held(path, "removed inside; it is locked outside, so it stays")
        elif os.path.lexists(gitdir.rstrip(b"\n")):
            ledger.report.held(path, "removed inside; its working tree is still there, so it stays")
        elif not ledger.agreed(path + "/gitdir") and (st := ledger.host.stat(path + "/gitdir")) and ledger.young(
                path + "/gitdir", st):
            ledger.report.conflict(path, "made outside meanwhile; it is not removed")
        elif self._clear(path):
            ledger.forget(path + "/")
            ledger.report.carried(path, "removed")

    def _clear(self, path: str) -> bool:
        """Removes a directory outside with all it holds; False when something could not be removed."""
        host = self._ledger.host
        try:
            for name, st in host.listing(path):
                if not stat.S_ISDIR(st.st_mode):
                    host.remove(f"{path}/{name}")
                elif not self._clear(f"{path}/{name}"):
                    return False
            host.remove(path)
        except (OSError, gitfiles.Refused) as error:
            self._ledger.report.held(path, f"cannot be removed: {getattr(error, 'strerror', None) or error}")
            return False
        return True

    def write_late(self, change: Change, pending: dict[str, bytes]) -> None:
        """Writes a file after what stands in its way was removed; that is gone inside, since the file is there."""
        parts = change.path[len(self._prefix):].split("/")
        if parts[0] in ("refs", "logs"):
            heads, packed = self._heads(pending), self._packed()
            for count in range(3, len(parts) + 1):
                path = self._prefix + "/".join(parts[:count])
                st = self._ledger.host.stat(path)
                if st is not None and stat.S_ISDIR(st.st_mode) == (count == len(parts)):
                    self._remove(path, heads, packed)
        self._write(change, late=False)
