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


def state_path() -> str:
    """The user's directory for state: ``$XDG_STATE_HOME/sidewall`` or ``~/.local/state/sidewall``."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "sidewall")


def state_directory() -> str:
    """The user's directory for state, made if absent.  Raises MachineError when it cannot be made."""
    path = state_path()
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make the state directory {path}: {error.strerror}",
                           hint="set XDG_STATE_HOME to a directory that you can write to") from None
    return os.path.realpath(path)


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


def _journal(directory: str, root: os.stat_result) -> str:
    return os.path.join(directory, f"{root.st_dev:x}-{root.st_ino:x}")


def placeholders(root: str) -> frozenset[str]:
    """Names in a writable root that living cells hold by placeholders: to everybody else they do not exist.

    Changes nothing.  Raises OSError for a root that is not there.
    """
    directory = os.path.join(state_path(), "leases")
    try:
        lock = os.open(_journal(directory, os.stat(root)), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return frozenset()
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with Mutex(directory):
            held = _entries(lock, place)
        return frozenset(name for name in held if _is_empty(place, name))
    finally:
        os.close(place)
        os.close(lock)


def _is_empty(root: int, name: str) -> bool:
    try:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    except OSError:
        return False
    try:
        return not os.listdir(directory)
    finally:
        os.close(directory)


class Lease:
    """The placeholders of one root.  ``lock`` and ``root`` go to the keeper, which then shares the lock."""

    def __init__(self, root: str, names: tuple[str, ...]) -> None:
        import fcntl

        directory = lease_directory()
        try:
            self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise MachineError(f"cannot open the writable root {root}: {error.strerror}",
                               hint="it must be a directory that you can read") from None
        self.journal = _journal(directory, os.fstat(self.root))
        with Mutex(directory):
            self.lock = os.open(self.journal, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_SH)
            # What another cell made, or a crashed one left, is in the journal: it is ours, not the user's.
            known = _entries(self.lock, self.root)
            fresh = [name for name in names if not _inode(self.root, name)]
            _write(self.lock, root, {**known, **dict.fromkeys(fresh, _INTENDED)})
            try:
                for name in fresh:
                    os.mkdir(name, 0o755, dir_fd=self.root)
                    known[name] = str(_inode(self.root, name))
            except OSError as error:
                _write(self.lock, root, known)
                failed = f"cannot hold the protected name {root}/{name}: {error.strerror}"
            else:
                _write(self.lock, root, known)
                return
        end_lease(self.lock, self.root, self.journal)
        self.close()
        raise MachineError(failed, hint="the writable root must be writable by you")

    def close(self) -> None:
        """Gives up this process's copies; the keeper's hold."""
        os.close(self.lock)
        os.close(self.root)


class Temporary:
    """A private directory for a cell without mounts; its lock file says whether somebody still uses it."""

    def __init__(self) -> None:
        import fcntl

        base = os.path.join(state_directory(), "tmp")
        name = f"{os.getpid():x}-{int.from_bytes(os.urandom(6), 'little'):x}"
        self.path = os.path.join(base, name)
        try:
            os.makedirs(base, mode=0o700, exist_ok=True)
            self.lock = os.open(self.path + ".lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_SH)
            os.mkdir(self.path, 0o700)
        except OSError as error:
            raise MachineError(f"cannot make a private directory below {base}: {error.strerror}",
                               hint="set XDG_STATE_HOME to a directory that you can write to") from None


def end_lease(lock: int, root: int, journal: str) -> None:
    """Removes the placeholders of a root, all that are in its journal, unless another cell still needs them; an entry
    that is no longer the empty directory we made is somebody's and stays."""
    import fcntl

    with Mutex(os.path.dirname(journal)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        for name, inode in _entries(lock, root).items():
            _remove(root, name, inode)
        try:
            os.unlink(journal)
        except FileNotFoundError:
            return


def end_temporary(path: str) -> None:
    """Removes a private directory and all in it; its lock file stays while something of it is left."""
    from sidewall.platforms.linux.removal import remove_tree

    base, _, name = path.rpartition("/")
    try:
        above = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if remove_tree(above, name):
            os.unlink(name + ".lock", dir_fd=above)
    except FileNotFoundError:
        return
    finally:
        os.close(above)


def _remove(root: int, name: str, inode: str) -> bool:
    try:
        if str(os.stat(name, dir_fd=root, follow_symlinks=False).st_ino) != inode:
            return False
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    return True


_INTENDED = "?"
"""In the place of an inode: about to be made.  Whoever wrote that and nothing after it was killed in between."""
_SOON_NS = 5_000_000_000


def _write(lock: int, root: str, entries: dict[str, str]) -> None:
    text = "".join([_quoted(root) + "\n", *(f"{_quoted(name)}\t{inode}\n" for name, inode in entries.items())])
    os.ftruncate(lock, 0)
    os.pwrite(lock, os.fsencode(text), 0)


def _quoted(path: str) -> str:
    """A path as it stands in a line, which a path may break."""
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def _unquoted(text: str) -> str:
    return "\\".join([part.replace("\\n", "\n").replace("\\t", "\t") for part in text.split("\\\\")])


def _entries(lock: int, root: int) -> dict[str, str]:
    """The journal's placeholders by name, with their inodes, as far as they are still there."""
    written = os.fstat(lock).st_mtime_ns
    entries: dict[str, str] = {}
    # Not splitlines: a path may hold the other characters that this takes for the end of a line.
    for line in os.fsdecode(os.pread(lock, 1 << 16, 0)).split("\n")[1:]:
        name, _, inode = line.partition("\t")
        name = _unquoted(name)
        if not name or "/" in name:
            continue
        try:
            found = os.stat(name, dir_fd=root, follow_symlinks=False)
        except OSError:
            continue
        soon = -_SOON_NS < found.st_ctime_ns - written < _SOON_NS
        if str(found.st_ino) == inode or (inode == _INTENDED and soon and found.st_uid == os.geteuid()):
            entries[name] = str(found.st_ino)
    return entries


def _inode(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    except OSError:
        return 0


def strangers(journals: int, temporaries: int) -> bool:
    """Whether there are more journals and temporary directories than ours: of living cells, or of crashed ones."""
    base = os.path.join(state_directory(), "tmp")
    others = len(os.listdir(lease_directory())) - journals - 1
    return others > 0 or (os.path.isdir(base) and len(os.listdir(base)) > 2 * temporaries)


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
                undone += _undo(descriptor)
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


def _undo(journal: int) -> list[str]:
    path = _unquoted(os.fsdecode(os.pread(journal, 1 << 16, 0)).partition("\n")[0])
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return []
    undone = []
    for name, inode in _entries(journal, root).items():
        if _remove(root, name, inode):
            undone.append(f"removed the placeholder {path}/{name}")
    os.close(root)
    return undone
