"""netapi32 in memory: accounts and local groups."""

from __future__ import annotations

from collections.abc import Sequence

from tests.windows.memory.windows import Account, Facade

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.netapi32 import User
from sidewall.platforms.windows.prototypes import NET

NO_USER, NO_GROUP, USER_EXISTS, GROUP_EXISTS, IN, NO_MEMBER, TOO_SHORT = 2221, 1376, 2224, 1379, 1378, 1387, 2245


class Netapi(Facade):
    def _user(self, call: str, name: str) -> Account:
        found = self.windows.accounts.get(name.lower())
        if name.lower() == self.windows.builtin.name:
            return self.windows.builtin
        if found is None:
            raise failure(call, NET, NO_USER, target=name)
        return found

    def NetUserAdd(self, name: str, password: str, *, comment: str = "", flags: int = 0) -> None:
        self.administrator("NetUserAdd")
        if name.lower() in self.windows.accounts:
            raise failure("NetUserAdd", NET, USER_EXISTS, target=name)
        if len(name) > 20 or len(password) < 14:
            raise failure("NetUserAdd", NET, TOO_SHORT, target=name)
        made = Account(name, self.windows.rid(), password, comment, flags, self.windows.now)
        self.windows.accounts[name.lower()] = made

    def NetUserDel(self, name: str) -> None:
        self.administrator("NetUserDel")
        found = self._user("NetUserDel", name)
        del self.windows.accounts[name.lower()]
        for _, _, members in self.windows.groups.values():
            if found.sid in members:
                members.remove(found.sid)

    def NetUserGetInfo(self, name: str) -> User:
        found = self._user("NetUserGetInfo", name)
        return User(name=found.name, sid=found.sid.to_bytes(), full_name="", comment=found.comment, flags=found.flags,
                    password_age=int(self.windows.now - found.changed), password_expired=found.expired,
                    bad_passwords=found.bad_passwords, expires=constants.TIMEQ_FOREVER)

    def SetUserPassword(self, name: str, password: str) -> None:
        self.administrator("SetUserPassword")
        found = self._user("NetUserSetInfo", name)
        found.password, found.changed, found.expired = password, self.windows.now, False

    def SetUserComment(self, name: str, comment: str) -> None:
        self.administrator("SetUserComment")
        self._user("NetUserSetInfo", name).comment = comment

    def SetUserFlags(self, name: str, flags: int) -> None:
        self.administrator("SetUserFlags")
        found = self._user("NetUserSetInfo", name)
        found.flags = flags
        if not flags & constants.UF_LOCKOUT:
            found.bad_passwords = 0

    def NetUserEnum(self) -> tuple[tuple[str, str, int], ...]:
        return tuple([(one.name, one.comment, one.flags)
                      for one in (self.windows.builtin, *self.windows.accounts.values())])

    def NetLocalGroupAdd(self, name: str, *, comment: str = "") -> None:
        self.administrator("NetLocalGroupAdd")
        if name.lower() in self.windows.groups:
            raise failure("NetLocalGroupAdd", NET, GROUP_EXISTS, target=name)
        self.windows.groups[name.lower()] = (self.windows.rid(), comment, [])

    def _group(self, call: str, name: str) -> tuple[Sid, str, list[Sid]]:
        found = self.windows.groups.get(name.lower())
        if found is None:
            raise failure(call, NET, NO_GROUP, target=name)
        return found

    def NetLocalGroupDel(self, name: str) -> None:
        self.administrator("NetLocalGroupDel")
        self._group("NetLocalGroupDel", name)
        del self.windows.groups[name.lower()]

    def NetLocalGroupGetInfo(self, name: str) -> str:
        return self._group("NetLocalGroupGetInfo", name)[1]

    def NetLocalGroupEnum(self) -> tuple[tuple[str, str], ...]:
        return tuple([(name, found[1]) for name, found in self.windows.groups.items()])

    def NetLocalGroupAddMembers(self, name: str, sids: Sequence[bytes]) -> None:
        self.administrator("NetLocalGroupAddMembers")
        members = self._group("NetLocalGroupAddMembers", name)[2]
        for raw in sids:
            sid = Sid.from_bytes(raw)
            if sid in members:
                raise failure("NetLocalGroupAddMembers", NET, IN, target=name)
            if sid not in [one.sid for one in self.windows.accounts.values()]:
                raise failure("NetLocalGroupAddMembers", NET, NO_MEMBER, target=name)
            members.append(sid)

    def NetLocalGroupGetMembers(self, name: str) -> tuple[bytes, ...]:
        return tuple([sid.to_bytes() for sid in self._group("NetLocalGroupGetMembers", name)[2]])
