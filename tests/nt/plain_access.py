"""The access check told once more, bit by bit, as plainly as can be: an oracle that is slow and short.

Knows: the documented rules, each for one bit of a request.  Must not know: how `access_check` walks.

For each bit the first entry that counts for the asking SIDs and names the bit decides it.  That walking with a
remainder, stopping at the first deny, comes to the same is what the comparison shows.
"""

from __future__ import annotations

from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import MAPPINGS, GenericMapping
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token

READ_CONTROL, WRITE_DAC, WRITE_OWNER, SYSTEM_SECURITY, MAXIMUM = 0x20000, 0x40000, 0x80000, 0x1000000, 0x2000000
OWNER_RIGHTS = Sid("S-1-3-4")
BITS = tuple(1 << number for number in range(24))


def mapped(mask: int, mapping: GenericMapping) -> int:
    result = mask & 0x0FFFFFFF
    for bit, meaning in ((31, mapping.read), (30, mapping.write), (29, mapping.execute), (28, mapping.all)):
        result |= meaning if mask >> bit & 1 else 0
    return result


class Plain:
    """One descriptor, token and type of object; ``bit`` questions about each."""

    def __init__(self, sd: SecurityDescriptor, token: Token, mapping: GenericMapping) -> None:
        self.sd, self.token, self.mapping = sd, token, mapping
        states = {group.sid: group.attributes for group in token.groups}
        self.enabled = {sid for sid, state in states.items() if state & 4 and not state & 0x10}
        self.deniable = self.enabled | {sid for sid, state in states.items() if state & 0x10} | {token.user}
        if not token.user_deny_only:
            self.enabled.add(token.user)
        self.listed = None if token.restricting is None else set(token.restricting)
        self.entries = [] if sd.dacl is None else [
            (ace.type == 0, mapped(ace.mask, mapping), ace.sid) for ace in sd.dacl.aces if not ace.flags & 8
        ]
        self.owner_rights = any(sid == OWNER_RIGHTS for _, _, sid in self.entries)
        self.write_bits = 0x10D0000 | mapping.write & ~mapping.read & ~mapping.execute
        self.allowed = self.left_by_label()

    def left_by_label(self) -> int:
        level, policy = 0x2000, 1
        for ace in reversed(self.sd.sacl.aces if self.sd.sacl else ()):
            if ace.type == 0x11 and not ace.flags & 8:
                level, policy = int(ace.sid.split("-")[-1]), ace.mask
        token = self.token
        if not token.no_write_up or token.integrity >= level or policy == 0:
            return 0xFFFFFFFF
        if token.package is not None and level <= 0x2000:
            return 0xFFFFFFFF
        relabel = WRITE_OWNER if "SeRelabelPrivilege" in token.privileges else 0
        return self.mapping.read | self.mapping.execute | 0x120000 | relabel

    def first(self, bit: int, allow: set[Sid], deny: set[Sid]) -> bool:
        """What the first entry that counts says; False if none counts."""
        for allows, mask, sid in self.entries:
            meant = self.sd.owner if sid == OWNER_RIGHTS else sid
            if mask & bit and meant in (allow if allows else deny):
                return allows
        return False

    def owns(self, bit: int) -> bool:
        listed = self.listed is None or self.sd.owner in self.listed
        return bit in (READ_CONTROL, WRITE_DAC) and not self.owner_rights and self.sd.owner in self.enabled and listed

    def normal(self, bit: int) -> bool:
        return self.sd.dacl is None or self.owns(bit) or self.first(bit, self.enabled, self.deniable)

    def restricted(self, bit: int) -> bool:
        listed = self.listed
        return listed is None or self.sd.dacl is None or self.owns(bit) or self.first(bit, listed, listed)

    def packaged(self, bit: int) -> bool:
        token = self.token
        if token.package is None:
            return True
        sids = {token.package, *token.capabilities, Sid("S-1-15-2-2")}
        sids |= set() if token.lpac else {Sid("S-1-15-2-1")}
        return self.sd.dacl is not None and any(
            allows and mask & bit and sid in sids for allows, mask, sid in self.entries
        )

    def given(self, asked: int) -> int:
        """Bits that privileges give, of those asked for; -1 if one is missing that nothing else can give."""
        held = self.token.privileges
        if asked & SYSTEM_SECURITY and "SeSecurityPrivilege" not in held:
            return -1
        takes = {"SeTakeOwnershipPrivilege", "SeRelabelPrivilege"} & held
        return asked & (SYSTEM_SECURITY | (WRITE_OWNER if takes else 0))

    def answer(self, desired: int) -> tuple[str, int, int]:
        """Verdict, mask and lower bound."""
        request = mapped(desired, self.mapping)
        asked = request & ~MAXIMUM
        given = self.given(asked)
        if asked & ~self.allowed or given < 0:
            return "denied", 0, 0
        left = asked & ~given
        if request & MAXIMUM:
            return self.most(left, given)
        unowned = [bit for bit in BITS if left & bit and not self.owns(bit)]
        second = not self.token.write_restricted or any(bit & self.write_bits for bit in unowned)
        granted = (
            all(map(self.normal, unowned)) and (not second or all(map(self.restricted, unowned)))
            and all(self.packaged(bit) for bit in BITS if left & bit)
        )
        return ("granted", asked, asked) if granted else ("denied", 0, 0)

    def most(self, left: int, given: int) -> tuple[str, int, int]:
        valid = left | self.mapping.all if self.sd.dacl is None else ~(SYSTEM_SECURITY | MAXIMUM)
        every = [bit for bit in BITS if bit & valid & self.allowed and self.normal(bit) and self.packaged(bit)]
        lower = sum(bit for bit in every if self.restricted(bit))
        mask = sum(bit for bit in every if self.restricted(bit)
                   or (self.token.write_restricted and not bit & self.write_bits))
        mask = mask | given if not left & ~mask else 0
        lower = lower | given if not left & ~lower else 0
        return ("granted", mask, lower) if mask else ("denied", 0, 0)


def plainly(sd: SecurityDescriptor, token: Token, desired: int, kind: str = "file") -> tuple[str, int, int]:
    """Verdict, mask and lower bound, for what no open question touches."""
    return Plain(sd, token, MAPPINGS[kind]).answer(desired)


def effective(acl: Acl) -> Acl:
    """The list without entries that are only handed down."""
    return acl.replace(aces=tuple(ace for ace in acl.aces if not ace.flags & 8))
