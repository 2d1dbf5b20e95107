"""Mandatory integrity: which bits a label leaves to a token.

Knows: MS-DTYP 2.4.4.13 (the label's entry) and 2.5.3.3 (the check).  Must not know: the DACL, or what else is checked.

Only NO_WRITE_UP is public without contradiction.  For NO_READ_UP and NO_EXECUTE_UP the documents compute different
masks, so the answer is two bounds; and for an AppContainer labels up to Medium are known not to bind files only.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.access_check_answer import APPCONTAINER_LABEL, LABEL_READ_EXECUTE
from sidewall.nt.ace import INHERIT_ONLY, SYSTEM_MANDATORY_LABEL
from sidewall.nt.token import MEDIUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.nt.acl import Acl
    from sidewall.nt.mask import GenericMapping
    from sidewall.nt.token import Token

ALL_BITS = 0xFFFFFFFF
UNLIMITED = (ALL_BITS, ALL_BITS, "")
ALWAYS = bits.READ_CONTROL | bits.SYNCHRONIZE  # what no NO_WRITE_UP takes away

_FILE = bits.MAPPINGS["file"]
_EXECUTION = (bits.MAPPINGS["process"], bits.MAPPINGS["thread"])

LEVELS: Mapping[int, str] = {
    0x0: "untrusted", 0x1000: "low", 0x2000: "medium", 0x2100: "medium plus", 0x3000: "high", 0x4000: "system",
    0x5000: "protected process",
}


def level_name(level: int) -> str:
    """The level in words, as a number where it has none."""
    return LEVELS.get(level, f"0x{level:x}")


def label_of(sacl: Acl | None) -> tuple[int, int, int]:
    """An object's level, its label's policy bits, and the label's index in the list (-1: none, so Medium, no write up).

    The first label that is not inherit-only counts.
    """
    if sacl is not None:
        for index, ace in enumerate(sacl.aces):
            if ace.type == SYSTEM_MANDATORY_LABEL and not ace.flags & INHERIT_ONLY:
                return ace.sid.rid, ace.mask, index
    return MEDIUM, bits.NO_WRITE_UP, -1


def mandatory(sacl: Acl | None, token: Token, mapping: GenericMapping) -> tuple[int, int, str]:
    """The bits that the object's label leaves to the token: surely, at most, and the open question between the two.

    Returns `UNLIMITED` where the label does not bind the token.
    """
    if not token.no_write_up:
        return UNLIMITED
    level, policy, _ = label_of(sacl)
    if token.integrity >= level or not policy & (bits.NO_WRITE_UP | bits.NO_READ_UP | bits.NO_EXECUTE_UP):
        return UNLIMITED
    lower, upper, question = _left(policy, mapping)
    if "SeRelabelPrivilege" in token.privileges:
        lower, upper = lower | bits.WRITE_OWNER, upper | bits.WRITE_OWNER
    if token.package is not None and level <= MEDIUM:
        return UNLIMITED if mapping == _FILE else (lower, ALL_BITS, APPCONTAINER_LABEL)
    return lower, upper, question


def _left(policy: int, mapping: GenericMapping) -> tuple[int, int, str]:
    if not policy & (bits.NO_READ_UP | bits.NO_EXECUTE_UP):
        allowed = mapping.read | mapping.execute | ALWAYS
        return allowed, allowed, ""
    if mapping not in _EXECUTION:
        return 0, ALL_BITS, LABEL_READ_EXECUTE
    # Processes and threads carry such labels always.  What only blocked classes hold is lost in every reading, what
    # only open classes hold is kept in every reading; what both hold differs, and without NO_WRITE_UP what none holds.
    blocked = kept = 0
    for flag, right in ((bits.NO_READ_UP, mapping.read), (bits.NO_WRITE_UP, mapping.write),
                        (bits.NO_EXECUTE_UP, mapping.execute)):
        if policy & flag:
            blocked |= right
        else:
            kept |= right
    loose = 0 if policy & bits.NO_WRITE_UP else ALL_BITS & ~blocked
    return kept & ~blocked, kept | ALWAYS | loose, LABEL_READ_EXECUTE
