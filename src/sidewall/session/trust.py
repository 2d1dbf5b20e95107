"""Which project files the user trusts: exactly this content at exactly this place.

Knows: the list ``trust.json`` in Sidewall's state directory.  Must not know: what stands in a project's file.

An entry is the real path of a ``sidewall.toml`` and the SHA-256 of its bytes: a later change, whoever makes it, drops
the trust.  The state directory is denied to every sandbox.
"""

from __future__ import annotations

import errno
import os
import sys

from sidewall.errors import ConfigError, MachineError, UsageError
from sidewall.session import configfiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LIST = "trust.json"
_SCHEMA = 1
_OWN = 0o777 if sys.platform == "win32" else 0o700
"""A new directory's mode.  On Windows it inherits the profile's list: of 0o700 Python makes one that, where a user's
process is an administrator's, leaves out the user himself."""
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def is_trusted(file: str, content: bytes, *, state: str) -> bool:
    """Whether the user trusts this content of this project file.  ``state`` is the state directory.

    Raises ConfigError when the list is there and cannot be read.
    """
    known = entries(state).get(os.path.realpath(file))
    return known is not None and known == _digest(content)


def add(directory: str, *, file: str, state: str) -> str:
    """Trusts the file called ``file`` in the directory as it is now; gives its real path.

    Raises UsageError when there is none, ConfigError when it or the list cannot be read, MachineError when the list
    cannot be written.
    """
    real = os.path.join(os.path.realpath(directory), file)
    content = configfiles.read(real, must=False, anyone=True)
    if content is None:
        raise UsageError(f"there is no {file} in {directory}", hint="Name the directory that holds it.")
    _change(state, lambda known: known.update({real: _digest(content)}))
    return real


def remove(directory: str, *, file: str, state: str) -> bool:
    """Trusts it no longer; whether it was on the list.  Raises as ``add``."""
    real = os.path.join(os.path.realpath(directory), file)
    if real not in entries(state):
        return False
    _change(state, lambda known: known.pop(real, None))
    return True


def entries(state: str) -> dict[str, str]:
    """Real path and SHA-256 (hexadecimal) of everything on the list.  Raises ConfigError when it cannot be read."""
    name = os.path.join(state, LIST)
    text = configfiles.read(name, must=False, anyone=False)
    if text is None:
        return {}
    import json

    try:
        data = json.loads(text)
        listed = data["trusted"]
        if data["schema"] != _SCHEMA:
            raise ValueError("another version")
        return {str(entry["path"]): str(entry["sha256"]) for entry in listed}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError("is damaged", file=name, hint="Remove it; projects must then be trusted again.") from None


def _digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _change(state: str, change: Callable[[dict[str, str]], object]) -> None:
    """Reads the list, changes it and puts it in place at once, one writer at a time."""
    import json

    name = os.path.join(state, LIST)
    try:
        os.makedirs(state, mode=_OWN, exist_ok=True)
        lock = os.open(name + ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _wait_for(lock)
            known = entries(state)
            change(known)
            data = {"schema": _SCHEMA,
                    "trusted": [{"path": path, "sha256": known[path]} for path in sorted(known)]}
            temporary = f"{name}.{os.getpid()}"
            fd = os.open(temporary, _ANEW, 0o600)
            try:
                os.write(fd, json.dumps(data, indent=1).encode("ascii") + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(temporary, name)
        finally:
            os.close(lock)
    except OSError as error:
        raise MachineError(f"cannot write {name}: {error.strerror}", hint="Make its directory writable.") from None


def _wait_for(lock: int) -> None:
    """Waits until nobody else writes.  Released when the descriptor is closed."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:
        try:
            msvcrt.locking(lock, msvcrt.LK_LOCK, 1)
            return
        except OSError as error:
            if error.errno != errno.EDEADLK:  # what it says after ten seconds in vain
                raise
