"""advapi32, crypt32 and userenv in memory: tokens, names, rights, logons, protected data, profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.windows.memory.windows import PEOPLE, Facade, fault

from sidewall.nt import wellknown as known
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import LAST

PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList".upper()


class ProcessHandle(Handle):
    """A process, or its token: ``number`` 0 is the caller's own."""

    __slots__ = ("number",)
    number: int


class Advapi(Facade):
    def OpenProcessToken(self, process: Any, access: int) -> Handle:
        made = ProcessHandle(1, lambda value: None, "a token")
        made.number = getattr(process, "number", 0)
        return made

    def TokenUser(self, token: Any) -> bytes:
        return (self.windows.processes[token.number] if token.number else self.person.user).to_bytes()

    def TokenNumber(self, token: Handle, kind: int) -> int:
        return int(self.person.elevated) if kind == constants.TokenElevation else 0

    def IsTokenRestricted(self, token: Handle) -> bool:
        return self.person.confined

    def LookupAccountNameW(self, name: str) -> tuple[bytes, str, int]:
        bare = name.rpartition("\\")[2].lower()
        if bare in self.windows.groups:
            return self.windows.groups[bare][0].to_bytes(), "PC", constants.SidTypeAlias
        if bare in self.windows.accounts:
            return self.windows.accounts[bare].sid.to_bytes(), "PC", constants.SidTypeUser
        raise failure("LookupAccountNameW", LAST, 1332, target=name)

    def LookupAccountSidW(self, sid: bytes) -> tuple[str, str, int]:
        wanted = Sid.from_bytes(sid)
        if wanted in PEOPLE:
            return PEOPLE[wanted], "PC", constants.SidTypeUser
        for account in self.windows.accounts.values():
            if account.sid == wanted:
                return account.name, "PC", constants.SidTypeUser
        for name, (found, _, _) in self.windows.groups.items():
            if found == wanted:
                return name, "PC", constants.SidTypeAlias
        raise failure("LookupAccountSidW", LAST, 1332, target=str(wanted))

    def LsaOpenPolicy(self, access: int) -> Handle:
        return self.handle("the policy")

    def LsaAddAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str]) -> None:
        self.administrator("LsaAddAccountRights")
        self.windows.rights.setdefault(Sid.from_bytes(sid), set()).update(rights)

    def LsaRemoveAccountRights(self, policy: Handle, sid: bytes, rights: Sequence[str], *, every: bool = False) -> None:
        self.administrator("LsaRemoveAccountRights")
        if every:
            self.windows.rights.pop(Sid.from_bytes(sid), None)
        else:
            self.windows.rights.get(Sid.from_bytes(sid), set()).difference_update(rights)

    def LsaEnumerateAccountRights(self, policy: Handle, sid: bytes) -> tuple[str, ...]:
        self.administrator("LsaEnumerateAccountRights")
        return tuple(sorted(self.windows.rights.get(Sid.from_bytes(sid), ())))

    def LsaEnumerateAccountsWithUserRight(self, policy: Handle, right: str) -> tuple[bytes, ...]:
        self.administrator("LsaEnumerateAccountsWithUserRight")
        return tuple([sid.to_bytes() for sid, held in self.windows.rights.items() if right in held])

    def SetNamedSecurityInfoW(self, name: str, what: int, *, kind: int, dacl: bytes | None = None, **_: Any) -> None:
        assert kind == constants.SE_REGISTRY_KEY and dacl is not None
        self.administrator("SetNamedSecurityInfoW")
        key = name.removeprefix("MACHINE\\").upper()
        if key not in self.windows.keys:
            raise failure("SetNamedSecurityInfoW", LAST, 2, target=name)
        self.windows.key_security[key] = SecurityDescriptor(owner=known.ADMINISTRATORS, group=known.SYSTEM,
                                                            dacl=Acl.from_bytes(dacl))

    def GetKernelObjectSecurity(self, handle: Any, what: int) -> bytes:
        descriptor: SecurityDescriptor = handle.file.descriptor
        return descriptor.to_bytes()

    def LogonUserW(self, user: str, domain: str | None, password: str, **_: Any) -> Handle:
        found = self.windows.accounts[user.lower()]
        self.windows.logons.append(user)
        if found.flags & constants.UF_LOCKOUT:
            raise failure("LogonUserW", LAST, 1909, target=user)
        if found.password != password:
            found.bad_passwords += 1
            if found.bad_passwords >= self.windows.lockout:
                found.flags |= constants.UF_LOCKOUT
            raise failure("LogonUserW", LAST, 1326, target=user)
        if found.flags & constants.UF_ACCOUNTDISABLE:
            raise failure("LogonUserW", LAST, 1331, target=user)
        groups = [sid for sid, _, members in self.windows.groups.values() if found.sid in members]
        sids = {found.sid, *groups, known.EVERYONE, known.USERS, known.LOCAL_ACCOUNT}
        held = {right for sid in sids for right in self.windows.rights.get(sid, ())}
        if "SeInteractiveLogonRight" not in held or "SeDenyInteractiveLogonRight" in held:
            raise failure("LogonUserW", LAST, 1385, target=user)
        return self.handle(f"a token of {user}")


class Crypt(Facade):
    def CryptProtectData(self, data: bytes, *, description: str = "", entropy: bytes = b"",
                         machine: bool = False) -> bytes:
        blob = b"blob%d" % len(self.windows._protected)
        self.windows._protected[blob] = (None if machine else self.person.user, entropy, data, description)
        return blob

    def CryptUnprotectData(self, data: bytes, *, entropy: bytes = b"") -> tuple[bytes, str]:
        owner, salt, plain, description = self.windows._protected.get(data, (Sid("S-1-0-0"), b"", b"", ""))
        if owner not in (None, self.person.user) or salt != entropy:
            raise failure("CryptUnprotectData", LAST, 13)
        if owner is not None and owner in self.windows.broken:
            raise failure("CryptUnprotectData", LAST, 0x8009000B)
        return plain, description


class Userenv(Facade):
    def GetUserProfileDirectoryW(self, token: Handle) -> str:
        return self.person.home

    def DeleteProfileW(self, sid: str) -> None:
        if not self.person.elevated:
            raise fault("DeleteProfileW", {}, 5)
        if sid in self.windows.processes.values():
            raise failure("DeleteProfileW", LAST, 32, target=sid)
        if self.windows.keys.pop(f"{PROFILES}\\{sid}", None) is None:
            raise failure("DeleteProfileW", LAST, 2, target=sid)
