"""L-001 to L-020: changing, creating and destroying files outside the writable roots, by every road to a path.

Knows: the file calls of Linux.  Must not know: how they are held back.  Follows `docs/attacks.md`, group L1.
"""

# ruff: noqa: B023, F821

from __future__ import annotations

import os

from .guards import Guard, guards
from .probes import flipping
from .world import World

CONTENT, METADATA = guards("write-outside"), guards("metadata-outside")


def probe_chmod(path):
    attempt("chmod", os.chmod, path, 0o777)
    attempt("fchmod", lambda: os.fchmod(os.open(path, os.O_RDONLY), 0o757))
    attempt("fchmodat2", syscall, "fchmodat2", -100, path.encode(), 0o747, 0)


@METADATA
def test_L001_chmod(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_chmod, path=world.canary), world.changed())


def probe_chown(path):
    attempt("chown", os.chown, path, -1, os.getgid())
    attempt("lchown", os.lchown, path, os.getuid(), os.getgid())
    attempt("fchown", lambda: os.fchown(os.open(path, os.O_RDONLY), os.getuid(), -1))


@METADATA
def test_L002_chown(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_chown, path=world.canary), world.changed())


def probe_create(folder):
    import socket

    attempt("file", put, folder + "/new.txt", NONCE)
    attempt("directory", os.mkdir, folder + "/new-directory")
    attempt("fifo", os.mkfifo, folder + "/new-fifo")
    attempt("symlink", os.symlink, "/etc/passwd", folder + "/new-link")
    attempt("node", os.mknod, folder + "/new-node", 0o100644)
    attempt("hard link", os.link, folder + "/canary.txt", folder + "/new-hard-link")
    attempt("unix socket", lambda: socket.socket(socket.AF_UNIX).bind(folder + "/new-socket"))
    attempt("temporary", lambda: os.open(folder, os.O_TMPFILE | os.O_WRONLY))


@CONTENT
def test_L003_create(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_create, folder=world.outside), world.changed())


def probe_inherited_directory(secret):
    for number in range(3, 256):
        for name in (".", "documents"):
            try:
                folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=number)
            except OSError:
                continue
            attempt("create", lambda: os.open("by-descriptor", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))
            attempt("climb", lambda: os.open("../by-climbing", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))
        attempt("read", lambda: print(open(os.open(secret, os.O_RDONLY, dir_fd=number)).read()))


@CONTENT
def test_L005_inherited_descriptor(guard: Guard, world: World) -> None:
    descriptors = (os.open(world.home, os.O_RDONLY), os.open("/", os.O_RDONLY))
    leak = {"pass_fds": descriptors}
    outcome = guard.attack(world, probe_inherited_directory, secret=".ssh/id_ed25519", settings=leak)
    for descriptor in descriptors:
        os.close(descriptor)
    guard.judge(outcome, world.changed() + world.leaked(outcome.stdout))


def probe_inode_flags(path, number):
    import fcntl
    import struct

    for mode in (os.O_RDONLY, os.O_WRONLY):
        attempt("open", lambda: fcntl.ioctl(os.open(path, mode), number, struct.pack("l", 0x40 | 0x80)))
    attempt("file_setattr", syscall, "file_setattr", -100, path.encode(), struct.pack("QIIII", 0xC0, 0, 0, 0, 0), 24, 0)


@METADATA
def test_L007_inode_flags(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_inode_flags, path=world.canary, number=0x40086602), world.changed())


def probe_open_truncate(path):
    attempt("O_RDONLY | O_TRUNC", os.open, path, os.O_RDONLY | os.O_TRUNC)
    attempt("creat", os.open, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


@CONTENT
def test_L008_open_truncate(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_open_truncate, path=world.canary), world.changed())


def probe_write_paths(paths):
    for path in paths:
        attempt(path, lambda: os.write(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), NONCE.encode()))


@CONTENT
def test_L009_symlink_from_before(guard: Guard, world: World) -> None:
    (world.workspace / "docs").symlink_to(world.outside)
    (world.workspace / "note.txt").symlink_to(world.canary)
    (world.workspace / "dangling.txt").symlink_to(world.outside / "not-yet.txt")
    paths = ["docs/new.txt", "docs/canary.txt", "note.txt", "dangling.txt", f"{world.workspace}/docs/deep/x"]
    guard.judge(guard.attack(world, probe_write_paths, paths=paths), world.changed())


@CONTENT
def test_L010_proc_root(guard: Guard, world: World) -> None:
    roots = ["self/root", "thread-self/root", "1/root", "1/cwd/../../../../../..", f"{os.getpid()}/root"]
    roots += [f"self/fd/../root{world.outside}/..", "self/cwd/../../.."]
    paths = [f"/proc/{root}{world.canary}" for root in roots] + ["/proc/self/cwd/../../documents/canary.txt"]
    guard.judge(guard.attack(world, probe_write_paths, paths=paths), world.changed())


def probe_spellings(path):
    import struct

    dots = "/".join([".."] * 40)
    for spelling in (dots + path, "src/../" + dots + "/." + path, path.replace("/", "//"), path.replace("/", "/./")):
        attempt(spelling, lambda: os.write(os.open(spelling, os.O_WRONLY), NONCE.encode()))
    here = os.open("src", os.O_RDONLY)
    attempt("dirfd", lambda: os.open(dots + path, os.O_WRONLY | os.O_TRUNC, dir_fd=here))
    how = struct.pack("QQQ", os.O_WRONLY | os.O_TRUNC, 0, 0)
    attempt("openat2", syscall, "openat2", here, (dots + path).encode(), how, 24)


@CONTENT
def test_L012_spellings(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_spellings, path=world.canary), world.changed())


def probe_exchange(path):
    put(os.getcwd() + "/mine.txt", NONCE)
    attempt("exchange", syscall, "renameat2", -100, b"mine.txt", -100, path.encode(), 2)
    attempt("rename over", os.rename, "mine.txt", path)
    attempt("rename into", os.rename, "README.md", os.path.dirname(path) + "/moved.md")


@CONTENT
def test_L013_exchange(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_exchange, path=world.canary), world.changed())


def probe_attributes(path):
    attempt("setxattr", os.setxattr, path, "user.mark", NONCE.encode())
    attempt("fsetxattr", lambda: os.setxattr(os.open(path, os.O_RDONLY), "user.mark", NONCE.encode()))
    attempt("proc", os.setxattr, f"/proc/self/root{path}", "user.mark", NONCE.encode())


@METADATA
def test_L015_extended_attributes(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_attributes, path=world.canary), world.changed())


def probe_neighbour(folder):
    attempt("append", lambda: open(folder + "/src/main.py", "a").write(NONCE))
    attempt("create", put, folder + "/src/" + NONCE, NONCE)
    attempt("rename", os.rename, folder + "/src", folder + "/gone")
    attempt("beside", os.mkdir, os.path.dirname(folder) + "/third")


@CONTENT
def test_L016_neighbour(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_neighbour, folder=world.neighbour), world.changed())


def probe_race(outside):
    import threading

    os.mkdir("real")
    os.symlink(outside, "fake")
    stop = []

    def swap():
        while not stop:
            try:
                syscall("renameat2", -100, b"real", -100, b"fake", 2)
            except OSError:
                return

    thread = threading.Thread(target=swap)
    thread.start()
    for turn in range(800):
        try:
            os.write(os.open(f"real/race-{turn}", os.O_CREAT | os.O_WRONLY, 0o644), NONCE.encode())
        except OSError:
            pass
    stop.append(True)
    thread.join()


@CONTENT
def test_L017_swap_race(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_race, outside=world.outside), world.changed())


def probe_link_and_write(path):
    os.symlink(path, "way-out")
    os.symlink(os.path.dirname(path), "way-out-directory")
    for name in ("way-out", "way-out-directory/canary.txt", "way-out-directory/created.txt"):
        attempt(name, lambda: os.write(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644), NONCE.encode()))


@CONTENT
def test_L018_symlink_write(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_link_and_write, path=world.canary), world.changed())


def probe_truncate(path):
    attempt("truncate", os.truncate, path, 3)
    attempt("alias", os.truncate, "/proc/self/root" + path, 3)


@CONTENT
def test_L019_truncate(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_truncate, path=world.canary), world.changed())


def probe_delete(folder):
    import shutil

    attempt("unlink", os.unlink, folder + "/canary.txt")
    attempt("rename away", os.rename, folder + "/deep", folder + "/deeper")
    shutil.rmtree(folder, ignore_errors=True)


@CONTENT
def test_L020_delete(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_delete, folder=world.outside), world.changed())


def probe_times(path):
    attempt("utimensat", os.utime, path, (1, 1))
    attempt("now", os.utime, path)
    attempt("futimens", lambda: os.utime(os.open(path, os.O_RDONLY), (2, 2)))


@METADATA
def test_L025_times(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_times, path=world.canary), world.changed())


def probe_race_of_pointers(path, inside, seconds):
    import time

    address, stop = flipping([inside.encode() + b"\0", path.encode() + b"\0"])
    libc = ctypes.CDLL(None, use_errno=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(200):
            descriptor = libc.open(ctypes.c_void_p(address), os.O_WRONLY | os.O_APPEND)
            if descriptor >= 0:
                os.write(descriptor, NONCE.encode())
                os.close(descriptor)
    stop()


@CONTENT
def test_LX09_path_changes_after_the_check(guard: Guard, world: World) -> None:
    inside = world.workspace / "src/app.py"
    settings = {"path": world.canary, "inside": inside, "seconds": 0.3}
    outcome = guard.attack(world, probe_race_of_pointers, flipping, **settings)
    guard.judge(outcome, world.changed())
