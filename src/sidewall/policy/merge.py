"""Layers of configuration become one policy: trusted layers change it, untrusted ones may only narrow it.

Knows: what each clause of a layer does, and which clauses widen.  Must not know: files, formats, who is trusted.

A trusted layer's rule takes the place of earlier rules on the same path, so that it can open what a lower layer or
the built-in list of secrets denies; lists grow, single values are replaced.  An untrusted layer is refused as a whole
when one of its clauses would allow what the policy below it denies; it replaces nothing.
"""

from __future__ import annotations

from sidewall.errors import ConfigError, PolicyError, UsageError
from sidewall.policy import hosts, narrow, paths, profiles
from sidewall.policy.model import (
    COMMAND_LINE,
    DENY,
    GIT_MODES,
    GUARANTEES,
    NETWORK_MODES,
    NETWORK_OFF,
    NETWORK_ON,
    WRITE,
    Environ,
    FileRule,
    HostRule,
    Limits,
    Network,
    Policy,
    Source,
)
from sidewall.policy.protect import OWN, Names
from sidewall.policy.roots import check_writable_root
from sidewall.policy.secrets import is_own
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn, TypeVar

    Item = TypeVar("Item")


class Overlay(Record):
    """One layer's clauses; what is empty or None says nothing.

    ``source`` names layer and file.  ``limits`` are (field of ``Limits``, value) pairs; ``release`` are protected
    names to take off the list; ``mode``, ``inherit``, ``git`` and ``extends`` are single values.
    """

    source: Source
    trusted: bool = True
    extends: str = ""
    files: tuple[FileRule, ...] = ()
    mode: str = ""
    hosts: tuple[HostRule, ...] = ()
    loopback_ports: tuple[int, ...] = ()
    unix_sockets: tuple[str, ...] = ()
    inherit: str = ""
    env_allow: tuple[str, ...] = ()
    env_deny: tuple[str, ...] = ()
    env_set: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    protect: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    git: str = ""
    require: tuple[str, ...] | None = None


def merge(base: Policy, overlays: Iterable[Overlay]) -> Policy:
    """The base with each layer applied in order.  Raises as ``apply``."""
    for overlay in overlays:
        base = apply(base, overlay)
    return base


def apply(policy: Policy, overlay: Overlay) -> Policy:
    """The policy with one layer on top.

    Raises ConfigError (UsageError for the command line) that names file and key: for a writable root that must not be
    one or that is protected, host rules that the network mode cannot honour, unknown words, and, from an untrusted
    layer, for whatever would allow more.
    """
    _check_words(overlay)
    if overlay.extends and (overlay.trusted or overlay.extends in profiles.BOUNDS):
        policy = profiles.constrain(policy, overlay.extends)
    if not overlay.trusted:
        refused = narrow.refusals(policy, overlay)
        if refused:
            key, message = refused[0]
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            _fail(overlay, key, f"{message}, and an untrusted file may only narrow the policy{more}",
                  "If you wrote this file, run 'sidewall trust' in its directory; else remove the line.")
        overlay = narrow.without_writes(overlay)
    result = policy.replace(
        files=_files(policy, overlay),
        network=_network(policy.network, overlay),
        environ=_environ(policy.environ, overlay),
        limits=_limits(policy.limits, overlay),
        protected=tuple([name for name in policy.protected if name not in overlay.release]
                        + [name for name in overlay.protect if name not in policy.protected]),
        git=overlay.git or policy.git,
        require=policy.require if overlay.require is None else overlay.require,
    )
    _check_roots(result, overlay)
    return result


def _check_words(overlay: Overlay) -> None:
    if overlay.extends:
        try:
            profiles.known(overlay.extends)
        except PolicyError as error:
            _fail(overlay, "extends", error.message, error.hint)
        if overlay.extends == profiles.UNCONFINED:
            _fail(overlay, "extends", f"{profiles.UNCONFINED} cannot be the base of a file",
                  "Say --profile :unconfined where you mean it.")
    if overlay.mode and overlay.mode not in NETWORK_MODES:
        _fail(overlay, "network.mode", f"{overlay.mode!r} is not a mode", "Use " + ", ".join(NETWORK_MODES) + ".")
    if overlay.git and overlay.git not in GIT_MODES:
        _fail(overlay, "protect.git", f"{overlay.git!r} is not a mode", "Use " + " or ".join(GIT_MODES) + ".")
    for name in overlay.require or ():
        if name not in GUARANTEES:
            _fail(overlay, "require", f"there is no guarantee {name!r}", "Use some of: " + ", ".join(GUARANTEES) + ".")
    for name in overlay.release:
        if name == OWN:
            _fail(overlay, "protect.release", f"{OWN} stays protected", "It decides what later runs may do.")


def _files(policy: Policy, overlay: Overlay) -> tuple[FileRule, ...]:
    if not overlay.files:
        return policy.files
    kept = policy.files
    if overlay.trusted:
        # Narrowly: where it is uncertain that two paths are one, the earlier rule stays beside the new one.
        taken = {paths.key(rule.path, policy.flavour) for rule in overlay.files if not rule.glob}
        kept = tuple([rule for rule in kept
                      if rule.glob or is_own(rule.source) or paths.key(rule.path, policy.flavour) not in taken])
    return kept + tuple([rule for rule in overlay.files if rule not in kept])


def _network(network: Network, overlay: Overlay) -> Network:
    mode = overlay.mode or network.mode
    for rule in overlay.hosts:
        key = "network.allow" if rule.allow else "network.deny"
        try:
            hosts.parse(rule.pattern, mode=mode if rule.allow else NETWORK_ON)
        except PolicyError as error:
            _fail(overlay, key, error.message, error.hint)
        if rule.allow and mode == NETWORK_OFF:
            _fail(overlay, key, f"{rule.pattern!r} is allowed, but the network is off", 'Add mode = "proxy".')
        if not rule.allow and mode == NETWORK_ON:
            _fail(overlay, key, f"{rule.pattern!r} cannot be denied while the network is on", 'Use mode = "proxy".')
    if overlay.mode == NETWORK_ON and any(not rule.allow for rule in network.hosts):
        _fail(overlay, "network.mode", "hosts that a lower layer denies could not be denied", 'Use mode = "proxy".')
    for port in overlay.loopback_ports:
        if not 0 < port < 65536:
            _fail(overlay, "network.loopback_ports", f"{port} is not a port", "Use 1 to 65535.")
    return network.replace(
        mode=mode, hosts=_joined(network.hosts, overlay.hosts),
        loopback_ports=_joined(network.loopback_ports, overlay.loopback_ports),
        unix_sockets=_joined(network.unix_sockets, overlay.unix_sockets),
    )


def _environ(environ: Environ, overlay: Overlay) -> Environ:
    given = {name for name, _ in overlay.env_set}
    allow, deny = environ.allow, environ.deny
    if overlay.trusted:
        # A name that this layer lets through or sets is no longer denied by a lower one.
        deny = tuple([name for name in deny if name not in overlay.env_allow and name not in given])
    return environ.replace(
        inherit=overlay.inherit or environ.inherit, allow=_joined(allow, overlay.env_allow),
        deny=_joined(deny, overlay.env_deny),
        set=tuple([pair for pair in environ.set if pair[0] not in given]) + overlay.env_set,
    )


def _limits(limits: Limits, overlay: Overlay) -> Limits:
    for name, value in overlay.limits:
        if value < 0:
            _fail(overlay, f"limits.{name}", f"{value} is below 0", "Use 0 for no limit.")
    return limits.replace(**dict(overlay.limits)) if overlay.limits else limits


def _check_roots(policy: Policy, overlay: Overlay) -> None:
    """No writable root of this layer is the system's, and none, old or new, lies under a protected name of another."""
    for rule in overlay.files:
        if rule.glob and rule.access != DENY:
            _fail(overlay, rule.source.key, f"the pattern {rule.path!r} can only deny", "Name the directory itself.")
        if rule.access == WRITE:
            try:
                check_writable_root(rule.path, policy.home, policy.flavour)
            except PolicyError as error:
                _fail(overlay, rule.source.key, error.message, error.hint)
            for other in policy.files:
                if is_own(other.source) and paths.is_within(rule.path, other.path, policy.flavour, wide=True):
                    _fail(overlay, rule.source.key, f"{rule.path} is part of Sidewall's {other.source.key}",
                          "What it holds decides what later runs may do.")
    mine = [rule for rule in overlay.files if rule.access == WRITE]
    if not mine:
        return
    names = Names(policy.protected, policy.git, policy.flavour)
    places = [(paths.parts(rule.path, policy.flavour), rule) for rule in policy.files if rule.access == WRITE]
    for outer, other in places:
        for inner, rule in places:
            if len(inner) > len(outer) and inner[: len(outer)] == outer and (rule in mine or other in mine):
                name = names.holding(inner[len(outer) :])
                if name:
                    key = rule.source.key if rule in mine else other.source.key
                    _fail(overlay, key, f"{rule.path} cannot be writable: {name} is protected below {other.path}",
                          f'Take it off the list with [protect] release = ["{name}"].')


def _joined(first: tuple[Item, ...], second: tuple[Item, ...]) -> tuple[Item, ...]:
    return first + tuple([item for item in second if item not in first])


def _fail(overlay: Overlay, key: str, message: str, hint: str) -> NoReturn:
    if overlay.source.layer == COMMAND_LINE and not overlay.source.file:
        raise UsageError(f"{key}: {message}" if key else message, hint=hint)
    raise ConfigError(message, file=overlay.source.file, key=key, hint=hint)
