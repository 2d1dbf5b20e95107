"""Answers for connect(2): a socket of the cell reaches the cell's own unix sockets and no other process's.

A read-only mount does not stop connect(2) to a socket file, and a filter cannot read the address.  So the filter
hands every connect to the keeper, which borrows the socket (pidfd_getfd(2)), copies the address once, decides on
what it has in hand, and makes the connection itself: nothing is decided on memory or on a descriptor number that
another thread of the program could change meanwhile (seccomp_unotify(2), "Caveats").

Knows: socket addresses, the mounts of the cell that hold its own sockets.  Must not know: policy.
"""

from __future__ import annotations

import _socket
import _thread
import os
import select
import stat
import struct

from sidewall.platforms.linux import listeners, native, seccomp, syscalls
from sidewall.platforms.linux.build import mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.linux.lent import Lent
    from sidewall.platforms.linux.relay import Relay

EPERM, EAGAIN, EACCES, EFAULT, EINVAL, ENETUNREACH, ECONNREFUSED, EBADF = 1, 11, 13, 14, 22, 101, 111, 9
EINPROGRESS = 115
_LONGEST_ADDRESS = 128
_MOST_THREADS = 256
_STACK = 256 << 10
_LOOKS = 3
_OURS, _ANOTHERS, _NOBODYS = "ours", "another's", "nobody's"


class Mediator:
    """``question`` asks for the cell's listening sockets (``listeners``); ``mounts`` are (mount id, whether only the
    cell can put a socket there); ``processes`` and ``network`` name the cell's namespaces, as in /proc/<pid>/ns;
    attempts go to ``administration``; ``lent`` and ``relay`` are what of the host's may be reached."""

    def __init__(self, listener: int, question: int, mounts: list[tuple[int, bool]], processes: str, network: str,
                 administration: _socket.socket, lent: Lent | None = None, relay: Relay | None = None) -> None:
        self._listener = listener
        self._listeners = listeners.Listeners(_socket.socket(fileno=question))
        self._devices: dict[int, int] = {}
        self._mounts = dict(mounts)
        self._administration = administration
        self._lent = lent
        self._relay = relay
        self._busy = 0
        self._counting = _thread.allocate_lock()
        _thread.stack_size(_STACK)
        raise_open_files()
        self._processes = processes
        self._shared_network = network == os.readlink("/proc/self/ns/net")

    def serve(self) -> None:
        """Takes one notification.  A connection may have to wait, so it is made in a thread of its own."""
        notice = seccomp.receive(self._listener)
        if notice is None:
            return
        identity, thread, arguments = notice
        if not self._count(1):
            seccomp.respond(self._listener, identity, EAGAIN)
            return
        try:
            _thread.start_new_thread(self._answer, (identity, thread, arguments))
        except RuntimeError:
            # The cell may have used up what processes and threads there are.
            self._count(-1)
            seccomp.respond(self._listener, identity, EAGAIN)

    def _count(self, change: int) -> bool:
        with self._counting:
            if change > 0 and self._busy >= _MOST_THREADS:
                return False
            self._busy += change
            return True

    def _answer(self, identity: int, thread: int, arguments: tuple[int, ...]) -> None:
        errno = EACCES
        try:
            errno = self._connect(identity, thread, arguments[0] & 0xFFFFFFFF, arguments[1],
                                  arguments[2] & 0xFFFFFFFF)
        except OSError as error:
            errno = error.errno or EACCES
        finally:
            self._count(-1)
            seccomp.respond(self._listener, identity, errno)

    def _connect(self, identity: int, thread: int, number: int, pointer: int, length: int) -> int:
        """The errno of the connection, 0 for success."""
        if number > 0x7FFFFFFF:
            return EBADF
        if length > _LONGEST_ADDRESS:
            return EINVAL
        address = _read(thread, pointer, length)
        borrowed = seccomp.borrow_descriptor(thread, number)
        try:
            if not seccomp.valid(self._listener, identity):
                return EACCES
            if not stat.S_ISSOCK(os.fstat(borrowed).st_mode):
                return 88  # ENOTSOCK
            socket = _socket.socket(fileno=borrowed)
            borrowed = -1
            try:
                family = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_DOMAIN)
                if family == _socket.AF_UNIX:
                    return self._connect_unix(socket, thread, address)
                if family == _socket.AF_NETLINK and address[4:12].strip(b"\0"):
                    # Another program's port, or a group: that takes a capability, which may be ours and not theirs.
                    return EPERM
                stream = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE) == _socket.SOCK_STREAM
                if stream and self._relay is not None and self._relay.refuses(address):
                    return ECONNREFUSED
                errno = _raw_connect(socket.fileno(), address)
                if errno == ENETUNREACH:
                    self._attempt("connect", _readable(address))
                elif stream and not self._shared_network and (errno == ECONNREFUSED or _has_failed(socket, errno)):
                    self._tell_of_loopback(address)
                return errno
            finally:
                socket.close()
        finally:
            if borrowed >= 0:
                os.close(borrowed)

    def _connect_unix(self, socket: _socket.socket, thread: int, address: bytes) -> int:
        if len(address) < 3 or address[:2] != b"\x01\x00":
            return _raw_connect(socket.fileno(), address)
        if address[2] == 0:
            if self._shared_network:
                if self._lent is not None and self._lent.abstract(address[3:]):
                    return _raw_connect(socket.fileno(), address)
                self._attempt("unix", "@" + os.fsdecode(address[3:]))
                return ECONNREFUSED
            return _raw_connect(socket.fileno(), address)
        path = address[2:].partition(b"\0")[0]
        try:
            target = _resolve(thread, path)
        except OSError:
            errno = self._connect_unseen(socket, thread, path)
            if errno is None:
                raise
            return errno
        try:
            found = os.fstat(target)
            if not stat.S_ISSOCK(found.st_mode):
                return ECONNREFUSED
            mount = mount_id(target)
            if self._lent is not None:
                errno = self._lent.connect(target, mount, lambda name: _connect_by_name(socket, name))
                if errno is not None:
                    return errno
            private = self._mounts.get(mount)
            if private is None:
                self._attempt("unix", os.fsdecode(path))
                return EACCES
            if not private:
                # Who is another's, or nobody's, is not even connected to, since another thread could send on the
                # socket before we have seen whose it is.
                whose = self._whose(found, mount, thread)
                if whose == _ANOTHERS:
                    self._attempt("unix", os.fsdecode(path))
                    return EACCES
                if whose == _NOBODYS:
                    return ECONNREFUSED
            errno = _connect_by_name(socket, b"/proc/self/fd/%d" % target)
        finally:
            os.close(target)
        if errno == 0 and not private and not self._is_ours(socket, found, mount):
            # It changed hands in between.
            socket.shutdown(_socket.SHUT_RDWR)
            self._attempt("unix", os.fsdecode(path))
            return EACCES
        return errno

    def _connect_unseen(self, socket: _socket.socket, thread: int, path: bytes) -> int | None:
        """For a name that leads nowhere inside: the errno if it is a listed one, else None.  Raises OSError."""
        meant = os.path.normpath(os.path.join(os.readlink(b"/proc/%d/cwd" % thread), path))
        real = self._lent.named(meant) if self._lent is not None else b""
        if real and self._lent is not None:
            return self._lent.connect_by_name(real, lambda name: _connect_by_name(socket, name))
        try:
            if stat.S_ISSOCK(os.stat(meant).st_mode):
                # One of the host's, below what the cell has of its own.
                self._attempt("unix", os.fsdecode(meant))
        except (OSError, ValueError):
            return None
        return None

    def _tell_of_loopback(self, address: bytes) -> None:
        """Nobody listens there inside; if somebody does outside, that is likely who was meant."""
        from sidewall.platforms.linux import relay

        if relay.listens_outside(address):
            self._attempt("loopback", _readable(address))

    def _whose(self, found: os.stat_result, mount: int, thread: int) -> str:
        """Whose process listens at this file of a writable root."""
        if mount not in self._devices:
            # The mounts of a cell stay as they are.
            self._devices[mount] = listeners.device_of(mount, thread)
        sockets = self._bound(found, mount)
        if self._shared_network:
            return self._whose_of_all(found, mount, sockets)
        return _OURS if sockets else _ANOTHERS if self._listens_outside(found, mount) else _NOBODYS

    def _whose_of_all(self, found: os.stat_result, mount: int, sockets: list[int]) -> str:
        """The same where the network is everybody's: ours is what processes of the cell have open.  While we look one
        may end, or hand it to its child: only what nobody inside was seen to have again and again is another's."""
        for _ in range(_LOOKS):
            if not sockets:
                return _NOBODYS
            if self._holds(sockets):
                return _OURS
            sockets = self._bound(found, mount)
        return _ANOTHERS if sockets else _NOBODYS

    def _bound(self, found: os.stat_result, mount: int) -> list[int]:
        return self._listeners.bound_to(found.st_ino, self._devices[mount])

    def _listens_outside(self, found: os.stat_result, mount: int) -> bool:
        """Whether a process of this network namespace listens there: then the refusal is one to speak of."""
        asked = listeners.question()
        try:
            return bool(listeners.Listeners(asked).bound_to(found.st_ino, self._devices[mount]))
        finally:
            asked.close()

    def _holds(self, sockets: list[int]) -> bool:
        """Whether processes of the cell have all of these sockets open."""
        wanted = {f"socket:[{number}]" for number in sockets}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    if os.readlink(f"/proc/{name}/ns/pid") != self._processes:
                        continue
                    for descriptor in os.listdir(f"/proc/{name}/fd"):
                        wanted.discard(os.readlink(f"/proc/{name}/fd/{descriptor}"))
                except OSError:
                    continue
                if not wanted:
                    return True
        return not wanted

    def _is_ours(self, socket: _socket.socket, found: os.stat_result, mount: int) -> bool:
        """Whether the process that began to listen was one of the cell.  Servers leave that to one that ends, or answer
        and are gone: then nobody else may listen at this file."""
        peer = int.from_bytes(socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)[:4], "little")
        try:
            return peer > 0 and os.readlink(f"/proc/{peer}/ns/pid") == self._processes
        except FileNotFoundError:
            if self._shared_network:
                return self._whose_of_all(found, mount, self._bound(found, mount)) != _ANOTHERS
            return not self._listens_outside(found, mount)
        except OSError:
            return False

    def _attempt(self, kind: str, target: str) -> None:
        text = f"{kind}\0{target}".encode("utf-8", "surrogateescape")
        try:
            self._administration.send(text[:4096], _socket.MSG_DONTWAIT)
        except OSError:
            # Nobody reads them: the first ones were enough.
            return


_SPAN = struct.Struct("@PN")
"""struct iovec: address and length."""


def _read(thread: int, pointer: int, length: int) -> bytes:
    """Memory of a waiting thread, copied once; also of a program that made itself undumpable, whose /proc/<pid>/mem
    belongs to root.  Raises OSError."""
    buffer = native.buffer(length)
    local, remote = _SPAN.pack(native.addressof(buffer), length), _SPAN.pack(pointer, length)
    copied = syscalls.libc.process_vm_readv(thread, local, native.ulong(1), remote, native.ulong(1), native.ulong(0))
    if copied != length:
        raise OSError(EFAULT, "the address is not readable")
    content: bytes = buffer.raw
    return content


def raise_open_files() -> None:
    """Each connection under way takes a few descriptors."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _resolve(thread: int, path: bytes) -> int:
    """The thing that ``path`` names for that thread, opened inside the cell's root whatever links are on the way."""
    if not path.startswith(b"/"):
        path = os.readlink(b"/proc/%d/cwd" % thread) + b"/" + path
    root = os.open(f"/proc/{thread}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return syscalls.openat2(root, path, os.O_PATH,
                                resolve=syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS)
    finally:
        os.close(root)


def _connect_by_name(socket: _socket.socket, name: bytes) -> int:
    return _raw_connect(socket.fileno(), b"\x01\x00" + name + b"\0")


def _raw_connect(descriptor: int, address: bytes) -> int:
    if syscalls.libc.connect(descriptor, address, len(address)) == 0:
        return 0
    return native.get_errno()


def _has_failed(socket: _socket.socket, errno: int) -> bool:
    """Whether a connection that is not waited for has failed already, as one over loopback does; the error stays
    there for the program."""
    if errno != EINPROGRESS:
        return False
    poll = select.poll()
    poll.register(socket.fileno(), 0)
    return any(events & select.POLLERR for _descriptor, events in poll.poll(0))


def _readable(address: bytes) -> str:
    family = int.from_bytes(address[:2], "little")
    port = int.from_bytes(address[2:4], "big")
    if family == _socket.AF_INET and len(address) >= 8:
        return f"{_socket.inet_ntop(family, address[4:8])}:{port}"
    if family == _socket.AF_INET6 and len(address) >= 24:
        return f"[{_socket.inet_ntop(family, address[8:24])}]:{port}"
    return f"address family {family}"
