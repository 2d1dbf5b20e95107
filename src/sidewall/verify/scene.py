"""Everything that is attacked: made for it, and gone afterwards.  Nothing of the user's is among it.

Knows: files, listeners and variables that every platform has.  Must not know: what a probe does with them, how anything
is held.  What one platform has more is in ``scene_linux`` and ``scene_windows``.

``base`` lies beside the user's own files, since places like ``/tmp`` are private inside and would show nothing:

    home/       a home of its own, with made-up credentials and start-up files
    neighbour/  another project
    outside/N/  what attempt N is aimed at
    work/       the workspace of the sandbox
    bare/N/     a workspace for an attempt without a sandbox
"""

from __future__ import annotations

import os
import secrets
import socket
import sys

from sidewall.errors import MachineError
from sidewall.verify import leftovers, listeners
from sidewall.verify.stage import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from sidewall.verify.listeners import Listener
    from sidewall.verify.probe import Probe

SECRETS = {"ssh": ".ssh/id_ed25519", "aws": ".aws/credentials", "gh": ".config/gh/hosts.yml", "netrc": ".netrc"}
"""Made-up credentials below the scene's home, by the names under which looks ask for them."""
_HOME_FILES = (".bashrc", ".local/bin/tool", ".config/settings")
_REPOSITORY = {
    "HEAD": "ref: refs/heads/main\n",
    "config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tlogallrefupdates = true\n",
    "hooks/sample": "#!/bin/sh\n",
}
TOKEN_VARIABLE = "VERIFY_API_TOKEN"


class Scene:
    """A context manager.  ``targets`` are names that programs find defined; ``absent`` says of others why they are not.
    ``secrets`` are texts that must not come out, by name.

    Variables of this process's own environment are changed while it is open: commands inherit them, or must not.
    Raises OSError or MachineError when it cannot be made.
    """

    def __init__(self, place: str) -> None:
        leftovers.sweep(place)
        self.base = leftovers.fresh(place)
        # Not by ``mkdtemp``: on Windows its directories are their owner's alone, unlike those in which people work.
        os.mkdir(self.base)
        os.chmod(self.base, 0o700)
        self._lock_file = leftovers.hold(self.base)
        self.home = os.path.join(self.base, "home")
        self.workspace = os.path.join(self.base, "work")
        self.targets: dict[str, Any] = {"unique": leftovers.name(self.base), "began": os.stat(self.base).st_ctime}
        self.absent: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.stages: list[Stage] = []
        self._listeners: dict[str, Listener] = {}
        self._saved: dict[str, str | None] = {}
        try:
            self._fill()
            self._listen()
            self._more()
        except BaseException:
            self.close()
            raise

    def _fill(self) -> None:
        for directory in ("outside", "bare"):
            os.mkdir(os.path.join(self.base, directory))
        for name, path in SECRETS.items():
            self._write(os.path.join(self.home, path), self.secret(name) + "\n")
        self._write(os.path.join(self.home, ".ssh", self.secret("name")), "")
        for path in _HOME_FILES:
            self._write(os.path.join(self.home, path), "# made up\n")
        self._write(os.path.join(self.base, "neighbour", "main.py"), "# made up\n")
        self._furnish(self.workspace)
        self.variable(TOKEN_VARIABLE, self.secret("token"))

    def _listen(self) -> None:
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        address = self.targets["address"] = listeners.own_address()
        for name, family, kind, where in (
            ("tcp4", socket.AF_INET, stream, "127.0.0.1"), ("udp4", socket.AF_INET, datagram, "127.0.0.1"),
            ("tcp6", socket.AF_INET6, stream, "::1"), ("udp6", socket.AF_INET6, datagram, "::1"),
            ("resolver", socket.AF_INET, datagram, "127.0.0.1"), ("resolvertcp", socket.AF_INET, stream, "127.0.0.1"),
            ("own4", socket.AF_INET, stream, address), ("ownudp", socket.AF_INET, datagram, address),
            ("resolverown", socket.AF_INET, datagram, address),
        ):
            if where:
                self.listen(name, family, kind, (where, 0), listeners.peers(where) if where == address else frozenset())
            else:
                self.absent[name] = "this machine has no address but loopback"
        # Windows binds neither to a group nor to a broadcast address, and gives what comes there to the others.
        many = ("", "") if sys.platform == "win32" else (listeners.MULTICAST, "127.255.255.255")
        for name, where in zip(("multicast", "broadcast"), many, strict=True):
            self.listen(name, socket.AF_INET, datagram, (where, 0), frozenset(("127.0.0.1", address or "127.0.0.1")))
        joining = self._listeners.get("multicast")
        if isinstance(joining, listeners.SocketListener):
            try:
                joining.join(listeners.MULTICAST)
            except OSError as error:
                self.absent["multicast"] = f"no multicast on the loopback interface: {error.strerror}"

    def _more(self) -> None:
        """What only this platform has."""

    def listen(self, name: str, family: int, kind: int, address: Any, peers: frozenset[str] = frozenset()) -> None:
        """A socket under this name; its port or path becomes the target of that name.  ``peers`` as of the socket."""
        try:
            made = listeners.SocketListener(family, kind, address, peers)
        except OSError as error:
            self.absent[name] = f"nothing can listen at {address}: {error.strerror or error}"
            return
        self._listeners[name] = made
        self.targets[name] = made.port if isinstance(address, tuple) else address

    def secret(self, name: str) -> str:
        """A new text that must not come out, under this name."""
        return self.secrets.setdefault(name, f"made-up-{name}-{secrets.token_hex(8)}")

    def variable(self, name: str, value: str) -> None:
        """Sets a variable until the scene is closed."""
        self._saved.setdefault(name, os.environ.get(name))
        os.environ[name] = value

    def _write(self, path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def _furnish(self, workspace: str) -> None:
        """A workspace under git, with a nested repository and an agent's settings."""
        for repository in (workspace, os.path.join(workspace, "lib")):
            for directory in ("objects", "refs"):
                os.makedirs(os.path.join(repository, ".git", directory))
            for name, text in _REPOSITORY.items():
                self._write(os.path.join(repository, ".git", name), text)
        self._write(os.path.join(workspace, ".claude", "settings.json"), "{}\n")

    def stage(self, probe: Probe, *, bare: bool, victim: int = 0) -> Stage:
        """A stage for one attempt.  Made before a sandbox is opened: what comes later may not be seen inside."""
        number = len(self.stages)
        workspace = self.workspace
        if bare:
            workspace = os.path.join(self.base, "bare", str(number) if probe.alone else "shared")
            if not os.path.exists(workspace):
                self._furnish(workspace)
        made = Stage(self, number, probe, workspace, victim)
        self.stages.append(made)
        return made

    def victims(self, count: int) -> list[int]:
        """Processes to be attacked, one an attempt.  Raises MachineError."""
        raise MachineError(f"no victims on the platform {sys.platform!r}")

    def received(self, name: str, nonce: str) -> bool:
        """Whether the nonce has arrived at what listens under this name."""
        return nonce.encode() in self._listeners[name].heap()

    def particular(self, stage: Stage) -> dict[str, Any]:
        """Names that mean something else on each stage."""
        return {}

    def lives(self, stage: Stage) -> bool:
        """Whether the stage's victim is still there."""
        return True

    def written_into(self, stage: Stage) -> bool:
        """Whether the nonce is in the memory of the stage's victim."""
        return False

    def tuning(self, stage: Stage) -> tuple[Any, ...]:
        """Priority and limits of the stage's victim; () without one."""
        return ()

    def environ(self) -> dict[str, str]:
        """The variables of an attempt without a sandbox."""
        return dict(os.environ)

    def close(self) -> None:
        """Ends and removes everything.  Idempotent."""
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._saved.clear()
        while self._listeners:
            self._listeners.popitem()[1].close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1
            leftovers.remove(self.base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def make(place: str) -> Scene:
    """The scene of this platform, in a new directory in ``place``.  Raises OSError, MachineError."""
    if sys.platform == "win32":
        from sidewall.verify.scene_windows import WindowsScene

        return WindowsScene(place)
    else:
        from sidewall.verify.scene_linux import LinuxScene

        return LinuxScene(place)
