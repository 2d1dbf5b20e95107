"""Removes a directory with all that a command put into it, of any depth and with any permissions.

Knows: how a tree is taken apart without a path that grows or a call for each level.  Must not know: why it must go.
Follows: unlink(2), rename(2) (a directory that moves elsewhere must be writable itself).

A command can nest directories deeper than a path may be long, and deeper than an interpreter recurses.  So what lies
in the directories of the top is moved up into the top, level by level, and nothing is ever opened but there.
"""

from __future__ import annotations

import os

from sidewall.platforms.linux.watch_record import grant, open_directory


def remove_tree(above: int, name: str) -> bool:
    """Removes the entry ``name`` of the directory ``above``; no link is followed.  Whether nothing is left of it."""
    try:
        if _unlink(name, above):
            return True
        top = open_directory(above, name)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        _empty(top)
    except OSError:
        return False
    finally:
        os.close(top)
    return _remove_directory(name, above)


def _empty(top: int) -> None:
    """Removes what is in ``top`` as far as that can be.  Raises OSError when it cannot be listed."""
    stem = os.urandom(8).hex()
    moved, stuck = 0, 0
    while len(names := os.listdir(top)) > stuck:
        stuck = 0
        for name in names:
            try:
                if _unlink(name, top):
                    continue
                inner = open_directory(top, name)
            except OSError:
                stuck += 1
                continue
            try:
                for child in os.listdir(inner):
                    if not _unlink(child, inner):
                        grant(inner, child)
                        moved += 1
                        os.rename(child, f"{stem}-{moved}", src_dir_fd=inner, dst_dir_fd=top)
            except OSError:
                stuck += 1
                continue
            finally:
                os.close(inner)
            if not _remove_directory(name, top):
                stuck += 1


def _unlink(name: str, above: int) -> bool:
    """Removes what is no directory; False for a directory.  Raises OSError."""
    try:
        os.unlink(name, dir_fd=above)
    except IsADirectoryError:
        return False
    return True


def _remove_directory(name: str, above: int) -> bool:
    try:
        os.rmdir(name, dir_fd=above)
    except OSError:
        return False
    return True
