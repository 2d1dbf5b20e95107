"""The shape of ``sidewall.toml``: every key, its type and what it means.

Knows: names, types and one sentence for each key.  Must not know: paths, layers, what is narrower.
The JSON schema that editors use is made from the same classes (``jsonschema``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

NAME = "sidewall.toml"

Text = Annotated[str, Meta(min_length=1)]
PathText = Annotated[str, Meta(
    min_length=1, description="A path: absolute, ~/..., :workspace/..., or relative to this file.")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Size = Annotated[int, Meta(ge=0, le=1 << 62)] | Text
Guarantee = Literal[
    "write-outside", "metadata-outside", "protected-names", "read-secrets", "network-egress", "network-host-loopback",
    "name-resolution", "unix-sockets-and-pipes", "outside-processes", "desktop", "privileges", "survivors", "limits",
]


class Section(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of which every key is known."""


class Files(Section, frozen=True):
    """Access to paths; the more specific path wins, deny before read before write on the same one."""

    write: Annotated[list[PathText], Meta(description="Directories (or files) that become writable.")] = []
    read: Annotated[list[PathText], Meta(description="Paths that are readable and not writable.")] = []
    deny: Annotated[list[PathText], Meta(
        description="Paths that can be neither read nor written; *, **, ? and [...] make a pattern.")] = []


class Network(Section, frozen=True):
    """What can be reached; loopback inside the sandbox always can."""

    mode: Annotated[Literal["off", "proxy", "on"] | UnsetType, Meta(
        description="off: nothing; proxy: the allowed hosts; on: everything.")] = UNSET
    allow: Annotated[list[Text], Meta(
        description="Hosts for mode proxy: host, host:port, *.host, an address, a CIDR block. Ports 443 and 80.")] = []
    deny: Annotated[list[Text], Meta(
        description="Hosts that stay unreachable, on every port unless one is named.")] = []
    loopback_ports: Annotated[list[Port], Meta(
        description="TCP ports of the host's own loopback that 127.0.0.1 and ::1 inside stand for.")] = []
    unix_sockets: Annotated[list[PathText], Meta(
        description="Unix stream sockets (or named pipes) of the host that can be connected to, by path.")] = []


class Env(Section, frozen=True):
    """Which environment variables reach a command."""

    inherit: Annotated[Literal["core", "all", "none"] | UnsetType, Meta(
        description="core: harmless, useful ones; all: all but those that look like secrets; none.")] = UNSET
    allow: Annotated[list[Text], Meta(description="Names or patterns that pass besides, secrets too.")] = []
    deny: Annotated[list[Text], Meta(description="Names or patterns that never pass.")] = []
    set: Annotated[dict[Text, str], Meta(description="Variables with a value of their own.")] = {}


class Limits(Section, frozen=True):
    """Bounds; 0 is none."""

    wall: Annotated[Annotated[float, Meta(ge=0)] | Text | UnsetType, Meta(
        description='Wall time of one command: seconds, or "10m", "1h30m".')] = UNSET
    memory: Annotated[Size | UnsetType, Meta(description='Memory of the whole session: bytes, or "2GiB".')] = UNSET
    processes: Annotated[Count | UnsetType, Meta(description="Processes and threads of the whole session.")] = UNSET
    output: Annotated[Size | UnsetType, Meta(description='Captured output of one command: bytes, or "64MiB".')] = UNSET
    file_size: Annotated[Size | UnsetType, Meta(description='Size of one file: bytes, or "1GiB".')] = UNSET
    open_files: Annotated[Count | UnsetType, Meta(description="Open files of one process.")] = UNSET


class Protect(Section, frozen=True):
    """What stays as it is inside writable directories."""

    names: Annotated[list[Text], Meta(description="Names of files or directories, besides the built-in ones.")] = []
    release: Annotated[list[Text], Meta(description="Built-in names that may be written after all.")] = []
    git: Annotated[Literal["commit", "read-only"] | UnsetType, Meta(
        description="commit: objects, refs, index and logs are writable, hooks and config are not.")] = UNSET


class Document(Section, frozen=True):
    """A whole file."""

    schema: Annotated[Literal[1], Meta(description="The version of this format.")]
    extends: Annotated[Text | UnsetType, Meta(
        description="The built-in profile to start from, such as :workspace.")] = UNSET
    require: Annotated[list[Guarantee] | Literal["all", "none"] | UnsetType, Meta(
        description="Guarantees without which nothing is run.")] = UNSET
    files: Files = Files()
    network: Network = Network()
    env: Env = Env()
    limits: Limits = Limits()
    protect: Protect = Protect()


SECTIONS: dict[str, type[Section]] = {
    "": Document, "files": Files, "network": Network, "env": Env, "limits": Limits, "protect": Protect,
}
"""Every table by its name; '' is the file itself."""
