"""What a cell changed in the access lists of the machine, and how it is undone: the little that a backend wants of it.

Knows: shapes, and where the journal lies.  Must not know: how a list is edited or a journal kept (``acls``,
``journal``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sidewall.plan.steps import Plan
    from sidewall.platforms.contract import Held
else:
    Protocol = object


def directory(home: str) -> str:
    """Where the journal of a user's access lists lies."""
    return home + r"\AppData\Local\sidewall\state\access-lists"


class Lease(Protocol):
    """The edits and placeholders of one plan, in force."""

    def release(self) -> tuple[Held, ...]:
        """Undoes what no other cell needs; what could not be undone.  Idempotent."""


class AccessLists(Protocol):
    """The machine's access lists."""

    def apply(self, plan: Plan) -> Lease:
        """Carries out the AclEdit and Placeholder steps, each journalled before it is made.

        Raises MachineError, with everything undone.
        """

    def placeholders(self) -> frozenset[str]:
        """Paths that living cells hold by placeholders: to everybody else they do not exist."""

    def recover(self) -> tuple[str, ...]:
        """Undoes what crashed owners left; what was undone, one line each."""


__all__ = ["AccessLists", "Lease", "directory"]
