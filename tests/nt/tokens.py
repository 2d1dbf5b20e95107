"""Tokens of the user, of the sandbox in each tier, for tests of operations on a tree."""

from __future__ import annotations

from sidewall.nt.sid import Sid
from sidewall.nt.token import LOW, Group, Token

USER = Sid("S-1-5-21-1-2-3-1001")
CAP = Sid("S-1-5-21-71-72-73-1")
SANDBOX = Sid("S-1-5-21-1-2-3-1050")
SANDBOXES = Sid("S-1-5-21-1-2-3-1051")
LOGON = Sid("S-1-5-5-0-4242")
WORLD, USERS, AUTHENTICATED = Sid("S-1-1-0"), Sid("S-1-5-32-545"), Sid("S-1-5-11")
DOWN = 3
BYPASS = frozenset({"SeChangeNotifyPrivilege"})


def token(user: Sid, *groups: Sid, **fields: object) -> Token:
    return Token(user=user, groups=tuple(Group(sid=sid) for sid in groups), privileges=BYPASS,
                 **fields)  # type: ignore[arg-type]


EVERYDAY = (WORLD, AUTHENTICATED, USERS, Sid("S-1-5-4"), LOGON)
TOKENS = {
    "user": token(USER, *EVERYDAY),
    "write-restricted": token(USER, *EVERYDAY, restricting=(CAP,), write_restricted=True),
    "with-everyone": token(USER, *EVERYDAY, restricting=(CAP, LOGON, WORLD), write_restricted=True),
    "restricted": token(USER, *EVERYDAY, restricting=(CAP, LOGON, WORLD, USERS)),
    "account": token(SANDBOX, WORLD, AUTHENTICATED, USERS, SANDBOXES, Sid("S-1-5-5-0-777")),
    "low": token(USER, *EVERYDAY, restricting=(CAP,), write_restricted=True, integrity=LOW),
}
