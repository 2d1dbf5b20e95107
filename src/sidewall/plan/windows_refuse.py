"""Places whose access list no plan changes, and why; places that a plan cannot reason about.

Knows: what must not be touched on a Windows volume and in a profile, and which facts make a promise impossible.
Must not know: what is wanted of a place beyond reading, writing or any edit.

Each reason here stands for machines that were harmed: a profile that no longer loads, programs that refuse to start,
grants on a whole drive.  A reason is a phrase that follows the path: "C:\\x is the root of a volume".
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.plan import facts as kinds
from sidewall.policy import paths, roots
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts_windows import PathFact, VolumeFact, WindowsFacts

_SYSTEM = (
    ("WINDOWS",), ("PROGRAM FILES",), ("PROGRAM FILES (X86)",), ("PROGRAMDATA", "MICROSOFT"),
    ("SYSTEM VOLUME INFORMATION",), ("$RECYCLE.BIN",), ("$WINREAGENT",), ("RECOVERY",), ("BOOT",), ("EFI",),
    ("CONFIG.MSI",), ("PERFLOGS",), ("WINDOWS.OLD",),
)
_PACKAGES = frozenset(("WINDOWSAPPS", "PACKAGE CACHE"))
_STORE_DATA = ("APPDATA", "LOCAL", "PACKAGES")
_HIVES = ("NTUSER.", "USRCLASS.")
LEADING = frozenset(("symlink", "junction", "wsl", "other"))
"""Reparse points that lead elsewhere, or may; a file of a cloud drive is a file."""


class Refusal(Record):
    """Why not: ``reason`` follows the path, ``hint`` is one remedy; ``machine``: it is the machine's doing, not the
    policy's."""

    reason: str
    hint: str = ""
    machine: bool = True


def untouchable(path: str, home: str) -> Refusal | None:
    """Why the access list at this place is never changed, whatever is asked; None when it may be."""
    place = paths.key(path, paths.WINDOWS, wide=True)
    own = paths.key(home, paths.WINDOWS, wide=True)
    below = place[1:]
    hint = "Name a directory of one project."
    if not below:
        return Refusal(reason="is the root of a volume", hint=hint, machine=False)
    if place == own or (below[0] == "USERS" and len(below) == 2):
        return Refusal(reason="is the root of a profile", hint=hint, machine=False)
    if below == ("USERS",) or below == ("PROGRAMDATA",):
        return Refusal(reason="is a directory of the system", hint=hint, machine=False)
    if any(name.startswith(_HIVES) and (".DAT" in name or ".MAN" in name) for name in below):
        return Refusal(reason="is a registry hive: the next sign-in would fail", hint=hint, machine=False)
    if _PACKAGES.intersection(below) or (place[: len(own)] == own and place[len(own) :][:3] == _STORE_DATA):
        return Refusal(reason="lies in a directory of installed packages, which keeps its own permissions", hint=hint,
                       machine=False)
    if any(below[: len(tree)] == tree for tree in _SYSTEM):
        return Refusal(reason="lies in a directory of the system", hint=hint, machine=False)
    return None


def unfit(found: PathFact, facts: WindowsFacts) -> Refusal | None:
    """Why the access list of what is there cannot be changed, or nothing could be promised about it."""
    volume = volume_of(found.real or found.path, facts)
    if found.reparse in LEADING:
        return Refusal(reason=f"is a reparse point ({found.reparse}), which leads elsewhere", machine=False,
                       hint="Name the place that it leads to.")
    if volume is None:
        return Refusal(reason="lies on a volume of which nothing is known", hint="Name a path on a local drive.")
    if volume.linux:
        return Refusal(reason="lies in the file system of a Linux distribution",
                       hint="Run sidewall inside that distribution.")
    if volume.remote:
        return Refusal(reason="lies on another machine, which does not know the sandbox's accounts",
                       hint="Copy the project to a local drive.")
    if not volume.acls:
        return Refusal(reason=f"lies on a volume without access lists ({volume.filesystem})",
                       hint="Copy the project to an NTFS or ReFS volume.")
    if found.kind not in (kinds.DIRECTORY, kinds.FILE):
        return Refusal(reason="is neither a directory nor a file", hint="Name the directory that holds it.")
    if found.kind == kinds.FILE and found.links > 1:
        return Refusal(reason=f"has {found.links} names, and its permissions are those of all of them",
                       hint="Copy the file, so that it has one name.")
    if found.problem:
        return Refusal(reason=f"has permissions of which nothing can be proved: {found.problem}",
                       hint=f'Look at them: icacls "{found.real or found.path}"')
    if not found.editable:
        whose = f"belongs to {found.owner}" if found.owner else "belongs to somebody else"
        return Refusal(reason=f"{whose}, and you may not change its permissions",
                       hint=f'As an administrator: icacls "{found.real or found.path}" /grant "%USERNAME%:(OI)(CI)F"')
    return None


def as_root(found: PathFact, facts: WindowsFacts) -> Refusal | None:
    """Why this cannot become a writable root."""
    try:
        roots.check_writable_root(found.real or found.path, facts.home, paths.WINDOWS)
    except PolicyError as error:
        # The message begins with the place, which whoever prints the refusal names too.
        return Refusal(reason=_after(error.message, found.real or found.path), hint=error.hint, machine=False)
    return untouchable(found.real or found.path, facts.home) or unfit(found, facts)


def as_edit(found: PathFact, facts: WindowsFacts) -> Refusal | None:
    """Why no ACE may be written here, for whatever purpose."""
    return untouchable(found.real or found.path, facts.home) or unfit(found, facts)


def volume_of(path: str, facts: WindowsFacts) -> VolumeFact | None:
    """The volume of a path; None when the facts have none."""
    root = paths.key(path, paths.WINDOWS, wide=True)[0]
    for volume in facts.volumes:
        if paths.key(volume.root, paths.WINDOWS, wide=True)[0] == root:
            return volume
    return None


def _after(message: str, place: str) -> str:
    return message[len(place) + 1 :] if message.startswith(place + " ") else message
