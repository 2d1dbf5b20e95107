"""What the directories of writable roots held when they were last listed, kept for the watcher and for the next cell.

Knows: how to list a directory once, how to tell that it is unchanged.  Must not know: what a name means.

Listing is what opening a cell in a large workspace consists of, so whoever opens one cell after another lists only
what changed.  A listing belongs to an inode, not to a path: the directory is opened, its status is taken from that
descriptor, then its entries; and it counts for as long as that status stays (stat(2): the change time, which nobody
can set), and only if a change since would certainly show in it.
So only file systems count that are known to keep that time: in some that a program or another machine serves,
directories have any time at all.
"""

from __future__ import annotations

import os

from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_record import Signature

    Listing = tuple[int, Signature, list[str], list[str], bool]

_SOUND = {b"bcachefs": False, b"ext2": True, b"ext3": True, b"ext4": True, b"f2fs": False, b"overlay": False,
          b"ramfs": True, b"tmpfs": True, b"xfs": True, b"zfs": False}
"""And whether the link count of a directory tells how many directories are in it: with two there is none."""
GIT_MARKS = frozenset(("HEAD", "objects", "refs", "commondir"))
"""What git takes a directory for a repository by.  Of one that has any of it, more has to be looked at than names."""
_MOST_ROOTS = 8
_kept: dict[tuple[str, frozenset[str]], dict[str, Listing]] = {}
_known: tuple[bytes, dict[int, bool]] = (b"", {})


class Listings:
    """The directories below one root, asked for some names.

    Use: ``of`` for each directory, then ``keep``.  Several threads may do that for one root: each reads what was kept
    before, and the last to keep wins.
    """

    def __init__(self, root: str, names: frozenset[str]) -> None:
        self._key = (root, names)
        self._at = len(root.rstrip("/")) + 1
        self._names = names
        self._sound = _sound_devices()
        self._before = _kept.get(self._key, {})
        self._now: dict[str, Listing] = {}

    def of(self, path: str) -> tuple[list[str], list[str]]:
        """The directories in a directory, and the entries of any kind that have one of the names; a link is no
        directory.  What cannot be listed, or only in part, has what could be read.  Never raises OSError."""
        known = self._before.get(path[self._at:])
        try:
            if known is not None:
                status = os.lstat(path)
                if (status.st_dev, signature(status)) == known[:2]:
                    self._now[path[self._at:]] = known
                    return known[2], known[3]
            return self._list(path)
        except OSError:
            return [], []

    def _list(self, path: str) -> tuple[list[str], list[str]]:
        below: list[str] = []
        named: list[str] = []
        plain = True
        names = self._names
        fd = os.open(path, OPEN_DIRECTORY)
        try:
            status = os.fstat(fd)
            device = status.st_dev
            # Before it is listed: what happens meanwhile must show.
            certain = device in self._sound and settled(status)
            if status.st_nlink == 2 and self._sound.get(device):
                here = os.listdir(fd)
                named = [name for name in here if name in names]
                plain = GIT_MARKS.isdisjoint(here)
            else:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        name = entry.name
                        if name in names:
                            named.append(name)
                            continue
                        if name in GIT_MARKS:
                            plain = False
                        if entry.is_dir(follow_symlinks=False):
                            below.append(name)
            if certain:
                self._now[path[self._at:]] = (device, signature(status), below, named, plain)
        except OSError:
            pass  # what is listed until then counts; it is asked anew next time
        finally:
            os.close(fd)
        return below, named

    def keep(self) -> None:
        """What was asked for now is what the next cell starts from."""
        _kept.pop(self._key, None)
        while len(_kept) >= _MOST_ROOTS:
            try:
                # The one that was kept first: each one goes to the end whenever it is kept again.
                del _kept[next(iter(_kept))]
            except (KeyError, StopIteration, RuntimeError):
                break  # another thread was at it
        _kept[self._key] = self._now


def made(root: str, names: frozenset[str]) -> dict[str, tuple[Signature, list[str], tuple[str, ...]]]:
    """The listings of a root that were kept last and are still to be compared with the status of their directory, by
    path relative to the root: that status, the directories, the named entries.  Of what may be a repository by its
    contents there is none."""
    kept = _kept.get((root, names), {})
    return {path: (status, below, tuple(named))
            for path, (_device, status, below, named, plain) in kept.items() if plain}


def _sound_devices() -> dict[int, bool]:
    """The devices of all mounts whose file system keeps change times (proc(5), mountinfo), with what is in ``_SOUND``.

    A subvolume of btrfs has a device that no mount names; it is listed each time.
    """
    global _known
    try:
        with open("/proc/self/mountinfo", "rb", 0) as table:
            text = table.read()
    except OSError:
        return {}
    if text == _known[0]:
        return _known[1]
    found: dict[int, bool] = {}
    for line in text.splitlines():
        fields, _, kind = line.partition(b" - ")
        counted = _SOUND.get(kind.partition(b" ")[0])
        if counted is not None:
            major, _, minor = fields.split(b" ", 3)[2].partition(b":")
            found[os.makedev(int(major), int(minor))] = counted
    _known = text, found
    return found
