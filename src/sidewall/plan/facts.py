"""Host facts of Linux: what the plan needs to know of a machine, as data.

Knows: names and shapes.  Must not know: how a fact is found (``platforms.linux.facts`` does).
Every Landlock ABI, every refusal of a namespace and every kind of workspace is a value of these records, and so a
unit test.
"""

from __future__ import annotations

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY, FILE, SYMLINK, OTHER, MISSING = "directory", "file", "symlink", "other", "missing"
SOCKET = "socket"


class PathFact(Record):
    """One path: what it is, where it really lies (all links resolved), its identity, whether the user may read it."""

    path: str
    kind: str = MISSING
    real: str = ""
    device: int = 0
    inode: int = 0
    readable: bool = True


def really(path: str, known: Mapping[str, PathFact]) -> str:
    """Where a path really lies; one that does not exist, below what the nearest directory above really is."""
    at = path
    while at:
        found = known.get(at)
        if found is not None and found.real:
            return found.real.rstrip("/") + path[len(at):]
        at = at.rpartition("/")[0]
    return path


class Places:
    """``really`` for many paths of one machine: every directory is worked out once."""

    def __init__(self, known: Mapping[str, PathFact]) -> None:
        self._known = known
        self._real: dict[str, str] = {}

    def really(self, path: str) -> str:
        """See the function ``really``."""
        found = self._known.get(path)
        if found is not None and found.real:
            return found.real.rstrip("/")
        parent, _, name = path.rpartition("/")
        if not parent:
            return path
        real = self._real.get(parent)
        if real is None:
            real = self._real[parent] = self.really(parent)
        return f"{real}/{name}"


class GitFact(Record):
    """A ``.git`` in a writable root: ``path`` of the entry, its kind, the common directory it leads to ('' when it
    leads nowhere trustworthy, then ``problem`` says why)."""

    path: str
    kind: str
    common: str = ""
    problem: str = ""


class SocketFact(Record):
    """A unix socket that the policy names: what is there, where it really lies (also when it is missing), its
    identity, the directories that hold the symbolic links on the way, and whether it takes datagrams only."""

    path: str
    kind: str = MISSING
    real: str = ""
    device: int = 0
    inode: int = 0
    through: tuple[str, ...] = ()
    datagram: bool = False


class Listing(Record):
    """The entries of a directory, as (name, kind)."""

    path: str
    entries: tuple[tuple[str, str], ...]


class LinuxFacts(Record):
    """``steering`` are places in writable roots that git obeys by the user's configuration, present or not;
    ``aliases`` other paths by which mounts lead to what the policy denies;
    ``kinds`` are the namespaces that could be made; ``refused`` says what failed ('' when all worked);
    ``overlay`` is '' when a private overlay works, else why not; ``delegated`` a cgroup v2 directory with controllers
    ``controllers``; ``scanned`` is False when the workspace was too large to look through, ``expanded`` when
    the deny patterns were not followed to their end; ``own`` is where this program
    and its interpreter lie; ``last_pid``: a pid namespace can be told where its numbers begin."""

    machine: str
    kernel: tuple[int, int]
    uid: int
    landlock: int
    kinds: tuple[str, ...]
    refused: str
    overlay: str
    seccomp: bool
    notify: bool
    delegated: str = ""
    controllers: tuple[str, ...] = ()
    paths: tuple[PathFact, ...] = ()
    protected: tuple[PathFact, ...] = ()
    git: tuple[GitFact, ...] = ()
    steering: tuple[PathFact, ...] = ()
    aliases: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    listings: tuple[Listing, ...] = ()
    sockets: tuple[SocketFact, ...] = ()
    scanned: bool = True
    expanded: bool = True
    last_pid: bool = False
    own: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
