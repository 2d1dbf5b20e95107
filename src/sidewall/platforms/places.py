"""Where a path leads, for file operations that the host does itself: the one contract that they have with a platform.

Knows: shapes of calls, which platform fills them.  Must not know: how it looks a path up, or whose policy is asked.
POSIX has its own in the session (``session.walk``), since a descriptor of a cell's root is all that it needs.

A ``Place`` is decided on by what is open and never by a name: whoever makes one walks the path by its own hand, follows
links only where that cannot lead past the question, and holds what it found until ``close``.
"""

from __future__ import annotations

import sys

from sidewall.errors import MachineError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any, Protocol, Self, TypeAlias

    Check: TypeAlias = Callable[[str, str], None]
    """Asked with ``read`` or ``write`` and a real path; raises where the policy denies."""
else:
    Protocol = object


class Status(Record):
    """What ``os.stat_result`` calls by the same names: type and permission bits, bytes, nanoseconds."""

    st_mode: int
    st_size: int
    st_mtime_ns: int


class Attributes(Protocol):
    """``Status``, or ``os.stat_result``."""

    @property
    def st_mode(self) -> int:
        """File type and permission bits, see ``stat``."""

    @property
    def st_size(self) -> int:
        """In bytes."""

    @property
    def st_mtime_ns(self) -> int:
        """Nanoseconds since 1970."""


class Place(Protocol):
    """An entry, there or not; a context manager.  Making one raises as the system's own path resolution does
    (NotADirectoryError, PermissionError, OSError), and what ``Check`` raises for a link that may not be read."""

    @property
    def path(self) -> str:
        """The real path, absolute, no link in it; components that are not there as they were given."""

    @property
    def status(self) -> Attributes | None:
        """The entry's, None when it is not there."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The components, from the first that is not there to the last."""

    def check(self, action: str) -> None:
        """Asks whether ``action`` (``read`` or ``write``) may be done here; raises where not."""

    def present(self) -> Attributes:
        """The entry's status.  Raises FileNotFoundError."""

    def open_regular(self, *, write: bool) -> int:
        """A descriptor of the regular file that is here; for writing it is made when it is not there, never emptied.

        Raises FileNotFoundError, IsADirectoryError, PermissionError, OSError (no regular file).
        """

    def entries(self) -> Sequence[tuple[str, Attributes]]:
        """Name and status of what is in the directory.  Raises NotADirectoryError, PermissionError, OSError."""

    def make_parents(self) -> None:
        """Makes the directories that are missing above the entry.  Raises PermissionError, OSError."""

    def make_directory(self) -> None:
        """Makes the entry, a directory.  Raises FileExistsError, PermissionError, OSError."""

    def remove(self) -> None:
        """Removes the entry, with all in it; nothing when the policy denies writing any of it.  Raises OSError."""

    def close(self) -> None:
        """Gives back what is held.  Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...


def place(path: str, check: Check, *, follow: bool = True) -> Place:
    """Where an absolute path leads on this Windows.

    Raises MachineError on another system, else as making a ``Place`` does.
    """
    if sys.platform == "win32":
        from sidewall.platforms.windows.api import native
        from sidewall.platforms.windows.places import WindowsPlace

        if not _api:
            _api.append(native())
        return WindowsPlace(_api[0], path, check, follow=follow)
    raise MachineError("a path is looked up by handles on Windows only")


_api: list[Any] = []
