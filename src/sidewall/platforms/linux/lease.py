"""What a cell changes on the machine while it stands, written down before it is done, and how to undo it.

Changes: empty directories that hold protected names which do not exist (``Placeholder``), a control group, and
without mounts a temporary directory.  The keeper undoes them when the cell ends, however it ends; ``recover`` undoes
what is left when the keeper was killed too.

Knows: the journal (one file for each writable root, a shared lock for as long as a cell stands).
Must not know: why a name is protected.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def state_directory() -> str:
    """The user's directory for state, made if absent: ``$XDG_STATE_HOME/sidewall`` or ``~/.local/state/sidewall``.

    Raises MachineError when it cannot be made.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    path = os.path.join(base, "sidewall")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make the state directory {path}: {error.strerror}",
                           hint="set XDG_STATE_HOME to a directory that you can write to") from None
    return path


def check_apart(roots: tuple[str, ...]) -> None:
    """A journal that a command could write would be an order to us.  Raises MachineError."""
    state = os.path.realpath(state_directory())
    for root in roots:
        if state == root or state.startswith(root.rstrip("/") + "/"):
            raise MachineError(f"the state directory {state} lies in the writable root {root}",
                               hint="set XDG_STATE_HOME to a directory outside the workspace")


class Mutex:
    """Held for the few system calls in which a journal and what it speaks of are changed together."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "mutex")

    def __enter__(self) -> None:
        import fcntl

        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)


def lease_directory() -> str:
    """Where journals lie.  Raises MachineError."""
    directory = os.path.join(state_directory(), "leases")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return directory


class Lease:
    """The placeholders of one root.  ``lock`` and ``root`` go to the keeper, which then shares the lock."""

    def __init__(self, root: str, names: tuple[str, ...]) -> None:
        import fcntl

        directory = lease_directory()
        self.placeholders: list[tuple[str, int]] = []
        try:
            self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise MachineError(f"cannot open the writable root {root}: {error.strerror}",
                               hint="it must be a directory that you can read") from None
        info = os.fstat(self.root)
        self.journal = os.path.join(directory, f"{info.st_dev:x}-{info.st_ino:x}")
        with Mutex(directory):
            self.lock = os.open(self.journal, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_SH)
            # What another cell made, or a crashed one left, is in the journal: it is ours, not the user's.
            lines = _read(self.lock)
            for name in names:
                self._hold(root, name, lines)
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, os.fsencode("\n".join((root, *lines)) + "\n"), 0)

    def _hold(self, root: str, name: str, lines: list[str]) -> None:
        inode = _inode(self.root, name)
        if not inode:
            try:
                os.mkdir(name, 0o755, dir_fd=self.root)
            except OSError as error:
                self.close()
                raise MachineError(f"cannot hold the protected name {root}/{name}: {error.strerror}",
                                   hint="the writable root must be writable by you") from None
            inode = _inode(self.root, name)
            lines.append(f"{name}\t{inode}")
        if f"{name}\t{inode}" in lines:
            self.placeholders.append((name, inode))

    def close(self) -> None:
        """Gives up this process's copies; the keeper's hold."""
        os.close(self.lock)
        os.close(self.root)

    def message(self) -> dict[str, Any]:
        """What the keeper needs to undo it."""
        return {"journal": self.journal, "placeholders": self.placeholders}


class Temporary:
    """A private directory for a cell without mounts; its lock file says whether somebody still uses it."""

    def __init__(self) -> None:
        import fcntl

        base = os.path.join(state_directory(), "tmp")
        os.makedirs(base, mode=0o700, exist_ok=True)
        name = f"{os.getpid():x}-{int.from_bytes(os.urandom(6), 'little'):x}"
        self.path = os.path.join(base, name)
        self.lock = os.open(self.path + ".lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        os.mkdir(self.path, 0o700)


def end_lease(lock: int, root: int, journal: str, placeholders: list[tuple[str, int]]) -> None:
    """Removes the placeholders unless another cell still needs them; an entry that is no longer the empty directory
    we made is somebody's and stays."""
    import fcntl

    with Mutex(os.path.dirname(journal)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        for name, inode in placeholders:
            _remove(root, name, str(inode))
        try:
            os.unlink(journal)
        except FileNotFoundError:
            return


def end_temporary(path: str) -> None:
    """Removes a private directory and all in it.  Nobody is left who could swap a name for a link."""
    import shutil

    for directory, _names, _files in os.walk(path):
        try:
            for name in os.listdir(directory):
                entry = os.path.join(directory, name)
                if os.path.isdir(entry) and not os.path.islink(entry):
                    os.chmod(entry, 0o700)
        except OSError:
            continue
    shutil.rmtree(path, ignore_errors=True)
    try:
        os.unlink(path + ".lock")
    except FileNotFoundError:
        return


def _remove(root: int, name: str, inode: str) -> bool:
    try:
        if str(os.stat(name, dir_fd=root, follow_symlinks=False).st_ino) != inode:
            return False
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    return True


def _read(descriptor: int) -> list[str]:
    return os.fsdecode(os.pread(descriptor, 1 << 16, 0)).splitlines()[1:]


def _inode(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    except OSError:
        return 0


def recover() -> tuple[str, ...]:
    """Removes what crashed cells left, where no living cell holds the lock; one line for each."""
    import fcntl

    undone: list[str] = []
    directory = lease_directory()
    with Mutex(directory):
        for file in sorted(os.listdir(directory)):
            if file == "mutex":
                continue
            path = os.path.join(directory, file)
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                undone += _undo(os.fsdecode(os.pread(descriptor, 1 << 16, 0)).splitlines())
                os.unlink(path)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)
    base = os.path.join(state_directory(), "tmp")
    for file in sorted(os.listdir(base)) if os.path.isdir(base) else ():
        if not file.endswith(".lock"):
            continue
        descriptor = os.open(os.path.join(base, file), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_temporary(os.path.join(base, file[:-5]))
            undone.append(f"removed the temporary directory {base}/{file[:-5]}")
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return tuple(undone)


def _undo(lines: list[str]) -> list[str]:
    if not lines:
        return []
    try:
        root = os.open(lines[0], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    undone = []
    for line in lines[1:]:
        name, _, inode = line.partition("\t")
        if "/" not in name and _remove(root, name, inode):
            undone.append(f"removed the placeholder {lines[0]}/{name}")
    os.close(root)
    return undone
