"""Which clauses of an untrusted layer would allow what the policy below it denies.

Knows: the order of every clause from wide to narrow.  Must not know: why the layer is untrusted.

For files it is enough to ask about the rule's own path: adding a rule changes answers only on its path and below,
there only where no more specific rule decides, and all less specific rules that apply below apply on the path too.
"""

from __future__ import annotations

from sidewall.policy import environ, hosts, profiles
from sidewall.policy.connect import decide_connect
from sidewall.policy.decide import decide
from sidewall.policy.model import (
    DENY,
    GIT_COMMIT,
    NETWORK_MODES,
    NETWORK_ON,
    NETWORK_PROXY,
    READ,
    WRITE,
    Policy,
    Request,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from sidewall.policy.merge import Overlay

    Refusal: TypeAlias = tuple[str, str]
    """The dotted key, and what it would do."""

def refusals(policy: Policy, overlay: Overlay) -> tuple[Refusal, ...]:
    """Every clause of ``overlay`` that would widen ``policy``, in a fixed order; () when it only narrows.

    ``policy`` is already kept within the profile that the layer extends.
    Raises PolicyError for a rule that cannot be read.
    """
    found: list[Refusal] = []
    if overlay.extends and overlay.extends not in profiles.BOUNDS:
        found.append(("extends", f"{overlay.extends} may be wider than the policy in force"))
    found += _files(policy, overlay)
    found += _network(policy, overlay)
    found += _environ(policy, overlay)
    for name, value in overlay.limits:
        bound = getattr(policy.limits, name)
        if (value == 0 and bound != 0) or (bound != 0 and value > bound):
            found.append((f"limits.{name}", f"{value:g} is above the limit in force, {bound:g}"))
    for name in overlay.release:
        found.append(("protect.release", f"{name!r} would no longer be protected"))
    if overlay.git == GIT_COMMIT and policy.git != GIT_COMMIT:
        found.append(("protect.git", "git directories would become writable"))
    if overlay.require is not None:
        missing = [name for name in policy.require if name not in overlay.require]
        if missing:
            found.append(("require", f"{', '.join(missing)} would no longer be required"))
    return tuple(found)


def without_writes(overlay: Overlay) -> Overlay:
    """The layer without its writable roots, which are writable already: a root of its own would be held apart from
    the one around it, and from what is protected there."""
    return overlay.replace(files=tuple([rule for rule in overlay.files if rule.access != WRITE]))


def _files(policy: Policy, overlay: Overlay) -> list[Refusal]:
    found = []
    for rule in overlay.files:
        if rule.access == DENY:
            continue
        if rule.access not in (READ, WRITE) or rule.glob:
            found.append((rule.source.key, f"{rule.path!r} is not a rule"))
        elif not decide(policy, Request(action=rule.access, target=rule.path)).allowed:
            word = "written" if rule.access == WRITE else "read"
            found.append((rule.source.key, f"{rule.path} could be {word}"))
    return found


def _network(policy: Policy, overlay: Overlay) -> list[Refusal]:
    network = policy.network
    found: list[Refusal] = []
    if overlay.mode and NETWORK_MODES.index(overlay.mode) > NETWORK_MODES.index(network.mode):
        found.append(("network.mode", f"the network would be {overlay.mode!r} instead of {network.mode!r}"))
    if network.mode != NETWORK_ON:
        for rule in overlay.hosts:
            if rule.allow and not _reachable(policy, rule.pattern):
                found.append(("network.allow", f"{rule.pattern} could be reached"))
        for port in overlay.loopback_ports:
            if port not in network.loopback_ports:
                found.append(("network.loopback_ports", f"the host's port {port} could be reached"))
    for name in overlay.unix_sockets:
        if name not in network.unix_sockets:
            found.append(("network.unix_sockets", f"{name} could be reached"))
    return found


def _reachable(policy: Policy, text: str) -> bool:
    """Whether all that the pattern matches may be reached already."""
    if policy.network.mode != NETWORK_PROXY:
        return False
    pattern = hosts.parse(text, mode=NETWORK_ON)
    if pattern.kind in (hosts.NAME, hosts.ADDRESS):
        shown = hosts.show(pattern.labels or (pattern.version, pattern.number))
        host = f"[{shown}]" if ":" in shown else shown
        ports = (pattern.port,) if pattern.port else hosts.DEFAULT_PORTS
        return all(decide_connect(policy, f"{host}:{port}").allowed for port in ports)
    same = [rule for rule in policy.network.hosts
            if rule.allow and hosts.parse(rule.pattern, mode=NETWORK_ON) == pattern]
    return bool(same) and all(rule.allow for rule in policy.network.hosts)


def _environ(policy: Policy, overlay: Overlay) -> list[Refusal]:
    now = policy.environ
    found: list[Refusal] = []
    if overlay.inherit and environ.INHERIT.index(overlay.inherit) > environ.INHERIT.index(now.inherit):
        found.append(("env.inherit", f"{overlay.inherit!r} variables would pass instead of {now.inherit!r}"))
    for pattern in overlay.env_allow:
        if pattern not in now.allow:
            found.append(("env.allow", f"variables {pattern!r} would pass"))
    given = {name for name, _ in now.set}
    for name, _ in overlay.env_set:
        if name in given:
            found.append(("env.set", f"{name} has a value that a higher authority gave it"))
    return found
