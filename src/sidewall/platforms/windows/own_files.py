"""What sessions leave in a user's own files on Windows: access lists, private directories, state; seen and removed.

Knows: where these lie, which of it is bookkeeping.  Must not know: accounts, how an access list is undone (``acls``).

Access lists are undone before their journal goes: without it nobody could tell which entries are ours.  What was kept
back from a workspace may be somebody's work, so it is named and stays.
"""

from __future__ import annotations

import os

from sidewall.errors import SidewallError
from sidewall.platforms.traces import Trace
from sidewall.platforms.windows import findings, temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from sidewall.platforms.contract import Held
    from sidewall.platforms.windows.journal_records import State
    from sidewall.platforms.windows.machine import Machine

    class Recorded(Protocol):
        """``acls.Lists``, as far as it is wanted here."""

        def recorded(self) -> State: ...

        def undo_all(self) -> tuple[Held, ...]: ...

LISTS, LOG, KEPT = "access-lists", "audit", "quarantine"
KINDS = {"owners": "ownership", findings.NAME: "file", LISTS: "access-list", LOG: "log", KEPT: "quarantine",
         "trust.json": "trust", "trust.json.lock": "trust"}


class OwnFiles:
    """``state`` and ``temp`` are directories; ``recover`` gives back what crashed cells made, and removes the private
    directories of processes that are no more: what was done, and what was left and why; ``remove`` removes a directory,
    and says '' or why something is left."""

    def __init__(self, lists: Recorded, state: str, temp: str,
                 recover: Callable[[], tuple[tuple[str, ...], tuple[str, ...]]],
                 remove: Callable[[str], str], *, keep_log: bool = False) -> None:
        self._lists = lists
        self._state = state
        self._temp = temp
        self._recover = recover
        self._remove = remove
        self._keep_log = keep_log

    def traces(self) -> tuple[Trace, ...]:
        """Everything of this user's that is there.  Raises MachineError."""
        found: list[Trace] = []
        if os.path.isdir(os.path.join(self._state, LISTS)):
            recorded = self._lists.recorded()
            paths = [*[one.path for one in recorded.edits], *[one.path for one in recorded.settled],
                     *[one.path for one in recorded.made]]
            found += [Trace(kind="access-list", name=path) for path in paths]
        found += [Trace(kind="temporary", name=path) for path in self._private()]
        found += [Trace(kind=KINDS.get(name, "file"), name=os.path.join(self._state, name))
                  for name in _names(self._state)]
        return tuple(dict.fromkeys(found))

    def _private(self) -> list[str]:
        return [os.path.join(self._temp, name) for name in _names(self._temp) if name.startswith(temporary.PREFIX)]

    def uninstall(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Undoes and removes all of it: what went, and what could not and why.  Raises nothing of ours."""
        done: list[str] = []
        left: list[str] = []
        try:
            # What accounts made becomes the user's before the lists go: these keep an account from opening it up.
            recovered, not_yet = self._recover()
            done += recovered
            left += not_yet
        except SidewallError as error:
            left.append(f"private directories: {error}")
        journal = os.path.join(self._state, LISTS)
        undone = True
        if os.path.isdir(journal):
            try:
                paths = [trace.name for trace in self.traces() if trace.kind == "access-list" and trace.name != journal]
                held = self._lists.undo_all()
                left += [f"the access list of {one.path}: {one.reason}" for one in held]
                kept = {one.path for one in held}
                done += [f"undid the access list of {path}" for path in paths if path not in kept]
                undone = not held
            except SidewallError as error:
                left.append(f"access lists: {error}")
                undone = False
        left += [f"{path} belongs to a sandbox that is open" for path in self._private()]
        for name in _names(self._state):
            self._entry(name, done, left, undone=undone)
        if os.path.isdir(self._state) and not _names(self._state):
            self._gone(self._state, done, left)
        return tuple(done), tuple(left)

    def _entry(self, name: str, done: list[str], left: list[str], *, undone: bool) -> None:
        path = os.path.join(self._state, name)
        kind = KINDS.get(name)
        if kind is None:
            left.append(f"{path} is not Sidewall's")
        elif name == KEPT and any(files for _, _, files in os.walk(path)):
            left.append(f"{path} holds what was kept back from workspaces: look at it, then remove it")
        elif (name == LOG and self._keep_log) or (name == LISTS and not undone):
            return  # it is wanted, or it is what the next uninstall works by
        else:
            self._gone(path, done, left)


    def _gone(self, path: str, done: list[str], left: list[str]) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            why = self._remove(path)
        else:
            try:
                os.unlink(path)
                why = ""
            except OSError as error:
                why = f"{path}: {error.strerror}"
        if why:
            left.append(why)
        else:
            done.append(f"removed {path}")


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def native(machine: Machine, *, keep_log: bool = False) -> OwnFiles:
    """This user's, by the token of this process.  Raises Win32Error."""
    from sidewall.platforms.windows import acls, facts, lease, ownership_notes
    from sidewall.platforms.windows.journal import ProcessOwners
    from sidewall.platforms.windows.store_win32 import Win32Store

    home = machine.caller().home
    journal = lease.directory(home)
    temp = facts.temporary_parent(home)

    def recover() -> tuple[tuple[str, ...], tuple[str, ...]]:
        held = ownership_notes.recover(machine.api, ownership_notes.directory(home), ProcessOwners(machine.api),
                                       Win32Store(machine.api))
        return (temporary.recover(machine.api, temp) if temp else (),
                tuple([f"{one.path}: {one.reason}" for one in held]))

    return OwnFiles(acls.native(machine.api, journal), journal.rpartition("\\")[0], temp, recover,
                    lambda path: temporary.remove(machine.api, path), keep_log=keep_log)


__all__ = ["OwnFiles", "native"]
