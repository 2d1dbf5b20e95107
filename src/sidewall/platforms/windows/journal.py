"""The journal of access lists on disk: one file a user, read and written under a lock, on the disk before a change is.

Knows: files, a lock, fsync, which processes still run.  Must not know: what a line means (``journal_records``), how a
change is undone (``recovery``).

Changes are announced by appending; what was undone is forgotten by replacing the file whole, so that a crash leaves
the old lines or the new ones.  A line that was announced and not carried out is undone like one that was: nothing is
taken away that is not there.  Lines that do not read are set aside in a file of their own, never dropped.
"""

from __future__ import annotations

import os
import sys
import time

from sidewall.errors import MachineError
from sidewall.platforms.windows.journal_records import Owner, of_lines, to_line, to_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Protocol, Self

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.journal_records import Entry, State
else:
    Protocol = object

NAME, KEPT, LOCK = "access-lists.journal", "access-lists.damaged", "access-lists.lock"
PATIENCE_SECONDS = 120.0
"""How long another process may hold the lock: it changes or undoes the lists of one workspace meanwhile."""
_AGAIN = 0.02
_REPLACED_AGAIN = 25
ERROR_INVALID_PARAMETER = 87


class Files(Protocol):
    """The journal's files.  Every call raises OSError."""

    def read(self) -> bytes:
        """All of the journal, nothing where there is none."""

    def append(self, data: bytes) -> None:
        """Adds lines, on the disk when this returns.  After an error nothing of them is there, as far as possible."""

    def replace(self, data: bytes) -> None:
        """Puts other lines in the place of all, at once; without any there is no file."""

    def keep(self, data: bytes) -> str:
        """Adds lines to those that were set aside, on the disk when this returns; the path of that file."""

    def lock(self) -> Callable[[], object] | None:
        """Takes the lock: what gives it back; None when somebody else holds it."""


class Owners(Protocol):
    """Which processes there are."""

    def own(self) -> Owner:
        """This process."""

    def alive(self, owner: Owner) -> bool:
        """Whether this very process still runs; True where that cannot be known."""


class Journal:
    """The journal of one user.  Every call but ``hold`` is made while it is held; raises MachineError."""

    def __init__(self, files: Files, place: str = "", *, patience: float = PATIENCE_SECONDS) -> None:
        self._files = files
        self._patience = patience
        self.place = place

    def hold(self) -> Held:
        """A context in which no other process reads or writes the journal, nor changes lists by it.

        Raises MachineError when another one holds it for longer than ``patience`` seconds.
        """
        waited = 0.0
        while True:
            try:
                release = self._files.lock()
            except OSError as error:
                raise self._failed("lock", error) from None
            if release is not None:
                return Held(release)
            if waited >= self._patience:
                raise MachineError(f"another process of sidewall has been changing access lists for {waited:.0f} "
                                   f"seconds (it holds {self.place or LOCK})",
                                   hint="wait for it, or end it: what it was doing is then undone at the next start")
            time.sleep(_AGAIN)
            waited += _AGAIN

    def read(self) -> State:
        """What is recorded."""
        try:
            return of_lines(self._files.read())
        except OSError as error:
            raise self._failed("read", error) from None

    def append(self, entries: Sequence[Entry]) -> None:
        """Announces changes: they are on the disk when this returns."""
        try:
            self._files.append(b"".join([to_line(entry) for entry in entries]))
        except OSError as error:
            raise self._failed("write to", error) from None

    def replace(self, state: State) -> None:
        """Records this and nothing else."""
        try:
            self._files.replace(to_lines(state))
        except OSError as error:
            raise self._failed("write", error) from None

    def set_aside(self, state: State) -> tuple[State, MachineError]:
        """Moves the lines that do not read out of the way: the state without them, and the error that tells of them."""
        lines = b"".join([line + b"\n" for _, line in state.damaged])
        try:
            kept = self._files.keep(lines)
        except OSError as error:
            raise self._failed("set aside the damaged lines of", error) from None
        numbers = ", ".join([str(number) for number, _ in state.damaged[:8]])
        more = ", ..." if len(state.damaged) > 8 else ""
        rest = state.replace(damaged=())
        self.replace(rest)
        return rest, MachineError(
            f"{len(state.damaged)} line(s) of the journal {self.place or NAME} are torn or damaged (line {numbers}"
            f"{more}): a change of an access list that they tell of is not undone; they are kept in {kept}",
            hint="a crash while a line was written tears it, and then nothing was changed by it; if the disk is at "
                 f"fault, look for sidewall's entries with icacls at the paths in {kept}")

    def _failed(self, what: str, error: OSError) -> MachineError:
        import errno

        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return MachineError(f"cannot {what} the journal of access lists {error.filename or self.place or NAME}: "
                            f"{error.strerror} ({name})",
                            hint="nothing is changed that is not written down first: make room, or look who may write "
                                 "there")


class Held:
    """The journal, held; a context manager."""

    def __init__(self, release: Callable[[], object]) -> None:
        self._release = release

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._release()


class DiskFiles:
    """``Files`` in a directory, which is made for the user alone when it is absent."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, NAME)
        self._kept = os.path.join(directory, KEPT)
        self._lock = os.path.join(directory, LOCK)

    def read(self) -> bytes:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _BINARY)
        except FileNotFoundError:
            return b""
        try:
            return _all(descriptor)
        finally:
            os.close(descriptor)

    def append(self, data: bytes) -> None:
        self._append(self.path, data)

    def replace(self, data: bytes) -> None:
        if not data:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                return
            return
        fresh = self.path + ".new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)
        try:
            _write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        for left in range(_REPLACED_AGAIN, -1, -1):
            try:
                os.replace(fresh, self.path)
                break
            except PermissionError:
                # Something that looks at every new file (a scanner, an indexer) has it open for a moment.
                if not left or sys.platform != "win32":
                    raise
                time.sleep(_AGAIN)
        _sync_directory(self.path)

    def keep(self, data: bytes) -> str:
        self._append(self._kept, data)
        return self._kept

    def lock(self) -> Callable[[], object] | None:
        # Without a mode: of 0o700 Python makes a list for administrators where one of them runs this.
        os.makedirs(os.path.dirname(self._lock), exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        if _locked(descriptor):
            return lambda: os.close(descriptor)
        os.close(descriptor)
        return None

    @staticmethod
    def _append(path: str, data: bytes) -> None:
        new = not os.path.lexists(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            torn = size > 0 and os.lseek(descriptor, -1, os.SEEK_END) >= 0 and os.read(descriptor, 1) != b"\n"
            try:
                # A line that a crash tore stays a line of its own.
                _write(descriptor, b"\n" + data if torn else data)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if new:
            _sync_directory(path)


_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_CLOEXEC", 0)


def _all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _sync_directory(path: str) -> None:
        """NTFS writes names down by itself, in order."""
else:

    def _locked(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _sync_directory(path: str) -> None:
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class ProcessOwners:
    """``Owners`` by Windows' own word."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def own(self) -> Owner:
        found = self._find(os.getpid())
        if found is None:
            raise MachineError("this process does not find itself", hint="start sidewall again")
        return found

    def alive(self, owner: Owner) -> bool:
        from sidewall.platforms.windows.errors import ApiError

        try:
            return self._find(owner.pid) == owner
        except ApiError as error:
            # No process has the number, or one that is not the user's: the user's own can always be asked.
            return error.code != ERROR_INVALID_PARAMETER

    def _find(self, pid: int) -> Owner | None:
        """The process that runs under this id; None when it has ended and somebody still has it open."""
        from sidewall.platforms.windows.constants_process import (
            PROCESS_QUERY_LIMITED_INFORMATION,
            STILL_ACTIVE,
        )

        with self._api.kernel32.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, pid) as process:
            if self._api.kernel32.GetExitCodeProcess(process) != STILL_ACTIVE:
                return None
            return Owner(pid=pid, created=self._api.kernel32.GetProcessTimes(process)[0])


def on_disk(directory: str) -> Journal:
    """The journal in this directory, which need not be there."""
    files = DiskFiles(directory)
    return Journal(files, files.path)


__all__ = ["DiskFiles", "Files", "Held", "Journal", "Owners", "ProcessOwners", "on_disk"]
