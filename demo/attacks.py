"""The attacks of the demonstration: what a hostile command would try, and how to see from outside whether it worked.

Knows: how each is made and observed; every target was made for it by the demonstration.
Must not know: how a command is run, so that the same attack runs bare (it succeeds) and inside (it must not).
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONG = "86399"  # a sleep that nobody waits for


class Scene:
    """A made-up home with a made-up key, a repository, a victim process and two servers; all gone after ``close``."""

    def __init__(self, home: Path, workspace: Path) -> None:
        self.home = home
        self.workspace = workspace
        self.key = f"made-up-key-{secrets.token_hex(8)}"
        self.token = f"made-up-token-{secrets.token_hex(8)}"
        self.marker = f"{LONG}.{secrets.randbelow(10**9):09}"
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh" / "id_ed25519").write_text(self.key)
        (home / ".bashrc").write_text("# made up\n")
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0.2)
        self.bus = socket.socket(socket.AF_UNIX)
        self.bus.bind(str(home / "bus"))
        self.bus.listen()
        self.bus.settimeout(0.2)
        self.victim = self._victim()

    def _victim(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", LONG], stdin=subprocess.DEVNULL)

    def reset(self) -> None:
        """As it was before the last attack."""
        (self.home / ".bashrc").write_text("# made up\n")
        os.chmod(self.home / ".bashrc", 0o644)
        for path in (self.workspace / ".git/hooks/post-commit", self.home / "hook-ran", self.workspace / "link"):
            path.unlink(missing_ok=True)
        self.accepted(self.server)
        self.accepted(self.bus)
        if self.victim.poll() is not None:
            self.victim = self._victim()
        self.end_survivors()

    def accepted(self, server: socket.socket) -> bool:
        """Whether somebody connected since the last look."""
        try:
            server.accept()[0].close()
        except OSError:
            return False
        return True

    def survivors(self) -> list[int]:
        """Processes of the machine that carry the marker."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", self.marker.encode()]:
                found.append(int(entry.name))
        return found

    def end_survivors(self) -> None:
        """Kills what an attack left."""
        for pid in self.survivors():
            os.kill(pid, signal.SIGKILL)

    def commit(self) -> None:
        """What the user does next, outside: a commit in the workspace."""
        git = ["git", "-c", "user.name=demo", "-c", "user.email=demo@localhost", "-C", os.fspath(self.workspace)]
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "next"], capture_output=True, timeout=60)

    def close(self) -> None:
        """Ends victim, servers and survivors."""
        self.victim.kill()
        self.victim.wait()
        self.server.close()
        self.bus.close()
        self.end_survivors()


@dataclass(frozen=True)
class Attack:
    """``argv`` tries; ``won`` looks from outside, given the output; ``later``: look when the session has ended.

    ``guarantee`` is the promise that it would break.
    """

    name: str
    guarantee: str
    argv: tuple[str, ...]
    won: Callable[[str], bool]
    later: bool = False


def catalogue(scene: Scene) -> list[Attack]:
    """The handful."""
    home, pid = scene.home, scene.victim.pid
    port = scene.server.getsockname()[1]
    hook = f"printf '#!/bin/sh\\n: >{home}/hook-ran\\n' >.git/hooks/post-commit; chmod +x .git/hooks/post-commit"
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
    bus = f"import socket; socket.socket(socket.AF_UNIX).connect({str(home / 'bus')!r})"
    trace = f"import ctypes; print('traced', ctypes.CDLL(None).ptrace(16, {pid}, 0, 0))"

    def untouched() -> bool:
        return (home / ".bashrc").read_text() == "# made up\n"

    def hook_runs(_: str) -> bool:
        scene.commit()
        return (home / "hook-ran").exists()

    def killed(_: str) -> bool:
        try:
            scene.victim.wait(0.5)
        except subprocess.TimeoutExpired:
            return False
        return True

    # fmt: off
    return [
        Attack("write into the home directory", "write-outside",
               sh("echo owned >>~/.bashrc"), lambda _: not untouched()),
        Attack("the same through a link in the workspace", "write-outside",
               sh("ln -s ~/.bashrc link; echo owned >>link"), lambda _: not untouched()),
        Attack("make a file outside world-writable", "metadata-outside",
               sh("chmod 666 ~/.bashrc"), lambda _: (home / ".bashrc").stat().st_mode & 0o777 == 0o666),
        Attack("read ~/.ssh/id_ed25519", "read-secrets",
               sh("cat ~/.ssh/id_ed25519"), lambda output: scene.key in output),
        Attack("read a token from the environment", "read-secrets",
               sh("env; cat /proc/$PPID/environ"), lambda output: scene.token in output),
        Attack("connect to a server on this machine", "network-host-loopback",
               python(connect), lambda _: scene.accepted(scene.server)),
        Attack("talk to a unix socket outside", "unix-sockets-and-pipes",
               python(bus), lambda _: scene.accepted(scene.bus)),
        Attack("plant a git hook that your next commit runs", "protected-names", sh(hook), hook_runs),
        Attack("kill a process outside", "outside-processes", sh(f"kill -9 {pid}"), killed),
        Attack("trace a process outside", "outside-processes",
               python(trace), lambda output: "traced 0" in output),
        Attack("leave a process behind", "survivors",
               sh(f"setsid sleep {scene.marker} >/dev/null 2>&1 & sleep 0.3"),
               lambda _: bool(scene.survivors()), later=True),
    ]
    # fmt: on


def sh(line: str) -> tuple[str, ...]:
    """A line for the shell."""
    return ("sh", "-c", line)


def python(code: str) -> tuple[str, ...]:
    """A program for this interpreter."""
    return (sys.executable, "-I", "-c", code)
