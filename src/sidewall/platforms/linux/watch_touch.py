"""Whether a command had its hands on a git directory: by change times, which nobody can set.

Knows: where in it something matters.  Must not know: whose it is, what is done about it.
Follows: inode(7), gitrepository-layout(5).

Objects, references and logs are many and harmless, as long as they are what they are: through a link among them the
user's next git would write elsewhere.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY, look
from sidewall.platforms.linux.watch_scan import DEEPEST, STORES

_MOST = 5000
_MOST_STORED = 50_000
_WRITTEN = {"refs": DEEPEST, "logs": DEEPEST, "objects": 0}
"""How deep git writes over what is there: of single objects it only makes new ones."""


def touched(above: int, name: str, since_ns: int) -> bool:
    """Whether an entry, or what is in it, changed since; of objects, references and logs only links count.  What cannot
    be looked at counts as changed."""
    return _changed(above, name, since_ns, [_MOST], 0) or _linked(above, name, since_ns)


def _changed(above: int, name: str, since_ns: int, left: list[int], depth: int) -> bool:
    left[0] -= 1
    try:
        status = look(above, name)
        if status is None:
            return False
        if status.st_ctime_ns >= since_ns or left[0] < 0:
            return True
        if not stat.S_ISDIR(status.st_mode):
            return False
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
    except OSError:
        return True
    try:
        return depth >= DEEPEST or any(_changed(fd, child, since_ns, left, depth + 1)
                                       for child in os.listdir(fd) if depth or child not in STORES)
    except OSError:
        return True
    finally:
        os.close(fd)


def _linked(above: int, name: str, since_ns: int) -> bool:
    """Whether there is a link since among what git writes to."""
    left = [_MOST_STORED]
    try:
        status = look(above, name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return False
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
    except OSError:
        return True
    try:
        return any(_links_below(fd, store, since_ns, left, deepest) for store, deepest in _WRITTEN.items())
    finally:
        os.close(fd)


def _links_below(above: int, name: str, since_ns: int, left: list[int], deeper: int) -> bool:
    try:
        status = look(above, name)
        if status is None:
            return False
        if stat.S_ISLNK(status.st_mode):
            return status.st_ctime_ns >= since_ns
        if not stat.S_ISDIR(status.st_mode):
            return False
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
    except OSError:
        return True
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                left[0] -= 1
                if left[0] < 0:
                    return True
                if (entry.is_symlink() or (deeper and entry.is_dir(follow_symlinks=False))) and _links_below(
                        fd, entry.name, since_ns, left, deeper - 1):
                    return True
        return False
    except OSError:
        return True
    finally:
        os.close(fd)
