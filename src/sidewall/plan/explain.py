"""A plan in words: what will be done, step by step, and what that promises; and the same as plain data.

Knows: the plan's vocabulary and how to say each step in one line.  Must not know: colours, terminals, or how a step
is carried out.  Pure: the command line paints what is returned here, ``--json`` prints ``to_dict``.
"""

from __future__ import annotations

from sidewall.plan import steps
from sidewall.plan.guarantees import in_order
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.plan.guarantees import Guarantee
    from sidewall.plan.steps import Plan, Step

SCHEMA = 1
_SHOWN = 6


class Entry(Record):
    """One step for people: ``title`` says what is done to what, ``details`` are further objects, one a line."""

    title: str
    details: tuple[str, ...] = ()


def entries(plan: Plan) -> tuple[Entry, ...]:
    """The steps of the plan in order; neighbours that do the same to several objects share one entry."""
    told: list[Entry] = []
    row: list[str] = []
    last = ""
    for step in plan.steps:
        one = entry(step)
        verb, _, what = one.title.partition(": ")
        same = type(step).__name__ + verb if what and not one.details else ""
        if same and same == last:
            row.append(what)
            told[-1] = Entry(title=verb, details=(", ".join(row),))
        else:
            row = [what]
            told.append(one)
        last = same
    return tuple(told)


def entry(step: Step) -> Entry:
    """One step in words.  A step without a sentence of its own is shown by its name and its fields."""
    if type(step).__module__.endswith(".windows_steps"):
        from sidewall.plan import explain_windows

        return explain_windows.entry(step)
    kind = type(step).__name__
    say = _SENTENCES.get(kind)
    return say(step) if say else _fields(step)


def _fields(step: Step) -> Entry:
    values = step.to_dict()
    shown = ", ".join(f"{name}={value}" for name, value in values.items() if value not in ("", None, []))
    return Entry(title=spaced(type(step).__name__) + (f": {shown}" if shown else ""))


def spaced(name: str) -> str:
    """``ReadOnlyRoot`` as ``read only root``."""
    return "".join(" " + letter.lower() if letter.isupper() else letter for letter in name).strip()


def size(count: int) -> str:
    """Bytes for people: the largest binary unit that divides without rest, else bytes."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count and count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} bytes"


def _unshare(step: steps.Unshare) -> Entry:
    return Entry(title="own namespaces: " + ", ".join(step.kinds))


def _read_only_root(step: steps.ReadOnlyRoot) -> Entry:
    return Entry(title="the whole file system read-only, without set-uid programs and device nodes")


def _private_tmpfs(step: steps.PrivateTmpfs) -> Entry:
    bound = f", at most {size(step.size_bytes)}" if step.size_bytes else ""
    sealed = ", read-only" if step.sealed else ""
    return Entry(title=f"an empty file system of its own at {step.path}{bound}{sealed}")


def _private_directory(step: steps.PrivateDirectory) -> Entry:
    return Entry(title="a temporary directory of its own, removed at the end")


def _show(step: steps.Show) -> Entry:
    return Entry(title=f"stays visible, read-only: {step.path}")


def _writable(step: steps.Writable) -> Entry:
    return Entry(title=f"writable: {step.path}")


def _hide(step: steps.Hide) -> Entry:
    return Entry(title=f"gone from {step.parent}", details=some(step.names))


def _mask(step: steps.Mask) -> Entry:
    return Entry(title=f"unreadable: {step.path}")


def _pin(step: steps.Pin) -> Entry:
    return Entry(title=f"stays where it is: {step.path}")


def _protect(step: steps.Protect) -> Entry:
    return Entry(title=f"protected, read-only: {step.path}")


def _placeholder(step: steps.Placeholder) -> Entry:
    return Entry(title=f"protected, must not come to be: {step.root.rstrip('/')}/{step.name}")


def _git_overlay(step: steps.GitOverlay) -> Entry:
    fresh = " (there is no repository yet)" if step.fresh else ""
    return Entry(title=f"copy-on-write over {step.path}{fresh}; objects, refs, index and logs are carried over "
                       "afterwards")


def _host_socket(step: steps.HostSocket) -> Entry:
    place = f" (really {step.real})" if step.real != step.path else ""
    absent = "" if step.present else ", once it is there"
    return Entry(title=f"can be connected to: {step.path}{place}{absent}")


def _host_ports(step: steps.HostPorts) -> Entry:
    return Entry(title="carried to the host's loopback, TCP: ports " + ", ".join(str(port) for port in step.ports))


def _proc(step: steps.Proc) -> Entry:
    covered = ("covered: " + ", ".join(step.masked),) if step.masked else ()
    return Entry(title="a process file system of its own, read-only", details=covered)


def _devices(step: steps.Devices) -> Entry:
    shared = f", shared memory at most {size(step.shm_bytes)}" if step.shm_bytes else ""
    return Entry(title=f"a minimal /dev{shared}")


def _loopback(step: steps.Loopback) -> Entry:
    return Entry(title="a loopback interface of its own, up")


def _landlock(step: steps.Landlock) -> Entry:
    rules = tuple(f"{path} (rights {bits:#x})" for path, bits in step.rules)
    return Entry(title=f"Landlock, ABI {step.abi}: files {step.fs:#x}, network {step.net:#x}, scope {step.scope:#x}",
                 details=some(rules))


def _seccomp(step: steps.Seccomp) -> Entry:
    inet = "allowed" if step.inet else "refused"
    asked = ", each connect is asked for" if step.mediate_unix else ""
    return Entry(title=f"seccomp filter ({step.arch}): internet sockets {inet}, unix sockets {step.unix}{asked}")


def _privileges(step: steps.Privileges) -> Entry:
    return Entry(title="no new privileges, no capabilities, no core dumps, not traceable")


def _limits(step: steps.ResourceLimits) -> Entry:
    bounds = [f"{name} {value}" for name, value in (*step.rlimits, *step.settings)]
    bounds += [f"at most {step.tasks} tasks"] if step.tasks else []
    return Entry(title="limits: " + (", ".join(bounds) or "none"),
                 details=(f"control group below {step.cgroup}",) if step.cgroup else ())


def _watch(step: steps.Watch) -> Entry:
    when = "after each command" if step.each else "at the end"
    held = (f"{len(step.held)} of them are held in place",) if step.held else ()
    return Entry(title=f"recorded, compared {when}, put back: " + ", ".join(step.names),
                 details=(*(f"below {root}" for root in step.roots), *held))


def some(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The first few lines, and how many more there are."""
    rest = len(lines) - _SHOWN
    return lines if rest <= 1 else (*lines[:_SHOWN], f"and {rest} more")


_SENTENCES: dict[str, Any] = {
    "Unshare": _unshare,
    "ReadOnlyRoot": _read_only_root,
    "PrivateTmpfs": _private_tmpfs,
    "PrivateDirectory": _private_directory,
    "Show": _show,
    "Writable": _writable,
    "Hide": _hide,
    "Mask": _mask,
    "Pin": _pin,
    "Protect": _protect,
    "Placeholder": _placeholder,
    "GitOverlay": _git_overlay,
    "HostSocket": _host_socket,
    "HostPorts": _host_ports,
    "Proc": _proc,
    "Devices": _devices,
    "Loopback": _loopback,
    "Landlock": _landlock,
    "Seccomp": _seccomp,
    "Privileges": _privileges,
    "ResourceLimits": _limits,
    "Watch": _watch,
}


def text(plan: Plan) -> tuple[str, ...]:
    """The whole plan as plain lines: policy, steps, guarantees, notes."""
    policy = plan.policy
    lines = [
        f"policy     {policy.name}",
        f"workspace  {policy.workspace}",
        f"network    {policy.network.mode}",
        f"tier       {plan.tier} ({plan.platform})",
        f"digest     {plan.digest}",
        "",
        "steps",
    ]
    for number, item in enumerate(entries(plan), 1):
        lines.append(f"{number:4}  {item.title}")
        lines.extend(f"        {detail}" for detail in item.details)
    lines += ["", "guarantees", *(f"  {row}" for row in guarantee_lines(plan.guarantees))]
    if plan.notes:
        lines += ["", "notes", *(f"  {note}" for note in plan.notes)]
    return tuple(lines)


def guarantee_lines(report: tuple[Guarantee, ...]) -> tuple[str, ...]:
    """The guarantee report as aligned plain lines; ``*`` marks what the policy requires."""
    width = max((len(line.name) for line in report), default=0)
    lines = []
    for line in in_order(report):
        mark = "*" if line.required else " "
        lines.append(f"{line.name:{width}} {mark} {line.level:8}  {line.mechanism}".rstrip())
        lines.extend(" " * (width + 13) + extra for extra in (line.reason, line.remedy) if extra)
    return tuple(lines)


def to_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain data; each step has ``step`` (its type), ``says`` (its sentence) and its fields."""
    return {
        "schema": SCHEMA,
        "platform": plan.platform,
        "tier": plan.tier,
        "digest": plan.digest,
        "policy": plan.policy.to_dict(),
        "steps": [{"step": type(step).__name__, "says": entry(step).title, **step.to_dict()} for step in plan.steps],
        "guarantees": [line.to_dict() for line in in_order(plan.guarantees)],
        "notes": list(plan.notes),
    }
