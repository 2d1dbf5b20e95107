"""Servers of a scene take from this machine only, and answer nobody else.

Knows: sockets of Linux.  Must not know: what an attempt sends.

Another machine is played by another address of this one's: all of 127/8 is the machine's own, and a server at one
address of it does not expect a client at any other but that from which the machine would send there.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from sidewall.verify import listeners
from sidewall.verify.listeners import SocketListener

if sys.platform != "linux":
    pytest.skip("socket filters are Linux", allow_module_level=True)

OWN, STRANGE = "127.0.0.2", "127.0.0.3"
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
SECONDS = 10


@pytest.fixture
def servers() -> Iterator[list[SocketListener]]:
    found: list[SocketListener] = []
    yield found
    for each in found:
        each.close()


def serve(servers: list[SocketListener], kind: int, *, everybody: bool = False) -> SocketListener:
    made = SocketListener(socket.AF_INET, kind, (OWN, 0), frozenset() if everybody else listeners.peers(OWN))
    servers.append(made)
    return made


def client(kind: int, server: SocketListener, source: str = "") -> socket.socket:
    line = socket.socket(socket.AF_INET, kind)
    try:
        line.settimeout(SECONDS)
        if source:
            line.bind((source, 0))
        line.connect((OWN, server.port))
    except BaseException:
        line.close()
        raise
    return line


def arrives(server: SocketListener, text: bytes) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in server.heap():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_what_this_machine_sends_arrives(servers: list[SocketListener], kind: int) -> None:
    server = serve(servers, kind)
    for source in ("", OWN):
        with client(kind, server, source) as line:
            line.sendall(b"from " + source.encode() + b".")
            arrives(server, b"from " + source.encode() + b".")


def test_a_stranger_is_not_even_answered_where_the_kernel_filters(servers: list[SocketListener]) -> None:
    with socket.socket() as asking:
        filters = listeners.only_from(asking, frozenset((OWN,)))
    server = serve(servers, STREAM)
    with socket.socket() as line:
        line.bind((STRANGE, 0))
        line.settimeout(0.3 if filters else SECONDS)
        with pytest.raises(TimeoutError if filters else ConnectionResetError):
            line.connect((OWN, server.port))
            line.recv(1)
    with client(STREAM, server) as line:
        line.sendall(b"friend")
        arrives(server, b"friend")


def test_a_strangers_datagram_is_dropped(servers: list[SocketListener]) -> None:
    server = serve(servers, DATAGRAM)
    with client(DATAGRAM, server, STRANGE) as strange, client(DATAGRAM, server) as line:
        strange.sendall(b"stranger")
        line.sendall(b"friend")
        arrives(server, b"friend")
    assert b"stranger" not in server.heap()


def test_without_a_filter_a_stranger_is_dropped_at_once_and_unread(servers: list[SocketListener],
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "only_from", lambda *_: False)
    threads = threading.active_count()
    streams, datagrams = serve(servers, STREAM), serve(servers, DATAGRAM)
    with pytest.raises(ConnectionResetError), client(STREAM, streams, STRANGE) as strange:
        strange.recv(1)  # if it was not over before it had begun
    with client(DATAGRAM, datagrams, STRANGE) as other:
        other.sendall(b"stranger")
        with client(DATAGRAM, datagrams) as line, client(STREAM, streams) as stream:
            line.sendall(b"friend")
            arrives(datagrams, b"friend")
            stream.sendall(b"friend")
            arrives(streams, b"friend")
    assert b"stranger" not in streams.heap() + datagrams.heap()
    assert threading.active_count() == threads + 1
    streams.close()
    assert threading.active_count() == threads


def test_what_a_stranger_says_is_not_taken(servers: list[SocketListener], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "only_from", lambda *_: False)
    monkeypatch.setattr(listeners, "_Door", lambda *_: None)
    server = serve(servers, STREAM)
    with client(STREAM, server, STRANGE) as strange:
        strange.sendall(b"stranger")
        assert b"stranger" not in server.heap()
        with pytest.raises(ConnectionResetError):
            strange.recv(1)


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_without_peers_everybody_is_heard(servers: list[SocketListener], kind: int) -> None:
    server = serve(servers, kind, everybody=True)
    with client(kind, server, STRANGE) as line:
        line.sendall(b"stranger")
        arrives(server, b"stranger")


def test_the_machine_sends_from_an_address_of_its_own() -> None:
    own = listeners.own_address()
    if not own:
        pytest.skip("this machine has no address but loopback")
    assert own in listeners.peers(own)
    for peer in listeners.peers(own):
        with socket.socket() as line:
            line.bind((peer, 0))
