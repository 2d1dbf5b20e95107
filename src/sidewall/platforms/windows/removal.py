"""The administrator's half of uninstall: everything that set-up made for a Windows user goes, as far as that can be.

Knows: the order in which things go, and how one that does not is told.  Must not know: access lists, the user's files.

What is ended and deleted is derived from the user's SID and looked up on the machine.  A noted SID adds to that only if
administrators alone can have noted it, it is of this machine's own accounts, and no account has it any more: whatever
else is noted is named and left alone.

Nothing stops at the first fault: what cannot be removed is named, the rest goes all the same, and the registry keeps
the SIDs until nothing is left of them, so that the next try finds what this one could not remove.
"""

from __future__ import annotations

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.traces import Removed
from sidewall.platforms.windows import (
    account_processes,
    accounts,
    hiding,
    ledger,
    private_file,
    readiness,
    rights,
    wfp,
)
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.provision import lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.windows.machine import Machine

_STILL_LOADED = (5, 32, 87, 170)
_UNLOADED_SECONDS, _PAUSE = 10, 0.25


def remove(machine: Machine, user: Sid) -> Removed:
    """Removes all that set-up made for ``user``.  Raises MachineError only when another set-up is under way."""
    with lock(machine):
        return _Removal(machine, user).run()


class _Removal:
    def __init__(self, machine: Machine, user: Sid) -> None:
        self.machine = machine
        self.api = machine.api
        self.user = user
        self.done: list[str] = []
        self.left: list[str] = []
        self.group, *self.names = account_names(user)

    def _try(self, what: str, action: Callable[[], object]) -> None:
        """Does it; what it gives is whether something was there."""
        try:
            there = action()
        except (SidewallError, NtError) as error:
            self.left.append(f"{what}: {error}")
        else:
            if there:
                self.done.append(f"removed {what}")

    def run(self) -> Removed:
        registry = self.machine.registry
        sids: list[Sid] = []
        for name in self.names:
            self._try(f"the account {name}", lambda name=name: sids.extend(self._stopped(name)))  # type: ignore[misc]
        self._try("the note of accounts", lambda: sids.extend(self._deleted(sids)))
        for sid in sids:
            self._try(f"processes of {sid}", lambda sid=sid: account_processes.end(self.api, sid))  # type: ignore[misc]
            self._try(f"the rights of {sid}", lambda sid=sid: self._rights(sid))  # type: ignore[misc]
            self._try(f"the profile of {sid}", lambda sid=sid: self._profile(sid))  # type: ignore[misc]
        self._try("the network filters", lambda: wfp.remove(self.api, self.user))
        for name in self.names:
            self._try(f"{name} from the list of hidden accounts", lambda name=name: self._shown(name))  # type: ignore[misc]
            self._try(f"the account {name}",
                      lambda name=name: accounts.remove(self.api, name, self.user))  # type: ignore[misc]
        self._try(f"the group {self.group}", lambda: accounts.remove_group(self.api, self.group, self.user))
        if not self.left:
            self._try(f"the registry key {ledger.key_of(self.user)}", lambda: ledger.close(registry, self.user))
        return Removed(done=tuple(self.done), left=tuple(dict.fromkeys(self.left)))

    def _stopped(self, name: str) -> tuple[Sid, ...]:
        """The account's SID; from now on nobody logs on as it."""
        found = accounts.find(self.api, name)
        if found is None:
            return ()
        accounts.check_ours(found, self.user)
        accounts.disable(self.api, name)
        return (Sid.from_bytes(found.sid),)

    def _deleted(self, ours: list[Sid]) -> tuple[Sid, ...]:
        """The noted SIDs of accounts that were deleted by hand; what was noted and is none is left and named."""
        registry, found = self.machine.registry, []
        noted = [sid for sid in ledger.made(registry, self.user) if sid not in ours]
        believed = ledger.believed(self.machine, self.user)
        for sid in noted:
            who = accounts.holder(self.api, sid) if believed else None
            if not believed:
                why = "others than administrators could write that note, which is removed"
            elif who is not None:
                why = f"that is {who}, and not a sandbox account of {self.user}"
            elif not accounts.of_this_machine(self.api, sid):
                why = "that is not of this machine's own accounts"
            else:
                found.append(sid)
                continue
            self.left.append(f"{sid}, noted in HKEY_LOCAL_MACHINE\\{ledger.key_of(self.user)}, was not touched: {why}")
        if not believed:
            ledger.close(registry, self.user)
        return tuple(found)

    def _rights(self, sid: Sid) -> bool:
        there = bool(rights.held(self.api, sid))
        if there:
            rights.drop(self.api, sid)
        return there

    def _profile(self, sid: Sid) -> bool:
        """Once the last process has ended a service unloads the profile, which takes it a while."""
        key, path = f"{readiness.PROFILES}\\{sid}", readiness.profile(self.machine, sid)
        if not self.machine.registry.exists(key):
            return False
        deadline = self.machine.clock() + _UNLOADED_SECONDS
        while True:
            try:
                self.api.userenv.DeleteProfileW(sid)
            except ApiError as error:
                if error.code not in _STILL_LOADED or self.machine.clock() >= deadline:
                    raise
                self.machine.sleep(_PAUSE)
            if not self.machine.registry.exists(key):
                break
        if path and "%" not in path and private_file.names(self.api, path) is not None:
            raise MachineError(f"Windows removed the profile and left {path}", hint="remove it as an administrator")
        return True

    def _shown(self, name: str) -> bool:
        there = self.machine.registry.exists(hiding.USER_LIST) and hiding.hidden(self.machine.registry, name)
        hiding.show(self.machine.registry, name)
        return there


__all__ = ["remove"]
