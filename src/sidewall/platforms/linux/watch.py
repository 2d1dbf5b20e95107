"""Watches names that no mount holds: recorded before, compared after, put back.

Knows: which names are watched in which tier, and when.  Must not know: how an entry is recorded (``watch_record``),
put back (``watch_restore``), taken away (``watch_quarantine``), or what of a git directory counts (``watch_git``).

Without mounts (``each``) everything protected is compared after each command, and what newly appeared under a
protected name is taken away.  With mounts only what they do not hold is compared, when the cell ends: links, and
what lies where no mount was made.  Either way a repository that a command made is made harmless.

The trusted side: it works on descriptors, follows no link below a root, and reads, lists and descends within bounds.
"""

from __future__ import annotations

import errno
import os
import stat

from sidewall.errors import MachineError
from sidewall.platforms.contract import Held
from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_git import Repository
from sidewall.platforms.linux.watch_record import ALL, Recorded, Recorder, look
from sidewall.platforms.linux.watch_scan import Survey, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_fresh import Cleaner
    from sidewall.platforms.linux.watch_quarantine import Quarantine
    from sidewall.platforms.linux.watch_restore import Restorer

NOTICED = "noticed"
_MOST_TOLD = 8
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class _Root:
    """One writable root, and what is watched below it."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.tree = gitfiles.Tree(fd)
        self.before = Survey()
        self.entries: list[tuple[str, Recorded]] = []
        self.mounted: list[tuple[str, Recorded]] = []
        self.repositories: list[tuple[str, Repository]] = []

    def absolute(self, path: str) -> str:
        """The path for people of one relative to this root."""
        above = self.path.rstrip("/")
        return f"{above}/{path}" if path else above or "/"

    def at(self, path: str) -> tuple[int, str] | None:
        """The directory (open until the tree is released) and the name in it; None when that directory is gone or is
        a link by now: then nothing lies under this path any more.  Raises OSError."""
        if not path:
            return self.fd, "."
        try:
            return self.tree.at(path)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def close(self) -> None:
        self.tree.release()
        os.close(self.fd)


class Watcher:
    """The names of one cell.  ``each``: ``compare`` is wanted after each command.

    ``roots`` are directories, absolute; ``names`` single components; ``held`` absolute paths that mounts hold.
    Raises MachineError when a root cannot be opened; a root that is a file has no names below it.
    """

    def __init__(self, roots: tuple[str, ...], names: tuple[str, ...], held: tuple[str, ...], *, each: bool) -> None:
        self.each = each
        self._names = names
        self._held = held
        self._mounted = frozenset(held)
        self._roots: list[_Root] = []
        self._notes: list[Held] = []
        self._quarantine: Quarantine | None = None
        recorder = Recorder()
        try:
            for path in roots:
                try:
                    fd = os.open(path, record.OPEN_DIRECTORY)
                except NotADirectoryError:
                    continue
                except OSError as error:
                    raise MachineError(f"cannot open the writable root {path}: {error.strerror}",
                                       hint="it must be a directory that you can read") from None
                root = _Root(path, fd)
                self._roots.append(root)
                self._record(root, recorder)
        except BaseException:
            self.close()
            raise

    def get_ready(self) -> None:
        """Brings in what the last look needs, for when there is something to wait for anyway."""
        from sidewall.platforms.linux import watch_fresh, watch_quarantine, watch_restore  # noqa: F401

    def compare(self, final: bool = False) -> tuple[Held, ...]:
        """Puts back what changed since the cell was made, and says what was done.

        ``final``: no process of the cell is left; the roots are looked through for what is new.  Never raises
        OSError: what could not be done is said.
        """
        if not (self.each or final):
            return ()
        from sidewall.platforms.linux.watch_fresh import Cleaner
        from sidewall.platforms.linux.watch_quarantine import Quarantine
        from sidewall.platforms.linux.watch_restore import Restorer

        if self._quarantine is None:
            self._quarantine = Quarantine()
        restorer = Restorer(self._quarantine, final=final)
        restorer.held += self._notes
        self._notes = []
        cleaner = Cleaner(restorer, tuple([root.path for root in self._roots]), self._held)
        for root in self._roots:
            self._known(root, restorer, cleaner)
            root.tree.release()
        if final:
            self._search(restorer, cleaner)
        return tuple(restorer.held)

    def close(self) -> None:
        """Releases descriptors.  Idempotent."""
        for root in self._roots:
            root.close()
        self._roots = []
        if self._quarantine is not None:
            self._quarantine.close()
            self._quarantine = None

    def _record(self, root: _Root, recorder: Recorder) -> None:
        root.before = survey(root.fd, self._names)
        wanted = root.before.names | (set(self._names) if self.each else set())
        for path in sorted(wanted):
            absolute = root.absolute(path)
            free = self.each or absolute not in self._mounted
            try:
                place = root.at(path)
                status = look(*place) if place is not None else None
                if place is not None and (free or (status is not None and stat.S_ISREG(status.st_mode))):
                    (root.entries if free else root.mounted).append((path, recorder.record(*place, ALL)))
                    self._incomplete(absolute, recorder.complete or not free)
            except OSError as error:
                self._unseen(absolute, error)
        for path in sorted(root.before.git | root.before.bare):
            absolute = root.absolute(path)
            if self.each or absolute not in self._mounted:
                try:
                    place = root.at(path)
                    if place is not None:
                        repository = Repository(recorder, *place, absolute)
                        root.repositories.append((path, repository))
                        self._incomplete(absolute, repository.complete)
                except OSError as error:
                    self._unseen(absolute, error)
        root.tree.release()

    def _unseen(self, path: str, error: OSError) -> None:
        self._notes.append(Held(action=NOTICED, path=path, reason="could not be recorded, so nothing can be put back: "
                                f"{error.strerror or error}"))

    def _incomplete(self, path: str, complete: bool) -> None:
        if not complete:
            self._notes.append(Held(action=NOTICED, path=path, reason="holds more than is recorded: not all of it is "
                                    "put back when it changes"))

    def _known(self, root: _Root, restorer: Restorer, cleaner: Cleaner) -> None:
        for path, was in root.entries:
            with _Guard(restorer, root, path):
                place = root.at(path)
                if place is not None:
                    restorer.check(*place, was, root.absolute(path))
        for path, was in root.mounted:
            with _Guard(restorer, root, path):
                _lost(root, path, was, restorer)
        for path, repository in root.repositories:
            with _Guard(restorer, root, path):
                place = root.at(path)
                if place is not None:
                    repository.check(restorer, *place, cleaner)
        if self.each and ".git" not in root.before.git:
            with _Guard(restorer, root, ".git"):
                _fresh(root, ".git", cleaner, files=True)

    def _search(self, restorer: Restorer, cleaner: Cleaner) -> None:
        """Looks through the roots for what was not there before."""
        found = [(root, survey(root.fd, self._names, before=root.before)) for root in self._roots]
        for root, now in found:
            for path in self._new(root, now.git - root.before.git):
                with _Guard(restorer, root, path):
                    _fresh(root, path, cleaner, files=False)
            for path in self._new(root, now.bare - root.before.bare):
                with _Guard(restorer, root, path):
                    _bare(root, path, restorer, cleaner)
        # Files called .git come last: by now every directory that they may rightly name was looked after.
        for root, now in found:
            for path in self._new(root, now.git - root.before.git):
                with _Guard(restorer, root, path):
                    _fresh(root, path, cleaner, files=True)
            for path in self._new(root, now.names - root.before.names):
                with _Guard(restorer, root, path):
                    self._name(root, path, restorer)
            for path in sorted(now.closed - root.before.closed)[:_MOST_TOLD]:
                restorer.say(NOTICED, root.absolute(path), "was closed to you, so it was not looked through")
            if root.before.complete and not now.complete:
                restorer.say(NOTICED, root.path, "has very many directories now: not all were looked through for new "
                             "files that steer later runs")
            root.tree.release()

    def _new(self, root: _Root, paths: set[str]) -> list[str]:
        return [path for path in sorted(paths) if root.absolute(path) not in self._mounted]

    def _name(self, root: _Root, path: str, restorer: Restorer) -> None:
        place = root.at(path)
        if place is None:
            return
        if self.each:
            restorer.take(*place, root.absolute(path), "it was not there before")
        else:
            restorer.say(NOTICED, root.absolute(path), "a new file that steers later runs; look at it")


class _Guard:
    """Says what could not be looked at, and goes on: one closed directory must not hide the others' changes."""

    __slots__ = ("_path", "_restorer", "_root")

    def __init__(self, restorer: Restorer, root: _Root, path: str) -> None:
        self._restorer = restorer
        self._root = root
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, OSError):
            return False
        self._restorer.unseen(self._root.absolute(self._path), error)
        return True


def _lost(root: _Root, path: str, was: Recorded, restorer: Restorer) -> None:
    """A mount goes when its file is replaced from outside, and what is then there may be a command's work."""
    place = root.at(path)
    status = look(*place) if place is not None else None
    if place is None or status is None or was.seen is None or status.st_ino == was.seen[0]:
        return
    found = record.read(*place)
    if found is None or found[0] != was.data:
        restorer.say(NOTICED, root.absolute(path), "was replaced while the sandbox was open, which ended its "
                     "protection; look at it")


def _fresh(root: _Root, path: str, cleaner: Cleaner, *, files: bool) -> None:
    """Makes a new git directory harmless, or with ``files`` a new file called ``.git``."""
    place = root.at(path)
    status = look(*place) if place is not None else None
    if place is None or status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        cleaner.entry(*place, root.absolute(path))
    elif files:
        cleaner.gitfile(*place, root.absolute(path))


def _bare(root: _Root, path: str, restorer: Restorer, cleaner: Cleaner) -> None:
    """A directory that git takes for a repository since this cell."""
    place = root.at(path)
    if place is None:
        return
    if not root.before.saw(path):
        cleaner.entry(*place, root.absolute(path))
        return
    # The user's own directory, made to look like one: without HEAD it is none, and nothing else is touched.
    fd = record.open_directory(*place)
    try:
        restorer.take(fd, "HEAD", f"{root.absolute(path)}/HEAD", "it made a repository of this directory")
    finally:
        os.close(fd)
