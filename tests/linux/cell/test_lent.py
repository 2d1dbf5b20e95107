"""What a policy lends of the host's: the sockets it names and their neighbours, the ports it names and others.

Knows: unix(7), tcp(7), and how a name can be turned round.  Must not know: who makes the connections.
Whether somebody came is asked of the servers, which are real and outside.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.errors import ConfigError, MachineError
from sidewall.policy.model import Network

from .place import Opened, Place


class Service:
    """A server of the host: it answers each guest with its name and counts them."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self.name = name
        self.listener = listener
        self.guests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                guest = self.listener.accept()[0]
            except OSError:
                return
            guest.settimeout(10)
            try:
                self.guests.append(guest.recv(100))
                guest.sendall(self.name.encode())
            except OSError:
                self.guests.append(b"broken")
            guest.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(10)


class Services:
    """Servers of one test."""

    def __init__(self) -> None:
        self.made: list[Service] = []

    def unix(self, path: Path | str) -> Service:
        listener = socket.socket(socket.AF_UNIX)
        directory = os.open(os.path.dirname(os.fspath(path)) or "/", os.O_PATH) if "/" in os.fspath(path) else -1
        try:
            name = os.fspath(path)
            # A test's directory may be longer than an address.
            listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(name)}" if directory >= 0 else name)
        finally:
            if directory >= 0:
                os.close(directory)
        listener.listen(50)
        return self._add(Service(os.path.basename(name), listener))

    def tcp(self, address: str = "127.0.0.1", port: int = 0) -> Service:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(50)
        return self._add(Service("tcp", listener))

    def _add(self, service: Service) -> Service:
        self.made.append(service)
        return service


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()
    yield made
    for service in made.made:
        service.close()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Place]:
    """A place whose paths fit into the address of a socket, outside of the directories that a cell covers."""
    base = Path.home() / f".sw{os.getpid():x}"
    base.mkdir()
    made = Place(base)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(base)


def opened(place: Place, tier: str, *names: Path | str, **changes: object) -> Opened:
    return place.open(tier, network=Network(unix_sockets=tuple(map(os.fspath, names)), **changes))  # type: ignore[arg-type]


def call(addresses: list[str]) -> None:
    import socket

    for address in addresses:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(10)
        try:
            one.connect(address)
            one.sendall(b"hello")
            print(one.recv(100).decode() or "closed")
        except OSError as error:
            print(type(error).__name__)


def test_the_named_socket_and_its_neighbour(short: Place, tier: str, services: Services) -> None:
    named, beside = services.unix(short.outside / "named"), services.unix(short.outside / "beside")
    cell = opened(short, tier, short.outside / "named")
    asked = [f"{short.outside}/named", "../outside/named", f"{short.outside}/./../outside/named",
             f"/proc/self/root{short.outside}/named", f"{short.outside}/beside", "../outside/beside"]  # fmt: skip
    said = cell.python(call, asked).output.split()
    assert said[:3] == ["named"] * 3 and said[4:] == ["PermissionError"] * 2
    assert beside.guests == []
    assert set(named.guests) == {b"hello"} and len(named.guests) == said.count("named")
    assert (short.outside / "named").is_socket()
    told = [attempt.target for attempt in cell.cell.attempts() if attempt.kind == "unix"]
    assert f"{short.outside}/beside" in told and f"{short.outside}/named" not in told


def test_links_made_inside_lead_to_nothing_more(short: Place, tier: str, services: Services) -> None:
    named, beside = services.unix(short.outside / "named"), services.unix(short.outside / "beside")
    cell = opened(short, tier, short.outside / "named")
    cell.run("ln -s ../outside/named good; ln -s ../outside/beside bad; ln -s ../outside dir; ln -s bad named; "
             f"mkdir -p .{short.outside}; ln -s {short.outside}/beside .{short.outside}/named")  # fmt: skip
    said = cell.python(call, ["good", "dir/named", "bad", "named", "dir/beside", f".{short.outside}/named"]).output
    assert said.split() == ["named", "named", *["PermissionError"] * 4]
    assert (len(named.guests), beside.guests) == (2, [])


def test_datagrams_do_not_get_there(short: Place, tier: str, services: Services) -> None:
    services.unix(short.outside / "named")
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    silent.bind(os.fspath(short.outside / "datagrams"))
    silent.setblocking(False)
    cell = opened(short, tier, short.outside / "named")
    assert cell.python(send_datagram, f"{short.outside}/datagrams").output == "end\n"
    with pytest.raises(BlockingIOError):
        silent.recv(10)
    with pytest.raises(ConfigError, match="datagrams"):
        opened(short, tier, short.outside / "datagrams")
    silent.close()


def send_datagram(address: str) -> None:
    import socket

    for make in (socket.socket, socket.socketpair):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
            try:
                made = make(socket.AF_UNIX, kind)
                # To the other end of a pair of packet sockets it may well go.
                (made if isinstance(made, socket.socket) else made[0]).sendto(b"secret", address)
            except OSError:
                continue
    print("end")


def test_a_server_that_starts_again_is_found_again(short: Place, tier: str, services: Services) -> None:
    path = short.outside / "named"
    services.unix(path).close()
    cell = opened(short, tier, path)
    assert cell.python(call, [os.fspath(path)]).output == "ConnectionRefusedError\n"
    path.unlink()
    services.made.clear()
    services.unix(path)
    assert cell.python(call, [os.fspath(path)]).output == "named\n"


def test_a_server_that_comes_late(short: Place, tier: str, services: Services) -> None:
    path = short.outside / "late"
    cell = opened(short, tier, path)
    assert cell.python(call, [os.fspath(path), "../outside/late"]).output.split() == ["FileNotFoundError"] * 2
    services.unix(path)
    said = cell.python(call, [os.fspath(path), "../outside/late"]).output.split()
    # Where directories are put together anew, what comes later is not seen, but reached.
    assert said == ["late", "late"]


def test_replaced_outside_by_a_link(short: Place, tier: str, services: Services) -> None:
    """Whoever may write there is not always whom the policy trusts."""
    path = short.outside / "named"
    services.unix(path)
    beside = services.unix(short.outside / "beside")
    cell = opened(short, tier, path)
    path.unlink()
    path.symlink_to(short.outside / "beside")
    said = cell.python(call, [os.fspath(path)]).output
    assert said in ("PermissionError\n", "OSError\n"), said
    assert beside.guests == []


def test_a_link_in_the_workspace_is_refused(short: Place, tier: str, services: Services) -> None:
    """As a command of an earlier session could have left it."""
    beside = services.unix(short.outside / "beside")
    (short.work / "app").symlink_to(short.outside / "beside")
    (short.work / "dir").symlink_to(short.outside)
    for name in ("app", "dir/beside"):
        with pytest.raises(ConfigError, match="symbolic link") as caught:
            opened(short, tier, short.work / name)
        assert os.fspath(short.outside / "beside") in caught.value.hint
    assert beside.guests == []


def test_in_the_workspace_it_cannot_be_replaced(short: Place, namespace: str, services: Services) -> None:
    (short.work / "run").mkdir()
    app, other = services.unix(short.work / "run" / "app"), services.unix(short.work / "other")
    cell = opened(short, namespace, short.work / "run" / "app")
    assert cell.python(call, ["run/app", "other"]).output.split() == ["app", "PermissionError"]
    tried = cell.run("rm -f run/app; mv other run/app; ln -f other run/app; ln -sf ../other run/app; mv run/app x; "
                     "mv run elsewhere; mkdir run2; mv -T run2 run; ln other other2; ls -i run/app")  # fmt: skip
    assert str((short.work / "run" / "app").stat().st_ino) in tried.output
    said = cell.python(call, ["run/app", "other", "other2", "x"]).output.split()
    # A move between file systems is a copy, and the copy of a socket is a socket of nobody's.
    assert said[:3] == ["app", "PermissionError", "PermissionError"]
    assert said[3] in ("FileNotFoundError", "ConnectionRefusedError")
    assert (len(app.guests), other.guests) == (2, [])


def test_in_the_workspace_without_mounts_it_is_refused(short: Place, landlock: str, services: Services) -> None:
    services.unix(short.work / "app")
    with pytest.raises(MachineError, match="writable root") as caught:
        opened(short, landlock, short.work / "app")
    assert "namespace tier" in caught.value.hint


def test_one_that_a_private_directory_covers(place: Place, tier: str, services: Services, tmp_path: Path) -> None:
    """Below /tmp, which the namespace tier has of its own, also through the system's own links."""
    if len(os.fspath(tmp_path)) > 80:
        pytest.skip("the test's directory is too long for the address of a socket")
    services.unix(place.elsewhere / "named")
    services.unix(place.elsewhere / "beside")
    cell = opened(place, tier, place.elsewhere / "named")
    said = cell.python(call, [f"{place.elsewhere}/named", f"{place.elsewhere}/beside"]).output.split()
    assert said[0] == "named" and said[1] in ("FileNotFoundError", "PermissionError")


def test_abstract_names(short: Place, tier: str, services: Services) -> None:
    name = f"sidewall-{os.urandom(6).hex()}"
    service, beside = services.unix("\0" + name), services.unix("\0" + name + "2")
    with pytest.raises(ConfigError, match="abstract" if tier == "namespace" else "no unix socket"):
        # Without namespaces abstract names are shared; a directory is no socket in any tier.
        opened(short, tier, "@" + name if tier == "namespace" else short.work)
    cell = opened(short, tier, "@" + name, mode="on")
    said = cell.python(call, ["\0" + name, "\0" + name + "2", "\0" + name + "\0"]).output.split()
    assert said[0].strip("\0") == name and set(said[1:]) == {"ConnectionRefusedError"}
    assert (len(service.guests), beside.guests) == (1, [])


# ---- ports

def ask(addresses: list[tuple[str, int]]) -> None:
    import socket

    for host, port in addresses:
        try:
            with socket.create_connection((host, port), timeout=10) as one:
                one.sendall(b"hello")
                print(one.recv(100).decode() or "closed", one.getpeername()[1] == port)
        except OSError as error:
            print(type(error).__name__)


def with_ports(place: Place, *ports: int) -> Opened:
    return place.open("namespace", network=Network(loopback_ports=ports))


def port_of(service: Service) -> int:
    return int(service.listener.getsockname()[1])


def test_the_named_port_and_others(place: Place, namespace: str, services: Services) -> None:
    named, other = services.tcp(), services.tcp()
    wide = services.tcp("0.0.0.0")
    cell = with_ports(place, port_of(named), port_of(wide))
    asked = [("127.0.0.1", port_of(named)), ("localhost", port_of(named)), ("127.0.0.1", port_of(wide)),
             ("127.0.0.1", port_of(other)), ("127.0.0.2", port_of(named)), ("::1", port_of(named)),
             ("127.0.0.2", port_of(wide))]  # fmt: skip
    said = cell.python(ask, asked).output.splitlines()
    assert said[:3] == ["tcp True"] * 3
    assert said[3:] == ["ConnectionRefusedError"] * 4
    assert (named.guests, wide.guests, other.guests) == ([b"hello"] * 2, [b"hello"], [])


def test_no_other_host_by_that_port(place: Place, namespace: str, services: Services) -> None:
    """An address of this machine that is not its loopback stays out of reach."""
    wide = services.tcp("0.0.0.0")
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))
        own = probe.getsockname()[0]
    except OSError:
        pytest.skip("this machine has no address but loopback")
    finally:
        probe.close()
    with socket.create_connection((own, port_of(wide)), timeout=10) as reached:
        reached.sendall(b"control")
        assert reached.recv(10) == b"tcp"
    said = with_ports(place, port_of(wide)).python(ask, [(own, port_of(wide))]).output.split()
    assert said == ["OSError"] and wide.guests == [b"control"]


def test_six(place: Place, namespace: str, services: Services) -> None:
    try:
        six = services.tcp("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    cell = with_ports(place, port_of(six))
    assert cell.python(ask, [("::1", port_of(six)), ("127.0.0.1", port_of(six))]).output.splitlines() == [
        "tcp True", "ConnectionRefusedError"]  # fmt: skip


def test_a_server_that_is_not_up_yet(place: Place, namespace: str, services: Services) -> None:
    first = services.tcp()
    port = port_of(first)
    first.close()
    services.made.clear()
    cell = with_ports(place, port)
    assert cell.python(ask, [("127.0.0.1", port)]).output == "ConnectionRefusedError\n"
    services.tcp(port=port)
    assert cell.python(ask, [("127.0.0.1", port)]).output == "tcp True\n"


def much(port: int, size: int) -> None:
    import hashlib
    import socket
    import threading

    one = socket.create_connection(("127.0.0.1", port), timeout=20)
    block = bytes(range(256)) * 256
    sent, got = hashlib.sha256(), hashlib.sha256()

    def send() -> None:
        for _ in range(size // len(block)):
            one.sendall(block)
            sent.update(block)
        one.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    count = 0
    while data := one.recv(1 << 16):
        got.update(data)
        count += len(data)
    thread.join(20)
    print(count == size, sent.digest() == got.digest())


def test_both_ways_at_once(place: Place, namespace: str) -> None:
    """An echo of more than all buffers hold, and an end of input that arrives while the answer still flows."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        guest = listener.accept()[0]
        guest.settimeout(20)
        while data := guest.recv(1 << 16):
            guest.sendall(data)
        guest.close()

    thread = threading.Thread(target=echo)
    thread.start()
    try:
        cell = with_ports(place, listener.getsockname()[1])
        assert cell.python(much, listener.getsockname()[1], 32 << 20, seconds=60).output == "True True\n"
    finally:
        thread.join(20)
        listener.close()


def test_many_at_once(place: Place, namespace: str, services: Services) -> None:
    service = services.tcp()
    cell = with_ports(place, port_of(service))
    assert cell.python(crowd, port_of(service), 120).output == "120\n"
    assert len(service.guests) == 120


def crowd(port: int, count: int) -> None:
    import socket
    import threading

    done = []

    def one() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as end:
            end.sendall(b"hello")
            done.append(end.recv(10))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    print(done.count(b"tcp"))


def test_the_port_is_the_hosts_and_not_the_cells(place: Place, namespace: str, services: Services) -> None:
    service = services.tcp()
    cell = with_ports(place, port_of(service))
    assert cell.python(take, port_of(service)).output.split() == ["OSError", "OSError", "bound"]


def take(port: int) -> None:
    import socket

    for host, number in (("127.0.0.1", port), ("0.0.0.0", port), ("127.0.0.1", 0)):
        one = socket.socket()
        try:
            one.bind((host, number))
            one.listen()
            print("bound")
        except OSError as error:
            print(type(error).__name__)


def test_low_ports_and_the_end(place: Place, namespace: str) -> None:
    """A port that takes a capability; and nothing listens on after the cell, nor did on the host."""
    cell = with_ports(place, 7)
    before = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    assert not any(name.endswith(":0007") for name in before)
    assert "0100007F:0007" in cell.run("cat /proc/net/tcp").output
    cell.close()


def test_http_with_curl(place: Place, namespace: str) -> None:
    import functools
    import http.server

    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    (place.elsewhere / "page").write_text("from outside\n")
    handler = functools.partial(Quiet, directory=os.fspath(place.elsewhere))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.server_address[1]
            cell = with_ports(place, port)
            assert cell.run(f"curl -sS -m 10 http://localhost:{port}/page").output == "from outside\n"
            assert "7" in cell.run(f"curl -s -m 10 http://localhost:{port + 1}/page; echo $?").output
        finally:
            server.shutdown()
            thread.join(10)


def _quiet() -> type:
    import http.server

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    return Handler


Quiet = _quiet()


def test_ports_without_a_network_of_ones_own(place: Place, landlock: str) -> None:
    with pytest.raises(MachineError, match="loopback_ports"):
        place.open(landlock, network=Network(loopback_ports=(8000,)))
