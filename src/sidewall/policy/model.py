"""The policy's values: frozen, hashable; built by ``profiles``, ``config``, ``merge``; read by ``decide``, ``plan``.

Knows: names and shapes.  Must not know: files, machines, platforms.
"""

from __future__ import annotations

from sidewall.record import Record

WRITE, READ, DENY = "write", "read", "deny"
ACCESS = (WRITE, READ, DENY)

NETWORK_OFF, NETWORK_PROXY, NETWORK_ON = "off", "proxy", "on"
NETWORK_MODES = (NETWORK_OFF, NETWORK_PROXY, NETWORK_ON)

GIT_COMMIT, GIT_READ_ONLY = "commit", "read-only"
GIT_MODES = (GIT_COMMIT, GIT_READ_ONLY)

GUARANTEES = (
    "write-outside",
    "metadata-outside",
    "protected-names",
    "read-secrets",
    "network-egress",
    "network-host-loopback",
    "name-resolution",
    "unix-sockets-and-pipes",
    "outside-processes",
    "desktop",
    "privileges",
    "survivors",
    "limits",
)
DEFAULT_REQUIRE = ("write-outside", "network-egress", "privileges")

BUILT_IN, MACHINE, USER, PROJECT, COMMAND_LINE = "built-in", "machine", "user", "project", "command line"
LAYERS = (BUILT_IN, MACHINE, USER, PROJECT, COMMAND_LINE)


class Source(Record):
    """Where a rule comes from: layer, the file's path ('' for built-in), and the dotted key or the option."""

    layer: str = BUILT_IN
    file: str = ""
    key: str = ""


class FileRule(Record):
    """Access to one path and everything below it, or to what a glob matches.

    ``path`` is absolute and normalised in the flavour of the policy.  With ``glob`` it is a pattern over whole
    paths (see ``globs``) and may only deny; without, every character stands for itself.
    """

    path: str
    access: str
    source: Source = Source()
    glob: bool = False


class HostRule(Record):
    """A host pattern (``host``, ``host:port``, ``*.host``, an address or a CIDR block), allowed or denied."""

    pattern: str
    allow: bool
    source: Source = Source()


class Network(Record):
    """Network of the cell: ``off``, ``proxy`` (by host rules) or ``on``; loopback inside the cell always works."""

    mode: str = NETWORK_OFF
    hosts: tuple[HostRule, ...] = ()
    loopback_ports: tuple[int, ...] = ()
    unix_sockets: tuple[str, ...] = ()


class Environ(Record):
    """Which variables reach the command: ``inherit`` is ``core``, ``all`` or ``none``; patterns are globs on names.

    ``allow`` adds (and is the only way past the secret-looking names), ``deny`` removes, ``set`` gives values.
    """

    inherit: str = "core"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    set: tuple[tuple[str, str], ...] = ()


class Limits(Record):
    """Bounds; 0 means none.  Seconds, bytes, counts."""

    wall_seconds: float = 0
    memory_bytes: int = 0
    processes: int = 4096
    output_bytes: int = 64 << 20
    file_bytes: int = 0
    open_files: int = 0


class Policy(Record):
    """All that a command may do.

    ``files`` is in no particular order: ``decide`` takes the most specific rule, deny before read before write at
    equal specificity.  ``protected`` are names (``.git/hooks`` may hold a slash) that stay unwritable below every
    writable root, present or absent.  ``home`` is the user's home directory; ``flavour`` is ``posix`` or ``windows``.
    ``private`` are directories of which the cell gets its own, empty and writable: nothing in them reaches the
    host, so nothing in them is protected.  ``gitdirs`` are git directories outside the writable roots (of a linked
    worktree, of a submodule) in which only what ``gitdir.writable`` names may be written.
    """

    name: str
    workspace: str
    home: str
    flavour: str = "posix"
    files: tuple[FileRule, ...] = ()
    protected: tuple[str, ...] = ()
    git: str = GIT_COMMIT
    network: Network = Network()
    environ: Environ = Environ()
    limits: Limits = Limits()
    require: tuple[str, ...] = DEFAULT_REQUIRE
    confined: bool = True
    private: tuple[str, ...] = ()
    gitdirs: tuple[str, ...] = ()


class Request(Record):
    """A question: ``action`` is ``read``, ``write`` or ``connect``; ``target`` a path or ``host[:port]``."""

    action: str
    target: str


class Decision(Record):
    """The answer: ``allowed``, the rule that decided (None: the default), its kind and source, a sentence why.

    ``kind`` is one of ``default``, ``rule``, ``secret``, ``glob``, ``protected``, ``private``, ``network``,
    ``host``, ``loopback``, ``socket``, ``invalid`` (the target has no certain meaning) and ``unconfined``.
    """

    allowed: bool
    reason: str
    rule: FileRule | HostRule | None = None
    kind: str = "default"
    source: Source = Source()
