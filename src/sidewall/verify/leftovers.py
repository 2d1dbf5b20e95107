"""How a scene goes away: at its end, or by the next one when its owner was killed.

Knows: where a scene puts things, how to see whether its owner lives.  Must not know: what they are for.

The owner holds a lock on a file in the scene's directory, which the system gives back however the owner ends.  What is
not a file ends with the processes of the scene, or is forgotten by name.  Each name begins with the owner's number.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time

from sidewall.errors import MachineError

PREFIX = ".sidewall-verify-"
ROOT = os.environ.get("SYSTEMDRIVE", "C:") + "\\"
SHARED = (tempfile.gettempdir(), ROOT if sys.platform == "win32" else "/dev/shm")
"""Places beside the scene's directory in which it has files; their names begin with the scene's."""
_LOCK, _STOP = "lock", "stop"
_FRESH_SECONDS = 60
"""A directory without a lock is so new that its owner is just about to take one."""


def owned(process: int) -> str:
    """What the names of everything begin with that the scenes of this process have."""
    return f"{PREFIX[1:]}{process}-"


def fresh(place: str) -> str:
    """The directory of a new scene of this process, in ``place``; it is not made."""
    return os.path.join(place, f".{owned(os.getpid())}{secrets.token_hex(6)}")


def name(base: str) -> str:
    """What everything of a scene is called after."""
    return os.path.basename(base).lstrip(".")


def hold(base: str) -> int:
    """A descriptor that says that the owner of the scene lives, until it is closed."""
    descriptor = os.open(os.path.join(base, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _abandoned(base: str) -> bool:
    lock = os.path.join(base, _LOCK)
    try:
        if sys.platform == "win32":
            os.remove(lock)  # refused while it is open
            return True
        else:
            import fcntl

            descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)
            return True
    except FileNotFoundError:
        try:
            return time.time() - os.stat(base).st_mtime > _FRESH_SECONDS
        except OSError:
            return False
    except OSError:
        return False


def remove(base: str) -> None:
    """Takes a scene away; what an attempt left running has ended then.  Raises MachineError when anything stays."""
    if os.path.isdir(base):
        with open(os.path.join(base, _STOP), "w", encoding="ascii"):
            pass
    if sys.platform != "win32":
        from sidewall.verify import strays

        strays.wait(name(base))
    for place in SHARED:
        try:
            found = [each for each in os.listdir(place) if each.startswith(name(base))]
        except OSError:
            continue
        for each in found:
            path = os.path.join(place, each)
            try:
                os.rmdir(path) if os.path.isdir(path) else os.remove(path)
            except OSError:
                pass
    if sys.platform == "win32":
        from sidewall.verify import scene_windows as own
    else:
        from sidewall.verify import scene_linux as own
    own.forget(name(base))
    for _ in range(300):
        shutil.rmtree(base, ignore_errors=True)
        if not os.path.lexists(base):
            return
        _unlock(base)
        time.sleep(0.03)
    raise MachineError(f"{base} cannot be removed", hint="remove it by hand")


def _unlock(directory: str) -> None:
    """Takes back modes that would keep files from being removed."""
    for folder, folders, files in os.walk(directory):
        for each in (*folders, *files):
            path = os.path.join(folder, each)
            try:
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
            except OSError:
                pass


def sweep(place: str) -> None:
    """Takes away what killed owners left in this directory.  What is another user's stays."""
    for each in os.listdir(place):
        base = os.path.join(place, each)
        if each.startswith(PREFIX) and _ours(base) and _abandoned(base):
            try:
                remove(base)
            except (MachineError, OSError):
                pass


def _ours(base: str) -> bool:
    try:
        info = os.lstat(base)
    except OSError:
        return False
    return sys.platform == "win32" or (info.st_uid == os.geteuid() and not os.path.islink(base))
