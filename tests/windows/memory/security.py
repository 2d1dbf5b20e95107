"""advapi32, crypt32, shell32 and userenv in memory: tokens, names, rights, logons, protected data, profiles."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from tests.windows.memory import processes, registry
from tests.windows.memory.processes import ProcessHandle
from tests.windows.memory.windows import GROUPS, PEOPLE, Account, Facade, Person, Windows, fault

from sidewall.nt import wellknown as known
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.mask import READ_CONTROL
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.plan.windows_token import USUAL
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.advapi32_logon import LONGEST_LOGON_LINE
from sidewall.platforms.windows.constants_process import LOGON_WITH_PROFILE
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import LAST
from sidewall.platforms.windows.secret import Secret
from sidewall.platforms.windows.startup import Started, StartInfo

PROFILES = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList".upper()


def process_list(windows: Windows, number: int) -> SecurityDescriptor:
    """As the default list of a sandbox's token makes it for its processes and tokens, or as it was made."""
    if number in windows.details:
        found: SecurityDescriptor = windows.details[number].made[0][1]
        return found
    sid = windows.processes[number]
    return parse(f"O:{sid}G:{sid}D:(A;;GA;;;SY)(A;;GA;;;{sid})(A;;RC;;;OW)")


DEBUG = 20


class Advapi(processes.Lists, Facade):
    def LookupPrivilegeValueW(self, name: str) -> int:
        assert name == "SeDebugPrivilege"
        return DEBUG

    def TokenPrivileges(self, token: Any) -> tuple[tuple[int, int], ...]:
        return ((DEBUG, 2 * self.person.debugging),) if self.person.elevated and self.windows.debuggers else ()

    def AdjustTokenPrivileges(self, token: Any, changes: Sequence[tuple[int, int]]) -> None:
        if not self.TokenPrivileges(token):
            raise failure("AdjustTokenPrivileges", LAST, 1300)
        self.person.debugging = bool(changes[0][1])

    def OpenProcessToken(self, process: Any, access: int) -> Handle:
        number = getattr(process, "number", 0)
        # No privilege opens a token.
        if number in self.windows.details:
            if not self.windows.token_is_open:
                raise failure("OpenProcessToken", LAST, 5)
        elif number and not self.person.may(process_list(self.windows, number), access, "token"):
            raise failure("OpenProcessToken", LAST, 5)
        made = ProcessHandle(1, lambda value: None, "a token")
        made.number, made.kind = number, "token"
        return made

    def TokenUser(self, token: Any) -> bytes:
        return (self.windows.processes[token.number] if token.number else self.person.user).to_bytes()

    def TokenGroups(self, token: Any, kind: int = constants.TokenGroups) -> tuple[tuple[bytes, int], ...]:
        return tuple([(group.sid.to_bytes(), group.attributes) for group in self.person.token.groups])

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
        if wanted == known.USERS:
            return "Users", "BUILTIN", constants.SidTypeAlias
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

    def GetNamedSecurityInfoW(self, name: str, what: int, *, kind: int) -> bytes:
        assert kind == constants.SE_REGISTRY_KEY
        key = name.removeprefix("MACHINE\\").upper()
        if key not in self.windows.keys:
            raise failure("GetNamedSecurityInfoW", LAST, 2, target=name)
        found = registry.security(self.windows, key)
        if not self.person.may(found, READ_CONTROL, "key"):
            raise failure("GetNamedSecurityInfoW", LAST, 5, target=name)
        return found.to_bytes()

    def SetNamedSecurityInfoW(self, name: str, what: int, *, kind: int, owner: bytes, dacl: bytes) -> None:
        assert kind == constants.SE_REGISTRY_KEY
        assert what & constants.OWNER_SECURITY_INFORMATION and what & constants.PROTECTED_DACL_SECURITY_INFORMATION
        self.administrator("SetNamedSecurityInfoW")
        key = name.removeprefix("MACHINE\\").upper()
        if key not in self.windows.keys:
            raise failure("SetNamedSecurityInfoW", LAST, 2, target=name)
        self.windows.key_security[key] = SecurityDescriptor(owner=Sid.from_bytes(owner), group=known.SYSTEM,
                                                            dacl=Acl.from_bytes(dacl))

    def GetKernelObjectSecurity(self, handle: Any, what: int) -> bytes:
        if isinstance(handle, ProcessHandle):
            if handle.number in self.windows.details:
                process, at = self._made(handle)
                return SecurityDescriptor(dacl=process.made[at][1].dacl).to_bytes()
            return process_list(self.windows, handle.number).to_bytes()
        descriptor: SecurityDescriptor = handle.file.descriptor
        return descriptor.to_bytes()

    def LogonUserW(self, user: str, domain: str | None, password: str, **_: Any) -> Handle:
        self._log_on("LogonUserW", user, password)
        return self.handle(f"a token of {user}")

    def _log_on(self, call: str, user: str, password: str) -> Account:
        """In the order in which Windows looks."""
        self.windows.logons.append(user)
        found = self.windows.accounts.get(user.lower())
        if found is None:
            raise failure(call, LAST, 1326, target=user)  # who asks is not told that there is no such account
        if found.flags & constants.UF_LOCKOUT:
            raise failure(call, LAST, 1909, target=user)
        if found.password != password:
            found.bad_passwords += 1
            if found.bad_passwords >= self.windows.lockout:
                found.flags |= constants.UF_LOCKOUT
            raise failure(call, LAST, 1326, target=user)
        if found.flags & constants.UF_ACCOUNTDISABLE:
            raise failure(call, LAST, 1331, target=user)
        if found.expired:
            raise failure(call, LAST, 1330, target=user)
        if self.windows.logon_error:
            raise failure(call, LAST, self.windows.logon_error, target=user)
        groups = [sid for sid, _, members in self.windows.groups.values() if found.sid in members]
        sids = {found.sid, *groups, known.EVERYONE, known.USERS, known.LOCAL_ACCOUNT}
        held = {right for sid in sids for right in self.windows.rights.get(sid, ())}
        if "SeInteractiveLogonRight" not in held or "SeDenyInteractiveLogonRight" in held:
            raise failure(call, LAST, 1385, target=user)
        return found

    def CreateProcessWithLogonW(self, user: str, domain: str | None, password: Secret, info: StartInfo, *,
                                flags: int = 1) -> Started:
        call = "CreateProcessWithLogonW"
        if self.windows.service_error:
            raise failure(call, LAST, self.windows.service_error)
        assert domain == "." and len(info.command_line) <= LONGEST_LOGON_LINE
        assert info.attributes is None and not info.inherit and info.stdio is None
        found = self._log_on(call, user, password.wide.value)
        person = Person(found.sid, rf"C:\Users\{found.name}")
        groups = [sid for sid, _, members in self.windows.groups.values() if found.sid in members]
        person.token = Token(user=found.sid, groups=tuple([Group(sid=sid, attributes=USUAL)
                                                           for sid in (*groups, *GROUPS)]))
        for path, mask, code in ((info.directory, 0x20, 267), (info.application, 0x21, 5)):
            file = self.windows.files.get((path or "").upper())
            if file is None or not person.may(file.descriptor, mask, "file"):
                raise failure(call, LAST, code if file is not None else 2, target=path or "")
        if flags & LOGON_WITH_PROFILE:
            self.windows.keys.setdefault(f"{PROFILES}\\{found.sid}".upper(), {"ProfileImagePath": person.home})
        program = self.windows.files[(info.application or "").upper()]
        program.running += 1
        self.windows.started.append(info)
        return processes.started(processes.logged_on(self.windows, person.token, info.command_line))


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

    def UnprotectSecret(self, data: bytes, *, entropy: bytes = b"") -> Secret:
        plain = self.CryptUnprotectData(data, entropy=entropy)[0]
        made = Secret(ctypes.create_string_buffer(plain, len(plain)))
        self.windows.secrets.append(made)
        return made


class Shell(Facade):
    def ShellExecuteExW(self, file: str, parameters: str, *, directory: str | None = None) -> Handle:
        """The person says no."""
        self.windows.prompts.append((file, parameters, directory))
        raise failure("ShellExecuteExW", LAST, 1223)


class Userenv(Facade):
    def GetUserProfileDirectoryW(self, token: Handle) -> str:
        return self.person.home

    def DeleteProfileW(self, sid: str) -> None:
        if not self.person.elevated:
            raise fault("DeleteProfileW", {}, 5)
        if sid in self.windows.processes.values() or self.windows.now < self.windows.unloading:
            raise failure("DeleteProfileW", LAST, 32, target=sid)
        if self.windows.keys.pop(f"{PROFILES}\\{sid}", None) is None:
            raise failure("DeleteProfileW", LAST, 2, target=sid)
