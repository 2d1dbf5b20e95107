"""Where configuration and state lie for this user, and how a file of configuration is opened.

Knows: the XDG Base Directory Specification and its like on Windows, who may own a file that is obeyed.  Must not know:
what stands in a file, or which layer outranks which.

A file that is not there says nothing.  A file that is there and cannot be read in full stops everything.
"""

from __future__ import annotations

import os
import stat
import sys

from sidewall.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MACHINE_FILE = "/etc/sidewall/config.toml"
CONFIG_FILE = "config.toml"
MOST_BYTES = 1 << 18
"""Longer files are refused."""


def home(variables: Mapping[str, str]) -> str:
    """The user's home directory: by the environment when that is absolute, else by the user database."""
    name = variables.get("USERPROFILE" if os.name == "nt" else "HOME", "")
    if os.path.isabs(name) and "\0" not in name:
        return name
    found = os.path.expanduser("~")
    return found if os.path.isabs(found) else "/nonexistent"


def machine_file() -> str:
    """The file of the machine's administrator; no variable says where it is.  Raises MachineError on Windows."""
    if os.name == "nt":
        from sidewall.platforms.windows import machine_config

        return machine_config.native()[1]
    return MACHINE_FILE


def read_machine(name: str) -> bytes | None:
    """The bytes of the administrator's file; None when there is none.  Raises ConfigError: somebody else can have
    written it."""
    if os.name == "nt":
        from sidewall.platforms.windows import machine_config

        return machine_config.read(machine_config.native()[0], name)
    return read(name, must=False, anyone=False)


def config_home(variables: Mapping[str, str], home: str) -> str:
    """The directory of the user's configuration (XDG Base Directory Specification; a relative value is ignored)."""
    variable, otherwise = ("APPDATA", "AppData\\Roaming") if os.name == "nt" else ("XDG_CONFIG_HOME", ".config")
    name = variables.get(variable, "")
    return os.path.join(name if os.path.isabs(name) else os.path.join(home, otherwise), "sidewall")


def state_home(variables: Mapping[str, str], home: str) -> str:
    """The directory of Sidewall's own state."""
    if os.name == "nt":
        name = variables.get("LOCALAPPDATA", "")
        return os.path.join(name if os.path.isabs(name) else os.path.join(home, "AppData\\Local"), "sidewall", "state")
    name = variables.get("XDG_STATE_HOME", "")
    return os.path.join(name if os.path.isabs(name) else os.path.join(home, ".local/state"), "sidewall")


def read(name: str, *, must: bool, anyone: bool) -> bytes | None:
    """A configuration file's bytes; None when there is none and none ``must`` be there.

    With ``anyone`` (a project's file) its owner does not matter, and a link in the last place is not followed; without,
    the file must belong to root or to this user and not be writable by everybody (on Windows: belong to this user or
    an administrator, and be writable by nobody else).  Never waits for a pipe.
    Raises ConfigError.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    if anyone:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(name, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must or os.path.islink(name):
            raise ConfigError(f"cannot be read: {error.strerror}", file=name, hint="Name a file that exists.") from None
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        if anyone and os.path.islink(name):
            raise ConfigError("is a symbolic link", file=name, hint="Put the file itself there.") from None
        raise ConfigError(f"cannot be read: {why}", file=name, hint="Make it readable, or remove it.") from None
    try:
        info = os.fstat(fd)
        if anyone and stat.S_ISDIR(info.st_mode) and not os.listdir(name):
            return None  # a cell at work in the same workspace holds the name so that nothing can be put there
        if not stat.S_ISREG(info.st_mode):
            raise ConfigError("is not a regular file", file=name, hint="Put a file there, or remove it.")
        if info.st_size > MOST_BYTES:
            raise ConfigError(f"is longer than {MOST_BYTES} bytes", file=name, hint="Is this the right file?")
        if not anyone:
            _check_owner(name, fd, info)
        pieces = []
        while piece := os.read(fd, MOST_BYTES + 1):
            pieces.append(piece)
            if sum(map(len, pieces)) > MOST_BYTES:
                raise ConfigError(f"is longer than {MOST_BYTES} bytes", file=name, hint="Is this the right file?")
        return b"".join(pieces)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=name, hint="Make it readable.") from None
    finally:
        os.close(fd)


def _check_owner(name: str, fd: int, info: os.stat_result) -> None:
    """Refuses a trusted layer's file that another user may have written."""
    if sys.platform == "win32":
        from sidewall.platforms.windows import api, descriptors, user_config

        user_config.check(api.native(), descriptors.handle_of(fd), name)
    else:
        if info.st_uid not in (0, os.geteuid()):
            raise ConfigError("belongs to another user", file=name, hint="Take it over with chown, or remove it.")
        if info.st_mode & stat.S_IWOTH:
            raise ConfigError("can be written by everybody", file=name, hint="Run chmod o-w on it.")
