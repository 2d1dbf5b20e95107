"""Paths as the kernel takes them, and what kind a reparse point is.

Knows: the prefix for paths of any length ("Naming Files, Paths, and Namespaces"), tags of ``ntifs.h``.  Must not know:
any file.
"""

from __future__ import annotations

from sidewall.plan.world import APP_LINK, CLOUD, JUNCTION, OTHER_REPARSE, SYMLINK, WSL_LINK
from sidewall.platforms.windows.constants_files import (
    IO_REPARSE_TAG_APPEXECLINK,
    IO_REPARSE_TAG_MOUNT_POINT,
    IO_REPARSE_TAG_SYMLINK,
)
from sidewall.policy import paths

_TAGS = {IO_REPARSE_TAG_SYMLINK: SYMLINK, IO_REPARSE_TAG_MOUNT_POINT: JUNCTION, IO_REPARSE_TAG_APPEXECLINK: APP_LINK,
         0xA000001D: WSL_LINK}
_CLOUD, _CLOUD_DIGIT = 0x9000001A, 0xF000


def verbatim(path: str) -> str:
    """A path for the kernel as it is: of any length, no part of it read as anything else."""
    if path.startswith("\\\\?\\") or not paths.is_absolute(path, paths.WINDOWS):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path


def plain(path: str) -> str:
    """The same without the prefix."""
    if path.startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


def reparse_kind(tag: int) -> str:
    """The word of ``plan.world`` for a tag.  The cloud's sixteen tags differ in one digit."""
    return CLOUD if tag & ~_CLOUD_DIGIT == _CLOUD else _TAGS.get(tag, OTHER_REPARSE)


__all__ = ["plain", "reparse_kind", "verbatim"]
