"""The smallest change of a policy that would allow a denied request, in words that can be typed.

Knows: options of the command line and keys of ``sidewall.toml``.  Must not know: whether the change is wise; it offers
none for protected names, for writing where credentials lie, for system directories, for what has no certain meaning.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import hosts, paths, secrets
from sidewall.policy.connect import is_socket
from sidewall.policy.model import (
    BUILT_IN,
    NETWORK_ON,
    NETWORK_PROXY,
    READ,
    Decision,
    FileRule,
    HostRule,
    Policy,
    Request,
)
from sidewall.policy.roots import check_writable_root

_NEVER = ("protected", "invalid", "unconfined")


def smallest_change(policy: Policy, request: Request) -> str:
    """``--write PATH``, ``--read PATH``, a line of TOML, or ``remove ...``; '' for none.

    For a write outside all rules the directory is offered, since a program that makes one file there makes others;
    the file alone where the directory would be too much.  Raises PolicyError as ``decide``.
    """
    from sidewall.policy.decide import CONNECT, decide

    decision = decide(policy, request)
    if decision.allowed or decision.kind in _NEVER:
        return ""
    if request.action == CONNECT:
        return _connect(policy, request.target, decision)
    if decision.kind == "glob" or _written_by_the_user(policy, request, decision):
        return _without(decision)
    if secrets.is_own(decision.source) or (decision.kind == "secret" and request.action != READ):
        return ""
    place = paths.normalise(request.target, policy.flavour)
    if request.action == READ:
        return f"--read {quoted(place, policy.flavour)}"
    wanted = _root_for(policy, place, decision)
    return f"--write {quoted(wanted, policy.flavour)}" if wanted else ""


def quoted(word: str, flavour: str = paths.POSIX) -> str:
    """The word as one argument of a shell of the flavour."""
    safe = "%+,-./:=@_~" if flavour == paths.POSIX else "\\+,-./:=@_"
    if word and all(char.isascii() and (char.isalnum() or char in safe) for char in word):
        return word
    if flavour == paths.POSIX:
        return "'" + word.replace("'", "'\\''") + "'"
    return f'"{word}"'


def toml(word: str) -> str:
    """The word as a TOML string."""
    if "'" not in word and word.isprintable():
        return f"'{word}'" if "\\" in word or '"' in word else f'"{word}"'
    escaped = [f"\\u{ord(char):04x}" if not char.isprintable() and ord(char) < 0x10000 else char for char in
               word.replace("\\", "\\\\").replace('"', '\\"')]
    return '"' + "".join(escaped) + '"'


def _written_by_the_user(policy: Policy, request: Request, decision: Decision) -> bool:
    """Whether an option could not outweigh the rule, since it is about this very path."""
    rule = decision.rule
    return (
        isinstance(rule, FileRule) and rule.source.layer != BUILT_IN
        and paths.key(rule.path, policy.flavour, wide=True) == paths.key(request.target, policy.flavour, wide=True)
    )


def _without(decision: Decision) -> str:
    rule = decision.rule
    if rule is None:
        return ""
    text = rule.path if isinstance(rule, FileRule) else rule.pattern
    where = decision.source
    place = f"{where.key} in {where.file}" if where.file else where.key or "the rules"
    return f"remove {toml(text)} from {place}"


def _root_for(policy: Policy, place: str, decision: Decision) -> str:
    """What to make writable: the directory that holds the path, the path itself, or '' for neither."""
    flavour = policy.flavour
    holder = paths.parent(place, flavour)
    candidates = [place]
    if decision.rule is None and not _settings(policy, holder):
        candidates.insert(0, holder)
    for candidate in candidates:
        try:
            check_writable_root(candidate, policy.home, flavour)
        except PolicyError:
            continue
        return candidate
    return ""


def _settings(policy: Policy, holder: str) -> bool:
    """Whether the directory is a hidden one right below the home directory, in which many programs keep settings."""
    names, home = paths.parts(holder, policy.flavour), paths.parts(policy.home, policy.flavour)
    return names[:-1] == home and names[-1].startswith(".")


def _connect(policy: Policy, target: str, decision: Decision) -> str:
    if is_socket(target, policy.flavour):
        abstract = target[:1] in ("@", "\0") and policy.network.mode != NETWORK_ON
        if abstract or target[:1] == "\0" or not target.isprintable():
            return ""
        return f"network.unix_sockets = [{toml(target)}]"
    if isinstance(decision.rule, HostRule):
        return _without(decision)
    name, port = hosts.split_port(target)
    shown = hosts.show(hosts.host(name))
    if port and port not in hosts.DEFAULT_PORTS:
        shown = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    if policy.network.mode == NETWORK_PROXY:
        return f"network.allow = [{toml(shown)}]"
    return f'network = {{ mode = "{NETWORK_PROXY}", allow = [{toml(shown)}] }}'

