"""Descriptors, tokens and requests by chance: few SIDs and few bits, so that entries meet.

Knows: the shapes of the model's values.  Must not know: how an access check decides.

Everything follows from one number, so that a failure is seen again by ``AccessDice(number)``.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from sidewall.nt import ace as aces
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_PRESENT, SecurityDescriptor
from sidewall.nt.mask import MAXIMUM_ALLOWED
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token

USER = Sid("S-1-5-21-1-2-3-1001")
OTHER = Sid("S-1-5-21-9-9-9-500")
CAP, CAP2 = Sid("S-1-5-21-71-72-73-1"), Sid("S-1-5-21-71-72-73-2")
EVERYONE, USERS, ADMINISTRATORS = Sid("S-1-1-0"), Sid("S-1-5-32-545"), Sid("S-1-5-32-544")
AUTHENTICATED, LOGON, SYSTEM = Sid("S-1-5-11"), Sid("S-1-5-5-0-4242"), Sid("S-1-5-18")
OWNER_RIGHTS = Sid("S-1-3-4")
PACKAGE = Sid("S-1-15-2-11-12-13-14-15-16-17")
CAPABILITY = Sid("S-1-15-3-1024-1-2-3-4-5-6-7-8")
ALL_PACKAGES, ALL_RESTRICTED_PACKAGES = Sid("S-1-15-2-1"), Sid("S-1-15-2-2")

SIDS = (USER, OTHER, CAP, CAP2, EVERYONE, USERS, ADMINISTRATORS, AUTHENTICATED, LOGON, SYSTEM)
GROUPS = (EVERYONE, USERS, ADMINISTRATORS, AUTHENTICATED, LOGON, CAP2)
PACKAGES = (PACKAGE, CAPABILITY, ALL_PACKAGES, ALL_RESTRICTED_PACKAGES)
PRIVILEGES = ("SeSecurityPrivilege", "SeTakeOwnershipPrivilege", "SeRelabelPrivilege", "SeBackupPrivilege")
LEVELS = (0, 0x1000, 0x2000, 0x2100, 0x3000, 0x4000)
STATES = (4, 4, 4, 7, 0x10, 0x14, 0, 2)

MASKS = (
    0x1, 0x2, 0x4, 0x6, 0x20, 0x40, 0x80, 0x100, 0x10000, 0x20000, 0x40000, 0x60000, 0x80000, 0x100000, 0x1F01FF,
    0x120089, 0x120116, 0x1200A0, 0x1200A9, 0x1301BF, 0x10F01FF, 0x12008B, 0, 0x2000001,
    0x80000000, 0x40000000, 0x20000000, 0x10000000, 0xA0000000, 0xE0010000,
)


class AccessDice:
    """Draws from one number."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def mask(self) -> int:
        chosen = self.random.choice(MASKS)
        return chosen | self.random.choice(MASKS) if self.chance(0.2) else chosen

    def ace(self, sids: tuple[Sid, ...] = SIDS, *, flags: bool = True) -> Ace:
        inherit = self.random.choice((0, 0, 0, 0, 1, 2, 3, 0x10, 0x0B, 0x0A, 0x13)) if flags else 0
        sid = OWNER_RIGHTS if self.chance(0.06) else self.random.choice(sids)
        kind = aces.ACCESS_DENIED if self.chance(0.35) else aces.ACCESS_ALLOWED
        return Ace(type=kind, flags=inherit, mask=self.mask(), sid=sid)

    def acl(self, sids: tuple[Sid, ...] = SIDS) -> Acl:
        return Acl(aces=tuple(self.ace(sids) for _ in range(self.random.choice((0, 1, 1, 2, 3, 3, 4, 5, 6)))))

    def descriptor(self, sids: tuple[Sid, ...] = SIDS) -> SecurityDescriptor:
        kind = self.random.random()
        dacl = None if kind < 0.06 else self.acl(sids)
        return SecurityDescriptor(owner=self.random.choice(SIDS), group=ADMINISTRATORS, dacl=dacl,
                                  control=0 if kind < 0.03 else SE_DACL_PRESENT)

    def label(self, policies: tuple[int, ...] = (1, 1, 1, 0)) -> Acl:
        entry = Ace(type=aces.SYSTEM_MANDATORY_LABEL, flags=self.random.choice((0, 0, 0, 3, 0x0B)),
                    mask=self.random.choice(policies), sid=Sid.of(16, self.random.choice(LEVELS)))
        audit = Ace(type=aces.SYSTEM_AUDIT, flags=0x40, mask=0x1F01FF, sid=EVERYONE)
        return Acl(aces=(audit, entry) if self.chance(0.3) else (entry,))

    def groups(self) -> tuple[Group, ...]:
        return tuple(Group(sid=sid, attributes=self.random.choice(STATES)) for sid in GROUPS if self.chance(0.75))

    def restricting(self) -> tuple[Sid, ...]:
        pool = (CAP, CAP2, EVERYONE, USERS, LOGON, USER, OTHER)
        return tuple(self.random.sample(pool, self.random.choice((0, 1, 1, 2, 3))))

    def privileges(self) -> frozenset[str]:
        return frozenset(name for name in PRIVILEGES if self.chance(0.15))

    def token(self, *, restricted: float = 0.5, package: float = 0.0, integrity: float = 0.0) -> Token:
        limits = self.restricting() if self.chance(restricted) else None
        inside = self.chance(package)
        return Token(
            user=USER, groups=self.groups(), restricting=limits, privileges=self.privileges(),
            write_restricted=limits is not None and self.chance(0.5), user_deny_only=self.chance(0.1),
            integrity=self.random.choice(LEVELS) if self.chance(integrity) else 0x2000,
            no_write_up=not self.chance(0.1 * bool(integrity)),
            package=PACKAGE if inside else None, lpac=inside and self.chance(0.3),
            capabilities=(CAPABILITY,) if inside and self.chance(0.5) else (),
        )

    def desired(self, *, most: float = 0.25) -> int:
        wanted = self.mask() & ~MAXIMUM_ALLOWED
        if self.chance(most):
            return MAXIMUM_ALLOWED | (wanted if self.chance(0.4) else 0)
        return wanted or 1


numbers = st.integers(0, 2**48)
