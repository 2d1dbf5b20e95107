"""Objects with short descriptors, and a token, for tests of operations on one object and its parent."""

from __future__ import annotations

from sidewall.nt import sddl
from sidewall.nt.access_check_answer import DENIED, GRANTED
from sidewall.nt.operations import Place
from sidewall.nt.operations_answer import (
    Outcome,
)
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token

USER = Sid("S-1-5-21-1-2-3-1001")
CAP = Sid("S-1-5-21-71-72-73-1")
WORLD = Sid("S-1-1-0")
TOKEN = Token(user=USER, groups=(Group(sid=WORLD),))
NOTHING = "(A;;0x1;;;SY)"
CONDITIONAL_DENY = "(XD;;FA;;;WD;(Member_of{SID(BA)}))(A;;FA;;;WD)"


def place(aces: str, **fields: object) -> Place:
    return Place(sd=sddl.parse("O:BAG:BAD:" + aces), **fields)  # type: ignore[arg-type]


def to_all(mask: int, kind: str = "A") -> str:
    return f"({kind};;0x{mask:x};;;WD)"


def sure(outcome: Outcome) -> bool:
    """Granted or denied by every reading; anything else fails the test."""
    assert outcome.certain == outcome.possible == outcome.granted, outcome.explain()
    assert outcome.verdict in (GRANTED, DENIED)
    return outcome.granted
