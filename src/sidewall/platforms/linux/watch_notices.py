"""Hears from the kernel whether anything changed in directories that were looked through.

Knows: which directories are listened to, within which bounds, and on which file systems that can be relied on.
Must not know: what is looked for there; when nothing has to be looked for (``watch_search``).
Follows: inotify(7); proc_pid_mountinfo(5), which is ready for reading in an urgent way when mounts changed.

A notice is in the queue before the call that changed something returns, through whatever mount, link or descriptor it
was made.  A lost one is one more that is in the queue.  So an empty queue says that no name came, went or moved in any
of these directories since each was listened to, and that none of them was given another mode.  It says nothing of the
content of files, nor of directories on file systems that others change too.

A watch stays with its directory, not with its name, and is for one notice: who makes a thousand files makes one.  That
a directory is still the one that is listened to is told by its signature: what is made anew has a later change time,
even if it gets the same number.
"""

from __future__ import annotations

import _thread
import errno
import os
import select
import struct

from sidewall.platforms.linux import native, syscalls
from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY, settled, signature
from sidewall.platforms.linux.watch_trust import tells_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_record import Signature
    from sidewall.platforms.linux.watch_scan import Survey

    Heard = tuple[int, Signature | None, int]

MOST_WATCHES = 4000
PORTION = 64
"""So many directories more are listened to with each look: it takes longer than to look at one."""
_SHARE = 16
"""This process takes so small a part of what all the user's programs may have: editors need it too."""
_MOST_INSTANCES = 8

_MASK = 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x01000000 | 0x80000000
"""IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF, IN_ONLYDIR, IN_ONESHOT."""
_LOST = 0x4000 | 0x2000
"""IN_Q_OVERFLOW, IN_UNMOUNT."""
_EVENT = struct.Struct("=iIII")
_CHUNK = 1 << 16
"""Of the queue at a time; an event with the longest name has 272 bytes."""

_open_watches = native.function("inotify_init1", "i")
_add_watch = native.function("inotify_add_watch", "isL")
_remove_watch = native.function("inotify_rm_watch", "ii")


class _Process:
    """What all the listeners of this process have taken together."""

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()
        self.open: set[Notices] = set()
        self.watches = 0

    def forked(self) -> None:
        """A copy would read the notices away from the original: it has none."""
        copies, self.open, self.watches = self.open, set(), 0
        self.lock = _thread.allocate_lock()
        for copy in copies:
            copy.drop()


_process = _Process()
os.register_at_fork(after_in_child=_process.forked)


class Notices:
    """Listens to directories of the file systems (device numbers) of the directories ``roots``, which are descriptors.

    ``touched`` are, after ``begin``, the watches that there was a notice of since the last one; None when that is not
    known.  ``full``: another watch was wanted and not granted.  ``hopeless``: there is a directory that cannot be
    listened to.

    Raises OSError when nothing can be listened to here.
    """

    def __init__(self, roots: list[int]) -> None:
        self._devices = frozenset([os.fstat(root).st_dev for root in roots])
        self._most = _allowed("max_user_watches")
        self._limit = min(MOST_WATCHES, self._most)
        self._watches: set[int] = set()
        self._generation = 0
        self._portion = 0
        self._mounts = self._fd = -1
        self._stirred, self._remounted = True, False
        self.touched: set[int] | None = None
        self.full = self.hopeless = False
        if not all(tells_all(root) for root in roots):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        instances = min(_MOST_INSTANCES, max(1, _allowed("max_user_instances")))
        with _process.lock:
            if len(_process.open) >= instances:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            _process.open.add(self)
        try:
            self._mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
            self._fd = syscalls.check(_open_watches(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
            self._poll.register(self._mounts, select.POLLPRI)
        except BaseException:
            self.close()
            raise

    def quiet(self) -> bool:
        """Whether there was no notice since ``begin`` had taken the last ones."""
        if not self._stirred:
            self._ask()
        return not self._stirred

    def _ask(self) -> None:
        # What it said is kept: of mounts it is told once.
        for fd, _ready in self._poll.poll(0):
            self._stirred = True
            self._remounted |= fd == self._mounts

    def begin(self, kept: set[int]) -> bool:
        """Takes the notices that are there, before directories are looked through again; whether there is any sense in
        listening further.  ``kept`` are the watches that are still of use: where there are too many, others go."""
        if self._fd < 0:
            return False
        if self.full:
            self._trim(kept)
        self._portion = PORTION
        self.touched = set()
        self._ask()
        if self._remounted:
            # Under a known name there may be a copy of what was there.
            self._generation += 1
            self.touched = None
        self._stirred = self._remounted = False
        watches, lost = self._take()
        if lost:
            # Nobody knows which of them are still there.
            self._remove(self._watches)
            self._take()
            self.touched = None
            return not self.hopeless
        self._forget(self._watches & watches)
        if self.touched is not None:
            self.touched = watches
        return not self.hopeless

    def _take(self) -> tuple[set[int], bool]:
        """Of which watches there are notices, and whether any was lost.  There are two for each at most."""
        watches: set[int] = set()
        lost = False
        for _ in range(4 * MOST_WATCHES):
            try:
                data = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                return watches, lost
            except OSError:
                break
            at = 0
            while at < len(data):
                watch, mask, _cookie, size = _EVENT.unpack_from(data, at)
                at += _EVENT.size + size
                watches.add(watch)
                lost |= bool(mask & _LOST)
        self.hopeless = True
        return watches, True

    def reuse(self, path: str, seen: Signature, found: Survey) -> bool:
        """Whether the directory with the signature ``seen`` is listened to since the search before ``found``."""
        known = found.heard_before.get(path)
        if known is None or known[1] != seen or known[2] != self._generation or known[0] not in self._watches:
            return False
        found.heard[path] = known
        return True

    def add(self, above: int, name: str, path: str, found: Survey, *, timed: bool = False) -> None:
        """Listens to a directory, before it is looked at.  If that cannot be, it is not in ``found.heard``.

        ``timed``: the caller keeps to a time, so it may be more than a portion.
        """
        if self.hopeless or (self._portion <= 0 and not timed):
            return
        if len(self._watches) >= self._limit or _process.watches >= self._most:
            self.full = True
            return
        try:
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
        except OSError:
            return
        try:
            status = os.fstat(fd)
            if status.st_dev not in self._devices:
                self.hopeless = True
                return
            self._portion -= 1
            # The object that is held, whatever the name means by now.
            watch = _add_watch(self._fd, b"/proc/self/fd/%d" % fd, _MASK)
        finally:
            os.close(fd)
        if watch < 0:
            self.hopeless = True
            return
        if watch not in self._watches:
            self._watches.add(watch)
            with _process.lock:
                _process.watches += 1
        found.heard[path] = watch, signature(status) if settled(status) else None, self._generation

    def _trim(self, kept: set[int]) -> None:
        """Stops listening to what is gone from where it was."""
        self.full = False
        old = self._watches - kept
        self._remove(old)
        if len(old) < self._limit // 8:
            self.hopeless = True

    def _remove(self, watches: set[int]) -> None:
        for watch in watches:
            # It fails for one that went with its directory, or with a notice that was lost: it is no more.
            _remove_watch(self._fd, watch)
        self._forget(set(watches))

    def _forget(self, watches: set[int]) -> None:
        self._watches -= watches
        with _process.lock:
            _process.watches -= len(watches)

    def close(self, *, wait: bool = True) -> None:
        """Stops listening.  For that the kernel needs some milliseconds: unless that is waited for, the call returns
        while a thread of its own is in the kernel for it.  Idempotent."""
        with _process.lock:
            if self in _process.open:
                _process.open.discard(self)
                _process.watches -= len(self._watches)
        fd = self._forgotten()
        if fd < 0:
            return
        if not wait:
            begun = _thread.allocate_lock()
            begun.acquire()
            try:
                _thread.start_new_thread(_close, (fd, begun))
                begun.acquire()
                return
            except RuntimeError:
                # There can be no more threads.
                pass
        os.close(fd)

    def drop(self) -> None:
        """Lets go of the descriptors in a copy of the process, which takes no time: the original has them too."""
        fd = self._forgotten()
        if fd >= 0:
            os.close(fd)

    def _forgotten(self) -> int:
        fd, mounts = self._fd, self._mounts
        self._fd = self._mounts = -1
        self._watches = set()
        self._stirred = True
        if mounts >= 0:
            os.close(mounts)
        return fd


def _close(fd: int, begun: _thread.LockType) -> None:
    begun.release()
    os.close(fd)


def _allowed(name: str) -> int:
    """This process's part of a bound on all of a user's.  Raises OSError."""
    with open(f"/proc/sys/fs/inotify/{name}", "rb") as stream:
        return int(stream.read()) // _SHARE

