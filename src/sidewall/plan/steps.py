"""The plan's vocabulary: typed steps, in the order in which a backend carries them out.

Knows: names and shapes of steps.  Must not know: how a step is done.  Pure data, printable, testable anywhere.
A step is carried out once, in order; a step that fails stops the plan, and nothing runs.
"""

from __future__ import annotations

from sidewall.plan.guarantees import Guarantee
from sidewall.policy.model import Policy
from sidewall.record import Record

NAMESPACE, LANDLOCK, UNCONFINED = "namespace", "landlock", "unconfined"


class Step(Record):
    """Base of all steps."""


class Unshare(Step):
    """New namespaces: any of user, mount, pid, net, ipc, uts, cgroup."""

    kinds: tuple[str, ...]


class ReadOnlyRoot(Step):
    """One recursive ``mount_setattr`` on the root: read-only, no set-uid, no device nodes."""


class PrivateTmpfs(Step):
    """An empty file system of the cell's own over ``path``; ``sealed``: read-only once all is in place."""

    path: str
    mode: int = 0o1777
    size_bytes: int = 0
    sealed: bool = False


class Show(Step):
    """``path`` stays visible, read-only, though something above it is hidden or covered."""

    path: str


class Writable(Step):
    """A writable root: the directory of this identity (``device``, ``inode``), at ``path``."""

    path: str
    device: int
    inode: int


class Hide(Step):
    """``names`` disappear from directory ``parent``, now and when made later: the directory is put together anew
    from binds of its other entries."""

    parent: str
    names: tuple[str, ...]


class Mask(Step):
    """An empty thing, unreadable, over ``path``, which exists."""

    path: str


class Protect(Step):
    """``path`` inside a writable root stays as it is: a read-only bind of itself."""

    path: str


class Pin(Step):
    """A directory on the way to a protected name deep in a writable root: a bind of itself, so that it can be neither
    renamed nor replaced, and its protected entry with it.  It stays writable."""

    path: str


class Placeholder(Step):
    """``path`` does not exist and must not come to be: an empty directory made for the time of the cell."""

    root: str
    name: str


class GitOverlay(Step):
    """A copy-on-write layer over the git directory ``path``; what may leave it is carried over by the trusted side.

    ``roots`` are where linked worktrees may lie.  ``fresh``: there is no repository yet, only a placeholder.
    """

    path: str
    roots: tuple[str, ...]
    fresh: bool = False


class HostSocket(Step):
    """Programs inside can connect to the host's unix socket ``real`` by the name ``path`` (``@`` and an abstract name,
    which is shared anyway): the keeper makes the connection.

    ``held``: it lies in a writable root, so the thing of this identity (``device``, ``inode``) is bound there on
    itself, and only that is ever connected to.  ``present``: it exists, so it can be shown inside.
    """

    path: str
    real: str
    device: int = 0
    inode: int = 0
    held: bool = False
    present: bool = True


class HostPorts(Step):
    """Connections inside to 127.0.0.1 and ::1 on these TCP ports are carried to the host's loopback."""

    ports: tuple[int, ...]


class Proc(Step):
    """A process file system of the cell's own, read-only, with ``masked`` entries covered."""

    masked: tuple[str, ...]


class Devices(Step):
    """A minimal /dev: a few harmless nodes, a terminal multiplexer of its own, shared memory of its own."""

    shm_bytes: int = 0


class Loopback(Step):
    """Brings up the loopback interface of the cell's network namespace."""


class Landlock(Step):
    """A ruleset: ``fs`` and ``net`` handled access bits, ``scope`` bits; rules are (path, access bits)."""

    abi: int
    fs: int
    net: int
    scope: int
    rules: tuple[tuple[str, int], ...]


class Seccomp(Step):
    """The filter of ``sidewall.bpf.filters`` with its parameters; ``mediate_unix``: connects ask the keeper;
    ``shares_host``: there are no ipc and pid namespaces that hold the rest."""

    arch: str
    inet: bool
    unix: str
    mediate_unix: bool
    shares_host: bool = False


class Privileges(Step):
    """No new privileges, all capabilities dropped, no core dumps, not dumpable."""


class ResourceLimits(Step):
    """(resource, value) pairs for ``setrlimit``, soft and hard; ``tasks`` bounds the pid namespace (0: not);
    ``cgroup`` is the delegated directory to make a group in, with its settings as (file, value)."""

    rlimits: tuple[tuple[str, int], ...]
    tasks: int = 0
    cgroup: str = ""
    settings: tuple[tuple[str, str], ...] = ()


class PrivateDirectory(Step):
    """Without mounts: a temporary directory made for the cell and removed with it."""


class Watch(Step):
    """Names below ``roots`` that no mount holds: recorded before, compared after commands, put back.

    ``places`` are single paths to be treated likewise.  ``held`` are paths that mounts do hold.  ``each``: compared
    after each command, else when the cell ends.
    """

    roots: tuple[str, ...]
    names: tuple[str, ...]
    held: tuple[str, ...]
    each: bool
    places: tuple[str, ...] = ()


class Plan(Record):
    """What will be done, and what that promises.  ``digest`` is the SHA-256 of the steps, in hexadecimal."""

    platform: str
    tier: str
    policy: Policy
    steps: tuple[Step, ...]
    guarantees: tuple[Guarantee, ...]
    digest: str = ""
    notes: tuple[str, ...] = ()
