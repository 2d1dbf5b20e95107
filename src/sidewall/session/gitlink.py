"""Where the ``.git`` file of a linked worktree or a submodule leads, when both ends agree.

Knows: gitrepository-layout(5): ``gitdir`` files, ``core.worktree``.  Must not know: what may be written there.
"""

from __future__ import annotations

import os
import stat

_MOST = 1 << 16


def directory(link: str) -> str:
    """The git directory that holds objects and references for the working tree of this ``.git`` file.

    '' unless the place it names is a git directory of this user that names the working tree in turn, as git itself
    leaves them: a linked worktree through its ``gitdir`` file, a submodule through ``core.worktree``.
    """
    text = _text(link)
    if not text.startswith("gitdir:"):
        return ""
    here = os.path.dirname(link)
    place = os.path.realpath(os.path.join(here, text.removeprefix("gitdir:").strip()))
    if not place or "\n" in text.strip() or not _is_ours(place):
        return ""
    parent = os.path.dirname(place)
    if os.path.basename(parent) == "worktrees":
        back = _text(os.path.join(place, "gitdir")).strip()
        common = os.path.dirname(parent)
        if back and os.path.realpath(os.path.join(place, back)) == os.path.realpath(link) and _is_ours(common):
            return common
        return ""
    if f"{os.sep}modules{os.sep}" in place and _worktree(place) == os.path.realpath(here):
        return place
    return ""


def _text(name: str) -> str:
    """The text of a small regular file; '' when it cannot be read."""
    try:
        fd = os.open(name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                     | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        data = os.read(fd, _MOST + 1)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return "" if len(data) > _MOST or b"\0" in data else os.fsdecode(data)


def _is_ours(place: str) -> bool:
    """Whether it is a git directory, or the part of one that belongs to a worktree, and this user's."""
    try:
        info = os.lstat(place)
        head = os.lstat(os.path.join(place, "HEAD"))
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or info.st_uid == os.geteuid()
    return stat.S_ISDIR(info.st_mode) and not stat.S_ISDIR(head.st_mode) and mine


def _worktree(place: str) -> str:
    """The real path in ``core.worktree`` of a git directory; '' for none."""
    section = ""
    for line in _text(os.path.join(place, "config")).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]").strip().lower()
        elif section == "core":
            name, mark, value = line.partition("=")
            if mark and name.strip().lower() == "worktree":
                return os.path.realpath(os.path.join(place, value.strip().strip('"')))
    return ""
