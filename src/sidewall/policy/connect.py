"""May this host, port or socket be connected to?

Knows: network modes, host rules, sockets by path.  Must not know: resolvers, proxies, what listens.

Loopback inside the cell always works.  ``off`` allows nothing else, ``on`` every host.  With ``proxy`` the most
specific host rule that matches decides, deny before allow at equal specificity; without one the host is denied.  A
unix socket or a named pipe may be reached when it is listed; where the command may write, the sandbox's own.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import hosts, paths
from sidewall.policy.model import (
    LAYERS,
    NETWORK_OFF,
    NETWORK_ON,
    NETWORK_PROXY,
    WRITE,
    Decision,
    HostRule,
    Network,
    Policy,
    Request,
    Source,
)

_CARRIED = ("localhost", "127.0.0.1", "::1")
"""The loopback addresses whose ports can be the host's."""
_PIPES = ("\\\\.\\pipe\\", "\\\\?\\pipe\\")


def decide_connect(policy: Policy, target: str) -> Decision:
    """The answer for ``host``, ``host:port``, ``[v6]:port`` (port 443 when none) or the absolute path of a socket.

    Raises PolicyError for a policy with a host rule that cannot be read.
    """
    if not policy.confined:
        return Decision(allowed=True, reason="the profile confines nothing", kind="unconfined")
    if is_socket(target, policy.flavour):
        return _socket(policy, target)
    try:
        name, port = hosts.split_port(target)
        found = hosts.host(name)
    except PolicyError as error:
        return Decision(allowed=False, reason=error.message, kind="invalid")
    return _host(policy.network, found, port or 443)


def is_socket(target: str, flavour: str = paths.POSIX) -> bool:
    """Whether a connect target is a socket's path (or ``@`` and an abstract name), or a pipe's, and not a host."""
    if flavour == paths.POSIX:
        return target.startswith(("/", "@", "\0"))
    return paths.is_absolute(target, flavour)


def _host(network: Network, found: hosts.Host, port: int) -> Decision:
    shown = f"{hosts.show(found)}, port {port},"
    if network.mode == NETWORK_ON:
        return Decision(allowed=True, reason="the network is on", kind="network")
    if hosts.is_loopback(found):
        lent = port in network.loopback_ports and hosts.show(found) in _CARRIED
        where = "the host's own (TCP)" if lent else "the sandbox's own, not the host's"
        return Decision(allowed=True, reason=f"loopback is always there; port {port} is {where}", kind="loopback")
    if network.mode != NETWORK_PROXY:
        return Decision(allowed=False, reason=f"{shown} cannot be reached: the network is off", kind="network")
    rule = deciding(network.hosts, found, port)
    if rule is None:
        return Decision(allowed=False, reason=f"{shown} cannot be reached: no rule allows it", kind="network")
    reason = (f"{shown} can be reached: {rule.pattern} is allowed" if rule.allow
              else f"{shown} cannot be reached: {rule.pattern} is denied")
    return Decision(allowed=rule.allow, reason=reason, rule=rule, kind="host", source=rule.source)


def deciding(rules: tuple[HostRule, ...], name: hosts.Host, port: int) -> HostRule | None:
    """The rule that decides about a host and port, whatever the order of the rules; None when none matches.

    Raises PolicyError for a pattern that cannot be read.
    """
    best: tuple[tuple[int, int], bool, int, str, str, str] | None = None
    found: HostRule | None = None
    for rule in rules:
        pattern = hosts.parse(rule.pattern, mode=NETWORK_ON)
        if hosts.match(pattern, name, port, any_port=not rule.allow):
            rank = (hosts.specificity(pattern), not rule.allow, LAYERS.index(rule.source.layer), rule.pattern,
                    rule.source.file, rule.source.key)
            if best is None or rank > best:
                best, found = rank, rule
    return found


def _socket(policy: Policy, target: str) -> Decision:
    from sidewall.policy.decide import decide

    listed = f"{target!r} can be reached: it is listed"
    if target in policy.network.unix_sockets:
        return Decision(allowed=True, reason=listed, kind="socket", source=Source(key="network.unix_sockets"))
    if policy.flavour != paths.POSIX and target.lower().startswith(_PIPES):
        known = any(target.lower() == name.lower() for name in policy.network.unix_sockets)
        return Decision(allowed=known, kind="socket",
                        reason=listed if known else f"{target!r} cannot be reached: it is not listed")
    if target[:1] in ("@", "\0"):
        return Decision(allowed=False, kind="socket",
                        reason=f"{target!r} cannot be reached: abstract sockets of the host are out of sight")
    why = paths.doubt(target, policy.flavour)
    if why:
        return Decision(allowed=False, reason=f"{target!r}: {why}", kind="invalid")
    key = paths.key(target, policy.flavour)
    for name in policy.network.unix_sockets:
        if paths.is_absolute(name, policy.flavour) and paths.key(name, policy.flavour) == key:
            return Decision(allowed=True, reason=listed, kind="socket", source=Source(key="network.unix_sockets"))
    inner = decide(policy, Request(action=WRITE, target=target))
    if inner.allowed:
        return inner.replace(reason=f"{target!r} can be reached: it lies where the command may write; the host's own "
                                    "sockets there are named one by one", kind="socket")
    mode = "" if policy.network.mode == NETWORK_OFF else f" (the network being {policy.network.mode} changes nothing)"
    return Decision(allowed=False, kind="socket", rule=inner.rule, source=inner.source,
                    reason=f"{target!r} cannot be reached: sockets of the host are named one by one{mode}")
