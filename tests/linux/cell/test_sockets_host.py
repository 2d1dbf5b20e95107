"""Unix sockets of the host, and of other cells: no connection arrives there and no byte, whatever they are called and
whoever changes what meanwhile.

Knows: unix(7), and the race between a check and its use.  Must not know: who answers for connect(2).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.plan import steps
from sidewall.policy.model import Network

from .place import Opened, Place


@pytest.fixture
def cell(place: Place, namespace: str) -> Opened:
    return place.open(namespace)


def knock(addresses: list[str]) -> None:
    import socket

    for address in addresses:
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
            try:
                one = socket.socket(socket.AF_UNIX, kind)
                one.settimeout(5)
                one.connect(address)
                one.send(b"secret")
                print("CONNECTED", address, kind)
            except OSError:
                pass
            try:
                one = socket.socketpair(socket.AF_UNIX, kind)[0]
                one.sendto(b"secret", address)
                print("SENT", address, kind)
            except OSError:
                continue
    print("end")


class Service:
    """A listener of the host, of which is known whether anybody ever came."""

    def __init__(self, address: str) -> None:
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.bind(address)
        self.stream.listen(128)
        self.stream.setblocking(False)

    def guests(self) -> int:
        count = 0
        while True:
            try:
                self.stream.accept()[0].close()
                count += 1
            except BlockingIOError:
                return count


@pytest.fixture
def services() -> Iterator[list[Service]]:
    made: list[Service] = []
    yield made
    for service in made:
        service.stream.close()


@pytest.fixture(params=["namespace", "landlock"])
def guarded(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_sockets_of_the_host(
    place: Place, guarded: str, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, by an alias, in the workspace, by an abstract name, made before or after the cell."""
    monkeypatch.chdir(place.base)
    for name in ("home/outside/host", "home/work/host", "elsewhere/host"):
        services.append(Service(name))
    abstract = f"\0sidewall-{os.urandom(6).hex()}"
    services.append(Service(abstract))
    (place.work / "alias").symlink_to(place.outside / "host")
    cell = place.open(guarded)
    for name in ("home/outside/late", "home/work/late"):
        services.append(Service(name))
    cell.run("ln -s ../outside/late late-alias; ln host hard; ln ../outside/host hard2; mv late late2")
    paths = [place.outside / "host", place.outside / "late", place.work / "host", place.elsewhere / "host"]
    addresses = [os.fspath(path) for path in paths if len(os.fspath(path)) < 100]
    addresses += ["../outside/host", "../outside/late", "host", "late", "late2"]
    addresses += ["alias", "late-alias", "hard", "hard2", abstract]
    addresses += [f"/proc/self/cwd/{name}" for name in ("host", "../outside/host", "late2")]
    addresses += [f"/proc/self/root{path}" for path in paths if len(os.fspath(path)) < 90]
    said = cell.python(knock, addresses).output
    assert said == "end\n"
    assert [service.guests() for service in services] == [0] * len(services)


def test_an_attempt_is_told(
    place: Place, cell: Opened, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.outside)
    services.append(Service("host"))
    cell.cell.attempts()
    cell.python(knock, ["../outside/host"])
    told = {(attempt.kind, attempt.target) for attempt in cell.cell.attempts()}
    assert told == {("unix", "../outside/host")}
    assert cell.cell.attempts() == ()


def flip(good: str, bad: str, seconds: float) -> None:
    """While one thread connects to the bad address, others swap the descriptor and the address under it."""
    import ctypes
    import os
    import socket
    import threading
    import time

    libc = ctypes.CDLL(None, use_errno=True)
    service = socket.socket(socket.AF_UNIX)
    service.bind(good)
    service.listen(1000)
    internet, local = socket.socket(), [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)]
    shown = os.dup(internet.fileno())
    heads = [(b"\1\0" + name.encode() + b"\0").ljust(110, b"\0") for name in (good, bad)]
    room = ctypes.create_string_buffer(heads[0], 110)
    until = time.monotonic() + seconds
    counts = [0, 0]

    def swap_descriptors():  # type: ignore[no-untyped-def]
        while time.monotonic() < until:
            try:
                os.dup2(internet.fileno(), shown)
                os.dup2(local[0].fileno(), shown)
            except OSError:
                continue

    def swap_addresses():  # type: ignore[no-untyped-def]
        while time.monotonic() < until:
            for head in heads:
                ctypes.memmove(room, head, 110)

    def send():  # type: ignore[no-untyped-def]
        while time.monotonic() < until:
            try:
                os.write(shown, b"secret")
            except OSError:
                continue

    threads = [threading.Thread(target=one) for one in (swap_descriptors, swap_addresses, send)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        counts[libc.connect(shown, room, 110) == 0] += 1
        try:
            service.setblocking(False)
            service.accept()[0].close()
        except OSError:
            pass
        local[0] = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    for thread in threads:
        thread.join(10)
    print(counts[0] + counts[1] > 20)


@pytest.mark.parametrize("where", ["outside", "work"])
def test_nothing_swapped_meanwhile_gets_out(
    place: Place, cell: Opened, services: list[Service], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(place.home / where)
    services.append(Service("host"))
    said = cell.python(flip, "good", f"../{where}/host", 2.0).output
    assert said == "True\n"
    assert services[0].guests() == 0


def test_the_swapping_probe_gets_out_where_nobody_is_asked(
    place: Place, namespace: str, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe is a probe."""
    monkeypatch.chdir(place.outside)
    services.append(Service("host"))
    cell = place.open(namespace, without=(steps.Seccomp, steps.Landlock))
    cell.python(flip, "good", "../outside/host", 0.5)
    assert services[0].guests() > 0


def serve() -> None:
    import socket

    service = socket.socket(socket.AF_UNIX)
    service.bind("run")
    service.listen(9)
    open("up", "w").write("up")
    while True:
        one = service.accept()[0]
        one.send(b"ok")
        one.close()


def serving(cell: Opened, place: Place) -> None:
    """Starts a server in the cell, on a socket in the workspace."""
    cell.start_python(serve).close()
    deadline = time.monotonic() + 10
    while not (place.work / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_host_reaches_a_server_in_the_workspace(
    place: Place, cell: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an editor does with a server started inside."""
    serving(cell, place)
    monkeypatch.chdir(place.work)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect("run")
        assert client.recv(10) == b"ok"


def test_cells_on_one_workspace_do_not_reach_each_other(place: Place, namespace: str) -> None:
    first, second = place.open(namespace), place.open(namespace)
    serving(first, place)
    said = second.python(knock, ["run"]).output
    assert said == "end\n"


def test_sockets_of_a_path_that_is_too_long_are_no_way_out(place: Place, cell: Opened, services: list[Service]) -> None:
    """108 bytes without an end: the kernel takes them, and so does the keeper."""
    deep = place.outside
    while len(os.fspath(deep)) < 60:
        deep = deep / "directory"
    deep.mkdir(parents=True, exist_ok=True)
    name = "x" * 20
    before = Path.cwd()
    os.chdir(deep)
    try:
        services.append(Service(name))
    finally:
        os.chdir(before)
    relative = os.path.relpath(deep / name, place.work)
    padded = "./" * ((108 - len(relative)) // 2) + relative
    said = cell.python(knock, [padded, padded.ljust(108, "/")[:108]]).output
    assert "CONNECTED" not in said
    assert services[0].guests() == 0


def receive(name: str) -> None:
    import os
    import socket

    service = socket.socket(socket.AF_UNIX)
    service.bind(name)
    service.listen(100)
    open(name + ".up", "w").close()
    while True:
        service.settimeout(60)
        guest = service.accept()[0]
        guest.settimeout(1)
        try:
            said = guest.recv(100)
        except OSError:
            said = b""
        with open(name + ".guests", "ab") as guests:
            os.write(guests.fileno(), b"guest " + said + b"\n")
        guest.close()


@pytest.mark.parametrize("network", ["off", "on"])
def test_another_cell_in_the_same_workspace(place: Place, cell: Opened, network: str) -> None:
    """Neither a connection nor a byte, though both may write to the directory and one of them tries hard."""
    other = place.open("namespace", network=Network(mode=network))
    child = other.start_python(receive, "theirs")
    deadline = time.monotonic() + 20
    while not (place.work / "theirs.up").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert other.python(talk, "theirs").output == "CONNECTED\n"
    guests = place.work / "theirs.guests"
    while not (guests.exists() and guests.read_bytes().endswith(b"\n")) and time.monotonic() < deadline:
        time.sleep(0.01)  # its own visitor is written down, and nobody else
    assert guests.read_bytes() == b"guest secret\n"
    guests.write_bytes(b"")
    cell.run("ln theirs hard; ln -s theirs soft")
    for name in ("theirs", "./theirs", "hard", "soft", f"{place.work}/theirs"):
        assert cell.python(talk, name).output in ("ConnectionRefusedError\n", "PermissionError\n")
    assert cell.python(flip, "good", "theirs", 2.0).output == "True\n"
    other.cell.close()
    child.close()
    assert guests.read_bytes() == b""


def talk(address: str) -> None:
    import socket

    one = socket.socket(socket.AF_UNIX)
    one.settimeout(5)
    try:
        one.connect(address)
        print("CONNECTED")
        one.sendall(b"secret")
    except OSError as error:
        print(type(error).__name__)
