"""What the account itself does for the user when its commands have ended: empties, and lets the user in.

Knows: the account's own objects that leave the user out, and the entry that lets him in.  Must not know: the pipe, who
becomes owner (``ownership``).  It runs in the account, with the account's rights and no more: whatever a command put in
its way, nothing is reached that the commands could not reach.

A program may give what it makes a list of its own: Python (3.12.4 and later) gives every directory of mode 0o700 one
with the system, administrators and the owner, and the owner is the account.  Nobody but the account can change that
list, short of an administrator.

A place is opened by its path: on the way to it there are directories that are closed to the account.  Everything below
is opened below the open directory that was listed; no link is followed.
"""

from __future__ import annotations

import time

from sidewall.nt import ace as aces
from sidewall.nt import mask as bits
from sidewall.nt.ace import Ace
from sidewall.platforms.windows import constants_files as constants
from sidewall.platforms.windows import trees
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.store import DENIED, MISSING, StoreError
from sidewall.platforms.windows.store_win32 import Win32Object, Win32Store, verbatim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidewall.nt.acl import Acl
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.store import SecurityObject, SecurityStore

SECONDS = 20.0
"""For all of one request; what is left then the user removes and takes over as far as he can."""
MOST = 200_000
"""Objects that are looked at for one request."""
TIME, NUMBER = "it takes too long", "there are too many files"


class Places(Win32Store):
    """The store of the account: a place is opened by its path, as it is, and nothing above it is held."""

    def open(self, path: str, *, change: bool) -> Win32Object:
        access = bits.READ_CONTROL | bits.FILE_READ_ATTRIBUTES | (bits.WRITE_DAC if change else 0)
        share = constants.FILE_SHARE_READ | constants.FILE_SHARE_WRITE | constants.FILE_SHARE_DELETE
        flags = constants.FILE_FLAG_BACKUP_SEMANTICS | constants.FILE_FLAG_OPEN_REPARSE_POINT
        try:
            handle = self.api.kernel32.CreateFileW(verbatim(path), access, constants.OPEN_EXISTING, share=share,
                                                   flags=flags)
        except ApiError as error:
            raise self.refused(error, path) from None
        try:
            return Win32Object(self, path, handle, [], change)
        except BaseException:
            handle.close()
            raise


def all_of(api: Api, empty: Sequence[str], places: Sequence[str], user: Sid, account: Sid) -> tuple[int, str]:
    """Removes the directories ``empty`` with all that is in them, and lets the user into ``places``; how much could not
    be done, and why the first of it, for people."""
    until = time.monotonic() + SECONDS
    work = _Letting(Places(api), user, account, until)
    for path in empty:
        failures = trees.remove(api, path, until=until)
        if any(not failure.passing for failure in failures):
            # Then the user can: he tries once more what is still there.
            work.at(path)
    for path in places:
        work.at(path)
    return work.count, work.first


def let_in(store: SecurityStore, places: Sequence[str], user: Sid, account: Sid, *, until: float,
           clock: Callable[[], float] = time.monotonic) -> tuple[int, str]:
    """Gives the user full control of all that is the account's at these places and below them, where he has not got
    it.  ``until`` is a time of ``clock``.  How much could not be done, and why the first of it."""
    work = _Letting(store, user, account, until, clock)
    for path in places:
        work.at(path)
    return work.count, work.first


def opened(dacl: Acl | None, user: Sid, *, directory: bool) -> Acl | None:
    """The list with an entry for the user, None for one that lets him in already.

    The entry comes first, so that no other one can take away what it gives; all others stay as they are.
    """
    flags = aces.OBJECT_INHERIT | aces.CONTAINER_INHERIT if directory else 0
    if dacl is None:
        return None  # it is open to everybody
    for entry in dacl.aces:
        if entry.type in aces.DENY_TYPES:
            break
        if (entry.type == aces.ACCESS_ALLOWED and entry.sid == user and not entry.flags & aces.INHERIT_ONLY
                and entry.mask & bits.FILE_ALL_ACCESS == bits.FILE_ALL_ACCESS and entry.flags & flags == flags):
            return None
    wanted = Ace(type=aces.ACCESS_ALLOWED, flags=flags, mask=bits.FILE_ALL_ACCESS, sid=user)
    return dacl.replace(aces=(wanted, *dacl.aces))


class _Letting:
    def __init__(self, store: SecurityStore, user: Sid, account: Sid, until: float,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._user = user
        self._account = account
        self._until = until
        self._clock = clock
        self._seen = 0
        self.count = 0
        self.first = ""

    def at(self, path: str) -> None:
        """A place and all below it."""
        if not self._may_go_on(path):
            return
        top = self._open(path, lambda change: self._store.open(path, change=change))
        if top is None:
            return
        with top:
            if self._one(top):
                self._below(top)

    def _below(self, top: SecurityObject) -> None:
        # Not by recursion: a command makes a tree as deep as it likes.
        stack: list[tuple[SecurityObject, list[str]]] = [(top, self._names(top))]
        try:
            while stack:
                here, names = stack[-1]
                if not names:
                    stack.pop()
                    if here is not top:
                        here.close()
                    continue
                name = names.pop()
                path = f"{here.path}\\{name}"
                if not self._may_go_on(path):
                    return
                found = self._open(path, _child(here, name))
                if found is None:
                    continue
                if self._one(found):
                    stack.append((found, self._names(found)))
                else:
                    found.close()
        finally:
            for here, _ in stack:
                here.close()

    def _may_go_on(self, path: str) -> bool:
        self._seen += 1
        if self._seen > MOST or self._clock() > self._until:
            self._failed(path, NUMBER if self._seen > MOST else TIME)
            return False
        return True

    def _open(self, path: str, way: Callable[[bool], SecurityObject]) -> SecurityObject | None:
        """Open to have its list changed, where that may be; None for what is not there or may not be looked at."""
        for change in (True, False):
            try:
                return way(change)
            except StoreError as error:
                if error.why == MISSING:
                    return None
                if not change or error.why != DENIED:
                    self._failed(path, error.message)
                    return None
        return None

    def _one(self, found: SecurityObject) -> bool:
        """Lets the user into one object if it is the account's; whether there is something below it."""
        traits = found.traits
        try:
            have = found.descriptor()
            if have.owner == self._account and not traits.shared:
                dacl = opened(have.dacl, self._user, directory=traits.directory)
                if dacl is not None:
                    found.write_dacl(have.replace(dacl=dacl))
        except StoreError as error:
            self._failed(found.path, error.message)
        return traits.directory and not traits.leads

    def _names(self, here: SecurityObject) -> list[str]:
        try:
            return list(here.names())
        except StoreError as error:
            self._failed(here.path, error.message)
            return []

    def _failed(self, path: str, why: str) -> None:
        self.count += 1
        self.first = self.first or f"{path}: {why}"


def _child(here: SecurityObject, name: str) -> Callable[[bool], SecurityObject]:
    return lambda change: here.child(name, change=change)


__all__ = ["SECONDS", "all_of", "let_in", "opened"]
