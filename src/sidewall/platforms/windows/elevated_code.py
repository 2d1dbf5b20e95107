"""What becomes an administrator at the prompt: the interpreter, its library and this package, and who can change them.

Knows: which files the elevated helper runs, which rights amount to changing one.  Must not know: what the helper does.

The prompt shows the name of Python, and what it stands for is code on the disk.  Whoever can change that code is an
administrator as soon as the user says yes.  Code that other people can change is therefore not elevated at all.  Code
that only the user can change usually lies in his profile, or in a virtual environment: any program of his can change it
then, and he is told so before the prompt (``docs/decisions/0014-elevating-what-the-user-can-change.md``).
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.mask import FILE_DELETE_CHILD
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
)
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.machine_config import TAKING, TRUSTED, WRITING, told, writers
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api

MOST_NAMED = 3
_LOOK = 0x20000 | 0x80  # READ_CONTROL and FILE_READ_ATTRIBUTES
REMEDY = ("install Python and Sidewall where only administrators write (an installation \"for all users\" in Program "
          "Files), or take these rights away with icacls; or, if you trust them, run it from an elevated prompt")


class Changeable(Record):
    """Who can change code: ``others`` are pairs of a path and who besides the user and administrators; ``own`` one
    path that the user can change himself, '' for none."""

    others: tuple[tuple[str, str], ...] = ()
    own: str = ""


def files() -> tuple[str, ...]:
    """The files that this process, and so the helper, was started from and has loaded, with all of the package."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    base = str(getattr(sys, "_base_executable", "") or sys.executable)
    tag = str(getattr(sys, "winver", "")).partition("-")[0].replace(".", "")
    found = {base, os.path.join(os.path.dirname(base), f"python{tag}.dll")}
    # What was compiled is run in place of the source.
    found |= {os.path.abspath(name) for one in list(sys.modules.values())
              for name in (getattr(one, "__file__", None), getattr(getattr(one, "__spec__", None), "cached", None))
              if isinstance(name, str)}
    for directory, _, here in os.walk(package):
        found |= {os.path.join(directory, name) for name in here}
    return tuple(sorted(found))


def look(api: Api, user: Sid, paths: Iterable[str]) -> Changeable:
    """Who can change these files, the directories in which they lie, or put those out of the way.

    Raises nothing: what cannot be looked at, as this user, is changed by nobody of this user's rights.
    """
    masks: dict[str, int] = {}
    listed = frozenset(paths)
    for path in listed:
        masks[path] = masks.get(path, 0) | WRITING
        directory, mask = path.rpartition("\\")[0], WRITING
        while directory:
            known = masks.get(directory, 0)
            masks[directory] = known | mask
            if known & mask == mask:
                break
            directory, mask = directory.rpartition("\\")[0], TAKING | FILE_DELETE_CHILD
    others: list[tuple[str, str]] = []
    own = ""
    # Files first: they say best where it lies.
    for path in sorted(masks, key=lambda path: (path not in listed, path)):
        found = _who(api, path, masks[path])
        strangers = [sid for sid in found or () if sid != user]
        if found is None or strangers:
            others.append((path, "everybody" if found is None else ", ".join([told(api, sid) for sid in strangers])))
        elif found and not own:
            own = path
    return Changeable(others=tuple(others), own=own)


def _who(api: Api, path: str, mask: int) -> tuple[Sid, ...] | None:
    """Who besides the trusted has rights over it that change it, the owner among them; None for everybody."""
    try:
        with api.kernel32.CreateFileW(path + "\\" if path.endswith(":") else path, _LOOK, constants.OPEN_EXISTING,
                                      flags=constants.FILE_FLAG_BACKUP_SEMANTICS) as opened:
            descriptor = SecurityDescriptor.from_bytes(api.advapi32.GetKernelObjectSecurity(
                opened, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION))
    except (ApiError, NtError):
        return ()
    found = writers(descriptor, mask)
    if found is None:
        return None
    owner = () if descriptor.owner is None or descriptor.owner in TRUSTED else (descriptor.owner,)
    return tuple(dict.fromkeys((*owner, *found)))


def check(found: Changeable) -> None:
    """Raises MachineError for code that others can change."""
    if found.others:
        named = "; ".join([f"{path} by {who}" for path, who in found.others[:MOST_NAMED]])
        more = len(found.others) - MOST_NAMED
        raise MachineError("the prompt would make an administrator of code that others than you can change: "
                           + named + (f"; and {more} more" if more > 0 else ""), hint=REMEDY)


def warning(found: Changeable) -> str:
    """What the user is to know before the prompt; '' for nothing."""
    if not found.own:
        return ""
    return (f"the prompt that comes now makes an administrator of Python and Sidewall as they are in "
            f"{found.own.rpartition(chr(92))[0] or found.own}, which every program that runs as you can change")


__all__ = ["Changeable", "check", "files", "look", "warning"]
