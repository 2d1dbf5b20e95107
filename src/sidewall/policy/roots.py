"""Which directories must never become writable: volume roots, the system's, shared ones, the home directory itself.

Knows: the Filesystem Hierarchy Standard 3.0, systemd's file-hierarchy(7), the layout of Windows volumes and profiles.
Must not know: what exists, who owns it.

A writable root of that kind would hand over the machine, or every project at once, and no protected name inside it
would be worth anything: start-up files of the shell, of the desktop and of the system lie there.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import paths

_TREE_NAMES = (
    "/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /proc /run /sbin /sys /usr/bin /usr/sbin /usr/lib /usr/lib32 "
    "/usr/lib64 /usr/libexec /usr/include /usr/share /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/libexec "
    "/usr/local/etc /snap /nix/store /gnu/store /var/lib/dpkg /var/lib/rpm /var/lib/systemd /var/lib/docker "
    "/var/lib/containers /var/spool/cron /var/run /var/lock /lost+found"
)
_TREES = tuple(_TREE_NAMES.split())
"""Not these, nor anything in them."""
_EXACT_NAMES = (
    "/home /root /mnt /media /opt /srv /tmp /usr /usr/local /usr/src /usr/local/src /usr/local/share /var /var/backups "
    "/var/cache /var/lib /var/local /var/log /var/mail /var/opt /var/spool /var/tmp /var/www "
    "/nix /gnu /Users /Volumes"
)
_EXACT = frozenset(_EXACT_NAMES.split())
"""Not these; a directory in them may be a project."""
_PRIVATE = frozenset(("/tmp", "/var/tmp"))
_REMOVABLE = "/run/media/"

_WINDOWS_TREES = (
    "windows", "program files", "program files (x86)", "programdata\\microsoft", "programdata\\package cache",
    "system volume information", "$recycle.bin", "$winreagent", "recovery", "boot", "efi", "config.msi", "perflogs",
    "windows.old",
)
_WINDOWS_EXACT = frozenset(("users", "users\\public", "users\\default", "programdata", "temp", "tmp"))
_PROFILE_TREES = ("appdata\\local\\packages", "appdata\\local\\microsoft", "appdata\\roaming\\microsoft")
_PROFILE_EXACT = frozenset(
    ("appdata", "appdata\\local", "appdata\\locallow", "appdata\\roaming", "appdata\\local\\temp")
)

_PROJECT_HINT = "Change to the directory of one project, name one, or use --profile :read-only."


def check_writable_root(path: str, home: str, flavour: str = paths.POSIX) -> None:
    """Accepts a directory or file that may become a writable root, and its contents with it.

    ``path`` should be the real one: a link to ``/`` is not seen here.
    Raises PolicyError with a hint for volume roots, system directories, the home directory and what holds it.
    """
    place = paths.validate(path, flavour, what="the writable root")
    key = paths.key(place, flavour, wide=True)
    if len(key) == 1:
        raise PolicyError(f"{place} is a whole file system and cannot be writable", hint=_PROJECT_HINT)
    below = paths.key(home, flavour, wide=True)
    if key == below:
        raise PolicyError(f"{place} is the home directory and cannot be writable as a whole", hint=_PROJECT_HINT)
    if below[: len(key)] == key:
        raise PolicyError(f"{place} holds the home directory and cannot be writable", hint=_PROJECT_HINT)
    reason = _posix(place) if flavour == paths.POSIX else _windows(key, below)
    if reason:
        hint = _PROJECT_HINT
        if place in _PRIVATE and flavour == paths.POSIX:
            hint = f"The sandbox has an empty {place} of its own, which is writable; or name a directory in {place}."
        raise PolicyError(f"{place} {reason} and cannot be writable", hint=hint)


def _posix(place: str) -> str:
    if place in _PRIVATE:
        return "is shared by all programs"
    if place in _EXACT:
        return "is not one project's directory"
    if place.startswith(_REMOVABLE) and place.count("/") > 4:
        return ""
    for tree in _TREES:
        if place == tree or place.startswith(tree + "/"):
            return "is a system directory" if place == tree else f"lies in the system directory {tree}"
    return ""


def _windows(key: tuple[str, ...], home: tuple[str, ...]) -> str:
    if key[0].startswith("\\\\"):
        share = key[0].rstrip("\\").rpartition("\\")[2]
        return "lies on an administrative share" if share.endswith("$") else ""
    below = "\\".join(key[1:]).lower()
    if below in _WINDOWS_EXACT:
        return "is not one project's directory"
    for tree in _WINDOWS_TREES:
        if below == tree or below.startswith(tree + "\\"):
            return "is a system directory" if below == tree else "lies in a system directory"
    if key[: len(home)] == home:
        profile = "\\".join(key[len(home) :]).lower()
        if profile in _PROFILE_EXACT or any(
            profile == tree or profile.startswith(tree + "\\") for tree in _PROFILE_TREES
        ):
            return "is where programs keep their settings"
    return ""
