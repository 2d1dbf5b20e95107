"""Looks at a ``.git`` entry: which git directory it leads to, and whether that can be trusted.

Knows: gitrepository-layout(5), gitfiles, linked worktrees, submodules.  Must not know: what is done about it.
A ``.git`` file may have been written by an earlier command: it is believed only when what it points to points back.
"""

from __future__ import annotations

import os
import stat

from sidewall.plan import facts as fact
from sidewall.plan.facts import GitFact

_LONGEST = 8192


def examine(path: str, hidden: tuple[str, ...]) -> GitFact:
    """The fact for one ``.git`` entry; ``hidden`` are paths that must never be opened through it."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        return GitFact(path=path, kind=fact.OTHER, problem=f"cannot be looked at: {error.strerror}")
    if stat.S_ISLNK(mode):
        return GitFact(path=path, kind=fact.SYMLINK, problem="is a symbolic link; git is read-only there")
    if stat.S_ISDIR(mode):
        # An unfinished or odd one becomes a layer of its own too: nothing in it reaches the host unchecked.
        return GitFact(path=path, kind=fact.DIRECTORY, common=path)
    if not stat.S_ISREG(mode):
        return GitFact(path=path, kind=fact.OTHER, problem="is neither a directory nor a file")
    return _follow(path, hidden)


def _follow(path: str, hidden: tuple[str, ...]) -> GitFact:
    """A gitfile: ``gitdir: <path>``, of a linked worktree or of a submodule."""

    def refuse(problem: str) -> GitFact:
        return GitFact(path=path, kind=fact.FILE, problem=f"{problem}; git is read-only there")

    text = _read(path)
    if not text.startswith("gitdir: "):
        return refuse("is not a gitfile")
    home = os.path.dirname(path)
    directory = os.path.realpath(os.path.join(home, text[8:].rstrip("\r\n")))
    if any(directory == secret or directory.startswith(secret + "/") for secret in hidden):
        return refuse("its gitfile leads to a hidden path")
    back = _read(os.path.join(directory, "gitdir"))
    if back:
        # gitrepository-layout(5): worktrees/<id>/gitdir names the worktree's own gitfile.
        named = back.rstrip("\r\n")
        if os.path.realpath(os.path.join(directory, named)) != os.path.realpath(path):
            return refuse("its gitfile leads to a worktree that does not point back")
        common = _read(os.path.join(directory, "commondir")).rstrip("\r\n")
        if not common:
            return refuse("its gitfile leads to a worktree without a commondir")
        directory = os.path.realpath(os.path.join(directory, common))
    elif not _module_of(directory, home):
        return refuse("its gitfile leads to a repository that does not point back")
    if not _looks_like_git(directory):
        return refuse("its gitfile leads to no git directory")
    outer = _enclosing(directory)
    return GitFact(path=path, kind=fact.FILE, common=outer)


def _module_of(directory: str, home: str) -> bool:
    """Whether a submodule's git directory has this worktree: its ``core.worktree`` leads back to ``home``."""
    for line in _read(os.path.join(directory, "config")).splitlines():
        key, _, value = line.strip().partition("=")
        if key.strip().lower() == "worktree":
            return os.path.realpath(os.path.join(directory, value.strip().strip('"'))) == os.path.realpath(home)
    return False


def _enclosing(directory: str) -> str:
    """The outermost ``.git`` that holds a submodule's git directory, so that one layer serves both."""
    position = directory.find("/.git/modules/")
    return directory[: position + 5] if position >= 0 else directory


def _looks_like_git(directory: str) -> bool:
    return (os.path.isfile(os.path.join(directory, "HEAD")) and os.path.isdir(os.path.join(directory, "objects"))
            and os.path.isdir(os.path.join(directory, "refs")))


def _read(path: str) -> str:
    """A small regular file's text, '' when it is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _LONGEST).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)
