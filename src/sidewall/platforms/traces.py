"""What Sidewall leaves on a machine, as every platform tells it: what is there, what went, what could not.

Knows: shapes.  Must not know: any platform.
"""

from __future__ import annotations

from sidewall.record import Record


class Trace(Record):
    """One thing that is there.  ``kind``: account, group, hidden, right, profile, filter, registry, access-list, file,
    lease, process, temporary, control-group, log, quarantine, trust.  ``owner`` is the user it is for ('' when not
    known)."""

    kind: str
    name: str
    owner: str = ""


class Status(Record):
    """All that was found.  ``lacking`` is why what was set up would not work (none: it would, or nothing was);
    ``unseen`` are places that could not be looked into, and why."""

    traces: tuple[Trace, ...] = ()
    lacking: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


class Removed(Record):
    """What went, and what did not and why; one line each."""

    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


__all__ = ["Removed", "Status", "Trace"]
