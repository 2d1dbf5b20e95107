"""What a command may write in a git directory, and git later obeys: the index, and the state of an interrupted rebase.

Knows: that `git checkout -- .` writes to whatever path the index names, also to `.git/hooks`, and that `git rebase
--continue` runs the `exec` lines of its list.  Must not know: the formats (``gitindex``, ``gitsequence``), which git
directories there are; references (``watch_refs``), recorded resolutions (``watch_resolutions``).

What cannot do harm stays as it is; the rest is taken away, and git goes on without: `git reset` makes another index.
"""

from __future__ import annotations

import os
import re
import stat

from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux.watch_record import look, open_directory, read, settled, signature
from sidewall.platforms.linux.watch_refs import References
from sidewall.platforms.linux.watch_resolutions import Resolutions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_record import Signature
    from sidewall.platforms.linux.watch_restore import Restorer

GROUPS = ("rebase-merge", "rebase-apply", "sequencer")
BISECT = {"BISECT_NAMES": "bisect-names", "BISECT_START": "bisect-start", "BISECT_TERMS": "bisect-terms"}
"""Older versions of git give these to a shell (git-bisect.sh)."""
LARGEST_INDEX = 256 << 20
LARGEST_STATE = 64 << 20
MOST_FILES = 10_000
_SHA256 = re.compile(rb"(?im)^\s*objectformat\s*=\s*\"?sha256")


class State:
    """The index, references, resolutions and interrupted operations of one git directory: those found right, or there
    before."""

    __slots__ = ("_known", "_references", "_resolutions")

    def __init__(self) -> None:
        self._known: dict[str, tuple[Signature, ...]] = {}
        self._references = References()
        self._resolutions = Resolutions()

    def record(self, fd: int) -> None:
        """Remembers what there is in the git directory ``fd``: it is the user's.  Never raises OSError."""
        for name in ("index", *GROUPS, *BISECT):
            try:
                found = _signatures(fd, name)
            except OSError:
                continue
            if found:
                self._known[name] = found
        self._resolutions.record(fd)
        tree = gitfiles.Tree(fd)
        try:
            self._references.record(tree)
        finally:
            tree.release()

    def check(self, fd: int, path: str, restorer: Restorer, *, config: int) -> None:
        """Takes away what git would come to harm by.  ``path`` is what people call the git directory, ``config`` a
        descriptor of the one that has its configuration.  Never raises OSError."""
        for name in ("index", *GROUPS, *BISECT):
            with restorer.guard(f"{path}/{name}"):
                self._one(fd, name, path, restorer, config)
        self._resolutions.check(fd, path, restorer)
        tree = gitfiles.Tree(fd)
        try:
            self._references.check(tree, path, restorer)
        finally:
            tree.release()

    def _one(self, fd: int, name: str, path: str, restorer: Restorer, config: int) -> None:
        found = _signatures(fd, name)
        if not found:
            self._known.pop(name, None)
            return
        if self._known.get(name) == found:
            return
        if name in BISECT:
            problem = _bisect(fd, name)
        else:
            problem = _index(fd, name, config, restorer, path) if name == "index" else _group(fd, name)
        if problem:
            self._known.pop(name, None)
            restorer.take(fd, name, f"{path}/{name}", problem)
        elif _young(fd, name):
            # Another change may not show.
            self._known.pop(name, None)
        else:
            self._known[name] = found


def _signatures(fd: int, name: str) -> tuple[Signature, ...]:
    """What tells that nothing changed; () when there is nothing.  Raises OSError."""
    status = look(fd, name)
    if status is None:
        return ()
    if not stat.S_ISDIR(status.st_mode):
        return (signature(status),)
    found = [signature(status)]
    inner = open_directory(fd, name)
    try:
        for child in sorted(os.listdir(inner)[:MOST_FILES]):
            below = look(inner, child)
            if below is not None:
                found.append(signature(below))
    finally:
        os.close(inner)
    return tuple(found)


def _young(fd: int, name: str) -> bool:
    status = look(fd, name)
    return status is not None and not settled(status)


def _index(fd: int, name: str, config: int, restorer: Restorer, path: str) -> str:
    """Why an index is not left where it is; '' when it is."""
    from sidewall.platforms.linux import gitindex

    found = read(fd, name, LARGEST_INDEX)
    if found is None:
        return "it cannot be read as an index"
    text = read(config, "config")
    hash_name = "sha256" if text is not None and _SHA256.search(text[0]) else "sha1"
    try:
        index = gitindex.read(found[0], hash_name)
    except gitindex.Unknown:
        # Its paths were checked; git itself passes over such an extension or gives up.
        return ""
    except gitindex.Rejected as error:
        return f"it is no index that git would write: {error}"
    if index.shared and name == "index":
        shared = f"sharedindex.{index.shared}"
        problem = _index(fd, shared, config, restorer, path) if look(fd, shared) is not None else ""
        if problem:
            restorer.take(fd, shared, f"{path}/{shared}", problem)
            return "the index that it shares was taken away"
    return ""


def _bisect(fd: int, name: str) -> str:
    """Why a file of a search by halves is not left where it is; '' when it is."""
    from sidewall.platforms.linux import gitrules

    found = read(fd, name, gitrules.TEXT_LIMIT)
    return "it cannot be read" if found is None else gitrules.check(BISECT[name], found[0])


def _group(fd: int, name: str) -> str:
    """Why the state of an operation is not left where it is; '' when it is."""
    from sidewall.platforms.linux import gitsequence

    status = look(fd, name)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return "it is no state that git would keep" if status is not None else ""
    inner = open_directory(fd, name)
    try:
        names = os.listdir(inner)
        if len(names) > MOST_FILES:
            return "very many entries in it"
        for child in names:
            found = read(inner, child, LARGEST_STATE)
            if found is None:
                return f"{child} in it cannot be read"
            problem = gitsequence.check(name, child, found[0])
            if problem:
                return f"git would obey it: {problem}"
    except gitfiles.Refused as error:
        return str(error)
    finally:
        os.close(inner)
    return ""
