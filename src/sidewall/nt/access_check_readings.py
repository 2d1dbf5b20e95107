"""Which passes over the DACL a token needs, and what the same request gets where Windows' answer is not public.

Knows: Win32's CreateRestrictedToken, the write mask of write-restricted tokens, the rules of AppContainers, the open
questions about them.  Must not know: labels, privileges, how an answer is worded.

A restricted token is judged by two passes that must both grant; a write-restricted one by the second only if a write is
asked for; an AppContainer by one more, over its package and capabilities, where only allowing entries count, and where
a missing DACL and ownership give nothing.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.access_check_answer import OWNER_READ_CONTROL, PROCESS_WRITE_MASK, WHOLE_REQUEST
from sidewall.nt.access_check_passes import maximum, wanted
from sidewall.nt.wellknown import OWNER_RIGHTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.access_check_answer import Step
    from sidewall.nt.access_check_passes import Entry, Sids
    from sidewall.nt.mask import GenericMapping
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token

OWNER_BITS = bits.READ_CONTROL | bits.WRITE_DAC
STANDARD_WRITES = bits.DELETE | bits.WRITE_DAC | bits.WRITE_OWNER | bits.ACCESS_SYSTEM_SECURITY
NORMAL_REFUSES = "the normal pass does not grant the request"
RESTRICTING_REFUSE = "the pass of the restricting SIDs does not grant the request"
PACKAGE_REFUSES = "the pass of the package does not grant the request"
PACKAGE_NEEDS_DACL = "a missing DACL grants nothing to an AppContainer"

_QUESTIONS = frozenset({WHOLE_REQUEST, OWNER_READ_CONTROL, PROCESS_WRITE_MASK})
_EXECUTION = (bits.MAPPINGS["process"], bits.MAPPINGS["thread"])
_NOBODY: frozenset[Sid] = frozenset()


def write_mask(mapping: GenericMapping) -> int:
    """The bits that make a request a write for a write-restricted token.

    The standard rights that change an object, and what generic write has beyond generic read and execute.
    FILE_DELETE_CHILD is in none of the three and so never is a write.
    """
    return STANDARD_WRITES | (mapping.write & ~(mapping.read | mapping.execute))


class Passes:
    """One token before one DACL.  ``entries`` is None where there is no DACL, which grants every pass but a package's.

    Not a record: one is made for every check, and thrown away.
    """

    __slots__ = ("allow", "deny", "entries", "mapping", "owned", "packages", "restricting", "trace", "unlisted",
                 "write_restricted")

    def __init__(self, entries: list[Entry] | None, owner: Sid, token: Token, mapping: GenericMapping,
                 owner_rights: bool, trace: list[Step] | None) -> None:
        sids = token.sids
        self.entries, self.mapping, self.trace = entries, mapping, trace
        self.write_restricted = token.write_restricted
        self.packages = sids.packages
        self.allow: Sids = sids.allow
        self.deny: Sids = sids.deny
        self.restricting: Sids | None = sids.restricting
        self.owned, self.unlisted = 0, False
        if owner_rights:
            # Entries for OWNER RIGHTS stand for the owner, and take the place of what owners have by themselves.
            self.allow, self.deny = _standing_for(owner, self.allow), _standing_for(owner, self.deny)
            if self.restricting is not None:
                self.restricting = _standing_for(owner, self.restricting)
        elif owner in self.allow:
            if self.restricting is None or owner in self.restricting:
                self.owned = OWNER_BITS
            else:
                self.unlisted = True

    def refused_by(self, asked: int) -> str:
        """Which pass does not grant all of ``asked``, by the best documented reading; ``""`` if all do."""
        entries, trace, restricting = self.entries, self.trace, self.restricting
        if entries is None:
            return PACKAGE_NEEDS_DACL if asked and self.packages is not None else ""
        rest = asked & ~self.owned
        if rest:
            if wanted(entries, rest, self.allow, self.deny, "normal pass", trace):
                return NORMAL_REFUSES
            if restricting is not None and (not self.write_restricted or rest & write_mask(self.mapping)) and (
                wanted(entries, rest, restricting, restricting, "restricted pass", trace)
            ):
                return RESTRICTING_REFUSE
        if self.packages is not None and wanted(entries, asked, self.packages, _NOBODY, "package pass", trace):
            return PACKAGE_REFUSES
        return ""

    def readings(self, asked: int) -> tuple[str, ...]:
        """The open questions by which a refused request may yet be granted; empty if it is refused in every reading."""
        entries, restricting = self.entries, self.restricting
        if not self.write_restricted or entries is None or restricting is None:
            return ()

        def granted(questions: frozenset[str]) -> bool:
            return self._grants(entries, restricting, asked, questions)

        if not granted(_QUESTIONS):
            return ()
        return tuple(sorted(
            name for name in _QUESTIONS if granted(frozenset({name})) or not granted(_QUESTIONS - {name})
        ))

    def _grants(self, entries: list[Entry], restricting: Sids, asked: int, questions: frozenset[str]) -> bool:
        """Whether all passes grant if each of ``questions`` is answered in favour of the token."""
        rest = asked & ~self.owned
        if self.unlisted and OWNER_READ_CONTROL in questions:
            rest &= ~bits.READ_CONTROL
        if wanted(entries, rest, self.allow, self.deny, "", None):
            return False
        writes = rest & self._writes(questions)
        judged = writes if not writes or WHOLE_REQUEST in questions else rest
        if wanted(entries, judged, restricting, restricting, "", None):
            return False
        return self.packages is None or not wanted(entries, asked, self.packages, _NOBODY, "", None)

    def _writes(self, questions: frozenset[str]) -> int:
        if PROCESS_WRITE_MASK in questions and self.mapping in _EXECUTION:
            return STANDARD_WRITES
        return write_mask(self.mapping)

    def most(self, asked: int) -> tuple[int, int, int]:
        """All that the passes grant: for certain, by the best documented reading, by any.

        Only for a write-restricted token do the three differ.  ``asked`` are the bits that are asked for by name; a
        missing DACL grants them even where the type does not know them.
        """
        entries, trace = self.entries, self.trace
        if entries is None:
            most = 0 if self.packages is not None else self.mapping.all | asked
            return most, most, most
        normal = maximum(entries, self.owned, self.allow, self.deny, "normal pass", trace)
        lower = mask = normal
        upper = normal | (bits.READ_CONTROL if self.unlisted else 0)
        restricting = self.restricting
        if restricting is not None:
            second = maximum(entries, self.owned, restricting, restricting, "restricted pass", trace)
            lower &= second
            if self.write_restricted:
                mask &= second | ~write_mask(self.mapping)
                upper &= second | ~self._writes(_QUESTIONS)
            else:
                mask = upper = lower
        if self.packages is not None:
            package = maximum(entries, 0, self.packages, _NOBODY, "package pass", trace)
            lower, mask, upper = lower & package, mask & package, upper & package
        return lower, mask, upper


def _standing_for(owner: Sid, sids: Sids) -> Sids:
    return sids | {OWNER_RIGHTS} if owner in sids else sids - {OWNER_RIGHTS}
