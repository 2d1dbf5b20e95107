"""What a sandbox's account made in writable directories becomes the user's own, once no process of the cell runs.

Knows: which names came to be while the cell was open, whose an object is.  Must not know: access lists.

An owner may change an access list, unless an entry for OWNER RIGHTS takes that from him; that entry goes with the cell.
So this happens before it goes.  Names are told by the file system, whatever times a command gives its files; where that
is not possible, or there were more than it keeps, everything is looked at.  When no name came, nothing is.

What the account made with a list that leaves the user out only the account can open; where its runner still runs it is
asked to (``unlock``), and what it opened is looked at again.

No link is followed: one is itself taken over, not what it leads to.  A file with several names may be somebody else's
under another one, and is left as it is.
"""

from __future__ import annotations

import _thread

from sidewall.platforms.contract import Held
from sidewall.platforms.windows.constants_files import (
    FILE_ACTION_ADDED,
    FILE_ACTION_RENAMED_NEW_NAME,
    FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_FLAG_OVERLAPPED,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
    OPEN_EXISTING,
)
from sidewall.platforms.windows.constants_process import INFINITE, WAIT_OBJECT_0
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.kernel32_changes import name_changes
from sidewall.platforms.windows.store import DENIED, LINK, MISSING, StoreError
from sidewall.platforms.windows.win32_paths import verbatim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from sidewall.nt.sid import Sid
    from sidewall.plan.windows_steps import Ownership
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.kernel32_pipes import Pending
    from sidewall.platforms.windows.store import SecurityObject, SecurityStore

    Unlock: TypeAlias = Callable[[Sequence[str]], str]
    """Has the account let the user into these places; '' or why it did not."""

EVENTS = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME
NEW = (FILE_ACTION_ADDED, FILE_ACTION_RENAMED_NEW_NAME)
ROOM = 1 << 16
"""Bytes that the file system keeps between two readings; over a network there may be no more."""
MOST_NAMES = 50_000
MOST_TOLD = 20
MOST_LOCKED, ROUNDS = 4096, 3
"""Places that the account is asked to open in one round; and how often, since behind one there may be another."""
REMEDY = "an administrator can take it over: takeown /a /r /d y /f, then icacls /grant"
PATIENCE = 5.0
_LIST = 0x100001


class NewNames:
    """The names that come to be below a directory from now on, as the file system tells them."""

    def __init__(self, api: Api, root: str) -> None:
        """Raises Win32Error where they are not told."""
        self.root = root
        self._api = api
        self._names: set[str] = set()
        self._lost = False
        self._over = False
        self._state = _thread.allocate_lock()
        self._ended = self._abandoned = False
        self._directory = api.kernel32.CreateFileW(
            verbatim(root), _LIST, OPEN_EXISTING,
            flags=FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_OVERLAPPED)
        self._stop: Handle | None = None
        self._told: Handle | None = None
        try:
            self._stop, self._told = api.kernel32.CreateEventW(), api.kernel32.CreateEventW()
            # Watching begins here, and not when the thread comes to it.
            pending = self._begin()
        except BaseException:
            self._close()
            raise
        self._reading = _thread.allocate_lock()
        self._reading.acquire()
        _thread.start_new_thread(self._read, (pending,))

    def _begin(self) -> Pending:
        assert self._told is not None
        return self._api.kernel32.StartReadChanges(self._directory, ROOM, EVENTS, self._told)

    def _read(self, pending: Pending) -> None:
        """In a thread of its own: takes what is told, until it is told to stop and nothing more is there."""
        try:
            while self._ready(pending):
                with pending:
                    self._take(pending)
                pending = self._begin()
            pending.close()
        except (ApiError, ValueError):
            self._lost = True
        finally:
            with self._state:
                self._ended, abandoned = True, self._abandoned
            self._reading.release()
            if abandoned:
                self._close()

    def _ready(self, pending: Pending) -> bool:
        kernel, stop = self._api.kernel32, self._stop
        assert stop is not None
        while not pending.wait(0):
            if kernel.WaitForMultipleObjects((pending.event, stop), INFINITE) != WAIT_OBJECT_0:
                return False
        return True

    def _take(self, pending: Pending) -> None:
        data = pending.result()
        if not isinstance(data, bytes) or not data:
            self._lost = True  # there was more than it keeps
            return
        self._names.update([name for action, name in name_changes(data) if action in NEW])
        if len(self._names) > MOST_NAMES:
            self._lost = True
            self._names.clear()

    def told(self) -> tuple[str, ...] | None:
        """Ends the watching; the names, below the root and with backslashes, None when not all of them are known."""
        if not self._over:
            self._over = True
            assert self._stop is not None
            self._api.kernel32.SetEvent(self._stop)
            if not self._reading.acquire(timeout=PATIENCE):
                with self._state:
                    self._abandoned = not self._ended
                if self._abandoned:
                    self._lost = True
                    return None  # what it still uses is not taken from it: it gives that back itself
            self._close()
        return None if self._lost else tuple(sorted(self._names))

    def _close(self) -> None:
        for handle in (self._directory, self._stop, self._told):
            if handle is not None and not handle.closed:
                handle.close()


class Owners:
    """Watches the roots of an Ownership step from now on; ``give_back`` at the end, when nothing runs any more, and
    then ``over`` is called."""

    def __init__(self, api: Api, store: SecurityStore, step: Ownership, account: Sid,
                 over: Callable[[], object] = lambda: None) -> None:
        self._over = over
        self._store = store
        self._owner = step.owner
        self._account = account
        self._watched: list[tuple[str, NewNames | None]] = []
        for root in step.roots:
            if any(root.lower().startswith(other.lower() + "\\") for other in step.roots):
                continue
            try:
                self._watched.append((root, NewNames(api, root)))
            except ApiError:
                self._watched.append((root, None))

    def give_back(self, unlock: Unlock | None = None) -> tuple[Held, ...]:
        """What could not be given back.  Idempotent.  Raises what ``over`` raises."""
        watched, self._watched = self._watched, []
        held: list[Held] = []
        for root, names in watched:
            told = names.told() if names is not None else None
            held += give_back(self._store, root, self._owner, self._account, told, unlock)
        if watched:
            self._over()
        return tuple(held)


def give_back(store: SecurityStore, root: str, owner: Sid, account: Sid, names: Iterable[str] | None,
              unlock: Unlock | None = None) -> tuple[Held, ...]:
    """Makes ``owner`` the owner of what is ``account``'s among ``names`` below a root and in directories of these
    names; of everything below, for None.  ``unlock`` is asked for what is closed to him.  What was left, and why."""
    work = _Work(store, owner, account)
    if names is None:
        work.at(root)
    else:
        for name in sorted(names, key=str.lower):
            work.at(f"{root.rstrip(chr(92))}\\{name}")
    for _ in range(ROUNDS if unlock is not None else 0):
        locked = work.locked()
        if not locked:
            break
        assert unlock is not None
        work.again(locked, unlock(locked))
    return work.told()


class _Work:
    def __init__(self, store: SecurityStore, owner: Sid, account: Sid) -> None:
        self._store = store
        self._owner = owner
        self._account = account
        self._seen: set[str] = set()
        self._held: list[Held] = []
        self._shut: dict[str, str] = {}
        """What is closed to the user, by its name in lower case."""
        self._why = ""

    def locked(self) -> list[str]:
        """What is closed to the user."""
        return list(self._shut.values())[:MOST_LOCKED]

    def again(self, paths: Sequence[str], why: str) -> None:
        """Looks at these once more; ``why`` is what was said of those that did not open."""
        self._why = why
        asked = set(paths)
        self._held = [one for one in self._held if one.path not in asked]
        for path in paths:
            self._shut.pop(path.lower(), None)
        for path in paths:
            self._at(path)

    def at(self, path: str) -> None:
        """A place and all below it, unless it was done with a directory above."""
        above = path.lower()
        while above:
            if above in self._seen or above in self._shut:
                return
            above = above.rpartition("\\")[0]
        self._at(path)

    def _at(self, path: str) -> None:
        try:
            with self._store.open(path, change=False) as found:
                if self._one(found):
                    self._seen.add(path.lower())
                    self._below(found)
        except StoreError as error:
            if error.why not in (MISSING, LINK):  # it went again, or lies behind a link that was made since
                self._left(path, error.message, error.why)

    def _below(self, top: SecurityObject) -> None:
        """Everything in an open directory; each directory is held while what is in it is looked at."""
        stack: list[tuple[SecurityObject, list[str]]] = [(top, self._names(top))]
        while stack:
            here, names = stack[-1]
            if not names:
                stack.pop()
                if here is not top:
                    here.close()
                continue
            name = names.pop()
            try:
                found = here.child(name, change=False)
            except StoreError as error:
                if error.why != MISSING:
                    self._left(f"{here.path}\\{name}", error.message, error.why)
                continue
            if self._one(found):
                stack.append((found, self._names(found)))
            else:
                found.close()

    def _names(self, here: SecurityObject) -> list[str]:
        try:
            return list(here.names())
        except StoreError as error:
            self._left(here.path, error.message, error.why)
            return []

    def _one(self, found: SecurityObject) -> bool:
        """Takes over one object if it is the account's; whether there is something below it to be looked at."""
        traits = found.traits
        try:
            if found.descriptor().owner == self._account:
                if traits.shared:
                    self._left(found.path, f"it belongs to the sandbox's account and has {traits.links} names, of "
                                           "which others may lie elsewhere")
                else:
                    found.write_owner(self._owner)
        except StoreError as error:
            self._left(found.path, f"it belongs to the sandbox's account, and that cannot be changed: {error.message}",
                       error.why)
        return traits.directory and not traits.leads

    def _left(self, path: str, reason: str, why: str = "") -> None:
        if why == DENIED:
            self._shut[path.lower()] = path
            told = f"; in the sandbox's account: {self._why}" if self._why else ""
            reason = f"{reason}{told}; {REMEDY}"
        self._held.append(Held(action="left", path=path, reason=reason))

    def told(self) -> tuple[Held, ...]:
        more = len(self._held) - MOST_TOLD
        last = (Held(action="left", path="more files", reason=f"{more} more were left likewise"),) if more > 0 else ()
        return (*self._held[:MOST_TOLD], *last)


__all__ = ["NewNames", "Owners", "give_back"]
