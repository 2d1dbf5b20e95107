"""Why a command failed, as far as the policy is the reason: which rule denied what, and what would allow it.

Knows: refused acts that the enforcement saw, symptoms in the output, the policy's answers.  Must not know: cells.
A symptom becomes a denial only if the policy denies it; a failure of any other kind has none.
"""

from __future__ import annotations

import ntpath
import posixpath

from sidewall.policy import paths
from sidewall.policy.decide import decide, describe, smallest_change
from sidewall.policy.model import NETWORK_ON, FileRule, Request
from sidewall.policy.remedy import toml
from sidewall.record import Record
from sidewall.session import symptoms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sidewall.platforms.contract import Attempt
    from sidewall.policy.model import Decision, Policy, Source

PATH, NETWORK, UNIX = "path", "network", "unix"
MOST = 8
NOT_EXECUTABLE = 126
ANY_HOST = "*"
PROTECTED = "protected"
NAME_SERVER = ":53"
LOOPBACK = "loopback"
OWN_HOST = ("localhost", "127.0.0.1", "::1")

IDLE_SOCKETS = ("/run/nscd/", "/var/run/nscd/", "/run/systemd/", "/var/run/systemd/", "/dev/log", "/run/dbus/",
                "/var/lib/sss/", "/run/avahi-daemon/")
"""What the C library and loggers try in passing, with or without success: never why a command failed."""


class Denial(Record):
    """One act that the policy denied.

    ``kind`` is ``path``, ``network`` or ``unix``; ``action`` ``read``, ``write`` or ``connect``; ``target`` the path,
    the host or host:port (``*``: some host).  ``rule`` is the deciding rule (``default`` if none did), ``source`` where
    that is written, ``reason`` a sentence; ``suggestion`` the smallest change that would allow it, '' if there is none.
    """

    kind: str
    action: str
    target: str
    rule: str
    source: str
    reason: str
    suggestion: str = ""

    def sentence(self) -> str:
        """For people: what was denied, and why."""
        return self.reason or f"{self.action} {self.target}: denied"


def explain(policy: Policy, returncode: int, output: bytes, attempts: Sequence[Attempt], cwd: str | bytes | None, *,
            loopback: bool = True) -> tuple[Denial, ...]:
    """The denials behind a failure, the likeliest first, at most ``MOST``; none for a success.

    ``output`` is the end of what the command wrote, ``attempts`` what the enforcement saw, ``cwd`` where it started
    (None: the workspace); ``loopback`` whether there is a loopback inside.
    """
    if not returncode:
        return ()
    start = policy.workspace if cwd is None else cwd if isinstance(cwd, str) else cwd.decode("utf-8", "surrogateescape")
    text = output.decode("utf-8", "replace")
    found: dict[tuple[str, str], Denial] = {}
    sockets = list(_sockets(policy, text))
    hosts = [denial for denial in _hosts(policy, text, loopback=loopback) if denial.target != ANY_HOST or not sockets]
    seen = list(_attempts(policy, attempts))
    if any(denial.kind == UNIX for denial in seen) and not any(denial.kind == NETWORK for denial in seen):
        # A host's name in a request over a socket: nobody asked for the host.
        hosts, seen = seen, hosts
    refused = {denial.target for denial in sockets}
    files = [denial for denial in _paths(policy, text, start, returncode) if denial.target not in refused]
    for denial in (*files, *hosts, *sockets, *seen):
        found.setdefault((denial.kind, denial.target), denial)
        if len(found) == MOST:
            break
    if len([denial for denial in found.values() if denial.kind == NETWORK]) > 1:
        found.pop((NETWORK, ANY_HOST), None)
    return tuple(found.values())


def one_line(denials: Sequence[Denial]) -> str:
    """For people, in one line: the first denial, what would allow it, how many more there are; '' without any."""
    if not denials:
        return ""
    first = denials[0]
    change = f"; to allow it: {first.suggestion}" if first.suggestion else ""
    more = f" (and {len(denials) - 1} more)" if len(denials) > 1 else ""
    return f"{first.sentence().rstrip('.')}{change}{more}"


def _paths(policy: Policy, text: str, cwd: str, returncode: int) -> Iterator[Denial]:
    for kind, written in symptoms.paths(text):
        path = _absolute(written, cwd, policy)
        if not path:
            continue
        if kind == symptoms.TAKEN:
            if decide(policy, Request(action="write", target=path)).kind != PROTECTED:
                continue
            kind = symptoms.WRITE
        if kind != symptoms.WRITE:
            denial = _ask(policy, PATH, "read", path)
            if denial is not None:
                yield denial
                continue
        if kind == symptoms.WRITE or (kind == symptoms.EITHER and returncode != NOT_EXECUTABLE):
            denial = _ask(policy, PATH, "write", path)
            if denial is not None:
                yield denial


def _hosts(policy: Policy, text: str, *, loopback: bool) -> Iterator[Denial]:
    for host, port in symptoms.hosts(text):
        if not host:
            yield from _some_host(policy)
            continue
        if not loopback and policy.network.mode != NETWORK_ON and host in OWN_HOST:
            change = "the tier 'namespace'" + (f" and network.loopback_ports = [{port}]" if port else "")
            yield Denial(kind=NETWORK, action="connect", target=f"{host}:{port}" if port else host, rule=LOOPBACK,
                         source="", reason=f"{host} cannot be reached: this tier has no loopback", suggestion=change)
            continue
        target = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        denial = _ask(policy, NETWORK, "connect", target)
        if denial is not None:
            yield denial


def _some_host(policy: Policy) -> Iterator[Denial]:
    if policy.network.mode != NETWORK_ON:
        yield Denial(kind=NETWORK, action="connect", target=ANY_HOST, rule="network", source="",
                     reason=f"a host cannot be reached: the network is {policy.network.mode}",
                     suggestion=f'network = {{ mode = "{NETWORK_ON}" }}')


def _sockets(policy: Policy, text: str) -> Iterator[Denial]:
    for path in symptoms.sockets(text):
        denial = _ask(policy, UNIX, "connect", posixpath.normpath(path))
        if denial is not None:
            yield denial


def _attempts(policy: Policy, attempts: Sequence[Attempt]) -> Iterator[Denial]:
    for attempt in attempts:
        kind, action = {"connect": (NETWORK, "connect"), "unix": (UNIX, "connect")}.get(attempt.kind, (PATH, "write"))
        if kind == UNIX and attempt.target.startswith(IDLE_SOCKETS):
            continue
        if kind == NETWORK and attempt.target.endswith(NAME_SERVER):
            yield from _some_host(policy)  # who asks a name server wants some other host
            continue
        if attempt.kind == LOOPBACK:
            yield from _loopback(policy, attempt.target)
            continue
        denial = _ask(policy, kind, action, attempt.target)
        if denial is None and kind == UNIX:
            denial = _host_socket(policy, attempt.target)
        if denial is not None:
            yield denial.replace(reason=f"{attempt.target}: {attempt.reason}") if attempt.reason else denial


def _loopback(policy: Policy, target: str) -> Iterator[Denial]:
    """Inside there is another loopback than outside, which surprises."""
    port = target.rpartition(":")[2]
    if port.isdigit() and int(port) not in policy.network.loopback_ports and policy.network.mode != NETWORK_ON:
        yield Denial(kind=NETWORK, action="connect", target=target, rule=LOOPBACK, source="",
                     reason=f"{target} of the host cannot be reached: loopback is the sandbox's own",
                     suggestion=f"network.loopback_ports = [{port}]")


def _host_socket(policy: Policy, target: str) -> Denial | None:
    """A socket of the host's where commands may write: refused, or not there, since the directory inside is another."""
    if decide(policy, Request(action="connect", target=target)).source.key == "network.unix_sockets":
        return None
    return Denial(kind=UNIX, action="connect", target=target, rule="socket", source="",
                  reason=f"{target!r} of the host cannot be reached: sockets of the host are named one by one",
                  suggestion=f"network.unix_sockets = [{toml(target)}]" if target.isprintable() else "")


def _ask(policy: Policy, kind: str, action: str, target: str) -> Denial | None:
    request = Request(action=action, target=target)
    decision = decide(policy, request)
    if decision.allowed:
        return None
    return Denial(kind=kind, action=action, target=target, rule=rule_text(decision),
                  source=source_text(decision.source), reason=decision.reason,
                  suggestion=smallest_change(policy, request))


def rule_text(decision: Decision) -> str:
    """The deciding rule in the words of a configuration file."""
    rule = decision.rule
    if rule is None:
        return decision.kind
    if isinstance(rule, FileRule):
        return f"{rule.access} {rule.path}"
    return f"{'allow' if rule.allow else 'deny'} {rule.pattern}"


def source_text(source: Source) -> str:
    """Where a rule is written: file and key, or the layer."""
    return describe(source)


def _absolute(written: str, cwd: str, policy: Policy) -> str:
    """What a written path means; '' for none that could be asked about."""
    path = written.strip()
    if not path or "://" in path or "\n" in path or "\0" in path or len(path) > 4096:
        return ""
    windows = policy.flavour == paths.WINDOWS
    if path == "~" or path.startswith(("~/", "~\\") if windows else "~/"):
        path = policy.home + path[1:]
    if not windows:
        return posixpath.normpath(posixpath.join(cwd, path))
    # A program that quotes its strings writes each separator twice; a network path begins with two.
    path = ntpath.normpath(ntpath.join(cwd, path[:1] + path[1:].replace("\\\\", "\\")))
    return "" if paths.doubt(path, paths.WINDOWS) else path


Denial.__module__ = "sidewall"
