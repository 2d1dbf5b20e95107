"""Looks for directories that others than the system, administrators and the user himself may change.

Knows: how a tree is walked to a depth, which entries of an access list can let somebody write.  Must not know: where to
look (``open_places_starts``), how long a finding is good (``open_places_kept``), tokens: which of the places is a hole
the plan finds out.  Who is granted what is asked of ``nt.access_check``, one SID at a time.

Directories only: what a file grants is no hole in a write-restricted token unless one of its restricting SIDs has it,
while a directory that grants FILE_DELETE_CHILD gives away what lies in it.  No reparse point is followed, nothing is
opened for more than reading, and a search that does not come to its end says so.
"""

from __future__ import annotations

from sidewall.nt.ace import (
    ACCESS_ALLOWED,
    ACCESS_ALLOWED_CALLBACK,
    ALLOW_TYPES,
    CALLBACK_TYPES,
    INHERIT_ONLY,
)
from sidewall.nt.acl import Acl
from sidewall.nt.mask import FILE_DELETE_CHILD, MAPPINGS, map_generic
from sidewall.nt.token import Token
from sidewall.nt.wellknown import (
    ADMINISTRATORS,
    CREATOR_GROUP,
    CREATOR_OWNER,
    EVERYONE,
    LOCAL_SERVICE,
    NETWORK_SERVICE,
    OWNER_RIGHTS,
    RESTRICTED,
    SERVICE,
    SYSTEM,
    USERS,
    WRITE_RESTRICTED,
)
from sidewall.plan.facts_windows import Wide
from sidewall.plan.prove_access import Judge
from sidewall.plan.windows_edits import WRITING
from sidewall.plan.world import place
from sidewall.platforms.windows.store import DENIED, MISSING, StoreError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Protocol, Self

    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.store import Traits

    class Directory(Protocol):
        """An open file or directory: what of ``store.SecurityObject`` is wanted here.  Every call raises StoreError."""

        @property
        def path(self) -> str: ...

        @property
        def traits(self) -> Traits: ...

        def descriptor(self) -> SecurityDescriptor: ...

        def directories(self) -> tuple[str, ...]: ...

        def child(self, name: str, *, change: bool) -> Directory: ...

        def __enter__(self) -> Self: ...

        def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                     trace: TracebackType | None) -> None: ...

    class Store(Protocol):
        """See ``store.SecurityStore``."""

        def open(self, path: str, *, change: bool) -> Directory: ...

MOST_DIRECTORIES, MOST_SECONDS = 20_000, 20.0
"""What one search takes at the most: on a machine with more, or on a slow disk, it is said what was left out."""
MOST_PLACES = 300
TRUSTED = frozenset((SYSTEM, ADMINISTRATORS, CREATOR_OWNER, CREATOR_GROUP, OWNER_RIGHTS, LOCAL_SERVICE,
                     NETWORK_SERVICE, SERVICE))
"""Whoever acts as one of these is no command of a sandbox; the creator's entries name nobody by themselves."""
_TRUSTED_KINDS = ("S-1-5-80-", "S-1-5-83-", "S-1-5-84-", "S-1-15-")
"""Services, virtual machines, drivers, packages."""
_RESTRICTING = frozenset((EVERYONE, USERS, RESTRICTED, WRITE_RESTRICTED))
"""Groups that are restricting SIDs of a tier."""
_FILE = MAPPINGS["file"]


class Start(Record):
    """Where to look: a directory, and so many ``depth`` levels below it.  ``bare``: a volume without access lists.
    ``steady``: it does not change by itself, so a change in it is a reason to look again."""

    path: str
    depth: int
    bare: bool = False
    steady: bool = True


class Section(Record):
    """What was found at a start, ``when`` (seconds since 1970).  ``stamp`` is of the directory before the search.
    ``left`` is the first directory that was not looked at any more, '' when all were; ``unread`` counts those whose
    access list the user may not read, ``example`` is one of them."""

    path: str
    depth: int
    stamp: str
    when: int
    places: tuple[Wide, ...] = ()
    left: str = ""
    unread: int = 0
    example: str = ""


class Budget:
    """So many directories, so many seconds by ``clock``."""

    def __init__(self, clock: Callable[[], float], directories: int = MOST_DIRECTORIES,
                 seconds: float = MOST_SECONDS) -> None:
        self._clock = clock
        self._directories = directories
        self._until = clock() + seconds

    def spend(self) -> bool:
        """One more directory; False when there is to be no more."""
        self._directories -= 1
        return self._directories >= 0 and self._clock() < self._until


def writers(descriptor: SecurityDescriptor, user: Sid) -> dict[Sid, int]:
    """Who but the trusted and the ``user`` may change a directory, and which bits of ``WRITING`` are theirs.

    An upper bound: an entry with a condition counts as if it held, denying ones only where they name the same SID.
    """
    if descriptor.dacl is None:
        return {EVERYONE: WRITING}
    named = {ace.sid for ace in descriptor.dacl.aces
             if ace.type in ALLOW_TYPES and not ace.flags & INHERIT_ONLY and map_generic(ace.mask, _FILE) & WRITING}
    if descriptor.owner is not None:
        named.add(descriptor.owner)
    found = {sid: _granted(descriptor, sid) for sid in named if not trusted(sid, user)}
    return {sid: bits for sid, bits in found.items() if bits}


def trusted(sid: Sid, user: Sid) -> bool:
    """Whether no token that a command can have acts by this SID alone."""
    return sid == user or sid in TRUSTED or sid.startswith(_TRUSTED_KINDS)


def _granted(descriptor: SecurityDescriptor, sid: Sid) -> int:
    bounds = Judge(Token(user=sid)).bounds(descriptor)
    if bounds.unsure:
        bounds = Judge(Token(user=sid)).bounds(_unconditional(descriptor))
    return bounds.upper & WRITING


def _unconditional(descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """The descriptor with every condition taken as it grants most."""
    assert descriptor.dacl is not None
    aces = [ace.replace(type=ACCESS_ALLOWED, data=b"") if ace.type == ACCESS_ALLOWED_CALLBACK else ace
            for ace in descriptor.dacl.aces if ace.type in ALLOW_TYPES or ace.type not in CALLBACK_TYPES]
    return descriptor.replace(dacl=Acl(aces=tuple(aces)))


class Search:
    """One search.  ``stops`` are directories that are looked at by starts of their own."""

    def __init__(self, store: Store, user: Sid, budget: Budget, stops: frozenset[str]) -> None:
        self._store = store
        self._user = user
        self._budget = budget
        self._stops = stops
        self._found: list[Wide] = []
        self._left = ""
        self._over = False
        self._unread: list[str] = []

    def look(self, start: Start, stamp: str, now: int) -> Section:
        """Everything at one start.  Raises nothing of the store's: what cannot be seen is counted."""
        self._found, self._left, self._over, self._unread = [], "", False, []
        if start.bare:
            self._found.append(Wide(path=start.path, who=EVERYONE, mask=WRITING))
        else:
            try:
                with self._store.open(start.path, change=False) as opened:
                    if opened.traits.directory and not opened.traits.reparse:
                        self._visit(opened, start.depth, {})
            except StoreError as error:
                self._refused(error, start.path)
        unread = self._unread
        return Section(path=start.path, depth=start.depth, stamp=stamp, when=now, places=tuple(self._found),
                       left=self._left, unread=len(unread), example=unread[0] if unread else "")

    def _refused(self, error: StoreError, path: str) -> None:
        if error.why == DENIED:
            self._unread.append(path)
        elif error.why != MISSING:
            # A name that was exchanged, or a volume that went: nothing is known of it.
            self._left = self._left or path

    def _end(self, path: str) -> None:
        """No more of this search."""
        self._over = True
        self._left = self._left or path

    def _visit(self, opened: Directory, depth: int, above: dict[Sid, int]) -> None:
        if not self._budget.spend():
            self._end(opened.path)
            return
        found = writers(opened.descriptor(), self._user)
        # What is as open as the directory that it lies in was told with that one.
        if any(bits & ~above.get(sid, 0) for sid, bits in found.items()) and matters(found):
            if len(self._found) + len(found) > MOST_PLACES:
                self._end(opened.path)
                return
            self._found += [Wide(path=opened.path, who=sid, mask=bits) for sid, bits in sorted(found.items())]
        if not depth:
            return
        try:
            names = opened.directories()
        except StoreError as error:
            self._refused(error, opened.path)
            return
        for name in sorted(names):
            path = f"{opened.path.rstrip(chr(92))}\\{name}"
            if self._over:
                return
            if place(path) in self._stops:
                continue
            try:
                with opened.child(name, change=False) as inner:
                    if inner.traits.directory and not inner.traits.reparse:
                        self._visit(inner, depth - 1, found)
            except StoreError as error:
                self._refused(error, path)


def matters(found: dict[Sid, int]) -> bool:
    """Whether such a directory can be a hole in some tier: a write takes a restricting SID, deleting what lies there
    does not."""
    return any(bits & FILE_DELETE_CHILD or sid in _RESTRICTING or sid.startswith("S-1-5-21-")
               for sid, bits in found.items())


__all__ = ["MOST_DIRECTORIES", "MOST_SECONDS", "Budget", "Search", "Section", "Start", "matters", "writers"]
