"""Who runs the attack: nobody (the control, which must escape) or the sandbox in one of its tiers; and the verdict.

Knows: the command line of the sandbox, what each tier promises.  Must not know: any single attack.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from .probes import command
from .world import World

CONTROL, NAMESPACE, LANDLOCK = "control", "namespace", "landlock"
SIDEWALL = [sys.executable, "-P", "-m", "sidewall"]
DEADLINE = 30.0

# What a tier promises, in the words of the guarantees; the rest of a tier's report is partial, advisory or open.
# `protected-names-restored` is the weaker half of `protected-names`: as before when the command has ended.
PROMISES = {
    NAMESPACE: {
        "write-outside", "metadata-outside", "protected-names", "read-secrets", "network-egress", "name-resolution",
        "network-host-loopback", "unix-sockets-and-pipes", "outside-processes", "privileges", "survivors", "limits",
        "protected-names-restored",
    },
    LANDLOCK: {
        "write-outside", "read-secrets", "network-egress", "network-host-loopback", "unix-sockets-and-pipes",
        "name-resolution", "outside-processes", "privileges", "survivors", "protected-names-restored",
    },
}  # fmt: skip


def guards(
    promise: str, *, control: bool = True, only: tuple[str, ...] = (NAMESPACE, LANDLOCK)
) -> pytest.MarkDecorator:
    """Run a test under the control and under each tier that makes this promise."""
    names = [CONTROL] if control else []
    names += [tier for tier in only if promise in PROMISES[tier]]
    return pytest.mark.parametrize("guard", names, indirect=True)


class Outcome:
    """What one run gave: output, exit status, and whether the probe came to life."""

    def __init__(self, nonce: str, stdout: bytes, stderr: bytes, returncode: int) -> None:
        self.stdout, self.stderr, self.returncode = stdout, stderr, returncode
        self.text = stdout.decode(errors="replace")
        self.started = f"ATTACK-START {nonce}" in self.text
        self.ended = f"ATTACK-END {nonce}" in self.text

    def __str__(self) -> str:
        return f"exit {self.returncode}\n{self.text[-3000:]}\n{self.stderr.decode(errors='replace')[-3000:]}"


class Running:
    """A probe that is under way: the judge may change the world meanwhile, or kill the launcher only."""

    def __init__(self, world: World, process: subprocess.Popen[bytes]) -> None:
        self.world, self.process = world, process
        self.head = b""

    def until(self, word: str, timeout: float = 15) -> None:
        """Wait for a word in the output."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout
        while word.encode() not in self.head:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.process.stdout], [], [], left)[0]:
                break
            block = os.read(self.process.stdout.fileno(), 65536)
            if not block:
                break
            self.head += block
        if word.encode() not in self.head:
            self.process.kill()
            rest = self.process.communicate(timeout=10)
            raise AssertionError(f"{word} did not come: {self.head!r} {rest!r}")

    def go(self) -> None:
        """Tell the probe to go on."""
        (self.world.workspace / f"go-{self.world.nonce}").touch()

    def finish(self, timeout: float = DEADLINE) -> Outcome:
        """The rest of the output and the verdict's material."""
        out, err = self.process.communicate(timeout=timeout)
        return Outcome(self.world.nonce, self.head + out, err, self.process.returncode)


class Guard:
    """One way to run a command: `control` without any sandbox, else `sidewall run` in a tier."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def is_control(self) -> bool:
        """Whether nothing holds the attack back."""
        return self.name == CONTROL

    def argv(self, inner: list[str], options: tuple[str, ...] = ()) -> list[str]:
        """The host's command line for a command inside."""
        if self.is_control:
            return inner
        return [*SIDEWALL, "run", "--tier", self.name, *options, "--", *inner]

    def start(
        self,
        world: World,
        inner: list[str],
        *,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        **popen: Any,
    ) -> Running:
        """Start a command in the world's workspace."""
        settings = {"stdin": subprocess.DEVNULL, "cwd": world.workspace, **popen}
        process = subprocess.Popen(
            self.argv(inner, options),
            env={**environment(world), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **settings,
        )
        return Running(world, process)

    def run(self, world: World, inner: list[str], *, timeout: float = DEADLINE, **settings: Any) -> Outcome:
        """Run a command in the world's workspace to its end."""
        running = self.start(world, inner, **settings)
        try:
            return running.finish(timeout)
        except subprocess.TimeoutExpired:
            running.process.kill()
            rest = running.process.communicate(timeout=10)
            raise AssertionError(f"no end within {timeout} s: {rest!r}") from None

    def attack(
        self,
        world: World,
        probe: Callable[..., None],
        *helpers: Callable[..., Any],
        settings: dict[str, Any] | None = None,
        **parameters: object,
    ) -> Outcome:
        """Run a probe; ``settings`` go to `run`, the rest to the probe."""
        return self.run(world, command(probe, world.nonce, *helpers, **parameters), **(settings or {}))

    def judge(self, outcome: Outcome, escaped: object) -> None:
        """The control must have escaped, the sandbox must have held, and the probe must have run in both."""
        assert outcome.started, f"the probe never ran: {outcome}"
        if self.is_control:
            assert escaped, f"the control did not bite, so the probe proves nothing: {outcome}"
        else:
            assert not escaped, f"ESCAPE by {self.name}: {escaped}\n{outcome}"


def environment(world: World) -> dict[str, str]:
    """The user's environment in the world."""
    here = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}  # where the library lies
    return here | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(world.home),
        "XDG_RUNTIME_DIR": str(world.run),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "USER": "ann",
    }
