"""Unix sockets of a cell reach each other, in every way that programs use them, with the kernel's own errors.

Knows: unix(7).  Must not know: who answers for connect(2).
"""

from __future__ import annotations

import shutil

import pytest

from sidewall.policy.model import Network

from .place import Opened, Place


@pytest.fixture
def cell(place: Place, namespace: str) -> Opened:
    return place.open(namespace)


def exchange(names: list[str]) -> None:
    import os
    import socket
    import threading

    for name in names:
        service = socket.socket(socket.AF_UNIX)
        service.bind(name)
        service.listen(1)

        def serve(service=service):  # type: ignore[no-untyped-def]
            one = service.accept()[0]
            one.sendall(one.recv(100).upper())
            one.close()

        thread = threading.Thread(target=serve)
        thread.start()
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect(name)
        client.sendall(b"hello")
        print(client.recv(100).decode(), client.getpeername() == service.getsockname())
        thread.join(10)
    os.chdir("/tmp")
    pair = socket.socketpair()
    pair[0].send(b"pair")
    print(pair[1].recv(10).decode())


def test_own_sockets(cell: Opened, place: Place) -> None:
    names = [f"{place.work}/absolute", "relative", "./dot/../dotted", "/tmp/private", "/dev/shm/shared", "\0abstract"]
    cell.run("mkdir dot")
    said = cell.python(exchange, names).output
    assert said == "HELLO True\n" * len(names) + "pair\n"


def serve_once() -> None:
    import socket

    service = socket.socket(socket.AF_UNIX)
    service.bind("run")
    service.listen()
    open("up", "w").write("up")
    service.accept()[0].send(b"served")


def fetch() -> None:
    import os
    import socket
    import time

    while not os.path.exists("up"):
        time.sleep(0.01)
    client = socket.socket(socket.AF_UNIX)
    client.connect("run")
    print(client.recv(9).decode())


def test_own_sockets_between_commands(cell: Opened) -> None:
    child = cell.start_python(serve_once)
    assert cell.python(fetch).output == "served\n"
    end = child.wait(10)
    assert end is not None and end.returncode == 0
    child.close()


def answered_by_the_short_lived(count: int) -> None:
    import os
    import socket

    for number in range(count):
        service = socket.socket(socket.AF_UNIX)
        service.bind(f"s{number}")
        if os.fork() == 0:
            service.listen()
            service.accept()[0].send(b"served")
            os._exit(0)
        service.close()
        client = socket.socket(socket.AF_UNIX)
        while True:
            try:
                client.connect(f"s{number}")
                break
            except ConnectionRefusedError:
                continue
        assert client.recv(9) == b"served"
        os.wait()
    print("end")


def answered_by_a_child() -> None:
    import os
    import socket

    service = socket.socket(socket.AF_UNIX)
    service.bind("daemon")
    starter = os.fork()
    if starter == 0:
        service.listen()
        if os.fork() == 0:
            for _ in range(2):
                service.accept()[0].send(b"served")
        os._exit(0)
    os.waitpid(starter, 0)
    service.close()
    for _ in range(2):
        client = socket.socket(socket.AF_UNIX)
        client.connect("daemon")
        print(client.recv(9).decode())


@pytest.mark.parametrize("network", ["off", "on"])
def test_servers_that_end_early_and_servers_that_others_began(place: Place, namespace: str, network: str) -> None:
    """The process that began to listen is gone when it is asked for."""
    cell = place.open(namespace, network=Network(mode=network))
    assert cell.python(answered_by_the_short_lived, 60).output == "end\n"
    assert cell.python(answered_by_a_child).output == "served\n" * 2


def many_connects(name: str, count: int) -> None:
    import socket
    import threading

    service = socket.socket(socket.AF_UNIX)
    service.bind(name)
    service.listen(count)
    done, failed = [], []
    barrier = threading.Barrier(count)

    def connect():  # type: ignore[no-untyped-def]
        client = socket.socket(socket.AF_UNIX)
        barrier.wait(20)
        try:
            client.connect(name)
            done.append(client)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=connect) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    print(len(done), failed)


def test_two_hundred_connects_at_once(cell: Opened) -> None:
    for name in ("crowd", "/tmp/crowd", "\0crowd"):
        assert cell.python(many_connects, name, 200).output == "200 []\n"


def full_backlog(name: str) -> None:
    import errno
    import socket
    import threading

    service = socket.socket(socket.AF_UNIX)
    service.bind(name)
    service.listen(0)
    clients = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(name)
        except OSError as error:
            print(errno.errorcode[error.errno])
            break
        clients.append(client)
    waiting = socket.socket(socket.AF_UNIX)
    blocked = threading.Thread(target=waiting.connect, args=(name,), daemon=True)
    blocked.start()
    other = socket.socket(socket.AF_UNIX)
    other.bind(name + "2")
    other.listen(1)
    free = socket.socket(socket.AF_UNIX)
    free.connect(name + "2")
    print("another connects", blocked.is_alive())
    for _ in range(len(clients) + 1):
        service.accept()
    blocked.join(10)
    print("at last", not blocked.is_alive())


def wait_for_ever() -> None:
    import socket
    import threading

    service = socket.socket(socket.AF_UNIX)
    service.bind("full")
    service.listen(0)
    for _ in range(30):
        threading.Thread(target=socket.socket(socket.AF_UNIX).connect, args=("full",)).start()


def test_a_full_backlog_blocks_only_who_waits_for_it(cell: Opened) -> None:
    assert cell.python(full_backlog, "busy").output == "EAGAIN\nanother connects True\nat last True\n"
    # Those who wait for ever hinder neither others nor the end.
    cell.start_python(wait_for_ever).close()
    assert cell.python(exchange, ["meanwhile"]).output == "HELLO True\npair\n"
    cell.close()


def test_errors_are_the_kernels(cell: Opened) -> None:
    said = cell.python(wrong_connects).output.split()
    refused = ["ENOENT", "ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"]
    assert said == [*refused, "EBADF", "ENOTSOCK", "EISCONN", "EINVAL", "EFAULT"]


def wrong_connects() -> None:
    import ctypes
    import errno
    import os
    import socket

    libc = ctypes.CDLL(None, use_errno=True)

    def told(descriptor, address, length=None):  # type: ignore[no-untyped-def]
        result = libc.connect(descriptor, address, len(address) if length is None else length)
        print(errno.errorcode[ctypes.get_errno()] if result else "CONNECTED")

    def named(path):  # type: ignore[no-untyped-def]
        return b"\1\0" + path + b"\0"

    client = socket.socket(socket.AF_UNIX)
    open("plain", "w").close()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind("dead")
    dead.close()
    told(client.fileno(), named(b"missing"))
    told(client.fileno(), named(b"plain"))
    told(client.fileno(), named(b"dead"))
    told(client.fileno(), b"\1\0\0nobody")
    told(999, named(b"dead"))
    told(os.open("plain", os.O_RDONLY), named(b"dead"))
    service = socket.socket(socket.AF_UNIX)
    service.bind("service")
    service.listen(5)
    client.connect("service")
    told(client.fileno(), named(b"service"))
    told(socket.socket(socket.AF_UNIX).fileno(), named(b"service"), 4096)
    told(socket.socket(socket.AF_UNIX).fileno(), ctypes.c_void_p(16), 110)


def undumpable() -> None:
    import ctypes
    import socket

    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    service = socket.socket(socket.AF_UNIX)
    service.bind("agent")
    service.listen(1)
    socket.socket(socket.AF_UNIX).connect("agent")
    print("connected")


def test_a_program_that_hides_its_memory_connects(cell: Opened) -> None:
    """As agents that keep keys do."""
    assert cell.python(undumpable).output == "connected\n"


def shared() -> None:
    import multiprocessing

    with multiprocessing.Manager() as manager:
        found = manager.dict()
        workers = [multiprocessing.Process(target=found.__setitem__, args=(number, number * 2)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(10)
        print(sorted(found.items()))


def test_multiprocessing_manager(cell: Opened) -> None:
    said = cell.python(shared).output
    assert said == "[(0, 0), (1, 2), (2, 4), (3, 6)]\n"


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_tmux(cell: Opened) -> None:
    said = cell.run(
        "tmux -f /dev/null new-session -d -s one 'echo inside > made; sleep 20' && tmux has-session -t one && "
        "for n in $(seq 200); do [ -s made ] && break; sleep 0.02; done; cat made; tmux kill-server",
        env=cell.environment({b"TERM": b"xterm", b"LC_ALL": b"C.UTF-8"}),
    )
    assert said.output == "inside\n"
