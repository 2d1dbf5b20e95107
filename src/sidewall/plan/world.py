"""A world: the files of a Windows machine as a plan sees them, each with its security descriptor; pure data.

Knows: names and shapes, and which entry holds which.  Must not know: how a world is written down (``world_format``) or
captured, or what a descriptor grants (``nt``).  Follows docs/prove.md, "Worlds".

A world is a part of a machine, never all of it: every entry's directory is in it, up to the root of the volume, and of
what is not in it nothing is claimed.
"""

from __future__ import annotations

from sidewall.policy import paths
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid

DIRECTORY, FILE = "directory", "file"
KINDS = (DIRECTORY, FILE)

MODELLED, CAPTURED = "modelled", "captured"
ORIGINS = (MODELLED, CAPTURED)

SYMLINK, JUNCTION, CLOUD, APP_LINK, WSL_LINK, OTHER_REPARSE = "symlink", "junction", "cloud", "app", "wsl", "other"
REPARSE = (SYMLINK, JUNCTION, CLOUD, APP_LINK, WSL_LINK, OTHER_REPARSE)
LEADING = (SYMLINK, JUNCTION, WSL_LINK, OTHER_REPARSE)
"""Reparse points whose name leads, or may lead, to another place; the others are files of their own kind."""


MOST_HOPS = 63
"""How many reparse points Windows follows in one path (Win32, "Reparse Points and File Operations")."""


class Volume(Record):
    """A volume by its root (``C:\\``, ``\\\\server\\share\\``).  ``acls``: it keeps descriptors (NTFS, ReFS)."""

    root: str
    filesystem: str = "NTFS"
    acls: bool = True
    remote: bool = False


class Entry(Record):
    """One file or directory.

    ``descriptor`` is None when it could not be read (``problem`` says why) or the volume keeps none.  ``links`` counts
    the names of the file on its volume, in the world or not; entries of one ``identity`` ('' for none given) are names
    of one file.  ``reparse`` is '' or a word of ``REPARSE``, ``target`` where it leads, as the machine prints it.
    """

    path: str
    kind: str
    descriptor: SecurityDescriptor | None = None
    links: int = 1
    identity: str = ""
    reparse: str = ""
    target: str = ""
    problem: str = ""

    @property
    def container(self) -> bool:
        """Whether other entries may lie in it."""
        return self.kind == DIRECTORY


class Accounts(Record):
    """Who is who on the machine: the real user with the groups of an ordinary logon, and the sandbox's accounts.

    ``offline``, ``online`` and ``group`` are None where the accounts were never made.
    """

    user: Sid
    groups: tuple[Sid, ...]
    logon: Sid
    machine: Sid | None = None
    offline: Sid | None = None
    online: Sid | None = None
    group: Sid | None = None


class World(Record):
    """A machine's files: a directory stands before what it holds.

    ``origin`` says whether a machine was captured or somebody's knowledge was written down; ``about`` is one sentence
    for people.  ``home`` and ``workspace`` are the paths that a policy starts from ('' for no workspace).
    """

    origin: str
    about: str
    home: str
    workspace: str
    accounts: Accounts
    volumes: tuple[Volume, ...]
    entries: tuple[Entry, ...]


def place(path: str) -> str:
    """A path in the form in which equal places are equal: case folded as the widest table does."""
    return "\\".join(paths.fold_all(tuple(path.rstrip("\\").split("\\")), paths.WINDOWS, wide=True))


def holder(path: str) -> str:
    """The directory that holds the path, as text; '' for the root of a volume."""
    above, _, name = path.rstrip("\\").rpartition("\\")
    if path.startswith("\\\\"):
        depth = len(path.rstrip("\\").split("\\"))
        return "" if depth <= 4 else above + "\\" if depth == 5 else above
    if not above or not name:
        return ""
    return above + "\\" if above.endswith(":") else above


def root(path: str) -> str:
    """The root of the volume that the path names: the drive, or server and share."""
    if path.startswith("\\\\"):
        return "\\".join(path.split("\\")[:4]) + "\\"
    return path[:3]


class Index:
    """A world, ready to be asked for entries by path."""

    __slots__ = ("_by_place", "_volumes", "world")

    def __init__(self, world: World) -> None:
        self.world = world
        self._by_place = {place(entry.path): entry for entry in world.entries}
        self._volumes = {place(volume.root): volume for volume in world.volumes}

    def entry(self, path: str) -> Entry | None:
        """The entry at the path, however it is spelled in case; None when the world has none there."""
        return self._by_place.get(place(path))

    def volume(self, path: str) -> Volume | None:
        """The volume that the path lies on; None when the world does not know it."""
        return self._volumes.get(place(root(path)))

    def nearest(self, path: str) -> Entry | None:
        """The entry at the path or, when there is none, at the nearest directory above it that the world has."""
        while path:
            found = self.entry(path)
            if found is not None:
                return found
            path = holder(path)
        return None

    def follow(self, path: str) -> str:
        """Where the path leads, its links followed as far as the world knows them; '' when that cannot be known.

        What the world does not hold is taken to be no link.
        """
        for _ in range(MOST_HOPS):
            names = path.split("\\")
            length = root(path).rstrip("\\").count("\\") + 1
            while length < len(names):
                length += 1
                entry = self.entry("\\".join(names[:length]))
                if entry is not None and entry.reparse in (SYMLINK, JUNCTION):
                    if not paths.is_absolute(entry.target, paths.WINDOWS) or paths.doubt(entry.target, paths.WINDOWS):
                        return ""
                    path = "\\".join((entry.target.rstrip("\\"), *names[length:]))
                    break
            else:
                return path
        return ""

    def above(self, path: str) -> tuple[Entry, ...]:
        """The directories that hold the path, the nearest first, up to the root of the volume."""
        found = []
        while path := holder(path):
            entry = self.entry(path)
            if entry is not None:
                found.append(entry)
        return tuple(found)
