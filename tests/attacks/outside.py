"""What the judge keeps outside the sandbox: listeners, a victim process, a terminal, and the search for survivors.

Knows: sockets, processes and terminals of this machine.  Must not know: how a sandbox is started.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time
import tty
from pathlib import Path

from .probes import PYTHON


class Listener:
    """A service of the host.  Nothing is served: after the attack `got` says what arrived, and whether anybody came."""

    def __init__(self, family: int, kind: int, address: object, backlog: int = 32) -> None:
        self.socket = socket.socket(family, kind)
        self.kind = kind
        if family in (socket.AF_INET, socket.AF_INET6):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            self.socket.listen(backlog)
        self.socket.setblocking(False)

    @property
    def port(self) -> int:
        """The TCP or UDP port."""
        return int(self.socket.getsockname()[1])

    def got(self) -> list[bytes]:
        """What came since the start: one entry a connection (though empty) or datagram."""
        received = []
        while select.select([self.socket], [], [], 0)[0]:
            if self.kind == socket.SOCK_STREAM:
                received.append(_read_all(self.socket.accept()[0]))
            else:
                received.append(self.socket.recv(65536))
        return received

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


def _read_all(connection: socket.socket) -> bytes:
    connection.settimeout(1)
    heap = b""
    with connection:
        try:
            while block := connection.recv(65536):
                heap += block
        except OSError:
            pass
    return heap


VICTIM = """
import ctypes, os, signal, sys, resource
cell = ctypes.create_string_buffer(b"untouched-memory", 64)
hits = []
signal.signal(signal.SIGUSR1, lambda *_: hits.append("usr1"))
descriptors = [os.open(name, os.O_RDWR) for name in sys.argv[1:3]]
print(ctypes.addressof(cell), *descriptors, flush=True)
for line in sys.stdin:
    print(cell.value.decode("latin-1"), len(hits), os.getpriority(os.PRIO_PROCESS, 0),
          *resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)
"""


class Victim:
    """A process of the same user outside, with a secret in its environment and two open files (canary, secret)."""

    def __init__(self, canary: Path, secret: Path, token: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, "-I", "-S", "-c", VICTIM, str(canary), str(secret)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "VICTIM_PASSWORD": token},
            cwd="/",
            text=True,
        )
        assert self.process.stdout is not None
        self.pid = self.process.pid
        self.address, self.canary_fd, self.secret_fd = map(int, self.process.stdout.readline().split())
        self.before = self.state()

    def state(self) -> str:
        """Memory cell, number of signals, priority, descriptor limit; 'dead' when there is none."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write("show\n")
            self.process.stdin.flush()
        except OSError:
            return "dead"
        ready = select.select([self.process.stdout], [], [], 5)[0]
        return self.process.stdout.readline().strip() if ready else "stopped"

    def changed(self) -> list[str]:
        """The state now, when it is not the state at the start."""
        now = self.state()
        return [] if now == self.before else [now]

    def close(self) -> None:
        """End the victim."""
        self.process.kill()
        self.process.communicate(timeout=10)


def processes_with(nonce: str, kill: bool = False) -> list[int]:
    """Processes, other than ours, whose environment or command line holds the nonce; ended on sight if asked to."""
    found = []
    mark = nonce.encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            if any(mark in _read_bytes(f"/proc/{name}/{file}") for file in ("environ", "cmdline")):
                found.append(int(name))
                if kill:
                    _end(int(name))
    return found


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _read_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def survivors(nonce: str, patience: float = 3) -> list[int]:
    """Who is still there after the sandbox has ended: several scans, because some hop from process to process.

    Processes that are being torn down have ``patience`` seconds; a scan that finds none must be confirmed twice.
    """
    quiet, found = 0, []
    deadline = time.monotonic() + patience
    while quiet < 3:
        found = processes_with(nonce)
        quiet = 0 if found else quiet + 1
        if found and time.monotonic() > deadline:
            return found
        time.sleep(0.03)
    return []


def sweep(nonce: str) -> None:
    """End every process that holds our nonce, hoppers included; they are all ours."""
    quiet = 0
    for turn in range(300):
        quiet = 0 if processes_with(nonce, kill=True) else quiet + 1
        if quiet == (4 if turn else 1):
            return
        time.sleep(0.004)


CONTROLLING = (
    "import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\nos.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A terminal of the user, in raw mode, with the launcher as its session leader."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self.shown = b""

    def spawn(
        self, argv: list[str], env: dict[str, str], cwd: Path, output: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program that has this terminal as its controlling terminal and as stdio (but for ``output``)."""
        return subprocess.Popen(
            [PYTHON, "-I", "-S", "-c", CONTROLLING, *argv],
            stdin=self.slave,
            stdout=self.slave if output is None else output,
            stderr=self.slave if output is None else output,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )

    def watch(self, process: subprocess.Popen[bytes], timeout: float) -> bytes:
        """Collect what is shown until the process has ended."""
        deadline = time.monotonic() + timeout
        while process.poll() is None or select.select([self.master], [], [], 0.05)[0]:
            if time.monotonic() > deadline:
                process.kill()
                process.wait(timeout=10)
                raise AssertionError(f"the program on the terminal did not end; shown: {self.shown!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)
        return self.shown

    def queued(self) -> bytes:
        """What waits in the input queue: the next thing the user's shell would read."""
        tty.setraw(self.slave, termios.TCSANOW)
        fcntl.fcntl(self.slave, fcntl.F_SETFL, os.O_NONBLOCK)
        try:
            return os.read(self.slave, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the terminal back."""
        termios.tcflush(self.slave, termios.TCIOFLUSH)
        os.close(self.slave)
        os.close(self.master)
