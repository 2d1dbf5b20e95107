"""Looks through a writable root, breadth first and within bounds, for what the watcher watches.

Knows: protected names, ``.git`` entries, directories that git takes for a repository without being called ``.git``.
Must not know: what is done about them.
Follows: gitrepository-layout(5).  Every directory is opened below the one that holds it, never through a link.
"""

from __future__ import annotations

import os

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.facts import MOST_DIRECTORIES, UNSEARCHED
from sidewall.platforms.linux.watch_record import OPEN_DIRECTORY, look, read, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_record import Signature

MOST_AT_THE_END = 10 * MOST_DIRECTORIES
"""A command may have made many directories to hide one: the search at the end goes further than the first."""
DEEPEST = 100
_MOST_WAITING = 20

_GIT_MARKS = frozenset(("HEAD", "objects", "refs", "commondir"))
_STORES = frozenset(("objects", "refs", "logs"))


class Survey:
    """What was found, as paths relative to the root ('' for the root itself).

    ``names`` are entries with a protected name; ``git`` entries called ``.git``; ``bare`` directories that are a git
    directory by what they hold.  ``directories`` were seen, ``searched`` also looked through, ``closed`` may not be.
    ``listed`` says of searched directories how to tell that they are unchanged, which directories are in them, and what
    was found in them.
    """

    __slots__ = ("bare", "closed", "complete", "directories", "git", "listed", "names", "searched")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.git: set[str] = set()
        self.bare: set[str] = set()
        self.directories: set[str] = set()
        self.searched: set[str] = set()
        self.closed: set[str] = set()
        self.listed: dict[str, tuple[Signature, list[str], tuple[str, ...]]] = {}
        self.complete = True

    def add(self, path: str, name: str) -> None:
        """Something was found in the directory ``path``."""
        (self.git if name == ".git" else self.names).add(join(path, name))

    def saw(self, path: str) -> bool:
        """Whether this directory was there."""
        return not path or path in self.directories


def join(parent: str, name: str) -> str:
    """A relative path, where '' is the root."""
    return f"{parent}/{name}" if parent else name


def survey(root: int, names: tuple[str, ...], *, before: Survey | None = None, last: Survey | None = None) -> Survey:
    """Looks through the directory ``root``.

    With ``before``, an earlier survey, what is found and is not in ``before`` is new: what it saw but did not look
    through is passed over.  Directories that did not change since then, or since ``last``, a later one, are not listed
    again (the directories in those may have changed).
    """
    found = Survey()
    most = MOST_DIRECTORIES if before is None else MOST_AT_THE_END
    passed: set[str] = set() if before is None or before.complete else before.directories - before.searched
    wanted = frozenset(names)
    notable = wanted | _GIT_MARKS | {".git"}
    tree = gitfiles.Tree(root)
    # Directories wait in groups of siblings, so that the one above is opened once for all of them.
    waiting: list[tuple[str, list[str]]] = [("", [""])]
    try:
        for parent, children in waiting:
            try:
                above = tree.directory(parent)
            except OSError:
                continue
            for child in children:
                path = join(parent, child) if child else ""
                if len(found.searched) >= most:
                    found.complete = False
                    return found
                if path in passed:
                    continue
                found.searched.add(path)
                known = last.listed.get(path) if last is not None else None
                if known is None and before is not None:
                    known = before.listed.get(path)
                if known is not None and _unchanged(above, child or ".", known[0]):
                    found.listed[path] = known
                    for name in known[2]:
                        found.add(path, name)
                    if known[1]:
                        waiting.append((path, known[1]))
                    continue
                below = _search(above, child or ".", path, wanted, notable, found)
                if path in found.bare and (before is None or path in before.bare or not before.saw(path)):
                    # Only of a git directory that was always one: a command could make the user's look like one.
                    below = [name for name in below if name not in _STORES]
                if path in found.listed:
                    found.listed[path] = (found.listed[path][0], below, found.listed[path][2])
                if not below:
                    continue
                if path.count("/") >= DEEPEST or len(found.directories) + len(below) > _MOST_WAITING * most:
                    found.complete = False
                    found.listed.pop(path, None)
                    continue
                found.directories.update([join(path, name) for name in below])
                waiting.append((path, below))
    finally:
        tree.release()
    return found


def _unchanged(above: int, name: str, known: Signature) -> bool:
    try:
        status = look(above, name)
    except OSError:
        return False
    return status is not None and signature(status) == known


def _search(above: int, name: str, path: str, wanted: frozenset[str], notable: frozenset[str],
            found: Survey) -> list[str]:
    """Adds what one directory holds; the directories in it that are to be looked through."""
    try:
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=above)
    except PermissionError:
        found.closed.add(path)
        return []
    except OSError:
        return []
    below: list[str] = []
    marks: set[str] = set()
    held: list[str] = []
    try:
        status = os.fstat(fd)
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if name in notable:
                    if name == ".git" or name in wanted:
                        held.append(name)
                        found.add(path, name)
                        continue
                    marks.add(name)
                if name not in UNSEARCHED and entry.is_dir(follow_symlinks=False):
                    below.append(name)
        if "HEAD" in marks and ("commondir" in marks or {"objects", "refs"} <= marks) and _is_head(fd):
            found.bare.add(path)
        # A file HEAD can be given another content without a trace in its directory.
        if "HEAD" not in marks and settled(status):
            found.listed[path] = (signature(status), below, tuple(held))
    except OSError:
        return below
    finally:
        os.close(fd)
    return below


def _is_head(fd: int) -> bool:
    """Whether git would take the entry ``HEAD`` for one: a reference, an object's name, or a link into ``refs``."""
    found = read(fd, "HEAD", 4096)
    if found is None:
        # A link may lead into refs, and git takes it; nothing else that cannot be read would pass.
        status = look(fd, "HEAD")
        return status is not None and status.st_mode & 0o170000 == 0o120000
    text = found[0].strip()
    return text.startswith(b"ref:") or (len(text) >= 40 and all(c in b"0123456789abcdefABCDEF" for c in text[:40]))
