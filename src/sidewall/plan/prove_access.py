"""What a token can get from a descriptor, asked once and remembered: a world has few descriptors and many files.

Knows: ``nt.access_check``, the bounds of its answers, privileges that pass by every descriptor.  Must not know: paths,
policies, operations.

Two questions are different.  *Can this be ruled out?* is asked bit by bit: a bit that some reading of an open question
grants is possible, and so is every bit of a descriptor that the model cannot judge.  *Does this work?* is asked for the
whole mask that programs open files with, and only what every reading grants works.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.access_check import access_check
from sidewall.nt.access_check_answer import CANNOT_PROVE, OPEN_QUESTION
from sidewall.nt.mask import FILE_ALL_ACCESS, MAPPINGS, MAXIMUM_ALLOWED
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.access_check_answer import Answer
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.token import Token

FILE = MAPPINGS["file"]
_READS_ALL, _WRITES_ALL = "SeBackupPrivilege", "SeRestorePrivilege"
_OWNS = frozenset(("SeTakeOwnershipPrivilege", "SeRelabelPrivilege"))


class Bounds(Record):
    """Access bits of a file: ``upper`` cannot be ruled out, ``unsure`` says why where the model cannot judge at all."""

    upper: int
    unsure: str = ""


NO_LIST = Bounds(upper=FILE_ALL_ACCESS)
"""Of a volume that keeps no descriptors: everybody may do everything."""
UNREAD = Bounds(upper=FILE_ALL_ACCESS, unsure="its descriptor is not in the world")


class Judge:
    """One token, asked about many descriptors."""

    __slots__ = ("_bounds", "_works", "token")

    def __init__(self, token: Token) -> None:
        self.token = token
        # By identity: descriptors of a world are few objects, and to hash one costs as much as to check it.
        self._bounds: dict[int, tuple[SecurityDescriptor, Bounds]] = {}
        self._works: dict[tuple[int, int], tuple[SecurityDescriptor, bool]] = {}

    @property
    def asked(self) -> int:
        """How many access checks were made, traces left out."""
        return len(self._bounds) + len(self._works)

    def bounds(self, descriptor: SecurityDescriptor) -> Bounds:
        """What cannot be ruled out of this descriptor."""
        known = self._bounds.get(id(descriptor))
        if known is None:
            known = self._bounds[id(descriptor)] = (descriptor, self._ask(descriptor))
        return known[1]

    def works(self, descriptor: SecurityDescriptor, mask: int) -> bool:
        """Whether every reading grants the whole mask."""
        key = (id(descriptor), mask)
        known = self._works.get(key)
        if known is None:
            answer = access_check(descriptor, self.token, mask, FILE)
            known = self._works[key] = (descriptor, answer.certain)
        return known[1]

    def answer(self, descriptor: SecurityDescriptor, mask: int) -> Answer:
        """The answer to one request, with its trace."""
        return access_check(descriptor, self.token, mask, FILE, trace=True)

    def _ask(self, descriptor: SecurityDescriptor) -> Bounds:
        answer = access_check(descriptor, self.token, MAXIMUM_ALLOWED, FILE)
        if answer.verdict == CANNOT_PROVE and answer.status != OPEN_QUESTION:
            return Bounds(upper=FILE_ALL_ACCESS, unsure=answer.reason)
        upper = answer.upper & FILE_ALL_ACCESS
        privileges = self.token.privileges
        # The maximum leaves these out; an open with backup intent, or for one of these rights, does not.
        if _READS_ALL in privileges:
            upper |= bits.FILE_GENERIC_READ | bits.FILE_GENERIC_EXECUTE
        if _WRITES_ALL in privileges:
            upper |= FILE_ALL_ACCESS
        if not _OWNS.isdisjoint(privileges):
            upper |= bits.WRITE_OWNER
        return Bounds(upper=upper)
