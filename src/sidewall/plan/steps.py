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
    """An empty file system of the cell's own over ``path``; ``show`` are paths below that stay visible, read-only."""

    path: str
    mode: int = 0o1777
    size_bytes: int = 0
    show: tuple[str, ...] = ()


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
    """An empty, unreadable thing over ``path``; kind is ``dir`` or ``file``."""

    path: str
    kind: str


class Protect(Step):
    """``path`` inside a writable root stays as it is: a read-only bind of itself; kind is ``dir`` or ``file``."""

    path: str
    kind: str


class Placeholder(Step):
    """``path`` does not exist and must not come to be: an empty directory made for the time of the cell."""

    path: str
    root: str


class GitOverlay(Step):
    """A copy-on-write layer over the git directory ``path``; what may leave it is carried over by the trusted side."""

    path: str
    roots: tuple[str, ...]


class Proc(Step):
    """A process file system of the cell's own, read-only, with ``masked`` entries covered."""

    masked: tuple[str, ...]


class Devices(Step):
    """A minimal /dev: the named nodes, a terminal multiplexer of its own, shared memory of its own."""

    nodes: tuple[str, ...]
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
    """A filter by name with its parameters, in ``sidewall.bpf.filters``; ``mediate_unix``: connects ask the keeper."""

    arch: str
    inet: bool
    unix: str
    mediate_unix: bool


class Privileges(Step):
    """No new privileges, all capabilities dropped, no core dumps, not dumpable."""


class ResourceLimits(Step):
    """(name, soft and hard value) pairs for ``setrlimit``; and the cgroup directory's settings, if delegated."""

    rlimits: tuple[tuple[str, int], ...]
    cgroup: str = ""
    settings: tuple[tuple[str, str], ...] = ()


class Watch(Step):
    """Names below ``roots`` that cannot be held by a mount: recorded, compared after each command, put back."""

    roots: tuple[str, ...]
    names: tuple[str, ...]
    git: str


class Plan(Record):
    """What will be done, and what that promises.  ``digest`` is the SHA-256 of the steps, in hexadecimal."""

    platform: str
    tier: str
    policy: Policy
    steps: tuple[Step, ...]
    guarantees: tuple[Guarantee, ...]
    digest: str = ""
    notes: tuple[str, ...] = ()
