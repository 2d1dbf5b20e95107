"""Where security descriptors lie: the few questions and changes that access lists of files need, as shapes.

Knows: what an object of a file system is: identity, kind, names, a descriptor.  Must not know: how a descriptor is read
or written (``store_win32``, ``store_memory``), or why (``acls``, ``recovery``).  Follows MS-FSA 2.1.1.3 for the words.

A path is walked one name after the other and no reparse point on it is ever followed: what is open is what the path
says, or there is an error.  Whoever writes does it through the handle by which he looked at the identity.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol, Self

    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid
else:
    Protocol = object

MISSING, VOLUME, DENIED, LINK, EXISTS, FULL, OTHER = "missing", "volume", "denied", "link", "exists", "full", "other"
"""Why a store refuses: no such name; the volume itself is not there; no right to it; a reparse point on the way; the
name is taken; the directory is not empty; anything else."""
CLOUD = "cloud"
"""The one kind of reparse point that leads nowhere: a file of a cloud drive is a file."""


class StoreError(MachineError):
    """A store cannot do what was asked: ``why`` is one of the words above, ``path`` where."""

    def __init__(self, message: str, *, why: str = OTHER, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why
        self.path = path


class Identity(Record):
    """Which object it is, whatever its name: the volume's serial number and the file's number, both hexadecimal."""

    volume: str
    file: str

    def __str__(self) -> str:
        return f"{self.volume}:{self.file}"

    @classmethod
    def parse(cls, text: str) -> Identity:
        """What ``str`` made.  Raises ValueError for anything else."""
        volume, colon, file = text.partition(":")
        if not colon or not volume or not file:
            raise ValueError(f"not an identity: {text!r}")
        return cls(volume=volume, file=file)


class Traits(Record):
    """What an open object is.  ``links`` is the number of its names, ``reparse`` '' or a word of ``plan.world``."""

    identity: Identity
    directory: bool
    links: int = 1
    reparse: str = ""

    @property
    def leads(self) -> bool:
        """Whether it may lead elsewhere, so that nothing is carried through it or into it."""
        return self.reparse not in ("", CLOUD)

    @property
    def shared(self) -> bool:
        """Whether it is a file with several names, whose descriptor is that of all of them."""
        return self.links > 1 and not self.directory


class SecurityObject(Protocol):
    """An open file or directory; a context manager.  Every call raises StoreError."""

    @property
    def path(self) -> str:
        """By which it was opened."""

    @property
    def traits(self) -> Traits:
        """What it was when it was opened."""

    def descriptor(self) -> SecurityDescriptor:
        """Owner, group, DACL and label, as they are stored now."""

    def write_dacl(self, descriptor: SecurityDescriptor) -> None:
        """Stores the DACL of ``descriptor`` with its control bits, of this object alone; nothing is carried on."""

    def write_owner(self, owner: Sid) -> None:
        """Makes ``owner`` the owner of this object alone; StoreError ``denied`` where the caller may not."""

    def names(self) -> tuple[str, ...]:
        """The names in a directory, in no order."""

    def child(self, name: str, *, change: bool) -> SecurityObject:
        """What has this name in the directory (a link itself, not where it leads); ``change``: to write its DACL."""

    def close(self) -> None:
        """Gives it back.  Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...


class SecurityStore(Protocol):
    """A machine's files.  Every call raises StoreError."""

    def open(self, path: str, *, change: bool) -> SecurityObject:
        """Opens what is at an absolute path, which must not be reached through a reparse point."""

    def make(self, path: str, *, directory: bool, descriptor: SecurityDescriptor) -> Identity:
        """Makes an empty file or directory with the DACL of ``descriptor`` (which is protected) from its first moment.

        The maker is its owner.  StoreError ``exists`` when the name is taken.
        """

    def remove(self, path: str, identity: Identity) -> bool:
        """Removes an empty file or directory if it is still this one; False when another is there, or none.

        StoreError ``full`` when something was put into it.
        """


__all__ = ["CLOUD", "DENIED", "EXISTS", "FULL", "LINK", "MISSING", "OTHER", "VOLUME", "Identity", "SecurityObject",
           "SecurityStore", "StoreError", "Traits"]
