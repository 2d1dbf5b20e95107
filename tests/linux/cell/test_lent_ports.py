"""What a policy lends of the host's: the loopback ports it names, and no others.

Knows: tcp(7).  Must not know: who carries the connections.
Whether somebody came is asked of the servers, which are real and outside.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sidewall.errors import MachineError
from sidewall.policy.model import Network

from .place import Opened, Place
from .servers import Service, Services


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


def try_quickly(port: int) -> None:
    import socket

    for blocking in (True, False):
        for address in ("127.0.0.1", "127.0.0.2"):
            one = socket.socket()
            one.setblocking(blocking)
            print(one.connect_ex((address, port)) in (111, 115))


def test_a_port_of_the_hosts_that_is_not_lent_is_spoken_of(place: Place, namespace: str, services: Services) -> None:
    service = services.tcp()
    port = port_of(service)
    cell = place.open(namespace)
    assert cell.python(try_quickly, port).output == "True\n" * 4
    told = [(attempt.kind, attempt.target) for attempt in cell.cell.attempts()]
    assert told and set(told) == {("loopback", f"127.0.0.1:{port}")}
    assert service.guests == []
    service.close()
    services.made.clear()
    cell.python(try_quickly, port)
    assert cell.cell.attempts() == ()


def test_no_descriptor_is_left_for_a_connection() -> None:
    """The one is given up, and counts no more."""
    program = """
import os, resource, socket, _socket, _thread
from sidewall.platforms.linux.relay import Relay
relay = Relay.__new__(Relay)
relay._counting, relay._busy = _thread.allocate_lock(), 1
one, other = socket.socketpair()
inside = _socket.socket(fileno=one.detach())
resource.setrlimit(resource.RLIMIT_NOFILE, (os.open("/dev/null", 0), 4096))
relay._carry(("127.0.0.1", 9), inside)
print(relay._busy, inside.fileno())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 -1\n", done.stderr
