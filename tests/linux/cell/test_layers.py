"""Each layer holds alone: steps are taken out of a plan, and what is left must still hold what it claims.

Knows: which steps are the mounts, which Landlock, which the filter.  Must not know: how they work.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.plan import steps
from sidewall.policy.model import Network

from .place import PYTHON, Opened, Place, write

KEPT = (
    steps.Unshare, steps.Loopback, steps.Proc, steps.Devices, steps.ResourceLimits, steps.Privileges, steps.Landlock,
    steps.Seccomp,
)  # fmt: skip
MOUNTS = tuple(step for step in steps.Step.__subclasses__() if step not in KEPT)
ONLY_MOUNTS = (steps.Landlock, steps.Seccomp, steps.Privileges)
CONTENT = "what was there\n"


@pytest.fixture
def place(far: Place) -> Place:
    """Not below /tmp, which Landlock leaves writable, since it is the cell's own."""
    return far


@pytest.fixture
def outside(place: Place) -> Path:
    """A directory outside the workspace, with a file, a directory and a link in it."""
    write(place.outside / "file", CONTENT)
    write(place.outside / "sub" / "file", CONTENT)
    (place.outside / "empty").mkdir()
    (place.outside / "link").symlink_to("file")
    return place.outside


def looks(outside: Path) -> dict[str, object]:
    """Everything but metadata of what is outside."""
    found: dict[str, object] = {}
    for path in sorted(outside.rglob("*")):
        name = os.fspath(path.relative_to(outside))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else path.is_dir()
    return found


def metadata(outside: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in (outside, *sorted(outside.rglob("*"))):
        info = path.lstat()
        names = os.listxattr(path, follow_symlinks=False)
        extra = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        found[os.fspath(path)] = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, extra)
    return found


def change_content(outside: str) -> None:
    import os

    def attempt(name, action, *arguments):  # type: ignore[no-untyped-def]
        try:
            action(*arguments)
            print("DID", name)
        except OSError as error:
            print("REFUSED", name, error.errno)

    def put(path, flags):  # type: ignore[no-untyped-def]
        os.write(os.open(path, flags, 0o644), b"changed")

    file = outside + "/file"
    os.chdir("sub") if os.path.isdir("sub") else None
    open("mine", "w").write("mine")
    attempt("write", put, file, os.O_WRONLY)
    attempt("append", put, file, os.O_WRONLY | os.O_APPEND)
    attempt("through a link", put, outside + "/link", os.O_WRONLY)
    attempt("through /proc", put, "/proc/self/root" + file, os.O_WRONLY)
    attempt("open and truncate", os.open, file, os.O_RDONLY | os.O_TRUNC)
    attempt("truncate", os.truncate, file, 1)
    attempt("create", put, outside + "/new", os.O_WRONLY | os.O_CREAT)
    attempt("make a directory", os.mkdir, outside + "/newdir")
    attempt("make a link", os.symlink, "file", outside + "/newlink")
    attempt("make a hard link", os.link, file, outside + "/hard")
    attempt("make a pipe", os.mkfifo, outside + "/pipe")
    attempt("delete", os.unlink, outside + "/sub/file")
    attempt("delete a directory", os.rmdir, outside + "/empty")
    attempt("rename", os.rename, outside + "/link", outside + "/other")
    attempt("take away by link", os.link, file, "linked")
    attempt("take away", os.rename, file, "taken")
    attempt("put in", os.link, "mine", outside + "/put")
    attempt("replace", os.rename, "mine", file)


def change_metadata(outside: str) -> None:
    import os

    for name, action in {
        "mode": lambda: os.chmod(outside + "/file", 0o777),
        "times": lambda: os.utime(outside + "/file", (1, 1)),
        "owner": lambda: os.chown(outside + "/file", os.getuid(), 12345),
        "attribute": lambda: os.setxattr(outside + "/file", "user.mark", b"x"),
        "mode of a directory": lambda: os.chmod(outside, 0o700),
    }.items():
        try:
            action()
            print("DID", name)
        except OSError as error:
            print("REFUSED", name, error.errno)


def abi(cell: Opened) -> int:
    return max((step.abi for step in cell.plan.steps if isinstance(step, steps.Landlock)), default=0)


def unchanged(cell: Opened, outside: Path) -> None:
    before = looks(outside)
    said = cell.python(change_content, os.fspath(outside)).output
    assert "REFUSED replace" in said and "DID" not in said, said
    assert looks(outside) == before


def test_without_any_layer_everything_can_be_changed(place: Place, namespace: str, outside: Path) -> None:
    """The probe is a probe: with no layer on, it does what the others must refuse."""
    cell = place.open(namespace, without=(*MOUNTS, *ONLY_MOUNTS))
    before = looks(outside)
    said = cell.python(change_content, os.fspath(outside)).output
    assert "DID truncate" in said and "DID take away" in said and "DID delete" in said, said
    assert looks(outside) != before
    seen = metadata(outside)
    write(outside / "file")
    assert "DID times" in cell.python(change_metadata, os.fspath(outside)).output
    assert metadata(outside) != seen


def test_write_outside_by_mounts_alone(place: Place, namespace: str, outside: Path) -> None:
    unchanged(place.open(namespace, without=ONLY_MOUNTS), outside)


def test_write_outside_by_landlock_alone(place: Place, namespace: str, outside: Path) -> None:
    cell = place.open(namespace, without=(*MOUNTS, steps.Seccomp))
    if abi(cell) < 3:
        pytest.skip("Landlock does not cover truncate(2) before ABI 3")
    unchanged(cell, outside)
    assert cell.run("echo x > mine && cat mine").output == "x\n"


def test_write_outside_in_the_landlock_tier(place: Place, landlock: str, outside: Path) -> None:
    cell = place.open(landlock, without=(steps.Seccomp,))
    if abi(cell) < 3:
        pytest.skip("Landlock does not cover truncate(2) before ABI 3")
    unchanged(cell, outside)


def test_metadata_outside_by_mounts_alone(place: Place, namespace: str, outside: Path) -> None:
    cell = place.open(namespace, without=ONLY_MOUNTS)
    before = metadata(outside)
    said = cell.python(change_metadata, os.fspath(outside)).output
    assert "DID" not in said and "REFUSED mode of a directory" in said, said
    assert metadata(outside) == before


REMOUNT = """
set -x
mount -o remount,rw,bind / || true
mount -o remount,rw,bind "$1" || true
mount -t tmpfs none "$1" && umount "$1" || true
umount "$1" || true
umount -l / || true
echo changed > "$1/file" || true
touch "$1/new" || true
"""


def nested(cell: Opened, outside: Path) -> str:
    """As root of a user namespace inside, and without one: mount commands, then writes."""
    script = ["sh", "-c", REMOUNT, "sh", os.fspath(outside)]
    return cell.run(["unshare", "-Urm", *script]).output + cell.run(script).output


def test_mounts_hold_against_a_nested_user_namespace(place: Place, namespace: str, outside: Path) -> None:
    """Without a filter a command may make namespaces, and be root there; what is read-only stays so."""
    before = looks(outside)
    said = nested(place.open(namespace, without=(steps.Landlock, steps.Seccomp)), outside)
    assert looks(outside) == before, said


def test_mounts_and_landlock_hold_with_every_capability(place: Place, namespace: str, outside: Path) -> None:
    """Without the step for privileges a command holds all capabilities over the cell; the filter keeps it from
    mounting, Landlock too."""
    before = looks(outside)
    for off in ((steps.Privileges, steps.Landlock), (steps.Privileges, steps.Seccomp)):
        cell = place.open(namespace, without=off)
        held = cell.run("grep CapEff /proc/self/status").output.split()[1]
        assert int(held, 16) or os.geteuid() != 0
        said = nested(cell, outside)
        assert looks(outside) == before, (off, said)


def test_privileges_without_the_filter(place: Place, namespace: str) -> None:
    cell = place.open(namespace, without=(steps.Seccomp,))
    said = cell.run("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").output
    assert "NoNewPrivs:\t1" in said and "Seccomp:\t0" in said
    assert {line.split()[1] for line in said.splitlines() if line.startswith("Cap")} == {"0" * 16}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A service of the host."""
    with socket.socket() as service:
        service.bind(("127.0.0.1", 0))
        service.listen(8)
        service.setblocking(False)
        yield service


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))
        service.setblocking(False)
        yield service


def reach(tcp: int, udp: int, abstract: str) -> None:
    import socket

    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", tcp)),
        (socket.AF_INET6, socket.SOCK_STREAM, ("::ffff:127.0.0.1", tcp)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", udp)),
        (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + abstract),
    ):
        try:
            one = socket.socket(family, kind)
            one.settimeout(5)
            one.connect(address)
            one.send(b"hello")
            print("SENT", family, kind)
        except OSError as error:
            print("REFUSED", family, kind, error.errno)


def arrived(*services: socket.socket) -> list[int]:
    found = []
    for service in services:
        try:
            service.recv(100) if service.type == socket.SOCK_DGRAM else service.accept()[0].close()
            found.append(service.type)
        except BlockingIOError:
            continue
    return found


OFF = [
    ("namespace", ()), ("namespace", (steps.Seccomp,)), ("namespace", (steps.Seccomp, steps.Landlock)),
    ("landlock", ()), ("landlock", (steps.Landlock,)),
]  # fmt: skip


@pytest.mark.parametrize(("which", "off"), OFF)
def test_network_off(
    place: Place, request: pytest.FixtureRequest, listener: socket.socket, receiver: socket.socket, which: str,
    off: tuple[type, ...],
) -> None:  # fmt: skip
    """By the namespace without the filter; by the filter without Landlock."""
    cell = place.open(request.getfixturevalue(which), without=off)
    said = cell.python(reach, listener.getsockname()[1], receiver.getsockname()[1], "nobody").output
    assert arrived(listener, receiver) == [], said
    assert "SENT 2 1" not in said and "SENT 10" not in said, said


def test_tcp_off_by_landlock_without_the_filter(place: Place, landlock: str, listener: socket.socket) -> None:
    cell = place.open(landlock, without=(steps.Seccomp,))
    if abi(cell) < 4:
        pytest.skip("Landlock does not know the network before ABI 4")
    cell.python(reach, listener.getsockname()[1], 9, "nobody")
    assert arrived(listener) == []


def test_network_on_reaches_the_service(place: Place, tier: str, listener: socket.socket) -> None:
    """The probe is a probe: where the policy allows it, it arrives."""
    cell = place.open(tier, network=Network(mode="on"))
    said = cell.python(reach, listener.getsockname()[1], 9, "nobody").output
    assert arrived(listener) == [socket.SOCK_STREAM], said


@pytest.mark.parametrize("off", [(), (steps.Seccomp,), (steps.Landlock,)])
def test_abstract_sockets_of_the_host(place: Place, namespace: str, off: tuple[type, ...]) -> None:
    """By the network namespace, and by the keeper that answers for connect(2)."""
    name = f"sidewall-{os.urandom(8).hex()}"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind("\0" + name)
        service.listen(4)
        service.setblocking(False)
        for mode in ("off", "on") if steps.Seccomp not in off else ("off",):
            cell = place.open(namespace, without=off, network=Network(mode=mode))
            said = cell.python(reach, 9, 9, name).output
            assert arrived(service) == [] and "SENT 1 1" not in said, (mode, said)


def test_processes_of_the_host(place: Place, tier: str) -> None:
    """By the pid namespace alone; by Landlock's scope alone."""
    off = {"namespace": (steps.Seccomp, steps.Landlock), "landlock": (steps.Seccomp,)}[tier]
    cell = place.open(tier, without=off)
    if tier == "landlock" and abi(cell) < 6:
        pytest.skip("Landlock does not scope signals before ABI 6")
    victim = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(60)"])
    try:
        said = cell.run(f"kill -9 {victim.pid}; {'kill -9 -1' if tier == 'namespace' else 'true'}").output
        with pytest.raises(subprocess.TimeoutExpired):
            victim.wait(0.2)
        assert cell.run("echo alive").output == "alive\n", said
    finally:
        victim.kill()
        victim.wait(10)
