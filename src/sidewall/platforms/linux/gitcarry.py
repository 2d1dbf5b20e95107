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
_WATCHED_OUTSIDE = 96
_OTHERS_SECONDS = 0.01
_ALONE, _REFERENCES, _WORKTREES, _MODULES = range(4)
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

    ``host_fd`` is a descriptor of the real one (O_PATH will do), which the carrier owns from now on; ``git_dir`` its
    absolute path; ``roots`` are the absolute paths below which working trees may lie.  Methods may be called from any
    thread.  Make it before the first command runs: a file outside that changes later is the host's.  ``few`` is the
    number of directories that are looked at before each command.
    """

    def __init__(self, host_fd: int, *, git_dir: str, roots: tuple[str, ...], limits: Limits | None = None,
                 few: int = 12) -> None:
        self._host_fd = host_fd
        self._upper_fd = self._top = self._handle = -1
        self._git_dir = git_dir
        self._roots = roots
        self._limits = limits
        self._lock = _thread.allocate_lock()
        self._opened_ns = time.time_ns()
        self._bases = _indexes(host_fd)
        self._watch: tuple[tuple[str, tuple[int, ...]], ...] | None = None
        self._again = self._blind = False
        self._outside = _directories(host_fd)
        self._looked = 0.0
        self._few = few
        self._ledger: Ledger | None = None
        self._repository: Repository | None = None

    def over(self, upper_fd: int, handle: int = -1) -> GitCarry:
        """The layer is there: its upper directory, and the handle to remount it by (``mounts.renew``), unless somebody
        else does that.  Both are the carrier's from now on.  Returns the carrier."""
        self._upper_fd = upper_fd
        self._handle = handle
        self._top = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=upper_fd)
        return self

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
        """Did references, index, HEAD or packs change outside since the cell last got a fresh view (see ``refresh``)?

        Also true shortly after ``settle`` wrote: what a background process of the cell then saw of the locks would
        stay in its view.  Call it before a command; where there are very many directories, it looks at the first ones
        each time, and at the others when it has not done so for some milliseconds.
        """
        if self._top < 0 or self._blind:
            return False
        host, watched = self._host_fd, self._outside
        if len(watched) > self._few:
            now = time.monotonic()
            if now - self._looked < _OTHERS_SECONDS:
                watched = watched[:self._few]
            else:
                self._looked = now
        try:
            for path, signature in watched:
                st = os.stat(path, dir_fd=host, follow_symlinks=False)
                if (st.st_mtime_ns, st.st_ctime_ns) != signature:
                    return True
        except OSError:
            return True
        return False

    def refresh(self, *, seen: bool = True) -> tuple[Held, ...]:
        """Settles, takes what the host has changed, and the cell has not, out of the layer, and remounts that in place:
        only then does the kernel forget what it knew of the files below, and the cell sees what the host did.

        Call it while no command runs.  ``seen`` False: none has run yet, so there is nothing to forget.  Returns what
        ``settle`` does.
        """
        with self._lock:
            if self._top < 0:
                return ()
            told: tuple[Held, ...] = ()
            try:
                if self._ledger is not None or os.listdir(self._top):
                    told = self._settle()
                self._renew(seen)
            except OSError as error:
                from sidewall.platforms.contract import Held

                # Who opened the cell has given up their rights since, for one.
                self._blind = True
                told += (Held(action="noticed", path=self._git_dir, reason="git inside does not see what changes "
                              f"outside: {error.filename or 'refresh'}: {error.strerror or error}"),)
            return told

    def _renew(self, seen: bool) -> None:
        self._outside = _directories(self._host_fd)
        before, self._bases = self._bases, _indexes(self._host_fd)
        if self._ledger is not None:
            self._ledger.refresh(self._bases)
        else:
            self._opened_ns = time.time_ns()
        for fd in before.values():
            os.close(fd)
        if seen and self._handle >= 0:
            from sidewall.platforms.linux import mounts

            mounts.renew(self._handle)

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

    def let_go(self) -> None:
        """No command will come any more, so the layer may end with the cell: nobody waits for that meanwhile."""
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def close(self) -> None:
        """Closes both descriptors; what was not settled stays inside.  Idempotent."""
        with self._lock:
            for fd in (self._top, self._host_fd, self._upper_fd, self._handle, *self._bases.values()):
                if fd >= 0:
                    os.close(fd)
            self._top = self._host_fd = self._upper_fd = self._handle = -1
            self._bases = {}


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
    """The directories in which git replaces files when something happens outside, and their time stamps; those in
    which most happens come first.

    One that changed just now gets stamps that never compare equal: with coarse clocks another change may not show.
    """
    now = time.time_ns()
    found: list[tuple[str, tuple[int, ...]]] = []
    pending = [(".", _ALONE), ("refs", _REFERENCES), ("objects/pack", _ALONE), ("worktrees", _WORKTREES),
               ("modules", _MODULES)]
    for path, kind in pending:
        if len(found) >= _WATCHED_OUTSIDE:
            break
        try:
            fd = os.open(path, _OPEN | os.O_DIRECTORY, dir_fd=host_fd)
        except OSError:
            continue
        try:
            st = os.fstat(fd)
            names: list[str] = []
            if kind != _ALONE:
                with os.scandir(fd) as entries:
                    names = [entry.name for entry in entries
                             if entry.is_dir(follow_symlinks=False) or entry.name == "HEAD"]
        finally:
            os.close(fd)
        if kind == _MODULES and "HEAD" in names:
            pending += [(f"{path}/refs", _REFERENCES), (f"{path}/objects/pack", _ALONE)]
        else:
            pending += [(f"{path}/{name}", _ALONE if kind == _WORKTREES else kind) for name in names]
        young = max(st.st_mtime_ns, st.st_ctime_ns) > now - _RACY_NS
        found.append((path, () if young else (st.st_mtime_ns, st.st_ctime_ns)))
    return tuple(found)
