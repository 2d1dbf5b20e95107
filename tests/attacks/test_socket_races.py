"""LX-09, L-081: unix sockets whose address, or whose use, changes while somebody decides about it.

Knows: threads that share memory and descriptors.  Must not know: who decides.  Follows `docs/attacks.md`.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import socket

from .guards import LANDLOCK, NAMESPACE, Guard, guards
from .outside import Listener
from .probes import flipping
from .world import World


def probe_flip_address(outside, seconds):
    import socket
    import time

    inside = os.getcwd() + "/mine.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(inside)
    server.listen(4096)
    address, stop = flipping([b"\1\0" + os.fsencode(path).ljust(106, b"\0") for path in (inside, outside)])
    libc = ctypes.CDLL(None, use_errno=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        if libc.connect(client.fileno(), ctypes.c_void_p(address), 108) == 0:
            client.send(NONCE.encode())
        client.close()
    stop()


@guards("unix-sockets-and-pipes")
def test_LX09_address_changes_after_the_check(guard: Guard, world: World) -> None:
    listener = Listener(socket.AF_UNIX, socket.SOCK_STREAM, str(world.run / "service"), backlog=512)
    outcome = guard.attack(world, probe_flip_address, flipping, outside=world.run / "service", seconds=0.5)
    came = listener.got()
    listener.close()
    if "Errno" in outcome.stderr.decode() and not outcome.ended and guard.name == LANDLOCK:
        assert came == []  # no sockets at all in this tier
        return
    guard.judge(outcome, came)


def probe_send_before_the_refusal(path):
    import socket
    import threading

    for _ in range(150):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(True)
        stop = []

        def push():
            while not stop:
                try:
                    client.send(NONCE.encode())
                    return
                except OSError:
                    pass

        thread = threading.Thread(target=push)
        thread.start()
        try:
            client.connect(path)
        except OSError:
            pass
        stop.append(True)
        thread.join()
        client.close()


@guards("unix-sockets-and-pipes", only=(NAMESPACE,))
def test_L081_socket_of_the_host_inside_the_workspace(guard: Guard, world: World) -> None:
    """A host program listens below a writable root: not one byte may reach it, though a second thread sends."""
    path = world.workspace / "dev.sock"
    listener = Listener(socket.AF_UNIX, socket.SOCK_STREAM, str(path), backlog=512)
    outcome = guard.attack(world, probe_send_before_the_refusal, path=path)
    came = [data for data in listener.got() if data]
    listener.close()
    guard.judge(outcome, came)
