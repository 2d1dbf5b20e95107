"""Turns a plan's steps into what the program inside the cell takes: plain tuples, numbers and bytes.

Knows: both vocabularies.  Must not know: how an operation is done (``build``), or why a step is there (``plan``).
"""

from __future__ import annotations

import os

from sidewall.bpf import filters
from sidewall.plan import steps
from sidewall.plan.steps import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RESOURCES = {"fsize": 1, "data": 2, "core": 4, "nproc": 6, "nofile": 7}


def lower(plan: Plan, temporary: str) -> dict[str, Any]:
    """The message for init.  ``temporary`` is the private directory of a cell without mounts, or ''."""
    writable = [step for step in plan.steps if isinstance(step, steps.Writable)]
    lent = {step.real for step in plan.steps if isinstance(step, steps.HostSocket) and step.present and not step.held}
    shown = [step.path for step in plan.steps if isinstance(step, steps.Show) and step.path not in lent] + sorted(lent)
    message: dict[str, Any] = {"operations": [], "landlock": None, "filter": b"", "mediate": False, "limits": [],
                               "names": [], "ports": (),
                               "cwd": os.fsencode(plan.policy.workspace), "umask": _umask(),
                               "privileges": any(isinstance(step, steps.Privileges) for step in plan.steps)}
    late: list[tuple[Any, ...]] = []
    tasks = 0
    operations: list[tuple[Any, ...]] = message["operations"]
    for step in plan.steps:
        if isinstance(step, steps.ReadOnlyRoot):
            operations.append(("root", [(item.path, item.device, item.inode) for item in writable], shown))
        elif isinstance(step, steps.PrivateTmpfs):
            operations.append(("tmpfs", step.path, step.mode, step.size_bytes))
            if step.sealed:
                late.append(("seal", step.path))
        elif isinstance(step, steps.Hide):
            operations.append(("hide", step.parent, list(step.names)))
            late.append(("seal", step.parent))
        elif isinstance(step, steps.Show) and step.path not in lent:
            operations.append(("show", step.path))
        elif isinstance(step, steps.Writable) and plan.tier == steps.NAMESPACE:
            operations.append(("writable", step.path))
        elif isinstance(step, steps.HostSocket):
            if not step.held:
                message["names"].append((os.fsencode(step.path), os.fsencode(step.real)))
            if step.present and plan.tier == steps.NAMESPACE and not step.path.startswith("@"):
                operations.append(("socket", step.real, step.device, step.inode, step.held))
        elif isinstance(step, steps.HostPorts):
            message["ports"] = step.ports
        elif isinstance(step, steps.GitOverlay):
            operations.append(("git", step.path))
        elif isinstance(step, steps.Pin):
            operations.append(("pin", step.path))
        elif isinstance(step, steps.Protect):
            operations.append(("protect", step.path))
        elif isinstance(step, steps.Mask):
            operations.append(("void", step.path, "none"))
        elif isinstance(step, steps.Proc):
            operations.append(("proc", list(step.masked)))
        elif isinstance(step, steps.Devices):
            operations += late
            operations.append(("dev", step.shm_bytes))
        elif isinstance(step, steps.ResourceLimits):
            message["limits"] = [(_RESOURCES[name], value) for name, value in step.rlimits]
            tasks = step.tasks
        elif isinstance(step, steps.Landlock):
            rules = [(os.fsencode(path), access) for path, access in step.rules]
            if temporary:
                rules.append((os.fsencode(temporary), step.fs))
            message["landlock"] = (step.abi, step.fs, step.net, step.scope, rules)
        elif isinstance(step, steps.Seccomp):
            message["filter"] = filters.build(step.arch, inet=step.inet, unix=step.unix,
                                              mediate_unix=step.mediate_unix, shares_host=step.shares_host)
            message["mediate"] = step.mediate_unix
    for place, operation in enumerate(operations):
        if operation[0] == "proc":
            operations[place + 1 : place + 1] = [("pid_limit", tasks)] if tasks else []
            operations.append(("seal", "/proc"))
            break
    return message


def _umask() -> int:
    """The owner's umask, read without changing it (proc(5), status)."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line[6:], 8)
    return 0o022
