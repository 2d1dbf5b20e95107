"""Mounts of a cell, built on descriptors: open_tree(2), move_mount(2), mount_setattr(2), fsopen(2).

Knows: how to clone, make, alter and attach a mount.  Must not know: policy, or why a path is chosen.
A path is opened once, without following any symbolic link, and the descriptor is what gets mounted on: nobody can
swap a name between a check and its use (kernel: Documentation/filesystems/path-lookup.rst, openat2(2)).
"""

from __future__ import annotations

import os
import struct

from sidewall.platforms.linux import native, syscalls
from sidewall.platforms.linux.syscalls import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_RECURSIVE,
    RESOLVE_NO_SYMLINKS,
    bound,
)

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSOPEN_CLOEXEC = 1
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE, FSCONFIG_CMD_RECONFIGURE = 0, 1, 6, 7
FSMOUNT_CLOEXEC = 1
FSPICK_CLOEXEC, FSPICK_EMPTY_PATH = 1, 8

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08

MS_REC, MS_PRIVATE, MS_SLAVE = 0x4000, 1 << 18, 1 << 19


_ATTRIBUTES = struct.Struct("=QQQQ")
"""struct mount_attr, mount_setattr(2): set, clear, propagation, userns_fd."""

_open_tree = bound("open_tree", "lsl")
_move_mount = bound("move_mount", "lslsl")
_mount_setattr = bound("mount_setattr", "lslsl")
_fsopen = bound("fsopen", "sl")
_fsconfig = bound("fsconfig", "llssl")
_fsmount = bound("fsmount", "lll")


def propagation(flag: int) -> None:
    """Makes every mount of this namespace private or slave: nothing made here reaches the host."""
    syscalls.check(native.function("mount", "sssLs")(None, b"/", None, MS_REC | flag, None), "mount")


def open_path(path: str | bytes, *, directory: int = AT_FDCWD, flags: int = 0) -> int:
    """An O_PATH descriptor of ``path``; a symbolic link anywhere in it is refused with ELOOP."""
    return syscalls.openat2(directory, path, os.O_PATH | flags, resolve=RESOLVE_NO_SYMLINKS)


def clone(descriptor: int, name: str | bytes = b"", *, recursive: bool = True) -> int:
    """A detached copy of the mount tree at ``descriptor`` (or its entry ``name``): a descriptor of the copy."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | syscalls.AT_SYMLINK_NOFOLLOW
    flags |= AT_EMPTY_PATH if not name else 0
    flags |= AT_RECURSIVE if recursive else 0
    return _open_tree(descriptor, os.fsencode(name), flags)


def set_attributes(descriptor: int, add: int, *, clear: int = 0, recursive: bool = True) -> None:
    """Adds and clears mount attributes of the mount at ``descriptor`` and of all below it."""
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _mount_setattr(descriptor, b"", flags, _ATTRIBUTES.pack(add, clear, 0, 0), _ATTRIBUTES.size)


def set_root_attributes(add: int) -> None:
    """The same for the whole namespace, from the root down, in one call."""
    _mount_setattr(AT_FDCWD, b"/", AT_RECURSIVE, _ATTRIBUTES.pack(add, 0, 0, 0), _ATTRIBUTES.size)


def attach(mount: int, target: int, name: str | bytes = b"") -> None:
    """Puts a detached mount on the directory or file ``target`` (or on its entry ``name``)."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (MOVE_MOUNT_T_EMPTY_PATH if not name else 0)
    _move_mount(mount, b"", target, os.fsencode(name), flags)


def make(kind: str, *options: tuple[str, str | None], attributes: int = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) -> int:
    """A new, detached file system of type ``kind``; options are (name, value) or (flag, None).  A descriptor.

    The descriptor is good for making entries below it before it is attached.
    """
    context = _fsopen(kind.encode(), FSOPEN_CLOEXEC)
    try:
        for name, value in options:
            if value is None:
                _fsconfig(context, FSCONFIG_SET_FLAG, name.encode(), None, 0)
            else:
                _fsconfig(context, FSCONFIG_SET_STRING, name.encode(), os.fsencode(value), 0)
        _fsconfig(context, FSCONFIG_CMD_CREATE, None, None, 0)
        return _fsmount(context, FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(context)


def pick(mount: int) -> int:
    """A handle on the file system of a mount, for ``renew``."""
    return syscalls.call("fspick", mount, b"", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH)


def renew(handle: int) -> None:
    """Remounts a file system as it is: the kernel forgets what it knows of entries that nobody uses just now.

    Good from outside too, for whom the user namespace of the file system belongs to.
    """
    syscalls.call("fsconfig", handle, FSCONFIG_CMD_RECONFIGURE, None, None, 0)


def tmpfs(mode: int, size_bytes: int = 0, *, attributes: int = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) -> int:
    """A new, detached tmpfs."""
    options: list[tuple[str, str | None]] = [("mode", f"{mode:o}")]
    if size_bytes:
        options.append(("size", str(size_bytes)))
    return make("tmpfs", *options, attributes=attributes)
