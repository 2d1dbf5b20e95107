"""A probe: one thing that a hostile command would try, or an honest one needs, and what its effect would be.

Knows: the shape of a probe.  Must not know: any platform, how a probe is run or an effect is seen.

The rows are those of docs/attacks.md and docs/attacks-windows.md.  A program is Python source for a bare interpreter
(``-I -S``).  It finds the names of its scene (``outside``, ``workspace``, ``here``, ``nonce``, ...) defined, and says
that it has begun before it tries anything: silence is never taken for a refusal.
"""

from __future__ import annotations

from sidewall.policy.model import Limits
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WORKS = "what must work"
"""Stands in place of a guarantee: this must have its effect inside as well."""

STARTED, TOLD = "ATTACK-START", "ATTACK-EFFECT"
"""What a program prints, each with its nonce: that it runs; that it got what cannot be seen from outside."""

BEAT = """
import time
def beat(path):
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.path.exists(base + "/stop"):
        with open(path, "a") as trace:
            trace.write(".")
        time.sleep(0.03)
def begun():
    for turn in range(1000):
        if os.path.exists(here + "/beat"):
            return
        time.sleep(0.01)
    raise TimeoutError("nothing that was left behind began to run")
"""
"""For programs that leave something behind: ``beat(path)`` goes on writing for 20 seconds, or until the scene is taken
away; ``begun()`` waits for the first beat."""


class Probe(Record):
    """``id`` is a row of the catalogue and a word; ``guarantee`` the promise that an effect would break, or ``WORKS``.

    ``effect`` is a kind that ``looks`` knows, and what it is about, in which names of the scene stand in braces.
    ``alone``: nothing else runs inside meanwhile.  ``tiers``: the only ones in which a tier's report is about it; () is
    all.  ``limits``: it runs in a session of its own with these.  ``late``: the effect is looked for when the session
    has ended.  ``source`` is what the program needs before it, for instance a function that makes system calls.
    """

    id: str
    guarantee: str
    what: str
    program: str
    effect: str
    alone: bool = False
    late: bool = False
    tiers: tuple[str, ...] = ()
    limits: Limits | None = None
    source: str = ""

    @property
    def row(self) -> str:
        """The row of the catalogue."""
        return self.id.partition(" ")[0]


def chosen(probes: Iterable[Probe], guarantees: Iterable[str]) -> tuple[Probe, ...]:
    """The probes of these guarantees, and what must work; all where none is named."""
    wanted = {*guarantees}
    return tuple([probe for probe in probes if not wanted or probe.guarantee in wanted or probe.guarantee == WORKS])


def catalogue(platform: str) -> tuple[Probe, ...]:
    """The probes for ``linux`` or ``win32`` (a value of ``sys.platform``)."""
    if platform == "win32":
        from sidewall.verify.probes_windows import PROBES as probes
    else:
        from sidewall.verify.probes_linux import PROBES as probes
    return probes
