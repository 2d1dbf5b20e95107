"""Servers of the scene: they serve nothing, and say what arrived.

Knows: sockets, from which addresses the machine itself sends.  Must not know: what is sent.

A socket at the machine's own address can be reached from its network.  Nothing narrower can be had: to its own address
a machine sends by way of the loopback interface, but bound to that (SO_BINDTODEVICE) a socket gets nothing, since
Linux counts such packets as the address's own interface's.  So a filter drops what comes from elsewhere before it is
answered; where that may not be (an ordinary user's streams on new kernels; Windows) a thread drops, at once and
unread, what was accepted.
Follows: socket(7), Linux' networking/filter.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol
else:
    Protocol = object

MULTICAST = "239.255.77.7"
"""A group of the range that no router passes on."""


LONGEST = 100
"""Bytes of a path that fit into a unix socket's address; longer ones are reached by a descriptor of the directory."""


class Listener(Protocol):
    """Something at which messages arrive."""

    def heap(self) -> bytes:
        """Everything that has arrived so far.  May be called from several threads."""

    def close(self) -> None:
        """Gives back what it holds."""


class SocketListener:
    """A socket of any family: streams are accepted and read, datagrams read.  Raises OSError when it cannot be had."""

    def __init__(self, family: int, kind: int, address: Any, peers: frozenset[str] = frozenset()) -> None:
        """``peers`` are the only IPv4 addresses from which anything is taken; of an empty set all are."""
        self._kind = kind
        self._peers = peers
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._heap = b""
        self._door: _Door | None = None
        self._socket = socket.socket(family, kind)
        try:
            self._socket.setblocking(False)
            open_to_all = bool(peers) and not only_from(self._socket, peers)
            self._bind(address)
            if kind == socket.SOCK_STREAM:
                self._socket.listen(64)
                self._door = _Door(self._socket, self.heap) if open_to_all else None
        except BaseException:
            self._socket.close()
            raise

    def _bind(self, address: Any) -> None:
        if not isinstance(address, str) or len(os.fsencode(address)) < LONGEST or address.startswith("\0"):
            self._socket.bind(address)
            return
        directory = os.open(os.path.dirname(address), os.O_RDONLY)
        try:
            self._socket.bind(f"/proc/self/fd/{directory}/{os.path.basename(address)}")
        finally:
            os.close(directory)

    @property
    def port(self) -> int:
        """The port that the system gave."""
        return int(self._socket.getsockname()[1])

    def join(self, group: str) -> None:
        """Takes part in a multicast group, on the loopback interface only.  Raises OSError."""
        member = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        if sys.platform == "linux":
            self._socket.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)

    def heap(self) -> bytes:
        with self._lock:
            if self._kind == socket.SOCK_STREAM:
                self._accept()
                self._open = [line for line in self._open if self._read(line)]
            else:
                self._collect()
            return self._heap

    def _welcome(self, peer: Any) -> bool:
        return not self._peers or peer[0] in self._peers

    def _accept(self) -> None:
        while True:
            try:
                line, peer = self._socket.accept()
            except OSError:
                return
            if self._welcome(peer):
                line.setblocking(False)
                self._open.append(line)
            else:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                line.close()

    def _collect(self) -> None:
        """Takes the datagrams that are there."""
        for _ in range(_MOST_DATAGRAMS):
            try:
                data, peer = self._socket.recvfrom(65536)
            except BlockingIOError:
                return
            except OSError:  # Windows tells here that what was sent earlier met nobody
                continue
            if self._welcome(peer):
                self._heap += data + b"\n"

    def _read(self, line: socket.socket) -> bool:
        """Takes what is there of a stream; whether more may come."""
        while True:
            try:
                data = line.recv(65536)
            except BlockingIOError:
                return True
            except OSError:
                data = b""
            if not data:
                line.close()
                return False
            self._heap += data + b"\n"

    def close(self) -> None:
        if self._door is not None:
            self._door.close()
        for line in (*self._open, self._socket):
            line.close()


class _Door:
    """A thread that calls ``open`` whenever somebody knocks at a listening socket."""

    def __init__(self, listening: socket.socket, open: Callable[[], object]) -> None:
        self._stop, self._told = socket.socketpair()
        self._thread = threading.Thread(target=self._keep, args=(listening, open), name="sidewall-door", daemon=True)
        self._thread.start()

    def _keep(self, listening: socket.socket, open: Callable[[], object]) -> None:
        while self._told not in select.select([listening, self._told], [], [])[0]:
            open()
            time.sleep(_BETWEEN_LOOKS)

    def close(self) -> None:
        """Idempotent; the thread is gone afterwards."""
        self._stop.close()
        self._thread.join()
        self._told.close()


def own_address() -> str:
    """An address of this machine that is not a loopback one; '' when it has none.  Nothing is sent."""
    found = _source("198.51.100.1")
    return "" if found.startswith(("127.", "0.")) else found


def peers(address: str) -> frozenset[str]:
    """The addresses from which this machine sends to ``address``, one of its own, unless it is told otherwise."""
    return frozenset((address, _source(address) or address))


def _source(target: str) -> str:
    """The address from which this machine would send to another; '' when it knows no way.  Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((target, 9))
            return str(asking.getsockname()[0])
        except OSError:
            return ""


def only_from(receiving: socket.socket, peers: frozenset[str]) -> bool:
    """Has the kernel drop packets from all other addresses, so that a stream is not even answered; whether it does."""
    if sys.platform != "linux":
        return False
    import ctypes

    numbers = [int.from_bytes(socket.inet_aton(peer), "big") for peer in peers]
    program = [(0x20, 0, 0, _SOURCE), *[(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)],
               (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
    code = ctypes.create_string_buffer(b"".join([struct.pack("HBBI", *each) for each in program]))
    try:
        receiving.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
    except OSError:
        return False
    return True


_ATTACH_FILTER = 26
_MULTICAST_ALL = 49
"""Linux otherwise also gives what other programs' groups get on other interfaces."""
_SOURCE = 0xFFF00000 + 12
"""Where a filter finds the address that an IPv4 packet comes from."""
_AT_ONCE = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
"""Closing says nothing but that it is over."""
_MOST_DATAGRAMS = 10_000
_BETWEEN_LOOKS = 0.002
