"""Carries connections from the cell's own loopback to the host's, for the ports that the policy names.

Knows: listening sockets that init made in the cell's network namespace, the loopback of this one (tcp(7), proc(5)).
Must not know: policy.  No socket of the host's network ever enters the cell: it would belong to that network for good,
so a program could join groups, set routes and ask for interfaces there.  Bytes cross here, and nothing else.
"""

from __future__ import annotations

import _socket
import _thread
import select
import time

_MOST = 256
_BACKLOG = 128
_BLOCK = 1 << 16
_ADDRESSES = ((_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1"))
_FOUR, _SIX = b"\x7f\0\0\1", b"\0" * 15 + b"\1"
_FOUR_IN_SIX = b"\0" * 10 + b"\xff\xff" + _FOUR
_RESET = (1).to_bytes(4, "little") + bytes(4)
"""struct linger: on, no seconds, so that close(2) resets the connection."""

# As /proc/net/tcp and tcp6 show local addresses; and the state of a listener.
_SHOWN_FOUR = frozenset((b"0100007F", b"00000000"))
_SHOWN_FOUR_IN_SIX = frozenset((b"0" * 32, b"0000000000000000FFFF00000100007F"))
_SHOWN_SIX = frozenset((b"0" * 32, b"0" * 24 + b"01000000"))
_LISTENS = b"0A"


def listen(ports: tuple[int, ...]) -> list[int]:
    """Listening sockets on 127.0.0.1 and ::1 of this network namespace, for each port.  Raises OSError."""
    made = []
    for port in ports:
        for family, address in _ADDRESSES:
            try:
                listener = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
                listener.bind((address, port))
            except OSError:
                if family == _socket.AF_INET:
                    raise
                # A machine without IPv6.
                continue
            listener.listen(_BACKLOG)
            made.append(listener.detach())
    return made


class Relay:
    """Takes connections from ``listeners``, in threads of its own, for as long as this process lives."""

    def __init__(self, listeners: list[int]) -> None:
        self._listeners = {number: _socket.socket(fileno=number) for number in listeners}
        self._ports = {listener.getsockname()[1] for listener in self._listeners.values()}
        self._busy = 0
        self._counting = _thread.allocate_lock()
        for listener in self._listeners.values():
            listener.setblocking(False)
        _thread.start_new_thread(self._serve, ())

    def refuses(self, address: bytes) -> bool:
        """Whether this socket address is one of ours while nobody listens there outside: then a program can be told
        so at once, as it would be without a relay."""
        return int.from_bytes(address[2:4], "big") in self._ports and listens_outside(address) is False

    def _serve(self) -> None:
        poll = select.poll()
        for number in self._listeners:
            poll.register(number, select.POLLIN)
        while True:
            for number, _events in poll.poll():
                try:
                    accepted = self._listeners[number]._accept()[0]  # type: ignore[attr-defined]
                except BlockingIOError:
                    continue
                except OSError:
                    # No descriptor or no memory is left: not for ever, and the program waits in the backlog.
                    time.sleep(0.05)
                    continue
                self._begin(self._listeners[number].getsockname()[:2], _socket.socket(fileno=accepted))

    def _begin(self, address: tuple[str, int], inside: _socket.socket) -> None:
        if self._count(1):
            try:
                _thread.start_new_thread(self._carry, (address, inside))
                return
            except RuntimeError:
                self._count(-1)
        _end(inside)

    def _count(self, change: int) -> bool:
        with self._counting:
            if change > 0 and self._busy >= _MOST:
                return False
            self._busy += change
            return True

    def _carry(self, address: tuple[str, int], inside: _socket.socket) -> None:
        """One connection, until both directions have ended."""
        family = _socket.AF_INET6 if ":" in address[0] else _socket.AF_INET
        try:
            outside = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
        except OSError:
            # No descriptor is left.
            _end(inside)
            self._count(-1)
            return
        back = _thread.allocate_lock()
        try:
            inside.setblocking(True)
            outside.connect(address)
            for end in (inside, outside):
                end.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            back.acquire()
            broken: list[bool] = []
            _thread.start_new_thread(_return, (outside, inside, back, broken))
            whole = _copy(inside, outside)
            back.acquire()
            if whole and not broken:
                inside.close()
                outside.close()
        except (OSError, RuntimeError):
            # Nobody there, or no thread to be had: the program sees a connection that was reset.
            pass
        finally:
            _end(inside)
            _end(outside)
            self._count(-1)


def _return(source: _socket.socket, drain: _socket.socket, ended: _thread.LockType, broken: list[bool]) -> None:
    """The other direction; ``broken`` gets an entry when it did not come to its end."""
    try:
        if not _copy(source, drain):
            broken.append(True)
    finally:
        ended.release()


def _copy(source: _socket.socket, drain: _socket.socket) -> bool:
    """One direction to its end, which is passed on as such; False when a side broke off, which the other then sees."""
    try:
        while data := source.recv(_BLOCK):
            drain.sendall(data)
        drain.shutdown(_socket.SHUT_WR)
    except OSError:
        for end in (source, drain):
            try:
                end.shutdown(_socket.SHUT_RDWR)
            except OSError:
                continue
        return False
    return True


def _end(connection: _socket.socket) -> None:
    """Closes with a reset what is not closed yet."""
    try:
        if connection.fileno() >= 0:
            connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
    except OSError:
        pass
    finally:
        connection.close()


def listens_outside(address: bytes) -> bool | None:
    """Whether somebody listens at this socket address in this network namespace; None for one that is not 127.0.0.1
    or ::1."""
    family, port = int.from_bytes(address[:2], "little"), address[2:4]
    place = address[4:8] if family == _socket.AF_INET else address[8:24] if family == _socket.AF_INET6 else b""
    if place in (_FOUR, _FOUR_IN_SIX):
        return _is_heard("tcp", _SHOWN_FOUR, port) or _is_heard("tcp6", _SHOWN_FOUR_IN_SIX, port)
    return _is_heard("tcp6", _SHOWN_SIX, port) if place == _SIX else None


def _is_heard(table: str, places: frozenset[bytes], port: bytes) -> bool:
    """Whether somebody listens on that port of this network namespace; so it is taken where the kernel hides it."""
    wanted = port.hex().upper().encode()
    try:
        with open(f"/proc/net/{table}", "rb") as rows:
            next(rows, b"")
            for row in rows:
                fields = row.split(None, 4)
                place, _, number = fields[1].partition(b":")
                if fields[3] == _LISTENS and number == wanted and place in places:
                    return True
    except OSError:
        return table == "tcp"
    return False
