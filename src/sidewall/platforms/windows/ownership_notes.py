"""Whose files a crashed cell left behind: noted before commands run, and given back by the next one.

Knows: one small file a cell, named after the process that keeps it open.  Must not know: how an owner is changed
(``ownership``), access lists.

After a crash nobody knows which names came to be, so everything below the roots is looked at then, once.  That comes
before the access lists of crashed cells are undone, by whomever: with them goes the entry for OWNER RIGHTS, and from
then on an account could open up what it still owns.
"""

from __future__ import annotations

import os

from sidewall.errors import SidewallError
from sidewall.nt.errors import NtError
from sidewall.nt.sid import Sid
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import ownership, private_file
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.journal_records import Owner
from sidewall.platforms.windows.store import DENIED, LINK, MISSING, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.plan.windows_steps import Ownership
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.journal import Owners as Processes
    from sidewall.platforms.windows.ownership import Unlock
    from sidewall.platforms.windows.store import SecurityStore

NAME = "owners"
HEAD = "sidewall-owners-1"


def directory(home: str) -> str:
    """Where the notes of a user lie."""
    return rf"{home}\AppData\Local\sidewall\state\{NAME}"


def note(api: Api, place: str, processes: Processes, step: Ownership, account: Sid, user: Sid) -> str:
    """Notes that this process has a cell open whose account makes files below the roots; the note's path.

    ``user`` owns the note.  Raises Win32Error.
    """
    own = processes.own()
    name = f"{own.pid}-{own.created:x}-{os.urandom(6).hex()}"
    text = "\n".join([HEAD, step.owner, account, *step.roots])
    for above in (place.rpartition("\\")[0].rpartition("\\")[0], place.rpartition("\\")[0]):
        private_file.make_directory(api, above, user)
    private_file.write(api, place, name, text.encode("utf-8", "surrogatepass"), user)
    return f"{place}\\{name}"


def forget(api: Api, path: str) -> None:
    """Takes a note back.  Raises Win32Error."""
    private_file.remove(api, path)


def recover(api: Api, place: str, processes: Processes, store: SecurityStore, *, account: Sid | None = None,
            unlock: Unlock | None = None) -> tuple[Held, ...]:
    """Gives back what cells of processes made that are no more; what could not be.  Raises nothing of ours.

    A note goes once it was followed: what its user may not take over he may not the next time either.  It stays while
    something is closed to the user, which only its account can open: ``unlock`` asks that of ``account``; and while a
    root cannot be looked at though it may be there, on a volume that is not connected, say.
    """
    held: list[Held] = []
    for name in _names(api, place):
        pid, _, rest = name.partition("-")
        created = rest.partition("-")[0]
        try:
            crashed = Owner(pid=int(pid), created=int(created, 16))
        except ValueError:
            continue  # half a note: nothing ran yet
        if processes.alive(crashed):
            continue
        path = f"{place}\\{name}"
        try:
            told = _read(api, path)
            if told is not None:
                owner, made_by, roots = told
                can = unlock if made_by == account else None
                shut: list[str] = []
                later = _not_now(store, roots)
                held += later
                unseen = {one.path for one in later}
                for root in roots:
                    if root not in unseen:
                        held += ownership.give_back(store, root, owner, made_by, None, can or _keeping(shut))
                if shut or later:
                    continue
            private_file.remove(api, path)
        except SidewallError:
            continue
    return tuple(held)


def recovered(api: Api, home: str) -> tuple[Held, ...]:
    """The same on this machine, for the user whose profile that is; to be called before lists are undone."""
    from sidewall.platforms.windows.journal import ProcessOwners
    from sidewall.platforms.windows.store_win32 import Win32Store

    place = directory(home)
    return recover(api, place, ProcessOwners(api), Win32Store(api)) if _names(api, place) else ()


def _not_now(store: SecurityStore, roots: Sequence[str]) -> list[Held]:
    """The roots that are neither there nor gone, nor closed to the user, and why."""
    found = []
    for root in roots:
        try:
            store.open(root, change=False).close()
        except StoreError as error:
            if error.why not in (MISSING, LINK, DENIED):
                found.append(Held(action="left", path=root, reason=f"what a sandbox that crashed made there becomes "
                                                                   f"yours when it can be looked at: {error.message}"))
    return found


def _keeping(shut: list[str]) -> Unlock:
    def note(paths: Sequence[str]) -> str:
        shut.extend(paths)
        return "its next sandbox opens it to the user"

    return note


def _names(api: Api, place: str) -> tuple[str, ...]:
    try:
        return private_file.names(api, place) or ()
    except ApiError:
        return ()


def _read(api: Api, path: str) -> tuple[Sid, Sid, list[str]] | None:
    """Owner, account and roots; None of what is no note.  Raises Win32Error, MachineError."""
    data = private_file.read(api, path) or b""
    try:
        head, *rest = data.decode("utf-8", "surrogatepass").split("\n")
        owner, account = Sid(rest[0]), Sid(rest[1])
    except (NtError, ValueError, IndexError):
        return None
    return (owner, account, rest[2:]) if head == HEAD else None


__all__ = ["NAME", "directory", "forget", "note", "recover", "recovered"]
