"""What was carried, and what the host changed meanwhile.

Knows: both trees, the state of each file at its last agreement, git's locks.  Must not know: which names may be
carried (``gitrules``), how a git directory is laid out (``gitrepo``).

The host's version always stays when both sides changed a file.  "Changed" is judged by what a file was when the two
sides last agreed; before that, by whether its status is younger than the opening of the cell.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time

from sidewall.platforms.linux import gitfiles, gitindex, gitreport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.contract import Held
    from sidewall.platforms.linux.gitcarry import Limits

GONE = (-1,)
"""In place of a file's signature: its removal was dealt with."""

_RACY_NS = 50_000_000
"""A change within this time after a look may have left no mark in a coarse time stamp."""


class Conflict(gitfiles.Refused):
    """Both sides changed it."""


class Ledger:
    """The bookkeeping of one cell's layer over one git directory."""

    def __init__(self, host_fd: int, upper_fd: int, *, git_dir: str, roots: tuple[str, ...], limits: Limits,
                 opened_ns: int, bases: dict[str, int]) -> None:
        self.host = gitfiles.HostTree(host_fd)
        self.upper = gitfiles.Tree(upper_fd)
        self.git_dir = os.fsencode(git_dir)
        self.roots = tuple(os.fsencode(os.path.normpath(root)) for root in roots)
        self.limits = limits
        self.opened_ns = opened_ns
        self.report = gitreport.Report(os.path.basename(git_dir) or git_dir)
        self._bases = bases
        self._agreed: dict[str, tuple[tuple[int, ...], bytes]] = {}
        self._hash_names: dict[str, str] = {}
        self._taken: dict[str, tuple[int, ...]] = {}
        self._carried: dict[str, tuple[int, ...]] = {}
        self._disputed: set[str] = set()
        self._young: set[str] = set()
        self._entries = 0
        self.seen: set[str] = set()
        self.yielded: set[str] = set()
        """Not in the layer any more because the host's version shows there, not because it was removed."""
        self.watch: dict[str, tuple[int, ...] | None] = {}
        self.retry = False
        self.partial = False
        self.started_ns = 0

    def begin(self) -> None:
        """Starts a look at the whole layer."""
        self.started_ns = time.time_ns()
        self._entries = 0
        self.seen.clear()
        self.watch = {}
        self.retry = self.partial = False

    def end(self) -> tuple[Held, ...]:
        """Ends it: what people are told."""
        self.host.release()
        self.upper.release()
        return self.report.end()

    # The layer.

    def listing(self, path: str, *, watch: bool = True) -> list[tuple[str, os.stat_result]]:
        """A directory of the layer; '' or more entries than are looked at leave the look partial."""
        try:
            if watch:
                self.note(path, os.fstat(self.upper.directory(path)))
            found = self.upper.listing(path, self.limits.entries - self._entries)
        except (OSError, gitfiles.Refused) as error:
            self.partial = True
            self.report.held(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return []
        self._entries += len(found)
        return found

    def note(self, path: str, st: os.stat_result) -> None:
        """Remembers a directory of the layer, so that ``GitCarry.dirty`` sees when it changes."""
        young = max(st.st_ctime_ns, st.st_mtime_ns) > self.started_ns - _RACY_NS
        self.watch[path] = None if young else (st.st_mtime_ns, st.st_ctime_ns, st.st_size, st.st_nlink)

    def settled(self, path: str, st: os.stat_result) -> bool:
        """Was this version of a file of the layer dealt with before?"""
        known = self._taken.get(path)
        return path not in self._young and known == (GONE if gitfiles.whiteout(st) else gitfiles.signature(st))

    def taken(self, path: str, signature: tuple[int, ...], *, carried: bool = False) -> None:
        """This version of a file of the layer (or GONE) needs no other look; ``carried``: it is outside."""
        self._taken[path] = signature
        if carried:
            self._carried[path] = signature
        else:
            self._carried.pop(path, None)
        # ctime is the last element; a young one may stay the same through another change.
        if signature != GONE and signature[-1] > self.started_ns - _RACY_NS:
            self._young.add(path)
        else:
            self._young.discard(path)

    def carried(self, path: str, st: os.stat_result) -> bool:
        """Is this version of a file of the layer outside, as far as we know?"""
        return self._carried.get(path) == gitfiles.signature(st)

    def refresh(self, bases: dict[str, int]) -> None:
        """Takes out of the layer what the host has changed since and the cell has not: the host's version shows
        there again, and is what both sides start from.  ``bases`` are the indexes of this moment.

        To be called at the end of a look, while no command runs.
        """
        now = time.time_ns()
        for path in self.seen:
            # The cell has a version of its own of what the host changed: that stays a conflict.
            if path not in self._carried and (st := self.host.stat(path)) is not None and self.young(path, st):
                self._disputed.add(path)
        self.opened_ns, self._bases = now, bases
        for path, (signature, _) in list(self._agreed.items()):
            st = self.host.stat(path)
            if st is not None and gitfiles.signature(st) == signature:
                continue
            above = self.upper.stat(path)
            same = above is not None and self._carried.get(path) == gitfiles.signature(above)
            if above is None or not same or not self._withdraw(path, above):
                continue
            if st is None:
                del self._agreed[path]
            else:
                self._agreed[path] = (gitfiles.signature(st), self._identity_outside(path))
        for path in [path for path, signature in self._taken.items() if signature == GONE]:
            above = self.upper.stat(path)
            if (above is not None and gitfiles.whiteout(above) and self.host.stat(path) is not None
                    and self._withdraw(path, above)):
                del self._taken[path]
        self.host.release()
        self.upper.release()

    def _withdraw(self, path: str, st: os.stat_result) -> bool:
        """Removes an entry from the layer unless it was replaced at this very moment."""
        above, name = self.upper.at(path)
        aside = f".tmp-{os.urandom(8).hex()}"
        try:
            os.rename(name, aside, src_dir_fd=above, dst_dir_fd=above)
            moved = os.stat(aside, dir_fd=above, follow_symlinks=False)
            if (moved.st_ino, moved.st_size, moved.st_mtime_ns) != (st.st_ino, st.st_size, st.st_mtime_ns):
                os.rename(aside, name, src_dir_fd=above, dst_dir_fd=above)
                return False
            os.unlink(aside, dir_fd=above)
        except OSError:
            return False
        self.yielded.add(path)
        return True

    def _identity_outside(self, path: str) -> bytes:
        data = self.read_outside(path, self.limits.index_bytes)
        return _identity(data, self._hash_names.get(path, ""))

    # The host.

    def same_outside(self, path: str, data: bytes) -> bool:
        """Does the real file hold exactly this?"""
        try:
            return self.host.read(path, len(data))[0] == data
        except (OSError, gitfiles.Refused):
            return False

    def read_outside(self, path: str, limit: int) -> bytes:
        """The real file's content, b'' when there is none or it is no file to be read."""
        try:
            return self.host.read(path, limit)[0]
        except (OSError, gitfiles.Refused):
            return b""

    def agreed(self, path: str) -> bool:
        """Was this path ever the same on both sides since the opening?"""
        return path in self._agreed

    def forget(self, prefix: str) -> None:
        """Nothing is known any more of what lies below a directory that was removed outside."""
        for table in (self._agreed, self._taken, self._carried):
            for path in [path for path in table if path.startswith(prefix)]:
                del table[path]

    def put(self, path: str, data: bytes, hash_name: str = "", shape: bytes = b"", *, elsewhere: bytes = b"") -> bool:
        """Makes the real file hold ``data``; False when it did already.  For an index its hash and shape are given.
        ``elsewhere`` is what the host has of it when the file is missing: a reference that was packed.

        Raises Conflict, Refused, Busy, OSError (NotADirectoryError, IsADirectoryError: a reference is in the way).
        """
        above, identity = path.rpartition("/")[0], shape or _identity(data)
        if self._same(path, identity):
            return False
        if hash_name:
            self._hash_names[path] = hash_name
        if above:
            self.host.make_directory(above)
        lock = self.host.lock(path)
        locked = True
        try:
            st = self.host.stat(path)
            if st is None:
                if path in self._agreed and self._agreed[path][1] != _identity(elsewhere):
                    raise Conflict("removed outside meanwhile")
            else:
                if stat.S_ISDIR(st.st_mode):
                    raise IsADirectoryError(21, "a directory is in the way", path)
                current, st = self.host.read(path, max(len(data), self.limits.index_bytes))
                # To compare an index is work; while the host left it alone, it is known to be another.
                fresh = shape and (path not in self._agreed or self.young(path, st))
                if current == data or (fresh and _identity(current, hash_name) == shape):
                    self._agree(path, st, identity)
                    return False
                if self._changed(path, st, current, hash_name):
                    raise Conflict("changed outside meanwhile; the outside version stays")
            gitfiles.write_all(lock, data)
            st = self.host.commit(path)
            locked = False
            self._agree(path, st, identity)
            return True
        finally:
            os.close(lock)
            if locked:
                self.host.unlock(path)

    def _same(self, path: str, identity: bytes) -> bool:
        """Has the cell changed nothing since both sides agreed?  Then what the host did since is to stay."""
        known = self._agreed.get(path)
        return known is not None and known[1] == identity

    def append(self, path: str, size: int, data: bytes) -> bool:
        """Adds what follows ``size`` bytes of ``data`` to the real file; False when it has another size by now."""
        if self._same(path, _identity(data)):
            return False
        st = self.host.append(path, size, data[size:])
        if st is None:
            return False
        self._agree(path, st, _identity(data))
        return True

    def drop(self, path: str) -> bytes | None:
        """Removes a real file; its content, or None when there was none.  Raises Conflict, Refused, Busy, OSError."""
        if self.host.stat(path) is None:
            self._agreed.pop(path, None)
            return None
        lock = self.host.lock(path)
        try:
            current, st = self.host.read(path, self.limits.index_bytes)
            if self._changed(path, st, current):
                raise Conflict("changed outside meanwhile; it is not removed")
            self.host.remove(path)
            self._agreed.pop(path, None)
            return current
        finally:
            os.close(lock)
            self.host.unlock(path)

    def young(self, path: str, st: os.stat_result) -> bool:
        """Did the real file come to be, or change, after the opening and not by us?"""
        known = self._agreed.get(path)
        if path in self._disputed:
            return True
        return known[0] != gitfiles.signature(st) if known else st.st_ctime_ns > self.opened_ns

    def _agree(self, path: str, st: os.stat_result, identity: bytes) -> None:
        self._agreed[path] = (gitfiles.signature(st), identity)
        self.yielded.discard(path)
        self._disputed.discard(path)

    def _changed(self, path: str, st: os.stat_result, current: bytes, hash_name: str = "") -> bool:
        if not self.young(path, st):
            return False
        known = self._agreed.get(path)
        if known is not None:
            return known[1] != _identity(current, hash_name)
        base = self._bases.get(path)
        if base is None or not hash_name:
            return True
        # The index of the opening is still open, though git has put another in its place: a mere refresh of the
        # file times in it, as any `git status` does, is no change.
        os.lseek(base, 0, os.SEEK_SET)
        before = gitfiles.read_all(base, os.fstat(base).st_size, self.limits.index_bytes)
        return _identity(before, hash_name) != _identity(current, hash_name)


def _identity(data: bytes, hash_name: str = "") -> bytes:
    if hash_name:
        try:
            return gitindex.read(data, hash_name).shape
        except gitindex.Rejected:
            pass
    return hashlib.blake2b(data, digest_size=16).digest()
