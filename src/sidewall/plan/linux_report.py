"""The guarantee report of the Linux tiers: what each holds, by which mechanism, and what is missing.

Knows: what every mechanism promises and does not (``docs/guarantees.md`` says it for people).
Must not know: this machine; that is in ``LinuxFacts``.
"""

from __future__ import annotations

from sidewall.plan import rights
from sidewall.plan.facts import LinuxFacts
from sidewall.plan.guarantees import ADVISORY, ENFORCED, OPEN, PARTIAL, Guarantee, in_order
from sidewall.plan.linux_paths import Layout, is_within
from sidewall.plan.steps import NAMESPACE
from sidewall.policy.model import GIT_COMMIT, GUARANTEES, NETWORK_ON, Policy

_NAMESPACE_REMEDY = "allow user namespaces: `sidewall doctor` names the setting for this machine"


def unconfined(policy: Policy) -> tuple[Guarantee, ...]:
    """The report of a policy that asks for no confinement: everything is open."""
    return tuple(Guarantee(name=name, level=OPEN, mechanism="none", reason="the profile confines nothing",
                           required=name in policy.require) for name in GUARANTEES)


def report(policy: Policy, facts: LinuxFacts, tier: str, layout: Layout) -> tuple[Guarantee, ...]:
    """One line for each guarantee, in the design's order."""
    lines = _namespace(policy, facts, layout) if tier == NAMESPACE else _landlock(policy, facts, layout)
    lines.append(_secrets(layout, tier))
    lines.append(_limits(policy, facts, tier))
    return in_order(tuple(line.replace(required=line.name in policy.require) for line in lines))


def _line(name: str, level: str, mechanism: str, reason: str = "", remedy: str = "") -> Guarantee:
    return Guarantee(name=name, level=level, mechanism=mechanism, reason=reason, remedy=remedy)


def _namespace(policy: Policy, facts: LinuxFacts, layout: Layout) -> list[Guarantee]:
    abi = min(facts.landlock, rights.NEWEST)
    second = f"; Landlock ABI {abi}" if abi else ""
    thin = "" if abi else "one layer only: this kernel has no Landlock"
    online = policy.network.mode == NETWORK_ON
    allowed = "the policy allows every host"
    if layout.weak_names:
        names = _line("protected-names", PARTIAL, "read-only binds, git overlay with carry-over; compared and put back",
                      "a file or a symbolic link is held only until a program outside replaces it: "
                      + _some(layout.weak_names))
    elif not facts.scanned:
        names = _line("protected-names", PARTIAL, "read-only binds, placeholders, git overlay with carry-over",
                      "the workspace is too large: deep directories are looked through by and by, and when the "
                      "cell ends")
    else:
        names = _line("protected-names", ENFORCED, "read-only binds, placeholders, git overlay with carry-over",
                      "new names in subdirectories are found after commands, at the latest when the cell ends")
    sockets = "the keeper answers each connect" if facts.notify else "seccomp: no unix sockets"
    ports = _ports(layout)
    return [
        _line("write-outside", PARTIAL if layout.bare_places else ENFORCED, "read-only mounts" + second,
              _places(layout, "does not exist, so it cannot be held") if layout.bare_places else thin,
              "make the directory, or drop the rule" if layout.bare_places else ""),
        _line("metadata-outside", ENFORCED, "read-only mounts"),
        names,
        _line("network-egress", ENFORCED, allowed if online else "network namespace with loopback only"),
        _line("network-host-loopback", OPEN, "none", "network = \"on\" shares the host's loopback",
              'use network = "off"') if online else
        _line("network-host-loopback", ENFORCED, "network namespace" + ("; the keeper relays" if ports else ""), ports),
        _line("name-resolution", ENFORCED, allowed if online else "network namespace; resolver sockets hidden"),
        _line("unix-sockets-and-pipes", ENFORCED, f"{sockets}; /run, /tmp private; seccomp: no datagrams",
              "; ".join(filter(None, ("abstract names of the host are refused by the keeper" if online else "",
                                      _sockets(layout))))),
        _line("outside-processes", ENFORCED, "pid namespace; seccomp" + ("; Landlock scopes" if abi >= 6 else "")),
        _line("desktop", ENFORCED, "own /dev, /run and /tmp; no display variables; own ipc namespace"),
        _line("privileges", ENFORCED, "no new privileges, no capabilities, seccomp; no set-uid mounts"),
        _line("survivors", ENFORCED, "pid namespace; the keeper outlives a killed owner"),
    ]


def _landlock(policy: Policy, facts: LinuxFacts, layout: Layout) -> list[Guarantee]:
    abi = min(facts.landlock, rights.NEWEST)
    online = policy.network.mode == NETWORK_ON
    name = f"Landlock ABI {abi}"
    if layout.bare_places:
        write = _line("write-outside", PARTIAL, f"{name}: allow-list of writable roots",
                      _places(layout, "in a writable directory, which Landlock cannot except"), _NAMESPACE_REMEDY)
    elif abi >= 3:
        write = _line("write-outside", ENFORCED, f"{name}: allow-list of writable roots")
    else:
        write = _line("write-outside", PARTIAL, name, "truncate(2) is not covered before ABI 3",
                      "use Linux 6.2 or later, or " + _NAMESPACE_REMEDY)
    if online:
        egress = _line("network-egress", ENFORCED, "the policy allows every host")
        loopback = _line("network-host-loopback", OPEN, "none", 'network = "on" shares the host\'s loopback',
                         'use network = "off"')
        resolution = _line("name-resolution", ENFORCED, "the policy allows every host")
    else:
        refused = "seccomp: no internet sockets" + (f"; {name}: no TCP" if abi >= 4 else "")
        egress = _line("network-egress", ENFORCED, refused)
        loopback = _line("network-host-loopback", ENFORCED, refused, "loopback inside the cell does not work either")
        resolution = _line("name-resolution", ENFORCED, refused)
    spoken = "between two checks a program outside can meet what the command wrote"
    if policy.git != GIT_COMMIT:
        spoken += '; git = "read-only" is not held: objects, references and the index can be changed, and stay so'
    own = [place for place in facts.own if any(is_within(place, root.path) for root in layout.writable)]
    if own:
        spoken += f"; this program can be changed, since it lies in a writable directory: {_some(own)}"
    missing = "the list of the user's processes and their command lines can be read"
    refused = "seccomp: no ptrace, no shared ipc, no tuning of others"
    processes = _line("outside-processes", PARTIAL if abi >= 6 else OPEN,
                      f"Landlock scopes; {refused}" if abi >= 6 else refused,
                      missing if abi >= 6 else "signals reach the user's processes before ABI 6", _NAMESPACE_REMEDY)
    return [
        write,
        _line("metadata-outside", OPEN, "none", "Landlock does not cover mode, owner, times and attributes",
              _NAMESPACE_REMEDY),
        _line("protected-names", PARTIAL, "recorded, compared after each command, put back",
              spoken, _NAMESPACE_REMEDY),
        egress, loopback, resolution,
        _line("unix-sockets-and-pipes", ENFORCED, "the keeper answers each connect; seccomp: no datagrams",
              _sockets(layout) + "; sockets of the cell's own cannot be connected to") if layout.sockets else
        _line("unix-sockets-and-pipes", ENFORCED, "seccomp: no unix sockets but pairs"),
        processes,
        _line("desktop", ENFORCED, "seccomp: no unix sockets" + (" but those listed" if layout.sockets else "")
              + "; Landlock: no terminals, no devices"),
        _line("privileges", ENFORCED, "no new privileges, no capabilities, seccomp"),
        _line("survivors", PARTIAL, "subreaper: every orphan is killed",
              "a keeper that is itself killed leaves orphans", _NAMESPACE_REMEDY),
    ]


def _places(layout: Layout, why: str) -> str:
    return f"a rule lets it not be written, and it can be all the same: {_some(layout.bare_places)} ({why})"


def _ports(layout: Layout) -> str:
    """The host's ports that the policy lets be reached, in words; '' when there are none."""
    ports = [str(port) for step in layout.ports for port in step.ports]
    return "the policy allows the host's TCP ports " + ", ".join(ports) if ports else ""


def _sockets(layout: Layout) -> str:
    """The same for the host's unix sockets: all of them, since each is a way out."""
    return "the policy allows " + ", ".join(step.path for step in layout.sockets) if layout.sockets else ""


def _secrets(layout: Layout, tier: str) -> Guarantee:
    reasons, remedy = [], "keep secrets out of writable roots, or deny the directory that holds them"
    if layout.bare_secrets:
        reasons.append("readable all the same, since Landlock cannot except them from a writable root: "
                       + _some(layout.bare_secrets))
        remedy = _NAMESPACE_REMEDY
    told = ""
    if tier == NAMESPACE:
        mechanism = "their directories are put together without them"
        if layout.snapshots:
            told = "what is replaced outside there is seen by the next sandbox only: " + _some(layout.snapshots)
        if layout.weak_secrets:
            mechanism += "; masks"
            reasons.append("a mask ends when a program outside replaces the file, and covers no file made later: "
                           + _some(layout.weak_secrets))
            if layout.loose_secrets:
                remedy = "require it: then their directories are put together without them, as they are at that time"
    else:
        mechanism = "Landlock allow-list without them"
        if layout.weak_secrets:
            reasons.append("a pattern covers no file made later: " + _some(layout.weak_secrets))
    if reasons:
        return _line("read-secrets", PARTIAL, mechanism, "; ".join(reasons), remedy)
    return _line("read-secrets", ENFORCED, mechanism, told)


def _some(paths: list[str]) -> str:
    return ", ".join(sorted(set(paths))[:4])


def _limits(policy: Policy, facts: LinuxFacts, tier: str) -> Guarantee:
    limits = policy.limits
    weak = []
    how = ["time and output: the session"]
    if limits.processes:
        if "pids" in facts.controllers:
            how.append("processes: cgroup")
        elif tier == NAMESPACE and facts.kernel >= (5, 14) and facts.uid != 0:
            how.append("processes: RLIMIT_NPROC of the user namespace")
        elif tier == NAMESPACE and facts.kernel >= (6, 14):
            how.append("processes: pid_max of the pid namespace")
            if not facts.last_pid:
                weak.append("300 processes more than the limit at first")
        else:
            weak.append("processes are not limited")
    if limits.memory_bytes:
        if "memory" in facts.controllers:
            how.append("memory: cgroup")
        else:
            how.append("memory: RLIMIT_DATA")
            weak.append("memory is limited for each process, not for all together")
    if limits.file_bytes:
        how.append("file size: RLIMIT_FSIZE")
    return _line("limits", PARTIAL if weak else ENFORCED, "; ".join(how), "; ".join(weak),
                 "run in a systemd user session that delegates cgroup controllers" if weak else "")


__all__ = ["ADVISORY", "Guarantee", "report", "unconfined"]
