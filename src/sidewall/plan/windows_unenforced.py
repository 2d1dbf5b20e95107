"""What this machine's kernel was found not to do, and what becomes of a plan's promises then.

Knows: which promise rests on which facility of Windows.  Must not know: how a facility is tried
(``platforms.windows.selftest`` does).

A call that succeeds proves nothing: there are kernels that say yes to a restricted token and make an ordinary one.  So
what a plan rests on is read back and tried before anything runs, and what was found missing is a fact like any other.
"""

from __future__ import annotations

from sidewall.plan.guarantees import OPEN, Guarantee
from sidewall.plan.windows_steps import ACCOUNT, TOKEN_STRICT
from sidewall.record import Record

RESTRICTING, WRITE_RESTRICTED, DENY_ONLY, PRIVILEGES = "restricting", "write-restricted", "deny-only", "privileges"
INTEGRITY, DEFAULT_DACL = "integrity", "default-dacl"
JOB_KILL, JOB_LIMITS, DESKTOP, FILES, RUNNER = "job-kill", "job-limits", "desktop", "files", "runner"

NOT_HERE = "not enforced here: "
"""What the reason of a lowered guarantee begins with."""

_WRITING = ("write-outside", "metadata-outside", "protected-names")
_TOKEN = (*_WRITING, "outside-processes", "unix-sockets-and-pipes")
_CARRIES: dict[str, tuple[str, ...]] = {
    RESTRICTING: _TOKEN, WRITE_RESTRICTED: _TOKEN, FILES: _WRITING, RUNNER: (*_TOKEN, "privileges"),
    DENY_ONLY: ("privileges",), PRIVILEGES: ("privileges",), INTEGRITY: ("privileges", "desktop"), DEFAULT_DACL: (),
    JOB_KILL: ("survivors",), JOB_LIMITS: ("limits",), DESKTOP: ("desktop",),
}
FACILITIES = tuple(_CARRIES)


class Unenforced(Record):
    """One ``facility`` that was tried and does not work; ``reason`` is a clause: "the kernel made a token without
    restricting SIDs"."""

    facility: str
    reason: str


def carried(facility: str, tier: str) -> tuple[str, ...]:
    """The guarantees that rest on a facility in a tier.  Raises KeyError for an unknown facility."""
    names = _CARRIES[facility]
    if facility == WRITE_RESTRICTED and tier == TOKEN_STRICT:
        return ()  # it does without
    if facility == RESTRICTING and tier in (TOKEN_STRICT, ACCOUNT):
        return (*names, "read-secrets")
    return names


def lower(report: tuple[Guarantee, ...], missing: tuple[Unenforced, ...], tier: str) -> tuple[Guarantee, ...]:
    """The report in which each guarantee that rests on something missing is ``open``, with the reasons why."""
    why: dict[str, list[str]] = {}
    for one in missing:
        for name in carried(one.facility, tier):
            why.setdefault(name, []).append(one.reason)
    told = {name: NOT_HERE + "; ".join(dict.fromkeys(reasons)) for name, reasons in why.items()}
    return tuple([line.replace(level=OPEN, mechanism="none", reason=told[line.name], remedy="")
                  if line.name in told else line for line in report])


def beyond(report: tuple[Guarantee, ...], missing: tuple[Unenforced, ...], tier: str) -> tuple[str, ...]:
    """The guarantees that rest on something missing and that the report still promises in some measure."""
    levels = {line.name: line.level for line in report}
    names = [name for one in missing for name in carried(one.facility, tier) if levels.get(name, OPEN) != OPEN]
    return tuple(dict.fromkeys(names))


def lowered(report: tuple[Guarantee, ...]) -> tuple[str, ...]:
    """The names of the guarantees that do not hold on this machine, though they would on another."""
    return tuple([line.name for line in report if line.reason.startswith(NOT_HERE)])


__all__ = ["DEFAULT_DACL", "DENY_ONLY", "DESKTOP", "FACILITIES", "FILES", "INTEGRITY", "JOB_KILL", "JOB_LIMITS",
           "NOT_HERE", "PRIVILEGES", "RESTRICTING", "RUNNER", "WRITE_RESTRICTED", "Unenforced", "beyond", "carried",
           "lower", "lowered"]
