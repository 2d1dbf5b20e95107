"""Builds the file system of a cell: carries out the mount operations of a plan, inside the new mount namespace.

Knows: the order in which a view is put together, and that every name is opened once without following a link.
Must not know: policy; it is told paths.  Runs as the cell's init before it gives up its capabilities.

Operations (plain tuples, see ``lower``):
    ("root", writable, shown)            ("tmpfs", path, mode, size)          ("hide", parent, names)
    ("show", path)                       ("writable", path)                   ("protect", path)
    ("pin", path)                        ("void", path, kind)                 ("git", path)
    ("proc", masked)                     ("pid_limit", count)                 ("dev", shm_bytes)
    ("seal", path)                       ("socket", path, device, inode, held)
    writable: [(path, device, inode)]    shown: [path]
"""

from __future__ import annotations

import os
import stat

from sidewall.platforms.linux import confine, mounts, syscalls
from sidewall.platforms.linux.mounts import (
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Operation = tuple[Any, ...]

VOID = "/dev"
_EMPTY = "empty"
_READ_ONLY = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
_PLAIN = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV


class StepFailed(Exception):
    """An operation failed: its name, the path, the OSError."""

    def __init__(self, operation: str, path: str, error: OSError) -> None:
        super().__init__(f"{operation} {path}: {error}")
        self.operation = operation
        self.path = path
        self.error = error


def prepare_void() -> None:
    """A small tmpfs over /dev, later covered by the cell's own: it holds the empty things that masks are made of
    and the upper layers of git overlays, where no path of the cell leads to them."""
    void = mounts.tmpfs(0o755)
    os.mkdir(_EMPTY, 0o755, dir_fd=void)
    os.mkdir(_EMPTY + "/dir", 0o555, dir_fd=void)
    os.close(os.open(_EMPTY + "/file", os.O_CREAT | os.O_WRONLY, 0o444, dir_fd=void))
    os.mkdir(_EMPTY + "/none", 0o000, dir_fd=void)
    os.close(os.open(_EMPTY + "/blank", os.O_CREAT | os.O_WRONLY, 0o000, dir_fd=void))
    mounts.attach(void, _directory(VOID))
    # What is cloned from here has its attributes from the start.
    empty = mounts.clone(void, _EMPTY, recursive=False)
    mounts.set_attributes(empty, _READ_ONLY | MOUNT_ATTR_NOEXEC)
    mounts.attach(empty, void, _EMPTY)
    os.close(empty)
    os.close(void)


def overlay_works() -> str:
    """'' when an overlay with a private upper layer can be made here, else the errno's name."""
    try:
        os.makedirs(f"{VOID}/probe/lower")
        tree = _overlay(f"{VOID}/probe/lower", f"{VOID}/probe")
        # It stays, where no path of the cell leads: the last close of a detached mount waits for every processor (RCU),
        # for milliseconds.
        target = _directory(f"{VOID}/probe/lower")
        mounts.attach(tree, target)
        os.close(target)
        os.close(tree)
    except OSError as error:
        return syscalls.errno_name(error.errno or 0)
    return ""


def _overlay(lower: str, store: str) -> int:
    os.makedirs(f"{store}/upper")
    os.mkdir(f"{store}/work")
    return mounts.make("overlay", ("lowerdir", lower), ("upperdir", f"{store}/upper"), ("workdir", f"{store}/work"),
                       ("userxattr", None), attributes=_PLAIN)


def _directory(path: str) -> int:
    return mounts.open_path(path, flags=os.O_DIRECTORY)


class Builder:
    """Carries out operations in order.

    ``git_layers`` collects the upper directory and the overlay (``mounts.renew``) of each ``git`` operation;
    ``open_mounts`` the mounts where unix sockets of the cell may be, as (mount id, whether only the cell sees it);
    ``lent_sockets`` those that are each one socket of the host's, as (mount id, its path, whether it is held there).
    """

    def __init__(self) -> None:
        self._writable: dict[str, tuple[int, bool]] = {}
        self._shown: dict[str, tuple[int, bool]] = {}
        self._nodes: dict[str, int] = {}
        self._covered: set[str] = set()
        self._pieces = 0
        self.proc = -1
        self._empty = -1
        self._dev = self._terminals = self._queues = -1
        self.git_layers: list[int] = []
        self.open_mounts: list[tuple[int, bool]] = []
        self.lent_sockets: list[tuple[int, bytes, bool]] = []

    def take_proc(self) -> None:
        """Makes the cell's /proc, which needs a pid namespace of its own and a host that shows its whole /proc."""
        self.proc = mounts.make("proc", attributes=_PLAIN | MOUNT_ATTR_NOEXEC)

    def take_nodes(self, names: tuple[str, ...]) -> None:
        """Clones device nodes out of the host's /dev before it is covered."""
        for name in names:
            try:
                descriptor = mounts.open_path(f"/dev/{name}")
            except OSError:
                continue
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                self._nodes[name] = mounts.clone(descriptor, recursive=False)
            os.close(descriptor)

    def take_dev(self) -> None:
        """Makes the cell's own /dev, with what is mounted on it apart: a few harmless names, and terminals and message
        queues of its own."""
        tree = mounts.tmpfs(0o755, attributes=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
        for name in self._nodes:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=tree))
        for name in ("pts", "shm"):
            os.mkdir(name, 0o755, dir_fd=tree)
        for name, text in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"),
                           ("ptmx", "pts/ptmx")):
            os.symlink(text, name, dir_fd=tree)
        self._terminals = mounts.make("devpts", ("ptmxmode", "0666"), ("mode", "0620"),
                                      attributes=MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
        try:
            self._queues = mounts.make("mqueue", attributes=_PLAIN | MOUNT_ATTR_NOEXEC)
        except OSError:
            # A kernel without message queues has nothing to isolate.
            self._queues = -1
        else:
            os.mkdir("mqueue", 0o755, dir_fd=tree)
        self._dev = tree

    def run(self, operations: list[Operation]) -> None:
        """Carries out all operations.  Raises StepFailed for the first that fails."""
        for name, *arguments in operations:
            try:
                getattr(self, "_do_" + name)(*arguments)
            except OSError as error:
                path = arguments[0] if arguments and isinstance(arguments[0], str) else ""
                raise StepFailed(name, path, error) from None

    def _do_root(self, writable: list[tuple[str, int, int]], shown: list[str]) -> None:
        """Clones the writable roots as they are, then makes everything that stays attached read-only; what must stay
        visible below a directory that will be covered is cloned after that, read-only."""
        for path, device, inode in writable:
            try:
                descriptor = mounts.open_path(path)
            except OSError as error:
                raise StepFailed("writable", path, error) from None
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != (device, inode):
                replaced = OSError(116, "the directory was replaced while the cell was made")
                raise StepFailed("writable", path, replaced)
            self._writable[path] = (mounts.clone(descriptor), stat.S_ISDIR(found.st_mode))
            mounts.set_attributes(self._writable[path][0], _PLAIN)
            os.close(descriptor)
        mounts.set_root_attributes(_READ_ONLY)
        void = _directory(VOID)
        mounts.set_attributes(void, 0, clear=MOUNT_ATTR_RDONLY, recursive=False)
        os.close(void)
        for path in shown:
            try:
                descriptor = mounts.open_path(path)
            except OSError:
                # Not there, or reached through a link: nothing is shown, which is the safe side.
                continue
            self._shown[path] = (mounts.clone(descriptor), stat.S_ISDIR(os.fstat(descriptor).st_mode))
            os.close(descriptor)

    def _do_tmpfs(self, path: str, mode: int, size: int) -> None:
        """A private tmpfs over ``path``."""
        try:
            target = _directory(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        tree = mounts.tmpfs(mode, size) if size else self._piece(mode)
        mounts.attach(tree, target)
        self.open_mounts.append((mount_id(tree), True))
        os.close(target)
        os.close(tree)

    def _piece(self, mode: int) -> int:
        """An empty directory of the cell's own, as a detached mount.  All are pieces of one tmpfs: a superblock for
        each would take longer to make, and much longer to end."""
        self._pieces += 1
        path = f"{VOID}/piece{self._pieces}"
        os.mkdir(path)
        os.chmod(path, mode)
        descriptor = _directory(path)
        tree = mounts.clone(descriptor, recursive=False)
        os.close(descriptor)
        return tree

    def _do_show(self, path: str) -> None:
        if path in self._shown:
            tree, is_directory = self._shown.pop(path)
            mounts.attach(tree, _mountpoint(path, is_directory))
            os.close(tree)

    def _do_hide(self, parent: str, names: list[str]) -> None:
        """Puts ``parent`` together anew, without ``names``: an entry that is made later, or that replaces another by
        rename, is not in the cell, since its directory here is not the host's."""
        hidden = frozenset(names)
        try:
            source = syscalls.openat2(syscalls.AT_FDCWD, parent, os.O_RDONLY | os.O_DIRECTORY,
                                      resolve=syscalls.RESOLVE_NO_SYMLINKS)
        except FileNotFoundError:
            # A private directory of the cell covers it whole: it is hidden already.
            self._covered.add(parent)
            return
        info = os.fstat(source)
        tree = self._piece(stat.S_IMODE(info.st_mode) | 0o500)
        mounts.attach(tree, source)
        with os.scandir(source) as entries:
            for entry in entries:
                name = entry.name
                if name in hidden:
                    continue
                if entry.is_symlink():
                    os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=tree)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    os.mkdir(name, 0o755, dir_fd=tree)
                elif entry.is_file(follow_symlinks=False):
                    os.mknod(name, 0o644 | stat.S_IFREG, dir_fd=tree)
                else:
                    continue
                try:
                    copy = mounts.clone(source, name)
                    mounts.attach(copy, tree, name)
                    os.close(copy)
                except OSError:
                    # Cannot be shown (an unreachable network mount, an entry that just went): it stays empty.
                    continue
        os.close(tree)
        os.close(source)

    def _do_writable(self, path: str) -> None:
        tree, is_directory = self._writable.pop(path)
        mounts.attach(tree, _mountpoint(path, is_directory))
        self.open_mounts.append((mount_id(tree), False))
        os.close(tree)

    def _do_socket(self, path: str, device: int, inode: int, held: bool) -> None:
        """A socket of the host's that can be connected to: bound to its place, so that its mount tells it from others;
        in a writable root on itself, where it is then neither replaced nor renamed."""
        if held:
            target = mounts.open_path(path)
            found = os.fstat(target)
            if (found.st_dev, found.st_ino) != (device, inode):
                raise OSError(116, "the socket was replaced while the cell was made")
            tree = mounts.clone(target, recursive=False)
            mounts.set_attributes(tree, _READ_ONLY)
            mounts.attach(tree, target)
            os.close(target)
        elif path in self._shown:
            tree, _is_directory = self._shown.pop(path)
            target = _mountpoint(path, is_directory=False)
            mounts.attach(tree, target)
            os.close(target)
        else:
            # It went meanwhile: it is looked for by its name when somebody connects.
            return
        self.lent_sockets.append((mount_id(tree), os.fsencode(path), held))
        os.close(tree)

    def _do_pin(self, path: str) -> None:
        """A writable bind of a directory on itself: a mount point cannot be renamed or removed."""
        target = _directory(path)
        copy = mounts.clone(target)
        mounts.attach(copy, target)
        self.open_mounts.append((mount_id(copy), False))
        os.close(copy)
        os.close(target)

    def _do_protect(self, path: str) -> None:
        """A read-only bind of the thing on itself: it can be neither changed nor renamed nor removed."""
        target = mounts.open_path(path)
        copy = mounts.clone(target)
        mounts.set_attributes(copy, _READ_ONLY)
        mounts.attach(copy, target)
        os.close(copy)
        os.close(target)

    def _do_void(self, path: str, kind: str) -> None:
        """An empty thing over ``path``: ``dir`` and ``file`` can be read (and are empty), ``none`` cannot."""
        try:
            target = mounts.open_path(path)
        except FileNotFoundError:
            return
        is_directory = stat.S_ISDIR(os.fstat(target).st_mode)
        name = ("none" if kind == "none" else "dir") if is_directory else ("blank" if kind == "none" else "file")
        if self._empty < 0:
            self._empty = _directory(f"{VOID}/{_EMPTY}")
        copy = mounts.clone(self._empty, name, recursive=False)
        mounts.attach(copy, target)
        for descriptor in (copy, target):
            os.close(descriptor)

    def _do_git(self, path: str) -> None:
        """A copy-on-write layer over a git directory; its upper directory is out of reach of the cell's paths."""
        target = _directory(path)
        store = f"{VOID}/git{len(self.git_layers)}"
        tree = _overlay(f"/proc/self/fd/{target}", store)
        mounts.attach(tree, target)
        self.open_mounts.append((mount_id(tree), False))
        self.git_layers += [_directory(f"{store}/upper"), mounts.pick(tree)]
        for descriptor in (tree, target):
            os.close(descriptor)

    def _do_proc(self, masked: list[str]) -> None:
        """The cell's own processes; sealed (read-only) later, since uid 0 of the host owns /proc/sys here too."""
        mounts.attach(self.proc, _directory("/proc"))
        os.close(self.proc)
        for name in masked:
            self._do_void(f"/proc/{name}", "file")

    def _do_pid_limit(self, count: int) -> None:
        confine.limit_tasks(count)

    def _do_seal(self, path: str) -> None:
        if path in self._covered:
            return
        try:
            target = mounts.open_path(path)
        except FileNotFoundError:
            return
        mounts.set_attributes(target, _READ_ONLY, recursive=False)
        os.close(target)

    def _do_dev(self, shm_bytes: int) -> None:
        """The cell's /dev, over the void, with its nodes and shared memory."""
        shared = mounts.tmpfs(0o1777, shm_bytes) if shm_bytes else self._piece(0o1777)
        tree = self._dev
        mounts.attach(tree, _directory(VOID))
        for name, node in self._nodes.items():
            mounts.set_attributes(node, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, recursive=False)
            mounts.attach(node, tree, name)
            os.close(node)
        mounts.attach(self._terminals, tree, "pts")
        mounts.attach(shared, tree, "shm")
        self.open_mounts.append((mount_id(shared), True))
        if self._queues >= 0:
            mounts.attach(self._queues, tree, "mqueue")
            os.close(self._queues)
        mounts.set_attributes(tree, MOUNT_ATTR_RDONLY, recursive=False)
        for descriptor in (tree, self._terminals, shared):
            os.close(descriptor)


def mount_id(descriptor: int) -> int:
    """The id of the mount that a descriptor lies on (proc(5), fdinfo)."""
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as info:
        for line in info:
            if line.startswith(b"mnt_id:"):
                return int(line[7:])
    raise OSError(2, "no mnt_id in fdinfo")


def _mountpoint(path: str, is_directory: bool) -> int:
    """A descriptor of ``path``; made (empty) where a private tmpfs lacks it, component by component."""
    try:
        return mounts.open_path(path)
    except FileNotFoundError:
        pass
    parts = [part for part in path.split("/") if part]
    current = mounts.open_path("/")
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        try:
            following = mounts.open_path(part, directory=current)
        except FileNotFoundError:
            if last and not is_directory:
                os.mknod(part, 0o644 | stat.S_IFREG, dir_fd=current)
            else:
                os.mkdir(part, 0o755, dir_fd=current)
            following = mounts.open_path(part, directory=current)
        os.close(current)
        current = following
    return current
