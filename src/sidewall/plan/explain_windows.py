"""The steps of a Windows plan in words, one sentence each.

Knows: how to say each step so that somebody who knows icacls and the token documentation recognises it.
Must not know: colours, terminals, or how a step is carried out.
"""

from __future__ import annotations

from sidewall.nt import mask
from sidewall.nt import wellknown as known
from sidewall.nt.ace import ACCESS_DENIED, CONTAINER_INHERIT, INHERIT_ONLY, OBJECT_INHERIT
from sidewall.plan.explain import Entry, size, some
from sidewall.plan.windows_steps import TREE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.nt.ace import Ace
    from sidewall.nt.sid import Sid
    from sidewall.plan import windows_steps as steps
    from sidewall.plan.steps import Step

_PURPOSES: Mapping[str, str] = {
    "grant": "writable", "read": "readable", "passage": "passed through", "protect": "protected",
    "pin": "stays where it is", "deny-read": "unreadable",
}
_FLAGS = ((0x1, "no privileges but traversing"), (0x4, "no administrator"), (0x8, "write-restricted"))
_RIGHTS: Mapping[int, str] = {
    mask.FILE_MODIFY: "Modify", mask.FILE_ALL_ACCESS: "Full Control", mask.FILE_READ_AND_EXECUTE: "Read & execute",
}


def entry(step: Step) -> Entry:
    """One step in words."""
    made: Entry = _SENTENCES[type(step).__name__](step)
    return made


def name(sid: Sid) -> str:
    """A SID by its well-known name, where it has one."""
    return known.name_of(sid) or str(sid)


def ace(one: Ace) -> str:
    """An ACE for people: what is done, for whom, which rights, how far they go."""
    verb = "deny" if one.type == ACCESS_DENIED else "allow"
    below = one.flags & (OBJECT_INHERIT | CONTAINER_INHERIT)
    reach = "what is made below" if one.flags & INHERIT_ONLY else "this and all below" if below else "this alone"
    return f"{verb} {name(one.sid)}: {_RIGHTS.get(one.mask) or mask.describe(one.mask)} ({reach})"


def _edit(step: steps.AclEdit) -> Entry:
    said = ", ".join(_PURPOSES[purpose] for purpose in step.purposes)
    carried = ("carried on to what is there",) if step.reach == TREE else ()
    return Entry(title=f"{said}: {step.path}", details=(*map(ace, step.aces), *carried))


def _placeholder(step: steps.Placeholder) -> Entry:
    return Entry(title=f"protected, must not come to be: {step.path}")


def _refused(step: steps.Refused) -> Entry:
    return Entry(title=f"not touched: {step.path} {step.reason}")


def _accounts(step: steps.Accounts) -> Entry:
    return Entry(title=f"runs as the account {step.use} of the group {step.group}",
                 details=("without the rights: " + ", ".join(step.denied_rights),))


def _token(step: steps.TokenRecipe) -> Entry:
    whose = "the user's token" if step.base == "user" else "the account's token"
    kinds = [told for bit, told in _FLAGS if step.flags & bit]
    kinds += [] if step.flags & 0x8 else ["restricted for reading too"]
    return Entry(title=f"{whose}: " + ", ".join(kinds), details=(
        "restricting: " + ", ".join(name(sid) for sid in step.restricting),
        "deny-only: " + (", ".join(name(sid) for sid in step.disable) or "none"),
        f"default access list: {step.default_dacl}",
    ))


def _filters(step: steps.NetworkFilters) -> Entry:
    ports = f", loopback ports {step.ports[0]} to {step.ports[1]} excepted" if step.ports[1] else ""
    return Entry(title=f"{len(step.filters)} network filters for {step.sid}{ports}",
                 details=some(tuple([one.name for one in step.filters])))


def _temp(step: steps.PrivateTemp) -> Entry:
    return Entry(title=f"a temporary directory of its own in {step.parent}, removed at the end")


def _environment(step: steps.Environment) -> Entry:
    told = ["start-up variables where there are none: " + ", ".join(name for name, _ in step.floor),
            "always: " + ", ".join(f"{name}={value}" for name, value in step.forced)]
    told += ["git takes as safe: " + ", ".join(step.safe)] if step.safe else []
    return Entry(title="variables", details=tuple(told))


def _desktop(step: steps.Desktop) -> Entry:
    return Entry(title="a window station and a desktop of its own")


def _job(step: steps.Job) -> Entry:
    bounds = [f"at most {step.processes} processes"] if step.processes else []
    bounds += [f"at most {size(step.memory_bytes)}"] if step.memory_bytes else []
    return Entry(title="a job, killed when its owner ends" + "".join(f", {bound}" for bound in bounds))


def _ownership(step: steps.Ownership) -> Entry:
    return Entry(title=f"what is made belongs to {step.owner} in the end", details=some(step.roots))


_SENTENCES: Mapping[str, Any] = {
    "Accounts": _accounts,
    "AclEdit": _edit,
    "Desktop": _desktop,
    "Environment": _environment,
    "Job": _job,
    "NetworkFilters": _filters,
    "Ownership": _ownership,
    "Placeholder": _placeholder,
    "PrivateTemp": _temp,
    "Refused": _refused,
    "TokenRecipe": _token,
}
