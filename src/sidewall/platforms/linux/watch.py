"""Watches names that no mount holds: recorded before, compared after, put back.

Knows: which names are watched in which tier, and when.  Must not know: how an entry is recorded (``watch_record``),
put back (``watch_restore``), taken away (``watch_quarantine``), or what of a git directory counts (``watch_git``).

Without mounts (``each``) everything protected is compared after each command, and what newly appeared under a
protected name is taken away.  With mounts only what they do not hold is compared, when the cell ends: links, and
what lies where no mount was made.  Either way a repository that a command made is made harmless (``watch_search``).

To look for what is new takes a look at every directory: so long that it is not done after each command, but as soon as
the time since the last look is so long that it was a fiftieth of it, and some milliseconds, and when the cell ends.

The trusted side: it works on descriptors, follows no link below a root, and reads, lists and descends within bounds.
"""

from __future__ import annotations

import _thread
import errno
import os
import stat
import time

from sidewall.errors import MachineError
from sidewall.platforms.contract import Held
from sidewall.platforms.linux import gitfiles, listings
from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_git import Repository
from sidewall.platforms.linux.watch_others import Standing, is_new, made_since
from sidewall.platforms.linux.watch_record import ALL, Recorded, Recorder, look
from sidewall.platforms.linux.watch_scan import Survey, survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.watch_fresh import Cleaner
    from sidewall.platforms.linux.watch_links import Links
    from sidewall.platforms.linux.watch_quarantine import Quarantine
    from sidewall.platforms.linux.watch_restore import Restorer
    from sidewall.platforms.linux.watch_search import Search
    from sidewall.platforms.linux.watch_state import State

NOTICED = "noticed"
_SHARE = 50
_LEAST_SECONDS = 0.02
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class Root:
    """One writable root, and what is watched below it."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.tree = gitfiles.Tree(fd)
        self.before = Survey()
        self.last: Survey | None = None
        self.entries: list[tuple[str, Recorded]] = []
        self.awaited: list[tuple[str, Recorded]] = []
        self.mounted: list[tuple[str, Recorded]] = []
        self.repositories: list[tuple[str, Repository]] = []

    def absolute(self, path: str) -> str:
        """The path for people of one relative to this root."""
        above = self.path.rstrip("/")
        return f"{above}/{path}" if path else above or "/"

    def holds(self, path: str) -> bool:
        """Whether an absolute path lies below."""
        return path.startswith(self.path.rstrip("/") + "/")

    def at(self, path: str) -> tuple[int, str] | None:
        """The directory (open until the tree is released) and the name in it; None when that directory is gone or is
        a link by now: then nothing lies under this path any more.  A directory on the way that a command closed to its
        owner is opened again.  Raises OSError."""
        if not path:
            return self.fd, "."
        try:
            try:
                return self.tree.at(path)
            except PermissionError:
                self._reopen(path)
                return self.tree.at(path)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise

    def _reopen(self, path: str) -> None:
        above = os.dup(self.fd)
        try:
            for name in path.split("/")[:-1]:
                below = record.open_directory(above, name)
                os.close(above)
                above = below
        finally:
            os.close(above)

    def close(self) -> None:
        self.tree.release()
        os.close(self.fd)


class Watcher:
    """The names of one cell.  ``each``: ``compare`` is wanted after each command.

    ``roots`` are directories, absolute; ``names`` single components; ``held`` absolute paths that mounts hold;
    ``places`` absolute paths that are watched like the names.
    Raises MachineError when a root cannot be opened; a root that is a file has no names below it.
    """

    def __init__(self, roots: tuple[str, ...], names: tuple[str, ...], held: tuple[str, ...], *, each: bool,
                 places: tuple[str, ...] = ()) -> None:
        self.each = each
        self._names = names
        self._held = held
        self._places = places
        self._mounted = frozenset(held)
        self._roots: list[Root] = []
        self._notes: list[Held] = []
        self._quarantine: Quarantine | None = None
        self._search: Search | None = None
        self._looking = _thread.allocate_lock()
        self._dealt_with: dict[str, tuple[Links, State]] = {}
        self._looked_after: set[str] = set()
        self._next = 0.0
        began = time.monotonic()
        self._began_ns = time.time_ns()
        recorder = Recorder()
        self._standing = Standing(roots, self._began_ns)
        try:
            for path in roots:
                try:
                    fd = os.open(path, record.OPEN_DIRECTORY)
                except NotADirectoryError:
                    continue
                except OSError as error:
                    raise MachineError(f"cannot open the writable root {path}: {error.strerror}",
                                       hint="it must be a directory that you can read") from None
                root = Root(path, fd)
                self._roots.append(root)
                self._record(root, recorder)
        except BaseException:
            self.close()
            raise
        self._took(began)

    def get_ready(self) -> None:
        """Brings in what the last look needs, and lets go of what it does not, for when there is something to wait for
        anyway."""
        from sidewall.platforms.linux import watch_fresh, watch_quarantine, watch_restore, watch_search  # noqa: F401

        self._stop_listening(wait=False)

    def compare(self, final: bool = False) -> tuple[Held, ...]:
        """Puts back what changed since the cell was made, and says what was done.

        ``final``: no process of the cell is left; the roots are looked through for what is new.  Never raises
        OSError: what could not be done is said.
        """
        if not (self.each or final):
            return ()
        restorer, cleaner = self._hands(final)
        restorer.held += self._notes
        self._notes = []
        for root in self._roots:
            self._known(root, restorer)
        self._repositories(restorer, cleaner)
        self._looked_after = set(cleaner.looked_after)
        if final:
            search = self._searching()
            search.look(self._began_ns)
            search.deal(restorer, cleaner, calm=True)
        return tuple(restorer.held)

    def due(self) -> bool:
        """Is it time to ``look``?"""
        return time.monotonic() >= self._next

    def look(self) -> bool:
        """Looks for what was not there before; whether there is anything that ``deal`` has to do with.

        It costs nothing if the last look found nothing and the kernel says that nothing changed since then.
        """
        with self._looking:
            search = self._searching()
            if search.unchanged():
                return False
            began = time.monotonic()
            found = search.look()
            self._took(began)
            return found

    def deal(self, *, calm: bool) -> tuple[Held, ...]:
        """Makes what was found harmless, and says what was done.

        ``calm``: no process of the cell runs.  Else what is quite new is left until it is older: it may be just being
        made.  Never raises OSError.
        """
        began = time.monotonic()
        restorer, cleaner = self._hands(False)
        # What new gitfiles may lead to: without mounts it has been compared just now.
        cleaner.looked_after |= self._looked_after
        if not self.each:
            self._repositories(restorer, cleaner)
        self._searching().deal(restorer, cleaner, calm=calm)
        self._took(began, since=self._next)
        return tuple(restorer.held)

    def _took(self, began: float, *, since: float = 0.0) -> None:
        now = time.monotonic()
        self._next = max(now, since) + max(_SHARE * (now - began), _LEAST_SECONDS)

    def _hands(self, final: bool) -> tuple[Restorer, Cleaner]:
        from sidewall.platforms.linux.watch_fresh import Cleaner
        from sidewall.platforms.linux.watch_quarantine import Quarantine
        from sidewall.platforms.linux.watch_restore import Restorer

        if self._quarantine is None:
            self._quarantine = Quarantine()
        restorer = Restorer(self._quarantine, final=final)
        return restorer, Cleaner(restorer, tuple([root.path for root in self._roots]), self._held, self._dealt_with)

    def _searching(self) -> Search:
        if self._search is None:
            from sidewall.platforms.linux.watch_search import Search

            self._search = Search(self._roots, self._names, self._mounted, each=self.each,
                                  since_ns=self._began_ns)
        return self._search

    def close(self) -> None:
        """Releases descriptors.  Idempotent."""
        self._stop_listening(wait=True)
        for root in self._roots:
            root.close()
        self._roots = []
        self._standing.close()
        if self._quarantine is not None:
            self._quarantine.close()
            self._quarantine = None

    def _stop_listening(self, *, wait: bool) -> None:
        if self._search is not None:
            # Not while another thread listens: by then the number may be another file's.
            with self._looking:
                self._search.stop_listening(wait=wait)

    def _record(self, root: Root, recorder: Recorder) -> None:
        root.before = survey(root.fd, self._names, made=listings.made(root.path, frozenset((*self._names, ".git"))))
        if self._standing.since_ns:
            self._leave_out(root)
        wanted = root.before.names | (set(self._names) if self.each else set())
        single = {place[len(root.path.rstrip("/")) + 1:] for place in self._places if root.holds(place)}
        wanted |= single
        for path in sorted(wanted):
            absolute = root.absolute(path)
            free = self.each or absolute not in self._mounted
            try:
                place = root.at(path)
                if place is None and path in single:
                    root.entries.append((path, record.absent(ALL)))
                status = look(*place) if place is not None else None
                if place is not None and (free or (status is not None and stat.S_ISREG(status.st_mode))):
                    (root.entries if free else root.mounted).append((path, recorder.record(*place, ALL)))
                    self._incomplete(absolute, recorder.complete or not free)
            except OSError as error:
                self._unseen(absolute, error)
        if not self.each:  # else they are compared after each command anyway
            root.awaited = [(path, was) for path, was in root.entries if path in single and was.kind == record.ABSENT]
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

    def _leave_out(self, root: Root) -> None:
        """What came while another cell stood here is not the user's: to this cell it is new, too."""
        before, since_ns = root.before, self._standing.since_ns
        for found in (before.git, before.bare):
            for path in sorted(found):
                try:
                    place = root.at(path)
                except OSError:
                    continue
                if place is not None and made_since(*place, since_ns):
                    found.discard(path)
                    if is_new(*place, since_ns):
                        # Else it is a directory of the user's that was made to look like a repository.
                        before.directories.discard(path)

    def _unseen(self, path: str, error: OSError) -> None:
        self._notes.append(Held(action=NOTICED, path=path, reason="could not be recorded, so nothing can be put back: "
                                f"{error.strerror or error}"))

    def _incomplete(self, path: str, complete: bool) -> None:
        if not complete:
            self._notes.append(Held(action=NOTICED, path=path, reason="holds more than is recorded: not all of it is "
                                    "put back when it changes"))

    def _known(self, root: Root, restorer: Restorer) -> None:
        for path, was in root.entries:
            with restorer.guard(root.absolute(path)):
                place = root.at(path)
                if place is not None:
                    restorer.check(*place, was, root.absolute(path))
        for path, was in root.mounted:
            with restorer.guard(root.absolute(path)):
                _lost(root, path, was, restorer)

    def _repositories(self, restorer: Restorer, cleaner: Cleaner) -> None:
        for root in self._roots:
            for path, repository in root.repositories:
                with restorer.guard(root.absolute(path)):
                    place = root.at(path)
                    if place is not None:
                        repository.check(restorer, *place, cleaner)
            if self.each and ".git" not in root.before.git:
                with restorer.guard(root.absolute(".git")):
                    place = root.at(".git")
                    if place is not None:
                        cleaner.anything(*place, root.absolute(".git"), files=True)
            root.tree.release()


def _lost(root: Root, path: str, was: Recorded, restorer: Restorer) -> None:
    """A mount goes when its file is replaced from outside, and what is then there may be a command's work."""
    place = root.at(path)
    status = look(*place) if place is not None else None
    if place is None or status is None or was.seen is None or status.st_ino == was.seen[0]:
        return
    found = record.read(*place)
    if found is None or found[0] != was.data:
        restorer.say(NOTICED, root.absolute(path), "was replaced while the sandbox was open, which ended its "
                     "protection; look at it")
