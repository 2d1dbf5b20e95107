"""Carries what git did inside a cell to the real git directory, after each command.

Knows: the two directories, when to look.  Must not know: what may be carried and how; the modules ``git*`` beside it
do, and are imported only when a command changed something (this one is on the way to the first command).

Inside the cell the git directory is the real one (below) under a private layer (above), made by overlayfs; a command
does there what it likes.  What comes out is decided here, by an allow-list: objects that are what their names say,
references, reflogs, index, HEAD and the state of an interrupted operation.  Not configuration, hooks, attributes,
alternates, or links of any kind.  No git is run, nothing but files is read and written.
"""

from __future__ import annotations

import _thread
import os
import time

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.contract import Held
    from sidewall.platforms.linux.gitledger import Ledger
    from sidewall.platforms.linux.gitrepo import Repository

_WATCHED = 128
_WATCHED_OUTSIDE = 64
_RACY_NS = 50_000_000
_BASES = 16
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Limits(Record):
    """How much is carried: bytes of one object's file, one pack, one index, one reflog; all that is inflated in one
    go; objects in a session; entries looked at in one go."""

    object_bytes: int = 1 << 30
    pack_bytes: int = 4 << 30
    index_bytes: int = 256 << 20
    log_bytes: int = 64 << 20
    inflated_bytes: int = 8 << 30
    objects: int = 300_000
    entries: int = 500_000


class GitCarry:
    """The carrier for one git directory.

    ``host_fd`` is the real one and ``upper_fd`` the layer's upper directory, both directory descriptors (O_PATH will
    do) which the carrier owns from now on.  ``git_dir`` is the real one's absolute path; ``roots`` are the absolute
    paths below which working trees may lie.  Methods may be called from any thread.  Make it before the first command
    runs: a file outside that changes later is the host's.
    """

    def __init__(self, host_fd: int, upper_fd: int, *, git_dir: str, roots: tuple[str, ...],
                 limits: Limits | None = None) -> None:
        self._host_fd = host_fd
        self._upper_fd = upper_fd
        self._git_dir = git_dir
        self._roots = roots
        self._limits = limits
        self._lock = _thread.allocate_lock()
        self._opened_ns = time.time_ns()
        self._bases = _indexes(host_fd)
        self._top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=upper_fd)
        self._watch: tuple[tuple[str, tuple[int, ...]], ...] | None = None
        self._again = False
        self._outside: tuple[tuple[str, tuple[int, ...]], ...] | None = None
        self._ledger: Ledger | None = None
        self._repository: Repository | None = None

    def dirty(self) -> bool:
        """Might there be something to carry?  Every git command that matters leaves its trace in a directory that is
        looked at here; a file that was only written in place shows at the next ``settle``."""
        if self._again or self._top < 0:
            return self._top >= 0
        if self._watch is None:
            # Two threads that list one descriptor at once would each see a part.
            with self._lock:
                return self._top >= 0 and bool(os.listdir(self._top))
        top = self._top
        try:
            for path, signature in self._watch:
                # From the top down and no further than the first difference: what is below is what it was.
                st = os.stat(path, dir_fd=top, follow_symlinks=False)
                if (st.st_mtime_ns, st.st_ctime_ns, st.st_size, st.st_nlink) != signature:
                    return True
        except OSError:
            return True
        return False

    def stale(self) -> bool:
        """Did references, index or HEAD change outside since the cell last got a fresh view (see ``refresh``)?

        Also true shortly after ``settle`` wrote: what a background process of the cell then saw of the locks would
        stay in its view.  Call it before a command; the first call only remembers how things are.
        """
        if self._top < 0:
            return False
        if self._outside is None:
            self._outside = _directories(self._host_fd)
            return False
        try:
            for path, signature in self._outside:
                st = os.stat(path, dir_fd=self._host_fd, follow_symlinks=False)
                if (st.st_mtime_ns, st.st_ctime_ns) != signature:
                    return True
        except OSError:
            return True
        return False

    def refresh(self) -> tuple[Held, ...]:
        """Settles, then takes what the host has changed, and the cell has not, out of the layer.

        Afterwards the layer has to be mounted again in place (mount(2) with MS_REMOUNT, in the cell): only then does
        the kernel forget what it knew of the files below, and the cell sees what the host did.  Call it while no
        command runs.  Returns what ``settle`` does.
        """
        with self._lock:
            if self._top < 0:
                return ()
            told = self._settle()
            self._outside = _directories(self._host_fd)
            if self._ledger is not None:
                before, self._bases = self._bases, _indexes(self._host_fd)
                self._ledger.refresh(self._bases)
                for fd in before.values():
                    os.close(fd)
            return told

    def settle(self) -> tuple[Held, ...]:
        """Looks at the whole layer and carries what may be carried.

        Each result has an ``action``: ``carried``; ``held``, stays inside, reported once with the reason;
        ``conflict``, changed on both sides, the outside version stays.  Raises nothing for what a cell may do.
        """
        with self._lock:
            if self._top < 0 or (self._watch is None and not os.listdir(self._top)):
                return ()
            return self._settle()

    def _settle(self) -> tuple[Held, ...]:
        from sidewall.platforms.linux.gitinflate import Budget
        from sidewall.platforms.linux.gitledger import Ledger
        from sidewall.platforms.linux.gitrepo import Repository

        limits = self._limits or Limits()
        if self._ledger is None or self._repository is None:
            self._ledger = Ledger(self._host_fd, self._upper_fd, git_dir=self._git_dir, roots=self._roots,
                                  limits=limits, opened_ns=self._opened_ns, bases=self._bases)
            self._repository = Repository(self._ledger, "")
        ledger = self._ledger
        ledger.begin()
        self._again = True
        try:
            self._repository.reset()
            self._repository.collect()
            self._repository.carry(Budget(limits.inflated_bytes))
        except OSError as error:
            # A directory without permissions, a full disk: what was not carried now may be at the next look.
            ledger.retry = True
            ledger.report.held("", f"cannot be carried: {error.strerror}")
        finally:
            told = ledger.end()
        watch = [(path or ".", signature) for path, signature in ledger.watch.items() if signature is not None]
        watch.sort(key=lambda item: item[0].count("/") if item[0] != "." else -1)
        self._again = ledger.retry or len(watch) != len(ledger.watch) or len(watch) > _WATCHED
        self._watch = tuple(watch)
        return told

    def close(self) -> None:
        """Closes both descriptors; what was not settled stays inside.  Idempotent."""
        with self._lock:
            if self._top < 0:
                return
            for fd in (self._top, self._host_fd, self._upper_fd, *self._bases.values()):
                os.close(fd)
            self._top = -1


def _indexes(host_fd: int) -> dict[str, int]:
    """Descriptors of the indexes as they are now: git replaces them, and the old one is needed for comparison."""
    paths = ["index"]
    try:
        trees = os.open("worktrees", _OPEN | os.O_DIRECTORY, dir_fd=host_fd)
    except OSError:
        pass
    else:
        try:
            paths += [f"worktrees/{name}/index" for name in os.listdir(trees)[:_BASES]]
        finally:
            os.close(trees)
    bases = {}
    for path in paths:
        try:
            bases[path] = os.open(path, _OPEN, dir_fd=host_fd)
        except OSError:
            continue
    return bases


def _directories(host_fd: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The directories in which git replaces files when something happens outside, and their time stamps.

    One that changed just now gets stamps that never compare equal: with coarse clocks another change may not show.
    """
    now = time.time_ns()
    found: list[tuple[str, tuple[int, ...]]] = []
    pending = [".", "refs", "worktrees"]
    while pending and len(found) < _WATCHED_OUTSIDE:
        path = pending.pop(0)
        try:
            fd = os.open(path, _OPEN | os.O_DIRECTORY, dir_fd=host_fd)
        except OSError:
            continue
        try:
            st = os.fstat(fd)
            if path != ".":
                with os.scandir(fd) as entries:
                    pending += [f"{path}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
        finally:
            os.close(fd)
        young = max(st.st_mtime_ns, st.st_ctime_ns) > now - _RACY_NS
        found.append((path, () if young else (st.st_mtime_ns, st.st_ctime_ns)))
    return tuple(found)
