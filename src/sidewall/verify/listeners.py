"""Servers of the scene: they serve nothing, and say what arrived.

Knows: sockets.  Must not know: who sends.
"""

from __future__ import annotations

import os
import socket
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
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

    def __init__(self, family: int, kind: int, address: Any) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._heap = b""
        self._socket = socket.socket(family, kind)
        try:
            self._socket.setblocking(False)
            self._bind(address)
            if kind == socket.SOCK_STREAM:
                self._socket.listen(64)
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

    def heap(self) -> bytes:
        with self._lock:
            if self._kind == socket.SOCK_STREAM:
                self._accept()
                self._open = [line for line in self._open if self._read(line)]
            else:
                self._read(self._socket)
            return self._heap

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            line.setblocking(False)
            self._open.append(line)

    def _read(self, line: socket.socket) -> bool:
        """Takes what is there; whether more may come."""
        while True:
            try:
                data = line.recv(65536)
            except BlockingIOError:
                return True
            except OSError:
                data = b""
            if not data and line is not self._socket:
                line.close()
                return False
            self._heap += data + b"\n"

    def close(self) -> None:
        for line in (*self._open, self._socket):
            line.close()


def own_address() -> str:
    """An address of this machine that is not a loopback one; '' when it has none.  Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("198.51.100.1", 9))
            found = str(asking.getsockname()[0])
        except OSError:
            return ""
    return "" if found.startswith(("127.", "0.")) else found
