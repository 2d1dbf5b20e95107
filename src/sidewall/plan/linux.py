"""Compiles a policy for Linux: which tier, which steps in which order, which guarantees.

Knows: what the kernel's mechanisms can hold (namespaces, mounts, Landlock, seccomp), as documents say it.
Must not know: this machine; that comes in as ``LinuxFacts``.
"""

from __future__ import annotations

import sys

from sidewall.errors import GuaranteeError, UsageError
from sidewall.plan import linux_paths, linux_report, rights
from sidewall.plan.facts import LinuxFacts
from sidewall.plan.guarantees import unmet
from sidewall.plan.steps import (
    LANDLOCK,
    NAMESPACE,
    UNCONFINED,
    Devices,
    Hide,
    HostSocket,
    Landlock,
    Loopback,
    Plan,
    PrivateDirectory,
    PrivateTmpfs,
    Privileges,
    Proc,
    Protect,
    ReadOnlyRoot,
    ResourceLimits,
    Seccomp,
    Show,
    Step,
    Unshare,
    Watch,
    Writable,
)
from sidewall.policy.model import NETWORK_ON, NETWORK_PROXY, Policy

TIERS = (NAMESPACE, LANDLOCK)
MASKED_IN_PROC = ("kcore", "keys", "key-users", "sysrq-trigger", "timer_list", "kallsyms", "kmsg")
TEMPORARY = ("/tmp", "/var/tmp")
RUN_SHOWN = ("/run/current-system", "/run/booted-system", "/run/opengl-driver", "/run/systemd/resolve",
             "/run/resolvconf", "/run/NetworkManager/resolv.conf", "/run/host")
_CORE_BYTES = 1
"""No file is written, and a program of the host's that takes core dumps is not started; with 0 it would be."""
RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE = 1, 2, 4, 6, 7


def kinds_for(policy: Policy, tier: str) -> tuple[str, ...]:
    """The namespaces that a cell for this policy wants."""
    if tier == LANDLOCK or not policy.confined:
        return ()
    kinds = ("user", "mount", "pid", "ipc", "uts", "cgroup")
    return kinds if policy.network.mode == NETWORK_ON else (*kinds, "net")


def compile(policy: Policy, facts: LinuxFacts, tier: str) -> Plan:
    """See ``sidewall.plan.compile``."""
    if policy.network.mode == NETWORK_PROXY:
        raise UsageError('network = "proxy" needs the egress proxy, which this release does not have',
                         hint='use network = "off", or "on" to allow every host')
    if not policy.confined:
        steps: tuple[Step, ...] = (_limits(policy, facts, UNCONFINED),)
        return _finish(policy, UNCONFINED, steps, linux_report.unconfined(policy), ())
    chosen = choose_tier(facts, tier)
    layout = linux_paths.lay_out(policy, facts, chosen)
    if chosen == NAMESPACE:
        steps = _namespace(policy, facts, layout)
    else:
        steps = _landlock(policy, facts, layout)
    report = linux_report.report(policy, facts, chosen, layout)
    return _finish(policy, chosen, steps, report, layout.notes)


def why_not_namespace(facts: LinuxFacts) -> str:
    """'' when the namespace tier can be had, else the reason."""
    if facts.refused:
        return f"namespaces are refused: {facts.refused}"
    if "mount" not in facts.kinds or "pid" not in facts.kinds:
        return "namespaces were not asked for"
    if not facts.seccomp:
        return "the kernel has no seccomp filters for this architecture"
    return ""


def why_not_landlock(facts: LinuxFacts) -> str:
    """'' when the landlock tier can be had, else the reason."""
    if facts.landlock < 1:
        return "the kernel has no Landlock (it needs Linux 5.13, and 'landlock' in the lsm= boot parameter)"
    if not facts.seccomp:
        return "the kernel has no seccomp filters for this architecture"
    return ""


def remedy(facts: LinuxFacts) -> str:
    """What would give this machine a better tier; '' when it has the best."""
    if not why_not_namespace(facts):
        return ""
    if not facts.seccomp:
        return "use a machine with an x86_64 or aarch64 processor"
    if "EACCES" in facts.refused or "EPERM" in facts.refused:
        return ("allow unprivileged user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), "
                "kernel.unprivileged_userns_clone=1 (Debian), or run the container with --security-opt "
                "seccomp=unconfined --security-opt systempaths=unconfined")
    if "ENOSPC" in facts.refused:
        return "raise the limit: sysctl user.max_user_namespaces=15000"
    return "use Linux 5.12 or later with user namespaces"


def choose_tier(facts: LinuxFacts, wanted: str) -> str:
    """The tier to use.  Raises UsageError for an unknown name, GuaranteeError when it cannot be had."""
    if wanted not in ("auto", *TIERS):
        raise UsageError(f"unknown tier {wanted!r}", hint=f"tiers on Linux: auto, {', '.join(TIERS)}")
    reasons = {NAMESPACE: why_not_namespace(facts), LANDLOCK: why_not_landlock(facts)}
    for name in TIERS if wanted == "auto" else (wanted,):
        if not reasons[name]:
            return name
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)
    raise GuaranteeError(f"no tier can confine a command on this machine ({told})" if wanted == "auto"
                         else f"the {wanted} tier cannot be had here: {reasons[wanted]}",
                         hint=remedy(facts) or f"use --tier {NAMESPACE}, or no --tier at all")


def _finish(policy: Policy, tier: str, steps: tuple[Step, ...], report: tuple[linux_report.Guarantee, ...],
            notes: tuple[str, ...]) -> Plan:
    missing = unmet(report)
    if missing:
        first = missing[0]
        told = "; ".join(f"{line.name} is {line.level}: {line.reason}" for line in missing)
        raise GuaranteeError(f"required but not enforced here in the {tier} tier: {told}",
                             guarantees=tuple(line.name for line in missing),
                             hint=first.remedy or f"drop it from 'require' to run without it: --require "
                             f"{','.join(n for n in policy.require if n != first.name) or 'none'}")
    return Plan(platform="linux", tier=tier, policy=policy, steps=steps, guarantees=report, digest=digest(steps),
                notes=notes)


def digest(steps: tuple[Step, ...]) -> str:
    """SHA-256 of the steps' canonical text, in hexadecimal."""
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
    return str(sha256(repr(steps).encode("utf-8", "surrogatepass")).hexdigest())


def _namespace(policy: Policy, facts: LinuxFacts, layout: linux_paths.Layout) -> tuple[Step, ...]:
    steps: list[Step] = [Unshare(kinds=kinds_for(policy, NAMESPACE))]
    if policy.network.mode != NETWORK_ON:
        steps.append(Loopback())
    steps += layout.ports
    steps += layout.placeholders
    steps.append(ReadOnlyRoot())
    steps += [PrivateTmpfs(path=path) for path in TEMPORARY]
    steps.append(PrivateTmpfs(path="/run", mode=0o755, sealed=True))
    steps += [Show(path=path) for path in RUN_SHOWN]
    # From the top down: what is shown may hold what is hidden, and the other way round.
    views: list[Show | Hide | HostSocket] = [*(Show(path=path) for path in layout.shown), *layout.hides]
    views += [step for step in layout.sockets if not step.held]
    views.sort(key=_place)
    steps += views
    # From the outside in too: what is only readable in a writable directory may hold a writable one.
    places: list[Writable | Protect] = [*layout.writable, *layout.readonly]
    places.sort(key=lambda step: step.path.split("/"))
    steps += places
    steps += layout.pins
    steps += layout.git
    steps += layout.protects
    steps += [step for step in layout.sockets if step.held]
    steps += layout.masks
    steps.append(Proc(masked=MASKED_IN_PROC))
    steps.append(Devices())
    steps.append(_limits(policy, facts, NAMESPACE))
    steps.append(Privileges())
    if facts.landlock:
        writable = rights.writing(facts.landlock)
        rules = [(root.path, writable) for root in layout.writable]
        rules += [(overlay.path, writable) for overlay in layout.git]
        rules += [(path, writable) for path in (*TEMPORARY, "/dev/shm", "/dev/mqueue")]
        rules.append(("/dev", rights.WRITE_FILE | rights.TRUNCATE | rights.IOCTL_DEV))
        steps.append(Landlock(abi=min(facts.landlock, rights.NEWEST), fs=writable, net=0,
                              scope=rights.scopes(facts.landlock), rules=tuple(rules)))
    steps.append(Seccomp(arch=facts.machine, inet=True, unix="mediated" if facts.notify else "none",
                         mediate_unix=facts.notify))
    steps.append(_watch(policy, layout, each=False))
    return tuple(steps)


def _place(step: Show | Hide | HostSocket) -> tuple[list[str], bool]:
    if isinstance(step, Hide):
        return step.parent.split("/"), True
    return (step.real if isinstance(step, HostSocket) else step.path).split("/"), False


def _landlock(policy: Policy, facts: LinuxFacts, layout: linux_paths.Layout) -> tuple[Step, ...]:
    version = min(facts.landlock, rights.NEWEST)
    online = policy.network.mode == NETWORK_ON
    writable = rights.writing(version)
    rules: list[tuple[str, int]] = [("/", rights.READ_DIR)]
    rules += [(path, rights.READING) for path in layout.readable]
    rules += [(root.path, writable | rights.READING) for root in layout.writable]
    rules += [(f"/dev/{name}", rights.FILE_RIGHTS) for name in ("null", "zero", "full", "random", "urandom", "tty")]
    return (
        PrivateDirectory(),
        _limits(policy, facts, LANDLOCK),
        Privileges(),
        Landlock(abi=version, fs=writable | rights.READING, net=0 if online else rights.network(version),
                 scope=rights.scopes(version), rules=tuple(rules)),
        *layout.sockets,
        Seccomp(arch=facts.machine, inet=online, unix="mediated" if layout.sockets else "none",
                mediate_unix=bool(layout.sockets), shares_host=True),
        _watch(policy, layout, each=True),
    )


def _watch(policy: Policy, layout: linux_paths.Layout, *, each: bool) -> Watch:
    return Watch(roots=tuple(root.path for root in layout.writable), names=policy.protected, held=layout.held,
                 each=each, places=layout.places)


def _limits(policy: Policy, facts: LinuxFacts, tier: str) -> ResourceLimits:
    limits = policy.limits
    rlimits: list[tuple[str, int]] = [("core", _CORE_BYTES)]
    if limits.file_bytes:
        rlimits.append(("fsize", limits.file_bytes))
    if limits.open_files:
        rlimits.append(("nofile", limits.open_files))
    tasks, settings = 0, []
    if limits.processes:
        if "pids" in facts.controllers:
            settings.append(("pids.max", str(limits.processes)))
        elif tier == NAMESPACE:
            if facts.kernel >= (5, 14) and facts.uid != 0:
                # Init is one of the user's too.
                rlimits.append(("nproc", limits.processes + 1))
            if facts.kernel >= (6, 14):
                tasks = limits.processes
    if limits.memory_bytes:
        if "memory" in facts.controllers:
            settings += [("memory.max", str(limits.memory_bytes)), ("memory.swap.max", "0")]
        else:
            rlimits.append(("data", limits.memory_bytes))
    return ResourceLimits(rlimits=tuple(rlimits), tasks=tasks, cgroup=facts.delegated if settings else "",
                          settings=tuple(settings))


__all__ = ["Hide", "Writable", "choose_tier", "compile", "digest", "kinds_for", "remedy", "why_not_landlock",
           "why_not_namespace"]
