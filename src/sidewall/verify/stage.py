"""One attempt of one probe: its nonce, its files, its victim, and what its program is told of them.

Knows: which names a program has.  Must not know: whether a sandbox is around it.
"""

from __future__ import annotations

import os
import re
import secrets

from sidewall.verify.looks import fingerprint
from sidewall.verify.probe import STARTED, TOLD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.verify.probe import Probe
    from sidewall.verify.scene import Scene

CANARY = "the canary's content\n"


class Stage:
    """A directory outside with a canary, one inside the workspace (``here``), and what came of the attempt: ``output``
    and ``errors`` of the program, ``fault`` when it was not run to its end, ``effect`` once somebody has looked.

    ``directory`` is where the program starts.  ``victim`` is the number of a process that is there for this attempt
    alone, 0 for none.
    """

    def __init__(self, scene: Scene, number: int, probe: Probe, workspace: str, victim: int = 0) -> None:
        self.scene = scene
        self.number = number
        self.nonce = f"n{secrets.token_hex(8)}"
        self.workspace = workspace
        self.outside = os.path.join(scene.base, "outside", str(number))
        self.here = os.path.join(workspace, self.nonce)
        self.victim = victim
        # Programs and effects write paths with a slash, also where the system prefers another separator.
        canary = self.outside + "/canary"
        self.before: dict[str, tuple[object, ...]] = {}
        if names(probe, "outside"):
            os.mkdir(self.outside)
            os.chmod(self.outside, 0o700)
            with open(canary, "w", encoding="ascii") as file:
                file.write(CANARY)
            os.chmod(canary, 0o600)
            self.before = {path: fingerprint(path) for path in (self.outside, canary)}
        self.directory = workspace
        if names(probe, "here"):
            os.mkdir(self.here)
            self.directory = self.here
        self.tuning = scene.tuning(self)
        self.output = self.errors = b""
        self.fault = ""
        self.effect = False

    @property
    def given(self) -> dict[str, Any]:
        """What a program finds defined: paths, ports, numbers and names of what it may attack."""
        return {**self.scene.targets, "base": self.scene.base, "home": self.scene.home, "outside": self.outside,
                "workspace": self.workspace, "here": self.here, "nonce": self.nonce, "number": self.number,
                "victim": self.victim, **self.scene.particular(self)}

    def fill(self, text: str) -> str:
        """``text`` with the names in braces filled in."""
        for name, value in self.given.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def program(self, probe: Probe) -> str:
        """The source of the attempt."""
        lines = [f"{name} = {value!r}" for name, value in self.given.items()]
        return "\n".join(["import os, sys", *lines, f"print({STARTED!r}, nonce, flush=True)",
                          f"def told(): print({TOLD!r}, nonce, flush=True)", probe.source, probe.program])

    @property
    def started(self) -> bool:
        """Whether the program came to life."""
        return f"{STARTED} {self.nonce}".encode() in self.output

    @property
    def said(self) -> str:
        """Why it got no further, in its own last words; '' for silence."""
        lines = [line for line in self.errors.decode(errors="replace").splitlines() if line.strip()]
        if not lines:
            return ""
        text = re.sub(r"^\w*(?:Error|Exception|Expired): |\[(?:Errno|WinError) -?\d+\] ", "", lines[-1].strip())
        # A path says nothing that the probe does not, and is another one each time.
        return re.sub(r": '.*$", "", text)[:120]


def names(probe: Probe, name: str) -> bool:
    """Whether the probe is about a name of the scene."""
    return bool(re.search(rf"\b{name}\b", f"{probe.source}\n{probe.program}\n{probe.effect}"))


def missing(probe: Probe, absent: dict[str, str]) -> str:
    """Why this machine has not what the probe is aimed at; '' when it has."""
    return next((why for name, why in absent.items() if names(probe, name)), "")
