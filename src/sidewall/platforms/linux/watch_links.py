"""Links, pipes and devices inside a git directory: found, and taken away when a command has put them there.

Knows: that git opens its message, its logs and what it fetched for writing in place, locks its index and its packed
references where a link leads, and never asks whether it is a link.
Must not know: what steers git (``watch_git``), which git directories there are.

Every entry counts, whatever its name: which files git writes in place is git's business and changes with it.  So the
whole directory is walked, breadth first and within bounds; a directory that has not changed since it was found clean
is not listed again (inode(7): its change time tells, and cannot be set back).  In the 256 directories of single objects
git writes nothing in place: what is in them is read, and perhaps given another time.  They are left to the last look.
"""

from __future__ import annotations

import os
import stat
import time

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_record import ALL, Recorded, look, open_directory, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.platforms.linux.watch_record import Signature
    from sidewall.platforms.linux.watch_restore import Restorer

MOST_DIRECTORIES = 50_000
MOST_ENTRIES = 1_000_000
DEEPEST = 100
MOST_KEPT = 64
"""More links than this in one look are removed, not kept: a link holds nothing but where it leads."""
_MOST_REMEMBERED = 2000
_TICK_NS = 3_000_000_000


class Links:
    """What is neither a file nor a directory in one git directory, as it was; nothing where nothing was recorded."""

    __slots__ = ("_clean", "_known", "_left", "_recorded_ns", "complete")

    def __init__(self) -> None:
        self.complete = True
        self._known: dict[str, Recorded] = {}
        self._clean: dict[str, tuple[Signature, list[str]]] = {}
        self._left = 0
        self._recorded_ns = 0

    def record(self, fd: int) -> None:
        """Remembers what there is in the directory ``fd``; that is the user's and stays.

        ``complete`` says afterwards whether all of it was looked through.  Never raises OSError.
        """
        self._recorded_ns = time.time_ns()
        for above, name, path in self._strange(fd, None, ""):
            if len(self._known) >= _MOST_REMEMBERED:
                self.complete = False
                return
            try:
                status = look(above, name)
                if status is not None:
                    was = self._known[path] = Recorded(ALL, status)
                    if stat.S_ISLNK(status.st_mode):
                        was.kind = record.LINK
                        was.data = os.readlink(os.fsencode(name), dir_fd=above)
            except OSError:
                self.complete = False

    def sweep(self, fd: int, path: str, restorer: Restorer, *, objects: bool = True) -> None:
        """Takes away what came since into the directory ``fd``, which people call ``path``.

        Without ``objects``, the directories of single objects are not looked through.  Never raises OSError.
        """
        from sidewall.platforms.linux.watch_restore import NOTICED, PUT_BACK

        kept = removed = 0
        for above, name, inner in self._strange(fd, restorer, path, objects):
            where = f"{path}/{inner}"
            try:
                status = look(above, name)
                was = self._known.get(inner)
                if status is None or self._stays(above, name, status, was):
                    continue
                if was is not None and was.kind == record.LINK:
                    restorer.check(above, name, was, where)
                elif stat.S_ISLNK(status.st_mode) and kept < MOST_KEPT:
                    kept += 1
                    restorer.take(above, name, where, "a link through which git would write")
                else:
                    removed += 1
                    _remove(restorer, above, name, where, status, quiet=removed > MOST_KEPT)
            except OSError as error:
                restorer.unseen(where, error)
        if removed > MOST_KEPT:
            restorer.say(PUT_BACK, path, f"{removed} links or pipes in it were removed")
        if self._left <= 0 and self.complete:
            restorer.say(NOTICED, path, "holds too much to be looked through for links: look at it before "
                         "you use git there")

    def _stays(self, above: int, name: str, status: os.stat_result, was: Recorded | None) -> bool:
        if stat.S_ISSOCK(status.st_mode):
            # It leads nowhere, and git's own file system monitor has one.
            return True
        text = os.readlink(os.fsencode(name), dir_fd=above) if stat.S_ISLNK(status.st_mode) else b""
        if name == "HEAD" and text.startswith(b"refs/") and b".." not in text.split(b"/"):
            # As git itself makes it (core.preferSymlinkRefs); it is replaced and not written through.
            return True
        if was is not None:
            same = was.seen is not None and stat.S_IFMT(was.seen[3]) == stat.S_IFMT(status.st_mode)
            return same and text == was.data
        # Where not all was recorded, only what is younger is the command's for sure.
        return not self.complete and status.st_ctime_ns < self._recorded_ns - _TICK_NS

    def _strange(self, fd: int, restorer: Restorer | None, shown: str,
                 objects: bool = True) -> Iterator[tuple[int, str, str]]:
        """Entries that are neither file nor directory: the open directory, the name in it, the path."""
        self._left = MOST_ENTRIES
        count = 0
        tree = gitfiles.Tree(fd)
        # In groups of siblings, so that the one above is opened once for all of them.
        waiting: list[tuple[str, list[str]]] = [("", [""])]
        try:
            for parent, children in waiting:
                try:
                    above = tree.directory(parent)
                except OSError:
                    continue
                for child in children:
                    path = f"{parent}/{child}" if parent else child
                    count += 1
                    if count > MOST_DIRECTORIES or path.count("/") > DEEPEST or self._left <= 0:
                        self._left = 0
                        self.complete &= restorer is not None
                        return
                    below, strange, inner = self._list(above, child or ".", path, restorer, shown)
                    try:
                        for name in strange:
                            yield inner, name, f"{path}/{name}" if path else name
                    finally:
                        if inner >= 0:
                            os.close(inner)
                    if not objects and child == "objects":
                        below = [name for name in below if len(name) != 2]
                    if below:
                        waiting.append((path, below))
        finally:
            tree.release()

    def _list(self, above: int, name: str, path: str, restorer: Restorer | None,
              shown: str) -> tuple[list[str], list[str], int]:
        """Directories in it, strange entries in it, and its descriptor when there are any."""
        known = self._clean.get(path)
        below: list[str] = []
        strange: list[str] = []
        fd = -1
        try:
            if known is not None:
                status = os.stat(name, dir_fd=above, follow_symlinks=False)
                if signature(status) == known[0]:
                    return known[1], strange, -1
                del self._clean[path]
            # A command may have closed it to all listing, which keeps nobody from writing through what is in it.
            fd = os.open(name, record.OPEN_DIRECTORY, dir_fd=above) if restorer is None else open_directory(above, name)
            status = os.fstat(fd)
            with os.scandir(fd) as entries:
                for entry in entries:
                    self._left -= 1
                    if self._left <= 0:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.name)
                    elif not entry.is_file(follow_symlinks=False) and not (
                            restorer is not None and restorer.quarantine.took_aside(entry.name)):
                        strange.append(entry.name)
        except FileNotFoundError:
            pass
        except OSError as error:
            if restorer is None:
                self._closed(above, name, path)
            else:
                restorer.unseen(f"{shown}/{path}" if path else shown, error)
        else:
            # Logs before the rest, objects last: should the bounds be reached, what matters most was seen.
            below.sort(key=lambda child: (child == "objects", child != "logs", child))
            if not strange and self._left > 0 and settled(status):
                self._clean[path] = (signature(status), below)
        if not strange and fd >= 0:
            os.close(fd)
            fd = -1
        return below, strange, fd

    def _closed(self, above: int, name: str, path: str) -> None:
        """A directory that its owner cannot list: as long as it stays as it is, nothing comes into it."""
        try:
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
        except OSError:
            return
        if stat.S_ISDIR(status.st_mode):
            self._clean[path] = (signature(status), [])


def _remove(restorer: Restorer, above: int, name: str, where: str, status: os.stat_result, *, quiet: bool) -> None:
    """Removes what holds nothing.  Never raises OSError."""
    from sidewall.platforms.linux.watch_restore import PUT_BACK

    kind = "a link" if stat.S_ISLNK(status.st_mode) else "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device"

    def act() -> None:
        os.unlink(name, dir_fd=above)
        if not quiet:
            restorer.say(PUT_BACK, where, f"{kind} that git would open; removed")

    restorer.attempt(above, where, act)
