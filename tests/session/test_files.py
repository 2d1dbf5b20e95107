"""File operations from outside: what they do, and that nothing made inside leads them elsewhere.

Knows: tricks with links, names and special files.  Must not know: how a cell is made.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sidewall
from sidewall import Sandbox


@pytest.fixture
def outside(place: Path) -> Path:
    made = place / "outside"
    made.mkdir()
    (made / "file").write_text("untouched")
    return made


@pytest.fixture(autouse=True)
def _closing(descriptors: None, sandbox: Sandbox) -> Iterator[None]:
    """Closed within the count of descriptors."""
    yield
    sandbox.close()


def test_round_trip(sandbox: Sandbox, workspace: Path) -> None:
    data = os.urandom(1000) * 5000
    sandbox.write_bytes("deep/er/file", data)
    assert sandbox.read_bytes("deep/er/file") == data == (workspace / "deep/er/file").read_bytes()
    before = (workspace / "deep/er/file").stat()
    sandbox.write_bytes(workspace / "deep/er/file", b"shorter")
    after = (workspace / "deep/er/file").stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 7)
    assert sandbox.run(["cat", "deep/er/file"], stdout=-1).stdout == b"shorter"
    assert sandbox.run(["sh", "-c", "echo from inside > deep/new"]).returncode == 0
    assert sandbox.read_bytes(b"deep/new") == b"from inside\n"


def test_names_that_are_no_text(sandbox: Sandbox, workspace: Path) -> None:
    name = b"\xff name\n"
    sandbox.write_bytes(name, b"x")
    assert name in os.listdir(os.fsencode(workspace))
    assert os.fsdecode(name) in [entry.name for entry in sandbox.list()]
    assert sandbox.read_bytes(name) == b"x"
    with pytest.raises(ValueError):
        sandbox.read_bytes("a\0b")


def test_stat_list_exists(sandbox: Sandbox, workspace: Path) -> None:
    workspace /= "d"
    sandbox.write_bytes("d/b", b"12345")
    sandbox.mkdir("d/a")
    (workspace / "link").symlink_to("b")
    (workspace / "dangling").symlink_to("nothing")
    os.mkfifo(workspace / "pipe")
    listed = [(entry.name, entry.kind, entry.is_dir) for entry in sandbox.list("d")]
    assert listed == [("a", "directory", True), ("b", "file", False), ("dangling", "link", False),
                      ("link", "link", False), ("pipe", "other", False)]
    found = sandbox.stat("d/link")
    assert (found.name, found.kind, found.size) == ("link", "file", 5)
    assert found.path == str(workspace.resolve() / "link")
    assert stat.S_ISREG(found.mode) and found.modified_ns == (workspace / "b").stat().st_mtime_ns
    assert sandbox.stat("d/link", follow=False).kind == "link"
    there = [path for path in ("d/a", "d/link", "d/dangling", "d/none", "d/b/c", ".", "/etc") if sandbox.exists(path)]
    assert there == ["d/a", "d/link", ".", "/etc"]


def test_errors_are_the_builtin_ones(sandbox: Sandbox, workspace: Path) -> None:
    sandbox.write_bytes("file", b"")
    os.mkfifo(workspace / "pipe")
    for use in (sandbox.read_bytes, sandbox.stat, sandbox.list, sandbox.remove):
        with pytest.raises(FileNotFoundError) as caught:
            use("missing/one")
        assert caught.value.filename == str(workspace.resolve() / "missing/one")
    with pytest.raises(IsADirectoryError):
        sandbox.read_bytes(".")
    with pytest.raises(IsADirectoryError):
        sandbox.write_bytes(".", b"")
    with pytest.raises(NotADirectoryError):
        sandbox.list("file")
    for use in (sandbox.mkdir, lambda path: sandbox.write_bytes(path, b"")):
        with pytest.raises(NotADirectoryError):
            use("file/child")
    with pytest.raises(FileExistsError):
        sandbox.mkdir("file")
    with pytest.raises(FileExistsError):
        sandbox.mkdir(".", exist_ok=False)
    with pytest.raises(FileNotFoundError):
        sandbox.mkdir("x/y", parents=False)
    for use in (sandbox.read_bytes, lambda path: sandbox.write_bytes(path, b"")):
        with pytest.raises(OSError):
            use("pipe")


def test_remove(sandbox: Sandbox, workspace: Path, outside: Path) -> None:
    sandbox.write_bytes("tree/a/b", b"")
    (workspace / "tree/out").symlink_to(outside)
    (workspace / "out").symlink_to(outside)
    sandbox.remove("tree")
    sandbox.remove("out")
    assert not {"tree", "out"} & set(os.listdir(workspace))
    assert (outside / "file").read_text() == "untouched"
    for path in (".", workspace, workspace.parent, "/", "..", "x/../.."):
        with pytest.raises((ValueError, FileNotFoundError)):
            sandbox.remove(path)
    assert workspace.is_dir()


def test_realpath(sandbox: Sandbox, workspace: Path) -> None:
    real = str(workspace.resolve())
    (workspace / "a/b").mkdir(parents=True)
    for name, target in (("rel", "b"), ("up", "../out"), ("loop1", "loop2"), ("loop2", "loop1"), ("abs", f"{real}/a")):
        (workspace / "a" / name).symlink_to(target)
    for path, expected in (("a/rel/missing", "/a/b/missing"), ("a/up/missing", "/out/missing"), ("a/rel/..", "/a"),
                           ("a/abs/rel/./x", "/a/b/x"), ("", ""), ("a//b/", "/a/b"), ("none/../a", "/a")):
        assert sandbox.realpath(path) == real + expected, path
    assert sandbox.realpath("/../..") == "/"
    with pytest.raises(OSError) as caught:
        sandbox.realpath("a/loop1/x")
    assert caught.value.errno == errno.ELOOP


def test_writing_elsewhere_is_denied(sandbox: Sandbox, outside: Path, workspace: Path) -> None:
    (workspace / "link").symlink_to(outside)
    (workspace / "file-link").symlink_to(outside / "file")
    (workspace / "new-link").symlink_to(outside / "new")
    (workspace / "chain").symlink_to("link/../outside/new")
    for path in (outside / "file", outside / "new", "link/file", "link/new/deep", "file-link", "new-link", "chain",
                 "../outside/file", "/etc/new"):
        for use in (lambda path: sandbox.write_bytes(path, b"x"), sandbox.mkdir):
            with pytest.raises(sidewall.AccessDenied) as caught:
                use(path)
            error = caught.value
            assert isinstance(error, PermissionError) and error.errno == errno.EACCES
            assert error.decision is not None and not error.decision.allowed
    for path in (outside, outside / "file", "link/file"):
        with pytest.raises(sidewall.AccessDenied):
            sandbox.remove(path)
    assert os.listdir(outside) == ["file"] and (outside / "file").read_text() == "untouched"


def test_reading_what_is_denied(make: Callable[..., Sandbox], outside: Path, workspace: Path) -> None:
    (outside / "link").symlink_to(workspace)
    sandbox = make(deny=[outside])
    (workspace / "link").symlink_to(outside)
    for path in (outside / "file", outside, "link/file", outside / "missing", "link/link", outside / "link/x"):
        for use in (sandbox.read_bytes, sandbox.list, sandbox.stat):
            with pytest.raises(sidewall.AccessDenied):
                use(path)
        assert not sandbox.exists(path)
    try:  # where a denied link leads is not told
        told = sandbox.realpath(outside / "link")
    except sidewall.AccessDenied:
        told = str(outside / "link")
    assert told == str(outside / "link")
    sandbox.close()


def test_protected_names_stay(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "sub/.git/hooks").mkdir(parents=True)
    (workspace / "sub/other").write_text("stays too")
    (workspace / "git").symlink_to("sub/.git")
    for path in ("sub/.git/hooks/post-checkout", "git/hooks/x", ".git/hooks/x", "new/.git/config"):
        with pytest.raises(sidewall.AccessDenied):
            sandbox.write_bytes(path, b"#!/bin/sh\n")
    for path in ("sub", "sub/.git", "sub/.git/hooks"):
        with pytest.raises(sidewall.AccessDenied):
            sandbox.remove(path)
    assert (workspace / "sub/other").exists() and (workspace / "sub/.git/hooks").is_dir()
    assert not (workspace / "new").exists()


def test_kernel_interfaces_are_left_to_commands(sandbox: Sandbox) -> None:
    for path in ("/proc/self/environ", "/proc/1/root/etc/passwd", "/sys/kernel", "/etc/../proc/self/status"):
        with pytest.raises(sidewall.AccessDenied) as caught:
            sandbox.read_bytes(path)
        assert caught.value.hint


def test_permission_bits_hold_for_root_too(sandbox: Sandbox, workspace: Path) -> None:
    """A command has no privilege to override them, so the file operations do not lend one."""
    sandbox.write_bytes("locked", b"x")
    (workspace / "locked").chmod(0)
    for use in (sandbox.read_bytes, lambda path: sandbox.write_bytes(path, b"")):
        with pytest.raises(PermissionError):
            use("locked")
    sandbox.mkdir("closed/inner")
    (workspace / "closed").chmod(0o500)
    with pytest.raises(PermissionError):
        sandbox.write_bytes("closed/new", b"")
    with pytest.raises(PermissionError):
        sandbox.remove("closed/inner")
    (workspace / "closed").chmod(0)
    with pytest.raises(PermissionError):
        sandbox.list("closed/inner")
    (workspace / "closed").chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user's files")
def test_another_users_private_file(sandbox: Sandbox, place: Path) -> None:
    secret = place / "secret"
    secret.write_text("theirs")
    secret.chmod(0o600)
    os.chown(secret, 12345, 12345)
    with pytest.raises(PermissionError):
        sandbox.read_bytes(secret)
    secret.chmod(0o604)
    assert sandbox.read_bytes(secret) == b"theirs"


def test_special_files(sandbox: Sandbox, workspace: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    os.chdir(workspace)  # a socket's path must be short
    server.bind("socket")
    for use in (sandbox.read_bytes, lambda path: sandbox.write_bytes(path, b"")):
        with pytest.raises(OSError):
            use("socket")
    server.close()
    os.chdir("/")
    sandbox.remove("socket")


def test_a_race_for_a_component_is_never_won(sandbox: Sandbox, workspace: Path, outside: Path) -> None:
    """A directory and a link to elsewhere swap places as fast as they can."""
    (workspace / "spot").mkdir()
    (workspace / "evil").symlink_to(outside)
    libc = ctypes.CDLL(None, use_errno=True)
    here, exchange = -100, 2
    names = os.fsencode(workspace / "spot"), os.fsencode(workspace / "evil")
    assert libc.renameat2(here, names[0], here, names[1], exchange) == 0
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            libc.renameat2(here, names[0], here, names[1], exchange)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        written = denied = 0
        for turn in range(3000):
            try:
                sandbox.write_bytes("spot/file" if turn % 2 else "spot/new", b"inside")
                written += 1
            except OSError:
                denied += 1
    finally:
        stop.set()
        thread.join()
    assert (outside / "file").read_text() == "untouched" and os.listdir(outside) == ["file"]
    assert written and denied  # both states were met


def test_private_places_are_not_the_hosts(sandbox: Sandbox, workspace: Path) -> None:
    """What a command calls /tmp is its own: a file operation means the same, or is refused."""
    name = f"/tmp/sidewall-private-{os.getpid()}"
    if "/tmp" not in sandbox.policy.private:
        pytest.skip("no private directory in this policy")
    try:
        sandbox.write_bytes(name, b"mine")
    except sidewall.AccessDenied:
        assert not os.path.exists(name)
    else:
        assert not os.path.exists(name)
        assert sandbox.run(["cat", name], stdout=-1).stdout == b"mine"
        sandbox.run(["sh", "-c", f"echo more >> {name}"])
        assert sandbox.read_bytes(name) == b"minemore\n"
