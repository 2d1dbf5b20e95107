"""What a command changed in the workspace: a scan before, a scan after, the difference.

Knows: how to list a tree without following links.  Must not know: cells, policies.
A file counts as modified when its inode, size or status-change time differ: the last cannot be set back by a command.
What lies below a directory named ``.git`` is left out, since one ``git add`` changes dozens of files there.
"""

from __future__ import annotations

import os

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidewall.platforms.contract import Held

    Snapshot = dict[str, tuple[int, int, int, int]]

CREATED, MODIFIED, DELETED = "created", "modified", "deleted"


class Change(Record):
    """``kind``: ``created``, ``modified``, ``deleted``, or what Sidewall did (``put back``, ...), with its ``reason``.

    ``path`` is absolute.  A directory counts as modified only when it became something else.
    """

    kind: str
    path: str
    reason: str = ""


def scan(root: str) -> Snapshot:
    """Every entry below ``root``: path -> (inode, change time in ns, size, file type).

    Links are entries, never followed.  What vanishes during the scan, or may not be listed, is left out.
    """
    seen: Snapshot = {}
    pending = [root]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        seen[entry.path] = (status.st_ino, 0, 0, status.st_mode & 0o170000)
                        if entry.name != ".git":
                            pending.append(entry.path)
                    else:
                        seen[entry.path] = (status.st_ino, status.st_ctime_ns, status.st_size,
                                            status.st_mode & 0o170000)
        except OSError:
            continue
    return seen


def difference(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """The changes from one scan to the next, ordered by path."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            found.append(Change(kind=CREATED, path=path))
        elif path not in after:
            found.append(Change(kind=DELETED, path=path))
        elif before[path] != after[path]:
            found.append(Change(kind=MODIFIED, path=path))
    return tuple(found)


def held(acts: Iterable[Held]) -> tuple[Change, ...]:
    """What the trusted side did after a command, as changes."""
    return tuple([Change(kind=act.action, path=act.path, reason=act.reason) for act in acts])


Change.__module__ = "sidewall"
