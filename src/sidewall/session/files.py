"""File operations of a sandbox, done by the host itself on what it holds open, each allowed or denied by the policy.

Knows: what reading, writing, listing and removing mean.  Must not know: cells, platforms; ``platforms.places`` is the
contract.  Relative paths count from the workspace.  Where the cell lends a descriptor of its root, paths mean what they
mean to its commands: their temporary directory, their view of what is hidden.  Kernel interfaces (``/proc``, ``/sys``)
are left to commands: the host's own power would show more there than a command may see.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from sidewall.policy import paths
from sidewall.policy.decide import decide
from sidewall.policy.model import Request
from sidewall.record import Record
from sidewall.session.types import AccessDenied

if sys.platform != "win32":
    from sidewall.session import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.places import Attributes, Place
    from sidewall.policy.model import Policy
    from sidewall.session.command import PathLike
    from sidewall.session.opening import Opening

FILE, DIRECTORY, LINK, OTHER = "file", "directory", "link", "other"
CHUNK = 1 << 20
SEPARATORS = os.sep + (os.altsep or "")


class FileStatus(Record):
    """An entry of a directory.  ``kind``: file, directory, link, other; ``size`` in bytes; times in nanoseconds."""

    name: str
    path: str
    kind: str
    size: int
    mode: int
    modified_ns: int

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind == DIRECTORY


class FileOperations:
    """The file operations of ``Sandbox``.  All raise AccessDenied where the policy denies, else what ``os`` raises."""

    _opening: Opening

    def read_bytes(self, path: PathLike) -> bytes:
        """The whole content of a regular file."""
        with self._place(path) as place:
            place.check("read")
            with os.fdopen(place.open_regular(write=False), "rb") as file:
                return file.read()

    def write_bytes(self, path: PathLike, data: bytes) -> None:
        """Writes a regular file anew, in place, through links; makes it and its missing parents."""
        with self._place(path) as place:
            place.check("write")
            place.make_parents()
            fd = place.open_regular(write=True)
            try:
                os.ftruncate(fd, 0)
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[os.write(fd, rest[:CHUNK]):]
            finally:
                os.close(fd)

    def stat(self, path: PathLike, *, follow: bool = True) -> FileStatus:
        """What an entry is; of a link's target, or with ``follow=False`` of the link."""
        with self._place(path, follow=follow) as place:
            place.check("read")
            name = os.path.basename(os.fsdecode(path).rstrip(SEPARATORS)) or os.sep
            return _status(name, self._absolute(path), place.present())

    def list(self, path: PathLike = ".") -> tuple[FileStatus, ...]:
        """The entries of a directory, by name; a link is a link."""
        shown = self._absolute(path)
        with self._place(path) as place:
            place.check("read")
            found = [_status(name, os.path.join(shown, name), status) for name, status in place.entries()]
        return tuple(sorted(found, key=lambda entry: entry.name))

    def exists(self, path: PathLike) -> bool:
        """Whether there is something at ``path`` that may be read; a dangling link is nothing."""
        try:
            with self._place(path) as place:
                place.check("read")
                return place.status is not None
        except (PermissionError, NotADirectoryError):
            return False

    def mkdir(self, path: PathLike, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes a directory, by default with its missing parents, and content with one that is there."""
        with self._place(path) as place:
            place.check("write")
            if place.status is not None:
                if exist_ok and stat.S_ISDIR(place.status.st_mode):
                    return
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._absolute(path))
            if not parents and len(place.missing) > 1:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._absolute(path))
            place.make_parents()
            place.make_directory()

    def remove(self, path: PathLike) -> None:
        """Removes a file, a link itself, or a directory with all that is in it.

        Nothing is removed when something in it may not be, such as a protected name.

        Raises:
            ValueError: it is the workspace, or holds it.
        """
        with self._place(path, follow=False) as place:
            place.present()
            policy = self._opening.policy
            if paths.is_within(policy.workspace, place.path, policy.flavour, wide=True):
                raise ValueError(f"{place.path} holds the workspace and cannot be removed")
            place.check("write")
            place.remove()

    def realpath(self, path: PathLike) -> str:
        """The path without links, dots and double slashes; components that are not there stay as they are."""
        with self._place(path) as place:
            return place.path

    def _absolute(self, path: PathLike) -> str:
        return os.path.join(self._opening.policy.workspace, os.fsdecode(path))

    def _place(self, path: PathLike, *, follow: bool = True) -> Place:
        policy, root = self._opening.view()

        def ask(action: str, real: str) -> None:
            check(policy, action, real)

        if sys.platform != "win32":
            return walk.Place(root, self._absolute(path), ask, follow=follow)
        from sidewall.platforms import places

        return places.place(self._absolute(path), ask, follow=follow)


def check(policy: Policy, action: str, path: str) -> None:
    """Raises AccessDenied unless the policy allows ``action`` (``read`` or ``write``) on ``path``."""
    request = Request(action=action, target=path)
    decision = decide(policy, request)
    if not decision.allowed:
        from sidewall.policy.decide import smallest_change

        raise AccessDenied(action, path, decision, decision.reason, hint=smallest_change(policy, request))


def _status(name: str, path: str, status: Attributes) -> FileStatus:
    mode = status.st_mode
    kind = (FILE if stat.S_ISREG(mode) else DIRECTORY if stat.S_ISDIR(mode) else LINK if stat.S_ISLNK(mode) else OTHER)
    return FileStatus(name=name, path=path, kind=kind, size=status.st_size, mode=mode,
                      modified_ns=status.st_mtime_ns)


FileStatus.__module__ = "sidewall"
