"""Landlock: making a ruleset and entering its domain (``confine`` asks for the running kernel's ABI).

Knows: Documentation/userspace-api/landlock.rst.  Must not know: policy.  A domain once entered is for ever.
"""

from __future__ import annotations

import os
import stat
import struct

from sidewall.platforms.linux import syscalls
from sidewall.platforms.linux.syscalls import bound, call

RULE_PATH_BENEATH = 1

# EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE and IOCTL_DEV.
_ON_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15


_RULESET = struct.Struct("=QQQ")
"""struct landlock_ruleset_attr: what is handled of files, network and scopes."""

_PATH_BENEATH = struct.Struct("=Qi")
"""struct landlock_path_beneath_attr, packed: rights and a descriptor."""

_add_rule = bound("landlock_add_rule", "llsl")


def restrict(version: int, fs: int, net: int, scope: int, rules: list[tuple[bytes, int]]) -> None:
    """Enters a new domain: handled rights ``fs``, ``net``, ``scope``; each rule grants rights below a path.

    A rule's path that is gone is left out (less is granted).  Needs no_new_privs.  Raises OSError.
    """
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = call("landlock_create_ruleset", _RULESET.pack(fs, net, scope), size, 0)
    try:
        for path, access in rules:
            try:
                descriptor = syscalls.openat2(syscalls.AT_FDCWD, path, os.O_PATH, resolve=syscalls.RESOLVE_NO_SYMLINKS)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, error.filename, None, path) from None
            try:
                granted = access & fs
                if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    # The kernel refuses a directory's rights on anything else (EINVAL).
                    granted &= _ON_FILES
                _add_rule(ruleset, RULE_PATH_BENEATH, _PATH_BENEATH.pack(granted, descriptor), 0)
            finally:
                os.close(descriptor)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)
