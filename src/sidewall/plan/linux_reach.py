"""What of the host's a policy lets be reached by name: unix sockets and loopback ports.

Knows: which tier carries which, and where a name could be turned round by a command.  Must not know: this machine
(``LinuxFacts``), nor how a connection is made.

A listed socket is a grant of one thing.  So nothing that a command can write may decide which thing that is: no link
that lies in a writable root is followed, and a socket in a writable root is held in place by a mount or not at all.
"""

from __future__ import annotations

from sidewall.errors import ConfigError, MachineError
from sidewall.plan import facts as fact
from sidewall.plan.facts import LinuxFacts, SocketFact
from sidewall.plan.steps import LANDLOCK, NAMESPACE, HostPorts, HostSocket
from sidewall.policy.model import NETWORK_ON, Policy

_SOCKETS, _PORTS = "network.unix_sockets", "network.loopback_ports"
_BETTER_TIER = "use the namespace tier (`sidewall doctor` says what it needs here)"


class Reach:
    """The steps, and notes for people."""

    def __init__(self) -> None:
        self.sockets: list[HostSocket] = []
        self.ports: list[HostPorts] = []
        self.notes: list[str] = []


def reach(policy: Policy, facts: LinuxFacts, tier: str, roots: list[str], denied: list[str]) -> Reach:
    """Places every listed socket and port.  ``roots`` are the writable roots, ``denied`` what is hidden.

    Raises:
        ConfigError: an entry that cannot be what it says, or that a command could turn round.
        MachineError: this tier or kernel cannot carry an entry out.
    """
    found = Reach()
    network = policy.network
    shared = tier == LANDLOCK or network.mode == NETWORK_ON
    if network.unix_sockets and not facts.notify:
        raise MachineError(f"{_SOCKETS}: no connect can be asked about here (that needs Linux 5.6, and a seccomp "
                           "filter with user notification, of which there can be one: a container may have it)",
                           hint=f"remove {_SOCKETS}, or run outside of the container")
    known = {item.path: item for item in facts.sockets}
    for name in network.unix_sockets:
        if name.startswith("@"):
            if not shared:
                raise ConfigError(f"{name!r}: the sandbox has its own abstract names while its network is its own",
                                  key=_SOCKETS, hint='name a socket by its path, or use network.mode = "on"')
            found.sockets.append(HostSocket(path=name, real=name))
        else:
            _socket(known.get(name) or SocketFact(path=name, real=name), tier, roots, denied, found)
    if network.loopback_ports and network.mode != NETWORK_ON:
        if tier != NAMESPACE:
            raise MachineError(f"{_PORTS} cannot be carried out in the {tier} tier, which has no loopback of its own",
                               hint=f"{_BETTER_TIER}, or remove {_PORTS}")
        found.ports.append(HostPorts(ports=tuple(sorted(set(network.loopback_ports)))))
    return found


def _socket(item: SocketFact, tier: str, roots: list[str], denied: list[str], found: Reach) -> None:
    for place in item.through:
        root = _root(place, roots)
        if root:
            raise ConfigError(f"{item.path!r} leads through a symbolic link in {place}, which a command could change "
                              f"(it lies in the writable root {root})", key=_SOCKETS,
                              hint=f"name the socket where it lies: {item.real!r}")
    if item.kind not in (fact.SOCKET, fact.MISSING):
        raise ConfigError(f"{item.path!r} is no unix socket", key=_SOCKETS, hint="name the socket itself")
    if item.datagram:
        raise ConfigError(f"{item.path!r} takes datagrams, which cannot be let through one socket at a time",
                          key=_SOCKETS, hint="remove it; stream and packet sockets can be listed")
    if item.real in denied:
        raise ConfigError(f"{item.path!r} is denied by a rule on files too", key=_SOCKETS,
                          hint="drop one of the two; a socket below a denied directory can be listed")
    root = _root(item.real, roots)
    if not root:
        found.sockets.append(HostSocket(path=item.path, real=item.real, present=item.kind == fact.SOCKET))
        if item.kind == fact.MISSING:
            found.notes.append(f"the unix socket {item.path} does not exist now; it is reached by that name when it "
                               "does")
        return
    if item.kind == fact.MISSING:
        # Whatever came to be there, a command could have put it there, by a rename of another socket.
        found.notes.append(f"the unix socket {item.path} does not exist now and lies in the writable root {root}: "
                           "the host's is reached only by a sandbox that opens after it was made")
        return
    if tier != NAMESPACE:
        raise MachineError(f"{_SOCKETS}: {item.path!r} lies in the writable root {root}, where the {tier} tier cannot "
                           "keep a command from replacing it", hint=f"{_BETTER_TIER}, or move the socket out of {root}")
    if any(_within(item.real, secret) for secret in denied):
        raise ConfigError(f"{item.path!r} lies in a denied part of the writable root {root}", key=_SOCKETS,
                          hint="move the socket, or drop the rule that denies its directory")
    found.sockets.append(HostSocket(path=item.path, real=item.real, device=item.device, inode=item.inode, held=True))


def _within(path: str, root: str) -> bool:
    return path == root or root == "/" or path.startswith(root + "/")


def _root(path: str, roots: list[str]) -> str:
    return next((root for root in roots if _within(path, root)), "")


__all__ = ["Reach", "reach"]
