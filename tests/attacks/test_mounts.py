"""L-022 to L-031 and kin: namespaces and mounts made inside, the workspace itself, shared places, hard links.

Knows: the mount and namespace calls of Linux.  Must not know: how they are held back.  Follows `docs/attacks.md`.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .guards import CONTROL, NAMESPACE, Guard, Outcome, environment, guards
from .outside import Victim
from .probes import PYTHON, command
from .world import World

CONTENT, SECRETS = guards("write-outside"), guards("read-secrets")


def enter_namespace():
    """In the sandbox: a user and mount namespace of one's own, by each call that makes one; whether it came to be."""
    user, group = os.getuid(), os.getgid()
    if attempt("unshare", syscall, "unshare", 0x10000000 | 0x20000) is None:
        attempt("clone", lambda: syscall("clone", 0x10000000 | 0x20000 | 17, 0, 0, 0, 0) == 0 and os._exit(0))
        return False
    attempt("setgroups", put, "/proc/self/setgroups", "deny")
    attempt("uid_map", put, "/proc/self/uid_map", f"0 {user} 1")
    attempt("gid_map", put, "/proc/self/gid_map", f"0 {group} 1")
    return True


def write_everywhere(path, also=()):
    """In the sandbox: change the outside file under every name it may have now."""
    for name in (path, *also):
        attempt("write " + name, lambda: os.write(os.open(name, os.O_WRONLY), NONCE.encode()))


def probe_new_mount_calls(path, folder, sandboxed):
    # The control must not touch the mounts of the machine: it goes on in a namespace of its own or not at all.
    if not enter_namespace() and not sandboxed:
        return write_everywhere(path)
    clear = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
    clone = attempt("open_tree", syscall, "open_tree", -100, folder.encode(), 1 | 0x80000)
    if clone is not None:
        attempt("mount_setattr", syscall, "mount_setattr", clone, b"", 0x1000, clear, 32)
        attempt("move_mount", syscall, "move_mount", clone, b"", -100, os.getcwd().encode() + b"/src", 4)
    attempt("open_tree_attr", syscall, "open_tree_attr", -100, folder.encode(), 1, clear, 32)
    attempt("fsopen", syscall, "fsopen", b"tmpfs", 0)
    return write_everywhere(path, ["src/canary.txt"])


@CONTENT
def test_L022_new_mount_calls(guard: Guard, world: World) -> None:
    help_ = (enter_namespace, write_everywhere)
    paths = {"path": world.canary, "folder": world.outside}
    outcome = guard.attack(world, probe_new_mount_calls, *help_, sandboxed=not guard.is_control, **paths)
    guard.judge(outcome, world.changed())


def probe_remount(path, folder, sandboxed):
    if not enter_namespace() and not sandboxed:
        return write_everywhere(path)
    for target in ("/", folder, os.path.dirname(folder)):
        attempt(f"remount {target}", syscall, "mount", 0, target.encode(), 0, 32 | 4096, 0)
    attempt("bind", syscall, "mount", folder.encode(), b"src", 0, 4096 | 16384, 0)
    attempt("private", syscall, "mount", 0, folder.encode(), 0, 0x40000 | 16384, 0)
    return write_everywhere(path, ["src/canary.txt"])


@CONTENT
def test_L023_remount(guard: Guard, world: World) -> None:
    help_ = (enter_namespace, write_everywhere)
    paths = {"path": world.canary, "folder": world.outside}
    outcome = guard.attack(world, probe_remount, *help_, sandboxed=not guard.is_control, **paths)
    guard.judge(outcome, world.changed())


def probe_unmount(places, secrets):
    enter_namespace()
    libc = ctypes.CDLL(None, use_errno=True)
    for place in places:
        for flags in (0, 2, 1, 8):
            libc.umount2(place.encode(), flags)
    for secret in secrets:
        attempt(secret, lambda: print(open(secret).read()))
    attempt("protected", put, os.getcwd() + "/.claude/settings.json", NONCE)


@SECRETS
def test_L024_unmount_the_masks(guard: Guard, world: World) -> None:
    secrets = [str(path) for path in world.tokens.values() if path != world.workspace / ".env"]
    places = {str(parent) for path in secrets for parent in Path(path).parents if parent.is_relative_to(world.base)}
    places = sorted(places | set(secrets), reverse=True)
    places += [f"{world.workspace}/.git", f"{world.workspace}/.claude", f"{world.workspace}/.git/config"]
    outcome = guard.attack(world, probe_unmount, enter_namespace, places=places, secrets=secrets[:5])
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_foreign_cwd(pid, folder):
    attempt("cwd", put, f"/proc/{pid}/cwd/{NONCE}", NONCE)
    for number in [pid] + [int(name) for name in os.listdir("/proc") if name.isdigit()][:60]:
        attempt(f"cwd {number}", put, f"/proc/{number}/cwd{'/..' * 30}{folder}/{NONCE}-{number}", NONCE)
        attempt(f"root {number}", put, f"/proc/{number}/root{folder}/{NONCE}-{number}", NONCE)


@CONTENT
def test_L026_cwd_of_a_process_outside(guard: Guard, world: World) -> None:
    process = subprocess.Popen([PYTHON, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE, cwd=world.outside)
    try:
        outcome = guard.attack(world, probe_foreign_cwd, pid=process.pid, folder=world.outside)
    finally:
        process.communicate(timeout=10)
    guard.judge(outcome, world.changed())


def probe_move_workspace():
    here = os.getcwd()
    attempt("rename", os.rename, here, here + "-old")
    attempt("replace", os.mkdir, here)
    other = os.path.dirname(here) + "/neighbour"
    attempt("exchange", syscall, "renameat2", -100, here.encode(), -100, other.encode(), 2)
    attempt("remove", os.rmdir, here)


@CONTENT
def test_L027_move_the_workspace(guard: Guard, world: World) -> None:
    inode = world.workspace.stat().st_ino
    outcome = guard.attack(world, probe_move_workspace)
    moved = not world.workspace.is_dir() or world.workspace.stat().st_ino != inode
    guard.judge(outcome, moved or [path for path in world.changed() if path != str(world.workspace.parent)])


def probe_overwrite(path):
    attempt("write", lambda: os.write(os.open(path, os.O_RDWR), NONCE.encode()))
    attempt("unlink", os.unlink, path)


@CONTENT
@pytest.mark.parametrize("folder", ["/dev/shm", "/tmp", "/var/tmp"], ids=["L-029", "L-030", "L-030-var"])
def test_shared_places(guard: Guard, world: World, folder: str) -> None:
    foreign = Path(folder) / f"foreign-{world.nonce}"
    foreign.write_bytes(b"kept by another program" * 10)
    before = foreign.read_bytes()
    try:
        outcome = guard.attack(world, probe_overwrite, path=foreign)
        escaped = not foreign.exists() or foreign.read_bytes() != before
    finally:
        foreign.unlink(missing_ok=True)
    guard.judge(outcome, escaped)


def probe_write_hard_link():
    attempt("write", lambda: open("linked.txt", "a").write(NONCE))
    attempt("chmod", os.chmod, "linked.txt", 0o777)


@pytest.mark.parametrize("guard", [CONTROL, NAMESPACE], indirect=True)
def test_L031_hard_link_from_before(guard: Guard, world: World, record_property: pytest.RecordProperty) -> None:
    """Residual: the inode is the workspace's too.  Told, not judged; no other file outside may change."""
    os.link(world.canary, world.workspace / "linked.txt")
    world.freeze()
    outcome = guard.attack(world, probe_write_hard_link)
    assert outcome.started, str(outcome)
    record_property("outside name changed", world.nonce in world.canary.read_text())
    assert [path for path in world.changed() if path != str(world.canary)] == []


def probe_rename_inside(folder):
    attempt("aside", os.rename, folder + "/deep", folder + "/deep.old")
    attempt("swap", os.rename, folder + "/canary.txt", folder + "/deep/canary.txt")
    attempt("link", os.link, folder + "/canary.txt", os.getcwd() + "/alias.txt")
    attempt("write alias", lambda: open("alias.txt", "a").write(NONCE))


@CONTENT
def test_LX14_rename_in_one_directory(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_rename_inside, folder=world.outside), world.changed())


def probe_unnamed_file(folder):
    descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
    os.write(descriptor, NONCE.encode())
    name = f"/proc/self/fd/{descriptor}"
    libc = ctypes.CDLL(None, use_errno=True)
    for number, target in enumerate((folder, folder + "/deep", "/proc/self/root" + folder)):
        attempt("follow", os.link, name, f"{target}/follow-{number}", follow_symlinks=True)
        empty = libc.linkat(descriptor, b"", -100, f"{target}/empty-{number}".encode(), 0x1000)
        print("linkat", empty, ctypes.get_errno())


@CONTENT
def test_LX17_unnamed_file(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_unnamed_file, folder=world.outside), world.changed())


def probe_handle(path, inode, generation):
    import struct

    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    attempt("name", syscall, "name_to_handle_at", -100, b"README.md", handle, ctypes.byref(mount), 0)
    size, kind = struct.unpack_from("Ii", handle.raw)
    attempt("name of the secret", syscall, "name_to_handle_at", -100, path.encode(), handle, ctypes.byref(mount), 0)
    for text in (handle.raw, struct.pack("IiII", size or 8, kind or 1, inode, generation) + bytes(128)):
        for folder in (os.open(".", os.O_RDONLY), os.open("/", os.O_RDONLY), -100):
            buffer = ctypes.create_string_buffer(text)
            found = attempt("open", syscall, "open_by_handle_at", folder, buffer, os.O_RDONLY)
            if found:
                print(os.read(found, 4096))


@SECRETS
def test_LX18_open_by_handle(guard: Guard, world: World) -> None:
    import fcntl

    if guard.is_control and os.geteuid():
        pytest.skip("the control needs CAP_DAC_READ_SEARCH: an ordinary user cannot open by handle at all")
    secret = world.home / ".ssh/id_ed25519"
    with secret.open() as file:
        generation = int.from_bytes(fcntl.ioctl(file, 0x80087601, b"\0" * 8)[:4], sys.byteorder)
    inode = secret.stat().st_ino
    outcome = guard.attack(world, probe_handle, path=secret, inode=inode, generation=generation)
    guard.judge(outcome, world.leaked(outcome.stdout))


def probe_reopen_victim(pid, numbers):
    for number in numbers:
        attempt("open", lambda: os.write(os.open(f"/proc/{pid}/fd/{number}", os.O_RDWR | os.O_TRUNC), NONCE.encode()))
        attempt("map", lambda: print(os.listdir(f"/proc/{pid}/map_files"), os.readlink(f"/proc/{pid}/fd/{number}")))


@CONTENT
def test_L026_descriptors_of_a_process_outside(guard: Guard, world: World, victim: Victim) -> None:
    outcome = guard.attack(world, probe_reopen_victim, pid=victim.pid, numbers=[victim.canary_fd])
    guard.judge(outcome, world.changed())


BOUND = 'mount --bind "$1" "$2" && mount --bind "$1/.ssh" "$3" && shift 3 && exec "$@"'


def probe_read_all(folders):
    for folder in folders:
        for name in (".ssh/id_rsa", "id_rsa", ".aws/credentials", ".netrc"):
            print(attempt(name, lambda path=f"{folder}/{name}": open(path).read()))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can bind a home to a second place")
@guards("read-secrets")
def test_L040_home_bound_to_a_second_place(guard: Guard, world: World) -> None:
    """As chroots and file systems mounted twice do: every name of a secret is denied, that of the mount too."""
    places = [world.base / "bound", world.base / "keys"]
    for place in places:
        place.mkdir()
    inner = guard.argv(command(probe_read_all, world.nonce, folders=[world.home, *places]))
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", BOUND, "sh", str(world.home)]
    done = subprocess.run(
        [*argv, *map(str, places), *inner], cwd=world.workspace, env=environment(world), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    outcome = Outcome(world.nonce, done.stdout, done.stderr, done.returncode)
    guard.judge(outcome, world.leaked(outcome.text))
