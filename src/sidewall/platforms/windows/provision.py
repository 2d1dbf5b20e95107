"""The administrator's half of set-up: accounts, rights, hiding and filters of one Windows user, all of it or nothing.

Knows: the order of changes and how each is taken back.  Must not know: who asks and how (``elevated``), files.

Everything is derived from one SID.  Whatever is missing or wrong is made right, so the same call sets up, repairs, and
gives new passwords; what was there before a failure stays, what this call made goes again.
"""

from __future__ import annotations

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import LOWEST_RID, account_names
from sidewall.platforms.windows import accounts, credentials, hiding, ledger, readiness, rights, wfp
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.credentials import Credential
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.undo import Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.machine import Machine

LOCK_PIPE = r"\\.\pipe\ProtectedPrefix\Administrators\sidewall-provision"
"""Only administrators make pipes that are called so: nobody else keeps a set-up from beginning."""
LOCK_SDDL = "D:P(A;;GA;;;SY)(A;;GA;;;BA)"
_LOCKED = (5, 231)
NOT_GRANTED = 1385
ADMINISTRATOR = 500
"""The relative identifier of the built-in administrator, who is a person too."""


def lock(machine: Machine) -> Handle:
    """Held while accounts change: a pipe of which there is one on the machine, and which goes with its process.

    Raises MachineError when another set-up holds it.
    """
    from sidewall.nt.sddl import parse
    from sidewall.platforms.windows.constants_files import FILE_FLAG_FIRST_PIPE_INSTANCE
    from sidewall.platforms.windows.constants_process import PIPE_ACCESS_INBOUND, PIPE_REJECT_REMOTE_CLIENTS

    try:
        return machine.api.kernel32.CreateNamedPipeW(
            LOCK_PIPE, PIPE_ACCESS_INBOUND | FILE_FLAG_FIRST_PIPE_INSTANCE, PIPE_REJECT_REMOTE_CLIENTS,
            security=parse(LOCK_SDDL).to_bytes())
    except ApiError as error:
        if error.code in _LOCKED:
            raise MachineError("another set-up or uninstall is under way on this machine",
                               hint="wait until it is over, then try again") from None
        raise


def check_user(machine: Machine, user: Sid) -> None:
    """Raises MachineError unless the SID is a person's account, and none of ours."""
    person = user.startswith(("S-1-5-21-", "S-1-12-1-")) and (user.rid >= LOWEST_RID or user.rid == ADMINISTRATOR)
    if not person:
        raise MachineError(f"{user} is not the SID of a user", hint="give the SID that `whoami /user` prints")
    try:
        name, _, use = machine.api.advapi32.LookupAccountSidW(user.to_bytes())
    except ApiError as error:
        raise MachineError(f"there is no account with the SID {user}: {error}",
                           hint="give the SID that `whoami /user` prints") from None
    if use != constants.SidTypeUser:
        raise MachineError(f"{user} ({name}) is a group or a machine, not a user",
                           hint="give the SID that `whoami /user` prints")
    if any(name == one for one, _ in accounts.all_of_ours(machine.api)):
        raise MachineError(f"{name} is a sandbox account itself", hint="run this as yourself, outside of a sandbox")


def provision(machine: Machine, user: Sid, keep: Callable[[tuple[Credential, ...]], object]) -> tuple[str, ...]:
    """Sets up or repairs the accounts of ``user``; what was done, for people.

    ``keep`` is given the new credentials when all else is done and must raise unless the user has them.  Raises
    MachineError, with everything that was made taken back; what could not be is said in the message.
    """
    check_user(machine, user)
    with lock(machine):
        work = _Work(machine, user)
        try:
            work.run(keep)
        except SidewallError as error:
            work.changes.take_back()
            if work.changes.left:
                raise MachineError(f"{error}; and these could not be taken back: {'; '.join(work.changes.left)}",
                                   hint="`sidewall status` lists what is left, `sidewall uninstall` removes it"
                                   ) from error
            raise
        except BaseException:
            work.changes.take_back()
            raise
        return tuple(work.told)


class _Work:
    """One set-up under way."""

    def __init__(self, machine: Machine, user: Sid) -> None:
        self.machine = machine
        self.api = machine.api
        self.user = user
        self.changes = Changes()
        self.told: list[str] = []
        self.group, *self.names = account_names(user)

    def run(self, keep: Callable[[tuple[Credential, ...]], object]) -> None:
        registry = self.machine.registry
        if not registry.exists(ledger.key_of(self.user)):
            self.changes.note("the registry key", lambda: ledger.close(registry, self.user))
        ledger.open_for(self.machine, self.user)
        self._group()
        found = [accounts.find(self.api, name) for name in self.names]
        # Both are looked at before either changes.
        generation = 1 + max([0, *[accounts.check_ours(one, self.user) for one in found if one is not None]])
        secrets = [credentials.password() for _ in self.names]
        sids = [self._account(name, secret, generation, there=one is not None)
                for name, secret, one in zip(self.names, secrets, found, strict=True)]
        offline, online = sids
        self._filters(offline, online)
        for name, secret in zip(self.names, secrets, strict=True):
            self._try_logon(name, secret)
        self._read_back(offline, online)
        # What a fleet's set-up left for the user is older now.
        registry.delete_key(ledger.waiting_key(self.user))
        # Last: nothing fails any more once the user has them.
        keep(tuple([self._credential(name, sid, secret, generation)
                    for name, sid, secret in zip(self.names, sids, secrets, strict=True)]))

    def _group(self) -> None:
        there = accounts.find_group(self.api, self.group)
        if there is not None:
            accounts.check_group(there, self.group, self.user)
            return
        self.changes.note(f"the group {self.group}", lambda: accounts.remove_group(self.api, self.group, self.user))
        accounts.make_group(self.api, self.group, self.user)
        self.told.append(f"made the group {self.group}")

    def _account(self, name: str, secret: str, generation: int, *, there: bool) -> Sid:
        api, registry, user = self.api, self.machine.registry, self.user
        if there:
            accounts.renew(api, name, secret, user, generation)
            self.told.append(f"gave the account {name} a new password")
        else:
            self.changes.note(f"the account {name}", lambda: accounts.remove(api, name, user))
            accounts.make(api, name, secret, user, generation)
            self.told.append(f"made the account {name}")
        made = accounts.find(api, name)
        if made is None:
            raise MachineError(f"Windows made the account {name}, and does not find it", hint="restart this machine")
        sid = Sid.from_bytes(made.sid)
        if not there:
            self.changes.note(f"the SID of {name}", lambda: ledger.forget(registry, user, sid))
        ledger.remember(registry, user, sid)
        accounts.join(api, self.group, sid)
        if not hiding.hidden(registry, name):
            self.changes.note(f"{name} hidden", lambda: hiding.show(registry, name))
            hiding.hide(registry, name)
        if not there:
            self.changes.note(f"the rights of {name}", lambda: rights.drop(api, sid))
        rights.deny(api, sid)
        return sid

    def _filters(self, offline: Sid, online: Sid) -> None:
        meant = wfp.wanted(self.user, offline, online)
        before = set(wfp.present(self.api, meant))
        if not before:
            self.changes.note("the network filters", lambda: wfp.remove(self.api, self.user))
        wfp.add(self.api, meant)
        if len(before) < len(meant):
            self.told.append(f"added {len(meant) - len(before)} network filters")

    def _try_logon(self, name: str, secret: str) -> None:
        """Once, with the password that was just set: nothing else tells whether a policy lets the account log on."""
        try:
            self.api.advapi32.LogonUserW(name, ".", secret).close()
        except ApiError as error:
            if error.code == NOT_GRANTED:
                sid = Sid.from_bytes(self.api.netapi32.NetUserGetInfo(name).sid)
                named = rights.forbidden(self.api, sid, accounts.group_sid(self.api, self.group))
                told = f"a policy refuses the sandbox accounts an interactive logon ({named or 'unnamed'}): {error}"
                raise MachineError(told, hint="ask whoever keeps that policy to let the group "
                                              f"{self.group} log on locally, or use --tier token") from None
            raise

    def _credential(self, name: str, sid: Sid, secret: str, generation: int) -> Credential:
        found = self.api.netapi32.NetUserGetInfo(name)
        return Credential(name=name, sid=sid, password=secret, generation=generation,
                          changed=int(self.machine.clock()) - found.password_age)

    def _read_back(self, offline: Sid, online: Sid) -> None:
        """Nothing is believed that Windows does not tell again."""
        api = self.api
        lost = {one.name for one in wfp.wanted(self.user, offline, online)} - set(
            readiness.filtering(self.machine, self.user, offline, online).present)
        wrong = [f"{len(lost)} network filters ({min(lost)})"] if lost else []
        inside = accounts.members(api, self.group)
        for name, sid in zip(self.names, (offline, online), strict=True):
            if sid not in inside:
                wrong.append(f"{name} in its group")
            if not set(rights.DENIED_RIGHTS) <= set(rights.held(api, sid)):
                wrong.append(f"the rights that are denied {name}")
        if wrong:
            raise MachineError("Windows took these changes and does not show them: " + ", ".join(wrong),
                               hint="look whether a policy or a security product of this machine resets them")


__all__ = ["LOCK_PIPE", "check_user", "lock", "provision"]
