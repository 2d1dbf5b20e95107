"""Compares an entry with its record and puts back what differs.

Knows: how to replace an entry in one step, in which order a directory is put right.  Must not know: which names are
watched, or why.
Follows: rename(2).  A command may still be running and change any name meanwhile: every act is on a directory that is
held open and on a name in it that is never followed, so the worst that a race wins is a name that is wrong until the
next comparison.  A file whose content is right but that was touched is replaced all the same: who touched it may hold
it open, or mapped, and write later without a trace in its change time.
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.contract import Held
from sidewall.platforms.linux import gitfiles
from sidewall.platforms.linux import watch_record as record
from sidewall.platforms.linux.watch_record import Recorded, look, open_directory, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.linux.watch_quarantine import Quarantine

PUT_BACK, NOTICED = "put back", "noticed"
MANY = 64
"""More new entries than this, and the whole directory goes to the quarantine and is made again from its record."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_SIBLINGS = 10_000


class Restorer:
    """One comparison.  ``held`` is what it did.

    ``final``: no process of the cell is left, so unchanged signatures are not believed, and a right content is enough.
    """

    def __init__(self, quarantine: Quarantine, *, final: bool) -> None:
        self.held: list[Held] = []
        self.quarantine = quarantine
        self.final = final
        self._quiet = 0

    def check(self, above: int, name: str, was: Recorded, path: str, *, strict: bool = False) -> None:
        """Puts the entry ``name`` of the directory ``above`` back to ``was``.  Never raises OSError: a failure is held.

        ``path`` is what people call it.  ``strict``: what could not be recorded is taken away when it changed, since
        git would act on it.
        """
        self.attempt(above, path, lambda: self._check(above, name, was, path, strict))

    def take(self, above: int, name: str, path: str, reason: str) -> None:
        """Moves an unwelcome entry to the quarantine.  Never raises OSError."""
        self.attempt(above, path, lambda: self._take(above, name, path, reason))

    def attempt(self, above: int, path: str, act: Callable[[], None]) -> None:
        """Does ``act`` in the directory ``above``, which a command may have made unwritable for its owner."""
        try:
            try:
                act()
            except PermissionError:
                mode = stat.S_IMODE(os.fstat(above).st_mode)
                if mode & 0o300 == 0o300 or os.fstat(above).st_uid != os.geteuid():
                    raise
                os.fchmod(above, mode | 0o300)
                try:
                    act()
                finally:
                    os.fchmod(above, mode)
        except OSError as error:
            self.say(NOTICED, path, f"was changed and could not be put right: {error.strerror or error}")

    def guard(self, path: str) -> Guard:
        """A context in which an OSError is reported for ``path``: it must not hide what happened to others."""
        return Guard(self, path)

    def unseen(self, path: str, error: OSError) -> None:
        """Reports what could not be looked at."""
        self.say(NOTICED, path, f"could not be looked at: {error.strerror or error}")

    def say(self, action: str, path: str, reason: str) -> None:
        """Reports an act, unless it is part of a greater one."""
        if not self._quiet:
            self.held.append(Held(action=action, path=path, reason=reason))

    def _take(self, above: int, name: str, path: str, reason: str) -> None:
        where = self.quarantine.take(above, name, path)
        self.say(PUT_BACK, path, f"{reason}; moved to {where}")

    def _check(self, above: int, name: str, was: Recorded, path: str, strict: bool) -> None:
        status = look(above, name)
        if was.kind == record.FILE:
            if status is None or signature(status) != was.seen or not was.settled or self.final:
                self._file(above, name, was, path, status)
        elif was.kind == record.ABSENT:
            if status is not None and not self.quarantine.took_aside(name):
                self._take(above, name, path, "it was not there before")
        elif was.kind == record.DIRECTORY:
            self._directory(above, name, was, path, status, strict)
        elif was.kind == record.LINK:
            self._link(above, name, was, path, status)
        elif was.kind == record.UNREAD:
            self._unread(above, name, was, path, status, strict)
        elif status is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT((was.seen or (0, 0, 0, 0))[3]):
            self.say(NOTICED, path, "was neither a file nor a directory, and is something else now")

    def _file(self, above: int, name: str, was: Recorded, path: str, status: os.stat_result | None) -> None:
        reason = "it was removed"
        where = ""
        in_the_way = False
        if status is not None and not stat.S_ISREG(status.st_mode):
            reason, in_the_way = "something else was put in its place", True
        elif status is not None:
            found = record.read(above, name)
            if found is not None and found[0] == was.data:
                now = found[1]
                if signature(now) == was.seen or (self.final and stat.S_IMODE(now.st_mode) == was.mode):
                    was.see(now)
                    return
                reason = "its mode was changed" if stat.S_IMODE(now.st_mode) != was.mode else ""
            else:
                reason = "its content was changed"
                try:
                    where = self.quarantine.keep(above, name, path)
                except OSError:
                    in_the_way = True
        where = self.write(above, name, was, path if in_the_way else "") or where
        if reason:
            self.say(PUT_BACK, path, f"{reason}; moved to {where}" if where else reason)

    def write(self, above: int, name: str, was: Recorded, taking: str) -> str:
        """The recorded file under its name, in one step; what is in the way is taken first, if ``taking`` names it.

        Returns where that is, or ''.  Raises OSError.
        """
        temporary = f".sidewall-{os.urandom(8).hex()}"
        where = ""
        fd = os.open(temporary, _CREATE, 0o600, dir_fd=above)
        try:
            try:
                gitfiles.write_all(fd, was.data)
                _own(fd, was)
                os.fchmod(fd, was.mode)
                os.utime(fd, ns=(was.mtime, was.mtime))
                if taking:
                    where = self.quarantine.take(above, name, taking)
                os.rename(temporary, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                os.unlink(temporary, dir_fd=above)
                raise
            was.see(os.fstat(fd))
            was.settled = False
        finally:
            os.close(fd)
        return where

    def _link(self, above: int, name: str, was: Recorded, path: str, status: os.stat_result | None) -> None:
        where = ""
        if status is not None:
            if stat.S_ISLNK(status.st_mode) and os.readlink(os.fsencode(name), dir_fd=above) == was.data:
                return
            where = self.quarantine.take(above, name, path)
        os.symlink(was.data, os.fsencode(name), dir_fd=above)
        self.say(PUT_BACK, path, f"the link was replaced; moved to {where}" if where else "the link was removed")

    def _unread(self, above: int, name: str, was: Recorded, path: str, status: os.stat_result | None,
                strict: bool) -> None:
        if status is not None and signature(status) == was.seen:
            return
        if status is not None and strict:
            self._take(above, name, path, "it was changed, and had been too large to record")
            status = None
        else:
            self.say(NOTICED, path, "was changed, and is too large or unreadable to be put back; look at it")
        if status is None:
            was.kind = record.ABSENT
        else:
            was.see(status)

    def _directory(self, above: int, name: str, was: Recorded, path: str, status: os.stat_result | None,
                   strict: bool) -> None:
        reason, where = "it was removed", ""
        if status is not None and stat.S_ISDIR(status.st_mode):
            if was.identity is None or (status.st_dev, status.st_ino) == was.identity:
                self._below(above, name, was, path, strict)
                return
            if not _sibling(above, was):
                # The same name for another directory, the first one is gone: its content is what counts.
                was.identity = (status.st_dev, status.st_ino)
                self._below(above, name, was, path, strict)
                return
        if status is not None:
            where = self.quarantine.take(above, name, path)
            reason = f"something else was put in its place; moved to {where}"
        if was.empty:
            if where:
                self.say(PUT_BACK, path, reason)
            return
        moved = _sibling(above, was)
        if moved:
            os.rename(moved, name, src_dir_fd=above, dst_dir_fd=above)
            self.say(PUT_BACK, path, f"it was renamed to {moved}" + (f", {reason}" if where else ""))
            self._below(above, name, was, path, strict)
        else:
            self.say(PUT_BACK, path, reason)
            self._make(above, name, was, path, strict)

    def _make(self, above: int, name: str, was: Recorded, path: str, strict: bool) -> None:
        """The directory and all that was recorded of it, anew."""
        os.mkdir(name, 0o700, dir_fd=above)
        made = os.stat(name, dir_fd=above, follow_symlinks=False)
        was.identity = (made.st_dev, made.st_ino)
        self._quiet += 1
        try:
            self._below(above, name, was, path, strict)
        finally:
            self._quiet -= 1

    def _below(self, above: int, name: str, was: Recorded, path: str, strict: bool) -> None:
        fd = open_directory(above, name)
        try:
            status = os.fstat(fd)
            mode = was.mode or stat.S_IMODE(status.st_mode)
            if was.rule.parts is None and not was.rule.comes and stat.S_IMODE(status.st_mode) != mode:
                os.fchmod(fd, mode | 0o700)
                self.say(PUT_BACK, path, "its mode was changed")
            for child, inner in was.children.items():
                self.check(fd, child, inner, f"{path}/{child}", strict=strict)
            fresh = self._new(fd, was) if was.rule.parts is None and was.whole else []
            if len(fresh) <= MANY:
                for child in fresh:
                    self.take(fd, child, f"{path}/{child}", "it was not there before")
            if mode != stat.S_IMODE(os.fstat(fd).st_mode) and was.rule.parts is None and not was.rule.comes:
                os.fchmod(fd, mode)
        finally:
            os.close(fd)
        if len(fresh) > MANY and not self._quiet:
            self._take(above, name, path, "very many new entries were in it")
            self._make(above, name, was, path, strict)

    def _new(self, fd: int, was: Recorded) -> list[str]:
        found: list[str] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                if (entry.name not in was.children and not was.rule.ignores(entry)
                        and not self.quarantine.took_aside(entry.name)):
                    found.append(entry.name)
                    if len(found) > MANY:
                        break
        return found


class Guard:
    """See ``Restorer.guard``."""

    __slots__ = ("_path", "_restorer")

    def __init__(self, restorer: Restorer, path: str) -> None:
        self._restorer = restorer
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, OSError):
            return False
        self._restorer.unseen(self._path, error)
        return True


def _own(fd: int, was: Recorded) -> None:
    """The recorded owner and group; only a privileged caller can give another owner, and only they find one."""
    status = os.fstat(fd)
    if was.owner != (status.st_uid, status.st_gid):
        try:
            os.fchown(fd, *was.owner)
        except OSError:
            return


def _sibling(above: int, was: Recorded) -> str:
    """The name under which the recorded directory lies in ``above`` now; '' when it does not.

    Inode numbers are given out again, so an entry of it must be the recorded one too.
    """
    if was.identity is None:
        return ""
    with os.scandir(above) as entries:
        for count, entry in enumerate(entries):
            if count >= _MOST_SIBLINGS:
                break
            if entry.inode() == was.identity[1] and entry.is_dir(follow_symlinks=False):
                try:
                    if _holds(above, entry.name, was):
                        return entry.name
                except OSError:
                    continue
    return ""


def _holds(above: int, name: str, was: Recorded) -> bool:
    fd = open_directory(above, name)
    try:
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != was.identity:
            return False
        for child, inner in was.children.items():
            found = look(fd, child) if inner.seen else None
            if found and inner.seen and found.st_ino == inner.seen[0]:
                return True
        return False
    finally:
        os.close(fd)
