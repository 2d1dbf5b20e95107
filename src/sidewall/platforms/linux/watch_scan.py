"""Looks through a writable root, breadth first and within bounds, for what the watcher watches.

Knows: protected names, ``.git`` entries, directories that git takes for a repository without being called ``.git``.
Must not know: what is done about them.
Follows: gitrepository-layout(5).  Every directory is opened below the one that holds it, never through a link.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.facts import MOST_DIRECTORIES, UNSEARCHED
from sidewall.platforms.linux.listings import GIT_MARKS
from sidewall.platforms.linux.watch_record import (
    OPEN_DIRECTORY,
    look,
    open_directory,
    read,
    settled,
    signature,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sidewall.platforms.linux.watch_notices import Heard, Notices
    from sidewall.platforms.linux.watch_record import Signature

    Known = tuple[Signature, list[str], tuple[str, ...]]

MOST_AT_THE_END = 10 * MOST_DIRECTORIES
"""A command may have made many directories to hide one: the search at the end goes further than the first."""
DEEPEST = 100
_MOST_WAITING = 20
MOST_ASIDE = 100_000
"""How many directories of packages, and of those that were too many before, the search at the end goes through for
repositories: git looks into one wherever an index names it, so none may be passed over there."""

STORES = frozenset(("objects", "refs", "logs"))
TICK_NS = 3_000_000_000
"""By so much a change time may lie before the clock's."""


class Survey:
    """What was found, as paths relative to the root ('' for the root itself).

    ``names`` are entries with a protected name; ``git`` entries called ``.git``; ``bare`` directories that are a git
    directory by what they hold.  ``directories`` were seen, ``searched`` also looked through, ``closed`` may not be,
    ``opened`` could not be before, ``aside`` were passed over.  ``listed`` says of searched directories how to tell
    that they are unchanged, which directories are in them, and what was found in them.

    ``heard`` are the directories that were listened to before they were looked at, ``heard_before`` those of the search
    before.  ``counting`` says of devices whether a directory's links count the directories in it.  ``certain``: what
    was found follows from the entries and modes of the directories.
    """

    __slots__ = ("_closed_before", "aside", "bare", "certain", "closed", "complete", "counting", "directories", "git",
                 "heard", "heard_before", "listed", "names", "opened", "searched")

    def __init__(self, closed_before: set[str] | None = None) -> None:
        self._closed_before = closed_before
        self.names: set[str] = set()
        self.git: set[str] = set()
        self.bare: set[str] = set()
        self.directories: set[str] = set()
        self.searched: set[str] = set()
        self.closed: set[str] = set()
        self.opened: set[str] = set()
        self.aside: list[str] = []
        self.listed: dict[str, tuple[Signature, list[str], tuple[str, ...]]] = {}
        self.counting: dict[int, bool] = {}
        self.heard: dict[str, Heard] = {}
        self.heard_before: dict[str, Heard] = {}
        self.complete = self.certain = True

    def add(self, path: str, name: str) -> None:
        """Something was found in the directory ``path``."""
        (self.git if name == ".git" else self.names).add(join(path, name))

    def open(self, above: int, name: str, path: str) -> int:
        """A descriptor of a directory.  Closed to listing, it would hide what git and editors find in it by name: so
        with ``closed_before`` one that is not among those is opened to its owner again.  Raises OSError."""
        try:
            try:
                return os.open(name, OPEN_DIRECTORY, dir_fd=above)
            except PermissionError:
                if self._closed_before is None or path in self._closed_before:
                    raise
            fd = open_directory(above, name)
        except PermissionError:
            self.closed.add(path)
            raise
        self.opened.add(path)
        return fd

    def saw(self, path: str) -> bool:
        """Whether this directory was there."""
        return not path or path in self.directories


def join(parent: str, name: str) -> str:
    """A relative path, where '' is the root."""
    return f"{parent}/{name}" if parent else name


def survey(root: int, names: tuple[str, ...], *, before: Survey | None = None, last: Survey | None = None,
           since_ns: int = 0, notices: Notices | None = None, made: Mapping[str, Known] | None = None,
           held: Collection[str] | None = None) -> Survey:
    """Looks through the directory ``root``.

    With ``held``, what has a protected name is looked through too, unless it is among these: a new one that stays where
    it is may be a repository, or hold one.

    With ``made``, listings of plain directories that others have just made: those of unchanged ones are taken.

    With ``before``, an earlier survey, what is found and is not in ``before`` is new: what it saw but did not look
    through is passed over.  Directories that did not change since then, or since ``last``, a later one, are not listed
    again (the directories in those may have changed); where a change time can be set, or is not kept, all are.

    With ``since_ns`` the search goes aside too, where it does not go else: into directories of packages, and what was
    passed over.  There it finds git directories only, and of those the ones that were touched after that time.  And it
    opens directories that a command closed, which only the end may do: programs close some to see what happens.

    With ``notices`` directories are listened to from now on, each before it is looked at.
    """
    found = Survey(before.closed if before is not None and since_ns else None)
    if last is not None:
        found.heard_before = last.heard
    asides = 0
    most = MOST_DIRECTORIES if before is None else MOST_AT_THE_END
    passed: set[str] = set() if before is None or before.complete else before.directories - before.searched
    wanted = frozenset(names)
    notable = wanted | GIT_MARKS | {".git"}
    tree = gitfiles.Tree(root)
    device = os.fstat(root).st_dev if before is None or _keeps_times(root) else None
    # Directories wait in groups of siblings, so that the one above is opened once for all of them.
    waiting: list[tuple[str, list[str], bool]] = [("", [""], False)]
    try:
        for parent, children, packages in waiting:
            try:
                above = tree.directory(parent)
            except OSError:
                found.certain = False
                continue
            for child in children:
                path = join(parent, child) if child else ""
                if packages or child in UNSEARCHED or path in passed:
                    if not since_ns:
                        found.aside.append(path)
                        continue
                    asides += 1
                    if asides > MOST_ASIDE or path.count("/") >= DEEPEST:
                        found.complete = False
                        continue
                    below = aside(above, child, path, since_ns - TICK_NS, found)
                    if below:
                        waiting.append((path, below, True))
                    continue
                if len(found.searched) >= most:
                    found.complete = False
                    if not since_ns:
                        return found
                    below = aside(above, child or ".", path, since_ns - TICK_NS, found)
                    if below:
                        waiting.append((path, below, True))
                    continue
                found.searched.add(path)
                known = last.listed.get(path) if last is not None else None
                if known is None and before is not None:
                    known = before.listed.get(path)
                same = known is not None and _unchanged(above, child or ".", known[0], device)
                if notices is not None and not (same and known and notices.reuse(path, known[0], found)):
                    notices.add(above, child or ".", path, found)
                    same = known is not None and _unchanged(above, child or ".", known[0], device)
                if known is not None and same:
                    found.listed[path] = known
                    for name in known[2]:
                        found.add(path, name)
                    if known[1]:
                        waiting.append((path, known[1], False))
                    continue
                just_made = made.get(path) if made else None
                if just_made is not None and _unchanged(above, child or ".", just_made[0], device):
                    found.listed[path] = just_made
                    for name in just_made[2]:
                        found.add(path, name)
                    below = just_made[1]
                else:
                    below = _search(above, child or ".", path, wanted, notable, found, held)
                if path in found.bare and (before is None or path in before.bare or not before.saw(path)):
                    # Only of a git directory that was always one: a command could make the user's look like one.
                    stores = [name for name in below if name in STORES] if since_ns else []
                    below = [name for name in below if name not in STORES]
                    if stores:
                        waiting.append((path, stores, True))
                if path in found.listed:
                    found.listed[path] = (found.listed[path][0], below, found.listed[path][2])
                if not below:
                    continue
                if path.count("/") >= DEEPEST or len(found.directories) + len(below) > _MOST_WAITING * most:
                    found.complete = False
                    found.listed.pop(path, None)
                    continue
                found.directories.update([join(path, name) for name in below])
                waiting.append((path, below, False))
    finally:
        tree.release()
    return found


def _unchanged(above: int, name: str, known: Signature, device: int | None) -> bool:
    """Whether a directory is as it was, as far as the file system ``device`` can say."""
    try:
        status = look(above, name)
    except OSError:
        return False
    return status is not None and status.st_dev == device and signature(status) == known


def _search(above: int, name: str, path: str, wanted: frozenset[str], notable: frozenset[str],
            found: Survey, held: Collection[str] | None) -> list[str]:
    """Adds what one directory holds; the directories in it that are to be looked through."""
    try:
        fd = found.open(above, name, path)
    except OSError:
        found.certain = False
        return []
    below: list[str] = []
    marks: set[str] = set()
    here: list[str] = []
    try:
        status = os.fstat(fd)
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if name in notable:
                    if name == ".git" or name in wanted:
                        here.append(name)
                        found.add(path, name)
                        if name == ".git" or held is None or join(path, name) in held:
                            continue
                    else:
                        marks.add(name)
                if entry.is_dir(follow_symlinks=False):
                    below.append(name)
        if _is_bare(fd, marks):
            found.bare.add(path)
        # A file HEAD can be given another content without a trace in its directory.
        if "HEAD" not in marks and settled(status):
            found.listed[path] = (signature(status), below, tuple(here))
        if _may_be_bare(marks):
            found.certain = False
    except OSError:
        found.certain = False
        return below
    finally:
        os.close(fd)
    return below


def aside(above: int, name: str, path: str, since_ns: int, found: Survey,
          notices: Notices | None = None) -> list[str]:
    """Adds one directory that is a git directory or has one called ``.git``, if that was touched; the directories
    in it.  ``above`` is a descriptor of the directory that holds it.  Never raises OSError."""
    from sidewall.platforms.linux.watch_touch import touched

    below: list[str] = []
    marks: set[str] = set()
    try:
        status = look(above, name)
        if notices is not None and status is not None and not notices.reuse(path, signature(status), found):
            notices.add(above, name, path, found, timed=True)
            status = look(above, name)
        if status is None:
            return below
        if (status.st_nlink == 2 and status.st_ctime_ns < since_ns and not _may_lead(above, name)
                and _counts(above, status.st_dev, found)):
            # Nothing came into it, no directory is in it, and nothing that a new content makes a repository.
            return below
        fd = found.open(above, name, path)
    except OSError:
        found.certain = False
        return below
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.name == ".git":
                    # What is in it may be touched without a notice.
                    found.certain = False
                    if touched(fd, entry.name, since_ns):
                        found.git.add(join(path, entry.name))
                    continue
                if entry.name in GIT_MARKS:
                    marks.add(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
        if _may_be_bare(marks):
            found.certain = False
        if _is_bare(fd, marks) and touched(above, name, since_ns):
            found.bare.add(path)
    except OSError:
        found.certain = False
        return below
    finally:
        os.close(fd)
    return below


def _keeps_times(root: int) -> bool:
    # Late: the first search, which others wait for, has no listings but those that are made where it is so.
    from sidewall.platforms.linux.watch_trust import keeps_times

    return keeps_times(root)


def _counts(above: int, device: int, found: Survey) -> bool:
    known = found.counting.get(device)
    if known is None:
        from sidewall.platforms.linux.watch_trust import counts_directories

        known = found.counting[device] = counts_directories(above, device)
    return known


def _may_lead(above: int, name: str) -> bool:
    """Whether a directory holds a file by whose content git takes it for a repository, or finds one."""
    return any(os.access(f"{name}/{mark}", os.F_OK, dir_fd=above, follow_symlinks=False) for mark in ("HEAD", ".git"))


def _is_bare(fd: int, marks: set[str]) -> bool:
    """Whether git would take a directory that holds ``marks`` for a repository."""
    return _may_be_bare(marks) and _is_head(fd)


def _may_be_bare(marks: set[str]) -> bool:
    return "HEAD" in marks and ("commondir" in marks or {"objects", "refs"} <= marks)


def _is_head(fd: int) -> bool:
    """Whether git would take the entry ``HEAD`` for one: a reference, an object's name, or a link into ``refs``."""
    found = read(fd, "HEAD", 4096)
    if found is None:
        # A link may lead into refs, and of a long file git reads the beginning only.
        status = look(fd, "HEAD")
        return status is not None and (stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode))
    text = found[0].strip()
    return text.startswith(b"ref:") or (len(text) >= 40 and all(c in b"0123456789abcdefABCDEF" for c in text[:40]))
