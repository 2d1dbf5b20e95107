"""Where a search for places that are open to many begins on this Windows, and what tells that one of them has changed.

Knows: drives, and the directories in which Windows and installers make what other people may write.  Must not know:
how a tree is looked through (``open_places``), how long a finding is good (``open_places_kept``).

Bounded: every local drive to its second level; deeper only where installers put things (ProgramData, Program Files),
where everybody may put things (Public, the spooler, tasks, Temp), and in the user's own profile.  Not looked at: what
lies deeper, volumes without a letter, and drives of other machines, which another account does not have.
"""

from __future__ import annotations

from sidewall.plan.world import place
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.layouts_files import FILE_BASIC_INFO
from sidewall.platforms.windows.open_places import Start
from sidewall.platforms.windows.win32_paths import verbatim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

FILE_READ_ATTRIBUTES = 0x80
LOCAL = (constants.DRIVE_FIXED, constants.DRIVE_REMOVABLE, constants.DRIVE_RAMDISK)
ROOT_LEVELS = 2
_ITSELF = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
_SHARED = (("PUBLIC", "\\Users\\Public", 3), ("ProgramData", "\\ProgramData", 4))
_INSTALLED = (("ProgramFiles", "\\Program Files", 3), ("ProgramFiles(x86)", "\\Program Files (x86)", 3))
"""Directories by the variable that names them, and where they are if nobody moved them; how deep."""
_SYSTEM = (
    ("", 1), ("\\System32", 1), ("\\SysWOW64", 1), ("\\Temp", 2), ("\\Tasks", 1), ("\\tracing", 1), ("\\debug", 2),
    ("\\Registration", 2), ("\\System32\\spool", 4), ("\\System32\\Tasks", 4), ("\\SysWOW64\\Tasks", 4),
    ("\\System32\\Com", 2), ("\\System32\\LogFiles", 2), ("\\System32\\Microsoft", 4),
)
_RESTLESS = ("\\Temp", "\\System32\\LogFiles", "\\System32\\Tasks", "\\debug")
"""What changes there without anybody's installing something."""
_OWN = (("", 2), ("\\AppData\\Local", 1), ("\\AppData\\Roaming", 1), ("\\AppData\\LocalLow", 1))


def starts(api: Api, home: str, variables: Mapping[str, str]) -> tuple[Start, ...]:
    """Where to begin, what matters most first.  ``home`` is the user's profile, ``variables`` the system's."""
    named = {name.upper(): value.rstrip("\\") for name, value in variables.items()}
    windows = api.kernel32.GetWindowsDirectoryW().rstrip("\\")

    def by_name(wanted: tuple[tuple[str, str, int], ...]) -> list[Start]:
        return [Start(path=path, depth=depth) for name, usual, depth in wanted
                for path in (named.get(name.upper(), ""), windows[:2] + usual)]

    found = by_name(_SHARED)
    found += [Start(path=windows + below, depth=depth, steady=below not in _RESTLESS) for below, depth in _SYSTEM]
    found += drives(api)
    found += [Start(path=home.rstrip("\\") + below, depth=depth, steady=False) for below, depth in _OWN]
    found += by_name(_INSTALLED)
    first: dict[str, Start] = {}
    for one in found:
        if _local(one.path):
            first.setdefault(place(one.path), one)
    return tuple(first.values())


def _local(path: str) -> bool:
    """A variable may hold anything: what counts is an absolute path on a drive."""
    return path[1:3] == ":\\"


def drives(api: Api) -> list[Start]:
    """The roots of the drives of this machine that have a medium in them."""
    found = []
    for letter in "CDEFGHIJKLMNOPQRSTUVWXYZAB":
        root = f"{letter}:\\"
        if api.kernel32.GetDriveTypeW(root) not in LOCAL:
            continue
        opened = _look_at(api, root)
        if opened is None:
            continue
        with opened:
            try:
                volume = api.kernel32.GetVolumeInformationByHandleW(opened)
            except ApiError:
                continue
        bare = not volume.flags & constants.FILE_PERSISTENT_ACLS
        found.append(Start(path=root, depth=ROOT_LEVELS, bare=bare, steady=not bare))
    return found


def stamp(api: Api, start: Start) -> str:
    """A text that changes when something is made in a steady directory, when it is replaced, when its list changes.

    '' for what is not steady, '-' for what cannot be opened.
    """
    if not start.steady:
        return ""
    opened = _look_at(api, start.path)
    if opened is None:
        return "-"
    with opened:
        try:
            which = api.kernel32.GetFileInformationByHandle(opened)
            changed = api.kernel32.GetFileInformationByHandleEx(opened, FILE_BASIC_INFO).ChangeTime
        except ApiError:
            return "-"
    number = which.nFileIndexHigh << 32 | which.nFileIndexLow
    return f"{which.dwVolumeSerialNumber:x}:{number:x}:{changed:x}"


def _look_at(api: Api, path: str) -> Handle | None:
    try:
        return api.kernel32.CreateFileW(verbatim(path), FILE_READ_ATTRIBUTES, constants.OPEN_EXISTING, flags=_ITSELF)
    except ApiError:
        return None


__all__ = ["drives", "stamp", "starts"]
