"""Every trace of Sidewall on this Windows: accounts, groups, rights, profiles, filters, registry, files, access lists.

Knows: where traces are.  Must not know: how they are removed (``uninstall``), printing.

Each place is looked into for itself: one that this user may not see is named as such, and does not hide the others.
"""

from __future__ import annotations

from sidewall.errors import SidewallError
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import PREFIX, account_names
from sidewall.platforms.traces import Status, Trace
from sidewall.platforms.windows import (
    accounts,
    credentials,
    hiding,
    ledger,
    orphans,
    private_file,
    readiness,
    rights,
    runner_parent,
    runtime,
    runtime_removal,
    wfp,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from sidewall.platforms.windows.machine import Caller, Machine

    class Lists(Protocol):
        """What sessions left in the user's own files, see ``own_files``."""

        def traces(self) -> tuple[Trace, ...]:
            """All that is there."""

        def uninstall(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
            """Undoes all of it: what was undone, and what could not be and why, one line each."""


def look(machine: Machine, lists: Lists | None = None) -> Status:
    """Everything.  Raises Win32Error only when this process's own token cannot be read."""
    return _Look(machine, machine.caller(), lists).run()


class _Look:
    def __init__(self, machine: Machine, caller: Caller, lists: Lists | None) -> None:
        self.machine = machine
        self.api = machine.api
        self.caller = caller
        self.lists = lists
        self.sids: dict[Sid, str] = {}
        self.unseen: list[str] = []
        self.found: list[Trace] = []

    def run(self) -> Status:
        for what, search in (
            ("accounts", self._accounts), ("groups", self._groups), ("the registry", self._registry),
            ("hidden accounts", self._hidden), ("account rights", self._rights), ("profiles", self._profiles),
            ("network filters", self._filters), ("stored passwords", self._files),
            ("copies of Python", self._copies), ("what sessions left", self._lists),
        ):
            self._try(what, search)
        # Readiness is a question only where something was set up.
        lacking: tuple[str, ...] = ()
        if any(one.owner == self.caller.user and one.kind in ("account", "group") for one in self.found):
            try:
                lacking = readiness.lacking(readiness.gather(self.machine, self.caller))
            except SidewallError as error:
                self.unseen.append(f"whether the accounts can be used: {error}")
        return Status(traces=tuple(dict.fromkeys(self.found)), lacking=lacking, unseen=tuple(self.unseen))

    def _try(self, what: str, search: Callable[[], Iterable[Trace]]) -> None:
        try:
            for one in search():
                self.found.append(one)
        except SidewallError as error:
            self.unseen.append(f"{what}: {error}")

    def _accounts(self) -> Iterator[Trace]:
        own = account_names(self.caller.user)[1:]
        for name, owner in accounts.all_of_ours(self.api):
            found = accounts.find(self.api, name)
            if found is not None:
                self.sids[Sid.from_bytes(found.sid)] = owner
                yield Trace(kind="account", name=name, owner=owner)
        for name in own:
            found = accounts.find(self.api, name)
            if found is not None and accounts.read_comment(found.comment) is None:
                yield Trace(kind="account", name=f"{name} (not Sidewall's by its comment)")

    def _groups(self) -> Iterator[Trace]:
        for name, owner in accounts.all_groups(self.api):
            yield Trace(kind="group", name=name, owner=owner)

    def _registry(self) -> Iterator[Trace]:
        registry = self.machine.registry
        for user in ledger.users(registry):
            yield Trace(kind="registry", name=f"HKEY_LOCAL_MACHINE\\{ledger.key_of(user)}", owner=user)
        if registry.exists(ledger.BASE) and not registry.keys(ledger.BASE):
            yield Trace(kind="registry", name=f"HKEY_LOCAL_MACHINE\\{ledger.BASE}")
        for user in ledger.users(registry):
            try:
                listed = ledger.made(registry, user)
                if not ledger.believed(self.machine, user):
                    self.unseen.append(f"what was made for {user}: others than administrators could write what "
                                       f"HKEY_LOCAL_MACHINE\\{ledger.key_of(user)} says; set-up makes it anew")
                    continue
                for sid in listed:
                    self.sids.setdefault(sid, user)
            except SidewallError as error:
                self.unseen.append(f"what was made for {user}: {error}")

    def _hidden(self) -> Iterator[Trace]:
        for name in hiding.listed(self.machine.registry, PREFIX):
            yield Trace(kind="hidden", name=name, owner=self._owner_of_name(name))

    def _owner_of_name(self, name: str) -> str:
        return self.caller.user if name in account_names(self.caller.user) else ""

    def _rights(self) -> Iterator[Trace]:
        if not self.sids:
            return
        for sid, owner in self.sids.items():
            for right in rights.held(self.api, sid):
                yield Trace(kind="right", name=f"{right} of {sid}", owner=owner)

    def _profiles(self) -> Iterator[Trace]:
        for sid, owner in self.sids.items():
            if self.machine.registry.exists(f"{readiness.PROFILES}\\{sid}"):
                yield Trace(kind="profile", name=readiness.profile(self.machine, sid) or str(sid), owner=owner)

    def _filters(self) -> Iterator[Trace]:
        parts = wfp.frame(self.api)
        for part in parts:
            yield Trace(kind="filter", name=f"the {part} of Sidewall's filters")
        # Everybody may ask by key, only an administrator for a list; and no filter outlives its provider.
        for one in wfp.listed(self.api) if parts else ():
            yield Trace(kind="filter", name=one.name, owner=one.description.rpartition(" ")[2])

    def _files(self) -> Iterator[Trace]:
        for path in credentials.files_of(self.machine, self.caller.home):
            yield Trace(kind="file", name=path, owner=self.caller.user)
        directory = self.caller.home + credentials.DIRECTORY
        if private_file.names(self.api, directory) is not None:
            yield Trace(kind="file", name=directory, owner=self.caller.user)

    def _copies(self) -> Iterator[Trace]:
        place = self.caller.home + runtime.PLACE
        for path in runtime_removal.versions(self.api, self.caller.home):
            yield Trace(kind="runtime", name=path, owner=self.caller.user)
        if private_file.names(self.api, place) is not None:
            yield Trace(kind="runtime", name=place, owner=self.caller.user)
        with runner_parent.Kept(self.api, self.caller.home) as kept:
            left = orphans.find(self.api, place, kept)
        for number in left:
            yield Trace(kind="process", name=f"process {number}, which no sandbox has any more", owner=self.caller.user)

    def _lists(self) -> Iterator[Trace]:
        for one in self.lists.traces() if self.lists is not None else ():
            yield one.replace(owner=self.caller.user)


__all__ = ["look"]
