"""What only a scene on Linux has: victims, unix sockets, a terminal, a key, System V memory, files in shared places.

Knows: Linux.  Must not know: what a probe does with them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import tty

from sidewall.errors import MachineError
from sidewall.verify import strays
from sidewall.verify.scene import Scene

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.verify.stage import Stage

assert sys.platform != "win32"  # type checkers stop here too

_VICTIMS = """
import ctypes, os, signal, sys
held = os.open(sys.argv[2], os.O_RDONLY)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
libc = ctypes.CDLL(None)
parent = os.getpid()
ready, tell = os.pipe()
found = []
for number in range(int(sys.argv[1])):
    process = os.fork()
    if not process:
        libc.prctl(1, 9, 0, 0, 0)
        libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        os.write(tell, b"r")
        while True:
            signal.pause()
    found.append(process)
for process in found:
    os.read(ready, 1)
print(held, *found, flush=True)
sys.stdin.read()
"""
"""Processes that end with their parent, and that any process of the user may trace where Yama asks for leave.  Only
when each has seen to that does the parent say so: one that outlived it would hold its output open for good."""


class Terminal:
    """A terminal of the user's: what is written to it arrives here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap = b""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.name = os.ttyname(self._slave)

    def heap(self) -> bytes:
        with self._lock:
            try:
                while data := os.read(self._master, 65536):
                    self._heap += data
            except OSError:
                pass
            return self._heap

    def close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


class Segment:
    """System V memory of the user's.  Raises OSError."""

    SIZE = 1 << 16

    def __init__(self) -> None:
        import ctypes

        self._libc = libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        libc.shmdt.argtypes = [ctypes.c_void_p]
        self.name = libc.shmget(0, self.SIZE, 0o1600)
        if self.name < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._at = libc.shmat(self.name, None, 0)
        libc.shmctl.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
        if self._at in (None, ctypes.c_void_p(-1).value):
            libc.shmctl(self.name, 0, None)
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        # Linux lets others attach it all the same, and it goes with the last process that has it.
        libc.shmctl(self.name, 0, None)
        self._read = ctypes.string_at

    def heap(self) -> bytes:
        return self._read(self._at, self.SIZE)

    def close(self) -> None:
        self._libc.shmdt(self._at)


class LinuxScene(Scene):
    """The scene on Linux."""

    def _more(self) -> None:
        self._helper: subprocess.Popen[bytes] | None = None
        unique = self.targets["unique"]
        stream, run = socket.SOCK_STREAM, os.path.join(self.base, "run")
        os.mkdir(run)
        for name in ("unix", "agent", "bus", "wayland", "cache"):
            self.listen(name, socket.AF_UNIX, stream, f"{run}/{name}")
        self.listen("dgram", socket.AF_UNIX, socket.SOCK_DGRAM, f"{run}/dgram")
        self.variable("SSH_AUTH_SOCK", f"{run}/agent")
        self.variable("DBUS_SESSION_BUS_ADDRESS", f"unix:path={run}/bus")
        self.variable("WAYLAND_DISPLAY", f"{run}/wayland")
        for name, abstract in (("abstract", unique), ("display", f"/tmp/.X11-unix/X{unique}")):
            self.listen(name, socket.AF_UNIX, stream, "\0" + abstract)
            self.targets[name] = abstract
        for name, directory in (("shared", tempfile.gettempdir()), ("memory", "/dev/shm")):
            self._share(name, os.path.join(directory, unique))
        try:
            segment = Segment()
            self._listeners["segment"], self.targets["segment"] = segment, segment.name
        except OSError as error:
            self.absent["segment"] = f"there is no System V memory here: {error.strerror}"
        try:
            terminal = Terminal()
            self._listeners["terminal"], self.targets["terminal"] = terminal, terminal.name
        except OSError as error:
            self.absent["terminal"] = f"there is no terminal to be had: {error.strerror}"
        self._make_key(unique)

    def _share(self, name: str, path: str) -> None:
        """A file in a place where every program may make some."""
        try:
            self._write(path, "# made up\n")
        except OSError as error:
            self.absent[name] = f"no file can be made in {os.path.dirname(path)}: {error.strerror}"
            return
        self.targets[name] = path

    def _make_key(self, unique: str) -> None:
        """A key in the user's keyring that his other programs may read."""
        try:
            value = self.secret("key").encode()
            key = self.targets["key"] = _keys(_ADD, b"user", unique.encode(), value, len(value), _USER_KEYRING)
            _keys(_KEYCTL, 5, key, 0x3F3F0000)
            _keys(_KEYCTL, 15, key, _KEY_SECONDS)
        except OSError as error:
            self.absent["key"] = f"there are no keyrings to be had: {error.strerror}"

    def victims(self, count: int) -> list[int]:
        held = os.path.join(self.base, "held")
        self._write(held, self.secret("held"))
        words = [sys.executable, "-I", "-S", "-c", _VICTIMS, str(count), held, self.secret("argument")]
        self._helper = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
                                        start_new_session=True,
                                        env={"VICTIM_TOKEN": self.secret("victim"), "PATH": os.defpath,
                                             strays.VARIABLE: self.targets["unique"]})
        stream = self._helper.stdout
        line = stream.readline().split() if stream else []
        if len(line) != count + 1:
            raise MachineError("the processes that are to be attacked did not start")
        self.targets["held"], *found = [int(word) for word in line]
        with open(f"/proc/{found[0]}/stat", encoding="ascii") as file:
            # The fields after the name; the 50th is where the environment begins.
            self.targets["place"] = int(file.read().rpartition(")")[2].split()[47])
        return found

    def environ(self) -> dict[str, str]:
        return {**super().environ(), strays.VARIABLE: self.targets["unique"]}

    def lives(self, stage: Stage) -> bool:
        try:
            with open(f"/proc/{stage.victim}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
        except OSError:
            return False

    def written_into(self, stage: Stage) -> bool:
        try:
            with open(f"/proc/{stage.victim}/environ", "rb") as file:
                return stage.nonce.encode() in file.read()
        except OSError:
            return False

    def tuning(self, stage: Stage) -> tuple[Any, ...]:
        if not stage.victim:
            return ()
        import resource

        try:
            return (os.getpriority(os.PRIO_PROCESS, stage.victim),
                    resource.prlimit(stage.victim, resource.RLIMIT_NOFILE))
        except OSError:
            return ()

    def close(self) -> None:
        helper, self._helper = getattr(self, "_helper", None), None
        if helper is not None:
            helper.kill()
            helper.communicate()
        super().close()


_KEY_SECONDS = 600
"""How long the key stays when nobody takes it away."""
_USER_KEYRING = -4
_ADD, _KEYCTL = ("add_key", 248, 217), ("keyctl", 250, 219)
"""System calls of the keyrings: name, number on x86-64, number elsewhere."""


def _keys(call: tuple[str, int, int], *words: Any) -> int:
    """One of these calls.  Raises OSError."""
    import ctypes
    import platform

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number = call[1] if platform.machine() == "x86_64" else call[2]
    result = int(libc.syscall(ctypes.c_long(number),
                              *[ctypes.c_long(word) if isinstance(word, int) else word for word in words]))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), call[0])
    return result


def forget(unique: str) -> None:
    """Takes away the key of a scene, at once: one that is only unlinked is there until the kernel collects it."""
    try:
        _keys(_KEYCTL, 21, _keys(_KEYCTL, 10, _USER_KEYRING, b"user", unique.encode(), 0))
    except OSError:
        pass
